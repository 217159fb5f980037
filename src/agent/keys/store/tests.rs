//! Keys on the agent's disk: what is kept, what is refused, what a process that died leaves. Nothing is given to a bot here.

use super::*;
use crate::agent::keys::tests::{Ground, ground};
use crate::domain::KeyPurpose;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_key_is_kept_as_it_was_delivered_and_found_again() {
    let here = ground();
    let Ground { store, key, dir, .. } = &here;
    assert!(store.find().unwrap().keys.is_empty());
    let first = key(1, "binance", KeyPurpose::Execution);
    store.keep(&first).unwrap();
    store.keep(&first).unwrap();
    let second = KeyFrame { version: 2, ..first.clone() };
    assert!(matches!(store.keep(&second), Err(KeyError::Seal(SealError::Moved("version")))), "another number makes no other version");
    let found = store.find().unwrap();
    assert_eq!((found.keys, found.spoilt, found.is_dropping), (vec![first.clone()], vec![], false));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = store.path(&first.key_id, 1);
    assert_eq!((mode(&dir.keys()), mode(&path)), (0o700, 0o600));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("BEGIN AGE ENCRYPTED FILE") && !text.contains("canary"), "{text}");
    assert_eq!(store.open(&first).unwrap().secret.expose(), "canary-secret-1");
}

#[test]
fn what_is_not_this_agents_is_not_kept_and_why_is_said_without_a_secret() {
    let here = ground();
    let Ground { store, key, .. } = &here;
    let good = key(3, "binance", KeyPurpose::Execution);
    let other = ground();
    for (bad, word) in [
        (other.key_for(&good), "another recipient"),
        (KeyFrame { venue: "kraken".into(), ..good.clone() }, "another venue"),
        (KeyFrame { purpose: KeyPurpose::MarketData, ..good.clone() }, "another purpose"),
        (KeyFrame { purpose: KeyPurpose::Guard, ..good.clone() }, "server's own"),
        (KeyFrame { sealed: good.sealed.replace("AGE ENCRYPTED", "AGE"), ..good.clone() }, "changed"),
        (KeyFrame { key_id: KeyId::from_stored("../../identity".into()), ..good.clone() }, "its id is none"),
        (KeyFrame { key_id: KeyId::from_stored(good.key_id.as_str().to_uppercase()), ..good.clone() }, "its id is none"),
    ] {
        let error = store.keep(&bad).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(error.to_string().contains(word) && !said.contains("canary"), "{said}");
    }
    assert!(store.find().unwrap().keys.is_empty(), "and nothing was written");
}

#[test]
fn a_newer_version_stands_beside_the_older_until_that_is_dropped_and_no_older_one_comes_after() {
    let here = ground();
    let Ground { store, key, .. } = &here;
    let (two, three) = (key(2, "binance", KeyPurpose::Execution), key(3, "binance", KeyPurpose::Execution));
    store.keep(&two).unwrap();
    store.keep(&three).unwrap();
    assert_eq!(newest(&store.find().unwrap().keys).values().copied().collect::<Vec<_>>(), [3]);
    assert!(store.forget(&two.key_id, 2).unwrap() && !store.forget(&two.key_id, 2).unwrap());
    assert!(matches!(store.keep(&two), Err(KeyError::Older(3))));
    store.keep(&three).unwrap();
    assert_eq!(store.find().unwrap().keys, [three]);
}

#[test]
fn a_bot_in_another_folder_finds_it() {
    let store = KeyStore::new(&AgentDir::new("my-agent"), &crate::agent::tests::credential());
    assert!(store.dir.is_absolute() && store.identity.is_absolute());
}

#[test]
fn spoilt_files_are_named_and_in_nobodys_way() {
    let here = ground();
    let Ground { store, key, dir, .. } = &here;
    let one = key(1, "binance", KeyPurpose::Execution);
    store.keep(&one).unwrap();
    let name = format!("{}.1.json", one.key_id);
    let renamed = format!("{}.7.json", one.key_id);
    fs::copy(dir.keys().join(&name), dir.keys().join(&renamed)).unwrap();
    fs::write(dir.keys().join("half.json"), "{\"key_id\":").unwrap();
    fs::write(dir.keys().join(format!("{name}.new")), "half").unwrap();
    let found = store.find().unwrap();
    assert_eq!((found.keys.len(), found.spoilt), (1, vec![renamed, "half.json".to_owned()]));
    store.forget_all().unwrap();
    assert_eq!(fs::read_dir(dir.keys()).unwrap().count(), 0, "everything goes");
}

#[test]
fn that_all_are_to_go_is_noted_until_they_are_gone() {
    let here = ground();
    let Ground { store, key, .. } = &here;
    store.note_dropping().unwrap();
    assert!(!store.find().unwrap().is_dropping, "where no key ever was there is nothing to note");
    store.keep(&key(1, "binance", KeyPurpose::Execution)).unwrap();
    store.note_dropping().unwrap();
    assert!(store.find().unwrap().is_dropping);
    store.forget_all().unwrap();
    let found = store.find().unwrap();
    assert!(!found.is_dropping && found.keys.is_empty());
}

#[test]
fn there_is_an_end_to_how_many_are_kept() {
    let here = ground();
    let Ground { store, dir, key, .. } = &here;
    let one = key(1, "binance", KeyPurpose::Execution);
    store.keep(&one).unwrap();
    for n in 2..=MOST_KEYS as i64 {
        let filler = KeyFrame { key_id: KeyId::new(), version: n, sealed: "x".into(), ..one.clone() };
        fs::write(dir.keys().join(format!("{}.{n}.json", filler.key_id)), serde_json::to_vec(&filler).unwrap()).unwrap();
    }
    assert!(matches!(store.keep(&key(2, "binance", KeyPurpose::Execution)), Err(KeyError::Unfit(_))));
    store.keep(&one).unwrap();
}
