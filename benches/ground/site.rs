//! An installation on the embedded database, filled in bulk: bots, agents that have booted once, tokens, and as long a log as wanted.

use andon::{
    audit::{Actor, Canonical, Event, Record},
    crypto::token::{self, TokenDigest},
    domain::{
        AgentId, BootId, BotFacts, BotId, Exits, Grant, HoldId, InstallationId, Limits, Role, Stage, TeamId, Timestamp, Timings, TokenId,
        UserId,
    },
    storage::{self, Db, Lane, WriteTx, agents::Agent, installation::Installation, teams::Team, tokens::StoredToken, users::User},
};
use std::path::Path;
use tempfile::TempDir;

/// How many rows one transaction takes.
const CHUNK: usize = 5_000;

/// An agent's way in.
#[derive(Clone)]
pub struct Credential {
    pub token: String,
    pub boot: BootId,
}

/// The installation.
pub struct Site {
    pub dir: TempDir,
    pub agents: Vec<Credential>,
    /// Stop tokens, each a placer of its own: none answers for another's press.
    pub presses: Vec<String>,
}

impl Site {
    /// With so many bots in four teams, so many stop tokens and so many entries.
    pub async fn new(bots: usize, presses: usize, entries: usize) -> Self {
        Self::with_limits(bots, (presses, entries), Limits::default()).await
    }

    /// With so many bots, each with limits of every kind, by which its reports are judged.
    pub async fn limited(bots: usize) -> Self {
        let values = serde_json::json!({
            "max_order_notional": "50000", "max_position_notional": "100000", "max_leverage": "3", "max_daily_loss": "5000",
            "max_drawdown": "20000", "max_open_orders": 50, "max_orders_per_minute": 600, "max_messages_per_minute": 1200,
            "max_consecutive_errors": 10, "max_market_data_age_ms": 2000, "max_reject_rate": "0.2", "max_slippage_bps": "25",
            "allowed_symbols": ["BTC/USDT", "ETH/USDT", "SOL/USDT"], "currency": "USDT",
            "trading_hours": [{"days": "1-7", "from": "00:00", "to": "24:00"}],
            "symbols": {"SOL/USDT": {"max_position_notional": "30000"}},
        });
        Self::with_limits(bots, (0, 0), Limits { version: 1, values: values.as_object().unwrap().clone() }).await
    }

    async fn with_limits(bots: usize, (presses, entries): (usize, usize), limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path()).await;
        let now = Timestamp(1_760_000_000_000_000);
        let mut tx = db.write(Lane::Normal).await.unwrap();
        let installation = Installation { id: InstallationId::new(), name: "Bench".into(), kind: "live".into(), created_at: now };
        storage::installation::installation_insert(&mut tx, &installation, "localhost/audit/control/1").await.unwrap();
        let teams: Vec<Team> = (0..4).map(|n| Team { id: TeamId::new(), name: format!("team-{n}"), created_at: now }).collect();
        for team in &teams {
            storage::teams::team_insert(&mut tx, team).await.unwrap();
        }
        let owner = User {
            id: UserId::new(),
            name: "owner".into(),
            display_name: "Owner".into(),
            password_hash: None,
            enabled: true,
            created_at: now,
            grants: vec![Grant { role: Role::Admin, team: None }],
        };
        storage::users::user_insert(&mut tx, &owner).await.unwrap();
        let presses = add_tokens(&mut tx, &owner.id, presses, now).await;
        tx.commit().await.unwrap();
        let mut agents = Vec::with_capacity(bots);
        let numbers: Vec<usize> = (0..bots).collect();
        for chunk in numbers.chunks(CHUNK) {
            let mut tx = db.write(Lane::Normal).await.unwrap();
            for n in chunk {
                agents.push(add_bot(&mut tx, *n, (&teams[n % teams.len()].id, &owner.id), (now, &limits)).await);
            }
            tx.commit().await.unwrap();
        }
        add_entries(&db, &owner.id, entries, now).await;
        db.close().await;
        Self { dir, agents, presses }
    }
}

async fn open(dir: &Path) -> Db {
    let db = Db::open_sqlite(&dir.join("andon.db")).await.unwrap();
    storage::migrate::run(&db).await.unwrap();
    db
}

async fn add_tokens(tx: &mut WriteTx, owner: &UserId, count: usize, now: Timestamp) -> Vec<String> {
    let mut texts = Vec::new();
    for n in 0..count {
        let text = token::new_token("stop").unwrap();
        let stored = StoredToken {
            id: TokenId::new(),
            name: format!("bench {n}"),
            token_hash: TokenDigest::of(text.expose()).hex(),
            scope: "stop-only".into(),
            team_id: None,
            made_by: owner.clone(),
            made_at: now,
            expires_at: Timestamp(i64::MAX / 4),
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
            warned_at: None,
        };
        storage::tokens::token_insert(tx, &stored).await.unwrap();
        texts.push(text.expose().clone());
    }
    texts
}

async fn add_bot(tx: &mut WriteTx, n: usize, (team, owner): (&TeamId, &UserId), (now, limits): (Timestamp, &Limits)) -> Credential {
    let epoch = storage::epoch::epoch_take(tx).await.unwrap();
    let bot = BotFacts {
        id: BotId::new(),
        name: format!("bot-{n:05}"),
        team: team.clone(),
        strategy: "market making".into(),
        owner: owner.clone(),
        stage: Stage::Sandbox,
        exits: Exits::Managed,
        timings: Timings::default(),
        limits: limits.clone(),
        limits_waiting: false,
        limits_at: Timestamp(0),
        seat: None,
        start_epoch: andon::domain::Epoch(0),
        run: None,
        stop: None,
        fact_epoch: epoch,
    };
    storage::bots::bot_insert(tx, &bot, now).await.unwrap();
    let text = token::new_token("agent").unwrap();
    let digest = TokenDigest::of(text.expose());
    let recipient = format!("age1bench{n}");
    let agent = Agent {
        id: AgentId::new(),
        bot_id: bot.id,
        name: format!("host-{n}"),
        version: "1.0.0".into(),
        platform: "linux-x86_64".into(),
        token_hash: digest.hex(),
        fingerprint: token::fingerprint(&recipient, &digest),
        recipient,
        state: "pending".into(),
        enrolled_at: now,
        confirmed_by: None,
        ended_at: None,
        next_token_hash: None,
        token_since: now,
    };
    storage::agents::agent_insert(tx, &agent).await.unwrap();
    storage::agents::agent_confirm(tx, &agent.id, owner).await.unwrap();
    let boot: BootId = HoldId::new().to_string().try_into().unwrap();
    storage::agents::boot_insert(tx, &agent.id, 1, &boot, now).await.unwrap();
    Credential { token: text.expose().clone(), boot }
}

async fn add_entries(db: &Db, user: &UserId, count: usize, now: Timestamp) {
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(CHUNK) {
        let mut tx = db.write(Lane::Normal).await.unwrap();
        for n in chunk {
            let event = Event::SignedIn { user: user.clone(), credential: None };
            let ts = Timestamp(now.0 + i64::try_from(*n).unwrap());
            let entry = Canonical::new(&Record { actor: Actor::user(user), ts, happened_at: None, node: "bench".into(), event }).unwrap();
            storage::audit::audit_append(&mut tx, &entry).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}
