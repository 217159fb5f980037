//! A mail server over SMTP: TLS from the first byte, STARTTLS (demanded, never merely tried), or plain on this machine. A connection per
//! letter: they are few, and one that is kept open is one that has died by the next.

use super::{Letter, NotTaken};
use crate::domain::{MailAddress, Secret};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls as LettreTls, TlsParameters},
        extension::ClientId,
    },
};
use std::time::{Duration, SystemTime};

/// A server that says nothing for so long has gone.
const STEP: Duration = Duration::from_secs(20);
/// The longest a whole letter may take.
const WHOLE: Duration = Duration::from_secs(60);
/// The most of a server's words that are kept, in characters.
const SAID: usize = 300;
/// Answers that mean every letter: the service ends, or does not let us in.
const NOT_LET_IN: [&str; 6] = ["421", "454", "530", "534", "535", "538"];

/// How a connection is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte.
    Implicit,
    /// Plain at first, then STARTTLS, without which nothing is sent.
    StartTls,
    /// None at all: this machine only.
    Plain,
}

/// Which server, and as whom.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is reached.
    pub tls: Tls,
    /// The name in front of the sender's address; may be empty.
    pub from_name: String,
    /// The sender's address.
    pub from: MailAddress,
    /// User and password; none: nobody signs in.
    pub account: Option<(String, Secret<String>)>,
    /// A certificate authority that is trusted beside those of the machine, in PEM.
    pub authority: Option<Vec<u8>>,
    /// What we call ourselves: the host of our origin.
    pub hello: String,
}

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    place: String,
}

impl Smtp {
    /// Gets ready; connects to nobody.
    ///
    /// # Errors
    /// In words, when sender, host or authority cannot be used.
    pub fn open(settings: &SmtpSettings) -> Result<Self, String> {
        let address: Address = settings.from.as_str().parse().map_err(|_| format!("{} cannot send mail", settings.from))?;
        let name = (!settings.from_name.is_empty()).then(|| settings.from_name.clone());
        let tls = || {
            let mut parameters = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = &settings.authority {
                let authority = Certificate::from_pem(pem).map_err(|error| format!("the certificate authority cannot be read: {error}"))?;
                parameters = parameters.add_root_certificate(authority);
            }
            parameters.build().map_err(|error| format!("TLS cannot be set up: {error}"))
        };
        let tls = match settings.tls {
            Tls::Implicit => LettreTls::Wrapper(tls()?),
            Tls::StartTls => LettreTls::Required(tls()?),
            Tls::Plain => LettreTls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.clone())
            .port(settings.port)
            .tls(tls)
            .hello_name(ClientId::Domain(settings.hello.clone()))
            .timeout(Some(STEP));
        if let Some((user, password)) = &settings.account {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().clone()));
        }
        let place = format!("{}:{}", settings.host, settings.port);
        Ok(Self { transport: builder.build(), from: Mailbox::new(name, address), place })
    }

    /// Which server: host and port.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Connects, signs in where a user is given, and leaves again.
    ///
    /// # Errors
    /// `NotTaken::Unreachable`.
    pub async fn knock(&self) -> Result<(), NotTaken> {
        match tokio::time::timeout(WHOLE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(NotTaken::Unreachable("it takes the connection and then says nothing".into())),
            Ok(Err(error)) => Err(NotTaken::Unreachable(said(&error))),
            Err(_) => Err(NotTaken::Unreachable("it does not answer in time".into())),
        }
    }

    /// Hands a letter over; `Ok` once the server has taken it.
    ///
    /// # Errors
    /// `NotTaken`.
    pub async fn send(&self, letter: &Letter) -> Result<(), NotTaken> {
        let message = self.message(letter).map_err(NotTaken::Refused)?;
        match tokio::time::timeout(WHOLE, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let code = error.status().map(|code| code.to_string()).unwrap_or_default();
                let why = said(&error);
                Err(match (NOT_LET_IN.contains(&code.as_str()), error.is_permanent(), error.is_transient()) {
                    (false, true, _) => NotTaken::Refused(why),
                    (false, false, true) => NotTaken::Later(why),
                    _ => NotTaken::Unreachable(why),
                })
            }
            Err(_) => Err(NotTaken::Unreachable("it does not answer in time".into())),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, String> {
        let to: Address = letter.to.as_str().parse().map_err(|_| "the address is none that mail goes to".to_owned())?;
        let since = Duration::from_micros(u64::try_from(letter.date.0).unwrap_or_default());
        let raw = |name: &'static str, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .date(SystemTime::UNIX_EPOCH + since)
            .message_id(Some(letter.message_id.clone()))
            // Out-of-office answers are not sent to it (RFC 3834).
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Andon-Notice", letter.kind.as_str()))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.clone())
            .map_err(|error| error.to_string())
    }
}

/// An error and its causes in one line, cut.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let words = error.to_string();
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID).collect::<String>().trim().to_owned()
}
