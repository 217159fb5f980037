//! What happens when an agent speaks: which boot it is, what it carries, whether its lease is renewed, and what it is told.
//! Going down is answered from memory; going up only after a read of the database made after the agent spoke (ruling H1).

use super::{
    App, AppError,
    agent_book::LiveAgent,
    facts::Observed,
    observations::{Observation, OnDisk},
    said,
    sites::ANOTHER_SITES_COPY,
};
use crate::domain::{
    AlertKind, Blocked, BootId, BotFacts, Directive, Epoch, HoldId, State, StopKind, Subject, Timestamp, directive, lease,
};
use crate::fleet::{AckSeen, AgentSeen, BootStanding, View};
use crate::protocol::{
    AckFrame, BlockedFrame, CarriedHold, CheckIn, DirectiveFrame, LimitsFrame, ReasonFrame, Renew, StartFrame, UnrecordedHold,
};
use std::sync::Arc;

/// Why an agent gets no answer.
#[derive(Debug)]
pub enum Unheard {
    /// Another boot has taken over: 4409 or `409 replaced`.
    Replaced,
    /// Its credential ended: 4401 or `401`.
    CredentialEnded,
    /// The server cannot see the truth: nothing is said about its state.
    ViewTooOld,
    /// The server runs on another site's copy: nobody goes up here (ruling H14).
    AnotherSite,
}

/// The answer to a check-in.
#[derive(Debug)]
pub struct Heard {
    /// What it may do.
    pub directive: DirectiveFrame,
    /// The same as it was decided: what a stream compares the next one with.
    pub decided: Directive,
    /// The renewal, when one is given.
    pub renew: Option<Renew>,
    /// Why none is given, in three words, when it is the server's doing.
    pub unsure: Option<&'static str>,
}

/// The server cannot be sure of its own view (ruling C9).
pub const VIEW_TOO_OLD: &str = "view too old";
/// What the agent said could not be recorded.
pub const NOT_RECORDED: &str = "not recorded";
/// Above `sandbox` an agent says its build, configuration, limits version and key in every check-in (ruling H19).
pub const FACTS_MISSING: &str = "facts are missing";

/// What an agent holds of the server's knowledge, so that only news are sent in full.
#[derive(Debug, Clone, Default)]
pub struct Carries {
    /// Holds it reported.
    pub holds: Vec<HoldId>,
    /// The limits version it enforces.
    pub limits_version: Option<i64>,
}

impl App {
    /// Takes a check-in (or a hello, which is one that renews nothing) and answers it.
    ///
    /// # Errors
    /// `Unheard`, which says how the connection ends.
    pub async fn check_in(self: &Arc<Self>, agent: &Arc<LiveAgent>, said: &CheckIn, channel: &'static str) -> Result<Heard, Unheard> {
        let now = self.clock.now();
        let Some(boot) = &said.boot else { return self.contact_only(agent, said, channel, now).await };
        let recorded = self.settle_boot(agent, boot).await?;
        self.end_old_token(agent, boot);
        let overtaken = self.without_state_if_overtaken(agent, said);
        let is_in_order = overtaken.is_none();
        let said = overtaken.as_ref().unwrap_or(said);
        self.note(agent, said, channel, now);
        let mut can_renew = recorded;
        if said.lapsed {
            can_renew &= self.latch_lapse(agent, said).await;
        }
        can_renew &= self.import_carried(agent, &said.holds).await;
        let carries = Carries { holds: said.holds.iter().map(|h| h.id.clone()).collect(), limits_version: said.limits_version };
        self.note_limits_taken(&agent.bot, said.limits_version).await;
        let (bot, directive) = self.decide(agent, said).await?;
        // What was overtaken on its way says nothing of what runs.
        let (bot, directive) = if is_in_order { self.told_if_approved(bot, directive).await } else { (bot, directive) };
        let says_enough = self.says_enough(&bot, said);
        // A report that was overtaken on its way says what was so before the later one: its totals would seem to have begun anew.
        if is_in_order {
            self.judge(&bot, directive.state, said.report.is_some(), now);
            self.note_results(&bot, said.report.is_some(), now);
        }
        self.watch_for_refusal(&bot, &directive, said).await;
        let frame = self.frame(&bot, &directive, &carries).await?;
        let (decided, directive) = self.overtaken(&bot, directive, frame, &carries);
        let age = self.view_age_ms(now);
        let is_foreign = self.site.is_foreign();
        let lease_ms = lease::lease_ms(&bot.timings, age);
        let renew = lease_ms.filter(|_| can_renew && says_enough && !is_foreign && word(said).knows(&decided)).map(|lease_ms| Renew {
            seq: said.seq,
            epoch: said.epoch.unwrap_or_default(),
            lease_ms,
            server_time: now,
        });
        let unsure = if is_foreign {
            Some(ANOTHER_SITES_COPY)
        } else if lease_ms.is_none() {
            Some(VIEW_TOO_OLD)
        } else if !can_renew {
            Some(NOT_RECORDED)
        } else if !says_enough {
            Some(FACTS_MISSING)
        } else {
            None
        };
        Ok(Heard { directive, decided, renew, unsure })
    }

    /// What a stream tells an agent whose directive got freer: from a read of the database made after this call began (ruling H1), and only the
    /// newest boot. Without a boot it is a hint, which frees nobody.
    ///
    /// # Errors
    /// `ViewTooOld` when the database cannot be read: the next check-in asks again. `Replaced` for an older boot.
    pub async fn risen(
        self: &Arc<Self>,
        agent: &LiveAgent,
        boot: Option<&BootId>,
        carries: &Carries,
    ) -> Result<(Directive, DirectiveFrame), Unheard> {
        if self.site.is_foreign() {
            return Err(Unheard::AnotherSite);
        }
        self.refresh().await.map_err(|_| Unheard::ViewTooOld)?;
        if let Some(boot) = boot
            && !self.settle_boot(agent, boot).await?
        {
            return Err(Unheard::ViewTooOld);
        }
        let view = self.fleet.view();
        let bot = view.bot(&agent.bot).cloned().ok_or(Unheard::CredentialEnded)?;
        let directive = view.directive(&bot);
        let (bot, directive) = self.told_if_approved(bot, directive).await;
        let frame = self.frame(&bot, &directive, carries).await?;
        Ok(self.overtaken(&bot, directive, frame, carries))
    }

    /// An answer takes a moment to put together. A stop that came meanwhile goes out in its place.
    fn overtaken(&self, bot: &BotFacts, directive: Directive, frame: DirectiveFrame, carries: &Carries) -> (Directive, DirectiveFrame) {
        let view = self.fleet.view();
        let Some(bot) = view.bot(&bot.id) else { return (directive, frame) };
        let latest = view.directive(bot);
        if latest.state < directive.state || (latest.state == State::Halted && latest != directive) {
            let frame = self.stop_frame(&view, bot, &latest, carries);
            return (latest, frame);
        }
        (directive, frame)
    }

    /// A check-in without a boot proves contact only: at most `halted`, nothing renewed.
    async fn contact_only(&self, agent: &LiveAgent, said: &CheckIn, channel: &'static str, now: Timestamp) -> Result<Heard, Unheard> {
        self.note(agent, said, channel, now);
        let bot = self.fleet.view().bot(&agent.bot).cloned().ok_or(Unheard::CredentialEnded)?;
        let mut directive = self.fleet.view().directive(&bot);
        directive.state = State::Halted;
        directive.orders = directive.orders.max(crate::domain::Orders::CancelEntries);
        let frame = self.frame(&bot, &directive, &Carries::default()).await?;
        Ok(Heard { directive: frame, decided: directive, renew: None, unsure: None })
    }

    /// True when this boot is known to be the newest. Another replica may have recorded a newer one, which stopped the bot: what was known before
    /// the bot's last stop is asked again. The embedded database has no other writer.
    pub fn is_newest_boot(&self, agent: &LiveAgent, boot: &BootId) -> bool {
        let last_stop = || self.fleet.view().bot(&agent.bot).and_then(|bot| bot.stop.as_ref().map(|stop| stop.epoch)).unwrap_or_default();
        let since = if self.db.is_embedded() { Epoch::default() } else { last_stop() };
        self.book.standing(&agent.bot, &agent.id, boot, since) == BootStanding::Newest
    }

    /// Settles which boot is newest. True when it is this one and the database has it.
    async fn settle_boot(&self, agent: &LiveAgent, boot: &BootId) -> Result<bool, Unheard> {
        if self.is_newest_boot(agent, boot) {
            return Ok(true);
        }
        match self.record_fact(&agent.bot, Observed::Boot(agent.id.clone(), boot.clone())).await {
            Ok(true) => Ok(true),
            Ok(false) if self.is_newest_boot(agent, boot) => Ok(true),
            Ok(false) => {
                self.two_bearers(agent, boot).await;
                Err(Unheard::Replaced)
            }
            // The boot could not be recorded: it is heard and told to stay halted, and gets no renewal.
            Err(_) => Ok(false),
        }
    }

    /// Latches that the agent's lease ran out. True when the database has that. An agent says so until a renewal answers it: a bot that stands
    /// already is not stopped once more, since that would be news to the agent each time and keep the renewal from it for ever.
    async fn latch_lapse(&self, agent: &LiveAgent, said: &CheckIn) -> bool {
        let standing = || {
            let view = self.fleet.view();
            let bot = view.bot(&agent.bot)?;
            let cover = view.cover(bot);
            Some((directive::latest_stop(bot, &cover) >= bot.start_epoch, view.directive(bot).epoch))
        };
        let Some((mut stands, known)) = standing() else { return false };
        if said.epoch.is_some_and(|epoch| epoch > known) {
            // It has seen more, perhaps a start.
            if self.refresh().await.is_err() {
                return false;
            }
            stands = standing().is_some_and(|(stands, _)| stands);
        }
        stands || self.record_fact(&agent.bot, Observed::Stop(StopKind::Lapse, "its lease ran out".into())).await.is_ok()
    }

    /// An older boot speaks. Soon after the newest one's last word that means two processes with one credential: a stop.
    async fn two_bearers(&self, agent: &LiveAgent, boot: &BootId) {
        let view = self.fleet.view();
        let Some(bot) = view.bot(&agent.bot) else { return };
        let lately = self.book.seen(&agent.bot).is_some_and(|seen| {
            let is_other = seen.boot.as_ref() != Some(boot) && seen.boot.is_some();
            is_other && self.silent_ms(&agent.bot).is_some_and(|ms| ms < bot.timings.lapse_after_ms)
        });
        let said_already = bot.stop.as_ref().is_some_and(|stop| stop.epoch > bot.start_epoch && stop.why.starts_with("two agents"));
        if lately {
            let words = format!(
                "An older start of {}'s agent speaks beside a newer one: a copied machine or a stolen credential. The bot was stopped. Find \
                 both processes, end one, and revoke the agent if you cannot.",
                bot.name
            );
            self.raise(AlertKind::TwoAgents, Subject::bot(&agent.bot), words);
        }
        if lately && !said_already {
            let why = "two agents with one credential: an older boot spoke after a newer one".to_owned();
            if let Err(error) = self.record_fact(&agent.bot, Observed::Stop(StopKind::Stopped, why)).await {
                tracing::error!(bot = %agent.bot, %error, "two agents with one credential, and the stop could not be recorded");
            }
        }
    }

    /// A check-in that was overtaken on its way says what was true before the later one: nothing of that counts, and nothing is renewed for
    /// it. What stops the bot (a lapse, a carried hold) counts, and so does its report.
    fn without_state_if_overtaken(&self, agent: &LiveAgent, said: &CheckIn) -> Option<CheckIn> {
        let last = self.book.seen(&agent.bot).filter(|last| last.agent == agent.id && last.boot == said.boot)?;
        // A hello has no number.
        let is_overtaken = said.seq > 0 && said.seq < last.seq;
        is_overtaken.then(|| CheckIn {
            at: None,
            epoch: None,
            state: None,
            limits_version: None,
            start_after: None,
            build: None,
            config: None,
            instances: None,
            ..said.clone()
        })
    }

    /// Keeps what was said. What a check-in leaves out stays as this boot said it last: a report may go alone.
    fn note(&self, agent: &LiveAgent, said: &CheckIn, channel: &'static str, now: Timestamp) {
        let last = self.book.seen(&agent.bot).filter(|last| last.agent == agent.id);
        let same = last.as_ref().filter(|last| said.boot.is_some() && last.boot == said.boot);
        self.book.note(AgentSeen {
            agent: agent.id.clone(),
            bot: agent.bot.clone(),
            at: now,
            heard_ms: Some(self.boot_clock.now_ms()),
            channel,
            poll_every_ms: None,
            boot: said.boot.clone(),
            seq: same.filter(|_| said.seq > 0).map_or(said.seq, |same| same.seq.max(said.seq)),
            epoch: said.epoch.or_else(|| same?.epoch),
            state: said.state.or_else(|| same?.state),
            limits_version: said.limits_version.or_else(|| same?.limits_version),
            start_after: said.start_after.or_else(|| same?.start_after),
            build: said.build.as_deref().and_then(said::digest).or_else(|| last.as_ref().and_then(|l| l.build.clone())),
            config: said.config.as_deref().and_then(said::digest).or_else(|| last.as_ref().and_then(|l| l.config.clone())),
            subaccount: said.subaccount.as_deref().and_then(said::place).or_else(|| last.as_ref().and_then(|l| l.subaccount.clone())),
            adapter: said.adapter.as_ref().map(said::adapter).or_else(|| last.as_ref().and_then(|l| l.adapter.clone())),
            instances: match &said.instances {
                Some(instances) => Arc::new(said::instances(instances)),
                None => same.map(|same| same.instances.clone()).unwrap_or_default(),
            },
            report: said.report.clone().map(|report| (Arc::new(said::report(report)), now)),
            clock_off_ms: said.at.map(|at| at.ms_since(now)).or_else(|| same?.clock_off_ms),
            ahead: if said.state.is_some() { said.server_behind } else { same.is_some_and(|same| same.ahead) },
        });
    }

    /// The bot's facts and directive, from memory when it goes down, from a fresh read when it goes up or when the agent has seen more.
    async fn decide(&self, agent: &LiveAgent, said: &CheckIn) -> Result<(Arc<BotFacts>, Directive), Unheard> {
        let look = || {
            let view = self.fleet.view();
            let bot = view.bot(&agent.bot).cloned().ok_or(Unheard::CredentialEnded)?;
            let directive = view.directive(&bot);
            Ok((bot, directive))
        };
        let (bot, directive) = look()?;
        if self.site.is_foreign() && directive.state != State::Halted {
            return Err(Unheard::AnotherSite);
        }
        let word = word(said);
        if !word.needs_read(&directive) {
            return Ok((bot, directive));
        }
        if self.refresh().await.is_ok() {
            // What was read may be the stop and the start of a newer boot that another replica recorded: never up on those.
            let is_settled = match &said.boot {
                Some(boot) => self.settle_boot(agent, boot).await?,
                None => true,
            };
            let (bot, directive) = look()?;
            return if is_settled || word.may_hear_unread(&directive) { Ok((bot, directive)) } else { Err(Unheard::ViewTooOld) };
        }
        // Never up from memory. Halted stays halted whatever the database would say, so that much can be answered.
        if word.may_hear_unread(&directive) { Ok((bot, directive)) } else { Err(Unheard::ViewTooOld) }
    }

    /// Ruling C9: a bot that traded under this start and now says `halted` twice running has stopped by itself. One whose agent counts only
    /// later starts will never take this one up, and need not have been seen trading: it may have stopped within a moment, or this process
    /// may be younger than its start.
    async fn watch_for_refusal(&self, bot: &BotFacts, directive: &Directive, said: &CheckIn) {
        if directive.state != State::Active || !word(said).knows(directive) {
            return;
        }
        let is_past_it = said.start_after.is_some_and(|after| after >= bot.start_epoch);
        match said.state {
            Some(State::Active) if self.book.trades_under(&bot.id, bot.start_epoch) => {
                self.observe(Observation::Trades(bot.id.clone(), bot.start_epoch));
            }
            Some(State::Halted) if is_past_it || self.book.refuses(&bot.id, bot.start_epoch) >= 2 => {
                self.book.agrees(&bot.id);
                let why = "agent says so: halted under an active directive".to_owned();
                if let Err(error) = self.record_fact(&bot.id, Observed::Stop(StopKind::Stopped, why)).await {
                    tracing::warn!(bot = %bot.id, %error, "a bot that stopped by itself could not be recorded yet");
                }
            }
            _ => {}
        }
    }

    /// Takes holds that no database knew from the agents that carried them. True when every one of them is accounted for.
    async fn import_carried(&self, agent: &LiveAgent, carried: &[CarriedHold]) -> bool {
        if carried.is_empty() {
            return true;
        }
        let mut all = true;
        for hold in carried.iter().take(crate::protocol::MAX_CARRIED) {
            all &= self.import_one(agent, hold).await.is_ok();
        }
        all && carried.len() <= crate::protocol::MAX_CARRIED
    }

    /// The directive as sent.
    ///
    /// # Errors
    /// `ViewTooOld` when the start that it stands on cannot be read.
    pub(crate) async fn frame(&self, bot: &BotFacts, directive: &Directive, carries: &Carries) -> Result<DirectiveFrame, Unheard> {
        let start =
            if directive.state == State::Halted { None } else { Some(self.start_frame(bot).await.map_err(|_| Unheard::ViewTooOld)?) };
        let (recorded, released) = self.sort_carried(bot, &carries.holds).await;
        Ok(self.frame_with(&self.fleet.view(), bot, directive, carries, Told { start, recorded, released }))
    }

    /// The directive of a stop, from memory alone: the stop path's own way.
    pub fn stop_frame(&self, view: &View, bot: &BotFacts, directive: &Directive, carries: &Carries) -> DirectiveFrame {
        self.frame_with(view, bot, directive, carries, Told::default())
    }

    fn frame_with(&self, view: &View, bot: &BotFacts, directive: &Directive, carries: &Carries, told: Told) -> DirectiveFrame {
        let unrecorded = view.unrecorded().iter().filter(|hold| view.covers(hold, bot)).map(|hold| UnrecordedHold {
            id: hold.id.clone(),
            level: hold.level,
            scope: hold.scope.kind().to_owned(),
            by: hold.placed_by.name.clone(),
            why: hold.why.clone(),
            at: hold.at,
        });
        let values = (carries.limits_version != Some(bot.limits.version)).then(|| bot.limits.values.clone());
        DirectiveFrame {
            epoch: directive.epoch,
            state: directive.state,
            orders: directive.orders,
            exits: directive.exits,
            drop_keys: directive.drop_keys,
            reasons: directive.reasons.iter().map(reason_frame).collect(),
            limits: LimitsFrame { version: bot.limits.version, values },
            lease_ms: bot.timings.lapse_after_ms,
            holds: directive.holds.clone(),
            blocked: directive.blocked.iter().map(|blocked| self.blocked_frame(blocked)).collect(),
            released: told.released,
            recorded: told.recorded,
            unrecorded: unrecorded.collect(),
            start: told.start,
            sent_at: self.clock.now(),
        }
    }

    fn blocked_frame(&self, blocked: &Blocked) -> BlockedFrame {
        let venue = blocked.venue.as_ref().map(|id| self.venues().venue(id).map_or_else(|| id.to_string(), |venue| venue.name));
        BlockedFrame { venue, symbol: blocked.symbol.to_string() }
    }

    /// Takes an acknowledgement into memory at once; whoever needs it durable waits for what is returned. `requested` and `verified` are not
    /// an agent's to say.
    ///
    /// # Errors
    /// `Invalid` for such a step, or for an epoch that no fact of the bot has.
    pub fn acknowledge(&self, agent: &LiveAgent, frame: &AckFrame) -> Result<OnDisk, AppError> {
        use crate::domain::Step;
        if matches!(frame.step, Step::Requested | Step::Verified) {
            return Err(super::Invalid::one("step", "step must be received, applied or idle").into());
        }
        let view = self.fleet.view();
        let bot = view.bot(&agent.bot).ok_or(AppError::NotFound("bot"))?;
        if frame.epoch < Epoch(1) || frame.epoch > view.epoch(bot) {
            return Err(super::Invalid::one("epoch", "epoch is none that this server has sent").into());
        }
        let whole = |count: Option<u64>| count.and_then(|n| i64::try_from(n).ok());
        let ack = AckSeen {
            epoch: frame.epoch,
            step: frame.step,
            at: self.clock.now(),
            state: frame.state,
            entry_orders: whole(frame.entry_orders),
            open_orders: whole(frame.open_orders),
        };
        Ok(self.take_ack(&agent.bot, ack))
    }
}

/// What only the database knows.
#[derive(Default)]
struct Told {
    start: Option<StartFrame>,
    recorded: Vec<HoldId>,
    released: Vec<HoldId>,
}

fn word(said: &CheckIn) -> lease::Word {
    lease::Word { state: said.state, epoch: said.epoch }
}

fn reason_frame(reason: &crate::domain::Reason) -> ReasonFrame {
    ReasonFrame {
        kind: reason.kind.to_owned(),
        id: reason.hold.clone(),
        level: reason.level,
        scope: reason.scope.map(str::to_owned),
        by: reason.by.clone(),
        why: reason.why.clone(),
        at: reason.at,
    }
}

/// True when an epoch is above what this server can explain (ruling H10): said by the agent and not covered by a hold that it carries.
pub fn is_behind(said: &CheckIn, directive: Epoch) -> bool {
    said.holds.is_empty() && said.epoch.is_some_and(|epoch| epoch > directive)
}
