//! What holds, and how much of it is used: of a bot each limit with the level that it comes from, of a team and the installation what all of
//! their bots have at stake together.

use super::fields::does;
use crate::app::App;
use crate::domain::{
    BotFacts, Decimal, Stage, Timestamp,
    limits::{Check, NUMBERS, Node, Setting, Unit, breach_level},
};
use crate::web::{
    format::{self, Age},
    html::Html,
    picture,
};

/// A limit of a bot and how it stands.
pub(in crate::web::pages) struct Held {
    pub(in crate::web::pages) words: String,
    pub(in crate::web::pages) limit: String,
    /// The level whose limit holds.
    pub(in crate::web::pages) from: String,
    pub(in crate::web::pages) bullet: Html,
    /// What is used, or that it is not measured.
    pub(in crate::web::pages) used: String,
    pub(in crate::web::pages) is_over: bool,
    /// What a breach does.
    pub(in crate::web::pages) breach: &'static str,
}

/// What holds for a bot.
pub(in crate::web::pages) struct Holds {
    pub(in crate::web::pages) rows: Vec<Held>,
    /// Symbols, hours and currency.
    pub(in crate::web::pages) others: Vec<(String, String)>,
    /// In single symbols.
    pub(in crate::web::pages) symbols: Vec<(String, String)>,
    /// How old what is used is.
    pub(in crate::web::pages) age: Age,
    /// Limits that the last report does not measure.
    pub(in crate::web::pages) not_measured: usize,
}

/// A limit over many bots and how it stands.
pub(in crate::web::pages) struct Sum {
    pub(in crate::web::pages) words: &'static str,
    pub(in crate::web::pages) limit: String,
    pub(in crate::web::pages) bullet: Html,
    pub(in crate::web::pages) used: String,
    pub(in crate::web::pages) is_over: bool,
    pub(in crate::web::pages) breach: &'static str,
    /// Who is counted, and since when.
    pub(in crate::web::pages) counted: String,
    /// Bots that are not, each with why.
    pub(in crate::web::pages) left_out: Vec<(String, String)>,
}

/// Bots left out of a sum that are named.
const NAMED: usize = 20;

fn number(check: Option<Check>, amount: Decimal, currency: &str) -> String {
    let unit = NUMBERS.iter().find(|named| check.is_some_and(|check| named.name == check.as_str())).map(|named| named.unit);
    let text = format::decimal(&amount.shortest());
    match unit {
        Some(Unit::Money) if !currency.is_empty() => format!("{text} {currency}"),
        Some(Unit::Milliseconds) => format!("{text} ms"),
        _ => text,
    }
}

/// What holds for a bot, and how much of it is used.
pub(in crate::web::pages) fn holds(app: &App, bot: &BotFacts, now: Timestamp) -> Holds {
    let currency = bot.limits.plain("currency").or_else(|| app.currency_of(&bot.id)).unwrap_or_default();
    let (uses, at) = app.limit_uses(bot);
    let tree = app.limit_tree();
    let row = |named: &'static crate::domain::limits::Named| {
        let limit = Decimal::parse(&bot.limits.number(named)?)?;
        let check = named.name.parse::<Check>().ok();
        let value = uses.iter().find(|one| Some(one.check) == check).and_then(|one| one.value);
        let (from, level) = tree.path(bot, |path| (path.decided_by(named), check.map(|check| path.level_of(check))));
        let words = match (value, check) {
            (Some(value), _) => number(check, value, &currency),
            (None, Some(_)) => "not measured".to_owned(),
            (None, None) => "in its lease".to_owned(),
        };
        Some(Held {
            words: named.words.to_owned(),
            limit: number(check, limit, &currency),
            from: from.unwrap_or("bot").to_owned(),
            bullet: match value {
                Some(value) => picture::bullet(
                    Some(value.approximately()),
                    limit.approximately(),
                    &format!("{words} of {}", number(check, limit, &currency)),
                ),
                None => Html::default(),
            },
            used: words,
            is_over: value.is_some_and(|value| value > limit),
            breach: level.map_or("", does),
        })
    };
    let rows: Vec<Held> = NUMBERS.iter().filter_map(row).collect();
    let mut others: Vec<(String, String)> = [Setting::Symbols, Setting::Hours, Setting::Currency]
        .into_iter()
        .filter_map(|setting| Some((setting.words(), setting.plain(bot.limits.values.get(setting.name())?))))
        .collect();
    if !bot.limits.values.contains_key("allowed_symbols") {
        let words = match bot.stage {
            Stage::Limited | Stage::Live => "none is listed, so that every one is refused",
            _ => "none is listed: agents refuse every one; above sandbox the server does as well",
        };
        others.push(("Symbols".to_owned(), words.to_owned()));
    }
    let symbols = bot.limits.values.get("symbols").and_then(serde_json::Value::as_object).into_iter().flatten();
    let symbols = symbols
        .map(|(symbol, values)| (symbol.clone(), values.as_object().map(|values| super::plain(values, &currency)).unwrap_or_default()));
    let not_measured = rows.iter().filter(|row| row.used == "not measured").count();
    Holds { symbols: symbols.collect(), others, age: Age::new(at, now, bot.timings), not_measured, rows }
}

/// What all bots below a level have at stake together.
pub(in crate::web::pages) fn sums(app: &App, node: &Node, now: Timestamp) -> Vec<Sum> {
    let tree = app.limit_tree();
    let own = tree.node(node).map(|row| &row.values);
    let sum = |total: crate::app::totals::Total| {
        let currency = total.currency.clone().unwrap_or_default();
        let amount = |amount: Decimal| format!("{} {currency}", format::decimal(&amount.fixed(2))).trim().to_owned();
        let limit = total.limit.map_or_else(|| "not set".to_owned(), amount);
        let bullet = total.limit.map(|limit| (limit.approximately(), format!("{} of {}", amount(total.value), amount(limit))));
        let mut left_out = total.not_counted;
        let more = left_out.len().saturating_sub(NAMED);
        left_out.truncate(NAMED);
        if more > 0 {
            left_out.push((format!("{more} more"), String::new()));
        }
        let others: Vec<String> =
            total.others.iter().map(|(currency, amount)| format!("{} {currency}", format::decimal(&amount.fixed(2)))).collect();
        let beside = if others.is_empty() { String::new() } else { format!("; beside it {}", others.join(", ")) };
        let oldest = total.oldest.map(|at| format!(", the oldest report {}", format::ago(at, now))).unwrap_or_default();
        Sum {
            words: total.check.words(),
            limit,
            bullet: bullet.map(|(limit, words)| picture::bullet(Some(total.value.approximately()), limit, &words)).unwrap_or_default(),
            used: amount(total.value),
            is_over: total.limit.is_some_and(|limit| total.value > limit),
            breach: does(breach_level(total.check, own.into_iter())),
            counted: format!("{} counted{oldest}{beside}", crate::web::roster::bots(total.counted)),
            left_out,
        }
    };
    app.totals_of(node).into_iter().map(sum).collect()
}
