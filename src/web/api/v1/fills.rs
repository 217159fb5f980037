//! `/api/v1/bots/{id}/fills`: what of a bot's orders was carried out, newest first, in pieces.

use super::bots::named;
use crate::app::{AppError, fills};
use crate::authz::Action;
use crate::domain::{Decimal, KeptFill};
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken, Listing,
        listing::{self, Piece},
        openapi::Problem,
    },
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// A fill. Amounts are decimal strings.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Fill)]
pub struct FillShape {
    /// Its id within the bot.
    id: String,
    /// When it was filled.
    at: String,
    /// When the server heard of it first.
    heard_at: String,
    /// The bot's stage then.
    stage: &'static str,
    /// The order, as the venue calls it.
    order_id: Option<String>,
    /// The order, as the bot calls it.
    client_order_id: Option<String>,
    /// What was traded.
    symbol: String,
    /// `buy` or `sell`.
    side: &'static str,
    /// How much.
    quantity: String,
    /// At which price.
    price: String,
    /// Price times quantity.
    notional: String,
    /// What it cost; null: not known.
    fee: Option<String>,
    /// In which currency.
    fee_currency: Option<String>,
    /// The order rested before; null: not known.
    maker: Option<bool>,
}

impl From<KeptFill> for FillShape {
    fn from(kept: KeptFill) -> Self {
        let KeptFill { fill, heard_at, stage } = kept;
        Self {
            at: fill.at.rfc3339(),
            heard_at: heard_at.rfc3339(),
            stage: stage.as_str(),
            symbol: fill.symbol.to_string(),
            side: fill.side.as_str(),
            quantity: fill.quantity.shortest(),
            price: fill.price.shortest(),
            notional: fill.notional().shortest(),
            fee: fill.fee.map(Decimal::shortest),
            maker: fill.maker,
            id: fill.id,
            order_id: fill.order_id,
            client_order_id: fill.client_order_id,
            fee_currency: fill.fee_currency,
        }
    }
}

/// Lists the fills of a bot that its agent reported, newest first.
///
/// # Errors
/// 400 for an `after` that no answer gave; 403, 404; 422 for what is no time.
#[utoipa::path(get, path = "/api/v1/bots/{id}/fills", tag = "bots", security(("token" = [])),
    params(("id" = String, Path, description = "id or name"),
        ("from" = Option<String>, Query, description = "from this day or time on, UTC"),
        ("until" = Option<String>, Query, description = "until the end of this day, or before this time, UTC"), Piece),
    responses((status = 200, body = Listing<FillShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, Named(name): Named, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let bot = named(&app, &name)?;
    let cursor = |text: &str| fills::Cursor::parse(text).ok_or_else(|| WebError::bad_request("after must be `next` of an earlier answer."));
    let (after, limit) = listing::asked(&params, cursor)?;
    let text = |name: &str| params.text(name).unwrap_or_default();
    let span = fills::span(&text("from"), &text("until")).map_err(AppError::from)?;
    let (rows, next) = app.fills_newest(actor, &bot, span, after.as_ref(), limit).await?;
    Ok(Json(Listing::of(rows.into_iter().map(FillShape::from).collect::<Vec<_>>(), next)).into_response())
}
