//! The command line, one file per command. Here everything is put together; the only reader of `config` and `telemetry`.

pub mod agent;
pub mod audit;
pub mod control;
pub mod demo;
pub mod health;
pub mod serve;
pub mod site;
pub mod stop;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What a command fails with: printed with its causes, one line each.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Andon is the cord that stops the line: a control plane for fleets of crypto trading bots.
#[derive(Debug, Parser)]
#[command(name = "andon", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(crate::config::ServeArgs),
    /// Run a server with a throw-away fleet of demo bots, to look around.
    Demo(demo::Args),
    /// Stop bots, now: over HTTP with a token, or over the control socket on the server's host.
    Stop(stop::Args),
    /// Ask a server on this machine whether it can take a stop.
    Health(health::Args),
    /// Run a bot under an agent that obeys the server.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Verify the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// A demo bot that is a process of its own.
    #[command(subcommand, hide = true)]
    DemoBot(demo::bot::Command),
}

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // TLS needs one provider of cryptography per process; a second installation is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match arguments.command {
        Command::Serve(args) => on_runtime(serve::run(args)),
        Command::Demo(args) => on_runtime(demo::run(args)),
        Command::Stop(args) => on_runtime(stop::run(args)),
        Command::Health(args) => on_runtime(health::run(args)),
        // On this thread and outside of any runtime: what it starts ends with the thread that started it.
        Command::Agent(command) => agent::run(command),
        Command::Audit(command) => on_runtime(audit::run(command)),
        Command::DemoBot(command) => on_runtime(demo::bot::run(command)),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("andon: {}", with_causes(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn on_runtime(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

fn with_causes(failure: &(dyn std::error::Error + 'static)) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
