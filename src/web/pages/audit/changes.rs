//! `/audit/changes`: the register of changes of a period, for auditors: what is to be explained first, then every change and every request, oldest first,
//! a hundred at a time; all of them as CSV, read and sent piece by piece.

use crate::app::{
    App, AppError,
    changes::{self, ChangeRow, Report, Span, Walk},
    golive::readers::LISTED,
};
use crate::authz::Actor;
use crate::domain::{
    Timestamp,
    change_register::{Finding, FindingKind},
};
use crate::web::{Answer, Shared, download, extract::Person, format, frame, page::Frame, problems::Problems, query::Params};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use futures_util::stream;
use std::sync::Arc;

/// Lines of a page.
const PAGE: usize = 100;

/// Something that is to be explained.
struct Found {
    at: Timestamp,
    /// Where the bot is, and its name; empty: it is about no bot.
    bot: (String, String),
    words: String,
    /// Its entry; none: it is about how things stand now.
    entry: Option<u64>,
}

/// A kind of findings.
struct Group {
    id: &'static str,
    words: &'static str,
    count: u64,
    all: Vec<Found>,
}

/// A line of the register.
struct Line {
    entry: u64,
    at: Timestamp,
    bot: (String, String),
    what: String,
    by: String,
    /// Where its request is, in words, and how it stands; empty: there is none.
    request: (String, String, String),
    asked: String,
    approvals: Vec<String>,
    tests: usize,
    active: Option<Timestamp>,
    note: String,
    findings: Vec<String>,
}

#[derive(Template)]
#[template(path = "audit_changes.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    from: String,
    until: String,
    /// From when on, as it was taken.
    begin: String,
    groups: Vec<Group>,
    /// Whoever has not read within a day that a bot went up: who, the request, and since when.
    unread: Vec<(String, String, Timestamp)>,
    has_more_unread: bool,
    counts: Vec<(&'static str, String)>,
    total: String,
    lines: Vec<Line>,
    next: String,
    first: String,
    csv: String,
}

/// An address of the same period.
fn address(path: &str, (from, until): (&str, &str), after: Option<i64>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, text) in [("from", from), ("until", until)] {
        if !text.is_empty() {
            query.append_pair(name, text);
        }
    }
    if let Some(after) = after {
        query.append_pair("after", &after.to_string());
    }
    let query = query.finish();
    format!("{path}{}{query}", if query.is_empty() { "" } else { "?" })
}

fn found(app: &App, finding: &Finding) -> Found {
    let bot = finding.bot.as_ref().map(|bot| (format!("/bots/{bot}"), app.change_bot(bot)));
    Found {
        at: finding.at,
        bot: bot.unwrap_or_default(),
        words: finding.words.clone(),
        entry: finding.number.and_then(|number| u64::try_from(number).ok()),
    }
}

fn groups(app: &App, report: &Report) -> Vec<Group> {
    let group = |(kind, id): (FindingKind, &'static str)| Group {
        id,
        words: kind.words(),
        count: report.count(kind),
        all: report.findings.iter().filter(|finding| finding.kind == kind).map(|finding| found(app, finding)).collect(),
    };
    [(FindingKind::ActivationBeforeApproval, "early"), (FindingKind::ChangeWithoutRequest, "unasked")].map(group).into()
}

fn counts(report: &Report) -> Vec<(&'static str, String)> {
    let mut all: Vec<(&'static str, u64)> = Vec::new();
    for (kind, count) in &report.kinds {
        let words = changes::change_words(kind);
        match all.iter_mut().find(|(known, _)| *known == words) {
            Some((_, sum)) => *sum += count,
            None => all.push((words, *count)),
        }
    }
    all.into_iter().map(|(words, count)| (words, format::count(count))).collect()
}

fn line(row: ChangeRow) -> Line {
    let request = row.request.as_ref();
    let stands = |at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" {}", at.plain()));
    let named = row.named.as_ref().map(|id| format!("/requests/{id}"));
    Line {
        entry: row.number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default(),
        at: row.at,
        bot: row.bot.map(|(id, name)| (format!("/bots/{id}"), name)).unwrap_or_default(),
        what: row.what,
        by: row.by,
        request: match (request, named) {
            (Some(request), Some(at)) => {
                let words = format!("{}{}", request.state, stands(request.closed_at));
                (at, request.title.clone(), words)
            }
            (None, Some(_)) => (String::new(), String::new(), "it is not there".to_owned()),
            _ => Default::default(),
        },
        asked: request.map_or_else(String::new, |request| format!("{} {}", request.requester.1, request.asked_at.plain())),
        approvals: request
            .iter()
            .flat_map(|request| request.approvals.iter().filter(|one| one.counts))
            .map(|one| format!("{} ({}) {}{}", one.name, one.roles, one.at.plain(), if one.is_alone { ", being alone" } else { "" }))
            .collect(),
        tests: request.map_or(0, |request| request.tests.len()),
        active: row.activation.map(|(_, at)| at),
        note: row.note,
        findings: row.findings.into_iter().map(|(_, words)| words).collect(),
    }
}

/// The page.
pub async fn index(State(app): Shared, person: Person, params: Params) -> Answer {
    let typed = |name: &str| params.text(name).unwrap_or_default().trim().chars().take(40).collect::<String>();
    let (from, until) = (typed("from"), typed("until"));
    let after = params.text("after").and_then(|after| after.parse::<i64>().ok());
    let (span, problems) = match changes::span(&from, &until, app.clock.now()) {
        Ok(span) => (span, Problems::none()),
        // Whoever may not see it is told so, and not what is wrong with a day.
        Err(invalid) => {
            let none = Timestamp(i64::MIN);
            (Span { from: none, until: none }, Problems::of_error(invalid.into())?)
        }
    };
    let report = app.change_report(&person.actor, span, after, PAGE).await?;
    let mut frame = frame::of(&app, &person.visitor, "Register of changes").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let period = (from.as_str(), until.as_str());
    let mut unread = app.unread_steps(&person.actor).await?;
    let has_more_unread = unread.len() > LISTED;
    unread.truncate(LISTED);
    let page = Page {
        groups: groups(&app, &report),
        unread: unread.iter().map(|one| (app.people().who(&one.user_id), format!("/requests/{}", one.request_id), one.told_at)).collect(),
        has_more_unread,
        counts: counts(&report),
        total: format::count(report.total()),
        next: report.next.map_or_else(String::new, |next| address("/audit/changes", period, Some(next))),
        first: after.map_or_else(String::new, |_| address("/audit/changes", period, None)),
        csv: address("/audit/changes.csv", period, None),
        lines: report.rows.into_iter().map(line).collect(),
        begin: if problems.is_empty() { span.from.plain() } else { String::new() },
        from,
        until,
        problems,
        frame,
    };
    frame::page_with(status, &page)
}

/// What a file is still to be written from.
struct Rest {
    app: Arc<App>,
    actor: Actor,
    walk: Option<Walk>,
}

impl Rest {
    async fn next(mut self) -> Result<Option<(String, Self)>, AppError> {
        let Some(walk) = self.walk.take() else { return Ok(None) };
        let (rows, walk) = self.app.change_piece(&self.actor, walk).await?;
        self.walk = walk;
        Ok(Some((changes::csv::lines(&rows)?, self)))
    }
}

/// The whole period as CSV, oldest first.
pub async fn export(State(app): Shared, person: Person, params: Params) -> Answer {
    let text = |name: &str| params.text(name).unwrap_or_default();
    let span = changes::span(&text("from"), &text("until"), app.clock.now()).map_err(AppError::from)?;
    let (rows, walk) = app.change_piece(&person.actor, Walk::new(span)).await?;
    let first = changes::csv::head()? + &changes::csv::lines(&rows)?;
    download::csv("changes", first, stream::try_unfold(Rest { app, actor: person.actor, walk }, Rest::next))
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let now = samples::now();
    let bot = || ("/bots/7".to_owned(), "grid-<07>".to_owned());
    let found = |entry| Found { at: now, bot: bot(), words: "was started in stage live, and <no> request".to_owned(), entry };
    let line = |entry: u64, is_step: bool| Line {
        entry,
        at: now.plus_ms(-1_000),
        bot: if is_step { bot() } else { Default::default() },
        what: if is_step { "stage sandbox to limited".to_owned() } else { "roles of L. Sato".to_owned() },
        by: "L. Sato".to_owned(),
        request: ("/requests/7".to_owned(), "Stage limited for bot grid-<07>".to_owned(), format!("executed {}", now.plain())),
        asked: format!("L. Sato {}", now.plain()),
        approvals: if is_step { vec![format!("M. Okafor (risk) {}", now.plain())] } else { Vec::new() },
        tests: if is_step { 31 } else { 0 },
        active: is_step.then_some(now),
        note: if is_step { String::new() } else { "one person's: tighter limits take no request".to_owned() },
        findings: if is_step { Vec::new() } else { vec!["it names <no> request".to_owned()] },
    };
    let draw = |lines: Vec<Line>, is_wrong: bool, problems: Problems| {
        let group = |id, kind: FindingKind, all: Vec<Found>| Group { id, words: kind.words(), count: all.len() as u64 * 70, all };
        let wrong = |entry| if is_wrong { vec![found(entry), found(Some(118))] } else { Vec::new() };
        Page {
            frame: Frame { held: None, ..Frame::sample("Register of changes", "/audit/changes") },
            problems,
            from: String::new(),
            until: "2026-11-23".to_owned(),
            begin: now.plus_ms(-90 * 86_400_000).plain(),
            groups: vec![
                group("early", FindingKind::ActivationBeforeApproval, wrong(None)),
                group("unasked", FindingKind::ChangeWithoutRequest, wrong(Some(117))),
            ],
            unread: if is_wrong { vec![("K. <Ito>".to_owned(), "/requests/7".to_owned(), now.plus_ms(-90_000_000))] } else { Vec::new() },
            has_more_unread: is_wrong,
            counts: if lines.is_empty() { Vec::new() } else { vec![("Steps up", "1".to_owned()), ("Roles by request", "1".to_owned())] },
            total: format::count(lines.len() as u64),
            next: if is_wrong { address("/audit/changes", ("", "2026-11-23"), Some(118)) } else { String::new() },
            first: String::new(),
            csv: address("/audit/changes.csv", ("", "2026-11-23"), None),
            lines,
        }
        .render()
        .unwrap()
    };
    vec![
        ("audit-changes".to_owned(), draw(vec![line(117, true)], false, Problems::none())),
        ("audit-changes-wrong".to_owned(), draw(vec![line(117, true), line(118, false)], true, Problems::none())),
        ("audit-changes-none".to_owned(), draw(Vec::new(), false, Problems::one("from", "Enter a day as 2026-11-23."))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_period() {
        assert_eq!(address("/audit/changes", ("", ""), None), "/audit/changes");
        assert_eq!(address("/audit/changes.csv", ("2026-11-23", "a&b"), Some(7)), "/audit/changes.csv?from=2026-11-23&until=a%26b&after=7");
    }
}
