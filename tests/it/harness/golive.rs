//! A bot of which everything is so that a checklist asks for. What has tests of its own (a key, a drill) is written as if it had been done.

use super::{
    agent::{Agent, ready},
    app::TestApp,
};
use andon::{
    app::{
        acts::Outcome,
        golive::{ask::AskGolive, marks::Said, next_stage},
        keys::{KeyRow, VersionRow},
        register::bots::BotEdit,
        safety::TypedSafety,
    },
    domain::{
        AlertKind, ApprovedRun, BotFacts, BotId, DrillId, HoldId, KeyId, KeyPurpose, KeySheet, PlacerKind, RequestId, Seat, Stage, UserId,
        checklist::{Proof, shipped},
        golive::{OnDrift, dossier},
        key::{KeyState, KeyTerms, KeyVerdict},
        limits::Setting,
    },
    protocol::Report,
    storage::{self, Lane, drill_runs::DrillRun},
};

pub const BUILD: &str = "sha256:b0b0b0b0b0b0b0b0";
pub const CONFIG: &str = "sha256:c0c0c0c0c0c0c0c0";

/// A bot with its agent and its key to trade.
pub struct Ready {
    pub bot: BotFacts,
    pub agent: Agent,
    pub key: KeyId,
}

/// Limits within what stage limited may have.
pub const LIMITS: [(&str, &str); 9] = [
    ("currency", "USDT"),
    ("allowed_symbols", "BTC/USDT"),
    ("max_order_notional", "1000"),
    ("max_open_orders", "10"),
    ("max_orders_per_minute", "60"),
    ("max_messages_per_minute", "120"),
    ("max_slippage_bps", "20"),
    ("max_position_notional", "5000"),
    ("max_daily_loss", "200"),
];

/// A team and two of its people.
#[derive(Debug, Clone, Copy)]
pub struct Crew {
    pub team: &'static str,
    pub operator: &'static str,
    pub lead: &'static str,
}

pub const ARB: Crew = Crew { team: "arb", operator: "operator", lead: "lead" };
pub const GRID: Crew = Crew { team: "grid", operator: "grid operator", lead: "grid lead" };

/// A bot in sandbox of which nothing is open for stage limited but what people answer for.
pub async fn measured(test: &TestApp, name: &str) -> Ready {
    measured_of(test, name, ARB).await
}

/// The same of any team.
pub async fn measured_of(test: &TestApp, name: &str, crew: Crew) -> Ready {
    let (operator, lead, admin) = (test.actor(crew.operator), test.actor(crew.lead), test.actor("admin"));
    let id = |who: &str| test.people[who].id.to_string();
    let bot = test.bot(name, crew.team).await;
    let typed: Vec<(String, String)> = LIMITS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert!(LIMITS.iter().all(|(name, _)| Setting::of(name).is_some()));
    test.app.tighten_limits(&operator, &bot.id, &typed, "as tested").await.unwrap();
    let venue = test.app.create_venue_of(&admin, ("bybit", &format!("{name} venue")), "live").await.unwrap();
    let place = test.app.create_subaccount(&admin, venue.id.as_str(), name).await.unwrap();
    let request = test.app.ask_assign(&operator, &bot.id, &place.id, "it goes live there").await.unwrap();
    crate::requests::approve(test, "risk", &request).await.unwrap();
    let change = BotEdit { deputy: Some(id(crew.lead)), ..BotEdit::default() };
    test.app.edit_bot(&operator, &bot.id, &change).await.unwrap();
    test.app.list_operators(&lead, &bot.id, &[id(crew.operator)]).await.unwrap();
    safe(test, &place.account_id).await;
    let key = trades(test, &bot.id, &place.id, &request).await;
    drilled(test, &bot.id).await;
    answered(test).await;
    let mut agent = ready(test, &bot, crew.operator).await;
    (agent.build, agent.config) = (Some(BUILD.into()), Some(CONFIG.into()));
    // Above sandbox whoever reports nothing is held.
    agent.report = Some(Report { currency: Some("USDT".into()), open_orders: Some(0), entry_orders: Some(0), ..Report::default() });
    agent.keys.insert(key.to_string(), 1);
    agent.settle(&test.app).await;
    Ready { bot: now(test, &bot.id), agent, key }
}

/// A bot as it is now.
pub fn now(test: &TestApp, bot: &BotId) -> BotFacts {
    BotFacts::clone(test.app.fleet.view().bot(bot).unwrap())
}

async fn safe(test: &TestApp, account: &andon::domain::AccountId) {
    let written = || "written down".to_owned();
    let typed = TypedSafety {
        second_factor: "security_key".into(),
        whitelist_locked: "yes".into(),
        notices_to: written(),
        recovery: written(),
        support: written(),
        devices: written(),
        diligence: written(),
    };
    test.app.review_safety(&test.actor("lead"), account, &typed).await.unwrap();
}

async fn trades(test: &TestApp, bot: &BotId, place: &andon::domain::SubaccountId, request: &RequestId) -> KeyId {
    let now = test.hand.clock().now();
    let sheet = KeySheet::new(KeyPurpose::Execution, "203.0.113.7", None).unwrap();
    let terms = KeyTerms { sheet, rotate_days: 90, on_drift: andon::domain::key::OnDrift::Tell };
    let by: UserId = test.people["operator"].id.clone();
    let key = KeyRow::approved((bot.clone(), place.clone()), &terms, (request.clone(), by), now).unwrap();
    let id = key.id.clone();
    let new = VersionRow::handed_in((id.clone(), 1), (format!("print-of-{bot}"), "bybit".to_owned()), None, (now, "user:1".to_owned()));
    let mut version =
        VersionRow { state: KeyState::Active, active_at: Some(now), measured_at: Some(now), verdict: Some(KeyVerdict::Agrees), ..new };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::exchange_keys::key_insert(&mut tx, &key).await.unwrap();
    storage::exchange_keys::version_insert(&mut tx, &version).await.unwrap();
    storage::exchange_keys::version_write(&mut tx, &mut version).await.unwrap();
    storage::exchange_keys::key_changed(&mut tx, [&id]).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh_keys().await.unwrap();
    id
}

/// Has a key measured at its venue once more, with the same outcome.
pub async fn measured_again(test: &TestApp, key: &KeyId) {
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    for mut version in storage::exchange_keys::version_of(&mut tx, key).await.unwrap() {
        version.measured_at = Some(test.hand.clock().now());
        storage::exchange_keys::version_write(&mut tx, &mut version).await.unwrap();
    }
    storage::exchange_keys::key_changed(&mut tx, [key]).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh_keys().await.unwrap();
}

async fn drilled(test: &TestApp, bot: &BotId) {
    let now = test.hand.clock().now();
    let run = DrillRun {
        id: DrillId::new(),
        by_kind: PlacerKind::User,
        by_id: test.people["operator"].id.to_string(),
        by_name: "operator".into(),
        control_bot: bot.clone(),
        began_at: now,
        ends_at: now,
        ended_at: None,
        passed: None,
        reasons: String::new(),
        control_at: None,
        expires_at: None,
    };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::drill_runs::drill_run_insert(&mut tx, &run).await.unwrap();
    storage::drill_runs::drill_bot_insert(&mut tx, &run.id, bot, &HoldId::new()).await.unwrap();
    let over = DrillRun {
        ended_at: Some(now),
        passed: Some(true),
        control_at: Some(now),
        expires_at: Some(now.plus_ms(andon::domain::drill::PROVES_MS)),
        ..run
    };
    storage::drill_runs::drill_run_end(&mut tx, &over).await.unwrap();
    tx.commit().await.unwrap();
}

/// A day in milliseconds.
pub const DAY: i64 = 86_400_000;

/// Closes a test alert that somebody left open: one is open at a time.
pub async fn no_test_alert(test: &TestApp) {
    let open = test.app.alerts.open();
    if let Some(alert) = open.iter().find(|alert| alert.kind == AlertKind::Test) {
        test.app.close_alert(&test.actor("lead"), &alert.id, "another is to be sent").await.unwrap();
    }
}

/// Sends a test alert that somebody else takes.
pub async fn answered(test: &TestApp) {
    no_test_alert(test).await;
    test.app.send_test_alert(&test.actor("operator")).await.unwrap();
    test.app.write_alerts().await.unwrap();
    let open = test.app.alerts.open();
    let alert = open.iter().find(|alert| alert.kind == AlertKind::Test).unwrap().id.clone();
    test.app.take_alert(&test.actor("lead"), &alert).await.unwrap();
    test.app.close_alert(&test.actor("lead"), &alert, "it was answered").await.unwrap();
}

/// Answers for everything that people answer for on a list, as one of them.
pub async fn mark(test: &TestApp, by: &str, bot: &BotId, stage: Stage) {
    mark_but(test, by, bot, stage, &[]).await;
}

/// The same but for some items.
pub async fn mark_but(test: &TestApp, by: &str, bot: &BotId, stage: Stage, but: &[&str]) {
    for item in shipped::template(stage).unwrap().items.into_iter().filter(|item| !but.contains(&item.name.as_str())) {
        let link = if item.proof == Proof::Evidence { "https://wiki.example/tests".to_owned() } else { String::new() };
        let said = Said { item: item.name.clone(), said: "looked at, and so it is".into(), link };
        match item.proof {
            Proof::Measured => {}
            Proof::Evidence => drop(test.app.put_evidence(&test.actor(by), bot, stage, &said).await.unwrap()),
            Proof::Attested => {
                let act = test.app.prepare_attest(&test.actor(by), bot, stage, &said).await.unwrap();
                assert!(matches!(test.sign(by, &act).await.unwrap(), Outcome::Done(_)));
            }
        }
    }
}

/// A bot that can be let up to stage limited.
pub async fn whole(test: &TestApp, name: &str) -> Ready {
    whole_of(test, name, ARB).await
}

/// The same of any team.
pub async fn whole_of(test: &TestApp, name: &str, crew: Crew) -> Ready {
    let ready = measured_of(test, name, crew).await;
    mark(test, crew.operator, &ready.bot.id, Stage::Limited).await;
    ready
}

/// Asks for the next stage.
pub async fn ask(test: &TestApp, by: &str, bot: &BotId) -> Result<RequestId, andon::app::AppError> {
    let stage = next_stage(now(test, bot).stage).unwrap();
    let asked = AskGolive { on_drift: OnDrift::Pause, why: "it is ready", provenance: None, expected: None };
    test.app.ask_golive(&test.actor(by), bot, stage, asked).await
}

/// Carries an approved step out.
pub async fn execute(test: &TestApp, by: &str, request: &RequestId) -> Result<Outcome, andon::app::AppError> {
    let act = test.app.prepare_golive(&test.actor(by), request).await?;
    test.sign(by, &act).await
}

/// Has a bot in a stage with everything that is in force approved, as if its list had been whole: for what has nothing to do with lists.
pub async fn approved_as_it_is(test: &TestApp, bot: &BotId, stage: Stage) {
    let mut bot = now(test, bot);
    if bot.seat.is_none() {
        let venue = test.app.create_venue_of(&test.actor("admin"), ("bybit", &format!("{} venue", bot.name)), "live").await.unwrap();
        let place = test.app.create_subaccount(&test.actor("admin"), venue.id.as_str(), &bot.name).await.unwrap();
        bot.seat = Some(Seat { subaccount: place.id, venue: venue.id });
    }
    let mut list = shipped::template(stage).unwrap();
    list.items.clear();
    let dossier = dossier(&list, &[], &test.app.in_force(&bot), OnDrift::Pause).unwrap();
    let run = ApprovedRun {
        request: RequestId::new(),
        digest: "as it is".into(),
        stage,
        dossier: andon::domain::Dossier { caps: None, ..dossier },
        limits: bot.limits.values.clone(),
        since: test.hand.clock().now(),
        until: None,
        emergency: None,
    };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
    let id = bot.id.clone();
    storage::bots::bot_edit(&mut tx, &BotFacts { stage, fact_epoch: epoch, ..bot }).await.unwrap();
    storage::bots::bot_set_run(&mut tx, &id, &run, epoch).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh().await.unwrap();
}
