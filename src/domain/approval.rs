//! Policies: who must approve which kind of request. A rule has seats; each is filled by one person of the kinds it names, and nobody fills
//! two. Pure data and the matching of people to seats. What nobody is named for nobody fills: an empty seat is refused, never open to all.

use super::{Grant, Role, TeamId, recovery::Party, text::text_enum, time::DAY_MS};
use std::collections::{BTreeMap, BTreeSet};

text_enum! {
    /// What can be asked for.
    RequestKind {
        /// Loosen limits of a bot.
        Limits = "limits",
        /// Change who must approve what.
        Policy = "policy",
        /// Let a bot have a larger position in one symbol for a while.
        Override = "override",
        /// Give a bot a subaccount of a live venue.
        Assign = "assign",
        /// Give a person roles that others approve, or enable somebody who holds such.
        Roles = "roles",
        /// An exchange key for a bot, or other terms of one.
        Keys = "keys",
        /// An exchange key that may withdraw, to named addresses and for a week at most.
        Withdrawals = "withdrawals",
        /// Let a bot trade live within tight limits.
        Limited = "limited",
        /// Let a bot trade live.
        Live = "live",
        /// Change what must be so before a bot trades live.
        Checklist = "checklist",
    }
}

impl RequestKind {
    /// In words, after *approve*: `a looser limit of a bot`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Limits => "looser limits of a bot",
            Self::Policy => "a change of who approves what",
            Self::Override => "a larger position of a bot for a while",
            Self::Assign => "a live subaccount for a bot",
            Self::Roles => "more rights of a person",
            Self::Keys => "an exchange key for a bot",
            Self::Withdrawals => "an exchange key that may withdraw",
            Self::Limited => "a bot's step to stage limited",
            Self::Live => "a bot's step to stage live",
            Self::Checklist => "another checklist for going live",
        }
    }
    /// True for what whoever asked carries out by themselves, signed, once it is approved: nobody's bot begins to trade because somebody else
    /// clicked at night.
    pub fn is_by_hand(self) -> bool {
        matches!(self, Self::Limited | Self::Live)
    }
    /// True for what concerns one team.
    pub fn is_of_team(self) -> bool {
        matches!(self, Self::Limits | Self::Override | Self::Assign | Self::Keys | Self::Withdrawals | Self::Limited | Self::Live)
    }
}

text_enum! {
    /// Who may fill a seat.
    Approver {
        /// An operator of the team that it concerns.
        Operator = "operator",
        /// A lead of that team; of any where all teams are concerned, as by a limit of the installation.
        Lead = "lead",
        /// A lead of any team.
        AnyLead = "any_lead",
        /// Somebody who holds risk.
        Risk = "risk",
        /// Somebody who administers.
        Admin = "admin",
    }
}

impl Approver {
    /// In words, after *a seat for*.
    pub fn words(self) -> &'static str {
        match self {
            Self::Operator => "an operator of the team",
            Self::Lead => "a lead of the team",
            Self::AnyLead => "a lead of any team",
            Self::Risk => "risk",
            Self::Admin => "an admin",
        }
    }
    /// True when these roles make somebody one, for what concerns this team.
    pub fn is_held(self, grants: &[Grant], team: Option<&TeamId>) -> bool {
        let holds = |role: Role| grants.iter().any(|grant| grant.role == role);
        let holds_there = |role: Role| team.is_some() && grants.iter().any(|grant| grant.role == role && grant.team.as_ref() == team);
        match self {
            Self::Operator => holds_there(Role::Operator),
            Self::Lead => {
                if team.is_some() {
                    holds_there(Role::Lead)
                } else {
                    holds(Role::Lead)
                }
            }
            Self::AnyLead => holds(Role::Lead),
            Self::Risk => holds(Role::Risk),
            Self::Admin => holds(Role::Admin),
        }
    }
}

/// Who may fill one seat: any one of these.
pub type SeatFor = BTreeSet<Approver>;

/// A seat in words: `a lead of the team or risk`.
pub fn seat_words(seat: &SeatFor) -> String {
    let words: Vec<&str> = seat.iter().map(|approver| approver.words()).collect();
    words.join(" or ")
}

/// The most seats of a rule.
pub const SEATS: usize = 4;
/// The longest delay, seconds.
pub const DELAY_MOST_S: u64 = 7 * 24 * 60 * 60;
/// The shortest delay of a change of policy and of more rights, seconds: everybody has a day to object.
pub const POLICY_DELAY_S: u64 = (DAY_MS / 1_000) as u64;

/// Who must approve a key that withdraws, at least.
const WITHDRAWING: &[&[Approver]] = &[&[Approver::Risk], &[Approver::Admin]];

/// Who must approve one kind of request, and how long it then waits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rule {
    /// Its seats; each takes one person.
    pub seats: Vec<SeatFor>,
    /// How long it waits between the last approval and its execution, seconds.
    pub delay_s: u64,
}

/// A rule that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// Nobody would be asked.
    #[error("Ask for at least one approval")]
    NoSeat,
    /// A seat that names nobody.
    #[error("Name who may fill each seat: a seat for nobody is filled by nobody")]
    EmptySeat,
    /// Too many seats.
    #[error("Ask for at most 4 approvals")]
    TooManySeats,
    /// Too long.
    #[error("Wait at most 168 hours")]
    TooLong,
    /// A change of policy takes a day.
    #[error("A change of policy or of a checklist waits at least 24 hours, so that everybody can object")]
    TooSoon,
    /// More rights take a day.
    #[error("More rights of a person wait at least 24 hours, so that everybody can object")]
    RightsTooSoon,
    /// Keys that withdraw take risk and an admin.
    #[error("A key that may withdraw takes risk and an admin at least, one seat for each alone")]
    Withdraws,
    /// A team's role where no team is concerned.
    #[error("This concerns no team, so that nobody of the team can approve it")]
    NoTeam,
}

impl Rule {
    /// A rule of these seats.
    pub fn new(seats: &[&[Approver]], delay_s: u64) -> Self {
        Self { seats: seats.iter().map(|seat| seat.iter().copied().collect()).collect(), delay_s }
    }

    /// Checks that it can be one for this kind.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, kind: RequestKind) -> Result<(), BadRule> {
        let mut all = self.seats.iter().flatten();
        match () {
            () if self.seats.is_empty() => Err(BadRule::NoSeat),
            () if self.seats.len() > SEATS => Err(BadRule::TooManySeats),
            () if self.seats.iter().any(BTreeSet::is_empty) => Err(BadRule::EmptySeat),
            () if self.delay_s > DELAY_MOST_S => Err(BadRule::TooLong),
            () if matches!(kind, RequestKind::Policy | RequestKind::Checklist) && self.delay_s < POLICY_DELAY_S => Err(BadRule::TooSoon),
            () if kind == RequestKind::Roles && self.delay_s < POLICY_DELAY_S => Err(BadRule::RightsTooSoon),
            () if kind == RequestKind::Withdrawals && self.asks_less_than(&Self::new(WITHDRAWING, 0)) => Err(BadRule::Withdraws),
            () if !kind.is_of_team() && all.any(|one| matches!(one, Approver::Operator | Approver::Lead)) => Err(BadRule::NoTeam),
            () => Ok(()),
        }
    }

    /// Puts people into seats so that as many as possible are filled: for each seat the place of whoever sits there. Nobody sits twice, and a
    /// seat is never kept by somebody who could sit elsewhere while another can sit nowhere.
    pub fn seated(&self, people: &[&[Grant]], team: Option<&TeamId>) -> Vec<Option<usize>> {
        let mut sits = vec![None; self.seats.len()];
        for person in 0..people.len() {
            self.find_seat(person, (people, team), &mut sits, &mut vec![false; self.seats.len()]);
        }
        sits
    }

    /// One step of an augmenting path.
    fn find_seat(
        &self,
        person: usize,
        (people, team): (&[&[Grant]], Option<&TeamId>),
        sits: &mut [Option<usize>],
        tried: &mut [bool],
    ) -> bool {
        let Some(grants) = people.get(person) else { return false };
        for (n, seat) in self.seats.iter().enumerate() {
            let is_open = tried.get(n) == Some(&false) && seat.iter().any(|approver| approver.is_held(grants, team));
            let Some(was_tried) = tried.get_mut(n).filter(|_| is_open) else { continue };
            *was_tried = true;
            let sitting = sits.get(n).copied().flatten();
            if sitting.is_none_or(|other| self.find_seat(other, (people, team), sits, tried)) {
                if let Some(place) = sits.get_mut(n) {
                    *place = Some(person);
                }
                return true;
            }
        }
        false
    }

    /// True when these roles fit a seat of it.
    pub fn asks_for(&self, grants: &[Grant], team: Option<&TeamId>) -> bool {
        self.seats.iter().flatten().any(|approver| approver.is_held(grants, team))
    }

    /// True when these people fill every seat.
    pub fn is_filled_by(&self, people: &[&[Grant]], team: Option<&TeamId>) -> bool {
        !self.seats.is_empty() && self.seated(people, team).iter().all(Option::is_some)
    }

    /// True when it asks for less than another in any respect: its delay is shorter, or some people could meet it who could not meet the other.
    /// Nobody who has more roles meets less, and neither do more people: it is enough to try one person for each seat, who is only one of the
    /// kinds that it names, in every way there is (at most 5 kinds in each of 4 seats).
    pub fn asks_less_than(&self, other: &Self) -> bool {
        let (here, elsewhere) = (TeamId::from_stored("here".to_owned()), TeamId::from_stored("elsewhere".to_owned()));
        let only = |approver: Approver| match approver {
            Approver::Operator => Grant { role: Role::Operator, team: Some(here.clone()) },
            Approver::Lead => Grant { role: Role::Lead, team: Some(here.clone()) },
            Approver::AnyLead => Grant { role: Role::Lead, team: Some(elsewhere.clone()) },
            Approver::Risk => Grant { role: Role::Risk, team: None },
            Approver::Admin => Grant { role: Role::Admin, team: None },
        };
        let mut groups: Vec<Vec<Grant>> = if self.seats.is_empty() { Vec::new() } else { vec![Vec::new()] };
        for seat in &self.seats {
            let with = |group: &Vec<Grant>| seat.iter().map(|one| [group.as_slice(), &[only(*one)]].concat()).collect::<Vec<_>>();
            groups = groups.iter().flat_map(with).collect();
        }
        let is_met = |group: &Vec<Grant>| {
            let people: Vec<&[Grant]> = group.iter().map(std::slice::from_ref).collect();
            other.is_filled_by(&people, Some(&here))
        };
        self.delay_s < other.delay_s || !groups.iter().all(is_met)
    }

    /// The same rule with a seat more for each of these.
    #[must_use]
    pub fn with(&self, more: &[Approver]) -> Self {
        let more = more.iter().map(|one| BTreeSet::from([*one]));
        Self { seats: self.seats.iter().cloned().chain(more).collect(), delay_s: self.delay_s }
    }

    /// True when every seat of another rule is among these, each as often. Of a rule that nobody meets nothing is.
    pub fn has_all_of(&self, other: &Self) -> bool {
        let mut own: Vec<&SeatFor> = self.seats.iter().collect();
        !other.seats.is_empty()
            && other.seats.iter().all(|seat| own.iter().position(|one| *one == seat).map(|at| own.swap_remove(at)).is_some())
    }

    /// In a sentence's words: `2 approvals: risk; a lead of the team or risk. Then 24 h`.
    pub fn words(&self) -> String {
        let seats: Vec<String> = self.seats.iter().map(seat_words).collect();
        let n = self.seats.len();
        let delay = match self.delay_s {
            0 => "at once".to_owned(),
            s if s % 3_600 == 0 => format!("after {} h", s / 3_600),
            s => format!("after {s} s"),
        };
        format!("{n} approval{}: {}; carried out {delay}", if n == 1 { "" } else { "s" }, seats.join("; "))
    }
}

/// Who must approve what, in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Grows by one at every change; 0: nothing was ever changed.
    pub version: i64,
    of: BTreeMap<RequestKind, Rule>,
    // Of a kind that has none: it asks for nobody, and so is never met.
    nobody: Rule,
}

impl Default for Rules {
    /// What holds before anybody changed it: looser limits, live subaccounts and exchange keys take risk or a lead of the team;
    /// a key that withdraws takes risk and an admin; a bot's step to stage limited takes risk or a lead of the team, to live another lead, risk or
    /// admin besides; more rights of a person take a lead, risk or another admin, and a day; a change of this, and of a checklist, takes two, and a day.
    fn default() -> Self {
        use Approver::{Admin, AnyLead, Lead, Risk};
        let limits = Rule::new(&[&[Lead, Risk]], 0);
        let assign = Rule::new(&[&[Lead, Risk]], 0);
        let keys = Rule::new(&[&[Lead, Risk]], 0);
        let two: &[Approver] = &[AnyLead, Risk, Admin];
        let policy = Rule::new(&[two, two], POLICY_DELAY_S);
        let roles = Rule::new(&[two], POLICY_DELAY_S);
        let nobody = Rule { seats: Vec::new(), delay_s: DELAY_MOST_S };
        let of = [
            (RequestKind::Override, limits.clone()),
            (RequestKind::Limits, limits),
            (RequestKind::Policy, policy),
            (RequestKind::Assign, assign),
            (RequestKind::Roles, roles),
            (RequestKind::Keys, keys),
            (RequestKind::Withdrawals, Rule::new(WITHDRAWING, 0)),
            (RequestKind::Limited, Rule::new(&[&[Lead, Risk]], 0)),
            (RequestKind::Live, Rule::new(&[&[Lead, Risk], &[AnyLead, Risk, Admin]], 0)),
            (RequestKind::Checklist, Rule::new(&[two, two], POLICY_DELAY_S)),
        ];
        Self { version: 0, nobody, of: BTreeMap::from(of) }
    }
}

impl Rules {
    /// These with one rule replaced, in a version.
    #[must_use]
    pub fn with(mut self, version: i64, kind: RequestKind, rule: Rule) -> Self {
        self.version = self.version.max(version);
        self.of.insert(kind, rule);
        self
    }
    /// The rule of a kind. One that is not there asks for nobody, and so is never met.
    pub fn of(&self, kind: RequestKind) -> &Rule {
        self.of.get(&kind).unwrap_or(&self.nobody)
    }
    /// True when somebody who holds this role can fill a seat of some rule, or signs what is wide: giving it takes a request.
    pub fn is_wide(&self, role: Role) -> bool {
        match role {
            Role::Lead | Role::Risk | Role::Admin => true,
            Role::Operator => self.of.values().flat_map(|rule| &rule.seats).flatten().any(|one| *one == Approver::Operator),
            Role::Auditor => false,
        }
    }
    /// Whether giving somebody these roles in place of those they have takes a request: one of them is wide, and they do not have it there yet.
    pub fn gives_wide(&self, now: &[Grant], after: &[Grant]) -> bool {
        after.iter().any(|grant| self.is_wide(grant.role) && !now.contains(grant))
    }
    /// Kinds, and teams where they are of one, whose requests nobody of these could get approved, whoever asks.
    pub fn gaps(&self, members: &[Party], teams: &[TeamId]) -> Vec<(RequestKind, Option<TeamId>)> {
        let mut all = Vec::new();
        // A key that withdraws is an exception that few ever ask for: that nobody could get one approved is no gap.
        // A checklist is changed as seldom, and by whoever changes a policy.
        let is_told = |kind: &&RequestKind| !matches!(kind, RequestKind::Withdrawals | RequestKind::Checklist);
        for kind in RequestKind::ALL.iter().filter(is_told) {
            let rule = self.of(*kind);
            if kind.is_of_team() {
                let unmet = teams.iter().filter(|team| !is_satisfiable(rule, *kind, Some(team), members));
                all.extend(unmet.map(|team| (*kind, Some(team.clone()))));
            } else if !is_satisfiable(rule, *kind, None, members) {
                all.push((*kind, None));
            }
        }
        all
    }
}

/// True when these roles may ask for a kind of request.
pub fn may_ask(kind: RequestKind, grants: &[Grant], team: Option<&TeamId>) -> bool {
    let is_one = |approver: Approver| approver.is_held(grants, team);
    match kind {
        RequestKind::Limits
        | RequestKind::Override
        | RequestKind::Assign
        | RequestKind::Keys
        | RequestKind::Withdrawals
        | RequestKind::Limited
        | RequestKind::Live => {
            // Limits of all teams are nobody's of one team to ask for.
            is_one(Approver::Operator) || (team.is_some() && is_one(Approver::Lead)) || is_one(Approver::Risk)
        }
        RequestKind::Policy | RequestKind::Checklist => is_one(Approver::Admin) || is_one(Approver::Risk) || is_one(Approver::AnyLead),
        RequestKind::Roles => is_one(Approver::Admin),
    }
}

/// True when somebody of these may ask and the others then fill every seat.
pub fn is_satisfiable(rule: &Rule, kind: RequestKind, team: Option<&TeamId>, members: &[Party]) -> bool {
    members.iter().filter(|member| may_ask(kind, &member.grants, team)).any(|asks| {
        let others: Vec<&[Grant]> = members.iter().filter(|one| one.id != asks.id).map(|one| one.grants.as_slice()).collect();
        rule.is_filled_by(&others, team)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;
    use proptest::prelude::*;

    fn grants(roles: &[Role], team: &TeamId) -> Vec<Grant> {
        roles.iter().map(|role| Grant { role: *role, team: role.is_of_team().then(|| team.clone()) }).collect()
    }

    #[test]
    fn a_seat_is_given_up_to_whoever_fits_no_other() {
        let team = TeamId::new();
        let (both, risk) = (grants(&[Role::Lead, Role::Risk], &team), grants(&[Role::Risk], &team));
        let rule = Rule::new(&[&[Approver::Risk], &[Approver::Lead]], 0);
        assert!(rule.is_filled_by(&[&both, &risk], Some(&team)), "whoever came first sits down and moves over");
        assert!(!rule.is_filled_by(&[&both], Some(&team)) && !rule.is_filled_by(&[&risk, &risk], Some(&team)));
        assert!(rule.is_filled_by(&[&both, &risk], None), "where all teams are concerned any of their leads is one");
    }

    #[test]
    fn nobody_is_named_means_nobody() {
        let none = Rule { seats: vec![SeatFor::new()], delay_s: 0 };
        assert_eq!(none.check(RequestKind::Limits), Err(BadRule::EmptySeat));
        assert_eq!(Rule { seats: Vec::new(), delay_s: 0 }.check(RequestKind::Limits), Err(BadRule::NoSeat));
        assert!(!Rule { seats: Vec::new(), delay_s: 0 }.is_filled_by(&[], None), "no seat is not a filled one");
        assert_eq!(Rule::new(&[&[Approver::Risk]], 60).check(RequestKind::Policy), Err(BadRule::TooSoon));
        assert_eq!(Rule::new(&[&[Approver::Risk]], 60).check(RequestKind::Roles), Err(BadRule::RightsTooSoon));
        assert_eq!(Rule::new(&[&[Approver::Lead]], POLICY_DELAY_S).check(RequestKind::Policy), Err(BadRule::NoTeam));
        for kind in RequestKind::ALL {
            assert_eq!(Rules::default().of(*kind).check(*kind), Ok(()), "{kind}");
        }
    }

    #[test]
    fn whoever_asks_does_not_count() {
        let team = TeamId::new();
        let party = |roles: &[Role]| Party { id: UserId::new(), grants: grants(roles, &team) };
        let rule = Rule::new(&[&[Approver::Risk]], 0);
        let met = |members: &[Party]| is_satisfiable(&rule, RequestKind::Limits, Some(&team), members);
        assert!(!met(&[party(&[Role::Risk])]), "alone with the role that is asked for");
        assert!(met(&[party(&[Role::Risk]), party(&[Role::Operator])]));
        let gaps = Rules::default().gaps(&[party(&[Role::Lead]), party(&[Role::Operator])], std::slice::from_ref(&team));
        let live = (RequestKind::Live, Some(team.clone()));
        assert_eq!(
            gaps,
            [(RequestKind::Policy, None), (RequestKind::Roles, None), live],
            "nobody looks after people here, and two let nothing live"
        );
        let gaps = |members: &[Party]| Rules::default().gaps(members, std::slice::from_ref(&team));
        let is_kept = |members: &[Party]| gaps(members).iter().all(|(kind, _)| *kind != RequestKind::Roles);
        assert!(is_kept(&[party(&[Role::Admin]), party(&[Role::Lead])]), "two are enough when one can approve");
        assert!(!is_kept(&[party(&[Role::Admin]), party(&[Role::Operator])]));
    }

    #[test]
    fn what_is_wide_takes_a_request_and_what_is_taken_away_does_not() {
        let (team, other) = (TeamId::new(), TeamId::new());
        let rules = Rules::default();
        let gives = |now: &[Role], after: &[Role]| rules.gives_wide(&grants(now, &team), &grants(after, &team));
        for wide in [Role::Lead, Role::Risk, Role::Admin] {
            assert!(gives(&[], &[wide]) && gives(&[Role::Auditor], &[wide]) && !gives(&[wide], &[wide]), "{wide}");
            assert!(!gives(&[wide, Role::Operator], &[Role::Operator]), "{wide} is only taken away");
        }
        assert!(!gives(&[], &[Role::Operator]) && !gives(&[Role::Risk], &[Role::Auditor]));
        assert!(rules.gives_wide(&grants(&[Role::Lead], &team), &grants(&[Role::Lead], &other)), "the same in another team is more");
        let named = Rule::new(&[&[Approver::Operator, Approver::Lead]], 0);
        let rules = rules.with(1, RequestKind::Override, named);
        assert!(rules.gives_wide(&[], &grants(&[Role::Operator], &team)), "where a seat is for operators");
    }

    proptest! {
        /// The matching fills as many seats as trying every way of sitting does.
        #[test]
        fn matching_is_as_good_as_trying_everything(
            seats in prop::collection::vec(prop::collection::btree_set(0usize..5, 1..4), 1..4),
            people in prop::collection::vec(prop::collection::vec(0usize..5, 0..3), 0..5),
        ) {
            let team = TeamId::new();
            let rule = Rule { seats: seats.iter().map(|seat| seat.iter().map(|n| Approver::ALL[*n]).collect()).collect(), delay_s: 0 };
            let roles = [Role::Operator, Role::Lead, Role::Risk, Role::Admin, Role::Auditor];
            let people: Vec<Vec<Grant>> = people.iter().map(|of| grants(&of.iter().map(|n| roles[*n]).collect::<Vec<_>>(), &team)).collect();
            let people: Vec<&[Grant]> = people.iter().map(Vec::as_slice).collect();
            let found = rule.seated(&people, Some(&team)).iter().flatten().count();
            prop_assert_eq!(found, most(&rule, &people, &team, 0, &mut vec![false; people.len()]));
        }
    }

    proptest! {
        /// Whoever can meet what asks for no less can meet the other as well.
        #[test]
        fn what_asks_for_no_less_is_met_by_nobody_whom_the_other_would_refuse(
            one in rule_of_seats(), other in rule_of_seats(),
            people in prop::collection::vec(prop::collection::vec(0usize..5, 0..3), 0..5),
        ) {
            let team = TeamId::new();
            let roles = [Role::Operator, Role::Lead, Role::Risk, Role::Admin, Role::Auditor];
            let people: Vec<Vec<Grant>> = people.iter().map(|of| grants(&of.iter().map(|n| roles[*n]).collect::<Vec<_>>(), &team)).collect();
            let people: Vec<&[Grant]> = people.iter().map(Vec::as_slice).collect();
            if one.is_filled_by(&people, Some(&team)) && !other.is_filled_by(&people, Some(&team)) {
                prop_assert!(one.asks_less_than(&other));
            }
        }

        /// More seats, narrower ones in whatever order, and a longer delay ask for no less.
        #[test]
        fn what_asks_for_strictly_more_does_not_ask_for_less(
            rule in rule_of_seats(), seat in prop::collection::btree_set(0usize..5, 1..4), turn in 0usize..4, narrow in any::<bool>(), longer in 0u64..2,
        ) {
            let mut more = rule.clone();
            more.delay_s += longer;
            if narrow && let Some(first) = more.seats.first_mut() && first.len() > 1 {
                first.pop_last();
            }
            more.seats.push(seat.iter().map(|n| Approver::ALL[*n]).collect());
            let turn = turn % more.seats.len();
            more.seats.rotate_left(turn);
            prop_assert!(!more.asks_less_than(&rule));
            prop_assert!(rule.asks_less_than(&more), "a seat more is one person more");
        }
    }

    fn rule_of_seats() -> impl Strategy<Value = Rule> {
        let seat = prop::collection::btree_set(0usize..5, 1..4).prop_map(|seat| seat.iter().map(|n| Approver::ALL[*n]).collect());
        prop::collection::vec(seat, 1..4).prop_map(|seats| Rule { seats, delay_s: 60 })
    }

    #[test]
    fn a_stricter_rule_is_no_looser_one() {
        use Approver::{Admin, AnyLead, Lead, Risk};
        let one = Rule::new(&[&[Lead, Risk]], 0);
        assert!(!Rule::new(&[&[Risk, Admin], &[Lead]], 3_600).asks_less_than(&one), "whoever is the lead meets it");
        assert!(!Rule::new(&[&[Admin], &[Risk]], 0).asks_less_than(&Rule::new(&[&[Risk], &[Admin]], 0)), "the order is none");
        assert!(!Rule::new(&[&[Lead]], 0).asks_less_than(&Rule::new(&[&[AnyLead]], 0)), "a lead of the team is one of any");
        assert!(Rule::new(&[&[AnyLead]], 0).asks_less_than(&Rule::new(&[&[Lead]], 0)));
        assert!(Rule::new(&[&[Lead, Risk, Admin], &[Admin]], 0).asks_less_than(&one), "two admins meet it");
        assert!(Rule::new(&[&[Lead, Risk]], 0).asks_less_than(&Rule::new(&[&[Lead, Risk]], 60)));
        assert!(!one.asks_less_than(&one));
    }

    fn most(rule: &Rule, people: &[&[Grant]], team: &TeamId, seat: usize, used: &mut [bool]) -> usize {
        if seat == rule.seats.len() {
            return 0;
        }
        let mut best = most(rule, people, team, seat + 1, used);
        for n in 0..people.len() {
            if !used[n] && rule.seats[seat].iter().any(|one| one.is_held(people[n], Some(team))) {
                used[n] = true;
                best = best.max(1 + most(rule, people, team, seat + 1, used));
                used[n] = false;
            }
        }
        best
    }
}
