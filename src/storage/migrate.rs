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
    7 "0007_checkpoints";
    8 "0008_first_run";
    9 "0009_drill_by_bot";
    10 "0010_notices";
    11 "0011_sessions";
    12 "0012_security_keys";
    13 "0013_recovery";
    14 "0014_tokens_and_stop_devices";
    15 "0015_sessions_end";
    16 "0016_second_person";
    17 "0017_last_signature";
    18 "0018_scopes_and_limits";
    19 "0019_alerts";
    20 "0020_sites";
    21 "0021_staged_start";
    22 "0022_requests";
    23 "0023_beats_and_retention";
    25 "0025_limits";
    26 "0026_limit_overrides";
    28 "0028_register";
    29 "0029_assignments";
    30 "0030_register_imports";
    31 "0031_idempotency";
    32 "0032_second_approver";
    33 "0033_exchange_keys";
    34 "0034_vault";
    35 "0035_reconciliation";
    36 "0036_account_safety";
    38 "0038_fills";
    39 "0039_golive";
    40 "0040_evidence_files";
    41 "0041_build_tokens";
    42 "0042_emergency_change";
    43 "0043_results";
    44 "0044_venue_changes";
    45 "0045_raised_requests";
    46 "0046_change_readers";
};

/// How a database's schema stands to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The newest version applied; none: the database is empty.
    pub version: Option<i64>,
    /// Versions of this program that are not applied yet.
    pub pending: Vec<i64>,
    /// Versions applied that this program does not know, or knows otherwise: a newer program was here.
    pub foreign: Vec<i64>,
}

/// Looks at the schema; changes nothing.
///
/// # Errors
/// When the database cannot be read.
pub async fn look(db: &Db) -> Result<Schema> {
    const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    let mut applied: Vec<(i64, Vec<u8>)> = Vec::new();
    match db {
        Db::Sqlite { read, .. } => {
            let there = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
            if sqlx::query_scalar::<_, i64>(there).fetch_one(read).await? == 1 {
                applied = sqlx::query_as(APPLIED).fetch_all(read).await?;
            }
        }
        Db::Postgres(pool) => {
            if sqlx::query_scalar::<_, bool>("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(pool).await? {
                applied = sqlx::query_as(APPLIED).fetch_all(pool).await?;
            }
        }
    }
    let ours: Vec<(i64, Vec<u8>)> = migrator(db.is_embedded()).iter().map(|one| (one.version, one.checksum.to_vec())).collect();
    Ok(Schema {
        version: applied.last().map(|(version, _)| *version),
        pending: ours.iter().map(|(version, _)| *version).filter(|version| applied.iter().all(|(there, _)| there != version)).collect(),
        foreign: applied.iter().filter(|there| !ours.contains(there)).map(|(version, _)| *version).collect(),
    })
}

fn migrator(is_embedded: bool) -> Migrator {
    let all = VERSIONS.iter().map(|Version(number, name, sqlite, postgres)| {
        let sql = if is_embedded { *sqlite } else { *postgres };
        Migration::new(*number, (*name).into(), MigrationType::Simple, AssertSqlSafe(sql).into_sql_str(), false)
    });
    Migrator::with_migrations(all.collect())
}

/// Brings the schema up to this program's version.
///
/// # Errors
/// When a version fails, or the database was written by a newer program.
pub async fn run(db: &Db) -> Result<()> {
    let done = match db {
        Db::Sqlite { write, .. } => migrator(true).run(write).await,
        Db::Postgres(pool) => migrator(false).run(pool).await,
    };
    done.map_err(|error| Error::Database(sqlx::Error::Migrate(Box::new(error))))
}
