//! Logs: one line per event on standard error. What goes in is chosen where it is written; nothing here filters secrets, since none may come.

use tracing_subscriber::EnvFilter;

/// What is logged unless `ANDON_LOG` says otherwise.
const USUAL: &str = "info,sqlx=warn,hyper=warn,tower_sessions=warn";

/// Begins to log. Calling it twice changes nothing.
pub fn begin(usual: Option<&str>) {
    let filter = EnvFilter::try_from_env("ANDON_LOG").unwrap_or_else(|_| EnvFilter::new(usual.unwrap_or(USUAL)));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    // A log that cannot be written (a full disk, a pipe whose reader is gone) must not end whoever logs, perhaps in the middle of a stop.
    let logs = logs.log_internal_errors(false);
    // A second subscriber is refused: the first goes on.
    let _ = logs.try_init();
}
