//! The live part of the list: what the agent says just now, how far the drill has come, and that there is something new to do. Text only; the
//! forms stand on the page itself.

use super::in_the_way;
use crate::app::{
    App, AppError,
    first_run::{FirstRun, TASKS, Task},
    starts::Obstacle,
};
use crate::authz::Actor;
use crate::domain::{AgentId, BotFacts, Hold, HoldId, Timestamp};
use crate::web::{
    Answer, Shared,
    extract::Person,
    format,
    live::{self, Door, Feed, Sent},
};
use askama::Template;
use axum::{
    extract::{Query, State},
    response::sse::Event,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// What is true just now.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Facts {
    /// One sentence each.
    pub(in super::super) lines: Vec<String>,
    /// When the agent was last heard.
    pub(in super::super) heard: Option<Timestamp>,
    /// There is something new to do since the page was loaded.
    pub(in super::super) is_news: bool,
}

impl Facts {
    pub(super) async fn of(app: &App, actor: &Actor, run: &FirstRun, now: Timestamp) -> Self {
        let mut lines = Vec::new();
        if let Some(agent) = &run.agent {
            let says = run.seen.as_ref().and_then(|seen| seen.state).map(|state| format!(" and says {state}"));
            match &run.seen {
                Some(seen) => {
                    let by = if seen.channel == "stream" { "over a stream" } else { "by polling" };
                    lines.push(format!("Agent {} checks in {by}{}.", agent.name, says.unwrap_or_default()));
                }
                None => lines.push(format!("Agent {} is enrolled and was not heard yet. Start it beside the bot.", agent.name)),
            }
        }
        if let Some(bot) = &run.bot
            && let Some(hold) = app.drill_under_way(&bot.id)
        {
            lines.push(progress(app, actor, bot, &hold).await);
        }
        let heard = run.seen.as_ref().map(|seen| seen.at.min(now));
        Self { lines, heard, is_news: false }
    }
}

async fn progress(app: &App, actor: &Actor, bot: &BotFacts, hold: &Hold) -> String {
    let receipt = app.receipt(actor, &hold.id).await.ok();
    let found = receipt.as_ref().and_then(|receipt| receipt.bots.iter().find(|one| one.bot.id == bot.id));
    let ms = |ms: Option<i64>| ms.map_or_else(|| format::UNKNOWN.to_owned(), |ms| format!("{} ms", format::count(ms)));
    let steps = found.map(|one| [one.received_ms, one.applied_ms, one.idle_ms].map(ms));
    let [received, applied, idle] = steps.unwrap_or_else(|| [None, None, None].map(ms));
    format!("The drill of bot {}: requested 0 ms, received {received}, applied {applied}, idle {idle}.", bot.name)
}

/// What tells one plight of the list from another: when it changes, there is something new to do.
#[derive(Hash)]
pub(super) struct Plight {
    done: [bool; TASKS],
    agent: Option<(AgentId, bool)>,
    told: Option<&'static str>,
    says: Option<&'static str>,
    obstacles: usize,
    drill: Option<HoldId>,
    people: usize,
}

impl Plight {
    /// In a few letters, which the page gives to its stream: what happened between the two is news as well.
    pub(super) fn mark(app: &App, run: &FirstRun, in_the_way: Option<&[Obstacle]>) -> String {
        let mut hasher = DefaultHasher::new();
        Self::of(app, run, in_the_way).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    fn of(app: &App, run: &FirstRun, in_the_way: Option<&[Obstacle]>) -> Self {
        let view = app.fleet.view();
        let told = run.bot.as_ref().map(|bot| view.directive(bot).state.as_str());
        let says = run.seen.as_ref().and_then(|seen| seen.state).map(|state| state.as_str());
        Self {
            done: Task::ALL.map(|task| run.is_done(task)),
            agent: run.agent.as_ref().map(|agent| (agent.id.clone(), agent.confirmed)),
            told,
            says,
            obstacles: in_the_way.map_or(0, <[Obstacle]>::len),
            drill: run.drill.as_ref().map(|drill| drill.hold.clone()),
            people: app.people().users().len(),
        }
    }
}

#[derive(Template)]
#[template(path = "live/first_run.html")]
struct JustNow {
    facts: Facts,
}

/// Streams it.
pub async fn stream(State(app): Shared, person: Person, Query(asked): Query<Asked>, door: Door) -> Answer {
    app.first_run(&person.actor)?;
    Ok(door.open(&app, &person.visitor, ListFeed { loaded: asked.was, sent: Sent::default() }))
}

/// How it was when the page was loaded.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    was: String,
}

struct ListFeed {
    // How it was when the page was loaded; empty: nobody said.
    loaded: String,
    sent: Sent,
}

impl Feed for ListFeed {
    async fn news(&mut self, app: &Arc<App>, actor: &Actor) -> Result<Vec<Event>, AppError> {
        let run = app.first_run(actor)?;
        let now = Plight::mark(app, &run, in_the_way(app, actor, &run).await.as_deref());
        if self.loaded.is_empty() {
            self.loaded.clone_from(&now);
        }
        let mut facts = Facts::of(app, actor, &run, app.clock.now()).await;
        facts.is_news = self.loaded != now;
        let text = JustNow { facts }.render().map_err(AppError::internal)?;
        Ok(if self.sent.is_news("facts", &text) { vec![live::swap(&text)] } else { Vec::new() })
    }
}
