//! The agent's side: the production brain and memory, and of the loop around them what matters here. What starts with `ghost` is the model's own
//! knowledge, which nobody in the protocol has.

use super::{
    rules::Rule,
    wire::{CheckIn, Down, bit, hold_id, hold_number},
    world::{LAPSE, LAPSE_MS, Model, STALE, STALE_MS, ms},
};
use andon::{
    agent::{
        brain::{Brain, Patience, Powers},
        memory::Memory,
    },
    domain::{Epoch, State},
};

/// What becomes of the memory when an agent's process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Whole,
    Lost,
    CutShort,
}

/// One process of the agent, with its bot.
#[derive(Clone, Hash)]
pub struct Process {
    pub boot: u8,
    pub brain: Brain,
    pub disk: Option<Memory>,
    pub bot: State,
    /// The epoch last heard, and the order last carried out: its epoch and what the bot does since.
    heard: Option<Epoch>,
    /// Another boot has taken over: it hears and says nothing any more.
    pub is_silent: bool,
    ack: Option<(i64, State)>,
    /// Signatures that a stop which this process knew of has overruled.
    ghost_void: u8,
    /// The signature offered last.
    ghost_offered: Option<(i64, u8)>,
    /// The signature that it trades under.
    pub ghost_under: Option<u8>,
    /// When the latest check-in was sent whose answer has arrived.
    ghost_contact: Option<u8>,
    /// Holds that it was told of and that nobody has released.
    pub ghost_told: u8,
}

impl Process {
    /// A boot with what lies on disk.
    pub fn boot(boot: u8, memory: Option<Memory>, told: u8, issued: u8) -> Self {
        let powers = Powers { can_reduce: true, can_manage_exits: true, leaves_out_within_ms: None };
        let patience = Patience { stale_after_ms: STALE_MS, lapse_after_ms: LAPSE_MS };
        let carried = memory.as_ref().map_or(0, carried);
        Self {
            boot,
            brain: Brain::boot(memory.clone(), powers, patience),
            disk: memory,
            bot: State::Halted,
            heard: None,
            is_silent: false,
            ack: None,
            ghost_void: (1 << issued) - 1,
            ghost_offered: None,
            ghost_under: None,
            ghost_contact: None,
            ghost_told: told & carried,
        }
    }

    /// What a process finds that comes after this one.
    pub fn remembered(&self, model: &Model, kept: Kept) -> Option<Memory> {
        let text = self.disk.as_ref()?.to_text(&model.agent).unwrap();
        match kept {
            Kept::Whole => Some(Memory::from_text(&text, &model.agent).unwrap()),
            Kept::Lost => None,
            Kept::CutShort => Memory::from_text(&text[..text.len() / 2], &model.agent).ok(),
        }
    }

    pub fn check_in(&self, now: u8) -> CheckIn {
        let memory = self.brain.memory();
        CheckIn {
            boot: self.boot,
            sent: now,
            epoch: memory.highest.0,
            state: self.bot,
            start_after: memory.start_after.map(|after| after.0),
            holds: carried(memory),
            lapsed: self.brain.lapsed(),
            lapses: self.brain.lapses(),
            ack: self.ack,
        }
    }

    /// Hears a directive and, with it, the answer to a check-in. Says what is wrong about what follows.
    pub fn hear(&mut self, model: &Model, down: &Down, now: u8, issued: u8) -> Option<&'static str> {
        let mut frame = down.frame();
        if !model.keeps(Rule::HoldsAreCarried) {
            frame.unrecorded.clear();
        }
        if down.state == State::Halted {
            self.ghost_void |= down.ghost_known;
            self.ghost_offered = None;
        }
        if let Some((epoch, token)) = down.start {
            self.ghost_offered = Some(self.ghost_offered.filter(|(known, _)| *known > epoch).unwrap_or((epoch, token)));
        }
        self.ghost_told |= down.ghost_told();
        self.brain.hear(&frame, self.brain_ms(model, now));
        self.heard = Some(frame.epoch);
        if let Some(renew) = &down.renew {
            let sent = if model.keeps(Rule::LeaseFromSending) { renew.sent } else { now };
            self.brain.renewed(ms(sent), renew.lease_ms, renew.lapses, self.brain_ms(model, now));
            self.ghost_contact = self.ghost_contact.max(Some(renew.sent));
        }
        self.settle(model, now, issued)
    }

    /// Another boot has taken over.
    pub fn cut_off(&mut self, model: &Model, now: u8, issued: u8) -> Option<&'static str> {
        self.is_silent = true;
        self.brain.cut_off("another agent process has taken this one's place", self.brain_ms(model, now));
        self.ghost_void |= (1 << issued) - 1;
        self.settle(model, now, issued)
    }

    /// What is to be remembered is on disk.
    pub fn write(&mut self, model: &Model, now: u8, issued: u8) -> Option<&'static str> {
        self.disk = Some(self.brain.memory().clone());
        self.settle(model, now, issued)
    }

    pub fn has_to_write(&self) -> bool {
        self.disk.as_ref() != Some(self.brain.memory()) && self.brain.memory().start_after.is_some()
    }

    pub fn tick(&mut self, model: &Model, now: u8, issued: u8) -> Option<&'static str> {
        let lapses = self.brain.lapses();
        self.brain.tick(self.brain_ms(model, now));
        if self.brain.lapses() > lapses || (self.is_out_of_lease(now) && self.bot != State::Halted) {
            self.ghost_void |= (1 << issued) - 1;
            self.ghost_offered = self.ghost_offered.filter(|_| !model.keeps(Rule::LapseIsLatched));
        }
        self.settle(model, now, issued)
    }

    /// Without the rule that a lapse is latched the brain never sees one: its time stands still before the end of the lease.
    fn brain_ms(&self, model: &Model, now: u8) -> i64 {
        let until = self.brain.lease_until_ms().filter(|_| !model.keeps(Rule::LapseIsLatched) || !model.keeps(Rule::LeaseEnds));
        until.map_or(ms(now), |until| ms(now).min(until - 1))
    }

    fn is_out_of_lease(&self, now: u8) -> bool {
        self.brain.lease_until_ms().is_none_or(|until| until <= ms(now))
    }

    /// As the runner does: a stop goes to the bot at once, what frees it waits for the disk.
    fn settle(&mut self, model: &Model, now: u8, issued: u8) -> Option<&'static str> {
        let mut wanted = self.brain.wanted().state;
        if !model.keeps(Rule::LapseIsLatched) && self.is_out_of_lease(now) {
            wanted = State::Halted;
        }
        let before = self.bot;
        if wanted <= before || self.disk.as_ref() == Some(self.brain.memory()) {
            self.bot = wanted;
            self.ack = self.heard.map(|epoch| (epoch.0, wanted));
        }
        if self.bot == State::Halted {
            self.ghost_under = None;
        }
        if before == State::Halted && self.bot != State::Halted {
            let Some((_, token)) = self.ghost_offered else { return Some("freed without a start") };
            self.ghost_under = Some(token);
            if self.ghost_void & bit(token) != 0 || token >= issued {
                return Some("freed by a start from before a stop that its agent knew of");
            }
        }
        None
    }

    /// What must hold of it at any moment.
    pub fn wrong(&self, now: u8) -> Option<&'static str> {
        let silent_for = self.ghost_contact.map_or(u8::MAX, |contact| now - contact);
        match self.bot {
            State::Active | State::Reducing if silent_for >= LAPSE => Some("not halted within its lapse time after losing contact"),
            State::Active if silent_for >= STALE => Some("not reducing within its stale time after losing contact"),
            State::Active | State::Reducing if self.ghost_told != 0 => Some("it does more than halt under a hold that it was told of"),
            _ => None,
        }
    }
}

/// The holds that a memory carries.
pub fn carried(memory: &Memory) -> u8 {
    memory.carried.iter().map(|hold| bit(hold_number(&hold.id))).fold(0, |all, one| all | one)
}

/// The ids of a set.
pub fn ids(set: u8) -> impl Iterator<Item = andon::domain::HoldId> {
    (0..8).filter(move |n| set & bit(*n) != 0).map(hold_id)
}
