//! The spool: where a hold is kept while no database takes it. One file, preallocated when the server starts so that a full disk cannot
//! refuse a stop; fixed slots, each written whole and fsynced. Blocking: callers run it off the async threads.

use crate::domain::{Epoch, Hold, HoldId, Level, PlacedBy, PressId, Scope, Timestamp};
use sha2::{Digest, Sha256};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::{Mutex, PoisonError, TryLockError},
};

/// Bytes of a slot: state, length, SHA-256, text.
const SLOT: u64 = 4096;
/// Slots in the file.
const SLOTS: u64 = 256;
const HEAD: usize = 1 + 4 + 32;
const TAKEN: u8 = 1;

/// The spool could not keep a hold.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file could not be written or read.
    #[error("the spool could not be written")]
    Io(#[from] io::Error),
    /// Every slot is taken.
    #[error("the spool is full")]
    Full,
    /// The hold does not fit a slot; its reason is bounded, so this does not happen.
    #[error("the hold does not fit the spool")]
    TooLong,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Spooled {
    id: HoldId,
    scope_kind: String,
    scope_id: String,
    level: Level,
    why: String,
    placed_by: PlacedBy,
    at_us: i64,
    epoch: Epoch,
    idempotency_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    press: Option<PressId>,
}

impl From<&Hold> for Spooled {
    fn from(hold: &Hold) -> Self {
        Self {
            id: hold.id.clone(),
            scope_kind: hold.scope.kind().to_owned(),
            scope_id: hold.scope.id().into_owned(),
            level: hold.level,
            why: hold.why.clone(),
            placed_by: hold.placed_by.clone(),
            at_us: hold.at.0,
            epoch: hold.epoch,
            idempotency_key: hold.idempotency_key.clone(),
            not_before_us: hold.not_before.map(|at| at.0),
            press: hold.press.clone(),
        }
    }
}

impl Spooled {
    fn into_hold(self) -> Option<Hold> {
        Some(Hold {
            scope: Scope::from_parts(&self.scope_kind, &self.scope_id)?,
            id: self.id,
            level: self.level,
            why: self.why,
            placed_by: self.placed_by,
            at: Timestamp(self.at_us),
            epoch: self.epoch,
            released: None,
            late: true,
            idempotency_key: self.idempotency_key,
            origin: None,
            entry: None,
            not_before: self.not_before_us.map(Timestamp),
            press: self.press,
        })
    }
}

struct Slots {
    file: File,
    taken: Vec<Option<HoldId>>,
}

/// The spool file.
pub struct Spool(Mutex<Slots>);

impl Spool {
    /// Opens or makes the file, reserves its space, and reads the holds in it.
    ///
    /// # Errors
    /// When the file cannot be made, reserved or read.
    pub fn open(path: &Path) -> Result<(Self, Vec<Hold>), SpoolError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        reserve(&file)?;
        file.sync_all()?;
        let mut slots = Slots { file, taken: vec![None; SLOTS as usize] };
        let mut holds = Vec::new();
        for n in 0..SLOTS {
            if let Some(hold) = slots.read(n)? {
                if let Some(taken) = slots.taken.get_mut(n as usize) {
                    *taken = Some(hold.id.clone());
                }
                holds.push(hold);
            }
        }
        holds.sort_by_key(|hold| (hold.at, hold.epoch));
        Ok((Self(Mutex::new(slots)), holds))
    }

    /// Keeps a hold; returns once it is on disk. The same hold twice is kept once.
    ///
    /// # Errors
    /// When it could not be kept.
    pub fn keep(&self, hold: &Hold) -> Result<(), SpoolError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(hold)
    }

    /// Lets a hold go that the database has by now.
    ///
    /// # Errors
    /// When the file could not be written; the hold is then merged once more, which changes nothing.
    pub fn drop_hold(&self, id: &HoldId) -> Result<(), SpoolError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear(id)
    }

    /// True when the file can still be written: the health check's question. Never waits: while a disk takes its time with a hold, the file
    /// is being written, and whoever asked would stand in the way of every other request.
    pub fn is_writable(&self) -> bool {
        match self.0.try_lock() {
            Ok(slots) => slots.is_whole(),
            Err(TryLockError::Poisoned(slots)) => slots.into_inner().is_whole(),
            Err(TryLockError::WouldBlock) => true,
        }
    }

    /// True when a hold is on disk here. Never waits: while a disk takes its time, what is being written is not on it.
    pub fn holds(&self, id: &HoldId) -> bool {
        self.0.try_lock().is_ok_and(|slots| slots.taken.iter().flatten().any(|taken| taken == id))
    }

    /// The holds on disk here.
    pub fn kept(&self) -> Vec<HoldId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).taken.iter().flatten().cloned().collect()
    }

    /// True when no hold waits in it.
    pub fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }
}

/// A spool as it lies on disk.
#[derive(Debug, Clone)]
pub struct Lying {
    /// True when a full disk cannot refuse a hold: its space is reserved.
    pub is_reserved: bool,
    /// The holds in it that wait to be recorded, oldest first.
    pub waiting: Vec<Hold>,
}

/// Looks at a spool file, also while a server uses it; changes nothing.
///
/// # Errors
/// When it cannot be read.
pub fn look(path: &Path) -> Result<Lying, SpoolError> {
    let file = File::open(path)?;
    let data = file.metadata()?;
    let slots = Slots { file, taken: Vec::new() };
    let mut waiting = Vec::new();
    for n in 0..SLOTS.min(data.len() / SLOT) {
        waiting.extend(slots.read(n)?);
    }
    waiting.sort_by_key(|hold| (hold.at, hold.epoch));
    // Blocks of 512 bytes, whatever the file system's own are.
    let is_reserved = data.len() >= SLOT * SLOTS && data.blocks() * 512 >= SLOT * SLOTS;
    Ok(Lying { is_reserved, waiting })
}

fn reserve(file: &File) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, SLOT * SLOTS) {
        Ok(()) => Ok(()),
        // Some file systems cannot reserve: writing zeros once has the same effect.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) if file.metadata()?.len() < SLOT * SLOTS => {
            (0..SLOTS).try_for_each(|n| file.write_all_at(&[0; SLOT as usize], n * SLOT))
        }
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Slots {
    fn is_whole(&self) -> bool {
        self.file.metadata().is_ok_and(|data| data.len() >= SLOT * SLOTS)
    }

    fn keep(&mut self, hold: &Hold) -> Result<(), SpoolError> {
        if self.taken.iter().flatten().any(|id| *id == hold.id) {
            return Ok(());
        }
        let free = self.taken.iter().position(Option::is_none).ok_or(SpoolError::Full)?;
        let text = serde_json::to_vec(&Spooled::from(hold)).map_err(|_| SpoolError::TooLong)?;
        if text.len() + HEAD > SLOT as usize {
            return Err(SpoolError::TooLong);
        }
        let mut slot = Vec::with_capacity(HEAD + text.len());
        slot.push(TAKEN);
        slot.extend_from_slice(&(text.len() as u32).to_be_bytes());
        slot.extend_from_slice(&Sha256::digest(&text));
        slot.extend_from_slice(&text);
        self.file.write_all_at(&slot, free as u64 * SLOT)?;
        failpoint!("spool:written");
        self.file.sync_data()?;
        if let Some(taken) = self.taken.get_mut(free) {
            *taken = Some(hold.id.clone());
        }
        Ok(())
    }

    fn clear(&mut self, id: &HoldId) -> Result<(), SpoolError> {
        let Some(n) = self.taken.iter().position(|taken| taken.as_ref() == Some(id)) else { return Ok(()) };
        self.file.write_all_at(&[0], n as u64 * SLOT)?;
        self.file.sync_data()?;
        if let Some(taken) = self.taken.get_mut(n) {
            *taken = None;
        }
        Ok(())
    }

    /// A slot that was torn by a crash in the middle of its writing does not match its digest: that press was never answered.
    fn read(&self, n: u64) -> Result<Option<Hold>, SpoolError> {
        let mut slot = vec![0u8; SLOT as usize];
        self.file.read_exact_at(&mut slot, n * SLOT)?;
        let (Some(&state), Some(length), Some(digest)) = (slot.first(), slot.get(1..5), slot.get(5..HEAD)) else { return Ok(None) };
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default()) as usize;
        let Some(text) = slot.get(HEAD..HEAD + length) else { return Ok(None) };
        if state != TAKEN || Sha256::digest(text).as_slice() != digest {
            return Ok(None);
        }
        Ok(serde_json::from_slice::<Spooled>(text).ok().and_then(Spooled::into_hold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PlacerKind;

    fn hold(why: &str) -> Hold {
        Hold {
            id: HoldId::new(),
            scope: Scope::Fleet,
            level: Level::Pause,
            why: why.into(),
            placed_by: PlacedBy { kind: PlacerKind::Host, id: "0".into(), name: "host".into(), as_risk: false },
            at: Timestamp(1_000_001),
            epoch: Epoch(7),
            released: None,
            late: true,
            idempotency_key: "k".into(),
            origin: None,
            entry: None,
            not_before: Some(Timestamp(1_000_002)),
            press: Some(PressId::new()),
        }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_gone_once_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let (spool, found) = Spool::open(&path).unwrap();
        assert!(found.is_empty() && spool.is_empty());
        let (one, two) = (hold(&"é".repeat(500)), hold("two"));
        spool.keep(&one).unwrap();
        spool.keep(&one).unwrap();
        spool.keep(&two).unwrap();
        drop(spool);
        let (spool, found) = Spool::open(&path).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.contains(&one) && found.contains(&two));
        spool.drop_hold(&one.id).unwrap();
        drop(spool);
        let (spool, found) = Spool::open(&path).unwrap();
        assert_eq!(found, vec![two.clone()]);
        spool.drop_hold(&two.id).unwrap();
        assert!(spool.is_empty());
    }

    #[test]
    fn whether_it_is_writable_is_answered_while_a_disk_takes_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(&dir.path().join("spool")).unwrap();
        let writing = spool.0.lock().unwrap();
        std::thread::scope(|scope| {
            let (answer, told) = std::sync::mpsc::channel();
            let asked = &spool;
            scope.spawn(move || answer.send(asked.is_writable()));
            let answered = told.recv_timeout(std::time::Duration::from_secs(10));
            drop(writing);
            assert_eq!(answered, Ok(true));
        });
        OpenOptions::new().write(true).open(dir.path().join("spool")).unwrap().set_len(1).unwrap();
        assert!(!spool.is_writable(), "a file that was cut is none");
    }

    #[test]
    fn a_torn_slot_is_no_hold_and_a_full_spool_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let (spool, _) = Spool::open(&path).unwrap();
        for n in 0..SLOTS {
            spool.keep(&hold(&n.to_string())).unwrap();
        }
        assert!(matches!(spool.keep(&hold("one more")), Err(SpoolError::Full)));
        drop(spool);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"xx", 3 * SLOT + HEAD as u64 + 10).unwrap();
        assert_eq!(Spool::open(&path).unwrap().1.len(), SLOTS as usize - 1);
    }
}
