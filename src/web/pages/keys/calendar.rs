//! `/keys/calendar`: when secrets are to be replaced, the nearest first; and which of them somebody has handed in, for whoever replaces them all
//! after that person has left.

use super::{Line, line};
use crate::app::keys::list::KeyFilter;
use crate::domain::{UserId, key::KeyState};
use crate::web::{Answer, Shared, WebError, extract::Person, format::OutOf, frame, page::Frame, pages::register::Choice, query::Params};
use askama::Template;
use axum::extract::State;

/// Rows of each part, at most: those of the nearest.
const ROWS: usize = 500;
/// Keys that are looked at.
const MOST: usize = 100_000;

#[derive(Template)]
#[template(path = "keys_calendar.html")]
struct CalendarPage {
    frame: Frame,
    people: Vec<Choice>,
    /// Whose secrets are listed; empty: everybody's.
    by: String,
    /// How many of those are replaced.
    replaced: OutOf,
    overdue: Vec<Line>,
    soon: Vec<Line>,
    later: Vec<Line>,
}

/// The page.
pub async fn show(State(app): Shared, person: Person, params: Params) -> Answer {
    let by = match params.text("by").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(UserId::parse(&text).map_err(|_| WebError::bad_request("by must be a person of the form."))?),
    };
    let handed_in = by.as_ref().map(|by| format!("user:{by}"));
    let (keys, _) = app.list_keys(&person.actor, &KeyFilter::default(), (None, MOST))?;
    let now = app.clock.now();
    let (mut overdue, mut soon, mut later) = (Vec::new(), Vec::new(), Vec::new());
    let mut replaced = OutOf { n: 0, of: 0 };
    let mut open: Vec<_> = keys.iter().filter(|key| key.is_open()).filter_map(|key| Some((key.rotate_by()?, key))).collect();
    open.sort_by_key(|(at, key)| (*at, key.row.id.clone()));
    for (_, key) in open {
        if let Some(handed_in) = &handed_in {
            // On an agent's host nobody is named: there it counts as theirs who asked for the key.
            let is_askers = format!("user:{}", key.row.requester) == *handed_in;
            let is_theirs = |one: &crate::app::keys::VersionRow| {
                one.installed_by == *handed_in || (is_askers && one.installed_by.starts_with("agent:"))
            };
            if !key.versions.iter().any(is_theirs) {
                continue;
            }
            replaced.of += 1;
            // As long as one of theirs works at the venue it is not replaced.
            if key.versions.iter().all(|one| !is_theirs(one) || one.state == KeyState::Gone) {
                replaced.n += 1;
                continue;
            }
        }
        let part = match () {
            () if key.is_overdue(now) => &mut overdue,
            () if key.is_due(now) => &mut soon,
            () => &mut later,
        };
        if part.len() < ROWS {
            part.push(line(&app, key, now));
        }
    }
    let by = by.map(|by| by.to_string()).unwrap_or_default();
    let people = app.people().users();
    let page = CalendarPage {
        frame: frame::of(&app, &person.visitor, "When keys are replaced").await,
        people: people.iter().map(|user| Choice::new(&user.id, app.people().who(&user.id), &by)).collect(),
        by: if by.is_empty() { by } else { app.people().who(&UserId::from_stored(by)) },
        replaced,
        overdue,
        soon,
        later,
    };
    frame::page(&page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::domain::KeyPurpose;
    use crate::web::{
        chip::{Chip, Tone},
        samples,
    };
    let line = |n: usize| Line {
        href: format!("/keys/{}", samples::id(n)),
        bot: ("/bots/7".to_owned(), "grid-07 <b>".to_owned()),
        purpose: KeyPurpose::Guard,
        chip: Chip::new(Tone::Plain, "In use"),
        place: "binance/grid-7".to_owned(),
        rights: "read, trade".to_owned(),
        ips: "203.0.113.7/32".to_owned(),
        secret: "version 2, 0123456789ab".to_owned(),
        measured: None,
        measured_by: "",
        rotate_by: Some(samples::now()),
    };
    let page = |by: &str, lines: &dyn Fn() -> Vec<Line>| {
        CalendarPage {
            frame: Frame::sample("When keys are replaced", "/keys/calendar"),
            people: vec![Choice::new("u", "M. Ito <x>", "u")],
            by: by.to_owned(),
            replaced: OutOf { n: 3, of: 9 },
            overdue: lines(),
            soon: lines(),
            later: lines(),
        }
        .render()
        .unwrap()
    };
    vec![
        ("keys-calendar".to_owned(), page("", &|| vec![line(1)])),
        ("keys-calendar-of".to_owned(), page("M. Ito", &|| vec![line(1)])),
        ("keys-calendar-none".to_owned(), page("", &Vec::new)),
    ]
}
