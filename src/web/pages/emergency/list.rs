//! `/emergency`: every emergency change of the installation, those that nobody has reviewed first, and their review. What was not reviewed in time
//! is a finding, and says so.

use crate::app::{
    App, AppError,
    golive::emergency::{EmergencyRow, PAGE},
};
use crate::domain::{BotId, EmergencyId, Timestamp, emergency::Verdict, golive::short};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{Person, Posted},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
};

/// Where a page of the list begins.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    before: String,
}

/// A review.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Typed {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    words: String,
}

/// One of them, as it is shown.
pub(super) struct Line {
    pub(super) id: String,
    /// Its bot: where it stands, and its name.
    pub(super) bot: (String, String),
    pub(super) made_at: Timestamp,
    pub(super) why: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) signers: String,
    pub(super) stands: Chip,
    /// Until when it lasts, or why and when it ended.
    pub(super) lasts: String,
    pub(super) review: Chip,
    /// What was found and by whom, or until when it is to be reviewed.
    pub(super) found: String,
    pub(super) is_overdue: bool,
    pub(super) may_review: bool,
    /// What stands in its form.
    pub(super) typed: Option<(String, String)>,
}

impl Line {
    fn of(app: &App, person: &Person, row: &EmergencyRow, now: Timestamp) -> Self {
        let who = |id| app.people().who(id);
        let name = app.fleet.view().bot(&row.bot_id).map_or_else(|| row.bot_id.to_string(), |bot| bot.name.clone());
        let (stands, lasts) = match (row.is_in_force(now), row.ended_at, row.ended_why.as_ref()) {
            (true, ..) => (Chip::new(Tone::High, "In force"), format!("until {}", row.until_at.plain())),
            (false, Some(at), Some(why)) => (Chip::new(Tone::Plain, "Ended"), format!("{}: {why}", at.plain())),
            (false, ..) => (Chip::new(Tone::Plain, "Ended"), format!("{}: its time is over", row.until_at.plain())),
        };
        let reviewed = row.verdict.zip(row.reviewed_at).zip(row.reviewed_by.as_ref());
        let (review, found) = match reviewed {
            Some(((verdict, at), by)) => {
                let tone = if verdict == Verdict::Justified { Tone::Done } else { Tone::High };
                let word = if verdict == Verdict::Justified { "Justified" } else { "Not justified" };
                let words = row.review_words.clone().unwrap_or_default();
                (Chip::new(tone, word), format!("{}, {}: {words}", at.plain(), who(by)))
            }
            None if row.is_overdue(now) => (Chip::new(Tone::Critical, "Review overdue"), format!("since {}", row.review_by.plain())),
            None => (Chip::new(Tone::Open, "To be reviewed"), format!("until {}", row.review_by.plain())),
        };
        let side = |build: &str, config: &str| format!("{} with {}", short(build), short(config));
        Self {
            id: row.id.to_string(),
            bot: (format!("/bots/{}/emergency", row.bot_id), name),
            made_at: row.made_at,
            why: row.why.clone(),
            from: side(&row.from_build, &row.from_config),
            to: side(&row.to_build, &row.to_config),
            signers: format!("{}, {}", who(&row.asked_by), who(&row.seconded_by)),
            stands,
            lasts,
            review,
            found,
            is_overdue: row.is_overdue(now),
            may_review: app.may_review(&person.actor, row).is_ok(),
            typed: None,
        }
    }
    /// The id of a field of its form: the plain one where what is wrong leads there.
    pub(super) fn field(&self, name: &str) -> String {
        if self.typed.is_none() { format!("{name}-{}", self.id) } else { name.to_owned() }
    }
    /// What is wrong with a field of its form.
    pub(super) fn problem<'p>(&self, problems: &'p Problems, field: &str) -> &'p str {
        if self.typed.is_none() { "" } else { problems.of(field) }
    }
    pub(super) fn verdict(&self) -> &str {
        self.typed.as_ref().map_or("", |(verdict, _)| verdict.as_str())
    }
    pub(super) fn words(&self) -> &str {
        self.typed.as_ref().map_or("", |(_, words)| words.as_str())
    }
}

#[derive(Template)]
#[template(path = "emergencies.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    /// Those that nobody has reviewed, the most urgent first.
    open: Vec<Line>,
    overdue: usize,
    /// All of them, the newest first.
    all: Vec<Line>,
    older: String,
}

/// Those of one bot; none: the database does not answer.
pub(super) async fn of_bot(app: &App, person: &Person, id: &BotId, now: Timestamp) -> Option<Vec<Line>> {
    let rows = app.emergencies_of(&person.actor, id).await.ok()?;
    Some(rows.iter().map(|row| Line::of(app, person, row, now)).collect())
}

/// What the page of a bot says of them: one that was not reviewed in time, else one that is in force; empty: nothing, or nobody knows.
pub(in crate::web::pages) async fn words_of(app: &App, person: &Person, id: &BotId, now: Timestamp) -> String {
    let rows = app.emergencies_of(&person.actor, id).await.unwrap_or_default();
    if let Some(row) = rows.iter().find(|row| row.is_overdue(now)) {
        return format!("An emergency change was to be reviewed until {}, and nobody has", row.review_by.plain());
    }
    let going = rows.iter().find(|row| row.is_in_force(now));
    going.map_or_else(String::new, |row| format!("An emergency change is in force until {}", row.until_at.plain()))
}

fn id_of(text: &str) -> Result<EmergencyId, WebError> {
    EmergencyId::parse(text).map_err(|_| AppError::NotFound("emergency change").into())
}

async fn draw(app: &App, person: &Person, before: Option<EmergencyId>, sent: Option<(EmergencyId, Typed, Problems)>) -> Answer {
    let unreviewed = app.emergencies_unreviewed(&person.actor).await?;
    let (rows, next) = app.emergencies(&person.actor, before.as_ref(), PAGE).await?;
    let mut frame = frame::of(app, &person.visitor, "Emergency changes").await;
    let now = frame.now;
    let mut open: Vec<Line> = unreviewed.iter().map(|row| Line::of(app, person, row, now)).collect();
    let mut problems = Problems::none();
    if let Some((id, typed, found)) = sent {
        if let Some(line) = open.iter_mut().find(|line| line.id == id.as_str()) {
            line.typed = Some((typed.verdict, typed.words));
        }
        problems = found;
    }
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Page {
        overdue: open.iter().filter(|line| line.is_overdue).count(),
        open,
        all: rows.iter().map(|row| Line::of(app, person, row, now)).collect(),
        older: next.map(|next| format!("/emergency?before={next}")).unwrap_or_default(),
        problems,
        frame,
    };
    frame::page_with(status, &page)
}

/// The list.
pub async fn index(State(app): Shared, person: Person, Query(asked): Query<Asked>) -> Answer {
    let before = if asked.before.is_empty() { None } else { Some(id_of(&asked.before)?) };
    draw(&app, &person, before, None).await
}

/// Prepares a review, which whoever reviews signs.
pub async fn review(State(app): Shared, person: Person, Named(id): Named, Posted(typed): Posted<Typed>) -> Answer {
    let id = id_of(&id)?;
    let prepared = match typed.verdict.parse::<Verdict>() {
        Ok(verdict) => app.prepare_emergency_review(&person.actor, &id, verdict, &typed.words).await,
        Err(_) => Err(crate::app::Invalid::one("verdict", "Choose what you found").into()),
    };
    match prepared {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => {
            let problems = Problems::of_error(error)?;
            draw(&app, &person, None, Some((id, typed, problems))).await
        }
    }
}

#[cfg(test)]
pub(super) fn sample_lines() -> Vec<Line> {
    use crate::web::samples;
    let line = |n: usize, review: Chip, found: &str, may_review: bool| Line {
        id: samples::id(n),
        bot: ("/bots/7/emergency".to_owned(), "grid-07".to_owned()),
        made_at: samples::now(),
        why: "the venue changed its tick size".to_owned(),
        from: "sha256:b0b0b0b0b0b0… with sha256:c0c0c0c0c0c0…".to_owned(),
        to: "sha256:f1f1f1f1f1f1… with sha256:c0c0c0c0c0c0…".to_owned(),
        signers: "M. Okafor, L. Sato".to_owned(),
        stands: Chip::new(Tone::High, "In force"),
        lasts: "until 2026-11-24 03:12:07Z".to_owned(),
        review,
        found: found.to_owned(),
        is_overdue: n == 71,
        may_review,
        typed: (n == 72).then(|| ("justified".to_owned(), "<looked>".to_owned())),
    };
    vec![
        line(71, Chip::new(Tone::Critical, "Review overdue"), "since 2026-11-22 03:12:07Z", true),
        line(72, Chip::new(Tone::Open, "To be reviewed"), "until 2026-11-26 03:12:07Z", true),
        line(73, Chip::new(Tone::Done, "Justified"), "2026-11-22 03:12:07Z, R. Iyer: it had to be", false),
    ]
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    let page = |lines: fn() -> Vec<Line>, problems: Problems| Page {
        frame: Frame::sample("Emergency changes", "/emergency"),
        problems,
        open: lines(),
        overdue: 1,
        all: lines(),
        older: "/emergency?before=7".to_owned(),
    };
    vec![
        ("emergencies".to_owned(), page(sample_lines, Problems::none()).render().unwrap()),
        ("emergencies-wrong".to_owned(), page(sample_lines, Problems::one("words", "Say what you looked at")).render().unwrap()),
        ("emergencies-none".to_owned(), page(Vec::new, Problems::none()).render().unwrap()),
    ]
}
