//! Fills of bots, as their agents told them. Observations: they are no acts and carry no entry. The first word about an id stands.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Decimal, Fill, KeptFill, Stage, Symbol, Timestamp, fill::Side};

statements! {
    NEWEST = "SELECT id, at, heard_at, stage, order_id, client_order_id, symbol, side, quantity, price, fee, fee_currency, maker FROM fill WHERE bot_id = $1 AND at >= $2 AND at <= $3 AND (at < $3 OR id < $4) ORDER BY at DESC, id DESC LIMIT $5";
    OLDEST = "SELECT id, at, heard_at, stage, order_id, client_order_id, symbol, side, quantity, price, fee, fee_currency, maker FROM fill WHERE bot_id = $1 AND at >= $2 AND at < $3 AND (at > $2 OR id > $4) ORDER BY at, id LIMIT $5";
    FORGET = "DELETE FROM fill WHERE (bot_id, id) IN (SELECT bot_id, id FROM fill WHERE heard_at < $1 LIMIT $2)";
}

const INTO: &str = "INSERT INTO fill (bot_id, id, at, heard_at, stage, order_id, client_order_id, symbol, side, quantity, price, fee, fee_currency, maker) ";
const OVER: &str = " ON CONFLICT (bot_id, id) DO NOTHING";
const OF_IDS: &str = "SELECT id, at, heard_at, stage, order_id, client_order_id, symbol, side, quantity, price, fee, fee_currency, maker FROM fill WHERE bot_id = ";
/// How many rows one statement takes.
const ROWS: usize = 128;

/// Which fills of a bot: from a moment on, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From here on.
    pub from: Timestamp,
    /// Before here.
    pub until: Timestamp,
}

/// Where a reading goes on: after this one.
pub type After<'a> = Option<(Timestamp, &'a str)>;

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    at: Timestamp,
    heard_at: Timestamp,
    stage: Stage,
    order_id: Option<String>,
    client_order_id: Option<String>,
    symbol: String,
    side: Side,
    quantity: String,
    price: String,
    fee: Option<String>,
    fee_currency: Option<String>,
    maker: Option<bool>,
}

impl TryFrom<Row> for KeptFill {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let unreadable = |field: &str| Error::Unreadable(format!("{field} of fill {}", row.id));
        let decimal = |field: &str, text: &str| Decimal::parse(text).ok_or_else(|| unreadable(field));
        let fill = Fill {
            at: row.at,
            symbol: Symbol::parse(&row.symbol).map_err(|_| unreadable("symbol"))?,
            side: row.side,
            quantity: decimal("quantity", &row.quantity)?,
            price: decimal("price", &row.price)?,
            fee: row.fee.as_deref().map(|fee| decimal("fee", fee)).transpose()?,
            fee_currency: row.fee_currency,
            maker: row.maker,
            order_id: row.order_id,
            client_order_id: row.client_order_id,
            id: row.id,
        };
        Ok(Self { fill, heard_at: row.heard_at, stage: row.stage })
    }
}

/// Keeps fills of one bot, each id once. Answers how many were new, and the ids of those that stand otherwise than they were told now.
///
/// # Errors
/// When the database is gone.
pub async fn fill_save_all(tx: &mut WriteTx, bot: &BotId, mut fills: Vec<KeptFill>) -> Result<(u64, Vec<String>)> {
    // In one order everywhere: two writers of the same rows never wait for each other in a circle.
    fills.sort_by(|a, b| a.fill.id.cmp(&b.fill.id));
    let (mut new, mut differ) = (0, Vec::new());
    for rows in fills.chunks(ROWS) {
        let written = insert(tx, bot, rows).await?;
        new += written;
        if written < rows.len() as u64 {
            let stand = stored(tx, bot, rows).await?;
            let is_other = |told: &&KeptFill| stand.iter().any(|one| one.fill.id == told.fill.id && one.fill != told.fill);
            differ.extend(rows.iter().filter(is_other).map(|told| told.fill.id.clone()));
        }
    }
    Ok((new, differ))
}

async fn insert(tx: &mut WriteTx, bot: &BotId, rows: &[KeptFill]) -> Result<u64> {
    Ok(on!(&mut **tx, |c| {
        let mut query = sqlx::QueryBuilder::new(INTO);
        query.push_values(rows, |mut row, kept| {
            let fill = &kept.fill;
            row.push_bind(bot).push_bind(&fill.id).push_bind(fill.at).push_bind(kept.heard_at).push_bind(kept.stage);
            row.push_bind(&fill.order_id).push_bind(&fill.client_order_id).push_bind(fill.symbol.as_str()).push_bind(fill.side);
            row.push_bind(fill.quantity.shortest()).push_bind(fill.price.shortest()).push_bind(fill.fee.map(Decimal::shortest));
            row.push_bind(&fill.fee_currency).push_bind(fill.maker);
        });
        query.push(OVER).build().persistent(rows.len() == 1).execute(c).await.map(|done| done.rows_affected())
    })?)
}

async fn stored(tx: &mut WriteTx, bot: &BotId, rows: &[KeptFill]) -> Result<Vec<KeptFill>> {
    let found: Vec<Row> = on!(&mut **tx, |c| {
        let mut query = sqlx::QueryBuilder::new(OF_IDS);
        query.push_bind(bot).push(" AND id IN (");
        let mut ids = query.separated(", ");
        for kept in rows {
            ids.push_bind(&kept.fill.id);
        }
        query.push(")").build_query_as().persistent(false).fetch_all(c).await
    })?;
    found.into_iter().map(KeptFill::try_from).collect()
}

/// Fills of a bot, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn fill_newest(conn: &mut Conn, bot: &BotId, span: Span, after: After<'_>, most: i64) -> Result<Vec<KeptFill>> {
    // No id is empty: without a place to go on from, those of the last moment itself are left out.
    let (at, id) = after.unwrap_or((span.until, ""));
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(NEWEST).bind(bot).bind(span.from).bind(at).bind(id).bind(most).fetch_all(c).await)?;
    rows.into_iter().map(KeptFill::try_from).collect()
}

/// Fills of a bot, oldest first.
///
/// # Errors
/// When the database is gone.
pub async fn fill_oldest(conn: &mut Conn, bot: &BotId, span: Span, after: After<'_>, most: i64) -> Result<Vec<KeptFill>> {
    let (at, id) = after.unwrap_or((span.from, ""));
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(OLDEST).bind(bot).bind(at).bind(span.until).bind(id).bind(most).fetch_all(c).await)?;
    rows.into_iter().map(KeptFill::try_from).collect()
}

/// Forgets some of the fills that were heard of before a moment.
///
/// # Errors
/// When the database is gone.
pub async fn fill_forget(tx: &mut WriteTx, before: Timestamp, most: i64) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(FORGET).bind(before).bind(most).execute(c).await.map(|r| r.rows_affected()))?)
}
