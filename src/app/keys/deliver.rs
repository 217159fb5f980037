//! Keys on their way to agents: what an agent should have is compared with what it says that it has, at every check-in and from memory. Only a
//! confirmed agent gets any, none while its bot is killed, and none from another site's copy. What was sealed is read from the database beside the
//! answer, never before it: no directive waits for a key.

use super::{Key, note};
use crate::app::{App, AppError, agent_book::LiveAgent, kills::is_killed};
use crate::authz::{self, Action};
use crate::domain::{
    AlertKind, KeyId, Subject,
    key::{KeyState, KeyStep},
};
use crate::protocol::{KeyAckFrame, KeyDropFrame, KeyFrame, KeyOrder};
use crate::storage::Lane;
use std::{collections::BTreeMap, sync::Arc};

/// The versions that an agent says it has: by the key's id.
pub type Held = BTreeMap<String, i64>;

/// What an agent is to be told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Take this version over.
    Send(KeyId, i64),
    /// Forget this version.
    Drop(KeyId, i64),
    /// It has what was sent, and its acknowledgement was lost.
    Acknowledged(KeyId, i64),
}

/// The most that an agent is told at once.
const AT_ONCE: usize = 16;

impl App {
    /// What an agent is to be told of its keys, by what it says that it has. From memory. A key that nobody here knows is left alone: a database
    /// that was rolled back takes nothing from a bot that runs.
    pub fn keys_due(&self, agent: &LiveAgent, held: &Held) -> Vec<Due> {
        let keys = self.exchange_keys();
        let own = keys.of_bot(&agent.bot);
        if (own.is_empty() && held.is_empty()) || self.site.is_foreign() {
            return Vec::new();
        }
        let view = self.fleet.view();
        // A stream is older than the confirmation of its agent may be.
        let is_confirmed = self.agents().of_bot(&agent.bot).is_some_and(|live| live.id == agent.id && live.confirmed);
        let may_have = is_confirmed && view.bot(&agent.bot).is_some_and(|bot| !is_killed(&view, bot));
        let mut due = Vec::new();
        for key in own {
            let has = held.get(key.row.id.as_str()).copied();
            let current = key.current().filter(|one| one.agent_id.as_ref() == Some(&agent.id));
            match (current, has) {
                (Some(current), has) if may_have && has.is_none_or(|has| has < current.version) => {
                    due.push(Due::Send(key.row.id.clone(), current.version));
                }
                (Some(current), Some(has)) if has == current.version && current.state != KeyState::Active => {
                    due.push(Due::Acknowledged(key.row.id.clone(), has));
                }
                // Killed or not: what is nobody's any more is dropped.
                (None, Some(has)) if key.version(has).is_none_or(|one| !one.state.is_held()) => {
                    due.push(Due::Drop(key.row.id.clone(), has));
                }
                _ => {}
            }
        }
        // A key of another bot: this agent had that one before it was given to this bot, or somebody copied it.
        let strange = held.iter().filter_map(|(id, version)| {
            let key = keys.key(&KeyId::from_stored(id.clone()))?;
            (key.row.bot_id != agent.bot).then(|| Due::Drop(key.row.id.clone(), *version))
        });
        due.extend(strange);
        due.truncate(AT_ONCE);
        due
    }

    /// The orders themselves. What cannot be read now is sent with the next check-in.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn key_orders(self: &Arc<Self>, agent: &LiveAgent, due: Vec<Due>) -> Result<Vec<KeyOrder>, AppError> {
        let mut orders = Vec::with_capacity(due.len());
        for one in due {
            match one {
                Due::Drop(key_id, version) => orders.push(KeyOrder::KeyDrop(KeyDropFrame { key_id, version })),
                Due::Acknowledged(key_id, version) => {
                    self.note_key_ack(agent, &KeyAckFrame { key_id, version, ok: true, why: None });
                }
                Due::Send(id, version) => {
                    let key = self.key_in(&mut *self.db.read().await?, &id).await?;
                    // Read again: what was in memory may be over.
                    let current = key.current().filter(|one| one.version == version && one.agent_id.as_ref() == Some(&agent.id));
                    let Some(row) = current else { continue };
                    let Some(sealed) = row.sealed.clone() else { continue };
                    let (purpose, venue) = (key.row.purpose, row.venue.clone());
                    if row.state == KeyState::Measured {
                        self.note_sent(&id, version).await?;
                    }
                    orders.push(KeyOrder::Key(KeyFrame { key_id: id, version, purpose, venue, sealed }));
                }
            }
        }
        Ok(orders)
    }

    async fn note_sent(&self, id: &KeyId, version: i64) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let Some(mut row) = key.version(version).cloned() else { return Ok(()) };
        if self.step_key(&mut act, &mut row, (KeyStep::Deliver, "sent to the agent")).await? {
            act.finish().await?;
        }
        Ok(())
    }

    /// Takes what an agent says became of a key, in a task of its own: no stream waits for it. One that is lost is said again.
    pub fn note_key_ack(self: &Arc<Self>, agent: &LiveAgent, ack: &KeyAckFrame) {
        let (app, agent, ack) = (self.clone(), agent.clone(), ack.clone());
        tokio::spawn(async move {
            if let Err(error) = app.take_key_ack(&agent, &ack).await {
                tracing::warn!(agent = %agent.id, key = %ack.key_id, %error, "what an agent said of a key was not taken; it says so again");
            }
        });
    }

    async fn take_key_ack(&self, agent: &LiveAgent, ack: &KeyAckFrame) -> Result<(), AppError> {
        let keys = self.exchange_keys();
        let known = keys.key(&ack.key_id).filter(|key| key.row.bot_id == agent.bot).cloned();
        let Some(known) = known else { return Err(AppError::NotFound("key")) };
        if !ack.ok {
            return self.note_not_taken(agent, &known, ack).await;
        }
        if known.version(ack.version).is_some_and(|one| one.state == KeyState::Active) {
            return Ok(());
        }
        let bot = self.bot_of_key(&known)?;
        let permit = authz::check(&agent.as_actor(), Action::CheckIn, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.key_in(act.tx(), &ack.key_id).await?;
        let row = key.version(ack.version).filter(|one| key.is_open() && one.agent_id.as_ref() == Some(&agent.id));
        let Some(mut row) = row.cloned() else { return Ok(()) };
        if self.step_key(&mut act, &mut row, (KeyStep::Activate, ack.why.as_deref().unwrap_or("stored and opened"))).await? {
            self.drain_older(&mut act, &row).await?;
            act.finish().await?;
            self.settle(AlertKind::KeyNotTaken, &Subject::bot(&agent.bot), "the agent has taken the key");
        }
        Ok(())
    }

    /// An agent cannot use what it was sent.
    async fn note_not_taken(&self, agent: &LiveAgent, key: &Key, ack: &KeyAckFrame) -> Result<(), AppError> {
        let why = ack.why.clone().unwrap_or_else(|| "it does not say why".to_owned());
        let why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
        let subject = Subject::bot(&agent.bot);
        if self.alerts.is_open(AlertKind::KeyNotTaken, &subject) {
            return Ok(());
        }
        let words = format!(
            "Agent {} could not take version {} of the key {}: {why}. Until it does, the bot goes on with what it had.",
            agent.name,
            ack.version,
            key.row.purpose.words()
        );
        self.raise(AlertKind::KeyNotTaken, subject, &words);
        let bot = self.bot_of_key(key)?;
        let permit = authz::check(&agent.as_actor(), Action::CheckIn, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        note(&mut act, &ack.key_id, Some(ack.version), ("Not taken by the agent", &why)).await?;
        let (key, version) = (ack.key_id.clone(), ack.version);
        act.commit(crate::audit::Event::KeyMoved { key, version, state: "not_taken".to_owned(), why }).await?;
        Ok(())
    }
}
