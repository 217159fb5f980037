//! The log's commands, as a person on the server's host runs them.

use super::copy::Raw;
use crate::harness::{
    app::TestApp,
    db::{Kind, fresh},
};
use andon::app::log::files;
use std::{path::PathBuf, process::Command};

/// Runs the program with none of this process's own settings; answers with exit code and everything it said.
fn andon(arguments: &[&str]) -> (Option<i32>, String) {
    let program = std::env::var_os("NEXTEST_BIN_EXE_andon").map_or_else(|| env!("CARGO_BIN_EXE_andon").into(), PathBuf::from);
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ANDON_")) {
        command.env_remove(name);
    }
    let run = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    (run.status.code(), said)
}

#[tokio::test]
async fn the_commands_say_what_they_looked_at_and_end_with_one_when_something_is_wrong() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let dir = test.fresh.dir.path().display().to_string();
    let (code, key) = andon(&["audit", "key", "--data", &dir]);
    assert_eq!((code, key.trim()), (Some(0), test.app.log.status().vkey.as_str()));
    let kept = test.fresh.dir.path().join("kept.txt");
    std::fs::write(&kept, test.app.checkpoint(&test.actor("auditor")).await.unwrap().note).unwrap();
    let kept = kept.display().to_string();
    let all = ["audit", "verify", "--data", &dir, "--key", key.trim(), "--checkpoint", &kept];
    let (code, said) = andon(&all);
    assert_eq!(code, Some(0), "{said}");
    for part in ["in the tide mark", "in the file given", "in the database", "in the sink", "byte for byte", "nothing is wrong"] {
        assert!(said.contains(part), "{part} is missing from {said}");
    }
    let sink = format!("{dir}/log");
    let (code, said) = andon(&["audit", "verify", "--sink", &sink, "--key", key.trim()]);
    assert!(code == Some(0) && said.contains("not checked  the database"), "{said}");
    let (code, said) = andon(&["audit", "verify", "--data", "/nowhere/at/all"]);
    assert!(code == Some(1) && said.contains("there is no database"), "{said}");
    // A database may be named by a file as well; each setting is taken as `andon serve` takes it.
    let url = test.fresh.dir.path().join("url");
    std::fs::write(&url, "mysql://h/d").unwrap();
    for command in [["audit", "verify"], ["replica", "join"]] {
        let (code, said) = andon(&[&command[..], &["--database-url-file", &url.display().to_string()]].concat());
        assert!(code == Some(1) && said.contains("must begin with postgres://") && !said.contains("mysql"), "{said}");
    }
    let (code, said) = andon(&["audit", "verify", "--data", &dir, "--key", "nonsense"]);
    assert!(code == Some(1) && said.contains("not a key"), "{said}");

    // A replica joins once, and only to a log that is whole.
    let (code, said) = andon(&["replica", "join", "--data", &dir]);
    assert!(code == Some(1) && said.contains("has a tide mark already"), "{said}");
    // Nor while a server has the database, whatever its state folder is.
    let serving = std::fs::File::create(test.fresh.dir.path().join("lock")).unwrap();
    rustix::fs::flock(&serving, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (code, said) = andon(&["replica", "join", "--data", &dir, "--state-dir", &format!("{dir}/another")]);
    assert!(code == Some(1) && said.contains("in use by another andon process"), "{said}");
    drop(serving);
    std::fs::remove_file(files::mark_path(&test.log_settings().state_dir)).unwrap();
    let (code, said) = andon(&["audit", "verify", "--data", &dir]);
    assert!(code == Some(1) && said.contains("no tide mark"), "{said}");
    let (code, said) = andon(&["replica", "join", "--data", &dir]);
    assert!(code == Some(0) && said.contains(key.trim()), "{said}");
    let (code, said) = andon(&all);
    assert_eq!(code, Some(0), "{said}");

    Raw::open(&test.fresh.place).await.run("UPDATE audit_record SET body = {0} WHERE seq = 2", &[b"{}"]).await;
    let (code, said) = andon(&all);
    assert!(code == Some(1) && said.contains("WRONG        entry 2"), "{said}");
    std::fs::remove_file(files::mark_path(&test.log_settings().state_dir)).unwrap();
    let (code, said) = andon(&["replica", "join", "--data", &dir]);
    assert!(code == Some(1) && !files::mark_path(&test.log_settings().state_dir).exists(), "{said}");
}
