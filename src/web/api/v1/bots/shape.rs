//! A bot as programs see it: its facts, what it may do, and what its agent said last, each with its age.

use super::super::Named;
use crate::app::{App, listings::BotRow};
use crate::domain::{Directive, Freshness, Reason, Timestamp, Timings};
use crate::fleet::{AgentSeen, worst_case_stop_ms};
use serde::Serialize;

/// A bot.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Bot)]
pub struct BotShape {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Its team.
    team: Named,
    /// The strategy it runs.
    strategy: String,
    /// The accountable person.
    owner: Named,
    /// `draft`, `sandbox`, `limited`, `live` or `retired`.
    stage: &'static str,
    /// What it is for; empty: not said.
    objective: String,
    /// Who stands in for its owner; null: nobody.
    deputy: Option<Named>,
    /// Who may start it; nobody: whoever its team's roles allow.
    operators: Vec<Named>,
    /// Where it trades; null: not said. The name is `VENUE/NAME`.
    subaccount: Option<Named>,
    /// What it may do while halted: `managed` or `none`.
    exits: &'static str,
    /// What it may do, and why.
    directive: DirectiveShape,
    /// The times that bound how long it can go on after a stop.
    timings: TimingsShape,
    /// The version of its limits.
    limits_version: i64,
    /// Its limits.
    #[schema(value_type = Object)]
    limits: serde_json::Value,
    /// Its live agent; null: none.
    agent: Option<AgentRef>,
    /// What its agent said last; null: never heard.
    seen: Option<SeenShape>,
    /// What is wrong, in words; null: nothing.
    trouble: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Directive)]
struct DirectiveShape {
    /// The epoch of the latest fact that touched the bot.
    epoch: i64,
    /// `active`, `reducing` or `halted`.
    state: &'static str,
    /// `keep`, `cancel_entries` or `cancel_all`.
    orders: &'static str,
    /// Why it is not active.
    reasons: Vec<ReasonShape>,
    /// The unreleased holds that cover it.
    holds: Vec<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Reason)]
struct ReasonShape {
    /// `hold`, `boot`, `lapse`, `stage`, `stopped`, `not_started` and others.
    kind: &'static str,
    /// The hold.
    hold: Option<String>,
    /// In words.
    why: String,
    /// Who placed the hold.
    by: Option<String>,
    /// Since when.
    at: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Timings)]
struct TimingsShape {
    /// How often its agent checks in.
    check_in_ms: i64,
    /// Without a renewal for this long it adds nothing.
    stale_after_ms: i64,
    /// Without a renewal for this long it halts.
    lapse_after_ms: i64,
    /// How long it may take from hearing a stop to having applied it.
    apply_within_ms: i64,
    /// The longest it can go on after a press, agent and machine alive. Of an agent that polls, with its own pause between two check-ins.
    worst_case_stop_ms: i64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AgentRef {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// A person has compared its fingerprint.
    confirmed: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Seen)]
struct SeenShape {
    /// When, by the server's clock.
    at: String,
    /// How long ago that was.
    age_ms: i64,
    /// `fresh`, `late`, `stale` or `lapsed` (presumed halted, unconfirmed).
    freshness: &'static str,
    /// `stream` or `poll`.
    channel: &'static str,
    /// What the bot does; null: not said.
    state: Option<&'static str>,
    /// The epoch it has seen.
    epoch: Option<i64>,
    /// Digest of the build.
    build: Option<String>,
    /// Digest of the configuration.
    config: Option<String>,
    /// The last report as the agent sent it; what is absent is unknown, never zero.
    #[schema(value_type = Option<Object>)]
    report: Option<serde_json::Value>,
    /// When the report came.
    report_at: Option<String>,
}

fn text(at: Timestamp) -> String {
    at.rfc3339()
}

impl BotShape {
    /// A row of the application's list, written out.
    pub fn of(app: &App, row: BotRow) -> Self {
        let bot = &row.bot;
        let now = app.clock.now();
        let sheet = app.venues().sheet(&bot.id);
        let person = |id: &crate::domain::UserId| Named { id: id.to_string(), name: app.people().who(id) };
        let seat = bot.seat.as_ref().and_then(|seat| app.venues().subaccount(&seat.subaccount));
        Self {
            objective: sheet.objective,
            deputy: sheet.deputy.as_ref().map(person),
            operators: sheet.operators.iter().map(person).collect(),
            subaccount: seat.map(|one| Named { name: app.venues().label(&one), id: one.id.to_string() }),
            id: bot.id.to_string(),
            name: bot.name.clone(),
            team: Named { id: bot.team.to_string(), name: app.people().team_name(&bot.team).unwrap_or_default() },
            strategy: bot.strategy.clone(),
            owner: Named { id: bot.owner.to_string(), name: app.people().who(&bot.owner) },
            stage: bot.stage.as_str(),
            exits: bot.exits.as_str(),
            directive: row.directive.into(),
            timings: TimingsShape { worst_case_stop_ms: worst_case_stop_ms(bot.timings, row.seen.as_deref()), ..bot.timings.into() },
            limits_version: bot.limits.version,
            limits: bot.limits.values.clone().into(),
            agent: row.agent.map(|agent| AgentRef { id: agent.id.to_string(), name: agent.name.clone(), confirmed: agent.confirmed }),
            seen: row.seen.map(|seen| SeenShape::of(&seen, row.freshness, now)),
            trouble: row.trouble,
        }
    }
}

impl From<Directive> for DirectiveShape {
    fn from(directive: Directive) -> Self {
        Self {
            epoch: directive.epoch.0,
            state: directive.state.as_str(),
            orders: directive.orders.as_str(),
            reasons: directive.reasons.into_iter().map(ReasonShape::from).collect(),
            holds: directive.holds.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Reason> for ReasonShape {
    fn from(reason: Reason) -> Self {
        let hold = reason.hold.map(|hold| hold.to_string());
        Self { kind: reason.kind, hold, why: reason.why, by: reason.by, at: reason.at.map(text) }
    }
}

impl From<Timings> for TimingsShape {
    fn from(timings: Timings) -> Self {
        Self {
            check_in_ms: timings.check_in_ms,
            stale_after_ms: timings.stale_after_ms,
            lapse_after_ms: timings.lapse_after_ms,
            apply_within_ms: timings.apply_within_ms,
            worst_case_stop_ms: timings.worst_case_stop_ms(),
        }
    }
}

impl SeenShape {
    fn of(seen: &AgentSeen, freshness: Freshness, now: Timestamp) -> Self {
        Self {
            at: text(seen.at),
            age_ms: now.ms_since(seen.at).max(0),
            freshness: match freshness {
                Freshness::Fresh => "fresh",
                Freshness::Late => "late",
                Freshness::Stale => "stale",
                Freshness::Lapsed => "lapsed",
                Freshness::Unknown => "unknown",
            },
            channel: seen.channel,
            state: seen.state.map(|state| state.as_str()),
            epoch: seen.epoch.map(|epoch| epoch.0),
            build: seen.build.clone(),
            config: seen.config.clone(),
            report: seen.report.as_ref().and_then(|(report, _)| serde_json::to_value(report.as_ref()).ok()),
            report_at: seen.report.as_ref().map(|(_, at)| text(*at)),
        }
    }
}
