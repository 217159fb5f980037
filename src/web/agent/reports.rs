//! `POST /agent/v1/acks`, `/events`, `/fills`, `/holds`: one object or an array of them. An ack, event or fill that is answered 202 is on disk.

use super::{ByAgent, check_in::MOST};
use crate::app::{AppError, observations::OnDisk};
use crate::domain::fill;
use crate::protocol::{AckFrame, EventFrame, FillFrame, FillsFrame, HoldFrame};
use crate::web::{
    Answer, Shared, WebError,
    json::{self, Raw},
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};

/// The most holds at once; an agent has two levels to ask for.
const HOLDS: usize = 16;

/// Takes acknowledgements.
///
/// # Errors
/// 422 for a step or epoch that no agent can acknowledge; 503 when they are not on disk.
pub async fn acks(State(app): Shared, ByAgent(agent): ByAgent, Raw(body): Raw) -> Answer {
    let frames: Vec<AckFrame> = json::read_one_or_many(&body, MOST)?;
    let mut on_disk = Vec::with_capacity(frames.len());
    for frame in &frames {
        on_disk.push(app.acknowledge(&agent, frame)?);
    }
    accepted(on_disk).await
}

/// Takes events.
///
/// # Errors
/// 503 when they are not on disk.
pub async fn events(State(app): Shared, ByAgent(agent): ByAgent, Raw(body): Raw) -> Answer {
    let frames: Vec<EventFrame> = json::read_one_or_many(&body, MOST)?;
    accepted(frames.iter().map(|frame| app.take_event(&agent, frame)).collect()).await
}

/// Takes fills: the frame, an array of them, or one. Whole or not at all.
///
/// # Errors
/// 422 with the field of the first that cannot be taken, and nothing is; 503 when they are not on disk.
pub async fn fills(State(app): Shared, ByAgent(agent): ByAgent, Raw(body): Raw) -> Answer {
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let frames = match json::read::<Holder>(&body) {
        Ok(Holder { fills: Some(_) }) if !is_list => json::read::<FillsFrame>(&body)?.fills,
        // An array, one alone, or nothing that can be read: the reading says what is wrong with it.
        _ => json::read_one_or_many::<FillFrame>(&body, fill::MOST)?,
    };
    match app.take_fills(&agent, &frames).await {
        Ok(taken) => Ok((StatusCode::ACCEPTED, Json(taken)).into_response()),
        Err(AppError::Unavailable(error)) => {
            tracing::warn!(%error, bot = %agent.bot, "fills could not be kept; their agent sends them again");
            Err(not_recorded())
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells the frame from one fill.
#[derive(serde::Deserialize)]
struct Holder {
    fills: Option<serde::de::IgnoredAny>,
}

/// Places holds that the agent asks for on its own bot; the same id again changes nothing.
///
/// # Errors
/// 422 for `kill`, which is a person's.
pub async fn holds(State(app): Shared, ByAgent(agent): ByAgent, Raw(body): Raw) -> Answer {
    let frames: Vec<HoldFrame> = json::read_one_or_many(&body, HOLDS)?;
    let mut placed = Vec::with_capacity(frames.len());
    for frame in &frames {
        let one = app.agent_hold(&agent, frame).await?;
        placed.push(serde_json::json!({
            "id": frame.id, "hold": one.hold.id, "kept": one.kept.as_str(), "repeated": one.repeated,
        }));
    }
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({ "holds": placed }))).into_response())
}

async fn accepted(on_disk: Vec<OnDisk>) -> Answer {
    for one in on_disk {
        if !one.wait().await {
            return Err(not_recorded());
        }
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

fn not_recorded() -> WebError {
    const SAID: &str = "The database did not take it yet. Send it again; what was taken is not counted twice.";
    WebError { retry_after: Some(1), ..WebError::new(StatusCode::SERVICE_UNAVAILABLE, "not-recorded", "Not recorded", SAID) }
}
