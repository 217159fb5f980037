//! The envelope: whatever is changed, moved or opened with another master key is refused. No file and no service: those are in `cli::master_key`.

use super::*;
use crate::domain::InstallationId;
use proptest::prelude::*;

const CANARY: &[u8] = b"canary-secret-of-a-venue-4711";

fn about() -> About {
    About { key: KeyId::new(), version: 1, purpose: KeyPurpose::Guard }
}

fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn master() -> LocalMasterKey {
    LocalMasterKey::generate().unwrap()
}

#[tokio::test]
async fn it_opens_for_what_it_was_sealed_for_and_for_nothing_else() {
    let (master, good) = (master(), about());
    let record = seal(&master, &good, CANARY).await.unwrap();
    assert_eq!(open(&master, &good, &record).await.unwrap().expose(), CANARY);
    for other in [
        About { key: KeyId::new(), ..good.clone() },
        About { version: 2, ..good.clone() },
        About { purpose: KeyPurpose::Monitor, ..good.clone() },
    ] {
        assert!(matches!(open(&master, &other, &record).await, Err(VaultError::Refused)), "{other:?}");
        assert!(matches!(rewrap(&record, &other, &master, &master).await, Err(VaultError::Refused)), "{other:?}");
    }
}

#[tokio::test]
async fn each_sealing_has_a_data_key_and_a_nonce_of_its_own() {
    let (master, about) = (master(), about());
    let (one, two) = (seal(&master, &about, CANARY).await.unwrap(), seal(&master, &about, CANARY).await.unwrap());
    assert!(one.nonce != two.nonce && one.ciphertext != two.ciphertext && one.wrapped != two.wrapped);
    let mixed = SealedRecord { wrapped: two.wrapped, ..one };
    assert!(matches!(open(&master, &about, &mixed).await, Err(VaultError::Refused)));
}

#[tokio::test]
async fn another_master_key_is_told_by_name_before_anything_is_tried() {
    let (mine, other, about) = (master(), master(), about());
    let record = seal(&mine, &about, CANARY).await.unwrap();
    let error = open(&other, &about, &record).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains(mine.id().as_str()) && said.contains(other.id().as_str()) && said.contains("--master-key"), "{said}");
    assert!(matches!(rewrap(&record, &about, &other, &mine).await, Err(VaultError::WrongMaster { .. })));
    let renamed = SealedRecord { master: other.id().clone(), ..record };
    assert!(matches!(open(&other, &about, &renamed).await, Err(VaultError::Refused)), "a name opens nothing");
}

#[tokio::test]
async fn a_rewrapped_secret_is_the_same_and_the_old_master_key_opens_it_no_more() {
    let (old, new, about) = (master(), master(), about());
    let record = seal(&old, &about, CANARY).await.unwrap();
    let rewrapped = rewrap(&record, &about, &old, &new).await.unwrap();
    assert_eq!((&rewrapped.ciphertext, &rewrapped.nonce), (&record.ciphertext, &record.nonce));
    assert_ne!(rewrapped.wrapped, record.wrapped);
    assert_eq!(open(&new, &about, &rewrapped).await.unwrap().expose(), CANARY);
    assert!(matches!(open(&old, &about, &rewrapped).await, Err(VaultError::WrongMaster { .. })));
    let forced = SealedRecord { master: old.id().clone(), ..rewrapped };
    assert!(matches!(open(&old, &about, &forced).await, Err(VaultError::Refused)));
    assert_eq!(open(&old, &about, &record).await.unwrap().expose(), CANARY, "the record that was given is as it was");
    let mut broken = record.clone();
    broken.ciphertext[0] ^= 1;
    assert!(matches!(rewrap(&broken, &about, &old, &new).await, Err(VaultError::Refused)), "what is broken is not carried over");
}

#[tokio::test]
async fn the_check_value_tells_the_right_master_key_from_every_other() {
    let (mine, other, here) = (master(), master(), InstallationId::new());
    let check = make_check(&mine, &here).await.unwrap();
    verify_check(&mine, &here, &SealedRecord::from_bytes(&check.to_bytes().unwrap()).unwrap()).await.unwrap();
    assert!(matches!(verify_check(&other, &here, &check).await, Err(VaultError::WrongMaster { .. })));
    assert!(matches!(verify_check(&mine, &InstallationId::new(), &check).await, Err(VaultError::Refused)));
    let secret = seal(&mine, &about(), WORDS_OF_CHECK).await.unwrap();
    assert!(matches!(verify_check(&mine, &here, &secret).await, Err(VaultError::Refused)), "a secret is no check value");
    assert!(matches!(open(&mine, &about(), &check).await, Err(VaultError::Refused)), "and a check value no secret");
}

const WORDS_OF_CHECK: &[u8] = b"this is the master key of this installation";

#[tokio::test]
async fn nothing_shows_a_secret() {
    let (master, about) = (LocalMasterKey::new(Secret::new(*b"canary-master-key-of-32-bytes-ok")), about());
    let record = seal(&master, &about, CANARY).await.unwrap();
    let bytes = record.to_bytes().unwrap();
    let opened = open(&master, &about, &record).await.unwrap();
    let wrong = open(&self::master(), &about, &record).await.unwrap_err();
    let shown = format!("{record:?} {master:?} {opened:?} {wrong:?} {wrong} {}", String::from_utf8(bytes).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains("99, 97, 110, 97, 114, 121"), "nor as numbers: {shown}");
}

#[test]
fn what_is_no_record_is_refused() {
    let record = now(seal(&master(), &about(), CANARY)).unwrap();
    let good = String::from_utf8(record.to_bytes().unwrap()).unwrap();
    assert_eq!(SealedRecord::from_bytes(good.as_bytes()).unwrap(), record);
    for bad in [
        good.replace(SCHEME, "andon-vault-2"),
        good.replace("{\"scheme\"", "{\"x\":1,\"scheme\""),
        good.replace("\"nonce\":\"", "\"nonce\":\"AA"),
        good.replace("\"ciphertext\":\"", "\"ciphertext\":\"=\""),
        good[..good.len() - 1].to_owned(),
        String::new(),
    ] {
        assert!(matches!(SealedRecord::from_bytes(bad.as_bytes()), Err(VaultError::Unreadable)), "{bad}");
    }
    assert!(matches!(now(seal(&master(), &about(), &vec![0; MAX_PLAIN + 1])), Err(VaultError::TooLong)));
}

#[test]
fn different_parts_never_bind_alike() {
    let bytes = |kind: &str, parts: &[&[u8]]| Aad::of(kind, parts).bytes(Layer::Secret);
    let all = [bytes("ab", &[b"c"]), bytes("a", &[b"bc"]), bytes("ab", &[b"c", b""]), bytes("abc", &[]), bytes("ab", &[b"", b"c"])];
    for (n, one) in all.iter().enumerate() {
        assert!(all.iter().skip(n + 1).all(|other| one != other), "{n}");
    }
    assert_ne!(about().aad().bytes(Layer::Secret), about().aad().bytes(Layer::DataKey));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(secret in proptest::collection::vec(any::<u8>(), 0..2_000), version in any::<i64>(), which in 0..KeyPurpose::ALL.len()) {
        let about = About { key: KeyId::new(), version, purpose: KeyPurpose::ALL[which] };
        let (old, new) = (master(), master());
        let record = now(seal(&old, &about, &secret)).unwrap();
        let opened = now(open(&old, &about, &record)).unwrap();
        prop_assert_eq!(opened.expose(), &secret);
        let rewrapped = now(rewrap(&record, &about, &old, &new)).unwrap();
        let opened = now(open(&new, &about, &rewrapped)).unwrap();
        prop_assert_eq!(opened.expose(), &secret);
    }

    #[test]
    fn any_changed_byte_refuses(which in 0..3, at in 0_usize..10_000, flip in 1_u8..=255) {
        let (master, about) = (master(), about());
        let mut record = now(seal(&master, &about, CANARY)).unwrap();
        let part = match which {
            0 => &mut record.wrapped,
            1 => &mut record.nonce,
            _ => &mut record.ciphertext,
        };
        let at = at % part.len();
        part[at] ^= flip;
        prop_assert!(matches!(now(open(&master, &about, &record)), Err(VaultError::Refused)));
    }
}
