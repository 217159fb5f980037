//! Mosquitto, where it is installed: a broker that people know, sending the same bytes to as many subscribers. It keeps no record and
//! decides nothing, so its figure stands beside the floor, not above it.

use super::{
    crowd::{Board, Round},
    server::{Process, free_port},
};
use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

/// CONNECT of MQTT 3.1.1 with a clean session, no keep-alive and this client id.
fn connect(id: usize) -> Vec<u8> {
    let id = format!("b{id:05}");
    let mut packet = vec![0x10, 10 + 2 + 6, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 6];
    packet.extend_from_slice(id.as_bytes());
    packet
}

/// SUBSCRIBE to `stop` at QoS 0.
const SUBSCRIBE: [u8; 11] = [0x82, 9, 0, 1, 0, 4, b's', b't', b'o', b'p', 0];
/// CONNACK and SUBACK.
const GREETING: usize = 4 + 5;
/// How many connect at a time.
const DOORS: usize = 64;

/// PUBLISH to `stop` at QoS 0.
fn publish(payload: &[u8]) -> Vec<u8> {
    let mut left = 2 + 4 + payload.len();
    let mut packet = vec![0x30];
    while left >= 0x80 {
        packet.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    packet.push(u8::try_from(left).unwrap());
    packet.extend_from_slice(&[0, 4]);
    packet.extend_from_slice(b"stop");
    packet.extend_from_slice(payload);
    packet
}

/// A broker with its subscribers.
pub struct Broker {
    _process: Process,
    board: Arc<Board>,
    size: usize,
    publisher: TcpStream,
}

impl Broker {
    /// Starts one; none when it is not installed.
    pub async fn start(dir: &Path, size: usize) -> Option<Self> {
        let port = free_port();
        let settings = dir.join("mosquitto.conf");
        std::fs::write(&settings, format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")).unwrap();
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(&settings);
        let process = Process::of(command, address)?;
        let (board, doors) = (Arc::<Board>::default(), Arc::new(Semaphore::new(DOORS)));
        for n in 0..size {
            tokio::spawn(subscribe(address, n, board.clone(), doors.clone()));
        }
        board.until_present(size).await;
        let mut publisher = TcpStream::connect(address).await.unwrap();
        publisher.set_nodelay(true).unwrap();
        publisher.write_all(&connect(99_999)).await.unwrap();
        publisher.read_exact(&mut [0; 4]).await.unwrap();
        Some(Self { _process: process, board, size, publisher })
    }

    /// Sends these bytes to everybody.
    pub async fn round(&mut self, payload: &[u8]) -> Round {
        let packet = publish(payload);
        let publisher = &mut self.publisher;
        self.board.round(self.size, async { publisher.write_all(&packet).await.unwrap() }).await
    }
}

async fn subscribe(address: SocketAddr, n: usize, board: Arc<Board>, doors: Arc<Semaphore>) {
    let mut stream = {
        let _door = doors.acquire().await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&connect(n)).await.unwrap();
        stream.write_all(&SUBSCRIBE).await.unwrap();
        stream.read_exact(&mut [0; GREETING]).await.unwrap();
        stream
    };
    board.is_there();
    // Each packet is read whole: its length comes first.
    loop {
        if stream.read_u8().await.is_err() {
            return;
        }
        let (mut left, mut shift) = (0, 0);
        loop {
            let byte = usize::from(stream.read_u8().await.unwrap());
            left |= (byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut packet = vec![0; left];
        stream.read_exact(&mut packet).await.unwrap();
        board.note();
    }
}
