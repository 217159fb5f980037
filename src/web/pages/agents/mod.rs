//! `/agents`: the machines that carry the stop, and how each is heard.

pub mod show;

use crate::app::App;
use crate::domain::{BotId, Timestamp};
use crate::fleet::{AgentSeen, worst_case_stop_ms};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::Person,
    format::{self, Age, duration},
    frame,
    page::Frame,
};
use askama::Template;
use axum::extract::State;
use std::sync::Arc;

/// Agents that have ended, at most.
const ENDED: usize = 100;
/// Live agents on a page, at most.
const LIVE: usize = 100;
/// Agents change their token every 30 days; one that is a day older is overdue.
const TOKEN_OVERDUE_MS: i64 = 31 * 24 * 60 * 60 * 1_000;
/// A clock further off than this is shown as wrong.
const CLOCK_OFF_MS: i64 = 2_000;

/// One agent.
pub(super) struct Row {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) bot: String,
    pub(super) bot_href: String,
    pub(super) chip: Chip,
    pub(super) version: String,
    pub(super) platform: String,
    pub(super) channel: &'static str,
    pub(super) age: Age,
    pub(super) stops_within: String,
    pub(super) clock: Clock,
    pub(super) token: Token,
    pub(super) ended_at: Option<Timestamp>,
}

/// How far an agent's clock is from ours.
pub(super) struct Clock {
    pub(super) words: String,
    pub(super) is_wrong: bool,
}

impl Clock {
    /// By its last check-in.
    pub(super) fn of(seen: Option<&Arc<AgentSeen>>) -> Self {
        match seen.and_then(|seen| seen.clock_off_ms) {
            None => Self { words: format::UNKNOWN.to_owned(), is_wrong: false },
            Some(off) => {
                let words = match off {
                    off if off.abs() < 1_000 => "under 1 s".to_owned(),
                    off if off < 0 => format!("{} behind", duration(-off)),
                    off => format!("{} ahead", duration(off)),
                };
                Self { words, is_wrong: off.abs() > CLOCK_OFF_MS }
            }
        }
    }
}

/// How long an agent's token has been in use.
pub(super) struct Token {
    pub(super) words: String,
    /// It should have been changed by now (ruling H18).
    pub(super) is_overdue: bool,
}

impl Token {
    /// Of a token that has been in use since then.
    pub(super) fn of(since: Timestamp, now: Timestamp) -> Self {
        let age = now.ms_since(since).max(0);
        Self { words: duration(age), is_overdue: age > TOKEN_OVERDUE_MS }
    }
}

#[derive(Template)]
#[template(path = "agents.html")]
pub(super) struct Agents {
    pub(super) frame: Frame,
    pub(super) live: Vec<Row>,
    pub(super) previous: String,
    pub(super) next: String,
    pub(super) words: String,
    pub(super) ended: Vec<Row>,
}

/// Which page of live agents, from 1.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    page: usize,
}

/// Every agent: those that live by bot, then those that have ended.
pub async fn index(State(app): Shared, person: Person, axum::extract::Query(asked): axum::extract::Query<Asked>) -> Answer {
    let frame = frame::of(&app, &person.visitor, "Agents").await;
    let (mut live, mut ended) = (Vec::new(), Vec::new());
    for agent in app.agent_rows(&person.actor).await? {
        let name = (agent.id.to_string(), agent.name);
        let about = About { version: agent.version, platform: agent.platform, token_since: agent.token_since, ended_at: agent.ended_at };
        let row = row(&app, name, &agent.bot_id, &agent.state, about);
        if row.ended_at.is_none() { live.push(row) } else { ended.push(row) }
    }
    live.sort_by(|a, b| a.bot.cmp(&b.bot));
    ended.truncate(ENDED);
    let pages = live.len().div_ceil(LIVE).max(1);
    let page = asked.page.clamp(1, pages);
    let words = match live.len() {
        all if pages == 1 => format!("Agents: {all}"),
        all => format!("Agents: {} to {} of {all}", (page - 1) * LIVE + 1, (page * LIVE).min(all)),
    };
    let at = |page: usize| format!("/agents?page={page}");
    frame::page(&Agents {
        frame,
        words,
        previous: if page > 1 { at(page - 1) } else { String::new() },
        next: if page < pages { at(page + 1) } else { String::new() },
        live: live.into_iter().skip((page - 1) * LIVE).take(LIVE).collect(),
        ended,
    })
}

struct About {
    version: String,
    platform: String,
    token_since: Timestamp,
    ended_at: Option<Timestamp>,
}

fn row(app: &App, (id, name): (String, String), bot: &BotId, state: &str, about: About) -> Row {
    let view = app.fleet.view();
    let facts = view.bot(bot);
    let timings = facts.map(|facts| facts.timings).unwrap_or_default();
    let seen = app.book.seen(bot).filter(|seen| seen.agent.as_str() == id);
    Row {
        href: format!("/agents/{id}"),
        name,
        bot: facts.map_or_else(|| bot.to_string(), |facts| facts.name.clone()),
        bot_href: format!("/bots/{bot}"),
        chip: state_chip(state),
        version: about.version,
        platform: about.platform,
        channel: channel(seen.as_ref()),
        age: Age::new(seen.as_ref().map(|seen| seen.at), app.clock.now(), timings),
        stops_within: duration(worst_case_stop_ms(timings, seen.as_deref())),
        clock: Clock::of(seen.as_ref()),
        token: Token::of(about.token_since, app.clock.now()),
        ended_at: about.ended_at,
    }
}

/// How an agent stands, by the word the database has for it.
pub(super) fn state_chip(state: &str) -> Chip {
    match state {
        "confirmed" => Chip::new(Tone::Plain, "Confirmed"),
        "pending" => Chip::new(Tone::Low, "Not confirmed"),
        "revoked" => Chip::new(Tone::Plain, "Revoked"),
        _ => Chip::new(Tone::Plain, "Replaced"),
    }
}

/// `push` over a stream or `poll`.
pub(super) fn channel(seen: Option<&Arc<AgentSeen>>) -> &'static str {
    match seen.map(|seen| seen.channel) {
        None => "not heard yet",
        Some("stream") => "push",
        Some(_) => "poll",
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let now = samples::now();
    let row = |n: usize, state: &str, age_s: Option<i64>, off: &str| Row {
        href: format!("/agents/{n}"),
        name: format!("host-{n}"),
        bot: samples::names().swap_remove(n).0,
        bot_href: format!("/bots/{n}"),
        chip: state_chip(state),
        version: "0.1.0".to_owned(),
        platform: "linux-x86_64".to_owned(),
        channel: if n == 2 { "push" } else { "poll" },
        age: Age::new(age_s.map(|s| now.plus_ms(-s * 1_000)), now, crate::domain::Timings::default()),
        stops_within: "35 s".to_owned(),
        clock: Clock { words: off.to_owned(), is_wrong: off != "under 1 s" },
        token: Token::of(now.plus_ms(-(n as i64) * 12 * 24 * 60 * 60 * 1_000), now),
        ended_at: None,
    };
    let draw = |live, ended: Vec<Row>, next: &str| {
        let words = "Agents: 3".to_owned();
        let frame = Frame { held: None, ..Frame::sample("Agents", "/agents") };
        Agents { frame, live, previous: String::new(), next: next.to_owned(), words, ended }.render().unwrap()
    };
    let live = vec![
        row(1, "confirmed", Some(1), "under 1 s"),
        row(2, "pending", None, "under 1 s"),
        row(3, "confirmed", Some(40), "3.1 s behind"),
    ];
    let ended = vec![Row { ended_at: Some(now), ..row(4, "revoked", None, "under 1 s") }];
    let mut all =
        vec![("agents".to_owned(), draw(live, ended, "/agents?page=2")), ("agents-none".to_owned(), draw(Vec::new(), Vec::new(), ""))];
    all.extend(show::samples());
    all
}
