//! `/stop-device`: the pause page of a phone that is a stop device. Everything comes from memory, so that it works with the database gone;
//! nothing on it leads anywhere else. A press leads to its own small receipt, on which nothing fires.

pub mod enrol;

use super::pause::{self, Choice, Words};
use crate::app::{
    AppError,
    holds::{Kept, Press},
};
use crate::crypto::token;
use crate::domain::{HoldId, Level, Scope, Step, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByDevice, Caller, FromDevice},
    format::OutOf,
    frame,
    page::HeldStrip,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// The receipt loads itself anew while bots are not idle, for so long after the press.
const WATCHED_MS: i64 = 3 * 60 * 1_000;
/// Bots that have not stopped, named at most.
const NAMED: usize = 20;

/// What one button row of the page sends.
struct Form {
    level: Level,
    // The same rendering sent twice is one press.
    key: String,
    all: Choice,
    teams: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "stop_device.html")]
struct Page {
    installation: String,
    is_demo: bool,
    name: String,
    owner: String,
    expires_at: Timestamp,
    now: Timestamp,
    csrf: String,
    held: Option<HeldStrip>,
    pause: Form,
    reduce: Form,
    has_key: bool,
}

/// The page.
pub async fn show(State(app): Shared, by: ByDevice) -> Answer {
    let pressing = &by.pressing;
    let by_team = app.census_by_team(&pressing.actor)?;
    let now = app.clock.now();
    let all = pause::sum(&by_team);
    let form = |level| -> Result<Form, AppError> {
        let words = Words { level, shows_stake: false, now };
        let teams = by_team.iter().filter(|(.., census)| census.bots > 0);
        Ok(Form {
            level,
            key: token::random::<16>()?,
            all: words.all(&all, by_team.len()),
            teams: teams.map(|(id, name, census)| words.team(id, name, census)).collect(),
        })
    };
    frame::page(&Page {
        installation: app.installation.name.clone(),
        is_demo: app.is_demo(),
        name: pressing.known.name.clone(),
        owner: app.people().who(&pressing.known.owner),
        expires_at: pressing.known.expires_at,
        now,
        csrf: by.csrf(),
        held: frame::held(&app, &pressing.actor),
        pause: form(Level::Pause)?,
        reduce: form(Level::Reduce)?,
        has_key: pressing.known.public_key.is_some(),
    })
}

/// What a button of the page sends.
#[derive(Debug, serde::Deserialize)]
pub struct Pressed {
    /// `fleet` or `team:ID`, or `bot:ID`.
    #[serde(default)]
    scope: String,
    /// `reduce`; anything else is a pause, since a stop is not refused over a word.
    #[serde(default)]
    level: String,
    #[serde(default)]
    key: String,
    /// The signature of the phone's own key; may be missing.
    #[serde(default)]
    proof: String,
}

/// Takes the press and leads to its receipt.
pub async fn press(State(app): Shared, Caller(from): Caller, FromDevice(by, pressed): FromDevice<Pressed>) -> Answer {
    let read = pause::scopes(&pressed.scope, &pause::Beside::default());
    let (scopes, _) = read.map_err(|wrong| WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "scope", "Not understood", wrong))?;
    let scope = scopes.into_iter().next().unwrap_or(Scope::Fleet);
    let level = if pressed.level == "reduce" { Level::Reduce } else { Level::Pause };
    let press = Press { scope, level, why: String::new(), idempotency_key: pressed.key, terms: Default::default() };
    let placed = app.press_device(by.pressing, press, &pressed.proof, from).await?;
    Ok(frame::see(&format!("/stop-device/holds/{}", placed.hold.id)))
}

#[derive(Template)]
#[template(path = "stop_device_receipt.html")]
struct Receipt {
    installation: String,
    id: String,
    what: String,
    level: Level,
    is_open: bool,
    at: Timestamp,
    now: Timestamp,
    idle: OutOf,
    applied: OutOf,
    waiting: Vec<String>,
    waiting_more: usize,
    unconfirmed: usize,
    kept: &'static str,
    is_watched: bool,
}

/// How far a hold has come.
pub async fn receipt(State(app): Shared, by: ByDevice, Named(id): Named) -> Answer {
    let id = HoldId::parse(&id).map_err(|_| AppError::NotFound("hold"))?;
    let receipt = app.receipt(&by.pressing.actor, &id).await?;
    let hold = &receipt.hold;
    let of = receipt.total();
    let idle = OutOf { n: receipt.reached(Step::Idle), of };
    let mut waiting: Vec<String> = receipt.bots.iter().filter(|bot| bot.step() < Step::Idle).map(|bot| bot.bot.name.clone()).collect();
    waiting.sort();
    let waiting_more = waiting.len().saturating_sub(NAMED);
    waiting.truncate(NAMED);
    let now = app.clock.now();
    frame::page(&Receipt {
        installation: app.installation.name.clone(),
        id: hold.id.to_string(),
        what: frame::scope_words(&app, &hold.scope),
        level: hold.level,
        is_open: hold.is_open(),
        at: hold.at,
        now,
        applied: OutOf { n: receipt.reached(Step::Applied), of },
        unconfirmed: receipt.bots.iter().filter(|bot| bot.unconfirmed).count(),
        is_watched: hold.is_open() && idle.n < of && now.ms_since(hold.at) < WATCHED_MS,
        idle,
        waiting,
        waiting_more,
        kept: match app.kept(hold) {
            Kept::Recorded => "",
            Kept::Spooled => "Delivered, and kept on the server's disk. The database does not answer; it is recorded as soon as it does.",
            Kept::NotRecorded => "Delivered, not recorded: neither the database nor the disk took it. Agents hold it.",
        },
    })
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::{page::Frame, samples};
    let now = samples::now();
    let choice = |scope: &str, words: String| Choice { scope: scope.to_owned(), words, note: "3 teams".to_owned() };
    let form = |level| Form {
        level,
        key: "key".to_owned(),
        all: choice("fleet", format!("{} all 38 running bots", pause::verb(level))),
        teams: ["arb", "grid"]
            .map(|team| choice(&format!("team:{team}"), format!("{} team {team}: 13 running bots", pause::verb(level))))
            .into(),
    };
    let page = |held, has_key| Page {
        installation: "Kessel Trading".to_owned(),
        is_demo: false,
        name: "my phone".to_owned(),
        owner: "L. Sato".to_owned(),
        expires_at: now.plus_ms(90 * 24 * 60 * 60 * 1_000),
        now,
        csrf: "csrf".to_owned(),
        held,
        pause: form(Level::Pause),
        reduce: form(Level::Reduce),
        has_key,
    };
    let receipt = |n, kept| Receipt {
        installation: "Kessel Trading".to_owned(),
        id: samples::id(700),
        what: "the whole fleet".to_owned(),
        level: Level::Pause,
        is_open: true,
        at: now.plus_ms(-9_000),
        now,
        idle: OutOf { n, of: 40 },
        applied: OutOf { n: 39, of: 40 },
        waiting: if n < 40 { vec!["grid-03".to_owned()] } else { Vec::new() },
        waiting_more: 0,
        unconfirmed: 40 - n,
        kept,
        is_watched: n < 40,
    };
    let held = Frame::sample("", "").held;
    vec![
        ("stop-device".to_owned(), page(None, true).render().unwrap()),
        ("stop-device-held".to_owned(), page(held, false).render().unwrap()),
        ("stop-device-receipt".to_owned(), receipt(39, "Delivered, and kept on the server's disk.").render().unwrap()),
        ("stop-device-receipt-done".to_owned(), receipt(40, "").render().unwrap()),
    ]
}
