//! `/teams/{id}`: the bots of one team, worst first, and one press that stops them all.

use super::fleet::{Figures, Filter, Listing, Paged, one_list, sorted};
use crate::app::{
    App, AppError,
    listings::{BotRow, census},
};
use crate::authz::{self, Action, Resource};
use crate::crypto::token;
use crate::domain::{Scope, TeamId};
use crate::web::{
    Answer, Shared,
    extract::{Person, Posted},
    format, frame,
    page::{Frame, Scripts},
    problems::Problems,
    query::Named,
    roster::bots,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
};

#[derive(Template)]
#[template(path = "team.html")]
pub(super) struct Team {
    pub(super) frame: Frame,
    pub(super) id: TeamId,
    pub(super) name: String,
    pub(super) key: String,
    pub(super) press: String,
    pub(super) note: String,
    pub(super) may_pause: bool,
    pub(super) may_kill: bool,
    /// How many of its bots have limits that one press halves; 0: none, or not theirs to tighten.
    pub(super) may_halve: usize,
    pub(super) problems: Problems,
    pub(super) figures: Figures,
    pub(super) listing: Listing,
    pub(super) has_bots: bool,
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, Query(filter): Query<Filter>) -> Answer {
    draw(&app, &person, &id, &filter, Problems::none()).await
}

/// Halves the limits of its bots.
pub async fn halve(State(app): Shared, person: Person, Named(id): Named, Posted(_): Posted<Vec<(String, String)>>) -> Answer {
    let team = TeamId::parse(&id).map_err(|_| AppError::NotFound("team"))?;
    match app.halve_limits_of_team(&person.actor, &team).await {
        Ok(_) => Ok(frame::see(&format!("/teams/{team}"))),
        Err(error) => draw(&app, &person, &id, &Filter::default(), Problems::of_error(error)?).await,
    }
}

async fn draw(app: &App, person: &Person, id: &str, filter: &Filter, problems: Problems) -> Answer {
    let id = TeamId::parse(id).map_err(|_| AppError::NotFound("team"))?;
    let name = app.people().team_name(&id).ok_or(AppError::NotFound("team"))?;
    let mut frame = frame::of(app, &person.visitor, format!("Team {name}")).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    frame.scripts = Scripts::Live;
    let now = frame.now;
    let rows: Vec<BotRow> = app.bot_rows(&person.actor)?.into_iter().filter(|row| row.bot.team == id).collect();
    let rows = sorted(rows, now);
    let counted = census(&rows, now);
    let filter = Filter { team: id.to_string(), page: filter.page, ..Filter::default() };
    let path = format!("/teams/{id}");
    let found: Vec<&BotRow> = rows.iter().collect();
    let listing = one_list(app, &person.actor, &found, Paged { filter: &filter, path: &path }, now);
    let press = match counted.running {
        0 => format!("Pause team {name}: {}", bots(counted.bots)),
        n => format!("Pause team {name}: {} running {}", format::count(n as i128), if n == 1 { "bot" } else { "bots" }),
    };
    let may = |action, resource: &Resource| authz::check(&person.actor, action, resource).is_ok();
    let halves = rows.iter().filter(|row| row.bot.limits.halved().is_some()).count();
    let page = Team {
        may_kill: may(Action::PlaceKill, &Resource::Scope { scope: Scope::Team(id.clone()), team: None }),
        may_halve: if may(Action::TightenLimits, &Resource::Team(id.clone())) { halves } else { 0 },
        problems,
        key: token::random::<16>().map_err(AppError::from)?,
        press,
        note: if counted.no_data == 0 { String::new() } else { format!("{} without data are covered too", counted.no_data) },
        may_pause: may(Action::PlaceHold, &Resource::Installation),
        figures: Figures::of(&rows, now),
        has_bots: !rows.is_empty(),
        frame,
        id,
        name,
        listing,
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use super::fleet::{Listed, sample_figures};
    use crate::web::{
        chip::{Chip, Tone},
        samples::{self, line},
    };
    let listing = |lines: Vec<crate::web::roster::BotLine>| Listing {
        attention: Vec::new(),
        attention_more: 0,
        groups: Vec::new(),
        listed: Some(Listed { lines, words: "13 bots".to_owned(), previous: String::new(), next: String::new() }),
        stream: "/live/fleet?first=1&bots=".to_owned(),
        marks: false,
        may_start: false,
    };
    let draw = |lines: Vec<_>, may_pause| {
        let mut frame = Frame { held: None, ..Frame::sample("Team arb", "/teams/1") };
        frame.scripts = Scripts::Live;
        let page = Team {
            frame,
            id: TeamId::from_stored(samples::id(900)),
            name: "arb".to_owned(),
            key: "key".to_owned(),
            press: "Pause team arb: 12 running bots".to_owned(),
            note: "1 without data are covered too".to_owned(),
            may_pause,
            may_kill: may_pause,
            may_halve: if may_pause { 12 } else { 0 },
            problems: Problems::none(),
            figures: sample_figures(12, 1, 0),
            has_bots: !lines.is_empty(),
            listing: listing(lines),
        };
        page.render().unwrap()
    };
    let lines = (0..13).map(|n| line(3 * n, Chip::new(Tone::Plain, "Active"), "", Some(1))).collect();
    vec![("team".to_owned(), draw(lines, true)), ("team-empty".to_owned(), draw(Vec::new(), false))]
}
