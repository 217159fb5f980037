//! Text rules: closed word lists that read and write themselves, and the bounds of names and reasons.

/// A word that is not in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {allowed}")]
pub struct UnknownWord {
    /// What was given, cut to 40 characters.
    pub word: String,
    /// What would have been understood.
    pub allowed: String,
}

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The word used in the database, on the wire and on the pages.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::domain::text::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::domain::text::UnknownWord {
                        word: word.chars().take(40).collect(),
                        allowed: [$($word),*].join(", "),
                    }),
                }
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_enum;

/// A text that does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Nothing was given.
    #[error("is needed")]
    Empty,
    /// Too many characters.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// A character that does not belong.
    #[error("may hold letters, digits, space, dot, dash, underscore and slash only")]
    Characters,
    /// A control character.
    #[error("holds a control character")]
    Control,
}

/// A name of a bot, team, strategy, agent, token or sign-in: 1 to 64 of letters, digits and ` ._-/`, trimmed.
///
/// # Errors
/// What is wrong with it, to be read after the field's name.
pub fn name(text: &str) -> Result<String, BadText> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadText::Empty);
    }
    if text.chars().count() > 64 {
        return Err(BadText::TooLong(64));
    }
    if text.chars().all(|c| c.is_alphanumeric() || " ._-/".contains(c)) { Ok(text.to_owned()) } else { Err(BadText::Characters) }
}

/// A reason a person gives: at most 500 characters, no control characters but line feeds (which become spaces), trimmed; may be empty.
///
/// # Errors
/// What is wrong with it, to be read after the field's name.
pub fn why(text: &str) -> Result<String, BadText> {
    let text = text.replace("\r\n", " ").replace(['\n', '\t'], " ");
    let text = text.trim();
    if text.chars().count() > 500 {
        return Err(BadText::TooLong(500));
    }
    if text.chars().any(char::is_control) { Err(BadText::Control) } else { Ok(text.to_owned()) }
}

/// The same rule for a stop, which is never refused: what does not fit is cut away.
pub fn why_lenient(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    clean.trim().to_owned()
}
