//! Security keys: registration and assertion ceremonies, always with user verification. The challenge of an act is the act's own digest,
//! put into the library's state before it is sent; the library then verifies that and nothing else.

use crate::domain::{CredentialId, UserId};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{Credential, Passkey, PasskeyAuthentication, PasskeyRegistration, Webauthn, WebauthnBuilder};
use webauthn_rs_proto::{PublicKeyCredential, RegisterPublicKeyCredential};

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
    Refused(#[source] webauthn_rs::prelude::WebauthnError),
    /// The library could not begin.
    #[error("the ceremony could not begin")]
    Begin(#[source] webauthn_rs::prelude::WebauthnError),
}

/// A ceremony that has begun.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// What the browser gets, JSON.
    pub options: String,
    /// What stays on the server, JSON.
    pub state: String,
}

/// A key that was just made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its credential id.
    pub id: CredentialId,
    /// What verifies it later, the library's JSON.
    pub passkey: String,
    /// Its public key in COSE, as JSON, for the log.
    pub public_key: String,
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
    /// The key with its new counter, when that changed.
    pub passkey: Option<String>,
}

/// The relying party.
pub struct Keys(Webauthn);

impl Keys {
    /// For one origin, which pages are reached at.
    ///
    /// # Errors
    /// `Origin` when it has no host name.
    pub fn new(origin: &Url, name: &str) -> Result<Self, KeyError> {
        let host = origin.host_str().ok_or(KeyError::Origin)?;
        let builder = WebauthnBuilder::new(host, origin).map_err(|_| KeyError::Origin)?;
        builder.rp_name(name).build().map(Self).map_err(|_| KeyError::Origin)
    }

    /// Begins to make a key for a person; `known` are the keys they have, which are refused.
    ///
    /// # Errors
    /// `Begin` when the library cannot.
    pub fn begin_registration(&self, user: &UserId, name: &str, display_name: &str, known: &[CredentialId]) -> Result<Ceremony, KeyError> {
        let id = uuid::Uuid::try_parse(user.as_str()).map_err(|_| KeyError::Unreadable)?;
        let known = known.iter().filter_map(|id| BASE64URL_NOPAD.decode(id.as_str().as_bytes()).ok()).collect();
        let (options, state) = self.0.start_passkey_registration(id, name, display_name, Some(known)).map_err(KeyError::Begin)?;
        Ok(Ceremony { options: text(&options)?, state: text(&state)? })
    }

    /// Takes the browser's answer.
    ///
    /// # Errors
    /// `Unreadable`, `Refused`.
    pub fn finish_registration(&self, state: &str, response: &str) -> Result<NewKey, KeyError> {
        let state: PasskeyRegistration = serde_json::from_str(state).map_err(|_| KeyError::Over)?;
        let response: RegisterPublicKeyCredential = serde_json::from_str(response).map_err(|_| KeyError::Unreadable)?;
        let passkey = self.0.finish_passkey_registration(&response, &state).map_err(KeyError::Refused)?;
        Ok(NewKey {
            id: CredentialId(BASE64URL_NOPAD.encode(passkey.cred_id())),
            public_key: text(passkey.get_public_key())?,
            passkey: text(&passkey)?,
        })
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
        let (mut options, state) = self.0.start_passkey_authentication(&passkeys).map_err(KeyError::Begin)?;
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
    /// `Unreadable`, `Refused`.
    pub fn finish_assertion(&self, state: &str, passkeys: &[String], response: &str) -> Result<Signed, KeyError> {
        let mut state: Value = serde_json::from_str(state).map_err(|_| KeyError::Over)?;
        let challenge = challenge_of(&mut state)?.as_str().and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let challenge: [u8; 32] = challenge.and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::Over)?;
        let state: PasskeyAuthentication = serde_json::from_value(state).map_err(|_| KeyError::Over)?;
        let response: PublicKeyCredential = serde_json::from_str(response).map_err(|_| KeyError::Unreadable)?;
        let result = self.0.finish_passkey_authentication(&response, &state).map_err(KeyError::Refused)?;
        let mut own = read(passkeys)?;
        // The key may have been removed while the ceremony was under way.
        let key = own.iter_mut().find(|key| key.cred_id() == result.cred_id()).ok_or(KeyError::NoKey)?;
        let passkey = if key.update_credential(&result) == Some(true) { Some(text(key)?) } else { None };
        Ok(Signed {
            credential: CredentialId(BASE64URL_NOPAD.encode(result.cred_id())),
            challenge,
            assertion: Assertion {
                authenticator_data: response.response.authenticator_data,
                client_data: response.response.client_data_json,
                signature: response.response.signature,
            },
            passkey,
        })
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
        let (_, state) = self.0.start_passkey_authentication(std::slice::from_ref(&passkey)).map_err(KeyError::Begin)?;
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
        self.0.finish_passkey_authentication(&response, &state).map(drop).map_err(KeyError::Refused)
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
