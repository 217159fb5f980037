//! `GET /agent/v1/directive`: the long poll. It makes a stop arrive at once without a stream; it renews nothing.

use super::ByAgent;
use crate::app::{
    App,
    agent_book::LiveAgent,
    check_in::{Carries, Unheard},
};
use crate::domain::{Epoch, State as BotState};
use crate::protocol::DirectiveFrame;
use crate::web::{Answer, Shared, WebError, query::Params};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use std::{sync::Arc, time::Duration};

/// The longest wait.
const LONGEST_MS: i64 = 30_000;
/// The wait when none is asked for.
const USUAL_MS: i64 = 25_000;

/// Answers with the directive as soon as its epoch is above `after`, or 204 when `wait_ms` have passed or the server stops.
///
/// # Errors
/// 400 for parameters that are no numbers; 401.
pub async fn show(State(app): Shared, ByAgent(agent): ByAgent, params: Params) -> Answer {
    let after = Epoch(params.number("after", 0..=i64::MAX, 0)?);
    let wait_ms = params.number("wait_ms", 0..=LONGEST_MS, USUAL_MS)?;
    let wait = Duration::from_millis(wait_ms.unsigned_abs());
    match tokio::time::timeout(wait, wait_for(&app, &agent, after)).await {
        Ok(Ok(Some(frame))) => Ok(Json(frame).into_response()),
        Ok(Ok(None)) | Err(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Err(error)) => Err(error),
    }
}

async fn wait_for(app: &Arc<App>, agent: &LiveAgent, after: Epoch) -> Result<Option<DirectiveFrame>, WebError> {
    let mut watch = app.fleet.subscribe();
    let mut closing = app.lines.closing();
    loop {
        if let Some(frame) = newer(app, agent, after, &mut watch).await? {
            return Ok(Some(frame));
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return Ok(None) },
            _ = closing.wait_for(|closing| *closing) => return Ok(None),
        }
    }
}

type Watch = tokio::sync::watch::Receiver<Arc<crate::fleet::View>>;

/// The directive when it is newer. Down from memory; `active` only from a fresh read, and when that fails the check-in has to bring it.
async fn newer(app: &Arc<App>, agent: &LiveAgent, after: Epoch, watch: &mut Watch) -> Result<Option<DirectiveFrame>, WebError> {
    let view = watch.borrow_and_update().clone();
    let bot = view.bot(&agent.bot).ok_or_else(super::bearer::ended)?;
    let directive = view.directive(bot);
    if directive.epoch <= after {
        return Ok(None);
    }
    if directive.state != BotState::Active {
        return Ok(Some(app.stop_frame(&view, bot, &directive, &Carries::default())));
    }
    match app.risen(agent, None, &Carries::default()).await {
        Ok((_, frame)) => Ok(Some(frame)),
        Err(Unheard::ViewTooOld | Unheard::AnotherSite) => Ok(None),
        Err(other) => Err(other.into()),
    }
}
