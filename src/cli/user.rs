//! `andon user recover`: new security keys for somebody, from the server's own host, past every approval. Over the control socket while the
//! server runs, on the database itself while it does not. For an installation in which too few people are left to approve a recovery.

use super::{
    Failure,
    control::{self, Answered, Recover, Unasked},
    place::Place,
    site,
};
use crate::cli::out::put;
use std::{path::Path, process::ExitCode};

/// The commands for people.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a one-use link to a new password and new security keys for somebody. Everybody is told, and every page says so for 7 days.
    Recover(RecoverArgs),
}

/// Who is recovered.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The usual way is the sign-in page: after the password, I lost my keys; two others approve. This command is for when nobody is \
    left who could. It asks the server that runs here; while none does it changes the database itself, which is the last resort.\n\n\
    Example:\n  andon user recover admin --data /var/lib/andon --origin https://andon.example.org"
)]
pub struct RecoverArgs {
    /// The name that they sign in with.
    name: String,
    /// Go past the people who could approve it, and say why: the reason is in the log and on every page.
    #[arg(long, env = "ANDON_FORCE_WITH_REASON", value_name = "REASON")]
    force_with_reason: Option<String>,
    /// The installation.
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
///
/// # Errors
/// When it was refused, or neither the server nor the database can be reached. Nothing was changed then.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Recover(args) = command;
    let asked = Recover { recover: args.name.clone(), forced: args.force_with_reason.clone() };
    let state_dir = args.place.folders.state_dir();
    let (whose, link) = match control::ask(&state_dir.join("control"), &asked, control::ANSWER).await {
        Ok(Answered::Recovered { whose, link }) => (whose, link),
        Ok(Answered::Refused { error }) => return Err(error.into()),
        Ok(_) => return Err("the server answered something else than was asked".into()),
        Err(Unasked::NoServer(_)) => on_database(&args.place, &state_dir, &asked).await?,
        Err(error) => return Err(error.into()),
    };
    put!(
        "A link to new security keys for {whose}. It works once, within an hour; give it to them in a way that only they can read:\n  {link}"
    )?;
    put!("Everybody was told. Their sessions have ended; until 24 hours after the new keys they may see and stop only.")?;
    Ok(ExitCode::SUCCESS)
}

/// Without a server: on the database, which its lock keeps a server out of meanwhile.
async fn on_database(place: &Place, state_dir: &Path, asked: &Recover) -> Result<(String, String), Failure> {
    let site = place.open(state_dir).await?;
    let made = site.app.recover_on_host(&site::host_user(), &asked.recover, asked.forced.as_deref()).await?;
    site.app.db.close().await;
    Ok((made.whose, made.link.expose().clone()))
}
