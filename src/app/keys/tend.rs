//! What time and others do to keys: their bot was killed, retired or moved, their agent has ended, their time is over, a day has passed since they
//! were measured. Each pass compares what should be with what is, so that a pass that was missed is only a delay.

use super::{Key, measure::is_due};
use crate::app::{App, AppError, kills::is_killed};
use crate::domain::{
    AlertKind, KeyId, KeyPurpose, Stage, Subject, Timestamp,
    key::{KeyState, KeyStep, KeyVerdict},
    time::DAY_MS,
};
use crate::storage::Lane;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// How long a version drains before it is taken away here, after a newer one came into use.
pub const DRAIN_MS: i64 = 60 * 60 * 1_000;
/// A key that could not be measured for so long is asked about.
const UNMEASURED_MS: i64 = 3 * DAY_MS;
/// An alert that somebody closed comes back after so long while its cause goes on.
const AGAIN_MS: i64 = DAY_MS;
/// How long a key whose measuring brought nothing is left alone.
const RETRY_MS: i64 = 15 * 60 * 1_000;
/// Measured in one pass, at most.
const MEASURED_AT_ONCE: usize = 8;

/// What was done before.
#[derive(Debug, Default)]
pub struct Tending {
    raised: HashMap<(AlertKind, String), Timestamp>,
    tried: HashMap<(KeyId, i64), Timestamp>,
    // What was found to be another key than approved, and when: a hold is placed once for each measurement, and stays released.
    drifted: HashMap<(KeyId, i64), Option<Timestamp>>,
}

/// What is due of one key.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    End(String),
    Drain(i64, &'static str),
    Revoke(i64, &'static str),
}

impl App {
    /// One pass over all keys.
    ///
    /// # Errors
    /// When the database is gone; to be called again.
    pub async fn tend_keys(self: &Arc<Self>, before: &mut Tending) -> Result<(), AppError> {
        if self.site.is_foreign() {
            return Ok(());
        }
        let keys = self.exchange_keys();
        let now = self.clock.now();
        let due: Vec<(Arc<Key>, Vec<Due>)> =
            keys.all().map(|key| (key.clone(), self.due_of(key, now))).filter(|(_, due)| !due.is_empty()).collect();
        for (key, due) in due {
            // One that cannot be tended keeps no other from its turn.
            if let Err(error) = self.tend_key(&key, due).await {
                tracing::warn!(key = %key.row.id, error = &error as &dyn std::error::Error, "a key could not be looked after yet");
            }
        }
        self.measure_daily(before, now).await;
        self.hold_drifted(before).await;
        self.sound_keys(before, now);
        Ok(())
    }

    fn due_of(&self, key: &Key, now: Timestamp) -> Vec<Due> {
        let view = self.fleet.view();
        let bot = view.bot(&key.row.bot_id);
        if key.row.ended_at.is_none() {
            let seat = bot.and_then(|bot| bot.seat.as_ref().map(|seat| &seat.subaccount));
            let why = match bot {
                None => Some("its bot is gone"),
                Some(bot) if bot.stage == Stage::Retired => Some("its bot is retired"),
                Some(bot) if is_killed(&view, bot) => Some("its bot was killed"),
                Some(_) if seat != Some(&key.row.subaccount_id) => Some("its bot trades on another subaccount"),
                Some(_) if key.sheet.until.is_some_and(|until| until <= now) => Some("its time is over"),
                Some(_) => None,
            };
            if let Some(why) = why {
                return vec![Due::End(why.to_owned())];
            }
        }
        let agent = self.agents().of_bot(&key.row.bot_id);
        let mut due = Vec::new();
        for one in &key.versions {
            let is_orphan = one.agent_id.as_ref().is_some_and(|of| agent.as_ref().is_none_or(|agent| agent.id != *of));
            match one.state {
                KeyState::Delivered | KeyState::Active if is_orphan => due.push(Due::Drain(one.version, "its agent has ended")),
                KeyState::Installed | KeyState::Measured if is_orphan => {
                    due.push(Due::Revoke(one.version, "its agent ended before it had the key"));
                }
                KeyState::Draining if one.draining_at.is_some_and(|at| now.ms_since(at) >= DRAIN_MS) => {
                    due.push(Due::Revoke(one.version, "it has drained: delete it at the venue"));
                }
                _ => {}
            }
        }
        due
    }

    async fn tend_key(&self, key: &Key, due: Vec<Due>) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let mut fresh = self.key_in(act.tx(), &key.row.id).await?;
        let mut is_done = false;
        for one in due {
            match one {
                Due::End(why) if fresh.row.ended_at.is_none() => {
                    let event = self.end_in(&mut act, &mut fresh, &why).await?;
                    act.record(event).await?;
                    is_done = true;
                }
                Due::End(_) => {}
                Due::Drain(version, why) => {
                    let Some(row) = fresh.versions.iter_mut().find(|one| one.version == version) else { continue };
                    is_done |= self.step_key(&mut act, row, (KeyStep::Drain, why)).await?;
                }
                Due::Revoke(version, why) => {
                    let Some(row) = fresh.versions.iter_mut().find(|one| one.version == version) else { continue };
                    is_done |= self.revoke_in(&mut act, row, why).await?;
                }
            }
        }
        if is_done { act.finish().await } else { Ok(()) }
    }

    /// Measures what the server holds and was not measured for a day, oldest first. Those of bots are measured on their agents' hosts.
    async fn measure_daily(self: &Arc<Self>, before: &mut Tending, now: Timestamp) {
        let keys = self.exchange_keys();
        before.tried.retain(|_, at| now.ms_since(*at) < RETRY_MS);
        let mut due: Vec<_> = keys
            .all()
            .filter(|key| key.row.purpose.is_server_held() && key.is_open())
            .filter_map(|key| Some((key.clone(), key.active()?.clone())))
            .filter(|(key, row)| is_due(row, now) && !before.tried.contains_key(&(key.row.id.clone(), row.version)))
            .collect();
        due.sort_by_key(|(_, row)| row.measured_at);
        for (key, row) in due.into_iter().take(MEASURED_AT_ONCE) {
            before.tried.insert((key.row.id.clone(), row.version), now);
            if let Err(error) = self.measure_held(&key, row.version).await {
                tracing::warn!(key = %key.row.id, error = &error as &dyn std::error::Error, "a key could not be measured");
            }
        }
    }

    /// Measures a version that the server holds, and writes down what came of it.
    ///
    /// # Errors
    /// When the vault is not open or the database is gone.
    pub(crate) async fn measure_held(self: &Arc<Self>, key: &Key, version: i64) -> Result<(), AppError> {
        let bot = self.bot_of_key(key)?;
        let (venue, _) = self.venue_of(&bot)?;
        let secret = self.open_kept(&key.row, version).await?;
        let measured = self.measure(&key.sheet, venue.as_ref(), &secret).await;
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let fresh = self.key_in(act.tx(), &key.row.id).await?;
        let Some(mut row) = fresh.version(version).cloned() else { return Ok(()) };
        self.note_measured(&mut act, &mut row, &measured).await?;
        act.finish().await
    }

    /// What follows of a key in use that is another than approved, whoever found that.
    async fn hold_drifted(self: &Arc<Self>, before: &mut Tending) {
        let mut found = HashMap::new();
        for key in self.exchange_keys().all() {
            let Some(row) = key.current().filter(|row| row.verdict == Some(KeyVerdict::Differs)) else { continue };
            let at = (key.row.id.clone(), row.version);
            if before.drifted.get(&at) != Some(&row.measured_at) {
                match self.key_whole(&key.row.id).await {
                    Ok(whole) => self.note_drift(&whole, row.version).await,
                    // Asked again with the next pass.
                    Err(error) => {
                        tracing::warn!(key = %key.row.id, error = &error as &dyn std::error::Error, "a key that differs could not be read");
                        continue;
                    }
                }
            }
            found.insert(at, row.measured_at);
        }
        let subjects: HashSet<String> =
            found.keys().filter_map(|(id, _)| self.exchange_keys().key(id).map(|key| Subject::bot(&key.row.bot_id).key())).collect();
        for subject in self.alerts.ours(AlertKind::KeyDrift) {
            if !subjects.contains(&subject.key()) {
                self.settle(AlertKind::KeyDrift, &subject, "its key is what was approved, or is in use no more");
            }
        }
        before.drifted = found;
    }

    async fn key_whole(&self, id: &KeyId) -> Result<Key, AppError> {
        self.key_in(&mut *self.db.read().await?, id).await
    }

    /// Raises what goes on and settles what is over, one alert of a kind for a bot.
    fn sound_keys(&self, before: &mut Tending, now: Timestamp) {
        let keys = self.exchange_keys();
        let mut sounding = BTreeMap::<(AlertKind, String), (Subject, String)>::new();
        for key in keys.all() {
            let subject = Subject::bot(&key.row.bot_id);
            let Some(bot) = self.fleet.view().bot(&key.row.bot_id).cloned() else { continue };
            let mut sound = |kind: AlertKind, words: String| {
                sounding.entry((kind, subject.key())).or_insert_with(|| (subject.clone(), words));
            };
            let what = |purpose: KeyPurpose| format!("The key {} of {}", purpose.words(), bot.name);
            let of = what(key.row.purpose);
            if key.row.compromised_at.is_some() && key.row.settled_at.is_none() {
                sound(AlertKind::KeyCompromised, format!("{of} is compromised. Its page lists what follows and what of it is done."));
            }
            if key.is_overdue(now) {
                sound(AlertKind::KeyOverdue, format!("{of} should have been replaced: hand another one in on its page."));
            }
            let left = key.versions.iter().find(|one| one.state == KeyState::Revoked);
            if let Some(left) = left.filter(|one| one.revoked_at.is_some_and(|at| now.ms_since(at) >= DRAIN_MS)) {
                let words = format!("{of}, version {}, was taken away here and may still work: delete it at the venue.", left.version);
                sound(AlertKind::KeyAtVenue, words);
            }
            let held = key.current().filter(|one| one.measured_by != Some(crate::domain::key::KeyMeasurer::Attested));
            if held.is_some_and(|one| now.ms_since(one.measured_at.unwrap_or(one.installed_at)) >= UNMEASURED_MS) {
                sound(AlertKind::KeyUnmeasured, format!("{of} could not be measured for three days: nobody knows what it may do now."));
            }
        }
        for ((kind, key), (subject, words)) in &sounding {
            let last = before.raised.get(&(*kind, key.clone())).copied();
            if !self.alerts.is_open(*kind, subject) && last.is_none_or(|at| now.ms_since(at) >= AGAIN_MS) {
                self.raise(*kind, subject.clone(), words);
                before.raised.insert((*kind, key.clone()), now);
            }
        }
        let ended = [AlertKind::KeyCompromised, AlertKind::KeyOverdue, AlertKind::KeyAtVenue, AlertKind::KeyUnmeasured];
        for kind in ended {
            for subject in self.alerts.ours(kind) {
                if !sounding.contains_key(&(kind, subject.key())) {
                    self.settle(kind, &subject, "it is so no more");
                    before.raised.remove(&(kind, subject.key()));
                }
            }
        }
        let still: HashSet<&(AlertKind, String)> = sounding.keys().collect();
        before.raised.retain(|key, _| still.contains(key));
    }
}
