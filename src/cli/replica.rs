//! `andon replica join`: gives a new replica its own key and tide mark, once the whole log has been verified. The replica's server is down.

use super::{Failure, audit, site};
use crate::app::log::join::{Joining, join};
use crate::audit::VerifierKey;
use crate::authn::Keys;
use crate::config::Origin;
use crate::domain::Clock;
use crate::storage::Db;
use std::{path::PathBuf, process::ExitCode};

/// The commands for replicas.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Verify the whole log and give this state folder its key and its tide mark. For a new replica, or one that lost its mark.
    Join(Join),
}

/// Which replica joins which database.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What a tide mark would have noticed before this, nobody notices: compare `andon audit verify --checkpoint FILE` with a \
    checkpoint that you kept elsewhere."
)]
pub struct Join {
    /// Folder of the embedded database.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR", default_value = "andon-data")]
    data: PathBuf,
    /// PostgreSQL instead.
    #[arg(long, env = "ANDON_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The replica's state folder. Default: DATA/state.
    #[arg(long, env = "ANDON_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The origin that the signatures were made at.
    #[arg(long, env = "ANDON_ORIGIN", value_name = "URL", default_value = "http://localhost:8787")]
    origin: String,
    /// A verifier key that you kept: the newest checkpoint must be signed by it. Default: by any key that the log records.
    #[arg(long, env = "ANDON_LOG_KEY", value_name = "VKEY")]
    key: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When the log is not whole, the state folder has a mark already, or its server runs: nothing was written.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Join(args) = command;
    let origin = Origin::parse(&args.origin)?;
    let webauthn = Keys::new(origin.url(), "andon")?;
    let keys: Vec<VerifierKey> = args.key.iter().map(|key| VerifierKey::parse(key)).collect::<Result<_, _>>()?;
    let state_dir = args.state_dir.unwrap_or_else(|| args.data.join("state"));
    let mut locks = Vec::new();
    let db = match &args.database_url {
        Some(url) => Db::open_postgres(url).await?,
        None => {
            let file = audit::existing(&args.data)?;
            // A server of this database may have another state folder.
            if args.data != state_dir {
                locks.push(site::lock(&args.data)?);
            }
            Db::open_sqlite(&file).await?
        }
    };
    locks.push(site::lock(&state_dir)?);
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = format!("uid {}", rustix::process::getuid().as_raw());
    let clock = Clock::system();
    let joining = Joining { db: &db, state_dir: &state_dir, webauthn: &webauthn, clock: &clock, user: &user, node: &node, keys: &keys };
    let joined = join(&joining).await?;
    println!("verified {} entries, root {}", joined.size, joined.root);
    println!("this replica's key, to be written down elsewhere:\n{}", joined.vkey);
    db.close().await;
    drop(locks);
    Ok(ExitCode::SUCCESS)
}
