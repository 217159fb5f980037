//! `andon demo`: a throw-away installation of kind `demo` on loopback, with three teams, five people and forty bots under real agents over
//! real sockets. Everything is done as people would do it: invited, enrolled, confirmed, started by signatures that are verified.

pub mod bot;
mod desk;
mod fleet;
mod leftovers;
mod market;
mod people;
mod register;
mod simulated;

use super::{Failure, control, serve::told_to_stop, site};
use crate::app::{guard, vault::Given};
use crate::cli::out::tell;
use crate::config::{ConfigError, MasterKeySource, Origin, serve::Database};
use crate::mail::Carrier;
use crate::{telemetry, web, workers};
use std::{net::SocketAddr, process::ExitCode};
use tokio::{net::TcpListener, sync::watch};

/// Run a server with a throw-away fleet of demo bots, to look around.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port to listen on; loopback only.
    #[arg(long, default_value = "127.0.0.1:8787", value_name = "ADDR")]
    listen: SocketAddr,
    /// How many bots.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(8..=400))]
    bots: u16,
}

/// Runs the command.
///
/// # Errors
/// When the address will not do, or the demo cannot be set up.
pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    telemetry::begin(Some("warn,andon=error"));
    if !args.listen.ip().is_loopback() {
        return Err(ConfigError::new("--listen", "a demo listens on loopback only: whoever reaches it can sign in").into());
    }
    leftovers::remove(&std::env::temp_dir());
    let dir = tempfile::Builder::new().prefix(leftovers::PREFIX).tempdir()?;
    let _mark = leftovers::mark(dir.path())?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| format!("{}: {error}", args.listen))?;
    let origin = Origin::parse(&format!("http://localhost:{}", listener.local_addr()?.port()))?;
    let database = Database::Embedded(dir.path().join("data"));
    let state_dir = dir.path().join("state");
    let wanted = site::Wanted {
        database: &database,
        state_dir: &state_dir,
        origin: &origin,
        name: "Andon demo",
        log_sink: None,
        kind: "demo",
        leaves_rp_id: None,
    };
    let site = site::open(wanted).await?;
    site.app.open_mail(Carrier::Mailbox);
    let key = MasterKeySource::Own(state_dir.join("master.key"));
    site.app.open_vault(Given { key: std::sync::Arc::new(key), old: None, lost: None }).await?;
    site.app.open_rungs(guard::rungs(&site.app));
    let workers = workers::start(&site.app);
    let control = control::listen(site.app.clone(), &site.control)?;
    let (stop, stopping) = watch::channel(false);
    let server = tokio::spawn(web::server::serve(listener, site.app.clone(), has_ended(stopping.clone())));
    tell!("Andon demo: setting up people and {} bots …", args.bots);
    let staff = people::hire(&site.app).await?;
    let place = fleet::Place { app: &site.app, origin: &origin, dir: dir.path(), stopping };
    let agents = fleet::open(place, &staff, usize::from(args.bots)).await?;
    desk::greet(&site.app, &origin, &staff, &site.control).await?;
    told_to_stop().await;
    tell!("Stopping: bots are halted, everything is thrown away.");
    stop.send_replace(true);
    agents.ended().await;
    server.await??;
    drop(workers);
    control.abort();
    site.app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Ends when the demo does.
async fn has_ended(mut stopping: watch::Receiver<bool>) {
    // The sender going away is an end as well.
    let _ = stopping.wait_for(|ended| *ended).await;
}
