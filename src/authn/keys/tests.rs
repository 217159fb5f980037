//! Keys against a software authenticator: what registers, what signs, and what is refused. No database and no browser here.

use super::*;
use webauthn_authenticator_rs::{AuthenticatorBackend, WebauthnAuthenticator, softpasskey::SoftPasskey};
use webauthn_rs_proto::{CreationChallengeResponse, RequestChallengeResponse};

fn party() -> (Keys, Url) {
    let origin = Url::parse("http://localhost:8787").unwrap();
    (Keys::new(&origin, "Test").unwrap(), origin)
}

fn enrol(keys: &Keys, origin: &Url, token: &mut SoftPasskey) -> NewKey {
    let begun = keys.begin_registration(&UserId::new(), "sato", "L. Sato", &[]).unwrap();
    let options: CreationChallengeResponse = serde_json::from_str(&begun.options).unwrap();
    let answer = token.do_registration(origin.clone(), options).unwrap();
    keys.finish_registration(&begun.state, &serde_json::to_string(&answer).unwrap()).unwrap()
}

fn sign(origin: &Url, token: &mut impl AuthenticatorBackend, options: &str) -> String {
    let options: RequestChallengeResponse = serde_json::from_str(options).unwrap();
    let answer = token.perform_auth(origin.clone(), options.public_key, 1_000).unwrap();
    serde_json::to_string(&answer).unwrap()
}

#[test]
fn an_act_is_signed_over_its_own_digest_and_verifies_offline_for_ever() {
    let (keys, origin) = party();
    let mut token = SoftPasskey::new(true);
    let key = enrol(&keys, &origin, &mut token);
    let digest = [7u8; 32];
    let mut stored = key.passkey.clone();
    for _ in 0..3 {
        let begun = keys.begin_assertion(std::slice::from_ref(&stored), Some(digest)).unwrap();
        let answer = sign(&origin, &mut token, &begun.options);
        let signed = keys.finish_assertion(&begun.state, std::slice::from_ref(&stored), &answer).unwrap();
        assert_eq!(signed.challenge, digest);
        assert_eq!(signed.credential, key.id);
        stored = signed.passkey.clone();
        keys.check_offline(&key.passkey, &digest, &signed.assertion).unwrap();
        keys.check_offline(&stored, &digest, &signed.assertion).unwrap();
        assert!(keys.check_offline(&stored, &[8; 32], &signed.assertion).is_err(), "another act's digest does not verify");
        let mut forged = signed.assertion.clone();
        forged.client_data = String::from_utf8(forged.client_data).unwrap().replace("localhost:8787", "localhost:9999").into_bytes();
        assert!(keys.check_offline(&stored, &digest, &forged).is_err());
    }
}

#[test]
fn an_answer_over_the_librarys_own_challenge_is_refused_for_an_act() {
    let (keys, origin) = party();
    let mut token = SoftPasskey::new(true);
    let key = enrol(&keys, &origin, &mut token);
    let plain = keys.begin_assertion(std::slice::from_ref(&key.passkey), None).unwrap();
    let answer = sign(&origin, &mut token, &plain.options);
    let act = keys.begin_assertion(std::slice::from_ref(&key.passkey), Some([7; 32])).unwrap();
    assert!(matches!(keys.finish_assertion(&act.state, std::slice::from_ref(&key.passkey), &answer), Err(KeyError::Refused(_))));
}

#[test]
fn a_key_without_user_verification_and_a_removed_key_are_refused() {
    let (keys, origin) = party();
    let mut token = SoftPasskey::new(true);
    let key = enrol(&keys, &origin, &mut token);
    let begun = keys.begin_assertion(std::slice::from_ref(&key.passkey), None).unwrap();
    let answer = sign(&origin, &mut token, &begun.options);
    assert!(matches!(keys.finish_assertion(&begun.state, &[], &answer), Err(KeyError::NoKey)));
    assert!(matches!(keys.begin_assertion(&[], None), Err(KeyError::NoKey)));
    assert!(matches!(keys.finish_assertion("{}", &[], &answer), Err(KeyError::Over)));
    assert!(matches!(keys.finish_assertion(&begun.state, std::slice::from_ref(&key.passkey), "{"), Err(KeyError::Unreadable)));
}
