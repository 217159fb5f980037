//! Going live: what is approved when a bot goes up a stage, bound as a whole, and how what runs is told from it. Pure: who looks is `app/golive`.
//!
//! A dossier is made only of a list in which nothing is open. Its digest covers everything in it, so that no approval outlives a change of any of
//! it; the run that is approved is that dossier with the limits it was made over, and every check-in is compared with it.

use super::{
    BotFacts, Exits, KeyId, KeyPurpose, MarkId, RequestId, Stage, SubaccountId, Timestamp, UserId,
    checklist::{Caps, Item, Template},
    emergency::Emergency,
    limits::tree,
    request::Place,
    text::text_enum,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

text_enum! {
    /// What becomes of a bot that is no longer what was approved.
    OnDrift {
        /// It adds nothing. Not for another build or configuration: those stop it whatever is chosen.
        Reduce = "reduce",
        /// It is paused.
        Pause = "pause",
    }
}

impl OnDrift {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Reduce => "it adds nothing; another build or configuration pauses it",
            Self::Pause => "it is paused",
        }
    }
}

/// What somebody said of an item, or put down for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which.
    pub id: MarkId,
    /// The item's name.
    pub item: String,
    /// Who answers for it.
    pub by: UserId,
    /// Since when.
    pub at: Timestamp,
    /// Until when it proves anything.
    pub until: Timestamp,
    /// What they said.
    pub said: String,
    /// Where it can be looked at.
    pub link: Option<String>,
    /// SHA-256 of the files, hex, in order.
    pub files: Vec<String>,
    /// What the bot ran when it was said.
    pub ran: Option<Ran>,
}

/// A build and its configuration, by their digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Ran {
    /// The build.
    pub build: String,
    /// The configuration.
    pub config: String,
}

/// An item as it was shown to be so.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shown {
    /// The item's name.
    pub item: String,
    /// What was measured, or said.
    pub said: String,
    /// Who answers for it; none: the system measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// The mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkId>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// SHA-256 of the files, hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl Shown {
    // Somebody's word is that very word; what was measured is so or it is not.
    fn is_as(&self, other: &Self) -> bool {
        if self.by.is_none() { self.item == other.item && other.by.is_none() } else { self == other }
    }
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is so.
    Done(Shown),
    /// It is not, or nobody knows: what is missing.
    Open(String),
    /// It was so, and its time is over.
    Expired(Shown),
}

/// An item of a list, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Which.
    pub item: Item,
    /// How it stands.
    pub standing: Standing,
}

/// The longest words of an item that stand in what is approved.
const WORDS: usize = 240;

/// Long words by their beginning and their SHA-256: what is approved fits into one entry of the log, and binds every letter.
fn in_short(said: String) -> String {
    if said.chars().count() <= WORDS {
        return said;
    }
    let digest = data_encoding::HEXLOWER.encode(&super::act::digest(said.as_bytes()));
    let begin: String = said.chars().take(WORDS - 80).collect();
    format!("{begin}… (SHA-256 of the whole: {digest})")
}

/// A change at a bot's exchange: what was tested before it is to be tested again (RTS 6 article 5(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueChange {
    /// The exchange, by the venue's name.
    pub venue: String,
    /// What changed.
    pub what: String,
    /// When somebody wrote it down.
    pub at: Timestamp,
}

/// How an item stands that people answer for, by what was said of it. The newest word counts.
pub fn answered(item: &Item, marks: &[Mark], (runs, changed): (Option<&Ran>, Option<&VenueChange>), now: Timestamp) -> Standing {
    let newest = marks.iter().filter(|mark| mark.item == item.name).max_by_key(|mark| (mark.at, mark.id.as_str().to_owned()));
    let Some(mark) = newest else { return Standing::Open("nobody has answered for it".to_owned()) };
    if item.of_build && (runs.is_none() || mark.ran.as_ref() != runs) {
        return Standing::Open("it was answered for another build or configuration than runs now".to_owned());
    }
    if let Some(change) = changed.filter(|change| item.of_build && mark.at <= change.at) {
        return Standing::Open(format!("it was answered before {} changed: {}", change.venue, change.what));
    }
    let said = match &mark.link {
        Some(link) => format!("{} ({link})", mark.said),
        None => mark.said.clone(),
    };
    let said = in_short(said);
    let shown = Shown {
        item: item.name.clone(),
        said,
        by: Some(mark.by.clone()),
        mark: Some(mark.id.clone()),
        until: Some(mark.until),
        files: mark.files.clone(),
    };
    if mark.until > now { Standing::Done(shown) } else { Standing::Expired(shown) }
}

/// A key as it was approved: what it is, not which secret it has, so that replacing one with the same terms is no difference.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeldKey {
    /// The key.
    pub key: KeyId,
    /// When its terms were approved: other terms are another moment.
    pub approved_at: Timestamp,
}

/// What a bot is, and how it behaves while it is stopped. How long it goes on without contact is among its limits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conduct {
    /// Its strategy.
    pub strategy: String,
    /// What it may do while halted.
    pub exits: Exits,
}

impl Conduct {
    /// That of a bot.
    pub fn of(bot: &BotFacts) -> Self {
        Self { strategy: bot.strategy.clone(), exits: bot.exits }
    }
    /// In words.
    pub fn words(&self) -> String {
        format!("strategy {}, exits {}", self.strategy, self.exits)
    }
}

/// What is in force of a bot, as far as anybody approves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// What it runs, as its agent says; none: it does not say all of it.
    pub runs: Option<Ran>,
    /// Where it trades.
    pub place: Option<Place>,
    /// Its keys that are in use, by purpose.
    pub keys: BTreeMap<KeyPurpose, HeldKey>,
    /// How it behaves.
    pub conduct: Conduct,
    /// The version of its limits.
    pub limits_version: i64,
    /// What they are.
    pub limits: Map<String, Value>,
    /// What tells its bot, by the word of its agent; none: it has not said since the server began.
    pub adapter: Option<String>,
    /// The purposes of keys of it that may withdraw.
    pub withdraws: Vec<KeyPurpose>,
}

/// Everything that an approval of a step up binds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dossier {
    /// What it runs.
    #[serde(flatten)]
    pub runs: Ran,
    /// Where its build comes from, as whoever filed it says: an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
    /// Where it trades.
    pub place: Place,
    /// Its keys in use, by purpose.
    pub keys: BTreeMap<KeyPurpose, HeldKey>,
    /// How it behaves.
    pub conduct: Conduct,
    /// What tells it: how it is stopped hangs on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The version of its limits.
    pub limits_version: i64,
    /// The version of the checklist.
    pub checklist: i64,
    /// Every item, in order.
    pub items: Vec<Shown>,
    /// What it may have at stake; of stage limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// What becomes of it when it is no longer so.
    pub on_drift: OnDrift,
}

/// Puts a dossier together, of a list in which everything is so.
///
/// # Errors
/// Every item that is open or expired, with what is missing; and what nobody knows of the bot.
pub fn dossier(list: &Template, checked: &[Checked], force: &InForce, on_drift: OnDrift) -> Result<Dossier, Vec<String>> {
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    for item in &list.items {
        let found = checked.iter().find(|one| one.item == *item).map(|one| &one.standing);
        match found {
            Some(Standing::Done(shown)) => items.push(shown.clone()),
            Some(Standing::Open(why)) => missing.push(format!("{}: {why}", item.words)),
            Some(Standing::Expired(_)) => missing.push(format!("{}: its time is over", item.words)),
            None => missing.push(format!("{}: nobody looked", item.words)),
        }
    }
    let (Some(runs), Some(place)) = (&force.runs, &force.place) else {
        missing.push("its agent does not say what it runs, or it has no subaccount".to_owned());
        return Err(missing);
    };
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(Dossier {
        runs: runs.clone(),
        provenance: None,
        place: place.clone(),
        keys: force.keys.clone(),
        conduct: force.conduct.clone(),
        adapter: force.adapter.clone(),
        limits_version: force.limits_version,
        checklist: list.version,
        items,
        caps: list.caps.clone(),
        on_drift,
    })
}

impl Dossier {
    /// Everybody who answered for an item: none of them approves the whole.
    pub fn signers(&self) -> impl Iterator<Item = &UserId> {
        self.items.iter().filter_map(|item| item.by.as_ref())
    }
    /// The items whose time is over, by what was said of them when this was put together.
    pub fn over(&self, now: Timestamp) -> impl Iterator<Item = &Shown> {
        self.items.iter().filter(move |item| item.until.is_some_and(|until| until <= now))
    }
    /// When the first of its items is over; none: none of them ever is.
    pub fn until(&self) -> Option<Timestamp> {
        self.items.iter().filter_map(|item| item.until).min()
    }
    /// What is not any more as it was when this was put together, in words; empty: nothing. Of what the system measures only that it is so counts:
    /// the words that it found then name drills and moments, and another drill is no other bot.
    pub fn changes_to(&self, now: &Self) -> Vec<String> {
        let mut all = Vec::new();
        let mut note = |is_same: bool, what: &str| {
            if !is_same {
                all.push(what.to_owned());
            }
        };
        note(self.runs == now.runs, "what it runs");
        note(self.provenance == now.provenance, "where its build comes from");
        note(self.place == now.place, "its subaccount");
        note(self.keys == now.keys, "its keys");
        note(self.conduct == now.conduct, "its strategy or exits");
        note(self.adapter == now.adapter, "what tells the bot");
        note(self.limits_version == now.limits_version, "its limits");
        note(self.checklist == now.checklist && self.caps == now.caps, "the checklist");
        for item in &self.items {
            note(now.items.iter().any(|other| item.is_as(other)), &format!("the item {}", item.item));
        }
        note(self.items.len() == now.items.len(), "the number of items");
        note(self.on_drift == now.on_drift, "what becomes of it when it differs");
        all
    }
}

/// What was approved of a bot, in force since its step up was carried out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApprovedRun {
    /// The request.
    pub request: RequestId,
    /// SHA-256 of what was approved, hex.
    pub digest: String,
    /// The stage that it was approved for.
    pub stage: Stage,
    /// What was approved.
    pub dossier: Dossier,
    /// The limits that it was approved with, or that were approved since.
    pub limits: Map<String, Value>,
    /// Since when.
    pub since: Timestamp,
    /// Until when it may stay in its stage; none: as long as all is so.
    pub until: Option<Timestamp>,
    /// What else two people let it run, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Emergency>,
}

/// Something that is not as it was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: String,
    /// As approved.
    pub approved: String,
    /// As it is.
    pub now: String,
    /// It pauses the bot whatever was chosen.
    pub is_grave: bool,
}

impl Difference {
    fn new(what: impl Into<String>, approved: impl Into<String>, now: impl Into<String>) -> Self {
        Self { what: what.into(), approved: approved.into(), now: now.into(), is_grave: false }
    }
    fn grave(self) -> Self {
        Self { is_grave: true, ..self }
    }
    /// As one line.
    pub fn words(&self) -> String {
        format!("{}: approved {}, now {}", self.what, self.approved, self.now)
    }
}

/// The start of a digest, enough to be told from another by people.
pub fn short(digest: &str) -> String {
    let (kind, hex) = digest.split_once(':').map_or(("", digest), |(kind, hex)| (kind, hex));
    let hex: String = hex.chars().take(12).collect();
    if kind.is_empty() { format!("{hex}…") } else { format!("{kind}:{hex}…") }
}

impl ApprovedRun {
    /// Every difference between what was approved and what is in force, items of the list aside. Empty: it runs as approved.
    pub fn differences(&self, force: &InForce, now: Timestamp) -> Vec<Difference> {
        let mut all = Vec::new();
        let (approved, dossier) = (self.runs_beside(force.runs.as_ref(), now), &self.dossier);
        match &force.runs {
            None => all.push(Difference::new("What it runs", short(&approved.build), "its agent does not say").grave()),
            Some(runs) => {
                if runs.build != approved.build {
                    all.push(Difference::new("Build", short(&approved.build), short(&runs.build)).grave());
                }
                if runs.config != approved.config {
                    all.push(Difference::new("Configuration", short(&approved.config), short(&runs.config)).grave());
                }
            }
        }
        all.extend(self.emergency_over(force.runs.as_ref(), now));
        let place = |place: Option<&Place>| place.map_or_else(|| "none".to_owned(), |place| place.name.clone());
        let at = |place: Option<&Place>| place.map(|place| place.subaccount.clone());
        if at(Some(&dossier.place)) != at(force.place.as_ref()) {
            all.push(Difference::new("Subaccount", place(Some(&dossier.place)), place(force.place.as_ref())).grave());
        }
        for (purpose, key) in &dossier.keys {
            let what = format!("Key {}", purpose.words());
            match force.keys.get(purpose) {
                None => all.push(Difference::new(what, "in use", "missing")),
                Some(held) if held != key => all.push(Difference::new(what, key.approved_at.plain(), held.approved_at.plain())),
                Some(_) => {}
            }
        }
        if let (Some(approved), Some(tells)) = (&dossier.adapter, &force.adapter)
            && approved != tells
        {
            all.push(Difference::new("What tells the bot", approved, tells).grave());
        }
        for purpose in &force.withdraws {
            all.push(Difference::new(format!("Key {}", purpose.words()), "never withdraws", "may withdraw").grave());
        }
        for purpose in force.keys.keys().filter(|purpose| **purpose == KeyPurpose::Execution && !dossier.keys.contains_key(purpose)) {
            all.push(Difference::new(format!("Key {}", purpose.words()), "none", "in use"));
        }
        if dossier.conduct != force.conduct {
            all.push(Difference::new("Conduct", dossier.conduct.words(), force.conduct.words()).grave());
        }
        // What allows less than was approved is nobody's to fear.
        if tree::is_tighter(&force.limits, &self.limits) {
            let version = format!("version {}", dossier.limits_version);
            all.push(Difference::new("Limits", version, format!("version {}, which allows more", force.limits_version)));
        }
        if let Some(until) = self.until.filter(|until| *until <= now) {
            all.push(Difference::new(format!("Time in stage {}", self.stage), format!("until {}", until.plain()), "over").grave());
        }
        all
    }

    /// The subaccount that was approved.
    pub fn subaccount(&self) -> &SubaccountId {
        &self.dossier.place.subaccount
    }
}

pub mod results;
#[cfg(test)]
mod tests;
