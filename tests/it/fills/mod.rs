//! Fills: told by poll, by POST and over a stream, kept once each, shown, exported and summed.

mod shown;
mod told;

use serde_json::{Value, json};

/// A fill as an agent tells it.
pub fn fill(id: &str) -> Value {
    json!({"id": id, "order_id": "o-7", "client_order_id": "c-7", "at": "2024-11-17T03:12:07.120Z", "symbol": "BTC/USDT", "side": "buy",
        "quantity": "0.25", "price": "65000.10", "fee": "-0.5", "fee_currency": "USDT", "maker": true})
}

/// The same with other fields.
pub fn with(id: &str, more: Value) -> Value {
    let mut one = fill(id);
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    one
}
