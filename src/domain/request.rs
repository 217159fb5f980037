//! Requests: a proposed change that needs approval. Who may vote, when enough have, and how a request ends; nothing here knows a database.
//!
//! ```text
//! pending → approved → executing → executed        ends: denied, withdrawn, expired, stale, failed, superseded
//! ```
//! `Case` is a request with its votes and the only place that moves one. The stricter of two rules holds: that of the moment at which a revision
//! was made, and that of now. Votes are bound to a revision's digest; a new revision has none.

pub mod content;
#[cfg(test)]
mod tests;

use super::{
    Grant, RequestId, TeamId, Timestamp, UserId,
    approval::{Approver, RequestKind, Rule, SEATS, SeatFor, may_ask},
    text::text_enum,
    time::DAY_MS,
};
use std::collections::BTreeSet;

pub use content::{Change, Content, Document, Held, Line, Of, Place, digest};

/// How long a revision waits for its approvals.
pub const PENDING_MS: i64 = DAY_MS;
/// How long a request that was approved, and whose delay is over, waits to be carried out.
pub const EXECUTE_MS: i64 = 60 * 60 * 1_000;
/// How long somebody who is alone waits before they sign again (ruling C8).
pub const ALONE_MS: i64 = 5 * 60 * 1_000;

text_enum! {
    /// How a request stands.
    RequestState {
        /// It waits for approvals.
        Pending = "pending",
        /// Enough have approved; it waits for its delay.
        Approved = "approved",
        /// It is being carried out.
        Executing = "executing",
        /// It was carried out.
        Executed = "executed",
        /// Somebody who could approve it denied it, with a reason.
        Denied = "denied",
        /// Whoever asked took it back.
        Withdrawn = "withdrawn",
        /// Its time was over.
        Expired = "expired",
        /// What it was asked over has changed since.
        Stale = "stale",
        /// It could not be carried out.
        Failed = "failed",
        /// Whoever asked has asked anew for the same.
        Superseded = "superseded",
    }
}

impl RequestState {
    /// True while it can still come to something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Approved | Self::Executing)
    }
}

/// A request as its rules see it: the newest revision, and who wrote any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which.
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// The team that it concerns, where it is of one.
    pub team: Option<TeamId>,
    /// How it stands.
    pub state: RequestState,
    /// The newest revision, from 1.
    pub revision: i64,
    /// The SHA-256 of its content, hex.
    pub digest: String,
    /// Who asked.
    pub requester: UserId,
    /// Who wrote any revision; whoever asked among them.
    pub authors: BTreeSet<UserId>,
    /// Who answered for something that it rests on.
    pub signers: BTreeSet<UserId>,
    /// Whom it is for; none: nobody in particular.
    pub beneficiary: Option<UserId>,
    /// The rule when the newest revision was made, with the seats that whoever asked wants beside it.
    pub rule: Rule,
    /// Those seats; every rule that is asked of this request has them as well.
    pub raised: Vec<Approver>,
    /// When the newest revision was made.
    pub revised_at: Timestamp,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Whose.
    pub user: UserId,
    /// Of which revision.
    pub revision: i64,
    /// The digest that was signed.
    pub digest: String,
    /// When.
    pub at: Timestamp,
    /// Whoever asked signed again, being the only person here: no approval, and nobody calls it one.
    pub is_alone: bool,
}

/// How somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Enabled, with two keys that count.
    Able,
    /// Disabled, or gone.
    Disabled,
    /// Fewer than two keys that count.
    FewKeys,
    /// Recovered less than a day ago.
    Frozen,
}

/// Somebody who might vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// Who.
    pub id: UserId,
    /// What they hold now.
    pub grants: Vec<Grant>,
    /// How they stand now.
    pub standing: Standing,
}

/// What votes are judged by at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Everybody.
    pub people: &'a [Voter],
    /// The rule of this kind of request now.
    pub rule: &'a Rule,
    /// No second person ever had two keys here (ruling C8).
    pub is_alone: bool,
    /// The moment.
    pub now: Timestamp,
}

impl<'m> Moment<'m> {
    fn voter(&self, id: &UserId) -> Option<&'m Voter> {
        self.people.iter().find(|person| person.id == *id)
    }
}

/// Why somebody cannot vote, or do what they ask for, in words for a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// It is over, or being carried out.
    #[error("this request is over: {0}")]
    Over(RequestState),
    /// Its time is over.
    #[error("its time is over: it expires")]
    Expired,
    /// Enough have approved.
    #[error("enough people have approved it; it waits to be carried out")]
    Approved,
    /// Disabled.
    #[error("your account is disabled")]
    Disabled,
    /// Too few keys.
    #[error("it takes two security keys that count, and you have fewer")]
    FewKeys,
    /// Recovered.
    #[error("your account was recovered less than a day ago: until then you see and stop")]
    Frozen,
    /// Their own.
    #[error("it is your own request: nobody approves their own")]
    Requester,
    /// They wrote a revision.
    #[error("you wrote a revision of it: nobody approves what they wrote")]
    Author,
    /// They answered for an item.
    #[error("you answered for an item of its checklist: nobody approves what they answered for")]
    Signer,
    /// It is for them.
    #[error("it is for you: nobody approves what they gain by")]
    Beneficiary,
    /// Their roles are not asked for.
    #[error("your roles are not asked for: it takes {0}")]
    NotAsked(String),
    /// They have.
    #[error("you have approved this revision; another person must")]
    Voted,
    /// The seats that they could fill are filled.
    #[error("the seats that you could fill are filled; your approval would count for nothing")]
    NoSeat,
    /// Another revision.
    #[error("it was changed since you read it; look again")]
    Changed,
    /// Alone, and too soon.
    #[error("you are alone here: sign again in {0} s")]
    TooSoon(i64),
    /// They have not.
    #[error("you have no approval of this revision to take back")]
    NoVote,
    /// Somebody else's.
    #[error("only whoever asked may do that")]
    NotRequester,
    /// They may not ask for this.
    #[error("your roles may not ask for this")]
    MayNotAsk,
    /// Not enough have.
    #[error("it is not approved")]
    NotApproved,
    /// It asks for as many as there can be.
    #[error("it asks for {SEATS} approvals already, and that is the most")]
    EnoughSeats,
    /// Its delay is not over.
    #[error("it is approved, and its delay is not over")]
    NotReady,
}

/// A seat and who fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Who may fill it.
    pub of: SeatFor,
    /// Who does.
    pub taken_by: Option<UserId>,
}

/// How far a request is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The seats of the rule when it was made.
    pub seats: Vec<Seat>,
    /// Those of the rule of now, when that asks for something else.
    pub seats_now: Option<Vec<Seat>>,
    /// Every seat of both is filled.
    pub is_met: bool,
}

/// What follows of how a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// Its time is over.
    Expire,
    /// Enough have approved.
    Approve,
    /// It was approved, and what approved it counts no more.
    Reopen,
    /// It is to be carried out.
    Execute,
}

/// A request with its votes that were not taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The request.
    pub request: Request,
    /// Approvals in order, those of earlier revisions among them; they count for nothing.
    pub votes: Vec<Vote>,
}

impl Case {
    /// The votes on the newest revision.
    pub fn votes_now(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(|vote| vote.revision == self.request.revision && vote.digest == self.request.digest)
    }

    /// Those of them whose voters could still vote by what they hold now, in order.
    fn counting<'m>(&self, moment: &Moment<'m>) -> Vec<&'m Voter> {
        let voters = self.votes_now().filter(|vote| !vote.is_alone).filter_map(|vote| moment.voter(&vote.user));
        voters.filter(|voter| self.may_ever_vote(voter).is_ok()).collect()
    }

    /// Who they are and how they stand.
    fn may_ever_vote(&self, voter: &Voter) -> Result<(), WhyNot> {
        let request = &self.request;
        match voter.standing {
            Standing::Disabled => return Err(WhyNot::Disabled),
            Standing::FewKeys => return Err(WhyNot::FewKeys),
            Standing::Frozen => return Err(WhyNot::Frozen),
            Standing::Able => {}
        }
        match () {
            () if voter.id == request.requester => Err(WhyNot::Requester),
            () if request.authors.contains(&voter.id) => Err(WhyNot::Author),
            () if request.signers.contains(&voter.id) => Err(WhyNot::Signer),
            () if request.beneficiary.as_ref() == Some(&voter.id) => Err(WhyNot::Beneficiary),
            () => Ok(()),
        }
    }

    /// Whether its time lets anybody vote.
    fn is_votable(&self, now: Timestamp) -> Result<(), WhyNot> {
        match self.request.state {
            RequestState::Pending if now > self.pending_until() => Err(WhyNot::Expired),
            RequestState::Pending => Ok(()),
            RequestState::Approved => Err(WhyNot::Approved),
            state => Err(WhyNot::Over(state)),
        }
    }

    /// Until when it waits for approvals.
    pub fn pending_until(&self) -> Timestamp {
        self.request.revised_at.plus_ms(PENDING_MS)
    }

    /// From when it is carried out, by the longer of both delays; none before it is approved.
    pub fn ready_at(&self, rule: &Rule) -> Option<Timestamp> {
        let delay_ms = i64::try_from(self.request.rule.delay_s.max(rule.delay_s)).unwrap_or(i64::MAX).saturating_mul(1_000);
        self.request.approved_at.map(|at| at.plus_ms(delay_ms))
    }

    /// Until when it can be carried out.
    pub fn execute_until(&self, rule: &Rule) -> Option<Timestamp> {
        self.ready_at(rule).map(|at| at.plus_ms(EXECUTE_MS))
    }

    /// The one answer to whether somebody can approve, for page, API and command line.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn can_vote(&self, id: &UserId, moment: &Moment<'_>) -> Result<(), WhyNot> {
        self.is_votable(moment.now)?;
        let voter = moment.voter(id).ok_or(WhyNot::Disabled)?;
        if moment.is_alone && *id == self.request.requester {
            return self.can_sign_again(voter, moment);
        }
        self.may_ever_vote(voter)?;
        self.is_asked(voter, moment)?;
        if self.votes_now().any(|vote| vote.user == *id) {
            return Err(WhyNot::Voted);
        }
        let before = self.counting(moment);
        let with: Vec<&Voter> = before.iter().copied().chain([voter]).collect();
        let fills = |rule: &Rule, people: &[&Voter]| self.seated(rule, people).iter().flatten().count();
        let helps = [&self.request.rule, &self.rule_now(moment)].iter().any(|rule| fills(rule, &with) > fills(rule, &before));
        if helps { Ok(()) } else { Err(WhyNot::NoSeat) }
    }

    /// The same for a deny: whoever could fill a seat may, also when it is taken.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn can_deny(&self, id: &UserId, moment: &Moment<'_>) -> Result<(), WhyNot> {
        match self.is_votable(moment.now) {
            Ok(()) | Err(WhyNot::Approved) => {}
            other => return other,
        }
        let voter = moment.voter(id).ok_or(WhyNot::Disabled)?;
        self.may_ever_vote(voter)?;
        self.is_asked(voter, moment)
    }

    fn is_asked(&self, voter: &Voter, moment: &Moment<'_>) -> Result<(), WhyNot> {
        let team = self.request.team.as_ref();
        let is_asked = [&self.request.rule, moment.rule].iter().any(|rule| rule.asks_for(&voter.grants, team));
        if is_asked { Ok(()) } else { Err(WhyNot::NotAsked(self.who_is_asked())) }
    }

    /// Who is asked, in words.
    fn who_is_asked(&self) -> String {
        let all: SeatFor = self.request.rule.seats.iter().flatten().copied().collect();
        super::approval::seat_words(&all)
    }

    /// Ruling C8: the only person here signs again, a while after the revision.
    fn can_sign_again(&self, voter: &Voter, moment: &Moment<'_>) -> Result<(), WhyNot> {
        if voter.standing != Standing::Able {
            return self.may_ever_vote(voter);
        }
        let waited = moment.now.ms_since(self.request.revised_at);
        match () {
            () if self.request.beneficiary.as_ref() == Some(&voter.id) => Err(WhyNot::Beneficiary),
            () if self.votes_now().any(|vote| vote.is_alone) => Err(WhyNot::Voted),
            () if waited < ALONE_MS => Err(WhyNot::TooSoon((ALONE_MS - waited + 999) / 1_000)),
            () => Ok(()),
        }
    }

    /// The policy of now, with what whoever asked wants beside it.
    fn rule_now(&self, moment: &Moment<'_>) -> Rule {
        // A rule that nobody meets stays one.
        if moment.rule.seats.is_empty() { moment.rule.clone() } else { moment.rule.with(&self.request.raised) }
    }

    fn seated(&self, rule: &Rule, people: &[&Voter]) -> Vec<Option<usize>> {
        let grants: Vec<&[Grant]> = people.iter().map(|voter| voter.grants.as_slice()).collect();
        rule.seated(&grants, self.request.team.as_ref())
    }

    /// How far it is approved.
    pub fn quorum(&self, moment: &Moment<'_>) -> Quorum {
        let people = self.counting(moment);
        let seats = |rule: &Rule| -> Vec<Seat> {
            let sits = self.seated(rule, &people);
            let taken = |at: Option<usize>| at.and_then(|n| people.get(n)).map(|voter| voter.id.clone());
            rule.seats.iter().zip(sits).map(|(of, at)| Seat { of: of.clone(), taken_by: taken(at) }).collect()
        };
        let is_full = |seats: &[Seat]| !seats.is_empty() && seats.iter().all(|seat| seat.taken_by.is_some());
        let then = seats(&self.request.rule);
        let rule_now = self.rule_now(moment);
        let now = (!self.request.rule.has_all_of(&rule_now)).then(|| seats(&rule_now));
        let is_by_people = is_full(&then) && now.as_ref().is_none_or(|seats| is_full(seats));
        let alone = self.votes_now().find(|vote| vote.is_alone).and_then(|vote| moment.voter(&vote.user));
        let is_by_one = moment.is_alone && alone.is_some_and(|voter| voter.standing == Standing::Able);
        Quorum { seats: then, seats_now: now, is_met: is_by_people || is_by_one }
    }

    /// Everybody who can approve it at this moment.
    pub fn eligible<'m>(&self, moment: &Moment<'m>) -> Vec<&'m Voter> {
        moment.people.iter().filter(|voter| self.can_vote(&voter.id, moment).is_ok()).collect()
    }

    /// What follows of how it stands.
    pub fn next(&self, moment: &Moment<'_>) -> Next {
        let is_met = self.quorum(moment).is_met;
        match self.request.state {
            RequestState::Pending if moment.now > self.pending_until() => Next::Expire,
            RequestState::Pending if is_met => Next::Approve,
            RequestState::Approved if self.execute_until(moment.rule).is_none_or(|until| moment.now > until) => Next::Expire,
            // Nobody could approve it any more.
            RequestState::Approved if !is_met && moment.now > self.pending_until() => Next::Expire,
            RequestState::Approved if !is_met => Next::Reopen,
            RequestState::Approved if self.request.kind.is_by_hand() => Next::Wait,
            RequestState::Approved if self.ready_at(moment.rule).is_some_and(|at| moment.now >= at) => Next::Execute,
            _ => Next::Wait,
        }
    }

    /// Takes an approval of exactly this digest.
    ///
    /// # Errors
    /// Why it cannot be given.
    pub fn vote(&mut self, id: &UserId, digest: &str, moment: &Moment<'_>) -> Result<&Vote, WhyNot> {
        if digest != self.request.digest {
            return Err(WhyNot::Changed);
        }
        self.can_vote(id, moment)?;
        let is_alone = *id == self.request.requester;
        let (revision, at) = (self.request.revision, moment.now);
        self.votes.push(Vote { user: id.clone(), revision, digest: digest.to_owned(), at, is_alone });
        self.votes.last().ok_or(WhyNot::NoVote)
    }

    /// Takes an approval back, until it is being carried out.
    ///
    /// # Errors
    /// When there is none, or it is too late.
    pub fn take_back(&mut self, id: &UserId) -> Result<(), WhyNot> {
        self.is_before_execution()?;
        let (before, revision) = (self.votes.len(), self.request.revision);
        self.votes.retain(|vote| vote.user != *id || vote.revision != revision);
        if self.votes.len() == before { Err(WhyNot::NoVote) } else { Ok(()) }
    }

    fn is_before_execution(&self) -> Result<(), WhyNot> {
        match self.request.state {
            RequestState::Pending | RequestState::Approved => Ok(()),
            state => Err(WhyNot::Over(state)),
        }
    }

    /// Makes another revision, which has no votes and waits anew. Whoever asked does: others deny it or say something.
    ///
    /// # Errors
    /// When it is over, somebody else's, or they may not ask for such a thing.
    pub fn revise(&mut self, by: &Voter, (digest, rule): (&str, &Rule), now: Timestamp) -> Result<(), WhyNot> {
        self.is_before_execution()?;
        if by.id != self.request.requester {
            return Err(WhyNot::NotRequester);
        }
        if by.standing != Standing::Able || !may_ask(self.request.kind, &by.grants, self.request.team.as_ref()) {
            return Err(WhyNot::MayNotAsk);
        }
        let request = &mut self.request;
        request.authors.insert(by.id.clone());
        request.revision += 1;
        digest.clone_into(&mut request.digest);
        request.rule = rule.with(&request.raised);
        (request.revised_at, request.approved_at, request.state) = (now, None, RequestState::Pending);
        Ok(())
    }

    /// Asks for one approval more than the policy does. Whoever asked may, while it waits; nobody asks for fewer.
    ///
    /// # Errors
    /// When it is somebody else's, does not wait for approvals any more, or asks for as many as there can be.
    pub fn raise(&mut self, by: &UserId, more: Approver, now: Timestamp) -> Result<(), WhyNot> {
        self.is_votable(now)?;
        if *by != self.request.requester {
            return Err(WhyNot::NotRequester);
        }
        if self.request.rule.seats.len() >= SEATS {
            return Err(WhyNot::EnoughSeats);
        }
        self.request.rule = self.request.rule.with(&[more]);
        self.request.raised.push(more);
        Ok(())
    }

    /// One deny by somebody who could approve ends it.
    ///
    /// # Errors
    /// Why they cannot.
    pub fn deny(&mut self, id: &UserId, moment: &Moment<'_>) -> Result<(), WhyNot> {
        self.can_deny(id, moment)?;
        self.request.state = RequestState::Denied;
        Ok(())
    }

    /// Whoever asked takes it back.
    ///
    /// # Errors
    /// When it is somebody else's, or too late.
    pub fn withdraw(&mut self, id: &UserId) -> Result<(), WhyNot> {
        self.is_before_execution()?;
        if *id != self.request.requester {
            return Err(WhyNot::NotRequester);
        }
        self.request.state = RequestState::Withdrawn;
        Ok(())
    }

    /// Does what follows of how it stands, once; says what that was. After `Execute` it is being carried out, and whoever called does it.
    pub fn step(&mut self, moment: &Moment<'_>) -> Next {
        let next = self.next(moment);
        let request = &mut self.request;
        match next {
            Next::Wait => {}
            Next::Expire => request.state = RequestState::Expired,
            Next::Approve => (request.state, request.approved_at) = (RequestState::Approved, Some(moment.now)),
            Next::Reopen => (request.state, request.approved_at) = (RequestState::Pending, None),
            Next::Execute => request.state = RequestState::Executing,
        }
        next
    }

    /// Begins to carry out what whoever asked carries out by hand. Whoever called does it.
    ///
    /// # Errors
    /// When it is somebody else's, not approved, too early or too late.
    pub fn begin_by_hand(&mut self, by: &Voter, moment: &Moment<'_>) -> Result<(), WhyNot> {
        if by.id != self.request.requester {
            return Err(WhyNot::NotRequester);
        }
        if by.standing != Standing::Able || !may_ask(self.request.kind, &by.grants, self.request.team.as_ref()) {
            return Err(WhyNot::MayNotAsk);
        }
        if self.request.state != RequestState::Approved || !self.quorum(moment).is_met {
            return Err(WhyNot::NotApproved);
        }
        if self.execute_until(moment.rule).is_none_or(|until| moment.now > until) {
            return Err(WhyNot::Expired);
        }
        if self.ready_at(moment.rule).is_none_or(|at| moment.now < at) {
            return Err(WhyNot::NotReady);
        }
        self.request.state = RequestState::Executing;
        Ok(())
    }

    /// Ends it: carried out, stale, failed, or asked anew.
    pub fn end(&mut self, state: RequestState) {
        self.request.state = state;
    }
}
