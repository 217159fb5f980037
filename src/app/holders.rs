//! Who held a critical right at any moment (requirement A12): lead, risk, admin. Folded from the entries of the log, not from what is true now.

use super::{App, AppError};
use crate::audit::{Canonical, Event};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{Grant, Role, Timestamp, UserId};
use crate::storage;
use std::collections::BTreeMap;

/// Somebody who held a critical right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub user: UserId,
    /// Their critical rights; what else they held is left out.
    pub grants: Vec<Grant>,
    /// Since when they held exactly these.
    pub since: Timestamp,
}

#[derive(Default)]
struct Standing {
    grants: Vec<Grant>,
    is_disabled: bool,
    since: Timestamp,
}

/// True for rights that are critical.
pub fn is_critical(role: Role) -> bool {
    matches!(role, Role::Lead | Role::Risk | Role::Admin)
}

fn fold(people: &mut BTreeMap<UserId, Standing>, at: Timestamp, event: Event) {
    let critical = |grants: Vec<Grant>| grants.into_iter().filter(|grant| is_critical(grant.role)).collect::<Vec<_>>();
    let (user, grants, is_disabled) = match event {
        Event::InstallationSetUp { admin, .. } => (admin, Some(vec![Grant { role: Role::Admin, team: None }]), None),
        Event::UserInvited { user, grants, .. } | Event::GrantsChanged { user, grants, .. } => (user, Some(critical(grants)), None),
        Event::UserDisabled { user } => (user, None, Some(true)),
        Event::UserEnabled { user, .. } => (user, None, Some(false)),
        _ => return,
    };
    let standing = people.entry(user).or_default();
    let before = (standing.grants.clone(), standing.is_disabled);
    standing.grants = grants.unwrap_or_else(|| before.0.clone());
    standing.is_disabled = is_disabled.unwrap_or(before.1);
    if (&standing.grants, standing.is_disabled) != (&before.0, before.1) {
        standing.since = at;
    }
}

impl App {
    /// Everybody who held a critical right at a moment, in order of their first coming.
    ///
    /// # Errors
    /// `Denied`; when the database is gone or an entry cannot be read.
    pub async fn critical_holders(&self, actor: &Actor, at: Timestamp) -> Result<Vec<Holder>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut people = BTreeMap::new();
        for row in storage::audit::audit_of_rights(&mut *self.db.read().await?, at).await? {
            let (at, seq) = (Timestamp(row.ts), row.seq);
            let unreadable = |_| AppError::from(storage::Error::Unreadable(format!("entry {seq}")));
            fold(&mut people, at, Canonical::from_stored(row.body).and_then(|entry| entry.event()).map_err(unreadable)?);
        }
        let holds = |(user, standing): (UserId, Standing)| {
            let is_one = !standing.is_disabled && !standing.grants.is_empty();
            is_one.then_some(Holder { user, grants: standing.grants, since: standing.since })
        };
        Ok(people.into_iter().filter_map(holds).collect())
    }
}
