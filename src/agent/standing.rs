//! What an agent says about itself and its bot in a check-in: a snapshot that the runner publishes and the link sends.

use super::{brain::Patience, keys::Versions};
use crate::domain::{Epoch, State};
use crate::protocol::{AdapterSaid, CarriedHold, Report};
use std::sync::Arc;

/// The snapshot.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The highest epoch seen.
    pub epoch: Epoch,
    /// What the bot does, as last read back.
    pub state: State,
    /// The limits version taken over.
    pub limits_version: Option<i64>,
    /// Only a start above this counts.
    pub start_after: Option<Epoch>,
    /// Holds it carries.
    pub holds: Vec<CarriedHold>,
    /// The lease ran out, and the server has not answered a check-in that says so.
    pub lapsed: bool,
    /// How often it ran out in this boot.
    pub lapses: u64,
    /// It heard an epoch below its own.
    pub server_behind: bool,
    /// What the bot runs.
    pub runs: Runs,
    /// The newest version of each exchange key that is held.
    pub key_versions: Versions,
    /// What tells the bot.
    pub adapter: AdapterSaid,
    /// How often to check in. Milliseconds.
    pub check_in_ms: i64,
    /// How long silence is borne.
    pub patience: Patience,
    /// The latest report and its number, so that each is sent once.
    pub report: Option<(u64, Arc<Report>)>,
}

/// Digests of what the bot runs. Absent is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// Of its build: `sha256:…`.
    pub build: Option<String>,
    /// Of its configuration: `sha256:…`.
    pub config: Option<String>,
    /// Its strategy by name.
    pub strategy: Option<String>,
    /// Where it trades: `VENUE/SUBACCOUNT`.
    pub subaccount: Option<String>,
}

impl Standing {
    /// True when the server should not wait for the next regular check-in to learn of this.
    pub fn is_news_after(&self, before: &Self) -> bool {
        let said = |s: &Self| (s.epoch, s.state, s.limits_version, s.start_after, s.lapsed, s.server_behind);
        said(self) != said(before) || self.holds != before.holds || self.runs != before.runs || self.key_versions != before.key_versions
    }
}
