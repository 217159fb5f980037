//! Verification from outside of a running server: the whole log with every signature, every checkpoint, the tide mark, a checkpoint that
//! somebody kept, and the sink; each against the others, as far as they are given. Says what it looked at and what it could not. Reads only.

use super::{
    files,
    sink::{self, CheckpointLine, Copy, Lines},
};
use crate::app::{
    AppError,
    audit::{ByLibrary, verify_log_noting},
};
use crate::audit::{
    Canonical, Event, Frontier, Note, Report, Row, Verifier, VerifierKey,
    record::leaf_hash,
    tree::{self, Hash},
    verify::{Closed, Finding},
};
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
    /// What is wrong with an incarnation that two people closed for it.
    pub known: Vec<Finding>,
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

/// An incarnation as it was read, and its copy in the sink.
struct Incarnation {
    origin: String,
    entries: u64,
    roots: BTreeMap<u64, Hash>,
    closed: Option<Closed>,
    copy: Option<(u64, BTreeMap<u64, Hash>)>,
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
    fn know(&mut self, what: impl Into<String>) {
        self.known.push(Finding { seq: None, what: what.into() });
    }
    /// Of an incarnation that was closed for being another than its copies, this is what was known; of any other it is wrong.
    fn find_in(&mut self, log: &Incarnation, what: String) {
        if log.closed.as_ref().is_some_and(|closed| closed.reason == "mismatch") { self.know(what) } else { self.find(what) }
    }
    fn take(&mut self, report: &Report) {
        self.known.extend(report.known.iter().cloned());
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
    let copies = given.sink.map(sink::copies).transpose().map_err(AppError::internal)?.unwrap_or_default();
    let mut lines = BTreeMap::new();
    for copy in &copies {
        lines.insert(copy.origin.clone(), read_sink(&copy.dir, &mut kept, &mut found)?);
    }
    let mut sizes: BTreeSet<u64> = kept.iter().map(|kept| kept.size).chain(lines.values().copied()).collect();
    let (report, place) = match given.db {
        Some(db) => (verify_log_noting(&mut *db.read().await?, given.webauthn, sizes.clone()).await?, "the database"),
        None if copies.is_empty() => return Err(AppError::conflict("give a database or a sink to verify")),
        None => {
            found.not_checked.push("the database: none was given".into());
            (verify_copies(&copies, given.webauthn, sizes.clone())?, "the sink")
        }
    };
    found.take(&report);
    say_log(&report, place, &mut found);
    sizes.extend(report.earlier.iter().map(|log| log.entries));
    let mut logs = incarnations(&report);
    if given.db.is_some() {
        for copy in &copies {
            let is_lost = is_lost(&logs, &copy.origin);
            let Some(log) = logs.iter_mut().find(|log| log.origin == copy.origin) else {
                if is_lost {
                    found.not_checked.push(format!("the sink's {}: the database lost all of it, as a recovery says", copy.origin));
                    continue;
                }
                found.find(format!("the sink has a log {} that the database does not have: it was rolled back", copy.origin));
                continue;
            };
            compare_copy(&copy.dir, log, &sizes, &mut found)?;
        }
    }
    check_kept(given, &kept, (&report, &logs), &mut found);
    Ok(found)
}

fn incarnations(report: &Report) -> Vec<Incarnation> {
    let earlier = report.earlier.iter().map(|log| Incarnation {
        origin: log.origin.clone(),
        entries: log.entries,
        roots: log.roots.clone(),
        closed: log.closed.clone(),
        copy: None,
    });
    let last =
        Incarnation { origin: report.origin.clone(), entries: report.entries, roots: report.roots.clone(), closed: None, copy: None };
    earlier.chain([last]).collect()
}

fn say_log(report: &Report, place: &str, found: &mut Examination) {
    if report.is_good() {
        let said = format!("{} entries and {} signatures of acts in {place}, root {}", report.entries, report.signatures, report.root);
        found.checked.push(said);
    }
    for log in &report.earlier {
        let closed = log.closed.as_ref().map_or_else(|| "nothing says why".to_owned(), |closed| closed.reason.clone());
        found.checked.push(format!("{} was closed by a recovery ({closed}) with {} entries in {place}", log.origin, log.entries));
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
        for head in storage::audit::audit_heads(&mut *db.read().await?).await? {
            let mut last = -1;
            loop {
                let more = storage::checkpoints::checkpoint_of(&mut *db.read().await?, head.log, last, 2_000).await?;
                let Some(latest) = more.last() else { break };
                last = latest.size;
                all.extend(more.into_iter().map(|stored| Kept {
                    place: "in the database",
                    size: stored.size.unsigned_abs(),
                    note: stored.note,
                }));
            }
        }
        let head = storage::audit::audit_head(&mut *db.read().await?).await?;
        if !head.is_open {
            let told = storage::checkpoints::log_frozen(&mut *db.read().await?).await?;
            found.find(format!("the log is frozen: {}", told.map_or_else(|| "nothing says why".to_owned(), |told| told.why)));
        }
    }
    if let Some(dir) = given.state_dir {
        kept_marks(dir, &mut all, found);
    } else {
        found.not_checked.push("the tide mark: no state folder was given".into());
    }
    if let Some(note) = &given.checkpoint {
        match Note::parse(note) {
            Ok(read) => all.push(Kept { place: "in the file given", size: read.checkpoint.size, note: note.clone() }),
            Err(error) => found.find(format!("the checkpoint given: {error}")),
        }
    }
    Ok(all)
}

/// The tide marks of every incarnation that this state folder has seen.
fn kept_marks(dir: &Path, all: &mut Vec<Kept>, found: &mut Examination) {
    let newest = files::newest(dir);
    for incarnation in 1..=newest {
        // Read once: a running server raises it meanwhile.
        match files::read_mark_of(dir, incarnation) {
            Ok(Some((note, text))) => all.push(Kept { place: "in the tide mark", size: note.checkpoint.size, note: text }),
            // A replica that joined later has none of before.
            Ok(None) if incarnation < newest => {}
            Ok(None) if all.is_empty() => found.not_checked.push("the tide mark: there is none, and no checkpoint either".into()),
            Ok(None) => found.find("there are checkpoints and no tide mark in the state folder"),
            Err(error) => found.find(format!("the tide mark cannot be read: {error}")),
        }
    }
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

/// The roots of a copy at these sizes, and how many entries it has.
fn roots_of(dir: &Path, sizes: &BTreeSet<u64>) -> Result<(u64, BTreeMap<u64, Hash>), AppError> {
    let (mut frontier, mut roots) = (Frontier::default(), BTreeMap::from([(0, tree::empty_root())]));
    if let Some(mut lines) = Lines::of(&dir.join(sink::ENTRIES)).map_err(AppError::internal)? {
        while let Some(body) = lines.next_line().map_err(AppError::internal)? {
            frontier.push(leaf_hash(&body));
            if sizes.contains(&frontier.size()) {
                roots.insert(frontier.size(), frontier.root());
            }
        }
    }
    roots.insert(frontier.size(), frontier.root());
    Ok((frontier.size(), roots))
}

/// A copy's lines against the roots of the database.
fn compare_copy(dir: &Path, log: &mut Incarnation, sizes: &BTreeSet<u64>, found: &mut Examination) -> Result<(), AppError> {
    let mut wanted = sizes.clone();
    wanted.insert(log.entries);
    let (lines, roots) = roots_of(dir, &wanted)?;
    let agree = lines.min(log.entries);
    let last_lost = log.closed.as_ref().and_then(|closed| closed.only_sink).map(|(_, last)| last + 1);
    if lines > log.entries && last_lost.is_none_or(|known| lines > known) {
        found.find(format!("the sink has {lines} entries and the database {}: it was rolled back", log.entries));
        return Ok(());
    }
    if roots.get(&agree) != log.roots.get(&agree) {
        found.find_in(log, format!("the sink's {lines} entries are not those of the database"));
        return Ok(());
    }
    found.checked.push(format!("the sink's {agree} entries are the database's, byte for byte"));
    if lines > log.entries {
        let said = format!("{} has {} entries that only the sink has, as its recovery says", log.origin, lines - log.entries);
        found.checked.push(said);
    } else if lines < log.entries {
        found.not_checked.push(format!("{} entries that the sink does not have yet", log.entries - lines));
    }
    log.copy = Some((lines, roots));
    Ok(())
}

/// The sink alone, as a log of its own.
fn verify_copies(copies: &[Copy], webauthn: &Keys, mut sizes: BTreeSet<u64>) -> Result<Report, AppError> {
    let assertions = ByLibrary(webauthn);
    let mut verifier = Verifier::new(&assertions);
    verifier.of_a_copy();
    for copy in copies.iter().skip(1) {
        sizes.extend(lost_after(&copy.dir)?);
    }
    verifier.note_roots_at(sizes);
    let mut last = (Vec::new(), Frontier::default());
    for (n, copy) in copies.iter().enumerate() {
        if n > 0 {
            verifier.end(&last.0, last.1.size(), &last.1.encode());
        }
        verifier.begin(&copy.origin);
        let (mut stored, mut nodes) = (Vec::new(), Frontier::default());
        if let Some(mut lines) = Lines::of(&copy.dir.join(sink::ENTRIES)).map_err(AppError::internal)? {
            while let Some(body) = lines.next_line().map_err(AppError::internal)? {
                let leaf = leaf_hash(&body);
                stored.extend(nodes.push(leaf));
                verifier.take(row_of(lines.count - 1, leaf, body));
            }
        }
        last = (stored, nodes);
    }
    Ok(verifier.finish(&last.0, last.1.size(), &last.1.encode()))
}

/// How many entries the database had of the incarnation before this one, as the first entry of this one says.
fn lost_after(dir: &Path) -> Result<Option<u64>, AppError> {
    let Some(mut lines) = Lines::of(&dir.join(sink::ENTRIES)).map_err(AppError::internal)? else { return Ok(None) };
    let first = lines.next_line().map_err(AppError::internal)?;
    let event = first.and_then(|body| Canonical::from_stored(body).ok()).and_then(|canonical| canonical.event().ok());
    Ok(match event {
        Some(Event::LogRecovered { database_size, .. }) => Some(database_size),
        _ => None,
    })
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
fn check_kept(given: &Given<'_>, kept: &[Kept], (report, logs): (&Report, &[Incarnation]), found: &mut Examination) {
    let trusted = trusted(given, found);
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
        let has_one = trusted.iter().any(|key| key.name() == read.checkpoint.origin);
        let mine = trusted.iter().filter(|key| !has_one || key.name() == read.checkpoint.origin);
        let by_trusted = mine.map(|key| read.verify(key).map(drop)).find(|outcome| !is_by_another(outcome));
        match by_trusted {
            Some(Ok(())) => {}
            // Another incarnation's key says nothing of this one.
            Some(Err(crate::audit::BadNote::Checkpoint(_)))
                if given.keys.is_empty() && recorded.iter().any(|key| read.verify(key).is_ok()) =>
            {
                by_recorded += 1;
            }
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
        let log = logs.iter().find(|log| log.origin == read.checkpoint.origin);
        if log.is_none() && is_lost(logs, &read.checkpoint.origin) {
            let said =
                format!("the checkpoint over {size} entries {place}: all of {} was lost, as a recovery says", read.checkpoint.origin);
            found.not_checked.push(said);
            continue;
        }
        if let Some(log) = log.or(logs.last())
            && leads_to(log, (*size, read.checkpoint.root), place, found)
        {
            *good.entry(place).or_default() += 1;
        }
    }
    for (place, count) in good {
        found.checked.push(format!("{count} signed checkpoint{} {place}", if count == 1 { "" } else { "s" }));
    }
    if by_recorded > 0 {
        found.not_checked.push(format!("the keys of {by_recorded} checkpoints by other replicas: the log itself records them"));
    }
}

/// The keys that are trusted: those that were given, else those of the state folder.
fn trusted(given: &Given<'_>, found: &mut Examination) -> Vec<VerifierKey> {
    let mut trusted = given.keys.clone();
    let Some(dir) = given.state_dir else { return trusted };
    for incarnation in 1..=files::newest(dir) {
        match files::read_key_of(dir, incarnation) {
            Ok(Some(key)) if given.keys.is_empty() => trusted.push(key.verifier().clone()),
            Err(error) => found.find(error.to_string()),
            Ok(_) => {}
        }
    }
    trusted
}

/// True for an incarnation that the database lost whole: a recovery names its last checkpoint as the newest that was known.
fn is_lost(logs: &[Incarnation], origin: &str) -> bool {
    let last_known = |log: &Incarnation| Note::parse(&log.closed.as_ref()?.last_checkpoint).ok().map(|note| note.checkpoint.origin);
    logs.iter().all(|log| log.origin != origin) && logs.iter().any(|log| last_known(log).is_some_and(|known| known == origin))
}

/// True when the entries lead to a checkpoint's root; says what is wrong, or known, otherwise.
fn leads_to(log: &Incarnation, (size, root): (u64, Hash), place: &str, found: &mut Examination) -> bool {
    let in_copy = log.copy.as_ref().and_then(|(_, roots)| roots.get(&size));
    let last_known = log.closed.as_ref().and_then(|closed| Note::parse(&closed.last_checkpoint).ok()).map(|note| note.checkpoint);
    match (log.roots.get(&size), in_copy) {
        (Some(here), _) if *here == root => return true,
        (None, Some(copied)) if *copied == root => return true,
        (Some(_), _) | (None, Some(_)) => {
            found.find_in(log, format!("the first {size} entries are not those of the checkpoint {place}: the log was changed"));
        }
        (None, None) if last_known.is_some_and(|known| known.origin != log.origin || known.size >= size) => {
            let said = format!("the checkpoint over {size} entries {place}: {} lost its end, as its recovery says", log.origin);
            found.not_checked.push(said);
        }
        (None, None) => {
            found.find(format!("a checkpoint {place} covers {size} entries and there are {}: the end was cut off", log.entries))
        }
    }
    false
}

fn is_by_another(outcome: &Result<(), crate::audit::BadNote>) -> bool {
    matches!(outcome, Err(crate::audit::BadNote::NotSigned(_)))
}
