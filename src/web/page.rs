//! The frame that every page stands in: who is here, what is held, where the pause control is. Plain data; whoever answers a request fills
//! it, `templates/layout.html` draws it. A page is a struct with a field `frame: Frame` and a template that extends the layout.

use super::{extract::Next, format::OutOf};
use crate::domain::Timestamp;

/// Which of our scripts a page loads. Every act works without any of them, key ceremonies excepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scripts {
    /// None at all: `/pause`.
    None,
    /// Ages, the probe of the server, Shift three times.
    #[default]
    Plain,
    /// The same and live updates; the template has an element with `data-live`.
    Live,
    /// The same as `Plain` and security-key ceremonies; the template has a `form[data-ceremony]`.
    Keys,
}

/// What stands where the pause control stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PauseControl {
    /// The link to `/pause`.
    #[default]
    Link,
    /// An inert box in the same rectangle, on `/pause` itself: nothing that fires may lie where the opener lay.
    Inert,
    /// The link to `/stop-device`: nobody is signed in, and the browser is a stop device.
    Device,
    /// Nothing: nobody is signed in, or this person may not pause.
    Absent,
}

/// Light, dark, or what the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// What the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Whoever is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name shown.
    pub name: String,
    /// Their roles in words: `lead of trend`, `risk`.
    pub roles: Vec<String>,
    /// The session was idle and may only stop.
    pub stop_only: bool,
}

/// The strip under the bar while any hold is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldStrip {
    /// What is held, in words: `the whole fleet`, `team trend`, `3 holds`.
    pub what: String,
    /// How many of the covered bots are idle.
    pub idle: OutOf,
    /// Since when; of several holds the oldest.
    pub since: Timestamp,
    /// That was more than a day ago.
    pub is_old: bool,
    /// Who placed it; of several the oldest's.
    pub by: String,
    /// The receipt, or the list of holds.
    pub href: String,
}

/// The strip of open critical alerts, on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertStrip {
    /// How many there are.
    pub critical: usize,
    /// The newest, in a few words.
    pub newest: String,
    /// That one, or the list.
    pub href: String,
}

/// The strip that leads on with the first run while it is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRunStrip {
    /// How many of its tasks are done.
    pub done: OutOf,
    /// The next one, in words.
    pub next: &'static str,
}

/// A strip that says something of people and their rights, on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleStrip {
    /// It wants somebody to look at once.
    pub is_urgent: bool,
    /// The first words.
    pub bold: String,
    /// The rest.
    pub text: String,
    /// Where to look.
    pub href: String,
    /// The words of that link.
    pub link: &'static str,
}

/// A link of the main navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NavLink {
    /// Where to.
    pub href: &'static str,
    /// The word.
    pub word: &'static str,
    /// How many wait for this person; 0 shows no number.
    pub waiting: usize,
    /// This is where we are.
    pub is_current: bool,
}

/// Everything the layout draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The page's title, without the installation and `Error:`.
    pub title: String,
    /// The installation's name, boxed in the bar.
    pub installation: String,
    /// A demo: every page says so.
    pub is_demo: bool,
    /// Who is signed in.
    pub person: Option<Person>,
    /// The token that every form carries.
    pub csrf: String,
    /// How many acts wait for this person's signature.
    pub acts_waiting: usize,
    /// How many requests this person can act on next.
    pub requests_waiting: usize,
    /// How many notices this person has not read.
    pub notices_unread: usize,
    /// How many open alerts nobody looks after.
    pub alerts_untaken: usize,
    /// Open critical alerts.
    pub alerts: Option<AlertStrip>,
    /// What is held.
    pub held: Option<HeldStrip>,
    /// What this person lacks in security keys, as a sentence without its full stop; empty: nothing.
    pub keys_missing: String,
    /// The audit log is frozen: nothing may start or be loosened.
    pub is_log_frozen: bool,
    /// Why, for whoever is signed in.
    pub frozen_why: String,
    /// This server runs on another site's copy: it renews no lease and starts nothing.
    pub is_foreign: bool,
    /// What there is to say of people and their rights.
    pub people: Vec<PeopleStrip>,
    /// How far the first run has come, while this person should know.
    pub first_run: Option<FirstRunStrip>,
    /// The server's time when the page was made.
    pub now: Timestamp,
    /// The path with its query, for "Check again" and for the link of the place we are at.
    pub path: String,
    /// The pause control.
    pub pause: PauseControl,
    /// The scripts.
    pub scripts: Scripts,
    /// The theme.
    pub theme: Theme,
    /// Shift three times opens `/pause`.
    pub shortcuts: bool,
    /// Whom to call when nothing answers.
    pub phone: Option<String>,
    /// The page reports a problem: its title begins with `Error:`.
    pub is_error: bool,
    /// This person may read the log: links to it are shown.
    pub may_audit: bool,
}

impl Frame {
    /// A frame with nobody signed in and nothing held.
    pub fn new(title: impl Into<String>, path: impl Into<String>, now: Timestamp) -> Self {
        Self {
            title: title.into(),
            installation: "Andon".to_owned(),
            is_demo: false,
            person: None,
            csrf: String::new(),
            acts_waiting: 0,
            requests_waiting: 0,
            notices_unread: 0,
            alerts_untaken: 0,
            alerts: None,
            held: None,
            keys_missing: String::new(),
            is_log_frozen: false,
            frozen_why: String::new(),
            is_foreign: false,
            people: Vec::new(),
            first_run: None,
            now,
            path: path.into(),
            pause: PauseControl::Absent,
            scripts: Scripts::Plain,
            theme: Theme::System,
            shortcuts: true,
            phone: None,
            is_error: false,
            may_audit: false,
        }
    }

    /// What the document is called: `Error: (2) Fleet · DEMO · Andon`.
    pub fn document_title(&self) -> String {
        let error = if self.is_error { "Error: " } else { "" };
        let waiting = if self.acts_waiting > 0 { format!("({}) ", self.acts_waiting) } else { String::new() };
        // Whoever is not signed in is not told the installation's name: Andon stands in its place.
        let whose = if self.boxed_word() == "Andon" { String::new() } else { format!(" · {}", self.boxed_word()) };
        format!("{error}{waiting}{}{whose} · Andon", self.title)
    }
    /// The boxed word in the bar.
    pub fn boxed_word(&self) -> &str {
        if self.is_demo { "DEMO" } else { &self.installation }
    }
    /// The value of `data-theme`; empty: what the system says.
    pub fn theme_word(&self) -> &'static str {
        match self.theme {
            Theme::System => "",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
    /// True for a session that may only stop.
    pub fn is_stop_only(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.stop_only)
    }
    /// Where a key wakes a session that may only stop, and then leads back here.
    pub fn wake_href(&self) -> String {
        Next::of(&self.path).on("/sign-in/key")
    }
    /// The server's time in milliseconds, from which the page's clock runs.
    pub fn now_ms(&self) -> i64 {
        self.now.0 / 1_000
    }
    /// The links of the bar.
    pub fn main_links(&self) -> Vec<NavLink> {
        let notices = ("/notices", "Notices", self.notices_unread);
        let alerts = ("/alerts", "Alerts", self.alerts_untaken);
        let (requests, acts) = (("/requests", "Requests", self.requests_waiting), ("/acts", "Acts", self.acts_waiting));
        [("/fleet", "Fleet", 0), ("/holds", "Holds", 0), alerts, requests, acts, notices, ("/audit", "Audit", 0)]
            .into_iter()
            .filter(|(href, ..)| self.may_audit || *href != "/audit")
            .map(|l| self.link(l))
            .collect()
    }
    /// The links under *More*.
    pub fn more_links(&self) -> Vec<NavLink> {
        let links = [
            ("/limits", "Limits"),
            ("/drills", "Drills"),
            ("/agents", "Agents"),
            ("/people", "People"),
            ("/teams", "Teams"),
            ("/bots", "Bots"),
            ("/venues", "Venues"),
            ("/subaccounts", "Subaccounts"),
            ("/keys", "Keys"),
            ("/register", "Import"),
            ("/tokens", "Tokens"),
            ("/policies", "Policies"),
            ("/checklists", "Checklists"),
            ("/system", "System"),
        ];
        links.map(|(href, word)| self.link((href, word, 0))).into()
    }
    /// True when the place we are at stands under *More*.
    pub fn is_under_more(&self) -> bool {
        self.more_links().iter().any(|link| link.is_current)
    }
    fn link(&self, (href, word, waiting): (&'static str, &'static str, usize)) -> NavLink {
        let rest = self.path.strip_prefix(href);
        NavLink { href, word, waiting, is_current: rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) }
    }

    /// A frame as a signed-in lead sees it while the fleet is held, for tests.
    #[cfg(test)]
    pub fn sample(title: &str, path: &str) -> Self {
        let now = Timestamp(1_795_403_573_120_000);
        Self {
            installation: "Kessel Trading".to_owned(),
            person: Some(Person { name: "L. Sato".to_owned(), roles: vec!["lead of trend".to_owned()], stop_only: false }),
            csrf: "csrf-token".to_owned(),
            acts_waiting: 2,
            held: Some(HeldStrip {
                what: "the whole fleet".to_owned(),
                idle: OutOf { n: 37, of: 40 },
                since: Timestamp(1_795_403_527_120_000),
                is_old: false,
                by: "M. Okafor".to_owned(),
                href: "/holds/0193".to_owned(),
            }),
            pause: PauseControl::Link,
            phone: Some("+1 555 0100".to_owned()),
            may_audit: true,
            ..Self::new(title, path, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_says_error_first_then_what_waits_then_where() {
        let mut frame = Frame::sample("Fleet", "/fleet?team=mm");
        frame.is_error = true;
        assert_eq!(frame.document_title(), "Error: (2) Fleet · Kessel Trading · Andon");
        frame.is_demo = true;
        assert!(frame.document_title().contains("· DEMO ·"));
    }

    #[test]
    fn the_link_of_the_place_we_are_at_is_current_and_no_other() {
        let current = |path: &str| {
            let frame = Frame::sample("", path);
            let all = [frame.main_links(), frame.more_links()].concat();
            all.iter().filter(|link| link.is_current).map(|link| link.word).collect::<Vec<_>>()
        };
        assert_eq!(current("/holds/0193?x=1"), ["Holds"]);
        assert_eq!(current("/fleet?team=mm"), ["Fleet"]);
        assert_eq!(current("/people/new"), ["People"]);
        assert!(current("/fleetwide").is_empty());
    }
}
