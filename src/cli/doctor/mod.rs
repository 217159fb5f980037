//! `andon doctor`: explains what is wrong with an installation and its settings, one line per check. It reads, asks, and changes nothing: what
//! it cannot find out without a change it says it did not check.

mod alerts;
mod database;
mod door;
mod folders;
mod machine;
mod mail;
mod master_key;
mod secrets;

use super::{Failure, site};
use crate::config::{self, ConfigError, Origin, ServeArgs, serve::Database};
use crate::domain::Clock;
use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// What `--help` says below the flags.
pub const HELP: &str = "Takes the flags, variables and configuration file of `andon serve`. Run it as the user that runs the server. \
    Ends with 1 when anything is bad.\n\nExamples:\n  andon doctor --config /etc/andon.toml\n  andon doctor --example-config > andon.toml\n  \
    andon doctor --secrets ~/bots ~/notes";

/// Explains what is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    serve: ServeArgs,
    /// Search files and folders for tokens, links and codes of Andon instead, and say where they lie.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    secrets: Vec<PathBuf>,
    /// Print a configuration file with every key and its default instead.
    #[arg(long)]
    example_config: bool,
    /// Why the configuration file could not be read.
    #[arg(skip)]
    bad_file: Option<String>,
}

impl Args {
    /// The same, with a configuration file that cannot be taken: the doctor's first finding.
    #[must_use]
    pub fn with_bad_file(self, why: String) -> Self {
        Self { bad_file: Some(why), ..self }
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Skip,
    Warn,
    Bad,
}

/// One check.
#[derive(Debug)]
struct Line {
    verdict: Verdict,
    what: &'static str,
    said: String,
    /// What to do; empty where nothing is.
    todo: String,
}

impl Line {
    fn new(verdict: Verdict, what: &'static str, said: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { verdict, what, said: said.into(), todo: todo.into() }
    }
    fn ok(what: &'static str, said: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, what, said, "")
    }
    fn skip(what: &'static str, said: impl Into<String>) -> Self {
        Self::new(Verdict::Skip, what, said, "")
    }
    fn warn(what: &'static str, said: impl Into<String>, todo: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, what, said, todo)
    }
    fn bad(what: &'static str, said: impl Into<String>, todo: impl Into<String>) -> Self {
        Self::new(Verdict::Bad, what, said, todo)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Skip => "skip",
            Verdict::Warn => "warn",
            Verdict::Bad => "bad",
        };
        write!(f, "{verdict:<5} {:<15} {}", self.what, self.said)?;
        if self.todo.is_empty() { Ok(()) } else { write!(f, "\n{:22}→ {}", "", self.todo) }
    }
}

/// Runs the command.
///
/// # Errors
/// When nothing can be printed. What is wrong with the installation is printed, not an error.
pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    if args.example_config {
        io::stdout().lock().write_all(config::file::example().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.secrets.is_empty() {
        return secrets::search(&args.secrets);
    }
    let lines = match &args.bad_file {
        Some(why) => {
            let todo = "mend the file; until then nothing else is checked, since everything depends on it. --example-config prints one";
            vec![Line::bad("config file", why, todo)]
        }
        None => examine(&args.serve).await,
    };
    let mut out = io::stdout().lock();
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let (bad, warn) = (count(Verdict::Bad), count(Verdict::Warn));
    writeln!(out, "{bad} bad, {warn} to look at")?;
    Ok(if bad > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Every check, in an order in which each can use what those before it found.
async fn examine(args: &ServeArgs) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(args.config.as_deref().map(folders::config_file));
    let (origin, transport) = settings(args, &mut lines);
    let tls = transport.as_ref().and_then(|transport| transport.tls.clone());
    let pair = tls.and_then(|files| door::certificate(&files, origin.as_ref(), &Clock::system(), &mut lines));
    let is_running = door::listen(args.listen, pair.as_ref(), &mut lines).await;
    let state_dir = args.state_dir();
    let database = args.database();
    if let Ok(Database::Embedded(data)) = &database {
        lines.extend(folders::folder("data folder", data));
        lines.push(folders::volumes(data, &state_dir));
    }
    lines.extend(folders::folder("state folder", &state_dir));
    let sink = args.log_sink();
    lines.extend(sink.iter().flat_map(|sink| folders::folder("log folder", sink)));
    lines.push(folders::spool(&state_dir.join("spool"), is_running, &Clock::system()));
    lines.push(folders::control(&state_dir.join("control"), is_running).await);
    lines.extend(master_key::check(&args.master_key, &state_dir));
    let asked = database::Asked { rp_id: origin.as_ref().map(site::rp_id), state_dir: &state_dir, master_key: &args.master_key };
    let agents = match database {
        Ok(Database::Embedded(data)) => database::embedded(&site::database_file(&data), &asked, &mut lines).await,
        Ok(Database::Postgres(url)) => {
            lines.extend(args.database_url_file.as_deref().and_then(|file| folders::closed("database URL", file)));
            database::server(&url, &Clock::system(), &asked, &mut lines).await
        }
        Err(error) => {
            lines.push(refused("database", &error));
            None
        }
    };
    lines.extend(mail::check(args, origin.as_ref()).await);
    lines.push(alerts::check(&args.alert_command()));
    lines.extend(machine::clocks(&Clock::system()));
    lines.push(machine::files(agents));
    lines
}

fn refused(what: &'static str, error: &ConfigError) -> Line {
    Line::bad(what, error.to_string(), "`andon serve` refuses to start with this")
}

/// Origin, ways in, and name, as `serve` will judge them.
fn settings(args: &ServeArgs, lines: &mut Vec<Line>) -> (Option<Origin>, Option<config::Transport>) {
    if let Err(why) = crate::domain::text::name(&args.name) {
        lines.push(refused("name", &ConfigError::new("--name", format!("the name {why}"))));
    }
    let origin = match Origin::parse(&args.origin) {
        Ok(origin) => origin,
        Err(error) => {
            lines.push(refused("origin", &error));
            return (None, None);
        }
    };
    let shown = origin.url().origin().ascii_serialization();
    match args.transport.clone().check(&origin, args.listen) {
        Ok(transport) => {
            let way = match (&transport.tls, transport.proxies.as_slice()) {
                (Some(_), _) => "with TLS of its own".to_owned(),
                (None, []) => "in plain, from this machine only".to_owned(),
                (None, all) => {
                    let named: Vec<String> = all.iter().map(ToString::to_string).collect();
                    format!("in plain behind the proxy {}", named.join(", "))
                }
            };
            lines.push(Line::ok("origin", format!("{shown}, {way}")));
            (Some(origin), Some(transport))
        }
        Err(error) => {
            lines.push(refused("origin", &error));
            (Some(origin), None)
        }
    }
}
