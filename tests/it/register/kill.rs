//! A server that is killed while it takes a file in has changed nothing, or everything.

use crate::faults::{
    ground::Ground,
    server::{self, Server},
    until,
};
use crate::harness::db::{Fresh, on_both};

/// Where it is killed, and whether the file is in by then.
pub const STEPS: [(&str, bool); 2] = [("import:before_commit", false), ("import:committed", true)];

async fn run(ground: &Ground, arguments: &[&str]) -> (bool, String) {
    let mut command = server::command(server::andon());
    command.arg("register").args(arguments).arg("--data").arg(ground.path()).arg("--state-dir").arg(ground.state_dir());
    let ended = tokio::process::Command::from(command).output().await.unwrap();
    let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (ended.status.success(), said)
}

on_both!(a_kill_within_an_import_leaves_all_of_it_or_nothing, |fresh: Fresh| async move {
    let (ground, _hosts) = Ground::new(fresh, 0).await;
    let mut server = Server::start(&ground).await;
    let file = ground.path().join("register.csv");
    let rows: String = (0..50).map(|n| format!("subaccount,s-{n},v,test\n").replace(",test", ",")).collect();
    std::fs::write(&file, format!("kind,name,venue,environment\nvenue,v,,test\n{rows}")).unwrap();
    let file = file.to_str().unwrap();
    for (point, is_in) in STEPS {
        let (good, before) = run(&ground, &["export"]).await;
        assert!(good && !before.contains("\nsubaccount,"), "{before}");
        server.arm.set(point, 1);
        let (good, said) = run(&ground, &["import", file]).await;
        assert!(!good, "{said}");
        until("the server's end", async || server.ended().is_some()).await;
        server = Server::start(&ground).await;
        let (good, after) = run(&ground, &["export"]).await;
        assert!(good, "{after}");
        assert_eq!(after.matches("\nsubaccount,").count(), if is_in { 50 } else { 0 }, "{point}: {after}");
        assert_eq!(after == before, !is_in, "{point}");
    }
    let (_, said) = run(&ground, &["import", file]).await;
    assert!(said.contains("nothing changes"), "{said}");
    server.stop().await;
    let verified = ground.verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
});
