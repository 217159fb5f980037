//! `/api/v1/venues/{id}/changes`: what changed at an exchange, with the bots that trade live there and were not tested again since.

use super::Named as Ref;
use crate::app::{
    App,
    golive::venue_changes::{TestsDue, VenueChangeRow},
};
use crate::authz::{self, Action};
use crate::domain::{BotFacts, VenueId};
use crate::web::{
    Answer, Shared,
    api::{
        ByToken,
        once::{Key, Write},
        openapi::Problem,
    },
    json,
    query::Named,
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A change at an exchange.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = VenueChange)]
pub struct ChangeShape {
    /// Its id.
    id: String,
    /// What changed.
    what: String,
    /// Who wrote it down, by name.
    noted_by: String,
    /// When it was written down.
    noted_at: String,
}

/// A bot whose tests are due again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TestsDue)]
pub struct DueShape {
    /// The bot.
    bot: Ref,
    /// The items of its checklist that nobody has answered for since.
    items: Vec<String>,
}

/// What changed at an exchange, and what follows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = VenueChanges)]
pub struct ChangesShape {
    /// The newest first, 20 at most.
    changes: Vec<ChangeShape>,
    /// Bots in stages limited and live that were not tested again since the newest of them, by name.
    tests_due: Vec<DueShape>,
}

/// A change to write down.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewVenueChange)]
#[serde(deny_unknown_fields)]
pub struct NewChange {
    /// What changed; at most 500 characters.
    what: String,
}

fn change(row: VenueChangeRow) -> ChangeShape {
    ChangeShape { id: row.id.to_string(), what: row.what, noted_by: row.noted_by, noted_at: row.noted_at.rfc3339() }
}

fn due((bot, due): (Arc<BotFacts>, TestsDue)) -> DueShape {
    DueShape { bot: Ref { id: bot.id.to_string(), name: bot.name.clone() }, items: due.items }
}

async fn shown(app: &App, caller: &ByToken, id: &VenueId) -> Answer {
    let changes = app.venue_changes(&caller.0, id).await?.into_iter().map(change).collect();
    let is_seen = |(bot, _): &(Arc<BotFacts>, TestsDue)| authz::check(&caller.0, Action::See, &App::bot_resource(bot)).is_ok();
    let tests_due = app.tests_due_at(&caller.0, id).await?.into_iter().filter(is_seen).map(due).collect();
    Ok(Json(ChangesShape { changes, tests_due }).into_response())
}

/// Lists what changed at a venue, and the bots that were not tested again since.
///
/// # Errors
/// 403 for a token that may not read; 404.
#[utoipa::path(get, path = "/api/v1/venues/{id}/changes", tag = "register", security(("token" = [])),
    params(("id" = String, Path, description = "id or name")),
    responses((status = 200, body = ChangesShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn changes(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    caller.may(Action::See)?;
    let id = app.venues().named(&id)?.id;
    shown(&app, &caller, &id).await
}

/// Writes down that something changed at a venue: tests of builds there are due again.
///
/// # Errors
/// 403, 404; 409 for a venue that is retired; 422 without words.
#[utoipa::path(post, path = "/api/v1/venues/{id}/changes", tag = "register", security(("token" = [])), request_body = NewChange,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 201, body = ChangesShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn note_change(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let id = app.venues().named(&id)?.id;
    let asked: NewChange = json::read(&write.body)?;
    let work = async {
        app.note_venue_change(actor, &id, &asked.what).await?;
        Ok((StatusCode::CREATED, shown(&app, &caller, &id).await?).into_response())
    };
    write.once(&app, actor, work).await
}
