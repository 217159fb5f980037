//! A fake that answers as the API pages of OpenBao and Vault say: `POST /v1/:mount/encrypt/:name` takes `plaintext` and `associated_data` in
//! base64 and answers `{"data":{"ciphertext":"vault:v1:…"}}`; `POST /v1/:mount/decrypt/:name` takes `ciphertext` and `associated_data` and answers
//! `{"data":{"plaintext":"…"}}` (secret/transit, "Encrypt data" and "Decrypt data"). Errors are `{"errors":["…"]}` with 400 invalid request, 403
//! permission denied, 404 invalid path, 503 sealed or in maintenance (the pages on HTTP status codes).

use super::*;
use crate::crypto::vault::{About, VaultError, open, rewrap, seal};
use crate::domain::{KeyId, KeyPurpose};
use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Default)]
struct Script {
    /// What was wrapped: ciphertext to plaintext and associated data.
    wrapped: HashMap<String, (String, String)>,
    version: u32,
    heard: Vec<(String, String, Value)>,
    /// Answers this instead.
    refuses: Option<(u16, &'static str)>,
    /// To there.
    location: Option<String>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Script>>);

impl Fake {
    fn at(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn listen(&self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/{*path}", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Url::parse(&address).unwrap()
    }
}

async fn answer(
    State(fake): State<Fake>,
    axum::extract::Path(path): axum::extract::Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut script = fake.at();
    let token = headers.get("x-vault-token").and_then(|token| token.to_str().ok()).unwrap_or_default().to_owned();
    script.heard.push((path.clone(), token.clone(), body.clone()));
    let refused = |status: u16, error: &str| (StatusCode::from_u16(status).unwrap(), Json(json!({ "errors": [error] }))).into_response();
    if let Some((status, error)) = script.refuses {
        let mut response = refused(status, error);
        if let Some(to) = &script.location {
            response.headers_mut().insert("location", HeaderValue::from_str(to).unwrap());
        }
        return response;
    }
    if token != "hvs.canary-token" {
        return refused(403, "permission denied");
    }
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match path.as_str() {
        "secrets/transit/encrypt/andon" => {
            let ciphertext = format!("vault:v{}:{}", script.version + 1, BASE64.encode(&[script.wrapped.len() as u8; 60]));
            let kept = (word("plaintext"), word("associated_data"));
            script.wrapped.insert(ciphertext.clone(), kept);
            Json(json!({ "data": { "ciphertext": ciphertext } })).into_response()
        }
        "secrets/transit/decrypt/andon" => match script.wrapped.get(&word("ciphertext")) {
            Some((plaintext, aad)) if *aad == word("associated_data") => {
                Json(json!({ "data": { "plaintext": plaintext } })).into_response()
            }
            _ => refused(400, "cipher: message authentication failed"),
        },
        _ => refused(404, "no handler for route"),
    }
}

struct Ground {
    fake: Fake,
    key: TransitKey,
    dir: tempfile::TempDir,
    settings: TransitSettings,
}

fn put(path: &Path, text: &str, mode: u32) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

async fn ground() -> Ground {
    // As `main` does; a second installation is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fake = Fake::default();
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    put(&token_file, "hvs.canary-token\n", 0o600);
    let settings =
        TransitSettings { address: fake.listen().await, mount: "secrets/transit".into(), key: "andon".into(), token_file, ca: None };
    let key = TransitKey::open(&settings).unwrap();
    Ground { fake, key, dir, settings }
}

fn about() -> About {
    About { key: KeyId::new(), version: 1, purpose: KeyPurpose::Monitor }
}

#[tokio::test]
async fn a_secret_is_sealed_and_opened_over_the_documented_exchanges() {
    let here = ground().await;
    let Ground { fake, key, .. } = &here;
    let about = about();
    let record = seal(key, &about, b"secret").await.unwrap();
    assert_eq!(record.master().as_str(), "transit:secrets/transit/andon");
    assert_eq!(open(key, &about, &record).await.unwrap().expose(), b"secret");
    let heard = std::mem::take(&mut fake.at().heard);
    let [(encrypt, token, asked), (decrypt, _, opened)] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((encrypt.as_str(), decrypt.as_str()), ("secrets/transit/encrypt/andon", "secrets/transit/decrypt/andon"));
    assert_eq!(token, "hvs.canary-token");
    assert_eq!(BASE64.decode(asked["plaintext"].as_str().unwrap().as_bytes()).unwrap().len(), 32);
    assert_eq!(asked["associated_data"], opened["associated_data"]);
    assert!(opened["ciphertext"].as_str().unwrap().starts_with("vault:v1:"));
    let moved = About { version: 2, ..about };
    assert!(matches!(open(key, &moved, &record).await, Err(VaultError::Refused)));
}

#[tokio::test]
async fn a_newer_version_of_the_key_wraps_anew_and_the_secret_stays() {
    let here = ground().await;
    let Ground { fake, key, .. } = &here;
    let about = about();
    let record = seal(key, &about, b"secret").await.unwrap();
    fake.at().version = 1;
    let rewrapped = rewrap(&record, &about, key, key).await.unwrap();
    assert_ne!(rewrapped, record);
    assert_eq!(open(key, &about, &rewrapped).await.unwrap().expose(), b"secret");
    let local = crate::crypto::vault::LocalMasterKey::generate().unwrap();
    let home = rewrap(&rewrapped, &about, key, &local).await.unwrap();
    assert_eq!(open(&local, &about, &home).await.unwrap().expose(), b"secret");
}

#[tokio::test]
async fn each_refusal_says_what_it_means_and_no_secret() {
    let here = ground().await;
    let Ground { fake, key, .. } = &here;
    let about = about();
    let record = seal(key, &about, b"secret").await.unwrap();
    for (status, error, words, is_denied) in [
        (403, "permission denied hvs.canary-token", "does not let this token", true),
        (404, "no handler for route canary", "no transit engine", true),
        (400, "encryption key not found canary", "has no key", true),
        (400, "ciphertext or signature version is disallowed by policy (too old) canary", "min_decryption_version", true),
        (400, "invalid ciphertext: version is too new canary", "made anew", true),
        (400, "message decryption not supported for key type canary", "does not take", true),
        (503, "Vault is sealed canary", "is sealed", false),
        (500, "canary", "answered 500", false),
        (429, "canary", "answered 429", false),
        (307, "canary", "elsewhere", false),
        (204, "", "not the documented one", false),
    ] {
        fake.at().refuses = Some((status, error));
        fake.at().location = (status == 307).then(|| "https://thief.example/v1/x".to_owned());
        for error in [seal(key, &about, b"canary").await.map(drop), open(key, &about, &record).await.map(drop)] {
            let Err(VaultError::Master(error)) = error else { panic!("{status}: {error:?}") };
            assert!(error.to_string().contains(words) && !format!("{error:?}").contains("canary"), "{status}: {error}");
            assert_eq!(matches!(error, MasterKeyError::Denied(_)), is_denied, "{status}: {error}");
        }
    }
    for changed in CHANGED {
        fake.at().refuses = Some((400, changed));
        assert!(matches!(open(key, &about, &record).await, Err(VaultError::Refused)), "{changed}");
    }
    assert!(matches!(seal(key, &about, b"x").await, Err(VaultError::Master(MasterKeyError::Denied(_)))));
}

#[tokio::test]
async fn the_token_is_read_at_each_use_and_stays_in_its_file() {
    let here = ground().await;
    let Ground { key, dir, .. } = &here;
    let token = dir.path().join("token");
    for bad in ["hvs.canary-old", "", "canary\ntwo lines", "canary\u{e9}\u{7f}"] {
        std::fs::write(&token, bad).unwrap();
        let Err(VaultError::Master(error)) = seal(key, &about(), b"x").await else { panic!("{bad:?} was taken") };
        assert!(matches!(error, MasterKeyError::Denied(_)) && !error.to_string().contains("canary"), "{error}");
    }
    std::fs::remove_file(&token).unwrap();
    assert!(matches!(seal(key, &about(), b"x").await, Err(VaultError::Master(MasterKeyError::Denied(_)))));
    for mode in [0o640, 0o604, 0o644, 0o660] {
        put(&token, "hvs.canary-token", mode);
        let Err(VaultError::Master(error)) = seal(key, &about(), b"x").await else { panic!("{mode:o} was taken") };
        assert!(matches!(&error, MasterKeyError::Denied(said) if said.contains("chmod 600")), "{mode:o}: {error}");
    }
    put(&token, "hvs.canary-token", 0o400);
    seal(key, &about(), b"x").await.unwrap();
}

#[tokio::test]
async fn who_cannot_be_reached_or_answers_without_end_is_unavailable() {
    let here = ground().await;
    let Ground { settings, .. } = &here;
    let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Url::parse(&format!("http://{}", dead.local_addr().unwrap())).unwrap();
    drop(dead);
    let key = TransitKey::open(&TransitSettings { address, ..settings.clone() }).unwrap();
    assert!(matches!(seal(&key, &about(), b"x").await, Err(VaultError::Master(MasterKeyError::Unavailable(_)))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let endless = Router::new().route("/v1/{*path}", post(|| async { "x".repeat(MOST + 1) }));
    tokio::spawn(async move { axum::serve(listener, endless).await });
    let key = TransitKey::open(&TransitSettings { address, ..settings.clone() }).unwrap();
    let Err(VaultError::Master(error)) = seal(&key, &about(), b"x").await else { panic!("taken") };
    assert!(error.to_string().contains("too long"), "{error}");
}
