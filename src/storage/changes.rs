//! What the register of changes is read from: entries of the log that change something of what trades live, or ask for it, in their order; and the
//! first start of a bot after one. What is read here is never written here.

use super::{
    Conn, Result,
    db::{on, statements},
};
use crate::audit::number;
use crate::domain::{BotId, RequestId, Stage, SubaccountId, Timestamp, change_register::Standing};

statements! {
    ENTRIES = "SELECT log_id, seq, ts, kind, actor, body FROM audit_record WHERE (log_id, seq) > ($1, $2) AND ts < $3 AND kind IN ('bot.created', 'bot.stage_changed', 'bot.went_up', 'bot.moved', 'bots.killed', 'bots.started', 'staged_start.wave', 'limits.tightened', 'limits.changed', 'limits.set', 'limits.overridden', 'bot.seated', 'key.approved', 'key.installed', 'policy.changed', 'checklist.changed', 'user.grants_changed', 'user.enabled', 'emergency.changed', 'hold.placed', 'request.asked', 'bot.apply_within_declared', 'bot.operators_listed', 'register.edited', 'register.imported', 'register.retired', 'bots.linked', 'bots.unlinked', 'account.reviewed', 'bot.watch_set', 'agent.enrolled', 'agent.confirmed', 'agent.revoked', 'credential.added', 'credential.removed', 'credential.suspended', 'installation.rp_id_changed', 'recovery.done', 'stop_device.enrolled', 'stop_device.ended', 'limits.override_ended', 'emergency.ended', 'key.ended', 'team.created', 'venue.created', 'account.created', 'subaccount.created', 'user.invited', 'user.disabled', 'token.created', 'token.revoked', 'stop_devices.set', 'venue.changed') ORDER BY log_id, seq LIMIT $4";
    NEXT_OF = "SELECT r.log_id, r.seq, r.ts, r.kind FROM audit_about a JOIN audit_record r ON r.log_id = a.seq / 1099511627776 + 1 AND r.seq = a.seq % 1099511627776 WHERE a.about = $1 AND a.seq > $2 AND r.kind IN ('bots.started', 'staged_start.wave', 'bot.stage_changed', 'bot.went_up', 'bot.moved', 'bots.killed') ORDER BY a.seq LIMIT 1";
    STANDING = "SELECT id, stage, approved_run FROM bot WHERE stage IN ('limited', 'live') ORDER BY id";
    CARRIED_OUT = "SELECT r.ts FROM audit_about a JOIN audit_record r ON r.log_id = a.seq / 1099511627776 + 1 AND r.seq = a.seq % 1099511627776 WHERE a.about = $1 AND r.kind = 'request.executed' ORDER BY a.seq LIMIT 1";
    GIVEN = "SELECT request_id FROM assignment WHERE bot_id = $1 AND subaccount_id = $2 AND from_at = $3";
}

/// An entry of the log.
#[derive(Debug, Clone)]
pub struct ChangeEntry {
    /// Its number among those of every incarnation.
    pub number: i64,
    /// When it was written.
    pub at: Timestamp,
    /// The dotted word.
    pub kind: String,
    /// `user:ID` and the like.
    pub actor: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    log_id: i64,
    seq: i64,
    ts: i64,
    kind: String,
    actor: String,
    body: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct NextRow {
    log_id: i64,
    seq: i64,
    ts: i64,
    kind: String,
}

#[derive(sqlx::FromRow)]
struct StandingRow {
    id: BotId,
    stage: Stage,
    approved_run: Option<String>,
}

/// Entries after a number, written before a moment, in order. The first number of all is 0.
///
/// # Errors
/// When the database is gone.
pub async fn change_entries(conn: &mut Conn, after: i64, until: Timestamp, most: i64) -> Result<Vec<ChangeEntry>> {
    let (log, seq) = if after < 0 { (0, 0) } else { number::parts(after) };
    let rows: Vec<EntryRow> = on!(conn, |c| sqlx::query_as(ENTRIES).bind(log).bind(seq).bind(until).bind(most).fetch_all(c).await)?;
    let entry = |row: EntryRow| ChangeEntry {
        number: number::of(row.log_id, row.seq),
        at: Timestamp(row.ts),
        kind: row.kind,
        actor: row.actor,
        body: row.body,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// The first start of a bot after an entry, by its number and when; none: it was not started before it was let somewhere else.
///
/// # Errors
/// When the database is gone.
pub async fn change_activation(conn: &mut Conn, bot: &BotId, after: i64) -> Result<Option<(i64, Timestamp)>> {
    let about = format!("bot:{bot}");
    let row: Option<NextRow> = on!(conn, |c| sqlx::query_as(NEXT_OF).bind(about).bind(after).fetch_optional(c).await)?;
    let start = row.filter(|row| matches!(row.kind.as_str(), "bots.started" | "staged_start.wave"));
    Ok(start.map(|row| (number::of(row.log_id, row.seq), Timestamp(row.ts))))
}

/// When a request was carried out, by the log; none: no entry says that it was.
///
/// # Errors
/// When the database is gone.
pub async fn change_carried_out(conn: &mut Conn, request: &RequestId) -> Result<Option<Timestamp>> {
    let about = format!("request:{request}");
    Ok(on!(conn, |c| sqlx::query_scalar(CARRIED_OUT).bind(about).fetch_optional(c).await)?)
}

/// The request by which a bot was given a subaccount at a moment; none: by none, or it was not given.
///
/// # Errors
/// When the database is gone.
pub async fn change_given(conn: &mut Conn, bot: &BotId, to: &SubaccountId, at: Timestamp) -> Result<Option<RequestId>> {
    let row: Option<Option<RequestId>> = on!(conn, |c| sqlx::query_scalar(GIVEN).bind(bot).bind(to).bind(at).fetch_optional(c).await)?;
    Ok(row.flatten())
}

/// Every bot that trades live by its stage, as it is stored, with the request whose approval is in force of it.
///
/// # Errors
/// When the database is gone.
pub async fn change_standing(conn: &mut Conn) -> Result<Vec<Standing>> {
    let rows: Vec<StandingRow> = on!(conn, |c| sqlx::query_as(STANDING).fetch_all(c).await)?;
    let request = |run: Option<String>| {
        let run: serde_json::Value = serde_json::from_str(run.as_deref()?).ok()?;
        RequestId::parse(run.get("request")?.as_str()?).ok()
    };
    Ok(rows.into_iter().map(|row| Standing { bot: row.id, stage: row.stage, request: request(row.approved_run) }).collect())
}
