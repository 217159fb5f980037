//! What holds after a request beside what it asks for: a level above may allow less, and then that is what counts.

use crate::app::App;
use crate::domain::{
    BotFacts, Decimal, Limits,
    limits::{NUMBERS, Node, Setting, tree::Path},
    request::{Change, Content},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A sentence for each line of a request that will not hold as it is asked.
pub(super) fn bounds(app: &App, content: &Content) -> Vec<String> {
    let bot = content.bot().and_then(|bot| app.fleet.view().bot(bot).cloned());
    let Some(bot) = bot else { return Vec::new() };
    match content {
        Content::Limits { of, set } if matches!(of.node(), Node::Bot(_)) => of_limits(app, &bot, set),
        Content::Override { symbol, most, .. } => of_exception(app, &bot, (symbol, *most)),
        _ => Vec::new(),
    }
}

fn of_limits(app: &App, bot: &BotFacts, set: &BTreeMap<String, Change>) -> Vec<String> {
    let tree = app.limit_tree();
    let own = tree.node(&Node::Bot(bot.id.clone())).map(|row| Limits { version: row.version, values: row.values.clone() });
    let Some((after, _)) = own.unwrap_or_default().with(set) else { return Vec::new() };
    let line = |path: &Path<'_>, holds: &Map<String, Value>, name: &str| {
        let (setting, value) = (Setting::of(name)?, holds.get(name)?);
        if after.values.get(name) == Some(value) {
            return None;
        }
        let named = NUMBERS.iter().find(|named| named.name == name);
        let from = named.and_then(|named| path.decided_by(named)).filter(|from| *from != "bot");
        let from = from.map_or_else(|| "by what stands above it".to_owned(), |from| format!("by the {from}"));
        Some(format!("{}: {} holds after this, set {from}.", setting.words(), setting.plain(value)))
    };
    tree.path(bot, |path| {
        let path = Path { bot: Some(&after.values), ..*path };
        let holds = path.effective();
        set.keys().filter_map(|name| line(&path, &holds, name)).collect()
    })
}

fn of_exception(app: &App, bot: &BotFacts, (symbol, most): (&str, Decimal)) -> Vec<String> {
    const LARGEST: &str = "max_position_notional";
    let exception = [(symbol, most)];
    let holds = app.limit_tree().path(bot, |path| Path { overrides: &exception, ..*path }.effective());
    let of_symbol = holds.get("symbols").and_then(|all| all.get(symbol)).and_then(|one| one.get(LARGEST));
    let largest = of_symbol.or_else(|| holds.get(LARGEST)).and_then(Value::as_str).and_then(Decimal::parse);
    let less = largest.filter(|largest| *largest < most);
    let less = less.map(|least| format!("{} holds in {symbol} all the same: a level above the bot allows no more.", least.shortest()));
    let allowed = holds.get("allowed_symbols").and_then(Value::as_array);
    let strange = allowed.filter(|all| !all.iter().filter_map(Value::as_str).any(|one| one.eq_ignore_ascii_case(symbol)));
    let strange = strange.map(|_| format!("The bot may not trade {symbol}: it is not among its symbols."));
    less.into_iter().chain(strange).collect()
}
