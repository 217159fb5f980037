//! Checklists: what must be so before a bot goes up a stage. A template has items; each is measured by the system, attested by a person with a
//! signature, or backed by evidence. Templates are versioned and changed by request. Pure data: who looks, and where, is `app/golive`.

pub mod shipped;

use super::{Decimal, Stage, text, text::text_enum};
use std::collections::BTreeSet;

text_enum! {
    /// How an item is shown to be so.
    Proof {
        /// The system looks, whenever the list is shown and again when it is carried out.
        Measured = "measured",
        /// A person answers for it by name, signed with their security key.
        Attested = "attested",
        /// Something that can be looked at: a link with a note, or files by their digests.
        Evidence = "evidence",
    }
}

text_enum! {
    /// What the system can look at by itself.
    Measure {
        /// Its agent is confirmed and connected, and says what it runs.
        Agent = "agent",
        /// Every instance of the bot runs the same build and configuration.
        Instances = "instances",
        /// It has a subaccount of a live venue for itself.
        Subaccount = "subaccount",
        /// Its key to trade is proved, in use, and was measured within a day: rights and addresses as approved.
        Key = "key",
        /// No key of it may withdraw.
        NoWithdrawal = "no_withdrawal",
        /// The venue account's safety sheet has no gap and is not due.
        Account = "account",
        /// Every limit is set that the law asks for (RTS 6 article 8).
        Limits = "limits",
        /// The limits stay within what this stage may have.
        Caps = "caps",
        /// Its agent enforces the version of the limits that stands.
        LimitsTaken = "limits_taken",
        /// A stop drill of it passed within 30 days.
        Drill = "drill",
        /// It can be stopped without its agent (ruling H7).
        StopPath = "stop_path",
        /// A person answered an alert within 7 days.
        Alert = "alert",
        /// Two operators and two people who approve can sign in.
        People = "people",
        /// Its owner and deputy are here, and who may start it is listed.
        Accountable = "accountable",
        /// Its agent and its venue agree.
        Reconciled = "reconciled",
        /// It traded in the stage before, for long enough and with fills.
        Record = "record",
    }
}

/// Most items of a template.
pub const ITEMS: usize = 60;
/// The longest that an item proves anything, days.
pub const VALID_MOST_DAYS: u32 = 366;
/// The most currencies of caps.
pub const CURRENCIES: usize = 12;
/// The longest that a bot stays in stage limited, days.
pub const LIMITED_MOST_DAYS: u32 = 180;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Item {
    /// Its name, unique in its list: what marks are kept under.
    pub name: String,
    /// The heading that it stands under.
    pub group: String,
    /// What is to be so, as a sentence.
    pub words: String,
    /// Why it is asked for.
    pub why: String,
    /// How it is shown.
    pub proof: Proof,
    /// What the system looks at; for what is measured, and only for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// For how many days it holds once somebody answered for it. What is measured holds as long as it is so.
    pub valid_days: u32,
    /// It is about the very build and configuration: another one opens it again.
    pub of_build: bool,
}

/// The most that a bot may have at stake in stage limited, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Caps {
    /// The largest position, in the currency of the bot's limits.
    pub position: Decimal,
    /// The currencies that these amounts may be read in: those of about one worth.
    pub currencies: Vec<String>,
    /// The largest loss of a day, likewise.
    pub daily_loss: Decimal,
    /// How many days it may stay.
    pub days: u32,
}

/// The list of one stage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Template {
    /// The stage that it lets a bot into: `limited` or `live`.
    pub stage: Stage,
    /// 0: as shipped.
    pub version: i64,
    /// Its items in order.
    pub items: Vec<Item>,
    /// What a bot may have at stake there; of stage limited, and always of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
}

/// A template that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// Another stage.
    #[error("There are checklists for the stages limited and live")]
    NoStage,
    /// Nothing to check.
    #[error("Name at least one item")]
    Empty,
    /// Too long a list.
    #[error("A checklist has 60 items at most")]
    TooMany,
    /// Two of one name.
    #[error("Two items are called {0}")]
    Twice(String),
    /// A name that is none.
    #[error("{0:?} is no name of an item: use a to z, digits and _, 40 at most")]
    BadName(String),
    /// An item without words or reason.
    #[error("Say what {0} asks for, and why")]
    NoWords(String),
    /// Measured by nothing, or not measured and yet by something.
    #[error("{0} is measured by the system or it is not: say which")]
    Measure(String),
    /// Valid for too long, or for no time.
    #[error("{0} holds for 1 to 366 days")]
    Valid(String),
    /// No caps where there must be, or some where there are none.
    #[error("Stage limited has caps in 1 to 12 currencies, as USDT, for 1 to 180 days; stage live has none")]
    Caps,
    /// What has to be measured of every bot that trades live.
    #[error("The item that measures “{0}” cannot be left out")]
    Missing(&'static str),
}

/// What no list leaves out: without it what was approved could not be compared with what runs, or nobody would answer for it.
const NEVER_LEFT_OUT: [Measure; 8] = [
    Measure::Agent,
    Measure::Instances,
    Measure::Subaccount,
    Measure::Key,
    Measure::NoWithdrawal,
    Measure::Limits,
    Measure::LimitsTaken,
    Measure::Accountable,
];

/// What the list of one stage never leaves out besides.
fn never_left_out(stage: Stage) -> &'static [Measure] {
    match stage {
        Stage::Limited => &[Measure::Caps],
        Stage::Live => &[Measure::StopPath, Measure::Record],
        Stage::Draft | Stage::Sandbox | Stage::Retired => &[],
    }
}

impl Template {
    /// Checks that it can be one.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), BadTemplate> {
        if !matches!(self.stage, Stage::Limited | Stage::Live) {
            return Err(BadTemplate::NoStage);
        }
        if self.items.is_empty() {
            return Err(BadTemplate::Empty);
        }
        if self.items.len() > ITEMS {
            return Err(BadTemplate::TooMany);
        }
        let mut names = BTreeSet::new();
        for item in &self.items {
            item.check()?;
            if !names.insert(item.name.as_str()) {
                return Err(BadTemplate::Twice(item.name.clone()));
            }
        }
        let is_capped = self.caps.as_ref().is_some_and(|caps| {
            let is_some = caps.position > Decimal::whole(0) && caps.daily_loss > Decimal::whole(0);
            (1..=LIMITED_MOST_DAYS).contains(&caps.days) && is_some && caps.names_currencies()
        });
        let is_right = if self.stage == Stage::Limited { is_capped } else { self.caps.is_none() };
        if !is_right {
            return Err(BadTemplate::Caps);
        }
        let measures = |measure: Measure| self.items.iter().any(|item| item.measure == Some(measure));
        let all = NEVER_LEFT_OUT.iter().chain(never_left_out(self.stage));
        match all.copied().find(|measure| !measures(*measure)) {
            Some(missing) => Err(BadTemplate::Missing(missing.as_str())),
            None => Ok(()),
        }
    }

    /// What becomes another when this is replaced: what, as it is, as it is to be, and whether less is asked for by it.
    pub fn changes_to(&self, after: &Self) -> Vec<(String, String, String, bool)> {
        let none = || "not on the list".to_owned();
        let mut all = Vec::new();
        for item in &self.items {
            match after.item(&item.name) {
                None => all.push((item.name.clone(), item.in_words(), none(), true)),
                Some(other) if other != item => {
                    all.push((item.name.clone(), item.in_words(), other.in_words(), item.asks_more_than(other)))
                }
                Some(_) => {}
            }
        }
        let new = after.items.iter().filter(|item| self.item(&item.name).is_none());
        all.extend(new.map(|item| (item.name.clone(), none(), item.in_words(), false)));
        let order = |list: &Self, other: &Self| {
            let kept = list.items.iter().map(|item| item.name.clone()).filter(|name| other.item(name).is_some());
            kept.collect::<Vec<_>>()
        };
        let (was, is) = (order(self, after), order(after, self));
        if was != is {
            all.push(("the order".to_owned(), was.join(", "), is.join(", "), false));
        }
        if self.caps != after.caps {
            let words = |list: &Self| list.caps.as_ref().map_or_else(|| "none".to_owned(), Caps::words);
            let is_more = match (&self.caps, &after.caps) {
                (Some(now), Some(then)) => {
                    let is_new = then.currencies.iter().any(|one| !now.currencies.contains(one));
                    is_new || then.position > now.position || then.daily_loss > now.daily_loss || then.days > now.days
                }
                _ => true,
            };
            all.push(("at most".to_owned(), words(self), words(after), is_more));
        }
        all
    }

    /// One item.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }
}

impl Caps {
    fn names_currencies(&self) -> bool {
        let is_one =
            |name: &String| (2..=12).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        (1..=CURRENCIES).contains(&self.currencies.len()) && self.currencies.iter().all(is_one)
    }
    /// In words.
    pub fn words(&self) -> String {
        let (position, loss) = (self.position.shortest(), self.daily_loss.shortest());
        format!("a position of {position} and a loss of {loss} a day in {}, for {} days", self.currencies.join(" or "), self.days)
    }
}

impl Item {
    fn in_words(&self) -> String {
        let build = if self.of_build { ", of the very build" } else { "" };
        let how = match self.measure {
            Some(measure) => format!("measured: {measure}"),
            None => format!("{}, for {} days{build}", self.proof, self.valid_days),
        };
        format!("{}: {} ({how}). Why: {}", self.group, self.words, self.why)
    }
    // Other words are another item: whoever approves reads both.
    fn asks_more_than(&self, other: &Self) -> bool {
        let proof = |item: &Self| match item.proof {
            Proof::Measured => 2,
            Proof::Attested => 1,
            Proof::Evidence => 0,
        };
        let is_other_measure = self.measure.is_some() && self.measure != other.measure;
        proof(self) > proof(other)
            || is_other_measure
            || self.valid_days < other.valid_days
            || (self.of_build && !other.of_build)
            || self.words != other.words
    }
    fn check(&self) -> Result<(), BadTemplate> {
        let is_name = (1..=40).contains(&self.name.len())
            && self.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let says = |given: &str| !given.trim().is_empty() && text::why(given).is_ok();
        match () {
            () if !is_name => Err(BadTemplate::BadName(self.name.clone())),
            () if !says(&self.words) || !says(&self.why) || !says(&self.group) => Err(BadTemplate::NoWords(self.name.clone())),
            () if (self.proof == Proof::Measured) != self.measure.is_some() => Err(BadTemplate::Measure(self.name.clone())),
            () if !(1..=VALID_MOST_DAYS).contains(&self.valid_days) => Err(BadTemplate::Valid(self.name.clone())),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_and_asks_for_what_the_law_asks_for() {
        for stage in [Stage::Limited, Stage::Live] {
            let list = shipped::template(stage).unwrap();
            assert_eq!((list.check(), list.version), (Ok(()), 0), "{stage}");
            for name in ["rollback_plan", "stress_stacked_orders", "runbook_key_revoked", "stop_drill", "two_operators"] {
                assert!(list.item(name).is_some(), "{stage} lacks {name}");
            }
        }
        assert!(shipped::template(Stage::Sandbox).is_none(), "below limited nobody asks");
    }

    #[test]
    fn what_cannot_be_is_refused_with_why() {
        let list = |change: &dyn Fn(&mut Template)| {
            let mut list = shipped::template(Stage::Limited).unwrap();
            change(&mut list);
            list.check()
        };
        let first = || shipped::template(Stage::Limited).unwrap().items[0].name.clone();
        assert_eq!(list(&|list| list.items.clear()), Err(BadTemplate::Empty));
        assert_eq!(list(&|list| list.stage = Stage::Sandbox), Err(BadTemplate::NoStage));
        assert_eq!(list(&|list| list.caps = None), Err(BadTemplate::Caps));
        assert_eq!(list(&|list| list.caps.as_mut().unwrap().days = 0), Err(BadTemplate::Caps));
        assert_eq!(list(&|list| list.items[0].measure = None), Err(BadTemplate::Measure(first())));
        assert_eq!(list(&|list| list.items[0].valid_days = 0), Err(BadTemplate::Valid(first())));
        assert_eq!(list(&|list| list.items[0].why = " ".into()), Err(BadTemplate::NoWords(first())));
        assert_eq!(list(&|list| list.items[0].name = "A name".into()), Err(BadTemplate::BadName("A name".into())));
        assert_eq!(list(&|list| list.items[1].name = list.items[0].name.clone()), Err(BadTemplate::Twice(first())));
        assert_eq!(list(&|list| list.items.retain(|item| item.measure != Some(Measure::Key))), Err(BadTemplate::Missing("key")));
        assert_eq!(list(&|list| list.items = vec![list.items[0].clone(); ITEMS + 1]), Err(BadTemplate::TooMany));
        let mut live = shipped::template(Stage::Live).unwrap();
        live.caps = shipped::template(Stage::Limited).unwrap().caps;
        assert_eq!(live.check(), Err(BadTemplate::Caps));
    }
}
