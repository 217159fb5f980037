//! What a venue told a bot's key on its agent's host: facts that are compared here, of that agent's keys alone, once a day, and nothing that is made
//! up. And terms that change while an agent has the key, or is about to get it.

use super::{
    OWN, beside,
    measure::{holds, is_told},
    named, trades, why,
};
use crate::{
    harness::{
        agent::{self, Agent},
        app::TestApp,
        db::{Fresh, on_both},
        exchange_keys::{approved, approved_as, attest, install, newest, seated, usual, view},
        tables::{SESSIONS, Tables},
    },
    requests,
};
use andon::{
    app::{
        AppError,
        keys::{
            ask::Wanted,
            deliver::{Due, Held},
            judge::evidence_of,
        },
    },
    domain::{
        BotFacts, KeyId, KeyPurpose, Level,
        key::{KeyMeasurer, KeyState, KeyVerdict},
        time::DAY_MS,
    },
    protocol::{KeyAckFrame, KeyTold, MeasuredKey},
    venues::{Inspection, MeasuredBy},
};
use serde_json::{Value, json};

/// A key to trade that a new bot's agent has.
async fn traded(test: &TestApp, name: &str) -> (KeyId, BotFacts, Agent) {
    let bot = seated(test, name, ("arb", "bybit")).await;
    let agent = agent::ready(test, &bot, "operator").await;
    let key = approved_as(test, &bot, named(KeyPurpose::Execution), "operator").await;
    install(test, "operator", &key, (&format!("key-of-{name}"), "s")).await.unwrap();
    attest(test, "operator", &key).await.unwrap();
    acked(test, &agent, &key).await;
    (key, bot, agent)
}

async fn acked(test: &TestApp, agent: &Agent, key: &KeyId) {
    test.app.note_key_ack(&agent.live(&test.app), &KeyAckFrame { key_id: key.clone(), version: 1, ok: true, why: None });
    crate::faults::until("a key in use", async || newest(test, key).await.state == KeyState::Active).await;
}

async fn tell(test: &TestApp, agent: &Agent, key: &KeyId, told: KeyTold) -> Result<(), AppError> {
    test.app.measured_elsewhere(&agent.live(&test.app), MeasuredKey { key_id: key.clone(), version: 1, told }).await
}

/// What was found of the newest version last.
async fn known(test: &TestApp, key: &KeyId) -> Inspection {
    evidence_of(&newest(test, key).await).unwrap().inspection.unwrap()
}

/// The facts that are known, of a key that may withdraw as well.
fn withdraws(known: &Inspection) -> KeyTold {
    let mut facts = serde_json::to_value(known).unwrap();
    facts["facts"]["rights"]["withdraw"] = json!("yes");
    KeyTold::Facts(facts)
}

/// The log cannot be told apart from before, nor anything else.
async fn changes_nothing(test: &TestApp, what: &str, does: impl AsyncFnOnce()) {
    // What agents say of themselves is written when there is time.
    let except = [SESSIONS, &["ack", "agent_boot", "agent_seen"]].concat();
    let tables = Tables::of(&test.fresh).await;
    let before = tables.digest(&except).await;
    does().await;
    let changed: Vec<String> =
        tables.digest(&except).await.into_iter().filter(|(name, digest)| before.get(name) != Some(digest)).map(|(name, _)| name).collect();
    assert!(changed.is_empty(), "{what}: {changed:?}");
}

on_both!(what_a_host_measured_is_compared_here_once_a_day_and_another_key_holds_the_bot, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let (key, bot, agent) = traded(&test, "arb-1").await;
    let (_, _, other) = traded(&test, "arb-2").await;
    let good = known(&test, &key).await;
    let due = || test.app.keys_answer(&agent.live(&test.app)).due.len();
    assert_eq!(due(), 0, "it was measured today");
    changes_nothing(&test, "too soon", async || tell(&test, &agent, &key, withdraws(&good)).await.unwrap()).await;
    assert!(!is_told(&test, &bot));
    test.hand.forward_ms(DAY_MS);
    assert_eq!(due(), 1);
    changes_nothing(&test, "another's", async || {
        assert!(matches!(tell(&test, &other, &key, withdraws(&good)).await, Err(AppError::NotFound("key"))));
    })
    .await;
    // Who measured, and when, is not for the host to say.
    let mut forged = serde_json::to_value(&good).unwrap();
    (forged["measured_by"], forged["measured_at"]) = (json!("master"), json!("2020-01-01T00:00:00Z"));
    tell(&test, &agent, &key, KeyTold::Facts(forged)).await.unwrap();
    let row = newest(&test, &key).await;
    assert_eq!((row.measured_by, row.measured_at), (Some(KeyMeasurer::Agent), Some(test.app.clock.now())));
    assert_eq!((row.verdict, row.attested_at.is_some(), row.state), (Some(KeyVerdict::Attest), true, KeyState::Active));
    let now = known(&test, &key).await;
    assert_eq!((now.measured_by, now.measured_at), (MeasuredBy::Own, test.app.clock.now()));
    assert_eq!(due(), 0);
    test.hand.forward_ms(DAY_MS);
    tell(&test, &agent, &key, withdraws(&good)).await.unwrap();
    assert_eq!(newest(&test, &key).await.verdict, Some(KeyVerdict::Differs));
    assert!(is_told(&test, &bot));
    let placed = holds(&test, &bot);
    assert!(placed.len() == 1 && placed[0].level == Level::Pause && placed[0].why.contains("it may withdraw"), "{placed:?}");
    test.log_is_good().await;
});

on_both!(whoever_asks_has_the_host_measure_before_the_day_is_over, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let (key, bot, agent) = traded(&test, "arb-1").await;
    let good = known(&test, &key).await;
    let due = || test.app.keys_answer(&agent.live(&test.app)).due.len();
    assert_eq!(due(), 0);
    test.app.measure_anew(&test.actor("operator"), &key, 1).await.unwrap();
    assert_eq!(due(), 1);
    tell(&test, &agent, &key, withdraws(&good)).await.unwrap();
    assert_eq!((due(), is_told(&test, &bot)), (0, true));
});

on_both!(what_a_host_makes_up_is_refused_and_what_says_nothing_changes_nothing, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let (key, bot, agent) = traded(&test, "arb-1").await;
    let good = serde_json::to_value(known(&test, &key).await).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut facts = good.clone();
        *facts.pointer_mut(pointer).unwrap() = value;
        KeyTold::Facts(facts)
    };
    let refused = |finding: &str| KeyTold::Refused { finding: finding.to_owned(), said: "no".to_owned() };
    test.hand.forward_ms(DAY_MS);
    changes_nothing(&test, "made up", async || {
        for told in [
            KeyTold::Facts(json!({"may": "all"})),
            KeyTold::Facts(Value::Null),
            with("/facts/rights/read", json!("canary")),
            with("/facts/ips", json!("canary")),
            with("/measured_by", json!("canary")),
            with("/facts/ips", json!({"only": ["everywhere"]})),
            with("/answer_sha256", json!("a".repeat(33_000))),
            with("/facts/unknown_words", json!(vec!["w".repeat(100); 400])),
            refused("canary"),
            refused(""),
        ] {
            let answered = tell(&test, &agent, &key, told.clone()).await;
            assert!(matches!(answered, Err(AppError::Invalid(_))), "{answered:?} of {told:?}");
            // What was put into the wrong field may be a secret.
            assert!(!why(answered).contains("canary"), "{told:?}");
        }
    })
    .await;
    changes_nothing(&test, "said nothing", async || {
        for told in [KeyTold::Nothing { said: "the venue is down\u{1b}[2J".to_owned() }, refused("ip_refused"), refused("clock_wrong")] {
            tell(&test, &agent, &key, told).await.unwrap();
        }
        let unknown = MeasuredKey { key_id: key.clone(), version: 2, told: refused("key_dead") };
        assert!(why(test.app.measured_elsewhere(&agent.live(&test.app), unknown).await).contains("no such key"));
    })
    .await;
    assert!(!is_told(&test, &bot) && holds(&test, &bot).is_empty());
    tell(&test, &agent, &key, KeyTold::Refused { finding: "key_dead".into(), said: "Invalid\u{1b} key".into() }).await.unwrap();
    assert_eq!(newest(&test, &key).await.verdict, Some(KeyVerdict::Differs));
    let placed = holds(&test, &bot);
    assert!(is_told(&test, &bot) && placed.len() == 1, "{placed:?}");
    assert!(placed[0].why.contains("key_dead") && placed[0].why.contains("Invalid key"), "{}", placed[0].why);
});

on_both!(a_frozen_log_keeps_what_a_host_measured_from_no_hold, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let (key, bot, agent) = traded(&test, "arb-1").await;
    let good = known(&test, &key).await;
    test.hand.forward_ms(DAY_MS);
    test.execute("UPDATE audit_log SET state = 'frozen'").await;
    assert!(why(tell(&test, &agent, &key, withdraws(&good)).await).contains("frozen"));
    assert_eq!((holds(&test, &bot).len(), is_told(&test, &bot)), (1, true));
});

on_both!(of_a_venue_that_nobody_can_ask_no_host_says_anything, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let (bybit, _, _) = traded(&test, "arb-1").await;
    let facts = serde_json::to_value(known(&test, &bybit).await).unwrap();
    let key = approved(&test, "arb-2", ("arb", "elsewhere"), "operator").await;
    let agent = test.app.agents().of_bot(&view(&test, &key).await.bot.id).unwrap();
    install(&test, "operator", &key, ("k", "s")).await.unwrap();
    attest(&test, "operator", &key).await.unwrap();
    test.hand.forward_ms(DAY_MS);
    assert!(test.app.keys_answer(&agent).due.is_empty());
    for told in [KeyTold::Facts(facts), KeyTold::Nothing { said: "down".into() }] {
        let said = MeasuredKey { key_id: key.clone(), version: 1, told };
        changes_nothing(&test, "it is answered for by a person", async || drop(test.app.measured_elsewhere(&agent, said).await)).await;
    }
    assert_eq!(newest(&test, &key).await.measured_by, Some(KeyMeasurer::Attested));
});

on_both!(what_was_answered_for_under_other_terms_is_open_again_and_goes_to_nobody_who_has_it_not, |fresh: Fresh| async move {
    let (test, _venue) = beside(fresh).await;
    let key = approved(&test, "arb-1", ("arb", "elsewhere"), "operator").await;
    let bot = view(&test, &key).await.bot;
    let agent = test.app.agents().of_bot(&bot.id).unwrap();
    install(&test, "operator", &key, ("k", "s")).await.unwrap();
    attest(&test, "operator", &key).await.unwrap();
    assert_eq!(test.app.keys_due(&agent, &Held::new()), [Due::Send(key.clone(), 1)]);
    let late = test.app.key_orders(&agent, Vec::new()).await;
    assert!(late.is_empty());
    let other = async |wanted: Wanted<'_>| {
        let request = test.app.ask_key(&test.actor("operator"), &bot.id, wanted, "other terms").await.unwrap();
        requests::approve(&test, "risk", &request).await.unwrap();
    };
    other(Wanted { rotate_days: "30", ..usual(KeyPurpose::Execution) }).await;
    assert!(newest(&test, &key).await.attested_at.is_some(), "how long it serves is nothing that anybody looked at");
    other(Wanted { ips: "203.0.113.9", rotate_days: "30", ..usual(KeyPurpose::Execution) }).await;
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.verdict, row.attested_at, row.attested_by), (KeyState::Measured, Some(KeyVerdict::Attest), None, None));
    let held = Held::from([(key.to_string(), 1)]);
    assert!(test.app.keys_due(&agent, &Held::new()).is_empty(), "it is not sent");
    assert!(test.app.key_orders(&agent, vec![Due::Send(key.clone(), 1)]).await.is_empty(), "nor is what was under way");
    assert!(test.app.keys_due(&agent, &held).is_empty(), "who has it goes on with it");
    attest(&test, "operator", &key).await.unwrap();
    assert_eq!(test.app.keys_due(&agent, &Held::new()), [Due::Send(key.clone(), 1)]);
    test.log_is_good().await;
});

on_both!(a_bot_that_trades_is_held_when_new_terms_make_its_key_another_one, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, trades());
    let (key, bot, agent) = traded(&test, "arb-1").await;
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    let wanted = Wanted { ips: "203.0.113.9", ..named(KeyPurpose::Execution) };
    let request = test.app.ask_key(&test.actor("operator"), &bot.id, wanted, "another host").await.unwrap();
    requests::approve(&test, "risk", &request).await.unwrap();
    assert_eq!(newest(&test, &key).await.verdict, Some(KeyVerdict::Differs));
    test.app.tend_keys(&mut before).await.unwrap();
    assert_eq!((holds(&test, &bot).len(), is_told(&test, &bot)), (1, true));
    let live = agent.live(&test.app);
    assert!(test.app.keys_due(&live, &Held::from([(key.to_string(), 1)])).is_empty(), "it is taken from nobody");
    assert!(test.app.keys_due(&live, &Held::new()).is_empty(), "and given to nobody");
});
