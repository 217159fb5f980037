//! `/requests/{id}`: what is asked and why, what changes, what is at stake now, the seats, who can still approve, and everything that was said and
//! done. Whoever cannot approve is told why not, by the same rule that would refuse them.

use super::{bot_of, chip, golive, id_of};
use crate::app::{
    App, AppError,
    requests::{CommentRow, Company, RequestView, RevisionRow, VoteRow, raise::more_of},
};
use crate::authz::{self, Action};
use crate::domain::{
    RequestId, RequestKind, RequestState, Timestamp,
    approval::{SEATS, seat_words},
    request::{ALONE_MS, Document, Line, Seat as RuleSeat},
};
use crate::web::{
    Answer, Shared, WebError,
    chip::Chip,
    extract::Person,
    format, frame,
    page::Frame,
    pages::{
        bots::{self, Figure, Reported},
        golive::files::{self, Link},
    },
    problems::Problems,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};

/// A seat: who sits there, or who may.
pub(super) struct Seat {
    pub(super) taken_by: String,
    pub(super) may: String,
}

/// Something that happened to it.
pub(super) struct Happened {
    pub(super) at: Timestamp,
    pub(super) words: String,
    pub(super) from: String,
}

/// What was asked for at one time, and who approved that.
pub(super) struct Revision {
    pub(super) n: i64,
    pub(super) author: String,
    pub(super) at: Timestamp,
    pub(super) why: String,
    pub(super) digest: String,
    /// None: its content cannot be read.
    pub(super) lines: Option<Vec<Line>>,
    pub(super) votes: Vec<Happened>,
}

/// What whoever looks may do.
#[derive(Default)]
pub(super) struct May {
    pub(super) approve: bool,
    pub(super) deny: bool,
    pub(super) take_back: bool,
    pub(super) withdraw: bool,
    pub(super) edit: bool,
    pub(super) comment: bool,
    /// Carry it out, which is signed.
    pub(super) execute: bool,
    /// Of whom one approval more can be asked: words of the form, and for people; nothing: it cannot.
    pub(super) raise: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "request.html")]
pub(super) struct One {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: RequestId,
    pub(super) title: String,
    pub(super) chip: Chip,
    pub(super) asked_by: String,
    pub(super) asked_at: Timestamp,
    pub(super) revision: i64,
    pub(super) why: String,
    pub(super) digest: String,
    pub(super) content: String,
    pub(super) lines: Vec<Line>,
    /// What the two sides of the difference are called: of one that is over not *now*.
    pub(super) heads: (&'static str, &'static str),
    /// What a seat that nobody took is called.
    pub(super) open_seat: &'static str,
    pub(super) is_open: bool,
    /// When it expires; of one that was approved, when it is carried out.
    pub(super) until: Option<Timestamp>,
    pub(super) ready_at: Option<Timestamp>,
    pub(super) outcome: String,
    pub(super) stale: String,
    pub(super) seats: Vec<Seat>,
    /// What whoever asked wants beside the policy, in words; empty: nothing.
    pub(super) raised: String,
    /// The seats of the policy of now, where it is another.
    pub(super) seats_now: Vec<Seat>,
    pub(super) eligible: Vec<String>,
    /// Why whoever looks cannot approve; empty: they can, or it is over.
    pub(super) obstacle: String,
    /// What will not hold as it is asked.
    pub(super) bounds: Vec<String>,
    pub(super) is_alone: bool,
    pub(super) alone_min: i64,
    pub(super) may: May,
    /// Whom it is for.
    pub(super) person: Option<(String, String)>,
    pub(super) bot: Option<(String, String)>,
    /// Of a step up.
    pub(super) step_up: Option<golive::StepUp>,
    pub(super) reported: Option<Reported>,
    pub(super) happened: Vec<Happened>,
    /// The newest first.
    pub(super) revisions: Vec<Revision>,
    /// Files that its items rest on, by item.
    pub(super) files: Vec<(String, Vec<Link>)>,
    /// None: the database does not answer.
    pub(super) comments: Option<Vec<CommentRow>>,
}

impl One {
    /// Who carries it out, and until when.
    fn carried_by(&self) -> Option<&(String, Timestamp)> {
        self.step_up.as_ref().and_then(|step| step.carried_by.as_ref())
    }
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Path(id): Path<String>) -> Answer {
    draw(&app, &person, &id_of(&id)?, (Problems::none(), StatusCode::OK)).await
}

/// The page with what went wrong.
pub(super) async fn draw_error(app: &App, person: &Person, id: &RequestId, error: AppError) -> Answer {
    let status = if matches!(error, AppError::Conflict(_)) { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
    draw(app, person, id, (Problems::of_error(error)?, status)).await
}

async fn draw(app: &App, person: &Person, id: &RequestId, (problems, status): (Problems, StatusCode)) -> Answer {
    let view = app.request(&person.actor, id).await?;
    let company = app.company();
    let moment = company.moment(view.row.kind);
    let quorum = view.case.quorum(&moment);
    let is_open = view.row.state.is_open();
    let stale = if is_open { app.request_is_stale(&view).await.unwrap_or_default() } else { None };
    let (may, obstacle) = may(person, &view, &company, stale.is_some());
    let title = app.request_title(view.row.kind, &view.row.target);
    let mut frame = frame::of(app, &person.visitor, title.clone()).await;
    frame.path = format!("/requests/{id}");
    frame.is_error = !problems.is_empty();
    let row = bot_of(view.content()).and_then(|bot| app.bot(&person.actor, bot).ok());
    let newest = view.revisions.iter().find(|one| one.revision == view.row.revision);
    let seats = |seats: &[RuleSeat]| seats.iter().map(|seat| seat_of(app, seat)).collect();
    let is_approved = view.row.state == RequestState::Approved;
    let lines = view.content().lines_with(&|id| app.people().team_name(id).unwrap_or_else(|| id.to_string()));
    let files = files_of(app, person, view.content()).await?;
    let page = One {
        problems,
        files,
        id: id.clone(),
        title,
        chip: chip(&view.row),
        asked_by: app.people().who(&view.row.requester),
        asked_at: view.row.asked_at,
        revision: view.row.revision,
        why: view.why().to_owned(),
        digest: view.case.request.digest.clone(),
        content: newest.map(|one| one.content.clone()).unwrap_or_default(),
        lines: golive::without_items(view.content(), lines),
        step_up: golive::step_up(app, person, &view, &moment).await,
        heads: match view.row.state {
            state if state.is_open() => ("Now", "After"),
            RequestState::Executed => ("Before", "After"),
            _ => ("When asked", "Asked for"),
        },
        open_seat: if is_open { "Open seat" } else { "Nobody" },
        is_open,
        bounds: if is_open { super::bounds::bounds(app, view.content()) } else { Vec::new() },
        until: is_open.then(|| view.until(moment.rule)),
        ready_at: view.case.ready_at(moment.rule).filter(|_| is_approved && !view.row.kind.is_by_hand()),
        outcome: view.row.outcome.clone().unwrap_or_default(),
        stale: stale.unwrap_or_default(),
        seats: seats(&quorum.seats),
        raised: view.case.request.raised.iter().map(|one| one.words()).collect::<Vec<_>>().join(", "),
        seats_now: quorum.seats_now.as_deref().map(seats).unwrap_or_default(),
        eligible: view.case.eligible(&moment).iter().map(|voter| app.people().who(&voter.id)).collect(),
        obstacle,
        is_alone: company.is_alone,
        alone_min: ALONE_MS / 60_000,
        may,
        person: view.content().beneficiary().map(|id| (app.people().who(id), format!("/people/{id}"))),
        bot: row.as_ref().map(|row| (row.bot.name.clone(), format!("/bots/{}", row.bot.id))),
        reported: row.as_ref().map(|row| bots::reported(app, row, frame.now)),
        happened: happened(app, &view),
        revisions: revisions(app, &view),
        comments: app.request_comments(&person.actor, id).await.ok(),
        frame,
    };
    frame::page_with(status, &page)
}

/// The files that a step up rests on, by the name of its item.
async fn files_of(app: &App, person: &Person, content: &super::Content) -> Result<Vec<(String, Vec<Link>)>, WebError> {
    let super::Content::GoLive { bot, dossier, .. } = content else { return Ok(Vec::new()) };
    if dossier.items.iter().all(|item| item.files.is_empty()) {
        return Ok(Vec::new());
    }
    let rows = app.files_of(&person.actor, bot).await?;
    let of_items = dossier.items.iter().map(|item| (item.item.clone(), files::links(&rows, item.mark.as_ref())));
    Ok(of_items.filter(|(_, links)| !links.is_empty()).collect())
}

fn seat_of(app: &App, seat: &RuleSeat) -> Seat {
    let taken_by = seat.taken_by.as_ref().map(|id| app.people().who(id)).unwrap_or_default();
    Seat { taken_by, may: seat_words(&seat.of) }
}

/// What this person may do, and why they cannot approve.
fn may(person: &Person, view: &RequestView, company: &Company, is_stale: bool) -> (May, String) {
    let moment = company.moment(view.row.kind);
    let state = view.row.state;
    let is_before = matches!(state, RequestState::Pending | RequestState::Approved);
    let is_own = view.row.requester == person.user;
    let checks = |action| authz::check(&person.actor, action, &view.resource()).is_ok();
    let can = view.case.can_vote(&person.user, &moment);
    let votes = checks(Action::VoteRequest) && can.is_ok() && !is_stale;
    let has_voted = view.case.votes_now().any(|vote| vote.user == person.user);
    let may = May {
        approve: votes,
        deny: checks(Action::VoteRequest) && view.case.can_deny(&person.user, &moment).is_ok(),
        take_back: is_before && has_voted && checks(Action::VoteRequest),
        withdraw: is_own && is_before && checks(Action::DiscussRequest),
        edit: is_own && is_before && checks(asks_with(view.row.kind)) && !is_asked_anew(view.content()),
        comment: checks(Action::DiscussRequest),
        execute: is_own && state == RequestState::Approved && view.row.kind.is_by_hand() && !is_stale,
        raise: if is_own && state == RequestState::Pending && view.case.request.rule.seats.len() < SEATS && checks(Action::DiscussRequest) {
            more_of(view.row.kind).into_iter().map(|one| (one.as_str(), one.words())).collect()
        } else {
            Vec::new()
        },
    };
    let obstacle = match can {
        Err(why) if state.is_open() => WebError::from(AppError::conflict(why.to_string())).reasons.join(" "),
        _ => String::new(),
    };
    (may, obstacle)
}

/// True for what is not changed but asked anew.
fn is_asked_anew(content: &super::Content) -> bool {
    matches!(content, super::Content::Override { .. } | super::Content::GoLive { .. } | super::Content::Checklist { .. })
}

/// An approval, and that it was taken back.
fn voted(app: &App, vote: &VoteRow) -> Vec<Happened> {
    let who = app.people().who(&vote.user_id);
    let alone = if vote.alone { " again, alone: this is no approval by a second person" } else { "" };
    let did = if vote.alone { "signed" } else { "approved" };
    let words = format!("{who} {did} revision {}{alone}", vote.revision);
    let given = Happened { at: vote.at, words, from: format!("as {}, act {}", vote.roles, vote.act_id) };
    let back = vote.taken_back_at.map(|at| Happened { at, words: format!("{who} took their approval back"), from: String::new() });
    let ended = vote.key_ended.then(|| {
        let words =
            format!("The security key of {who}'s approval was removed or suspended since; while the request is open it counts for nothing");
        Happened { at: vote.at, words, from: String::new() }
    });
    std::iter::once(given).chain(back).chain(ended).collect()
}

fn revisions(app: &App, view: &RequestView) -> Vec<Revision> {
    let one = |row: &RevisionRow| Revision {
        n: row.revision,
        author: app.people().who(&row.author),
        at: row.made_at,
        why: row.why.clone(),
        digest: row.digest.clone(),
        lines: serde_json::from_str::<Document>(&row.content)
            .ok()
            .map(|document| document.content.lines_with(&|id| app.people().team_name(id).unwrap_or_else(|| id.to_string()))),
        votes: view.votes.iter().filter(|vote| vote.revision == row.revision).flat_map(|vote| voted(app, vote)).collect(),
    };
    view.revisions.iter().rev().map(one).collect()
}

/// What whoever changes a request of a kind may do.
fn asks_with(kind: RequestKind) -> Action {
    if kind == RequestKind::Roles { Action::ManagePeople } else { Action::AskRequest }
}

fn happened(app: &App, view: &RequestView) -> Vec<Happened> {
    let who = |id: &crate::domain::UserId| app.people().who(id);
    let mut all = Vec::new();
    for one in &view.revisions {
        let did = match one.revision {
            1 => "asked".to_owned(),
            n => format!("changed it: revision {n}"),
        };
        let from = format!("SHA-256 {}", one.digest);
        all.push(Happened { at: one.made_at, words: format!("{} {did}. {}", who(&one.author), one.why), from });
    }
    all.extend(view.votes.iter().flat_map(|vote| voted(app, vote)));
    if let Some(at) = view.row.closed_at {
        let by = view.row.closed_by.as_deref().unwrap_or_default();
        let by = if by.is_empty() { String::new() } else { app.said_of(by) };
        let outcome = view.row.outcome.as_deref().unwrap_or_default();
        all.push(Happened { at, words: format!("{}: {outcome}", chip(&view.row).word), from: by });
    }
    all.sort_by_key(|one| one.at);
    all
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::{chip::Tone, samples};
    let page = |may: May, problems: Problems, is_open: bool| {
        let line = |setting: &str, now: &str, after: &str, raises| Line {
            setting: setting.to_owned(),
            now: now.to_owned(),
            after: after.to_owned(),
            raises,
        };
        let revision = |n, lines| Revision {
            n,
            author: "L. Sato".to_owned(),
            at: samples::now(),
            why: "the book is deeper since <the> listing".to_owned(),
            digest: "5f".repeat(32),
            lines,
            votes: vec![Happened {
                at: samples::now(),
                words: "M. Okafor approved revision 2".to_owned(),
                from: "as risk, act 7".to_owned(),
            }],
        };
        let seat = |taken_by: &str, may: &str| Seat { taken_by: taken_by.to_owned(), may: may.to_owned() };
        One {
            frame: Frame::sample("Looser limits of bot grid-07", "/requests/7"),
            problems,
            id: RequestId::from_stored(samples::id(7)),
            title: "Looser limits of bot grid-07".to_owned(),
            chip: Chip::new(Tone::Open, "Waits for approval"),
            asked_by: "L. Sato".to_owned(),
            asked_at: samples::now(),
            revision: 2,
            why: "the book is deeper since <the> listing".to_owned(),
            digest: "5f".repeat(32),
            content: r#"{"bot":"b","kind":"limits"}"#.to_owned(),
            lines: vec![line("Leverage", "2", "3", true), line("Drawdown", "not set", "500", false)],
            heads: if is_open { ("Now", "After") } else { ("Before", "After") },
            open_seat: if is_open { "Open seat" } else { "Nobody" },
            is_open,
            until: is_open.then(|| samples::now().plus_ms(80_000_000)),
            ready_at: None,
            outcome: if is_open { String::new() } else { "version 4 of the limits set on bot grid-07 holds".to_owned() },
            stale: if is_open { "the limit max leverage has changed since it was asked".to_owned() } else { String::new() },
            seats: vec![seat("M. Okafor", "risk"), seat("", "a lead of the team or risk")],
            raised: if is_open { "risk".to_owned() } else { String::new() },
            seats_now: vec![seat("", "an admin")],
            eligible: vec!["A. Lindqvist".to_owned()],
            obstacle: if may.approve { String::new() } else { "It is your own request: nobody approves their own.".to_owned() },
            bounds: vec!["Largest position: 120000 holds after this, set by the team.".to_owned()],
            is_alone: false,
            alone_min: 5,
            step_up: may.execute.then(golive::sample),
            may,
            person: (!is_open).then(|| ("M. Okafor".to_owned(), "/people/7".to_owned())),
            bot: Some(("grid-07".to_owned(), "/bots/7".to_owned())),
            reported: None,
            happened: vec![Happened { at: samples::now(), words: "L. Sato asked. Why not".to_owned(), from: "SHA-256 5f".to_owned() }],
            revisions: vec![revision(2, Some(vec![line("Leverage", "2", "3", true)])), revision(1, None)],
            files: vec![("rollback_plan".to_owned(), files::sample())],
            comments: None,
        }
        .render()
        .unwrap()
    };
    let voter = May { approve: true, deny: true, comment: true, ..May::default() };
    let raise = vec![("risk", "risk"), ("any_lead", "a lead of any team")];
    let requester = May { withdraw: true, edit: true, take_back: true, comment: true, raise, ..May::default() };
    vec![
        ("request-vote".to_owned(), page(voter, Problems::none(), true)),
        ("request-own".to_owned(), page(requester, Problems::one("why", "Say why not."), true)),
        ("request-step-up".to_owned(), page(May { execute: true, ..May::default() }, Problems::none(), true)),
        ("request-over".to_owned(), page(May::default(), Problems::none(), false)),
    ]
}
