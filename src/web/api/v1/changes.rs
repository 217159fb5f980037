//! `/api/v1/audit/changes`: the register of changes of a period, oldest first, in pieces; with what is to be explained of the whole period.

use super::Named as NamedShape;
use crate::app::{
    App, AppError,
    changes::{self, Approval, ChangeRow, RequestPart, Tested},
};
use crate::authz::Action;
use crate::domain::{
    Timestamp,
    change_register::{Finding, FindingKind},
};
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken,
        listing::{self, Piece},
        openapi::Problem,
    },
    query::Params,
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// Something that is to be explained.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ChangeFinding)]
struct FindingShape {
    /// `activation_before_approval` or `change_without_request`.
    kind: &'static str,
    /// The bot; null: it is about none.
    bot: Option<NamedShape>,
    /// The number of the entry of the log that shows it; null: it is about how things stand now.
    entry: Option<i64>,
    /// When.
    at: String,
    /// In words.
    words: String,
}

/// An approval.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ChangeApproval)]
struct ApprovalShape {
    /// Whose.
    by: NamedShape,
    /// What they held then.
    roles: String,
    /// When.
    at: String,
    /// It was of the newest revision, and was not taken back.
    counts: bool,
    /// Whoever asked signed again, there being nobody else: no approval.
    alone: bool,
}

/// A test that was shown: an item of the checklist as it was approved.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ChangeTest)]
struct TestShape {
    /// The item.
    item: String,
    /// What was measured, or said.
    said: String,
    /// Who answers for it; null: the system measured it.
    by: Option<NamedShape>,
    /// When they did; null: it was measured when it was asked, and again when it was carried out.
    at: Option<String>,
    /// Until when it holds; null: as long as it is so.
    until: Option<String>,
    /// SHA-256 of its files, hex.
    files: Vec<String>,
}

/// The request behind a change, or one that changed nothing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ChangeRequest)]
struct RequestShape {
    /// Its id.
    id: String,
    /// What kind of request.
    kind: &'static str,
    /// In words.
    title: String,
    /// Who asked.
    requester: NamedShape,
    /// When.
    asked_at: String,
    /// Why.
    why: String,
    /// How it stands.
    state: &'static str,
    /// When enough had approved it.
    approved_at: Option<String>,
    /// When it ended: of one that was carried out, when.
    ended_at: Option<String>,
    /// What came of it.
    outcome: String,
    /// SHA-256 of what was approved, hex.
    digest: String,
    /// Every approval there was.
    approvals: Vec<ApprovalShape>,
    /// The tests that were shown, of a step up.
    tests: Vec<TestShape>,
    /// Digest of the build, of a step up.
    build: Option<String>,
    /// Digest of the configuration, of a step up.
    config: Option<String>,
    /// Where the build comes from, as whoever filed it said.
    provenance: Option<String>,
}

/// A change, or a request that changed nothing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Change)]
struct ChangeShape {
    /// The number of its entry of the log.
    entry: Option<i64>,
    /// When.
    at: String,
    /// The kind of entry; `request.asked` of a request that changed nothing within the period.
    kind: String,
    /// Who did it, in words.
    by: String,
    /// What was changed, in words.
    what: String,
    /// The bot; null: it is about none.
    bot: Option<NamedShape>,
    /// The request that it names, whether there is one or not.
    request_id: Option<String>,
    /// The request.
    request: Option<RequestShape>,
    /// What explains it beside a request.
    note: String,
    /// When a bot that went up was first started after it; null: not before it was let somewhere else.
    activated_at: Option<String>,
    /// What is to be explained of it.
    findings: Vec<String>,
}

/// The register of changes of a period.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Changes)]
pub struct ChangesShape {
    /// From this moment.
    from: String,
    /// How many changes and requests there are in the period.
    count: u64,
    /// How many times something was active before it was approved.
    activations_before_approval: u64,
    /// How many changes have no request behind them.
    changes_without_request: u64,
    /// What these are; of each kind the first 100.
    findings: Vec<FindingShape>,
    /// A piece of them, oldest first.
    items: Vec<ChangeShape>,
    /// Ask again with `after` set to this; null: this is the end.
    next: Option<String>,
}

fn named((id, name): (impl ToString, String)) -> NamedShape {
    NamedShape { id: id.to_string(), name }
}

fn finding(app: &App, finding: Finding) -> FindingShape {
    FindingShape {
        kind: finding.kind.as_str(),
        bot: finding.bot.map(|bot| named((bot.clone(), app.change_bot(&bot)))),
        entry: finding.number,
        at: finding.at.rfc3339(),
        words: finding.words,
    }
}

fn approval(one: Approval) -> ApprovalShape {
    ApprovalShape { by: named((one.by, one.name)), roles: one.roles, at: one.at.rfc3339(), counts: one.counts, alone: one.is_alone }
}

fn test(one: Tested) -> TestShape {
    TestShape {
        item: one.item,
        said: one.said,
        by: one.by.map(named),
        at: one.at.map(Timestamp::rfc3339),
        until: one.until.map(Timestamp::rfc3339),
        files: one.files,
    }
}

fn request(part: RequestPart) -> RequestShape {
    let (build, config) = part.runs.map(|runs| (runs.build, runs.config)).unzip();
    RequestShape {
        id: part.id.to_string(),
        kind: part.kind.as_str(),
        title: part.title,
        requester: named(part.requester),
        asked_at: part.asked_at.rfc3339(),
        why: part.why,
        state: part.state.as_str(),
        approved_at: part.approved_at.map(Timestamp::rfc3339),
        ended_at: part.closed_at.map(Timestamp::rfc3339),
        outcome: part.outcome,
        digest: part.digest,
        approvals: part.approvals.into_iter().map(approval).collect(),
        tests: part.tests.into_iter().map(test).collect(),
        build,
        config,
        provenance: part.provenance,
    }
}

fn change(row: ChangeRow) -> ChangeShape {
    ChangeShape {
        entry: row.number,
        at: row.at.rfc3339(),
        kind: row.kind,
        by: row.by,
        what: row.what,
        bot: row.bot.map(named),
        request_id: row.named.map(|id| id.to_string()),
        request: row.request.map(request),
        note: row.note,
        activated_at: row.activation.map(|(_, at)| at.rfc3339()),
        findings: row.findings.into_iter().map(|(kind, words)| format!("{kind}: {words}")).collect(),
    }
}

/// Lists every change of what trades live in a period, with the request, the approvals and the tests behind it, and every request that changed nothing;
/// and what is to be explained. For tokens of the whole installation.
///
/// # Errors
/// 400 for an `after` that no answer gave; 403 for a token that may not read or is bound to a team; 422 for what is no time.
#[utoipa::path(get, path = "/api/v1/audit/changes", tag = "audit", security(("token" = [])),
    params(("from" = Option<String>, Query, description = "from this day or time on, UTC; left out: 90 days"),
        ("until" = Option<String>, Query, description = "until the end of this day, or before this time, UTC"), Piece),
    responses((status = 200, body = ChangesShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::SeeAudit)?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| WebError::bad_request("after must be `next` of an earlier answer."));
    let (after, limit) = listing::asked(&params, number)?;
    let text = |name: &str| params.text(name).unwrap_or_default();
    let span = changes::span(&text("from"), &text("until"), app.clock.now()).map_err(AppError::from)?;
    let report = app.change_report(actor, span, after, usize::try_from(limit).unwrap_or(1)).await?;
    let shape = ChangesShape {
        from: span.from.rfc3339(),
        count: report.total(),
        activations_before_approval: report.count(FindingKind::ActivationBeforeApproval),
        changes_without_request: report.count(FindingKind::ChangeWithoutRequest),
        findings: report.findings.into_iter().map(|one| finding(&app, one)).collect(),
        items: report.rows.into_iter().map(change).collect(),
        next: report.next.map(|next| next.to_string()),
    };
    Ok(Json(shape).into_response())
}
