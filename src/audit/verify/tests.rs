//! Tampering, case by case, and what verification says of it; also the case that it honestly cannot see.

use super::*;
use crate::audit::{Actor, Record};
use crate::domain::{TeamId, Timestamp};

struct NoKeys;
impl Assertions for NoKeys {
    fn check(&self, _: &str, _: &[u8; 32], _: &AssertionText) -> Result<(), String> {
        Err("no keys here".into())
    }
    fn check_elsewhere(&self, _: &str, _: &str, _: &[u8; 32], _: &AssertionText) -> Result<(), String> {
        Err("no keys here".into())
    }
    fn digest_of_key(&self, _: &str, _: &str) -> Result<String, String> {
        Err("no keys here".into())
    }
}

struct Log {
    rows: Vec<Row>,
    nodes: Vec<Node>,
    frontier: Frontier,
}

fn log(entries: u64) -> Log {
    let (mut rows, mut nodes, mut frontier) = (Vec::new(), Vec::new(), Frontier::default());
    for seq in 0..entries {
        let event = Event::TeamCreated { team: TeamId::new(), name: format!("team {seq}") };
        let record = Record { actor: Actor::server(), ts: Timestamp(1_000_000 * seq as i64), happened_at: None, node: "n".into(), event };
        let canonical = Canonical::new(&record).unwrap();
        nodes.extend(frontier.push(canonical.leaf()));
        rows.push(row(seq, &canonical));
    }
    Log { rows, nodes, frontier }
}

fn row(seq: u64, canonical: &Canonical) -> Row {
    let indexed = canonical.indexed().clone();
    Row {
        seq,
        leaf_hash: canonical.leaf().to_vec(),
        body: canonical.bytes().to_vec(),
        id: indexed.id,
        ts: indexed.ts.0,
        kind: indexed.kind,
        actor: indexed.actor,
        obj: indexed.object,
    }
}

fn verify(log: Log) -> Report {
    let mut verifier = Verifier::new(&NoKeys);
    for row in log.rows {
        verifier.take(row);
    }
    verifier.finish(&log.nodes, log.frontier.size(), &log.frontier.encode())
}

fn says(report: &Report, what: &str) -> bool {
    report.findings.iter().any(|finding| finding.what.contains(what))
}

#[test]
fn a_whole_log_is_good() {
    let report = verify(log(600));
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!(report.entries, 600);
}

#[test]
fn a_changed_byte_is_found_even_when_the_leaf_is_changed_with_it() {
    let mut changed = log(20);
    let text = String::from_utf8(changed.rows[7].body.clone()).unwrap().replace("team 7", "team 8");
    changed.rows[7].body = text.into_bytes();
    assert!(says(&verify(changed), "the entry was changed"));
    let mut both = log(20);
    let text = String::from_utf8(both.rows[7].body.clone()).unwrap().replace("team 7", "team 8");
    both.rows[7].leaf_hash = leaf_hash(text.as_bytes()).to_vec();
    both.rows[7].body = text.into_bytes();
    assert!(says(&verify(both), "frontier"));
}

#[test]
fn changed_columns_are_found() {
    let mut changed = log(5);
    changed.rows[2].actor = "user:somebody".into();
    assert!(says(&verify(changed), "columns"));
}

#[test]
fn a_removed_a_renumbered_a_swapped_and_an_inserted_entry_are_found() {
    let mut removed = log(20);
    removed.rows.remove(9);
    assert!(says(&verify(removed), "missing or out of order"));
    let mut renumbered = log(20);
    renumbered.rows.remove(9);
    for (seq, row) in renumbered.rows.iter_mut().enumerate() {
        row.seq = seq as u64;
    }
    assert!(says(&verify(renumbered), "the head says 20 entries"));
    let mut swapped = log(20);
    swapped.rows.swap(3, 4);
    swapped.rows[3].seq = 3;
    swapped.rows[4].seq = 4;
    assert!(says(&verify(swapped), "frontier"));
    let mut inserted = log(20);
    let again = inserted.rows[3].clone();
    inserted.rows.insert(10, again);
    for (seq, row) in inserted.rows.iter_mut().enumerate() {
        row.seq = seq as u64;
    }
    let report = verify(inserted);
    assert!(says(&report, "same id") && says(&report, "before its predecessor"));
}

#[test]
fn json_tricks_are_no_entries() {
    let mut other = log(3);
    let text = String::from_utf8(other.rows[1].body.clone()).unwrap();
    let spaced = text.replacen("{", "{ ", 1).into_bytes();
    other.rows[1].leaf_hash = leaf_hash(&spaced).to_vec();
    other.rows[1].body = spaced;
    assert!(says(&verify(other), "canonical"));
    for bad in [r#"{"v":1.5}"#, r#"{"v":1,"v":1}"#, r#"{"A":1}"#, r#"{"v":9007199254740993}"#, "{\"v\":\"\\u0000\"}", "nonsense"] {
        assert!(Canonical::from_stored(bad.as_bytes().to_vec()).is_err(), "{bad}");
    }
    let long = format!("{{\"v\":\"{}\"}}", "x".repeat(65_536));
    assert!(matches!(Canonical::from_stored(long.into_bytes()), Err(crate::audit::NotCanonical::TooLong(_))));
}

#[test]
fn a_tail_cut_off_together_with_its_head_is_not_seen_without_a_later_root() {
    let longer = log(20);
    let mut frontier = Frontier::default();
    let mut shortened = Log { rows: longer.rows, nodes: Vec::new(), frontier: Frontier::default() };
    shortened.rows.truncate(15);
    for row in &shortened.rows {
        frontier.push(leaf_hash(&row.body));
    }
    shortened.frontier = frontier;
    assert!(verify(shortened).is_good(), "this is what checkpoints outside the database are for");
}

/// Takes every assertion, and every key for what it says it is.
struct AllGood;
impl Assertions for AllGood {
    fn check(&self, _: &str, _: &[u8; 32], _: &AssertionText) -> Result<(), String> {
        Ok(())
    }
    fn check_elsewhere(&self, _: &str, _: &str, _: &[u8; 32], _: &AssertionText) -> Result<(), String> {
        Ok(())
    }
    fn digest_of_key(&self, passkey: &str, cose: &str) -> Result<String, String> {
        if passkey == "another" { Err("not that key".into()) } else { Ok(format!("digest of {cose}")) }
    }
}

fn credential(id: &str) -> CredentialId {
    CredentialId(id.to_owned())
}

fn signed(act: serde_json::Value, by: &UserId, key: &str) -> SignedAct {
    let text = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let assertion = AssertionText {
        user: by.clone(),
        credential: credential(key),
        authenticator_data: text("a"),
        client_data: text("c"),
        signature: text("s"),
    };
    SignedAct { act: text(&act.to_string()), assertions: vec![assertion] }
}

fn added(user: &UserId, key: &str, passkey: &str, signed: Option<SignedAct>) -> Event {
    Event::CredentialAdded {
        user: user.clone(),
        credential: credential(key),
        nickname: "blue".into(),
        passkey: passkey.into(),
        public_key: "{}".into(),
        cose: Some(key.into()),
        aaguid: None,
        attestation: None,
        backup_eligible: Some(false),
        signed,
    }
}

fn tell(events: Vec<(Actor, Event)>) -> Report {
    let mut verifier = Verifier::new(&AllGood);
    let (mut nodes, mut frontier) = (Vec::new(), Frontier::default());
    for (seq, (actor, event)) in events.into_iter().enumerate() {
        let record = Record { actor, ts: Timestamp(1_000_000), happened_at: None, node: "n".into(), event };
        let canonical = Canonical::new(&record).unwrap();
        nodes.extend(frontier.push(canonical.leaf()));
        verifier.take(row(seq as u64, &canonical));
    }
    verifier.finish(&nodes, frontier.size(), &frontier.encode())
}

#[test]
fn who_signs_is_who_acts_with_a_key_that_has_not_ended() {
    let (sato, okafor) = (UserId::new(), UserId::new());
    let own = |user: &UserId| Actor::user(user);
    let door = |user: &UserId, key: &str| (Actor::server(), added(user, key, "own", None));
    let enable = |signed| Event::UserEnabled { user: okafor.clone(), signed, request: None };
    let act = || serde_json::json!({"kind": "enable", "user": okafor.as_str()});
    let good = tell(vec![door(&sato, "k1"), (own(&sato), enable(Some(signed(act(), &sato, "k1"))))]);
    assert!(good.is_good() && good.signatures == 1 && good.unsigned == 1, "{good:?}");
    // A log of a version that asked for no signature.
    let old = tell(vec![(own(&sato), enable(None))]);
    assert!(old.is_good() && old.signatures == 0 && old.unsigned == 1, "{old:?}");
    let nobody = Event::GrantsChanged { user: okafor.clone(), grants: Vec::new(), signed: None, request: None };
    assert!(says(&tell(vec![(own(&sato), nobody)]), "without a signature and without a request"), "roles never were");

    let other_actor = tell(vec![door(&sato, "k1"), (own(&okafor), enable(Some(signed(act(), &sato, "k1"))))]);
    assert!(says(&other_actor, "signed by somebody else than who acted"), "{other_actor:?}");
    let ended = |event: Event| tell(vec![door(&sato, "k1"), (own(&sato), event), (own(&sato), enable(Some(signed(act(), &sato, "k1"))))]);
    let remove = serde_json::json!({"kind": "credential_remove", "user": sato.as_str(), "credential": "k1"});
    let removed = Event::CredentialRemoved {
        user: sato.clone(),
        credential: credential("k1"),
        nickname: "blue".into(),
        signed: signed(remove, &sato, "k1"),
    };
    let report = ended(removed);
    assert!(says(&report, "signed by a key that had been removed at entry 1") && report.findings.len() == 1, "{report:?}");
    let suspended = Event::CredentialSuspended { user: sato.clone(), credential: credential("k1"), why: "copied".into() };
    assert!(says(&ended(suspended), "had been suspended at entry 1"));
    let strange = Event::CredentialSuspended { user: sato.clone(), credential: credential("k9"), why: "copied".into() };
    assert!(says(&ended(strange), "a key that was never enrolled"));
}

#[test]
fn a_key_is_added_by_its_owner_and_is_the_one_that_was_signed() {
    let (sato, okafor) = (UserId::new(), UserId::new());
    let add = |user: &UserId, key: &str, digest: &str| serde_json::json!({"kind": "credential_add", "user": user.as_str(), "credential": key, "public_key": format!("digest of {digest}")});
    let told = |act: serde_json::Value, by: &UserId, with: &str, passkey: &str| {
        let event = added(&sato, "k2", passkey, Some(signed(act, by, with)));
        tell(vec![
            (Actor::server(), added(&sato, "k1", "own", None)),
            (Actor::server(), added(&okafor, "o1", "own", None)),
            (Actor::user(by), event),
        ])
    };
    let good = told(add(&sato, "k2", "k2"), &sato, "k1", "own");
    assert!(good.is_good() && good.signatures == 1, "{good:?}");
    assert!(says(&told(add(&sato, "k2", "k3"), &sato, "k1", "own"), "names another public key"));
    assert!(says(&told(add(&sato, "k3", "k2"), &sato, "k1", "own"), "about something else"));
    assert!(says(&told(add(&sato, "k2", "k2"), &okafor, "o1", "own"), "by another's signature"));
    assert!(says(&told(add(&sato, "k2", "k2"), &sato, "k2", "own"), "a key that was never enrolled"), "no key adds itself");
    assert!(says(&told(add(&sato, "k2", "k2"), &sato, "k1", "another"), "not that key"));
}

#[test]
fn entries_of_an_earlier_version_are_read() {
    let old = r#"{"kind":"credential.added","data":{"user":"0193f0a0-0000-7000-8000-000000000001","credential":"k1","nickname":"blue","passkey":"{}","public_key":"{}"}}"#;
    assert!(matches!(serde_json::from_str(old).unwrap(), Event::CredentialAdded { cose: None, signed: None, backup_eligible: None, .. }));
    let old = r#"{"kind":"user.enabled","data":{"user":"0193f0a0-0000-7000-8000-000000000001"}}"#;
    assert!(matches!(serde_json::from_str(old).unwrap(), Event::UserEnabled { signed: None, .. }));
}
