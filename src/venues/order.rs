//! Orders, positions and balances as venues list them, and what became of cancelling. An order that cannot be told to be an entry is neither.

use crate::domain::{Decimal, Timestamp, text::text_enum};
use serde::Serialize;

text_enum! {
    /// Buying or selling.
    Side {
        /// Buying.
        Buy = "buy",
        /// Selling.
        Sell = "sell",
    }
}

impl Side {
    /// Reads the spelling of any venue.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("buy") {
            Some(Self::Buy)
        } else if text.eq_ignore_ascii_case("sell") {
            Some(Self::Sell)
        } else {
            None
        }
    }
}

/// An order that rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenOrder {
    /// The venue's name for it.
    pub id: String,
    /// As the venue writes it.
    pub symbol: String,
    /// The venue's word for the market: `linear`, `SWAP`; empty where it has one market.
    pub market: String,
    /// Buying or selling.
    pub side: Option<Side>,
    /// Whether it would open or add. None: the venue does not tell.
    pub is_entry: Option<bool>,
    /// It waits for a price before it becomes an order: a stop, a take-profit, a trailing stop.
    pub is_conditional: bool,
    /// What is left of it, in the venue's unit.
    pub quantity: Option<Decimal>,
    /// Its limit, or the price that it waits for.
    pub price: Option<Decimal>,
}

/// What is held in a derivative, or on margin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// As the venue writes it.
    pub symbol: String,
    /// The venue's word for the market.
    pub market: String,
    /// In the venue's unit, below zero when short.
    pub quantity: Decimal,
    /// The mean price of entry.
    pub entry_price: Option<Decimal>,
    /// What is won or lost, not yet realised.
    pub unrealised: Option<Decimal>,
}

/// What there is of a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// As the venue writes it.
    pub asset: String,
    /// The venue's word for the wallet; empty where it has one.
    pub wallet: String,
    /// All of it.
    pub total: Decimal,
    /// What rests in orders or is held otherwise.
    pub held: Option<Decimal>,
}

text_enum! {
    /// Which orders are to be cancelled.
    CancelScope {
        /// Those that are known to open or add.
        Entries = "entries",
        /// All, conditional and protective ones too.
        All = "all",
    }
}

/// What was told to be cancelled. The venue took it; that the orders are gone is for reading back to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cancelled {
    /// Orders that were found and told to go, or that the venue says it cancelled. Not all venues count.
    pub told: u64,
    /// Orders that were found and left alone: protective, or of a kind that the venue does not tell.
    pub left: u64,
}

/// A dead man's switch that was armed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Armed {
    /// When it fires, as the venue says; of several the last.
    pub fires_at: Option<Timestamp>,
    /// The symbols that it was armed for; none where it covers the account.
    pub symbols: Vec<String>,
}

/// Whether an order opens or adds, from what derivative venues say of it. `reduces`: it can only reduce. `is_exit_side`: in hedge mode, it is on
/// the closing side of its position. A conditional order without either mark may be a stop-loss that somebody forgot to mark: not known.
pub(super) fn entry(reduces: Option<bool>, is_exit_side: Option<bool>, is_conditional: bool) -> Option<bool> {
    match (reduces, is_exit_side) {
        (Some(true), _) | (_, Some(true)) => Some(false),
        (_, Some(false)) => Some(true),
        (Some(false), None) if !is_conditional => Some(true),
        (Some(false) | None, None) => None,
    }
}

/// The same where the venue left out what it is told by: then nothing is known to be an entry.
pub(super) fn sure(entry: Option<bool>, is_told: bool) -> Option<bool> {
    entry.filter(|adds| is_told || !adds)
}

/// The side that closes a position of hedge mode, against that of an order.
pub(super) fn exit_side(position: Option<&str>, side: Option<Side>) -> Option<bool> {
    match (position?.to_ascii_lowercase().as_str(), side?) {
        ("long", side) => Some(side == Side::Sell),
        ("short", side) => Some(side == Side::Buy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_protective_is_an_entry() {
        assert_eq!(entry(Some(true), None, false), Some(false));
        assert_eq!(entry(Some(false), None, false), Some(true));
        assert_eq!(entry(Some(false), None, true), None, "a stop without its mark");
        assert_eq!(entry(None, None, false), None, "no field, no knowledge");
        assert_eq!(entry(Some(false), exit_side(Some("LONG"), Some(Side::Sell)), true), Some(false));
        assert_eq!(entry(None, exit_side(Some("short"), Some(Side::Sell)), true), Some(true));
        assert_eq!(exit_side(Some("BOTH"), Some(Side::Sell)), None);
        assert_eq!([sure(Some(true), false), sure(Some(false), false), sure(Some(true), true)], [None, Some(false), Some(true)]);
    }
}
