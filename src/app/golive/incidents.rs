//! What stands in the way of every step up, whatever its list says: something about the bot that somebody must see to first. To deploy, or to go
//! back, in the middle of an incident is how one grows.

use crate::app::{App, AppError};
use crate::domain::{AlertKind, BotId, Severity};
use crate::storage::{self, Conn};
use std::collections::BTreeSet;

impl App {
    /// The critical alerts of a bot that are open, in words.
    pub(super) async fn incidents_of(&self, conn: &mut Conn, bot: &BotId) -> Result<Vec<String>, AppError> {
        let kinds = storage::alerts::alert_open_of(conn, bot).await?.into_iter().map(|alert| alert.kind);
        // What was raised a moment ago is not written yet.
        let kinds: BTreeSet<AlertKind> = kinds.chain(self.alerts.kinds_of(bot)).collect();
        // These end by what is approved here.
        let mended = [AlertKind::EmergencyChange, AlertKind::NotAsApproved];
        let stands = kinds.into_iter().filter(|kind| kind.severity() == Severity::Critical && !mended.contains(kind));
        Ok(stands.map(|kind| format!("an alert of it is open: {}. See to that, and close it", kind.title())).collect())
    }
}
