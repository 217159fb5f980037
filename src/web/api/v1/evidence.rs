//! `GET /api/v1/holds/{id}/evidence`: what was known of each covered bot at the press, as it was frozen.

use crate::authz::Action;
use crate::domain::{BotId, HoldId};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, listing::Piece as PieceOf, openapi::Problem},
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// The bots of a piece when none are asked for, and the most of them.
const USUAL: i64 = 100;
const MOST: i64 = 1_000;

/// The evidence of a hold.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Evidence)]
pub struct EvidenceShape {
    /// The hold.
    hold: String,
    /// When it was taken.
    taken_at: String,
    /// Not at the press but afterwards, from what the database had.
    late: bool,
    /// Of how many bots.
    count: i64,
    /// SHA-256, in hex, of the manifest's RFC 8785 form. It stands in the audit log as well.
    sha256: String,
    /// What that digest is over: the digests of every bot's evidence. Only on the first piece, and not for a token of one team.
    #[schema(value_type = Option<Object>)]
    manifest: Option<serde_json::Value>,
    /// The bots, in order of id.
    bots: Vec<BotEvidence>,
    /// Ask again with `after` set to this; null: this is the end.
    next: Option<String>,
}

/// What was known of one bot.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BotEvidence {
    /// The bot's id.
    bot: String,
    /// SHA-256, in hex, of the evidence's RFC 8785 form.
    sha256: String,
    /// State, epoch and lease, what its agent said last with its report, and its last 20 events.
    #[schema(value_type = Object)]
    evidence: serde_json::Value,
}

/// Shows the evidence of a hold.
///
/// # Errors
/// 404, also while it is not whole yet.
#[utoipa::path(get, path = "/api/v1/holds/{id}/evidence", tag = "holds", security(("token" = [])), params(("id" = String, Path), PieceOf),
    responses((status = 200, body = EvidenceShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let id = HoldId::parse(&id).map_err(|_| WebError::not_found())?;
    let limit = params.number("limit", 1..=MOST, USUAL)?;
    let after = match params.text("after") {
        Some(after) => BotId::parse(&after).map_err(|_| WebError::bad_request("after must be next of the piece before."))?.to_string(),
        None => String::new(),
    };
    let bundle = app.evidence(actor, &id, &after, limit).await?;
    let bots = bundle.pieces.iter().map(|piece| BotEvidence {
        bot: piece.bot_id.to_string(),
        sha256: piece.sha256.clone(),
        evidence: serde_json::from_str(&piece.text).unwrap_or_default(),
    });
    let shape = EvidenceShape {
        hold: id.to_string(),
        taken_at: bundle.whole.taken_at.rfc3339(),
        late: bundle.whole.late,
        count: bundle.whole.bots,
        sha256: bundle.whole.sha256.clone(),
        manifest: bundle.manifest,
        bots: bots.collect(),
        next: bundle.next.map(|next| next.to_string()),
    };
    Ok(Json(shape).into_response())
}
