//! Notes against the format's own example, against a note made by other software, and against everything that is nearly one.

use super::*;
use crate::audit::tree;
use proptest::prelude::*;

/// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
const GO_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

/// Made with hashlib and PyCA's `cryptography`: seed 00 01 … 1f, the log of the entries `a`, `b`, `c`.
const VKEY: &str = "andon.example.org/audit/control/1+8d483125+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const NOTE: &str = "andon.example.org/audit/control/1\n3\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n\n— andon.example.org/audit/control/1 jUgxJWRWoK3D8oSgBEfemr3+SM2sqEFkvrktOchnLpDmZxN3gyu9Z5C+sj9xRuY7/vI1N7ng2bvkPHZH3IJkgCyJ5w4=\n";

fn key() -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    seed.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    SigningKey::from_seed("andon.example.org/audit/control/1", seed).unwrap()
}

#[test]
fn keys_and_signatures_are_those_of_the_formats_own_example() {
    let key = SigningKey::parse(GO_SECRET).unwrap();
    assert_eq!(key.verifier().to_string(), GO_PUBLIC);
    assert_eq!(key.verifier(), &VerifierKey::parse(GO_PUBLIC).unwrap());
    assert_eq!(key.secret_text().trim_end(), GO_SECRET);
    let (name, hash, signature) = signature_line(GO_LINE).unwrap();
    assert_eq!((name.as_str(), HEXLOWER.encode(&hash).as_str()), ("PeterNeumann", "c74f20a3"));
    assert!(UnparsedPublicKey::new(&ED25519, key.verifier().public).verify(GO_TEXT.as_bytes(), &signature).is_ok());
    assert!(!format!("{key:?}").contains("AYEKFALV"));
}

#[test]
fn a_note_is_byte_for_byte_the_one_that_other_software_makes() {
    let root = tree::tree_hash(&[b"a", b"b", b"c"]);
    let checkpoint = Checkpoint { origin: "andon.example.org/audit/control/1".into(), size: 3, root };
    assert_eq!(key().verifier().to_string(), VKEY);
    assert_eq!(key().sign(&checkpoint).unwrap(), NOTE);
    let note = Note::parse(NOTE).unwrap();
    assert_eq!(note.verify(&VerifierKey::parse(VKEY).unwrap()), Ok(&checkpoint));
}

#[test]
fn other_signatures_are_passed_over_and_other_keys_and_logs_refused() {
    let (key, vkey) = (key(), VerifierKey::parse(VKEY).unwrap());
    let witness = "— witness.example/w1 AAAAAAAAAAAAAAAA\n";
    let (text, line) = NOTE.split_once("\n\n").unwrap();
    let two = format!("{text}\n\n{witness}{line}");
    assert!(Note::parse(&two).unwrap().verify(&vkey).is_ok());
    let alone = format!("{text}\n\n{witness}");
    assert_eq!(Note::parse(&alone).unwrap().verify(&vkey), Err(BadNote::NotSigned(vkey.id())));
    let stranger = SigningKey::from_seed(vkey.name(), Zeroizing::new([7; 32])).unwrap();
    assert!(matches!(Note::parse(NOTE).unwrap().verify(stranger.verifier()), Err(BadNote::NotSigned(_))));
    let elsewhere = SigningKey::from_seed("elsewhere", Zeroizing::new([7; 32])).unwrap();
    assert!(matches!(Note::parse(NOTE).unwrap().verify(elsewhere.verifier()), Err(BadNote::Checkpoint(_))));
    let other = Checkpoint { origin: "elsewhere".into(), size: 1, root: [1; 32] };
    let by_wrong_log = key.sign(&other).unwrap();
    assert!(Note::parse(&by_wrong_log).unwrap().verify(&vkey).is_err());
}

#[test]
fn what_is_nearly_a_checkpoint_is_none() {
    let (text, line) = NOTE.split_once("\n\n").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |text: String| format!("{text}\n\n{line}");
    for bad in [
        String::new(),
        "\n\n".into(),
        text.to_owned(),
        NOTE.trim_end().to_owned(),
        NOTE.replace("— ", "- "),
        NOTE.replace("\n\n", "\n\t\n\n"),
        with(format!("{}\n03\n{}", lines[0], lines[2])),
        with(format!("{}\n-3\n{}", lines[0], lines[2])),
        with(format!("{}\n+3\n{}", lines[0], lines[2])),
        with(format!("{}\n3\nAAAA", lines[0])),
        with(format!("\n3\n{}", lines[2])),
        with("one line".into()),
        format!("{}{}", NOTE, "x".repeat(MAX_NOTE)),
    ] {
        assert!(Note::parse(&bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a+b", "a+00000000+AQ==", &VKEY.replace("andon", "anden"), &VKEY.replace('+', " ")] {
        assert!(VerifierKey::parse(bad).is_err(), "{bad}");
        assert!(SigningKey::parse(bad).is_err(), "{bad}");
    }
    assert!(SigningKey::from_seed("two words", Zeroizing::new([1; 32])).is_err());
    assert!(SigningKey::parse(&GO_SECRET.replace("c74f20a3", "c74f20a4")).is_err());
}

proptest! {
    #[test]
    fn no_changed_byte_verifies(at in 0..NOTE.len(), byte in 0u8..128) {
        let vkey = VerifierKey::parse(VKEY).unwrap();
        let mut bytes = NOTE.as_bytes().to_vec();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(Note::parse(&text).and_then(|note| note.verify(&vkey).cloned()).is_err());
        }
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,200}(\n\\PC{0,40}){0,6}") {
        let _ = Note::parse(&text);
        let _ = VerifierKey::parse(&text);
        let _ = SigningKey::parse(&text);
    }
}
