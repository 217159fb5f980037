//! API tokens: listed and revoked here; made by a signed act. None outlives the rights of its maker: that is asked at each use.

use super::{App, AppError};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Denied, Permit, Resource};
use crate::domain::{Audience, Notice, NoticeKind, Role, TeamId, Timestamp, TokenId, TokenScope};
use crate::storage::{self, Lane, tokens::StoredToken};

impl App {
    /// Every token, newest first, with its last use as memory and the database have it.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn tokens(&self, actor: &Actor) -> Result<Vec<StoredToken>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut all = storage::tokens::token_all(&mut *self.db.read().await?).await?;
        for token in &mut all {
            if let Some(last) = self.token_book.uses.of(&token.id).filter(|last| Some(last.at) > token.last_used_at) {
                (token.last_used_at, token.last_used_from) = (Some(last.at), Some(last.from));
            }
        }
        Ok(all)
    }

    /// True while a token stands: whoever made it is there and has the rights that it takes. One of a scope that this version does not know
    /// does not.
    pub fn token_stands(&self, token: &StoredToken) -> bool {
        self.is_of_maker(token, authz::may_keep_token)
    }

    /// True when a token that stands is refused all the same, until its maker's security keys and account are in order.
    pub fn token_rests(&self, token: &StoredToken) -> bool {
        self.token_stands(token) && !self.is_of_maker(token, authz::token_works)
    }

    fn is_of_maker(&self, token: &StoredToken, is_so: fn(&Actor, TokenScope, Option<&TeamId>) -> bool) -> bool {
        let Ok(scope) = token.scope.parse() else { return false };
        self.actor_of(&token.made_by, false).is_some_and(|maker| is_so(&maker, scope, token.team_id.as_ref()))
    }

    /// Lets somebody end a token: who looks after those of its team, and of one that files builds also whoever made it.
    ///
    /// # Errors
    /// `Denied`.
    pub fn may_end_token(&self, actor: &Actor, token: &StoredToken) -> Result<Permit, Denied> {
        let resource = token.team_id.clone().map_or(Resource::Installation, Resource::Team);
        let is_own = actor.user() == Some(&token.made_by);
        let needs = token.scope.parse::<TokenScope>().ok().filter(|_| is_own).map_or(Action::ManageTokens, authz::to_give);
        authz::check(actor, needs, &resource)
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when it had ended.
    pub async fn revoke_token(&self, actor: &Actor, id: &TokenId) -> Result<(), AppError> {
        let all = storage::tokens::token_all(&mut *self.db.read().await?).await?;
        let token = all.into_iter().find(|token| token.id == *id).ok_or(AppError::NotFound("token"))?;
        let permit = self.may_end_token(actor, &token)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        // Other replicas read again what has an epoch they have not seen.
        act.epoch().await?;
        let now: Timestamp = act.now();
        if !storage::tokens::token_revoke(act.tx(), id, now).await? {
            return Err(AppError::conflict("this token has ended already"));
        }
        act.changes_books();
        let by = actor.as_placer().name;
        let notice = Notice::new(
            NoticeKind::TokenEnded,
            id,
            format!("API token {} was revoked", token.name),
            format!("{by} revoked the API token {}. What used it is refused from now on.", token.name),
        );
        act.tell(&self.token_audience(&token), &notice.at("/tokens")).await?;
        act.commit_stop(Event::TokenRevoked { token: id.clone(), why: None }).await?;
        Ok(())
    }

    /// Who is told of a token: its maker, the leads of its team, everyone who administers.
    pub(crate) fn token_audience(&self, token: &StoredToken) -> Audience {
        let mut to = Audience::person(&token.made_by).and_admins();
        if let Some(team) = &token.team_id {
            let leads = |grant: &crate::domain::Grant| grant.role == Role::Lead && grant.team.as_ref() == Some(team);
            let users = self.people().users();
            to.people.extend(users.iter().filter(|user| user.enabled && user.grants.iter().any(leads)).map(|user| user.id.clone()));
        }
        to
    }

    /// Who presents this bearer token, from memory: a stop token works with the database gone. The use is noted, in memory too.
    pub fn actor_by_token(&self, token: &str, from: &str) -> Option<Actor> {
        let now = self.clock.now();
        let known = self.token_book.find(token, now)?;
        self.actor_of(&known.made_by, false).filter(|maker| authz::token_works(maker, known.scope, known.team.as_ref()))?;
        self.token_book.uses.note(&known.id, now, from);
        Some(Actor::Token { id: known.id, name: known.name, scope: known.scope, team: known.team })
    }
}
