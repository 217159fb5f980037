//! A bot with an agent, and a venue over real HTTP at which the server holds keys for it.

use super::{
    fake::{self, Fake, NOW_US, Verify},
    key, key_in_base64,
};
use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::Fresh,
};
use andon::{
    app::{App, guard, keys::hand::Hand, ladder::Rung, reconcile::Reconciler},
    domain::{BotFacts, Clock, Environment, Epoch, KeyId, KeyPurpose, Timestamp, ladder::Step},
    protocol::{CheckIn, Report},
    venues::{Credential, Places, Venue, Venues},
    workers,
};
use std::sync::Arc;

/// Which venue, how it verifies, and the key.
pub type At = (&'static str, Verify, fn() -> Credential);
pub const USDM: At = ("binance usd-m", fake::binance, key);
pub const KRAKEN: At = ("kraken", fake::kraken, key_in_base64);

pub struct Scene {
    pub test: TestApp,
    pub bot: BotFacts,
    pub agent: Agent,
    pub venue: Fake,
    at: Arc<dyn Venue>,
    credential: Credential,
    reconciler: Option<Reconciler>,
}

impl Scene {
    pub async fn new(fresh: Fresh, (exchange, verify, key): At) -> Self {
        let venue = Fake::start(verify).await;
        let clock = Clock::from_fn(|| Timestamp(NOW_US));
        let at = Venues::open(clock, &Places::At(venue.url.clone())).unwrap().venue_for(exchange, Environment::Live).unwrap();
        let test = TestApp::new(fresh).await;
        let bot = test.bot("arb-1", "arb").await;
        let agent = ready(&test, &bot, "operator").await;
        Self { test, bot, agent, venue, at, credential: key(), reconciler: None }
    }

    /// Nothing rests and nothing is held at Binance.
    pub fn empty(&self) {
        for what in ["openOrders", "openAlgoOrders"] {
            self.venue.only(&format!("GET /fapi/v1/{what}"), "[]");
        }
        for what in ["positionRisk", "balance"] {
            self.venue.only(&format!("GET /fapi/v3/{what}"), "[]");
        }
    }

    fn lend_to(&self, app: &App, purpose: KeyPurpose) -> String {
        let key = KeyId::new();
        let hand = Hand { venue: self.at.clone(), credential: self.credential.clone(), key: key.clone(), version: 1 };
        app.lend_hand(&self.bot.id, purpose, hand);
        key.to_string()
    }

    /// The server holds a key of this purpose from now on.
    pub fn lend(&self, purpose: KeyPurpose) -> String {
        self.lend_to(&self.test.app, purpose)
    }

    /// A server that runs on a copy of the database, with the same keys.
    pub async fn copy(&self) -> Arc<App> {
        let dirs = ["here", "elsewhere"].map(|name| self.test.fresh.dir.path().join(name));
        dirs.iter().for_each(|dir| std::fs::create_dir_all(dir).unwrap());
        self.test.app.open_site(&dirs[0]).await.unwrap();
        let copy = self.test.restarted().await;
        copy.open_site(&dirs[1]).await.unwrap();
        assert!(copy.site.is_foreign() && !self.test.app.site.is_foreign());
        self.lend_to(&copy, KeyPurpose::Monitor);
        self.lend_to(&copy, KeyPurpose::Guard);
        copy
    }

    pub fn later_ms(&self, ms: i64) {
        self.test.hand.forward_ms(ms);
    }

    /// The agent checks in with a report.
    pub async fn report(&mut self, report: &Report) {
        self.agent.seq += 1;
        let said = CheckIn { report: Some(report.clone()), ..self.agent.says() };
        let heard = self.test.app.check_in(&self.agent.live(&self.test.app), &said, "poll").await.unwrap();
        self.agent.obey(&self.test.app, &heard.directive, heard.renew.is_some()).await;
    }

    /// One round of the worker.
    pub async fn look(&mut self) {
        workers::reconcile::round(&self.test.app, &mut self.reconciler).await;
    }

    /// A report, a reading, and a report after it.
    pub async fn compare(&mut self, report: &Report) {
        self.report(report).await;
        self.look().await;
        self.later_ms(2_500);
        self.report(report).await;
        self.look().await;
    }

    pub async fn standing(&self) -> andon::app::reconcile::Standing {
        self.test.app.reconciliation_of(&self.test.actor("operator"), &self.bot.id).await.unwrap()
    }

    /// The bot as the server knows it.
    pub fn facts(&self) -> Arc<BotFacts> {
        self.test.app.fleet.view().bot(&self.bot.id).unwrap().clone()
    }

    /// A rung as the server takes it.
    pub fn rung(&self, step: Step) -> Box<dyn Rung> {
        guard::rungs(&self.test.app).into_iter().find(|rung| rung.step() == step).unwrap()
    }

    /// Climbs it once, and waits for what it does.
    pub async fn climb(&self, step: Step, stop: Epoch) {
        assert!(self.rung(step).climb(&self.facts(), stop));
        self.rested().await;
    }

    /// Waits until no pass is under way.
    pub async fn rested(&self) {
        crate::faults::until("the guard's pass", async || !self.test.app.guard.is_running(&self.bot.id)).await;
    }
}
