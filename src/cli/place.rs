//! Where a log lies and what vouches for it: the flags that `andon audit` and `andon replica` share, named as those of `andon serve`.

use super::{Failure, site};
use crate::audit::VerifierKey;
use crate::authn::Keys;
use crate::config::{
    Origin,
    serve::{self, Database},
};
use std::path::{Path, PathBuf};

/// The folders.
#[derive(Debug, clap::Args)]
pub struct Folders {
    /// Folder of the embedded database. Default: andon-data.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of the log's key and tide mark. Default: DATA/state.
    #[arg(long, env = "ANDON_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// The database, and the keys.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The folders.
    #[command(flatten)]
    pub folders: Folders,
    /// PostgreSQL instead.
    #[arg(long, env = "ANDON_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A file that holds the database URL, so that its password stands in no list of processes.
    #[arg(long, env = "ANDON_DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// The origin that the signatures were made at.
    #[arg(long, env = "ANDON_ORIGIN", value_name = "URL", default_value = "http://localhost:8787")]
    origin: String,
    /// A verifier key that you kept, NAME+HASH+BASE64: checkpoints must be signed by it. Default: by a key in the state folder or the log.
    #[arg(long, env = "ANDON_LOG_KEY", value_name = "VKEY")]
    key: Vec<String>,
}

impl Folders {
    /// Folder of the embedded database.
    pub fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("andon-data"))
    }
    /// Folder of key and tide mark, there or not.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| self.data().join("state"))
    }
    /// The same, when it was named; with `usual` also the one beside the data, when it is there.
    pub fn state_dir_if(&self, usual: bool) -> Option<PathBuf> {
        self.state_dir.clone().or_else(|| Some(self.data().join("state")).filter(|dir| usual && dir.exists()))
    }
}

impl Place {
    /// Opens the installation while no server runs on it: its lock keeps one out meanwhile.
    ///
    /// # Errors
    /// When it is not there, or a server has it.
    pub async fn open(&self, state_dir: &Path) -> Result<site::Site, Failure> {
        let (database, origin) = (self.database()?, self.origin()?);
        let sink = match &database {
            Database::Embedded(data) => Some(data.join("log")).filter(|sink| sink.exists()),
            Database::Postgres(_) => None,
        };
        let wanted = site::Wanted {
            database: &database,
            state_dir,
            origin: &origin,
            name: "Andon",
            log_sink: sink.as_deref(),
            kind: "live",
            leaves_rp_id: None,
        };
        site::open(wanted).await
    }
    /// True when neither a database nor a folder of one was named.
    pub fn names_no_database(&self) -> bool {
        self.folders.data.is_none() && self.database_url.is_none() && self.database_url_file.is_none()
    }

    /// Which database; an embedded one is there.
    ///
    /// # Errors
    /// When it is not, or the settings do not do.
    pub fn database(&self) -> Result<Database, Failure> {
        let database = serve::database(self.folders.data(), self.database_url.as_deref(), self.database_url_file.as_deref())?;
        if let Database::Embedded(data) = &database {
            let file = site::database_file(data);
            if !file.exists() {
                return Err(format!("{}: there is no database", file.display()).into());
            }
        }
        Ok(database)
    }

    /// Where people reach the pages.
    ///
    /// # Errors
    /// When it is no origin.
    pub fn origin(&self) -> Result<Origin, Failure> {
        Ok(Origin::parse(&self.origin)?)
    }

    /// Checks the signatures of acts.
    ///
    /// # Errors
    /// When the origin is none.
    pub fn webauthn(&self) -> Result<Keys, Failure> {
        Ok(Keys::new(Origin::parse(&self.origin)?.url(), "andon")?)
    }

    /// The keys that were kept elsewhere.
    ///
    /// # Errors
    /// When one is none.
    pub fn keys(&self) -> Result<Vec<VerifierKey>, Failure> {
        Ok(self.key.iter().map(|key| VerifierKey::parse(key)).collect::<Result<_, _>>()?)
    }
}
