//! Serves the router on a listener until told to stop. Then: no new connections, agents are told to come back in a moment, requests under
//! way get ten seconds. A press runs in a task of its own, so that not even the end of those cancels it.

use super::{extract::Peer, router::router};
use crate::app::App;
use axum::extract::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

/// How long requests under way may take once the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// How long a connection may be silent before its next request; above the pause between two polls of a slow agent.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// How large the headers of a request over HTTP/2 may be: as over HTTP/1, above what `layers/limits.rs` refuses with words.
const HEADERS: u32 = 384 * 1024;
/// How long to wait when the system has no more files to give.
const BREATH: Duration = Duration::from_millis(100);

/// In every request: becomes true when the server stops, so that an endless answer (live figures) ends.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Waits until the server stops.
    pub async fn wait(&mut self) {
        // The sender lives as long as the server; its end is an ending too.
        let _ = self.0.wait_for(|ending| *ending).await;
    }
}

/// Serves until `shutdown` is there, then ends as said above. Presses taken before are answered.
///
/// # Errors
/// Never for a single connection; when the listener itself is gone.
pub async fn serve(listener: TcpListener, app: Arc<App>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let routes = router(app.clone());
    let graceful = GracefulShutdown::new();
    let (ending, told) = watch::channel(false);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .max_concurrent_streams(200)
        .max_header_list_size(HEADERS);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let routes = routes.clone();
        let told = Ending(told.clone());
        let service = routes.map_request(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(told.clone());
            request
        });
        spawn_connection(&builder, stream, peer, TowerToHyperService::new(service), &graceful);
    }
    drop(listener);
    tracing::info!("the server stops; requests under way are finished");
    app.lines.end_all();
    ending.send_replace(true);
    let all_done = async {
        graceful.shutdown().await;
        while app.lines.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(GRACE, all_done).await.is_err() {
        tracing::warn!("some requests took longer than ten seconds and were left");
    }
    Ok(())
}

fn spawn_connection<S, B>(builder: &Builder<TokioExecutor>, stream: TcpStream, peer: SocketAddr, service: S, graceful: &GracefulShutdown)
where
    S: hyper::service::Service<Request<hyper::body::Incoming>, Response = axum::http::Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: axum::body::HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Frames to agents are small and must not wait for company.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection kept its delay");
    }
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, error = &*error, "a connection ended early");
        }
    });
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection could not be taken");
        tokio::time::sleep(BREATH).await;
    }
}
