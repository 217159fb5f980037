//! Settings of `andon serve`.

use super::{ConfigError, Mail, MailArgs, MasterKeyArgs, MasterKeySource, Origin, Transport, TransportArgs};
use crate::domain::Secret;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What `--help` says below the flags.
pub const HELP: &str = "Every flag is also a variable and, with _ for -, a key of the file that --config names: --tls-cert is ANDON_TLS_CERT \
    and tls_cert. Flags win over variables, variables over the file, the file over the defaults.\n\n\
    People and agents reach it in one of three ways:\n  \
    on this machine only  andon serve\n  \
    TLS of its own        andon serve --listen 0.0.0.0:443 --origin https://HOST --tls-cert FILE --tls-key FILE\n  \
    behind a proxy        andon serve --origin https://HOST --trust-proxy 127.0.0.1\n\n\
    `andon doctor` takes the same flags and explains what is wrong.";

/// Runs the server.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Configuration file in TOML: every flag is a key, with _ for -. `andon doctor --example-config` prints one.
    #[arg(long, env = "ANDON_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the embedded database; made when it is missing.
    #[arg(long, env = "ANDON_DATA", value_name = "DIR", default_value = "andon-data")]
    pub data: PathBuf,
    /// Folder of what must not be restored with the database: the spool of stops, the control socket, the log's key and tide
    /// mark, the master key. Default: DATA/state.
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
    /// A file that holds the database URL, so that its password stands in no list of processes.
    #[arg(long, env = "ANDON_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
    /// Folder that every entry of the audit log is copied to, best on another volume; `off`: none. Default: DATA/log.
    #[arg(long, env = "ANDON_LOG_SINK", value_name = "DIR|off")]
    pub log_sink: Option<PathBuf>,
    /// The installation's name, shown on every page. Taken at the first start.
    #[arg(long, env = "ANDON_NAME", value_name = "NAME", default_value = "Andon")]
    pub name: String,
    /// A program that gets each alert as one JSON object on its standard input, with its arguments, split at spaces; no shell. It has 10 s.
    #[arg(long, env = "ANDON_ALERT_COMMAND", value_name = "CMD")]
    pub alert_command: Option<String>,
    /// How many days observations are kept: evidence of presses that are over, acknowledgements, closed alerts. At least 30. The audit log is never
    /// cut, and of each bot the newest stays.
    #[arg(long, env = "ANDON_KEEP_DAYS", value_name = "DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(30..=36_500))]
    pub keep_days: u32,
    /// TLS and proxies.
    #[command(flatten)]
    pub transport: TransportArgs,
    /// Mail.
    #[command(flatten)]
    pub mail: MailArgs,
    /// The master key.
    #[command(flatten)]
    pub master_key: MasterKeyArgs,
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
    /// TLS and proxies.
    pub transport: Transport,
    /// Folder of the log's sink; none: off.
    pub log_sink: Option<PathBuf>,
    /// What gets alerts: a program and its arguments; empty: nothing.
    pub alert_command: Vec<String>,
    /// How many days observations are kept.
    pub keep_days: u32,
    /// The mail server; none: notices stay in the page.
    pub mail: Option<Mail>,
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
    /// Where the one comes from that it replaces.
    pub master_key_old: Option<MasterKeySource>,
    /// The name of one that is lost for good.
    pub master_key_lost: Option<String>,
}

/// Which database these settings name. Reads the file that holds its address, when one is named.
///
/// # Errors
/// When the address is none of PostgreSQL's, or its file cannot be read. The text never holds the address.
pub fn database(data: &Path, url: Option<&str>, file: Option<&Path>) -> Result<Database, ConfigError> {
    let (setting, url) = match (url, file) {
        (Some(_), Some(_)) => {
            return Err(ConfigError::new("--database-url-file", "goes without --database-url; give one of the two"));
        }
        (Some(url), None) => ("--database-url", url.to_owned()),
        (None, Some(file)) => {
            let text = fs::read_to_string(file);
            let text = text.map_err(|error| ConfigError::new("--database-url-file", format!("{}: {error}", file.display())))?;
            ("--database-url-file", text.trim().to_owned())
        }
        (None, None) => return Ok(Database::Embedded(data.to_owned())),
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(Secret::new(url)));
    }
    Err(ConfigError::new(setting, "must begin with postgres://"))
}

impl ServeArgs {
    /// Which database. Reads the file that holds its address, when one is named.
    ///
    /// # Errors
    /// When the address is none of PostgreSQL's, or its file cannot be read. The text never holds the address.
    pub fn database(&self) -> Result<Database, ConfigError> {
        database(&self.data, self.database_url.as_deref(), self.database_url_file.as_deref())
    }

    /// Folder of spool and control socket.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| self.data.join("state"))
    }

    /// Folder that the log is copied to; none: nowhere.
    pub fn log_sink(&self) -> Option<PathBuf> {
        let sink = self.log_sink.clone().unwrap_or_else(|| self.data.join("log"));
        (sink.as_os_str() != "off").then_some(sink)
    }

    /// What gets alerts: a program and its arguments; empty: nothing.
    pub fn alert_command(&self) -> Vec<String> {
        self.alert_command.as_deref().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// Checks everything that can be checked before anything is opened.
    ///
    /// # Errors
    /// The first setting that cannot be taken.
    pub fn check(self) -> Result<Serve, ConfigError> {
        let origin = Origin::parse(&self.origin)?;
        let transport = self.transport.clone().check(&origin, self.listen)?;
        let database = self.database()?;
        let name = crate::domain::text::name(&self.name).map_err(|why| ConfigError::new("--name", format!("the name {why}")))?;
        let log_sink = self.log_sink();
        let alert_command = self.alert_command();
        let (state_dir, listen, keep_days) = (self.state_dir(), self.listen, self.keep_days);
        let mail = self.mail.check(&origin)?;
        let (master_key, master_key_old) = (self.master_key.check(&state_dir)?, self.master_key.check_old()?);
        let master_key_lost = self.master_key.master_key_lost;
        Ok(Serve {
            database,
            state_dir,
            listen,
            origin,
            name,
            transport,
            log_sink,
            alert_command,
            keep_days,
            mail,
            master_key,
            master_key_old,
            master_key_lost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Serving {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn args(given: &[&str]) -> ServeArgs {
        <Serving as clap::Parser>::try_parse_from([&["serve"], given].concat()).unwrap().args
    }

    #[test]
    fn the_defaults_serve_this_machine_only() {
        let serve = args(&[]).check().unwrap();
        assert!(serve.listen.ip().is_loopback() && serve.transport == Transport::default());
        assert_eq!(serve.state_dir, PathBuf::from("andon-data/state"));
        assert_eq!(args(&["--listen", "0.0.0.0:8787"]).check().unwrap_err().setting, "--listen");
    }

    #[test]
    fn the_log_has_a_sink_unless_it_is_switched_off() {
        let sink = |given: &[&str]| args(&[&["--data", "d"], given].concat()).check().unwrap().log_sink;
        assert_eq!(sink(&[]), Some("d/log".into()));
        assert_eq!(sink(&["--log-sink", "/mnt/log"]), Some("/mnt/log".into()));
        assert_eq!(sink(&["--log-sink", "off"]), None);
    }

    #[test]
    fn the_alert_command_is_a_program_and_its_arguments() {
        let command = |given: &[&str]| args(given).check().unwrap().alert_command;
        assert_eq!(command(&["--alert-command", "/opt/page  --team arb"]), ["/opt/page", "--team", "arb"]);
        assert!(command(&[]).is_empty() && command(&["--alert-command", " "]).is_empty());
    }

    #[test]
    fn another_database_is_refused_without_printing_its_password() {
        let refused = args(&["--database-url", "mysql://u:hunter2@h/d"]).check().unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
        let taken = args(&["--database-url", "postgres://u:hunter2@h/d"]).check().unwrap();
        assert!(!format!("{taken:?}").contains("hunter2"));
    }

    #[test]
    fn the_address_of_a_database_can_lie_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        let path = file.to_str().unwrap();
        let gone = args(&["--database-url-file", path]).check().unwrap_err();
        assert!(gone.to_string().contains("url"), "{gone}");
        fs::write(&file, "postgres://u:hunter2@h/d\n").unwrap();
        let Database::Postgres(url) = args(&["--database-url-file", path]).check().unwrap().database else { panic!("not PostgreSQL") };
        assert_eq!(url.expose(), "postgres://u:hunter2@h/d");
        let both = args(&["--database-url-file", path, "--database-url", "postgres://h/d"]).check().unwrap_err();
        assert_eq!(both.setting, "--database-url-file");
        fs::write(&file, "hunter2").unwrap();
        assert!(!args(&["--database-url-file", path]).check().unwrap_err().to_string().contains("hunter2"));
    }
}
