//! The comparison itself, pure: two sides, each saying what it knows as ranges, and what both cannot mean at once. It knows no venue and no agent.
//! What a side does not say is compared with nothing.

use crate::domain::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// How many, as far as a side can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

impl Count {
    /// Exactly so many.
    pub fn exactly(n: u64) -> Self {
        Self { least: n, most: n }
    }
    /// Either of two, or what lies between.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
    /// The same while so many may have come or gone.
    #[must_use]
    pub fn within(self, moved: u64) -> Self {
        Self { least: self.least.saturating_sub(moved), most: self.most.saturating_add(moved) }
    }
    fn agrees(self, other: Self) -> bool {
        self.least <= other.most && other.least <= self.most
    }
}

/// What is held in one symbol, below zero when short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// From, to.
    Between(Decimal, Decimal),
    /// Long, in a unit that the other side does not count in.
    Long,
    /// Short, in such a unit.
    Short,
    /// It cannot be told: it agrees with everything.
    Unknown,
}

impl Held {
    /// Exactly so much.
    pub fn exactly(quantity: Decimal) -> Self {
        Self::Between(quantity, quantity)
    }
    /// Nothing.
    pub fn nothing() -> Self {
        Self::exactly(Decimal::default())
    }
    /// Either of two, or what lies between.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Between(a, b), Self::Between(c, d)) => Self::Between(a.min(c), b.max(d)),
            (one, other) if one == other => one,
            _ => Self::Unknown,
        }
    }
    /// Both together: two sides of a hedge, or several lots.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Between(a, b), Self::Between(c, d)) => Self::Between(a.plus(c), b.plus(d)),
            (one, other) if one == other => one,
            _ => Self::Unknown,
        }
    }
    /// The least and the most, with what rounding and fees may take.
    fn loosely(self) -> (Decimal, Decimal) {
        match self {
            Self::Between(from, to) => (from.minus(slack(from)), to.plus(slack(to))),
            Self::Long => (SMALLEST, Decimal::whole(u64::MAX)),
            Self::Short => (Decimal::default().minus(Decimal::whole(u64::MAX)), Decimal::default().minus(SMALLEST)),
            Self::Unknown => (Decimal::default().minus(Decimal::whole(u64::MAX)), Decimal::whole(u64::MAX)),
        }
    }
    fn agrees(self, other: Self) -> bool {
        let ((a, b), (c, d)) = (self.loosely(), other.loosely());
        a <= d && c <= b
    }
    fn is_nothing(self) -> bool {
        self.agrees(Self::nothing())
    }
}

/// The smallest quantity that is something.
const SMALLEST: Decimal = Decimal::SMALLEST;

/// One part in 256: what rounding and fees taken in kind come to.
fn slack(quantity: Decimal) -> Decimal {
    (0..8).fold(quantity.abs(), |quantity, _| quantity.half())
}

/// One side, as far as it says something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// Orders that rest.
    pub orders: Option<Count>,
    /// Of which would open or add.
    pub entries: Option<Count>,
    /// What is held, by the one spelling of each symbol. What is not named is nothing.
    pub positions: Option<BTreeMap<String, Held>>,
    /// Positions that are held and not named.
    pub unnamed: u64,
    /// Currencies in hand, which cover what the other side holds long of them where there are no positions by nature. None: not known.
    pub in_hand: Option<BTreeMap<String, Decimal>>,
    /// What each named symbol is of: the currency that would be in hand.
    pub bases: BTreeMap<String, String>,
    /// How much of one currency the side counts on.
    pub cash: Option<(String, Decimal)>,
}

/// Something that both sides cannot mean at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// The number of orders.
    Orders,
    /// The number of orders that would open or add.
    Entries,
    /// A symbol.
    Position(String),
    /// The number of positions that one side has besides those that the other names.
    Unnamed,
    /// A currency of which one side counts on more than the other has in hand.
    Cash(String),
}

/// Everything in which two sides differ. The same whichever comes first.
pub fn gaps(one: &Side, other: &Side) -> BTreeSet<Gap> {
    let mut gaps = BTreeSet::new();
    let differ = |a: Option<Count>, b: Option<Count>| a.zip(b).is_some_and(|(a, b)| !a.agrees(b));
    if differ(one.orders, other.orders) {
        gaps.insert(Gap::Orders);
    } else if differ(one.entries, other.entries) {
        gaps.insert(Gap::Entries);
    }
    if let (Some(ours), Some(theirs)) = (&one.positions, &other.positions) {
        gaps.extend(positions((one, ours), (other, theirs)));
    }
    gaps.extend(short_of(one, other).into_iter().chain(short_of(other, one)));
    gaps
}

type Positions<'a> = (&'a Side, &'a BTreeMap<String, Held>);

fn positions(one: Positions<'_>, other: Positions<'_>) -> BTreeSet<Gap> {
    let mut gaps = BTreeSet::new();
    let (mut only_one, mut only_other) = (Vec::new(), Vec::new());
    for symbol in one.1.keys().chain(other.1.keys()).collect::<BTreeSet<_>>() {
        match (one.1.get(symbol), other.1.get(symbol)) {
            (Some(a), Some(b)) if !a.agrees(*b) => {
                gaps.insert(Gap::Position(symbol.clone()));
            }
            (Some(held), None) if !held.is_nothing() && !covers(other.0, one.0, symbol, *held) => only_one.push(symbol),
            (None, Some(held)) if !held.is_nothing() && !covers(one.0, other.0, symbol, *held) => only_other.push(symbol),
            _ => {}
        }
    }
    // What a side sums up may be any of those that only the other names; it cannot be more or fewer of them.
    for (missing, side) in [(only_one, other.0), (only_other, one.0)] {
        match (missing.len() as u64, side.unnamed) {
            (n, 0) if n > 0 => gaps.extend(missing.into_iter().cloned().map(Gap::Position)),
            (n, unnamed) if n > unnamed => {
                gaps.insert(Gap::Unnamed);
            }
            _ => {}
        }
    }
    gaps
}

/// True when a side has in hand what the other holds long of a symbol.
fn covers(side: &Side, of: &Side, symbol: &str, held: Held) -> bool {
    let in_hand = of.bases.get(symbol).zip(side.in_hand.as_ref()).and_then(|(base, in_hand)| in_hand.get(base));
    in_hand.is_some_and(|in_hand| held != Held::Short && held.agrees(Held::Between(SMALLEST, *in_hand)))
}

/// A currency of which a side counts on more than the other has in hand. One that the other does not have at all, and has others, may be what
/// amounts are reckoned in: `USD` where there is `USDT`.
fn short_of(one: &Side, other: &Side) -> Option<Gap> {
    let ((currency, counts_on), has) = one.cash.as_ref().zip(other.in_hand.as_ref())?;
    let in_hand = match has.get(currency) {
        Some(in_hand) => *in_hand,
        None if has.is_empty() => Decimal::default(),
        None => return None,
    };
    (counts_on.minus(slack(*counts_on)) > in_hand).then(|| Gap::Cash(currency.clone()))
}

#[cfg(test)]
mod tests;
