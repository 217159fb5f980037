//! Exchange keys: asked for and approved (`ask`), handed in and sealed (`install`), measured at their venue (`measure`, `judge`, `drift`), answered
//! for (`attest`), given to agents (`deliver`), ended (`end`), deleted at their venue (`delete`), looked after by the clock (`tend`), used by the
//! server itself (`hand`). No secret is ever given out to a person; what is sealed to an agent opens nowhere else.
//!
//! In memory are the facts that every check-in and every worker needs, and nothing of what was sealed.

pub mod ask;
pub mod attest;
pub mod delete;
pub mod deliver;
pub mod drift;
pub mod end;
pub mod hand;
pub mod install;
pub mod judge;
mod keep;
pub mod list;
pub mod measure;
pub mod tend;

use super::{App, AppError, tx::Act};
use crate::audit::{self, Event};
use crate::domain::{
    AgentId, BotFacts, BotId, KeyId, KeyPurpose, KeySheet, Timestamp,
    key::{KeyState, KeyStep, KeyVerdict},
};
pub use crate::storage::exchange_keys::{KeyEventRow, KeyRow, VersionRow};
use crate::storage::{self, Conn};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

/// A key with its versions.
#[derive(Debug, Clone)]
pub struct Key {
    /// As stored.
    pub row: KeyRow,
    /// What it is to be.
    pub sheet: KeySheet,
    /// Its versions, the first one first. In memory without what was sealed and found.
    pub versions: Vec<VersionRow>,
}

impl Key {
    fn of(row: KeyRow, versions: Vec<VersionRow>) -> Result<Self, AppError> {
        let unreadable = |_| AppError::from(storage::Error::Unreadable(format!("the sheet of key {}", row.id)));
        let sheet = serde_json::from_str(&row.sheet).map_err(unreadable)?;
        Ok(Self { row, sheet, versions })
    }
    /// True while it is approved: neither ended nor compromised.
    pub fn is_open(&self) -> bool {
        self.row.ended_at.is_none() && self.row.compromised_at.is_none()
    }
    /// The version that whoever uses it is to have.
    pub fn current(&self) -> Option<&VersionRow> {
        self.versions.iter().rev().find(|one| self.is_open() && one.state.is_usable())
    }
    /// The one that whoever uses it is to be given: proved, also beside terms that came later.
    pub fn proved(&self) -> Option<&VersionRow> {
        self.current().filter(|one| is_proved(one))
    }
    /// The one that is in use.
    pub fn active(&self) -> Option<&VersionRow> {
        self.versions.iter().rev().find(|one| self.is_open() && one.state == KeyState::Active)
    }
    /// Refuses to act for a bot that trades elsewhere by now.
    ///
    /// # Errors
    /// `Conflict`.
    pub(crate) fn is_of(&self, bot: &BotFacts) -> Result<(), AppError> {
        let is_there = bot.seat.as_ref().map(|seat| &seat.subaccount) == Some(&self.row.subaccount_id);
        if is_there { Ok(()) } else { Err(AppError::conflict("the bot trades on another subaccount by now: ask for a key of that one")) }
    }
    /// True once no version of it works at its venue any more, as far as is known here.
    pub fn is_gone(&self) -> bool {
        self.versions.iter().all(|one| one.state == KeyState::Gone)
    }
    /// One of them.
    pub fn version(&self, version: i64) -> Option<&VersionRow> {
        self.versions.iter().find(|one| one.version == version)
    }
    /// By when its secret is to be replaced; none: it has none.
    pub fn rotate_by(&self) -> Option<Timestamp> {
        // What is in use is what grows old, whatever waits beside it.
        let since = self.active().or(self.current()).or(self.versions.last().filter(|one| one.state.is_held()))?.installed_at;
        let by = since.plus_ms(self.row.rotate_days * crate::domain::time::DAY_MS);
        Some(self.sheet.until.map_or(by, |until| by.min(until)))
    }
}

/// What a key's history says of a version from which this server took the right to trade at its venue.
pub const DEMOTED: &str = "Demoted to reading at the venue";

/// True when nothing is left open between what was approved and what is known of a version.
pub(crate) fn is_proved(row: &VersionRow) -> bool {
    match row.verdict {
        Some(KeyVerdict::Agrees) => true,
        Some(KeyVerdict::Attest) => row.attested_at.is_some(),
        Some(KeyVerdict::Unknown | KeyVerdict::Differs) | None => false,
    }
}

/// Every key that is of any concern still.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    // The number of their counter up to which they were read.
    read: i64,
    by_id: HashMap<KeyId, Arc<Key>>,
    by_bot: HashMap<BotId, Vec<Arc<Key>>>,
}

impl Keys {
    /// One.
    pub fn key(&self, id: &KeyId) -> Option<&Arc<Key>> {
        self.by_id.get(id)
    }
    /// Those of a bot, ended ones too.
    pub fn of_bot(&self, bot: &BotId) -> &[Arc<Key>] {
        self.by_bot.get(bot).map_or(&[], Vec::as_slice)
    }
    /// The one that a bot has for a purpose.
    pub fn of_purpose(&self, bot: &BotId, purpose: KeyPurpose) -> Option<&Arc<Key>> {
        self.of_bot(bot).iter().find(|key| key.row.ended_at.is_none() && key.row.purpose == purpose)
    }
    /// True when a bot had keys to trade and none of them works at its venue any more, as far as is known here.
    pub fn cannot_trade(&self, bot: &BotId) -> bool {
        let traded = || self.of_bot(bot).iter().filter(|key| key.row.purpose == KeyPurpose::Execution && !key.versions.is_empty());
        traded().next().is_some() && traded().all(|key| key.is_gone())
    }
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.by_id.values()
    }
    fn put(&mut self, key: Key) {
        let key = Arc::new(key);
        let of_bot = self.by_bot.entry(key.row.bot_id.clone()).or_default();
        of_bot.retain(|other| other.row.id != key.row.id);
        of_bot.push(key.clone());
        self.by_id.insert(key.row.id.clone(), key);
    }
}

/// The same, as read last.
#[derive(Debug, Default)]
pub struct KeyBook {
    keys: RwLock<Arc<Keys>>,
    // Who reads after it was read has nothing to read.
    reading: tokio::sync::Mutex<()>,
    // Agents of whom an acknowledgement is being written.
    acking: Mutex<HashSet<AgentId>>,
    // Versions in use that were found to be another than approved, and of which that could not be written down yet.
    unwritten: Mutex<HashSet<(KeyId, i64)>>,
    // Versions that are being deleted at their venues.
    deleting: Mutex<HashSet<(KeyId, i64)>>,
}

impl KeyBook {
    fn take(&self, read: i64, changed: Vec<Key>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        // Copied only while somebody looks at it.
        let keys = Arc::make_mut(&mut keys);
        keys.read = read;
        changed.into_iter().for_each(|key| keys.put(key));
    }
    fn begins_delete(&self, version: &(KeyId, i64)) -> bool {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner).insert(version.clone())
    }
    fn ends_delete(&self, version: &(KeyId, i64)) {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner).remove(version);
    }
    fn begins_ack(&self, agent: &AgentId) -> bool {
        self.acking.lock().unwrap_or_else(PoisonError::into_inner).insert(agent.clone())
    }
    fn ends_ack(&self, agent: &AgentId) {
        self.acking.lock().unwrap_or_else(PoisonError::into_inner).remove(agent);
    }
    fn finds_drift(&self, key: &KeyId, version: i64) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert((key.clone(), version));
    }
    fn wrote_drift(&self, key: &KeyId, version: i64) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).remove(&(key.clone(), version));
    }
    fn has_unwritten_drift(&self, key: &KeyId, version: i64) -> bool {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).contains(&(key.clone(), version))
    }
    /// What was read last.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How long an ended key stays in memory, so that an agent that was away is told to drop it. It is kept for ever in the database.
const REMEMBERED_MS: i64 = 400 * crate::domain::time::DAY_MS;

/// Keys with their versions. One whose row cannot be read is left out, and told of: it keeps no other from being looked after.
fn together(rows: Vec<KeyRow>, versions: Vec<VersionRow>) -> Vec<Key> {
    let mut of = HashMap::<KeyId, Vec<VersionRow>>::new();
    for row in versions {
        of.entry(row.key_id.clone()).or_default().push(row);
    }
    let key = |row: KeyRow| {
        let (id, own) = (row.id.clone(), of.remove(&row.id).unwrap_or_default());
        let read = Key::of(row, own);
        read.inspect_err(|error| tracing::error!(key = %id, error = error as &dyn std::error::Error, "a key cannot be read")).ok()
    };
    rows.into_iter().filter_map(key).collect()
}

impl App {
    /// Reads every key that is of any concern: at the start.
    pub(crate) async fn load_keys(&self, conn: &mut Conn) -> Result<(), AppError> {
        let since = self.clock.now().plus_ms(-REMEMBERED_MS);
        let read = storage::exchange_keys::key_counter(conn).await?;
        let versions = storage::exchange_keys::version_all(conn, since).await?;
        let rows = storage::exchange_keys::key_all(conn, since).await?;
        self.key_book.take(read, together(rows, versions));
        Ok(())
    }

    /// Reads the keys that were changed since they were read last. No stop waits for this.
    ///
    /// # Errors
    /// When the database is gone: memory stays as it was.
    pub async fn refresh_keys(&self) -> Result<(), AppError> {
        let _turn = self.key_book.reading.lock().await;
        let since = self.key_book.keys().read;
        let (read, rows, versions) = storage::exchange_keys::key_since(&mut *self.db.read().await?, since).await?;
        if read > since {
            self.key_book.take(read, together(rows, versions));
        }
        Ok(())
    }

    /// Every key that is of any concern, from memory.
    pub fn exchange_keys(&self) -> Arc<Keys> {
        self.key_book.keys()
    }

    /// One key as a transaction sees it.
    pub(crate) async fn key_in(&self, conn: &mut Conn, id: &KeyId) -> Result<Key, AppError> {
        let row = storage::exchange_keys::key_by_id(conn, id).await?.ok_or(AppError::NotFound("key"))?;
        let versions = storage::exchange_keys::version_of(conn, id).await?;
        Key::of(row, versions)
    }

    /// The bot of a key.
    pub(crate) fn bot_of_key(&self, key: &Key) -> Result<Arc<BotFacts>, AppError> {
        self.fleet.view().bot(&key.row.bot_id).cloned().ok_or(AppError::NotFound("bot"))
    }

    /// Takes a step with a version, in a transaction: its row, its line in the history, its entry. False: it stands beyond that step already, and
    /// nothing was done.
    pub(crate) async fn step_key(&self, act: &mut Act<'_>, row: &mut VersionRow, (step, why): (KeyStep, &str)) -> Result<bool, AppError> {
        let Some(state) = row.state.after(step) else { return Ok(false) };
        let now = Some(act.now());
        match state {
            KeyState::Installed | KeyState::Measured => {}
            KeyState::Delivered => row.delivered_at = now,
            KeyState::Active => row.active_at = now,
            KeyState::Draining => row.draining_at = now,
            KeyState::Revoked => (row.revoked_at, row.sealed) = (now, None),
            KeyState::Gone => {
                (row.gone_at, row.sealed) = (now, None);
                row.gone_by = Some(audit::Actor::from(act.actor()).text());
            }
        }
        row.state = state;
        write_version(act, row).await?;
        note(act, &row.key_id, Some(row.version), (state.words(), why)).await?;
        let (key, version) = (row.key_id.clone(), row.version);
        act.record(Event::KeyMoved { key, version, state: state.as_str().to_owned(), why: why.to_owned() }).await?;
        act.changes_key(&row.key_id);
        Ok(true)
    }
}

/// Writes a version over the generation that was read.
pub(crate) async fn write_version(act: &mut Act<'_>, row: &mut VersionRow) -> Result<(), AppError> {
    storage::exchange_keys::key_hold_still(act.tx(), &row.key_id).await?;
    match storage::exchange_keys::version_write(act.tx(), row).await {
        Err(storage::Error::Conflict) => Err(changed()),
        other => Ok(other?),
    }
}

/// Writes a key over the generation that was read.
pub(crate) async fn write_key(act: &mut Act<'_>, row: &mut KeyRow) -> Result<(), AppError> {
    match storage::exchange_keys::key_write(act.tx(), row).await {
        Err(storage::Error::Conflict) => Err(changed()),
        other => Ok(other?),
    }
}

fn changed() -> AppError {
    AppError::conflict("somebody else was first: this key changed a moment ago; look again")
}

/// Writes a line of a key's history.
pub(crate) async fn note(act: &mut Act<'_>, key: &KeyId, version: Option<i64>, (what, why): (&str, &str)) -> Result<(), AppError> {
    let who = audit::Actor::from(act.actor()).text();
    let row = KeyEventRow { key_id: key.clone(), n: 0, version, at: act.now(), what: what.to_owned(), who, why: why.to_owned() };
    storage::exchange_keys::key_event_insert(act.tx(), &row).await?;
    Ok(())
}
