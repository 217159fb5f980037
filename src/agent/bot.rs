//! The runner's view of the bot: what it was last ordered, what it was read back doing, and what each word from the hands means.

use super::{
    BootClock,
    adapters::{Adapter, AdapterError, ReadBack, Resting, Runs, Wanted},
    hands::{AtBot, Blocked, Hands, Order},
};
use crate::domain::{Epoch, Exits, State};
use crate::protocol::{AdapterSaid, BlockedFrame, FillFrame, Report};
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};
use tokio::sync::{Notify, mpsc, watch};

/// Why the next order is given even if it is the same. The last counts where both are true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    No,
    /// Orders are left. What was reported of this very order until now goes on counting.
    ToCancel,
    /// All of it is to be proved anew.
    Anew,
}

/// The bot.
pub struct Bot {
    adapter: Arc<dyn Adapter>,
    orders: watch::Sender<Order>,
    blocked: watch::Sender<Blocked>,
    at_bot: mpsc::Receiver<AtBot>,
    lease_until_ms: Arc<AtomicI64>,
    order: Order,
    again: Again,
    done: Option<Order>,
    // The first turn whose carrying out a report must follow to count: telling a bot again, only to cancel, does not age its reports.
    since: u64,
    doing: State,
    instance: Option<String>,
    // It began anew while it stood, and nobody has been told.
    restart_untold: bool,
    // What becomes of its exits, as last known to somebody.
    exits: Option<Exits>,
    runs: Runs,
    report: Option<(u64, Arc<Report>)>,
    last_error: Option<String>,
    // Why symbols are not left out, as last told.
    not_left_out: Option<String>,
    // Since when it cannot be looked at, by the boot clock.
    unseen_since_ms: Option<i64>,
    boot_clock: BootClock,
    // Orders that are left, as last told by whoever could tell, and how many of them somebody knows of.
    left: u64,
    left_known: u64,
}

/// What a word from the hands means.
#[derive(Debug, PartialEq)]
pub enum Meaning {
    /// Nothing new.
    Nothing,
    /// An order was carried out, and that was read back, with what rests.
    Applied(Order, Resting),
    /// A halt fails; it is being tried again. Told once per reason.
    NotHalted(String),
    /// The bot stands although it was not told to: that is a stop.
    Stopped(&'static str, String),
    /// The bot does more than it was told; it is told again.
    Moved,
    /// It stands, and started anew meanwhile.
    Restarted,
    /// It stands and was to manage its exits, which it did and does not any more; and whether it started anew meanwhile.
    ExitsEnded {
        /// It did.
        restarted: bool,
    },
    /// Orders rest although it was told to cancel them; it is told again. Told once per number.
    OrdersLeft(u64),
    /// It cannot be looked at any more, and why: nothing is claimed of it until it is told again and read back.
    OutOfSight(String),
    /// No entry orders and nothing else that was to be cancelled, in a report asked for after this order was carried out.
    Idle(Order, Resting),
    /// Fills became known, perhaps not for the first time.
    Filled(Vec<FillFrame>),
    /// Reports fail. Told once per reason.
    NoReport(String),
    /// The symbols that are to be left out are, and no entry order rests in them, where that is known.
    LeavesOut(Arc<[BlockedFrame]>, Option<u64>),
    /// It is not proved that they are, and why. The reason is told once.
    LeavesNothingOut(Option<String>),
}

impl Bot {
    /// A bot that nobody has looked at, ordered to halt as `first` says: every boot begins so.
    pub fn new(adapter: Arc<dyn Adapter>, boot_clock: BootClock, first: Wanted, report_every_ms: i64) -> (Self, Hands) {
        let order = Order { turn: 1, epoch: Epoch::default(), wanted: first };
        let (orders, ordered) = watch::channel(order);
        let (blocked, to_leave_out) = watch::channel(None);
        let (tell, at_bot) = mpsc::channel(16);
        let lease_until_ms = Arc::new(AtomicI64::new(0));
        let hands = Hands {
            adapter: adapter.clone(),
            boot_clock: boot_clock.clone(),
            lease_until_ms: lease_until_ms.clone(),
            orders: ordered,
            blocked: to_leave_out,
            tell,
            done: Arc::new(AtomicU64::new(0)),
            ask: Arc::new(Notify::new()),
            report_every_ms,
        };
        let bot = Self {
            adapter,
            orders,
            blocked,
            at_bot,
            lease_until_ms,
            order,
            again: Again::No,
            done: None,
            since: order.turn,
            // Whatever survived an earlier agent may be trading until it was looked at.
            doing: State::Active,
            instance: None,
            restart_untold: false,
            exits: None,
            runs: Runs::default(),
            report: None,
            last_error: None,
            not_left_out: None,
            unseen_since_ms: None,
            boot_clock,
            left: 0,
            left_known: 0,
        };
        (bot, hands)
    }

    /// What tells it.
    pub fn adapter(&self) -> AdapterSaid {
        AdapterSaid { name: self.adapter.name().to_owned(), dies_with_agent: self.adapter.traits().dies_with_agent }
    }
    /// The last order given.
    pub fn order(&self) -> Order {
        self.order
    }
    /// What it was last read back doing.
    pub fn doing(&self) -> State {
        self.doing
    }
    /// What it runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }
    /// Its latest report and that report's number.
    pub fn report(&self) -> Option<(u64, Arc<Report>)> {
        self.report.clone()
    }
    /// True once any order was carried out.
    pub fn was_read_back(&self) -> bool {
        self.done.is_some()
    }
    /// True when the last order was a halt and was read back.
    pub fn is_halted(&self) -> bool {
        self.order.wanted.state == State::Halted && self.done == Some(self.order)
    }
    /// The next order is given even if it is the same: a new directive is acknowledged only by what is read back after it.
    pub fn again(&mut self) {
        self.again = Again::Anew;
    }
    /// True when this is not what was ordered last, or is to be ordered again.
    pub fn needs(&self, wanted: Wanted) -> bool {
        self.again != Again::No || wanted != self.order.wanted
    }
    /// Orders it.
    pub fn give(&mut self, wanted: Wanted, epoch: Epoch) {
        let is_anew = self.again == Again::Anew || (epoch, wanted) != (self.order.epoch, self.order.wanted);
        self.again = Again::No;
        self.order = Order { turn: self.order.turn + 1, epoch, wanted };
        if is_anew {
            self.since = self.order.turn;
        }
        self.orders.send_replace(self.order);
    }
    /// Says which symbols are to be left out.
    pub fn leave_out(&self, symbols: Option<Vec<BlockedFrame>>) {
        self.blocked.send_if_modified(|known| {
            let is_news = known.as_deref() != symbols.as_deref();
            if is_news {
                *known = symbols.map(Into::into);
            }
            is_news
        });
    }
    /// True when the last order was carried out.
    pub fn is_told(&self) -> bool {
        self.done == Some(self.order)
    }
    /// Until when it may go on; true when that changed.
    pub fn set_lease(&self, until_ms: i64) -> bool {
        let changed = self.lease_until_ms.swap(until_ms, Ordering::SeqCst) != until_ms;
        if changed {
            self.adapter.renewed(until_ms);
        }
        changed
    }
    /// The next word from the hands; for ever waited for when they are gone.
    pub async fn word(&mut self) -> AtBot {
        match self.at_bot.recv().await {
            Some(word) => word,
            None => std::future::pending().await,
        }
    }

    /// Takes a word from the hands.
    pub fn take(&mut self, word: AtBot) -> Meaning {
        match word {
            AtBot::Done(order, Ok(seen)) => self.carried_out(order, seen),
            AtBot::Done(order, Err(error)) if order.wanted.state == State::Halted => {
                // What it does is not known until it is halted: no report of before shows anything.
                self.since = self.since.max(order.turn);
                self.once(error, Meaning::NotHalted)
            }
            AtBot::Done(_, Err(error)) => Meaning::Stopped("bot_not_started", error.to_string()),
            AtBot::Seen(order, seen) if order == self.order => self.seen(seen),
            AtBot::Unseen(order, error) if order == self.order => self.unseen(&error),
            AtBot::Seen(..) | AtBot::Unseen(..) => Meaning::Nothing,
            AtBot::Runs(runs) => {
                self.runs = runs;
                Meaning::Nothing
            }
            AtBot::Filled(fills) => Meaning::Filled(fills),
            AtBot::LeftOut(symbols, _) if self.blocked.borrow().as_ref() != Some(&symbols) => Meaning::Nothing,
            AtBot::LeftOut(symbols, Ok(left_out)) => {
                self.not_left_out = None;
                Meaning::LeavesOut(symbols, left_out.entry_orders)
            }
            AtBot::LeftOut(symbols, Err(error)) => {
                let why = error.to_string();
                let is_known = symbols.is_empty() || self.not_left_out.as_ref() == Some(&why);
                self.not_left_out = Some(why.clone());
                Meaning::LeavesNothingOut((!is_known).then_some(why))
            }
            AtBot::Reported(turn, Ok(Some(report))) => self.reported(turn, report),
            AtBot::Reported(_, Ok(None)) => Meaning::Nothing,
            AtBot::Reported(_, Err(error)) => self.once(error, Meaning::NoReport),
        }
    }

    fn once(&mut self, error: AdapterError, meaning: fn(String) -> Meaning) -> Meaning {
        let text = error.to_string();
        if self.last_error.as_ref() == Some(&text) {
            return Meaning::Nothing;
        }
        self.last_error = Some(text.clone());
        meaning(text)
    }

    fn carried_out(&mut self, order: Order, seen: ReadBack) -> Meaning {
        // An order that is given again must not take a bot over that restarted meanwhile.
        let went_on = self.done.is_some() && self.doing != State::Halted && order.wanted.state != State::Halted;
        let restarted = went_on && self.is_another(&seen);
        // One that stood and began anew while it was told again: the next look tells.
        self.restart_untold |= self.done.is_some() && self.doing == State::Halted && seen.state == State::Halted && self.is_another(&seen);
        self.doing = seen.state;
        self.instance = seen.instance;
        // Where they ended although they were to go on, the next look finds that and tells.
        if order.wanted.exits == Exits::None || seen.exits != Some(Exits::None) {
            self.exits = seen.exits;
        }
        self.done = Some(order);
        if self.count_left(seen.resting).is_some_and(|left| left > 0) {
            self.since = self.since.max(order.turn);
        }
        self.last_error = None;
        self.unseen_since_ms = None;
        if restarted {
            return Meaning::Stopped("bot_restarted", "the bot restarted by itself".into());
        }
        if seen.state < order.wanted.state {
            return Meaning::Stopped("bot_not_started", format!("told to be {}, the bot says {}", order.wanted.state, seen.state));
        }
        Meaning::Applied(order, seen.resting)
    }

    fn seen(&mut self, seen: ReadBack) -> Meaning {
        let wanted = self.order.wanted.state;
        self.unseen_since_ms = None;
        if seen.state > wanted {
            self.doing = seen.state;
            self.again = Again::Anew;
            return Meaning::Moved;
        }
        let restarted = std::mem::take(&mut self.restart_untold) || self.is_another(&seen);
        // One that said nothing of it before is known from here on.
        self.instance = seen.instance.clone().or(self.instance.take());
        if wanted == State::Halted {
            // What was out of sight, or began anew, is proved anew.
            if restarted || self.doing != State::Halted {
                self.again = Again::Anew;
            }
            return match (self.exits_ended(&seen), restarted) {
                (true, restarted) => Meaning::ExitsEnded { restarted },
                (false, true) => Meaning::Restarted,
                (false, false) => self.orders_left(seen.resting),
            };
        }
        if seen.state < wanted {
            return Meaning::Stopped("bot_stopped", format!("the bot stopped by itself: it is {}", seen.state));
        }
        if restarted {
            return Meaning::Stopped("bot_restarted", "the bot restarted by itself".into());
        }
        self.orders_left(seen.resting)
    }

    /// True when its exits were to go on and do not any more. Told once.
    fn exits_ended(&mut self, seen: &ReadBack) -> bool {
        let before = self.exits;
        self.exits = seen.exits.or(before);
        self.order.wanted.exits == Exits::Managed && (before, seen.exits) == (Some(Exits::Managed), Some(Exits::None))
    }

    /// True when the bot began anew since it was looked at last, as far as it tells.
    fn is_another(&self, seen: &ReadBack) -> bool {
        matches!((&self.instance, &seen.instance), (Some(known), Some(now)) if known != now)
    }

    /// Where orders rest against what was ordered, as this look or whoever told before it, the bot is told again, for as long as it takes.
    fn orders_left(&mut self, resting: Resting) -> Meaning {
        self.count_left(resting);
        if self.left > 0 && self.adapter.traits().can_cancel {
            self.again = self.again.max(Again::ToCancel);
        }
        self.tell_left()
    }

    /// How many of them were to be cancelled, where this tells.
    fn count_left(&mut self, resting: Resting) -> Option<u64> {
        let left = resting.against(self.order.wanted.orders)?;
        self.left = left;
        Some(left)
    }

    fn tell_left(&mut self) -> Meaning {
        let left = self.left;
        if std::mem::replace(&mut self.left_known, left) == left || left == 0 { Meaning::Nothing } else { Meaning::OrdersLeft(left) }
    }

    fn unseen(&mut self, error: &AdapterError) -> Meaning {
        let now = self.boot_clock.now_ms();
        let since = *self.unseen_since_ms.get_or_insert(now);
        if now.saturating_sub(since) < self.adapter.apply_within_ms() {
            return Meaning::Nothing;
        }
        if self.order.wanted.state != State::Halted {
            return Meaning::Stopped("bot_not_seen", format!("the bot cannot be looked at: {error}"));
        }
        // It may be trading until it is looked at again.
        if std::mem::replace(&mut self.doing, State::Active) == State::Active {
            Meaning::Nothing
        } else {
            Meaning::OutOfSight(error.to_string())
        }
    }

    fn reported(&mut self, turn: u64, report: Arc<Report>) -> Meaning {
        let number = self.report.as_ref().map_or(1, |(number, _)| number + 1);
        self.report = Some((number, report.clone()));
        // Asked for before what is wanted was carried out, or of a bot that may trade, it shows nothing.
        let stands = self.done.filter(|done| self.since <= done.turn && self.since <= turn && done.wanted.state != State::Active);
        let Some(order) = stands.filter(|_| self.adapter.traits().can_tell_orders) else { return Meaning::Nothing };
        let resting = Resting::from(report.as_ref());
        // A look may not have had the time to read the orders; the next one has the bot told again.
        self.count_left(resting);
        let is_idle = resting.entry == Some(0) && resting.against(order.wanted.orders) == Some(0);
        if is_idle { Meaning::Idle(order, resting) } else { self.tell_left() }
    }
}
