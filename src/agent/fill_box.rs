//! Fills that the server has not provably taken. They survive reconnects, not restarts: whoever can tell a fill again does so after one, and the
//! server takes a repeated id without effect. Bounded: when too many wait, later ones are left with whoever tells them, to be told again.

use crate::domain::{Fill, Timestamp};
use crate::protocol::FillFrame;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};
use tokio::sync::watch;

/// How many wait at most.
const MOST: usize = 4_096;
/// Of how many the ids are known, so that a bot that tells its last fills again and again has each sent once.
const KNOWN: usize = 3 * MOST;

/// What waits to be delivered.
#[derive(Debug)]
pub struct FillBox {
    kept: Mutex<Kept>,
    // How many wait.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Kept {
    waiting: VecDeque<FillFrame>,
    // Waiting, delivered, or refused for ever; in the order in which they were heard of.
    known: HashSet<String>,
    order: VecDeque<String>,
}

/// What became of fills that were put in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Why some can never be sent: the first of them.
    pub wrong: Option<String>,
    /// Too many wait: some were not kept.
    pub is_full: bool,
}

impl Default for FillBox {
    fn default() -> Self {
        Self { kept: Mutex::default(), waiting: watch::Sender::new(0) }
    }
}

impl Kept {
    fn know(&mut self, id: &str) {
        if self.order.len() >= KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(id.to_owned());
        self.order.push_back(id.to_owned());
    }
}

impl FillBox {
    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut kept);
        let waiting = kept.waiting.len();
        drop(kept);
        self.waiting.send_if_modified(|known| std::mem::replace(known, waiting) != waiting);
        result
    }

    /// Keeps fills until they are delivered, each once. One that no server takes is not kept, so that the others do not wait behind it.
    pub fn put(&self, fills: Vec<FillFrame>, now: Timestamp) -> Put {
        self.change(|kept| {
            let mut put = Put::default();
            for fill in fills {
                if kept.known.contains(&fill.id) {
                    continue;
                }
                if let Err((field, why)) = Fill::read(&fill.told(), now) {
                    let id: String = fill.id.chars().filter(|c| !c.is_control()).take(128).collect();
                    // Known from here on: it is complained of once.
                    kept.know(&fill.id);
                    put.wrong.get_or_insert(format!("{field} of fill {id:?} {why}"));
                } else if kept.waiting.len() >= MOST {
                    put.is_full = true;
                } else {
                    kept.know(&fill.id);
                    kept.waiting.push_back(fill);
                }
            }
            put
        })
    }

    /// The oldest that wait.
    pub fn first(&self, most: usize) -> Vec<FillFrame> {
        self.change(|kept| kept.waiting.iter().take(most).cloned().collect())
    }

    /// The server has so many of the oldest, or will never take them.
    pub fn delivered(&self, count: usize) {
        self.change(|kept| drop(kept.waiting.drain(..count.min(kept.waiting.len()))));
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.change(|kept| kept.waiting.is_empty())
    }

    /// Waits until something waits.
    pub async fn filled(&self) {
        // The sender lives as long as this does.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000_000);

    fn fill(id: &str) -> FillFrame {
        FillFrame {
            id: id.into(),
            order_id: None,
            client_order_id: None,
            at: NOW,
            symbol: "BTC/USDT".into(),
            side: "buy".into(),
            quantity: "1".into(),
            price: "2".into(),
            fee: None,
            fee_currency: None,
            maker: None,
        }
    }

    #[test]
    fn each_is_sent_once_and_in_order_however_often_it_is_told() {
        let fills = FillBox::default();
        assert_eq!(fills.put(vec![fill("1"), fill("2"), fill("1")], NOW), Put::default());
        fills.put(vec![fill("2"), fill("3")], NOW);
        let ids = |most| fills.first(most).into_iter().map(|fill| fill.id).collect::<Vec<_>>();
        assert_eq!((ids(9), ids(2)), (vec!["1".into(), "2".into(), "3".into()], vec!["1".into(), "2".into()]));
        fills.delivered(2);
        fills.put(vec![fill("1"), fill("2")], NOW);
        assert_eq!(ids(9), ["3"], "what was delivered is not sent again");
        fills.delivered(9);
        assert!(fills.is_empty());
    }

    #[test]
    fn one_that_no_server_takes_is_complained_of_once_and_keeps_no_other_back() {
        let fills = FillBox::default();
        let bad = FillFrame { price: "0".into(), ..fill("bad") };
        let put = fills.put(vec![bad.clone(), fill("good")], NOW);
        assert!(put.wrong.unwrap().starts_with("price of fill \"bad\""));
        assert_eq!((fills.put(vec![bad], NOW), fills.first(9).len()), (Put::default(), 1));
    }

    #[test]
    fn what_finds_no_room_is_taken_when_it_is_told_again() {
        let fills = FillBox::default();
        let many = || (0..MOST + 1).map(|n| fill(&n.to_string())).collect::<Vec<_>>();
        assert!(fills.put(many(), NOW).is_full);
        fills.delivered(10);
        assert!(!fills.put(many(), NOW).is_full);
        assert_eq!(fills.first(MOST).last().map(|fill| fill.id.clone()), Some(MOST.to_string()));
    }

    #[tokio::test]
    async fn whoever_sends_waits_for_the_first() {
        let fills = FillBox::default();
        let (_, ()) = tokio::join!(fills.filled(), async {
            fills.put(vec![fill("1")], NOW);
        });
    }
}
