//! What the keeper of keys says to each order, and a place to try it in.

use super::*;
use crate::agent::{AgentDir, Credential, dir::write_durably};
use crate::crypto::seal::{Binding, Identity, seal};
use crate::domain::{ApiSecret, KeyPurpose, Secret};
use std::path::PathBuf;

/// Seals a version for a venue and a purpose.
pub type Seals = Box<dyn Fn(i64, &str, KeyPurpose) -> KeyFrame + Send>;

/// An agent's directory with an identity, and keys that a server would seal to it. All keys that one ground makes are versions of one key.
pub struct Ground {
    pub dir: AgentDir,
    pub store: KeyStore,
    pub key: Seals,
    _temp: tempfile::TempDir,
}

pub fn ground() -> Ground {
    let temp = tempfile::tempdir().unwrap();
    let dir = AgentDir::new(temp.path());
    let who = crate::agent::tests::credential();
    let key = sealer(&dir, &who);
    Ground { store: KeyStore::new(&dir, &who), dir, key, _temp: temp }
}

/// Makes an identity in an agent's directory, and what seals to it as a server does: `canary-key-N` and `canary-secret-N` for version N.
pub fn sealer(dir: &AgentDir, who: &Credential) -> Seals {
    let identity = Identity::generate();
    write_durably(&dir.identity(), identity.to_text().expose().as_bytes(), 0o600).unwrap();
    let (recipient, who, id) = (identity.recipient(), who.clone(), KeyId::new());
    Box::new(move |version, venue, purpose| {
        let binding = Binding {
            installation: who.installation.clone(),
            agent: who.agent.clone(),
            bot: who.bot.clone(),
            key: id.clone(),
            version,
            purpose,
            venue: venue.to_owned(),
        };
        let part = |text: String| Secret::new(text);
        let secret = ApiSecret {
            api_key: part(format!("canary-key-{version}")),
            secret: part(format!("canary-secret-{version}")),
            passphrase: Some(part("canary-pass".into())),
        };
        let sealed = seal(&binding, &secret, &recipient).unwrap();
        KeyFrame { key_id: id.clone(), version, purpose, venue: venue.to_owned(), sealed }
    })
}

impl Ground {
    /// The same key as another agent would be sent it.
    pub fn key_for(&self, key: &KeyFrame) -> KeyFrame {
        KeyFrame { key_id: key.key_id.clone(), ..(self.key)(key.version, &key.venue, key.purpose) }
    }
    fn files(&self) -> Files {
        Files { dir: self.dir.given(), form: Form::Plain }
    }
    fn given(&self) -> PathBuf {
        self.dir.given().join("binance-execution.json")
    }
    fn keys(&self, giving: Giving) -> (Keys, tokio::task::JoinHandle<()>) {
        let (keys, work) = Keys::new(Some(KeyRing { store: self.store.clone(), giving }));
        (keys, tokio::spawn(work.run()))
    }
}

/// The next words, up to and including an acknowledgement or the end of a drop; and what was held before it.
async fn said(keys: &mut Keys) -> (BTreeMap<String, i64>, Word) {
    let mut held = BTreeMap::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(10), keys.word()).await.expect("a word comes") {
            Word::Held { versions, .. } => held = versions.as_ref().clone(),
            word => return (held, word),
        }
    }
}

async fn held(keys: &mut Keys) -> (Versions, bool) {
    match tokio::time::timeout(Duration::from_secs(10), keys.word()).await.expect("a word comes") {
        Word::Held { versions, is_dropping } => (versions, is_dropping),
        word => panic!("{word:?}"),
    }
}

fn execution(ground: &Ground, version: i64) -> KeyFrame {
    (ground.key)(version, "binance", KeyPurpose::Execution)
}

#[tokio::test]
async fn a_key_is_answered_once_it_is_held_and_given_and_again_each_time_it_is_sent() {
    let ground = ground();
    let (mut keys, _task) = ground.keys(Giving::Files(ground.files()));
    assert!(held(&mut keys).await.0.is_empty());
    for _ in 0..2 {
        keys.take(KeyOrder::Key(execution(&ground, 3)));
        let (held, Word::Ack(ack)) = said(&mut keys).await else { panic!("no ack") };
        assert!(ack.ok && ack.version == 3 && ack.why.is_none(), "{ack:?}");
        assert_eq!(held.values().copied().collect::<Vec<_>>(), [3], "known before it is acknowledged");
        assert!(ground.given().exists());
    }
    keys.take(KeyOrder::Key(execution(&ground, 2)));
    let (_, Word::Ack(ack)) = said(&mut keys).await else { panic!("no ack") };
    assert!(!ack.ok && ack.why.unwrap().contains("newer"));
    keys.take(KeyOrder::KeyDrop(crate::protocol::KeyDropFrame { key_id: ack.key_id, version: 3 }));
    assert!(held(&mut keys).await.0.is_empty());
    assert!(!ground.given().exists() && ground.store.find().unwrap().keys.is_empty());
}

#[tokio::test]
async fn a_bot_that_is_started_gets_it_with_its_next_start_and_the_answer_says_so() {
    let ground = ground();
    for (giving, word) in [(Giving::AtStart(Way::Fd), "started next"), (Giving::Nothing, "do not give it")] {
        let (mut keys, _task) = ground.keys(giving);
        keys.take(KeyOrder::Key(execution(&ground, 1)));
        let (_, Word::Ack(ack)) = said(&mut keys).await else { panic!("no ack") };
        assert!(ack.ok && ack.why.as_ref().is_some_and(|why| why.contains(word)), "{ack:?}");
    }
}

#[tokio::test]
async fn an_agent_without_a_place_for_keys_says_so() {
    let ground = ground();
    let (mut keys, work) = Keys::new(None);
    tokio::spawn(work.run());
    keys.take(KeyOrder::Key(execution(&ground, 1)));
    let (_, Word::Ack(ack)) = said(&mut keys).await else { panic!("no ack") };
    assert!(!ack.ok && ack.why.unwrap().contains("keeps no keys"));
    keys.drop_all();
    assert!(matches!(said(&mut keys).await.1, Word::Dropped));
}

#[tokio::test]
async fn after_a_drop_nothing_is_left_and_what_was_sent_before_it_does_not_come_after_it() {
    let ground = ground();
    let (mut keys, work) = Keys::new(Some(KeyRing { store: ground.store.clone(), giving: Giving::Files(ground.files()) }));
    ground.store.keep(&execution(&ground, 1)).unwrap();
    ground.files().give(&ground.store, &[execution(&ground, 1)]).unwrap();
    keys.take(KeyOrder::Key(execution(&ground, 2)));
    keys.note_dropping();
    keys.drop_all();
    tokio::spawn(work.run());
    let (held, word) = said(&mut keys).await;
    assert!(matches!(word, Word::Dropped) && held.is_empty(), "{word:?}");
    assert!(!ground.given().exists());
    assert_eq!(std::fs::read_dir(ground.dir.keys()).unwrap().count(), 0);
    keys.take(KeyOrder::Key(execution(&ground, 1)));
    let (_, Word::Ack(ack)) = said(&mut keys).await else { panic!("no ack") };
    assert!(ack.ok, "sent anew it is taken: {ack:?}");
}

#[tokio::test]
async fn an_agent_that_starts_anew_knows_what_it_holds_and_gives_it_again() {
    let ground = ground();
    ground.store.keep(&execution(&ground, 5)).unwrap();
    std::fs::write(ground.dir.keys().join("half.json"), "{").unwrap();
    let (mut keys, _task) = ground.keys(Giving::Files(ground.files()));
    assert!(matches!(said(&mut keys).await.1, Word::Event("key_spoilt", ..)));
    let (versions, is_dropping) = held(&mut keys).await;
    assert_eq!((versions.values().copied().collect::<Vec<_>>(), is_dropping), (vec![5], false));
    assert!(ground.given().exists());

    ground.files().take_back(&[]).unwrap();
    std::fs::remove_file(ground.dir.keys().join("half.json")).unwrap();
    ground.store.note_dropping().unwrap();
    let (mut keys, _task) = ground.keys(Giving::Files(ground.files()));
    assert!(held(&mut keys).await.1, "it died before it had dropped them");
    assert!(!ground.given().exists(), "and gives out none of them any more");
}

#[test]
fn the_check_says_what_is_held_and_what_is_to_be_changed() {
    use std::os::unix::fs::PermissionsExt;
    let ground = ground();
    let ring = |giving| KeyRing { store: ground.store.clone(), giving };
    let bad = |ring: &KeyRing| examine(ring).into_iter().filter(|finding| !finding.is_good).map(|finding| finding.text).collect::<Vec<_>>();
    assert!(bad(&ring(Giving::Files(ground.files()))).is_empty());
    ground.store.keep(&execution(&ground, 2)).unwrap();
    let found = examine(&ring(Giving::Nothing));
    assert!(found.iter().any(|finding| finding.is_good && finding.text.contains("execution key of binance, version 2")), "{found:?}");
    assert!(!format!("{found:?}").contains("canary"));
    std::fs::create_dir(ground.dir.given()).unwrap();
    std::fs::set_permissions(ground.dir.given(), std::fs::Permissions::from_mode(0o750)).unwrap();
    let said = bad(&ring(Giving::Files(ground.files())));
    assert!(said.len() == 1 && said[0].contains("chmod 700"), "{said:?}");
    write_durably(&ground.dir.identity(), Identity::generate().to_text().expose().as_bytes(), 0o600).unwrap();
    let said = bad(&ring(Giving::AtStart(Way::Env)));
    assert!(said.len() == 1 && said[0].contains("another recipient"), "{said:?}");
}

/// Where the process below finds what to keep.
const KEEPER: &str = "ANDON_TEST_KEEPER";

/// Not a test: a process that takes a key, answers for it and drops it, to be killed on its way.
#[test]
fn as_keeper() {
    let Ok(text) = std::env::var(KEEPER) else { return };
    let (store, given, key): (KeyStore, PathBuf, KeyFrame) = serde_json::from_str(&text).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let ring = KeyRing { store, giving: Giving::Files(Files { dir: given, form: Form::Plain }) };
        let (mut keys, work) = Keys::new(Some(ring));
        tokio::spawn(work.run());
        keys.take(KeyOrder::Key(key));
        let (_, Word::Ack(ack)) = said(&mut keys).await else { panic!("no ack") };
        assert!(ack.ok, "{ack:?}");
        keys.note_dropping();
        keys.drop_all();
        assert!(matches!(said(&mut keys).await.1, Word::Dropped));
    });
}

/// Runs that process to its end; true when it ended by itself, false when it was killed at the point.
fn keeps(ground: &Ground, key: &KeyFrame, point: &str) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let asked = serde_json::to_string(&(&ground.store, ground.dir.given(), key)).unwrap();
    let mut command = std::process::Command::new("/proc/self/exe");
    command.args(["--exact", "agent::keys::tests::as_keeper", "--nocapture"]).env(KEEPER, asked);
    if !point.is_empty() {
        command.env("ANDON_FAILPOINT", format!("{point}:1"));
    }
    let ended = command.output().unwrap();
    assert!(ended.status.success() || ended.status.signal() == Some(9), "{point}: {ended:?}");
    ended.status.success()
}

#[test]
fn killed_at_any_step_it_comes_back_with_the_key_whole_or_not_at_all_and_drops_what_was_to_be_dropped() {
    for (point, is_held, is_dropping) in [
        ("agent:before_key", false, false),
        ("agent:key", true, false),
        ("agent:before_key_ack", true, false),
        ("agent:keys_dropped", false, true),
    ] {
        let ground = ground();
        let key = execution(&ground, 3);
        assert!(!keeps(&ground, &key, point), "{point} was not passed");
        let found = ground.store.find().unwrap();
        assert_eq!(
            (found.keys.as_slice(), found.is_dropping),
            (if is_held { std::slice::from_ref(&key) } else { &[] }, is_dropping),
            "{point}"
        );
        assert!(found.spoilt.is_empty() && (is_held || !ground.given().exists()), "{point}");
        assert!(keeps(&ground, &key, ""), "{point}: sent again, it is taken and dropped as if nothing had been");
        assert_eq!(std::fs::read_dir(ground.dir.keys()).unwrap().count(), 0, "{point}");
    }
}
