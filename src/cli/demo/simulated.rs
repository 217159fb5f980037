//! Demo bots without a process of their own: each has a temperament, and is told and read back like any other bot.

use super::market::Market;
use crate::agent::adapters::{Adapter, AdapterError, Finding, ReadBack, Runs, Traits, Wanted};
use crate::domain::{Clock, Orders, State};
use crate::protocol::{FillFrame, Report};
use async_trait::async_trait;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How a demo bot behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// Obeys in a fraction of a second.
    Steady,
    /// The same, and loses money.
    Losing,
    /// The same, and sends and loses many orders.
    Noisy,
    /// Takes five seconds to obey, and says so.
    Slow,
    /// Once it trades it never says that it stopped.
    Deaf,
}

struct Inside {
    state: State,
    has_traded: bool,
    market: Market,
}

/// One demo bot.
pub struct Simulated {
    temper: Temper,
    takes: Duration,
    // True once the demo ends: then the deaf one obeys as well.
    ends: watch::Receiver<bool>,
    inside: Mutex<Inside>,
    clock: Clock,
}

impl Simulated {
    /// A bot of a temperament; `seed` is its luck, `ends` says when the demo does.
    pub fn new(temper: Temper, seed: u64, ends: watch::Receiver<bool>) -> Self {
        let takes = match temper {
            Temper::Slow => Duration::from_millis(5_000),
            _ => Duration::from_millis(60 + (seed * 37) % 400),
        };
        let drift = if temper == Temper::Losing { -700 } else { 60 };
        let market = Market::new(seed, drift, temper == Temper::Noisy);
        let inside = Mutex::new(Inside { state: State::Halted, has_traded: false, market });
        Self { temper, takes, ends, inside, clock: Clock::system() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_back(&self) -> ReadBack {
        ReadBack::of(self.inside().state)
    }
}

#[async_trait]
impl Adapter for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }
    fn traits(&self) -> Traits {
        Traits {
            can_reduce: true,
            can_tell_orders: true,
            can_cancel: true,
            can_manage_exits: true,
            dies_with_agent: true,
            leaves_out_within_ms: None,
        }
    }
    fn apply_within_ms(&self) -> i64 {
        if self.temper == Temper::Slow { 6_000 } else { 5_000 }
    }

    async fn apply(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        if self.inside().state == wanted.state {
            if wanted.orders == Orders::CancelAll {
                self.inside().market.cancel_all();
            }
            return Ok(self.read_back());
        }
        tokio::time::sleep(self.takes).await;
        let is_deaf = self.temper == Temper::Deaf && !*self.ends.borrow();
        if is_deaf && wanted.state != State::Active && self.inside().has_traded {
            return Err(AdapterError::new("the bot does not say that it stopped"));
        }
        let mut inside = self.inside();
        inside.state = wanted.state;
        inside.has_traded |= wanted.state == State::Active;
        match wanted.orders {
            Orders::CancelAll => inside.market.cancel_all(),
            _ if wanted.state != State::Active => inside.market.cancel_entries(),
            _ => {}
        }
        drop(inside);
        Ok(self.read_back())
    }

    async fn look(&self) -> Result<ReadBack, AdapterError> {
        Ok(self.read_back())
    }

    async fn report(&self) -> Result<Option<Report>, AdapterError> {
        let mut inside = self.inside();
        if inside.state == State::Active {
            inside.market.trade(self.clock.now());
        }
        Ok(Some(inside.market.report()))
    }

    async fn fills(&self) -> Vec<FillFrame> {
        self.inside().market.fills().iter().cloned().collect()
    }

    async fn runs(&self) -> Runs {
        Runs {
            build: Some("sha256:demo-build-1".into()),
            config: Some("sha256:demo-config-1".into()),
            strategy: Some("demo".into()),
            subaccount: None,
        }
    }

    fn halt_now(&self, _wanted: &Wanted) -> Result<(), AdapterError> {
        let mut inside = self.inside();
        inside.state = State::Halted;
        inside.market.cancel_entries();
        Ok(())
    }

    async fn examine(&self, _restart: bool) -> Vec<Finding> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::adapters::STANDSTILL;
    use crate::domain::Exits;

    #[tokio::test]
    async fn the_deaf_one_obeys_when_the_demo_ends() {
        let (end, ends) = watch::channel(false);
        let bot = Simulated::new(Temper::Deaf, 1, ends);
        bot.apply(&Wanted { state: State::Active, orders: Orders::Keep, exits: Exits::Managed }).await.unwrap();
        assert!(bot.apply(&STANDSTILL).await.is_err());
        end.send_replace(true);
        assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted);
    }
}
