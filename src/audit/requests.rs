//! Requests as the log tells them: what was carried out had been approved, exactly as it is, by as many people as its rule asked for, none of
//! whom had asked for it; once, and before it had ended. Rights that a request gave are those that it asked for, and nobody approved their own. What
//! people held when they approved is not in the log, and not looked at.

use super::Event;
use crate::domain::{
    CredentialId, RequestId, Rule, UserId,
    approval::Approver,
    request::{Content, Document, Held, digest},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

struct Known {
    revision: i64,
    digest: String,
    // Of more rights: whose, and what they are to hold.
    rights: Option<(UserId, Held)>,
    seats: usize,
    // Whom whoever asked wants beside the policy: the last seats of every rule from there on.
    raised: Vec<Approver>,
    // Who asked, and whoever wrote a revision.
    authors: BTreeSet<UserId>,
    // With the key that each signed with.
    approved: BTreeMap<UserId, Option<CredentialId>>,
    is_alone: bool,
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

    fn end_keys(&mut self, has_ended: impl Fn(&CredentialId) -> bool) {
        for known in self.0.values_mut().filter(|known| !known.is_over) {
            known.approved.retain(|_, key| !key.as_ref().is_some_and(&has_ended));
            known.is_alone &= known.approved.keys().any(|one| known.authors.contains(one));
        }
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
                    rights: None,
                    seats: 0,
                    raised: Vec::new(),
                    authors,
                    approved: BTreeMap::new(),
                    is_alone: false,
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
                known.begin(*revision, (content, digest), rule)
            }
            Event::RequestRaised { request, revision, more, rule } => {
                let known = self.known(request)?;
                let is_more = known.revision == *revision && rule.seats.len() == known.seats + 1;
                known.raised.push(*more);
                known.seats = known.seats.max(rule.seats.len());
                if is_more && known.is_own(actor) && known.has_raised(rule) {
                    Ok(())
                } else {
                    Err("not one approval more, or not by whoever asked".into())
                }
            }
            Event::RequestApproved { request, revision, digest, alone, signed } => {
                let known = self.known(request)?;
                if (known.revision, &known.digest) != (*revision, digest) {
                    return Err("an approval of something else than the newest revision".into());
                }
                known.approve(actor, *alone, signed.assertions.last().map(|one| one.credential.clone()))
            }
            // What was approved with it counts no more.
            Event::CredentialRemoved { credential, .. } | Event::CredentialSuspended { credential, .. } => {
                self.end_keys(|key| key == credential);
                Ok(())
            }
            Event::RecoveryKeysRemoved { credentials, .. } => {
                self.end_keys(|key| credentials.contains(key));
                Ok(())
            }
            Event::RpIdChanged { .. } => {
                self.end_keys(|_| true);
                Ok(())
            }
            Event::RequestApprovalTakenBack { request, user, .. } => {
                let known = self.known(request)?;
                known.approved.remove(user);
                // Of whoever is alone it was the one signature.
                known.is_alone &= !known.authors.contains(user);
                Ok(())
            }
            Event::RequestDenied { request, .. } | Event::RequestWithdrawn { request } | Event::RequestEnded { request, .. } => {
                self.known(request)?.is_over = true;
                Ok(())
            }
            Event::GrantsChanged { request: Some(request), user, grants, .. } => {
                self.known(request)?.gives(user, |held| *held == Held::new(held.enabled, grants))
            }
            Event::UserEnabled { request: Some(request), user, .. } => self.known(request)?.gives(user, |held| held.enabled),
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
        self.rights = match serde_json::from_str::<Document>(content).map(|document| document.content) {
            Ok(Content::Roles { user, after, .. }) => Some((user, after)),
            _ => None,
        };
        if !self.has_raised(rule) {
            return Err("a revision for which fewer must approve than whoever asked wanted".into());
        }
        if digest(content) == said { Ok(()) } else { Err("the digest is not that of the content".into()) }
    }

    /// True for whoever asked. Behind a token stands a person whom the log does not name until they act themselves.
    fn is_own(&mut self, actor: &str) -> bool {
        let Some(by) = person(actor) else { return true };
        if self.authors.is_empty() {
            self.authors.insert(by);
            return true;
        }
        self.authors.contains(&by)
    }

    /// True when a rule ends with the seats that whoever asked wants.
    fn has_raised(&self, rule: &Rule) -> bool {
        let last = rule.seats.iter().rev().zip(self.raised.iter().rev());
        rule.seats.len() > self.raised.len() && last.into_iter().all(|(seat, more)| seat.iter().eq([more]))
    }

    fn approve(&mut self, actor: &str, is_alone: bool, key: Option<CredentialId>) -> Result<(), String> {
        let by = person(actor).ok_or("approved by what is no person")?;
        if is_alone && self.authors.is_empty() {
            self.authors.insert(by.clone());
        }
        if is_alone != self.authors.contains(&by) {
            return Err("approved by whoever asked for it".into());
        }
        if self.rights.as_ref().is_some_and(|(user, _)| *user == by) {
            return Err("approved by whom it is for".into());
        }
        self.is_alone |= is_alone;
        self.approved.insert(by, key);
        Ok(())
    }

    /// What the request gives is what was asked for this person, by as many people as it takes.
    fn gives(&self, user: &UserId, is_as_asked: impl Fn(&Held) -> bool) -> Result<(), String> {
        if !self.rights.as_ref().is_some_and(|(whose, held)| whose == user && is_as_asked(held)) {
            return Err("other rights than the request asked for".into());
        }
        self.may_be_carried_out(self.revision, &self.digest)
    }

    fn may_be_carried_out(&self, revision: i64, digest: &str) -> Result<(), String> {
        if (self.revision, self.digest.as_str()) != (revision, digest) {
            return Err("carried out otherwise than it was approved".into());
        }
        let approvals = self.approved.keys().filter(|one| !self.authors.contains(one)).count();
        if self.seats == 0 || (approvals < self.seats && !self.is_alone) {
            return Err(format!("carried out with {approvals} of {} approvals", self.seats));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AssertionText, SignedAct};
    use crate::domain::{RequestKind, RequestState};

    const CONTENT: &str = r#"{"bot":"b","kind":"limits"}"#;

    fn id() -> RequestId {
        RequestId::from_stored("r".into())
    }
    fn rule() -> Rule {
        Rule::new(&[&[Approver::Lead], &[Approver::Risk]], 0)
    }
    fn signed() -> SignedAct {
        SignedAct { act: String::new(), assertions: Vec::new() }
    }
    fn key(of: &str) -> CredentialId {
        CredentialId(format!("key of {of}"))
    }
    fn signed_by(who: &str) -> SignedAct {
        let assertion = AssertionText {
            user: UserId::from_stored(who.into()),
            credential: key(who),
            authenticator_data: String::new(),
            client_data: String::new(),
            signature: String::new(),
        };
        SignedAct { act: String::new(), assertions: vec![assertion] }
    }
    fn asked() -> Event {
        let (content, digest) = (CONTENT.to_owned(), digest(CONTENT));
        let about = RequestKind::Limits;
        Event::RequestAsked { request: id(), about, bot: None, content, digest, policy_version: 0, rule: rule(), why: "x".into() }
    }
    fn approved(alone: bool) -> Event {
        Event::RequestApproved { request: id(), revision: 1, digest: digest(CONTENT), alone, signed: signed() }
    }
    fn executed() -> Event {
        Event::RequestExecuted { request: id(), revision: 1, digest: digest(CONTENT), what: "x".into() }
    }

    /// What is wrong with the last of these, each by somebody; nothing may be wrong before.
    fn wrong(all: &[(&str, Event)]) -> Option<String> {
        let mut requests = Requests::default();
        let (last, before) = all.split_last().unwrap();
        for (by, event) in before {
            requests.take(&format!("user:{by}"), event).unwrap();
        }
        requests.take(&format!("user:{}", last.0), &last.1).err()
    }

    #[test]
    fn two_others_approve_and_it_is_carried_out_once() {
        let good = [("asks", asked()), ("lead", approved(false)), ("risk", approved(false)), ("risk", executed())];
        assert_eq!(wrong(&good), None);
        let twice = [good.as_slice(), &[("risk", executed())]].concat();
        assert!(wrong(&twice).unwrap().contains("had ended"));
    }

    #[test]
    fn one_approval_more_is_counted_and_nobody_asks_for_fewer() {
        let raised = |rule: Rule| Event::RequestRaised { request: id(), revision: 1, more: Approver::Admin, rule };
        let more = || raised(rule().with(&[Approver::Admin]));
        let with = [("asks", asked()), ("asks", more()), ("lead", approved(false)), ("risk", approved(false))];
        assert!(wrong(&[with.as_slice(), &[("risk", executed())]].concat()).unwrap().contains("2 of 3"));
        assert_eq!(wrong(&[with.as_slice(), &[("admin", approved(false)), ("risk", executed())]].concat()), None);
        for other in [rule(), rule().with(&[Approver::Risk]), rule().with(&[Approver::Admin, Approver::Admin]), Rule::new(&[], 0)] {
            assert!(wrong(&[("asks", asked()), ("asks", raised(other.clone()))]).unwrap().contains("not one approval more"), "{other:?}");
        }
        assert!(wrong(&[("asks", asked()), ("lead", more())]).unwrap().contains("not by whoever asked"));
        // Another revision needs it as well.
        let revised = |rule| {
            let (content, digest) = (CONTENT.to_owned(), digest(CONTENT));
            Event::RequestRevised { request: id(), revision: 2, content, digest, policy_version: 0, rule, why: "x".into() }
        };
        let before = [("asks", asked()), ("asks", more())];
        assert_eq!(wrong(&[before.as_slice(), &[("asks", revised(rule().with(&[Approver::Admin])))]].concat()), None);
        assert!(wrong(&[before.as_slice(), &[("asks", revised(rule()))]].concat()).unwrap().contains("fewer must approve"));
    }

    #[test]
    fn behind_a_token_is_whoever_acts_first_as_the_one_who_asked() {
        let by_token = |all: &[(&str, Event)]| {
            let mut requests = Requests::default();
            requests.take("token:t", &asked()).unwrap();
            all.iter().map(|(by, event)| requests.take(&format!("user:{by}"), event)).find_map(Result::err)
        };
        let more = Event::RequestRaised { request: id(), revision: 1, more: Approver::Risk, rule: rule().with(&[Approver::Risk]) };
        let three = [("maker", more.clone()), ("lead", approved(false)), ("risk", approved(false)), ("admin", approved(false))];
        assert_eq!(by_token(&[three.as_slice(), &[("admin", executed())]].concat()), None);
        assert!(by_token(&[("maker", more), ("maker", approved(false))]).unwrap().contains("whoever asked"));
        assert_eq!(by_token(&[("maker", approved(true)), ("maker", executed())]), None, "the only person here signs again");
    }

    #[test]
    fn what_lacks_an_approval_is_found() {
        let found = |all: &[(&str, Event)]| wrong(all).unwrap();
        assert!(found(&[("asks", asked()), ("lead", approved(false)), ("lead", executed())]).contains("1 of 2"));
        assert!(found(&[("asks", asked()), ("lead", approved(false)), ("lead", approved(false)), ("lead", executed())]).contains("1 of 2"));
        assert!(found(&[("asks", asked()), ("asks", approved(false))]).contains("whoever asked"));
        assert!(found(&[("lead", approved(false))]).contains("never asked"));
        let back = Event::RequestApprovalTakenBack { request: id(), revision: 1, user: UserId::from_stored("lead".into()) };
        let taken = [("asks", asked()), ("lead", approved(false)), ("risk", approved(false)), ("lead", back), ("risk", executed())];
        assert!(found(&taken).contains("1 of 2"));
        let gone = Event::CredentialSuspended { user: UserId::from_stored("lead".into()), credential: key("lead"), why: "x".into() };
        let by = |who: &str| Event::RequestApproved {
            request: id(),
            revision: 1,
            digest: digest(CONTENT),
            alone: false,
            signed: signed_by(who),
        };
        let ended = [("asks", asked()), ("lead", by("lead")), ("risk", by("risk")), ("server", gone), ("risk", executed())];
        assert!(found(&ended).contains("1 of 2"), "the key of an approval had ended before");
        let over = Event::RequestEnded { request: id(), state: RequestState::Expired, why: "x".into() };
        assert!(found(&[("asks", asked()), ("server", over), ("lead", approved(false))]).contains("had ended"));
        assert_eq!(wrong(&[("asks", asked()), ("asks", approved(true)), ("asks", executed())]), None, "somebody alone, who says so");
    }

    #[test]
    fn rights_are_those_that_others_approved() {
        use crate::domain::{Grant, Role};
        let user = UserId::from_stored("sato".into());
        let grants = |role| vec![Grant { role, team: None }];
        let roles = Content::Roles {
            user: user.clone(),
            name: "sato".into(),
            now: Held::new(false, &[]),
            after: Held::new(true, &grants(Role::Risk)),
        };
        let content = Document { v: 1, request: id(), revision: 1, policy_version: 0, content: roles }.canonical().unwrap();
        let (hash, about) = (digest(&content), RequestKind::Roles);
        let rule = Rule::new(&[&[Approver::Lead]], 0);
        let asked = Event::RequestAsked {
            request: id(),
            about,
            bot: None,
            content,
            digest: hash.clone(),
            policy_version: 0,
            rule,
            why: "x".into(),
        };
        let approved = Event::RequestApproved { request: id(), revision: 1, digest: hash, alone: false, signed: signed() };
        let given = |role| Event::GrantsChanged { user: user.clone(), grants: grants(role), signed: None, request: Some(id()) };
        let enabled = |user| Event::UserEnabled { user, signed: None, request: Some(id()) };
        let after = |approvals: &[(&'static str, Event)], last: Event| {
            wrong(&[&[("admin", asked.clone())][..], approvals, &[("server", last)][..]].concat())
        };
        let by_lead = [("lead", approved.clone())];
        assert_eq!(after(&by_lead, given(Role::Risk)), None);
        assert_eq!(after(&by_lead, enabled(user.clone())), None);
        assert!(after(&[], given(Role::Risk)).unwrap().contains("0 of 1"), "nobody has approved it yet");
        assert!(after(&by_lead, given(Role::Admin)).unwrap().contains("other rights"));
        assert!(after(&by_lead, enabled(UserId::from_stored("other".into()))).unwrap().contains("other rights"));
        assert!(wrong(&[("admin", asked.clone()), ("sato", approved.clone())]).unwrap().contains("whom it is for"));
    }

    #[test]
    fn another_content_than_was_approved_is_found() {
        let (content, other) = (r#"{"bot":"c","kind":"limits"}"#.to_owned(), digest("x"));
        let revised = |digest: String| Event::RequestRevised {
            request: id(),
            revision: 2,
            content: content.clone(),
            digest,
            policy_version: 0,
            rule: rule(),
            why: "x".into(),
        };
        assert!(wrong(&[("asks", asked()), ("asks", revised(other))]).unwrap().contains("not that of the content"));
        let dropped = [("asks", asked()), ("lead", approved(false)), ("asks", revised(digest(&content))), ("lead", approved(false))];
        assert!(wrong(&dropped).unwrap().contains("newest revision"));
    }
}
