//! Requests. A row is written only over the generation that was read, and never once it has ended; the database refuses that as well.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{RequestId, RequestKind, RequestState, TeamId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO request (id, kind, target, team_id, state, generation, revision, requester, beneficiary, asked_at, revised_at) VALUES ($1, $2, $3, $4, 'pending', 1, 1, $5, $6, $7, $7)";
    BY_ID = "SELECT * FROM request WHERE id = $1";
    OPEN_OF = "SELECT * FROM request WHERE kind = $1 AND target = $2 AND state IN ('pending', 'approved', 'executing')";
    OPEN = "SELECT * FROM request WHERE state IN ('pending', 'approved', 'executing') ORDER BY asked_at, id LIMIT $1";
    DECIDED = "SELECT * FROM request WHERE state NOT IN ('pending', 'approved', 'executing') ORDER BY id DESC LIMIT $1";
    DECIDED_BEFORE = "SELECT * FROM request WHERE state NOT IN ('pending', 'approved', 'executing') AND id < $1 ORDER BY id DESC LIMIT $2";
    SOUGHT = "SELECT * FROM request WHERE ($1 = '' OR id < $1) AND ($2 = '' OR state = $2 OR ($2 = 'open' AND state IN ('pending', 'approved', 'executing'))) AND ($3 = '' OR kind = $3) AND ($4 = '' OR team_id = $4) AND ($5 = '' OR requester = $5) AND ($6 = '' OR (team_id IS NULL AND kind <> 'roles') OR team_id = $6) ORDER BY id DESC LIMIT $7";
    OPEN_BY = "SELECT COUNT(*) FROM request WHERE requester = $1 AND state IN ('pending', 'approved', 'executing')";
    OF_TARGET = "SELECT * FROM request WHERE target = $1 ORDER BY id DESC LIMIT $2";
    WRITE = "UPDATE request SET state = $3, generation = $2 + 1, revision = $4, revised_at = $5, approved_at = $6, closed_at = $7, closed_by = $8, outcome = $9, raised = $10 WHERE id = $1 AND generation = $2";
}

/// The most open requests that are looked at together.
pub const OPEN_MOST: i64 = 500;

/// A request as stored; what it asks for stands with its revisions.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RequestRow {
    /// Its id.
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// What it is about.
    pub target: String,
    /// The team that it concerns.
    pub team_id: Option<TeamId>,
    /// How it stands.
    pub state: RequestState,
    /// Counted up by every change.
    pub generation: i64,
    /// The newest revision.
    pub revision: i64,
    /// Who asked.
    pub requester: UserId,
    /// Whom it is for.
    pub beneficiary: Option<UserId>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When the newest revision was made.
    pub revised_at: Timestamp,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// Who ended it, as the log names them.
    pub closed_by: Option<String>,
    /// What came of it, in words.
    pub outcome: Option<String>,
    /// Approvals that whoever asked wants beside those of the policy: a JSON array of whose.
    pub raised: String,
}

/// Which requests are looked for; what is empty narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// How they stand.
    pub state: Option<Stands>,
    /// What they ask for.
    pub kind: Option<RequestKind>,
    /// The team that they concern.
    pub team: Option<TeamId>,
    /// Who asked.
    pub requester: Option<UserId>,
}

/// How requests stand that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// They can still come to something.
    Open,
    /// Just so.
    As(RequestState),
}

impl Stands {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::As(state) => state.as_str(),
        }
    }
}

/// Writes a new request, pending.
///
/// # Errors
/// `Duplicate` while another for the same target is open.
pub async fn request_insert(tx: &mut WriteTx, row: &RequestRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.id)
        .bind(row.kind)
        .bind(&row.target)
        .bind(&row.team_id)
        .bind(&row.requester)
        .bind(&row.beneficiary)
        .bind(row.asked_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// How many open requests somebody has asked for.
///
/// # Errors
/// When the database is gone.
pub async fn request_open_by(conn: &mut Conn, requester: &UserId) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(OPEN_BY).bind(requester).fetch_one(c).await)?)
}

/// One request.
///
/// # Errors
/// When the database is gone.
pub async fn request_by_id(conn: &mut Conn, id: &RequestId) -> Result<Option<RequestRow>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// The open one for a target.
///
/// # Errors
/// When the database is gone.
pub async fn request_open_of(conn: &mut Conn, kind: RequestKind, target: &str) -> Result<Option<RequestRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN_OF).bind(kind).bind(target).fetch_optional(c).await)?)
}

/// Open ones, oldest first, at most `OPEN_MOST`.
///
/// # Errors
/// When the database is gone.
pub async fn request_open(conn: &mut Conn) -> Result<Vec<RequestRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN).bind(OPEN_MOST).fetch_all(c).await)?)
}

/// Those that have ended, newest first, those before one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn request_decided(conn: &mut Conn, before: Option<&RequestId>, most: i64) -> Result<Vec<RequestRow>> {
    Ok(match before {
        None => on!(conn, |c| sqlx::query_as(DECIDED).bind(most).fetch_all(c).await)?,
        Some(id) => on!(conn, |c| sqlx::query_as(DECIDED_BEFORE).bind(id).bind(most).fetch_all(c).await)?,
    })
}

/// Those that are looked for, newest first, those before one of them when it is named. `only`: what concerns this team, or no team in
/// particular, is found and nothing else; it is cut here and not afterwards, so that no piece of a list comes out short.
///
/// # Errors
/// When the database is gone.
pub async fn request_sought(
    conn: &mut Conn,
    filter: &RequestFilter,
    (only, before): (Option<&TeamId>, Option<&RequestId>),
    most: i64,
) -> Result<Vec<RequestRow>> {
    let (before, only) = (before.map_or("", RequestId::as_str), only.map_or("", TeamId::as_str));
    let (state, kind) = (filter.state.map_or("", Stands::word), filter.kind.map_or("", RequestKind::as_str));
    let (team, requester) = (filter.team.as_ref().map_or("", TeamId::as_str), filter.requester.as_ref().map_or("", UserId::as_str));
    Ok(on!(conn, |c| sqlx::query_as(SOUGHT)
        .bind(before)
        .bind(state)
        .bind(kind)
        .bind(team)
        .bind(requester)
        .bind(only)
        .bind(most)
        .fetch_all(c)
        .await)?)
}

/// Those about a target, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn request_of_target(conn: &mut Conn, target: &str, most: i64) -> Result<Vec<RequestRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_TARGET).bind(target).bind(most).fetch_all(c).await)?)
}

/// Writes what became of a request over the generation that was read, and counts it up.
///
/// # Errors
/// `Conflict` when somebody else was first.
pub async fn request_write(tx: &mut WriteTx, row: &mut RequestRow) -> Result<()> {
    let done = on!(&mut **tx, |c| sqlx::query(WRITE)
        .bind(&row.id)
        .bind(row.generation)
        .bind(row.state)
        .bind(row.revision)
        .bind(row.revised_at)
        .bind(row.approved_at)
        .bind(row.closed_at)
        .bind(&row.closed_by)
        .bind(&row.outcome)
        .bind(&row.raised)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    if done != 1 {
        return Err(Error::Conflict);
    }
    row.generation += 1;
    Ok(())
}
