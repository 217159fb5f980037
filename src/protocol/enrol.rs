//! Enrolment: a one-time code becomes an agent's token.

use crate::domain::{AgentId, BotId, InstallationId};
use serde::{Deserialize, Serialize};

/// Body of `POST /agent/v1/enrol`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The one-time code.
    pub code: String,
    /// The agent about itself.
    pub agent: EnrolAgent,
    /// Its age X25519 public key, `age1…`.
    pub recipient: String,
}

/// The agent about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolAgent {
    /// A name, usually the host's.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Operating system and architecture.
    pub platform: String,
}

/// Answer `201`.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolResponse {
    /// The agent's id.
    pub agent_id: AgentId,
    /// Its bot.
    pub bot: NamedBot,
    /// The bearer token: shown once, kept by the agent in a file of mode 0600.
    pub token: String,
    /// The installation, remembered by the agent.
    pub installation: NamedInstallation,
    /// How often to check in.
    pub check_in_ms: i64,
    /// When to stop adding.
    pub stale_after_ms: i64,
    /// When to halt.
    pub lapse_after_ms: i64,
}

/// A bot by id and name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NamedBot {
    /// Its id.
    pub id: BotId,
    /// Its name.
    pub name: String,
}

/// An installation by id and name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NamedInstallation {
    /// Its id.
    pub id: InstallationId,
    /// Its name.
    pub name: String,
}
