//! Roles: `operator` and `lead` in a team; `risk`, `admin`, `auditor` for the installation.

use super::{TeamId, quorum::is_small, text::text_enum};

text_enum! {
    /// What a person is here.
    Role {
        /// Runs bots of a team.
        Operator = "operator",
        /// Leads a team.
        Lead = "lead",
        /// Watches over the whole installation and may stop any of it.
        Risk = "risk",
        /// Looks after people and settings; does not trade.
        Admin = "admin",
        /// Reads and verifies; changes nothing.
        Auditor = "auditor",
    }
}

impl Role {
    /// True for roles that are held in a team.
    pub fn is_of_team(self) -> bool {
        matches!(self, Self::Operator | Self::Lead)
    }
    /// True for roles whose keys must be bound to one device: a key that can be copied does not count for them.
    pub fn needs_bound_keys(self) -> bool {
        matches!(self, Self::Lead | Self::Risk | Self::Admin)
    }
}

/// How many security keys a person needs before they may do more than read and stop.
pub const KEYS_NEEDED: usize = 2;

/// A person's security keys that can sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyCount {
    /// All of them.
    pub able: usize,
    /// Those that are bound to one device.
    pub bound: usize,
}

impl KeyCount {
    /// How many of them count for somebody who holds these roles.
    pub fn for_grants(self, grants: &[Grant]) -> usize {
        if grants.iter().any(|grant| grant.role.needs_bound_keys()) { self.bound } else { self.able }
    }
}

/// One role that a person holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The team, exactly when the role is one of a team.
    pub team: Option<TeamId>,
}

/// Why a set of roles may not be held together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToxicPair {
    /// An auditor would check their own work.
    #[error("an auditor holds no other role")]
    AuditorWithOther,
    /// Who grants rights must not use them.
    #[error("an admin holds no trading role (fewer than four enabled people: admin and lead may be combined)")]
    AdminWithTrading,
    /// A team role without a team, or the reverse.
    #[error("operator and lead are held in a team; risk, admin and auditor are not")]
    WrongPlace,
}

/// Checks that a set of roles may be held by one person. `enabled_people` counts the whole installation.
///
/// # Errors
/// The first toxic pair found.
pub fn check_grants(grants: &[Grant], enabled_people: usize) -> Result<(), ToxicPair> {
    if grants.iter().any(|g| g.role.is_of_team() != g.team.is_some()) {
        return Err(ToxicPair::WrongPlace);
    }
    let has = |role| grants.iter().any(|g| g.role == role);
    if has(Role::Auditor) && grants.iter().any(|g| g.role != Role::Auditor) {
        return Err(ToxicPair::AuditorWithOther);
    }
    if has(Role::Admin) && (has(Role::Operator) || has(Role::Risk) || (has(Role::Lead) && !is_small(enabled_people))) {
        return Err(ToxicPair::AdminWithTrading);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: Role) -> Grant {
        Grant { role, team: role.is_of_team().then(TeamId::new) }
    }

    #[test]
    fn toxic_pairs_are_refused() {
        assert_eq!(check_grants(&[grant(Role::Auditor), grant(Role::Risk)], 9), Err(ToxicPair::AuditorWithOther));
        assert_eq!(check_grants(&[grant(Role::Admin), grant(Role::Lead)], 4), Err(ToxicPair::AdminWithTrading));
        assert_eq!(check_grants(&[grant(Role::Admin), grant(Role::Lead)], 3), Ok(()));
        assert_eq!(check_grants(&[grant(Role::Admin), grant(Role::Operator)], 1), Err(ToxicPair::AdminWithTrading));
        assert_eq!(check_grants(&[Grant { role: Role::Lead, team: None }], 1), Err(ToxicPair::WrongPlace));
    }
}
