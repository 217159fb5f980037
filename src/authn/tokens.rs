//! Live API tokens in memory, so that a stop token works with the database gone.

use super::uses::Uses;
use crate::crypto::token::TokenDigest;
use crate::domain::{TeamId, Timestamp, TokenId, TokenScope, UserId};
use crate::storage::tokens::StoredToken;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

/// A token that was not revoked when the book was last read.
#[derive(Debug, Clone)]
pub struct KnownToken {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub scope: TokenScope,
    /// The team it is bound to.
    pub team: Option<TeamId>,
    /// Who made it: it may no more than they may give.
    pub made_by: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Every live token by digest.
#[derive(Default)]
pub struct TokenBook {
    live: RwLock<HashMap<String, KnownToken>>,
    /// When each was last used.
    pub uses: Uses<TokenId>,
}

impl TokenBook {
    /// Replaces the book by what the database holds. A scope that this program does not know gives no right.
    pub fn reload(&self, stored: &[StoredToken]) {
        let live = stored.iter().filter(|token| token.revoked_at.is_none()).filter_map(|token| {
            let known = KnownToken {
                id: token.id.clone(),
                name: token.name.clone(),
                scope: token.scope.parse().ok()?,
                team: token.team_id.clone(),
                made_by: token.made_by.clone(),
                expires_at: token.expires_at,
            };
            Some((token.token_hash.clone(), known))
        });
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live.collect();
    }

    /// Who presents this token, while it has not ended. The map is keyed by digest: what is compared is no secret.
    pub fn find(&self, token: &str, now: Timestamp) -> Option<KnownToken> {
        let book = self.live.read().unwrap_or_else(PoisonError::into_inner);
        book.get(&TokenDigest::of(token).hex()).filter(|known| known.expires_at > now).cloned()
    }
}
