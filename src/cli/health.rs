//! `andon health`: asks this machine's server whether it can take a stop, for container and service managers. Reads the same settings as
//! `andon serve` and asks the listener itself, not the address that people use; whose certificate it shows is not the question.

use super::{Failure, near};
use crate::cli::out::put;
use crate::config::ServeArgs;
use std::process::ExitCode;

/// Runs the command.
///
/// # Errors
/// When nobody answers, or the answer is not 200.
pub async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    let settings = args.check()?;
    let at = settings.listen;
    let told = |error: std::io::Error| format!("{at}: {error}");
    let stream = near::connect(at).await.map_err(told)?;
    let answer = near::ask(stream, "/healthz", settings.transport.tls.is_some()).await.map_err(told)?;
    // Another program at this address may answer 200 as well.
    if answer.status == 200 && answer.body.trim() == "ok" {
        put!("it can take a stop")?;
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("{at} answers {}: {}", answer.status, answer.body.trim()).into())
}
