//! `andon recover`: what is known after a restore or a freeze, and the links by which two people let the site go on. Asks the server that runs
//! here; nothing is changed before both have signed.

use super::{
    Failure,
    control::{self, Answered, RecoverSite, Unasked},
    place::Folders,
};
use crate::cli::out::put;
use std::{path::Path, process::ExitCode, time::Duration};

/// How long the server may take to answer: it reads the sink.
const PATIENCE: Duration = Duration::from_secs(60);

/// Let a site go on whose log is frozen, or whose database was restored.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For a database that was restored from an older backup (the log is frozen, agents say that the server is behind), for a log \
    that is frozen and cannot be mended, and, with --take-over, for a server whose state folder is not a site of the installation.\n\n\
    First see whether a newer copy of the database can be put back: that loses nothing. Then:\n  \
    andon recover --why 'disk died; backup of 03:00 is the newest'          says what is known, changes nothing\n  \
    andon recover --why 'disk died; backup of 03:00 is the newest' --sign   prints two links\n\n\
    Two different people (lead, risk or admin; one of them risk or admin) open one link each, within an hour, and sign with password and \
    security key. Then the log goes on under a new incarnation and the whole fleet is paused. Nothing starts by it."
)]
pub struct Args {
    /// Why: it stands in the log and on the page that is signed.
    #[arg(long, env = "ANDON_RECOVER_WHY", value_name = "TEXT")]
    why: String,
    /// Print the two links. Without it only what is known is said.
    #[arg(long, env = "ANDON_RECOVER_SIGN")]
    sign: bool,
    /// Make this state folder the installation's only site; every other server stops renewing leases.
    #[arg(long, env = "ANDON_RECOVER_TAKE_OVER")]
    take_over: bool,
    /// The server's folders.
    #[command(flatten)]
    folders: Folders,
}

/// Runs the command.
///
/// # Errors
/// When no server runs here, or it refused. Nothing was changed then.
pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    let path = args.folders.state_dir().join("control");
    let asked = RecoverSite { recover_site: args.why.clone(), take_over: args.take_over, sign: args.sign };
    let answered = control::ask(&path, &asked, PATIENCE).await.map_err(|error| match error {
        Unasked::NoServer(path) => no_server(&path),
        other => other.to_string(),
    })?;
    match answered {
        Answered::Known { known, reason } => {
            for line in known {
                put!("{line}")?;
            }
            match reason.as_str() {
                "" => put!("There is nothing to recover.")?,
                _ => put!("Nothing was changed. To let two people sign, run the same with --sign.")?,
            }
        }
        Answered::Links { links } => {
            put!(
                "Two people sign, each by a link of their own, within an hour. A link works once; give it in a way that only they can read:"
            )?;
            for link in links {
                put!("  {link}")?;
            }
            put!("Links that were made before are over. Nothing is changed before the second signature.")?;
        }
        Answered::Refused { error } => return Err(error.into()),
        _ => return Err("the server answered something else than was asked".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn no_server(path: &Path) -> String {
    format!(
        "no server runs here (nobody hears {}). A recovery needs it, since agents tell it what they have seen and people sign on its pages:\n  \
         1. start it with the database as it is now and the state folder it had: andon serve ... It starts with a frozen log, takes stops, and \
         renews what it may\n  \
         2. wait until the agents have said what they have seen\n  \
         3. run this again, with the same --data or --state-dir as the server",
        path.display()
    )
}
