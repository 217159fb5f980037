//! Schema versions: two folders with the same versions, applied in order when the server opens its database.

use super::{Db, Error, Result};
use sqlx::{
    AssertSqlSafe, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// One version: its number, its name, its text for each database.
struct Version(i64, &'static str, &'static str, &'static str);

macro_rules! versions {
    ($($number:literal $name:literal;)*) => {
        &[$(Version($number, $name,
            include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $name, ".sql")))),*]
    };
}

const VERSIONS: &[Version] = versions! {
    1 "0001_installation_and_people";
    2 "0002_bots_and_agents";
    3 "0003_holds";
    4 "0004_acts";
    5 "0005_audit";
    6 "0006_agent_tokens";
    8 "0008_first_run";
};

/// Brings the schema up to this program's version.
///
/// # Errors
/// When a version fails, or the database was written by a newer program.
pub async fn run(db: &Db) -> Result<()> {
    let pick = |lite: bool| {
        let all = VERSIONS.iter().map(|Version(number, name, sqlite, postgres)| {
            let sql = if lite { *sqlite } else { *postgres };
            Migration::new(*number, (*name).into(), MigrationType::Simple, AssertSqlSafe(sql).into_sql_str(), false)
        });
        Migrator::with_migrations(all.collect())
    };
    let done = match db {
        Db::Sqlite { write, .. } => pick(true).run(write).await,
        Db::Postgres(pool) => pick(false).run(pool).await,
    };
    done.map_err(|error| Error::Database(sqlx::Error::Migrate(Box::new(error))))
}
