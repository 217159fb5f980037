//! API tokens: listed and revoked here; made by a signed act.

use super::{App, AppError};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{Timestamp, TokenId};
use crate::storage::{self, Lane, tokens::StoredToken};

impl App {
    /// Every token, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn tokens(&self, actor: &Actor) -> Result<Vec<StoredToken>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::tokens::token_all(&mut *self.db.read().await?).await?)
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when it had ended.
    pub async fn revoke_token(&self, actor: &Actor, id: &TokenId) -> Result<(), AppError> {
        let all = storage::tokens::token_all(&mut *self.db.read().await?).await?;
        let token = all.into_iter().find(|token| token.id == *id).ok_or(AppError::NotFound("token"))?;
        let resource = token.team_id.map_or(Resource::Installation, Resource::Team);
        let permit = authz::check(actor, Action::ManageTokens, &resource)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let now: Timestamp = act.now();
        if !storage::tokens::token_revoke(act.tx(), id, now).await? {
            return Err(AppError::conflict("this token has ended already"));
        }
        act.changes_books();
        act.commit_stop(Event::TokenRevoked { token: id.clone() }).await?;
        Ok(())
    }

    /// Who presents this bearer token, from memory: a stop token works with the database gone.
    pub fn actor_by_token(&self, token: &str) -> Option<Actor> {
        let known = self.token_book.find(token, self.clock.now())?;
        Some(Actor::Token { id: known.id, name: known.name, scope: known.scope, team: known.team })
    }
}
