//! The loop of one agent: joins what it may believe, the bot, the line to the server, its memory and its minder. A stop goes to the bot at once
//! and never waits for the disk; what frees the bot waits until the memory is on disk.

use super::{
    BootClock,
    adapters::{Adapter, Resting, Wanted},
    bot::{Bot, Meaning},
    brain::{Brain, Patience},
    credential::Credential,
    desk::{Desk, DeskEnds},
    hands::Hands,
    keys::{DROP_WITHIN_MS, KeyRing, Keys, Versions, Work, kill::Kill},
    link::News,
    memory::{Loaded, MemoryStore},
    run::Outcome,
    scribe::{Scribe, Written},
    standing::Standing,
    tether::{Minder, Tether},
};
use crate::domain::{Clock, Epoch, State};
use crate::protocol::{BlockedFrame, DirectiveFrame};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

mod keys;

/// While the bot is not halted its lease is looked at this often: timers stand still while the machine sleeps.
const LOOK_MS: i64 = 250;
/// How often the minder is asked for a sign of life.
const BEAT_MS: i64 = 1_000;
/// Looks at the minder further apart than this mean that this process did not run.
const STOOD_STILL_MS: i64 = 5_000;
/// How long an agent that ends tries to tell the server.
const FAREWELL_MS: i64 = 3_000;
/// How long it waits for its bot to halt beyond what the adapter declared.
const RESERVE_MS: i64 = 5_000;
/// Nothing is due.
const IDLE_MS: i64 = 60_000;

/// The state of the loop.
pub struct Runner {
    boot_clock: BootClock,
    apply_within_ms: i64,
    brain: Brain,
    check_in_ms: i64,
    patience: Patience,
    bot: Bot,
    desk: Desk,
    scribe: Scribe,
    news: mpsc::Receiver<News>,
    // The directive last heard: an equal one is not acknowledged anew.
    heard: Option<(Epoch, Wanted)>,
    heard_blocked: Vec<BlockedFrame>,
    keys: Keys,
    // What is held; none: not known yet.
    key_versions: Option<Versions>,
    kill: Kill,
    tether: Option<(Tether, watch::Receiver<Minder>)>,
    beat_at_ms: i64,
    looked_ms: i64,
    hello_at_ms: i64,
    ending: Option<(Outcome, i64)>,
}

/// The tasks' ends of a runner.
pub struct Ends {
    /// The hands at the bot.
    pub hands: Hands,
    /// The keeper of the bot's keys.
    pub keys: Work,
    /// What the link sends.
    pub desk: DeskEnds,
    /// Where the link tells news.
    pub news: mpsc::Sender<News>,
}

/// Timings as they came from the server, within what can work at all.
fn sane(check_in_ms: i64, stale_after_ms: i64, lapse_after_ms: i64) -> (i64, Patience) {
    let lapse_after_ms = lapse_after_ms.clamp(1_000, 600_000);
    let stale_after_ms = stale_after_ms.clamp(500, lapse_after_ms);
    (check_in_ms.clamp(100, (stale_after_ms / 2).max(100)), Patience { stale_after_ms, lapse_after_ms })
}

impl Runner {
    /// Reads the memory and orders the halt that every boot begins with.
    pub fn new(
        credential: &Credential,
        adapter: Arc<dyn Adapter>,
        (store, ring): (MemoryStore, Option<KeyRing>),
        (clock, boot_clock): (Clock, BootClock),
        tether: Option<Tether>,
    ) -> (Self, Ends) {
        let key_versions = ring.is_none().then(Versions::default);
        let (keys, key_work) = Keys::new(ring);
        let now = boot_clock.now_ms();
        let (memory, forgot) = match store.load() {
            Loaded::Whole(memory) => (Some(memory), None),
            Loaded::Missing => (None, Some("warning")),
            Loaded::Broken(why) => {
                tracing::error!("the memory is not used: {why}; only a start after the first word of the server will count");
                (None, Some("critical"))
            }
        };
        let (check_in_ms, patience) = sane(credential.check_in_ms, credential.stale_after_ms, credential.lapse_after_ms);
        let brain = Brain::boot(memory.clone(), adapter.traits().into(), patience);
        let apply_within_ms = adapter.apply_within_ms();
        let adapter_manages_exits = adapter.traits().can_manage_exits;
        let (bot, hands) = Bot::new(adapter, boot_clock.clone(), brain.wanted(), check_in_ms);
        let (desk, desk_ends) = Desk::new(clock, standing(&brain, &bot, Versions::default(), (check_in_ms, patience)));
        // Without its memory an agent leaves a bot nothing; where it could have gone on closing and protecting, somebody has to know.
        if let Some(severity) = forgot.filter(|_| adapter_manages_exits) {
            let why = "the agent has no memory of what its bot may do while halted: until the server says, nobody closes or protects its positions";
            desk.event("exits_not_managed", severity, why.into());
        }
        let (tell_news, news) = mpsc::channel(64);
        if let Some(tether) = &tether {
            tether.exits(brain.wanted().exits);
        }
        let runner = Self {
            boot_clock,
            apply_within_ms,
            brain,
            check_in_ms,
            patience,
            bot,
            desk,
            scribe: Scribe::new(store, memory),
            news,
            heard: None,
            heard_blocked: Vec::new(),
            keys,
            key_versions,
            kill: Kill::default(),
            tether: tether.map(|tether| {
                let minder = tether.minder();
                (tether, minder)
            }),
            beat_at_ms: now,
            looked_ms: now,
            hello_at_ms: now.saturating_add(apply_within_ms).saturating_add(1_000),
            ending: None,
        };
        (runner, Ends { hands, keys: key_work, desk: desk_ends, news: tell_news })
    }

    /// True once whatever bot survived an earlier agent was halted and its keys were looked at, or will not be in time: then the server should hear
    /// of that.
    pub fn may_say_hello(&self) -> bool {
        (self.bot.was_read_back() && self.key_versions.is_some()) || self.boot_clock.now_ms() >= self.hello_at_ms
    }

    /// Draws the consequences of what is known now. Answers when the run is over.
    pub fn settle(&mut self) -> Option<Outcome> {
        let now = self.boot_clock.now_ms();
        self.brain.tick(now);
        self.scribe.write(self.brain.memory(), now);
        let until_ms = self.brain.lease_until_ms().unwrap_or(0);
        let renewed = self.bot.set_lease(until_ms);
        self.order(until_ms, renewed);
        self.drop_keys_when_due(now);
        let held = self.key_versions.clone().unwrap_or_default();
        self.desk.publish(standing(&self.brain, &self.bot, held, (self.check_in_ms, self.patience)));
        self.look_at_minder(now);
        self.is_over(now)
    }

    fn order(&mut self, until_ms: i64, renewed: bool) {
        self.bot.leave_out(self.brain.blocked());
        let mut wanted = self.brain.wanted();
        if self.ending.is_some() {
            wanted.state = State::Halted;
        }
        let before = self.bot.order().wanted.state;
        // A stop goes out now; what frees the bot waits for the disk.
        let free_to_go = wanted.state <= before || self.scribe.has(self.brain.memory());
        // A bot that goes on has done what it was told once it is proved that it leaves out what it is to leave out.
        let waits = wanted.state == State::Active && self.brain.waits_for_proof();
        if self.bot.needs(wanted) && free_to_go && !waits {
            // The minder knows of a lease before the bot can trade under it.
            self.tell_minder(|tether| tether.exits(wanted.exits));
            self.tell_minder(|tether| if wanted.state == State::Halted { tether.halting() } else { tether.lease(until_ms) });
            if wanted.state != before {
                tracing::info!(from = %before, to = %wanted.state, because = self.brain.because(), "the bot is told");
            }
            self.bot.give(wanted, self.heard.map_or(Epoch::default(), |(epoch, _)| epoch));
        } else if renewed && before != State::Halted {
            self.tell_minder(|tether| tether.lease(until_ms));
        }
    }

    fn tell_minder(&self, word: impl FnOnce(&Tether)) {
        if let Some((tether, _)) = &self.tether {
            word(tether);
        }
    }

    fn look_at_minder(&mut self, now: i64) {
        let Some((tether, _)) = &self.tether else { return };
        // A machine that slept, or an agent that stood still: its minder gets a moment to answer.
        if now.saturating_sub(self.looked_ms) > STOOD_STILL_MS {
            tether.forgive(now);
        }
        self.looked_ms = now;
        if now >= self.beat_at_ms {
            tether.beat(now);
            self.beat_at_ms = now.saturating_add(BEAT_MS);
        }
        if self.ending.is_none() && tether.is_lost(now, self.patience.lapse_after_ms) {
            tracing::error!("the minder gives no sign of life");
            self.end(Outcome::MinderLost, now);
        }
    }

    fn end(&mut self, outcome: Outcome, now: i64) {
        if self.ending.is_none() {
            self.brain.cut_off("the agent ends", now);
            self.ending = Some((outcome, now));
        }
    }

    fn is_over(&self, now: i64) -> Option<Outcome> {
        let (outcome, since) = self.ending?;
        let taken = now.saturating_sub(since);
        if self.bot.is_halted() {
            // Keys that a kill has dropped are gone before their agent is; should that one not be in time, the next one does it.
            if self.kill.is_pending() && taken < DROP_WITHIN_MS.saturating_add(RESERVE_MS) {
                return None;
            }
            return (self.desk.is_empty() || taken >= FAREWELL_MS).then_some(outcome);
        }
        if taken < self.apply_within_ms.saturating_add(RESERVE_MS) {
            return None;
        }
        tracing::error!("the bot could not be halted before the end of its agent");
        Some(outcome)
    }

    /// Waits for the next thing to happen, and takes it in.
    pub async fn step<F: Future<Output = ()>>(&mut self, shutdown: Pin<&mut F>) {
        let wait = Duration::from_millis(u64::try_from(self.wait_ms()).unwrap_or(0));
        tokio::select! {
            () = shutdown, if self.ending.is_none() => {
                let now = self.boot_clock.now_ms();
                self.end(Outcome::Asked, now);
            }
            Some(news) = self.news.recv() => self.take_news(news),
            word = self.bot.word() => self.take_word(word),
            word = self.keys.word() => self.take_key_word(word),
            written = self.scribe.written() => {
                let now = self.boot_clock.now_ms();
                match self.scribe.note(written, now) {
                    Written::Refused(why) => self.desk.event("memory_not_written", "critical", format!("the agent's memory cannot be written: {why}; nothing starts until it can")),
                    Written::Again => self.desk.event("memory_written", "info", "the agent's memory can be written again".into()),
                    Written::AsBefore => {}
                }
            }
            minder = minder_changed(&mut self.tether) => {
                let now = self.boot_clock.now_ms();
                self.end(if minder == Minder::AsksToEnd { Outcome::Asked } else { Outcome::MinderLost }, now);
            }
            () = tokio::time::sleep(wait) => {}
        }
    }

    fn wait_ms(&self) -> i64 {
        let now = self.boot_clock.now_ms();
        let due = [
            self.brain.next_change_ms().map(|at| (at - now).min(LOOK_MS)),
            self.tether.as_ref().map(|_| self.beat_at_ms - now),
            self.scribe.not_before_ms().map(|at| at - now),
            (!self.bot.was_read_back() || self.key_versions.is_none()).then_some(self.hello_at_ms - now),
            self.kill.due_ms().map(|at| at - now),
            self.ending.map(|_| 100),
        ];
        due.into_iter().flatten().min().unwrap_or(IDLE_MS).clamp(1, IDLE_MS)
    }

    fn take_news(&mut self, news: News) {
        let now = self.boot_clock.now_ms();
        match news {
            News::Met(channel) => {
                tracing::info!(channel, "the server answers");
                self.desk.repeat();
            }
            News::Timings { check_in_ms, patience } => {
                (self.check_in_ms, self.patience) = sane(check_in_ms, patience.stale_after_ms, patience.lapse_after_ms);
                self.brain.set_patience(self.patience, now);
            }
            News::Directive(frame) => self.hear(&frame, now),
            News::Hint(frame) if self.is_stop(&frame) => self.hear(&frame, now),
            News::Hint(_) => {}
            News::Renewed { sent, lease_ms } => self.brain.renewed(sent.at_ms, lease_ms, sent.lapses, now),
            News::Key(order) => self.take_key(*order),
            News::Cut(cut) => self.brain.cut_off(cut.why(), now),
        }
    }

    /// True for a word that has the bot do less than it does: a lower state, or no higher one and a symbol more to leave out.
    fn is_stop(&self, frame: &DirectiveFrame) -> bool {
        let (state, known) = (self.bot.order().wanted.state, self.brain.blocked().unwrap_or_default());
        frame.state < state || (frame.state == state && frame.blocked.iter().any(|one| !known.contains(one)))
    }

    fn tell_restart(&mut self, now: i64) {
        // What it was to leave out it may have forgotten; that is proved anew.
        self.brain.leaves_out(&[], now);
        self.desk.event("bot_restarted", "critical", "the bot restarted by itself while it was halted".into());
    }

    fn leaves_out(&mut self, symbols: &[BlockedFrame], entry_orders: Option<u64>, now: i64) {
        self.brain.leaves_out(symbols, now);
        let order = self.bot.order();
        let is_told = self.bot.is_told() && order.wanted.state == State::Active && !self.bot.needs(order.wanted);
        if is_told && !symbols.is_empty() && entry_orders == Some(0) {
            // What rests elsewhere is not spoken of.
            self.desk.idle(order.epoch, self.bot.doing(), Resting::default());
        }
    }

    fn hear(&mut self, frame: &DirectiveFrame, now: i64) {
        self.brain.hear(frame, now);
        self.hear_of_keys(frame.drop_keys, now);
        let said = (frame.epoch, Wanted { state: frame.state, orders: frame.orders, exits: frame.exits });
        // A symbol that is held without the database may share its epoch.
        if self.heard != Some(said) || self.heard_blocked != frame.blocked {
            self.heard = Some(said);
            self.heard_blocked.clone_from(&frame.blocked);
            self.desk.received(frame.epoch, self.bot.doing());
            self.bot.again();
        }
    }

    fn take_word(&mut self, word: super::hands::AtBot) {
        let now = self.boot_clock.now_ms();
        match self.bot.take(word) {
            Meaning::Nothing => {}
            Meaning::Applied(order, resting) => {
                self.note_cleared(order, resting);
                if self.heard.is_some() {
                    self.desk.applied(order.epoch, self.bot.doing(), resting);
                }
                if self.bot.is_halted() {
                    self.tell_minder(Tether::halted);
                }
            }
            Meaning::NotHalted(why) => self.desk.event("bot_not_halted", "critical", format!("the bot could not be halted: {why}")),
            Meaning::Stopped(kind, why) => {
                self.brain.bot_stopped("the bot does not run", now);
                self.desk.event(kind, "critical", why);
            }
            Meaning::Moved => self.desk.event("bot_moved", "critical", "the bot did more than it was told and is told again".into()),
            Meaning::Restarted => self.tell_restart(now),
            Meaning::ExitsEnded { restarted } => {
                if restarted {
                    self.tell_restart(now);
                }
                let why = "the bot came to a stand although it was to manage its exits: nobody closes or protects its positions any more";
                self.desk.event("exits_not_managed", "critical", why.into());
            }
            Meaning::OrdersLeft(n) => self.desk.event("orders_left", "critical", format!("{n} orders rest that were to be cancelled")),
            Meaning::OutOfSight(why) => self.desk.event("bot_not_seen", "critical", format!("the halted bot cannot be looked at: {why}")),
            Meaning::Idle(order, resting) => {
                self.note_cleared(order, resting);
                self.desk.idle(order.epoch, self.bot.doing(), resting);
            }
            Meaning::Filled(fills) => self.desk.fills(fills),
            Meaning::LeavesOut(symbols, entry_orders) => self.leaves_out(&symbols, entry_orders, now),
            Meaning::LeavesNothingOut(why) => {
                self.brain.leaves_nothing_out(now);
                if let Some(why) = why {
                    let what = "nothing proves that the bot leaves out the held symbol alone, so it adds nothing at all";
                    self.desk.event("symbol_not_left_out", "critical", format!("{what}: {why}"));
                }
            }
            Meaning::NoReport(why) => self.desk.event("no_report", "warning", format!("the bot's report cannot be read: {why}")),
        }
    }
}

async fn minder_changed(tether: &mut Option<(Tether, watch::Receiver<Minder>)>) -> Minder {
    if let Some((_, minder)) = tether
        && minder.changed().await.is_ok()
    {
        return *minder.borrow_and_update();
    }
    // Told already, or there is none.
    std::future::pending().await
}

fn standing(brain: &Brain, bot: &Bot, key_versions: Versions, (check_in_ms, patience): (i64, Patience)) -> Standing {
    let memory = brain.memory();
    Standing {
        epoch: memory.highest,
        state: bot.doing(),
        limits_version: brain.limits_version(),
        start_after: memory.start_after,
        holds: memory.carried.clone(),
        lapsed: brain.lapsed(),
        lapses: brain.lapses(),
        server_behind: brain.server_behind(),
        runs: bot.runs().clone(),
        key_versions,
        adapter: bot.adapter(),
        check_in_ms,
        patience,
        report: bot.report(),
    }
}
