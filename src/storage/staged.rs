//! Starts in waves: how far each has come. What was signed lies with the act.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, BotId, Epoch, Timestamp};

statements! {
    INSERT = "INSERT INTO staged_start (act_id, state, started, waves, settle_ms, not_after) VALUES ($1, 'running', 0, $2, $3, $4)";
    GET = "SELECT act_id, state, started, waves, settle_ms, not_after, settled_since, ended_at, ended_by, why FROM staged_start WHERE act_id = $1";
    RUNNING = "SELECT act_id, state, started, waves, settle_ms, not_after, settled_since, ended_at, ended_by, why FROM staged_start WHERE state = 'running' ORDER BY act_id";
    BOTS = "SELECT leaf, wave, bot_id, epoch, started_at FROM staged_bot WHERE act_id = $1 ORDER BY wave, leaf";
    NEXT = "UPDATE staged_start SET started = started + 1, settled_since = NULL, state = CASE WHEN started + 1 = waves THEN 'done' ELSE 'running' END WHERE act_id = $1 AND state = 'running' AND started = $2";
    KEEP = "UPDATE staged_start SET started = started WHERE act_id = $1 AND state = 'running' AND started = $2";
    SETTLED = "UPDATE staged_start SET settled_since = $3 WHERE act_id = $1 AND state = 'running' AND started = $2";
    END = "UPDATE staged_start SET state = 'ended', ended_at = $2, ended_by = $3, why = $4 WHERE act_id = $1 AND state = 'running'";
}

/// How many rows one statement takes.
const ROWS: usize = 100;

/// A start in waves.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StagedStart {
    /// The signed act.
    pub act_id: ActId,
    /// `running`, `done` or `ended`.
    pub state: String,
    /// How many waves were started.
    pub started: i64,
    /// How many there are.
    pub waves: i64,
    /// How long every bot that was started must have been as it should before the next wave, milliseconds.
    pub settle_ms: i64,
    /// After this nothing of it starts any more.
    pub not_after: Timestamp,
    /// Since when they have been.
    pub settled_since: Option<Timestamp>,
    /// When it ended before its time.
    pub ended_at: Option<Timestamp>,
    /// Who ended it, as in an entry: `user:ID`, `server:server`.
    pub ended_by: Option<String>,
    /// Why it ended.
    pub why: Option<String>,
}

/// A bot of one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StagedBot {
    /// Its place in the signed tree.
    pub leaf: i64,
    /// Its wave, from 0.
    pub wave: i64,
    /// The bot.
    pub bot_id: BotId,
    /// The epoch of its start, once it was started.
    pub epoch: Option<Epoch>,
    /// When.
    pub started_at: Option<Timestamp>,
}

/// Writes one down, before its first wave. `bots`: each with its place in the tree and its wave.
///
/// # Errors
/// `Duplicate` when it is there; when the database is gone.
pub async fn staged_insert(tx: &mut WriteTx, row: &StagedStart, bots: &[StagedBot]) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.act_id)
        .bind(row.waves)
        .bind(row.settle_ms)
        .bind(row.not_after)
        .execute(c)
        .await
        .map(drop))?;
    for some in bots.chunks(ROWS) {
        on!(&mut **tx, |c| {
            let mut query = sqlx::QueryBuilder::new("INSERT INTO staged_bot (act_id, leaf, wave, bot_id) ");
            query.push_values(some, |mut values, bot| {
                values.push_bind(&row.act_id).push_bind(bot.leaf).push_bind(bot.wave).push_bind(&bot.bot_id);
            });
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// One of them.
///
/// # Errors
/// When the database is gone.
pub async fn staged_get(conn: &mut Conn, act: &ActId) -> Result<Option<StagedStart>> {
    Ok(on!(conn, |c| sqlx::query_as(GET).bind(act).fetch_optional(c).await)?)
}

/// Those that are not over.
///
/// # Errors
/// When the database is gone.
pub async fn staged_running(conn: &mut Conn) -> Result<Vec<StagedStart>> {
    Ok(on!(conn, |c| sqlx::query_as(RUNNING).fetch_all(c).await)?)
}

/// The bots of one, wave by wave.
///
/// # Errors
/// When the database is gone.
pub async fn staged_bots(conn: &mut Conn, act: &ActId) -> Result<Vec<StagedBot>> {
    Ok(on!(conn, |c| sqlx::query_as(BOTS).bind(act).fetch_all(c).await)?)
}

/// Counts the next wave up and holds the row until the transaction ends. False when it is over, or another process was first.
///
/// # Errors
/// When the database is gone.
pub async fn staged_next(tx: &mut WriteTx, act: &ActId, started: i64) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(NEXT).bind(act).bind(started).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Holds the row until the transaction ends, with a wave that is not whole yet. False when it is over, or another process was first.
///
/// # Errors
/// When the database is gone.
pub async fn staged_keep(tx: &mut WriteTx, act: &ActId, started: i64) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(KEEP).bind(act).bind(started).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Notes that bots were started, by their places in the tree: with one statement, so a hundred at most. True when none of them had been.
///
/// # Errors
/// When the database is gone.
pub async fn staged_started(tx: &mut WriteTx, act: &ActId, leaves: &[i64], epoch: Epoch, at: Timestamp) -> Result<bool> {
    let rows = on!(&mut **tx, |c| {
        let mut query = sqlx::QueryBuilder::new("UPDATE staged_bot SET epoch = ");
        query.push_bind(epoch).push(", started_at = ").push_bind(at).push(" WHERE epoch IS NULL AND act_id = ").push_bind(act);
        query.push(" AND leaf IN (");
        let mut all = query.separated(", ");
        for leaf in leaves {
            all.push_bind(*leaf);
        }
        query.push(")").build().execute(c).await.map(|r| r.rows_affected())
    })?;
    Ok(rows == leaves.len() as u64)
}

/// Notes since when everything has been as it should; none: it is not.
///
/// # Errors
/// When the database is gone.
pub async fn staged_settled(tx: &mut WriteTx, act: &ActId, started: i64, since: Option<Timestamp>) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SETTLED).bind(act).bind(started).bind(since).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends one: nothing of it starts any more. False when it was over.
///
/// # Errors
/// When the database is gone.
pub async fn staged_end(tx: &mut WriteTx, act: &ActId, at: Timestamp, by: &str, why: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(END).bind(act).bind(at).bind(by).bind(why).execute(c).await.map(|r| r.rows_affected()))? == 1)
}
