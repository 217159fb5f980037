//! One stream after its hello. The loop looks at the snapshot before anything else, so that a stop never waits behind a check-in, a
//! report, a hold or a database; what takes time runs beside the loop and is answered when it is done.

use super::{
    hear::{self, Heard as Said, Pace},
    hello,
    tell::Teller,
    wire::{End, Wire},
};
use crate::app::{
    App, AppError,
    agent_book::LiveAgent,
    check_in::{Carries, Heard, Unheard, VIEW_TOO_OLD},
    holds::Placed,
};
use crate::domain::{BootId, Directive, HoldId, State};
use crate::fleet::{BootStanding, Ended, View, lines::LineGuard};
use crate::protocol::{CheckIn, DirectiveFrame, FromServer, Hello, HoldFrame, close};
use axum::extract::ws::WebSocket;
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{FuturesUnordered, SplitStream},
};
use std::{collections::VecDeque, convert::Infallible, future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
    time::{MissedTickBehavior, interval},
};

/// How many check-ins wait at most; a newer one then takes the place of the oldest, which it says better.
const WAITING: usize = 8;
/// How long a stream that ends for too many frames may take to answer those it took, seconds.
const LEAVE_WITHIN: u32 = 5;

type Answered = Box<(CheckIn, Result<Heard, Unheard>)>;
type Risen = Result<(Directive, DirectiveFrame), Unheard>;
type HoldTaken = (HoldId, Result<Placed, AppError>);

/// What the loop wakes for, in the order in which it looks.
enum News {
    View,
    Ended(End),
    Answered(Answered),
    Risen(Risen),
    Hold(Result<HoldTaken, JoinError>),
    Second,
    Said(Result<Said, End>),
}

/// One stream.
pub(super) struct Session<'a> {
    app: &'a Arc<App>,
    agent: &'a Arc<LiveAgent>,
    boot: BootId,
    state: State,
    apply_within_ms: Option<i64>,
    carries: Carries,
    // Open once this boot is known to be the newest: an older one closes nothing (ruling H8).
    line: Option<LineGuard<'a>>,
    view: watch::Receiver<Arc<View>>,
    teller: Teller<'a>,
    greeted: bool,
    waiting: VecDeque<CheckIn>,
    working: Option<BoxFuture<'a, Answered>>,
    rising: Option<BoxFuture<'a, Risen>>,
    holds: FuturesUnordered<JoinHandle<HoldTaken>>,
    pace: Pace,
    quiet_s: u32,
    leaving: Option<u32>,
}

impl<'a> Session<'a> {
    /// A stream whose agent has said hello.
    pub fn new(app: &'a Arc<App>, agent: &'a Arc<LiveAgent>, hello: Hello) -> Self {
        let (boot, state, apply_within_ms) = (hello.boot.clone(), hello.state, hello.apply_within_ms);
        let mut session = Self {
            app,
            agent,
            boot,
            state,
            apply_within_ms,
            carries: Carries::default(),
            line: None,
            view: app.fleet.subscribe(),
            teller: Teller::new(app, &agent.bot),
            greeted: false,
            waiting: VecDeque::new(),
            working: None,
            rising: None,
            holds: FuturesUnordered::new(),
            pace: Pace::new(),
            quiet_s: 0,
            leaving: None,
        };
        session.take_check_in(hello::as_check_in(hello));
        session
    }

    /// Runs until the stream ends; says why.
    pub async fn run(mut self, wire: &mut Wire, frames: &mut SplitStream<WebSocket>) -> End {
        match self.serve(wire, frames).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self, wire: &mut Wire, frames: &mut SplitStream<WebSocket>) -> Result<Infallible, End> {
        // An agent that comes back within its boot is heard at once, whatever its check-in has to wait for.
        if self.app.book.standing(&self.agent.bot, &self.agent.id, &self.boot) == BootStanding::Newest {
            self.accept()?;
        }
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.tick().await;
        loop {
            let news = tokio::select! {
                biased;
                changed = self.view.changed() => changed.map_or_else(|_| News::Ended(restart()), |()| News::View),
                end = ended(&mut self.line) => News::Ended(end),
                answered = when(&mut self.working) => News::Answered(answered),
                risen = when(&mut self.rising) => News::Risen(risen),
                Some(taken) = self.holds.next() => News::Hold(taken),
                _ = seconds.tick() => News::Second,
                said = frames.next(), if self.leaving.is_none() => News::Said(hear::read(said)),
            };
            match news {
                News::View => self.look(wire).await?,
                News::Ended(end) => return Err(end),
                News::Answered(answered) => {
                    let (said, heard) = *answered;
                    self.working = None;
                    self.work();
                    self.answer(&said, heard, wire).await?;
                }
                News::Risen(risen) => {
                    self.rising = None;
                    self.tell_risen(risen, wire).await?;
                }
                News::Hold(taken) => self.tell_hold(taken, wire).await?,
                News::Second => self.second()?,
                News::Said(said) => self.take(said?, wire).await?,
            }
            if self.leaving.is_some() && self.working.is_none() && self.holds.is_empty() {
                return Err(overloaded());
            }
        }
    }

    /// The stop path: what the snapshot says of this bot, said at once when it goes down.
    async fn look(&mut self, wire: &mut Wire) -> Result<(), End> {
        let view = self.view.borrow_and_update().clone();
        if self.line.is_none() {
            return Ok(());
        }
        let Some(bot) = view.bot(&self.agent.bot) else { return Ok(()) };
        let directive = view.directive(bot);
        if self.teller.knows(&directive) {
            return Ok(());
        }
        if self.teller.goes_down(&directive, self.state) {
            self.rising = None;
            return self.teller.stop(&view, bot, directive, &self.carries, wire).await;
        }
        if self.teller.has_begun() && self.rising.is_none() {
            let (app, agent, carries) = (self.app, self.agent, self.carries.clone());
            self.rising = Some(Box::pin(async move { app.risen(&agent.bot, &carries).await }));
        }
        Ok(())
    }

    /// Says what a fresh read said. Without one nothing is said: the next check-in asks again.
    async fn tell_risen(&mut self, risen: Risen, wire: &mut Wire) -> Result<(), End> {
        let Ok((directive, frame)) = risen else { return Ok(()) };
        if !self.teller.knows(&directive) && self.teller.epoch() <= directive.epoch {
            self.teller.directive(directive, frame, wire).await?;
        }
        self.look(wire).await
    }

    async fn take(&mut self, said: Said, wire: &mut Wire) -> Result<(), End> {
        self.quiet_s = 0;
        if !self.pace.spend() {
            self.leaving = Some(0);
            return wire
                .error("too many frames", "More than 50 frames a second; what came before is answered, then this stream ends.")
                .await;
        }
        match said {
            Said::CheckIn(said) => {
                if said.boot.as_ref().is_some_and(|boot| *boot != self.boot) {
                    return Err(End::malformed("one stream is one boot"));
                }
                self.take_check_in(CheckIn { boot: Some(self.boot.clone()), ..*said });
                Ok(())
            }
            Said::Ack(frame) => match self.app.acknowledge(self.agent, &frame) {
                // In memory from here on; nobody on a stream waits for the disk.
                Ok(_) => Ok(()),
                Err(error) => wire.error("ack not taken", error.to_string()).await,
            },
            Said::Event(frame) => {
                let _ = self.app.take_event(self.agent, &frame);
                Ok(())
            }
            Said::Hold(frame) => {
                self.take_hold(frame);
                Ok(())
            }
            Said::Hello(_) => wire.error("hello again", "A stream has one hello; check in instead.").await,
            Said::Unknown(word) => wire.error("unknown type", format!("This server does not know frames of type {word}.")).await,
            Said::Nothing => Ok(()),
        }
    }

    fn take_check_in(&mut self, said: CheckIn) {
        self.carries = Carries { holds: said.holds.iter().map(|hold| hold.id.clone()).collect(), limits_version: said.limits_version };
        self.state = said.state.unwrap_or(self.state);
        self.waiting.push_back(said);
        if self.waiting.len() > WAITING {
            let lapsed = self.waiting.pop_front().is_some_and(|oldest| oldest.lapsed);
            if let Some(next) = self.waiting.front_mut() {
                next.lapsed |= lapsed;
            }
        }
        self.work();
    }

    /// Begins with the next check-in when none is being answered.
    fn work(&mut self) {
        if self.working.is_none()
            && let Some(said) = self.waiting.pop_front()
        {
            let (app, agent) = (self.app, self.agent);
            self.working = Some(Box::pin(async move {
                let heard = app.check_in(agent, &said, "stream").await;
                Box::new((said, heard))
            }));
        }
    }

    /// In a task of its own: a hold that came is placed, whatever becomes of the stream.
    fn take_hold(&mut self, frame: HoldFrame) {
        let (app, agent) = (self.app.clone(), self.agent.clone());
        self.holds.push(tokio::spawn(async move {
            let placed = app.agent_hold(&agent, &frame).await;
            (frame.id, placed)
        }));
    }

    /// Answers a check-in: the directive when it is due, then the renewal.
    async fn answer(&mut self, said: &CheckIn, heard: Result<Heard, Unheard>, wire: &mut Wire) -> Result<(), End> {
        let is_hello = !std::mem::replace(&mut self.greeted, true);
        let heard = match heard {
            Ok(heard) => heard,
            Err(Unheard::Replaced) => return Err(End::replaced()),
            Err(Unheard::CredentialEnded) => return Err(End::credential()),
            Err(Unheard::ViewTooOld) => {
                return wire.error(VIEW_TOO_OLD, "The server cannot read its database; nothing is renewed. Go on as you are.").await;
            }
        };
        self.accept()?;
        if self.teller.is_due(&heard, said) {
            self.teller.directive(heard.decided, heard.directive, wire).await?;
        }
        if is_hello {
            self.app.end_old_token(self.agent, &self.boot);
            if let Some(ms) = self.apply_within_ms {
                super::super::check_in::note_apply_within(self.app, &self.agent.bot, &self.boot, ms);
            }
            return Ok(());
        }
        match (heard.renew, heard.unsure) {
            (Some(renew), _) if renew.epoch >= self.teller.epoch() => wire.say(&FromServer::Renew(renew)).await,
            (None, Some(title)) => wire.error(title, "This check-in renews nothing; the next one may.").await,
            _ => Ok(()),
        }
    }

    async fn tell_hold(&mut self, taken: Result<HoldTaken, JoinError>, wire: &mut Wire) -> Result<(), End> {
        match taken {
            Ok((_, Ok(_))) => Ok(()),
            Ok((id, Err(error))) => wire.error("hold not placed", format!("hold {id}: {error}")).await,
            Err(error) => {
                tracing::error!(%error, "a hold of an agent was not placed");
                wire.error("hold not placed", "A fault of the server. Halt the bot.").await
            }
        }
    }

    /// Takes the place of this agent's older stream.
    fn accept(&mut self) -> Result<(), End> {
        if self.line.is_some() {
            return Ok(());
        }
        self.line = Some(self.app.lines.open(&self.agent.bot, &self.agent.id));
        // Whoever ends a credential ends its line afterwards. One that ended before this line was open is seen here.
        let live = self.app.agents().of_bot(&self.agent.bot);
        if live.is_some_and(|live| live.id == self.agent.id) { Ok(()) } else { Err(End::credential()) }
    }

    fn second(&mut self) -> Result<(), End> {
        self.pace.second();
        self.quiet_s += 1;
        let lapse_after_ms = self.app.fleet.view().bot(&self.agent.bot).map_or(30_000, |bot| bot.timings.lapse_after_ms);
        if i64::from(self.quiet_s) * 1_000 > lapse_after_ms {
            return Err(End::with(close::NO_HELLO, "silent for too long"));
        }
        if let Some(seconds) = &mut self.leaving {
            *seconds += 1;
            if *seconds > LEAVE_WITHIN {
                return Err(overloaded());
            }
        }
        Ok(())
    }
}

/// What is in work, when something is.
async fn when<T>(working: &mut Option<BoxFuture<'_, T>>) -> T {
    match working {
        Some(working) => working.await,
        None => pending().await,
    }
}

/// Why the line ends, once it does.
async fn ended(line: &mut Option<LineGuard<'_>>) -> End {
    let Some(line) = line else { return pending().await };
    let why = line.end.wait_for(|end| *end != Ended::Not).await.map(|end| *end);
    match why {
        Ok(Ended::CredentialEnded) => End::credential(),
        Ok(Ended::Restart) => restart(),
        Ok(Ended::Replaced | Ended::Not) | Err(_) => End::replaced(),
    }
}

fn restart() -> End {
    End::with(close::RESTART, "the server restarts")
}

fn overloaded() -> End {
    End::with(close::OVERLOADED, "too many frames")
}
