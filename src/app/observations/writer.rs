//! The writer of observations: one task. What somebody waits for is written at once; what agents said last is gathered first, so that ten thousand
//! check-ins are a few transactions a second, none of them long, and a stop finds the disk free.

use super::Observation;
use crate::app::App;
use crate::domain::{BotId, Step};
use crate::fleet::{AgentSeen, gauge::Counted};
use crate::storage::{self, Lane, acks::Ack, gauges::GaugeRow, seen::Seen};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// At most this many rows in one transaction.
const BATCH: usize = 400;
/// How many observations wait for a database that does not take them.
const LATE: usize = 8_192;
/// How often what agents said last is written: what a process that is killed takes with it is less than a second old.
const GATHER: Duration = Duration::from_millis(500);

/// Writes observations until the application goes.
pub(crate) async fn run(app: Weak<App>, mut incoming: mpsc::Receiver<Observation>) {
    let (mut late, mut batch) = (Vec::new(), Vec::with_capacity(BATCH));
    let mut gathered = interval(GATHER);
    gathered.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let taken = tokio::select! {
            taken = incoming.recv_many(&mut batch, BATCH) => Some(taken),
            _ = gathered.tick() => None,
        };
        let Some(app) = app.upgrade() else { return };
        match taken {
            Some(0) => return,
            Some(_) => write_rows(&app, std::mem::take(&mut batch), &mut late).await,
            None => write_seen(&app).await,
        }
    }
}

/// Writes what somebody may be waiting for.
async fn write_rows(app: &App, rows: Vec<Observation>, late: &mut Vec<Observation>) {
    if !persist(app, &rows, &[]).await {
        // Dropping the senders tells whoever waits that it is not on disk. Memory has it; the proof of a stop and the taking up of a start are
        // tried again, since a start hangs on the one and a void start on the other.
        late.extend(rows.into_iter().filter_map(without_sender));
        late.drain(..late.len().saturating_sub(LATE));
        return;
    }
    let stopped = idle(&rows);
    rows.into_iter().for_each(tell_kept);
    app.measure_drills(&stopped).await;
    // What the database refused before goes after what it takes now, in bounded pieces as well.
    while !late.is_empty() && persist(app, late.get(..BATCH.min(late.len())).unwrap_or_default(), &[]).await {
        let kept: Vec<Observation> = late.drain(..BATCH.min(late.len())).collect();
        app.measure_drills(&idle(&kept)).await;
    }
}

/// Writes what agents said last. What the database does not take is not kept: whoever is alive says it again.
async fn write_seen(app: &App) {
    let missed = app.unobserved.swap(0, Ordering::Relaxed);
    if missed > 0 {
        tracing::warn!(missed, "observations found too many others waiting for the database and were not kept");
    }
    write_counts(app).await;
    let mut seen = app.book.take_unwritten();
    // In one order everywhere: two replicas that write the same rows never wait for each other in a circle.
    seen.sort_by(|a, b| a.agent.cmp(&b.agent));
    for piece in seen.chunks(BATCH) {
        if !persist(app, &[], piece).await {
            return;
        }
    }
}

/// Writes what was counted of bots. What the database does not take is counted again from the next report: totals go on from those stored.
async fn write_counts(app: &App) {
    let mut counted = app.gauges.take_unwritten(app.clock.now());
    counted.sort_by(|a, b| a.0.cmp(&b.0));
    let row = |(bot_id, counted): &(BotId, Counted)| {
        let text = serde_json::to_string(counted).ok()?;
        Some(GaugeRow { bot_id: bot_id.clone(), at: counted.at, counted: text })
    };
    for piece in counted.chunks(BATCH) {
        let rows: Vec<GaugeRow> = piece.iter().filter_map(row).collect();
        let write = async {
            let mut tx = app.db.write(Lane::Normal).await?;
            storage::gauges::gauge_save_all(&mut tx, &rows).await?;
            tx.commit().await
        };
        if let Err(error) = write.await {
            tracing::warn!(%error, "what was counted of bots could not be written; the next count is");
            return;
        }
    }
}

/// Writes a batch; three tries.
async fn persist(app: &App, rows: &[Observation], seen: &[Arc<AgentSeen>]) -> bool {
    for tries in 1..=3 {
        match write(app, rows, seen).await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%error, tries, "observations could not be written"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

fn tell_kept(row: Observation) {
    if let Observation::Ack(_, _, Some(done)) | Observation::Event(_, Some(done)) = row {
        let _ = done.send(());
    }
}

fn without_sender(row: Observation) -> Option<Observation> {
    match row {
        Observation::Ack(bot, ack, _) => Some(Observation::Ack(bot, ack, None)),
        Observation::Trades(..) => Some(row),
        Observation::Event(..) => None,
    }
}

async fn write(app: &App, rows: &[Observation], seen: &[Arc<AgentSeen>]) -> storage::Result<()> {
    let mut tx = app.db.write(Lane::Normal).await?;
    let seen: Vec<Seen> = seen.iter().map(|said| stored(said)).collect();
    storage::seen::seen_save_all(&mut tx, &seen).await?;
    let acks: Vec<Ack> = rows.iter().filter_map(ack).collect();
    storage::acks::ack_save_all(&mut tx, &acks).await?;
    for row in rows {
        match row {
            Observation::Event(event, _) => storage::events::event_save(&mut tx, event).await?,
            Observation::Trades(bot, epoch) => storage::starts::start_applied(&mut tx, bot, *epoch, app.clock.now()).await?,
            Observation::Ack(..) => {}
        }
    }
    failpoint!("said:before_commit");
    tx.commit().await?;
    failpoint!("said:committed");
    Ok(())
}

/// The row of an acknowledgement. The other steps are the server's own.
fn ack(row: &Observation) -> Option<Ack> {
    let Observation::Ack(bot, ack, _) = row else { return None };
    (ack.step != Step::Requested && ack.step != Step::Verified).then(|| Ack {
        bot_id: bot.clone(),
        epoch: ack.epoch,
        step: ack.step,
        at: ack.at,
        state: ack.state,
        entry_orders: ack.entry_orders,
        open_orders: ack.open_orders,
    })
}

/// The bots of a batch that have just said `idle`: perhaps a drill measured them.
fn idle(rows: &[Observation]) -> Vec<BotId> {
    let bot = |row: &Observation| match row {
        Observation::Ack(bot, ack, _) if ack.step == Step::Idle => Some(bot.clone()),
        _ => None,
    };
    rows.iter().filter_map(bot).collect()
}

fn stored(said: &AgentSeen) -> Seen {
    let report = said.report.as_ref().and_then(|(report, _)| serde_json::to_string(report.as_ref()).ok());
    Seen {
        agent_id: said.agent.clone(),
        bot_id: said.bot.clone(),
        at: said.at,
        channel: said.channel.to_owned(),
        boot: said.boot.as_ref().map(|boot| boot.as_str().to_owned()),
        epoch: said.epoch,
        state: said.state,
        limits_version: said.limits_version,
        start_after: said.start_after,
        build: said.build.clone(),
        config: said.config.clone(),
        report,
        instances: (!said.instances.is_empty()).then(|| serde_json::to_string(&*said.instances).unwrap_or_default()),
        report_at: said.report.as_ref().map(|(_, at)| *at),
    }
}
