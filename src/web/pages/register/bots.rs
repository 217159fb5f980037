//! `/bots`: the register's bots, narrowed by text, team, venue, stage, state, owner and strategy. What they do now is the fleet's page.

use super::{Choice, Part, ROWS, address};
use crate::app::{App, listings::BotRow, register::board::BotFilter};
use crate::domain::Stage;
use crate::web::{
    Answer, Shared,
    chip::Chip,
    extract::Person,
    frame,
    page::Frame,
    pages::fleet::{STATES, trades},
    roster,
};
use askama::Template;
use axum::extract::{Query, State};

/// A line.
struct Line {
    href: String,
    name: String,
    objective: String,
    chip: Chip,
    stage: &'static str,
    team: String,
    strategy: String,
    people: String,
    seat: String,
}

#[derive(Template)]
#[template(path = "bots.html")]
struct Bots {
    frame: Frame,
    filter: BotFilter,
    teams: Vec<Choice>,
    venues: Vec<Choice>,
    owners: Vec<Choice>,
    stages: Vec<Choice>,
    states: Vec<Choice>,
    strategies: Vec<String>,
    lines: Vec<Line>,
    part: Part,
    is_narrowed: bool,
    may_make: bool,
}

fn line(app: &App, row: &BotRow) -> Line {
    let (bot, sheet) = (&row.bot, app.venues().sheet(&row.bot.id));
    let who = |id: &crate::domain::UserId| app.people().who(id);
    let seat = bot.seat.as_ref().and_then(|seat| app.venues().subaccount(&seat.subaccount));
    Line {
        href: format!("/bots/{}", bot.id),
        name: bot.name.clone(),
        objective: sheet.objective,
        chip: roster::standing(row).0,
        stage: bot.stage.as_str(),
        team: app.people().team_name(&bot.team).unwrap_or_default(),
        strategy: bot.strategy.clone(),
        people: match &sheet.deputy {
            Some(deputy) => format!("{}, deputy {}", who(&bot.owner), who(deputy)),
            None => format!("{}, no deputy", who(&bot.owner)),
        },
        seat: seat.map(|one| app.venues().label(&one)).unwrap_or_default(),
    }
}

/// The list.
pub async fn index(State(app): Shared, person: Person, Query(filter): Query<BotFilter>) -> Answer {
    let rows = app.registered_bots(&person.actor, &filter)?;
    let fields = [
        ("q", filter.q.as_str()),
        ("team", &filter.team),
        ("venue", &filter.venue),
        ("stage", &filter.stage),
        ("state", &filter.state),
        ("owner", &filter.owner),
        ("strategy", &filter.strategy),
    ];
    let part = Part::of(rows.len(), ("bot", "bots"), filter.page, |page| address("/bots", &fields, page));
    let view = app.fleet.view();
    let mut strategies: Vec<String> = view.bots().map(|bot| bot.strategy.clone()).collect();
    strategies.sort_unstable();
    strategies.dedup();
    strategies.truncate(ROWS);
    let mut owners: Vec<_> = app
        .people()
        .users()
        .iter()
        .filter(|user| user.enabled)
        .map(|user| Choice::new(&user.id, user.display_name.clone(), &filter.owner))
        .collect();
    owners.truncate(ROWS);
    let page = Bots {
        frame: frame::of(&app, &person.visitor, "Bots").await,
        teams: app.people().teams().into_iter().map(|team| Choice::new(&team.id, team.name, &filter.team)).collect(),
        venues: app.venues().venues().into_iter().take(ROWS).map(|one| Choice::new(&one.id, one.name, &filter.venue)).collect(),
        owners,
        stages: Stage::ALL.iter().map(|stage| Choice::new(stage, stage.as_str(), &filter.stage)).collect(),
        states: STATES.iter().map(|(word, words)| Choice::new(word, *words, &filter.state)).collect(),
        strategies,
        lines: rows.iter().skip(part.from).take(ROWS).map(|row| line(&app, row)).collect(),
        is_narrowed: fields.iter().any(|(_, value)| !value.is_empty()),
        may_make: trades(&person.actor),
        part,
        filter,
    };
    frame::page(&page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::{chip::Tone, samples};
    let line = |n: usize| Line {
        href: format!("/bots/{}", samples::id(n)),
        name: format!("grid-{n:02}"),
        objective: if n == 1 { "Earn the <spread>".to_owned() } else { String::new() },
        chip: Chip::new(Tone::Plain, "Active"),
        stage: "sandbox",
        team: "grid".to_owned(),
        strategy: "grid".to_owned(),
        people: "L. Sato, deputy M. Okafor".to_owned(),
        seat: if n == 1 { "binance testnet/grid-01".to_owned() } else { String::new() },
    };
    let draw = |lines: Vec<Line>, is_narrowed| {
        Bots {
            frame: Frame::sample("Bots", "/bots"),
            filter: BotFilter::default(),
            teams: vec![Choice::new("t", "grid", "")],
            venues: vec![Choice::new("v", "binance", "v")],
            owners: vec![Choice::new("o", "L. Sato", "")],
            stages: Stage::ALL.iter().map(|stage| Choice::new(stage, stage.as_str(), "live")).collect(),
            states: STATES.iter().map(|(word, words)| Choice::new(word, *words, "")).collect(),
            strategies: vec!["grid".to_owned()],
            part: Part::of(lines.len(), ("bot", "bots"), 1, |page| format!("/bots?page={page}")),
            lines,
            is_narrowed,
            may_make: true,
        }
        .render()
        .unwrap()
    };
    vec![
        ("bots".to_owned(), draw((1..30).map(line).collect(), false)),
        ("bots-none".to_owned(), draw(Vec::new(), true)),
        ("bots-empty".to_owned(), draw(Vec::new(), false)),
    ]
}
