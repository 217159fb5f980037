//! `GET /agent/v1/stream`: the websocket. One live stream per agent. A stop goes from the snapshot to the socket and waits for nothing else:
//! the fan-out says it through `mouth.rs`; where that could not, `session.rs`, the stream's own loop, does before anything else. `hear.rs` reads
//! frames, `tell.rs` decides what is said, `wire.rs` writes it.

mod hear;
mod hello;
mod mouth;
mod session;
mod tell;
mod wire;

use super::ByAgent;
use crate::protocol::{MAX_BODY, SUBPROTOCOL};
use crate::web::{Answer, Shared, WebError};
use axum::extract::{
    State, WebSocketUpgrade,
    ws::{WebSocket, rejection::WebSocketUpgradeRejection},
};
use futures_util::StreamExt;
use std::sync::Arc;

/// What each stream sets aside for reading, bytes: a check-in fits, a report takes what it needs, and ten thousand streams cost megabytes, not
/// gigabytes.
const READ_BUFFER: usize = 1024;

/// Becomes a websocket.
///
/// # Errors
/// 400 for a request that is no websocket's or does not offer `andon.v1`; 401.
pub async fn open(State(app): Shared, ByAgent(agent): ByAgent, upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Answer {
    let upgrade = upgrade.map_err(|_| WebError::bad_request("This address speaks websocket: send an upgrade request."))?;
    // Frames up to the bound of a POST are read whole, so that one over the stream's own bound gets a proper end.
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_frame_size(MAX_BODY).max_message_size(MAX_BODY).read_buffer_size(READ_BUFFER);
    if upgrade.selected_protocol().is_none() {
        return Err(WebError::bad_request(format!("Offer the subprotocol {SUBPROTOCOL} in Sec-WebSocket-Protocol.")));
    }
    Ok(upgrade.on_upgrade(move |socket| run(app, agent, socket)))
}

/// Serves one stream from its first frame to its end.
async fn run(app: Arc<crate::app::App>, agent: Arc<crate::app::agent_book::LiveAgent>, socket: WebSocket) {
    let (sink, mut frames) = socket.split();
    let mut wire = wire::Wire::new(sink);
    let hello = match Box::pin(hello::hear(&mut wire, &mut frames)).await {
        Ok(hello) => hello,
        Err(end) => return Box::pin(wire.close(end, &mut frames)).await,
    };
    let teller = tell::Teller::new(app.clone(), agent.bot.clone());
    let mouth = Arc::new(mouth::Mouth::new(agent.bot.clone(), wire, teller, hello.state));
    let end = session::Session::new(&app, &agent, &mouth, &hello).run(hello, &mut frames).await;
    tracing::debug!(agent = %agent.id, code = end.code, reason = %end.reason, "a stream ended");
    let mut speech = mouth.speech().await;
    Box::pin(speech.wire.close(end, &mut frames)).await;
}
