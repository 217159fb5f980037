//! A press while database or log take nothing: every connected agent is stopped all the same, the press is kept and recorded, and whatever would
//! let a bot do more answers 503 and changes nothing.

use super::{
    ground::Ground,
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, api, open_holds},
    scene::Scene,
    server::Server,
    trouble::Trouble,
    until,
};
use crate::harness::db::{self, Fresh, Place, on_both};

/// Two bots trade; one of them is held by a pause that the database has.
async fn one_held(fresh: Fresh) -> (Scene, String) {
    let (ground, hosts) = Ground::new(fresh, 2).await;
    let server = Server::start(&ground).await;
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.hosts.iter_mut().for_each(super::host::Host::run);
    scene.start().await;
    let mut press = Press { scope: "bot", name: "arb-2".into(), ..Press::new(Way::Token, "before the trouble") };
    let held = press.once(&scene.ground, &mut scene.crew).await.unwrap();
    scene.hosts[1].until_standing(now_ms() + STANDS_WITHIN_MS).await;
    assert!(scene.hosts[0].trades());
    scene.crew.browser("lead").get(&format!("/holds/{}", held.hold)).await;
    scene.crew.browser("operator").get("/starts/new").await;
    (scene, held.hold)
}

/// What would let a bot do more, tried on the pages that were open before.
async fn nothing_loosens(scene: &mut Scene, hold: &str) {
    let bot = scene.hosts[1].bot.to_string();
    let lead = scene.crew.browser("lead");
    lead.post(&format!("/holds/{hold}/release"), &[("release_why", "it is over")]).await;
    assert_eq!(lead.status.as_u16(), 503, "a release: {}", lead.page);
    let operator = scene.crew.browser("operator");
    operator.post("/starts", &[("bot", &bot)]).await;
    assert_eq!(operator.status.as_u16(), 503, "a start: {}", operator.page);
}

/// Presses, sees both bots stand, tries what loosens; then the trouble ends and the press is recorded as what it was.
async fn stops_and_loosens_nothing(mut scene: Scene, before: String, kept: &str, end: impl Future<Output = ()>) {
    let mut press = Press::new(Way::Token, "while it takes nothing");
    let pressed = press.once(&scene.ground, &mut scene.crew).await.expect("a press is answered");
    let answered_ms = now_ms();
    assert_eq!(pressed.kept, kept);
    scene.hosts[0].until_standing(answered_ms + STANDS_WITHIN_MS).await;
    nothing_loosens(&mut scene, &before).await;
    end.await;
    let (ground, path) = (&scene.ground, format!("/api/v1/holds/{}", pressed.hold));
    until("the hold and its entry in database and log", async || {
        let (_, hold) = api(ground, &ground.read_token, "GET", &path, None).await.unwrap();
        hold["entry"].is_i64() && (kept == "recorded" || hold["late"] == true)
    })
    .await;
    let open = open_holds(&scene.ground).await.unwrap();
    assert!(open.len() == 2 && open.contains(&before) && open.contains(&pressed.hold), "{open:?}");
    assert!(scene.hosts.iter().all(super::host::Host::stands), "nothing was started");
    scene.release().await;
    scene.start().await;
}

on_both!(a_locked_database_refuses_no_stop_and_loosens_nothing, |fresh: Fresh| async move {
    let (scene, before) = one_held(fresh).await;
    let trouble = Trouble::locked(&scene.ground).await;
    stops_and_loosens_nothing(scene, before, "spooled", trouble.end()).await;
});

on_both!(a_database_that_takes_nothing_refuses_no_stop_and_loosens_nothing, |fresh: Fresh| async move {
    let (scene, before) = one_held(fresh).await;
    let trouble = Trouble::failing(&scene.ground, scene.server.pid()).await;
    stops_and_loosens_nothing(scene, before, "spooled", trouble.end()).await;
});

on_both!(a_log_that_takes_nothing_refuses_no_stop_and_loosens_nothing, |fresh: Fresh| async move {
    let (scene, before) = one_held(fresh).await;
    let place = scene.ground.place.clone();
    let (refuse, take) = match &place {
        Place::File(_) => {
            ("CREATE TRIGGER refuse BEFORE INSERT ON audit_record BEGIN SELECT RAISE(ABORT, 'refused'); END", "DROP TRIGGER refuse")
        }
        Place::Url(_) => {
            ("ALTER TABLE audit_record ADD CONSTRAINT refuse CHECK (false) NOT VALID", "ALTER TABLE audit_record DROP CONSTRAINT refuse")
        }
    };
    db::beside(&place, refuse).await;
    stops_and_loosens_nothing(scene, before, "recorded", async { db::beside(&place, take).await }).await;
});
