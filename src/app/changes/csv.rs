//! The register of changes as a file: a line per change and per request that changed nothing. A text that begins like a formula is written behind an
//! apostrophe; what there are several of stands in one cell, each behind a bar.

use super::{Approval, ChangeRow, RequestPart, Tested};
use crate::app::{
    AppError,
    spreadsheet::{self, guarded},
};
use crate::audit::number;
use crate::domain::{RequestState, Timestamp};

/// The columns, in order.
pub const COLUMNS: [&str; 24] = [
    "entry",
    "at",
    "kind",
    "by",
    "what",
    "bot",
    "bot_id",
    "request",
    "request_kind",
    "asked_for",
    "requester",
    "asked_at",
    "why",
    "approvals",
    "state",
    "approved_at",
    "ended_at",
    "outcome",
    "tests",
    "digest",
    "build_from",
    "activated_at",
    "note",
    "findings",
];

/// The first line.
///
/// # Errors
/// Does not happen: text is written into memory.
pub fn head() -> Result<String, AppError> {
    spreadsheet::lines(std::iter::once(COLUMNS.map(str::to_owned)))
}

/// A line each.
///
/// # Errors
/// As above.
pub fn lines(rows: &[ChangeRow]) -> Result<String, AppError> {
    spreadsheet::lines(rows.iter().map(|row| cells(row).map(|cell| guarded(&cell))))
}

fn time(at: Option<Timestamp>) -> String {
    at.map(Timestamp::rfc3339).unwrap_or_default()
}

fn approval(one: &Approval) -> String {
    let counts = match (one.counts, one.is_alone) {
        (_, true) => ", signed again by whoever asked, being alone",
        (true, _) => "",
        (false, _) => ", counts no more",
    };
    format!("{} ({}) {}{counts}", one.name, one.roles, one.at.rfc3339())
}

fn test(one: &Tested) -> String {
    let by = one.by.as_ref().map_or("measured by the system", |(_, name)| name.as_str());
    let until = one.until.map_or_else(String::new, |until| format!(", until {}", until.rfc3339()));
    let at = one.at.map_or_else(String::new, |at| format!(" {}", at.rfc3339()));
    let files = if one.files.is_empty() { String::new() } else { format!(", SHA-256 {}", one.files.join(" ")) };
    format!("{}: {} ({by}{at}{until}{files})", one.item, one.said)
}

fn cells(row: &ChangeRow) -> [String; 24] {
    let of = |text: &dyn Fn(&RequestPart) -> String| row.request.as_ref().map(text).unwrap_or_default();
    let all = |texts: Vec<String>| texts.join(" | ");
    [
        row.number.map(number::words).unwrap_or_default(),
        row.at.rfc3339(),
        row.kind.clone(),
        row.by.clone(),
        row.what.clone(),
        row.bot.as_ref().map(|(_, name)| name.clone()).unwrap_or_default(),
        row.bot.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        row.named.as_ref().map(ToString::to_string).unwrap_or_default(),
        of(&|request| request.kind.to_string()),
        of(&|request| request.title.clone()),
        of(&|request| request.requester.1.clone()),
        of(&|request| request.asked_at.rfc3339()),
        of(&|request| request.why.clone()),
        of(&|request| all(request.approvals.iter().map(approval).collect())),
        of(&|request| request.state.to_string()),
        of(&|request| time(request.approved_at)),
        of(&|request| time(request.closed_at)),
        of(&|request| if request.state == RequestState::Executed { request.outcome.clone() } else { ended(request) }),
        of(&|request| all(request.tests.iter().map(test).collect())),
        of(&|request| request.digest.clone()),
        of(&|request| request.provenance.clone().unwrap_or_default()),
        time(row.activation.map(|(_, at)| at)),
        row.note.clone(),
        all(row.findings.iter().map(|(kind, words)| format!("{kind}: {words}")).collect()),
    ]
}

/// Who ended a request that changed nothing, and why.
fn ended(request: &RequestPart) -> String {
    match (request.closed_by.as_str(), request.outcome.as_str()) {
        ("", why) => why.to_owned(),
        (by, "") => format!("by {by}"),
        (by, why) => format!("by {by}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BotId, RequestId, RequestKind, UserId, change_register::FindingKind};

    #[test]
    fn a_line_has_every_column_and_no_text_is_a_formula() {
        let at = Timestamp(1_795_000_000_120_000);
        let person = (UserId::from_stored("u".into()), "=cmd()".to_owned());
        let approval = Approval { by: person.0.clone(), name: "@risk".into(), roles: "risk".into(), at, counts: true, is_alone: false };
        let tested = Tested { item: "rollback".into(), said: "back to 1.4".into(), by: None, at: None, until: Some(at), files: Vec::new() };
        let request = RequestPart {
            id: RequestId::from_stored("r".into()),
            kind: RequestKind::Limited,
            title: "Stage limited for bot -b".into(),
            requester: person,
            asked_at: at,
            why: "+1".into(),
            state: RequestState::Denied,
            approved_at: None,
            closed_at: Some(at),
            closed_by: "risk".into(),
            outcome: "not yet".into(),
            digest: "ab".into(),
            approvals: vec![approval],
            tests: vec![tested],
            runs: None,
            provenance: Some("https://ci.example/7".into()),
        };
        let row = ChangeRow {
            number: Some(7),
            at,
            kind: "bot.went_up".into(),
            by: "=cmd()".into(),
            what: "stage sandbox to limited".into(),
            bot: Some((BotId::from_stored("b".into()), "-b".into())),
            named: Some(RequestId::from_stored("r".into())),
            request: Some(request),
            note: String::new(),
            activation: Some((8, at)),
            findings: vec![(FindingKind::ChangeWithoutRequest, "went up".into())],
        };
        let file = head().unwrap() + &lines(&[row]).unwrap();
        let rows: Vec<&str> = file.split("\r\n").collect();
        assert_eq!((rows[0], rows.len()), (COLUMNS.join(",").as_str(), 3));
        let time = "2026-11-18T11:06:40.120Z";
        let wanted = format!(
            "7,{time},bot.went_up,'=cmd(),stage sandbox to limited,'-b,b,r,limited,Stage limited for bot -b,'=cmd(),{time},'+1,'@risk (risk) {time},\
             denied,,{time},by risk: not yet,\"rollback: back to 1.4 (measured by the system, until {time})\",ab,https://ci.example/7,{time},,\
             change_without_request: went up"
        );
        assert_eq!(rows[1], wanted);
    }
}
