//! Bringing the snapshot up to date. Every fact takes an epoch and the epoch row is locked first, so "what came after the epoch I know"
//! is complete. Going up is answered only after a read that began after the question came (ruling H1).

use super::{App, AppError};
use crate::domain::{Epoch, Timestamp};
use crate::fleet::{View, view::Changes};
use crate::storage::{self, Conn};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Mutex;

/// Keeps readers of the same moment from reading twice: who finds that a read began after them is content with it.
#[derive(Default)]
pub struct Turn {
    asked: AtomicU64,
    // The number of askers when the last finished read began.
    served: Mutex<u64>,
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

impl App {
    /// Reads everything, the fleet and who may speak beside each other: the start of a server waits for it.
    pub(crate) async fn refresh_all(self: &Arc<Self>) -> Result<(), AppError> {
        let app = self.clone();
        let books = tokio::spawn(async move {
            let mut tx = app.db.read().await?;
            app.reload_unread(&mut tx).await?;
            app.reload_books(&mut tx).await
        });
        let changes = read_changes(&mut *self.db.read().await?, Epoch(-1)).await?;
        self.fleet.take(changes);
        books.await.map_err(AppError::internal)?
    }

    /// Reads agents, people, tokens and stop devices: who may speak. On the embedded database only the acts that change them call this.
    pub(crate) async fn reload_books(&self, conn: &mut Conn) -> Result<(), AppError> {
        self.agent_book.reload(storage::agents::agent_live(conn).await?);
        let two = storage::credentials::credential_people_with_two(conn).await?;
        let away = storage::first_run::first_run_away(conn).await?;
        self.people_book.reload(storage::users::user_all(conn).await?, storage::teams::team_all(conn).await?, two, away);
        let allowed = storage::settings::setting_is_on(conn, storage::settings::STOP_DEVICES).await?;
        self.device_book.reload(allowed, storage::stop_devices::device_all(conn).await?);
        self.token_book.reload(&storage::tokens::token_all(conn).await?);
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
        self.fleet.take(changes);
        if news && !self.db.is_embedded() {
            self.reload_books(&mut tx).await?;
        }
        *served = covers;
        Ok(())
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
