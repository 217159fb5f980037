//! A key as somebody writes it down: JSON from standard input, or from a file that nobody else can read. Never from an argument. Our own buffers
//! are wiped.

use crate::cli::Failure;
use crate::domain::{ApiSecret, Secret};
use std::{
    fs::File,
    io::{Read, stdin},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
};
use zeroize::Zeroizing;

/// The longest key, bytes: room for a private key in PEM.
const LONGEST: usize = 64 * 1024;
/// Room that is never filled, so that reading to the end needs no more.
const ROOM: usize = 64;

/// The key as it is written down.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: Secret<String>,
    secret: Secret<String>,
    #[serde(default)]
    passphrase: Option<Secret<String>>,
}

/// Reads a key; `-` is standard input.
///
/// # Errors
/// When it cannot be read, others can read it, or it is no key. Nothing of what stood there is told.
pub(super) fn read_key(path: &Path) -> Result<ApiSecret, Failure> {
    let name = path.display();
    // As long as it can get from the start, and past the buffer that the standard library keeps: either would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + ROOM));
    let file = if path.as_os_str() == "-" {
        File::from(stdin().as_fd().try_clone_to_owned()?)
    } else {
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        if file.metadata()?.mode() & 0o077 != 0 {
            return Err(format!("{name} can be read by others on this machine: chmod 600 {name}").into());
        }
        file
    };
    file.take(LONGEST as u64).read_to_end(&mut text).map_err(|error| format!("{name}: {error}"))?;
    // Where the error is and not what stood there: that may be the secret.
    let written: Written = serde_json::from_slice(&text).map_err(|error| {
        format!("this is no key as JSON (line {}, column {}); write {{\"key\": …, \"secret\": …}}", error.line(), error.column())
    })?;
    // A line's end that came with copying is no part of a name.
    let api_key = Secret::new(written.key.expose().trim().to_owned());
    Ok(ApiSecret { api_key, secret: written.secret, passphrase: written.passphrase })
}
