//! `/subaccounts`: the board. Each subaccount with the bot that has it, its key and its limits at a glance; those that two bots claim and free ones
//! first. Narrowed by text, venue, account and state.

use super::{Choice, Part, ROWS, address};
use crate::app::{
    App, AppError,
    register::board::{Claim, Held, SubaccountFilter, SubaccountRow},
};
use crate::authz::{self, Action, Resource};
use crate::domain::BotFacts;
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::Person,
    frame,
    page::Frame,
};
use askama::Template;
use axum::extract::{Query, State};

/// A line of the board.
struct Line {
    href: String,
    label: String,
    environment: &'static str,
    account: String,
    chip: Chip,
    /// What stands beside the chip: who claims what.
    claims: Vec<String>,
    /// Path, name and stage of the bot that has it.
    bot: Option<(String, String, String)>,
    limits: String,
    /// Its bot's keys at a glance; empty: it has none.
    keys: String,
}

#[derive(Template)]
#[template(path = "subaccounts.html")]
struct Subaccounts {
    frame: Frame,
    filter: SubaccountFilter,
    venues: Vec<Choice>,
    accounts: Vec<Choice>,
    states: Vec<Choice>,
    lines: Vec<Line>,
    part: Part,
    is_narrowed: bool,
    may_edit: bool,
    has_claims: bool,
}

/// What one can narrow to.
const STATES: [(&str, &str); 4] =
    [("double", "Claimed twice"), ("free", "Free"), ("assigned", "Assigned"), ("retired", "Retired and free")];

/// The limits that say most, at a glance.
pub(super) fn limits_words(bot: &BotFacts) -> String {
    const SHOWN: [(&str, &str); 3] =
        [("max_position_notional", "position"), ("max_order_notional", "order"), ("max_daily_loss", "daily loss")];
    let value = |name: &str| bot.limits.plain(name);
    let all: Vec<String> =
        SHOWN.iter().filter_map(|(name, word)| Some(format!("{word} {}", crate::web::format::decimal(&value(name)?)))).collect();
    match (all.is_empty(), bot.limits.version) {
        (false, _) => all.join(", "),
        (true, 0) => "none set".to_owned(),
        (true, version) => format!("version {version}"),
    }
}

fn chip(row: &SubaccountRow) -> Chip {
    match row.state() {
        "double" => Chip::new(Tone::High, "Claimed twice"),
        "free" => Chip::new(Tone::Open, "Free"),
        "retired" => Chip::new(Tone::Plain, "Retired"),
        _ if row.is_retired => Chip::new(Tone::Low, "Retired, still in use"),
        _ => Chip::new(Tone::Plain, "Assigned"),
    }
}

fn line(app: &App, row: &SubaccountRow) -> Line {
    let bot = if let Held::By(bot) = &row.held { Some(bot) } else { None };
    Line {
        href: format!("/subaccounts/{}", row.subaccount.id),
        label: row.label.clone(),
        environment: row.environment.as_str(),
        account: row.account.clone(),
        chip: chip(row),
        claims: if let Claim::Double(said) = &row.claim { said.clone() } else { Vec::new() },
        bot: bot.map(|bot| (format!("/bots/{}", bot.id), bot.name.clone(), bot.stage.to_string())),
        limits: bot.map(|bot| limits_words(bot)).unwrap_or_default(),
        keys: bot.map(|bot| app.key_words(&bot.id)).unwrap_or_default(),
    }
}

/// The board.
pub async fn index(State(app): Shared, person: Person, Query(filter): Query<SubaccountFilter>) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(AppError::from)?;
    let rows = app.subaccount_rows(&person.actor, &filter)?;
    let fields = [("q", filter.q.as_str()), ("venue", &filter.venue), ("account", &filter.account), ("state", &filter.state)];
    let part = Part::of(rows.len(), ("subaccount", "subaccounts"), filter.page, |page| address("/subaccounts", &fields, page));
    let venues = app.venues().venues();
    let accounts: Vec<_> =
        venues.iter().filter(|venue| filter.venue == venue.id.as_str()).flat_map(|venue| app.venues().accounts_of(&venue.id)).collect();
    let page = Subaccounts {
        frame: frame::of(&app, &person.visitor, "Subaccounts").await,
        venues: venues.iter().take(ROWS).map(|one| Choice::new(&one.id, one.name.clone(), &filter.venue)).collect(),
        accounts: accounts.iter().take(ROWS).map(|one| Choice::new(&one.id, one.name.clone(), &filter.account)).collect(),
        states: STATES.iter().map(|(word, words)| Choice::new(word, *words, &filter.state)).collect(),
        lines: rows.iter().skip(part.from).take(ROWS).map(|row| line(&app, row)).collect(),
        is_narrowed: fields.iter().any(|(_, value)| !value.is_empty()),
        may_edit: authz::check(&person.actor, Action::EditVenues, &Resource::Installation).is_ok(),
        has_claims: rows.iter().any(|row| row.claim != Claim::Unknown),
        part,
        filter,
    };
    frame::page(&page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let line = |n: usize, chip: Chip, claims: &[&str]| Line {
        href: format!("/subaccounts/{}", samples::id(n)),
        label: format!("binance testnet/grid-{n:02}"),
        environment: "test",
        account: "main".to_owned(),
        claims: claims.iter().map(|said| (*said).to_owned()).collect(),
        bot: (n != 2).then(|| (format!("/bots/{}", samples::id(n)), format!("grid-{n:02}"), "sandbox".to_owned())),
        limits: if n == 2 { String::new() } else { "position 25000, order 2000".to_owned() },
        keys: if n == 2 { String::new() } else { "execution".to_owned() },
        chip,
    };
    let draw = |lines: Vec<Line>, is_narrowed, has_claims| {
        Subaccounts {
            frame: Frame::sample("Subaccounts", "/subaccounts"),
            filter: SubaccountFilter { q: "grid <x>".to_owned(), ..SubaccountFilter::default() },
            venues: vec![Choice::new("v", "binance", "v")],
            accounts: vec![Choice::new("a", "main", "")],
            states: STATES.iter().map(|(word, words)| Choice::new(word, *words, "free")).collect(),
            part: Part::of(450, ("subaccount", "subaccounts"), 2, |page| format!("/subaccounts?page={page}")),
            lines,
            is_narrowed,
            may_edit: true,
            has_claims,
        }
        .render()
        .unwrap()
    };
    let lines = vec![
        line(1, Chip::new(Tone::High, "Claimed twice"), &["the agent of arb-01 says that it trades here"]),
        line(2, Chip::new(Tone::Open, "Free"), &[]),
        line(3, Chip::new(Tone::Plain, "Assigned"), &[]),
    ];
    vec![
        ("subaccounts".to_owned(), draw(lines, false, true)),
        ("subaccounts-none".to_owned(), draw(Vec::new(), true, false)),
        ("subaccounts-empty".to_owned(), draw(Vec::new(), false, false)),
    ]
}
