//! A line of the register with everything that belongs to it: the request, who approved it and when, the tests that were shown for it, and when what it
//! changed was first in use.

use super::Item;
use crate::app::{App, AppError, requests::RequestView};
use crate::domain::{
    BotId, MarkId, RequestId, RequestKind, RequestState, Timestamp, UserId,
    change_register::{Finding, FindingKind},
    golive::Ran,
    request::Content,
};
use crate::storage::{self, Conn};
use std::collections::HashMap;

/// An approval.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Whose.
    pub by: UserId,
    /// Their name.
    pub name: String,
    /// What they held then.
    pub roles: String,
    /// When.
    pub at: Timestamp,
    /// It was of the newest revision, and stands.
    pub counts: bool,
    /// Whoever asked signed again, there being nobody else: no approval.
    pub is_alone: bool,
}

/// A test that was shown: an item of the checklist as it was approved.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The item.
    pub item: String,
    /// What was measured, or said.
    pub said: String,
    /// Who answers for it; none: the system measured it.
    pub by: Option<(UserId, String)>,
    /// When somebody answered for it; none: it was measured when it was asked, and again when it was carried out.
    pub at: Option<Timestamp>,
    /// Until when it holds.
    pub until: Option<Timestamp>,
    /// SHA-256 of the files, hex.
    pub files: Vec<String>,
}

/// The request behind a line.
#[derive(Debug, Clone)]
pub struct RequestPart {
    /// Which.
    pub id: RequestId,
    /// What it asks for.
    pub kind: RequestKind,
    /// In words.
    pub title: String,
    /// Who asked.
    pub requester: (UserId, String),
    /// When.
    pub asked_at: Timestamp,
    /// Why.
    pub why: String,
    /// How it stands.
    pub state: RequestState,
    /// When enough had approved it.
    pub approved_at: Option<Timestamp>,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// Who ended it, in words.
    pub closed_by: String,
    /// What came of it, in words.
    pub outcome: String,
    /// SHA-256 of what was approved, hex.
    pub digest: String,
    /// Every approval there was, oldest first.
    pub approvals: Vec<Approval>,
    /// The tests that were shown, of a step up.
    pub tests: Vec<Tested>,
    /// What was to run, of a step up.
    pub runs: Option<Ran>,
    /// Where the build comes from, as whoever filed it said.
    pub provenance: Option<String>,
}

/// A line of the register.
#[derive(Debug, Clone)]
pub struct ChangeRow {
    /// Its entry of the log; none: it tells what stands now.
    pub number: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// The kind of entry.
    pub kind: String,
    /// Who did it, in words.
    pub by: String,
    /// What was changed, in words.
    pub what: String,
    /// Of which bot, and its name.
    pub bot: Option<(BotId, String)>,
    /// The request that it names, whether there is one or not.
    pub named: Option<RequestId>,
    /// The request.
    pub request: Option<RequestPart>,
    /// What explains it beside a request.
    pub note: String,
    /// The first start after a step up: its entry, and when.
    pub activation: Option<(i64, Timestamp)>,
    /// What is to be explained of it.
    pub findings: Vec<(FindingKind, String)>,
}

impl App {
    /// A bot's name; its id, where it has none.
    pub fn change_bot(&self, id: &BotId) -> String {
        self.fleet.view().bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone())
    }

    fn request_part(&self, view: &RequestView, marked: &HashMap<MarkId, Timestamp>) -> RequestPart {
        let who = |id: &UserId| (id.clone(), self.people().who(id));
        let (row, votes) = (&view.row, view.votes.iter());
        let dossier = if let Content::GoLive { dossier, .. } = view.content() { Some(dossier) } else { None };
        let test = |shown: &crate::domain::golive::Shown| Tested {
            item: shown.item.clone(),
            said: shown.said.clone(),
            by: shown.by.as_ref().map(who),
            at: shown.mark.as_ref().and_then(|mark| marked.get(mark)).copied(),
            until: shown.until,
            files: shown.files.clone(),
        };
        RequestPart {
            id: row.id.clone(),
            kind: row.kind,
            title: self.request_title(row.kind, &row.target),
            requester: who(&row.requester),
            asked_at: row.asked_at,
            why: view.why().to_owned(),
            state: row.state,
            approved_at: row.approved_at,
            closed_at: row.closed_at,
            closed_by: row.closed_by.as_deref().map_or_else(String::new, |by| self.said_of(by)),
            outcome: row.outcome.clone().unwrap_or_default(),
            digest: view.case.request.digest.clone(),
            approvals: votes
                .map(|vote| Approval {
                    name: self.people().who(&vote.user_id),
                    by: vote.user_id.clone(),
                    roles: vote.roles.clone(),
                    at: vote.at,
                    counts: vote.taken_back_at.is_none() && vote.revision == row.revision,
                    is_alone: vote.alone,
                })
                .collect(),
            tests: dossier.iter().flat_map(|dossier| dossier.items.iter().map(test)).collect(),
            runs: dossier.map(|dossier| dossier.runs.clone()),
            provenance: dossier.and_then(|dossier| dossier.provenance.clone()),
        }
    }

    pub(super) async fn change_row(&self, conn: &mut Conn, item: Item) -> Result<ChangeRow, AppError> {
        let request = match &item.request {
            None => None,
            Some(id) => match self.request_in(conn, id).await {
                Ok(view) => {
                    let marked = match view.content() {
                        Content::GoLive { bot, to, .. } => storage::checklists::mark_times(conn, bot, *to).await?,
                        _ => HashMap::new(),
                    };
                    Some(self.request_part(&view, &marked))
                }
                // What is not there, or cannot be read, is told as a finding; it hides no other line.
                Err(AppError::NotFound(_) | AppError::Unavailable(storage::Error::Unreadable(_))) => None,
                Err(other) => return Err(other),
            },
        };
        let activation = match &item.bot {
            Some(bot) if item.is_step => storage::changes::change_activation(conn, bot, item.number).await?,
            _ => None,
        };
        let with_bot = |finding: Finding| {
            let bot = finding.bot.as_ref().filter(|bot| item.bot.as_ref() != Some(*bot));
            let of = bot.map_or_else(String::new, |bot| format!("{} ", self.change_bot(bot)));
            (finding.kind, of + &finding.words)
        };
        let findings = item.findings.into_iter().map(with_bot).collect();
        Ok(ChangeRow {
            number: Some(item.number),
            at: item.at,
            kind: item.kind,
            by: self.said_of(&item.actor),
            what: item.words,
            bot: item.bot.as_ref().map(|bot| (bot.clone(), self.change_bot(bot))),
            named: item.request,
            request,
            note: item.note,
            activation,
            findings,
        })
    }

    pub(super) fn finding_row(&self, finding: Finding) -> ChangeRow {
        ChangeRow {
            number: finding.number,
            at: finding.at,
            kind: "now".to_owned(),
            by: String::new(),
            what: "how it stands".to_owned(),
            bot: finding.bot.as_ref().map(|bot| (bot.clone(), self.change_bot(bot))),
            named: None,
            request: None,
            note: String::new(),
            activation: None,
            findings: vec![(finding.kind, finding.words)],
        }
    }
}
