//! `/api/v1/holds`: placing one, listing them. Placing has no limit of any kind: not of rate, not of size of scope, not for want of a
//! database. Releasing is a person's signed act and has no route here.

use crate::app::{
    App,
    holds::{Placed, Press, Terms},
};
use crate::authz::Action;
use crate::domain::{Hold, HoldId, Level, Scope, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, listing::Piece, openapi::Problem},
    json::{self, Raw},
    query::{Named, Params},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

/// A press.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// `fleet`, `team`, `venue`, `subaccount`, `strategy`, `bot` or `symbol`.
    scope: String,
    /// With scope `team`: its id or name.
    team: Option<String>,
    /// With scope `venue`: its id or name.
    venue: Option<String>,
    /// With scope `subaccount`: its id, its name where only one venue has it, or `VENUE/NAME`.
    subaccount: Option<String>,
    /// With scope `strategy`: its name.
    strategy: Option<String>,
    /// With scope `bot`: its id or name.
    bot: Option<String>,
    /// With scope `symbol`: `BTC/USDT` everywhere, or `BTC/USDT@VENUE`. Bots add nothing in it and go on elsewhere.
    symbol: Option<String>,
    /// `pause` (the usual) or `reduce`. A symbol's hold is always `reduce`; `kill` is for people.
    #[serde(default = "pause")]
    #[schema(value_type = String)]
    level: Level,
    /// Why; never demanded. What is too long is cut.
    #[serde(default)]
    why: String,
    /// The same press sent again carries the same key; the header `Idempotency-Key` does as well.
    #[serde(default)]
    idempotency_key: String,
    /// Nobody may release it before this moment, at most seven days ahead. What cannot be read, or lies behind, is left aside: a stop is not
    /// refused for it, and the answer says what counts.
    not_before: Option<String>,
}

pub(super) fn pause() -> Level {
    Level::Pause
}

/// A hold.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Hold)]
pub struct HoldShape {
    /// Its id.
    pub id: String,
    /// `fleet`, `team`, `venue`, `subaccount`, `strategy`, `bot` or `symbol`.
    scope: &'static str,
    /// The team, with scope `team`.
    team: Option<String>,
    /// The venue, with scope `venue`, or with a symbol that is held at one venue.
    venue: Option<String>,
    /// The subaccount, with scope `subaccount`.
    subaccount: Option<String>,
    /// The strategy's name, with scope `strategy`.
    strategy: Option<String>,
    /// The bot, with scope `bot`.
    bot: Option<String>,
    /// The symbol, with scope `symbol`.
    symbol: Option<String>,
    /// `reduce`, `pause` or `kill`.
    level: &'static str,
    /// The reason, possibly empty.
    why: String,
    /// Who placed it.
    by: PlacerShape,
    /// When it was pressed, by the server's clock.
    at: String,
    /// The epoch it took.
    epoch: i64,
    /// Nobody may release it before this moment.
    not_before: Option<String>,
    /// It was recorded after it had been pushed.
    late: bool,
    /// Position of its entry in the audit log.
    entry: Option<i64>,
    /// Its end; null while it stands.
    released: Option<ReleaseShape>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Placer)]
struct PlacerShape {
    /// `user`, `device`, `token`, `trigger`, `agent` or `host`.
    kind: &'static str,
    /// The id.
    id: String,
    /// The name as shown.
    name: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Release)]
struct ReleaseShape {
    /// When.
    at: String,
    /// The epoch it took.
    epoch: i64,
    /// The person who asked for it.
    by: String,
    /// The reason given.
    why: String,
}

/// The answer to a press.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PlacedHold)]
pub struct PlacedShape {
    #[serde(flatten)]
    hold: HoldShape,
    /// What it covers, in words: `venue binance`.
    what: String,
    /// `recorded`; `spooled`: the database did not take it and gets it later; `not_recorded`: it was pushed to the agents and that is all.
    kept: &'static str,
    /// How many bots it covers now.
    bots: usize,
    /// True when this press had been taken before.
    repeated: bool,
    /// Names of bots that go on although one that is bound to them is stopped.
    bound: Vec<String>,
    /// Other unreleased holds that already covered the whole scope: each must be released too.
    beside: Vec<HoldShape>,
    /// Where to see how far each bot has come.
    receipt: String,
}

impl From<&Hold> for HoldShape {
    fn from(hold: &Hold) -> Self {
        Self {
            id: hold.id.to_string(),
            scope: hold.scope.kind(),
            team: if let Scope::Team(team) = &hold.scope { Some(team.to_string()) } else { None },
            venue: match &hold.scope {
                Scope::Venue(venue) | Scope::Symbol(_, Some(venue)) => Some(venue.to_string()),
                _ => None,
            },
            subaccount: if let Scope::Subaccount(subaccount) = &hold.scope { Some(subaccount.to_string()) } else { None },
            strategy: if let Scope::Strategy(name) = &hold.scope { Some(name.clone()) } else { None },
            bot: if let Scope::Bot(bot) = &hold.scope { Some(bot.to_string()) } else { None },
            symbol: if let Scope::Symbol(symbol, _) = &hold.scope { Some(symbol.to_string()) } else { None },
            level: hold.level.as_str(),
            why: hold.why.clone(),
            by: PlacerShape { kind: hold.placed_by.kind.as_str(), id: hold.placed_by.id.clone(), name: hold.placed_by.name.clone() },
            at: hold.at.rfc3339(),
            epoch: hold.epoch.0,
            not_before: hold.not_before.map(|at| at.rfc3339()),
            late: hold.late,
            entry: hold.entry,
            released: hold.released.as_ref().map(|release| ReleaseShape {
                at: release.at.rfc3339(),
                epoch: release.epoch.0,
                by: release.by.to_string(),
                why: release.why.clone(),
            }),
        }
    }
}

/// Lists holds, oldest first: those that stand, or with `state=released` the last hundred that are over.
///
/// # Errors
/// 403 for a token that may not read; 400 for another state.
#[utoipa::path(get, path = "/api/v1/holds", tag = "holds", security(("token" = [])),
    params(("state" = Option<String>, Query, description = "`open` (the usual) or `released`"),
        Piece),
    responses((status = 200, body = Listing<HoldShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let holds: Vec<HoldShape> = match params.text("state").as_deref() {
        None | Some("open") => {
            app.fleet.view().open_holds().filter(|hold| app.sees_hold(actor, hold)).map(|hold| hold.as_ref().into()).collect()
        }
        Some("released") => app.past_holds(actor).await?.iter().map(HoldShape::from).collect(),
        Some(_) => return Err(WebError::bad_request("state must be open or released.")),
    };
    Ok(Json(Listing::cut(holds, |hold: &HoldShape| &hold.id, &params)?).into_response())
}

/// Shows one hold.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/holds/{id}", tag = "holds", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = HoldShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    let actor = caller.may(Action::SeeCounts)?;
    let id = HoldId::parse(&id).map_err(|_| WebError::not_found())?;
    Ok(Json(HoldShape::from(&app.hold(actor, &id).await?)).into_response())
}

/// Stops: the fleet, a team, a venue, a subaccount, a strategy, one bot or one symbol. 201 for a new hold, 200 when this press had been taken before.
///
/// # Errors
/// 403 for a scope or level that is not this token's to stop; 404 for what is not there; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/holds", tag = "holds", security(("token" = [])), request_body = Asked,
    params(("Idempotency-Key" = Option<String>, Header, description = "the same press sent again carries the same key")),
    responses((status = 201, body = PlacedShape), (status = 200, body = PlacedShape),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, headers: HeaderMap, Raw(body): Raw) -> Answer {
    let actor = caller.may(Action::PlaceHold)?.clone();
    let asked: Asked = json::read(&body)?;
    let scope = app.scope_named(&asked.scope, named(&asked)?)?;
    let in_header = headers.get("idempotency-key").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let idempotency_key = in_header.unwrap_or(asked.idempotency_key);
    let terms = Terms { not_before: asked.not_before.as_deref().and_then(Timestamp::parse), with: None };
    let press = Press { scope, level: asked.level, why: asked.why, idempotency_key, terms };
    let placed = app.place(actor, press).await?;
    let bots = app.fleet.view().under(&placed.hold).len();
    let status = if placed.repeated { StatusCode::OK } else { StatusCode::CREATED };
    let at = [(header::LOCATION, format!("/api/v1/holds/{}", placed.hold.id))];
    Ok((status, at, Json(shape(&app, &placed, bots))).into_response())
}

pub(super) fn shape(app: &App, placed: &Placed, bots: usize) -> PlacedShape {
    PlacedShape {
        what: app.scope_words(&placed.hold.scope),
        hold: (&placed.hold).into(),
        kept: placed.kept.as_str(),
        bots,
        repeated: placed.repeated,
        bound: app.bound_beyond(&placed.hold).iter().map(|bot| bot.name.clone()).collect(),
        beside: placed.beside.iter().map(|hold| hold.as_ref().into()).collect(),
        receipt: format!("/api/v1/holds/{}/receipt", placed.hold.id),
    }
}

/// The one name that belongs to the scope. Another one beside it is refused: what was meant is not clear.
fn named(asked: &Asked) -> Result<&str, WebError> {
    let given: [(&'static str, &Option<String>); 6] = [
        ("team", &asked.team),
        ("venue", &asked.venue),
        ("subaccount", &asked.subaccount),
        ("strategy", &asked.strategy),
        ("bot", &asked.bot),
        ("symbol", &asked.symbol),
    ];
    let unfit = |field: &'static str, said: String| WebError {
        fields: vec![(field, said.clone())],
        ..WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", said)
    };
    // An unknown scope is refused by whoever knows them all.
    if !Scope::KINDS.contains(&asked.scope.as_str()) {
        return Ok("");
    }
    if let Some((field, _)) = given.iter().find(|(field, name)| name.is_some() && *field != asked.scope) {
        return Err(unfit(field, format!("`{field}` goes with scope {field} only.")));
    }
    match given.iter().find(|(field, _)| *field == asked.scope) {
        Some((_, Some(name))) => Ok(name),
        Some((field, None)) => Err(unfit(field, format!("Name the {field}."))),
        None => Ok(""),
    }
}
