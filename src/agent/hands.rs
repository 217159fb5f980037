//! The two tasks at the bot: one carries out orders and watches for changes, the other asks for reports. A slow report never delays a stop, and
//! a start in progress never outlives one.

use super::{
    BootClock,
    adapters::{Adapter, AdapterError, LeftOut, ReadBack, Runs, Traits, Wanted},
};
use crate::domain::{Epoch, State};
use crate::protocol::{BlockedFrame, FillFrame, Report};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};

/// A halt that failed is tried again after this long, for ever.
const AGAIN: Duration = Duration::from_millis(500);
/// That symbols are left out is looked at this often. A bot may have to ask its exchange for what it says then.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(2);

/// Symbols that a bot is to leave out; none before a server was heard.
pub type Blocked = Option<Arc<[BlockedFrame]>>;

/// An order to the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Counts orders.
    pub turn: u64,
    /// The epoch of the directive it follows from.
    pub epoch: Epoch,
    /// What to do.
    pub wanted: Wanted,
}

/// What happened at the bot.
#[derive(Debug)]
pub enum AtBot {
    /// An order was carried out, or failed.
    Done(Order, Result<ReadBack, AdapterError>),
    /// The bot was looked at, with no order pending.
    Seen(Order, ReadBack),
    /// The bot could not be looked at, with no order pending.
    Unseen(Order, AdapterError),
    /// A report came. The number is that of the last order carried out before it was asked for.
    Reported(u64, Result<Option<Arc<Report>>, AdapterError>),
    /// Fills became known.
    Filled(Vec<FillFrame>),
    /// What it runs, told when it changed.
    Runs(Runs),
    /// These symbols are left out, or that is not proved.
    LeftOut(Arc<[BlockedFrame]>, Result<LeftOut, AdapterError>),
}

/// The hands of one agent.
pub struct Hands {
    /// The bot.
    pub adapter: Arc<dyn Adapter>,
    /// What leases run on.
    pub boot_clock: BootClock,
    /// The end of the lease: past it no order frees the bot. Boot-clock milliseconds.
    pub lease_until_ms: Arc<AtomicI64>,
    /// The latest order; only the latest counts.
    pub orders: watch::Receiver<Order>,
    /// The symbols to leave out; only the latest count.
    pub blocked: watch::Receiver<Blocked>,
    /// Where everything is told.
    pub tell: mpsc::Sender<AtBot>,
    /// The last order carried out.
    pub done: Arc<AtomicU64>,
    /// Asks for a report now.
    pub ask: Arc<Notify>,
    /// How often a report is asked for without that. Milliseconds.
    pub report_every_ms: i64,
}

impl Hands {
    /// Works until the runner goes.
    pub async fn run(self) {
        let mut orders = self.orders.clone();
        let mut blocked = self.blocked.clone();
        tokio::select! {
            () = self.carry_out(&mut orders) => {}
            () = self.ask_for_reports() => {}
            () = self.leave_out(&mut blocked), if self.adapter.traits().leaves_out_within_ms.is_some() => {}
        }
    }

    async fn carry_out(&self, orders: &mut watch::Receiver<Order>) {
        loop {
            let order = *orders.borrow_and_update();
            let Some(result) = self.try_order(order, orders).await else {
                if orders.has_changed().is_err() {
                    return;
                }
                continue;
            };
            let failed = result.is_err();
            if !failed {
                self.done.store(order.turn, Ordering::SeqCst);
                self.ask.notify_one();
            }
            if self.tell.send(AtBot::Done(order, result)).await.is_err() {
                return;
            }
            if failed && order.wanted.state == State::Halted {
                // An order that is newer is a halt too, or waits for this one to succeed.
                let _ = tokio::time::timeout(AGAIN, orders.changed()).await;
                continue;
            }
            self.watch_until_ordered(order, orders).await;
        }
    }

    /// Carries an order out, unless a stricter one comes meanwhile: `None`.
    async fn try_order(&self, order: Order, orders: &mut watch::Receiver<Order>) -> Option<Result<ReadBack, AdapterError>> {
        if order.wanted.state != State::Halted && self.boot_clock.now_ms() >= self.lease_until_ms.load(Ordering::SeqCst) {
            return Some(Err(AdapterError::new("the lease ran out before the bot was told")));
        }
        failpoint!("agent:before_apply");
        let mut work = std::pin::pin!(self.adapter.apply(&order.wanted));
        let mut another_waits = false;
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                changed = orders.changed() => {
                    changed.ok()?;
                    if overtakes(&orders.borrow_and_update().wanted, &order.wanted, self.adapter.traits()) {
                        return None;
                    }
                    another_waits = true;
                }
            }
        };
        if another_waits {
            orders.mark_changed();
        }
        failpoint!("agent:applied");
        Some(result.and_then(|seen| {
            if seen.state > order.wanted.state {
                return Err(AdapterError(format!("told to be {}, the bot says {}", order.wanted.state, seen.state)));
            }
            Ok(seen)
        }))
    }

    async fn watch_until_ordered(&self, order: Order, orders: &mut watch::Receiver<Order>) {
        loop {
            tokio::select! {
                biased;
                _ = orders.changed() => return,
                () = self.adapter.changed() => {}
            }
            let seen = tokio::select! {
                biased;
                _ = orders.changed() => return,
                seen = self.adapter.look() => seen,
            };
            let word = match seen {
                Ok(seen) => AtBot::Seen(order, seen),
                Err(error) => AtBot::Unseen(order, error),
            };
            if self.tell.send(word).await.is_err() {
                return;
            }
        }
    }

    /// Beside the orders: a stop waits for no symbol.
    async fn leave_out(&self, blocked: &mut watch::Receiver<Blocked>) {
        loop {
            let symbols = blocked.borrow_and_update().clone();
            let Some(symbols) = symbols else {
                if blocked.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let result = tokio::select! {
                result = self.adapter.leave_out(&symbols) => result,
                // What is to be left out now counts; another one waits for its turn with the next call.
                changed = blocked.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            let is_over = symbols.is_empty() && result.is_ok();
            if self.tell.send(AtBot::LeftOut(symbols, result)).await.is_err() {
                return;
            }
            let wait = if is_over { Duration::MAX } else { LEFT_OUT_EVERY };
            if let Ok(Err(_)) = tokio::time::timeout(wait, blocked.changed()).await {
                return;
            }
        }
    }

    async fn ask_for_reports(&self) {
        let mut runs = None;
        loop {
            let now = self.adapter.runs().await;
            if runs.as_ref() != Some(&now) {
                runs = Some(now.clone());
                if self.tell.send(AtBot::Runs(now)).await.is_err() {
                    return;
                }
            }
            let done = self.done.load(Ordering::SeqCst);
            let report = self.adapter.report().await.map(|report| report.map(Arc::new));
            if self.tell.send(AtBot::Reported(done, report)).await.is_err() {
                return;
            }
            let fills = self.adapter.fills().await;
            if !fills.is_empty() && self.tell.send(AtBot::Filled(fills)).await.is_err() {
                return;
            }
            let every = Duration::from_millis(u64::try_from(self.report_every_ms).unwrap_or(1_000));
            let _ = tokio::time::timeout(every, self.ask.notified()).await;
        }
    }
}

/// True when what is wanted now must not wait for what is being done. Where orders cannot be cancelled and no exits managed, every halt is the same
/// one: begun anew it would only take longer.
fn overtakes(newer: &Wanted, doing: &Wanted, traits: Traits) -> bool {
    newer.is_stricter_than(doing) && (newer.state != doing.state || traits.can_cancel || traits.can_manage_exits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Exits, Orders};

    #[test]
    fn a_halt_under_way_is_begun_anew_only_where_that_does_more() {
        let wanted = |state, orders| Wanted { state, orders, exits: Exits::None };
        let (run, halt, kill) =
            (wanted(State::Active, Orders::Keep), wanted(State::Halted, Orders::CancelEntries), wanted(State::Halted, Orders::CancelAll));
        let process = Traits {
            can_reduce: false,
            can_tell_orders: true,
            can_cancel: false,
            can_manage_exits: false,
            dies_with_agent: true,
            leaves_out_within_ms: None,
        };
        assert!(overtakes(&halt, &run, process), "a stop waits for no start");
        assert!(!overtakes(&kill, &halt, process), "its process is being ended already");
        assert!(overtakes(&kill, &halt, Traits { can_cancel: true, ..process }));
        assert!(!overtakes(&halt, &kill, Traits { can_cancel: true, ..process }));
    }
}
