//! One stream after its hello. Stops are said by the fan-out; where that could not, the loop does it before anything else, so that a stop never
//! waits behind a check-in, a report, a hold or a database. What takes time runs beside the loop and is answered when it is done.

use super::{
    hear::{self, Heard as Said, Pace},
    hello,
    mouth::{Looked, Mouth},
    wire::End,
};
use crate::app::{
    App, AppError,
    agent_book::LiveAgent,
    check_in::{Carries, Heard, Unheard, VIEW_TOO_OLD},
    holds::Placed,
    sites::ANOTHER_SITES_COPY,
};
use crate::domain::{BootId, Directive, HoldId};
use crate::fleet::{Ended, lines::LineGuard, lines::Mouth as _};
use crate::protocol::{CheckIn, DirectiveFrame, FillFrame, FillsTaken, FromServer, Hello, HoldFrame, KeyOrder, close};
use axum::extract::ws::WebSocket;
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{FuturesUnordered, SplitStream},
};
use std::{collections::VecDeque, convert::Infallible, future::pending, sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until},
};

/// How many check-ins wait at most; a newer one then takes the place of the oldest, which it says better.
const WAITING: usize = 8;
/// How many batches of fills wait for the disk at once; one more is refused, and sent again.
const FILLS_WAITING: usize = 8;
/// How long a stream that ends for too many frames may take to answer those it took.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// What an agent is told whose fills are not on disk.
const FILLS_NOT_TAKEN: &str = "fills not taken";

type Answered = Box<(Box<CheckIn>, Result<Heard, Unheard>)>;
type Risen = Result<(Directive, DirectiveFrame), Unheard>;
type HoldTaken = (HoldId, Result<Placed, AppError>);

/// What the loop wakes for, in the order in which it looks.
enum News {
    Woken,
    Ended(End),
    Answered(Answered),
    Risen(Risen),
    Hold(Result<HoldTaken, JoinError>),
    Quiet,
    Said(Result<Said, End>),
}

/// One stream.
pub(super) struct Session<'a> {
    app: &'a Arc<App>,
    agent: &'a Arc<LiveAgent>,
    mouth: &'a Arc<Mouth>,
    boot: BootId,
    apply_within_ms: Option<i64>,
    // Open once this boot is known to be the newest: an older one closes nothing (ruling H8).
    line: Option<LineGuard<'a>>,
    greeted: bool,
    // Boxed: most of the time nothing waits, and ten thousand streams have this.
    waiting: VecDeque<Box<CheckIn>>,
    working: Option<BoxFuture<'a, Answered>>,
    rising: Option<BoxFuture<'a, Risen>>,
    holds: FuturesUnordered<JoinHandle<HoldTaken>>,
    telling_keys: Option<JoinHandle<()>>,
    // Empty most of the time, and nothing is set aside for it then.
    taking_fills: Vec<JoinHandle<()>>,
    pace: Pace,
    said_at: Instant,
    // When a stream that sends too much ends at the latest.
    leaving: Option<Instant>,
}

impl<'a> Session<'a> {
    /// A stream whose agent has said hello.
    pub fn new(app: &'a Arc<App>, agent: &'a Arc<LiveAgent>, mouth: &'a Arc<Mouth>, hello: &Hello) -> Self {
        let now = Instant::now();
        Self {
            app,
            agent,
            mouth,
            boot: hello.boot.clone(),
            apply_within_ms: hello.apply_within_ms,
            line: None,
            greeted: false,
            waiting: VecDeque::new(),
            working: None,
            rising: None,
            holds: FuturesUnordered::new(),
            telling_keys: None,
            taking_fills: Vec::new(),
            pace: Pace::new(now),
            said_at: now,
            leaving: None,
        }
    }

    /// Runs until the stream ends; says why.
    pub async fn run(mut self, hello: Box<Hello>, frames: &mut SplitStream<WebSocket>) -> End {
        self.take_check_in(hello::as_check_in(*hello)).await;
        match self.serve(frames).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self, frames: &mut SplitStream<WebSocket>) -> Result<Infallible, End> {
        // An agent that comes back within its boot is heard at once, whatever its check-in has to wait for.
        if self.app.is_newest_boot(self.agent, &self.boot) {
            self.accept()?;
        }
        let mut quiet = std::pin::pin!(sleep_until(self.quiet_until()));
        loop {
            let news = tokio::select! {
                biased;
                () = self.mouth.woken() => News::Woken,
                end = ended(&mut self.line) => News::Ended(end),
                answered = when(&mut self.working) => News::Answered(answered),
                risen = when(&mut self.rising) => News::Risen(risen),
                Some(taken) = self.holds.next() => News::Hold(taken),
                () = &mut quiet => News::Quiet,
                () = at(self.leaving) => News::Ended(overloaded()),
                said = hear::next(&self.app.lines, frames), if self.leaving.is_none() => News::Said(hear::read(said)),
            };
            match news {
                // What is done with news is boxed: it is over in a moment, and its state would stay with every stream.
                News::Woken => Box::pin(self.look()).await?,
                News::Ended(end) => return Err(end),
                News::Answered(answered) => {
                    let (said, heard) = *answered;
                    self.working = None;
                    self.work();
                    Box::pin(self.answer(&said, heard)).await?;
                }
                News::Risen(risen) => {
                    self.rising = None;
                    Box::pin(self.tell_risen(risen)).await?;
                }
                News::Hold(taken) => Box::pin(self.tell_hold(taken)).await?,
                News::Quiet if Instant::now() >= self.quiet_until() => return Err(End::with(close::NO_HELLO, "silent for too long")),
                News::Quiet => quiet.as_mut().reset(self.quiet_until()),
                News::Said(said) => Box::pin(self.take(said?)).await?,
            }
            if self.leaving.is_some() && self.working.is_none() && self.holds.is_empty() {
                return Err(overloaded());
            }
        }
    }

    /// Whatever the fan-out left: what the snapshot says of this bot.
    async fn look(&mut self) -> Result<(), End> {
        let view = self.app.fleet.view();
        let mut speech = self.mouth.speech().await;
        if matches!(speech.look(&view, &self.agent.bot).await?, Looked::Rises) && speech.teller.has_begun() && self.rising.is_none() {
            let (app, agent, boot, carries) = (self.app, self.agent, self.boot.clone(), speech.carries.clone());
            self.rising = Some(Box::pin(async move { app.risen(agent, Some(&boot), &carries).await }));
        }
        Ok(())
    }

    /// Says what a fresh read said. Without one nothing is said: the next check-in asks again.
    async fn tell_risen(&mut self, risen: Risen) -> Result<(), End> {
        let (directive, frame) = match risen {
            Ok(risen) => risen,
            Err(Unheard::Replaced) => return Err(End::replaced()),
            Err(Unheard::CredentialEnded | Unheard::ViewTooOld | Unheard::AnotherSite) => return Ok(()),
        };
        {
            let mut speech = self.mouth.speech().await;
            // A stop that was said meanwhile stands.
            if !speech.teller.knows(&directive) && speech.teller.epoch() <= directive.epoch {
                speech.directive(directive, frame).await?;
            }
        }
        self.look().await
    }

    async fn take(&mut self, said: Said) -> Result<(), End> {
        self.said_at = Instant::now();
        if !self.pace.spend(self.said_at) {
            self.leaving = Some(self.said_at + LEAVE_WITHIN);
            return self
                .mouth
                .error("too many frames", "More than 50 frames a second; what came before is answered, then this stream ends.")
                .await;
        }
        match said {
            Said::CheckIn(mut said) => {
                if said.boot.as_ref().is_some_and(|boot| *boot != self.boot) {
                    return Err(End::malformed("one stream is one boot"));
                }
                said.boot = Some(self.boot.clone());
                self.take_check_in(said).await;
                Ok(())
            }
            Said::Ack(frame) => match self.app.acknowledge(self.agent, &frame) {
                // In memory from here on; nobody on a stream waits for the disk.
                Ok(_) => Ok(()),
                Err(error) => self.mouth.error("ack not taken", error.to_string()).await,
            },
            Said::Event(frame) => {
                let _ = self.app.take_event(self.agent, &frame);
                Ok(())
            }
            Said::KeyAck(frame) => {
                self.app.note_key_ack(self.agent, &frame);
                Ok(())
            }
            Said::Hold(frame) => {
                self.take_hold(frame);
                Ok(())
            }
            Said::Fills(frames) => self.take_fills(frames).await,
            Said::Hello(_) => self.mouth.error("hello again", "A stream has one hello; check in instead.").await,
            Said::Unknown(word) => self.mouth.error("unknown type", format!("This server does not know frames of type {word}.")).await,
            Said::Nothing => Ok(()),
        }
    }

    async fn take_check_in(&mut self, said: Box<CheckIn>) {
        {
            let mut speech = self.mouth.speech().await;
            speech.carries =
                Carries { holds: said.holds.iter().map(|hold| hold.id.clone()).collect(), limits_version: said.limits_version };
            speech.state = said.state.unwrap_or(speech.state);
        }
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
    async fn answer(&mut self, said: &CheckIn, heard: Result<Heard, Unheard>) -> Result<(), End> {
        let is_hello = !std::mem::replace(&mut self.greeted, true);
        let heard = match heard {
            Ok(heard) => heard,
            Err(Unheard::Replaced) => return Err(End::replaced()),
            Err(Unheard::CredentialEnded) => return Err(End::credential()),
            Err(Unheard::AnotherSite) => return self.mouth.error(ANOTHER_SITES_COPY, super::super::ANOTHER_SITE_SAID).await,
            Err(Unheard::ViewTooOld) => {
                return self.mouth.error(VIEW_TOO_OLD, "The server cannot read its database; nothing is renewed. Go on as you are.").await;
            }
        };
        self.accept()?;
        let mut speech = self.mouth.speech().await;
        if speech.teller.is_due(&heard, said, is_hello) {
            speech.directive(heard.decided, heard.directive).await?;
        }
        // After the directive: what was sealed waits for this mouth as everybody does.
        self.tell_keys(said);
        if let Some(ms) = self.apply_within_ms.take() {
            super::super::check_in::note_apply_within(self.app, &self.agent.bot, &self.boot, ms);
        }
        if is_hello {
            return Ok(());
        }
        match (heard.renew, heard.unsure) {
            (Some(renew), _) if renew.epoch >= speech.teller.epoch() => speech.wire.say(&FromServer::Renew(renew)).await,
            (None, Some(title)) => speech.wire.error(title, "This check-in renews nothing; the next one may.").await,
            _ => Ok(()),
        }
    }

    /// Says what is to be done with keys, in a task of its own: what was sealed is read from the database, and no stop waits for that.
    fn tell_keys(&mut self, said: &CheckIn) {
        let due = self.app.keys_due(self.agent, &said.key_versions);
        if due.is_empty() || self.telling_keys.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (app, agent, mouth) = (self.app.clone(), self.agent.clone(), self.mouth.clone());
        self.telling_keys = Some(tokio::spawn(async move {
            for order in app.key_orders(&agent, due).await {
                let frame = match order {
                    KeyOrder::Key(key) => FromServer::Key(key),
                    KeyOrder::KeyDrop(key) => FromServer::KeyDrop(key),
                    KeyOrder::Unknown => continue,
                };
                if mouth.speech().await.wire.say(&frame).await.is_err() {
                    return;
                }
            }
        }));
    }

    /// In a task of its own: they are answered once they are on disk, and no check-in waits for that.
    async fn take_fills(&mut self, frames: Vec<FillFrame>) -> Result<(), End> {
        self.taking_fills.retain(|task| !task.is_finished());
        if self.taking_fills.len() >= FILLS_WAITING {
            return self
                .mouth
                .error(FILLS_NOT_TAKEN, "Too many batches wait for the disk. Send this one again once those are answered.")
                .await;
        }
        let (app, agent, mouth) = (self.app.clone(), self.agent.clone(), self.mouth.clone());
        self.taking_fills.push(tokio::spawn(async move {
            // Whoever cannot be told any more sends them again.
            let _ = match app.take_fills(&agent, &frames).await {
                Ok(taken) => {
                    let ids = frames.into_iter().map(|fill| fill.id).collect();
                    let taken = FillsTaken { ids, ..taken };
                    mouth.speech().await.wire.say(&FromServer::FillsTaken(taken)).await
                }
                Err(AppError::Unavailable(error)) => {
                    tracing::warn!(%error, bot = %agent.bot, "fills could not be kept; their agent sends them again");
                    mouth.error(FILLS_NOT_TAKEN, "The database did not take them yet. Send them again.").await
                }
                Err(error) => mouth.error(FILLS_NOT_TAKEN, format!("None of them was taken: {error}.")).await,
            };
        }));
        Ok(())
    }

    async fn tell_hold(&mut self, taken: Result<HoldTaken, JoinError>) -> Result<(), End> {
        match taken {
            Ok((_, Ok(_))) => Ok(()),
            Ok((id, Err(error))) => self.mouth.error("hold not placed", format!("hold {id}: {error}")).await,
            Err(error) => {
                tracing::error!(%error, "a hold of an agent was not placed");
                self.mouth.error("hold not placed", "A fault of the server. Halt the bot.").await
            }
        }
    }

    /// Takes the place of this agent's older stream.
    fn accept(&mut self) -> Result<(), End> {
        if self.line.is_some() {
            return Ok(());
        }
        self.line = Some(self.app.lines.open(&self.agent.bot, &self.agent.id, self.mouth.clone()));
        // The fan-out may have passed by a moment ago.
        self.mouth.nudge();
        // Whoever ends a credential ends its line afterwards. One that ended before this line was open is seen here.
        let live = self.app.agents().of_bot(&self.agent.bot);
        if live.is_some_and(|live| live.id == self.agent.id) { Ok(()) } else { Err(End::credential()) }
    }

    fn quiet_until(&self) -> Instant {
        let lapse_after_ms = self.app.fleet.view().bot(&self.agent.bot).map_or(30_000, |bot| bot.timings.lapse_after_ms);
        self.said_at + Duration::from_millis(lapse_after_ms.unsigned_abs())
    }
}

/// Waits for this moment; for ever when there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
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
