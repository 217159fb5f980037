//! Who speaks: the agent whose token the request carries. From memory, so that a dead database silences nobody.

use crate::app::{App, agent_book::LiveAgent};
use crate::web::{WebError, bearer};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::sync::Arc;

/// The agent that asks.
pub struct ByAgent(pub Arc<LiveAgent>);

impl FromRequestParts<Arc<App>> for ByAgent {
    type Rejection = WebError;

    /// # Errors
    /// 400 for a token in the address, 401 for none and for one that is not known or has ended.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, WebError> {
        let token = bearer::token(parts)?;
        app.agent_by_token(token.expose()).map(Self).ok_or_else(ended)
    }
}

/// A token that is not known, or whose agent has ended: alike.
pub(super) fn ended() -> WebError {
    bearer::unauthorized("This agent token is not known here, or its agent has ended. Halt the bot.")
}
