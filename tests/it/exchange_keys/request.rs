//! Asking: what a key is to be, who approves it, and what nobody can ask for.

use super::why;
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    exchange_keys::{approved_as, row, seated, usual, view},
};
use crate::requests;
use andon::{
    app::keys::ask::Wanted,
    domain::{KeyPurpose, RequestKind, RequestState, time::DAY_MS},
};

on_both!(a_key_is_what_somebody_else_approved_and_nothing_is_there_before, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.actor("operator");
    let bare = test.bot("arb-bare", "arb").await;
    let refused = test.app.ask_key(&operator, &bare.id, usual(KeyPurpose::Execution), "it trades").await;
    assert!(why(refused).contains("has no subaccount"));
    let bot = seated(&test, "arb-1", ("arb", "elsewhere")).await;
    let request = test.app.ask_key(&operator, &bot.id, usual(KeyPurpose::Execution), "it trades").await.unwrap();
    let asked = test.app.request(&operator, &request).await.unwrap();
    let lines = asked.content().lines();
    assert!(
        lines.iter().all(|line| line.now == "none") && lines.iter().any(|line| line.after == "203.0.113.7/32" && line.raises),
        "{lines:?}"
    );
    assert!(why(requests::approve(&test, "operator", &request).await).contains("own request"), "nobody approves their own");
    assert!(test.app.exchange_keys().of_bot(&bot.id).is_empty(), "nothing is there before it is approved");
    requests::approve(&test, "risk", &request).await.unwrap();
    let keys = test.app.exchange_keys();
    let key = keys.of_purpose(&bot.id, KeyPurpose::Execution).unwrap();
    assert_eq!((key.sheet.rights_words().as_str(), key.row.rotate_days, key.versions.len()), ("read, trade", 90, 0));
    let same = test.app.ask_key(&operator, &bot.id, usual(KeyPurpose::Execution), "again").await;
    assert!(why(same).contains("approved already"));
    test.log_is_good().await;
});

on_both!(other_terms_take_the_place_of_those_that_stand_and_stale_ones_do_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.actor("operator");
    let bot = seated(&test, "arb-1", ("arb", "elsewhere")).await;
    let key = approved_as(&test, &bot, usual(KeyPurpose::Monitor), "operator").await;
    let wider = Wanted { ips: "203.0.113.7 203.0.113.8", rotate_days: "30", ..usual(KeyPurpose::Monitor) };
    let request = test.app.ask_key(&operator, &bot.id, wider, "a second host").await.unwrap();
    let lines = test.app.request(&operator, &request).await.unwrap().content().lines();
    let raised: Vec<&str> = lines.iter().filter(|line| line.raises).map(|line| line.setting.as_str()).collect();
    assert_eq!(raised, ["Works from"], "a shorter life raises nothing");
    requests::approve(&test, "risk", &request).await.unwrap();
    let stands = view(&test, &key).await.key;
    assert_eq!((stands.sheet.ips.len(), stands.row.rotate_days, stands.row.request_id), (2, 30, request), "it is the same key");
    // Asked over what is so no more: the bot trades elsewhere.
    let request = test.app.ask_key(&operator, &bot.id, usual(KeyPurpose::Guard), "a guard").await.unwrap();
    let act = requests::prepare(&test, "risk", &request).await.unwrap();
    test.app.seat_bot(&operator, &bot.id, None).await.unwrap();
    let _ = test.sign("risk", &act).await;
    test.app.tend_requests().await.unwrap();
    assert_eq!(requests::state(&test, &request).await, RequestState::Stale);
    assert!(test.app.exchange_keys().of_purpose(&bot.id, KeyPurpose::Guard).is_none());
});

on_both!(a_key_that_withdraws_takes_risk_and_an_admin_a_list_and_a_week_at_most, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.actor("operator");
    let bot = seated(&test, "arb-1", ("arb", "elsewhere")).await;
    let now = test.app.clock.now();
    let (soon, late) = (now.plus_ms(6 * DAY_MS).rfc3339(), now.plus_ms(8 * DAY_MS).rfc3339());
    let withdraws = Wanted { withdraw_to: "bc1qcold", until: &soon, ..usual(KeyPurpose::Execution) };
    assert!(why(test.app.ask_key(&operator, &bot.id, Wanted { until: &late, ..withdraws }, "w").await).contains("within 7 days"));
    assert!(why(test.app.ask_key(&operator, &bot.id, Wanted { until: "", ..withdraws }, "w").await).contains("within 7 days"));
    let request = test.app.ask_key(&operator, &bot.id, withdraws, "the treasury moves").await.unwrap();
    assert_eq!(test.app.request(&operator, &request).await.unwrap().row.kind, RequestKind::Withdrawals);
    requests::approve(&test, "risk", &request).await.unwrap();
    assert_eq!(requests::state(&test, &request).await, RequestState::Pending, "risk alone is not enough");
    requests::approve(&test, "admin", &request).await.unwrap();
    assert_eq!(requests::state(&test, &request).await, RequestState::Executed);
    let keys = test.app.exchange_keys();
    let key = keys.of_purpose(&bot.id, KeyPurpose::Execution).unwrap().row.id.clone();
    // Its time is over: it ends by itself.
    test.hand.forward_ms(6 * DAY_MS);
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    let row = row(&test, &key).await;
    assert_eq!(row.ended_why.as_deref(), Some("its time is over"));
    // Nobody weakens the rule of these.
    let rule = andon::domain::Rule::new(&[&[andon::domain::approval::Approver::Risk]], 0);
    let weaker = test.app.ask_policy(&test.actor("admin"), RequestKind::Withdrawals, rule, "faster").await;
    assert!(why(weaker).contains("risk and an admin"));
});
