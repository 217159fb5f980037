//! The agent's end of the pipe to its minder (ruling H7): it says until when the bot may go on, and notices when the minder is gone or stands
//! still. One line per word: `lease MS`, `exits WORD`, `halting`, `halted`, `beat MS` to the minder, `beat MS` and `end` from it. Moments are boot-clock
//! milliseconds.

use super::words::Words;
use crate::domain::Exits;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::unix::pipe,
    sync::watch,
};

/// What the minder lets the agent know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Minder {
    /// It is there.
    There,
    /// It asks for an orderly end.
    AsksToEnd,
    /// It is gone.
    Gone,
}

/// The agent's end of the pipe.
#[derive(Debug)]
pub struct Tether {
    to: Words,
    answered_ms: Arc<AtomicI64>,
    minder: watch::Receiver<Minder>,
}

impl Tether {
    /// Takes over standard input and output, which the minder holds the other ends of. Whatever prints to standard output afterwards reaches
    /// standard error.
    ///
    /// # Errors
    /// When they are not a minder's pipes.
    pub fn from_stdio(now_ms: i64) -> io::Result<Self> {
        // The minder's death is noticed by the pipe's end; the signal is for a pipe that somebody else holds open. It asks for an orderly end,
        // as KILL would leave bots of other kinds than `process` running. It comes when the thread that spawned this process dies, and the
        // minder spawns from its main thread.
        set_parent_process_death_signal(Some(Signal::TERM))?;
        let from = std::io::stdin().as_fd().try_clone_to_owned()?;
        let to = std::io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(std::io::stderr())?;
        Ok(Self::new(pipe::Receiver::from_owned_fd(from)?, Words::into(to)?, now_ms))
    }

    /// A tether over two pipes.
    fn new(from: pipe::Receiver, to: Words, now_ms: i64) -> Self {
        let (said, minder) = watch::channel(Minder::There);
        let answered_ms = Arc::new(AtomicI64::new(now_ms));
        let answered = answered_ms.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match line.split_once(' ') {
                    Some(("beat", ms)) => drop(ms.parse().map(|ms| answered.fetch_max(ms, Ordering::SeqCst))),
                    None if line == "end" => drop(said.send(Minder::AsksToEnd)),
                    _ => {}
                }
            }
            let _ = said.send(Minder::Gone);
        });
        Self { to, answered_ms, minder }
    }

    /// Says a word. A full pipe means a minder that reads nothing, which `is_lost` notices.
    fn say(&self, word: &str) {
        let _ = self.to.say(word);
    }
    /// The bot may go on until then.
    pub fn lease(&self, until_ms: i64) {
        self.say(&format!("lease {until_ms}"));
    }
    /// What the bot may do while halted, should the minder have to halt it.
    pub fn exits(&self, exits: Exits) {
        self.say(&format!("exits {exits}"));
    }
    /// The bot is being halted.
    pub fn halting(&self) {
        self.say("halting");
    }
    /// The bot is halted, and that was read back.
    pub fn halted(&self) {
        self.say("halted");
    }
    /// Asks for a sign of life.
    pub fn beat(&self, now_ms: i64) {
        self.say(&format!("beat {now_ms}"));
    }
    /// Counts the minder's silence from now on: before, nobody here could have heard it.
    pub fn forgive(&self, now_ms: i64) {
        self.answered_ms.fetch_max(now_ms, Ordering::SeqCst);
    }
    /// True when the minder has given no sign of life for so long.
    pub fn is_lost(&self, now_ms: i64, after_ms: i64) -> bool {
        now_ms.saturating_sub(self.answered_ms.load(Ordering::SeqCst)) > after_ms
    }
    /// What the minder lets know.
    pub fn minder(&self) -> watch::Receiver<Minder> {
        self.minder.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (Tether, pipe::Receiver, pipe::Sender) {
        let (to_minder, from_agent) = pipe::pipe().unwrap();
        let (to_agent, from_minder) = pipe::pipe().unwrap();
        let to_minder = Words::into(to_minder.into_blocking_fd().unwrap()).unwrap();
        (Tether::new(from_minder, to_minder, 1_000), from_agent, to_agent)
    }

    #[tokio::test]
    async fn a_minder_that_stands_still_is_noticed() {
        let (tether, mut from_agent, mut to_agent) = pair();
        tether.beat(2_000);
        let mut buffer = [0; 64];
        let n = from_agent.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], b"beat 2000\n");
        assert!(!tether.is_lost(31_000, 30_000));
        assert!(tether.is_lost(31_001, 30_000));
        to_agent.write_all(b"beat 2000\n").await.unwrap();
        while tether.is_lost(31_001, 30_000) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_minder_that_ends_is_noticed() {
        let (tether, _from_agent, to_agent) = pair();
        let mut minder = tether.minder();
        drop(to_agent);
        assert!(minder.wait_for(|m| *m == Minder::Gone).await.is_ok());
    }
}
