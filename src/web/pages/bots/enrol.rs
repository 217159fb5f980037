//! `/bots/{id}/enrol`: an agent for a bot in three steps: a code, signed for; the command beside the bot; the letters compared.

use super::id_of;
use crate::app::{App, AppError};
use crate::authz::{self, Action, Actor};
use crate::domain::{ActKind, AgentId, BotFacts};
use crate::web::{
    Answer, Shared,
    extract::{Person, Posted},
    frame,
    page::{Frame, Scripts},
    query::Named,
};
use askama::Template;
use axum::extract::State;

/// Who is beside the bot now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    /// Nobody.
    Nobody,
    /// An agent that nobody has compared yet.
    Pending {
        /// Which.
        agent: AgentId,
        /// Its name.
        name: String,
        /// What its terminal shows.
        fingerprint: String,
    },
    /// An agent that was compared.
    Confirmed {
        /// Which.
        agent: AgentId,
        /// Its name.
        name: String,
    },
}

impl Beside {
    /// True when no agent is there.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }
    /// True when one waits to be compared.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }
    /// As the books have it; the fingerprint is read from the database.
    ///
    /// # Errors
    /// `Denied`; when the database is gone while an agent waits.
    pub async fn of(app: &App, actor: &Actor, bot: &BotFacts) -> Result<Self, AppError> {
        let Some(agent) = app.agents().of_bot(&bot.id) else { return Ok(Self::Nobody) };
        if agent.confirmed {
            return Ok(Self::Confirmed { agent: agent.id.clone(), name: agent.name.clone() });
        }
        let row = app.agent(actor, &agent.id).await?;
        Ok(Self::Pending { agent: row.id, name: row.name, fingerprint: row.fingerprint })
    }
}

#[derive(Template)]
#[template(path = "bot_enrol.html")]
pub(super) struct Enrol {
    pub(super) frame: Frame,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) command: String,
    pub(super) beside: Beside,
    /// Who may, for somebody who may not.
    pub(super) who: Option<&'static str>,
}

/// What enrols an agent on the bot's host; it asks for the code.
pub(in super::super) fn command(app: &App, bot: &str) -> String {
    let folder: String = bot.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let origin = app.origin.origin().ascii_serialization();
    format!("andon agent enrol --server {origin} --code - --dir ./{folder}-agent")
}

/// The three steps.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let row = app.bot(&person.actor, &id_of(&id)?)?;
    let bot = &row.bot;
    let mut frame = frame::of(&app, &person.visitor, format!("Agent for {}", bot.name)).await;
    frame.scripts = Scripts::Live;
    let who = authz::check(&person.actor, Action::EnrolAgent, &App::bot_resource(bot)).err().map(|denied| denied.who);
    frame::page(&Enrol {
        frame,
        id: bot.id.to_string(),
        name: bot.name.clone(),
        command: command(&app, &bot.name),
        beside: Beside::of(&app, &person.actor, bot).await?,
        who,
    })
}

/// A form with nothing in it but its token.
#[derive(Debug, serde::Deserialize)]
pub struct Nothing {}

/// Prepares the code, which is shown once it is signed for.
pub async fn prepare_code(State(app): Shared, person: Person, Named(id): Named, Posted(_): Posted<Nothing>) -> Answer {
    let act = app.prepare_single(&person.actor, ActKind::EnrolmentCode { bot: id_of(&id)? }).await?;
    Ok(frame::see(&format!("/acts/{}", act.stored.id)))
}

/// Which agent was compared, and by which letters.
#[derive(Debug, serde::Deserialize)]
pub struct Compared {
    agent: AgentId,
    fingerprint: String,
}

/// Prepares the confirmation of the agent that waits, by the letters that were on the page.
pub async fn prepare_confirm(State(app): Shared, person: Person, Named(id): Named, Posted(compared): Posted<Compared>) -> Answer {
    let bot = app.bot(&person.actor, &id_of(&id)?)?.bot.id.clone();
    let row = app.agent(&person.actor, &compared.agent).await?;
    if row.bot_id != bot || row.fingerprint != compared.fingerprint {
        return Err(AppError::conflict("another agent waits here by now; compare its letters").into());
    }
    let kind = ActKind::AgentConfirm { agent: row.id, bot, fingerprint: row.fingerprint };
    let act = app.prepare_single(&person.actor, kind).await?;
    Ok(frame::see(&format!("/acts/{}", act.stored.id)))
}
