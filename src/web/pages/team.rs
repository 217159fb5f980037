//! `/teams/{id}`: the bots of one team, worst first, and one press that stops them all.

use super::fleet::{Figures, Filter, Listing, Paged, one_list, sorted};
use crate::app::{
    App, AppError,
    listings::{BotRow, census},
};
use crate::authz::{self, Action, Resource};
use crate::crypto::token;
use crate::domain::{BotId, Scope, TeamId, Timestamp};
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

/// Bots that one press halves, at most: the form says each, and 64 KiB is all a form may be.
const HALVED: usize = 1_000;

/// Bots named that could not be halved, at most.
const NAMED: usize = 12;

/// What one press would halve, and how the limits of the team stand.
pub(super) struct Halving {
    /// The bots that have limits which can be halved, each with the version that is shown: `ID:VERSION`.
    pub(super) bots: Vec<String>,
    /// How many of the team's bots have none and stay as they are.
    pub(super) without: usize,
    /// When limits were changed last, and in words of how many bots within the ten seconds before.
    pub(super) last: Option<(Timestamp, String)>,
    /// Whoever looks has just pressed it.
    pub(super) is_done: bool,
}

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
    /// None: no bot of it has limits, or they are not theirs to tighten.
    pub(super) halving: Option<Halving>,
    pub(super) problems: Problems,
    pub(super) figures: Figures,
    pub(super) listing: Listing,
    pub(super) has_bots: bool,
}

/// What the page is asked with beside a filter.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    // The page is drawn after a press of *Tighten by half*.
    halved: String,
}

/// The page.
pub async fn show(
    State(app): Shared,
    person: Person,
    Named(id): Named,
    Query(filter): Query<Filter>,
    Query(asked): Query<Asked>,
) -> Answer {
    draw(&app, &person, &id, (&filter, !asked.halved.is_empty()), Problems::none()).await
}

/// The bots that somebody saw with limits, each with its version.
#[derive(Debug, Default, serde::Deserialize)]
pub struct SeenLimits {
    #[serde(default)]
    limits: Vec<String>,
}

impl SeenLimits {
    fn read(&self) -> Vec<(BotId, i64)> {
        let one = |text: &String| {
            let (id, version) = text.split_once(':')?;
            Some((BotId::parse(id).ok()?, version.parse().ok()?))
        };
        self.limits.iter().take(HALVED).filter_map(one).collect()
    }
}

/// Halves the limits of its bots, and says so.
pub async fn halve(State(app): Shared, person: Person, Named(id): Named, Posted(seen): Posted<SeenLimits>) -> Answer {
    let team = TeamId::parse(&id).map_err(|_| AppError::NotFound("team"))?;
    match app.halve_limits_of_team(&person.actor, &team, &seen.read()).await {
        Ok(halved) if halved.failed.is_empty() => Ok(frame::see(&format!("/teams/{team}?halved=1"))),
        Ok(halved) => {
            let name = |id: &BotId| app.fleet.view().bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
            let names: Vec<String> = halved.failed.iter().take(NAMED).map(name).collect();
            let more = halved.failed.len() - names.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let said = format!(
                "{} tightened by half. Not {}{more}: the database did not take it. Press again for {}; what was halved is not halved again.",
                bots(halved.bots),
                names.join(", "),
                if halved.failed.len() == 1 { "it" } else { "them" },
            );
            draw(&app, &person, &id, (&Filter::default(), false), Problems::one("", said)).await
        }
        Err(error) => draw(&app, &person, &id, (&Filter::default(), false), Problems::of_error(error)?).await,
    }
}

fn halving(rows: &[BotRow], is_done: bool) -> Option<Halving> {
    let (with, without): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.bot.limits.halved().is_some());
    let changed: Vec<Timestamp> = rows.iter().filter(|row| row.bot.limits.version > 0).map(|row| row.bot.limits_at).collect();
    let last = changed.iter().max().map(|last| (*last, bots(changed.iter().filter(|at| last.ms_since(**at) < 10_000).count())));
    (!with.is_empty()).then(|| Halving {
        bots: with.iter().take(HALVED).map(|row| format!("{}:{}", row.bot.id, row.bot.limits.version)).collect(),
        without: without.len(),
        last,
        is_done,
    })
}

async fn draw(app: &App, person: &Person, id: &str, (filter, is_done): (&Filter, bool), problems: Problems) -> Answer {
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
    let page = Team {
        may_kill: may(Action::PlaceKill, &Resource::Scope { scope: Scope::Team(id.clone()), team: None }),
        halving: halving(&rows, is_done).filter(|_| may(Action::TightenLimits, &Resource::Team(id.clone()))),
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
            halving: may_pause.then(|| Halving {
                bots: (0..12).map(|n| format!("{}:3", samples::id(n))).collect(),
                without: 1,
                last: Some((samples::now(), "12 bots".to_owned())),
                is_done: true,
            }),
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
