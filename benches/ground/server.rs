//! The real server as a process of its own.

use super::figures::now_us;
use rustls::{ClientConfig, RootCertStore};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

/// How long anything may take before the bench is given up.
const PATIENCE_US: u64 = 120_000_000;

/// A child that is ended with whoever holds it.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

/// A port that nobody used a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Process {
    /// `andon serve` over a folder; returns when it answers, with the microseconds from before the process was made until it did.
    pub fn serve(dir: &Path) -> (Self, u64) {
        Self::serve_as(dir, "http", &[], is_healthy)
    }

    /// The same with TLS: a certificate of its own, made for this.
    pub fn serve_tls(dir: &Path) -> (Self, Arc<ClientConfig>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trust = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        let is_up = |address| TcpStream::connect(address).is_ok();
        (Self::serve_as(dir, "https", &files, is_up).0, trust)
    }

    fn serve_as(dir: &Path, scheme: &str, more: &[&str], is_up: impl Fn(SocketAddr) -> bool) -> (Self, u64) {
        let port = free_port();
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let mut command = Command::new(env!("CARGO_BIN_EXE_andon"));
        command.arg("serve").arg("--data").arg(dir).arg("--state-dir").arg(dir);
        command.args(["--listen", &address.to_string(), "--origin", &format!("{scheme}://localhost:{port}")]).args(more);
        command.stdout(Stdio::null()).stderr(Stdio::inherit());
        let begun = now_us();
        let child = command.spawn().unwrap();
        while !is_up(address) {
            assert!(now_us() - begun < PATIENCE_US, "the server does not answer");
            std::thread::sleep(Duration::from_millis(1));
        }
        (Self { child, address }, now_us() - begun)
    }

    /// Any program that listens; none when it is not installed.
    pub fn of(mut command: Command, address: SocketAddr) -> Option<Self> {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let begun = now_us();
        while TcpStream::connect(address).is_err() {
            assert!(now_us() - begun < PATIENCE_US, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { child, address })
    }

    /// This program again, with an argument; it says its address on its first line.
    pub fn again(argument: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap()).arg(argument).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    /// Ends it as a power cut would: nothing is said, nothing is finished.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Memory that is its own, bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_healthy(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 200")
}
