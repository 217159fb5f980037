//! Bots and the stops that are no holds.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{
    ApprovedRun, BotFacts, BotId, Epoch, Exits, Limits, Seat, Stage, StopFact, StopId, StopKind, SubaccountId, TeamId, Timestamp, Timings,
    UserId, VenueId,
};
use std::sync::Arc;

statements! {
    INSERT = "INSERT INTO bot (id, name, team_id, strategy, owner_id, stage, exits, check_in_ms, stale_after_ms, lapse_after_ms, apply_within_ms, limits_version, limits, limits_waiting, start_epoch, fact_epoch, created_at, subaccount_id, limits_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    EDIT = "UPDATE bot SET name = $2, team_id = $3, strategy = $4, owner_id = $5, stage = $6, exits = $7, check_in_ms = $8, stale_after_ms = $9, lapse_after_ms = $10, apply_within_ms = $11, fact_epoch = $12, subaccount_id = $13, approved_run = CASE WHEN stage = $6 AND team_id = $3 THEN approved_run ELSE NULL END WHERE id = $1";
    BY_ID = "SELECT bot.*, subaccount.venue_id FROM bot LEFT JOIN subaccount ON subaccount.id = bot.subaccount_id WHERE bot.id = $1";
    BY_NAME = "SELECT bot.*, subaccount.venue_id FROM bot LEFT JOIN subaccount ON subaccount.id = bot.subaccount_id WHERE bot.name = $1";
    SINCE = "SELECT bot.*, subaccount.venue_id FROM bot LEFT JOIN subaccount ON subaccount.id = bot.subaccount_id WHERE bot.fact_epoch > $1 ORDER BY bot.id";
    RUN = "UPDATE bot SET approved_run = $2, fact_epoch = $3 WHERE id = $1";
    STOP = "UPDATE bot SET stop_epoch = $2, stop_kind = $3, stop_why = $4, stop_at = $5, fact_epoch = $2 WHERE id = $1";
    STOP_INSERT = "INSERT INTO bot_stop (id, bot_id, epoch, kind, why, at) VALUES ($1, $2, $3, $4, $5, $6)";
    LIMITS = "UPDATE bot SET limits_version = $2, limits = $3, limits_waiting = $4, limits_at = $5, fact_epoch = $6 WHERE id = $1";
    LIMITS_INSERT = "INSERT INTO bot_limits (bot_id, version, epoch, limits, why, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    LIMITS_AT = "SELECT * FROM bot_limits WHERE bot_id = $1 AND set_at <= $2 ORDER BY version DESC LIMIT 1";
    LEASE = "UPDATE bot SET stale_after_ms = $2, lapse_after_ms = $3 WHERE id = $1";
    LIMITS_OF = "SELECT * FROM bot_limits WHERE bot_id = $1 ORDER BY version DESC LIMIT 100";
    TIMINGS = "UPDATE bot SET apply_within_ms = $2, fact_epoch = $3 WHERE id = $1";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: BotId,
    name: String,
    team_id: TeamId,
    strategy: String,
    subaccount_id: Option<SubaccountId>,
    venue_id: Option<VenueId>,
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
    limits_at: Timestamp,
    approved_run: Option<String>,
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
        let unread = |_| Error::Unreadable(format!("what was approved of bot {}", row.id));
        let run = row.approved_run.as_deref().map(serde_json::from_str).transpose().map_err(unread)?.map(Arc::new);
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
            seat: row.subaccount_id.zip(row.venue_id).map(|(subaccount, venue)| Seat { subaccount, venue }),
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
            limits_at: row.limits_at,
            run,
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
        .bind(facts.seat.as_ref().map(|seat| &seat.subaccount))
        .bind(facts.limits_at)
        .execute(c)
        .await
        .map(drop))?;
    if facts.limits.version > 0 {
        // Its limits are those of its own level.
        super::limits::node_save(tx, &super::limits::NodeRow::of_new_bot(facts, at)).await?;
    }
    Ok(())
}

/// Writes name, team, strategy, owner, stage, exits, timings and subaccount of a bot; `facts.fact_epoch` is the epoch of this transaction.
///
/// # Errors
/// `Duplicate` when the name, or the subaccount, is taken.
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
        .bind(facts.seat.as_ref().map(|seat| &seat.subaccount))
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

/// Notes the epoch of the start of these bots, many with one statement.
///
/// # Errors
/// When the database is gone.
pub async fn bot_set_start(tx: &mut WriteTx, bots: &[BotId], epoch: Epoch) -> Result<()> {
    for some in bots.chunks(100) {
        on!(&mut **tx, |c| {
            let mut query = sqlx::QueryBuilder::new("UPDATE bot SET start_epoch = ");
            query.push_bind(epoch).push(", fact_epoch = ").push_bind(epoch).push(" WHERE id IN (");
            let mut ids = query.separated(", ");
            for bot in some {
                ids.push_bind(bot);
            }
            query.push(")").build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// Writes what is approved of a bot. Every change of its stage or team takes it away.
///
/// # Errors
/// When the database is gone.
pub async fn bot_set_run(tx: &mut WriteTx, bot: &BotId, run: &ApprovedRun, epoch: Epoch) -> Result<()> {
    let text = serde_json::to_string(run).map_err(|_| Error::Unreadable(format!("what is approved of bot {bot}")))?;
    on!(&mut **tx, |c| sqlx::query(RUN).bind(bot).bind(&text).bind(epoch).execute(c).await.map(drop))?;
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

/// One version of a bot's limits.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LimitsRow {
    /// Whose.
    pub bot_id: BotId,
    /// Grows by one.
    pub version: i64,
    /// The epoch it took.
    pub epoch: Epoch,
    /// The values as JSON.
    pub limits: String,
    /// The reason given.
    pub why: String,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

/// Writes a version of a bot's limits and makes it the one that counts. `waits`: it is a tightening that its agent has to acknowledge.
///
/// # Errors
/// `Duplicate` when that version is there already.
pub async fn bot_set_limits(tx: &mut WriteTx, row: &LimitsRow, waits: bool) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(LIMITS_INSERT)
        .bind(&row.bot_id)
        .bind(row.version)
        .bind(row.epoch)
        .bind(&row.limits)
        .bind(&row.why)
        .bind(&row.set_by)
        .bind(row.set_at)
        .execute(c)
        .await
        .map(drop))?;
    on!(&mut **tx, |c| sqlx::query(LIMITS)
        .bind(&row.bot_id)
        .bind(row.version)
        .bind(&row.limits)
        .bind(waits)
        .bind(row.set_at)
        .bind(row.epoch)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Notes that agents have taken over these versions; answers with the bots of whom that was waited for and whose version is still the one that counts.
/// By one statement.
///
/// # Errors
/// When the database is gone.
pub async fn bot_limits_taken(tx: &mut WriteTx, taken: &[(&BotId, i64)], epoch: Epoch) -> Result<Vec<BotId>> {
    Ok(on!(&mut **tx, |c| {
        let mut query = sqlx::QueryBuilder::new("UPDATE bot SET limits_waiting = ");
        query.push_bind(false).push(", fact_epoch = ").push_bind(epoch).push(" WHERE limits_waiting = ").push_bind(true);
        query.push(" AND (id, limits_version) IN (");
        query.push_values(taken, |mut row, (bot, version)| {
            row.push_bind(*bot).push_bind(*version);
        });
        query.push(") RETURNING id");
        query.build_query_scalar().persistent(taken.len() == 1).fetch_all(c).await
    })?)
}

/// Writes the two times of a bot's lease, which are among its limits.
///
/// # Errors
/// When the database is gone.
pub async fn bot_set_lease(tx: &mut WriteTx, bot: &BotId, stale_after_ms: i64, lapse_after_ms: i64) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(LEASE).bind(bot).bind(stale_after_ms).bind(lapse_after_ms).execute(c).await.map(drop))?;
    Ok(())
}

/// The limits that held for a bot at a moment; none: none were ever set by then.
///
/// # Errors
/// When the database is gone.
pub async fn bot_limits_at(conn: &mut Conn, bot: &BotId, at: Timestamp) -> Result<Option<LimitsRow>> {
    Ok(on!(conn, |c| sqlx::query_as(LIMITS_AT).bind(bot).bind(at).fetch_optional(c).await)?)
}

/// The last versions of a bot's limits, newest first, at most 100.
///
/// # Errors
/// When the database is gone.
pub async fn bot_limits_of(conn: &mut Conn, bot: &BotId) -> Result<Vec<LimitsRow>> {
    Ok(on!(conn, |c| sqlx::query_as(LIMITS_OF).bind(bot).fetch_all(c).await)?)
}
