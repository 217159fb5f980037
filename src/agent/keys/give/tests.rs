//! How a bot finds its keys: files, a file descriptor, its environment; what is replaced and taken back. No server and no line to one.

use super::*;
use crate::agent::keys::tests::{Ground, ground};
use std::{io::Read, os::unix::fs::PermissionsExt};

fn files(ground: &Ground, form: Form) -> Files {
    Files { dir: ground.dir.given(), form }
}

fn names(files: &Files) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&files.dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn each_venue_and_purpose_has_one_file_of_the_newest_version() {
    let ground = ground();
    let files = files(&ground, Form::Plain);
    let key = |version, purpose| (ground.key)(version, "binance", purpose);
    let (one, two, data) = (key(1, KeyPurpose::Execution), key(2, KeyPurpose::Execution), key(1, KeyPurpose::MarketData));
    files.give(&ground.store, std::slice::from_ref(&one)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files.dir), mode(&files.path(&one))), (0o700, 0o600));
    let given = read(&files.path(&one));
    assert_eq!((given["key"].as_str(), given["secret"].as_str()), (Some("canary-key-1"), Some("canary-secret-1")));
    assert_eq!((given["password"].as_str(), given["version"].as_i64()), (Some("canary-pass"), Some(1)));
    fs::write(files.dir.join("config.json"), "theirs").unwrap();
    fs::write(files.dir.join("binance-execution.json.new"), "half").unwrap();
    files.give(&ground.store, &[one.clone(), two.clone(), data]).unwrap();
    assert_eq!(names(&files), ["binance-execution.json", "binance-market_data.json", "config.json"]);
    assert_eq!(read(&files.path(&two))["secret"], "canary-secret-2");
    files.give(&ground.store, &[one]).unwrap();
    assert_eq!(names(&files), ["binance-execution.json", "config.json"]);
    files.take_back(&[]).unwrap();
    assert_eq!(names(&files), ["config.json"], "what others put there is theirs");
}

#[test]
fn freqtrade_gets_a_piece_of_its_configuration() {
    let ground = ground();
    let files = files(&ground, Form::Freqtrade);
    let key = (ground.key)(4, "binance", KeyPurpose::Execution);
    files.give(&ground.store, std::slice::from_ref(&key)).unwrap();
    let expected = serde_json::json!({"exchange": {"key": "canary-key-4", "secret": "canary-secret-4", "password": "canary-pass"}});
    assert_eq!(read(&files.path(&key)), expected);
}

#[test]
fn a_name_of_a_venue_stays_in_the_folder_and_no_two_are_one() {
    let ground = ground();
    let files = files(&ground, Form::Plain);
    let path = |venue: &str| files.path(&KeyFrame { venue: venue.into(), ..(ground.key)(1, "binance", KeyPurpose::Execution) });
    assert_eq!(path("Börse 1").file_name().unwrap(), "B%c3%b6rse%201-execution.json");
    for venue in ["../../etc/x", "/etc/x", "..", "a%2fb", "a/b"] {
        assert_eq!(path(venue).parent().unwrap(), files.dir, "{venue}");
    }
    assert_ne!(path("a%2fb"), path("a/b"));
}

#[test]
fn a_folder_that_others_can_enter_gets_nothing() {
    let ground = ground();
    let files = files(&ground, Form::Plain);
    fs::create_dir_all(&files.dir).unwrap();
    fs::set_permissions(&files.dir, fs::Permissions::from_mode(0o755)).unwrap();
    let error = files.give(&ground.store, &[(ground.key)(1, "binance", KeyPurpose::Execution)]).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
    assert!(names(&files).is_empty());
}

#[test]
fn an_open_file_has_all_keys_and_nobody_changes_it() {
    let ground = ground();
    let key = (ground.key)(2, "binance", KeyPurpose::Execution);
    ground.store.keep(&key).unwrap();
    let mut command = Command::new("true");
    let mut file = Handing { store: ground.store.clone(), way: Way::Fd }.hand_over(&mut command).unwrap().unwrap();
    let told = command.get_envs().find(|(name, _)| *name == FD).unwrap().1.unwrap().to_str().unwrap().to_owned();
    assert_eq!(told, file.as_raw_fd().to_string());
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all[0]["secret"], "canary-secret-2");
    assert!(file.write_all(b"x").is_err() && file.set_len(0).is_err());
    assert!(!format!("{command:?}").contains("canary"), "its environment has the number alone");
}

#[test]
fn an_environment_has_names_by_venue_and_purpose() {
    let ground = ground();
    ground.store.keep(&(ground.key)(1, "binance usd-m", KeyPurpose::Execution)).unwrap();
    let mut command = Command::new("true");
    assert!(Handing { store: ground.store.clone(), way: Way::Env }.hand_over(&mut command).unwrap().is_none());
    let value =
        |name: &str| command.get_envs().find(|(known, _)| *known == name).map(|(_, value)| value.unwrap().to_str().unwrap().to_owned());
    assert_eq!(value("ANDON_BINANCE_USD_M_EXECUTION_KEY").as_deref(), Some("canary-key-1"));
    assert_eq!(value("ANDON_BINANCE_USD_M_EXECUTION_SECRET").as_deref(), Some("canary-secret-1"));
    assert_eq!(value("ANDON_BINANCE_USD_M_EXECUTION_PASSWORD").as_deref(), Some("canary-pass"));
}
