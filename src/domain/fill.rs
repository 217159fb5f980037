//! Fills: what of a bot's orders was carried out at its venue, as its agent reports it, and the sums of them. Pure: told, checked, summed.
//! Amounts are exact; the first word about an id stands.

use super::{Decimal, Exact, Stage, Symbol, Timestamp, text::text_enum, time::DAY_MS};
use std::collections::{BTreeMap, HashSet};

/// The most fills that are told at once.
pub const MOST: usize = 256;
/// The longest id, characters.
const ID: usize = 128;
/// The longest name of a currency, characters.
const CURRENCY: usize = 24;
/// Amounts have at most so many digits before the point, so that no sum of them is ever cut.
const BELOW: u64 = 1_000_000_000_000_000;
/// 2009-01-03: nothing was traded before it.
const FIRST: Timestamp = Timestamp(1_230_940_800_000_000);

text_enum! {
    /// Which way.
    Side {
        /// The bot bought.
        Buy = "buy",
        /// The bot sold.
        Sell = "sell",
    }
}

/// A fill as somebody tells it, before anything is checked.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its id, the venue's or the bot's own; one of this bot is one fill for ever.
    pub id: &'a str,
    /// The order, as the venue calls it.
    pub order_id: Option<&'a str>,
    /// The order, as the bot calls it.
    pub client_order_id: Option<&'a str>,
    /// When it was filled, by the venue.
    pub at: Timestamp,
    /// `BTC/USDT`.
    pub symbol: &'a str,
    /// `buy` or `sell`.
    pub side: &'a str,
    /// How much.
    pub quantity: &'a str,
    /// At which price.
    pub price: &'a str,
    /// What it cost; negative: what was given for it.
    pub fee: Option<&'a str>,
    /// In which currency.
    pub fee_currency: Option<&'a str>,
    /// The order rested before; absent: not known.
    pub maker: Option<bool>,
}

/// A field that cannot be taken, and why, to be read after its name.
pub type BadField = (&'static str, String);

/// A fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// Its id within its bot.
    pub id: String,
    /// The order, as the venue calls it.
    pub order_id: Option<String>,
    /// The order, as the bot calls it.
    pub client_order_id: Option<String>,
    /// When it was filled, by the venue.
    pub at: Timestamp,
    /// What was traded.
    pub symbol: Symbol,
    /// Which way.
    pub side: Side,
    /// How much.
    pub quantity: Decimal,
    /// At which price.
    pub price: Decimal,
    /// What it cost; none: not known.
    pub fee: Option<Decimal>,
    /// In which currency.
    pub fee_currency: Option<String>,
    /// The order rested before; none: not known.
    pub maker: Option<bool>,
}

/// A fill as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFill {
    /// The fill.
    pub fill: Fill,
    /// When the server heard of it first.
    pub heard_at: Timestamp,
    /// The bot's stage then.
    pub stage: Stage,
}

fn printable(field: &'static str, text: &str, most: usize) -> Result<String, BadField> {
    let fits = (1..=most).contains(&text.chars().count()) && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text;
    if fits { Ok(text.to_owned()) } else { Err((field, format!("must be 1 to {most} printable characters"))) }
}

fn amount(field: &'static str, text: &str, must: &str) -> Result<Decimal, BadField> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.trim_end() == text;
    let number = Decimal::parse(text).filter(|number| plain && number.abs() < Decimal::whole(BELOW));
    number.ok_or_else(|| (field, format!("must be {must}, as 12.5, with at most 15 digits before the point and 18 behind it")))
}

fn positive(field: &'static str, text: &str) -> Result<Decimal, BadField> {
    const MUST: &str = "a positive decimal number";
    let number = amount(field, text, MUST)?;
    if number > Decimal::default() { Ok(number) } else { Err((field, format!("must be {MUST}"))) }
}

impl Fill {
    /// Checks what was told. `now` is the clock of whoever checks.
    ///
    /// # Errors
    /// The first field that cannot be taken.
    pub fn read(told: &Told<'_>, now: Timestamp) -> Result<Self, BadField> {
        if told.at < FIRST || told.at > now.plus_ms(DAY_MS) {
            return Err(("at", "must be a time from 2009 on and not more than a day ahead".to_owned()));
        }
        let other = |field, text: Option<&str>| text.map(|text| printable(field, text, ID)).transpose();
        let fill = Self {
            id: printable("id", told.id, ID)?,
            order_id: other("order_id", told.order_id)?,
            client_order_id: other("client_order_id", told.client_order_id)?,
            at: told.at,
            symbol: Symbol::parse(told.symbol).map_err(|error| ("symbol", error.to_string()))?,
            side: told.side.parse().map_err(|_| ("side", "must be buy or sell".to_owned()))?,
            quantity: positive("quantity", told.quantity)?,
            price: positive("price", told.price)?,
            fee: told.fee.map(|fee| amount("fee", fee, "a decimal number")).transpose()?,
            fee_currency: told.fee_currency.map(|text| printable("fee_currency", text, CURRENCY)).transpose()?,
            maker: told.maker,
        };
        if fill.fee.is_some() && fill.fee_currency.is_none() {
            return Err(("fee_currency", "is needed beside a fee".to_owned()));
        }
        Ok(fill)
    }

    /// Price times quantity.
    pub fn notional(&self) -> Exact {
        // Neither is so large that it could fail.
        Exact::product(self.quantity, self.price).unwrap_or_default()
    }

    /// What is traded and what it is paid in, from `BASE/QUOTE`; what follows a colon says in what a future is settled. The second is empty for
    /// a symbol that does not tell.
    pub fn currencies(&self) -> (&str, &str) {
        let symbol = self.symbol.as_str();
        let pair = symbol.split_once(':').map_or(symbol, |(pair, _)| pair);
        pair.split_once('/').unwrap_or((pair, ""))
    }
}

/// The first of every id, in the order in which they were told.
pub fn first_of_each(fills: Vec<Fill>) -> Vec<Fill> {
    let mut ids = HashSet::with_capacity(fills.len());
    fills.into_iter().filter(|fill| ids.insert(fill.id.clone())).collect()
}

/// What some fills come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FillSum {
    /// How many.
    pub count: u64,
    /// Of which bought.
    pub buys: u64,
    /// Of which sold.
    pub sells: u64,
    /// How much was traded, bought and sold together, by the currency that is traded.
    pub quantity: BTreeMap<String, Exact>,
    /// Price times quantity, bought and sold together, by the currency that it is paid in; under an empty name, of symbols that do not tell one.
    pub notional: BTreeMap<String, Exact>,
    /// What they cost, by currency; below zero: what was given for them.
    pub fees: BTreeMap<String, Exact>,
    /// How many do not tell what they cost.
    pub without_fee: u64,
    /// How many are known to have rested before.
    pub makers: u64,
    /// How many are known not to have.
    pub takers: u64,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last of them.
    pub last: Option<Timestamp>,
}

fn add(sums: &mut BTreeMap<String, Exact>, currency: &str, amount: Exact) {
    match sums.get_mut(currency) {
        Some(sum) => *sum = sum.plus(amount),
        None => drop(sums.insert(currency.to_owned(), amount)),
    }
}

impl FillSum {
    /// Which share of those that tell rested before; none when none tells.
    pub fn maker_share(&self) -> Option<Decimal> {
        Decimal::share(self.makers, self.makers + self.takers)
    }

    fn add(&mut self, fill: &Fill) {
        let (base, quote) = fill.currencies();
        self.count += 1;
        match fill.side {
            Side::Buy => self.buys += 1,
            Side::Sell => self.sells += 1,
        }
        add(&mut self.quantity, base, fill.quantity.into());
        add(&mut self.notional, quote, fill.notional());
        match (fill.fee, &fill.fee_currency) {
            (Some(fee), Some(currency)) => add(&mut self.fees, currency, fee.into()),
            _ => self.without_fee += 1,
        }
        match fill.maker {
            Some(true) => self.makers += 1,
            Some(false) => self.takers += 1,
            None => {}
        }
        self.first = Some(self.first.map_or(fill.at, |first| first.min(fill.at)));
        self.last = self.last.max(Some(fill.at));
    }
}

/// What a bot's fills of some time come to: evidence of what it did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FillSums {
    /// All together.
    pub all: FillSum,
    /// By symbol.
    pub symbols: BTreeMap<String, FillSum>,
    /// How many were heard of in each stage of the bot.
    pub stages: BTreeMap<Stage, u64>,
    /// There are older ones in that time which are not in it: only the newest were summed.
    pub is_cut: bool,
}

impl FillSums {
    /// Adds one.
    pub fn add(&mut self, kept: &KeptFill) {
        self.all.add(&kept.fill);
        match self.symbols.get_mut(kept.fill.symbol.as_str()) {
            Some(sum) => sum.add(&kept.fill),
            None => self.symbols.entry(kept.fill.symbol.to_string()).or_default().add(&kept.fill),
        }
        *self.stages.entry(kept.stage).or_default() += 1;
    }
}

impl<'a> FromIterator<&'a KeptFill> for FillSums {
    fn from_iter<I: IntoIterator<Item = &'a KeptFill>>(fills: I) -> Self {
        let mut sums = Self::default();
        fills.into_iter().for_each(|kept| sums.add(kept));
        sums
    }
}

#[cfg(test)]
mod tests;
