//! From the secret that is handed in to a key in use: who may hand it in, what is kept, what the venue says, what somebody answers for.

use super::why;
use crate::harness::{
    agent,
    app::TestApp,
    db::{Fresh, on_both},
    exchange_keys::{approved, approved_as, attest, install, newest, seated, usual, view},
};
use andon::domain::{
    KeyPurpose, Level, Scope,
    key::{KeyMeasurer, KeyState, KeyVerdict},
};

on_both!(a_secret_is_sealed_at_once_and_used_only_when_somebody_answers_for_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    assert!(why(install(&test, "risk", &key, ("k", "s")).await).contains("not allowed"), "who approved it does not trade");
    assert!(why(install(&test, "grid operator", &key, ("k", "s")).await).contains("not allowed"));
    assert!(why(install(&test, "operator", &key, ("", "s")).await).contains("both needed"));
    assert_eq!(install(&test, "operator", &key, ("api-key-canary", "secret-canary")).await.unwrap(), 1);
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.verdict, row.measured_by), (KeyState::Installed, Some(KeyVerdict::Attest), Some(KeyMeasurer::Attested)));
    assert!(row.measured_at.is_none(), "nobody has measured it");
    let sealed = row.sealed.clone().unwrap();
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !sealed.contains("canary"));
    // Whoever handed it in answers for nothing, and what was seen is what is attested.
    let seen = crate::harness::exchange_keys::seen(&test, &key).await;
    let own = test.app.attest_key(&test.actor("operator"), &key, (1, &seen), "looked").await;
    assert!(why(own).contains("somebody else looks"));
    let stale = test.app.attest_key(&test.actor("lead"), &key, (1, "00"), "looked").await;
    assert!(why(stale).contains("since you looked"));
    attest(&test, "operator", &key).await.unwrap();
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.attested_by.is_some()), (KeyState::Measured, true));
    assert!(why(attest(&test, "operator", &key).await).contains("nothing"), "once is enough");
    let events: Vec<String> = view(&test, &key).await.events.into_iter().map(|event| event.what).collect();
    assert_eq!(
        events,
        [
            "Measured",
            "Attested",
            "Measured by nobody: a person answers for it: as far as the venue says, it is what was approved",
            "Handed in",
            "Approved"
        ]
    );
    test.log_is_good().await;
});

on_both!(one_key_of_a_venue_serves_one_bot_and_one_purpose_for_ever, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    let bot = view(&test, &key).await.bot;
    let data = approved_as(&test, &bot, usual(KeyPurpose::MarketData), "operator").await;
    let other = approved(&test, "grid-1", ("grid", "elsewhere"), "grid operator").await;
    install(&test, "operator", &key, ("the-key", "s")).await.unwrap();
    assert!(why(install(&test, "operator", &data, ("the-key", "s")).await).contains("one key serves one bot and one purpose"));
    let refused = why(install(&test, "grid operator", &other, ("the-key", "s")).await);
    assert!(refused.contains("of another bot") && !refused.contains("arb-1"), "another team learns that there is one: {refused}");
    // What was never found to be what was approved gives way to what is handed in next, and may be handed in again.
    assert_eq!(install(&test, "operator", &key, ("the-key", "typed right")).await.unwrap(), 2);
    assert_eq!(view(&test, &key).await.key.versions.len(), 1, "it is the same key of the venue");
    assert_eq!(install(&test, "operator", &key, ("another-key", "s")).await.unwrap(), 3);
    let states: Vec<_> = view(&test, &key).await.key.versions.iter().map(|one| one.state).collect();
    assert_eq!(states, [KeyState::Revoked, KeyState::Installed], "the one before is to be deleted at the venue");
    attest(&test, "operator", &key).await.unwrap();
    assert_eq!(install(&test, "operator", &key, ("third-key", "s")).await.unwrap(), 4, "what is in use stays beside it");
    // Ended or not: a key that served does not serve again.
    test.app.end_key(&test.actor("operator"), &key, "over").await.unwrap();
    assert!(why(install(&test, "operator", &data, ("another-key", "s")).await).contains("was handed in before"));
    assert!(why(install(&test, "operator", &key, ("fourth", "s")).await).contains("has ended"));
});

on_both!(a_key_is_sealed_to_a_confirmed_agent_or_not_at_all, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = seated(&test, "arb-1", ("arb", "elsewhere")).await;
    let key = approved_as(&test, &bot, usual(KeyPurpose::Execution), "operator").await;
    assert!(why(install(&test, "operator", &key, ("k", "s")).await).contains("no confirmed agent"));
    let pending = agent::enrol(&test, &bot, "operator").await;
    assert!(why(install(&test, "operator", &key, ("k", "s")).await).contains("no confirmed agent"));
    pending.confirm(&test, "operator").await;
    install(&test, "operator", &key, ("k", "s")).await.unwrap();
    assert_eq!(newest(&test, &key).await.agent_id.as_ref(), Some(pending.id()));
});

on_both!(keys_are_shown_by_how_they_stand, |fresh: Fresh| async move {
    use andon::app::keys::list::{KeyFilter, KeyStands};
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    let auditor = test.actor("auditor");
    let stands = async |stands: KeyStands| {
        let filter = KeyFilter { stands: Some(stands), ..KeyFilter::default() };
        test.app.list_keys(&auditor, &filter, (None, 10)).unwrap().0.len() == 1
    };
    assert!(stands(KeyStands::Waiting).await);
    install(&test, "operator", &key, ("k", "s")).await.unwrap();
    assert!(stands(KeyStands::Unproved).await);
    attest(&test, "operator", &key).await.unwrap();
    assert!(stands(KeyStands::InUse).await);
    test.hand.forward_ms(77 * andon::domain::time::DAY_MS);
    assert!(stands(KeyStands::Due).await, "two weeks before its time");
    test.app.end_key(&test.actor("operator"), &key, "over").await.unwrap();
    assert!(stands(KeyStands::AtVenue).await);
    test.app.note_gone(&test.actor("operator"), &key, 1, "deleted it").await.unwrap();
    assert!(stands(KeyStands::Ended).await);
});

on_both!(a_bot_that_is_killed_moved_or_retired_has_no_key, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let tend = async || test.app.tend_keys(&mut Default::default()).await.unwrap();
    for (name, end) in [("arb-killed", "killed"), ("arb-moved", "another subaccount"), ("arb-retired", "retired")] {
        let key = approved(&test, name, ("arb", "elsewhere"), "operator").await;
        install(&test, "operator", &key, (&format!("key-{name}"), "s")).await.unwrap();
        attest(&test, "operator", &key).await.unwrap();
        tend().await;
        assert!(view(&test, &key).await.key.is_open(), "{name}");
        let bot = view(&test, &key).await.bot.id.clone();
        match end {
            "killed" => {
                test.press("operator", Scope::Bot(bot), Level::Kill).await;
                tend().await;
                assert!(view(&test, &key).await.key.is_open(), "its agent cancels first");
                test.hand.forward_ms(15_000);
            }
            "retired" => test.app.set_stage(&test.actor("operator"), &bot, andon::domain::Stage::Retired).await.unwrap(),
            _ => test.app.seat_bot(&test.actor("operator"), &bot, None).await.unwrap(),
        }
        tend().await;
        let key = view(&test, &key).await.key;
        assert!(key.row.ended_why.as_ref().unwrap().contains(end), "{name}: {:?}", key.row.ended_why);
        let version = &key.versions[0];
        assert!(version.state == KeyState::Revoked && version.sealed.is_none(), "what was sealed is gone too");
    }
    test.log_is_good().await;
});
