//! What should stop? The second of two presses, as a choice of scope. Plain HTML: no script, nothing that could fail to load. The counts are
//! those of the moment it was loaded; what the press covers is counted again by the server.

use crate::app::{App, listings::Census};
use crate::authz::{self, Action, Resource};
use crate::crypto::token;
use crate::domain::{BotId, Level, Role, Scope, TeamId};
use crate::web::{
    Answer, Shared,
    extract::{Person, StopOnly},
    frame,
    page::{Frame, PauseControl, Scripts},
    query::Params,
    roster::{Stake, bots},
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use std::collections::HashSet;

/// People named to somebody who may not pause, at most.
const NAMED: usize = 12;

/// What a press can say of its release: hours, and the words of the choice. None: any time.
pub(in crate::web) const HOURS: [(i64, &str); 5] =
    [(1, "1 hour after the press"), (4, "4 hours"), (12, "12 hours"), (24, "1 day"), (168, "7 days")];

/// One thing that can be stopped by one press.
pub(super) struct Choice {
    /// What the button sends.
    pub(super) scope: String,
    /// The button: verb, number, noun.
    pub(super) words: String,
    /// What else is good to know.
    pub(super) note: String,
}

#[derive(Template)]
#[template(path = "pause.html")]
pub(super) struct Pause {
    pub(super) frame: Frame,
    pub(super) level: Level,
    /// The same rendering sent twice is one press.
    pub(super) key: String,
    /// Hours before which nothing that is pressed here may be released; none: any time.
    pub(super) hours: Option<i64>,
    /// The same in words: `4 hours`.
    pub(super) hours_words: String,
    /// Links to the same page with other hours; the one that counts has none.
    pub(super) other_hours: Vec<(Option<String>, &'static str)>,
    /// The same page at the other level.
    pub(super) other_level: String,
    pub(super) all: Choice,
    pub(super) teams: Vec<Choice>,
    /// Venues, their subaccounts, and strategies.
    pub(super) narrower: Vec<Choice>,
    /// Ids and names of the venues at which one symbol alone can be held.
    pub(super) venues: Vec<(String, String)>,
    /// Ids and the button.
    pub(super) marked: Option<(Vec<BotId>, Choice)>,
    /// The bots bound to the marked ones, with them: a button that stops the whole set.
    pub(super) linked: Option<(Vec<BotId>, Choice)>,
    /// They may kill something.
    pub(super) may_kill: bool,
    pub(super) nothing_runs: bool,
    pub(super) held: usize,
    /// `2 bots may send nothing at all meanwhile`; empty: none.
    pub(super) without_exits: String,
    /// Who may press, for somebody who may not.
    pub(super) may: Option<Vec<String>>,
    /// What was typed and ticked by a press that named nothing, and what is wrong with it.
    pub(super) typed: Typed,
}

/// What a press that stopped nothing had typed and ticked.
#[derive(Debug, Default)]
pub(in crate::web) struct Typed {
    pub(super) symbol: String,
    pub(super) venue: String,
    pub(super) ticked: Vec<String>,
    /// What is wrong with it; empty: nothing was pressed yet.
    pub(super) wrong: String,
}

/// What the page is asked for.
pub(in crate::web) struct Wanted {
    pub(super) level: Level,
    pub(super) hours: Option<i64>,
    pub(super) marked: Vec<BotId>,
    pub(super) typed: Typed,
}

/// The page.
pub async fn show(State(app): Shared, StopOnly(person): StopOnly, params: Params) -> Answer {
    let level = if params.text("level").as_deref() == Some("reduce") { Level::Reduce } else { Level::Pause };
    let marked = params.every("bot").iter().filter_map(|id| BotId::parse(id).ok()).collect();
    let hours = params.text("hours").and_then(|text| text.parse().ok()).filter(|hours| HOURS.iter().any(|(one, _)| one == hours));
    draw(&app, &person, Wanted { level, hours, marked, typed: Typed::default() }).await
}

/// The page as it was asked for; after a press that named nothing, with what was typed.
///
/// # Errors
/// When whoever asks may not see it.
pub(in crate::web) async fn draw(app: &App, person: &Person, wanted: Wanted) -> Answer {
    let Wanted { level, hours, marked, typed } = wanted;
    let by_team = app.census_by_team(&person.actor)?;
    let mut frame = frame::without_first_run(app, &person.visitor, "Pause bots").await;
    frame.is_error = !typed.wrong.is_empty();
    let status = if typed.wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    frame.scripts = Scripts::None;
    let may = authz::check(&person.actor, Action::PlaceHold, &Resource::Installation).is_ok();
    frame.pause = if may { PauseControl::Inert } else { PauseControl::Absent };
    let words = Words { level, shows_stake: person.visitor.asleep.is_none(), now: frame.now };
    let all = sum(&by_team);
    let path = |level: Level, hours: Option<i64>| path(level, hours, &marked);
    let others = [(None, "any time")].into_iter().chain(HOURS.into_iter().map(|(hours, words)| (Some(hours), words)));
    let page = Pause {
        level,
        hours_words: hours_words(hours),
        hours,
        other_hours: others.map(|(one, words)| ((one != hours).then(|| path(level, one)), words)).collect(),
        other_level: path(if level == Level::Reduce { Level::Pause } else { Level::Reduce }, hours),
        key: token::random::<16>().map_err(crate::app::AppError::from)?,
        teams: by_team.iter().filter(|(.., census)| census.bots > 0).map(|(id, name, census)| words.team(id, name, census)).collect(),
        narrower: words.narrower(app),
        venues: app.venues().venues().into_iter().map(|venue| (venue.id.to_string(), venue.name)).collect(),
        linked: words.linked(app, &marked),
        marked: words.marked(app, marked),
        may_kill: authz::check(&person.actor, Action::PlaceKill, &Resource::Installation).is_ok(),
        nothing_runs: all.running == 0,
        held: all.halted,
        without_exits: match all.without_exits {
            0 => String::new(),
            n => format!("{} may send no order at all meanwhile, closing ones included; resting protective orders stay.", bots(n)),
        },
        all: words.all(&all, by_team.len()),
        may: (!may).then(|| who_may(app)),
        typed,
        frame,
    };
    frame::page_with(status, &page)
}

fn hours_words(hours: Option<i64>) -> String {
    match hours {
        None => String::new(),
        Some(1) => "1 hour".to_owned(),
        Some(hours) => format!("{hours} hours"),
    }
}

/// This page, with what was chosen so far.
fn path(level: Level, hours: Option<i64>, marked: &[BotId]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if level == Level::Reduce {
        query.append_pair("level", "reduce");
    }
    if let Some(hours) = hours {
        query.append_pair("hours", &hours.to_string());
    }
    for bot in marked {
        query.append_pair("bot", bot.as_str());
    }
    format!("/pause?{}", query.finish())
}

pub(super) fn sum(by_team: &[(TeamId, String, Census)]) -> Census {
    let mut all = Census::default();
    for (.., census) in by_team {
        all.bots += census.bots;
        all.running += census.running;
        all.halted += census.halted;
        all.no_data += census.no_data;
        all.without_exits += census.without_exits;
        all.exposure.join(&census.exposure);
    }
    all
}

/// The words of buttons.
pub(super) struct Words {
    pub(super) level: Level,
    pub(super) shows_stake: bool,
    pub(super) now: crate::domain::Timestamp,
}

/// `Pause` or `Reduce`.
pub(super) fn verb(level: Level) -> &'static str {
    match level {
        Level::Reduce => "Reduce",
        Level::Pause => "Pause",
        Level::Kill => "Kill",
    }
}

impl Words {
    pub(super) fn all(&self, census: &Census, teams: usize) -> Choice {
        let verb = verb(self.level);
        let words = match census.running {
            0 if census.bots > 0 => format!("{verb} all {} anyway", bots(census.bots)),
            0 => format!("{verb} the fleet of 0 bots anyway"),
            n => format!("{verb} all {} running {}", super::super::format::count(n as i128), if n == 1 { "bot" } else { "bots" }),
        };
        let teams = if teams == 1 { "1 team".to_owned() } else { format!("{teams} teams") };
        let note = if census.running == 0 { "Nothing may start meanwhile".to_owned() } else { self.note(teams, census) };
        Choice { scope: "fleet".to_owned(), words, note }
    }

    pub(super) fn team(&self, id: &TeamId, name: &str, census: &Census) -> Choice {
        let verb = verb(self.level);
        let words = match census.running {
            0 => format!("{verb} team {name}: {}", bots(census.bots)),
            n => format!("{verb} team {name}: {} running {}", super::super::format::count(n as i128), if n == 1 { "bot" } else { "bots" }),
        };
        let note = if census.running == 0 { "nothing runs".to_owned() } else { self.note(format!("of {}", census.bots), census) };
        Choice { scope: format!("team:{id}"), words, note }
    }

    fn note(&self, first: String, census: &Census) -> String {
        let stake = if self.shows_stake { Stake::of(census, self.now).in_words() } else { String::new() };
        let silent = match census.no_data {
            0 => String::new(),
            1 => "1 sends no data and is covered too".to_owned(),
            n => format!("{n} send no data and are covered too"),
        };
        [first, stake, silent].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }

    /// Every venue, the subaccounts that bots have, and every strategy. A venue without bots can be held, too: none may start there.
    fn narrower(&self, app: &App) -> Vec<Choice> {
        let mut strategies: Vec<String> = app.fleet.view().bots().map(|bot| bot.strategy.clone()).collect();
        strategies.sort();
        strategies.dedup();
        let venues = app.venues().venues().into_iter().map(|venue| Scope::Venue(venue.id));
        let subaccounts = app.venues().subaccounts().into_iter().map(|one| Scope::Subaccount(one.id));
        let all = venues.chain(strategies.into_iter().map(Scope::Strategy)).chain(subaccounts);
        let choice = |scope: Scope| {
            let n = count_in(app, &scope);
            let words = format!("{} {}: {}", verb(self.level), frame::scope_words(app, &scope), bots(n));
            (n > 0 || matches!(scope, Scope::Venue(_))).then(|| Choice { scope: scope.in_one(), words, note: String::new() })
        };
        all.filter_map(choice).collect()
    }

    /// The marked bots with everything that is bound to them; none when nothing is.
    fn linked(&self, app: &App, marked: &[BotId]) -> Option<(Vec<BotId>, Choice)> {
        let mut all = marked.to_vec();
        for other in marked.iter().flat_map(|bot| app.venues().linked(bot)) {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        let view = app.fleet.view();
        let names: Vec<String> = all.iter().skip(marked.len()).filter_map(|id| view.bot(id)).map(|bot| bot.name.clone()).collect();
        let words = format!("{} these and {} bound to them", verb(self.level), bots(names.len()));
        (!names.is_empty()).then(|| (all, Choice { scope: "linked".to_owned(), words, note: names.join(", ") }))
    }

    fn marked(&self, app: &crate::app::App, ids: Vec<BotId>) -> Option<(Vec<BotId>, Choice)> {
        let view = app.fleet.view();
        let known: Vec<_> = ids.iter().filter_map(|id| view.bot(id)).collect();
        let names: Vec<&str> = known.iter().map(|bot| bot.name.as_str()).collect();
        let n = known.len();
        let words = format!("{} {} marked {}", verb(self.level), n, if n == 1 { "bot" } else { "bots" });
        let choice = Choice { scope: "bots".to_owned(), words, note: names.join(", ") };
        (n > 0).then(|| (known.iter().map(|bot| bot.id.clone()).collect(), choice))
    }
}

/// Bots in a scope, in words: `3 bots`.
fn count_in(app: &App, scope: &Scope) -> usize {
    app.fleet.view().bots().filter(|bot| bot.stage != crate::domain::Stage::Retired && scope.covers(bot)).count()
}

/// People who may pause, with what they are.
fn who_may(app: &crate::app::App) -> Vec<String> {
    let may = |role: Role| matches!(role, Role::Operator | Role::Lead | Role::Risk | Role::Admin);
    let users = app.people().users();
    let found = users.iter().filter(|user| user.enabled && user.grants.iter().any(|grant| may(grant.role)));
    found
        .take(NAMED)
        .map(|user| {
            let roles: Vec<String> = user.grants.iter().map(|grant| frame::role_words(app, grant)).collect();
            format!("{}, {}", user.display_name, roles.join(", "))
        })
        .collect()
}

/// What stands beside a pause button.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    /// The marked bots.
    pub(super) marked: &'a [String],
    /// The same with everything bound to them.
    pub(super) linked: &'a [String],
    /// The ticked: each `KIND:ID`, or `bots` for the marked ones.
    pub(super) ticked: &'a [String],
}

/// Reads what a pause button sends: `fleet`, `KIND:ID`, `bots` or `linked` with the bots beside it, or `several` with the ticked ones. Each once,
/// and what of it cannot be read: that keeps none of the others from being stopped.
///
/// # Errors
/// What is wrong, when none of it can be read.
pub(super) fn scopes(scope: &str, beside: &Beside<'_>) -> Result<(Vec<Scope>, Vec<String>), &'static str> {
    let (mut all, mut unread, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    let mut take = |text: &str, read: Option<Scope>| match read {
        Some(scope) if known.insert(scope.clone()) => all.push(scope),
        Some(_) => {}
        None => unread.push(text.chars().take(80).collect()),
    };
    let bots = |ids: &[String], take: &mut dyn FnMut(&str, Option<Scope>)| {
        ids.iter().for_each(|id| take(id, BotId::parse(id).ok().map(Scope::Bot)));
    };
    match scope {
        "bots" => bots(beside.marked, &mut take),
        "linked" => bots(beside.linked, &mut take),
        "several" => beside.ticked.iter().for_each(|one| match one.as_str() {
            "bots" => bots(beside.marked, &mut take),
            one => take(one, Scope::from_one(one)),
        }),
        one => take(one, Scope::from_one(one)),
    }
    match (all.is_empty(), unread.is_empty()) {
        (false, _) => Ok((all, unread)),
        (true, _) if scope.starts_with("symbol:") => Err("Write the symbol as its venue's library does, for example BTC/USDT."),
        (true, true) if scope == "several" => Err("Tick what is to stop."),
        (true, _) => Err("What was pressed names nothing that can be stopped."),
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let choice = |scope: &str, words: &str, note: &str| Choice { scope: scope.to_owned(), words: words.to_owned(), note: note.to_owned() };
    let page = |level, may: Option<Vec<String>>, nothing_runs: bool| {
        let mut frame = Frame { held: None, scripts: Scripts::None, ..Frame::sample("Pause bots", "/pause") };
        frame.pause = if may.is_none() { PauseControl::Inert } else { PauseControl::Absent };
        let verb = verb(level);
        Pause {
            frame,
            level,
            hours: nothing_runs.then_some(4),
            hours_words: hours_words(Some(4)),
            other_hours: vec![(None, "any time"), (Some("/pause?hours=4".to_owned()), "4 hours")],
            other_level: "/pause?level=reduce".to_owned(),
            key: "key".to_owned(),
            all: choice(
                "fleet",
                &format!("{verb} all 38 running bots"),
                "3 teams · 1,914,334 USDT at stake · 2 send no data and are covered too",
            ),
            teams: vec![
                choice("team:1", &format!("{verb} team arb: 13 running bots"), "of 14 · 612,004 USDT at stake"),
                choice("team:2", &format!("{verb} team grid: 13 running bots"), "of 13 · 680,100 USDT at stake"),
                choice(
                    "team:3",
                    &format!("{verb} team market-making: 12 running bots"),
                    "of 13 · 622,230 USDT at stake · 1 sends no data and is covered too",
                ),
            ],
            marked: Some((
                vec![BotId::from_stored(samples::id(1)), BotId::from_stored(samples::id(2))],
                choice("bots", &format!("{verb} 2 marked bots"), "arb-01, grid-07"),
            )),
            narrower: vec![
                choice("venue:1", &format!("{verb} venue binance: 22 bots"), ""),
                choice("strategy:grid", &format!("{verb} strategy grid: 13 bots"), ""),
            ],
            venues: vec![(samples::id(60), "binance".to_owned())],
            linked: Some((
                vec![BotId::from_stored(samples::id(1)), BotId::from_stored(samples::id(3))],
                choice("linked", &format!("{verb} these and 1 bot bound to them"), "arb-01 hedge"),
            )),
            may_kill: true,
            nothing_runs,
            held: 40,
            without_exits: "2 bots may send no order at all meanwhile, closing ones included; resting protective orders stay.".to_owned(),
            may,
            typed: Typed { ticked: vec!["team:1".to_owned()], ..Typed::default() },
        }
        .render()
        .unwrap()
    };
    let people = vec!["L. Sato, operator of arb".to_owned(), "R. Lindqvist, risk".to_owned()];
    vec![
        ("pause".to_owned(), page(Level::Pause, None, false)),
        ("pause-reduce".to_owned(), page(Level::Reduce, None, true)),
        ("pause-auditor".to_owned(), page(Level::Pause, Some(people), false)),
    ]
}
