//! Mail: a notice as a letter, and who carries letters. The only room that names `lettre`. Knows nothing of the database and decides nothing:
//! when to send, how often, and when to give up is the outbox's (`app/outbox.rs`).

mod letter;
mod smtp;

pub use letter::{Letter, Sender, Told};
pub use smtp::{Smtp, SmtpSettings, Tls};

/// A letter that was not taken, with what the mail server said, fit for a page: one line, cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The server answers and refuses this very letter.
    #[error("{0}")]
    Refused(String),
    /// The server answers and wants to be asked again.
    #[error("{0}")]
    Later(String),
    /// Nobody answers, or the server takes no letter at all now.
    #[error("{0}")]
    Unreachable(String),
}

/// Who carries letters.
#[derive(Default)]
pub enum Carrier {
    /// Nobody: notices stay in the page.
    #[default]
    None,
    /// The mailbox page of a demo: nothing leaves the process.
    Mailbox,
    /// A mail server.
    Smtp(Box<Smtp>),
}

impl Carrier {
    /// Hands a letter over.
    ///
    /// # Errors
    /// `NotTaken`.
    pub async fn carry(&self, letter: &Letter) -> Result<(), NotTaken> {
        match self {
            Self::None => Err(NotTaken::Unreachable("no mail server is set up".into())),
            Self::Mailbox => Ok(()),
            Self::Smtp(smtp) => smtp.send(letter).await,
        }
    }
}
