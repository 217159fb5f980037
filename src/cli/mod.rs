//! The command line, one file per command. Here everything is put together; the only reader of `config` and `telemetry`.

pub mod agent;
pub mod audit;
pub mod control;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod health;
pub mod key;
pub mod master_key;
pub mod near;
pub mod out;
pub mod place;
pub mod recover;
pub mod register;
pub mod remote;
pub mod replica;
pub mod request;
pub mod serve;
pub mod site;
pub mod stop;
pub mod user;

use crate::config::{self, ConfigError};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// How long an ended command waits for writes to a disk that are under way.
const DISK_PATIENCE: Duration = Duration::from_secs(2);

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
    #[command(after_help = config::serve::HELP)]
    Serve(serve::Args),
    /// Explain what is wrong with this installation and its settings. Changes nothing.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Args),
    /// Run a server with a throw-away fleet of demo bots, to look around.
    Demo(demo::Args),
    /// Stop bots, now: over HTTP with a token, or over the control socket on the server's host.
    Stop(stop::Args),
    /// Ask the server on this machine whether it can take a stop; exit code 0 when it can. Takes the settings of `andon serve`.
    #[command(after_help = config::serve::HELP)]
    Health(config::ServeArgs),
    /// Run a bot under an agent that obeys the server.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Look at exchange keys: what a venue says that one may do.
    #[command(subcommand)]
    Key(key::Command),
    /// Verify the audit log; print its key.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Add a replica to an installation.
    #[command(subcommand)]
    Replica(replica::Command),
    /// Recover somebody's account on the server's host.
    #[command(subcommand)]
    User(user::Command),
    /// After a restore or a freeze: say what is known, and print the links by which two people let the site go on.
    Recover(recover::Args),
    /// Take the register out to a file, or a file into it.
    #[command(subcommand)]
    Register(register::Command),
    /// Look at requests, ask for what raises risk, deny and take back: over HTTP with a token. Approving takes a browser and a security key.
    #[command(subcommand)]
    Request(request::Command),
    /// A demo bot that is a process of its own.
    #[command(subcommand, hide = true)]
    DemoBot(demo::bot::Command),
}

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    // TLS needs one provider of cryptography per process; a second installation is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match arguments() {
        Ok(arguments) => run(arguments.command),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("andon: {}", with_causes(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line; where it names a configuration file, once more with the file's values as defaults.
fn arguments() -> Result<Arguments, ConfigError> {
    let command = Arguments::command();
    let matches = command.clone().get_matches();
    let named = matches.subcommand().and_then(|(name, of)| Some((name, of.try_get_one::<PathBuf>("config").ok()??)));
    let Some((name, file)) = named else { return Ok(Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())) };
    let with_file = |name: &str| {
        let mut beneath = Ok(());
        let layered = command.clone().mut_subcommand(name, |inner| {
            let kept = inner.clone();
            config::file::beneath(inner, file).unwrap_or_else(|error| {
                beneath = Err(error);
                kept
            })
        });
        beneath?;
        let read = layered.try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
        // Without the file the same line could be read, so the file is to blame.
        read.map_err(|error| config::file::blamed(file, &error))
    };
    match (with_file(name), Arguments::from_arg_matches(&matches)) {
        // The doctor says what is wrong with it.
        (Err(error), Ok(Arguments { command: Command::Doctor(args) })) => {
            Ok(Arguments { command: Command::Doctor(args.with_bad_file(error.why)) })
        }
        (read, _) => read,
    }
}

/// Memory holds tokens and keys: none of it is written to a disk when the process dies. Whatever it starts may ask for its own dumps.
fn without_core_dumps() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }) {
        eprintln!("andon: a dump of memory cannot be prevented: {error}");
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    without_core_dumps();
    match command {
        Command::Serve(args) => on_runtime(serve::run(args)),
        Command::Demo(args) => on_runtime(demo::run(args)),
        Command::Stop(args) => on_runtime(stop::run(args)),
        Command::Health(args) => on_runtime(health::run(args)),
        // On this thread and outside of any runtime: what it starts ends with the thread that started it.
        Command::Agent(command) => agent::run(command),
        Command::Key(command) => on_runtime(key::run(command)),
        Command::Audit(command) => on_runtime(audit::run(command)),
        Command::Replica(command) => on_runtime(replica::run(command)),
        Command::User(command) => on_runtime(user::run(command)),
        Command::Recover(args) => on_runtime(recover::run(args)),
        Command::Register(command) => on_runtime(register::run(command)),
        Command::Request(command) => on_runtime(request::run(command)),
        Command::Doctor(args) => on_runtime(doctor::run(args)),
        Command::DemoBot(command) => on_runtime(demo::bot::run(command)),
    }
}

fn on_runtime(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(command);
    // A disk that hangs does not keep the process from ending.
    runtime.shutdown_timeout(DISK_PATIENCE);
    outcome
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
