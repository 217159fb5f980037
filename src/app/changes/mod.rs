//! The register of changes for auditors: every change of what trades live in a period, with the request, the approvals and the tests behind it, and
//! when it was first in use; every request of the period with what became of it; and what is to be explained. Read from the log, entry by entry, and
//! from what is stored of the requests that it names; judged by `domain/change_register`. A walk holds one piece of the log at a time, and a line per
//! bot, key and level of limits, so that a year is read in as little memory as a day.

pub mod csv;
mod facts;
mod free;
mod rows;

pub use rows::{Approval, ChangeRow, RequestPart, Tested};

use super::{App, AppError, Invalid, fills};
use crate::audit::Canonical;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BotId, RequestId, RequestState, Timestamp,
    change_register::{Fact, Finding, FindingKind, Judge, Stored, What},
    time::DAY_MS,
};
use crate::storage::{self, Conn, changes::ChangeEntry};
pub use fills::Span;
use std::collections::{BTreeMap, HashMap};

/// How many entries are read at once.
const PIECE: i64 = 500;
/// How many days are shown when nobody says.
pub const USUAL_DAYS: i64 = 90;
/// How many findings of a kind are listed; all are counted, and each stands with its line.
pub const LISTED: usize = 100;

/// The period that two texts tell: days, the second one included, or moments; what is empty: until now, and 90 days of it.
///
/// # Errors
/// The field that tells no time.
pub fn span(from: &str, until: &str, now: Timestamp) -> Result<Span, Invalid> {
    let span = fills::span(from, until)?;
    if !from.trim().is_empty() {
        return Ok(span);
    }
    let day = DAY_MS * 1_000;
    let last = span.until.min(now);
    let begin = Timestamp(last.0 - last.0.rem_euclid(day)).plus_ms(-USUAL_DAYS * DAY_MS);
    Ok(Span { from: begin, until: span.until })
}

/// How far a reading of the register has come.
#[derive(Debug, Clone)]
pub struct Walk {
    span: Span,
    after: i64,
    judge: Judge,
    is_over: bool,
}

impl Walk {
    /// From the first entry of the log on: what a bot is, is known from all of them.
    pub fn new(span: Span) -> Self {
        Self { span, after: -1, judge: Judge::default(), is_over: false }
    }
}

/// A line of the register before what belongs to its request is read.
struct Item {
    number: i64,
    at: Timestamp,
    kind: String,
    actor: String,
    words: String,
    bot: Option<BotId>,
    request: Option<RequestId>,
    note: String,
    // A step up, after which a start makes it count.
    is_step: bool,
    is_listed: bool,
    findings: Vec<Finding>,
}

/// A period of the register.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// A piece of its lines, oldest first.
    pub rows: Vec<ChangeRow>,
    /// The number after which there are more.
    pub next: Option<i64>,
    /// How many lines there are, by the kind of entry.
    pub kinds: BTreeMap<String, u64>,
    /// What is to be explained, at most so many of each kind as are listed.
    pub findings: Vec<Finding>,
    /// How many of each kind there are.
    pub found: BTreeMap<FindingKind, u64>,
}

impl Report {
    /// How many lines there are.
    pub fn total(&self) -> u64 {
        self.kinds.values().sum()
    }
    /// How many findings of a kind there are.
    pub fn count(&self, kind: FindingKind) -> u64 {
        self.found.get(&kind).copied().unwrap_or_default()
    }
    fn find(&mut self, finding: Finding) {
        let count = self.found.entry(finding.kind).or_default();
        *count += 1;
        if *count <= LISTED as u64 {
            self.findings.push(finding);
        }
    }
}

impl App {
    /// A period of the register: its counts, its findings, and a piece of its lines after a number.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn change_report(&self, actor: &Actor, span: Span, after: Option<i64>, most: usize) -> Result<Report, AppError> {
        authz::check(actor, Action::SeeAudit, &Resource::Installation)?;
        let (mut walk, mut report) = (Walk::new(span), Report::default());
        let mut tx = self.db.read().await?;
        while !walk.is_over {
            for item in self.walk_on(&mut tx, &mut walk).await? {
                item.findings.iter().cloned().for_each(|finding| report.find(finding));
                if !item.is_listed {
                    continue;
                }
                *report.kinds.entry(item.kind.clone()).or_default() += 1;
                let is_after = after.is_none_or(|after| item.number > after);
                match report.rows.last().and_then(|last| last.number) {
                    last if is_after && report.rows.len() >= most => report.next = last,
                    _ if is_after => report.rows.push(self.change_row(&mut tx, item).await?),
                    _ => {}
                }
            }
            // Nobody else waits while a long log is read.
            tokio::task::yield_now().await;
        }
        let standing = self.standing(&mut tx, &walk).await?;
        standing.into_iter().for_each(|finding| report.find(finding));
        Ok(report)
    }

    /// The next lines of a walk, oldest first, and how to go on: what a file of all of them is written from. At the end what stands now and is to be
    /// explained, a line each.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn change_piece(&self, actor: &Actor, mut walk: Walk) -> Result<(Vec<ChangeRow>, Option<Walk>), AppError> {
        authz::check(actor, Action::SeeAudit, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let mut rows = Vec::new();
        while rows.is_empty() && !walk.is_over {
            for item in self.walk_on(&mut tx, &mut walk).await? {
                // A start that is to be explained has a line of its own here.
                if item.is_listed || !item.findings.is_empty() {
                    rows.push(self.change_row(&mut tx, item).await?);
                }
            }
        }
        if !walk.is_over {
            return Ok((rows, Some(walk)));
        }
        let standing = self.standing(&mut tx, &walk).await?;
        rows.extend(standing.into_iter().map(|finding| self.finding_row(finding)));
        Ok((rows, None))
    }

    /// What is to be explained of how bots are stored now, of a period that has not ended.
    async fn standing(&self, conn: &mut Conn, walk: &Walk) -> Result<Vec<Finding>, AppError> {
        let now = self.clock.now();
        if walk.span.until <= now {
            return Ok(Vec::new());
        }
        let bots = storage::changes::change_standing(conn).await?;
        Ok(walk.judge.standing(bots.iter(), now))
    }

    /// Reads the next piece of the log. Answers with what of it lies within the period.
    async fn walk_on(&self, conn: &mut Conn, walk: &mut Walk) -> Result<Vec<Item>, AppError> {
        let entries = storage::changes::change_entries(conn, walk.after, walk.span.until, PIECE).await?;
        walk.is_over = (entries.len() as i64) < PIECE;
        let mut items = Vec::new();
        for entry in entries {
            walk.after = entry.number;
            if let Some(item) = self.take(conn, walk, entry).await? {
                items.push(item);
            }
        }
        Ok(items)
    }

    async fn take(&self, conn: &mut Conn, walk: &mut Walk, mut entry: ChangeEntry) -> Result<Option<Item>, AppError> {
        // What this version cannot read is for the verification of the log.
        let Some(event) = Canonical::from_stored(std::mem::take(&mut entry.body)).ok().and_then(|canonical| canonical.event().ok()) else {
            return Ok(None);
        };
        let Some(read) = self.change_read(conn, &entry, event).await? else { return Ok(None) };
        let is_within = entry.at >= walk.span.from;
        let is_asked = entry.kind == "request.asked";
        if is_asked && !is_within {
            return Ok(None);
        }
        let row = match &read.request {
            Some(request) => self.stored(conn, request).await?,
            None => None,
        };
        let known: HashMap<RequestId, Stored> = read.request.iter().cloned().zip(row.clone()).collect();
        let is_step = matches!(read.what, What::WentUp { .. });
        let fact = Fact { number: entry.number, at: entry.at, what: read.what };
        let findings = walk.judge.take(&fact, &known);
        if !is_within || (!read.is_listed && findings.is_empty()) {
            return Ok(None);
        }
        // What was carried out within the period stands there with what it changed.
        let is_told = |row: &Stored| row.state == RequestState::Executed && row.carried_out_at.is_some_and(|at| at < walk.span.until);
        if is_asked && row.as_ref().is_some_and(is_told) {
            return Ok(None);
        }
        let words = match &row {
            Some(row) if is_asked => self.request_title(row.kind, &row.target),
            _ => read.words,
        };
        Ok(Some(Item {
            number: entry.number,
            at: entry.at,
            kind: entry.kind,
            actor: entry.actor,
            words,
            bot: read.bot,
            request: read.request,
            note: read.note,
            is_step,
            is_listed: read.is_listed,
            findings,
        }))
    }

    async fn stored(&self, conn: &mut Conn, request: &RequestId) -> Result<Option<Stored>, AppError> {
        let Some(row) = storage::requests::request_by_id(conn, request).await? else { return Ok(None) };
        let carried_out_at = storage::changes::change_carried_out(conn, request).await?;
        Ok(Some(Stored { kind: row.kind, target: row.target, state: row.state, carried_out_at }))
    }
}

/// What lines of a kind are called.
pub fn change_words(kind: &str) -> &'static str {
    match kind {
        "bot.went_up" => "Steps up",
        "bot.stage_changed" => "Stages set by hand",
        "limits.set" | "limits.changed" | "limits.tightened" => "Limits",
        "limits.overridden" => "Larger positions for a while",
        "bot.seated" => "Subaccounts",
        "key.approved" => "Exchange keys approved",
        "key.installed" => "Exchange keys handed in",
        "policy.changed" => "Policies",
        "checklist.changed" => "Checklists",
        "user.grants_changed" | "user.enabled" | "user.invited" | "user.disabled" => "People and roles",
        "bot.moved"
        | "bot.operators_listed"
        | "bots.linked"
        | "bots.unlinked"
        | "register.edited"
        | "register.imported"
        | "register.retired"
        | "team.created"
        | "venue.created"
        | "account.created"
        | "subaccount.created" => "The register",
        "bot.apply_within_declared" => "How fast agents stop",
        "agent.enrolled" | "agent.confirmed" | "agent.revoked" => "Agents",
        "credential.added" | "credential.removed" | "credential.suspended" | "recovery.done" | "installation.rp_id_changed" => {
            "Security keys"
        }
        "limits.override_ended" | "emergency.ended" | "key.ended" => "What ended",
        "bot.watch_set" => "What watches over bots",
        "account.reviewed" => "Safety of accounts",
        "token.created" | "token.revoked" | "stop_devices.set" | "stop_device.enrolled" | "stop_device.ended" => "Tokens and stop devices",
        "venue.changed" => "Changes at exchanges",
        "emergency.changed" => "Emergency changes",
        "hold.placed" => "Held for running something else",
        "request.asked" => "Requests that changed nothing",
        _ => "Others",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_ninety_days_when_nobody_says() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2026-11-27T14:00:00Z");
        assert_eq!(span("", "", now).unwrap().from, at("2026-08-29T00:00:00Z"));
        assert_eq!(span("", "2026-06-30", now).unwrap(), Span { from: at("2026-04-02T00:00:00Z"), until: at("2026-07-01T00:00:00Z") });
        assert_eq!(span("2026-11-23", "", now).unwrap().from, at("2026-11-23T00:00:00Z"));
        assert_eq!(span("soon", "", now).unwrap_err().0[0].0, "from");
    }
}
