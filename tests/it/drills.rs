//! Drills with a negative control: who may begin one, what passes, what fails, and how long it proves anything.

use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
    golive,
};
use andon::{
    app::{AppError, acts::Outcome, drill_runs::Standing},
    domain::{BotFacts, BotId, DrillId, Level, Scope, State},
};
use axum::http::StatusCode;

async fn trading(test: &TestApp, name: &str) -> (BotFacts, Agent) {
    let bot = test.bot(name, "arb").await;
    let mut agent = ready(test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    (bot, agent)
}

async fn begin(test: &TestApp, bots: &[&BotFacts], control: &BotFacts) -> DrillId {
    let bots: Vec<BotId> = bots.iter().map(|bot| bot.id.clone()).collect();
    test.app.begin_drill(&test.actor("operator"), &bots, &control.id).await.unwrap()
}

/// Whether it passed, and what was wrong.
async fn result(test: &TestApp, id: &DrillId) -> (Option<bool>, String) {
    test.app.tend_drills().await.unwrap();
    let (run, _) = test.app.drill_run(&test.actor("auditor"), id).await.unwrap();
    (run.passed, run.reasons)
}

on_both!(a_drill_passes_when_the_chosen_stop_and_the_control_goes_on, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (a, mut agent_a) = trading(&test, "arb-1").await;
    let (b, mut agent_b) = trading(&test, "arb-2").await;
    let (control, mut agent_c) = trading(&test, "arb-3").await;
    assert_eq!(test.app.drill_standing(&test.actor("auditor"), &a.id).await.unwrap(), Standing::None);
    let id = begin(&test, &[&a, &b], &control).await;
    assert_eq!(result(&test, &id).await, (None, String::new()));
    test.hand.forward_ms(400);
    agent_a.settle(&test.app).await;
    assert_eq!((agent_a.state, result(&test, &id).await.0), (State::Halted, None), "a real pause, and one is missing");
    test.hand.forward_ms(500);
    agent_b.settle(&test.app).await;
    assert_eq!(result(&test, &id).await.0, None, "the control was not heard after it");
    test.hand.forward_ms(1_000);
    agent_c.check_in(&test.app).await.unwrap();
    assert_eq!(result(&test, &id).await, (Some(true), String::new()));
    let (run, bots) = test.app.drill_run(&test.actor("auditor"), &id).await.unwrap();
    let mut idle: Vec<_> = bots.iter().map(|bot| bot.idle_ms.unwrap()).collect();
    idle.sort_unstable();
    assert_eq!((idle, agent_c.state), (vec![400, 900], State::Active));
    let ended = run.ended_at.unwrap();
    assert_eq!(run.expires_at.unwrap().ms_since(ended), 90 * 24 * 3_600_000);
    let standing = test.app.drill_standing(&test.actor("auditor"), &a.id).await.unwrap();
    assert!(matches!(standing, Standing::Good(..)), "{standing:?}");
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    for (path, part) in [("/drills".to_owned(), "expires"), (format!("/drills/{id}"), "900 ms"), (format!("/bots/{}", a.id), "Passed")] {
        auditor.get(&path).await;
        assert!(auditor.page.contains(part), "{part} is missing from {path}: {}", auditor.page);
    }
    test.hand.forward_ms(90 * 24 * 3_600_000 + 1);
    let mut later = Browser::signed_in(&test, "auditor").await;
    for path in ["/drills".to_owned(), format!("/bots/{}", a.id)] {
        later.get(&path).await;
        assert!(later.page.contains("Expired") && later.page.contains("expired"), "{path}: {}", later.page);
    }
    later.get(&format!("/bots/{}", control.id)).await;
    assert!(later.page.contains("Missing"), "the control was not drilled: {}", later.page);
    test.log_is_good().await;
});

on_both!(a_control_that_stops_fails_the_drill, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (a, mut agent_a) = trading(&test, "arb-1").await;
    let (control, mut agent_c) = trading(&test, "arb-2").await;
    let id = begin(&test, &[&a], &control).await;
    test.press("risk", Scope::Fleet, Level::Pause).await;
    test.hand.forward_ms(300);
    agent_a.settle(&test.app).await;
    agent_c.settle(&test.app).await;
    let (passed, reasons) = result(&test, &id).await;
    assert!(passed == Some(false) && reasons.contains("arb-2, which had to go on, stopped: a hold came to cover it"), "{reasons}");
    let standing = test.app.drill_standing(&test.actor("auditor"), &a.id).await.unwrap();
    assert!(matches!(standing, Standing::Failed(_)), "{standing:?}");
});

on_both!(a_bot_that_does_not_answer_fails_the_drill_when_its_time_is_over, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (a, mut agent_a) = trading(&test, "arb-1").await;
    let (silent, _) = trading(&test, "arb-2").await;
    let (control, mut agent_c) = trading(&test, "arb-3").await;
    let id = begin(&test, &[&a, &silent], &control).await;
    agent_a.settle(&test.app).await;
    // A process that starts anew goes on with it.
    let again = test.restarted().await;
    again.tend_drills().await.unwrap();
    for _ in 0..10 {
        test.hand.forward_ms(5_000);
        agent_c.check_in(&again).await.unwrap();
    }
    again.tend_drills().await.unwrap();
    let (run, bots) = again.drill_run(&test.actor("auditor"), &id).await.unwrap();
    assert!(run.passed == Some(false) && run.reasons == "arb-2 has not confirmed the pause.", "{run:?}");
    assert!(bots.iter().any(|bot| bot.bot_id == a.id && bot.idle_ms == Some(0)), "what was measured before is kept: {bots:?}");
    assert!(run.expires_at.is_none());
});

on_both!(who_may_drill_what, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (a, _) = trading(&test, "arb-1").await;
    let (control, _) = trading(&test, "arb-2").await;
    let stopped = test.bot("arb-3", "arb").await;
    let try_as = async |who: &str, bots: &[&BotFacts], control: &BotFacts| {
        let bots: Vec<BotId> = bots.iter().map(|bot| bot.id.clone()).collect();
        test.app.begin_drill(&test.actor(who), &bots, &control.id).await
    };
    for stranger in ["auditor", "grid operator", "grid lead", "admin"] {
        assert!(matches!(try_as(stranger, &[&a], &control).await, Err(AppError::Denied(_))), "{stranger}");
    }
    assert!(matches!(try_as("operator", &[], &control).await, Err(AppError::Invalid(_))));
    assert!(matches!(try_as("operator", &[&a, &control], &control).await, Err(AppError::Invalid(_))));
    for (bots, control) in [(&stopped, &control), (&a, &stopped)] {
        let Err(AppError::Conflict(reasons)) = try_as("operator", &[bots], control).await else { panic!("it was begun") };
        assert!(reasons[0].contains("arb-3 is stopped"), "{reasons:?}");
    }
    assert!(test.app.fleet.view().open_holds().next().is_none(), "nothing was paused by any of that");
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/drills").await;
    assert!(browser.page.contains("arb-1") && !browser.page.contains("arb-3"), "{}", browser.page);
    browser.post("/drills", &[("bot", a.id.as_str())]).await;
    assert!(
        browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("Choose one bot that must go on"),
        "{}",
        browser.page
    );
    browser.post("/drills", &[("bot", a.id.as_str()), ("control", control.id.as_str())]).await;
    assert!(browser.leads_to().starts_with("/drills/"), "{}", browser.page);
    assert_eq!(test.app.fleet.view().open_holds().count(), 1);
});

on_both!(above_sandbox_a_second_person_signs, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (control, mut agent_c) = trading(&test, "arb-1").await;
    let golive::Ready { bot: live, mut agent, .. } = golive::whole(&test, "arb-live").await;
    let request = golive::ask(&test, "operator", &live.id).await.unwrap();
    crate::requests::approve(&test, "lead", &request).await.unwrap();
    golive::execute(&test, "operator", &request).await.unwrap();
    agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&live.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    let alone = test.app.begin_drill(&test.actor("operator"), std::slice::from_ref(&live.id), &control.id).await;
    assert!(matches!(alone, Err(AppError::Conflict(_))), "{alone:?}");
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/drills").await;
    browser.post("/drills", &[("bot", live.id.as_str()), ("control", control.id.as_str())]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    assert!(
        browser.page.contains("Pause bot arb-live for a drill") && browser.page.contains("another person: a lead, or risk"),
        "{}",
        browser.page
    );
    let (waiting, _) = test.app.acts(&test.actor("operator")).await.unwrap();
    let act = waiting.into_iter().find(|act| act.stored.kind == "drill").unwrap();
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Waits));
    assert!(test.app.fleet.view().open_holds().next().is_none(), "one signature pauses nothing");
    assert!(test.sign("grid operator", &act).await.is_err());
    let Outcome::Done(path) = test.sign("risk", &act).await.unwrap() else { panic!("it waits") };
    let id = DrillId::parse(path.rsplit('/').next().unwrap()).unwrap();
    crate::faults::until("the pause", async || test.app.drill_run(&test.actor("risk"), &id).await.is_ok_and(|(_, bots)| bots.len() == 1))
        .await;
    test.hand.forward_ms(200);
    agent.settle(&test.app).await;
    test.hand.forward_ms(200);
    agent_c.check_in(&test.app).await.unwrap();
    assert_eq!(result(&test, &id).await, (Some(true), String::new()));
    test.log_is_good().await;
});
