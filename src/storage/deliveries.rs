//! The outbox: what of a notice is to go out, how often it was tried, and what became of it.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{MailAddress, NoticeId, NoticeKind, Timestamp, UserId};

statements! {
    DUE = "SELECT d.notice_id, d.address, d.state, d.attempts, d.made_at, d.next_at, d.last_error, d.delivered_at, n.user_id, n.kind, n.title, n.text, n.link FROM delivery d JOIN notice n ON n.id = d.notice_id WHERE d.state = 'waiting' AND d.next_at <= $1 ORDER BY d.next_at, d.notice_id LIMIT $2";
    TRY = "UPDATE delivery SET attempts = attempts + 1, next_at = $5 WHERE notice_id = $1 AND channel = 'mail' AND address = $2 AND state = 'waiting' AND attempts = $3 AND next_at <= $4";
    DELIVERED = "UPDATE delivery SET state = 'delivered', delivered_at = $3, last_error = NULL WHERE notice_id = $1 AND channel = 'mail' AND address = $2 AND state = 'waiting'";
    FAILED = "UPDATE delivery SET last_error = $3, next_at = $4 WHERE notice_id = $1 AND channel = 'mail' AND address = $2 AND state = 'waiting'";
    GIVE_UP = "UPDATE delivery SET state = 'given_up', last_error = $3 WHERE notice_id = $1 AND channel = 'mail' AND address = $2 AND state = 'waiting'";
    WAITING = "SELECT COUNT(*), MIN(made_at) FROM delivery WHERE state = 'waiting'";
    GIVEN_UP = "SELECT COUNT(*), MAX(made_at) FROM delivery WHERE state = 'given_up' AND made_at >= $1";
    LAST_ERROR = "SELECT last_error FROM delivery WHERE state = 'waiting' AND last_error IS NOT NULL ORDER BY next_at DESC LIMIT 1";
    LAST_OF = "SELECT d.notice_id, d.address, d.state, d.attempts, d.made_at, d.next_at, d.last_error, d.delivered_at, n.user_id, n.kind, n.title, n.text, n.link FROM delivery d JOIN notice n ON n.id = d.notice_id WHERE n.user_id = $1 ORDER BY d.notice_id DESC LIMIT 1";
    NEWEST = "SELECT d.notice_id, d.address, d.state, d.attempts, d.made_at, d.next_at, d.last_error, d.delivered_at, n.user_id, n.kind, n.title, n.text, n.link FROM delivery d JOIN notice n ON n.id = d.notice_id WHERE d.state = 'delivered' ORDER BY d.notice_id DESC LIMIT $1";
}

const ADD_OF: &str = "INSERT INTO delivery (notice_id, channel, address, state, attempts, made_at, next_at) SELECT n.id, 'mail', a.address, 'waiting', 0, n.made_at, n.made_at FROM notice n JOIN mail_address a ON a.user_id = n.user_id WHERE n.id IN (";

/// One mail of the outbox.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Delivery {
    /// The notice.
    pub notice_id: NoticeId,
    /// Where to.
    pub address: MailAddress,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// Not before.
    pub next_at: Timestamp,
    /// What the mail server said when it did not work.
    pub last_error: Option<String>,
    /// When the mail server took it.
    pub delivered_at: Option<Timestamp>,
    /// Whose notice it is.
    pub user_id: UserId,
    /// The notice's kind.
    pub kind: NoticeKind,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// Its link.
    pub link: Option<String>,
}

/// How the outbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxCounts {
    /// How many wait.
    pub waiting: i64,
    /// Since when the oldest of them.
    pub oldest: Option<Timestamp>,
    /// What the mail server last said against one that waits.
    pub last_error: Option<String>,
    /// How many were given up lately.
    pub given_up: i64,
    /// When the youngest of them was made.
    pub last_given_up: Option<Timestamp>,
}

/// Puts a mail into the outbox, due at once, for each of these notices whose person has an address; by one statement.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_add_all(tx: &mut WriteTx, notices: &[NoticeId]) -> Result<()> {
    on!(&mut **tx, |c| {
        let mut query = sqlx::QueryBuilder::new(ADD_OF);
        let mut ids = query.separated(", ");
        for id in notices {
            ids.push_bind(id);
        }
        query.push(") ON CONFLICT DO NOTHING");
        query.build().persistent(notices.len() == 1).execute(c).await.map(drop)
    })?;
    Ok(())
}

/// What is due, the longest due first.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_due(conn: &mut Conn, now: Timestamp, most: i64) -> Result<Vec<Delivery>> {
    Ok(on!(conn, |c| sqlx::query_as(DUE).bind(now).bind(most).fetch_all(c).await)?)
}

/// Takes one to try it, due again at `next` should nothing more be heard of it; false when somebody else has it.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_try(tx: &mut WriteTx, one: &Delivery, now: Timestamp, next: Timestamp) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(TRY)
        .bind(&one.notice_id)
        .bind(&one.address)
        .bind(one.attempts)
        .bind(now)
        .bind(next)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// The mail server took it.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_delivered(tx: &mut WriteTx, one: &Delivery, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DELIVERED).bind(&one.notice_id).bind(&one.address).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// It did not work; again at `next`.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_failed(tx: &mut WriteTx, one: &Delivery, why: &str, next: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(FAILED).bind(&one.notice_id).bind(&one.address).bind(why).bind(next).execute(c).await.map(drop))?;
    Ok(())
}

/// It did not work and is not tried again.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_give_up(tx: &mut WriteTx, one: &Delivery, why: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(GIVE_UP).bind(&one.notice_id).bind(&one.address).bind(why).execute(c).await.map(drop))?;
    Ok(())
}

/// How the outbox stands; of those given up the ones made since a moment.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_counts(conn: &mut Conn, since: Timestamp) -> Result<OutboxCounts> {
    let (waiting, oldest): (i64, Option<Timestamp>) = on!(&mut *conn, |c| sqlx::query_as(WAITING).fetch_one(c).await)?;
    let (given_up, last_given_up) = on!(&mut *conn, |c| sqlx::query_as(GIVEN_UP).bind(since).fetch_one(c).await)?;
    let last_error = on!(conn, |c| sqlx::query_scalar(LAST_ERROR).fetch_optional(c).await)?;
    Ok(OutboxCounts { waiting, oldest, last_error, given_up, last_given_up })
}

/// The newest mail to a person, whatever became of it.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_last_of(conn: &mut Conn, user: &UserId) -> Result<Option<Delivery>> {
    Ok(on!(conn, |c| sqlx::query_as(LAST_OF).bind(user).fetch_optional(c).await)?)
}

/// What was delivered, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn delivery_newest(conn: &mut Conn, most: i64) -> Result<Vec<Delivery>> {
    Ok(on!(conn, |c| sqlx::query_as(NEWEST).bind(most).fetch_all(c).await)?)
}
