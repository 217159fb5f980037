//! Copies of a database as a backup would make them, and hands that change what no program may.

use crate::harness::db::{Fresh, Place, reopen};
use andon::storage::Db;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::path::Path;

/// A database beside the program's, with nothing in the way of changing it.
pub enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    /// Opens a database with its triggers out of the way.
    pub async fn open(place: &Place) -> Self {
        match place {
            Place::File(file) => {
                let mut raw = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
                let names: Vec<String> =
                    sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetch_all(&mut raw).await.unwrap();
                for name in names {
                    sqlx::query(AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(&mut raw).await.unwrap();
                }
                Self::Sqlite(raw)
            }
            Place::Url(url) => {
                let mut raw = PgConnection::connect(url).await.unwrap();
                sqlx::query("SET session_replication_role = replica").execute(&mut raw).await.unwrap();
                Self::Postgres(raw)
            }
        }
    }

    /// Runs a statement; bytes are written as `{0}`, `{1}` …
    pub async fn run(&mut self, sql: &str, bytes: &[&[u8]]) {
        let mut sql = sql.to_owned();
        for (n, bytes) in bytes.iter().enumerate() {
            let hex = data_encoding::HEXLOWER.encode(bytes);
            let literal = if matches!(self, Self::Sqlite(_)) { format!("x'{hex}'") } else { format!("decode('{hex}', 'hex')") };
            sql = sql.replace(&format!("{{{n}}}"), &literal);
        }
        match self {
            Self::Sqlite(raw) => drop(sqlx::query(AssertSqlSafe(sql)).execute(raw).await.unwrap()),
            Self::Postgres(raw) => drop(sqlx::query(AssertSqlSafe(sql)).execute(raw).await.unwrap()),
        }
    }
}

/// A copy of a database, made while nobody looks.
pub async fn copy(fresh: &Fresh, name: &str) -> Place {
    copy_of(&fresh.place, fresh.dir.path(), name).await
}

/// The same of any database; the embedded one's goes into this folder.
pub async fn copy_of(place: &Place, dir: &Path, name: &str) -> Place {
    match place {
        Place::File(file) => {
            let to = dir.join(format!("{name}.db"));
            let mut raw = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{}'", to.display()))).execute(&mut raw).await.unwrap();
            Place::File(to)
        }
        Place::Url(url) => {
            let mut address = url::Url::parse(url).unwrap();
            let from = address.path().trim_start_matches('/').to_owned();
            let to = format!("{from}_{name}");
            address.set_path("/postgres");
            let mut admin = PgConnection::connect(address.as_str()).await.unwrap();
            let all = [
                format!("ALTER DATABASE {from} ALLOW_CONNECTIONS false"),
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"),
                format!("CREATE DATABASE {to} TEMPLATE {from}"),
                format!("ALTER DATABASE {from} ALLOW_CONNECTIONS true"),
                format!("ALTER DATABASE {to} ALLOW_CONNECTIONS true"),
            ];
            for sql in all {
                // The backends take a moment to end.
                for _ in 0..200 {
                    if sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut admin).await.is_ok() {
                        break;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(25)).await;
                }
            }
            Place::Url(url.replace(&format!("/{from}?"), &format!("/{to}?")))
        }
    }
}

/// Puts a copy back in the place of the database, as a restore does, while no server runs.
pub async fn put_back(place: &Place, copy: &Place) {
    match (place, copy) {
        (Place::File(file), Place::File(copy)) => {
            for rest in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{rest}", file.display()));
            }
            std::fs::copy(copy, file).unwrap();
        }
        (Place::Url(url), Place::Url(copy)) => {
            let name = |url: &str| url::Url::parse(url).unwrap().path().trim_start_matches('/').to_owned();
            let mut address = url::Url::parse(url).unwrap();
            address.set_path("/postgres");
            let mut admin = PgConnection::connect(address.as_str()).await.unwrap();
            let (to, from) = (name(url), name(copy));
            for sql in [format!("DROP DATABASE {to} WITH (FORCE)"), format!("CREATE DATABASE {to} TEMPLATE {from}")] {
                sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
            }
        }
        _ => panic!("a copy of another kind"),
    }
}

/// The program's own view of a copy.
pub async fn opened(place: &Place) -> Db {
    reopen(place).await
}

/// A copy of a folder with all that is in it.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &to);
        } else {
            std::fs::copy(&path, to).unwrap();
        }
    }
}
