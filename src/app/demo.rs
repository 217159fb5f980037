//! What only a demo has: people whose security keys live in this process and really sign. Nothing here works on another installation.

use super::{App, AppError, acts::Outcome};
use crate::authn::SoftKey;
use crate::authz::Actor;
use crate::domain::{ActId, UserId};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The software keys of the demo's people.
#[derive(Default)]
pub struct DemoKeys(RwLock<HashMap<UserId, Arc<SoftKey>>>);

impl DemoKeys {
    fn of(&self, user: &UserId) -> Option<Arc<SoftKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }
}

impl App {
    /// Gives one of the demo's people a software key to sign with.
    pub fn demo_give_key(&self, user: UserId, key: Arc<SoftKey>) {
        self.demo_keys.0.write().unwrap_or_else(PoisonError::into_inner).insert(user, key);
    }

    /// True when this person can sign with a demo key.
    pub fn demo_can_sign(&self, user: &UserId) -> bool {
        self.is_demo() && self.demo_keys.of(user).is_some()
    }

    /// Signs an act with the person's demo key: the same options, the same verification as with a key of metal.
    ///
    /// # Errors
    /// `NotFound` outside a demo or without a demo key; everything that `sign` refuses.
    pub async fn demo_sign(self: &Arc<Self>, actor: &Actor, id: &ActId) -> Result<Outcome, AppError> {
        let key = actor.user().filter(|_| self.is_demo()).and_then(|user| self.demo_keys.of(user)).ok_or(AppError::NotFound("demo key"))?;
        let ceremony = self.signing_options(actor, id).await?;
        let answer = key.sign(&ceremony.options).map_err(AppError::internal)?;
        self.sign(actor, id, &ceremony.state, &answer).await
    }
}
