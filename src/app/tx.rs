//! The one way to a write: a permit opens the transaction, an audit event closes it. No permit, no transaction; no entry, no commit.

use super::{App, AppError};
use crate::audit::{Canonical, Event, Record};
use crate::authn::{SessionStore, sessions::Over};
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{Epoch, KeyId, Timestamp, UserId};
use crate::storage::{self, Lane, WriteTx};
use std::collections::BTreeSet;

/// An open act: rolled back when dropped.
#[must_use = "an act that is dropped changes nothing"]
pub struct Act<'a> {
    app: &'a App,
    permit: Permit,
    tx: WriteTx,
    now: Timestamp,
    books: bool,
    keys: BTreeSet<KeyId>,
    told: bool,
    weighty: bool,
    sessions_over: Vec<(UserId, Over)>,
}

/// Where a stop's entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// At this position of the log.
    At(i64),
    /// It waits: the log did not take it.
    Late,
}

impl App {
    /// For what the server records itself.
    pub(crate) fn server_permit(&self) -> Result<Permit, AppError> {
        Ok(authz::check(&Actor::Server, Action::Record, &Resource::Installation)?)
    }
    /// Begins an act.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn begin(&self, permit: Permit, lane: Lane) -> Result<Act<'_>, AppError> {
        let tx = self.db.write(lane).await?;
        Ok(Act {
            app: self,
            permit,
            tx,
            now: self.clock.now(),
            books: false,
            keys: BTreeSet::new(),
            told: false,
            weighty: false,
            sessions_over: Vec::new(),
        })
    }
}

impl Act<'_> {
    /// The transaction, for storage functions.
    pub fn tx(&mut self) -> &mut WriteTx {
        &mut self.tx
    }
    /// The moment of the act.
    pub fn now(&self) -> Timestamp {
        self.now
    }
    /// Who acts.
    pub fn actor(&self) -> &Actor {
        self.permit.actor()
    }
    /// Says that this act changes who may speak: agents, people, teams or tokens.
    pub fn changes_books(&mut self) {
        self.books = true;
    }
    /// Says that this act changes a key or a version of it.
    pub(crate) fn changes_key(&mut self, key: &KeyId) {
        self.keys.insert(key.clone());
    }
    /// Says that this act tells somebody something.
    pub(crate) fn has_told(&mut self) {
        self.told = true;
    }
    /// The sessions of this process.
    pub(crate) fn sessions(&self) -> &SessionStore {
        &self.app.sessions
    }
    /// Says that this act ends sessions: here they end with its commit, elsewhere with what it wrote.
    pub(crate) fn ends_sessions(&mut self, user: &UserId, over: Over) {
        self.books = true;
        self.sessions_over.push((user.clone(), over));
    }
    /// Takes the next epoch. First of all, so that what is read after it is the truth.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn epoch(&mut self) -> Result<Epoch, AppError> {
        Ok(storage::epoch::epoch_take(&mut self.tx).await?)
    }

    /// Appends an entry and goes on; answers with its position.
    ///
    /// # Errors
    /// `Frozen`, with the transaction as it was; when the log cannot take it.
    pub async fn record(&mut self, event: Event) -> Result<i64, AppError> {
        self.app.log.gate().check().map_err(|_| self.app.frozen_error())?;
        let canonical = self.canonical(event)?;
        match storage::audit::audit_append(&mut self.tx, &canonical).await {
            Err(storage::Error::Frozen) => Err(self.app.frozen_error()),
            other => Ok(other?),
        }
    }

    fn canonical(&mut self, event: Event) -> Result<Canonical, AppError> {
        self.weighty |= event.signed().is_some();
        let record = Record { actor: self.permit.actor().into(), ts: self.now, happened_at: None, node: self.app.node.clone(), event };
        Canonical::new(&record).map_err(AppError::internal)
    }

    /// The same for what only stops: when the log refuses, frozen or not, the act goes on without its entry (ruling C5). None: there is none
    /// yet.
    ///
    /// # Errors
    /// When the database itself does not go on.
    pub(crate) async fn record_if_taken(&mut self, event: Event) -> Result<Option<i64>, AppError> {
        self.tx.savepoint().await?;
        match self.record(event).await {
            Ok(seq) => return Ok(Some(seq)),
            Err(AppError::Frozen(_)) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the log refuses the entry of a stop; it is appended later");
                self.tx.back_to_savepoint().await?;
            }
        }
        Ok(None)
    }

    /// The same, with the entry kept and appended later.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_stop(&mut self, event: Event) -> Result<Entered, AppError> {
        if let Some(seq) = self.record_if_taken(event.clone()).await? {
            return Ok(Entered::At(seq));
        }
        let late = storage::checkpoints::Late::new(self.permit.actor().into(), self.now, &self.app.node, event);
        storage::checkpoints::late_add(&mut self.tx, &late).await?;
        Ok(Entered::Late)
    }

    /// Commits what only stops, frozen log or not.
    ///
    /// # Errors
    /// When the database did not take it: nothing happened.
    pub async fn commit_stop(mut self, event: Event) -> Result<Entered, AppError> {
        let entered = self.record_stop(event).await?;
        self.finish().await?;
        Ok(entered)
    }

    /// Appends the last entry, commits, and brings the snapshot up to date. Once this returns `Ok` the act has happened, whatever comes.
    ///
    /// # Errors
    /// When database or log did not take it: nothing happened.
    pub async fn commit(mut self, event: Event) -> Result<i64, AppError> {
        let seq = self.record(event).await?;
        self.finish().await?;
        Ok(seq)
    }

    /// Appends several entries in their order, by as many statements as one, and commits. Without any nothing is committed.
    ///
    /// # Errors
    /// When database or log did not take them: nothing happened.
    pub(crate) async fn commit_several(mut self, events: Vec<Event>) -> Result<(), AppError> {
        if events.is_empty() {
            return Ok(());
        }
        self.app.log.gate().check().map_err(|_| self.app.frozen_error())?;
        let entries = events.into_iter().map(|event| self.canonical(event)).collect::<Result<Vec<_>, _>>()?;
        match storage::audit::audit_append_all(&mut self.tx, &entries).await {
            Err(storage::Error::Frozen) => return Err(self.app.frozen_error()),
            other => other?,
        };
        self.finish().await
    }

    /// Commits entries recorded before. There must have been one.
    ///
    /// # Errors
    /// When the database did not take it: nothing happened.
    pub(crate) async fn finish(mut self) -> Result<(), AppError> {
        self.app.take_claim(&mut self.tx).await?;
        if self.books {
            storage::books::book_changed(&mut self.tx).await?;
        }
        if !self.keys.is_empty() {
            storage::exchange_keys::key_changed(&mut self.tx, &self.keys).await?;
        }
        self.tx.notify().await?;
        let app = self.app;
        self.tx.commit().await?;
        super::idempotency::note_done();
        if self.weighty {
            app.log.wake();
        }
        if self.told {
            app.notices.wake();
        }
        for (user, over) in &self.sessions_over {
            app.sessions.end_here(user, over);
        }
        app.read_after_commit(self.books, self.told).await;
        if !self.keys.is_empty() {
            app.read_keys_after_commit().await;
        }
        if !self.sessions_over.is_empty() {
            app.rights_moved();
        }
        Ok(())
    }
}

impl From<&Actor> for crate::audit::Actor {
    fn from(actor: &Actor) -> Self {
        match actor {
            Actor::User { id, .. } => Self::user(id),
            Actor::Device { id, .. } => Self::device(id),
            Actor::Token { id, .. } => Self::token(id),
            Actor::Agent { id, .. } => Self::agent(id),
            Actor::Host { user } => Self::host(user),
            Actor::Server => Self::server(),
        }
    }
}
