//! Reconcilers: each compares what should be with what is and closes the gap. No input, safe to run twice; a lost wake-up is only a delay.
//! Across replicas a lease row picks one for the work that must not be done twice at once.

pub mod alarms;
pub mod alert_command;
pub mod drill_runs;
pub mod drills;
pub mod emergencies;
pub mod endings;
pub mod evidence;
pub mod golive;
pub mod guard;
pub mod keys;
pub mod kills;
pub mod ladder;
pub mod lapses;
pub mod limits;
pub mod merge;
pub mod outbox;
pub mod prune;
pub mod publisher;
pub mod quorum;
pub mod reconcile;
pub mod recoveries;
pub mod rehash;
pub mod requests;
pub mod seen;
pub mod sessions;
pub mod sink;
pub mod staged;
pub mod starts;
pub mod sync;
pub mod vault;

use crate::app::App;
use crate::storage::{self, Lane};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Starts every worker; dropping the set ends them.
pub fn start(app: &Arc<App>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    all.spawn(sync::run(app.clone()));
    all.spawn(merge::run(app.clone()));
    all.spawn(seen::run(app.clone()));
    all.spawn(lapses::run(app.clone()));
    all.spawn(limits::run(app.clone()));
    all.spawn(kills::run(app.clone()));
    all.spawn(keys::run(app.clone()));
    all.spawn(keys::measure(app.clone()));
    all.spawn(starts::run(app.clone()));
    all.spawn(staged::run(app.clone()));
    all.spawn(drills::run(app.clone()));
    all.spawn(endings::run(app.clone()));
    all.spawn(prune::run(app.clone()));
    all.spawn(outbox::run(app.clone()));
    all.spawn(publisher::run(app.clone()));
    all.spawn(sink::run(app.clone()));
    all.spawn(recoveries::run(app.clone()));
    all.spawn(rehash::run(app.clone()));
    all.spawn(sessions::run(app.clone()));
    all.spawn(alarms::run(app.clone()));
    all.spawn(ladder::run(app.clone()));
    all.spawn(evidence::run(app.clone()));
    all.spawn(drill_runs::run(app.clone()));
    all.spawn(alert_command::run(app.clone()));
    all.spawn(requests::run(app.clone()));
    all.spawn(quorum::run(app.clone()));
    all.spawn(vault::run(app.clone()));
    all.spawn(reconcile::run(app.clone()));
    all.spawn(golive::run(app.clone()));
    all.spawn(golive::remind(app.clone()));
    all.spawn(emergencies::run(app.clone()));
    all.spawn(guard::run(app.clone()));
    all
}

/// Takes the lease of a worker for three of its rounds. On the embedded database there is nobody to share with.
pub(crate) async fn is_mine(app: &App, name: &str, every: Duration) -> bool {
    if app.db.is_embedded() {
        return true;
    }
    let now = app.clock.now();
    let until = now.plus_ms(3 * every.as_millis() as i64);
    let take = async {
        let mut tx = app.db.write(Lane::Normal).await?;
        let mine = storage::workers::worker_take(&mut tx, name, &app.node, now, until).await?;
        tx.commit().await?;
        storage::Result::Ok(mine)
    };
    take.await.unwrap_or(false)
}
