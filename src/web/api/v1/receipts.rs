//! `GET /api/v1/holds/{id}/receipt`: how far each covered bot has come, stragglers first.

use super::holds::HoldShape;
use crate::authz::Action;
use crate::domain::{HoldId, State as Doing, Step};
use crate::fleet::{BotReceipt, Receipt};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, openapi::Problem},
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// The bots of a receipt when none are asked for.
const USUAL: i64 = 1_000;
/// The most bots of a receipt.
const MOST: i64 = 10_000;

/// The receipt of a hold.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptShape {
    /// The hold.
    hold: HoldShape,
    /// When this was computed.
    at: String,
    /// How many of the bots it covers can answer: those with an agent, and those that were ever started.
    total: usize,
    /// How many agents have it.
    received: usize,
    /// How many bots have applied it.
    applied: usize,
    /// How many bots have no entry orders.
    idle: usize,
    /// How many were read back at their venues by a key that the server holds.
    verified: usize,
    /// How many should have applied it by now and have not said so.
    unconfirmed: usize,
    /// True when every bot is idle.
    complete: bool,
    /// The longest any covered bot can still go on after the press, agents and machines alive; 0: none can.
    worst_case_ms: i64,
    /// The bots, stragglers first.
    bots: Vec<BotStep>,
    /// How many bots were left out, since `limit` was reached.
    omitted: usize,
}

/// How far one bot has come. Milliseconds from the press; null: not yet.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BotStep {
    /// The bot's id.
    id: String,
    /// Its name.
    name: String,
    /// `requested`, `received`, `applied` or `idle`.
    step: &'static str,
    /// Its agent had it.
    received_ms: Option<i64>,
    /// It had applied it.
    applied_ms: Option<i64>,
    /// It had no entry orders.
    idle_ms: Option<i64>,
    /// Its venue was read back and showed nothing that the hold does away with.
    verified_ms: Option<i64>,
    /// Entry orders as last read back; null: unknown.
    entry_orders: Option<i64>,
    /// What the bot did when it had applied it, as last said: `halted`, `reducing`, or `active` where it leaves out the held symbol alone; null:
    /// not said.
    doing: Option<&'static str>,
    /// It should have applied it by now and has not said so.
    unconfirmed: bool,
    /// When its agent was last heard.
    seen_at: Option<String>,
}

impl From<&BotReceipt> for BotStep {
    fn from(receipt: &BotReceipt) -> Self {
        Self {
            id: receipt.bot.id.to_string(),
            name: receipt.bot.name.clone(),
            step: receipt.step().as_str(),
            received_ms: receipt.received_ms,
            applied_ms: receipt.applied_ms,
            idle_ms: receipt.idle_ms,
            verified_ms: receipt.verified_ms,
            entry_orders: receipt.entry_orders,
            doing: receipt.doing.map(Doing::as_str),
            unconfirmed: receipt.unconfirmed,
            seen_at: receipt.seen_at.map(|at| at.rfc3339()),
        }
    }
}

fn shape(receipt: &Receipt, most: usize) -> ReceiptShape {
    ReceiptShape {
        hold: (&receipt.hold).into(),
        at: receipt.at.rfc3339(),
        total: receipt.total(),
        received: receipt.reached(Step::Received),
        applied: receipt.reached(Step::Applied),
        idle: receipt.reached(Step::Idle),
        verified: receipt.verified(),
        unconfirmed: receipt.bots.iter().filter(|bot| bot.unconfirmed).count(),
        complete: receipt.is_complete(),
        worst_case_ms: receipt.worst_case_ms(),
        bots: receipt.bots.iter().take(most).map(BotStep::from).collect(),
        omitted: receipt.total().saturating_sub(most),
    }
}

/// Shows the receipt of a hold.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/holds/{id}/receipt", tag = "holds", security(("token" = [])),
    params(("id" = String, Path), ("limit" = Option<i64>, Query, description = "bots listed, 1 to 10000, usually 1000")),
    responses((status = 200, body = ReceiptShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named, params: Params) -> Answer {
    let actor = caller.may(Action::SeeCounts)?;
    let id = HoldId::parse(&id).map_err(|_| WebError::not_found())?;
    let most = usize::try_from(params.number("limit", 1..=MOST, USUAL)?).unwrap_or_default();
    let receipt = app.receipt(actor, &id).await?;
    Ok(Json(shape(&receipt, most)).into_response())
}
