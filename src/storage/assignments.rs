//! Which bot had which subaccount, and when. That there is one at a time is the database's own rule.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{AssignmentId, BotId, RequestId, SubaccountId, TeamId, Timestamp};

statements! {
    INSERT = "INSERT INTO assignment (id, bot_id, subaccount_id, from_at, from_by, request_id) VALUES ($1, $2, $3, $4, $5, $6)";
    END = "UPDATE assignment SET until_at = $2, until_by = $3 WHERE bot_id = $1 AND until_at IS NULL";
    AS_OF = "SELECT assignment.* FROM assignment JOIN bot ON bot.id = assignment.bot_id WHERE assignment.from_at <= $1 AND (assignment.until_at IS NULL OR assignment.until_at > $1) AND assignment.id > $2 AND ($3 = '' OR bot.team_id = $3) ORDER BY assignment.id LIMIT $4";
    OF_BOT = "SELECT * FROM assignment WHERE bot_id = $1 ORDER BY from_at DESC, id DESC LIMIT $2";
    OF_SUBACCOUNT = "SELECT * FROM assignment WHERE subaccount_id = $1 ORDER BY from_at DESC, id DESC LIMIT $2";
}

/// That a bot has, or had, a subaccount.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// The bot.
    pub bot_id: BotId,
    /// The subaccount.
    pub subaccount_id: SubaccountId,
    /// Since when.
    pub from_at: Timestamp,
    /// Who gave it: kind and id, as in the log.
    pub from_by: String,
    /// The request that approved it.
    pub request_id: Option<RequestId>,
    /// Until when; none: it has it.
    pub until_at: Option<Timestamp>,
    /// Who ended it.
    pub until_by: Option<String>,
}

/// Writes one that begins.
///
/// # Errors
/// `Duplicate` when the subaccount is another bot's, or the bot has one; `Dangling` when either is not there.
pub async fn assignment_insert(tx: &mut WriteTx, one: &Assignment) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&one.id)
        .bind(&one.bot_id)
        .bind(&one.subaccount_id)
        .bind(one.from_at)
        .bind(&one.from_by)
        .bind(&one.request_id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Ends the one that a bot has; false when it has none.
///
/// # Errors
/// When the database is gone.
pub async fn assignment_end(tx: &mut WriteTx, bot: &BotId, at: Timestamp, by: &str) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(END).bind(bot).bind(at).bind(by).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// Those that stood at a moment, of one team's bots or of all, after one of them, in the order of their ids.
///
/// # Errors
/// When the database is gone.
pub async fn assignment_as_of(
    conn: &mut Conn,
    at: Timestamp,
    (team, after): (Option<&TeamId>, Option<&AssignmentId>),
    most: i64,
) -> Result<Vec<Assignment>> {
    let (team, after) = (team.map_or("", TeamId::as_str), after.map_or("", AssignmentId::as_str));
    Ok(on!(conn, |c| sqlx::query_as(AS_OF).bind(at).bind(after).bind(team).bind(most).fetch_all(c).await)?)
}

/// Those of a bot, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn assignment_of_bot(conn: &mut Conn, bot: &BotId, most: i64) -> Result<Vec<Assignment>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).bind(most).fetch_all(c).await)?)
}

/// Those of a subaccount, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn assignment_of_subaccount(conn: &mut Conn, subaccount: &SubaccountId, most: i64) -> Result<Vec<Assignment>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_SUBACCOUNT).bind(subaccount).bind(most).fetch_all(c).await)?)
}
