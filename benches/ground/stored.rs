//! The last step of a stop: that every agent's acknowledgement is in the database, looked at from outside of the server.

use super::figures::now_us;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{path::Path, time::Duration};

/// How long the last may take.
const PATIENCE_US: u64 = 60_000_000;

/// A look into a server's database.
pub struct Stored(SqliteConnection);

impl Stored {
    /// Beside a running server, to read.
    pub async fn open(dir: &Path) -> Self {
        Self(SqliteConnectOptions::new().filename(dir.join("andon.db")).read_only(true).connect().await.unwrap())
    }
    /// How many acknowledgements were ever stored; each is a row of its own.
    pub async fn count(&mut self) -> i64 {
        sqlx::query_scalar("SELECT COALESCE(max(rowid), 0) FROM ack").fetch_one(&mut self.0).await.unwrap()
    }
    /// Waits until there are so many; when that was, microseconds of the boot clock.
    pub async fn until(&mut self, count: i64) -> u64 {
        let begun = now_us();
        loop {
            let now = self.count().await;
            if now >= count {
                return now_us();
            }
            assert!(now_us() - begun < PATIENCE_US, "{now} of {count} acknowledgements are stored");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    /// When each agent was heard last, as it is stored, microseconds since 1970.
    pub async fn heard(&mut self) -> Vec<i64> {
        sqlx::query_scalar("SELECT at FROM agent_seen").fetch_all(&mut self.0).await.unwrap()
    }
    /// How many holds were placed by agents.
    pub async fn agent_holds(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM hold WHERE by_kind = 'agent'").fetch_one(&mut self.0).await.unwrap()
    }
    /// Leaves it.
    pub async fn close(self) {
        self.0.close().await.unwrap();
    }
}
