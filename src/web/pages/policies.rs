//! `/policies`: who must approve what, and asking for another rule. A rule changes by a request under the rule that holds, after a day.

use crate::app::{App, AppError, Invalid};
use crate::authz::{self, Action, Resource};
use crate::domain::{
    RequestKind, Rule, Timestamp,
    approval::{Approver, SEATS, SeatFor},
};
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, Person},
    format, frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use std::collections::BTreeSet;

type Typed = Vec<(String, String)>;

/// A box of a seat.
struct Choice {
    value: &'static str,
    words: &'static str,
    is_on: bool,
}

/// The form for one kind.
struct Form {
    action: String,
    about: RequestKind,
    seats: Vec<(usize, Vec<Choice>)>,
    delay_h: String,
    why: String,
    problems: Problems,
}

impl Form {
    /// True for the one that was sent and cannot be taken.
    fn is_wrong(&self) -> bool {
        !self.problems.is_empty()
    }
    /// What is wrong with a field.
    fn problem(&self, field: &str) -> &str {
        self.problems.of(field)
    }
    /// The id of a field: of several forms on a page the one that was sent has the names that the summary of problems leads to.
    fn id(&self, field: &str) -> String {
        if self.is_wrong() { field.to_owned() } else { format!("form-{}-{field}", self.about) }
    }
}

/// One kind and its rule.
struct Line {
    about: RequestKind,
    words: String,
    form: Form,
    // An open request for another one: its page.
    open: String,
    // What is missing, where nobody could get such a request approved.
    gap: String,
}

/// A version.
struct Version {
    version: i64,
    at: Timestamp,
    about: &'static str,
    rule: String,
    href: String,
}

#[derive(Template)]
#[template(path = "policies.html")]
struct Policies {
    frame: Frame,
    problems: Problems,
    lines: Vec<Line>,
    may_ask: bool,
    is_alone: bool,
    /// None: the database does not answer.
    versions: Option<Vec<Version>>,
}

#[derive(Template)]
#[template(path = "request_policy.html")]
struct Edit {
    frame: Frame,
    problems: Problems,
    words: &'static str,
    may_ask: bool,
    form: Form,
}

/// What the form of a rule holds.
pub(super) fn typed_of(rule: &Rule) -> Typed {
    let seats = rule.seats.iter().enumerate();
    let seats = seats.flat_map(|(n, seat)| seat.iter().map(move |one| (format!("seat{}", n + 1), one.to_string())));
    seats.chain([("delay_h".to_owned(), (rule.delay_s / 3_600).to_string())]).collect()
}

/// The rule that a form holds; a seat without a mark is no seat.
///
/// # Errors
/// What cannot be read.
pub(super) fn rule_of(typed: &Typed) -> Result<Rule, Invalid> {
    let hours = typed.iter().find(|(name, _)| name == "delay_h").map_or("", |(_, text)| text.trim());
    let hours: u64 = hours.parse().ok().filter(|hours| *hours <= 168).ok_or_else(|| Invalid::one("delay_h", "Enter 0 to 168 hours"))?;
    let mut seats = Vec::new();
    for n in 1..=SEATS {
        let name = format!("seat{n}");
        let words = typed.iter().filter(|(given, _)| *given == name);
        let seat: Result<SeatFor, _> = words.map(|(_, word)| word.parse::<Approver>()).collect();
        let seat: SeatFor = seat.map_err(|_| Invalid::one("seats", "Choose who may fill a seat from the list"))?;
        if !seat.is_empty() {
            seats.push(seat);
        }
    }
    Ok(Rule { seats, delay_s: hours * 3_600 })
}

fn form(about: RequestKind, action: String, (typed, problems): (&Typed, Problems)) -> Form {
    let text = |name: &str| typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.clone()).unwrap_or_default();
    let seat = |n: usize| {
        let name = format!("seat{n}");
        let on: BTreeSet<&str> = typed.iter().filter(|(given, _)| *given == name).map(|(_, word)| word.as_str()).collect();
        let fits = |one: &&Approver| about.is_of_team() || !matches!(one, Approver::Operator | Approver::Lead);
        let choice = |one: &Approver| Choice { value: one.as_str(), words: one.words(), is_on: on.contains(one.as_str()) };
        (n, Approver::ALL.iter().filter(fits).map(choice).collect())
    };
    Form { action, about, seats: (1..=SEATS).map(seat).collect(), delay_h: text("delay_h"), why: text("why"), problems }
}

/// The page.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, (None, Problems::none(), StatusCode::OK)).await
}

/// Asks for another rule.
pub async fn ask(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let text = |wanted: &str| typed.iter().find(|(name, _)| name == wanted).map_or("", |(_, text)| text.as_str());
    let about = text("about").parse::<RequestKind>();
    let asked = match (about.as_ref(), rule_of(&typed)) {
        (Ok(about), Ok(rule)) => app.ask_policy(&person.actor, *about, rule, text("why")).await,
        (Err(_), _) => Err(Invalid::one("about", "Choose what the policy is for").into()),
        (_, Err(invalid)) => Err(invalid.into()),
    };
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => {
            let problems = Problems::of_error(error)?;
            draw(&app, &person, (about.ok().map(|about| (about, typed)), problems, StatusCode::UNPROCESSABLE_ENTITY)).await
        }
    }
}

async fn draw(app: &App, person: &Person, (typed, problems, status): (Option<(RequestKind, Typed)>, Problems, StatusCode)) -> Answer {
    let rules = app.rules();
    let gaps = app.policy_gaps(&person.actor);
    let open = app.policy_requests(&person.actor).await.unwrap_or_default();
    let line = |about: &RequestKind| {
        let rule = rules.of(*about);
        let own = typed.as_ref().filter(|(of, _)| of == about).map(|(_, typed)| typed.clone());
        let gap: Vec<String> = gaps.iter().filter(|(of, _)| of == about).map(|(_, words)| words.clone()).collect();
        let wrong = if own.is_some() { problems.clone() } else { Problems::none() };
        let form = form(*about, "/policies".to_owned(), (&own.unwrap_or_else(|| typed_of(rule)), wrong));
        let open = open.iter().find(|(of, _)| of == about).map(|(_, id)| format!("/requests/{id}")).unwrap_or_default();
        Line { about: *about, words: rule.words(), form, open, gap: gap.join(" ") }
    };
    let versions = match app.policy_history(&person.actor).await {
        Ok(rows) => Some(rows.into_iter().map(version).collect()),
        Err(error @ AppError::Denied(_)) => return Err(error.into()),
        Err(_) => None,
    };
    let mut frame = frame::of(app, &person.visitor, "Policies").await;
    frame.is_error = !problems.is_empty();
    let lines = RequestKind::ALL.iter().map(line).collect();
    let page = Policies {
        frame,
        problems,
        lines,
        may_ask: authz::check(&person.actor, Action::AskRequest, &Resource::Installation).is_ok(),
        is_alone: app.people().is_alone(),
        versions,
    };
    frame::page_with(status, &page)
}

fn version(row: crate::app::approvals::PolicyRow) -> Version {
    let rule = serde_json::from_str::<Rule>(&row.rule).map_or(row.rule, |rule| rule.words());
    Version { version: row.version, at: row.set_at, about: row.kind.words(), rule, href: format!("/requests/{}", row.request_id) }
}

/// The same form for a request that asks for another rule.
pub(super) async fn draw_edit(
    app: &App,
    person: &Person,
    (about, action): (RequestKind, String),
    (typed, problems, status): (Typed, Problems, StatusCode),
) -> Answer {
    let mut frame = frame::of(app, &person.visitor, "Change a request for a policy").await;
    frame.is_error = !problems.is_empty();
    let may_ask = authz::check(&person.actor, Action::AskRequest, &Resource::Installation).is_ok();
    let form = form(about, action, (&typed, problems.clone()));
    let page = Edit { frame, problems, words: about.words(), may_ask, form };
    let answer: Result<_, WebError> = frame::page_with(status, &page);
    answer
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let rules = crate::domain::Rules::default();
    let line = |about: &RequestKind| Line {
        about: *about,
        words: rules.of(*about).words(),
        form: form(
            *about,
            "/policies".to_owned(),
            (
                &typed_of(rules.of(*about)),
                if *about == RequestKind::Limits { Problems::one("seats", "Ask for at least one approval") } else { Problems::none() },
            ),
        ),
        open: if *about == RequestKind::Assign { "/requests/7".to_owned() } else { String::new() },
        gap: "Nobody in team arb could get this approved.".to_owned(),
    };
    let page = |may_ask, versions| Policies {
        frame: Frame::sample("Policies", "/policies"),
        problems: Problems::one("seats", "Ask for at least one approval"),
        lines: RequestKind::ALL.iter().map(line).collect(),
        may_ask,
        is_alone: true,
        versions,
    };
    let version = Version {
        version: 1,
        at: samples::now(),
        about: RequestKind::Limits.words(),
        rule: rules.of(RequestKind::Limits).words(),
        href: "/requests/7".to_owned(),
    };
    let edit = Edit {
        frame: Frame::sample("Change a request for a policy", "/requests/7/edit"),
        problems: Problems::none(),
        words: RequestKind::Policy.words(),
        may_ask: true,
        form: form(
            RequestKind::Policy,
            "/requests/7/edit".to_owned(),
            (&typed_of(rules.of(RequestKind::Policy)), Problems::one("delay_h", "Enter 0 to 168 hours")),
        ),
    };
    vec![
        ("policies".to_owned(), page(true, Some(vec![version])).render().unwrap()),
        ("policies-read".to_owned(), page(false, None).render().unwrap()),
        ("request-policy".to_owned(), edit.render().unwrap()),
    ]
}
