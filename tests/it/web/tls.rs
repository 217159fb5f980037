//! TLS of the server's own: versions, a certificate that changes, those who are slow or speak something else, and the end.

use crate::faults::{server, until};
use crate::harness::{
    app::TestApp,
    db::{Kind, fresh},
    tls::{Authority, shown},
};
use andon::{
    app::acts::Outcome,
    domain::{ActKind, AgentId, Clock, State},
    web::{forwarded::Proxies, front::Front, tls::Tls},
};
use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that speaks TLS, and who vouches for it.
struct Secured {
    test: TestApp,
    authority: Authority,
    address: SocketAddr,
    tls: Arc<Tls>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Secured {
    async fn new() -> Self {
        let fresh = fresh(Kind::Sqlite).await;
        let authority = Authority::new(fresh.dir.path());
        authority.issue("localhost", 90);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let test = TestApp::at(fresh, &format!("https://localhost:{}", address.port())).await;
        let tls = Arc::new(Tls::open(authority.files(), &test.app.origin, Clock::system()).unwrap());
        tokio::spawn(tls.clone().keep_fresh());
        let front = Front { tls: Some(tls.clone()), proxies: Proxies::default() };
        let (stop, told) = oneshot::channel::<()>();
        let shutdown = async move { drop(told.await) };
        let serving = tokio::spawn(andon::web::server::serve_behind(front, listener, test.app.clone(), shutdown));
        Self { test, authority, address, tls, stop, serving }
    }

    async fn connect(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        timeout(PATIENCE, self.authority.connect(self.address, protocols)).await.unwrap().unwrap()
    }

    fn get(&self, path: &str) -> Request<Body> {
        let uri = format!("{}{path}", self.test.origin);
        Request::get(uri).body(Body::empty()).unwrap()
    }
}

async fn over_h2(stream: TlsStream<TcpStream>, request: Request<Body>) -> Response<String> {
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    whole(timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()).await
}

async fn whole(response: Response<hyper::body::Incoming>) -> Response<String> {
    let (parts, body) = response.into_parts();
    let bytes = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8_lossy(&bytes).into_owned())
}

/// One request on an open connection over HTTP/1.1; what was answered.
async fn ask(stream: &mut TlsStream<TcpStream>, origin: &str, path: &str) -> String {
    let host = origin.strip_prefix("https://").unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut bytes = vec![0; 64 * 1024];
    let n = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_are_served_with_cookies_that_never_leave_tls() {
    let secured = Secured::new().await;
    let stream = secured.connect(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let page = over_h2(stream, secured.get("/sign-in")).await;
    assert_eq!(page.status(), 200, "{}", page.body());
    assert!(page.headers()[header::STRICT_TRANSPORT_SECURITY].to_str().unwrap().starts_with("max-age="));
    let cookie = page.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-") && cookie.contains("Secure") && cookie.contains("Path=/") && !cookie.contains("Domain"),
        "{cookie}"
    );
    let mut stream = secured.connect(&["http/1.1"]).await;
    let answer = ask(&mut stream, &secured.test.origin, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security"), "{answer}");
    assert!(ask(&mut stream, &secured.test.origin, "/healthz").await.starts_with("HTTP/1.1 200"), "and again on the same connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_opens_over_http_2_for_an_agent_and_for_nobody_else() {
    let secured = Secured::new().await;
    let bot = secured.test.bot("arb-1", "arb").await;
    let agent = crate::harness::agent::enrol(&secured.test, &bot, "operator").await;
    let stream = secured.connect(&["h2"]).await;
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    // An answer comes after the server's settings, which allow what follows.
    assert_eq!(sender.send_request(secured.get("/healthz")).await.unwrap().status(), 200);
    let open = |token: &str| {
        Request::connect(format!("{}/agent/v1/stream", secured.test.origin))
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "andon.v1")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(sender.send_request(open("andon_agent_wrong")).await.unwrap().status(), 401);
    let mut response = timeout(PATIENCE, sender.send_request(open(&agent.enrolled.token))).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let upgraded = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    let hello = serde_json::json!({"type": "hello", "boot": "boot-1", "agent": {"version": "1.0.0"}, "epoch": 0, "state": "halted",
        "limits_version": 0});
    socket.send(Message::text(hello.to_string())).await.unwrap();
    let welcome = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(welcome.to_text().unwrap().contains("\"welcome\""), "{welcome}");
    secured.stop.send(()).unwrap();
    timeout(Duration::from_secs(8), secured.serving).await.expect("an open stream is ended").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_to_new_connections_and_a_broken_one_to_nobody() {
    let secured = Secured::new().await;
    let (authority, files) = (&secured.authority, secured.authority.files());
    let mut old = secured.connect(&[]).await;
    let first = shown(&old);
    let second = authority.issue("localhost", 90);
    until("the new certificate", async || shown(&secured.connect(&[]).await) == second).await;
    assert_ne!(first, second);
    assert!(ask(&mut old, &secured.test.origin, "/healthz").await.starts_with("HTTP/1.1 200"), "the old connection goes on");

    let whole = fs::read(&files.key).unwrap();
    for (what, broken) in [("another's key", rcgen::KeyPair::generate().unwrap().serialize_pem()), ("half a file", "-----BEGIN".into())] {
        fs::write(&files.key, broken).unwrap();
        until(what, async || secured.tls.shown().wrong.is_some()).await;
        assert_eq!(shown(&secured.connect(&[]).await), second, "{what}: the one before is kept");
        fs::write(&files.key, &whole).unwrap();
        until("the mended file", async || secured.tls.shown().wrong.is_none()).await;
    }
    authority.issue("other.example", 90);
    until("one for another host", async || secured.tls.shown().wrong.is_some_and(|why| why.contains("not for localhost"))).await;
    authority.issue("localhost", -1);
    until("one that has ended", async || secured.tls.shown().wrong.is_some_and(|why| why.contains("ended"))).await;
    assert_eq!(shown(&secured.connect(&[]).await), second);
    let third = authority.issue("localhost", 90);
    until("the third certificate", async || shown(&secured.connect(&[]).await) == third).await;
    assert!(secured.tls.shown().wrong.is_none());
    assert!(ask(&mut old, &secured.test.origin, "/healthz").await.starts_with("HTTP/1.1 200"), "through all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_hang_delay_nobody_and_end() {
    let secured = Secured::new().await;
    let mut hanging = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(secured.address).await.unwrap();
        if n % 2 == 0 {
            // The beginning of a handshake, and nothing more.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        }
        hanging.push(stream);
    }
    let mut stream = secured.connect(&["http/1.1"]).await;
    assert!(ask(&mut stream, &secured.test.origin, "/healthz").await.starts_with("HTTP/1.1 200"));
    for mut stream in hanging {
        let mut left = Vec::new();
        // Closed by the other side, in whatever way.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut left)).await.expect("a handshake that never ends");
    }
    assert!(ask(&mut stream, &secured.test.origin, "/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_is_told_where_to_go_and_closed() {
    let secured = Secured::new().await;
    let mut stream = TcpStream::connect(secured.address).await.unwrap();
    let cookies = "x".repeat(20_000);
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: localhost\r\ncookie: {cookies}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().expect("closed in order");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(&secured.test.origin), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_its_connections_in_order() {
    let secured = Secured::new().await;
    let (mut idle, mut under_way) = (secured.connect(&["http/1.1"]).await, secured.connect(&["http/1.1"]).await);
    assert!(ask(&mut idle, &secured.test.origin, "/healthz").await.starts_with("HTTP/1.1 200"));
    let (origin, host) = (&secured.test.origin, secured.test.origin.strip_prefix("https://").unwrap());
    let head = format!(
        "POST /sign-in HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\ncontent-length: 9\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\nname="
    );
    under_way.write_all(head.as_bytes()).await.unwrap();
    // The request is under way once the server has read its head; a second answer on the idle connection comes after it.
    assert!(ask(&mut idle, origin, "/readyz").await.contains("can_stop"));
    let shaking = TcpStream::connect(secured.address).await.unwrap();

    secured.stop.send(()).unwrap();
    let mut left = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut left)).await.unwrap().expect("with a word of farewell, not cut off");
    under_way.write_all(b"sato").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, under_way.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "it is answered, with what it deserves: {answer}");
    timeout(Duration::from_secs(8), secured.serving).await.expect("nobody who has asked nothing is waited for").unwrap().unwrap();
    drop(shaking);
}

/// Runs the program; its status and what it said.
async fn run(arguments: &[&str], input: &str, dir: &Path) -> (bool, String) {
    let mut command = server::command(server::andon());
    let said = File::create(dir.join("said")).unwrap();
    command.args(arguments).stdin(Stdio::piped()).stdout(said.try_clone().unwrap()).stderr(said);
    let mut child = tokio::process::Command::from(command).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    (status.success(), fs::read_to_string(dir.join("said")).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_with_its_own_authority_enrols_polls_and_streams() {
    let secured = Secured::new().await;
    let (test, dir) = (&secured.test, secured.test.fresh.dir.path());
    let bot = test.bot("arb-1", "arb").await;
    let act = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    let Outcome::Secret { secret: code, .. } = test.sign("operator", &act).await.unwrap() else { panic!("no code") };
    let (ca, folder) = (secured.authority.file().display().to_string(), dir.join("agent"));
    let folder_text = folder.display().to_string();
    let enrol = ["agent", "enrol", "--server", &test.origin, "--code", "-", "--dir", &folder_text];
    let (done, said) = run(&enrol, code.expose(), dir).await;
    assert!(!done && said.contains("certificate"), "nobody the system knows vouches for it: {said}");
    let (done, said) = run(&[&enrol[..], &["--ca", &ca]].concat(), code.expose(), dir).await;
    assert!(done, "{said}");
    assert_eq!(fs::read(folder.join("ca.pem")).unwrap(), fs::read(&ca).unwrap());

    let settings = "[bot]\ncommand = [\"sleep\", \"1000\"]\nreport = [\"/bin/echo\", '{\"entry_orders\":0}']\n";
    fs::write(folder.join("agent.toml"), settings).unwrap();
    let log = File::create(dir.join("agent.log")).unwrap();
    let mut command = server::command(server::andon());
    command.args(["agent", "run", "--dir", &folder_text]).stderr(log);
    let mut agent = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    until("a stream", async || test.app.lines.count() == 1).await;
    let log = fs::read_to_string(dir.join("agent.log")).unwrap();
    assert!(log.contains("poll"), "it polled first: {log}");
    let credential: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join("credential.json")).unwrap()).unwrap();
    let id = AgentId::parse(credential["agent_id"].as_str().unwrap()).unwrap();
    let row = test.app.agent(&test.actor("operator"), &id).await.unwrap();
    let confirm = ActKind::AgentConfirm { agent: row.id, bot: row.bot_id, fingerprint: row.fingerprint };
    let act = test.app.prepare_single(&test.actor("operator"), confirm).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    until("a bot that can be started", async || test.start(std::slice::from_ref(&bot.id), &["operator"]).await.is_ok()).await;
    let says = |state| test.app.book.seen(&bot.id).is_some_and(|said| said.state == Some(state));
    until("a bot that trades", async || says(State::Active)).await;

    let token = ActKind::TokenCreate { name: "stop".into(), scope: "stop-only".into(), team: None, days: 7 };
    let act = test.app.prepare_single(&test.actor("admin"), token).await.unwrap();
    let Outcome::Secret { secret: token, .. } = test.sign("admin", &act).await.unwrap() else { panic!("no token") };
    fs::write(dir.join("token"), token.expose()).unwrap();
    let token_file = dir.join("token").display().to_string();
    let stop = ["stop", "--all", "--server", &test.origin, "--token-file", &token_file];
    let (done, said) = run(&stop, "", dir).await;
    assert!(!done && said.contains("NOT STOPPED"), "{said}");
    let (done, said) = run(&[&stop[..], &["--ca", &ca]].concat(), "", dir).await;
    assert!(done && said.contains("STOPPED: the whole fleet: 1 bot told to pause"), "{said}");
    until("a bot that stands", async || says(State::Halted)).await;

    let pid = rustix::process::Pid::from_raw(i32::try_from(agent.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(timeout(PATIENCE, agent.wait()).await.unwrap().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_set_up_by_a_file_serves_tls_and_ends_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    authority.issue("localhost", 90);
    let (address, files) = (SocketAddr::from(([127, 0, 0, 1], fastrand::u16(10_000..32_000))), authority.files());
    let origin = format!("https://localhost:{}", address.port());
    let settings = format!(
        "data = {:?}\nlisten = \"{address}\"\norigin = \"{origin}\"\ntls_cert = {:?}\ntls_key = {:?}\n",
        dir.path().join("data"),
        files.cert,
        files.key
    );
    fs::write(dir.path().join("andon.toml"), settings).unwrap();
    let mut command = server::command(server::andon());
    command.args(["serve", "--config"]).arg(dir.path().join("andon.toml"));
    let log = File::create(dir.path().join("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let mut serving = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    until("a server that answers", async || authority.connect(address, &[]).await.is_ok()).await;
    let mut stream = authority.connect(address, &["http/1.1"]).await.unwrap();
    assert!(ask(&mut stream, &origin, "/healthz").await.starts_with("HTTP/1.1 200"));
    for said in ["Nobody has set this installation up yet", "the whole log was read again"] {
        until(said, async || fs::read_to_string(dir.path().join("log")).unwrap().contains(said)).await;
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(serving.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(timeout(PATIENCE, serving.wait()).await.unwrap().unwrap().success());
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains(&format!("Andon serves {origin}")) && log.contains("open files") && log.contains("one volume"), "{log}");
    assert!(log.contains(&format!("{origin}/welcome/andon_setup_")), "{log}");
}
