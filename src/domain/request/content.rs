//! What a request asks for: its canonical content, the digest that is signed, and the difference of now and after.

use crate::domain::{
    BotId, Decimal, RequestId, SubaccountId,
    act::{self, NotCanonical},
    approval::{RequestKind, Rule},
    limits::{NUMBERS, Named},
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
    /// Other limits of a bot, at least one of them looser. What it does not name stays, whatever becomes of it meanwhile.
    Limits {
        /// The bot.
        bot: BotId,
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
    /// A subaccount of a live venue for a bot, which stops it.
    Assign {
        /// The bot.
        bot: BotId,
        /// The one it had when this was asked; none: it had none.
        now: Option<Place>,
        /// The one it is to have.
        after: Place,
    },
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
            Self::Assign { .. } => RequestKind::Assign,
        }
    }
    /// What it is about: one open request per kind and target.
    pub fn target(&self) -> String {
        match self {
            Self::Limits { bot, .. } | Self::Assign { bot, .. } => bot.to_string(),
            Self::Policy { about, .. } => about.to_string(),
        }
    }
    /// The bot that it is about.
    pub fn bot(&self) -> Option<&BotId> {
        match self {
            Self::Limits { bot, .. } | Self::Assign { bot, .. } => Some(bot),
            Self::Policy { .. } => None,
        }
    }
    /// The difference, line by line.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::Limits { set, .. } => {
                let line = |named: &Named, change: &Change| Line {
                    setting: named.words.to_owned(),
                    now: change.now.as_ref().map_or_else(|| "not set".to_owned(), plain),
                    after: plain(&change.after),
                    raises: change.raises(),
                };
                NUMBERS.iter().filter_map(|named| Some(line(named, set.get(named.name)?))).collect()
            }
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
        }
    }
}

/// A value as text.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> Option<Decimal> {
    Decimal::parse(&plain(value))
}

impl Change {
    /// True when it is larger afterwards.
    pub fn raises(&self) -> bool {
        match (self.now.as_ref().map(number), number(&self.after)) {
            (None, _) => false,
            (Some(Some(now)), Some(after)) => after > now,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(after: &str) -> Content {
        let change = Change { now: Some(Value::from("2")), after: Value::from(after) };
        Content::Limits { bot: BotId::from_stored("b".into()), set: BTreeMap::from([("max_leverage".to_owned(), change)]) }
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
    fn the_difference_says_what_raises() {
        let raises = |after: &str| content(after).lines()[0].raises;
        assert!(raises("3") && !raises("2") && !raises("1"));
        let unset = Change { now: None, after: Value::from("1") };
        assert!(!unset.raises(), "what was not set is bounded by being set");
    }
}
