//! `/api/v1/keys`: exchange keys as programs see them: what was approved, how each stands, by when it is replaced. No secret, and nothing that was
//! sealed; a key is asked for as a request of kind `keys`.

use super::Named as Ref;
use crate::app::{
    App, AppError,
    keys::{
        Key, VersionRow,
        list::{KeyFilter, KeyStands},
    },
};
use crate::authz::Action;
use crate::domain::{BotId, KeyId, KeyPurpose};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, listing::Piece, openapi::Problem},
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// An exchange key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeKey)]
pub struct KeyShape {
    /// Its id.
    id: String,
    /// Its bot.
    bot: Ref,
    /// Its subaccount.
    subaccount: Ref,
    /// `market_data`, `execution`, `monitor`, `guard` or `key_admin`.
    purpose: &'static str,
    /// `waiting`, `unproved`, `in_use`, `due`, `drift`, `at_venue`, `compromised` or `ended`.
    state: &'static str,
    /// What it may do: `read`, `trade`, `manage_keys`, `withdraw`.
    rights: Vec<String>,
    /// The networks that it works from alone.
    ips: Vec<String>,
    /// When it ends at the venue; null: not by itself.
    until: Option<String>,
    /// By when its secret is replaced; null: it has none.
    rotate_by: Option<String>,
    /// `tell`, `reduce` or `pause`: what happens when it is found to be another.
    on_drift: &'static str,
    /// The request that approved it.
    request: String,
    /// When it was approved.
    approved_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// Its versions, the first one first.
    versions: Vec<KeyVersionShape>,
}

/// A secret that was handed in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeKeyVersion)]
pub struct KeyVersionShape {
    /// From 1.
    version: i64,
    /// `installed`, `measured`, `delivered`, `active`, `draining`, `revoked` or `gone`.
    state: &'static str,
    /// SHA-256 of what the venue calls the key, hex.
    fingerprint: String,
    /// When it was handed in.
    installed_at: String,
    /// What its venue says of it: `agrees`, `attest`, `unknown` or `differs`; null: nobody asked.
    verdict: Option<&'static str>,
    /// When it was measured last.
    measured_at: Option<String>,
    /// `server`, `master`, `agent` or `attested`.
    measured_by: Option<&'static str>,
}

fn version(row: &VersionRow) -> KeyVersionShape {
    KeyVersionShape {
        version: row.version,
        state: row.state.as_str(),
        fingerprint: row.fingerprint.clone(),
        installed_at: row.installed_at.rfc3339(),
        verdict: row.verdict.map(|verdict| verdict.as_str()),
        measured_at: row.measured_at.map(|at| at.rfc3339()),
        measured_by: row.measured_by.map(|by| by.as_str()),
    }
}

fn shape(app: &App, key: &Key) -> KeyShape {
    let bot = app.fleet.view().bot(&key.row.bot_id).map(|bot| bot.name.clone()).unwrap_or_default();
    let venues = app.venues();
    let label = venues.subaccount(&key.row.subaccount_id).map(|one| venues.label(&one)).unwrap_or_default();
    KeyShape {
        id: key.row.id.to_string(),
        bot: Ref { id: key.row.bot_id.to_string(), name: bot },
        subaccount: Ref { id: key.row.subaccount_id.to_string(), name: label },
        purpose: key.row.purpose.as_str(),
        state: key.stands(app.clock.now()).as_str(),
        rights: key.sheet.rights_words().split(", ").map(|word| word.replace(' ', "_")).collect(),
        ips: key.sheet.ips.clone(),
        until: key.sheet.until.map(|until| until.rfc3339()),
        rotate_by: key.rotate_by().filter(|_| key.is_open()).map(|by| by.rfc3339()),
        on_drift: key.row.on_drift.as_str(),
        request: key.row.request_id.to_string(),
        approved_at: key.row.approved_at.rfc3339(),
        ended_at: key.row.ended_at.map(|at| at.rfc3339()),
        versions: key.versions.iter().map(version).collect(),
    }
}

/// One word of a parameter, or 400.
fn word<T: std::str::FromStr>(params: &Params, name: &str, said: &str) -> Result<Option<T>, WebError> {
    let read = params.text(name).map(|text| text.parse().map_err(|_| WebError::bad_request(format!("{name} must be {said}."))));
    read.transpose()
}

/// Lists keys by their bots' names. Those that are gone at their venues for more than 400 days are left out.
///
/// # Errors
/// 403 for a token that may not read; 404 for a bot that is not there; 400 for what is no such word.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", security(("token" = [])),
    params(("bot" = Option<String>, Query, description = "A bot's id"), ("purpose" = Option<String>, Query), ("state" = Option<String>, Query), Piece),
    responses((status = 200, body = Listing<KeyShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let limit = params.number("limit", 1..=1_000, 100)?;
    let filter = KeyFilter {
        stands: word::<KeyStands>(&params, "state", "one of the states of a key")?,
        bot: word::<BotId>(&params, "bot", "a bot's id")?,
        purpose: word::<KeyPurpose>(&params, "purpose", "one of market_data, execution, monitor, guard and key_admin")?,
        text: String::new(),
    };
    let after = word::<KeyId>(&params, "after", "`next` of the piece before")?;
    let (keys, next) = app.list_keys(actor, &filter, (after.as_ref(), usize::try_from(limit).unwrap_or_default()))?;
    let items = keys.iter().map(|key| shape(&app, key)).collect();
    Ok(Json(Listing::<KeyShape> { items, next: next.map(|id| id.to_string()) }).into_response())
}

/// Shows one.
///
/// # Errors
/// 403, 404.
#[utoipa::path(get, path = "/api/v1/keys/{id}", tag = "keys", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = KeyShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    let actor = caller.may(Action::See)?;
    let id = KeyId::parse(&id).map_err(|_| AppError::NotFound("key"))?;
    let view = app.key(actor, &id).await?;
    Ok(Json(shape(&app, &view.key)).into_response())
}
