//! The secrets that the server holds itself: encrypted under the master key, opened for each use, deleted when their version is taken away.

use crate::app::{App, AppError, tx::Act};
use crate::crypto::vault::About;
use crate::domain::{ApiSecret, KeyId, key::KeyStep};
use crate::storage::{
    self,
    exchange_keys::KeyRow,
    key_secrets::{self, KeySecret},
};

fn about(key: &KeyRow, version: i64) -> About {
    About { key: key.id.clone(), version, purpose: key.purpose }
}

impl App {
    /// Encrypts a secret for a version; nothing is written.
    ///
    /// # Errors
    /// While there is no master key.
    pub(crate) async fn seal_kept(&self, key: &KeyRow, version: i64, secret: &ApiSecret) -> Result<KeySecret, AppError> {
        self.seal_secret(&about(key, version), secret).await
    }

    /// Writes it, in the place of what was handed in for the same version before.
    ///
    /// # Errors
    /// `Conflict` when the master key was changed meanwhile.
    pub(crate) async fn write_kept(&self, act: &mut Act<'_>, kept: &KeySecret) -> Result<(), AppError> {
        key_secrets::key_secret_delete(act.tx(), &kept.key_id, kept.version).await?;
        match key_secrets::key_secret_insert(act.tx(), kept).await {
            Err(storage::Error::Conflict) => Err(AppError::conflict("the master key was changed a moment ago: hand it in once more")),
            other => Ok(other?),
        }
    }

    /// Opens the secret of a version.
    ///
    /// # Errors
    /// While the master key cannot be had; when it was changed or moved here from another place.
    pub(crate) async fn open_kept(&self, key: &KeyRow, version: i64) -> Result<ApiSecret, AppError> {
        self.open_secret(&about(key, version)).await
    }

    /// Deletes the secret of a version.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn forget_secret(&self, act: &mut Act<'_>, key: &KeyId, version: i64) -> Result<(), AppError> {
        key_secrets::key_secret_delete(act.tx(), key, version).await?;
        Ok(())
    }

    /// Takes a version away whose secret is lost with its master key. What is no version of a key any more is nobody's.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn lose_secret(&self, act: &mut Act<'_>, key: &KeyId, version: i64) -> Result<(), AppError> {
        let versions = storage::exchange_keys::version_of(act.tx(), key).await?;
        if let Some(mut row) = versions.into_iter().find(|row| row.version == version) {
            self.step_key(act, &mut row, (KeyStep::Revoke, "its secret was lost with the master key")).await?;
        }
        Ok(())
    }
}
