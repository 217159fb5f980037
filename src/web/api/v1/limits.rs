//! `/api/v1/limits`: the limits of a level, installation, team, bot or symbol, now or as of a moment; every version; tightening, as one person
//! may. Loosening takes a request: `/api/v1/requests`.

use crate::app::{App, AppError, limits::NodeRow};
use crate::authz::Action;
use crate::domain::{Timestamp, limits::Node};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, openapi::Problem},
    json::{self, Raw},
    query::Params,
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One version of a level of limits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LimitsLevel)]
pub struct LevelShape {
    /// `installation`, `team:ID`, `bot:ID` or `symbol:BOT-ID:SYMBOL`.
    of: String,
    /// Grows by one at every change.
    version: i64,
    /// Its settings, by their names in the agent protocol; `breach:NAME` says what the breach of a limit does.
    #[schema(value_type = Object)]
    values: serde_json::Value,
    /// Why.
    why: String,
    /// Who set it: `user:ID`, `token:ID`.
    set_by: String,
    /// When.
    set_at: String,
    /// By when somebody is to look at it again.
    review_by: Option<String>,
    /// The request by which it was loosened.
    request: Option<String>,
}

/// What holds, with the levels that it follows from.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Limits)]
pub struct LimitsShape {
    /// Which level.
    of: String,
    /// As of when; null: now.
    as_of: Option<String>,
    /// The levels above it and its own, from the installation down; those on which nothing was ever set are left out.
    levels: Vec<LevelShape>,
    /// What holds for the bot.
    holds: Option<HoldsShape>,
    /// How much is used now; empty for an earlier moment.
    used: Vec<UsedShape>,
}

/// What holds for a bot.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LimitsHeld)]
struct HoldsShape {
    /// The version that its agent acknowledges.
    version: i64,
    /// As the agent is told.
    #[schema(value_type = Object)]
    values: serde_json::Value,
}

/// How much of a limit is used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LimitUsed)]
struct UsedShape {
    /// The limit's name.
    limit: &'static str,
    /// At most.
    at_most: Option<String>,
    /// What was measured; null: the last report does not say.
    used: Option<String>,
}

/// Settings to tighten.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = TightenLimits)]
#[serde(deny_unknown_fields)]
pub struct Tighten {
    /// `installation`, `team:ID`, `bot:ID` or `symbol:BOT-ID:SYMBOL`.
    of: String,
    /// Texts by the names of settings, as a person types them: `{"max_leverage": "2", "allowed_symbols": "BTC/USDT, ETH/USDT"}`.
    set: BTreeMap<String, String>,
    /// Why; at most 500 characters.
    #[serde(default)]
    why: String,
    /// A day by which somebody is to look at it again, `2027-03-31`.
    #[serde(default)]
    review_by: String,
}

fn level(row: NodeRow) -> LevelShape {
    LevelShape {
        of: row.node.in_one(),
        version: row.version,
        values: row.values.into(),
        why: row.why,
        set_by: row.set_by,
        set_at: row.set_at.rfc3339(),
        review_by: row.review_by.map(|at| at.rfc3339()),
        request: row.request_id.map(|id| id.to_string()),
    }
}

fn node_of(text: &str) -> Result<Node, WebError> {
    Node::from_one(text).ok_or_else(|| AppError::NotFound("level of limits").into())
}

/// Refuses names that are no settings of a level.
///
/// # Errors
/// 400 with the first of them.
pub(super) fn only_known<'a>(node: &Node, mut names: impl Iterator<Item = &'a String>) -> Result<(), WebError> {
    let Some(strange) = names.find(|name| !node.has(name)) else { return Ok(()) };
    let why: String = strange.chars().map(|c| if c.is_control() { '?' } else { c }).take(64).collect();
    Err(WebError::bad_request(format!("{why} is no setting of this level.")))
}

/// A token that is bound to a team reads what is of that team, and of the installation.
fn may_read(app: &App, caller: &ByToken, node: &Node) -> Result<(), WebError> {
    let resource = app.limits_resource(node)?;
    crate::authz::check(&caller.0, Action::See, &resource).map_err(|_| AppError::NotFound("level of limits"))?;
    Ok(())
}

async fn answer(app: &App, caller: &ByToken, node: &Node, as_of: Option<Timestamp>) -> Answer {
    may_read(app, caller, node)?;
    let (rows, held) = app.limits_as_of(&caller.0, node, as_of.unwrap_or(Timestamp(i64::MAX))).await?;
    let holds = held.and_then(|row| Some(HoldsShape { version: row.version, values: serde_json::from_str(&row.limits).ok()? }));
    let view = app.fleet.view();
    let bot = node.bot().and_then(|bot| view.bot(bot)).filter(|_| as_of.is_none());
    let mut used: Vec<UsedShape> = Vec::new();
    if let Some(bot) = bot {
        let one = |used: crate::app::breaches::Use| UsedShape {
            limit: used.check.as_str(),
            at_most: Some(used.limit.shortest()),
            used: used.value.map(|value| value.shortest()),
        };
        used.extend(app.limit_uses(bot).0.into_iter().map(one));
    } else if as_of.is_none() {
        let one = |total: crate::app::totals::Total| UsedShape {
            limit: total.check.as_str(),
            at_most: total.limit.map(|limit| limit.shortest()),
            used: Some(total.value.shortest()),
        };
        used.extend(app.totals_of(node).into_iter().map(one));
    }
    let levels = rows.into_iter().map(level).collect();
    let shape = LimitsShape { of: node.in_one(), as_of: as_of.map(|at| at.rfc3339()), levels, holds, used };
    Ok((StatusCode::OK, Json(shape)).into_response())
}

/// Shows what holds for a level, the levels that it follows from and how much is used; `as_of` as it stood at that moment.
///
/// # Errors
/// 400 for no moment; 404.
#[utoipa::path(get, path = "/api/v1/limits", tag = "limits", security(("token" = [])),
    params(("of" = Option<String>, Query, description = "`installation` (when left out), `team:ID`, `bot:ID` or `symbol:BOT-ID:SYMBOL`"),
        ("as_of" = Option<String>, Query, description = "RFC 3339, or a day for its end")),
    responses((status = 200, body = LimitsShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    caller.may(Action::See)?;
    let as_of = params.text("as_of").map(|text| moment(&text)).transpose()?;
    answer(&app, &caller, &node_of(&params.text("of").unwrap_or_default())?, as_of).await
}

fn moment(text: &str) -> Result<Timestamp, WebError> {
    let day = || Timestamp::parse_day(text).map(|day| day.plus_ms(crate::domain::time::DAY_MS - 1));
    Timestamp::parse(text).or_else(day).ok_or_else(|| WebError::bad_request("as_of must be a moment, RFC 3339, or a day.".to_owned()))
}

/// Lists the versions of a level, newest first, at most 100.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/limits/versions", tag = "limits", security(("token" = [])),
    params(("of" = Option<String>, Query, description = "As of `/api/v1/limits`")),
    responses((status = 200, body = Listing<LevelShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn versions(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    caller.may(Action::See)?;
    let node = node_of(&params.text("of").unwrap_or_default())?;
    may_read(&app, &caller, &node)?;
    let items: Vec<LevelShape> = app.level_history(&caller.0, &node).await?.into_iter().map(level).collect();
    Ok(Json(Listing { items, next: None }).into_response())
}

/// Tightens a level at once. What would loosen anything is refused whole.
///
/// # Errors
/// 403, 404; 409 when nothing changes; 422 for what cannot be or would loosen.
#[utoipa::path(post, path = "/api/v1/limits", tag = "limits", security(("token" = [])), request_body = Tighten,
    responses((status = 200, body = LimitsShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn tighten(State(app): Shared, caller: ByToken, Raw(body): Raw) -> Answer {
    caller.may(Action::TightenLimits)?;
    let typed: Tighten = json::read(&body)?;
    let node = node_of(&typed.of)?;
    only_known(&node, typed.set.keys())?;
    let mut set: Vec<(String, String)> = typed.set.into_iter().collect();
    set.push((crate::app::limits::REVIEW_BY.to_owned(), typed.review_by));
    app.tighten(&caller.0, &node, &set, &typed.why).await?;
    answer(&app, &caller, &node, None).await
}
