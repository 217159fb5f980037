//! Cancelling at OKX: list, then batches, twenty orders or ten conditional ones at a time. A batch may be refused in parts, and what was taken is
//! not yet cancelled: read back.

use super::{
    call::{CODES, Line},
    lists::{self, ALGO},
};
use crate::venues::{
    credential::Credential,
    effort::{Effort, gone},
    error::{VenueError, judge},
    http::Call,
    order::{CancelScope, Cancelled, OpenOrder},
    read,
};
use serde_json::{Value, json};

/// A call, how an order is named in it, and how many it takes.
struct Way {
    path: &'static str,
    id: &'static str,
    most: usize,
}

const PLAIN: Way = Way { path: "/api/v5/trade/cancel-batch-orders", id: "ordId", most: 20 };
const CONDITIONAL: Way = Way { path: "/api/v5/trade/cancel-algos", id: "algoId", most: 10 };
/// The order is gone: not there, cancelled, filled, ended.
const GONE: [&str; 6] = ["51400", "51401", "51402", "51410", "51503", "51603"];

/// Cancels what `scope` says.
pub(super) async fn all(line: &Line, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
    let mut effort = Effort::default();
    // What is in the book first: it is what can be filled next.
    let orders = effort.read(lists::plain(line, with).await);
    told(&mut effort, line, with, orders, scope).await;
    for kind in lists::ALGOS {
        let orders = effort.read(lists::algos_of(line, with, kind).await);
        told(&mut effort, line, with, orders, scope).await;
    }
    effort.end()
}

async fn told(effort: &mut Effort, line: &Line, with: &Credential, mut orders: Vec<OpenOrder>, scope: CancelScope) {
    let all = orders.len();
    if scope == CancelScope::Entries {
        orders.retain(|order| order.is_entry == Some(true));
    }
    effort.done.left += (all - orders.len()) as u64;
    let is_algo = orders.first().is_some_and(|order| order.market.starts_with(ALGO));
    let way = if is_algo { &CONDITIONAL } else { &PLAIN };
    for some in orders.chunks(way.most) {
        let named: Value = some.iter().map(|order| json!({"instId": order.symbol, (way.id): order.id})).collect();
        match line.batch(with, Call::json(way.path, &named)).await {
            Ok(parts) => {
                let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
                parts.iter().for_each(|part| effort.take(gone(one(part, with), &GONE)));
                if parts.len() < some.len() {
                    effort.take(Err(VenueError::ExecutionUnknown("not every order of a batch was answered".to_owned())));
                }
            }
            Err(error) => effort.take(Err(error)),
        }
    }
}

/// What became of one order of a batch.
fn one(part: &Value, with: &Credential) -> Result<u64, VenueError> {
    let code = read::text(part.get("sCode")).ok_or_else(|| VenueError::ExecutionUnknown("an order without its code".to_owned()))?;
    if code == "0" {
        return Ok(1);
    }
    let said = part.get("sMsg").and_then(Value::as_str).unwrap_or_default();
    Err(judge(&CODES, &code, said, true, None).scrubbed(with))
}
