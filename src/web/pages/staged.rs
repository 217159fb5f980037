//! `/starts/{id}`: a start in waves: how far it has come, who signed it, why the next wave waits or what ended it, and the button that ends it.

use crate::app::{App, AppError, staged::StagedView};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{ActId, State as BotState, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{Person, Pressing},
    frame::{self, HeldPart},
    live::{self, Door, Feed, Sent},
    page::{Frame, PeopleStrip, Scripts},
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::sse::Event};
use std::sync::Arc;

/// A wave with its bots.
pub struct Wave {
    /// From 1.
    pub number: i64,
    /// How it stands.
    pub chip: Chip,
    /// When it was started.
    pub at: Option<Timestamp>,
    /// Name, address and state of each bot.
    pub bots: Vec<(String, String, Chip)>,
}

/// What of the page is live.
#[derive(Template)]
#[template(path = "live/staged.html")]
pub struct Part {
    /// How it stands.
    pub chip: Chip,
    /// Why the next wave waits.
    pub waits: Vec<String>,
    /// What ended it; empty: nothing.
    pub why: String,
    /// Wave by wave.
    pub waves: Vec<Wave>,
}

impl Part {
    fn of(view: &StagedView) -> Self {
        let row = &view.row;
        let is_ended = row.state == "ended";
        let wave = |wave: i64| {
            let of: Vec<_> = view.bots.iter().filter(|bot| bot.row.wave == wave).collect();
            let chip = match () {
                () if wave < row.started => Chip::new(Tone::Done, "Started"),
                () if is_ended => Chip::new(Tone::Plain, "Never starts"),
                () if wave == row.started => Chip::new(Tone::Open, "Next"),
                () => Chip::new(Tone::Plain, "Later"),
            };
            let bots = of.iter().map(|bot| {
                let chip = match bot.state {
                    BotState::Active => Chip::new(Tone::Done, "Active"),
                    BotState::Reducing => Chip::new(Tone::Low, "Reducing"),
                    BotState::Halted => Chip::new(Tone::Held, "Halted"),
                };
                (bot.name.clone(), format!("/bots/{}", bot.row.bot_id), chip)
            });
            Wave { number: wave + 1, chip, at: of.first().and_then(|bot| bot.row.started_at), bots: bots.collect() }
        };
        let chip = match row.state.as_str() {
            "running" => Chip::new(Tone::Open, format!("{} of {} waves started", row.started, row.waves)),
            "done" => Chip::new(Tone::Done, "Every wave started"),
            _ => Chip::new(Tone::High, format!("Ended after {} of {} waves", row.started, row.waves)),
        };
        Self { chip, waits: view.waits.clone(), why: row.why.clone().unwrap_or_default(), waves: (0..row.waves).map(wave).collect() }
    }
}

#[derive(Template)]
#[template(path = "staged.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    id: String,
    part: Part,
    bots: usize,
    settle_s: i64,
    not_after: Timestamp,
    signed: Vec<(String, Timestamp)>,
    is_running: bool,
    may_end: bool,
}

fn id_of(text: &str) -> Result<ActId, WebError> {
    ActId::parse(text).map_err(|_| AppError::NotFound("start in waves").into())
}

fn may_end(actor: &Actor) -> bool {
    authz::check(actor, Action::PlaceHold, &Resource::Installation).is_ok()
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let view = app.staged(&person.actor, &id_of(&id)?).await?;
    draw(&app, &person, &view, Problems::none()).await
}

async fn draw(app: &App, person: &Person, view: &StagedView, problems: Problems) -> Answer {
    let id = view.row.act_id.to_string();
    let mut frame = frame::of(app, &person.visitor, format!("Start of {} bots in waves", view.bots.len())).await;
    frame.path = format!("/starts/{id}");
    frame.scripts = Scripts::Live;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    let page = Page {
        frame,
        problems,
        part: Part::of(view),
        bots: view.bots.len(),
        settle_s: view.row.settle_ms / 1_000,
        not_after: view.row.not_after,
        signed: view.signed.iter().map(|(user, at)| (app.people().who(user), *at)).collect(),
        is_running: view.row.state == "running",
        may_end: may_end(&person.actor),
        id,
    };
    frame::page_with(status, &page)
}

/// Ends it. A press like any other: no key, from any page of ours, also in a session that may only stop.
pub async fn end(State(app): Shared, Named(id): Named, Pressing(person, _): Pressing<super::sign_in::Nothing>) -> Answer {
    let id = id_of(&id)?;
    match app.end_staged(&person.actor, &id).await {
        Ok(()) if person.actor.is_stop_only() => Ok(frame::see("/pause")),
        Ok(()) => Ok(frame::see(&format!("/starts/{id}"))),
        Err(error) => {
            let problems = Problems::of_error(error)?;
            let view = app.staged(&person.actor, &id).await?;
            draw(&app, &person, &view, problems).await
        }
    }
}

/// Streams how far it has come.
pub async fn stream(State(app): Shared, person: Person, Named(id): Named, door: Door) -> Answer {
    let id = id_of(&id)?;
    app.staged(&person.actor, &id).await?;
    Ok(door.open(&app, &person.visitor, StagedFeed { id, sent: Sent::default() }))
}

struct StagedFeed {
    id: ActId,
    sent: Sent,
}

impl Feed for StagedFeed {
    async fn news(&mut self, app: &Arc<App>, actor: &Actor) -> Result<Vec<Event>, AppError> {
        let mut text = String::new();
        let inside = Part::of(&app.staged(actor, &self.id).await?).render().map_err(AppError::internal)?;
        if self.sent.is_news("staged", &inside) {
            text.push_str(&inside);
        }
        let held = HeldPart::of(app, actor).render().map_err(AppError::internal)?;
        if self.sent.is_news("held", &held) {
            text.push_str(&live::part("held", held));
        }
        Ok(if text.is_empty() { Vec::new() } else { vec![live::swap(&text)] })
    }
}

/// What the fleet page says of those that are not over. A database that does not answer makes the page poorer, never late.
pub(super) async fn strips(app: &App, actor: &Actor) -> Vec<PeopleStrip> {
    let running = app.staged_running(actor).await.unwrap_or_default();
    running
        .iter()
        .map(|row| PeopleStrip {
            is_urgent: false,
            bold: "A start in waves is running.".to_owned(),
            text: format!("{} of {} waves started; a pause of any of its bots ends it.", row.started, row.waves),
            href: format!("/starts/{}", row.act_id),
            link: "Look at it, or end it",
        })
        .collect()
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let draw = |state: &str, started: i64, waits: Vec<String>, why: &str| {
        let now = samples::now();
        let bots = |wave: i64| {
            let numbers = [0..1, 1..3, 3..20].into_iter().nth(wave as usize).unwrap();
            numbers.map(move |n| {
                let chip = if wave < started { Chip::new(Tone::Done, "Active") } else { Chip::new(Tone::Held, "Halted") };
                (samples::names().swap_remove(n).0, format!("/bots/{}", samples::id(n)), chip)
            })
        };
        let wave = |wave: i64| Wave {
            number: wave + 1,
            chip: if wave < started { Chip::new(Tone::Done, "Started") } else { Chip::new(Tone::Open, "Next") },
            at: (wave < started).then(|| now.plus_ms(-90_000 + 60_000 * wave)),
            bots: bots(wave).collect(),
        };
        let part = Part {
            chip: Chip::new(Tone::Open, format!("{started} of 3 waves started")),
            waits,
            why: why.to_owned(),
            waves: (0..3).map(wave).collect(),
        };
        let page = Page {
            frame: Frame { scripts: Scripts::Live, ..Frame::sample("Start of 20 bots in waves", "/starts/0193") },
            problems: Problems::none(),
            id: samples::id(1),
            part,
            bots: 20,
            settle_s: 60,
            not_after: now.plus_ms(14_000_000),
            signed: vec![("L. Sato".to_owned(), now.plus_ms(-100_000)), ("M. Okafor".to_owned(), now.plus_ms(-95_000))],
            is_running: state == "running",
            may_end: true,
        };
        page.render().unwrap()
    };
    vec![
        ("staged".to_owned(), draw("running", 1, vec!["the bots settle: 22 s more".to_owned()], "")),
        ("staged-ended".to_owned(), draw("ended", 2, Vec::new(), "grid-01 was stopped: its lease ran out")),
    ]
}
