//! The master key, from where the settings say: a file, a credential of systemd, or Vault/OpenBao, which keeps it and wraps for us. It is opened
//! here and used elsewhere; nothing here knows a database.

pub mod transit;

use crate::app::vault::{Given, Place, Shut};
use crate::config::{MasterKeySource, Serve};
use crate::crypto::{
    token,
    vault::{LocalMasterKey, MasterKey, VaultError},
};
use crate::domain::Secret;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};
use zeroize::Zeroizing;

/// No file of a key is longer, bytes.
const LONGEST: u64 = 1024;
/// What to do for a key.
const MAKE: &str = "make one with: umask 077; openssl rand -base64 32 > FILE";

/// Why there is no master key. Nothing here tells any of it.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyFileError {
    /// The file cannot be read or written.
    #[error("master key: {path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Others can read it.
    #[error("master key: {0} can be read by others on this machine: chmod 600 {0}")]
    Open(String),
    /// There is no key in it.
    #[error("master key: {path} {why}; {MAKE}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// It was there once.
    #[error(
        "master key: {0} is not there, and the database holds secrets that were sealed with it: put the file back (no new one is made, since that \
         would open none of them)"
    )]
    Lost(String),
    /// This is no service of systemd, or one without credentials.
    #[error("master key: there are no credentials here: LoadCredential= or LoadCredentialEncrypted= in the unit, and a start by systemd")]
    NoCredentials,
    /// Vault or OpenBao cannot be asked.
    #[error("master key: {0}")]
    Transit(String),
    /// No key could be made.
    #[error("master key: it could not be made")]
    Unmade(#[source] VaultError),
}

/// Opens the master key. `is_first` says that nothing was ever sealed here: only then, and only in the state folder, is one made. Connects to
/// nobody.
///
/// # Errors
/// What is wrong, with the file's name, and what would do.
pub fn open(source: &MasterKeySource, is_first: bool) -> Result<Arc<dyn MasterKey>, MasterKeyFileError> {
    Ok(match source {
        MasterKeySource::Own(path) => Arc::new(own(path, is_first)?),
        MasterKeySource::File(path) => Arc::new(read(path, 0o077)?),
        MasterKeySource::Credential(name) => {
            let dir = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(MasterKeyFileError::NoCredentials)?;
            Arc::new(credential(Path::new(&dir), name)?)
        }
        MasterKeySource::Transit(settings) => Arc::new(transit::TransitKey::open(settings)?),
    })
}

/// The file of our own.
fn own(path: &Path, is_first: bool) -> Result<LocalMasterKey, MasterKeyFileError> {
    match read(path, 0o077) {
        Err(MasterKeyFileError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    if !is_first {
        return Err(MasterKeyFileError::Lost(path.display().to_string()));
    }
    let key = LocalMasterKey::generate().map_err(MasterKeyFileError::Unmade)?;
    let mut line = Zeroizing::new(String::with_capacity(64));
    BASE64.encode_append(key.key().expose(), &mut line);
    line.push('\n');
    match write_new(path, line.as_bytes()) {
        Ok(()) => Ok(key),
        // Another process was first, and its key is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path, 0o077),
        Err(error) => Err(failed(path, error)),
    }
}

/// Writes a file that is not there yet, whole or not at all; never over one that is.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = token::random::<8>().map_err(io::Error::other)?;
    let temporary = dir.join(format!(".master.key.{name}"));
    let written = (|| {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // Fails where there is one, which a rename would not.
        fs::hard_link(&temporary, path)
    })();
    let removed = fs::remove_file(&temporary);
    written?;
    removed?;
    File::open(dir)?.sync_all()
}

/// A credential of systemd (systemd.exec(5), "Credentials"). Where the service runs as another user, systemd gives it the file by an access list,
/// whose mask shows as rights of the group: those are no fault here, since the folder is closed.
fn credential(dir: &Path, name: &str) -> Result<LocalMasterKey, MasterKeyFileError> {
    read(&dir.join(name), 0o007)
}

fn failed(path: &Path, error: io::Error) -> MasterKeyFileError {
    MasterKeyFileError::Io { path: path.display().to_string(), error }
}

/// Reads a key whose file has none of the rights in `refused`.
fn read(path: &Path, refused: u32) -> Result<LocalMasterKey, MasterKeyFileError> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    // Of the very file that is read, whatever is put in its place meanwhile.
    let facts = file.metadata().map_err(|error| failed(path, error))?;
    let shown = || path.display().to_string();
    if !facts.is_file() {
        return Err(MasterKeyFileError::Content { path: shown(), why: "is no file" });
    }
    if facts.mode() & refused != 0 {
        return Err(MasterKeyFileError::Open(shown()));
    }
    // With room for all of it, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LONGEST as usize));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
    let key = parse(&bytes).map_err(|why| MasterKeyFileError::Content { path: shown(), why })?;
    Ok(LocalMasterKey::new(key))
}

/// A key as 32 bytes, or in base64.
fn parse(bytes: &[u8]) -> Result<Secret<[u8; 32]>, &'static str> {
    let decoded;
    let raw: &[u8] = if bytes.len() == 32 {
        bytes
    } else {
        let text = bytes.trim_ascii();
        let kinds = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];
        let read = kinds.iter().find_map(|kind| kind.decode(text).ok()).ok_or("holds neither 32 bytes nor 32 bytes in base64")?;
        decoded = Zeroizing::new(read);
        &decoded
    };
    let mut key = Zeroizing::new([0; 32]);
    if raw.len() != key.len() {
        return Err("holds neither 32 bytes nor 32 bytes in base64");
    }
    key.copy_from_slice(raw);
    if key.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err("holds text that somebody typed, where 32 random bytes belong");
    }
    if key.iter().all(|byte| Some(byte) == key.first()) {
        return Err("holds one byte 32 times, where 32 random bytes belong");
    }
    Ok(Secret::new(*key))
}

impl MasterKeyFileError {
    /// True for what may pass by itself: a volume that is not there yet, a disk that is full. A file that was named and never used is a slip.
    fn may_pass(&self, source: &MasterKeySource, is_first: bool) -> bool {
        match self {
            Self::Io { .. } => !is_first || matches!(source, MasterKeySource::Own(_)),
            Self::Lost(_) | Self::Unmade(_) => true,
            Self::NoCredentials => !is_first,
            Self::Open(_) | Self::Content { .. } | Self::Transit(_) => false,
        }
    }
}

impl Place for MasterKeySource {
    fn open(&self, is_first: bool) -> Result<Arc<dyn MasterKey>, Shut> {
        open(self, is_first).map_err(|error| {
            let said = match &error {
                MasterKeyFileError::Unmade(why) => format!("{error}: {why}"),
                _ => error.to_string(),
            };
            if error.may_pass(self, is_first) { Shut::Later(said) } else { Shut::Wrong(said) }
        })
    }
}

/// What the settings give, for the application.
pub fn given(settings: &Serve) -> Given {
    let old = settings.master_key_old.clone().map(|source| Arc::new(source) as Arc<dyn Place>);
    Given { key: Arc::new(settings.master_key.clone()), old, lost: settings.master_key_lost.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    fn put(path: &Path, bytes: &[u8], mode: u32) {
        let _ = fs::remove_file(path);
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    const KEY: [u8; 32] =
        [7, 200, 3, 9, 77, 31, 250, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24];

    #[test]
    fn one_of_our_own_is_made_once_and_never_in_the_place_of_one_that_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let source = MasterKeySource::Own(path.clone());
        let lost = open(&source, false).err().unwrap();
        assert!(matches!(lost, MasterKeyFileError::Lost(_)) && lost.to_string().contains("put the file back"), "{lost}");
        assert!(!path.exists(), "nothing was made");
        let made = open(&source, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read(&path).unwrap();
        for is_first in [true, false] {
            assert_eq!(open(&source, is_first).unwrap().id(), made.id());
        }
        assert_eq!(fs::read(&path).unwrap(), text);
        put(&path, b"half", 0o600);
        assert!(matches!(open(&source, true).err().unwrap(), MasterKeyFileError::Content { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"half", "what cannot be used is not overwritten");
    }

    #[test]
    fn of_two_that_make_one_at_once_both_have_the_same() {
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let source = MasterKeySource::Own(dir.path().join("master.key"));
            let ids: Vec<String> = std::thread::scope(|scope| {
                let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&source, true).unwrap().id().to_string())).collect();
                makers.into_iter().map(|maker| maker.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left over");
        }
    }

    #[test]
    fn what_was_there_first_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        fs::write(&path, "somebody's").unwrap();
        assert_eq!(write_new(&path, b"ours").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"somebody's");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let source = MasterKeySource::File(path.clone());
        for (mode, is_taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false), (0o601, false)] {
            put(&path, &KEY, mode);
            let opened = open(&source, false);
            assert_eq!(opened.is_ok(), is_taken, "{mode:o}");
            let said = opened.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(is_taken || said.contains("chmod 600"), "{said}");
        }
        assert!(matches!(open(&MasterKeySource::File(dir.path().join("none")), true).err().unwrap(), MasterKeyFileError::Io { .. }));
        assert!(!dir.path().join("none").exists(), "somebody's file is theirs to make");
        assert!(matches!(open(&MasterKeySource::File(dir.path().into()), true).err().unwrap(), MasterKeyFileError::Content { .. }));
    }

    #[test]
    fn a_key_is_raw_or_in_base64_and_random() {
        let expected = LocalMasterKey::new(Secret::new(KEY));
        for text in
            [BASE64.encode(&KEY), BASE64_NOPAD.encode(&KEY), format!("  {}\r\n", BASE64URL.encode(&KEY)), BASE64URL_NOPAD.encode(&KEY)]
        {
            let read = LocalMasterKey::new(parse(text.as_bytes()).unwrap());
            assert_eq!(read.id(), expected.id(), "{text}");
        }
        assert_eq!(LocalMasterKey::new(parse(&KEY).unwrap()).id(), expected.id());
        let typed = b"correct horse battery staple 123".as_slice();
        let long = "A".repeat(2_000);
        for bad in [b"".as_slice(), b"\n", &KEY[..31], &[9; 32], typed, BASE64.encode(typed).as_bytes(), long.as_bytes(), b"AAAA"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_credential_may_show_the_mask_of_its_access_list() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("andon"), &KEY, 0o440);
        let read = credential(dir.path(), "andon").unwrap();
        assert_eq!(read.id(), LocalMasterKey::new(Secret::new(KEY)).id());
        put(&dir.path().join("andon"), &KEY, 0o444);
        assert!(matches!(credential(dir.path(), "andon").unwrap_err(), MasterKeyFileError::Open(_)));
    }

    #[test]
    fn no_error_tells_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        put(&path, b"canary-master-key-of-the-desk-77", 0o600);
        let error = open(&MasterKeySource::File(path), true).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}
