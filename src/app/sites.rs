//! The site: the random id of a state folder, recorded in the database (ruling H14). A server whose folder is not one of the installation's
//! runs on a copy, or was taken over from: it takes stops as ever, and renews no lease, lets nothing go up and starts nothing.

use super::{App, AppError, log::files};
use crate::audit::Event;
use crate::storage::{self, Lane};
use std::{
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What an agent, a page and the doctor are told.
pub const ANOTHER_SITES_COPY: &str = "another site's copy";

/// Which site this process is, and whether it is one of the installation's.
#[derive(Debug, Default)]
pub struct SiteWatch {
    dir: OnceLock<PathBuf>,
    id: OnceLock<String>,
    is_foreign: AtomicBool,
}

impl SiteWatch {
    /// True while this state folder is not one of the installation's.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign.load(Ordering::SeqCst)
    }
    /// The id; none before it was opened.
    pub fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }
    pub(crate) fn set_foreign(&self, is_foreign: bool) {
        self.is_foreign.store(is_foreign, Ordering::SeqCst);
    }
}

impl App {
    /// Reads or makes the site's id and compares it with the database. The first server of an installation records its own; so does one whose
    /// folder has a key that this log recorded before any site was on record, which is how the servers of existing installations get theirs.
    ///
    /// # Errors
    /// When folder or database would not do: until it could be looked at, this server counts as foreign.
    pub async fn open_site(&self, state_dir: &Path) -> Result<(), AppError> {
        if self.site.dir.set(state_dir.to_owned()).is_ok() {
            self.site.set_foreign(true);
        }
        let dir = state_dir.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let key = files::read_key(&dir).ok().flatten().map(|key| key.verifier().to_string());
            files::site(&dir).map(|site| (site, key))
        });
        let ((id, _), key) = read.await.map_err(AppError::internal)?.map_err(AppError::internal)?;
        let id = self.site.id.get_or_init(|| id).clone();
        let (all, keys) = {
            let mut tx = self.db.read().await?;
            (storage::sites::site_all(&mut tx).await?, storage::checkpoints::log_keys(&mut tx).await?)
        };
        let has_key = key.as_ref().is_some_and(|key| keys.contains(key));
        let key_since = match key.as_ref().filter(|_| has_key) {
            Some(key) => storage::checkpoints::log_key_since(&mut *self.db.read().await?, key).await?,
            None => None,
        };
        let is_older = all.iter().map(|site| site.recorded_at).min().zip(key_since).is_some_and(|(first, since)| since < first);
        let is_first = all.is_empty() && (keys.is_empty() || has_key);
        // A folder from which somebody took over is on record as ended; one that joined is, when it joined beside a server of the installation.
        if (is_first || is_older) && all.iter().all(|site| site.id != id) {
            let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
            let now = act.now();
            if storage::sites::site_record(act.tx(), &id, &self.node, now).await? {
                act.commit_stop(Event::SiteRecorded { site: id.clone(), node: self.node.clone() }).await?;
            }
        }
        let all = storage::sites::site_all(&mut *self.db.read().await?).await?;
        let is_foreign = !all.iter().any(|site| site.id == id && site.ended_at.is_none());
        if is_foreign && !self.site.is_foreign() {
            tracing::error!("this state folder is not a site of the installation any more: stops work, no lease is renewed");
        }
        self.site.set_foreign(is_foreign);
        Ok(())
    }

    /// Compares again: another site may have taken over. Before `open_site` there is nothing to compare.
    ///
    /// # Errors
    /// When folder or database would not do; it stays as it was.
    pub async fn look_at_site(&self) -> Result<(), AppError> {
        let Some(dir) = self.site.dir.get() else { return Ok(()) };
        self.open_site(dir).await?;
        if let (false, false, Some(id)) = (self.db.is_embedded(), self.site.is_foreign(), self.site.id()) {
            let mut tx = self.db.write(Lane::Normal).await?;
            storage::sites::site_beat(&mut tx, id).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
