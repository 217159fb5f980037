//! `/assignments`: which bot had which subaccount at any moment.

use super::{ROWS, address};
use crate::app::{App, assignments::Assignment};
use crate::domain::{AssignmentId, Timestamp, UserId};
use crate::web::{Answer, Shared, extract::Person, frame, page::Frame, problems::Problems, query::Params};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// A line.
pub(super) struct Line {
    pub(super) bot: (String, String),
    pub(super) subaccount: (String, String),
    pub(super) from: Timestamp,
    pub(super) by: String,
    pub(super) request: String,
    pub(super) until: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "assignments.html")]
struct Assignments {
    frame: Frame,
    problems: Problems,
    as_of: Timestamp,
    typed: String,
    lines: Vec<Line>,
    next: String,
}

/// A moment as people and programs write it: RFC 3339, or a day, which counts to its end in UTC.
pub(in crate::web) fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T23:59:59.999Z")))
}

/// Assignments in words.
pub(super) async fn lines(app: &App, person: &Person, rows: &[Assignment]) -> Vec<Line> {
    let asked = app.requesters(&person.actor, rows.iter().filter_map(|row| row.request_id.clone())).await.unwrap_or_default();
    rows.iter().map(|row| line(app, row, row.request_id.as_ref().and_then(|id| asked.get(id)))).collect()
}

/// What came by a request is said to be by whoever asked: the last approval gave it, and it was not that one's alone.
fn line(app: &App, row: &Assignment, asked_by: Option<&UserId>) -> Line {
    let view = app.fleet.view();
    let bot = view.bot(&row.bot_id).map_or_else(|| row.bot_id.to_string(), |bot| bot.name.clone());
    let one = app.venues().subaccount(&row.subaccount_id);
    let label = one.map_or_else(|| row.subaccount_id.to_string(), |one| app.venues().label(&one));
    Line {
        bot: (format!("/bots/{}", row.bot_id), bot),
        subaccount: (format!("/subaccounts/{}", row.subaccount_id), label),
        from: row.from_at,
        by: asked_by.map_or_else(|| app.said_of(&row.from_by), |user| app.people().who(user)),
        request: row.request_id.as_ref().map(|id| format!("/requests/{id}")).unwrap_or_default(),
        until: row.until_at,
    }
}

/// The page.
pub async fn index(State(app): Shared, person: Person, params: Params) -> Answer {
    let typed = params.text("as_of").map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut frame = frame::of(&app, &person.visitor, "Who had what, and when").await;
    let mut problems = Problems::none();
    // Of today the end is to come: it stands as of now.
    let begins = |text: &str| Timestamp::parse(text).or_else(|| Timestamp::parse_day(text));
    let as_of = match typed.as_str() {
        "" => frame.now,
        text => match (moment(text), begins(text)) {
            (Some(at), Some(begins)) if begins <= frame.now => at.min(frame.now),
            (Some(_), _) => {
                problems.add("as_of", "That is to come; give a moment that has passed. Shown is now");
                frame.now
            }
            (None, _) => {
                problems.add("as_of", "Write the moment as 2026-11-20 or 2026-11-20T08:30:00Z. Shown is now");
                frame.now
            }
        },
    };
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let after = params.text("after").and_then(|id| AssignmentId::parse(&id).ok());
    let (rows, next) = app.assignments_as_of(&person.actor, as_of, (after.as_ref(), ROWS as i64)).await?;
    let next = next.map(|id| {
        let address = address("/assignments", &[("as_of", &as_of.rfc3339()), ("after", id.as_str())], 1);
        address.trim_end_matches("&page=1").to_owned()
    });
    let page = Assignments { frame, problems, as_of, typed, lines: lines(&app, &person, &rows).await, next: next.unwrap_or_default() };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let line = |n: usize| Line {
        bot: (format!("/bots/{}", samples::id(n)), format!("grid-{n:02}")),
        subaccount: (format!("/subaccounts/{}", samples::id(n)), format!("binance/grid-{n:02}")),
        from: samples::now().plus_ms(-86_400_000),
        by: "L. Sato".to_owned(),
        request: if n == 1 { format!("/requests/{}", samples::id(7)) } else { String::new() },
        until: (n == 2).then(samples::now),
    };
    let draw = |lines, typed: &str| {
        let frame = Frame::sample("Who had what, and when", "/assignments");
        let problems = if typed.is_empty() { Problems::one("as_of", "That is to come.") } else { Problems::none() };
        Assignments { problems, as_of: samples::now(), frame, typed: typed.to_owned(), lines, next: "/assignments?after=7".to_owned() }
            .render()
            .unwrap()
    };
    vec![
        ("assignments".to_owned(), draw(vec![line(1), line(2), line(3)], "2026-11-20")),
        ("assignments-none".to_owned(), draw(Vec::new(), "")),
    ]
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_day_counts_to_its_end() {
        assert_eq!(moment("2026-11-20"), moment("2026-11-20T23:59:59.999Z"));
        assert!(moment("2026-11-20") > moment("2026-11-20T08:00:00Z") && moment("yesterday").is_none());
    }
}
