//! Verification from outside of a running server: the whole log with every signature, every checkpoint, the tide mark, a checkpoint that
//! somebody kept, and the sink; each against the others, as far as they are given. Says what it looked at and what it could not. Reads only.

use super::{
    files,
    sink::{self, CheckpointLine, Lines},
};
use crate::app::{
    AppError,
    audit::{ByLibrary, verify_log_noting},
};
use crate::audit::{Canonical, Note, Report, Row, Verifier, VerifierKey, record::leaf_hash, tree::Hash, verify::Finding};
use crate::authn::Keys;
use crate::storage::{self, Db};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// How many findings of one kind are told one by one.
const TOLD: usize = 20;

/// What there is to look at.
pub struct Given<'a> {
    /// The database.
    pub db: Option<&'a Db>,
    /// The state folder.
    pub state_dir: Option<&'a Path>,
    /// The sink's folder: of the log itself, or one above it.
    pub sink: Option<&'a Path>,
    /// Verifier keys that are trusted from elsewhere.
    pub keys: Vec<VerifierKey>,
    /// A checkpoint that somebody kept.
    pub checkpoint: Option<String>,
    /// Checks the signatures of acts; bound to the origin.
    pub webauthn: &'a Keys,
}

/// The outcome.
#[derive(Debug, Default)]
pub struct Examination {
    /// What was looked at and found good, a line each.
    pub checked: Vec<String>,
    /// What could not be looked at, and why.
    pub not_checked: Vec<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Findings beyond those told.
    pub more: u64,
}

/// A signed checkpoint, and where it was found.
struct Kept {
    place: &'static str,
    size: u64,
    note: String,
}

impl Examination {
    /// True when nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
    fn find(&mut self, what: impl Into<String>) {
        if self.findings.len() < TOLD * 5 {
            self.findings.push(Finding { seq: None, what: what.into() });
        } else {
            self.more += 1;
        }
    }
    fn take(&mut self, report: &Report) {
        self.findings.extend(report.findings.iter().cloned());
        self.more += report.more;
    }
}

/// Looks at everything that is given.
///
/// # Errors
/// When something that is given cannot be read at all.
pub async fn examine(given: &Given<'_>) -> Result<Examination, AppError> {
    let mut found = Examination::default();
    let mut kept = kept(given, &mut found).await?;
    let sinks = match given.sink {
        Some(dir) => Some(read_sink(dir, &mut kept, &mut found)?),
        None => None,
    };
    let sizes: BTreeSet<u64> = kept.iter().map(|kept| kept.size).chain(sinks.as_ref().map(|lines| *lines)).collect();
    let report = match (given.db, given.sink) {
        (Some(db), sink) => {
            let report = verify_log_noting(&mut *db.read().await?, given.webauthn, sizes.clone()).await?;
            found.take(&report);
            say_log(&report, "the database", &mut found);
            if let (Some(dir), Some(lines)) = (sink, sinks) {
                compare_sink(dir, lines, &report, &mut found)?;
            }
            report
        }
        (None, Some(dir)) => {
            let report = verify_sink(dir, given.webauthn, sizes.clone())?;
            found.take(&report);
            say_log(&report, "the sink", &mut found);
            found.not_checked.push("the database: none was given".into());
            report
        }
        (None, None) => return Err(AppError::conflict("give a database or a sink to verify")),
    };
    check_kept(given, &kept, &report, &mut found);
    Ok(found)
}

fn say_log(report: &Report, place: &str, found: &mut Examination) {
    if report.is_good() {
        let said = format!("{} entries and {} signatures of acts in {place}, root {}", report.entries, report.signatures, report.root);
        found.checked.push(said);
    }
    if report.unsigned > 0 {
        let said = "entries: no assertion recorded (keys made with a one-time link, and entries of versions that asked for none)";
        found.not_checked.push(format!("{} {said}", report.unsigned));
    }
}

/// Every signed checkpoint outside of the sink.
async fn kept(given: &Given<'_>, found: &mut Examination) -> Result<Vec<Kept>, AppError> {
    let mut all = Vec::new();
    if let Some(db) = given.db {
        let mut last = -1;
        loop {
            let more = storage::checkpoints::checkpoint_after(&mut *db.read().await?, last, 2_000).await?;
            let Some(latest) = more.last() else { break };
            last = latest.size;
            all.extend(more.into_iter().map(|stored| Kept {
                place: "in the database",
                size: stored.size.unsigned_abs(),
                note: stored.note,
            }));
        }
        let head = storage::audit::audit_head(&mut *db.read().await?).await?;
        if !head.is_open {
            let told = storage::checkpoints::log_frozen(&mut *db.read().await?).await?;
            found.find(format!("the log is frozen: {}", told.map_or_else(|| "nothing says why".to_owned(), |told| told.why)));
        }
    }
    // Read once: a running server raises it meanwhile.
    match given.state_dir.map(files::read_mark_as_written) {
        Some(Ok(Some((note, text)))) => all.push(Kept { place: "in the tide mark", size: note.checkpoint.size, note: text }),
        Some(Ok(None)) if all.is_empty() => found.not_checked.push("the tide mark: there is none, and no checkpoint either".into()),
        Some(Ok(None)) => found.find("there are checkpoints and no tide mark in the state folder"),
        Some(Err(error)) => found.find(format!("the tide mark cannot be read: {error}")),
        None => found.not_checked.push("the tide mark: no state folder was given".into()),
    }
    if let Some(note) = &given.checkpoint {
        match Note::parse(note) {
            Ok(read) => all.push(Kept { place: "in the file given", size: read.checkpoint.size, note: note.clone() }),
            Err(error) => found.find(format!("the checkpoint given: {error}")),
        }
    }
    Ok(all)
}

/// Adds the sink's checkpoints to those kept elsewhere; answers with how many whole entries the sink has.
fn read_sink(dir: &Path, kept: &mut Vec<Kept>, found: &mut Examination) -> Result<u64, AppError> {
    match sink::checkpoints(dir) {
        Ok((lines, _)) => kept.extend(lines.into_iter().map(|CheckpointLine { size, note, .. }| Kept { place: "in the sink", size, note })),
        Err(error) => found.find(error.to_string()),
    }
    let scan = sink::scan(dir, u64::MAX).map_err(AppError::internal)?;
    let length = std::fs::metadata(dir.join(sink::ENTRIES)).map_or(0, |data| data.len());
    if length > scan.end {
        found.not_checked.push(format!("the sink's last line: it is torn after {} bytes; the server mends it", length - scan.end));
    }
    Ok(scan.frontier.size())
}

/// The sink's lines against the roots of the database.
fn compare_sink(dir: &Path, lines: u64, report: &Report, found: &mut Examination) -> Result<(), AppError> {
    if lines > report.entries {
        found.find(format!("the sink has {lines} entries and the database {}: it was rolled back", report.entries));
        return Ok(());
    }
    let scan = sink::scan(dir, lines).map_err(AppError::internal)?;
    if report.roots.get(&lines) != Some(&scan.frontier.root()) {
        found.find(format!("the sink's {lines} entries are not those of the database"));
        return Ok(());
    }
    found.checked.push(format!("the sink's {lines} entries are the database's, byte for byte"));
    if lines < report.entries {
        found.not_checked.push(format!("{} entries that the sink does not have yet", report.entries - lines));
    }
    Ok(())
}

/// The sink alone, as a log of its own.
fn verify_sink(dir: &Path, webauthn: &Keys, sizes: BTreeSet<u64>) -> Result<Report, AppError> {
    let assertions = ByLibrary(webauthn);
    let mut verifier = Verifier::new(&assertions);
    verifier.note_roots_at(sizes);
    let mut nodes = crate::audit::Frontier::default();
    let mut stored = Vec::new();
    if let Some(mut lines) = Lines::of(&dir.join(sink::ENTRIES)).map_err(AppError::internal)? {
        while let Some(body) = lines.next_line().map_err(AppError::internal)? {
            let leaf = leaf_hash(&body);
            stored.extend(nodes.push(leaf));
            verifier.take(row_of(lines.count - 1, leaf, body));
        }
    }
    let (size, frontier) = (nodes.size(), nodes.encode());
    Ok(verifier.finish(&stored, size, &frontier))
}

/// A line as a row would hold it: its columns come from its bytes.
fn row_of(seq: u64, leaf: Hash, body: Vec<u8>) -> Row {
    let columns = Canonical::from_stored(body.clone()).ok().map(|canonical| canonical.indexed().clone());
    let (id, ts, kind, actor, obj) = columns
        .map(|c| (c.id, c.ts.0, c.kind, c.actor, c.object))
        .unwrap_or_else(|| (String::new(), 0, String::new(), String::new(), None));
    Row { seq, leaf_hash: leaf.to_vec(), body, id, ts, kind, actor, obj }
}

/// Every checkpoint: signed by a key that is trusted, and over the entries that are there.
fn check_kept(given: &Given<'_>, kept: &[Kept], report: &Report, found: &mut Examination) {
    let mut trusted = given.keys.clone();
    let own = given.state_dir.map(files::read_key);
    match own {
        Some(Ok(Some(key))) if given.keys.is_empty() => trusted.push(key.verifier().clone()),
        Some(Err(error)) => found.find(error.to_string()),
        _ => {}
    }
    let recorded: Vec<VerifierKey> = report.log_keys.iter().filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect();
    if trusted.is_empty() {
        found.not_checked.push("who signed the checkpoints: no key was given; give --key as you wrote it down at the first start".into());
    } else if given.keys.is_empty() {
        found.not_checked.push("whether the state folder's key is the one you wrote down: compare `andon audit key`, or give --key".into());
    }
    let (mut good, mut by_recorded) = (BTreeMap::<&str, u64>::new(), 0u64);
    for Kept { place, size, note } in kept {
        let read = match Note::parse(note) {
            Ok(read) => read,
            Err(error) => {
                found.find(format!("the checkpoint over {size} entries {place}: {error}"));
                continue;
            }
        };
        if read.checkpoint.size != *size {
            found.find(format!("a checkpoint {place} is filed under {size} entries and says {}", read.checkpoint.size));
            continue;
        }
        let by_trusted = trusted.iter().map(|key| read.verify(key).map(drop)).find(|outcome| !is_by_another(outcome));
        match by_trusted {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                found.find(format!("the checkpoint over {size} entries {place}: {error}"));
                continue;
            }
            // Whoever brings keys trusts no others: the log's own word for a key is the word of whoever wrote the log.
            None if !given.keys.is_empty() => {
                found.find(format!("the checkpoint over {size} entries {place} is signed by none of the keys that were given"));
                continue;
            }
            None if recorded.iter().any(|key| read.verify(key).is_ok()) => by_recorded += u64::from(!trusted.is_empty()),
            None => {
                found.find(format!("the checkpoint over {size} entries {place} is signed by no key that is known here"));
                continue;
            }
        }
        match report.roots.get(size) {
            Some(root) if *root == read.checkpoint.root => *good.entry(place).or_default() += 1,
            Some(_) => found.find(format!("the first {size} entries are not those of the checkpoint {place}: the log was changed")),
            None => found.find(format!("a checkpoint {place} covers {size} entries and there are {}: the end was cut off", report.entries)),
        }
    }
    for (place, count) in good {
        found.checked.push(format!("{count} signed checkpoint{} {place}", if count == 1 { "" } else { "s" }));
    }
    if by_recorded > 0 {
        found.not_checked.push(format!("the keys of {by_recorded} checkpoints by other replicas: the log itself records them"));
    }
}

fn is_by_another(outcome: &Result<(), crate::audit::BadNote>) -> bool {
    matches!(outcome, Err(crate::audit::BadNote::NotSigned(_)))
}
