//! What a request asks for: its canonical content, the digest that is signed, and the difference of now and after.

use crate::domain::{
    BotId, Decimal, Grant, RequestId, Stage, SubaccountId, TeamId, Timestamp, UserId,
    act::{self, NotCanonical},
    approval::{RequestKind, Rule},
    checklist::Template,
    golive::{Dossier, Shown, short},
    key::{KeyPurpose, KeyTerms, OnDrift},
    limits::{Direction, Node, Setting},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// One value as it is and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// As it was when this was asked; none: not set.
    pub now: Option<Value>,
    /// As it is to be.
    pub after: Value,
}

/// What is asked for, by kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Other limits of a level, at least one of them looser. What it does not name stays, whatever becomes of it meanwhile.
    Limits {
        /// The level.
        #[serde(flatten)]
        of: Of,
        /// By the name of each limit.
        set: BTreeMap<String, Change>,
    },
    /// Another rule for a kind of request.
    Policy {
        /// Whose rule.
        about: RequestKind,
        /// As it was when this was asked.
        now: Rule,
        /// As it is to be.
        after: Rule,
    },
    /// A larger position of a bot in one symbol for a while. It ends by itself, and never passes what stands above the bot.
    Override {
        /// The bot.
        bot: BotId,
        /// The symbol.
        symbol: String,
        /// The largest position as it was when this was asked.
        now: Option<Decimal>,
        /// As it is to be.
        most: Decimal,
        /// Until when.
        until: Timestamp,
    },
    /// A subaccount of a live venue for a bot, which stops it.
    Assign {
        /// The bot.
        bot: BotId,
        /// The one it had when this was asked; none: it had none.
        now: Option<Place>,
        /// The one it is to have.
        after: Place,
    },
    /// An exchange key of a bot for one purpose, or other terms of the one it has.
    Keys {
        /// The bot.
        bot: BotId,
        /// The subaccount that it is of, which the bot has.
        place: Place,
        /// The terms that stood when this was asked; none: it has no such key.
        now: Option<KeyTerms>,
        /// What it is to be.
        after: KeyTerms,
    },
    /// A step up of a bot that trades live afterwards, bound to everything that was shown to be so.
    GoLive {
        /// The bot.
        bot: BotId,
        /// Its stage when this was asked.
        from: Stage,
        /// The one that it is to have.
        to: Stage,
        /// What is approved.
        dossier: Dossier,
    },
    /// Another checklist of a stage.
    Checklist {
        /// The stage that it lets bots into.
        stage: Stage,
        /// The list as it was when this was asked.
        now: Template,
        /// As it is to be; its version is the next one.
        after: Template,
    },
    /// Other roles of a person, at least one of them given that others approve; or an account that is enabled again with such.
    Roles {
        /// Whose.
        user: UserId,
        /// The name shown when this was asked. The id decides.
        name: String,
        /// As it was when this was asked.
        now: Held,
        /// As it is to be.
        after: Held,
    },
}

/// What a person holds. Equal when it is the same, in whatever order it was given.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// They may sign in.
    pub enabled: bool,
    /// Their roles, in one order, each once.
    pub grants: Vec<Grant>,
}

impl Held {
    /// These roles, put into order.
    pub fn new(enabled: bool, grants: &[Grant]) -> Self {
        let mut grants = grants.to_vec();
        grants.sort_by(|one, other| (one.role.as_str(), &one.team).cmp(&(other.role.as_str(), &other.team)));
        grants.dedup();
        Self { enabled, grants }
    }

    /// The difference to what it is to be: an account that is enabled, then what is given, then what is taken away.
    fn lines_to(&self, after: &Self, team: &dyn Fn(&TeamId) -> String) -> Vec<Line> {
        let words = |grant: &Grant| match &grant.team {
            Some(id) => format!("Role {} in team {}", grant.role, team(id)),
            None => format!("Role {}", grant.role),
        };
        let line =
            |setting: String, (now, then): (&str, &str), raises| Line { setting, now: now.to_owned(), after: then.to_owned(), raises };
        let state = |held: &Self| if held.enabled { "enabled" } else { "disabled" };
        let account = (self.enabled != after.enabled).then(|| line("Account".to_owned(), (state(self), state(after)), after.enabled));
        let given = after.grants.iter().filter(|grant| !self.grants.contains(grant)).map(|grant| line(words(grant), ("no", "yes"), true));
        let taken = self.grants.iter().filter(|grant| !after.grants.contains(grant)).map(|grant| line(words(grant), ("yes", "no"), false));
        // Whoever is enabled has all of it again: that is what is approved.
        let again = after.grants.iter().filter(|grant| account.is_some() && self.grants.contains(grant));
        let again: Vec<Line> = again.map(|grant| line(words(grant), ("while disabled", "yes"), true)).collect();
        account.into_iter().chain(given).chain(again).chain(taken).collect()
    }
}

/// A level as a request writes it: a bot by its id alone, as in the first requests there were, the others as one text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// A bot.
    Bot(BotId),
    /// Any other level.
    Level(Node),
}

impl From<Node> for Of {
    fn from(node: Node) -> Self {
        match node {
            Node::Bot(bot) => Self::Bot(bot),
            other => Self::Level(other),
        }
    }
}

impl Of {
    /// The level.
    pub fn node(&self) -> Node {
        match self {
            Self::Bot(bot) => Node::Bot(bot.clone()),
            Self::Level(node) => node.clone(),
        }
    }
}

/// A subaccount, and what it was called when this was asked. The id decides.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Which.
    pub subaccount: SubaccountId,
    /// `binance/grid-7`.
    pub name: String,
}

/// A line of the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub setting: String,
    /// As it was when this was asked.
    pub now: String,
    /// As it is to be.
    pub after: String,
    /// It raises risk.
    pub raises: bool,
}

/// The canonical form of a revision: what its digest covers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Document {
    /// Version of this form: 1.
    pub v: u8,
    /// The request: what was approved for one counts for no other.
    pub request: RequestId,
    /// Which revision of it, from 1.
    pub revision: i64,
    /// The version of the policies when it was made.
    pub policy_version: i64,
    /// What is asked for.
    #[serde(flatten)]
    pub content: Content,
}

impl Document {
    /// The RFC 8785 bytes as text.
    ///
    /// # Errors
    /// Does not happen with these types.
    pub fn canonical(&self) -> Result<String, NotCanonical> {
        String::from_utf8(act::canonical(self)?).map_err(|_| NotCanonical)
    }
}

/// SHA-256 of a document's canonical text, hex.
pub fn digest(canonical: &str) -> String {
    data_encoding::HEXLOWER.encode(&act::digest(canonical.as_bytes()))
}

impl Content {
    /// Its kind.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Limits { .. } => RequestKind::Limits,
            Self::Policy { .. } => RequestKind::Policy,
            Self::Override { .. } => RequestKind::Override,
            Self::Assign { .. } => RequestKind::Assign,
            Self::Roles { .. } => RequestKind::Roles,
            Self::Keys { after, .. } if !after.sheet.withdraw_to.is_empty() => RequestKind::Withdrawals,
            Self::Keys { .. } => RequestKind::Keys,
            Self::GoLive { to: Stage::Live, .. } => RequestKind::Live,
            Self::GoLive { .. } => RequestKind::Limited,
            Self::Checklist { .. } => RequestKind::Checklist,
        }
    }
    /// What it is about: one open request per kind and target.
    pub fn target(&self) -> String {
        match self {
            Self::Limits { of: Of::Bot(bot), .. } | Self::Assign { bot, .. } | Self::GoLive { bot, .. } => bot.to_string(),
            Self::Limits { of: Of::Level(node), .. } => node.in_one(),
            Self::Policy { about, .. } => about.to_string(),
            Self::Checklist { stage, .. } => stage.to_string(),
            Self::Override { bot, symbol, .. } => format!("{bot}:{symbol}"),
            Self::Roles { user, .. } => user.to_string(),
            Self::Keys { bot, after, .. } => format!("{bot}:{}", after.sheet.purpose),
        }
    }
    /// Whom it is for, who never approves it; none: nobody in particular.
    pub fn beneficiary(&self) -> Option<&UserId> {
        match self {
            Self::Roles { user, .. } => Some(user),
            _ => None,
        }
    }
    /// Everybody who answered for something in it: they approve nothing of it.
    pub fn signers(&self) -> impl Iterator<Item = &UserId> {
        let dossier = if let Self::GoLive { dossier, .. } = self { Some(dossier) } else { None };
        dossier.into_iter().flat_map(Dossier::signers)
    }
    /// The bot that it is about.
    pub fn bot(&self) -> Option<&BotId> {
        match self {
            Self::Limits { of: Of::Bot(bot), .. }
            | Self::Override { bot, .. }
            | Self::Assign { bot, .. }
            | Self::Keys { bot, .. }
            | Self::GoLive { bot, .. } => Some(bot),
            Self::Limits { of: Of::Level(node), .. } => node.bot(),
            Self::Policy { .. } | Self::Roles { .. } | Self::Checklist { .. } => None,
        }
    }
    /// The difference, line by line, with teams by their ids.
    pub fn lines(&self) -> Vec<Line> {
        self.lines_with(&|team| team.to_string())
    }
    /// The same with what teams are called.
    pub fn lines_with(&self, team: &dyn Fn(&TeamId) -> String) -> Vec<Line> {
        match self {
            Self::Limits { set, .. } => {
                let line = |(name, change): (&String, &Change)| {
                    let setting = Setting::of(name)?;
                    Some(Line {
                        setting: setting.words(),
                        now: change.now.as_ref().map_or_else(|| "not set".to_owned(), |now| setting.plain(now)),
                        after: setting.plain(&change.after),
                        raises: change.raises(name),
                    })
                };
                set.iter().filter_map(line).collect()
            }
            Self::Override { symbol, now, most, until, .. } => vec![Line {
                setting: format!("Largest position in {symbol} until {}", until.plain()),
                now: now.map_or_else(|| "not set".to_owned(), Decimal::shortest),
                after: most.shortest(),
                raises: true,
            }],
            Self::Policy { about, now, after } => vec![Line {
                setting: format!("To approve {}", about.words()),
                now: now.words(),
                after: after.words(),
                raises: after.asks_less_than(now),
            }],
            Self::Assign { now, after, .. } => vec![Line {
                setting: "Subaccount".to_owned(),
                now: now.as_ref().map_or_else(|| "none".to_owned(), |place| place.name.clone()),
                after: format!("{}, a live venue", after.name),
                raises: true,
            }],
            Self::Roles { now, after, .. } => now.lines_to(after, team),
            Self::Keys { place, now, after, .. } => key_lines(place, now.as_ref(), after),
            Self::GoLive { from, to, dossier, .. } => golive_lines(*from, *to, dossier),
            Self::Checklist { now, after, .. } => {
                let line = |(setting, now, after, raises)| Line { setting, now, after, raises };
                now.changes_to(after).into_iter().map(line).collect()
            }
        }
    }
}

/// What is bound by a step up: where it goes, what runs there, and every item that was shown.
fn golive_lines(from: Stage, to: Stage, dossier: &Dossier) -> Vec<Line> {
    let bound = |setting: String, after: String| Line { setting, now: "as it is".to_owned(), after, raises: false };
    let mut lines = vec![
        Line { setting: "Stage".to_owned(), now: from.to_string(), after: to.to_string(), raises: true },
        bound("Build".to_owned(), dossier.runs.build.clone()),
        bound("Configuration".to_owned(), dossier.runs.config.clone()),
    ];
    lines.extend(dossier.provenance.iter().map(|link| bound("Where the build comes from".to_owned(), link.clone())));
    lines.extend([
        bound("Subaccount".to_owned(), dossier.place.name.clone()),
        bound("Conduct".to_owned(), dossier.conduct.words()),
        bound("Limits".to_owned(), format!("version {}", dossier.limits_version)),
    ]);
    let keys = dossier.keys.iter();
    lines.extend(keys.map(|(purpose, key)| bound(format!("Key {}", purpose.words()), format!("approved {}", key.approved_at.plain()))));
    if let Some(caps) = &dossier.caps {
        lines.push(bound("At most".to_owned(), caps.words()));
    }
    lines.push(bound("When it is no longer so".to_owned(), dossier.on_drift.words().to_owned()));
    let with_files = |item: &Shown| match item.files.as_slice() {
        [] => item.said.clone(),
        files => format!("{}; SHA-256 of files: {}", item.said, files.iter().map(|file| short(file)).collect::<Vec<_>>().join(", ")),
    };
    lines.extend(dossier.items.iter().map(|item| bound(format!("Checklist: {}", item.item), with_files(item))));
    lines
}

/// What is to become of a key. Every address and every longer life is more risk, since whoever has the secret has them too.
fn key_lines(place: &Place, now: Option<&KeyTerms>, after: &KeyTerms) -> Vec<Line> {
    let end = |terms: &KeyTerms| terms.sheet.until.map_or_else(|| "does not end by itself".to_owned(), |until| until.plain());
    let line = |setting: &str, text: &dyn Fn(&KeyTerms) -> String, raises: bool| Line {
        setting: setting.to_owned(),
        now: now.map_or_else(|| "none".to_owned(), text),
        after: text(after),
        raises,
    };
    let is_new = |ips: &&String| now.is_none_or(|now| !now.sheet.ips.contains(ips));
    let lives_longer = now.is_none_or(|now| match (now.sheet.until, after.sheet.until) {
        (Some(now), Some(after)) => after > now,
        (now, after) => now.is_some() && after.is_none(),
    });
    let mut lines = vec![
        Line {
            setting: format!("Key {}", after.sheet.purpose.words()),
            now: now.map_or("none", |_| "as approved").to_owned(),
            after: place.name.clone(),
            raises: now.is_none(),
        },
        line("Rights", &|terms| terms.sheet.rights_words(), now.is_none_or(|now| now.sheet.rights_words() != after.sheet.rights_words())),
        line("Works from", &|terms| terms.sheet.ips.join(", "), after.sheet.ips.iter().any(|ip| is_new(&ip))),
        line("Ends", &end, lives_longer),
        line("Replaced after", &|terms| format!("{} days", terms.rotate_days), now.is_none_or(|now| after.rotate_days > now.rotate_days)),
        line(
            "When it is found to be another",
            &|terms| terms.on_drift.words().to_owned(),
            now.map_or(after.on_drift != OnDrift::Pause, |now| after.on_drift < now.on_drift),
        ),
    ];
    if after.sheet.account.is_some() || now.is_some_and(|now| now.sheet.account.is_some()) {
        let account = |terms: &KeyTerms| terms.sheet.account.clone().unwrap_or_else(|| "any".to_owned());
        let is_other = now.is_none_or(|now| now.sheet.account != after.sheet.account);
        let is_admin = after.sheet.purpose == KeyPurpose::KeyAdmin;
        lines.push(line(if is_admin { "Changes the keys of" } else { "The venue's name for its account" }, &account, is_other));
    }
    if !after.sheet.withdraw_to.is_empty() || now.is_some_and(|now| !now.sheet.withdraw_to.is_empty()) {
        let to =
            |terms: &KeyTerms| if terms.sheet.withdraw_to.is_empty() { "nowhere".to_owned() } else { terms.sheet.withdraw_to.join(", ") };
        lines.push(line("Withdraws to", &to, now.is_none_or(|now| now.sheet.withdraw_to != after.sheet.withdraw_to)));
    }
    lines
}

impl Change {
    /// Which way it goes.
    pub fn direction(&self, name: &str) -> Direction {
        Setting::of(name).map_or(Direction::Looser, |setting| setting.direction(self.now.as_ref(), Some(&self.after)))
    }
    /// True when it allows more afterwards.
    pub fn raises(&self, name: &str) -> bool {
        self.direction(name) == Direction::Looser
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(after: &str) -> Content {
        let change = Change { now: Some(Value::from("2")), after: Value::from(after) };
        Content::Limits { of: Of::Bot(BotId::from_stored("b".into())), set: BTreeMap::from([("max_leverage".to_owned(), change)]) }
    }

    #[test]
    fn the_document_is_one_text_and_names_the_request_and_its_revision() {
        let document =
            |revision| Document { v: 1, request: RequestId::from_stored("r".into()), revision, policy_version: 3, content: content("3") };
        let text = document(1).canonical().unwrap();
        let expected = r#"{"bot":"b","kind":"limits","policy_version":3,"request":"r","revision":1,"set":{"max_leverage":{"after":"3","now":"2"}},"v":1}"#;
        assert_eq!(text, expected);
        assert_ne!(digest(&text), digest(&document(2).canonical().unwrap()));
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document(1));
    }

    #[test]
    fn other_levels_are_named_as_one_text() {
        let change = Change { now: Some(Value::from("2")), after: Value::Null };
        let set = BTreeMap::from([("max_leverage".to_owned(), change)]);
        let content = Content::Limits { of: Node::Installation.into(), set };
        let document = Document { v: 1, request: RequestId::from_stored("r".into()), revision: 1, policy_version: 3, content };
        let text = document.canonical().unwrap();
        assert!(text.contains(r#""level":"installation""#) && text.contains(r#""after":null"#), "{text}");
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
        assert!(document.content.lines()[0].raises && document.content.lines()[0].after == "not set");
        assert_eq!(document.content.target(), "installation");
    }

    #[test]
    fn rights_are_told_one_by_one_and_equal_in_whatever_order() {
        use crate::domain::Role;
        let grant = |role: Role, team: &str| Grant { role, team: role.is_of_team().then(|| TeamId::from_stored(team.to_owned())) };
        let (lead, operator, risk) = (grant(Role::Lead, "a"), grant(Role::Operator, "a"), grant(Role::Risk, ""));
        let now = Held::new(true, &[operator.clone(), lead.clone()]);
        assert_eq!(now, Held::new(true, &[lead.clone(), operator.clone(), lead.clone()]));
        let roles = |now: &Held, after: Held| Content::Roles {
            user: UserId::from_stored("u".into()),
            name: "sato".into(),
            now: now.clone(),
            after,
        };
        let content = roles(&now, Held::new(true, &[lead.clone(), risk.clone()]));
        let lines = content.lines_with(&|_| "arb".to_owned());
        let told: Vec<_> = lines.iter().map(|line| (line.setting.as_str(), line.now.as_str(), line.after.as_str(), line.raises)).collect();
        assert_eq!(told, [("Role risk", "no", "yes", true), ("Role operator in team arb", "yes", "no", false)]);
        assert!(content.lines()[1].setting.ends_with("team a"), "the content names it by its id");
        assert_eq!((content.target().as_str(), content.beneficiary().map(UserId::as_str)), ("u", Some("u")));

        let disabled = Held::new(false, std::slice::from_ref(&lead));
        let lines = roles(&disabled, Held::new(true, std::slice::from_ref(&lead))).lines();
        let told: Vec<_> = lines.iter().map(|line| (line.setting.as_str(), line.after.as_str(), line.raises)).collect();
        assert_eq!(told, [("Account", "enabled", true), ("Role lead in team a", "yes", true)], "what comes back with the account is told");
        let document = Document { v: 1, request: RequestId::from_stored("r".into()), revision: 1, policy_version: 0, content };
        let text = document.canonical().unwrap();
        assert!(text.contains(r#""kind":"roles""#) && text.contains(r#""user":"u""#), "{text}");
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
    }

    #[test]
    fn the_difference_says_what_raises() {
        let raises = |after: &str| content(after).lines()[0].raises;
        assert!(raises("3") && !raises("2") && !raises("1"));
        let unset = Change { now: None, after: Value::from("1") };
        assert!(!unset.raises("max_leverage"), "what was not set is bounded by being set");
    }
}
