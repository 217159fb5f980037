//! Fills as a file for a spreadsheet or a tax program. Amounts are exact; a text that begins like a formula is written behind an apostrophe.

use crate::app::{
    AppError,
    spreadsheet::{self, guarded},
};
use crate::domain::{Decimal, KeptFill};

/// The columns, in order.
pub const COLUMNS: [&str; 14] = [
    "id",
    "at",
    "heard_at",
    "stage",
    "symbol",
    "side",
    "quantity",
    "price",
    "notional",
    "fee",
    "fee_currency",
    "maker",
    "order_id",
    "client_order_id",
];

/// The first line.
///
/// # Errors
/// Does not happen: text is written into memory.
pub fn head() -> Result<String, AppError> {
    spreadsheet::lines(std::iter::once(COLUMNS.map(str::to_owned)))
}

/// A line per fill.
///
/// # Errors
/// As above.
pub fn lines(fills: &[KeptFill]) -> Result<String, AppError> {
    spreadsheet::lines(fills.iter().map(cells))
}

fn cells(kept: &KeptFill) -> [String; 14] {
    let fill = &kept.fill;
    let text = |text: &Option<String>| text.as_deref().map(guarded).unwrap_or_default();
    let maker = fill.maker.map_or("", |maker| if maker { "maker" } else { "taker" });
    [
        guarded(&fill.id),
        fill.at.rfc3339(),
        kept.heard_at.rfc3339(),
        kept.stage.to_string(),
        guarded(fill.symbol.as_str()),
        fill.side.to_string(),
        fill.quantity.shortest(),
        fill.price.shortest(),
        fill.notional().shortest(),
        // A number, which may well begin with a minus.
        fill.fee.map(Decimal::shortest).unwrap_or_default(),
        text(&fill.fee_currency),
        maker.to_owned(),
        text(&fill.order_id),
        text(&fill.client_order_id),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fill, Stage, Timestamp, fill::Told};

    fn kept(id: &str, order: &str) -> KeptFill {
        let at = Timestamp(1_795_000_000_120_000);
        let told = Told {
            id,
            order_id: Some(order),
            client_order_id: None,
            at,
            symbol: "BTC/USDT",
            side: "sell",
            quantity: "0.250",
            price: "65000.10",
            fee: Some("-1.5"),
            fee_currency: Some("=BNB"),
            maker: Some(true),
        };
        KeptFill { fill: Fill::read(&told, at).unwrap(), heard_at: at, stage: Stage::Live }
    }

    #[test]
    fn a_line_has_every_column_and_no_text_is_a_formula() {
        let file = head().unwrap() + &lines(&[kept("=1+1", "a,\"b\""), kept("@x", "-2"), kept("'+", "7")]).unwrap();
        let rows: Vec<&str> = file.split("\r\n").collect();
        assert_eq!(rows[0], COLUMNS.join(","));
        assert_eq!(
            rows[1],
            "'=1+1,2026-11-18T11:06:40.120Z,2026-11-18T11:06:40.120Z,live,BTC/USDT,sell,0.25,65000.1,16250.025,-1.5,'=BNB,maker,\"a,\"\"b\"\"\","
        );
        assert!(rows[2].starts_with("'@x,") && rows[2].ends_with(",'-2,"), "{}", rows[2]);
        assert!(rows[3].starts_with("''+,"), "what begins with an apostrophe gets one more, so that reading takes away one: {}", rows[3]);
        assert_eq!((rows[4], rows.len()), ("", 5));
    }
}
