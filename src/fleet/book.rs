//! What each agent said last, which boot of it is newest, and how far it has acknowledged. Memory only; `app` persists it.

use super::exposure::{self, Trail};
use crate::domain::{AgentId, BootId, BotId, Epoch, HoldId, State, Step, Timestamp, Timings, golive::Ran};
use crate::protocol::{AdapterSaid, Report};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock},
};

/// How many acknowledgements are kept per bot; older ones are in the database.
const ACKS_KEPT: usize = 24;

/// The last thing an agent said.
#[derive(Debug, Clone)]
pub struct AgentSeen {
    /// The agent.
    pub agent: AgentId,
    /// Its bot.
    pub bot: BotId,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The same by this process's boot clock, milliseconds: what silence is counted by. Of a word to another replica, when it was found in the
    /// database; none: it was said before this process began.
    pub heard_ms: Option<i64>,
    /// `stream` or `poll`.
    pub channel: &'static str,
    /// On the poll path: the longest of the latest pauses between two of its check-ins, as observed here, milliseconds; none: not observed.
    pub poll_every_ms: Option<i64>,
    /// Its boot.
    pub boot: Option<BootId>,
    /// The number of the check-in, within its boot; zero for a hello.
    pub seq: u64,
    /// The epoch it has seen.
    pub epoch: Option<Epoch>,
    /// What its bot does.
    pub state: Option<State>,
    /// The limits version it enforces.
    pub limits_version: Option<i64>,
    /// Only a start above this counts.
    pub start_after: Option<Epoch>,
    /// Digest of the build.
    pub build: Option<String>,
    /// Digest of the configuration.
    pub config: Option<String>,
    /// Where its bot trades by its own configuration, `VENUE/SUBACCOUNT`; none: it has not said.
    pub subaccount: Option<String>,
    /// What tells its bot; none: it has not said.
    pub adapter: Option<AdapterSaid>,
    /// Its instances and what each runs; none: it is one, or has not said.
    pub instances: Arc<Vec<Instance>>,
    /// The last report and when it came.
    pub report: Option<(Arc<Report>, Timestamp)>,
    /// How far its clock is ahead of ours, milliseconds, the way of the message included.
    pub clock_off_ms: Option<i64>,
    /// It says that it has seen a higher epoch than the server's.
    pub ahead: bool,
}

/// One process of a bot that is several.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Instance {
    /// What it is called there.
    pub name: String,
    /// What it runs.
    pub ran: Ran,
}

/// The longest a bot can go on after a press, its agent and that agent's machine alive, milliseconds. An agent that polls may notice the end of its
/// lease only with its next check-in, as the smallest agents do, so what it takes between two of them counts as well.
pub fn worst_case_stop_ms(timings: Timings, seen: Option<&AgentSeen>) -> i64 {
    let polls = seen.filter(|seen| seen.channel == "poll");
    let pause_ms = polls.map_or(0, |seen| seen.poll_every_ms.unwrap_or(timings.check_in_ms).max(timings.check_in_ms));
    timings.worst_case_stop_ms().saturating_add(pause_ms)
}

/// One acknowledgement, timed by the server's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckSeen {
    /// The directive's epoch.
    pub epoch: Epoch,
    /// The step.
    pub step: Step,
    /// When it arrived.
    pub at: Timestamp,
    /// What the bot did then.
    pub state: Option<State>,
    /// Entry orders as read back.
    pub entry_orders: Option<i64>,
    /// Open orders as read back.
    pub open_orders: Option<i64>,
}

/// The highest epochs that a bot has proved something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// It had applied what this epoch says, being halted.
    pub applied: Epoch,
    /// It had no entry orders then.
    pub idle: Epoch,
    /// It had applied it, being halted or reducing.
    pub reduced: Epoch,
    /// It had applied it, whatever it did.
    pub told: Epoch,
}

impl Proof {
    fn or(self, other: Self) -> Self {
        Self {
            applied: self.applied.max(other.applied),
            idle: self.idle.max(other.idle),
            reduced: self.reduced.max(other.reduced),
            told: self.told.max(other.told),
        }
    }
}

/// What alarms look at, of one bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// When its agent was last heard.
    pub at: Timestamp,
    /// The highest epoch that it reported or acknowledged.
    pub knows: Epoch,
    /// It says that it has seen a higher epoch than the server's.
    pub ahead: bool,
    /// How far its clock is ahead of ours, milliseconds.
    pub clock_off_ms: Option<i64>,
}

/// How fast a bot stopped in a drill. Milliseconds from the press to each step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillSeen {
    /// The hold that was the drill.
    pub hold: HoldId,
    /// The epoch of its placing.
    pub epoch: Epoch,
    /// When it was pressed.
    pub at: Timestamp,
    /// When its agent had it.
    pub received_ms: i64,
    /// When the bot had obeyed.
    pub applied_ms: i64,
    /// When it had no entry orders.
    pub idle_ms: i64,
}

/// Where a boot stands among the boots of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootStanding {
    /// It is the newest.
    Newest,
    /// A newer one has taken over.
    Older,
    /// Not known here: the database must say.
    Unknown,
}

/// A silence of this length ends a contact, milliseconds; of an agent that polls more seldom, twice its usual pause.
const GAP_MS: i64 = 5_000;
/// So many of the latest moments written here are known again when they are read back.
const OWN_KEPT: usize = 8;

/// Since when an agent has been in contact, and when it was heard last, by the boot clock, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The first word after a silence.
    pub since_ms: i64,
    /// The last word.
    pub heard_ms: i64,
}

#[derive(Default)]
struct Page {
    seen: Option<Arc<AgentSeen>>,
    contact: Option<Contact>,
    // The moment of the row as it was last read, and those that this process wrote lately: another one is somebody else's news.
    stored_at: Option<Timestamp>,
    own: VecDeque<Timestamp>,
    // It was heard here and is not written down yet.
    is_unwritten: bool,
    acks: Vec<AckSeen>,
    // What the database said that it has proved: before this process began, or to other replicas.
    proved: Proof,
    // The newest boot of the bot's live agent, once the database has said so or taken it, and up to which epoch that is known.
    boot: Option<(AgentId, BootId, Epoch)>,
    // Under which start the bot was seen trading.
    traded_under: Epoch,
    // The course of its exposure.
    trail: Trail,
    // The latest drill that measured it.
    drill: Option<Arc<DrillSeen>>,
    // The boot whose word for how long its adapter needs was taken.
    declared_by: Option<BootId>,
    // How many check-ins running it said `halted` under an `active` directive that it had traded under.
    refusals: u8,
}

impl Page {
    fn note(&mut self, mut seen: AgentSeen) {
        if let Some(heard_ms) = seen.heard_ms {
            let usual_ms = self.seen.as_ref().filter(|last| last.agent == seen.agent).map_or(0, |last| last.poll_every_ms.unwrap_or(0));
            let gap_ms = GAP_MS.max(usual_ms.saturating_mul(2));
            let goes_on = self.contact.filter(|contact| heard_ms - contact.heard_ms <= gap_ms);
            let since_ms = goes_on.map_or(heard_ms, |contact| contact.since_ms);
            self.contact = Some(Contact { since_ms, heard_ms });
        }
        if let Some(last) = self.seen.as_ref().filter(|last| last.agent == seen.agent) {
            seen.report = seen.report.or_else(|| last.report.clone());
            if (seen.channel, last.channel) == ("poll", "poll") && seen.boot == last.boot {
                let between = seen.heard_ms.zip(last.heard_ms).map(|(now, before)| now - before);
                let pause_ms = between.unwrap_or_else(|| seen.at.ms_since(last.at)).max(0);
                // A long one is remembered for some dozens of check-ins: an outage passes, an agent that polls seldom does not.
                seen.poll_every_ms = Some(last.poll_every_ms.map_or(pause_ms, |known| pause_ms.max(known - known / 16)));
            }
        }
        if let Some((report, at)) = seen.report.as_ref().filter(|(_, at)| *at == seen.at)
            && let Some(gross) = exposure::gross(report)
        {
            self.trail.note(gross.amount, *at);
        }
        self.seen = Some(Arc::new(seen));
    }
}

/// What is known of every agent. Readers and writers hold it for microseconds only.
#[derive(Default)]
pub struct Book(RwLock<HashMap<BotId, Page>>);

impl Book {
    fn write<T>(&self, bot: &BotId, change: impl FnOnce(&mut Page) -> T) -> T {
        let mut book = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(book.entry(bot.clone()).or_default())
    }
    fn read<T>(&self, bot: &BotId, look: impl FnOnce(&Page) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(bot).map(look)
    }

    /// The last thing a bot's agent said.
    pub fn seen(&self, bot: &BotId) -> Option<Arc<AgentSeen>> {
        self.read(bot, |page| page.seen.clone()).flatten()
    }
    /// Notes what an agent said, which is to be written down; a missing report keeps the last one with its time.
    pub fn note(&self, seen: AgentSeen) {
        let bot = seen.bot.clone();
        self.write(&bot, |page| {
            page.note(seen);
            page.is_unwritten = true;
        });
    }
    /// What agents said here since this was last asked, the latest of each.
    pub fn take_unwritten(&self) -> Vec<Arc<AgentSeen>> {
        let mut book = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let taken = book.values_mut().filter_map(|page| {
            let seen = std::mem::take(&mut page.is_unwritten).then(|| page.seen.clone()).flatten()?;
            page.own.truncate(OWN_KEPT - 1);
            page.own.push_front(seen.at);
            Some(seen)
        });
        taken.collect()
    }
    /// Takes in a row of what an agent said to somebody else, or before, when its moment is another than it was when last read and none that was
    /// written here. Not by which of two moments is later: wall clocks jump, and those of two machines differ.
    pub fn note_stored(&self, bot: &BotId, at: Timestamp, read: impl FnOnce() -> AgentSeen) {
        self.write(bot, |page| {
            let was = page.stored_at.replace(at);
            if was != Some(at) && !page.own.contains(&at) && page.seen.as_ref().is_none_or(|here| here.at != at) {
                let row = read();
                // What was said before anybody looked is older than what was heard here since.
                if row.heard_ms.is_some() || page.contact.is_none() {
                    page.note(row);
                }
            }
        });
    }
    /// How long a bot's agent has been heard; none: not since this process began.
    pub fn contact(&self, bot: &BotId) -> Option<Contact> {
        self.read(bot, |page| page.contact).flatten()
    }
    /// The course of a bot's exposure over the last ten minutes; empty when nothing was said.
    pub fn trail(&self, bot: &BotId, now: Timestamp) -> Vec<Option<f64>> {
        self.read(bot, |page| page.trail.points(now)).unwrap_or_default()
    }
    /// Forgets what an ended agent said.
    pub fn forget(&self, bot: &BotId) {
        self.write(bot, |page| {
            let (stored_at, own) = (page.stored_at, std::mem::take(&mut page.own));
            *page = Page {
                acks: std::mem::take(&mut page.acks),
                proved: page.proved,
                drill: page.drill.take(),
                stored_at,
                own,
                ..Page::default()
            };
        });
    }

    /// Where a boot stands. A boot is a stop: what was known before the bot's latest one, at epoch `since`, may be over by now.
    pub fn standing(&self, bot: &BotId, agent: &AgentId, boot: &BootId, since: Epoch) -> BootStanding {
        let newest = self.read(bot, |page| page.boot.clone()).flatten();
        match newest {
            Some((of, newest, known)) if of == *agent && newest == *boot && known >= since => BootStanding::Newest,
            _ => BootStanding::Unknown,
        }
    }
    /// Notes the newest boot, as the database has it at an epoch.
    pub fn set_newest_boot(&self, bot: &BotId, agent: &AgentId, boot: &BootId, known: Epoch) {
        self.write(bot, |page| {
            let is_same = |(of, newest, _): &&(AgentId, BootId, Epoch)| of == agent && newest == boot;
            match page.boot.as_ref().filter(is_same).map(|(_, _, epoch)| *epoch) {
                Some(before) => page.boot = Some((agent.clone(), boot.clone(), before.max(known))),
                None => (page.boot, page.refusals) = (Some((agent.clone(), boot.clone(), known)), 0),
            }
        });
    }

    /// Takes an acknowledgement; false when this step of this epoch was there already, for the same state. The newest state counts: a bot
    /// that said `active` and then `halted` under one epoch is halted, and the other way round it proves no stop any more.
    pub fn ack(&self, bot: &BotId, ack: AckSeen) -> bool {
        self.write(bot, |page| {
            let known = page.acks.iter().position(|a| a.epoch == ack.epoch && a.step == ack.step);
            if known.and_then(|at| page.acks.get(at)).is_some_and(|a| a.state == ack.state) {
                return false;
            }
            if let Some(at) = known {
                page.acks.remove(at);
            }
            if page.acks.len() >= ACKS_KEPT {
                page.acks.remove(0);
            }
            page.acks.push(ack);
            true
        })
    }
    /// Acknowledgements of a bot at or after an epoch.
    pub fn acks_since(&self, bot: &BotId, epoch: Epoch) -> Vec<AckSeen> {
        self.read(bot, |page| page.acks.iter().filter(|a| a.epoch >= epoch).cloned().collect()).unwrap_or_default()
    }

    /// Notes an acknowledgement that was kept before, or by another replica, unless a newer one of its step is known.
    pub fn note_stored_ack(&self, bot: &BotId, ack: AckSeen) {
        self.write(bot, |page| {
            let known = |a: &AckSeen| a.epoch == ack.epoch && a.step == ack.step;
            match page.acks.iter().position(known) {
                Some(at) if page.acks.get(at).is_some_and(|a| a.at >= ack.at) => return,
                Some(at) => drop(page.acks.remove(at)),
                None if page.acks.len() < ACKS_KEPT => {}
                // The latest stay.
                None if page.acks.first().is_some_and(|oldest| oldest.at < ack.at) => drop(page.acks.remove(0)),
                None => return,
            }
            // In the order in which they came, whoever heard them.
            let after = page.acks.iter().position(|a| a.at > ack.at).unwrap_or(page.acks.len());
            page.acks.insert(after, ack);
        });
    }
    /// What a bot has proved of stops.
    pub fn proof(&self, bot: &BotId) -> Proof {
        let proof = |page: &Page| {
            let mut proof = page.proved;
            for ack in page.acks.iter().filter(|ack| ack.step >= Step::Applied) {
                let Some(state) = ack.state else { continue };
                let of = |is_so: bool| if is_so { ack.epoch } else { Epoch::default() };
                proof = proof.or(Proof {
                    applied: of(state == State::Halted),
                    idle: of(state == State::Halted && ack.step >= Step::Idle),
                    reduced: of(state != State::Active),
                    told: ack.epoch,
                });
            }
            proof
        };
        self.read(bot, proof).unwrap_or_default()
    }
    /// Notes what the database has a bot prove.
    pub fn note_stored_proof(&self, bot: &BotId, proof: Proof) {
        self.write(bot, |page| page.proved = page.proved.or(proof));
    }
    /// What alarms look at; none for a bot that was never heard.
    pub fn word(&self, bot: &BotId) -> Option<Word> {
        self.read(bot, |page| {
            let seen = page.seen.as_ref()?;
            let acked = page.acks.iter().map(|a| a.epoch).max().unwrap_or_default();
            let knows = seen.epoch.unwrap_or_default().max(acked);
            Some(Word { at: seen.at, knows, ahead: seen.ahead, clock_off_ms: seen.clock_off_ms })
        })
        .flatten()
    }

    /// The latest drill that measured a bot.
    pub fn drill(&self, bot: &BotId) -> Option<Arc<DrillSeen>> {
        self.read(bot, |page| page.drill.clone()).flatten()
    }
    /// Notes a drill, unless a later one is known.
    pub fn set_drill(&self, bot: &BotId, drill: DrillSeen) {
        self.write(bot, |page| {
            if page.drill.as_ref().is_none_or(|known| known.epoch < drill.epoch) {
                page.drill = Some(Arc::new(drill));
            }
        });
    }

    /// True for the first declaration of a boot: how long an adapter needs is the same for as long as its agent runs, so that what was known
    /// when the bot was started stays true until the next stop.
    pub fn may_declare(&self, bot: &BotId, boot: &BootId) -> bool {
        self.write(bot, |page| {
            let first = page.declared_by.as_ref() != Some(boot);
            page.declared_by = Some(boot.clone());
            first
        })
    }
    /// The declaration could not be recorded: the boot may make it again.
    pub fn undeclare(&self, bot: &BotId) {
        self.write(bot, |page| page.declared_by = None);
    }

    /// Under which start the bot was last seen trading; 0: none since this process began.
    pub fn traded_under(&self, bot: &BotId) -> Epoch {
        self.read(bot, |page| page.traded_under).unwrap_or_default()
    }
    /// Notes that a bot trades under a start; true the first time.
    pub fn trades_under(&self, bot: &BotId, start: Epoch) -> bool {
        self.write(bot, |page| {
            page.refusals = 0;
            let first = page.traded_under < start;
            page.traded_under = page.traded_under.max(start);
            first
        })
    }
    /// Counts a check-in that says `halted` although the bot traded under this very start; answers how many running.
    pub fn refuses(&self, bot: &BotId, start: Epoch) -> u8 {
        self.write(bot, |page| {
            if page.traded_under == start {
                page.refusals = page.refusals.saturating_add(1);
            }
            page.refusals
        })
    }
    /// Ends the count above.
    pub fn agrees(&self, bot: &BotId) {
        self.write(bot, |page| page.refusals = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(state: State, at: i64) -> AckSeen {
        AckSeen { epoch: Epoch(7), step: Step::Applied, at: Timestamp(at), state: Some(state), entry_orders: None, open_orders: None }
    }

    #[test]
    fn an_ack_of_another_state_takes_the_place_of_the_one_before() {
        let (book, bot) = (Book::default(), BotId::new());
        assert!(book.ack(&bot, ack(State::Active, 1)));
        assert!(!book.ack(&bot, ack(State::Active, 2)), "a repeat changes nothing");
        assert!(book.ack(&bot, ack(State::Halted, 3)));
        assert_eq!(book.acks_since(&bot, Epoch(7)), [ack(State::Halted, 3)], "the newest state counts");
    }

    fn said(channel: &'static str, at: i64) -> AgentSeen {
        AgentSeen {
            agent: AgentId::from_stored("a".into()),
            bot: BotId::from_stored("b".into()),
            at: Timestamp::default().plus_ms(at),
            heard_ms: Some(at),
            channel,
            poll_every_ms: None,
            boot: None,
            seq: 0,
            epoch: None,
            state: None,
            limits_version: None,
            start_after: None,
            build: None,
            config: None,
            subaccount: None,
            adapter: None,
            instances: Arc::default(),
            report: None,
            clock_off_ms: None,
            ahead: false,
        }
    }

    #[test]
    fn the_worst_case_of_an_agent_that_polls_counts_its_own_pauses() {
        let (book, usual) = (Book::default(), Timings::default());
        let worst = |said: AgentSeen| {
            let bot = said.bot.clone();
            book.note(said);
            worst_case_stop_ms(usual, book.seen(&bot).as_deref()) - usual.worst_case_stop_ms()
        };
        assert_eq!(worst_case_stop_ms(usual, None), usual.worst_case_stop_ms());
        assert_eq!(worst(said("stream", 0)), 0);
        assert_eq!(worst(said("poll", 1_000)), usual.check_in_ms, "none observed yet: what it was told");
        assert_eq!(worst(said("poll", 1_100)), usual.check_in_ms, "a hurried one bounds nothing");
        assert_eq!(worst(said("poll", 13_100)), 12_000);
        assert!(worst(said("poll", 15_100)) > 11_000, "one quick answer does not make it fast");
        let mut last = 0;
        for n in 1..100 {
            last = worst(said("poll", 15_100 + n * 3_000));
        }
        assert_eq!(last, 3_000);
        assert_eq!(worst(said("stream", 400_000)), 0);
    }

    #[test]
    fn a_contact_begins_with_the_first_word_after_a_silence() {
        let (book, bot) = (Book::default(), BotId::from_stored("b".into()));
        let says = |channel, at| {
            book.note(said(channel, at));
            book.contact(&bot).unwrap().since_ms
        };
        assert_eq!(
            [says("stream", 1_000), says("stream", 6_000), says("stream", 11_001), says("stream", 13_000)],
            [1_000, 1_000, 11_001, 11_001]
        );
        // One that polls every eleven seconds is in contact all the same, once that is known.
        assert_eq!(
            [says("poll", 24_000), says("poll", 35_000), says("poll", 46_000), says("poll", 57_000)],
            [24_000, 35_000, 35_000, 35_000]
        );
    }

    #[test]
    fn what_others_wrote_is_news_by_its_change_and_ones_own_is_none() {
        let (book, bot) = (Book::default(), BotId::from_stored("b".into()));
        let reads = |at: i64, now_ms: i64| {
            let row = AgentSeen { heard_ms: Some(now_ms), ..said("stream", at) };
            book.note_stored(&bot, row.at, || row.clone());
            book.contact(&bot).map(|contact| contact.heard_ms)
        };
        book.note(said("stream", 1_000));
        assert_eq!(book.take_unwritten().len(), 1);
        book.note(said("stream", 2_000));
        assert_eq!(reads(1_000, 2_500), Some(2_000), "what was written here and is read back");
        assert_eq!(reads(2_000, 3_500), Some(2_000));
        assert_eq!(reads(9_000_000, 4_500), Some(4_500), "another replica's clock is far ahead");
        assert_eq!(reads(9_000_000, 5_500), Some(4_500), "and says nothing more");
        assert_eq!(reads(7_000_000, 6_500), Some(6_500), "it was set back: still news");
    }

    #[test]
    fn of_what_others_heard_the_latest_is_kept() {
        let (book, bot) = (Book::default(), BotId::new());
        let at = |epoch: i64| AckSeen { epoch: Epoch(epoch), ..ack(State::Halted, epoch) };
        // One old hold that is never released: everything since is read again and again.
        (0..2).for_each(|_| (1..=40).for_each(|epoch| book.note_stored_ack(&bot, at(epoch))));
        assert_eq!(book.acks_since(&bot, Epoch(0)), (17..=40).map(at).collect::<Vec<_>>());
        assert_eq!(book.proof(&bot).applied, Epoch(40));
    }

    #[test]
    fn a_boot_declares_once() {
        let (book, bot) = (Book::default(), BotId::new());
        let [a, b] = ["a", "b"].map(|boot| BootId::try_from(boot.to_owned()).unwrap());
        assert!(book.may_declare(&bot, &a) && !book.may_declare(&bot, &a) && book.may_declare(&bot, &b));
        book.undeclare(&bot);
        assert!(book.may_declare(&bot, &b));
    }
}
