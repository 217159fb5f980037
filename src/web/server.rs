//! Serving: provisional.

use crate::app::App;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves until `stop` ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let ending = app.clone();
    let stop = async move {
        stop.await;
        ending.lines.end_all();
    };
    axum::serve(listener, super::router::router(app)).with_graceful_shutdown(stop).await
}
