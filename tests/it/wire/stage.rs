//! A server on a socket of its own, with a team, a lead, bots that are started by rows, and tokens of every scope.

use super::client::{Client, Reply};
use crate::harness::{
    db::{Fresh, Kind, fresh},
    plain,
};
use andon::app::{
    App, Parts,
    holds::{Placed, Press},
};
use andon::authz::Actor;
use andon::crypto::token::{self, TokenDigest};
use andon::domain::{
    ActId, BootClock, BotFacts, BotId, Clock, CredentialId, Epoch, Grant, HoldId, InstallationId, Level, Limits, Role, Scope, StartLeaf,
    TeamId, Timestamp, TokenId, UserId, hold::Release,
};
use andon::fleet::Spool;
use andon::storage::{self, Lane, credentials::Credential, installation::Installation, teams::Team, tokens::StoredToken, users::User};
use serde_json::json;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// The server and who works with it.
pub struct Stage {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub team: TeamId,
    pub other_team: TeamId,
    pub lead: UserId,
    // Keeps folder and database alive.
    pub fresh: Fresh,
}

/// An enrolled agent as a test knows it.
#[derive(Clone)]
pub struct Enrolled {
    pub bot: BotId,
    pub token: String,
}

/// A key that signs nothing here; with two of them a person has their rights.
fn key(n: usize, user: &UserId) -> Credential {
    Credential {
        id: CredentialId(format!("key-{n}")),
        user_id: user.clone(),
        nickname: format!("key {n}"),
        passkey: "{}".into(),
        created_at: Timestamp(1),
        last_used_at: None,
        aaguid: None,
        attestation: None,
        cose: None,
        backup_eligible: false,
        suspended_at: None,
        suspended_why: None,
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::on(fresh(Kind::Sqlite).await).await
    }

    pub async fn on(fresh: Fresh) -> Self {
        let (team, other_team, lead, admin) = (TeamId::new(), TeamId::new(), UserId::new(), UserId::new());
        let installation = Installation { id: InstallationId::new(), name: "Test".into(), kind: "live".into(), created_at: Timestamp(1) };
        let mut tx = fresh.db.write(Lane::Normal).await.unwrap();
        storage::installation::installation_insert(&mut tx, &installation, "localhost/audit/control/1").await.unwrap();
        for (id, name) in [(&team, "arb"), (&other_team, "grid desk")] {
            let team = Team { id: id.clone(), name: name.into(), created_at: Timestamp(1) };
            storage::teams::team_insert(&mut tx, &team).await.unwrap();
        }
        let grant = |team: &TeamId| Grant { role: Role::Lead, team: Some(team.clone()) };
        let user = User {
            id: lead.clone(),
            name: "sato".into(),
            display_name: "L. Sato".into(),
            password_hash: None,
            enabled: true,
            created_at: Timestamp(1),
            grants: vec![grant(&team), grant(&other_team)],
        };
        storage::users::user_insert(&mut tx, &user).await.unwrap();
        storage::users::user_set_grants(&mut tx, &lead, &user.grants).await.unwrap();
        let admin_row = User {
            id: admin.clone(),
            name: "adebayo".into(),
            display_name: "N. Adebayo".into(),
            grants: vec![Grant { role: Role::Admin, team: None }],
            ..user.clone()
        };
        storage::users::user_insert(&mut tx, &admin_row).await.unwrap();
        storage::users::user_set_grants(&mut tx, &admin, &admin_row.grants).await.unwrap();
        for (n, user) in [&lead, &lead, &admin, &admin].into_iter().enumerate() {
            storage::credentials::credential_insert(&mut tx, &key(n, user)).await.unwrap();
        }
        for (word, scope, team) in [
            ("stop", "stop-only", None),
            ("read", "read", None),
            ("stop-arb", "stop-only", Some(&team)),
            ("read-arb", "read", Some(&team)),
            ("operate", "operate", Some(&team)),
        ] {
            let row = StoredToken {
                id: TokenId::new(),
                name: word.into(),
                token_hash: TokenDigest::of(&format!("andon_api_{word}")).hex(),
                scope: scope.into(),
                team_id: team.cloned(),
                made_by: if team.is_some() { lead.clone() } else { admin.clone() },
                made_at: Timestamp(1),
                expires_at: Timestamp(i64::MAX),
                revoked_at: None,
                last_used_at: None,
                last_used_from: None,
                warned_at: None,
            };
            storage::tokens::token_insert(&mut tx, &row).await.unwrap();
        }
        tx.commit().await.unwrap();
        let (spool, spooled) = Spool::open(&fresh.dir.path().join("spool")).unwrap();
        let parts = Parts {
            db: fresh.db.clone(),
            clock: Clock::system(),
            boot_clock: BootClock::system(),
            installation,
            origin: "http://localhost:8080".parse().unwrap(),
            spool,
            spooled,
            is_compared_first: false,
            node: "test".into(),
            exchanges: andon::venues::Venues::open(
                andon::domain::Clock::system(),
                &andon::venues::Places::At("http://127.0.0.1:1".parse().unwrap()),
            )
            .unwrap(),
        };
        let app = App::assemble(parts).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(andon::web::server::serve(listener, app.clone(), std::future::pending()));
        Self { app, address, team, other_team, lead, fresh }
    }

    /// Whoever asks over HTTP with an API token of this scope.
    pub fn program(&self, word: &str) -> Client {
        Client { address: self.address, token: Some(format!("andon_api_{word}")) }
    }
    /// An agent that asks over HTTP.
    pub fn poller(&self, agent: &Enrolled) -> Client {
        Client { address: self.address, token: Some(agent.token.clone()) }
    }
    /// Whoever has no token.
    pub fn stranger(&self) -> Client {
        Client { address: self.address, token: None }
    }
    pub fn actor(&self) -> Actor {
        self.app.actor_of(&self.lead, false).unwrap()
    }

    /// A bot in stage sandbox, in the first team.
    pub async fn bot(&self, name: &str) -> BotId {
        self.bot_with(name, &self.team, Limits::default()).await
    }

    pub async fn bot_with(&self, name: &str, team: &TeamId, limits: Limits) -> BotId {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        let facts = BotFacts {
            name: name.into(),
            team: team.clone(),
            owner: self.lead.clone(),
            limits,
            fact_epoch: storage::epoch::epoch_take(&mut tx).await.unwrap(),
            ..plain::bot()
        };
        storage::bots::bot_insert(&mut tx, &facts, Timestamp(1)).await.unwrap();
        tx.commit().await.unwrap();
        self.app.refresh().await.unwrap();
        facts.id
    }

    /// A one-time code for a bot.
    pub async fn code(&self, bot: &BotId) -> String {
        let code = token::new_code().unwrap().expose().clone();
        let now = self.app.clock.now();
        let row = storage::agents::EnrolmentCode {
            code_hash: token::code_digest(&code).hex(),
            bot_id: bot.clone(),
            made_by: self.lead.clone(),
            made_at: now,
            expires_at: now.plus_ms(900_000),
            used_at: None,
            agent_id: None,
        };
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        storage::agents::code_insert(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        code
    }

    pub async fn present(&self, code: &str) -> Reply {
        let recipient = age::x25519::Identity::generate().to_public().to_string();
        let agent = json!({"name": "host-1", "version": "1.0.0", "platform": "linux-x86_64"});
        self.stranger().post("/agent/v1/enrol", json!({"code": code, "agent": agent, "recipient": recipient})).await
    }

    /// Enrols an agent for a bot.
    pub async fn enrol(&self, bot: &BotId) -> Enrolled {
        let reply = self.present(&self.code(bot).await).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        Enrolled { bot: bot.clone(), token: reply.json["token"].as_str().unwrap().to_owned() }
    }

    /// Confirms an agent by its row, and lets the server read it by enrolling another one.
    pub async fn confirm(&self, agent: &Enrolled) {
        let live = self.app.agent_by_token(&agent.token).unwrap();
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        storage::agents::agent_confirm(&mut tx, &live.id, &self.lead).await.unwrap();
        tx.commit().await.unwrap();
        self.agent("another").await;
    }

    /// A bot with an agent.
    pub async fn agent(&self, name: &str) -> Enrolled {
        self.enrol(&self.bot(name).await).await
    }

    /// Starts a bot by its rows: what a signed act leaves behind.
    pub async fn start(&self, bot: &BotId) -> Epoch {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
        let now = self.app.clock.now();
        let act = storage::acts::StoredAct {
            id: ActId::new(),
            kind: "start".into(),
            body: b"{}".to_vec(),
            digest: token::random::<32>().unwrap(),
            detail: "{}".into(),
            made_by: self.lead.clone(),
            made_at: now,
            not_after: now,
            signers_needed: 1,
            state: "done".into(),
            closed_at: None,
            outcome: None,
        };
        storage::acts::act_insert(&mut tx, &act).await.unwrap();
        let leaf = StartLeaf {
            bot: bot.clone(),
            after_epoch: Epoch(epoch.0 - 1),
            build: None,
            config: None,
            limits_version: 0,
            key_versions: BTreeMap::new(),
            orders_checked: None,
        };
        let start = storage::starts::BotStart {
            bot_id: bot.clone(),
            epoch,
            act_id: act.id,
            leaf_index: 0,
            leaf: serde_json::to_string(&leaf).unwrap(),
            proof: "[]".into(),
            at: now,
            applied_at: None,
        };
        storage::starts::start_insert_all(&mut tx, &[start]).await.unwrap();
        storage::bots::bot_set_start(&mut tx, std::slice::from_ref(bot), epoch).await.unwrap();
        tx.commit().await.unwrap();
        self.app.refresh().await.unwrap();
        epoch
    }

    /// Ends a hold by its row: what a signed act leaves behind.
    pub async fn release(&self, id: &HoldId) {
        let mut tx = self.fresh.db.write(Lane::Normal).await.unwrap();
        let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
        let release = Release { epoch, at: self.app.clock.now(), by: self.lead.clone(), why: "over".into() };
        storage::holds::hold_release(&mut tx, id, &release).await.unwrap();
        tx.commit().await.unwrap();
        self.app.refresh().await.unwrap();
    }

    /// Presses, as the lead.
    pub async fn place(&self, scope: Scope, level: Level) -> Placed {
        let press = Press { scope, level, why: "venue outage".into(), idempotency_key: String::new(), terms: Default::default() };
        self.app.place(self.actor(), press).await.unwrap()
    }
}
