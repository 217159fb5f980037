//! `/bots/{id}/limits`: tightening, which one person does at once, and every version there was.

use super::id_of;
use crate::app::{App, AppError};
use crate::authz::{self, Action};
use crate::domain::{Timestamp, limits::NUMBERS};
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

/// One number of the form.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) hint: String,
    pub(super) typed: String,
    pub(super) problem: String,
}

/// One version.
pub(super) struct Version {
    pub(super) version: i64,
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) values: String,
}

#[derive(Template)]
#[template(path = "bot_limits.html")]
pub(super) struct LimitsPage {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) may_tighten: bool,
    pub(super) may_halve: bool,
    pub(super) waits: bool,
    /// The version that stands: whoever halves says which one they saw.
    pub(super) version: i64,
    pub(super) fields: Vec<Field>,
    pub(super) why: String,
    /// None: the database does not answer.
    pub(super) versions: Option<Vec<Version>>,
}

/// What was typed: names and texts of the numbers, and the reason.
type Typed = Vec<(String, String)>;

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id, Typed::new(), Problems::none()).await
}

/// Tightens.
pub async fn tighten(State(app): Shared, person: Person, Named(id): Named, Posted(typed): Posted<Typed>) -> Answer {
    let why = typed.iter().find(|(name, _)| name == "why").map(|(_, why)| why.clone()).unwrap_or_default();
    match app.tighten_limits(&person.actor, &id_of(&id)?, &typed, &why).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}"))),
        Err(error) => draw(&app, &person, &id, typed, Problems::of_error(error)?).await,
    }
}

/// Which version somebody saw who halves.
#[derive(Debug, serde::Deserialize)]
pub struct Halving {
    #[serde(default)]
    version: i64,
}

/// Halves, and leads to the versions, of which the newest says so.
pub async fn halve(State(app): Shared, person: Person, Named(id): Named, Posted(halving): Posted<Halving>) -> Answer {
    match app.halve_limits(&person.actor, &id_of(&id)?, halving.version).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}/limits#versions"))),
        Err(error) => draw(&app, &person, &id, Typed::new(), Problems::of_error(error)?).await,
    }
}

async fn draw(app: &App, person: &Person, id: &str, typed: Typed, problems: Problems) -> Answer {
    let row = app.bot(&person.actor, &id_of(id)?)?;
    let bot = &row.bot;
    let may_tighten = authz::check(&person.actor, Action::TightenLimits, &App::bot_resource(bot)).is_ok();
    let typed_as = |name: &str| typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.clone()).unwrap_or_default();
    let report = row.seen.as_ref().and_then(|seen| seen.report.as_ref());
    let currency = report.and_then(|(report, _)| report.currency.clone()).unwrap_or_default();
    let fields = NUMBERS.iter().map(|named| Field {
        name: named.name,
        words: named.words,
        hint: match bot.limits.number(named) {
            Some(stands) => format!("{} Now {stands}; a smaller one tightens.", named.meaning(&currency)),
            None => format!("{} Not set.", named.meaning(&currency)),
        },
        typed: typed_as(named.name),
        problem: problems.of(named.name).to_owned(),
    });
    let versions = match app.limits_history(&person.actor, &bot.id).await {
        Ok(rows) => Some(rows.into_iter().map(|row| version(app, row)).collect()),
        Err(error @ AppError::Denied(_)) => return Err(error.into()),
        Err(_) => None,
    };
    let mut frame = frame::of(app, &person.visitor, format!("Limits of {}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = match problems.all().first() {
        None => StatusCode::OK,
        // Nothing typed is wrong: something else stands by now.
        Some(problem) if problem.field.is_empty() => StatusCode::CONFLICT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let page = LimitsPage {
        frame,
        id: bot.id.to_string(),
        name: bot.name.clone(),
        may_tighten,
        may_halve: may_tighten && bot.limits.halved().is_some(),
        waits: bot.limits_waiting,
        version: bot.limits.version,
        fields: fields.collect(),
        why: typed_as("why"),
        versions,
        problems,
    };
    frame::page_with(status, &page)
}

fn version(app: &App, row: crate::app::limits::LimitsRow) -> Version {
    let values: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&row.limits).unwrap_or_default();
    let value = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let each = values.iter().map(|(name, given)| format!("{} {}", name.replace('_', " "), value(given)));
    let user = row.set_by.strip_prefix("user:").map(|id| crate::domain::UserId::from_stored(id.to_owned()));
    Version {
        version: row.version,
        at: row.set_at,
        by: user.map_or(row.set_by, |user| app.people().who(&user)),
        why: row.why,
        values: each.collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let draw = |may_tighten, versions, problems: Problems| {
        let frame = Frame::sample("Limits of grid-07", "/bots/7/limits");
        let fields = NUMBERS.iter().map(|named| Field {
            name: named.name,
            words: named.words,
            hint: format!("{} Now 2000; a smaller one tightens.", named.meaning("USDT")),
            typed: String::new(),
            problem: problems.of(named.name).to_owned(),
        });
        let (id, name, fields) = (samples::id(7), "grid-07".to_owned(), fields.collect());
        LimitsPage {
            frame,
            id,
            name,
            may_tighten,
            may_halve: true,
            waits: true,
            version: 2,
            fields,
            why: String::new(),
            versions,
            problems,
        }
        .render()
        .unwrap()
    };
    let version = |version| Version {
        version,
        at: samples::now(),
        by: "L. Sato".to_owned(),
        why: "tightened by half".to_owned(),
        values: "max order notional 1000, max open orders 7".to_owned(),
    };
    let wrong =
        Problems::one("max_leverage", "Leverage would be looser than 2, which stands; raising a limit takes a request of two people.");
    vec![
        ("bot-limits".to_owned(), draw(true, Some(vec![version(2), version(1)]), wrong)),
        ("bot-limits-read".to_owned(), draw(false, Some(Vec::new()), Problems::none())),
        ("bot-limits-unknown".to_owned(), draw(true, None, Problems::none())),
    ]
}
