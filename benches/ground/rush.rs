//! A rush of agents: each checks in again as soon as it was answered, with a report as a real bot's, and never above the pace that a stream allows.

use super::{
    crowd::{self, Door},
    figures::now_us,
    site::Credential,
};
use andon::{
    domain::{Epoch, State},
    protocol::{CheckIn, FromAgent, Position, Report, Totals},
};
use futures_util::{SinkExt, StreamExt};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_tungstenite::tungstenite::Message;

/// How many connect at a time.
const DOORS: usize = 64;
/// Between two check-ins of one agent at the least, microseconds: 40 a second.
const PACE_US: u64 = 25_000;

/// What is counted.
#[derive(Default)]
struct Tally {
    present: AtomicUsize,
    answered: AtomicUsize,
    is_on: AtomicBool,
    pace_us: AtomicU64,
}

/// The rush before one door.
pub struct Rush {
    tally: Arc<Tally>,
    agents: JoinSet<()>,
}

impl Rush {
    /// Connects everybody.
    pub async fn gather(address: SocketAddr, agents: &[Credential], is_greeted: bool) -> Self {
        let mut rush = Self { tally: Arc::default(), agents: JoinSet::new() };
        rush.pace(PACE_US);
        let doors = Arc::new(Semaphore::new(DOORS));
        for agent in agents {
            rush.agents.spawn(attend(address.into(), agent.clone(), rush.tally.clone(), doors.clone(), is_greeted));
        }
        while rush.tally.present.load(Ordering::SeqCst) < agents.len() {
            assert_eq!(rush.agents.len(), agents.len(), "an agent was cut off");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        rush
    }

    /// Lets them check in for so long; answered check-ins a second.
    pub async fn run(&mut self, time: Duration) -> f64 {
        let (before, begun) = (self.tally.answered.load(Ordering::SeqCst), now_us());
        self.tally.is_on.store(true, Ordering::SeqCst);
        tokio::time::sleep(time).await;
        let (answered, took_us) = (self.tally.answered.load(Ordering::SeqCst) - before, now_us() - begun);
        answered as f64 * 1_000_000.0 / took_us as f64
    }

    /// Lets so much time pass between two check-ins of one agent, microseconds.
    pub fn pace(&self, us: u64) {
        self.tally.pace_us.store(us, Ordering::SeqCst);
    }

    /// Lets them rest.
    pub async fn rest(&mut self) {
        self.tally.is_on.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn attend(door: Door, agent: Credential, tally: Arc<Tally>, doors: Arc<Semaphore>, is_greeted: bool) {
    let (mut socket, mut epoch) = {
        let _door = doors.acquire().await.unwrap();
        crowd::enter(&door, &agent, is_greeted).await
    };
    tally.present.fetch_add(1, Ordering::SeqCst);
    let mut seq = 0;
    loop {
        if !tally.is_on.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        seq += 1;
        let begun = now_us();
        if socket.send(crowd::text_of(&FromAgent::CheckIn(Box::new(said(&agent, epoch, seq))))).await.is_err() {
            return;
        }
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) if text.starts_with(r#"{"type":"renew""#) => break,
                Some(Ok(Message::Text(text))) if let Some(newer) = crowd::epoch_of(&text) => {
                    epoch = newer;
                    break;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
        tally.answered.fetch_add(1, Ordering::Relaxed);
        let left_us = tally.pace_us.load(Ordering::Relaxed).saturating_sub(now_us() - begun);
        tokio::time::sleep(Duration::from_micros(left_us)).await;
    }
}

/// A check-in of a bot with three positions.
fn said(agent: &Credential, epoch: i64, seq: u64) -> CheckIn {
    let position = |symbol: &str| Position {
        symbol: symbol.into(),
        side: Some("long".into()),
        quantity: Some("0.25".into()),
        notional: Some("15123.40".into()),
        entry_price: Some("60493.6".into()),
        working_notional: Some("3020.00".into()),
        ..Position::default()
    };
    let report = Report {
        equity: Some("104223.18".into()),
        cash: Some("60321.11".into()),
        currency: Some("USDT".into()),
        leverage: Some("1.4".into()),
        unrealized_pnl: Some("-120.5".into()),
        realized_pnl_day: Some("311.02".into()),
        open_orders: Some(6),
        entry_orders: Some(2),
        positions: Some(["BTC/USDT", "ETH/USDT", "SOL/USDT"].map(position).into()),
        market_data_age_ms: Some(140),
        largest_order_notional: Some("1510.00".into()),
        slippage_bps: Some("1.2".into()),
        totals: Some(Totals {
            orders: Some(5_120 + seq / 10),
            cancels: Some(311 + seq / 20),
            fills: Some(4_700),
            rejects: Some(12),
            errors: Some(3),
            consecutive_errors: Some(0),
        }),
        ..Report::default()
    };
    CheckIn {
        seq,
        boot: Some(agent.boot.clone()),
        epoch: Some(Epoch(epoch)),
        state: Some(State::Halted),
        limits_version: Some(1),
        report: Some(report),
        ..CheckIn::default()
    }
}
