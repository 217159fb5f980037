//! Keys on their way: to the confirmed agent alone, again until it has them, never while the bot is killed, and taken back when they are over.

use super::why;
use crate::harness::{
    agent::{self, Agent},
    app::TestApp,
    db::{Fresh, on_both},
    exchange_keys::{approved, attest, install, newest, view},
};
use andon::{
    app::keys::deliver::{Due, Held},
    domain::{KeyId, Level, Scope, key::KeyState},
    protocol::{HandedKey, KeyAckFrame, KeyOrder},
};

/// A key in state `measured`, its bot's agent.
async fn measured(test: &TestApp, name: &str) -> (KeyId, Agent) {
    let bot = crate::harness::exchange_keys::seated(test, name, ("arb", "elsewhere")).await;
    let agent = agent::ready(test, &bot, "operator").await;
    let key = crate::harness::exchange_keys::approved_as(
        test,
        &bot,
        crate::harness::exchange_keys::usual(andon::domain::KeyPurpose::Execution),
        "operator",
    )
    .await;
    install(test, "operator", &key, (&format!("key-of-{name}"), "s")).await.unwrap();
    attest(test, "operator", &key).await.unwrap();
    (key, agent)
}

fn held(key: &KeyId, version: i64) -> Held {
    Held::from([(key.to_string(), version)])
}

async fn acked(test: &TestApp, agent: &Agent, key: &KeyId, version: i64) {
    test.app.note_key_ack(&agent.live(&test.app), &KeyAckFrame { key_id: key.clone(), version, ok: true, why: None });
    crate::faults::until("the acknowledgement", async || {
        view(test, key).await.key.version(version).is_some_and(|one| one.state == KeyState::Active)
    })
    .await;
}

on_both!(a_key_goes_to_its_agent_until_that_has_it_and_is_then_in_use, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, agent) = measured(&test, "arb-1").await;
    let (_, stranger) = measured(&test, "arb-2").await;
    let live = agent.live(&test.app);
    assert_eq!(test.app.keys_due(&live, &Held::new()), [Due::Send(key.clone(), 1)]);
    for _ in 0..2 {
        let orders = test.app.key_orders(&live, test.app.keys_due(&live, &Held::new())).await;
        let [KeyOrder::Key(frame)] = orders.as_slice() else { panic!("{orders:?}") };
        assert_eq!((&frame.key_id, frame.version, frame.venue.as_str()), (&key, 1, "elsewhere"));
        assert_eq!(newest(&test, &key).await.state, KeyState::Delivered);
    }
    assert!(test.app.keys_due(&stranger.live(&test.app), &held(&key, 1)).contains(&Due::Drop(key.clone(), 1)), "it is not that bot's");
    acked(&test, &agent, &key, 1).await;
    assert!(test.app.keys_due(&live, &held(&key, 1)).is_empty(), "it has what it should");
    assert_eq!(test.app.keys_due(&live, &Held::new()), [Due::Send(key.clone(), 1)], "a disk that was wiped gets it again");
    test.log_is_good().await;
});

on_both!(an_acknowledgement_that_was_lost_is_told_by_the_next_check_in, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, agent) = measured(&test, "arb-1").await;
    let live = agent.live(&test.app);
    test.app.key_orders(&live, test.app.keys_due(&live, &Held::new())).await;
    let due = test.app.keys_due(&live, &held(&key, 1));
    assert_eq!(due, [Due::Acknowledged(key.clone(), 1)]);
    assert!(test.app.key_orders(&live, due).await.is_empty());
    crate::faults::until("it is in use", async || newest(&test, &key).await.state == KeyState::Active).await;
});

on_both!(another_version_takes_over_without_a_gap_and_the_old_one_drains, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, agent) = measured(&test, "arb-1").await;
    let live = agent.live(&test.app);
    acked(&test, &agent, &key, 1).await;
    assert_eq!(install(&test, "operator", &key, ("second-key", "s")).await.unwrap(), 2);
    assert!(test.app.keys_due(&live, &held(&key, 1)).is_empty(), "what is not proved goes nowhere, and the old one goes on");
    attest(&test, "operator", &key).await.unwrap();
    assert_eq!(test.app.keys_due(&live, &held(&key, 1)), [Due::Send(key.clone(), 2)]);
    let states = async || view(&test, &key).await.key.versions.iter().map(|one| one.state).collect::<Vec<_>>();
    assert_eq!(states().await[0], KeyState::Active, "until the agent has the new one the old one is in use");
    acked(&test, &agent, &key, 2).await;
    assert_eq!(states().await, [KeyState::Draining, KeyState::Active]);
    test.hand.forward_ms(andon::app::keys::tend::DRAIN_MS);
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert_eq!(states().await, [KeyState::Revoked, KeyState::Active]);
    assert!(test.app.keys_due(&live, &held(&key, 2)).is_empty());
});

on_both!(nothing_is_sent_while_the_bot_is_killed_and_what_is_over_is_taken_back, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, agent) = measured(&test, "arb-1").await;
    let live = agent.live(&test.app);
    test.press("operator", Scope::Bot(live.bot.clone()), Level::Kill).await;
    assert!(test.app.keys_due(&live, &Held::new()).is_empty());
    test.hand.forward_ms(15_000);
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    // The directive of the kill drops them once the orders are gone; nothing hurries that.
    assert!(test.app.keys_due(&live, &held(&key, 1)).is_empty());
    let unknown = KeyId::new();
    assert!(
        !test.app.keys_due(&live, &held(&unknown, 4)).iter().any(|due| matches!(due, Due::Drop(id, _) if *id == unknown)),
        "what nobody knows is left alone"
    );
});

on_both!(a_new_agent_gets_no_key_of_the_old_one, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, agent) = measured(&test, "arb-1").await;
    acked(&test, &agent, &key, 1).await;
    let bot = view(&test, &key).await.bot;
    let new = agent::enrol(&test, &bot, "operator").await;
    assert!(test.app.keys_due(&new.live(&test.app), &Held::new()).is_empty(), "it is pending");
    new.confirm(&test, "operator").await;
    assert!(test.app.keys_due(&new.live(&test.app), &Held::new()).is_empty(), "it is sealed to another");
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert_eq!(newest(&test, &key).await.state, KeyState::Draining, "its agent ended: it is to be deleted at the venue");
});

on_both!(what_was_sealed_on_the_agents_host_is_taken_from_that_agent_alone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    let agent = test.app.agents().of_bot(&view(&test, &key).await.bot.id).unwrap();
    let (_, other) = measured(&test, "arb-2").await;
    let waiting = test.app.keys_answer(&agent).keys;
    assert_eq!((waiting.len(), waiting[0].version, &waiting[0].key_id), (1, 1, &key));
    let sealed = |version: i64, fingerprint: &str| HandedKey {
        key_id: key.clone(),
        version,
        fingerprint: fingerprint.to_owned(),
        sealed: "-----BEGIN AGE ENCRYPTED FILE-----\nYQ==\n-----END AGE ENCRYPTED FILE-----\n".to_owned(),
        told: None,
    };
    let print = "ab".repeat(32);
    assert!(why(test.app.install_sealed(&other.live(&test.app), sealed(1, &print)).await).contains("no such key"));
    assert!(why(test.app.install_sealed(&agent, sealed(2, &print)).await).contains("the next one is 1"));
    assert!(why(test.app.install_sealed(&agent, sealed(1, "AB")).await).contains("SHA-256"));
    test.app.install_sealed(&agent, sealed(1, &print)).await.unwrap();
    assert!(why(test.app.install_sealed(&agent, sealed(2, &"cd".repeat(32))).await).contains("a moment ago"));
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.agent_id.as_ref()), (KeyState::Installed, Some(&agent.id)), "somebody answers for it first");
});

on_both!(an_agent_that_cannot_take_a_key_is_told_of_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, agent) = measured(&test, "arb-1").await;
    let no = KeyAckFrame { key_id: key.clone(), version: 1, ok: false, why: Some("this agent keeps no keys".into()) };
    test.app.note_key_ack(&agent.live(&test.app), &no);
    let subject = andon::domain::Subject::bot(&view(&test, &key).await.bot.id);
    crate::faults::until("an alert", async || test.app.alerts.is_open(andon::domain::AlertKind::KeyNotTaken, &subject)).await;
    crate::faults::until("a line", async || view(&test, &key).await.events.iter().any(|event| event.why.contains("keeps no keys"))).await;
    assert_ne!(newest(&test, &key).await.state, KeyState::Active);
});
