//! Drift: a key in use that its venue says to be another one is told of, and its bot held as was approved with the key; once, whatever the log or
//! the database do, and not again after people have released it. Other terms are held against what is known already.

use super::{OWN, beside, named, reads, trades};
use crate::{
    harness::{
        app::TestApp,
        db::{Fresh, on_both},
        exchange_keys::{approved_as, attest, install, newest, seated},
        tables::{SESSIONS, Tables},
    },
    requests,
    venues::{but, fake::Answer},
};
use andon::{
    app::{
        acts::Outcome,
        keys::{ask::Wanted, drift::DRIFT},
    },
    domain::{
        AlertKind, BotFacts, Hold, KeyId, KeyPurpose, Level, PlacerKind, Subject,
        key::{KeyMeasurer, KeyState, KeyVerdict},
        time::DAY_MS,
    },
};
use std::sync::Arc;

/// A key that the server itself reads a new bot's account with, in use.
async fn held(test: &TestApp, name: &str, wanted: Wanted<'_>) -> (KeyId, BotFacts) {
    let bot = seated(test, name, ("arb", "bybit")).await;
    let key = approved_as(test, &bot, wanted, "operator").await;
    install(test, "operator", &key, (&format!("key-of-{name}"), "s")).await.unwrap();
    attest(test, "operator", &key).await.unwrap();
    assert_eq!(newest(test, &key).await.state, KeyState::Active);
    (key, bot)
}

/// The holds that drift has placed on a bot and nobody has released.
pub fn holds(test: &TestApp, bot: &BotFacts) -> Vec<Arc<Hold>> {
    let view = test.app.fleet.view();
    let is_its = |hold: &&Arc<Hold>| hold.placed_by.kind == PlacerKind::Trigger && hold.placed_by.id == DRIFT && view.covers(hold, bot);
    view.open_holds().filter(is_its).cloned().collect()
}

fn levels(test: &TestApp, bot: &BotFacts) -> Vec<Level> {
    holds(test, bot).iter().map(|hold| hold.level).collect()
}

/// Two people have looked.
async fn released(test: &TestApp, hold: &Hold) {
    let released = test.release(&hold.id, &["operator", "lead"]).await.unwrap();
    assert!(!matches!(released, Outcome::Waits), "{released:?}");
}

pub fn is_told(test: &TestApp, bot: &BotFacts) -> bool {
    test.app.alerts.is_open(AlertKind::KeyDrift, &Subject::bot(&bot.id))
}

/// A day passes, and what is due is measured.
async fn a_day_later(test: &TestApp) {
    test.hand.forward_ms(DAY_MS);
    test.app.measure_daily(&mut Default::default()).await;
}

on_both!(a_key_in_use_that_is_another_by_now_holds_its_bot_once_and_not_again_after_a_release, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let mut before = Default::default();
    for (name, (this, that), said) in [
        ("arb-right", ("\"readOnly\":1", "\"readOnly\":0"), "it may trade, which monitor does not take"),
        ("arb-moves", ("\"203.0.113.7\"", "\"203.0.113.7\",\"203.0.113.8\""), "it works from 203.0.113.7/32, 203.0.113.8/32"),
        ("arb-word", ("\"Wallet\":[]", "\"Wallet\":[\"Beam\"]"), "words for its rights that are new here: Wallet:Beam"),
    ] {
        venue.only(OWN, reads());
        let (key, bot) = held(&test, name, named(KeyPurpose::Monitor)).await;
        test.app.tend_keys(&mut before).await.unwrap();
        a_day_later(&test).await;
        assert!(!is_told(&test, &bot) && holds(&test, &bot).is_empty(), "{name}: it is what was approved");
        venue.only(OWN, but(&reads(), this, that));
        test.app.measure_daily(&mut Default::default()).await;
        assert!(!is_told(&test, &bot), "{name}: once a day is enough");
        a_day_later(&test).await;
        let row = newest(&test, &key).await;
        assert_eq!((row.verdict, row.measured_at), (Some(KeyVerdict::Differs), Some(test.app.clock.now())), "{name}");
        assert!(is_told(&test, &bot), "{name}");
        let placed = holds(&test, &bot);
        assert!(placed.len() == 1 && placed[0].level == Level::Pause && placed[0].why.contains(said), "{name}: {placed:?}");
        for _ in 0..2 {
            test.app.tend_keys(&mut before).await.unwrap();
            assert_eq!(levels(&test, &bot), [Level::Pause], "{name}: once");
        }
        released(&test, &placed[0]).await;
        for _ in 0..2 {
            test.app.tend_keys(&mut before).await.unwrap();
        }
        assert!(holds(&test, &bot).is_empty(), "{name}: people have looked");
        assert!(is_told(&test, &bot), "{name}: it goes on");
        venue.only(OWN, reads());
        a_day_later(&test).await;
        test.app.tend_keys(&mut before).await.unwrap();
        assert!(!is_told(&test, &bot), "{name}: it was made right at the venue");
    }
    test.log_is_good().await;
});

on_both!(a_release_before_the_next_look_is_not_undone_by_it, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    let (_, bot) = held(&test, "arb-1", named(KeyPurpose::Monitor)).await;
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    venue.only(OWN, but(&reads(), "\"readOnly\":1", "\"readOnly\":0"));
    a_day_later(&test).await;
    let placed = holds(&test, &bot);
    released(&test, &placed[0]).await;
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(holds(&test, &bot).is_empty(), "what was found is known, and people have answered");
});

on_both!(what_was_approved_with_the_key_is_what_drift_does, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    let mut bots = Vec::new();
    for (name, on_drift, level) in [("arb-told", "tell", None), ("arb-reduced", "reduce", Some(Level::Reduce))] {
        bots.push((held(&test, name, Wanted { on_drift, ..named(KeyPurpose::Monitor) }).await.1, level));
    }
    venue.only(OWN, but(&reads(), "\"readOnly\":1", "\"readOnly\":0"));
    a_day_later(&test).await;
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    for (bot, level) in &bots {
        assert!(is_told(&test, bot), "{}", bot.name);
        assert_eq!(levels(&test, bot), level.iter().copied().collect::<Vec<_>>(), "{}", bot.name);
    }
});

on_both!(a_venue_that_says_nothing_changes_nothing_until_nobody_knows_for_three_days, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    let (_, bot) = held(&test, "arb-1", named(KeyPurpose::Monitor)).await;
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    let tables = Tables::of(&test.fresh).await;
    // When an agent was heard last is written a moment after it spoke.
    let except = [SESSIONS, &["agent_seen"]].concat();
    let digest = tables.digest(&except).await;
    let unmeasured = || test.app.alerts.is_open(AlertKind::KeyUnmeasured, &Subject::bot(&bot.id));
    for answer in
        [Answer::of(503, ""), Answer::of(502, "<html>"), Answer::from("{\"retCode\":10006,\"retMsg\":\"Too many.\",\"result\":{}}")]
    {
        assert!(!unmeasured());
        venue.only(OWN, answer);
        venue.seen();
        a_day_later(&test).await;
        assert!(!venue.seen().is_empty(), "it was asked");
        test.app.tend_keys(&mut before).await.unwrap();
        assert!(!is_told(&test, &bot) && holds(&test, &bot).is_empty());
        assert_eq!(digest, tables.digest(&except).await);
    }
    assert!(unmeasured(), "three days");
    venue.only(OWN, reads());
    test.app.measure_daily(&mut Default::default()).await;
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(!unmeasured());
});

on_both!(a_venue_that_is_down_is_not_asked_every_minute, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    held(&test, "arb-1", named(KeyPurpose::Monitor)).await;
    venue.only(OWN, "{\"retCode\":10016,\"retMsg\":\"Server error.\",\"result\":{}}");
    test.hand.forward_ms(DAY_MS);
    let mut before = Default::default();
    test.app.measure_daily(&mut before).await;
    venue.seen();
    test.hand.forward_ms(60_000);
    test.app.measure_daily(&mut before).await;
    assert!(venue.seen().is_empty(), "a minute later");
    test.hand.forward_ms(15 * 60_000);
    test.app.measure_daily(&mut before).await;
    assert!(!venue.seen().is_empty(), "a quarter of an hour later");
});

on_both!(whoever_asks_has_a_key_measured_before_its_day_is_over, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    let (key, bot) = held(&test, "arb-1", named(KeyPurpose::Monitor)).await;
    let mut before = Default::default();
    venue.only(OWN, but(&reads(), "\"readOnly\":1", "\"readOnly\":0"));
    test.app.measure_daily(&mut before).await;
    assert!(!is_told(&test, &bot), "its day is not over");
    for (who, may) in [("operator", true), ("grid lead", false), ("auditor", false), ("risk", true)] {
        assert_eq!(test.app.measure_anew(&test.actor(who), &key, 1).await.is_ok(), may, "{who}");
    }
    assert!(newest(&test, &key).await.asked_at.is_some());
    venue.only(OWN, Answer::of(503, ""));
    test.app.measure_daily(&mut before).await;
    assert!(newest(&test, &key).await.asked_at.is_some(), "a venue that is down has not answered");
    venue.only(OWN, but(&reads(), "\"readOnly\":1", "\"readOnly\":0"));
    test.app.measure_daily(&mut before).await;
    assert!(!is_told(&test, &bot), "it was tried a moment ago");
    test.hand.forward_ms(1_000);
    test.app.measure_anew(&test.actor("lead"), &key, 1).await.unwrap();
    test.app.measure_daily(&mut before).await;
    assert!(is_told(&test, &bot) && levels(&test, &bot) == [Level::Pause], "somebody asked since");
    assert_eq!(newest(&test, &key).await.asked_at, None, "once");
    test.app.end_key(&test.actor("lead"), &key, "over").await.unwrap();
    assert!(test.app.measure_anew(&test.actor("lead"), &key, 1).await.unwrap_err().to_string().contains("nobody can measure"));
    test.log_is_good().await;
});

on_both!(a_venue_that_was_down_when_a_key_was_handed_in_is_asked_again, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    let bot = seated(&test, "arb-1", ("arb", "bybit")).await;
    let key = approved_as(&test, &bot, named(KeyPurpose::Guard), "operator").await;
    venue.only(OWN, Answer::of(503, ""));
    install(&test, "operator", &key, ("key-of-arb-1", "s")).await.unwrap();
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.verdict), (KeyState::Installed, Some(KeyVerdict::Unknown)));
    venue.only(OWN, trades());
    a_day_later(&test).await;
    assert_eq!(newest(&test, &key).await.verdict, Some(KeyVerdict::Unknown), "what is not in use is not measured by itself");
    test.app.measure_anew(&test.actor("operator"), &key, 1).await.unwrap();
    test.app.measure_daily(&mut Default::default()).await;
    let row = newest(&test, &key).await;
    assert_eq!((row.state, row.verdict, row.asked_at), (KeyState::Installed, Some(KeyVerdict::Attest), None));
    attest(&test, "operator", &key).await.unwrap();
    assert_eq!(newest(&test, &key).await.state, KeyState::Active);
});

on_both!(a_frozen_log_keeps_no_drift_from_holding_the_bot, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    let (key, bot) = held(&test, "arb-1", named(KeyPurpose::Monitor)).await;
    venue.only(OWN, but(&reads(), "\"readOnly\":1", "\"readOnly\":0"));
    test.execute("UPDATE audit_log SET state = 'frozen'").await;
    a_day_later(&test).await;
    assert_eq!(levels(&test, &bot), [Level::Pause]);
    assert!(is_told(&test, &bot));
    assert_eq!(newest(&test, &key).await.verdict, Some(KeyVerdict::Attest), "the row follows once the log takes entries");
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert!(is_told(&test, &bot), "that it could not be written down is no reason to fall silent");
    a_day_later(&test).await;
    assert_eq!(levels(&test, &bot), [Level::Pause], "once");
    test.execute("UPDATE audit_log SET state = 'open'").await;
    a_day_later(&test).await;
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert_eq!((newest(&test, &key).await.verdict, is_told(&test, &bot)), (Some(KeyVerdict::Differs), true));
    venue.only(OWN, reads());
    a_day_later(&test).await;
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert!(!is_told(&test, &bot));
});

/// Other terms of the same key are asked for and approved.
async fn other_terms(test: &TestApp, bot: &BotFacts, wanted: Wanted<'_>) {
    let request = test.app.ask_key(&test.actor("operator"), &bot.id, wanted, "other terms").await.unwrap();
    requests::approve(test, "risk", &request).await.unwrap();
}

on_both!(a_key_that_new_terms_make_another_one_holds_its_bot_once, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, but(&reads(), "\"203.0.113.7\"", "\"203.0.113.7\",\"203.0.113.8\""));
    let wide = Wanted { ips: "203.0.113.7 203.0.113.8", ..named(KeyPurpose::Monitor) };
    let (key, bot) = held(&test, "arb-1", wide).await;
    let mut before = Default::default();
    test.app.tend_keys(&mut before).await.unwrap();
    other_terms(&test, &bot, Wanted { rotate_days: "30", ..wide }).await;
    let row = newest(&test, &key).await;
    assert_eq!((row.verdict, row.attested_at.is_some()), (Some(KeyVerdict::Attest), true), "what was answered for is what it was");
    venue.seen();
    let measured_at = row.measured_at;
    other_terms(&test, &bot, named(KeyPurpose::Monitor)).await;
    let row = newest(&test, &key).await;
    assert_eq!((row.verdict, row.measured_by, row.measured_at), (Some(KeyVerdict::Differs), Some(KeyMeasurer::Server), measured_at));
    assert!(venue.seen().is_empty(), "nobody was asked anew");
    for _ in 0..2 {
        test.app.tend_keys(&mut before).await.unwrap();
        assert!(is_told(&test, &bot));
        assert_eq!(levels(&test, &bot), [Level::Pause]);
    }
    released(&test, &holds(&test, &bot)[0]).await;
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(holds(&test, &bot).is_empty());
    // Whoever approved it makes the key narrower at the venue.
    venue.only(OWN, reads());
    a_day_later(&test).await;
    test.app.tend_keys(&mut before).await.unwrap();
    assert!(!is_told(&test, &bot));
});

on_both!(other_terms_make_no_peace_with_words_that_nobody_knows, |fresh: Fresh| async move {
    let (test, venue) = beside(fresh).await;
    venue.only(OWN, reads());
    let (key, bot) = held(&test, "arb-1", named(KeyPurpose::Monitor)).await;
    venue.only(OWN, but(&reads(), "\"Wallet\":[]", "\"Wallet\":[\"Beam\"]"));
    a_day_later(&test).await;
    other_terms(&test, &bot, Wanted { rotate_days: "30", ..named(KeyPurpose::Monitor) }).await;
    assert_eq!(newest(&test, &key).await.verdict, Some(KeyVerdict::Differs));
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert!(is_told(&test, &bot), "it is not settled by asking for something else");
});
