//! Receipts: computed from memory, joined with the database when it is there, so that a stop pressed without one has its receipt too.

use super::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotId, Hold, HoldId, Scope, Stage, TeamId};
use crate::fleet::{AckSeen, Receipt, receipt};
use crate::storage::{self, acks::Ack};
use std::{collections::HashMap, time::Duration};

/// How long a receipt waits for the database before it is drawn from memory.
const PATIENCE: Duration = Duration::from_millis(250);
/// Presses that pages follow from memory are not older, milliseconds.
const LATELY_MS: i64 = 600_000;
/// Bots named beside what is signed, at most.
const NAMED: usize = 12;

impl App {
    /// One hold: from memory when it stands, from the database when it is over.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn hold(&self, actor: &Actor, id: &HoldId) -> Result<Hold, AppError> {
        authz::check(actor, Action::SeeCounts, &Resource::Installation)?;
        let open = self.fleet.view().open_hold(id).map(|hold| Hold::clone(hold));
        let found = match open {
            Some(hold) => Some(hold),
            None => storage::holds::hold_by_id(&mut *self.db.read().await?, id).await?,
        };
        found.filter(|hold| self.sees_hold(actor, hold)).ok_or(AppError::NotFound("hold"))
    }

    /// True when this actor may be shown a hold: a token that is bound to a team, those that cover any of its bots.
    pub fn sees_hold(&self, actor: &Actor, hold: &Hold) -> bool {
        let Actor::Token { team: Some(_), .. } = actor else { return true };
        let sees = |team: &TeamId| authz::sees_team(actor, team);
        hold.scope == Scope::Fleet || self.fleet.view().teams_under(hold).iter().any(sees)
    }

    /// The receipt of a hold, of those of its bots that this actor may see.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn receipt(&self, actor: &Actor, id: &HoldId) -> Result<Receipt, AppError> {
        let hold = self.hold(actor, id).await?;
        let stored = tokio::time::timeout(PATIENCE, self.stored_acks(&hold)).await;
        let mut stored = stored.ok().and_then(Result::ok).unwrap_or_default();
        let acks = |bot: &BotId| {
            let mut acks = self.book.acks_since(bot, hold.epoch);
            if acks.is_empty() { stored.get(bot).cloned().unwrap_or_default() } else { std::mem::take(&mut acks) }
        };
        let mut receipt = receipt(&self.fleet.view(), &hold, self.clock.now(), acks, |bot| self.book.seen(bot));
        self.only_answerable(&mut receipt);
        receipt.bots.iter_mut().for_each(|bot| bot.verified_ms = self.verified_ms(&hold, &bot.bot.id).or(bot.verified_ms));
        receipt.bots.retain(|bot| authz::sees_team(actor, &bot.bot.team));
        stored.clear();
        Ok(receipt)
    }

    /// The receipt of a hold as memory has it: for the strip on every page and for live updates.
    ///
    /// # Errors
    /// `Denied`.
    pub fn receipt_from_memory(&self, actor: &Actor, hold: &Hold) -> Result<Receipt, AppError> {
        authz::check(actor, Action::SeeCounts, &Resource::Installation)?;
        Ok(self.known_receipt(hold))
    }

    fn known_receipt(&self, hold: &Hold) -> Receipt {
        let acks = |bot: &BotId| self.book.acks_since(bot, hold.epoch);
        let mut receipt = receipt(&self.fleet.view(), hold, self.clock.now(), acks, |bot| self.book.seen(bot));
        self.only_answerable(&mut receipt);
        receipt.bots.iter_mut().for_each(|bot| bot.verified_ms = self.verified_ms(hold, &bot.bot.id));
        receipt
    }

    /// Names of the bots under a hold that should have applied it by now and have not said so, the first few.
    pub fn unconfirmed_under(&self, hold: &Hold) -> Vec<String> {
        self.known_receipt(hold).bots.iter().filter(|bot| bot.unconfirmed).take(NAMED).map(|bot| bot.bot.name.clone()).collect()
    }

    /// Keeps the bots that a stop can reach: those with an agent, or with one that started them. The others are covered by the hold as well,
    /// and have nobody who could acknowledge it.
    fn only_answerable(&self, receipt: &mut Receipt) {
        let agents = self.agents().all();
        receipt.bots.retain(|bot| {
            let was_started = bot.bot.start_epoch.0 > 0 && bot.bot.stage != Stage::Retired;
            was_started || agents.contains_key(&bot.bot.id)
        });
    }

    async fn stored_acks(&self, hold: &Hold) -> Result<HashMap<BotId, Vec<AckSeen>>, AppError> {
        let mut by_bot = HashMap::<BotId, Vec<AckSeen>>::new();
        for ack in storage::acks::ack_since(&mut *self.db.read().await?, hold.epoch).await? {
            by_bot.entry(ack.bot_id.clone()).or_default().push(seen(ack));
        }
        Ok(by_bot)
    }

    /// Takes in how far bots have come with what was pressed lately, as other replicas heard it: for pages drawn from memory.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load_acks(&self) -> Result<(), AppError> {
        let (view, now) = (self.fleet.view(), self.clock.now());
        let lately = |hold: &&std::sync::Arc<Hold>| now.ms_since(hold.at) < LATELY_MS;
        let Some(first) = view.open_holds().filter(lately).map(|hold| hold.epoch).min() else { return Ok(()) };
        for ack in storage::acks::ack_since(&mut *self.db.read().await?, first).await? {
            self.book.note_stored_ack(&ack.bot_id.clone(), seen(ack));
        }
        Ok(())
    }

    /// Holds that are over and that this actor may see, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn past_holds(&self, actor: &Actor) -> Result<Vec<Hold>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut holds = storage::holds::hold_recent(&mut *self.db.read().await?, 100).await?;
        holds.retain(|hold| self.sees_hold(actor, hold));
        Ok(holds)
    }
}

/// An acknowledgement that was kept, as memory has it.
pub(super) fn seen(ack: Ack) -> AckSeen {
    AckSeen { epoch: ack.epoch, step: ack.step, at: ack.at, state: ack.state, entry_orders: ack.entry_orders, open_orders: ack.open_orders }
}
