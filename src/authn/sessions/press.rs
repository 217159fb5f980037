//! Sessions as a press sees them: who is remembered presses at once, and the database is asked beside it. Nothing is written.

use super::{SessionStore, digest};
use async_trait::async_trait;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore as Store};

/// Sessions for a press.
#[derive(Debug, Clone)]
pub struct PressSessions(SessionStore);

impl SessionStore {
    /// The same sessions for a press, which waits for no database that the hold does not wait for.
    pub fn for_press(&self) -> PressSessions {
        PressSessions(self.clone())
    }
}

#[async_trait]
impl Store for PressSessions {
    async fn save(&self, _: &Record) -> session_store::Result<()> {
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let Some(remembered) = self.0.remembered(id) else { return self.0.load(id).await };
        if !self.0.is_current(&digest(id)) {
            let (store, id) = (self.0.clone(), *id);
            tokio::spawn(async move { store.load(&id).await });
        }
        Ok(remembered)
    }

    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        Ok(())
    }
}
