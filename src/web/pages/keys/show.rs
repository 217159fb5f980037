//! `/keys/{id}`: one key: what was approved, what its venue says, every version, what happened, and what can be done about it.

use super::{chip, end::Said, id_of, place};
use crate::app::{
    App,
    keys::{
        DEMOTED, Key, KeyEventRow, VersionRow,
        end::Task,
        install::short,
        judge::{Weight, evidence_of, seen_digest},
        list::KeyStands,
    },
};
use crate::authz::{self, Action};
use crate::domain::{
    KeyId, KeyPurpose, Timestamp,
    key::{KeyState, KeyVerdict},
};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::Person,
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// What a venue said, a line each: how bad, in words.
struct Found {
    is_wrong: bool,
    word: &'static str,
    what: String,
}

/// A version.
struct Version {
    n: i64,
    chip: Chip,
    fingerprint: String,
    holder: String,
    handed_in: Timestamp,
    handed_in_by: String,
    verdict: String,
    measured: Option<Timestamp>,
    measured_by: &'static str,
    attested: Option<(Timestamp, String)>,
    found: Vec<Found>,
    /// Why its venue said nothing.
    said: String,
    /// The digest of the evidence, when something of it is to be attested.
    to_attest: String,
    /// It can be measured again, by the server or on the agent's host.
    is_measurable: bool,
    /// Since when it is to be measured again.
    asked: Option<Timestamp>,
    /// When this server took the right to trade from it at its venue; none: it did not, or it was seen to be as approved since.
    demoted: Option<Timestamp>,
}

/// Something that happened.
struct Happened {
    at: Timestamp,
    words: String,
    by: String,
}

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    frame: Frame,
    problems: Problems,
    id: String,
    bot: (String, String),
    purpose: KeyPurpose,
    chip: Chip,
    place: String,
    rights: String,
    ips: String,
    until: Option<Timestamp>,
    account: String,
    withdraw_to: String,
    rotate_days: i64,
    rotate_by: Option<Timestamp>,
    on_drift: &'static str,
    approved_at: Timestamp,
    requester: String,
    request: String,
    ended: Option<(Timestamp, String, String)>,
    versions: Vec<Version>,
    /// Versions that may still work at the venue although nobody here should use them.
    gone: Vec<i64>,
    /// Versions that somebody here may have.
    held: Vec<i64>,
    events: Vec<Happened>,
    /// What follows of a compromise; empty: it is not compromised.
    tasks: Vec<Task>,
    is_compromised: bool,
    settled: Option<(Timestamp, String, String)>,
    is_open: bool,
    is_waiting: bool,
    may_install: bool,
    may_attest: bool,
    may_end: bool,
    /// It can be deleted at its venue from here, by who looks.
    may_delete: bool,
    said: Said,
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id_of(&id)?, (Said::default(), Problems::none())).await
}

/// When a version was demoted here, unless it was measured since and is what was approved again, or gone.
fn demoted(row: &VersionRow, events: &[KeyEventRow]) -> Option<Timestamp> {
    let at = events.iter().find(|event| event.version == Some(row.version) && event.what == DEMOTED).map(|event| event.at)?;
    let is_raised = row.verdict == Some(KeyVerdict::Agrees) && row.measured_at.is_some_and(|measured| measured > at);
    (!is_raised && row.state != KeyState::Gone).then_some(at)
}

fn version(app: &App, key: &Key, (row, events): (&VersionRow, &[KeyEventRow])) -> Version {
    let evidence = evidence_of(row).unwrap_or_default();
    let found = |weight: Weight| match weight {
        Weight::Wrong => (true, "Wrong"),
        Weight::Unknown => (true, "Not said"),
        Weight::Attest if row.attested_at.is_some() => (false, "Attested"),
        Weight::Attest => (false, "To be attested"),
    };
    let tone = match (row.state, row.verdict) {
        (state, Some(KeyVerdict::Differs)) if state.is_held() => Tone::Critical,
        (KeyState::Installed, _) => Tone::Low,
        (KeyState::Revoked, _) => Tone::High,
        (KeyState::Active | KeyState::Gone, _) => Tone::Done,
        _ => Tone::Open,
    };
    let is_left = row.verdict == Some(KeyVerdict::Attest) && row.attested_at.is_none() && row.state.is_held();
    Version {
        n: row.version,
        chip: Chip::new(tone, row.state.words()),
        fingerprint: short(&row.fingerprint).to_owned(),
        holder: if row.agent_id.is_some() { "sealed to the bot's agent".to_owned() } else { "encrypted with this server".to_owned() },
        handed_in: row.installed_at,
        handed_in_by: app.said_of(&row.installed_by),
        verdict: row.verdict.map_or_else(|| "Not measured".to_owned(), |verdict| verdict.words().to_owned()),
        measured: row.measured_at,
        measured_by: row.measured_by.map_or("", |by| by.words()),
        attested: row.attested_at.zip(row.attested_by.as_ref()).map(|(at, by)| (at, app.said_of(by))),
        found: evidence
            .differences
            .into_iter()
            .map(|one| Found { is_wrong: found(one.weight).0, word: found(one.weight).1, what: one.what })
            .collect(),
        said: evidence.said.unwrap_or_default(),
        to_attest: if is_left { seen_digest(key, row) } else { String::new() },
        is_measurable: app.may_be_measured(key, row),
        asked: row.asked_at,
        demoted: demoted(row, events),
    }
}

/// The page, with a form that needs a change.
pub(super) async fn draw(app: &App, person: &Person, id: &KeyId, (said, problems): (Said, Problems)) -> Answer {
    let view = app.key(&person.actor, id).await?;
    let (key, bot) = (&view.key, &view.bot);
    let now = app.clock.now();
    let mut frame = frame::of(app, &person.visitor, format!("Key of {}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may = |action: Action| authz::check(&person.actor, action, &App::bot_resource(bot)).is_ok();
    let by = |at: Option<Timestamp>, who: &Option<String>, why: &Option<String>| {
        Some((at?, app.said_of(who.as_deref().unwrap_or_default()), why.clone().unwrap_or_default()))
    };
    let happened = |event: &KeyEventRow| Happened {
        at: event.at,
        words: match (event.version, event.why.is_empty()) {
            (Some(version), true) => format!("{}, version {version}", event.what),
            (Some(version), false) => format!("{}, version {version}: {}", event.what, event.why),
            (None, true) => event.what.clone(),
            (None, false) => format!("{}: {}", event.what, event.why),
        },
        by: app.said_of(&event.who),
    };
    let stands = key.stands(now);
    let of = |is_it: &dyn Fn(KeyState) -> bool| key.versions.iter().filter(|one| is_it(one.state)).map(|one| one.version).collect();
    let page = KeyPage {
        frame,
        problems,
        id: id.to_string(),
        bot: (format!("/bots/{}", bot.id), bot.name.clone()),
        purpose: key.row.purpose,
        chip: chip(key, now),
        place: place(app, key),
        rights: key.sheet.rights_words(),
        ips: key.sheet.ips.join(", "),
        until: key.sheet.until,
        account: key.sheet.account.clone().unwrap_or_default(),
        withdraw_to: key.sheet.withdraw_to.join(", "),
        rotate_days: key.row.rotate_days,
        rotate_by: key.rotate_by().filter(|_| key.is_open()),
        on_drift: key.row.on_drift.words(),
        approved_at: key.row.approved_at,
        requester: app.people().who(&key.row.requester),
        request: format!("/requests/{}", key.row.request_id),
        ended: by(key.row.ended_at, &key.row.ended_by, &key.row.ended_why),
        versions: key.versions.iter().rev().map(|row| version(app, key, (row, &view.events))).collect(),
        gone: of(&|state| state.is_to_be_deleted()),
        held: of(&|state| state.is_held()),
        events: view.events.iter().map(happened).collect(),
        tasks: if key.row.compromised_at.is_some() { app.tasks_of(key) } else { Vec::new() },
        is_compromised: key.row.compromised_at.is_some(),
        settled: by(key.row.settled_at, &key.row.settled_by, &key.row.settled_why),
        is_open: key.is_open(),
        is_waiting: matches!(stands, KeyStands::Waiting | KeyStands::Unproved),
        may_install: may(Action::InstallKey),
        may_attest: may(Action::AttestKey),
        may_end: may(Action::EndKey),
        may_delete: may(Action::DeleteKey) && key.row.purpose != KeyPurpose::KeyAdmin && app.has_hand(&bot.id, KeyPurpose::KeyAdmin),
        said,
    };
    frame::page_with(status, &page)
}

/// `/keys/new`: for which bot.
#[derive(Template)]
#[template(path = "key_for.html")]
struct NewPage {
    frame: Frame,
    problems: Problems,
    bot: String,
    bots: Vec<String>,
}

/// The bot of this name, of those that one may see.
fn named(app: &App, person: &Person, name: &str) -> Option<std::sync::Arc<crate::domain::BotFacts>> {
    let view = app.fleet.view();
    view.bots().find(|bot| bot.name.eq_ignore_ascii_case(name) && authz::sees_team(&person.actor, &bot.team)).cloned()
}

/// Bots that are offered while one types.
const OFFERED: usize = 200;

/// Asks for which bot, and leads to its form.
pub async fn new(State(app): Shared, person: Person, params: crate::web::query::Params) -> Answer {
    let typed = params.text("bot").unwrap_or_default().trim().to_owned();
    let mut problems = Problems::none();
    if !typed.is_empty() {
        match named(&app, &person, &typed) {
            Some(bot) => return Ok(frame::see(&format!("/bots/{}/keys/ask", bot.id))),
            None => problems.add("bot", format!("There is no bot {typed}")),
        }
    }
    let view = app.fleet.view();
    let mut bots: Vec<String> = view.bots().filter(|bot| authz::sees_team(&person.actor, &bot.team)).map(|bot| bot.name.clone()).collect();
    bots.sort();
    bots.truncate(OFFERED);
    let mut frame = frame::of(&app, &person.visitor, "Ask for a key").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    frame::page_with(status, &NewPage { frame, problems, bot: typed, bots })
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let version = |n: i64, tone: Tone, is_left: bool| Version {
        n,
        chip: Chip::new(tone, "Active"),
        fingerprint: "0123456789ab".to_owned(),
        holder: "sealed to the bot's agent".to_owned(),
        handed_in: samples::now().plus_ms(-86_400_000),
        handed_in_by: "M. Ito <x>".to_owned(),
        verdict: "As far as the venue says, it is what was approved".to_owned(),
        measured: (!is_left).then(samples::now),
        measured_by: "on the agent's host, with the key itself",
        attested: (!is_left).then(|| (samples::now(), "M. Ito".to_owned())),
        found: vec![Found { is_wrong: !is_left, word: "To be attested", what: "the addresses <b> are not said".to_owned() }],
        said: if is_left { "the venue says nothing".to_owned() } else { String::new() },
        to_attest: if is_left { "ab".repeat(32) } else { String::new() },
        is_measurable: true,
        asked: (!is_left).then(samples::now),
        demoted: (!is_left).then(samples::now),
    };
    let page = |is_open: bool, tasks: Vec<Task>, problems| {
        KeyPage {
            frame: Frame::sample("Key of grid-07", "/keys/7"),
            problems,
            id: samples::id(7),
            bot: ("/bots/7".to_owned(), "grid-07 <b>".to_owned()),
            purpose: KeyPurpose::Execution,
            chip: Chip::new(Tone::Plain, "In use"),
            place: "binance/grid-7".to_owned(),
            rights: "read, trade".to_owned(),
            ips: "203.0.113.7/32".to_owned(),
            until: Some(samples::now()),
            account: "24617703".to_owned(),
            withdraw_to: "bc1q".to_owned(),
            rotate_days: 90,
            rotate_by: Some(samples::now()),
            on_drift: "an alert, and the bot is paused",
            approved_at: samples::now(),
            requester: "L. Sato".to_owned(),
            request: "/requests/7".to_owned(),
            ended: (!is_open).then(|| (samples::now(), "the server".to_owned(), "its bot was killed".to_owned())),
            versions: if is_open { vec![version(2, Tone::Done, true), version(1, Tone::High, false)] } else { Vec::new() },
            gone: if is_open { vec![1] } else { Vec::new() },
            held: vec![2],
            events: vec![Happened { at: samples::now(), words: "Handed in, version 2: <x>".to_owned(), by: "M. Ito".to_owned() }],
            is_compromised: !tasks.is_empty(),
            tasks,
            settled: None,
            is_open,
            is_waiting: is_open,
            may_install: true,
            may_attest: true,
            may_end: true,
            may_delete: true,
            said: Said::default(),
        }
        .render()
        .unwrap()
    };
    let tasks =
        || ["stop the bot", "delete version 1"].iter().zip([true, false]).map(|(what, is_done)| Task { what: (*what).to_owned(), is_done });
    let new = |problems: Problems| {
        let frame = Frame::sample("Ask for a key", "/keys/new");
        NewPage { frame, problems, bot: "x".to_owned(), bots: vec!["grid-07".to_owned()] }.render().unwrap()
    };
    vec![
        ("key".to_owned(), page(true, Vec::new(), Problems::one("end-why", "Say why."))),
        ("key-ended".to_owned(), page(false, Vec::new(), Problems::none())),
        ("key-compromised".to_owned(), page(false, tasks().collect(), Problems::none())),
        ("key-for-which".to_owned(), new(Problems::one("bot", "There is no bot x"))),
    ]
}
