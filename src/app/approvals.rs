//! Policies of who approves what: as they are, from memory, and every version there was. They change by requests alone.

use super::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{RequestKind, Rules, TeamId, quorum};
use crate::storage;
pub use crate::storage::approvals::PolicyRow;
use std::sync::{Arc, PoisonError, RwLock};

/// The policies as every page needs them.
#[derive(Default)]
pub struct ApprovalBook(RwLock<Arc<Rules>>);

impl ApprovalBook {
    pub(crate) fn reload(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

impl App {
    /// Who must approve what now.
    pub fn rules(&self) -> Arc<Rules> {
        self.approval_book.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kinds of requests that nobody here could get approved now, each with a sentence. A token of a team hears of no other.
    pub fn policy_gaps(&self, actor: &Actor) -> Vec<(RequestKind, String)> {
        let members = self.members();
        let of_theirs = |team: &Option<TeamId>| match (actor, team) {
            (Actor::Token { team: Some(own), .. }, Some(team)) => own == team,
            _ => true,
        };
        let words = |(kind, team): (RequestKind, Option<TeamId>)| {
            let of = team.and_then(|id| self.people_book.team_name(&id)).map_or_else(String::new, |name| format!(" in team {name}"));
            (kind, format!("Nobody{of} could get {} approved now: too few people hold the roles that are asked for.", kind.words()))
        };
        self.rules().gaps(&members, &quorum::teams(&members)).into_iter().filter(|(_, team)| of_theirs(team)).map(words).collect()
    }

    /// Every version of the policies, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn policy_history(&self, actor: &Actor) -> Result<Vec<PolicyRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut all = storage::approvals::policy_all(&mut *self.db.read().await?).await?;
        all.reverse();
        Ok(all)
    }

    /// Versions of the policies, newest first, those before one of them when it is named; and where to go on.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn policy_versions(&self, actor: &Actor, before: Option<i64>, most: i64) -> Result<(Vec<PolicyRow>, Option<i64>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let before = before.unwrap_or(i64::MAX);
        let mut rows = storage::approvals::policy_before(&mut *self.db.read().await?, before, most + 1).await?;
        let is_whole = rows.len() as i64 <= most;
        rows.truncate(usize::try_from(most).unwrap_or_default());
        let next = rows.last().filter(|_| !is_whole).map(|last| last.version);
        Ok((rows, next))
    }
}
