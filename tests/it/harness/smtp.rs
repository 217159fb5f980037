//! A mail server of a test: SMTP as RFC 5321 has it, far enough for one client, with TLS from the first byte, STARTTLS or neither, and AUTH PLAIN.
//! It takes letters, refuses them, or is down; it comes back at the same address.

use super::tls::Authority;
use data_encoding::BASE64;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    StartTls,
    Implicit,
}

/// A letter as it came.
#[derive(Debug, Clone)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    /// Head and body, dots unstuffed, lines ended by LF.
    pub text: String,
    /// It came over TLS.
    pub over_tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
}

impl Taken {
    /// A line of the head, unfolded.
    pub fn head(&self, name: &str) -> String {
        let head = self.text.split("\n\n").next().unwrap().replace("\n ", " ");
        let start = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
    }
    /// The body in plain.
    pub fn body(&self) -> String {
        let (_, body) = self.text.split_once("\n\n").unwrap();
        match self.text.split("\n\n").next().unwrap() {
            head if head.contains("Content-Transfer-Encoding: quoted-printable") => unquoted(body),
            head if head.contains("Content-Transfer-Encoding: base64") => {
                String::from_utf8(BASE64.decode(body.replace('\n', "").as_bytes()).unwrap()).unwrap()
            }
            _ => body.to_owned(),
        }
    }
}

fn unquoted(body: &str) -> String {
    let joined = body.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&more[..2]).unwrap(), 16).unwrap());
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[derive(Default)]
struct Shelf {
    taken: Vec<Taken>,
    // What is answered to RCPT of an address; everything else is taken.
    answers: Vec<(String, String)>,
    connections: usize,
}

/// A mail server. Down when dropped.
pub struct Server {
    pub address: SocketAddr,
    way: Way,
    tls: Option<TlsAcceptor>,
    account: Option<(String, String)>,
    shelf: Arc<Mutex<Shelf>>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

impl Server {
    /// Starts one. With an account it takes mail only of whoever signs in.
    pub async fn start(way: Way, authority: Option<&Authority>, account: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = authority.map(|authority| {
            authority.issue("localhost", 30);
            let files = authority.files();
            let chain = CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect();
            let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
            let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
            TlsAcceptor::from(Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap()))
        });
        let account = account.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let address = listener.local_addr().unwrap();
        let mut this = Self { address, way, tls, account, shelf: Arc::default(), task: None };
        this.serve(listener);
        this
    }

    fn serve(&mut self, listener: TcpListener) {
        let (way, tls, account, shelf) = (self.way, self.tls.clone(), self.account.clone(), self.shelf.clone());
        self.task = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shelf.lock().unwrap().connections += 1;
                let session =
                    Session { way, tls: tls.clone(), account: account.clone(), shelf: shelf.clone(), over_tls: false, user: None };
                // Whoever hangs up in the middle ends their own session only.
                tokio::spawn(session.run(stream));
            }
        }));
    }

    /// Nobody answers at its address any more.
    pub fn down(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// It answers again.
    pub async fn up(&mut self) {
        let listener = loop {
            // The port is free once the aborted task is gone.
            if let Ok(listener) = TcpListener::bind(self.address).await {
                break listener;
            }
            tokio::task::yield_now().await;
        };
        self.serve(listener);
    }

    /// Answers RCPT of an address with this line from now on.
    pub fn refuse(&self, address: &str, answer: &str) {
        self.shelf.lock().unwrap().answers.push((address.to_owned(), answer.to_owned()));
    }
    /// Takes everything again.
    pub fn relent(&self) {
        self.shelf.lock().unwrap().answers.clear();
    }
    /// Everything that was taken, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.shelf.lock().unwrap().taken.clone()
    }
    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.shelf.lock().unwrap().connections
    }
}

struct Session {
    way: Way,
    tls: Option<TlsAcceptor>,
    account: Option<(String, String)>,
    shelf: Arc<Mutex<Shelf>>,
    over_tls: bool,
    user: Option<String>,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Session {
    async fn run(mut self, stream: TcpStream) -> std::io::Result<()> {
        if self.way == Way::Implicit {
            let stream = self.tls.clone().unwrap().accept(stream).await?;
            self.over_tls = true;
            return self.talk(stream, true).await.map(drop);
        }
        let Some(stream) = self.talk(stream, true).await? else { return Ok(()) };
        let stream = self.tls.clone().unwrap().accept(stream).await?;
        self.over_tls = true;
        self.talk(stream, false).await.map(drop)
    }

    /// Talks until the client leaves; answers with the stream when it is to be wrapped in TLS.
    async fn talk<W: Wire>(&mut self, stream: W, greets: bool) -> std::io::Result<Option<W>> {
        let mut stream = BufReader::new(stream);
        if greets {
            say(&mut stream, "220 mail.test ESMTP").await?;
        }
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    say(&mut stream, "250-mail.test").await?;
                    if self.way == Way::StartTls && !self.over_tls {
                        say(&mut stream, "250-STARTTLS").await?;
                    }
                    if self.account.is_some() {
                        say(&mut stream, "250-AUTH PLAIN").await?;
                    }
                    say(&mut stream, "250 8BITMIME").await?;
                }
                "STARTTLS" if self.way == Way::StartTls && !self.over_tls => {
                    say(&mut stream, "220 go on").await?;
                    return Ok(Some(stream.into_inner()));
                }
                "AUTH" => {
                    let said = line.strip_prefix("AUTH PLAIN ").and_then(|text| BASE64.decode(text.as_bytes()).ok()).unwrap_or_default();
                    let said = String::from_utf8(said).unwrap();
                    let (user, password) = self.account.clone().unwrap();
                    let is_good = said == format!("\0{user}\0{password}");
                    self.user = is_good.then_some(user);
                    say(&mut stream, if is_good { "235 welcome" } else { "535 5.7.8 that is not your password" }).await?;
                }
                "MAIL" if self.account.is_some() && self.user.is_none() => say(&mut stream, "530 5.7.0 sign in first").await?,
                "MAIL" => {
                    from = angled(line);
                    to.clear();
                    say(&mut stream, "250 ok").await?;
                }
                "RCPT" => {
                    let address = angled(line);
                    let refused = self.shelf.lock().unwrap().answers.iter().find(|(one, _)| *one == address).map(|(_, said)| said.clone());
                    match refused {
                        Some(answer) => say(&mut stream, &answer).await?,
                        None => {
                            to.push(address);
                            say(&mut stream, "250 ok").await?;
                        }
                    }
                }
                "DATA" => {
                    say(&mut stream, "354 go on").await?;
                    let text = data(&mut stream).await?;
                    let taken = Taken { from: from.clone(), to: to.clone(), text, over_tls: self.over_tls, user: self.user.clone() };
                    self.shelf.lock().unwrap().taken.push(taken);
                    say(&mut stream, "250 taken").await?;
                }
                "QUIT" => {
                    say(&mut stream, "221 bye").await?;
                    return Ok(None);
                }
                "NOOP" | "RSET" => say(&mut stream, "250 ok").await?,
                _ => say(&mut stream, "502 not known").await?,
            }
        }
    }
}

async fn say<W: Wire>(stream: &mut BufReader<W>, line: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.get_mut().flush().await
}

async fn data<W: Wire>(stream: &mut BufReader<W>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end_matches(['\r', '\n']) {
            "." => return Ok(text),
            line => {
                text.push_str(line.strip_prefix('.').unwrap_or(line));
                text.push('\n');
            }
        }
    }
}

/// What stands between the angles.
fn angled(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}
