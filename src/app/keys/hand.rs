//! The server's own hand at a venue: keys that it holds itself, for comparing, for cancelling, and for demoting what a bot trades with. Opened for
//! each use and wiped after it.

use crate::app::{App, AppError};
use crate::domain::{BotId, KeyId, KeyPurpose};
use crate::venues::{Credential, Venue, VenueError};
use std::{sync::Arc, time::Duration};

/// What the server can do at the venue of a bot.
#[derive(Debug)]
pub struct Hand {
    /// Where.
    pub venue: Arc<dyn Venue>,
    /// With what.
    pub credential: Credential,
    /// Which key that is.
    pub key: KeyId,
    /// Which version of it.
    pub version: i64,
    /// The account that its sheet names; of a key of the main account, the subaccount whose keys it may change.
    pub account: Option<String>,
}

/// How long one call to a venue may take.
const CALL: Duration = Duration::from_secs(15);

/// A call with a deadline. One that does not end may have been done.
pub(crate) async fn within<T>(call: impl Future<Output = Result<T, VenueError>>) -> Result<T, VenueError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(brought) => brought,
        Err(_) => Err(VenueError::ExecutionUnknown(format!("the venue did not answer within {} s", CALL.as_secs()))),
    }
}

impl App {
    /// The server's hand at a bot's venue. None: it holds no key of this purpose for the bot, or does not speak to that venue.
    ///
    /// # Errors
    /// `Conflict` on another site's copy, which acts on no venue (ruling H14); when the vault is not open.
    pub async fn hand_at_venue(&self, bot: &BotId, purpose: KeyPurpose) -> Result<Option<Hand>, AppError> {
        let keys = self.exchange_keys();
        let Some(key) = keys.of_purpose(bot, purpose).filter(|_| purpose.is_server_held()) else { return Ok(None) };
        let Some(active) = key.active() else { return Ok(None) };
        let facts = self.bot_of_key(key)?;
        // A guard that would cancel on the subaccount of another bot is worse than none.
        key.is_of(&facts)?;
        let (Some(venue), _) = self.venue_of(&facts)? else { return Ok(None) };
        let secret = self.open_kept(&key.row, active.version).await?;
        let (credential, account) = (Credential::from(&secret), key.sheet.account.clone());
        Ok(Some(Hand { venue, credential, key: key.row.id.clone(), version: active.version, account }))
    }

    /// True while the server holds a key of a purpose for a bot that is in use. From memory.
    pub fn has_hand(&self, bot: &BotId, purpose: KeyPurpose) -> bool {
        purpose.is_server_held() && self.exchange_keys().of_purpose(bot, purpose).is_some_and(|key| key.active().is_some())
    }

    /// The bots for which the server holds a key of a purpose that is in use. From memory.
    pub fn bots_with_hand(&self, purpose: KeyPurpose) -> Vec<BotId> {
        let keys = self.exchange_keys();
        let has = keys.all().filter(|key| purpose.is_server_held() && key.row.purpose == purpose && key.active().is_some());
        has.map(|key| key.row.bot_id.clone()).collect()
    }
}
