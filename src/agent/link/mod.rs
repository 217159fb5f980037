//! The line to the server: poll first, then the stream; poll again for as long as no stream is welcomed. It carries news to the runner and
//! standing, acknowledgements and events to the server, and decides nothing.

mod backoff;
mod fills;
mod poll;
mod rotate;
mod say;
mod stream;
pub mod trust;
pub mod wire;

pub use say::Sent;

use super::{BootClock, brain::Patience, credential::Keeper, desk::DeskEnds, standing::Standing};
use crate::domain::{BootId, Clock, InstallationId};
use crate::protocol::{DirectiveFrame, KeyOrder};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};
use wire::{Door, Wire, WireError};

/// How long an agent whose credential ended waits before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// After a change, this long is waited for more of them before the check-in goes out.
const TOGETHER: Duration = Duration::from_millis(20);

/// What the server said.
#[derive(Debug)]
pub enum News {
    /// It answers, after a silence or for the first time.
    Met(&'static str),
    /// How often to check in and how long silence is borne.
    Timings {
        /// How often to check in.
        check_in_ms: i64,
        /// The rest.
        patience: Patience,
    },
    /// A directive.
    Directive(Box<DirectiveFrame>),
    /// A directive that a wait for news brought: it may have been overtaken by now, so only a stop in it counts.
    Hint(Box<DirectiveFrame>),
    /// A check-in was renewed.
    Renewed {
        /// The check-in.
        sent: Sent,
        /// For how long.
        lease_ms: i64,
    },
    /// A key to take over, or to forget.
    Key(Box<KeyOrder>),
    /// The line is cut.
    Cut(Cut),
}

/// Why the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// 401 or 4401.
    CredentialEnded,
    /// 409 or 4409.
    Replaced,
    /// Not the installation enrolled at.
    WrongInstallation,
}

impl Cut {
    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            Self::CredentialEnded => "the agent's credential has ended",
            Self::Replaced => "another agent process has taken this one's place",
            Self::WrongInstallation => "the server is not the one this agent was enrolled at",
        }
    }
}

/// Who answers at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Untried,
    Silent,
    Polling,
    Streaming,
}

/// Everything a line needs.
pub struct Link {
    /// The shared client.
    pub wire: Wire,
    /// Where to, with which token.
    pub door: Door,
    /// The installation enrolled at.
    pub installation: InstallationId,
    /// This boot.
    pub boot: BootId,
    /// The time of day, told with each check-in.
    pub clock: Clock,
    /// What leases run on.
    pub boot_clock: BootClock,
    /// How long the adapter needs for a stop.
    pub apply_within_ms: i64,
    /// Where the token lies; none: it is never changed.
    pub keeper: Option<Keeper>,
    /// What to say, and what waits to be delivered.
    pub desk: DeskEnds,
    /// Where news go.
    pub news: mpsc::Sender<News>,
}

/// A line at work.
struct Line {
    link: Link,
    counter: say::Counter,
    mode: watch::Sender<Mode>,
    // Wakes the poll loop: there is something new to hear.
    nudge: Notify,
    // What the server complained of last, so that the log says it once.
    complaint: Mutex<String>,
}

impl Link {
    /// Keeps the line until the runner goes, or another boot has taken over: that one only a restart could replace, which is a person's to do.
    pub async fn run(self) {
        let line = Line {
            link: self,
            counter: say::Counter::default(),
            mode: watch::Sender::new(Mode::Untried),
            nudge: Notify::new(),
            complaint: Mutex::default(),
        };
        loop {
            let cut = tokio::select! {
                cut = poll::check_ins(&line) => cut,
                cut = poll::waits(&line) => cut,
                cut = stream::streams(&line) => cut,
                cut = fills::sends(&line) => cut,
                // Last, so that it is dropped with the others and never in their way.
                () = rotate::changes(&line) => continue,
            };
            line.mode.send_replace(Mode::Untried);
            line.tell(News::Cut(cut)).await;
            if cut == Cut::Replaced {
                tracing::error!("{}; this one keeps its bot halted and is silent until it is restarted", cut.why());
                return;
            }
            tracing::error!(again_in_s = ASK_AGAIN.as_secs(), "{}", cut.why());
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

impl Line {
    /// When the runner is gone, so will this task be.
    async fn tell(&self, news: News) {
        let _ = self.link.news.send(news).await;
    }

    fn standing(&self) -> Arc<Standing> {
        self.link.desk.standing.borrow().clone()
    }

    /// Logs a complaint of the server, once.
    fn complain(&self, why: &str) {
        let mut last = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != why {
            tracing::warn!("the server complains: {why}");
            why.clone_into(&mut last);
        }
    }

    /// Waits until the mode fits. The sender lives as long as the line does, so this ends no other way.
    async fn until(&self, fits: impl Fn(Mode) -> bool) {
        let mut mode = self.mode.subscribe();
        let _ = mode.wait_for(|mode| fits(*mode)).await;
    }

    /// The poll path or the stream answers, or falls silent. The stream outranks the poll path.
    async fn set_mode(&self, mode: Mode) {
        let changed = self.mode.send_if_modified(|known| std::mem::replace(known, mode) != mode);
        match mode {
            Mode::Polling if changed => self.tell(News::Met("poll")).await,
            Mode::Streaming if changed => self.tell(News::Met("stream")).await,
            _ => {}
        }
    }
}

/// Which failures end the line.
fn as_cut(error: &WireError) -> Option<Cut> {
    match error {
        WireError::CredentialEnded => Some(Cut::CredentialEnded),
        WireError::Replaced => Some(Cut::Replaced),
        _ => None,
    }
}
