//! `/holds/{id}/evidence`: what was known of each covered bot at the press. Frozen: nothing here is newer than the press, and the page says when it
//! was taken.

use super::title;
use crate::app::{App, AppError, evidence::Piece};
use crate::domain::{BotId, HoldId, Timestamp};
use crate::web::{Answer, Shared, extract::Person, frame, page::Frame, query::Named};
use askama::Template;
use axum::extract::{Query, State};
use serde_json::Value;

/// Bots of a page.
const PAGE: i64 = 20;

/// A position as it was reported.
struct Position {
    symbol: String,
    side: String,
    quantity: String,
    notional: String,
    pnl: String,
}

/// An event of a bot.
struct Event {
    at: Option<Timestamp>,
    kind: String,
    severity: String,
    message: String,
}

/// One bot.
struct Bot {
    id: String,
    name: String,
    // A word, and what stood there; what was not known is left out.
    lines: Vec<(&'static str, String)>,
    positions: Vec<Position>,
    events: Vec<Event>,
    is_silent: bool,
    sha256: String,
}

#[derive(Template)]
#[template(path = "evidence.html")]
struct Evidence {
    frame: Frame,
    id: String,
    title: String,
    pressed_at: Timestamp,
    // None: it is not whole yet.
    taken: Option<(Timestamp, bool, i64, String)>,
    bots: Vec<Bot>,
    next: String,
    is_first: bool,
}

/// Where a page begins, or the one bot that is asked for.
#[derive(Debug, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    after: String,
    #[serde(default)]
    bot: String,
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse)
}

fn bot(piece: &Piece) -> Bot {
    let value: Value = serde_json::from_str(&piece.text).unwrap_or_default();
    let at = |path: &str| value.pointer(path).unwrap_or(&Value::Null);
    let plain = |path: &str| moment(at(path)).map(Timestamp::plain).unwrap_or_default();
    let list = |path: &str| at(path).as_array().cloned().unwrap_or_default();
    let money = |path: &str| {
        let amount = text(at(path));
        if amount.is_empty() { amount } else { format!("{amount} {}", text(at("/report/currency"))) }
    };
    let lines = vec![
        ("The server said", text(at("/directive/state"))),
        ("The bot's epoch", text(at("/directive/epoch"))),
        ("Its agent said", text(at("/agent/state"))),
        ("Epoch the agent had", text(at("/agent/epoch"))),
        ("Last heard", plain("/agent/at")),
        ("Lease ended at the latest", plain("/lease/ends_by")),
        ("Limits version", text(at("/agent/limits_version"))),
        ("Build", text(at("/agent/build"))),
        ("Configuration", text(at("/agent/config"))),
        ("Report of", plain("/report_at")),
        ("Open orders", text(at("/report/open_orders"))),
        ("Of which entries", text(at("/report/entry_orders"))),
        ("Equity", money("/report/equity")),
        ("Unrealised profit and loss", money("/report/unrealized_pnl")),
        ("Realised of the day", money("/report/realized_pnl_day")),
    ];
    let positions = list("/report/positions").into_iter().map(|position| Position {
        symbol: text(field(&position, "symbol")),
        side: text(field(&position, "side")),
        quantity: text(field(&position, "quantity")),
        notional: text(field(&position, "notional")),
        pnl: text(field(&position, "unrealized_pnl")),
    });
    let events = list("/events").into_iter().map(|event| Event {
        at: moment(field(&event, "at")),
        kind: text(field(&event, "kind")),
        severity: text(field(&event, "severity")),
        message: text(field(&event, "message")),
    });
    Bot {
        id: piece.bot_id.to_string(),
        name: text(at("/bot/name")),
        is_silent: at("/agent").is_null(),
        lines: lines.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        positions: positions.collect(),
        events: events.collect(),
        sha256: piece.sha256.clone(),
    }
}

/// The evidence of a hold, a page of bots at a time.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, Query(asked): Query<Asked>) -> Answer {
    let id = HoldId::parse(&id).map_err(|_| AppError::NotFound("hold"))?;
    let hold = app.hold(&person.actor, &id).await?;
    let title = title(&app, &hold);
    let after = match asked.after.as_str() {
        "" => String::new(),
        after => BotId::parse(after).map_err(|_| AppError::NotFound("bot"))?.to_string(),
    };
    let bundle = match app.evidence(&person.actor, &id, &after, PAGE).await {
        Err(AppError::NotFound("evidence yet")) => None,
        other => Some(other?),
    };
    let mut bots = bundle.as_ref().map(|bundle| bundle.pieces.iter().map(bot).collect::<Vec<_>>()).unwrap_or_default();
    let mut next = bundle
        .as_ref()
        .and_then(|bundle| bundle.next.as_ref())
        .map(|next| format!("/holds/{id}/evidence?after={next}"))
        .unwrap_or_default();
    if !asked.bot.is_empty() {
        (bots, next) = (vec![one(&app, &person, &id, &asked.bot).await?], String::new());
    }
    let page = Evidence {
        frame: frame::of(&app, &person.visitor, format!("Evidence: {title}")).await,
        id: id.to_string(),
        title,
        pressed_at: hold.at,
        taken: bundle.map(|bundle| (bundle.whole.taken_at, bundle.whole.late, bundle.whole.bots, bundle.whole.sha256)),
        bots,
        next,
        is_first: after.is_empty() && asked.bot.is_empty(),
    };
    frame::page(&page)
}

async fn one(app: &App, person: &Person, hold: &HoldId, id: &str) -> Result<Bot, AppError> {
    let id = BotId::parse(id).map_err(|_| AppError::NotFound("bot"))?;
    Ok(bot(&app.evidence_of_bot(&person.actor, hold, &id).await?))
}
