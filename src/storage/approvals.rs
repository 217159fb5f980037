//! Who must approve what: every version there was, never changed.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{RequestId, RequestKind, Rule, Rules, Timestamp};

statements! {
    ALL = "SELECT version, kind, rule, request_id, set_at FROM approval_policy ORDER BY version";
    NEWEST = "SELECT version, kind, rule, request_id, set_at FROM approval_policy WHERE version < $1 ORDER BY version DESC LIMIT $2";
    INSERT = "INSERT INTO approval_policy (version, kind, rule, request_id, set_at) VALUES ($1, $2, $3, $4, $5)";
}

/// One version: the rule of one kind.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PolicyRow {
    /// The version, from 1.
    pub version: i64,
    /// Whose rule.
    pub kind: RequestKind,
    /// The rule, JSON.
    pub rule: String,
    /// The request that was carried out.
    pub request_id: RequestId,
    /// When.
    pub set_at: Timestamp,
}

/// Every version, oldest first.
///
/// # Errors
/// When the database is gone.
pub async fn policy_all(conn: &mut Conn) -> Result<Vec<PolicyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}

/// Versions before one of them, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn policy_before(conn: &mut Conn, before: i64, most: i64) -> Result<Vec<PolicyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(NEWEST).bind(before).bind(most).fetch_all(c).await)?)
}

/// What holds now.
///
/// # Errors
/// When the database is gone, or holds a rule that cannot be read.
pub async fn policy_now(conn: &mut Conn) -> Result<Rules> {
    let mut rules = Rules::default();
    for row in policy_all(conn).await? {
        let rule: Rule = serde_json::from_str(&row.rule).map_err(|_| Error::Unreadable(format!("policy {}", row.version)))?;
        rules = rules.with(row.version, row.kind, rule);
    }
    Ok(rules)
}

/// Writes a version.
///
/// # Errors
/// `Duplicate` when somebody else has just written it.
pub async fn policy_insert(tx: &mut WriteTx, row: &PolicyRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(row.version)
        .bind(row.kind)
        .bind(&row.rule)
        .bind(&row.request_id)
        .bind(row.set_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
