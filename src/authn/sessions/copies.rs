//! What memory holds of sessions: each once, by its name, found by the id that it has or had.

use super::{Data, KEY, SINCE, UNTIL, UnderOldId, moment, text, user_of};
use crate::domain::{CredentialId, Timestamp, UserId};
use crate::storage::sessions::{LoadedSession, StoredSession};
use std::{collections::HashMap, sync::Arc};
use tower_sessions::session::Record;

/// How long an id that was changed still stops bots once the new one has come back: a press that was on its way with it is not refused.
pub(super) const OLD_ID_STOPS_MS: i64 = 10_000;

/// A session as it is remembered.
#[derive(Clone)]
pub(super) struct Copy {
    /// Digest of the cookie's id.
    pub id: String,
    /// Digests of ids that it had before, as far as they are known here.
    pub before: Vec<String>,
    /// The database has such ids.
    pub has_before: bool,
    /// When the present id first came back from the browser; none: those before still stop, however long it takes.
    pub presented_at: Option<Timestamp>,
    /// Its name outside of the cookie.
    pub handle: String,
    pub data: Arc<Data>,
    pub user: Option<UserId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub read_at: Timestamp,
    /// The database has not got it yet, as it is now.
    pub unsaved: bool,
    /// It was ended; stays until the database knows it too.
    pub ended: bool,
}

impl Copy {
    /// A session that begins.
    pub(super) fn new(id: String, handle: String, record: &Record, now: Timestamp) -> Self {
        let mut new = Self {
            id,
            before: Vec::new(),
            has_before: false,
            presented_at: None,
            handle,
            data: Arc::default(),
            user: None,
            created_at: now,
            expires_at: now,
            read_at: now,
            unsaved: true,
            ended: false,
        };
        new.take(record, now);
        new
    }

    /// A session as the database has it.
    pub(super) fn read(row: LoadedSession, mut data: Data, now: Timestamp) -> Self {
        data.entry(super::HANDLE.to_owned()).or_insert_with(|| row.handle.clone().into());
        let user = user_of(&data);
        Self {
            id: row.id,
            before: Vec::new(),
            has_before: row.has_before,
            presented_at: None,
            handle: row.handle,
            data: Arc::new(data),
            user,
            created_at: row.created_at,
            expires_at: row.expires_at,
            read_at: now,
            unsaved: false,
            ended: false,
        }
    }

    /// Takes over what a request made of it.
    pub(super) fn take(&mut self, record: &Record, now: Timestamp) {
        self.user = user_of(&record.data);
        self.expires_at = record.data.get(UNTIL).and_then(serde_json::Value::as_i64).map_or(moment(record.expiry_date), Timestamp);
        self.data = Arc::new(record.data.clone());
        self.read_at = now;
        self.unsaved = true;
    }

    /// As the database keeps it.
    pub(super) fn stored(&self) -> Result<StoredSession, serde_json::Error> {
        Ok(StoredSession {
            id: self.id.clone(),
            handle: self.handle.clone(),
            user_id: self.user.clone(),
            data: serde_json::to_vec(self.data.as_ref())?,
            created_at: self.created_at,
            expires_at: self.expires_at,
        })
    }

    /// When it was signed in; long ago when that was not noted.
    pub(super) fn since(&self) -> Timestamp {
        Timestamp(self.data.get(SINCE).and_then(serde_json::Value::as_i64).unwrap_or_default())
    }

    /// With which key it was signed in or woken.
    pub(super) fn key(&self) -> Option<CredentialId> {
        text(&self.data, KEY).map(|key| CredentialId(key.to_owned()))
    }

    /// What an id that it had before still opens.
    pub(super) fn under_old_id(&self, now: Timestamp) -> UnderOldId {
        match self.presented_at {
            Some(at) if now.ms_since(at) >= OLD_ID_STOPS_MS => UnderOldId::Nothing,
            _ => UnderOldId::Stops,
        }
    }

    /// Its ids from before are over, and the database still has them.
    pub(super) fn has_old_ids_to_forget(&self, now: Timestamp) -> bool {
        self.has_before && self.under_old_id(now) == UnderOldId::Nothing
    }

    /// Something of it is still to be written.
    pub(super) fn is_to_be_written(&self, now: Timestamp) -> bool {
        self.unsaved || self.ended || self.has_old_ids_to_forget(now)
    }
}

/// Every copy.
#[derive(Default)]
pub(super) struct Copies {
    by_handle: HashMap<String, Copy>,
    // Digest of an id, present or before: whose it is.
    ids: HashMap<String, String>,
}

impl Copies {
    /// By an id that it has or had.
    pub(super) fn find(&self, id: &str) -> Option<&Copy> {
        self.by_handle.get(self.ids.get(id)?)
    }
    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Copy> {
        self.by_handle.get_mut(self.ids.get(id)?)
    }
    pub(super) fn named(&self, handle: &str) -> Option<&Copy> {
        self.by_handle.get(handle)
    }
    pub(super) fn named_mut(&mut self, handle: &str) -> Option<&mut Copy> {
        self.by_handle.get_mut(handle)
    }
    /// Puts a copy in the place of the one of its name.
    pub(super) fn put(&mut self, copy: Copy) {
        self.remove(&copy.handle);
        for id in copy.before.iter().chain([&copy.id]) {
            self.ids.insert(id.clone(), copy.handle.clone());
        }
        self.by_handle.insert(copy.handle.clone(), copy);
    }
    pub(super) fn remove(&mut self, handle: &str) {
        let Some(copy) = self.by_handle.remove(handle) else { return };
        for id in copy.before.iter().chain([&copy.id]) {
            self.ids.remove(id);
        }
    }
    /// Forgets an id that the database does not know any more; with the present one the whole copy.
    pub(super) fn forget(&mut self, id: &str) {
        let Some(copy) = self.find_mut(id).filter(|copy| !copy.unsaved && !copy.ended) else { return };
        if copy.id == id {
            let handle = copy.handle.clone();
            self.remove(&handle);
        } else {
            copy.before.retain(|before| before != id);
            self.ids.remove(id);
        }
    }
    pub(super) fn all(&self) -> impl Iterator<Item = &Copy> {
        self.by_handle.values()
    }
    /// Changes copies, whose ids stay as they are.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Copy> {
        self.by_handle.values_mut()
    }
    /// Forgets those whose time is over.
    pub(super) fn prune(&mut self, now: Timestamp) {
        let over: Vec<String> = self.all().filter(|copy| copy.expires_at <= now).map(|copy| copy.handle.clone()).collect();
        for handle in over {
            self.remove(&handle);
        }
    }
}
