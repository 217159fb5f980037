//! Browser sessions for tower-sessions, on both databases, with a copy in memory: a signed-in person can still stop the fleet when the
//! database is gone. The database keeps only a digest of the cookie's id.

use crate::domain::{Clock, CredentialId, Timestamp, UserId};
use crate::storage::{self, Db, Lane, sessions::StoredSession};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
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
/// How long a session waits for the database before memory answers.
const PATIENCE: Duration = Duration::from_millis(250);
/// A copy younger than this is used without asking: another replica ends sessions at most so much later here.
const COPY_FRESH_MS: i64 = 1_000;

#[derive(Clone)]
struct Copy {
    data: Arc<HashMap<String, serde_json::Value>>,
    user: Option<UserId>,
    created_at: Timestamp,
    expires_at: Timestamp,
    read_at: Timestamp,
    // The database has not got it yet.
    unsaved: bool,
    // It was ended; stays until the database has forgotten it too.
    ended: bool,
}

struct Inner {
    db: Db,
    clock: Clock,
    copies: RwLock<HashMap<String, Copy>>,
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

impl SessionStore {
    /// An empty store over a database.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self(Arc::new(Inner { db, clock, copies: RwLock::default() }))
    }

    /// Ends every session of a person, here at once, elsewhere within a second.
    pub async fn end_all_of(&self, user: &UserId) {
        for copy in self.0.copies.write().unwrap_or_else(PoisonError::into_inner).values_mut() {
            copy.ended |= copy.user.as_ref() == Some(user);
        }
        let delete = async {
            let mut tx = self.0.db.write(Lane::Normal).await?;
            storage::sessions::session_delete_of_user(&mut tx, user).await?;
            tx.commit().await
        };
        if let Err(error) = delete.await {
            tracing::warn!(%error, "sessions were ended here but not in the database yet");
        }
    }

    /// Ends every session of a person that was signed in with this security key, here at once, elsewhere within a second.
    pub async fn end_all_with_key(&self, user: &UserId, key: &CredentialId) {
        let is_by_key = |data: &HashMap<String, serde_json::Value>| data.get(KEY).and_then(|value| value.as_str()) == Some(key.as_str());
        for copy in self.0.copies.write().unwrap_or_else(PoisonError::into_inner).values_mut() {
            copy.ended |= copy.user.as_ref() == Some(user) && is_by_key(&copy.data);
        }
        let delete = async {
            let mut tx = self.0.db.write(Lane::Normal).await?;
            for (id, data) in storage::sessions::session_of_user(&mut tx, user).await? {
                if serde_json::from_slice(&data).is_ok_and(|data| is_by_key(&data)) {
                    storage::sessions::session_delete(&mut tx, &id).await?;
                }
            }
            tx.commit().await
        };
        if let Err(error) = delete.await {
            tracing::warn!(%error, "sessions of a key were ended here but not in the database yet");
        }
    }

    /// Forgets sessions that are over, and saves those that a dead database could not take.
    pub async fn prune(&self) {
        let now = self.0.clock.now();
        self.0.copies.write().unwrap_or_else(PoisonError::into_inner).retain(|_, copy| copy.expires_at > now);
        let unsaved: Vec<(String, Copy)> = {
            let copies = self.0.copies.read().unwrap_or_else(PoisonError::into_inner);
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

    fn copy(&self, id: &str) -> Option<Copy> {
        self.0.copies.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn keep(&self, id: String, copy: Copy) {
        self.0.copies.write().unwrap_or_else(PoisonError::into_inner).insert(id, copy);
    }

    /// Brings the database in line with a copy.
    async fn write(&self, id: &str, copy: &Copy) -> storage::Result<()> {
        let mut tx = self.0.db.write(Lane::Normal).await?;
        if copy.ended {
            storage::sessions::session_delete(&mut tx, id).await?;
        } else {
            let data = serde_json::to_vec(copy.data.as_ref()).map_err(|error| storage::Error::Unreadable(error.to_string()))?;
            let row = StoredSession {
                id: id.to_owned(),
                user_id: copy.user.clone(),
                data,
                created_at: copy.created_at,
                expires_at: copy.expires_at,
            };
            storage::sessions::session_save(&mut tx, &row).await?;
        }
        tx.commit().await?;
        let mut copies = self.0.copies.write().unwrap_or_else(PoisonError::into_inner);
        if copy.ended {
            copies.remove(id);
        } else if let Some(kept) = copies.get_mut(id) {
            kept.unsaved = false;
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

    async fn read(&self, id: &str) -> storage::Result<Option<(Vec<u8>, Timestamp)>> {
        storage::sessions::session_load(&mut *self.0.db.read().await?, id).await
    }
}

#[async_trait]
impl Store for SessionStore {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        // 128 random bits do not meet twice; the check costs nothing.
        while self.copy(&digest(&record.id)).is_some() {
            record.id = Id::default();
        }
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let id = digest(&record.id);
        let before = self.copy(&id);
        if before.as_ref().is_some_and(|copy| copy.ended) {
            return Ok(());
        }
        let now = self.0.clock.now();
        let copy = Copy {
            user: record.data.get(USER).and_then(|value| value.as_str()).and_then(|id| UserId::parse(id).ok()),
            data: Arc::new(record.data.clone()),
            created_at: before.map_or(now, |copy| copy.created_at),
            expires_at: record.data.get(UNTIL).and_then(serde_json::Value::as_i64).map_or(moment(record.expiry_date), Timestamp),
            read_at: now,
            unsaved: true,
            ended: false,
        };
        self.keep(id.clone(), copy.clone());
        self.write_soon(&id, &copy).await;
        Ok(())
    }

    async fn load(&self, session_id: &Id) -> session_store::Result<Option<Record>> {
        let id = digest(session_id);
        let now = self.0.clock.now();
        let record = |data: &HashMap<String, serde_json::Value>, expires_at: Timestamp| {
            (expires_at > now).then(|| Record { id: *session_id, data: data.clone(), expiry_date: date(expires_at) })
        };
        let copy = self.copy(&id);
        if let Some(copy) = &copy {
            let fresh = self.0.db.is_embedded() || copy.unsaved || now.ms_since(copy.read_at) < COPY_FRESH_MS;
            if copy.ended {
                return Ok(None);
            }
            if fresh {
                return Ok(record(&copy.data, copy.expires_at));
            }
        }
        match tokio::time::timeout(PATIENCE, self.read(&id)).await {
            Ok(Ok(Some((data, expires_at)))) => {
                let data: HashMap<String, serde_json::Value> =
                    serde_json::from_slice(&data).map_err(|error| session_store::Error::Decode(error.to_string()))?;
                let user = data.get(USER).and_then(|value| value.as_str()).and_then(|id| UserId::parse(id).ok());
                let loaded = record(&data, expires_at);
                let created_at = copy.map_or(now, |copy| copy.created_at);
                self.keep(id, Copy { data: Arc::new(data), user, created_at, expires_at, read_at: now, unsaved: false, ended: false });
                Ok(loaded)
            }
            Ok(Ok(None)) => {
                self.0.copies.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
                Ok(None)
            }
            // The database is gone: what is remembered counts. What is not may be there all the same: a session that is said to be none would
            // lose its cookie, and its person would have to sign in again, password and key, because of a moment's trouble.
            Ok(Err(_)) | Err(_) => match copy {
                Some(copy) => Ok(record(&copy.data, copy.expires_at)),
                None => Err(session_store::Error::Backend("the database does not answer".to_owned())),
            },
        }
    }

    async fn delete(&self, session_id: &Id) -> session_store::Result<()> {
        let id = digest(session_id);
        let now = self.0.clock.now();
        let copy = self.copy(&id).unwrap_or(Copy {
            data: Arc::default(),
            user: None,
            created_at: now,
            expires_at: now.plus_ms(24 * 60 * 60 * 1_000),
            read_at: now,
            unsaved: false,
            ended: true,
        });
        let ended = Copy { ended: true, ..copy };
        self.keep(id.clone(), ended.clone());
        self.write_soon(&id, &ended).await;
        Ok(())
    }
}
