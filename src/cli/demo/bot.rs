//! A demo bot that is a process of its own, started and stopped by its agent through the `process` adapter. It writes what it has to report
//! and its last fills into a file, and cancels its entry orders when it is told to end.

use super::market::Market;
use crate::cli::out::put;
use crate::cli::{Failure, serve::told_to_stop};
use crate::domain::Clock;
use crate::protocol::{FillFrame, Report};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// How often it trades.
const EVERY: Duration = Duration::from_millis(1_000);

/// What the demo bot does.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Trade until told to end.
    Run {
        /// Where it writes what it has to report.
        #[arg(long)]
        file: PathBuf,
        /// Its configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print what it has to report, as the agent's report command.
    Report {
        /// Where it writes.
        #[arg(long)]
        file: PathBuf,
    },
}

/// What it is configured with: its agent tells the digest of this file, and another one is another configuration.
#[derive(Debug, Serialize, Deserialize)]
pub struct Configured {
    /// Its luck.
    pub seed: u64,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be written or read.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run { file, config } => {
            let Configured { seed } = serde_json::from_slice(&std::fs::read(config)?)?;
            trade(&file, seed).await?;
        }
        Command::Report { file } => match std::fs::read_to_string(&file) {
            Ok(text) => put!("{text}")?,
            // It never ran: it has no orders.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let nothing = Report { open_orders: Some(0), entry_orders: Some(0), ..Report::default() };
                put!("{}", serde_json::to_string(&nothing)?)?;
            }
            Err(error) => return Err(error.into()),
        },
    }
    Ok(ExitCode::SUCCESS)
}

async fn trade(file: &Path, seed: u64) -> Result<(), Failure> {
    let (mut market, clock) = (Market::new(seed, 60, false), Clock::system());
    let mut end = std::pin::pin!(told_to_stop());
    loop {
        market.trade(clock.now());
        write(file, &mut market)?;
        tokio::select! {
            () = &mut end => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    market.cancel_entries();
    write(file, &mut market)
}

/// What it writes.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: Report,
    fills: &'a VecDeque<FillFrame>,
}

/// Replaces the file at once, so that a reader never sees half of it.
fn write(file: &Path, market: &mut Market) -> Result<(), Failure> {
    let next = file.with_extension("next");
    let told = Told { report: market.report(), fills: market.fills() };
    std::fs::write(&next, serde_json::to_vec(&told)?)?;
    std::fs::rename(&next, file)?;
    Ok(())
}
