//! `/keys`: exchange keys of all bots, what each may do, from where, how old it is, and what is left to do about it. No secret is on any page.

pub mod calendar;
pub mod end;
pub mod install;
pub mod show;

use crate::app::{
    App, AppError,
    keys::{
        Key,
        install::short,
        list::{KeyFilter, KeyStands},
    },
};
use crate::domain::{KeyId, KeyPurpose, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::Person,
    frame,
    page::Frame,
    pages::{bots::id_of as bot_id_of, register::Choice},
    query::Params,
};
use askama::Template;
use axum::extract::State;

/// Rows of a page, at most.
const ROWS: usize = 100;

/// A line of the list.
pub(super) struct Line {
    pub(super) href: String,
    /// Path and name.
    pub(super) bot: (String, String),
    pub(super) purpose: KeyPurpose,
    pub(super) chip: Chip,
    pub(super) place: String,
    pub(super) rights: String,
    pub(super) ips: String,
    /// Version and the first letters of its fingerprint; empty: none was handed in.
    pub(super) secret: String,
    pub(super) measured: Option<Timestamp>,
    pub(super) measured_by: &'static str,
    pub(super) rotate_by: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    q: String,
    /// Its id and name, when the list is narrowed to one bot.
    bot: Option<(String, String)>,
    states: Vec<Choice>,
    purposes: Vec<Choice>,
    lines: Vec<Line>,
    words: String,
    next: String,
    is_narrowed: bool,
}

/// How a key stands, as a chip.
pub(super) fn chip(key: &Key, now: Timestamp) -> Chip {
    let stands = key.stands(now);
    let tone = match stands {
        KeyStands::Compromised | KeyStands::Drift => Tone::Critical,
        KeyStands::AtVenue => Tone::High,
        KeyStands::Due if key.is_overdue(now) => Tone::High,
        KeyStands::Due | KeyStands::Unproved => Tone::Low,
        KeyStands::Waiting => Tone::Open,
        KeyStands::InUse | KeyStands::Ended => Tone::Plain,
    };
    Chip::new(tone, stands.words())
}

/// Where a key is used, in words.
pub(super) fn place(app: &App, key: &Key) -> String {
    let venues = app.venues();
    venues.subaccount(&key.row.subaccount_id).map_or_else(|| "a subaccount that is gone".to_owned(), |one| venues.label(&one))
}

pub(super) fn line(app: &App, key: &Key, now: Timestamp) -> Line {
    let name = app.fleet.view().bot(&key.row.bot_id).map_or_else(|| key.row.bot_id.to_string(), |bot| bot.name.clone());
    let shown = key.current().or(key.versions.last());
    Line {
        href: format!("/keys/{}", key.row.id),
        bot: (format!("/bots/{}", key.row.bot_id), name),
        purpose: key.row.purpose,
        chip: chip(key, now),
        place: place(app, key),
        rights: key.sheet.rights_words(),
        ips: key.sheet.ips.join(", "),
        secret: shown.map(|one| format!("version {}, {}", one.version, short(&one.fingerprint))).unwrap_or_default(),
        measured: shown.and_then(|one| one.measured_at),
        measured_by: shown.and_then(|one| one.measured_by).map_or("", |by| by.words()),
        rotate_by: key.rotate_by().filter(|_| key.is_open()),
    }
}

/// A word of an address, or 400.
fn word<T: std::str::FromStr>(params: &Params, name: &str) -> Result<Option<T>, WebError> {
    let Some(text) = params.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| WebError::bad_request(format!("{name} must be one of the words of the form.")))
}

/// Where the list goes on.
fn further(fields: &[(&str, &str)], after: &KeyId) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    format!("/keys?{}", query.append_pair("after", after.as_str()).finish())
}

/// The key that a path names.
pub(super) fn id_of(text: &str) -> Result<KeyId, WebError> {
    Ok(KeyId::parse(text).map_err(|_| AppError::NotFound("key"))?)
}

/// The list.
pub async fn index(State(app): Shared, person: Person, params: Params) -> Answer {
    let bot = match params.text("bot").filter(|text| !text.is_empty()) {
        None => None,
        Some(id) => Some(app.bot(&person.actor, &bot_id_of(&id)?)?.bot),
    };
    let filter = KeyFilter {
        stands: word(&params, "state")?,
        bot: bot.as_ref().map(|bot| bot.id.clone()),
        purpose: word(&params, "purpose")?,
        text: params.text("q").unwrap_or_default().into_owned(),
    };
    let after = word::<KeyId>(&params, "after")?;
    let (keys, next) = app.list_keys(&person.actor, &filter, (after.as_ref(), ROWS))?;
    let now = app.clock.now();
    let state = filter.stands.map_or("", KeyStands::as_str);
    let purpose = filter.purpose.map_or("", KeyPurpose::as_str);
    let bot_id = filter.bot.as_ref().map(ToString::to_string).unwrap_or_default();
    let fields = [("q", filter.text.as_str()), ("bot", &bot_id), ("state", state), ("purpose", purpose)];
    let next = next.map(|id| further(&fields, &id)).unwrap_or_default();
    let page = KeysPage {
        frame: frame::of(&app, &person.visitor, bot.as_ref().map_or_else(|| "Keys".to_owned(), |bot| format!("Keys of {}", bot.name)))
            .await,
        is_narrowed: !filter.text.is_empty() || !state.is_empty() || !purpose.is_empty(),
        bot: bot.map(|bot| (bot.id.to_string(), bot.name.clone())),
        states: KeyStands::ALL.iter().map(|one| Choice::new(one, one.words(), state)).collect(),
        purposes: KeyPurpose::ALL.iter().map(|one| Choice::new(one, one.as_str().replace('_', " "), purpose)).collect(),
        words: match keys.len() {
            1 => "1 key".to_owned(),
            n => format!("{n} keys"),
        },
        lines: keys.iter().map(|key| line(&app, key, now)).collect(),
        q: filter.text,
        next,
    };
    frame::page(&page)
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let page = |lines: Vec<Line>, bot: Option<(String, String)>, is_narrowed| {
        KeysPage {
            frame: Frame::sample("Keys", "/keys"),
            q: "grid <x>".to_owned(),
            bot,
            states: KeyStands::ALL.iter().map(|one| Choice::new(one, one.words(), "due")).collect(),
            purposes: KeyPurpose::ALL.iter().map(|one| Choice::new(one, one.as_str(), "")).collect(),
            words: "2 keys".to_owned(),
            next: "/keys?after=7".to_owned(),
            lines,
            is_narrowed,
        }
        .render()
        .unwrap()
    };
    let line = |n: usize, chip: Chip, secret: &str| Line {
        href: format!("/keys/{}", samples::id(n)),
        bot: (format!("/bots/{}", samples::id(n)), format!("grid-{n:02} <b>")),
        purpose: KeyPurpose::Execution,
        chip,
        place: "binance/grid-7".to_owned(),
        rights: "read, trade".to_owned(),
        ips: "203.0.113.7/32".to_owned(),
        secret: secret.to_owned(),
        measured: (!secret.is_empty()).then(|| samples::now().plus_ms(-3_600_000)),
        measured_by: "on the agent's host, with the key itself",
        rotate_by: Some(samples::now().plus_ms(9 * 86_400_000)),
    };
    let both =
        || vec![line(1, Chip::new(Tone::High, "To be replaced"), "version 2, 0123456789ab"), line(2, Chip::new(Tone::Open, "Waits"), "")];
    let mut all = vec![
        ("keys".to_owned(), page(both(), None, false)),
        ("keys-of-bot".to_owned(), page(both(), Some((samples::id(7), "grid-07".to_owned())), true)),
        ("keys-none".to_owned(), page(Vec::new(), None, false)),
        ("keys-no-match".to_owned(), page(Vec::new(), None, true)),
    ];
    all.extend(show::samples());
    all.extend(install::samples());
    all.extend(calendar::samples());
    all
}
