//! What runs, compared with what was approved: at every check-in what an agent says, and every second what nobody says (an item whose time is over,
//! a key that is gone). A bot that trades and differs is held at once, before anything of it is written; one that stands is not started until it
//! is as approved. An item whose time ends is looked at again first: whoever has answered for it anew, or has run another drill, is heard. While
//! nothing can be read nobody knows, and what is not known holds no bot that trades: it only keeps one from being started.

use super::Over;
use crate::app::{App, AppError, starts::Obstacle};
use crate::domain::{
    AlertKind, ApprovedRun, BotFacts, BotId, Directive, KeyPurpose, Level, PlacedBy, PlacerKind, RequestId, Scope, Stage, State, Subject,
    Timestamp,
    checklist::Measure,
    golive::{Difference, OnDrift, Ran, Shown, Standing},
};
use crate::fleet::View;
use crate::protocol::CheckIn;
use futures_util::{StreamExt as _, stream};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The trigger that holds a bot which is no longer what was approved.
pub const DRIFT: &str = "drift";

/// Whoever holds a bot that is not what was approved.
pub(crate) fn placer() -> PlacedBy {
    PlacedBy { kind: PlacerKind::Trigger, id: DRIFT.into(), name: DRIFT.into(), as_risk: false }
}
/// How soon what ends or has ended is looked at again.
const AGAIN_MS: i64 = 10_000;
/// How long before the end of an item it is looked at.
const BEFORE_MS: i64 = 60_000;
/// How many lists are looked at, and bots held, at a time.
const AT_ONCE: usize = 8;

/// What was looked at again as its time ended, and what agents leave out. Memory only: after a restart it is looked at once more.
#[derive(Debug, Default)]
pub struct DriftBook(Mutex<HashMap<BotId, Looked>>);

#[derive(Debug, Default)]
struct Looked {
    // What this was looked at for; another approval is looked at anew.
    run: Option<RequestId>,
    // When its list was last asked for, by the machine's own clock; and when it was last read.
    tried_ms: Option<i64>,
    read_at: Option<Timestamp>,
    // Until when an item holds by what was found then; none: for as long as it is so, or it is not asked for any more.
    until: HashMap<String, Option<Timestamp>>,
    // Its last check-in did not say all that it must (ruling H19).
    is_terse: bool,
}

impl Looked {
    /// Until when an item holds, by the newest that is known of it.
    fn until(&self, run: &ApprovedRun, shown: &Shown) -> Option<Timestamp> {
        match self.until.get(&shown.item) {
            Some(until) if self.run.as_ref() == Some(&run.request) => *until,
            _ => shown.until,
        }
    }
    /// True when nobody has answered for it anew, as far as it was read after its end; what was not read may have been.
    fn is_known(&self, run: &ApprovedRun, until: Timestamp) -> bool {
        self.run.as_ref() == Some(&run.request) && self.read_at.is_some_and(|at| at >= until)
    }
}

impl DriftBook {
    fn with<T>(&self, bot: &BotId, change: impl FnOnce(&mut Looked) -> T) -> T {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(bot.clone()).or_default())
    }
    /// Has a bot's list looked at again at once, should anything on it have ended.
    pub(super) fn look_soon(&self, bot: &BotId) {
        self.with(bot, |looked| looked.tried_ms = None);
    }
}

/// True where a bot trades live, and only what was approved runs.
pub fn is_bound(stage: Stage) -> bool {
    matches!(stage, Stage::Limited | Stage::Live)
}

/// What of a bot is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    // What its agent has just said, beside what memory knows. What it leaves out holds nothing: it is not renewed.
    CheckIn,
    // What nobody says. What it runs is the word of an agent to one replica, and the others hear of it later.
    Clock,
    // All of it, for people and before a start.
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
        // But for what was let in for a while, which runs on where nobody has said anything else since.
        let is_unsaid = match of {
            Of::Clock => run.emergency_over(force.runs.as_ref(), now).is_none(),
            Of::CheckIn => force.runs.is_none(),
            Of::Page => false,
        };
        if is_unsaid {
            force.runs = Some(run.runs_allowed(now).clone());
        }
        let mut all = run.differences(&force, now);
        if let Some(caps) = &run.dossier.caps {
            let over = super::looks::over_caps(bot, caps).into_iter();
            all.extend(over.map(|words| Difference { what: "Caps".into(), approved: "kept".into(), now: words, is_grave: false }));
        }
        if of != Of::Clock {
            let allowed = run.runs_beside(force.runs.as_ref(), now);
            let instances = self.instances_of(&bot.id);
            let other = instances.iter().filter(|one| one.ran != *allowed);
            all.extend(other.map(|one| difference_of(&one.name, allowed, &one.ran)));
        }
        if of != Of::CheckIn {
            let over = self.over(&bot.id, run, now, of).into_iter();
            all.extend(over.map(|(item, until)| {
                let approved = format!("until {}", until.plain());
                Difference { what: format!("Checklist item {item}"), approved, now: "expired".into(), is_grave: false }
            }));
        }
        all
    }

    /// The items of a run whose time is over, with when that was. By the clock only those of which nobody has said anything since that holds.
    fn over(&self, bot: &BotId, run: &ApprovedRun, now: Timestamp, of: Of) -> Vec<(String, Timestamp)> {
        self.golive.drift.with(bot, |looked| {
            let end = |shown: &Shown| looked.until(run, shown).filter(|until| *until <= now).map(|until| (shown.item.clone(), until));
            let ended = run.dossier.items.iter().filter_map(end);
            ended.filter(|(_, until)| of != Of::Clock || looked.is_known(run, *until)).collect()
        })
    }

    /// Looks at a bot's list when anything on it ends, from a little before that on.
    async fn look_again(&self, bot: &BotFacts, now: Timestamp) -> Result<(), AppError> {
        let Some(run) = &bot.run else { return Ok(()) };
        let now_ms = self.boot_clock.now_ms();
        let is_due = self.golive.drift.with(&bot.id, |looked| {
            let ends = || run.dossier.items.iter().filter_map(|shown| looked.until(run, shown));
            let ends_soon = ends().any(|until| until <= now.plus_ms(BEFORE_MS));
            let has_just_ended = ends().any(|until| until <= now && !looked.is_known(run, until));
            let is_due = ends_soon && (has_just_ended || looked.tried_ms.is_none_or(|at| now_ms - at >= AGAIN_MS));
            if is_due {
                looked.tried_ms = Some(now_ms);
            }
            is_due
        });
        if !is_due {
            return Ok(());
        }
        let mut conn = self.db.read().await?;
        let list = self.list_in(&mut conn, run.stage).await?;
        // What people said of a build they said of the one that was approved, whatever this replica has heard of what runs.
        let checked = self.checked(&mut conn, bot, &list, Over::Approved(&run.dossier.runs)).await?;
        let mut until = HashMap::new();
        for shown in &run.dossier.items {
            match checked.iter().find(|one| one.item.name == shown.item).map(|one| &one.standing) {
                // Nobody asks for it any more.
                None => drop(until.insert(shown.item.clone(), None)),
                Some(Standing::Done(found)) => drop(until.insert(shown.item.clone(), found.until)),
                Some(Standing::Open(_) | Standing::Expired(_)) => {}
            }
        }
        self.golive.drift.with(&bot.id, |looked| {
            let tried_ms = looked.tried_ms;
            *looked = Looked { run: Some(run.request.clone()), tried_ms, read_at: Some(now), until, is_terse: looked.is_terse };
        });
        Ok(())
    }

    /// Holds a bot that may trade and is no longer what was approved. Comes back once it is held; true when it is.
    async fn hold_if_other(self: &Arc<Self>, bot: &BotFacts, of: Of) -> bool {
        if !is_bound(bot.stage) || self.fleet.view().directive(bot).state == State::Halted {
            return false;
        }
        let found = self.differences_of(bot, self.clock.now(), of);
        if found.is_empty() {
            return false;
        }
        let chosen = bot.run.as_ref().map_or(OnDrift::Pause, |run| run.dossier.on_drift);
        let is_grave = chosen == OnDrift::Pause || found.iter().any(|one| one.is_grave);
        let level = if is_grave { Level::Pause } else { Level::Reduce };
        let words: Vec<String> = found.iter().map(Difference::words).collect();
        let why = format!("it is not what was approved. {}", words.join("; "));
        // Once for each hold: a bot that is reduced is compared on.
        let is_news =
            !self.fleet.view().cover(bot).open.iter().any(|hold| hold.placed_by.kind == PlacerKind::Trigger && hold.placed_by.id == DRIFT);
        self.place_by_rule(placer(), Scope::Bot(bot.id.clone()), level, &why).await;
        if is_news {
            let words = format!("Bot {} is held ({level}): {why}. Its go-live page shows approved and running side by side.", bot.name);
            self.raise(AlertKind::NotAsApproved, Subject::bot(&bot.id), words);
        }
        true
    }

    /// Compares what an agent's bot is with what was approved, before the agent is told this directive. Answers with what it is told.
    pub(crate) async fn told_if_approved(self: &Arc<Self>, bot: Arc<BotFacts>, directive: Directive) -> (Arc<BotFacts>, Directive) {
        if directive.state == State::Halted || !self.hold_if_other(&bot, Of::CheckIn).await {
            return (bot, directive);
        }
        let view = self.fleet.view();
        let bot = view.bot(&bot.id).cloned().unwrap_or(bot);
        let directive = view.directive(&bot);
        (bot, directive)
    }

    /// True for a check-in that says all that a bot which trades live must say (ruling H19): without it nothing could be compared, and nothing is
    /// renewed.
    pub(crate) fn says_enough(&self, bot: &BotFacts, said: &CheckIn) -> bool {
        if !is_bound(bot.stage) {
            return true;
        }
        let key = bot.run.as_ref().and_then(|run| run.dossier.keys.get(&KeyPurpose::Execution));
        let has_key = key.is_none_or(|held| said.key_versions.contains_key(held.key.as_str()));
        let is_digest = |text: &Option<String>| text.as_deref().and_then(crate::app::said::digest).is_some();
        let is_enough = is_digest(&said.build) && is_digest(&said.config) && said.limits_version.is_some() && has_key;
        self.golive.drift.with(&bot.id, |looked| looked.is_terse = !is_enough);
        is_enough
    }

    /// The same of one bot, at once, for what no agent says.
    pub(crate) async fn watch_drift_of(self: &Arc<Self>, id: &BotId) {
        if let Some(bot) = self.fleet.view().bot(id).cloned() {
            self.hold_if_other(&bot, Of::Clock).await;
        }
    }

    /// The same of every bot that trades, for what no agent says: first what memory knows, so that no reading keeps a hold waiting.
    pub async fn watch_all_drift(self: &Arc<Self>) {
        let view = self.fleet.view();
        let trades = |bot: &&Arc<BotFacts>| is_bound(bot.stage) && view.directive(bot).state != State::Halted;
        let bots: Vec<Arc<BotFacts>> = view.bots().filter(trades).cloned().collect();
        let known = |bot: Arc<BotFacts>| async move {
            self.hold_if_other(&bot, Of::Clock).await;
        };
        stream::iter(bots.clone()).for_each_concurrent(AT_ONCE, known).await;
        let looked = |bot: Arc<BotFacts>| async move {
            if let Err(error) = self.look_again(&bot, self.clock.now()).await {
                tracing::warn!(bot = %bot.id, %error, "a checklist could not be looked at again");
            }
            self.hold_if_other(&bot, Of::Clock).await;
        };
        stream::iter(bots).for_each_concurrent(AT_ONCE, looked).await;
        self.settle_drift(&self.fleet.view());
    }

    /// Ends the alerts of bots that are what was approved again, or are in no stage that trades live.
    fn settle_drift(&self, view: &View) {
        for subject in self.alerts.ours(AlertKind::NotAsApproved) {
            let bot = subject.bot.as_ref().and_then(|bot| view.bot(bot)).filter(|bot| is_bound(bot.stage));
            if bot.is_none_or(|bot| self.differences(bot, self.clock.now()).is_empty()) {
                self.settle(AlertKind::NotAsApproved, &subject, "it is what was approved, or trades live no more");
            }
        }
    }

    /// Why nobody answers for a bot that was approved with somebody who did; none: somebody does.
    fn orphaned(&self, bot: &BotFacts) -> Option<String> {
        let run = bot.run.as_ref().filter(|run| is_bound(bot.stage) && run.stage == bot.stage)?;
        let list = self.list_of(run.stage).ok()?;
        let item = list.items.iter().find(|item| item.measure == Some(Measure::Accountable))?;
        run.dossier.items.iter().find(|shown| shown.item == item.name)?;
        self.accountable_found(bot).err()
    }

    /// What stands in the way of a start of a bot that is not what was approved, or whose agent does not say what it is.
    pub(crate) fn drift_obstacles(&self, bot: &BotFacts) -> Vec<Obstacle> {
        let who = "make it what was approved, or ask for another approval, on its go-live page";
        let mut all: Vec<Obstacle> = self.differences(bot, self.clock.now()).iter().map(|one| Obstacle::new(one.words(), who)).collect();
        if let Some(why) = self.orphaned(bot) {
            all.push(Obstacle::new(why, "its lead, who writes down in the register who answers for it and who may start it"));
        }
        if is_bound(bot.stage) && self.golive.drift.with(&bot.id, |looked| looked.is_terse) {
            let what =
                "its agent's last check-in did not say its build, configuration, limits version and key, and is not renewed without them";
            all.push(Obstacle::new(what, "whoever runs its agent, which has to say them in every check-in"));
        }
        all
    }
}

fn difference_of(name: &str, approved: &Ran, ran: &Ran) -> Difference {
    let short = |ran: &Ran| format!("{} with {}", crate::domain::golive::short(&ran.build), crate::domain::golive::short(&ran.config));
    Difference { what: format!("Instance {name}"), approved: short(approved), now: short(ran), is_grave: true }
}
