//! Security keys: registration and assertion ceremonies, always with user verification. The challenge of an act is the act's own digest,
//! put into the library's state before it is sent; the library then verifies that and nothing else. A random challenge is answered once.

pub mod made;

pub use made::{Facts, NewKey};

use crate::domain::{CredentialId, UserId};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use url::Url;
use webauthn_rs::prelude::{Credential, Passkey, PasskeyAuthentication, PasskeyRegistration, Webauthn, WebauthnBuilder, WebauthnError};
use webauthn_rs_proto::{AttestationConveyancePreference, PublicKeyCredential, RegisterPublicKeyCredential};

/// How long a ceremony may take: the browser waits so long for a key, and the server for its answer.
pub const CEREMONY_MS: i64 = 2 * 60 * 1_000;
/// So many answered challenges are remembered: more than people can touch keys in the life of one.
const SPENT: usize = 4_096;

/// What a key could not do, in words fit for a page.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The origin is no origin.
    #[error("the origin cannot be used for security keys")]
    Origin,
    /// The person has no key.
    #[error("you have no security key here yet")]
    NoKey,
    /// The ceremony is over, or was never begun.
    #[error("that took too long or was answered twice; nothing was changed. Try again")]
    Over,
    /// The browser's answer cannot be read.
    #[error("the browser's answer could not be read; nothing was changed")]
    Unreadable,
    /// The key's answer does not verify.
    #[error("that key is not known here, or its answer does not verify; nothing was changed")]
    Refused(#[source] WebauthnError),
    /// The answer is good and says that something is wrong with the key. Whoever gets this suspends the key.
    #[error("{why}. It was suspended and signs nothing any more: use your other key, and remove this one on the page My account")]
    Doubtful {
        /// Which key.
        credential: CredentialId,
        /// What its answer says.
        why: &'static str,
        /// The answer's signature, base64url.
        signature: String,
    },
    /// The very same touch was given before.
    #[error("that touch has been used already. Touch the key again; a key without a counter cannot sign this twice, so use your other key")]
    Replayed,
    /// Such a key is not for this person.
    #[error(
        "this key can be copied to other devices (a synced passkey). Whoever is lead, risk or admin uses keys that are bound to one device; \
         nothing was saved. Take a hardware key"
    )]
    Synced,
    /// The library could not begin.
    #[error("the ceremony could not begin")]
    Begin(#[source] WebauthnError),
}

/// What a counter that went back means.
const COPIED: &str = "this key's counter went back, so there may be a copy of the key";
/// What a key means that may be copied now and could not be when it was added.
const LOOSENED: &str = "this key says now that it can be copied to other devices, and it said the contrary when it was added";

/// A ceremony that has begun.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// What the browser gets, JSON.
    pub options: String,
    /// What stays on the server, JSON.
    pub state: String,
}

/// One assertion as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// authenticatorData.
    pub authenticator_data: Vec<u8>,
    /// clientDataJSON.
    pub client_data: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// An assertion that verified.
#[derive(Debug, Clone)]
pub struct Signed {
    /// With which key.
    pub credential: CredentialId,
    /// Over which challenge.
    pub challenge: [u8; 32],
    /// The assertion itself.
    pub assertion: Assertion,
    /// The key as it was when this was checked.
    pub before: String,
    /// The same with its new counter.
    pub passkey: String,
}

/// The relying party.
pub struct Keys {
    library: Webauthn,
    spent: Mutex<VecDeque<Vec<u8>>>,
}

impl Keys {
    /// For one origin, which pages are reached at.
    ///
    /// # Errors
    /// `Origin` when it has no host name.
    pub fn new(origin: &Url, name: &str) -> Result<Self, KeyError> {
        let host = origin.host_str().ok_or(KeyError::Origin)?;
        let builder = WebauthnBuilder::new(host, origin).map_err(|_| KeyError::Origin)?;
        let builder = builder.rp_name(name).timeout(Duration::from_millis(CEREMONY_MS.unsigned_abs()));
        let library = builder.build().map_err(|_| KeyError::Origin)?;
        Ok(Self { library, spent: Mutex::default() })
    }

    /// Notes that a random challenge was answered.
    ///
    /// # Errors
    /// `Over` when it was answered before.
    fn spend(&self, challenge: &[u8]) -> Result<(), KeyError> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.iter().any(|one| one == challenge) {
            return Err(KeyError::Over);
        }
        if spent.len() >= SPENT {
            spent.pop_front();
        }
        spent.push_back(challenge.to_vec());
        Ok(())
    }

    /// Begins to make a key for a person; `known` are the keys they have, which are refused.
    ///
    /// # Errors
    /// `Begin` when the library cannot.
    pub fn begin_registration(&self, user: &UserId, name: &str, display_name: &str, known: &[CredentialId]) -> Result<Ceremony, KeyError> {
        let id = uuid::Uuid::try_parse(user.as_str()).map_err(|_| KeyError::Unreadable)?;
        let known = known.iter().filter_map(|id| BASE64URL_NOPAD.decode(id.as_str().as_bytes()).ok()).collect();
        let begun = self.library.start_passkey_registration(id, name, display_name, Some(known));
        let (mut options, state) = begun.map_err(KeyError::Begin)?;
        // Asked for, not demanded: it names the key's model on the account page.
        options.public_key.attestation = Some(AttestationConveyancePreference::Direct);
        Ok(Ceremony { options: text(&options)?, state: text(&state)? })
    }

    /// Takes the browser's answer.
    ///
    /// # Errors
    /// `Unreadable`, `Refused`; `Over` when it was answered before.
    pub fn finish_registration(&self, state: &str, response: &str) -> Result<NewKey, KeyError> {
        let state: Value = serde_json::from_str(state).map_err(|_| KeyError::Over)?;
        let challenge = state.get("rs").and_then(|rs| rs.get("challenge")).and_then(Value::as_str).ok_or(KeyError::Over)?.to_owned();
        let state: PasskeyRegistration = serde_json::from_value(state).map_err(|_| KeyError::Over)?;
        let response: RegisterPublicKeyCredential = serde_json::from_str(response).map_err(|_| KeyError::Unreadable)?;
        let said = made::Said::read(&response.response.attestation_object)?;
        let (passkey, is_verified) = match self.library.finish_passkey_registration(&response, &state) {
            Ok(passkey) => (passkey, true),
            // What a key says of its maker is shown and proves nothing: a statement that cannot be verified here costs nobody the key.
            Err(error) if said.has_statement => {
                let mut plain = response;
                plain.response.attestation_object = said.without_statement();
                (self.library.finish_passkey_registration(&plain, &state).map_err(|_| KeyError::Refused(error))?, false)
            }
            Err(error) => return Err(KeyError::Refused(error)),
        };
        self.spend(challenge.as_bytes())?;
        made::new_key(passkey, &said, is_verified)
    }

    /// Begins to sign: over a challenge of ours (an act's digest), or over a random one to sign in.
    ///
    /// # Errors
    /// `NoKey` without any; `Begin` when the library cannot.
    pub fn begin_assertion(&self, passkeys: &[String], challenge: Option<[u8; 32]>) -> Result<Ceremony, KeyError> {
        let passkeys = read(passkeys)?;
        if passkeys.is_empty() {
            return Err(KeyError::NoKey);
        }
        let (mut options, state) = self.library.start_passkey_authentication(&passkeys).map_err(KeyError::Begin)?;
        let mut state = serde_json::to_value(&state).map_err(|_| KeyError::Unreadable)?;
        if let Some(challenge) = challenge {
            options.public_key.challenge = challenge.to_vec();
            *challenge_of(&mut state)? = Value::String(BASE64URL_NOPAD.encode(&challenge));
        }
        Ok(Ceremony { options: text(&options)?, state: state.to_string() })
    }

    /// Takes the browser's answer. `passkeys` are the person's keys as they are now.
    ///
    /// # Errors
    /// `Unreadable`, `Refused`; `Doubtful` for a good answer of a key that must not be trusted any more.
    pub fn finish_assertion(&self, state: &str, passkeys: &[String], response: &str) -> Result<Signed, KeyError> {
        let mut state: Value = serde_json::from_str(state).map_err(|_| KeyError::Over)?;
        let challenge = challenge_of(&mut state)?.as_str().and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let challenge: [u8; 32] = challenge.and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::Over)?;
        let state: PasskeyAuthentication = serde_json::from_value(state).map_err(|_| KeyError::Over)?;
        let response: PublicKeyCredential = serde_json::from_str(response).map_err(|_| KeyError::Unreadable)?;
        let credential = CredentialId(BASE64URL_NOPAD.encode(&response.raw_id));
        let signature = BASE64URL_NOPAD.encode(&response.response.signature);
        let doubtful = |why| KeyError::Doubtful { credential: credential.clone(), signature: signature.clone(), why };
        let result = self.library.finish_passkey_authentication(&response, &state).map_err(|error| match error {
            // The library compares counters after it has verified the signature.
            WebauthnError::CredentialPossibleCompromise => doubtful(COPIED),
            error => KeyError::Refused(error),
        })?;
        // The key may have been removed while the ceremony was under way, or used elsewhere: what it is now counts.
        let own = read(passkeys)?.into_iter().zip(passkeys).find(|(key, _)| key.cred_id() == result.cred_id());
        let (mut key, before) = own.ok_or(KeyError::NoKey)?;
        let known = Credential::from(key.clone());
        if (result.counter() > 0 || known.counter > 0) && result.counter() <= known.counter {
            return Err(doubtful(COPIED));
        }
        if result.backup_eligible() && !known.backup_eligible {
            return Err(doubtful(LOOSENED));
        }
        key.update_credential(&result);
        Ok(Signed { credential, challenge, assertion: assertion_in(response), before: before.clone(), passkey: text(&key)? })
    }

    /// The same for a random challenge, which is answered once.
    ///
    /// # Errors
    /// As `finish_assertion`; `Over` when it was answered before.
    pub fn finish_sign_in(&self, state: &str, passkeys: &[String], response: &str) -> Result<Signed, KeyError> {
        let mut begun: Value = serde_json::from_str(state).map_err(|_| KeyError::Over)?;
        let challenge = challenge_of(&mut begun)?.as_str().unwrap_or_default().to_owned();
        // Before anything else: the same answer again says nothing about the key.
        if self.spent.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one == challenge.as_bytes()) {
            return Err(KeyError::Over);
        }
        let signed = self.finish_assertion(state, passkeys, response)?;
        self.spend(challenge.as_bytes())?;
        Ok(signed)
    }

    /// The assertion in a browser's answer and the key that is said to have made it, not verified.
    ///
    /// # Errors
    /// `Unreadable`.
    pub fn assertion_of(response: &str) -> Result<(CredentialId, Assertion), KeyError> {
        let response: PublicKeyCredential = serde_json::from_str(response).map_err(|_| KeyError::Unreadable)?;
        Ok((CredentialId(BASE64URL_NOPAD.encode(&response.raw_id)), assertion_in(response)))
    }

    /// Verifies a stored assertion again: origin, relying party, user verification, challenge and signature. The counter is set aside,
    /// since the key has signed since.
    ///
    /// # Errors
    /// `Unreadable`, `Refused`.
    pub fn check_offline(&self, passkey: &str, challenge: &[u8; 32], assertion: &Assertion) -> Result<(), KeyError> {
        let passkey: Passkey = serde_json::from_str(passkey).map_err(|_| KeyError::Unreadable)?;
        let mut credential = Credential::from(passkey);
        credential.counter = 0;
        let passkey = Passkey::from(credential);
        let (_, state) = self.library.start_passkey_authentication(std::slice::from_ref(&passkey)).map_err(KeyError::Begin)?;
        let mut state = serde_json::to_value(&state).map_err(|_| KeyError::Unreadable)?;
        *challenge_of(&mut state)? = Value::String(BASE64URL_NOPAD.encode(challenge));
        let state: PasskeyAuthentication = serde_json::from_value(state).map_err(|_| KeyError::Unreadable)?;
        let response = PublicKeyCredential {
            id: BASE64URL_NOPAD.encode(passkey.cred_id()),
            raw_id: passkey.cred_id().to_vec(),
            response: webauthn_rs_proto::AuthenticatorAssertionResponseRaw {
                authenticator_data: assertion.authenticator_data.clone(),
                client_data_json: assertion.client_data.clone(),
                signature: assertion.signature.clone(),
                user_handle: None,
            },
            extensions: webauthn_rs_proto::AuthenticationExtensionsClientOutputs::default(),
            type_: "public-key".to_owned(),
        };
        self.library.finish_passkey_authentication(&response, &state).map(drop).map_err(KeyError::Refused)
    }
}

fn assertion_in(response: PublicKeyCredential) -> Assertion {
    Assertion {
        authenticator_data: response.response.authenticator_data,
        client_data: response.response.client_data_json,
        signature: response.response.signature,
    }
}

fn text<T: serde::Serialize>(value: &T) -> Result<String, KeyError> {
    serde_json::to_string(value).map_err(|_| KeyError::Unreadable)
}

fn read(passkeys: &[String]) -> Result<Vec<Passkey>, KeyError> {
    passkeys.iter().map(|key| serde_json::from_str(key).map_err(|_| KeyError::Unreadable)).collect()
}

/// Where the library's state keeps its challenge.
fn challenge_of(state: &mut Value) -> Result<&mut Value, KeyError> {
    state.get_mut("ast").and_then(|ast| ast.get_mut("challenge")).ok_or(KeyError::Over)
}

#[cfg(test)]
mod tests;
