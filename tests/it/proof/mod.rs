//! The protocol of holds, starts and leases, explored: the production functions that decide, with everything that can go wrong between them.
//! What must hold: no path to active without a signed start newer than every stop; every agent halts within its lapse time after losing contact,
//! and after a stop that was recorded; no hold is lost. Without any one of its rules the protocol does not hold, and the model finds it.

mod agent;
mod explorer;
mod rules;
mod server;
mod wire;
mod world;

use explorer::{Explored, explore};
use rules::{Budget, Rule, Scenario};
use std::time::Instant;
use world::Model;

fn run(scenario: Scenario, without: Option<Rule>) -> Explored {
    let began = Instant::now();
    let found = explore(&Model::new(scenario, without), scenario.depth);
    println!(
        "{}{}: {} states, {} steps, {} good starts, depth {} of {}, {:.1} s; at most {:?}",
        scenario.name,
        without.map_or(String::new(), |rule| format!(" without {rule:?}")),
        found.states,
        found.steps,
        found.good,
        found.depth,
        scenario.depth,
        began.elapsed().as_secs_f64(),
        scenario.budget
    );
    found
}

const TWO: Scenario = Scenario {
    name: "two replicas, one of them cut off",
    replicas: 2,
    is_embedded: false,
    is_trading: true,
    budget: Budget { ticks: 3, presses: 1, releases: 1, starts: 1, cuts: 1, reboots: 0, crashes: 0, restores: 0, clones: 0 },
    depth: 6,
};

#[test]
fn probe() {
    let depth = std::env::var("DEPTH").map_or(6, |text| text.parse().unwrap());
    let found = run(Scenario { depth, ..TWO }, None);
    println!("{:#?}", found.wrong);
}
