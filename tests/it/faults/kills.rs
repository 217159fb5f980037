//! Seeded kills: servers, agents, minders, launchers and bots end as by `kill -9`, before and after each durable write and at any moment,
//! while people press, release and start. Every placed hold is there afterwards, and nothing became active without a start.
//! `ANDON_TEST_KILLS` says how many per database, `ANDON_TEST_SEED` repeats a run.

mod plan;
mod scenario;

use crate::harness::db::{Fresh, on_both};
use plan::deck;
use scenario::Scenario;

const KILLS: usize = 20;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

on_both!(no_kill_loses_a_hold_or_starts_a_bot, |fresh: Fresh| async move {
    let kills = setting("ANDON_TEST_KILLS").unwrap_or(KILLS);
    let seed = setting("ANDON_TEST_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    eprintln!("{kills} kills on {:?}, again with ANDON_TEST_SEED={seed}", fresh.kind);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut plans = Vec::new();
    while plans.len() < kills {
        // Every plan once before any comes again.
        let mut more = deck();
        rng.shuffle(&mut more);
        plans.extend(more);
    }
    let mut scenario = Scenario::new(fresh, rng).await;
    for plan in plans {
        if scenario.kills() >= kills {
            break;
        }
        scenario.round(plan).await;
    }
    scenario.conclude().await;
});

#[test]
fn every_failpoint_of_the_program_is_in_the_deck() {
    fn points(dir: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                points(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let names = text.split("failpoint!(\"").skip(1).filter_map(|rest| rest.split_once('"'));
                found.extend(names.map(|(name, _)| name.to_owned()));
            }
        }
    }
    let mut found = std::collections::BTreeSet::new();
    points(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    // A token is changed once a month, and mail needs a server: those kills have tests of their own.
    let elsewhere = super::tokens::STEPS.into_iter().map(|(point, _)| point).chain(["mail:before_send", "mail:sent"]);
    // A recovery takes a restore first.
    let elsewhere = elsewhere.chain(super::restored::STEPS.into_iter().map(|(point, _)| point));
    // And a start in waves takes bots that settle.
    let elsewhere = elsewhere.chain(["staged:before_commit", "staged:committed"]);
    // And a change of a team's limits takes many bots.
    let elsewhere = elsewhere.chain(super::limits::STEPS.into_iter().map(|(point, _)| point));
    // A file is taken into the register by a command.
    let elsewhere = elsewhere.chain(crate::register::kill::STEPS.into_iter().map(|(point, _)| point));
    // A change of the master key takes another one, in `vault.rs`.
    let elsewhere = elsewhere.chain(["vault:rewrapped"]);
    // No server of these sends keys: an agent that takes and drops them is killed in its own tests.
    let elsewhere = elsewhere.chain(["agent:before_key", "agent:key", "agent:before_key_ack", "agent:keys_dropped"]);
    let planned: std::collections::BTreeSet<String> =
        deck().iter().filter_map(|plan| plan.point).chain(elsewhere).map(str::to_owned).collect();
    assert_eq!(found, planned);
}
