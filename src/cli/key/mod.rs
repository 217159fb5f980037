//! `andon key`: exchange keys, on whatever machine they are.

mod file;
mod inspect;
mod install;
mod measure;

use super::Failure;
pub(super) use measure::measurer;
use std::process::ExitCode;

/// The commands for exchange keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Ask a venue what a key may do, and compare that with what it is for. The key stays here: nothing is kept or sent to anybody else.
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::Args),
    /// Hand in a bot's key on its agent's host: measured from here, sealed to the agent, seen by nobody else.
    #[command(after_help = install::HELP)]
    Install(install::Args),
}

/// Runs the command.
///
/// # Errors
/// When the key cannot be read, or its venue does not say what it is.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Inspect(args) => inspect::run(args).await,
        Command::Install(args) => install::run(args).await,
    }
}
