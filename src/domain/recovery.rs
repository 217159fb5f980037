//! Recovery of an account whose security keys are lost: how it stands, who may approve it, how long it waits. Rules only.
//!
//! Two people approve, neither of them the person nor whoever asked. Nobody approves for somebody above them: auditor and operator stand below
//! lead, lead below risk and admin, who stand level. An auditor changes nothing and so approves nothing. Where the person has roles in teams,
//! one of the two has none in any of these teams.

use super::{Grant, Role, TeamId, UserId, text::text_enum};

/// How many people approve.
pub const APPROVALS_NEEDED: usize = 2;
/// How long a request waits for everything together.
pub const EXPIRES_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// How long a lead, risk or admin waits between the second approval and the link, so that they can veto.
pub const DELAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long the enrolment link lives.
pub const LINK_LIVES_MS: i64 = 60 * 60 * 1_000;
/// How long the rights of a recovered person stay frozen.
pub const FROZEN_MS: i64 = 24 * 60 * 60 * 1_000;
/// How often somebody asks for their own recovery within [`OWN_WITHIN_MS`]: each time is told to everyone who administers.
pub const OWN_ASKS: i64 = 3;
/// See [`OWN_ASKS`].
pub const OWN_WITHIN_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long every page tells of a recovery on the server's host.
pub const HOST_TOLD_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

text_enum! {
    /// How a recovery stands.
    RecoveryState {
        /// It waits for approvals.
        Asked = "asked",
        /// Enough have approved; no link was made yet.
        Approved = "approved",
        /// Its link was made and waits to be used.
        Linked = "linked",
        /// The person has new keys.
        Done = "done",
        /// The person objected with a key of theirs.
        Vetoed = "vetoed",
        /// Whoever asked took it back, or the host went before it.
        Withdrawn = "withdrawn",
        /// Its time was over.
        Expired = "expired",
    }
}

impl RecoveryState {
    /// True while it can still come to something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Asked | Self::Approved | Self::Linked)
    }
}

/// A person and what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Who.
    pub id: UserId,
    /// What they hold.
    pub grants: Vec<Grant>,
}

impl Party {
    fn teams(&self) -> impl Iterator<Item = &TeamId> {
        self.grants.iter().filter_map(|grant| grant.team.as_ref())
    }
    /// True when they have no role in any team of this person's.
    pub fn is_outside(&self, person: &Self) -> bool {
        !self.teams().any(|team| person.teams().any(|own| own == team))
    }
}

/// How high these roles stand.
pub fn rank(grants: &[Grant]) -> u8 {
    let of = |grant: &Grant| match grant.role {
        Role::Risk | Role::Admin => 2,
        Role::Lead => 1,
        Role::Operator | Role::Auditor => 0,
    };
    grants.iter().map(of).max().unwrap_or_default()
}

/// How long whoever holds these roles waits between the second approval and the link.
pub fn delay_ms(grants: &[Grant]) -> i64 {
    if rank(grants) > 0 { DELAY_MS } else { 0 }
}

/// Why somebody does not approve a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotApprove {
    /// It is their own.
    #[error("nobody approves the recovery of their own account")]
    Own,
    /// They asked for it.
    #[error("whoever asked for a recovery does not approve it")]
    Asked,
    /// They change nothing here.
    #[error("an auditor changes nothing, and somebody without a role neither")]
    ChangesNothing,
    /// The person stands above them.
    #[error("nobody approves for somebody above them: the order is operator and auditor, then lead, then risk and admin")]
    Above,
    /// They have.
    #[error("you have approved this; a second person must")]
    Already,
    /// Both would be of the person's own teams.
    #[error("one of the two who approve must be from outside the person's teams")]
    NobodyOutside,
}

/// Checks that somebody may approve, given who has.
///
/// # Errors
/// The first reason why not.
pub fn may_approve(person: &Party, asked_by: Option<&UserId>, approver: &Party, before: &[Party]) -> Result<(), CannotApprove> {
    if approver.id == person.id {
        return Err(CannotApprove::Own);
    }
    if asked_by == Some(&approver.id) {
        return Err(CannotApprove::Asked);
    }
    if before.iter().any(|one| one.id == approver.id) {
        return Err(CannotApprove::Already);
    }
    if !approver.grants.iter().any(|grant| grant.role != Role::Auditor) {
        return Err(CannotApprove::ChangesNothing);
    }
    if rank(&approver.grants) < rank(&person.grants) {
        return Err(CannotApprove::Above);
    }
    let is_last = before.len() + 1 >= APPROVALS_NEEDED;
    let has_outside = approver.is_outside(person) || before.iter().any(|one| one.is_outside(person));
    if is_last && !has_outside { Err(CannotApprove::NobodyOutside) } else { Ok(()) }
}

/// Of these approvals, by these people as they are now and in this order, those that still count.
pub fn counting<'a>(person: &Party, asked_by: Option<&UserId>, approvers: &'a [Party]) -> Vec<&'a Party> {
    let mut kept: Vec<Party> = Vec::new();
    let mut counts = |one: &&'a Party| {
        let fits = may_approve(person, asked_by, one, &kept).is_ok();
        if fits {
            kept.push((*one).clone());
        }
        fits
    };
    approvers.iter().filter(|one| counts(one)).collect()
}

/// True when these approvals, by these people as they are now, are enough.
pub fn is_approved(person: &Party, asked_by: Option<&UserId>, approvers: &[Party]) -> bool {
    let fits = |(n, one): (usize, &Party)| may_approve(person, asked_by, one, approvers.get(..n).unwrap_or_default()).is_ok();
    approvers.len() >= APPROVALS_NEEDED && approvers.iter().enumerate().all(fits)
}

/// Those of everybody who may approve, each looked at alone.
pub fn eligible<'a>(person: &Party, asked_by: Option<&UserId>, everybody: &'a [Party]) -> Vec<&'a Party> {
    everybody.iter().filter(|one| may_approve(person, asked_by, one, &[]).is_ok()).collect()
}

/// True when two of everybody could approve together.
pub fn can_be_approved(person: &Party, asked_by: Option<&UserId>, everybody: &[Party]) -> bool {
    let eligible = eligible(person, asked_by, everybody);
    eligible.len() >= APPROVALS_NEEDED && eligible.iter().any(|one| one.is_outside(person))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn party(roles: &[(Role, Option<&TeamId>)]) -> Party {
        Party { id: UserId::new(), grants: roles.iter().map(|(role, team)| Grant { role: *role, team: team.cloned() }).collect() }
    }

    #[test]
    fn who_may_approve_is_what_the_page_says() {
        let (arb, grid) = (TeamId::new(), TeamId::new());
        let operator = party(&[(Role::Operator, Some(&arb))]);
        let (mate, lead) = (party(&[(Role::Operator, Some(&arb))]), party(&[(Role::Lead, Some(&arb))]));
        let (stranger, risk) = (party(&[(Role::Operator, Some(&grid))]), party(&[(Role::Risk, None)]));
        let (admin, auditor) = (party(&[(Role::Admin, None)]), party(&[(Role::Auditor, None)]));
        let own = Some(&operator.id);
        let may = |approver: &Party, before: &[Party]| may_approve(&operator, own, approver, before);
        assert_eq!(may(&operator, &[]), Err(CannotApprove::Own));
        assert_eq!(may(&auditor, &[]), Err(CannotApprove::ChangesNothing));
        assert_eq!(may(&party(&[]), &[]), Err(CannotApprove::ChangesNothing));
        assert_eq!(may(&mate, &[]), Ok(()));
        assert_eq!(may(&mate, std::slice::from_ref(&mate)), Err(CannotApprove::Already));
        assert_eq!(may(&lead, std::slice::from_ref(&mate)), Err(CannotApprove::NobodyOutside));
        assert_eq!(may(&stranger, std::slice::from_ref(&mate)), Ok(()));
        assert_eq!(may_approve(&operator, Some(&admin.id), &admin, &[]), Err(CannotApprove::Asked));
        for (person, approver, may) in [
            (&lead, &stranger, false),
            (&lead, &admin, true),
            (&risk, &lead, false),
            (&risk, &admin, true),
            (&admin, &risk, true),
            (&auditor, &stranger, true),
        ] {
            assert_eq!(may_approve(person, None, approver, &[]).is_ok(), may, "{approver:?} for {person:?}");
        }
        assert_eq!((delay_ms(&operator.grants), delay_ms(&lead.grants), delay_ms(&admin.grants)), (0, DELAY_MS, DELAY_MS));
    }

    fn anybody() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(0u8..9, 0..3), 2..8)
    }

    fn everybody(drawn: &[Vec<u8>]) -> Vec<Party> {
        let teams: Vec<TeamId> = (0..3).map(|n| TeamId::from_stored(format!("t{n}"))).collect();
        let grant = |n: u8| match n {
            0..3 => Grant { role: Role::Operator, team: teams.get(usize::from(n)).cloned() },
            3..6 => Grant { role: Role::Lead, team: teams.get(usize::from(n) - 3).cloned() },
            6 => Grant { role: Role::Risk, team: None },
            7 => Grant { role: Role::Admin, team: None },
            _ => Grant { role: Role::Auditor, team: None },
        };
        let of = |(n, roles): (usize, &Vec<u8>)| Party {
            id: UserId::from_stored(format!("u{n}")),
            grants: roles.iter().map(|role| grant(*role)).collect(),
        };
        drawn.iter().enumerate().map(of).collect()
    }

    proptest! {
        /// The short answer is the long one: two people exist who approve one after the other.
        #[test]
        fn it_can_be_approved_exactly_when_two_could(drawn in anybody()) {
            let all = everybody(&drawn);
            let person = &all[0];
            let asked_by = Some(&all[1].id);
            let pair = |one: &Party, other: &Party| is_approved(person, asked_by, &[one.clone(), other.clone()]);
            let found = all.iter().any(|one| all.iter().any(|other| pair(one, other)));
            prop_assert_eq!(can_be_approved(person, asked_by, &all), found);
        }

        /// What still counts is what would be approved now, and all of it where all are fit.
        #[test]
        fn what_still_counts_is_approved_exactly_when_all_of_it_would_be(drawn in anybody()) {
            let all = everybody(&drawn);
            let (person, pair) = (&all[0], [all[1].clone(), all[all.len() - 1].clone()]);
            let kept: Vec<Party> = counting(person, None, &pair).into_iter().cloned().collect();
            prop_assert_eq!(kept.len() == 2, is_approved(person, None, &pair));
            prop_assert!(kept.iter().all(|one| may_approve(person, None, one, &[]).is_ok()));
        }

        /// No approval counts that the rules forbid.
        #[test]
        fn what_is_approved_was_approved_by_two_who_might(drawn in anybody()) {
            let all = everybody(&drawn);
            let (person, one, other) = (&all[0], &all[all.len() - 1], &all[all.len() / 2]);
            if is_approved(person, None, &[one.clone(), other.clone()]) {
                prop_assert!(one.id != other.id && one.id != person.id && other.id != person.id);
                prop_assert!(rank(&one.grants).min(rank(&other.grants)) >= rank(&person.grants));
                prop_assert!(one.is_outside(person) || other.is_outside(person));
            }
        }
    }
}
