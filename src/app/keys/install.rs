//! Handing a secret in: by a person in a browser, or by the agent on its own host, where the server sees nothing but what was sealed. A bot's secret
//! is sealed to its agent at once; what the server holds itself lies encrypted under the master key. One key of a venue serves one bot and one
//! purpose, for ever.

use super::{
    Key, VersionRow,
    judge::{Measured, is_due},
    note, write_key,
};
use crate::app::{App, AppError, Invalid, agent_book::LiveAgent, tx::Act};
use crate::audit::{self, Event};
use crate::authz::{self, Action, Actor, Permit};
use crate::crypto::{
    seal::{self, Binding},
    token,
};
use crate::domain::{AgentId, ApiSecret, BotFacts, KeyId, Secret, Timestamp, UserId, key::KeyState};
use crate::protocol::{AwaitedKey, DueKey, HandedKey, KeysAnswer};
use crate::storage::{self, Lane};
use std::sync::Arc;

/// By what a key is known again: SHA-256 of what the venue calls it, hex.
pub fn fingerprint(api_key: &Secret<String>) -> String {
    token::TokenDigest::of(api_key.expose()).hex()
}

/// Which version a secret becomes that is handed in now.
fn next(key: &Key) -> i64 {
    key.versions.last().map_or(1, |last| last.version + 1)
}

/// What is to be written.
struct Handed {
    fingerprint: String,
    venue: String,
    /// Whom it is sealed to, and what was sealed; none: the server keeps it.
    sealed: Option<(AgentId, String)>,
    measured: Measured,
}

impl App {
    /// Takes a secret from a person: measures it with the venue, seals it, and writes down what the venue said. Answers with the version. What the
    /// venue says to be another key than was approved is not kept.
    ///
    /// # Errors
    /// `Denied`, also for who approved it; `Invalid` for a secret that cannot be one; `Conflict` for a key that has ended, serves elsewhere, or is
    /// not what was approved, and for a bot without a confirmed agent.
    pub async fn install_key(&self, actor: &Actor, id: &KeyId, secret: &ApiSecret) -> Result<i64, AppError> {
        let (permit, key) = self.may_install(actor, id).await?;
        if !secret.is_plausible() || !secret.is_text() {
            let why = "The venue's key and its secret are both needed, each of at most 8192 bytes, as the venue shows them";
            return Err(Invalid::one("secret", why).into());
        }
        let bot = self.bot_of_key(&key)?;
        is_open(&key, &bot)?;
        let print = fingerprint(&secret.api_key);
        self.is_nobodys(&key, &print).await?;
        let (venue, exchange) = self.venue_of(&bot)?;
        let measured = self.measure(&key.sheet, (venue.as_ref(), &bot.id), secret).await;
        refuse_wrong(&measured)?;
        let version = next(&key);
        // Before the transaction: whoever wraps may be another machine.
        let kept = if key.row.purpose.is_server_held() { Some(self.seal_kept(&key.row, version, secret).await?) } else { None };
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.same_in(&mut act, (&key, version), &bot).await?;
        let sealed = if let Some(kept) = kept {
            self.write_kept(&mut act, &kept).await?;
            None
        } else {
            let agent = self.agent_to_seal_to(&mut act, &bot).await?;
            let binding = self.binding(&key, &bot, (version, &agent.0, &exchange));
            let sealed = seal::seal(&binding, secret, &agent.1).map_err(|error| AppError::conflict(error.to_string()))?;
            Some((agent.0, sealed))
        };
        let handed = Handed { fingerprint: print, venue: exchange, sealed, measured };
        self.write_installed(&mut act, key, (version, handed)).await?;
        act.finish().await?;
        Ok(version)
    }

    /// Lets somebody hand a secret in: of those who trade in the team, whoever did not approve it (nobody who approves sees a
    /// secret).
    async fn may_install(&self, actor: &Actor, id: &KeyId) -> Result<(Permit, Key), AppError> {
        let mut tx = self.db.read().await?;
        let key = self.key_in(&mut tx, id).await?;
        let bot = self.bot_of_key(&key)?;
        let permit = authz::check(actor, Action::InstallKey, &Self::bot_resource(&bot))?;
        let request = self.request_in(&mut tx, &key.row.request_id).await?;
        let has_approved = |user: &UserId| request.votes.iter().any(|vote| vote.user_id == *user && vote.taken_back_at.is_none());
        // Somebody who is alone approves and installs: there is nobody else.
        if actor.user().is_some_and(has_approved) && !self.people_book.is_alone() {
            return Err(AppError::NotYours("you approved this key, and whoever approves a key never sees its secret".to_owned()));
        }
        Ok((permit, key))
    }

    /// What an agent's host may hand in, and what it should measure.
    pub fn keys_answer(&self, agent: &LiveAgent) -> KeysAnswer {
        // An agent that nobody has confirmed learns nothing of what is approved.
        let (keys, due) = self.waiting_keys(agent).filter(|_| agent.confirmed).unwrap_or_default();
        KeysAnswer { installation: self.installation.id.clone(), agent: agent.id.clone(), bot: agent.bot.clone(), keys, due }
    }

    fn waiting_keys(&self, agent: &LiveAgent) -> Option<(Vec<AwaitedKey>, Vec<DueKey>)> {
        let view = self.fleet.view();
        let bot = view.bot(&agent.bot)?;
        let venue = bot.seat.as_ref().and_then(|seat| self.venues().venue(&seat.venue))?;
        let (keys, now) = (self.exchange_keys(), self.clock.now());
        let own = || keys.of_bot(&agent.bot).iter().filter(|key| !key.row.purpose.is_server_held() && is_open(key, bot).is_ok());
        let awaited = |key: &Arc<Key>| AwaitedKey {
            key_id: key.row.id.clone(),
            version: next(key),
            purpose: key.row.purpose,
            venue: venue.exchange.clone(),
            environment: venue.environment,
            sheet: key.sheet.clone(),
        };
        let measures = self.exchanges.venue_for(&venue.exchange, venue.environment).is_some_and(|venue| venue.capability().measures_keys);
        let due = |key: &Arc<Key>| {
            let current = key.current().filter(|one| measures && one.agent_id.as_ref() == Some(&agent.id) && is_due(one, now))?;
            let (key_id, version) = (key.row.id.clone(), current.version);
            Some(DueKey { key_id, version, venue: venue.exchange.clone(), environment: venue.environment })
        };
        Some((own().map(awaited).collect(), own().filter_map(due).collect()))
    }

    /// Takes what was sealed on the agent's host. Who runs a program there with the agent's credential has the bot's keys anyhow.
    ///
    /// # Errors
    /// `NotFound` for a key that is not this agent's bot's; `Conflict` for an agent that nobody has confirmed, another version than the next, and as
    /// above.
    pub async fn install_sealed(&self, agent: &LiveAgent, handed: HandedKey) -> Result<(), AppError> {
        let key = self.key_in(&mut *self.db.read().await?, &handed.key_id).await?;
        if key.row.bot_id != agent.bot || key.row.purpose.is_server_held() {
            return Err(AppError::NotFound("key"));
        }
        if !agent.confirmed {
            return Err(AppError::conflict("nobody has confirmed this agent yet: compare its fingerprint on the agent's page first"));
        }
        let bot = self.bot_of_key(&key)?;
        let permit = authz::check(&agent.as_actor(), Action::CheckIn, &Self::bot_resource(&bot))?;
        let HandedKey { version, fingerprint, sealed, told, .. } = handed;
        let is_digest = fingerprint.len() == 64 && fingerprint.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_digest || sealed.len() > seal::MAX_SEALED || !sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") {
            return Err(Invalid::one("sealed", "It takes an armored age file and the SHA-256 of the venue's key in hex").into());
        }
        if next(&key) != version {
            return Err(AppError::conflict(format!("it is sealed as version {version}, and the next one is {}", next(&key))));
        }
        not_too_often(&key, self.clock.now())?;
        self.is_nobodys(&key, &fingerprint).await?;
        let (venue, exchange) = self.venue_of(&bot)?;
        let measured = self.judge_elsewhere(&key.sheet, venue.as_ref(), told)?;
        refuse_wrong(&measured)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.same_in(&mut act, (&key, version), &bot).await?;
        let handed = Handed { fingerprint, venue: exchange, sealed: Some((agent.id.clone(), sealed)), measured };
        self.write_installed(&mut act, key, (version, handed)).await?;
        act.finish().await?;
        Ok(())
    }

    /// The key within a transaction, when it is what the secret was judged by: the same terms, the same next version, still open.
    async fn same_in(&self, act: &mut Act<'_>, (judged, version): (&Key, i64), bot: &BotFacts) -> Result<Key, AppError> {
        let key = self.key_in(act.tx(), &judged.row.id).await?;
        is_open(&key, bot)?;
        if key.row.request_id != judged.row.request_id || key.sheet != judged.sheet || next(&key) != version {
            return Err(AppError::conflict("somebody else was first: its terms or its versions changed a moment ago; look again"));
        }
        Ok(key)
    }

    /// Refuses a key of a venue that was handed in before, for this or for anything else.
    async fn is_nobodys(&self, key: &Key, fingerprint: &str) -> Result<(), AppError> {
        let mut tx = self.db.read().await?;
        let Some(known) = storage::exchange_keys::version_by_fingerprint(&mut tx, fingerprint).await? else { return Ok(()) };
        if known.key_id == key.row.id && known.state == KeyState::Installed {
            return Ok(());
        }
        let other = self.key_in(&mut tx, &known.key_id).await?;
        // Who asks is of one team, and is told of others only that there are some.
        let view = self.fleet.view();
        let team = view.bot(&key.row.bot_id).map(|bot| bot.team.clone());
        let named = view.bot(&other.row.bot_id).filter(|bot| Some(&bot.team) == team.as_ref());
        let name = named.map_or_else(|| "another bot".to_owned(), |bot| bot.name.clone());
        let what = format!(
            "this key of the venue was handed in before, as version {} of the key {} of {name}: one key serves one bot and one purpose. Make another \
             one at the venue",
            known.version,
            other.row.purpose.words()
        );
        Err(AppError::conflict(what))
    }

    /// The confirmed agent of a bot and what is sealed to.
    async fn agent_to_seal_to(&self, act: &mut Act<'_>, bot: &BotFacts) -> Result<(AgentId, String), AppError> {
        let agent = storage::agents::agent_of_bot(act.tx(), &bot.id).await?.filter(|agent| agent.state == "confirmed");
        let agent = agent.ok_or_else(|| {
            AppError::conflict(format!("{} has no confirmed agent, and its keys are sealed to that: enrol and confirm one first", bot.name))
        })?;
        Ok((agent.id, agent.recipient))
    }

    fn binding(&self, key: &Key, bot: &BotFacts, (version, agent, venue): (i64, &AgentId, &str)) -> Binding {
        Binding {
            installation: self.installation.id.clone(),
            agent: agent.clone(),
            bot: bot.id.clone(),
            key: key.row.id.clone(),
            version,
            purpose: key.row.purpose,
            venue: venue.to_owned(),
        }
    }

    async fn write_installed(&self, act: &mut Act<'_>, mut key: Key, (version, handed): (i64, Handed)) -> Result<(), AppError> {
        let by = audit::Actor::from(act.actor()).text();
        let Handed { fingerprint, venue, sealed, measured } = handed;
        let agent = sealed.as_ref().map(|(agent, _)| agent.clone());
        let key_id = key.row.id.clone();
        // Whoever ends it, or approves other terms, at this moment is first or second, and never unseen.
        write_key(act, &mut key.row).await?;
        let new = VersionRow::handed_in((key_id.clone(), version), (fingerprint.clone(), venue), sealed, (act.now(), by));
        let taken = |error| match error {
            storage::Error::Duplicate(_) => AppError::conflict("this key of the venue was handed in a moment ago"),
            storage::Error::Conflict => AppError::conflict("somebody else was first: this key changed a moment ago; look again"),
            other => other.into(),
        };
        let last = key.versions.last().filter(|last| last.state == KeyState::Installed).cloned();
        let mut row = match last {
            // The same key of the venue, typed right.
            Some(last) if last.fingerprint == fingerprint => {
                if last.agent_id.is_none() && last.version != version {
                    self.forget_secret(act, &key_id, last.version).await?;
                }
                let mut row = VersionRow { generation: last.generation, ..new };
                storage::exchange_keys::version_replace(act.tx(), &mut row, last.version).await.map_err(taken)?;
                row
            }
            other => {
                if let Some(mut other) = other {
                    self.revoke_in(act, &mut other, "another secret was handed in").await?;
                }
                storage::exchange_keys::version_insert(act.tx(), &new).await.map_err(taken)?;
                new
            }
        };
        note(act, &key_id, Some(version), ("Handed in", &format!("fingerprint {}", short(&fingerprint)))).await?;
        act.record(Event::KeyInstalled { key: key_id, version, bot: key.row.bot_id.clone(), fingerprint, agent }).await?;
        act.changes_key(&key.row.id);
        self.note_measured(act, &mut row, &measured).await
    }
}

/// The first letters of a fingerprint, as pages show it.
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

/// Refuses to keep what its venue says to be another key than was approved.
fn refuse_wrong(measured: &Measured) -> Result<(), AppError> {
    use crate::domain::key::KeyVerdict;
    if measured.verdict != KeyVerdict::Differs {
        return Ok(());
    }
    let wrong = measured.evidence.differences.iter().filter(|one| one.weight == crate::venues::Weight::Wrong);
    let mut said: Vec<String> = wrong.map(|one| one.what.clone()).collect();
    said.extend(measured.evidence.said.clone());
    Err(AppError::Conflict(vec![format!("this is not the key that was approved, and was not kept: {}", said.join("; "))]))
}

/// Refuses a secret for what is over, or for a bot that trades elsewhere by now.
fn is_open(key: &Key, bot: &BotFacts) -> Result<(), AppError> {
    if !key.is_open() {
        return Err(AppError::conflict("this key has ended: ask for another one"));
    }
    key.is_of(bot)
}

/// Refuses an agent that hands in one secret after the other: what it sent is looked at first.
fn not_too_often(key: &Key, now: Timestamp) -> Result<(), AppError> {
    let Some(last) = key.versions.last() else { return Ok(()) };
    if matches!(last.state, KeyState::Measured | KeyState::Delivered) {
        return Err(AppError::conflict(format!(
            "version {} is on its way to the bot; hand in another one once it is in use",
            last.version
        )));
    }
    if now.ms_since(last.installed_at) < BETWEEN_MS {
        return Err(AppError::conflict("a secret was handed in a moment ago; try again in a minute"));
    }
    Ok(())
}

/// Time between two secrets that an agent's host hands in for a key. Milliseconds.
const BETWEEN_MS: i64 = 60_000;
