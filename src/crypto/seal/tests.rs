//! A sealed key opens for whom it was meant, as what it was meant, and for nobody and as nothing else.

use super::*;
use proptest::prelude::*;

fn binding() -> Binding {
    Binding {
        installation: InstallationId::new(),
        agent: AgentId::new(),
        bot: BotId::new(),
        key: KeyId::new(),
        version: 3,
        purpose: KeyPurpose::Execution,
        venue: "binance".into(),
    }
}

fn secret(api_key: &str, secret: &str, passphrase: Option<&str>) -> ApiSecret {
    let hide = |text: &str| Secret::new(text.to_owned());
    ApiSecret { api_key: hide(api_key), secret: hide(secret), passphrase: passphrase.map(hide) }
}

fn shown(secret: &ApiSecret) -> (String, String, Option<String>) {
    let part = |part: &Secret<String>| part.expose().clone();
    (part(&secret.api_key), part(&secret.secret), secret.passphrase.as_ref().map(part))
}

#[test]
fn any_age_program_opens_it_and_finds_the_canonical_object() {
    let (identity, binding) = (Identity::generate(), binding());
    let sealed = seal(&binding, &secret("canary-key", "canary-secret\n\"é\"", None), &identity.recipient()).unwrap();
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n") && !sealed.contains("canary"));
    let plain = age::decrypt(&identity.0, sealed.as_bytes()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), plain);
    assert_eq!((value["secret"].as_str(), value["version"].as_i64()), (Some("canary-secret\n\"é\""), Some(3)));
    assert_eq!(value["passphrase"], serde_json::Value::Null);
}

#[test]
fn whatever_it_is_moved_to_refuses_it_and_says_what_differs() {
    let (identity, good) = (Identity::generate(), binding());
    let sealed = seal(&good, &secret("k", "s", Some("p")), &identity.recipient()).unwrap();
    assert_eq!(shown(&open(&sealed, &identity, &good).unwrap()), ("k".into(), "s".into(), Some("p".into())));
    let other = [
        ("installation", Binding { installation: InstallationId::new(), ..good.clone() }),
        ("agent", Binding { agent: AgentId::new(), ..good.clone() }),
        ("bot", Binding { bot: BotId::new(), ..good.clone() }),
        ("key", Binding { key: KeyId::new(), ..good.clone() }),
        ("version", Binding { version: 4, ..good.clone() }),
        ("purpose", Binding { purpose: KeyPurpose::MarketData, ..good.clone() }),
        ("venue", Binding { venue: "binance-test".into(), ..good.clone() }),
    ];
    for (what, expected) in other {
        assert_eq!(open(&sealed, &identity, &expected).unwrap_err(), SealError::Moved(what));
    }
    assert_eq!(open(&sealed, &Identity::generate(), &good).unwrap_err(), SealError::NotForUs);
}

#[test]
fn an_envelope_in_any_other_form_is_refused() {
    let (identity, binding) = (Identity::generate(), binding());
    let recipient: age::x25519::Recipient = identity.recipient().parse().unwrap();
    let good = String::from_utf8(envelope(&binding, &secret("k", "s", None)).unwrap().to_vec()).unwrap();
    let try_one = |plain: &str| open(&armored(&recipient, plain.as_bytes()).unwrap(), &identity, &binding).map(drop);
    assert_eq!(try_one(&good), Ok(()));
    for bad in [
        good.replace(",\"bot\"", ", \"bot\""),
        good.replace("{\"agent\"", "{\"a\":1,\"agent\""),
        good.replace("\"secret\":\"s\"", "\"secret\":\"\""),
        good.replace("\"secret\":\"s\"", "\"secret\":\"\\u0073\""),
        good.replace("\"secret\":\"s\"", "\"secret\":\"s\",\"secret\":\"t\""),
        good.replace(",\"passphrase\":null", ""),
        format!("{good}{good}"),
        "{}".into(),
        String::new(),
    ] {
        assert_eq!(try_one(&bad), Err(SealError::Broken), "{bad}");
    }
    assert_eq!(try_one(&good.replace(FORMAT, "andon-key-2")), Err(SealError::Moved("purpose of sealing")));
}

#[test]
fn what_cannot_be_sealed_is_said_without_the_secret() {
    let identity = Identity::generate();
    let long = "canary".repeat(2_000);
    for (bad, recipient, version) in [
        (secret("", "canary", None), identity.recipient(), 1),
        (secret("canary", "", None), identity.recipient(), 1),
        (secret("canary", "canary", Some("")), identity.recipient(), 1),
        (secret("canary", &long, None), identity.recipient(), 1),
        (secret("canary", "canary", None), identity.recipient(), 0),
        (secret("canary", "canary", None), "age1nobody".into(), 1),
        (secret("canary", "canary", None), identity.to_text().expose().clone(), 1),
    ] {
        let error = seal(&Binding { version, ..binding() }, &bad, &recipient).unwrap_err();
        assert!(!format!("{error} {error:?} {bad:?}").contains("canary"), "{error}");
    }
    assert!(matches!(Identity::parse(&Secret::new("AGE-SECRET-KEY-1".into())), Err(SealError::NoIdentity)));
    assert_eq!(format!("{identity:?}"), "Identity(…)");
    assert_eq!(Identity::parse(&identity.to_text()).unwrap().recipient(), identity.recipient());
}

#[test]
fn text_that_is_no_sealed_key_is_refused() {
    let (identity, binding) = (Identity::generate(), binding());
    for bad in [String::new(), "-----BEGIN AGE ENCRYPTED FILE-----".into(), "x".repeat(MAX_SEALED + 1), "age-encryption.org/v1\n".into()] {
        assert_eq!(open(&bad, &identity, &binding).unwrap_err(), SealError::Broken);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_goes_in_comes_out(key in "[!-~]{1,80}", value in "(?s).{1,200}", pass in proptest::option::of("(?s).{1,40}")) {
        let (identity, binding) = (Identity::generate(), binding());
        let given = secret(&key, &value, pass.as_deref());
        let sealed = seal(&binding, &given, &identity.recipient()).unwrap();
        prop_assert_eq!(shown(&open(&sealed, &identity, &binding).unwrap()), shown(&given));
    }

    #[test]
    fn any_changed_byte_refuses(at in 0_usize..10_000, flip in 1_u8..128) {
        let (identity, binding) = (Identity::generate(), binding());
        let sealed = seal(&binding, &secret("k", "s", None), &identity.recipient()).unwrap();
        let mut bytes = sealed.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(changed) = String::from_utf8(bytes)
            // White space around the armor is nobody's.
            && changed.trim() != sealed.trim()
        {
            prop_assert!(open(&changed, &identity, &binding).is_err());
        }
    }
}
