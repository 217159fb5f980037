//! `andon serve`: opens the installation, prints the set-up link of a new one, serves until it is told to stop.

use super::{Failure, control, files, master_key, site};
use crate::app::{App, guard};
use crate::cli::out::tell;
use crate::config::{self, MailTls, Serve, ServeArgs};
use crate::crypto::certificate::PairFiles;
use crate::mail::{Carrier, Smtp, SmtpSettings, Tls};
use crate::web::{self, forwarded::Proxies, front::Front};
use crate::{domain::Clock, telemetry, workers};
use std::{process::ExitCode, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// How long a set-up link that could not be made is waited with.
const WELCOME_AGAIN: Duration = Duration::from_secs(5);

/// Runs the server.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    serve: ServeArgs,
    /// Leave the security keys behind that were made for the host name FROM, which --origin no longer has. All of them: new ones are made by
    /// `andon user recover` alone.
    #[arg(long, env = "ANDON_MIGRATE_RP_ID", value_name = "FROM")]
    migrate_rp_id: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When a setting, the database or the address will not do.
pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    telemetry::begin(None);
    let settings = args.serve.check()?;
    let front = front(&settings)?;
    tracing::info!("{}", files::raise());
    let wanted = site::Wanted {
        database: &settings.database,
        state_dir: &settings.state_dir,
        origin: &settings.origin,
        name: &settings.name,
        log_sink: settings.log_sink.as_deref(),
        kind: "live",
        leaves_rp_id: args.migrate_rp_id.as_deref(),
    };
    let site = site::open(wanted).await?;
    say_of_the_log(&site.app);
    site.app.open_mail(carrier(settings.mail.as_ref())?);
    site.app.open_vault(master_key::given(&settings)).await?;
    say_of_the_vault(&site.app);
    site.app.open_alert_command(settings.alert_command);
    site.app.keep_days(settings.keep_days);
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| format!("{}: {error}", settings.listen))?;
    site.app.open_rungs(guard::rungs(&site.app));
    let workers = workers::start(&site.app);
    let control = control::listen(site.app.clone(), &site.control)?;
    tell!("Andon serves {}", settings.origin.url().as_str().trim_end_matches('/'));
    if let Some(advice) = settings.transport.advice() {
        tell!("{advice}");
    }
    let welcome = tokio::spawn(welcome(site.app.clone()));
    let certificate = front.tls.clone().map(|tls| tokio::spawn(tls.keep_fresh()));
    web::server::serve_behind(front, listener, site.app.clone(), told_to_stop()).await?;
    if let Some(certificate) = certificate {
        certificate.abort();
    }
    drop(workers);
    welcome.abort();
    control.abort();
    site.app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints the set-up link of an installation that nobody has entered yet. A database that does not give one now is asked again: stops are
/// served all the same.
async fn welcome(app: Arc<App>) {
    let mut is_told = false;
    loop {
        match app.setup_link().await {
            Ok(Some(link)) => {
                return tell!(
                    "Nobody has set this installation up yet. Open this link within an hour; it works once:\n  {}",
                    link.expose()
                );
            }
            Ok(None) => return,
            Err(error) if !is_told => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the set-up link could not be made yet");
                is_told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(WELCOME_AGAIN).await;
    }
}

/// TLS and proxies as they were asked for.
fn front(settings: &Serve) -> Result<Front, Failure> {
    let open = |files: &crate::config::transport::TlsFiles| {
        let files = PairFiles { cert: files.cert.clone(), key: files.key.clone() };
        web::tls::Tls::open(files, settings.origin.url(), Clock::system()).map(Arc::new)
    };
    let tls = settings.transport.tls.as_ref().map(open).transpose()?;
    Ok(Front { tls, proxies: Proxies::new(settings.transport.proxies.clone()) })
}

/// The mail server, when there is one.
fn carrier(mail: Option<&config::Mail>) -> Result<Carrier, Failure> {
    let Some(mail) = mail else {
        tell!("No mail server is set up (--smtp-url): notices stay in the page.");
        return Ok(Carrier::None);
    };
    Ok(Carrier::Smtp(Box::new(smtp(mail)?)))
}

/// The mail server as it was asked for. Connects to nobody.
pub(super) fn smtp(mail: &config::Mail) -> Result<Smtp, config::ConfigError> {
    let tls = match mail.tls {
        MailTls::Implicit => Tls::Implicit,
        MailTls::StartTls => Tls::StartTls,
        MailTls::Plain => Tls::Plain,
    };
    let settings = SmtpSettings {
        host: mail.host.clone(),
        port: mail.port,
        tls,
        from_name: mail.from_name.clone(),
        from: mail.from.clone(),
        account: mail.account.clone(),
        authority: mail.authority.clone(),
        hello: mail.hello.clone(),
    };
    Smtp::open(&settings).map_err(|why| config::ConfigError::new("--smtp-url", why))
}

/// What whoever starts a server should know of the log's keeping.
fn say_of_the_log(app: &App) {
    let status = app.log.status();
    if let Some(frozen) = app.log.gate().frozen() {
        tell!("THE AUDIT LOG IS FROZEN: nothing may start or be loosened; stops work.\n  {}", frozen.why);
    }
    if app.site.is_foreign() {
        tell!("THIS STATE FOLDER IS NOT A SITE OF THE INSTALLATION: no lease is renewed, nothing starts; stops work.");
        tell!("  If the installation moves here: andon recover --take-over --why TEXT");
    }
    if status.is_one_volume {
        tell!("Data and state lie on one volume: a restore of the whole volume cannot be noticed. Give --state-dir another volume.");
    }
    if status.sink.dir.is_empty() {
        tell!("The audit log is copied nowhere (--log-sink off): whoever has this machine has the only copy.");
    }
}

/// What whoever starts a server should know of the exchange keys that it holds.
fn say_of_the_vault(app: &App) {
    if let Some(why) = app.vault.trouble() {
        tell!("EXCHANGE KEYS THAT THIS SERVER HOLDS CANNOT BE USED YET: {why}");
        tell!("  It is tried again; stops work.");
    }
    if app.vault.is_old_over() {
        tell!("Nothing needs the old master key any more: --master-key-old may be taken away.");
    }
}

/// Ends with SIGTERM or SIGINT.
pub(super) async fn told_to_stop() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard; only kill -9 ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("told to stop");
}
