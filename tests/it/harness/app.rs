//! An application in this process with people in it, each with two software keys, over a fresh database and a clock moved by hand.

use super::db::Fresh;
use crate::faults::until;
use andon::{
    app::{
        App, AppError, Parts, acts::ActView, acts::Outcome, bots::NewBot, holds::Placed, holds::Press, log::LogSettings, sign_in::Chosen,
    },
    authn::SoftKey,
    authz::Actor,
    domain::{
        ActKind, BootClock, BotFacts, BotId, Clock, Grant, HoldId, InstallationId, Level, Role, Scope, Secret, Stage, TeamId, Timestamp,
        UserId,
    },
    fleet::{AgentSeen, Spool},
    storage::{self, Conn, Db, Lane, installation::Installation, teams::Team},
    venues::{Places, Venues},
};
use sqlx::AssertSqlSafe;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// A clock that stands still until it is moved; or one that runs.
#[derive(Clone)]
pub struct Hand(Option<Arc<Hands>>);

/// Where the clocks stand: microseconds of the wall, and by how much it was set otherwise.
struct Hands(AtomicI64, AtomicI64);

impl Hand {
    pub fn new() -> Self {
        Self(Some(Arc::new(Hands(AtomicI64::new(1_795_000_000_000_000), AtomicI64::new(0)))))
    }
    pub fn running() -> Self {
        Self(None)
    }
    pub fn clock(&self) -> Clock {
        let Some(now) = self.0.clone() else { return Clock::system() };
        Clock::from_fn(move || Timestamp(now.0.load(Ordering::SeqCst)))
    }
    pub fn boot_clock(&self) -> BootClock {
        let Some(now) = self.0.clone() else { return BootClock::system() };
        BootClock::from_fn(move || (now.0.load(Ordering::SeqCst) - now.1.load(Ordering::SeqCst)) / 1_000)
    }
    pub fn forward_ms(&self, ms: i64) {
        self.0.as_ref().expect("this clock runs by itself").0.fetch_add(ms * 1_000, Ordering::SeqCst);
    }
    /// Sets the wall clock otherwise; no time passes.
    pub fn jump_ms(&self, ms: i64) {
        let hands = self.0.as_ref().expect("this clock runs by itself");
        hands.1.fetch_add(ms * 1_000, Ordering::SeqCst);
        hands.0.fetch_add(ms * 1_000, Ordering::SeqCst);
    }
}

/// A person and the keys they sign with.
#[derive(Clone)]
pub struct Somebody {
    pub id: UserId,
    pub key: Arc<SoftKey>,
    pub spare: Arc<SoftKey>,
}

/// An application with people in it.
pub struct TestApp {
    pub app: Arc<App>,
    pub hand: Hand,
    pub teams: Vec<Team>,
    pub people: HashMap<&'static str, Somebody>,
    pub fresh: Fresh,
    /// Where its people reach it.
    pub origin: String,
    spool: PathBuf,
    // Where its exchanges are.
    places: Places,
}

pub const ORIGIN: &str = "http://localhost:8787";

pub async fn assemble(db: Db, hand: &Hand, spool: &std::path::Path) -> Arc<App> {
    assemble_at(ORIGIN, db, (hand, &nowhere()), spool).await
}

/// No exchange answers here.
fn nowhere() -> Places {
    Places::At("http://127.0.0.1:1".parse().unwrap())
}

async fn assemble_at(origin: &str, db: Db, (hand, places): (&Hand, &Places), spool: &std::path::Path) -> Arc<App> {
    let clock = hand.clock();
    let found = storage::installation::installation_get(&mut db.read().await.unwrap()).await.unwrap();
    let installation = match found {
        Some(found) => found,
        None => {
            let new = Installation { id: InstallationId::new(), name: "Test".into(), kind: "live".into(), created_at: clock.now() };
            let mut tx = db.write(Lane::Normal).await.unwrap();
            storage::installation::installation_insert(&mut tx, &new, "localhost/audit/control/1").await.unwrap();
            tx.commit().await.unwrap();
            new
        }
    };
    let (spool, spooled) = Spool::open(spool).unwrap();
    let origin = origin.parse().unwrap();
    App::assemble(Parts {
        db,
        clock,
        boot_clock: hand.boot_clock(),
        installation,
        origin,
        spool,
        spooled,
        is_compared_first: false,
        node: "test:1".into(),
        // What fakes of exchanges verify is signed at this moment.
        exchanges: Venues::open(Clock::from_fn(|| Timestamp(1_700_000_000_000_000)), places).unwrap(),
    })
    .await
    .unwrap()
}

/// Follows a link: password, then two keys.
pub async fn join(app: &Arc<App>, link: &Secret<String>, shown: &str) -> Somebody {
    let somebody = join_with(app, link, shown, &["first", "spare"]).await;
    assert!(app.welcome(link.expose().rsplit('/').next().unwrap()).await.is_err(), "a link is over once there are two keys");
    somebody
}

/// What somebody chooses who wants no mail.
pub fn chosen(display_name: &str, password: &str) -> Chosen {
    Chosen { display_name: display_name.to_owned(), password: Secret::new(password.to_owned()), address: String::new() }
}

/// Sets the password `violet-harbour-19-quince` by its hash: hashing it anew for everybody of every scene would be half of a test's work.
/// The way through the page is `welcome_password`'s, and has tests of its own.
async fn choose_known(app: &Arc<App>, user: &UserId, shown: &str) {
    let mut tx = app.db.write(Lane::Normal).await.unwrap();
    storage::users::user_set_password(&mut tx, user, KNOWN, shown).await.unwrap();
    tx.commit().await.unwrap();
}

/// Argon2id with the program's own cost.
const KNOWN: &str = "$argon2id$v=19$m=19456,t=2,p=1$tIqsKijqGS51tn7Vgh9rYg$T2TXiNlqxVusnIxCuZNQ9sZwxEBLiyKUKRSM9YQfIs8";

/// The same with keys of these names.
pub async fn join_with(app: &Arc<App>, link: &Secret<String>, shown: &str, names: &[&str]) -> Somebody {
    let secret = link.expose().rsplit('/').next().unwrap();
    let welcomed = app.welcome(secret).await.unwrap();
    choose_known(app, &welcomed.user.id, shown).await;
    let mut keys = Vec::new();
    for nickname in names {
        let key = Arc::new(SoftKey::new(app.origin.clone()));
        let ceremony = app.welcome_key_options(&welcomed.link).await.unwrap();
        let answer = key.register(&ceremony.options).unwrap();
        app.welcome_key(&welcomed.link, &ceremony.state, &answer, nickname).await.unwrap();
        keys.push(key);
    }
    let spare = keys.last().unwrap().clone();
    Somebody { id: welcomed.user.id, key: keys.swap_remove(0), spare }
}

impl TestApp {
    /// Two teams, `arb` and `grid`; admin, operator and lead of arb, operator and lead of grid, risk, auditor.
    pub async fn new(fresh: Fresh) -> Self {
        Self::with(fresh, Hand::new(), (ORIGIN, nowhere())).await
    }

    /// The same with every exchange at one address.
    pub async fn beside(fresh: Fresh, exchanges: &url::Url) -> Self {
        Self::with(fresh, Hand::new(), (ORIGIN, Places::At(exchanges.clone()))).await
    }

    /// The same as a demo, whose people have their first keys in the process.
    pub async fn demo(fresh: Fresh) -> Self {
        let new = Installation { id: InstallationId::new(), name: "Demo".into(), kind: "demo".into(), created_at: Timestamp(1) };
        let mut tx = fresh.db.write(Lane::Normal).await.unwrap();
        storage::installation::installation_insert(&mut tx, &new, "localhost/audit/control/1").await.unwrap();
        tx.commit().await.unwrap();
        let this = Self::new(fresh).await;
        for somebody in this.people.values() {
            this.app.demo_give_key(somebody.id.clone(), somebody.key.clone());
        }
        this
    }

    /// The same with a clock that runs, for tests with real processes.
    pub async fn on_the_wall_clock(fresh: Fresh) -> Self {
        Self::at(fresh, ORIGIN).await
    }

    /// The same at an address of its own, for tests with a real server.
    pub async fn at(fresh: Fresh, origin: &str) -> Self {
        Self::with(fresh, Hand::running(), (origin, nowhere())).await
    }

    /// The same with a clock that is moved by hand, for a real browser that is to live through days.
    pub async fn at_by_hand(fresh: Fresh, origin: &str) -> Self {
        Self::with(fresh, Hand::new(), (origin, nowhere())).await
    }

    async fn with(fresh: Fresh, hand: Hand, (origin, places): (&str, Places)) -> Self {
        let spool = fresh.dir.path().join("spool");
        let app = assemble_at(origin, fresh.db.clone(), (&hand, &places), &spool).await;
        let link = app.setup_link().await.unwrap().unwrap();
        let admin = join(&app, &link, "N. Adebayo").await;
        let mut this = Self {
            app,
            hand,
            teams: Vec::new(),
            people: HashMap::from([("admin", admin)]),
            fresh,
            origin: origin.to_owned(),
            spool,
            places,
        };
        for name in ["arb", "grid"] {
            this.teams.push(this.app.create_team(&this.actor("admin"), name).await.unwrap());
        }
        let (arb, grid) = (this.team("arb"), this.team("grid"));
        let of = |role, team: Option<&TeamId>| vec![Grant { role, team: team.cloned() }];
        // All are invited before anybody comes in: from then on others approve who becomes a lead or risk.
        let mut links = Vec::new();
        for (name, grants) in [
            ("operator", of(Role::Operator, Some(&arb))),
            ("lead", of(Role::Lead, Some(&arb))),
            ("grid operator", of(Role::Operator, Some(&grid))),
            ("grid lead", of(Role::Lead, Some(&grid))),
            ("risk", of(Role::Risk, None)),
            ("auditor", of(Role::Auditor, None)),
        ] {
            links.push((name, this.link(name, grants).await));
        }
        for (name, link) in links {
            this.people.insert(name, join(&this.app, &link, name).await);
        }
        this.forget_notices().await;
        this
    }

    /// Runs a statement on the database, past the application.
    pub async fn execute(&self, sql: &str) {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        match &mut *tx {
            Conn::Sqlite(tx) => sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut **tx).await.map(drop),
            Conn::Postgres(tx) => sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut **tx).await.map(drop),
        }
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// As if nobody had been told anything yet: of keys made at the door their people and the admins are.
    pub async fn forget_notices(&self) {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        while storage::notices::notice_forget(&mut tx, Timestamp(i64::MAX), 50).await.unwrap() > 0 {}
        tx.commit().await.unwrap();
        self.app.refresh_unread().await.unwrap();
    }

    /// Somebody who has come in.
    pub async fn invite(&self, name: &str, grants: Vec<Grant>) -> Somebody {
        join(&self.app, &self.link(name, grants).await, name).await
    }

    /// The link of somebody who is invited. What takes a request they have as if it had been approved: memory knows it once they come in.
    pub async fn link(&self, name: &str, grants: Vec<Grant>) -> Secret<String> {
        let user = UserId::new();
        let is_company = self.app.others_approve_rights().await.unwrap();
        let (later, now): (Vec<Grant>, Vec<Grant>) =
            grants.iter().cloned().partition(|grant| is_company && self.app.rules().is_wide(grant.role));
        let kind = ActKind::Invite { user: user.clone(), name: name.into(), grants: now };
        let act = self.app.prepare_single(&self.actor("admin"), kind).await.unwrap();
        let Outcome::Secret { secret, .. } = self.sign("admin", &act).await.unwrap() else { panic!("no link") };
        if !later.is_empty() {
            self.as_if_approved(&user, &grants).await;
        }
        secret
    }

    /// Writes what somebody holds, past the application.
    pub async fn as_if_approved(&self, user: &UserId, grants: &[Grant]) {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        storage::users::user_set_grants(&mut tx, user, grants).await.unwrap();
        storage::books::book_changed(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Gives roles, signed by an admin; those that take a request as if it had been approved before.
    pub async fn give(&self, user: &UserId, grants: Vec<Grant>) {
        let now = self.app.people().user(user).unwrap().grants.clone();
        if self.app.rules().gives_wide(&now, &grants) {
            self.as_if_approved(user, &grants).await;
        }
        let act = self.app.prepare_single(&self.actor("admin"), ActKind::Grants { user: user.clone(), grants }).await.unwrap();
        self.sign("admin", &act).await.unwrap();
    }

    /// Says where somebody's mail goes, without the signature that it takes.
    pub async fn give_address(&self, who: &str, address: &str) {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        storage::notices::address_set(&mut tx, &self.people[who].id, Some(&address.parse().unwrap()), self.hand.clock().now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub fn team(&self, name: &str) -> TeamId {
        self.teams.iter().find(|team| team.name == name).unwrap().id.clone()
    }

    pub fn actor(&self, name: &str) -> Actor {
        self.app.actor_of(&self.people[name].id, false).unwrap()
    }

    /// Signs an act as somebody.
    pub async fn sign(&self, name: &str, act: &ActView) -> Result<Outcome, AppError> {
        self.sign_with(name, &self.people[name].key, act).await
    }

    /// The same with a certain key.
    pub async fn sign_with(&self, name: &str, key: &SoftKey, act: &ActView) -> Result<Outcome, AppError> {
        let actor = self.actor(name);
        let ceremony = self.app.signing_options(&actor, &act.stored.id).await?;
        let answer = key.sign(&ceremony.options).unwrap();
        self.app.sign(&actor, &act.stored.id, &ceremony.state, &answer).await
    }

    /// Makes another key for somebody and prepares the act that adds it.
    pub async fn make_key(&self, name: &str, nickname: &str) -> (Arc<SoftKey>, ActView) {
        let actor = self.actor(name);
        let key = Arc::new(SoftKey::new(self.app.origin.clone()));
        let ceremony = self.app.own_key_options(&actor).await.unwrap();
        let answer = key.register(&ceremony.options).unwrap();
        (key, self.app.prepare_key(&actor, &ceremony.state, &answer, nickname).await.unwrap())
    }

    /// Somebody's keys as they are stored.
    pub async fn keys(&self, name: &str) -> Vec<storage::credentials::Credential> {
        let of = storage::credentials::credential_of_user(&mut self.fresh.db.read().await.unwrap(), &self.people[name].id).await;
        let mut keys = of.unwrap();
        // This clock stands still: `first`, `spare`, `third` tell what came when.
        keys.sort_by(|a, b| a.nickname.cmp(&b.nickname));
        keys
    }

    /// A bot of a team in `sandbox`.
    pub async fn bot(&self, name: &str, team: &str) -> BotFacts {
        let by = if team == "arb" { "operator" } else { "grid operator" };
        let asked = NewBot { name: name.into(), team: self.team(team).to_string(), strategy: "grid".into(), ..NewBot::default() };
        let bot = self.app.create_bot(&self.actor(by), &asked).await.unwrap();
        self.app.set_stage(&self.actor(by), &bot.id, Stage::Sandbox).await.unwrap();
        bot
    }

    /// An admin allows stop devices.
    pub async fn allow_stop_devices(&self) {
        let act = self.app.prepare_single(&self.actor("admin"), ActKind::StopDevices { allowed: true }).await.unwrap();
        self.sign("admin", &act).await.unwrap();
    }

    /// The secret of a link that makes a phone of somebody's a stop device.
    pub async fn phone_link(&self, whose: &str) -> String {
        let act = self.app.prepare_device_link(&self.actor(whose), "my phone").await.unwrap();
        let Outcome::Secret { secret: link, .. } = self.sign(whose, &act).await.unwrap() else { panic!("no link") };
        link.expose().rsplit('/').next().unwrap().to_owned()
    }

    /// What the cookie of a new stop device of somebody's holds.
    pub async fn phone(&self, whose: &str) -> String {
        self.app.enrol_device(&self.phone_link(whose).await, "", "192.0.2.7").await.unwrap().expose().clone()
    }

    pub async fn press(&self, by: &str, scope: Scope, level: Level) -> Placed {
        let press = Press { scope, level, why: String::new(), idempotency_key: String::new(), terms: Default::default() };
        self.app.place(self.actor(by), press).await.unwrap()
    }

    /// Releases a hold as one or two people.
    pub async fn release(&self, hold: &HoldId, signers: &[&str]) -> Result<Outcome, AppError> {
        let act = self.app.prepare_release(&self.actor(signers[0]), hold, "it is over").await?;
        let mut outcome = Outcome::Waits;
        for name in signers {
            outcome = self.sign(name, &act).await?;
        }
        Ok(outcome)
    }

    /// Starts bots as one or two people.
    pub async fn start(&self, bots: &[BotId], signers: &[&str]) -> Result<Outcome, AppError> {
        let act = self.app.prepare_start(&self.actor(signers[0]), bots, &[]).await?;
        let mut outcome = Outcome::Waits;
        for name in signers {
            outcome = self.sign(name, &act).await?;
        }
        Ok(outcome)
    }

    /// Waits until what agents said last is in the database.
    pub async fn said_is_stored(&self) {
        until("what agents said last", async || {
            let stored = storage::seen::seen_all(&mut self.fresh.db.read().await.unwrap()).await.unwrap();
            let is_stored = |seen: &AgentSeen| {
                // At one moment of a clock that is moved by hand an agent may say several things.
                let same = |row: &storage::seen::Seen| {
                    let heard =
                        (row.at, row.epoch, row.state, row.limits_version) == (seen.at, seen.epoch, seen.state, seen.limits_version);
                    let told = (row.start_after, &row.build, &row.config) == (seen.start_after, &seen.build, &seen.config);
                    let is_reported = row.report_at == seen.report.as_ref().map(|(_, at)| *at);
                    heard && told && is_reported && row.boot.as_deref() == seen.boot.as_ref().map(|boot| boot.as_str())
                };
                stored.iter().any(|row| row.agent_id == seen.agent && same(row))
            };
            self.app.fleet.view().bots().filter_map(|bot| self.app.book.seen(&bot.id)).all(|seen| is_stored(&seen))
        })
        .await;
    }

    /// The same installation as a process that starts anew would see it.
    pub async fn restarted(&self) -> Arc<App> {
        assemble_at(&self.origin, self.fresh.db.clone(), (&self.hand, &self.places), &self.spool).await
    }

    /// Where this process keeps key, tide mark and sink.
    pub fn log_settings(&self) -> LogSettings {
        let dir = self.fresh.dir.path();
        let state_dir = dir.join("state");
        std::fs::create_dir_all(&state_dir).unwrap();
        LogSettings { state_dir, sink: Some(dir.join("log")), is_one_volume: false }
    }

    /// Begins the watch over the log, as a server does at its start.
    pub async fn open_log(&self) {
        self.app.open_log(self.log_settings()).await.unwrap();
    }

    /// Recomputes the whole log and fails on any finding.
    pub async fn log_is_good(&self) -> andon::audit::Report {
        let mut tx = self.fresh.db.read().await.unwrap();
        let report = andon::app::audit::verify_log(&mut tx, &self.app.keys).await.unwrap();
        assert!(report.is_good(), "{:#?}", report.findings);
        report
    }
}
