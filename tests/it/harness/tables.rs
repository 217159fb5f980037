//! Looks at a database from beside the program: a digest of every table, to see what changed, and every value as text, to see what is kept.

use super::db::{Fresh, Place};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool, postgres::PgPoolOptions, sqlite::SqlitePoolOptions};
use std::collections::BTreeMap;

/// What any request may touch, or one before it: sessions remember when somebody last acted, are given other ids and counted (`book`) when rights
/// change, and word of a stop, or an alert, is written after it.
pub const SESSIONS: &[&str] = &["session", "book", "notice", "delivery", "alert", "evidence", "evidence_bot"];

pub enum Tables {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Tables {
    pub async fn of(fresh: &Fresh) -> Self {
        match &fresh.place {
            Place::File(file) => {
                let url = format!("sqlite://{}?mode=ro", file.display());
                Self::Sqlite(SqlitePoolOptions::new().max_connections(1).connect(&url).await.unwrap())
            }
            Place::Url(url) => Self::Postgres(PgPoolOptions::new().max_connections(1).connect(url).await.unwrap()),
        }
    }

    /// The same of an embedded database in another folder.
    pub async fn at(fresh: &Fresh, data: &std::path::Path) -> Self {
        match &fresh.place {
            Place::File(_) => {
                let url = format!("sqlite://{}?mode=ro", data.join("andon.db").display());
                Self::Sqlite(SqlitePoolOptions::new().max_connections(1).connect(&url).await.unwrap())
            }
            Place::Url(_) => Self::of(fresh).await,
        }
    }

    /// Every table with everything in it.
    pub async fn everything(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for table in self.names().await {
            let rows = self.rows(&table).await.join("\n");
            all.push((table, rows));
        }
        all
    }

    async fn column(&self, sql: String) -> Vec<String> {
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap(),
        }
    }

    /// Every table that there is.
    async fn names(&self) -> Vec<String> {
        let sql = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            Self::Postgres(_) => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
        };
        self.column(sql.to_owned()).await
    }

    /// The rows of a table as text, bytes in hex, in an order of their own.
    pub async fn rows(&self, table: &str) -> Vec<String> {
        let sql = match self {
            Self::Sqlite(_) => {
                let columns = self.column(format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let quoted: Vec<String> = columns.iter().map(|column| format!(r#"quote("{column}")"#)).collect();
                format!(r#"SELECT {} AS line FROM "{table}" ORDER BY line"#, quoted.join(" || '|' || "))
            }
            Self::Postgres(_) => format!(r#"SELECT t::text AS line FROM "{table}" t ORDER BY line"#),
        };
        self.column(sql).await
    }

    /// A digest of each table but these. Equal maps: nothing changed.
    pub async fn digest(&self, except: &[&str]) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for table in self.names().await.into_iter().filter(|name| !except.contains(&name.as_str())) {
            let mut hash = Sha256::new();
            for row in self.rows(&table).await {
                hash.update(row);
                hash.update(b"\n");
            }
            all.insert(table, data_encoding::HEXLOWER.encode(&hash.finalize()));
        }
        all
    }

    /// How many entries the audit log has.
    pub async fn entries(&self) -> usize {
        self.rows("audit_record").await.len()
    }
}
