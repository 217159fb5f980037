//! Agents change their tokens (ruling H18): a new one is handed out beside the present one and takes its place at the first word with it of the
//! agent's newest boot, so that an answer that is lost on its way locks nobody out, and neither does whoever copied the present one. The
//! fingerprint stays: it was compared when the agent enrolled.

use super::{App, AppError, agent_book::LiveAgent};
use crate::audit::Event;
use crate::authz::{self, Action, Permit};
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{BootId, Secret};
use crate::storage::{self, Lane};
use std::sync::Arc;

impl App {
    fn own_permit(&self, agent: &LiveAgent) -> Result<Permit, AppError> {
        let bot = self.fleet.view().bot(&agent.bot).cloned().ok_or(AppError::NotFound("bot"))?;
        Ok(authz::check(&agent.as_actor(), Action::CheckIn, &Self::bot_resource(&bot))?)
    }

    /// A new token for an agent; asked again before its first check-in, only the latest counts.
    ///
    /// # Errors
    /// `Conflict` while nobody has compared the agent's fingerprint, which depends on its first token; when the database is gone.
    pub async fn new_agent_token(&self, agent: &LiveAgent) -> Result<Secret<String>, AppError> {
        if !agent.confirmed {
            return Err(AppError::conflict("the agent's fingerprint is not confirmed yet; until then its token stays"));
        }
        let token = token::new_token("agent")?;
        let mut act = self.begin(self.own_permit(agent)?, Lane::Normal).await?;
        if !storage::agents::agent_set_next_token(act.tx(), &agent.id, &TokenDigest::of(token.expose()).hex()).await? {
            return Err(AppError::conflict("the agent has ended"));
        }
        act.changes_books();
        act.commit(Event::AgentTokenMade { agent: agent.id.clone(), bot: agent.bot.clone() }).await?;
        Ok(token)
    }

    /// The agent checked in or said hello with its new token: the old one is over in memory at once, and in the database as soon as it takes
    /// it. Not before its newest boot says so: somebody else who asked for a token with a copy of the old one ends nothing with it.
    pub(super) fn end_old_token(self: &Arc<Self>, agent: &Arc<LiveAgent>, boot: &BootId) {
        let Some(next) = agent.by_next_token.clone() else { return };
        // A stream that was opened with the new token goes on saying so after the database has taken it.
        if self.agents().is_settled(&next) || !self.is_newest_boot(agent, boot) {
            return;
        }
        self.agents().keep_only_token(&agent.id, &next);
        let (app, agent) = (self.clone(), agent.clone());
        tokio::spawn(async move {
            let end = async {
                let mut act = app.begin(app.own_permit(&agent)?, Lane::Normal).await?;
                let now = act.now();
                if !storage::agents::agent_take_next_token(act.tx(), &agent.id, &next, now).await? {
                    // Another request was first.
                    return Ok(());
                }
                act.changes_books();
                act.commit(Event::AgentTokenChanged { agent: agent.id.clone(), bot: agent.bot.clone() }).await.map(drop)
            };
            if let Err(error) = end.await {
                let error: AppError = error;
                tracing::warn!(agent = %agent.id, %error, "the end of an agent's old token is not recorded yet; its next hello or check-in tries again");
            }
        });
    }
}
