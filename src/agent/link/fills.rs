//! Fills go beside the line, by requests of their own: whoever checks in, hears a stop or acknowledges it never waits for them, and the answer says
//! that they are on disk.

use super::{Cut, Line, Mode, as_cut, backoff::Backoff, wire::WireError};
use crate::domain::fill::MOST;
use http::StatusCode;
use std::time::Duration;

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Sends what waits for as long as the server answers; returns when the line is cut.
pub(super) async fn sends(line: &Line) -> Cut {
    let fills = line.link.desk.fills.clone();
    let mut backoff = Backoff::default();
    let (mut most, mut last_why) = (MOST, String::new());
    loop {
        fills.filled().await;
        line.until(|mode| matches!(mode, Mode::Polling | Mode::Streaming)).await;
        let batch = fills.first(most);
        match line.link.wire.send_fills(&line.link.door, &batch, WITHIN).await {
            Ok(_) => {
                fills.delivered(batch.len());
                backoff.reset();
                (most, last_why) = (MOST, String::new());
            }
            Err(WireError::Refused { status, why }) if is_for_ever(status) => {
                // One that this server does not take keeps no other back.
                if batch.len() == 1 {
                    tracing::warn!("the server does not take a fill, and it is dropped: {why}");
                    fills.delivered(1);
                    most = MOST;
                } else {
                    most = 1;
                }
            }
            Err(error) => {
                if let Some(cut) = as_cut(&error) {
                    return cut;
                }
                let why = error.to_string();
                if why != last_why {
                    tracing::warn!("fills wait, as they could not be sent: {why}");
                    last_why = why;
                }
                tokio::time::sleep(backoff.next(line.standing().patience.stale_after_ms)).await;
            }
        }
    }
}

/// True for what no repetition changes.
fn is_for_ever(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY)
}
