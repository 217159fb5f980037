//! A line between agent and server that goes half open: connections stand, nothing comes through. Silence is a stop, and an answer no start.

use super::{ground::Ground, model::STANDS_WITHIN_MS, now_ms, press::bot_seen, scene::Scene, server::Server, until};
use crate::harness::db::{Kind, fresh};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// A proxy that can stop forwarding. It keeps every connection, and takes new ones.
struct Proxy {
    port: u16,
    forwards: Arc<watch::Sender<bool>>,
}

impl Proxy {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forwards = Arc::new(watch::Sender::new(true));
        let open = forwards.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let open = open.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                    let there = tokio::spawn(pass(from_client, to_server, open.subscribe()));
                    pass(from_server, to_client, open.subscribe()).await;
                    there.abort();
                });
            }
        });
        Self { port, forwards }
    }
}

async fn pass(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, mut open: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(n) = from.read(&mut bytes).await {
        // What was read while the line was half open is as lost as a packet that a dead router took.
        if !*open.borrow() && open.wait_for(|open| *open).await.is_err() {
            return;
        }
        if n == 0 || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_goes_half_open_halts_the_bot_and_its_return_starts_nothing() {
    let (ground, hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
    let proxy = Proxy::to(ground.address).await;
    hosts[0].reaches(proxy.port);
    let server = Server::start(&ground).await;
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.host().run();
    scene.start().await;

    let agent = scene.host().agent().unwrap();
    let cut_ms = now_ms();
    proxy.forwards.send_replace(false);
    scene.host().until_standing(cut_ms + STANDS_WITHIN_MS).await;
    let beats = scene.host().beats();
    scene.until_stopped_for("lapse").await;

    proxy.forwards.send_replace(true);
    let (ground, bot) = (&scene.ground, scene.hosts[0].bot.clone());
    until("an agent that is heard again", async || {
        bot_seen(ground, &bot).await.is_some_and(|seen| seen["seen"]["freshness"] == "fresh" && seen["seen"]["state"] == "halted")
    })
    .await;
    assert_eq!(scene.host().agent(), Some(agent), "the same agent, in the same boot");
    assert_eq!(scene.host().beats(), beats, "it stands");
    scene.start().await;
}
