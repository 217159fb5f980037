//! Bots and the stops that are no holds.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotFacts, BotId, Epoch, Exits, Limits, Stage, StopFact, StopId, StopKind, TeamId, Timestamp, Timings, UserId};

statements! {
    INSERT = "INSERT INTO bot (id, name, team_id, strategy, owner_id, stage, exits, check_in_ms, stale_after_ms, lapse_after_ms, apply_within_ms, limits_version, limits, limits_waiting, start_epoch, fact_epoch, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    EDIT = "UPDATE bot SET name = $2, team_id = $3, strategy = $4, owner_id = $5, stage = $6, exits = $7, check_in_ms = $8, stale_after_ms = $9, lapse_after_ms = $10, apply_within_ms = $11, fact_epoch = $12 WHERE id = $1";
    BY_ID = "SELECT * FROM bot WHERE id = $1";
    BY_NAME = "SELECT * FROM bot WHERE name = $1";
    SINCE = "SELECT * FROM bot WHERE fact_epoch > $1 ORDER BY id";
    STOP = "UPDATE bot SET stop_epoch = $2, stop_kind = $3, stop_why = $4, stop_at = $5, fact_epoch = $2 WHERE id = $1";
    STOP_INSERT = "INSERT INTO bot_stop (id, bot_id, epoch, kind, why, at) VALUES ($1, $2, $3, $4, $5, $6)";
    START = "UPDATE bot SET start_epoch = $2, fact_epoch = $2 WHERE id = $1";
    TIMINGS = "UPDATE bot SET apply_within_ms = $2, fact_epoch = $3 WHERE id = $1";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: BotId,
    name: String,
    team_id: TeamId,
    strategy: String,
    owner_id: UserId,
    stage: Stage,
    exits: Exits,
    check_in_ms: i64,
    stale_after_ms: i64,
    lapse_after_ms: i64,
    apply_within_ms: i64,
    limits_version: i64,
    limits: String,
    limits_waiting: bool,
    start_epoch: Epoch,
    stop_epoch: Option<Epoch>,
    stop_kind: Option<StopKind>,
    stop_why: Option<String>,
    stop_at: Option<Timestamp>,
    fact_epoch: Epoch,
}

impl TryFrom<Row> for BotFacts {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let values = serde_json::from_str(&row.limits).map_err(|_| Error::Unreadable(format!("limits of bot {}", row.id)))?;
        let stop = match (row.stop_epoch, row.stop_kind, row.stop_at) {
            (Some(epoch), Some(kind), Some(at)) => Some(StopFact { epoch, kind, why: row.stop_why.unwrap_or_default(), at }),
            (None, None, None) => None,
            _ => return Err(Error::Unreadable(format!("stop of bot {}", row.id))),
        };
        Ok(Self {
            id: row.id,
            name: row.name,
            team: row.team_id,
            strategy: row.strategy,
            owner: row.owner_id,
            stage: row.stage,
            exits: row.exits,
            timings: Timings {
                check_in_ms: row.check_in_ms,
                stale_after_ms: row.stale_after_ms,
                lapse_after_ms: row.lapse_after_ms,
                apply_within_ms: row.apply_within_ms,
            },
            limits: Limits { version: row.limits_version, values },
            limits_waiting: row.limits_waiting,
            start_epoch: row.start_epoch,
            stop,
            fact_epoch: row.fact_epoch,
        })
    }
}

/// Writes a new bot; `facts.fact_epoch` is the epoch of this transaction.
///
/// # Errors
/// `Duplicate` when the name is taken, `Dangling` when team or owner do not exist.
pub async fn bot_insert(tx: &mut WriteTx, facts: &BotFacts, at: Timestamp) -> Result<()> {
    let limits = serde_json::Value::Object(facts.limits.values.clone()).to_string();
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&facts.id)
        .bind(&facts.name)
        .bind(&facts.team)
        .bind(&facts.strategy)
        .bind(&facts.owner)
        .bind(facts.stage)
        .bind(facts.exits)
        .bind(facts.timings.check_in_ms)
        .bind(facts.timings.stale_after_ms)
        .bind(facts.timings.lapse_after_ms)
        .bind(facts.timings.apply_within_ms)
        .bind(facts.limits.version)
        .bind(&limits)
        .bind(facts.limits_waiting)
        .bind(facts.start_epoch)
        .bind(facts.fact_epoch)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes name, team, strategy, owner, stage, exits and timings of a bot; `facts.fact_epoch` is the epoch of this transaction.
///
/// # Errors
/// `Duplicate` when the name is taken.
pub async fn bot_edit(tx: &mut WriteTx, facts: &BotFacts) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(EDIT)
        .bind(&facts.id)
        .bind(&facts.name)
        .bind(&facts.team)
        .bind(&facts.strategy)
        .bind(&facts.owner)
        .bind(facts.stage)
        .bind(facts.exits)
        .bind(facts.timings.check_in_ms)
        .bind(facts.timings.stale_after_ms)
        .bind(facts.timings.lapse_after_ms)
        .bind(facts.timings.apply_within_ms)
        .bind(facts.fact_epoch)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// One bot.
///
/// # Errors
/// When the database is gone.
pub async fn bot_by_id(conn: &mut Conn, id: &BotId) -> Result<Option<BotFacts>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
    row.map(BotFacts::try_from).transpose()
}

/// One bot by its name.
///
/// # Errors
/// When the database is gone.
pub async fn bot_by_name(conn: &mut Conn, name: &str) -> Result<Option<BotFacts>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(BY_NAME).bind(name).fetch_optional(c).await)?;
    row.map(BotFacts::try_from).transpose()
}

/// Bots touched by a fact of their own after an epoch; all of them from epoch -1.
///
/// # Errors
/// When the database is gone.
pub async fn bot_since(conn: &mut Conn, epoch: Epoch) -> Result<Vec<BotFacts>> {
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(SINCE).bind(epoch).fetch_all(c).await)?;
    rows.into_iter().map(BotFacts::try_from).collect()
}

/// Latches a stop that is no hold.
///
/// # Errors
/// When the database is gone.
pub async fn bot_stop(tx: &mut WriteTx, bot: &BotId, stop: &StopFact) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(STOP_INSERT)
        .bind(StopId::new())
        .bind(bot)
        .bind(stop.epoch)
        .bind(stop.kind)
        .bind(&stop.why)
        .bind(stop.at)
        .execute(c)
        .await
        .map(drop))?;
    on!(&mut **tx, |c| sqlx::query(STOP)
        .bind(bot)
        .bind(stop.epoch)
        .bind(stop.kind)
        .bind(&stop.why)
        .bind(stop.at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Notes the epoch of a start.
///
/// # Errors
/// When the database is gone.
pub async fn bot_set_start(tx: &mut WriteTx, bot: &BotId, epoch: Epoch) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(START).bind(bot).bind(epoch).execute(c).await.map(drop))?;
    Ok(())
}

/// Notes how long the bot's adapter needs to apply a stop.
///
/// # Errors
/// When the database is gone.
pub async fn bot_set_apply_within(tx: &mut WriteTx, bot: &BotId, apply_within_ms: i64, epoch: Epoch) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(TIMINGS).bind(bot).bind(apply_within_ms).bind(epoch).execute(c).await.map(drop))?;
    Ok(())
}
