//! Where a sign-in comes from, and the words to the person about one that is not as usual: from a browser they have not used before, with a
//! wrong key, with wrong passwords again and again. Once an hour at most for what went wrong, whoever tries how often.

use super::{App, AppError, tx::Act};
use crate::domain::{Audience, Notice, NoticeKind, UserId};
use crate::storage::{self, Lane, browsers::Acquaintance};

/// How long a browser is known without a sign-in: as long as it keeps its cookie.
const KNOWN_MS: i64 = 400 * 24 * 60 * 60 * 1_000;

/// Where a sign-in comes from.
#[derive(Debug, Clone, Default)]
pub struct Whence {
    /// The caller's address.
    pub place: String,
    /// Browser and system in words.
    pub device: String,
    /// Digest of the browser's long-lived cookie, hex; none for a browser without one.
    pub browser: Option<String>,
}

impl Whence {
    fn words(&self) -> String {
        format!("{} at {}", self.device, self.place)
    }
}

/// Notes the browser of a sign-in, and tells the person when they have used others so far and not this one.
pub(super) async fn note_browser(act: &mut Act<'_>, user: &UserId, whence: &Whence) -> Result<(), AppError> {
    let Some(browser) = &whence.browser else { return Ok(()) };
    let now = act.now();
    if storage::browsers::browser_seen(act.tx(), user, browser, now).await? != Acquaintance::New {
        return Ok(());
    }
    let text = format!(
        "You signed in from a browser that you had not used here before: {}.\n\nIf that was you there is nothing to do. If it was not: somebody has \
         your password and one of your security keys. End that session on My account, remove the key, and tell an admin.",
        whence.words()
    );
    let notice = Notice::new(NoticeKind::NewDevice, browser, "A sign-in from a new browser", text).at("/me#sessions");
    act.tell(&Audience::person(user), &notice).await.map(drop)
}

impl App {
    /// Forgets browsers that nobody has signed in from for as long as they keep a cookie.
    pub async fn forget_browsers(&self) {
        let before = self.clock.now().plus_ms(-KNOWN_MS);
        let forget = async {
            let mut tx = self.db.write(Lane::Normal).await?;
            storage::browsers::browser_prune(&mut tx, before).await?;
            tx.commit().await
        };
        if let Err(error) = forget.await {
            tracing::warn!(%error, "old browsers could not be forgotten");
        }
    }

    pub(super) fn tell_of_wrong_passwords(&self, user: &UserId, whence: &Whence) {
        let text = format!(
            "Wrong passwords were given for your name again and again, the last time from {}. Nobody came in: a password opens nothing without one \
             of your security keys.\n\nIf that was you there is nothing to do. If it was not, tell an admin. You hear of this once an hour at most.",
            whence.words()
        );
        self.tell_refused(user, "password", "Wrong passwords were given for your name", &text);
    }

    pub(super) fn tell_of_wrong_key(&self, user: &UserId, whence: &Whence) {
        let text = format!(
            "Your password was given from {}, and then a security key that is not yours, or an answer that does not verify. Nobody came in.\n\nIf \
             that was you there is nothing to do. If it was not: somebody knows your password. Tell an admin. You hear of this once an hour at most.",
            whence.words()
        );
        self.tell_refused(user, "key", "Your password was given, and a wrong security key", &text);
    }

    fn tell_refused(&self, user: &UserId, step: &str, title: &str, text: &str) {
        let hour = self.clock.now().0 / 3_600_000_000;
        let notice = Notice::new(NoticeKind::SignInRefused, format_args!("{step}:{hour}"), title, text).at("/me#sessions");
        self.tell_soon(Audience::person(user), notice);
    }
}
