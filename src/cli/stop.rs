//! `andon stop`: one press from a terminal. With a token over HTTP from anywhere; without one over the control socket on the server's host.

use super::{
    Failure,
    control::{self, Answered, Asked, Placed, Unasked},
    remote,
};
use crate::cli::out::put;
use crate::domain::{Clock, HoldId, Level, Secret};
use futures_util::future::join_all;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The exit code when everything asked for is held, and some of it stopped nothing, or less than was asked.
const HELD_ONLY: u8 = 3;

/// Stop bots, now.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  andon stop --all --why \"venue outage\"\n  andon stop --team arb --level reduce\n  andon stop --venue binance --symbol ETH/USDT@kraken\n  \
    ANDON_SERVER=https://andon.example.org andon stop --bot grid-btc --token-file stop.token\n\n\
    Exit codes:\n  0  everything asked for is stopped\n  1  NOT STOPPED: some of it was refused, or nobody answered; what was stopped says STOPPED\n  \
    2  the command line cannot be read; nothing was asked\n  3  HELD: everything asked for is held, but some of it covers no bot or is weaker than was asked\n     \
    (a symbol is never killed)"
)]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// `pause`: no new risk, latched until it is released and started. `reduce`: add nothing until it is released. `kill`: cancel every order,
    /// drop the keys, back to draft; on the server's host only. One symbol is only ever reduced.
    #[arg(long, default_value = "pause", value_parser = ["reduce", "pause", "kill"])]
    level: String,
    /// Nobody may release it for so many hours, at most 168.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(i64).range(1..=168))]
    not_before: Option<i64>,
    /// Why; asked for, never demanded.
    #[arg(long, default_value = "")]
    why: String,
    /// The server's address; with a token.
    #[arg(long, env = "ANDON_SERVER", value_name = "URL")]
    server: Option<url::Url>,
    /// A file that holds an API token with scope `stop-only` or `operate`. Or the variable `ANDON_TOKEN`.
    #[arg(long, env = "ANDON_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates in PEM that alone vouch for the server, where the system's authorities do not.
    #[arg(long, env = "ANDON_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The control socket on the server's host.
    #[arg(long, env = "ANDON_CONTROL", value_name = "PATH", default_value = "andon-data/state/control")]
    control: PathBuf,
}

/// What to stop. Each may be given several times, and several kinds together: they are stopped at once.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct What {
    /// Every bot.
    #[arg(long)]
    all: bool,
    /// Every bot of a team, by name or id.
    #[arg(long, value_name = "TEAM")]
    team: Vec<String>,
    /// Every bot at a venue, by name or id.
    #[arg(long, value_name = "VENUE")]
    venue: Vec<String>,
    /// Whichever bot has a subaccount: VENUE/NAME or id.
    #[arg(long, value_name = "SUBACCOUNT")]
    subaccount: Vec<String>,
    /// Every bot that runs a strategy.
    #[arg(long, value_name = "STRATEGY")]
    strategy: Vec<String>,
    /// One bot, by name or id.
    #[arg(long, value_name = "BOT")]
    bot: Vec<String>,
    /// One symbol, everywhere or at one venue (BTC/USDT@VENUE): bots add nothing in it and go on elsewhere.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Vec<String>,
}

impl What {
    /// Kinds and names.
    fn scopes(self) -> Vec<(&'static str, String)> {
        let fleet = self.all.then(|| ("fleet", String::new()));
        let named = [
            ("team", self.team),
            ("venue", self.venue),
            ("subaccount", self.subaccount),
            ("strategy", self.strategy),
            ("bot", self.bot),
            ("symbol", self.symbol),
        ];
        let named = named.into_iter().flat_map(|(kind, names)| names.into_iter().map(move |name| (kind, name)));
        fleet.into_iter().chain(named).collect()
    }
}

/// Runs the command.
///
/// # Errors
/// When nobody took the stop: the text begins with NOT STOPPED.
pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    let level: Level = args.level.parse()?;
    let key = HoldId::new().to_string();
    let asked = args.what.scopes().into_iter().map(|(scope, name)| Asked {
        scope: scope.into(),
        name,
        level,
        why: args.why.clone(),
        idempotency_key: key.clone(),
        not_before_hours: args.not_before,
    });
    let asked: Vec<Asked> = asked.collect();
    let token = remote::token(args.token_file.as_deref()).map_err(|error| format!("NOT STOPPED: {error}"))?;
    let answers = match (&args.server, token) {
        (Some(server), Some(token)) => {
            let client = remote::client(args.ca.as_deref())?;
            join_all(asked.iter().map(|asked| over_http(&client, server, &token, asked))).await
        }
        (Some(_), None) => return Err("NOT STOPPED: --server needs a token: --token-file FILE, or the variable ANDON_TOKEN".into()),
        (None, _) => join_all(asked.iter().map(|asked| over_socket(&args.control, asked))).await,
    };
    let (mut failed, mut is_full) = (Vec::new(), true);
    for (one, answered) in asked.iter().zip(answers) {
        // What was asked, as it was asked: an answer has its own words.
        let what = if asked.len() == 1 { String::new() } else { format!(" {} {}", one.scope, one.name) };
        let what = what.trim_end();
        match answered {
            Ok(Answered::Placed(placed)) => {
                let said = Said::of(one, &placed);
                put!("{}", said.words)?;
                is_full &= said.is_full;
            }
            Ok(Answered::Refused { error }) => failed.push(format!("NOT STOPPED{what}: {error}")),
            Ok(_) => failed.push(format!("NOT STOPPED{what}: the server answered something else than was asked")),
            Err(error) => failed.push(format!("NOT STOPPED{what}: {error}")),
        }
    }
    match (failed.is_empty(), is_full) {
        (false, _) => Err(failed.join("\n").into()),
        (true, true) => Ok(ExitCode::SUCCESS),
        (true, false) => Ok(ExitCode::from(HELD_ONLY)),
    }
}

/// What is said of one hold that stands.
struct Said {
    words: String,
    /// It stopped something, as strictly as was asked.
    is_full: bool,
}

impl Said {
    fn of(asked: &Asked, placed: &Placed) -> Self {
        let mut short = Vec::new();
        let level = placed.level.unwrap_or(asked.level);
        if placed.bots == 0 {
            short.push("no bot is written down there, so NOTHING WAS STOPPED; whatever comes under it is held".to_owned());
        }
        if asked.level == Level::Kill && level < Level::Kill {
            short.push(
                "a symbol is never killed: no order elsewhere is cancelled and no key dropped. To kill: --all, --venue or --bot".to_owned(),
            );
        }
        let asks_for_time = asked.not_before_hours.is_some_and(|hours| hours > 0);
        if asks_for_time && placed.not_before.is_none() {
            short.push("it may be released at any time".to_owned());
        }
        let bots = match placed.bots {
            1 => "1 bot".to_owned(),
            n => format!("{n} bots"),
        };
        let told = match (asked.scope.as_str(), level) {
            ("symbol", _) => "add nothing in it",
            (_, Level::Reduce) => "reduce",
            (_, Level::Pause) => "pause",
            (_, Level::Kill) => "kill",
        };
        let until = placed.not_before.as_ref().map(|at| format!(", not to be released before {at}")).unwrap_or_default();
        // A server of before does not say what it stopped.
        let what = if placed.what.is_empty() { format!("{} {}", asked.scope, asked.name) } else { placed.what.clone() };
        let what = what.trim_end();
        let Placed { hold, kept, .. } = placed;
        let head = if short.is_empty() { "STOPPED" } else { "HELD, BUT READ ON" };
        let mut words = format!("{head}: {what}: {bots} told to {told}{until}, hold {hold} ({kept})");
        short.iter().for_each(|one| words.push_str(&format!("\n  {one}")));
        if !placed.bound.is_empty() {
            words.push_str(&format!("\n  bound to what is stopped, and going on: {}; stop those, too", placed.bound.join(", ")));
        }
        Self { words, is_full: short.is_empty() }
    }
}

async fn over_socket(path: &Path, asked: &Asked) -> Result<Answered, Failure> {
    match control::ask(path, asked, control::ANSWER).await {
        Ok(answered) => Ok(answered),
        Err(error @ Unasked::NoServer(_)) => {
            Err(format!("{error}; run this on the server's host, or give --server URL with a token").into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn over_http(client: &reqwest::Client, server: &url::Url, token: &Secret<String>, asked: &Asked) -> Result<Answered, Failure> {
    // The server's clock counts, and this one may be off by a little.
    let not_before = asked.not_before_hours.map(|hours| Clock::system().now().plus_ms(hours * 3_600_000).rfc3339());
    let mut body = serde_json::json!({
        "scope": asked.scope, "level": asked.level, "why": asked.why, "idempotency_key": asked.idempotency_key,
    });
    if let Some(body) = body.as_object_mut() {
        // Only what was asked for: a server of before there was such a thing takes the press as well.
        let named = (!asked.name.is_empty()).then(|| (asked.scope.clone(), asked.name.clone()));
        let later = not_before.map(|at| ("not_before".to_owned(), at));
        body.extend(named.into_iter().chain(later).map(|(key, value)| (key, value.into())));
    }
    let answer = client.post(server.join("/api/v1/holds")?).bearer_auth(token.expose()).json(&body).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let word = |key: &str| read.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    if status.is_success() {
        let bots = read.get("bots").and_then(serde_json::Value::as_u64).unwrap_or_default();
        return Ok(Answered::Placed(Placed {
            hold: word("id"),
            kept: word("kept"),
            bots: usize::try_from(bots).unwrap_or_default(),
            what: word("what"),
            level: word("level").parse().ok(),
            bound: read.get("bound").and_then(|bound| serde_json::from_value(bound.clone()).ok()).unwrap_or_default(),
            not_before: Some(word("not_before")).filter(|at| !at.is_empty()),
        }));
    }
    Ok(Answered::Refused { error: remote::reason(status, &text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(scope: &str, level: Level, hours: Option<i64>, placed: Placed) -> (String, bool) {
        let asked = Asked {
            scope: scope.into(),
            name: "x".into(),
            level,
            why: String::new(),
            idempotency_key: "k".into(),
            not_before_hours: hours,
        };
        let said = Said::of(&asked, &placed);
        (said.words, said.is_full)
    }

    fn placed(what: &str, bots: usize, level: Level) -> Placed {
        Placed {
            hold: "H".into(),
            kept: "recorded".into(),
            bots,
            what: what.into(),
            level: Some(level),
            not_before: None,
            bound: Vec::new(),
        }
    }

    #[test]
    fn it_names_what_was_stopped_and_how_strictly() {
        let (words, is_full) = said("venue", Level::Pause, None, placed("venue BINANCE", 1, Level::Pause));
        assert_eq!((words.as_str(), is_full), ("STOPPED: venue BINANCE: 1 bot told to pause, hold H (recorded)", true));
        let until = Placed { not_before: Some("2026-11-27T10:00:00Z".into()), ..placed("the whole fleet", 16, Level::Kill) };
        let (words, is_full) = said("fleet", Level::Kill, Some(24), until);
        assert!(is_full && words.contains("16 bots told to kill, not to be released before 2026-11-27T10:00:00Z"), "{words}");
    }

    #[test]
    fn what_stopped_nothing_or_less_than_asked_does_not_look_like_a_stop() {
        let (words, is_full) = said("venue", Level::Pause, None, placed("venue binance", 0, Level::Pause));
        assert!(!is_full && !words.starts_with("STOPPED") && words.contains("NOTHING WAS STOPPED"), "{words}");
        let (words, is_full) = said("symbol", Level::Kill, None, placed("BTC/USDT everywhere", 16, Level::Reduce));
        assert!(!is_full && !words.contains("told to kill") && words.contains("never killed"), "{words}");
        let (words, is_full) = said("symbol", Level::Pause, None, placed("BTC/USDT everywhere", 16, Level::Reduce));
        assert!(is_full && words.contains("16 bots told to add nothing in it"), "{words}");
        let bound = Placed { bound: vec!["arb-02".into()], what: String::new(), level: None, ..placed("", 1, Level::Pause) };
        let (words, is_full) = said("bot", Level::Pause, None, bound);
        assert!(is_full && words.starts_with("STOPPED: bot x: 1 bot told to pause") && words.contains("going on: arb-02"), "{words}");
        let (words, is_full) = said("fleet", Level::Pause, Some(24), placed("the whole fleet", 16, Level::Pause));
        assert!(!is_full && words.contains("released at any time"), "{words}");
    }
}
