//! Whoever asks.

use crate::domain::{AgentId, BotId, DeviceId, Grant, PlacedBy, PlacerKind, Role, TeamId, TokenId, TokenScope, UserId};

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    User {
        /// Who.
        id: UserId,
        /// The name shown.
        name: String,
        /// What they hold.
        grants: Vec<Grant>,
        /// The session was idle: it may see states and counts and place holds, nothing else.
        stop_only: bool,
        /// Fewer than two security keys that count: reads, places holds and adds keys, nothing else.
        few_keys: bool,
        /// Their account was recovered a moment ago: sees and stops, nothing else.
        frozen: bool,
    },
    /// A person's stop device. It may stop, and see counts; never more than its owner may.
    Device {
        /// Which.
        id: DeviceId,
        /// What its owner calls it.
        name: String,
        /// Whose it is.
        owner: UserId,
        /// The owner's name.
        owner_name: String,
        /// The owner holds `risk`: the press is theirs.
        as_risk: bool,
    },
    /// An API token.
    Token {
        /// Which.
        id: TokenId,
        /// Its name.
        name: String,
        /// What it is for.
        scope: TokenScope,
        /// The team it is bound to.
        team: Option<TeamId>,
    },
    /// An agent, for its own bot.
    Agent {
        /// Which.
        id: AgentId,
        /// Its bot.
        bot: BotId,
        /// Its name.
        name: String,
    },
    /// The command line on the server's host.
    Host {
        /// The operating system's user.
        user: String,
    },
    /// The server itself: reconcilers and recordings of what was observed.
    Server,
}

impl Actor {
    /// True when a person holds this role, in any team.
    pub fn holds(&self, role: Role) -> bool {
        matches!(self, Self::User { grants, .. } if grants.iter().any(|g| g.role == role))
    }
    /// True when a person holds this role in this team.
    pub fn holds_in(&self, role: Role, team: &TeamId) -> bool {
        matches!(self, Self::User { grants, .. } if grants.iter().any(|g| g.role == role && g.team.as_ref() == Some(team)))
    }
    /// True when the session is stop-only.
    pub fn is_stop_only(&self) -> bool {
        matches!(self, Self::User { stop_only: true, .. })
    }
    /// True while the person's rights are frozen after a recovery.
    pub fn is_frozen(&self) -> bool {
        matches!(self, Self::User { frozen: true, .. })
    }
    /// True when the person has fewer than two security keys that count.
    pub fn has_few_keys(&self) -> bool {
        matches!(self, Self::User { few_keys: true, .. })
    }
    /// The person's id.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { id, .. } => Some(id),
            _ => None,
        }
    }
    /// How this actor is named on a hold.
    pub fn as_placer(&self) -> PlacedBy {
        let as_risk = self.holds(Role::Risk) || matches!(self, Self::Device { as_risk: true, .. });
        let by = |kind, id: &str, name: &str| PlacedBy { kind, id: id.to_owned(), name: name.to_owned(), as_risk };
        match self {
            Self::User { id, name, .. } => by(PlacerKind::User, id.as_str(), name),
            Self::Device { id, owner_name, .. } => by(PlacerKind::Device, id.as_str(), &format!("{owner_name}'s stop device")),
            Self::Token { id, name, .. } => by(PlacerKind::Token, id.as_str(), &format!("token {name}")),
            Self::Agent { id, name, .. } => by(PlacerKind::Agent, id.as_str(), &format!("agent {name}")),
            Self::Host { user } => by(PlacerKind::Host, user, &format!("{user} on the server's host")),
            Self::Server => by(PlacerKind::Trigger, "server", "the server"),
        }
    }
}
