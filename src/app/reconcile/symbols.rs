//! One spelling for what bots and venues call the same thing: `BTC/USDT:USDT`, `BTC-USDT-SWAP`, `BTCUSDT` and `PF_XBTUSD`. Pure. Two markets of
//! one pair, spot and perpetual, have one spelling here: which of them is meant the venue's own lists say.

/// The currencies that prices are in, longest first where one is the end of another. Not `TUSD` nor `BUSD`: `XBTUSD` and `BNBUSD` end alike.
const QUOTES: [&str; 15] = ["FDUSD", "USDT", "USDC", "USDE", "USD", "EUR", "GBP", "JPY", "TRY", "AUD", "CAD", "CHF", "BTC", "ETH", "BNB"];
/// Words that say what kind of contract it is, and stand apart.
const KINDS: [&str; 3] = ["SWAP", "PERP", "PERPETUAL"];
/// What Kraken writes before its contracts.
const CONTRACTS: [&str; 4] = ["PF", "PI", "FI", "FF"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// A currency as everybody else writes it: Kraken's `XXBT`, `XBT` and `XBT.M` are `BTC`, its `ZUSD` is `USD`.
pub fn currency(text: &str) -> String {
    let plain = text.trim().to_ascii_uppercase();
    let plain = plain.split('.').next().unwrap_or_default();
    let plain = match plain.as_bytes() {
        // Kraken's four letters: X for coins, Z for money.
        [b'X' | b'Z', rest @ ..] if plain.len() == 4 && is_old_name(rest) => plain.get(1..).unwrap_or_default(),
        _ => plain,
    };
    match plain {
        "XBT" => "BTC".to_owned(),
        "XDG" => "DOGE".to_owned(),
        other => other.to_owned(),
    }
}

fn is_old_name(rest: &[u8]) -> bool {
    const OLD: [&str; 20] = [
        "XBT", "ETH", "ETC", "LTC", "XRP", "XLM", "XMR", "ZEC", "XDG", "REP", "MLN", "USD", "EUR", "GBP", "JPY", "CAD", "AUD", "CHF",
        "KRW", "ICN",
    ];
    OLD.iter().any(|old| old.as_bytes() == rest)
}

/// `29MAR24` as `240329`; none for anything else.
fn date(part: &str) -> Option<String> {
    let (day, rest) = (part.get(..part.len().checked_sub(5)?)?, part.get(part.len() - 5..)?);
    let month = 1 + MONTHS.iter().position(|month| Some(*month) == rest.get(..3))?;
    let (day, year): (u8, u8) = (day.parse().ok()?, rest.get(3..)?.parse().ok()?);
    Some(format!("{year:02}{month:02}{day:02}"))
}

/// The currencies of a pair that is written in one word.
fn split(word: &str) -> (String, String) {
    for quote in QUOTES.into_iter().chain(["ZUSD", "ZEUR", "ZGBP", "ZJPY", "ZCAD", "ZAUD", "XXBT", "XBT", "XETH"]) {
        if let Some(base) = word.strip_suffix(quote).filter(|base| base.len() >= 2) {
            // `XXBTZUSD`: the letter before belongs to the quote.
            if let Some(old) = base.strip_suffix(['Z', 'X']).filter(|base| base.len() == 4 && currency(base) != *base) {
                return (currency(old), currency(quote));
            }
            return (currency(base), currency(quote));
        }
    }
    (currency(word), String::new())
}

/// A symbol taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// What is traded.
    pub base: String,
    /// What it is priced in; empty: not said.
    pub quote: String,
    /// What is left: the date on which a contract ends, a strike.
    pub rest: String,
}

impl Pair {
    /// One spelling of it: `BTCUSDT`, `BTCUSDT-240329`.
    pub fn key(&self) -> String {
        let Self { base, quote, rest } = self;
        if rest.is_empty() { format!("{base}{quote}") } else { format!("{base}{quote}-{rest}") }
    }
}

/// Takes apart what a bot or a venue wrote.
pub fn pair(text: &str) -> Pair {
    let text = text.trim().to_ascii_uppercase();
    // `BTC/USDT:USDT-240329`: behind the colon is what it settles in, and a date.
    let (text, settles) = text.split_once(':').map_or((text.as_str(), ""), |(pair, settles)| (pair, settles));
    let settles = settles.split_once('-').map_or("", |(_, rest)| rest);
    let mut parts: Vec<&str> = text.split(['/', '-', '_', ' ']).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 && parts.first().is_some_and(|first| CONTRACTS.contains(first)) {
        parts.remove(0);
    }
    // Behind what is traded: `PERP` is a coin as well.
    let first = parts.first().copied();
    parts = first.into_iter().chain(parts.iter().skip(1).copied().filter(|part| !KINDS.contains(part))).collect();
    let (base, quote, from) = match parts.as_slice() {
        [base, quote, ..] if is_currency(quote) => (currency(base), currency(quote), 2),
        [word, ..] => {
            // Bybit's `BTCPERP` settles in USDC.
            let (base, quote) = match word.strip_suffix("PERP").filter(|base| base.len() >= 2) {
                Some(base) => (currency(base), "USDC".to_owned()),
                None => split(word),
            };
            (base, quote, 1)
        }
        [] => (String::new(), String::new(), 0),
    };
    let rest = parts.into_iter().skip(from).chain(settles.split('-').filter(|part| !part.is_empty()));
    let rest = rest.map(|part| date(part).unwrap_or_else(|| part.to_owned())).collect::<Vec<_>>().join("-");
    Pair { base, quote, rest }
}

/// A part that can be what a price is in: letters, and not the date of a contract.
fn is_currency(part: &str) -> bool {
    date(part).is_none() && part.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_thing_has_one_spelling() {
        let same: [(&str, &[&str]); 8] = [
            ("BTCUSDT", &["BTC/USDT", "BTCUSDT", "btc-usdt", "BTC-USDT-SWAP", "BTC/USDT:USDT", "BTC_USDT", "BTCUSDT_PERP", "BTC USDT"]),
            ("BTCUSD", &["PF_XBTUSD", "PI_XBTUSD", "XBT/USD", "XXBTZUSD", "BTC/USD:BTC", "BTC-USD", "XBTUSD"]),
            ("ETHEUR", &["XETHZEUR", "ETH/EUR", "ETHEUR"]),
            ("DOGEUSDT", &["DOGE/USDT", "XDGUSDT"]),
            ("BTCUSDC", &["BTCPERP", "BTC/USDC:USDC", "BTC-USDC"]),
            ("BTCUSDT-240329", &["BTC/USDT:USDT-240329", "BTCUSDT-29MAR24", "BTC-USDT-240329", "BTCUSDT_240329"]),
            ("ETHBTC", &["ETH/BTC", "XETHXXBT", "ETHXBT"]),
            ("PERPUSDT", &["PERP/USDT", "PERPUSDT", "PERP-USDT-SWAP", "PERP/USDT:USDT"]),
        ];
        for (key, texts) in same {
            for text in texts {
                assert_eq!(pair(text).key(), key, "{text}");
            }
        }
        assert_ne!(pair("BTC/USDT").key(), pair("BTC/USDT:USDT-240329").key());
        assert_eq!(pair("BTC-29MAR24-30000-C").key(), "BTC-240329-30000-C");
    }

    #[test]
    fn currencies_of_kraken_are_those_of_everybody() {
        let plain = ["XXBT", "XBT.M", "ZUSD", "XETH", "XRP", "XLM", "ZRX", "XDG", "usdt"].map(currency);
        assert_eq!(plain, ["BTC", "BTC", "USD", "ETH", "XRP", "XLM", "ZRX", "DOGE", "USDT"]);
    }

    proptest! {
        #[test]
        fn nothing_that_anybody_writes_panics(text in ".{0,60}") {
            let once = pair(&text);
            prop_assert_eq!(pair(&text), once);
        }

        #[test]
        fn the_separator_says_nothing(base in "[A-N]{3,5}", quote in prop::sample::select(vec!["USDT", "USDC", "EUR"])) {
            let key = pair(&format!("{base}/{quote}")).key();
            for other in [format!("{base}-{quote}"), format!("{base}_{quote}"), format!("{base}/{quote}:{quote}"), format!("{base}-{quote}-SWAP")] {
                prop_assert_eq!(&pair(&other).key(), &key);
            }
        }
    }
}
