//! The end of keys, and compromise: one way, the bot is stopped first, and it is over only when everything that follows is done.

use super::why;
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    exchange_keys::{approved, approved_as, attest, install, row, usual, view},
};
use andon::domain::{AlertKind, KeyPurpose, Level, Subject, key::KeyState};

on_both!(what_is_taken_away_here_is_asked_after_until_it_is_gone_at_the_venue, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    let (operator, risk) = (test.actor("operator"), test.actor("risk"));
    install(&test, "operator", &key, ("k", "s")).await.unwrap();
    attest(&test, "operator", &key).await.unwrap();
    assert!(why(test.app.note_gone(&operator, &key, 1, "deleted").await).contains("in use here"));
    assert!(why(test.app.end_key(&operator, &key, " ").await).contains("Say why"));
    test.app.revoke_version(&risk, &key, 1, "the desk closes").await.unwrap();
    assert!(why(test.app.revoke_version(&risk, &key, 1, "again").await).contains("nobody here has"));
    let version = view(&test, &key).await.key.versions[0].clone();
    assert_eq!((version.state, version.sealed), (KeyState::Revoked, None));
    let subject = Subject::bot(&view(&test, &key).await.bot.id);
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(!test.app.alerts.is_open(AlertKind::KeyAtVenue, &subject), "whoever took it away is given an hour");
    test.hand.forward_ms(andon::app::keys::tend::DRAIN_MS);
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(test.app.alerts.is_open(AlertKind::KeyAtVenue, &subject));
    test.app.note_gone(&operator, &key, 1, "deleted it, it is not in the list").await.unwrap();
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(!test.app.alerts.is_open(AlertKind::KeyAtVenue, &subject));
    assert!(why(test.app.note_gone(&operator, &key, 1, "again").await).contains("known to be gone"));
});

on_both!(a_compromised_key_stops_its_bot_and_is_settled_only_when_all_that_follows_is_done, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    let bot = view(&test, &key).await.bot;
    let data = approved_as(&test, &bot, usual(KeyPurpose::MarketData), "operator").await;
    for (key, name) in [(&key, "trade-key"), (&data, "data-key")] {
        install(&test, "operator", key, (name, "s")).await.unwrap();
        attest(&test, "operator", key).await.unwrap();
    }
    let operator = test.actor("operator");
    assert!(why(test.app.compromise_key(&test.actor("grid operator"), &key, "seen").await).contains("not allowed"));
    assert!(why(test.app.settle_compromise(&operator, &key, "all well").await).contains("nothing"));
    // Both were handed in before it was known.
    test.hand.forward_ms(1);
    test.app.compromise_key(&operator, &key, "it stood in a log").await.unwrap();
    let view_now = test.app.fleet.view();
    assert!(view_now.open_holds().any(|hold| hold.level == Level::Kill && view_now.covers(hold, &bot)), "the bot is killed");
    let ended = row(&test, &key).await;
    assert!(ended.compromised_at.is_some() && ended.ended_at.is_some());
    assert!(why(test.app.compromise_key(&operator, &key, "again").await).contains("is known"), "it is said once");
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(test.app.alerts.is_open(AlertKind::KeyCompromised, &Subject::bot(&bot.id)));
    let refused = why(test.app.settle_compromise(&operator, &key, "all compared").await);
    assert!(refused.contains("delete version 1 at the venue"), "{refused}");
    test.app.note_gone(&operator, &key, 1, "deleted it").await.unwrap();
    // The other one ended with the kill; it still works at the venue.
    test.hand.forward_ms(15_000);
    test.app.tend_keys(&mut before).await.unwrap();
    let refused = why(test.app.settle_compromise(&operator, &key, "all compared").await);
    assert!(refused.contains("replace version 1 of its key to read market data"), "{refused}");
    test.app.note_gone(&operator, &data, 1, "deleted it").await.unwrap();
    test.app.settle_compromise(&operator, &key, "orders and balances are what we have").await.unwrap();
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(!test.app.alerts.is_open(AlertKind::KeyCompromised, &Subject::bot(&bot.id)));
    assert!(row(&test, &key).await.compromised_at.is_some(), "there is no way back");
    test.log_is_good().await;
});

on_both!(a_frozen_log_keeps_no_compromised_key_from_killing_its_bot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    install(&test, "operator", &key, ("k", "s")).await.unwrap();
    attest(&test, "operator", &key).await.unwrap();
    let bot = view(&test, &key).await.bot;
    // The stop itself needs no log; what the key's row says follows once it takes entries.
    test.execute("UPDATE audit_log SET state = 'frozen'").await;
    let refused = test.app.compromise_key(&test.actor("operator"), &key, "it stood in a log").await;
    assert!(why(refused).contains("frozen"));
    let view_now = test.app.fleet.view();
    assert!(view_now.open_holds().any(|hold| hold.level == Level::Kill && view_now.covers(hold, &bot)), "the bot is killed all the same");
});
