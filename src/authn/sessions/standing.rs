//! The sessions of a person that stand, for the pages that list and end them. Nothing here opens anything.

use super::{Copy, DEVICE, Data, HANDLE, KEY, PLACE, SEEN, SINCE, SessionStore, UNTIL, text};
use crate::domain::{CredentialId, Timestamp, UserId};
use crate::storage;

/// A session that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name outside of the cookie.
    pub handle: String,
    /// Browser and system in words; none when it was made before they were noted.
    pub device: Option<String>,
    /// The address its sign-in came from.
    pub place: Option<String>,
    /// With which security key; none for a demo's link.
    pub key: Option<CredentialId>,
    /// When it was signed in.
    pub since: Option<Timestamp>,
    /// When its person last acted, to the minute.
    pub seen: Timestamp,
    /// When it ends whatever happens.
    pub until: Timestamp,
}

impl Standing {
    fn of(data: &Data) -> Option<Self> {
        let at = |key: &str| data.get(key).and_then(serde_json::Value::as_i64).map(Timestamp);
        let word = |key: &str| text(data, key).map(str::to_owned);
        Some(Self {
            handle: word(HANDLE)?,
            device: word(DEVICE),
            place: word(PLACE),
            key: word(KEY).map(CredentialId),
            since: at(SINCE),
            seen: at(SEEN).unwrap_or(Timestamp(0)),
            until: at(UNTIL)?,
        })
    }
}

impl SessionStore {
    /// The sessions of a person, the one that acted last first.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn of_user(&self, user: &UserId) -> storage::Result<Vec<Standing>> {
        let now = self.now();
        let stored = storage::sessions::session_of_user(&mut *self.0.db.read().await?, user).await?;
        let copies = self.copies();
        let mut all = Vec::new();
        for (handle, data) in &stored {
            let copy = copies.named(handle);
            if copy.is_some_and(|copy| copy.ended) {
                continue;
            }
            let newer = copy.filter(|copy| copy.unsaved).map(|copy| Data::clone(&copy.data));
            let Some(mut data) = newer.or_else(|| serde_json::from_slice(data).ok()) else { continue };
            data.entry(HANDLE.to_owned()).or_insert_with(|| handle.clone().into());
            all.extend(Standing::of(&data));
        }
        // What the database has not got yet stands as well.
        let is_only_here = |copy: &&Copy| {
            copy.unsaved && !copy.ended && copy.user.as_ref() == Some(user) && !stored.iter().any(|(handle, _)| *handle == copy.handle)
        };
        all.extend(copies.all().filter(is_only_here).filter_map(|copy| Standing::of(&copy.data)));
        drop(copies);
        all.retain(|one| one.until > now);
        all.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| a.handle.cmp(&b.handle)));
        Ok(all)
    }
}
