//! Enrolment: who posts the code first is the agent, and nobody else ever is; two bearers of one credential are a stop.

use crate::harness::{
    agent::{RECIPIENT, enrol, ready},
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::{AppError, acts::Outcome, check_in::Unheard},
    domain::{ActKind, State, StopKind},
    protocol::{CheckIn, EnrolAgent, EnrolRequest},
};

fn request(code: &str) -> EnrolRequest {
    EnrolRequest {
        code: code.into(),
        agent: EnrolAgent { name: "thief".into(), version: "1.0.0".into(), platform: "linux".into() },
        recipient: RECIPIENT.into(),
    }
}

on_both!(a_code_works_once_for_a_quarter_of_an_hour_and_using_it_again_is_noticed, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let code = async || {
        let act = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
        let Outcome::Secret { secret, .. } = test.sign("operator", &act).await.unwrap() else { panic!("no code") };
        secret.expose().clone()
    };
    let late = code().await;
    test.hand.forward_ms(15 * 60 * 1_000 + 1);
    assert!(matches!(test.app.enrol(request(&late)).await, Err(AppError::NotFound(_))));
    assert!(matches!(test.app.enrol(request("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-F")).await, Err(AppError::NotFound(_))));
    let good = code().await;
    let enrolled = test.app.enrol(request(&good.to_lowercase())).await.unwrap();
    let row = test.app.agent(&test.actor("operator"), &enrolled.agent_id).await.unwrap();
    let confirm = ActKind::AgentConfirm { agent: row.id.clone(), bot: bot.id.clone(), fingerprint: row.fingerprint.clone() };
    let act = test.app.prepare_single(&test.actor("operator"), confirm).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    assert!(test.app.agent_by_token(&enrolled.token).unwrap().confirmed);
    assert!(matches!(test.app.enrol(request(&good)).await, Err(AppError::NotFound(_))));
    assert!(!test.app.agent_by_token(&enrolled.token).unwrap().confirmed, "a code presented again: back to pending");
    test.log_is_good().await;
});

on_both!(a_wrong_fingerprint_confirms_nobody, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let agent = enrol(&test, &bot, "operator").await;
    let kind = ActKind::AgentConfirm { agent: agent.id().clone(), bot: bot.id.clone(), fingerprint: "AAAA-BBBB".into() };
    let act = test.app.prepare_single(&test.actor("operator"), kind).await.unwrap();
    assert!(matches!(test.sign("operator", &act).await, Err(AppError::Conflict(_))));
    assert!(!agent.live(&test.app).confirmed);
    let theirs = ActKind::EnrolmentCode { bot: bot.id.clone() };
    assert!(matches!(test.app.prepare_single(&test.actor("grid operator"), theirs).await, Err(AppError::Denied(_))));
});

on_both!(enrolling_over_a_live_agent_stops_the_bot_and_ends_the_other, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut first = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    first.settle(&test.app).await;
    assert_eq!(first.state, State::Active);
    let mut second = enrol(&test, &bot, "operator").await;
    assert!(test.app.agent_by_token(&first.enrolled.token).is_none(), "its credential ended");
    second.settle(&test.app).await;
    assert_eq!(second.state, State::Halted);
    let refused = test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap_err();
    assert!(refused.to_string().contains("not confirmed"), "{refused}");
});

on_both!(an_older_boot_is_told_that_it_was_replaced_and_two_at_once_stop_the_bot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let older = agent.boot.clone();
    agent.reboot();
    agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    let said = CheckIn { boot: Some(older), ..agent.says() };
    assert!(matches!(test.app.check_in(&agent.live(&test.app), &said, "poll").await, Err(Unheard::Replaced)));
    let stop = test.app.fleet.view().bot(&bot.id).unwrap().stop.clone().unwrap();
    assert_eq!(stop.kind, StopKind::Stopped);
    assert!(stop.why.contains("two agents"), "{}", stop.why);
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    // Which boot is newest survives a restart of the server.
    let restarted = test.restarted().await;
    let live = restarted.agent_by_token(&agent.enrolled.token).unwrap();
    assert!(matches!(restarted.check_in(&live, &said, "poll").await, Err(Unheard::Replaced)));
    assert!(restarted.check_in(&live, &agent.says(), "poll").await.is_ok());
});

on_both!(a_revoked_agent_is_stopped_first_and_then_cut_off, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let kind = ActKind::AgentRevoke { agent: agent.id().clone(), bot: bot.id.clone(), why: "host lost".into() };
    let act = test.app.prepare_single(&test.actor("operator"), kind).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    let view = test.app.fleet.view();
    assert_eq!(view.directive(view.bot(&bot.id).unwrap()).state, State::Halted);
    assert!(test.app.agent_by_token(&agent.enrolled.token).is_none());
    test.log_is_good().await;
});

on_both!(contact_alone_renews_nothing_and_frees_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let heard = test.app.check_in(&agent.live(&test.app), &CheckIn::default(), "poll").await.unwrap();
    assert!(heard.renew.is_none());
    assert_eq!(heard.directive.state, State::Halted);
    // A check-in that has not heard the latest directive is not renewed either.
    let behind = CheckIn { epoch: Some(andon::domain::Epoch(1)), ..agent.says() };
    assert!(test.app.check_in(&agent.live(&test.app), &behind, "poll").await.unwrap().renew.is_none());
});
