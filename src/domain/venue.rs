//! Venues and what is traded there: an exchange in one environment, and the symbol that a hold may be about.

use super::text::text_enum;
use std::fmt;

text_enum! {
    /// Whether money is real.
    Environment {
        /// A testnet or a paper market.
        Test = "test",
        /// Real money.
        Live = "live",
    }
}

/// A text that names no symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no symbol; write it as the venue's library does, for example BTC/USDT")]
pub struct BadSymbol;

/// What is traded, as reports and limits write it: `BTC/USDT`, `BTC/USDT:USDT`. Upper case, so that one symbol has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Symbol(String);

impl Symbol {
    /// Reads a symbol: 1 to 40 of letters, digits and `/:._-`, trimmed.
    ///
    /// # Errors
    /// `BadSymbol` for anything else.
    pub fn parse(text: &str) -> Result<Self, BadSymbol> {
        let text = text.trim().to_uppercase();
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:._-".contains(&b));
        if fits && text.bytes().any(|b| b.is_ascii_alphanumeric()) { Ok(Self(text)) } else { Err(BadSymbol) }
    }
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True for the same symbol in whatever case.
    pub fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other.trim())
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_has_one_spelling_and_nothing_strange_is_one() {
        assert_eq!(Symbol::parse(" btc/usdt:usdt "), Ok(Symbol("BTC/USDT:USDT".into())));
        assert!(Symbol::parse("eth-perp").is_ok_and(|symbol| symbol.is("ETH-perp")));
        for bad in ["", " ", "//", "BTC USDT", "BTC@USDT", &"A".repeat(41), "BTC\u{e9}"] {
            assert_eq!(Symbol::parse(bad), Err(BadSymbol), "{bad}");
        }
    }
}
