//! Exchange keys that the server holds: what is kept opens for what it was sealed for and with its master key, and for nothing else; a master key
//! that cannot be had stops no stop; one is changed while the server runs.

use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::{
        App, AppError,
        vault::{Given, Place, Shut},
    },
    crypto::vault::{About, DataKey, LocalMasterKey, MasterKey, MasterKeyError, MasterKeyId, SealedRecord, open_parts},
    domain::{AlertKind, ApiSecret, KeyId, KeyPurpose, Secret, Subject},
    storage::{self, Lane, key_secrets::KeySecret},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

const API_KEY: &str = "canary-api-key-of-a-venue-0815";
const SECRET: &str = "canary-secret-of-a-venue-4711";
const PASSPHRASE: &str = "canary-passphrase-of-a-venue-23";

pub fn secret() -> ApiSecret {
    let part = |text: &str| Secret::new(text.to_owned());
    ApiSecret { api_key: part(API_KEY), secret: part(SECRET), passphrase: Some(part(PASSPHRASE)) }
}

fn about(purpose: KeyPurpose) -> About {
    About { key: KeyId::new(), version: 1, purpose }
}

/// A master key that lies in the test; while it is away, whoever keeps it does not answer.
#[derive(Clone)]
struct Held {
    key: Arc<LocalMasterKey>,
    is_away: Arc<AtomicBool>,
}

impl Held {
    fn new() -> Self {
        Self { key: Arc::new(LocalMasterKey::generate().unwrap()), is_away: Arc::default() }
    }
    fn id(&self) -> String {
        self.key.id().to_string()
    }
    fn away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }
    fn check(&self) -> Result<(), MasterKeyError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(MasterKeyError::Unavailable("the keeper of the test is away".into())),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl MasterKey for Held {
    fn id(&self) -> &MasterKeyId {
        self.key.id()
    }
    async fn wrap(&self, data_key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, MasterKeyError> {
        self.check()?;
        self.key.wrap(data_key, aad).await
    }
    async fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, MasterKeyError> {
        self.check()?;
        self.key.unwrap(wrapped, aad).await
    }
}

impl Place for Held {
    fn open(&self, _is_first: bool) -> Result<Arc<dyn MasterKey>, Shut> {
        Ok(Arc::new(self.clone()))
    }
}

async fn open_vault(app: &App, key: &Held, old: Option<&Held>) -> Result<(), Shut> {
    let old = old.cloned().map(|old| Arc::new(old) as Arc<dyn Place>);
    app.open_vault(Given { key: Arc::new(key.clone()), old, lost: None }).await
}

async fn keep(app: &App, about: &About) -> Result<KeySecret, AppError> {
    let row = app.seal_secret(about, &secret()).await?;
    insert(app, &row).await?;
    Ok(row)
}

async fn insert(app: &App, row: &KeySecret) -> Result<(), AppError> {
    let mut tx = app.db.write(Lane::Normal).await?;
    storage::key_secrets::key_secret_insert(&mut tx, row).await?;
    Ok(tx.commit().await?)
}

async fn opens(app: &App, about: &About) -> bool {
    app.open_secret(about).await.is_ok_and(|opened| opened.secret.expose() == SECRET && opened.api_key.expose() == API_KEY)
}

/// The kinds of the last entries, oldest first.
async fn kinds(test: &TestApp, most: usize) -> Vec<String> {
    let mut tx = test.fresh.db.read().await.unwrap();
    let size = storage::audit::audit_head(&mut tx).await.unwrap().size;
    let last = storage::audit::audit_from(&mut tx, size - i64::try_from(most).unwrap(), size).await.unwrap();
    last.into_iter().map(|row| row.kind).collect()
}

on_both!(a_kept_secret_opens_where_it_was_put_and_nowhere_else, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    assert!(test.app.health().await.degraded.is_empty(), "who keeps nothing is well");
    open_vault(&test.app, &Held::new(), None).await.unwrap();
    let (here, there) = (about(KeyPurpose::Guard), about(KeyPurpose::Guard));
    for about in [&here, &there] {
        keep(&test.app, about).await.unwrap();
        assert!(opens(&test.app, about).await);
    }
    assert!(matches!(test.app.seal_secret(&about(KeyPurpose::Execution), &secret()).await, Err(AppError::Internal(_))), "a bot's own key");
    assert!(matches!(keep(&test.app, &here).await, Err(AppError::Conflict(_))), "that version has one");
    let moves = [
        format!(
            "UPDATE key_secret SET sealed = (SELECT sealed FROM key_secret WHERE key_id = '{}') WHERE key_id = '{}'",
            here.key, there.key
        ),
        format!(
            "INSERT INTO key_secret SELECT key_id, 2, purpose, sealed, master, sealed_at FROM key_secret WHERE key_id = '{}'",
            here.key
        ),
    ];
    for sql in &moves {
        test.execute(sql).await;
    }
    let alert = || test.app.alerts.find(AlertKind::SecretRefused, &Subject::installation());
    assert!(alert().is_none());
    for moved in [&there, &About { version: 2, ..here.clone() }, &About { purpose: KeyPurpose::Monitor, ..here.clone() }] {
        assert!(matches!(test.app.open_secret(moved).await, Err(AppError::Internal(_))), "{moved:?}");
        assert!(alert().is_some_and(|alert| alert.severity == andon::domain::Severity::Critical), "{moved:?}");
    }
    assert_eq!(alert().unwrap().repeats, 2, "raised again twice");
    assert!(opens(&test.app, &here).await, "the one that stands where it was put");
    let mut tx = test.app.db.write(Lane::Normal).await.unwrap();
    assert!(storage::key_secrets::key_secret_delete(&mut tx, &here.key, 1).await.unwrap());
    tx.commit().await.unwrap();
    assert!(matches!(test.app.open_secret(&here).await, Err(AppError::NotFound(_))));
});

on_both!(another_master_key_is_refused_and_changes_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (right, wrong) = (Held::new(), Held::new());
    open_vault(&test.app, &right, None).await.unwrap();
    assert_eq!(kinds(&test, 1).await, ["master_key.taken"]);
    let about = about(KeyPurpose::Monitor);
    keep(&test.app, &about).await.unwrap();
    let before = Tables::of(&test.fresh).await.digest(&[]).await;
    for old in [None, Some(&Held::new()), Some(&wrong)] {
        let again = test.restarted().await;
        let refused = open_vault(&again, &wrong, old).await.unwrap_err();
        let said = refused.to_string();
        assert!(matches!(refused, Shut::Wrong(_)) && said.contains(&right.id()) && said.contains(&wrong.id()), "{said}");
        assert!(!opens(&again, &about).await);
    }
    assert_eq!(before, Tables::of(&test.fresh).await.digest(&[]).await, "something was changed");
    // One with the right name and another check value is no better.
    test.execute("UPDATE master_key SET check_value = (SELECT sealed FROM key_secret)").await;
    let said = open_vault(&*test.restarted().await, &right, None).await.unwrap_err().to_string();
    assert!(said.contains("although it has its name"), "{said}");
});

on_both!(of_two_first_servers_one_master_key_is_the_one, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (one, other) = (Held::new(), Held::new());
    let (here, there) = (test.restarted().await, test.restarted().await);
    let (a, b) = tokio::join!(open_vault(&here, &one, None), open_vault(&there, &other, None));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let (first, second) = if a.is_ok() { (&one, b) } else { (&other, a) };
    let said = second.unwrap_err().to_string();
    assert!(said.contains(&first.id()), "{said}");
    let again = test.restarted().await;
    open_vault(&again, first, None).await.unwrap();
    let rows = Tables::of(&test.fresh).await.rows("master_key").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
});

on_both!(while_the_master_key_cannot_be_had_the_server_serves_and_says_so, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (key, about) = (Held::new(), about(KeyPurpose::Guard));
    key.away(true);
    open_vault(&test.app, &key, None).await.unwrap();
    let is_degraded = async || test.app.health().await.degraded.contains(&"vault");
    assert!(is_degraded().await && test.app.vault.trouble().unwrap().contains("is away"));
    assert!(Tables::of(&test.fresh).await.rows("master_key").await.is_empty(), "nothing is written down that was not seen to work");
    assert!(matches!(keep(&test.app, &about).await, Err(AppError::Shut(_))));
    key.away(false);
    test.app.vault_round().await.unwrap();
    assert!(!is_degraded().await);
    keep(&test.app, &about).await.unwrap();
    // Away again while it runs: found out by whoever needs it, and healed by the next round.
    key.away(true);
    assert!(matches!(test.app.open_secret(&about).await, Err(AppError::Shut(_))));
    assert!(is_degraded().await);
    test.app.vault_round().await.unwrap();
    assert!(is_degraded().await, "still");
    key.away(false);
    test.app.vault_round().await.unwrap();
    assert!(!is_degraded().await && opens(&test.app, &about).await);
    // And a server that starts meanwhile serves, and opens nothing.
    key.away(true);
    let again = test.restarted().await;
    open_vault(&again, &key, None).await.unwrap();
    assert!(matches!(again.open_secret(&about).await, Err(AppError::Shut(_))));
    key.away(false);
    again.vault_round().await.unwrap();
    assert!(opens(&again, &about).await);
});

on_both!(the_master_key_is_changed_while_the_server_runs, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (old, new) = (Held::new(), Held::new());
    open_vault(&test.app, &old, None).await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..45 {
        kept.push(about(KeyPurpose::Guard));
        keep(&test.app, kept.last().unwrap()).await.unwrap();
    }
    let late = test.app.seal_secret(&about(KeyPurpose::Guard), &secret()).await.unwrap();
    let missing = open_vault(&*test.restarted().await, &new, None).await.unwrap_err().to_string();
    assert!(missing.contains("--master-key-old"), "{missing}");

    let replica = test.restarted().await;
    open_vault(&replica, &new, Some(&old)).await.unwrap();
    assert_eq!((replica.vault.left(), kinds(&test, 1).await.remove(0).as_str()), (45, "master_key.rotation_begun"));
    assert!(opens(&replica, &kept[0]).await, "what is not carried over yet opens");
    // Broken off here: without the old one no server starts, and what is needed is named.
    let missing = open_vault(&*test.restarted().await, &new, None).await.unwrap_err().to_string();
    assert!(missing.contains(&old.id()) && missing.contains("45 secrets"), "{missing}");
    let back = open_vault(&*test.restarted().await, &old, Some(&new)).await.unwrap_err().to_string();
    assert!(back.contains("is not over"), "{back}");
    // A server that seals with the old one keeps nothing under it any more, says so, and opens what it can.
    assert!(matches!(insert(&test.app, &late).await, Err(AppError::Conflict(_))));
    test.app.vault_round().await.unwrap();
    assert!(test.app.health().await.degraded.contains(&"vault") && test.app.vault.trouble().unwrap().contains(&new.id()));
    assert!(opens(&test.app, &kept[0]).await);

    replica.vault_round().await.unwrap();
    assert_eq!(kinds(&test, 1).await, ["master_key.rotated"]);
    assert!(replica.vault.is_old_over() && replica.vault.trouble().is_none() && replica.vault.left() == 0);
    for about in &kept {
        assert!(opens(&replica, about).await);
        assert!(matches!(test.app.open_secret(about).await, Err(AppError::Shut(_))));
    }
    let mut tx = test.fresh.db.read().await.unwrap();
    let counts = storage::key_secrets::key_secret_counts(&mut tx).await.unwrap();
    let masters = storage::key_secrets::master_key_all(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(counts, [(new.id(), 45)]);
    assert!(masters.iter().all(|row| row.is_current == (row.id == new.id()) && row.retired_at.is_some() == (row.id == old.id())));
    // The new one alone does from now on; the old one is never taken again.
    let alone = test.restarted().await;
    open_vault(&alone, &new, None).await.unwrap();
    assert!(opens(&alone, &kept[44]).await);
    let retired = open_vault(&*test.restarted().await, &old, Some(&new)).await.unwrap_err().to_string();
    assert!(retired.contains("was retired"), "{retired}");
    assert!(test.log_is_good().await.is_good());
});

on_both!(a_change_that_only_lacks_its_end_ends_without_the_old_master_key, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (old, new) = (Held::new(), Held::new());
    open_vault(&test.app, &old, None).await.unwrap();
    open_vault(&*test.restarted().await, &new, Some(&old)).await.unwrap();
    assert_eq!(kinds(&test, 1).await, ["master_key.rotation_begun"]);
    let app = test.restarted().await;
    open_vault(&app, &new, None).await.unwrap();
    assert_eq!(kinds(&test, 1).await, ["master_key.rotated"]);
    assert!(app.vault.trouble().is_none());
});

on_both!(what_is_no_good_is_not_carried_over_and_keeps_the_old_master_key, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (old, new) = (Held::new(), Held::new());
    open_vault(&test.app, &old, None).await.unwrap();
    let (good, bad) = (about(KeyPurpose::Guard), about(KeyPurpose::Guard));
    keep(&test.app, &good).await.unwrap();
    keep(&test.app, &bad).await.unwrap();
    test.execute(&format!("UPDATE key_secret SET purpose = 'monitor' WHERE key_id = '{}'", bad.key)).await;
    let app = test.restarted().await;
    open_vault(&app, &new, Some(&old)).await.unwrap();
    app.vault_round().await.unwrap();
    assert!(app.alerts.is_open(AlertKind::SecretRefused, &Subject::installation()));
    assert!(app.vault.trouble().unwrap().contains("1 secrets are no good") && opens(&app, &good).await);
    let mut tx = app.db.write(Lane::Normal).await.unwrap();
    storage::key_secrets::key_secret_delete(&mut tx, &bad.key, 1).await.unwrap();
    tx.commit().await.unwrap();
    app.vault_round().await.unwrap();
    assert!(app.vault.is_old_over() && app.vault.trouble().is_none(), "{:?}", app.vault.trouble());
});

on_both!(a_change_waits_for_a_new_master_key_that_cannot_be_had, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (old, new, about) = (Held::new(), Held::new(), about(KeyPurpose::Guard));
    open_vault(&test.app, &old, None).await.unwrap();
    keep(&test.app, &about).await.unwrap();
    new.away(true);
    let app = test.restarted().await;
    open_vault(&app, &new, Some(&old)).await.unwrap();
    assert!(app.vault.trouble().unwrap().contains("waits") && opens(&app, &about).await);
    new.away(false);
    app.vault_round().await.unwrap();
    assert!(app.vault.is_old_over() && opens(&app, &about).await);
    assert_eq!(kinds(&test, 2).await, ["master_key.rotation_begun", "master_key.rotated"]);
});

on_both!(what_is_sealed_under_a_lost_master_key_is_given_up_by_its_name_alone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (lost, new, about) = (Held::new(), Held::new(), about(KeyPurpose::Guard));
    open_vault(&test.app, &lost, None).await.unwrap();
    keep(&test.app, &about).await.unwrap();
    let given = |name: &str| Given { key: Arc::new(new.clone()), old: None, lost: Some(name.to_owned()) };
    let refused = test.restarted().await.open_vault(given("local:0000000000000000")).await;
    assert!(matches!(refused, Err(Shut::Wrong(_))), "{refused:?}");
    let app = test.restarted().await;
    app.open_vault(given(&lost.id())).await.unwrap();
    assert_eq!(kinds(&test, 1).await, ["master_key.lost"]);
    assert!(matches!(app.open_secret(&about).await, Err(AppError::NotFound(_))));
    keep(&app, &about).await.unwrap();
    let again = test.restarted().await;
    again.open_vault(given(&lost.id())).await.unwrap();
    assert!(opens(&again, &about).await, "said again, it does nothing more");
});

on_both!(a_dump_of_everything_opens_with_the_master_key_and_with_nothing_else, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    let (key, about) = (Held::new(), about(KeyPurpose::Guard));
    open_vault(&test.app, &key, None).await.unwrap();
    let row = keep(&test.app, &about).await.unwrap();
    assert!(opens(&test.app, &about).await);
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let mut dump: Vec<(String, String)> = Tables::of(&test.fresh).await.everything().await;
    for file in walk(test.fresh.dir.path()) {
        dump.push((file.display().to_string(), String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned()));
    }
    assert!(dump.iter().any(|(place, text)| place == "key_secret" && text.contains(about.key.as_str())));
    for canary in [API_KEY, SECRET, PASSPHRASE] {
        let forms = [
            canary.to_owned(),
            data_encoding::HEXLOWER.encode(canary.as_bytes()),
            data_encoding::HEXUPPER.encode(canary.as_bytes()),
            data_encoding::BASE64.encode(canary.as_bytes()).trim_end_matches('=').to_owned(),
        ];
        for (place, text) in &dump {
            assert!(forms.iter().all(|form| !text.contains(form)), "{canary} stands in {place}");
        }
    }
    let record = SealedRecord::from_bytes(&row.sealed).unwrap();
    assert_eq!(open_parts(&*key.key, &about, &record).await.unwrap().secret.expose(), SECRET);
    // The same dump under any other key, the name in it made to fit.
    let other = LocalMasterKey::generate().unwrap();
    let renamed = String::from_utf8(row.sealed).unwrap().replace(&key.id(), other.id().as_str());
    let record = SealedRecord::from_bytes(renamed.as_bytes()).unwrap();
    assert!(open_parts(&other, &about, &record).await.is_err());
});

/// Every file below a folder.
fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).filter(|path| path.is_file()).collect()
}
