//! `[command]` of `agent.toml`: the commands that halt, reduce, block symbols, start and report, each with its time.

use super::time_ms;
use crate::agent::adapters::command::{CommandConfig, Order};
use serde::Deserialize;
use std::path::PathBuf;

/// Said where the section is missing.
pub(super) const MISSING: &str = r#"adapter = "command" needs the section
[command]
halt = ["/srv/bot/ctl", "halt"]
start = ["/srv/bot/ctl", "start"]
report = ["/srv/bot/ctl", "report"]"#;

const HALT_MS: i64 = 10_000;
const START_MS: i64 = 30_000;
const REPORT_MS: i64 = 5_000;
const MOST_MS: i64 = 600_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    halt: Vec<String>,
    reduce: Option<Vec<String>>,
    block: Option<Vec<String>>,
    start: Vec<String>,
    report: Vec<String>,
    halt_timeout_ms: Option<i64>,
    reduce_timeout_ms: Option<i64>,
    block_timeout_ms: Option<i64>,
    start_timeout_ms: Option<i64>,
    report_timeout_ms: Option<i64>,
    #[serde(default)]
    manages_exits: bool,
    working_dir: Option<PathBuf>,
    #[serde(default)]
    build: Vec<PathBuf>,
    #[serde(default)]
    config: Vec<PathBuf>,
    strategy: Option<String>,
    subaccount: Option<String>,
}

impl Section {
    pub(super) fn check(self, bot: &str) -> Result<CommandConfig, String> {
        let order = |name: &str, command: Vec<String>, timeout_ms: Option<i64>, usual_ms: i64| {
            if command.first().is_none_or(String::is_empty) {
                return Err(format!("[command] {name} must be a program and its arguments: {name} = [\"/srv/bot/ctl\", \"{name}\"]"));
            }
            let timeout_ms = time_ms(timeout_ms, usual_ms, MOST_MS, &format!("[command] {name}_timeout_ms"))?;
            Ok(Order { command, timeout_ms })
        };
        let dir = self.working_dir.clone().unwrap_or_default();
        let below = |paths: Vec<PathBuf>| paths.into_iter().map(|path| dir.join(path)).collect();
        Ok(CommandConfig {
            bot: bot.to_owned(),
            halt: order("halt", self.halt, self.halt_timeout_ms, HALT_MS)?,
            reduce: self.reduce.map(|reduce| order("reduce", reduce, self.reduce_timeout_ms, HALT_MS)).transpose()?,
            block: self.block.map(|block| order("block", block, self.block_timeout_ms, HALT_MS)).transpose()?,
            start: order("start", self.start, self.start_timeout_ms, START_MS)?,
            report: order("report", self.report, self.report_timeout_ms, REPORT_MS)?,
            manages_exits: self.manages_exits,
            working_dir: self.working_dir,
            build: below(self.build),
            config: below(self.config),
            strategy: self.strategy,
            subaccount: self.subaccount,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<CommandConfig, String> {
        toml::from_str::<Section>(text).map_err(|error| error.to_string())?.check("grid-1")
    }

    #[test]
    fn halt_start_and_report_are_needed_and_times_have_bounds() {
        let whole = "halt = [\"h\"]\nstart = [\"s\"]\nreport = [\"r\"]\n";
        let config = check(whole).unwrap();
        assert!(config.reduce.is_none() && !config.manages_exits);
        assert_eq!((config.halt.timeout_ms, config.start.timeout_ms, config.report.timeout_ms), (HALT_MS, START_MS, REPORT_MS));
        for (text, words) in [
            ("halt = [\"h\"]\nstart = [\"s\"]", "report"),
            ("halt = []\nstart = [\"s\"]\nreport = [\"r\"]", "/srv/bot/ctl"),
            (&format!("{whole}reduce = [\"\"]"), "reduce = "),
            (&format!("{whole}halt_timeout_ms = 0"), "halt_timeout_ms"),
            (&format!("{whole}block = []"), "block = "),
            (&format!("{whole}block = [\"b\"]\nblock_timeout_ms = -1"), "block_timeout_ms"),
            (&format!("{whole}halt = \"sh -c x\""), "halt"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
