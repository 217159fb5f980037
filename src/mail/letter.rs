//! A notice as a letter: plain text, one subject line, a place to look. The demo's mailbox shows the same words that a mail server gets.

use crate::domain::{MailAddress, NoticeId, NoticeKind, Timestamp};
use sha2::{Digest, Sha256};

/// Where letters come from.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The installation's name.
    pub installation: &'a str,
    /// Where people reach its pages.
    pub origin: &'a url::Url,
}

/// What somebody is told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The notice.
    pub id: &'a NoticeId,
    /// Its kind.
    pub kind: NoticeKind,
    /// One line.
    pub title: &'a str,
    /// Plain text.
    pub text: &'a str,
    /// A path of this installation.
    pub link: Option<&'a str>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A letter, ready to be carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where to.
    pub to: MailAddress,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// The same for every try of the same letter, so that a mail server or reader can drop a second copy.
    pub message_id: String,
    /// The notice's kind, for filters.
    pub kind: NoticeKind,
    /// When the notice was made.
    pub date: Timestamp,
}

impl Letter {
    /// Writes a notice as a letter to an address.
    pub fn of(from: Sender<'_>, told: Told<'_>, to: MailAddress) -> Self {
        let origin = from.origin.as_str().trim_end_matches('/');
        let look = told.link.map(|link| format!("\n\nLook here:\n{origin}{link}")).unwrap_or_default();
        let body = format!(
            "{}{look}\n\n-- \nAndon at {origin}, {}. All your notices: {origin}/notices\n\
             Andon never asks by mail for a password, a code or a key, and no link in its mail signs anybody in.\n",
            told.text,
            told.made_at.plain(),
        );
        let digest = Sha256::digest(to.as_str());
        let copy = data_encoding::HEXLOWER.encode(digest.get(..6).unwrap_or_default());
        let host = from.origin.host_str().unwrap_or("localhost");
        Self {
            subject: format!("[{}] {}", from.installation, told.title),
            body,
            message_id: format!("<{}.{copy}@{host}>", told.id),
            kind: told.kind,
            date: told.made_at,
            to,
        }
    }
}
