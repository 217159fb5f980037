//! A database that is there and takes nothing: locked by another process, on a disk that is full, or behind a server that lets nobody in.

use super::{ground::Ground, until};
use crate::harness::db::{self, Place};
use andon::storage::{self, Db, Lane, WriteTx};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Trouble with the database, until it ends.
pub enum Trouble {
    /// Another process holds the lock which every fact has to take: what waits for it hangs.
    Locked { db: Db, tx: WriteTx },
    /// The server's process can make no file longer than this: its writes fail at once.
    Full { pid: i32 },
    /// Nobody may connect, and whoever was is thrown out.
    Gone { admin: PgConnection, name: String },
}

impl Trouble {
    /// What needs the lock hangs.
    pub async fn locked(ground: &Ground) -> Self {
        let db = db::reopen(&ground.place).await;
        let mut tx = db.write(Lane::Normal).await.unwrap();
        storage::epoch::epoch_take(&mut tx).await.unwrap();
        Self::Locked { db, tx }
    }

    /// What is written fails at once: a full disk or a database server that is gone, as the database is. The spool has room for one hold.
    pub async fn failing(ground: &Ground, server: i32) -> Self {
        match &ground.place {
            Place::File(_) => {
                let spool = ground.state_dir().join("spool");
                until("a spool without a hold", async || std::fs::read(&spool).unwrap().iter().step_by(4096).all(|state| *state == 0))
                    .await;
                Self::full(server, 4096)
            }
            Place::Url(url) => Self::gone(url).await,
        }
    }

    /// No file of this process becomes longer; what it has reserved before stays its own.
    pub fn full(pid: i32, bytes: u64) -> Self {
        limit_files(pid, Some(bytes));
        Self::Full { pid }
    }

    async fn gone(url: &str) -> Self {
        let mut address = url::Url::parse(url).unwrap();
        let name = address.path().trim_start_matches('/').to_owned();
        address.set_path("/postgres");
        let mut admin = PgConnection::connect(address.as_str()).await.unwrap();
        allow(&mut admin, &name, false).await;
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        sqlx::query(AssertSqlSafe(end)).execute(&mut admin).await.unwrap();
        Self::Gone { admin, name }
    }

    /// It is over; nothing was changed.
    pub async fn end(self) {
        match self {
            Self::Locked { db, tx } => {
                drop(tx);
                db.close().await;
            }
            Self::Full { pid } => limit_files(pid, None),
            Self::Gone { mut admin, name } => allow(&mut admin, &name, true).await,
        }
    }
}

async fn allow(admin: &mut PgConnection, name: &str, allowed: bool) {
    sqlx::query(AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"))).execute(admin).await.unwrap();
}

/// Sets how long a file of a process may become. One that has ended has no limits any more.
fn limit_files(pid: i32, bytes: Option<u64>) {
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    let _ = prlimit(Pid::from_raw(pid), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum });
}
