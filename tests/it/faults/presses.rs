//! A press whose sender, connection or server goes away in the middle of it.

use super::{
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, api, open_holds},
    proc,
    scene::Scene,
    server::Server,
    trouble::Trouble,
    until,
};
use crate::harness::{
    browser::exchange,
    db::{self, Fresh, on_both},
};
use andon::{
    domain::{Epoch, Hold},
    storage,
};
use axum::{body::Body, http::Request};
use rustix::process::Signal;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends all of a press and resets the connection at once: nobody is there to be answered.
async fn send_and_reset(scene: &Scene, press: &Press) {
    let mut stream = TcpStream::connect(scene.ground.address).await.unwrap();
    stream.write_all(&press.bytes(&scene.ground.stop_token)).await.unwrap();
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Every hold with the reason of this press, as the database has it.
async fn recorded(scene: &Scene, press: &Press) -> Vec<Hold> {
    let db = db::reopen(&scene.ground.place).await;
    let holds = storage::holds::hold_since(&mut db.read().await.unwrap(), Epoch(-1)).await.unwrap();
    db.close().await;
    holds.into_iter().filter(|hold| hold.why == press.why).collect()
}

on_both!(a_connection_reset_after_the_last_byte_of_a_press_does_not_cancel_it, |fresh: Fresh| async move {
    let mut scene = Scene::trading_on(fresh).await;
    let press = Press::new(Way::Token, "reset");
    let sent_ms = now_ms();
    send_and_reset(&scene, &press).await;
    scene.host().until_standing(sent_ms + STANDS_WITHIN_MS).await;
    let holds = recorded(&scene, &press).await;
    assert_eq!(holds.len(), 1);
    assert!(holds[0].is_open() && holds[0].entry.is_some() && !holds[0].late);
});

on_both!(a_server_killed_after_the_last_byte_of_a_press_keeps_what_it_committed_and_takes_it_once, |fresh: Fresh| async move {
    let mut scene = Scene::trading_on(fresh).await;
    // Committed, not answered, not even pushed: nobody presses again, and still it is there.
    let committed = Press::new(Way::Token, "committed");
    scene.server.arm.set("place:committed", 1);
    let sent_ms = now_ms();
    send_and_reset(&scene, &committed).await;
    until("the server's death", async || scene.server.ended().is_some()).await;
    scene.server = Server::start(&scene.ground).await;
    scene.host().until_standing(sent_ms + STANDS_WITHIN_MS).await;
    assert_eq!(recorded(&scene, &committed).await.len(), 1);
    scene.release().await;
    scene.start().await;
    // Killed at whatever it had come to: pressed again with the same key it is one hold.
    let mut pressed = Press::new(Way::Token, "killed");
    send_and_reset(&scene, &pressed).await;
    scene.server.kill();
    scene.server = Server::start(&scene.ground).await;
    let again = pressed.once(&scene.ground, &mut scene.crew).await.expect("an answer");
    let answered_ms = now_ms();
    scene.host().until_standing(answered_ms + STANDS_WITHIN_MS).await;
    let holds = recorded(&scene, &pressed).await;
    assert_eq!(holds.iter().map(|hold| hold.id.as_str()).collect::<Vec<_>>(), [again.hold]);
});

on_both!(a_server_that_is_told_to_stop_finishes_the_press_under_way, |fresh: Fresh| async move {
    let mut scene = Scene::trading_on(fresh).await;
    let press = Press::new(Way::Token, "while it stops");
    let bytes = press.bytes(&scene.ground.stop_token);
    let (most, last) = bytes.split_at(bytes.len() - 1);
    let mut stream = TcpStream::connect(scene.ground.address).await.unwrap();
    stream.write_all(most).await.unwrap();
    // It has read the head once a later request on another connection was answered.
    let health = || Request::get("/healthz").header("host", "localhost").body(Body::empty()).unwrap();
    exchange(scene.ground.address, health()).await.unwrap();
    scene.server.ask_to_end();
    let address = scene.ground.address;
    until("a server that takes nothing new", async || TcpStream::connect(address).await.is_err()).await;
    stream.write_all(last).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("\"recorded\""), "{answer}");
    until("the server's orderly end", async || scene.server.ended().is_some()).await;
    assert!(scene.server.ended().unwrap().success());
    assert_eq!(recorded(&scene, &press).await.len(), 1);
    scene.server = Server::start(&scene.ground).await;
    scene.host().until_standing(now_ms() + STANDS_WITHIN_MS).await;
    assert_eq!(open_holds(&scene.ground).await.unwrap().len(), 1);
});

on_both!(a_hold_that_was_recorded_late_does_not_come_back_after_its_release, |fresh: Fresh| async move {
    let mut scene = Scene::trading_on(fresh).await;
    let trouble = Trouble::locked(&scene.ground).await;
    let mut press = Press::new(Way::Socket, "while the database is locked");
    let pressed = press.once(&scene.ground, &mut scene.crew).await.unwrap();
    assert_eq!(pressed.kept, "spooled");
    // Committed late, and killed before the spool can forget it.
    scene.server.arm.set("place:committed", 1);
    trouble.end().await;
    until("the server's death", async || scene.server.ended().is_some()).await;
    scene.server = Server::start(&scene.ground).await;
    let holds = recorded(&scene, &press).await;
    assert_eq!(holds.iter().map(|hold| hold.id.as_str()).collect::<Vec<_>>(), [pressed.hold]);
    scene.release().await;
    scene.start().await;
    let pid = scene.host().beats().last().unwrap().pid;
    scene.server.kill();
    scene.server = Server::start(&scene.ground).await;
    // What the new server found in its spool would have reached the agent before the answer to a check-in of the new boot of the server.
    let (ground, bot) = (&scene.ground, scene.hosts[0].bot.clone());
    let since_ms = now_ms();
    until("two check-ins with the new server", async || {
        let (_, seen) = api(ground, &ground.read_token, "GET", &format!("/api/v1/bots/{bot}"), None).await.unwrap();
        assert_eq!(seen["directive"]["state"], "active", "{seen}");
        now_ms() - since_ms > 1_500 && seen["seen"]["age_ms"].as_i64().unwrap() < 700
    })
    .await;
    assert!(proc::is_alive(pid), "the bot of before trades on");
    assert!(scene.host().trades());
    proc::signal(pid, Signal::TERM);
});
