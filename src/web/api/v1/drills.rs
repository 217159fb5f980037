//! `/api/v1/drills`: what drills measured, to read. Beginning one is a person's.

use super::Named as NamedShape;
use crate::app::{
    App, AppError,
    drill_runs::{DrillBot, DrillRun},
};
use crate::authz::Action;
use crate::domain::{BotId, DrillId};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, listing::Piece, openapi::Problem},
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// The items of a piece when none are asked for, and the most of them.
const USUAL: i64 = 100;
const MOST: i64 = 1_000;

/// A drill.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Drill)]
pub struct DrillShape {
    /// Its id.
    id: String,
    /// `running`, `passed` or `failed`.
    state: &'static str,
    /// What was not as it must be, a sentence each.
    reasons: Vec<String>,
    /// When it was pressed.
    began_at: String,
    /// When it was over; null: it runs.
    ended_at: Option<String>,
    /// Until when it proves anything; null: it proves nothing.
    expires_at: Option<String>,
    /// The name of whoever began it.
    by: String,
    /// The bot that had to go on.
    control: NamedShape,
    /// When that was heard trading after the press.
    control_at: Option<String>,
}

/// A drill with its bots.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DrillWithBots)]
pub struct WholeShape {
    #[serde(flatten)]
    drill: DrillShape,
    /// The bots that were paused.
    bots: Vec<DrillBotShape>,
}

/// One bot of a drill. Milliseconds from the press; null: not reached.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DrillBot)]
struct DrillBotShape {
    /// The bot.
    bot: NamedShape,
    /// Its hold.
    hold: String,
    /// Its agent had it.
    received_ms: Option<i64>,
    /// It had obeyed.
    applied_ms: Option<i64>,
    /// It had no entry orders.
    idle_ms: Option<i64>,
}

fn named(app: &App, id: &BotId) -> NamedShape {
    NamedShape { id: id.to_string(), name: app.fleet.view().bot(id).map_or_else(String::new, |bot| bot.name.clone()) }
}

fn shape(app: &App, run: &DrillRun) -> DrillShape {
    DrillShape {
        id: run.id.to_string(),
        state: match run.passed {
            None => "running",
            Some(true) => "passed",
            Some(false) => "failed",
        },
        reasons: run.reasons.lines().map(str::to_owned).collect(),
        began_at: run.began_at.rfc3339(),
        ended_at: run.ended_at.map(|at| at.rfc3339()),
        expires_at: run.expires_at.map(|at| at.rfc3339()),
        by: run.by_name.clone(),
        control: named(app, &run.control_bot),
        control_at: run.control_at.map(|at| at.rfc3339()),
    }
}

fn of_bot(app: &App, bot: &DrillBot) -> DrillBotShape {
    DrillBotShape {
        bot: named(app, &bot.bot_id),
        hold: bot.hold_id.to_string(),
        received_ms: bot.received_ms,
        applied_ms: bot.applied_ms,
        idle_ms: bot.idle_ms,
    }
}

fn id_of(text: &str) -> Result<DrillId, WebError> {
    DrillId::parse(text).map_err(|_| AppError::NotFound("drill").into())
}

/// Lists drills, newest first.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/drills", tag = "drills", security(("token" = [])), params(Piece),
    responses((status = 200, body = Listing<DrillShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let limit = params.number("limit", 1..=MOST, USUAL)?;
    let after = params.text("after").map(|id| id_of(&id)).transpose()?;
    let (runs, next) = app.drill_runs(actor, after.as_ref(), limit).await?;
    let items: Vec<DrillShape> = runs.iter().map(|run| shape(&app, run)).collect();
    Ok(Json(Listing { items, next: next.map(|id| id.to_string()) }).into_response())
}

/// Shows one drill with its bots.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/drills/{id}", tag = "drills", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    let actor = caller.may(Action::See)?;
    let (run, bots) = app.drill_run(actor, &id_of(&id)?).await?;
    let whole = WholeShape { drill: shape(&app, &run), bots: bots.iter().map(|bot| of_bot(&app, bot)).collect() };
    Ok(Json(whole).into_response())
}
