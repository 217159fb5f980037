//! `/requests`: what needs me, what waits for others, what is decided. There is no approving of several at once. Acts that take two people and
//! recoveries are approved on their own pages, and stand here with the rest while they wait.

pub mod ask;
pub mod assign;
mod bounds;
pub mod decide;
pub mod edit;
mod golive;
pub mod key;
mod roles;
pub mod show;

use super::acts::{seats, words};
use crate::app::{
    App, AppError,
    acts::ActView,
    recoveries::RecoveryView,
    requests::{Company, RequestRow, RequestView},
};
use crate::domain::{
    RequestId, RequestState, Timestamp,
    recovery::{APPROVALS_NEEDED, RecoveryState},
    request::Content,
};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::Person,
    format::{self, OutOf},
    frame,
    page::Frame,
};
use askama::Template;
use axum::extract::{Query, State};

/// A line of what is open.
struct Row {
    href: String,
    title: String,
    asked_by: String,
    seats: OutOf,
    chip: Chip,
    // When it expires; of one that was approved, when it takes effect.
    until: Timestamp,
    until_words: &'static str,
    // What of it raises risk, in words; empty: nothing does.
    raises: String,
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

/// A piece of what is open.
#[derive(Default)]
struct Piece {
    all: usize,
    rows: Vec<Row>,
    words: String,
    newer: String,
    older: String,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Requests {
    frame: Frame,
    mine: Piece,
    others: Piece,
    decided: Vec<Over>,
    // Where the decided ones go on; empty: nowhere.
    older: String,
}

/// How many open ones of either kind stand on a page.
const PIECE: usize = 35;

/// Which piece of each list is asked for.
#[derive(serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    mine: usize,
    others: usize,
    before: String,
}

impl Default for Asked {
    fn default() -> Self {
        Self { mine: 1, others: 1, before: String::new() }
    }
}

/// The inbox.
pub async fn index(State(app): Shared, person: Person, Query(asked): Query<Asked>) -> Answer {
    let before = if asked.before.is_empty() { None } else { Some(id_of(&asked.before)?) };
    let (inbox, next) = app.request_inbox(&person.actor, before.as_ref()).await?;
    let company = app.company();
    let (my_acts, other_acts) = of_two(&app, &person).await?;
    let piece = |acts: Vec<Row>, views: Vec<RequestView>, page: usize, name: &str| {
        let all = acts.len() + views.len();
        let pages = all.div_ceil(PIECE).max(1);
        let page = page.clamp(1, pages);
        let first = (page - 1) * PIECE;
        let before = acts.len();
        let rest = views.iter().skip(first.saturating_sub(before)).map(|view| row(&app, view, &company));
        let rows: Vec<Row> = acts.into_iter().skip(first).chain(rest).take(PIECE).collect();
        let to = |page: usize| format!("/requests?{name}={page}#{name}");
        Piece {
            all,
            words: if pages > 1 { format!("{} to {} of {all}, the oldest first", first + 1, first + rows.len()) } else { String::new() },
            newer: if page > 1 { to(page - 1) } else { String::new() },
            older: if page < pages { to(page + 1) } else { String::new() },
            rows,
        }
    };
    let page = Requests {
        frame: frame::of(&app, &person.visitor, "Requests").await,
        mine: piece(my_acts, inbox.mine, asked.mine, "mine"),
        others: piece(other_acts, inbox.others, asked.others, "others"),
        decided: inbox.decided.iter().map(|row| over(&app, row)).collect(),
        older: next.map(|next| format!("/requests?before={next}#decided")).unwrap_or_default(),
    };
    frame::page(&page)
}

/// Acts that take two people and recoveries that wait: those that this person can sign or approve, and the others. They wait for less long than
/// requests, and so come first.
async fn of_two(app: &App, person: &Person) -> Result<(Vec<Row>, Vec<Row>), WebError> {
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    for act in app.acts(&person.actor).await?.0.iter().filter(|act| seats(act) > 1) {
        let list = if app.may_sign(&person.actor, act).is_ok() { &mut mine } else { &mut others };
        list.push(row_of_act(app, act));
    }
    for view in app.recoveries(&person.actor).await?.iter().filter(|view| view.row.state == RecoveryState::Asked) {
        let list = if app.waits_for(&person.actor, view) { &mut mine } else { &mut others };
        list.push(row_of_recovery(app, view));
    }
    Ok((mine, others))
}

fn row_of_act(app: &App, act: &ActView) -> Row {
    Row {
        href: format!("/acts/{}", act.stored.id),
        title: words::sentence(app, act),
        asked_by: app.people().who(&act.stored.made_by),
        seats: OutOf { n: act.signatures.len(), of: seats(act) },
        chip: Chip::new(Tone::Open, "Waits for a signature"),
        until: act.waits_until(),
        until_words: "",
        raises: "risk".to_owned(),
    }
}

fn row_of_recovery(app: &App, view: &RecoveryView) -> Row {
    Row {
        href: format!("/recoveries/{}", view.row.id),
        title: format!("Recover the account of {}", app.people().who(&view.row.user_id)),
        asked_by: view.row.asked_by.as_ref().map_or_else(|| "whoever runs the server".to_owned(), |by| app.people().who(by)),
        seats: OutOf { n: view.approvals.len(), of: APPROVALS_NEEDED },
        chip: Chip::new(Tone::Open, "Waits for approval"),
        until: view.row.expires_at,
        until_words: "",
        raises: "risk".to_owned(),
    }
}

fn row(app: &App, view: &RequestView, company: &Company) -> Row {
    let moment = company.moment(view.row.kind);
    let quorum = view.case.quorum(&moment);
    let taken = quorum.seats.iter().filter(|seat| seat.taken_by.is_some()).count();
    let is_by_hand = view.row.kind.is_by_hand();
    let is_approved = view.row.state == RequestState::Approved;
    let ready_at = view.case.ready_at(moment.rule).filter(|_| is_approved && !is_by_hand);
    Row {
        href: format!("/requests/{}", view.row.id),
        title: app.request_title(view.row.kind, &view.row.target),
        asked_by: app.people().who(&view.row.requester),
        seats: OutOf { n: taken, of: quorum.seats.len() },
        chip: chip(&view.row),
        until: ready_at.unwrap_or_else(|| view.until(moment.rule)),
        until_words: match () {
            () if ready_at.is_some() => "takes effect ",
            () if is_approved && is_by_hand => "to be carried out until ",
            () => "",
        },
        raises: raises(app, view.content()),
    }
}

/// How many settings that raise risk are named in a line.
const NAMED: usize = 3;

/// What raises risk: of limits which, of the rest that its title says.
fn raises(app: &App, content: &Content) -> String {
    let lines = content.lines_with(&|id| app.people().team_name(id).unwrap_or_else(|| id.to_string()));
    let raised: Vec<&str> = lines.iter().filter(|line| line.raises).map(|line| line.setting.as_str()).collect();
    match content {
        _ if raised.is_empty() => String::new(),
        Content::Limits { .. } => {
            let more = raised.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", raised.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
        }
        Content::Policy { .. } | Content::Checklist { .. } => "risk: it asks for less".to_owned(),
        Content::Roles { .. } => "rights".to_owned(),
        Content::Override { .. } | Content::Assign { .. } | Content::Keys { .. } | Content::GoLive { .. } => "risk".to_owned(),
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
pub(super) fn chip(row: &RequestRow) -> Chip {
    match row.state {
        RequestState::Pending => Chip::new(Tone::Open, "Waits for approval"),
        RequestState::Approved if row.kind.is_by_hand() => Chip::new(Tone::Open, "Approved, waits for whoever asked"),
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
        until_words: if n == 2 { "takes effect " } else { "" },
        raises: "Leverage, Largest order".to_owned(),
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
    let piece = |rows: Vec<Row>, words: &str| {
        let older = if words.is_empty() { String::new() } else { "/requests?others=2#others".to_owned() };
        Piece { all: rows.len(), rows, words: words.to_owned(), newer: String::new(), older }
    };
    let (mine, others) = (piece(vec![row(1)], ""), piece(vec![row(2), row(3)], "1 to 2 of 9, the oldest first"));
    let older = "/requests?before=7#decided".to_owned();
    let full = Requests { frame: frame(), mine, others, decided: vec![over], older };
    let (mine, others) = (Piece::default(), Piece::default());
    let empty = Requests { frame: frame(), mine, others, decided: Vec::new(), older: String::new() };
    let mut all = vec![("requests".to_owned(), full.render().unwrap()), ("requests-empty".to_owned(), empty.render().unwrap())];
    all.extend(show::samples());
    all.extend(ask::samples());
    all.extend(assign::samples());
    all.extend(key::samples());
    all.extend(roles::samples());
    all
}
