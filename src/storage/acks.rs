//! How far agents have come with directives. The first acknowledgement of a step stands with its time; a repeat
//! changes nothing, and one that tells of another state takes its place: the newest state counts.

use super::{
    Conn, Result, WriteTx,
    db::{insert, on, statements},
};
use crate::domain::{BotId, Epoch, State, Step, Timestamp};
use std::collections::HashSet;

statements! {
    SINCE = "SELECT bot_id, epoch, step, at, state, entry_orders, open_orders FROM ack WHERE epoch >= $1";
    PROVED = "SELECT bot_id, COALESCE(MAX(CASE WHEN state = 'halted' THEN epoch END), 0) AS applied, COALESCE(MAX(CASE WHEN state = 'halted' AND step = 'idle' THEN epoch END), 0) AS idle, COALESCE(MAX(CASE WHEN state IN ('halted', 'reducing') THEN epoch END), 0) AS reduced, MAX(epoch) AS told FROM ack WHERE epoch >= $1 AND step IN ('applied', 'idle') AND state IS NOT NULL GROUP BY bot_id";
}

const INTO: &str = "INSERT INTO ack (bot_id, epoch, step, at, state, entry_orders, open_orders) ";
const OVER: &str = " ON CONFLICT (bot_id, epoch, step) DO UPDATE SET at = excluded.at, state = excluded.state, entry_orders = excluded.entry_orders, open_orders = excluded.open_orders WHERE ack.at <= excluded.at AND ack.state IS DISTINCT FROM excluded.state";
/// How many rows one statement takes.
const ROWS: usize = 100;

/// One acknowledgement, timed by the server's clock.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Ack {
    /// The bot.
    pub bot_id: BotId,
    /// The directive's epoch.
    pub epoch: Epoch,
    /// The step.
    pub step: Step,
    /// When it arrived.
    pub at: Timestamp,
    /// What the bot did then; `active` proves no stop.
    pub state: Option<State>,
    /// Entry orders as read back.
    pub entry_orders: Option<i64>,
    /// Open orders as read back.
    pub open_orders: Option<i64>,
}

/// Everything that these bots acknowledged at or after an epoch, a hundred of them with one statement.
///
/// # Errors
/// When the database is gone.
pub async fn ack_of_bots(conn: &mut Conn, bots: &[&BotId], epoch: Epoch) -> Result<Vec<Ack>> {
    let mut all = Vec::new();
    for some in bots.chunks(ROWS) {
        let rows: Vec<Ack> = on!(&mut *conn, |c| {
            let mut query =
                sqlx::QueryBuilder::new("SELECT bot_id, epoch, step, at, state, entry_orders, open_orders FROM ack WHERE epoch >= ");
            query.push_bind(epoch).push(" AND bot_id IN (");
            let mut ids = query.separated(", ");
            for bot in some {
                ids.push_bind(*bot);
            }
            query.push(")").build_query_as().fetch_all(c).await
        })?;
        all.extend(rows);
    }
    Ok(all)
}

/// Writes acknowledgements in the order in which they came, each once for each state in turn.
///
/// # Errors
/// When the database is gone.
pub async fn ack_save_all(tx: &mut WriteTx, acks: &[Ack]) -> Result<()> {
    let mut rest = acks;
    while !rest.is_empty() {
        let (rows, after) = rest.split_at(distinct(rest));
        insert!(
            tx,
            INTO,
            rows,
            |row, ack| {
                row.push_bind(&ack.bot_id).push_bind(ack.epoch).push_bind(ack.step).push_bind(ack.at);
                row.push_bind(ack.state).push_bind(ack.entry_orders).push_bind(ack.open_orders)
            },
            OVER
        );
        rest = after;
    }
    Ok(())
}

/// How many of the first rows one statement may write: none of them for the same row as another.
fn distinct(acks: &[Ack]) -> usize {
    let mut keys = HashSet::new();
    acks.iter().take(ROWS).take_while(|ack| keys.insert((&ack.bot_id, ack.epoch, ack.step))).count()
}

/// Everything acknowledged at or after an epoch: what proves a stop of that epoch.
///
/// # Errors
/// When the database is gone.
pub async fn ack_since(conn: &mut Conn, epoch: Epoch) -> Result<Vec<Ack>> {
    Ok(on!(conn, |c| sqlx::query_as(SINCE).bind(epoch).fetch_all(c).await)?)
}

/// The highest epochs that a bot has proved something of, as its acknowledgements say.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Proved {
    /// The bot.
    pub bot_id: BotId,
    /// Applied, being halted; 0: none.
    pub applied: Epoch,
    /// Idle, being halted; 0: none.
    pub idle: Epoch,
    /// Applied, being halted or reducing; 0: none.
    pub reduced: Epoch,
    /// Applied, whatever it did.
    pub told: Epoch,
}

/// What bots have proved at or after an epoch: one row per bot, however many acknowledgements there are.
///
/// # Errors
/// When the database is gone.
pub async fn ack_proved(conn: &mut Conn, epoch: Epoch) -> Result<Vec<Proved>> {
    Ok(on!(conn, |c| sqlx::query_as(PROVED).bind(epoch).fetch_all(c).await)?)
}
