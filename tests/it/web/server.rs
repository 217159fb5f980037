//! The server over real sockets: how it ends.

use crate::harness::{
    app::TestApp,
    db::{Kind, fresh},
};
use andon::fleet::{
    Pass,
    lines::{Mouth, Told},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

/// The mouth of a stream to which nothing is to be said.
struct Mute;

impl Mouth for Mute {
    fn tell(&self, _: &mut Pass<'_>) -> Told {
        Told::Nothing
    }
    fn nudge(&self) {}
}

const PATIENCE: Duration = Duration::from_secs(5);

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let n = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answers_what_is_under_way_and_takes_nothing_new() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = test.bot("arb-1", "arb").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, told) = oneshot::channel::<()>();
    let shutdown = async move { drop(told.await) };
    let server = tokio::spawn(andon::web::server::serve(listener, test.app.clone(), shutdown));

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost:8787\r\n\r\n").await.unwrap();
    assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
    let mut under_way = TcpStream::connect(address).await.unwrap();
    let head = "POST /sign-in HTTP/1.1\r\nHost: localhost:8787\r\nOrigin: http://localhost:8787\r\nContent-Length: 9\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\nname=";
    under_way.write_all(head.as_bytes()).await.unwrap();
    under_way.flush().await.unwrap();
    // The request is under way once the server has read its head; a second answer on the idle connection comes after it.
    idle.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost:8787\r\n\r\n").await.unwrap();
    assert!(answer(&mut idle).await.contains("can_stop"));
    let agent = andon::domain::AgentId::new();
    let mut line = test.app.lines.open(&bot.id, &agent, Arc::new(Mute));

    stop.send(()).unwrap();
    timeout(PATIENCE, line.end.changed()).await.unwrap().unwrap();
    assert_eq!(*line.end.borrow(), andon::fleet::Ended::Restart, "agents are told to come back");
    drop(line);
    let mut left = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut left)).await.unwrap().unwrap();
    assert!(left.is_empty(), "an idle connection is closed");
    under_way.write_all(b"sato").await.unwrap();
    assert!(answer(&mut under_way).await.starts_with("HTTP/1.1 403"), "it is answered, with what it deserves");
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
