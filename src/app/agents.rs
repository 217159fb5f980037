//! Agents: enrolment by one-time code, holds that agents carry, revocation.

use super::{
    App, AppError, Invalid,
    agent_book::{AgentBook, LiveAgent},
};
use crate::audit::Event;
use crate::authz::Resource;
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{AgentId, AlertKind, BotFacts, Hold, HoldId, Level, PlacedBy, PlacerKind, Scope, StopFact, StopKind, Subject, text};
use crate::protocol::{CarriedHold, EnrolRequest, EnrolResponse, HoldFrame, NamedBot, NamedInstallation};
use crate::storage::{self, Lane, agents::Agent};
use std::{sync::Arc, time::Duration};

/// How long an answer to an agent waits for what only the database knows of its carried holds.
const PATIENCE: Duration = Duration::from_millis(250);

impl App {
    /// The live agents.
    pub fn agents(&self) -> &AgentBook {
        &self.agent_book
    }

    /// Who presents this bearer token.
    pub fn agent_by_token(&self, token: &str) -> Option<Arc<LiveAgent>> {
        self.agent_book.by_token(token)
    }

    /// What a bot is to the policy.
    pub(crate) fn bot_resource(bot: &BotFacts) -> Resource {
        Resource::Bot { id: bot.id.clone(), team: bot.team.clone(), stage: bot.stage }
    }

    /// Turns a one-time code into an agent. A code that is presented after its use is a critical entry and sets the agent that used it back
    /// to pending (ruling H5). Enrolling over a live agent stops the bot and ends the other.
    ///
    /// # Errors
    /// `Denied`-like `NotFound("enrolment code")` for a code that is used, expired or wrong, all alike; `Invalid` for names that do not fit.
    pub async fn enrol(&self, asked: EnrolRequest) -> Result<EnrolResponse, AppError> {
        let mut invalid = Invalid::default();
        let name = invalid.check("agent.name", "agent.name", text::name(&asked.agent.name));
        let fits = |text: &str| text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic());
        if !fits(&asked.agent.version) || !fits(&asked.agent.platform) {
            invalid.0.push(("agent", "agent.version and agent.platform are at most 64 visible characters".into()));
        }
        if asked.recipient.parse::<age::x25519::Recipient>().is_err() {
            invalid.0.push(("recipient", "recipient must be an age X25519 public key".into()));
        }
        let (Some(name), true) = (name, invalid.0.is_empty()) else { return Err(invalid.into()) };
        let refused = || AppError::NotFound("enrolment code");
        let hash = token::code_digest(&asked.code).hex();
        let permit = self.server_permit()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let code = storage::agents::code_by_hash(act.tx(), &hash).await?.ok_or_else(refused)?;
        if code.used_at.is_some() {
            self.code_presented_again(act, &code).await?;
            return Err(refused());
        }
        let token = token::new_token("agent")?;
        let digest = TokenDigest::of(token.expose());
        let agent = Agent {
            id: AgentId::new(),
            bot_id: code.bot_id.clone(),
            name,
            version: asked.agent.version,
            platform: asked.agent.platform,
            token_hash: digest.hex(),
            fingerprint: token::fingerprint(&asked.recipient, &digest),
            recipient: asked.recipient,
            state: "pending".into(),
            enrolled_at: act.now(),
            confirmed_by: None,
            ended_at: None,
            next_token_hash: None,
            token_since: act.now(),
        };
        let now = act.now();
        if !storage::agents::code_use(act.tx(), &hash, now, &agent.id).await? {
            return Err(refused());
        }
        let replaced = storage::agents::agent_of_bot(act.tx(), &code.bot_id).await?;
        if let Some(old) = &replaced {
            storage::agents::agent_end(act.tx(), &old.id, "replaced", now).await?;
        }
        let why = if replaced.is_some() { "another agent was enrolled" } else { "an agent was enrolled" };
        let stop = StopFact { epoch, kind: StopKind::Stopped, why: why.into(), at: now };
        storage::bots::bot_stop(act.tx(), &code.bot_id, &stop).await?;
        storage::agents::agent_insert(act.tx(), &agent).await?;
        let bot = storage::bots::bot_by_id(act.tx(), &code.bot_id).await?.ok_or(AppError::NotFound("bot"))?;
        act.changes_books();
        act.commit(Event::AgentEnrolled {
            agent: agent.id.clone(),
            bot: bot.id.clone(),
            name: agent.name.clone(),
            fingerprint: agent.fingerprint.clone(),
            recipient: agent.recipient.clone(),
            replaced: replaced.as_ref().map(|old| old.id.clone()),
        })
        .await?;
        if let Some(old) = replaced {
            self.book.forget(&bot.id);
            self.lines.end_agent(&bot.id, &old.id);
        }
        Ok(EnrolResponse {
            agent_id: agent.id,
            bot: NamedBot { id: bot.id, name: bot.name },
            token: token.expose().clone(),
            installation: NamedInstallation { id: self.installation.id.clone(), name: self.installation.name.clone() },
            check_in_ms: bot.timings.check_in_ms,
            stale_after_ms: bot.timings.stale_after_ms,
            lapse_after_ms: bot.timings.lapse_after_ms,
        })
    }

    async fn code_presented_again(&self, mut act: super::tx::Act<'_>, code: &storage::agents::EnrolmentCode) -> Result<(), AppError> {
        if let Some(agent) = &code.agent_id {
            storage::agents::agent_unconfirm(act.tx(), agent).await?;
        }
        tracing::error!(bot = %code.bot_id, "an enrolment code was presented after its use");
        let words = "An enrolment code of this bot was presented again after its use: somebody else may have it, or had it first. The agent that \
                     used it is pending again. Compare its fingerprint on its host before it is confirmed, and look for who sent the second.";
        self.raise(AlertKind::CodeUsedTwice, Subject::bot(&code.bot_id), words);
        act.changes_books();
        act.commit(Event::CodePresentedAgain { bot: code.bot_id.clone(), agent: code.agent_id.clone() }).await?;
        Ok(())
    }

    /// Takes a hold that an agent carried and no database knew: at most a `pause`, on its bot alone (rulings H9, H10).
    pub(crate) async fn import_one(&self, agent: &LiveAgent, carried: &CarriedHold) -> Result<(), AppError> {
        let own_bot = Scope::Bot(agent.bot.clone());
        let known = {
            let view = self.fleet.view();
            // What another agent carried back covers that agent's bot alone.
            view.open_holds().any(|h| h.id == carried.id || (h.origin.as_deref() == Some(carried.id.as_str()) && h.scope == own_bot))
        };
        if known {
            return Ok(());
        }
        let permit = self.server_permit()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let there = storage::holds::hold_by_id(act.tx(), &carried.id).await?.is_some();
        let imported = storage::holds::hold_by_origin(act.tx(), &carried.id).await?;
        if there || imported.iter().any(|hold| hold.scope == own_bot) {
            return Ok(());
        }
        let hold = Hold {
            id: HoldId::new(),
            scope: own_bot,
            level: carried.level.min(Level::Pause),
            why: text::why_lenient(&carried.why),
            placed_by: PlacedBy {
                kind: PlacerKind::Trigger,
                id: agent.id.to_string(),
                name: format!("carried back by agent {}", agent.name),
                as_risk: false,
            },
            at: carried.at.unwrap_or_else(|| act.now()).min(act.now()),
            epoch,
            released: None,
            late: true,
            idempotency_key: format!("import:{}", carried.id),
            origin: Some(carried.id.to_string()),
            entry: None,
            not_before: None,
            press: None,
        };
        storage::holds::hold_insert(act.tx(), &hold).await?;
        let imported = Event::HoldImported { hold: hold.id.clone(), origin: carried.id.clone(), bot: agent.bot.clone() };
        // Without an entry the hold stands all the same; its entry follows when the log takes it.
        if let Some(seq) = act.record_if_taken(imported).await? {
            storage::holds::hold_set_entry(act.tx(), &hold.id, seq).await?;
        }
        failpoint!("import:before_commit");
        act.finish().await?;
        failpoint!("import:committed");
        Ok(())
    }

    /// Of the holds an agent reported: which the database has by now, and which of them are released. A database that does not answer soon
    /// says nothing of them: the next check-in asks again.
    pub(crate) async fn sort_carried(&self, bot: &BotFacts, ids: &[HoldId]) -> (Vec<HoldId>, Vec<HoldId>) {
        if ids.is_empty() {
            return (Vec::new(), Vec::new());
        }
        tokio::time::timeout(PATIENCE, self.read_carried(bot, ids)).await.unwrap_or_default()
    }

    async fn read_carried(&self, bot: &BotFacts, ids: &[HoldId]) -> (Vec<HoldId>, Vec<HoldId>) {
        let (mut recorded, mut released) = (Vec::new(), Vec::new());
        let Ok(mut tx) = self.db.read().await else { return (recorded, released) };
        for id in ids.iter().take(crate::protocol::MAX_CARRIED) {
            let own = storage::holds::hold_by_id(&mut tx, id).await;
            let imported = storage::holds::hold_by_origin(&mut tx, id).await;
            let (Ok(own), Ok(imported)) = (own, imported) else { continue };
            let imported = imported.into_iter().find(|hold| hold.scope == Scope::Bot(bot.id.clone()));
            let stands: Vec<Hold> = own.into_iter().chain(imported).collect();
            if stands.is_empty() {
                continue;
            }
            if stands.iter().all(|hold| hold.released.is_some()) {
                released.push(id.clone());
            } else {
                recorded.push(id.clone());
            }
        }
        (recorded, released)
    }

    /// Places a hold that an agent asks for, on its own bot. The same id again, or a second one of the same level, is answered alike.
    ///
    /// # Errors
    /// `Invalid` for `kill`, which is nobody's but a person's.
    pub async fn agent_hold(self: &Arc<Self>, agent: &LiveAgent, frame: &HoldFrame) -> Result<super::holds::Placed, AppError> {
        if frame.level == Level::Kill {
            return Err(super::Invalid::one("level", "level must be reduce or pause").into());
        }
        let press = super::holds::Press {
            scope: Scope::Bot(agent.bot.clone()),
            level: frame.level,
            why: frame.why.clone(),
            idempotency_key: frame.id.to_string(),
            terms: Default::default(),
        };
        self.place(agent.as_actor(), press).await
    }

    /// Waits until a revoked agent's bot has applied its stop, at most `apply_within`, then ends its stream (ruling H6).
    pub(crate) fn end_revoked(self: &Arc<Self>, bot: Arc<BotFacts>, agent: AgentId, since: crate::domain::Epoch) {
        let app = self.clone();
        tokio::spawn(async move {
            let rounds = (bot.timings.apply_within_ms / 50).clamp(1, 600);
            for _ in 0..rounds {
                let applied = app.book.acks_since(&bot.id, since).iter().any(|a| a.step >= crate::domain::Step::Applied);
                if applied {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            app.lines.end_agent(&bot.id, &agent);
        });
    }
}
