//! A new replica gets its tide mark, and one that lost its mark or key another: the whole log is read and hashed, the newest checkpoint must
//! lead to it and be signed by a key that the log records, and the joining is an entry. Used with the server of this state folder down.

use super::{
    Mark,
    files::{self, FileError},
};
use crate::app::{AppError, audit::verify_log_noting};
use crate::audit::{Actor, Canonical, Checkpoint, Event, Frontier, Note, Record, Report, SigningKey, VerifierKey, number};
use crate::authn::Keys;
use crate::domain::Clock;
use crate::storage::{self, Db, Lane, checkpoints::StoredCheckpoint, sites::Site};
use data_encoding::HEXLOWER;
use std::{path::Path, time::Duration};

/// How often it is looked whether a server of the installation counted on.
const LISTENS_EVERY_MS: u64 = 250;
/// How long a new replica listens for one.
pub const LISTENS_MS: u64 = 15_000;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The new replica's verifier key.
    pub vkey: String,
    /// Entries that were verified.
    pub size: u64,
    /// The root over them, hex.
    pub root: String,
    /// The state folder is a site of the installation: its server renews leases.
    pub is_site: bool,
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
    /// How long a server of the installation is listened for, milliseconds: its servers count on every five seconds ([`LISTENS_MS`]).
    pub listens_ms: u64,
}

/// Verifies the log and writes the mark. A mark that no key here signed (the key was lost, or another took its place) is replaced, once the
/// log was found to lead to it.
///
/// # Errors
/// `Conflict` with every reason why not: nothing was written. When the database or the state folder would not do.
pub async fn join(joining: &Joining<'_>) -> Result<Joined, AppError> {
    let Joining { db, state_dir, clock, .. } = joining;
    let origin = storage::audit::audit_head(&mut *db.read().await?).await?.origin;
    let incarnation = number::incarnation(&origin);
    let key = own_key(state_dir, &origin)?;
    let (site, _) = files::site(state_dir).map_err(AppError::internal)?;
    let standing = standing(joining, &site).await?;
    // One that joined while no server of the installation was there joins again, for the site.
    let before = mark_before(state_dir, &origin, key.as_ref(), standing == Standing::Beside)?;
    let earlier = earlier_mark(state_dir, &origin)?;
    if standing == Standing::Alone && db.is_embedded() {
        return Err(AppError::conflict(
            "this state folder is not a site of the installation, and an embedded database has one server: put that server's state folder back, or \
             let two people take the site over: andon recover --take-over",
        ));
    }
    let marks: Vec<&Note> = before.iter().map(|(note, _)| note).chain(&earlier).collect();
    let log = verified(joining, &marks).await?;
    let key = match key {
        Some(key) => key,
        None => files::make_key(state_dir, &origin).map_err(AppError::internal)?,
    };
    let vkey = key.verifier().to_string();
    let mut tx = db.write(Lane::Normal).await?;
    if !storage::checkpoints::log_keys(&mut tx).await?.contains(&vkey) {
        let fits = storage::checkpoints::log_key_add(&mut tx, &origin, &vkey, (joining.node, clock.now())).await?;
        if !fits {
            return Err(AppError::conflict("the log was recovered meanwhile and goes on under a new incarnation: join again"));
        }
    }
    let (size, root) = (log.mark.size, HEXLOWER.encode(&log.mark.root));
    let event =
        Event::ReplicaJoined { key_id: key.verifier().id(), vkey: vkey.clone(), size, root: root.clone(), checkpoint: log.checkpoint };
    let record = Record { actor: Actor::host(joining.user), ts: clock.now(), happened_at: None, node: joining.node.to_owned(), event };
    storage::audit::audit_append(&mut tx, &Canonical::new(&record).map_err(AppError::internal)?).await?;
    // Only beside a server of the installation: a copy of the database holds the whole log as well (ruling H14).
    if standing == Standing::Beside && storage::sites::site_record(&mut tx, &site, joining.node, clock.now()).await? {
        let event = Event::SiteRecorded { site, node: joining.node.to_owned() };
        let record = Record { actor: Actor::host(joining.user), ts: clock.now(), happened_at: None, node: joining.node.to_owned(), event };
        storage::audit::audit_append(&mut tx, &Canonical::new(&record).map_err(AppError::internal)?).await?;
    }
    // The mark first: no entry tells of a joining that a full disk prevented.
    files::write_mark(state_dir, &key, &log.mark).map_err(AppError::internal)?;
    if let Err(error) = tx.commit().await {
        files::put_back_mark(state_dir, incarnation, before.as_ref().map(|(_, text)| text.as_str())).map_err(AppError::internal)?;
        return Err(error.into());
    }
    Ok(Joined { vkey, size, root, is_site: matches!(standing, Standing::Site | Standing::Beside) })
}

/// How a state folder stands to the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is one of its sites, or there is none on record yet.
    Site,
    /// It is none, and a server of one runs on this very database.
    Beside,
    /// It is none, and this may be a copy.
    Alone,
}

async fn standing(joining: &Joining<'_>, site: &str) -> Result<Standing, AppError> {
    let sites = storage::sites::site_all(&mut *joining.db.read().await?).await?;
    let own = sites.iter().find(|known| known.id == site);
    if sites.is_empty() || own.is_some_and(|own| own.ended_at.is_none()) {
        return Ok(Standing::Site);
    }
    // An embedded database has one server. Whom another site took over from comes back by two people as well.
    let may_be = !joining.db.is_embedded() && own.is_none() && beats_on(joining, &sites).await?;
    Ok(if may_be { Standing::Beside } else { Standing::Alone })
}

/// Waits for a server of a site to count on. A copy of the database has none that does.
async fn beats_on(joining: &Joining<'_>, before: &[Site]) -> Result<bool, AppError> {
    let counts = |now: &Site| now.ended_at.is_none() && before.iter().any(|site| site.id == now.id && site.beats < now.beats);
    for _ in 0..=joining.listens_ms / LISTENS_EVERY_MS {
        tokio::time::sleep(Duration::from_millis(LISTENS_EVERY_MS)).await;
        if storage::sites::site_all(&mut *joining.db.read().await?).await?.iter().any(counts) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The key of this log that lies in the state folder. One that cannot be understood is as good as none; one that cannot be read may be the
/// right one.
fn own_key(state_dir: &Path, origin: &str) -> Result<Option<SigningKey>, AppError> {
    match files::read_key_of(state_dir, number::incarnation(origin)) {
        Ok(key) => Ok(key.filter(|key| key.verifier().name() == origin)),
        Err(FileError::Content { .. }) => Ok(None),
        Err(error) => Err(AppError::internal(error)),
    }
}

/// Refuses the mark of another log: whoever joined past it could not tell any more that the wrong database was given.
fn of_this_log(note: Note, origin: &str) -> Result<Note, AppError> {
    let found = &note.checkpoint.origin;
    match number::are_of_one_log(found, origin) {
        true => Ok(note),
        false => Err(AppError::conflict(format!(
            "the tide mark in this state folder is of another log, {found}, and this database has {origin}: give this replica a state folder of its \
             own, or the right database"
        ))),
    }
}

/// The newest mark of an incarnation before this one.
fn earlier_mark(state_dir: &Path, origin: &str) -> Result<Option<Note>, AppError> {
    let (now, newest) = (number::incarnation(origin), files::newest(state_dir));
    if newest > now {
        return Err(AppError::conflict(format!(
            "the tide mark here is of incarnation {newest} of the log and this database has {origin}: it was rolled back"
        )));
    }
    for incarnation in (1..now).rev() {
        match files::read_mark_of(state_dir, incarnation) {
            Ok(Some((note, _))) => return of_this_log(note, origin).map(Some),
            Ok(None) | Err(FileError::Content { .. }) => {}
            Err(error) => return Err(AppError::internal(error)),
        }
    }
    Ok(None)
}

/// The mark that lies in the state folder and does not do, with its text.
fn mark_before(state_dir: &Path, origin: &str, key: Option<&SigningKey>, may_have: bool) -> Result<Option<(Note, String)>, AppError> {
    match files::read_mark_of(state_dir, number::incarnation(origin)) {
        Ok(Some((note, _))) if !may_have && key.is_some_and(|key| note.verify(key.verifier()).is_ok()) => {
            Err(AppError::conflict("this state folder has a tide mark already; a replica joins once"))
        }
        Ok(Some((note, text))) => Ok(Some((of_this_log(note, origin)?, text))),
        Ok(None) | Err(FileError::Content { .. }) => Ok(None),
        Err(error) => Err(AppError::internal(error)),
    }
}

/// A log that was verified.
struct Whole {
    mark: Mark,
    /// Its newest checkpoint; empty: there is none yet.
    checkpoint: String,
}

/// Verifies the log from its first byte, with its newest checkpoint and the mark that lies here.
async fn verified(joining: &Joining<'_>, marks: &[&Note]) -> Result<Whole, AppError> {
    let mut tx = joining.db.read().await?;
    let head = storage::audit::audit_head(&mut tx).await?;
    if !head.is_open {
        let told = storage::checkpoints::log_frozen(&mut tx).await?;
        return Err(AppError::Frozen(told.map(|told| told.why).unwrap_or_default()));
    }
    if storage::checkpoints::log_keys(&mut tx).await?.is_empty() {
        return Err(AppError::conflict("no server has kept this log yet: start one, nobody needs to join"));
    }
    let latest = storage::checkpoints::checkpoint_latest(&mut tx).await?;
    let covered = latest.as_ref().map(|latest| latest.size.unsigned_abs());
    let sizes = covered.into_iter().chain(marks.iter().map(|note| note.checkpoint.size));
    let report = verify_log_noting(&mut tx, joining.webauthn, sizes).await?;
    let mut reasons: Vec<String> = report.findings.iter().take(10).map(|finding| finding.what.clone()).collect();
    match &latest {
        Some(latest) => reasons.extend(wrong_with_newest(joining, &report, latest)),
        None if joining.keys.is_empty() => {}
        None => {
            reasons.push("there is no checkpoint yet that your key could have signed: a running server signs one in five seconds".into())
        }
    }
    for marked in marks.iter().map(|note| &note.checkpoint) {
        if !leads_to(&report, marked) {
            reasons.push(format!(
                "the tide mark here covers {} entries that are not those of this database: it was rolled back or changed",
                marked.size
            ));
        }
    }
    let frontier = Frontier::decode(head.size.unsigned_abs(), &head.frontier).map_err(AppError::internal)?;
    if !reasons.is_empty() {
        return Err(AppError::Conflict(reasons));
    }
    Ok(Whole {
        mark: Mark { size: frontier.size(), root: frontier.root() },
        checkpoint: latest.map(|latest| latest.note).unwrap_or_default(),
    })
}

/// True when the log leads to a mark, or a recovery that two people signed says that it does not any more.
fn leads_to(report: &Report, marked: &Checkpoint) -> bool {
    if marked.origin == report.origin {
        return report.roots.get(&marked.size) == Some(&marked.root);
    }
    let earlier = report.earlier.iter().find(|log| log.origin == marked.origin);
    earlier.is_some_and(|log| match (log.roots.get(&marked.size), &log.closed) {
        (Some(root), _) if *root == marked.root => true,
        (Some(_), Some(closed)) => closed.reason == "mismatch",
        (None, Some(closed)) => Note::parse(&closed.last_checkpoint).is_ok_and(|last| last.checkpoint.size >= marked.size),
        (_, None) => false,
    })
}

fn wrong_with_newest(joining: &Joining<'_>, report: &Report, latest: &StoredCheckpoint) -> Option<String> {
    let covered = latest.size.unsigned_abs();
    let recorded: Vec<VerifierKey> = report.log_keys.iter().filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect();
    let trusted = if joining.keys.is_empty() { recorded.as_slice() } else { joining.keys };
    match Note::parse(&latest.note) {
        Ok(note) if !trusted.iter().any(|key| note.verify(key).is_ok()) => {
            Some("the newest checkpoint is signed by no key that is trusted here".into())
        }
        Ok(note) if report.roots.get(&covered) != Some(&note.checkpoint.root) || note.checkpoint.size != covered => {
            Some("the entries are not those of the newest checkpoint".into())
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
