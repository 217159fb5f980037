//! The register of changes: who was led up properly is nothing to explain; what was written past the program is found; and the whole of it as a file.

use super::trading;
use crate::{
    harness::{
        app::TestApp,
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
    },
    requests::{api::program, order},
};
use andon::{
    app::changes::{Report, span},
    audit::{self, Canonical, Event, Record, SignedAct},
    domain::{
        BotId, RequestId, RequestState, Stage, Timestamp,
        change_register::FindingKind::{self, ActivationBeforeApproval as Early, ChangeWithoutRequest as Unasked},
    },
    storage::{Lane, audit::audit_append},
};
use axum::http::StatusCode;
use serde_json::Value;

async fn report(test: &TestApp) -> Report {
    let span = span("", "", test.hand.clock().now()).unwrap();
    test.app.change_report(&test.actor("auditor"), span, None, 1_000).await.unwrap()
}

/// What is to be explained: its kind, whether an entry shows it, and words.
async fn found(test: &TestApp) -> Vec<(FindingKind, bool, String)> {
    report(test).await.findings.into_iter().map(|one| (one.kind, one.number.is_some(), one.words)).collect()
}

/// Writes an entry past the program.
async fn by_hand(test: &TestApp, event: Event) {
    let actor = audit::Actor::user(&test.people["lead"].id);
    let record = Record { actor, ts: test.hand.clock().now(), happened_at: None, node: "by hand".into(), event };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    audit_append(&mut tx, &Canonical::new(&record).unwrap()).await.unwrap();
    tx.commit().await.unwrap();
}

fn signed() -> SignedAct {
    SignedAct { act: String::new(), assertions: Vec::new() }
}

fn started(bot: &BotId) -> Event {
    Event::BotsStarted { bots: vec![bot.clone()], root: String::new(), signed: signed() }
}

on_both!(a_bot_that_was_led_up_is_nothing_to_explain, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = trading(&test, "arb-1").await.bot.id;
    let denied = test.app.ask_limits(&test.actor("operator"), &bot, &order("3000"), "deeper").await.unwrap();
    test.app.deny_request(&test.actor("risk"), &denied, "not before the audit").await.unwrap();
    let withdrawn = test.app.ask_limits(&test.actor("operator"), &bot, &order("3000"), "deeper").await.unwrap();
    test.app.withdraw_request(&test.actor("operator"), &withdrawn).await.unwrap();
    let report = report(&test).await;
    assert_eq!(report.findings, []);
    let of = |kind: &str| report.rows.iter().filter(|row| row.kind == kind).collect::<Vec<_>>();

    let [up] = of("bot.went_up")[..] else { panic!("one step up") };
    let request = up.request.as_ref().unwrap();
    assert_eq!((request.state, request.requester.0.clone()), (RequestState::Executed, test.people["operator"].id.clone()));
    let [approval] = &request.approvals[..] else { panic!("one approval") };
    assert_eq!((&approval.by, approval.counts), (&test.people["lead"].id, true));
    assert!(approval.roles.contains("lead"), "{}", approval.roles);
    let run = test.app.fleet.view().bot(&bot).unwrap().run.clone().unwrap();
    assert_eq!((request.tests.len(), &request.digest), (run.dossier.items.len(), &run.digest));
    assert!(request.tests.iter().any(|one| one.by.is_some() && one.until.is_some()));
    assert!(request.tests.iter().all(|one| one.by.is_some() == one.at.is_some()), "when somebody tested is known: {:?}", request.tests);
    assert_eq!((request.closed_at, up.at), (Some(run.since), run.since));
    assert!(up.activation.is_some_and(|(entry, at)| Some(entry) > up.number && at >= run.since), "{:?}", up.activation);

    let [seat] = of("bot.seated")[..] else { panic!("one subaccount") };
    assert!(seat.request.as_ref().is_some_and(|request| request.state == RequestState::Executed && request.title.contains("arb-1")));
    let [limits] = of("limits.set")[..] else { panic!("one level") };
    assert!(limits.request.is_none() && limits.note.contains("take no request"));
    let ends: Vec<_> = of("request.asked").iter().map(|row| row.request.as_ref().unwrap().state).collect();
    assert_eq!(ends, [RequestState::Denied, RequestState::Withdrawn], "what was carried out stands with what it changed");
    assert_eq!(report.total(), report.rows.len() as u64);
    test.log_is_good().await;
});

on_both!(a_stage_that_was_written_into_the_database_is_found, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let one = test.bot("arb-1", "arb").await;
    assert_eq!(found(&test).await, []);
    test.execute(&format!("UPDATE bot SET stage = 'live' WHERE id = '{}'", one.id)).await;
    let all = found(&test).await;
    let [(Early, false, words)] = &all[..] else { panic!("{all:?}") };
    assert!(words.contains("by the database, and no entry of the log led it there"), "{words}");
    // The page names the bot, and the file has a line of its own.
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/audit/changes").await;
    assert!(
        auditor.page.contains("Active before it was approved: 1") && auditor.page.contains(">arb-1</a> is in stage live"),
        "{}",
        auditor.page
    );
    auditor.get("/audit/changes.csv").await;
    assert!(auditor.page.lines().last().unwrap().contains("activation_before_approval: is in stage live"), "{}", auditor.page);
});

on_both!(entries_without_a_request_are_found_each_with_its_number, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (one, other, third) = (test.bot("arb-1", "arb").await.id, test.bot("arb-2", "arb").await.id, test.bot("arb-3", "arb").await.id);
    by_hand(&test, Event::StageChanged { bot: one.clone(), from: Stage::Sandbox, to: Stage::Live }).await;
    by_hand(&test, started(&one)).await;
    let request = RequestId::new();
    let (from, to) = (Stage::Sandbox, Stage::Limited);
    by_hand(&test, Event::WentUp { bot: other, from, to, request, digest: "x".into(), signed: signed() }).await;
    let values = |most: &str| serde_json::json!({"max_order_notional": most}).to_string();
    for most in ["1000", "2000"] {
        let level = format!("bot:{third}");
        let (why, bot) = (String::new(), Some(third.clone()));
        let set = Event::LimitsSet {
            level,
            version: 1,
            values: values(most),
            why,
            review_by_us: None,
            request: None,
            bot,
            team: None,
            holds: None,
        };
        by_hand(&test, set).await;
    }
    let all = found(&test).await;
    let kinds: Vec<_> = all.iter().map(|(kind, has_entry, _)| (*kind, *has_entry)).collect();
    let wanted = [(Early, true), (Unasked, true), (Early, true), (Early, true), (Unasked, true), (Unasked, true)];
    assert_eq!(kinds, wanted, "{all:?}");
    for (at, said) in
        [(0, "by hand"), (2, "was started in stage live"), (3, "there is none"), (5, "limits loosened, and it names no request")]
    {
        assert!(all[at].2.contains(said), "{said}: {all:?}");
    }
    // A period that ended before tells nothing of it.
    let early = span("2001-01-01", "2001-12-31", test.hand.clock().now()).unwrap();
    let before = test.app.change_report(&test.actor("auditor"), early, None, 10).await.unwrap();
    assert!(before.findings.is_empty() && before.rows.is_empty());
});

#[tokio::test]
async fn the_file_has_every_line_and_no_formula_and_is_for_those_who_see_the_log() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = trading(&test, "arb-1").await.bot.id;
    test.app.ask_limits(&test.actor("operator"), &bot, &order("3000"), "=HYPERLINK(\"https://evil.example\")").await.unwrap();
    let report = report(&test).await;
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/audit/changes.csv").await;
    assert_eq!(auditor.headers["content-type"], "text/csv; charset=utf-8");
    assert!(auditor.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let mut reader = csv::Reader::from_reader(auditor.page.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), andon::app::changes::csv::COLUMNS);
    let records: Vec<_> = reader.records().map(|record| record.unwrap()).collect();
    assert_eq!(records.len(), report.rows.len());
    let cells = || records.iter().flat_map(|record| record.iter());
    assert!(cells().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "a formula: {}", auditor.page);
    assert!(cells().any(|cell| cell == "'=HYPERLINK(\"https://evil.example\")"));
    for (path, says) in [("/audit/changes", "Steps up"), ("/audit", "/audit/changes")] {
        auditor.get(path).await;
        assert!(auditor.page.contains(says), "{path}: {}", auditor.page);
    }
    auditor.get("/audit/changes?from=yesterday").await;
    assert_eq!(auditor.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut operator = Browser::signed_in(&test, "operator").await;
    for path in ["/audit/changes", "/audit/changes.csv", "/audit/changes?from=yesterday"] {
        operator.get(path).await;
        assert_eq!(operator.status, StatusCode::FORBIDDEN, "{path}");
    }
}

on_both!(a_bot_that_ran_something_else_is_found_by_its_hold, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    assert_eq!(found(&test).await, []);
    test.press("operator", andon::domain::Scope::Bot(test.bot("arb-2", "arb").await.id), andon::domain::Level::Pause).await;
    ready.agent.config = Some("sha256:another".into());
    ready.agent.check_in(&test.app).await.unwrap();
    let all = found(&test).await;
    let [(Unasked, true, words)] = &all[..] else { panic!("a person's hold is no finding: {all:?}") };
    assert!(words.contains("held by the trigger drift") && words.contains("sha256:another"), "{words}");
    let held = report(&test).await.rows.into_iter().find(|row| row.kind == "hold.placed").unwrap();
    assert_eq!((held.by.as_str(), held.bot.map(|(_, name)| name).as_deref()), ("the server", Some("arb-1")));
});

on_both!(settings_that_take_no_request_are_changes_too, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    program(&test, "admin", "read", None).await;
    test.app.note_venue_change(&test.actor("lead"), &ready.bot.seat.as_ref().unwrap().venue, "tick sizes").await.unwrap();
    let report = report(&test).await;
    let of = |kind: &str| report.rows.iter().find(|row| row.kind == kind).unwrap_or_else(|| panic!("no line of {kind}"));
    for (kind, says, note) in [
        ("bot.operators_listed", "may be started by operator", "takes no request"),
        ("register.edited", "bot arb-1: deputy was nothing, is \u{201c}lead\u{201d}", "takes no request"),
        ("user.invited", "operator was invited", "signed by one person"),
        ("token.created", "was made, for read", "signed by one person"),
        ("venue.changed", "exchange arb-1 venue: tick sizes", "tests of builds there are due again"),
    ] {
        let row = of(kind);
        assert!(row.what.contains(says) && row.note.contains(note), "{row:?}");
        assert_ne!(andon::app::changes::change_words(kind), "Others", "{kind}");
    }
    assert_eq!(report.findings, []);
});

on_both!(programs_read_it_in_pieces, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    trading(&test, "arb-1").await;
    let read = program(&test, "admin", "read", None).await;
    let whole = report(&test).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let piece = read.get(&format!("/api/v1/audit/changes?limit=2{after}")).await;
        assert_eq!((piece.status, &piece.json["count"]), (200, &Value::from(whole.total())), "{piece:?}");
        assert_eq!((&piece.json["changes_without_request"], &piece.json["findings"]), (&Value::from(0), &serde_json::json!([])));
        seen.extend(piece.json["items"].as_array().unwrap().iter().map(|one| one["entry"].as_i64()));
        match piece.json["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, whole.rows.iter().map(|row| row.number).collect::<Vec<_>>());
    assert_eq!(read.get("/api/v1/audit/changes?after=x").await.status, 400);
    assert_eq!(read.get("/api/v1/audit/changes?until=soon").await.status, 422);
    assert_eq!(
        program(&test, "lead", "read", Some("arb")).await.get("/api/v1/audit/changes").await.status,
        403,
        "it is of the installation"
    );
    let none = span("", "2001-01-01", Timestamp(0)).unwrap();
    assert!(test.app.change_report(&test.actor("operator"), none, None, 1).await.is_err());
});
