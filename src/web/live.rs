//! Live parts of pages: server-sent events that carry text and chips, never a form. At most three streams per session, since a browser
//! keeps six connections to a server and a press must always find one free: the fourth ends the oldest. Who watches is asked again with every
//! look, and at once when rights or sessions change: a stream ends with its session, and when the server stops. Nothing here changes anything.

use super::{extract::Visitor, server::Ending, session};
use crate::app::{App, AppError};
use crate::authz::Actor;
use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tower_sessions::{Session, session::Id};

/// Open streams of one session.
const STREAMS: usize = 3;
/// Between two looks; also the longest a stream outlives its session.
const TICK: Duration = Duration::from_secs(1);
/// A beat every so many ticks.
const BEAT_EVERY: u32 = 2;
/// More than one look sends at once.
const QUEUE: usize = 8;

/// What a page's live part shows.
pub trait Feed: Send + 'static {
    /// What is new since the last call, as whoever watches may see it now: a few events. Called once a second, and when rights change.
    ///
    /// # Errors
    /// Ends the stream; the page says that it has no live figures any more.
    fn news(&mut self, app: &Arc<App>, actor: &Actor) -> impl Future<Output = Result<Vec<Event>, AppError>> + Send;
    /// True when a session that may only stop keeps this stream.
    fn is_for_sleepers(&self) -> bool {
        false
    }
}

/// An event that the page swaps in.
pub fn swap(markup: &str) -> Event {
    Event::default().data(markup.replace('\r', " "))
}

/// The inside of the element with this id, within an event.
pub fn part(id: &str, inside: impl std::fmt::Display) -> String {
    format!(r#"<div id="{id}" hx-swap-oob="innerHTML">{inside}</div>"#)
}

/// Remembers what was sent of each part, so that only changes go out.
#[derive(Debug, Default)]
pub struct Sent(HashMap<String, String>);

impl Sent {
    /// True when this is not what was sent last under this id.
    pub fn is_news(&mut self, id: &str, text: &str) -> bool {
        if self.0.get(id).is_some_and(|last| last == text) {
            return false;
        }
        self.0.insert(id.to_owned(), text.to_owned());
        true
    }
}

struct Open {
    number: u64,
    end: watch::Sender<bool>,
}

#[derive(Default)]
struct Inner {
    open: Mutex<HashMap<Id, Vec<Open>>>,
    count: AtomicU64,
}

/// Every open stream of this process.
#[derive(Clone, Default)]
pub struct Live(Arc<Inner>);

/// Held by a stream while it lives.
struct Ticket {
    live: Live,
    session: Id,
    number: u64,
    superseded: watch::Receiver<bool>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.live.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(streams) = open.get_mut(&self.session) {
            streams.retain(|stream| stream.number != self.number);
            if streams.is_empty() {
                open.remove(&self.session);
            }
        }
    }
}

impl Live {
    fn ticket(&self, session: Id) -> Ticket {
        let number = self.0.count.fetch_add(1, Ordering::Relaxed);
        let (end, superseded) = watch::channel(false);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = open.entry(session).or_default();
        streams.push(Open { number, end });
        let over = streams.len().saturating_sub(STREAMS);
        for oldest in streams.drain(..over) {
            oldest.end.send_replace(true);
        }
        Ticket { live: self.clone(), session, number, superseded }
    }
}

/// A handler's way to a stream: who counts them, and what ends them with the server.
pub struct Door {
    live: Live,
    ending: Option<Ending>,
}

impl<S: Sync> FromRequestParts<S> for Door {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let live = parts.extensions.get::<Live>().cloned().unwrap_or_default();
        Ok(Self { live, ending: parts.extensions.get::<Ending>().cloned() })
    }
}

impl Door {
    /// Opens a stream for a visitor. Without a session there is nothing to watch: the answer is then 204, which ends it.
    pub fn open(self, app: &Arc<App>, visitor: &Visitor, feed: impl Feed) -> Response {
        let Some(session) = visitor.session.id() else { return StatusCode::NO_CONTENT.into_response() };
        let (to, from) = mpsc::channel(QUEUE);
        tokio::spawn(run(app.clone(), self.live.ticket(session), self.ending, feed, to));
        let mut response = Sse::new(ReceiverStream::new(from)).into_response();
        // By itself it would only be asked about again before it is shown from a cache.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

type Out = mpsc::Sender<Result<Event, Infallible>>;

async fn run(app: Arc<App>, mut ticket: Ticket, ending: Option<Ending>, mut feed: impl Feed, to: Out) {
    let mut ends = Box::pin(async move {
        match ending {
            Some(mut ending) => ending.wait().await,
            None => std::future::pending().await,
        }
    });
    let mut moves = app.rights_moves();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for n in 0_u32.. {
        tokio::select! {
            _ = ticks.tick() => {}
            // The sender lives as long as the application.
            _ = moves.changed() => {}
            _ = ticket.superseded.wait_for(|superseded| *superseded) => {
                // A browser that does not read loses this word with the stream.
                let _ = to.try_send(Ok(Event::default().event("superseded").data("1")));
                return;
            }
            () = &mut ends => return say_over(&to, Over::Ended),
            () = to.closed() => return,
        }
        let actor = match watcher(&app, ticket.session, feed.is_for_sleepers()).await {
            Ok(actor) => actor,
            Err(over) => return say_over(&to, over),
        };
        if n % BEAT_EVERY == 0 {
            let now = (app.clock.now().0 / 1_000).to_string();
            let _ = to.try_send(Ok(Event::default().event("beat").data(now)));
        }
        // A browser that is slow to read gets less often what is then newer.
        if to.capacity() < QUEUE - 1 {
            continue;
        }
        match feed.news(&app, &actor).await {
            Ok(news) => {
                for event in news {
                    if to.send(Ok(event)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a live part ended");
                return;
            }
        }
    }
}

/// Why nobody watches any more.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// The session ended, or its person was disabled.
    Ended,
    /// It was idle.
    Idle,
}

/// The last word of a stream, by which the page says what it is no longer. A browser that does not read loses it with the stream.
fn say_over(to: &Out, over: Over) {
    let why = match over {
        Over::Ended => "ended",
        Over::Idle => "idle",
    };
    let _ = to.try_send(Ok(Event::default().event("over").data(why)));
}

/// Whoever watches, with the roles they have now; nobody once the session is over, asleep (where that matters) or its person disabled.
async fn watcher(app: &App, session: Id, for_sleepers: bool) -> Result<Actor, Over> {
    let session = Session::new(Some(session), Arc::new(app.sessions.clone()), None);
    let held = session::read(&session).await;
    let asleep = held.unrecorded || held.is_idle(app.clock.now());
    let actor = held.user.as_ref().and_then(|user| app.actor_of(user, asleep)).ok_or(Over::Ended)?;
    if for_sleepers || !asleep { Ok(actor) } else { Err(Over::Idle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_stream_of_a_session_ends_its_oldest_and_nobody_elses() {
        let live = Live::default();
        let (mine, other) = (Id::default(), Id::default());
        let mut tickets: Vec<Ticket> = [mine, mine, other, mine].map(|session| live.ticket(session)).into();
        let ended = |tickets: &[Ticket]| tickets.iter().map(|ticket| *ticket.superseded.borrow()).collect::<Vec<_>>();
        assert_eq!(ended(&tickets), [false; 4]);
        tickets.push(live.ticket(mine));
        assert_eq!(ended(&tickets), [true, false, false, false, false]);
        drop(tickets.remove(1));
        tickets.push(live.ticket(mine));
        assert_eq!(ended(&tickets), [true, false, false, false, false], "a closed stream leaves its place");
        drop(tickets);
        assert!(live.0.open.lock().unwrap().is_empty());
    }

    #[test]
    fn only_changes_are_news() {
        let mut sent = Sent::default();
        assert!(sent.is_news("a", "1") && !sent.is_news("a", "1") && sent.is_news("a", "2") && sent.is_news("b", "2"));
    }
}
