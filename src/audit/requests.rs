//! Requests as the log tells them: what was carried out had been approved, exactly as it is, by as many people as its rule asked for, none of
//! whom had asked for it; once, and before it had ended. What people held when they approved is not in the log, and not looked at.

use super::Event;
use crate::domain::{RequestId, Rule, UserId, request::digest};
use std::collections::{BTreeSet, HashMap};

struct Known {
    revision: i64,
    digest: String,
    seats: usize,
    // Who asked, and whoever wrote a revision of their own.
    authors: BTreeSet<UserId>,
    approved: BTreeSet<UserId>,
    is_alone: bool,
    to_accept: bool,
    is_over: bool,
}

/// Every request seen so far.
#[derive(Default)]
pub(super) struct Requests(HashMap<RequestId, Known>);

/// The person behind an actor as the log names them.
fn person(actor: &str) -> Option<UserId> {
    actor.strip_prefix("user:").map(|id| UserId::from_stored(id.to_owned()))
}

impl Requests {
    fn known(&mut self, id: &RequestId) -> Result<&mut Known, String> {
        let known = self.0.get_mut(id).ok_or("a request that was never asked for")?;
        if known.is_over { Err("the request had ended before".into()) } else { Ok(known) }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn take(&mut self, actor: &str, event: &Event) -> Result<(), String> {
        match event {
            Event::RequestAsked { request, content, digest, rule, .. } => {
                let authors = person(actor).into_iter().collect();
                let mut known = Known {
                    revision: 0,
                    digest: String::new(),
                    seats: 0,
                    authors,
                    approved: BTreeSet::new(),
                    is_alone: false,
                    to_accept: false,
                    is_over: false,
                };
                let begun = known.begin(1, (content, digest), rule);
                if self.0.insert(request.clone(), known).is_some() {
                    return Err("a request was asked for twice".into());
                }
                begun
            }
            Event::RequestRevised { request, revision, content, digest, rule, .. } => {
                let known = self.known(request)?;
                known.authors.extend(person(actor));
                known.to_accept = false;
                known.begin(*revision, (content, digest), rule)
            }
            Event::RequestNarrowed { request, revision, content, digest, rule, .. } => {
                let known = self.known(request)?;
                known.begin(*revision, (content, digest), rule)?;
                known.to_accept = true;
                known.approve(actor, false)
            }
            Event::RequestApproved { request, revision, digest, alone, .. } => {
                let known = self.known(request)?;
                if (known.revision, &known.digest) != (*revision, digest) {
                    return Err("an approval of something else than the newest revision".into());
                }
                known.approve(actor, *alone)
            }
            Event::RequestNarrowingAccepted { request, .. } => {
                let known = self.known(request)?;
                known.to_accept = false;
                let is_authors = person(actor).is_some_and(|by| known.authors.contains(&by));
                if is_authors { Ok(()) } else { Err("accepted by somebody who had not asked".into()) }
            }
            Event::RequestApprovalTakenBack { request, user, .. } => {
                self.known(request)?.approved.remove(user);
                Ok(())
            }
            Event::RequestDenied { request, .. } | Event::RequestWithdrawn { request } | Event::RequestEnded { request, .. } => {
                self.known(request)?.is_over = true;
                Ok(())
            }
            Event::RequestExecuted { request, revision, digest, .. } => {
                let known = self.known(request)?;
                known.is_over = true;
                known.may_be_carried_out(*revision, digest)
            }
            _ => Ok(()),
        }
    }
}

impl Known {
    fn begin(&mut self, revision: i64, (content, said): (&str, &str), rule: &Rule) -> Result<(), String> {
        if revision != self.revision + 1 {
            return Err("a revision of a request is missing".into());
        }
        (self.revision, self.digest, self.seats) = (revision, said.to_owned(), rule.seats.len());
        self.approved.clear();
        self.is_alone = false;
        if digest(content) == said { Ok(()) } else { Err("the digest is not that of the content".into()) }
    }

    fn approve(&mut self, actor: &str, is_alone: bool) -> Result<(), String> {
        let by = person(actor).ok_or("approved by what is no person")?;
        if is_alone != self.authors.contains(&by) {
            return Err("approved by whoever asked for it".into());
        }
        self.is_alone |= is_alone;
        self.approved.insert(by);
        Ok(())
    }

    fn may_be_carried_out(&self, revision: i64, digest: &str) -> Result<(), String> {
        if (self.revision, self.digest.as_str()) != (revision, digest) {
            return Err("carried out otherwise than it was approved".into());
        }
        if self.to_accept {
            return Err("carried out before what was narrowed had been accepted".into());
        }
        let approvals = self.approved.iter().filter(|one| !self.authors.contains(one)).count();
        if self.seats == 0 || (approvals < self.seats && !self.is_alone) {
            return Err(format!("carried out with {approvals} of {} approvals", self.seats));
        }
        Ok(())
    }
}
