//! What can happen, the rules of the protocol that are taken away one at a time, and how far a scenario goes.

use super::agent::Kept;

/// A rule. Without it the model must find a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Going up is never answered from memory.
    UpIsRead,
    /// A start needs the last stop acknowledged.
    StopIsAcknowledged,
    /// A lease runs from the moment the check-in was sent.
    LeaseFromSending,
    /// A start takes its epoch, which locks, and reads after that.
    ReadsAfterTheLock,
    /// A lapse is a stop: what was started before it is forgotten.
    LapseIsLatched,
    /// An agent carries holds that no database has.
    HoldsAreCarried,
    /// Only the newest boot gets an answer.
    OnlyTheNewestBoot,
    /// A replica asks the database again which boot is newest once the bot was stopped since.
    BootIsAskedAgain,
    /// A replica lends no longer than its view is fresh.
    LeaseIsLessTheAge,
    /// A signature counts only for the stop that was signed.
    SignedStopIsTheLatest,
    /// What is spooled outlives its server.
    SpoolIsKept,
    /// A database that was put back to an earlier state pauses the fleet.
    RestorePauses,
    /// A lease of the agent ends at all.
    LeaseEnds,
    /// A hold that is merged from a spool stops, whatever was started meanwhile.
    MergeIsAStop,
}

/// How often what happens rarely happens at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    pub ticks: u8,
    pub presses: u8,
    pub releases: u8,
    pub starts: u8,
    /// A replica loses its database.
    pub cuts: u8,
    pub reboots: u8,
    /// A server is killed and started again.
    pub crashes: u8,
    pub restores: u8,
    /// The agent's machine is copied and the copy runs.
    pub clones: u8,
    /// A message does not come at once.
    pub delays: u8,
}

/// What is explored, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub replicas: usize,
    /// One server that alone writes its database.
    pub is_embedded: bool,
    /// The bot trades at the beginning; else its agent has just come.
    pub is_trading: bool,
    pub budget: Budget,
    pub depth: usize,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Tick,
    /// A check-in and its answer, with nothing in between.
    Talk {
        process: usize,
        replica: usize,
    },
    /// A check-in that comes at once, and an answer that is under way.
    Ask {
        process: usize,
        replica: usize,
    },
    /// A check-in that is under way.
    Send {
        process: usize,
    },
    Take {
        message: usize,
        replica: usize,
    },
    Hear {
        message: usize,
    },
    WriteMemory {
        process: usize,
    },
    /// A stream tells what is new: at once, or it is under way.
    Push {
        replica: usize,
        comes: bool,
    },
    Press {
        replica: usize,
    },
    Release {
        hold: u8,
        replica: usize,
    },
    Sign {
        replica: usize,
    },
    CarryOut {
        replica: usize,
    },
    Cut {
        replica: usize,
    },
    Heal {
        replica: usize,
    },
    Merge {
        replica: usize,
    },
    Reboot {
        process: usize,
        kept: Kept,
    },
    Crash {
        replica: usize,
    },
    Backup,
    Restore,
    Clone,
}
