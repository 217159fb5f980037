//! The outbox: hands what is due to whoever carries mail, at least once. A try is written down before it is made, so that a process that dies
//! while it sends tries again later and not at once; a letter that nobody takes is given up after a bounded time and shown.

use super::{App, AppError};
use crate::domain::Timestamp;
use crate::mail::{Carrier, Letter, NotTaken, Sender, Told};
use crate::storage::{self, Lane, deliveries::Delivery};

/// Letters of one round.
const BATCH: i64 = 20;
/// A letter that is being sent is nobody else's for so long; longer than sending takes at most.
const SENDING_MS: i64 = 90 * 1_000;
/// The first wait after a try that failed; it doubles with each.
const FIRST_WAIT_MS: i64 = 30 * 1_000;
/// The longest wait between two tries.
const LONGEST_WAIT_MS: i64 = 60 * 60 * 1_000;
/// The shortest wait after a letter was refused: the server's mind rarely changes within seconds.
const REFUSED_WAIT_MS: i64 = 15 * 60 * 1_000;
/// A letter that nobody took for so long is given up.
pub const GIVE_UP_MS: i64 = 3 * 24 * 60 * 60 * 1_000;
/// One that the server refuses is given up sooner.
pub const GIVE_UP_REFUSED_MS: i64 = 24 * 60 * 60 * 1_000;

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Nothing is due any more.
    Quiet,
    /// A whole batch went; there may be more.
    More,
    /// The mail server takes nothing now.
    Down,
}

/// How long to wait after so many tries.
fn wait_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 20)).unwrap_or_default();
    FIRST_WAIT_MS.saturating_mul(1 << doublings).min(LONGEST_WAIT_MS)
}

impl App {
    /// Says who carries mail. Once, before the workers start; a second call changes nothing.
    pub fn open_mail(&self, carrier: Carrier) {
        let _ = self.carrier.set(carrier);
    }

    /// Who carries mail.
    pub fn carrier(&self) -> &Carrier {
        self.carrier.get().unwrap_or(&Carrier::None)
    }

    /// A delivery as the letter that goes out.
    pub fn letter(&self, one: &Delivery) -> Letter {
        let from = Sender { installation: &self.installation.name, origin: &self.origin };
        let told = Told {
            id: &one.notice_id,
            kind: one.kind,
            title: &one.title,
            text: &one.text,
            link: one.link.as_deref(),
            made_at: one.made_at,
        };
        Letter::of(from, told, one.address.clone())
    }

    /// Delivers what is due, at most one batch. Of several replicas the one that holds the lease calls this.
    ///
    /// # Errors
    /// When the database is gone: it is tried again later.
    pub async fn deliver_due(&self) -> Result<Round, AppError> {
        let due = storage::deliveries::delivery_due(&mut *self.db.read().await?, self.clock.now(), BATCH).await?;
        for one in &due {
            if !self.deliver(one).await? {
                return Ok(Round::Down);
            }
        }
        Ok(if (due.len() as i64) < BATCH { Round::Quiet } else { Round::More })
    }

    /// One letter; false when the server takes nothing now.
    async fn deliver(&self, one: &Delivery) -> Result<bool, AppError> {
        let now = self.clock.now();
        if matches!(self.carrier(), Carrier::None) {
            self.nobody_carries(one, now).await?;
            return Ok(true);
        }
        let next = now.plus_ms(wait_ms(one.attempts).max(SENDING_MS));
        let mut tx = self.db.write(Lane::Normal).await?;
        let is_ours = storage::deliveries::delivery_try(&mut tx, one, now, next).await?;
        tx.commit().await?;
        if !is_ours {
            return Ok(true);
        }
        failpoint!("mail:before_send");
        let outcome = self.carrier().carry(&self.letter(one)).await;
        failpoint!("mail:sent");
        let now = self.clock.now();
        let age = now.ms_since(one.made_at);
        match outcome {
            Ok(()) => {
                let mut tx = self.db.write(Lane::Normal).await?;
                storage::deliveries::delivery_delivered(&mut tx, one, now).await?;
                tx.commit().await?;
                Ok(true)
            }
            Err(NotTaken::Refused(why)) => {
                let next = now.plus_ms(wait_ms(one.attempts).max(REFUSED_WAIT_MS));
                self.not_taken(one, &why, next, age >= GIVE_UP_REFUSED_MS).await?;
                Ok(true)
            }
            Err(NotTaken::Later(why)) => {
                self.not_taken(one, &why, now.plus_ms(wait_ms(one.attempts)), age >= GIVE_UP_MS).await?;
                Ok(true)
            }
            Err(NotTaken::Unreachable(why)) => {
                self.not_taken(one, &why, now.plus_ms(wait_ms(one.attempts)), age >= GIVE_UP_MS).await?;
                Ok(false)
            }
        }
    }

    /// Waits for somebody to set a mail server up, as long as a letter is tried.
    async fn nobody_carries(&self, one: &Delivery, now: Timestamp) -> Result<(), AppError> {
        const WHY: &str = "no mail server is set up";
        let mut tx = self.db.write(Lane::Normal).await?;
        if now.ms_since(one.made_at) >= GIVE_UP_MS {
            storage::deliveries::delivery_give_up(&mut tx, one, WHY).await?;
        } else {
            storage::deliveries::delivery_failed(&mut tx, one, WHY, now.plus_ms(LONGEST_WAIT_MS)).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn not_taken(&self, one: &Delivery, why: &str, next: Timestamp, is_over: bool) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        if is_over {
            storage::deliveries::delivery_give_up(&mut tx, one, why).await?;
            tracing::error!(notice = %one.notice_id, attempts = one.attempts, why, "a mail was given up");
        } else {
            storage::deliveries::delivery_failed(&mut tx, one, why, next).await?;
            tracing::warn!(notice = %one.notice_id, attempts = one.attempts + 1, why, "a mail was not taken; it is tried again");
        }
        tx.commit().await?;
        Ok(())
    }

    /// What a demo's mailbox holds, newest first.
    ///
    /// # Errors
    /// `NotFound` outside a demo; when the database is gone.
    pub async fn demo_mailbox(&self) -> Result<Vec<Letter>, AppError> {
        if !self.is_demo() {
            return Err(AppError::NotFound("page"));
        }
        let mails = storage::deliveries::delivery_newest(&mut *self.db.read().await?, 200).await?;
        Ok(mails.iter().map(|one| self.letter(one)).collect())
    }

    /// Forgets notices that are older than anybody needs.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn forget_old_notices(&self) -> Result<(), AppError> {
        let before = self.clock.now().plus_ms(-super::notices::KEPT_MS);
        loop {
            let mut tx = self.db.write(Lane::Normal).await?;
            // Few at a time: a stop waits for at most one of these.
            let gone = storage::notices::notice_forget(&mut tx, before, 50).await?;
            tx.commit().await?;
            if gone < 50 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        assert_eq!([0, 1, 2, 3].map(wait_ms), [30_000, 60_000, 120_000, 240_000]);
        assert_eq!(wait_ms(7), LONGEST_WAIT_MS);
        assert_eq!(wait_ms(i64::MAX), LONGEST_WAIT_MS);
    }
}
