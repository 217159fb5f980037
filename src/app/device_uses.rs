//! Every hold that a stop device placed leaves a trace: an entry in the log and a notice to the phone's owner. Written after the stop and never
//! before it; what the database did not take, or a process that ended left undone, is found by the holds that have no such notice.

use super::{App, AppError, holds::Placed, stop_devices::Proof};
use crate::audit::Event;
use crate::authn::KnownDevice;
use crate::domain::{Audience, DeviceId, Hold, HoldId, Notice, NoticeKind, UserId};
use crate::storage::{self, Lane};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Whoever saw a press writes its trace within this time; after it anybody does, without what only they knew.
const GRACE_MS: i64 = 2 * 60 * 1_000;
/// Holds older than this are left alone: their notices may have been cleared away.
const LOOK_BACK_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Presses that are remembered until they are written; of more the trace says less.
const REMEMBERED: usize = 1_024;

/// What this process knows of presses whose trace is not written yet.
#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<HoldId, (Proof, String)>>);

impl Seen {
    fn note(&self, hold: &HoldId, proof: Proof, from: String) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < REMEMBERED {
            seen.insert(hold.clone(), (proof, from));
        }
    }
    fn of(&self, hold: &HoldId) -> Option<(Proof, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hold).cloned()
    }
    fn forget(&self, hold: &HoldId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(hold);
    }
}

/// One use as it is told.
struct Use<'a> {
    name: &'a str,
    hold: &'a Hold,
    proof: Proof,
    from: Option<&'a str>,
}

impl App {
    /// Notes a press of a phone. Returns at once.
    pub(super) fn note_press(self: &Arc<Self>, device: KnownDevice, placed: &Placed, proof: Proof, from: String) {
        let hold = placed.hold.clone();
        if placed.repeated {
            // No new hold, and no new entry; within the same minute no news either.
            let one = Use { name: &device.name, hold: &hold, proof, from: Some(&from) };
            let minute = self.clock.now().0 / 60_000_000;
            self.tell_soon(Audience::person(&device.owner), self.use_notice(&one, &format!("{}:{}:{minute}", device.id, hold.id)));
            return;
        }
        self.device_presses.note(&hold.id, proof, from);
        let app = self.clone();
        tokio::spawn(async move {
            // One that is not recorded yet waits for that.
            if let Err(error) = app.trace_press(&device.id, &device.name, &device.owner, &hold).await {
                tracing::warn!(%error, hold = %hold.id, "the trace of a stop device's press is written later");
            }
        });
    }

    /// Writes the traces that are missing: of presses seen here, and with `all` of every hold of the last weeks. Says how many.
    ///
    /// # Errors
    /// When the database is gone: they are written the next time.
    pub async fn trace_presses(&self, all: bool) -> Result<usize, AppError> {
        let now = self.clock.now();
        let untraced = storage::stop_devices::device_holds_untold(&mut *self.db.read().await?, now.plus_ms(-LOOK_BACK_MS)).await?;
        let mut traced = 0;
        for (id, device) in untraced {
            let hold = storage::holds::hold_by_id(&mut *self.db.read().await?, &id).await?.ok_or(AppError::NotFound("hold"))?;
            let is_due = all && now.ms_since(hold.at) > GRACE_MS;
            if is_due || self.device_presses.of(&id).is_some() {
                self.trace_press(&device.id, &device.name, &device.user_id, &hold).await?;
                traced += 1;
            }
        }
        Ok(traced)
    }

    async fn trace_press(&self, device: &DeviceId, name: &str, owner: &UserId, hold: &Hold) -> Result<(), AppError> {
        let seen = self.device_presses.of(&hold.id);
        let (proof, from) = seen.map_or((Proof::Unknown, None), |(proof, from)| (proof, Some(from)));
        let one = Use { name, hold, proof, from: from.as_deref() };
        let permit = self.server_permit()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        if storage::holds::hold_by_id(act.tx(), &hold.id).await?.is_none() {
            return Ok(());
        }
        if act.tell(&Audience::person(owner), &self.use_notice(&one, &format!("{device}:{}", hold.id))).await? {
            let proof = proof.as_str().to_owned();
            let event = Event::DeviceUsed { device: device.clone(), user: owner.clone(), hold: hold.id.clone(), proof, from: from.clone() };
            act.commit_stop(event).await?;
        }
        self.device_presses.forget(&hold.id);
        Ok(())
    }

    fn use_notice(&self, one: &Use<'_>, about: &str) -> Notice {
        let bots = self.fleet.view().under(one.hold).len();
        let vouched = match one.proof {
            Proof::Good => "The phone's own key vouched for the press.",
            Proof::Missing => {
                "The phone's own key did NOT vouch for the press: somebody may have copied its cookie, or its browser lost the key. \
                 The stop stands all the same. End the device if it was not you."
            }
            Proof::NoKey => "The phone has no key of its own: whoever has its cookie can press.",
            Proof::Unknown => {
                "Whether the phone's own key vouched for it is not known: the server was interrupted. End the device if it was not you."
            }
        };
        let from = one.from.map(|from| format!(", from {from}")).unwrap_or_default();
        let said = format!(
            "Your stop device {} placed a {} that covers {bots} bots now{from}, at {}. {vouched}",
            one.name,
            one.hold.level,
            one.hold.at.plain()
        );
        let title = match one.proof {
            Proof::Missing => format!("Your stop device {} was used, and its key did not vouch", one.name),
            Proof::Good | Proof::NoKey | Proof::Unknown => format!("Your stop device {} was used", one.name),
        };
        Notice::new(NoticeKind::StopDeviceUsed, about, title, said).at(format!("/holds/{}", one.hold.id))
    }
}
