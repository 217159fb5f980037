//! `andon audit verify`: recomputes the whole log from its bytes, on a running server's database or on a copy. Reads only.

use super::{Failure, site};
use crate::app::audit::verify_log;
use crate::authn::Keys;
use crate::config::Origin;
use crate::storage::Db;
use std::{path::PathBuf, process::ExitCode};

/// The log's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Recompute every entry, the tree and every signature. Ends with 1 when anything is wrong.
    Verify(Verify),
}

/// Where the log is.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Folder of the embedded database.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR", default_value = "andon-data")]
    data: PathBuf,
    /// PostgreSQL instead.
    #[arg(long, env = "ANDON_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The origin that the signatures were made at.
    #[arg(long, env = "ANDON_ORIGIN", value_name = "URL", default_value = "http://localhost:8787")]
    origin: String,
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be read; what is wrong with the log is printed, not an error.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Verify(args) = command;
    let origin = Origin::parse(&args.origin)?;
    let db = match &args.database_url {
        Some(url) => Db::open_postgres(url).await?,
        None => {
            let file = site::database_file(&args.data);
            if !file.exists() {
                return Err(format!("{}: there is no database", file.display()).into());
            }
            Db::open_sqlite_to_read(&file).await?
        }
    };
    let keys = Keys::new(origin.url(), "andon")?;
    let report = verify_log(&mut *db.read().await?, &keys).await?;
    println!("{} entries, {} signatures, root {}", report.entries, report.signatures, report.root);
    for finding in &report.findings {
        match finding.seq {
            Some(seq) => println!("WRONG  entry {seq}: {}", finding.what),
            None => println!("WRONG  {}", finding.what),
        }
    }
    if report.more > 0 {
        println!("and {} more findings", report.more);
    }
    if report.is_good() {
        println!("nothing is wrong");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
