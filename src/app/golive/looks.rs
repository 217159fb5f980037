//! What the system looks at by itself. What is said of an item that is so names no moment that moves by itself: it is part of what is approved,
//! and must be the same when that is carried out.

use super::Over;
use crate::app::{
    App, AppError,
    drill_runs::DrillRun,
    fills::{ALWAYS, Span},
    golive::results::ResultView,
    reconcile::differing,
    safety::Safety,
};
use crate::domain::{
    Alert, BotFacts, Decimal, Environment, Freshness, KeyPurpose, PlacerKind, Role, Stage, Timestamp, UserId,
    checklist::{Item, Measure, Template},
    golive::{Mark, Ran, Shown, Standing, VenueChange, answered},
    reconciliation::{LastRead, Outcome},
    request::{Standing as PersonStanding, Voter},
    time::DAY_MS,
};
use crate::storage::{self, Conn};

/// How long a key's measurement holds: it is measured every day, and the day may be an hour late.
const MEASURED_WITHIN_MS: i64 = DAY_MS + 60 * 60 * 1_000;
/// How old a drill may be. It proves something for longer elsewhere, and not that a bot may trade live.
const DRILLED_WITHIN_MS: i64 = 30 * DAY_MS;
/// How long an alert that was answered proves that somebody answers.
const ANSWERED_WITHIN_MS: i64 = 7 * DAY_MS;
/// How long a bot trades in stage limited before it may go live.
const LIMITED_FOR_MS: i64 = 7 * DAY_MS;
/// How old an agreement of agent and venue may be.
const AGREED_WITHIN_MS: i64 = 10 * 60 * 1_000;

/// The limits without which no bot trades live (RTS 6 articles 8 and 15).
pub const LIMITS: [&str; 8] = [
    "allowed_symbols",
    "max_order_notional",
    "max_open_orders",
    "max_orders_per_minute",
    "max_messages_per_minute",
    "max_slippage_bps",
    "max_position_notional",
    "max_daily_loss",
];

/// What only the database knows of a bot, read once for a whole list.
pub(super) struct Looked {
    marks: Vec<Mark>,
    account: Option<Safety>,
    // Its last drill, and how long it took to stop then.
    drill: Option<(DrillRun, Option<i64>)>,
    answered: Option<Alert>,
    last_read: Option<LastRead>,
    differs: bool,
    // A fill of it was heard of since it is in its stage.
    has_filled: bool,
    // What it showed of itself in its stage, where the list asks for its record.
    shown: Option<ResultView>,
    caps: Option<crate::domain::Caps>,
    now: Timestamp,
    runs: Option<Ran>,
    // What changed last where it trades, as far as that counts.
    changed: Option<VenueChange>,
}

/// What was measured, and until when it holds; or what is missing.
type Found = Result<(String, Option<Timestamp>), String>;

fn so(said: impl Into<String>) -> Found {
    Ok((said.into(), None))
}

fn missing<T>(why: impl Into<String>) -> Result<T, String> {
    Err(why.into())
}

impl App {
    pub(super) async fn looked_of(&self, conn: &mut Conn, bot: &BotFacts, list: &Template, over: Over<'_>) -> Result<Looked, AppError> {
        let now = self.clock.now();
        let (runs, changed) = match over {
            Over::Now(runs) => (runs, self.venue_changed(conn, bot).await?),
            Over::Approved(runs) => (Some(runs), None),
        };
        let account = bot.seat.as_ref().and_then(|seat| self.venues().subaccount(&seat.subaccount)).map(|one| one.account_id);
        let account = match account {
            Some(account) => storage::safety::safety_of(conn, &account).await?.map(Safety::of).transpose()?,
            None => None,
        };
        let since = now.plus_ms(-ANSWERED_WITHIN_MS);
        let asks_for_record = list.items.iter().any(|item| item.measure == Some(Measure::Record));
        Ok(Looked {
            marks: storage::checklists::mark_of(conn, &bot.id, list.stage).await?,
            account,
            drill: drill_of(conn, bot).await?,
            answered: storage::alerts::alert_taken_last(conn, since, PlacerKind::User, self.company().is_alone).await?,
            last_read: storage::reconciliations::reconcile_seen_one(conn, &bot.id).await?,
            differs: differing(conn).await?.contains_key(&bot.id),
            has_filled: filled_since(conn, bot).await?,
            shown: if asks_for_record { self.shown_in(conn, bot).await? } else { None },
            caps: list.caps.clone(),
            now,
            runs: runs.cloned(),
            changed,
        })
    }

    pub(super) fn standing_of(&self, bot: &BotFacts, item: &Item, looked: &Looked) -> Standing {
        let Some(measure) = item.measure else {
            return answered(item, &looked.marks, (looked.runs.as_ref(), looked.changed.as_ref()), looked.now);
        };
        match self.found(bot, measure, looked) {
            Ok((said, until)) => Standing::Done(Shown { item: item.name.clone(), said, by: None, mark: None, until, files: Vec::new() }),
            Err(why) => Standing::Open(why),
        }
    }

    fn found(&self, bot: &BotFacts, measure: Measure, looked: &Looked) -> Found {
        match measure {
            Measure::Agent => self.agent_found(bot, looked),
            Measure::Instances => self.instances_found(bot),
            Measure::Subaccount => self.subaccount_found(bot),
            Measure::Key => self.key_found(bot, looked.now),
            Measure::NoWithdrawal => self.withdrawal_found(bot),
            Measure::Account => account_found(looked),
            Measure::Limits => limits_found(bot),
            Measure::Caps => caps_found(bot, looked),
            Measure::LimitsTaken => self.taken_found(bot),
            Measure::Drill => drill_found(looked),
            Measure::StopPath => self.stop_path_found(bot),
            Measure::Alert => alert_found(looked),
            Measure::People => self.people_found(bot),
            Measure::Accountable => self.accountable_found(bot),
            Measure::Reconciled => self.reconciled_found(bot, looked),
            Measure::Record => record_found(bot, looked),
        }
    }

    fn agent_found(&self, bot: &BotFacts, looked: &Looked) -> Found {
        let Some(agent) = self.agents().of_bot(&bot.id) else { return missing("it has no agent") };
        if !agent.confirmed {
            return missing("its agent's fingerprint is not confirmed");
        }
        if bot.timings.freshness(self.silent_ms(&bot.id)) > Freshness::Late {
            return missing("its agent is not connected");
        }
        if looked.runs.is_none() {
            return missing("its agent does not say which build and configuration run");
        }
        so(format!("agent {} is confirmed and says what runs", agent.name))
    }

    fn instances_found(&self, bot: &BotFacts) -> Found {
        let Some(seen) = self.seen_of(&bot.id) else { return missing("its agent has said nothing yet") };
        let runs = self.ran(&bot.id);
        let other: Vec<&str> = seen.instances.iter().filter(|one| runs.as_ref() != Some(&one.ran)).map(|one| one.name.as_str()).collect();
        match (seen.instances.len(), other.is_empty()) {
            (0, _) => so("one instance, which its agent speaks of"),
            (n, true) => so(format!("{n} instances run the same")),
            (_, false) => missing(format!("these run something else: {}", other.join(", "))),
        }
    }

    fn subaccount_found(&self, bot: &BotFacts) -> Found {
        let Ok(place) = self.place_of(bot) else { return missing("it has no subaccount") };
        let venue = bot.seat.as_ref().and_then(|seat| self.venues().venue(&seat.venue));
        match venue.map(|venue| venue.environment) {
            Some(Environment::Live) => so(format!("{}, and no other bot has it", place.name)),
            _ => missing(format!("{} is of a test venue: ask for a live subaccount", place.name)),
        }
    }

    fn key_found(&self, bot: &BotFacts, now: Timestamp) -> Found {
        let keys = self.exchange_keys();
        let Some(key) = keys.of_purpose(&bot.id, KeyPurpose::Execution).filter(|key| key.is_open()) else {
            return missing("it has no key to trade: ask for one");
        };
        if key.is_of(bot).is_err() {
            return missing("its key to trade is of another subaccount");
        }
        let Some(version) = key.active() else { return missing("its key to trade is not in use yet") };
        if !crate::app::keys::is_proved(version) {
            return missing("its key to trade is not proved");
        }
        if version.measured_at.is_some_and(|at| now.ms_since(at) > MEASURED_WITHIN_MS) {
            return missing("its key to trade was not measured within a day");
        }
        if key.rotate_by().is_some_and(|by| by <= now) {
            return missing("its key to trade is overdue to be replaced");
        }
        let (rights, ips) = (key.sheet.rights_words(), key.sheet.ips.join(", "));
        so(format!("may {rights}, from {ips}, as approved {}", key.row.approved_at.plain()))
    }

    fn withdrawal_found(&self, bot: &BotFacts) -> Found {
        let keys = self.exchange_keys();
        let open: Vec<_> = keys.of_bot(&bot.id).iter().filter(|key| key.is_open()).collect();
        let withdraws = open.iter().find(|key| key.sheet.withdraws());
        match withdraws {
            Some(key) => missing(format!("its key {} may withdraw", key.row.purpose.words())),
            None if open.is_empty() => missing("it has no key, so that nobody has looked at one"),
            None => so("none of its keys may"),
        }
    }

    fn taken_found(&self, bot: &BotFacts) -> Found {
        let taken = self.book.seen(&bot.id).and_then(|seen| seen.limits_version);
        if bot.limits_waiting || taken != Some(bot.limits.version) {
            return missing(format!("its agent has not taken over version {}", bot.limits.version));
        }
        so(format!("version {}", bot.limits.version))
    }

    fn stop_path_found(&self, bot: &BotFacts) -> Found {
        if self.has_hand(&bot.id, KeyPurpose::Guard) {
            return so("the server holds a guard key for it");
        }
        match self.book.seen(&bot.id).and_then(|seen| seen.adapter.clone()) {
            Some(adapter) if adapter.dies_with_agent => so(format!("a {} bot ends with its agent", adapter.name)),
            _ => missing("the server holds no guard key, and the bot does not end with its agent"),
        }
    }

    fn people_found(&self, bot: &BotFacts) -> Found {
        let company = self.company();
        let able: Vec<&Voter> = company.people.iter().filter(|one| one.standing == PersonStanding::Able).collect();
        let holds = |one: &&&Voter, role: Role| {
            one.grants.iter().any(|grant| grant.role == role && grant.team.as_ref().is_none_or(|team| *team == bot.team))
        };
        let operators = able.iter().filter(|one| holds(one, Role::Operator) || holds(one, Role::Lead)).count();
        let approve = |one: &&&Voter| one.grants.iter().any(|grant| grant.role == Role::Risk) || holds(one, Role::Lead);
        let approvers = able.iter().filter(approve).count();
        if company.is_alone {
            return so("one person runs this installation alone, so that nobody approves what another asks for");
        }
        match (operators, approvers) {
            (2.., 2..) => so("two who operate it and two who approve can sign in with two keys each"),
            _ => missing(format!("{operators} can operate it and {approvers} can approve; it takes two of each, with two keys each")),
        }
    }

    pub(super) fn accountable_found(&self, bot: &BotFacts) -> Found {
        let sheet = self.venues().sheet(&bot.id);
        let is_here = |user: &UserId| self.people().user(user).is_some_and(|user| user.enabled);
        let who = |user: &UserId| self.people().who(user);
        let is_alone = self.company().is_alone;
        if sheet.deputy.is_none() && !is_alone {
            return missing("nobody stands in for its owner");
        }
        if !is_here(&bot.owner) || sheet.deputy.as_ref().is_some_and(|deputy| !is_here(deputy)) {
            return missing("its owner or deputy is disabled");
        }
        if sheet.operators.is_empty() {
            return missing("nobody is listed who may start it");
        }
        let listed: Vec<String> = sheet.operators.iter().map(who).collect();
        let deputy = sheet.deputy.as_ref().map_or_else(|| "nobody, there being one person here".to_owned(), who);
        so(format!("owner {}, deputy {deputy}; started by {}", who(&bot.owner), listed.join(", ")))
    }

    fn reconciled_found(&self, bot: &BotFacts, looked: &Looked) -> Found {
        if !self.has_hand(&bot.id, KeyPurpose::Monitor) {
            return missing("the server holds no monitor key for it");
        }
        if looked.differs {
            return missing("its agent and its venue differ, and nobody has closed that");
        }
        match &looked.last_read {
            Some(last) if last.outcome == Outcome::Agrees && looked.now.ms_since(last.at) < AGREED_WITHIN_MS => so("agent and venue agree"),
            Some(last) => missing(format!("the last reading came to nothing certain: {}", last.words)),
            None => missing("its venue was not read yet"),
        }
    }
}

fn account_found(looked: &Looked) -> Found {
    let Some(safety) = &looked.account else { return missing("nobody has looked over the safety of its account") };
    if safety.is_due(looked.now) {
        return missing("the safety sheet of its account is to be looked over again");
    }
    let gaps = safety.sheet.gaps();
    if !gaps.is_empty() {
        return missing(gaps.join("; "));
    }
    let at = safety.reviewed.as_ref().map(|(at, _)| *at);
    let until = at.map(|at| at.plus_ms(crate::domain::safety::REVIEW_DAYS * DAY_MS));
    Ok((format!("looked over {}", at.map_or_else(String::new, |at| at.plain())), until))
}

fn limits_found(bot: &BotFacts) -> Found {
    let is_set = |name: &&&str| bot.limits.values.get(**name).is_some_and(|value| !value.is_null());
    let not_set: Vec<String> = LIMITS
        .iter()
        .filter(|name| !is_set(name))
        .filter_map(|name| crate::domain::limits::Setting::of(name))
        .map(crate::domain::limits::Setting::words)
        .collect();
    if not_set.is_empty() { so(format!("version {}", bot.limits.version)) } else { missing(format!("not set: {}", not_set.join(", "))) }
}

fn caps_found(bot: &BotFacts, looked: &Looked) -> Found {
    let Some(caps) = &looked.caps else { return so("this stage has no caps") };
    let over = over_caps(bot, caps);
    if over.is_empty() {
        return so(format!("position {}, daily loss {}", caps.position.shortest(), caps.daily_loss.shortest()));
    }
    missing(over.join("; "))
}

/// Which limits of a bot are above what its stage may have.
pub(super) fn over_caps(bot: &BotFacts, caps: &crate::domain::Caps) -> Vec<String> {
    let number = |value: Option<&serde_json::Value>| value.and_then(|value| value.as_str()).and_then(Decimal::parse);
    let values = &bot.limits.values;
    let within = |words: String, found: Option<Decimal>, most: Decimal| match found {
        Some(limit) if limit <= most => None,
        Some(limit) => Some(format!("{words} may be {}, and {} is the most", limit.shortest(), most.shortest())),
        None => Some(format!("{words} is not limited")),
    };
    let whole = [("max_position_notional", "a position", caps.position), ("max_daily_loss", "the loss of a day", caps.daily_loss)];
    let mut over: Vec<String> =
        whole.into_iter().filter_map(|(name, words, most)| within(words.to_owned(), number(values.get(name)), most)).collect();
    // An exception of one symbol stands in the place of what holds for the whole.
    let symbols = values.get("symbols").and_then(|symbols| symbols.as_object()).into_iter().flatten();
    let own = symbols.filter_map(|(symbol, of)| Some((symbol, number(of.get("max_position_notional"))?)));
    over.extend(own.filter_map(|(symbol, limit)| within(format!("a position in {symbol}"), Some(limit), caps.position)));
    let currency = values.get("currency").and_then(|currency| currency.as_str()).unwrap_or_default();
    if !caps.currencies.iter().any(|one| one == currency) {
        over.push(format!(
            "its limits are in {}, and the caps in {}",
            if currency.is_empty() { "no currency" } else { currency },
            caps.currencies.join(" or ")
        ));
    }
    over
}

fn drill_found(looked: &Looked) -> Found {
    let Some((run, took)) = &looked.drill else { return missing("no drill of it was run") };
    if run.passed != Some(true) {
        return missing("its last drill failed, or is not over");
    }
    let until = run.began_at.plus_ms(DRILLED_WITHIN_MS).min(run.expires_at.unwrap_or(run.began_at));
    if until <= looked.now {
        return missing("its last drill is more than 30 days old");
    }
    let took = took.map_or_else(String::new, |ms| format!(": it stopped {ms} ms after the press"));
    Ok((format!("drill of {} passed{took}", run.began_at.plain()), Some(until)))
}

fn alert_found(looked: &Looked) -> Found {
    let taken = looked.answered.as_ref().and_then(|alert| alert.taken.as_ref());
    let Some((by, at)) = taken else { return missing("nobody took an alert within 7 days: send a test alert and take it") };
    Ok((format!("{} took an alert {}", by.name, at.plain()), Some(at.plus_ms(ANSWERED_WITHIN_MS))))
}

/// A bot's last drill, and how long after the press it had no entry orders, or had obeyed.
async fn drill_of(conn: &mut Conn, bot: &BotFacts) -> Result<Option<(DrillRun, Option<i64>)>, AppError> {
    let Some(run) = storage::drill_runs::drill_last_of_bot(conn, &bot.id).await? else { return Ok(None) };
    let rows = storage::drill_runs::drill_bots(conn, &run.id).await?;
    let took = rows.iter().find(|row| row.bot_id == bot.id).and_then(|row| row.idle_ms.or(row.applied_ms));
    Ok(Some((run, took)))
}

async fn filled_since(conn: &mut Conn, bot: &BotFacts) -> Result<bool, AppError> {
    let Some(run) = &bot.run else { return Ok(false) };
    let span = Span { from: run.since, until: ALWAYS.until };
    Ok(!storage::fills::fill_newest(conn, &bot.id, span, None, 1).await?.is_empty())
}

fn record_found(bot: &BotFacts, looked: &Looked) -> Found {
    // Approved anew where it is already, its record is what it did there.
    let Some(run) = bot.run.as_ref().filter(|run| run.stage == bot.stage && super::drift::is_bound(bot.stage)) else {
        return missing("it is not in stage limited, with an approval");
    };
    if bot.stage == Stage::Live {
        return so("it was let live before, over its record in stage limited");
    }
    let days = looked.now.ms_since(run.since) / DAY_MS;
    if looked.now.ms_since(run.since) < LIMITED_FOR_MS {
        return missing(format!("it is in stage limited for {days} days; it takes 7"));
    }
    if !looked.has_filled {
        return missing("no fill of it was heard of since it is in stage limited");
    }
    // What it comes to is bound with the rest, and stays readable when it has left the stage.
    let shown = looked.shown.iter().flat_map(ResultView::in_words).map(|(what, words)| format!("; {what}: {words}"));
    so(format!("in stage limited since {}{}", run.since.plain(), shown.collect::<String>()))
}
