//! One pass of the fan-out: what each bot is told under one view. Bots of one posture are told the same, which is put together and written
//! once: a fleet hold is one text for ten thousand streams (ruling C13).

use super::View;
use crate::domain::{BotFacts, Directive, directive::Posture};
use std::{collections::HashMap, sync::Arc};

/// A pass.
pub struct Pass<'v> {
    view: &'v Arc<View>,
    sayings: HashMap<Posture<'v>, Saying>,
}

/// What bots of one posture are told.
pub struct Saying {
    /// The directive, shared by all who got it.
    pub directive: Arc<Directive>,
    // By limits version and lease: of those there are few.
    texts: Vec<((i64, i64), Arc<str>)>,
}

impl<'v> Pass<'v> {
    /// Under this view.
    pub fn new(view: &'v Arc<View>) -> Self {
        Self { view, sayings: HashMap::new() }
    }
    /// The view.
    pub fn view(&self) -> &'v Arc<View> {
        self.view
    }
    /// What a bot of this view is told.
    pub fn saying(&mut self, bot: &'v BotFacts) -> &mut Saying {
        self.sayings
            .entry(self.view.posture(bot))
            .or_insert_with_key(|posture| Saying { directive: Arc::new(posture.directive()), texts: Vec::new() })
    }
}

impl Saying {
    /// The text for bots with these limits and this lease; `write` makes it when nobody needed it yet.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn text<E>(&mut self, bot: &BotFacts, write: impl FnOnce(&Directive) -> Result<String, E>) -> Result<Arc<str>, E> {
        let key = (bot.limits.version, bot.timings.lapse_after_ms);
        if let Some((_, text)) = self.texts.iter().find(|(known, _)| *known == key) {
            return Ok(text.clone());
        }
        let text = Arc::<str>::from(write(&self.directive)?);
        self.texts.push((key, text.clone()));
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
