//! `andon agent …`: the sidecar beside a bot. `enrol` turns a one-time code into a credential, `run` starts the minder and with it the agent,
//! `status` shows what the directory holds, without secrets, `check` asks the bot whether all is set up. `launch` is not for people: it is the process between agent and bot.

use super::Failure;
use crate::agent::{
    Agent, AgentConfig, AgentDir, BootClock, MemoryStore, Outcome,
    adapters::launcher,
    brain::Brain,
    credential::{self, Credential, Enrolment, Keeper},
    dir::{Lock, try_lock, write_durably},
    keys::{self, KeyStore},
    link::{
        trust::Trust,
        wire::{Wire, is_loopback},
    },
    memory::Loaded,
    minder::{Minder, UNUSABLE},
    settings,
    tether::Tether,
};
use crate::domain::{Clock, Secret, text};
use crate::telemetry;
use std::{
    ffi::OsString,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// An agent whose minder was killed may still be halting its bot; its successor waits for that long.
const PREDECESSOR: Duration = Duration::from_secs(60);

/// The agent's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Turn a one-time code from the bot's page into this agent's credential
    Enrol(EnrolArgs),
    /// Run the bot under its agent
    Run(RunArgs),
    /// Ask the bot whether it is set up to be stopped: state, versions, latency, and what is wrong
    Check(CheckArgs),
    /// Show what the agent's directory holds
    Status(StatusArgs),
    /// The process between agent and bot
    #[command(hide = true)]
    Launch,
}

/// Arguments of `andon agent enrol`.
#[derive(Debug, clap::Args)]
pub struct EnrolArgs {
    /// The address of the server, as in a browser
    #[arg(long, env = "ANDON_SERVER")]
    server: String,
    /// The one-time code; `-` reads it from standard input, so that it does not show in the list of processes
    #[arg(long, env = "ANDON_ENROLMENT_CODE", hide_env_values = true)]
    code: String,
    /// The agent's directory
    #[arg(long, env = "ANDON_AGENT_DIR", default_value = "./andon-agent")]
    dir: PathBuf,
    /// The agent's name; the host's when absent
    #[arg(long, env = "ANDON_AGENT_NAME")]
    name: Option<String>,
    /// Certificates in PEM that alone vouch for the server: a private authority's, or the server's own. Kept as ca.pem in the directory
    #[arg(long, env = "ANDON_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Give up the credential that the directory holds
    #[arg(long)]
    replace: bool,
}

/// Arguments of `andon agent run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "agent.toml in the directory says which bot and how; the example there names every setting. A hold on one symbol: a Freqtrade bot \
    puts it on its blacklist and goes on elsewhere; a bot that is told by commands does so by its `block` command, which reads all held symbols as \
    JSON on standard input and ends with status 0 once it adds nothing in any of them. Until that is proved, and with every other bot, the whole \
    bot is reduced."
)]
pub struct RunArgs {
    /// The agent's directory
    #[arg(long, env = "ANDON_AGENT_DIR", default_value = "./andon-agent")]
    dir: PathBuf,
    /// Be the agent proper; the minder sets this
    #[arg(long, hide = true)]
    inner: bool,
    /// The bot's command, in place of the one in agent.toml
    #[arg(last = true)]
    command: Vec<String>,
}

/// Arguments of `andon agent check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The agent's directory
    #[arg(long, env = "ANDON_AGENT_DIR", default_value = "./andon-agent")]
    dir: PathBuf,
    /// Let a Freqtrade bot that is stopped reload its configuration, and see in which state it comes back: the one that a restart brings. It is
    /// halted at once if that is not `stopped`. The agent must not run meanwhile
    #[arg(long, env = "ANDON_AGENT_CHECK_RELOAD")]
    reload: bool,
}

/// Arguments of `andon agent status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// The agent's directory
    #[arg(long, env = "ANDON_AGENT_DIR", default_value = "./andon-agent")]
    dir: PathBuf,
}

/// Runs the command. Call it on the main thread and outside of any runtime: each command makes its own, and the processes that it starts end
/// with the thread that started them.
///
/// # Errors
/// In words for the person who called it.
pub fn run(command: Command) -> Result<ExitCode, Failure> {
    telemetry::begin(None);
    match command {
        Command::Enrol(args) => runtime()?.block_on(enrol(args)),
        Command::Run(args) if args.inner => Ok(inner(args)),
        Command::Run(args) => minder(args),
        Command::Check(args) => check(&args),
        Command::Status(args) => status(&args),
        Command::Launch => Ok(launcher::launch().map(|()| ExitCode::SUCCESS)?),
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn enrol(args: EnrolArgs) -> Result<ExitCode, Failure> {
    let server = credential::check_server(&args.server)?;
    let name = match args.name {
        Some(name) => text::name(&name).map_err(|why| format!("--name {why}"))?,
        None => host_name(),
    };
    let code = read_code(&args.code)?;
    let dir = AgentDir::new(args.dir);
    dir.create()?;
    let _lock = lock(&dir)?;
    let asked = Enrolment { server, code: &code, name, authority: args.ca.as_deref(), replace: args.replace };
    let enrolled = credential::enrol(&dir, asked, &Clock::system()).await?;
    if !dir.settings().exists() {
        write_durably(&dir.settings(), settings::EXAMPLE.as_bytes(), 0o644)?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "Enrolled as the agent of bot {}.", enrolled.bot_name)?;
    writeln!(out, "Fingerprint: {}", enrolled.fingerprint)?;
    writeln!(out, "Compare it with the one on the bot's page and confirm it there; until then the bot cannot be started.")?;
    writeln!(out, "What to run is written in {}.", dir.settings().display())?;
    writeln!(out, "Then: andon agent run --dir {}", dir.path().display())?;
    Ok(ExitCode::SUCCESS)
}

fn read_code(given: &str) -> Result<Secret<String>, Failure> {
    let mut code = given.to_owned();
    if given == "-" {
        code.clear();
        io::stdin().lock().read_line(&mut code)?;
    }
    let code = code.trim();
    if code.is_empty() { Err("the enrolment code is empty".into()) } else { Ok(Secret::new(code.to_owned())) }
}

/// The host's name as far as it may stand in a name.
fn host_name() -> String {
    let uname = rustix::system::uname();
    let kept: String = uname.nodename().to_string_lossy().chars().filter(|c| c.is_alphanumeric() || ".-_".contains(*c)).take(64).collect();
    text::name(&kept).unwrap_or_else(|_| "agent".into())
}

fn lock(dir: &AgentDir) -> Result<Lock, Failure> {
    lock_at(dir, &dir.lock_file())
}

fn lock_at(dir: &AgentDir, file: &Path) -> Result<Lock, Failure> {
    try_lock(file)?.ok_or_else(|| format!("an agent is at work in {} already", dir.path().display()).into())
}

fn minder(args: RunArgs) -> Result<ExitCode, Failure> {
    let dir = AgentDir::new(args.dir);
    let credential = credential::load(&dir)?;
    let _lock = lock(&dir)?;
    let boot_clock = BootClock::system();
    let adapter = settings::adapter(&dir, &credential, args.command.clone(), boot_clock.clone())?;
    let mut agent: Vec<OsString> = ["/proc/self/exe", "agent", "run", "--inner", "--dir"].map(OsString::from).to_vec();
    agent.push(dir.path().into());
    if !args.command.is_empty() {
        agent.push("--".into());
        agent.extend(args.command.into_iter().map(OsString::from));
    }
    tracing::info!(bot = %credential.bot_name, server = %credential.server, "the agent starts");
    let silent_after_ms = credential.lapse_after_ms.clamp(10_000, 600_000);
    // As the agent itself begins; it says so again.
    let memory = match MemoryStore::new(&dir, credential.agent.clone()).load() {
        Loaded::Whole(memory) => Some(memory),
        Loaded::Missing | Loaded::Broken(_) => None,
    };
    let exits = Brain::exits_at_boot(memory, adapter.traits().into());
    let minder = Minder { agent, adapter: Arc::from(adapter), boot_clock, exits, silent_after_ms };
    runtime()?.block_on(minder.mind())?;
    Ok(ExitCode::SUCCESS)
}

/// The agent proper. Its exit status tells the minder whether another one would fare better.
fn inner(args: RunArgs) -> ExitCode {
    match run_inner(args) {
        Ok(Outcome::Asked) => ExitCode::SUCCESS,
        Ok(Outcome::MinderLost) => ExitCode::FAILURE,
        Err(Unable::Directory(error)) => {
            tracing::error!("{error}");
            ExitCode::from(UNUSABLE)
        }
        Err(Unable::Now(error)) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

enum Unable {
    /// Nothing will change by itself.
    Directory(Failure),
    /// Another try may fare better.
    Now(Failure),
}

fn run_inner(args: RunArgs) -> Result<Outcome, Unable> {
    let directory = |error: Failure| Unable::Directory(error);
    let now = |error: Failure| Unable::Now(error);
    let dir = AgentDir::new(args.dir);
    let credential = credential::load(&dir).map_err(|error| directory(error.into()))?;
    let boot_clock = BootClock::system();
    let adapter = settings::adapter(&dir, &credential, args.command, boot_clock.clone()).map_err(|error| directory(error.into()))?;
    let ring = settings::key_ring(&dir, &credential).map_err(|error| directory(error.into()))?;
    runtime().map_err(|error| now(error.into()))?.block_on(async {
        let tether = Tether::from_stdio(boot_clock.now_ms()).map_err(|error| now(error.into()))?;
        let _lock = predecessor_gone(&dir, &tether).await.map_err(now)?;
        let trust = Trust::of(&dir).map_err(|error| directory(error.into()))?;
        let wire = Wire::new(is_loopback(&credential.server), &trust).map_err(|error| now(error.into()))?;
        let store = MemoryStore::new(&dir, credential.agent.clone());
        let keeper = Some(Keeper::new(dir.clone()));
        let (clock, measurer) = (Clock::system(), super::key::measurer(Clock::system()));
        let config = AgentConfig { credential, keeper, keys: Some(ring), measurer, wire, clock, boot_clock, tether: Some(tether) };
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(|error| now(error.into()))?;
        let asked = async move {
            terminate.recv().await;
        };
        Agent::new(config, adapter, store).run(asked).await.map_err(|error| now(error.into()))
    })
}

async fn predecessor_gone(dir: &AgentDir, tether: &Tether) -> Result<Lock, Failure> {
    let clock = BootClock::system();
    let begun = clock.now_ms();
    while clock.now_ms() - begun < i64::try_from(PREDECESSOR.as_millis()).unwrap_or(i64::MAX) {
        if let Some(lock) = try_lock(&dir.agent_lock_file())? {
            return Ok(lock);
        }
        tether.beat(clock.now_ms());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the agent before this one does not end".into())
}

/// Exits with 1 when something is to be changed.
fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let dir = AgentDir::new(&args.dir);
    let credential = credential::load(&dir)?;
    // What is changed for a moment is no agent's meanwhile, one whose minder has died included.
    let _locks = if args.reload { Some((lock(&dir)?, lock_at(&dir, &dir.agent_lock_file())?)) } else { None };
    let adapter = settings::adapter(&dir, &credential, Vec::new(), BootClock::system())?;
    let mut found = runtime()?.block_on(adapter.examine(args.reload));
    found.extend(keys::examine(&settings::key_ring(&dir, &credential)?));
    let mut out = io::stdout().lock();
    writeln!(out, "bot      {} ({})", credential.bot_name, adapter.name())?;
    if !adapter.traits().dies_with_agent {
        writeln!(out, "         it does not end with its agent: if agent and minder are killed at once, only its venue can stop it")?;
    }
    for finding in &found {
        writeln!(out, "{}  {}", if finding.is_good { "ok     " } else { "CHANGE " }, finding.text)?;
    }
    Ok(ExitCode::from(u8::from(found.iter().any(|finding| !finding.is_good))))
}

fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let dir = AgentDir::new(&args.dir);
    let credential = credential::load(&dir)?;
    let at_work = try_lock(&dir.lock_file())?.is_none();
    let mut out = io::stdout().lock();
    for line in status_lines(&credential, &MemoryStore::new(&dir, credential.agent.clone()).load()) {
        writeln!(out, "{line}")?;
    }
    for key in KeyStore::new(&dir, &credential).find()?.keys {
        writeln!(out, "exchange key   {} of {}, version {} ({})", key.purpose, key.venue, key.version, key.key_id)?;
    }
    writeln!(out, "agent running  {}", if at_work { "yes" } else { "no" })?;
    Ok(ExitCode::SUCCESS)
}

fn status_lines(credential: &Credential, memory: &Loaded) -> Vec<String> {
    let mut lines = vec![
        format!("bot            {} ({})", credential.bot_name, credential.bot),
        format!("agent          {}", credential.agent),
        format!("server         {}", credential.server),
        format!("installation   {}", credential.installation),
        format!("fingerprint    {}", credential.fingerprint),
    ];
    match memory {
        Loaded::Whole(memory) => {
            lines.push(format!("highest epoch  {}", memory.highest));
            lines.push(match memory.start_after {
                Some(after) => format!("start after    {after} (only a start above it counts)"),
                None => "start after    not known yet".to_owned(),
            });
            lines.push(format!("carried holds  {}{}", memory.carried.len(), if memory.overflowed { ", and more" } else { "" }));
            for hold in &memory.carried {
                lines.push(format!("               {} {} by {}: {}", hold.level, hold.id, hold.by, hold.why));
            }
        }
        Loaded::Missing => lines.push("memory         none yet: nothing was heard from the server".to_owned()),
        Loaded::Broken(why) => {
            lines.push(format!("memory         not usable: {why}; only a start after the server's next word will count"))
        }
    }
    lines
}
