//! The fan-out: at every change of the view one pass over all streams, on a thread of its own, so that neither a task nor a queue for threads
//! comes before a stop. It waits for no database and no agent; a stream that cannot be told at once is left to its own loop.

use super::App;
use crate::fleet::View;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    thread,
};
use tokio::{runtime::Handle, sync::watch};

/// Starts the thread. It ends when the application goes.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(app: &Arc<App>) -> io::Result<()> {
    let (app, view, runtime) = (Arc::downgrade(app), app.fleet.subscribe(), Handle::current());
    thread::Builder::new().name("fan-out".into()).spawn(move || run(&app, view, &runtime)).map(drop)
}

// The pass is outside of the runtime's turn: within it, a task is made to yield after some hundred writes.
fn run(app: &Weak<App>, mut view: watch::Receiver<Arc<View>>, runtime: &Handle) {
    while runtime.block_on(view.changed()).is_ok() {
        let now = view.borrow_and_update().clone();
        let Some(app) = app.upgrade() else { return };
        if catch_unwind(AssertUnwindSafe(|| app.lines.tell_all(&now))).is_err() {
            tracing::error!("a pass of the fan-out ended early; every stream looks for itself");
            app.lines.nudge_all();
        }
    }
}
