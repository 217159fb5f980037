//! `POST /agent/v1/check-in`: the poll path's heart. Acknowledgements and events first, then the check-in, then the directive.

use super::ByAgent;
use crate::app::{App, AppError, agent_book::LiveAgent, keys::deliver::Due, observations::OnDisk};
use crate::domain::{BootId, BotId};
use crate::protocol::{FillsTaken, KeyOrder, PollAnswer, PollCheckIn};
use crate::web::{Answer, Shared, WebError, json::Body};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use std::{sync::Arc, time::Duration};

/// The most acknowledgements or events in one check-in.
pub(super) const MOST: usize = 256;
/// How long an answer waits for its acknowledgements and events to be on disk; the directive is not held up for longer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same for keys.
const KEY_PATIENCE: Duration = Duration::from_millis(250);

/// Answers with the directive and, when one is given, the renewal.
///
/// # Errors
/// 401, 409 `replaced`, 503 `view-too-old`; 422 for more than 256 acknowledgements, events, fills or acknowledgements of keys.
pub async fn create(State(app): Shared, ByAgent(agent): ByAgent, Body(said): Body<PollCheckIn>) -> Answer {
    if [said.acks.len(), said.events.len(), said.fills.len(), said.key_acks.len()].iter().any(|count| *count > MOST) {
        return Err(WebError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Something needs a change",
            format!("At most {MOST} acks, {MOST} events, {MOST} fills and {MOST} key_acks may be sent at once."),
        ));
    }
    for ack in &said.key_acks {
        app.note_key_ack(&agent, ack);
    }
    let (on_disk, refused) = take_reports(&app, &agent, &said);
    let (heard, kept, keys, fills) = tokio::join!(
        app.check_in(&agent, &said.check_in, "poll"),
        all_kept(on_disk),
        key_orders(&app, &agent, &said),
        take_fills(&app, &agent, &said)
    );
    let heard = heard?;
    if let (Some(ms), Some(boot)) = (said.apply_within_ms, &said.check_in.boot) {
        note_apply_within(&app, &agent.bot, boot, ms);
    }
    let unkept = (!kept).then(|| "acks or events are not recorded yet; send them again".to_owned());
    let (fills, unfilled) = fills.map_or_else(|why| (None, Some(why)), |taken| (taken, None));
    let error = heard.unsure.map(str::to_owned).or(refused).or(unkept).or(unfilled);
    let answer =
        PollAnswer { installation: app.installation.id.clone(), directive: heard.directive, renew: heard.renew, keys, fills, error };
    Ok(Json(answer).into_response())
}

/// What the agent is to do with keys. A database that takes its time keeps no directive waiting: then they come with the next check-in.
async fn key_orders(app: &Arc<App>, agent: &LiveAgent, said: &PollCheckIn) -> Vec<KeyOrder> {
    let mut due = app.keys_due(agent, &said.check_in.key_versions);
    let sends = due.split_off(due.iter().position(|one| !matches!(one, Due::Drop(..))).unwrap_or(due.len()));
    // What is taken away needs no database, and waits for none.
    let mut orders = app.key_orders(agent, due).await;
    if !sends.is_empty() {
        orders.extend(tokio::time::timeout(KEY_PATIENCE, app.key_orders(agent, sends)).await.unwrap_or_default());
    }
    orders
}
/// Takes the fills that came along, whole or not at all. What is wrong with them never keeps the directive from the agent.
async fn take_fills(app: &App, agent: &LiveAgent, said: &PollCheckIn) -> Result<Option<FillsTaken>, String> {
    if said.fills.is_empty() {
        return Ok(None);
    }
    match tokio::time::timeout(PATIENCE, app.take_fills(agent, &said.fills)).await {
        Ok(Ok(taken)) => Ok(Some(taken)),
        Ok(Err(error @ AppError::Invalid(_))) => Err(format!("the fills were not taken: {error}")),
        Ok(Err(_)) | Err(_) => Err("the fills are not recorded yet; send them again".to_owned()),
    }
}

/// Takes what came along. A step that cannot be taken is named in the answer and never keeps the directive from the agent.
fn take_reports(app: &App, agent: &LiveAgent, said: &PollCheckIn) -> (Vec<OnDisk>, Option<String>) {
    let mut refused = None;
    let mut on_disk = Vec::with_capacity(said.acks.len() + said.events.len());
    for ack in &said.acks {
        match app.acknowledge(agent, ack) {
            Ok(taken) => on_disk.push(taken),
            Err(error) => refused = Some(format!("an ack was not taken: {error}")),
        }
    }
    on_disk.extend(said.events.iter().map(|event| app.take_event(agent, event)));
    (on_disk, refused)
}

/// True once everything is on disk.
async fn all_kept(on_disk: Vec<OnDisk>) -> bool {
    let all = async {
        for one in on_disk {
            if !one.wait().await {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap_or(false)
}

/// Notes how long the adapter needs, behind the agent's back: the answer does not wait for it.
pub(super) fn note_apply_within(app: &Arc<App>, bot: &BotId, boot: &BootId, ms: i64) {
    let (app, bot, boot) = (app.clone(), bot.clone(), boot.clone());
    tokio::spawn(async move {
        if let Err(error) = app.note_apply_within(&bot, &boot, ms).await {
            tracing::warn!(%bot, %error, "how long an adapter needs could not be noted; the next hello brings it again");
        }
    });
}
