//! Judging what agents report, on the way of their check-ins: from memory alone, and nobody waits for the hold that a breach places.

use super::App;
use crate::domain::{
    BotFacts, BotId, Decimal, Level, PlacedBy, PlacerKind, Scope, Stage, State, Timestamp,
    limits::{Check, Compiled, all_numbers, compiled::Numbers},
};
use crate::fleet::{
    Breach,
    gauge::{Standing, missing},
};
use std::sync::Arc;

/// A live bot's report may be so many check-ins old (ruling H19).
const REPORT_CHECK_INS: i64 = 3;

/// The id of the trigger of a limit: `limit:max_daily_loss`.
pub fn trigger(check: Check) -> String {
    format!("limit:{check}")
}

fn placer(check: Check) -> PlacedBy {
    PlacedBy { kind: PlacerKind::Trigger, id: trigger(check), name: format!("limit: {}", check.words()), as_risk: false }
}

/// How a limit of a bot stands.
#[derive(Debug, Clone)]
pub struct Use {
    /// Which.
    pub check: Check,
    /// The limit.
    pub limit: Decimal,
    /// What was measured; none: the last report does not say.
    pub value: Option<Decimal>,
}

impl App {
    /// The limits that hold for a bot, made ready for judging.
    fn compiled(&self, bot: &BotFacts) -> Compiled {
        self.limit_book.tree().path(bot, |path| Compiled::of(bot.limits.version, &bot.limits.values, path))
    }

    /// Judges what a check-in brought, which is in the book by now. Never waits.
    pub(crate) fn judge(self: &Arc<Self>, bot: &Arc<BotFacts>, state: State, has_report: bool, now: Timestamp) {
        let seen = if has_report { self.book.seen(&bot.id) } else { None };
        let report = seen.as_ref().and_then(|seen| seen.report.as_ref()).filter(|(_, at)| *at == now).map(|(report, _)| report);
        let is_live = matches!(bot.stage, Stage::Limited | Stage::Live);
        if report.is_none() && !is_live {
            return;
        }
        let of = (bot.limits.version, self.limit_book.tree().epoch);
        // As its agent says: the register may know of a move before the bot has made it, or after.
        let account = seen.as_ref().and_then(|seen| seen.subaccount.as_deref());
        let is_held = |check: Check| self.is_held_by(&trigger(check), &Scope::Bot(bot.id.clone()), Level::Reduce);
        let (breaches, rules) = self.gauges.with(&bot.id, |gauge| {
            let mut breaches = match report {
                Some(report) => {
                    let rules = gauge.rules(of, || self.compiled(bot));
                    let is_judged = state != State::Halted;
                    let standing = Standing { rules: &rules, account, is_judged, is_live, is_held: &is_held };
                    gauge.take(report, &standing, now)
                }
                None => {
                    let since = *gauge.without_since.get_or_insert(now);
                    let is_late = state != State::Halted && now.ms_since(since) > REPORT_CHECK_INS * bot.timings.check_in_ms;
                    is_late.then(|| missing("none")).into_iter().collect()
                }
            };
            breaches.retain(|breach| gauge.may_place(breach.check));
            // Made when they are needed: most agents are idle most of the time.
            let rules = (!breaches.is_empty()).then(|| gauge.rules(of, || self.compiled(bot)));
            (breaches, rules)
        });
        let Some(rules) = rules else { return };
        for breach in breaches {
            let (app, bot, level, currency) = (self.clone(), bot.clone(), rules.level(breach.check), rules.currency.clone());
            let version = bot.limits.version;
            tokio::spawn(async move {
                let why = words(&breach, currency.or_else(|| app.currency_of(&bot.id)), (version, now));
                app.place_by_rule(placer(breach.check), Scope::Bot(bot.id.clone()), level, &why).await;
                app.gauges.with(&bot.id, |gauge| gauge.placed(breach.check));
            });
        }
    }

    /// What a bot's agent says that amounts are in.
    pub fn currency_of(&self, bot: &BotId) -> Option<String> {
        self.book.seen(bot).and_then(|seen| seen.report.as_ref().and_then(|(report, _)| report.currency.clone()))
    }

    /// How each limit of a bot that is a number stands, with when that was measured; none: nothing was measured yet.
    pub fn limit_uses(&self, bot: &BotFacts) -> (Vec<Use>, Option<Timestamp>) {
        let rules = self.compiled(bot);
        let measured: Option<(Numbers, Timestamp)> =
            self.gauges.look(&bot.id, |gauge| gauge.reported().map(|said| (said.measured, said.counted.at))).flatten();
        let one = |check: &Check| {
            let value = measured.as_ref().and_then(|(numbers, _)| numbers.get(check.place()).copied().flatten());
            Some(Use { check: *check, limit: rules.number(*check)?, value })
        };
        let at = measured.map(|(_, at)| at).filter(|at| at.0 > 0);
        (Check::ALL.iter().filter_map(one).collect(), at)
    }

    /// Places the hold of a limit over all bots of a team or of the installation.
    pub(crate) async fn break_total(self: &Arc<Self>, scope: Scope, (breach, level): (Breach, Level), why: String) {
        self.place_by_rule(placer(breach.check), scope, level, &why).await;
    }
}

/// A breach in words: value, limit and time.
pub(crate) fn words(breach: &Breach, currency: Option<String>, (version, at): (i64, Timestamp)) -> String {
    use crate::domain::limits::Unit;
    let is_money = all_numbers().any(|named| named.name == breach.check.as_str() && named.unit == Unit::Money);
    let unit = currency.filter(|_| is_money).map_or_else(String::new, |currency| format!(" {currency}"));
    let symbol = match (&breach.symbol, breach.check) {
        (Some(symbol), Check::PositionNotional) => format!(" in {symbol}"),
        _ => String::new(),
    };
    let Breach { check, value, limit, .. } = breach;
    let of = if version > 0 { format!(", limits version {version}") } else { String::new() };
    format!("{}{symbol}: {value}{unit}, limit {limit}{unit}, at {}{of}", check.words(), at.plain())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_says_value_limit_and_time() {
        let at = Timestamp::parse("2026-11-26T17:04:05Z").unwrap();
        let breach = |check, symbol: Option<&str>| Breach {
            check,
            value: "512.5".to_owned(),
            limit: "500".to_owned(),
            symbol: symbol.map(str::to_owned),
        };
        let said = words(&breach(Check::DailyLoss, None), Some("USDT".to_owned()), (7, at));
        assert_eq!(said, "Loss in a day: 512.5 USDT, limit 500 USDT, at 2026-11-26 17:04:05Z, limits version 7");
        let said = words(&breach(Check::PositionNotional, Some("BTC/USDT")), None, (0, at));
        assert_eq!(said, "Largest position in BTC/USDT: 512.5, limit 500, at 2026-11-26 17:04:05Z");
        assert!(words(&breach(Check::OpenOrders, None), Some("USDT".to_owned()), (1, at)).starts_with("Open orders: 512.5, limit 500,"));
    }
}
