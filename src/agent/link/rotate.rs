//! Changing the token every 30 days (ruling H18). The new one is on disk before it is used for the first time, and the first check-in
//! with it ends the old one: whoever dies between any two of these steps finds a token on disk that still holds. A change never stops the bot: while it is
//! under way, a token that is not known any more is asked about again rather than believed.

use super::{Line, Mode, wire::WireError};
use crate::agent::credential::Keeper;
use crate::domain::{Secret, Timestamp};
use crate::protocol::PollCheckIn;
use std::time::Duration;

/// How long a token is used.
const TOKEN_LIVES_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// How long the first check-in with a new one may take.
const FIRST_USE: Duration = Duration::from_secs(5);
/// Between two tries of it.
const AGAIN: Duration = Duration::from_millis(500);
/// Between two looks at the token's age, and between two tries.
const LOOK: Duration = Duration::from_secs(3_600);

/// Changes the token whenever it is old enough. Never ends by itself.
pub(super) async fn changes(line: &Line) {
    let Some(keeper) = &line.link.keeper else { return std::future::pending().await };
    loop {
        line.until(|mode| matches!(mode, Mode::Polling | Mode::Streaming)).await;
        match is_due(keeper, line.link.clock.now()).await {
            Ok(true) => {
                // Also when the line is cut meanwhile and this is dropped.
                let changing = line.link.door.changing();
                let changed = change(line, keeper).await;
                drop(changing);
                match changed {
                    Ok(()) => tracing::info!("the agent's token was changed"),
                    Err(why) => tracing::warn!("the agent's token could not be changed, the next try is in an hour: {why}"),
                }
            }
            Ok(false) => {}
            Err(why) => tracing::warn!("the age of the agent's token is not known: {why}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A credential that does not say since when its token has been used is as good as an old one.
async fn is_due(keeper: &Keeper, now: Timestamp) -> Result<bool, String> {
    let keeper = keeper.clone();
    let since = blocking(move || keeper.token_since().map_err(|error| error.to_string())).await?;
    Ok(since.is_none_or(|since| now.ms_since(since) >= TOKEN_LIVES_MS))
}

async fn change(line: &Line, keeper: &Keeper) -> Result<(), String> {
    let link = &line.link;
    let token = link.wire.new_token(&link.door).await.map_err(|error| match error {
        WireError::Replaced => "its fingerprint is not confirmed yet".to_owned(),
        other => other.to_string(),
    })?;
    failpoint!("agent:token_received");
    let old = replace(keeper, token.clone(), Some(link.clock.now())).await?;
    failpoint!("agent:token_written");
    link.door.use_token(&token).map_err(|error| error.to_string())?;
    // Until it is answered nobody knows whether the server has the token that it gave; until then no other answer is believed about it.
    loop {
        let body = PollCheckIn { check_in: line.counter.contact(&link.boot), ..PollCheckIn::default() };
        match link.wire.check_in(&link.door, &body, FIRST_USE).await {
            Ok(_) => {
                failpoint!("agent:token_used");
                return Ok(());
            }
            Err(WireError::CredentialEnded | WireError::ChangedMeanwhile) => {
                // The server does not know what it has just given: it went back in time. There the old one holds.
                let back = old.clone();
                replace(keeper, back, None).await?;
                link.door.use_token(&old).map_err(|error| error.to_string())?;
                return Err("the server does not know the token that it gave".to_owned());
            }
            // Another boot has taken over: it has the new token from the disk.
            Err(WireError::Replaced) => return Ok(()),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn replace(keeper: &Keeper, token: Secret<String>, since: Option<Timestamp>) -> Result<Secret<String>, String> {
    let keeper = keeper.clone();
    blocking(move || keeper.replace_token(&token, since).map_err(|error| error.to_string())).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}
