//! Poll and push give the same result: one history of starts, presses, releases and changes of limits, told to an agent that polls and to one on the
//! websocket, each on an installation of its own. What both were told, what they acknowledged and what the receipts say is one.

use super::client::{Client, Line};
use crate::harness::{
    agent::enrol,
    app::TestApp,
    db::{Fresh, fresh, on_both},
};
use andon::{
    domain::{BotFacts, BotId, Epoch, HoldId, Level, Scope, State, Step, Symbol},
    storage,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// How the agent reaches the server.
enum Way {
    Poll(Client),
    Stream(Box<Line>),
}

/// The smallest agent that obeys, over either way.
struct Twin {
    way: Way,
    seq: u64,
    seen: i64,
    start_after: i64,
    state: State,
    limits: i64,
    told: Value,
    /// What it has acknowledged as applied: epoch and state.
    applied: Option<(i64, State)>,
    /// Every document that it heard, each once.
    heard: Vec<Value>,
}

impl Twin {
    fn says(&self) -> Value {
        json!({"boot": "boot-1", "seq": self.seq, "epoch": self.seen, "state": self.state, "limits_version": self.limits,
            "start_after": self.start_after, "holds": []})
    }

    /// One check-in. True when it was renewed.
    async fn check_in(&mut self) -> bool {
        self.seq += 1;
        let mut said = self.says();
        if let Way::Poll(client) = &self.way {
            let reply = client.post("/agent/v1/check-in", said).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            self.hear(reply.json["directive"].clone());
            return !reply.json["renew"].is_null();
        }
        said["type"] = "check_in".into();
        let Way::Stream(line) = &mut self.way else { unreachable!() };
        line.send(said).await;
        loop {
            let Way::Stream(line) = &mut self.way else { unreachable!() };
            let frame = line.next().await.expect("the stream ended");
            match frame["type"].as_str().unwrap() {
                "renew" if frame["seq"] == self.seq => return true,
                "renew" => {}
                "directive" => {
                    let known = self.seen;
                    self.hear(frame);
                    if self.seen > known {
                        return false;
                    }
                }
                other => panic!("{other}: {frame}"),
            }
        }
    }

    fn hear(&mut self, directive: Value) {
        let epoch = directive["epoch"].as_i64().unwrap();
        self.seen = self.seen.max(epoch);
        self.limits = directive["limits"]["version"].as_i64().unwrap();
        match directive["state"].as_str().unwrap() {
            "halted" => (self.state, self.start_after) = (State::Halted, self.seen),
            "reducing" => self.state = self.state.min(State::Reducing),
            _ => {}
        }
        self.told = directive.clone();
        self.heard.push(directive);
    }

    /// Goes on where it may, and acknowledges what it does.
    async fn obey(&mut self, renewed: bool) {
        let is_started = self.told["start"]["epoch"].as_i64().is_some_and(|start| start > self.start_after);
        match self.told["state"].as_str().unwrap() {
            "active" if renewed && is_started => self.state = State::Active,
            "active" => return,
            "reducing" if renewed && is_started => self.state = State::Reducing,
            _ => {}
        }
        if self.applied != Some((self.seen, self.state)) {
            self.applied = Some((self.seen, self.state));
            for step in ["received", "applied", "idle"] {
                self.ack(step).await;
            }
        }
    }

    async fn ack(&mut self, step: &str) {
        let mut ack = json!({"epoch": self.seen, "step": step, "state": self.state, "entry_orders": 0});
        match &mut self.way {
            Way::Poll(client) => assert_eq!(client.post("/agent/v1/acks", ack).await.status, 202),
            Way::Stream(line) => {
                ack["type"] = "ack".into();
                line.send(ack).await;
            }
        }
    }

    /// Checks in until it is renewed and nothing changes any more.
    async fn settle(&mut self) {
        for _ in 0..20 {
            let before = (self.seen, self.state, self.limits, self.applied);
            let renewed = self.check_in().await;
            self.obey(renewed).await;
            if renewed && before == (self.seen, self.state, self.limits, self.applied) {
                return;
            }
        }
        panic!("server and agent do not come to rest: {}", self.told);
    }
}

/// An installation, its bot and that bot's agent.
struct Run {
    test: TestApp,
    bot: BotFacts,
    twin: Twin,
    holds: Vec<HoldId>,
    /// What the receipts say, in the order in which they were read.
    receipts: Vec<String>,
}

impl Run {
    async fn new(fresh: Fresh, streams: bool) -> Self {
        let test = TestApp::on_the_wall_clock(fresh).await;
        let bot = test.bot("arb-1", "arb").await;
        let agent = enrol(&test, &bot, "operator").await;
        agent.confirm(&test, "operator").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        tokio::spawn(andon::web::server::serve(listener, test.app.clone(), std::future::pending()));
        let token = agent.enrolled.token.clone();
        let way = if streams {
            let mut line = Line::open(address, &token).await;
            let hello = json!({"type": "hello", "boot": "boot-1", "agent": {"version": "1.0.0"}, "epoch": 0, "state": "halted", "limits_version": 0});
            line.send(hello).await;
            Way::Stream(Box::new(line))
        } else {
            Way::Poll(Client { address, token: Some(token) })
        };
        let mut twin = Twin {
            way,
            seq: 0,
            seen: 0,
            start_after: 0,
            state: State::Halted,
            limits: 0,
            told: Value::Null,
            applied: None,
            heard: Vec::new(),
        };
        if let Way::Stream(line) = &mut twin.way {
            let welcome = line.expect("welcome").await;
            twin.hear(welcome["directive"].clone());
        } else {
            assert!(!twin.check_in().await, "a new boot is renewed nothing");
        }
        twin.obey(false).await;
        twin.settle().await;
        Self { test, bot, twin, holds: Vec::new(), receipts: Vec::new() }
    }

    async fn start(&mut self) {
        self.test.start(std::slice::from_ref(&self.bot.id), &["operator"]).await.unwrap();
        self.twin.settle().await;
        assert_eq!(self.twin.state, State::Active);
    }

    async fn press(&mut self, by: &str, scope: Scope, level: Level) -> HoldId {
        let hold = self.test.press(by, scope, level).await.hold.id;
        self.holds.push(hold.clone());
        self.twin.settle().await;
        self.receipt(&hold).await;
        hold
    }

    async fn release(&mut self, hold: &HoldId, signers: &[&str]) {
        self.test.release(hold, signers).await.unwrap();
        self.twin.settle().await;
        self.receipt(hold).await;
    }

    /// Without its milliseconds.
    async fn receipt(&mut self, hold: &HoldId) {
        let receipt = self.test.app.receipt(&self.test.actor("operator"), hold).await.unwrap();
        let reached = [Step::Received, Step::Applied, Step::Idle].map(|step| receipt.reached(step));
        let bots: Vec<_> = receipt.bots.iter().map(|bot| (bot.step(), bot.doing, bot.unconfirmed, bot.entry_orders)).collect();
        self.receipts.push(format!("{} {reached:?} {} {bots:?}", receipt.total(), receipt.is_complete()));
    }

    async fn tighten(&mut self, limit: &str) {
        let asked = [("max_order_notional".to_owned(), limit.to_owned())];
        self.test.app.tighten_limits(&self.test.actor("operator"), &self.bot.id, &asked, "tighter").await.unwrap();
        self.twin.settle().await;
    }

    /// The history.
    async fn live(&mut self) {
        let bot = Scope::Bot(self.bot.id.clone());
        self.start().await;
        let pause = self.press("operator", bot.clone(), Level::Pause).await;
        let beside = self.press("lead", Scope::Team(self.bot.team.clone()), Level::Reduce).await;
        self.release(&pause, &["operator"]).await;
        self.release(&beside, &["lead", "risk"]).await;
        assert_eq!(self.twin.state, State::Halted, "released is not started");
        self.start().await;
        let reduce = self.press("operator", bot.clone(), Level::Reduce).await;
        assert_eq!(self.twin.state, State::Reducing);
        self.release(&reduce, &["operator"]).await;
        assert_eq!(self.twin.state, State::Active, "what was there before");
        let symbol = Scope::Symbol(Symbol::parse("BTC/USDT").unwrap(), None);
        let symbol = self.press("operator", symbol, Level::Reduce).await;
        assert_eq!((self.twin.state, self.twin.told["blocked"][0]["symbol"].as_str()), (State::Active, Some("BTC/USDT")));
        self.tighten("2000").await;
        self.release(&symbol, &["lead", "risk"]).await;
        let seen = self.test.app.fleet.view().bot(&self.bot.id).unwrap().limits.version;
        self.test.app.halve_limits(&self.test.actor("operator"), &self.bot.id, seen).await.unwrap();
        self.twin.settle().await;
        assert_eq!((self.twin.state, self.twin.limits), (State::Active, 2));
        let fleet = self.press("risk", Scope::Fleet, Level::Pause).await;
        self.tighten("500").await;
        self.release(&fleet, &["risk", "lead"]).await;
        self.start().await;
        let kill = self.press("lead", bot, Level::Kill).await;
        assert_eq!((&self.twin.told["orders"], &self.twin.told["drop_keys"]), (&json!("cancel_all"), &json!(true)));
        assert_eq!(self.test.app.settle_kills().await.unwrap(), 1, "back to draft");
        self.twin.settle().await;
        self.receipt(&kill).await;
    }

    /// What it acknowledged, as it is on disk: epoch, step and state.
    async fn acks(&self) -> Vec<(Epoch, Step, Option<State>)> {
        let of =
            async || storage::acks::ack_of_bots(&mut self.test.fresh.db.read().await.unwrap(), &[&self.bot.id], Epoch(0)).await.unwrap();
        let last = Epoch(self.twin.seen);
        crate::faults::until("the last is on disk", async || of().await.iter().any(|ack| (ack.epoch, ack.step) == (last, Step::Idle)))
            .await;
        let mut all: Vec<_> = of().await.into_iter().map(|ack| (ack.epoch, ack.step, ack.state)).collect();
        all.sort();
        all
    }

    /// The documents, one after the other, without what differs between two installations and between two moments.
    async fn documents(&self) -> Vec<Value> {
        let log = self.log().await;
        let mut all: Vec<Value> = self.twin.heard.iter().map(|document| self.plain(document, &log)).collect();
        all.dedup();
        // A stop that is pushed waits for no database: it comes without the start that it leaves standing, and then once more with it.
        let is_said_again = |n: usize| all.get(n + 1).is_some_and(|next| *next == json_with(&all[n], "start", &next["start"]));
        let last: Vec<usize> = (0..all.len()).filter(|n| !is_said_again(*n)).collect();
        last.into_iter().map(|n| all[n].clone()).collect()
    }

    /// The bytes of every entry.
    async fn log(&self) -> String {
        let rows = storage::audit::audit_from(&mut self.test.fresh.db.read().await.unwrap(), 0, 10_000).await.unwrap();
        rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
    }

    fn plain(&self, document: &Value, log: &str) -> Value {
        let mut text = document.to_string().replace(self.bot.id.as_str(), "BOT").replace(self.bot.team.as_str(), "TEAM");
        for (n, hold) in self.holds.iter().enumerate() {
            text = text.replace(hold.as_str(), &format!("HOLD-{n}"));
        }
        let mut plain: Map<String, Value> = serde_json::from_str(&text).unwrap();
        for moment in ["sent_at", "lease_ms", "type"] {
            plain.remove(moment);
        }
        for reason in plain["reasons"].as_array_mut().unwrap() {
            reason.as_object_mut().unwrap().remove("at");
        }
        if document["start"].is_object() {
            plain.insert("start".into(), start(&document["start"], &self.bot.id, log));
        }
        plain.into()
    }
}

/// An object with another value for one of its keys.
fn json_with(object: &Value, key: &str, value: &Value) -> Value {
    let mut other = object.clone();
    other[key] = value.clone();
    other
}

fn bytes(text: &Value) -> Vec<u8> {
    data_encoding::BASE64URL_NOPAD.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

/// A start with its proof checked: the leaf is in the act, and each assertion is over that act and stands in the log, where its signature is
/// verified. What is left is the same for everybody.
fn start(frame: &Value, bot: &BotId, log: &str) -> Value {
    let act: Value = serde_json::from_slice(&bytes(&frame["act"])).unwrap();
    assert_eq!(frame["leaf"]["bot"], bot.as_str());
    let hash = |text: &Value| -> [u8; 32] { bytes(text).try_into().unwrap() };
    let proof: Vec<[u8; 32]> = frame["proof"].as_array().unwrap().iter().map(hash).collect();
    let leaf = andon::audit::record::leaf_hash(&serde_json_canonicalizer::to_vec(&frame["leaf"]).unwrap());
    let index = frame["leaf_index"].as_u64().unwrap();
    assert!(andon::audit::tree::verify_inclusion(&leaf, index, act["count"].as_u64().unwrap(), &proof, &hash(&act["root"])));
    let assertions = frame["assertions"].as_array().unwrap();
    for assertion in assertions {
        let client: Value = serde_json::from_slice(&bytes(&assertion["client_data"])).unwrap();
        assert_eq!(bytes(&client["challenge"]), Sha256::digest(bytes(&frame["act"])).to_vec(), "signed over this act");
        assert!(log.contains(assertion["signature"].as_str().unwrap()));
    }
    let mut leaf = frame["leaf"].clone();
    leaf["bot"] = "BOT".into();
    json!({"epoch": frame["epoch"], "kind": act["kind"], "count": act["count"], "leaf": leaf, "signatures": assertions.len()})
}

on_both!(a_history_is_the_same_by_poll_and_by_push, |first: Fresh| async move {
    let second = fresh(first.kind).await;
    let (mut polled, mut pushed) = (Run::new(first, false).await, Run::new(second, true).await);
    polled.live().await;
    pushed.live().await;
    assert_eq!(polled.documents().await, pushed.documents().await);
    assert_eq!(polled.acks().await, pushed.acks().await);
    assert_eq!(polled.receipts, pushed.receipts);
    assert!(polled.documents().await.len() >= 14, "the history was told");
    for run in [&polled, &pushed] {
        run.test.log_is_good().await;
    }
});
