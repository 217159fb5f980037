//! Settings of `andon serve`.

use super::{ConfigError, Origin};
use std::{net::SocketAddr, path::PathBuf};

/// Runs the server.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Folder of the embedded database; made when it is missing.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR", default_value = "andon-data")]
    pub data: PathBuf,
    /// Folder of what must not be restored with the database: the spool of stops and the control socket. Default: DATA/state.
    #[arg(long, env = "ANDON_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, env = "ANDON_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Where people reach the pages: https://HOST:PORT, or http://localhost:PORT. Security keys are bound to it.
    #[arg(long, env = "ANDON_ORIGIN", value_name = "URL", default_value = "http://localhost:8787")]
    pub origin: String,
    /// PostgreSQL instead of the embedded database: postgres://USER@HOST/DATABASE.
    #[arg(long, env = "ANDON_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Folder that every entry of the audit log is copied to, best on another volume; `off`: none. Default: DATA/log.
    #[arg(long, env = "ANDON_LOG_SINK", value_name = "DIR|off")]
    pub log_sink: Option<PathBuf>,
    /// The installation's name, shown on every page. Taken at the first start.
    #[arg(long, env = "ANDON_NAME", value_name = "NAME", default_value = "Andon")]
    pub name: String,
}

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// Embedded, in this folder.
    Embedded(PathBuf),
    /// PostgreSQL at this URL. Never printed.
    Postgres(crate::domain::Secret<String>),
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Which database.
    pub database: Database,
    /// Folder of spool and control socket.
    pub state_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where people reach the pages.
    pub origin: Origin,
    /// The installation's name.
    pub name: String,
    /// Folder of the log's sink; none: off.
    pub log_sink: Option<PathBuf>,
}

impl ServeArgs {
    /// Checks everything that can be checked without touching the disk.
    ///
    /// # Errors
    /// The first setting that cannot be taken.
    pub fn check(self) -> Result<Serve, ConfigError> {
        let origin = Origin::parse(&self.origin)?;
        if !origin.is_https() && !self.listen.ip().is_loopback() {
            return Err(ConfigError::new(
                "--listen",
                format!("{} can be reached from outside, but the origin is http://localhost; give an https origin", self.listen),
            ));
        }
        let database = match self.database_url {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Database::Postgres(crate::domain::Secret::new(url))
            }
            Some(_) => return Err(ConfigError::new("--database-url", "must begin with postgres://")),
            None => Database::Embedded(self.data.clone()),
        };
        let name = crate::domain::text::name(&self.name).map_err(|why| ConfigError::new("--name", format!("the name {why}")))?;
        let state_dir = self.state_dir.unwrap_or_else(|| self.data.join("state"));
        let log_sink = self.log_sink.unwrap_or_else(|| self.data.join("log"));
        let log_sink = (log_sink.as_os_str() != "off").then_some(log_sink);
        Ok(Serve { database, state_dir, listen: self.listen, origin, name, log_sink })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ServeArgs {
        ServeArgs {
            data: "d".into(),
            state_dir: None,
            listen: "127.0.0.1:8787".parse().unwrap(),
            origin: "http://localhost:8787".into(),
            database_url: None,
            name: "Desk".into(),
            log_sink: None,
        }
    }

    #[test]
    fn a_plain_origin_is_not_served_to_the_outside() {
        assert!(args().check().is_ok());
        let open = ServeArgs { listen: "0.0.0.0:8787".parse().unwrap(), ..args() };
        assert_eq!(open.clone().check().unwrap_err().setting, "--listen");
        assert!(ServeArgs { origin: "https://andon.example.org".into(), ..open }.check().is_ok());
    }

    #[test]
    fn the_log_has_a_sink_unless_it_is_switched_off() {
        let sink = |given: Option<&str>| ServeArgs { log_sink: given.map(Into::into), ..args() }.check().unwrap().log_sink;
        assert_eq!(sink(None), Some("d/log".into()));
        assert_eq!(sink(Some("/mnt/log")), Some("/mnt/log".into()));
        assert_eq!(sink(Some("off")), None);
    }

    #[test]
    fn another_database_is_refused_without_printing_its_password() {
        let refused = ServeArgs { database_url: Some("mysql://u:hunter2@h/d".into()), ..args() }.check().unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
        let taken = ServeArgs { database_url: Some("postgres://u:hunter2@h/d".into()), ..args() }.check().unwrap();
        assert!(!format!("{taken:?}").contains("hunter2"));
    }
}
