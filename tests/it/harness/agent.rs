//! An agent at the level of the use cases: it obeys as the protocol says, and keeps what it must remember.

use super::app::TestApp;
use andon::{
    app::{App, acts::Outcome, agent_book::LiveAgent, check_in::Heard, check_in::Unheard},
    domain::{ActKind, AgentId, BootId, BotFacts, Epoch, HoldId, State, Step},
    protocol::{AckFrame, CarriedHold, CheckIn, DirectiveFrame, EnrolAgent, EnrolRequest, EnrolResponse, Report},
};
use std::{collections::BTreeMap, sync::Arc};

/// A public key of the agents' own kind; nothing is ever sealed to it here.
pub const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// One agent.
pub struct Agent {
    pub enrolled: EnrolResponse,
    pub boot: BootId,
    pub seq: u64,
    pub seen: Epoch,
    pub start_after: Epoch,
    pub state: State,
    pub carried: Vec<CarriedHold>,
    pub behind: bool,
    pub lapsed: bool,
    /// The limits version that it has taken over.
    pub limits: i64,
    /// The one that it says instead.
    pub limits_version: Option<i64>,
    /// What its bot runs, as it says at every check-in.
    pub build: Option<String>,
    pub config: Option<String>,
    /// The keys that it holds.
    pub keys: BTreeMap<String, i64>,
    /// What it reports of its bot.
    pub report: Option<Report>,
}

pub fn boot() -> BootId {
    HoldId::new().to_string().try_into().unwrap()
}

/// Gets a code by a signed act and enrols.
pub async fn enrol(test: &TestApp, bot: &BotFacts, by: &str) -> Agent {
    let act = test.app.prepare_single(&test.actor(by), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign(by, &act).await.unwrap() else { panic!("no code") };
    let asked = EnrolRequest {
        code: secret.expose().clone(),
        agent: EnrolAgent { name: "host-1".into(), version: "1.0.0".into(), platform: "linux-x86_64".into() },
        recipient: RECIPIENT.into(),
    };
    of(test.app.enrol(asked).await.unwrap())
}

/// The agent that was enrolled like this.
pub fn of(enrolled: EnrolResponse) -> Agent {
    Agent {
        enrolled,
        boot: boot(),
        seq: 0,
        seen: Epoch(0),
        start_after: Epoch(0),
        state: State::Halted,
        carried: Vec::new(),
        behind: false,
        lapsed: false,
        limits: 0,
        limits_version: None,
        build: None,
        config: None,
        keys: BTreeMap::new(),
        report: None,
    }
}

/// Enrols, confirms, and checks in until server and agent agree.
pub async fn ready(test: &TestApp, bot: &BotFacts, by: &str) -> Agent {
    let mut agent = enrol(test, bot, by).await;
    agent.confirm(test, by).await;
    agent.settle(&test.app).await;
    agent
}

impl Agent {
    pub fn id(&self) -> &AgentId {
        &self.enrolled.agent_id
    }

    pub fn live(&self, app: &App) -> Arc<LiveAgent> {
        app.agent_by_token(&self.enrolled.token).expect("its credential ended")
    }

    pub async fn confirm(&self, test: &TestApp, by: &str) {
        let row = test.app.agent(&test.actor(by), self.id()).await.unwrap();
        let kind = ActKind::AgentConfirm { agent: row.id, bot: row.bot_id, fingerprint: row.fingerprint };
        let act = test.app.prepare_single(&test.actor(by), kind).await.unwrap();
        test.sign(by, &act).await.unwrap();
    }

    pub fn says(&self) -> CheckIn {
        CheckIn {
            boot: Some(self.boot.clone()),
            seq: self.seq,
            epoch: Some(self.seen),
            state: Some(self.state),
            limits_version: Some(self.limits_version.unwrap_or(self.limits)),
            start_after: Some(self.start_after),
            holds: self.carried.clone(),
            server_behind: self.behind,
            lapsed: self.lapsed,
            build: self.build.clone(),
            config: self.config.clone(),
            key_versions: self.keys.clone(),
            report: self.report.clone(),
            ..CheckIn::default()
        }
    }

    /// One check-in, obeyed. Answers with what it was told.
    pub async fn check_in(&mut self, app: &Arc<App>) -> Result<Heard, Unheard> {
        self.seq += 1;
        let heard = app.check_in(&self.live(app), &self.says(), "poll").await?;
        // Said until it is answered by a renewal.
        self.lapsed &= heard.renew.is_none();
        self.obey(app, &heard.directive, heard.renew.is_some()).await;
        Ok(heard)
    }

    /// Takes a directive as the protocol says, and acknowledges a stop once the bot stands.
    pub async fn obey(&mut self, app: &Arc<App>, told: &DirectiveFrame, renewed: bool) {
        self.carried.retain(|hold| !told.released.contains(&hold.id) && !told.recorded.contains(&hold.id));
        for hold in &told.unrecorded {
            if self.carried.iter().all(|carried| carried.id != hold.id) {
                let (by, why) = (hold.by.clone(), hold.why.clone());
                self.carried.push(CarriedHold { id: hold.id.clone(), level: hold.level, by, why, at: Some(hold.at) });
            }
        }
        self.limits = told.limits.version;
        self.behind = told.epoch < self.seen;
        let news = told.epoch > self.seen;
        self.seen = self.seen.max(told.epoch);
        let start = told.start.as_ref().map_or(Epoch(0), |start| start.epoch);
        let may = renewed && told.state == State::Active && !self.behind && start > self.start_after && self.carried.is_empty();
        match told.state {
            State::Active if may => self.state = State::Active,
            State::Active => {}
            State::Reducing => self.state = self.state.min(State::Reducing),
            State::Halted => {
                self.state = State::Halted;
                self.start_after = self.seen;
            }
        }
        if news && (self.state == State::Halted || !told.blocked.is_empty()) {
            for step in [Step::Received, Step::Applied, Step::Idle] {
                self.ack(app, told.epoch, step).await;
            }
        }
    }

    /// Takes a directive that some other server sent; nobody hears the acknowledgements.
    pub fn obey_quietly(&mut self, told: &DirectiveFrame) {
        assert_eq!(told.state, State::Halted);
        self.seen = self.seen.max(told.epoch);
        self.state = State::Halted;
        self.start_after = self.seen;
        for hold in &told.unrecorded {
            let (by, why) = (hold.by.clone(), hold.why.clone());
            self.carried.push(CarriedHold { id: hold.id.clone(), level: hold.level, by, why, at: Some(hold.at) });
        }
    }

    pub async fn ack(&self, app: &App, epoch: Epoch, step: Step) {
        let idle = step == Step::Idle;
        let frame =
            AckFrame { epoch, step, at: None, state: Some(self.state), entry_orders: idle.then_some(0), open_orders: idle.then_some(0) };
        assert!(app.acknowledge(&self.live(app), &frame).unwrap().wait().await, "it is on disk");
    }

    /// Checks in until nothing changes any more.
    pub async fn settle(&mut self, app: &Arc<App>) {
        for _ in 0..6 {
            let before = (self.seen, self.state);
            self.check_in(app).await.unwrap();
            if before == (self.seen, self.state) {
                return;
            }
        }
        panic!("server and agent do not come to rest");
    }

    /// A new process of the same agent: it remembers, and starts halted.
    pub fn reboot(&mut self) {
        self.boot = boot();
        self.seq = 0;
        self.state = State::Halted;
        self.start_after = self.seen;
    }
}
