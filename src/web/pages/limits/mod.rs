//! `/limits`: the limits of one level, installation, team, bot or symbol: what holds and how much of it is used, tightening, which one person
//! does at once, every version there was, and how it all stood on an earlier day. A bot's own are at `/bots/{id}/limits`, drawn here as well.

mod fields;
mod holding;
#[cfg(test)]
mod samples;

pub(super) use fields::{Choice, Field, choices, fields};
pub(super) use holding::holds;
use holding::{Holds, Sum};
#[cfg(test)]
pub(in crate::web) use samples::samples;

use crate::app::{App, AppError, limits::NodeRow};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BotFacts, BotId, Decimal, RequestId, Role, Timestamp, UserId,
    limits::{Named as Number, Node, Setting, Unit},
    time::DAY_MS,
};
use crate::web::{
    Answer, Shared, WebError,
    extract::{Person, Posted},
    format, frame,
    page::Frame,
    pages::sign_in::Nothing,
    problems::Problems,
    query::{Named, Params},
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use std::sync::Arc;

/// What was typed: names and texts of the settings, and the reason.
pub(super) type Typed = Vec<(String, String)>;
/// Settings by their names.
type Values = serde_json::Map<String, serde_json::Value>;

/// The field that leads to one symbol of a bot.
const BELOW_SYMBOL: &str = "below-symbol";
/// Levels below one that are linked to, at most.
const BELOW: usize = 100;

/// Where another level is.
pub(super) struct Place {
    pub(super) words: String,
    pub(super) href: String,
    /// Nothing was ever set there.
    pub(super) is_bare: bool,
}

/// One version.
pub(super) struct Version {
    pub(super) version: i64,
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) values: String,
    /// The request by which it came; empty: one person set it.
    pub(super) request: String,
}

/// A larger position for a while.
pub(super) struct Exception {
    pub(super) id: String,
    pub(super) words: String,
    pub(super) until: Timestamp,
}

/// How it stood on an earlier day.
pub(super) struct Then {
    pub(super) at: Timestamp,
    /// Each level with its version and settings.
    pub(super) levels: Vec<(String, i64, String)>,
    /// What held for the bot; empty: it is no bot's page, or nothing did.
    pub(super) held: String,
}

#[derive(Template)]
#[template(path = "limits.html")]
pub(super) struct LimitsPage {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) crumbs: Vec<Place>,
    pub(super) words: String,
    pub(super) action: String,
    pub(super) ask: String,
    /// The open request for looser ones: its page; empty: there is none.
    pub(super) open: String,
    pub(super) of: String,
    /// The bot that a press halves; none: it is no bot's page.
    pub(super) bot: Option<String>,
    pub(super) may_tighten: bool,
    pub(super) may_halve: bool,
    pub(super) waits: bool,
    /// The version of what holds: whoever halves says which one they saw.
    pub(super) version: i64,
    pub(super) holds: Option<Holds>,
    pub(super) sums: Vec<Sum>,
    /// Exceptions in force, and how many there were within 30 days; none: the database does not answer.
    pub(super) exceptions: Vec<Exception>,
    pub(super) exceptions_lately: Option<i64>,
    pub(super) may_ask: bool,
    pub(super) below: Vec<Place>,
    pub(super) below_typed: String,
    pub(super) below_words: &'static str,
    pub(super) below_more: usize,
    pub(super) fields: Vec<Field>,
    pub(super) choices: Vec<Choice>,
    pub(super) review_by: String,
    pub(super) is_review_due: bool,
    pub(super) why: String,
    /// The day that was asked for.
    pub(super) as_of: String,
    pub(super) then: Option<Then>,
    /// None: the database does not answer.
    pub(super) versions: Option<Vec<Version>>,
    /// What held for the bot, where levels above it had a part in that.
    pub(super) held: Vec<Version>,
}

/// What a page is drawn with.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) typed: Typed,
    pub(super) problems: Problems,
    pub(super) as_of: String,
    /// What was typed where a symbol is looked for.
    pub(super) below: String,
}

/// The level that an address or a form names.
///
/// # Errors
/// 404.
pub(super) fn node_of(text: &str) -> Result<Node, WebError> {
    Node::from_one(text).ok_or_else(|| AppError::NotFound("level of limits").into())
}

/// Where a level's page is.
pub(super) fn href(node: &Node) -> String {
    match node {
        Node::Installation => "/limits".to_owned(),
        Node::Bot(bot) => format!("/bots/{bot}/limits"),
        other => format!("/limits?of={}", other.in_one()),
    }
}

/// Where a request for looser ones is written.
pub(super) fn ask_href(node: &Node) -> String {
    match node {
        Node::Bot(bot) => format!("/bots/{bot}/limits/ask"),
        other => format!("/limits/ask?of={}", other.in_one()),
    }
}

/// A text among what was typed.
pub(super) fn typed_as(typed: &Typed, name: &str) -> String {
    typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.clone()).unwrap_or_default()
}

/// The page of any level: `of`, or `bot` and `symbol`.
pub async fn show(State(app): Shared, person: Person, params: Params) -> Answer {
    let text = |name: &str| params.text(name).unwrap_or_default().into_owned();
    let symbol = text("symbol");
    let named = if symbol.is_empty() { text("of") } else { format!("symbol:{}:{symbol}", text("bot")) };
    let mut drawn = Drawn { as_of: text("as_of"), ..Drawn::default() };
    let node = match (Node::from_one(&named), BotId::parse(&text("bot"))) {
        (None, Ok(bot)) if !symbol.is_empty() => {
            drawn.problems.add(BELOW_SYMBOL, "Enter a symbol, for example BTC/USDT");
            drawn.below = symbol;
            Node::Bot(bot)
        }
        _ => node_of(&named)?,
    };
    draw(&app, &person, &node, drawn).await
}

/// Tightens the level that the form names.
pub async fn tighten(State(app): Shared, person: Person, Posted(typed): Posted<Typed>) -> Answer {
    tighten_on(&app, &person, &node_of(&typed_as(&typed, "of"))?, typed).await
}

/// Ends an exception before its time.
pub async fn end_override(State(app): Shared, person: Person, Named(id): Named, _: Posted<Nothing>) -> Answer {
    let id = RequestId::parse(&id).map_err(|_| AppError::NotFound("exception"))?;
    let bot = app.end_override(&person.actor, &id).await?;
    Ok(frame::see(&href(&Node::Bot(bot))))
}

/// Tightens a level, and leads to its page.
pub(super) async fn tighten_on(app: &App, person: &Person, node: &Node, typed: Typed) -> Answer {
    match app.tighten(&person.actor, node, &typed, &typed_as(&typed, "why")).await {
        Ok(()) => Ok(frame::see(&if let Node::Bot(bot) = node { format!("/bots/{bot}") } else { href(node) })),
        Err(error) => {
            let problems = Problems::of_error(error)?;
            draw(app, person, node, Drawn { typed, problems, ..Drawn::default() }).await
        }
    }
}

/// Draws the page of a level.
pub(super) async fn draw(app: &App, person: &Person, node: &Node, drawn: Drawn) -> Answer {
    let resource = app.limits_resource(node)?;
    let facts = match node.bot() {
        Some(bot) => Some(app.bot(&person.actor, bot)?.bot),
        None => None,
    };
    let may_tighten = authz::check(&person.actor, Action::TightenLimits, &resource).is_ok();
    let tree = app.limit_tree();
    let own = tree.limits(node);
    let row = tree.node(node).cloned();
    let bot = facts.as_ref().filter(|_| matches!(node, Node::Bot(_)));
    let mut frame = frame::of(app, &person.visitor, format!("Limits of {}", app.limits_words(node))).await;
    frame.is_error = !drawn.problems.is_empty();
    let (then, wrong_day) = match then(app, person, node, &drawn.as_of).await {
        Ok(then) => (then, None),
        Err(words) => (None, Some(words)),
    };
    let mut problems = drawn.problems;
    if let Some(words) = wrong_day {
        problems.add("as_of", words);
    }
    let status = match problems.all().first() {
        None => StatusCode::OK,
        // Nothing typed is wrong: something else stands by now.
        Some(problem) if problem.field.is_empty() => StatusCode::CONFLICT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let (versions, held) = versions(app, person, node).await?;
    let (below, below_words, below_more) = below(app, node);
    let exceptions_lately = match bot {
        Some(bot) => app.overrides_lately(&bot.id).await.ok(),
        None => None,
    };
    let open = open_request(app, person, node).await;
    let currency = facts.as_ref().and_then(|bot| app.currency_of(&bot.id)).unwrap_or_default();
    let now = frame.now;
    let page = LimitsPage {
        frame,
        crumbs: crumbs(app, node),
        words: app.limits_words(node),
        action: if bot.is_some() { href(node) } else { "/limits".to_owned() },
        ask: ask_href(node),
        open,
        of: node.in_one(),
        bot: bot.map(|bot| bot.id.to_string()),
        may_tighten,
        may_halve: may_tighten && bot.is_some_and(|bot| bot.limits.halved().is_some()),
        waits: bot.is_some_and(|bot| bot.limits_waiting),
        version: bot.map_or(own.version, |bot| bot.limits.version),
        holds: bot.map(|bot| holding::holds(app, bot, now)),
        sums: holding::sums(app, node, now),
        exceptions: bot.map(|bot| exceptions(app, bot)).unwrap_or_default(),
        exceptions_lately,
        may_ask: may_ask(&person.actor, node, &resource),
        below,
        below_typed: drawn.below,
        below_words,
        below_more,
        fields: fields((node, &own), &drawn.typed, (&problems, &currency)),
        choices: choices((node, &own), &drawn.typed, &problems),
        review_by: match typed_as(&drawn.typed, "review_by") {
            text if text.is_empty() => {
                row.as_ref().and_then(|row| row.review_by).map(|by| by.rfc3339().chars().take(10).collect()).unwrap_or_default()
            }
            text => text,
        },
        is_review_due: row.as_ref().is_some_and(|row| app.is_review_due(row, now)),
        why: typed_as(&drawn.typed, "why"),
        as_of: drawn.as_of,
        then,
        versions,
        held,
        problems,
    };
    frame::page_with(status, &page)
}

/// True for whoever may ask for looser limits of a level; those of the installation are for risk.
pub(super) fn may_ask(actor: &Actor, node: &Node, resource: &Resource) -> bool {
    let is_theirs = *node != Node::Installation || actor.holds(Role::Risk);
    is_theirs && authz::check(actor, Action::AskRequest, resource).is_ok()
}

/// The page of the open request for looser limits of a level; empty: there is none, or that is not known now.
pub(super) async fn open_request(app: &App, person: &Person, node: &Node) -> String {
    let open = app.limits_request_of(&person.actor, node).await.ok().flatten();
    open.map(|row| format!("/requests/{}", row.id)).unwrap_or_default()
}

fn place(app: &App, node: &Node) -> Place {
    let words = match node {
        Node::Symbol(_, symbol) => symbol.to_string(),
        other => app.limits_words(other),
    };
    Place { words, href: href(node), is_bare: app.limit_tree().node(node).is_none() }
}

fn exceptions(app: &App, bot: &BotFacts) -> Vec<Exception> {
    let tree = app.limit_tree();
    let one = |row: &crate::app::limit_overrides::OverrideRow| Exception {
        id: row.request_id.to_string(),
        words: format!("{} up to {}: {}", row.symbol, amount(&row.most), row.why),
        until: row.until_at,
    };
    tree.overrides(&bot.id).iter().map(one).collect()
}

/// The levels above one.
fn crumbs(app: &App, node: &Node) -> Vec<Place> {
    let view = app.fleet.view();
    let team = node.bot().and_then(|bot| view.bot(bot)).map(|bot| Node::Team(bot.team.clone()));
    let bot = if let Node::Symbol(bot, _) = node { Some(Node::Bot(bot.clone())) } else { None };
    let installation = (*node != Node::Installation).then_some(Node::Installation);
    [installation, team, bot].into_iter().flatten().map(|above| place(app, &above)).collect()
}

/// The levels right below one, what they are called, and how many more there are.
fn below(app: &App, node: &Node) -> (Vec<Place>, &'static str, usize) {
    let (all, words): (Vec<Node>, &str) = match node {
        Node::Installation => (app.people().teams().into_iter().map(|team| Node::Team(team.id.clone())).collect(), "Teams"),
        Node::Team(team) => {
            let view = app.fleet.view();
            let mut bots: Vec<Arc<BotFacts>> = view.bots().filter(|bot| bot.team == *team).cloned().collect();
            bots.sort_by(|a, b| a.name.cmp(&b.name));
            (bots.into_iter().map(|bot| Node::Bot(bot.id.clone())).collect(), "Bots")
        }
        Node::Bot(bot) => (app.limit_tree().symbols(bot).iter().map(|row| row.node.clone()).collect(), "Symbols with limits of their own"),
        Node::Symbol(..) => (Vec::new(), ""),
    };
    let more = all.len().saturating_sub(BELOW);
    (all.iter().take(BELOW).map(|below| place(app, below)).collect(), words, more)
}

/// How it stood at the end of a day; none: no day was asked for.
async fn then(app: &App, person: &Person, node: &Node, day: &str) -> Result<Option<Then>, String> {
    if day.trim().is_empty() {
        return Ok(None);
    }
    let Some(day) = Timestamp::parse_day(day) else { return Err("Give a day, for example 2026-11-23".to_owned()) };
    let now = app.clock.now();
    if day > now {
        return Err("That day is to come; give one that has begun".to_owned());
    }
    let at = day.plus_ms(DAY_MS - 1).min(now);
    let (rows, held) = app.limits_as_of(&person.actor, node, at).await.map_err(|error| error.to_string())?;
    let currency = node.bot().and_then(|bot| app.currency_of(bot)).unwrap_or_default();
    let levels = rows.iter().map(|row| (app.limits_words(&row.node), row.version, plain(&row.values, &currency)));
    let held = held.map(|row| {
        let values: Values = serde_json::from_str(&row.limits).unwrap_or_default();
        format!("version {}: {}", row.version, plain(&values, &currency))
    });
    Ok(Some(Then { at, levels: levels.collect(), held: held.unwrap_or_default() }))
}

/// Settings as one line, in the words and numbers of the tables: `Largest order 1,800; Leverage 2`.
pub(super) fn plain(values: &Values, currency: &str) -> String {
    let own = values.get("currency").and_then(serde_json::Value::as_str).unwrap_or(currency);
    let one = |(name, value): (&String, &serde_json::Value)| match (Setting::of(name), value.as_object()) {
        (Some(setting @ Setting::Number(named)), _) => {
            let text = setting.plain(value);
            let number = Decimal::parse(&text);
            format!("{} {}", named.words, number.map_or(text, |number| with_unit(named, number, own)))
        }
        (Some(setting), _) => format!("{}: {}", setting.words(), setting.plain(value)),
        // Single symbols, in what holds for a bot.
        (None, Some(symbols)) => {
            let of = |(symbol, values): (&String, &serde_json::Value)| {
                format!("{symbol}: {}", values.as_object().map(|values| plain(values, own)).unwrap_or_default())
            };
            symbols.iter().map(of).collect::<Vec<_>>().join("; ")
        }
        (None, None) => format!("{} {value}", name.replace('_', " ")),
    };
    values.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A number with what it counts.
fn with_unit(named: &Number, number: Decimal, currency: &str) -> String {
    let text = format::decimal(&number.shortest());
    match named.unit {
        Unit::Money if !currency.is_empty() => format!("{text} {currency}"),
        Unit::Milliseconds => format!("{text} ms"),
        _ => text,
    }
}

fn amount(text: &str) -> String {
    Decimal::parse(text).map_or_else(|| text.to_owned(), |amount| format::decimal(&amount.shortest()))
}

fn who(app: &App, set_by: &str) -> String {
    let user = set_by.strip_prefix("user:").map(|id| UserId::from_stored(id.to_owned()));
    user.map_or_else(|| set_by.to_owned(), |user| app.people().who(&user))
}

/// The versions of a level, none when the database does not answer; and of what held for a bot, where levels above it had a part in that.
async fn versions(app: &App, person: &Person, node: &Node) -> Result<(Option<Vec<Version>>, Vec<Version>), WebError> {
    let rows = match app.level_history(&person.actor, node).await {
        Ok(rows) => rows,
        Err(error @ AppError::Denied(_)) => return Err(error.into()),
        Err(_) => return Ok((None, Vec::new())),
    };
    let currency = node.bot().and_then(|bot| app.currency_of(bot)).unwrap_or_default();
    let version = |row: NodeRow| Version {
        version: row.version,
        at: row.set_at,
        by: who(app, &row.set_by),
        why: row.why,
        values: plain(&row.values, &currency),
        request: row.request_id.map(|id| format!("/requests/{id}")).unwrap_or_default(),
    };
    let own: Vec<Version> = rows.into_iter().map(version).collect();
    let Node::Bot(bot) = node else { return Ok((Some(own), Vec::new())) };
    let held = app.limits_history(&person.actor, bot).await.unwrap_or_default();
    let is_own = held.len() == own.len() && held.iter().zip(&own).all(|(held, own)| held.set_at == own.at);
    let held: Vec<_> = held.into_iter().filter(|_| !is_own).collect();
    let requests = if held.is_empty() { Vec::new() } else { requests_above(app, person, bot).await };
    let held = held.into_iter().map(|row| {
        let values: Values = serde_json::from_str(&row.limits).unwrap_or_default();
        let values = plain(&values, &currency);
        let request = requests.iter().find(|(at, by, _)| *at == row.set_at && *by == row.set_by).map(|(.., request)| request.clone());
        Version {
            version: row.version,
            at: row.set_at,
            by: who(app, &row.set_by),
            why: row.why,
            values,
            request: request.unwrap_or_default(),
        }
    });
    Ok((Some(own), held.collect()))
}

/// The requests by which versions of a bot's limits came, on its own level and on those above: when, by whom, its page.
async fn requests_above(app: &App, person: &Person, bot: &BotId) -> Vec<(Timestamp, String, String)> {
    let team = app.fleet.view().bot(bot).map(|bot| Node::Team(bot.team.clone()));
    let mut all = Vec::new();
    for node in [Some(Node::Bot(bot.clone())), team, Some(Node::Installation)].into_iter().flatten() {
        let rows = app.level_history(&person.actor, &node).await.unwrap_or_default();
        all.extend(rows.into_iter().filter_map(|row| Some((row.set_at, row.set_by, format!("/requests/{}", row.request_id?)))));
    }
    all
}
