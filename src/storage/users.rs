//! People and what they may do. A person is disabled, never deleted.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Grant, Role, TeamId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO user_account (id, name, display_name, password_hash, enabled, created_at, generation) VALUES ($1, $2, $3, $4, $5, $6, 1)";
    BY_ID = "SELECT id, name, display_name, password_hash, enabled, created_at FROM user_account WHERE id = $1";
    BY_NAME = "SELECT id, name, display_name, password_hash, enabled, created_at FROM user_account WHERE lower(name) = lower($1)";
    AT_THE_DOOR = "SELECT u.id, u.password_hash, u.enabled, EXISTS (SELECT 1 FROM known_browser b WHERE b.user_id = u.id AND b.token_hash = $2) AS is_known_browser FROM user_account u WHERE lower(u.name) = lower($1)";
    ALL = "SELECT id, name, display_name, password_hash, enabled, created_at FROM user_account ORDER BY display_name, id";
    ENABLED = "SELECT COUNT(*) FROM user_account WHERE enabled";
    ANYBODY = "SELECT COUNT(*) FROM user_account";
    SET_PASSWORD = "UPDATE user_account SET password_hash = $2, display_name = $3, generation = generation + 1 WHERE id = $1";
    END_PASSWORD = "UPDATE user_account SET password_hash = NULL, generation = generation + 1 WHERE id = $1";
    SET_ENABLED = "UPDATE user_account SET enabled = $2, generation = generation + 1 WHERE id = $1";
    GRANTS = "SELECT user_id, role, team_id FROM user_grant";
    GRANTS_OF = "SELECT user_id, role, team_id FROM user_grant WHERE user_id = $1";
    GRANT = "INSERT INTO user_grant (user_id, role, team_id) VALUES ($1, $2, $3)";
    SESSIONS_ENDED = "UPDATE user_account SET sessions_ended_at = $2, sessions_kept = $3 WHERE id = $1 AND sessions_ended_at <= $2";
    SESSION_ENDS = "SELECT id AS user_id, sessions_ended_at AS at, sessions_kept AS kept FROM user_account WHERE sessions_ended_at > 0";
    HOLD_STILL = "UPDATE user_account SET generation = generation WHERE id = $1";
    UNGRANT = "DELETE FROM user_grant WHERE user_id = $1";
}

/// A person.
#[derive(Debug, Clone)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The name they sign in with; unique whatever its case.
    pub name: String,
    /// The name shown.
    pub display_name: String,
    /// argon2id hash in PHC form; none before they have set a password.
    pub password_hash: Option<String>,
    /// False ends every right.
    pub enabled: bool,
    /// When they were invited.
    pub created_at: Timestamp,
    /// What they may do.
    pub grants: Vec<Grant>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: UserId,
    name: String,
    display_name: String,
    password_hash: Option<String>,
    enabled: bool,
    created_at: Timestamp,
}

impl Row {
    fn with(self, grants: Vec<Grant>) -> User {
        User {
            id: self.id,
            name: self.name,
            display_name: self.display_name,
            password_hash: self.password_hash,
            enabled: self.enabled,
            created_at: self.created_at,
            grants,
        }
    }
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    user_id: UserId,
    role: Role,
    team_id: String,
}

impl From<GrantRow> for Grant {
    fn from(row: GrantRow) -> Self {
        Self { role: row.role, team: (!row.team_id.is_empty()).then(|| TeamId::from_stored(row.team_id)) }
    }
}

async fn grants_of(conn: &mut Conn, id: &UserId) -> Result<Vec<Grant>> {
    let rows: Vec<GrantRow> = on!(conn, |c| sqlx::query_as(GRANTS_OF).bind(id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Grant::from).collect())
}

/// Writes a new person and their roles.
///
/// # Errors
/// `Duplicate` when the name is taken, in any case.
pub async fn user_insert(tx: &mut WriteTx, user: &User) -> Result<()> {
    if user_by_name(tx, &user.name).await?.is_some() {
        return Err(Error::Conflict);
    }
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&user.id)
        .bind(&user.name)
        .bind(&user.display_name)
        .bind(&user.password_hash)
        .bind(user.enabled)
        .bind(user.created_at)
        .execute(c)
        .await
        .map(drop))?;
    user_set_grants(tx, &user.id, &user.grants).await
}

/// Replaces a person's roles.
///
/// # Errors
/// When the database is gone.
pub async fn user_set_grants(tx: &mut WriteTx, id: &UserId, grants: &[Grant]) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(UNGRANT).bind(id).execute(c).await.map(drop))?;
    for grant in grants {
        let team = grant.team.as_ref().map_or("", TeamId::as_str);
        on!(&mut **tx, |c| sqlx::query(GRANT).bind(id).bind(grant.role).bind(team).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Sets the password's hash and the name shown.
///
/// # Errors
/// When the database is gone.
pub async fn user_set_password(tx: &mut WriteTx, id: &UserId, hash: &str, display_name: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SET_PASSWORD).bind(id).bind(hash).bind(display_name).execute(c).await.map(drop))?;
    Ok(())
}

/// Takes a person's password away.
///
/// # Errors
/// When the database is gone.
pub async fn user_end_password(tx: &mut WriteTx, id: &UserId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(END_PASSWORD).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Enables or disables a person.
///
/// # Errors
/// When the database is gone.
pub async fn user_set_enabled(tx: &mut WriteTx, id: &UserId, enabled: bool) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SET_ENABLED).bind(id).bind(enabled).execute(c).await.map(drop))?;
    Ok(())
}

/// One person.
///
/// # Errors
/// When the database is gone.
pub async fn user_by_id(conn: &mut Conn, id: &UserId) -> Result<Option<User>> {
    let row: Option<Row> = on!(&mut *conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
    match row {
        Some(row) => Ok(Some(row.with(grants_of(conn, id).await?))),
        None => Ok(None),
    }
}

/// One person by the name they sign in with, whatever its case.
///
/// # Errors
/// When the database is gone.
pub async fn user_by_name(conn: &mut Conn, name: &str) -> Result<Option<User>> {
    let row: Option<Row> = on!(&mut *conn, |c| sqlx::query_as(BY_NAME).bind(name).fetch_optional(c).await)?;
    match row {
        Some(row) => {
            let grants = grants_of(conn, &row.id).await?;
            Ok(Some(row.with(grants)))
        }
        None => Ok(None),
    }
}

/// Somebody who wants to sign in, as far as that needs to be known.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AtTheDoor {
    /// Their id.
    pub id: UserId,
    /// argon2id hash in PHC form; none before they have set a password.
    pub password_hash: Option<String>,
    /// False ends every right.
    pub enabled: bool,
    /// They have signed in from this browser before.
    pub is_known_browser: bool,
}

/// Whoever has this name, whatever its case, and whether the browser with this digest is theirs. One question, whether they exist or not.
///
/// # Errors
/// When the database is gone.
pub async fn user_at_the_door(conn: &mut Conn, name: &str, browser: &str) -> Result<Option<AtTheDoor>> {
    Ok(on!(conn, |c| sqlx::query_as(AT_THE_DOOR).bind(name).bind(browser).fetch_optional(c).await)?)
}

/// Everybody, by the name shown.
///
/// # Errors
/// When the database is gone.
pub async fn user_all(conn: &mut Conn) -> Result<Vec<User>> {
    let rows: Vec<Row> = on!(&mut *conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?;
    let grants: Vec<GrantRow> = on!(conn, |c| sqlx::query_as(GRANTS).fetch_all(c).await)?;
    let mut by_user = std::collections::HashMap::<UserId, Vec<Grant>>::new();
    for row in grants {
        by_user.entry(row.user_id.clone()).or_default().push(row.into());
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let grants = by_user.remove(&row.id).unwrap_or_default();
            row.with(grants)
        })
        .collect())
}

/// How many people are enabled.
///
/// # Errors
/// When the database is gone.
pub async fn user_count_enabled(conn: &mut Conn) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(ENABLED).fetch_one(c).await)?)
}

/// How many people there ever were.
///
/// # Errors
/// When the database is gone.
pub async fn user_count(conn: &mut Conn) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(ANYBODY).fetch_one(c).await)?)
}

/// The end of all sessions of a person, but one at most.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SessionsEnd {
    /// Whose.
    pub user_id: UserId,
    /// Sessions that began before are over.
    pub at: Timestamp,
    /// But not the one of this name.
    pub kept: Option<String>,
}

/// Says that sessions of a person that began before a moment are over, wherever they are remembered.
///
/// # Errors
/// When the database is gone.
pub async fn user_sessions_ended(tx: &mut WriteTx, end: &SessionsEnd) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SESSIONS_ENDED).bind(&end.user_id).bind(end.at).bind(&end.kept).execute(c).await.map(drop))?;
    Ok(())
}

/// Everybody whose sessions were ever ended.
///
/// # Errors
/// When the database is gone.
pub async fn user_session_ends(conn: &mut Conn) -> Result<Vec<SessionsEnd>> {
    Ok(on!(conn, |c| sqlx::query_as(SESSION_ENDS).fetch_all(c).await)?)
}

/// Keeps everybody else from changing this person until the transaction ends, and waits for whoever does.
///
/// # Errors
/// When the database is gone.
pub async fn user_hold_still(tx: &mut WriteTx, id: &UserId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(HOLD_STILL).bind(id).execute(c).await.map(drop))?;
    Ok(())
}
