//! Opening an installation on this machine: folders, locks, database, spool, application. Shared by `serve` and `demo`.

use super::Failure;
use crate::app::{App, Parts, log::LogSettings};
use crate::cli::out::tell;
use crate::config::{Origin, serve::Database};
use crate::domain::{BootClock, Clock, InstallationId};
use crate::fleet::Spool;
use crate::storage::{self, Db, Lane, installation::Installation};
use crate::venues::{Places, Venues};
use std::{
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How long keys that could not be left behind are waited with.
const LEAVE_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// An installation, open.
pub struct Site {
    /// The application.
    pub app: Arc<App>,
    /// Where the control socket goes.
    pub control: PathBuf,
    // Held for the life of the process: one server per folder.
    _locks: Vec<File>,
}

/// What to open.
pub struct Wanted<'a> {
    /// Which database.
    pub database: &'a Database,
    /// Folder of spool and control socket.
    pub state_dir: &'a Path,
    /// Where people reach the pages.
    pub origin: &'a Origin,
    /// The name, taken when the installation is new.
    pub name: &'a str,
    /// Folder of the log's sink; none: off.
    pub log_sink: Option<&'a Path>,
    /// `live` or `demo`; an installation of the other kind is refused.
    pub kind: &'a str,
    /// The relying party whose security keys are left behind, where the origin has another.
    pub leaves_rp_id: Option<&'a str>,
}

/// The database's file in a data folder.
pub fn database_file(data: &Path) -> PathBuf {
    data.join("andon.db")
}

/// True when two folders, or those in which they will be made, lie on one volume: a restore of that volume takes both back in time, and then
/// nothing tells that the database is an old one (ruling H13).
pub fn share_a_volume(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let device = |path: &Path| absolute(path).ancestors().find_map(|dir| std::fs::metadata(dir).ok()).map(|data| data.dev());
    device(one) == device(other)
}

/// Opens or makes an installation.
///
/// # Errors
/// When a folder is in use by another process, the database cannot be opened, or it is of the other kind.
pub async fn open(wanted: Wanted<'_>) -> Result<Site, Failure> {
    let mut locks = vec![lock(wanted.state_dir)?];
    let db = match wanted.database {
        Database::Embedded(data) => {
            if data != wanted.state_dir {
                locks.push(lock(data)?);
            }
            Db::open_sqlite(&database_file(data)).await?
        }
        Database::Postgres(url) => Db::open_postgres(url.expose()).await?,
    };
    storage::migrate::run(&db).await?;
    let clock = Clock::system();
    let installation = installation(&db, &wanted, &clock).await?;
    if installation.kind != wanted.kind {
        let found =
            format!("this database belongs to a {} installation; `andon {}` does not touch it", installation.kind, wanted.command());
        return Err(found.into());
    }
    let rp_id = rp_id(wanted.origin).to_owned();
    let left = remember_rp_id(&db, &rp_id, wanted.leaves_rp_id).await?;
    let (spool, spooled) = Spool::open(&wanted.state_dir.join("spool"))?;
    let origin = wanted.origin.url().clone();
    let node = format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), std::process::id());
    let exchanges = Venues::open(clock.clone(), &Places::Documented).unwrap_or_else(|error| {
        // Stopping needs no venue.
        tracing::error!(error = &error as &dyn std::error::Error, "no exchange can be reached; keys are not measured");
        Venues::default()
    });
    let app = App::assemble(Parts {
        db,
        clock,
        boot_clock: BootClock::system(),
        installation,
        origin,
        spool,
        spooled,
        is_compared_first: true,
        node,
        exchanges,
    })
    .await?;
    let is_one_volume = matches!(wanted.database, Database::Embedded(data) if share_a_volume(data, wanted.state_dir));
    let log = LogSettings { state_dir: wanted.state_dir.to_owned(), sink: wanted.log_sink.map(Path::to_owned), is_one_volume };
    if let Err(error) = app.open_log(log).await {
        // A server that does not start cannot stop anything. The publisher tries again; until then nothing may start or be loosened.
        tracing::error!(error = &error as &dyn std::error::Error, "the audit log could not be compared with its tide mark yet");
    }
    if let Err(error) = app.open_site(wanted.state_dir).await {
        // It counts as foreign until a round could look: stops are taken, no lease is renewed.
        tracing::error!(error = &error as &dyn std::error::Error, "which site this is could not be compared with the database yet");
    }
    if let Some(from) = left {
        leave_keys(&app, from, rp_id).await;
    }
    Ok(Site { app, control: wanted.state_dir.join("control"), _locks: locks })
}

/// Leaves the keys of another relying party behind. Where the database does not take that yet, the server starts all the same, since it stops
/// bots: keys are closed meanwhile, and it is tried again.
async fn leave_keys(app: &Arc<App>, from: String, to: String) {
    app.close_keys();
    if let Err(error) = try_to_leave(app, &from, &to).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the keys of {from} could not be left behind yet; nobody signs in meanwhile"
        );
        let app = Arc::downgrade(app);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LEAVE_AGAIN).await;
                match app.upgrade() {
                    Some(app) if try_to_leave(&app, &from, &to).await.is_err() => {}
                    _ => return,
                }
            }
        });
    }
}

async fn try_to_leave(app: &App, from: &str, to: &str) -> Result<(), crate::app::AppError> {
    let keys = app.leave_rp_id(&host_user(), from, to).await?;
    tell!("{keys} security keys made for {from} were left behind. Nobody can sign in; new keys are made by: andon user recover NAME");
    Ok(())
}

impl Wanted<'_> {
    fn command(&self) -> &'static str {
        if self.kind == "demo" { "demo" } else { "serve" }
    }
}

/// The relying party of an origin: what security keys are bound to.
pub fn rp_id(origin: &Origin) -> &str {
    origin.url().host_str().unwrap_or("localhost")
}

/// Who runs this command, for entries.
pub(super) fn host_user() -> String {
    match rustix::process::getuid() {
        user if user.is_root() => "root".to_owned(),
        user => format!("uid {}", user.as_raw()),
    }
}

/// Why an origin of another relying party does not do, and what does.
pub fn why_not_rp_id(kept: &str, asked: &str) -> String {
    format!(
        "the security keys of this installation were made for {kept}, and --origin has {asked}: at {asked} none of them would work, and nobody could \
         sign in. Set --origin to https://{kept} again, or, to leave every key behind for good, start once with --migrate-rp-id {kept}; after that \
         only `andon user recover` on this host makes new keys"
    )
}

/// Writes the relying party down the first time, and refuses another one after that. Answers with the one that is to be left behind.
async fn remember_rp_id(db: &Db, rp_id: &str, leaves: Option<&str>) -> Result<Option<String>, Failure> {
    match storage::installation::installation_rp_id(&mut *db.read().await?).await? {
        None => {
            let mut tx = db.write(Lane::Normal).await?;
            storage::installation::installation_set_rp_id(&mut tx, rp_id).await?;
            tx.commit().await?;
            Ok(None)
        }
        Some(kept) if kept == rp_id => Ok(None),
        Some(kept) if leaves == Some(kept.as_str()) => Ok(Some(kept)),
        Some(kept) => Err(why_not_rp_id(&kept, rp_id).into()),
    }
}

async fn installation(db: &Db, wanted: &Wanted<'_>, clock: &Clock) -> Result<Installation, Failure> {
    if let Some(installation) = storage::installation::installation_get(&mut *db.read().await?).await? {
        return Ok(installation);
    }
    let host = wanted.origin.url().host_str().unwrap_or("localhost").to_owned();
    let installation =
        Installation { id: InstallationId::new(), name: wanted.name.to_owned(), kind: wanted.kind.to_owned(), created_at: clock.now() };
    let mut tx = db.write(Lane::Normal).await?;
    storage::installation::installation_insert(&mut tx, &installation, &format!("{host}/audit/control/1")).await?;
    match tx.commit().await {
        Ok(()) => Ok(installation),
        // Another replica was first.
        Err(storage::Error::Duplicate(_)) => {
            let found = storage::installation::installation_get(&mut *db.read().await?).await?;
            found.ok_or_else(|| "the installation could not be set up".into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes a folder that only its owner can read, and takes its lock.
pub(super) fn lock(dir: &Path) -> Result<File, Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join("lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        format!(
            "{} is in use by another andon process. Where that is its server, name the server's own --state-dir: it is asked then",
            dir.display()
        )
    })?;
    Ok(file)
}
