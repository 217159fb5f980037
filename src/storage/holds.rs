//! Holds and the bots they keep covered. A hold is inserted once and released once; it is never deleted.

use super::{
    Conn, Error, Result, WriteTx,
    db::{insert, on, statements},
};
use crate::domain::{BotId, Epoch, Hold, HoldId, Level, PlacedBy, PlacerKind, PressId, Scope, Timestamp, UserId, hold::Release};

statements! {
    SET_ENTRY = "UPDATE hold SET entry = $2 WHERE id = $1 AND entry IS NULL";
    SET_LATE = "UPDATE hold SET late = $2 WHERE id = $1";
    SET_WHY = "UPDATE hold SET why = $2 WHERE id = $1 AND why = ''";
    RELEASE = "UPDATE hold SET released_epoch = $2, released_at = $3, released_by = $4, release_why = $5 WHERE id = $1 AND released_epoch IS NULL";
    BY_ID = "SELECT * FROM hold WHERE id = $1";
    BY_PRESS = "SELECT * FROM hold WHERE by_kind = $1 AND by_id = $2 AND idempotency_key = $3";
    BY_ORIGIN = "SELECT * FROM hold WHERE origin = $1 ORDER BY epoch";
    SINCE = "SELECT * FROM hold WHERE epoch > $1 OR released_epoch > $1 ORDER BY epoch";
    WITHOUT_ENTRY = "SELECT * FROM hold WHERE entry IS NULL ORDER BY epoch LIMIT 100";
    RECENT = "SELECT * FROM hold WHERE released_epoch IS NOT NULL ORDER BY released_epoch DESC LIMIT $1";
    OF_PRESS = "SELECT * FROM hold WHERE press = $1 ORDER BY epoch, id";
    KEEP = "INSERT INTO hold_bot (hold_id, bot_id) VALUES ($1, $2) ON CONFLICT (hold_id, bot_id) DO NOTHING";
    KEPT = "SELECT hold_id, bot_id FROM hold_bot";
}

const SAME_OPEN: &str = "SELECT * FROM hold WHERE released_epoch IS NULL AND (by_kind, by_id, scope_kind, scope_id, level) IN (";

const INTO: &str = "INSERT INTO hold (id, scope_kind, scope_id, level, why, by_kind, by_id, by_name, by_risk, at, epoch, late, idempotency_key, origin, entry, not_before, press) ";

#[derive(sqlx::FromRow)]
struct Row {
    id: HoldId,
    scope_kind: String,
    scope_id: String,
    level: Level,
    why: String,
    by_kind: PlacerKind,
    by_id: String,
    by_name: String,
    by_risk: bool,
    at: Timestamp,
    epoch: Epoch,
    late: bool,
    idempotency_key: String,
    origin: Option<String>,
    entry: Option<i64>,
    released_epoch: Option<Epoch>,
    released_at: Option<Timestamp>,
    released_by: Option<UserId>,
    release_why: Option<String>,
    not_before: Option<Timestamp>,
    press: Option<PressId>,
}

impl TryFrom<Row> for Hold {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let scope =
            Scope::from_parts(&row.scope_kind, &row.scope_id).ok_or_else(|| Error::Unreadable(format!("scope of hold {}", row.id)))?;
        let released = match (row.released_epoch, row.released_at, row.released_by) {
            (Some(epoch), Some(at), Some(by)) => Some(Release { epoch, at, by, why: row.release_why.unwrap_or_default() }),
            (None, ..) => None,
            _ => return Err(Error::Unreadable(format!("release of hold {}", row.id))),
        };
        Ok(Self {
            id: row.id,
            scope,
            level: row.level,
            why: row.why,
            placed_by: PlacedBy { kind: row.by_kind, id: row.by_id, name: row.by_name, as_risk: row.by_risk },
            at: row.at,
            epoch: row.epoch,
            released,
            late: row.late,
            idempotency_key: row.idempotency_key,
            origin: row.origin,
            entry: row.entry,
            not_before: row.not_before,
            press: row.press,
        })
    }
}

fn whole(rows: Vec<Row>) -> Result<Vec<Hold>> {
    rows.into_iter().map(Hold::try_from).collect()
}

/// Writes a new hold.
///
/// # Errors
/// `Duplicate` when the id, or the same press, is there already.
pub async fn hold_insert(tx: &mut WriteTx, hold: &Hold) -> Result<()> {
    hold_insert_all(tx, &[hold]).await
}

/// Writes new holds by one statement; a few dozen at most.
///
/// # Errors
/// `Duplicate` when the id, or the press, of one of them is there already.
pub async fn hold_insert_all(tx: &mut WriteTx, holds: &[&Hold]) -> Result<()> {
    insert!(tx, INTO, holds, |row, hold| {
        row.push_bind(&hold.id).push_bind(hold.scope.kind()).push_bind(hold.scope.id().into_owned()).push_bind(hold.level);
        row.push_bind(&hold.why).push_bind(hold.placed_by.kind).push_bind(&hold.placed_by.id).push_bind(&hold.placed_by.name);
        row.push_bind(hold.placed_by.as_risk).push_bind(hold.at).push_bind(hold.epoch).push_bind(hold.late);
        row.push_bind(&hold.idempotency_key).push_bind(&hold.origin).push_bind(hold.entry).push_bind(hold.not_before);
        row.push_bind(&hold.press)
    });
    Ok(())
}

/// Notes where in the audit log a hold's entry stands.
///
/// # Errors
/// When the database is gone.
pub async fn hold_set_entry(tx: &mut WriteTx, id: &HoldId, seq: i64) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SET_ENTRY).bind(id).bind(seq).execute(c).await.map(drop))?;
    Ok(())
}

/// Marks a hold as recorded late.
///
/// # Errors
/// When the database is gone.
pub async fn hold_set_late(tx: &mut WriteTx, id: &HoldId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SET_LATE).bind(id).bind(true).execute(c).await.map(drop))?;
    Ok(())
}

/// Adds the reason to a hold that has none.
///
/// # Errors
/// `Conflict` when it has one, or is not there.
pub async fn hold_set_why(tx: &mut WriteTx, id: &HoldId, why: &str) -> Result<()> {
    let rows = on!(&mut **tx, |c| sqlx::query(SET_WHY).bind(id).bind(why).execute(c).await.map(|r| r.rows_affected()))?;
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// Ends a hold.
///
/// # Errors
/// `Conflict` when it has ended already, or is not there.
pub async fn hold_release(tx: &mut WriteTx, id: &HoldId, release: &Release) -> Result<()> {
    let rows = on!(&mut **tx, |c| sqlx::query(RELEASE)
        .bind(id)
        .bind(release.epoch)
        .bind(release.at)
        .bind(&release.by)
        .bind(&release.why)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// One hold.
///
/// # Errors
/// When the database is gone.
pub async fn hold_by_id(conn: &mut Conn, id: &HoldId) -> Result<Option<Hold>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
    row.map(Hold::try_from).transpose()
}

/// The hold that this very press made.
///
/// # Errors
/// When the database is gone.
pub async fn hold_by_press(conn: &mut Conn, by: &PlacedBy, key: &str) -> Result<Option<Hold>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(BY_PRESS).bind(by.kind).bind(&by.id).bind(key).fetch_optional(c).await)?;
    row.map(Hold::try_from).transpose()
}

/// Holds imported from agents that carried this id.
///
/// # Errors
/// When the database is gone.
pub async fn hold_by_origin(conn: &mut Conn, origin: &HoldId) -> Result<Vec<Hold>> {
    whole(on!(conn, |c| sqlx::query_as(BY_ORIGIN).bind(origin).fetch_all(c).await)?)
}

/// Unreleased holds of the same placer, scope and level as any of these, newest last; by one statement.
///
/// # Errors
/// When the database is gone.
pub async fn hold_same_open(conn: &mut Conn, as_these: &[&Hold]) -> Result<Vec<Hold>> {
    whole(on!(conn, |c| {
        let mut query = sqlx::QueryBuilder::new(SAME_OPEN);
        query.push_values(as_these, |mut row, hold| {
            row.push_bind(hold.placed_by.kind).push_bind(&hold.placed_by.id);
            row.push_bind(hold.scope.kind()).push_bind(hold.scope.id().into_owned()).push_bind(hold.level);
        });
        query.push(") ORDER BY epoch");
        query.build_query_as().persistent(as_these.len() == 1).fetch_all(c).await
    })?)
}

/// Holds placed or released after an epoch.
///
/// # Errors
/// When the database is gone.
pub async fn hold_since(conn: &mut Conn, epoch: Epoch) -> Result<Vec<Hold>> {
    whole(on!(conn, |c| sqlx::query_as(SINCE).bind(epoch).fetch_all(c).await)?)
}

/// Holds whose entry the log could not take yet, oldest first, at most 100.
///
/// # Errors
/// When the database is gone.
pub async fn hold_without_entry(conn: &mut Conn) -> Result<Vec<Hold>> {
    whole(on!(conn, |c| sqlx::query_as(WITHOUT_ENTRY).fetch_all(c).await)?)
}

/// The holds released last.
///
/// # Errors
/// When the database is gone.
pub async fn hold_recent(conn: &mut Conn, most: i64) -> Result<Vec<Hold>> {
    whole(on!(conn, |c| sqlx::query_as(RECENT).bind(most).fetch_all(c).await)?)
}

/// The holds that one press placed together.
///
/// # Errors
/// When the database is gone.
pub async fn hold_of_press(conn: &mut Conn, press: &PressId) -> Result<Vec<Hold>> {
    whole(on!(conn, |c| sqlx::query_as(OF_PRESS).bind(press).fetch_all(c).await)?)
}

/// Keeps a bot covered by a hold whose scope it leaves.
///
/// # Errors
/// When the database is gone.
pub async fn hold_keep(tx: &mut WriteTx, hold: &HoldId, bot: &BotId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(KEEP).bind(hold).bind(bot).execute(c).await.map(drop))?;
    Ok(())
}

/// Every kept pair.
///
/// # Errors
/// When the database is gone.
pub async fn hold_kept(conn: &mut Conn) -> Result<Vec<(HoldId, BotId)>> {
    Ok(on!(conn, |c| sqlx::query_as(KEPT).fetch_all(c).await)?)
}
