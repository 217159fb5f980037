//! Alerts: rows that count and never double, who is told and who may act, the command, the ladder, and what raises one.

mod causes;
mod command;
mod ladder;
mod pages;
mod rows;

use crate::harness::app::TestApp;
use andon::domain::{Alert, AlertKind, BotId, Subject};

/// The open alert of a kind about a bot.
pub fn about(test: &TestApp, kind: AlertKind, bot: &BotId) -> Option<Alert> {
    test.app.alerts.find(kind, &Subject::bot(bot))
}
