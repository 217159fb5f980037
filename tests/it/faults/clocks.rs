//! Time that misbehaves: a server that stands still, wall clocks that jump, and a memory that was cut short. Leases run on the boot clock, and
//! what is not known stops.

use super::{
    ground::{Ground, TIMINGS},
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, open_holds},
    proc,
    scene::Scene,
    server::{self, Server},
    until,
};
use crate::harness::db::{Kind, fresh};
use rustix::process::Signal;
use std::{fs, path::Path, time::Duration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_silence_and_takes_the_press_once_it_goes_on() {
    let mut scene = Scene::trading().await;
    let pid = scene.server.pid();
    let stopped_ms = now_ms();
    proc::signal(pid, Signal::STOP);
    // The system takes the press for it; nobody answers.
    let press = Press::new(Way::Token, "while it stood still");
    let (address, bytes) = (scene.ground.address, press.bytes(&scene.ground.stop_token));
    let pressing = tokio::spawn(async move { super::press::answer_to(address, &bytes).await });
    scene.host().until_standing(stopped_ms + STANDS_WITHIN_MS).await;
    assert!(now_ms() - stopped_ms >= TIMINGS.lapse_after_ms / 2, "until its lease ran out it went on");
    let beats = scene.host().beats();
    proc::signal(pid, Signal::CONT);
    let answer = pressing.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(open_holds(&scene.ground).await.unwrap().len(), 1);
    scene.release().await;
    assert_eq!(scene.host().beats(), beats, "it stands");
    scene.start().await;
}

/// What a process carries whose wall clock is as far off as a file says.
fn faked(file: &Path) -> Vec<(&'static str, String)> {
    let asked = server::command("faketime").args(["-f", "+0", "sh", "-c", "echo $LD_PRELOAD"]).output().expect("faketime is installed");
    let library = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
    assert!(library.contains("faketime"), "{library}");
    vec![
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wall_clocks_that_jump_neither_stop_a_bot_nor_keep_a_stop_from_it() {
    for of_server in [true, false] {
        let (ground, hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
        let offset = ground.path().join("offset");
        let jump = |to: &str| {
            fs::write(offset.with_extension("new"), to).unwrap();
            fs::rename(offset.with_extension("new"), &offset).unwrap();
        };
        jump("+0");
        let (for_server, for_agent) = if of_server { (faked(&offset), Vec::new()) } else { (Vec::new(), faked(&offset)) };
        let server = Server::start_with(&ground, &for_server).await;
        let mut scene = Scene::with(ground, hosts, server).await;
        scene.host().run_with(&for_agent);
        scene.start().await;
        let pid = scene.host().beats().last().unwrap().pid;
        for to in ["+3h", "-2d", "+0"] {
            jump(to);
            let since_ms = now_ms();
            // Two leases long: a lease that ran on that clock would be over, or would never end.
            until("it trades on", async || scene.hosts[0].trades_since(since_ms + 2 * TIMINGS.lapse_after_ms)).await;
            assert_eq!(scene.host().beats().last().unwrap().pid, pid, "{to}: the same process, so no stop and no start");
        }
        jump("-2d");
        let mut press = Press::new(Way::Token, "after the jumps");
        assert_eq!(press.once(&scene.ground, &mut scene.crew).await.unwrap().kept, "recorded");
        scene.host().until_standing(now_ms() + STANDS_WITHIN_MS).await;
        jump("+0");
        tokio::time::sleep(Duration::from_millis(u64::try_from(TIMINGS.check_in_ms).unwrap() * 3)).await;
        assert!(scene.host().stands(), "and nothing lets it go on");
        assert_eq!(open_holds(&scene.ground).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_that_was_cut_short_or_is_gone_frees_nothing() {
    let mut scene = Scene::trading().await;
    for cut in [true, false] {
        scene.host().shut_down().await;
        let file = scene.ground.path().join(&scene.hosts[0].name).join("memory");
        let memory = fs::read(&file).unwrap();
        if cut {
            fs::write(&file, &memory[..memory.len() / 2]).unwrap()
        } else {
            fs::remove_file(&file).unwrap()
        }
        let beats = scene.host().beats();
        scene.host().run();
        scene.until_stopped_for("boot").await;
        until("a memory that is whole again", async || {
            fs::read(&file).is_ok_and(|now| now.ends_with(b"\n") && now.len() > memory.len() / 2)
        })
        .await;
        assert_eq!(scene.host().beats(), beats, "not one beat without a start");
        scene.start().await;
    }
}
