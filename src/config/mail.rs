//! Settings of the mail server that notices go out by. Without them notices stay in the page, and everything else works.

use super::{ConfigError, Origin};
use crate::domain::{MailAddress, Secret};
use std::{fs, net::IpAddr, path::PathBuf};
use url::{Host, Url};

/// The mail server.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MailArgs {
    /// Mail server that notices go out by: smtps://HOST (TLS from the first byte, port 465), smtp://HOST (STARTTLS, which must work, port 587)
    /// or smtp-plain://127.0.0.1 (no TLS, this machine only, port 25). Without it notices stay in the page.
    #[arg(long, env = "ANDON_SMTP_URL", value_name = "URL")]
    pub smtp_url: Option<String>,
    /// Sender of the mail: NAME@HOST, or a name and then the address in angle brackets.
    #[arg(long, env = "ANDON_SMTP_FROM", value_name = "ADDRESS")]
    pub smtp_from: Option<String>,
    /// User at the mail server; with --smtp-password-file.
    #[arg(long, env = "ANDON_SMTP_USER", value_name = "USER")]
    pub smtp_user: Option<String>,
    /// A file that holds the user's password.
    #[arg(long, env = "ANDON_SMTP_PASSWORD_FILE", value_name = "FILE")]
    pub smtp_password_file: Option<PathBuf>,
    /// Certificate of an authority of your own, in PEM, that the mail server's certificate may come from, beside those that this machine trusts.
    #[arg(long, env = "ANDON_SMTP_CA", value_name = "FILE")]
    pub smtp_ca: Option<PathBuf>,
}

/// How the mail server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS, which must work.
    StartTls,
    /// None; this machine only.
    Plain,
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is reached.
    pub tls: MailTls,
    /// The name in front of the sender's address; may be empty.
    pub from_name: String,
    /// The sender's address.
    pub from: MailAddress,
    /// User and password.
    pub account: Option<(String, Secret<String>)>,
    /// The authority's certificate, in PEM.
    pub authority: Option<Vec<u8>>,
    /// What we call ourselves: the origin's host.
    pub hello: String,
}

impl MailArgs {
    /// Checks what was given and reads the files it names; none when no mail server was given.
    ///
    /// # Errors
    /// The first setting that cannot be taken. The text never holds the password.
    pub fn check(&self, origin: &Origin) -> Result<Option<Mail>, ConfigError> {
        let Some(url) = &self.smtp_url else {
            let others = [
                ("--smtp-from", self.smtp_from.is_some()),
                ("--smtp-user", self.smtp_user.is_some()),
                ("--smtp-password-file", self.smtp_password_file.is_some()),
                ("--smtp-ca", self.smtp_ca.is_some()),
            ];
            return match others.into_iter().find(|(_, is_given)| *is_given) {
                Some((setting, _)) => Err(ConfigError::new(setting, "goes with --smtp-url URL, which names the mail server")),
                None => Ok(None),
            };
        };
        let (host, port, tls) = server(url)?;
        let from = self.smtp_from.as_deref();
        let from = from.ok_or_else(|| ConfigError::new("--smtp-from", "a mail server needs a sender: --smtp-from ANDON@YOUR.HOST"))?;
        let (from_name, from) = sender(from)?;
        let authority = match (&self.smtp_ca, tls) {
            (None, _) => None,
            (Some(_), MailTls::Plain) => return Err(ConfigError::new("--smtp-ca", "a server without TLS shows no certificate")),
            (Some(file), _) => Some(fs::read(file).map_err(|error| ConfigError::new("--smtp-ca", format!("{}: {error}", file.display())))?),
        };
        let hello = origin.url().host_str().unwrap_or("localhost").to_owned();
        Ok(Some(Mail { host, port, tls, from_name, from, account: self.account()?, authority, hello }))
    }

    fn account(&self) -> Result<Option<(String, Secret<String>)>, ConfigError> {
        match (&self.smtp_user, &self.smtp_password_file) {
            (None, None) => Ok(None),
            (Some(user), Some(file)) => {
                let wrong = |why: String| ConfigError::new("--smtp-password-file", format!("{}: {why}", file.display()));
                let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
                // One line end at most: a password may begin or end with a space.
                let password = text.strip_suffix('\n').unwrap_or(&text);
                let password = password.strip_suffix('\r').unwrap_or(password);
                if password.is_empty() || password.contains('\n') {
                    return Err(wrong("it must hold the password on one line and nothing else".into()));
                }
                Ok(Some((user.clone(), Secret::new(password.to_owned()))))
            }
            (Some(_), None) => Err(ConfigError::new("--smtp-password-file", "--smtp-user needs a password: name a file that holds it")),
            (None, Some(_)) => Err(ConfigError::new("--smtp-user", "--smtp-password-file needs its user")),
        }
    }
}

fn server(text: &str) -> Result<(String, u16, MailTls), ConfigError> {
    let wrong = |why: &str| ConfigError::new("--smtp-url", why.to_owned());
    // The text is not repeated: somebody may have put a password into it.
    let url = Url::parse(text).map_err(|_| wrong("is no URL; give smtps://HOST, smtp://HOST or smtp-plain://127.0.0.1"))?;
    let (tls, usual) = match url.scheme() {
        "smtps" => (MailTls::Implicit, 465),
        "smtp" => (MailTls::StartTls, 587),
        "smtp-plain" => (MailTls::Plain, 25),
        _ => return Err(wrong("must begin with smtps://, smtp:// or smtp-plain://")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds no user and no password: give --smtp-user and --smtp-password-file"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("is a scheme, a host and perhaps a port, nothing behind"));
    }
    let host = match url.host() {
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        // Schemes that the standard does not know keep an address as a name.
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        _ => return Err(wrong("names no host")),
    };
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if tls == MailTls::Plain && !is_loopback {
        return Err(wrong("smtp-plain:// is for this machine only (127.0.0.1, ::1, localhost): use smtp:// or smtps://"));
    }
    Ok((host, url.port().unwrap_or(usual), tls))
}

fn sender(text: &str) -> Result<(String, MailAddress), ConfigError> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"').to_owned(), address),
        None => (String::new(), text),
    };
    if name.chars().any(char::is_control) || name.chars().count() > 64 {
        return Err(ConfigError::new("--smtp-from", "the name before the address is at most 64 characters on one line"));
    }
    let address = address.parse().map_err(|why| ConfigError::new("--smtp-from", format!("the address {why}")))?;
    Ok((name, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: &str) -> MailArgs {
        MailArgs { smtp_url: Some(url.into()), smtp_from: Some("Andon <andon@example.com>".into()), ..MailArgs::default() }
    }

    fn check(args: &MailArgs) -> Result<Option<Mail>, ConfigError> {
        args.check(&Origin::parse("http://localhost:8787").unwrap())
    }

    #[test]
    fn without_a_server_there_is_no_mail() {
        assert!(check(&MailArgs::default()).unwrap().is_none());
        let lost = MailArgs { smtp_from: Some("a@b.example".into()), ..MailArgs::default() };
        assert_eq!(check(&lost).unwrap_err().setting, "--smtp-from");
    }

    #[test]
    fn a_server_is_reached_with_tls_or_on_this_machine() {
        let of = |url: &str| check(&args(url)).map(|mail| mail.map(|mail| (mail.host, mail.port, mail.tls)).unwrap());
        assert_eq!(of("smtps://mail.example").unwrap(), ("mail.example".into(), 465, MailTls::Implicit));
        assert_eq!(of("smtp://mail.example:2525").unwrap(), ("mail.example".into(), 2525, MailTls::StartTls));
        assert_eq!(of("smtp-plain://127.0.0.1").unwrap(), ("127.0.0.1".into(), 25, MailTls::Plain));
        assert_eq!(of("smtp-plain://[::1]:1025").unwrap(), ("::1".into(), 1025, MailTls::Plain));
        for bad in [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp-plain://mail.example",
            "smtp-plain://10.0.0.1",
            "smtps://mail.example/x",
            "smtps://mail.example?tls=no",
        ] {
            assert_eq!(of(bad).unwrap_err().setting, "--smtp-url", "{bad}");
        }
        let leaky = of("smtps://lea:hunter2@mail.example").unwrap_err();
        assert!(!leaky.to_string().contains("hunter2"), "{leaky}");
    }

    #[test]
    fn the_password_lies_in_a_file_and_is_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let with = MailArgs { smtp_user: Some("andon".into()), smtp_password_file: Some(file.clone()), ..args("smtps://mail.example") };
        assert_eq!(check(&with).unwrap_err().setting, "--smtp-password-file");
        fs::write(&file, " hunter2 \r\n").unwrap();
        let mail = check(&with).unwrap().unwrap();
        assert_eq!(mail.account.as_ref().unwrap().1.expose(), " hunter2 ");
        assert!(!format!("{mail:?}").contains("hunter2"));
        for bad in ["", "\n", "hunter2\nother"] {
            fs::write(&file, bad).unwrap();
            let refused = check(&with).unwrap_err().to_string();
            assert!(refused.contains("one line") && !refused.contains("hunter2"), "{refused}");
        }
        let alone = MailArgs { smtp_user: Some("andon".into()), ..args("smtps://mail.example") };
        assert_eq!(check(&alone).unwrap_err().setting, "--smtp-password-file");
    }

    #[test]
    fn the_sender_may_have_a_name() {
        let named = check(&args("smtps://mail.example")).unwrap().unwrap();
        assert_eq!((named.from_name.as_str(), named.from.as_str()), ("Andon", "andon@example.com"));
        for (text, name) in [("andon@example.com", ""), ("\"Desk, Andon\" <andon@example.com>", "Desk, Andon")] {
            assert_eq!(sender(text).unwrap().0, name);
        }
        for bad in ["", "andon", "Andon <andon>", "a@b.example, c@d.example", "A\r\nBcc: x@y.example <a@b.example>"] {
            assert_eq!(sender(bad).unwrap_err().setting, "--smtp-from", "{bad}");
        }
    }
}
