//! The protocol of holds, starts and leases, explored: the production functions that decide, with everything that can go wrong between them.
//! What must hold: no path to active without a signed start newer than every stop; every agent halts within its lapse time after losing contact,
//! and after a stop that was recorded; no hold is lost. Without any one of its rules the protocol does not hold, and the model finds it.
//!
//! Not in it: levels other than pause, limits, scopes, and numbers of check-ins (a check-in that was overtaken counts here, which is worse).

mod agent;
mod explorer;
mod history;
mod rules;
mod server;
mod wire;
mod world;

use crate::faults::now_ms;
use explorer::{Explored, explore};
use rules::{Budget, Rule, Scenario};
use world::Model;

const NOTHING: Budget =
    Budget { ticks: 0, presses: 0, releases: 0, starts: 0, cuts: 0, reboots: 0, crashes: 0, restores: 0, clones: 0, delays: 0 };
/// Two replicas of a database server, and a bot that trades.
const TWO: Scenario = Scenario { name: "two replicas", replicas: 2, is_embedded: false, is_trading: true, budget: NOTHING, depth: 0 };
/// One server with its own database, and a bot that trades.
const ONE: Scenario = Scenario { name: "one server", replicas: 1, is_embedded: true, ..TWO };

fn run(scenario: Scenario, without: Option<Rule>) -> Explored {
    let began_ms = now_ms();
    let found = explore(&Model::new(scenario, without), scenario.depth);
    println!(
        "{}{}: {} states, {} steps, {} good starts, everything within {} steps, {:.1} s; at most {:?}",
        scenario.name,
        without.map_or(String::new(), |rule| format!(" without {rule:?}")),
        found.states,
        found.steps,
        found.good,
        found.depth,
        (now_ms() - began_ms) as f64 / 1_000.0,
        scenario.budget
    );
    found
}

/// Explores with every rule in place: nothing goes wrong, and bots are started.
fn holds(scenario: Scenario, states: usize) {
    let found = run(scenario, None);
    assert!(found.wrong.is_none(), "{}: {:#?}", scenario.name, found.wrong);
    assert!(found.good > 0, "a protocol that starts nobody is safe and of no use");
    assert!(found.states >= states, "{} states of at least {states}", found.states);
}

#[test]
fn it_holds_while_a_replica_is_cut_off_from_the_database() {
    let budget = Budget { ticks: 3, presses: 1, releases: 1, starts: 1, cuts: 1, delays: 1, ..NOTHING };
    holds(Scenario { budget, depth: 7, ..TWO }, 100_000);
}

#[test]
fn it_holds_while_the_disk_is_full_and_the_server_is_killed() {
    let budget = Budget { ticks: 4, presses: 1, releases: 1, starts: 1, cuts: 1, crashes: 1, delays: 1, ..NOTHING };
    holds(Scenario { budget, depth: 7, ..ONE }, 25_000);
}

#[test]
fn it_holds_while_an_agent_is_killed_and_its_memory_kept_lost_or_cut_short() {
    let budget = Budget { ticks: 3, presses: 1, releases: 1, starts: 1, cuts: 1, reboots: 1, delays: 1, ..NOTHING };
    holds(Scenario { budget, depth: 7, ..ONE }, 40_000);
}

#[test]
fn it_holds_while_the_database_is_put_back_to_an_earlier_state() {
    let budget = Budget { ticks: 4, presses: 1, releases: 2, starts: 1, restores: 1, delays: 1, ..NOTHING };
    holds(Scenario { budget, depth: 7, ..ONE }, 15_000);
}

#[test]
fn it_holds_while_a_copy_of_the_agents_machine_runs_beside_it() {
    let budget = Budget { ticks: 3, starts: 1, clones: 1, delays: 1, ..NOTHING };
    holds(Scenario { budget, depth: 7, ..TWO }, 8_000);
}

#[test]
fn it_holds_for_an_agent_that_has_just_come() {
    let budget = Budget { ticks: 1, presses: 1, releases: 1, starts: 2, crashes: 1, ..NOTHING };
    holds(Scenario { is_trading: false, budget, depth: 7, ..TWO }, 8_000);
}

/// Takes one rule away: the model must find what then goes wrong.
fn breaks(rule: Rule, scenario: Scenario, how: &str) {
    let kept = run(scenario, None);
    assert!(kept.wrong.is_none(), "with every rule: {:#?}", kept.wrong);
    let (wrong, way) = run(scenario, Some(rule)).wrong.unwrap_or_else(|| panic!("without {rule:?} nothing goes wrong"));
    println!("  {wrong}: {}", way.join(", "));
    assert_eq!(wrong, how, "{way:#?}");
}

#[test]
fn what_is_told_to_a_bot_rests_on_every_rule() {
    let (cut, press) = (Budget { cuts: 1, presses: 1, ..NOTHING }, Budget { presses: 1, releases: 1, ..NOTHING });
    breaks(Rule::UpIsRead, Scenario { budget: cut, depth: 5, ..TWO }, "a server freed a bot under a start that a stop had overruled");
    breaks(
        Rule::StopIsAcknowledged,
        Scenario { budget: Budget { starts: 2, ..press }, is_trading: false, depth: 10, ..TWO },
        "a start passed while the bot had not stopped",
    );
    breaks(
        Rule::ReadsAfterTheLock,
        Scenario { budget: Budget { starts: 1, ..press }, is_trading: false, depth: 6, ..TWO },
        "a start passed under a hold that the database had",
    );
    breaks(
        Rule::SignedStopIsTheLatest,
        Scenario { budget: Budget { starts: 1, ..press }, is_trading: false, depth: 9, ..ONE },
        "a start passed whose signature is older than a stop",
    );
    let clone = Budget { clones: 1, starts: 1, ..NOTHING };
    breaks(Rule::OnlyTheNewestBoot, Scenario { budget: clone, depth: 9, ..ONE }, "one start freed a bot twice");
    breaks(Rule::BootIsAskedAgain, Scenario { budget: clone, depth: 9, ..TWO }, "one start freed a bot twice");
}

#[test]
fn what_ends_without_contact_rests_on_every_rule() {
    let time = Budget { ticks: 3, delays: 1, ..NOTHING };
    let silence = "not halted within its lapse time after losing contact";
    breaks(Rule::LeaseEnds, Scenario { budget: time, depth: 4, ..ONE }, silence);
    let stale = "not reducing within its stale time after losing contact";
    breaks(Rule::LeaseFromSending, Scenario { budget: time, depth: 6, ..ONE }, stale);
    breaks(Rule::LapseIsLatched, Scenario { budget: time, depth: 6, ..ONE }, "freed by a start from before a stop that its agent knew of");
    let overruled = "not halted within its lapse time after a stop was recorded";
    let cut = Budget { ticks: 3, cuts: 1, presses: 1, ..NOTHING };
    breaks(Rule::LeaseIsLessTheAge, Scenario { budget: cut, depth: 7, ..TWO }, overruled);
    let restore = Budget { ticks: 3, restores: 1, ..NOTHING };
    let freed = "a server freed a bot under a start that a stop had overruled";
    breaks(Rule::RestorePauses, Scenario { budget: restore, depth: 6, ..ONE }, freed);
}

#[test]
fn what_is_kept_rests_on_every_rule() {
    let spooled = Budget { cuts: 1, presses: 1, crashes: 1, ..NOTHING };
    breaks(Rule::SpoolIsKept, Scenario { budget: spooled, depth: 4, ..ONE }, "a hold is lost");
    breaks(Rule::MergeIsAStop, Scenario { budget: spooled, depth: 5, ..ONE }, "a hold is lost");
    let budget = Budget { cuts: 1, presses: 2, releases: 1, starts: 1, ..NOTHING };
    breaks(Rule::HoldsAreCarried, Scenario { budget, depth: 8, ..TWO }, "it does more than halt under a hold that it was told of");
}
