//! `agent.toml`: which bot this agent runs and how. Everything else an agent needs comes from the server. `[bot]` names the kind of bot; a kind
//! other than `process` has a section of its own.

mod command;
mod freqtrade;
mod keys;

use super::{
    BootClock,
    adapters::{
        Adapter,
        command::CommandAdapter,
        freqtrade::FreqtradeAdapter,
        process::{ProcessAdapter, ProcessConfig, own_launcher},
    },
    credential::Credential,
    dir::AgentDir,
    keys::{Giving, Handing, KeyRing, KeyStore},
};
use crate::domain::AgentId;
use rustix::process::Signal;
use serde::Deserialize;
use std::{io, path::PathBuf};

/// Written by `enrol` where no settings are.
pub const EXAMPLE: &str = r#"# What this agent runs. Times are milliseconds; relative paths start where `andon agent run` was called, or at working_dir.

[bot]
adapter = "process"     # or "freqtrade" or "command": see the end

# The bot's command and its arguments. Or leave it out and write it behind `andon agent run -- `.
# command = ["python3", "bot.py", "--config", "grid.json"]
# working_dir = "/srv/grid"

# How it is halted: this signal (SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2), and after stop_within_ms SIGKILL to all of it.
# stop_signal = "SIGTERM"
# stop_within_ms = 3000

# A command that prints what rests at the venue as JSON, at least {"entry_orders": 0}. Without it a stop is shown as
# "applied, orders unknown": a command that has ended says nothing about its orders.
# report = ["python3", "open_orders.py"]
# report_timeout_ms = 5000

# Files whose digest is shown as what runs.
# build = ["bot.py"]
# config = ["grid.json"]
# strategy = "grid"

# Where it trades, as the server's register calls it: the board then shows when two bots claim one subaccount.
# subaccount = "binance/grid-7"

# How the bot gets the exchange keys that the server sends, sealed to this agent: "file", one of mode 0600 per venue and purpose in dir (given/ here),
# as {"key","secret","password"} or, with form = "freqtrade", as a piece of its configuration; or, for a bot that is started here, "fd" (an open
# file, its number in ANDON_KEYS_FD) or "env" (ANDON_BINANCE_EXECUTION_KEY, _SECRET, _PASSWORD). Without it the bot gets none.
# [keys]
# give = "file"
# dir = "/run/andon/grid-7"
# form = "plain"

# A Freqtrade bot that runs by itself: adapter = "freqtrade" above, nothing else in [bot], and
# [freqtrade]
# url = "http://127.0.0.1:8080"
# username = "freqtrader"
# password_file = "/etc/andon/freqtrade.password"

# Any other bot, told by commands of yours: adapter = "command" above, nothing else in [bot], and
# [command]
# halt = ["/srv/bot/ctl", "halt"]
# start = ["/srv/bot/ctl", "start"]
# report = ["/srv/bot/ctl", "report"]
# block = ["/srv/bot/ctl", "block"]       # leaves out held symbols, read as JSON; without it one held symbol reduces the whole bot
# The README says what they print.
"#;

const STOP_WITHIN_MS: i64 = 3_000;
const REPORT_TIMEOUT_MS: i64 = 5_000;

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {why}")]
    Wrong {
        /// The file.
        path: String,
        /// Where and why.
        why: String,
    },
    /// No command anywhere.
    #[error("there is nothing to run: write `command` into {0}, or the command behind `andon agent run -- `")]
    NoCommand(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    bot: BotSection,
    freqtrade: Option<freqtrade::Section>,
    command: Option<command::Section>,
    keys: Option<keys::Section>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BotSection {
    adapter: Kind,
    command: Vec<String>,
    working_dir: Option<PathBuf>,
    stop_signal: Option<StopSignal>,
    stop_within_ms: Option<i64>,
    report: Option<Vec<String>>,
    report_timeout_ms: Option<i64>,
    build: Vec<PathBuf>,
    config: Vec<PathBuf>,
    strategy: Option<String>,
    subaccount: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Process,
    Freqtrade,
    Command,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
enum StopSignal {
    #[default]
    #[serde(rename = "SIGTERM")]
    Term,
    #[serde(rename = "SIGINT")]
    Int,
    #[serde(rename = "SIGHUP")]
    Hup,
    #[serde(rename = "SIGQUIT")]
    Quit,
    #[serde(rename = "SIGUSR1")]
    Usr1,
    #[serde(rename = "SIGUSR2")]
    Usr2,
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        match signal {
            StopSignal::Term => Self::TERM,
            StopSignal::Int => Self::INT,
            StopSignal::Hup => Self::HUP,
            StopSignal::Quit => Self::QUIT,
            StopSignal::Usr1 => Self::USR1,
            StopSignal::Usr2 => Self::USR2,
        }
    }
}

/// A file that was read, and its name.
fn read_file(dir: &AgentDir) -> Result<(File, String), SettingsError> {
    let path = dir.settings();
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(SettingsError::Unreadable { path: shown, error }),
    };
    let file = toml::from_str(&text).map_err(|error| SettingsError::Wrong { path: shown.clone(), why: error.to_string() })?;
    Ok((file, shown))
}

/// Where the agent keeps exchange keys, and how the settings have them given to the bot.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn key_ring(dir: &AgentDir, who: &Credential) -> Result<KeyRing, SettingsError> {
    let (file, shown) = read_file(dir)?;
    let giving = file.giving(dir).map_err(|why| SettingsError::Wrong { path: shown, why })?;
    Ok(KeyRing { store: KeyStore::new(dir, who), giving })
}

/// Makes the adapter that the settings name. A `command` given here goes before the file's.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn adapter(dir: &AgentDir, who: &Credential, command: Vec<String>, boot_clock: BootClock) -> Result<Box<dyn Adapter>, SettingsError> {
    let (file, shown) = read_file(dir)?;
    let wrong = |why: String| SettingsError::Wrong { path: shown.clone(), why };
    file.check(!command.is_empty()).map_err(wrong)?;
    let giving = file.giving(dir).map_err(wrong)?;
    Ok(match file.bot.adapter {
        Kind::Process => {
            let keys = match giving {
                Giving::AtStart(way) => Some(Handing { store: KeyStore::new(dir, who), way }),
                Giving::Nothing | Giving::Files(_) => None,
            };
            let config = ProcessConfig { keys, ..process(file.bot, &shown, &who.agent, command)? };
            Box::new(ProcessAdapter::new(config, boot_clock))
        }
        Kind::Freqtrade => {
            let section = file.freqtrade.ok_or_else(|| wrong(freqtrade::MISSING.into()))?;
            let config = section.check().map_err(wrong)?;
            Box::new(FreqtradeAdapter::new(config, boot_clock).map_err(|error| wrong(error.to_string()))?)
        }
        Kind::Command => {
            let section = file.command.ok_or_else(|| wrong(command::MISSING.into()))?;
            Box::new(CommandAdapter::new(section.check(&who.bot_name).map_err(wrong)?))
        }
    })
}

impl File {
    fn giving(&self, dir: &AgentDir) -> Result<Giving, String> {
        let is_started = self.bot.adapter == Kind::Process;
        self.keys.as_ref().map_or(Ok(Giving::Nothing), |keys| keys.check(is_started, &dir.given()))
    }

    /// What would go unheeded is refused.
    fn check(&self, has_command: bool) -> Result<(), String> {
        for (kind, name, is_there) in
            [(Kind::Freqtrade, "freqtrade", self.freqtrade.is_some()), (Kind::Command, "command", self.command.is_some())]
        {
            if is_there && self.bot.adapter != kind {
                return Err(format!("[{name}] is for adapter = \"{name}\", and [bot] names another adapter; take one of both out"));
            }
        }
        self.bot.check(has_command)
    }
}

impl BotSection {
    /// Only a `process` is described in `[bot]` itself.
    fn check(&self, has_command: bool) -> Result<(), String> {
        let Self {
            adapter,
            command,
            working_dir,
            stop_signal,
            stop_within_ms,
            report,
            report_timeout_ms,
            build,
            config,
            strategy,
            subaccount,
        } = self;
        if *adapter == Kind::Process {
            return Ok(());
        }
        let unheeded = !command.is_empty()
            || working_dir.is_some()
            || stop_signal.is_some()
            || stop_within_ms.is_some()
            || report.is_some()
            || report_timeout_ms.is_some()
            || !build.is_empty()
            || !config.is_empty()
            || strategy.is_some()
            || subaccount.is_some();
        if unheeded {
            return Err(
                "beside adapter = \"freqtrade\" or \"command\" nothing belongs into [bot]; write it into the section of that name".into()
            );
        }
        if has_command {
            return Err(
                "there is a command behind `andon agent run -- `, and this kind of bot is not started that way; leave it out".into()
            );
        }
        Ok(())
    }
}

/// A time in milliseconds within its bounds, or the usual one.
fn time_ms(value: Option<i64>, usual: i64, most: i64, name: &str) -> Result<i64, String> {
    match value {
        None => Ok(usual),
        Some(ms) if (1..=most).contains(&ms) => Ok(ms),
        Some(_) => Err(format!("{name} must be between 1 and {most} (milliseconds)")),
    }
}

fn process(bot: BotSection, shown: &str, agent: &AgentId, command: Vec<String>) -> Result<ProcessConfig, SettingsError> {
    let wrong = |why: &str| SettingsError::Wrong { path: shown.to_owned(), why: why.to_owned() };
    let bounded = |value: Option<i64>, standard: i64, name: &str| match value {
        None => Ok(standard),
        Some(ms) if (0..=600_000).contains(&ms) => Ok(ms),
        Some(_) => Err(wrong(&format!("{name} must be between 0 and 600000"))),
    };
    let command = if command.is_empty() { bot.command } else { command };
    if command.first().is_none_or(String::is_empty) {
        return Err(SettingsError::NoCommand(shown.to_owned()));
    }
    if bot.report.as_ref().is_some_and(|report| report.first().is_none_or(String::is_empty)) {
        return Err(wrong("report must name a command, or be left out"));
    }
    let below = |path: PathBuf| bot.working_dir.as_ref().map_or_else(|| path.clone(), |dir| dir.join(&path));
    Ok(ProcessConfig {
        stop_signal: bot.stop_signal.unwrap_or_default().into(),
        stop_within_ms: bounded(bot.stop_within_ms, STOP_WITHIN_MS, "stop_within_ms")?,
        report_timeout_ms: bounded(bot.report_timeout_ms, REPORT_TIMEOUT_MS, "report_timeout_ms")?,
        build: bot.build.into_iter().map(below).collect(),
        config: bot.config.into_iter().map(below).collect(),
        report: bot.report,
        strategy: bot.strategy,
        subaccount: bot.subaccount,
        working_dir: bot.working_dir,
        command,
        mark: agent.to_string(),
        launcher: own_launcher(),
        keys: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, command: &[&str]) -> Result<ProcessConfig, SettingsError> {
        let File { bot, .. } = toml::from_str(text).map_err(|e| SettingsError::Wrong { path: "agent.toml".into(), why: e.to_string() })?;
        process(bot, "agent.toml", &AgentId::new(), command.iter().map(|part| (*part).to_owned()).collect())
    }

    /// The example with what is commented out put in: settings and sections, not sentences.
    fn uncommented(part: &str) -> String {
        let is_setting = |rest: &&str| rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        part.lines().map(|line| format!("{}\n", line.strip_prefix("# ").filter(is_setting).unwrap_or(line))).collect()
    }

    #[test]
    fn the_example_is_valid_with_and_without_its_comments() {
        assert_eq!(read(EXAMPLE, &["bot"]).unwrap().command, ["bot"]);
        let (process, others) = EXAMPLE.split_once("# A Freqtrade bot").unwrap();
        let config = read(&uncommented(process), &[]).unwrap();
        assert_eq!(config.command, ["python3", "bot.py", "--config", "grid.json"]);
        assert_eq!(config.build, [PathBuf::from("/srv/grid/bot.py")]);
        assert_eq!((config.stop_within_ms, config.report_timeout_ms), (STOP_WITHIN_MS, REPORT_TIMEOUT_MS));
        assert!(config.report.is_some());
        let file: File = toml::from_str(&uncommented(&format!("# A Freqtrade bot{others}"))).unwrap();
        assert!(file.freqtrade.is_some());
        assert!(file.command.unwrap().check("grid-1").is_ok());
    }

    #[test]
    fn a_kind_of_bot_says_what_its_section_is_and_takes_nothing_that_goes_unheeded() {
        let dir = tempfile::tempdir().unwrap();
        let dir = AgentDir::new(dir.path());
        dir.create().unwrap();
        let who = crate::agent::tests::credential();
        for (text, command, words) in [
            ("[bot]\nadapter = \"freqtrade\"", vec![], "password_file = "),
            ("[bot]\nadapter = \"command\"", vec![], "report = "),
            ("[bot]\nadapter = \"freqtrade\"\nreport = [\"x\"]", vec![], "section of that name"),
            ("[bot]\nadapter = \"command\"", vec!["bot".to_owned()], "agent run -- "),
            ("[bot]\nadapter = \"command\"\nstop_signal = \"SIGINT\"", vec![], "section of that name"),
            ("[bot]\ncommand = [\"b\"]\n[command]\nhalt = [\"h\"]\nstart = [\"s\"]\nreport = [\"r\"]", vec![], "[command] is for"),
            ("[bot]\nadapter = \"command\"\n[freqtrade]\nurl = \"http://127.0.0.1\"\nusername = \"u\"", vec![], "[freqtrade] is for"),
        ] {
            std::fs::write(dir.settings(), text).unwrap();
            let error = adapter(&dir, &who, command, BootClock::system()).err().unwrap().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        std::fs::write(dir.settings(), "[bot]\nadapter = \"command\"\n[command]\nhalt = [\"h\"]\nstart = [\"s\"]\nreport = [\"r\"]")
            .unwrap();
        let made = adapter(&dir, &who, vec![], BootClock::system()).unwrap();
        assert_eq!((made.name(), made.traits().dies_with_agent, made.traits().can_reduce), ("command", false, false));
    }

    #[test]
    fn what_is_misspelt_or_out_of_bounds_is_named() {
        for (text, word) in [
            ("[bot]\ncomand = [\"x\"]", "comand"),
            ("[bot]\nstop_signal = \"SIGWHAT\"", "SIGWHAT"),
            ("[bot]\nstop_within_ms = -1", "stop_within_ms"),
            ("[bot]\nreport = []", "report"),
            ("[bot]\nadapter = \"magic\"", "magic"),
            ("[bot", "line 1"),
        ] {
            let error = read(text, &["bot"]).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(matches!(read("", &[]), Err(SettingsError::NoCommand(_))));
    }
}
