//! What `andon request` prints: a request in words, or the body of the API's answer as it came.

use crate::cli::out::put;
use crate::cli::{
    Failure,
    remote::{Answered, Api},
};
use serde::Deserialize;
use std::fmt::Write;

/// How it is printed.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// Print the body of the API's answer, JSON.
    #[arg(long)]
    json: bool,
}

/// What of a request is printed; the API says more.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    kind: String,
    title: String,
    state: String,
    revision: i64,
    asked_at: String,
    requester_name: String,
    outcome: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Piece {
    items: Vec<Line>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Whole {
    #[serde(flatten)]
    line: Line,
    seats: Vec<Seat>,
    seats_now: Option<Vec<Seat>>,
    can_vote: bool,
    why_not: Option<String>,
    expires_at: Option<String>,
    ready_at: Option<String>,
    votes: Vec<Vote>,
    revisions: Vec<Revision>,
    comments: Vec<Comment>,
}

#[derive(Debug, Deserialize)]
struct Seat {
    may: String,
    taken_by: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Person {
    id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Vote {
    by: Person,
    revision: i64,
    at: String,
    alone: bool,
    taken_back_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Revision {
    revision: i64,
    author: Person,
    why: String,
    digest: String,
    made_at: String,
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    setting: String,
    now: String,
    after: String,
    raises: bool,
}

#[derive(Debug, Deserialize)]
struct Comment {
    by: String,
    text: String,
    at: String,
}

impl Output {
    fn print(&self, answered: &Answered, words: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
        let text = if self.json { answered.body.clone() } else { words()? };
        put!("{}", text.trim_end())
    }

    /// A list.
    pub(super) fn list(&self, answered: &Answered) -> Result<(), Failure> {
        self.print(answered, || Ok(answered.read::<Piece>()?.words()))
    }

    /// One, with who approved it and whether the token's maker can.
    pub(super) fn whole(&self, api: &Api, answered: &Answered) -> Result<(), Failure> {
        self.print(answered, || {
            let whole: Whole = answered.read()?;
            let page = api.page(&format!("/requests/{}", whole.line.id))?;
            Ok(whole.words(page.as_str()))
        })
    }

    /// One that was asked a moment ago.
    pub(super) fn asked(&self, api: &Api, answered: &Answered) -> Result<(), Failure> {
        self.print(answered, || {
            let Line { id, title, .. } = answered.read()?;
            let page = api.page(&format!("/requests/{id}"))?;
            Ok(format!("Asked: {title}, request {id}\n  nothing changes until it is approved: {page}"))
        })
    }

    /// One that something was done with.
    pub(super) fn done(&self, what: &str, answered: &Answered) -> Result<(), Failure> {
        self.print(answered, || {
            let Line { id, title, state, .. } = answered.read()?;
            Ok(format!("{what}: {title}, request {id}, {state}"))
        })
    }
}

impl Piece {
    fn words(&self) -> String {
        let mut text = String::new();
        for Line { id, kind, title, state, revision, asked_at, requester_name, outcome } in &self.items {
            let outcome = outcome.as_ref().map(|outcome| format!(": {outcome}")).unwrap_or_default();
            // Writing to a text does not fail.
            let _ = writeln!(
                text,
                "{id}  {state:<10}  {kind:<8}  {title} (revision {revision}, asked {asked_at} by {requester_name}){outcome}"
            );
        }
        match &self.next {
            Some(next) => text.push_str(&format!("There are more: --after {next}")),
            None if self.items.is_empty() => text.push_str("There is none."),
            None => {}
        }
        text
    }
}

impl Whole {
    fn words(&self, page: &str) -> String {
        let Line { id, title, state, revision, outcome, .. } = &self.line;
        let mut lines = vec![format!("{title}, request {id}, {state}")];
        lines.extend(outcome.iter().map(|outcome| format!("  {outcome}")));
        lines.extend(self.revisions.iter().flat_map(|one| self.revision(one)));
        lines.push("Approvals:".to_owned());
        lines.extend(self.seats.iter().map(|seat| self.seat(seat)));
        if let Some(seats) = &self.seats_now {
            lines.push("The policy has changed since; it must be met as well:".to_owned());
            lines.extend(seats.iter().map(|seat| self.seat(seat)));
        }
        lines.extend(self.ready_at.iter().map(|at| format!("Carried out from {at} on")));
        lines.extend(self.expires_at.iter().map(|at| format!("Expires at {at}")));
        lines.extend(self.comments.iter().map(|one| format!("{} at {}: {}", one.by, one.at, one.text)));
        lines.push(match (&self.why_not, self.can_vote) {
            (None, true) => format!("You can approve revision {revision}."),
            (why, _) => format!("You cannot approve this. {}", why.as_deref().unwrap_or_default()),
        });
        lines.push(match self.can_vote {
            true => format!("Approving is done in a browser, with a security key: {page}"),
            false => format!("Its page: {page}"),
        });
        lines.join("\n")
    }

    fn revision(&self, one: &Revision) -> Vec<String> {
        let Revision { revision, author, why, digest, made_at, changes } = one;
        let mut lines = vec![format!("Revision {revision} by {} at {made_at}: {why}", author.name), format!("  SHA-256 {digest}")];
        lines.extend(changes.iter().map(|Change { setting, now, after, raises }| {
            let raises = if *raises { ", raises" } else { "" };
            format!("  {setting}: {now} -> {after}{raises}")
        }));
        lines.extend(self.votes.iter().filter(|vote| vote.revision == *revision).map(|vote| {
            let did = if vote.alone { "signed again, alone" } else { "approved it" };
            let back = vote.taken_back_at.as_ref().map(|at| format!(", taken back at {at}")).unwrap_or_default();
            format!("  {} {did} at {}{back}", vote.by.name, vote.at)
        }));
        lines
    }

    fn seat(&self, seat: &Seat) -> String {
        let name = |id: &String| self.votes.iter().find(|vote| vote.by.id == *id).map_or_else(|| id.clone(), |vote| vote.by.name.clone());
        match &seat.taken_by {
            Some(by) => format!("  {}, as {}", name(by), seat.may),
            None => format!("  open: {}", seat.may),
        }
    }
}
