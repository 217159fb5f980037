//! The database: reachable, of this program's version, and the end of the log in it.

use super::Line;
use crate::app::audit_tail::check_tail;
use crate::app::log::files;
use crate::app::notices::GIVEN_UP_SHOWN_MS;
use crate::config::MasterKeyArgs;
use crate::domain::{Clock, Secret, Timestamp};
use crate::storage::{self, Db, deliveries::OutboxCounts, migrate};
use std::path::Path;

/// How many of the log's last entries are read.
const LAST: u64 = 2_000;
/// How far the server's clock may be from ours.
const SKEW_MS: i64 = 2_000;
/// Older ones get no more fixes by their makers.
const OLDEST: i64 = 14;
/// Mail that waits longer is told of.
const LATE_MIN: i64 = 10;

/// What the database is compared with.
pub struct Asked<'a> {
    /// The origin's relying party.
    pub rp_id: Option<&'a str>,
    /// The state folder.
    pub state_dir: &'a Path,
    /// The settings of the master key.
    pub master_key: &'a MasterKeyArgs,
}

/// The embedded database. Answers with the number of enrolled agents, when it can be read.
pub async fn embedded(file: &Path, asked: &Asked<'_>, lines: &mut Vec<Line>) -> Option<u64> {
    if !file.exists() {
        lines.push(Line::ok("database", format!("{} is not there yet; the first start makes it", file.display())));
        return None;
    }
    match Db::open_sqlite_to_read(file).await {
        Ok(db) => look(&db, &file.display().to_string(), asked, lines).await,
        Err(error) => {
            let todo = "run the doctor as the user that runs the server; if the file is damaged, restore it";
            lines.push(Line::bad("database", format!("{} cannot be opened: {}", file.display(), causes(&error)), todo));
            None
        }
    }
}

/// PostgreSQL. Answers with the number of enrolled agents, when it can be read.
pub async fn server(url: &Secret<String>, clock: &Clock, asked: &Asked<'_>, lines: &mut Vec<Line>) -> Option<u64> {
    let looked = async {
        let db = Db::open_postgres(url.expose()).await?;
        let server = db.server().await?;
        storage::Result::Ok((db, server))
    };
    let (db, server) = match looked.await {
        Ok((db, Some(server))) => (db, server),
        Ok((_, None)) => return None,
        Err(error) => {
            let todo = "see that it runs, that its host, name, user and password are right, and that it lets this machine in";
            lines.push(Line::bad("database", format!("PostgreSQL cannot be reached: {}", causes(&error)), todo));
            return None;
        }
    };
    let major = server.version / 10_000;
    lines.push(match major {
        ..OLDEST => Line::warn("PostgreSQL", format!("version {major} gets no more fixes"), format!("move to version {OLDEST} or newer")),
        _ => Line::ok("PostgreSQL", format!("version {major}.{}", server.version % 10_000)),
    });
    if !server.loses.is_empty() {
        let said =
            format!("{} is off: what it acknowledged can be lost with its power, stops and starts among it", server.loses.join(", "));
        lines.push(Line::bad("PostgreSQL", said, "turn it on in postgresql.conf"));
    }
    if server.is_standby {
        lines.push(Line::bad("PostgreSQL", "this server follows another and takes no writes", "give the address of the primary"));
    }
    let apart = server.now.ms_since(clock.now());
    if apart.abs() > SKEW_MS {
        let said = format!("the clocks of the database's machine and of this one are {} s apart", apart.abs() / 1_000);
        lines.push(Line::warn("PostgreSQL", said, "keep both by NTP"));
    }
    look(&db, "PostgreSQL", asked, lines).await
}

async fn look(db: &Db, name: &str, asked: &Asked<'_>, lines: &mut Vec<Line>) -> Option<u64> {
    let agents = examine(db, name, asked, lines).await;
    db.close().await;
    agents.unwrap_or_else(|error| {
        lines.push(Line::bad("database", format!("{name} cannot be read: {}", causes(&error)), "if it is damaged, restore it"));
        None
    })
}

async fn examine(db: &Db, name: &str, asked: &Asked<'_>, lines: &mut Vec<Line>) -> storage::Result<Option<u64>> {
    let schema = migrate::look(db).await?;
    let Some(version) = schema.version else {
        lines.push(Line::ok("database", format!("{name} is empty; the first start fills it")));
        return Ok(None);
    };
    if !schema.foreign.is_empty() {
        let said = format!("{name} was written by another, newer program: it holds version {version} of the schema");
        lines.push(Line::bad("database", said, "run the newer program, or restore a backup from before it"));
        return Ok(None);
    }
    if !schema.pending.is_empty() {
        let said = format!("{name} has schema version {version}; {} newer are to be applied", schema.pending.len());
        lines.push(Line::warn("database", said, "make a backup; the next start of this program applies them"));
        return Ok(None);
    }
    lines.push(Line::ok("database", format!("{name} answers, schema version {version}")));
    let mut tx = db.read().await?;
    match storage::installation::installation_get(&mut tx).await? {
        Some(installation) if installation.kind != "live" => {
            let said = format!("it belongs to a {} installation; `andon serve` does not touch it", installation.kind);
            lines.push(Line::bad("database", said, "name another data folder"));
        }
        Some(installation) => {
            lines.extend(super::master_key::fits(&mut tx, &installation.id, (asked.master_key, asked.state_dir)).await?);
        }
        None => return Ok(None),
    }
    if let (Some(kept), Some(origin)) = (storage::installation::installation_rp_id(&mut tx).await?, asked.rp_id) {
        lines.push(match kept == origin {
            true => Line::ok("security keys", format!("are made for {kept}, which is the origin's host")),
            false => {
                let todo =
                    format!("give --origin https://{kept} again, or leave all keys behind for good: andon serve --migrate-rp-id {kept}");
                Line::bad(
                    "security keys",
                    format!("were made for {kept}; at {origin} none of them works, and the server does not start"),
                    todo,
                )
            }
        });
    }
    lines.push(site(&storage::sites::site_all(&mut tx).await?, asked.state_dir));
    let agents = storage::agents::agent_live(&mut tx).await?;
    let since = Clock::system().now().plus_ms(-GIVEN_UP_SHOWN_MS);
    lines.push(outbox(&storage::deliveries::delivery_counts(&mut tx, since).await?, Clock::system().now()));
    lines.push(addresses(&storage::notices::address_missing(&mut tx).await?));
    lines.push(match check_tail(&mut tx, LAST).await {
        Ok(tail) => log(&tail),
        Err(error) => Line::bad("audit log", format!("it cannot be read: {}", causes(&error)), "run `andon audit verify`"),
    });
    Ok(Some(agents.len() as u64))
}

/// Whether this state folder is one of the installation's sites.
fn site(all: &[storage::sites::Site], state_dir: &Path) -> Line {
    let own = std::fs::read_to_string(files::site_path(state_dir)).unwrap_or_default();
    let todo =
        "if the installation moves here, two people take it over: andon recover --take-over; a new replica joins: andon replica join";
    match (own.trim(), all.iter().find(|site| site.id == own.trim())) {
        (_, Some(site)) if site.ended_at.is_none() => Line::ok("site", "this state folder is one of the installation's"),
        (_, Some(_)) => {
            Line::bad("site", "another site took over from this state folder: its server renews no lease and starts nothing", todo)
        }
        ("", None) if all.is_empty() => Line::ok("site", "none is on record yet; the first start of this version records it"),
        ("", None) => {
            Line::warn("site", "this state folder has no id yet and others are on record: a server here may find itself a copy", todo)
        }
        (_, None) => {
            Line::bad("site", "this state folder is not one of the installation's: its server renews no lease and starts nothing", todo)
        }
    }
}

fn log(tail: &crate::app::audit_tail::TailReport) -> Line {
    if let Some(first) = tail.findings.first() {
        let at = first.seq.map(|seq| format!("entry {seq}: ")).unwrap_or_default();
        let more = if tail.findings.len() > 1 { format!(", and {} more", tail.findings.len() - 1) } else { String::new() };
        let todo = "keep a copy of the database as it is, then run `andon audit verify` for the whole of it";
        return Line::bad("audit log", format!("{at}{}{more}", first.what), todo);
    }
    if !tail.is_open {
        return Line::bad("audit log", "it is frozen: nothing may start or be loosened; stopping works", "run `andon audit verify`");
    }
    Line::ok("audit log", format!("{} entries; the last {} agree with its head", tail.size, tail.read))
}

/// Who holds much and is told of it by no other channel than the page.
fn addresses(missing: &[String]) -> Line {
    if missing.is_empty() {
        return Line::ok("addresses", "everybody who holds lead, risk or admin has a mail address");
    }
    let said = format!("{} hold lead, risk or admin and have no mail address: notices reach them in the page only", missing.join(", "));
    Line::warn("addresses", said, "each gives one under My account")
}

/// Mail that does not get away.
fn outbox(counts: &OutboxCounts, now: Timestamp) -> Line {
    let last = counts.last_error.as_deref().map(|why| format!("; the mail server said: {why}")).unwrap_or_default();
    let late_min = counts.oldest.map(|at| now.ms_since(at) / 60_000).filter(|minutes| *minutes >= LATE_MIN);
    match (counts.given_up, late_min) {
        (0, None) => Line::ok("notices", format!("{} wait to be sent, none was given up", counts.waiting)),
        (0, Some(minutes)) => {
            let said = format!("{} wait to be sent, the oldest for {minutes} min{last}", counts.waiting);
            Line::warn("notices", said, "see what is said of the mail server below; until it takes them, people see them in the page only")
        }
        (n, _) => {
            let said = format!("{n} mails of the last 7 days were given up; {} wait{last}", counts.waiting);
            Line::warn("notices", said, "people see them in the page only: see the mail server, and whether their addresses are right")
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    crate::cli::with_causes(error)
}
