//! The bot's exchange keys at the agent: kept sealed on disk, opened to be checked and given, acknowledged, dropped. They come over the line to the
//! server; the loop decides what becomes of them, and a task of its own carries it out, since the disk may be slow and a stop waits for none.
//!
//! A key is acknowledged once it is on disk, opened, and bound to this installation, agent, bot, key, version, purpose and venue. Whatever sends it
//! again hears the same. On a kill everything that is held and given goes, after the bot's orders are gone and at the latest [`DROP_WITHIN_MS`]
//! after the kill was heard (ruling C6); until the kill is over, none is taken.

pub mod give;
pub mod kill;
pub mod measure;
pub mod store;

pub use give::{Files, Form, Giving, Handing, Way};
pub use measure::{Measurer, Measuring};
pub use store::{KeyError, KeyStore, MOST_KEYS};

use super::adapters::Finding;
use crate::domain::KeyId;
use crate::protocol::{KeyAckFrame, KeyFrame, KeyOrder};
use std::{collections::BTreeMap, io, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// A kill drops the keys at the latest so long after it was heard. Milliseconds.
pub const DROP_WITHIN_MS: i64 = 10_000;
/// What the disk refuses to drop is tried again after this long, for ever.
const AGAIN: Duration = Duration::from_millis(500);
/// The most orders that wait to be carried out; a server that sends more sends them again.
const MOST_WAITING: usize = 256;

/// The newest version of each key that is held.
pub type Versions = Arc<BTreeMap<String, i64>>;

/// What an agent needs to keep keys.
#[derive(Debug, Clone)]
pub struct KeyRing {
    /// Where they lie.
    pub store: KeyStore,
    /// How the bot gets them.
    pub giving: Giving,
}

/// What is to be done.
#[derive(Debug)]
enum Job {
    Keep(Box<KeyFrame>),
    Forget(KeyId, i64),
    NoteDropping,
    DropAll,
}

/// What came of it.
#[derive(Debug)]
pub enum Word {
    /// What is held now. At the first word, whether all of it was to be dropped when an earlier agent died.
    Held {
        /// The versions.
        versions: Versions,
        /// An earlier agent died before it had dropped them.
        is_dropping: bool,
    },
    /// An acknowledgement.
    Ack(KeyAckFrame),
    /// All of them are gone.
    Dropped,
    /// Something that somebody should know: kind, severity, words.
    Event(&'static str, &'static str, String),
}

/// The loop's end.
pub struct Keys {
    to: mpsc::Sender<Job>,
    urgent: mpsc::UnboundedSender<Job>,
    words: mpsc::Receiver<Word>,
}

/// The task's end.
pub struct Work {
    ring: Option<KeyRing>,
    jobs: mpsc::Receiver<Job>,
    // What a full queue must not lose: at most two a kill.
    urgent: mpsc::UnboundedReceiver<Job>,
    tell: mpsc::Sender<Word>,
}

impl Keys {
    /// The keys of one agent; none: it keeps no keys, and says so to whoever sends one.
    pub fn new(ring: Option<KeyRing>) -> (Self, Work) {
        let (to, jobs) = mpsc::channel(MOST_WAITING);
        let (hurry, urgent) = mpsc::unbounded_channel();
        let (tell, words) = mpsc::channel(64);
        (Self { to, urgent: hurry, words }, Work { ring, jobs, urgent, tell })
    }

    /// Takes what the server sent to be carried out. What there is no room for is sent again.
    pub fn take(&self, order: KeyOrder) {
        let job = match order {
            KeyOrder::Key(key) => Job::Keep(Box::new(key)),
            KeyOrder::KeyDrop(key) => Job::Forget(key.key_id, key.version),
            KeyOrder::Unknown => return,
        };
        if self.to.try_send(job).is_err() {
            tracing::warn!("more keys are sent than can be kept up with; one is left for the next time");
        }
    }

    /// All of them are to be dropped, soon: noted on disk.
    pub fn note_dropping(&self) {
        // Fails only when the task is gone, and then the agent ends.
        let _ = self.urgent.send(Job::NoteDropping);
    }

    /// Drops all of them now.
    pub fn drop_all(&self) {
        let _ = self.urgent.send(Job::DropAll);
    }

    /// The next word; for ever waited for when the task is gone.
    pub async fn word(&mut self) -> Word {
        match self.words.recv().await {
            Some(word) => word,
            None => std::future::pending().await,
        }
    }
}

/// An answer to a key.
pub fn answer(key: &KeyId, version: i64, why: Option<String>) -> KeyAckFrame {
    KeyAckFrame { key_id: key.clone(), version, ok: why.is_none(), why }
}

impl Work {
    /// Works until the loop goes.
    pub async fn run(mut self) {
        if self.begin().await.is_none() {
            return;
        }
        loop {
            let job = tokio::select! {
                biased;
                job = self.urgent.recv() => job,
                job = self.jobs.recv() => job,
            };
            let Some(job) = job else { return };
            let told = match job {
                Job::Keep(key) => self.keep(*key).await,
                Job::Forget(key, version) => self.forget(key, version).await,
                Job::NoteDropping => self.note_dropping().await,
                Job::DropAll => self.drop_all().await,
            };
            if told.is_none() {
                return;
            }
        }
    }

    async fn tell(&self, word: Word) -> Option<()> {
        self.tell.send(word).await.ok()
    }

    /// Does something at the disk, beside the loop.
    async fn at_disk<T: Send + 'static>(&self, work: impl FnOnce(&KeyRing) -> Result<T, KeyError> + Send + 'static) -> Result<T, KeyError> {
        let ring = self.ring.clone().ok_or(KeyError::Unfit("this agent keeps no keys"))?;
        tokio::task::spawn_blocking(move || work(&ring)).await.unwrap_or_else(|gone| Err(KeyError::Disk(io::Error::other(gone))))
    }

    async fn tell_held(&self, is_dropping: bool) -> Option<()> {
        let held = self.at_disk(|ring| Ok(store::newest(&usable(ring)?))).await.unwrap_or_default();
        self.tell(Word::Held { versions: Arc::new(held), is_dropping }).await
    }

    /// What an earlier agent left: looked at, opened, and given again.
    async fn begin(&self) -> Option<()> {
        if self.ring.is_none() {
            return Some(());
        }
        match self.at_disk(begin).await {
            Ok(begun) => {
                for (kind, why) in begun.events {
                    self.tell(Word::Event(kind, "critical", why)).await?;
                }
                self.tell_held(begun.is_dropping).await
            }
            Err(error) => {
                self.tell(Word::Event("keys_not_read", "critical", format!("the bot's keys cannot be read: {error}"))).await?;
                self.tell_held(false).await
            }
        }
    }

    async fn keep(&self, key: KeyFrame) -> Option<()> {
        let (id, version) = (key.key_id.clone(), key.version);
        let kept = self.at_disk(move |ring| keep(ring, &key)).await;
        failpoint!("agent:before_key_ack");
        // What is held is known before it is acknowledged.
        self.tell_held(false).await?;
        let ack = match kept {
            Ok(said) => KeyAckFrame { ok: true, ..answer(&id, version, said) },
            Err(error) => answer(&id, version, Some(error.to_string())),
        };
        self.tell(Word::Ack(ack)).await
    }

    async fn forget(&self, key: KeyId, version: i64) -> Option<()> {
        let forgotten = self.at_disk(move |ring| {
            if ring.store.forget(&key, version)? {
                give(ring)?;
            }
            Ok(())
        });
        if let Err(error) = forgotten.await {
            self.tell(Word::Event("key_not_dropped", "critical", format!("a key of the bot could not be dropped: {error}"))).await?;
        }
        self.tell_held(false).await
    }

    async fn note_dropping(&self) -> Option<()> {
        if self.ring.is_some()
            && let Err(error) = self.at_disk(|ring| Ok(ring.store.note_dropping()?)).await
        {
            tracing::warn!("that the keys are to be dropped could not be noted: {error}");
        }
        Some(())
    }

    async fn drop_all(&mut self) -> Option<()> {
        // What was sent before the kill is not taken after it.
        while self.jobs.try_recv().is_ok() {}
        let mut is_told = self.ring.is_none();
        while self.ring.is_some() {
            match self.at_disk(drop_all).await {
                Ok(()) => break,
                Err(error) if !is_told => {
                    is_told = true;
                    let why = format!("the bot's keys could not be dropped: {error}; it is tried again");
                    self.tell(Word::Event("keys_not_dropped", "critical", why)).await?;
                }
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.tell(Word::Held { versions: Versions::default(), is_dropping: false }).await?;
        self.tell(Word::Dropped).await
    }
}

/// The keys on disk that open and are this agent's.
fn usable(ring: &KeyRing) -> Result<Vec<KeyFrame>, KeyError> {
    let keys = ring.store.find()?.keys;
    Ok(keys.into_iter().filter(|key| ring.store.open(key).is_ok()).collect())
}

struct Begun {
    is_dropping: bool,
    events: Vec<(&'static str, String)>,
}

fn begin(ring: &KeyRing) -> Result<Begun, KeyError> {
    let found = ring.store.find()?;
    let mut events: Vec<(&'static str, String)> =
        found.spoilt.iter().map(|name| ("key_spoilt", format!("keys/{name} holds no key that can be read"))).collect();
    for key in &found.keys {
        if let Err(error) = ring.store.open(key) {
            events.push(("key_spoilt", format!("version {} of key {} cannot be used: {error}", key.version, key.key_id)));
        }
    }
    // What is about to be dropped is not given again.
    if !found.is_dropping
        && let Err(error) = give(ring)
    {
        events.push(("key_not_given", format!("the bot does not get its keys: {error}")));
    }
    Ok(Begun { is_dropping: found.is_dropping, events })
}

fn keep(ring: &KeyRing, key: &KeyFrame) -> Result<Option<String>, KeyError> {
    ring.store.keep(key)?;
    give(ring)?;
    Ok(match ring.giving {
        Giving::Nothing => Some("held; the agent's settings do not give it to the bot".into()),
        Giving::AtStart(_) => Some("the bot gets it when it is started next".into()),
        Giving::Files(_) => None,
    })
}

fn give(ring: &KeyRing) -> Result<(), KeyError> {
    match &ring.giving {
        Giving::Files(files) => files.give(&ring.store, &usable(ring)?),
        Giving::Nothing | Giving::AtStart(_) => Ok(()),
    }
}

/// First what the bot could still read.
fn drop_all(ring: &KeyRing) -> Result<(), KeyError> {
    if let Giving::Files(files) = &ring.giving {
        files.take_back(&[])?;
    }
    Ok(ring.store.forget_all()?)
}

/// What a person who sets an agent up should know of its keys. Changes nothing, opens them to look.
pub fn examine(ring: &KeyRing) -> Vec<Finding> {
    let mut findings = Vec::new();
    match ring.store.find() {
        Ok(found) => {
            for key in &found.keys {
                let what = format!("{} key of {}, version {} ({})", key.purpose, key.venue, key.version, key.key_id);
                findings.push(match ring.store.open(key) {
                    Ok(_) => Finding::good(format!("{what} is held and opens")),
                    Err(error) => Finding::bad(format!("{what} cannot be used: {error}")),
                });
            }
            findings.extend(found.spoilt.iter().map(|name| Finding::bad(format!("keys/{name} holds no key that can be read"))));
            if found.keys.is_empty() {
                findings.push(Finding::good("no exchange key is held yet"));
            }
        }
        Err(error) => findings.push(Finding::bad(format!("the keys cannot be read: {error}"))),
    }
    findings.push(match &ring.giving {
        Giving::Nothing => Finding::good("[keys] is not set: exchange keys are held and not given to the bot"),
        Giving::AtStart(Way::Fd) => {
            Finding::good(format!("the bot gets its keys at its start, in the open file whose number is in {}", give::FD))
        }
        Giving::AtStart(Way::Env) => Finding::good("the bot gets its keys at its start, in its environment"),
        Giving::Files(files) => match files.is_private() {
            Ok(true) => Finding::good(format!("the bot gets its keys in {}", files.dir.display())),
            Ok(false) => {
                Finding::bad(format!("{} must belong to the agent's user and be closed to others: chmod 700", files.dir.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Finding::good(format!("the bot gets its keys in {}, which is made with the first one", files.dir.display()))
            }
            Err(error) => Finding::bad(format!("{}: {error}", files.dir.display())),
        },
    });
    findings
}

#[cfg(test)]
pub(super) mod tests;
