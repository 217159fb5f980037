//! Live stop devices in memory, so that a phone stops with the database gone.

use super::uses::Uses;
use crate::crypto::token::TokenDigest;
use crate::domain::{DeviceId, Timestamp, UserId};
use crate::storage::stop_devices::StoredDevice;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

/// A device that had not ended when the book was last read.
#[derive(Debug, Clone)]
pub struct KnownDevice {
    /// Its id.
    pub id: DeviceId,
    /// What its owner calls it.
    pub name: String,
    /// Whose it is.
    pub owner: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The public half of the key in its browser.
    pub public_key: Option<String>,
}

#[derive(Default)]
struct Live {
    allowed: bool,
    devices: HashMap<String, KnownDevice>,
}

/// Every live device by digest of its cookie, and whether there may be any.
#[derive(Default)]
pub struct DeviceBook {
    live: RwLock<Live>,
    /// When each was last used.
    pub uses: Uses<DeviceId>,
}

impl DeviceBook {
    /// Replaces the book by what the database holds.
    pub fn reload(&self, allowed: bool, stored: Vec<StoredDevice>) {
        let live = stored.into_iter().filter(|device| device.ended_at.is_none()).map(|device| {
            let known = KnownDevice {
                id: device.id,
                name: device.name,
                owner: device.user_id,
                expires_at: device.expires_at,
                public_key: device.public_key,
            };
            (device.token_hash, known)
        });
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Live { allowed, devices: live.collect() };
    }

    /// True once an admin has allowed stop devices.
    pub fn is_allowed(&self) -> bool {
        self.live.read().unwrap_or_else(PoisonError::into_inner).allowed
    }

    /// Which device sends this cookie, while it has not ended. The map is keyed by digest: what is compared is no secret.
    pub fn find(&self, cookie: &str, now: Timestamp) -> Option<KnownDevice> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.devices.get(&TokenDigest::of(cookie).hex()).filter(|known| known.expires_at > now).cloned()
    }
}
