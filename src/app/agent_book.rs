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
    /// Forgets every token of an agent but the one that it has used now, given by its digest. Said a second time it changes nothing: by then
    /// that one may be the only one.
    pub(crate) fn keep_only_token(&self, agent: &AgentId, used: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.by_token.retain(|digest, other| other.id != *agent || digest == used);
    }
    /// True when this token, given by its digest, is its agent's only one in the database too.
    pub(crate) fn is_settled(&self, digest: &str) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_token.get(digest).is_some_and(|agent| agent.by_next_token.is_none())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(token: &str, next: Option<&str>) -> Live {
        let digest = |token: &str| TokenDigest::of(token).hex();
        let (id, bot_id) = (AgentId::from_stored("a".into()), BotId::from_stored("b".into()));
        Live { id, bot_id, name: "host".into(), state: "confirmed".into(), token_hash: digest(token), next_token_hash: next.map(digest) }
    }

    #[test]
    fn the_end_of_an_old_token_said_twice_ends_the_new_one_not() {
        let book = AgentBook::default();
        book.reload(vec![row("old", Some("new"))]);
        let by_new = book.by_token("new").unwrap();
        let used = by_new.by_next_token.clone().unwrap();
        assert!(!book.is_settled(&used));
        book.keep_only_token(&by_new.id, &used);
        assert!(book.by_token("old").is_none() && book.by_token("new").is_some());
        // The database has taken it; a stream that was opened before says it again.
        book.reload(vec![row("new", None)]);
        assert!(book.is_settled(&used));
        book.keep_only_token(&by_new.id, &used);
        assert!(book.by_token("new").is_some());
    }
}
