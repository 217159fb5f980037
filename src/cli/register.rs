//! `andon register export` and `andon register import`: the register as a file, on the server's own host. Over the control socket while the server runs,
//! on the database itself while it does not.

use super::{
    Failure,
    control::{self, Answered, ExportRegister, ImportRegister, Unasked},
    place::Place,
    site,
};
use crate::app::register::{difference::Difference, file::Format};
use crate::authz::Actor;
use crate::cli::out::{self, put};
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// How long the server may take over the largest file.
const PATIENCE: Duration = Duration::from_secs(120);

/// The commands for the register.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write venues, accounts, subaccounts, bots and their bonds to a file, or to standard output.
    Export(ExportArgs),
    /// Take such a file in, whole or not at all. With --dry-run: say what it would change.
    #[command(after_help = HELP)]
    Import(ImportArgs),
}

const HELP: &str = "A CSV has the columns kind, id, name, venue, account, exchange, environment, team, strategy, objective, owner, deputy, operators, \
linked, why, stage, exits, subaccount, retired, in any order; kind is venue, account, subaccount, bot or link. TOML has the same as table arrays, \
[[venue]] and so on. What is not in the file stays; nothing is deleted: retired = yes retires. An id that is known here lets a thing be renamed.\n\n\
A file never changes a bot's stage, team, strategy, limits or keys and never moves a bot: those have acts of their own, and a line that would is \
refused. One line that is refused keeps the whole file out.\n\n\
Example:\n  andon register export --data /var/lib/andon > register.csv\n  andon register import register.csv --dry-run --data /var/lib/andon";

/// Where to.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The file to write; none: standard output.
    file: Option<PathBuf>,
    /// csv or toml. Default: by the file's name, else csv.
    #[arg(long, env = "ANDON_FORMAT", value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,
    /// The installation.
    #[command(flatten)]
    place: Place,
}

/// What to take in.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The file to read; -: standard input.
    file: PathBuf,
    /// csv or toml. Default: by the file's name, else csv.
    #[arg(long, env = "ANDON_FORMAT", value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,
    /// Say what it would change; change nothing.
    #[arg(long, env = "ANDON_DRY_RUN")]
    dry_run: bool,
    /// The installation.
    #[command(flatten)]
    place: Place,
}

fn format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|error: crate::domain::text::UnknownWord| error.to_string())
}

fn format_of(given: Option<Format>, file: Option<&Path>) -> Format {
    let by_name = file.and_then(Path::extension).and_then(|end| end.to_str()).and_then(|end| end.to_ascii_lowercase().parse().ok());
    given.or(by_name).unwrap_or(Format::Csv)
}

/// Runs the command.
///
/// # Errors
/// When it was refused, or neither the server nor the database can be reached. Nothing was changed then.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Export(args) => export(args).await,
        Command::Import(args) => import(args).await,
    }
}

async fn export(args: ExportArgs) -> Result<ExitCode, Failure> {
    let format = format_of(args.format, args.file.as_deref());
    let state_dir = args.place.folders.state_dir();
    let asked = ExportRegister { export_register: format };
    let text = match control::ask(&state_dir.join("control"), &asked, PATIENCE).await {
        Ok(Answered::Register { file }) => file,
        Ok(Answered::Refused { error }) => return Err(error.into()),
        Ok(_) => return Err("the server answered something else than was asked".into()),
        Err(Unasked::NoServer(_)) => {
            let site = args.place.open(&state_dir).await?;
            let text = site.app.export_register(&Actor::Host { user: site::host_user() }, format).await?;
            site.app.db.close().await;
            text
        }
        Err(error) => return Err(error.into()),
    };
    match &args.file {
        Some(file) => std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?,
        None => out::written(format_args!("{text}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(args: ImportArgs) -> Result<ExitCode, Failure> {
    let text = match args.file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        _ => std::fs::read_to_string(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?,
    };
    let state_dir = args.place.folders.state_dir();
    let asked = ImportRegister { import_register: text, format: format_of(args.format, Some(&args.file)), dry_run: args.dry_run };
    let difference = match control::ask(&state_dir.join("control"), &asked, PATIENCE).await {
        Ok(Answered::Difference { difference }) => difference,
        Ok(Answered::Refused { error }) => return Err(error.into()),
        Ok(_) => return Err("the server answered something else than was asked".into()),
        Err(Unasked::NoServer(_)) => {
            let site = args.place.open(&state_dir).await?;
            let difference = control::take_in(&site.app, site::host_user(), &asked).await?;
            site.app.db.close().await;
            difference
        }
        Err(error) => return Err(error.into()),
    };
    say(&difference, args.dry_run)
}

/// Prints a difference. Anything refused is a failure.
fn say(difference: &Difference, dry_run: bool) -> Result<ExitCode, Failure> {
    for line in &difference.lines {
        let changes: Vec<String> = line.changes.iter().map(|one| format!("{} {:?} -> {:?}", one.field, one.from, one.to)).collect();
        put!("line {}: {} {} {}: {}", line.line, line.what, line.kind, line.name, changes.join("; "))?;
    }
    for one in &difference.left_out {
        put!("line {}: left out: {}", one.line, one.why)?;
    }
    for one in &difference.refused {
        eprintln!("line {}: refused: {}", one.line, one.why);
    }
    let (added, changed) = (difference.count("added"), difference.count("changed"));
    if !difference.refused.is_empty() {
        eprintln!("Nothing was changed: {} refused. Mend the file and run this again.", difference.refused.len());
        return Ok(ExitCode::FAILURE);
    }
    match (difference.is_empty(), dry_run) {
        (true, _) => put!("The register says all of that already; nothing changes.")?,
        (false, true) => put!("Would change: {added} added, {changed} changed. Nothing was changed.")?,
        (false, false) => put!("Done: {added} added, {changed} changed.")?,
    }
    Ok(ExitCode::SUCCESS)
}
