//! The mail server: whether it is set up, answers, and lets us in. No letter is sent.

use super::{Line, folders, refused};
use crate::cli::serve::smtp;
use crate::config::{MailTls, Origin, ServeArgs};

/// What there is to say of it. Without an origin nothing is asked: it is part of what we say to the server.
pub async fn check(args: &ServeArgs, origin: Option<&Origin>) -> Vec<Line> {
    let Some(origin) = origin else { return vec![Line::skip("mail", "not asked: the origin cannot be taken")] };
    let mail = match args.mail.check(origin) {
        Ok(Some(mail)) => mail,
        Ok(None) => return vec![Line::ok("mail", "no mail server is set up: notices stay in the page")],
        Err(error) => return vec![refused("mail", &error)],
    };
    let mut lines: Vec<Line> =
        args.mail.smtp_password_file.as_deref().and_then(|file| folders::closed("mail password", file)).into_iter().collect();
    let server = match smtp(&mail) {
        Ok(server) => server,
        Err(error) => {
            lines.push(refused("mail", &error));
            return lines;
        }
    };
    let way = match mail.tls {
        MailTls::Implicit => "with TLS",
        MailTls::StartTls => "with STARTTLS",
        MailTls::Plain => "in plain on this machine",
    };
    lines.push(match server.knock().await {
        Ok(()) => {
            let signed_in = if mail.account.is_some() { " and lets us in" } else { "" };
            let said = format!("{} answers {way}{signed_in}; no letter was sent: the system page has a button for that", server.place());
            Line::ok("mail", said)
        }
        Err(why) => {
            let todo = "see host, port, user and password; a certificate of your own authority needs --smtp-ca. Notices stay in the page \
                        meanwhile, stops and starts need no mail";
            Line::bad("mail", format!("{} does not take us {way}: {why}", server.place()), todo)
        }
    });
    lines
}
