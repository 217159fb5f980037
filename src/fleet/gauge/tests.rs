//! What is counted and what breaks a limit.

use super::*;
use crate::domain::limits::{Hours, Path};
use crate::protocol::Position;
use proptest::prelude::*;
use serde_json::json;

const T0: Timestamp = Timestamp(1_800_000_000_000_000);

fn rules(values: serde_json::Value) -> Compiled {
    Compiled::of(1, values.as_object().unwrap(), &Path::default())
}

fn totals(orders: u64, rejects: u64, errors: u64) -> Report {
    let totals =
        Totals { orders: Some(orders), cancels: Some(0), rejects: Some(rejects), consecutive_errors: Some(errors), ..Totals::default() };
    Report { totals: Some(totals), ..Report::default() }
}

struct Bot {
    counted: Counted,
    rules: Compiled,
    now: Timestamp,
    is_halted: bool,
    is_live: bool,
    held: Vec<Check>,
}

impl Bot {
    fn new(values: serde_json::Value) -> Self {
        let now = T0;
        Self { counted: Counted::default(), rules: rules(values), now, is_halted: false, is_live: false, held: Vec::new() }
    }
    fn after(&mut self, ms: i64, report: &Report) -> Vec<Check> {
        self.now = self.now.plus_ms(ms);
        let measured = self.counted.measure(report, &self.rules, self.now);
        let is_held = |check: Check| self.held.contains(&check);
        let standing = Standing { rules: &self.rules, account: None, is_judged: !self.is_halted, is_live: self.is_live, is_held: &is_held };
        let broken = self.counted.judge(report, &measured, &standing);
        broken.into_iter().map(|breach| breach.check).collect()
    }
    /// The server goes and comes back.
    fn restart(&mut self) {
        let text = serde_json::to_string(&self.counted).unwrap();
        self.counted = serde_json::from_str(&text).unwrap();
    }
    fn value(&mut self, report: &Report, check: Check) -> Option<String> {
        self.now = self.now.plus_ms(1);
        let measured = self.counted.measure(report, &self.rules, self.now);
        measured[check.place()].map(Decimal::shortest)
    }
}

#[test]
fn rates_go_on_across_restarts_of_bot_and_server() {
    let mut bot = Bot::new(json!({"max_orders_per_minute": 30}));
    assert_eq!(bot.after(0, &totals(5_000, 0, 0)), [], "what was sent before anybody looked is of no minute");
    assert_eq!(bot.after(2_000, &totals(5_020, 0, 0)), []);
    bot.restart();
    assert_eq!(bot.after(2_000, &totals(6, 0, 0)), [], "26, the bot having been started anew");
    assert_eq!(bot.after(2_000, &totals(11, 0, 0)), [Check::OrdersPerMinute], "31 within a minute");
    assert_eq!(bot.after(61_000, &totals(11, 0, 0)), []);
    assert_eq!(bot.after(600_000, &totals(250, 0, 0)), [], "239 in ten minutes are 24 a minute");
    assert_eq!(bot.after(600_000, &totals(650, 0, 0)), [Check::OrdersPerMinute], "400 in ten minutes are 40 a minute");
}

#[test]
fn a_row_of_errors_is_not_broken_by_a_start_and_a_known_one_is_no_news() {
    let mut bot = Bot::new(json!({"max_consecutive_errors": 5}));
    assert_eq!(bot.after(0, &totals(100, 0, 4)), []);
    assert_eq!(bot.after(2_000, &totals(1, 0, 2)), [Check::ConsecutiveErrors], "four and two");
    bot.is_halted = true;
    assert_eq!(bot.after(2_000, &totals(1, 0, 2)), []);
    bot.is_halted = false;
    assert_eq!(bot.after(2_000, &totals(1, 0, 2)), [], "it was started again with these known");
    assert_eq!(bot.after(2_000, &totals(1, 0, 3)), [Check::ConsecutiveErrors], "and this one is new");
    assert_eq!(bot.after(2_000, &totals(9, 0, 0)), []);
    assert_eq!(bot.after(2_000, &totals(9, 0, 5)), [], "the row was broken");
}

#[test]
fn the_share_of_rejects_takes_some_orders() {
    let mut bot = Bot::new(json!({"max_reject_rate": "0.2"}));
    bot.after(0, &totals(0, 0, 0));
    assert_eq!(bot.after(1_000, &totals(4, 4, 0)), [], "four orders are no share");
    assert_eq!(bot.after(1_000, &totals(12, 4, 0)), [Check::RejectRate]);
    assert_eq!(bot.after(16 * 60_000, &totals(24, 4, 0)), [], "a quarter of an hour later");
}

fn money(equity: &str, realized: &str, unrealized: &str) -> Report {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let currency = Some("USDT".to_owned());
    Report { equity: text(equity), realized_pnl_day: text(realized), unrealized_pnl: text(unrealized), currency, ..Report::default() }
}

#[test]
fn the_loss_of_a_day_ends_with_it_and_not_with_a_start_of_the_bot() {
    let mut bot = Bot::new(json!({"max_daily_loss": "500"}));
    let with = |realized: &str, orders: u64| {
        let counted = totals(orders, 0, 0).totals;
        Report { totals: counted, ..money("", realized, "0") }
    };
    assert_eq!(bot.after(0, &with("-400", 50)), []);
    assert_eq!(bot.after(2_000, &with("-150", 3)), [Check::DailyLoss], "400 before its start and 150 after it");
    assert_eq!(bot.after(2_000, &with("-20", 4)), [], "it earned some back");
    let mut keeps = Bot::new(json!({"max_daily_loss": "500"}));
    keeps.after(0, &with("-400", 50));
    assert_eq!(keeps.after(2_000, &with("-405", 3)), [], "a bot that keeps its day over a start is not counted twice");
    assert_eq!(keeps.after(DAY_MS, &with("-300", 3)), []);
    assert_eq!(keeps.value(&money("", "-100", ""), Check::DailyLoss), None, "what is not realised is unknown, so the loss is");
}

#[test]
fn drawdown_is_from_the_highest_equity_and_from_a_release_on() {
    let mut bot = Bot::new(json!({"max_drawdown": "1000"}));
    bot.after(0, &money("10000", "", ""));
    bot.after(1_000, &money("12000", "", ""));
    bot.restart();
    assert_eq!(bot.after(1_000, &money("11000", "", "")), []);
    assert_eq!(bot.after(1_000, &money("10999", "", "")), [Check::Drawdown]);
    bot.held = vec![Check::Drawdown];
    assert_eq!(bot.after(1_000, &money("10900", "", "")), [Check::Drawdown], "whoever places holds knows that it stands");
    bot.held.clear();
    assert_eq!(bot.after(1_000, &money("10800", "", "")), [], "released: it is measured from here");
    assert_eq!(bot.after(1_000, &money("9799", "", "")), [Check::Drawdown]);
    let mut back = Bot::new(json!({"max_drawdown": "1000"}));
    back.after(0, &money("10000", "", ""));
    assert_eq!(back.after(1_000, &money("8900", "", "")), [Check::Drawdown]);
    back.held = vec![Check::Drawdown];
    assert_eq!(back.after(1_000, &money("9500", "", "")), [], "it earned some back while it was held");
    back.held.clear();
    assert_eq!(back.after(1_000, &money("9600", "", "")), []);
    assert_eq!(back.after(1_000, &money("8599", "", "")), [Check::Drawdown], "the next true one places its hold at once");
}

#[test]
fn money_in_another_currency_than_that_of_its_limits_is_a_breach_where_it_is_real() {
    let mut bot = Bot::new(json!({"max_drawdown": "1000", "max_open_orders": 5, "currency": "EUR"}));
    let report = Report { open_orders: Some(1), ..money("100", "", "") };
    assert_eq!(bot.after(0, &report), [], "what is tried out is shown as not measured");
    bot.is_live = true;
    assert!(bot.after(1_000, &report).contains(&Check::NoReport));
}

fn position(symbol: &str, notional: &str, working: Option<&str>) -> Position {
    let (notional, working_notional) = (Some(notional.to_owned()), working.map(str::to_owned));
    Position { symbol: symbol.to_owned(), quantity: Some("1".to_owned()), notional, working_notional, ..Position::default() }
}

#[test]
fn a_position_counts_with_the_orders_that_would_add_to_it() {
    let mut bot = Bot::new(json!({"max_position_notional": "100", "symbols": {"ETH/USDT": {"max_position_notional": "50"}}}));
    let report = |positions: Vec<Position>| Report { positions: Some(positions), entry_orders: Some(1), ..Report::default() };
    assert_eq!(bot.after(0, &report(vec![position("BTC/USDT", "-90", Some("10"))])), []);
    assert_eq!(bot.after(0, &report(vec![position("BTC/USDT", "90", Some("11"))])), [Check::PositionNotional]);
    assert_eq!(bot.after(0, &report(vec![position("eth/usdt", "51", None)])), [Check::PositionNotional], "its own limit");
    let both = vec![position("BTC/USDT", "60", Some("0")), position("ETH/USDT", "5", None), position("BTC/USDT", "-50", Some("0"))];
    assert_eq!(bot.after(0, &report(both)), [Check::PositionNotional], "long and short of one symbol are added up");
    assert_eq!(bot.after(0, &Report::default()), [], "nothing reported is nothing known");
    assert_eq!(bot.value(&Report::default(), Check::PositionNotional), None);
}

#[test]
fn a_symbol_that_nobody_listed_is_refused_where_a_list_counts() {
    let report = Report { positions: Some(vec![position("XRP/USDT", "1", None)]), ..Report::default() };
    let mut listed = Bot::new(json!({"allowed_symbols": ["BTC/USDT"]}));
    assert_eq!(listed.after(0, &report), [Check::Symbols]);
    let mut unlisted = Bot::new(json!({}));
    assert_eq!(unlisted.after(0, &report), [], "in sandbox");
    unlisted.is_live = true;
    assert_eq!(unlisted.after(0, &report), [Check::Symbols], "missing is refused");
}

#[test]
fn outside_its_hours_a_bot_has_no_entry_orders() {
    let mut bot = Bot::new(json!({}));
    let closed = Report { entry_orders: Some(2), ..Report::default() };
    // 2027-01-15, a Friday, 08:00.
    bot.rules.hours = Hours::parse("1-5 06:00-08:00");
    assert_eq!(bot.after(0, &closed), [], "they have just ended");
    assert_eq!(bot.after(61_000, &closed), [Check::Hours]);
    assert_eq!(bot.after(0, &Report { entry_orders: Some(0), ..Report::default() }), []);
}

#[test]
fn money_in_another_currency_is_not_measured() {
    let mut bot = Bot::new(json!({"max_daily_loss": "1", "currency": "EUR"}));
    assert_eq!(bot.after(0, &money("", "-400", "0")), []);
    assert_eq!(bot.value(&money("", "-400", "0"), Check::DailyLoss), None);
    bot.is_live = true;
    assert_eq!(bot.after(0, &money("", "-400", "0")), [Check::NoReport], "above sandbox that is no report");
}

proptest! {
    /// Whatever is reported, in whatever order: a halted bot breaks nothing, and what is stored is what is counted.
    #[test]
    fn counting_survives_everything(steps in prop::collection::vec((0i64..400_000, prop::option::of(0u64..1_000), 0u64..9, any::<bool>()), 0..40)) {
        let mut bot = Bot::new(json!({"max_orders_per_minute": 100, "max_consecutive_errors": 5, "max_reject_rate": "0.5"}));
        let mut other = Bot::new(json!({"max_orders_per_minute": 100, "max_consecutive_errors": 5, "max_reject_rate": "0.5"}));
        for (ms, orders, errors, halted) in steps {
            let mut report = totals(orders.unwrap_or_default(), errors, errors);
            if orders.is_none() {
                report.totals = None;
            }
            (bot.is_halted, other.is_halted) = (halted, halted);
            let broken = bot.after(ms, &report);
            prop_assert!(!halted || broken.is_empty());
            other.restart();
            prop_assert_eq!(broken, other.after(ms, &report));
            prop_assert!(bot.counted.seconds.len() <= 130 && bot.counted.minutes.len() <= 15);
        }
    }
}

#[test]
fn another_subaccount_is_neither_a_gain_nor_a_loss_and_forgets_none() {
    let mut bot = Bot::new(json!({"max_drawdown": "1000", "max_daily_loss": "800"}));
    let at = |bot: &mut Bot, account: &str, report: &Report| {
        bot.counted.trades_at(Some(account), report);
        bot.after(1_000, report)
    };
    assert_eq!(at(&mut bot, "demo/one", &money("10000", "", "0")), []);
    assert_eq!(at(&mut bot, "demo/one", &money("9500", "", "0")), []);
    assert_eq!(at(&mut bot, "demo/two", &money("2000", "", "0")), [], "7500 less is there, and not lost");
    bot.restart();
    assert_eq!(at(&mut bot, "demo/two", &money("1600", "", "0")), [Check::DailyLoss], "500 there and 400 here");
    assert_eq!(at(&mut bot, "demo/two", &money("1400", "", "0")), [Check::DailyLoss, Check::Drawdown]);
    bot.held = vec![Check::Drawdown];
    assert_eq!(
        at(&mut bot, "demo/one", &money("90000", "", "0")),
        [Check::DailyLoss, Check::Drawdown],
        "nor does more there make up for it"
    );
}

#[test]
fn a_move_is_told_apart_once_it_says_what_is_there_and_what_was_realised_counts_on() {
    let mut bot = Bot::new(json!({"max_drawdown": "1000", "max_daily_loss": "800"}));
    let at = |bot: &mut Bot, account: &str, report: &Report| {
        bot.counted.trades_at(Some(account), report);
        bot.after(1_000, report)
    };
    at(&mut bot, "demo/one", &money("10000", "0", "0"));
    assert_eq!(at(&mut bot, "demo/one", &money("9500", "-500", "0")), []);
    assert_eq!(at(&mut bot, "demo/two", &money("", "", "")), [], "it does not say yet");
    assert_eq!(at(&mut bot, "demo/two", &money("2000", "0", "0")), [], "it begins anew there");
    assert_eq!(at(&mut bot, "demo/two", &money("1650", "-350", "0")), [Check::DailyLoss], "500 there and 350 here");
    assert_eq!(bot.value(&money("1650", "-350", "0"), Check::Drawdown), Some("850".to_owned()));
}

#[test]
fn another_currency_is_counted_anew() {
    let mut bot = Bot::new(json!({"max_drawdown": "1000", "max_daily_loss": "800"}));
    bot.after(0, &money("6000000", "-100", "50"));
    let in_btc =
        |equity: &str, realized: &str, unrealized: &str| Report { currency: Some("BTC".into()), ..money(equity, realized, unrealized) };
    assert_eq!(bot.after(1_000, &in_btc("100", "0", "-2")), []);
    assert_eq!(bot.value(&in_btc("99", "0", "-3"), Check::Drawdown), Some("1".to_owned()));
    assert_eq!(bot.value(&in_btc("99", "0", "-3"), Check::DailyLoss), Some("1".to_owned()));
}
