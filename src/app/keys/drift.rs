//! A key in use that is another than approved: somebody is told, and its bot is held as was approved with the key. Before anything of it is
//! written: neither a frozen log nor a dead database keeps a bot from being held.

use super::{
    Key, VersionRow,
    judge::{Measured, in_use, words_of},
    tend::Tending,
};
use crate::app::{App, AppError};
use crate::domain::{AlertKind, KeyId, PlacedBy, PlacerKind, Scope, Subject, key::KeyVerdict};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The trigger under which a bot is held whose key is another than approved.
pub const DRIFT: &str = "key_drift";

impl App {
    /// What follows when a version in use is another than approved: somebody is told, and the bot is held as was approved with the key. None of
    /// this waits for the database.
    pub(super) async fn note_drift(self: &Arc<Self>, key: &Key, version: i64) {
        let is_drift = |row: &&VersionRow| key.is_open() && row.verdict == Some(KeyVerdict::Differs) && row.state.is_usable();
        let Some(row) = key.version(version).filter(is_drift) else { return };
        let bot = self.fleet.view().bot(&key.row.bot_id).map_or_else(|| key.row.bot_id.to_string(), |bot| bot.name.clone());
        let said = words_of(row).unwrap_or_else(|| "see its page".to_owned());
        let words = format!("The key {} of {bot} is not what was approved: {said}. Its page says what to do.", key.row.purpose.words());
        self.raise(AlertKind::KeyDrift, Subject::bot(&key.row.bot_id), &words);
        if let Some(level) = key.row.on_drift.level() {
            let by = PlacedBy { kind: PlacerKind::Trigger, id: DRIFT.into(), name: DRIFT.into(), as_risk: false };
            self.place_by_rule(by, Scope::Bot(key.row.bot_id.clone()), level, &words).await;
        }
    }

    /// The same straight after a measurement, before anything of it is written: neither a frozen log nor a dead database keeps a bot from being held.
    pub(super) async fn act_on_drift(self: &Arc<Self>, key: &Key, version: i64, measured: &Measured) {
        let Some(row) = key.version(version) else { return };
        let evidence = serde_json::to_string(&measured.evidence).ok();
        let found = VersionRow { verdict: Some(in_use(row, measured)), evidence, ..row.clone() };
        if found.verdict == Some(KeyVerdict::Differs) {
            self.key_book.finds_drift(&key.row.id, version);
        }
        let versions = vec![found];
        self.note_drift(&Key { row: key.row.clone(), sheet: key.sheet.clone(), versions }, version).await;
    }

    /// What follows of a key in use that is another than approved since its terms changed; what a venue said was acted upon at once.
    pub(super) async fn hold_drifted(self: &Arc<Self>, before: &mut Tending) {
        let keys = self.exchange_keys();
        let (mut found, mut subjects) = (HashMap::new(), HashSet::new());
        for key in keys.all().filter(|key| key.is_open()) {
            if key.versions.iter().any(|row| row.state.is_usable() && self.key_book.has_unwritten_drift(&key.row.id, row.version)) {
                subjects.insert(Subject::bot(&key.row.bot_id).key());
            }
            for row in key.versions.iter().filter(|row| row.state.is_usable() && row.verdict == Some(KeyVerdict::Differs)) {
                subjects.insert(Subject::bot(&key.row.bot_id).key());
                let at = (key.row.id.clone(), row.version);
                // What was measured under the terms that stand was acted upon then, and people may have answered.
                let is_acted_on = row.measured_at.is_some_and(|measured| measured > key.row.approved_at);
                let is_news = before.drifted.as_ref().is_some_and(|known| known.get(&at) != Some(&row.generation));
                if is_news && !is_acted_on {
                    // What differs stands with the row; without the database the hold is placed all the same.
                    let whole = self.key_whole(&key.row.id).await;
                    self.note_drift(whole.as_ref().unwrap_or(key), row.version).await;
                }
                found.insert(at, row.generation);
            }
        }
        for subject in self.alerts.ours(AlertKind::KeyDrift) {
            if !subjects.contains(&subject.key()) {
                self.settle(AlertKind::KeyDrift, &subject, "its key is what was approved, or is in use no more");
            }
        }
        before.drifted = Some(found);
    }

    async fn key_whole(&self, id: &KeyId) -> Result<Key, AppError> {
        self.key_in(&mut *self.db.read().await?, id).await
    }
}
