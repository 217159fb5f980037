//! An explicit-state explorer: every state that a machine can reach within its bounds, breadth first, so that the way to a violation is a
//! shortest one. The crate of this kind that is alive brings a web server along for its page; these hundred lines do not.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

/// What is explored.
pub trait Machine {
    type State: Clone + Hash;
    type Step: Copy + Debug;

    /// Where it begins.
    fn begins(&self) -> Self::State;
    /// What can happen next.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;
    /// What it leads to; none: nothing happens.
    fn after(&self, state: &Self::State, step: Self::Step) -> Option<Self::State>;
    /// What is wrong with a state that was reached.
    fn wrong(&self, state: &Self::State) -> Option<String>;
    /// True when this state was reached by what must be possible: somebody was started.
    fn is_good(&self, state: &Self::State) -> bool;
}

/// What was found.
#[derive(Debug, Default)]
pub struct Explored {
    pub states: usize,
    pub steps: usize,
    /// Steps by which something was started.
    pub good: usize,
    /// How far from the beginning the last new state was.
    pub depth: usize,
    /// What went wrong first, and the shortest way to it.
    pub wrong: Option<(String, Vec<String>)>,
}

/// Explores everything within so many steps of the beginning; stops at the first violation.
pub fn explore<M: Machine>(machine: &M, depth: usize) -> Explored {
    let mut found = Explored::default();
    let mut seen = HashSet::new();
    // Every state's parent and the step from there, to tell the way.
    let mut ways: Vec<(usize, Option<M::Step>)> = vec![(0, None)];
    let begins = machine.begins();
    seen.insert(fingerprint(&begins));
    let mut edge = vec![(0, begins)];
    found.states = 1;
    for level in 1..=depth {
        let mut next = Vec::new();
        for (at, state) in edge {
            for step in machine.steps(&state) {
                let Some(reached) = machine.after(&state, step) else { continue };
                found.steps += 1;
                found.good += usize::from(machine.is_good(&reached));
                if !seen.insert(fingerprint(&reached)) {
                    continue;
                }
                found.states += 1;
                found.depth = level;
                ways.push((at, Some(step)));
                if let Some(wrong) = machine.wrong(&reached) {
                    found.wrong = Some((wrong, way::<M>(&ways, ways.len() - 1)));
                    return found;
                }
                next.push((ways.len() - 1, reached));
            }
        }
        if next.is_empty() {
            break;
        }
        edge = next;
    }
    found
}

/// 64 bits: among a million states two share one by chance once in forty million runs.
fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn way<M: Machine>(ways: &[(usize, Option<M::Step>)], mut at: usize) -> Vec<String> {
    let mut steps = Vec::new();
    while let (from, Some(step)) = ways[at] {
        steps.push(format!("{step:?}"));
        at = from;
    }
    steps.reverse();
    steps
}
