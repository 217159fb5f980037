//! What a demo bot trades: one position and a handful of orders that wander. Amounts are whole cents, so that nothing is ever rounded.

use crate::domain::Timestamp;
use crate::protocol::{FillFrame, Position, Report, Totals};
use fastrand::Rng;
use std::collections::VecDeque;

/// Price of one unit, cents.
const PRICE: i64 = 6_500_000;
/// What one order is of, thousandths of a unit.
const ORDER: i64 = 5;
/// So many of its last fills it tells, again and again.
const TOLD: usize = 200;

/// A small market with one trader in it.
pub struct Market {
    rng: Rng,
    equity: i64,
    day: i64,
    // Thousandths of a unit.
    quantity: i64,
    entry_orders: u64,
    // They protect or close.
    other_orders: u64,
    totals: Totals,
    fills: VecDeque<FillFrame>,
    // Fills of another run have other ids.
    run: u64,
    drift: i64,
    noisy: bool,
}

fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

impl Market {
    /// A trader with its own luck; `drift` in cents per tick, `noisy` sends and loses many orders.
    pub fn new(seed: u64, drift: i64, noisy: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let equity = rng.i64(2_000_000..20_000_000);
        Self {
            equity,
            day: 0,
            quantity: rng.i64(20..400),
            entry_orders: 0,
            other_orders: 0,
            totals: Totals::default(),
            fills: VecDeque::new(),
            run: fastrand::u64(..),
            drift,
            noisy,
            rng,
        }
    }

    /// One step of trading.
    pub fn trade(&mut self, now: Timestamp) {
        let result = self.rng.i64(-900..=900) + self.drift;
        self.equity += result;
        self.day += result;
        self.quantity = (self.quantity + self.rng.i64(-9..=9)).clamp(5, 900);
        self.entry_orders = self.rng.u64(3..12);
        self.other_orders = 2;
        let (orders, rejects) = if self.noisy { (60, 9) } else { (4, 0) };
        let add = |total: &mut Option<u64>, n: u64| *total = Some(total.unwrap_or(0) + n);
        add(&mut self.totals.orders, orders);
        add(&mut self.totals.cancels, orders / 2);
        // Few of them are carried out.
        let filled = if self.noisy { 2 } else { u64::from(self.rng.u8(0..4) == 0) };
        add(&mut self.totals.fills, filled);
        add(&mut self.totals.rejects, rejects);
        self.totals.consecutive_errors = Some(0);
        for n in 0..filled {
            let fill = self.fill(self.totals.fills.unwrap_or(0) - n, now);
            self.fills.push_back(fill);
        }
        self.fills.drain(..self.fills.len().saturating_sub(TOLD));
    }

    fn fill(&mut self, number: u64, now: Timestamp) -> FillFrame {
        let price = PRICE + self.rng.i64(-4_000..=4_000);
        let maker = self.rng.u8(0..10) < 7;
        // Hundredths of a per cent of its worth, in hundredths of a cent.
        let fee = ORDER * price / 1_000 * if maker { 2 } else { 10 } / 100;
        FillFrame {
            id: format!("{:016x}-{number}", self.run),
            order_id: Some(format!("demo-{:016x}-{number}", self.run)),
            client_order_id: None,
            at: now,
            symbol: "BTC/USDT".into(),
            side: if self.rng.bool() { "buy" } else { "sell" }.into(),
            quantity: format!("0.{ORDER:03}"),
            price: money(price),
            fee: Some(format!("{}.{:04}", fee / 10_000, fee % 10_000)),
            fee_currency: Some("USDT".into()),
            maker: Some(maker),
        }
    }

    /// Its last fills, oldest first.
    pub fn fills(&self) -> &VecDeque<FillFrame> {
        &self.fills
    }

    /// Cancels what would open or add; the position stays.
    pub fn cancel_entries(&mut self) {
        self.entry_orders = 0;
    }

    /// Cancels every order; the position stays.
    pub fn cancel_all(&mut self) {
        self.entry_orders = 0;
        self.other_orders = 0;
    }

    /// What it has to report.
    pub fn report(&mut self) -> Report {
        let notional = self.quantity * PRICE / 1_000;
        Report {
            equity: Some(money(self.equity)),
            cash: Some(money(self.equity - notional)),
            currency: Some("USDT".into()),
            unrealized_pnl: Some(money(self.day / 3)),
            realized_pnl_day: Some(money(self.day)),
            open_orders: Some(self.entry_orders + self.other_orders),
            entry_orders: Some(self.entry_orders),
            positions: Some(vec![Position {
                symbol: "BTC/USDT".into(),
                side: Some("long".into()),
                quantity: Some(format!("{}.{:03}", self.quantity / 1_000, self.quantity % 1_000)),
                notional: Some(money(notional)),
                entry_price: Some(money(PRICE)),
                unrealized_pnl: Some(money(self.day / 3)),
                working_notional: Some(money(self.entry_orders.cast_signed() * ORDER * PRICE / 1_000)),
            }]),
            largest_order_notional: Some(money(ORDER * PRICE / 1_000)),
            leverage: Some(format!("{}.{:02}", notional * 100 / self.equity.max(1) / 100, notional * 100 / self.equity.max(1) % 100)),
            slippage_bps: Some(format!("{}.{}", self.rng.u8(0..3), self.rng.u8(0..10))),
            market_data_age_ms: Some(self.rng.i64(20..180)),
            venue_latency_ms: Some(self.rng.i64(15..90)),
            totals: Some(self.totals.clone()),
            ..Report::default()
        }
    }
}
