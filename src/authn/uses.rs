//! When and from where something was last used: noted in memory, so that nobody waits for a database, and written down later.

use crate::domain::Timestamp;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// A last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// From which address.
    pub from: String,
}

/// Last uses by id, and which of them are not written down yet.
pub struct Uses<Id>(Mutex<HashMap<Id, (LastUse, bool)>>);

impl<Id> Default for Uses<Id> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Id: Eq + Hash + Clone> Uses<Id> {
    /// Notes a use.
    pub fn note(&self, id: &Id, at: Timestamp, from: &str) {
        let last = LastUse { at, from: from.to_owned() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), (last, true));
    }
    /// The last use that this process saw.
    pub fn of(&self, id: &Id) -> Option<LastUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(|(last, _)| last.clone())
    }
    /// Uses that are not written down.
    pub fn unwritten(&self) -> Vec<(Id, LastUse)> {
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.iter().filter(|(_, (_, is_new))| *is_new).map(|(id, (last, _))| (id.clone(), last.clone())).collect()
    }
    /// Says that a use was written down; a later one still is not.
    pub fn written(&self, id: &Id, last: &LastUse) {
        if let Some((known, is_new)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            *is_new &= known != last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_that_comes_while_one_is_written_is_written_next() {
        let uses = Uses::<u8>::default();
        uses.note(&1, Timestamp(1), "a");
        let first = uses.unwritten();
        uses.note(&1, Timestamp(2), "b");
        uses.written(&1, &first[0].1);
        assert_eq!(uses.unwritten(), [(1, LastUse { at: Timestamp(2), from: "b".into() })]);
        uses.written(&1, &uses.of(&1).unwrap());
        assert_eq!(uses.unwritten(), []);
    }
}
