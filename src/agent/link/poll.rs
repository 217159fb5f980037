//! The poll path: a check-in every `check_in_ms`, and a wait for news beside it, so that a stop arrives at once here too.

use super::{Cut, Line, Mode, News, Sent, TOGETHER, as_cut, backoff::Backoff, wire::WireError};
use crate::protocol::PollCheckIn;
use http::StatusCode;
use std::time::Duration;

/// How long one wait for news lasts.
const WAIT: Duration = Duration::from_secs(25);

enum Outcome {
    Answered,
    Failed(WireError),
    Cut(Cut),
}

/// Checks in for as long as no stream is welcomed; returns when the line is cut.
pub(super) async fn check_ins(line: &Line) -> Cut {
    let mut backoff = Backoff::default();
    let mut urgent = line.link.desk.urgent.clone();
    let mut last_failure = String::new();
    loop {
        line.until(|mode| mode != Mode::Streaming).await;
        urgent.mark_unchanged();
        let outcome = tokio::select! {
            outcome = check_in(line) => outcome,
            () = line.until(|mode| mode == Mode::Streaming) => continue,
        };
        let (wait, heard) = match outcome {
            Outcome::Answered => {
                backoff.reset();
                last_failure.clear();
                line.set_mode(Mode::Polling).await;
                (ms(line.standing().check_in_ms), true)
            }
            Outcome::Cut(cut) => return cut,
            Outcome::Failed(error) => {
                line.set_mode(Mode::Silent).await;
                let text = error.to_string();
                if text != last_failure {
                    tracing::warn!("check-in failed: {text}");
                    last_failure = text;
                }
                (backoff.next(line.standing().patience.stale_after_ms), false)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = urgent.changed(), if heard => tokio::time::sleep(TOGETHER).await,
            () = line.nudge.notified(), if heard => {}
            () = line.until(|mode| mode == Mode::Streaming) => {}
        }
    }
}

async fn check_in(line: &Line) -> Outcome {
    let link = &line.link;
    let standing = line.standing();
    let waiting = link.desk.outbox.after(0);
    let at_ms = link.boot_clock.now_ms();
    let check_in = line.counter.check_in(&standing, &link.boot, link.clock.now());
    let sent = Sent { seq: check_in.seq, at_ms, lapses: standing.lapses, outbox: waiting.last };
    let carries = !waiting.acks.is_empty() || !waiting.events.is_empty() || !waiting.key_acks.is_empty();
    let body = PollCheckIn {
        check_in,
        acks: waiting.acks,
        events: waiting.events,
        key_acks: waiting.key_acks,
        fills: Vec::new(),
        apply_within_ms: Some(link.apply_within_ms),
    };
    let within = ms((standing.patience.stale_after_ms / 2).clamp(500, 10_000));
    let answer = match link.wire.check_in(&link.door, &body, within).await {
        Ok(answer) => answer,
        Err(error) => {
            if let WireError::Refused { status: StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, .. } = &error
                && carries
            {
                // A server that went back in time takes no acknowledgement of what it forgot; contact matters more.
                tracing::warn!("the server does not take the acknowledgements of this agent; they are dropped");
                link.desk.outbox.delivered(sent.outbox);
            }
            return as_cut(&error).map_or(Outcome::Failed(error), Outcome::Cut);
        }
    };
    if answer.installation != link.installation {
        return Outcome::Cut(Cut::WrongInstallation);
    }
    match answer.error {
        // It may be that acknowledgements or events are not on disk: they are sent again.
        Some(why) => line.complain(&why),
        None => link.desk.outbox.delivered(sent.outbox),
    }
    line.tell(News::Directive(Box::new(answer.directive))).await;
    for order in answer.keys {
        line.tell(News::Key(Box::new(order))).await;
    }
    if let Some(renew) = answer.renew.filter(|renew| renew.seq == sent.seq) {
        line.tell(News::Renewed { sent, lease_ms: renew.lease_ms }).await;
    }
    Outcome::Answered
}

/// Waits for news beside the check-ins; returns when the line is cut.
pub(super) async fn waits(line: &Line) -> Cut {
    let link = &line.link;
    let mut backoff = Backoff::default();
    let mut standing = link.desk.standing.clone();
    loop {
        line.until(|mode| mode == Mode::Polling).await;
        let after = line.standing().epoch;
        let heard = tokio::select! {
            heard = link.wire.wait_for_directive(&link.door, after, WAIT) => heard,
            () = line.until(|mode| mode != Mode::Polling) => continue,
        };
        match heard {
            Ok(Some(frame)) => {
                backoff.reset();
                let epoch = frame.epoch;
                line.tell(News::Hint(Box::new(frame))).await;
                line.nudge.notify_one();
                // Until the check-in has brought it too, the same question would be answered the same way again.
                let _ = tokio::time::timeout(Duration::from_secs(2), standing.wait_for(|now| now.epoch >= epoch)).await;
                tokio::time::sleep(TOGETHER).await;
            }
            Ok(None) => backoff.reset(),
            Err(error) => {
                if let Some(cut) = as_cut(&error) {
                    return cut;
                }
                tracing::debug!("waiting for news failed: {error}");
                tokio::time::sleep(backoff.next(line.standing().patience.stale_after_ms)).await;
            }
        }
    }
}

/// Milliseconds as a duration.
pub(super) fn ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
