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

fn ear<F: Fn() + Send + Sync>(when_told: F) -> Arc<Ear<F>> {
    Arc::new(Ear { told: AtomicUsize::new(0), nudged: AtomicUsize::new(0), when_told })
}

impl<F: Fn() + Send + Sync> Mouth for Ear<F> {
    fn tell(&self, _: &mut Pass<'_>) {
        self.told.fetch_add(1, Ordering::SeqCst);
        (self.when_told)();
    }
    fn nudge(&self) {
        self.nudged.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn who_can_wait_waits_for_the_end_of_the_pass_that_is_under_way() {
    let mouths = Arc::new(Mouths::default());
    let (entered, has_entered) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    let slow = ear(move || {
        entered.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
    });
    let _open = mouths.open(slow);
    assert!(mouths.passing().is_none());
    let telling = mouths.clone();
    let pass = tokio::task::spawn_blocking(move || telling.tell_all(&Arc::new(View::default())));
    has_entered.recv().unwrap();
    let mut over = std::pin::pin!(mouths.passing().expect("it is under way"));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut over).await.is_err(), "not before its end");
    go_on.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), over).await.expect("its end is heard of");
    pass.await.unwrap();
    assert!(mouths.passing().is_none());
}

#[test]
fn a_pass_that_breaks_off_keeps_nobody_waiting_and_all_can_be_nudged() {
    let mouths = Mouths::default();
    let (broken, other) = (ear(|| panic!("a fault")), ear(|| ()));
    let (_first, second) = (mouths.open(broken.clone()), mouths.open(other.clone()));
    let view = Arc::new(View::default());
    assert!(catch_unwind(AssertUnwindSafe(|| mouths.tell_all(&view))).is_err());
    assert!(mouths.passing().is_none(), "whoever waits would wait for ever");
    mouths.nudge_all();
    assert_eq!([broken.nudged.load(Ordering::SeqCst), other.nudged.load(Ordering::SeqCst)], [1, 1]);
    drop(second);
    mouths.nudge_all();
    assert_eq!([broken.nudged.load(Ordering::SeqCst), other.nudged.load(Ordering::SeqCst)], [2, 1], "one that has closed is left alone");
}
