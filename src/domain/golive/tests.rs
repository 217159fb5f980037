//! No step up without a whole list, and no approval that outlives a change of anything that it was given for.

use super::*;
use crate::domain::{
    checklist::{Proof, shipped},
    limits::tree,
};
use proptest::prelude::*;
use serde_json::json;

fn now() -> Timestamp {
    Timestamp(1_800_000_000_000_000)
}

fn ran(build: &str) -> Ran {
    Ran { build: build.to_owned(), config: "sha256:c".to_owned() }
}

fn force() -> InForce {
    let key = HeldKey { key: KeyId::from_stored("k".into()), approved_at: now() };
    InForce {
        runs: Some(ran("sha256:b")),
        place: Some(Place { subaccount: SubaccountId::from_stored("s".into()), name: "bybit/grid-7".into() }),
        keys: BTreeMap::from([(KeyPurpose::Execution, key)]),
        conduct: Conduct { strategy: "grid".into(), exits: Exits::Managed },
        limits_version: 7,
        limits: json!({"max_position_notional": "100", "max_daily_loss": "10"}).as_object().unwrap().clone(),
        adapter: Some("process".into()),
        withdraws: Vec::new(),
    }
}

fn done(item: &Item, n: usize) -> Checked {
    let by = (item.proof != Proof::Measured).then(|| UserId::from_stored(format!("u{}", n % 3)));
    let mark = by.is_some().then(|| MarkId::from_stored(format!("m{n}")));
    let until = by.is_some().then(|| now().plus_ms(86_400_000 * i64::from(item.valid_days)));
    let shown = Shown { item: item.name.clone(), said: "it is".into(), by, mark, until, files: Vec::new() };
    Checked { item: item.clone(), standing: Standing::Done(shown) }
}

fn whole(list: &Template) -> Vec<Checked> {
    list.items.iter().enumerate().map(|(n, item)| done(item, n)).collect()
}

fn run() -> ApprovedRun {
    let list = shipped::template(Stage::Limited).unwrap();
    let dossier = dossier(&list, &whole(&list), &force(), OnDrift::Pause).unwrap();
    let (request, limits) = (RequestId::from_stored("r".into()), force().limits);
    ApprovedRun {
        request,
        digest: "d".into(),
        stage: Stage::Limited,
        dossier,
        limits,
        since: now(),
        until: Some(now().plus_ms(1_000)),
        emergency: None,
    }
}

type Alter = Box<dyn Fn(&mut InForce)>;

/// A change of one thing that is approved, and what it is called.
fn changes() -> Vec<(&'static str, Alter)> {
    let other = |id: &str| HeldKey { key: KeyId::from_stored(id.into()), approved_at: now() };
    vec![
        ("Build", Box::new(|force| force.runs = Some(ran("sha256:other")))),
        ("Configuration", Box::new(|force| force.runs.as_mut().unwrap().config = "sha256:other".into())),
        ("What it runs", Box::new(|force| force.runs = None)),
        ("Subaccount", Box::new(|force| force.place = None)),
        ("Subaccount", Box::new(|force| force.place.as_mut().unwrap().subaccount = SubaccountId::from_stored("t".into()))),
        ("What tells the bot", Box::new(|force| force.adapter = Some("command".into()))),
        ("Key to trade", Box::new(|force| force.withdraws.push(KeyPurpose::Execution))),
        ("Conduct", Box::new(|force| force.conduct.exits = Exits::None)),
        ("Conduct", Box::new(|force| force.conduct.strategy = "other".into())),
        ("Key to trade", Box::new(|force| drop(force.keys.remove(&KeyPurpose::Execution)))),
        ("Key to trade", Box::new(move |force| drop(force.keys.insert(KeyPurpose::Execution, other("l"))))),
        ("Limits", Box::new(|force| drop(force.limits.insert("max_position_notional".into(), json!("101"))))),
        ("Limits", Box::new(|force| drop(force.limits.remove("max_daily_loss")))),
    ]
}

#[test]
fn whatever_was_approved_differs_once_it_is_something_else() {
    let run = run();
    assert_eq!(run.differences(&force(), now()), []);
    for (what, change) in changes() {
        let mut force = force();
        change(&mut force);
        let found = run.differences(&force, now());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].what, what);
    }
    let tighter = InForce { limits: json!({"max_position_notional": "1", "max_daily_loss": "1"}).as_object().unwrap().clone(), ..force() };
    assert!(tree::is_tighter(&run.limits, &tighter.limits));
    assert_eq!(run.differences(&tighter, now()), [], "what allows less is nobody's to approve");
    let silent = InForce { adapter: None, ..force() };
    assert_eq!(run.differences(&silent, now()), [], "a server that has just begun has not heard it yet");
}

#[test]
fn time_ends_a_stage_and_an_item() {
    let run = run();
    let over = run.differences(&force(), now().plus_ms(1_000));
    assert_eq!(over.iter().map(|one| (one.what.as_str(), one.is_grave)).collect::<Vec<_>>(), [("Time in stage limited", true)]);
    let first = run.dossier.until().unwrap();
    assert!(run.dossier.over(first).any(|shown| shown.item == "sandbox_results"));
    assert_eq!(run.dossier.over(first.plus_ms(-1)).count(), 0);
}

#[test]
fn the_newest_word_counts_for_what_it_was_said_of() {
    let list = shipped::template(Stage::Limited).unwrap();
    let item = list.item("rollback_plan").unwrap();
    let mark = |id: &str, at: i64, build: &str| Mark {
        id: MarkId::from_stored(id.into()),
        item: item.name.clone(),
        by: UserId::from_stored("u".into()),
        at: now().plus_ms(at),
        until: now().plus_ms(at + 10),
        said: "written".into(),
        link: Some("https://wiki/plan".into()),
        files: Vec::new(),
        ran: Some(ran(build)),
    };
    let runs = ran("sha256:b");
    let of = |marks: &[Mark], runs: Option<&Ran>, at: i64| answered(item, marks, (runs, None), now().plus_ms(at));
    assert!(matches!(of(&[], Some(&runs), 0), Standing::Open(_)));
    let good = mark("1", 0, "sha256:b");
    let Standing::Done(shown) = of(std::slice::from_ref(&good), Some(&runs), 1) else { panic!("it was answered for") };
    assert_eq!((shown.said.as_str(), shown.until), ("written (https://wiki/plan)", Some(now().plus_ms(10))));
    assert!(matches!(of(std::slice::from_ref(&good), Some(&runs), 10), Standing::Expired(_)));
    assert!(matches!(of(std::slice::from_ref(&good), None, 1), Standing::Open(_)), "nobody knows what runs");
    let later = [good, mark("2", 5, "sha256:old")];
    assert!(matches!(of(&later, Some(&runs), 6), Standing::Open(_)), "the newest is about another build");
}

#[test]
fn what_was_tested_before_its_exchange_changed_is_to_be_tested_again() {
    let list = shipped::template(Stage::Limited).unwrap();
    let (tested, other) =
        (list.item("stress_stacked_orders").unwrap(), list.items.iter().find(|item| !item.of_build && item.measure.is_none()));
    let mark = |item: &Item, at: i64| Mark {
        id: MarkId::from_stored("1".into()),
        item: item.name.clone(),
        by: UserId::from_stored("u".into()),
        at: now().plus_ms(at),
        until: now().plus_ms(100),
        said: "passed".into(),
        link: None,
        files: Vec::new(),
        ran: Some(ran("sha256:b")),
    };
    let (runs, change) = (ran("sha256:b"), VenueChange { venue: "bybit".into(), what: "tick sizes".into(), at: now().plus_ms(5) });
    let of = |item: &Item, at: i64| answered(item, &[mark(item, at)], (Some(&runs), Some(&change)), now().plus_ms(20));
    for before in [0, 5] {
        assert_eq!(of(tested, before), Standing::Open("it was answered before bybit changed: tick sizes".into()));
    }
    assert!(matches!(of(tested, 6), Standing::Done(_)), "and that it was tested since counts");
    assert!(matches!(of(other.unwrap(), 0), Standing::Done(_)), "who is reached at night has nothing to do with it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    /// Whatever is open, expired or was not looked at, and wherever: there is nothing to approve.
    #[test]
    fn there_is_no_dossier_of_a_list_in_which_anything_is_open(
        stage in prop_oneof![Just(Stage::Limited), Just(Stage::Live)],
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3), 0..4),
        knows in any::<bool>(),
    ) {
        let list = shipped::template(stage).unwrap();
        let mut checked = whole(&list);
        for (at, how) in &spoilt {
            if checked.is_empty() {
                break;
            }
            let at = at.index(checked.len());
            match how {
                0 => drop(checked.remove(at)),
                1 => checked[at].standing = Standing::Open("not so".into()),
                _ => if let Standing::Done(shown) = checked[at].standing.clone() {
                    checked[at].standing = Standing::Expired(shown);
                },
            }
        }
        let force = if knows { force() } else { InForce { runs: None, ..force() } };
        let made = dossier(&list, &checked, &force, OnDrift::Pause);
        prop_assert_eq!(made.is_ok(), spoilt.is_empty() && knows);
    }

    /// What is approved is one text: another word of another person, another moment, another version, and it is another dossier that says what changed.
    #[test]
    fn no_change_of_any_input_leaves_the_dossier_as_it_was(which in 0usize..20, at in any::<prop::sample::Index>(), way in 0u8..4) {
        let list = shipped::template(Stage::Limited).unwrap();
        let (mut checked, mut force, mut other) = (whole(&list), force(), list.clone());
        let before = dossier(&list, &checked, &force, OnDrift::Pause).unwrap();
        // What is unknown makes no dossier at all, which the test above says; limits are bound by their version.
        let bound: Vec<_> = changes().into_iter().filter(|(what, _)| !["What it runs", "Limits"].contains(what)).collect();
        match bound.get(which) {
            Some((_, change)) => {
                change(&mut force);
                prop_assume!(force.place.is_some() && force.withdraws.is_empty());
            }
            None if which == 19 => force.limits_version += 1,
            None => {
                let answered: Vec<usize> = (0..checked.len()).filter(|n| checked[*n].item.proof != Proof::Measured).collect();
                let at = answered[at.index(answered.len())];
                let Standing::Done(shown) = &mut checked[at].standing else { unreachable!("all is so") };
                match way {
                    0 => shown.said.push('!'),
                    1 => shown.until = Some(now().plus_ms(77)),
                    2 => shown.mark = Some(MarkId::from_stored("other".into())),
                    _ => other.version += 1,
                }
            }
        }
        let after = dossier(&other, &checked, &force, OnDrift::Pause).unwrap();
        prop_assert!(!before.changes_to(&after).is_empty());
        let text = |dossier: &Dossier| crate::domain::act::canonical(dossier).unwrap();
        prop_assert_ne!(text(&after), text(&before), "and so is its digest");
        let read: Dossier = serde_json::from_slice(&text(&before)).unwrap();
        prop_assert_eq!(read, before);
    }

    /// What the system measures says other words every day; that it is so is what is approved, and nothing more of it.
    #[test]
    fn another_reading_of_what_is_measured_is_no_change(at in any::<prop::sample::Index>(), until in any::<bool>()) {
        let list = shipped::template(Stage::Limited).unwrap();
        let mut checked = whole(&list);
        let before = dossier(&list, &checked, &force(), OnDrift::Pause).unwrap();
        let measured: Vec<usize> = (0..checked.len()).filter(|n| checked[*n].item.proof == Proof::Measured).collect();
        let Standing::Done(shown) = &mut checked[measured[at.index(measured.len())]].standing else { unreachable!("all is so") };
        shown.said.push('!');
        shown.until = until.then(|| now().plus_ms(5));
        let after = dossier(&list, &checked, &force(), OnDrift::Pause).unwrap();
        prop_assert_eq!(before.changes_to(&after), Vec::<String>::new());
    }
}
