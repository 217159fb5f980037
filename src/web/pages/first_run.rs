//! `/first-run`: from an empty installation to a stop that was measured, as a list of six tasks. What is done is computed from what is true;
//! the next task is open with its form or command, which post to the routes that every other page uses. Nothing is done here.

pub mod live;

use super::bots::enrol::{self, Beside};
use super::roles::{self, Choices};
use crate::app::{App, AppError, drills::Outcome, first_run::FirstRun, first_run::Task, starts::Obstacle};
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::token;
use crate::domain::{Grant, Hold, Role, Stage, State as Doing, Timestamp, role};
use crate::fleet::DrillSeen;
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{Person, Posted},
    format, frame,
    page::{Frame, Scripts},
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};

/// Between two loads of a page that somebody without scripts has asked to reload itself, in seconds.
const RELOAD_S: u8 = 3;

/// One task of the list.
pub(super) struct Item {
    pub(super) of: Task,
    /// What is true of it now.
    pub(super) said: String,
    pub(super) is_done: bool,
    /// It holds the step: it is the first task of the bot that is not done. To start again what was stopped is part of the drill.
    pub(super) has_step: bool,
}

impl Item {
    fn title(&self) -> &'static str {
        match self.of {
            Task::Keys => "Two security keys",
            Task::SecondPerson => "A second person",
            Task::Bot => "A first bot, written down",
            Task::Agent => "Its agent, beside it",
            Task::Start => "Its start",
            Task::Drill => "A pause drill, measured",
        }
    }
    /// There is something to do.
    fn is_open(&self) -> bool {
        !self.is_done && (self.has_step || self.of.is_of_people())
    }
    fn chip(&self) -> Chip {
        if self.is_done {
            Chip::new(Tone::Done, "Done")
        } else if self.is_open() {
            Chip::new(Tone::Open, "To do")
        } else {
            Chip::new(Tone::Plain, "Later")
        }
    }
}

/// Somebody who was invited and has not come in.
pub(super) struct Waiting {
    pub(super) name: String,
    pub(super) href: String,
    /// When their link ends; none: it is over.
    pub(super) until: Option<Timestamp>,
}

/// What brings a first bot, its agent, its start and its drill on; one at a time.
pub(super) enum Step {
    /// There is no team.
    Team,
    /// Whoever looks trades in no team: the roles to sign for, whether one person may hold them together, and the team.
    Role { me: String, grants: Vec<String>, can_combine: bool, team: String },
    /// A team, no bot.
    Bot { teams: Vec<(String, String)>, owner: String },
    /// A draft.
    Stage,
    /// No agent, or one that waits to be compared.
    Agent { beside: Beside, command: String },
    /// A confirmed agent; what stands in the way of the start. None: it is not known now.
    Start(Option<Vec<Obstacle>>),
    /// It was started and its agent has not said that it trades.
    TakingUp,
    /// It trades: press.
    Press { key: String },
    /// The drill stands and is not measured yet.
    Measuring { hold: Box<Hold>, cannot_tell: bool },
    /// The drill stands and is over; false: it measured nothing, since the bot did not trade at the press.
    Release { hold: Box<Hold>, is_measured: bool },
    /// Nothing is left.
    Done,
}

impl Step {
    /// True when nothing stands in the way of the start, or only what the signer can look up.
    fn can_start(&self) -> bool {
        matches!(self, Self::Start(Some(obstacles)) if obstacles.iter().all(|one| one.venue_can_tell))
    }
    fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
    /// True when the page waits for something that no press here brings on.
    fn waits(&self) -> bool {
        match self {
            Self::Agent { beside, .. } => beside.is_nobody(),
            Self::Start(_) => !self.can_start(),
            Self::Measuring { .. } | Self::TakingUp => true,
            _ => false,
        }
    }
    /// Who may do it, when whoever looks may not: they get no form that would be refused.
    fn who_else(&self, app: &App, actor: &Actor, run: &FirstRun) -> Option<&'static str> {
        let bot = run.bot.as_ref().map_or(Resource::Installation, |bot| App::bot_resource(bot));
        let (action, about) = match self {
            // The teams to choose from are those in which they may.
            Self::Bot { .. } => return None,
            // There is nothing to do but to wait.
            Self::TakingUp | Self::Measuring { cannot_tell: false, .. } | Self::Done => return None,
            Self::Team => (Action::CreateTeam, Resource::Installation),
            Self::Role { .. } => (Action::ManagePeople, Resource::Installation),
            Self::Stage => (Action::EditBot, bot),
            Self::Agent { .. } => (Action::EnrolAgent, bot),
            Self::Start(_) => (Action::StartBot, bot),
            Self::Press { .. } => (Action::PlaceHold, Resource::Installation),
            Self::Measuring { hold, .. } | Self::Release { hold, .. } => (Action::ReleaseHold, app.hold_resource(hold)),
        };
        authz::check(actor, action, &about).err().map(|denied| denied.who)
    }
}

/// The bot that the list is about.
pub(super) struct First {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Template)]
#[template(path = "first_run.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) tasks: Vec<Item>,
    pub(super) count: usize,
    pub(super) bot: Option<First>,
    pub(super) step: Step,
    pub(super) waiting: Vec<Waiting>,
    pub(super) choices: Choices,
    pub(super) drill: Option<String>,
    pub(super) may_invite: bool,
    /// Who may do what the open task asks for, for somebody who may not.
    pub(super) who: Option<&'static str>,
    pub(super) waits: bool,
    pub(super) reloads: bool,
    pub(super) is_away: bool,
    pub(super) facts: live::Facts,
    /// How the list is, for its stream.
    pub(super) mark: String,
}

/// Whether the page reloads itself, for people without scripts who asked for that.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    auto: String,
}

/// The list.
pub async fn show(State(app): Shared, person: Person, Query(asked): Query<Asked>) -> Answer {
    let run = app.first_run(&person.actor)?;
    let mut frame = frame::without_first_run(&app, &person.visitor, "First run").await;
    frame.scripts = Scripts::Live;
    let waiting = waiting(&app, &person.actor, frame.now).await?;
    let in_the_way = in_the_way(&app, &person.actor, &run).await;
    let mark = live::Plight::mark(&app, &run, in_the_way.as_deref());
    let step = step(&app, &person, &run, in_the_way).await?;
    let waits = step.waits() || (!run.second_person && !waiting.is_empty());
    let reloads = waits && asked.auto == "yes";
    let page = Page {
        tasks: items(|task| run.is_done(task), |task| said(&app, &run, &waiting, task)),
        count: run.count(),
        bot: run.bot.as_ref().map(|bot| First { id: bot.id.to_string(), name: bot.name.clone() }),
        choices: Choices::new(&app, &suggested(&app, &run)),
        drill: run.drill.as_deref().map(super::bots::drill_words),
        mark,
        facts: live::Facts::of(&app, &person.actor, &run, frame.now).await,
        may_invite: authz::check(&person.actor, Action::ManagePeople, &Resource::Installation).is_ok(),
        who: step.who_else(&app, &person.actor, &run),
        is_away: app.has_put_first_run_away(&person.user),
        waiting,
        step,
        waits,
        reloads,
        frame,
    };
    let mut response = frame::page(&page)?.into_response();
    if reloads {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from(u16::from(RELOAD_S)));
    }
    Ok(response)
}

/// Hides the list from whoever sends this, or shows it again.
#[derive(Debug, serde::Deserialize)]
pub struct Shown {
    #[serde(default)]
    shown: String,
}

/// Puts the list away, or brings it back.
pub async fn set(State(app): Shared, person: Person, Posted(form): Posted<Shown>) -> Answer {
    let shown = match form.shown.as_str() {
        "yes" => true,
        "no" => false,
        _ => {
            let said = "The list is to be shown or not: shown is yes or no. Nothing was changed.";
            return Err(WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", said));
        }
    };
    app.show_first_run(&person.actor, shown).await?;
    Ok(frame::see(if shown { "/first-run" } else { "/fleet" }))
}

/// The roles ticked for the second person: a lead of the first bot's team can sign what one person alone cannot.
fn suggested(app: &App, run: &FirstRun) -> Vec<String> {
    let team = run.bot.as_ref().map(|bot| bot.team.clone()).or_else(|| app.people().teams().first().map(|team| team.id.clone()));
    team.map(|team| roles::ticked(&[Grant { role: Role::Lead, team: Some(team) }])).unwrap_or_default()
}

async fn waiting(app: &App, actor: &Actor, now: Timestamp) -> Result<Vec<Waiting>, AppError> {
    let links = app.invitations(actor).await?;
    let users = app.people().users();
    let open = users.iter().filter(|user| user.enabled).filter_map(|user| {
        let link = links.get(&user.id)?;
        let until = (link.expires_at > now).then_some(link.expires_at);
        Some(Waiting { name: user.display_name.clone(), href: format!("/people/{}", user.id), until })
    });
    Ok(open.collect())
}

/// What stands in the way of the bot's start; none: nobody asks yet or any more, or it is not known.
async fn in_the_way(app: &App, actor: &Actor, run: &FirstRun) -> Option<Vec<Obstacle>> {
    let bot = run.bot.as_ref().filter(|_| run.agent.is_some() && !run.is_done(Task::Drill))?;
    app.obstacles_of(actor, &bot.id).await.ok()
}

async fn step(app: &App, person: &Person, run: &FirstRun, in_the_way: Option<Vec<Obstacle>>) -> Result<Step, AppError> {
    let actor = &person.actor;
    if run.is_done(Task::Drill) {
        return Ok(Step::Done);
    }
    let Some(bot) = &run.bot else { return Ok(before_the_bot(app, person)) };
    if bot.stage == Stage::Draft {
        return Ok(Step::Stage);
    }
    if !run.is_done(Task::Agent) {
        let beside = Beside::of(app, actor, bot).await?;
        return Ok(Step::Agent { beside, command: enrol::command(app, &bot.name) });
    }
    if let Some(hold) = app.drill_under_way(&bot.id) {
        // A database that does not answer leaves it open.
        let outcome = app.drill_outcome(actor, bot, &hold).await.unwrap_or(Outcome::Open);
        let is_measured = outcome == Outcome::Measured || run.drill.as_ref().is_some_and(|drill| drill.hold == hold.id);
        if is_measured || outcome == Outcome::Nothing {
            return Ok(Step::Release { hold: Box::new(hold), is_measured });
        }
        let cannot_tell = run.seen.as_ref().and_then(|seen| seen.report.as_ref()).is_none_or(|(report, _)| report.entry_orders.is_none());
        return Ok(Step::Measuring { hold: Box::new(hold), cannot_tell });
    }
    let view = app.fleet.view();
    if view.directive(bot).state == Doing::Active {
        let trades = run.seen.as_ref().and_then(|seen| seen.state) == Some(Doing::Active);
        return Ok(if trades { Step::Press { key: token::random::<16>()? } } else { Step::TakingUp });
    }
    Ok(Step::Start(in_the_way))
}

fn before_the_bot(app: &App, person: &Person) -> Step {
    let teams = super::bots::new::teams(app, &person.actor, "");
    if !teams.is_empty() {
        let teams = teams.into_iter().map(|team| (team.value, team.words)).collect();
        return Step::Bot { teams, owner: person.user.to_string() };
    }
    let Some(team) = app.people().teams().into_iter().next() else { return Step::Team };
    let mut grants = app.people().user(&person.user).map(|user| user.grants.clone()).unwrap_or_default();
    grants.push(Grant { role: Role::Lead, team: Some(team.id) });
    let can_combine = role::check_grants(&grants, app.people().enabled()).is_ok();
    Step::Role { me: person.user.to_string(), grants: roles::ticked(&grants), can_combine, team: team.name }
}

/// The list.
fn items(is_done: impl Fn(Task) -> bool, said: impl Fn(Task) -> String) -> Vec<Item> {
    let step_of = Task::ALL.into_iter().find(|task| !task.is_of_people() && !is_done(*task));
    let item = |of| Item { of, said: said(of), is_done: is_done(of), has_step: step_of == Some(of) };
    Task::ALL.into_iter().map(item).collect()
}

/// What is true of a task now.
fn said(app: &App, run: &FirstRun, waiting: &[Waiting], task: Task) -> String {
    match task {
        Task::Keys if run.keys => "You have two keys".to_owned(),
        Task::Keys => "You have fewer than two keys".to_owned(),
        Task::SecondPerson => match (app.people().enabled_with_rights(), waiting.len()) {
            (n, _) if n >= 2 => format!("{n} people have two keys"),
            (_, 0) => "You are alone here: nobody can be a second signer".to_owned(),
            (_, 1) => "1 person is invited and has not come in yet".to_owned(),
            (_, n) => format!("{n} people are invited and have not come in yet"),
        },
        Task::Bot => run.bot.as_ref().map_or_else(String::new, |bot| format!("{}, stage {}", bot.name, bot.stage)),
        Task::Agent => match (&run.agent, &run.seen) {
            (Some(agent), _) if !agent.confirmed => format!("Agent {} is here and waits to be compared", agent.name),
            (Some(agent), Some(_)) => format!("Agent {} is confirmed and checks in", agent.name),
            (Some(agent), None) => format!("Agent {} is confirmed and was not heard yet", agent.name),
            (None, _) => String::new(),
        },
        Task::Start => match &run.bot {
            Some(bot) if bot.start_epoch.0 > 0 => match app.fleet.view().directive(bot).state {
                Doing::Active => format!("{} may trade", bot.name),
                state => format!("{} was started; now it is told {state}", bot.name),
            },
            _ => String::new(),
        },
        Task::Drill => {
            let told = |drill: &DrillSeen| format!("Last drill: idle after {} ms, on {}", format::count(drill.idle_ms), drill.at.plain());
            run.drill.as_deref().map_or_else(String::new, told)
        }
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
pub(in crate::web) use samples::samples;
