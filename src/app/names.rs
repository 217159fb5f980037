//! Names for the ids that entries of the log hold, so that pages can say who and what.

use super::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{AgentId, BotId, TeamId, UserId};
use crate::storage;
use std::collections::HashMap;

impl App {
    /// The names behind references such as `user:ID`, `bot:ID`, `team:ID`, `agent:ID`. What has no name, or none any more, is left out.
    ///
    /// # Errors
    /// `Denied`; when the database is gone and an agent is asked for that memory does not know.
    pub async fn names<'a>(&self, actor: &Actor, references: impl Iterator<Item = &'a str>) -> Result<HashMap<String, String>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let view = self.fleet.view();
        let (mut names, mut agents) = (HashMap::new(), Vec::new());
        for reference in references {
            let Some((noun, id)) = reference.split_once(':') else { continue };
            let name = match noun {
                "user" => UserId::parse(id).ok().and_then(|id| self.people().name(&id)),
                "team" => TeamId::parse(id).ok().and_then(|id| self.people().team_name(&id)),
                "bot" => BotId::parse(id).ok().and_then(|id| view.bot(&id).map(|bot| bot.name.clone())),
                "agent" => {
                    agents.extend(AgentId::parse(id).ok());
                    None
                }
                _ => None,
            };
            if let Some(name) = name {
                names.insert(reference.to_owned(), name);
            }
        }
        if !agents.is_empty() {
            for agent in storage::agents::agent_all(&mut *self.db.read().await?).await? {
                if agents.contains(&agent.id) {
                    names.insert(format!("agent:{}", agent.id), agent.name);
                }
            }
        }
        Ok(names)
    }
}
