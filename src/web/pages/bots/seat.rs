//! `/bots/{id}/seat`: which subaccount a bot has, which it had, and which bots are bound to it.

use super::{form_of, id_of};
use crate::app::{
    App, AppError,
    register::board::{Held, SubaccountFilter},
};
use crate::domain::{BotId, Environment};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::extract::State;

/// Free subaccounts that are offered while one types.
const OFFERED: usize = 50;

#[derive(Template)]
#[template(path = "bot_seat.html")]
pub(super) struct SeatPage {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    /// What stands in the field: the one that it has.
    pub(super) subaccount: String,
    /// Free ones that it can have with one press.
    pub(super) free: Vec<String>,
    pub(super) free_more: usize,
    /// Id, name, what binds them.
    pub(super) links: Vec<(String, String, String)>,
    pub(super) typed: NewLink,
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id, Default::default(), Problems::none()).await
}

async fn draw(app: &App, person: &Person, id: &str, (typed, wanted): (NewLink, Option<&str>), problems: Problems) -> Answer {
    let (row, frame, status) = form_of(app, person, id, |name| format!("Where {name} trades"), &problems).await?;
    let bot = &row.bot;
    let own = bot.seat.as_ref().and_then(|seat| app.venues().subaccount(&seat.subaccount)).map(|one| app.venues().label(&one));
    let filter = SubaccountFilter { state: "free".to_owned(), ..SubaccountFilter::default() };
    let mut free = app.subaccount_rows(&person.actor, &filter)?;
    free.retain(|row| row.environment == Environment::Test && matches!(row.held, Held::Free));
    let view = app.fleet.view();
    let name = |id: &BotId| view.bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
    let links = app.venues().links_of(&bot.id).into_iter().map(|(other, why)| (other.to_string(), name(&other), why)).collect();
    let page = SeatPage {
        frame,
        problems,
        id: bot.id.to_string(),
        name: bot.name.clone(),
        subaccount: wanted.map(str::to_owned).or(own).unwrap_or_default(),
        free_more: free.len().saturating_sub(OFFERED),
        free: free.into_iter().take(OFFERED).map(|row| row.label).collect(),
        links,
        typed,
    };
    frame::page_with(status, &page)
}

/// The subaccount that it is to have, as `VENUE/NAME` or by its id; empty: none.
#[derive(Debug, serde::Deserialize)]
pub struct Wanted {
    #[serde(default)]
    subaccount: String,
}

/// Gives it the subaccount, which stops it.
pub async fn set(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<Wanted>) -> Answer {
    let to = match wanted.subaccount.trim() {
        "" => Ok(None),
        named => app.venues().subaccount_named(named).map(|one| Some(one.id)),
    };
    let done = match to {
        Ok(to) => app.seat_bot(&person.actor, &id_of(&id)?, to.as_ref()).await,
        Err(AppError::NotFound(_)) => {
            let why = format!("There is no subaccount {}; write VENUE/NAME", wanted.subaccount.trim());
            Err(crate::app::Invalid::one("subaccount", why).into())
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}"))),
        Err(error) => draw(&app, &person, &id, (NewLink::default(), Some(&wanted.subaccount)), Problems::of_error(error)?).await,
    }
}

/// A bond as typed.
#[derive(Debug, Default, serde::Deserialize)]
pub struct NewLink {
    #[serde(default)]
    other: String,
    #[serde(default)]
    why: String,
}

/// Binds it to another.
pub async fn link(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<NewLink>) -> Answer {
    match app.link_bots(&person.actor, &id_of(&id)?, &typed.other, &typed.why).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}/seat"))),
        Err(error) => draw(&app, &person, &id, (typed, None), Problems::of_error(error)?).await,
    }
}

/// Which bond ends.
#[derive(Debug, serde::Deserialize)]
pub struct EndLink {
    #[serde(default)]
    other: String,
}

/// Ends a bond.
pub async fn unlink(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<EndLink>) -> Answer {
    match app.unlink_bots(&person.actor, &id_of(&id)?, &id_of(&wanted.other)?).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}/seat"))),
        Err(error) => draw(&app, &person, &id, Default::default(), Problems::of_error(error)?).await,
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let draw = |free, links, problems| {
        let frame = Frame::sample("Where grid-07 trades", "/bots/7/seat");
        let (id, name, subaccount) = (samples::id(7), "grid-07".to_owned(), "binance testnet/grid-7".to_owned());
        let typed = NewLink { other: "grid <8>".to_owned(), why: String::new() };
        SeatPage { frame, problems, id, name, subaccount, free, free_more: 3, links, typed }.render().unwrap()
    };
    let link = (samples::id(8), "grid-07 hedge".to_owned(), "two legs of one hedge".to_owned());
    vec![
        ("bot-seat".to_owned(), draw(vec!["binance testnet/grid-8".to_owned()], vec![link], Problems::one("other", "Name another bot."))),
        ("bot-seat-none".to_owned(), draw(Vec::new(), Vec::new(), Problems::none())),
    ]
}
