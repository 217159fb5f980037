//! `andon replica join`: gives a new replica its own key and tide mark, once the whole log has been verified. The replica's server is down.

use super::{Failure, place::Place, site};
use crate::app::log::join::{Joining, LISTENS_MS, join};
use crate::cli::out::put;
use crate::config::serve::Database;
use crate::domain::Clock;
use crate::storage::Db;
use std::process::ExitCode;

/// The commands for replicas.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Verify the whole log and give this state folder its key and its tide mark. For a new replica, or one that lost its mark. A new one becomes a
    /// site of the installation while a server of the installation runs on the same database; a copy becomes none by this.
    Join(Join),
}

/// Which replica joins which database.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What a tide mark would have noticed before this, nobody notices: compare `andon audit verify --checkpoint FILE` with a \
    checkpoint that you kept elsewhere."
)]
pub struct Join {
    /// The database and the keys.
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
///
/// # Errors
/// When the log is not whole, the state folder has a mark already, or its server runs: nothing was written.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Join(Join { place }) = command;
    let (webauthn, keys, state_dir) = (place.webauthn()?, place.keys()?, place.folders.state_dir());
    let mut locks = Vec::new();
    let db = match place.database()? {
        Database::Postgres(url) => Db::open_postgres(url.expose()).await?,
        Database::Embedded(data) => {
            // A server of this database may have another state folder.
            if data != state_dir {
                locks.push(site::lock(&data)?);
            }
            Db::open_sqlite(&site::database_file(&data)).await?
        }
    };
    locks.push(site::lock(&state_dir)?);
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = format!("uid {}", rustix::process::getuid().as_raw());
    let clock = Clock::system();
    let joining = Joining {
        db: &db,
        state_dir: &state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: &user,
        node: &node,
        keys: &keys,
        listens_ms: LISTENS_MS,
    };
    let joined = join(&joining).await?;
    put!("verified {} entries, root {}", joined.size, joined.root)?;
    put!("this replica's key, to be written down elsewhere:\n{}", joined.vkey)?;
    if !joined.is_site {
        put!(
            "This state folder is NOT a site of the installation: no server of one was heard on this database, so that it may be a copy. A server \
             here takes stops and renews no lease. If the database is the installation's own, start one of its servers and run this again. If \
             the installation moves here: andon recover --take-over"
        )?;
    }
    db.close().await;
    drop(locks);
    Ok(ExitCode::SUCCESS)
}
