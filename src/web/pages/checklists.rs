//! `/checklists`: what must be so before a bot trades live, with the reason of each item, and asking for another list. A list changes by a request
//! that two approve, after a day.

use crate::app::{App, AppError, Invalid};
use crate::authz::{self, Action, Resource};
use crate::domain::{
    Decimal, Stage,
    checklist::{Caps, Item, Proof, Template as List, shipped},
};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
};

type Typed = Vec<(String, String)>;

/// Which list.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Which {
    #[serde(default)]
    stage: String,
}

/// An item with what stands in its fields.
struct Line {
    item: Item,
    is_dropped: bool,
    words: String,
    why: String,
    days: String,
}

impl Line {
    /// How it is shown to be so, and how long that holds.
    fn how(&self) -> String {
        let build = if self.item.of_build { ", for that very build" } else { "" };
        match self.item.proof {
            Proof::Measured => "measured by the system".to_owned(),
            Proof::Attested => format!("a person answers for it, signed, for {} days{build}", self.item.valid_days),
            Proof::Evidence => format!("evidence is put down, for {} days{build}", self.item.valid_days),
        }
    }
    /// Somebody has typed something else than stands.
    fn is_changed(&self) -> bool {
        self.words != self.item.words || self.why != self.item.why || self.days != self.item.valid_days.to_string()
    }
}

/// A new item.
#[derive(Default)]
struct New {
    name: String,
    group: String,
    words: String,
    why: String,
    proof: String,
    days: String,
    of_build: bool,
}

#[derive(Template)]
#[template(path = "checklists.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    stage: &'static str,
    version: i64,
    lines: Vec<Line>,
    /// What came with the program and is not on the list: it can be taken back.
    left_out: Vec<(Item, bool)>,
    caps: Option<(String, String, String, String)>,
    new: New,
    why: String,
    may_ask: bool,
    rule: String,
    /// How many of the items the system measures.
    measured: usize,
}

impl Page {
    /// The items under their headings, in order.
    fn groups(&self) -> Vec<(&str, Vec<&Line>)> {
        let mut all: Vec<(&str, Vec<&Line>)> = Vec::new();
        for line in &self.lines {
            match all.iter_mut().find(|(name, _)| *name == line.item.group) {
                Some((_, lines)) => lines.push(line),
                None => all.push((line.item.group.as_str(), vec![line])),
            }
        }
        all
    }
}

fn text<'t>(typed: &'t Typed, name: &str) -> Option<&'t str> {
    typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.as_str())
}

fn is_on(typed: &Typed, name: &str) -> bool {
    text(typed, name).is_some()
}

fn stage_of(text: &str) -> Result<Stage, AppError> {
    match text {
        "" | "limited" => Ok(Stage::Limited),
        "live" => Ok(Stage::Live),
        _ => Err(AppError::NotFound("checklist")),
    }
}

fn days(text: &str) -> Result<u32, Invalid> {
    text.trim().parse().map_err(|_| Invalid::one("items", "Enter days as a whole number"))
}

/// The list that a form holds, over what stands.
///
/// # Errors
/// What cannot be read.
fn list_of(now: &List, typed: &Typed) -> Result<List, Invalid> {
    let mut items = Vec::new();
    for item in now.items.iter().filter(|item| !is_on(typed, &format!("drop:{}", item.name))) {
        let of = |part: &str| text(typed, &format!("{part}:{}", item.name));
        let valid_days = match of("days") {
            Some(given) if item.proof != Proof::Measured => days(given)?,
            _ => item.valid_days,
        };
        let words = of("words").map_or_else(|| item.words.clone(), |text| text.trim().to_owned());
        let why = of("why").map_or_else(|| item.why.clone(), |text| text.trim().to_owned());
        items.push(Item { words, why, valid_days, ..item.clone() });
    }
    let back = left_out(now).into_iter().filter(|item| is_on(typed, &format!("add:{}", item.name)));
    items.extend(back);
    if let Some(name) = text(typed, "new_name").map(str::trim).filter(|name| !name.is_empty()) {
        let of = |part: &str| text(typed, part).unwrap_or_default().trim().to_owned();
        let proof = match text(typed, "new_proof") {
            Some("attested") => Proof::Attested,
            Some("evidence") => Proof::Evidence,
            _ => return Err(Invalid::one("new_proof", "Choose how the new item is shown")),
        };
        items.push(Item {
            name: name.to_owned(),
            group: of("new_group"),
            words: of("new_words"),
            why: of("new_why"),
            proof,
            measure: None,
            valid_days: days(&of("new_days")).map_err(|_| Invalid::one("new_days", "Enter days as a whole number"))?,
            of_build: is_on(typed, "new_of_build"),
        });
    }
    let amount = |name: &'static str| {
        let number = text(typed, name).map(str::trim).and_then(Decimal::parse);
        number.ok_or_else(|| Invalid::one(name, "Enter an amount, as 2500"))
    };
    let caps = match &now.caps {
        None => None,
        Some(_) => Some(Caps {
            position: amount("caps_position")?,
            currencies: currencies(text(typed, "caps_currencies").unwrap_or_default()),
            daily_loss: amount("caps_daily_loss")?,
            days: days(text(typed, "caps_days").unwrap_or_default())
                .map_err(|_| Invalid::one("caps_days", "Enter days as a whole number"))?,
        }),
    };
    Ok(List { stage: now.stage, version: now.version, items, caps })
}

/// Names with commas between them, in capitals.
fn currencies(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_ascii_uppercase()).filter(|name| !name.is_empty()).collect()
}

/// What came with the program and is not on a list.
fn left_out(now: &List) -> Vec<Item> {
    let shipped = shipped::template(now.stage).map(|list| list.items).unwrap_or_default();
    shipped.into_iter().filter(|item| now.item(&item.name).is_none()).collect()
}

async fn draw(app: &App, person: &Person, stage: Stage, (typed, problems): (Option<Typed>, Problems)) -> Answer {
    let now = app.list_of(stage)?;
    let mut frame = frame::of(app, &person.visitor, "Checklists").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let given = |name: &str| typed.as_ref().and_then(|typed| text(typed, name)).map(str::to_owned);
    let is_given = |name: &str| typed.as_ref().is_some_and(|typed| is_on(typed, name));
    let line = |item: &Item| Line {
        is_dropped: is_given(&format!("drop:{}", item.name)),
        words: given(&format!("words:{}", item.name)).unwrap_or_else(|| item.words.clone()),
        why: given(&format!("why:{}", item.name)).unwrap_or_else(|| item.why.clone()),
        days: given(&format!("days:{}", item.name)).unwrap_or_else(|| item.valid_days.to_string()),
        item: item.clone(),
    };
    let or_empty = |name: &str| given(name).unwrap_or_default();
    let page = Page {
        problems,
        stage: stage.as_str(),
        version: now.version,
        lines: now.items.iter().map(line).collect(),
        left_out: left_out(&now).into_iter().map(|item| (item.clone(), is_given(&format!("add:{}", item.name)))).collect(),
        caps: now.caps.as_ref().map(|caps| {
            let position = given("caps_position").unwrap_or_else(|| caps.position.shortest());
            let loss = given("caps_daily_loss").unwrap_or_else(|| caps.daily_loss.shortest());
            let currencies = given("caps_currencies").unwrap_or_else(|| caps.currencies.join(", "));
            (position, loss, currencies, given("caps_days").unwrap_or_else(|| caps.days.to_string()))
        }),
        new: New {
            name: or_empty("new_name"),
            group: or_empty("new_group"),
            words: or_empty("new_words"),
            why: or_empty("new_why"),
            proof: or_empty("new_proof"),
            days: or_empty("new_days"),
            of_build: is_given("new_of_build"),
        },
        why: or_empty("why"),
        may_ask: authz::check(&person.actor, Action::AskRequest, &Resource::Installation).is_ok(),
        measured: now.items.iter().filter(|item| item.proof == Proof::Measured).count(),
        rule: app.rules().of(crate::domain::RequestKind::Checklist).words(),
        frame,
    };
    frame::page_with(status, &page)
}

/// The page.
pub async fn index(State(app): Shared, person: Person, Query(which): Query<Which>) -> Answer {
    draw(&app, &person, stage_of(&which.stage)?, (None, Problems::none())).await
}

/// Asks for another list.
pub async fn ask(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let stage = stage_of(text(&typed, "stage").unwrap_or_default())?;
    let why = text(&typed, "why").unwrap_or_default().to_owned();
    let asked = match list_of(&app.list_of(stage)?, &typed) {
        Ok(after) => app.ask_list(&person.actor, after, &why).await,
        Err(invalid) => Err(invalid.into()),
    };
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(&app, &person, stage, (Some(typed), Problems::of_error(error)?)).await,
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let list = shipped::template(Stage::Limited).unwrap();
    let line = |item: &Item| Line {
        item: item.clone(),
        is_dropped: false,
        words: item.words.clone(),
        why: item.why.clone(),
        days: item.valid_days.to_string(),
    };
    let page = |problems: Problems, may_ask: bool| Page {
        frame: Frame::sample("Checklists", "/checklists"),
        problems,
        stage: "limited",
        version: 3,
        lines: list.items.iter().map(line).collect(),
        left_out: vec![(list.items[0].clone(), true)],
        caps: Some(("10000".into(), "500".into(), "USDT, USDC".into(), "30".into())),
        new: New { name: "latency".into(), proof: "attested".into(), of_build: true, ..New::default() },
        why: "we measure it".into(),
        may_ask,
        measured: 14,
        rule: "2 approvals".into(),
    };
    vec![
        ("checklists".to_owned(), page(Problems::none(), true).render().unwrap()),
        ("checklists-wrong".to_owned(), page(Problems::one("new_days", "Enter days as a whole number"), true).render().unwrap()),
        ("checklists-read".to_owned(), page(Problems::none(), false).render().unwrap()),
    ]
}
