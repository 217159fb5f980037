//! The end of the log against its head, read from a database in little time: what the doctor asks.

use super::AppError;
use crate::audit::{Finding, tree::Node};
use crate::storage::{self, Conn};
use std::collections::{BTreeMap, HashSet};

/// What was found at the end of a log.
#[derive(Debug, Clone)]
pub struct TailReport {
    /// Entries in the log.
    pub size: u64,
    /// How many of them were read.
    pub read: u64,
    /// False while the log takes no entry.
    pub is_open: bool,
    /// What is wrong; empty: nothing.
    pub findings: Vec<Finding>,
}

/// Reads the last `most` entries and checks them against the head: their bytes, the stored nodes that they complete, and from the stored
/// tree before them the head's frontier.
///
/// # Errors
/// When the database cannot be read.
pub async fn check_tail(conn: &mut Conn, most: u64) -> Result<TailReport, AppError> {
    let head = storage::audit::audit_head(conn).await?;
    let size = head.size.unsigned_abs();
    let first = size.saturating_sub(most);
    // One more than the head says, so that an entry beyond it is seen.
    let rows = storage::audit::audit_from(conn, first as i64, (size - first) as i64 + 1).await?;
    let mut report = TailReport { size, read: rows.len() as u64, is_open: head.is_open, findings: Vec::new() };
    let mut find = |seq, what: String| report.findings.push(Finding { seq, what });
    let mut frontier = match storage::audit::audit_frontier_at(conn, first as i64).await {
        Ok(frontier) => frontier,
        Err(storage::Error::Unreadable(why)) => {
            find(None, why);
            return Ok(report);
        }
        Err(error) => return Err(error.into()),
    };
    let mut nodes: Vec<Node> = Vec::new();
    for row in &rows {
        match row.grow(&mut frontier) {
            Ok(completed) => nodes.extend(completed),
            Err(why) => {
                find(Some(row.seq), why);
                return Ok(report);
            }
        }
    }
    if frontier.size() != size {
        find(None, format!("the head says {size} entries; there are {}", frontier.size()));
    } else if frontier.encode() != head.frontier {
        find(None, "the head's frontier is not that of the entries".into());
    }
    let wrong = wrong_nodes(conn, &nodes).await?;
    if wrong > 0 {
        find(None, format!("{wrong} stored nodes of the tree over these entries are missing or wrong"));
    }
    Ok(report)
}

/// How many of these nodes are not stored as they are.
async fn wrong_nodes(conn: &mut Conn, nodes: &[Node]) -> Result<usize, AppError> {
    let mut first = BTreeMap::new();
    for node in nodes {
        first.entry(node.level).or_insert(node.n);
    }
    let mut stored = HashSet::new();
    for (level, n) in first {
        stored.extend(storage::audit::audit_nodes_from(conn, level, n).await?.into_iter().map(|node| (node.level, node.n, node.hash)));
    }
    Ok(nodes.iter().filter(|node| !stored.contains(&(node.level, node.n, node.hash))).count())
}
