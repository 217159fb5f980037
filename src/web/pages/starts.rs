//! `/starts/new`: which stopped bots should trade again? Each with everything that stands in its way. What is chosen becomes one act, which
//! waits for signatures; nothing starts here.

use crate::app::{App, acts::prepare::Waves, start_outlook::Candidate};
use crate::authz::Actor;
use crate::domain::BotId;
use crate::web::{
    Answer, Shared, WebError,
    chip::Chip,
    extract::{Person, Posted},
    frame,
    page::Frame,
    problems::Problems,
    query::Params,
    roster,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// One bot that could start, or not yet.
pub(super) struct Line {
    pub(super) id: BotId,
    pub(super) name: String,
    pub(super) team: String,
    pub(super) chip: Chip,
    pub(super) can_start: bool,
    pub(super) needs_a_look: bool,
    pub(super) is_chosen: bool,
    pub(super) has_looked: bool,
    /// What stands in its way, and who can clear it.
    pub(super) obstacles: Vec<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "starts_new.html")]
pub(super) struct New {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) ready: Vec<Line>,
    pub(super) blocked: Vec<Line>,
    pub(super) more: usize,
    pub(super) named: bool,
    pub(super) typed: InWaves,
}

/// Whether the ticked go in waves, and how, as typed.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct InWaves {
    #[serde(default)]
    staged: String,
    #[serde(default)]
    canary: String,
    #[serde(default = "a_minute")]
    settle: String,
}

fn a_minute() -> String {
    "60".to_owned()
}

impl Default for InWaves {
    fn default() -> Self {
        Self { staged: String::new(), canary: String::new(), settle: a_minute() }
    }
}

impl InWaves {
    pub(super) fn is_staged(&self) -> bool {
        !self.staged.is_empty()
    }
    /// What was asked for; none: all at once, as one bot always is.
    fn asked(&self, bots: &[BotId]) -> Result<Option<Waves>, Problems> {
        let (true, [first, _, ..]) = (self.is_staged(), bots) else { return Ok(None) };
        let canary = match self.canary.trim() {
            "" => first.clone(),
            text => BotId::parse(text).map_err(|_| Problems::one("canary", "Choose the bot that goes first."))?,
        };
        let wrong = |_| Problems::one("settle", "Enter a settling time of 10 to 3600 seconds.");
        Ok(Some(Waves { canary, settle_s: self.settle.trim().parse().map_err(wrong)? }))
    }
}

/// The choice: the named bots, or all that are stopped.
pub async fn show(State(app): Shared, person: Person, params: Params) -> Answer {
    let named = ids(&params.every("bot"))?;
    // Several go in waves unless somebody says otherwise.
    let typed = InWaves { staged: if named.len() == 1 { String::new() } else { "yes".to_owned() }, ..InWaves::default() };
    draw(&app, &person, Chosen { named: &named, bots: None, looked: &[], typed }, Problems::none()).await
}

fn ids(texts: &[String]) -> Result<Vec<BotId>, WebError> {
    let unknown = |_| {
        let said = "One of the bots is not known here. Nothing was changed.";
        WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", said)
    };
    texts.iter().map(|id| BotId::parse(id).map_err(unknown)).collect()
}

/// What is asked about and what was ticked; none: nothing was sent yet.
struct Chosen<'a> {
    named: &'a [BotId],
    bots: Option<&'a [BotId]>,
    looked: &'a [BotId],
    typed: InWaves,
}

async fn draw(app: &App, person: &Person, chosen: Chosen<'_>, problems: Problems) -> Answer {
    if !super::fleet::trades(&person.actor) {
        let said = "You trade in no team, so you cannot ask for a start. An operator or lead of the bot's team does.";
        return Err(WebError::new(StatusCode::FORBIDDEN, "not-allowed", "Not allowed", said));
    }
    let (candidates, more) = app.start_outlook(&person.actor, chosen.named).await?;
    let mut frame = frame::of(app, &person.visitor, "Start bots").await;
    frame.is_error = !problems.is_empty();
    let lines = candidates.iter().map(|candidate| line(app, candidate, &chosen));
    let (ready, blocked) = lines.partition(|line| line.can_start);
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let named = !chosen.named.is_empty();
    frame::page_with(status, &New { frame, problems, ready, blocked, more, named, typed: chosen.typed })
}

fn line(app: &App, candidate: &Candidate, chosen: &Chosen<'_>) -> Line {
    let bot = &candidate.row.bot;
    Line {
        id: bot.id.clone(),
        name: bot.name.clone(),
        team: app.people().team_name(&bot.team).unwrap_or_default(),
        chip: roster::standing(&candidate.row).0,
        can_start: candidate.can_start(),
        needs_a_look: candidate.needs_a_look(),
        // Only what came marked is ticked: a start is dear. One that needs a look is not ticked for anybody.
        is_chosen: chosen.bots.map_or(!candidate.needs_a_look() && chosen.named.contains(&bot.id), |bots| bots.contains(&bot.id)),
        has_looked: chosen.looked.contains(&bot.id),
        obstacles: candidate.obstacles.iter().map(|obstacle| (roster::sentence(&obstacle.what), obstacle.who)).collect(),
    }
}

/// What was ticked.
#[derive(Debug, serde::Deserialize)]
pub struct Ticked {
    #[serde(default)]
    bot: Vec<String>,
    /// Bots at whose venue the person looked.
    #[serde(default)]
    looked: Vec<String>,
    #[serde(flatten)]
    typed: InWaves,
}

/// Prepares one act that starts the ticked bots.
pub async fn create(State(app): Shared, person: Person, Posted(ticked): Posted<Ticked>) -> Answer {
    let (bots, looked) = (ids(&ticked.bot)?, ids(&ticked.looked)?);
    if bots.is_empty() {
        let problems = Problems::one("", "Tick at least one bot.");
        return draw(&app, &person, Chosen { named: &[], bots: Some(&bots), looked: &looked, typed: ticked.typed }, problems).await;
    }
    let problems = match ticked.typed.asked(&bots) {
        Ok(waves) => match prepare(&app, &person.actor, (&bots, &looked), waves.as_ref()).await {
            Ok(path) => return Ok(frame::see(&path)),
            Err(error) => Problems::of_error(error)?,
        },
        Err(problems) => problems,
    };
    draw(&app, &person, Chosen { named: &bots, bots: Some(&bots), looked: &looked, typed: ticked.typed }, problems).await
}

async fn prepare(
    app: &App,
    actor: &Actor,
    (bots, looked): (&[BotId], &[BotId]),
    waves: Option<&Waves>,
) -> Result<String, crate::app::AppError> {
    let act = app.prepare_start_in(actor, bots, looked, waves).await?;
    Ok(format!("/acts/{}", act.stored.id))
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::{chip::Tone, samples};
    let line = |n: usize, can_start, needs_a_look| Line {
        id: BotId::from_stored(samples::id(n)),
        name: samples::names().swap_remove(n).0,
        team: "grid".to_owned(),
        chip: Chip::new(Tone::Open, "Waits for a start"),
        can_start,
        needs_a_look,
        is_chosen: !needs_a_look,
        has_looked: false,
        obstacles: if can_start { Vec::new() } else { vec![("Its agent is not connected".to_owned(), "whoever runs its host")] },
    };
    let draw = |ready: Vec<Line>, blocked: Vec<Line>, problems, more| {
        New {
            frame: Frame::sample("Start bots", "/starts/new"),
            problems,
            ready,
            blocked,
            more,
            named: more > 0,
            typed: InWaves { staged: "yes".to_owned(), ..InWaves::default() },
        }
        .render()
        .unwrap()
    };
    let ready = || (0..8).map(|n| line(n, true, n == 3)).collect();
    vec![
        ("starts".to_owned(), draw(ready(), vec![line(9, false, false)], Problems::none(), 0)),
        ("starts-wrong".to_owned(), draw(ready(), Vec::new(), Problems::one("", "grid-07: its agent is not connected."), 20)),
        ("starts-blocked".to_owned(), draw(Vec::new(), vec![line(9, false, false)], Problems::none(), 0)),
        ("starts-none".to_owned(), draw(Vec::new(), Vec::new(), Problems::none(), 0)),
    ]
}
