//! Who was told that a bot went up, and when they read it. Written with the notice; it stays when that is forgotten.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{RequestId, Timestamp, UserId};

statements! {
    READ = "UPDATE change_reader SET read_at = $3 WHERE request_id = $1 AND user_id = $2 AND read_at IS NULL";
    MARK = "UPDATE change_reader SET read_at = $2 WHERE user_id = $1 AND read_at IS NULL AND EXISTS (SELECT 1 FROM notice WHERE notice.user_id = change_reader.user_id AND notice.once = 'went_up:' || change_reader.request_id AND notice.read_at IS NOT NULL)";
    OF = "SELECT request_id, user_id, told_at, read_at FROM change_reader WHERE request_id = $1 ORDER BY user_id";
    UNREAD = "SELECT r.request_id, r.user_id, r.told_at, r.read_at FROM change_reader r JOIN user_account u ON u.id = r.user_id WHERE r.read_at IS NULL AND r.told_at <= $1 AND u.enabled ORDER BY r.told_at, r.request_id, r.user_id LIMIT $2";
}

const INTO: &str = "INSERT INTO change_reader (request_id, user_id, told_at) ";
const ONCE: &str = " ON CONFLICT (request_id, user_id) DO NOTHING";
/// People of one statement, at most.
const AT_ONCE: usize = 500;

/// Somebody who was told.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Reader {
    /// The request that was carried out.
    pub request_id: RequestId,
    /// Who.
    pub user_id: UserId,
    /// When they were told.
    pub told_at: Timestamp,
    /// When they said that they read it, on the page of the request or by putting the notice away.
    pub read_at: Option<Timestamp>,
}

/// Writes that people are told, by one statement for each piece of them.
///
/// # Errors
/// `Dangling` for a request or person that is not there.
pub async fn reader_insert_all(tx: &mut WriteTx, request: &RequestId, people: &[UserId], at: Timestamp) -> Result<()> {
    for people in people.chunks(AT_ONCE) {
        on!(&mut **tx, |c| {
            let mut query = sqlx::QueryBuilder::new(INTO);
            query.push_values(people, |mut row, user| {
                row.push_bind(request).push_bind(user).push_bind(at);
            });
            query.push(ONCE);
            query.build().persistent(false).execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// Writes that somebody who was told has read it; nothing where they were not told, or had.
///
/// # Errors
/// When the database is gone.
pub async fn reader_read(tx: &mut WriteTx, request: &RequestId, user: &UserId, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(READ).bind(request).bind(user).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// Takes over which of the notices of steps up somebody has read.
///
/// # Errors
/// When the database is gone.
pub async fn reader_mark(tx: &mut WriteTx, user: &UserId, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(MARK).bind(user).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// Everybody who was told of one step up.
///
/// # Errors
/// When the database is gone.
pub async fn reader_of(conn: &mut Conn, request: &RequestId) -> Result<Vec<Reader>> {
    Ok(on!(conn, |c| sqlx::query_as(OF).bind(request).fetch_all(c).await)?)
}

/// Whoever was told before a moment and has not read it, the oldest first; at most so many.
///
/// # Errors
/// When the database is gone.
pub async fn reader_unread(conn: &mut Conn, before: Timestamp, most: i64) -> Result<Vec<Reader>> {
    Ok(on!(conn, |c| sqlx::query_as(UNREAD).bind(before).bind(most).fetch_all(c).await)?)
}
