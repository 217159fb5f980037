//! `andon audit …`: the log looked at from outside of the server, on a running server's database or on copies. Reads only.

use super::{Failure, site};
use crate::app::log::{
    examine::{Examination, Given, examine},
    files, sink,
};
use crate::audit::VerifierKey;
use crate::authn::Keys;
use crate::config::Origin;
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
    /// Folder of the embedded database. Default: andon-data.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL instead.
    #[arg(long, env = "ANDON_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The origin that the signatures were made at.
    #[arg(long, env = "ANDON_ORIGIN", value_name = "URL", default_value = "http://localhost:8787")]
    origin: String,
    /// Folder of the tide mark. Default: DATA/state, when it is there.
    #[arg(long, env = "ANDON_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Folder of the file sink. Default: DATA/log, when it is there. Without a database: the sink is verified alone.
    #[arg(long, env = "ANDON_LOG_SINK", value_name = "DIR")]
    sink: Option<PathBuf>,
    /// A verifier key that you kept, NAME+HASH+BASE64. Default: the one in the state folder.
    #[arg(long, env = "ANDON_LOG_KEY", value_name = "VKEY")]
    key: Vec<String>,
    /// A checkpoint that you kept, to compare with.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// Where the key is.
#[derive(Debug, clap::Args)]
pub struct Key {
    /// Folder of the embedded database.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR", default_value = "andon-data")]
    data: PathBuf,
    /// Folder of the key. Default: DATA/state.
    #[arg(long, env = "ANDON_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When something that is named cannot be read; what is wrong with the log is printed, not an error.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Verify(args) => verify(args).await,
        Command::Key(args) => {
            let dir = args.state_dir.unwrap_or_else(|| args.data.join("state"));
            let key = files::read_key(&dir)?.ok_or_else(|| format!("{}: there is no key yet", files::key_path(&dir).display()))?;
            println!("{}", key.verifier());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn verify(args: Verify) -> Result<ExitCode, Failure> {
    let origin = Origin::parse(&args.origin)?;
    let webauthn = Keys::new(origin.url(), "andon")?;
    let keys = args.key.iter().map(|key| VerifierKey::parse(key)).collect::<Result<_, _>>()?;
    let checkpoint = args.checkpoint.as_deref().map(read_file).transpose()?;
    let sink = args.sink.filter(|sink| sink.as_os_str() != "off");
    let is_alone = sink.is_some() && args.data.is_none() && args.database_url.is_none();
    let data = args.data.unwrap_or_else(|| "andon-data".into());
    let there = |given: Option<PathBuf>, usual: &str| given.or_else(|| Some(data.join(usual)).filter(|dir| dir.exists()));
    let (db, state_dir) = if is_alone {
        (None, args.state_dir)
    } else {
        (Some(open(&data, args.database_url.as_deref()).await?), there(args.state_dir, "state"))
    };
    let folder = match there(sink, "log") {
        Some(dir) if is_alone => Some(sink::find(&dir)?),
        Some(dir) => {
            let db = db.as_ref().ok_or("there is no database")?;
            let head = storage::audit::audit_head(&mut *db.read().await?).await?;
            Some(sink::folder(&dir, &head.origin)).filter(|folder| folder.exists())
        }
        None => None,
    };
    let given = Given { db: db.as_ref(), state_dir: state_dir.as_deref(), sink: folder.as_deref(), keys, checkpoint, webauthn: &webauthn };
    let mut found = examine(&given).await?;
    if folder.is_none() {
        found.not_checked.push("the file sink: there is none; give --sink".into());
    }
    print(&found);
    Ok(if found.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(found: &Examination) {
    for line in &found.checked {
        println!("good         {line}");
    }
    for line in &found.not_checked {
        println!("not checked  {line}");
    }
    for finding in &found.findings {
        match finding.seq {
            Some(seq) => println!("WRONG        entry {seq}: {}", finding.what),
            None => println!("WRONG        {}", finding.what),
        }
    }
    if found.more > 0 {
        println!("and {} more findings", found.more);
    }
    if found.is_good() {
        println!("nothing is wrong");
    }
}

fn read_file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Opens a database that must be there, to read it only.
async fn open(data: &Path, url: Option<&str>) -> Result<Db, Failure> {
    Ok(match url {
        Some(url) => Db::open_postgres(url).await?,
        None => Db::open_sqlite_to_read(&existing(data)?).await?,
    })
}

/// The file of a database that must be there.
pub(super) fn existing(data: &Path) -> Result<PathBuf, Failure> {
    let file = site::database_file(data);
    if file.exists() { Ok(file) } else { Err(format!("{}: there is no database", file.display()).into()) }
}
