//! Where one stream is told things: its socket's writing side, what it has been told, and what its agent said last. Two come here: the fan-out,
//! which says a stop and waits for nothing, and the stream's own loop, which does whatever that left.

use super::{
    tell::{Due, Teller},
    wire::{End, Sent, Wire},
};
use crate::app::check_in::Carries;
use crate::domain::{BotId, Directive, State};
use crate::fleet::{
    Pass, View,
    lines::{self, Told},
};
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
        let speech = Speech { wire, teller, carries: Carries::default(), state, is_cut_short: false };
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

impl lines::Mouth for Mouth {
    fn tell(&self, pass: &mut Pass<'_>) -> Told {
        let told = self.speech.try_lock().map_or(Told::Left, |mut speech| speech.glance(pass, &self.bot));
        if told == Told::Left {
            self.wake.notify_one();
        }
        told
    }
    fn nudge(&self) {
        self.wake.notify_one();
    }
}

impl Speech {
    /// Says what the view makes stricter, without waiting.
    fn glance(&mut self, pass: &mut Pass<'_>, bot: &BotId) -> Told {
        let view = pass.view();
        let Some(bot) = view.bot(bot) else { return Told::Nothing };
        let saying = pass.saying(bot);
        match self.teller.due(&saying.directive, self.state) {
            Due::Nothing => return Told::Nothing,
            Due::Stop if !self.is_cut_short => {}
            Due::Stop | Due::Rise => return Told::Left,
        }
        let Ok(Some(text)) = self.teller.shared_text(view, bot, saying, &self.carries) else { return Told::Left };
        failpoint!("push:before");
        match self.wire.say_now(text) {
            Sent::Whole => {}
            Sent::InPart => self.is_cut_short = true,
            Sent::Not => return Told::Left,
        }
        self.teller.has_said(saying.directive.clone());
        failpoint!("push:said");
        if self.is_cut_short { Told::Left } else { Told::Stop }
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
        let Some(bot) = view.bot(bot) else { return Ok(Looked::Said) };
        let directive = view.directive(bot);
        match self.teller.due(&directive, self.state) {
            Due::Nothing => return Ok(Looked::Said),
            Due::Rise => return Ok(Looked::Rises),
            Due::Stop => {}
        }
        self.teller.stop(view, bot, directive, &self.carries, &mut self.wire).await?;
        Ok(Looked::Said)
    }
}
