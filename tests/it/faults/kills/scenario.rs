//! One run of kills over one ground: what is done, what is brought up again, and what is held against the rules.

use super::{
    super::{
        crew::{Crew, Tried},
        ground::{Ground, TIMINGS},
        host::Host,
        model::Model,
        now_ms,
        press::{Press, Pressed, Way, open_holds},
        proc,
        server::Server,
        trouble::Trouble,
        until, within,
    },
    plan::{During, Plan, Victim},
};
use crate::harness::db::{self, Fresh};
use andon::{
    domain::{BotId, Epoch},
    storage,
};
use rustix::process::Signal;
use std::{fs, time::Duration};
use tokio::task::JoinHandle;

/// How long a failpoint may take to be passed; then its process is killed where it is.
const PASSED_WITHIN: Duration = Duration::from_secs(3);
/// A minder that was unlucky often waits long before it starts an agent anew. Nobody waits here for longer than this.
const AGENT_WITHIN_MS: i64 = 2_500;
/// Within this somebody answers a press, whatever was killed meanwhile.
const ANSWERED_WITHIN_MS: i64 = 60_000;

/// A start of which nobody knows whether it was carried out.
struct Unknown {
    path: String,
    bots: Vec<usize>,
    sent_ms: i64,
}

/// The run.
pub struct Scenario {
    ground: Ground,
    server: Server,
    hosts: Vec<Host>,
    crew: Crew,
    rng: fastrand::Rng,
    models: Vec<Model>,
    /// Since when a host has no agent.
    without_agent_ms: Vec<Option<i64>>,
    unknown: Vec<Unknown>,
    answered: Vec<(Press, Pressed)>,
    /// Of those, the ones whose spool was taken away: only agents brought them back.
    carried: Vec<String>,
    kills: usize,
}

/// A kill on its way.
enum Armed {
    At(&'static str),
    Moment(JoinHandle<i64>),
}

impl Scenario {
    pub async fn new(fresh: Fresh, rng: fastrand::Rng) -> Self {
        let (ground, mut hosts) = Ground::new(fresh, 2).await;
        let server = Server::start(&ground).await;
        hosts.iter_mut().for_each(Host::run);
        let crew = Crew::signed_in(&ground).await;
        let (models, without_agent_ms) = (hosts.iter().map(|_| Model::default()).collect(), vec![None; hosts.len()]);
        let (unknown, answered, carried) = (Vec::new(), Vec::new(), Vec::new());
        Self { ground, server, hosts, crew, rng, models, without_agent_ms, unknown, answered, carried, kills: 0 }
    }

    pub fn kills(&self) -> usize {
        self.kills
    }

    /// One kill, and everything that leads to it and follows from it.
    pub async fn round(&mut self, plan: Plan) {
        let host = self.rng.usize(..self.hosts.len());
        self.ground.note(&format!("== {plan:?}, host {host}"));
        match plan.during {
            During::Press | During::LockedPress | During::FailedPress | During::LostSpool | During::Boot => {
                self.release_all().await;
                self.start_all().await;
            }
            During::Release | During::Start => {
                let fleet = Press::new(self.way(), self.reason());
                self.press_until_answered(fleet, None).await;
            }
        }
        match plan.during {
            During::Press => {
                let press = self.any_press();
                let armed = self.arm(plan, host);
                self.press_until_answered(press, None).await;
                self.finish(plan, host, armed).await;
            }
            During::LockedPress | During::FailedPress => {
                let press = self.any_press();
                let trouble = match plan.during {
                    During::LockedPress => Trouble::locked(&self.ground).await,
                    _ => Trouble::failing(&self.ground, self.server.pid()).await,
                };
                let armed = self.arm(plan, host);
                self.press_until_answered(press, Some(trouble)).await;
                self.finish(plan, host, armed).await;
            }
            During::LostSpool => self.lose_spool(plan, host).await,
            During::Release => {
                let armed = self.arm(plan, host);
                self.release_all().await;
                self.finish(plan, host, armed).await;
            }
            During::Start => {
                self.release_all().await;
                let armed = self.arm(plan, host);
                self.start_all().await;
                self.finish(plan, host, armed).await;
            }
            During::Boot => {
                let armed = self.arm(plan, host);
                let killed = Plan { during: plan.during, victim: Victim::Agent, point: None };
                self.kill_now(killed, host);
                self.finish(plan, host, armed).await;
            }
        }
        self.tend().await;
        self.check().await;
    }

    fn way(&mut self) -> Way {
        *self.rng.choice(&[Way::Token, Way::Socket, Way::Browser]).unwrap()
    }

    /// A reason that no other press has.
    fn reason(&self) -> String {
        format!("press {}", self.answered.len() + 1)
    }

    fn any_press(&mut self) -> Press {
        let mut press = Press::new(self.way(), self.reason());
        press.level = if self.rng.u8(..4) == 0 { "reduce" } else { "pause" };
        if self.rng.bool() {
            let host = &self.hosts[self.rng.usize(..self.hosts.len())];
            (press.scope, press.name, press.id) = ("bot", host.name.clone(), host.bot.to_string());
        }
        press
    }

    /// Presses until somebody answers. Trouble with the database ends when nobody does, and after the answer.
    async fn press_until_answered(&mut self, mut press: Press, mut trouble: Option<Trouble>) {
        let end = now_ms() + ANSWERED_WITHIN_MS;
        loop {
            let pressed = press.once(&self.ground, &mut self.crew).await;
            let at_ms = now_ms();
            assert!(pressed.is_some() || at_ms < end, "nobody answered {press:?}");
            self.ground.note(&format!("{press:?}: {pressed:?}"));
            if let Some(trouble) = trouble.take() {
                trouble.end().await;
            }
            let Some(pressed) = pressed else {
                self.tend().await;
                continue;
            };
            for (host, model) in self.hosts.iter().zip(&mut self.models) {
                if press.scope != "bot" || press.name == host.name {
                    model.stopped(at_ms);
                }
            }
            self.answered.push((press, pressed));
            return;
        }
    }

    /// A hold goes to the spool and to the agents; then server and spool are gone, and the next server is killed while it learns of it.
    async fn lose_spool(&mut self, plan: Plan, host: usize) {
        let trouble = Trouble::failing(&self.ground, self.server.pid()).await;
        let mut press = Press::new(self.way(), self.reason());
        let end = now_ms() + ANSWERED_WITHIN_MS;
        let pressed = loop {
            if let Some(pressed) = press.once(&self.ground, &mut self.crew).await {
                break pressed;
            }
            assert!(now_ms() < end, "nobody answered {press:?}");
            // A server that began a moment ago knows no session without its database, and tells people what else stops.
            if press.way == Way::Browser {
                press = Press::new(Way::Socket, self.reason());
            }
            self.tend().await;
        };
        let at_ms = now_ms();
        self.models.iter_mut().for_each(|model| model.stopped(at_ms));
        let hosts = &self.hosts;
        until("agents that carry the hold", async || hosts.iter().all(|host| host.memory().contains(&pressed.hold))).await;
        self.server.kill();
        self.kills += 1;
        trouble.end().await;
        fs::remove_file(self.ground.state_dir().join("spool")).unwrap();
        self.carried.push(pressed.hold.clone());
        self.answered.push((press, pressed));
        let armed = self.arm(plan, host);
        self.tend().await;
        self.finish(plan, host, armed).await;
    }

    fn arm(&mut self, plan: Plan, host: usize) -> Armed {
        match plan.point {
            Some(point) => {
                let arm = if plan.victim == Victim::Server { &self.server.arm } else { &self.hosts[host].arm };
                // What is passed often is passed for different reasons.
                let often =
                    ["said:", "agent:before_memory", "agent:before_rename", "agent:memory"].iter().any(|name| point.starts_with(name));
                arm.set(point, if often { self.rng.u64(1..3) } else { 1 });
                Armed::At(point)
            }
            None => {
                let delay = Duration::from_millis(self.rng.u64(..400));
                let pids = self.pids(plan.victim, host);
                Armed::Moment(tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    kill(&pids)
                }))
            }
        }
    }

    fn pids(&mut self, victim: Victim, host: usize) -> Vec<i32> {
        let server = self.server.pid();
        let host = &mut self.hosts[host];
        match victim {
            Victim::Server => vec![server],
            Victim::Agent => host.agent().into_iter().collect(),
            Victim::Minder => host.minder().into_iter().collect(),
            Victim::AgentAndMinder => host.minder().into_iter().chain(host.agent()).collect(),
            Victim::Launcher => host.launcher().into_iter().collect(),
            Victim::Bot => host.bots(),
        }
    }

    fn kill_now(&mut self, plan: Plan, host: usize) {
        let pids = self.pids(plan.victim, host);
        let at_ms = kill(&pids);
        self.killed(plan, host, at_ms);
    }

    fn killed(&mut self, plan: Plan, host: usize, at_ms: i64) {
        self.ground.note(&format!("killed {:?} of host {host} at {at_ms}", plan.victim));
        self.kills += 1;
        if plan.victim != Victim::Server {
            self.models[host].stopped(at_ms);
        }
    }

    /// Waits for the kill; one that was not passed in time is done now.
    async fn finish(&mut self, plan: Plan, host: usize, armed: Armed) {
        match armed {
            Armed::Moment(kill) => {
                let at_ms = kill.await.unwrap();
                self.killed(plan, host, at_ms);
            }
            Armed::At(point) => {
                let arm = if plan.victim == Victim::Server { self.server.arm.clone() } else { self.hosts[host].arm.clone() };
                let end = now_ms() + i64::try_from(PASSED_WITHIN.as_millis()).unwrap();
                while arm.fired_ms().is_none() && now_ms() < end {
                    self.tend().await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                if arm.fired_ms().is_none() && arm.clear() {
                    self.ground.note(&format!("{point} was not passed"));
                    self.kill_now(plan, host);
                } else {
                    until("a failpoint that fired", async || arm.fired_ms().is_some()).await;
                    self.killed(plan, host, arm.fired_ms().unwrap());
                }
            }
        }
    }

    /// Brings up again what is gone: the server after a moment or after a lapse, minders at once.
    async fn tend(&mut self) {
        if let Some(status) = self.server.ended() {
            let long = self.rng.u8(..8) == 0;
            let down_ms = if long { TIMINGS.lapse_after_ms.unsigned_abs() + 500 } else { self.rng.u64(..300) };
            self.ground.note(&format!("the server ended, {status}; it is started again in {down_ms} ms"));
            assert!(status.code().is_none(), "the server ended by itself: {status}");
            tokio::time::sleep(Duration::from_millis(down_ms)).await;
            self.server = Server::start(&self.ground).await;
        }
        for (host, without_ms) in self.hosts.iter_mut().zip(&mut self.without_agent_ms) {
            let gone = host.agent().is_none();
            *without_ms = gone.then(|| without_ms.unwrap_or_else(now_ms));
            if without_ms.is_some_and(|since| now_ms() - since > AGENT_WITHIN_MS)
                && let Some(minder) = host.minder()
            {
                proc::signal(minder, Signal::KILL);
                until("the minder's end", async || host.minder().is_none()).await;
            }
            if host.minder().is_none() {
                host.run();
                *without_ms = None;
            }
        }
    }

    /// Releases whatever stands.
    async fn release_all(&mut self) {
        let end = now_ms() + 60_000;
        loop {
            assert!(now_ms() < end, "holds cannot be released");
            self.tend().await;
            let Some(open) = open_holds(&self.ground).await else { continue };
            if open.is_empty() {
                return;
            }
            for hold in open {
                let tried = self.crew.release(&hold).await;
                self.ground.note(&format!("release {hold}: {tried:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts whatever does not trade, alone or together, until every bot trades.
    async fn start_all(&mut self) {
        let end = now_ms() + 60_000;
        loop {
            // Agents may carry back a hold at any time.
            self.release_all().await;
            self.settle_unknown().await;
            let idle: Vec<usize> = (0..self.hosts.len()).filter(|n| !self.hosts[*n].trades()).collect();
            if idle.is_empty() {
                return;
            }
            assert!(now_ms() < end, "bots cannot be started");
            let chosen = if self.rng.bool() { idle } else { vec![*self.rng.choice(&idle).unwrap()] };
            let bots: Vec<BotId> = chosen.iter().map(|n| self.hosts[*n].bot.clone()).collect();
            let mut sent_ms = 0;
            let tried = self.crew.start(&bots, &mut sent_ms).await;
            self.ground.note(&format!("start of {chosen:?}, sent at {sent_ms}: {tried:?}"));
            match tried {
                Tried::Refused(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                Tried::NoAnswer(path) => {
                    if let Some(path) = path.filter(|_| sent_ms > 0) {
                        chosen.iter().for_each(|n| self.models[*n].start_sent(sent_ms));
                        self.unknown.push(Unknown { path, bots: chosen, sent_ms });
                    }
                }
                Tried::Done => {
                    chosen.iter().for_each(|n| self.models[*n].start_sent(sent_ms));
                    let hosts = &self.hosts;
                    within(Duration::from_secs(2), async || chosen.iter().all(|n| hosts[*n].trades())).await;
                }
            }
        }
    }

    /// Asks what became of starts that nobody answered.
    async fn settle_unknown(&mut self) {
        for unknown in std::mem::take(&mut self.unknown) {
            match self.crew.is_done(&unknown.path).await {
                Some(true) => {}
                Some(false) => unknown.bots.iter().for_each(|n| self.models[*n].start_refused(unknown.sent_ms)),
                None => self.unknown.push(unknown),
            }
        }
    }

    /// The rules, after each kill.
    async fn check(&mut self) {
        for (host, model) in self.hosts.iter().zip(&self.models) {
            if let Err(wrong) = model.check(&host.beats()) {
                panic!("{}: {wrong}", host.name);
            }
        }
    }

    /// Ends everything in order and reads the database: every answered press is there, once, and the log is good.
    pub async fn conclude(mut self) {
        self.release_all().await;
        self.check().await;
        for host in &mut self.hosts {
            host.shut_down().await;
        }
        self.server.stop().await;
        let db = db::reopen(&self.ground.place).await;
        let holds = storage::holds::hold_since(&mut db.read().await.unwrap(), Epoch(-1)).await.unwrap();
        db.close().await;
        for (press, pressed) in &self.answered {
            let same: Vec<_> = holds.iter().filter(|hold| hold.why == press.why && hold.origin.is_none()).collect();
            if self.carried.contains(&pressed.hold) {
                assert!(holds.iter().any(|hold| hold.origin.as_deref() == Some(&pressed.hold)), "{press:?} was not carried back");
                assert!(same.is_empty());
            } else {
                // The same person's second press of the same kind may be answered with the first, and has no row of its own then.
                assert!(holds.iter().any(|hold| hold.id.as_str() == pressed.hold), "{press:?} was answered and is not there");
                assert!(same.iter().all(|hold| hold.id.as_str() == pressed.hold), "{press:?} is there as {same:?}");
            }
        }
        assert!(holds.iter().all(|hold| hold.entry.is_some()), "every hold has its entry");
        let verified = self.ground.verify();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
        eprintln!("{} kills, {} presses, {} holds; the log is good", self.kills, self.answered.len(), holds.len());
    }
}

/// Ends them all; answers when.
fn kill(pids: &[i32]) -> i64 {
    pids.iter().for_each(|pid| proc::signal(*pid, Signal::KILL));
    now_ms()
}
