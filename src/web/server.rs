//! Serves the router on a listener until told to stop. Then: no new connections, agents are told to come back in a moment, requests under
//! way get ten seconds. A request that writes runs in a task of its own from the moment its head was read, so that neither the end of its
//! connection nor that of the ten seconds cancels a press (ruling H3).

use super::{
    front::{Arrival, Front},
    router::router,
};
use crate::app::App;
use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown, graceful::Watcher},
};
use std::{convert::Infallible, future::Future, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
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

type Answered = Result<Response, Infallible>;

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

/// Serves plain HTTP until `shutdown` is there, with no proxy in front. Otherwise as [`serve_behind`].
///
/// # Errors
/// Never for a single connection; when the listener itself is gone.
pub async fn serve(listener: TcpListener, app: Arc<App>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    serve_behind(Front::default(), listener, app, shutdown).await
}

/// Serves until `shutdown` is there, then ends as said above. Presses taken before are answered.
///
/// # Errors
/// Never for a single connection; when the listener itself is gone.
pub async fn serve_behind(front: Front, listener: TcpListener, app: Arc<App>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let front = Arc::new(front);
    let routes = router(app.clone());
    let graceful = GracefulShutdown::new();
    let (ending, told) = watch::channel(false);
    // Whoever writes holds one end; the other hears when the last has let go.
    let (writes, mut written) = mpsc::channel::<Infallible>(1);
    let builder = builder();
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
        let (routes, ending, writes) = (routes.clone(), Ending(told.clone()), writes.clone());
        let arrival = Arrival { peer, front: front.clone() };
        let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(arrival.clone());
            request.extensions_mut().insert(ending.clone());
            answer(routes.clone(), request, writes.clone())
        });
        // Frames to agents are small and must not wait for company.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection kept its delay");
        }
        spawn_connection(&builder, stream, &front, service, (graceful.watcher(), Ending(told.clone())));
    }
    drop(listener);
    drop(writes);
    tracing::info!("the server stops; requests under way are finished");
    app.lines.end_all();
    ending.send_replace(true);
    let all_done = async {
        graceful.shutdown().await;
        while app.lines.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Also those whose connection is gone. Nothing is ever sent: this is the end of the last.
        written.recv().await;
    };
    if tokio::time::timeout(GRACE, all_done).await.is_err() {
        tracing::warn!("some requests took longer than ten seconds and were left");
    }
    Ok(())
}

/// Begins to answer one request. What writes is begun here and now, and does not hang on its connection: hyper drops a request with that,
/// even one that had arrived whole and was never looked at.
fn answer(routes: Router, request: Request<hyper::body::Incoming>, writes: mpsc::Sender<Infallible>) -> BoxFuture<'static, Answered> {
    let is_write = *request.method() == Method::POST;
    let answer = routes.oneshot(request);
    if !is_write {
        return answer.boxed();
    }
    let writing = tokio::spawn(async move {
        let answered = answer.await;
        drop(writes);
        answered
    });
    let answer = async {
        writing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request ended without an answer");
            Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        })
    };
    answer.boxed()
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .max_concurrent_streams(200)
        .max_header_list_size(HEADERS)
        // Websockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol();
    builder
}

fn spawn_connection<S, B>(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    front: &Front,
    service: S,
    (watcher, mut ending): (Watcher, Ending),
) where
    S: hyper::service::Service<Request<hyper::body::Incoming>, Response = axum::http::Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: axum::body::HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(tls) = front.tls.clone() else {
        tokio::spawn(connection(builder, stream, service, watcher));
        return;
    };
    let builder = builder.clone();
    tokio::spawn(async move {
        let stream = tokio::select! {
            stream = tls.accept(stream) => stream,
            // Nothing was asked yet.
            () = ending.wait() => None,
        };
        let Some(stream) = stream else { return };
        // The version is agreed on already. One that had to be guessed from the first bytes would be waited for without a bound.
        let builder = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { builder.http2_only() } else { builder.http1_only() };
        // A task of its own: this one's state, with a whole handshake in it, would stay as long as the connection.
        tokio::spawn(connection(&builder, stream, service, watcher));
    });
}

fn connection<I, S, B>(
    builder: &Builder<TokioExecutor>,
    stream: I,
    service: S,
    watcher: Watcher,
) -> impl Future<Output = ()> + Send + use<I, S, B>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: hyper::service::Service<Request<hyper::body::Incoming>, Response = axum::http::Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: axum::body::HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let connection = watcher.watch(connection);
    async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &*error, "a connection ended early");
        }
    }
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection could not be taken");
        tokio::time::sleep(BREATH).await;
    }
}
