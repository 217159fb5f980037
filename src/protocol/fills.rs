//! Fills as an agent tells them (ruling M4). A repeated id of the same bot is taken again without effect.

use crate::domain::{Timestamp, fill::Told};
use serde::{Deserialize, Serialize};

/// One fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillFrame {
    /// The venue's id or the bot's own; the same fill sent again has the same id.
    pub id: String,
    /// The order, as the venue calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The order, as the bot calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// When it was filled.
    pub at: Timestamp,
    /// Symbol.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: String,
    /// How much.
    pub quantity: String,
    /// At which price.
    pub price: String,
    /// What it cost; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<String>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_currency: Option<String>,
    /// The order rested before; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<bool>,
}

impl FillFrame {
    /// As it is checked.
    pub fn told(&self) -> Told<'_> {
        Told {
            id: &self.id,
            order_id: self.order_id.as_deref(),
            client_order_id: self.client_order_id.as_deref(),
            at: self.at,
            symbol: &self.symbol,
            side: &self.side,
            quantity: &self.quantity,
            price: &self.price,
            fee: self.fee.as_deref(),
            fee_currency: self.fee_currency.as_deref(),
            maker: self.maker,
        }
    }
}

/// Fills, at most 256 at once. Taken whole or not at all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FillsFrame {
    /// The fills.
    pub fills: Vec<FillFrame>,
}

/// The answer to them: they are on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillsTaken {
    /// How many were sent, repeated ones included.
    pub accepted: usize,
    /// On a stream, which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}
