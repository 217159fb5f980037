//! Verification of a whole log as a fold over its rows: bytes, leaves, columns, order, tree, head, and the signatures of signed acts.
//! It trusts nothing but the bytes; keys come from the log's own enrolment entries.

use super::{
    AssertionText, Canonical, Event, Frontier, SignedAct,
    record::leaf_hash,
    tree::{self, Hash, Node},
};
use crate::domain::{CredentialId, UserId, act};
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
    /// The verifier keys that the log itself records.
    pub log_keys: Vec<String>,
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
    last_ts: i64,
    sizes: BTreeSet<u64>,
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
            last_ts: i64::MIN,
            sizes: BTreeSet::new(),
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
        let at = Some(row.seq);
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
            Ok(event) => self.take_event(row.seq, &actor, &event),
            Err(error) => self.find(at, error.to_string()),
        }
    }

    fn take_event(&mut self, seq: u64, actor: &str, event: &Event) {
        let at = Some(seq);
        if let Some(signed) = event.signed()
            && let Err(why) = self.check_signed(seq, actor, (event, signed))
        {
            self.find(at, why);
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
            Event::UserEnabled { signed: None, .. } => self.report.unsigned += 1,
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
                return Err(format!("signed by a key that had been {how} at entry {seq}"));
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
        for one in std::mem::take(&mut self.elsewhere) {
            self.find(Some(one.seq), format!("a signature does not verify: {}", one.why));
        }
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
        self.report.root = data_encoding::HEXLOWER.encode(&self.frontier.root());
        self.report
    }
}

/// A signature proves the entry only when the act names the same thing.
fn says_the_same(event: &Event, act: &serde_json::Value) -> Result<(), String> {
    let field = |name: &str| act.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let same = match event {
        Event::HoldReleased { hold, .. } => field("kind") == "release" && field("hold") == hold.as_str(),
        Event::BotsStarted { root, bots, .. } => {
            let count = act.get("count").and_then(serde_json::Value::as_u64);
            field("kind") == "start" && field("root") == *root && count == Some(bots.len() as u64)
        }
        Event::EnrolmentCodeMade { bot, .. } => field("kind") == "enrolment_code" && field("bot") == bot.as_str(),
        Event::AgentConfirmed { agent, fingerprint, .. } => {
            field("kind") == "agent_confirm" && field("agent") == agent.as_str() && field("fingerprint") == *fingerprint
        }
        Event::AgentRevoked { agent, .. } => field("kind") == "agent_revoke" && field("agent") == agent.as_str(),
        Event::UserInvited { user, .. } => field("kind") == "invite" && field("user") == user.as_str(),
        Event::UserInvitedAgain { user, .. } => field("kind") == "invite_again" && field("user") == user.as_str(),
        Event::GrantsChanged { user, .. } => field("kind") == "grants" && field("user") == user.as_str(),
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
        Event::TokenCreated { name, .. } => field("kind") == "token_create" && field("name") == *name,
        _ => true,
    };
    if same { Ok(()) } else { Err("the signed act is about something else than the entry".into()) }
}

#[cfg(test)]
mod tests;
