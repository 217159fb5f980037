//! What an agent is told on its stream, and what it has been told already. Down at once and from memory; the first directive of a stream is
//! wrapped in its welcome.

use super::wire::{End, Wire, text_of};
use crate::app::{
    App,
    check_in::{Carries, Heard},
};
use crate::domain::{BotFacts, BotId, Directive, Epoch, HoldId, State};
use crate::fleet::{Saying, View};
use crate::protocol::{CheckIn, DirectiveFrame, FromServer, Welcome};
use std::sync::Arc;

/// What this stream has said.
pub(super) struct Teller {
    app: Arc<App>,
    bot: BotId,
    welcomed: bool,
    // Shared with every stream that was told the same.
    told: Option<Arc<Directive>>,
}

/// What is to be done about a directive from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It was said.
    Nothing,
    /// To be said: it lets the agent do no more than it does.
    Stop,
    /// It is freer: that takes a fresh read.
    Rise,
}

impl Teller {
    pub fn new(app: Arc<App>, bot: BotId) -> Self {
        Self { app, bot, welcomed: false, told: None }
    }

    /// True when exactly this was said last. What many were told is nearly always the very same one.
    pub fn knows(&self, directive: &Directive) -> bool {
        self.told.as_deref().is_some_and(|told| std::ptr::eq(told, directive) || told == directive)
    }
    /// The epoch said last.
    pub fn epoch(&self) -> Epoch {
        self.told.as_ref().map_or(Epoch(0), |told| told.epoch)
    }
    /// True once anything was said.
    pub fn has_begun(&self) -> bool {
        self.told.is_some()
    }

    /// What is to be done about a directive from memory. `said` is what the agent said of itself, which counts while it was told nothing.
    pub fn due(&self, directive: &Directive, said: State) -> Due {
        if self.knows(directive) { Due::Nothing } else { due(self.told.as_deref(), directive, said) }
    }

    /// True when the answer to a check-in has to carry the directive: it is news, or the agent does not do or have what it says. A hello was
    /// said before anything was told on this stream: that it does not do what it was told meanwhile means nothing.
    pub fn is_due(&self, heard: &Heard, said: &CheckIn, is_hello: bool) -> bool {
        let (decided, frame) = (&heard.decided, &heard.directive);
        if self.epoch() > decided.epoch {
            return false;
        }
        let carries = |id: &HoldId| said.holds.iter().any(|hold| hold.id == *id);
        let does_other = said.state != Some(decided.state) || said.epoch.is_none_or(|epoch| epoch < decided.epoch);
        !self.knows(decided)
            || (does_other && !is_hello)
            || frame.limits.values.is_some()
            || !frame.recorded.is_empty()
            || !frame.released.is_empty()
            || !frame.unrecorded.iter().all(|hold| carries(&hold.id))
    }

    /// Says a directive that `app` put together.
    pub async fn directive(&mut self, decided: Directive, frame: DirectiveFrame, wire: &mut Wire) -> Result<(), End> {
        let frame = if self.welcomed {
            FromServer::Directive(Box::new(frame))
        } else {
            let timings = self.app.fleet.view().bot(&self.bot).map(|bot| bot.timings).unwrap_or_default();
            FromServer::Welcome(Box::new(Welcome {
                installation: self.app.installation.id.clone(),
                server_time: self.app.clock.now(),
                check_in_ms: timings.check_in_ms,
                stale_after_ms: timings.stale_after_ms,
                lapse_after_ms: timings.lapse_after_ms,
                directive: frame,
            }))
        };
        self.welcomed = true;
        self.told = Some(Arc::new(decided));
        wire.say(&frame).await
    }

    /// Says a stop, from memory alone.
    pub async fn stop(
        &mut self,
        view: &Arc<View>,
        bot: &BotFacts,
        directive: Directive,
        carries: &Carries,
        wire: &mut Wire,
    ) -> Result<(), End> {
        let frame = self.app.stop_frame(view, bot, &directive, carries);
        failpoint!("push:before");
        self.directive(directive, frame, wire).await?;
        failpoint!("push:said");
        Ok(())
    }

    /// A stop in the words that all agents get of which the same is true. None: this one has to be told in words of its own.
    pub fn shared_text(&self, view: &View, bot: &BotFacts, saying: &mut Saying, carries: &Carries) -> Result<Option<Arc<str>>, End> {
        if !self.welcomed || carries.limits_version != Some(bot.limits.version) {
            return Ok(None);
        }
        let write = |directive: &Directive| text_of(&FromServer::Directive(Box::new(self.app.stop_frame(view, bot, directive, carries))));
        saying.text(bot, write).map(Some)
    }

    /// Notes what was said last.
    pub fn has_said(&mut self, directive: Arc<Directive>) {
        self.told = Some(directive);
    }
}

/// What is to be done about a directive that is not the one said last. One of an older view than that is history: the fan-out may come by with
/// it after a start has been told.
fn due(told: Option<&Directive>, directive: &Directive, said: State) -> Due {
    if told.is_some_and(|told| directive.epoch < told.epoch) {
        return Due::Nothing;
    }
    let now = told.map_or(said, |told| told.state);
    let is_stop = may_come_from_memory(directive.state, now) || told.is_some_and(|told| only_blocks(told, directive));
    if is_stop { Due::Stop } else { Due::Rise }
}

/// True when an agent that was told `active` is to leave out more symbols and that is all: a stop, which waits for no database. What it is told
/// names no start, so that one which stands meanwhile is not freed by it.
fn only_blocks(told: &Directive, directive: &Directive) -> bool {
    let both_active = told.state == State::Active && directive.state == State::Active;
    both_active && directive.blocked.len() > told.blocked.len() && told.blocked.iter().all(|one| directive.blocked.contains(one))
}

/// Ruling H1: nothing goes up from memory. `active` stays out altogether: it stands on a start that only the database has.
fn may_come_from_memory(new: State, now: State) -> bool {
    match new {
        State::Halted => true,
        State::Reducing => now >= State::Reducing,
        State::Active => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        directive::{Cover, directive},
        samples,
    };

    #[test]
    fn a_symbol_is_blocked_from_memory_and_freed_by_a_fresh_read() {
        let bot = crate::domain::BotFacts { start_epoch: Epoch(3), ..samples::bot() };
        let btc = crate::domain::Symbol::parse("BTC/USDT").unwrap();
        let hold = samples::hold(crate::domain::Scope::Symbol(btc, None), crate::domain::Level::Reduce, 4);
        let free = directive(&bot, &Cover::default());
        let blocked = directive(&bot, &Cover { open: vec![&hold], latched: Epoch(0), touched: Epoch(4) });
        assert_eq!((free.state, blocked.state), (State::Active, State::Active), "it goes on elsewhere");
        assert_eq!(due(Some(&free), &blocked, State::Active), Due::Stop);
        let freed = Directive { epoch: Epoch(5), ..free.clone() };
        assert_eq!(due(Some(&blocked), &freed, State::Active), Due::Rise);
        assert_eq!(due(None, &blocked, State::Halted), Due::Rise, "who was told nothing yet is freed by nothing from memory");
    }

    #[test]
    fn nothing_goes_up_from_memory() {
        use State::{Active, Halted, Reducing};
        for now in [Halted, Reducing, Active] {
            assert!(may_come_from_memory(Halted, now));
            assert!(!may_come_from_memory(Active, now));
        }
        assert!(!may_come_from_memory(Reducing, Halted));
        assert!(may_come_from_memory(Reducing, Reducing) && may_come_from_memory(Reducing, Active));
    }

    #[test]
    fn a_pass_over_an_older_view_says_nothing_after_a_newer_start() {
        let directive = |epoch: i64, start: i64| {
            let bot = BotFacts { start_epoch: Epoch(start), fact_epoch: Epoch(epoch), ..samples::bot() };
            directive(&bot, &Cover::default())
        };
        let (halted, active, halted_again) = (directive(11, 0), directive(12, 12), directive(13, 0));
        assert_eq!([halted.state, active.state, halted_again.state], [State::Halted, State::Active, State::Halted]);
        assert_eq!(due(Some(&active), &halted, State::Active), Due::Nothing, "an outdated stop");
        assert_eq!(due(Some(&active), &halted_again, State::Active), Due::Stop);
        assert_eq!(due(Some(&halted_again), &active, State::Halted), Due::Nothing, "an outdated start");
        assert_eq!(due(Some(&halted), &active, State::Halted), Due::Rise);
        assert_eq!(due(None, &halted, State::Active), Due::Stop);
    }
}
