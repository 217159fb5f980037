//! The icons: drawn here on a grid of 24, stroked in the colour of the text. A page carries them once as symbols and refers to them;
//! an icon never stands without a word beside it.

use std::fmt;

/// An icon. In a template: `{{ Icon::Key }}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// Octagon with two bars: pause, and held.
    Pause,
    /// Octagon with a mark: critical.
    Octagon,
    /// Triangle with a mark: high.
    Triangle,
    /// Diamond: low.
    Diamond,
    /// Clock: late, or no data.
    Clock,
    /// Tick: done.
    Check,
    /// Cross: refused, or removed.
    Cross,
    /// Dash: not yet.
    Dash,
    /// Open ring: waits.
    Ring,
    /// Security key.
    Key,
    /// One person.
    Person,
    /// Several people.
    People,
    /// A bot.
    Bot,
    /// An agent: two ends of a link.
    Agent,
    /// The audit log.
    Log,
    /// Three lines: menu.
    Menu,
    /// Down: opens below.
    Down,
    /// Right: leads on.
    Right,
    /// Magnifier.
    Search,
    /// Door with an arrow: sign out.
    Out,
    /// A circled i.
    Info,
    /// A padlock.
    Lock,
    /// A triangle to the right: start.
    Start,
    /// A padlock that is open: release.
    Release,
    /// A telephone.
    Phone,
    /// A prompt: command line.
    Terminal,
    /// A broken link: connection lost.
    Broken,
    /// A shield: signature or proof checked.
    Shield,
}

impl Icon {
    /// Every icon, in the order of the sprite.
    pub const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Pause, "pause", r#"<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8zM10 9v6M14 9v6"/>"#),
        (Self::Octagon, "octagon", r#"<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8zM12 7.5v5M12 16.5v.01"/>"#),
        (Self::Triangle, "triangle", r#"<path d="M12 3l10 18H2zM12 10v4.5M12 17.8v.01"/>"#),
        (Self::Diamond, "diamond", r#"<path d="M12 2l10 10-10 10L2 12z"/>"#),
        (Self::Clock, "clock", r#"<circle cx="12" cy="12" r="10"/><path d="M12 6v6l4 2"/>"#),
        (Self::Check, "check", r#"<path d="M20 6L9 18l-5-5"/>"#),
        (Self::Cross, "cross", r#"<path d="M18 6L6 18M6 6l12 12"/>"#),
        (Self::Dash, "dash", r#"<path d="M6 12h12"/>"#),
        (Self::Ring, "ring", r#"<circle cx="12" cy="12" r="8" stroke-dasharray="4 4.4"/>"#),
        (Self::Key, "key", r#"<circle cx="7.5" cy="16.5" r="5"/><path d="M11 13l10-10M17 7l3 3M14 10l2 2"/>"#),
        (Self::Person, "person", r#"<circle cx="12" cy="7.5" r="4.5"/><path d="M3.5 21.5a8.5 7 0 0 1 17 0"/>"#),
        (
            Self::People,
            "people",
            r#"<circle cx="9" cy="7.5" r="4"/><path d="M2 20.5a7 6.5 0 0 1 14 0M16 3.8a4 4 0 0 1 0 7.4M18.5 14.6a7 6.5 0 0 1 3.5 5.9"/>"#,
        ),
        (Self::Bot, "bot", r#"<rect x="4" y="8" width="16" height="12"/><path d="M12 8V3.5M9 13v2M15 13v2M1.5 12v4M22.5 12v4"/>"#),
        (
            Self::Agent,
            "agent",
            r#"<rect x="2" y="3" width="9" height="9"/><rect x="13" y="12" width="9" height="9"/><path d="M15 7.5h3V9M9 16.5H6V15"/>"#,
        ),
        (Self::Log, "log", r#"<path d="M5 2.5h14v19H5zM9 8h6M9 12h6M9 16h3"/>"#),
        (Self::Menu, "menu", r#"<path d="M4 6h16M4 12h16M4 18h16"/>"#),
        (Self::Down, "down", r#"<path d="M6 9l6 6 6-6"/>"#),
        (Self::Right, "right", r#"<path d="M9 6l6 6-6 6"/>"#),
        (Self::Search, "search", r#"<circle cx="10.5" cy="10.5" r="7.5"/><path d="M16 16l5.5 5.5"/>"#),
        (Self::Out, "out", r#"<path d="M9 3H4v18h5M15 7l5 5-5 5M20 12H9"/>"#),
        (Self::Info, "info", r#"<circle cx="12" cy="12" r="10"/><path d="M12 11v6M12 7.5v.01"/>"#),
        (Self::Lock, "lock", r#"<path d="M4 11h16v10H4zM8 11V7a4 4 0 0 1 8 0v4"/>"#),
        (Self::Start, "start", r#"<path d="M6 3.5L20 12 6 20.5z"/>"#),
        (Self::Release, "release", r#"<path d="M4 11h16v10H4zM8 11V7a4 4 0 0 1 7.7-1.5"/>"#),
        (Self::Phone, "phone", r#"<path d="M7 2h10v20H7zM11 18.5h2"/>"#),
        (Self::Terminal, "terminal", r#"<path d="M4 6l6 6-6 6M12 19h8"/>"#),
        (Self::Broken, "broken", r#"<path d="M2.5 12H7a4 4 0 0 0 3-1.4M21.5 12H17a4 4 0 0 0-3 1.4M9 18L15 6"/>"#),
        (Self::Shield, "shield", r#"<path d="M12 2l8 3v6c0 5-3.5 8.8-8 11-4.5-2.2-8-6-8-11V5zM8.5 12l2.5 2.5 4.5-5"/>"#),
    ];

    /// The word of its symbol.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(icon, ..)| *icon == self).map_or("info", |(_, name, _)| name)
    }
    /// All symbols, to stand once in a page.
    pub fn sprite() -> super::html::Html {
        let symbols = Self::ALL.iter().map(|(_, name, shape)| format!(r#"<symbol id="i-{name}" viewBox="0 0 24 24">{shape}</symbol>"#));
        super::html::Html::markup(symbols.collect())
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r##"<svg class="ic" aria-hidden="true"><use href="#i-{}"/></svg>"##, self.name())
    }
}

impl askama::filters::HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_icon_refers_to_a_symbol_of_the_sprite() {
        let sprite = Icon::sprite().to_string();
        for (icon, name, _) in Icon::ALL {
            assert!(sprite.contains(&format!(r#"id="i-{name}""#)));
            assert!(icon.to_string().contains(&format!("#i-{name}\"")));
            assert_eq!(sprite.matches(&format!(r#"id="i-{name}""#)).count(), 1, "{name} twice");
        }
        assert!(sprite.len() < 5_000, "the sprite weighs {} bytes", sprite.len());
    }
}
