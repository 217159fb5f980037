//! Holds: latched stops. A hold lasts until a person releases it, and covers whatever its scope covers, bots enrolled later included.

use super::{
    BotFacts, BotId, Epoch, HoldId, PressId, SubaccountId, Symbol, TeamId, Timestamp, UserId, VenueId,
    text::{self, text_enum},
};
use std::borrow::Cow;

text_enum! {
    /// How strict a hold is; later is stricter.
    Level {
        /// Add nothing; entry orders cancelled; closing and protective orders go on. Ends with its release.
        Reduce = "reduce",
        /// The same, and latched: it needs a release and a start.
        Pause = "pause",
        /// Nothing at all; every order cancelled, keys dropped.
        Kill = "kill",
    }
}

impl Level {
    /// True when a bot needs a start after it.
    pub fn latches(self) -> bool {
        self >= Self::Pause
    }
}

/// What a hold covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every bot, those of tomorrow too.
    Fleet,
    /// Every bot of a team.
    Team(TeamId),
    /// Every bot at a venue.
    Venue(VenueId),
    /// Whichever bot has a subaccount.
    Subaccount(SubaccountId),
    /// Every bot that runs a strategy, by its name.
    Strategy(String),
    /// One bot.
    Bot(BotId),
    /// One symbol, everywhere or at one venue: every bot there adds nothing in it and goes on elsewhere.
    Symbol(Symbol, Option<VenueId>),
}

impl Scope {
    /// The words of the kinds, as forms, programs and the database write them.
    pub const KINDS: &'static [&'static str] = &["fleet", "team", "venue", "subaccount", "strategy", "bot", "symbol"];

    /// The word for the kind of scope.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Team(_) => "team",
            Self::Venue(_) => "venue",
            Self::Subaccount(_) => "subaccount",
            Self::Strategy(_) => "strategy",
            Self::Bot(_) => "bot",
            Self::Symbol(..) => "symbol",
        }
    }
    /// The id within the kind: empty for the fleet, the name of a strategy, `SYMBOL` or `SYMBOL@VENUE-ID` for a symbol.
    pub fn id(&self) -> Cow<'_, str> {
        match self {
            Self::Fleet => "".into(),
            Self::Team(team) => team.as_str().into(),
            Self::Venue(venue) => venue.as_str().into(),
            Self::Subaccount(subaccount) => subaccount.as_str().into(),
            Self::Strategy(name) => name.into(),
            Self::Bot(bot) => bot.as_str().into(),
            Self::Symbol(symbol, None) => symbol.as_str().into(),
            Self::Symbol(symbol, Some(venue)) => format!("{symbol}@{venue}").into(),
        }
    }
    /// Reads the two columns, or the two form fields, back.
    pub fn from_parts(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "fleet" => Some(Self::Fleet),
            "team" => TeamId::parse(id).ok().map(Self::Team),
            "venue" => VenueId::parse(id).ok().map(Self::Venue),
            "subaccount" => SubaccountId::parse(id).ok().map(Self::Subaccount),
            "strategy" => text::name(id).ok().map(Self::Strategy),
            "bot" => BotId::parse(id).ok().map(Self::Bot),
            "symbol" => {
                let (symbol, venue) = id.split_once('@').map_or((id, None), |(symbol, venue)| (symbol, Some(venue)));
                let venue = venue.map(VenueId::parse).transpose().ok()?;
                Symbol::parse(symbol).ok().map(|symbol| Self::Symbol(symbol, venue))
            }
            _ => None,
        }
    }
    /// Both parts as one text: `fleet`, `team:ID`.
    pub fn in_one(&self) -> String {
        if *self == Self::Fleet { self.kind().to_owned() } else { format!("{}:{}", self.kind(), self.id()) }
    }
    /// Reads that text back.
    pub fn from_one(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        Self::from_parts(kind, id)
    }
    /// True when the scope takes this bot in now.
    pub fn covers(&self, bot: &BotFacts) -> bool {
        let at = |id: &VenueId| bot.seat.as_ref().is_some_and(|seat| seat.venue == *id);
        match self {
            Self::Fleet | Self::Symbol(_, None) => true,
            Self::Team(team) => *team == bot.team,
            Self::Venue(venue) | Self::Symbol(_, Some(venue)) => at(venue),
            Self::Subaccount(subaccount) => bot.seat.as_ref().is_some_and(|seat| seat.subaccount == *subaccount),
            Self::Strategy(name) => *name == bot.strategy,
            Self::Bot(id) => *id == bot.id,
        }
    }
    /// True for a symbol: what is held is one thing that is traded, not what the bots do elsewhere.
    pub fn is_symbol(&self) -> bool {
        matches!(self, Self::Symbol(..))
    }
    /// True when whatever this scope takes in, by these facts of the other one, is taken in by it as well: it holds the whole of it already.
    pub fn includes(&self, other: &Self, bot: Option<&BotFacts>) -> bool {
        match (self, other) {
            (held, pressed) if held == pressed => true,
            (Self::Symbol(held, None), Self::Symbol(pressed, _)) => held == pressed,
            // Whoever holds one symbol alone holds nothing else.
            (Self::Symbol(..), _) => false,
            (Self::Fleet, _) => true,
            (Self::Venue(venue), Self::Symbol(_, Some(at))) => venue == at,
            (held, Self::Bot(_)) => bot.is_some_and(|bot| held.covers(bot)),
            _ => false,
        }
    }
}

text_enum! {
    /// What kind of thing placed a hold.
    PlacerKind {
        /// A person in a browser.
        User = "user",
        /// A person's stop device.
        Device = "device",
        /// An API token.
        Token = "token",
        /// A rule.
        Trigger = "trigger",
        /// The agent, for its own bot.
        Agent = "agent",
        /// The command line on the server's host.
        Host = "host",
    }
}

/// Who placed a hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PlacedBy {
    /// What kind of thing it was.
    pub kind: PlacerKind,
    /// Its id; for the host the operating system's user.
    pub id: String,
    /// Its name as shown.
    pub name: String,
    /// True when the person held `risk` at the press: their holds need a `risk` to release.
    #[serde(default)]
    pub as_risk: bool,
}

impl PlacedBy {
    /// As the log names it: kind and name.
    pub fn words(&self) -> String {
        format!("{}: {}", self.kind, self.name)
    }
}

/// The end of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The epoch it took.
    pub epoch: Epoch,
    /// When.
    pub at: Timestamp,
    /// The person who asked for it.
    pub by: UserId,
    /// The reason given.
    pub why: String,
}

/// The reason that makes a hold a drill.
pub const DRILL: &str = "drill";

/// A latched stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Made by whoever took the press, also without a database.
    pub id: HoldId,
    /// What it covers.
    pub scope: Scope,
    /// How strict it is.
    pub level: Level,
    /// The reason, possibly empty.
    pub why: String,
    /// Who placed it.
    pub placed_by: PlacedBy,
    /// When it was pressed, by the server's clock.
    pub at: Timestamp,
    /// The epoch it took; for a hold that no database has yet, one more than the highest known.
    pub epoch: Epoch,
    /// Its end.
    pub released: Option<Release>,
    /// It was recorded after it had been pushed.
    pub late: bool,
    /// The same press sent again has the same key.
    pub idempotency_key: String,
    /// The id an agent carried it under, when it was imported from one.
    pub origin: Option<String>,
    /// Position of its entry in the audit log; none while the log could not take it.
    pub entry: Option<i64>,
    /// It may not be released before this moment; none: at any.
    pub not_before: Option<Timestamp>,
    /// The press that placed it together with others; none: it alone.
    pub press: Option<PressId>,
}

impl Hold {
    /// True until a person has released it.
    pub fn is_open(&self) -> bool {
        self.released.is_none()
    }
    /// True for a drill: a real hold like any other, placed to measure how long the stop takes.
    pub fn is_drill(&self) -> bool {
        self.latches() && self.why.trim().eq_ignore_ascii_case(DRILL)
    }
    /// True when every bot under it must have been started after it: a latching level, and not of one symbol alone.
    pub fn latches(&self) -> bool {
        self.level.latches() && !self.scope.is_symbol()
    }
    /// The latest epoch at which it changed: placing, or release.
    pub fn touched(&self) -> Epoch {
        self.released.as_ref().map_or(self.epoch, |r| r.epoch.max(self.epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Seat, samples};

    fn every(venue: &VenueId) -> Vec<Scope> {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        vec![
            Scope::Fleet,
            Scope::Team(TeamId::new()),
            Scope::Venue(venue.clone()),
            Scope::Subaccount(SubaccountId::new()),
            Scope::Strategy("market making".into()),
            Scope::Bot(BotId::new()),
            Scope::Symbol(symbol.clone(), None),
            Scope::Symbol(symbol, Some(venue.clone())),
        ]
    }

    #[test]
    fn a_scope_reads_back_what_it_writes() {
        for scope in every(&VenueId::new()) {
            assert!(Scope::KINDS.contains(&scope.kind()));
            assert_eq!(Scope::from_parts(scope.kind(), &scope.id()), Some(scope.clone()));
            assert_eq!(Scope::from_one(&scope.in_one()), Some(scope));
        }
        for bad in ["team:", "venue:binance", "symbol:BTC USDT", "symbol:BTC/USDT@nowhere", "strategy:", "planet:x"] {
            assert_eq!(Scope::from_one(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_seat_is_covered_by_its_venue_and_its_subaccount() {
        let seat = Seat { subaccount: SubaccountId::new(), venue: VenueId::new() };
        let bot = BotFacts { seat: Some(seat.clone()), ..samples::bot() };
        assert!(Scope::Venue(seat.venue.clone()).covers(&bot) && Scope::Subaccount(seat.subaccount.clone()).covers(&bot));
        let elsewhere = samples::bot();
        assert!(!Scope::Venue(seat.venue.clone()).covers(&elsewhere) && !Scope::Subaccount(seat.subaccount).covers(&elsewhere));
        let symbol = Symbol::parse("ETH/USDT").unwrap();
        assert!(Scope::Symbol(symbol.clone(), Some(seat.venue.clone())).covers(&bot) && Scope::Symbol(symbol, None).covers(&elsewhere));
    }

    #[test]
    fn a_hold_on_one_symbol_stands_for_no_other_stop() {
        let venue = VenueId::new();
        let [btc, eth] = ["BTC/USDT", "ETH/USDT"].map(|text| Symbol::parse(text).unwrap());
        let (everywhere, there) = (Scope::Symbol(btc.clone(), None), Scope::Symbol(btc, Some(venue.clone())));
        assert!(everywhere.includes(&there, None) && !there.includes(&everywhere, None));
        assert!(!everywhere.includes(&Scope::Symbol(eth, None), None) && !everywhere.includes(&Scope::Fleet, None));
        let bot = samples::bot();
        assert!(!everywhere.includes(&Scope::Bot(bot.id.clone()), Some(&bot)));
        assert!(Scope::Fleet.includes(&everywhere, None) && Scope::Venue(venue).includes(&there, None));
        let strategy = Scope::Strategy(bot.strategy.clone());
        assert!(strategy.includes(&Scope::Bot(bot.id.clone()), Some(&bot)) && !strategy.includes(&Scope::Team(bot.team.clone()), None));
    }
}
