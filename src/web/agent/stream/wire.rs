//! The socket's writing side. Every write has its own time limit: a stuck socket delays nobody, and its stream ends.

use crate::protocol::{FromServer, close};
use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use std::{future::poll_fn, sync::Arc, time::Duration};

/// How long one write may take.
const WRITE: Duration = Duration::from_secs(5);
/// How long a peer may take to answer a close; what it still says until then is read and dropped, so that the close reaches it.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest reason in a close frame, bytes.
const REASON: usize = 120;

/// How much of a text a socket took at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it.
    Whole,
    /// A part: `flush` writes the rest.
    InPart,
    /// Nothing: it is not said.
    Not,
}

/// Why a stream ends.
#[derive(Debug)]
pub(super) struct End {
    /// The close code; 0: nobody is there to be told.
    pub code: u16,
    /// In words.
    pub reason: String,
}

impl End {
    /// With a code and words.
    pub fn with(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
    /// The peer went away, or its socket is stuck.
    pub fn gone() -> Self {
        Self::with(0, "gone")
    }
    /// A frame that cannot be read.
    pub fn malformed(reason: impl Into<String>) -> Self {
        Self::with(close::MALFORMED, reason)
    }
    /// Another stream or boot took over.
    pub fn replaced() -> Self {
        Self::with(close::REPLACED, "replaced by a newer stream or boot of this agent")
    }
    /// The credential ended.
    pub fn credential() -> Self {
        Self::with(close::CREDENTIAL_ENDED, "the agent's credential has ended")
    }
}

/// A text that many streams share.
struct SharedText(Arc<str>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The writing side.
pub(super) struct Wire(SplitSink<WebSocket, Message>);

impl Wire {
    pub fn new(sink: SplitSink<WebSocket, Message>) -> Self {
        Self(sink)
    }

    /// Writes a frame.
    pub async fn say(&mut self, frame: &FromServer) -> Result<(), End> {
        self.write(Message::Text(text_of(frame)?.into())).await
    }

    /// Writes a text that many streams share, as far as the socket takes it at once. Never waits.
    pub fn say_now(&mut self, text: Arc<str>) -> Sent {
        let Ok(text) = Utf8Bytes::try_from(Bytes::from_owner(SharedText(text))) else { return Sent::Not };
        let is_ready = poll_fn(|context| self.0.poll_ready_unpin(context)).now_or_never();
        if !matches!(is_ready, Some(Ok(()))) || self.0.start_send_unpin(Message::Text(text)).is_err() {
            return Sent::Not;
        }
        // A socket that broke is found out by whoever flushes it.
        match poll_fn(|context| self.0.poll_flush_unpin(context)).now_or_never() {
            Some(Ok(())) => Sent::Whole,
            Some(Err(_)) | None => Sent::InPart,
        }
    }

    /// Writes what was left.
    pub async fn flush(&mut self) -> Result<(), End> {
        in_time(self.0.flush()).await
    }

    /// Writes an error frame.
    pub async fn error(&mut self, title: &str, detail: impl Into<String>) -> Result<(), End> {
        self.say(&FromServer::Error { title: title.to_owned(), detail: detail.into() }).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        in_time(self.0.send(message)).await
    }

    /// Ends the stream.
    pub async fn close(&mut self, end: End, frames: &mut SplitStream<WebSocket>) {
        if end.code == 0 {
            return;
        }
        let mut reason = end.reason;
        while reason.len() > REASON {
            reason.pop();
        }
        let frame = CloseFrame { code: end.code, reason: reason.into() };
        if self.write(Message::Close(Some(frame))).await.is_ok() {
            let drained = async { while let Some(Ok(_)) = frames.next().await {} };
            // Whoever does not answer in time is left alone.
            let _ = tokio::time::timeout(FAREWELL, drained).await;
        }
    }
}

/// A socket that takes too long is as good as gone.
async fn in_time(writing: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match tokio::time::timeout(WRITE, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::gone()),
    }
}

/// A frame as text.
pub(super) fn text_of(frame: &FromServer) -> Result<String, End> {
    serde_json::to_string(frame).map_err(|error| {
        tracing::error!(%error, "a frame could not be written");
        End::with(1011, "a fault of the server")
    })
}
