//! Starts in waves: one signed act, the canary first, then a tenth, then the rest. Each wave waits until every bot that was started has been as it
//! should for the settling time, and checks in its own transaction everything that a start checks. Any pause or kill that covers a bot of the
//! plan, any stop of a bot that it started, its four hours, or whoever presses the button ends it: what has not started never does. Times are
//! absolute and rows count the waves, so that a restart or another replica goes on, once per wave.

use super::{
    App, AppError,
    acts::{
        ActView, Outcome,
        carry_out::{Effect, Leaves, start_leaves},
        sign::signed_act,
    },
    starts::Acknowledged,
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    ActId, BotFacts, BotId, Epoch, Level, Severity, StartLeaf, StartPlan, State, Timestamp, UserId, directive::latest_stop,
};
use crate::fleet::View;
use crate::storage::{
    self, Conn, Lane,
    staged::{StagedBot, StagedStart},
};
use std::{collections::HashSet, sync::Arc};

/// How many bots one transaction starts, so that it stays short.
const CHUNK: usize = 25;
/// So many reasons why it waits are told.
const TOLD: usize = 12;

/// One of its bots, as it stands.
#[derive(Debug, Clone)]
pub struct BotOfPlan {
    /// As stored.
    pub row: StagedBot,
    /// Its name.
    pub name: String,
    /// What it may do now.
    pub state: State,
}

/// A start in waves with everything a page shows.
#[derive(Debug, Clone)]
pub struct StagedView {
    /// How far it has come.
    pub row: StagedStart,
    /// Its bots, wave by wave.
    pub bots: Vec<BotOfPlan>,
    /// Who signed, and when.
    pub signed: Vec<(UserId, Timestamp)>,
    /// Why the next wave waits; empty: it does not, or there is none.
    pub waits: Vec<String>,
}

/// What a look at one came to.
enum Look {
    /// It is over, and why.
    Over(String),
    /// The next wave waits for these.
    Waits(Vec<String>),
    /// Every condition holds.
    Ready,
}

/// What the database says of its bots beside their facts.
struct Known {
    told: Acknowledged,
    // Those that said that they trade under their start of this act.
    taken_up: HashSet<BotId>,
}

/// One with its act.
struct Plan {
    row: StagedStart,
    act: ActView,
    bots: Vec<StagedBot>,
}

impl Plan {
    async fn read(conn: &mut Conn, id: &ActId) -> Result<Option<Self>, AppError> {
        let Some(row) = storage::staged::staged_get(conn, id).await? else { return Ok(None) };
        let Some(stored) = storage::acts::act_by_id(conn, id).await? else { return Ok(None) };
        let act = ActView::of(stored, storage::acts::act_signatures(conn, id).await?)?;
        Ok(Some(Self { row, act, bots: storage::staged::staged_bots(conn, id).await? }))
    }
    fn leaf(&self, bot: &StagedBot) -> Result<&StartLeaf, AppError> {
        let leaf = usize::try_from(bot.leaf).ok().and_then(|n| self.act.detail.leaves.get(n));
        leaf.filter(|leaf| leaf.bot == bot.bot_id).ok_or_else(|| AppError::conflict("the rows of this start are not what was signed"))
    }
    /// The bots of the next wave that are not started yet.
    fn due(&self) -> impl Iterator<Item = &StagedBot> {
        self.bots.iter().filter(|bot| bot.wave == self.row.started && bot.epoch.is_none())
    }
}

impl App {
    /// Writes a start in waves down and starts its first wave, in the transaction of the last signature.
    pub(super) async fn begin_staged(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (written, epoch): (&Leaves, Epoch),
        (root, plan): (&str, &StartPlan),
    ) -> Result<Effect, AppError> {
        let leaves = &act.detail.leaves;
        let waves = plan.wave_of(leaves.len()).ok_or_else(|| AppError::conflict("the waves of this act do not name each bot once"))?;
        let row = StagedStart {
            act_id: act.stored.id.clone(),
            state: "running".into(),
            started: 0,
            waves: plan.waves.len() as i64,
            settle_ms: plan.settle_s as i64 * 1_000,
            not_after: act.act.not_after,
            settled_since: None,
            ended_at: None,
            ended_by: None,
            why: None,
        };
        let of = |(n, leaf): (usize, &StartLeaf)| StagedBot {
            leaf: n as i64,
            wave: waves.get(n).copied().unwrap_or_default() as i64,
            bot_id: leaf.bot.clone(),
            epoch: None,
            started_at: None,
        };
        let bots: Vec<StagedBot> = leaves.iter().enumerate().map(of).collect();
        storage::staged::staged_insert(open.tx(), &row, &bots).await?;
        let id = act.stored.id.clone();
        let begun = Event::StagedStartBegun {
            act: id.clone(),
            bots: leaves.iter().map(|leaf| leaf.bot.clone()).collect(),
            root: root.to_owned(),
            waves: plan.waves.clone(),
            settle_s: plan.settle_s,
            signed: signed_act(act)?,
        };
        open.record(begun).await?;
        let plan = Plan { row, act: act.clone(), bots };
        let event = start_some(open, &plan, written, epoch).await?;
        Ok(Effect { event, outcome: Outcome::Done(format!("/starts/{id}")), after: None })
    }

    /// One of them.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn staged(&self, actor: &Actor, id: &ActId) -> Result<StagedView, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let plan = Plan::read(&mut tx, id).await?.ok_or(AppError::NotFound("start in waves"))?;
        let view = self.view_in(&mut tx).await?;
        let waits = match plan.row.state.as_str() {
            "running" => {
                let known = self.known_beside(&mut tx, &view, &plan).await?;
                match self.look_at(&mut tx, &view, &plan, &known).await? {
                    Look::Over(why) => vec![format!("it ends now: {why}")],
                    Look::Waits(waits) => waits,
                    Look::Ready => self.settling(&plan.row).into_iter().collect(),
                }
            }
            _ => Vec::new(),
        };
        let bots = plan.bots.iter().map(|row| {
            let bot = view.bot(&row.bot_id);
            let state = bot.map_or(State::Halted, |bot| view.directive(bot).state);
            BotOfPlan { name: bot.map_or_else(|| row.bot_id.to_string(), |bot| bot.name.clone()), state, row: row.clone() }
        });
        let signed = plan.act.signatures.iter().map(|one| (one.user_id.clone(), one.at)).collect();
        Ok(StagedView { bots: bots.collect(), signed, waits, row: plan.row.clone() })
    }

    /// Those that are not over, for the fleet page.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn staged_running(&self, actor: &Actor) -> Result<Vec<StagedStart>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::staged::staged_running(&mut *self.db.read().await?).await?)
    }

    /// Ends one by hand: whoever may pause may end it, without a key, also while the log is frozen.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Conflict` when it is over; when the database is gone.
    pub async fn end_staged(&self, actor: &Actor, id: &ActId) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::PlaceHold, &Resource::Installation)?;
        let who = actor.user().map_or_else(|| "somebody".to_owned(), |user| self.people_book.who(user));
        let plan = Plan::read(&mut *self.db.read().await?, id).await?.ok_or(AppError::NotFound("start in waves"))?;
        match self.end_with(permit, &plan.row, &format!("{who} ended it")).await? {
            true => Ok(()),
            false => Err(AppError::conflict("this start is over already")),
        }
    }

    async fn end_with(&self, permit: authz::Permit, row: &StagedStart, why: &str) -> Result<bool, AppError> {
        let mut open = self.begin(permit, Lane::Stop).await?;
        let (now, by) = (open.now(), crate::audit::Actor::from(open.actor()).text());
        if !storage::staged::staged_end(open.tx(), &row.act_id, now, &by, why).await? {
            return Ok(false);
        }
        // Read again: a wave may have gone a moment ago.
        let started = storage::staged::staged_get(open.tx(), &row.act_id).await?.map_or(row.started, |row| row.started);
        let (act, waves_started) = (row.act_id.clone(), started.unsigned_abs());
        open.commit_stop(Event::StagedStartEnded { act, waves_started, why: why.to_owned() }).await?;
        Ok(true)
    }

    /// One round over those that are not over. Safe to run twice, here and elsewhere.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn staged_round(self: &Arc<Self>) -> Result<(), AppError> {
        let running = storage::staged::staged_running(&mut *self.db.read().await?).await?;
        for row in running {
            if let Err(error) = self.tend_staged(&row).await {
                tracing::warn!(act = %row.act_id, error = &error as &dyn std::error::Error, "a start in waves could not be brought on");
            }
        }
        Ok(())
    }

    async fn tend_staged(&self, row: &StagedStart) -> Result<(), AppError> {
        let (plan, known, look) = {
            let mut tx = self.db.read().await?;
            let Some(plan) = Plan::read(&mut tx, &row.act_id).await? else { return Ok(()) };
            let view = self.view_in(&mut tx).await?;
            let known = self.known_beside(&mut tx, &view, &plan).await?;
            let look = self.look_at(&mut tx, &view, &plan, &known).await?;
            (plan, known, look)
        };
        match look {
            Look::Over(why) => self.end_with(self.server_permit()?, &plan.row, &why).await.map(drop),
            Look::Waits(_) if plan.row.settled_since.is_some() => self.settle_wave(&plan.row, None).await,
            Look::Waits(_) => Ok(()),
            Look::Ready if plan.row.settled_since.is_none() => self.settle_wave(&plan.row, Some(self.clock.now())).await,
            Look::Ready if self.settling(&plan.row).is_some() => Ok(()),
            Look::Ready => self.next_wave(plan, &known).await,
        }
    }

    async fn settle_wave(&self, row: &StagedStart, since: Option<Timestamp>) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::staged::staged_settled(&mut tx, &row.act_id, row.started, since).await?;
        Ok(tx.commit().await?)
    }

    /// How long the bots are still to settle, in words; none: they have.
    fn settling(&self, row: &StagedStart) -> Option<String> {
        let settled = row.settled_since.map_or(0, |since| self.clock.now().ms_since(since));
        let left = row.settle_ms - settled;
        (left > 0).then(|| format!("the bots settle: {} s more", (left + 999) / 1_000))
    }

    /// Starts the next wave, some bots to a transaction, so that a stop waits for a short one at most. Exactly once, whoever tries.
    async fn next_wave(&self, mut plan: Plan, known: &Known) -> Result<(), AppError> {
        // What needs no lock is done before.
        let written = Leaves::of(&plan.act)?;
        while self.start_next(&mut plan, known, &written).await? {}
        Ok(())
    }

    /// Starts the next bots of the wave, with everything checked again under the lock. True: the wave has more of them.
    async fn start_next(&self, plan: &mut Plan, known: &Known, written: &Leaves) -> Result<bool, AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        // The epoch first, and with it the lock: a hold that was committed before this is seen below.
        let epoch = open.epoch().await?;
        let id = plan.row.act_id.clone();
        if storage::staged::staged_get(open.tx(), &id).await?.as_ref() != Some(&plan.row) {
            return Ok(false);
        }
        plan.bots = storage::staged::staged_bots(open.tx(), &id).await?;
        let view = self.view_in(open.tx()).await?;
        if !matches!(self.look_at(open.tx(), &view, plan, known).await?, Look::Ready) {
            return Ok(false);
        }
        let event = start_some(&mut open, plan, written, epoch).await?;
        failpoint!("staged:before_commit");
        open.commit(event).await?;
        failpoint!("staged:committed");
        Ok(plan.due().count() > CHUNK)
    }

    /// Reads what a look at one needs of the database beside the view, in two readings however many bots it has.
    async fn known_beside(&self, conn: &mut Conn, view: &View, plan: &Plan) -> Result<Known, AppError> {
        let due = plan.due().filter_map(|row| view.bot(&row.bot_id)).map(AsRef::as_ref);
        let told = self.acks_of(conn, view, due).await?;
        let taken_up = storage::starts::start_taken_up(conn, &plan.row.act_id).await?.into_iter().collect();
        Ok(Known { told, taken_up })
    }

    /// How one stands: over, waiting, or ready for its next wave.
    async fn look_at(&self, conn: &mut Conn, view: &View, plan: &Plan, known: &Known) -> Result<Look, AppError> {
        if self.clock.now() > plan.row.not_after {
            return Ok(Look::Over("its time is over: what was signed holds for four hours".into()));
        }
        for signature in &plan.act.signatures {
            let stored = storage::users::user_by_id(conn, &signature.user_id).await?;
            if !stored.is_some_and(|user| user.enabled) {
                return Ok(Look::Over(format!("{}, who signed it, is disabled", self.people_book.who(&signature.user_id))));
            }
            let keys = storage::credentials::credential_of_user(conn, &signature.user_id).await?;
            let has_key = keys.iter().any(|key| key.id == signature.credential_id && key.suspended_at.is_none());
            let may = |actor: Actor| match signature.n == 1 || signature.alone {
                true => self.may_prepare(&actor, &plan.act.act.kind, &plan.act.detail).is_ok(),
                false => self.may_second(&actor, &plan.act).is_ok(),
            };
            if !has_key || !self.actor_of(&signature.user_id, false).is_some_and(may) {
                let who = self.people_book.who(&signature.user_id);
                return Ok(Look::Over(format!("{who}, who signed it, may start these bots no more, or has lost the key they signed with")));
            }
        }
        let mut waits = Vec::new();
        let alerts = self.alerts.open();
        for row in &plan.bots {
            let bot = view.bot(&row.bot_id).ok_or(AppError::NotFound("bot"))?;
            let leaf = plan.leaf(row)?;
            if let Some(why) = stopped(view, bot, row, leaf) {
                return Ok(Look::Over(why));
            }
            if row.wave == plan.row.started {
                // Its wave goes now: those of it that were started a moment ago keep the others waiting no longer.
                if row.epoch.is_none() {
                    let open = self.obstacles_with(view, bot, leaf, &known.told);
                    waits.extend(open.into_iter().map(|one| format!("{}: {} ({})", bot.name, one.what, one.who)));
                }
            } else if row.epoch.is_some() {
                waits.extend(self.not_yet(view, bot, known.taken_up.contains(&bot.id)));
                let about =
                    alerts.iter().filter(|alert| alert.subject.bot.as_ref() == Some(&bot.id) && alert.severity == Severity::Critical);
                waits.extend(about.map(|alert| format!("{}: the alert “{}” is open (whoever may close it)", bot.name, alert.kind.title())));
            }
        }
        waits.truncate(TOLD);
        Ok(if waits.is_empty() { Look::Ready } else { Look::Waits(waits) })
    }

    /// Why a bot that was started is not as it should be yet.
    fn not_yet(&self, view: &View, bot: &BotFacts, is_taken_up: bool) -> Option<String> {
        let name = &bot.name;
        if view.directive(bot).state != State::Active {
            return Some(format!("{name} is held back by a reduce"));
        }
        if !is_taken_up {
            return Some(format!("{name} has not said yet that it trades"));
        }
        let is_fresh = self.silent_ms(&bot.id).is_some_and(|ms| ms <= bot.timings.stale_after_ms);
        match self.book.seen(&bot.id) {
            Some(seen) if is_fresh && seen.state == Some(State::Active) => None,
            Some(_) if is_fresh => Some(format!("the agent of {name} does not say that it is active")),
            _ => Some(format!("the agent of {name} was not heard lately")),
        }
    }
}

/// Why a bot of the plan ends it: a pause or kill covers it, or it was stopped after what was signed, or after it was started by it.
fn stopped(view: &View, bot: &BotFacts, row: &StagedBot, leaf: &StartLeaf) -> Option<String> {
    let cover = view.cover(bot);
    if let Some(hold) = cover.open.iter().find(|hold| hold.level >= Level::Pause) {
        return Some(format!("a {} by {} covers {}", hold.level, hold.placed_by.name, bot.name));
    }
    let stop = latest_stop(bot, &cover);
    match row.epoch {
        Some(started) if stop >= started => {
            let why = bot.stop.as_ref().filter(|fact| fact.epoch >= started).map_or("it was paused", |fact| fact.why.as_str());
            Some(format!("{} was stopped: {why}", bot.name))
        }
        None if stop > leaf.after_epoch => Some(format!("{} was stopped again since this was signed", bot.name)),
        _ => None,
    }
}

/// Starts the next bots of the wave, and counts it up with the last of them; answers with the entry.
async fn start_some(open: &mut OpenAct<'_>, plan: &Plan, written: &Leaves, epoch: Epoch) -> Result<Event, AppError> {
    let (id, wave, now) = (&plan.row.act_id, plan.row.started, open.now());
    let some: Vec<&StagedBot> = plan.due().take(CHUNK).collect();
    // The row first, and held: whoever ends it comes before this or after it.
    let is_whole = plan.due().count() <= CHUNK;
    let goes_on = match is_whole {
        true => storage::staged::staged_next(open.tx(), id, wave).await?,
        false => storage::staged::staged_keep(open.tx(), id, wave).await?,
    };
    let leaves: Vec<i64> = some.iter().map(|row| row.leaf).collect();
    if !goes_on || !storage::staged::staged_started(open.tx(), id, &leaves, epoch, now).await? {
        return Err(AppError::conflict("this wave was started a moment ago, or the start is over"));
    }
    for row in &some {
        plan.leaf(row)?;
    }
    start_leaves(open, &plan.act, written, leaves.iter().map(|leaf| usize::try_from(*leaf).unwrap_or(usize::MAX)), epoch).await?;
    Ok(Event::StagedStartWave { act: id.clone(), wave: wave.unsigned_abs() + 1, bots: some.iter().map(|row| row.bot_id.clone()).collect() })
}
