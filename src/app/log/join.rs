//! A new replica gets its tide mark: the whole log is read and hashed, the newest checkpoint must lead to it and be signed by a key that the
//! log records, and the joining is an entry. Used with the server of this state folder down.

use super::{Mark, files};
use crate::app::{AppError, audit::verify_log_noting};
use crate::audit::{Actor, Canonical, Event, Frontier, Note, Record, VerifierKey};
use crate::authn::Keys;
use crate::domain::Clock;
use crate::storage::{self, Db, Lane};
use data_encoding::HEXLOWER;
use std::path::Path;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The new replica's verifier key.
    pub vkey: String,
    /// Entries that were verified.
    pub size: u64,
    /// The root over them, hex.
    pub root: String,
}

/// Who joins, and to what.
pub struct Joining<'a> {
    /// The database.
    pub db: &'a Db,
    /// The replica's state folder, locked.
    pub state_dir: &'a Path,
    /// Checks the signatures of acts.
    pub webauthn: &'a Keys,
    /// The time.
    pub clock: &'a Clock,
    /// Whoever ran the command.
    pub user: &'a str,
    /// The name of this machine.
    pub node: &'a str,
    /// Keys that are trusted from elsewhere; none: those that the log records.
    pub keys: &'a [VerifierKey],
}

/// Verifies the log and writes the mark.
///
/// # Errors
/// `Conflict` with every reason why not: nothing was written. When the database or the state folder would not do.
pub async fn join(joining: &Joining<'_>) -> Result<Joined, AppError> {
    let Joining { db, state_dir, clock, .. } = joining;
    if !matches!(files::read_mark(state_dir), Ok(None)) {
        return Err(AppError::conflict("this state folder has a tide mark already; a replica joins once"));
    }
    let (origin, root, size, checkpoint) = verified(joining).await?;
    let key = match files::read_key(state_dir).map_err(AppError::internal)? {
        Some(key) if key.verifier().name() == origin => key,
        _ => files::make_key(state_dir, &origin).map_err(AppError::internal)?,
    };
    let vkey = key.verifier().to_string();
    let mut tx = db.write(Lane::Normal).await?;
    if !storage::checkpoints::log_keys(&mut tx).await?.contains(&vkey) {
        storage::checkpoints::log_key_add(&mut tx, &vkey, joining.node, clock.now()).await?;
    }
    let root_text = HEXLOWER.encode(&root);
    let event = Event::ReplicaJoined { key_id: key.verifier().id(), vkey: vkey.clone(), size, root: root_text.clone(), checkpoint };
    let record = Record { actor: Actor::host(joining.user), ts: clock.now(), happened_at: None, node: joining.node.to_owned(), event };
    storage::audit::audit_append(&mut tx, &Canonical::new(&record).map_err(AppError::internal)?).await?;
    tx.commit().await?;
    files::write_mark(state_dir, &key, &Mark { size, root }).map_err(AppError::internal)?;
    Ok(Joined { vkey, size, root: root_text })
}

/// The log's name, root and size, and its newest checkpoint, all of it verified.
async fn verified(joining: &Joining<'_>) -> Result<(String, crate::audit::tree::Hash, u64, String), AppError> {
    let mut tx = joining.db.read().await?;
    let head = storage::audit::audit_head(&mut tx).await?;
    if !head.is_open {
        let told = storage::checkpoints::log_frozen(&mut tx).await?;
        return Err(AppError::Frozen(told.map(|told| told.why).unwrap_or_default()));
    }
    let latest = storage::checkpoints::checkpoint_latest(&mut tx).await?;
    let latest = latest.ok_or_else(|| AppError::conflict("the log has no checkpoint yet: nobody needs to join it"))?;
    let covered = latest.size.unsigned_abs();
    let report = verify_log_noting(&mut tx, joining.webauthn, [covered]).await?;
    let mut reasons: Vec<String> = report.findings.iter().take(10).map(|finding| finding.what.clone()).collect();
    let recorded: Vec<VerifierKey> = report.log_keys.iter().filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect();
    let trusted = if joining.keys.is_empty() { recorded.as_slice() } else { joining.keys };
    match Note::parse(&latest.note) {
        Ok(note) if !trusted.iter().any(|key| note.verify(key).is_ok()) => {
            reasons.push("the newest checkpoint is signed by no key that is trusted here".into());
        }
        Ok(note) if report.roots.get(&covered) != Some(&note.checkpoint.root) || note.checkpoint.size != covered => {
            reasons.push("the entries are not those of the newest checkpoint".into());
        }
        Ok(_) => {}
        Err(error) => reasons.push(error.to_string()),
    }
    let frontier = Frontier::decode(head.size.unsigned_abs(), &head.frontier).map_err(AppError::internal)?;
    if reasons.is_empty() { Ok((head.origin, frontier.root(), frontier.size(), latest.note)) } else { Err(AppError::Conflict(reasons)) }
}
