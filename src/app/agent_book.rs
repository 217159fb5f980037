//! Every live agent in memory: known by its token without a database, and by its bot. Ten thousand of them are looked up by either in one step.

use crate::authz::Actor;
use crate::crypto::token::TokenDigest;
use crate::domain::{AgentId, BotId};
use crate::storage::agents::Live;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// An agent whose credential holds.
#[derive(Debug, Clone)]
pub struct LiveAgent {
    /// Its id.
    pub id: AgentId,
    /// Its bot.
    pub bot: BotId,
    /// Its name.
    pub name: String,
    /// A person has compared its fingerprint.
    pub confirmed: bool,
    /// Set when it presented a new token for the first time: that token's digest, hex.
    pub by_next_token: Option<String>,
}

impl LiveAgent {
    /// As an actor.
    pub fn as_actor(&self) -> Actor {
        Actor::Agent { id: self.id.clone(), bot: self.bot.clone(), name: self.name.clone() }
    }
}

#[derive(Default)]
struct Known {
    // By digest, hex: what is compared is no secret.
    by_token: HashMap<String, Arc<LiveAgent>>,
    by_bot: HashMap<BotId, Arc<LiveAgent>>,
}

/// Every live agent by token digest and by bot.
#[derive(Default)]
pub struct AgentBook(RwLock<Known>);

impl AgentBook {
    /// Replaces the book by what the database holds.
    pub(crate) fn reload(&self, agents: Vec<Live>) {
        let mut known = Known { by_token: HashMap::with_capacity(agents.len()), by_bot: HashMap::with_capacity(agents.len()) };
        for agent in agents {
            let confirmed = agent.state == "confirmed";
            let live = LiveAgent { id: agent.id, bot: agent.bot_id, name: agent.name, confirmed, by_next_token: None };
            if let Some(next) = agent.next_token_hash {
                known.by_token.insert(next.clone(), Arc::new(LiveAgent { by_next_token: Some(next), ..live.clone() }));
            }
            let live = Arc::new(live);
            known.by_bot.insert(live.bot.clone(), live.clone());
            known.by_token.insert(agent.token_hash, live);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
    /// Forgets an agent's old token, now that it has used its new one.
    pub(crate) fn drop_old_token(&self, agent: &LiveAgent) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.by_token.retain(|_, other| other.id != agent.id || other.by_next_token.is_some());
    }
    /// Who presents this token.
    pub(crate) fn by_token(&self, token: &str) -> Option<Arc<LiveAgent>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_token.get(&TokenDigest::of(token).hex()).cloned()
    }
    /// The live agent of a bot.
    pub fn of_bot(&self, bot: &BotId) -> Option<Arc<LiveAgent>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_bot.get(bot).cloned()
    }
    /// Every live agent by bot.
    pub fn all(&self) -> HashMap<BotId, Arc<LiveAgent>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_bot.clone()
    }
}
