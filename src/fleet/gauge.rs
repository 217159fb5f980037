//! What is counted of one bot from what its agent reports, and what of that breaks a limit. Counters go on across reconnects, restarts of bots,
//! whose totals then begin at zero, and restarts of servers. Absent is unknown, never zero: what is not reported breaks nothing and is shown as
//! not measured.

use super::exposure;
use crate::domain::{
    Decimal, Timestamp,
    limits::{
        Check, Compiled,
        compiled::{CHECKS, Numbers},
    },
    time::DAY_MS,
};
use crate::protocol::{Report, Totals};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The time over which the share of rejects is formed, minutes, and how many orders it takes.
const SHARE_MINUTES: i64 = 15;
const SHARE_ORDERS: u64 = 10;
/// A rate is of so many seconds.
const RATE_S: i64 = 60;
/// What came within so many seconds counts as of now; what took longer is spread over the time it took.
const AT_ONCE_S: i64 = 5;

/// A limit that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub check: Check,
    /// What was measured; in words where it is no number.
    pub value: String,
    /// The limit; in words where it is no number.
    pub limit: String,
    /// In which symbol.
    pub symbol: Option<String>,
}

/// What is kept of a bot, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// When its last report came.
    pub at: Timestamp,
    // The totals it gave last.
    orders: Option<u64>,
    cancels: Option<u64>,
    fills: Option<u64>,
    rejects: Option<u64>,
    // Second, orders and messages; and minute, orders and rejects.
    seconds: VecDeque<(i64, u64, u64)>,
    minutes: VecDeque<(i64, u64, u64)>,
    // Errors in a row: those before the bot was started anew, those it gave last, and what was known while it was halted.
    errors_before: u64,
    errors: Option<u64>,
    errors_known: Option<u64>,
    // The day, UTC, and what was made in it before the bot was started anew.
    day: i64,
    realized_before: Decimal,
    realized: Option<Decimal>,
    unrealized: Option<Decimal>,
    unrealized_at_dawn: Decimal,
    equity_at_dawn: Option<Decimal>,
    // The highest equity, and whether a hold for what was lost since stands or stood.
    peak: Option<Decimal>,
    is_drawdown_held: bool,
    // The equity of its last report, and where it traded then.
    equity: Option<Decimal>,
    account: Option<String>,
    /// What amounts are in.
    pub currency: Option<String>,
    /// What it has at stake.
    pub exposure: Option<Decimal>,
    /// What it lost in the day.
    pub loss: Option<Decimal>,
}

/// How a bot stands when its report is judged.
pub struct Standing<'a> {
    /// Its limits.
    pub rules: &'a Compiled,
    /// Where it trades; none: that is not known.
    pub account: Option<&'a str>,
    /// It may add or reduce: a halted bot is measured and not judged, since it is stopped already and every release would be undone.
    pub is_judged: bool,
    /// It is above sandbox: there nothing that is missing is allowed.
    pub is_live: bool,
    /// Whether an unreleased hold of this check stands.
    pub is_held: &'a dyn Fn(Check) -> bool,
}

impl Counted {
    /// Takes a report in and measures.
    pub fn measure(&mut self, report: &Report, rules: &Compiled, now: Timestamp) -> Numbers {
        let nothing = Totals::default();
        let totals = report.totals.as_ref().unwrap_or(&nothing);
        let is_anew = self.is_started_anew(totals);
        let (orders, cancels) = (step(&mut self.orders, totals.orders), step(&mut self.cancels, totals.cancels));
        let rejects = step(&mut self.rejects, totals.rejects);
        // Only whether it went down is of interest.
        let _ = step(&mut self.fills, totals.fills);
        self.count_rates((orders, cancels, rejects), now);
        let errors = self.count_errors(totals, is_anew, orders);
        self.count_currency(report);
        self.count_day(report, is_anew, now);
        self.exposure = exposure::gross(report).map(|money| money.amount);
        let equity = report.equity.as_deref().and_then(Decimal::parse);
        self.peak = self.peak.max(equity);
        self.equity = equity.or(self.equity);
        self.at = now;
        let is_same_money = rules.currency.is_none() || rules.currency == report.currency;
        let money = |amount: Option<Decimal>| amount.filter(|_| is_same_money);
        let mut all = [None; CHECKS];
        let mut set = |check: Check, value: Option<Decimal>| {
            if let Some(place) = all.get_mut(check.place()) {
                *place = value;
            }
        };
        set(Check::OrderNotional, money(report.largest_order_notional.as_deref().and_then(Decimal::parse).map(Decimal::abs)));
        set(Check::PositionNotional, money(largest(report)));
        set(Check::Leverage, report.leverage.as_deref().and_then(Decimal::parse));
        set(Check::DailyLoss, money(self.loss));
        set(Check::Drawdown, money(self.peak.zip(equity).map(|(peak, equity)| peak.minus(equity))));
        set(Check::OpenOrders, report.open_orders.map(Decimal::whole));
        set(Check::OrdersPerMinute, totals.orders.map(|_| Decimal::whole(self.seconds.iter().map(|one| one.1).sum())));
        let messages = totals.orders.and(totals.cancels);
        set(Check::MessagesPerMinute, messages.map(|_| Decimal::whole(self.seconds.iter().map(|one| one.2).sum())));
        set(Check::ConsecutiveErrors, errors.map(Decimal::whole));
        set(Check::MarketDataAge, report.market_data_age_ms.map(|age| Decimal::whole(u64::try_from(age).unwrap_or_default())));
        set(Check::RejectRate, totals.rejects.and_then(|_| self.share_of_rejects()));
        set(Check::Slippage, report.slippage_bps.as_deref().and_then(Decimal::parse));
        all
    }

    /// Takes in where the bot trades, before the report from there is measured. Elsewhere it has another equity: the difference was neither made
    /// nor lost, and what was lost before is not forgotten by it.
    pub fn trades_at(&mut self, account: Option<&str>, report: &Report) {
        let Some(account) = account.filter(|account| self.account.as_deref() != Some(*account)) else { return };
        if self.account.is_none() {
            self.account = Some(account.to_owned());
            return;
        }
        let read = |text: &Option<String>| text.as_deref().and_then(Decimal::parse);
        // Until both are known nothing can be told apart: the first report from there that says it does.
        if self.equity.is_some() && report.equity.is_none() {
            return;
        }
        self.account = Some(account.to_owned());
        if let Some((now, last)) = read(&report.equity).zip(self.equity) {
            let moved = now.minus(last);
            (self.peak, self.equity_at_dawn) = (self.peak.map(|peak| peak.plus(moved)), self.equity_at_dawn.map(|dawn| dawn.plus(moved)));
        }
        if let Some((now, last)) = read(&report.unrealized_pnl).zip(self.unrealized) {
            self.unrealized_at_dawn = self.unrealized_at_dawn.plus(now.minus(last));
        }
        // What was realised before counts on, whether the bot goes on counting or begins anew there.
        if let Some((now, last)) = read(&report.realized_pnl_day).zip(self.realized)
            && now != last
        {
            self.realized_before = self.realized_before.plus(last.minus(now));
            self.realized = Some(now);
        }
    }

    /// Amounts in another currency cannot be compared with those before: what was lost is counted from here on.
    fn count_currency(&mut self, report: &Report) {
        let is_other = self.currency.is_some() && report.currency.is_some() && self.currency != report.currency;
        if is_other {
            (self.peak, self.equity, self.equity_at_dawn, self.day) = (None, None, None, 0);
            (self.realized, self.unrealized) = (None, None);
        }
        if report.currency.is_some() {
            self.currency.clone_from(&report.currency);
        }
    }

    /// Judges what was measured of a report.
    pub fn judge(&mut self, report: &Report, measured: &Numbers, standing: &Standing<'_>) -> Vec<Breach> {
        let rules = standing.rules;
        let errors = self.errors.map(|errors| self.errors_before + errors);
        // A person who releases a drawdown's hold accepts what was lost: it is measured from there on.
        let is_accepted = standing.is_judged && self.is_drawdown_held && !(standing.is_held)(Check::Drawdown);
        if is_accepted {
            self.peak = report.equity.as_deref().and_then(Decimal::parse);
            self.is_drawdown_held = false;
        }
        let mut all = Vec::new();
        for check in Check::ALL.iter().copied().filter(|check| *check != Check::PositionNotional) {
            let value = measured.get(check.place()).copied().flatten();
            let Some((value, limit)) = value.zip(rules.number(check)).filter(|(value, limit)| value > limit) else { continue };
            let is_news = match check {
                // Those errors were there before it was started again.
                Check::ConsecutiveErrors => self.errors_known != errors,
                Check::Drawdown if !standing.is_judged || is_accepted => false,
                Check::Drawdown => {
                    self.is_drawdown_held = true;
                    true
                }
                _ => true,
            };
            if is_news {
                all.push(Breach { check, value: value.shortest(), limit: limit.shortest(), symbol: None });
            }
        }
        all.extend(positions(report, rules));
        all.extend(strange(report, standing));
        all.extend(self.late(report, rules));
        match standing.is_live {
            true if is_in_other_money(rules, report) => all.push(missing("amounts in another currency than that of its limits")),
            true if is_void(rules, measured) => all.push(missing("a report that measures none of its limits")),
            _ => {}
        }
        if !standing.is_judged {
            // Judged all the same up to here: a check-in costs the same whatever its bot may do.
            self.errors_known = errors;
            all.clear();
        }
        all
    }

    /// Outside its hours a bot has no entry orders, a minute after their end at the latest.
    fn late(&self, report: &Report, rules: &Compiled) -> Option<Breach> {
        let hours = rules.hours.as_ref()?;
        let entries = report.entry_orders.filter(|entries| *entries > 0)?;
        let is_closed = !hours.is_open(self.at) && !hours.is_open(self.at.plus_ms(-60_000));
        let value = || format!("{entries} entry orders outside of them");
        is_closed.then(|| Breach { check: Check::Hours, value: value(), limit: hours.words(), symbol: None })
    }

    fn is_started_anew(&self, totals: &Totals) -> bool {
        let went_down = |last: Option<u64>, now: Option<u64>| last.zip(now).is_some_and(|(last, now)| now < last);
        went_down(self.orders, totals.orders)
            || went_down(self.cancels, totals.cancels)
            || went_down(self.fills, totals.fills)
            || went_down(self.rejects, totals.rejects)
    }

    fn count_rates(&mut self, (orders, cancels, rejects): (u64, u64, u64), now: Timestamp) {
        let second = now.0.div_euclid(1_000_000);
        self.seconds.retain(|one| one.0 > second - RATE_S);
        let took_s = if self.at.0 == 0 { 1 } else { (now.ms_since(self.at) + 999) / 1_000 };
        if orders + cancels > 0 {
            if took_s <= AT_ONCE_S {
                self.add_second((second, orders, orders + cancels));
            } else {
                self.spread((orders, orders + cancels), (second, took_s));
            }
        }
        let minute = second.div_euclid(60);
        self.minutes.retain(|one| one.0 > minute - SHARE_MINUTES);
        if orders + rejects > 0 {
            match self.minutes.back_mut().filter(|one| one.0 == minute) {
                Some(one) => *one = (minute, one.1 + orders, one.2 + rejects),
                None => self.minutes.push_back((minute, orders, rejects)),
            }
        }
    }

    /// Spreads what came after a long silence over the time it took, rounded up, the newest last.
    fn spread(&mut self, (orders, messages): (u64, u64), (second, took_s): (i64, i64)) {
        let within = took_s.min(RATE_S);
        let part = |all: u64, n: i64| {
            let (all, n, took) = (u128::from(all), u128::from(n.unsigned_abs()), u128::from(took_s.unsigned_abs()));
            u64::try_from((all * n).div_ceil(took)).unwrap_or(u64::MAX)
        };
        for n in 1..=within {
            let one = (part(orders, n) - part(orders, n - 1), part(messages, n) - part(messages, n - 1));
            if one.1 > 0 {
                self.add_second((second - within + n, one.0, one.1));
            }
        }
    }

    fn add_second(&mut self, (second, orders, messages): (i64, u64, u64)) {
        match self.seconds.back_mut().filter(|one| one.0 == second) {
            Some(one) => *one = (second, one.1 + orders, one.2 + messages),
            None => self.seconds.push_back((second, orders, messages)),
        }
    }

    fn count_errors(&mut self, totals: &Totals, is_anew: bool, orders: u64) -> Option<u64> {
        let now = totals.consecutive_errors?;
        let last = self.errors.replace(now).unwrap_or_default();
        self.errors_before = match () {
            // A start anew does not break a row of errors.
            () if is_anew => self.errors_before.saturating_add(last),
            () if now < last || (now == 0 && orders > 0) => 0,
            () => self.errors_before,
        };
        Some(self.errors_before.saturating_add(now))
    }

    fn share_of_rejects(&self) -> Option<Decimal> {
        let (orders, rejects) = self.minutes.iter().fold((0, 0), |sum, one| (sum.0 + one.1, sum.1 + one.2));
        if orders < SHARE_ORDERS { None } else { Decimal::share(rejects, orders) }
    }

    /// The loss of the day: what was realised in it and how what is not realised changed since it began. Without these, how equity changed.
    fn count_day(&mut self, report: &Report, is_anew: bool, now: Timestamp) {
        let read = |text: &Option<String>| text.as_deref().and_then(Decimal::parse);
        let (realized, unrealized, equity) = (read(&report.realized_pnl_day), read(&report.unrealized_pnl), read(&report.equity));
        let day = now.0.div_euclid(DAY_MS * 1_000);
        if day != self.day {
            // Of the first day that is seen what was lost before is not known: it counts from the first report on.
            let is_first = self.at.0 == 0 || self.unrealized.is_none();
            self.unrealized_at_dawn = if is_first { unrealized } else { self.unrealized }.unwrap_or_default();
            (self.realized_before, self.realized, self.equity_at_dawn) = (Decimal::default(), None, equity);
            self.day = day;
        }
        if let (true, Some(last), Some(now)) = (is_anew, self.realized, realized)
            && now.abs() < last.abs().half()
        {
            // It counts its day from its start.
            self.realized_before = self.realized_before.plus(last);
        }
        self.equity_at_dawn = self.equity_at_dawn.or(equity);
        let by_trades = realized.zip(unrealized).map(|(realized, unrealized)| {
            let made = self.realized_before.plus(realized).plus(unrealized).minus(self.unrealized_at_dawn);
            Decimal::default().minus(made)
        });
        let by_equity = self.equity_at_dawn.zip(equity).map(|(dawn, equity)| dawn.minus(equity));
        self.loss = by_trades.or(by_equity).map(|loss| loss.max(Decimal::default()));
        (self.realized, self.unrealized) = (realized.or(self.realized), unrealized.or(self.unrealized));
    }
}

/// How far a total went, over a start anew as well; takes the new one over. Unknown before or now: not at all.
fn step(last: &mut Option<u64>, now: Option<u64>) -> u64 {
    let Some(now) = now else { return 0 };
    match last.replace(now) {
        Some(last) if now >= last => now - last,
        Some(_) => now,
        None => 0,
    }
}

/// The worth of each symbol, long and short added up and orders that would add to it included; none: it is not known in full.
fn worth(report: &Report) -> Vec<(&str, Option<Decimal>)> {
    let has_entries = report.entry_orders != Some(0);
    let mut all: Vec<(&str, Option<Decimal>)> = Vec::new();
    let mut listed: Vec<_> = report.positions.iter().flatten().collect();
    listed.sort_unstable_by(|a, b| a.symbol.cmp(&b.symbol));
    for position in listed {
        let amount = |text: &Option<String>| text.as_deref().and_then(Decimal::parse).map(Decimal::abs);
        // Working orders that are not told of are none only when there are no entry orders at all; what stands already counts in any case.
        let working = amount(&position.working_notional).or(if has_entries { None } else { Some(Decimal::default()) });
        let one = amount(&position.notional).map(|notional| notional.plus(working.unwrap_or_default()));
        match all.last_mut().filter(|last| last.0 == position.symbol) {
            Some(last) => last.1 = last.1.zip(one).map(|(a, b)| a.plus(b)),
            None => all.push((&position.symbol, one)),
        }
    }
    all
}

fn largest(report: &Report) -> Option<Decimal> {
    report.positions.as_ref()?;
    let all = worth(report);
    if all.is_empty() { Some(Decimal::default()) } else { all.into_iter().filter_map(|(_, worth)| worth).max() }
}

/// The position that breaks its limit by most; one hold stands for all of them.
fn positions(report: &Report, rules: &Compiled) -> Option<Breach> {
    if rules.number(Check::PositionNotional).is_none() && rules.symbols.is_empty() {
        return None;
    }
    if rules.currency.is_some() && rules.currency != report.currency {
        return None;
    }
    let broken = worth(report).into_iter().filter_map(|(symbol, worth)| {
        let (worth, limit) = worth.zip(rules.number_in(symbol, Check::PositionNotional))?;
        (worth > limit).then(|| (worth.minus(limit), symbol, worth, limit))
    });
    broken.max_by_key(|(over, ..)| *over).map(|(_, symbol, worth, limit)| Breach {
        check: Check::PositionNotional,
        value: worth.shortest(),
        limit: limit.shortest(),
        symbol: Some(symbol.to_owned()),
    })
}

/// A position in a symbol that is not allowed. In sandbox a bot that nobody gave a list is not judged by it.
fn strange(report: &Report, standing: &Standing<'_>) -> Option<Breach> {
    let rules = standing.rules;
    if rules.allowed.is_none() && !standing.is_live {
        return None;
    }
    let is_open = |quantity: &Option<String>| quantity.as_deref().and_then(Decimal::parse) != Some(Decimal::default());
    let strange = report.positions.iter().flatten().find(|one| is_open(&one.quantity) && !rules.allows(&one.symbol))?;
    let mut allowed: Vec<&str> = rules.allowed.iter().flatten().map(String::as_str).take(8).collect();
    allowed.sort_unstable();
    let limit = if allowed.is_empty() { "none, since nobody listed any".to_owned() } else { allowed.join(", ") };
    Some(Breach { check: Check::Symbols, value: format!("a position in {}", strange.symbol), limit, symbol: Some(strange.symbol.clone()) })
}

/// True where money is bounded in one currency and reported in another, or in none that is named.
fn is_in_other_money(rules: &Compiled, report: &Report) -> bool {
    const OF_MONEY: [Check; 4] = [Check::OrderNotional, Check::PositionNotional, Check::DailyLoss, Check::Drawdown];
    rules.currency.is_some() && rules.currency != report.currency && OF_MONEY.iter().any(|check| rules.number(*check).is_some())
}

/// True for a report that measures none of the limits that are set; those that need some orders first aside.
fn is_void(rules: &Compiled, measured: &Numbers) -> bool {
    let later = [Check::RejectRate.place(), Check::Slippage.place()];
    let set = rules.numbers.iter().zip(measured).enumerate();
    let set = set.filter(|(place, (limit, _))| limit.is_some() && !later.contains(place)).map(|(_, one)| one);
    let mut any = false;
    for (_, value) in set {
        if value.is_some() {
            return false;
        }
        any = true;
    }
    any
}

/// The breach *no report* (ruling H19).
pub fn missing(what: &str) -> Breach {
    Breach { check: Check::NoReport, value: what.to_owned(), limit: "one with every third check-in".to_owned(), symbol: None }
}

#[cfg(test)]
mod tests;
