//! How a request looks to programs: a line of the list, and one whole, with every revision, vote and remark there was.

use crate::app::{
    App, AppError,
    requests::{CommentRow, RequestRow, RequestView, RevisionRow, VoteRow},
};
use crate::domain::{
    approval::seat_words,
    request::{Document, Line, Seat},
};
use crate::web::{WebError, api::v1::Named};
use serde::Serialize;

/// A request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Request)]
pub struct RequestShape {
    /// Its id.
    id: String,
    /// `limits`, `policy`, `override`, `assign` or `roles`.
    kind: &'static str,
    /// What it is about: a bot's id, a level of limits, a bot's id and a symbol, a person's id, or the kind whose policy it is.
    target: String,
    /// In words.
    title: String,
    /// The id of the team that it concerns; null: it concerns no team in particular.
    team: Option<String>,
    /// `pending`, `approved`, `executing`, `executed`, `denied`, `withdrawn`, `expired`, `stale`, `failed` or `superseded`.
    state: &'static str,
    /// Its newest revision, from 1.
    revision: i64,
    /// The id of whoever asked.
    requester: String,
    /// What they are called.
    requester_name: String,
    /// When it was asked.
    asked_at: String,
    /// When it ended; null: it is open.
    closed_at: Option<String>,
    /// What came of it, in words.
    outcome: Option<String>,
}

/// A request with what it asks for and how far it is approved.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WholeRequest)]
pub struct WholeShape {
    #[serde(flatten)]
    request: RequestShape,
    /// Why, as the newest revision says.
    why: String,
    /// What is approved, RFC 8785.
    content: String,
    /// SHA-256 of it, hex.
    digest: String,
    /// The difference.
    changes: Vec<ChangeShape>,
    /// The seats of the policy under which it was asked, and those that whoever asked wants beside them.
    seats: Vec<SeatShape>,
    /// Those of the policy of now, where it asks for something else: both must be filled. Null: it asks for the same.
    seats_now: Option<Vec<SeatShape>>,
    /// Ids of those who can approve it now.
    eligible: Vec<String>,
    /// Whether the token's maker can approve it now. They do that in a browser, with their security key: no token approves.
    can_vote: bool,
    /// Why they cannot, in a sentence; null: they can.
    why_not: Option<String>,
    /// When it expires while it is open.
    expires_at: Option<String>,
    /// From when on it is carried out; null: it was not approved.
    ready_at: Option<String>,
    /// Every approval there was, those of earlier revisions and those that were taken back among them, in order.
    votes: Vec<VoteShape>,
    /// Every revision, the newest first.
    revisions: Vec<RevisionShape>,
    /// What was said.
    comments: Vec<CommentShape>,
}

/// One value as it is and as it is to be.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestChange)]
struct ChangeShape {
    /// What.
    setting: String,
    /// As it was when this was asked.
    now: String,
    /// As it is to be.
    after: String,
    /// It raises risk.
    raises: bool,
}

/// A seat.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestSeat)]
struct SeatShape {
    /// Who may fill it, in words.
    may: String,
    /// The id of whoever does; null: it is open.
    taken_by: Option<String>,
}

/// An approval, signed with a security key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestVote)]
struct VoteShape {
    /// Whose.
    by: Named,
    /// What they held then, in words.
    roles: String,
    /// Of which revision.
    revision: i64,
    /// The digest that was signed.
    digest: String,
    /// When.
    at: String,
    /// Whoever asked signed again, being the only person here: no approval by a second one.
    alone: bool,
    /// When it was taken back; null: it was not.
    taken_back_at: Option<String>,
    /// Its security key was removed or suspended since: while the request is open it counts for nothing.
    key_ended: bool,
    /// The act that was signed, by its id.
    act: String,
}

/// A revision: what was asked for at one time.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestRevision)]
struct RevisionShape {
    /// Which, from 1.
    revision: i64,
    /// Who wrote it.
    author: Named,
    /// Why.
    why: String,
    /// SHA-256 of the content, hex.
    digest: String,
    /// When it was made.
    made_at: String,
    /// What it asks for, RFC 8785.
    content: String,
    /// The difference.
    changes: Vec<ChangeShape>,
}

/// A remark.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestComment)]
struct CommentShape {
    /// The name of whoever said it.
    by: String,
    /// What.
    text: String,
    /// When.
    at: String,
}

/// A line of the list.
pub fn line(app: &App, row: &RequestRow) -> RequestShape {
    RequestShape {
        id: row.id.to_string(),
        kind: row.kind.as_str(),
        target: row.target.clone(),
        title: app.request_title(row.kind, &row.target),
        team: row.team_id.as_ref().map(ToString::to_string),
        state: row.state.as_str(),
        revision: row.revision,
        requester: row.requester.to_string(),
        requester_name: app.people().who(&row.requester),
        asked_at: row.asked_at.rfc3339(),
        closed_at: row.closed_at.map(|at| at.rfc3339()),
        outcome: row.outcome.clone(),
    }
}

fn changes(lines: Vec<Line>) -> Vec<ChangeShape> {
    let change = |line: Line| ChangeShape { setting: line.setting, now: line.now, after: line.after, raises: line.raises };
    lines.into_iter().map(change).collect()
}

fn seats(all: Vec<Seat>) -> Vec<SeatShape> {
    all.into_iter().map(|seat| SeatShape { may: seat_words(&seat.of), taken_by: seat.taken_by.map(|id| id.to_string()) }).collect()
}

fn person(app: &App, id: &crate::domain::UserId) -> Named {
    Named { id: id.to_string(), name: app.people().who(id) }
}

fn vote(app: &App, row: &VoteRow) -> VoteShape {
    VoteShape {
        by: person(app, &row.user_id),
        roles: row.roles.clone(),
        revision: row.revision,
        digest: row.digest.clone(),
        at: row.at.rfc3339(),
        alone: row.alone,
        taken_back_at: row.taken_back_at.map(|at| at.rfc3339()),
        key_ended: row.key_ended,
        act: row.act_id.to_string(),
    }
}

fn revision(app: &App, row: &RevisionRow) -> RevisionShape {
    let document = serde_json::from_str::<Document>(&row.content);
    RevisionShape {
        revision: row.revision,
        author: person(app, &row.author),
        why: row.why.clone(),
        digest: row.digest.clone(),
        made_at: row.made_at.rfc3339(),
        content: row.content.clone(),
        changes: changes(
            document
                .map(|document| document.content.lines_with(&|id| app.people().team_name(id).unwrap_or_else(|| id.to_string())))
                .unwrap_or_default(),
        ),
    }
}

/// One request whole. `obstacle`: why the token's maker cannot approve it.
pub fn whole(app: &App, view: &RequestView, (comments, obstacle): (Vec<CommentRow>, Option<AppError>)) -> WholeShape {
    let company = app.company();
    let moment = company.moment(view.row.kind);
    let newest = view.revisions.iter().find(|one| one.revision == view.row.revision);
    let until = view.until(moment.rule);
    let quorum = view.case.quorum(&moment);
    let why_not = obstacle.map(|why| WebError::from(why).reasons.join(" "));
    WholeShape {
        request: line(app, &view.row),
        why: view.why().to_owned(),
        content: newest.map(|one| one.content.clone()).unwrap_or_default(),
        digest: view.case.request.digest.clone(),
        changes: changes(view.content().lines_with(&|id| app.people().team_name(id).unwrap_or_else(|| id.to_string()))),
        seats: seats(quorum.seats),
        seats_now: quorum.seats_now.map(seats),
        eligible: view.case.eligible(&moment).iter().map(|voter| voter.id.to_string()).collect(),
        can_vote: why_not.is_none(),
        why_not,
        expires_at: view.row.state.is_open().then(|| until.rfc3339()),
        ready_at: view.case.ready_at(moment.rule).map(|at| at.rfc3339()),
        votes: view.votes.iter().map(|row| vote(app, row)).collect(),
        revisions: view.revisions.iter().rev().map(|row| revision(app, row)).collect(),
        comments: comments.into_iter().map(|one| CommentShape { by: one.by_name, text: one.text, at: one.at.rfc3339() }).collect(),
    }
}
