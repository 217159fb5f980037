//! What belongs to requests and is never taken away: revisions, votes, remarks.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, CommentId, RequestId, Timestamp, UserId};

statements! {
    REVISION_INSERT = "INSERT INTO request_revision (request_id, revision, content, digest, why, author, policy_version, rule, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    REVISIONS = "SELECT * FROM request_revision WHERE request_id = $1 ORDER BY revision";
    REVISIONS_OPEN = "SELECT v.* FROM request_revision v JOIN request r ON r.id = v.request_id WHERE r.state IN ('pending', 'approved', 'executing') ORDER BY v.request_id, v.revision";
    VOTE_INSERT = "INSERT INTO request_vote (act_id, request_id, revision, digest, user_id, roles, alone, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    VOTES = "SELECT v.*, EXISTS (SELECT 1 FROM act_signature s JOIN credential c ON c.id = s.credential_id WHERE s.act_id = v.act_id AND (c.removed_at IS NOT NULL OR c.suspended_at IS NOT NULL)) AS key_ended FROM request_vote v WHERE v.request_id = $1 ORDER BY v.at, v.act_id";
    VOTES_OPEN = "SELECT v.*, EXISTS (SELECT 1 FROM act_signature s JOIN credential c ON c.id = s.credential_id WHERE s.act_id = v.act_id AND (c.removed_at IS NOT NULL OR c.suspended_at IS NOT NULL)) AS key_ended FROM request_vote v JOIN request r ON r.id = v.request_id WHERE r.state IN ('pending', 'approved', 'executing') ORDER BY v.at, v.act_id";
    VOTE_TAKE_BACK = "UPDATE request_vote SET taken_back_at = $4 WHERE request_id = $1 AND revision = $2 AND user_id = $3 AND taken_back_at IS NULL";
    COMMENT_INSERT = "INSERT INTO request_comment (id, request_id, by_actor, by_name, text, at) VALUES ($1, $2, $3, $4, $5, $6)";
    COMMENTS = "SELECT * FROM request_comment WHERE request_id = $1 ORDER BY id LIMIT 500";
}

/// One revision.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RevisionRow {
    /// Of which request.
    pub request_id: RequestId,
    /// Which, from 1.
    pub revision: i64,
    /// Its canonical content.
    pub content: String,
    /// The SHA-256 of it, hex.
    pub digest: String,
    /// Why.
    pub why: String,
    /// Who wrote it.
    pub author: UserId,
    /// The version of the policies then.
    pub policy_version: i64,
    /// The rule then, JSON.
    pub rule: String,
    /// When.
    pub made_at: Timestamp,
}

/// One approval, taken back or not.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct VoteRow {
    /// The act that was signed.
    pub act_id: ActId,
    /// Of which request.
    pub request_id: RequestId,
    /// Of which revision.
    pub revision: i64,
    /// The digest that was signed.
    pub digest: String,
    /// Whose.
    pub user_id: UserId,
    /// What they held then.
    pub roles: String,
    /// Whoever asked signed again, being alone.
    pub alone: bool,
    /// When.
    pub at: Timestamp,
    /// When it was taken back.
    pub taken_back_at: Option<Timestamp>,
    /// The key that it was signed with was removed or suspended since.
    pub key_ended: bool,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CommentRow {
    /// Its id.
    pub id: CommentId,
    /// On which request.
    pub request_id: RequestId,
    /// Whose, as the log names them.
    pub by_actor: String,
    /// The name of then.
    pub by_name: String,
    /// What was said.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Writes a revision.
///
/// # Errors
/// `Duplicate` when somebody else has just written it.
pub async fn revision_insert(tx: &mut WriteTx, row: &RevisionRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(REVISION_INSERT)
        .bind(&row.request_id)
        .bind(row.revision)
        .bind(&row.content)
        .bind(&row.digest)
        .bind(&row.why)
        .bind(&row.author)
        .bind(row.policy_version)
        .bind(&row.rule)
        .bind(row.made_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The revisions of a request, oldest first.
///
/// # Errors
/// When the database is gone.
pub async fn revision_of(conn: &mut Conn, id: &RequestId) -> Result<Vec<RevisionRow>> {
    Ok(on!(conn, |c| sqlx::query_as(REVISIONS).bind(id).fetch_all(c).await)?)
}

/// Those of every open request.
///
/// # Errors
/// When the database is gone.
pub async fn revision_open(conn: &mut Conn) -> Result<Vec<RevisionRow>> {
    Ok(on!(conn, |c| sqlx::query_as(REVISIONS_OPEN).fetch_all(c).await)?)
}

/// Writes an approval.
///
/// # Errors
/// `Duplicate` when this person's stands already.
pub async fn vote_insert(tx: &mut WriteTx, row: &VoteRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(VOTE_INSERT)
        .bind(&row.act_id)
        .bind(&row.request_id)
        .bind(row.revision)
        .bind(&row.digest)
        .bind(&row.user_id)
        .bind(&row.roles)
        .bind(row.alone)
        .bind(row.at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Every approval of a request there ever was, in order.
///
/// # Errors
/// When the database is gone.
pub async fn vote_of(conn: &mut Conn, id: &RequestId) -> Result<Vec<VoteRow>> {
    Ok(on!(conn, |c| sqlx::query_as(VOTES).bind(id).fetch_all(c).await)?)
}

/// Those of every open request.
///
/// # Errors
/// When the database is gone.
pub async fn vote_open(conn: &mut Conn) -> Result<Vec<VoteRow>> {
    Ok(on!(conn, |c| sqlx::query_as(VOTES_OPEN).fetch_all(c).await)?)
}

/// Notes that an approval was taken back; false when there was none.
///
/// # Errors
/// When the database is gone.
pub async fn vote_take_back(tx: &mut WriteTx, id: &RequestId, revision: i64, (user, at): (&UserId, Timestamp)) -> Result<bool> {
    let done = on!(&mut **tx, |c| sqlx::query(VOTE_TAKE_BACK)
        .bind(id)
        .bind(revision)
        .bind(user)
        .bind(at)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(done == 1)
}

/// Writes a remark.
///
/// # Errors
/// When the database is gone.
pub async fn comment_insert(tx: &mut WriteTx, row: &CommentRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(COMMENT_INSERT)
        .bind(&row.id)
        .bind(&row.request_id)
        .bind(&row.by_actor)
        .bind(&row.by_name)
        .bind(&row.text)
        .bind(row.at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The remarks on a request, oldest first, at most 500.
///
/// # Errors
/// When the database is gone.
pub async fn comment_of(conn: &mut Conn, id: &RequestId) -> Result<Vec<CommentRow>> {
    Ok(on!(conn, |c| sqlx::query_as(COMMENTS).bind(id).fetch_all(c).await)?)
}
