//! Handing a secret in at a venue that says what keys are: what it finds is compared at once, and what is another key than was approved is not kept.

use super::{ACCOUNT, OWN, beside, named, reads, trades, why};
use crate::{
    harness::{
        agent,
        app::TestApp,
        db::{Fresh, on_both},
        exchange_keys::{approved_as, attest, install, newest, seated, secret, usual, view},
        tables::{SESSIONS, Tables},
    },
    venues::but,
};
use andon::{
    app::{
        AppError,
        keys::{ask::Wanted, judge::left_open},
        vault::Given,
    },
    config::MasterKeySource,
    domain::{
        KeyId, KeyPurpose,
        key::{KeyMeasurer, KeyState, KeyVerdict},
    },
};
use std::sync::Arc;

/// A key to trade of a new bot at Bybit, with these terms.
async fn wanted(test: &TestApp, name: &str, wanted: Wanted<'_>) -> KeyId {
    let bot = seated(test, name, ("arb", "bybit")).await;
    agent::ready(test, &bot, "operator").await;
    approved_as(test, &bot, wanted, "operator").await
}

/// What of the newest version is left to a person.
async fn open(test: &TestApp, key: &KeyId) -> Vec<String> {
    left_open(&newest(test, key).await).unwrap()
}

on_both!(a_key_is_measured_as_it_is_handed_in_and_only_what_its_venue_never_says_is_attested, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let of_account = wanted(&test, "arb-1", named(KeyPurpose::Execution)).await;
    install(&test, "operator", &of_account, ("key-1", "s")).await.unwrap();
    let row = newest(&test, &of_account).await;
    assert_eq!((row.state, row.verdict, row.measured_by), (KeyState::Installed, Some(KeyVerdict::Attest), Some(KeyMeasurer::Server)));
    assert_eq!(row.measured_at, Some(test.app.clock.now()));
    let left = open(&test, &of_account).await;
    assert!(left.len() == 4 && left.iter().all(|one| one.starts_with("the venue never says whether a key may ")), "{left:?}");
    attest(&test, "operator", &of_account).await.unwrap();
    assert_eq!(newest(&test, &of_account).await.state, KeyState::Measured);
    // Where the venue's name for the account was not approved, whose key it is somebody answers for as well.
    let of_nobody = wanted(&test, "arb-2", usual(KeyPurpose::Execution)).await;
    install(&test, "operator", &of_nobody, ("key-2", "s")).await.unwrap();
    let left = open(&test, &of_nobody).await;
    let account: Vec<_> = left.iter().filter(|one| one.contains("subaccount that it was approved for")).collect();
    assert!(left.len() == 5 && account.len() == 1 && account[0].contains(ACCOUNT), "{left:?}");
    test.log_is_good().await;
});

on_both!(what_the_server_is_to_use_is_in_use_once_somebody_answers_for_it, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let bot = seated(&test, "arb-1", ("arb", "bybit")).await;
    let key = approved_as(&test, &bot, named(KeyPurpose::Monitor), "operator").await;
    let refused = why(install(&test, "operator", &key, ("trades", "s")).await);
    assert!(refused.contains("it may trade, which monitor does not take"), "{refused}");
    venue.only(OWN, reads());
    install(&test, "operator", &key, ("reads", "s")).await.unwrap();
    assert!(!test.app.has_hand(&bot.id, KeyPurpose::Monitor), "nobody answers for it yet");
    attest(&test, "operator", &key).await.unwrap();
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.agent_id, row.sealed), (KeyState::Active, None, None));
    let hand = test.app.hand_at_venue(&bot.id, KeyPurpose::Monitor).await.unwrap().expect("the server's hand");
    assert_eq!((hand.key, hand.version), (key, 1));
});

on_both!(what_is_another_key_than_was_approved_is_not_kept_and_spoils_nothing, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let key = wanted(&test, "arb-1", named(KeyPurpose::Execution)).await;
    let tables = Tables::of(&test.fresh).await;
    // When an agent was heard last is written a moment after it spoke.
    let except = [SESSIONS, &["agent_seen"]].concat();
    let before = tables.digest(&except).await;
    let refusal = |code: i64| format!("{{\"retCode\":{code},\"retMsg\":\"Said.\",\"result\":{{}}}}");
    for (answer, said) in [
        (but(&trades(), "\"203.0.113.7\"", "\"203.0.113.8\""), "it works from 203.0.113.8/32, and is to from 203.0.113.7/32"),
        (but(&trades(), "\"203.0.113.7\"", "\"*\""), "it works from anywhere"),
        (but(&trades(), "\"Wallet\":[]", "\"Wallet\":[\"Withdraw\"]"), "it may withdraw"),
        (but(&trades(), "\"readOnly\":0", "\"readOnly\":1"), "it may not trade"),
        (but(&trades(), "24617703", "24617704"), "it belongs to the account 24617704"),
        (but(&trades(), "\"isMaster\":false", "\"isMaster\":true"), "it belongs to a main account"),
        (but(&trades(), "1970-01-01", "2027-01-01"), "it ends 2027-01-01"),
        (refusal(33004), "expired"),
        (refusal(10004), "signature_wrong"),
    ] {
        venue.only(OWN, answer);
        let refused = why(install(&test, "operator", &key, ("the-key", "s")).await);
        assert!(refused.contains("was not kept") && refused.contains(said), "{said}: {refused}");
        assert!(view(&test, &key).await.key.versions.is_empty(), "{said}");
    }
    assert_eq!(before, tables.digest(&except).await, "nothing is written of what was refused");
    venue.only(OWN, trades());
    assert_eq!(install(&test, "operator", &key, ("the-key", "s")).await.unwrap(), 1, "the same key, made right at the venue");
    test.log_is_good().await;
});

on_both!(a_key_of_which_something_is_not_known_is_not_proved_and_nobody_can_answer_for_that, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let key = wanted(&test, "arb-1", named(KeyPurpose::Execution)).await;
    for (version, answer) in [
        (1, but(&trades(), "\"Wallet\":[]", "\"Wallet\":[\"Beam\"]")),
        (2, but(&trades(), "\"ips\":[\"203.0.113.7\"],", "")),
        (3, "{\"retCode\":10016,\"retMsg\":\"Server error.\",\"result\":{}}".to_owned()),
        (4, "{\"retCode\":10010,\"retMsg\":\"Unmatched IP.\",\"result\":{}}".to_owned()),
    ] {
        venue.only(OWN, answer);
        assert_eq!(install(&test, "operator", &key, ("the-key", "s")).await.unwrap(), version);
        let row = newest(&test, &key).await;
        assert_eq!((row.state, row.verdict), (KeyState::Installed, Some(KeyVerdict::Unknown)), "{version}");
        assert!(why(attest(&test, "operator", &key).await).contains("nothing of this version is left"), "{version}");
        let agent = test.app.agents().of_bot(&view(&test, &key).await.bot.id).unwrap();
        assert!(test.app.keys_due(&agent, &Default::default()).is_empty(), "{version}");
    }
    venue.only(OWN, trades());
    install(&test, "operator", &key, ("the-key", "s")).await.unwrap();
    attest(&test, "operator", &key).await.unwrap();
    assert_eq!(newest(&test, &key).await.state, KeyState::Measured);
});

on_both!(without_the_master_key_nothing_that_the_server_holds_opens, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let bot = seated(&test, "arb-1", ("arb", "bybit")).await;
    let key = approved_as(&test, &bot, named(KeyPurpose::Monitor), "operator").await;
    venue.only(OWN, reads());
    install(&test, "operator", &key, ("canary-api-key-0815", "canary-secret-2718")).await.unwrap();
    attest(&test, "operator", &key).await.unwrap();
    for (table, rows) in Tables::of(&test.fresh).await.everything().await {
        for canary in ["canary-api-key-0815", "canary-secret-2718"] {
            let hex = data_encoding::HEXUPPER.encode(canary.as_bytes());
            let is_there = rows.contains(canary) || rows.to_uppercase().contains(&hex);
            assert!(!is_there, "{canary} stands in {table}");
        }
    }
    let file = test.log_settings().state_dir.join("master.key");
    let given = || Given { key: Arc::new(MasterKeySource::Own(file.clone())), old: None, lost: None };
    let same = test.restarted().await;
    same.open_vault(given()).await.unwrap();
    assert!(same.hand_at_venue(&bot.id, KeyPurpose::Monitor).await.unwrap().is_some());
    std::fs::remove_file(&file).unwrap();
    let without = test.restarted().await;
    // It starts all the same, since it still stops bots; and it makes no other key.
    without.open_vault(given()).await.unwrap();
    assert!(matches!(without.hand_at_venue(&bot.id, KeyPurpose::Monitor).await, Err(AppError::Shut(_))));
    assert!(!file.exists());
    // And none is handed in that nobody could open again.
    let another = without.install_key(&test.actor("operator"), &key, &secret(("another-key", "s"))).await;
    assert!(matches!(another, Err(AppError::Shut(_))), "{another:?}");
});
