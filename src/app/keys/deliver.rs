//! Keys on their way to agents: what an agent should have is compared with what it says that it has, at every check-in and from memory. Only a
//! confirmed agent gets any, none while its bot is killed, and none from another site's copy. What was sealed is read from the database beside the
//! answer, never before it: no directive waits for a key.

use super::{Key, is_proved, measure::plain, note};
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
        let is_killed = view.bot(&agent.bot).is_none_or(|bot| is_killed(&view, bot));
        if is_killed {
            // A kill's directive drops them all, after the orders are gone (ruling C6): nothing is hurried here, and nothing is sent.
            return Vec::new();
        }
        // A stream is older than the confirmation of its agent may be.
        let is_confirmed = self.agents().of_bot(&agent.bot).is_some_and(|live| live.id == agent.id && live.confirmed);
        let mut due = Vec::new();
        for key in own {
            let id = &key.row.id;
            let has = held.get(id.as_str()).copied();
            let is_over = |version: i64| key.version(version).is_some_and(|one| !one.state.is_held()) || key.row.ended_at.is_some();
            // What is over goes first, whatever is to come after it.
            if let Some(has) = has.filter(|has| is_over(*has)) {
                due.push(Due::Drop(id.clone(), has));
                continue;
            }
            let Some(next) = key.proved().filter(|one| is_confirmed && one.agent_id.as_ref() == Some(&agent.id)) else { continue };
            match has {
                Some(has) if has == next.version && next.state != KeyState::Active => due.push(Due::Acknowledged(id.clone(), has)),
                Some(has) if has >= next.version => {}
                _ => due.push(Due::Send(id.clone(), next.version)),
            }
        }
        // A key of another bot: this agent had that one before it was given to this bot, or somebody copied it.
        let strange = held.iter().filter_map(|(id, version)| {
            let key = keys.key(&KeyId::from_stored(id.clone()))?;
            (key.row.bot_id != agent.bot).then(|| Due::Drop(key.row.id.clone(), *version))
        });
        due.extend(strange);
        // What is taken away needs no database.
        due.sort_by_key(|one| !matches!(one, Due::Drop(..)));
        due.truncate(AT_ONCE);
        due
    }

    /// The orders themselves. What cannot be read now is sent with the next check-in, and keeps nothing else from being said.
    pub async fn key_orders(self: &Arc<Self>, agent: &LiveAgent, due: Vec<Due>) -> Vec<KeyOrder> {
        let mut orders = Vec::with_capacity(due.len());
        for one in due {
            match one {
                Due::Drop(key_id, version) => orders.push(KeyOrder::KeyDrop(KeyDropFrame { key_id, version })),
                Due::Acknowledged(key_id, version) => {
                    self.note_key_ack(agent, &KeyAckFrame { key_id, version, ok: true, why: None });
                }
                Due::Send(id, version) => match self.key_to_send(agent, &id, version).await {
                    Ok(key) => orders.extend(key.map(KeyOrder::Key)),
                    Err(error) => {
                        tracing::warn!(agent = %agent.id, key = %id, error = &error as &dyn std::error::Error, "a key could not be sent yet");
                    }
                },
            }
        }
        orders
    }

    /// None: what was in memory is over by now.
    async fn key_to_send(&self, agent: &LiveAgent, id: &KeyId, version: i64) -> Result<Option<KeyFrame>, AppError> {
        let key = self.key_in(&mut *self.db.read().await?, id).await?;
        let proved = key.proved().filter(|one| one.version == version && one.agent_id.as_ref() == Some(&agent.id));
        let Some((row, sealed)) = proved.and_then(|row| Some((row, row.sealed.clone()?))) else { return Ok(None) };
        let (purpose, venue) = (key.row.purpose, row.venue.clone());
        if row.state == KeyState::Measured
            && let Err(error) = self.note_sent(id, version).await
        {
            // That it was sent is told by its acknowledgement as well.
            tracing::debug!(key = %id, %error, "that a key was sent could not be written down");
        }
        Ok(Some(KeyFrame { key_id: id.clone(), version, purpose, venue, sealed }))
    }

    async fn note_sent(&self, id: &KeyId, version: i64) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let Some(mut row) = key.version(version).cloned() else { return Ok(()) };
        if self.step_key(&mut act, &mut row, (KeyStep::Deliver, "")).await? {
            act.finish().await?;
        }
        Ok(())
    }

    /// Takes what an agent says became of a key, in a task of its own: no stream waits for it. One at a time of an agent; what is lost is said again.
    pub fn note_key_ack(self: &Arc<Self>, agent: &LiveAgent, ack: &KeyAckFrame) {
        if !self.key_book.begins_ack(&agent.id) {
            return;
        }
        let (app, agent, ack) = (self.clone(), agent.clone(), ack.clone());
        tokio::spawn(async move {
            if let Err(error) = app.take_key_ack(&agent, &ack).await {
                tracing::warn!(agent = %agent.id, key = %ack.key_id, %error, "what an agent said of a key was not taken; it says so again");
            }
            app.key_book.ends_ack(&agent.id);
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
        let said = ack.why.as_deref().map_or_else(|| "stored and opened".to_owned(), plain);
        if is_proved(&row) && self.step_key(&mut act, &mut row, (KeyStep::Activate, &said)).await? {
            self.drain_older(&mut act, &row).await?;
            act.finish().await?;
            self.settle(AlertKind::KeyNotTaken, &Subject::bot(&agent.bot), "the agent has taken the key");
        }
        Ok(())
    }

    /// An agent cannot use what it was sent.
    async fn note_not_taken(&self, agent: &LiveAgent, key: &Key, ack: &KeyAckFrame) -> Result<(), AppError> {
        let why = plain(ack.why.as_deref().unwrap_or("it does not say why"));
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
