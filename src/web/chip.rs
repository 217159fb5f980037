//! The status chip: shape, number and word together. Normal states are a plain word; hue only where something is abnormal.
//! One chip per row: the worst.

use super::{html::escape, icon::Icon};
use std::fmt;

/// How a chip looks, which is how bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Normal: a word, no box.
    Plain,
    /// Done: a tick and a word in ink.
    Done,
    /// Intended standstill: inverse, no hue.
    Held,
    /// Waits for somebody: dashed edge.
    Open,
    /// Priority 1: octagon.
    Critical,
    /// Priority 2: triangle.
    High,
    /// Priority 3: diamond.
    Low,
    /// Nothing heard: clock, dashed edge.
    NoData,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Done => "done",
            Self::Held => "held",
            Self::Open => "open",
            Self::Critical => "p1",
            Self::High => "p2",
            Self::Low => "p3",
            Self::NoData => "unk",
        }
    }
    fn icon(self) -> Option<Icon> {
        Some(match self {
            Self::Plain => return None,
            Self::Done => Icon::Check,
            Self::Held => Icon::Pause,
            Self::Open => Icon::Ring,
            Self::Critical => Icon::Octagon,
            Self::High => Icon::Triangle,
            Self::Low => Icon::Diamond,
            Self::NoData => Icon::Clock,
        })
    }
    fn number(self) -> &'static str {
        match self {
            Self::Critical => "P1 ",
            Self::High => "P2 ",
            Self::Low => "P3 ",
            _ => "",
        }
    }
}

/// A status chip. In a template: `{{ row.chip }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// How it looks.
    pub tone: Tone,
    /// The word or few words in it.
    pub word: String,
}

impl Chip {
    /// A chip with this word.
    pub fn new(tone: Tone, word: impl Into<String>) -> Self {
        Self { tone, word: word.into() }
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"<span class="chip {}">"#, self.tone.class())?;
        if let Some(icon) = self.tone.icon() {
            icon.fmt(f)?;
        }
        write!(f, "{}{}</span>", self.tone.number(), escape(&self.word))
    }
}

impl askama::filters::HtmlSafe for Chip {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abnormal_is_shape_and_number_and_word_and_normal_is_a_word() {
        let critical = Chip::new(Tone::Critical, "Stop unconfirmed").to_string();
        assert!(critical.contains("#i-octagon") && critical.contains("P1 Stop unconfirmed"));
        assert_eq!(Chip::new(Tone::Plain, "Active").to_string(), r#"<span class="chip plain">Active</span>"#);
        assert!(Chip::new(Tone::NoData, "<94 s>").to_string().contains("&lt;94 s&gt;"));
    }
}
