//! A Freqtrade bot's orders that were carried out, as fills: one per order that does not rest any more, with its average price. What of an order
//! that still rests was carried out is told once it is over, since it may go on. They are told again and again, and count once.
//!
//! A fee is told only where Freqtrade has it by order: what the exchange kept of what was bought. Others it knows by trade alone. Whether an order
//! rested before it was carried out it does not know.

use super::facts::{Order, Trade};
use super::report::{decimal, price};
use crate::domain::Timestamp;
use crate::protocol::FillFrame;

/// The fills of some trades.
pub(super) fn of(trades: &[Trade]) -> Vec<FillFrame> {
    trades.iter().flat_map(|trade| trade.orders.iter().filter_map(|order| fill(trade, order))).collect()
}

fn fill(trade: &Trade, order: &Order) -> Option<FillFrame> {
    let filled = order.filled.filter(|filled| !order.is_open && *filled > 0.0)?;
    let at = Timestamp(order.order_filled_timestamp?.checked_mul(1_000)?);
    let average = order.safe_price.filter(|price| *price > 0.0).or_else(|| Some(order.cost? / filled))?;
    let side = match order.ft_order_side.as_str() {
        side @ ("buy" | "sell") => side,
        // A stop-loss ends the trade.
        _ if trade.is_short => "buy",
        _ => "sell",
    };
    let fee = order.ft_fee_base.filter(|fee| *fee > 0.0).and_then(decimal);
    let base = trade.pair.split_once('/').map(|(base, _)| base.to_owned());
    Some(FillFrame {
        id: order.order_id.clone(),
        order_id: Some(order.order_id.clone()),
        client_order_id: None,
        at,
        symbol: trade.pair.clone(),
        side: side.to_owned(),
        quantity: decimal(filled)?,
        price: price(average)?,
        fee_currency: base.filter(|_| fee.is_some()),
        fee,
        maker: None,
    })
    .filter(|fill| !fill.id.is_empty() && (fill.fee.is_none() || fill.fee_currency.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Fill;

    fn recorded() -> Vec<Trade> {
        let path = format!("{}/tests/freqtrade/recorded/status.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn what_a_real_bot_carried_out_is_told_by_order() {
        let fills = of(&recorded());
        let told: Vec<_> =
            fills.iter().map(|fill| (fill.symbol.as_str(), fill.side.as_str(), fill.quantity.as_str(), fill.price.as_str())).collect();
        assert!(told.contains(&("ETH/USDT", "buy", "0.0332", "3005.13")), "{told:?}");
        assert_eq!(told.len(), 2, "the order that rests is told of once it is over");
        let eth = fills.iter().find(|fill| fill.symbol == "ETH/USDT").unwrap();
        assert_eq!((eth.at, &eth.fee, eth.maker), (Timestamp(1_795_647_357_769_000), &None, None));
        assert!(eth.id.starts_with("dry_run_buy_ETH/USDT_"));
        for fill in &fills {
            assert!(Fill::read(&fill.told(), fill.at).is_ok(), "{fill:?}");
        }
    }

    #[test]
    fn a_stop_loss_is_the_other_side_and_a_fee_in_what_was_bought_is_told() {
        let order = |side: &str| Order {
            ft_order_side: side.into(),
            order_id: "7".into(),
            filled: Some(0.5),
            cost: Some(50.0),
            order_filled_timestamp: Some(1_795_000_000_000),
            ft_fee_base: Some(0.0005),
            ..Order::default()
        };
        let trade = |is_short, side: &str| Trade { pair: "ETH/USDT:USDT".into(), is_short, orders: vec![order(side)], ..Trade::default() };
        let one = |trade: Trade| of(&[trade]).pop().unwrap();
        assert_eq!((one(trade(false, "stoploss")).side, one(trade(true, "stoploss")).side), ("sell".into(), "buy".into()));
        let bought = one(trade(false, "buy"));
        assert_eq!((bought.price.as_str(), bought.fee.as_deref(), bought.fee_currency.as_deref()), ("100", Some("0.0005"), Some("ETH")));
        let unfilled = |order: Order| of(&[Trade { orders: vec![order], ..trade(false, "buy") }]).len();
        assert_eq!(unfilled(Order { is_open: true, ..order("buy") }), 0);
        assert_eq!(unfilled(Order { filled: Some(0.0), ..order("buy") }), 0);
        assert_eq!(unfilled(Order { order_filled_timestamp: None, ..order("buy") }), 0);
    }
}
