//! Directives that are equal are serialised once: a fleet hold is one text for ten thousand streams (ruling C13). Kept for one view only,
//! since the next one changes what is said.

use super::View;
use crate::domain::Directive;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Everything that a directive's text depends on, the view aside. Only directives that carry no limits, no start and nothing about carried
/// holds are shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// What the bot may do.
    pub directive: Arc<Directive>,
    /// The limits version that the agent has.
    pub limits_version: i64,
    /// Its lease.
    pub lease_ms: i64,
}

#[derive(Default)]
struct Kept {
    of: Arc<View>,
    texts: HashMap<FrameKey, (Arc<Directive>, Arc<str>)>,
}

/// The texts of the latest view.
#[derive(Default)]
pub struct Frames(Mutex<Kept>);

impl Frames {
    /// The text for this key under this view, with the directive that all who got it share; `write` makes it when nobody has yet.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn text<E>(
        &self,
        view: &Arc<View>,
        key: FrameKey,
        write: impl FnOnce() -> Result<String, E>,
    ) -> Result<(Arc<Directive>, Arc<str>), E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&kept.of, view) {
            *kept = Kept { of: view.clone(), texts: HashMap::new() };
        }
        if let Some(known) = kept.texts.get(&key) {
            return Ok(known.clone());
        }
        let made = (key.directive.clone(), Arc::<str>::from(write()?));
        kept.texts.insert(key, made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Epoch, Exits, Orders, State};

    fn key(epoch: i64) -> FrameKey {
        let directive = Directive {
            epoch: Epoch(epoch),
            state: State::Halted,
            orders: Orders::CancelEntries,
            exits: Exits::Managed,
            drop_keys: false,
            reasons: Vec::new(),
            holds: Vec::new(),
        };
        FrameKey { directive: Arc::new(directive), limits_version: 0, lease_ms: 30_000 }
    }

    #[test]
    fn equal_directives_share_one_text_until_the_view_changes() {
        let frames = Frames::default();
        let mut written = 0;
        let mut text = |view: &Arc<View>, epoch| {
            let write = || {
                written += 1;
                Ok::<_, std::convert::Infallible>(format!("text {written}"))
            };
            frames.text(view, key(epoch), write).unwrap().1.to_string()
        };
        let (first, second) = (Arc::new(View::default()), Arc::new(View::default()));
        assert_eq!(text(&first, 5), "text 1");
        assert_eq!(text(&first, 5), "text 1");
        assert_eq!(text(&first, 6), "text 2");
        assert_eq!(text(&second, 5), "text 3");
    }
}
