//! One pass of the guard at one venue: arm, cancel, read back. What is not known is never taken for empty, and never ends it.

use super::{App, verify};
use crate::app::{
    keys::hand::{Hand, within},
    reconcile::sides::orders_words,
};
use crate::domain::{AlertKind, BotFacts, BotId, Epoch, KeyPurpose, Level, Subject, ladder::EMPTY_READS, reconciliation::GuardCancels};
use crate::venues::{ArmScope, CancelScope, Cancelled, OpenOrder, Position, VenueError};
use std::sync::Arc;

/// What was read back after cancelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardDid {
    /// Orders that should not be there.
    pub left: Vec<OpenOrder>,
    /// Orders of which nobody can say whether they are.
    pub unsure: Vec<OpenOrder>,
    /// Everything that rests.
    pub resting: usize,
}

impl GuardDid {
    /// Splits what rests by what was to be cancelled.
    pub fn of(orders: Vec<OpenOrder>, scope: CancelScope) -> Self {
        let resting = orders.len();
        if scope == CancelScope::All {
            return Self { left: orders, unsure: Vec::new(), resting };
        }
        let (left, rest): (Vec<OpenOrder>, Vec<OpenOrder>) = orders.into_iter().partition(|order| order.is_entry == Some(true));
        Self { left, unsure: rest.into_iter().filter(|order| order.is_entry.is_none()).collect(), resting }
    }
    /// Nothing is there that should not be, and that is known.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty() && self.unsure.is_empty()
    }
    fn words(&self) -> String {
        let named = |orders: &[OpenOrder], what: &str| orders_words(&orders.iter().collect::<Vec<_>>(), what);
        match (self.left.as_slice(), self.unsure.as_slice()) {
            ([], []) if self.resting == 0 => "nothing rests".to_owned(),
            ([], []) => format!("no entry order rests; {} protective or conditional stay", self.resting),
            ([], unsure) => format!("{}, which the venue does not tell from protective ones", named(unsure, "order")),
            (left, _) => format!("{} still", named(left, "order")),
        }
    }
}

/// How many empty readings in a row there were. One that came after something had to be cancelled is the first of its row: whoever placed that may
/// place the next.
fn in_a_row(before: u8, is_empty: bool, found_none: bool) -> u8 {
    match (is_empty, found_none) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => before.saturating_add(1),
    }
}

fn told(cancelled: &Result<Cancelled, VenueError>) -> String {
    match cancelled {
        Ok(Cancelled { told, left }) => format!("told the venue to cancel {told}, left {left} alone"),
        Err(error) => format!("cancelling: {error}"),
    }
}

impl App {
    /// What may be cancelled for a bot at its venue; none: nothing.
    fn cancel_scope(&self, bot: &BotId, hand: &Hand, level: Level) -> Option<CancelScope> {
        match level {
            Level::Kill => Some(CancelScope::All),
            _ if hand.venue.capability().tells_entries => Some(CancelScope::Entries),
            _ => (self.watch_of(bot).guard_cancels == GuardCancels::All).then_some(CancelScope::All),
        }
    }

    /// One pass for a stop that was begun in the book.
    pub(super) async fn guard_pass(self: &Arc<Self>, bot: &BotFacts, stop: Epoch) {
        let hand = match self.hand_at_venue(&bot.id, KeyPurpose::Guard).await {
            Ok(Some(hand)) => hand,
            Ok(None) => return self.guard_says(bot, stop, "cancel", "no guard key is held any more").await,
            Err(error) => return self.guard_says(bot, stop, "cancel", &format!("the guard key cannot be used: {error}")).await,
        };
        let Some(level) = self.guard.with(&bot.id, |run| run.level) else { return };
        let Some(scope) = self.cancel_scope(&bot.id, &hand, level) else {
            let said =
                "nothing was cancelled: the venue does not tell entry orders from protective ones, and the bot's setting keeps those";
            return self.guard_says(bot, stop, "cancel", said).await;
        };
        if level == Level::Kill {
            self.arm(bot, stop, &hand).await;
        }
        let cancelled = within(hand.venue.cancel_all(&hand.credential, scope)).await;
        let read = within(hand.venue.open_orders(&hand.credential)).await.map(|orders| GuardDid::of(orders, scope));
        let found = match &read {
            Ok(did) => did.words(),
            Err(error) => format!("reading back: {error}"),
        };
        // With what was known before: a newer stop begins its own count.
        let is_empty = read.as_ref().is_ok_and(GuardDid::is_empty);
        let found_none = cancelled.as_ref().is_ok_and(|cancelled| cancelled.told == 0);
        let empty_reads = self.guard.with(&bot.id, |run| {
            if run.level == level {
                run.empty_reads = in_a_row(run.empty_reads, is_empty, found_none);
            }
            run.empty_reads
        });
        self.guard_says(bot, stop, "cancel", &format!("{}; {found}", told(&cancelled))).await;
        if let (Ok(did), Some(EMPTY_READS)) = (&read, empty_reads) {
            self.note_read_back(bot, stop, verify::Found { open_orders: did.resting as i64, key: hand.key.to_string() }).await;
        }
        if level == Level::Kill && is_empty && empty_reads == Some(EMPTY_READS) {
            self.report_positions(bot, stop, &hand).await;
        }
    }

    /// Arms the venue's own switch once, where it covers the account: everything is cancelled even if the next call fails.
    async fn arm(&self, bot: &BotFacts, stop: Epoch, hand: &Hand) {
        let arms = hand.venue.capability().arms.is_some_and(|arming| arming.scope == ArmScope::Account);
        if !arms || self.guard.with(&bot.id, |run| std::mem::replace(&mut run.is_armed, true)) != Some(false) {
            return;
        }
        let said = match within(hand.venue.arm_cancel(&hand.credential)).await {
            Ok(armed) => {
                let at = armed.fires_at.map_or_else(String::new, |at| format!(", fires at {}", at.plain()));
                format!("the venue's switch is armed{at}")
            }
            // Cancelling follows in any case.
            Err(error) => {
                self.guard.with(&bot.id, |run| run.is_armed = false);
                format!("the venue's switch: {error}")
            }
        };
        self.guard_says(bot, stop, "arm", &said).await;
    }

    /// Says which positions stay open after a kill. Nothing here closes one.
    async fn report_positions(&self, bot: &BotFacts, stop: Epoch, hand: &Hand) {
        let subject = Subject::bot(&bot.id);
        let said = match within(hand.venue.positions(&hand.credential)).await {
            Ok(positions) if positions.is_empty() => {
                self.settle(AlertKind::PositionsStay, &subject, "the venue shows no position of the bot any more");
                "no position is open".to_owned()
            }
            Ok(positions) => {
                let named = position_words(&positions);
                if !self.alerts.is_open(AlertKind::PositionsStay, &subject) {
                    let words = format!(
                        "{} was killed and its orders are cancelled, and these positions stay open: {named}. Nothing here closes them and \
                         nothing protects them. Decide at the venue.",
                        bot.name,
                    );
                    self.raise(AlertKind::PositionsStay, subject, words);
                }
                format!("positions stay open: {named}")
            }
            Err(error) => format!("positions could not be read: {error}"),
        };
        self.guard_says(bot, stop, "positions", &said).await;
    }
}

fn position_words(positions: &[Position]) -> String {
    const NAMED: usize = 10;
    let named =
        positions.iter().take(NAMED).map(|one| format!("{} {}", one.symbol, one.quantity.shortest())).collect::<Vec<_>>().join(", ");
    if positions.len() > NAMED { format!("{named} and {} more", positions.len() - NAMED) } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(is_entry: Option<bool>) -> OpenOrder {
        OpenOrder {
            id: "1".to_owned(),
            symbol: "BTCUSDT".to_owned(),
            market: String::new(),
            side: None,
            is_entry,
            is_conditional: false,
            quantity: None,
            price: None,
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_empty() {
        let of = |orders: &[Option<bool>], scope| GuardDid::of(orders.iter().map(|is_entry| order(*is_entry)).collect(), scope);
        assert!(of(&[], CancelScope::Entries).is_empty() && of(&[Some(false)], CancelScope::Entries).is_empty());
        assert!(!of(&[Some(true), Some(false)], CancelScope::Entries).is_empty());
        assert!(!of(&[None], CancelScope::Entries).is_empty(), "it may be an entry");
        assert!(!of(&[Some(false)], CancelScope::All).is_empty(), "under a kill nothing may stay");
        assert_eq!(of(&[Some(false)], CancelScope::Entries).words(), "no entry order rests; 1 protective or conditional stay");
    }
}
