//! What people see of going live: where a bot stands and what comes next, what is missing, what was approved beside what runs, and who carries it out.

use super::trading;
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
    golive::{ask, execute, mark_but, measured, now},
};
use andon::domain::Stage;

fn has(browser: &Browser, words: &[&str]) {
    for words in words {
        assert!(browser.page.contains(words), "{words:?}: {}", browser.page);
    }
}

on_both!(the_page_says_what_is_open_and_what_comes_next, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = measured(&test, "arb-1").await;
    let page = format!("/bots/{}/golive", ready.bot.id);
    mark_but(&test, "operator", &ready.bot.id, Stage::Limited, &["rollback_plan"]).await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&page).await;
    let open = "A rollback plan is written down for this build: nobody has answered for it";
    has(&operator, &["25 of 26 done, 1 open", "Ends next", open, "href=\"#item-rollback_plan\"", "disabled", "1 in the way"]);
    has(&operator, &["1 approval: a lead of the team or risk", "answers for it, signed", "aria-current=\"step\"><b>sandbox</b>"]);
    assert!(!operator.page.contains("name=\"on_drift\""), "there is no form before nothing is open");
    let word = [("stage", "limited"), ("item", "rollback_plan"), ("said", "back to 1.4")];
    operator.post(&format!("{page}/evidence"), &word).await;
    has(&operator, &["words alone are no evidence", "back to 1.4"]);
    operator.post(&format!("{page}/evidence"), &[word.as_slice(), &[("link", "https://wiki.example/plan")]].concat()).await;
    operator.get(&page).await;
    has(&operator, &["26 of 26 done", "name=\"on_drift\"", "Put down by ", "back to 1.4"]);
    operator.get(&format!("/bots/{}", ready.bot.id)).await;
    has(&operator, &["Checklist to limited: 26 of 26 done", ">Go live</a>"]);
    // Whoever answers for nothing finds no form, and who does.
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get(&page).await;
    has(&auditor, &["An operator or lead of its team, or risk, asks for it", "answers for items"]);
    assert!(!auditor.page.contains(&format!("action=\"{page}")), "{}", auditor.page);
    // No stage has an empty page.
    let bot = test.bot("arb-2", "arb").await;
    for (stage, words) in [(Stage::Sandbox, "It has no subaccount"), (Stage::Draft, "It is in draft"), (Stage::Retired, "It is retired")] {
        if stage != Stage::Sandbox {
            test.app.set_stage(&test.actor("operator"), &bot.id, stage).await.unwrap();
        }
        operator.get(&format!("/bots/{}/golive", bot.id)).await;
        has(&operator, &[words, "Checklist: "]);
    }
    operator.get("/checklists?stage=live").await;
    has(&operator, &["28 items", "Knight Capital"]);
});

on_both!(whoever_asked_finds_what_is_approved_and_carries_it_out, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = crate::harness::golive::whole(&test, "arb-1").await;
    let request = ask(&test, "operator", &ready.bot.id).await.unwrap();
    let page = format!("/requests/{request}");
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&format!("/bots/{}/golive", ready.bot.id)).await;
    has(&operator, &["Waits for approval", "Seats filled", &page]);
    crate::requests::approve(&test, "lead", &request).await.unwrap();
    operator.get("/requests").await;
    has(&operator, &["Needs you: 1", "to be carried out until "]);
    operator.get("/notices").await;
    has(&operator, &["Approved: "]);
    operator.get(&page).await;
    has(&operator, &["and you carry it out: until", "Checklist: 26 items", "A rollback plan is written down for this build", "/execute\""]);
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&page).await;
    has(&lead, &["who asked, carries it out: until"]);
    assert!(!lead.page.contains("/execute\""), "{}", lead.page);
    execute(&test, "operator", &request).await.unwrap();
    operator.get(&format!("/bots/{}/golive?stage=limited", ready.bot.id)).await;
    has(&operator, &["In stage limited so far", "none was heard of yet", "What ends next", "nothing differs"]);
});

on_both!(what_was_approved_stands_beside_what_runs, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    // A tighter limit is another version, and no difference.
    let tighter = [("max_position_notional".to_owned(), "4000".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &ready.bot.id, &tighter, "").await.unwrap();
    ready.agent.settle(&test.app).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    let page = format!("/bots/{}/golive", ready.bot.id);
    lead.get(&page).await;
    has(&lead, &["nothing differs", "allows no more", "5000", "4000"]);
    ready.agent.config = Some("sha256:d1ffe4e4d1ffe4e4".into());
    ready.agent.check_in(&test.app).await.unwrap();
    lead.get(&page).await;
    has(&lead, &["It is not what was approved", "Configuration <span class=\"strong small\">differs</span>", "sha256:d1ffe4e4d1ffe4e4"]);
    lead.get(&format!("/bots/{}", ready.bot.id)).await;
    has(&lead, &["not what was approved: 1 differs"]);
    assert_eq!(now(&test, &ready.bot.id).stage, Stage::Limited);
});
