//! Quorum safety: which policies have too few people who could meet them. A pure function over everybody who is enabled and has two keys;
//! whether an act is refused for it is decided where the act is carried out.

use super::{
    Grant, RequestKind, Role, Rules, TeamId, UserId,
    recovery::{self, Party},
};
use std::collections::BTreeSet;

/// With fewer enabled people than this an installation is small (ruling C8).
const SMALL: usize = 4;

/// A policy that needs people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Looking after people: an admin.
    Admin,
    /// Releasing a hold on the whole fleet: two people, each a lead or risk.
    ReleaseFleet,
    /// Releasing a hold on a team: a lead of it or risk, and another lead or risk.
    ReleaseTeam(TeamId),
    /// Starting several bots of a team: an operator or lead of it, and another person who is lead or risk.
    StartSeveral(TeamId),
    /// Recovering this person's account: two others.
    Recovery(UserId),
    /// Getting a kind of request approved, in a team where it is of one.
    Approval(RequestKind, Option<TeamId>),
}

/// A policy with too few people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gap {
    /// Which.
    pub policy: Policy,
    /// How many could meet it.
    pub have: usize,
    /// How many it needs.
    pub need: usize,
}

/// True for a small installation, by its enabled people (ruling C8). This is the one meaning of the word: admin and lead may be combined, no
/// change of roles is refused for want of people, and the pages say what is missing.
pub fn is_small(enabled_people: usize) -> bool {
    enabled_people < SMALL
}

/// The teams in which anybody holds a role.
pub fn teams(members: &[Party]) -> Vec<TeamId> {
    let all: BTreeSet<&TeamId> = members.iter().flat_map(|member| &member.grants).filter_map(|grant| grant.team.as_ref()).collect();
    all.into_iter().cloned().collect()
}

/// Every policy that these members cannot meet. `teams`: the teams that count.
pub fn gaps(members: &[Party], teams: &[TeamId]) -> Vec<Gap> {
    let mut all = Vec::new();
    let mut check = |policy: Policy, have: usize, need: usize| {
        if have < need {
            all.push(Gap { policy, have, need });
        }
    };
    let holds = |role: Role| move |grant: &Grant| grant.role == role;
    let in_team = |role: Role, team: &TeamId| {
        let team = team.clone();
        move |grant: &Grant| grant.role == role && grant.team.as_ref() == Some(&team)
    };
    let any = |member: &Party, fits: &dyn Fn(&Grant) -> bool| member.grants.iter().any(fits);
    let seconds: Vec<&Party> = members.iter().filter(|m| any(m, &holds(Role::Lead)) || any(m, &holds(Role::Risk))).collect();
    check(Policy::Admin, members.iter().filter(|m| any(m, &holds(Role::Admin))).count(), 1);
    check(Policy::ReleaseFleet, seconds.len(), 2);
    for team in teams {
        let leads = |m: &&Party| any(m, &in_team(Role::Lead, team)) || any(m, &holds(Role::Risk));
        let trades = |m: &&Party| any(m, &in_team(Role::Lead, team)) || any(m, &in_team(Role::Operator, team));
        check(Policy::ReleaseTeam(team.clone()), pair(&members.iter().filter(leads).collect::<Vec<_>>(), &seconds), 2);
        check(Policy::StartSeveral(team.clone()), pair(&members.iter().filter(trades).collect::<Vec<_>>(), &seconds), 2);
    }
    for member in members.iter().filter(|member| !member.grants.is_empty()) {
        let able = recovery::eligible(member, None, members).len();
        let have = if recovery::can_be_approved(member, None, members) { able } else { able.min(1) };
        check(Policy::Recovery(member.id.clone()), have, recovery::APPROVALS_NEEDED);
    }
    all
}

/// The same with the policies of who approves what: how many their rules ask for, and that nobody asks whom the others could approve.
pub fn gaps_with(members: &[Party], teams: &[TeamId], rules: &Rules) -> Vec<Gap> {
    let of = |(kind, team): (RequestKind, Option<TeamId>)| {
        let rule = rules.of(kind);
        let able = members.iter().filter(|member| rule.asks_for(&member.grants, team.as_ref())).count();
        let need = rule.seats.len();
        Gap { policy: Policy::Approval(kind, team), have: able.min(need.saturating_sub(1)), need }
    };
    gaps(members, teams).into_iter().chain(rules.gaps(members, teams).into_iter().map(of)).collect()
}

/// How many seats can be filled when the first is for one of these and the second for another person of those.
fn pair(first: &[&Party], second: &[&Party]) -> usize {
    let is_pair = first.iter().any(|one| second.iter().any(|other| other.id != one.id));
    if is_pair { 2 } else { usize::from(!first.is_empty() || !second.is_empty()) }
}

/// What a change would break, policies of who approves what among them: those that could be met before and cannot after. Whoever it is about is not asked for: that a person rises
/// above those who could recover them is no reason to keep them down.
pub fn broken(before: &[Party], after: &[Party], about: &UserId, rules: &Rules) -> Vec<Gap> {
    let teams = teams(before);
    let was = gaps_with(before, &teams, rules);
    let is_new = |gap: &Gap| !was.iter().any(|old| old.policy == gap.policy) && gap.policy != Policy::Recovery(about.clone());
    gaps_with(after, &teams, rules).into_iter().filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grant(n: u8) -> Grant {
        let team = |n: u8| Some(TeamId::from_stored(format!("t{n}")));
        match n {
            0..2 => Grant { role: Role::Operator, team: team(n) },
            2..4 => Grant { role: Role::Lead, team: team(n - 2) },
            4 => Grant { role: Role::Risk, team: None },
            5 => Grant { role: Role::Admin, team: None },
            _ => Grant { role: Role::Auditor, team: None },
        }
    }

    fn members(drawn: &[Vec<u8>]) -> Vec<Party> {
        let of = |(n, roles): (usize, &Vec<u8>)| Party {
            id: UserId::from_stored(format!("u{n}")),
            grants: roles.iter().map(|role| grant(*role)).collect(),
        };
        drawn.iter().enumerate().map(of).collect()
    }

    fn policies(gaps: Vec<Gap>) -> Vec<Policy> {
        gaps.into_iter().map(|gap| gap.policy).collect()
    }

    #[test]
    fn a_desk_of_enough_people_has_no_gap_and_says_what_goes_with_one() {
        // An admin, two risks, a lead and an operator of one team; another admin.
        let desk = members(&[vec![5], vec![4], vec![4], vec![2], vec![0], vec![5]]);
        assert_eq!(gaps(&desk, &teams(&desk)), []);
        let without_admins: Vec<Party> = desk[1..5].to_vec();
        assert!(policies(broken(&desk, &without_admins, &desk[0].id, &Rules::default())).contains(&Policy::Admin));
        // The only lead and one risk gone: one signer is left for whatever is wide.
        let one_signer: Vec<Party> = [0, 1, 4, 5].map(|n| desk[n].clone()).into();
        let lost = policies(broken(&desk, &one_signer, &desk[3].id, &Rules::default()));
        assert!(lost.contains(&Policy::ReleaseFleet) && lost.contains(&Policy::ReleaseTeam(TeamId::from_stored("t0".into()))), "{lost:?}");
        let alone = members(&[vec![5, 2]]);
        assert!(is_small(3) && !is_small(4) && gaps(&alone, &teams(&alone)).len() == 4, "{:?}", gaps(&alone, &teams(&alone)));
    }

    #[test]
    fn whoever_rises_above_everybody_is_not_kept_down() {
        let before = members(&[vec![5], vec![2], vec![2], vec![2], vec![0]]);
        let mut after = before.clone();
        after[1].grants.push(grant(4));
        assert_eq!(broken(&before, &after, &before[1].id, &Rules::default()), []);
    }

    proptest! {
        /// Losing somebody never mends a policy of the others, and breaks only what it names.
        #[test]
        fn fewer_people_never_meet_more(drawn in prop::collection::vec(prop::collection::vec(0u8..7, 0..3), 1..8), gone in 0usize..8) {
            let all = members(&drawn);
            let gone = gone % all.len();
            let mut left = all.clone();
            let lost = left.remove(gone);
            let teams = teams(&all);
            let (before, after) = (policies(gaps(&all, &teams)), policies(gaps(&left, &teams)));
            let of_lost = Policy::Recovery(lost.id.clone());
            for policy in before.iter().filter(|policy| **policy != of_lost) {
                prop_assert!(after.contains(policy), "{policy:?} was mended by a loss");
            }
            let new = policies(broken(&all, &left, &lost.id, &Rules::default()));
            for policy in &after {
                prop_assert_eq!(new.contains(policy), !before.contains(policy));
            }
        }

        /// A team's wide release has no gap exactly when two different people could sign it.
        #[test]
        fn a_pair_is_found_exactly_when_there_is_one(drawn in prop::collection::vec(prop::collection::vec(0u8..7, 0..3), 0..7)) {
            let all = members(&drawn);
            let team = TeamId::from_stored("t0".into());
            let is = |m: &Party, role: Role, of: Option<&TeamId>| m.grants.iter().any(|g| g.role == role && (of.is_none() || g.team.as_ref() == of));
            let can = all.iter().any(|one| {
                (is(one, Role::Lead, Some(&team)) || is(one, Role::Risk, None))
                    && all.iter().any(|other| other.id != one.id && (is(other, Role::Lead, None) || is(other, Role::Risk, None)))
            });
            let found = policies(gaps(&all, std::slice::from_ref(&team)));
            prop_assert_eq!(!found.contains(&Policy::ReleaseTeam(team)), can);
        }
    }
}
