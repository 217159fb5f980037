//! What only a demo has: people whose security keys live in this process and really sign. Nothing here works on another installation.

use super::{App, AppError, acts::Outcome};
use crate::audit::Event;
use crate::authn::{KeyError, SoftKey};
use crate::authz::Actor;
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{ActId, Secret, UserId};
use crate::storage::{self, Lane, invitations::Invitation};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// How long a demo's sign-in link works.
const LINK_LIVES_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

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

    /// A link that signs one of the demo's people in, as often as it is opened.
    ///
    /// # Errors
    /// `NotFound` outside a demo.
    pub async fn demo_link(&self, user: &UserId) -> Result<Secret<String>, AppError> {
        if !self.is_demo() {
            return Err(AppError::NotFound("demo"));
        }
        let link = token::new_token("demo")?;
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        let row = Invitation {
            token_hash: TokenDigest::of(link.expose()).hex(),
            user_id: user.clone(),
            kind: "demo".into(),
            made_at: now,
            expires_at: now.plus_ms(LINK_LIVES_MS),
        };
        storage::invitations::invitation_insert(act.tx(), &row).await?;
        act.commit(Event::DemoLinkMade { user: user.clone() }).await?;
        Ok(Secret::new(format!("{}demo/{}", self.origin, link.expose())))
    }

    /// True when this person can sign with a demo key.
    pub fn demo_can_sign(&self, user: &UserId) -> bool {
        self.is_demo() && self.demo_keys.of(user).is_some()
    }

    /// Signs an act with the person's demo key: the same options, the same verification as with a key of metal.
    ///
    /// # Errors
    /// `NotFound` outside a demo or without a demo key; `Key` when that key was removed; everything that `sign` refuses.
    pub async fn demo_sign(self: &Arc<Self>, actor: &Actor, id: &ActId) -> Result<Outcome, AppError> {
        let key = actor.user().filter(|_| self.is_demo()).and_then(|user| self.demo_keys.of(user)).ok_or(AppError::NotFound("demo key"))?;
        let ceremony = self.signing_options(actor, id).await?;
        let answer = key.sign(&ceremony.options).map_err(|_| KeyError::NoKey)?;
        self.sign(actor, id, &ceremony.state, &answer).await
    }
}
