//! `andon audit …`: the log looked at from outside of the server, on a running server's database or on copies. Reads only.

use super::{
    Failure,
    place::{Folders, Place},
    site,
};
use crate::app::log::{
    examine::{Examination, Given, examine},
    files, sink,
};
use crate::audit::number;
use crate::cli::out::put;
use crate::config::serve::Database;
use crate::storage::{self, Db};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The log's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Recompute every entry, the tree, every signature and every checkpoint. Ends with 1 when anything is wrong.
    Verify(Verify),
    /// Print the key that this server's checkpoints are verified with. Write it down elsewhere at the first start.
    Key(Key),
}

/// Where the log is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  andon audit verify\n  andon audit verify --key \"$(cat log.vkey)\" --checkpoint last-year.txt\n  \
    andon audit verify --sink /mnt/log --key \"$(cat log.vkey)\"        the sink alone, no database")]
pub struct Verify {
    /// The database and the keys.
    #[command(flatten)]
    place: Place,
    /// Folder of the file sink. Default: DATA/log, when it is there. Without a database: the sink is verified alone.
    #[arg(long, env = "ANDON_LOG_SINK", value_name = "DIR")]
    sink: Option<PathBuf>,
    /// A checkpoint that you kept, to compare with.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// Where the key is.
#[derive(Debug, clap::Args)]
pub struct Key {
    /// The folders.
    #[command(flatten)]
    folders: Folders,
}

/// Runs the command.
///
/// # Errors
/// When something that is named cannot be read; what is wrong with the log is printed, not an error.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Verify(args) => verify(args).await,
        Command::Key(args) => {
            let dir = args.folders.state_dir();
            let key = files::read_key(&dir)?.ok_or_else(|| format!("{}: there is no key yet", files::key_path(&dir).display()))?;
            put!("{}", key.verifier())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn verify(args: Verify) -> Result<ExitCode, Failure> {
    let Verify { place, sink, checkpoint } = args;
    let (webauthn, keys) = (place.webauthn()?, place.keys()?);
    let checkpoint = checkpoint.as_deref().map(read_file).transpose()?;
    let sink = sink.filter(|sink| sink.as_os_str() != "off");
    let is_alone = sink.is_some() && place.names_no_database();
    let db = if is_alone { None } else { Some(open(&place.database()?).await?) };
    let state_dir = place.folders.state_dir_if(!is_alone);
    let usual = Some(place.folders.data().join("log")).filter(|dir| dir.exists());
    let folder = match sink.or(usual) {
        Some(dir) if is_alone => Some(dir),
        Some(dir) => {
            let db = db.as_ref().ok_or("there is no database")?;
            let head = storage::audit::audit_head(&mut *db.read().await?).await?;
            // The newest incarnation's folder, with those of earlier ones beside it.
            Some(sink::folder(&dir, &head.origin)).filter(|folder| folder.exists())
        }
        None => None,
    };
    let given = Given { db: db.as_ref(), state_dir: state_dir.as_deref(), sink: folder.as_deref(), keys, checkpoint, webauthn: &webauthn };
    let mut found = examine(&given).await?;
    if folder.is_none() {
        found.not_checked.push("the file sink: there is none; give --sink".into());
    }
    print(&found)?;
    Ok(if found.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(found: &Examination) -> Result<(), Failure> {
    for line in &found.checked {
        put!("good         {line}")?;
    }
    for line in &found.not_checked {
        put!("not checked  {line}")?;
    }
    for finding in &found.known {
        put!("KNOWN        {}; two people closed that incarnation of the log for it", finding.what)?;
    }
    for finding in &found.findings {
        match finding.seq {
            Some(seq) => put!("WRONG        entry {}: {}", number::words(seq as i64), finding.what)?,
            None => put!("WRONG        {}", finding.what)?,
        }
    }
    if found.more > 0 {
        put!("and {} more findings", found.more)?;
    }
    if found.is_good() {
        put!("nothing is wrong")?;
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Opens a database to read it only.
async fn open(database: &Database) -> Result<Db, Failure> {
    Ok(match database {
        Database::Postgres(url) => Db::open_postgres(url.expose()).await?,
        Database::Embedded(data) => Db::open_sqlite_to_read(&site::database_file(data)).await?,
    })
}
