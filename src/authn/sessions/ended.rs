//! Ending sessions from outside of them: of a person, of a key, by their names. What ends them for every replica is written by the act in its
//! own transaction and read from the books; here they end at once, whether the database answers or not.

use super::{Copies, Copy, Data, KEY, SessionStore, text};
use crate::domain::{CredentialId, Timestamp, UserId};
use crate::storage::{self, WriteTx, users::SessionsEnd};
use std::collections::{HashMap, HashSet};

/// Which sessions of a person end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// All that began before a moment, but the one of this name.
    All(Timestamp, Option<String>),
    /// Those that were signed in or woken with this key.
    WithKey(CredentialId),
    /// Those of these names.
    Named(Vec<String>),
}

/// What makes sessions be over wherever they are remembered.
#[derive(Debug, Default)]
pub(super) struct Rules {
    // From the books.
    ends: HashMap<UserId, (Timestamp, Option<String>)>,
    dead_keys: HashSet<CredentialId>,
    // Ended by this process; the books may not say so yet.
    ends_here: HashMap<UserId, (Timestamp, Option<String>)>,
    dead_keys_here: HashSet<CredentialId>,
}

impl Rules {
    pub(super) fn refuse(&self, copy: &Copy) -> bool {
        let Some(user) = &copy.user else { return false };
        let is_before = |(at, kept): &(Timestamp, Option<String>)| copy.since() < *at && kept.as_ref() != Some(&copy.handle);
        let ends = [self.ends.get(user), self.ends_here.get(user)];
        let is_dead = |key: &CredentialId| self.dead_keys.contains(key) || self.dead_keys_here.contains(key);
        ends.into_iter().flatten().any(is_before) || copy.key().as_ref().is_some_and(is_dead)
    }
}

/// Lets the other replicas, at commit, read their sessions again.
pub(super) async fn tell_others(tx: &mut WriteTx) -> storage::Result<()> {
    storage::books::book_changed(tx).await?;
    tx.notify().await
}

/// True for the data of a session that was signed in or woken with this key.
pub fn is_by_key(data: &[u8], key: &CredentialId) -> bool {
    serde_json::from_slice::<Data>(data).is_ok_and(|data| text(&data, KEY) == Some(key.as_str()))
}

fn is_of(copy: &Copy, user: &UserId, over: &Over) -> bool {
    let is_meant = match over {
        Over::All(_, kept) => kept.as_ref() != Some(&copy.handle),
        Over::WithKey(key) => copy.key().as_ref() == Some(key),
        Over::Named(handles) => handles.contains(&copy.handle),
    };
    is_meant && copy.user.as_ref() == Some(user)
}

impl SessionStore {
    /// Takes over what the books say of ends.
    pub(crate) fn take_rules(&self, ends: Vec<SessionsEnd>, dead_keys: Vec<CredentialId>) {
        let mut rules = self.rules_mut();
        rules.ends = ends.into_iter().map(|end| (end.user_id, (end.at, end.kept))).collect();
        rules.dead_keys = dead_keys.into_iter().collect();
    }

    /// Ends sessions of a person in this process, also those that come to its knowledge later.
    pub fn end_here(&self, user: &UserId, over: &Over) {
        {
            let mut rules = self.rules_mut();
            match over {
                Over::All(at, kept) => drop(rules.ends_here.insert(user.clone(), (*at, kept.clone()))),
                Over::WithKey(key) => drop(rules.dead_keys_here.insert(key.clone())),
                Over::Named(_) => {}
            }
        }
        for copy in self.copies_mut().all_mut() {
            copy.ended |= is_of(copy, user, over);
        }
    }

    /// The names of sessions of a person that are remembered here and stand.
    pub fn names_here(&self, user: &UserId, over: &Over) -> Vec<String> {
        let copies: std::sync::RwLockReadGuard<'_, Copies> = self.copies();
        copies.all().filter(|copy| !copy.ended && is_of(copy, user, over)).map(|copy| copy.handle.clone()).collect()
    }
}
