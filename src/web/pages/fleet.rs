//! The fleet: is anything wrong, and where? Four figures, what needs attention worst first, the rest by team. At most a hundred rows; the
//! order of a page stays as it was loaded, live updates change text only.

use crate::app::{
    App,
    listings::{BotRow, Standing, census},
};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{TeamId, Timestamp};
use crate::web::{
    Answer, Shared,
    extract::Person,
    format::{Age, Aged},
    frame,
    page::{Frame, Scripts},
    roster::{BotLine, Stake, bots},
};
use askama::Template;
use axum::extract::{Query, State};
use std::cmp::Reverse;

/// Rows that need attention, at most.
const ATTENTION: usize = 50;
/// Rows of a page, at most.
pub const ROWS: usize = 100;

/// What a person narrows the list to.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Part of a name.
    pub q: String,
    /// A team's id.
    pub team: String,
    /// `attention`, `running`, `halted` or `no-data`.
    pub state: String,
    /// The page of a narrowed list, from 1.
    pub page: usize,
}

/// The words for the states one can filter by.
pub const STATES: [(&str, &str); 4] =
    [("attention", "Needs attention"), ("running", "Running"), ("halted", "Held or halted"), ("no-data", "No data")];

impl Filter {
    fn is_set(&self) -> bool {
        !self.q.trim().is_empty() || !self.team.is_empty() || !self.state.is_empty()
    }
    fn takes(&self, row: &BotRow) -> bool {
        let named = row.bot.name.to_lowercase().contains(&self.q.trim().to_lowercase());
        let of_team = self.team.is_empty() || row.bot.team.as_str() == self.team;
        named
            && of_team
            && match self.state.as_str() {
                "attention" => row.rank < 9,
                "running" => row.standing() == Standing::Running,
                "halted" => row.standing() == Standing::Halted,
                "no-data" => row.standing() == Standing::NoData,
                _ => true,
            }
    }
    fn at_page(&self, path: &str, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("team", &self.team), ("state", &self.state)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("{path}?{}", query.append_pair("page", &page.to_string()).finish())
    }
    /// In words, for an empty list: `team = arb and state = held or halted`.
    fn in_words(&self, team: &str) -> String {
        let state = STATES.iter().find(|(word, _)| *word == self.state).map_or("", |(_, words)| words);
        let parts = [("name contains", self.q.trim()), ("team is", team), ("state is", state)];
        let said: Vec<String> =
            parts.iter().filter(|(_, value)| !value.is_empty()).map(|(what, value)| format!("{what} “{value}”")).collect();
        said.join(" and ")
    }
}

/// The four figures on top.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What is at stake.
    pub stake: Stake,
    /// How many run.
    pub running: Aged<usize>,
    /// How many are held or halted.
    pub halted: Aged<usize>,
    /// How many are not heard.
    pub no_data: Aged<usize>,
    /// How many are not heard, as a number.
    pub silent: usize,
}

impl Figures {
    /// Counts rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a BotRow>, now: Timestamp) -> Self {
        let census = census(rows, now);
        let count = |n| Aged::new(Some(n), Age::fresh(now));
        Self {
            stake: Stake::of(&census, now),
            running: count(census.running),
            halted: count(census.halted),
            no_data: count(census.no_data),
            silent: census.no_data,
        }
    }
}

/// The normal bots of a team.
pub struct Group {
    /// The team's name.
    pub name: String,
    /// The team.
    pub id: TeamId,
    /// How many normal ones, in words.
    pub bots: String,
    /// The whole team in one line: how many bots, how many run, what is at stake.
    pub summary: String,
    /// Their lines; empty when they do not fit this page.
    pub lines: Vec<BotLine>,
}

/// A narrowed list, or the list of a team.
pub struct Listed {
    /// The lines of this page.
    pub lines: Vec<BotLine>,
    /// `1 to 100 of 478 bots`.
    pub words: String,
    /// The page before; empty: none.
    pub previous: String,
    /// The page after; empty: none.
    pub next: String,
}

/// What a page lists: attention first, then groups or one list.
pub struct Listing {
    /// What needs attention, worst first.
    pub attention: Vec<BotLine>,
    /// How many more need it.
    pub attention_more: usize,
    /// The rest, by team.
    pub groups: Vec<Group>,
    /// Or one list.
    pub listed: Option<Listed>,
    /// Where live updates come from.
    pub stream: String,
    /// Rows can be marked: whoever looks may pause.
    pub marks: bool,
    /// Whoever looks trades in some team.
    pub may_start: bool,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct Fleet {
    frame: Frame,
    filter: Filter,
    teams: Vec<(TeamId, String)>,
    filter_words: String,
    figures: Figures,
    listing: Listing,
    has_bots: bool,
    may_make: bool,
}

/// The fleet page.
pub async fn index(State(app): Shared, person: Person, Query(filter): Query<Filter>) -> Answer {
    let mut frame = frame::of(&app, &person.visitor, "Fleet").await;
    frame.scripts = Scripts::Live;
    frame.people.extend(super::staged::strips(&app, &person.actor).await);
    let now = frame.now;
    let rows = sorted(app.bot_rows(&person.actor)?, now);
    let teams: Vec<_> = app.people().teams().into_iter().map(|team| (team.id, team.name)).collect();
    let team = teams.iter().find(|(id, _)| id.as_str() == filter.team).map_or("", |(_, name)| name);
    let listing = if filter.is_set() {
        let found: Vec<&BotRow> = rows.iter().filter(|row| filter.takes(row)).collect();
        one_list(&app, &person.actor, &found, Paged { filter: &filter, path: "/fleet" }, now)
    } else {
        by_team(&app, &person.actor, &rows, &teams, now)
    };
    frame::page(&Fleet {
        filter_words: filter.in_words(team),
        figures: Figures::of(&rows, now),
        has_bots: !rows.is_empty(),
        may_make: trades(&person.actor),
        frame,
        filter,
        teams,
        listing,
    })
}

/// True when somebody is an operator or lead anywhere.
pub fn trades(actor: &Actor) -> bool {
    use crate::domain::Role;
    !actor.is_stop_only() && (actor.holds(Role::Operator) || actor.holds(Role::Lead))
}

/// Worst first; among equally bad ones those with the most at stake; then by name.
pub fn sorted(mut rows: Vec<BotRow>, now: Timestamp) -> Vec<BotRow> {
    rows.sort_by_cached_key(|row| {
        let stake = if row.rank < 9 { row.exposure(now).map(|money| money.amount) } else { None };
        (row.rank, Reverse(stake), row.bot.name.clone())
    });
    rows
}

/// Where a narrowed list stands.
pub struct Paged<'a> {
    /// What it is narrowed to.
    pub filter: &'a Filter,
    /// Its path.
    pub path: &'a str,
}

/// One list of a hundred rows at most, with pages before and after.
pub fn one_list(app: &App, actor: &Actor, rows: &[&BotRow], paged: Paged<'_>, now: Timestamp) -> Listing {
    let pages = rows.len().div_ceil(ROWS).max(1);
    let page = paged.filter.page.clamp(1, pages);
    let from = (page - 1) * ROWS;
    let shown: Vec<&BotRow> = rows.iter().skip(from).take(ROWS).copied().collect();
    let at = |page: usize| paged.filter.at_page(paged.path, page);
    let listed = Listed {
        words: match rows.len() {
            all if all <= ROWS => bots(all),
            all => format!("{} to {} of {}", from + 1, from + shown.len(), bots(all)),
        },
        previous: if page > 1 { at(page - 1) } else { String::new() },
        next: if page < pages { at(page + 1) } else { String::new() },
        lines: shown.iter().map(|row| BotLine::of(app, row, now)).collect(),
    };
    let team = Some(paged.filter.team.as_str()).filter(|team| !team.is_empty());
    // Whoever looks for a name or a state is not told of the others; a team's list, worst first, is sorted again like the fleet's.
    let is_whole = page == 1 && paged.filter.q.trim().is_empty() && paged.filter.state.is_empty();
    let first = is_whole.then(|| listed.lines.iter().filter(|line| line.is_trouble).count());
    let stream = stream(team, first, listed.lines.iter());
    Listing { attention: Vec::new(), attention_more: 0, groups: Vec::new(), listed: Some(listed), stream, ..empty(actor) }
}

/// What needs attention, then the rest by team: each team whole while it fits, else as a link.
fn by_team(app: &App, actor: &Actor, rows: &[BotRow], teams: &[(TeamId, String)], now: Timestamp) -> Listing {
    let (trouble, normal): (Vec<&BotRow>, Vec<&BotRow>) = rows.iter().partition(|row| row.rank < 9);
    let attention: Vec<BotLine> = trouble.iter().take(ATTENTION).map(|row| BotLine::of(app, row, now)).collect();
    let mut room = ROWS - attention.len();
    let mut groups = Vec::new();
    for (id, name) in teams {
        let of_team: Vec<&BotRow> = normal.iter().filter(|row| row.bot.team == *id).copied().collect();
        if of_team.is_empty() {
            continue;
        }
        let fits = of_team.len() <= room;
        let lines: Vec<BotLine> = of_team.iter().filter(|_| fits).map(|row| BotLine::of(app, row, now)).collect();
        room -= lines.len();
        groups.push(Group {
            name: name.clone(),
            id: id.clone(),
            bots: bots(of_team.len()),
            summary: summary(rows.iter().filter(|row| row.bot.team == *id), now),
            lines,
        });
    }
    let others = groups.iter().flat_map(|group| &group.lines);
    let stream = stream(None, Some(attention.len()), attention.iter().chain(others));
    Listing { attention_more: trouble.len() - attention.len(), attention, groups, listed: None, stream, ..empty(actor) }
}

/// A team in one line: `14 bots · 13 running · 215,085 USDT at stake`.
pub fn summary<'a>(rows: impl IntoIterator<Item = &'a BotRow>, now: Timestamp) -> String {
    let counted = census(rows, now);
    let parts = [bots(counted.bots), format!("{} running", counted.running), Stake::of(&counted, now).in_words()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn empty(actor: &Actor) -> Listing {
    Listing {
        attention: Vec::new(),
        attention_more: 0,
        groups: Vec::new(),
        listed: None,
        stream: String::new(),
        marks: authz::check(actor, Action::PlaceHold, &Resource::Installation).is_ok(),
        may_start: trades(actor),
    }
}

/// The stream of the rows on this page: those that need attention first, and how many they are where that is to be watched.
fn stream<'a>(team: Option<&str>, first: Option<usize>, lines: impl Iterator<Item = &'a BotLine>) -> String {
    let ids: Vec<&str> = lines.map(|line| line.id.as_str()).collect();
    let team = team.map(|team| format!("team={team}&")).unwrap_or_default();
    let first = first.map(|first| format!("first={first}&")).unwrap_or_default();
    format!("/live/fleet?{team}{first}bots={}", ids.join(","))
}

#[cfg(test)]
pub(super) fn sample_figures(running: usize, halted: usize, no_data: usize) -> Figures {
    use crate::domain::Decimal;
    use crate::fleet::exposure::Purse;
    let now = crate::web::samples::now();
    let sums = [("USDT".to_owned(), Decimal::parse("1914334.12").unwrap()), ("BTC".to_owned(), Decimal::parse("12.5").unwrap())];
    let exposure = Purse { sums: sums.into(), without: no_data };
    let census = crate::app::listings::Census { bots: 40, running, halted, no_data, without_exits: 0, exposure };
    let count = |n| Aged::new(Some(n), Age::fresh(now));
    Figures { stake: Stake::of(&census, now), running: count(running), halted: count(halted), no_data: count(no_data), silent: no_data }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::{
        chip::{Chip, Tone},
        samples::{self, line},
    };
    let empty = || Listing {
        attention: Vec::new(),
        attention_more: 0,
        groups: Vec::new(),
        listed: None,
        stream: String::new(),
        marks: true,
        may_start: true,
    };
    let group = |name: &str, n: usize, chip: fn() -> Chip| Group {
        name: name.to_owned(),
        id: TeamId::from_stored(samples::id(900 + n)),
        bots: "12 bots".to_owned(),
        summary: "14 bots · 12 running · 612,004 USDT at stake".to_owned(),
        lines: (2..13).map(|i| line(3 * i + n, chip(), "", Some(1 + i as i64 % 3))).collect(),
    };
    let attention = || {
        vec![
            line(3, Chip::new(Tone::Critical, "Stop unconfirmed"), "agent says active", Some(1)),
            line(4, Chip::new(Tone::NoData, "No data 94 s"), "presumed halted, unconfirmed", Some(94)),
            line(2, Chip::new(Tone::NoData, "No data 14 s"), "", Some(14)),
            line(0, Chip::new(Tone::High, "Agent ahead of the server"), "", Some(5)),
            line(5, Chip::new(Tone::Low, "Stopped"), "agent says so: halted under an active directive", Some(2)),
            line(1, Chip::new(Tone::Low, "Never heard"), "", None),
        ]
    };
    let active = || Chip::new(Tone::Plain, "Active");
    let teams =
        || vec![(TeamId::from_stored(samples::id(900)), "arb".to_owned()), (TeamId::from_stored(samples::id(901)), "grid".to_owned())];
    let page = |held: bool, figures, listing, filter: Filter, has_bots| {
        let mut frame = Frame::sample("Fleet", "/fleet");
        frame.scripts = Scripts::Live;
        if !held {
            frame.held = None;
        }
        Fleet {
            frame,
            filter_words: filter.in_words(if filter.team.is_empty() { "" } else { "arb" }),
            filter,
            teams: teams(),
            figures,
            listing,
            has_bots,
            may_make: true,
        }
        .render()
        .unwrap()
    };
    let normal = Listing {
        attention: attention(),
        groups: vec![group("arb", 0, active), group("grid", 1, active), group("market-making", 2, || Chip::new(Tone::Held, "Held"))],
        stream: "/live/fleet?first=6&bots=".to_owned(),
        ..empty()
    };
    let nothing = Listed { lines: Vec::new(), words: "0 bots".to_owned(), previous: String::new(), next: String::new() };
    let found = Listed {
        lines: (0..20).map(|i| line(i, active(), "", Some(1))).collect(),
        words: "101 to 120 of 478 bots".to_owned(),
        previous: "/fleet?page=1".to_owned(),
        next: "/fleet?page=3".to_owned(),
    };
    let of_team = Filter { team: samples::id(900), state: "running".to_owned(), ..Filter::default() };
    vec![
        ("fleet".to_owned(), page(false, sample_figures(34, 3, 3), normal, Filter::default(), true)),
        (
            "fleet-listed".to_owned(),
            page(true, sample_figures(0, 40, 0), Listing { listed: Some(found), ..empty() }, of_team.clone(), true),
        ),
        ("fleet-none-found".to_owned(), page(true, sample_figures(34, 6, 0), Listing { listed: Some(nothing), ..empty() }, of_team, true)),
        ("fleet-empty".to_owned(), page(false, sample_figures(0, 0, 0), empty(), Filter::default(), false)),
    ]
}
