//! What time and others do to keys: their bot was killed, retired or moved, their agent has ended, their time is over, a day has passed since they
//! were measured. Each pass compares what should be with what is, so that a pass that was missed is only a delay.

use super::{Key, delete, is_proved};
use crate::app::{App, AppError};
use crate::domain::{
    AlertKind, BotFacts, KeyId, KeyPurpose, Level, Stage, Subject, Timestamp,
    key::{KeyMeasurer, KeyState, KeyStep, KeyVerdict},
    time::DAY_MS,
};
use crate::fleet::View;
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

/// What was done before.
#[derive(Debug, Default)]
pub struct Tending {
    raised: HashMap<(AlertKind, String), Timestamp>,
    // Versions in use that are another than approved, by their generation. What was so as this process began was acted upon when it was found.
    pub(super) drifted: Option<HashMap<(KeyId, i64), i64>>,
}

/// How long after a kill was placed an agent has dropped its keys, or does not answer: then they end. Milliseconds.
const KILLED_MS: i64 = 15_000;

/// True once a kill has stood over a bot for long enough.
fn was_killed(view: &View, bot: &BotFacts, now: Timestamp) -> bool {
    let stood = |hold: &Arc<crate::domain::Hold>| now.ms_since(hold.at) >= KILLED_MS;
    view.open_holds().any(|hold| hold.level == Level::Kill && stood(hold) && view.covers(hold, bot))
}

/// What is due of one key.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    End(&'static str),
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
        let due: Vec<Arc<Key>> = keys.all().filter(|key| !self.due_of(key, now).is_empty()).cloned().collect();
        for key in due {
            // One that cannot be tended keeps no other from its turn.
            if let Err(error) = self.tend_key(&key.row.id).await {
                tracing::warn!(key = %key.row.id, error = &error as &dyn std::error::Error, "a key could not be looked after yet");
            }
        }
        for key in keys.all() {
            for row in key.versions.iter().filter(|row| delete::is_left(row, now)) {
                self.begin_delete(key.row.id.clone(), row.version);
            }
        }
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
                // What the server holds goes on: it cancels, and sees that nothing rests. The agent cancels before it drops what it has.
                Some(bot) if !key.row.purpose.is_server_held() && was_killed(&view, bot, now) => Some("its bot was killed"),
                Some(_) if seat != Some(&key.row.subaccount_id) => Some("its bot trades on another subaccount"),
                Some(_) if key.sheet.until.is_some_and(|until| until <= now) => Some("its time is over"),
                Some(_) => None,
            };
            if let Some(why) = why {
                return vec![Due::End(why)];
            }
        }
        if key.row.ended_at.is_some() {
            // Handed in at the moment at which it ended elsewhere.
            let left = key.versions.iter().filter(|one| one.state.is_held());
            return left.map(|one| Due::Revoke(one.version, "its key has ended")).collect();
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

    async fn tend_key(&self, id: &KeyId) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let mut fresh = self.key_in(act.tx(), id).await?;
        let mut is_done = false;
        // What was in memory may be over: other terms, another secret.
        for one in self.due_of(&fresh, act.now()) {
            match one {
                Due::End(why) if fresh.row.ended_at.is_none() => {
                    let event = self.end_in(&mut act, &mut fresh, why).await?;
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
            if key.current().is_some_and(|one| !is_proved(one) && one.verdict != Some(KeyVerdict::Differs)) {
                sound(AlertKind::KeyUnmeasured, format!("{of} is in use, and something of it is not proved any more: see its page."));
            }
            let held = key.current().filter(|one| one.measured_by != Some(KeyMeasurer::Attested));
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
        // Raised by whoever climbs the ladder, which may be another process.
        for subject in self.alerts.open_of(AlertKind::KeyToRevoke) {
            if subject.bot.as_ref().is_some_and(|bot| keys.cannot_trade(bot)) {
                self.settle(AlertKind::KeyToRevoke, &subject, "no key of the bot works at its venue any more");
            }
        }
        let still: HashSet<&(AlertKind, String)> = sounding.keys().collect();
        before.raised.retain(|key, _| still.contains(key));
    }
}
