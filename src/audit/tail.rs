//! The end of a log against its head, in a time that does not grow with the log: the last entries from their bytes, the tiles that they fill,
//! and from there the head's frontier. What lies further back only the full verification reads.

use super::{
    Canonical, Finding, Row,
    record::leaf_hash,
    tree::{Frontier, Hash, root_of},
};
use std::collections::HashMap;

/// Leaves of a tile.
const TILE: u64 = 256;

/// The end of a log as a database holds it.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// The head's size.
    pub size: u64,
    /// The head's frontier.
    pub frontier: Vec<u8>,
    /// Every entry from `first` on, in order.
    pub rows: Vec<Row>,
    /// The stored nodes that `nodes` asks for: tile level and place.
    pub nodes: HashMap<(u64, u64), Hash>,
}

/// Where to begin, so that at least the last `most` entries are read: the beginning of a tile.
pub fn first(size: u64, most: u64) -> u64 {
    size.saturating_sub(most) / TILE * TILE
}

/// Which stored nodes are asked for: of each tile level, every one from a place on.
pub fn nodes(size: u64, first: u64) -> Vec<(u64, u64)> {
    let from = |level: u64| size.checked_shr(8 * (level as u32 + 1)).unwrap_or(0) * TILE;
    (1..8)
        .filter(|level| size >> (8 * level) > 0)
        .map(|level| (level, if level == 1 { from(1).min(first / TILE) } else { from(level) }))
        .collect()
}

impl Tail {
    /// What is wrong with it; empty: nothing.
    pub fn findings(&self, first: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let leaves = self.leaves(first, &mut findings);
        let mut whole = |what: String| findings.push(Finding { seq: None, what });
        if first + leaves.len() as u64 != self.size {
            whole(format!("the head says {} entries; there are {}", self.size, first + leaves.len() as u64));
            return findings;
        }
        for (n, tile) in leaves.chunks_exact(TILE as usize).enumerate() {
            let at = first / TILE + n as u64;
            if self.nodes.get(&(1, at)) != Some(&root_of(tile)) {
                whole(format!("the stored node over entries {} to {} is not theirs", at * TILE, (at + 1) * TILE - 1));
            }
        }
        match Frontier::decode(self.size, &self.frontier) {
            Ok(frontier) if self.frontier_of(first, &leaves).is_some_and(|roots| roots.concat() == frontier.encode()) => {}
            Ok(_) => whole("the head's frontier is not that of the entries".into()),
            Err(error) => whole(error.to_string()),
        }
        findings
    }

    fn leaves(&self, first: u64, findings: &mut Vec<Finding>) -> Vec<Hash> {
        let mut leaves = Vec::with_capacity(self.rows.len());
        for (row, expected) in self.rows.iter().zip(first..) {
            let mut find = |what: String| findings.push(Finding { seq: Some(row.seq), what });
            if row.seq != expected {
                find(format!("entry {expected} should stand here: entries are missing or out of order"));
            }
            let leaf = leaf_hash(&row.body);
            if row.leaf_hash != leaf {
                find("the stored leaf is not the hash of the entry's bytes: the entry was changed".into());
            }
            if let Err(error) = Canonical::from_stored(row.body.clone()) {
                find(format!("the bytes are no entry: {error}"));
            }
            leaves.push(leaf);
        }
        leaves
    }

    /// The roots of the perfect subtrees, big to small; none when a node is missing.
    fn frontier_of(&self, first: u64, leaves: &[Hash]) -> Option<Vec<Hash>> {
        let bits = (0..u64::BITS).rev().filter(|bit| self.size >> bit & 1 == 1);
        bits.map(|bit| {
            let begin = self.size.checked_shr(bit + 1).unwrap_or(0) << 1 << bit;
            let level = u64::from(bit / 8);
            let count = 1u64 << (bit % 8);
            if level == 0 {
                let at = usize::try_from(begin - first).ok()?;
                return Some(root_of(leaves.get(at..at + count as usize)?));
            }
            let n = begin >> (8 * level);
            let under: Option<Vec<Hash>> = (n..n + count).map(|n| self.nodes.get(&(level, n)).copied()).collect();
            Some(root_of(&under?))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Actor, Event, Record};
    use crate::domain::{TeamId, Timestamp};

    fn log(size: u64) -> (Vec<Row>, Frontier, HashMap<(u64, u64), Hash>) {
        let (mut rows, mut frontier, mut nodes) = (Vec::new(), Frontier::default(), HashMap::new());
        let event = Event::TeamCreated { team: TeamId::new(), name: "arb".into() };
        for seq in 0..size {
            let record =
                Record { actor: Actor::server(), ts: Timestamp(seq as i64), happened_at: None, node: "n".into(), event: event.clone() };
            let entry = Canonical::new(&record).unwrap();
            nodes.extend(frontier.push(entry.leaf()).into_iter().map(|node| ((node.level, node.n), node.hash)));
            let (id, kind, actor) = (String::new(), String::new(), String::new());
            rows.push(Row { seq, leaf_hash: entry.leaf().to_vec(), body: entry.bytes().to_vec(), id, ts: 0, kind, actor, obj: None });
        }
        (rows, frontier, nodes)
    }

    fn tail((rows, frontier, stored): &(Vec<Row>, Frontier, HashMap<(u64, u64), Hash>), size: u64, most: u64) -> (Tail, u64) {
        let first = first(size, most);
        let asked = nodes(size, first);
        let is_asked = |(level, n): &(u64, u64)| asked.iter().any(|(of, from)| of == level && n >= from);
        let nodes = stored.iter().filter(|(at, _)| is_asked(at)).map(|(at, hash)| (*at, *hash)).collect();
        let rows = rows.iter().skip(first as usize).cloned().collect();
        (Tail { size, frontier: frontier.encode(), rows, nodes }, first)
    }

    #[test]
    fn a_true_end_is_found_true_at_every_size() {
        for size in [0, 1, 255, 256, 257, 700] {
            let log = log(size);
            for most in [1, 300, 5_000] {
                let (tail, first) = tail(&log, size, most);
                assert_eq!(tail.findings(first), [], "{size} entries, the last {most}");
            }
        }
    }

    #[test]
    fn whatever_was_changed_at_the_end_is_found() {
        let log = log(700);
        let (true_tail, first) = tail(&log, 700, 300);
        let wrong = |change: &dyn Fn(&mut Tail)| {
            let mut tail = true_tail.clone();
            change(&mut tail);
            assert!(!tail.findings(first).is_empty());
        };
        wrong(&|tail| tail.rows[20].body = tail.rows[21].body.clone());
        wrong(&|tail| tail.rows[20].leaf_hash[0] ^= 1);
        wrong(&|tail| tail.rows.truncate(30));
        wrong(&|tail| drop(tail.rows.remove(7)));
        wrong(&|tail| tail.rows.swap(3, 4));
        wrong(&|tail| tail.frontier[0] ^= 1);
        wrong(&|tail| tail.frontier.truncate(64));
        wrong(&|tail| tail.nodes.get_mut(&(1, 1)).unwrap()[0] ^= 1);
        wrong(&|tail| tail.nodes.retain(|at, _| *at != (1, 0)));
        // Bytes and leaf changed together: the tree above them tells.
        wrong(&|tail| {
            let (body, leaf) = (tail.rows[9].body.clone(), tail.rows[9].leaf_hash.clone());
            (tail.rows[8].body, tail.rows[8].leaf_hash) = (body, leaf);
        });
    }
}
