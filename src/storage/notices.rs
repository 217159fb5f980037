//! Notices to people, one row per person, and where each person's mail goes. What goes out of them is in `deliveries.rs`.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{MailAddress, Notice, NoticeId, NoticeKind, Timestamp, UserId};

statements! {
    NEWEST = "SELECT id, user_id, kind, title, text, link, made_at, read_at FROM notice WHERE user_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3";
    BY_ID = "SELECT id, user_id, kind, title, text, link, made_at, read_at FROM notice WHERE user_id = $1 AND id = $2";
    READ = "UPDATE notice SET read_at = $3 WHERE user_id = $1 AND id = $2 AND read_at IS NULL";
    READ_ALL = "UPDATE notice SET read_at = $3 WHERE user_id = $1 AND id <= $2 AND read_at IS NULL";
    UNREAD = "SELECT user_id, COUNT(*) FROM notice WHERE read_at IS NULL GROUP BY user_id";
    ADMINS = "SELECT DISTINCT u.id FROM user_account u JOIN user_grant g ON g.user_id = u.id WHERE g.role = 'admin' AND u.enabled ORDER BY u.id";
    OLD = "SELECT id FROM notice WHERE made_at < $1 ORDER BY made_at LIMIT $2";
    FORGET_DELIVERIES = "DELETE FROM delivery WHERE notice_id = $1";
    FORGET = "DELETE FROM notice WHERE id = $1";
    ADDRESS = "SELECT address FROM mail_address WHERE user_id = $1";
    ADDRESS_MISSING = "SELECT DISTINCT u.display_name FROM user_account u JOIN user_grant g ON g.user_id = u.id WHERE u.enabled AND g.role IN ('lead', 'risk', 'admin') AND NOT EXISTS (SELECT 1 FROM mail_address a WHERE a.user_id = u.id) ORDER BY u.display_name";
    SET_ADDRESS = "INSERT INTO mail_address (user_id, address, set_at) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET address = excluded.address, set_at = excluded.set_at";
    NO_ADDRESS = "DELETE FROM mail_address WHERE user_id = $1";
}

const INTO: &str = "INSERT INTO notice (id, user_id, once, kind, title, text, link, made_at) ";
const ONCE: &str = " ON CONFLICT (user_id, once) DO NOTHING";

/// A notice as one person has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredNotice {
    /// Its id.
    pub id: NoticeId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is about.
    pub kind: NoticeKind,
    /// One line.
    pub title: String,
    /// Plain text.
    pub text: String,
    /// Where to look: a path.
    pub link: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When the person opened it.
    pub read_at: Option<Timestamp>,
}

/// Writes a notice for people by one statement; answers the ids of what was written and of what would have been: whoever was told of this already is
/// not told again. The second is how many were written.
///
/// # Errors
/// When the database is gone, or there is no such person.
pub async fn notice_add_all(tx: &mut WriteTx, people: &[UserId], notice: &Notice, now: Timestamp) -> Result<(Vec<NoticeId>, u64)> {
    let rows: Vec<(NoticeId, &UserId)> = people.iter().map(|user| (NoticeId::new(), user)).collect();
    let written = on!(&mut **tx, |c| {
        let mut query = sqlx::QueryBuilder::new(INTO);
        query.push_values(&rows, |mut row, (id, user)| {
            row.push_bind(id).push_bind(*user).push_bind(&notice.once).push_bind(notice.kind);
            row.push_bind(&notice.title).push_bind(&notice.text).push_bind(&notice.link).push_bind(now);
        });
        query.push(ONCE);
        query.build().persistent(rows.len() == 1).execute(c).await.map(|r| r.rows_affected())
    })?;
    Ok((rows.into_iter().map(|(id, _)| id).collect(), written))
}

/// A person's notices, newest first, those before one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn notice_newest(conn: &mut Conn, user: &UserId, before: Option<&NoticeId>, most: i64) -> Result<Vec<StoredNotice>> {
    let before = before.map_or("", NoticeId::as_str);
    Ok(on!(conn, |c| sqlx::query_as(NEWEST).bind(user).bind(before).bind(most).fetch_all(c).await)?)
}

/// One of a person's own notices.
///
/// # Errors
/// When the database is gone.
pub async fn notice_by_id(conn: &mut Conn, user: &UserId, id: &NoticeId) -> Result<Option<StoredNotice>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(user).bind(id).fetch_optional(c).await)?)
}

/// Marks one of a person's own notices as read; one that is read keeps its moment.
///
/// # Errors
/// When the database is gone.
pub async fn notice_read(tx: &mut WriteTx, user: &UserId, id: &NoticeId, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(READ).bind(user).bind(id).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// Marks a person's notices as read, up to the newest that they were shown.
///
/// # Errors
/// When the database is gone.
pub async fn notice_read_all(tx: &mut WriteTx, user: &UserId, up_to: &NoticeId, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(READ_ALL).bind(user).bind(up_to).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// How many unread notices everybody has who has any.
///
/// # Errors
/// When the database is gone.
pub async fn notice_unread(conn: &mut Conn) -> Result<Vec<(UserId, i64)>> {
    Ok(on!(conn, |c| sqlx::query_as(UNREAD).fetch_all(c).await)?)
}

/// Everyone who administers: enabled admins.
///
/// # Errors
/// When the database is gone.
pub async fn notice_admins(conn: &mut Conn) -> Result<Vec<UserId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(ADMINS).fetch_all(c).await)?)
}

/// Forgets the oldest notices of before a moment, and what went out of them; at most so many. Answers how many went.
///
/// # Errors
/// When the database is gone.
pub async fn notice_forget(tx: &mut WriteTx, before: Timestamp, most: i64) -> Result<usize> {
    let old: Vec<NoticeId> = on!(&mut **tx, |c| sqlx::query_scalar(OLD).bind(before).bind(most).fetch_all(c).await)?;
    for id in &old {
        on!(&mut **tx, |c| sqlx::query(FORGET_DELIVERIES).bind(id).execute(c).await.map(drop))?;
        on!(&mut **tx, |c| sqlx::query(FORGET).bind(id).execute(c).await.map(drop))?;
    }
    Ok(old.len())
}

/// Where a person's mail goes.
///
/// # Errors
/// When the database is gone.
pub async fn address_of(conn: &mut Conn, user: &UserId) -> Result<Option<MailAddress>> {
    Ok(on!(conn, |c| sqlx::query_scalar(ADDRESS).bind(user).fetch_optional(c).await)?)
}

/// Sets where a person's mail goes; none: nowhere.
///
/// # Errors
/// When the database is gone.
pub async fn address_set(tx: &mut WriteTx, user: &UserId, address: Option<&MailAddress>, now: Timestamp) -> Result<()> {
    match address {
        Some(address) => {
            on!(&mut **tx, |c| sqlx::query(SET_ADDRESS).bind(user).bind(address).bind(now).execute(c).await.map(drop))?;
        }
        None => on!(&mut **tx, |c| sqlx::query(NO_ADDRESS).bind(user).execute(c).await.map(drop))?,
    }
    Ok(())
}

/// The names of enabled people who hold lead, risk or admin and have no address: no notice reaches them but in the page.
///
/// # Errors
/// When the database is gone.
pub async fn address_missing(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(on!(conn, |c| sqlx::query_scalar(ADDRESS_MISSING).fetch_all(c).await)?)
}
