//! How the audit log is kept, for `/system`: its key, its newest checkpoint, the tide mark, the sink, and why it is frozen when it is.

use super::system::Part;
use crate::app::{
    App,
    log::{FrozenKind, LogStatus, Rehash},
};
use crate::domain::Timestamp;
use crate::web::{chip::Tone, format};

/// A disk that takes longer than this is spoken of.
const SLOW_MS: i64 = 10_000;

/// What the panel shows.
pub struct Keeping {
    /// The verifier key; empty: this process publishes nothing.
    pub vkey: String,
    /// Entries, as of the last round.
    pub size: String,
    /// Entries under the newest checkpoint, and when it was signed.
    pub checkpoint: Option<(String, Timestamp)>,
    /// Entries under the tide mark.
    pub mark: Option<String>,
    /// The sink in a sentence.
    pub sink: String,
    /// The re-reading of the whole log in a sentence.
    pub rehash: String,
    /// Why the log is frozen.
    pub frozen: Option<(String, Timestamp)>,
    /// What to do about it.
    pub remedy: &'static str,
    /// Why the last round did not end.
    pub error: Option<String>,
    /// Database and tide mark are restored together.
    pub is_one_volume: bool,
}

impl Keeping {
    /// As it is now.
    pub fn of(app: &App) -> Self {
        let (status, frozen) = (app.log.status(), app.log.gate().frozen());
        let remedy = match frozen.as_ref().map(|frozen| frozen.kind) {
            None => "",
            Some(FrozenKind::Rollback) => {
                "The fleet is paused. Put the newest copy of the database back and start the server again: the log then opens by itself. If there is \
                 none, two people go on from here: andon recover --why TEXT on the server's host says what is known and how."
            }
            Some(FrozenKind::Mismatch) => {
                "Keep a copy of database, state folder and sink as they are. Run andon audit verify: it names what was changed. Put back a whole \
                 copy of the database that is as new, and start the server again. If there is none, two people go on from here under a new \
                 incarnation of the log: andon recover --why TEXT on the server's host."
            }
            Some(FrozenKind::MarkLost) => {
                "Stop this server, run andon replica join while another server of the installation runs, start it again. It verifies the whole log \
                 first and is an entry. After a recovery of the site every other replica does this once. It makes no site of a copy: there two people \
                 sign what andon recover --take-over prints."
            }
            Some(FrozenKind::KeyChanged) => {
                "Put back log.key and tide-mark of this replica's state folder together, and start the server again. If they are lost, run \
                 andon replica join first; if the key was stolen, andon recover --why TEXT begins a new incarnation of the log."
            }
            Some(FrozenKind::NotCompared) => {
                "The server tries again every five seconds and opens the log by itself: see why it cannot read the database or the state folder."
            }
        };
        Self {
            size: format::count(status.size),
            checkpoint: status.checkpoint.as_ref().map(|stored| (format::count(stored.size), stored.at)),
            mark: status.mark.as_ref().map(|mark| format::count(mark.size)),
            sink: sink_words(&status, app.clock.now()),
            rehash: match status.rehash {
                Rehash::NotYet => "not yet since this server started".to_owned(),
                Rehash::Running(read) => format!("being read: {} entries so far", format::count(read)),
                Rehash::Good(read, at) => {
                    format!("{} entries read again {} ago; all fit", format::count(read), format::duration(app.clock.now().ms_since(at)))
                }
            },
            frozen: frozen.as_ref().map(|frozen| (frozen.why.clone(), frozen.since)),
            remedy,
            vkey: status.vkey,
            error: status.error,
            is_one_volume: status.is_one_volume,
        }
    }
}

fn sink_words(status: &LogStatus, now: Timestamp) -> String {
    let sink = &status.sink;
    let has = format::count(sink.entries);
    match (&sink.error, sink.behind_since) {
        _ if sink.dir.is_empty() => "off: the log is copied nowhere".to_owned(),
        (Some(error), since) => {
            let since = since.map(|since| format::duration(now.ms_since(since))).unwrap_or_default();
            format!("{has} entries, behind for {since}: {error}")
        }
        (None, Some(since)) if now.ms_since(since) > SLOW_MS => {
            format!("{has} entries, its disk has not answered for {}", format::duration(now.ms_since(since)))
        }
        (None, _) => format!("{has} entries in {}", sink.dir),
    }
}

/// The rows of the table of parts.
pub fn parts(degraded: &[&'static str], keeping: &Keeping) -> Vec<Part> {
    let is_well = |name: &str| !degraded.contains(&name);
    let log = keeping.frozen.as_ref().map_or_else(
        || "Without it nothing may start or be loosened. Stopping works.".to_owned(),
        |(why, _)| format!("Frozen: {why}. Nothing may start or be loosened. Stopping works."),
    );
    let site = "Each state folder has an id; a folder that the database does not name renews no lease. Stopping works.";
    vec![
        Part::new("Site", is_well("site"), (Tone::Critical, "Another site's copy"), site),
        Part::new("Audit log", is_well("audit_log"), (Tone::Critical, "Takes no entry"), log),
        Part::new("Checkpoints", is_well("log_publisher"), (Tone::High, "Too old"), "Signed five seconds after an entry at the latest."),
        Part::new("Copy of the log", is_well("log_sink"), (Tone::High, "Behind"), "A folder that only grows, best on another volume."),
    ]
}
