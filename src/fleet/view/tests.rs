//! The snapshot against the model's sentences about scopes, unrecorded holds and bots that move.

use super::*;
use crate::domain::{
    Level, State, TeamId, UserId,
    hold::Release,
    samples::{self, hold},
};

fn bot(team: &TeamId, epoch: i64) -> BotFacts {
    BotFacts { team: team.clone(), start_epoch: Epoch(epoch), fact_epoch: Epoch(epoch), ..samples::bot() }
}

fn fleet(bots: &[BotFacts]) -> Fleet {
    let fleet = Fleet::new(Clock::from_fn(|| Timestamp(0)));
    fleet.take(Changes { epoch: Epoch(10), bots: bots.to_vec(), ..Changes::default() });
    fleet
}

#[test]
fn a_team_hold_stops_its_team_and_nobody_else() {
    let (a, b) = (TeamId::new(), TeamId::new());
    let (one, two) = (bot(&a, 5), bot(&b, 5));
    let fleet = fleet(&[one.clone(), two.clone()]);
    fleet.take_hold(hold(Scope::Team(a), Level::Pause, 11));
    let view = fleet.view();
    assert_eq!(view.directive(&one).state, State::Halted);
    assert_eq!(view.directive(&two).state, State::Active);
    assert_eq!(view.directive(&two).epoch, Epoch(5), "a fact elsewhere does not touch a bot's epoch");
}

#[test]
fn a_bot_enrolled_later_is_covered_by_a_fleet_hold() {
    let team = TeamId::new();
    let fleet = fleet(&[]);
    fleet.take_hold(hold(Scope::Fleet, Level::Pause, 11));
    let late = bot(&team, 99);
    fleet.take(Changes { epoch: Epoch(99), bots: vec![late.clone()], ..Changes::default() });
    assert_eq!(fleet.view().directive(&late).state, State::Halted);
}

#[test]
fn a_bot_that_moves_away_takes_the_hold_along() {
    let (a, b) = (TeamId::new(), TeamId::new());
    let mut moved = bot(&a, 5);
    let fleet = fleet(std::slice::from_ref(&moved));
    let held = hold(Scope::Team(a), Level::Pause, 11);
    fleet.take_hold(held.clone());
    moved.team = b;
    fleet.take(Changes { epoch: Epoch(12), bots: vec![moved.clone()], holds: vec![], kept: vec![(held.id.clone(), moved.id.clone())] });
    assert_eq!(fleet.view().directive(&moved).state, State::Halted);
    let mut ended = held;
    ended.released = Some(Release { epoch: Epoch(13), at: Timestamp(0), by: UserId::new(), why: String::new() });
    fleet.take_hold(ended);
    let now = fleet.view().directive(&moved);
    assert_eq!((now.state, now.epoch), (State::Halted, Epoch(13)), "released, yet latched: it needs a start");
    moved.start_epoch = Epoch(14);
    fleet.take(Changes { epoch: Epoch(14), bots: vec![moved.clone()], holds: vec![], kept: fleet_kept(&fleet) });
    assert_eq!(fleet.view().directive(&moved).state, State::Active);
}

fn fleet_kept(fleet: &Fleet) -> Vec<(HoldId, BotId)> {
    let view = fleet.view();
    view.kept.iter().flat_map(|(bot, holds)| holds.iter().map(|hold| (hold.clone(), bot.clone()))).collect()
}

#[test]
fn an_unrecorded_hold_stops_at_once_and_is_the_same_hold_once_recorded() {
    let team = TeamId::new();
    let one = bot(&team, 5);
    let fleet = fleet(std::slice::from_ref(&one));
    let pressed = fleet.push_unrecorded(hold(Scope::Fleet, Level::Pause, 0));
    assert_eq!(pressed.epoch, Epoch(11), "one more than the highest known");
    assert_eq!(fleet.view().directive(&one).state, State::Halted);
    assert_eq!(fleet.view().unrecorded().len(), 1);
    let again = fleet.push_unrecorded(pressed.clone());
    assert_eq!((again.epoch, fleet.view().unrecorded().len()), (Epoch(11), 1), "the same hold once");
    let mut recorded = pressed;
    recorded.epoch = Epoch(12);
    recorded.late = true;
    fleet.take_hold(recorded);
    let view = fleet.view();
    assert_eq!((view.unrecorded().len(), view.open_holds().count()), (0, 1));
    assert_eq!(view.directive(&one).epoch, Epoch(12));
}

#[test]
fn what_is_known_already_wakes_nobody() {
    let team = TeamId::new();
    let one = bot(&team, 5);
    let fleet = fleet(std::slice::from_ref(&one));
    let (open, ended) = (hold(Scope::Fleet, Level::Pause, 11), hold(Scope::Fleet, Level::Reduce, 12));
    let ended = Hold { released: Some(Release { epoch: Epoch(13), at: Timestamp(0), by: UserId::new(), why: String::new() }), ..ended };
    fleet.take_hold(open.clone());
    fleet.take_hold(ended.clone());
    let mut news = fleet.subscribe();
    let read = |holds: Vec<Hold>| Changes { epoch: Epoch(13), bots: vec![one.clone()], holds, kept: vec![] };
    fleet.take(read(vec![open.clone(), ended.clone()]));
    assert!(!news.has_changed().unwrap(), "both were known");
    assert_eq!(fleet.view().read_epoch, Epoch(13));
    let later = Release { epoch: Epoch(14), at: Timestamp(0), by: UserId::new(), why: String::new() };
    fleet.take(read(vec![Hold { released: Some(later), ..open }, ended]));
    assert!(news.has_changed().unwrap(), "a release is news");
    assert_eq!(fleet.view().open_holds().count(), 0);
    news.mark_unchanged();
    let pushed = fleet.push_unrecorded(hold(Scope::Fleet, Level::Pause, 0));
    news.mark_unchanged();
    fleet.take(read(vec![pushed]));
    assert!(news.has_changed().unwrap() && fleet.view().unrecorded().is_empty(), "that it is recorded now is news");
}
