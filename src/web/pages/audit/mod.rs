//! `/audit`: the log, newest first, a hundred entries at a time, narrowed by person, bot, kind and period. It never moves by itself.

pub mod changes;
pub mod checkpoint;
pub mod entry;
pub mod verify;

use crate::app::{
    App,
    audit::{PAGE, Query},
};
use crate::authz::Actor;
use crate::domain::Timestamp;
use crate::web::{Answer, Shared, WebError, extract::Person, frame, page::Frame, problems::Problems};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use std::collections::HashMap;

/// What the list is narrowed to, as typed.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Typed {
    /// A person's id, or any `noun:ID`.
    pub person: String,
    /// A bot's name.
    pub bot: String,
    /// The dotted word.
    pub kind: String,
    /// A day in UTC.
    pub from: String,
    /// A day in UTC, included.
    pub to: String,
    /// `noun:ID`, from links.
    pub about: String,
    /// Only entries before this position.
    pub before: String,
}

impl Typed {
    fn is_narrowed(&self) -> bool {
        [&self.person, &self.bot, &self.kind, &self.from, &self.to, &self.about].iter().any(|text| !text.trim().is_empty())
    }
    /// The same list from another position on.
    fn before(&self, position: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let fields = [
            ("person", &self.person),
            ("bot", &self.bot),
            ("kind", &self.kind),
            ("from", &self.from),
            ("to", &self.to),
            ("about", &self.about),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        format!("/audit?{}", query.append_pair("before", &position.to_string()).finish())
    }
}

/// A line of the list.
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) kind: String,
    pub(super) what: String,
    /// It was recorded later than it happened.
    pub(super) is_late: bool,
}

#[derive(Template)]
#[template(path = "audit.html")]
pub(super) struct Audit {
    pub(super) frame: Frame,
    /// The newest checkpoint; none: nothing was published yet.
    pub(super) checkpoint: Option<checkpoint::Latest>,
    pub(super) problems: Problems,
    pub(super) typed: Typed,
    pub(super) people: Vec<(String, String)>,
    pub(super) kinds: Vec<String>,
    /// What the list is about, in words; empty: anything.
    pub(super) about: String,
    pub(super) lines: Vec<Line>,
    pub(super) older: String,
    pub(super) newest: String,
    pub(super) is_narrowed: bool,
}

/// A page of entries.
pub async fn index(State(app): Shared, person: Person, axum::extract::Query(typed): axum::extract::Query<Typed>) -> Answer {
    let mut problems = Problems::none();
    let query = query(&app, &typed, &mut problems);
    let (rows, kinds) = app.entries(&person.actor, &query).await?;
    let rows = if problems.is_empty() { rows } else { Vec::new() };
    let references: Vec<String> =
        rows.iter().flat_map(|row| [Some(row.actor.clone()), row.obj.clone()]).flatten().chain([query.about.clone()]).collect();
    let names = names(&app, &person.actor, &references).await?;
    let mut frame = frame::of(&app, &person.visitor, "Audit").await;
    frame.is_error = !problems.is_empty();
    let older = rows.last().filter(|_| rows.len() as i64 == PAGE).map(|row| typed.before(row.seq)).unwrap_or_default();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let people = app.people().users().iter().map(|user| (format!("user:{}", user.id), user.display_name.clone())).collect();
    let lines = rows.iter().map(|row| Line {
        seq: row.seq,
        at: Timestamp(row.ts),
        who: named(&names, &row.actor),
        kind: row.kind.clone(),
        is_late: crate::audit::record::is_late(&row.body),
        what: row.obj.as_deref().map(|obj| named(&names, obj)).unwrap_or_default(),
    });
    let checkpoint = checkpoint::latest(&app, &person.actor).await?;
    let page = Audit {
        checkpoint,
        problems,
        people,
        kinds,
        about: if query.about.is_empty() { String::new() } else { named(&names, &query.about) },
        lines: lines.collect(),
        older,
        newest: if typed.before.is_empty() { String::new() } else { typed.before(0).replace("&before=0", "").replace("?before=0", "") },
        is_narrowed: typed.is_narrowed(),
        frame,
        typed,
    };
    frame::page_with(status, &page)
}

fn query(app: &App, typed: &Typed, problems: &mut Problems) -> Query {
    let mut day = |field: &'static str, text: &str| match (text.trim(), Timestamp::parse_day(text)) {
        ("", _) => None,
        (_, Some(day)) => Some(day),
        (_, None) => {
            problems.add(field, "Enter a day as 2026-11-23.");
            None
        }
    };
    let from = day("from", &typed.from);
    let to = day("to", &typed.to).map(|day| day.plus_ms(86_400_000));
    let mut about = typed.about.trim().to_owned();
    if !typed.bot.trim().is_empty() {
        match app.scope_named("bot", typed.bot.trim()) {
            Ok(scope) => about = format!("bot:{}", scope.id()),
            Err(_) => problems.add("bot", "There is no bot of that name."),
        }
    }
    Query {
        actor: typed.person.trim().to_owned(),
        kind: typed.kind.trim().to_owned(),
        about,
        from,
        to,
        before: typed.before.trim().parse().ok().filter(|before| *before > 0),
    }
}

/// The names behind references; when the database cannot say, ids stand for them.
pub(super) async fn names(app: &App, actor: &Actor, references: &[String]) -> Result<HashMap<String, String>, WebError> {
    Ok(app.names(actor, references.iter().map(String::as_str)).await?)
}

/// A reference in words: a person's name alone, anything else with its noun.
pub(super) fn named(names: &HashMap<String, String>, reference: &str) -> String {
    let (noun, id) = reference.split_once(':').unwrap_or(("", reference));
    match (noun, names.get(reference)) {
        ("server", _) => "the server".to_owned(),
        ("user", Some(name)) => name.clone(),
        (noun, Some(name)) => format!("{noun} {name}"),
        (noun, None) => format!("{noun} {id}").trim().to_owned(),
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let line = |n: u64, who: &str, kind: &str, what: &str| Line {
        seq: n,
        at: samples::now().plus_ms(-40_000 * (120 - n as i64)),
        who: who.to_owned(),
        kind: kind.to_owned(),
        is_late: n == 116,
        what: what.to_owned(),
    };
    let draw = |lines: Vec<Line>, typed: Typed, problems| {
        let page = Audit {
            frame: Frame { held: None, is_log_frozen: lines.is_empty(), ..Frame::sample("Audit", "/audit") },
            checkpoint: (!lines.is_empty()).then(checkpoint::sample),
            problems,
            people: vec![("user:1".to_owned(), "L. Sato".to_owned())],
            kinds: vec!["hold.placed".to_owned(), "bots.started".to_owned()],
            about: if typed.about.is_empty() { String::new() } else { "bot grid-07".to_owned() },
            older: if lines.is_empty() { String::new() } else { typed.before(100) },
            newest: String::new(),
            is_narrowed: typed.is_narrowed(),
            lines,
            typed,
        };
        page.render().unwrap()
    };
    let lines = vec![
        line(119, "M. Okafor", "hold.placed", "hold 0193f0a0-0000-7000-8000-000000000700"),
        line(118, "agent host-7", "agent.boot", "bot grid-07"),
        line(117, "L. Sato", "bots.started", "bot grid-07"),
        line(116, "the server", "bots.stopped", "bot arb-03"),
    ];
    let typed = Typed { about: "bot:7".to_owned(), from: "23 Nov".to_owned(), ..Typed::default() };
    let mut all = vec![
        ("audit".to_owned(), draw(lines, Typed::default(), Problems::none())),
        ("audit-none".to_owned(), draw(Vec::new(), typed, Problems::one("from", "Enter a day as 2026-11-23."))),
    ];
    all.extend(changes::samples());
    all.extend(entry::samples());
    all.extend(verify::samples());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_where_there_is_one() {
        let names = HashMap::from([("user:1".to_owned(), "L. Sato".to_owned()), ("bot:7".to_owned(), "grid-07".to_owned())]);
        assert_eq!(
            ["user:1", "bot:7", "hold:9", "server:server"].map(|r| named(&names, r)),
            ["L. Sato", "bot grid-07", "hold 9", "the server"]
        );
    }

    #[test]
    fn the_older_page_keeps_the_filter() {
        let typed = Typed { kind: "hold.placed".to_owned(), before: "900".to_owned(), ..Typed::default() };
        assert_eq!(typed.before(801), "/audit?kind=hold.placed&before=801");
    }
}
