//! Whatever people do in whatever order, and whatever becomes of their roles, the clock and the policies: what is carried out was approved by
//! enough of the right people, exactly as it is, once, and not after it had ended.

use super::*;
use crate::domain::{Role, approval::Approver};
use proptest::prelude::*;

const PEOPLE: usize = 6;
const ROLES: [&[Role]; 7] =
    [&[], &[Role::Operator], &[Role::Lead], &[Role::Risk], &[Role::Admin], &[Role::Auditor], &[Role::Lead, Role::Risk]];

fn user(n: usize) -> UserId {
    UserId::from_stored(format!("u{n}"))
}
fn team() -> TeamId {
    TeamId::from_stored("t".into())
}
fn grants(roles: usize) -> Vec<Grant> {
    ROLES[roles].iter().map(|role| Grant { role: *role, team: role.is_of_team().then(team) }).collect()
}
fn voter(n: usize, roles: usize) -> Voter {
    Voter { id: user(n), grants: grants(roles), standing: Standing::Able }
}
fn rules() -> Vec<Rule> {
    use Approver::{Admin, Lead, Risk};
    vec![
        Rule::new(&[&[Risk]], 0),
        Rule::new(&[&[Lead, Risk]], 0),
        Rule::new(&[&[Lead], &[Risk]], 60),
        Rule::new(&[&[Risk], &[Risk, Lead], &[Admin]], 3_600),
    ]
}
fn case(requester: usize, rule: &Rule, now: Timestamp) -> Case {
    let request = Request {
        id: RequestId::from_stored("r".into()),
        kind: RequestKind::Limits,
        team: Some(team()),
        state: RequestState::Pending,
        revision: 1,
        digest: "d1".into(),
        requester: user(requester),
        authors: BTreeSet::from([user(requester)]),
        signers: BTreeSet::new(),
        beneficiary: None,
        rule: rule.clone(),
        raised: Vec::new(),
        revised_at: now,
        approved_at: None,
    };
    Case { request, votes: Vec::new() }
}

#[derive(Debug, Clone)]
enum Op {
    Vote(usize),
    StaleVote(usize),
    TakeBack(usize),
    Deny(usize),
    Withdraw(usize),
    Revise(usize),
    Roles(usize, usize),
    Stand(usize, u8),
    Clock(i64),
    Policy(usize),
    Raise(usize, Approver),
    Step,
    Retry,
    Finish(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..PEOPLE;
    prop_oneof![
        8 => who().prop_map(Op::Vote),
        1 => who().prop_map(Op::StaleVote),
        2 => who().prop_map(Op::TakeBack),
        1 => who().prop_map(Op::Deny),
        1 => who().prop_map(Op::Withdraw),
        2 => who().prop_map(Op::Revise),
        3 => (who(), 0..ROLES.len()).prop_map(|(n, roles)| Op::Roles(n, roles)),
        1 => (who(), 0u8..4).prop_map(|(n, how)| Op::Stand(n, how)),
        4 => prop_oneof![Just(1_000), Just(61_000), Just(EXECUTE_MS + 1_000), Just(PENDING_MS + 1_000)].prop_map(Op::Clock),
        1 => (0usize..4).prop_map(Op::Policy),
        1 => (who(), prop_oneof![Just(Approver::Risk), Just(Approver::Admin), Just(Approver::AnyLead)]).prop_map(|(n, more)| Op::Raise(n, more)),
        8 => Just(Op::Step),
        1 => Just(Op::Retry),
        4 => any::<bool>().prop_map(Op::Finish),
    ]
}

/// What the test itself writes down, without the code under test.
#[derive(Default)]
struct Witness {
    authors: Vec<usize>,
    // Who approved the content as it is now: emptied whenever that changes.
    approved: Vec<usize>,
    begun: usize,
    over: bool,
    revised_at: i64,
}

/// Tries every way of giving each seat a person of their own.
fn can_fill(seats: &[SeatFor], able: &[(usize, Vec<Grant>)], used: &mut Vec<usize>) -> bool {
    let Some((first, rest)) = seats.split_first() else { return true };
    for (n, grants) in able {
        let fits = first.iter().any(|approver| approver.is_held(grants, Some(&team())));
        if fits && !used.contains(n) {
            used.push(*n);
            if can_fill(rest, able, used) {
                return true;
            }
            used.pop();
        }
    }
    false
}

struct World {
    case: Case,
    people: Vec<Voter>,
    rule: Rule,
    now: Timestamp,
    seen: Witness,
    made: usize,
}

impl World {
    fn with<T>(&mut self, act: impl FnOnce(&mut Case, &Moment<'_>) -> T) -> T {
        let moment = Moment { people: &self.people, rule: &self.rule, is_alone: false, now: self.now };
        act(&mut self.case, &moment)
    }

    fn next_digest(&mut self) -> String {
        self.made += 1;
        format!("d{}", self.made + 1)
    }

    fn apply(&mut self, op: &Op) {
        let digest = self.case.request.digest.clone();
        match op {
            Op::Vote(n) => {
                if self.with(|case, moment| case.vote(&user(*n), &digest, moment).is_ok()) {
                    self.seen.approved.push(*n);
                }
            }
            Op::StaleVote(n) => assert!(self.with(|case, moment| case.vote(&user(*n), "d0", moment).is_err()), "not what was asked"),
            Op::TakeBack(n) => {
                if self.case.take_back(&user(*n)).is_ok() {
                    self.seen.approved.retain(|one| one != n);
                }
            }
            Op::Deny(n) => self.seen.over |= self.with(|case, moment| case.deny(&user(*n), moment).is_ok()),
            Op::Withdraw(n) => self.seen.over |= self.case.withdraw(&user(*n)).is_ok(),
            Op::Revise(n) => self.revise(*n),
            Op::Roles(n, roles) => self.people[*n].grants = grants(*roles),
            Op::Stand(n, how) => {
                self.people[*n].standing = [Standing::Able, Standing::Disabled, Standing::FewKeys, Standing::Frozen][usize::from(*how)];
            }
            Op::Clock(ms) => self.now = self.now.plus_ms(*ms),
            Op::Policy(n) => self.rule = rules()[*n].clone(),
            Op::Raise(n, more) => {
                let (before, now) = (self.case.request.rule.seats.len(), self.now);
                let is_taken = self.case.raise(&user(*n), *more, now).is_ok();
                assert_eq!(self.case.request.rule.seats.len(), before + usize::from(is_taken));
            }
            Op::Step => self.step(),
            // The same twice, as after a lost answer or by another replica.
            Op::Retry => {
                self.step();
                self.step();
            }
            Op::Finish(good) => {
                if self.case.request.state == RequestState::Executing {
                    self.case.end(if *good { RequestState::Executed } else { RequestState::Failed });
                    self.seen.over = true;
                }
            }
        }
    }

    fn revise(&mut self, n: usize) {
        let digest = self.next_digest();
        let (by, rule, now) = (self.people[n].clone(), self.rule.clone(), self.now);
        if self.case.revise(&by, (&digest, &rule), now).is_ok() {
            self.seen.authors.push(n);
            (self.seen.approved, self.seen.revised_at) = (Vec::new(), now.0);
        }
    }

    fn step(&mut self) {
        let frozen = self.case.request.rule.clone();
        match self.with(|case, moment| case.step(moment)) {
            Next::Execute => {
                self.seen.begun += 1;
                assert!(!self.seen.over, "begun after it had ended");
                let able: Vec<(usize, Vec<Grant>)> = self
                    .seen
                    .approved
                    .iter()
                    .map(|n| (*n, self.people[*n].clone()))
                    .filter(|(n, voter)| voter.standing == Standing::Able && !self.seen.authors.contains(n))
                    .map(|(n, voter)| (n, voter.grants))
                    .collect();
                for rule in [&frozen, &self.rule, &self.rule.with(&self.case.request.raised)] {
                    assert!(can_fill(&rule.seats, &able, &mut Vec::new()), "{rule:?} is not met by {able:?}");
                    let waited_s = (self.now.0 - self.seen.revised_at) / 1_000_000;
                    assert!(waited_s >= i64::try_from(rule.delay_s).unwrap(), "begun before its delay was over");
                }
            }
            Next::Expire => self.seen.over = true,
            Next::Approve => assert!(self.now.0 - self.seen.revised_at <= PENDING_MS * 1_000, "approved after its time"),
            Next::Wait | Next::Reopen => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn nothing_is_carried_out_without_its_quorum_nor_twice_nor_after_its_end(
        requester in 0..PEOPLE,
        roles in prop::collection::vec(0..ROLES.len(), PEOPLE),
        rule in 0usize..4,
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let now = Timestamp(1_000_000_000);
        let rule = rules()[rule].clone();
        let people: Vec<Voter> = (0..PEOPLE).map(|n| voter(n, roles[n])).collect();
        let seen = Witness { authors: vec![requester], revised_at: now.0, ..Witness::default() };
        let mut world = World { case: case(requester, &rule, now), people, rule, now, seen, made: 0 };
        for op in &ops {
            let ended = (!world.case.request.state.is_open()).then(|| world.case.request.clone());
            world.apply(op);
            prop_assert!(world.seen.begun <= 1, "carried out twice");
            if let Some(ended) = ended {
                prop_assert_eq!(&world.case.request, &ended, "what has ended stays as it was");
            }
        }
    }

    /// Whoever is told that they can vote moves the request nearer to its quorum, or meets it.
    #[test]
    fn a_vote_that_is_taken_counts(roles in prop::collection::vec(0..ROLES.len(), PEOPLE), rule in 0usize..4) {
        let now = Timestamp(1_000_000_000);
        let rule = rules()[rule].clone();
        let people: Vec<Voter> = (0..PEOPLE).map(|n| voter(n, roles[n])).collect();
        let mut case = case(0, &rule, now);
        let moment = Moment { people: &people, rule: &rule, is_alone: false, now };
        let filled = |case: &Case| case.quorum(&moment).seats.iter().filter(|seat| seat.taken_by.is_some()).count();
        for n in 0..PEOPLE {
            let before = filled(&case);
            let is_taken = case.vote(&user(n), "d1", &moment).is_ok();
            prop_assert_eq!(filled(&case), before + usize::from(is_taken));
        }
        prop_assert_eq!(case.quorum(&moment).is_met, case.next(&moment) == Next::Approve);
    }
}

#[test]
fn it_says_why_not() {
    let now = Timestamp(1_000_000_000);
    let rule = rules()[2].clone();
    let mut people: Vec<Voter> = [1, 2, 3, 5, 3, 2].iter().enumerate().map(|(n, roles)| voter(n, *roles)).collect();
    people[4].standing = Standing::FewKeys;
    let mut case = case(0, &rule, now);
    let moment = Moment { people: &people, rule: &rule, is_alone: false, now };
    let why = |case: &Case, n: usize| case.can_vote(&user(n), &moment).unwrap_err();
    assert_eq!(why(&case, 0), WhyNot::Requester);
    assert!(matches!(why(&case, 3), WhyNot::NotAsked(words) if words == "a lead of the team or risk"));
    assert_eq!(why(&case, 4), WhyNot::FewKeys);
    assert_eq!(why(&case, 9), WhyNot::Disabled);
    case.vote(&user(1), "d1", &moment).unwrap();
    assert_eq!(why(&case, 1), WhyNot::Voted);
    assert_eq!(why(&case, 5), WhyNot::NoSeat, "a second lead fills no seat");
    assert!(case.can_deny(&user(5), &moment).is_ok(), "and may deny all the same");
    case.vote(&user(2), "d1", &moment).unwrap();
    assert_eq!(case.step(&moment), Next::Approve);
    assert_eq!(why(&case, 5), WhyNot::Approved);
    let later = Moment { now: now.plus_ms(60_000), ..moment };
    assert_eq!((case.next(&moment), case.next(&later)), (Next::Wait, Next::Execute));
}

#[test]
fn the_stricter_of_then_and_now_holds() {
    let now = Timestamp(1_000_000_000);
    let (loose, strict) = (Rule::new(&[&[Approver::Risk]], 0), Rule::new(&[&[Approver::Risk], &[Approver::Admin]], 60));
    let people: Vec<Voter> = [1, 3, 4].iter().enumerate().map(|(n, roles)| voter(n, *roles)).collect();
    for (then, today) in [(&loose, &strict), (&strict, &loose)] {
        let mut case = case(0, then, now);
        let moment = Moment { people: &people, rule: today, is_alone: false, now };
        case.vote(&user(1), "d1", &moment).unwrap();
        assert_eq!(case.next(&moment), Next::Wait, "one is not two, whenever two were asked for");
        case.vote(&user(2), "d1", &moment).unwrap();
        assert_eq!(case.step(&moment), Next::Approve);
        assert_eq!(case.next(&moment), Next::Wait, "and the longer delay");
    }
}

#[test]
fn somebody_alone_signs_again_after_a_while_and_never_once_there_are_two() {
    let now = Timestamp(1_000_000_000);
    let rule = rules()[0].clone();
    let people = [voter(0, 1)];
    let mut case = case(0, &rule, now);
    let at = |ms: i64, is_alone| Moment { people: &people, rule: &rule, is_alone, now: now.plus_ms(ms) };
    assert_eq!(case.can_vote(&user(0), &at(ALONE_MS - 1_000, true)), Err(WhyNot::TooSoon(1)));
    assert_eq!(case.can_vote(&user(0), &at(ALONE_MS, false)), Err(WhyNot::Requester));
    let vote = case.vote(&user(0), "d1", &at(ALONE_MS, true)).unwrap();
    assert!(vote.is_alone, "it is not called an approval");
    assert_eq!(case.next(&at(ALONE_MS, false)), Next::Wait, "a second person came: it takes theirs");
    assert_eq!(case.next(&at(ALONE_MS, true)), Next::Approve);
}
