//! Drills with a negative control: a real pause of chosen bots, measured per step, beside one bot that must go on. In sandbox a person begins one;
//! a single bot above it needs a second person's signature. What came of it is kept as evidence and expires.

use super::{App, AppError, Invalid, acts::ActView, holds::Press, receipts};
use crate::audit::{Event, SignedAct};
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    ActKind, BotFacts, BotId, DrillId, Freshness, HoldId, Level, Scope, Stage, State, Timestamp,
    drill::{self, Control, MARGIN_MS, Measured, PROVES_MS},
    hold::DRILL,
};
use crate::fleet;
pub use crate::storage::drill_runs::{DrillBot, DrillRun};
use crate::storage::{self, Conn, Lane};
use std::{collections::BTreeSet, sync::Arc, sync::atomic::Ordering, time::Duration};

/// Drills of a page.
pub const PAGE: i64 = 50;
/// The most bots of one drill.
const MOST_BOTS: usize = 200;
/// Rows of one transaction.
const CHUNK: usize = 50;
/// A drill whose holds are not written down after so long was never pressed.
const PRESSED_WITHIN_MS: i64 = 10_000;
/// How often the holds of a drill are tried to be written down, and how long between two tries.
const TRIES: usize = 20;
const AGAIN: Duration = Duration::from_millis(500);

/// What a drill is to be of, checked.
struct Plan {
    bots: Vec<Arc<BotFacts>>,
    control: Arc<BotFacts>,
}

/// Where a bot stands with drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It never was in one.
    None,
    /// The last one failed.
    Failed(DrillRun),
    /// The last one passed and proves something until then.
    Good(DrillRun, Timestamp),
    /// The last one passed and is too old.
    Expired(DrillRun, Timestamp),
}

impl Standing {
    fn of(run: Option<DrillRun>, now: Timestamp) -> Self {
        match run {
            None => Self::None,
            Some(run) => match run.expires_at.filter(|_| run.passed == Some(true)) {
                None => Self::Failed(run),
                Some(at) if at > now => Self::Good(run, at),
                Some(at) => Self::Expired(run, at),
            },
        }
    }
}

impl App {
    /// Bots that trade now, by name: what a drill can be of. With each, whether this actor may drill it.
    ///
    /// # Errors
    /// `Denied`.
    pub fn drill_candidates(&self, actor: &Actor) -> Result<Vec<(Arc<BotFacts>, bool)>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let view = self.fleet.view();
        let mut bots: Vec<_> = view
            .bots()
            .filter(|bot| authz::sees_team(actor, &bot.team) && self.why_not_drilled(bot).is_none())
            .map(|bot| (bot.clone(), self.may_drill(actor, bot).is_ok()))
            .collect();
        bots.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        Ok(bots)
    }

    fn may_drill(&self, actor: &Actor, bot: &BotFacts) -> Result<Permit, AppError> {
        Ok(authz::check(actor, Action::RunDrill, &Resource::Team(bot.team.clone()))?)
    }

    /// Why a drill of this bot, or beside it, would measure nothing: it does not trade.
    fn why_not_drilled(&self, bot: &BotFacts) -> Option<&'static str> {
        let view = self.fleet.view();
        let seen = self.book.seen(&bot.id);
        let fresh = bot.timings.freshness(self.silent_ms(&bot.id));
        if view.directive(bot).state != State::Active {
            Some("is stopped")
        } else if fresh > Freshness::Late {
            Some("is not heard")
        } else if seen.and_then(|seen| seen.state) != Some(State::Active) {
            Some("does not say that it trades")
        } else {
            None
        }
    }

    fn plan(&self, bots: &[BotId], control: &BotId) -> Result<Plan, AppError> {
        let view = self.fleet.view();
        let of = |id: &BotId| view.bot(id).cloned().ok_or(AppError::NotFound("bot"));
        let bots = bots.iter().collect::<BTreeSet<_>>().into_iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let control = of(control)?;
        let mut invalid = Invalid::default();
        if bots.is_empty() || bots.len() > MOST_BOTS {
            invalid.0.push(("bot", format!("Choose 1 to {MOST_BOTS} bots to pause")));
        }
        if bots.iter().any(|bot| bot.id == control.id) {
            invalid.0.push(("control", "The bot that must go on cannot be one of those that are paused".to_owned()));
        }
        if bots.len() > 1 && bots.iter().any(|bot| bot.stage != Stage::Sandbox) {
            invalid.0.push(("bot", "Above sandbox a drill is of one bot".to_owned()));
        }
        if !invalid.0.is_empty() {
            return Err(invalid.into());
        }
        let all = bots.iter().chain([&control]);
        let reasons: Vec<String> = all
            .filter_map(|bot| self.why_not_drilled(bot).map(|why| format!("{} {why}: a drill would measure nothing of it", bot.name)))
            .collect();
        if reasons.is_empty() { Ok(Plan { bots, control }) } else { Err(AppError::Conflict(reasons)) }
    }

    /// True when a drill of these bots waits for a second person: one of them is above sandbox.
    pub fn drill_needs_approval(&self, bots: &[BotId]) -> bool {
        let view = self.fleet.view();
        bots.iter().any(|id| view.bot(id).is_some_and(|bot| bot.stage != Stage::Sandbox))
    }

    /// Begins a drill of sandbox bots: they are paused when this returns.
    ///
    /// # Errors
    /// `Denied`; `Invalid`; `Conflict` with every bot that does not trade; when the database is gone.
    pub async fn begin_drill(self: &Arc<Self>, actor: &Actor, bots: &[BotId], control: &BotId) -> Result<DrillId, AppError> {
        let plan = self.plan(bots, control)?;
        let mut permit = None;
        for bot in &plan.bots {
            permit = Some(self.may_drill(actor, bot)?);
        }
        if self.drill_needs_approval(bots) {
            return Err(AppError::conflict("a drill above sandbox needs a second person's signature"));
        }
        let permit = permit.ok_or(AppError::NotFound("bot"))?;
        let mut open = self.begin(permit, Lane::Normal).await?;
        let (run, event) = self.new_run(actor, &plan, open.now(), None);
        storage::drill_runs::drill_run_insert(open.tx(), &run).await?;
        open.commit(event).await?;
        let id = run.id.clone();
        self.press_drill(actor.clone(), run, plan.bots.iter().map(|bot| bot.id.clone()).collect()).await;
        Ok(id)
    }

    /// Prepares a drill of one bot above sandbox, which two people sign.
    ///
    /// # Errors
    /// `Denied`; `Invalid`; `Conflict` when one of the two does not trade; when the database is gone.
    pub async fn prepare_drill(&self, actor: &Actor, bot: &BotId, control: &BotId) -> Result<ActView, AppError> {
        self.plan(std::slice::from_ref(bot), control)?;
        let kind = ActKind::Drill { bot: bot.clone(), control: control.clone() };
        self.prepare(actor, kind, super::acts::Detail::default(), 2).await
    }

    fn new_run(&self, actor: &Actor, plan: &Plan, now: Timestamp, signed: Option<SignedAct>) -> (DrillRun, Event) {
        let worst = plan.bots.iter().map(|bot| self.worst_case_stop_ms(bot)).max().unwrap_or_default();
        let by = actor.as_placer();
        let run = DrillRun {
            id: DrillId::new(),
            by_kind: by.kind,
            by_id: by.id,
            by_name: by.name,
            control_bot: plan.control.id.clone(),
            began_at: now,
            ends_at: now.plus_ms(worst + MARGIN_MS),
            ended_at: None,
            passed: None,
            reasons: String::new(),
            control_at: None,
            expires_at: None,
        };
        let bots = plan.bots.iter().map(|bot| bot.id.clone()).collect();
        let event = Event::DrillBegun { drill: run.id.clone(), bots, control: plan.control.id.clone(), signed };
        (run, event)
    }

    /// Carries a signed drill out, within the transaction of its last signature: its row and its entry. The press follows the commit.
    pub(super) async fn record_drill(
        &self,
        open: &mut super::tx::Act<'_>,
        act: &ActView,
        (bot, control): (&BotId, &BotId),
        signed: SignedAct,
    ) -> Result<(Event, Actor, DrillRun), AppError> {
        let plan = self.plan(std::slice::from_ref(bot), control)?;
        let first = act.signatures.first().map_or(&act.stored.made_by, |signature| &signature.user_id);
        let actor = self.actor_of(first, false).ok_or_else(|| AppError::conflict("whoever signed first is disabled; prepare it again"))?;
        let (run, event) = self.new_run(&actor, &plan, open.now(), Some(signed));
        storage::drill_runs::drill_run_insert(open.tx(), &run).await?;
        Ok((event, actor, run))
    }

    /// Pauses the bots of a drill and writes down under which holds. In a task of its own, as with every press.
    pub(super) async fn press_drill(self: &Arc<Self>, actor: Actor, run: DrillRun, bots: Vec<BotId>) {
        let app = self.clone();
        let pressed = tokio::spawn(async move { app.press_drill_now(actor, &run, bots).await });
        if let Err(error) = pressed.await {
            tracing::error!(%error, "a drill ended early");
        }
    }

    async fn press_drill_now(self: &Arc<Self>, actor: Actor, run: &DrillRun, bots: Vec<BotId>) {
        self.drills_open.store(true, Ordering::SeqCst);
        let presses = bots.into_iter().map(|bot| {
            let press = Press {
                scope: Scope::Bot(bot.clone()),
                level: Level::Pause,
                why: DRILL.to_owned(),
                idempotency_key: format!("drill:{}", run.id),
                terms: Default::default(),
            };
            let actor = actor.clone();
            async move { (bot, self.place(actor, press).await) }
        });
        let mut holds = Vec::new();
        for (bot, placed) in futures_util::future::join_all(presses).await {
            match placed {
                Ok(placed) => holds.push((bot, placed.hold.id)),
                Err(error) => tracing::error!(%bot, error = &error as &dyn std::error::Error, "a drill could not pause a bot"),
            }
        }
        for _ in 0..TRIES {
            match self.write_drill_holds(&run.id, &holds).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "the holds of a drill wait for the database"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn write_drill_holds(&self, run: &DrillId, holds: &[(BotId, HoldId)]) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        for (bot, hold) in holds {
            storage::drill_runs::drill_bot_insert(&mut tx, run, bot, hold).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Looks at every drill that runs, and ends those that are over. Of several replicas the one that holds the lease calls this.
    ///
    /// # Errors
    /// When the database is gone: looked at again later.
    pub async fn tend_drills(&self) -> Result<(), AppError> {
        // Taken back before the look: a drill that begins meanwhile says so after its row is there.
        if !self.drills_open.swap(false, Ordering::SeqCst) && self.db.is_embedded() {
            return Ok(());
        }
        let looked = self.tend_open_drills().await;
        if !matches!(looked, Ok(0)) {
            self.drills_open.store(true, Ordering::SeqCst);
        }
        looked.map(drop)
    }

    async fn tend_open_drills(&self) -> Result<usize, AppError> {
        let open = storage::drill_runs::drill_run_open(&mut *self.db.read().await?).await?;
        for run in &open {
            self.tend_drill(run).await?;
        }
        Ok(open.len())
    }

    async fn tend_drill(&self, run: &DrillRun) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        let rows = storage::drill_runs::drill_bots(&mut conn, &run.id).await?;
        if rows.is_empty() && now.ms_since(run.began_at) < PRESSED_WITHIN_MS {
            return Ok(());
        }
        let mut measured = Vec::with_capacity(rows.len());
        for row in &rows {
            measured.push(self.measure_row(&mut conn, row).await?);
        }
        drop(conn);
        let control = self.drill_control(run);
        let ends_at = if rows.is_empty() { now } else { run.ends_at };
        let Some(verdict) = drill::judge(&measured, &control, run.began_at, ends_at, now) else { return Ok(()) };
        for some in rows.iter().zip(&measured).collect::<Vec<_>>().chunks(CHUNK) {
            let mut tx = self.db.write(Lane::Normal).await?;
            for (row, seen) in some {
                let row =
                    DrillBot { received_ms: seen.received_ms, applied_ms: seen.applied_ms, idle_ms: seen.idle_ms, ..DrillBot::clone(row) };
                storage::drill_runs::drill_bot_measure(&mut tx, &row).await?;
            }
            tx.commit().await?;
        }
        let over = DrillRun {
            ended_at: Some(now),
            passed: Some(verdict.passed),
            reasons: verdict.reasons.join("\n"),
            control_at: control.active_at,
            expires_at: verdict.passed.then(|| now.plus_ms(PROVES_MS)),
            ..run.clone()
        };
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        if storage::drill_runs::drill_run_end(open.tx(), &over).await? {
            let event = Event::DrillEnded { drill: run.id.clone(), passed: verdict.passed, reasons: over.reasons };
            open.commit_stop(event).await?;
        }
        Ok(())
    }

    fn worst_case_stop_ms(&self, bot: &BotFacts) -> i64 {
        fleet::worst_case_stop_ms(bot.timings, self.book.seen(&bot.id).as_deref())
    }

    async fn measure_row(&self, conn: &mut Conn, row: &DrillBot) -> Result<Measured, AppError> {
        let view = self.fleet.view();
        let bot = view.bot(&row.bot_id).cloned().ok_or(AppError::NotFound("bot"))?;
        let hold = match view.open_hold(&row.hold_id) {
            Some(hold) => Some(hold.as_ref().clone()),
            None => storage::holds::hold_by_id(conn, &row.hold_id).await?,
        };
        let mut line = None;
        if let Some(hold) = &hold {
            let mut acks = self.book.acks_since(&bot.id, hold.epoch);
            if acks.is_empty() {
                acks = storage::acks::ack_of_bots(conn, &[&bot.id], hold.epoch).await?.into_iter().map(receipts::seen).collect();
            }
            line = Some(fleet::of_bot(bot.clone(), hold, self.clock.now(), acks, None));
        }
        let line = line.as_ref();
        Ok(Measured {
            name: bot.name.clone(),
            received_ms: line.and_then(|line| line.received_ms),
            applied_ms: line.and_then(|line| line.applied_ms),
            idle_ms: line.and_then(|line| line.idle_ms),
            apply_within_ms: bot.timings.apply_within_ms,
            worst_case_ms: self.worst_case_stop_ms(&bot),
        })
    }

    /// What is known of the bot that must go on: its agent's own word after the press, and that nothing stopped it.
    fn drill_control(&self, run: &DrillRun) -> Control {
        let view = self.fleet.view();
        let Some(bot) = view.bot(&run.control_bot) else {
            return Control { name: "The control".to_owned(), active_at: None, stopped_by: Some("it is gone".to_owned()) };
        };
        let said = self.book.seen(&bot.id).filter(|seen| seen.at > run.began_at);
        let directive = view.directive(bot);
        let stop = bot.stop.as_ref().filter(|stop| stop.epoch > bot.start_epoch);
        let stopped_by = match (&stop, directive.state) {
            (Some(stop), _) => Some(stop.why.clone()),
            (None, State::Active) => said
                .as_ref()
                .filter(|seen| seen.state.is_some_and(|state| state != State::Active))
                .map(|_| "its agent says that it no longer trades".to_owned()),
            (None, _) => Some("a hold came to cover it".to_owned()),
        };
        let active_at = said.filter(|seen| seen.state == Some(State::Active)).map(|seen| seen.at);
        Control { name: bot.name.clone(), active_at, stopped_by }
    }

    /// Drills that this actor may see, newest first, those before one of them when it is named; with them the id before which the next page
    /// begins.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn drill_runs(
        &self,
        actor: &Actor,
        before: Option<&DrillId>,
        most: i64,
    ) -> Result<(Vec<DrillRun>, Option<DrillId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut conn = self.db.read().await?;
        let mut runs = storage::drill_runs::drill_run_newest(&mut conn, before, most + 1).await?;
        let more = runs.len() as i64 > most;
        runs.truncate(usize::try_from(most).unwrap_or_default());
        let next = runs.last().filter(|_| more).map(|last| last.id.clone());
        if matches!(actor, Actor::Token { team: Some(_), .. }) {
            let mut seen = Vec::with_capacity(runs.len());
            for run in runs {
                let rows = storage::drill_runs::drill_bots(&mut conn, &run.id).await?;
                if self.sees_drill(actor, &run, &rows) {
                    seen.push(run);
                }
            }
            runs = seen;
        }
        Ok((runs, next))
    }

    /// True when this actor may be shown a drill: a token that is bound to a team, those of its bots alone.
    fn sees_drill(&self, actor: &Actor, run: &DrillRun, rows: &[DrillBot]) -> bool {
        let view = self.fleet.view();
        let sees = |bot: &BotId| view.bot(bot).is_some_and(|bot| authz::sees_team(actor, &bot.team));
        sees(&run.control_bot) && rows.iter().all(|row| sees(&row.bot_id))
    }

    /// One drill with its bots: as measured when it is over, as far as they have come while it runs.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn drill_run(&self, actor: &Actor, id: &DrillId) -> Result<(DrillRun, Vec<DrillBot>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut conn = self.db.read().await?;
        let run = storage::drill_runs::drill_run_by_id(&mut conn, id).await?.ok_or(AppError::NotFound("drill"))?;
        let mut rows = storage::drill_runs::drill_bots(&mut conn, id).await?;
        if run.ended_at.is_none() {
            for row in &mut rows {
                let seen = self.measure_row(&mut conn, row).await?;
                (row.received_ms, row.applied_ms, row.idle_ms) = (seen.received_ms, seen.applied_ms, seen.idle_ms);
            }
        }
        if self.sees_drill(actor, &run, &rows) { Ok((run, rows)) } else { Err(AppError::NotFound("drill")) }
    }

    /// Where a bot stands with drills.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn drill_standing(&self, actor: &Actor, bot: &BotId) -> Result<Standing, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let last = storage::drill_runs::drill_last_of_bot(&mut *self.db.read().await?, bot).await?;
        Ok(Standing::of(last, self.clock.now()))
    }
}
