//! Bringing the snapshot up to date. Every fact takes an epoch and the epoch row is locked first, so "what came after the epoch I know"
//! is complete. Going up is answered only after a read that began after the question came (ruling H1).

use super::{App, AppError, people::Rows};
use crate::domain::{Epoch, Timestamp};
use crate::fleet::{View, view::Changes};
use crate::storage::{self, Conn};
use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::sync::Mutex;

/// Keeps readers of the same moment from reading twice: who finds that a read began after them is content with it.
#[derive(Default)]
pub struct Turn {
    asked: AtomicU64,
    // The number of askers when the last finished read began.
    served: Mutex<u64>,
    // The version of the books as they were last read.
    books: std::sync::Mutex<i64>,
    // Something was committed here that could not be read again.
    is_stale: AtomicBool,
}

/// Reads what changed since a view.
///
/// # Errors
/// When the database is gone.
pub async fn read_changes(conn: &mut Conn, since: Epoch) -> storage::Result<Changes> {
    let epoch = storage::epoch::epoch_now(conn).await?;
    if epoch == since {
        return Ok(Changes { epoch, kept: storage::holds::hold_kept(conn).await?, ..Changes::default() });
    }
    Ok(Changes {
        epoch,
        bots: storage::bots::bot_since(conn, since).await?,
        holds: storage::holds::hold_since(conn, since).await?,
        kept: storage::holds::hold_kept(conn).await?,
    })
}

impl Turn {
    /// The version of the books as they were last read.
    pub(super) fn version(&self) -> i64 {
        *self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Reads everything, the fleet and who may speak beside each other: the start of a server waits for it.
    pub(crate) async fn refresh_all(self: &Arc<Self>) -> Result<(), AppError> {
        let app = self.clone();
        let books = tokio::spawn(async move {
            let mut tx = app.db.read().await?;
            app.reload_unread(&mut tx).await?;
            app.reload_books(&mut tx).await
        });
        let app = self.clone();
        let keys = tokio::spawn(async move { app.load_keys(&mut *app.db.read().await?).await });
        let mut tx = self.db.read().await?;
        let overrides = storage::limit_overrides::override_open(&mut tx).await?;
        self.limit_book.take(storage::limits::node_since(&mut tx, Epoch(-1)).await?, overrides);
        let changes = read_changes(&mut tx, Epoch(-1)).await?;
        drop(tx);
        self.fleet.take(changes);
        books.await.map_err(AppError::internal)??;
        keys.await.map_err(AppError::internal)?
    }

    /// Reads agents, people, tokens and stop devices: who may speak. On the embedded database only the acts that change them call this. What was read before
    /// somebody else's later reading changes nothing. Whoever watches what they may see is asked again at once.
    pub(crate) async fn reload_books(&self, conn: &mut Conn) -> Result<(), AppError> {
        let version = storage::books::book_version(conn).await?;
        let agents = storage::agents::agent_live(conn).await?;
        let keys = storage::credentials::credential_tally(conn).await?;
        let away = storage::first_run::first_run_away(conn).await?;
        let (users, teams) = (storage::users::user_all(conn).await?, storage::teams::team_all(conn).await?);
        let tokens = storage::tokens::token_all(conn).await?;
        let is_in_company = storage::settings::setting_is_on(conn, storage::settings::SECOND_PERSON).await?;
        let allowed = storage::settings::setting_is_on(conn, storage::settings::STOP_DEVICES).await?;
        let devices = storage::stop_devices::device_all(conn).await?;
        let venues = super::venues::read(conn).await?;
        let recoveries = self.recent_recoveries(conn).await?;
        let rules = storage::approvals::policy_now(conn).await?;
        let lists = storage::checklists::list_now(conn).await?;
        let (ends, dead_keys) = (storage::users::user_session_ends(conn).await?, storage::credentials::credential_dead(conn).await?);
        {
            let mut books = self.refreshing.books.lock().unwrap_or_else(PoisonError::into_inner);
            if *books > version {
                return Ok(());
            }
            *books = version;
            self.agent_book.reload(agents);
            self.people_book.reload(Rows { users, teams, keys, first_run_away: away, is_in_company });
            self.venue_book.reload(venues);
            self.recovery_book.reload(recoveries);
            self.approval_book.reload(rules);
            self.golive.lists.reload(lists);
            self.device_book.reload(allowed, devices);
            self.token_book.reload(&tokens);
            self.sessions.take_rules(ends, dead_keys);
        }
        self.sessions.reread();
        self.rights_moved();
        Ok(())
    }

    /// Brings the snapshot to a moment after this call began.
    ///
    /// # Errors
    /// When the database is gone: the snapshot stays as it was.
    pub async fn refresh(&self) -> Result<(), AppError> {
        let ticket = self.refreshing.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut served = self.refreshing.served.lock().await;
        if *served >= ticket {
            return Ok(());
        }
        let covers = self.refreshing.asked.load(Ordering::SeqCst);
        let since = self.fleet.view().read_epoch;
        let mut tx = self.db.read().await?;
        let changes = read_changes(&mut tx, since).await?;
        let news = changes.epoch > since;
        if news {
            let overrides = storage::limit_overrides::override_open(&mut tx).await?;
            self.limit_book.take(storage::limits::node_since(&mut tx, since).await?, overrides);
        }
        self.fleet.take(changes);
        // Rights and sessions change without an epoch: they change nothing of what a bot may do.
        if !self.db.is_embedded() && (news || self.are_books_old(&mut tx).await?) {
            self.reload_books(&mut tx).await?;
        }
        *served = covers;
        Ok(())
    }

    /// Reads again what an act has just changed. What cannot be read now is read until it can (`mend`): the act has happened.
    pub(crate) async fn read_after_commit(&self, books: bool, told: bool) {
        let fleet = self.refresh().await;
        // Whatever became of the fleet: who may speak no longer must not go on speaking for it.
        let books = if books { self.read_books().await } else { Ok(()) };
        let unread = if told { self.refresh_unread().await } else { Ok(()) };
        for error in [fleet, books, unread].into_iter().filter_map(Result::err) {
            self.refreshing.is_stale.store(true, Ordering::SeqCst);
            tracing::warn!(%error, "committed, but it could not be read again yet");
        }
    }

    /// The same of keys.
    pub(crate) async fn read_keys_after_commit(&self) {
        if let Err(error) = self.refresh_keys().await {
            self.refreshing.is_stale.store(true, Ordering::SeqCst);
            tracing::warn!(%error, "committed, but keys could not be read again yet");
        }
    }

    async fn read_books(&self) -> Result<(), AppError> {
        self.reload_books(&mut *self.db.read().await?).await
    }

    /// Reads again what could not be read after a commit. Asks the database nothing when there is nothing.
    ///
    /// # Errors
    /// When the database is gone: to be called again.
    pub async fn mend(&self) -> Result<(), AppError> {
        if !self.refreshing.is_stale.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let read = async {
            self.refresh().await?;
            self.read_books().await?;
            self.refresh_keys().await?;
            self.refresh_unread().await
        };
        let read = read.await;
        self.refreshing.is_stale.fetch_or(read.is_err(), Ordering::SeqCst);
        read
    }

    /// Reads the books within a transaction when they moved since they were last read: for decisions that must not miss a right that was taken
    /// away before them. Before the transaction changes anything of them.
    pub(crate) async fn books_in(&self, conn: &mut Conn) -> Result<(), AppError> {
        if self.are_books_old(conn).await? { self.reload_books(conn).await } else { Ok(()) }
    }

    async fn are_books_old(&self, conn: &mut Conn) -> Result<bool, AppError> {
        let version = storage::books::book_version(conn).await?;
        Ok(*self.refreshing.books.lock().unwrap_or_else(PoisonError::into_inner) < version)
    }

    /// Says that rights or sessions changed: open streams look again.
    pub fn rights_moved(&self) {
        self.rights.send_modify(|count| *count += 1);
    }

    /// Changes whenever rights or sessions did.
    pub fn rights_moves(&self) -> tokio::sync::watch::Receiver<u64> {
        self.rights.subscribe()
    }

    /// The view as this transaction sees it: for decisions that must not miss a hold committed before them.
    pub(crate) async fn view_in(&self, conn: &mut Conn) -> Result<View, AppError> {
        let view = self.fleet.view();
        let changes = read_changes(conn, view.read_epoch).await?;
        Ok(view.with(changes, self.clock.now()))
    }

    /// Age of the view in milliseconds: 0 on the embedded database, whose only writer is this process (ruling H12).
    pub fn view_age_ms(&self, now: Timestamp) -> i64 {
        if self.db.is_embedded() { 0 } else { now.ms_since(self.fleet.view().read_at).max(0) }
    }
}
