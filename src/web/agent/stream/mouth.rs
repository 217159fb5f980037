//! Where one stream is told things: its socket's writing side, what it has been told, and what its agent said last. Two come here: the fan-out,
//! which says a stop and waits for nothing, and the stream's own loop, which does whatever that left.

use super::{
    tell::Teller,
    wire::{End, Sent, Wire},
};
use crate::app::check_in::Carries;
use crate::domain::{BotId, Directive, State};
use crate::fleet::{Pass, View, mouths};
use crate::protocol::DirectiveFrame;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, Notify};

/// The mouth of one stream.
pub(super) struct Mouth {
    bot: BotId,
    speech: Mutex<Speech>,
    wake: Notify,
}

/// What is said, and what was.
pub(super) struct Speech {
    pub wire: Wire,
    pub teller: Teller,
    /// What the agent holds of the server's knowledge, as it said last.
    pub carries: Carries,
    /// What the bot does, as it said last.
    pub state: State,
    /// This boot is known to be the newest: before that nothing is told.
    pub is_open: bool,
    /// The fan-out began to write and the socket took only a part.
    is_cut_short: bool,
}

/// What a look at the view came to.
pub(super) enum Looked {
    /// Nothing is left to say.
    Said,
    /// The directive got freer: that takes a fresh read.
    Rises,
}

impl Mouth {
    pub fn new(bot: BotId, wire: Wire, teller: Teller, state: State) -> Self {
        let speech = Speech { wire, teller, carries: Carries::default(), state, is_open: false, is_cut_short: false };
        Self { bot, speech: Mutex::new(speech), wake: Notify::new() }
    }
    /// To speak, or to change what is known of the agent. The fan-out passes by meanwhile and wakes the stream.
    pub async fn speech(&self) -> MutexGuard<'_, Speech> {
        self.speech.lock().await
    }
    /// Says that something could not be done.
    pub async fn error(&self, title: &str, detail: impl Into<String>) -> Result<(), End> {
        self.speech().await.wire.error(title, detail).await
    }
    /// Waits until the stream is to look for itself.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl mouths::Mouth for Mouth {
    fn tell(&self, pass: &mut Pass<'_>) {
        let is_said = self.speech.try_lock().is_ok_and(|mut speech| speech.glance(pass, &self.bot));
        if !is_said {
            self.wake.notify_one();
        }
    }
    fn nudge(&self) {
        self.wake.notify_one();
    }
}

impl Speech {
    /// Says what the view makes stricter, without waiting. False: the stream is to look for itself.
    fn glance(&mut self, pass: &mut Pass<'_>, bot: &BotId) -> bool {
        let view = pass.view();
        let Some(bot) = view.bot(bot).filter(|_| self.is_open) else { return true };
        let saying = pass.saying(bot);
        if self.teller.has_told(&saying.directive) {
            return true;
        }
        if self.is_cut_short || !self.teller.goes_down(&saying.directive, self.state) {
            return false;
        }
        let Ok(Some(text)) = self.teller.shared_text(view, bot, saying, &self.carries) else { return false };
        failpoint!("push:before");
        match self.wire.say_now(text) {
            Sent::Whole => {}
            Sent::InPart => self.is_cut_short = true,
            Sent::Not => return false,
        }
        self.teller.has_said(saying.directive.clone());
        failpoint!("push:said");
        !self.is_cut_short
    }

    /// Says a directive that `app` put together.
    pub async fn directive(&mut self, decided: Directive, frame: DirectiveFrame) -> Result<(), End> {
        self.teller.directive(decided, frame, &mut self.wire).await
    }

    /// Says what the view makes stricter, however long the socket takes.
    pub async fn look(&mut self, view: &Arc<View>, bot: &BotId) -> Result<Looked, End> {
        if std::mem::take(&mut self.is_cut_short) {
            self.wire.flush().await?;
        }
        let Some(bot) = view.bot(bot).filter(|_| self.is_open) else { return Ok(Looked::Said) };
        let directive = view.directive(bot);
        if self.teller.knows(&directive) {
            return Ok(Looked::Said);
        }
        if !self.teller.goes_down(&directive, self.state) {
            return Ok(Looked::Rises);
        }
        self.teller.stop(view, bot, directive, &self.carries, &mut self.wire).await?;
        Ok(Looked::Said)
    }
}
