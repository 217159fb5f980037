//! Reconciliation (ruling M2): what agents report against what their venues show, read with the monitor keys that the server holds. A difference
//! that two readings in a row confirm places the configured hold and keeps its bot from starting until a person closes it with a reason.
//!
//! `symbols` and `sides` make what agents and venues say comparable, `compare` compares, `course` decides what a row of readings means: all pure.
//! `round` reads and writes. Nothing on the way of a stop waits for any of it.

pub mod compare;
pub mod course;
pub mod round;
pub mod sides;
pub mod symbols;

pub use round::Reconciler;

use super::{App, AppError, Invalid};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    AlertKind, BotId, HoldId, KeyPurpose, PlacedBy, PlacerKind, ReconciliationId, Scope, Subject, Timestamp,
    reconciliation::{Difference, GuardCancels, LastRead, Reaction, Reconciliation, ReconciliationEnd, Watch, words},
    text,
};
use crate::storage::{self, Conn, Lane};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The id of the trigger.
pub const TRIGGER: &str = "reconciliation";
/// How many of a bot's differences a page lists.
const LISTED: i64 = 20;

/// How bots are watched, as far as not as usual. In memory: the guard needs it when the database is gone.
#[derive(Debug, Default)]
pub(crate) struct WatchBook(RwLock<HashMap<BotId, Watch>>);

impl WatchBook {
    fn of(&self, bot: &BotId) -> Watch {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(bot).copied().unwrap_or_default()
    }
    fn set(&self, all: HashMap<BotId, Watch>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// A difference that a second reading confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// When it was seen first.
    pub first_seen_at: Timestamp,
    /// When it was seen again.
    pub at: Timestamp,
    /// What.
    pub differences: Vec<Difference>,
    /// The key that read.
    pub key: String,
}

/// What is known of a bot beside its venue, for its pages.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The last comparison; none: there was none.
    pub last: Option<LastRead>,
    /// Confirmed differences, newest first.
    pub past: Vec<Reconciliation>,
    /// How it is watched.
    pub watch: Watch,
    /// The server holds a monitor key for it.
    pub has_monitor: bool,
    /// The server holds a guard key for it.
    pub has_guard: bool,
}

impl Standing {
    /// The one that nobody has closed.
    pub fn open(&self) -> Option<&Reconciliation> {
        self.past.iter().find(|one| one.closed.is_none())
    }
}

fn placer() -> PlacedBy {
    PlacedBy { kind: PlacerKind::Trigger, id: TRIGGER.to_owned(), name: TRIGGER.to_owned(), as_risk: false }
}

/// Bots that differ from their venues, with when that was confirmed: nothing starts them.
///
/// # Errors
/// When the database is gone.
pub(crate) async fn differing(conn: &mut Conn) -> storage::Result<HashMap<BotId, Timestamp>> {
    let open = storage::reconciliations::reconciliation_open(conn).await?;
    Ok(open.into_iter().map(|one| (one.bot, one.confirmed_at)).collect())
}

impl App {
    /// How a bot is watched at its venue.
    pub fn watch_of(&self, bot: &BotId) -> Watch {
        self.watch_book.of(bot)
    }

    /// Reads how bots are watched: at the start, and again as other replicas may have set it.
    ///
    /// # Errors
    /// When the database is gone: memory stays as it was.
    pub async fn load_watches(&self) -> Result<(), AppError> {
        let all = storage::reconciliations::watch_all(&mut *self.db.read().await?).await?;
        self.watch_book.set(all.into_iter().collect());
        Ok(())
    }

    /// Sets how a bot is watched: what a confirmed difference does, and what the guard may cancel where entry orders cannot be told.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Conflict` when that stands already; when the database is gone.
    pub async fn set_watch(&self, actor: &Actor, id: &BotId, watch: Watch) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::SetWatch, &Self::bot_resource(&bot))?;
        if self.watch_of(id) == watch {
            return Err(AppError::conflict("it is watched like this already"));
        }
        let by = crate::audit::Actor::from(actor).text();
        let mut act = self.begin(permit, Lane::Normal).await?;
        let at = act.now();
        storage::reconciliations::watch_set(act.tx(), id, watch, (at, &by)).await?;
        let Watch { reaction, guard_cancels } = watch;
        let event = Event::WatchSet { bot: id.clone(), reaction: reaction.to_string(), guard_cancels: guard_cancels.to_string() };
        act.commit(event).await?;
        self.load_watches().await
    }

    /// What is known of a bot beside its venue.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn reconciliation_of(&self, actor: &Actor, id: &BotId) -> Result<Standing, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        Ok(Standing {
            last: storage::reconciliations::reconcile_seen_one(&mut tx, id).await?,
            past: storage::reconciliations::reconciliation_of_bot(&mut tx, id, LISTED).await?,
            watch: self.watch_of(id),
            has_monitor: self.has_hand(id, KeyPurpose::Monitor),
            has_guard: self.has_hand(id, KeyPurpose::Guard),
        })
    }

    /// Acts on a confirmed difference: the hold first, whatever the database says; then what is known of it, and an alert. Nothing while one of
    /// this bot is open but the hold, should somebody have released it while both sides differ.
    pub(crate) async fn confirm_difference(self: &Arc<Self>, id: &BotId, confirmed: Confirmed) {
        let Some(bot) = self.fleet.view().bot(id).cloned() else { return };
        let (said, reaction) = (words(&confirmed.differences), self.watch_of(id).reaction);
        let scope = Scope::Bot(id.clone());
        let hold = match reaction.level() {
            Some(level) => {
                self.place_by_rule(placer(), scope.clone(), level, &said).await;
                self.hold_of_reconciliation(&scope)
            }
            None => None,
        };
        let new = Reconciliation {
            id: ReconciliationId::new(),
            bot: id.clone(),
            first_seen_at: confirmed.first_seen_at,
            confirmed_at: confirmed.at,
            differences: confirmed.differences,
            key: confirmed.key,
            reaction,
            hold: hold.clone(),
            closed: None,
        };
        let subject = hold.map_or_else(|| Subject::bot(id), |hold| Subject::bot_under(id, &hold));
        let words = alert_words(&bot.name, &said, &new);
        let is_news = match self.write_difference(new, said).await {
            Ok(is_news) => is_news,
            // It is seen again with the next reading, and written then.
            Err(error) => {
                tracing::warn!(bot = %id, %error, "a difference between a bot and its venue could not be written down yet");
                true
            }
        };
        if is_news && !self.alerts.is_open(AlertKind::Reconciliation, &subject) {
            self.raise(AlertKind::Reconciliation, subject, words);
        }
    }

    /// True when it is news: none of this bot's is open.
    async fn write_difference(&self, new: Reconciliation, said: String) -> Result<bool, AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        if storage::reconciliations::reconciliation_open_of(act.tx(), &new.bot).await?.is_some() {
            return Ok(false);
        }
        storage::reconciliations::reconciliation_insert(act.tx(), &new).await?;
        let event = Event::ReconciliationConfirmed {
            reconciliation: new.id,
            bot: new.bot,
            differs: text::why_lenient(&said),
            reaction: new.reaction.to_string(),
            hold: new.hold,
            key: new.key,
        };
        // What keeps a bot from starting only stops: a frozen log takes its entry later.
        act.commit_stop(event).await?;
        Ok(true)
    }

    fn hold_of_reconciliation(&self, scope: &Scope) -> Option<HoldId> {
        let view = self.fleet.view();
        let mut holds = view.open_holds();
        holds
            .find(|hold| hold.placed_by.id == TRIGGER && hold.placed_by.kind == PlacerKind::Trigger && hold.scope == *scope)
            .map(|hold| hold.id.clone())
    }

    /// True when this actor may close a difference of a bot of this team.
    pub fn may_close_difference(&self, actor: &Actor, id: &BotId) -> bool {
        let team = self.fleet.view().bot(id).map(|bot| bot.team.clone());
        team.is_some_and(|team| authz::check(actor, Action::TendAlert, &Resource::Team(team)).is_ok())
    }

    /// Closes the open difference of a bot. Its hold stays until it is released; should both sides differ still, two readings say so again.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; `Invalid` without a reason; `Conflict` when another is open by now, or none; when the database is gone.
    pub async fn close_difference(&self, actor: &Actor, bot: &BotId, id: &ReconciliationId, why: &str) -> Result<(), AppError> {
        let facts = self.fleet.view().bot(bot).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::TendAlert, &Resource::Team(facts.team.clone()))?;
        let by = actor.user().cloned().ok_or_else(|| AppError::NotYours("a person closes a difference, no token".to_owned()))?;
        let mut invalid = Invalid::default();
        let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
        if why.is_empty() {
            return Err(Invalid::one("why", "Say what the difference was, and why it may be closed").into());
        }
        let mut act = self.begin(permit, Lane::Normal).await?;
        let open = storage::reconciliations::reconciliation_open_of(act.tx(), bot).await?;
        let Some(open) = open.filter(|open| open.id == *id) else {
            return Err(AppError::conflict("this difference is closed already, or another one is open by now; look again"));
        };
        let end = ReconciliationEnd { at: act.now(), by, name: actor.as_placer().name, why: why.clone() };
        storage::reconciliations::reconciliation_close(act.tx(), id, &end).await?;
        act.commit(Event::ReconciliationClosed { reconciliation: open.id, bot: bot.clone(), why: why.clone() }).await?;
        self.settle(AlertKind::Reconciliation, &Subject::bot(bot), format!("{} closed the difference: {why}", end.name));
        Ok(())
    }
}

fn alert_words(bot: &str, said: &str, new: &Reconciliation) -> String {
    let did = match new.reaction {
        Reaction::Off => "No hold was placed, since its setting says so".to_owned(),
        Reaction::Reduce | Reaction::Pause => format!("A {} was placed", new.reaction),
    };
    format!(
        "{bot} and its venue do not say the same: {said}. First seen at {}, again at {}, read with key {}. {did}; nothing starts the bot until \
         somebody has looked at both sides and closed the difference with a reason, on the bot's page.",
        new.first_seen_at.plain(),
        new.confirmed_at.plain(),
        new.key,
    )
}

/// Reads a setting from a form.
///
/// # Errors
/// `Invalid` for a word that is none.
pub fn watch_typed(reaction: &str, guard_cancels: &str) -> Result<Watch, Invalid> {
    let mut invalid = Invalid::default();
    let reaction = invalid.check("reaction", "What a difference does", reaction.parse::<Reaction>());
    let guard_cancels = invalid.check("guard_cancels", "What the guard cancels", guard_cancels.parse::<GuardCancels>());
    reaction.zip(guard_cancels).map(|(reaction, guard_cancels)| Watch { reaction, guard_cancels }).ok_or(invalid)
}
