//! The first run: what its list says is what is true, a drill is measured by what the agent acknowledged and by nothing else, and whoever
//! does not want to see the list puts it away.

use crate::harness::{
    agent::{Agent, enrol, ready},
    app::{TestApp, join_with},
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use crate::log::copy::Raw;
use andon::{
    app::{bots::NewBot, holds::Press},
    domain::{ActKind, BotFacts, Epoch, Grant, HoldId, Level, Role, Scope, Stage, State, Step},
    storage,
};
use std::{sync::Arc, time::Duration};

/// Presses a pause of one bot for this reason; its agent obeys.
async fn pause(test: &TestApp, bot: &BotFacts, agent: &mut Agent, why: &str) -> HoldId {
    let press = Press {
        scope: Scope::Bot(bot.id.clone()),
        level: Level::Pause,
        why: why.into(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    let hold = test.app.place(test.actor("operator"), press).await.unwrap().hold.id;
    test.hand.forward_ms(412);
    agent.settle(&test.app).await;
    hold
}

/// A bot that trades, and its agent.
async fn trading(test: &TestApp) -> (BotFacts, Agent) {
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(test, &bot, "operator").await;
    start(test, &bot, &mut agent).await;
    (bot, agent)
}

/// Starts a bot, which then trades and says so.
async fn start(test: &TestApp, bot: &BotFacts, agent: &mut Agent) {
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    assert_eq!(agent.state, State::Active);
}

/// Waits until what agents said is on disk; a measurement goes with it.
async fn until_written(test: &TestApp, mut is_so: impl AsyncFnMut(&andon::app::App) -> bool) {
    let app: &Arc<andon::app::App> = &test.app;
    let written = async {
        while !is_so(app).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.expect("it is not written");
}

on_both!(a_drill_is_measured_once_by_the_acks_of_a_bot_that_traded, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test).await;
    let hold = pause(&test, &bot, &mut agent, "Drill").await;
    until_written(&test, async |app| app.last_drill(&bot.id).is_some()).await;
    let drill = test.app.last_drill(&bot.id).unwrap();
    assert_eq!((&drill.hold, drill.received_ms), (&hold, 412), "{drill:?}");
    assert!(drill.applied_ms >= 412 && drill.idle_ms >= drill.applied_ms, "{drill:?}");
    let again = test.restarted().await;
    again.load_drills().await.unwrap();
    assert_eq!(again.last_drill(&bot.id), Some(drill.clone()), "it is kept");

    // A second drill of a bot that stands already measures nothing, and neither does a pause for another reason.
    test.release(&hold, &["operator"]).await.unwrap();
    let again = pause(&test, &bot, &mut agent, "drill").await;
    test.release(&again, &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    start(&test, &bot, &mut agent).await;
    let real = pause(&test, &bot, &mut agent, "venue outage").await;
    let acked = async |app: &andon::app::App| {
        let receipt = app.receipt(&test.actor("operator"), &real).await.unwrap();
        receipt.is_complete()
    };
    until_written(&test, acked).await;
    test.release(&real, &["operator"]).await.unwrap();
    assert_eq!(test.app.last_drill(&bot.id), Some(drill), "the one that was measured stands");
});

on_both!(a_drill_of_a_bot_that_did_not_trade_is_said_to_have_measured_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    let press = Press {
        scope: Scope::Bot(bot.id.clone()),
        level: Level::Pause,
        why: "drill".into(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    test.app.place(test.actor("operator"), press).await.unwrap();
    lead.get("/first-run").await;
    assert!(lead.page.contains("The drill stands"), "{}", lead.page);
    agent.settle(&test.app).await;
    // By what is written, not by how much time has gone by: this clock stands still.
    until_written(&test, async |_| {
        lead.get("/first-run").await;
        lead.page.contains("This pause measured nothing")
    })
    .await;
    assert!(test.app.last_drill(&bot.id).is_none());
});

#[tokio::test]
async fn an_installation_that_is_set_up_asks_for_no_link_and_waits_for_no_writer() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let _writer = test.app.db.write(storage::Lane::Normal).await.unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(5), test.app.setup_link()).await;
    assert!(asked.expect("it waits for the writer").unwrap().is_none());
}

on_both!(a_measurement_that_cannot_be_written_costs_no_acknowledgement, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test).await;
    Raw::open(&test.fresh.place).await.run("DROP TABLE drill", &[]).await;
    pause(&test, &bot, &mut agent, "Drill").await;
    let is_kept = async |app: &andon::app::App| {
        let acks = storage::acks::ack_since(&mut app.db.read().await.unwrap(), Epoch(0)).await.unwrap();
        acks.iter().any(|ack| ack.bot_id == bot.id && ack.step == Step::Idle && ack.state == Some(State::Halted))
    };
    until_written(&test, is_kept).await;
});

#[tokio::test]
async fn the_list_says_what_is_true_and_leads_on() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    let shows = async |browser: &mut Browser, done: &str, words: &str| {
        browser.get("/first-run").await;
        assert!(browser.page.contains(&format!("{done} of 6 done")), "{done}: {}", browser.page);
        assert!(browser.page.contains(words), "{words}: {}", browser.page);
    };
    shows(&mut lead, "2", "Make 1 bot").await;
    let (team, me) = (test.team("arb").to_string(), test.people["lead"].id.to_string());
    lead.post("/bots", &[("name", "arb-1"), ("team", &team), ("strategy", "grid"), ("owner", &me), ("exits", "managed")]).await;
    let path = lead.leads_to().to_owned();
    shows(&mut lead, "2", "Move 1 bot up to sandbox").await;
    lead.post(&format!("{path}/stage"), &[("stage", "sandbox")]).await;
    shows(&mut lead, "3", "Go on to sign for 1 code").await;
    assert!(lead.page.contains("/first-run?auto=yes") && lead.headers.get("refresh").is_none());
    lead.get("/first-run?auto=yes").await;
    assert_eq!(lead.headers["refresh"], "3", "whoever asked for it gets a page that loads itself anew while it waits");

    let bot = test.app.fleet.view().bots().next().unwrap().clone();
    let mut agent = enrol(&test, &bot, "lead").await;
    shows(&mut lead, "3", "compare its letters").await;
    agent.confirm(&test, "lead").await;
    shows(&mut lead, "3", "was not heard yet").await;
    agent.settle(&test.app).await;
    shows(&mut lead, "4", "Go on to sign the start of 1 bot").await;
    test.start(std::slice::from_ref(&bot.id), &["lead"]).await.unwrap();
    shows(&mut lead, "5", "Its agent has not said yet that it trades").await;
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    shows(&mut lead, "5", "as a drill").await;
    lead.post("/holds", &[("scope", &format!("bot:{}", bot.id)), ("level", "pause"), ("why", "drill"), ("key", "1")]).await;
    let hold: HoldId = HoldId::parse(lead.leads_to().rsplit('/').next().unwrap()).unwrap();
    shows(&mut lead, "5", "The drill stands").await;
    test.hand.forward_ms(412);
    agent.settle(&test.app).await;
    until_written(&test, async |app| app.last_drill(&bot.id).is_some()).await;
    shows(&mut lead, "5", "Measured: idle after").await;
    lead.get(&path).await;
    assert!(lead.page.contains("Last drill") && lead.page.contains("received 412 ms"), "{}", lead.page);
    test.release(&hold, &["lead"]).await.unwrap();
    agent.settle(&test.app).await;
    shows(&mut lead, "5", "Go on to sign the start of 1 bot").await;
    test.start(std::slice::from_ref(&bot.id), &["lead"]).await.unwrap();
    shows(&mut lead, "6", "All of it is done").await;
    lead.get("/fleet").await;
    assert!(!lead.page.contains("/first-run"), "what is finished is in nobody's way");

    // A drill that comes later does not make it a first run again.
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    let again = pause(&test, &bot, &mut agent, "drill").await;
    until_written(&test, async |app| app.last_drill(&bot.id).is_some_and(|drill| drill.hold == again)).await;
    lead.get("/fleet").await;
    assert!(!lead.page.contains("/first-run"), "{}", lead.page);
}

#[tokio::test]
async fn whoever_puts_the_list_away_finds_it_under_system_and_brings_it_back() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let (mut admin, mut lead) = (Browser::signed_in(&test, "admin").await, Browser::signed_in(&test, "lead").await);
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    admin.get("/fleet").await;
    assert!(admin.page.contains("First run") && admin.page.contains("2/6 done"));
    admin.get("/pause").await;
    assert!(!admin.page.contains("/first-run"), "nothing but a pause on the pause page");
    auditor.get("/fleet").await;
    assert!(!auditor.page.contains("/first-run"), "who cannot bring it on is not asked to");
    admin.get("/first-run").await;
    admin.post("/first-run", &[("shown", "no")]).await;
    assert_eq!(admin.leads_to(), "/fleet");
    admin.get("/fleet").await;
    assert!(!admin.page.contains("/first-run"));
    lead.get("/fleet").await;
    assert!(lead.page.contains("/first-run"), "it is away for one person only");
    let restarted = test.restarted().await;
    assert!(restarted.has_put_first_run_away(&test.people["admin"].id), "also after a restart");
    admin.get("/system").await;
    assert!(admin.page.contains("First run: 2/6 done"), "{}", admin.page);
    admin.get("/first-run").await;
    admin.post("/first-run", &[("shown", "yes")]).await;
    admin.get("/fleet").await;
    assert!(admin.page.contains("/first-run"));
}

/// Everybody who may look at the list, each in a browser of their own.
async fn everybody(test: &TestApp) -> Vec<(&'static str, Browser)> {
    let mut all = Vec::new();
    for who in ["operator", "lead", "grid lead", "risk", "admin", "auditor"] {
        all.push((who, Browser::signed_in(test, who).await));
    }
    all
}

/// The list gives this form to these people, and to everybody else none but the one that puts it away, but the word who may.
async fn gives(all: &mut [(&'static str, Browser)], form: &str, to: &[&str]) {
    for (who, browser) in all {
        browser.get("/first-run").await;
        let actions = browser.page.split("<form").skip(1).filter_map(|rest| rest.split("action=\"").nth(1)?.split('"').next());
        let forms: Vec<&str> = actions.filter(|action| !["/sign-out", "/first-run"].contains(action)).collect();
        let expected: &[&str] = if to.contains(who) { &[form] } else { &[] };
        assert_eq!(forms, expected, "{form}: {who}");
        assert!(
            expected.len() == 1 || ["may.</p>", "An admin gives the role"].iter().any(|words| browser.page.contains(words)),
            "{who} is not told who may: {}",
            browser.page
        );
    }
}

#[tokio::test]
async fn nobody_is_given_a_form_that_would_be_refused() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut all = everybody(&test).await;
    let traders = &["operator", "lead"];
    gives(&mut all, "/bots", &["operator", "lead", "grid lead"]).await;
    let asked = NewBot { name: "arb-1".into(), team: test.team("arb").to_string(), strategy: "grid".into(), ..NewBot::default() };
    let bot = test.app.create_bot(&test.actor("operator"), &asked).await.unwrap();
    gives(&mut all, &format!("/bots/{}/stage", bot.id), traders).await;
    test.app.set_stage(&test.actor("operator"), &bot.id, Stage::Sandbox).await.unwrap();
    gives(&mut all, &format!("/bots/{}/enrol", bot.id), traders).await;
    let mut agent = enrol(&test, &bot, "operator").await;
    gives(&mut all, &format!("/bots/{}/confirm", bot.id), traders).await;
    agent.confirm(&test, "operator").await;
    agent.settle(&test.app).await;
    gives(&mut all, "/starts", traders).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    gives(&mut all, "/holds", &["operator", "lead", "grid lead", "risk", "admin"]).await;
    let hold = pause(&test, &bot, &mut agent, "drill").await;
    until_written(&test, async |app| app.last_drill(&bot.id).is_some()).await;
    gives(&mut all, &format!("/holds/{hold}/release"), traders).await;
}

#[tokio::test]
async fn the_open_task_is_the_first_that_is_not_done() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "lead").await;
    let opens = async |lead: &mut Browser, task: &str, words: &str| {
        lead.get("/first-run").await;
        let open: Vec<&str> =
            lead.page.split("id=\"task-").skip(1).filter(|rest| rest[1..].starts_with("\" open>")).map(|rest| &rest[..1]).collect();
        assert_eq!(open, [task], "{}", lead.page);
        let (_, inside) = lead.page.split_once(&format!("id=\"task-{task}\"")).unwrap();
        assert!(inside.split("</details>").next().unwrap().contains(words), "{words}: {inside}");
    };
    opens(&mut lead, "5", "Go on to sign the start of 1 bot").await;
    test.start(std::slice::from_ref(&bot.id), &["lead"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    // It was started once; that it was stopped since is in the way of the drill.
    let real = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold.id;
    agent.settle(&test.app).await;
    test.release(&real, &["lead"]).await.unwrap();
    agent.settle(&test.app).await;
    opens(&mut lead, "6", "Go on to sign the start of 1 bot").await;
    test.start(std::slice::from_ref(&bot.id), &["lead"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    pause(&test, &bot, &mut agent, "drill").await;
    until_written(&test, async |app| app.last_drill(&bot.id).is_some()).await;
    opens(&mut lead, "6", "Prepare the release of 1 hold").await;
    // Without an agent there is nothing to start again.
    let revoke = ActKind::AgentRevoke { agent: agent.id().clone(), bot: bot.id.clone(), why: "the host is gone".into() };
    let act = test.app.prepare_single(&test.actor("lead"), revoke).await.unwrap();
    test.sign("lead", &act).await.unwrap();
    opens(&mut lead, "4", "Go on to sign for 1 code").await;
}

#[tokio::test]
async fn whoever_has_one_key_is_asked_for_the_second_whatever_others_have() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let grants = vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }];
    let link = test.link("new", grants).await;
    let new = join_with(&test.app, &link, "N. Ewe", &["only"]).await;
    let mut browser = Browser::new(&test);
    browser.sign_in("new", &new.key).await;
    browser.get("/fleet").await;
    assert!(browser.page.contains("1/6 done · next: make a second security key"), "{}", browser.page);
    browser.get("/first-run").await;
    assert!(browser.page.contains("You have fewer than two keys") && browser.page.contains("id=\"task-1\" open>"), "{}", browser.page);
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/first-run").await;
    assert!(lead.page.contains("You have two keys"), "{}", lead.page);
}

#[tokio::test]
async fn a_switch_of_the_list_that_says_neither_yes_nor_no_is_refused_in_words() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    for (now, away) in [("no", true), ("yes", false)] {
        admin.get("/first-run").await;
        admin.post("/first-run", &[("shown", now)]).await;
        let wrong: [&[(&str, &str)]; 3] = [&[("shown", "maybe")], &[("shown", "")], &[]];
        for fields in wrong {
            admin.get("/first-run").await;
            admin.post("/first-run", fields).await;
            assert_eq!(admin.status, 422, "{fields:?}");
            assert!(admin.page.contains("shown is yes or no. Nothing was changed."), "{}", admin.page);
            assert_eq!(test.app.has_put_first_run_away(&test.people["admin"].id), away, "{fields:?}");
        }
    }
}
