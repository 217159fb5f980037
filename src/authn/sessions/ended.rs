//! Ending sessions from outside of them: of a person, of a key, by their names. Here at once; other replicas are told with the commit.

use super::{Copy, Data, KEY, SessionStore, text};
use crate::domain::{CredentialId, UserId};
use crate::storage::{self, Lane, WriteTx};

/// Lets the other replicas, at commit, read their sessions again.
pub(super) async fn tell_others(tx: &mut WriteTx) -> storage::Result<()> {
    storage::books::book_changed(tx).await?;
    tx.notify().await
}

impl SessionStore {
    /// Ends every session of a person, here at once, elsewhere within a second.
    pub async fn end_all_of(&self, user: &UserId) {
        self.end_here(user, |_| true);
        let delete = async {
            let mut tx = self.0.db.write(Lane::Normal).await?;
            storage::sessions::session_delete_of_user(&mut tx, user).await?;
            tell_others(&mut tx).await?;
            tx.commit().await
        };
        if let Err(error) = delete.await {
            tracing::warn!(%error, "sessions were ended here but not in the database yet");
        }
    }

    /// Ends every session of a person that was signed in with this security key, here at once, elsewhere within a second.
    pub async fn end_all_with_key(&self, user: &UserId, key: &CredentialId) {
        let is_by_key = |data: &Data| text(data, KEY) == Some(key.as_str());
        self.end_here(user, |copy| is_by_key(&copy.data));
        let delete = async {
            let mut tx = self.0.db.write(Lane::Normal).await?;
            for (id, _, data) in storage::sessions::session_of_user(&mut tx, user).await? {
                if serde_json::from_slice(&data).is_ok_and(|data| is_by_key(&data)) {
                    storage::sessions::session_delete(&mut tx, &id, "").await?;
                }
            }
            tell_others(&mut tx).await?;
            tx.commit().await
        };
        if let Err(error) = delete.await {
            tracing::warn!(%error, "sessions of a key were ended here but not in the database yet");
        }
    }

    /// Forgets sessions of a person that the database has just forgotten, by their names.
    pub fn ended(&self, user: &UserId, handles: &[String]) {
        self.end_here(user, |copy| handles.contains(&copy.handle));
    }

    fn end_here(&self, user: &UserId, is_one: impl Fn(&Copy) -> bool) {
        for copy in self.copies_mut().values_mut() {
            copy.ended |= copy.user.as_ref() == Some(user) && is_one(copy);
        }
    }
}
