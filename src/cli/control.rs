//! The control socket: stops from the server's own host without a token, for whoever may open it (its owner). One line of JSON in, one out.
//! It knows stopping, the recovery of an account past every approval, the links by which two people recover the site, and the register as a file.

use super::Failure;
use crate::app::{
    App, AppError,
    holds::{Press, Terms},
    register::{difference::Difference, file::Format, import::Source},
};
use crate::authz::Actor;
use crate::domain::Level;
use std::{
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// The longest line, bytes: the largest file of the register, as JSON may write it.
const LINE: u64 = 10 * 1024 * 1024;
/// How long a server may take to answer a caller who waits for nothing that it has to read first.
pub const ANSWER: Duration = Duration::from_secs(15);
/// How long a caller may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// `fleet`, or the kind of what is named.
    pub scope: String,
    /// Its name or id; empty for the fleet.
    #[serde(default)]
    pub name: String,
    /// `reduce`, `pause` or `kill`.
    pub level: Level,
    /// Why.
    #[serde(default)]
    pub why: String,
    /// The same press sent again carries the same key.
    pub idempotency_key: String,
    /// Nobody may release it for so many hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_hours: Option<i64>,
}

/// What else can be asked: new keys for somebody.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Recover {
    /// The name that they sign in with.
    pub recover: String,
    /// Why approvals are passed over; none: only where too few people could approve.
    #[serde(default)]
    pub forced: Option<String>,
}

/// What else can be asked: that the site is recovered.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct RecoverSite {
    /// Why; it stands in the log.
    pub recover_site: String,
    /// This state folder becomes the installation's only site.
    #[serde(default)]
    pub take_over: bool,
    /// Make the links; else say what is known.
    #[serde(default)]
    pub sign: bool,
}

/// What else can be asked: the register as a file.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ExportRegister {
    /// `csv` or `toml`.
    pub export_register: Format,
}

/// What else can be asked: that a file is taken into the register.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ImportRegister {
    /// The file.
    pub import_register: String,
    /// How it is written.
    pub format: Format,
    /// Say what it would change; change nothing.
    pub dry_run: bool,
}

/// A hold that stands.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Placed {
    /// The hold.
    pub hold: String,
    /// `recorded`, `spooled` or `not_recorded`.
    pub kept: String,
    /// How many bots it covers now.
    pub bots: usize,
    /// What it covers, in words: `venue binance`.
    #[serde(default)]
    pub what: String,
    /// How strict it is, which for a symbol is not what was asked. None: a server of before said nothing of it.
    #[serde(default)]
    pub level: Option<Level>,
    /// Nobody may release it before this moment; none: at any.
    #[serde(default)]
    pub not_before: Option<String>,
    /// Names of bots that go on although one that is bound to them is stopped.
    #[serde(default)]
    pub bound: Vec<String>,
}

/// What is answered.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Answered {
    /// It is pushed.
    Placed(Placed),
    /// A link to new keys was made.
    Recovered {
        /// The name shown of whose account it is.
        whose: String,
        /// The link, shown once.
        link: String,
    },
    /// What is known of the site.
    Known {
        /// A line each.
        known: Vec<String>,
        /// Why a recovery is needed; empty: it is not.
        reason: String,
    },
    /// Links by which two people sign the recovery of the site.
    Links {
        /// Shown once.
        links: Vec<String>,
    },
    /// The register.
    Register {
        /// As a file.
        file: String,
    },
    /// What a file changed, or would change.
    Difference {
        /// The difference; with anything refused nothing was done.
        difference: Difference,
    },
    /// It was refused.
    Refused {
        /// Why.
        error: String,
    },
}

/// Why the server that runs here was not asked, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// Nobody listens there.
    #[error("{0}: nobody listens there")]
    NoServer(PathBuf),
    /// The socket cannot be opened.
    #[error("{0}: {1}; run this as the user that runs the server")]
    Closed(PathBuf, io::Error),
    /// It did not answer in time.
    #[error("the server did not answer")]
    Silent,
    /// It ended, or answered what cannot be read.
    #[error("the server's answer cannot be read: {0}")]
    Unread(io::Error),
}

/// Asks the server that runs here one thing, and waits for its answer for at most `patience`.
///
/// # Errors
/// See [`Unasked`]. With `NoServer` and `Closed` nothing was asked.
pub async fn ask<T: serde::Serialize>(path: &Path, asked: &T, patience: Duration) -> Result<Answered, Unasked> {
    let talk = async {
        let mut stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Unasked::NoServer(path.to_owned()),
            _ => Unasked::Closed(path.to_owned(), error),
        })?;
        let mut line = serde_json::to_string(asked).map_err(|error| Unasked::Unread(error.into()))?;
        line.push('\n');
        stream.write_all(line.as_bytes()).await.map_err(Unasked::Unread)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.map_err(Unasked::Unread)?;
        serde_json::from_str(&answer).map_err(|error| Unasked::Unread(error.into()))
    };
    tokio::time::timeout(patience, talk).await.map_err(|_| Unasked::Silent)?
}

/// Listens at `path`; a socket left by an earlier process is replaced, which the lock of its folder makes safe.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(app: Arc<App>, path: &Path) -> Result<JoinHandle<()>, Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(answer(app.clone(), stream))),
                Err(error) => {
                    tracing::error!(%error, "the control socket could not accept a caller");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }))
}

async fn answer(app: Arc<App>, mut stream: UnixStream) {
    let user = match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 => "root".to_owned(),
        Ok(peer) => format!("uid {}", peer.uid()),
        Err(_) => "somebody".to_owned(),
    };
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(read).take(LINE);
    let heard = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
    let answered = match heard {
        Ok(Ok(_)) => match serde_json::from_str::<Asked>(&line) {
            Ok(asked) => place(&app, user, asked).await.unwrap_or_else(|error| Answered::Refused { error: error.to_string() }),
            Err(error) => match serde_json::from_str::<Recover>(&line) {
                Ok(asked) => recover(&app, &user, &asked).await,
                Err(_) if let Ok(asked) = serde_json::from_str::<RecoverSite>(&line) => recover_site(&app, &user, &asked).await,
                Err(_) if let Ok(asked) = serde_json::from_str::<ExportRegister>(&line) => export(&app, user, asked.export_register).await,
                Err(_) if let Ok(asked) = serde_json::from_str::<ImportRegister>(&line) => import(&app, user, &asked).await,
                Err(_) => Answered::Refused { error: format!("not understood: {error}") },
            },
        },
        Ok(Err(_)) | Err(_) => return,
    };
    if let Ok(mut text) = serde_json::to_string(&answered) {
        text.push('\n');
        // The caller may have gone; the hold stands all the same.
        let _ = write.write_all(text.as_bytes()).await;
    }
}

async fn recover(app: &Arc<App>, user: &str, asked: &Recover) -> Answered {
    match app.recover_on_host(user, &asked.recover, asked.forced.as_deref()).await {
        Ok(made) => Answered::Recovered { whose: made.whose, link: made.link.expose().clone() },
        Err(error) => Answered::Refused { error: error.to_string() },
    }
}

async fn recover_site(app: &Arc<App>, user: &str, asked: &RecoverSite) -> Answered {
    let refused = |error: AppError| Answered::Refused { error: error.to_string() };
    if asked.sign {
        let links = app.ask_site_recovery(user, &asked.recover_site, asked.take_over).await;
        let shown = |links: Vec<crate::domain::Secret<String>>| links.iter().map(|link| link.expose().clone()).collect();
        return links.map_or_else(refused, |links| Answered::Links { links: shown(links) });
    }
    let said = |known: crate::app::log::known::Known| Answered::Known {
        known: known.lines(),
        reason: known.reason().unwrap_or_default().to_owned(),
    };
    app.site_outlook(user).await.map_or_else(refused, said)
}

async fn export(app: &App, user: String, format: Format) -> Answered {
    match app.export_register(&Actor::Host { user }, format).await {
        Ok(file) => Answered::Register { file },
        Err(error) => Answered::Refused { error: error.to_string() },
    }
}

async fn import(app: &App, user: String, asked: &ImportRegister) -> Answered {
    take_in(app, user, asked)
        .await
        .map_or_else(|error| Answered::Refused { error: error.to_string() }, |difference| Answered::Difference { difference })
}

/// Takes a file into the register, or says what it would change. Anything that is refused is in the answer, and nothing was done then.
///
/// # Errors
/// When it cannot be done now, or nothing would change.
pub async fn take_in(app: &App, user: String, asked: &ImportRegister) -> Result<Difference, AppError> {
    let (actor, source) = (Actor::Host { user }, Source { format: asked.format, text: &asked.import_register });
    let difference = app.look_at_import(&actor, source).await?;
    if asked.dry_run || difference.is_empty() || !difference.refused.is_empty() {
        return Ok(difference);
    }
    app.import_register(&actor, source, None).await
}

async fn place(app: &Arc<App>, user: String, asked: Asked) -> Result<Answered, AppError> {
    let scope = app.scope_named(&asked.scope, &asked.name)?;
    let hours = asked.not_before_hours.filter(|hours| (1..=168).contains(hours));
    let terms = Terms { not_before: hours.map(|hours| app.clock.now().plus_ms(hours * 3_600_000)), with: None };
    let press = Press { scope: scope.clone(), level: asked.level, why: asked.why, idempotency_key: asked.idempotency_key, terms };
    let placed = app.place(Actor::Host { user }, press).await?;
    Ok(Answered::Placed(Placed {
        hold: placed.hold.id.to_string(),
        kept: placed.kept.as_str().to_owned(),
        bots: app.fleet.view().in_scope(&scope).len(),
        what: app.scope_words(&scope),
        level: Some(placed.hold.level),
        bound: app.bound_beyond(&placed.hold).iter().map(|bot| bot.name.clone()).collect(),
        not_before: placed.hold.not_before.map(|at| at.rfc3339()),
    }))
}
