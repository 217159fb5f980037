//! `andon doctor` as a process: it finds each of the faults that it claims to find, finds none where there is none, and changes nothing.

use crate::faults::server;
use crate::harness::{
    app::TestApp,
    db::{Kind, fresh, postgres_url},
    plain,
    tls::Authority,
};
use andon::{
    crypto::certificate::PairFiles,
    domain::{Hold, Level, Scope, Timestamp},
    fleet::Spool,
    web::{front::Front, tls::Tls},
};
use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What a doctor said.
struct Said {
    good: bool,
    text: String,
}

impl Said {
    /// True for a line with this verdict and subject in which, or in whose advice, these words stand.
    fn finds(&self, (verdict, what, words): (&str, &str, &str)) -> bool {
        let mut lines: Vec<String> = Vec::new();
        for line in self.text.lines() {
            match lines.last_mut() {
                Some(last) if line.starts_with(' ') => last.push_str(line),
                _ => lines.push(line.to_owned()),
            }
        }
        lines.iter().any(|line| line.starts_with(verdict) && line[6.min(line.len())..].starts_with(what) && line.contains(words))
    }
}

/// Runs it, through `sh` so that limits can be set first.
async fn doctor(before: &str, arguments: &[String]) -> Said {
    let mut command = server::command("sh");
    command.args(["-c", &format!("{before} exec \"$@\""), "sh"]).arg(server::andon()).arg("doctor").args(arguments);
    let output = tokio::process::Command::from(command).output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Said { good: output.status.success(), text }
}

/// An installation with an operator, a log and a spool, and no server.
struct Ground {
    dir: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        let test = TestApp::new(fresh(Kind::Sqlite).await).await;
        test.bot("arb-1", "arb").await;
        test.app.db.close().await;
        let dir = test.fresh.dir;
        fs::remove_file(dir.path().join("spool")).unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        drop(Spool::open(&dir.path().join("state/spool")).unwrap());
        for closed in [dir.path().to_owned(), dir.path().join("state")] {
            fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self { dir }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn shown(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }
    /// What every run is given: the folder, and a port that nobody listens at.
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let mut all = vec!["--data".to_owned(), self.dir.path().display().to_string()];
        if !more.contains(&"--listen") {
            all.extend(["--listen".into(), "127.0.0.1:1".into()]);
        }
        all.extend(more.iter().map(|part| (*part).to_owned()));
        all
    }
    async fn look(&self, more: &[&str]) -> Said {
        doctor("", &self.arguments(more)).await
    }
    async fn sql(&self, statements: &str) {
        let options = SqliteConnectOptions::new().filename(self.at("andon.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
    /// Every file with its size, mode, moment of change and content.
    fn tree(&self) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
        fn walk(path: &Path, into: &mut BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>) {
            let data = fs::symlink_metadata(path).unwrap();
            let content = if data.is_file() { fs::read(path).unwrap() } else { Vec::new() };
            into.insert(path.to_owned(), (data.mode(), data.ctime(), data.ctime_nsec(), content));
            if data.is_dir() {
                fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), into));
            }
        }
        let mut all = BTreeMap::new();
        walk(self.dir.path(), &mut all);
        all
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_installation_is_found_whole_and_left_as_it_was() {
    let ground = Ground::new().await;
    let before = ground.tree();
    // Port 1 is below 1024, which not everybody may listen at.
    let said = ground.look(&["--listen", "127.0.0.1:38711"]).await;
    assert!(said.good, "{}", said.text);
    for line in [
        ("ok", "origin", "this machine only"),
        ("ok", "listen address", "is free"),
        ("ok", "data folder", "can be written and synced"),
        ("ok", "state folder", "can be written"),
        ("warn", "volumes", "cannot be noticed"),
        ("ok", "spool", "no hold waits"),
        ("ok", "control socket", ""),
        ("ok", "database", "schema version"),
        ("ok", "audit log", "agree with its head"),
        ("warn", "addresses", "N. Adebayo, grid lead, lead, risk hold lead, risk or admin and have no mail address"),
        ("ok", "boot clock", ""),
        ("ok", "open files", "0 agents"),
    ] {
        assert!(said.finds(line), "{line:?} in\n{}", said.text);
    }
    assert!(before == ground.tree(), "it changed something: {:?}", ground.tree().keys());
    let new = doctor("", &["--data".into(), ground.shown("new/data"), "--listen".into(), "127.0.0.1:38711".into()]).await;
    assert!(new.good && new.finds(("ok", "data folder", "the first start makes it")), "{}", new.text);
    assert!(!ground.at("new").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_will_not_do_are_explained() {
    let ground = Ground::new().await;
    let named = "https://andon.example.org";
    for (file, arguments, line) in [
        ("", vec!["--origin", named], ("bad", "origin", "--trust-proxy ADDRESS")),
        ("", vec!["--origin", "http://andon.example.org"], ("bad", "origin", "not secure")),
        ("", vec!["--origin", "https://10.0.0.1"], ("bad", "origin", "must have a name")),
        ("", vec!["--listen", "0.0.0.0:38711"], ("bad", "origin", "can be reached from outside")),
        ("", vec!["--origin", named, "--tls-cert", "x.pem"], ("bad", "origin", "--tls-key FILE")),
        ("", vec!["--name", ""], ("bad", "name", "--name")),
        ("", vec!["--database-url", "mysql://h/d"], ("bad", "database", "postgres://")),
        ("", vec!["--database-url-file", "/nowhere/url"], ("bad", "database", "/nowhere/url")),
        ("", vec!["--origin", named, "--trust-proxy", "10.0.0.1"], ("ok", "origin", "behind the proxy 10.0.0.1/32")),
        ("lissten = \"127.0.0.1:1\"", vec![], ("bad", "config file", "did you mean \"listen\"?")),
        ("trust_proxy = [3]", vec![], ("bad", "config file", "'3'")),
        ("listen =", vec![], ("bad", "config file", "line 1")),
        ("name = \"Desk\"", vec![], ("ok", "config file", "andon.toml is read")),
        ("database_url = \"postgres://u:hunter2@127.0.0.1:1/d\"", vec![], ("bad", "config file", "others on this machine can read it")),
    ] {
        let path = ground.shown("andon.toml");
        let mut arguments = arguments.clone();
        if !file.is_empty() {
            fs::write(&path, file).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            arguments.extend(["--config", &path]);
        }
        let said = ground.look(&arguments).await;
        assert!(said.finds(line), "{line:?} in\n{}", said.text);
        assert_eq!(said.good, !said.text.contains("\nbad ") && !said.text.starts_with("bad "), "{}", said.text);
        assert!(!said.text.contains("hunter2"), "{}", said.text);
    }
    fs::write(ground.at("andon.toml"), "listen = \"127.0.0.1:38711\"").unwrap();
    let with_file = ["--data".to_owned(), ground.shown(""), "--config".to_owned(), ground.shown("andon.toml")];
    assert!(doctor("", &with_file).await.finds(("ok", "listen address", "127.0.0.1:38711")), "the file wins over the default");
    let said = doctor("export ANDON_LISTEN=127.0.0.1:38712;", &with_file).await;
    assert!(said.finds(("ok", "listen address", "127.0.0.1:38712")), "a variable wins over the file: {}", said.text);
    let missing = ground.look(&["--config", "/nowhere/andon.toml"]).await;
    assert!(!missing.good && missing.finds(("bad", "config file", "/nowhere/andon.toml")), "{}", missing.text);
    let example = doctor("", &["--example-config".into()]).await;
    fs::write(ground.at("andon.toml"), &example.text).unwrap();
    let said = ground.look(&["--listen", "127.0.0.1:38711", "--config", &ground.shown("andon.toml")]).await;
    assert!(said.good, "the example is the defaults: {}", said.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_and_files_that_will_not_do_are_found() {
    let ground = Ground::new().await;
    let open_to_all = |ground: &Ground| fs::set_permissions(ground.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let said = ground.look(&[]).await;
    assert!(!said.finds(("warn", "data folder", "")) && !said.finds(("bad", "data folder", "")), "{}", said.text);
    open_to_all(&ground);
    assert!(ground.look(&[]).await.finds(("warn", "data folder", "others on this machine can look")), "open to all");
    fs::set_permissions(ground.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();

    // A limit on the size of files stands for a folder that takes no write.
    let said = doctor("trap '' XFSZ; ulimit -f 0;", &ground.arguments(&[])).await;
    assert!(said.finds(("bad", "data folder", "cannot be written")) && !said.good, "{}", said.text);
    let said = doctor("ulimit -n 100;", &ground.arguments(&[])).await;
    assert!(said.finds(("bad", "open files", "LimitNOFILE")), "{}", said.text);
    let file = ground.shown("andon.db");
    let said = doctor("", &["--data".into(), file.clone()]).await;
    assert!(said.finds(("bad", "data folder", "is no folder")), "{}", said.text);
    let said = doctor("", &["--data".into(), format!("{file}/deeper")]).await;
    assert!(said.finds(("bad", "data folder", "cannot be made")), "{}", said.text);
    let long = ground.shown(&"long".repeat(40));
    let said = ground.look(&["--state-dir", &long]).await;
    assert!(said.finds(("bad", "control socket", "shorter --state-dir")), "{}", said.text);
    let said = ground.look(&["--state-dir", "/dev/shm/andon-doctor-looks-here"]).await;
    assert!(said.finds(("ok", "volumes", "different volumes")), "{}", said.text);

    let spool = ground.at("state/spool");
    let (kept, _) = Spool::open(&spool).unwrap();
    kept.keep(&hold()).unwrap();
    drop(kept);
    let said = ground.look(&[]).await;
    assert!(said.finds(("warn", "spool", "1 holds wait to be recorded")), "{}", said.text);
    fs::File::options().write(true).open(&spool).unwrap().set_len(8_192).unwrap();
    assert!(ground.look(&[]).await.finds(("bad", "spool", "is not reserved")), "a spool cut short");
    fs::remove_file(&spool).unwrap();
    assert!(ground.look(&[]).await.finds(("ok", "spool", "the first start makes it")), "no spool yet");

    let url = ground.at("url");
    fs::write(&url, "postgres://u:hunter2@127.0.0.1:1/d").unwrap();
    fs::set_permissions(&url, fs::Permissions::from_mode(0o644)).unwrap();
    let said = ground.look(&["--database-url-file", &ground.shown("url")]).await;
    assert!(said.finds(("bad", "database URL", "chmod")) && said.finds(("bad", "database", "cannot be reached")), "{}", said.text);
    assert!(!said.text.contains("hunter2"));
}

fn hold() -> Hold {
    Hold {
        why: "venue outage".into(),
        at: Timestamp(1_795_000_000_000_000),
        late: true,
        idempotency_key: "k".into(),
        ..plain::hold(Scope::Fleet, Level::Pause, 7)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_wrong_is_found() {
    let tampering = "DROP TRIGGER audit_record_no_update; UPDATE audit_record SET body = CAST(replace(CAST(body AS TEXT), '\"v\":1', '\"v\":2') AS BLOB) WHERE seq = 5";
    let ground = Ground::new().await;
    let whole = fs::read(ground.at("andon.db")).unwrap();
    for (statements, line) in [
        ("DELETE FROM _sqlx_migrations WHERE version >= 6", ("warn", "database", "are to be applied")),
        (
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)",
            ("bad", "database", "newer program"),
        ),
        ("UPDATE installation SET kind = 'demo'", ("bad", "database", "demo installation")),
        ("UPDATE audit_log SET state = 'frozen'", ("bad", "audit log", "frozen")),
        ("DROP TRIGGER audit_log_only_grows; UPDATE audit_log SET size = size - 1", ("bad", "audit log", "the head says")),
        (tampering, ("bad", "audit log", "the entry was changed")),
    ] {
        ground.sql(statements).await;
        let said = ground.look(&[]).await;
        assert!(said.finds(line), "{line:?} in\n{}", said.text);
        fs::write(ground.at("andon.db"), &whole).unwrap();
    }
    fs::write(ground.at("andon.db"), "no database at all, but long enough to be looked at as one".repeat(100)).unwrap();
    let said = ground.look(&[]).await;
    assert!(said.finds(("bad", "database", "andon.db")), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_looked_at_too() {
    let ground = Ground::new().await;
    let url = postgres_url().await;
    let said = ground.look(&["--database-url", &url]).await;
    assert!(said.finds(("ok", "database", "is empty")) && said.finds(("ok", "PostgreSQL", "version")), "{}", said.text);
    // The cluster of the tests does not sync, and that is just what must be found.
    assert!(said.finds(("bad", "PostgreSQL", "fsync is off")), "{}", said.text);
    let db = andon::storage::Db::open_postgres(&url).await.unwrap();
    andon::storage::migrate::run(&db).await.unwrap();
    let said = ground.look(&["--database-url", &url]).await;
    assert!(said.finds(("ok", "database", "schema version")), "{}", said.text);
    db.close().await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2").execute(&mut other).await.unwrap();
    let said = ground.look(&["--database-url", &url]).await;
    assert!(said.finds(("bad", "database", "newer program")), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_browsers_would_refuse_are_found() {
    let ground = Ground::new().await;
    let authority = Authority::new(ground.dir.path());
    let PairFiles { cert, key } = authority.files();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let arguments = ["--origin", "https://localhost:8443", "--tls-cert", &cert, "--tls-key", &key];
    for (host, days, line) in [
        ("localhost", 90, ("ok", "certificate", "for localhost")),
        ("localhost", 5, ("warn", "certificate", "days are left")),
        ("localhost", -1, ("bad", "certificate", "ended")),
        ("other.example", 90, ("bad", "certificate", "not for localhost")),
    ] {
        authority.issue(host, days);
        let said = ground.look(&arguments).await;
        assert!(said.finds(line), "{line:?} in\n{}", said.text);
        assert!(!said.finds(("bad", "private key", "")), "{}", said.text);
    }
    authority.issue("localhost", 90);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(ground.look(&arguments).await.finds(("bad", "private key", "chmod o=")), "a key for all to read");
    fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(ground.look(&arguments).await.finds(("bad", "certificate", "does not belong")), "another's key");
    fs::write(&cert, "nothing").unwrap();
    assert!(ground.look(&arguments).await.finds(("bad", "certificate", "holds no certificate")), "no certificate");
    fs::remove_file(&cert).unwrap();
    assert!(ground.look(&arguments).await.finds(("bad", "certificate", "server.crt")), "no file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_at_the_address_is_told_apart() {
    let ground = Ground::new().await;
    let (mute, talker) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let at = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let (mute_at, talker_at) = (at(&mute), at(&talker));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = talker.accept().await {
            // It hears what is asked before it answers: a connection closed with unread bytes is a reset, which may overtake the answer.
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        }
    });
    for (address, line) in [
        (mute_at.as_str(), ("bad", "listen address", "gives no answer")),
        (talker_at.as_str(), ("bad", "listen address", "another program")),
    ] {
        let said = ground.look(&["--listen", address]).await;
        assert!(said.finds(line), "{line:?} in\n{}", said.text);
    }
    let elsewhere = ["--listen", "192.0.2.1:38711", "--origin", "https://andon.example.org", "--trust-proxy", "127.0.0.1"];
    assert!(ground.look(&elsewhere).await.finds(("bad", "listen address", "no such address")), "an address of another machine");

    let test = TestApp::on_the_wall_clock(fresh(Kind::Sqlite).await).await;
    let authority = Authority::new(ground.dir.path());
    authority.issue("localhost", 90);
    let PairFiles { cert, key } = authority.files();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let tls = Arc::new(Tls::open(authority.files(), &test.app.origin, andon::domain::Clock::system()).unwrap());
    let secured = serving(Front { tls: Some(tls), proxies: Default::default() }, &test).await.to_string();
    let secure = ["--listen", &secured, "--origin", "https://localhost:8443", "--tls-cert", &cert, "--tls-key", &key];
    let said = ground.look(&secure).await;
    assert!(said.finds(("ok", "listen address", "can take a stop")) && !said.finds(("warn", "certificate", "")), "{}", said.text);
    // It runs, but with another state folder: no stop is heard at this one.
    assert!(said.finds(("bad", "control socket", "is not heard")), "{}", said.text);
    assert!(healthy(&secure).await, "whoever vouches for its certificate, and for whatever name");
    authority.issue("localhost", 90);
    assert!(healthy(&secure).await);
    let said = ground.look(&secure).await;
    assert!(said.finds(("warn", "certificate", "shows another certificate")), "{}", said.text);
    let plain = serving(Front::default(), &test).await.to_string();
    let wrong = [&["--listen", &plain], &secure[2..]].concat();
    assert!(healthy(&["--listen", &plain]).await && !healthy(&wrong).await && !healthy(&["--listen", &talker_at]).await);
    let said = ground.look(&wrong).await;
    assert!(said.finds(("bad", "listen address", "no answer over TLS")), "{}", said.text);
    let before = ground.tree();
    let said = ground.look(&["--listen", &plain]).await;
    assert!(said.finds(("ok", "listen address", "can take a stop")), "{}", said.text);
    assert!(before == ground.tree());
}

/// What `andon health` says.
async fn healthy(arguments: &[&str]) -> bool {
    let mut command = server::command("sh");
    command.args(["-c", "exec \"$@\"", "sh"]).arg(server::andon()).arg("health").args(arguments);
    tokio::process::Command::from(command).output().await.unwrap().status.success()
}

async fn serving(front: Front, test: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(andon::web::server::serve_behind(front, listener, test.app.clone(), std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_is_looked_at_without_touching_it_and_its_log_is_verified() {
    let ground = Ground::new().await;
    let port = fastrand::u16(10_000..32_000);
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut command = server::command(server::andon());
    command.arg("serve").arg("--data").arg(ground.dir.path()).args(["--listen", &listen, "--origin", &origin]);
    let mut serving = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let more = ["--listen", &listen, "--origin", &origin];
    crate::faults::until("a server that answers", async || ground.look(&more).await.finds(("ok", "listen address", "can take a stop")))
        .await;
    let said = ground.look(&more).await;
    assert!(said.good && said.finds(("ok", "control socket", "is heard")) && said.finds(("ok", "audit log", "agree")), "{}", said.text);
    let mut verify = server::command(server::andon());
    verify.args(["audit", "verify", "--data"]).arg(ground.dir.path());
    let verified = tokio::process::Command::from(verify).output().await.unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    serving.kill().await.unwrap();
    assert!(ground.look(&more).await.finds(("ok", "control socket", "the next start replaces it")), "a socket left behind");
}

#[tokio::test]
async fn an_embedded_database_opened_to_read_takes_no_write() {
    let ground = Ground::new().await;
    let before = ground.tree();
    let db = andon::storage::Db::open_sqlite_to_read(&ground.at("andon.db")).await.unwrap();
    assert!(andon::storage::installation::installation_get(&mut db.read().await.unwrap()).await.unwrap().is_some());
    let write = async {
        let mut tx = db.write(andon::storage::Lane::Normal).await?;
        andon::storage::sessions::session_prune(&mut tx, Timestamp(1)).await?;
        tx.commit().await
    };
    assert!(write.await.is_err());
    db.close().await;
    assert!(before == ground.tree());
    assert!(andon::storage::Db::open_sqlite_to_read(&ground.at("gone.db")).await.is_err());
    assert!(!ground.at("gone.db").exists());
}
