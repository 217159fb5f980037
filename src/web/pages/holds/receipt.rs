//! The receipt of a hold: how far it has come at each bot, stragglers first, each with its next step. Far below, the way to its release.

use super::title;
use crate::app::{App, holds::Kept};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{Hold, HoldId, Level, PlacerKind, Scope, State as Doing, Step, Timestamp};
use crate::fleet::{BotReceipt, Receipt};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{Person, Posted, StopOnly, Visitor},
    format::{self, Age},
    frame,
    meter::Meter,
    page::{Frame, Scripts},
    problems::Problems,
    query::Named,
    roster::bots,
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

/// Rows of each table, at most.
const ROWS: usize = 100;
/// How long a receipt waits for what only the database knows.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(250);

/// A bot that is not idle yet, or is.
pub struct Line {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub chip: Chip,
    /// Milliseconds from the press to each step, in words.
    pub received: String,
    /// The same.
    pub applied: String,
    /// The same.
    pub idle: String,
    /// The same, as the venue itself showed it.
    pub verified: String,
    /// When its agent was last heard.
    pub age: Age,
    /// Who answers for it.
    pub owner: String,
    /// How it obeys a hold on one symbol; empty: not said, or no such hold.
    pub how: String,
    /// What to do next; empty: nothing.
    pub next: String,
}

/// What is known of the orders of killed bots, by their agents' own words since the kill.
#[derive(Debug, Default)]
pub struct Killed {
    /// Bots at which orders still rest, each with how many.
    pub resting: Vec<(String, u64)>,
    /// How many have not said how many orders rest.
    pub unknown: usize,
    /// How many there are.
    pub of: usize,
}

impl Killed {
    /// Of the receipt of a kill that stands.
    pub fn of(app: &App, receipt: &Receipt) -> Option<Self> {
        if receipt.hold.level != Level::Kill || !receipt.hold.is_open() {
            return None;
        }
        let mut killed = Self { of: receipt.total(), ..Self::default() };
        for bot in &receipt.bots {
            match resting(app, &receipt.hold, bot) {
                Some(0) => {}
                Some(n) => killed.resting.push((bot.bot.name.clone(), n)),
                None => killed.unknown += 1,
            }
        }
        Some(killed)
    }
    /// The first few bots at which orders rest, each with how many.
    pub fn named(&self) -> String {
        let more = self.resting.len().saturating_sub(5);
        let names = self.resting.iter().take(5).map(|(name, n)| format!("{name} ({n})")).collect::<Vec<_>>().join(", ");
        if more == 0 { names } else { format!("{names} and {more} more") }
    }
}

/// How many orders of a bot rest by what its agent said last since the press: an acknowledgement as halted, or a report. None: not said.
fn resting(app: &App, hold: &Hold, bot: &BotReceipt) -> Option<u64> {
    let acks = app.book.acks_since(&bot.bot.id, hold.epoch).into_iter();
    let acks = acks.filter(|ack| ack.step >= Step::Applied && ack.state == Some(Doing::Halted));
    let acked = acks.filter_map(|ack| Some((ack.at, u64::try_from(ack.open_orders?).ok()?)));
    let seen = app.book.seen(&bot.bot.id);
    let report = seen.as_ref().and_then(|seen| seen.report.as_ref()).filter(|(_, at)| *at >= hold.at);
    let reported = report.and_then(|(report, at)| Some((*at, report.open_orders?)));
    acked.chain(reported).max_by_key(|(at, _)| *at).map(|(_, n)| n)
}

/// What of a receipt is live.
#[derive(Template)]
#[template(path = "live/receipt.html")]
pub struct Part {
    /// Numbers and cells.
    pub meter: Meter,
    /// What is known of orders, when it is a kill that stands.
    pub killed: Option<Killed>,
    /// It is about one symbol: bots go on elsewhere. How they obey it, in one line; empty: it is about no symbol.
    pub symbol: String,
    /// Names of the bots that should have stopped and have not said so.
    pub unconfirmed: Vec<String>,
    /// Bots that are not idle yet, the worst first.
    pub waiting: Vec<Line>,
    /// How many more there are.
    pub waiting_more: usize,
    /// Bots that are idle.
    pub done: Vec<Line>,
    /// How many there are in all.
    pub done_all: usize,
}

impl Part {
    /// Of a receipt.
    pub fn of(app: &App, receipt: &Receipt) -> Self {
        let is_kill = receipt.hold.level == Level::Kill && receipt.hold.is_open();
        let rests = |bot: &BotReceipt| if is_kill { resting(app, &receipt.hold, bot).unwrap_or(0) } else { 0 };
        let is_done = |bot: &&BotReceipt| bot.step() >= Step::Idle && rests(bot) == 0;
        let (done, mut waiting): (Vec<&BotReceipt>, Vec<&BotReceipt>) = receipt.bots.iter().partition(is_done);
        waiting.sort_by_key(|bot| (rests(bot) == 0, !bot.unconfirmed));
        let line = |bot: &&BotReceipt| line(app, receipt, bot, rests(bot));
        Self {
            killed: Killed::of(app, receipt),
            symbol: in_symbol(receipt),
            meter: Meter::of(receipt),
            unconfirmed: waiting.iter().filter(|bot| bot.unconfirmed).map(|bot| bot.bot.name.clone()).collect(),
            waiting_more: waiting.len().saturating_sub(ROWS),
            waiting: waiting.iter().take(ROWS).map(line).collect(),
            done_all: done.len(),
            done: done.iter().take(ROWS).map(line).collect(),
        }
    }
    /// What a screen reader is told, at half, nine tenths and the end; empty before.
    pub fn spoken(&self) -> &'static str {
        match self.meter.idle {
            format::OutOf { of: 0, .. } => "",
            format::OutOf { n, of } if n == of => "Every bot is idle.",
            format::OutOf { n, of } if n * 10 >= of * 9 => "Nine of ten bots are idle.",
            format::OutOf { n, of } if n * 2 >= of => "Half of the bots are idle.",
            _ => "",
        }
    }
    /// The first few unconfirmed by name.
    pub fn named(&self) -> String {
        let more = self.unconfirmed.len().saturating_sub(5);
        let names = self.unconfirmed.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        if more == 0 { names } else { format!("{names} and {more} more") }
    }
}

fn chip_of(bot: &BotReceipt, rests: u64) -> Chip {
    match bot.step() {
        _ if rests > 0 => Chip::new(Tone::Critical, if rests == 1 { "1 order rests".to_owned() } else { format!("{rests} orders rest") }),
        _ if bot.unconfirmed => Chip::new(Tone::Critical, "Unconfirmed"),
        Step::Requested => Chip::new(Tone::Plain, "Requested"),
        Step::Received => Chip::new(Tone::Plain, "Received"),
        Step::Applied if bot.entry_orders.is_none() => Chip::new(Tone::Low, "Applied, orders unknown"),
        Step::Applied => Chip::new(Tone::Plain, "Applied"),
        Step::Idle | Step::Verified => Chip::new(Tone::Done, "Idle"),
    }
}

fn line(app: &App, receipt: &Receipt, bot: &BotReceipt, rests: u64) -> Line {
    Line {
        id: bot.bot.id.to_string(),
        name: bot.bot.name.clone(),
        chip: chip_of(bot, rests),
        received: ms(bot.received_ms),
        applied: ms(bot.applied_ms),
        idle: ms(bot.idle_ms),
        verified: ms(bot.verified_ms),
        age: Age::new(bot.seen_at, receipt.at, bot.bot.timings),
        owner: app.people().who(&bot.bot.owner),
        how: how(receipt, bot),
        next: match rests {
            0 => next_step(bot, app.agents().of_bot(&bot.bot.id).is_some(), receipt) + &read_back(bot),
            1 => "1 order rests by its agent's last word: cancel it at the venue.".to_owned(),
            n => format!("{n} orders rest by its agent's last word: cancel them at the venue."),
        },
    }
}

/// That the venue was read back, of a bot that has not said that it is idle.
fn read_back(bot: &BotReceipt) -> String {
    match bot.verified_ms {
        Some(_) if bot.step() < Step::Idle => {
            format!(" Verified at the venue after {}: nothing rests there that this stop does away with.", ms(bot.verified_ms))
        }
        _ => String::new(),
    }
}

/// How the bots under a hold on one symbol obey it: `4 of 7 bots leave out BTC/USDT, 2 are reduced whole, 1 has not said yet`.
fn in_symbol(receipt: &Receipt) -> String {
    let Scope::Symbol(symbol, _) = &receipt.hold.scope else { return String::new() };
    let count = |doing: &[Option<Doing>]| receipt.bots.iter().filter(|bot| doing.contains(&bot.doing)).count();
    let all = receipt.total();
    let is = |n: usize, what: &str| format!("{n} {} {what}", if n == 1 { "is" } else { "are" });
    let mut words =
        vec![format!("{} of {} {} {symbol}", count(&[Some(Doing::Active)]), bots(all), if all == 1 { "leaves out" } else { "leave out" })];
    for (doing, what) in [(Doing::Reducing, "reduced whole"), (Doing::Halted, "halted")] {
        let n = count(&[Some(doing)]);
        if n > 0 {
            words.push(is(n, what));
        }
    }
    let silent = count(&[None]);
    if silent > 0 {
        words.push(format!("{silent} {} not said yet", if silent == 1 { "has" } else { "have" }));
    }
    words.join(", ")
}

/// How a bot obeys a hold on one symbol.
fn how(receipt: &Receipt, bot: &BotReceipt) -> String {
    match (&receipt.hold.scope, bot.doing) {
        (Scope::Symbol(symbol, _), Some(Doing::Active)) => format!("leaves out {symbol}"),
        (Scope::Symbol(..), Some(Doing::Reducing)) => "reduced whole".to_owned(),
        (Scope::Symbol(..), Some(Doing::Halted)) => "halted".to_owned(),
        _ => String::new(),
    }
}

/// Milliseconds as they are on a receipt: `212 ms`, `4,107 ms`.
fn ms(ms: Option<i64>) -> String {
    ms.map_or_else(|| format::UNKNOWN.to_owned(), |ms| format!("{} ms", format::count(ms)))
}

/// What a person does next about a bot that is not idle.
fn next_step(bot: &BotReceipt, has_agent: bool, receipt: &Receipt) -> String {
    const AT_THE_VENUE: &str = "at the venue cancel its entry orders and disable its key";
    let timings = bot.bot.timings;
    let age = bot.seen_at.map(|at| receipt.at.ms_since(at));
    match bot.step() {
        Step::Idle | Step::Verified => String::new(),
        Step::Applied if bot.doing == Some(Doing::Active) => {
            "It says that it leaves the symbol out. Whether entry orders rest there is not known: look at the venue.".to_owned()
        }
        Step::Applied => "It stands. Whether entry orders rest is not known: look at the venue.".to_owned(),
        _ if !has_agent => format!("It has no agent that could carry the stop. Look at its host; {AT_THE_VENUE}."),
        _ if age.is_none_or(|age| age > timings.stale_after_ms) => {
            let by = bot.seen_at.map(|at| at.plus_ms(bot.worst_case_ms));
            let halts = match by {
                Some(by) if by > receipt.at => format!("Not heard. With its machine alive it halts by itself by {}.", clock(by)),
                Some(by) => format!("Presumed halted, unconfirmed: with its machine alive it has halted by itself since {}.", clock(by)),
                None => "Its agent was never heard.".to_owned(),
            };
            format!("{halts} Look at its host; otherwise {AT_THE_VENUE}.")
        }
        _ if bot.unconfirmed => format!("Its agent is heard, the bot has not obeyed. Stop it on its host; otherwise {AT_THE_VENUE}."),
        _ => format!("Has until {} to obey.", clock(receipt.hold.at.plus_ms(timings.apply_within_ms))),
    }
}

fn clock(at: Timestamp) -> String {
    at.plain().split_once(' ').map_or_else(String::new, |(_, time)| time.to_owned())
}

/// How a hold is kept, where that is not as it should be.
pub(super) struct NotAsUsual {
    pub(super) words: &'static str,
    pub(super) tone: &'static str,
}

/// Whether whoever looks may ask for the release.
pub(super) enum MayRelease {
    /// Nobody may yet: not before this moment.
    NotYet(Timestamp),
    /// They may; and whose signatures it takes.
    Yes(&'static str),
    /// They may not; who may.
    No(&'static str),
}

/// The end of a hold.
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) why: String,
}

#[derive(Template)]
#[template(path = "receipt.html")]
pub(super) struct ReceiptPage {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) by: String,
    pub(super) at: Timestamp,
    pub(super) why: String,
    pub(super) starts_by_release: bool,
    pub(super) kept: Option<NotAsUsual>,
    /// Titles and paths of holds that cover the same.
    pub(super) beside: Vec<(String, String, Timestamp)>,
    /// Titles and paths of holds that the same press placed.
    pub(super) with: Vec<(String, String)>,
    /// How many of those stand still, with this one.
    pub(super) together: usize,
    /// Bots that go on although one that is bound to them is stopped: id and name.
    pub(super) bound: Vec<(String, String)>,
    /// The key of the press that stops those, too, and its level.
    pub(super) bound_key: String,
    pub(super) bound_level: Level,
    /// Nobody may release it before this moment.
    pub(super) not_before: Option<Timestamp>,
    pub(super) is_symbol: bool,
    pub(super) part: Part,
    pub(super) may_explain: bool,
    pub(super) release: Option<MayRelease>,
    pub(super) ended: Option<Ended>,
    /// The reason of the release as typed.
    pub(super) typed: String,
    pub(super) sees_all: bool,
}

/// The receipt.
pub async fn show(State(app): Shared, StopOnly(person): StopOnly, Named(id): Named) -> Answer {
    draw(&app, &person.actor, &person.visitor, &id_of(&id)?, Typed::default()).await
}

/// Reads an id out of a path: what is none names nothing.
fn id_of(id: &str) -> Result<HoldId, crate::web::WebError> {
    HoldId::parse(id).map_err(|_| crate::app::AppError::NotFound("hold").into())
}

/// What was typed into a form of the receipt, and what is wrong with it.
#[derive(Default)]
struct Typed {
    release: String,
    problems: Problems,
}

async fn draw(app: &App, actor: &Actor, visitor: &Visitor, id: &HoldId, typed: Typed) -> Answer {
    let receipt = app.receipt(actor, id).await?;
    let hold = &receipt.hold;
    let title = title(app, hold);
    let mut frame = frame::of(app, visitor, title.clone()).await;
    frame.scripts = Scripts::Live;
    frame.is_error = !typed.problems.is_empty();
    let status = if typed.problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ReceiptPage {
        id: hold.id.to_string(),
        title,
        by: hold.placed_by.name.clone(),
        at: hold.at,
        why: hold.why.clone(),
        starts_by_release: !hold.latches(),
        kept: kept(app, hold),
        beside: beside(app, hold),
        with: with(app, hold).await,
        together: hold
            .press
            .as_ref()
            .map_or(0, |press| app.fleet.view().open_holds().filter(|other| other.press.as_ref() == Some(press)).count()),
        bound: match hold.is_open() {
            true => app.bound_beyond(hold).iter().map(|bot| (bot.id.to_string(), bot.name.clone())).collect(),
            false => Vec::new(),
        },
        bound_key: format!("bound:{}", hold.id),
        bound_level: hold.level.min(Level::Pause),
        not_before: hold.not_before.filter(|at| hold.is_open() && *at > frame.now),
        is_symbol: hold.scope.is_symbol(),
        part: Part::of(app, &receipt),
        may_explain: hold.why.is_empty() && authz::check(actor, Action::ExplainHold, &Resource::Installation).is_ok(),
        release: hold.is_open().then(|| match hold.not_before.filter(|at| *at > frame.now) {
            Some(at) => MayRelease::NotYet(at),
            None => may_release(app, actor, hold),
        }),
        ended: ended(app, hold).await,
        typed: typed.release,
        problems: typed.problems,
        sees_all: visitor.asleep.is_none(),
        frame,
    };
    match frame::page_with(status, &page) {
        Ok(answer) => Ok(answer),
        Err(_) => Ok(bare(hold)),
    }
}

/// What is said when the receipt cannot be drawn: that it holds, and which one it is.
fn bare(hold: &Hold) -> Response {
    let word = if hold.is_open() { "PAUSED" } else { "RELEASED" };
    let line = format!("<!doctype html><title>{word} · Andon</title><p>{word} {}, hold {}</p>", clock(hold.at), hold.id);
    Html(line).into_response()
}

/// The end of a hold, with everybody who signed it: whoever prepared it, alone, where the database does not say in time.
async fn ended(app: &App, hold: &Hold) -> Option<Ended> {
    let release = hold.released.as_ref()?;
    let signers = tokio::time::timeout(PATIENCE, app.signers_of_release(hold)).await.ok().and_then(Result::ok).unwrap_or_default();
    let signers = if signers.is_empty() { vec![release.by.clone()] } else { signers };
    let names: Vec<String> = signers.iter().map(|user| app.people().who(user)).collect();
    Some(Ended { at: release.at, by: names.join(" and "), why: release.why.clone() })
}

fn kept(app: &App, hold: &Hold) -> Option<NotAsUsual> {
    match app.kept(hold) {
        Kept::Recorded if hold.late => {
            Some(NotAsUsual { words: "Recorded late: the database was not there at the press. Agents had it at once.", tone: "p3" })
        }
        Kept::Recorded => None,
        Kept::Spooled => Some(NotAsUsual {
            words: "Delivered and kept on this server's disk. The database does not answer; it is recorded there as soon as it does.",
            tone: "p2",
        }),
        Kept::NotRecorded => Some(NotAsUsual {
            words: "Delivered, not recorded: neither the database nor the disk took it. Agents hold it. Keep this server running.",
            tone: "p1",
        }),
    }
}

fn beside(app: &App, hold: &Hold) -> Vec<(String, String, Timestamp)> {
    if !hold.is_open() {
        return Vec::new();
    }
    let others = app.holds_beside(hold).unwrap_or_default();
    others
        .iter()
        .map(|other| (format!("{} by {}", title(app, other), other.placed_by.name), format!("/holds/{}", other.id), other.at))
        .collect()
}

/// The holds that the same press placed; without a database nobody knows them here, and each has its line under Holds.
async fn with(app: &App, hold: &Hold) -> Vec<(String, String)> {
    let others = tokio::time::timeout(PATIENCE, app.holds_with(hold)).await.ok().and_then(Result::ok).unwrap_or_default();
    others.iter().map(|other| (title(app, other), format!("/holds/{}", other.id))).collect()
}

fn may_release(app: &App, actor: &Actor, hold: &Hold) -> MayRelease {
    let one_bot = matches!(hold.scope, Scope::Bot(_)) && hold.level < Level::Kill;
    let whose = match hold.placed_by.kind {
        _ if hold.placed_by.as_risk => "It takes your key and a second person's; one of the two holds risk, since risk placed it.",
        PlacerKind::Trigger => "It takes your key and a second person's: another operator of the team, a lead or risk.",
        _ if one_bot => "It takes your key.",
        _ => "It takes your key and a second person's: another lead, or risk.",
    };
    match authz::check(actor, Action::ReleaseHold, &app.hold_resource(hold)) {
        Ok(_) => MayRelease::Yes(whose),
        Err(_) if one_bot && hold.placed_by.as_risk => MayRelease::No("an operator or lead of its team, or risk"),
        Err(_) if one_bot => MayRelease::No("an operator or lead of its team"),
        Err(_) => MayRelease::No("a lead of a covered team, or risk"),
    }
}

/// A reason.
#[derive(Debug, serde::Deserialize)]
pub struct Why {
    #[serde(default)]
    why: String,
}

/// Adds the reason to a hold that has none.
pub async fn explain(State(app): Shared, person: Person, Named(id): Named, Posted(form): Posted<Why>) -> Answer {
    let id = id_of(&id)?;
    match app.explain_hold(&person.actor, &id, &form.why).await {
        Ok(()) => Ok(frame::see(&format!("/holds/{id}"))),
        Err(error) => {
            let typed = Typed { problems: Problems::of_error(error)?, ..Typed::default() };
            draw(&app, &person.actor, &person.visitor, &id, typed).await
        }
    }
}

/// What the release form sends.
#[derive(Debug, serde::Deserialize)]
pub struct ReleaseForm {
    #[serde(default)]
    release_why: String,
    /// `press`: together with those that the same press placed.
    #[serde(default)]
    with: String,
}

/// Prepares the release, which then waits for signatures.
pub async fn release(State(app): Shared, person: Person, Named(id): Named, Posted(form): Posted<ReleaseForm>) -> Answer {
    let id = id_of(&id)?;
    let prepared = match form.with.as_str() {
        "press" => app.prepare_releases(&person.actor, &id, &form.release_why).await,
        _ => app.prepare_release(&person.actor, &id, &form.release_why).await,
    };
    match prepared {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => {
            let mut problems = Problems::none();
            for problem in Problems::of_error(error)?.all() {
                problems.add(if problem.field == "why" { "release_why" } else { problem.field }, problem.words.clone());
            }
            draw(&app, &person.actor, &person.visitor, &id, Typed { release: form.release_why, problems }).await
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let part = |of, waiting| {
        let receipt = samples::receipt(of, waiting);
        let line = |bot: &BotReceipt| Line {
            id: bot.bot.id.to_string(),
            name: bot.bot.name.clone(),
            chip: chip_of(bot, 0),
            received: ms(bot.received_ms),
            applied: ms(bot.applied_ms),
            idle: ms(bot.idle_ms),
            verified: ms(bot.verified_ms),
            age: Age::new(bot.seen_at, receipt.at, bot.bot.timings),
            owner: "L. Sato".to_owned(),
            how: how(&receipt, bot),
            next: next_step(bot, true, &receipt),
        };
        let (done, waiting): (Vec<&BotReceipt>, Vec<&BotReceipt>) = receipt.bots.iter().partition(|bot| bot.step() >= Step::Idle);
        Part {
            meter: Meter::of(&receipt),
            killed: (waiting.len() == 1).then(|| Killed { resting: vec![("grid-07".to_owned(), 2)], unknown: 1, of: 5 }),
            symbol: "3 of 5 bots leave out BTC/USDT, 1 is reduced whole, 1 has not said yet".to_owned(),
            unconfirmed: waiting.iter().filter(|bot| bot.unconfirmed).map(|bot| bot.bot.name.clone()).collect(),
            waiting_more: 0,
            waiting: waiting.into_iter().map(line).collect(),
            done_all: done.len(),
            done: done.into_iter().map(line).collect(),
        }
    };
    let page = |part| {
        let mut frame = Frame::sample("Pause of the whole fleet", "/holds/0193");
        frame.scripts = Scripts::Live;
        ReceiptPage {
            id: samples::id(700),
            title: "Pause of the whole fleet".to_owned(),
            by: "M. Okafor".to_owned(),
            at: samples::hold().at,
            why: String::new(),
            starts_by_release: false,
            kept: None,
            beside: Vec::new(),
            with: vec![("Pause of team grid".to_owned(), "/holds/0194".to_owned())],
            together: 2,
            bound: vec![(samples::id(8), "grid-07 hedge".to_owned())],
            bound_key: "bound".to_owned(),
            bound_level: Level::Pause,
            not_before: Some(samples::now().plus_ms(3_600_000)),
            is_symbol: false,
            part,
            may_explain: true,
            release: Some(MayRelease::Yes("It takes your key and a second person's: another lead, or risk.")),
            ended: None,
            typed: String::new(),
            problems: Problems::none(),
            sees_all: true,
            frame,
        }
    };
    let draw = |page: ReceiptPage| page.render().unwrap();
    let over = Ended { at: samples::now(), by: "R. Lindqvist".to_owned(), why: "venue is back".to_owned() };
    let late = NotAsUsual { words: "Delivered, not recorded: neither the database nor the disk took it.", tone: "p1" };
    let beside = vec![("Pause of team arb by N. Adebayo".to_owned(), "/holds/1".to_owned(), samples::now())];
    let wrong = Problems::one("release_why", "Give the reason why this may end.");
    let no = MayRelease::No("a lead of a covered team, or risk");
    vec![
        ("receipt".to_owned(), draw(page(part(40, 3)))),
        (
            "receipt-early".to_owned(),
            draw(ReceiptPage { kept: Some(late), beside, may_explain: false, release: Some(no), ..page(part(40, 38)) }),
        ),
        ("receipt-not-yet".to_owned(), draw(ReceiptPage { release: Some(MayRelease::NotYet(samples::now())), ..page(part(5, 0)) })),
        (
            "receipt-done".to_owned(),
            draw(ReceiptPage { why: "venue outage".to_owned(), problems: wrong, may_explain: false, ..page(part(40, 0)) }),
        ),
        ("receipt-over".to_owned(), draw(ReceiptPage { ended: Some(over), release: None, sees_all: false, ..page(part(5, 0)) })),
        ("receipt-nobody".to_owned(), draw(page(part(0, 0)))),
        ("receipt-kill".to_owned(), draw(page(part(5, 1)))),
    ]
}
