//! Both databases behind one SQL text. The only room that knows SQL; `db.rs` is the only file that names a driver.
//! Functions read noun first (`hold_insert`, `bot_by_id`); what writes takes a `WriteTx`, what reads a `Conn`.
//! A database error is never turned into `None`.

pub mod acks;
pub mod acts;
pub mod agents;
pub mod alerts;
pub mod approvals;
pub mod assignments;
pub mod audit;
pub mod books;
pub mod bots;
pub mod browsers;
pub mod change_readers;
pub mod changes;
pub mod checklists;
pub mod checkpoints;
mod columns;
pub mod credentials;
pub mod db;
pub mod deliveries;
pub mod drill_runs;
pub mod drills;
pub mod emergencies;
pub mod epoch;
pub mod error;
pub mod events;
pub mod evidence;
pub mod exchange_keys;
pub mod files;
pub mod fills;
pub mod first_run;
pub mod gauges;
pub mod holds;
pub mod idempotency;
pub mod imports;
pub mod installation;
pub mod invitations;
pub mod key_secrets;
pub mod limit_overrides;
pub mod limits;
pub mod migrate;
pub mod notices;
pub mod reconciliations;
pub mod recoveries;
pub mod register;
pub mod request_history;
pub mod requests;
pub mod results;
pub mod retention;
pub mod safety;
pub mod seen;
pub mod sessions;
pub mod settings;
pub mod site_recoveries;
pub mod sites;
pub mod staged;
pub mod starts;
pub mod stop_devices;
pub mod teams;
pub mod tokens;
pub mod users;
pub mod venue_changes;
pub mod venues;
pub mod workers;

pub use db::{Conn, Db, Lane, ReadTx, WriteTx};
pub use error::{Error, Result};

/// Every named statement of this room, so that one test can prepare all of them on both databases.
pub fn statements() -> Vec<(&'static str, &'static str, &'static str)> {
    let files: Vec<(&str, &[(&str, &str)])> = vec![
        ("acks", acks::STATEMENTS),
        ("acts", acts::STATEMENTS),
        ("agents", agents::STATEMENTS),
        ("alerts", alerts::STATEMENTS),
        ("approvals", approvals::STATEMENTS),
        ("assignments", assignments::STATEMENTS),
        ("audit", audit::STATEMENTS),
        ("books", books::STATEMENTS),
        ("bots", bots::STATEMENTS),
        ("browsers", browsers::STATEMENTS),
        ("change_readers", change_readers::STATEMENTS),
        ("changes", changes::STATEMENTS),
        ("checklists", checklists::STATEMENTS),
        ("checkpoints", checkpoints::STATEMENTS),
        ("credentials", credentials::STATEMENTS),
        ("deliveries", deliveries::STATEMENTS),
        ("drill_runs", drill_runs::STATEMENTS),
        ("drills", drills::STATEMENTS),
        ("emergencies", emergencies::STATEMENTS),
        ("epoch", epoch::STATEMENTS),
        ("events", events::STATEMENTS),
        ("evidence", evidence::STATEMENTS),
        ("exchange_keys", exchange_keys::STATEMENTS),
        ("files", files::STATEMENTS),
        ("fills", fills::STATEMENTS),
        ("first_run", first_run::STATEMENTS),
        ("holds", holds::STATEMENTS),
        ("idempotency", idempotency::STATEMENTS),
        ("imports", imports::STATEMENTS),
        ("installation", installation::STATEMENTS),
        ("invitations", invitations::STATEMENTS),
        ("notices", notices::STATEMENTS),
        ("reconciliations", reconciliations::STATEMENTS),
        ("recoveries", recoveries::STATEMENTS),
        ("register", register::STATEMENTS),
        ("request_history", request_history::STATEMENTS),
        ("requests", requests::STATEMENTS),
        ("results", results::STATEMENTS),
        ("retention", retention::STATEMENTS),
        ("safety", safety::STATEMENTS),
        ("seen", seen::STATEMENTS),
        ("sessions", sessions::STATEMENTS),
        ("settings", settings::STATEMENTS),
        ("site_recoveries", site_recoveries::STATEMENTS),
        ("sites", sites::STATEMENTS),
        ("staged", staged::STATEMENTS),
        ("starts", starts::STATEMENTS),
        ("stop_devices", stop_devices::STATEMENTS),
        ("teams", teams::STATEMENTS),
        ("tokens", tokens::STATEMENTS),
        ("users", users::STATEMENTS),
        ("venue_changes", venue_changes::STATEMENTS),
        ("venues", venues::STATEMENTS),
        ("workers", workers::STATEMENTS),
        ("limits", limits::STATEMENTS),
        ("gauges", gauges::STATEMENTS),
        ("limit_overrides", limit_overrides::STATEMENTS),
        ("key_secrets", key_secrets::STATEMENTS),
    ];
    files.iter().flat_map(|(file, all)| all.iter().map(|(name, sql)| (*file, *name, *sql))).collect()
}
