//! `andon key install` as a process on the host of a real agent's: what is handed in is sealed there and measured from there; what is another key than
//! was approved is never sent; and the secret is in nothing that anybody sees.

use super::{OWN, named, trades};
use crate::{
    faults::server::{andon, command},
    harness::{
        app::TestApp,
        browser::Browser,
        db::{Fresh, on_both},
        exchange_keys::{approved_as, attest, newest, seated, view},
    },
    venues::{
        but,
        fake::{Fake, KEY, SECRET, Seen},
    },
};
use andon::{
    app::{
        acts::Outcome,
        keys::install::{fingerprint, short},
    },
    crypto::seal::{Binding, Identity, open},
    domain::{
        ActKind, AgentId, BotFacts, KeyId, KeyPurpose, Secret,
        key::{KeyMeasurer, KeyState, KeyVerdict},
    },
};
use axum::{
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::io::AsyncWriteExt;

/// What was asked of the server, by method and path.
type Asked = Arc<Mutex<Vec<String>>>;

async fn remember(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
    next.run(request).await
}

/// A server over a socket, a bot at Bybit with a real agent's folder, and that venue.
struct Host {
    test: TestApp,
    bot: BotFacts,
    agent: AgentId,
    dir: PathBuf,
    asked: Asked,
    venue: Fake,
}

impl Host {
    async fn new(fresh: Fresh) -> Self {
        let venue =
            Fake::start(|seen: &Seen| if seen.head("x-bapi-api-key") == KEY { Ok(()) } else { Err("another key".to_owned()) }).await;
        venue.on(OWN, trades());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let test = TestApp::at(fresh, &origin).await;
        let asked = Asked::default();
        let router = andon::web::router::router(test.app.clone()).layer(from_fn_with_state(asked.clone(), remember));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let bot = seated(&test, "arb-1", ("arb", "bybit")).await;
        let dir = test.fresh.dir.path().join("agent");
        let act = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
        let Outcome::Secret { secret: code, .. } = test.sign("operator", &act).await.unwrap() else { panic!("no code") };
        let dir_name = dir.to_str().unwrap().to_owned();
        let enrol = ["agent", "enrol", "--server", &origin, "--code", "-", "--name", "host-1", "--dir", &dir_name];
        let (ended, out, err) = run(&enrol, code.expose()).await;
        assert_eq!(ended, 0, "{out}{err}");
        let agent = test.app.agents().of_bot(&bot.id).unwrap().id.clone();
        Self { test, bot, agent, dir, asked, venue }
    }

    async fn confirm(&self) {
        let row = self.test.app.agent(&self.test.actor("operator"), &self.agent).await.unwrap();
        let kind = ActKind::AgentConfirm { agent: row.id, bot: row.bot_id, fingerprint: row.fingerprint };
        let act = self.test.app.prepare_single(&self.test.actor("operator"), kind).await.unwrap();
        self.test.sign("operator", &act).await.unwrap();
    }

    /// Hands in whatever stands in the text. Nothing that is printed holds the secret, or the venue's name of the key.
    async fn install(&self, more: &[&str], text: &str) -> (i32, String, String) {
        let common = ["key", "install", "--at", self.venue.url.as_str(), "--dir", self.dir.to_str().unwrap()];
        let (ended, out, err) = run(&[&common, more].concat(), text).await;
        for secret in [KEY, SECRET] {
            assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
        }
        (ended, out, err)
    }

    /// Forgets what was asked so far, and says whether anything was handed in.
    fn was_handed_in(&self) -> bool {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        assert!(asked.contains(&"GET /agent/v1/keys".to_owned()), "{asked:?}");
        asked.contains(&"POST /agent/v1/keys".to_owned())
    }

    /// What the server knows of what was sealed opens on the agent's host, to what was handed in.
    async fn opens(&self, key: &KeyId) {
        let row = newest(&self.test, key).await;
        let identity = Identity::parse(&Secret::new(fs::read_to_string(self.dir.join("identity")).unwrap())).unwrap();
        let binding = Binding {
            installation: self.test.app.installation.id.clone(),
            agent: self.agent.clone(),
            bot: self.bot.id.clone(),
            key: key.clone(),
            version: row.version,
            purpose: KeyPurpose::Execution,
            venue: "bybit".to_owned(),
        };
        let opened = open(&row.sealed.unwrap(), &identity, &binding).unwrap();
        assert_eq!((opened.api_key.expose().as_str(), opened.secret.expose().as_str()), (KEY, SECRET));
    }
}

fn written() -> String {
    format!("{{\"key\":\"{KEY}\",\"secret\":\"{SECRET}\"}}")
}

/// Its exit code and what it printed.
async fn run(arguments: &[&str], text: &str) -> (i32, String, String) {
    let mut running = command(andon());
    running.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tokio::process::Command::from(running).spawn().unwrap();
    // Who lists processes sees this much of it.
    for shown in ["cmdline", "environ"] {
        let seen = fs::read(format!("/proc/{}/{shown}", running.id().unwrap())).unwrap_or_default();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(!seen.contains(SECRET) && !seen.contains(KEY), "{seen}");
    }
    // It may end before it reads.
    let mut stdin = running.stdin.take().unwrap();
    let _ = stdin.write_all(text.as_bytes()).await;
    drop(stdin);
    let ended = running.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
}

on_both!(a_key_is_handed_in_on_its_agents_host_and_only_once, |fresh: Fresh| async move {
    let host = Host::new(fresh).await;
    let key = approved_as(&host.test, &host.bot, named(KeyPurpose::Execution), "operator").await;
    let (ended, out, err) = host.install(&[], &written()).await;
    assert!(ended == 1 && err.contains("no key of this bot is approved"), "nobody has confirmed the agent: {out}{err}");
    assert!(!host.was_handed_in() && host.venue.seen().is_empty());
    host.confirm().await;
    let (ended, out, err) = host.install(&[], &written()).await;
    assert!(ended == 0 && err.is_empty(), "{out}{err}");
    assert!(out.contains("Handed in as version 1 of the key to trade of arb-1.") && out.contains("ATTEST"), "{out}");
    assert!(out.contains(&format!("{}/keys/{key}", host.test.origin)), "{out}");
    assert!(host.was_handed_in() && host.venue.seen().iter().all(|seen| seen.what == OWN));
    let row = newest(&host.test, &key).await;
    assert_eq!((row.state, row.verdict, row.measured_by), (KeyState::Installed, Some(KeyVerdict::Attest), Some(KeyMeasurer::Agent)));
    assert_eq!(row.fingerprint, fingerprint(&Secret::new(KEY.to_owned())));
    host.opens(&key).await;
    let mut lead = Browser::at(&host.test.app);
    lead.sign_in_as(&host.test, "lead").await;
    lead.get(&format!("/keys/{key}")).await;
    assert!(lead.page.contains(short(&row.fingerprint)) && lead.page.contains("on the agent&#39;s host"), "{}", lead.page);
    assert!(!lead.page.contains(KEY) && !lead.page.contains(SECRET));

    let (ended, out, err) = host.install(&[], &written()).await;
    assert!(ended == 1 && err.contains("a moment ago"), "{out}{err}");
    attest(&host.test, "operator", &key).await.unwrap();
    let (ended, out, err) = host.install(&[], &written()).await;
    assert!(ended == 1 && err.contains("on its way to the bot"), "{out}{err}");
    assert_eq!(view(&host.test, &key).await.key.versions.len(), 1);
    host.test.log_is_good().await;
});

on_both!(what_its_venue_says_to_be_another_key_is_never_sent, |fresh: Fresh| async move {
    let host = Host::new(fresh).await;
    host.confirm().await;
    let key = approved_as(&host.test, &host.bot, named(KeyPurpose::Execution), "operator").await;
    let refusal = "{\"retCode\":10010,\"retMsg\":\"Unmatched IP.\",\"result\":{}}".to_owned();
    for (answer, printed, said) in [
        (but(&trades(), "\"Wallet\":[]", "\"Wallet\":[\"Withdraw\"]"), "it may withdraw", "nothing was sent"),
        (but(&trades(), "203.0.113.7", "203.0.113.8"), "it works from 203.0.113.8/32", "nothing was sent"),
        (but(&trades(), "24617703", "1"), "belongs to the account 1", "nothing was sent"),
        (refusal, "", "ip_refused"),
    ] {
        host.venue.only(OWN, answer);
        let (ended, out, err) = host.install(&[], &written()).await;
        assert!(ended == 1 && out.contains(printed) && err.contains(said), "{said}: {out}{err}");
        assert!(!host.was_handed_in(), "{said}");
        assert!(host.venue.seen().iter().all(|seen| seen.what == OWN), "{said}");
    }
    host.venue.only(OWN, trades());
    let strange = KeyId::new().to_string();
    let half = format!("{{\"key\":\"{KEY}\",\"secret\":\"{SECRET}\"");
    for (more, text, code, said) in [
        (&[][..], half.as_str(), 1, "this is no key as JSON"),
        (&["--key", strange.as_str()][..], "{}", 1, "does not wait for this agent"),
        (&["--key", "x"][..], "{}", 1, "is no id of a key"),
        (&["--secret", "x"][..], "{}", 2, "unexpected argument"),
    ] {
        let (ended, out, err) = host.install(more, text).await;
        assert!(ended == code && err.contains(said), "{said}: {out}{err}");
    }
    assert!(!host.was_handed_in() && host.venue.seen().is_empty());
    assert!(view(&host.test, &key).await.key.versions.is_empty());
});
