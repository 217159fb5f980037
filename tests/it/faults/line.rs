//! A line between agent and server that goes half open: connections stand, nothing comes through; or that is reset. Silence is a stop, and
//! an answer no start; a reset that is over in time is neither.

use super::{
    ground::Ground,
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, bot_seen},
    scene::Scene,
    server::Server,
    until,
};
use crate::harness::db::{Kind, fresh};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// A proxy that can stop forwarding. It keeps every connection, and takes new ones; or it resets them all.
struct Proxy {
    port: u16,
    forwards: Arc<watch::Sender<bool>>,
    // Counts resets: each ends every connection of before with RST. While it refuses, new ones are reset at once.
    resets: Arc<watch::Sender<(u64, bool)>>,
}

impl Proxy {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forwards = Arc::new(watch::Sender::new(true));
        let open = forwards.clone();
        let resets = Arc::new(watch::Sender::new((0, false)));
        let resetting = resets.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (open, mut reset) = (open.clone(), resetting.subscribe());
                tokio::spawn(async move {
                    // Closing with nothing left to linger for is a reset.
                    let _ = client.set_zero_linger();
                    if reset.borrow_and_update().1 {
                        return;
                    }
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let _ = server.set_zero_linger();
                    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                    tokio::select! {
                        () = pass(from_client, to_server, open.subscribe()) => {}
                        () = pass(from_server, to_client, open.subscribe()) => {}
                        _ = reset.changed() => {}
                    }
                });
            }
        });
        Self { port, forwards, resets }
    }

    /// Resets every connection, and while `refuses` every new one as well.
    fn reset(&self, refuses: bool) {
        self.resets.send_modify(|(count, refusing)| (*count, *refusing) = (*count + 1, refuses));
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

/// A bot that trades, and whose agent reaches the server through a proxy.
async fn trading_through_a_proxy() -> (Scene, Proxy) {
    let (ground, hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
    let proxy = Proxy::to(ground.address).await;
    hosts[0].reaches(proxy.port);
    let server = Server::start(&ground).await;
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.host().run();
    scene.start().await;
    (scene, proxy)
}

/// Waits until the agent is heard again, and says that its bot does this; looked at from a moment on.
async fn until_heard(scene: &Scene, state: &str, from_ms: i64) {
    until("an agent that is heard again", async || {
        let seen = bot_seen(&scene.ground, &scene.hosts[0].bot).await;
        now_ms() > from_ms && seen.is_some_and(|seen| seen["seen"]["freshness"] == "fresh" && seen["seen"]["state"] == state)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_goes_half_open_halts_the_bot_and_its_return_starts_nothing() {
    let (mut scene, proxy) = trading_through_a_proxy().await;

    let agent = scene.host().agent().unwrap();
    let cut_ms = now_ms();
    proxy.forwards.send_replace(false);
    scene.host().until_standing(cut_ms + STANDS_WITHIN_MS).await;
    let beats = scene.host().beats();
    scene.until_stopped_for("lapse").await;

    proxy.forwards.send_replace(true);
    until_heard(&scene, "halted", 0).await;
    assert_eq!(scene.host().agent(), Some(agent), "the same agent, in the same boot");
    assert_eq!(scene.host().beats(), beats, "it stands");
    scene.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_reset_stops_nothing_in_time_and_everything_later() {
    let (mut scene, proxy) = trading_through_a_proxy().await;

    // Three resets, each followed by an agent that is back before its lease ends: the same bot trades on throughout.
    let first = scene.host().beats().last().unwrap().pid;
    for _ in 0..3 {
        proxy.reset(false);
        until_heard(&scene, "active", now_ms() + 1_000).await;
    }
    assert!(scene.host().trades());
    assert_eq!(scene.host().beats().last().unwrap().pid, first, "no stop, and so no start");

    // A stop that is pressed while the line is being reset arrives with the agent's return.
    proxy.reset(true);
    let pressed_ms = now_ms();
    let (ground, crew) = (&scene.ground, &mut scene.crew);
    let mut press = Press::new(Way::Token, "while the line was reset");
    assert!(press.once(ground, crew).await.is_some());
    proxy.reset(false);
    scene.host().until_standing(pressed_ms + STANDS_WITHIN_MS).await;
    scene.release().await;
    scene.start().await;

    // Reset for good it is silence: the bot stands when its lease has run out, and the line's return starts nothing.
    let cut_ms = now_ms();
    proxy.reset(true);
    scene.host().until_standing(cut_ms + STANDS_WITHIN_MS).await;
    let beats = scene.host().beats();
    scene.until_stopped_for("lapse").await;
    proxy.reset(false);
    until_heard(&scene, "halted", 0).await;
    assert_eq!(scene.host().beats(), beats, "it stands");
    scene.start().await;
}
