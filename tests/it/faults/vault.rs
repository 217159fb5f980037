//! The master key of a server that runs: another one is refused, one that is away stops no stop, a change goes on after a kill, and two starts at
//! once make one.

use super::{
    ground::Ground,
    press::api,
    server::{Server, andon, command},
    until,
};
use crate::harness::{
    browser::exchange,
    db::{self, Fresh, Kind, Place, fresh, on_both},
};
use crate::vault::secret;
use andon::{
    crypto::vault::{About, LocalMasterKey, MasterKey, SealedRecord, open_parts, seal_parts},
    domain::{KeyId, KeyPurpose, Secret, Timestamp},
    storage::{self, Lane, key_secrets::KeySecret},
};
use axum::{
    Json, Router,
    body::Body,
    http::{Request, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tokio::net::TcpListener;

/// `andon serve` on this ground, with more in its environment.
fn serve(ground: &Ground, environment: &[(&str, String)]) -> Command {
    let mut command = command(andon());
    command.arg("serve").arg("--data").arg(ground.path()).arg("--state-dir").arg(ground.state_dir());
    command.args(["--listen", &ground.address.to_string(), "--origin", &ground.origin]);
    if let Place::Url(url) = &ground.place {
        command.args(["--database-url", url]);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Runs it to its end, which must come by itself.
async fn ended(command: Command) -> (Output, String) {
    let output = tokio::process::Command::from(command).output().await.unwrap();
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    (output, said)
}

/// What the doctor says of kept keys.
async fn doctor(ground: &Ground, environment: &[(&str, String)]) -> String {
    let mut doctor = command(andon());
    doctor.arg("doctor").arg("--data").arg(ground.path()).arg("--state-dir").arg(ground.state_dir()).args(["--origin", &ground.origin]);
    if let Place::Url(url) = &ground.place {
        doctor.args(["--database-url", url]);
    }
    doctor.envs(environment.iter().map(|(name, value)| (name, value)));
    let said = ended(doctor).await.1;
    said.lines().filter(|line| line.contains("kept keys")).collect::<Vec<_>>().join("\n")
}

fn own(ground: &Ground) -> PathBuf {
    ground.state_dir().join("master.key")
}

fn key_in(file: &Path) -> LocalMasterKey {
    let bytes = data_encoding::BASE64.decode(fs::read_to_string(file).unwrap().trim().as_bytes()).unwrap();
    LocalMasterKey::new(Secret::new(bytes.try_into().unwrap()))
}

/// A file with a new key, and the setting that names it.
fn another(ground: &Ground) -> (PathBuf, String) {
    let path = ground.path().join("another.key");
    let key = LocalMasterKey::generate().unwrap();
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, key.key().expose()).unwrap();
    let named = format!("file:{}", path.display());
    (path, named)
}

/// Keeps so many secrets, sealed under a key, while no server runs.
async fn keep(ground: &Ground, key: &LocalMasterKey, count: usize) -> Vec<About> {
    let db = db::reopen(&ground.place).await;
    let mut all = Vec::new();
    let mut tx = db.write(Lane::Normal).await.unwrap();
    for _ in 0..count {
        let about = About { key: KeyId::new(), version: 1, purpose: KeyPurpose::Guard };
        let sealed = seal_parts(key, &about, &secret()).await.unwrap().to_bytes().unwrap();
        let row = KeySecret {
            key_id: about.key.clone(),
            version: 1,
            purpose: about.purpose,
            sealed,
            master: key.id().to_string(),
            sealed_at: Timestamp(1),
        };
        storage::key_secrets::key_secret_insert(&mut tx, &row).await.unwrap();
        all.push(about);
    }
    tx.commit().await.unwrap();
    db.close().await;
    all
}

/// Master keys with how much is sealed under each, and every sealed secret.
async fn kept(ground: &Ground) -> (Vec<(String, i64)>, Vec<storage::key_secrets::MasterKeyRow>, Vec<KeySecret>) {
    let db = db::reopen(&ground.place).await;
    let mut tx = db.read().await.unwrap();
    let counts = storage::key_secrets::key_secret_counts(&mut tx).await.unwrap();
    let masters = storage::key_secrets::master_key_all(&mut tx).await.unwrap();
    let mut rows = Vec::new();
    for (master, _) in &counts {
        rows.extend(storage::key_secrets::key_secret_under(&mut tx, master, ("", 0), 1_000).await.unwrap());
    }
    drop(tx);
    db.close().await;
    (counts, masters, rows)
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    exchange(address, request)
        .await
        .map_or((0, String::new()), |answer| (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned()))
}

async fn is_degraded(ground: &Ground) -> bool {
    let (status, body) = get(ground.address, "/readyz").await;
    assert_eq!(status, 200, "{body}");
    body.contains("\"vault\"")
}

on_both!(a_server_with_another_master_key_does_not_start_and_changes_nothing, |fresh: Fresh| async move {
    let (ground, _) = Ground::new(fresh, 0).await;
    Server::start(&ground).await.stop().await;
    assert_eq!(fs::metadata(own(&ground)).unwrap().permissions().mode() & 0o777, 0o600);
    keep(&ground, &key_in(&own(&ground)), 2).await;
    let (text, before) = (fs::read(own(&ground)).unwrap(), kept(&ground).await);
    let (_, named) = another(&ground);
    let wrong = [("ANDON_MASTER_KEY", named.clone())];
    let (output, said) = ended(serve(&ground, &wrong)).await;
    assert!(output.status.code() == Some(1) && said.contains(&before.0[0].0) && said.contains("--master-key"), "{said}");
    assert!(!said.contains("Andon serves"), "{said}");
    assert!(fs::read(own(&ground)).unwrap() == text && kept(&ground).await == before, "something was changed");
    let said = doctor(&ground, &wrong).await;
    assert!(said.starts_with("bad") && said.contains("does not start"), "{said}");
    let said = doctor(&ground, &[]).await;
    assert!(said.starts_with("ok") && said.contains("the one that is given"), "{said}");

    // One that is gone for a while is no other one: stops are served, and nothing is made in its place.
    let away = own(&ground).with_extension("away");
    fs::rename(own(&ground), &away).unwrap();
    let said = doctor(&ground, &[]).await;
    assert!(said.starts_with("bad") && said.contains("put the file back"), "{said}");
    let mut server = Server::start(&ground).await;
    assert!(is_degraded(&ground).await && !own(&ground).exists());
    fs::rename(&away, own(&ground)).unwrap();
    until("the master key is noticed", async || !is_degraded(&ground).await).await;
    server.stop().await;
    assert!(kept(&ground).await == before);
});

on_both!(a_change_of_the_master_key_goes_on_after_a_kill, |fresh: Fresh| async move {
    let (ground, _) = Ground::new(fresh, 0).await;
    Server::start(&ground).await.stop().await;
    let old = key_in(&own(&ground));
    let all = keep(&ground, &old, 45).await;
    let (file, named) = another(&ground);
    let bytes: [u8; 32] = fs::read(file).unwrap().try_into().unwrap();
    let new = LocalMasterKey::new(Secret::new(bytes));
    let alone = [("ANDON_MASTER_KEY", named.clone())];
    let both = [alone[0].clone(), ("ANDON_MASTER_KEY_OLD", format!("file:{}", own(&ground).display()))];
    let said = doctor(&ground, &both).await;
    assert!(said.starts_with("ok") && said.contains("the next start changes"), "{said}");

    let mut dies = both.to_vec();
    dies.push(("ANDON_FAILPOINT", "vault:rewrapped:1".to_owned()));
    let (output, said) = ended(serve(&ground, &dies)).await;
    assert_eq!(output.status.signal(), Some(9), "{said}");
    let (counts, ..) = kept(&ground).await;
    let under = |counts: &[(String, i64)], key: &LocalMasterKey| {
        counts.iter().find(|(master, _)| master == key.id().as_str()).map_or(0, |(_, count)| *count)
    };
    assert_eq!((under(&counts, &old), under(&counts, &new)), (25, 20));
    for (environment, missing) in [(&alone[..], old.id()), (&[][..], new.id())] {
        let (output, said) = ended(serve(&ground, environment)).await;
        assert!(output.status.code() == Some(1) && said.contains(missing.as_str()), "{said}");
    }
    let said = doctor(&ground, &alone).await;
    assert!(said.contains("bad") && said.contains("25 are sealed under the earlier master key"), "{said}");

    let mut server = Server::start_with(&ground, &both).await;
    until("everything is carried over", async || kept(&ground).await.0 == [(new.id().to_string(), 45)]).await;
    until("the old one is retired", async || {
        kept(&ground).await.1.iter().all(|row| row.retired_at.is_some() == (row.id == old.id().as_str()))
    })
    .await;
    assert!(!is_degraded(&ground).await);
    server.stop().await;
    for row in kept(&ground).await.2 {
        let about = all.iter().find(|about| about.key == row.key_id).unwrap();
        let record = SealedRecord::from_bytes(&row.sealed).unwrap();
        assert!(open_parts(&new, about, &record).await.is_ok());
    }
    fs::remove_file(own(&ground)).unwrap();
    let mut server = Server::start_with(&ground, &alone).await;
    assert!(!is_degraded(&ground).await && !own(&ground).exists());
    server.stop().await;
    let verified = ground.verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
});

/// Vault as far as its documents say: it wraps by writing down, and opens for the same associated data.
async fn transit(listener: TcpListener) {
    let encrypt = async |Json(body): Json<Value>| {
        let word = |name: &str| body[name].as_str().unwrap().to_owned();
        Json(json!({"data": {"ciphertext": format!("vault:v1:{}.{}", word("plaintext"), word("associated_data"))}}))
    };
    let decrypt = async |Json(body): Json<Value>| {
        let sealed = body["ciphertext"].as_str().unwrap().trim_start_matches("vault:v1:").to_owned();
        match sealed.split_once('.') {
            Some((plaintext, aad)) if aad == body["associated_data"] => (StatusCode::OK, Json(json!({"data": {"plaintext": plaintext}}))),
            _ => (StatusCode::BAD_REQUEST, Json(json!({"errors": ["cipher: message authentication failed"]}))),
        }
    };
    let router = Router::new().route("/v1/transit/encrypt/andon", post(encrypt)).route("/v1/transit/decrypt/andon", post(decrypt));
    axum::serve(listener, router).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_answers_for_the_master_key_stops_are_served_and_it_is_said() {
    let (ground, _) = Ground::new(fresh(Kind::Sqlite).await, 0).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let token = ground.path().join("transit.token");
    fs::write(&token, "hvs.canary").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let environment = [
        ("ANDON_MASTER_KEY", format!("transit:http://{address}")),
        ("ANDON_TRANSIT_KEY", "andon".to_owned()),
        ("ANDON_TRANSIT_TOKEN_FILE", token.display().to_string()),
    ];
    let mut server = Server::start_with(&ground, &environment).await;
    assert!(is_degraded(&ground).await);
    assert_eq!(get(ground.address, "/readyz?full=1").await.0, 503);
    let body = json!({"scope": "fleet", "level": "pause", "why": "no vault", "idempotency_key": "no vault"});
    let (status, pressed) = api(&ground, &ground.stop_token, "POST", "/api/v1/holds", Some(body)).await.unwrap();
    assert!((status == 200 || status == 201) && pressed["kept"] == "recorded", "{status} {pressed}");
    assert!(kept(&ground).await.1.is_empty(), "nothing is written down that was not seen to work");

    let vault = tokio::spawn(transit(TcpListener::bind(address).await.unwrap()));
    until("the master key is taken into use", async || !is_degraded(&ground).await).await;
    assert_eq!(kept(&ground).await.1[0].id, "transit:transit/andon");
    server.stop().await;
    // Nor does a start that finds it sealed under one that is away wait for it; and a token that others can read is not sent.
    vault.abort();
    let mut server = Server::start_with(&ground, &environment).await;
    assert!(is_degraded(&ground).await);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o640)).unwrap();
    let vault = tokio::spawn(transit(TcpListener::bind(address).await.unwrap()));
    let log = ground.path().join("server.log");
    until("the token's file is complained of", async || fs::read_to_string(&log).unwrap().contains("chmod 600")).await;
    assert!(is_degraded(&ground).await);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    until("the master key is back", async || !is_degraded(&ground).await).await;
    server.stop().await;
    vault.abort();
    assert!(!fs::read_to_string(&log).unwrap().contains("hvs.canary"));
}

on_both!(two_first_starts_on_one_folder_make_one_master_key, |fresh: Fresh| async move {
    let (ground, _) = Ground::new(fresh, 0).await;
    let log = |name: &str| ground.log(name);
    let mut starts = ["one", "two"].map(|name| {
        let mut command = serve(&ground, &[]);
        command.stdout(log(name)).stderr(log(name));
        command.spawn().unwrap()
    });
    until("one of them has the folder and the other none", async || {
        let ended = starts.each_mut().map(|child| child.try_wait().unwrap().is_some());
        ended != [false, false] && get(ground.address, "/healthz").await.0 == 200
    })
    .await;
    assert_eq!(starts.each_mut().map(|child| child.try_wait().unwrap().is_some()).iter().filter(|ended| **ended).count(), 1);
    assert!(!is_degraded(&ground).await);
    let id = key_in(&own(&ground)).id().to_string();
    assert_eq!(kept(&ground).await.1.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [id]);
    let left: Vec<_> = fs::read_dir(ground.state_dir()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".master")), "{left:?}");
    for child in &mut starts {
        let _ = child.kill();
        child.wait().unwrap();
    }
});
