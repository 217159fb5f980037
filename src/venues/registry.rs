//! Which exchange a name in the register means, and where it is. Every other name is a venue that we do not speak to: its sheet is attested.

use super::{
    Venue,
    binance::{Spot as BinanceSpot, UsdM},
    bybit::Bybit,
    http::{Door, Http, is_fit, is_local},
    kraken::{Futures as KrakenFutures, Spot as KrakenSpot},
    okx::Okx,
};
use crate::domain::{Clock, Environment, text::text_enum};
use std::{collections::BTreeMap, sync::Arc};
use url::Url;

text_enum! {
    /// An exchange that we speak to.
    Kind {
        /// Binance, spot. Its orders on margin lie elsewhere and are not read.
        BinanceSpot = "binance",
        /// Binance, USD-margined futures.
        BinanceUsdM = "binance-usdm",
        /// Bybit, v5, unified.
        Bybit = "bybit",
        /// OKX, v5.
        Okx = "okx",
        /// Kraken, spot and margin.
        KrakenSpot = "kraken",
        /// Kraken, futures.
        KrakenFutures = "kraken-futures",
    }
}

/// A line of the table of places: how the register may call the exchange (letters and digits alone), where it is live and in test, and where its
/// main accounts administer keys, when that is another host.
struct Row {
    names: &'static [&'static str],
    kind: Kind,
    live: Option<&'static str>,
    test: Option<&'static str>,
    admin: (Option<&'static str>, Option<&'static str>),
}

const SAPI: &str = "https://api.binance.com";
/// Kraken's futures demo is documented and was reported closed; if so, it answers nothing, and nothing is what is then known.
const ROWS: [Row; 9] = [
    Row {
        names: &["binance", "binancespot"],
        kind: Kind::BinanceSpot,
        live: Some(SAPI),
        test: Some("https://testnet.binance.vision"),
        admin: (Some(SAPI), None),
    },
    Row {
        names: &["binanceusdm", "binanceusdsm", "binancefutures", "binanceperp"],
        kind: Kind::BinanceUsdM,
        live: Some("https://fapi.binance.com"),
        test: Some("https://testnet.binancefuture.com"),
        admin: (Some(SAPI), None),
    },
    row(&["bybit"], Kind::Bybit, Some("https://api.bybit.com"), Some("https://api-testnet.bybit.com")),
    // Keys of demo accounts are administered by the live main account.
    Row {
        names: &["bybitdemo"],
        kind: Kind::Bybit,
        live: None,
        test: Some("https://api-demo.bybit.com"),
        admin: (None, Some("https://api.bybit.com")),
    },
    row(&["okx", "okxglobal"], Kind::Okx, Some("https://www.okx.com"), Some("https://www.okx.com")),
    row(&["okxeea", "okxeu", "myokx"], Kind::Okx, Some("https://eea.okx.com"), Some("https://eea.okx.com")),
    row(&["okxus", "okxau"], Kind::Okx, Some("https://us.okx.com"), Some("https://us.okx.com")),
    row(&["kraken", "krakenspot"], Kind::KrakenSpot, Some("https://api.kraken.com"), None),
    row(&["krakenfutures"], Kind::KrakenFutures, Some("https://futures.kraken.com"), Some("https://demo-futures.kraken.com")),
];

const fn row(names: &'static [&'static str], kind: Kind, live: Option<&'static str>, test: Option<&'static str>) -> Row {
    Row { names, kind, live, test, admin: (live, test) }
}

/// What keeps the venues from being set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// TLS.
    #[error("TLS to the venues cannot be set up: {0}")]
    Tls(String),
    /// An address.
    #[error("{0} is no address that a key may go to: it takes https, or http on this machine")]
    Address(String),
}

/// Where the venues are. The documented addresses, unless all are put elsewhere.
#[derive(Debug, Clone, Default)]
pub enum Places {
    /// Where their documents say.
    #[default]
    Documented,
    /// Everything at one address: a fake of tests, or a relay on this machine.
    At(Url),
}

/// Every venue that we speak to; by default none. One for the whole program: nonces are counted here.
#[derive(Debug, Default)]
pub struct Venues {
    known: BTreeMap<(&'static str, bool), Arc<dyn Venue>>,
}

/// The name as the table writes it.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Venues {
    /// Gets ready; connects to nobody.
    ///
    /// # Errors
    /// `SetUpError`.
    pub fn open(clock: Clock, places: &Places) -> Result<Self, SetUpError> {
        let is_here = matches!(places, Places::At(base) if is_local(base));
        let door = Door::open(clock, is_here).map_err(SetUpError::Tls)?;
        let mut known = BTreeMap::new();
        for row in &ROWS {
            for (environment, at, admin) in [(Environment::Live, row.live, row.admin.0), (Environment::Test, row.test, row.admin.1)] {
                let Some(at) = at else { continue };
                let http = host(&door, places, at)?;
                let admin = admin.map(|admin| host(&door, places, admin)).transpose()?;
                let venue = make(row.kind, http, admin, environment);
                for name in row.names {
                    known.insert((*name, environment == Environment::Live), venue.clone());
                }
            }
        }
        Ok(Self { known })
    }

    /// The venue that a name in the register means, in one environment. None: we do not speak to it, and what is said of its keys is attested.
    /// Case, spaces, dashes and dots do not count: `Binance USD-M` is `binanceusdm`.
    pub fn venue_for(&self, exchange: &str, environment: Environment) -> Option<Arc<dyn Venue>> {
        let name = plain(exchange);
        let found = self.known.iter().find(|((known, is_live), _)| *known == name && *is_live == (environment == Environment::Live));
        found.map(|(_, venue)| venue.clone())
    }
}

fn host(door: &Door, places: &Places, documented: &str) -> Result<Http, SetUpError> {
    let base = match places {
        Places::Documented => Url::parse(documented).map_err(|_| SetUpError::Address(documented.to_owned()))?,
        Places::At(base) => base.clone(),
    };
    if is_fit(&base) { Ok(Http::new(door.clone(), base)) } else { Err(SetUpError::Address(base.to_string())) }
}

fn make(kind: Kind, http: Http, admin: Option<Http>, environment: Environment) -> Arc<dyn Venue> {
    let is_test = environment == Environment::Test;
    match kind {
        Kind::BinanceSpot => Arc::new(BinanceSpot::new(http, admin)),
        Kind::BinanceUsdM => Arc::new(UsdM::new(http, admin)),
        Kind::Bybit => Arc::new(Bybit::new(http.clone(), admin.unwrap_or(http))),
        Kind::Okx => Arc::new(Okx::new(http, is_test)),
        Kind::KrakenSpot => Arc::new(KrakenSpot::new(http)),
        Kind::KrakenFutures => Arc::new(KrakenFutures::new(http)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_register_find_their_venue_and_strangers_find_none() {
        let venues = Venues::open(Clock::from_fn(Default::default), &Places::At(Url::parse("http://127.0.0.1:1").unwrap())).unwrap();
        let kind = |name: &str, environment| venues.venue_for(name, environment).map(|venue| venue.kind());
        assert_eq!(kind("Binance", Environment::Live), Some(Kind::BinanceSpot));
        assert_eq!(kind("binance USD-M", Environment::Test), Some(Kind::BinanceUsdM));
        assert_eq!(kind("kraken futures", Environment::Live), Some(Kind::KrakenFutures));
        assert_eq!(kind("OKX", Environment::Test), Some(Kind::Okx));
        assert_eq!(kind("kraken", Environment::Test), None, "it has no test environment");
        assert_eq!(kind("bybit-demo", Environment::Live), None);
        for stranger in ["coinbase", "", "binance2", "krakenx", "okx live"] {
            assert_eq!(kind(stranger, Environment::Live), None, "{stranger}");
        }
        for kind in Kind::ALL {
            assert!(venues.venue_for(kind.as_str(), Environment::Live).is_some_and(|venue| venue.kind() == *kind), "{kind}");
        }
    }

    #[test]
    fn no_key_goes_over_plain_http_to_another_machine() {
        let elsewhere = Places::At(Url::parse("http://192.0.2.1").unwrap());
        let opened = Venues::open(Clock::from_fn(Default::default), &elsewhere);
        assert!(matches!(opened, Err(SetUpError::Address(_) | SetUpError::Tls(_))), "{opened:?}");
    }

    #[test]
    fn only_environments_that_measure_keys_say_so() {
        let venues = Venues::open(Clock::from_fn(Default::default), &Places::At(Url::parse("http://127.0.0.1:1").unwrap())).unwrap();
        let measures = |name, environment| venues.venue_for(name, environment).unwrap().capability().measures_keys;
        assert!(!measures("binance", Environment::Test) && !measures("binance-usdm", Environment::Test), "the testnet has no /sapi");
        assert!(measures("binance", Environment::Live) && measures("bybit", Environment::Test));
    }
}
