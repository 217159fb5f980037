//! The directive against the model's sentences: any history of any kind of fact, read in pieces of any size, comes to what a reader of the text
//! would say who knows the whole history and nothing of how it is kept.

use crate::harness::plain;
use andon::{
    domain::{
        BotFacts, BotId, Epoch, Exits, Hold, HoldId, Level, Orders, Scope, Stage, State, StopFact, StopKind, TeamId, Timestamp, UserId,
        hold::Release,
    },
    fleet::{View, view::Changes},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One thing that can happen. Bots, teams and holds are numbered, and taken modulo how many there are.
#[derive(Debug, Clone)]
enum Fact {
    Enrol {
        team: usize,
    },
    Place {
        scope: usize,
        level: Level,
        is_ours: bool,
    },
    /// Pressed while no database was there.
    Push {
        scope: usize,
        level: Level,
    },
    /// What was pushed is recorded.
    Merge,
    Release {
        hold: usize,
    },
    Stop {
        bot: usize,
        kind: StopKind,
    },
    Start {
        bot: usize,
    },
    Move {
        bot: usize,
        team: usize,
    },
    Stage {
        bot: usize,
        stage: Stage,
    },
    Waits {
        bot: usize,
        waits: bool,
    },
    Exits {
        bot: usize,
        exits: Exits,
    },
    /// The replica reads what came since.
    Read,
}

fn fact() -> impl Strategy<Value = Fact> {
    let level = || prop_oneof![Just(Level::Reduce), Just(Level::Pause), Just(Level::Kill)];
    let (kinds, stages) = (proptest::sample::select(StopKind::ALL), proptest::sample::select(Stage::ALL));
    prop_oneof![
        1 => (0..2_usize).prop_map(|team| Fact::Enrol { team }),
        3 => (0..6_usize, level(), any::<bool>()).prop_map(|(scope, level, is_ours)| Fact::Place { scope, level, is_ours }),
        1 => (0..6_usize, level()).prop_map(|(scope, level)| Fact::Push { scope, level }),
        1 => Just(Fact::Merge),
        3 => (0..8_usize).prop_map(|hold| Fact::Release { hold }),
        2 => (0..4_usize, kinds).prop_map(|(bot, kind)| Fact::Stop { bot, kind }),
        5 => (0..4_usize).prop_map(|bot| Fact::Start { bot }),
        2 => (0..4_usize, 0..2_usize).prop_map(|(bot, team)| Fact::Move { bot, team }),
        1 => (0..4_usize, stages).prop_map(|(bot, stage)| Fact::Stage { bot, stage }),
        1 => (0..4_usize, any::<bool>()).prop_map(|(bot, waits)| Fact::Waits { bot, waits }),
        1 => (0..4_usize, any::<bool>()).prop_map(|(bot, managed)| Fact::Exits { bot, exits: if managed { Exits::Managed } else { Exits::None } }),
        4 => Just(Fact::Read),
    ]
}

/// Everything that ever happened, and the view of one replica.
struct History {
    epoch: i64,
    teams: Vec<TeamId>,
    bots: Vec<BotFacts>,
    holds: Vec<Hold>,
    pushed: Vec<Hold>,
    kept: Vec<(HoldId, BotId)>,
    /// Which holds ever covered which bots.
    covered: BTreeSet<(HoldId, BotId)>,
    view: View,
}

impl History {
    fn new() -> Self {
        Self {
            epoch: 1,
            teams: (0..2).map(|n| TeamId::from_stored(format!("team {n}"))).collect(),
            bots: Vec::new(),
            holds: Vec::new(),
            pushed: Vec::new(),
            kept: Vec::new(),
            covered: BTreeSet::new(),
            view: View::default(),
        }
    }

    fn take_epoch(&mut self) -> Epoch {
        self.epoch += 1;
        Epoch(self.epoch)
    }

    fn scope(&self, n: usize) -> Scope {
        match n {
            0 | 1 => Scope::Fleet,
            2 | 3 => Scope::Team(self.teams[n - 2].clone()),
            _ => self.bots.get(n - 4).map_or(Scope::Fleet, |bot| Scope::Bot(bot.id.clone())),
        }
    }

    fn hold(&self, scope: usize, level: Level, epoch: Epoch) -> Hold {
        let id = HoldId::from_stored(format!("hold {}", self.holds.len() + self.pushed.len()));
        Hold { id, ..plain::hold(self.scope(scope), level, epoch.0) }
    }

    /// Changes a bot, with an epoch of its own.
    fn edit(&mut self, bot: usize, change: impl FnOnce(&mut BotFacts, Epoch)) {
        if self.bots.is_empty() {
            return;
        }
        let epoch = self.take_epoch();
        let count = self.bots.len();
        let bot = &mut self.bots[bot % count];
        bot.fact_epoch = epoch;
        change(bot, epoch);
    }

    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Enrol { team } => {
                let epoch = self.take_epoch();
                let id = BotId::from_stored(format!("bot {}", self.bots.len()));
                let bot = BotFacts { id, team: self.teams[team].clone(), fact_epoch: epoch, ..plain::bot() };
                self.bots.push(bot);
            }
            Fact::Place { scope, level, is_ours } => {
                let epoch = self.take_epoch();
                let hold = self.hold(scope, level, epoch);
                if is_ours {
                    self.view = self.view.with_hold(hold.clone());
                }
                self.holds.push(hold);
            }
            Fact::Push { scope, level } => {
                let (view, hold) = self.view.with_unrecorded(self.hold(scope, level, Epoch(0)));
                self.view = view;
                self.pushed.push(hold);
            }
            Fact::Merge => {
                for mut hold in std::mem::take(&mut self.pushed) {
                    self.epoch = self.epoch.max(hold.epoch.0);
                    hold.epoch = self.take_epoch();
                    self.view = self.view.with_hold(hold.clone());
                    self.holds.push(hold);
                }
            }
            Fact::Release { hold } => {
                let epoch = self.take_epoch();
                if let Some(hold) = self.holds.iter_mut().filter(|hold| hold.is_open()).nth(hold) {
                    let by = UserId::from_stored("lead".into());
                    hold.released = Some(Release { epoch, at: Timestamp(0), by, why: String::new() });
                }
            }
            Fact::Stop { bot, kind } => {
                self.edit(bot, |bot, epoch| bot.stop = Some(StopFact { epoch, kind, why: String::new(), at: Timestamp(0) }));
            }
            Fact::Start { bot } => self.edit(bot, |bot, epoch| bot.start_epoch = epoch),
            // Nobody moves a bot while there is no database; a move is a stop.
            Fact::Move { bot, team } if self.pushed.is_empty() => {
                let team = self.teams[team].clone();
                self.edit(bot, |bot, epoch| {
                    bot.team = team;
                    bot.stop = Some(StopFact { epoch, kind: StopKind::Stage, why: String::new(), at: Timestamp(0) });
                });
                self.keep_covered();
            }
            Fact::Move { .. } => {}
            Fact::Stage { bot, stage } => self.edit(bot, |bot, epoch| {
                bot.stage = stage;
                bot.stop = Some(StopFact { epoch, kind: StopKind::Stage, why: String::new(), at: Timestamp(0) });
            }),
            Fact::Waits { bot, waits } => self.edit(bot, |bot, _| bot.limits_waiting = waits),
            Fact::Exits { bot, exits } => self.edit(bot, |bot, _| bot.exits = exits),
            Fact::Read => self.read(),
        }
        for hold in self.holds.iter().chain(&self.pushed).filter(|hold| hold.is_open()) {
            let covers = self.bots.iter().filter(|bot| hold.scope.covers(bot));
            self.covered.extend(covers.map(|bot| (hold.id.clone(), bot.id.clone())));
        }
    }

    /// What the transaction of a move writes: a bot that left a scope under an open hold stays covered.
    fn keep_covered(&mut self) {
        for hold in self.holds.iter().filter(|hold| hold.is_open()) {
            for bot in self.bots.iter().filter(|bot| !hold.scope.covers(bot)) {
                let pair = (hold.id.clone(), bot.id.clone());
                if self.covered.contains(&pair) && !self.kept.contains(&pair) {
                    self.kept.push(pair);
                }
            }
        }
    }

    fn read(&mut self) {
        let since = self.view.read_epoch;
        let changes = Changes {
            epoch: Epoch(self.epoch),
            bots: self.bots.iter().filter(|bot| bot.fact_epoch > since).cloned().collect(),
            holds: self.holds.iter().filter(|hold| hold.touched() > since).cloned().collect(),
            kept: self.kept.clone(),
        };
        self.view = self.view.with(changes, Timestamp(self.epoch));
    }

    /// What the model's text says of a bot.
    fn said(&self, bot: &BotFacts) -> (Epoch, State, Orders, Exits, bool, BTreeSet<HoldId>) {
        let ever = || self.holds.iter().chain(&self.pushed).filter(|hold| self.covered.contains(&(hold.id.clone(), bot.id.clone())));
        let open = || ever().filter(|hold| hold.is_open());
        let stop = bot.stop.as_ref().map_or(0, |stop| stop.epoch.0);
        let stopped_at = ever().filter(|hold| hold.level >= Level::Pause).map(|hold| hold.touched().0).fold(stop, i64::max);
        let level = open().map(|hold| hold.level).max();
        let is_asleep = matches!(bot.stage, Stage::Draft | Stage::Retired);
        let is_stopped = bot.start_epoch.0 <= stopped_at;
        let state = if is_asleep || is_stopped || level >= Some(Level::Pause) {
            State::Halted
        } else if level == Some(Level::Reduce) || bot.limits_waiting {
            State::Reducing
        } else {
            State::Active
        };
        let is_killed = level == Some(Level::Kill);
        let orders = match state {
            _ if is_killed => Orders::CancelAll,
            State::Active => Orders::Keep,
            _ => Orders::CancelEntries,
        };
        let exits = if is_killed || is_asleep { Exits::None } else { bot.exits };
        let touched = ever().map(|hold| hold.touched().0).fold(bot.fact_epoch.0, i64::max);
        (Epoch(touched), state, orders, exits, is_killed, open().map(|hold| hold.id.clone()).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_history_comes_to_what_the_text_says(facts in proptest::collection::vec(fact(), 1..60)) {
        let mut history = History::new();
        history.take(Fact::Enrol { team: 0 });
        for fact in facts {
            let reads = matches!(fact, Fact::Read);
            history.take(fact.clone());
            if !reads {
                continue;
            }
            prop_assert_eq!(history.view.bot_count(), history.bots.len());
            for bot in &history.bots {
                let seen = history.view.bot(&bot.id).unwrap();
                let now = history.view.directive(seen);
                let (epoch, state, orders, exits, drop_keys, holds) = history.said(bot);
                prop_assert_eq!((now.state, now.orders, now.exits, now.drop_keys), (state, orders, exits, drop_keys), "{:?}", bot);
                prop_assert_eq!(now.holds.iter().cloned().collect::<BTreeSet<_>>(), holds);
                // Holds of a team that ended before the bot came count into its epoch, never beyond that of its coming.
                prop_assert!(now.epoch >= epoch);
                prop_assert_eq!(now.reasons.is_empty(), now.state == State::Active, "whatever is not active says why");
            }
        }
    }
}
