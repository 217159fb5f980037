//! A fresh database for each test, of either kind.

use andon::storage::{Db, migrate};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::{Path, PathBuf};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A fresh, migrated database; gone with this value (the embedded one) or with the throw-away cluster.
pub struct Fresh {
    pub db: Db,
    pub kind: Kind,
    /// Where the embedded one lies, or what connects to the other.
    pub place: Place,
    pub dir: tempfile::TempDir,
}

#[derive(Clone)]
pub enum Place {
    File(PathBuf),
    Url(String),
}

/// The address of the cluster that `tests/postgres.sh` started.
fn cluster() -> String {
    std::env::var("ANDON_TEST_POSTGRES").expect("no PostgreSQL: run tests through `cargo nextest run` or tests/run.sh")
}

/// Makes an empty PostgreSQL database and says how to connect to it.
pub async fn postgres_url() -> String {
    postgres_from(&mut PgConnection::connect(&cluster()).await.unwrap(), "").await
}

async fn postgres_from(admin: &mut PgConnection, template: &str) -> String {
    let name = format!("t{}", andon::domain::BotId::new().as_str().replace('-', ""));
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}{template}"))).execute(admin).await.unwrap();
    cluster().replace("/postgres?", &format!("/{name}?"))
}

/// A migrated database of PostgreSQL, and what connects to it: a copy of one that the first test of a run makes, since every version of the
/// schema again takes longer than most tests.
async fn migrated_postgres() -> (Db, Place) {
    let cluster = cluster();
    let mut admin = PgConnection::connect(&cluster).await.unwrap();
    // One test makes it, the others wait for it.
    sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut admin).await.unwrap();
    let made: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'migrated')").fetch_one(&mut admin).await.unwrap();
    if !made {
        sqlx::query("DROP DATABASE IF EXISTS migrating").execute(&mut admin).await.unwrap();
        sqlx::query("CREATE DATABASE migrating").execute(&mut admin).await.unwrap();
        let db = Db::open_postgres(&cluster.replace("/postgres?", "/migrating?")).await.unwrap();
        migrate::run(&db).await.unwrap();
        db.close().await;
        sqlx::query("ALTER DATABASE migrating RENAME TO migrated").execute(&mut admin).await.unwrap();
    }
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(&mut admin).await.unwrap();
    let url = postgres_from(&mut admin, " TEMPLATE migrated").await;
    (Db::open_postgres(&url).await.unwrap(), Place::Url(url))
}

/// The same of the embedded one.
async fn migrated_sqlite(dir: &Path) -> (Db, Place) {
    let made =
        PathBuf::from(std::env::var("ANDON_TEST_MADE").expect("run tests through `cargo nextest run` or tests/run.sh")).join("migrated.db");
    if !made.exists() {
        // Whoever else makes one meanwhile makes the same.
        let making = made.with_file_name(format!("{}.db", std::process::id()));
        let db = Db::open_sqlite(&making).await.unwrap();
        migrate::run(&db).await.unwrap();
        db.close().await;
        assert!(!making.with_extension("db-wal").exists(), "all of it is in the one file");
        std::fs::rename(&making, &made).unwrap();
    }
    let file = dir.join("andon.db");
    std::fs::copy(&made, &file).unwrap();
    (Db::open_sqlite(&file).await.unwrap(), Place::File(file))
}

/// A fresh database.
pub async fn fresh(kind: Kind) -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    let (db, place) = match kind {
        Kind::Sqlite => migrated_sqlite(dir.path()).await,
        Kind::Postgres => migrated_postgres().await,
    };
    Fresh { db, kind, place, dir }
}

/// Does something to a database from beside the program.
pub async fn beside(place: &Place, sql: &'static str) {
    match place {
        Place::File(file) => {
            let mut conn = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            sqlx::query(sql).execute(&mut conn).await.unwrap();
        }
        Place::Url(url) => {
            let mut conn = PgConnection::connect(url).await.unwrap();
            sqlx::query(sql).execute(&mut conn).await.unwrap();
        }
    }
}

/// Opens the same database again, as a process that starts anew would.
pub async fn reopen(place: &Place) -> Db {
    match place {
        Place::File(file) => Db::open_sqlite(file).await.unwrap(),
        Place::Url(url) => Db::open_postgres(url).await.unwrap(),
    }
}

/// Writes one test per database: `on_both!(name, |fresh| async { … })`.
macro_rules! on_both {
    ($(#[$doc:meta])* $name:ident, $body:expr) => {
        mod $name {
            use super::*;
            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let run = $body;
                run($crate::harness::db::fresh($crate::harness::db::Kind::Sqlite).await).await;
            }
            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let run = $body;
                run($crate::harness::db::fresh($crate::harness::db::Kind::Postgres).await).await;
            }
        }
    };
}
pub(crate) use on_both;
