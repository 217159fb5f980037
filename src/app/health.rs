//! What this process can do right now: take a stop always; database and log may be degraded (ruling C2).

use super::App;
use crate::storage;
use std::time::Duration;

/// How long a health check waits for the database.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// Every part by name.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Health {
    /// A stop can be taken: listener, snapshot and spool are there.
    pub can_stop: bool,
    /// What does not work as it should: `database`, `audit_log`, `log_publisher`, `log_sink`, `site`,
    /// `unrecorded_holds`, `vault`, `view`.
    pub degraded: Vec<&'static str>,
    /// Open agent streams.
    pub agents_connected: usize,
    /// Age of the view of the database, milliseconds; 0 on the embedded one.
    pub view_age_ms: i64,
    /// Writers that wait for the embedded database's one writer.
    pub writers_waiting: usize,
    /// Why the audit log is frozen; null: it is open.
    pub log_frozen: Option<&'static str>,
    /// The program's version.
    pub version: &'static str,
}

impl App {
    /// True while a press can be kept and pushed, database or not.
    pub fn can_take_a_stop(&self) -> bool {
        self.spool.is_writable()
    }

    /// Looks at every part.
    pub async fn health(&self) -> Health {
        let mut degraded = Vec::new();
        let look = async {
            let mut tx = self.db.read().await?;
            storage::audit::audit_head(&mut tx).await
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(head)) if head.is_open || self.log.gate().frozen().is_some() => {}
            Ok(Ok(_)) => degraded.push("audit_log"),
            Ok(Err(_)) | Err(_) => degraded.push("database"),
        }
        degraded.extend(self.log_degraded());
        if self.site.is_foreign() {
            degraded.push("site");
        }
        if self.vault.trouble().is_some() {
            degraded.push("vault");
        }
        let view = self.fleet.view();
        if !view.unrecorded().is_empty() {
            degraded.push("unrecorded_holds");
        }
        let view_age_ms = self.view_age_ms(self.clock.now());
        if view_age_ms > crate::domain::Timings::default().stale_after_ms {
            degraded.push("view");
        }
        Health {
            can_stop: self.can_take_a_stop(),
            degraded,
            agents_connected: self.lines.count(),
            view_age_ms,
            writers_waiting: self.db.waiting(),
            log_frozen: self.log.gate().frozen().map(|frozen| frozen.kind.as_str()),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
