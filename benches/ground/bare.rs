//! What check-ins are held against: axum with a websocket that reads the same JSON into the same type, answers each check-in with a renewal,
//! and does nothing else.

use andon::domain::Timestamp;
use andon::protocol::{CheckIn, FromServer, Renew};
use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::get,
};
use tokio::net::TcpListener;

/// Runs until its parent ends it.
pub async fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let stream = get(async |upgrade: WebSocketUpgrade| upgrade.protocols(["andon.v1"]).on_upgrade(answer));
    axum::serve(listener, Router::new().route("/agent/v1/stream", stream)).await.unwrap();
}

async fn answer(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let Ok(said) = serde_json::from_str::<CheckIn>(&text) else { continue };
        let renew = Renew { seq: said.seq, epoch: said.epoch.unwrap_or_default(), lease_ms: 30_000, server_time: Timestamp(0) };
        let text = serde_json::to_string(&FromServer::Renew(renew)).unwrap();
        if socket.send(Message::Text(text.into())).await.is_err() {
            return;
        }
    }
}
