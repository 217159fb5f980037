//! Exchange keys over both channels: taken, answered for, reported, dropped by a kill after the orders are gone.

use super::fake::{AtWork, Fake, Puppet, frame, now_ms, stays, until, work_with};
use crate::agent::{
    AgentDir, BootClock, Credential, KeyRing,
    keys::{
        Files, Form, Giving, KeyStore,
        tests::{Seals, sealer},
    },
};
use crate::domain::{KeyPurpose, Orders, State};
use crate::protocol::{DirectiveFrame, KeyDropFrame, KeyFrame, KeyOrder};
use axum::http::StatusCode;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

struct Ground {
    fake: Fake,
    bot: Puppet,
    who: Credential,
    dir: AgentDir,
    key: Seals,
    /// The agent's clock is ahead of the machine's by so much.
    ahead_ms: Arc<AtomicI64>,
    _temp: tempfile::TempDir,
}

impl Ground {
    async fn new(streams: bool) -> Self {
        let fake = Fake::new().await;
        if !streams {
            fake.now(|script| script.stream_refused = Some(StatusCode::NOT_FOUND));
        }
        let temp = tempfile::tempdir().unwrap();
        let (dir, who) = (AgentDir::new(temp.path()), fake.credential());
        let key = sealer(&dir, &who);
        Self { fake, bot: Puppet::new(State::Halted), who, dir, key, ahead_ms: Arc::default(), _temp: temp }
    }
    fn ring(&self) -> KeyRing {
        let giving = Giving::Files(Files { dir: self.dir.given(), form: Form::Plain });
        KeyRing { store: KeyStore::new(&self.dir, &self.who), giving }
    }
    fn work(&self) -> AtWork {
        let ahead_ms = self.ahead_ms.clone();
        let clock = BootClock::from_fn(move || now_ms() + ahead_ms.load(Ordering::SeqCst));
        work_with(&self.who, &self.bot, &self.dir, (Some(self.ring()), clock))
    }
    fn execution(&self, version: i64) -> KeyFrame {
        (self.key)(version, "binance", KeyPurpose::Execution)
    }
    fn sends(&self, keys: Vec<KeyOrder>) {
        self.fake.now(|script| script.keys = keys);
    }
    fn given(&self) -> PathBuf {
        self.dir.given().join("binance-execution.json")
    }
    fn reported(&self) -> Vec<i64> {
        self.fake.last().key_versions.into_values().collect()
    }
    /// The answers to a version, oldest first.
    fn answers(&self, version: i64) -> Vec<(bool, String)> {
        let script = self.fake.script();
        let of_it = script.key_acks.iter().filter(|ack| ack.version == version);
        of_it.map(|ack| (ack.ok, ack.why.clone().unwrap_or_default())).collect()
    }
    /// An agent at work that holds version 1.
    async fn holding(streams: bool) -> (Self, AtWork) {
        let ground = Self::new(streams).await;
        let agent = ground.work();
        if streams {
            until("a stream is welcomed", || ground.fake.heard_on("stream") > 0).await;
        }
        ground.sends(vec![KeyOrder::Key(ground.execution(1))]);
        until("it is answered", || !ground.answers(1).is_empty()).await;
        until("and reported", || ground.reported() == [1]).await;
        ground.sends(vec![]);
        (ground, agent)
    }
}

fn kill(epoch: i64) -> DirectiveFrame {
    DirectiveFrame { drop_keys: true, orders: Orders::CancelAll, exits: crate::domain::Exits::None, ..frame(epoch, State::Halted, None) }
}

#[tokio::test]
async fn a_key_is_taken_over_both_channels_answered_for_and_reported() {
    for streams in [true, false] {
        let (ground, _agent) = Ground::holding(streams).await;
        assert_eq!(ground.answers(1)[0], (true, String::new()), "{streams}");
        let given = std::fs::read_to_string(ground.given()).unwrap();
        assert!(given.contains("canary-secret-1"));
        ground.sends(vec![KeyOrder::Key(ground.execution(2))]);
        until("the next version is reported", || ground.reported() == [2]).await;
        assert!(std::fs::read_to_string(ground.given()).unwrap().contains("canary-secret-2"));
        let drop_one = |version| KeyOrder::KeyDrop(KeyDropFrame { key_id: ground.execution(1).key_id, version });
        ground.sends(vec![drop_one(1), drop_one(2)]);
        until("nothing is reported", || ground.reported().is_empty()).await;
        until("nor given", || !ground.given().exists()).await;
    }
}

#[tokio::test]
async fn what_is_sealed_to_another_is_answered_with_why_and_not_kept() {
    let ground = Ground::new(true).await;
    let _agent = ground.work();
    let stranger = Ground::new(true).await;
    let key = KeyFrame { key_id: ground.execution(1).key_id, ..stranger.execution(7) };
    ground.sends(vec![KeyOrder::Key(key)]);
    until("it is answered", || !ground.answers(7).is_empty()).await;
    let (ok, why) = ground.answers(7)[0].clone();
    assert!(!ok && why.contains("another recipient") && !why.contains("canary"), "{why}");
    assert!(ground.reported().is_empty() && !ground.dir.keys().exists());
}

#[tokio::test]
async fn an_agent_that_died_between_the_disk_and_its_answer_says_hello_with_the_key_and_answers_again() {
    let ground = Ground::new(true).await;
    ground.ring().store.keep(&ground.execution(4)).unwrap();
    let _agent = ground.work();
    until("a stream is welcomed", || ground.fake.heard_on("stream") > 0).await;
    assert_eq!(ground.fake.script().hello_keys.values().copied().collect::<Vec<_>>(), [4]);
    assert_eq!(ground.fake.script().heard[0].1.key_versions.values().copied().collect::<Vec<_>>(), [4], "and from its first word on");
    ground.sends(vec![KeyOrder::Key(ground.execution(4))]);
    until("it is answered", || ground.answers(4).first().is_some_and(|(ok, _)| *ok)).await;
    assert_eq!(ground.ring().store.find().unwrap().keys.len(), 1);
}

#[tokio::test]
async fn a_kill_drops_the_keys_once_nothing_rests_and_no_key_is_taken_until_it_is_over() {
    for streams in [true, false] {
        let (ground, _agent) = Ground::holding(streams).await;
        ground.bot.at().open_orders = 2;
        ground.fake.says(kill(20));
        until("it is told to cancel everything", || ground.bot.at().told.iter().any(|wanted| wanted.orders == Orders::CancelAll)).await;
        stays("its keys stay while orders rest: they may be needed to cancel", 700, || ground.given().exists()).await;
        assert_eq!(ground.reported(), [1]);
        ground.bot.at().open_orders = 0;
        until("they are gone", || !ground.given().exists()).await;
        until("and that is reported", || ground.reported().is_empty()).await;
        assert_eq!(std::fs::read_dir(ground.dir.keys()).unwrap().count(), 0);
        ground.sends(vec![KeyOrder::Key(ground.execution(2))]);
        until("another one is refused", || ground.answers(2).first().is_some_and(|(ok, why)| !ok && why.contains("kill"))).await;
        ground.fake.says(frame(21, State::Halted, None));
        ground.sends(vec![]);
        until("the kill is over", || ground.fake.has_ack(21, crate::domain::Step::Applied, State::Halted)).await;
        ground.sends(vec![KeyOrder::Key(ground.execution(2))]);
        until("sent anew it is taken", || ground.reported() == [2]).await;
    }
}

#[tokio::test]
async fn ten_seconds_after_a_kill_the_keys_are_gone_whatever_rests() {
    let (ground, _agent) = Ground::holding(true).await;
    ground.bot.at().open_orders = 2;
    ground.fake.says(kill(20));
    let noted = ground.dir.keys().join("dropping");
    until("it is noted on disk", || noted.exists()).await;
    ground.ahead_ms.store(8_000, Ordering::SeqCst);
    stays("not yet", 500, || ground.given().exists()).await;
    ground.ahead_ms.store(10_000, Ordering::SeqCst);
    until("they are gone", || !ground.given().exists() && !noted.exists()).await;
    assert_eq!(ground.bot.at().open_orders, 2);
    until("and that is reported", || ground.reported().is_empty()).await;
}

#[tokio::test]
async fn a_kill_that_an_earlier_agent_did_not_carry_out_is_carried_out_by_the_next() {
    let (ground, agent) = Ground::holding(true).await;
    ground.bot.at().open_orders = 2;
    ground.fake.says(kill(20));
    let noted = ground.dir.keys().join("dropping");
    until("it is noted on disk", || noted.exists()).await;
    drop(agent);
    // The server is another one by now, and says nothing of it.
    ground.fake.says(frame(21, State::Halted, None));
    let hellos = ground.fake.script().hellos;
    let _agent = ground.work();
    until("the next one says hello", || ground.fake.script().hellos > hellos).await;
    ground.ahead_ms.store(10_000, Ordering::SeqCst);
    until("they are gone", || !noted.exists() && std::fs::read_dir(ground.dir.keys()).unwrap().count() == 0).await;
}
