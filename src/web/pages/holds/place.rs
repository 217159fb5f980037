//! The press. It takes effect on arrival; the answer leads to its receipt. Works in a session that may only stop.

use super::super::pause;
use crate::app::App;
use crate::app::holds::{Press, Terms};
use crate::domain::{BotId, Level, Scope};
use crate::web::{
    Answer, Shared, WebError,
    extract::{Person, Pressing},
    frame,
};
use axum::{extract::State, http::StatusCode};

/// The longest a press can put its release off by this form. Hours.
const HOURS: i64 = 7 * 24;

/// What a pause button sends.
#[derive(Debug, serde::Deserialize)]
pub struct Pressed {
    /// `fleet`, `KIND:ID`, `bots` or `linked` with those beside it, `several` with the ticked ones, or `symbol` with what was typed.
    #[serde(default)]
    scope: String,
    /// `pause`, `reduce` or `kill`; anything else is a pause, since a stop is not refused over a word.
    #[serde(default)]
    level: String,
    /// The same rendering of a page sends the same key.
    #[serde(default)]
    key: String,
    #[serde(default)]
    why: String,
    /// Hours before which it may not be released; anything else: none.
    #[serde(default)]
    hours: String,
    /// The marked bots.
    #[serde(default)]
    bot: Vec<String>,
    /// The marked bots with those that are bound to them.
    #[serde(default)]
    linked: Vec<String>,
    /// The ticked scopes, each `KIND:ID`, or `bots` for the marked ones.
    #[serde(default)]
    also: Vec<String>,
    /// The symbol as typed, and the venue's id; empty: everywhere.
    #[serde(default)]
    symbol: String,
    #[serde(default)]
    venue: String,
}

/// Takes the press and leads to its receipt.
pub async fn place(State(app): Shared, Pressing(person, pressed): Pressing<Pressed>) -> Answer {
    let named = match pressed.scope.as_str() {
        "symbol" if pressed.venue.is_empty() => format!("symbol:{}", pressed.symbol.trim()),
        "symbol" => format!("symbol:{}@{}", pressed.symbol.trim(), pressed.venue),
        other => other.to_owned(),
    };
    let beside = pause::Beside { marked: &pressed.bot, linked: &pressed.linked, ticked: &pressed.also };
    let level = pressed.level.parse().unwrap_or(Level::Pause);
    if level == Level::Kill && person.visitor.asleep.is_some() {
        let said = "This session did nothing for 15 minutes, so it only pauses and reduces. Pause now, which works at once; or touch your key, \
                    then kill.";
        return Err(WebError::new(StatusCode::FORBIDDEN, "not-killed", "Touch your security key first", said));
    }
    let (scopes, unread) = match pause::scopes(&named, &beside) {
        Ok(read) => read,
        Err(wrong) => return again(&app, &person, (pressed, level), wrong).await,
    };
    let hours = pressed.hours.parse::<i64>().ok().filter(|hours| (1..=HOURS).contains(hours));
    let not_before = hours.map(|hours| app.clock.now().plus_ms(hours * 3_600_000));
    let press = Press {
        scope: Scope::Fleet,
        level,
        why: pressed.why,
        idempotency_key: pressed.key,
        terms: Terms { not_before, ..Terms::default() },
    };
    let outcomes = app.place_several(&person.actor, scopes, &press).await;
    let asked = outcomes.len() + unread.len();
    let (mut receipt, mut failed) = (None, Vec::new());
    for (scope, outcome) in outcomes {
        match outcome {
            Ok(placed) => drop(receipt.get_or_insert(format!("/holds/{}", placed.hold.id))),
            Err(error) => failed.push((frame::scope_words(&app, &scope), WebError::from(error))),
        }
    }
    failed.extend(unread.into_iter().map(|text| (text, WebError::bad_request("That names nothing that can be stopped."))));
    match (receipt, failed.as_slice()) {
        // Several stand beside each other under Holds; a session that only stops sees the first, which names the others.
        (Some(_), []) if asked > 1 && person.visitor.asleep.is_none() => Ok(frame::see("/holds")),
        (Some(receipt), []) => Ok(frame::see(&receipt)),
        (None, [(_, error)]) => Err(error.clone()),
        (stopped, failed) => Err(partly(asked, failed, stopped.is_some())),
    }
}

/// The page once more, with what was typed: nothing was stopped.
async fn again(app: &App, person: &Person, (pressed, level): (Pressed, Level), wrong: &str) -> Answer {
    let wanted = pause::Wanted {
        level: if level == Level::Reduce { level } else { Level::Pause },
        hours: pressed.hours.parse().ok().filter(|hours| pause::HOURS.iter().any(|(one, _)| one == hours)),
        marked: pressed.bot.iter().filter_map(|id| BotId::parse(id).ok()).collect(),
        typed: pause::Typed { symbol: pressed.symbol, venue: pressed.venue, ticked: pressed.also, wrong: wrong.to_owned() },
    };
    pause::draw(app, person, wanted).await
}

/// What is said when not everything was stopped, or nothing of several.
fn partly(asked: usize, failed: &[(String, WebError)], is_any_stopped: bool) -> WebError {
    let (kind, title) = if is_any_stopped { ("partly", "Not everything was stopped") } else { ("scope", "Nothing of it can be stopped") };
    let mut error = WebError::new(StatusCode::CONFLICT, kind, title, "");
    error.reasons = failed.iter().map(|(name, error)| format!("{name}: {}", error.reasons.join(" "))).collect();
    match asked - failed.len() {
        0 => {}
        1 => error.reasons.push("The other one is stopped; its receipt is under Holds.".to_owned()),
        n => error.reasons.push(format!("The other {n} are stopped; their receipts are under Holds.")),
    }
    error
}
