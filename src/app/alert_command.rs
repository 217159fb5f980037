//! The alert command: a program of the operator's own that gets each alert as one JSON object. At least once, never two at a time for one alert;
//! how it went is a column of the alert, so that a process that starts anew goes on. Nothing waits for it but its worker.

use super::{App, AppError};
use crate::domain::{Alert, Timestamp, alert::CommandState};
use crate::storage::{self, Lane};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, Command},
};

/// How long one run may take. Then it and everything it started is killed.
const LIMIT: Duration = Duration::from_secs(10);
/// How long what it left behind may hold its output open.
const OUTPUT: Duration = Duration::from_millis(500);
/// A run that was begun by a process that is gone is over after so long.
const RUN_OVER_MS: i64 = 30_000;
/// A run that failed is repeated after as long as the alert has been open by then, so that the pauses double; between these two.
const SHORTEST_PAUSE_MS: i64 = 30_000;
const LONGEST_PAUSE_MS: i64 = 60 * 60 * 1_000;
/// An alert that the command did not take for so long is given up, and that is shown.
const GIVE_UP_MS: i64 = 24 * 60 * 60 * 1_000;
/// Alerts of one round, and how many run beside each other.
const ROUND: i64 = 40;
const BESIDE: usize = 4;
/// How much of its words is kept.
const SAID: usize = 500;

impl App {
    /// Says which program gets alerts: it and its arguments. Once, before the workers start; a second call changes nothing.
    pub fn open_alert_command(&self, command: Vec<String>) {
        if !command.is_empty() {
            let _ = self.alert_command.set(command);
        }
    }

    /// The program and its arguments; none: there is none.
    pub fn alert_command(&self) -> Option<&[String]> {
        self.alert_command.get().map(Vec::as_slice)
    }

    /// Runs the command for what is due, critical alerts first. Of several replicas the one that holds the lease calls this. Says how many ran.
    ///
    /// # Errors
    /// When the database is gone: nothing is begun that could not be written down.
    pub async fn run_alert_commands(&self) -> Result<usize, AppError> {
        let Some(command) = self.alert_command() else { return Ok(0) };
        let due = storage::alerts::alert_command_due(&mut *self.db.read().await?, ROUND).await?;
        let now = self.clock.now();
        let due: Vec<Alert> = due.into_iter().filter(|alert| is_due(alert, now)).collect();
        for some in due.chunks(BESIDE) {
            let runs = some.iter().map(|alert| self.run_for(command, alert));
            for ran in futures_util::future::join_all(runs).await {
                ran?;
            }
        }
        Ok(due.len())
    }

    async fn run_for(&self, command: &[String], alert: &Alert) -> Result<(), AppError> {
        self.note_command(alert, CommandState::Running, &alert.command_said).await?;
        let Err(why) = run(command, &self.alert_json(alert)).await else {
            return self.note_command(alert, CommandState::Done, "").await;
        };
        if is_given_up(alert, self.clock.now()) {
            tracing::error!(alert = %alert.id, why, "the alert command failed, and is not run for this alert any more");
            return self.note_command(alert, CommandState::Failed, &why).await;
        }
        tracing::error!(alert = %alert.id, why, "the alert command failed; it is run again");
        self.note_command(alert, CommandState::Due, &why).await
    }

    async fn note_command(&self, alert: &Alert, state: CommandState, said: &str) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::alerts::alert_command(&mut tx, &alert.id, state, now, said).await?;
        tx.commit().await?;
        // Open alerts are shown from memory.
        self.alerts.with(|open| {
            if let Some(entry) = open.values_mut().find(|entry| entry.alert.id == alert.id) {
                entry.alert.command = state;
                entry.alert.command_at = Some(now);
                said.clone_into(&mut entry.alert.command_said);
            }
        });
        Ok(())
    }

    /// An alert as the command gets it.
    pub fn alert_json(&self, alert: &Alert) -> String {
        let view = self.fleet.view();
        let bot = alert.subject.bot.as_ref().and_then(|id| view.bot(id));
        let team = bot.and_then(|bot| self.people().team_name(&bot.team));
        let link = self.origin.join(&format!("/alerts/{}", alert.id)).map(String::from).unwrap_or_default();
        serde_json::json!({
            "id": alert.id,
            "kind": alert.kind,
            "severity": alert.severity,
            "title": alert.kind.title(),
            "words": alert.words,
            "bot": bot.map(|bot| serde_json::json!({"id": bot.id, "name": bot.name, "team": team})),
            "hold": alert.subject.hold,
            "opened_at": alert.opened_at,
            "installation": {"id": self.installation.id, "name": self.installation.name},
            "link": link,
        })
        .to_string()
    }

    /// For how many alerts runs failed within a week, and what the last of them said.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn alert_command_failures(&self) -> Result<(i64, String), AppError> {
        let since = self.clock.now().plus_ms(-super::notices::GIVEN_UP_SHOWN_MS);
        let (count, last) = storage::alerts::alert_command_failed(&mut *self.db.read().await?, since).await?;
        Ok((count, last.map(|alert| alert.command_said).unwrap_or_default()))
    }
}

fn is_due(alert: &Alert, now: Timestamp) -> bool {
    let since = alert.command_at.map_or(i64::MAX, |at| now.ms_since(at));
    let pause_ms = alert.command_at.map_or(0, |at| at.ms_since(alert.opened_at).clamp(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
    match alert.command {
        CommandState::Due => since >= pause_ms,
        CommandState::Running => since >= RUN_OVER_MS,
        CommandState::Off | CommandState::Done | CommandState::Failed => false,
    }
}

/// True for an alert whose run has failed before, and that is over or has been tried for long enough.
fn is_given_up(alert: &Alert, now: Timestamp) -> bool {
    !alert.command_said.is_empty() && (!alert.is_open() || now.ms_since(alert.opened_at) >= GIVE_UP_MS)
}

/// Runs it once.
///
/// # Errors
/// In words: it cannot be run, was killed, or ended with another status than 0.
async fn run(command: &[String], json: &str) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("it is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let said = child.stderr.take().map(|stderr| tokio::spawn(words(stderr)));
    let ended = tokio::time::timeout(LIMIT, feed(&mut child, json)).await;
    let ran = match ended {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => format!("it ended with {status}"),
        Ok(Err(error)) => format!("it could not be waited for: {error}"),
        Err(_) => format!("it took longer than {} s and was killed", LIMIT.as_secs()),
    };
    if let Some(group) = group.filter(|_| child.id().is_some()) {
        // It has not been reaped, so its number is its group's still.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait().await;
    }
    let said = match said {
        Some(said) => tokio::time::timeout(OUTPUT, said).await.ok().and_then(Result::ok).unwrap_or_default(),
        None => String::new(),
    };
    Err(if said.is_empty() { ran } else { format!("{ran}: {said}") })
}

/// Hands it the alert and waits for its end. One that does not read is not fed: what counts is how it ends.
async fn feed(child: &mut Child, json: &str) -> std::io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(json.as_bytes()).await;
        let _ = stdin.write_all(b"\n").await;
    }
    child.wait().await
}

/// The first of what it says on standard error; the rest is read and left aside, so that a full pipe never holds it up.
async fn words(mut stderr: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0_u8; 1_024]);
    while let Ok(n) = stderr.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        if kept.len() < SAID {
            kept.extend(buffer.iter().take(n).take(SAID - kept.len()));
        }
    }
    super::said::cut(&String::from_utf8_lossy(&kept), SAID)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AlertKind, Subject};

    #[test]
    fn a_run_is_begun_again_only_when_it_is_over_or_never_was() {
        let alert = |command, command_at: Option<i64>| Alert {
            command,
            command_at: command_at.map(Timestamp),
            ..Alert::new(AlertKind::Behind, Subject::installation(), "w", Timestamp(0))
        };
        let now = Timestamp(100_000_000);
        let ago = |ms: i64| Some(now.plus_ms(-ms).0);
        assert!(is_due(&alert(CommandState::Due, None), now) && !is_due(&alert(CommandState::Off, None), now));
        assert!(!is_due(&alert(CommandState::Running, ago(29_999)), now) && is_due(&alert(CommandState::Running, ago(30_000)), now));
        // Opened 100 s ago: what failed after 10 s waits for the shortest pause, after 40 s for another 40.
        let failed = |at_ms: i64| alert(CommandState::Due, Some(at_ms * 1_000));
        assert!(is_due(&failed(10_000), Timestamp(40_000_000)) && !is_due(&failed(10_000), Timestamp(39_999_000)));
        assert!(is_due(&failed(40_000), Timestamp(80_000_000)) && !is_due(&failed(40_000), Timestamp(79_999_000)));
        let longest = LONGEST_PAUSE_MS + 40_000_000;
        assert!(
            is_due(&failed(40_000_000), Timestamp(longest * 1_000)) && !is_due(&failed(40_000_000), Timestamp(longest * 1_000 - 1_000))
        );
        assert!(!is_due(&alert(CommandState::Failed, ago(999_999)), now) && !is_due(&alert(CommandState::Done, ago(999_999)), now));
    }
}
