//! A recovery in a real browser: a lead comes in with two keys, loses them, asks after the password, is approved by two, waits a day by a clock
//! that is moved, and comes back with two other keys. The server is in this process, so that its clock can be moved.

use crate::{
    driver::{Browser, With},
    newcomer::{PASSWORD, come_in},
};
use andon::{
    app::{App, Parts, acts::Outcome, sign_in::Chosen},
    authn::SoftKey,
    domain::{ActKind, BootClock, Clock, Grant, InstallationId, Role, Secret, Timestamp, UserId},
    fleet::Spool,
    storage::{self, Db, Lane, installation::Installation, migrate},
    web::server,
};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// An installation in this process, served on a port of its own; its clock runs and can be moved.
struct Site {
    app: Arc<App>,
    origin: String,
    ahead_ms: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

/// Somebody who signs with a key in software.
struct Somebody {
    id: UserId,
    key: SoftKey,
}

impl Site {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let (machine, ahead) = (Clock::system(), ahead_ms.clone());
        let clock = Clock::from_fn(move || machine.now().plus_ms(ahead.load(Ordering::SeqCst)));
        let db = Db::open_sqlite(&dir.path().join("andon.db")).await.unwrap();
        migrate::run(&db).await.unwrap();
        let installation = Installation { id: InstallationId::new(), name: "Test".into(), kind: "live".into(), created_at: clock.now() };
        let mut tx = db.write(Lane::Normal).await.unwrap();
        storage::installation::installation_insert(&mut tx, &installation, "localhost/audit/control/1").await.unwrap();
        tx.commit().await.unwrap();
        let (spool, spooled) = Spool::open(&dir.path().join("spool")).unwrap();
        let parts = Parts {
            db,
            clock,
            boot_clock: BootClock::system(),
            installation,
            origin: origin.parse().unwrap(),
            spool,
            spooled,
            is_compared_first: false,
            node: "test:1".into(),
            exchanges: andon::venues::Venues::open(
                andon::domain::Clock::system(),
                &andon::venues::Places::At("http://127.0.0.1:1".parse().unwrap()),
            )
            .unwrap(),
        };
        let app = App::assemble(parts).await.unwrap();
        tokio::spawn(server::serve(listener, app.clone(), std::future::pending()));
        Self { app, origin, ahead_ms, _dir: dir }
    }

    fn forward(&self, ms: i64) -> Timestamp {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
        self.app.clock.now()
    }

    async fn join(&self, link: &Secret<String>) -> Somebody {
        let welcomed = self.app.welcome(link.expose().rsplit('/').next().unwrap()).await.unwrap();
        let (display_name, password) = (welcomed.user.name.clone(), Secret::new(PASSWORD.into()));
        let chosen = Chosen { display_name, password, address: String::new() };
        self.app.welcome_password(&welcomed.link, chosen).await.unwrap();
        let keys = [SoftKey::new(self.app.origin.clone()), SoftKey::new(self.app.origin.clone())];
        for (key, name) in keys.iter().zip(["first", "spare"]) {
            let ceremony = self.app.welcome_key_options(&welcomed.link).await.unwrap();
            self.app.welcome_key(&welcomed.link, &ceremony.state, &key.register(&ceremony.options).unwrap(), name).await.unwrap();
        }
        let [key, _] = keys;
        Somebody { id: welcomed.user.id, key }
    }

    /// Prepares an act and signs it.
    async fn act(&self, by: &Somebody, kind: ActKind) -> Outcome {
        let actor = self.app.actor_of(&by.id, false).unwrap();
        let act = self.app.prepare_single(&actor, kind).await.unwrap();
        let ceremony = self.app.signing_options(&actor, &act.stored.id).await.unwrap();
        self.app.sign(&actor, &act.stored.id, &ceremony.state, &by.key.sign(&ceremony.options).unwrap()).await.unwrap()
    }

    async fn invite(&self, admin: &Somebody, name: &str, grant: Grant) -> Secret<String> {
        match self.act(admin, ActKind::Invite { user: UserId::new(), name: name.into(), grants: vec![grant] }).await {
            Outcome::Secret { secret, .. } => secret,
            other => panic!("{other:?} instead of a link"),
        }
    }
}

async fn give_password(browser: &Browser, origin: &str) {
    browser.goto(&format!("{origin}/sign-in")).await;
    browser.fill("[name=name]", "sato").await;
    browser.fill("[name=password]", PASSWORD).await;
    browser.press("Go on to the security key").await;
    browser.sees("Touch your security key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_loses_both_keys_and_comes_back_with_two_others() {
    let site = Site::start().await;
    let setup = site.app.setup_link().await.unwrap().unwrap();
    let admin = site.join(&setup).await;
    // Both while nobody else is here: later others approve what they are to be.
    let risk = site.invite(&admin, "risk", Grant { role: Role::Risk, team: None }).await;
    let arb = site.app.create_team(&site.app.actor_of(&admin.id, false).unwrap(), "arb").await.unwrap().id;
    let link = site.invite(&admin, "sato", Grant { role: Role::Lead, team: Some(arb) }).await;
    let risk = site.join(&risk).await;
    let mut first = Browser::open(With::default()).await;
    come_in(&mut first, link.expose(), "sato", "L. Sato").await;
    let sato = site.app.people().users().into_iter().find(|user| user.name == "sato").unwrap().id.clone();

    // Another browser, another machine: the keys are not there.
    let mut second = Browser::open(With::default()).await;
    give_password(&second, &site.origin).await;
    second.press("I lost my keys").await;
    second.sees("Then 24 hours pass").await;
    second.fill("[name=why]", "bag stolen, both keys in it").await;
    second.press("Ask for 1 recovery").await;
    second.sees("Your recovery is under way").await;
    // The first one, still signed in, says so on every page.
    first.goto(&format!("{}/fleet", site.origin)).await;
    first.sees("Somebody asked to recover your account").await;

    let recovery = site.app.recovery_book().open_of(&sato).unwrap().row.id.clone();
    for by in [&risk, &admin] {
        site.act(by, ActKind::RecoveryApprove { recovery: recovery.clone(), user: sato.clone() }).await;
    }
    first.goto(&format!("{}/recoveries/{recovery}", site.origin)).await;
    first.sees("Approvals: 2 of 2").await;
    first.sees("Go on to sign 1 veto").await;
    site.forward(DAY_MS + 1_000);
    site.app.tend_recoveries().await.unwrap();
    let outcome = site.act(&admin, ActKind::RecoveryLink { recovery, user: sato.clone() }).await;
    let Outcome::Secret { secret, .. } = outcome else { panic!("{outcome:?} instead of a link") };
    first.goto(&format!("{}/fleet", site.origin)).await;
    first.sees("Sign in").await;

    come_in(&mut second, secret.expose(), "sato", "L. Sato").await;
    second.sees("you may see and stop, nothing else").await;
    second.goto(&format!("{}/bots/new", site.origin)).await;
    second.sees("Not allowed").await;
    site.forward(DAY_MS + 1_000);
    give_password(&second, &site.origin).await;
    second.press("Use security key").await;
    second.sees("Fleet").await;
    second.goto(&format!("{}/bots/new", site.origin)).await;
    second.sees("New bot").await;
    assert!(!second.text().await.contains("see and stop"), "{}", second.text().await);
    first.close().await;
    second.close().await;
}
