//! What a pass does to those whom it passes, and to those who wait for its end.

use super::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{atomic::AtomicUsize, mpsc},
    time::Duration,
};

/// Counts how often it was told and nudged, and does something when told.
struct Ear<F> {
    told: AtomicUsize,
    nudged: AtomicUsize,
    when_told: F,
}

fn ear<F: Fn() -> Told + Send + Sync>(when_told: F) -> Arc<Ear<F>> {
    Arc::new(Ear { told: AtomicUsize::new(0), nudged: AtomicUsize::new(0), when_told })
}

impl<F: Fn() -> Told + Send + Sync> Mouth for Ear<F> {
    fn tell(&self, _: &mut Pass<'_>) -> Told {
        self.told.fetch_add(1, Ordering::SeqCst);
        (self.when_told)()
    }
    fn nudge(&self) {
        self.nudged.fetch_add(1, Ordering::SeqCst);
    }
}

/// The line of some bot.
fn open(lines: &Lines, mouth: Arc<dyn Mouth>) -> LineGuard<'_> {
    lines.open(&BotId::new(), &AgentId::new(), mouth)
}

/// A pass over two lines that come to the same, and whether anybody who can wait waits while the second is told.
fn is_gated(told: Told) -> bool {
    let lines = Arc::new(Lines::default());
    let (count, seen) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (asked, noted) = (lines.clone(), seen.clone());
    let one = ear(move || {
        if count.fetch_add(1, Ordering::SeqCst) == 1 && asked.passing().is_some() {
            noted.fetch_add(1, Ordering::SeqCst);
        }
        told
    });
    let (_first, _second) = (open(&lines, one.clone()), open(&lines, one.clone()));
    lines.tell_all(&Arc::new(View::default()));
    assert_eq!(one.told.load(Ordering::SeqCst), 2);
    assert!(lines.passing().is_none());
    seen.load(Ordering::SeqCst) == 1
}

#[test]
fn a_pass_keeps_others_waiting_only_once_it_stops_somebody() {
    assert!(is_gated(Told::Stop));
    assert!(!is_gated(Told::Nothing) && !is_gated(Told::Left));
}

#[tokio::test]
async fn who_can_wait_waits_for_the_end_of_the_pass_that_is_under_way() {
    let lines = Arc::new(Lines::default());
    let (entered, has_entered) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (count, may_go_on) = (AtomicUsize::new(0), Mutex::new(may_go_on));
    let slow = ear(move || {
        if count.fetch_add(1, Ordering::SeqCst) == 1 {
            entered.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
        Told::Stop
    });
    let (_first, _second) = (open(&lines, slow.clone()), open(&lines, slow));
    assert!(lines.passing().is_none());
    let telling = lines.clone();
    let pass = tokio::task::spawn_blocking(move || telling.tell_all(&Arc::new(View::default())));
    has_entered.recv().unwrap();
    let mut over = std::pin::pin!(lines.passing().expect("it is under way"));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut over).await.is_err(), "not before its end");
    go_on.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), over).await.expect("its end is heard of");
    pass.await.unwrap();
    assert!(lines.passing().is_none());
}

#[test]
fn a_pass_that_breaks_off_keeps_nobody_waiting_and_all_can_be_nudged() {
    let lines = Lines::default();
    let (broken, other) = (ear(|| panic!("a fault")), ear(|| Told::Nothing));
    let (_first, second) = (open(&lines, broken.clone()), open(&lines, other.clone()));
    let view = Arc::new(View::default());
    assert!(catch_unwind(AssertUnwindSafe(|| lines.tell_all(&view))).is_err());
    assert!(lines.passing().is_none(), "whoever waits would wait for ever");
    lines.nudge_all();
    assert_eq!([broken.nudged.load(Ordering::SeqCst), other.nudged.load(Ordering::SeqCst)], [1, 1]);
    drop(second);
    lines.nudge_all();
    assert_eq!([broken.nudged.load(Ordering::SeqCst), other.nudged.load(Ordering::SeqCst)], [2, 1], "one that has closed is left alone");
}

#[test]
fn a_newer_line_of_a_bot_is_told_in_place_of_the_older() {
    let lines = Lines::default();
    let (older, newer) = (ear(|| Told::Nothing), ear(|| Told::Nothing));
    let (bot, agent) = (BotId::new(), AgentId::new());
    let first = lines.open(&bot, &agent, older.clone());
    let _second = lines.open(&bot, &agent, newer.clone());
    drop(first);
    lines.tell_all(&Arc::new(View::default()));
    assert_eq!(
        [older.told.load(Ordering::SeqCst), newer.told.load(Ordering::SeqCst)],
        [0, 1],
        "the end of the older one ends nothing else"
    );
}
