//! The first frame of a stream, within five seconds.

use super::{
    hear::{self, Heard, Pace},
    wire::{End, Wire},
};
use crate::protocol::{CheckIn, Hello, close};
use axum::extract::ws::WebSocket;
use futures_util::{StreamExt, stream::SplitStream};
use std::time::Duration;
use tokio::time::Instant;

/// How long an agent may take to say hello.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for hello.
///
/// # Errors
/// 4408 when none comes in time, 4400 for another frame.
pub(super) async fn hear(wire: &mut Wire, frames: &mut SplitStream<WebSocket>) -> Result<Box<Hello>, End> {
    let first = async {
        let mut pace = Pace::new(Instant::now());
        loop {
            match hear::read(frames.next().await)? {
                Heard::Hello(hello) => return Ok(hello),
                _ if !pace.spend(Instant::now()) => return Err(End::with(close::OVERLOADED, "too many frames")),
                Heard::Unknown(word) => wire.error("unknown type", format!("This server does not know frames of type {word}.")).await?,
                Heard::Nothing => {}
                Heard::CheckIn(_) | Heard::Ack(_) | Heard::Event(_) | Heard::Hold(_) | Heard::KeyAck(_) | Heard::Fills(_) => {
                    return Err(End::malformed("hello comes first"));
                }
            }
        }
    };
    let silent = || End::with(close::NO_HELLO, "no hello within 5 s");
    tokio::time::timeout(PATIENCE, first).await.unwrap_or_else(|_| Err(silent()))
}

/// A hello as the check-in that it is: it renews nothing, but is answered by the same rules.
pub(super) fn as_check_in(hello: Hello) -> Box<CheckIn> {
    Box::new(CheckIn {
        boot: Some(hello.boot),
        epoch: Some(hello.epoch),
        state: Some(hello.state),
        limits_version: hello.limits_version,
        start_after: hello.start_after,
        holds: hello.holds,
        build: hello.bot.build,
        config: hello.bot.config,
        key_versions: hello.key_versions,
        subaccount: hello.bot.subaccount,
        adapter: hello.adapter,
        ..CheckIn::default()
    })
}
