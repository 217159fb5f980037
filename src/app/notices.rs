//! Telling people: a notice is written in the transaction of what it tells of, one row per person, with a mail for each who has an address.
//! Delivery is the outbox worker's; nothing here waits for a mail server. What stops tells afterwards (`tell_soon`), never before it has stopped.

use super::{App, AppError, tx::Act};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{Audience, MailAddress, Notice, NoticeId, NoticeKind, Timestamp, UserId};
pub use crate::storage::notices::StoredNotice as Stored;
use crate::storage::{
    self, Conn, Lane, WriteTx,
    deliveries::{Delivery, OutboxCounts},
    notices::StoredNotice,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, RwLock, Weak},
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// Notices of a page.
pub const PAGE: i64 = 50;
/// How long a notice is kept, and with it what went out of it.
pub const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1_000;
/// How long the system page and the doctor speak of a mail that was given up.
pub const GIVEN_UP_SHOWN_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// How long `tell_soon` waits before it tries a database again that did not take it.
const AGAIN: Duration = Duration::from_secs(2);
/// People told by one statement, at most.
const AT_ONCE: usize = 500;
/// Notices that wait in memory for a database; what comes beyond is logged and dropped.
pub(crate) const WAITING_IN_MEMORY: usize = 1_024;

/// How many unread notices everybody has, from memory: every page asks. Wakes the outbox worker.
#[derive(Default)]
pub struct NoticeBook {
    unread: RwLock<HashMap<UserId, usize>>,
    wake: Notify,
}

impl NoticeBook {
    /// How many of a person's notices are unread.
    pub fn unread(&self, user: &UserId) -> usize {
        self.unread.read().unwrap_or_else(PoisonError::into_inner).get(user).copied().unwrap_or_default()
    }
    fn reload(&self, counts: Vec<(UserId, i64)>) {
        let counts = counts.into_iter().map(|(user, n)| (user, usize::try_from(n).unwrap_or_default())).collect();
        *self.unread.write().unwrap_or_else(PoisonError::into_inner) = counts;
    }
    /// Says that the outbox has something.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
    /// Waits until the outbox has something.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl Act<'_> {
    /// Tells people something, within this act: they are told when it commits and not otherwise. A repeat of the same notice tells nobody twice.
    /// Text and link never hold a secret or a one-time link. True when anybody had not been told of it.
    ///
    /// # Errors
    /// When the database is gone, or a person is not there.
    pub async fn tell(&mut self, to: &Audience, notice: &Notice) -> Result<bool, AppError> {
        let now = self.now();
        let is_news = write(self.tx(), to, notice, now).await?;
        if is_news {
            self.has_told();
        }
        Ok(is_news)
    }
}

/// Writes a notice for everyone it is for; true when anybody had not been told of it.
pub(super) async fn write(tx: &mut WriteTx, to: &Audience, notice: &Notice, now: Timestamp) -> Result<bool, AppError> {
    let mut people = to.people.clone();
    if to.admins {
        people.extend(storage::notices::notice_admins(tx).await?);
    }
    let mut seen = HashSet::new();
    people.retain(|user| seen.insert(user.clone()));
    let mut told = false;
    for people in people.chunks(AT_ONCE) {
        let (ids, written) = storage::notices::notice_add_all(tx, people, notice, now).await?;
        told |= written > 0;
        if written > 0 {
            storage::deliveries::delivery_add_all(tx, &ids).await?;
        }
    }
    Ok(told)
}

impl App {
    /// Tells everyone who administers, within an act, but for the person it is about, who hears of it in other words.
    pub(crate) async fn tell_admins_but(&self, open: &mut Act<'_>, person: &UserId, notice: &Notice) -> Result<(), AppError> {
        let mut admins = storage::notices::notice_admins(open.tx()).await?;
        admins.retain(|admin| admin != person);
        open.tell(&Audience { people: admins, admins: false }, notice).await.map(drop)
    }

    /// Tells people something that no act of theirs belongs to, or that a stop must not wait for. Returns at once; what the database does not
    /// take waits in memory until it does. Lost when the process ends before that.
    pub fn tell_soon(&self, to: Audience, notice: Notice) {
        if let Err(lost) = self.to_tell.try_send((to, notice)) {
            let (_, notice) = lost.into_inner();
            tracing::warn!(once = %notice.once, "too many notices wait for the database; one was dropped");
        }
    }

    /// Tells people something outside of any act, and waits until it is written.
    ///
    /// # Errors
    /// When the database is gone, or a person is not there: nobody is told.
    pub async fn tell(&self, to: &Audience, notice: &Notice) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        let told = write(&mut tx, to, notice, self.clock.now()).await?;
        tx.notify().await?;
        tx.commit().await?;
        if told {
            self.notices.wake();
            self.reload_unread(&mut *self.db.read().await?).await?;
        }
        Ok(())
    }

    /// Unread counts as the database has them.
    pub(crate) async fn reload_unread(&self, conn: &mut Conn) -> Result<(), AppError> {
        self.notices.reload(storage::notices::notice_unread(conn).await?);
        Ok(())
    }

    /// The same, for whoever has no transaction.
    ///
    /// # Errors
    /// When the database is gone: the counts stay as they were.
    pub async fn refresh_unread(&self) -> Result<(), AppError> {
        self.reload_unread(&mut *self.db.read().await?).await
    }

    /// A person's own notices, newest first, those before one of them when it is named; and whether there are more.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn notices_of(&self, actor: &Actor, before: Option<&NoticeId>) -> Result<(Vec<StoredNotice>, bool), AppError> {
        let user = own(actor)?;
        let mut page = storage::notices::notice_newest(&mut *self.db.read().await?, user, before, PAGE + 1).await?;
        let more = page.len() as i64 > PAGE;
        page.truncate(PAGE as usize);
        Ok((page, more))
    }

    /// One of a person's own notices.
    ///
    /// # Errors
    /// `NotFound`, also for somebody else's; when the database is gone.
    pub async fn notice(&self, actor: &Actor, id: &NoticeId) -> Result<StoredNotice, AppError> {
        let user = own(actor)?;
        storage::notices::notice_by_id(&mut *self.db.read().await?, user, id).await?.ok_or(AppError::NotFound("notice"))
    }

    /// Marks one of a person's own notices as read, or all up to the newest that they were shown. A preference, no act.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn read_notices(&self, actor: &Actor, which: ReadNotices<'_>) -> Result<(), AppError> {
        let user = own(actor)?;
        let now = self.clock.now();
        let mut tx = self.db.write(Lane::Normal).await?;
        match which {
            ReadNotices::One(id) => storage::notices::notice_read(&mut tx, user, id, now).await?,
            ReadNotices::UpTo(id) => storage::notices::notice_read_all(&mut tx, user, id, now).await?,
        }
        storage::change_readers::reader_mark(&mut tx, user, now).await?;
        tx.notify().await?;
        tx.commit().await?;
        self.refresh_unread().await
    }

    /// Where a person's own mail goes, and the newest mail to them.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn own_mail(&self, actor: &Actor) -> Result<(Option<MailAddress>, Option<Delivery>), AppError> {
        let user = own(actor)?;
        let mut tx = self.db.read().await?;
        let address = storage::notices::address_of(&mut tx, user).await?;
        Ok((address, storage::deliveries::delivery_last_of(&mut tx, user).await?))
    }

    /// How the outbox stands.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn outbox(&self, actor: &Actor) -> Result<OutboxCounts, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let since = self.clock.now().plus_ms(-GIVEN_UP_SHOWN_MS);
        Ok(storage::deliveries::delivery_counts(&mut *self.db.read().await?, since).await?)
    }

    /// Sends a person a notice that asks for nothing, to learn whether notices reach them. One a minute.
    ///
    /// # Errors
    /// `Conflict` for somebody who has no address; when the database is gone.
    pub async fn tell_test(&self, actor: &Actor) -> Result<(), AppError> {
        let user = own(actor)?;
        if storage::notices::address_of(&mut *self.db.read().await?, user).await?.is_none() {
            return Err(AppError::conflict("You have no mail address here. Set one on My account, then send a test message."));
        }
        let minute = self.clock.now().0 / 60_000_000;
        let text =
            "You asked for this message on the system page. That you read it means that notices reach you here. There is nothing to do.";
        let notice = Notice::new(NoticeKind::Test, minute, "Test message: notices reach you", text).at("/system");
        self.tell(&Audience::person(user), &notice).await
    }
}

/// Which notices somebody has read.
#[derive(Debug, Clone, Copy)]
pub enum ReadNotices<'a> {
    /// This one.
    One(&'a NoticeId),
    /// This one and every older one.
    UpTo(&'a NoticeId),
}

/// Whose notices an actor may see: their own.
fn own(actor: &Actor) -> Result<&UserId, AppError> {
    authz::check(actor, Action::See, &Resource::Installation)?;
    actor.user().ok_or(AppError::NotFound("notice"))
}

/// Writes what `tell_soon` was given, in order, until the application goes.
pub(crate) async fn run(app: Weak<App>, mut to_tell: mpsc::Receiver<(Audience, Notice)>) {
    while let Some((to, notice)) = to_tell.recv().await {
        loop {
            let Some(app) = app.upgrade() else { return };
            match app.tell(&to, &notice).await {
                Ok(()) => break,
                Err(AppError::Unavailable(error)) => tracing::warn!(%error, "a notice waits for the database"),
                Err(error) => {
                    tracing::error!(%error, once = %notice.once, "a notice cannot be written");
                    break;
                }
            }
            drop(app);
            tokio::time::sleep(AGAIN).await;
        }
    }
}
