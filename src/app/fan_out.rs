//! The fan-out: at every change of the view one pass over all streams, on a thread of its own. It waits for no database, no agent and no other
//! task; a stream that cannot be told at once is left to its own loop.

use super::App;
use crate::fleet::View;
use std::sync::{Arc, Weak, atomic::Ordering};
use tokio::sync::watch;

/// Runs until the application goes. Its end is seen in `/healthz`.
pub(crate) async fn run(app: Weak<App>, mut view: watch::Receiver<Arc<View>>) {
    while view.changed().await.is_ok() {
        let now = view.borrow_and_update().clone();
        let Some(app) = app.upgrade() else { return };
        let telling = app.clone();
        let told = tokio::task::spawn_blocking(move || telling.mouths.tell_all(&now)).await;
        if let Err(error) = told {
            tracing::error!(%error, "a pass of the fan-out ended early; every stream looks for itself");
            app.mouths.nudge_all();
        }
    }
}

/// Says that the fan-out is over, however it ends.
pub(crate) struct Alive(pub(crate) Weak<App>);

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(app) = self.0.upgrade() {
            app.is_fanning_out.store(false, Ordering::Relaxed);
        }
    }
}
