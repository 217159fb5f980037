//! Has a Freqtrade bot add nothing in some symbols while it goes on elsewhere. Its blacklist keeps new trades out from the next round of its loop
//! on. A trade that is open in the symbol may end and be entered anew within one round, so its pair is locked beside; one that the strategy may add
//! to (`position_adjustment_enable`) cannot be kept from that, and then the whole bot is reduced.
//!
//! What is added here says so itself, so that exactly that is taken away again, by whichever agent and after whatever restart: the patterns begin
//! with a comment, the locks name a reason. What the operator has on either list is never touched.

use super::{
    FreqtradeAdapter,
    facts::{Lock, Mode, Trade},
    steps::{STEP, came_round},
};
use crate::agent::adapters::{AdapterError, LeftOut};
use crate::protocol::BlockedFrame;
use std::collections::BTreeSet;

/// A pattern of ours begins so: a comment, to Freqtrade's regular expressions.
const MARK: &str = "(?#andon)";
/// A lock of ours says so.
const REASON: &str = "andon: this symbol is held";
/// It is in force until it is taken away.
const FOR_EVER: &str = "2099-12-31T00:00:00Z";

impl FreqtradeAdapter {
    /// See [`Adapter::leave_out`](crate::agent::adapters::Adapter::leave_out).
    pub(super) async fn keep_out(&self, symbols: &[BlockedFrame]) -> Result<LeftOut, AdapterError> {
        // Where it is held does not matter: what is told is for this bot, and a bot trades at one venue.
        let names: BTreeSet<&str> = symbols.iter().map(|one| one.symbol.as_str()).collect();
        let end = self.boot_clock.now_ms().saturating_add(self.config.apply_within_ms());
        loop {
            let is_listed = self.list(&names).await?;
            let trades = self.trades_in(&names).await?;
            let is_locked = self.lock(&names, &trades).await?;
            if names.is_empty() {
                return Ok(LeftOut { entry_orders: Some(0) });
            }
            if is_listed && is_locked && self.inside().left_out_a_round {
                return self.is_left_out(trades).await;
            }
            self.await_round(end).await?;
            self.cancel_entries(&names, end).await?;
        }
    }

    /// Puts on the blacklist what is to be there, takes away what of ours is not, and reads back. True when nothing was to be added.
    async fn list(&self, names: &BTreeSet<&str>) -> Result<bool, AdapterError> {
        let patterns: BTreeSet<String> = names.iter().map(|name| pattern(name)).collect();
        let there = self.api.blacklist().await?.blacklist;
        let missing: Vec<&str> = patterns.iter().map(String::as_str).filter(|one| !there.iter().any(|known| known == one)).collect();
        let past: Vec<&str> = there.iter().map(String::as_str).filter(|one| one.starts_with(MARK) && !patterns.contains(*one)).collect();
        if !missing.is_empty() {
            self.inside().left_out_a_round = false;
            self.api.add_to_blacklist(&missing).await?;
        }
        if !past.is_empty() {
            self.api.take_from_blacklist(&past).await?;
        }
        if !missing.is_empty() || !past.is_empty() {
            let now: BTreeSet<String> = self.api.blacklist().await?.blacklist.into_iter().filter(|one| one.starts_with(MARK)).collect();
            if now != patterns {
                return Err(AdapterError::new("Freqtrade answered, and its blacklist is not what it was to become"));
            }
        }
        Ok(missing.is_empty())
    }

    async fn trades_in(&self, names: &BTreeSet<&str>) -> Result<Vec<Trade>, AdapterError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.api.status().await?.into_iter().filter(|trade| names.iter().any(|name| is_of(&trade.pair, name))).collect())
    }

    /// Locks the pairs of these trades, and unlocks what of ours is of no such symbol. True when nothing was to be locked.
    async fn lock(&self, names: &BTreeSet<&str>, trades: &[Trade]) -> Result<bool, AdapterError> {
        let locks = self.api.locks().await?.locks;
        let ours = |lock: &&Lock| lock.reason.as_deref() == Some(REASON);
        for lock in locks.iter().filter(ours).filter(|lock| !names.iter().any(|name| is_of(&lock.pair, name))) {
            self.api.unlock(lock.id).await?;
        }
        let pairs: BTreeSet<&str> = trades.iter().map(|trade| trade.pair.as_str()).collect();
        let is_locked = |pair: &str| locks.iter().filter(ours).any(|lock| lock.pair == pair && lock.side == "*");
        let open: Vec<&str> = pairs.into_iter().filter(|pair| !is_locked(pair)).collect();
        if !open.is_empty() {
            self.inside().left_out_a_round = false;
            self.api.lock(&open, FOR_EVER, REASON).await?;
        }
        Ok(open.is_empty())
    }

    /// Waits until a round of its loop that began before now has ended; one that stands makes none.
    async fn await_round(&self, end: i64) -> Result<(), AdapterError> {
        let mark = self.mark().await?;
        loop {
            let (health, worker) = self.loop_now().await?;
            if worker.mode == Some(Mode::Stopped) || came_round(&mark, &health, worker) {
                self.inside().left_out_a_round = true;
                return Ok(());
            }
            if self.boot_clock.now_ms() >= end {
                return Err(AdapterError::new(
                    "in the time that it has nothing proves that Freqtrade's loop has come round with the new blacklist",
                ));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn cancel_entries(&self, names: &BTreeSet<&str>, end: i64) -> Result<(), AdapterError> {
        loop {
            let trades = self.trades_in(names).await?;
            let with_entries: Vec<&Trade> = trades.iter().filter(|trade| trade.entry_orders() > 0).collect();
            if with_entries.is_empty() {
                return Ok(());
            }
            if self.boot_clock.now_ms() >= end {
                return Err(AdapterError(format!("entry orders rest in {} that could not be cancelled", pairs(&with_entries))));
            }
            for trade in with_entries {
                // What it answers proves nothing; the orders are read back.
                if let Err(error) = self.api.cancel(trade.trade_id).await {
                    tracing::debug!(pair = %trade.pair, "a cancel was answered: {error}");
                }
            }
            tokio::time::sleep(STEP / 2).await;
        }
    }

    /// Read last: whether anything rests or can be added after all.
    async fn is_left_out(&self, trades: Vec<Trade>) -> Result<LeftOut, AdapterError> {
        let with_entries: Vec<&Trade> = trades.iter().filter(|trade| trade.entry_orders() > 0).collect();
        if !with_entries.is_empty() {
            // Somebody entered by hand, or a cancelled order was placed anew: the next call cancels.
            self.inside().left_out_a_round = false;
            return Err(AdapterError(format!("entry orders rest in {}", pairs(&with_entries))));
        }
        if !trades.is_empty() && self.api.config().await?.adds_to_trades() {
            let open: Vec<&Trade> = trades.iter().collect();
            return Err(AdapterError(format!(
                "its strategy may add to the open trade in {} (position_adjustment_enable), which no blacklist keeps it from",
                pairs(&open)
            )));
        }
        Ok(LeftOut { entry_orders: Some(0) })
    }
}

fn pairs(trades: &[&Trade]) -> String {
    trades.iter().map(|trade| trade.pair.as_str()).collect::<Vec<_>>().join(", ")
}

/// True for the pair itself and for its contracts: `BTC/USDT:USDT` is of `BTC/USDT`.
fn is_of(pair: &str, symbol: &str) -> bool {
    let (pair, symbol) = (pair.to_ascii_uppercase(), symbol.to_ascii_uppercase());
    pair.strip_prefix(&symbol).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// What stands on the blacklist for a symbol: the pair and its contracts, as [`is_of`] has them.
fn pattern(symbol: &str) -> String {
    let escaped: String = symbol
        .chars()
        .flat_map(|c| (!c.is_ascii_alphanumeric() && !"/-_:".contains(c)).then_some('\\').into_iter().chain(std::iter::once(c)))
        .collect();
    format!("{MARK}{escaped}(:.*)?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_its_pair_and_its_contracts_and_no_other() {
        for (pair, symbol, of) in [
            ("BTC/USDT", "BTC/USDT", true),
            ("BTC/USDT:USDT", "BTC/USDT", true),
            ("btc/usdt", "BTC/USDT", true),
            ("BTC/USDTX", "BTC/USDT", false),
            ("WBTC/USDT", "BTC/USDT", false),
            ("ETH/USDT", "BTC/USDT", false),
            ("BTC/USDT", "BTC/USDT:USDT", false),
        ] {
            assert_eq!(is_of(pair, symbol), of, "{pair} {symbol}");
        }
        assert_eq!(pattern("BTC/USDT"), "(?#andon)BTC/USDT(:.*)?");
        assert_eq!(pattern("1000.X/USD+"), "(?#andon)1000\\.X/USD\\+(:.*)?");
    }
}
