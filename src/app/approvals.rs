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

    /// Kinds of requests that nobody here could get approved now, each with a sentence.
    pub fn policy_gaps(&self) -> Vec<(RequestKind, String)> {
        let members = self.members();
        let words = |(kind, team): (RequestKind, Option<TeamId>)| {
            let of = team.and_then(|id| self.people_book.team_name(&id)).map_or_else(String::new, |name| format!(" in team {name}"));
            (kind, format!("Nobody{of} could get {} approved now: too few people hold the roles that are asked for.", kind.words()))
        };
        self.rules().gaps(&members, &quorum::teams(&members)).into_iter().map(words).collect()
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
}
