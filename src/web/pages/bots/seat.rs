//! `/bots/{id}/seat`: which subaccount a bot has, and which bots are bound to it.

use super::{id_of, new::Choice};
use crate::app::{App, AppError};
use crate::authz::{self, Action};
use crate::domain::{BotId, Seat, Stage, SubaccountId};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

#[derive(Template)]
#[template(path = "bot_seat.html")]
pub(super) struct SeatPage {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    /// Subaccounts that it can have.
    pub(super) subaccounts: Vec<Choice>,
    /// Those that it cannot have now, and why.
    pub(super) others: Vec<(String, String)>,
    /// Id, name, what binds them.
    pub(super) links: Vec<(String, String, String)>,
    pub(super) typed: NewLink,
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id, Default::default(), Problems::none()).await
}

async fn draw(app: &App, person: &Person, id: &str, (typed, wanted): (NewLink, Option<&str>), problems: Problems) -> Answer {
    let row = app.bot(&person.actor, &id_of(id)?)?;
    let bot = &row.bot;
    authz::check(&person.actor, Action::EditBot, &App::bot_resource(bot)).map_err(AppError::from)?;
    let view = app.fleet.view();
    let own = bot.seat.as_ref().map(|seat| seat.subaccount.to_string()).unwrap_or_default();
    let wanted = wanted.unwrap_or(&own);
    let (mut subaccounts, mut others) = (Vec::new(), Vec::new());
    for one in app.venues().subaccounts() {
        let seat = Some(Seat { subaccount: one.id.clone(), venue: one.venue_id.clone() });
        let has = view.bots().find(|other| other.id != bot.id && other.seat == seat && other.stage != Stage::Retired);
        let why = match has {
            Some(other) => Some(format!("{} has it", other.name)),
            None => app.check_environment(&seat, bot.stage).err().map(|_| format!("live: not in {}", bot.stage)),
        };
        let words = app.venues().label(&one);
        match why {
            Some(why) => others.push((words, why)),
            None => subaccounts.push(Choice { is_chosen: wanted == one.id.as_str(), words, value: one.id.to_string() }),
        }
    }
    let name = |id: &BotId| view.bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
    let links = app.venues().links_of(&bot.id).into_iter().map(|(other, why)| (other.to_string(), name(&other), why)).collect();
    let mut frame = frame::of(app, &person.visitor, format!("Where {} trades", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = SeatPage { frame, problems, id: bot.id.to_string(), name: bot.name.clone(), subaccounts, others, links, typed };
    frame::page_with(status, &page)
}

/// The subaccount that it is to have; empty: none.
#[derive(Debug, serde::Deserialize)]
pub struct Wanted {
    #[serde(default)]
    subaccount: String,
}

/// Gives it the subaccount, which stops it.
pub async fn set(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<Wanted>) -> Answer {
    let to = match wanted.subaccount.as_str() {
        "" => None,
        text => match SubaccountId::parse(text) {
            Ok(id) => Some(id),
            Err(_) => return draw(&app, &person, &id, Default::default(), Problems::one("subaccount", "Choose a subaccount.")).await,
        },
    };
    match app.seat_bot(&person.actor, &id_of(&id)?, to.as_ref()).await {
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
    let draw = |subaccounts, links, problems| {
        let frame = Frame::sample("Where grid-07 trades", "/bots/7/seat");
        let (id, name) = (samples::id(7), "grid-07".to_owned());
        let typed = NewLink { other: "grid <8>".to_owned(), why: String::new() };
        let others = vec![("binance/arb-1".to_owned(), "arb-01 has it".to_owned())];
        SeatPage { frame, problems, id, name, subaccounts, others, links, typed }.render().unwrap()
    };
    let choice = Choice { value: samples::id(61), words: "binance/grid-7".to_owned(), is_chosen: true };
    let link = (samples::id(8), "grid-07 hedge".to_owned(), "two legs of one hedge".to_owned());
    vec![
        ("bot-seat".to_owned(), draw(vec![choice], vec![link], Problems::one("other", "Name another bot."))),
        ("bot-seat-none".to_owned(), draw(Vec::new(), Vec::new(), Problems::none())),
    ]
}
