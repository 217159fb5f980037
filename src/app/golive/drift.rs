//! What runs, compared with what was approved: at every check-in, and every second for what nobody says (an item whose time is over, a key that is
//! gone). A bot that trades and differs is held at once, before anything of it is written; one that stands is not started until it is as approved.

use crate::app::{App, agent_book::LiveAgent, starts::Obstacle};
use crate::domain::{
    BotFacts, KeyPurpose, Level, PlacedBy, PlacerKind, Scope, Stage, State, Timestamp,
    golive::{Difference, OnDrift, Ran},
};
use crate::protocol::CheckIn;
use std::sync::Arc;

/// The trigger that holds a bot which is no longer what was approved.
pub const DRIFT: &str = "drift";

/// True where a bot trades live, and only what was approved runs.
pub fn is_bound(stage: Stage) -> bool {
    matches!(stage, Stage::Limited | Stage::Live)
}

impl App {
    /// Every difference between what was approved of a bot and what is in force. Below `limited` there is none.
    pub fn differences(&self, bot: &BotFacts, now: Timestamp) -> Vec<Difference> {
        if !is_bound(bot.stage) {
            return Vec::new();
        }
        let Some(run) = bot.run.as_ref().filter(|run| run.stage == bot.stage) else {
            let what = format!("Stage {}", bot.stage);
            return vec![Difference { what, approved: "nothing".into(), now: "in it".into(), is_grave: true }];
        };
        let mut all = run.differences(&self.in_force(bot), now);
        if let Some(caps) = &run.dossier.caps {
            let over = super::looks::over_caps(bot, caps).into_iter();
            all.extend(over.map(|words| Difference { what: "Caps".into(), approved: "kept".into(), now: words, is_grave: false }));
        }
        let seen = self.book.seen(&bot.id);
        let other = seen.iter().flat_map(|seen| seen.instances.iter()).filter(|one| one.ran != run.dossier.runs);
        all.extend(other.map(|one| difference_of(&one.name, &run.dossier.runs, &one.ran)));
        all
    }

    /// Holds a bot that trades and is no longer what was approved. Comes back once it is held.
    pub(crate) async fn watch_drift(self: &Arc<Self>, bot: &Arc<BotFacts>) {
        if !is_bound(bot.stage) || self.fleet.view().directive(bot).state == State::Halted {
            return;
        }
        let found = self.differences(bot, self.clock.now());
        if found.is_empty() {
            return;
        }
        let chosen = bot.run.as_ref().map_or(OnDrift::Pause, |run| run.dossier.on_drift);
        let is_grave = chosen == OnDrift::Pause || found.iter().any(|one| one.is_grave);
        let level = if is_grave { Level::Pause } else { Level::Reduce };
        let words: Vec<String> = found.iter().map(Difference::words).collect();
        let why = format!("it is not what was approved. {}", words.join("; "));
        let by = PlacedBy { kind: PlacerKind::Trigger, id: DRIFT.into(), name: DRIFT.into(), as_risk: false };
        self.place_by_rule(by, Scope::Bot(bot.id.clone()), level, &why).await;
    }

    /// Looks at what an agent has just said of its bot. True when it may be given a renewal for it: above `sandbox` only for a word that says all of
    /// what was approved.
    pub(crate) async fn still_as_approved(self: &Arc<Self>, agent: &LiveAgent, said: &CheckIn) -> bool {
        let Some(bot) = self.fleet.view().bot(&agent.bot).cloned() else { return false };
        if !is_bound(bot.stage) {
            return true;
        }
        self.watch_drift(&bot).await;
        says_enough(&bot, said)
    }

    /// The same of every bot: for what no agent says.
    pub async fn watch_all_drift(self: &Arc<Self>) {
        let view = self.fleet.view();
        for bot in view.bots().filter(|bot| is_bound(bot.stage)) {
            self.watch_drift(bot).await;
        }
    }

    /// What stands in the way of a start of a bot that is not what was approved.
    pub(crate) fn drift_obstacles(&self, bot: &BotFacts) -> Vec<Obstacle> {
        let who = "make it what was approved, or ask for another approval, on its go-live page";
        self.differences(bot, self.clock.now()).iter().map(|one| Obstacle::new(one.words(), who)).collect()
    }
}

fn difference_of(name: &str, approved: &Ran, ran: &Ran) -> Difference {
    let short = |ran: &Ran| format!("{} with {}", crate::domain::golive::short(&ran.build), crate::domain::golive::short(&ran.config));
    Difference { what: format!("Instance {name}"), approved: short(approved), now: short(ran), is_grave: true }
}

/// True for a check-in that says all that a bot which trades live must say (ruling H19): without it nothing could be compared.
fn says_enough(bot: &BotFacts, said: &CheckIn) -> bool {
    let key = bot.run.as_ref().and_then(|run| run.dossier.keys.get(&KeyPurpose::Execution));
    let has_key = key.is_none_or(|held| said.key_versions.contains_key(held.key.as_str()));
    said.build.is_some() && said.config.is_some() && said.limits_version.is_some() && has_key
}
