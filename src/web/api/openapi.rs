//! `GET /api/v1/openapi.json`: the API described for machines, from the handlers themselves.

use super::v1;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

/// An error, RFC 9457.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `/problems/` and a word.
    r#type: String,
    /// In a few words.
    title: String,
    /// The status.
    status: u16,
    /// In sentences.
    detail: String,
    /// A sentence per field that cannot be taken.
    #[schema(value_type = Option<Object>)]
    fields: Option<serde_json::Value>,
    /// The request's id, as in the server's log.
    instance: String,
}

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut Document) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", bearer);
    }
}

/// The API, described.
#[derive(OpenApi)]
#[openapi(
    info(title = "Andon", description = "Stop bots, see them, make bots. Times are RFC 3339 UTC. A token has one scope: `stop-only` (place holds, see how they go), `read` (see bots, agents, holds), `operate` (read, place holds, tighten limits, make and edit bots of one team and move them up to sandbox, write venues down). `build` (file a build for going live in one team, in the name of its maker, and nothing else). A write that carries an `Idempotency-Key` is done once in 24 hours and answered alike when it is sent again. A token that may operate asks for what raises risk, and denies and takes back requests, as its maker may. None releases, starts, approves or changes people, and none outlives its maker's right to it."),
    modifiers(&Tokens),
    paths(
        v1::bots::index,
        v1::bots::create,
        v1::bots::show,
        v1::bots::set_stage,
        v1::fills::index,
        v1::golive::create,
        v1::teams::index,
        v1::agents::index,
        v1::holds::index,
        v1::holds::create,
        v1::holds::show,
        v1::presses::create,
        v1::receipts::show,
        v1::audit::checkpoint,
        v1::changes::index,
        v1::alerts::index,
        v1::alerts::show,
        v1::alerts::take,
        v1::alerts::close,
        v1::evidence::show,
        v1::drills::index,
        v1::drills::show,
        v1::emergencies::index,
        v1::requests::index,
        v1::requests::create,
        v1::requests::show,
        v1::requests::revise,
        v1::requests::deny,
        v1::requests::raise,
        v1::requests::withdraw,
        v1::requests::comment,
        v1::limits::show,
        v1::limits::tighten,
        v1::limits::versions,
        v1::policies::show,
        v1::policies::history,
        v1::overrides::index,
        v1::overrides::show,
        v1::overrides::end,
        v1::bots::edit,
        v1::bots::assign,
        v1::venues::venues,
        v1::venues::create_venue,
        v1::venues::venue,
        v1::venues::edit_venue,
        v1::venues::retire_venue,
        v1::venue_changes::changes,
        v1::venue_changes::note_change,
        v1::venues::accounts,
        v1::venues::create_account,
        v1::venues::edit_account,
        v1::venues::retire_account,
        v1::subaccounts::index,
        v1::subaccounts::create,
        v1::subaccounts::show,
        v1::subaccounts::edit,
        v1::subaccounts::retire,
        v1::subaccounts::assignments,
        v1::keys::index,
        v1::keys::show,
    )
)]
pub struct Description;

/// Answers with the description.
pub async fn show() -> Response {
    Json(Description::openapi()).into_response()
}
