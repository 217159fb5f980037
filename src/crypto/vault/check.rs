//! The check value: a small record that is sealed when an installation first has a master key and opened at every start after that. A server with
//! another master key finds out before it does anything, and overwrites nothing.

use super::{Aad, MasterKey, SealedRecord, VaultError, open_as, seal_as};
use crate::domain::InstallationId;
use subtle::ConstantTimeEq;

/// What is sealed. No secret: that it opens is the proof.
const WORDS: &[u8] = b"this is the master key of this installation";

fn aad(installation: &InstallationId) -> Aad {
    Aad::of("check value", &[installation.as_str().as_bytes()])
}

/// Makes the check value of an installation under this master key. To be stored once, and again only when the master key is changed on purpose,
/// after every secret was rewrapped.
///
/// # Errors
/// As [`super::seal`].
pub async fn make_check(master: &dyn MasterKey, installation: &InstallationId) -> Result<SealedRecord, VaultError> {
    seal_as(master, &aad(installation), WORDS).await
}

/// Succeeds when this is the master key under which the check value of this installation was made.
///
/// # Errors
/// `WrongMaster` or `Refused`: the server must not start, and must store nothing. `Master` when whoever keeps the key cannot say: it may be tried
/// again.
pub async fn verify_check(master: &dyn MasterKey, installation: &InstallationId, record: &SealedRecord) -> Result<(), VaultError> {
    let opened = open_as(master, &aad(installation), record).await?;
    if opened.expose().as_slice().ct_eq(WORDS).into() { Ok(()) } else { Err(VaultError::Refused) }
}
