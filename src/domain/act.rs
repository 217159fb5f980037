//! Acts: what a security key signs. An act is written as RFC 8785 JSON; the WebAuthn challenge is the SHA-256 of exactly these bytes.

use super::{AgentId, BotId, CredentialId, Epoch, Grant, HoldId, InstallationId, Level, RecoveryId, TeamId, Timestamp, UserId};
use sha2::{Digest, Sha256};

/// One bot of a start (ruling H4): exactly what it will run, and the stop the start must be newer than.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StartLeaf {
    /// The bot.
    pub bot: BotId,
    /// The bot's epoch when the act was prepared; a stop above it, found again inside the transaction, voids the signature for this bot.
    pub after_epoch: Epoch,
    /// Digest of the build its agent reported, when it reported one.
    pub build: Option<String>,
    /// Digest of its configuration, likewise.
    pub config: Option<String>,
    /// The limits version it runs under.
    pub limits_version: i64,
    /// Exchange keys and their versions.
    pub key_versions: std::collections::BTreeMap<String, i64>,
    /// `venue` when the adapter cannot tell orders and the signer looked at the venue (ruling H2).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub orders_checked: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActKind {
    /// End a hold. Starts nothing.
    Release {
        /// The hold.
        hold: HoldId,
        /// Its level.
        level: Level,
        /// Its scope as `fleet`, `team:ID` or `bot:ID`.
        scope: String,
        /// The epoch of its placing.
        placed_epoch: Epoch,
        /// Why it may end.
        why: String,
    },
    /// Let stopped bots trade again.
    Start {
        /// How many.
        count: u64,
        /// RFC 6962 tree hash, base64url, over one `StartLeaf` per bot in order of id.
        root: String,
    },
    /// Make a one-time code that enrols an agent for a bot.
    EnrolmentCode {
        /// The bot.
        bot: BotId,
    },
    /// Confirm that the agent which used the code is the right one.
    AgentConfirm {
        /// The agent.
        agent: AgentId,
        /// Its bot.
        bot: BotId,
        /// What the agent's terminal showed.
        fingerprint: String,
    },
    /// End an agent's credential; stops its bot.
    AgentRevoke {
        /// The agent.
        agent: AgentId,
        /// Its bot.
        bot: BotId,
        /// Why.
        why: String,
    },
    /// Invite a person.
    Invite {
        /// The person.
        user: UserId,
        /// The name they sign in with.
        name: String,
        /// What they may do.
        grants: Vec<Grant>,
    },
    /// Make a new link for a person who was invited and has not come in. Ends the link before.
    InviteAgain {
        /// The person.
        user: UserId,
    },
    /// Replace a person's roles.
    Grants {
        /// The person.
        user: UserId,
        /// What they may do from now on.
        grants: Vec<Grant>,
    },
    /// Give a disabled person their rights back.
    Enable {
        /// The person.
        user: UserId,
    },
    /// Add a security key to one's own. Signed by a key that is there already.
    CredentialAdd {
        /// The person.
        user: UserId,
        /// The new key.
        credential: CredentialId,
        /// SHA-256 of its public key as COSE, hex.
        public_key: String,
        /// What the person calls it.
        nickname: String,
        /// Its model's id, as it says.
        aaguid: Option<String>,
        /// It may be copied to other devices.
        backup_eligible: bool,
    },
    /// Remove one of one's own security keys.
    CredentialRemove {
        /// The person.
        user: UserId,
        /// The key.
        credential: CredentialId,
        /// What the person calls it.
        nickname: String,
    },
    /// Ask that somebody else's account be recovered, whose security keys are lost.
    RecoveryAsk {
        /// The recovery.
        recovery: RecoveryId,
        /// The person.
        user: UserId,
        /// Why.
        why: String,
    },
    /// Approve a recovery.
    RecoveryApprove {
        /// The recovery.
        recovery: RecoveryId,
        /// The person.
        user: UserId,
    },
    /// Make the link of a recovery that was approved.
    RecoveryLink {
        /// The recovery.
        recovery: RecoveryId,
        /// The person.
        user: UserId,
    },
    /// Object to the recovery of one's own account, by a key that is not lost.
    RecoveryVeto {
        /// The recovery.
        recovery: RecoveryId,
        /// The person.
        user: UserId,
    },
    /// Change where one's own notices go.
    MailAddress {
        /// The person.
        user: UserId,
        /// A salted digest of the address: base64url of the SHA-256 of `SALT:ADDRESS`. None: nowhere.
        address: Option<String>,
    },
    /// Make an API token.
    TokenCreate {
        /// Its name.
        name: String,
        /// Its scope's word.
        scope: String,
        /// The team it is bound to.
        team: Option<TeamId>,
        /// How many days it lives; acts of before this was chosen said 90 by saying nothing.
        #[serde(default = "ninety")]
        days: u32,
    },
    /// Allow stop devices, or end them all.
    StopDevices {
        /// True: people may enrol phones of theirs. False: every one ends.
        allowed: bool,
    },
    /// Make the one-time link that turns a phone of one's own into a stop device.
    StopDeviceLink {
        /// The person.
        user: UserId,
        /// What the phone is to be called.
        name: String,
    },
    /// Pause one bot above sandbox for a drill.
    Drill {
        /// The bot.
        bot: BotId,
        /// The bot that must go on.
        control: BotId,
    },
}

fn ninety() -> u32 {
    90
}

impl ActKind {
    /// The word of the kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Release { .. } => "release",
            Self::Start { .. } => "start",
            Self::EnrolmentCode { .. } => "enrolment_code",
            Self::AgentConfirm { .. } => "agent_confirm",
            Self::AgentRevoke { .. } => "agent_revoke",
            Self::Invite { .. } => "invite",
            Self::InviteAgain { .. } => "invite_again",
            Self::Grants { .. } => "grants",
            Self::Enable { .. } => "enable",
            Self::CredentialAdd { .. } => "credential_add",
            Self::CredentialRemove { .. } => "credential_remove",
            Self::RecoveryAsk { .. } => "recovery_ask",
            Self::RecoveryApprove { .. } => "recovery_approve",
            Self::RecoveryLink { .. } => "recovery_link",
            Self::RecoveryVeto { .. } => "recovery_veto",
            Self::MailAddress { .. } => "mail_address",
            Self::TokenCreate { .. } => "token_create",
            Self::StopDevices { .. } => "stop_devices",
            Self::StopDeviceLink { .. } => "stop_device_link",
            Self::Drill { .. } => "drill",
        }
    }
}

/// An act as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Act {
    /// Version of this form: 1.
    pub v: u8,
    /// The installation it is for.
    pub installation: InstallationId,
    /// 128 random bits, base64url: an act is used once.
    pub nonce: String,
    /// After this moment it may not be carried out.
    pub not_after: Timestamp,
    /// What is to be done.
    #[serde(flatten)]
    pub kind: ActKind,
}

/// An act that cannot be written canonically; does not happen with the types above.
#[derive(Debug, thiserror::Error)]
#[error("the act cannot be written as canonical JSON")]
pub struct NotCanonical;

impl Act {
    /// The RFC 8785 bytes that are hashed, stored and shown.
    ///
    /// # Errors
    /// `NotCanonical` when serialisation fails.
    pub fn canonical(&self) -> Result<Vec<u8>, NotCanonical> {
        canonical(self)
    }
}

/// RFC 8785 bytes of any value.
///
/// # Errors
/// `NotCanonical` when serialisation fails.
pub fn canonical<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    serde_json_canonicalizer::to_vec(value).map_err(|_| NotCanonical)
}

/// SHA-256 of an act's bytes: the challenge.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
