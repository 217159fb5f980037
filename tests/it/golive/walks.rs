//! Whatever people, agents and time do, and in whichever order: nothing is in a stage that trades live without a whole list, approved by somebody else
//! over exactly what is in force when the step is carried out.

use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    golive::{CONFIG, DAY, ask, execute, mark, measured, measured_again, now},
};
use crate::requests::{approve, view};
use andon::domain::{RequestId, RequestState, Stage, StopKind};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRng, TestRunner},
};

/// What somebody does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Mark,
    Ask,
    Approve(&'static str),
    Execute(&'static str),
    Withdraw,
    Configure,
    Tighten,
    Spoil,
    Wait(i64),
    Down,
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![Just("operator"), Just("lead"), Just("risk")];
    prop_oneof![
        4 => Just(Step::Mark),
        6 => Just(Step::Ask),
        6 => who.clone().prop_map(Step::Approve),
        6 => Just(Step::Execute("operator")),
        2 => who.prop_map(Step::Execute),
        1 => Just(Step::Withdraw),
        1 => Just(Step::Configure),
        1 => Just(Step::Tighten),
        1 => Just(Step::Spoil),
        2 => prop_oneof![Just(1_000), Just(61 * 60 * 1_000), Just(2 * DAY)].prop_map(Step::Wait),
        1 => Just(Step::Down),
    ]
}

on_both!(no_walk_leads_to_a_stage_that_trades_live_but_by_the_list_and_the_approval, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = measured(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let seed = b"a walk that is the same each time";
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(Default::default(), &seed[..32]));
    let steps = prop::collection::vec(step(), 160).new_tree(&mut runner).unwrap().current();
    let (mut open, mut is_own_config, mut went_up, mut tightened) = (None::<RequestId>, true, 0, 5_000_u32);
    let mut refused = Vec::new();
    for step in steps {
        let before = now(&test, &bot);
        let target = andon::app::golive::next_stage(before.stage).unwrap_or(Stage::Live);
        let was_whole = test.app.checklist(&test.actor("auditor"), &bot, Stage::Limited).await.unwrap().is_whole();
        let was = match &open {
            Some(request) => Some(view(&test, request).await),
            None => None,
        };
        match step {
            // A list for live cannot be whole here: nobody has traded for a week. Nor does anybody answer again for what is answered for.
            Step::Mark if target == Stage::Limited && !was_whole => mark(&test, "operator", &bot, Stage::Limited).await,
            Step::Ask => match ask(&test, "operator", &bot).await {
                Ok(request) => open = Some(request),
                Err(error) => refused.push(error.to_string()),
            },
            Step::Approve(by) => {
                if let Some(request) = &open {
                    let _ = approve(&test, by, request).await;
                    let _ = test.app.tend_requests().await;
                }
            }
            Step::Execute(by) => {
                if let Some(request) = &open {
                    refused.extend(execute(&test, by, request).await.err().map(|error| format!("{by}: {error}")));
                }
            }
            Step::Withdraw => {
                if let Some(request) = open.take() {
                    let _ = test.app.withdraw_request(&test.actor("operator"), &request).await;
                }
            }
            Step::Configure => {
                is_own_config = !is_own_config;
                ready.agent.config = Some(if is_own_config { CONFIG.into() } else { "sha256:d1ffe4e4d1ffe4e4".into() });
            }
            Step::Tighten => {
                tightened -= 1;
                let tighter = [("max_position_notional".to_owned(), tightened.to_string())];
                test.app.tighten_limits(&test.actor("operator"), &bot, &tighter, "").await.unwrap();
            }
            Step::Spoil => test.execute("UPDATE checklist_mark SET until_at = 1 WHERE item = 'rollback_plan'").await,
            Step::Wait(ms) => {
                test.hand.forward_ms(ms);
                let _ = test.app.tend_requests().await;
                // What is measured at venues and answered by people goes on beside.
                crate::harness::golive::answered(&test).await;
                measured_again(&test, &ready.key).await;
            }
            Step::Down if before.stage > Stage::Sandbox => {
                test.app.set_stage(&test.actor("operator"), &bot, Stage::Sandbox).await.unwrap();
            }
            Step::Mark | Step::Down => {}
        }
        ready.agent.settle(&test.app).await;
        let after = now(&test, &bot);
        let is_new = after.run.as_ref().map(|run| &run.request) != before.run.as_ref().map(|run| &run.request);
        if after.stage > Stage::Sandbox && is_new {
            went_up += 1;
            let was = was.unwrap();
            assert!(matches!(step, Step::Execute("operator")), "{step:?} by whoever asked");
            assert_eq!((was.row.state, was_whole), (RequestState::Approved, true), "{step:?}");
            assert!(was.case.votes_now().any(|vote| vote.user != was.row.requester && vote.digest == was.case.request.digest));
            let run = after.run.as_ref().unwrap();
            assert_eq!((&run.request, &run.digest), (&was.row.id, &was.case.request.digest));
            assert_eq!(run.dossier.limits_version, after.limits.version);
            assert_eq!(run.dossier.runs.config == CONFIG, is_own_config);
            assert_eq!(after.stop.as_ref().map(|stop| stop.kind), Some(StopKind::Stage), "nothing begins to trade by it");
        }
        let is_approved = after.run.as_ref().is_some_and(|run| run.stage == after.stage);
        assert_eq!(after.stage > Stage::Sandbox, is_approved, "{step:?}");
    }
    assert!(went_up >= 2, "the walk is long enough to lead up more than once: {went_up}; {refused:#?}");
    test.log_is_good().await;
});
