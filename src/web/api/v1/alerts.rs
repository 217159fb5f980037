//! `/api/v1/alerts`: what somebody must look at; taking and closing. Open and taken ones are answered from memory, database or not.

use super::Named as NamedShape;
use crate::app::{App, AppError};
use crate::authz::Action;
use crate::domain::{Alert, AlertId};
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken, Listing, listing,
        listing::Piece,
        once::{Bare, Key, Write},
        openapi::Problem,
    },
    json,
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// An alert.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Alert)]
pub struct AlertShape {
    /// Its id.
    id: String,
    /// What it is about: `unconfirmed`, `end_key_by_hand`, `behind`, `two_agents`, `code_used_twice`, `agent_ahead`, `log_frozen`,
    /// `hold_not_recorded`, `clock_off`, `not_reduced`, `secret_refused`.
    kind: &'static str,
    /// `critical` or `warning`.
    severity: &'static str,
    /// `open`, `taken` or `closed`.
    state: &'static str,
    /// The kind in a few words.
    title: &'static str,
    /// What is the matter and what to do.
    words: String,
    /// The bot it is about.
    bot: Option<NamedShape>,
    /// The hold it is about.
    hold: Option<String>,
    /// When it was opened.
    opened_at: String,
    /// When its cause was last seen.
    last_at: String,
    /// How often it was raised again.
    repeats: i64,
    /// Who looks after it.
    taken: Option<TakenShape>,
    /// Its end.
    closed: Option<ClosedShape>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AlertTaken)]
struct TakenShape {
    /// The name of whoever took it.
    by: String,
    /// When.
    at: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AlertClosed)]
struct ClosedShape {
    /// The name of whoever closed it; null: the server, since its cause is gone.
    by: Option<String>,
    /// When.
    at: String,
    /// Why.
    why: String,
}

fn shape(app: &App, alert: &Alert) -> AlertShape {
    let bot = alert.subject.bot.as_ref();
    AlertShape {
        id: alert.id.to_string(),
        kind: alert.kind.as_str(),
        severity: alert.severity.as_str(),
        state: alert.standing().as_str(),
        title: alert.kind.title(),
        words: alert.words.clone(),
        bot: bot.map(|id| NamedShape { id: id.to_string(), name: app.alert_bot_name(alert).unwrap_or_default() }),
        hold: alert.subject.hold.as_ref().map(ToString::to_string),
        opened_at: alert.opened_at.rfc3339(),
        last_at: alert.last_at.rfc3339(),
        repeats: alert.repeats,
        taken: alert.taken.as_ref().map(|(by, at)| TakenShape { by: by.name.clone(), at: at.rfc3339() }),
        closed: alert.closed.as_ref().map(|closed| ClosedShape {
            by: closed.by.as_ref().map(|by| by.name.clone()),
            at: closed.at.rfc3339(),
            why: closed.why.clone(),
        }),
    }
}

fn id_of(text: &str) -> Result<AlertId, WebError> {
    AlertId::parse(text).map_err(|_| AppError::NotFound("alert").into())
}

/// Lists alerts: with `state=open` (the usual) those that nobody looks after and with `state=taken` those that somebody does, oldest first; with
/// `state=closed` those that are over, newest first.
///
/// # Errors
/// 403 for a token that may not read; 400 for another state.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", security(("token" = [])),
    params(("state" = Option<String>, Query, description = "`open` (the usual), `taken` or `closed`"), Piece),
    responses((status = 200, body = Listing<AlertShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let is_taken = match params.text("state").as_deref() {
        None | Some("open") => false,
        Some("taken") => true,
        Some("closed") => {
            let (after, limit) = listing::asked(&params, id_of)?;
            let (alerts, next) = app.closed_alerts(actor, after.as_ref(), limit).await?;
            return Ok(Json(Listing::of(alerts.iter().map(|alert| shape(&app, alert)).collect::<Vec<_>>(), next)).into_response());
        }
        Some(_) => return Err(WebError::bad_request("state must be open, taken or closed.")),
    };
    let shapes = app.open_alerts(actor, is_taken)?.iter().map(|alert| shape(&app, alert)).collect();
    Ok(Json(Listing::cut(shapes, |alert: &AlertShape| &alert.id, &params)?).into_response())
}

/// Shows one alert.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = AlertShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    let actor = caller.may(Action::See)?;
    Ok(Json(shape(&app, &app.alert(actor, &id_of(&id)?).await?)).into_response())
}

/// Says that whoever uses this token looks after an alert of its team's bots.
///
/// # Errors
/// 403 for a token that may not; 404; 409 for one that is closed.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/take", tag = "alerts", security(("token" = [])), params(("id" = String, Path), Key),
    responses((status = 200, body = AlertShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn take(State(app): Shared, caller: ByToken, Named(id): Named, Bare(write): Bare) -> Answer {
    let actor = caller.may(Action::TendAlert)?;
    let id = id_of(&id)?;
    let work = async {
        app.take_alert(actor, &id).await?;
        Ok(Json(shape(&app, &app.alert(actor, &id).await?)).into_response())
    };
    write.once(&app, actor, work).await
}

/// Why an alert may be closed.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertEnd)]
pub struct Asked {
    /// What was found or done.
    why: String,
}

/// Closes an alert of the token's team's bots.
///
/// # Errors
/// 403 for a token that may not; 404; 409 for one that is closed; 422 without a reason.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/close", tag = "alerts", security(("token" = [])), params(("id" = String, Path), Key),
    request_body = Asked,
    responses((status = 200, body = AlertShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn close(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::TendAlert)?;
    let id = id_of(&id)?;
    let asked: Asked = json::read(&write.body)?;
    let work = async {
        app.close_alert(actor, &id, &asked.why).await?;
        Ok(Json(shape(&app, &app.alert(actor, &id).await?)).into_response())
    };
    write.once(&app, actor, work).await
}
