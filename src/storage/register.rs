//! What the register says of a bot beside what its directive depends on: its objective, who stands in for its owner, who may start it.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Epoch, Timestamp, UserId};

statements! {
    SHEET_PUT = "INSERT INTO bot_sheet (bot_id, objective, deputy_id) VALUES ($1, $2, $3) ON CONFLICT (bot_id) DO UPDATE SET objective = excluded.objective, deputy_id = excluded.deputy_id";
    SHEET_ALL = "SELECT bot_id, objective, deputy_id FROM bot_sheet";
    OPERATOR_INSERT = "INSERT INTO bot_operator (bot_id, user_id, listed_at) VALUES ($1, $2, $3)";
    OPERATOR_CLEAR = "DELETE FROM bot_operator WHERE bot_id = $1";
    OPERATOR_ALL = "SELECT bot_id, user_id FROM bot_operator ORDER BY bot_id, listed_at, user_id";
    OPERATOR_OF = "SELECT user_id FROM bot_operator WHERE bot_id = $1 ORDER BY listed_at, user_id";
    BOTS_NUMBERED = "UPDATE bot SET fact_epoch = $2 WHERE fact_epoch = $1";
}

/// What is written down of a bot.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SheetRow {
    /// Whose.
    pub bot_id: BotId,
    /// What it is for.
    pub objective: String,
    /// Who stands in for its owner.
    pub deputy_id: Option<UserId>,
}

/// Writes what a bot is for and who stands in.
///
/// # Errors
/// `Dangling` when bot or person is not there.
pub async fn sheet_put(tx: &mut WriteTx, sheet: &SheetRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SHEET_PUT)
        .bind(&sheet.bot_id)
        .bind(&sheet.objective)
        .bind(&sheet.deputy_id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// All of them. A bot without a row has an empty one.
///
/// # Errors
/// When the database is gone.
pub async fn sheet_all(conn: &mut Conn) -> Result<Vec<SheetRow>> {
    Ok(on!(conn, |c| sqlx::query_as(SHEET_ALL).fetch_all(c).await)?)
}

/// Lists exactly these as who may start a bot; nobody: whoever its team's roles allow.
///
/// # Errors
/// `Duplicate` when one is named twice; `Dangling` when bot or person is not there.
pub async fn operators_set(tx: &mut WriteTx, bot: &BotId, operators: &[UserId], at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(OPERATOR_CLEAR).bind(bot).execute(c).await.map(drop))?;
    for user in operators {
        on!(&mut **tx, |c| sqlx::query(OPERATOR_INSERT).bind(bot).bind(user).bind(at).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Everybody who is listed, by bot.
///
/// # Errors
/// When the database is gone.
pub async fn operator_all(conn: &mut Conn) -> Result<Vec<(BotId, UserId)>> {
    Ok(on!(conn, |c| sqlx::query_as(OPERATOR_ALL).fetch_all(c).await)?)
}

/// Who is listed for one bot.
///
/// # Errors
/// When the database is gone.
pub async fn operator_of(conn: &mut Conn, bot: &BotId) -> Result<Vec<UserId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(OPERATOR_OF).bind(bot).fetch_all(c).await)?)
}

/// Gives bots that were written under a number of nobody's the epoch of this transaction, in one statement: the counter's row is taken after
/// they were written, and held no longer than this takes.
///
/// # Errors
/// When the database is gone.
pub async fn bots_numbered(tx: &mut WriteTx, from: Epoch, to: Epoch) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(BOTS_NUMBERED).bind(from).bind(to).execute(c).await.map(|r| r.rows_affected()))?)
}
