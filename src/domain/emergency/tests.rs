//! Whatever happens, what runs is what was approved, or what an emergency change in force names exactly.

use super::*;
use crate::domain::{
    Exits, KeyId, KeyPurpose, RequestId, Stage, SubaccountId,
    checklist::shipped,
    golive::{Conduct, HeldKey, InForce, OnDrift, dossier},
    request::Place,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn now() -> Timestamp {
    Timestamp(1_800_000_000_000_000)
}

fn ran(build: u8, config: u8) -> Ran {
    Ran { build: format!("sha256:b{build}"), config: format!("sha256:c{config}") }
}

fn force(runs: Option<Ran>) -> InForce {
    let key = HeldKey { key: KeyId::from_stored("k".into()), approved_at: now() };
    InForce {
        runs,
        place: Some(Place { subaccount: SubaccountId::from_stored("s".into()), name: "bybit/grid-7".into() }),
        keys: BTreeMap::from([(KeyPurpose::Execution, key)]),
        conduct: Conduct { strategy: "grid".into(), exits: Exits::Managed },
        limits_version: 7,
        limits: json!({"max_position_notional": "100"}).as_object().unwrap().clone(),
        adapter: None,
        withdraws: Vec::new(),
    }
}

/// Approved with build 0 and configuration 0, in a stage that ends after an hour.
fn run(emergency: Option<(Ran, i64)>) -> ApprovedRun {
    let mut list = shipped::template(Stage::Limited).unwrap();
    list.items.clear();
    let dossier = dossier(&list, &[], &force(Some(ran(0, 0))), OnDrift::Pause).unwrap();
    let change = || EmergencyId::from_stored("e".into());
    ApprovedRun {
        request: RequestId::from_stored("r".into()),
        digest: "d".into(),
        stage: Stage::Limited,
        dossier,
        limits: force(None).limits,
        since: now(),
        until: Some(now().plus_ms(HOUR_MS)),
        emergency: emergency.map(|(runs, until)| Emergency { change: change(), runs, until: now().plus_ms(until) }),
    }
}

fn whats(run: &ApprovedRun, force: &InForce, at: i64) -> Vec<String> {
    let found = run.differences(force, now().plus_ms(at));
    assert!(found.iter().all(|one| one.is_grave), "{found:?}");
    found.into_iter().map(|one| one.what).collect()
}

#[test]
fn while_it_is_in_force_what_it_names_runs_and_no_more_once_it_is_over() {
    let run = run(Some((ran(1, 0), 1_000)));
    assert_eq!(whats(&run, &force(Some(ran(1, 0))), 999), [""; 0]);
    assert_eq!(whats(&run, &force(Some(ran(1, 0))), 1_000), ["Build", "Emergency change"]);
    assert_eq!(whats(&run, &force(Some(ran(0, 0))), 999), [""; 0], "back to what was approved");
    assert_eq!(whats(&run, &force(Some(ran(0, 0))), 1_000), [""; 0]);
    assert_eq!(whats(&run, &force(Some(ran(2, 0))), 999), ["Build"], "another than it names");
    assert_eq!(whats(&run, &force(Some(ran(1, 1))), 999), ["Configuration"]);
    assert_eq!(whats(&run, &force(Some(ran(2, 0))), 1_000), ["Build"], "that was never let in");
    assert_eq!(whats(&run, &force(None), 999), ["What it runs"]);
}

#[test]
fn nothing_but_build_and_configuration_may_differ_by_it() {
    let run = run(Some((ran(1, 0), 1_000)));
    let runs = || force(Some(ran(1, 0)));
    let place = InForce { place: None, ..runs() };
    assert_eq!(whats(&run, &place, 0), ["Subaccount"]);
    let conduct = InForce { conduct: Conduct { strategy: "other".into(), exits: Exits::Managed }, ..runs() };
    assert_eq!(whats(&run, &conduct, 0), ["Conduct"]);
    let keys = run.differences(&InForce { keys: BTreeMap::new(), ..runs() }, now());
    assert_eq!(keys.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), ["Key to trade"]);
    let looser = json!({"max_position_notional": "101"}).as_object().unwrap().clone();
    let limits = run.differences(&InForce { limits: looser, ..runs() }, now());
    assert_eq!(limits.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), ["Limits"]);
    let long = super::tests::run(Some((ran(1, 0), 2 * HOUR_MS)));
    assert_eq!(whats(&long, &runs(), HOUR_MS), ["Time in stage limited"], "nor does it lengthen the stage");
}

#[test]
fn what_was_approved_before_there_were_any_reads_as_without() {
    let run = run(None);
    let text = serde_json::to_string(&run).unwrap();
    assert!(!text.contains("emergency"), "{text}");
    assert_eq!(serde_json::from_str::<ApprovedRun>(&text).unwrap(), run);
    let with = super::tests::run(Some((ran(1, 0), 1)));
    assert_eq!(serde_json::from_str::<ApprovedRun>(&serde_json::to_string(&with).unwrap()).unwrap(), with);
}

fn any_ran() -> impl Strategy<Value = Ran> {
    (0u8..3, 0u8..3).prop_map(|(build, config)| ran(build, config))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    /// There is no difference only where what runs was approved, or is named by what is in force; and the same for every instance.
    #[test]
    fn nothing_runs_that_was_neither_approved_nor_named_in_force(
        emergency in prop::option::of((any_ran(), -2_000i64..2_000)),
        runs in prop::option::weighted(0.9, any_ran()),
        instance in any_ran(),
        at in 0i64..2_000,
    ) {
        let (run, at) = (run(emergency), now().plus_ms(at));
        let named = run.emergency.as_ref().filter(|one| one.until > at).map(|one| &one.runs);
        let is_allowed = |runs: &Ran| *runs == run.dossier.runs || named == Some(runs);
        let found = run.differences(&force(runs.clone()), at);
        prop_assert_eq!(found.is_empty(), runs.as_ref().is_some_and(is_allowed), "{:?}", found);
        prop_assert!(found.iter().all(|one| one.is_grave), "{:?}", found);
        // Instances are held against one and the same.
        let beside = run.runs_beside(runs.as_ref(), at);
        prop_assert!(is_allowed(beside));
        if found.is_empty() && instance == *beside {
            prop_assert_eq!(Some(&instance), runs.as_ref(), "no two of them differ");
        }
    }
}
