//! Browser sessions for tower-sessions, on both databases, with a copy in memory: a signed-in person can still stop the fleet when the
//! database is gone. The database keeps only a digest of the cookie's id. A session that was ended anywhere is never written back.

mod ended;
mod standing;

pub use standing::Standing;

use crate::crypto::token;
use crate::domain::{Clock, Timestamp, UserId};
use crate::storage::{self, Db, Lane, sessions::StoredSession};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore as Store};

/// The key in a session's data under which the person's id stands.
pub const USER: &str = "user";
/// The key under which the moment stands at which the session ends whatever happens, microseconds since 1970.
pub const UNTIL: &str = "until";
/// The key under which the id of the security key stands that the session was signed in with.
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
/// How long a session waits for the database before memory answers.
const PATIENCE: Duration = Duration::from_millis(250);
/// A copy younger than this is used without asking, in case word of an end elsewhere was lost.
const COPY_FRESH_MS: i64 = 1_000;
/// How long an id that was changed still stops bots: a press that was on its way with it is not refused.
const OLD_ID_STOPS_MS: i64 = 10_000;

type Data = HashMap<String, serde_json::Value>;

#[derive(Clone)]
struct Copy {
    data: Arc<Data>,
    user: Option<UserId>,
    // Its name outside of the cookie; empty when only its id is known.
    handle: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    read_at: Timestamp,
    // The database has not got it yet, as it is now.
    unsaved: bool,
    // The database has got it, as it was once: if it is gone from there, it was ended.
    in_database: bool,
    // It was ended; stays until the database has forgotten it too.
    ended: bool,
}

/// An id that was changed.
struct Replaced {
    by: String,
    at: Timestamp,
}

struct Inner {
    db: Db,
    clock: Clock,
    copies: RwLock<HashMap<String, Copy>>,
    // Ids that are about to be changed: their session goes on.
    turning: Mutex<HashSet<String>>,
    replaced: RwLock<HashMap<String, Replaced>>,
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
        let (copies, turning, replaced) = (RwLock::default(), Mutex::default(), RwLock::default());
        Self(Arc::new(Inner { db, clock, copies, turning, replaced, reread_before: AtomicI64::new(i64::MIN) }))
    }

    /// Says that the id of a session is about to be changed: the end of the old one, which follows, does not end the session.
    pub fn turns(&self, id: &Id) {
        self.0.turning.lock().unwrap_or_else(PoisonError::into_inner).insert(digest(id));
    }

    /// Says that it is not changed after all.
    pub fn turns_not(&self, id: &Id) {
        self.0.turning.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(id));
    }

    /// What is remembered is read again at its next use: something was ended elsewhere.
    pub fn reread(&self) {
        self.0.reread_before.store(self.0.clock.now().0, Ordering::SeqCst);
    }

    /// Forgets sessions that are over, and saves those that a dead database could not take.
    pub async fn prune(&self) {
        let now = self.0.clock.now();
        self.copies_mut().retain(|_, copy| copy.expires_at > now);
        self.0.replaced.write().unwrap_or_else(PoisonError::into_inner).retain(|_, old| now.ms_since(old.at) < OLD_ID_STOPS_MS);
        let unsaved: Vec<(String, Copy)> = {
            let copies = self.copies();
            copies.iter().filter(|(_, copy)| copy.unsaved || copy.ended).map(|(id, copy)| (id.clone(), copy.clone())).collect()
        };
        let tidy = async {
            for (id, copy) in unsaved {
                self.write(&id, &copy).await?;
            }
            let mut tx = self.0.db.write(Lane::Normal).await?;
            storage::sessions::session_prune(&mut tx, now).await?;
            tx.commit().await
        };
        if let Err(error) = tidy.await {
            tracing::warn!(%error, "sessions could not be tidied");
        }
    }

    fn copies(&self) -> RwLockReadGuard<'_, HashMap<String, Copy>> {
        self.0.copies.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn copies_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Copy>> {
        self.0.copies.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self, id: &str) -> Option<Copy> {
        self.copies().get(id).cloned()
    }

    fn keep(&self, id: String, copy: Copy) {
        self.copies_mut().insert(id, copy);
    }

    /// Keeps what was read, unless the session was changed or ended here while it was read; answers with what counts.
    fn remember(&self, id: String, read: Copy) -> Copy {
        let mut copies = self.copies_mut();
        match copies.get(&id).filter(|copy| copy.ended || copy.unsaved) {
            Some(newer) => newer.clone(),
            None => {
                copies.insert(id, read.clone());
                read
            }
        }
    }

    /// Brings the database in line with a copy.
    async fn write(&self, id: &str, copy: &Copy) -> storage::Result<()> {
        let mut tx = self.0.db.write(Lane::Normal).await?;
        let mut is_over = copy.ended;
        if copy.ended {
            storage::sessions::session_delete(&mut tx, id, &copy.handle).await?;
            if copy.user.is_some() {
                ended::tell_others(&mut tx).await?;
            }
        } else {
            let data = serde_json::to_vec(copy.data.as_ref()).map_err(|error| storage::Error::Unreadable(error.to_string()))?;
            let row = StoredSession {
                id: id.to_owned(),
                handle: copy.handle.clone(),
                user_id: copy.user.clone(),
                data,
                created_at: copy.created_at,
                expires_at: copy.expires_at,
            };
            if copy.in_database {
                is_over = !storage::sessions::session_update(&mut tx, &row).await?;
            } else {
                storage::sessions::session_insert(&mut tx, &row).await?;
            }
        }
        tx.commit().await?;
        let mut copies = self.copies_mut();
        if is_over {
            copies.remove(id);
        } else if let Some(kept) = copies.get_mut(id) {
            // What was changed while this was written is not written yet.
            kept.unsaved &= !Arc::ptr_eq(&kept.data, &copy.data);
            kept.in_database = true;
        }
        Ok(())
    }

    /// Writes within the patience of a request; what does not fit stays in memory and is written by `prune`.
    async fn write_soon(&self, id: &str, copy: &Copy) {
        match tokio::time::timeout(PATIENCE, self.write(id, copy)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a session is kept in memory only"),
            Err(_) => tracing::warn!("the database is slow; a session is kept in memory only"),
        }
    }

    async fn read(&self, id: &str) -> storage::Result<Option<(String, Vec<u8>, Timestamp)>> {
        storage::sessions::session_load(&mut *self.0.db.read().await?, id).await
    }

    /// Gives a session another id: its copy goes over to that, and the old one only stops from now on. One that was ended meanwhile stays so.
    fn replace(&self, handle: &str, id: &str) {
        let now = self.0.clock.now();
        let mut copies = self.copies_mut();
        let old = copies.iter().find(|(_, copy)| copy.handle == handle).map(|(old, _)| old.clone());
        let Some((old, copy)) = old.and_then(|old| copies.remove_entry(&old)) else { return };
        copies.insert(id.to_owned(), copy);
        self.0.replaced.write().unwrap_or_else(PoisonError::into_inner).insert(old, Replaced { by: id.to_owned(), at: now });
    }

    /// The id under which a session goes on whose id was changed a moment ago.
    fn successor(&self, id: &str) -> Option<String> {
        let now = self.0.clock.now();
        let replaced = self.0.replaced.read().unwrap_or_else(PoisonError::into_inner);
        replaced.get(id).filter(|old| now.ms_since(old.at) < OLD_ID_STOPS_MS).map(|old| old.by.clone())
    }
}

/// A session as the layer knows it, while it lives.
fn record(id: &Id, data: Data, expires_at: Timestamp, now: Timestamp) -> Option<Record> {
    (expires_at > now).then(|| Record { id: *id, data, expiry_date: date(expires_at) })
}

#[async_trait]
impl Store for SessionStore {
    async fn create(&self, new: &mut Record) -> session_store::Result<()> {
        // 128 random bits do not meet twice; the check costs nothing.
        while self.copy(&digest(&new.id)).is_some() {
            new.id = Id::default();
        }
        match text(&new.data, HANDLE).map(str::to_owned) {
            Some(handle) => self.replace(&handle, &digest(&new.id)),
            None => {
                let handle = token::random::<16>().map_err(|error| session_store::Error::Backend(error.to_string()))?;
                new.data.insert(HANDLE.to_owned(), handle.clone().into());
                let now = self.0.clock.now();
                let copy = Copy {
                    data: Arc::default(),
                    user: None,
                    handle,
                    created_at: now,
                    expires_at: moment(new.expiry_date),
                    read_at: now,
                    unsaved: true,
                    in_database: false,
                    ended: false,
                };
                self.keep(digest(&new.id), copy);
            }
        }
        self.save(new).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let id = digest(&record.id);
        let (user, data) = (user_of(&record.data), Arc::new(record.data.clone()));
        let expires_at = record.data.get(UNTIL).and_then(serde_json::Value::as_i64).map_or(moment(record.expiry_date), Timestamp);
        let changed = {
            let mut copies = self.copies_mut();
            // One that is not remembered was ended or is over; under an old id there is nothing to save.
            let Some(copy) = copies.get_mut(&id).filter(|copy| !copy.ended) else { return Ok(()) };
            *copy = Copy { user, data, expires_at, read_at: self.0.clock.now(), unsaved: true, ..copy.clone() };
            copy.clone()
        };
        self.write_soon(&id, &changed).await;
        Ok(())
    }

    async fn load(&self, session_id: &Id) -> session_store::Result<Option<Record>> {
        let id = digest(session_id);
        let now = self.0.clock.now();
        if let Some(copy) = self.successor(&id).and_then(|by| self.copy(&by)).filter(|copy| !copy.ended) {
            // As after 15 idle minutes: it stops, and nothing else.
            let mut data = Data::clone(&copy.data);
            data.insert(SEEN.to_owned(), 0.into());
            return Ok(record(session_id, data, copy.expires_at, now));
        }
        let copy = self.copy(&id);
        if let Some(copy) = &copy {
            let is_young = now.ms_since(copy.read_at) < COPY_FRESH_MS && copy.read_at.0 > self.0.reread_before.load(Ordering::SeqCst);
            if copy.ended {
                return Ok(None);
            }
            if self.0.db.is_embedded() || copy.unsaved || is_young {
                return Ok(record(session_id, Data::clone(&copy.data), copy.expires_at, now));
            }
        }
        match tokio::time::timeout(PATIENCE, self.read(&id)).await {
            Ok(Ok(Some((handle, data, expires_at)))) => {
                let mut data: Data = serde_json::from_slice(&data).map_err(|error| session_store::Error::Decode(error.to_string()))?;
                data.entry(HANDLE.to_owned()).or_insert_with(|| handle.clone().into());
                let (user, created_at) = (user_of(&data), copy.map_or(now, |copy| copy.created_at));
                let copy = Copy {
                    data: Arc::new(data),
                    user,
                    handle,
                    created_at,
                    expires_at,
                    read_at: now,
                    unsaved: false,
                    in_database: true,
                    ended: false,
                };
                let copy = self.remember(id, copy);
                Ok((!copy.ended).then(|| record(session_id, Data::clone(&copy.data), copy.expires_at, now)).flatten())
            }
            Ok(Ok(None)) => {
                self.copies_mut().remove(&id);
                Ok(None)
            }
            // The database is gone: what is remembered counts. What is not may be there all the same: a session that is said to be none would
            // lose its cookie, and its person would have to sign in again, password and key, because of a moment's trouble.
            Ok(Err(_)) | Err(_) => match copy {
                Some(copy) => Ok(record(session_id, Data::clone(&copy.data), copy.expires_at, now)),
                None => Err(session_store::Error::Backend("the database does not answer".to_owned())),
            },
        }
    }

    async fn delete(&self, session_id: &Id) -> session_store::Result<()> {
        let id = digest(session_id);
        if self.0.turning.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            return Ok(());
        }
        // Whoever signs out with an id that was changed a moment ago means the session.
        let id = self.successor(&id).unwrap_or(id);
        let now = self.0.clock.now();
        let copy = self.copy(&id).unwrap_or(Copy {
            data: Arc::default(),
            user: None,
            handle: String::new(),
            created_at: now,
            expires_at: now.plus_ms(24 * 60 * 60 * 1_000),
            read_at: now,
            unsaved: false,
            in_database: true,
            ended: true,
        });
        let ended = Copy { ended: true, ..copy };
        self.keep(id.clone(), ended.clone());
        self.write_soon(&id, &ended).await;
        Ok(())
    }
}
