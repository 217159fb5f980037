//! What people answered for on checklists, and put down as evidence: one row each time, never changed. The newest of an item counts.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{
    ActId, BotId, MarkId, RequestId, Stage, Template, Timestamp, UserId,
    golive::{Mark, Ran},
};
use std::collections::HashMap;

statements! {
    MARK_INSERT = "INSERT INTO checklist_mark (id, bot_id, stage, item, said, link, files, build, config, marked_by, act_id, marked_at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    MARK_OF = "SELECT * FROM checklist_mark AS one WHERE bot_id = $1 AND stage = $2 AND NOT EXISTS (SELECT 1 FROM checklist_mark AS other WHERE other.bot_id = one.bot_id AND other.stage = one.stage AND other.item = one.item AND (other.marked_at > one.marked_at OR (other.marked_at = one.marked_at AND other.id > one.id))) ORDER BY id";
    MARK_HISTORY = "SELECT * FROM checklist_mark WHERE bot_id = $1 AND stage = $2 ORDER BY marked_at DESC, id DESC LIMIT $3";
    MARK_TIMES = "SELECT id, marked_at FROM checklist_mark WHERE bot_id = $1 AND stage = $2";
    LIST_INSERT = "INSERT INTO checklist (stage, version, content, request_id, set_at) VALUES ($1, $2, $3, $4, $5)";
    LIST_NOW = "SELECT content FROM checklist AS one WHERE NOT EXISTS (SELECT 1 FROM checklist AS other WHERE other.stage = one.stage AND other.version > one.version) ORDER BY stage";
}

/// A version of a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The list.
    pub list: Template,
    /// The request that was carried out.
    pub request_id: RequestId,
    /// When.
    pub set_at: Timestamp,
}

/// Writes a version.
///
/// # Errors
/// `Duplicate` when somebody else has just written it.
pub async fn list_insert(tx: &mut WriteTx, row: &ListRow) -> Result<()> {
    let content = serde_json::to_string(&row.list).map_err(|_| Error::Unreadable(format!("the checklist of {}", row.list.stage)))?;
    on!(&mut **tx, |c| sqlx::query(LIST_INSERT)
        .bind(row.list.stage)
        .bind(row.list.version)
        .bind(&content)
        .bind(&row.request_id)
        .bind(row.set_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The newest version of every list that is not as shipped.
///
/// # Errors
/// When the database is gone, or holds a list that cannot be read.
pub async fn list_now(conn: &mut Conn) -> Result<Vec<Template>> {
    let rows: Vec<String> = on!(conn, |c| sqlx::query_scalar(LIST_NOW).fetch_all(c).await)?;
    rows.iter().map(|row| serde_json::from_str(row).map_err(|_| Error::Unreadable("a checklist".to_owned()))).collect()
}

/// A mark as stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MarkRow {
    /// Which.
    pub id: MarkId,
    /// Whose checklist.
    pub bot_id: BotId,
    /// Of which stage.
    pub stage: Stage,
    /// The item's name.
    pub item: String,
    /// What was said.
    pub said: String,
    /// Where it can be looked at.
    pub link: Option<String>,
    /// SHA-256 of its files, hex, as a JSON array.
    pub files: String,
    /// The build that it is about; none: about none.
    pub build: Option<String>,
    /// The configuration, likewise.
    pub config: Option<String>,
    /// Who answers for it.
    pub marked_by: UserId,
    /// The act that was signed; none: evidence, which nobody signs.
    pub act_id: Option<ActId>,
    /// When.
    pub marked_at: Timestamp,
    /// Until when it proves anything.
    pub until_at: Timestamp,
}

impl TryFrom<MarkRow> for Mark {
    type Error = Error;
    fn try_from(row: MarkRow) -> Result<Self> {
        let files = serde_json::from_str(&row.files).map_err(|_| Error::Unreadable(format!("the files of mark {}", row.id)))?;
        Ok(Self {
            id: row.id,
            item: row.item,
            by: row.marked_by,
            at: row.marked_at,
            until: row.until_at,
            said: row.said,
            link: row.link,
            files,
            ran: row.build.zip(row.config).map(|(build, config)| Ran { build, config }),
        })
    }
}

/// Writes a mark.
///
/// # Errors
/// `Dangling` for a bot that is not there.
pub async fn mark_insert(tx: &mut WriteTx, row: &MarkRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(MARK_INSERT)
        .bind(&row.id)
        .bind(&row.bot_id)
        .bind(row.stage)
        .bind(&row.item)
        .bind(&row.said)
        .bind(&row.link)
        .bind(&row.files)
        .bind(&row.build)
        .bind(&row.config)
        .bind(&row.marked_by)
        .bind(&row.act_id)
        .bind(row.marked_at)
        .bind(row.until_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// When every mark of a bot's list was made.
///
/// # Errors
/// When the database is gone.
pub async fn mark_times(conn: &mut Conn, bot: &BotId, stage: Stage) -> Result<HashMap<MarkId, Timestamp>> {
    let rows: Vec<(MarkId, Timestamp)> = on!(conn, |c| sqlx::query_as(MARK_TIMES).bind(bot).bind(stage).fetch_all(c).await)?;
    Ok(rows.into_iter().collect())
}

/// The newest mark of each item of a bot's list.
///
/// # Errors
/// When the database is gone.
pub async fn mark_of(conn: &mut Conn, bot: &BotId, stage: Stage) -> Result<Vec<Mark>> {
    let rows: Vec<MarkRow> = on!(conn, |c| sqlx::query_as(MARK_OF).bind(bot).bind(stage).fetch_all(c).await)?;
    rows.into_iter().map(Mark::try_from).collect()
}

/// Every mark of a bot's list, the newest first.
///
/// # Errors
/// When the database is gone.
pub async fn mark_history(conn: &mut Conn, bot: &BotId, stage: Stage, limit: i64) -> Result<Vec<Mark>> {
    let rows: Vec<MarkRow> = on!(conn, |c| sqlx::query_as(MARK_HISTORY).bind(bot).bind(stage).bind(limit).fetch_all(c).await)?;
    rows.into_iter().map(Mark::try_from).collect()
}
