//! What an entry can say: a closed list with named fields. No free-form map, no request body, no header ever gets in here.

use crate::domain::{
    AccountId, ActEnd, ActId, AgentId, AlertId, BotId, CommentId, CredentialId, DeviceId, DrillId, EmergencyId, Environment, FileNote,
    Grant, Hold, HoldId, ImportId, InstallationId, KeyId, KeyPurpose, Level, MarkId, PressId, ReconciliationId, RecoveryId, RequestId,
    RequestKind, RequestState, Rule, Stage, StopKind, SubaccountId, TeamId, TokenId, UserId, VenueId,
    approval::Approver,
    emergency::Verdict,
    golive::Ran,
    key::{KeyMeasurer, KeyTerms, KeyVerdict},
    safety::SafetySheet,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A WebAuthn assertion as text: base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionText {
    /// Who signed.
    pub user: UserId,
    /// With which key.
    pub credential: CredentialId,
    /// authenticatorData.
    pub authenticator_data: String,
    /// clientDataJSON.
    pub client_data: String,
    /// The signature.
    pub signature: String,
}

/// An act exactly as it was signed, with its signatures: enough to verify it without this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAct {
    /// base64url of the act's RFC 8785 bytes; their SHA-256 is the challenge.
    pub act: String,
    /// The signatures.
    pub assertions: Vec<AssertionText>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data")]
#[expect(missing_docs, reason = "the kinds are their own words and the fields are domain types")]
pub enum Event {
    #[serde(rename = "installation.set_up")]
    InstallationSetUp { installation: InstallationId, admin: UserId },
    #[serde(rename = "installation.link_made")]
    SetupLinkMade { user: UserId },
    #[serde(rename = "installation.demo_link_made")]
    DemoLinkMade { user: UserId },
    #[serde(rename = "user.invited")]
    UserInvited { user: UserId, name: String, grants: Vec<Grant>, signed: SignedAct },
    #[serde(rename = "user.invited_again")]
    UserInvitedAgain { user: UserId, signed: SignedAct },
    #[serde(rename = "user.grants_changed")]
    GrantsChanged {
        user: UserId,
        grants: Vec<Grant>,
        /// One admin's signature; none where a request gives them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<SignedAct>,
        /// The request that gives what one admin does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    /// From here on somebody else could approve them, so that wide roles take a request.
    #[serde(rename = "rights.take_approval")]
    RightsTakeApproval {},
    #[serde(rename = "user.disabled")]
    UserDisabled { user: UserId },
    #[serde(rename = "user.enabled")]
    UserEnabled {
        user: UserId,
        /// None where a request enables them, and in logs of versions that asked for no signature.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<SignedAct>,
        /// The request of somebody who holds what one admin does not give.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    #[serde(rename = "user.password_set")]
    PasswordSet { user: UserId },
    /// The password that was set with a recovery's link ended with what else was made with it.
    #[serde(rename = "user.password_ended")]
    PasswordEnded { user: UserId },
    #[serde(rename = "user.address_set")]
    AddressSet { user: UserId },
    #[serde(rename = "user.address_changed")]
    AddressChanged { user: UserId, is_set: bool, signed: SignedAct },
    #[serde(rename = "credential.added")]
    CredentialAdded {
        user: UserId,
        credential: CredentialId,
        nickname: String,
        passkey: String,
        public_key: String,
        /// The public key as COSE, base64url; none in logs of versions that did not record it. The same for what follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cose: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aaguid: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attestation: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup_eligible: Option<bool>,
        /// None for a key that was made with a one-time link: there was none to sign with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<SignedAct>,
    },
    #[serde(rename = "credential.renamed")]
    CredentialRenamed { user: UserId, credential: CredentialId, nickname: String },
    #[serde(rename = "credential.suspended")]
    CredentialSuspended { user: UserId, credential: CredentialId, why: String },
    #[serde(rename = "credential.removed")]
    CredentialRemoved { user: UserId, credential: CredentialId, nickname: String, signed: SignedAct },
    #[serde(rename = "sign_in.ok")]
    SignedIn { user: UserId, credential: Option<CredentialId> },
    #[serde(rename = "sign_in.failed")]
    SignInFailed { user: Option<UserId>, step: String },
    #[serde(rename = "sign_in.ended")]
    SignedOut { user: UserId },
    /// Sessions of a person that were ended by their names, by the person or by an admin.
    #[serde(rename = "session.ended")]
    SessionsEnded {
        user: UserId,
        // Their names outside of the cookie: as many as ended.
        sessions: Vec<String>,
        // None in logs of versions that wrote down only what somebody ended by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    #[serde(rename = "recovery.asked")]
    RecoveryAsked { recovery: RecoveryId, user: UserId, why: String, signed: Option<SignedAct> },
    #[serde(rename = "recovery.approved")]
    RecoveryApproved { recovery: RecoveryId, user: UserId, approvals: u64, ready_at_us: Option<i64>, signed: SignedAct },
    /// Approvals that no longer count: it waits for others.
    #[serde(rename = "recovery.approvals_dropped")]
    RecoveryApprovalsDropped { recovery: RecoveryId, user: UserId, dropped: Vec<UserId> },
    #[serde(rename = "recovery.ready")]
    RecoveryReady { recovery: RecoveryId, user: UserId },
    #[serde(rename = "recovery.link_made")]
    RecoveryLinkMade { recovery: RecoveryId, user: UserId, acts_ended: u64, signed: SignedAct },
    #[serde(rename = "recovery.by_host")]
    RecoveredByHost { recovery: RecoveryId, user: UserId, could_approve: u64, forced: Option<String>, acts_ended: u64 },
    #[serde(rename = "recovery.keys_removed")]
    RecoveryKeysRemoved { recovery: RecoveryId, user: UserId, credentials: Vec<CredentialId> },
    #[serde(rename = "recovery.done")]
    RecoveryDone { recovery: RecoveryId, user: UserId, frozen_until_us: i64 },
    #[serde(rename = "recovery.vetoed")]
    RecoveryVetoed { recovery: RecoveryId, user: UserId, signed: SignedAct },
    #[serde(rename = "recovery.withdrawn")]
    RecoveryWithdrawn { recovery: RecoveryId, user: UserId },
    #[serde(rename = "recovery.expired")]
    RecoveryExpired { recovery: RecoveryId, user: UserId },
    #[serde(rename = "installation.rp_id_changed")]
    RpIdChanged { from: String, to: String, keys: u64 },
    #[serde(rename = "team.created")]
    TeamCreated { team: TeamId, name: String },
    #[serde(rename = "bot.created")]
    BotCreated { bot: BotId, name: String, team: TeamId, strategy: String, owner: UserId },
    #[serde(rename = "bot.stage_changed")]
    StageChanged { bot: BotId, from: Stage, to: Stage },
    #[serde(rename = "bot.moved")]
    BotMoved { bot: BotId, from: TeamId, to: TeamId },
    #[serde(rename = "bot.apply_within_declared")]
    ApplyWithinDeclared { bot: BotId, apply_within_ms: i64 },
    #[serde(rename = "bot.stopped")]
    BotStopped { bot: BotId, stop: StopKind, why: String },
    #[serde(rename = "bots.stopped")]
    BotsStopped { count: u64, sha256_of_ids: String, bots: Vec<BotId> },
    #[serde(rename = "bots.started")]
    BotsStarted { bots: Vec<BotId>, root: String, signed: SignedAct },
    #[serde(rename = "agent.code_made")]
    EnrolmentCodeMade { bot: BotId, signed: SignedAct },
    #[serde(rename = "agent.code_presented_again")]
    CodePresentedAgain { bot: BotId, agent: Option<AgentId> },
    #[serde(rename = "agent.enrolled")]
    AgentEnrolled { agent: AgentId, bot: BotId, name: String, fingerprint: String, recipient: String, replaced: Option<AgentId> },
    #[serde(rename = "agent.confirmed")]
    AgentConfirmed { agent: AgentId, bot: BotId, fingerprint: String, signed: SignedAct },
    #[serde(rename = "agent.revoked")]
    AgentRevoked { agent: AgentId, bot: BotId, why: String, signed: SignedAct },
    #[serde(rename = "agent.token_made")]
    AgentTokenMade { agent: AgentId, bot: BotId },
    #[serde(rename = "agent.token_changed")]
    AgentTokenChanged { agent: AgentId, bot: BotId },
    #[serde(rename = "agent.boot")]
    BootRecorded { bot: BotId, agent: AgentId, boot: String },
    #[serde(rename = "hold.placed")]
    HoldPlaced {
        hold: HoldId,
        level: Level,
        scope: String,
        why: String,
        by: String,
        pressed_at_us: i64,
        late: bool,
        bot: Option<BotId>,
        team: Option<TeamId>,
        /// What the scope names, where that is neither a bot nor a team.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before_us: Option<i64>,
        /// The press, where it placed other holds as well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        press: Option<PressId>,
    },
    #[serde(rename = "hold.imported")]
    HoldImported { hold: HoldId, origin: HoldId, bot: BotId },
    #[serde(rename = "hold.explained")]
    HoldExplained { hold: HoldId, why: String },
    #[serde(rename = "hold.released")]
    HoldReleased { hold: HoldId, why: String, signed: SignedAct },
    #[serde(rename = "act.prepared")]
    ActPrepared { act: ActId, kind: String, digest: String },
    #[serde(rename = "act.signed")]
    ActSigned { act: ActId, digest: String, by: SignedAct },
    #[serde(rename = "act.ended")]
    ActEnded { act: ActId, digest: String, end: ActEnd, how: String },
    #[serde(rename = "token.created")]
    TokenCreated { token: TokenId, name: String, scope: String, team: Option<TeamId>, signed: SignedAct },
    #[serde(rename = "token.revoked")]
    TokenRevoked {
        token: TokenId,
        // Why it ended by itself; none when a person revoked it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    #[serde(rename = "stop_devices.set")]
    StopDevicesSet { allowed: bool, signed: SignedAct },
    #[serde(rename = "stop_device.link_made")]
    DeviceLinkMade { user: UserId, name: String, signed: SignedAct },
    #[serde(rename = "stop_device.enrolled")]
    DeviceEnrolled { device: DeviceId, user: UserId, name: String, has_key: bool },
    #[serde(rename = "stop_device.used")]
    DeviceUsed { device: DeviceId, user: UserId, hold: HoldId, proof: String, from: Option<String> },
    #[serde(rename = "stop_device.ended")]
    DeviceEnded { device: DeviceId, user: UserId, why: String },
    #[serde(rename = "log.key_added")]
    LogKeyAdded { key_id: String, vkey: String },
    #[serde(rename = "log.replica_joined")]
    ReplicaJoined { key_id: String, vkey: String, size: u64, root: String, checkpoint: String },
    #[serde(rename = "bots.killed")]
    BotsKilled { count: u64, sha256_of_ids: String, bots: Vec<BotId> },
    #[serde(rename = "venue.created")]
    VenueCreated { venue: VenueId, name: String, environment: Environment },
    #[serde(rename = "subaccount.created")]
    SubaccountCreated { subaccount: SubaccountId, venue: VenueId, name: String },
    #[serde(rename = "bot.seated")]
    BotSeated { bot: BotId, from: Option<SubaccountId>, to: Option<SubaccountId> },
    #[serde(rename = "bots.linked")]
    BotsLinked { bot: BotId, other: BotId, why: String },
    #[serde(rename = "bots.unlinked")]
    BotsUnlinked { bot: BotId, other: BotId },
    #[serde(rename = "limits.tightened")]
    LimitsTightened { bot: BotId, version: i64, values: String, why: String },
    #[serde(rename = "limits.taken")]
    LimitsTaken { bot: BotId, version: i64 },
    /// The first entry of an incarnation: the one before is closed as it was found, and this one goes on.
    #[serde(rename = "log.recovered")]
    LogRecovered {
        /// The incarnation that is closed.
        from: String,
        /// This one.
        to: String,
        /// Why the log took nothing: `rollback`, `mismatch` and the like; `take_over` when it was open.
        reason: String,
        why: String,
        /// Entries of the closed one in the database, and the root over their bytes as they were found, hex.
        database_size: u64,
        database_root: String,
        /// The signed checkpoint that covers most of what was ever known; empty: there was none.
        last_checkpoint: String,
        /// The first and the last entry that only the sink has.
        sink_from: Option<u64>,
        sink_to: Option<u64>,
        /// What the counter was raised to.
        epoch: i64,
        /// The fleet pause that was placed.
        hold: HoldId,
        /// The site that took over.
        site: Option<String>,
        /// One person signed twice, because there is no other.
        alone: bool,
        signed: SignedAct,
    },
    #[serde(rename = "site.recovery_asked")]
    SiteRecoveryAsked { why: String, take_over: bool },
    #[serde(rename = "site.recorded")]
    SiteRecorded { site: String, node: String },
    /// Presses that were pushed while the database was gone and are recorded after it: the log has a gap there.
    #[serde(rename = "log.gap")]
    LogGap { from_us: i64, to_us: i64, late: u64 },
    /// A start in waves was signed; its first wave goes at once, with an entry of its own, as every wave has.
    #[serde(rename = "staged_start.begun")]
    StagedStartBegun { act: ActId, bots: Vec<BotId>, root: String, waves: Vec<u64>, settle_s: u64, signed: SignedAct },
    #[serde(rename = "staged_start.wave")]
    StagedStartWave { act: ActId, wave: u64, bots: Vec<BotId> },
    #[serde(rename = "staged_start.ended")]
    StagedStartEnded { act: ActId, waves_started: u64, why: String },
    #[serde(rename = "alert.taken")]
    AlertTaken { alert: AlertId, about: String, bot: Option<BotId> },
    #[serde(rename = "alert.closed")]
    AlertClosed { alert: AlertId, about: String, bot: Option<BotId>, why: String },
    /// What was known of the bots under a hold at its press: the digest of the whole.
    #[serde(rename = "hold.evidence_taken")]
    EvidenceTaken { hold: HoldId, count: u64, late: bool, sha256: String },
    #[serde(rename = "drill.begun")]
    DrillBegun {
        drill: DrillId,
        bots: Vec<BotId>,
        control: BotId,
        /// None in sandbox, where no second person is asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<SignedAct>,
    },
    #[serde(rename = "drill.ended")]
    DrillEnded { drill: DrillId, passed: bool, reasons: String },
    /// Revision 1 of a request; content is RFC 8785 and digest its SHA-256, which is what approvals sign.
    #[serde(rename = "request.asked")]
    RequestAsked {
        request: RequestId,
        about: RequestKind,
        bot: Option<BotId>,
        content: String,
        digest: String,
        policy_version: i64,
        rule: Rule,
        why: String,
    },
    #[serde(rename = "request.revised")]
    RequestRevised { request: RequestId, revision: i64, content: String, digest: String, policy_version: i64, rule: Rule, why: String },
    #[serde(rename = "request.approved")]
    RequestApproved {
        request: RequestId,
        revision: i64,
        digest: String,
        /// Whoever asked signed again, being the only person here: no approval.
        alone: bool,
        signed: SignedAct,
    },
    /// Whoever asked wants one approval more than the policy asks for; the rule as it is from here on.
    #[serde(rename = "request.raised")]
    RequestRaised { request: RequestId, revision: i64, more: Approver, rule: Rule },
    #[serde(rename = "request.approval_taken_back")]
    RequestApprovalTakenBack { request: RequestId, revision: i64, user: UserId },
    #[serde(rename = "request.quorum_met")]
    RequestQuorumMet { request: RequestId, revision: i64, digest: String, ready_at_us: i64 },
    /// It was approved, and what approved it counts no more: it waits again.
    #[serde(rename = "request.reopened")]
    RequestReopened { request: RequestId, revision: i64 },
    #[serde(rename = "request.denied")]
    RequestDenied { request: RequestId, revision: i64, digest: String, why: String },
    #[serde(rename = "request.withdrawn")]
    RequestWithdrawn { request: RequestId },
    #[serde(rename = "request.commented")]
    RequestCommented { request: RequestId, comment: CommentId, text: String },
    #[serde(rename = "request.executed")]
    RequestExecuted { request: RequestId, revision: i64, digest: String, what: String },
    /// It expired, went stale, failed or was asked anew.
    #[serde(rename = "request.ended")]
    RequestEnded { request: RequestId, state: RequestState, why: String },
    /// Limits as a request asked for them.
    #[serde(rename = "limits.changed")]
    LimitsChanged { bot: BotId, version: i64, values: String, why: String, request: RequestId },
    #[serde(rename = "policy.changed")]
    PolicyChanged { version: i64, about: RequestKind, rule: Rule, request: RequestId },
    /// A version of a level of limits. `holds`: the version of what holds for the bot, where that follows at once and changed.
    #[serde(rename = "limits.set")]
    LimitsSet {
        level: String,
        version: i64,
        values: String,
        why: String,
        review_by_us: Option<i64>,
        request: Option<RequestId>,
        bot: Option<BotId>,
        team: Option<TeamId>,
        holds: Option<i64>,
    },
    /// What holds for bots follows what was set above them: each with the version that holds from now on.
    #[serde(rename = "limits.spread")]
    LimitsSpread { bots: Vec<(BotId, i64)> },
    /// A larger position in one symbol for a while.
    #[serde(rename = "limits.overridden")]
    LimitsOverridden { bot: BotId, symbol: String, most: String, until_us: i64, why: String, request: RequestId, holds: Option<i64> },
    #[serde(rename = "limits.override_ended")]
    LimitsOverrideEnded { bot: BotId, symbol: String, request: RequestId, why: String, holds: Option<i64> },
    #[serde(rename = "account.created")]
    AccountCreated { account: AccountId, venue: VenueId, name: String },
    /// What the register says of a venue, an account, a subaccount or a bot was changed, field by field.
    #[serde(rename = "register.edited")]
    RegisterEdited {
        what: String,
        id: String,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bot: Option<BotId>,
        changes: Vec<FieldChange>,
    },
    /// A venue, an account or a subaccount takes no new use from now on, or does again.
    #[serde(rename = "register.retired")]
    RegisterRetired { what: String, id: String, name: String, retired: bool },
    /// Who may start a bot; nobody: whoever its team's roles allow.
    #[serde(rename = "bot.operators_listed")]
    OperatorsListed { bot: BotId, operators: Vec<UserId> },
    /// A file was taken in whole; the difference is kept beside the log, and this is the SHA-256 of it.
    #[serde(rename = "register.imported")]
    RegisterImported { import: ImportId, file_sha256: String, added: u64, changed: u64, difference_sha256: String },
    /// Something changed at an exchange: tests of builds there are due again.
    #[serde(rename = "venue.changed")]
    VenueChanged { venue: VenueId, name: String, what: String },
    /// What somebody saw of an account at its venue.
    #[serde(rename = "account.reviewed")]
    AccountReviewed { account: AccountId, name: String, sheet: SafetySheet },
    /// An alert that says it is a test, to see whether anybody answers.
    #[serde(rename = "alert.test_sent")]
    TestAlertSent {},
    /// Somebody answered for an item of a checklist, signed; or put evidence down for it.
    #[serde(rename = "checklist.marked")]
    ChecklistMarked {
        mark: MarkId,
        bot: BotId,
        stage: Stage,
        item: String,
        said: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
        /// What the bot ran, where the item is about that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ran: Option<Ran>,
        /// The files that were put down, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileNote>,
        until_us: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<SignedAct>,
    },
    /// Another checklist holds; what it asks for stands in its request.
    #[serde(rename = "checklist.changed")]
    ChecklistChanged { stage: Stage, version: i64, items: Vec<String>, request: RequestId },
    /// A bot went up a stage, as was approved: carried out by whoever asked.
    #[serde(rename = "bot.went_up")]
    WentUp { bot: BotId, from: Stage, to: Stage, request: RequestId, digest: String, signed: SignedAct },
    /// Two people let a bot run another build or configuration than was approved, for a while.
    #[serde(rename = "emergency.changed")]
    EmergencyChanged {
        change: EmergencyId,
        bot: BotId,
        from: Ran,
        to: Ran,
        why: String,
        until_us: i64,
        /// Until when somebody else must have reviewed it.
        review_by_us: i64,
        signed: SignedAct,
    },
    #[serde(rename = "emergency.reviewed")]
    EmergencyReviewed { change: EmergencyId, bot: BotId, verdict: Verdict, words: String, signed: SignedAct },
    /// Its time is over, a review or another act ended it, or another approval holds.
    #[serde(rename = "emergency.ended")]
    EmergencyEnded { change: EmergencyId, bot: BotId, why: String },
    /// A key was approved, or other terms of one; the terms as JSON.
    #[serde(rename = "key.approved")]
    KeyApproved { key: KeyId, bot: BotId, purpose: KeyPurpose, terms: KeyTerms, request: RequestId },
    /// A secret was handed in. The fingerprint is the SHA-256 of the venue's name for it.
    #[serde(rename = "key.installed")]
    KeyInstalled { key: KeyId, version: i64, bot: BotId, fingerprint: String, agent: Option<AgentId> },
    /// What its venue says of it; the digest is that of the evidence as it is kept.
    #[serde(rename = "key.measured")]
    KeyMeasured { key: KeyId, version: i64, by: KeyMeasurer, verdict: KeyVerdict, differences: Vec<String>, evidence_sha256: String },
    /// Somebody answers for what the venue does not say.
    #[serde(rename = "key.attested")]
    KeyAttested { key: KeyId, version: i64, fingerprint: String, what: Vec<String>, why: String },
    #[serde(rename = "key.moved")]
    KeyMoved { key: KeyId, version: i64, state: String, why: String },
    #[serde(rename = "key.ended")]
    KeyEnded { key: KeyId, bot: BotId, versions: Vec<i64>, why: String },
    /// Others may know the secret: one way.
    #[serde(rename = "key.compromised")]
    KeyCompromised { key: KeyId, bot: BotId, versions: Vec<i64>, why: String },
    /// A version is to be deleted at its venue, with the key of the main account; what came of it is told by `key.moved`.
    #[serde(rename = "key.deletion_signed")]
    KeyDeletionSigned { key: KeyId, version: i64, bot: BotId, fingerprint: String, why: String, signed: SignedAct },
    /// The first master key of the installation, by its name. No entry tells anything else of one.
    #[serde(rename = "master_key.taken")]
    MasterKeyTaken { master: String },
    #[serde(rename = "master_key.rotation_begun")]
    MasterKeyRotationBegun { from: String, to: String },
    /// Nothing is sealed under the one before any more; so many secrets are under this one.
    #[serde(rename = "master_key.rotated")]
    MasterKeyRotated { from: String, to: String, count: u64 },
    /// It is lost for good: so many secrets were given up with it.
    #[serde(rename = "master_key.lost")]
    MasterKeyLost { master: String, to: String, count: u64 },
    /// Two readings in a row of a bot's venue said something else than its agent.
    #[serde(rename = "reconciliation.confirmed")]
    ReconciliationConfirmed {
        reconciliation: ReconciliationId,
        bot: BotId,
        differs: String,
        reaction: String,
        hold: Option<HoldId>,
        key: String,
    },
    #[serde(rename = "reconciliation.closed")]
    ReconciliationClosed { reconciliation: ReconciliationId, bot: BotId, why: String },
    /// What a difference with its venue does to a bot, and what the guard may cancel.
    #[serde(rename = "bot.watch_set")]
    WatchSet { bot: BotId, reaction: String, guard_cancels: String },
    /// What the server did itself at the venue of a bot that did not answer the stop of an epoch, and what it read back.
    #[serde(rename = "guard.acted")]
    GuardActed { bot: BotId, epoch: i64, step: String, said: String },
}

/// A field as it was and as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which.
    pub field: String,
    /// As it was.
    pub from: String,
    /// As it is.
    pub to: String,
}

/// The most ids that an entry lists; beyond it count and digest stand for them (a leaf holds 65,535 bytes).
const IDS_LISTED: usize = 1_000;

impl Event {
    /// The entry of a hold's placing.
    pub fn hold_placed(hold: &Hold) -> Self {
        use crate::domain::Scope;
        Self::HoldPlaced {
            hold: hold.id.clone(),
            level: hold.level,
            scope: hold.scope.kind().to_owned(),
            why: hold.why.clone(),
            by: hold.placed_by.words(),
            pressed_at_us: hold.at.0,
            late: hold.late,
            bot: if let Scope::Bot(bot) = &hold.scope { Some(bot.clone()) } else { None },
            team: if let Scope::Team(team) = &hold.scope { Some(team.clone()) } else { None },
            named: match &hold.scope {
                Scope::Fleet | Scope::Team(_) | Scope::Bot(_) => None,
                other => Some(other.id().into_owned()),
            },
            not_before_us: hold.not_before.map(|at| at.0),
            press: hold.press.clone(),
        }
    }

    /// The one entry of many bots that stopped together: count, digest of the sorted ids, and the ids while they fit.
    pub fn bots_stopped<'a>(bots: impl Iterator<Item = &'a BotId>) -> Self {
        let (count, sha256_of_ids, bots) = listed(bots);
        Self::BotsStopped { count, sha256_of_ids, bots }
    }

    /// The same of bots that a kill took back to draft.
    pub fn bots_killed<'a>(bots: impl Iterator<Item = &'a BotId>) -> Self {
        let (count, sha256_of_ids, bots) = listed(bots);
        Self::BotsKilled { count, sha256_of_ids, bots }
    }
}

fn listed<'a>(bots: impl Iterator<Item = &'a BotId>) -> (u64, String, Vec<BotId>) {
    let mut bots: Vec<BotId> = bots.cloned().collect();
    bots.sort();
    let mut hash = Sha256::new();
    for bot in &bots {
        hash.update(bot.as_str());
        hash.update(b"\n");
    }
    let count = bots.len() as u64;
    bots.truncate(if bots.len() > IDS_LISTED { 0 } else { IDS_LISTED });
    (count, data_encoding::HEXLOWER.encode(&hash.finalize()), bots)
}
