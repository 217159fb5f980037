//! What a key is: read from the answer it gave when it was made, and from the library's record of it. A model and a maker are what the key
//! says of itself; nothing is allowed for their sake.

use super::KeyError;
use crate::domain::CredentialId;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::Deserialize;
use serde_cbor_2::Value;
use sha2::{Digest, Sha256};
use webauthn_rs::prelude::{COSEKey, Credential, ParsedAttestationData, Passkey};

/// Where the model's id stands in authenticator data: after the relying party's hash, the flags and the counter.
const AAGUID: std::ops::Range<usize> = 37..53;
/// How much of a certificate's name is kept.
const NAME: usize = 200;

/// A key that was just made.
#[derive(Debug, Clone, serde::Serialize, Deserialize)]
pub struct NewKey {
    /// Its credential id.
    pub id: CredentialId,
    /// What verifies it later, the library's JSON.
    pub passkey: String,
    /// Its public key as the library's JSON, for the log.
    pub public_key: String,
    /// Its public key as COSE, base64url: for software of others.
    pub cose: String,
    /// Its model's id; none: it did not say.
    pub aaguid: Option<String>,
    /// What it said of its maker, in words; none: nothing.
    pub attestation: Option<String>,
    /// It may be copied to other devices.
    pub backup_eligible: bool,
}

impl NewKey {
    /// SHA-256 of the COSE bytes, hex: what the act that adds the key names.
    pub fn digest(&self) -> String {
        digest_of(&self.cose).unwrap_or_default()
    }

    /// True when its two records are of one public key.
    pub fn is_whole(&self) -> bool {
        is_of(&self.passkey, &self.cose)
    }
}

/// SHA-256, hex, of COSE bytes given as base64url; none when they are not.
pub fn digest_of(cose: &str) -> Option<String> {
    BASE64URL_NOPAD.decode(cose.as_bytes()).ok().map(|bytes| HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// True when the library's record is of exactly this public key.
pub fn is_of(passkey: &str, cose: &str) -> bool {
    let key: Option<Passkey> = serde_json::from_str(passkey).ok();
    let bytes = BASE64URL_NOPAD.decode(cose.as_bytes()).ok();
    let value: Option<Value> = bytes.and_then(|bytes| serde_cbor_2::from_slice(&bytes).ok());
    let cose = value.and_then(|value| COSEKey::try_from(&value).ok());
    matches!((key, cose), (Some(key), Some(cose)) if *key.get_public_key() == cose)
}

/// What is known of a key beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The algorithm it signs with.
    pub algorithm: String,
    /// How often it has signed, as it counts itself; 0 for keys that do not count.
    pub sign_count: u32,
    /// It said at its last touch that it has been copied.
    pub is_backed_up: bool,
    /// How it can be reached: usb, nfc, ble, internal, hybrid.
    pub transports: Vec<String>,
}

impl Facts {
    /// Reads the library's JSON.
    ///
    /// # Errors
    /// `Unreadable`.
    pub fn of(passkey: &str) -> Result<Self, KeyError> {
        let key: Passkey = serde_json::from_str(passkey).map_err(|_| KeyError::Unreadable)?;
        let algorithm = format!("{:?}", key.cred_algorithm());
        let key = Credential::from(key);
        let transports = key.transports.unwrap_or_default().iter().map(|one| format!("{one:?}").to_lowercase()).collect();
        Ok(Self { algorithm, sign_count: key.counter, is_backed_up: key.backup_state, transports })
    }
}

/// What a new key's attestation object says.
pub(super) struct Said {
    /// There is a statement of its maker.
    pub has_statement: bool,
    aaguid: Option<String>,
    cose: Vec<u8>,
    auth_data: Vec<u8>,
}

impl Said {
    /// Reads an attestation object. Nothing in it is verified here.
    pub fn read(object: &[u8]) -> Result<Self, KeyError> {
        let value: Value = serde_cbor_2::from_slice(object).map_err(|_| KeyError::Unreadable)?;
        let Value::Map(map) = value else { return Err(KeyError::Unreadable) };
        let field = |name: &str| map.get(&Value::Text(name.to_owned()));
        let (Some(Value::Text(format)), Some(Value::Bytes(auth_data))) = (field("fmt"), field("authData")) else {
            return Err(KeyError::Unreadable);
        };
        let aaguid: [u8; 16] = auth_data.get(AAGUID).and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::Unreadable)?;
        let rest = auth_data.get(AAGUID.end..).unwrap_or_default();
        let length = rest.first_chunk::<2>().map(|bytes| usize::from(u16::from_be_bytes(*bytes))).ok_or(KeyError::Unreadable)?;
        let key = rest.get(2 + length..).ok_or(KeyError::Unreadable)?;
        // Extensions may follow the key: it ends where its own map does.
        let mut reader = serde_cbor_2::Deserializer::from_slice(key);
        Value::deserialize(&mut reader).map_err(|_| KeyError::Unreadable)?;
        let cose = key.get(..reader.byte_offset()).ok_or(KeyError::Unreadable)?.to_vec();
        let aaguid = (aaguid != [0; 16]).then(|| uuid::Uuid::from_bytes(aaguid).to_string());
        Ok(Self { has_statement: format != "none", aaguid, cose, auth_data: auth_data.clone() })
    }

    /// The same object without the statement.
    pub fn without_statement(&self) -> Vec<u8> {
        let text = |text: &str| Value::Text(text.to_owned());
        let map = [
            (text("fmt"), text("none")),
            (text("attStmt"), Value::Map(std::collections::BTreeMap::new())),
            (text("authData"), Value::Bytes(self.auth_data.clone())),
        ];
        serde_cbor_2::to_vec(&Value::Map(map.into())).unwrap_or_default()
    }
}

/// Puts together what is kept of a new key.
pub(super) fn new_key(passkey: Passkey, said: &Said, is_verified: bool) -> Result<NewKey, KeyError> {
    let id = CredentialId(BASE64URL_NOPAD.encode(passkey.cred_id()));
    let public_key = super::text(passkey.get_public_key())?;
    let text = super::text(&passkey)?;
    let credential = Credential::from(passkey);
    let attestation = if is_verified { in_words(&credential) } else { Some("a statement that cannot be verified here".to_owned()) };
    let cose = BASE64URL_NOPAD.encode(&said.cose);
    if !is_of(&text, &cose) {
        return Err(KeyError::Unreadable);
    }
    let backup_eligible = credential.backup_eligible;
    Ok(NewKey { id, passkey: text, public_key, cose, aaguid: said.aaguid.clone(), attestation, backup_eligible })
}

fn in_words(credential: &Credential) -> Option<String> {
    let format = format!("{:?}", credential.attestation_format).to_lowercase();
    match &credential.attestation.data {
        ParsedAttestationData::Basic(chain) | ParsedAttestationData::AttCa(chain) | ParsedAttestationData::AnonCa(chain) => {
            let subject = chain.first().map(|certificate| certificate.tbs_certificate().subject().to_string()).unwrap_or_default();
            let subject: String = subject.chars().filter(|c| !c.is_control()).take(NAME).collect();
            Some(format!("{format}, certificate {subject}"))
        }
        ParsedAttestationData::Self_ => Some(format!("{format}, by the key itself")),
        _ => None,
    }
}
