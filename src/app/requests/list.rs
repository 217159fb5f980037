//! Requests to look at: what needs somebody, what waits for others, what is decided; one with everything that belongs to it.

use super::{Company, RequestFilter, RequestRow, RequestView};
use crate::app::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{RequestId, RequestKind, RequestState, UserId, limits::Node, request::Content};
use crate::storage::{self, request_history::CommentRow};
use std::collections::{BTreeMap, BTreeSet};

/// Decided ones that the inbox lists.
const DECIDED: i64 = 25;

/// What somebody finds in their inbox.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    /// They can act next.
    pub mine: Vec<RequestView>,
    /// Somebody else can.
    pub others: Vec<RequestView>,
    /// Over, newest first.
    pub decided: Vec<RequestRow>,
}

/// True when somebody is who can act next: they can approve it, or asked for what they carry out themselves once it is approved.
pub fn needs(view: &RequestView, user: &UserId, company: &Company) -> bool {
    let is_theirs = view.row.kind.is_by_hand() && view.row.state == RequestState::Approved && view.row.requester == *user;
    is_theirs || view.case.can_vote(user, &company.moment(view.row.kind)).is_ok()
}

impl App {
    /// A person's inbox, with the decided ones before one of them when it is named; and where those go on.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn request_inbox(&self, actor: &Actor, before: Option<&RequestId>) -> Result<(Inbox, Option<RequestId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let user = actor.user().ok_or(AppError::NotFound("person"))?;
        let company = self.company();
        let mut tx = self.db.read().await?;
        let (mine, others) = self.open_requests(&mut tx).await?.iter().cloned().partition(|view| needs(view, user, &company));
        let mut decided = storage::requests::request_decided(&mut tx, before, DECIDED + 1).await?;
        let is_whole = decided.len() as i64 <= DECIDED;
        decided.truncate(usize::try_from(DECIDED).unwrap_or_default());
        let next = decided.last().filter(|_| !is_whole).map(|last| last.id.clone());
        Ok((Inbox { mine, others, decided }, next))
    }

    /// How many requests a person can act on next.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn requests_waiting(&self, actor: &Actor) -> Result<usize, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let Some(user) = actor.user() else { return Ok(0) };
        let open = self.open_requests(&mut *self.db.read().await?).await?;
        let company = self.company();
        Ok(open.iter().filter(|view| needs(view, user, &company)).count())
    }

    /// One request.
    ///
    /// # Errors
    /// `NotFound`, also for what a token of another team may not see; when the database is gone.
    pub async fn request(&self, actor: &Actor, id: &RequestId) -> Result<RequestView, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        if sees(actor, &view.row) { Ok(view) } else { Err(AppError::NotFound("request")) }
    }

    /// Why what a request was asked over is not so any more.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn request_is_stale(&self, view: &RequestView) -> Result<Option<String>, AppError> {
        self.stale_reason(&mut *self.db.read().await?, view.content()).await
    }

    /// What was said about a request, oldest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn request_comments(&self, actor: &Actor, id: &RequestId) -> Result<Vec<CommentRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::request_history::comment_of(&mut *self.db.read().await?, id).await?)
    }

    /// Requests that are looked for, newest first, those before one of them when it is named; and where to go on. A token of a team sees those
    /// of its team and those that concern no team.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn requests(
        &self,
        actor: &Actor,
        filter: &RequestFilter,
        before: Option<&RequestId>,
        most: i64,
    ) -> Result<(Vec<RequestRow>, Option<RequestId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let only = if let Actor::Token { team, .. } = actor { team.as_ref() } else { None };
        let mut rows = storage::requests::request_sought(&mut *self.db.read().await?, filter, (only, before), most + 1).await?;
        let is_whole = rows.len() as i64 <= most;
        rows.truncate(usize::try_from(most).unwrap_or_default());
        let next = rows.last().filter(|_| !is_whole).map(|last| last.id.clone());
        Ok((rows, next))
    }

    /// The open request for looser limits of a level.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn limits_request_of(&self, actor: &Actor, node: &Node) -> Result<Option<RequestRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let kind = RequestKind::Limits;
        let target = Content::Limits { of: node.clone().into(), set: BTreeMap::new() }.target();
        Ok(storage::requests::request_open_of(&mut *self.db.read().await?, kind, &target).await?)
    }

    /// The open requests for other policies: what each is for, and which it is.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn policy_requests(&self, actor: &Actor) -> Result<Vec<(RequestKind, RequestId)>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let open = self.open_requests(&mut *self.db.read().await?).await?;
        let about = |view: &RequestView| match view.content() {
            Content::Policy { about, .. } => Some((*about, view.row.id.clone())),
            _ => None,
        };
        Ok(open.iter().filter_map(about).collect())
    }

    /// Who asked for each of some requests.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn requesters(&self, actor: &Actor, ids: impl Iterator<Item = RequestId>) -> Result<BTreeMap<RequestId, UserId>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let ids: BTreeSet<RequestId> = ids.collect();
        let mut all = BTreeMap::new();
        let mut tx = self.db.read().await?;
        for id in ids {
            if let Some(row) = storage::requests::request_by_id(&mut tx, &id).await? {
                all.insert(id, row.requester);
            }
        }
        Ok(all)
    }
}

/// True when this actor may be shown a request: a token that is bound to a team sees no other team's, nor what people may do. What else concerns no
/// team concerns all.
pub(super) fn sees(actor: &Actor, row: &RequestRow) -> bool {
    let is_of_one_team = matches!(actor, Actor::Token { team: Some(_), .. });
    match &row.team_id {
        Some(team) => authz::sees_team(actor, team),
        None => row.kind != RequestKind::Roles || !is_of_one_team,
    }
}
