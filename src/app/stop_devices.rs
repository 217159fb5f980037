//! Stop devices: a phone that its owner enrolled once, and that may place holds and see counts, nothing else. From memory when it presses,
//! so that it works with the database gone. Its owner hears of every press, after the stop and never before it.

use super::{
    App, AppError, Invalid,
    acts::ActView,
    holds::{Placed, Press},
};
use crate::audit::Event;
use crate::authn::KnownDevice;
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::{
    device_key,
    token::{self, TokenDigest},
};
use crate::domain::{
    ActKind, Audience, DeviceId, Notice, NoticeKind, Role, Secret, UserId,
    text::{self, text_enum},
};
use crate::storage::{self, Lane, stop_devices::DeviceLink};
use std::sync::Arc;

/// A stop device as stored.
pub use crate::storage::stop_devices::StoredDevice;

/// How long the link that makes a phone a stop device lives.
pub const LINK_LIVES_MS: i64 = 5 * 60 * 1_000;
/// How long a stop device lives.
pub const DEVICE_LIVES_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// A phone that presses.
#[derive(Debug, Clone)]
pub struct Pressing {
    /// As the policy sees it.
    pub actor: Actor,
    /// As the book knows it.
    pub known: KnownDevice,
}

text_enum! {
    /// What is known of the key in the phone's browser at a press. A press without it counts all the same: a stop is not refused over a proof.
    Proof {
        /// The phone's own key signed the press.
        Good = "good",
        /// The phone has a key and it did not sign: perhaps somebody copied the cookie.
        Missing = "missing",
        /// The phone has no key: its browser made none.
        NoKey = "no key",
        /// Whoever took the press ended before it could be written down.
        Unknown = "unknown",
    }
}

/// The bytes that a phone's key signs. `device.js` makes the same.
fn signed_bytes(press: &Press) -> Vec<u8> {
    let (kind, id) = (press.scope.kind(), press.scope.id());
    let scope = if id.is_empty() { kind.to_owned() } else { format!("{kind}:{id}") };
    format!("andon stop device 1\n{}\n{}\n{scope}", press.idempotency_key, press.level).into_bytes()
}

/// Why there is no link.
pub(super) const OFF: &str = "stop devices are off here; an admin allows them";

fn may_stop(owner: &Actor) -> bool {
    authz::check(owner, Action::PlaceHold, &Resource::Installation).is_ok()
}

impl App {
    /// True once an admin has allowed stop devices. From memory.
    pub fn allows_stop_devices(&self) -> bool {
        self.device_book.is_allowed()
    }

    /// Every stop device, ended ones included, newest first, with last uses as memory and the database have them.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn stop_devices(&self, actor: &Actor) -> Result<Vec<StoredDevice>, AppError> {
        authz::check(actor, Action::SeeAccess, &Resource::Installation)?;
        self.devices_as_known().await
    }

    /// The same of one person, by themselves.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn stop_devices_of(&self, actor: &Actor, owner: &UserId) -> Result<Vec<StoredDevice>, AppError> {
        authz::check(actor, Action::OwnDevices, &Resource::User(owner.clone()))?;
        let mut own = self.devices_as_known().await?;
        own.retain(|device| device.user_id == *owner);
        Ok(own)
    }

    async fn devices_as_known(&self) -> Result<Vec<StoredDevice>, AppError> {
        let mut all = storage::stop_devices::device_all(&mut *self.db.read().await?).await?;
        for device in &mut all {
            if let Some(last) = self.device_book.uses.of(&device.id).filter(|last| Some(last.at) > device.last_used_at) {
                (device.last_used_at, device.last_used_from) = (Some(last.at), Some(last.from));
            }
        }
        Ok(all)
    }

    /// Prepares the one-time link that turns a phone into a stop device of this person.
    ///
    /// # Errors
    /// `Denied`, also for somebody who may not stop bots; `Invalid` for the name; `Conflict` while stop devices are off.
    pub async fn prepare_device_link(&self, actor: &Actor, name: &str) -> Result<ActView, AppError> {
        let user = actor.user().ok_or(AppError::NotFound("person"))?.clone();
        if !self.allows_stop_devices() {
            return Err(AppError::conflict(OFF));
        }
        let mut invalid = Invalid::default();
        let Some(name) = invalid.check("name", "The phone's name", text::name(name)) else { return Err(invalid.into()) };
        self.prepare_single(actor, ActKind::StopDeviceLink { user, name }).await
    }

    /// Looks at a link; uses nothing up. With the name of whose phone it makes.
    ///
    /// # Errors
    /// `NotFound` for a link that is used, over or wrong, all alike.
    pub async fn device_link(&self, link: &str) -> Result<(DeviceLink, String), AppError> {
        let gone = || AppError::NotFound("link; it may have been used or be over");
        let hash = TokenDigest::of(link).hex();
        let row = storage::stop_devices::device_link_open(&mut *self.db.read().await?, &hash, self.clock.now()).await?.ok_or_else(gone)?;
        let owner = self.actor_of(&row.user_id, false).filter(|owner| self.allows_stop_devices() && may_stop(owner)).ok_or_else(gone)?;
        Ok((row, owner.as_placer().name))
    }

    /// Makes this browser a stop device: uses the link up and answers with what the cookie holds, and who the owner is. A public key that is
    /// none counts as no key.
    ///
    /// # Errors
    /// `NotFound` for a link that is used, over or wrong, all alike.
    pub async fn enrol_device(&self, link: &str, public_key: &str, from: &str) -> Result<Secret<String>, AppError> {
        let (row, owner_name) = self.device_link(link).await?;
        let cookie = token::new_token("device")?;
        let permit = self.server_permit()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        act.epoch().await?;
        let now = act.now();
        if !storage::stop_devices::device_link_use(act.tx(), &row.token_hash, now).await? {
            return Err(AppError::NotFound("link; it may have been used or be over"));
        }
        let device = StoredDevice {
            id: DeviceId::new(),
            user_id: row.user_id.clone(),
            name: row.name.clone(),
            token_hash: TokenDigest::of(cookie.expose()).hex(),
            public_key: device_key::is_public_key(public_key).then(|| public_key.to_owned()),
            enrolled_at: now,
            expires_at: now.plus_ms(DEVICE_LIVES_MS),
            ended_at: None,
            ended_why: None,
            last_used_at: None,
            last_used_from: None,
            warned_at: None,
        };
        storage::stop_devices::device_insert(act.tx(), &device).await?;
        act.changes_books();
        let said = format!(
            "The phone {} of {owner_name} was enrolled from {from} and may pause bots for 90 days, nothing else. If that was not you, end it.",
            row.name
        );
        let notice = Notice::new(NoticeKind::StopDeviceAdded, &device.id, format!("Stop device {} was enrolled", row.name), said);
        act.tell(&Audience::person(&row.user_id).and_admins(), &notice.at("/me/stop-devices")).await?;
        let has_key = device.public_key.is_some();
        act.commit(Event::DeviceEnrolled { device: device.id, user: row.user_id, name: row.name, has_key }).await?;
        Ok(cookie)
    }

    /// Ends a device at once: its owner may, and whoever manages them.
    ///
    /// # Errors
    /// `NotFound`, also for somebody else's; `Conflict` when it had ended.
    pub async fn end_device(&self, actor: &Actor, id: &DeviceId) -> Result<(), AppError> {
        let all = storage::stop_devices::device_all(&mut *self.db.read().await?).await?;
        let device = all.into_iter().find(|device| device.id == *id).ok_or(AppError::NotFound("stop device"))?;
        let permit = authz::check(actor, Action::OwnDevices, &Resource::User(device.user_id.clone()))
            .or_else(|_| authz::check(actor, Action::ManageDevices, &Resource::Installation))
            .map_err(|_| AppError::NotFound("stop device"))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        act.epoch().await?;
        let why = format!("{} ended it", actor.as_placer().name);
        let now = act.now();
        if !storage::stop_devices::device_end(act.tx(), id, now, &why).await? {
            return Err(AppError::conflict("this stop device has ended already"));
        }
        act.changes_books();
        act.tell(&Audience::person(&device.user_id), &ended_notice(&device, &why)).await?;
        act.commit_stop(Event::DeviceEnded { device: id.clone(), user: device.user_id, why }).await?;
        Ok(())
    }

    /// Which phone sends this cookie. From memory; nothing once it has ended, or its owner may not stop bots any more.
    pub fn by_device(&self, cookie: &str) -> Option<Pressing> {
        let known = self.device_book.find(cookie, self.clock.now()).filter(|_| self.allows_stop_devices())?;
        let owner = self.actor_of(&known.owner, false).filter(may_stop)?;
        let actor = Actor::Device {
            id: known.id.clone(),
            name: known.name.clone(),
            owner: known.owner.clone(),
            owner_name: owner.as_placer().name,
            as_risk: owner.holds(Role::Risk),
        };
        Some(Pressing { actor, known })
    }

    /// A press on a phone. The stop first; then its owner is told, whoever has closed the page meanwhile.
    ///
    /// # Errors
    /// As `place`.
    pub async fn press_device(self: &Arc<Self>, pressing: Pressing, press: Press, proof: &str, from: String) -> Result<Placed, AppError> {
        let proof = match &pressing.known.public_key {
            None => Proof::NoKey,
            Some(key) if device_key::is_signed(key, &signed_bytes(&press), proof) => Proof::Good,
            Some(_) => Proof::Missing,
        };
        let app = self.clone();
        let task = tokio::spawn(async move {
            let placed = app.place(pressing.actor.clone(), press).await?;
            app.device_book.uses.note(&pressing.known.id, app.clock.now(), &from);
            app.note_press(pressing.known, &placed, proof, from);
            Ok(placed)
        });
        task.await.map_err(AppError::internal)?
    }
}

/// What the owner of an ended device is told.
pub(crate) fn ended_notice(device: &StoredDevice, why: &str) -> Notice {
    let title = format!("Stop device {} has ended", device.name);
    let said = format!("The phone {} cannot pause bots any more: {why}. A new one is enrolled from My account.", device.name);
    Notice::new(NoticeKind::StopDeviceEnded, &device.id, title, said).at("/me/stop-devices")
}
