//! `/requests`: what needs me, what waits for others, what is decided. There is no approving of several at once.

pub mod ask;
pub mod assign;
pub mod decide;
pub mod edit;
pub mod show;

use crate::app::{
    App, AppError,
    requests::{Company, RequestRow, RequestView},
};
use crate::domain::{RequestId, RequestState, Timestamp, request::Content};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::Person,
    format::{self, OutOf},
    frame,
    page::Frame,
};
use askama::Template;
use axum::extract::State;

/// A line of what is open.
struct Row {
    href: String,
    title: String,
    asked_by: String,
    seats: OutOf,
    chip: Chip,
    until: Timestamp,
    // How many of its changes raise risk.
    raises: usize,
}

/// A line of what is over.
struct Over {
    href: String,
    title: String,
    asked_by: String,
    chip: Chip,
    at: Timestamp,
    outcome: String,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Requests {
    frame: Frame,
    mine: Vec<Row>,
    others: Vec<Row>,
    decided: Vec<Over>,
}

/// The inbox.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    let inbox = app.request_inbox(&person.actor).await?;
    let company = app.company();
    let rows = |views: Vec<RequestView>| views.iter().map(|view| row(&app, view, &company)).collect();
    let page = Requests {
        frame: frame::of(&app, &person.visitor, "Requests").await,
        mine: rows(inbox.mine),
        others: rows(inbox.others),
        decided: inbox.decided.iter().map(|row| over(&app, row)).collect(),
    };
    frame::page(&page)
}

fn row(app: &App, view: &RequestView, company: &Company) -> Row {
    let moment = company.moment(view.row.kind);
    let quorum = view.case.quorum(&moment);
    let taken = quorum.seats.iter().filter(|seat| seat.taken_by.is_some()).count();
    Row {
        href: format!("/requests/{}", view.row.id),
        title: app.request_title(view.row.kind, &view.row.target),
        asked_by: app.people().who(&view.row.requester),
        seats: OutOf { n: taken, of: quorum.seats.len() },
        chip: chip(&view.row),
        until: view.case.execute_until(moment.rule).unwrap_or_else(|| view.case.pending_until()),
        raises: view.content().lines().iter().filter(|line| line.raises).count(),
    }
}

fn over(app: &App, row: &RequestRow) -> Over {
    Over {
        href: format!("/requests/{}", row.id),
        title: app.request_title(row.kind, &row.target),
        asked_by: app.people().who(&row.requester),
        chip: chip(row),
        at: row.closed_at.unwrap_or(row.asked_at),
        outcome: row.outcome.clone().unwrap_or_default(),
    }
}

/// How a request stands, in a word or two.
fn chip(row: &RequestRow) -> Chip {
    match row.state {
        RequestState::Pending => Chip::new(Tone::Open, "Waits for approval"),
        RequestState::Approved => Chip::new(Tone::Open, "Approved, waits for its delay"),
        RequestState::Executing => Chip::new(Tone::Open, "Is carried out"),
        RequestState::Executed => Chip::new(Tone::Done, "Carried out"),
        RequestState::Denied => Chip::new(Tone::Plain, "Denied"),
        RequestState::Withdrawn => Chip::new(Tone::Plain, "Taken back"),
        RequestState::Expired => Chip::new(Tone::Plain, "Expired"),
        RequestState::Stale => Chip::new(Tone::Plain, "Stale, nothing was done"),
        RequestState::Failed => Chip::new(Tone::Low, "Failed, nothing was done"),
        RequestState::Superseded => Chip::new(Tone::Plain, "Asked anew"),
    }
}

fn id_of(text: &str) -> Result<RequestId, WebError> {
    RequestId::parse(text).map_err(|_| AppError::NotFound("request").into())
}

/// The bot that a request is about.
fn bot_of(content: &Content) -> Option<&crate::domain::BotId> {
    content.bot()
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let row = |n: usize| Row {
        href: format!("/requests/{}", samples::id(n)),
        title: format!("Looser limits of bot grid-{n:02}"),
        asked_by: "L. Sato".to_owned(),
        seats: OutOf { n: 0, of: 1 },
        chip: Chip::new(Tone::Open, "Waits for approval"),
        until: samples::now().plus_ms(86_000_000),
        raises: 2,
    };
    let over = Over {
        href: format!("/requests/{}", samples::id(9)),
        title: "Another policy for looser limits of a bot".to_owned(),
        asked_by: "M. Okafor".to_owned(),
        chip: Chip::new(Tone::Done, "Carried out"),
        at: samples::now(),
        outcome: "version 1 of the policies holds".to_owned(),
    };
    let frame = || Frame::sample("Requests", "/requests");
    let full = Requests { frame: frame(), mine: vec![row(1)], others: vec![row(2), row(3)], decided: vec![over] };
    let empty = Requests { frame: frame(), mine: Vec::new(), others: Vec::new(), decided: Vec::new() };
    let mut all = vec![("requests".to_owned(), full.render().unwrap()), ("requests-empty".to_owned(), empty.render().unwrap())];
    all.extend(show::samples());
    all.extend(ask::samples());
    all.extend(assign::samples());
    all
}
