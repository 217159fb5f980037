//! Emergency changes: a row each, written with the act that makes it. Its review and its end are written once; nothing else of it changes.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, BotId, EmergencyId, RequestId, Stage, Timestamp, UserId, emergency::Verdict, golive::Ran};

statements! {
    INSERT = "INSERT INTO emergency_change (id, bot_id, stage, request_id, from_build, from_config, to_build, to_config, why, act_id, asked_by, seconded_by, made_at, until_at, review_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    REVIEW = "UPDATE emergency_change SET reviewed_at = $2, reviewed_by = $3, review_act_id = $4, verdict = $5, review_words = $6 WHERE id = $1 AND reviewed_at IS NULL";
    END = "UPDATE emergency_change SET ended_at = $2, ended_why = $3 WHERE id = $1 AND ended_at IS NULL";
    BY_ID = "SELECT * FROM emergency_change WHERE id = $1";
    OF_BOT = "SELECT * FROM emergency_change WHERE bot_id = $1 ORDER BY id DESC LIMIT $2";
    NEWEST = "SELECT * FROM emergency_change WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2";
    UNREVIEWED = "SELECT * FROM emergency_change WHERE reviewed_at IS NULL ORDER BY review_by, id";
    NOT_ENDED = "SELECT * FROM emergency_change WHERE ended_at IS NULL ORDER BY until_at, id";
    NOT_ENDED_OF_BOT = "SELECT * FROM emergency_change WHERE bot_id = $1 AND ended_at IS NULL ORDER BY id";
    BETWEEN = "SELECT * FROM emergency_change WHERE made_at >= $1 AND made_at < $2 ORDER BY id";
}

/// An emergency change as stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EmergencyRow {
    /// Which.
    pub id: EmergencyId,
    /// Of which bot.
    pub bot_id: BotId,
    /// The stage that it was made in.
    pub stage: Stage,
    /// The request that approved what it departs from.
    pub request_id: RequestId,
    /// The build that was approved.
    pub from_build: String,
    /// The configuration that was approved.
    pub from_config: String,
    /// The build that it lets run.
    pub to_build: String,
    /// The configuration that it lets run.
    pub to_config: String,
    /// Why.
    pub why: String,
    /// The act that was signed.
    pub act_id: ActId,
    /// Who signed first.
    pub asked_by: UserId,
    /// Who signed second.
    pub seconded_by: UserId,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when it lets it run.
    pub until_at: Timestamp,
    /// Until when somebody must review it.
    pub review_by: Timestamp,
    /// When somebody did.
    pub reviewed_at: Option<Timestamp>,
    /// Who.
    pub reviewed_by: Option<UserId>,
    /// The act that they signed.
    pub review_act_id: Option<ActId>,
    /// What they found.
    pub verdict: Option<Verdict>,
    /// In their words.
    pub review_words: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended_why: Option<String>,
}

impl EmergencyRow {
    /// What was approved.
    pub fn approved(&self) -> Ran {
        Ran { build: self.from_build.clone(), config: self.from_config.clone() }
    }
    /// What it lets run.
    pub fn lets_run(&self) -> Ran {
        Ran { build: self.to_build.clone(), config: self.to_config.clone() }
    }
    /// True until its time is over or it was ended.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && self.until_at > now
    }
    /// True when it was to be reviewed by now, and nobody has: a finding.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.reviewed_at.is_none() && self.review_by <= now
    }
    /// True for one of the two who signed it.
    pub fn is_signer(&self, user: &UserId) -> bool {
        self.asked_by == *user || self.seconded_by == *user
    }
}

/// A review that was signed.
#[derive(Debug, Clone, Copy)]
pub struct Review<'a> {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: &'a UserId,
    /// The act.
    pub act: &'a ActId,
    /// What they found.
    pub verdict: Verdict,
    /// In their words.
    pub words: &'a str,
}

/// Writes an emergency change.
///
/// # Errors
/// `Dangling` for a bot, a person or an act that is not there.
pub async fn emergency_insert(tx: &mut WriteTx, row: &EmergencyRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.id)
        .bind(&row.bot_id)
        .bind(row.stage)
        .bind(&row.request_id)
        .bind(&row.from_build)
        .bind(&row.from_config)
        .bind(&row.to_build)
        .bind(&row.to_config)
        .bind(&row.why)
        .bind(&row.act_id)
        .bind(&row.asked_by)
        .bind(&row.seconded_by)
        .bind(row.made_at)
        .bind(row.until_at)
        .bind(row.review_by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes its review. False: it was reviewed before.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_review(tx: &mut WriteTx, id: &EmergencyId, review: Review<'_>) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(REVIEW)
        .bind(id)
        .bind(review.at)
        .bind(review.by)
        .bind(review.act)
        .bind(review.verdict)
        .bind(review.words)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// Writes its end. False: it ended before.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_end(tx: &mut WriteTx, id: &EmergencyId, at: Timestamp, why: &str) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(END).bind(id).bind(at).bind(why).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// One of them.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_by_id(conn: &mut Conn, id: &EmergencyId) -> Result<Option<EmergencyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Those of a bot, the newest first.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_of_bot(conn: &mut Conn, bot: &BotId, most: i64) -> Result<Vec<EmergencyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).bind(most).fetch_all(c).await)?)
}

/// All of them, the newest first, those before one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_newest(conn: &mut Conn, before: Option<&EmergencyId>, most: i64) -> Result<Vec<EmergencyRow>> {
    let before = before.map_or("", EmergencyId::as_str);
    Ok(on!(conn, |c| sqlx::query_as(NEWEST).bind(before).bind(most).fetch_all(c).await)?)
}

/// Those that nobody has reviewed, the most urgent first.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_unreviewed(conn: &mut Conn) -> Result<Vec<EmergencyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(UNREVIEWED).fetch_all(c).await)?)
}

/// Those whose end is not written, by when their time is over.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_not_ended(conn: &mut Conn) -> Result<Vec<EmergencyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(NOT_ENDED).fetch_all(c).await)?)
}

/// The same of one bot.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_not_ended_of(conn: &mut Conn, bot: &BotId) -> Result<Vec<EmergencyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(NOT_ENDED_OF_BOT).bind(bot).fetch_all(c).await)?)
}

/// Those that were made in a span of time, its end not included, the oldest first: for the register of changes.
///
/// # Errors
/// When the database is gone.
pub async fn emergency_between(conn: &mut Conn, from: Timestamp, until: Timestamp) -> Result<Vec<EmergencyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(BETWEEN).bind(from).bind(until).fetch_all(c).await)?)
}
