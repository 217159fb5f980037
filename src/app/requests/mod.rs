//! Requests: asked for (`ask`), decided (`decide`; approvals are acts, `acts/requests.rs`), carried out (`execute`), looked after by the clock
//! (`rounds`). The rules are those of `domain/request.rs`; every change is written over the generation that was read, with its entry.

pub mod ask;
pub mod decide;
pub mod execute;
pub mod list;
pub mod open;
pub mod raise;
pub mod rounds;
pub mod tell;

use super::{App, AppError, people::key_counts, recoveries::freeze_of, tx::Act};
use crate::authz::{Actor, Resource};
use crate::domain::{
    BotId, KEYS_NEEDED, KeyPurpose, RequestId, RequestKind, Rule, Rules, Timestamp, UserId,
    approval::Approver,
    limits::Node,
    request::{Case, Content, Document, Moment, Request, Standing, Vote, Voter, WhyNot},
};
use crate::storage::{self, Conn};
pub use crate::storage::{
    request_history::{CommentRow, RevisionRow, VoteRow},
    requests::{RequestFilter, RequestRow, Stands},
};
use std::{collections::HashMap, sync::Arc};

/// A request with its revisions and votes.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// As stored.
    pub row: RequestRow,
    /// Its revisions, oldest first.
    pub revisions: Vec<RevisionRow>,
    /// Every approval there was.
    pub votes: Vec<VoteRow>,
    /// The newest revision as it is approved.
    pub document: Document,
    /// As its rules see it.
    pub case: Case,
}

/// Everybody and the policies, at one moment.
#[derive(Debug, Clone)]
pub struct Company {
    /// Everybody.
    pub people: Vec<Voter>,
    /// Who must approve what.
    pub rules: Arc<Rules>,
    /// No second person ever had two keys.
    pub is_alone: bool,
    /// The moment.
    pub now: Timestamp,
}

impl Company {
    /// What votes on a kind of request are judged by.
    pub fn moment(&self, kind: RequestKind) -> Moment<'_> {
        Moment { people: &self.people, rule: self.rules.of(kind), is_alone: self.is_alone, now: self.now }
    }
}

impl RequestView {
    pub(crate) fn of(row: RequestRow, revisions: Vec<RevisionRow>, votes: Vec<VoteRow>) -> Result<Self, AppError> {
        let unreadable = || AppError::from(storage::Error::Unreadable(format!("request {}", row.id)));
        let newest = revisions.iter().find(|one| one.revision == row.revision).ok_or_else(unreadable)?;
        let document: Document = serde_json::from_str(&newest.content).map_err(|_| unreadable())?;
        let rule: Rule = serde_json::from_str(&newest.rule).map_err(|_| unreadable())?;
        let raised: Vec<Approver> = serde_json::from_str(&row.raised).map_err(|_| unreadable())?;
        let authors = revisions.iter().map(|one| one.author.clone()).chain([row.requester.clone()]);
        let request = Request {
            id: row.id.clone(),
            kind: row.kind,
            team: row.team_id.clone(),
            state: row.state,
            revision: row.revision,
            digest: newest.digest.clone(),
            requester: row.requester.clone(),
            authors: authors.collect(),
            signers: document.content.signers().cloned().collect(),
            beneficiary: row.beneficiary.clone(),
            rule: rule.with(&raised),
            raised,
            revised_at: row.revised_at,
            approved_at: row.approved_at,
        };
        // While it is open, what was signed with a key that has ended since counts for nothing: whoever has that key now may be somebody else.
        let stands = |vote: &&VoteRow| vote.taken_back_at.is_none() && !(vote.key_ended && row.state.is_open());
        let vote = |vote: &VoteRow| Vote {
            user: vote.user_id.clone(),
            revision: vote.revision,
            digest: vote.digest.clone(),
            at: vote.at,
            is_alone: vote.alone,
        };
        let case = Case { request, votes: votes.iter().filter(stands).map(vote).collect() };
        Ok(Self { row, revisions, votes, document, case })
    }
    /// What it asks for.
    pub fn content(&self) -> &Content {
        &self.document.content
    }
    /// Why, as its newest revision says.
    pub fn why(&self) -> &str {
        self.revisions.iter().find(|one| one.revision == self.row.revision).map_or("", |one| one.why.as_str())
    }
    /// Until when it can come to something; an exception also ends when the time is over for which it was asked.
    pub fn until(&self, rule: &Rule) -> Timestamp {
        let until = self.case.execute_until(rule).unwrap_or_else(|| self.case.pending_until());
        match self.content() {
            Content::Override { until: end, .. } => until.min(*end),
            _ => until,
        }
    }
    /// What it is to the policy table.
    pub fn resource(&self) -> Resource {
        self.row.team_id.clone().map_or(Resource::Installation, Resource::Team)
    }
}

impl From<WhyNot> for AppError {
    fn from(why: WhyNot) -> Self {
        let is_about_them = matches!(
            why,
            WhyNot::Requester
                | WhyNot::Author
                | WhyNot::Signer
                | WhyNot::Beneficiary
                | WhyNot::NotAsked(_)
                | WhyNot::Disabled
                | WhyNot::FewKeys
                | WhyNot::Frozen
                | WhyNot::NotRequester
                | WhyNot::NoVote
                | WhyNot::MayNotAsk
        );
        if is_about_them { Self::NotYours(why.to_string()) } else { Self::conflict(why.to_string()) }
    }
}

impl App {
    /// One request as a transaction sees it.
    pub(crate) async fn request_in(&self, conn: &mut Conn, id: &RequestId) -> Result<RequestView, AppError> {
        let row = storage::requests::request_by_id(conn, id).await?.ok_or(AppError::NotFound("request"))?;
        let revisions = storage::request_history::revision_of(conn, id).await?;
        let votes = storage::request_history::vote_of(conn, id).await?;
        RequestView::of(row, revisions, votes)
    }

    /// Everybody and the policies, from memory.
    pub fn company(&self) -> Company {
        let now = self.clock.now();
        let voter = |user: &Arc<storage::users::User>| {
            let standing = match () {
                () if !user.enabled => Standing::Disabled,
                () if !self.people_book.has_two_keys(&user.id) => Standing::FewKeys,
                () if self.recovery_book.freeze_of(&user.id, now).is_some() => Standing::Frozen,
                () => Standing::Able,
            };
            Voter { id: user.id.clone(), grants: user.grants.clone(), standing }
        };
        let people = self.people_book.users().iter().map(voter).collect();
        Company { people, rules: self.rules(), is_alone: self.people_book.is_alone(), now }
    }

    /// The same as a transaction sees it. Nobody changes the people named until it ends.
    pub(crate) async fn company_in(&self, act: &mut Act<'_>, still: &[&UserId]) -> Result<Company, AppError> {
        // In one order, so that two who wait for each other never do so for ever.
        let mut still = still.to_vec();
        still.sort();
        still.dedup();
        for user in still {
            storage::users::user_hold_still(act.tx(), user).await?;
        }
        let now = act.now();
        let conn: &mut Conn = act.tx();
        let keys = key_counts(storage::credentials::credential_tally(conn).await?);
        let recoveries = self.recent_recoveries(conn).await?;
        let voter = |user: storage::users::User| {
            let standing = match () {
                () if !user.enabled => Standing::Disabled,
                () if keys.get(&user.id).copied().unwrap_or_default().for_grants(&user.grants) < KEYS_NEEDED => Standing::FewKeys,
                () if freeze_of(recoveries.iter(), &user.id, now).is_some() => Standing::Frozen,
                () => Standing::Able,
            };
            Voter { id: user.id, grants: user.grants, standing }
        };
        let people = storage::users::user_all(conn).await?.into_iter().map(voter).collect();
        let rules = Arc::new(storage::approvals::policy_now(conn).await?);
        let is_alone = !storage::settings::setting_is_on(conn, storage::settings::SECOND_PERSON).await?;
        Ok(Company { people, rules, is_alone, now })
    }

    /// Takes over how the rules say that a request stands, and writes it over the generation that was read.
    pub(crate) async fn write_request(&self, act: &mut Act<'_>, view: &mut RequestView, outcome: Option<&str>) -> Result<(), AppError> {
        let (row, request) = (&mut view.row, &view.case.request);
        (row.state, row.revision) = (request.state, request.revision);
        (row.revised_at, row.approved_at) = (request.revised_at, request.approved_at);
        if !request.state.is_open() {
            row.closed_at = Some(act.now());
            row.closed_by = Some(crate::audit::Actor::from(act.actor()).text());
        }
        if let Some(outcome) = outcome {
            row.outcome = Some(outcome.to_owned());
        }
        match storage::requests::request_write(act.tx(), row).await {
            Err(storage::Error::Conflict) => Err(AppError::conflict("somebody else was first: it changed a moment ago; look again")),
            other => Ok(other?),
        }
    }

    /// Whoever acts, as a person: a token acts as its maker.
    pub(crate) async fn person_behind(&self, actor: &Actor) -> Result<UserId, AppError> {
        match actor {
            Actor::User { id, .. } => Ok(id.clone()),
            Actor::Token { id, .. } => {
                let all = storage::tokens::token_all(&mut *self.db.read().await?).await?;
                all.into_iter().find(|token| token.id == *id).map(|token| token.made_by).ok_or(AppError::NotFound("token"))
            }
            _ => Err(AppError::conflict("only a person does that")),
        }
    }

    /// What a request is about, as one line: `Looser limits of bot grid-07`.
    pub fn request_title(&self, kind: RequestKind, target: &str) -> String {
        match kind {
            RequestKind::Limits => {
                let node = Node::from_one(target).unwrap_or_else(|| Node::Bot(BotId::from_stored(target.to_owned())));
                format!("Looser limits of {}", self.limits_words(&node))
            }
            RequestKind::Override => {
                let (bot, symbol) = target.split_once(':').unwrap_or((target, ""));
                format!("A larger position in {symbol} of {}", self.limits_words(&Node::Bot(BotId::from_stored(bot.to_owned()))))
            }
            RequestKind::Assign => {
                format!("A live subaccount for {}", self.limits_words(&Node::Bot(BotId::from_stored(target.to_owned()))))
            }
            RequestKind::Keys | RequestKind::Withdrawals => {
                let (bot, purpose) = target.split_once(':').unwrap_or((target, ""));
                let what = purpose.parse::<KeyPurpose>().map_or("", KeyPurpose::words);
                let of = self.limits_words(&Node::Bot(BotId::from_stored(bot.to_owned())));
                let may = if kind == RequestKind::Withdrawals { " that may withdraw" } else { "" };
                format!("An exchange key {what}{may} for {of}")
            }
            RequestKind::Limited | RequestKind::Live => {
                format!("Stage {kind} for {}", self.limits_words(&Node::Bot(BotId::from_stored(target.to_owned()))))
            }
            RequestKind::Checklist => format!("Another checklist for stage {target}"),
            RequestKind::Roles => format!("More rights for {}", self.people_book.who(&UserId::from_stored(target.to_owned()))),
            RequestKind::Policy => {
                let about = target.parse::<RequestKind>().map_or_else(|_| target.to_owned(), |about| about.words().to_owned());
                format!("Another policy for {about}")
            }
        }
    }
}

/// Votes and revisions of many requests, by request.
fn by_request<T>(rows: Vec<T>, id: impl Fn(&T) -> &RequestId) -> HashMap<RequestId, Vec<T>> {
    let mut all = HashMap::<RequestId, Vec<T>>::new();
    for row in rows {
        all.entry(id(&row).clone()).or_default().push(row);
    }
    all
}
