//! The register of changes, judged: what was changed of what trades live, whether a request that was carried out stands behind it, and whether a bot
//! was active before one did. Pure: entries of the log in their order, with what is stored of the requests that they name, and findings. Both kinds of
//! findings are to be none, or explained. That the log itself is whole is for its verification.

use super::{
    BotId, KeyId, RequestId, RequestKind, RequestState, Stage, Timestamp,
    limits::{Direction, Node, Setting, tree},
    text::text_enum,
};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

text_enum! {
    /// What is wrong.
    FindingKind {
        /// A bot was in a stage that trades live, or was started in it, and no request that was carried out had let it there.
        ActivationBeforeApproval = "activation_before_approval",
        /// What takes a request was changed, and none that was carried out stands behind it.
        ChangeWithoutRequest = "change_without_request",
    }
}

impl FindingKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ActivationBeforeApproval => "Active before it was approved",
            Self::ChangeWithoutRequest => "Changed without a request",
        }
    }
}

/// Something that is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The entry that shows it; none: what stands now shows it, and no entry does.
    pub number: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// Of which bot.
    pub bot: Option<BotId>,
    /// In a sentence without a subject, to be read after the bot's name.
    pub words: String,
}

/// What is stored of a request that an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it asks for.
    pub kind: RequestKind,
    /// What it is about.
    pub target: String,
    /// How it stands.
    pub state: RequestState,
    /// When it was carried out, by the entry of the log; none: no entry says that it was.
    pub carried_out_at: Option<Timestamp>,
}

/// The request that an entry names, and what it must have asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Which; none: the entry names none.
    pub request: Option<RequestId>,
    /// The kinds that would do.
    pub kinds: &'static [RequestKind],
    /// What it must be about.
    pub target: String,
}

/// What two people let run for a while without a request, and what became of its review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewed {
    /// It is not due yet.
    NotDue,
    /// Somebody who did not sign it found it justified.
    Justified,
    /// Somebody found that it was not.
    NotJustified,
    /// Nobody has, and the time for it is over.
    Overdue,
}

/// What an entry says, as far as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A bot was written down: a draft.
    Made(BotId),
    /// A bot went up as was approved, or was approved anew where it is.
    WentUp {
        /// The bot.
        bot: BotId,
        /// Its stage from now on.
        to: Stage,
        /// What must stand behind it.
        behind: Behind,
    },
    /// A bot was moved to another stage by hand.
    StageSet {
        /// The bot.
        bot: BotId,
        /// From which.
        from: Stage,
        /// To which.
        to: Stage,
    },
    /// What was approved of a bot ended, in the stage that it has.
    Unapproved(BotId),
    /// A kill took bots back to draft.
    Killed(Vec<BotId>),
    /// Bots were started.
    Started(Vec<BotId>),
    /// A level of limits was set.
    Limits {
        /// The level, in one text.
        level: String,
        /// All of it.
        values: Map<String, Value>,
        /// What stands behind it; what only tightens takes none.
        behind: Behind,
    },
    /// Something else that takes a request.
    ByRequest {
        /// Of which bot.
        bot: Option<BotId>,
        /// What must stand behind it.
        behind: Behind,
    },
    /// An exchange key was approved, or other terms of one.
    KeyApproved {
        /// The key.
        key: KeyId,
        /// Of which bot.
        bot: BotId,
        /// What must stand behind it.
        behind: Behind,
    },
    /// The secret of a key was handed in.
    KeyInUse {
        /// The key.
        key: KeyId,
        /// Of which bot.
        bot: BotId,
    },
    /// A bot was held since it was not what was approved.
    Differed {
        /// The bot.
        bot: BotId,
        /// In what, as the hold says it.
        words: String,
    },
    /// Two people let something else run for some hours.
    Emergency {
        /// Of which bot.
        bot: BotId,
        /// What became of its review.
        reviewed: Reviewed,
    },
    /// What takes nothing behind it: a request that was asked, a subaccount that was taken away.
    Nothing,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its number.
    pub number: i64,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub what: What,
}

/// A bot as the entries so far leave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    stage: Option<Stage>,
    // The stage that a request which was carried out let it into, and which request.
    cover: Option<(Stage, RequestId)>,
    // What let it there ended without anybody's approval, as a step down ends it: it is where it is, and starts nowhere.
    is_ended: bool,
}

/// A bot as it is stored now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub bot: BotId,
    /// Its stage.
    pub stage: Stage,
    /// The request whose approval is in force of it.
    pub request: Option<RequestId>,
}

/// Judges entry after entry. It holds a line per bot, key and level of limits, however long the log is.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    bots: HashMap<BotId, Known>,
    limits: HashMap<String, Map<String, Value>>,
    keys: HashSet<KeyId>,
}

/// True where a bot trades live.
pub fn is_bound(stage: Stage) -> bool {
    matches!(stage, Stage::Limited | Stage::Live)
}

/// The level of limits that a request is about, in one text.
pub fn level_of(target: &str) -> String {
    Node::from_one(target).unwrap_or_else(|| Node::Bot(BotId::from_stored(target.to_owned()))).in_one()
}

/// True when anything may be more than before.
fn loosens(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let is_looser =
        |name: &String| Setting::of(name).is_some_and(|setting| setting.direction(before.get(name), after.get(name)) == Direction::Looser);
    // Of symbols within a bot's own, as older versions wrote them: back to what stood before would be tighter somewhere.
    before.keys().chain(after.keys()).any(is_looser) || tree::is_tighter(after, before)
}

/// Why what an entry names does not stand behind it; none: it does.
fn missing(behind: &Behind, at: Timestamp, stored: &HashMap<RequestId, Stored>) -> Option<String> {
    let Some(id) = &behind.request else { return Some("it names no request".to_owned()) };
    let Some(request) = stored.get(id) else { return Some(format!("it names request {id}, and there is none")) };
    let is_about = request.target == behind.target || (request.kind == RequestKind::Limits && level_of(&request.target) == behind.target);
    if !behind.kinds.contains(&request.kind) || !is_about {
        return Some(format!("it names request {id}, which asked for something else"));
    }
    if request.state != RequestState::Executed {
        return Some(format!("it names request {id}, which is {} and was never carried out", request.state));
    }
    match request.carried_out_at {
        Some(done) if done <= at => None,
        Some(_) => Some(format!("request {id}, which it names, was carried out after it")),
        None => Some(format!("it names request {id}, and no entry of the log says that this was carried out")),
    }
}

fn found(fact: &Fact, kind: FindingKind, bot: Option<&BotId>, words: impl Into<String>) -> Finding {
    Finding { kind, number: Some(fact.number), at: fact.at, bot: bot.cloned(), words: words.into() }
}

/// Of a step up that nothing stands behind: it is wrong in both ways.
fn both(fact: &Fact, bot: &BotId, words: &str) -> Vec<Finding> {
    let kinds = [FindingKind::ActivationBeforeApproval, FindingKind::ChangeWithoutRequest];
    kinds.into_iter().map(|kind| found(fact, kind, Some(bot), words)).collect()
}

/// What is wrong with a change that takes a request; none: one that was carried out stands behind it.
fn without(fact: &Fact, (bot, behind): (Option<&BotId>, &Behind), what: &str, stored: &HashMap<RequestId, Stored>) -> Vec<Finding> {
    let why = missing(behind, fact.at, stored);
    why.map(|why| found(fact, FindingKind::ChangeWithoutRequest, bot, format!("{what}, and {why}"))).into_iter().collect()
}

impl Judge {
    /// Takes the next entry, and says what it shows that is to be explained.
    pub fn take(&mut self, fact: &Fact, stored: &HashMap<RequestId, Stored>) -> Vec<Finding> {
        match &fact.what {
            What::Limits { level, values, behind } => self.limits(fact, (level, values, behind), stored),
            What::ByRequest { bot, behind } => without(fact, (bot.as_ref(), behind), "was changed in what takes a request", stored),
            What::KeyApproved { key, bot, behind } => {
                let findings = without(fact, (Some(bot), behind), "was given an exchange key", stored);
                if findings.is_empty() {
                    self.keys.insert(key.clone());
                }
                findings
            }
            What::KeyInUse { key, bot } if !self.keys.contains(key) => {
                let words = format!("has an exchange key in use ({key}), and no entry before approves it");
                vec![found(fact, FindingKind::ChangeWithoutRequest, Some(bot), words)]
            }
            What::Differed { bot, words } => {
                let words = format!("was held by the trigger drift: {words}");
                vec![found(fact, FindingKind::ChangeWithoutRequest, Some(bot), words)]
            }
            What::Emergency { bot, reviewed } => {
                let why = match reviewed {
                    Reviewed::NotDue | Reviewed::Justified => return Vec::new(),
                    Reviewed::NotJustified => "whoever reviewed it found that not justified",
                    Reviewed::Overdue => "nobody has reviewed that in time",
                };
                let words = format!("was let run something else by two people in an emergency, and {why}");
                vec![found(fact, FindingKind::ChangeWithoutRequest, Some(bot), words)]
            }
            What::Nothing | What::KeyInUse { .. } => Vec::new(),
            _ => self.stages(fact, stored),
        }
    }

    /// The same of what says in which stage bots are, or that they were started in it.
    fn stages(&mut self, fact: &Fact, stored: &HashMap<RequestId, Stored>) -> Vec<Finding> {
        match &fact.what {
            What::Made(bot) => {
                self.bots.insert(bot.clone(), Known { stage: Some(Stage::Draft), ..Known::default() });
            }
            What::WentUp { bot, to, behind } => {
                let why = missing(behind, fact.at, stored);
                let cover = behind.request.clone().filter(|_| why.is_none()).map(|request| (*to, request));
                self.bots.insert(bot.clone(), Known { stage: Some(*to), cover, is_ended: false });
                return why.map(|why| both(fact, bot, &format!("went to stage {to}, and {why}"))).unwrap_or_default();
            }
            What::StageSet { bot, from, to } => {
                let is_ended = to < from;
                self.bots.insert(bot.clone(), Known { stage: Some(*to), cover: None, is_ended });
                if !is_ended && is_bound(*to) {
                    let words = format!("was set from stage {from} to stage {to} by hand, and no request stands behind it");
                    return both(fact, bot, &words);
                }
            }
            What::Unapproved(bot) => {
                let known = self.bots.entry(bot.clone()).or_default();
                (known.cover, known.is_ended) = (None, true);
            }
            What::Killed(bots) => {
                for bot in bots {
                    self.bots.insert(bot.clone(), Known { stage: Some(Stage::Draft), cover: None, is_ended: true });
                }
            }
            What::Started(bots) => {
                let words = bots.iter().filter_map(|bot| Some((bot, self.started(bot)?)));
                return words.map(|(bot, words)| found(fact, FindingKind::ActivationBeforeApproval, Some(bot), words)).collect();
            }
            _ => {}
        }
        Vec::new()
    }

    /// What is wrong with a start of a bot; none: nothing, as far as the log says where the bot was.
    fn started(&self, bot: &BotId) -> Option<String> {
        let known = self.bots.get(bot)?;
        let stage = known.stage.filter(|stage| is_bound(*stage))?;
        let is_covered = known.cover.as_ref().is_some_and(|(covered, _)| *covered == stage);
        (!is_covered).then(|| format!("was started in stage {stage}, and no request that was carried out had let it there"))
    }

    /// A level of limits: what loosens takes a request, what only tightens takes none.
    fn limits(
        &mut self,
        fact: &Fact,
        (level, values, behind): (&str, &Map<String, Value>, &Behind),
        stored: &HashMap<RequestId, Stored>,
    ) -> Vec<Finding> {
        let before = self.limits.insert(level.to_owned(), values.clone()).unwrap_or_default();
        if !loosens(&before, values) {
            return Vec::new();
        }
        let bot = Node::from_one(level).and_then(|node| node.bot().cloned());
        let what = if bot.is_some() { "had its limits loosened".to_owned() } else { format!("the limits of {level} were loosened") };
        without(fact, (bot.as_ref(), behind), &what, stored)
    }

    /// What is to be explained of bots as they are stored now, after the last entry: that no entry led one where it is.
    pub fn standing<'a>(&self, bots: impl Iterator<Item = &'a Standing>, now: Timestamp) -> Vec<Finding> {
        let found = |bot: &BotId, words: String| Finding {
            kind: FindingKind::ActivationBeforeApproval,
            number: None,
            at: now,
            bot: Some(bot.clone()),
            words,
        };
        let judged = |one: &'a Standing| {
            let Standing { bot, stage, request } = one;
            let known = self.bots.get(bot).cloned().unwrap_or_default();
            if !is_bound(*stage) || (known.is_ended && known.stage == Some(*stage)) {
                return None;
            }
            if known.stage != Some(*stage) {
                return Some(found(bot, format!("is in stage {stage} by the database, and no entry of the log led it there")));
            }
            match (&known.cover, request) {
                (Some((covered, by)), Some(request)) if covered == stage && by == request => None,
                (Some((covered, by)), _) if covered == stage => {
                    Some(found(bot, format!("is in stage {stage} by request {by}, and the database says that something else approved it")))
                }
                _ => Some(found(bot, format!("is in stage {stage}, and no request that was carried out let it there"))),
            }
        };
        bots.filter_map(judged).collect()
    }
}

#[cfg(test)]
mod tests;
