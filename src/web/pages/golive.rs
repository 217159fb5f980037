//! `/bots/{id}/golive`: the checklist of the stage that a bot goes up to next, looked at whenever it is shown; what is open first. Beside it what was
//! approved and what runs. Evidence is put down and items are answered for here; the step up is asked for here once nothing is open.

use super::bots::id_of;
use crate::app::{
    App, AppError,
    golive::{ListView, marks::Said, next_stage, stages_of},
};
use crate::authz::{self, Action};
use crate::domain::{
    BotFacts, BotId, Stage, Timestamp,
    checklist::{Item, Proof},
    golive::{Difference, OnDrift, Shown, Standing, short},
};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{ByTouch, Person, Posted},
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

/// Which list.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Which {
    #[serde(default)]
    stage: String,
}

/// A word for an item.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Word {
    #[serde(default)]
    stage: String,
    #[serde(flatten)]
    said: Said,
}

/// The step up.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Up {
    #[serde(default)]
    stage: String,
    #[serde(default)]
    on_drift: String,
    #[serde(default)]
    why: String,
}

/// An item as it is shown.
pub(super) struct Line {
    pub(super) item: Item,
    pub(super) chip: Chip,
    /// What was measured or said; of one that is open what is missing.
    pub(super) said: String,
    pub(super) by: String,
    pub(super) until: Option<Timestamp>,
    /// What stands in its form.
    pub(super) typed: Said,
}

impl Line {
    pub(super) fn is_for_people(&self) -> bool {
        self.item.proof != Proof::Measured
    }
    /// The id of a field of its form: the plain one where what is wrong leads there.
    pub(super) fn field(&self, name: &str) -> String {
        if self.typed.item.is_empty() { format!("{name}-{}", self.item.name) } else { name.to_owned() }
    }
    /// What is wrong with a field of its form.
    pub(super) fn problem<'p>(&self, problems: &'p Problems, field: &str) -> &'p str {
        if self.typed.item.is_empty() { "" } else { problems.of(field) }
    }
    pub(super) fn is_signed(&self) -> bool {
        self.item.proof == Proof::Attested
    }
}

/// A word that was said before.
pub(super) struct Past {
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) words: String,
}

#[derive(Template)]
#[template(path = "golive.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) bot: (String, String),
    pub(super) id: String,
    pub(super) stage: &'static str,
    pub(super) at: Timestamp,
    pub(super) done: usize,
    pub(super) expired: usize,
    pub(super) groups: Vec<(String, Vec<Line>)>,
    pub(super) is_whole: bool,
    pub(super) caps: String,
    pub(super) history: Vec<Past>,
    pub(super) may_mark: bool,
    pub(super) may_ask: bool,
    /// The step up can be asked for from where the bot is.
    pub(super) is_next: bool,
    pub(super) up: Up,
    /// What was approved, and what is in force: a word, both sides, and whether they differ.
    pub(super) sides: Vec<(String, String, String, bool)>,
    pub(super) differs: Vec<String>,
    pub(super) request: String,
}

fn chip(standing: &Standing) -> Chip {
    match standing {
        Standing::Done(_) => Chip::new(Tone::Done, "So"),
        Standing::Open(_) => Chip::new(Tone::Open, "Open"),
        Standing::Expired(_) => Chip::new(Tone::High, "Expired"),
    }
}

fn line(app: &App, item: &Item, standing: &Standing, typed: &Said) -> Line {
    let of = |shown: &Shown| (shown.said.clone(), shown.by.as_ref().map_or_else(String::new, |user| app.people().who(user)), shown.until);
    let (said, by, until) = match standing {
        Standing::Done(shown) | Standing::Expired(shown) => of(shown),
        Standing::Open(why) => (why.clone(), String::new(), None),
    };
    let typed = if typed.item == item.name { typed.clone() } else { Said::default() };
    Line { item: item.clone(), chip: chip(standing), said, by, until, typed }
}

fn groups(app: &App, view: &ListView, typed: &Said) -> Vec<(String, Vec<Line>)> {
    let mut all: Vec<(String, Vec<Line>)> = Vec::new();
    for one in &view.checked {
        let line = line(app, &one.item, &one.standing, typed);
        match all.last_mut().filter(|(group, _)| *group == one.item.group) {
            Some((_, lines)) => lines.push(line),
            None => all.push((one.item.group.clone(), vec![line])),
        }
    }
    all
}

/// What was approved beside what is in force.
fn sides(app: &App, bot: &BotFacts, differs: &[Difference]) -> Vec<(String, String, String, bool)> {
    let Some(run) = &bot.run else { return Vec::new() };
    let force = app.in_force(bot);
    let runs = |pick: &dyn Fn(&crate::domain::golive::Ran) -> String| {
        force.runs.as_ref().map_or_else(|| "not said".to_owned(), |runs| short(&pick(runs)))
    };
    let is_other = |what: &str| differs.iter().any(|one| one.what == what);
    let dossier = &run.dossier;
    let place = force.place.as_ref().map_or_else(|| "none".to_owned(), |place| place.name.clone());
    vec![
        ("Build".into(), short(&dossier.runs.build), runs(&|runs| runs.build.clone()), is_other("Build")),
        ("Configuration".into(), short(&dossier.runs.config), runs(&|runs| runs.config.clone()), is_other("Configuration")),
        ("Subaccount".into(), dossier.place.name.clone(), place, is_other("Subaccount")),
        ("Conduct".into(), dossier.conduct.words(), force.conduct.words(), is_other("Conduct")),
        ("Limits".into(), format!("version {}", dossier.limits_version), format!("version {}", force.limits_version), is_other("Limits")),
        (
            "Keys in use".into(),
            dossier.keys.len().to_string(),
            force.keys.len().to_string(),
            differs.iter().any(|one| one.what.starts_with("Key ")),
        ),
    ]
}

fn stage_of(bot: &BotFacts, asked: &str) -> Result<Stage, AppError> {
    if asked.is_empty() {
        let next = next_stage(bot.stage).or_else(|| (bot.stage == Stage::Live).then_some(Stage::Live));
        return Ok(next.unwrap_or(Stage::Limited));
    }
    asked.parse().map_err(|_| AppError::NotFound("checklist"))
}

struct Typed {
    said: Said,
    up: Up,
    problems: Problems,
}

impl Typed {
    fn none() -> Self {
        Self { said: Said::default(), up: Up::default(), problems: Problems::none() }
    }
}

async fn draw(app: &App, person: &Person, (id, stage): (&BotId, Stage), typed: Typed) -> Answer {
    let view = app.checklist(&person.actor, id, stage).await?;
    let bot = app.bot(&person.actor, id)?.bot;
    let Typed { said, up, problems } = typed;
    let mut frame = frame::of(app, &person.visitor, format!("{} to stage {stage}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may = |action: Action| authz::check(&person.actor, action, &App::bot_resource(&bot)).is_ok();
    let differs = app.differences(&bot, view.at);
    let past = |mark: &crate::domain::golive::Mark| Past {
        at: mark.at,
        by: app.people().who(&mark.by),
        words: format!("{}: {}{}", mark.item, mark.said, mark.link.as_ref().map_or_else(String::new, |link| format!(" ({link})"))),
    };
    let page = Page {
        frame,
        problems,
        bot: (format!("/bots/{id}"), bot.name.clone()),
        id: id.to_string(),
        stage: stage.as_str(),
        at: view.at,
        done: view.done(),
        expired: view.expired(),
        groups: groups(app, &view, &said),
        is_whole: view.is_whole(),
        caps: view.list.caps.as_ref().map_or_else(String::new, |caps| {
            let (position, loss) = (caps.position.shortest(), caps.daily_loss.shortest());
            format!("In this stage: a position of {position} at most, a loss of {loss} a day at most, for {} days.", caps.days)
        }),
        history: view.history.iter().map(past).collect(),
        may_mark: may(Action::MarkChecklist) && stages_of(&bot).contains(&stage),
        may_ask: may(Action::AskRequest),
        is_next: stages_of(&bot).contains(&stage),
        up,
        sides: sides(app, &bot, &differs),
        differs: differs.iter().map(Difference::words).collect(),
        request: bot.run.as_ref().map_or_else(String::new, |run| format!("/requests/{}", run.request)),
    };
    frame::page_with(status, &page)
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, Query(which): Query<Which>) -> Answer {
    let id = id_of(&id)?;
    let bot = app.bot(&person.actor, &id)?.bot;
    draw(&app, &person, (&id, stage_of(&bot, &which.stage)?), Typed::none()).await
}

/// Prepares that somebody answers for an item, which they sign.
pub async fn attest(State(app): Shared, person: Person, Named(id): Named, Posted(word): Posted<Word>) -> Answer {
    let id = id_of(&id)?;
    let stage = stage_of(&app.bot(&person.actor, &id)?.bot, &word.stage)?;
    match app.prepare_attest(&person.actor, &id, stage, &word.said).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => {
            let typed = Typed { said: word.said, problems: Problems::of_error(error)?, ..Typed::none() };
            draw(&app, &person, (&id, stage), typed).await
        }
    }
}

/// Puts evidence down for an item.
pub async fn evidence(State(app): Shared, Named(id): Named, ByTouch(person, word): ByTouch<Word>) -> Answer {
    let id = id_of(&id)?;
    let stage = stage_of(&app.bot(&person.actor, &id)?.bot, &word.stage)?;
    match app.put_evidence(&person.actor, &id, stage, &word.said).await {
        Ok(_) => Ok(frame::see(&format!("/bots/{id}/golive?stage={stage}"))),
        Err(error) => {
            let typed = Typed { said: word.said, problems: Problems::of_error(error)?, ..Typed::none() };
            draw(&app, &person, (&id, stage), typed).await
        }
    }
}

/// Asks for the step up.
pub async fn ask(State(app): Shared, Named(id): Named, ByTouch(person, up): ByTouch<Up>) -> Answer {
    let id = id_of(&id)?;
    let stage = stage_of(&app.bot(&person.actor, &id)?.bot, &up.stage)?;
    let asked = match up.on_drift.parse::<OnDrift>() {
        Ok(on_drift) => app.ask_golive(&person.actor, &id, stage, on_drift, &up.why).await,
        Err(_) => Err(crate::app::Invalid::one("on_drift", "Choose what becomes of it when it is no longer so").into()),
    };
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(&app, &person, (&id, stage), Typed { up, problems: Problems::of_error(error)?, ..Typed::none() }).await,
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::domain::checklist::shipped;
    use crate::web::samples;
    let list = shipped::template(Stage::Limited).unwrap();
    let standing = |n: usize, item: &Item| {
        let shown = Shown {
            item: item.name.clone(),
            said: "agent grid-07 is confirmed and says what runs".to_owned(),
            by: None,
            mark: None,
            until: Some(samples::now().plus_ms(86_000_000)),
            files: Vec::new(),
        };
        match n % 3 {
            0 => Standing::Done(shown),
            1 => Standing::Open("nobody has answered for it".to_owned()),
            _ => Standing::Expired(shown),
        }
    };
    let lines = |(n, item): (usize, &Item)| {
        let standing = standing(n, item);
        let said = if let Standing::Open(why) = &standing { why.clone() } else { "agent grid-07 is confirmed".to_owned() };
        let is_sent = n == 11;
        let typed = if is_sent { Said { item: item.name.clone(), said: "typed".into(), link: String::new() } } else { Said::default() };
        Line { item: item.clone(), chip: chip(&standing), said, by: "L. Sato".into(), until: Some(samples::now()), typed }
    };
    let page = |is_whole: bool, problems: Problems| Page {
        frame: Frame::sample("grid-07 to stage limited", "/bots/7/golive"),
        problems,
        bot: ("/bots/7".to_owned(), "grid-07".to_owned()),
        id: samples::id(7),
        stage: "limited",
        at: samples::now(),
        done: 9,
        expired: 8,
        groups: vec![("Stop path".to_owned(), list.items.iter().enumerate().map(lines).collect())],
        is_whole,
        caps: "In this stage: a position of 10000 at most.".to_owned(),
        history: vec![Past { at: samples::now(), by: "L. Sato".into(), words: "rollback_plan: written".into() }],
        may_mark: true,
        may_ask: true,
        is_next: true,
        up: Up { stage: "limited".into(), on_drift: "pause".into(), why: "it is ready".into() },
        sides: vec![("Build".into(), "sha256:0123456789ab…".into(), "sha256:ba9876543210…".into(), true)],
        differs: vec!["Build: approved a, now b".to_owned()],
        request: "/requests/7".to_owned(),
    };
    vec![
        ("golive".to_owned(), page(false, Problems::one("said", "Say what you looked at")).render().unwrap()),
        ("golive-whole".to_owned(), page(true, Problems::none()).render().unwrap()),
    ]
}
