//! Keys as pages and programs see them: what was approved, how it stands, what is left to do. No secret and nothing that was sealed is in any of it.

use super::{Key, KeyEventRow, is_proved};
use crate::app::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BotFacts, BotId, KeyId, KeyPurpose, Timestamp, VenueId,
    key::{DUE_DAYS, KeyState, KeyVerdict},
    time::DAY_MS,
};
use crate::storage;
use std::sync::Arc;

/// Which keys are looked for; what is empty narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// How they stand.
    pub stands: Option<KeyStands>,
    /// The bot.
    pub bot: Option<BotId>,
    /// What they are for.
    pub purpose: Option<KeyPurpose>,
    /// Part of the bot's name, in whatever case.
    pub text: String,
}

crate::domain::text::text_enum! {
    /// How a key stands, for whoever has something to do about it.
    KeyStands {
        /// Approved; nobody has handed a secret in.
        Waiting = "waiting",
        /// A secret was handed in and is not what was approved yet, or not attested.
        Unproved = "unproved",
        /// In use, or on its way to the agent.
        InUse = "in_use",
        /// In use, and to be replaced soon or overdue.
        Due = "due",
        /// Found to be another than approved.
        Drift = "drift",
        /// A version of it was taken away here and may still work at its venue.
        AtVenue = "at_venue",
        /// Others may know it, and not everything that follows is done.
        Compromised = "compromised",
        /// Over.
        Ended = "ended",
    }
}

impl KeyStands {
    /// In words, on a chip.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "Waits for its secret",
            Self::Unproved => "Not proved yet",
            Self::InUse => "In use",
            Self::Due => "To be replaced",
            Self::Drift => "Not what was approved",
            Self::AtVenue => "To be deleted at the venue",
            Self::Compromised => "Compromised",
            Self::Ended => "Ended",
        }
    }
}

impl Key {
    /// How it stands, the worst first.
    pub fn stands(&self, now: Timestamp) -> KeyStands {
        if self.row.compromised_at.is_some() && self.row.settled_at.is_none() {
            return KeyStands::Compromised;
        }
        if self.row.ended_at.is_some() {
            return if self.is_gone() { KeyStands::Ended } else { KeyStands::AtVenue };
        }
        match self.current() {
            Some(current) if current.verdict == Some(KeyVerdict::Differs) => KeyStands::Drift,
            Some(current) if !is_proved(current) => KeyStands::Unproved,
            Some(_) if self.is_due(now) => KeyStands::Due,
            Some(_) if self.versions.iter().any(|one| one.state.is_to_be_deleted()) => KeyStands::AtVenue,
            Some(_) => KeyStands::InUse,
            None if self.versions.last().is_some_and(|last| last.state == KeyState::Installed) => KeyStands::Unproved,
            None => KeyStands::Waiting,
        }
    }
    /// True when its secret is to be replaced within two weeks, or should have been.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.is_open() && self.rotate_by().is_some_and(|by| by.ms_since(now) <= DUE_DAYS * DAY_MS)
    }
    /// True when its secret should have been replaced.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && self.rotate_by().is_some_and(|by| by <= now)
    }
}

/// A key with everything that happened to it.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key, what was found of it with it.
    pub key: Key,
    /// Its bot.
    pub bot: Arc<BotFacts>,
    /// What happened, newest first.
    pub events: Vec<KeyEventRow>,
}

/// Lines of a history, at most.
const EVENTS: i64 = 200;

impl App {
    /// Keys that this actor may see, by the bot's name, after one of them; and where to go on.
    ///
    /// # Errors
    /// `Denied`.
    pub fn list_keys(
        &self,
        actor: &Actor,
        filter: &KeyFilter,
        (after, most): (Option<&KeyId>, usize),
    ) -> Result<(Vec<Arc<Key>>, Option<KeyId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let (view, now, text) = (self.fleet.view(), self.clock.now(), filter.text.trim().to_lowercase());
        let keys = self.exchange_keys();
        let fits = |key: &&Arc<Key>| {
            let Some(bot) = view.bot(&key.row.bot_id) else { return false };
            let is_sought = filter.bot.as_ref().is_none_or(|id| *id == bot.id) && filter.purpose.is_none_or(|one| one == key.row.purpose);
            let stands = filter.stands.is_none_or(|stands| key.stands(now) == stands);
            is_sought && stands && authz::sees_team(actor, &bot.team) && (text.is_empty() || bot.name.to_lowercase().contains(&text))
        };
        let name = |key: &Arc<Key>| view.bot(&key.row.bot_id).map_or_else(String::new, |bot| bot.name.clone());
        let mut all: Vec<(String, Arc<Key>)> = keys.all().filter(fits).map(|key| (name(key), key.clone())).collect();
        all.sort_by(|(a, one), (b, other)| (a, one.row.purpose, &one.row.id).cmp(&(b, other.row.purpose, &other.row.id)));
        let from = after.and_then(|id| all.iter().position(|(_, key)| key.row.id == *id)).map_or(0, |at| at + 1);
        let next = all.get(from + most).is_some();
        let page: Vec<Arc<Key>> = all.into_iter().skip(from).take(most).map(|(_, key)| key).collect();
        let next = page.last().filter(|_| next).map(|last| last.row.id.clone());
        Ok((page, next))
    }

    /// True while a key of a subaccount of this venue is approved, or a version of one may still work there.
    pub(crate) fn has_keys_at(&self, venue: &VenueId) -> bool {
        let venues = self.venues().rows();
        let is_there = |key: &Arc<Key>| venues.subaccount(&key.row.subaccount_id).is_some_and(|one| one.venue_id == *venue);
        let matters = |key: &Arc<Key>| key.row.ended_at.is_none() || !key.is_gone();
        self.exchange_keys().all().any(|key| matters(key) && is_there(key))
    }

    /// The keys of a bot at a glance: what each is for, and how it stands where that is of concern. Empty: it has none.
    pub fn key_words(&self, bot: &BotId) -> String {
        let (keys, now) = (self.exchange_keys(), self.clock.now());
        let open = keys.of_bot(bot).iter().filter(|key| key.row.ended_at.is_none());
        let mut all: Vec<(KeyPurpose, String)> = open
            .map(|key| {
                let purpose = key.row.purpose;
                let word = purpose.as_str().replace('_', " ");
                match key.stands(now) {
                    KeyStands::InUse => (purpose, word),
                    stands => (purpose, format!("{word} ({})", stands.words().to_lowercase())),
                }
            })
            .collect();
        all.sort();
        all.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join(", ")
    }

    /// One key with its history.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn key(&self, actor: &Actor, id: &KeyId) -> Result<KeyView, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let key = self.key_in(&mut tx, id).await?;
        let bot = self.bot_of_key(&key)?;
        if !authz::sees_team(actor, &bot.team) {
            return Err(AppError::NotFound("key"));
        }
        let events = storage::exchange_keys::key_event_of(&mut tx, id, EVENTS).await?;
        Ok(KeyView { key, bot, events })
    }
}
