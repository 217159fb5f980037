//! `/bots/{id}/emergency`: what was approved of a bot beside what runs, and letting just that run for some hours, which two people sign. Below it
//! every emergency change of the bot, and what a review found. All of the installation stand under `/emergency`.

pub mod list;

use super::bots::id_of;
use crate::app::App;
use crate::authz::{self, Action};
use crate::domain::{
    BotId, Timestamp,
    emergency::{HOURS, USUAL_HOURS},
    golive::{Difference, Ran},
};
use crate::web::{
    Answer, Shared,
    extract::{Person, Posted},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use list::Line;

/// What is asked for.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    /// Hours; empty: the usual number.
    #[serde(default)]
    hours: String,
    #[serde(default)]
    why: String,
}

#[derive(Template)]
#[template(path = "emergency.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    bot: (String, String),
    id: String,
    /// What was approved; none: nothing, or the bot trades in no stage that takes it.
    approved: Option<Ran>,
    /// What its agent says that it runs.
    runs: Option<Ran>,
    /// An emergency change is in force: until when.
    in_force: Option<Timestamp>,
    /// Everything that is not as approved, in words.
    differs: Vec<String>,
    may: bool,
    hours: String,
    why: String,
    /// None: the database does not answer.
    lines: Option<Vec<Line>>,
}

impl Page {
    /// True when there is something that could be let run.
    fn departs(&self) -> bool {
        self.approved.is_some() && self.runs.is_some() && self.approved != self.runs
    }
    fn is_other_build(&self) -> bool {
        self.approved.as_ref().map(|ran| &ran.build) != self.runs.as_ref().map(|ran| &ran.build)
    }
    fn is_other_config(&self) -> bool {
        self.approved.as_ref().map(|ran| &ran.config) != self.runs.as_ref().map(|ran| &ran.config)
    }
    fn most(&self) -> u32 {
        *HOURS.end()
    }
}

async fn draw(app: &App, person: &Person, id: &BotId, (asked, problems): (Asked, Problems)) -> Answer {
    let bot = app.bot(&person.actor, id)?.bot;
    let mut frame = frame::of(app, &person.visitor, format!("Emergency changes of {}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let now = frame.now;
    let run = bot.run.as_ref().filter(|run| run.stage == bot.stage);
    let page = Page {
        bot: (format!("/bots/{id}"), bot.name.clone()),
        id: id.to_string(),
        approved: run.map(|run| run.dossier.runs.clone()),
        runs: app.in_force(&bot).runs,
        in_force: run.and_then(|run| run.emergency_now(now)).map(|emergency| emergency.until),
        differs: app.differences(&bot, now).iter().map(Difference::words).collect(),
        may: authz::check(&person.actor, Action::ChangeInEmergency, &App::bot_resource(&bot)).is_ok(),
        hours: if asked.hours.is_empty() { USUAL_HOURS.to_string() } else { asked.hours },
        why: asked.why,
        lines: list::of_bot(app, person, id, now).await,
        problems,
        frame,
    };
    frame::page_with(status, &page)
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id_of(&id)?, (Asked::default(), Problems::none())).await
}

/// Prepares an emergency change, which two people sign.
pub async fn ask(State(app): Shared, person: Person, Named(id): Named, Posted(asked): Posted<Asked>) -> Answer {
    let id = id_of(&id)?;
    let hours = match asked.hours.trim() {
        "" => USUAL_HOURS,
        // What is no number is as wrong as a number that is too large.
        text => text.parse().unwrap_or(0),
    };
    match app.prepare_emergency(&person.actor, &id, hours, &asked.why).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => {
            let problems = Problems::of_error(error)?;
            draw(&app, &person, &id, (asked, problems)).await
        }
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let ran = |build: &str| Ran { build: format!("sha256:{build}"), config: "sha256:c0c0c0c0c0c0".to_owned() };
    let page = |runs: Option<Ran>, may: bool, problems: Problems| Page {
        frame: Frame::sample("Emergency changes of grid-07", "/bots/7/emergency"),
        bot: ("/bots/7".to_owned(), "grid-07".to_owned()),
        id: samples::id(7),
        approved: Some(ran("b0b0")),
        runs,
        in_force: may.then(|| samples::now().plus_ms(3_600_000)),
        differs: vec!["Build: approved a, now b".to_owned()],
        may,
        hours: "24".to_owned(),
        why: "the venue changed its tick size".to_owned(),
        lines: Some(list::sample_lines()),
        problems,
    };
    let mut all = vec![
        ("emergency".to_owned(), page(Some(ran("f1f1")), true, Problems::none()).render().unwrap()),
        (
            "emergency-wrong".to_owned(),
            page(Some(ran("f1f1")), true, Problems::one("hours", "It lasts 1 to 72 whole hours")).render().unwrap(),
        ),
        ("emergency-same".to_owned(), page(Some(ran("b0b0")), true, Problems::none()).render().unwrap()),
        ("emergency-read".to_owned(), page(None, false, Problems::none()).render().unwrap()),
    ];
    all.extend(list::samples());
    all
}
