//! Reading: from a message to what the agent says, and the bounds of size and pace.

use super::wire::End;
use crate::fleet::Lines;
use crate::protocol::{AckFrame, CheckIn, EventFrame, FillFrame, FillsFrame, Hello, HoldFrame, KeyAckFrame, MAX_FRAME, close};
use crate::web::json;
use axum::extract::ws::{Message, WebSocket};
use futures_util::{StreamExt, stream::SplitStream};
use serde::de::DeserializeOwned;
use std::{future::poll_fn, pin::pin, task::ready, time::Duration};
use tokio::time::Instant;

/// What an agent says.
#[derive(Debug)]
pub(super) enum Heard {
    Hello(Box<Hello>),
    CheckIn(Box<CheckIn>),
    Ack(AckFrame),
    Event(EventFrame),
    Hold(HoldFrame),
    KeyAck(KeyAckFrame),
    Fills(Vec<FillFrame>),
    /// A type of frame that this version does not know.
    Unknown(String),
    /// Nothing that matters: a ping or its answer.
    Nothing,
}

#[derive(serde::Deserialize)]
struct Typed {
    r#type: String,
}

/// Waits for the next message. While a stop is being said to everybody nothing is read: what an agent says waits for the end of that one pass,
/// and never for a second.
pub(super) async fn next(lines: &Lines, messages: &mut SplitStream<WebSocket>) -> Option<Result<Message, axum::Error>> {
    let mut passed = pin!(None);
    poll_fn(|context| {
        if passed.is_none() {
            passed.set(lines.passing());
        }
        if let Some(passed) = passed.as_mut().as_pin_mut() {
            ready!(passed.poll(context));
        }
        let message = messages.poll_next_unpin(context);
        passed.set(None);
        message
    })
    .await
}

/// Reads one message.
///
/// # Errors
/// How the stream ends: too big, malformed, or closed by the peer.
pub(super) fn read(message: Option<Result<Message, axum::Error>>) -> Result<Heard, End> {
    match message {
        Some(Ok(Message::Text(text))) => frame(text.as_bytes()),
        Some(Ok(Message::Binary(_))) => Err(End::malformed("frames are text")),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Heard::Nothing),
        Some(Ok(Message::Close(_))) | None => Err(End::gone()),
        Some(Err(error)) => Err(broken(&error)),
    }
}

/// What the websocket itself could not read. Its library is not named here, so its words tell a frame over the bound from a broken one.
fn broken(error: &axum::Error) -> End {
    let said = error.to_string();
    if said.contains("too long") || said.contains("Space limit") {
        too_big()
    } else if said.contains("UTF-8") {
        End::malformed("frames are UTF-8")
    } else {
        End::gone()
    }
}

fn too_big() -> End {
    End::with(close::TOO_BIG, format!("a frame holds at most {MAX_FRAME} bytes; larger ones go by POST"))
}

fn frame(text: &[u8]) -> Result<Heard, End> {
    if text.len() > MAX_FRAME {
        return Err(too_big());
    }
    let Typed { r#type } = parse(text)?;
    Ok(match r#type.as_str() {
        "hello" => Heard::Hello(parse(text)?),
        "check_in" => Heard::CheckIn(parse(text)?),
        "ack" => Heard::Ack(parse(text)?),
        "event" => Heard::Event(parse(text)?),
        "hold" => Heard::Hold(parse(text)?),
        "key_ack" => Heard::KeyAck(parse(text)?),
        "fills" => Heard::Fills(parse::<FillsFrame>(text)?.fills),
        other => Heard::Unknown(other.chars().filter(|c| !c.is_control()).take(40).collect()),
    })
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, End> {
    json::read(text).map_err(|error| End::malformed(error.reasons.join(" ")))
}

/// How many frames an agent may still send: 50 a second, and a burst of five seconds' worth.
pub(super) struct Pace {
    left: u32,
    // Up to here what was earned is counted.
    at: Instant,
}

impl Pace {
    const EARN: Duration = Duration::from_millis(20);
    const BURST: u32 = 250;

    pub fn new(now: Instant) -> Self {
        Self { left: Self::BURST, at: now }
    }
    /// Takes one frame; false when there were too many.
    pub fn spend(&mut self, now: Instant) -> bool {
        let earned = u32::try_from(now.duration_since(self.at).as_millis() / Self::EARN.as_millis()).unwrap_or(u32::MAX);
        if earned >= Self::BURST - self.left {
            (self.left, self.at) = (Self::BURST, now);
        } else {
            self.left += earned;
            self.at += Self::EARN * earned;
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<Heard, u16> {
        read(Some(Ok(Message::Text(text.into())))).map_err(|end| end.code)
    }

    #[test]
    fn frames_are_known_by_their_type() {
        assert!(matches!(text(r#"{"type":"check_in","boot":"b","seq":1}"#), Ok(Heard::CheckIn(said)) if said.seq == 1));
        assert!(matches!(text(r#"{"type":"ack","epoch":4,"step":"applied"}"#), Ok(Heard::Ack(_))));
        let key_ack = r#"{"type":"key_ack","key_id":"0193f0a0-0000-7000-8000-000000000001","version":3,"ok":false,"why":"x"}"#;
        assert!(matches!(text(key_ack), Ok(Heard::KeyAck(ack)) if ack.version == 3 && !ack.ok));
        let fill = r#"{"id":"1","at":"2026-11-23T03:12:07.120Z","symbol":"BTC/USDT","side":"buy","quantity":"1","price":"2","x":{}}"#;
        assert!(matches!(text(&format!(r#"{{"type":"fills","fills":[{fill},{fill}]}}"#)), Ok(Heard::Fills(fills)) if fills.len() == 2));
        assert!(matches!(text(r#"{"type":"decisions"}"#), Ok(Heard::Unknown(word)) if word == "decisions"));
        assert!(matches!(read(Some(Ok(Message::Ping(axum::body::Bytes::new())))), Ok(Heard::Nothing)));
    }

    #[test]
    fn what_cannot_be_read_says_why_in_a_code() {
        for wrong in ["", "[]", "{", "{}", r#"{"type":7}"#, r#"{"type":"ack"}"#, r#"{"type":"check_in","seq":-1}"#, r#"{"type":"fills"}"#] {
            assert!(matches!(text(wrong), Err(close::MALFORMED)), "{wrong}");
        }
        let big = format!(r#"{{"type":"check_in","pad":"{}"}}"#, "x".repeat(MAX_FRAME));
        assert!(matches!(text(&big), Err(close::TOO_BIG)));
        assert!(matches!(read(Some(Ok(Message::Binary(axum::body::Bytes::new())))), Err(End { code: close::MALFORMED, .. })));
    }

    #[test]
    fn fifty_frames_a_second_go_on_for_ever_and_more_do_not() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert!((0..5_000).all(|n| pace.spend(begun + Duration::from_millis(20) * n)));
        let mut pace = Pace::new(begun);
        let taken = (0..10_000).take_while(|n| pace.spend(begun + Duration::from_millis(10) * *n)).count();
        assert!((499..=501).contains(&taken), "at a hundred a second the burst is used up after five: {taken}");
        assert!(pace.spend(begun + Duration::from_secs(1_000)), "and earned again");
    }
}
