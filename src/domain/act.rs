//! Acts: what a security key signs. An act is written as RFC 8785 JSON; the WebAuthn challenge is the SHA-256 of exactly these bytes.

use super::{
    AgentId, BotId, CredentialId, EmergencyId, Epoch, Grant, HoldId, InstallationId, KeyId, Level, RecoveryId, RequestId, Stage, TeamId,
    Timestamp, UserId, emergency::Verdict, golive::Ran, text::text_enum,
};
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

/// In which waves the bots of a start go, signed with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StartPlan {
    /// The leaves of the tree in the order in which they go.
    pub order: Vec<u64>,
    /// How many go in each wave; the first is one, the canary.
    pub waves: Vec<u64>,
    /// How long every bot that was started must have been as it should before the next wave, seconds.
    pub settle_s: u64,
}

impl StartPlan {
    /// The canary, then a tenth of all (at least one), then the rest, each in the order of the tree.
    pub fn new(count: usize, canary: usize, settle_s: u64) -> Self {
        let mut order = vec![canary as u64];
        order.extend((0..count as u64).filter(|leaf| *leaf != canary as u64));
        let tenth = (count / 10).max(1).min(count.saturating_sub(1));
        let waves = [1, tenth, count.saturating_sub(1 + tenth)].into_iter().map(|n| n as u64).filter(|n| *n > 0).collect();
        Self { order, waves, settle_s }
    }
    /// The wave of each leaf, by its place in the tree; none when this is no plan for so many bots.
    pub fn wave_of(&self, count: usize) -> Option<Vec<usize>> {
        let mut all = vec![None; count];
        let mut order = self.order.iter();
        for (wave, size) in self.waves.iter().enumerate() {
            for _ in 0..*size {
                let place = all.get_mut(usize::try_from(*order.next()?).ok()?)?;
                if place.replace(wave).is_some() {
                    return None;
                }
            }
        }
        if order.next().is_some() { None } else { all.into_iter().collect() }
    }
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
        /// In which waves; none, as in every act of before there were any: all at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<StartPlan>,
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
    /// Let a log that was frozen, or a site that is another's copy, go on: under a new incarnation, with the fleet paused.
    Recover {
        /// The incarnation that is closed.
        log: String,
        /// The one that goes on.
        next: String,
        /// Why the log takes nothing: `rollback`, `mismatch` and the like; `take_over` when it is open.
        reason: String,
        /// Why it is done, in the words of whoever asked.
        why: String,
        /// Entries of the closed one in the database.
        database_size: u64,
        /// The most entries that a signed checkpoint or the sink ever showed.
        known_size: u64,
        /// SHA-256, hex, of the last known checkpoint; empty: there is none.
        checkpoint: String,
        /// The counter as the database has it.
        database_epoch: Epoch,
        /// The highest report of an agent that is believed; the database's where that is higher.
        accepted_epoch: Epoch,
        /// Bots whose agents report more than that and are not believed: they stay stopped until they are enrolled anew.
        left_out: Vec<BotId>,
        /// The site that becomes the installation's, ending every other; none: it stays.
        site: Option<String>,
    },
    /// Pause one bot above sandbox for a drill.
    Drill {
        /// The bot.
        bot: BotId,
        /// The bot that must go on.
        control: BotId,
    },
    /// Approve one revision of a request.
    RequestApprove {
        /// The request.
        request: RequestId,
        /// Which revision.
        revision: i64,
        /// SHA-256 of its canonical content, hex.
        digest: String,
        /// That content, RFC 8785.
        content: String,
    },
    /// Delete one version of a bot's exchange key at its venue, for good, with the key of the main account.
    KeyDelete {
        /// The key.
        key: KeyId,
        /// Which version.
        version: i64,
        /// Its bot.
        bot: BotId,
        /// SHA-256 of what the venue calls it, hex.
        fingerprint: String,
        /// Why.
        why: String,
    },
    /// Answer for an item of a bot's checklist.
    ChecklistAttest {
        /// The bot.
        bot: BotId,
        /// The stage that the list lets it into.
        stage: Stage,
        /// The item's name.
        item: String,
        /// What it asks for.
        words: String,
        /// What whoever signs says.
        said: String,
        /// Where it can be looked at; none: nowhere.
        link: Option<String>,
        /// What the bot runs; none where the item is not about that.
        ran: Option<Ran>,
    },
    /// Let a bot up a stage, as was approved.
    GoLive {
        /// The request.
        request: RequestId,
        /// The revision that was approved.
        revision: i64,
        /// SHA-256 of its canonical content, hex.
        digest: String,
        /// The bot.
        bot: BotId,
        /// The stage.
        to: Stage,
    },
    /// Let exactly what a bot runs now run for some hours, though something else was approved. Two people sign it. Starts nothing.
    EmergencyChange {
        /// The bot.
        bot: BotId,
        /// What was approved.
        from: Ran,
        /// What it runs.
        to: Ran,
        /// For how many hours.
        hours: u32,
        /// Why.
        why: String,
    },
    /// Review an emergency change, as somebody who did not sign it.
    EmergencyReview {
        /// Which.
        change: EmergencyId,
        /// Its bot.
        bot: BotId,
        /// What was found.
        verdict: Verdict,
        /// In the words of whoever reviewed it.
        words: String,
    },
    /// End several holds of one press, each under its own rule. Starts nothing.
    Releases {
        /// The holds.
        holds: Vec<HeldEnd>,
        /// Why they may end.
        why: String,
    },
}

text_enum! {
    /// How an act ended that was not carried out.
    ActEnd {
        /// Somebody who could sign it denied it.
        Denied = "denied",
        /// Whoever asked for it or signed it took it back.
        Withdrawn = "withdrawn",
        /// Nobody signed it in time.
        Expired = "expired",
    }
}

/// One hold of a release of several.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeldEnd {
    /// The hold.
    pub hold: HoldId,
    /// Its level.
    pub level: Level,
    /// Its scope as `fleet`, `team:ID` or `bot:ID`.
    pub scope: String,
    /// The epoch of its placing.
    pub placed_epoch: Epoch,
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
            Self::Recover { .. } => "recover",
            Self::Drill { .. } => "drill",
            Self::ChecklistAttest { .. } => "checklist_attest",
            Self::GoLive { .. } => "go_live",
            Self::EmergencyChange { .. } => "emergency_change",
            Self::EmergencyReview { .. } => "emergency_review",
            Self::RequestApprove { .. } => "request_approve",
            Self::KeyDelete { .. } => "key_delete",
            Self::Releases { .. } => "releases",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_one_then_a_tenth_then_the_rest() {
        let waves = |count| StartPlan::new(count, 0, 60).waves;
        assert_eq!(
            [2, 3, 9, 10, 25, 100].map(waves),
            [vec![1, 1], vec![1, 1, 1], vec![1, 1, 7], vec![1, 1, 8], vec![1, 2, 22], vec![1, 10, 89]]
        );
        let plan = StartPlan::new(5, 3, 60);
        assert_eq!((plan.order.as_slice(), plan.wave_of(5)), ([3, 0, 1, 2, 4].as_slice(), Some(vec![1, 2, 2, 0, 2])));
    }

    #[test]
    fn what_names_a_bot_twice_or_not_at_all_is_no_plan() {
        let plan = |order: &[u64], waves: &[u64]| StartPlan { order: order.into(), waves: waves.into(), settle_s: 60 }.wave_of(3);
        assert!(plan(&[2, 0, 1], &[1, 2]).is_some());
        for (order, waves) in
            [(&[2, 0, 0][..], &[1, 2][..]), (&[2, 0], &[1, 1]), (&[2, 0, 1], &[1, 1]), (&[2, 0, 3], &[1, 2]), (&[2, 0, 1], &[1, 3])]
        {
            assert_eq!(plan(order, waves), None, "{order:?} {waves:?}");
        }
    }

    #[test]
    fn a_start_without_a_plan_is_written_as_it_always_was() {
        let kind = ActKind::Start { count: 2, root: "r".into(), plan: None };
        assert_eq!(serde_json::to_string(&kind).unwrap(), r#"{"kind":"start","count":2,"root":"r"}"#);
    }
}
