//! The end of the log against its head, read from a database in little time: what the doctor asks.

use super::AppError;
use crate::audit::{Finding, tail};
use crate::storage::{self, Conn};

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

/// Reads at least the last `most` entries and checks them against the head.
///
/// # Errors
/// When the database cannot be read.
pub async fn check_tail(conn: &mut Conn, most: u64) -> Result<TailReport, AppError> {
    let head = storage::audit::audit_head(conn).await?;
    let size = head.size.unsigned_abs();
    let first = tail::first(size, most);
    // One more than the head says, so that an entry beyond it is seen.
    let rows = storage::audit::audit_from(conn, first as i64, (size - first) as i64 + 1).await?;
    let mut nodes = std::collections::HashMap::new();
    for (level, n) in tail::nodes(size, first) {
        let found = storage::audit::audit_nodes_from(conn, level, n).await?;
        nodes.extend(found.into_iter().map(|node| ((node.level, node.n), node.hash)));
    }
    let read = rows.len() as u64;
    let findings = tail::Tail { size, frontier: head.frontier, rows, nodes }.findings(first);
    Ok(TailReport { size, read, is_open: head.is_open, findings })
}
