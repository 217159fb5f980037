//! `/notices`: what a person was told, theirs alone. Reading changes nothing by itself; a button marks as read.

use super::sign_in::Nothing;
use crate::app::{AppError, notices::ReadNotices};
use crate::domain::{NoticeId, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    extract::{Person, Posted},
    format, frame,
    page::Frame,
};
use askama::Template;
use axum::extract::{Path, Query, State};

struct Row {
    id: NoticeId,
    title: String,
    // Paragraphs.
    text: Vec<String>,
    link: Option<String>,
    made_at: Timestamp,
    read_at: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "notices.html")]
struct Notices {
    frame: Frame,
    rows: Vec<Row>,
    // The newest shown: what "all" means when it is pressed.
    newest: Option<NoticeId>,
    unread: usize,
    is_first: bool,
    older: String,
    address: String,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct One {
    frame: Frame,
    row: Row,
}

/// Where a page of the list begins.
#[derive(Debug, serde::Deserialize)]
pub struct Before {
    #[serde(default)]
    before: String,
}

/// Which ones were shown.
#[derive(Debug, serde::Deserialize)]
pub struct Shown {
    #[serde(default)]
    up_to: String,
}

fn id_of(text: &str) -> Result<NoticeId, WebError> {
    NoticeId::parse(text).map_err(|_| AppError::NotFound("notice").into())
}

/// One's own notices, newest first.
pub async fn index(State(app): Shared, person: Person, Query(asked): Query<Before>) -> Answer {
    let before = if asked.before.is_empty() { None } else { Some(id_of(&asked.before)?) };
    let (notices, more) = app.notices_of(&person.actor, before.as_ref()).await?;
    let (address, _) = app.own_mail(&person.actor).await?;
    let older = notices.last().filter(|_| more).map(|last| format!("/notices?before={}", last.id)).unwrap_or_default();
    let rows: Vec<Row> = notices.into_iter().map(row).collect();
    let page = Notices {
        frame: frame::of(&app, &person.visitor, "Notices").await,
        newest: rows.first().map(|row| row.id.clone()),
        unread: app.notices.unread(&person.user),
        is_first: before.is_none(),
        older,
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        rows,
    };
    frame::page(&page)
}

fn row(notice: crate::app::notices::Stored) -> Row {
    Row {
        text: notice.text.split("\n\n").map(str::to_owned).collect(),
        id: notice.id,
        title: notice.title,
        link: notice.link,
        made_at: notice.made_at,
        read_at: notice.read_at,
    }
}

/// One of them.
pub async fn show(State(app): Shared, person: Person, Path(id): Path<String>) -> Answer {
    let notice = app.notice(&person.actor, &id_of(&id)?).await?;
    let frame = frame::of(&app, &person.visitor, notice.title.clone()).await;
    frame::page(&One { frame, row: row(notice) })
}

/// Marks one as read.
pub async fn read(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let id = id_of(&id)?;
    // Somebody else's is not there.
    app.notice(&person.actor, &id).await?;
    app.read_notices(&person.actor, ReadNotices::One(&id)).await?;
    Ok(frame::see("/notices"))
}

/// Marks as read what was shown and everything older.
pub async fn read_all(State(app): Shared, person: Person, Posted(shown): Posted<Shown>) -> Answer {
    app.read_notices(&person.actor, ReadNotices::UpTo(&id_of(&shown.up_to)?)).await?;
    Ok(frame::see("/notices"))
}
