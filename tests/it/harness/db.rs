//! A fresh database for each test, of either kind.

use andon::storage::{Db, migrate};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::PathBuf;

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
    let cluster = cluster();
    let name = format!("t{}", andon::domain::BotId::new().as_str().replace('-', ""));
    let mut admin = PgConnection::connect(&cluster).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    cluster.replace("/postgres?", &format!("/{name}?"))
}

/// A fresh database.
pub async fn fresh(kind: Kind) -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    let (db, place) = match kind {
        Kind::Sqlite => {
            let file = dir.path().join("andon.db");
            (Db::open_sqlite(&file).await.unwrap(), Place::File(file))
        }
        Kind::Postgres => {
            let url = postgres_url().await;
            (Db::open_postgres(&url).await.unwrap(), Place::Url(url))
        }
    };
    migrate::run(&db).await.unwrap();
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
