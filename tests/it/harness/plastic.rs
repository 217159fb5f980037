//! Keys of other kinds than the software key can be: what it answered is changed as a browser's answer of another key would read.

use data_encoding::BASE64URL_NOPAD;
use serde_cbor_2::Value;

/// A model's id.
pub const MODEL: &str = "2fc0579f-8113-47ea-b116-bb5a8db9202a";
const FLAGS: usize = 32;
const BACKUP_ELIGIBLE: u8 = 0x08;

/// The answer of a key that can be copied to other devices, of a known model, with no statement of its maker.
pub fn synced(answer: &str) -> String {
    changed(answer, |map, auth_data| {
        auth_data[FLAGS] |= BACKUP_ELIGIBLE;
        auth_data[37..53].copy_from_slice(uuid::Uuid::parse_str(MODEL).unwrap().as_bytes());
        map.insert(Value::Text("fmt".into()), Value::Text("none".into()));
        map.insert(Value::Text("attStmt".into()), Value::Map(std::collections::BTreeMap::new()));
    })
}

/// The same answer with a model's id that its statement does not cover.
pub fn with_broken_statement(answer: &str) -> String {
    changed(answer, |_, auth_data| auth_data[37..53].copy_from_slice(uuid::Uuid::parse_str(MODEL).unwrap().as_bytes()))
}

fn changed(answer: &str, change: impl FnOnce(&mut std::collections::BTreeMap<Value, Value>, &mut Vec<u8>)) -> String {
    let mut json: serde_json::Value = serde_json::from_str(answer).unwrap();
    let object = &mut json["response"]["attestationObject"];
    let bytes = BASE64URL_NOPAD.decode(object.as_str().unwrap().as_bytes()).unwrap();
    let Value::Map(mut map) = serde_cbor_2::from_slice(&bytes).unwrap() else { panic!("no map") };
    let Some(Value::Bytes(mut auth_data)) = map.remove(&Value::Text("authData".into())) else { panic!("no data") };
    change(&mut map, &mut auth_data);
    map.insert(Value::Text("authData".into()), Value::Bytes(auth_data));
    *object = BASE64URL_NOPAD.encode(&serde_cbor_2::to_vec(&Value::Map(map)).unwrap()).into();
    json.to_string()
}
