//! A bot with an agent, and a venue over real HTTP at which the server holds keys for it.

use super::{
    KEY, PASSPHRASE, SECRET, SECRET_BASE64,
    fake::{self, Fake, Verify},
};
use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::Fresh,
};
use andon::{
    app::{
        App, guard,
        keys::{ask::Wanted, install::fingerprint},
        ladder::Rung,
        reconcile::{Reconciler, Standing},
        vault::Given,
    },
    config::MasterKeySource,
    crypto::vault::About,
    domain::{
        ApiSecret, BotFacts, Epoch, KeyId, KeyPurpose, KeySheet, RequestId, Secret, SubaccountId,
        key::{KeyState, KeyTerms, OnDrift},
        ladder::Step,
    },
    protocol::{CheckIn, Report},
    storage::{
        self, Lane,
        exchange_keys::{KeyRow, VersionRow},
    },
    workers,
};
use std::sync::Arc;

/// Which venue, how it verifies, and the secret of the key.
pub type At = (&'static str, Verify, &'static str);
pub const USDM: At = ("binance-usdm", fake::binance, SECRET);
pub const BYBIT: At = ("bybit", fake::bybit, SECRET);
pub const OKX: At = ("okx", fake::okx, SECRET);
pub const KRAKEN: At = ("kraken-futures", fake::kraken_futures, SECRET_BASE64);

pub struct Scene {
    pub test: TestApp,
    pub bot: BotFacts,
    pub agent: Agent,
    pub venue: Fake,
    subaccount: SubaccountId,
    request: RequestId,
    secret: &'static str,
    reconciler: Option<Reconciler>,
}

impl Scene {
    pub async fn new(fresh: Fresh, (exchange, verify, secret): At) -> Self {
        let venue = Fake::start(verify).await;
        let test = TestApp::beside(fresh, &venue.url).await;
        let bot = test.bot("arb-1", "arb").await;
        let admin = test.actor("admin");
        let place = test.app.create_venue_of(&admin, (exchange, "desk"), "test").await.unwrap();
        let subaccount = test.app.create_subaccount(&admin, place.id.as_str(), "arb-1").await.unwrap().id;
        test.app.seat_bot(&test.actor("operator"), &bot.id, Some(&subaccount)).await.unwrap();
        let agent = ready(&test, &bot, "operator").await;
        let master = MasterKeySource::Own(test.log_settings().state_dir.join("master.key"));
        test.app.open_vault(Given { key: Arc::new(master), old: None, lost: None }).await.unwrap();
        let asked = Wanted { purpose: "monitor", ips: "203.0.113.7", ..Wanted::default() };
        let request = test.app.ask_key(&test.actor("operator"), &bot.id, asked, "to look after it").await.unwrap();
        Self { test, bot, agent, venue, subaccount, request, secret, reconciler: None }
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

    /// The server holds a key of this purpose from now on, as if it had been approved, handed in and measured: those have tests of their own.
    pub async fn lend(&self, purpose: KeyPurpose) -> KeyId {
        self.lend_as(purpose, (None, None)).await
    }

    /// The server holds a key of the main account, which may change the keys of this subaccount.
    pub async fn lend_admin(&self, subaccount: &str) -> KeyId {
        self.lend_as(KeyPurpose::KeyAdmin, (None, Some(subaccount))).await
    }

    /// The bot trades with a key that its venue calls so.
    pub async fn trades(&self, name: &str) -> KeyId {
        self.lend_as(KeyPurpose::Execution, (Some(name), None)).await
    }

    async fn lend_as(&self, purpose: KeyPurpose, (name, account): (Option<&str>, Option<&str>)) -> KeyId {
        let (app, now) = (&self.test.app, self.test.hand.clock().now());
        let passphrase = Some(Secret::new(PASSPHRASE.to_owned()));
        let secret = ApiSecret { api_key: Secret::new(KEY.to_owned()), secret: Secret::new(self.secret.to_owned()), passphrase };
        let sheet = KeySheet::new(purpose, "203.0.113.7", None).unwrap().of_account(account.map(str::to_owned));
        let terms = KeyTerms { sheet, rotate_days: 90, on_drift: OnDrift::Tell };
        let (place, by) = ((self.bot.id.clone(), self.subaccount.clone()), (self.request.clone(), self.test.people["operator"].id.clone()));
        let key = KeyRow::approved(place, &terms, by, now).unwrap();
        let id = key.id.clone();
        let usual = || format!("{}-{purpose}", fingerprint(&secret.api_key));
        let print = name.map_or_else(usual, |name| fingerprint(&Secret::new(name.to_owned())));
        let new = VersionRow::handed_in((id.clone(), 1), (print, "desk".to_owned()), None, (now, "user:1".to_owned()));
        let mut version = VersionRow { state: KeyState::Active, active_at: Some(now), ..new };
        // What an agent holds is kept by no server.
        let sealed = match purpose.is_server_held() {
            true => Some(app.seal_secret(&About { key: id.clone(), version: 1, purpose }, &secret).await.unwrap()),
            false => None,
        };
        let mut tx = self.test.fresh.db.write(Lane::Normal).await.unwrap();
        storage::exchange_keys::key_insert(&mut tx, &key).await.unwrap();
        storage::exchange_keys::version_insert(&mut tx, &version).await.unwrap();
        storage::exchange_keys::version_write(&mut tx, &mut version).await.unwrap();
        if let Some(sealed) = sealed {
            storage::key_secrets::key_secret_insert(&mut tx, &sealed).await.unwrap();
        }
        storage::exchange_keys::key_changed(&mut tx, [&id]).await.unwrap();
        tx.commit().await.unwrap();
        app.refresh_keys().await.unwrap();
        assert_eq!(app.has_hand(&self.bot.id, purpose), purpose.is_server_held());
        id
    }

    /// A server that runs on a copy of the database, with the same keys.
    pub async fn copy(&self) -> Arc<App> {
        self.lend(KeyPurpose::Monitor).await;
        self.lend(KeyPurpose::Guard).await;
        let dirs = ["here", "elsewhere"].map(|name| self.test.fresh.dir.path().join(name));
        dirs.iter().for_each(|dir| std::fs::create_dir_all(dir).unwrap());
        self.test.app.open_site(&dirs[0]).await.unwrap();
        let copy = self.test.restarted().await;
        copy.open_site(&dirs[1]).await.unwrap();
        assert!(copy.site.is_foreign() && !self.test.app.site.is_foreign());
        assert_eq!(copy.bots_with_hand(KeyPurpose::Guard).len(), 1);
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

    pub async fn standing(&self) -> Standing {
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
