//! A key of the main account: asked for where it is of use alone, the main account's, with what its venue demands and no more, and shown the keys
//! that it is to demote.

use super::{ACCOUNT, OWN, beside, named, trades, why};
use crate::{
    harness::{
        agent,
        app::TestApp,
        db::{Fresh, on_both},
        exchange_keys::{approved_as, attest, install, newest, seated, usual},
    },
    venues::{
        but,
        fake::{Answer, Fake},
        sample,
    },
};
use andon::{
    app::keys::{ask::Wanted, judge::evidence_of},
    domain::{
        KeyId, KeyPurpose,
        key::{KeyState, KeyVerdict},
    },
};

/// Where Bybit lists the keys of a subaccount.
const SUB: &str = "GET /v5/user/sub-apikeys";

/// What Bybit says of a key of the main account that may move money between wallets, which is what it demands, and nothing else.
fn administers() -> String {
    let mut body = trades();
    for (this, that) in [
        ("\"isMaster\":false", "\"isMaster\":true"),
        ("\"Wallet\":[]", "\"Wallet\":[\"AccountTransfer\"]"),
        ("[\"Order\",\"Position\"]", "[]"),
        ("[\"SpotTrade\"]", "[]"),
    ] {
        body = but(&body, this, that);
    }
    body
}

/// A key of the main account that was approved for a new bot.
async fn wanted(test: &TestApp, venue: &Fake, name: &str) -> KeyId {
    let bot = seated(test, name, ("arb", "bybit")).await;
    agent::ready(test, &bot, "operator").await;
    venue.only(OWN, administers());
    venue.only(SUB, sample::BYBIT_SUB);
    approved_as(test, &bot, named(KeyPurpose::KeyAdmin), "operator").await
}

on_both!(it_is_held_once_somebody_answers_for_what_the_venue_never_says, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let key = wanted(&test, &venue, "arb-1").await;
    let bot = test.app.fleet.view().bots().find(|bot| bot.name == "arb-1").unwrap().clone();
    install(&test, "operator", &key, ("main-1", "s")).await.unwrap();
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.verdict, row.agent_id), (KeyState::Installed, Some(KeyVerdict::Attest), None));
    assert!(venue.seen().iter().any(|seen| seen.what == SUB && seen.value("subMemberId").as_deref() == Some(ACCOUNT)));
    attest(&test, "operator", &key).await.unwrap();
    let hand = test.app.hand_at_venue(&bot.id, KeyPurpose::KeyAdmin).await.unwrap().expect("the server's hand");
    assert_eq!(hand.account.as_deref(), Some(ACCOUNT));
    let agent = test.app.agents().of_bot(&bot.id).unwrap();
    assert!(test.app.keys_due(&agent, &Default::default()).is_empty(), "no agent ever gets it");
    assert!(test.app.keys_answer(&agent).keys.is_empty());
    test.log_is_good().await;
});

on_both!(what_may_do_more_or_is_no_main_accounts_is_refused, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let key = wanted(&test, &venue, "arb-1").await;
    for (this, that, said) in [
        ("[\"AccountTransfer\"]", "[\"AccountTransfer\",\"Withdraw\"]", "it may withdraw, which key_admin does not take"),
        ("[\"AccountTransfer\"]", "[\"AccountTransfer\",\"SubMemberTransfer\"]", "and key_admin takes one of them"),
        ("[\"AccountTransfer\"]", "[]", "it may not key admin, which key_admin takes"),
        ("\"Spot\":[]", "\"Spot\":[\"SpotTrade\"]", "it may trade, which key_admin does not take"),
        ("\"isMaster\":true", "\"isMaster\":false", "is to belong to the main account"),
        ("\"203.0.113.7\"", "\"*\"", "it works from anywhere"),
    ] {
        venue.only(OWN, but(&administers(), this, that));
        let refused = why(install(&test, "operator", &key, ("main-1", "s")).await);
        assert!(refused.contains(said), "{that}: {refused}");
    }
});

on_both!(it_is_not_used_before_it_was_shown_the_keys_that_it_is_to_demote, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let key = wanted(&test, &venue, "arb-1").await;
    venue.only(SUB, r#"{"retCode":10005,"retMsg":"Permission denied.","result":{}}"#);
    install(&test, "operator", &key, ("main-1", "s")).await.unwrap();
    let open = async || {
        let row = newest(&test, &key).await;
        (row.verdict, evidence_of(&row).unwrap().differences[0].what.clone())
    };
    let (verdict, said) = open().await;
    assert!(verdict == Some(KeyVerdict::Unknown) && said.contains("it was not shown the keys of the subaccount"), "{said}");
    // The bot trades with a key that this main account does not list.
    let bot = test.app.fleet.view().bots().find(|bot| bot.name == "arb-1").unwrap().clone();
    let trades_with = approved_as(&test, &bot, usual(KeyPurpose::Execution), "operator").await;
    venue.only(OWN, trades());
    install(&test, "operator", &trades_with, ("elsewhere", "s")).await.unwrap();
    attest(&test, "operator", &trades_with).await.unwrap();
    venue.only(OWN, administers());
    venue.only(SUB, sample::BYBIT_SUB);
    test.app.measure_anew(&test.actor("operator"), &key, 1).await.unwrap();
    test.app.measure_daily(&mut Default::default()).await;
    let (verdict, said) = open().await;
    assert!(verdict == Some(KeyVerdict::Unknown) && said.contains("version 1, is none of the 1"), "{said}");
    venue.only(SUB, but(sample::BYBIT_SUB, "XXXXXX", "elsewhere"));
    test.app.measure_anew(&test.actor("operator"), &key, 1).await.unwrap();
    test.app.measure_daily(&mut Default::default()).await;
    assert_eq!(open().await.0, Some(KeyVerdict::Attest));
    let known = newest(&test, &key).await;
    venue.only(SUB, Answer::of(503, ""));
    test.app.measure_anew(&test.actor("operator"), &key, 1).await.unwrap();
    test.app.measure_daily(&mut Default::default()).await;
    assert_eq!(newest(&test, &key).await.evidence, known.evidence, "a venue that is down takes nothing back");
    assert!(!test.app.has_hand(&bot.id, KeyPurpose::KeyAdmin), "and somebody still answers for the rest");
});

on_both!(it_is_asked_for_only_where_it_is_of_use, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let ask = async |bot: &andon::domain::BotFacts, wanted: Wanted<'_>| {
        test.app.ask_key(&test.actor("operator"), &bot.id, wanted, "for an emergency").await
    };
    for (name, exchange) in [("arb-1", "kraken-futures"), ("arb-2", "binance"), ("arb-3", "coinbase")] {
        let bot = seated(&test, name, ("arb", exchange)).await;
        let refused = why(ask(&bot, named(KeyPurpose::KeyAdmin)).await);
        assert!(refused.contains("of no use at"), "{exchange}: {refused}");
    }
    let bot = seated(&test, "arb-4", ("arb", "okx")).await;
    assert!(ask(&bot, usual(KeyPurpose::KeyAdmin)).await.is_err(), "which subaccount's keys it may change is named");
    ask(&bot, named(KeyPurpose::KeyAdmin)).await.unwrap();
});
