//! Holds: latched stops. A hold lasts until a person releases it, and covers whatever its scope covers, bots enrolled later included.

use super::{BotFacts, BotId, Epoch, HoldId, TeamId, Timestamp, UserId, text::text_enum};

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
    /// One bot.
    Bot(BotId),
}

impl Scope {
    /// The word for the kind of scope.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Team(_) => "team",
            Self::Bot(_) => "bot",
        }
    }
    /// The id within the kind; empty for the fleet.
    pub fn id(&self) -> &str {
        match self {
            Self::Fleet => "",
            Self::Team(team) => team.as_str(),
            Self::Bot(bot) => bot.as_str(),
        }
    }
    /// Reads the two columns, or the two form fields, back.
    pub fn from_parts(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "fleet" => Some(Self::Fleet),
            "team" => TeamId::parse(id).ok().map(Self::Team),
            "bot" => BotId::parse(id).ok().map(Self::Bot),
            _ => None,
        }
    }
    /// True when the scope takes this bot in now.
    pub fn covers(&self, bot: &BotFacts) -> bool {
        match self {
            Self::Fleet => true,
            Self::Team(team) => *team == bot.team,
            Self::Bot(id) => *id == bot.id,
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
}

impl Hold {
    /// True until a person has released it.
    pub fn is_open(&self) -> bool {
        self.released.is_none()
    }
    /// True for a drill: a real hold like any other, placed to measure how long the stop takes.
    pub fn is_drill(&self) -> bool {
        self.level.latches() && self.why.trim().eq_ignore_ascii_case(DRILL)
    }
    /// The latest epoch at which it changed: placing, or release.
    pub fn touched(&self) -> Epoch {
        self.released.as_ref().map_or(self.epoch, |r| r.epoch.max(self.epoch))
    }
}
