//! Alerts. A row is opened, counted, told of, taken and closed; it is never deleted. One open row for a kind and subject, by an index.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{
    AlertId, BotId, HoldId, PlacerKind, Timestamp,
    alert::{Alert, AlertKind, By, Closed, CommandState, Severity, Subject},
};

statements! {
    INSERT = "INSERT INTO alert (id, kind, severity, subject, bot_id, hold_id, words, opened_at, last_at, repeats, command, sent_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO UPDATE SET repeats = alert.repeats + excluded.repeats + 1, last_at = CASE WHEN alert.last_at < excluded.last_at THEN excluded.last_at ELSE alert.last_at END RETURNING *";
    COUNT = "UPDATE alert SET repeats = repeats + $2, last_at = CASE WHEN last_at < $3 THEN $3 ELSE last_at END WHERE id = $1 AND closed_at IS NULL";
    TOLD = "UPDATE alert SET told_at = $2 WHERE id = $1 AND told_at IS NULL";
    TAKE = "UPDATE alert SET taken_at = $2, taken_kind = $3, taken_id = $4, taken_name = $5 WHERE id = $1 AND closed_at IS NULL";
    CLOSE = "UPDATE alert SET closed_at = $2, closed_kind = $3, closed_id = $4, closed_name = $5, closed_why = $6 WHERE id = $1 AND closed_at IS NULL";
    BY_ID = "SELECT * FROM alert WHERE id = $1";
    OPEN = "SELECT * FROM alert WHERE closed_at IS NULL ORDER BY id";
    OPEN_OF_BOT = "SELECT * FROM alert WHERE bot_id = $1 AND closed_at IS NULL ORDER BY id";
    CLOSED = "SELECT * FROM alert WHERE closed_at IS NOT NULL AND ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2";
    OF_BOT = "SELECT * FROM alert WHERE bot_id = $1 ORDER BY opened_at DESC, id DESC LIMIT $2";
    TAKEN_LAST = "SELECT * FROM alert WHERE taken_at >= $1 AND taken_kind = $2 AND (sent_by IS NULL OR sent_by <> taken_id OR $3) ORDER BY taken_at DESC, id DESC LIMIT 1";
    CLOSED_BY_PEOPLE = "SELECT * FROM alert WHERE closed_kind IS NOT NULL AND hold_id IS NOT NULL AND closed_at >= $1";
    COMMAND_DUE = "SELECT * FROM alert WHERE command IN ('due', 'running') ORDER BY CASE WHEN severity = 'critical' THEN 0 ELSE 1 END, opened_at, id LIMIT $1";
    COMMAND = "UPDATE alert SET command = $2, command_at = $3, command_said = $4 WHERE id = $1 AND command IN ('due', 'running')";
    COMMAND_FAILED = "SELECT COUNT(*) FROM alert WHERE (command = 'failed' OR (command IN ('due', 'running') AND command_said <> '')) AND command_at >= $1";
    COMMAND_SAID = "SELECT * FROM alert WHERE (command = 'failed' OR (command IN ('due', 'running') AND command_said <> '')) AND command_at >= $1 ORDER BY command_at DESC LIMIT 1";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: AlertId,
    kind: AlertKind,
    severity: Severity,
    bot_id: Option<BotId>,
    hold_id: Option<HoldId>,
    words: String,
    opened_at: Timestamp,
    last_at: Timestamp,
    repeats: i64,
    taken_at: Option<Timestamp>,
    taken_kind: Option<PlacerKind>,
    taken_id: Option<String>,
    taken_name: Option<String>,
    closed_at: Option<Timestamp>,
    closed_kind: Option<PlacerKind>,
    closed_id: Option<String>,
    closed_name: Option<String>,
    closed_why: Option<String>,
    told_at: Option<Timestamp>,
    command: CommandState,
    command_at: Option<Timestamp>,
    command_said: Option<String>,
    sent_by: Option<String>,
}

fn by(kind: Option<PlacerKind>, id: Option<String>, name: Option<String>) -> Option<By> {
    kind.map(|kind| By { kind, id: id.unwrap_or_default(), name: name.unwrap_or_default() })
}

impl From<Row> for Alert {
    fn from(row: Row) -> Self {
        let closer = by(row.closed_kind, row.closed_id, row.closed_name);
        Self {
            id: row.id,
            kind: row.kind,
            severity: row.severity,
            subject: Subject { bot: row.bot_id, hold: row.hold_id },
            words: row.words,
            opened_at: row.opened_at,
            last_at: row.last_at,
            repeats: row.repeats,
            taken: by(row.taken_kind, row.taken_id, row.taken_name).zip(row.taken_at),
            closed: row.closed_at.map(|at| Closed { at, by: closer, why: row.closed_why.unwrap_or_default() }),
            told_at: row.told_at,
            command: row.command,
            command_at: row.command_at,
            command_said: row.command_said.unwrap_or_default(),
            sent_by: row.sent_by,
        }
    }
}

/// Opens an alert, or counts it into the open one of its kind and subject; answers with the row as it is then.
///
/// # Errors
/// `Dangling` for a bot that is not there; when the database is gone.
pub async fn alert_raise(tx: &mut WriteTx, alert: &Alert) -> Result<Alert> {
    let row: Row = on!(&mut **tx, |c| sqlx::query_as(INSERT)
        .bind(&alert.id)
        .bind(alert.kind)
        .bind(alert.severity)
        .bind(alert.subject.key())
        .bind(&alert.subject.bot)
        .bind(&alert.subject.hold)
        .bind(&alert.words)
        .bind(alert.opened_at)
        .bind(alert.last_at)
        .bind(alert.repeats)
        .bind(alert.command)
        .bind(&alert.sent_by)
        .fetch_one(c)
        .await)?;
    Ok(row.into())
}

/// Counts repeats of an open alert.
///
/// # Errors
/// When the database is gone.
pub async fn alert_count(tx: &mut WriteTx, id: &AlertId, more: i64, last_at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(COUNT).bind(id).bind(more).bind(last_at).execute(c).await.map(drop))?;
    Ok(())
}

/// Notes that people were told of an alert.
///
/// # Errors
/// When the database is gone.
pub async fn alert_told(tx: &mut WriteTx, id: &AlertId, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(TOLD).bind(id).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Notes who looks after an open alert; whoever takes it later has it.
///
/// # Errors
/// `Conflict` when it is closed.
pub async fn alert_take(tx: &mut WriteTx, id: &AlertId, by: &By, at: Timestamp) -> Result<()> {
    let rows = on!(&mut **tx, |c| sqlx::query(TAKE)
        .bind(id)
        .bind(at)
        .bind(by.kind)
        .bind(&by.id)
        .bind(&by.name)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// Closes an open alert.
///
/// # Errors
/// `Conflict` when it is closed, or not there.
pub async fn alert_close(tx: &mut WriteTx, id: &AlertId, closed: &Closed) -> Result<()> {
    let by = closed.by.as_ref();
    let rows = on!(&mut **tx, |c| sqlx::query(CLOSE)
        .bind(id)
        .bind(closed.at)
        .bind(by.map(|by| by.kind))
        .bind(by.map(|by| &by.id))
        .bind(by.map(|by| &by.name))
        .bind(&closed.why)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}

fn whole(rows: Vec<Row>) -> Vec<Alert> {
    rows.into_iter().map(Alert::from).collect()
}

/// One alert.
///
/// # Errors
/// When the database is gone.
pub async fn alert_by_id(conn: &mut Conn, id: &AlertId) -> Result<Option<Alert>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
    Ok(row.map(Alert::from))
}

/// Every open alert.
///
/// # Errors
/// When the database is gone.
pub async fn alert_open(conn: &mut Conn) -> Result<Vec<Alert>> {
    Ok(whole(on!(conn, |c| sqlx::query_as(OPEN).fetch_all(c).await)?))
}

/// The open alerts of one bot.
///
/// # Errors
/// When the database is gone.
pub async fn alert_open_of(conn: &mut Conn, bot: &BotId) -> Result<Vec<Alert>> {
    Ok(whole(on!(conn, |c| sqlx::query_as(OPEN_OF_BOT).bind(bot).fetch_all(c).await)?))
}

/// Closed alerts, the newest first, those before one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn alert_closed(conn: &mut Conn, before: Option<&AlertId>, most: i64) -> Result<Vec<Alert>> {
    let before = before.map_or("", AlertId::as_str);
    Ok(whole(on!(conn, |c| sqlx::query_as(CLOSED).bind(before).bind(most).fetch_all(c).await)?))
}

/// The newest alerts of a bot.
///
/// # Errors
/// When the database is gone.
pub async fn alert_of_bot(conn: &mut Conn, bot: &BotId, most: i64) -> Result<Vec<Alert>> {
    Ok(whole(on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).bind(most).fetch_all(c).await)?))
}

/// The alert that somebody of a kind took last, since a moment.
///
/// # Errors
/// When the database is gone.
pub async fn alert_taken_last(conn: &mut Conn, since: Timestamp, kind: PlacerKind, is_own_too: bool) -> Result<Option<Alert>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(TAKEN_LAST).bind(since).bind(kind).bind(is_own_too).fetch_optional(c).await)?;
    Ok(row.map(Alert::from))
}

/// Alerts about holds that people closed since a moment: those are not raised again for the same hold.
///
/// # Errors
/// When the database is gone.
pub async fn alert_closed_by_people(conn: &mut Conn, since: Timestamp) -> Result<Vec<Alert>> {
    Ok(whole(on!(conn, |c| sqlx::query_as(CLOSED_BY_PEOPLE).bind(since).fetch_all(c).await)?))
}

/// Alerts whose command is to be run, or was begun and not ended: critical ones first, then the oldest.
///
/// # Errors
/// When the database is gone.
pub async fn alert_command_due(conn: &mut Conn, most: i64) -> Result<Vec<Alert>> {
    Ok(whole(on!(conn, |c| sqlx::query_as(COMMAND_DUE).bind(most).fetch_all(c).await)?))
}

/// Notes how the command stands with an alert; one that has ended stays as it is.
///
/// # Errors
/// When the database is gone.
pub async fn alert_command(tx: &mut WriteTx, id: &AlertId, state: CommandState, at: Timestamp, said: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(COMMAND).bind(id).bind(state).bind(at).bind(said).execute(c).await.map(drop))?;
    Ok(())
}

/// For how many alerts a run of the command failed since a moment, those that are tried again among them, and the alert of the last of them.
///
/// # Errors
/// When the database is gone.
pub async fn alert_command_failed(conn: &mut Conn, since: Timestamp) -> Result<(i64, Option<Alert>)> {
    let count: i64 = on!(&mut *conn, |c| sqlx::query_scalar(COMMAND_FAILED).bind(since).fetch_one(c).await)?;
    let last: Option<Row> = on!(conn, |c| sqlx::query_as(COMMAND_SAID).bind(since).fetch_optional(c).await)?;
    Ok((count, last.map(Alert::from)))
}
