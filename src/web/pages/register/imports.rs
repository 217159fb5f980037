//! `/register`: the register as a file to be kept, and a file to be taken in. What is sent is put by and shown as a difference first; one confirmation,
//! behind a touch of the key, takes it in whole.

use crate::app::{
    App, AppError,
    register::{difference::Difference, file::Format, import::Source},
};
use crate::authz::{self, Action, Resource};
use crate::domain::{ImportId, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, Person, Posted},
    frame,
    page::Frame,
    problems::Problems,
    query::{Named, Params},
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};

/// Lines of a difference that a page shows.
const LINES: usize = 100;

/// A file that was taken in.
struct Past {
    href: String,
    at: Timestamp,
    by: String,
    format: String,
}

#[derive(Template)]
#[template(path = "register.html")]
struct Register {
    frame: Frame,
    problems: Problems,
    typed: Typed,
    may_import: bool,
    /// None: the database does not answer.
    past: Option<Vec<Past>>,
}

/// A file as it was sent.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Typed {
    #[serde(default)]
    format: String,
    #[serde(default)]
    text: String,
}

/// The page.
pub async fn show(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, Typed::default(), Problems::none()).await
}

async fn draw(app: &App, person: &Person, typed: Typed, problems: Problems) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(AppError::from)?;
    let past = app.imports(&person.actor).await.ok().map(|rows| {
        let past = |row: crate::app::register::import::ImportRow| Past {
            href: format!("/register/imports/{}", row.id),
            at: row.made_at,
            by: app.said_of(&row.made_by),
            format: row.format,
        };
        rows.into_iter().map(past).collect()
    });
    let mut frame = frame::of(app, &person.visitor, "Import and export").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may_import = authz::check(&person.actor, Action::ImportRegister, &Resource::Installation).is_ok();
    frame::page_with(status, &Register { frame, problems, typed, may_import, past })
}

/// The register as a file.
pub async fn export(State(app): Shared, person: Person, params: Params) -> Answer {
    let format = params.text("format").unwrap_or_default();
    let format: Format =
        if format.is_empty() { Format::Csv } else { format.parse().map_err(|_| WebError::bad_request("format must be csv or toml."))? };
    let text = app.export_register(&person.actor, format).await?;
    let kind = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Toml => "application/toml; charset=utf-8",
    };
    let name = format!("attachment; filename=\"register.{format}\"");
    let name = HeaderValue::from_str(&name).map_err(AppError::internal)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_DISPOSITION, name)], text).into_response())
}

/// Puts a file by and shows what it would change.
pub async fn draft(State(app): Shared, person: Person, Posted(typed): Posted<Typed>) -> Answer {
    let Ok(format) = typed.format.parse::<Format>() else {
        return draw(&app, &person, typed, Problems::one("format", "Say whether the file is CSV or TOML.")).await;
    };
    match app.draft_import(&person.actor, Source { format, text: &typed.text }).await {
        Ok(id) => Ok(frame::see(&format!("/register/imports/{id}"))),
        Err(error) => draw(&app, &person, typed, Problems::of_error(error)?).await,
    }
}

#[derive(Template)]
#[template(path = "register_import.html")]
struct Import {
    frame: Frame,
    problems: Problems,
    id: String,
    by: String,
    made_at: Timestamp,
    done_at: Option<Timestamp>,
    format: String,
    sha256: String,
    added: usize,
    changed: usize,
    difference: Difference,
    more: usize,
    digest: String,
}

fn id_of(text: &str) -> Result<ImportId, WebError> {
    ImportId::parse(text).map_err(|_| AppError::NotFound("import").into())
}

/// One file: the difference that it would make, or made.
pub async fn look(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw_import(&app, &person, &id_of(&id)?, Problems::none()).await
}

async fn draw_import(app: &App, person: &Person, id: &ImportId, problems: Problems) -> Answer {
    let (row, mut difference) = app.import(&person.actor, id).await?;
    let digest = difference.digest().map_err(AppError::internal)?;
    let (added, changed) = (difference.count("added"), difference.count("changed"));
    let more = difference.lines.len().saturating_sub(LINES);
    difference.lines.truncate(LINES);
    difference.refused.truncate(LINES);
    difference.left_out.truncate(LINES);
    let title = if row.done_at.is_some() { "A file that was taken in" } else { "What the file would change" };
    let mut frame = frame::of(app, &person.visitor, title).await;
    frame.is_error = !problems.is_empty();
    frame.path = format!("/register/imports/{id}");
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    let page = Import {
        frame,
        problems,
        id: id.to_string(),
        by: app.said_of(&row.made_by),
        made_at: row.made_at,
        done_at: row.done_at,
        format: row.format,
        sha256: row.sha256,
        added,
        changed,
        difference,
        more,
        digest,
    };
    frame::page_with(status, &page)
}

/// What was looked at.
#[derive(Debug, serde::Deserialize)]
pub struct Seen {
    #[serde(default)]
    seen: String,
}

/// Takes the file in.
pub async fn confirm(State(app): Shared, Named(id): Named, ByTouch(person, seen): ByTouch<Seen>) -> Answer {
    let id = id_of(&id)?;
    match app.confirm_import(&person.actor, &id, &seen.seen).await {
        Ok(_) => Ok(frame::see(&format!("/register/imports/{id}"))),
        Err(error @ (AppError::Invalid(_) | AppError::Conflict(_))) => draw_import(&app, &person, &id, Problems::of_error(error)?).await,
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::app::register::{difference::Line, file::Refusal};
    use crate::audit::event::FieldChange;
    use crate::web::samples;
    let register = |past, problems, may_import| {
        let typed = Typed { format: "toml".to_owned(), text: "[[venue]]\nname = \"<x>\"".to_owned() };
        Register { frame: Frame::sample("Import and export", "/register"), problems, typed, may_import, past }.render().unwrap()
    };
    let past =
        vec![Past { href: "/register/imports/7".to_owned(), at: samples::now(), by: "L. Sato".to_owned(), format: "csv".to_owned() }];
    let import = |difference: Difference, done_at, problems| {
        Import {
            frame: Frame::sample("What the file would change", "/register/imports/7"),
            problems,
            id: samples::id(7),
            by: "L. Sato".to_owned(),
            made_at: samples::now(),
            done_at,
            format: "csv".to_owned(),
            sha256: "5f".repeat(32),
            added: difference.count("added"),
            changed: difference.count("changed"),
            more: 3,
            difference,
            digest: "6f".repeat(32),
        }
        .render()
        .unwrap()
    };
    let change = |field: &str, from: &str, to: &str| FieldChange { field: field.to_owned(), from: from.to_owned(), to: to.to_owned() };
    let line = |n: u64, what: &str, changes| Line {
        line: n,
        what: what.to_owned(),
        kind: "bot".to_owned(),
        name: "grid-<07>".to_owned(),
        changes,
    };
    let lines = vec![line(2, "added", vec![change("name", "", "grid-07")]), line(3, "changed", vec![change("objective", "", "Earn <it>")])];
    let good =
        Difference { lines: lines.clone(), left_out: vec![Refusal { line: 2, why: "made as a draft".to_owned() }], refused: Vec::new() };
    let bad = Difference { lines, left_out: Vec::new(), refused: vec![Refusal { line: 9, why: "there is no <team>".to_owned() }] };
    vec![
        ("register".to_owned(), register(Some(past), Problems::one("text", "Choose a file."), true)),
        ("register-read".to_owned(), register(None, Problems::none(), false)),
        ("register-import".to_owned(), import(good.clone(), None, Problems::none())),
        ("register-import-refused".to_owned(), import(bad, None, Problems::one("", "The register has changed."))),
        ("register-import-done".to_owned(), import(good, Some(samples::now()), Problems::none())),
        ("register-import-same".to_owned(), import(Difference::default(), None, Problems::none())),
    ]
}
