//! A bot that runs outside of its agent and minder, whichever adapter tells it: a server, a crew and one host.

use super::{
    crew::{Crew, Tried},
    ground::Ground,
    host::Host,
    press::{Press, Way, api, bot_seen},
    server::Server,
    until, within,
};
use crate::harness::db::{Kind, fresh};
use serde_json::Value;
use std::time::Duration;

/// A start that has not shown by then was overtaken by a stop.
const AGAIN: Duration = Duration::from_secs(15);

/// The scene; no agent runs yet.
pub struct Outside {
    pub host: Host,
    pub crew: Crew,
    _server: Server,
    pub ground: Ground,
}

impl Outside {
    pub async fn new() -> Self {
        let (ground, mut hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
        let server = Server::start(&ground).await;
        let crew = Crew::signed_in(&ground).await;
        Self { host: hosts.remove(0), crew, _server: server, ground }
    }

    /// Starts the bot and waits until it runs and the server heard so, again where a machine that is busy with other things let it lapse meanwhile.
    pub async fn start(&mut self, runs: impl Fn() -> bool) {
        let bots = [self.host.bot.clone()];
        until("it is started and runs", async || {
            self.crew.start(&bots, &mut 0).await == Tried::Done && within(AGAIN, async || runs() && self.says("active").await).await
        })
        .await;
    }

    async fn says(&self, state: &str) -> bool {
        bot_seen(&self.ground, &self.host.bot).await.is_some_and(|seen| seen["seen"]["state"] == state)
    }

    /// Waits until the server heard the agent say this.
    pub async fn until_says(&self, state: &str) {
        until(&format!("the agent says {state}"), async || self.says(state).await).await;
    }

    /// Waits until the server knows that the bot may not trade, and why.
    pub async fn until_stopped_for(&self, kind: &str) {
        until(kind, async || {
            let Some(seen) = bot_seen(&self.ground, &self.host.bot).await else { return false };
            seen["directive"]["reasons"].as_array().unwrap().iter().any(|reason| reason["kind"] == kind)
        })
        .await;
    }

    /// Presses, and answers which hold that made.
    pub async fn press(&mut self) -> String {
        Press::new(Way::Token, "venue outage").once(&self.ground, &mut self.crew).await.unwrap().hold
    }

    /// The bot's line on the receipt.
    pub async fn receipt(&self, hold: &str) -> Value {
        let path = format!("/api/v1/holds/{hold}/receipt");
        let (status, body) = api(&self.ground, &self.ground.read_token, "GET", &path, None).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body["bots"][0].clone()
    }

    /// Waits until the receipt says that no entry order rests.
    pub async fn until_idle(&self, hold: &str) {
        until("idle", async || self.receipt(hold).await["step"] == "idle").await;
    }

    pub async fn release(&mut self, hold: &str) {
        let mut last = None;
        let is_done = within(AGAIN, async || {
            let tried = self.crew.release(hold).await;
            let is_done = tried == Tried::Done;
            last = Some(tried);
            is_done
        })
        .await;
        assert!(is_done, "the release: {last:?}");
    }
}
