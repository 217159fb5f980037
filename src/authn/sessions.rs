//! Browser sessions for tower-sessions, on both databases, with a copy in memory: a signed-in person can still stop the fleet when the
//! database is gone. The database keeps only a digest of the cookie's id. A session that was ended anywhere is never written back, and one
//! whose id was changed is not lost when the answer with the new id does not arrive.

mod copies;
mod ended;
mod press;
mod saving;
mod standing;

pub use ended::{Over, is_by_key};
pub use press::PressSessions;
pub use standing::Standing;

use crate::crypto::token;
use crate::domain::{Clock, Timestamp, UserId};
use crate::storage::{self, Db, sessions::LoadedSession};
use async_trait::async_trait;
use copies::{Copies, Copy};
use ended::Rules;
use saving::{PATIENCE, PATIENCE_AT_FIRST};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore as Store};

/// The key in a session's data under which the person's id stands.
pub const USER: &str = "user";
/// The key under which the moment stands at which the session ends whatever happens, microseconds since 1970.
pub const UNTIL: &str = "until";
/// The key under which the id of the security key stands that the session was signed in or woken with.
pub const KEY: &str = "key";
/// The key under which the session's name outside of the cookie stands. It is given by the store and opens nothing.
pub const HANDLE: &str = "handle";
/// The key under which the moment stands at which the person last acted, microseconds since 1970.
pub const SEEN: &str = "seen";
/// The key under which the moment of the sign-in stands, microseconds since 1970.
pub const SINCE: &str = "since";
/// The key under which browser and system stand, in words.
pub const DEVICE: &str = "device";
/// The key under which the address stands that the sign-in came from.
pub const PLACE: &str = "place";
/// A copy younger than this is used without asking, in case word of an end elsewhere was lost.
const COPY_FRESH_MS: i64 = 1_000;
/// So many sessions are read at once as a server begins: more than people are signed in anywhere.
const RECALLED: i64 = 10_000;
/// The longest that any session lives.
const LONGEST_MS: i64 = 24 * 60 * 60 * 1_000;

type Data = HashMap<String, serde_json::Value>;

/// What an id opens that a session had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnderOldId {
    Stops,
    Nothing,
}

struct Inner {
    db: Db,
    clock: Clock,
    copies: RwLock<Copies>,
    rules: RwLock<Rules>,
    // Ids that are about to be changed: their session goes on.
    turning: Mutex<HashSet<String>>,
    // By the session's name the id that it had before it was changed: it keeps that one when the new one cannot be written.
    turned_from: Mutex<HashMap<String, Id>>,
    // Ids whose sessions ended while neither memory nor database could say whose they were, and when they are over anyway.
    ends_by_id: Mutex<HashMap<String, Timestamp>>,
    // Copies read before this moment are read again.
    reread_before: AtomicI64,
}

/// Every session.
#[derive(Clone)]
pub struct SessionStore(Arc<Inner>);

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionStore")
    }
}

fn digest(id: &Id) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(id.to_string().as_bytes()))
}

fn moment(when: time::OffsetDateTime) -> Timestamp {
    Timestamp(i64::try_from(when.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
}

fn date(when: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(when.0) * 1_000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn text<'a>(data: &'a Data, key: &str) -> Option<&'a str> {
    data.get(key).and_then(serde_json::Value::as_str)
}

fn user_of(data: &Data) -> Option<UserId> {
    text(data, USER).and_then(|id| UserId::parse(id).ok())
}

impl SessionStore {
    /// An empty store over a database.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            db,
            clock,
            copies: RwLock::default(),
            rules: RwLock::default(),
            turning: Mutex::default(),
            turned_from: Mutex::default(),
            ends_by_id: Mutex::default(),
            reread_before: AtomicI64::new(i64::MIN),
        }))
    }

    /// Reads the sessions that stand, as a server does that begins: whoever is signed in stops bots also when the database is gone before they
    /// come back.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn recall(&self) -> storage::Result<()> {
        let now = self.now();
        let rows = storage::sessions::session_standing(&mut *self.0.db.read().await?, now, RECALLED).await?;
        for row in rows {
            // One that cannot be read is told of when somebody comes with it.
            if let Ok(data) = serde_json::from_slice(&row.data) {
                self.remember(row.id.clone(), Copy::read(row, data, now));
            }
        }
        Ok(())
    }

    /// Says that the id of a session is about to be changed: the end of the old one, which follows, does not end the session.
    pub fn turns(&self, id: &Id, handle: &str) {
        self.turning().insert(digest(id));
        self.turned_from().insert(handle.to_owned(), *id);
    }

    /// Says that it is not being changed any more.
    pub fn turns_not(&self, id: &Id) {
        self.turning().remove(&digest(id));
    }

    /// What is remembered is read again at its next use: something was ended elsewhere.
    pub fn reread(&self) {
        self.0.reread_before.store(self.now().0, Ordering::SeqCst);
    }

    /// What stands in a session under this key as it is now, which another request may have changed since it was read.
    pub fn now_under(&self, handle: &str, key: &str) -> Option<serde_json::Value> {
        self.copies().named(handle)?.data.get(key).cloned()
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
    fn copies(&self) -> RwLockReadGuard<'_, Copies> {
        self.0.copies.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn copies_mut(&self) -> RwLockWriteGuard<'_, Copies> {
        self.0.copies.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn rules_mut(&self) -> RwLockWriteGuard<'_, Rules> {
        self.0.rules.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn turning(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.turning.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn turned_from(&self) -> MutexGuard<'_, HashMap<String, Id>> {
        self.0.turned_from.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn ends_by_id(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.ends_by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True for a session that was ended, here or by what the books say. It is remembered as ended from then on.
    fn is_over(&self, copy: &Copy) -> bool {
        if copy.ended {
            return true;
        }
        let is_over = self.0.rules.read().unwrap_or_else(PoisonError::into_inner).refuse(copy);
        if is_over && let Some(kept) = self.copies_mut().named_mut(&copy.handle) {
            kept.ended = true;
        }
        is_over
    }

    /// A session under an id that it has, or had before: then it stops, as after 15 idle minutes, and does nothing else.
    fn answer(&self, asked: &Id, copy: &Copy) -> Option<Record> {
        let now = self.now();
        if copy.expires_at <= now || self.is_over(copy) {
            return None;
        }
        let id = digest(asked);
        let mut data = Data::clone(&copy.data);
        if copy.id == id {
            if copy.has_before
                && copy.presented_at.is_none()
                && let Some(kept) = self.copies_mut().named_mut(&copy.handle)
            {
                kept.presented_at.get_or_insert(now);
            }
        } else if copy.under_old_id(now) == UnderOldId::Stops {
            data.insert(SEEN.to_owned(), 0.into());
        } else {
            return None;
        }
        Some(Record { id: *asked, data, expiry_date: date(copy.expires_at) })
    }

    /// What memory knows of an id, whatever its age. None: nothing; `Some(None)`: it is over.
    fn remembered(&self, id: &Id) -> Option<Option<Record>> {
        let copy = self.copies().find(&digest(id)).cloned()?;
        Some(self.answer(id, &copy))
    }

    /// True for a copy that counts without asking the database.
    fn counts(&self, copy: &Copy) -> bool {
        let is_young = self.now().ms_since(copy.read_at) < COPY_FRESH_MS && copy.read_at.0 > self.0.reread_before.load(Ordering::SeqCst);
        copy.ended || copy.unsaved || is_young || self.0.db.is_embedded()
    }

    /// The same of an id that is remembered.
    fn is_current(&self, id: &str) -> bool {
        self.copies().find(id).is_some_and(|copy| self.counts(copy))
    }

    async fn read(&self, id: &str) -> storage::Result<Option<LoadedSession>> {
        storage::sessions::session_load(&mut *self.0.db.read().await?, id).await
    }

    /// Keeps what was read, unless the session was changed or ended here while it was read; answers with what counts.
    fn remember(&self, asked: String, read: Copy) -> Copy {
        let mut copies = self.copies_mut();
        let mut read = match copies.named(&read.handle) {
            // An id that it had before is one that it never has again: what was read is older.
            Some(newer) if newer.ended || newer.unsaved || newer.before.contains(&read.id) => newer.clone(),
            // What was read under its present id is as old as what is known of it, or newer.
            Some(known) if known.id == read.id => Copy { before: known.before.clone(), presented_at: known.presented_at, ..read },
            Some(known) => {
                let before = known.before.iter().chain([&known.id]).filter(|id| **id != read.id).cloned().collect();
                Copy { before, ..read }
            }
            None => read,
        };
        if !read.has_before {
            read.before.clear();
        }
        if read.has_before && asked != read.id && !read.before.contains(&asked) {
            read.before.push(asked);
        }
        copies.put(read.clone());
        read
    }

    /// A session that begins.
    async fn begin(&self, new: &mut Record) -> session_store::Result<()> {
        let handle = token::random::<16>().map_err(|error| session_store::Error::Backend(error.to_string()))?;
        new.data.insert(HANDLE.to_owned(), handle.clone().into());
        let copy = Copy::new(digest(&new.id), handle, new, self.now());
        self.copies_mut().put(copy.clone());
        self.write_soon(&copy, PATIENCE_AT_FIRST).await;
        Ok(())
    }

    /// The same session under another id. The one before stops until the new one has come back from the browser. When that cannot be written
    /// the session keeps the id that it had: no other replica would know the new one.
    async fn turn(&self, handle: &str, new: &mut Record) -> session_store::Result<()> {
        let from = self.turned_from().remove(handle);
        // Ended meanwhile: it stays so.
        let Some(known) = self.copies().named(handle).filter(|copy| !copy.ended).cloned() else { return Ok(()) };
        let mut changed = known.clone();
        changed.take(new, self.now());
        let id = digest(&new.id);
        match tokio::time::timeout(PATIENCE_AT_FIRST, self.write_turned(&changed, &id)).await {
            Ok(Ok(true)) => {
                let before = known.before.iter().chain([&known.id]).cloned().collect();
                let turned = Copy { id, before, has_before: true, presented_at: None, unsaved: false, ..changed };
                let mut copies = self.copies_mut();
                if copies.named(handle).is_some_and(|copy| !copy.ended) {
                    copies.put(turned);
                }
            }
            Ok(Ok(false)) => {
                if let Some(copy) = self.copies_mut().named_mut(handle) {
                    copy.ended = true;
                }
            }
            failed => {
                tracing::warn!(?failed, "a session keeps its id: the database does not take another one");
                if let Some(from) = from {
                    new.id = from;
                }
                let mut copies = self.copies_mut();
                if let Some(copy) = copies.named_mut(handle).filter(|copy| !copy.ended) {
                    copy.take(new, self.now());
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SessionStore {
    async fn create(&self, new: &mut Record) -> session_store::Result<()> {
        // 128 random bits do not meet twice; the check costs nothing.
        while self.copies().find(&digest(&new.id)).is_some() {
            new.id = Id::default();
        }
        match text(&new.data, HANDLE).map(str::to_owned) {
            Some(handle) => self.turn(&handle, new).await,
            None => self.begin(new).await,
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let id = digest(&record.id);
        let changed = {
            let mut copies = self.copies_mut();
            // One that is not remembered was ended or is over.
            let Some(copy) = copies.find_mut(&id).filter(|copy| !copy.ended) else { return Ok(()) };
            let seen = copy.data.get(SEEN).cloned();
            copy.take(record, self.now());
            // Under an id from before it only seems idle.
            if copy.id != id
                && let Some(seen) = seen
            {
                Arc::make_mut(&mut copy.data).insert(SEEN.to_owned(), seen);
            }
            copy.clone()
        };
        self.write_soon(&changed, PATIENCE).await;
        Ok(())
    }

    async fn load(&self, session_id: &Id) -> session_store::Result<Option<Record>> {
        let id = digest(session_id);
        if self.ends_by_id().contains_key(&id) {
            return Ok(None);
        }
        let copy = self.copies().find(&id).cloned();
        if let Some(copy) = copy.as_ref().filter(|copy| self.counts(copy)) {
            return Ok(self.answer(session_id, copy));
        }
        match tokio::time::timeout(PATIENCE, self.read(&id)).await {
            Ok(Ok(Some(row))) => {
                let data: Data = serde_json::from_slice(&row.data).map_err(|error| session_store::Error::Decode(error.to_string()))?;
                let copy = self.remember(id, Copy::read(row, data, self.now()));
                Ok(self.answer(session_id, &copy))
            }
            Ok(Ok(None)) => {
                self.copies_mut().forget(&id);
                Ok(None)
            }
            // The database is gone: what is remembered counts. What is not may be there all the same: a session that is said to be none would
            // lose its cookie, and its person would have to sign in again, password and key, because of a moment's trouble.
            Ok(Err(_)) | Err(_) => match copy {
                Some(copy) => Ok(self.answer(session_id, &copy)),
                None => Err(session_store::Error::Backend("the database does not answer".to_owned())),
            },
        }
    }

    async fn delete(&self, session_id: &Id) -> session_store::Result<()> {
        let id = digest(session_id);
        if self.turning().remove(&id) {
            return Ok(());
        }
        // Whoever signs out with an id from before means the session.
        let ended = self.copies_mut().find_mut(&id).map(|copy| {
            copy.ended = true;
            copy.clone()
        });
        match ended {
            Some(ended) => self.write_soon(&ended, PATIENCE).await,
            None => {
                self.ends_by_id().insert(id.clone(), self.now().plus_ms(LONGEST_MS));
                if !matches!(tokio::time::timeout(PATIENCE, self.write_end_by_id(&id)).await, Ok(Ok(()))) {
                    tracing::warn!("a session was ended here but not in the database yet");
                }
            }
        }
        Ok(())
    }
}
