//! Property tests of the directive: random histories of holds, releases, stops and starts against the model's sentences.

use super::*;
use crate::domain::{
    Scope, StopFact, StopKind, UserId,
    hold::Release,
    samples::{self, bot},
};
use proptest::prelude::*;

/// One thing that can happen to a bot.
#[derive(Debug, Clone)]
enum Event {
    Place(Level),
    Release(usize),
    Stop,
    Start,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        prop_oneof![Just(Level::Reduce), Just(Level::Pause), Just(Level::Kill)].prop_map(Event::Place),
        (0usize..6).prop_map(Event::Release),
        Just(Event::Stop),
        Just(Event::Start),
    ]
}

fn hold(level: Level, epoch: Epoch) -> Hold {
    samples::hold(Scope::Fleet, level, epoch.0)
}

fn cover(holds: &[Hold]) -> Cover<'_> {
    Cover {
        open: holds.iter().filter(|h| h.is_open()).collect(),
        latched: holds.iter().filter(|h| h.level.latches()).map(Hold::touched).max().unwrap_or_default(),
        touched: holds.iter().map(Hold::touched).max().unwrap_or_default(),
    }
}

proptest! {
    /// Invariant 1: active only with a start newer than every stop, and never under a hold; the epoch never falls.
    #[test]
    fn no_path_to_active_but_a_newer_start(events in proptest::collection::vec(event(), 0..40)) {
        let (mut bot, mut holds, mut epoch) = (bot(), Vec::<Hold>::new(), Epoch(1));
        let (mut last_start, mut last_stop, mut seen) = (Epoch(0), Epoch(0), Epoch(0));
        let mut was = State::Halted;
        for event in events {
            epoch = epoch.next();
            let started = matches!(event, Event::Start);
            match event {
                Event::Place(level) => {
                    holds.push(hold(level, epoch));
                    if level.latches() { last_stop = epoch; }
                }
                Event::Release(n) => {
                    if let Some(h) = holds.iter_mut().filter(|h| h.is_open()).nth(n) {
                        h.released = Some(Release { epoch, at: Timestamp(0), by: UserId::new(), why: String::new() });
                        if h.level.latches() { last_stop = epoch; }
                    }
                }
                Event::Stop => {
                    bot.stop = Some(StopFact { epoch, kind: StopKind::Lapse, why: String::new(), at: Timestamp(0) });
                    last_stop = epoch;
                }
                Event::Start => { bot.start_epoch = epoch; last_start = epoch; }
            }
            let now = directive(&bot, &cover(&holds));
            let strictest = holds.iter().filter(|h| h.is_open()).map(|h| h.level).max();
            prop_assert!(now.epoch >= seen, "the epoch of a bot never falls");
            seen = now.epoch;
            if was == State::Halted && now.state != State::Halted {
                prop_assert!(started, "only a start leads out of halted");
            }
            match strictest {
                Some(Level::Pause | Level::Kill) => prop_assert_eq!(now.state, State::Halted),
                Some(Level::Reduce) => prop_assert_ne!(now.state, State::Active),
                None => prop_assert_eq!(now.state == State::Active, last_start > last_stop),
            }
            prop_assert_eq!(now.reasons.is_empty(), now.state == State::Active, "whatever is not active says why");
            prop_assert_eq!(now.drop_keys, strictest == Some(Level::Kill));
            was = now.state;
        }
    }
}

#[test]
fn a_released_reduce_gives_back_what_was_there() {
    let mut bot = bot();
    bot.start_epoch = Epoch(2);
    let mut reduce = hold(Level::Reduce, Epoch(3));
    assert_eq!(directive(&bot, &cover(std::slice::from_ref(&reduce))).state, State::Reducing);
    reduce.released = Some(Release { epoch: Epoch(4), at: Timestamp(0), by: UserId::new(), why: String::new() });
    let now = directive(&bot, &cover(&[reduce]));
    assert_eq!((now.state, now.orders, now.epoch), (State::Active, Orders::Keep, Epoch(4)));
}

#[test]
fn a_draft_is_halted_whatever_was_signed() {
    let mut bot = bot();
    bot.start_epoch = Epoch(9);
    bot.stage = Stage::Draft;
    let now = directive(&bot, &Cover::default());
    assert_eq!((now.state, now.exits), (State::Halted, Exits::None));
    assert_eq!(now.reasons.first().map(|r| r.kind), Some("stage"));
}

#[test]
fn a_tightening_that_waits_reduces() {
    let mut bot = bot();
    bot.start_epoch = Epoch(9);
    bot.limits_waiting = true;
    assert_eq!(directive(&bot, &Cover::default()).state, State::Reducing);
}
