//! A full register: venues with accounts and subaccounts, bots that have some of them, and requests in every state. Made in bulk.

use andon::{
    domain::{
        AccountId, AssignmentId, BotFacts, BotId, Environment, Epoch, Exits, Grant, InstallationId, Limits, RequestId, RequestKind,
        RequestState, Role, Seat, Stage, SubaccountId, TeamId, Timestamp, Timings, UserId, VenueId,
        limits::Node,
        request::{Change, Content, Document, digest},
    },
    storage::{
        self, Db, Lane, WriteTx,
        assignments::Assignment,
        installation::Installation,
        request_history::RevisionRow,
        requests::RequestRow,
        teams::Team,
        users::User,
        venues::{Account, Subaccount, Venue},
    },
};
use std::path::Path;

/// How much of everything.
#[derive(Clone, Copy)]
pub struct Size {
    pub bots: usize,
    pub subaccounts: usize,
    pub requests: usize,
    /// Of the requests, those that wait for somebody.
    pub open: usize,
}

const VENUES: usize = 20;
const TEAMS: usize = 8;
/// How many rows one transaction takes.
const CHUNK: usize = 2_000;
/// When everything was made.
const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

/// Fills a new database; answers with an admin who is a lead of every team.
pub async fn fill(dir: &Path, size: Size) -> (Db, UserId) {
    let db = Db::open_sqlite(&dir.join("andon.db")).await.unwrap();
    storage::migrate::run(&db).await.unwrap();
    let mut tx = db.write(Lane::Normal).await.unwrap();
    let installation = Installation { id: InstallationId::new(), name: "Bench".into(), kind: "live".into(), created_at: NOW };
    storage::installation::installation_insert(&mut tx, &installation, "localhost/audit/control/1").await.unwrap();
    let teams = add_teams(&mut tx).await;
    let (who, asks) = (add_person(&mut tx, "admin", &teams).await, add_person(&mut tx, "asks", &teams).await);
    let places = add_places(&mut tx, size.subaccounts).await;
    tx.commit().await.unwrap();
    let mut bots = Vec::with_capacity(size.bots);
    for chunk in (0..size.bots).collect::<Vec<_>>().chunks(CHUNK) {
        let mut tx = db.write(Lane::Normal).await.unwrap();
        for n in chunk {
            bots.push(add_bot(&mut tx, *n, (&teams[n % TEAMS], &asks), &places[*n]).await);
        }
        tx.commit().await.unwrap();
    }
    for chunk in (0..size.requests).collect::<Vec<_>>().chunks(CHUNK) {
        let mut tx = db.write(Lane::Normal).await.unwrap();
        for n in chunk {
            // The open ones last: of those there is one for each bot at most.
            add_request(&mut tx, *n, (&bots[n % bots.len()], &asks), *n >= size.requests - size.open).await;
        }
        tx.commit().await.unwrap();
    }
    (db, who)
}

async fn add_teams(tx: &mut WriteTx) -> Vec<TeamId> {
    let mut teams = Vec::new();
    for n in 0..TEAMS {
        let team = Team { id: TeamId::new(), name: format!("team-{n}"), created_at: NOW };
        storage::teams::team_insert(tx, &team).await.unwrap();
        teams.push(team.id);
    }
    teams
}

async fn add_person(tx: &mut WriteTx, name: &str, teams: &[TeamId]) -> UserId {
    let lead = teams.iter().map(|team| Grant { role: Role::Lead, team: Some(team.clone()) });
    let grants: Vec<Grant> = lead.chain([Grant { role: Role::Admin, team: None }]).collect();
    let (id, display_name) = (UserId::new(), name.to_owned());
    let user = User { id, name: name.into(), display_name, password_hash: None, enabled: true, created_at: NOW, grants: grants.clone() };
    storage::users::user_insert(tx, &user).await.unwrap();
    storage::users::user_set_grants(tx, &user.id, &grants).await.unwrap();
    user.id
}

/// A place for a bot.
struct Place {
    venue: VenueId,
    subaccount: SubaccountId,
}

async fn add_places(tx: &mut WriteTx, count: usize) -> Vec<Place> {
    let mut accounts = Vec::new();
    for n in 0..VENUES {
        let (name, exchange) = (format!("venue-{n:02}"), format!("exchange-{n}"));
        let venue = Venue { id: VenueId::new(), name, exchange, environment: Environment::Test, created_at: NOW, retired_at: None };
        storage::venues::venue_insert(tx, &venue).await.unwrap();
        let account = Account { id: AccountId::new(), venue_id: venue.id.clone(), name: "main".into(), created_at: NOW, retired_at: None };
        storage::venues::account_insert(tx, &account).await.unwrap();
        accounts.push((venue, account));
    }
    let mut places = Vec::with_capacity(count);
    for n in 0..count {
        let (venue, account) = &accounts[n % VENUES];
        let (id, name) = (SubaccountId::new(), format!("sub-{n:05}"));
        let (venue_id, account_id) = (venue.id.clone(), account.id.clone());
        let one = Subaccount { id: id.clone(), venue_id, account_id, name, created_at: NOW, retired_at: None };
        storage::venues::subaccount_insert(tx, &one).await.unwrap();
        places.push(Place { venue: venue.id.clone(), subaccount: id });
    }
    places
}

async fn add_bot(tx: &mut WriteTx, n: usize, (team, owner): (&TeamId, &UserId), place: &Place) -> (BotId, TeamId) {
    let fact_epoch = storage::epoch::epoch_take(tx).await.unwrap();
    let bot = BotFacts {
        id: BotId::new(),
        name: format!("bot-{n:05}"),
        team: team.clone(),
        strategy: format!("strategy {}", n % 12),
        owner: owner.clone(),
        stage: Stage::Sandbox,
        exits: Exits::Managed,
        timings: Timings::default(),
        limits: Limits::default(),
        limits_waiting: false,
        limits_at: Timestamp(0),
        seat: Some(Seat { venue: place.venue.clone(), subaccount: place.subaccount.clone() }),
        start_epoch: Epoch(0),
        run: None,
        stop: None,
        fact_epoch,
    };
    storage::bots::bot_insert(tx, &bot, NOW).await.unwrap();
    let assignment = Assignment {
        id: AssignmentId::new(),
        bot_id: bot.id.clone(),
        subaccount_id: place.subaccount.clone(),
        from_at: NOW,
        from_by: "server".into(),
        request_id: None,
        until_at: None,
        until_by: None,
    };
    storage::assignments::assignment_insert(tx, &assignment).await.unwrap();
    (bot.id, bot.team)
}

async fn add_request(tx: &mut WriteTx, n: usize, (bot, asks): (&(BotId, TeamId), &UserId), is_open: bool) {
    let at = NOW.plus_ms(i64::try_from(n).unwrap() * 60_000);
    let change = Change { now: None, after: serde_json::Value::String("1000".into()) };
    let content = Content::Limits { of: Node::Bot(bot.0.clone()).into(), set: [("max_order_notional".to_owned(), change)].into() };
    let mut row = RequestRow {
        id: RequestId::new(),
        kind: RequestKind::Limits,
        target: content.target(),
        team_id: Some(bot.1.clone()),
        state: RequestState::Pending,
        generation: 1,
        revision: 1,
        requester: asks.clone(),
        beneficiary: None,
        asked_at: at,
        revised_at: at,
        approved_at: None,
        closed_at: None,
        closed_by: None,
        outcome: None,
        raised: "[]".to_owned(),
    };
    storage::requests::request_insert(tx, &row).await.unwrap();
    let text = Document { v: 1, request: row.id.clone(), revision: 1, policy_version: 0, content }.canonical().unwrap();
    let revision = RevisionRow {
        request_id: row.id.clone(),
        revision: 1,
        digest: digest(&text),
        content: text,
        why: "calmer market".into(),
        author: asks.clone(),
        policy_version: 0,
        rule: serde_json::to_string(andon::domain::approval::Rules::default().of(RequestKind::Limits)).unwrap(),
        made_at: at,
    };
    storage::request_history::revision_insert(tx, &revision).await.unwrap();
    if !is_open {
        row.state = if n.is_multiple_of(2) { RequestState::Withdrawn } else { RequestState::Denied };
        (row.closed_at, row.closed_by, row.outcome) = (Some(at.plus_ms(1_000)), Some(format!("user:{asks}")), Some("not now".into()));
        storage::requests::request_write(tx, &mut row).await.unwrap();
    }
}
