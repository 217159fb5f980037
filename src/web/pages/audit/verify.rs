//! `/audit/verify`: the whole log is recomputed: bytes, leaves, order, tree, head, signatures. It reads only.

use crate::audit::Report;
use crate::web::{Answer, Shared, extract::Person, format::count, frame, page::Frame};
use askama::Template;
use axum::extract::State;

#[derive(Template)]
#[template(path = "audit_verify.html")]
pub(super) struct Verified {
    pub(super) frame: Frame,
    pub(super) report: Report,
    pub(super) entries: String,
    pub(super) signatures: String,
    pub(super) took_ms: i64,
}

/// Recomputes and reports.
pub async fn show(State(app): Shared, person: Person) -> Answer {
    let began = app.clock.now();
    let report = app.verify_audit(&person.actor).await?;
    let took_ms = app.clock.now().ms_since(began);
    let mut frame = frame::of(&app, &person.visitor, "Verification of the log").await;
    frame.is_error = !report.is_good();
    let (entries, signatures) = (count(report.entries), count(report.signatures));
    frame::page(&Verified { frame, entries, signatures, took_ms, report })
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::audit::verify::Finding;
    let draw = |findings| {
        let root = "9f2c61d0a77b41f39f2c61d0a77b41f39f2c61d0a77b41f39f2c61d0a77b41f3".to_owned();
        let report = Report { entries: 1_204, signatures: 96, root, findings, ..Report::default() };
        let frame = Frame { held: None, ..Frame::sample("Verification of the log", "/audit/verify") };
        Verified { frame, entries: count(report.entries), signatures: count(report.signatures), took_ms: 412, report }.render().unwrap()
    };
    let finding = |seq, what: &str| Finding { seq, what: what.to_owned() };
    vec![
        ("audit-verify".to_owned(), draw(Vec::new())),
        (
            "audit-verify-wrong".to_owned(),
            draw(vec![finding(Some(117), "the stored leaf is not that of the bytes"), finding(None, "the head is not the root")]),
        ),
    ]
}
