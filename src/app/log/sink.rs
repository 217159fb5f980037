//! The file sink: a folder that only ever grows. `entries.ndjson` holds each entry's exact bytes as one line, line 1 being entry 0;
//! `checkpoints.ndjson` holds the signed notes, each written after the entries it covers are on disk. A last line that a crash tore is
//! recognised, and completed or cut. No line that was whole is ever written again.

use crate::audit::{Canonical, Frontier, number, record::leaf_hash, tree::Hash};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The entries' file.
pub const ENTRIES: &str = "entries.ndjson";
/// The checkpoints' file.
pub const CHECKPOINTS: &str = "checkpoints.ndjson";
/// Says whose sink it is.
const ABOUT: &str = "about.json";
/// The longest line that is read, bytes: an entry, or a note.
const MAX_LINE: usize = 128 * 1024;
/// Of how many entries that no checkpoint covers the places are remembered.
const ENDS: usize = 16_384;

/// Whose sink a folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The log's name.
    pub origin: String,
    /// The installation's id.
    pub installation: String,
}

/// A line of the checkpoints' file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointLine {
    /// How many entries it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
    /// Where the last entry that it covers ends in the entries' file: a new process begins there. None when that was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// A sink that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    Io(String, io::Error),
    /// It is another log's.
    #[error("{0} holds the entries of another log: {1}")]
    Another(String, String),
    /// Another process writes to it.
    #[error("{0} is in use by another process; every replica needs a sink of its own")]
    InUse(String),
    /// A line that is none.
    #[error("{0}, line {1}: {2}")]
    Line(String, u64, &'static str),
}

fn at(path: &Path) -> impl Fn(io::Error) -> SinkError {
    let path = path.display().to_string();
    move |error| SinkError::Io(path.clone(), error)
}

/// The folder of a log within the sink's folder: the last two parts of its name, `control-1`.
pub fn folder(dir: &Path, origin: &str) -> PathBuf {
    let mut parts: Vec<&str> = origin.rsplit('/').take(2).collect();
    parts.reverse();
    dir.join(parts.join("-"))
}

/// One incarnation's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The folder.
    pub dir: PathBuf,
    /// The incarnation's name; of a sink that does not say, the folder's.
    pub origin: String,
}

/// The folders of one log's incarnations, oldest first: the one that is named with those of earlier incarnations beside it, or all that lie
/// right below a folder.
///
/// # Errors
/// When there is none, or there are those of more than one log.
pub fn copies(dir: &Path) -> Result<Vec<Copy>, SinkError> {
    let is_sink = |dir: &Path| dir.join(ENTRIES).is_file();
    let copy = |dir: PathBuf| -> Result<Copy, SinkError> {
        let name = dir.file_name().map(|name| name.to_string_lossy().replace('-', "/")).unwrap_or_default();
        Ok(Copy { origin: about(&dir)?.map_or(name, |about| about.origin), dir })
    };
    let below = |dir: &Path| -> Result<Vec<Copy>, SinkError> {
        let found = fs::read_dir(dir).map_err(at(dir))?.flatten().map(|entry| entry.path()).filter(|at| is_sink(at));
        found.map(copy).collect()
    };
    let mut all = if is_sink(dir) {
        let this = copy(dir.to_owned())?;
        let upto = number::incarnation(&this.origin);
        let beside = dir.canonicalize().ok().and_then(|dir| dir.parent().map(below)).and_then(Result::ok).unwrap_or_default();
        let is_earlier = |one: &Copy| number::are_of_one_log(&one.origin, &this.origin) && number::incarnation(&one.origin) < upto;
        let mut all: Vec<Copy> = beside.into_iter().filter(is_earlier).collect();
        all.push(this);
        all
    } else {
        below(dir)?
    };
    all.sort_by_key(|one| number::incarnation(&one.origin));
    let Some(first) = all.first().cloned() else { return Err(at(dir)(io::Error::other("there is no sink here"))) };
    if all.iter().any(|one| !number::are_of_one_log(&one.origin, &first.origin)) {
        return Err(at(dir)(io::Error::other("there are several logs here; name one of the folders")));
    }
    Ok(all)
}

/// The folder of the newest incarnation at or right below a folder.
///
/// # Errors
/// When there is none, or there are those of more than one log.
pub fn find(dir: &Path) -> Result<PathBuf, SinkError> {
    let newest = copies(dir)?.pop();
    newest.map(|copy| copy.dir).ok_or_else(|| at(dir)(io::Error::other("there is no sink here")))
}

/// Reads whole lines of a file one after the other; a torn last one is not among them.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    /// Where the last whole line ended.
    pub end: u64,
    /// How many lines were read.
    pub count: u64,
}

impl Lines {
    /// Begins at the start of a file. One that is not there has no lines.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of(path: &Path) -> Result<Option<Self>, SinkError> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { path: path.to_owned(), reader: BufReader::with_capacity(1 << 20, file), end: 0, count: 0 })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(path)(error)),
        }
    }

    /// Goes on at a place where a line ends. False, and at the start still, when none ends there.
    fn skip_to(&mut self, end: u64) -> Result<bool, SinkError> {
        let fail = at(&self.path);
        if end == 0 {
            return Ok(true);
        }
        let mut last = [0];
        self.reader.seek(SeekFrom::Start(end - 1)).map_err(&fail)?;
        let read = self.reader.read(&mut last).map_err(&fail)?;
        if (read, last) == (1, *b"\n") {
            self.end = end;
            return Ok(true);
        }
        self.reader.rewind().map_err(&fail)?;
        Ok(false)
    }

    /// The next whole line, without its end; none at the end of the file or of what is whole.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is longer than any line of a sink.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, SinkError> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line).map_err(at(&self.path))?;
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            if read > MAX_LINE {
                return Err(SinkError::Line(self.path.display().to_string(), self.count + 1, "it is longer than any entry"));
            }
            return Ok(None);
        }
        self.end += read as u64;
        self.count += 1;
        Ok(Some(line))
    }
}

/// What is in the checkpoints' file: its lines, and where the last whole one ends.
///
/// # Errors
/// When it cannot be read, or a whole line is no checkpoint.
pub fn checkpoints(folder: &Path) -> Result<(Vec<CheckpointLine>, u64), SinkError> {
    let path = folder.join(CHECKPOINTS);
    let Some(mut lines) = Lines::of(&path)? else { return Ok((Vec::new(), 0)) };
    let mut all = Vec::new();
    while let Some(line) = lines.next_line()? {
        let broken = |_| SinkError::Line(path.display().to_string(), lines.count, "it is no checkpoint");
        all.push(serde_json::from_slice(&line).map_err(broken)?);
    }
    Ok((all, lines.end))
}

/// Whose sink a folder is; none when nobody began one there.
///
/// # Errors
/// When it cannot be read.
pub fn about(folder: &Path) -> Result<Option<About>, SinkError> {
    let path = folder.join(ABOUT);
    match fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(about) => Ok(Some(about)),
            // Torn while it was first written: nothing else is there then.
            Err(_) => Ok(None),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(&path)(error)),
    }
}

/// One file that only grows.
struct Growing {
    path: PathBuf,
    file: File,
    /// Where its last whole line ends.
    good: u64,
}

impl Growing {
    fn open(path: PathBuf, good: u64) -> Result<Self, SinkError> {
        let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path).map_err(at(&path))?;
        Ok(Self { path, file, good })
    }

    /// Appends whole lines and returns once they are on disk. Whatever an earlier write left behind the last whole line is completed when it
    /// is the beginning of these, and cut otherwise.
    fn append(&mut self, lines: &[u8]) -> Result<(), SinkError> {
        let fail = at(&self.path);
        let length = self.file.metadata().map_err(&fail)?.len();
        let mut rest = lines;
        if length > self.good {
            let mut torn = Vec::new();
            self.file.seek(SeekFrom::Start(self.good)).map_err(&fail)?;
            (&mut self.file).take(lines.len() as u64 + 1).read_to_end(&mut torn).map_err(&fail)?;
            match lines.strip_prefix(torn.as_slice()).filter(|_| !torn.is_empty()) {
                Some(missing) => rest = missing,
                None => self.file.set_len(self.good).map_err(&fail)?,
            }
        }
        failpoint!("sink:before_write");
        self.file.write_all(rest).map_err(&fail)?;
        failpoint!("sink:written");
        self.file.sync_data().map_err(&fail)?;
        self.good += lines.len() as u64;
        Ok(())
    }
}

/// A folder that is this log's and this process's, for as long as this value lives.
pub struct Claimed(#[expect(dead_code, reason = "its lock is what counts")] File);

/// A sink, open for writing. Whoever opens it has compared what is in it with the database.
pub struct Sink {
    _claimed: Claimed,
    entries: Growing,
    checkpoints: Growing,
    /// Entries in it, on disk.
    pub count: u64,
    /// What its last checkpoint covers.
    pub covered: u64,
    /// Where entries end that no checkpoint covers yet: their numbers, counted from one, and places. The newest `ENDS`.
    ends: VecDeque<(u64, u64)>,
}

/// What the whole lines of an entries' file come to.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The tree over them.
    pub frontier: Frontier,
    /// Where the last one ends.
    pub end: u64,
}

/// Reads every whole line, at most `most` of them.
///
/// # Errors
/// When the file cannot be read.
pub fn scan(folder: &Path, most: u64) -> Result<Scan, SinkError> {
    scan_from(folder, Scan::default(), most)
}

/// The same, going on from what is known of its beginning. Where no line ends there, everything is read.
///
/// # Errors
/// When the file cannot be read.
pub fn scan_from(folder: &Path, known: Scan, most: u64) -> Result<Scan, SinkError> {
    let (mut frontier, mut end) = (Frontier::default(), 0);
    if let Some(mut lines) = Lines::of(&folder.join(ENTRIES))? {
        if lines.skip_to(known.end)? {
            (frontier, end) = (known.frontier, known.end);
        }
        while frontier.size() < most
            && let Some(line) = lines.next_line()?
        {
            frontier.push(leaf_hash(&line));
            end = lines.end;
        }
    }
    Ok(Scan { frontier, end })
}

/// A whole line of the entries' file.
pub struct Line {
    /// Its leaf.
    pub leaf: Hash,
    /// Where it ends.
    pub end: u64,
    /// True when it is an entry, and not what a power cut left.
    pub is_entry: bool,
}

/// The next lines, at most `most`.
///
/// # Errors
/// When the file cannot be read.
pub fn next_lines(lines: &mut Lines, most: usize) -> Result<Vec<Line>, SinkError> {
    let mut all = Vec::new();
    while all.len() < most
        && let Some(line) = lines.next_line()?
    {
        all.push(Line { leaf: leaf_hash(&line), end: lines.end, is_entry: Canonical::from_stored(line).is_ok() });
    }
    Ok(all)
}

impl Sink {
    /// Makes the folder, or finds that it is this log's and nobody else writes to it.
    ///
    /// # Errors
    /// `Another`, `InUse` when it is not; when it cannot be made.
    pub fn claim(folder: &Path, mine: &About) -> Result<Claimed, SinkError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
        let lock = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock).map_err(at(&lock))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| SinkError::InUse(folder.display().to_string()))?;
        Self::is_mine(folder, mine)?;
        Ok(Claimed(lock))
    }

    fn is_mine(folder: &Path, mine: &About) -> Result<(), SinkError> {
        match about(folder)? {
            Some(found) if found == *mine => Ok(()),
            Some(found) => Err(SinkError::Another(folder.display().to_string(), found.origin)),
            None if fs::metadata(folder.join(ENTRIES)).is_ok_and(|data| data.len() > 0) => {
                Err(SinkError::Another(folder.display().to_string(), "it does not say which".into()))
            }
            None => {
                let path = folder.join(ABOUT);
                let text = serde_json::to_string(mine).map_err(|error| at(&path)(error.into()))?;
                let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path).map_err(at(&path))?;
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&path))?;
                File::open(folder).and_then(|dir| dir.sync_all()).map_err(at(folder))
            }
        }
    }

    /// Opens a claimed folder for writing after `count` entries that end at `entries_end`, and after the checkpoints that are whole.
    ///
    /// # Errors
    /// When a file cannot be opened or read.
    pub fn open(claimed: Claimed, folder: &Path, count: u64, entries_end: u64) -> Result<Self, SinkError> {
        let (lines, end) = checkpoints(folder)?;
        Ok(Self {
            _claimed: claimed,
            entries: Growing::open(folder.join(ENTRIES), entries_end)?,
            checkpoints: Growing::open(folder.join(CHECKPOINTS), end)?,
            count,
            covered: lines.last().map_or(0, |line| line.size),
            ends: VecDeque::new(),
        })
    }

    /// Appends entries. Returns once they are on disk.
    ///
    /// # Errors
    /// When the disk does not take them; the next call goes on from the last whole line.
    pub fn append<'a>(&mut self, bodies: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<(), SinkError> {
        let (count, begin) = (self.count + bodies.len() as u64, self.entries.good);
        let (mut lines, mut ends) = (Vec::new(), Vec::with_capacity(bodies.len()));
        for (n, body) in bodies.enumerate() {
            lines.extend_from_slice(body);
            lines.push(b'\n');
            ends.push((self.count + n as u64 + 1, begin + lines.len() as u64));
        }
        self.entries.append(&lines)?;
        self.count = count;
        self.ends.extend(ends);
        self.ends.drain(..self.ends.len().saturating_sub(ENDS));
        Ok(())
    }

    /// Appends a checkpoint over entries that are in it.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn append_checkpoint(&mut self, size: u64, note: String) -> Result<(), SinkError> {
        let is_newest = size == self.count;
        let end = if is_newest { Some(self.entries.good) } else { self.ends.iter().find(|(n, _)| *n == size).map(|(_, end)| *end) };
        let line = CheckpointLine { size, note, end };
        let mut text = serde_json::to_vec(&line).map_err(|error| at(&self.checkpoints.path)(error.into()))?;
        text.push(b'\n');
        self.checkpoints.append(&text)?;
        self.covered = size;
        self.ends.retain(|(n, _)| *n > size);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
