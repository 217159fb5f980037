//! An older backup is put back under a server that runs for real: agents ahead stay stopped, the fleet is paused, and two people let the site go
//! on, whatever kills the server in between. Nothing trades before a start that is signed after all that.

use super::{
    crew::{Crew, Tried},
    ground::Ground,
    host::Host,
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, open_holds},
    scene::Scene,
    server::{self, Server},
    until,
};
use crate::harness::{
    browser::{Browser, PASSWORD},
    db::{self, Fresh, on_both},
};
use crate::log::copy::{copy_of, put_back};
use andon::{app::log::files, storage};

/// Where a recovery can be cut off, and whether it is carried out by then.
pub const STEPS: [(&str, bool); 3] = [("recover:ready", false), ("recover:before_commit", false), ("recover:committed", true)];

/// What `andon recover` says.
async fn recover(ground: &Ground, more: &[&str]) -> (bool, String) {
    let mut command = server::command(server::andon());
    command.args(["recover", "--why", "the disk died; the backup is old"]).args(more);
    command.arg("--data").arg(ground.path()).arg("--state-dir").arg(ground.state_dir());
    let output = tokio::process::Command::from(command).output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), said)
}

/// Somebody signs by a link. False: nobody answered.
async fn sign(ground: &Ground, link: &str, who: &str) -> bool {
    let person = ground.people.iter().find(|person| person.who == who).unwrap();
    let mut browser = Browser::over(ground.address, &ground.origin);
    let path = link.strip_prefix(&ground.origin).unwrap();
    browser.get(path).await;
    assert!(browser.page.contains("ahead of the server"), "{}", browser.page);
    browser.post(path, &[("name", &person.name), ("password", PASSWORD)]).await;
    let user = browser.between(r#"name="user" value=""#, "\"").unwrap_or_else(|| panic!("{}", browser.page));
    let answer = person.key.sign(&browser.between("data-options=\"", "\"").unwrap()).unwrap();
    browser.post(&format!("{path}/sign"), &[("user", &user), ("response", &answer)]).await;
    assert!(browser.status == 502 || browser.status == 200, "{} {}", browser.status, browser.page);
    browser.status == 200
}

async fn size(ground: &Ground) -> i64 {
    let db = db::reopen(&ground.place).await;
    let size = storage::audit::audit_head(&mut db.read().await.unwrap()).await.unwrap().size;
    db.close().await;
    size
}

/// A bot that traded, and stops that only its agent, the tide mark and the sink remember: the database is the one of before.
async fn restored(fresh: Fresh) -> Scene {
    let (ground, mut hosts) = Ground::new(fresh, 1).await;
    let mut server = Server::start(&ground).await;
    until("the first tide mark", async || files::read_mark(&ground.state_dir()).is_ok_and(|mark| mark.is_some())).await;
    server.stop().await;
    let backup = copy_of(&ground.place, ground.path(), "backup").await;
    let server = Server::start(&ground).await;
    hosts.iter_mut().for_each(Host::run);
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.start().await;
    let pressed_ms = now_ms();
    for (n, scope) in ["bot", "team", "fleet"].into_iter().enumerate() {
        let mut press = Press::new(Way::Token, format!("press {n}"));
        press.scope = scope;
        press.name = match scope {
            "bot" => scene.hosts[0].name.clone(),
            "team" => "arb".to_owned(),
            _ => String::new(),
        };
        press.once(&scene.ground, &mut scene.crew).await.unwrap();
    }
    scene.host().until_standing(pressed_ms + STANDS_WITHIN_MS).await;
    let whole = size(&scene.ground).await;
    let marked = || files::read_mark(&scene.ground.state_dir()).ok().flatten().map_or(0, |mark| mark.checkpoint.size as i64);
    until("the mark of what the backup does not have", async || marked() >= whole).await;
    scene.server.kill();
    put_back(&scene.ground.place, &backup).await;
    assert!(size(&scene.ground).await < whole);
    scene.server = Server::start(&scene.ground).await;
    scene
}

on_both!(a_restored_site_is_recovered_by_two_people_whatever_kills_the_server, |fresh: Fresh| async move {
    let mut scene = restored(fresh).await;
    let restored_ms = now_ms();
    // The agent says what it has seen; its bot stands.
    until("the agent's word", async || recover(&scene.ground, &[]).await.1.contains("1 of them have seen more")).await;
    let (good, said) = recover(&scene.ground, &[]).await;
    assert!(good && said.contains("it was rolled back") && said.contains("run the same with --sign"), "{said}");
    let (good, said) = recover(&scene.ground, &["--sign"]).await;
    let links: Vec<&str> = said.lines().map(str::trim).filter(|line| line.contains("/recover/")).collect();
    assert!(good && links.len() == 2, "{said}");
    assert!(sign(&scene.ground, links[0], "lead").await);
    for (point, is_done) in STEPS {
        scene.server.arm.set(point, 1);
        assert!(!sign(&scene.ground, links[1], "risk").await, "{point}: it was to be killed");
        until("the server's end", async || scene.server.ended().is_some()).await;
        let (good, said) = recover(&scene.ground, &[]).await;
        assert!(!good && said.contains("no server runs here") && said.contains("andon serve"), "{said}");
        scene.server = Server::start(&scene.ground).await;
        until("the agent's word", async || recover(&scene.ground, &[]).await.1.contains("agents              1 have said")).await;
        let (_, said) = recover(&scene.ground, &[]).await;
        assert_eq!(said.contains("nothing to recover"), is_done, "{point}: {said}");
    }
    assert!(!scene.host().trades_since(restored_ms), "nothing runs by itself");
    // Everything as after any other pause: released by two, started by a signature.
    scene.crew = Crew::signed_in(&scene.ground).await;
    let open = open_holds(&scene.ground).await.unwrap();
    assert!(!open.is_empty(), "the fleet is paused");
    for hold in &open {
        let mut last = Tried::NoAnswer(None);
        let crew = &mut scene.crew;
        until("a release", async || {
            last = crew.release(hold).await;
            last == Tried::Done
        })
        .await;
    }
    assert!(!scene.host().trades_since(restored_ms), "a release starts nothing");
    scene.start().await;
    scene.server.stop().await;
    let verified = scene.ground.verify();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("closed by a recovery (rollback)"), "{said}");
});
