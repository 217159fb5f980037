//! The two files that a replica keeps outside the database: its signing key and its tide mark. Both are written whole or not at all.

use super::Mark;
use crate::audit::{BadNote, Checkpoint, Note, SigningKey, number};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A file that is not what it should be. Never says what is in it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Its content does not do.
    #[error("{path}: {error}")]
    Content {
        /// Which.
        path: String,
        /// Why.
        error: BadNote,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Where the key lies.
pub fn key_path(state_dir: &Path) -> PathBuf {
    key_path_of(state_dir, newest(state_dir))
}

/// Where the key of an incarnation lies. Those of earlier ones are kept beside it.
pub fn key_path_of(state_dir: &Path, incarnation: u64) -> PathBuf {
    state_dir.join(numbered("log.key", incarnation))
}

/// Where the tide mark lies.
pub fn mark_path(state_dir: &Path) -> PathBuf {
    mark_path_of(state_dir, newest(state_dir))
}

/// Where the tide mark of an incarnation lies. Those of earlier ones are kept beside it.
pub fn mark_path_of(state_dir: &Path, incarnation: u64) -> PathBuf {
    state_dir.join(numbered("tide-mark", incarnation))
}

fn numbered(name: &str, incarnation: u64) -> String {
    if incarnation == 1 { name.to_owned() } else { format!("{name}.{incarnation}") }
}

/// The newest incarnation of the log that this state folder has seen an entry of. A mark over no entry is one that a recovery prepared and
/// perhaps never carried out.
pub fn newest(state_dir: &Path) -> u64 {
    let found = fs::read_dir(state_dir).into_iter().flatten().flatten();
    let numbers = found.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("tide-mark.")?.parse::<u64>().ok());
    let counts = |n: &u64| read_mark_of(state_dir, *n).is_ok_and(|mark| mark.is_some_and(|(note, _)| note.checkpoint.size > 0));
    numbers.filter(counts).max().unwrap_or(1)
}

fn at(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.display().to_string();
    move |error| FileError::Io { path: path.clone(), error }
}

/// The signing key, if there is one.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_key(state_dir: &Path) -> Result<Option<SigningKey>, FileError> {
    read_key_of(state_dir, newest(state_dir))
}

/// The signing key of an incarnation, if there is one.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_key_of(state_dir: &Path, incarnation: u64) -> Result<Option<SigningKey>, FileError> {
    let path = key_path_of(state_dir, incarnation);
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&path)(error)),
    };
    SigningKey::parse(&text).map(Some).map_err(|error| FileError::Content { path: path.display().to_string(), error })
}

/// Makes the signing key of the incarnation that `origin` names and keeps it, readable by its owner only.
///
/// # Errors
/// When it cannot be written.
pub fn make_key(state_dir: &Path, origin: &str) -> Result<SigningKey, FileError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|_| FileError::NoRandomness)?;
    let path = key_path_of(state_dir, number::incarnation(origin));
    let key = SigningKey::from_seed(origin, seed).map_err(|error| FileError::Content { path: path.display().to_string(), error })?;
    write_whole(&path, key.secret_text().as_bytes())?;
    Ok(key)
}

/// The note that is the tide mark, if there is one; read, not verified.
///
/// # Errors
/// When it cannot be read, or is no signed checkpoint.
pub fn read_mark(state_dir: &Path) -> Result<Option<Note>, FileError> {
    Ok(read_mark_as_written(state_dir)?.map(|(note, _)| note))
}

/// The same, with its text.
///
/// # Errors
/// When it cannot be read, or is no signed checkpoint.
pub fn read_mark_as_written(state_dir: &Path) -> Result<Option<(Note, String)>, FileError> {
    read_mark_of(state_dir, newest(state_dir))
}

/// The mark of an incarnation, with its text.
///
/// # Errors
/// When it cannot be read, or is no signed checkpoint.
pub fn read_mark_of(state_dir: &Path, incarnation: u64) -> Result<Option<(Note, String)>, FileError> {
    let path = mark_path_of(state_dir, incarnation);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&path)(error)),
    };
    let note = Note::parse(&text).map_err(|error| FileError::Content { path: path.display().to_string(), error })?;
    Ok(Some((note, text)))
}

/// Raises the tide mark of the key's incarnation; answers with the signed note. Once this returns, the mark is on disk.
///
/// # Errors
/// When it cannot be written: the old mark stands.
pub fn write_mark(state_dir: &Path, key: &SigningKey, mark: &Mark) -> Result<String, FileError> {
    let path = mark_path_of(state_dir, number::incarnation(key.verifier().name()));
    let checkpoint = Checkpoint { origin: key.verifier().name().to_owned(), size: mark.size, root: mark.root };
    let note = key.sign(&checkpoint).map_err(|error| FileError::Content { path: path.display().to_string(), error })?;
    write_whole(&path, note.as_bytes())?;
    Ok(note)
}

/// Puts the text of an earlier mark back, or no mark where there was none.
///
/// # Errors
/// When it cannot be written.
pub fn put_back_mark(state_dir: &Path, incarnation: u64, text: Option<&str>) -> Result<(), FileError> {
    let path = mark_path_of(state_dir, incarnation);
    match text {
        Some(text) => write_whole(&path, text.as_bytes()),
        None => fs::remove_file(&path).map_err(at(&path)),
    }
}

/// Where this state folder's site id lies.
pub fn site_path(state_dir: &Path) -> PathBuf {
    state_dir.join("site")
}

/// The random id of this state folder, made the first time; and whether that was now.
///
/// # Errors
/// When it cannot be read or written.
pub fn site(state_dir: &Path) -> Result<(String, bool), FileError> {
    let path = site_path(state_dir);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok((text.trim().to_owned(), false)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
        _ => {}
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| FileError::NoRandomness)?;
    let id = data_encoding::HEXLOWER.encode(&bytes);
    write_whole(&path, format!("{id}\n").as_bytes())?;
    Ok((id, true))
}

/// Writes a file beside, to disk, and puts it in place of the old one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let (next, fail) = (path.with_extension("next"), at(path));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&next).map_err(&fail)?;
    file.write_all(bytes).map_err(&fail)?;
    file.sync_all().map_err(&fail)?;
    failpoint!("mark:before_rename");
    fs::rename(&next, path).map_err(&fail)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(&fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn key_and_mark_are_kept_for_their_owner_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_key(dir.path()).unwrap().is_none() && read_mark(dir.path()).unwrap().is_none());
        let key = make_key(dir.path(), "h/audit/control/1").unwrap();
        assert_eq!(fs::metadata(key_path(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
        let again = read_key(dir.path()).unwrap().unwrap();
        assert_eq!(again.verifier(), key.verifier());
        let mark = Mark { size: 9, root: [3; 32] };
        write_mark(dir.path(), &key, &mark).unwrap();
        let note = read_mark(dir.path()).unwrap().unwrap();
        let checkpoint = note.verify(key.verifier()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (mark.size, mark.root));
    }

    #[test]
    fn a_broken_file_is_an_error_that_shows_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["", "PRIVATE+KEY+a+00000000+c2VjcmV0", "hunter2"] {
            fs::write(key_path(dir.path()), bad).unwrap();
            let error = read_key(dir.path()).unwrap_err().to_string();
            assert!(error.contains("log.key") && (bad.is_empty() || !error.contains(bad)), "{error}");
        }
        fs::write(mark_path(dir.path()), "9\n").unwrap();
        assert!(read_mark(dir.path()).is_err());
    }
}
