//! Giving opened keys to the bot: by files in a private folder, or to a bot that this agent starts by its environment or an open file of its own.
//! Everything is opened for the moment of giving and wiped after it.
//!
//! | `[keys] give` | the bot finds |
//! |---|---|
//! | `file` | one file per venue and purpose, mode 0600, replaced whole when a key changes, gone when it is dropped |
//! | `fd` | in `ANDON_KEYS_FD` the number of an open file, a JSON array, sealed against change, which has no name anywhere |
//! | `env` | `ANDON_BINANCE_EXECUTION_KEY`, `…_SECRET` and `…_PASSWORD`, and so for each venue and purpose |

use super::store::{KeyError, KeyStore, remove};
use crate::agent::dir::write_durably;
use crate::domain::{ApiSecret, KeyPurpose};
use crate::protocol::KeyFrame;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Seek, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    process::Command,
};
use zeroize::Zeroizing;

/// Where a bot finds the number of its open file.
pub const FD: &str = "ANDON_KEYS_FD";

/// How keys are given; none: they are held, and the bot has to get its keys elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Giving {
    /// Not at all.
    Nothing,
    /// By files.
    Files(Files),
    /// To a bot that this agent starts, when it starts it.
    AtStart(Way),
}

/// How a bot that is started gets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By an open file.
    Fd,
    /// By its environment.
    Env,
}

/// What a bot is given when it is started. Holds no secret: whoever becomes the bot opens the keys itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handing {
    /// Where they lie.
    pub store: KeyStore,
    /// How it gets them.
    pub way: Way,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `{"key_id","version","purpose","venue","key","secret","password"}`.
    #[default]
    Plain,
    /// A piece of Freqtrade's configuration, `{"exchange":{"key","secret","password"}}`: another `--config`, or one of its `add_config_files`.
    Freqtrade,
}

/// Files in a private folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The folder.
    pub dir: PathBuf,
    /// What they hold.
    pub form: Form,
}

/// One key in the plain form.
#[derive(Serialize)]
struct Plain<'a> {
    key_id: &'a str,
    version: i64,
    purpose: KeyPurpose,
    venue: &'a str,
    key: &'a str,
    secret: &'a str,
    password: Option<&'a str>,
}

/// A piece of Freqtrade's configuration ("exchange" in its configuration reference). It wants text where it has a password.
#[derive(Serialize)]
struct Freqtrade<'a> {
    exchange: Exchange<'a>,
}

#[derive(Serialize)]
struct Exchange<'a> {
    key: &'a str,
    secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

fn plain<'a>(key: &'a KeyFrame, secret: &'a ApiSecret) -> Plain<'a> {
    Plain {
        key_id: key.key_id.as_str(),
        version: key.version,
        purpose: key.purpose,
        venue: &key.venue,
        key: secret.api_key.expose(),
        secret: secret.secret.expose(),
        password: secret.passphrase.as_ref().map(|part| part.expose().as_str()),
    }
}

/// Room for a key in any form, so that no text of one ever grows and leaves a copy behind: an escaped byte takes six.
fn room(key: &KeyFrame, secret: &ApiSecret) -> usize {
    let parts = [Some(&secret.api_key), Some(&secret.secret), secret.passphrase.as_ref()];
    (parts.into_iter().flatten().map(|part| part.expose().len()).sum::<usize>() + key.venue.len()) * 6 + 512
}

/// The newest version of each key; of two keys with one venue and purpose the younger id, which was made later.
fn to_give(keys: &[KeyFrame]) -> Vec<&KeyFrame> {
    // Ordered by id and version, so that the last one of a place is the one.
    let by_place: BTreeMap<(&str, KeyPurpose), &KeyFrame> = keys.iter().map(|key| ((key.venue.as_str(), key.purpose), key)).collect();
    by_place.into_values().collect()
}

impl Files {
    /// The file of a key: `binance-execution.json`. What may not stand in a name as it is stands there as `%` and its number.
    pub fn path(&self, key: &KeyFrame) -> PathBuf {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let letter = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
        let venue: String = key.venue.bytes().map(letter).collect();
        self.dir.join(format!("{venue}-{}.json", key.purpose))
    }

    /// Makes the files be those of these keys, and no others of ours. Blocks.
    ///
    /// # Errors
    /// When a key does not open, the disk refuses, or others can enter the folder.
    pub fn give(&self, store: &KeyStore, keys: &[KeyFrame]) -> Result<(), KeyError> {
        let keys = to_give(keys);
        let paths: Vec<PathBuf> = keys.iter().map(|key| self.path(key)).collect();
        self.take_back(&paths)?;
        if keys.is_empty() {
            return Ok(());
        }
        self.make_dir()?;
        for (key, path) in keys.into_iter().zip(paths) {
            let secret = store.open(key)?;
            let mut text = Zeroizing::new(Vec::with_capacity(room(key, &secret)));
            self.write(&mut text, key, &secret)?;
            write_durably(&path, &text, 0o600)?;
        }
        Ok(())
    }

    fn write(&self, to: &mut Vec<u8>, key: &KeyFrame, secret: &ApiSecret) -> io::Result<()> {
        let plain = plain(key, secret);
        match self.form {
            Form::Plain => serde_json::to_writer(to, &plain)?,
            Form::Freqtrade => {
                let exchange = Exchange { key: plain.key, secret: plain.secret, password: plain.password };
                serde_json::to_writer(to, &Freqtrade { exchange })?;
            }
        }
        Ok(())
    }

    fn make_dir(&self) -> Result<(), KeyError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        if self.is_private()? { Ok(()) } else { Err(KeyError::Unfit("others can enter the folder that keys are given in: chmod 700 it")) }
    }

    /// True when nobody else can enter the folder.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn is_private(&self) -> io::Result<bool> {
        let facts = fs::metadata(&self.dir)?;
        Ok(facts.is_dir() && facts.mode() & 0o077 == 0 && facts.uid() == rustix::process::geteuid().as_raw())
    }

    /// Removes every file of ours but these, and whatever a crash left half written. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn take_back(&self, but: &[PathBuf]) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut is_changed = false;
        for entry in entries {
            let path = entry?.path();
            if is_ours(&path) && !but.contains(&path) {
                is_changed |= remove(&path)?;
            }
        }
        if is_changed { File::open(&self.dir)?.sync_all() } else { Ok(()) }
    }
}

/// True for the name of a file that a key was given in, whole or half written. Whatever else lies in the folder is not ours.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = name.strip_suffix(".new").unwrap_or(&name);
    KeyPurpose::ALL.iter().any(|purpose| name.ends_with(&format!("-{purpose}.json")))
}

impl Handing {
    /// Gives a command that is about to become the bot its keys. The bot inherits the open file that this answers with: keep it until then.
    ///
    /// # Errors
    /// When a key does not open, or there is no memory for an open file.
    pub fn hand_over(&self, command: &mut Command) -> Result<Option<File>, KeyError> {
        let keys = self.store.find()?.keys;
        let mut opened = Vec::new();
        for key in to_give(&keys) {
            opened.push((key, self.store.open(key)?));
        }
        match self.way {
            Way::Env => {
                for (key, secret) in &opened {
                    command.env(variable(key, "KEY"), secret.api_key.expose()).env(variable(key, "SECRET"), secret.secret.expose());
                    if let Some(passphrase) = &secret.passphrase {
                        command.env(variable(key, "PASSWORD"), passphrase.expose());
                    }
                }
                Ok(None)
            }
            Way::Fd => {
                let file = in_memory(&opened)?;
                command.env(FD, file.as_raw_fd().to_string());
                Ok(Some(file))
            }
        }
    }
}

/// `ANDON_BINANCE_EXECUTION_KEY`: letters and digits as they are, everything else as `_`.
fn variable(key: &KeyFrame, what: &str) -> String {
    let word = format!("ANDON_{}_{}_{what}", key.venue, key.purpose);
    word.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// A file without a name that holds the keys, can be read from its beginning and changed by nobody. It stays open in what this process becomes.
fn in_memory(opened: &[(&KeyFrame, ApiSecret)]) -> io::Result<File> {
    let size: usize = opened.iter().map(|(key, secret)| room(key, secret)).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(size + 2));
    let all: Vec<Plain<'_>> = opened.iter().map(|(key, secret)| plain(key, secret)).collect();
    serde_json::to_writer(&mut *text, &all)?;
    let mut file = File::from(memfd_create("andon keys", MemfdFlags::ALLOW_SEALING)?);
    file.write_all(&text)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
