//! Bot against venue: settings, the last comparison of each bot, confirmed differences, and stops that were read back at the venue. Readings
//! are observations and carry no entry; confirming and closing a difference are acts.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{
    BotId, Epoch, HoldId, ReconciliationId, Timestamp, UserId,
    reconciliation::{GuardCancels, LastRead, Outcome, Reaction, Reconciliation, ReconciliationEnd, Verified, Watch},
};

statements! {
    WATCH_ALL = "SELECT bot_id, level, guard_cancels FROM reconcile_setting";
    WATCH_SET = "INSERT INTO reconcile_setting (bot_id, level, guard_cancels, set_at, set_by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (bot_id) DO UPDATE SET level = excluded.level, guard_cancels = excluded.guard_cancels, set_at = excluded.set_at, set_by = excluded.set_by";
    SEEN_SAVE = "INSERT INTO reconcile_seen (bot_id, at, outcome, words, key_id, agreed_at, unknown_since, unknowns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (bot_id) DO UPDATE SET at = excluded.at, outcome = excluded.outcome, words = excluded.words, key_id = excluded.key_id, agreed_at = excluded.agreed_at, unknown_since = excluded.unknown_since, unknowns = excluded.unknowns";
    SEEN_ALL = "SELECT bot_id, at, outcome, words, key_id, agreed_at, unknown_since, unknowns FROM reconcile_seen";
    SEEN_ONE = "SELECT bot_id, at, outcome, words, key_id, agreed_at, unknown_since, unknowns FROM reconcile_seen WHERE bot_id = $1";
    INSERT = "INSERT INTO reconciliation (id, bot_id, first_seen_at, confirmed_at, difference, key_id, level, hold_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    CLOSE = "UPDATE reconciliation SET closed_at = $2, closed_by = $3, closed_name = $4, closed_why = $5 WHERE id = $1 AND closed_at IS NULL";
    OPEN_OF = "SELECT id, bot_id, first_seen_at, confirmed_at, difference, key_id, level, hold_id, closed_at, closed_by, closed_name, closed_why FROM reconciliation WHERE bot_id = $1 AND closed_at IS NULL";
    OPEN = "SELECT id, bot_id, first_seen_at, confirmed_at, difference, key_id, level, hold_id, closed_at, closed_by, closed_name, closed_why FROM reconciliation WHERE closed_at IS NULL ORDER BY id";
    OF_BOT = "SELECT id, bot_id, first_seen_at, confirmed_at, difference, key_id, level, hold_id, closed_at, closed_by, closed_name, closed_why FROM reconciliation WHERE bot_id = $1 ORDER BY id DESC LIMIT $2";
    VERIFIED_SAVE = "INSERT INTO stop_verified (bot_id, epoch, at, open_orders, key_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (bot_id, epoch) DO NOTHING";
    VERIFIED_SINCE = "SELECT bot_id, epoch, at, open_orders, key_id FROM stop_verified WHERE epoch >= $1 ORDER BY epoch";
}

#[derive(sqlx::FromRow)]
struct WatchRow {
    bot_id: BotId,
    level: Reaction,
    guard_cancels: GuardCancels,
}

#[derive(sqlx::FromRow)]
struct SeenRow {
    bot_id: BotId,
    at: Timestamp,
    outcome: Outcome,
    words: String,
    key_id: String,
    agreed_at: Option<Timestamp>,
    unknown_since: Option<Timestamp>,
    unknowns: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ReconciliationId,
    bot_id: BotId,
    first_seen_at: Timestamp,
    confirmed_at: Timestamp,
    difference: String,
    key_id: String,
    level: Reaction,
    hold_id: Option<HoldId>,
    closed_at: Option<Timestamp>,
    closed_by: Option<UserId>,
    closed_name: Option<String>,
    closed_why: Option<String>,
}

#[derive(sqlx::FromRow)]
struct VerifiedRow {
    bot_id: BotId,
    epoch: Epoch,
    at: Timestamp,
    open_orders: i64,
    key_id: String,
}

impl From<SeenRow> for LastRead {
    fn from(row: SeenRow) -> Self {
        let SeenRow { bot_id, at, outcome, words, key_id, agreed_at, unknown_since, unknowns } = row;
        Self { bot: bot_id, at, outcome, words, key: key_id, agreed_at, unknown_since, unknowns }
    }
}

impl TryFrom<Row> for Reconciliation {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let end = row.closed_at.zip(row.closed_by).map(|(at, by)| ReconciliationEnd {
            at,
            by,
            name: row.closed_name.unwrap_or_default(),
            why: row.closed_why.unwrap_or_default(),
        });
        Ok(Self {
            id: row.id,
            bot: row.bot_id,
            first_seen_at: row.first_seen_at,
            confirmed_at: row.confirmed_at,
            differences: serde_json::from_str(&row.difference).map_err(|error| Error::Unreadable(error.to_string()))?,
            key: row.key_id,
            reaction: row.level,
            hold: row.hold_id,
            closed: end,
        })
    }
}

/// How every bot is watched that is not watched as usual.
///
/// # Errors
/// When the database is gone; so of all here.
pub async fn watch_all(conn: &mut Conn) -> Result<Vec<(BotId, Watch)>> {
    let rows: Vec<WatchRow> = on!(conn, |c| sqlx::query_as(WATCH_ALL).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|row| (row.bot_id, Watch { reaction: row.level, guard_cancels: row.guard_cancels })).collect())
}

/// Sets how a bot is watched.
///
/// # Errors
/// As above; `Dangling` for a bot that is not there.
pub async fn watch_set(tx: &mut WriteTx, bot: &BotId, watch: Watch, (at, by): (Timestamp, &str)) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(WATCH_SET)
        .bind(bot)
        .bind(watch.reaction)
        .bind(watch.guard_cancels)
        .bind(at)
        .bind(by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes how the last comparison of a bot went, over the one before.
///
/// # Errors
/// As above.
pub async fn reconcile_seen_save(tx: &mut WriteTx, seen: &LastRead) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SEEN_SAVE)
        .bind(&seen.bot)
        .bind(seen.at)
        .bind(seen.outcome)
        .bind(&seen.words)
        .bind(&seen.key)
        .bind(seen.agreed_at)
        .bind(seen.unknown_since)
        .bind(seen.unknowns)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// How the last comparison of each bot went.
///
/// # Errors
/// As above.
pub async fn reconcile_seen_all(conn: &mut Conn) -> Result<Vec<LastRead>> {
    let rows: Vec<SeenRow> = on!(conn, |c| sqlx::query_as(SEEN_ALL).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How the last comparison of a bot went; none: there was none.
///
/// # Errors
/// As above.
pub async fn reconcile_seen_one(conn: &mut Conn, bot: &BotId) -> Result<Option<LastRead>> {
    let row: Option<SeenRow> = on!(conn, |c| sqlx::query_as(SEEN_ONE).bind(bot).fetch_optional(c).await)?;
    Ok(row.map(Into::into))
}

/// Writes a confirmed difference.
///
/// # Errors
/// `Duplicate` while another of this bot is open.
pub async fn reconciliation_insert(tx: &mut WriteTx, new: &Reconciliation) -> Result<()> {
    let difference = serde_json::to_string(&new.differences).map_err(|error| Error::Unreadable(error.to_string()))?;
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&new.id)
        .bind(&new.bot)
        .bind(new.first_seen_at)
        .bind(new.confirmed_at)
        .bind(&difference)
        .bind(&new.key)
        .bind(new.reaction)
        .bind(&new.hold)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Closes one.
///
/// # Errors
/// `Conflict` when it is closed.
pub async fn reconciliation_close(tx: &mut WriteTx, id: &ReconciliationId, end: &ReconciliationEnd) -> Result<()> {
    let rows = on!(&mut **tx, |c| sqlx::query(CLOSE)
        .bind(id)
        .bind(end.at)
        .bind(&end.by)
        .bind(&end.name)
        .bind(&end.why)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// The open one of a bot.
///
/// # Errors
/// As above.
pub async fn reconciliation_open_of(conn: &mut Conn, bot: &BotId) -> Result<Option<Reconciliation>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(OPEN_OF).bind(bot).fetch_optional(c).await)?;
    row.map(TryInto::try_into).transpose()
}

/// Every open one: at most one for each bot.
///
/// # Errors
/// As above.
pub async fn reconciliation_open(conn: &mut Conn) -> Result<Vec<Reconciliation>> {
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(OPEN).fetch_all(c).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Those of a bot, newest first.
///
/// # Errors
/// As above.
pub async fn reconciliation_of_bot(conn: &mut Conn, bot: &BotId, most: i64) -> Result<Vec<Reconciliation>> {
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).bind(most).fetch_all(c).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Writes that a stop was read back at the venue; the first reading stands.
///
/// # Errors
/// As above.
pub async fn verified_save(tx: &mut WriteTx, verified: &Verified) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(VERIFIED_SAVE)
        .bind(&verified.bot)
        .bind(verified.epoch)
        .bind(verified.at)
        .bind(verified.open_orders)
        .bind(&verified.key)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Stops at or after an epoch that were read back.
///
/// # Errors
/// As above.
pub async fn verified_since(conn: &mut Conn, epoch: Epoch) -> Result<Vec<Verified>> {
    let rows: Vec<VerifiedRow> = on!(conn, |c| sqlx::query_as(VERIFIED_SINCE).bind(epoch).fetch_all(c).await)?;
    let of = |row: VerifiedRow| Verified { bot: row.bot_id, epoch: row.epoch, at: row.at, open_orders: row.open_orders, key: row.key_id };
    Ok(rows.into_iter().map(of).collect())
}
