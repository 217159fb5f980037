//! `/bots/{id}`: one bot's truth. Stopping it is one press, near the top; what the agent says stands beside what the server told it; a start
//! lists everything that stands in its way. Without the database the page says what it does not know and still stops the bot.

pub mod edit;
pub mod enrol;
pub mod enrol_live;
pub mod fills;
pub mod limits;
pub mod moving;
pub mod new;
pub mod reconciliation;
pub mod seat;
pub mod stage;

use crate::app::{App, AppError, kills::is_killed, listings::BotRow, starts::Obstacle};
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::token;
use crate::domain::{BotFacts, BotId, Exits, Scope, Stage, State as Doing, Timestamp, Timings, limits::Node};
use crate::fleet::{AgentSeen, DrillSeen, worst_case_stop_ms};
use crate::protocol::{AdapterSaid, Report};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::Person,
    format::{self, Age, Aged, Amount, Gain, duration},
    frame,
    html::Html,
    page::Frame,
    picture,
    problems::Problems,
    query::Named,
    roster,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use stage::Step;

/// Positions that are listed.
const POSITIONS: usize = 50;

/// Why it may not trade, and who can change that.
pub(super) struct Why {
    pub(super) words: String,
    pub(super) since: Option<Timestamp>,
    /// The receipt of the hold, when it is one.
    pub(super) href: String,
    pub(super) who: &'static str,
}

/// A number of the last report.
pub(super) enum Figure {
    Count(Aged<u64>),
    Money(Aged<Amount>),
    Gain(Aged<Gain>),
}

/// A position as the agent reports it.
pub(super) struct Position {
    pub(super) symbol: String,
    pub(super) side: String,
    pub(super) quantity: String,
    pub(super) notional: String,
    pub(super) entry: String,
    pub(super) pnl: String,
}

/// What the last report says.
pub(super) struct Reported {
    pub(super) age: Age,
    pub(super) currency: String,
    pub(super) figures: Vec<(&'static str, Figure)>,
    /// None: the report does not list positions.
    pub(super) positions: Option<Vec<Position>>,
    pub(super) positions_more: usize,
    /// How many its agent does not list, and their worth.
    pub(super) positions_rest: Option<(String, String)>,
    /// Exposure against its limit, with words.
    pub(super) bullet: Option<(Html, String)>,
    pub(super) trail: Html,
}

/// Its agent.
pub(super) struct AgentCard {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) chip: Chip,
    pub(super) channel: &'static str,
    pub(super) age: Age,
    pub(super) build: String,
    pub(super) config: String,
}

/// The way to a start.
pub(super) enum Start {
    /// It was started and runs, or its stop is not one that a start ends.
    NotNeeded,
    /// What stands in the way is not known: the database does not answer.
    Unknown,
    /// Everything that stands in the way; empty: nothing.
    Open(Vec<Obstacle>),
}

impl Start {
    /// True when nothing stands in the way but what the signer can look up at the venue.
    pub(super) fn needs_a_look(&self) -> bool {
        matches!(self, Self::Open(obstacles) if !obstacles.is_empty() && obstacles.iter().all(|obstacle| obstacle.venue_can_tell))
    }
}

/// Something that happened at the bot.
pub(super) struct Happened {
    pub(super) at: Timestamp,
    pub(super) chip: Chip,
    pub(super) kind: String,
    pub(super) message: String,
}

/// What whoever looks may do; where not, who may.
pub(super) struct May {
    pub(super) pause: bool,
    pub(super) start: bool,
    pub(super) edit: bool,
    pub(super) stage: bool,
    pub(super) enrol: bool,
    pub(super) kill: bool,
    pub(super) tighten: bool,
    pub(super) ask_limits: bool,
}

/// Where it trades, and what it is bound to.
pub(super) struct Place {
    /// What it is for; empty: not said.
    pub(super) objective: String,
    /// Who stands in for its owner; empty: nobody.
    pub(super) deputy: String,
    /// Who may start it; nobody: whoever its team's roles allow.
    pub(super) operators: Vec<String>,
    /// Venue and subaccount in words; none: not said.
    pub(super) seat: Option<String>,
    /// Its exchange keys at a glance; empty: it has none.
    pub(super) keys: String,
    /// Symbols in which it adds nothing now.
    pub(super) blocked: Vec<String>,
    /// What its agent says of that.
    pub(super) how: &'static str,
    /// The bots bound to it: id, name.
    pub(super) linked: Vec<(BotId, String)>,
}

#[derive(Template)]
#[template(path = "bot.html")]
pub(super) struct Bot {
    pub(super) frame: Frame,
    pub(super) id: BotId,
    pub(super) name: String,
    pub(super) team: (String, String),
    pub(super) owner: String,
    pub(super) strategy: String,
    pub(super) stage: String,
    pub(super) exits: &'static str,
    pub(super) chip: Chip,
    pub(super) note: String,
    pub(super) told: &'static str,
    pub(super) says: &'static str,
    pub(super) age: Age,
    pub(super) why: Vec<Why>,
    pub(super) key: String,
    pub(super) is_held: bool,
    pub(super) reported: Reported,
    pub(super) limits: Vec<(String, String)>,
    pub(super) limits_version: i64,
    /// Since when that stands; none: no limits were ever set.
    pub(super) limits_at: Option<Timestamp>,
    /// Its agent has not taken this version over.
    pub(super) limits_wait: bool,
    /// The open request for looser ones: its page; empty: there is none.
    pub(super) limits_open: String,
    pub(super) place: Place,
    pub(super) timings: Times,
    /// The last measured stop: its steps in words, when it was pressed, its receipt.
    pub(super) drill: Option<(String, Timestamp, String)>,
    /// Where it stands with drills that had a negative control: a chip, a sentence, the drill.
    pub(super) drilled: Option<(Chip, String, String)>,
    /// An emergency change that is in force or was not reviewed in time, in words; empty: none.
    pub(super) emergency: String,
    /// Beside its venue; none: nothing is compared, or the database does not answer.
    pub(super) venue: Option<reconciliation::Card>,
    pub(super) agent: Option<AgentCard>,
    pub(super) golive: super::golive::stage::Card,
    pub(super) start: Start,
    pub(super) steps: Vec<Step>,
    /// None: the database does not answer.
    pub(super) events: Option<Vec<Happened>>,
    pub(super) may: May,
}

/// Its timings in words.
pub(super) struct Times {
    pub(super) check_in: String,
    pub(super) stale: String,
    pub(super) lapse: String,
    pub(super) apply: String,
    pub(super) worst: String,
    /// What happens when agent and minder die at once.
    pub(super) alone: String,
}

impl Times {
    fn of(timings: Timings, adapter: Option<&AdapterSaid>, seen: Option<&AgentSeen>) -> Self {
        let polls_every_ms = seen.filter(|seen| seen.channel == "poll").and_then(|seen| seen.poll_every_ms);
        let alone = match adapter {
            None => "not known: its agent has not said what kind of bot it is".to_owned(),
            Some(adapter) if adapter.dies_with_agent => "the bot ends with them".to_owned(),
            Some(adapter) => format!("unbounded without a guard key: a {} bot goes on without them", adapter.name),
        };
        Self {
            alone,
            check_in: polls_every_ms.map_or_else(
                || duration(timings.check_in_ms),
                |ms| format!("{}; it polls, lately every {}", duration(timings.check_in_ms), duration(ms)),
            ),
            stale: duration(timings.stale_after_ms),
            lapse: duration(timings.lapse_after_ms),
            apply: duration(timings.apply_within_ms),
            worst: duration(worst_case_stop_ms(timings, seen)),
        }
    }
}

/// Reads an id out of a path: what is none names nothing.
pub(super) fn id_of(id: &str) -> Result<BotId, WebError> {
    BotId::parse(id).map_err(|_| AppError::NotFound("bot").into())
}

/// A bot that whoever asks may edit, the frame of a form about it, and the status of that page.
///
/// # Errors
/// 403, 404.
pub(super) async fn form_of(
    app: &App,
    person: &Person,
    id: &str,
    title: impl FnOnce(&str) -> String,
    problems: &Problems,
) -> Result<(BotRow, Frame, StatusCode), WebError> {
    let row = app.bot(&person.actor, &id_of(id)?)?;
    authz::check(&person.actor, Action::EditBot, &App::bot_resource(&row.bot)).map_err(AppError::from)?;
    let mut frame = frame::of(app, &person.visitor, title(&row.bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((row, frame, status))
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let row = app.bot(&person.actor, &id_of(&id)?)?;
    let frame = frame::of(&app, &person.visitor, row.bot.name.clone()).await;
    let start = start(&app, &person.actor, &row).await;
    let events = events(&app, &person.actor, &row.bot.id).await;
    let bot = &row.bot;
    let (chip, note) = roster::standing(&row);
    let team = app.people().team_name(&bot.team).unwrap_or_default();
    let may = may(&app, &person.actor, bot);
    let says = row.seen.as_ref().and_then(|seen| seen.state).map_or("nothing yet", Doing::as_str);
    let page = Bot {
        id: bot.id.clone(),
        name: bot.name.clone(),
        team: (team, format!("/teams/{}", bot.team)),
        owner: app.people().who(&bot.owner),
        strategy: bot.strategy.clone(),
        stage: bot.stage.to_string(),
        exits: exits_words(bot.exits),
        chip,
        note,
        told: row.directive.state.as_str(),
        says,
        age: Age::new(row.seen.as_ref().map(|seen| seen.at), frame.now, bot.timings),
        why: why(&app, &row),
        key: token::random::<16>().map_err(AppError::from)?,
        is_held: !row.directive.holds.is_empty(),
        reported: reported(&app, &row, frame.now),
        limits: limits(&app, bot, frame.now),
        limits_version: bot.limits.version,
        limits_at: (bot.limits.version > 0).then_some(bot.limits_at),
        limits_wait: bot.limits_waiting,
        limits_open: super::limits::open_request(&app, &person, &Node::Bot(bot.id.clone())).await,
        place: place(&app, &row),
        timings: Times::of(bot.timings, row.seen.as_ref().and_then(|seen| seen.adapter.as_ref()), row.seen.as_deref()),
        drilled: super::drills::of_bot(&app, &person.actor, &bot.id, bot.stage).await,
        drill: app.last_drill(&bot.id).map(|drill| (drill_words(&drill), drill.at, format!("/holds/{}", drill.hold))),
        emergency: super::emergency::list::words_of(&app, &person, &row.bot.id, frame.now).await,
        // Beside the rest: a database that does not answer leaves it out.
        venue: app.reconciliation_of(&person.actor, &bot.id).await.ok().as_ref().and_then(reconciliation::card),
        agent: agent(&row, frame.now),
        golive: super::golive::stage::card(&app, &person, bot, frame.now).await,
        start,
        steps: stage::steps(bot.stage, may.edit && !is_killed(&app.fleet.view(), bot)),
        events,
        may,
        frame,
    };
    frame::page(&page)
}

/// `idle after 412 ms (received 3 ms, applied 40 ms)`.
pub(super) fn drill_words(drill: &DrillSeen) -> String {
    let ms = |ms: i64| format!("{} ms", format::count(ms));
    format!("idle after {} (received {}, applied {})", ms(drill.idle_ms), ms(drill.received_ms), ms(drill.applied_ms))
}

/// What it may do while halted, in words.
pub(super) fn exits_words(exits: Exits) -> &'static str {
    match exits {
        Exits::Managed => "its own closing and protective orders go on",
        Exits::None => "not one new order; resting protective orders stay",
    }
}

fn may(app: &App, actor: &Actor, bot: &BotFacts) -> May {
    let resource = App::bot_resource(bot);
    let ok = |action, resource: &Resource| authz::check(actor, action, resource).is_ok();
    May {
        pause: ok(Action::PlaceHold, &Resource::Installation),
        start: ok(Action::StartBot, &resource) && app.is_listed(actor, &bot.id).is_ok(),
        edit: ok(Action::EditBot, &resource),
        stage: ok(Action::SetStage, &resource),
        enrol: ok(Action::EnrolAgent, &resource),
        kill: ok(Action::PlaceKill, &Resource::Scope { scope: Scope::Bot(bot.id.clone()), team: Some(bot.team.clone()) }),
        tighten: ok(Action::TightenLimits, &resource),
        ask_limits: super::limits::may_ask(actor, &Node::Bot(bot.id.clone()), &resource),
    }
}

fn place(app: &App, row: &BotRow) -> Place {
    let view = app.fleet.view();
    let name = |id: &BotId| view.bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
    let seat = row.bot.seat.as_ref().and_then(|seat| app.venues().subaccount(&seat.subaccount));
    let blocked = row.directive.blocked.iter().map(|one| frame::scope_words(app, &Scope::Symbol(one.symbol.clone(), one.venue.clone())));
    let sheet = app.venues().sheet(&row.bot.id);
    Place {
        objective: sheet.objective,
        deputy: sheet.deputy.as_ref().map(|deputy| app.people().who(deputy)).unwrap_or_default(),
        operators: sheet.operators.iter().map(|user| app.people().who(user)).collect(),
        keys: app.key_words(&row.bot.id),
        seat: seat.map(|subaccount| {
            let environment = app.venues().venue(&subaccount.venue_id).map_or("", |venue| venue.environment.as_str());
            format!("{} ({environment})", app.venues().label(&subaccount))
        }),
        how: match (row.directive.state, row.seen.as_ref().and_then(|seen| seen.state)) {
            (Doing::Active, Some(Doing::Active)) => "leaves that out and goes on elsewhere",
            (Doing::Active, Some(Doing::Reducing)) => "reduced whole: that it leaves that alone out is not proved",
            _ => "",
        },
        blocked: blocked.collect(),
        linked: app.venues().linked(&row.bot.id).into_iter().map(|id| (id.clone(), name(&id))).collect(),
    }
}

async fn start(app: &App, actor: &Actor, row: &BotRow) -> Start {
    if row.directive.state != Doing::Halted {
        return Start::NotNeeded;
    }
    match app.obstacles_of(actor, &row.bot.id).await {
        Ok(obstacles) => Start::Open(obstacles),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "what stands in the way of a start is not known");
            Start::Unknown
        }
    }
}

async fn events(app: &App, actor: &Actor, id: &BotId) -> Option<Vec<Happened>> {
    let events = app.bot_events(actor, id).await.ok()?;
    let happened = events.into_iter().map(|event| Happened {
        at: event.at,
        chip: match event.severity.as_str() {
            "critical" => Chip::new(Tone::Critical, "Critical"),
            "warning" => Chip::new(Tone::High, "Warning"),
            _ => Chip::new(Tone::Plain, "Info"),
        },
        kind: event.kind.replace('_', " "),
        message: event.message,
    });
    Some(happened.collect())
}

fn why(app: &App, row: &BotRow) -> Vec<Why> {
    let reasons = row.directive.reasons.iter().map(|reason| {
        let hold = reason.hold.as_ref();
        let words = match hold.and_then(|hold| hold_words(app, hold)) {
            Some(title) if reason.why.is_empty() => title,
            Some(title) => format!("{title}: {}", reason.why),
            None => roster::sentence(&reason.why),
        };
        let who = match reason.kind {
            "hold" => "whoever may release it",
            // Without a moment it is the stage itself; with one, a change of stage, team or subaccount, which was a stop like any other.
            "stage" if reason.at.is_none() && row.bot.stage == Stage::Retired => "a move to draft, by an operator or lead of its team",
            "stage" if reason.at.is_none() => "a move to sandbox, by an operator or lead of its team",
            "limits_not_acknowledged" => "its agent, by taking the limits over",
            _ => "a start, signed by an operator or lead of its team",
        };
        Why { words, since: reason.at, href: hold.map(|hold| format!("/holds/{hold}")).unwrap_or_default(), who }
    });
    reasons.collect()
}

fn hold_words(app: &App, id: &crate::domain::HoldId) -> Option<String> {
    let view = app.fleet.view();
    let hold = view.open_hold(id)?;
    Some(format!("{}, by {}", super::holds::title(app, hold), hold.placed_by.name))
}

pub(super) fn reported(app: &App, row: &BotRow, now: Timestamp) -> Reported {
    let report = row.seen.as_ref().and_then(|seen| seen.report.as_ref());
    let age = Age::new(report.map(|(_, at)| *at), now, row.bot.timings);
    let nothing = Report::default();
    let report = report.map_or(&nothing, |(report, _)| report.as_ref());
    let money = |text: &Option<String>| Figure::Money(Aged::new(text.clone().map(Amount), age));
    let gain = |text: &Option<String>| Figure::Gain(Aged::new(text.clone().map(Gain), age));
    let count = |n: Option<u64>| Figure::Count(Aged::new(n, age));
    let gross = crate::fleet::exposure::gross(report);
    let positions = report.positions.as_ref();
    Reported {
        figures: vec![
            ("Exposure", Figure::Money(Aged::new(gross.as_ref().map(|money| Amount(money.amount.fixed(2))), age))),
            ("PnL today, realised", gain(&report.realized_pnl_day)),
            ("PnL, unrealised", gain(&report.unrealized_pnl)),
            ("Equity", money(&report.equity)),
            ("Open orders", count(report.open_orders)),
            ("of which entries", count(report.entry_orders)),
        ],
        currency: report.currency.clone().unwrap_or_default(),
        positions_rest: report.positions_rest.as_ref().filter(|rest| rest.count > 0).map(|rest| {
            let worth = rest.notional.as_deref().map_or_else(|| format::UNKNOWN.to_owned(), format::decimal);
            (format::count(rest.count), worth)
        }),
        positions_more: positions.map_or(0, |all| all.len().saturating_sub(POSITIONS)),
        positions: positions.map(|all| all.iter().take(POSITIONS).map(position).collect()),
        bullet: bullet(&row.bot, gross.as_ref()),
        trail: roster::trail(&app.book.trail(&row.bot.id, now), gross.as_ref()),
        age,
    }
}

fn position(position: &crate::protocol::Position) -> Position {
    let number = |text: &Option<String>| text.as_deref().map_or_else(|| format::UNKNOWN.to_owned(), format::decimal);
    Position {
        symbol: position.symbol.clone(),
        side: position.side.clone().unwrap_or_else(|| format::UNKNOWN.to_owned()),
        quantity: number(&position.quantity),
        notional: number(&position.notional),
        entry: number(&position.entry_price),
        pnl: position.unrealized_pnl.as_deref().map_or_else(|| format::UNKNOWN.to_owned(), format::signed),
    }
}

/// Exposure against the limit of the position's worth, when both are known.
fn bullet(bot: &BotFacts, gross: Option<&crate::fleet::exposure::Money>) -> Option<(Html, String)> {
    let limit = crate::domain::Decimal::parse(bot.limits.values.get("max_position_notional")?.as_str()?)?;
    let gross = gross?;
    let words = format!("{} of {} {}", format::decimal(&gross.amount.fixed(2)), format::decimal(&limit.fixed(2)), gross.currency);
    Some((picture::bullet(Some(gross.amount.approximately()), limit.approximately(), &words), words))
}

/// Each limit with what is used of it; what the last report does not say is not measured.
fn limits(app: &App, bot: &BotFacts, now: Timestamp) -> Vec<(String, String)> {
    let holds = super::limits::holds(app, bot, now);
    let numbers = holds.rows.into_iter().map(|row| {
        let used = if row.used == "not measured" { ", not measured".to_owned() } else { format!(", {} used", row.used) };
        (row.words, format!("{}{used}{}", row.limit, if row.is_over { ": over" } else { "" }))
    });
    let others = holds.others.into_iter().chain(holds.symbols).filter(|_| bot.limits.version > 0);
    numbers.chain(others).collect()
}

fn agent(row: &BotRow, now: Timestamp) -> Option<AgentCard> {
    let agent = row.agent.as_ref()?;
    let seen = row.seen.as_ref();
    let digest = |text: Option<&String>| text.cloned().unwrap_or_else(|| "not reported".to_owned());
    Some(AgentCard {
        name: agent.name.clone(),
        href: format!("/agents/{}", agent.id),
        chip: if agent.confirmed { Chip::new(Tone::Plain, "Confirmed") } else { Chip::new(Tone::Low, "Not confirmed") },
        channel: seen.map_or("not heard yet", |seen| if seen.channel == "stream" { "stream" } else { "poll" }),
        age: Age::new(seen.map(|seen| seen.at), now, row.bot.timings),
        build: digest(seen.and_then(|seen| seen.build.as_ref())),
        config: digest(seen.and_then(|seen| seen.config.as_ref())),
    })
}

#[cfg(test)]
mod samples;
#[cfg(test)]
pub(in crate::web) use samples::samples;
