//! Verification of a whole log as a fold over its rows: bytes, leaves, columns, order, tree, head, and the signatures of signed acts.
//! It trusts nothing but the bytes; keys come from the log's own enrolment entries.

use super::{
    AssertionText, Canonical, Event, Frontier, SignedAct, number,
    record::leaf_hash,
    tree::{self, Hash, Node},
};
use crate::domain::{CredentialId, Grant, StartPlan, TeamId, UserId, act};
use data_encoding::BASE64URL_NOPAD;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How far an entry's time may lie before its predecessor's: replicas' clocks differ.
const SKEW_US: i64 = 5_000_000;
/// At most this many findings are told; the rest are counted.
const FINDINGS_TOLD: usize = 50;

/// Checks one assertion against a public key recorded at enrolment.
pub trait Assertions {
    /// Verifies `assertion` over `challenge` with the key that `passkey` describes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn check(&self, passkey: &str, challenge: &[u8; 32], assertion: &AssertionText) -> Result<(), String>;

    /// The same for an assertion that was made at another relying party: `rp_id`, which this installation had before.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn check_elsewhere(&self, rp_id: &str, passkey: &str, challenge: &[u8; 32], assertion: &AssertionText) -> Result<(), String>;

    /// SHA-256, hex, of the COSE public key that `cose` holds as base64url.
    ///
    /// # Errors
    /// In words, when it is none, or not the key that `passkey` describes.
    fn digest_of_key(&self, passkey: &str, cose: &str) -> Result<String, String>;
}

/// One stored entry as the database holds it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its position.
    pub seq: u64,
    /// The stored leaf.
    pub leaf_hash: Vec<u8>,
    /// The stored bytes.
    pub body: Vec<u8>,
    /// Columns.
    pub id: String,
    /// Columns.
    pub ts: i64,
    /// Columns.
    pub kind: String,
    /// Columns.
    pub actor: String,
    /// Columns.
    pub obj: Option<String>,
}

impl Row {
    /// Takes the entry's bytes into the tree, when they are the next entry's and its stored leaf is theirs; answers with the nodes that this
    /// completes. Columns and signatures are the `Verifier`'s.
    ///
    /// # Errors
    /// What is wrong, in words; the tree is as it was.
    pub fn grow(&self, frontier: &mut Frontier) -> Result<Vec<Node>, String> {
        let expected = frontier.size();
        if self.seq != expected {
            return Err(format!("entry {expected} is missing"));
        }
        let leaf = leaf_hash(&self.body);
        if self.leaf_hash != leaf || Canonical::from_stored(self.body.clone()).is_err() {
            return Err(format!("the bytes of entry {expected} are not those that were recorded: the entry was changed"));
        }
        Ok(frontier.push(leaf))
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// At which entry; none: the log as a whole.
    pub seq: Option<u64>,
    /// What.
    pub what: String,
}

/// The outcome.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Entries read.
    pub entries: u64,
    /// Signatures verified.
    pub signatures: u64,
    /// Entries of a kind that has a signature, without one: keys made with a one-time link, and entries of versions that asked for none.
    pub unsigned: u64,
    /// Root of the tree, hex.
    pub root: String,
    /// What is wrong; empty: nothing.
    pub findings: Vec<Finding>,
    /// Findings beyond those told.
    pub more: u64,
    /// The root at each size that was asked for, as far as there are so many entries.
    pub roots: BTreeMap<u64, Hash>,
    /// The verifier keys that the log itself records, in any incarnation.
    pub log_keys: Vec<String>,
    /// The last incarnation's name; empty: nobody said it.
    pub origin: String,
    /// The incarnations before the last one, oldest first. What stands above of entries, root and roots is the last one's.
    pub earlier: Vec<Earlier>,
    /// What is wrong with an incarnation that was closed for it, exactly as it was found then.
    pub known: Vec<Finding>,
}

/// An incarnation that a later one follows.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Its name.
    pub origin: String,
    /// Entries read.
    pub entries: u64,
    /// The root over them.
    pub root: Hash,
    /// The root at each size that was asked for.
    pub roots: BTreeMap<u64, Hash>,
    /// What the first entry of the next one says of it; none: it says nothing.
    pub closed: Option<Closed>,
}

/// How an incarnation was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why: `rollback`, `mismatch` and the like.
    pub reason: String,
    /// The signed checkpoint over most of what was ever known; empty: none.
    pub last_checkpoint: String,
    /// The first and the last entry that only the sink has.
    pub only_sink: Option<(u64, u64)>,
}

impl Report {
    /// True when nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

struct Key {
    user: UserId,
    passkey: String,
    // At which entry it ended, and how.
    ended: Option<(u64, &'static str)>,
}

/// A signature that does not verify at this relying party; a later entry may say that there was another before.
struct Elsewhere {
    seq: u64,
    passkey: String,
    challenge: [u8; 32],
    assertion: AssertionText,
    why: String,
}

/// The fold.
pub struct Verifier<'a> {
    assertions: &'a (dyn Assertions + Sync),
    frontier: Frontier,
    nodes: Vec<Node>,
    ids: HashSet<String>,
    keys: HashMap<CredentialId, Key>,
    elsewhere: Vec<Elsewhere>,
    requests: super::requests::Requests,
    rights: super::rights::Rights,
    last_ts: i64,
    sizes: BTreeSet<u64>,
    // The number of the incarnation's first entry, and its name.
    base: u64,
    origin: String,
    // How many findings there were when it began, and between which lie those of the one before.
    begun_with: usize,
    closing: (usize, usize),
    is_copy: bool,
    report: Report,
}

impl<'a> Verifier<'a> {
    /// Begins with an empty log.
    pub fn new(assertions: &'a (dyn Assertions + Sync)) -> Self {
        Self {
            assertions,
            frontier: Frontier::default(),
            nodes: Vec::new(),
            ids: HashSet::new(),
            keys: HashMap::new(),
            elsewhere: Vec::new(),
            requests: super::requests::Requests::default(),
            rights: super::rights::Rights::default(),
            last_ts: i64::MIN,
            sizes: BTreeSet::new(),
            base: 0,
            origin: String::new(),
            begun_with: 0,
            closing: (0, 0),
            is_copy: false,
            report: Report::default(),
        }
    }

    /// Asks for the roots at these sizes. Before the first row.
    pub fn note_roots_at(&mut self, sizes: impl IntoIterator<Item = u64>) {
        self.sizes.extend(sizes);
        if self.sizes.contains(&0) {
            self.report.roots.insert(0, tree::empty_root());
        }
    }

    /// Says that what is read is a copy that was made while the log grew: it may have more of an incarnation than the database had in the end.
    pub fn of_a_copy(&mut self) {
        self.is_copy = true;
    }

    /// Begins the next incarnation, of this name. What the log itself says of people's keys stays known.
    pub fn begin(&mut self, origin: &str) {
        if !self.origin.is_empty() {
            let findings = self.report.findings.len();
            self.report.earlier.push(Earlier {
                origin: std::mem::take(&mut self.origin),
                entries: std::mem::take(&mut self.report.entries),
                root: self.frontier.root(),
                roots: std::mem::take(&mut self.report.roots),
                closed: None,
            });
            self.frontier = Frontier::default();
            self.nodes = Vec::new();
            // What was wrong with the one before lies between these.
            self.closing = (self.begun_with, findings);
            self.begun_with = findings;
        }
        self.base = number::of(number::incarnation(origin) as i64, 0).unsigned_abs();
        self.origin = origin.to_owned();
        if self.sizes.contains(&0) {
            self.report.roots.insert(0, tree::empty_root());
        }
    }

    /// Compares the incarnation that was read with its stored nodes, and with its head's size and frontier.
    pub fn end(&mut self, nodes: &[Node], size: u64, frontier: &[u8]) {
        if self.frontier.size() != size {
            self.find(None, format!("the head says {size} entries; there are {}", self.frontier.size()));
        }
        if self.frontier.encode() != frontier {
            self.find(None, "the head's frontier is not that of the entries");
        }
        let stored: HashMap<(u64, u64), _> = nodes.iter().map(|node| ((node.level, node.n), node.hash)).collect();
        let wrong = self.nodes.iter().filter(|node| stored.get(&(node.level, node.n)) != Some(&node.hash)).count();
        if wrong > 0 || stored.len() != self.nodes.len() {
            self.find(None, "stored nodes of the tree are missing, wrong or too many");
        }
        if size == 0 && !self.report.earlier.is_empty() {
            self.find(None, format!("{} has no entry: its first one says how it came to be", self.origin));
        }
    }

    /// The tree so far.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    fn find(&mut self, seq: Option<u64>, what: impl Into<String>) {
        if self.report.findings.len() < FINDINGS_TOLD {
            self.report.findings.push(Finding { seq, what: what.into() });
        } else {
            self.report.more += 1;
        }
    }

    /// Takes the next row, in order of position.
    pub fn take(&mut self, row: Row) {
        let expected = self.frontier.size();
        let number = self.base + row.seq;
        let at = Some(number);
        if row.seq != expected {
            self.find(at, format!("entry {expected} should stand here: entries are missing or out of order"));
        }
        self.report.entries += 1;
        let leaf = leaf_hash(&row.body);
        if row.leaf_hash != leaf {
            self.find(at, "the stored leaf is not the hash of the entry's bytes: the entry was changed");
        }
        self.nodes.extend(self.frontier.push(leaf));
        if self.sizes.contains(&self.frontier.size()) {
            self.report.roots.insert(self.frontier.size(), self.frontier.root());
        }
        let canonical = match Canonical::from_stored(row.body) {
            Ok(canonical) => canonical,
            Err(error) => return self.find(at, format!("the bytes are no entry: {error}")),
        };
        let indexed = canonical.indexed();
        if (&indexed.id, indexed.ts.0, &indexed.kind, &indexed.actor, &indexed.object) != (&row.id, row.ts, &row.kind, &row.actor, &row.obj)
        {
            self.find(at, "the columns that find this entry do not agree with its bytes");
        }
        if indexed.ts.0 < self.last_ts.saturating_sub(SKEW_US) {
            self.find(at, "its time lies before its predecessor's");
        }
        self.last_ts = self.last_ts.max(indexed.ts.0);
        let actor = indexed.actor.clone();
        if !self.ids.insert(indexed.id.clone()) {
            self.find(at, "another entry has the same id");
        }
        match canonical.event() {
            Ok(event) => {
                self.follows(row.seq, &event);
                self.take_event((number, indexed.ts.0), &actor, &event);
            }
            Err(error) => self.find(at, error.to_string()),
        }
    }

    /// The first entry of a later incarnation says what the one before was, and no other entry does.
    fn follows(&mut self, seq: u64, event: &Event) {
        let at = Some(self.base + seq);
        let Event::LogRecovered { from, to, reason, database_size, database_root, last_checkpoint, sink_from, sink_to, .. } = event else {
            if seq == 0 && !self.report.earlier.is_empty() {
                self.find(at, "the first entry of this incarnation does not say what the one before was");
            }
            return;
        };
        let last = self.report.earlier.last_mut().filter(|_| seq == 0);
        let Some(last) = last.filter(|last| last.origin == *from && self.origin == *to) else {
            return self.find(at, "a recovery of the log that closes no incarnation before this one");
        };
        last.closed = Some(Closed { reason: reason.clone(), last_checkpoint: last_checkpoint.clone(), only_sink: sink_from.zip(*sink_to) });
        let hex = |root: &Hash| data_encoding::HEXLOWER.encode(root);
        let is_whole = (last.entries, hex(&last.root)) == (*database_size, database_root.clone());
        // A copy outside of the database may have what the database had lost.
        let has_more = self.is_copy && last.roots.get(database_size).is_some_and(|root| hex(root) == *database_root);
        if self.is_copy && !has_more && reason == "mismatch" {
            let what = format!("{from} is not what the database had when it was closed, for being another than this copy");
            self.report.known.push(Finding { seq: at, what });
            return;
        }
        if !is_whole && !has_more {
            return self.find(at, format!("{from} is not as it was found when this incarnation began: it was changed after that"));
        }
        // It was closed for what is wrong with it, and is byte for byte what two people saw then.
        if reason == "mismatch" {
            let (from, to) = self.closing;
            self.report.known.extend(self.report.findings.drain(from..to));
        }
    }

    fn take_event(&mut self, (seq, ts): (u64, i64), actor: &str, event: &Event) {
        let at = Some(seq);
        if let Some(signed) = event.signed()
            && let Err(why) = self.check_signed(seq, actor, (event, signed))
        {
            self.find(at, why);
        }
        for taken in [self.requests.take(actor, event), self.rights.take((ts, actor), event)] {
            if let Err(why) = taken {
                self.find(at, why);
            }
        }
        match event {
            Event::CredentialAdded { user, credential, passkey, cose, signed, .. } => {
                if let Some(cose) = cose
                    && let Err(why) = self.assertions.digest_of_key(passkey, cose)
                {
                    self.find(at, why);
                }
                self.report.unsigned += u64::from(signed.is_none());
                let key = Key { user: user.clone(), passkey: passkey.clone(), ended: None };
                if self.keys.insert(credential.clone(), key).is_some() {
                    self.find(at, "this key was enrolled before");
                }
            }
            Event::CredentialRemoved { credential, .. } => self.end_key(seq, credential, "removed"),
            Event::CredentialSuspended { credential, .. } => self.end_key(seq, credential, "suspended"),
            Event::RecoveryKeysRemoved { credentials, .. } => {
                credentials.iter().for_each(|credential| self.end_key(seq, credential, "removed by a recovery"));
            }
            Event::RpIdChanged { from, .. } => {
                for one in std::mem::take(&mut self.elsewhere) {
                    match self.assertions.check_elsewhere(from, &one.passkey, &one.challenge, &one.assertion) {
                        Ok(()) => self.report.signatures += 1,
                        Err(_) => self.elsewhere.push(one),
                    }
                }
                for key in self.keys.values_mut() {
                    key.ended = key.ended.or(Some((seq, "left behind with another relying party")));
                }
            }
            Event::UserEnabled { signed: None, request: None, .. } => self.report.unsigned += 1,
            Event::GrantsChanged { signed: None, request: None, .. } => {
                self.find(at, "roles were changed without a signature and without a request");
            }
            Event::LogKeyAdded { vkey, .. } | Event::ReplicaJoined { vkey, .. } => self.report.log_keys.push(vkey.clone()),
            _ => {}
        }
    }

    fn end_key(&mut self, seq: u64, credential: &CredentialId, how: &'static str) {
        match self.keys.get_mut(credential) {
            Some(key) => key.ended = key.ended.or(Some((seq, how))),
            None => self.find(Some(seq), "a key that was never enrolled"),
        }
    }

    /// The act's bytes say what the entry says, every assertion is over exactly these bytes, by the person it names, with a key that had
    /// not ended; and who acted is who signed last.
    fn check_signed(&mut self, seq: u64, actor: &str, (event, signed): (&Event, &SignedAct)) -> Result<(), String> {
        let body = BASE64URL_NOPAD.decode(signed.act.as_bytes()).map_err(|_| "the signed act is not base64url")?;
        let act: serde_json::Value = serde_json::from_slice(&body).map_err(|_| "the signed act is not JSON")?;
        says_the_same(event, &act)?;
        if let Event::CredentialAdded { passkey, cose: Some(cose), .. } = event {
            let digest = self.assertions.digest_of_key(passkey, cose)?;
            if act.get("public_key").and_then(serde_json::Value::as_str) != Some(&digest) {
                return Err("the signed act names another public key than the entry".into());
            }
        }
        if let Event::LogRecovered { alone, .. } = event {
            let people: HashSet<&UserId> = signed.assertions.iter().map(|one| &one.user).collect();
            if signed.assertions.len() < 2 || (people.len() < 2) != *alone {
                return Err("a recovery of the log takes two people, or twice the one there is".into());
            }
        }
        let last = signed.assertions.last().ok_or("a signed act without a signature")?;
        if actor != format!("user:{}", last.user) {
            return Err("signed by somebody else than who acted".into());
        }
        if let Event::CredentialAdded { user, .. } | Event::CredentialRemoved { user, .. } = event
            && *user != last.user
        {
            return Err("somebody's key was added or removed by another's signature".into());
        }
        if let Event::RecoveryVetoed { user, .. } = event
            && *user != last.user
        {
            return Err("a recovery was vetoed by somebody else's signature".into());
        }
        if let Event::RecoveryAsked { user, .. } | Event::RecoveryApproved { user, .. } | Event::RecoveryLinkMade { user, .. } = event
            && *user == last.user
        {
            return Err("somebody signed for the recovery of their own account".into());
        }
        let challenge = act::digest(&body);
        for assertion in &signed.assertions {
            let key = self.keys.get(&assertion.credential).ok_or("signed by a key that was never enrolled")?;
            if key.user != assertion.user {
                return Err("signed by somebody else's key".into());
            }
            if let Some((seq, how)) = key.ended {
                return Err(format!("signed by a key that had been {how} at entry {}", number::words(seq as i64)));
            }
            match self.assertions.check(&key.passkey, &challenge, assertion) {
                Ok(()) => self.report.signatures += 1,
                Err(why) => {
                    let passkey = key.passkey.clone();
                    self.elsewhere.push(Elsewhere { seq, passkey, challenge, assertion: assertion.clone(), why });
                }
            }
        }
        Ok(())
    }

    /// Compares with the stored nodes, and with the head's size and frontier; answers with the report.
    pub fn finish(mut self, nodes: &[Node], size: u64, frontier: &[u8]) -> Report {
        self.end(nodes, size, frontier);
        for one in std::mem::take(&mut self.elsewhere) {
            self.find(Some(one.seq), format!("a signature does not verify: {}", one.why));
        }
        self.report.root = data_encoding::HEXLOWER.encode(&self.frontier.root());
        self.report.origin = self.origin;
        self.report
    }
}

/// A signature proves the entry only when the act names the same thing.
fn says_the_same(event: &Event, act: &serde_json::Value) -> Result<(), String> {
    let field = |name: &str| act.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let same = match event {
        Event::HoldReleased { hold, .. } => match field("kind").as_str() {
            "releases" => {
                let holds = act.get("holds").and_then(serde_json::Value::as_array);
                holds.is_some_and(|all| all.iter().any(|one| one.get("hold").and_then(serde_json::Value::as_str) == Some(hold.as_str())))
            }
            kind => kind == "release" && field("hold") == hold.as_str(),
        },
        Event::BotsStarted { root, bots, .. } => {
            let count = act.get("count").and_then(serde_json::Value::as_u64);
            field("kind") == "start" && field("root") == *root && count == Some(bots.len() as u64)
        }
        Event::StagedStartBegun { root, bots, waves, settle_s, .. } => {
            let plan: Option<StartPlan> = act.get("plan").and_then(|plan| serde_json::from_value(plan.clone()).ok());
            let count = act.get("count").and_then(serde_json::Value::as_u64);
            let is_plan = plan.is_some_and(|plan| plan.waves == *waves && plan.settle_s == *settle_s);
            field("kind") == "start" && field("root") == *root && count == Some(bots.len() as u64) && is_plan
        }
        Event::EnrolmentCodeMade { bot, .. } => field("kind") == "enrolment_code" && field("bot") == bot.as_str(),
        Event::AgentConfirmed { agent, fingerprint, .. } => {
            field("kind") == "agent_confirm" && field("agent") == agent.as_str() && field("fingerprint") == *fingerprint
        }
        Event::AgentRevoked { agent, .. } => field("kind") == "agent_revoke" && field("agent") == agent.as_str(),
        Event::KeyDeletionSigned { key, version, fingerprint, .. } => {
            let is_version = act.get("version").and_then(serde_json::Value::as_i64) == Some(*version);
            field("kind") == "key_delete" && field("key") == key.as_str() && is_version && field("fingerprint") == *fingerprint
        }
        Event::UserInvited { user, name, grants, .. } => {
            field("kind") == "invite" && field("user") == user.as_str() && field("name") == *name && gives(act, grants)
        }
        Event::UserInvitedAgain { user, .. } => field("kind") == "invite_again" && field("user") == user.as_str(),
        Event::GrantsChanged { user, grants, .. } => field("kind") == "grants" && field("user") == user.as_str() && gives(act, grants),
        Event::UserEnabled { user, .. } => field("kind") == "enable" && field("user") == user.as_str(),
        Event::CredentialAdded { user, credential, .. } => {
            field("kind") == "credential_add" && field("user") == user.as_str() && field("credential") == credential.as_str()
        }
        Event::CredentialRemoved { user, credential, .. } => {
            field("kind") == "credential_remove" && field("user") == user.as_str() && field("credential") == credential.as_str()
        }
        Event::RecoveryAsked { recovery, user, .. } => {
            field("kind") == "recovery_ask" && field("recovery") == recovery.as_str() && field("user") == user.as_str()
        }
        Event::RecoveryApproved { recovery, user, .. } => {
            field("kind") == "recovery_approve" && field("recovery") == recovery.as_str() && field("user") == user.as_str()
        }
        Event::RecoveryLinkMade { recovery, user, .. } => {
            let is_kind = ["recovery_link", "recovery_approve"].contains(&field("kind").as_str());
            is_kind && field("recovery") == recovery.as_str() && field("user") == user.as_str()
        }
        Event::RecoveryVetoed { recovery, user, .. } => {
            field("kind") == "recovery_veto" && field("recovery") == recovery.as_str() && field("user") == user.as_str()
        }
        Event::AddressChanged { user, is_set, .. } => {
            let names_one = act.get("address").is_some_and(serde_json::Value::is_string);
            field("kind") == "mail_address" && field("user") == user.as_str() && names_one == *is_set
        }
        Event::DeviceLinkMade { user, name, .. } => {
            field("kind") == "stop_device_link" && field("user") == user.as_str() && field("name") == *name
        }
        Event::DrillBegun { bots, control, .. } => {
            let is_bot = matches!(bots.as_slice(), [bot] if field("bot") == bot.as_str());
            field("kind") == "drill" && is_bot && field("control") == control.as_str()
        }
        Event::RequestApproved { request, revision, digest, .. } => {
            let is_revision = act.get("revision").and_then(serde_json::Value::as_i64) == Some(*revision);
            let is_content = field("digest") == *digest && crate::domain::request::digest(&field("content")) == *digest;
            field("kind") == "request_approve" && field("request") == request.as_str() && is_content && is_revision
        }
        Event::TokenCreated { name, scope, team, .. } => {
            let of_team = act.get("team").and_then(serde_json::Value::as_str) == team.as_ref().map(TeamId::as_str);
            field("kind") == "token_create" && field("name") == *name && field("scope") == *scope && of_team
        }
        Event::LogRecovered { from, to, why, reason, .. } => {
            let names = field("log") == *from && field("next") == *to && field("reason") == *reason && field("why") == *why;
            field("kind") == "recover" && names
        }
        _ => true,
    };
    if same { Ok(()) } else { Err("the signed act is about something else than the entry".into()) }
}

/// Whether a signed act gives these roles, in whatever order.
fn gives(act: &serde_json::Value, grants: &[Grant]) -> bool {
    let signed: Option<Vec<Grant>> = act.get("grants").and_then(|grants| serde_json::from_value(grants.clone()).ok());
    signed.is_some_and(|signed| signed.len() == grants.len() && signed.iter().all(|one| grants.contains(one)))
}

#[cfg(test)]
mod tests;
