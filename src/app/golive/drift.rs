//! What runs, compared with what was approved: at every check-in what an agent says, and every second what nobody says (an item whose time is over,
//! a key that is gone). A bot that trades and differs is held at once, before anything of it is written; one that stands is not started until it
//! is as approved. An item whose time is over is looked at again first: whoever has answered for it anew, or has run another drill, is heard.

use crate::app::{App, AppError, agent_book::LiveAgent, starts::Obstacle};
use crate::domain::{
    ApprovedRun, BotFacts, BotId, KeyPurpose, Level, PlacedBy, PlacerKind, Scope, Stage, State, Timestamp,
    golive::{Difference, OnDrift, Ran, Standing},
    time::DAY_MS,
};
use crate::protocol::CheckIn;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The trigger that holds a bot which is no longer what was approved.
pub const DRIFT: &str = "drift";
/// How soon what was found to be over is looked at again.
const AGAIN_MS: i64 = 10_000;

/// What was looked at again once its time was over. Memory only: after a restart it is looked at once more.
#[derive(Debug, Default)]
pub struct DriftBook(Mutex<HashMap<BotId, Looked>>);

#[derive(Debug, Default)]
struct Looked {
    at: Timestamp,
    over: Vec<String>,
    // Until when an item holds by what was said of it later.
    until: HashMap<String, Timestamp>,
}

impl DriftBook {
    fn with<T>(&self, bot: &BotId, change: impl FnOnce(&mut Looked) -> T) -> T {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(bot.clone()).or_default())
    }
}

/// True where a bot trades live, and only what was approved runs.
pub fn is_bound(stage: Stage) -> bool {
    matches!(stage, Stage::Limited | Stage::Live)
}

/// What of a bot is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    // What its agent has just said, beside what memory knows.
    CheckIn,
    // What nobody says. What it runs is the word of an agent to one replica, and the others hear of it later.
    Clock,
    // All of it, for people.
    Page,
}

impl App {
    /// Every difference between what was approved of a bot and what is in force. Below `limited` there is none.
    pub fn differences(&self, bot: &BotFacts, now: Timestamp) -> Vec<Difference> {
        self.differences_of(bot, now, Of::Page)
    }

    fn differences_of(&self, bot: &BotFacts, now: Timestamp, of: Of) -> Vec<Difference> {
        if !is_bound(bot.stage) {
            return Vec::new();
        }
        let Some(run) = bot.run.as_ref().filter(|run| run.stage == bot.stage) else {
            let what = format!("Stage {}", bot.stage);
            return vec![Difference { what, approved: "nothing".into(), now: "in it".into(), is_grave: true }];
        };
        let mut force = self.in_force(bot);
        if of == Of::Clock {
            force.runs = Some(run.dossier.runs.clone());
        }
        let mut all = run.differences(&force, now);
        if let Some(caps) = &run.dossier.caps {
            let over = super::looks::over_caps(bot, caps).into_iter();
            all.extend(over.map(|words| Difference { what: "Caps".into(), approved: "kept".into(), now: words, is_grave: false }));
        }
        if of != Of::Clock {
            let seen = self.book.seen(&bot.id);
            let other = seen.iter().flat_map(|seen| seen.instances.iter()).filter(|one| one.ran != run.dossier.runs);
            all.extend(other.map(|one| difference_of(&one.name, &run.dossier.runs, &one.ran)));
        }
        if of != Of::CheckIn {
            let over = self.over(&bot.id, run, now).into_iter();
            all.extend(over.map(|item| {
                let until = run.dossier.items.iter().find(|shown| shown.item == item).and_then(|shown| shown.until);
                let approved = until.map_or_else(String::new, |until| format!("until {}", until.plain()));
                Difference { what: format!("Checklist item {item}"), approved, now: "expired".into(), is_grave: false }
            }));
        }
        all
    }

    /// The items of a run whose time is over, and of which nobody has said anything since that holds.
    fn over(&self, bot: &BotId, run: &ApprovedRun, now: Timestamp) -> Vec<String> {
        self.golive.drift.with(bot, |looked| {
            let holds = |item: &str| looked.until.get(item).is_some_and(|until| *until > now);
            run.dossier.over(now).map(|shown| shown.item.clone()).filter(|item| !holds(item)).collect()
        })
    }

    /// Looks again at what is over of a bot's list.
    async fn look_again(&self, bot: &BotFacts, now: Timestamp) -> Result<(), AppError> {
        let Some(run) = &bot.run else { return Ok(()) };
        let over = self.over(&bot.id, run, now);
        let is_due = |looked: &mut Looked| looked.over != over || now.ms_since(looked.at) >= AGAIN_MS;
        if over.is_empty() || !self.golive.drift.with(&bot.id, is_due) {
            return Ok(());
        }
        let list = self.list_of(run.stage)?;
        let checked = self.checked(&mut *self.db.read().await?, bot, &list).await?;
        let holds = checked.into_iter().filter_map(|one| match one.standing {
            Standing::Done(shown) => Some((shown.item, shown.until.unwrap_or_else(|| now.plus_ms(DAY_MS)))),
            Standing::Open(_) | Standing::Expired(_) => None,
        });
        self.golive.drift.with(&bot.id, |looked| *looked = Looked { at: now, over, until: holds.collect() });
        Ok(())
    }

    /// Holds a bot that trades and is no longer what was approved. Comes back once it is held.
    async fn hold_if_other(self: &Arc<Self>, bot: &Arc<BotFacts>, of: Of) {
        if !is_bound(bot.stage) || self.fleet.view().directive(bot).state == State::Halted {
            return;
        }
        let found = self.differences_of(bot, self.clock.now(), of);
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
        self.hold_if_other(&bot, Of::CheckIn).await;
        says_enough(&bot, said)
    }

    /// The same of every bot, for what no agent says.
    pub async fn watch_all_drift(self: &Arc<Self>) {
        let (view, now) = (self.fleet.view(), self.clock.now());
        for bot in view.bots().filter(|bot| is_bound(bot.stage)) {
            if let Err(error) = self.look_again(bot, now).await {
                // Whether it holds is not known: it counts as over.
                tracing::warn!(bot = %bot.id, %error, "a checklist could not be looked at again");
            }
            self.hold_if_other(bot, Of::Clock).await;
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
