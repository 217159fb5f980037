//! Verification finds what was planted, each fault by its own words, with the database and with the sink alone; and says what it could not see.

use super::copy::{Raw, copy, copy_dir, opened};
use crate::harness::{
    app::{ORIGIN, TestApp},
    db::{Fresh, on_both},
};
use andon::{
    app::audit_tail::check_tail,
    app::log::{
        examine::{Examination, Given, examine},
        files, sink,
    },
    audit::{Actor, Canonical, Checkpoint, Event, Frontier, Record, SigningKey, VerifierKey, record::leaf_hash},
    authn::Keys,
    domain::{Level, Scope, TeamId, Timestamp},
    storage::{self, Db, Lane},
};
use std::{fs, path::Path};

/// Where a fault is planted.
struct Ground<'a> {
    raw: Raw,
    db: &'a Db,
    state: &'a Path,
    sink: &'a Path,
    size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Body,
    Middle,
    Column,
    Rewritten,
    CutOff,
    ForgedCheckpoint,
    CheckpointOfAnother,
    MisfiledCheckpoint,
    MarkGone,
    MarkOfAnother,
    MarkTorn,
    SinkLine,
    SinkShort,
    SinkTorn,
    SinkCheckpoint,
    Frozen,
}

/// Each fault and the words it is found by; empty: it is no fault.
const FAULTS: [(Fault, &str); 17] = [
    (Fault::None, ""),
    (Fault::Body, "the stored leaf is not the hash of the entry's bytes"),
    (Fault::Middle, "entries are missing or out of order"),
    (Fault::Column, "the columns that find this entry do not agree"),
    (Fault::Rewritten, "are not those of the checkpoint in the database"),
    (Fault::CutOff, "the end was cut off"),
    (Fault::ForgedCheckpoint, "does not verify"),
    (Fault::CheckpointOfAnother, "signed by no key that is known here"),
    (Fault::MisfiledCheckpoint, "is filed under"),
    (Fault::MarkGone, "no tide mark in the state folder"),
    (Fault::MarkOfAnother, "in the tide mark is signed by no key"),
    (Fault::MarkTorn, "the tide mark cannot be read"),
    (Fault::SinkLine, "are not those of the database"),
    (Fault::SinkShort, ""),
    (Fault::SinkTorn, ""),
    (Fault::SinkCheckpoint, "in the sink"),
    (Fault::Frozen, "the log is frozen: somebody said so"),
];

impl Ground<'_> {
    fn stranger(&self, name: &str) -> SigningKey {
        SigningKey::from_seed(name, [5; 32].into()).unwrap()
    }

    fn own_key(&self) -> SigningKey {
        files::read_key(self.state).unwrap().unwrap()
    }

    async fn latest(&self) -> storage::checkpoints::StoredCheckpoint {
        storage::checkpoints::checkpoint_latest(&mut self.db.read().await.unwrap()).await.unwrap().unwrap()
    }

    async fn set_note(&mut self, note: &str) {
        let (note, size) = (note.replace('\'', "''"), self.latest().await.size);
        self.raw.run(&format!("UPDATE audit_checkpoint SET note = '{note}' WHERE size = {size}"), &[]).await;
    }

    fn change_sink(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.sink.join(file);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    async fn plant(&mut self, fault: Fault) {
        let origin = self.own_key().verifier().name().to_owned();
        let another = self.stranger(&origin);
        let some = |size| Checkpoint { origin: origin.clone(), size, root: [4; 32] };
        match fault {
            Fault::None => {}
            Fault::Body => self.raw.run("UPDATE audit_record SET body = {0} WHERE seq = 3", &[b"{\"a\":1}"]).await,
            Fault::Middle => {
                self.raw.run("DELETE FROM audit_record WHERE seq = 3", &[]).await;
                self.raw.run("DELETE FROM audit_leaf WHERE seq = 3", &[]).await;
            }
            Fault::Column => self.raw.run("UPDATE audit_record SET actor = 'user:nobody' WHERE seq = 3", &[]).await,
            Fault::Rewritten => self.rewrite().await,
            Fault::CutOff => self.cut_off().await,
            Fault::ForgedCheckpoint => {
                let note = self.latest().await.note;
                let root = note.lines().nth(2).unwrap().to_owned();
                let other = data_encoding::BASE64.encode(&[4; 32]);
                self.set_note(&note.replace(&root, &other)).await;
            }
            Fault::CheckpointOfAnother => {
                let size = self.latest().await.size.unsigned_abs();
                self.set_note(&another.sign(&some(size)).unwrap()).await;
            }
            Fault::MisfiledCheckpoint => {
                let note = self.own_key().sign(&some(1)).unwrap();
                self.set_note(&note).await;
            }
            Fault::MarkGone => fs::remove_file(files::mark_path(self.state)).unwrap(),
            Fault::MarkOfAnother => fs::write(files::mark_path(self.state), another.sign(&some(self.size)).unwrap()).unwrap(),
            Fault::MarkTorn => fs::write(files::mark_path(self.state), "localhost/audit").unwrap(),
            Fault::SinkLine => self.change_sink(sink::ENTRIES, |text| text.replacen("\"v\":1", "\"v\":2", 1)),
            Fault::SinkShort => {
                self.change_sink(sink::ENTRIES, |text| {
                    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                    lines.pop();
                    lines.concat()
                });
            }
            Fault::SinkTorn => self.change_sink(sink::ENTRIES, |text| format!("{text}{{\"actor")),
            Fault::SinkCheckpoint => self.change_sink(sink::CHECKPOINTS, |text| text.replacen("\\n\\n", "AAAA\\n\\n", 1)),
            Fault::Frozen => {
                let mut tx = self.db.write(andon::storage::Lane::Normal).await.unwrap();
                let at = andon::domain::Timestamp(1);
                storage::checkpoints::log_freeze(&mut tx, "mismatch", "somebody said so", "n", at).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    }

    /// Somebody who can write to the database changes an entry and makes leaves and head fit it.
    async fn rewrite(&mut self) {
        let rows = storage::audit::audit_from(&mut self.db.read().await.unwrap(), 0, 10_000).await.unwrap();
        let mut frontier = Frontier::default();
        for row in rows {
            let body = String::from_utf8(row.body).unwrap();
            let body = if row.seq == 3 { body.replace("test:1", "tost:1") } else { body };
            let leaf = leaf_hash(body.as_bytes());
            frontier.push(leaf);
            if row.seq == 3 {
                self.raw.run("UPDATE audit_record SET body = {0} WHERE seq = 3", &[body.as_bytes()]).await;
                self.raw.run("UPDATE audit_leaf SET leaf_hash = {0} WHERE seq = 3", &[&leaf]).await;
            }
        }
        self.raw.run("UPDATE audit_log SET frontier = {0}", &[&frontier.encode()]).await;
    }

    /// The end goes, and every trace of it in the database.
    async fn cut_off(&mut self) {
        let keep = self.size as i64 - 2;
        let frontier = storage::audit::audit_frontier_at(&mut self.db.read().await.unwrap(), keep).await.unwrap();
        for table in ["audit_record", "audit_leaf"] {
            self.raw.run(&format!("DELETE FROM {table} WHERE seq >= {keep}"), &[]).await;
        }
        self.raw.run(&format!("DELETE FROM audit_checkpoint WHERE size > {keep}"), &[]).await;
        self.raw.run(&format!("UPDATE audit_log SET size = {keep}, frontier = {{0}}"), &[&frontier.encode()]).await;
    }
}

fn all_of(found: &Examination) -> String {
    let findings: Vec<String> = found.findings.iter().map(|finding| finding.what.clone()).collect();
    findings.join("\n")
}

on_both!(each_planted_fault_is_found, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    test.press("risk", Scope::Fleet, Level::Pause).await;
    test.bot("arb-1", "arb").await;
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let vkey = VerifierKey::parse(&test.app.log.status().vkey).unwrap();
    let webauthn = Keys::new(&test.app.origin, "andon").unwrap();
    let kept = test.app.checkpoint(&test.actor("auditor")).await.unwrap().note;
    let settings = test.log_settings();
    for (fault, words) in FAULTS {
        let name = format!("{fault:?}").to_lowercase();
        let place = copy(&test.fresh, &name).await;
        let dir = test.fresh.dir.path().join(&name);
        let (state, log) = (dir.join("state"), dir.join("log"));
        copy_dir(&settings.state_dir, &state);
        copy_dir(settings.sink.as_ref().unwrap(), &log);
        let db = opened(&place).await;
        let folder = sink::find(&log).unwrap();
        let size = storage::audit::audit_head(&mut db.read().await.unwrap()).await.unwrap().size.unsigned_abs();
        let raw = Raw::open(&place).await;
        let mut ground = Ground { raw, db: &db, state: &state, sink: &folder, size };
        ground.plant(fault).await;
        drop(ground);
        let given = Given {
            db: Some(&db),
            state_dir: Some(&state),
            sink: Some(&folder),
            keys: vec![],
            checkpoint: Some(kept.clone()),
            webauthn: &webauthn,
        };
        let found = examine(&given).await.unwrap();
        assert_eq!(found.is_good(), words.is_empty(), "{fault:?}: {}", all_of(&found));
        assert!(all_of(&found).contains(words), "{fault:?}: {}", all_of(&found));
        if fault == Fault::None {
            assert!(found.checked.len() >= 5, "{:#?}", found.checked);
        }
        if fault == Fault::SinkTorn {
            assert!(found.not_checked.iter().any(|line| line.contains("torn")), "{:#?}", found.not_checked);
        }
        // Whoever kept a checkpoint and the key needs neither state folder nor sink.
        let by_kept = Given { state_dir: None, sink: None, keys: vec![vkey.clone()], ..given };
        let found = examine(&by_kept).await.unwrap();
        let is_the_logs = !format!("{fault:?}").starts_with("Mark") && !format!("{fault:?}").starts_with("Sink") && fault != Fault::None;
        assert_eq!(found.is_good(), !is_the_logs, "{fault:?}: {}", all_of(&found));
        db.close().await;
    }
});

/// What one of the examples in Python says of a sink.
pub fn python(script: &str, folder: &Path, argument: &str) -> (Option<i32>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(script);
    let python = std::env::var("ANDON_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let run = std::process::Command::new(python).arg(script).arg(folder).arg(argument).output();
    let run = run.expect("python3 with the package cryptography is needed, see tests/run.sh");
    (run.status.code(), String::from_utf8_lossy(&run.stdout).into_owned())
}

on_both!(the_acts_in_a_sink_are_verified_across_the_ends_of_keys, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.leave_rp_id("root", "localhost", "andon.example.org").await.unwrap();
    test.app.feed_sink().await.unwrap();
    let folder = sink::find(test.log_settings().sink.as_ref().unwrap()).unwrap();
    let good = format!("{} signatures good, 0 wrong", test.log_is_good().await.signatures);
    let (code, said) = python("verify_acts.py", &folder, "https://andon.example.org");
    assert!(code == Some(0) && said.contains(&good), "what was signed under the former host name stays good: {said}");
    // The newest signed act once more, after its key's end.
    let text = fs::read_to_string(folder.join(sink::ENTRIES)).unwrap();
    let signed = text.lines().rfind(|line| line.contains(r#""assertions":[{"#)).unwrap();
    let key = signed.split_once(r#""credential":""#).unwrap().1.split_once('"').unwrap().0;
    let ends = [
        r#"{"kind":"installation.rp_id_changed","data":{"from":"localhost"}}"#.to_owned(),
        format!(r#"{{"kind":"recovery.keys_removed","data":{{"credentials":["{key}"]}}}}"#),
        format!(r#"{{"kind":"credential.removed","data":{{"credential":"{key}"}}}}"#),
    ];
    let until_signed = &text[..text.find(signed).unwrap() + signed.len()];
    for end in ends {
        let again = tempfile::tempdir().unwrap();
        fs::write(again.path().join(sink::ENTRIES), format!("{until_signed}\n{end}\n{signed}\n")).unwrap();
        let (code, said) = python("verify_acts.py", again.path(), ORIGIN);
        assert!(code == Some(1) && said.contains(" 1 wrong"), "{end}: {said}");
    }
});

on_both!(the_sink_is_verified_without_a_database, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let vkey = VerifierKey::parse(&test.app.log.status().vkey).unwrap();
    let webauthn = Keys::new(&test.app.origin, "andon").unwrap();
    let folder = sink::find(test.log_settings().sink.as_ref().unwrap()).unwrap();
    let given = |keys| Given { db: None, state_dir: None, sink: Some(folder.as_path()), keys, checkpoint: None, webauthn: &webauthn };
    let found = examine(&given(vec![vkey.clone()])).await.unwrap();
    assert!(found.is_good() && found.checked.iter().any(|line| line.contains("signatures of acts in the sink")), "{found:#?}");
    // Software that shares nothing with ours says the same.
    let by_python = |vkey: &VerifierKey| python("verify_log.py", &folder, &vkey.to_string());
    let (code, said) = by_python(&vkey);
    assert!(code == Some(0) && said.contains("1 of 1 checkpoints good"), "{said}");
    let acts_by_python = |origin: &str| python("verify_acts.py", &folder, origin);
    let report = test.log_is_good().await;
    let (code, said) = acts_by_python(ORIGIN);
    assert!(code == Some(0) && said.contains(&format!("{} signatures good, 0 wrong, 0 not checked", report.signatures)), "{said}");
    assert_eq!(acts_by_python("http://localhost:9999").0, Some(1), "made at another origin");
    let stranger = SigningKey::from_seed(vkey.name(), [5; 32].into()).unwrap().verifier().clone();
    // The log's own word for its key is not enough for whoever brought another.
    assert_eq!(by_python(&stranger).0, Some(1));
    assert!(all_of(&examine(&given(vec![stranger.clone()])).await.unwrap()).contains("none of the keys that were given"));
    let text = fs::read_to_string(folder.join(sink::ENTRIES)).unwrap();
    for changed in [text.replacen("risk", "rosk", 1), text.split_inclusive('\n').skip(1).collect(), text.replacen("}\n{", "} \n{", 1)] {
        assert_ne!(changed, text);
        fs::write(folder.join(sink::ENTRIES), changed).unwrap();
        assert!(!examine(&given(vec![vkey.clone()])).await.unwrap().is_good());
        assert_eq!(by_python(&vkey).0, Some(1));
    }
});

on_both!(the_end_of_a_log_is_compared_with_its_head, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let db = &test.fresh.db;
    let mut tx = db.write(Lane::Normal).await.unwrap();
    for n in 0..300 {
        let event = Event::TeamCreated { team: TeamId::new(), name: "arb".into() };
        let record = Record { actor: Actor::server(), ts: Timestamp(n), happened_at: None, node: "n".into(), event };
        storage::audit::audit_append(&mut tx, &Canonical::new(&record).unwrap()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (head, nodes) = {
        let mut tx = db.read().await.unwrap();
        (storage::audit::audit_head(&mut tx).await.unwrap(), storage::audit::audit_nodes(&mut tx).await.unwrap())
    };
    let size = head.size;
    let leaf = storage::audit::audit_leaves(&mut db.read().await.unwrap(), size - 9, size - 8).await.unwrap().remove(0);
    let found = async |most: u64| check_tail(&mut db.read().await.unwrap(), most).await.unwrap().findings;
    for most in [1, 120, 5_000] {
        assert_eq!(found(most).await, [], "the last {most}");
    }
    let mut raw = Raw::open(&test.fresh.place).await;
    let (wrong, frontier) = (vec![7; head.frontier.len()], head.frontier.as_slice());
    let faults: [(String, &[u8], &[u8]); 3] = [
        (format!("UPDATE audit_leaf SET leaf_hash = {{0}} WHERE seq = {}", size - 9), &wrong[..32], &leaf),
        ("UPDATE audit_node SET hash = {0} WHERE level = 1 AND n = 0".to_owned(), &wrong[..32], &nodes[0].hash),
        ("UPDATE audit_log SET frontier = {0}".to_owned(), &wrong, frontier),
    ];
    for (sql, wrong, right) in faults {
        raw.run(&sql, &[wrong]).await;
        assert!(!found(120).await.is_empty(), "{sql}");
        raw.run(&sql, &[right]).await;
        assert_eq!(found(120).await, []);
    }
    raw.run(&format!("UPDATE audit_record SET body = {{0}} WHERE seq = {}", size - 3), &[b"{}"]).await;
    assert!(found(120).await[0].what.contains("was changed"));
    raw.run(&format!("DELETE FROM audit_record WHERE seq = {}", size - 3), &[]).await;
    assert!(found(120).await[0].what.contains("is missing"));
});
