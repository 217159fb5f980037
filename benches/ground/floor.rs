//! The floor: a program that takes the same connections, reads and drops whatever comes, and writes the same bytes to every socket when told.
//! It knows no bot, keeps nothing and decides nothing, so that no server can be faster for long.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

type Sockets = Arc<Mutex<Vec<Arc<OwnedWriteHalf>>>>;

/// Runs until its parent ends it. The first connection commands: a length, so many bytes, and then, at one more byte, those go out.
pub async fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let sockets = Sockets::default();
    let (commander, _) = listener.accept().await.unwrap();
    tokio::spawn(command(commander, sockets.clone()));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(drop_all(stream, sockets.clone()));
    }
}

async fn drop_all(mut stream: TcpStream, sockets: Sockets) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let key = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    });
    let accept = derive_accept_key(key.unwrap().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\
         Sec-WebSocket-Protocol: andon.v1\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let (mut reader, writer) = stream.into_split();
    sockets.lock().unwrap().push(Arc::new(writer));
    let mut dropped = [0; 2048];
    while reader.read(&mut dropped).await.unwrap_or(0) > 0 {}
}

async fn command(mut commander: TcpStream, sockets: Sockets) {
    commander.set_nodelay(true).unwrap();
    while let Ok(length) = commander.read_u32().await {
        let mut frame = vec![0; length as usize];
        commander.read_exact(&mut frame).await.unwrap();
        let all = sockets.lock().unwrap().clone();
        commander.write_u32(u32::try_from(all.len()).unwrap()).await.unwrap();
        commander.read_u8().await.unwrap();
        // One task: on two cores the other belongs to those who read.
        for socket in all {
            assert_eq!(socket.try_write(&frame).unwrap(), frame.len(), "a socket that takes less has stalled");
        }
    }
}
