//! A server, a crew and bots that trade: where the tests of single faults begin.

use super::{
    PATIENCE,
    crew::{Crew, Tried},
    ground::Ground,
    host::Host,
    now_ms,
    press::{bot_seen, open_holds},
    server::Server,
    until, within,
};
use crate::harness::db::{Fresh, Kind, fresh};
use andon::domain::BotId;
use std::time::Duration;

/// How long a bot may take from its start to its first beat.
const TRADES_WITHIN: Duration = Duration::from_secs(5);

/// The scene.
pub struct Scene {
    pub server: Server,
    pub hosts: Vec<Host>,
    pub crew: Crew,
    pub ground: Ground,
}

impl Scene {
    /// One bot, which trades, on the embedded database.
    pub async fn trading() -> Self {
        Self::trading_on(fresh(Kind::Sqlite).await).await
    }

    pub async fn trading_on(fresh: Fresh) -> Self {
        let (ground, hosts) = Ground::new(fresh, 1).await;
        let server = Server::start(&ground).await;
        let mut scene = Self::with(ground, hosts, server).await;
        scene.hosts[0].run();
        scene.start().await;
        scene
    }

    /// Everybody signs in; no agent runs yet.
    pub async fn with(ground: Ground, hosts: Vec<Host>, server: Server) -> Self {
        let crew = Crew::signed_in(&ground).await;
        Self { server, hosts, crew, ground }
    }

    pub fn host(&mut self) -> &mut Host {
        &mut self.hosts[0]
    }

    /// Starts the bots, as soon as nothing stands in the way.
    pub async fn start(&mut self) {
        let bots: Vec<BotId> = self.hosts.iter().map(|host| host.bot.clone()).collect();
        let (crew, hosts, mut last, sent_ms) = (&mut self.crew, &self.hosts, Tried::NoAnswer(None), now_ms());
        let done = async || {
            last = crew.start(&bots, &mut 0).await;
            // On a machine that is busy with other things a lease may run out before the first beat: then they are started once more.
            last == Tried::Done && within(TRADES_WITHIN, async || hosts.iter().all(|host| host.trades_since(sent_ms))).await
        };
        assert!(within(PATIENCE, done).await, "nothing starts: {last:?}");
    }

    /// Releases every hold that stands.
    pub async fn release(&mut self) {
        let (crew, ground) = (&mut self.crew, &self.ground);
        until("releases", async || {
            let open = open_holds(ground).await.unwrap_or_else(|| vec![String::new()]);
            for hold in open.iter().filter(|hold| !hold.is_empty()) {
                crew.release(hold).await;
            }
            open.is_empty()
        })
        .await;
    }

    /// Waits until the server knows that the bot may not trade, and for this reason.
    pub async fn until_stopped_for(&self, kind: &str) {
        let (ground, bot) = (&self.ground, &self.hosts[0].bot);
        until(kind, async || {
            let Some(seen) = bot_seen(ground, bot).await else { return false };
            let reasons = seen["directive"]["reasons"].as_array().unwrap().clone();
            seen["directive"]["state"] == "halted" && reasons.iter().any(|reason| reason["kind"] == kind)
        })
        .await;
    }
}
