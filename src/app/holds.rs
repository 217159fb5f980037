//! Placing a hold. From the moment a press is parsed it runs in a task of its own: no closed browser, timeout or shutdown cancels it.
//! It waits for the database at most 250 ms; then it is pushed all the same, spooled, and recorded later as the same hold.

use super::{App, AppError, Invalid, hold_record::Recording};
use crate::audit::{Actor as Author, Event};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, Epoch, Hold, HoldId, Level, PlacedBy, PlacerKind, PressId, Scope, Timestamp, UserId, text};
use crate::fleet::View;
use crate::storage::{self, Lane};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

/// How long a press waits for the database: a hang counts as gone.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often it waits that long again while the database takes the holds of others.
const TURNS: usize = 40;
/// How long the spool may take before the press is answered without it.
const SPOOL_PATIENCE: Duration = Duration::from_millis(500);
/// How many presses are remembered for those who send theirs twice.
const PRESSES_KEPT: usize = 4096;
/// How often one key is followed from a hold that is over to the next before it no longer counts.
const KEY_USES: usize = 16;

/// A press.
#[derive(Debug, Clone)]
pub struct Press {
    /// What to stop.
    pub scope: Scope,
    /// How strictly.
    pub level: Level,
    /// Why; never demanded.
    pub why: String,
    /// The same press sent again carries the same key; empty: none given.
    pub idempotency_key: String,
    /// What goes beyond that.
    pub terms: Terms,
}

/// What a press may say beyond what is to stop.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Nobody may release it before this moment.
    pub not_before: Option<Timestamp>,
    /// The press that places other holds as well.
    pub with: Option<PressId>,
}

/// The longest that a press can put its release off: a slip of the hand must not hold a fleet for a year.
const NOT_BEFORE_AT_MOST_MS: i64 = 7 * crate::domain::time::DAY_MS;

/// How a press is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the database, with its entry or waiting for it.
    Recorded,
    /// In the spool on this machine; the database gets it when it is back.
    Spooled,
    /// Nowhere: it was pushed to the agents and that is all.
    NotRecorded,
}

impl Kept {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Spooled => "spooled",
            Self::NotRecorded => "not_recorded",
        }
    }
}

/// The answer to a press.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The hold, new or the same press's earlier one.
    pub hold: Hold,
    /// How it is kept.
    pub kept: Kept,
    /// True when this press had been taken before.
    pub repeated: bool,
    /// Other unreleased holds that already covered the whole scope.
    pub beside: Vec<Arc<Hold>>,
}

type Once = Arc<OnceCell<Placed>>;

/// Presses being taken or taken lately, so that a hundred equal ones make one hold.
#[derive(Default)]
pub struct Presses(Mutex<HashMap<(String, String), Once>>);

impl Presses {
    fn of(&self, by: &PlacedBy, key: &str) -> Once {
        let mut presses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if presses.len() >= PRESSES_KEPT {
            // The database remembers those that are done; only the ones under way must stay.
            presses.retain(|_, once| !once.initialized());
        }
        presses.entry((format!("{}:{}", by.kind, by.id), key.to_owned())).or_default().clone()
    }
}

impl App {
    /// Places a hold. Never refused for want of a database, a log, a disk or a reason.
    ///
    /// # Errors
    /// `Denied` for who may not stop this, or not as strictly; `NotFound` for a scope that does not exist.
    pub async fn place(self: &Arc<Self>, actor: Actor, press: Press) -> Result<Placed, AppError> {
        let app = self.clone();
        let task = tokio::spawn(async move { app.place_now(actor, press).await });
        task.await.map_err(AppError::internal)?
    }

    /// Places one hold for each of several scopes, as one press. None waits for another, and one that is refused keeps none of the others from
    /// standing.
    pub async fn place_several(
        self: &Arc<Self>,
        actor: &Actor,
        scopes: Vec<Scope>,
        press: &Press,
    ) -> Vec<(Scope, Result<Placed, AppError>)> {
        let with = (scopes.len() > 1).then(PressId::new);
        let each = scopes.into_iter().map(|scope| {
            let terms = Terms { with: with.clone(), ..press.terms.clone() };
            let one = Press { scope: scope.clone(), terms, ..press.clone() };
            let (app, actor) = (self.clone(), actor.clone());
            async move { (scope, app.place(actor, one).await) }
        });
        futures_util::future::join_all(each).await
    }

    async fn place_now(&self, actor: Actor, mut press: Press) -> Result<Placed, AppError> {
        let view = self.fleet.view();
        let resource = self.scope_resource(&press.scope)?;
        let action = if press.level == Level::Kill { Action::PlaceKill } else { Action::PlaceHold };
        authz::check(&actor, action, &resource)?;
        if press.scope.is_symbol() {
            // What one symbol's hold says is the same at every level: add nothing there.
            press.level = Level::Reduce;
        }
        let (now, terms) = (self.clock.now(), &mut press.terms);
        terms.not_before = terms.not_before.filter(|at| *at > now).map(|at| at.min(now.plus_ms(NOT_BEFORE_AT_MOST_MS)));
        press.why = text::why_lenient(&press.why);
        let by = actor.as_placer();
        let id = HoldId::new();
        if press.idempotency_key.is_empty() {
            press.idempotency_key = id.to_string();
        }
        let same = |hold: &&Arc<Hold>| {
            let is_by = hold.placed_by.kind == by.kind && hold.placed_by.id == by.id;
            is_by && hold.scope == press.scope && hold.level == press.level && holds_as_long(hold, press.terms.not_before)
        };
        let beside: Vec<Arc<Hold>> = view.open_holds().filter(|h| covers_whole(&view, h, &press.scope)).cloned().collect();
        let unrecorded = |hold: &Arc<Hold>| view.unrecorded().iter().any(|other| other.id == hold.id);
        // Beside others that write, a recorded one may be over by now: there the database says whether the same stands.
        let surely = |hold: &&Arc<Hold>| same(hold) && (self.db.is_embedded() || unrecorded(hold));
        if let Some(hold) = view.open_holds().find(surely) {
            let kept = self.kept(hold);
            let beside = beside.into_iter().filter(|h| h.id != hold.id).collect();
            return Ok(Placed { hold: Hold::clone(hold), kept, repeated: true, beside });
        }
        let mut key = key_of(&press, "");
        for _ in 0..KEY_USES {
            let this = Press { idempotency_key: key, ..press.clone() };
            let placed = self.place_by_key(&actor, &by, id.clone(), this, &beside).await;
            if self.stands(&placed) && holds_as_long(&placed.hold, press.terms.not_before) {
                return Ok(placed);
            }
            // The key was used for a hold that is over by now, or may be released sooner. A stop is never answered by one that no longer stops
            // anything, nor by a weaker one.
            key = key_of(&press, placed.hold.id.as_str());
        }
        let this = Press { idempotency_key: key_of(&press, id.as_str()), ..press };
        Ok(self.place_by_key(&actor, &by, id, this, &beside).await)
    }

    /// True unless a repeated press was answered with a hold that has been released since.
    fn stands(&self, placed: &Placed) -> bool {
        !placed.repeated || (placed.hold.is_open() && self.fleet.view().open_hold(&placed.hold.id).is_some())
    }

    async fn place_by_key(&self, actor: &Actor, by: &PlacedBy, id: HoldId, press: Press, beside: &[Arc<Hold>]) -> Placed {
        let once = self.presses.of(by, &press.idempotency_key);
        let mut mine = false;
        let placed = once
            .get_or_init(|| {
                mine = true;
                self.place_once(actor.into(), by.clone(), id, press, beside.to_vec())
            })
            .await;
        Placed { repeated: placed.repeated || !mine, ..placed.clone() }
    }

    /// Pauses the fleet for one of the server's own triggers, unless such a pause stands already. Refused by nothing, like any stop.
    pub(crate) async fn place_for_trigger(self: &Arc<Self>, trigger: &'static str, why: &str) {
        let by = PlacedBy { kind: PlacerKind::Trigger, id: trigger.into(), name: trigger.into(), as_risk: false };
        self.place_by_rule(by, Scope::Fleet, Level::Pause, why).await;
    }

    /// Places the hold of a trigger, unless one of it stands on that scope, at least as strict. Refused by nothing, like any stop.
    pub(crate) async fn place_by_rule(self: &Arc<Self>, by: PlacedBy, scope: Scope, level: Level, why: &str) {
        if self.is_held_by(&by.id, &scope, level) {
            return;
        }
        let id = HoldId::new();
        let why = text::why_lenient(why);
        let press = Press { scope, level, why, idempotency_key: id.to_string(), terms: Terms::default() };
        let app = self.clone();
        let trigger = by.id.clone();
        // A task of its own, as with every press: nothing that ends its caller takes it back.
        let placed = tokio::spawn(async move { app.place_once(Author::placer(&by), by, id, press, Vec::new()).await });
        if let Err(error) = placed.await {
            tracing::error!(%error, trigger, "the hold of a trigger could not be placed");
        }
    }

    /// True while an unreleased hold of a trigger stands on a scope, at least as strict.
    pub(crate) fn is_held_by(&self, trigger: &str, scope: &Scope, level: Level) -> bool {
        let stands = |hold: &Arc<Hold>| {
            let is_its = hold.placed_by.kind == PlacerKind::Trigger && hold.placed_by.id == trigger;
            is_its && hold.scope == *scope && hold.level >= level
        };
        self.fleet.view().open_holds().any(stands)
    }

    async fn place_once(&self, author: Author, by: PlacedBy, id: HoldId, press: Press, beside: Vec<Arc<Hold>>) -> Placed {
        let hold = Hold {
            id,
            scope: press.scope,
            level: press.level,
            why: press.why,
            placed_by: by,
            at: self.clock.now(),
            epoch: Epoch(0),
            released: None,
            late: false,
            idempotency_key: press.idempotency_key,
            origin: None,
            entry: None,
            not_before: press.terms.not_before,
            press: press.terms.with,
        };
        failpoint!("place:before");
        let mut recording = self.recorder.record(author, hold.clone());
        let Some(recorded) = self.wait_for(&mut recording, &hold).await else {
            // Refused, or still hanging: a commit that comes all the same is the same hold, since the merge goes by its id.
            recording.give_up();
            return self.push_without_database(hold, beside).await;
        };
        let repeated = recorded.id != hold.id;
        if !repeated {
            self.freeze_evidence(&recorded);
        }
        failpoint!("place:pushed");
        Placed { hold: recorded, kept: Kept::Recorded, repeated, beside }
    }

    /// Waits until a hold is recorded. The agents wait no longer than `PATIENCE`; the answer waits on while the database takes one hold after
    /// the other, since what a press of thousands is then told is that all of it is kept.
    async fn wait_for(&self, recording: &mut Recording, hold: &Hold) -> Option<Hold> {
        let mut pushed = None;
        for _ in 0..TURNS {
            let committed = self.recorder.committed();
            match tokio::time::timeout(PATIENCE, &mut recording.told).await {
                Ok(recorded) => {
                    let recorded = recorded.ok()?;
                    if let Some(pushed) = pushed {
                        self.settle_pushed(pushed, &recorded).await;
                    }
                    return Some(recorded);
                }
                Err(_) if self.recorder.committed() == committed => return None,
                Err(_) if pushed.is_none() => pushed = Some(self.push_early(hold).await),
                Err(_) => {}
            }
        }
        None
    }

    /// Pushes a hold whose turn at the database has not come; on this machine's disk meanwhile, where there is room.
    async fn push_early(&self, hold: &Hold) -> Hold {
        let pushed = self.fleet.push_unrecorded(hold.clone());
        let (spool, copy) = (self.spool.clone(), Hold { late: true, ..pushed.clone() });
        let kept = tokio::task::spawn_blocking(move || spool.keep(&copy));
        if !matches!(tokio::time::timeout(SPOOL_PATIENCE, kept).await, Ok(Ok(Ok(())))) {
            tracing::warn!(hold = %pushed.id, "a hold waits for its turn at the database, and is in the memory of this server alone meanwhile");
        }
        pushed
    }

    /// What was pushed before its turn is recorded now, or another hold of the same press is.
    async fn settle_pushed(&self, pushed: Hold, recorded: &Hold) {
        if pushed.epoch > recorded.epoch {
            self.count_from(pushed.epoch).await;
        }
        if recorded.id != pushed.id {
            // First that one, so that the bots stay held.
            self.fleet.take_hold(recorded.clone());
            self.fleet.drop_unrecorded(&pushed.id);
        }
        if let Err(error) = self.drop_spooled(&pushed.id).await {
            tracing::warn!(%error, "a recorded hold stays in the spool; recording it again changes nothing");
        }
    }

    /// Lifts the counter above a number that agents were told before it was recorded: no start may come to stand below it.
    async fn count_from(&self, told: Epoch) {
        let raised = async {
            if storage::epoch::epoch_now(&mut *self.db.read().await?).await? >= told {
                return Ok(());
            }
            let mut tx = self.db.write(Lane::Stop).await?;
            storage::epoch::epoch_raise(&mut tx, self.fleet.view().highest().max(told)).await?;
            tx.commit().await
        };
        if let Err(error) = raised.await {
            tracing::warn!(%error, "the counter stays below a number that agents were told; a start may have to be signed twice");
        }
    }

    async fn push_without_database(&self, mut hold: Hold, beside: Vec<Arc<Hold>>) -> Placed {
        hold.late = true;
        let pushed = self.fleet.push_unrecorded(hold);
        self.freeze_evidence(&pushed);
        failpoint!("place:before_spool");
        let spool = self.spool.clone();
        let for_spool = pushed.clone();
        let kept = tokio::task::spawn_blocking(move || spool.keep(&for_spool));
        let kept = match tokio::time::timeout(SPOOL_PATIENCE, kept).await {
            Ok(Ok(Ok(()))) => Kept::Spooled,
            _ => Kept::NotRecorded,
        };
        tracing::error!(hold = %pushed.id, ?kept, "the database did not take a hold; it was pushed to the agents");
        failpoint!("place:spooled");
        Placed { hold: pushed, kept, repeated: false, beside }
    }

    /// Other unreleased holds that cover the whole scope of this one, oldest first: each must be released too (ruling C3).
    ///
    /// # Errors
    /// `NotFound` when its bot is gone.
    pub fn holds_beside(&self, hold: &Hold) -> Result<Vec<Arc<Hold>>, AppError> {
        let view = self.fleet.view();
        if let Scope::Bot(bot) = &hold.scope {
            view.bot(bot).ok_or(AppError::NotFound("bot"))?;
        }
        Ok(view.open_holds().filter(|other| other.id != hold.id && covers_whole(&view, other, &hold.scope)).cloned().collect())
    }

    /// The other holds that the same press placed, those that are over included.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn holds_with(&self, hold: &Hold) -> Result<Vec<Hold>, AppError> {
        let Some(press) = &hold.press else { return Ok(Vec::new()) };
        let mut all = storage::holds::hold_of_press(&mut *self.db.read().await?, press).await?;
        all.retain(|other| other.id != hold.id);
        Ok(all)
    }

    /// Everybody who signed the release of a hold, in order; empty while it stands.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn signers_of_release(&self, hold: &Hold) -> Result<Vec<UserId>, AppError> {
        let Some(release) = &hold.released else { return Ok(Vec::new()) };
        Ok(storage::acts::act_release_signers(&mut *self.db.read().await?, release.at, &release.by).await?)
    }

    /// How a hold is kept now.
    pub fn kept(&self, hold: &Hold) -> Kept {
        match self.fleet.view().unrecorded().iter().any(|open| open.id == hold.id) {
            false => Kept::Recorded,
            true if self.spool.holds(&hold.id) => Kept::Spooled,
            true => Kept::NotRecorded,
        }
    }

    /// What a scope is to the policy. What is not there is refused: there is nothing to stop.
    pub(crate) fn scope_resource(&self, scope: &Scope) -> Result<Resource, AppError> {
        let view = self.fleet.view();
        let (people, venues) = (self.people(), self.venues());
        let missing = match scope {
            Scope::Team(id) => people.team_name(id).is_none().then_some("team"),
            Scope::Venue(id) | Scope::Symbol(_, Some(id)) => venues.venue(id).is_none().then_some("venue"),
            Scope::Subaccount(id) => venues.subaccount(id).is_none().then_some("subaccount"),
            Scope::Strategy(name) => view.bots().all(|bot| bot.strategy != *name).then_some("strategy: no bot runs it"),
            Scope::Fleet | Scope::Bot(_) | Scope::Symbol(_, None) => None,
        };
        if let Some(what) = missing {
            return Err(AppError::NotFound(what));
        }
        let team = match scope {
            Scope::Bot(id) => Some(view.bot(id).ok_or(AppError::NotFound("bot"))?.team.clone()),
            Scope::Subaccount(_) => view.bots().find(|bot| scope.covers(bot)).map(|bot| bot.team.clone()),
            Scope::Fleet | Scope::Team(_) | Scope::Venue(_) | Scope::Strategy(_) | Scope::Symbol(..) => None,
        };
        Ok(Resource::Scope { scope: scope.clone(), team })
    }

    /// Adds the reason to a hold that has none. Once.
    ///
    /// # Errors
    /// `Denied`; `Invalid` when the reason does not fit; `Conflict` when it has one.
    pub async fn explain_hold(&self, actor: &Actor, id: &HoldId, why: &str) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::ExplainHold, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
        if why.is_empty() {
            return Err(Invalid::one("why", "Give a reason").into());
        }
        let mut act = self.begin(permit, Lane::Normal).await?;
        // Other replicas read again what has an epoch they have not seen.
        act.epoch().await?;
        storage::holds::hold_by_id(act.tx(), id).await?.ok_or(AppError::NotFound("hold"))?;
        match storage::holds::hold_set_why(act.tx(), id, &why).await {
            Err(storage::Error::Conflict) => return Err(AppError::conflict("this hold has a reason already; it is kept as it was given")),
            other => other?,
        }
        act.commit(Event::HoldExplained { hold: id.clone(), why }).await?;
        let mut tx = self.db.read().await?;
        if let Some(hold) = storage::holds::hold_by_id(&mut tx, id).await? {
            self.fleet.take_hold(hold);
        }
        Ok(())
    }
}

/// True when a hold may not be released sooner than a press asks, a minute aside: the same form sent twice asks for two moments.
pub(super) fn holds_as_long(hold: &Hold, not_before: Option<Timestamp>) -> bool {
    not_before.is_none_or(|asked| hold.not_before.is_some_and(|held| held.plus_ms(60_000) >= asked))
}

/// The key under which a press is known: what it stops belongs to it, so that a key that is used again for something else stops that, too.
fn key_of(press: &Press, anew: &str) -> String {
    let given = press.idempotency_key.chars().filter(char::is_ascii_graphic);
    let kind = press.scope.kind();
    let name = press.scope.id();
    format!("{kind}:{name}:{}:", press.level).chars().chain(anew.chars()).chain(given).take(128).collect()
}

/// True when a hold already covers all of a scope.
fn covers_whole(view: &View, hold: &Hold, scope: &Scope) -> bool {
    let bot: Option<&BotFacts> = if let Scope::Bot(id) = scope { view.bot(id).map(AsRef::as_ref) } else { None };
    hold.scope.includes(scope, bot) || bot.is_some_and(|bot| !hold.scope.is_symbol() && view.covers(hold, bot))
}
