//! The live part of a receipt: meter and tables, what a screen reader is told, the strip. Also for sessions that may only stop.

use super::receipt::Part;
use crate::app::{App, AppError};
use crate::authz::Actor;
use crate::domain::HoldId;
use crate::web::{
    Answer, Shared,
    extract::StopOnly,
    frame::HeldPart,
    live::{self, Door, Feed, Sent},
    query::Named,
};
use askama::Template;
use axum::{extract::State, response::sse::Event};
use std::sync::Arc;

/// Streams a receipt.
pub async fn stream(State(app): Shared, StopOnly(person): StopOnly, Named(id): Named, door: Door) -> Answer {
    let id = HoldId::parse(&id).map_err(|_| AppError::NotFound("hold"))?;
    app.hold(&person.actor, &id).await?;
    Ok(door.open(&app, &person.visitor, ReceiptFeed { id, sent: Sent::default() }))
}

struct ReceiptFeed {
    id: HoldId,
    sent: Sent,
}

#[derive(Template)]
#[template(path = "live/done.html")]
struct Done<'a> {
    part: &'a Part,
}

impl Feed for ReceiptFeed {
    async fn news(&mut self, app: &Arc<App>, actor: &Actor) -> Result<Vec<Event>, AppError> {
        let part = Part::of(app, &app.receipt(actor, &self.id).await?);
        let mut text = String::new();
        let mut add = |id: &str, inside: String| {
            if self.sent.is_news(id, &inside) {
                text.push_str(&if id == "receipt" { inside } else { live::part(id, inside) });
            }
        };
        add("done-count", part.done_all.to_string());
        add("done-rows", Done { part: &part }.render().map_err(AppError::internal)?);
        add("receipt", part.render().map_err(AppError::internal)?);
        add("say", part.spoken().to_owned());
        add("held", HeldPart::of(app, actor).render().map_err(AppError::internal)?);
        Ok(if text.is_empty() { Vec::new() } else { vec![live::swap(&text)] })
    }

    fn is_for_sleepers(&self) -> bool {
        true
    }
}
