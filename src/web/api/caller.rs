//! Who asks: the API token that a request carries. From memory, so that a stop token works with the database gone.

use crate::app::App;
use crate::authz::{self, Action, Actor, Resource};
use crate::web::{WebError, bearer, extract::Caller};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::sync::Arc;

/// The token that asks, as an actor.
pub struct ByToken(pub Actor);

impl FromRequestParts<Arc<App>> for ByToken {
    type Rejection = WebError;

    /// # Errors
    /// 400 for a token in the address, 401 for none and for one that is not known or has ended.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, WebError> {
        let token = bearer::token(parts)?;
        let Ok(Caller(from)) = Caller::from_request_parts(parts, app).await;
        let actor = app.actor_by_token(token.expose(), &from);
        actor.map(Self).ok_or_else(|| bearer::unauthorized("This API token is not known here, or it has ended."))
    }
}

impl ByToken {
    /// Asks the policy whether tokens of this scope may ever do this, before the request is looked at any closer: a token learns nothing
    /// from the errors of what it may not do. `app` asks again about the very thing.
    ///
    /// # Errors
    /// 403.
    pub fn may(&self, action: Action) -> Result<&Actor, WebError> {
        let own = match &self.0 {
            Actor::Token { team: Some(team), .. } => Resource::Team(team.clone()),
            _ => Resource::Installation,
        };
        authz::check(&self.0, action, &own).map_err(crate::app::AppError::from)?;
        Ok(&self.0)
    }
}
