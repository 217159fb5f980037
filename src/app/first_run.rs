//! The first run: from an empty installation to a stop that was measured. How far it has come is computed from what is true, never from
//! what was clicked. Memory alone, since every page asks until the installation is through.

use super::{App, AppError, agent_book::LiveAgent};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, BotId, Stage, UserId};
use crate::fleet::{AgentSeen, DrillSeen};
use crate::storage::{self, Lane};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A task of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Two security keys of one's own.
    Keys,
    /// A first bot, beyond a draft.
    Bot,
    /// A second person with two keys.
    SecondPerson,
    /// Its agent, compared and heard.
    Agent,
    /// Its start.
    Start,
    /// A stop that was measured, released and followed by a start.
    Drill,
}

impl Task {
    /// All of them, in order. A role in one's own team comes before the second person: from then on somebody else approves it, and a day passes.
    pub const ALL: [Self; TASKS] = [Self::Keys, Self::Bot, Self::SecondPerson, Self::Agent, Self::Start, Self::Drill];

    /// True for what is about people: nothing of the bot waits for it.
    pub fn is_of_people(self) -> bool {
        matches!(self, Self::Keys | Self::SecondPerson)
    }
}

/// How many tasks there are.
pub const TASKS: usize = 6;

/// True once the installation was seen to be through.
#[derive(Default)]
pub(crate) struct Over(AtomicBool);

/// How far an installation has come, for one person.
#[derive(Debug, Clone, Default)]
pub struct FirstRun {
    /// Whoever looks has two security keys.
    pub keys: bool,
    /// Two people have two keys each.
    pub second_person: bool,
    /// The bot that has come furthest; none: there is none beyond a draft that is retired.
    pub bot: Option<Arc<BotFacts>>,
    /// Its agent, whether anybody has compared it or not.
    pub agent: Option<Arc<LiveAgent>>,
    /// What that agent said last.
    pub seen: Option<Arc<AgentSeen>>,
    /// Its last measured stop.
    pub drill: Option<Arc<DrillSeen>>,
    /// That drill was released and the bot started since.
    pub drill_is_over: bool,
}

impl FirstRun {
    /// True when a task is done.
    pub fn is_done(&self, task: Task) -> bool {
        let (over, bot) = (self.drill_is_over, self.bot.as_ref());
        match task {
            Task::Keys => self.keys,
            Task::SecondPerson => self.second_person,
            Task::Bot => over || bot.is_some_and(|bot| bot.stage != Stage::Draft),
            Task::Agent => over || (self.seen.is_some() && self.agent.as_ref().is_some_and(|agent| agent.confirmed)),
            Task::Start => over || bot.is_some_and(|bot| bot.start_epoch.0 > 0),
            Task::Drill => over,
        }
    }
    /// The first that is not done.
    pub fn next(&self) -> Option<Task> {
        Task::ALL.into_iter().find(|task| !self.is_done(*task))
    }
    /// How many are done.
    pub fn count(&self) -> usize {
        Task::ALL.into_iter().filter(|task| self.is_done(*task)).count()
    }
    /// True when the installation is through, whoever looks.
    fn is_over(&self) -> bool {
        self.second_person && self.drill_is_over
    }
}

impl App {
    /// How far the first run has come.
    ///
    /// # Errors
    /// `Denied`.
    pub fn first_run(&self, actor: &Actor) -> Result<FirstRun, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let keys = actor.user().is_some_and(|user| self.people().has_two_keys(user));
        let mut run = FirstRun { keys, second_person: self.people().enabled_with_rights() >= 2, ..FirstRun::default() };
        let view = self.fleet.view();
        let rank = |bot: &BotFacts| {
            let drill = self.book.drill(&bot.id);
            let over = drill.as_ref().is_some_and(|drill| bot.start_epoch > drill.epoch && view.open_hold(&drill.hold).is_none());
            let agent = self.agents().of_bot(&bot.id);
            let confirmed = agent.as_ref().is_some_and(|agent| agent.confirmed);
            let steps = [bot.stage != Stage::Draft, agent.is_some(), confirmed, bot.start_epoch.0 > 0, drill.is_some()];
            (over, steps.into_iter().filter(|step| *step).count())
        };
        let ranked = view.bots().filter(|bot| bot.stage != Stage::Retired).map(|bot| (rank(bot), bot));
        // Of those that have come equally far the oldest: ids are in order of time.
        if let Some(((over, _), bot)) = ranked.max_by(|(a, x), (b, y)| a.cmp(b).then_with(|| y.id.cmp(&x.id))) {
            run.drill_is_over = over;
            run.agent = self.agents().of_bot(&bot.id);
            run.seen = run.agent.as_ref().and_then(|agent| self.book.seen(&bot.id).filter(|seen| seen.agent == agent.id));
            run.drill = self.book.drill(&bot.id);
            run.bot = Some(bot.clone());
        }
        Ok(run)
    }

    /// How far it has come, for the strip on every page; none when it is over. That is remembered for as long as this process lives: a fleet
    /// that is past it pays nothing, and a later drill does not bring the list back.
    pub fn first_run_ahead(&self, actor: &Actor) -> Option<FirstRun> {
        if self.first_run_over.0.load(Ordering::Relaxed) {
            return None;
        }
        let run = self.first_run(actor).ok()?;
        if run.is_over() {
            self.first_run_over.0.store(true, Ordering::Relaxed);
            return None;
        }
        Some(run)
    }

    /// True when a person has put the list away.
    pub fn has_put_first_run_away(&self, user: &UserId) -> bool {
        self.people().has_put_first_run_away(user)
    }

    /// Puts the list out of a person's own sight, or brings it back. A preference, no act.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn show_first_run(&self, actor: &Actor, shown: bool) -> Result<(), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let user = actor.user().ok_or(AppError::NotFound("person"))?;
        let mut tx = self.db.write(Lane::Normal).await?;
        if shown {
            storage::first_run::first_run_bring_back(&mut tx, user).await?;
        } else {
            storage::first_run::first_run_put_away(&mut tx, user, self.clock.now()).await?;
        }
        tx.commit().await?;
        self.reload_books(&mut *self.db.read().await?).await
    }

    /// The latest drill that a bot is under now.
    pub fn drill_under_way(&self, bot: &BotId) -> Option<crate::domain::Hold> {
        let view = self.fleet.view();
        let facts = view.bot(bot)?;
        let drills = view.open_holds().filter(|hold| hold.is_drill() && view.covers(hold, facts));
        drills.max_by_key(|hold| hold.epoch).map(|hold| crate::domain::Hold::clone(hold))
    }
}
