//! The demo's fleet: bots made and let into the sandbox by the operator, agents enrolled with signed codes and confirmed by fingerprint, all
//! started by one act that operator and lead sign. Three bots are real processes under `andon agent run`; the rest live in this one.

use super::{
    bot::Configured,
    people::Staff,
    register,
    simulated::{Simulated, Temper},
};
use crate::agent::{
    Agent, AgentConfig, AgentDir, BootClock, Credential, MemoryStore, credential,
    keys::{Giving, KeyRing, KeyStore},
    link::trust::Trust,
    link::wire::Wire,
};
use crate::app::{App, AppError, acts::Outcome};
use crate::authz::Actor;
use crate::cli::Failure;
use crate::config::Origin;
use crate::domain::{ActKind, BotId, Clock, Secret, Stage, limits::Node};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
};

/// How many of the bots are processes of their own.
const PROCESSES: usize = 3;
/// How long the fleet may take to be ready for its start.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long agents may take to halt their bots at the end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Where the fleet lives.
pub struct Place<'a> {
    /// The installation.
    pub app: &'a Arc<App>,
    /// Where its server is reached.
    pub origin: &'a Origin,
    /// The demo's folder.
    pub dir: &'a Path,
    /// True once the demo ends.
    pub stopping: watch::Receiver<bool>,
}

/// Every agent of the demo.
pub struct Agents {
    inside: JoinSet<()>,
    processes: Vec<Child>,
}

impl Agents {
    /// Waits until every bot is halted; who takes too long is given up.
    pub async fn ended(mut self) {
        for process in &mut self.processes {
            if let Some(pid) = process.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
                // It may be gone already.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        let all = async {
            for process in &mut self.processes {
                let _ = process.wait().await;
            }
            while self.inside.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(END_WITHIN, all).await;
    }
}

/// Makes the fleet and starts it.
pub async fn open(place: Place<'_>, staff: &Staff, count: usize) -> Result<Agents, Failure> {
    let operator = staff.actor(place.app, "operator")?;
    let wire = Wire::new(true, &Trust::System)?;
    let mut agents = Agents { inside: JoinSet::new(), processes: Vec::new() };
    limit(place.app, staff).await?;
    let mut bots = Vec::with_capacity(count);
    let names = register::write_down(place.app, staff, count).await?;
    for (n, name) in names.into_iter().enumerate() {
        let bot = let_into_sandbox(place.app, &operator, &name).await?;
        let dir = AgentDir::new(place.dir.join("agents").join(&name));
        let credential = enrol(&place, &operator, &bot, (&dir, &name)).await?;
        if n < PROCESSES {
            agents.processes.push(run_process(&dir, &place.dir.join(format!("{name}.json")), n)?);
        } else {
            let store = MemoryStore::new(&dir, credential.agent.clone());
            // Its bot is simulated and uses none: what is handed in for it is kept and acknowledged, as beside a real one.
            let ring = KeyRing { store: KeyStore::new(&dir, &credential), giving: Giving::Nothing };
            let config = AgentConfig {
                credential,
                keeper: None,
                keys: Some(ring),
                measurer: None,
                wire: wire.clone(),
                clock: Clock::system(),
                boot_clock: BootClock::system(),
                tether: None,
            };
            let agent = Agent::new(config, Box::new(Simulated::new(temper(n), n as u64 + 1, place.stopping.clone())), store);
            let mut stopping = place.stopping.clone();
            agents.inside.spawn(async move {
                let shutdown = async move {
                    let _ = stopping.wait_for(|ended| *ended).await;
                };
                if let Err(error) = agent.run(shutdown).await {
                    tracing::error!(%error, "a demo agent could not run");
                }
            });
        }
        bots.push(bot);
    }
    start(place.app, staff, &operator, &bots).await?;
    Ok(agents)
}

fn temper(n: usize) -> Temper {
    match n {
        5 => Temper::Slow,
        7 => Temper::Deaf,
        n if n % 9 == 4 => Temper::Losing,
        n if n % 10 == 8 => Temper::Noisy,
        _ => Temper::Steady,
    }
}

async fn let_into_sandbox(app: &App, operator: &Actor, name: &str) -> Result<BotId, Failure> {
    let view = app.fleet.view();
    let bot = view.bots().find(|bot| bot.name == name).ok_or("a bot of the demo's register is not there")?;
    app.set_stage(operator, &bot.id, Stage::Sandbox).await?;
    app.tighten(operator, &Node::Bot(bot.id.clone()), &typed(&OF_BOTS), "what this strategy was tested with").await?;
    Ok(bot.id.clone())
}

/// What every bot is given.
const OF_BOTS: [(&str, &str); 9] = [
    ("max_order_notional", "1000"),
    ("max_position_notional", "80000"),
    ("max_daily_loss", "25000"),
    ("max_drawdown", "40000"),
    ("max_open_orders", "40"),
    ("max_messages_per_minute", "9000"),
    ("max_reject_rate", "0.5"),
    ("max_market_data_age_ms", "2000"),
    ("allowed_symbols", "BTC/USDT"),
];

fn typed(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The limits of the installation and of the teams.
async fn limit(app: &App, staff: &Staff) -> Result<(), Failure> {
    let risk = staff.actor(app, "risk")?;
    let whole = [("currency", "USDT"), ("max_total_exposure", "5000000"), ("max_total_daily_loss", "500000"), ("max_leverage", "6")];
    app.tighten(&risk, &Node::Installation, &typed(&whole), "what the firm can bear").await?;
    for team in &staff.teams {
        let of_team = [("max_total_exposure", "2500000"), ("max_position_notional", "120000"), ("max_consecutive_errors", "20")];
        app.tighten(&risk, &Node::Team(team.id.clone()), &typed(&of_team), "a desk's share of that").await?;
    }
    Ok(())
}

/// A signed code, the agent's own enrolment over HTTP, and the signed comparison of its fingerprint.
async fn enrol(place: &Place<'_>, operator: &Actor, bot: &BotId, (dir, name): (&AgentDir, &str)) -> Result<Credential, Failure> {
    let app = place.app;
    let act = app.prepare_single(operator, ActKind::EnrolmentCode { bot: bot.clone() }).await?;
    let Outcome::Secret { secret, .. } = app.demo_sign(operator, &act.stored.id).await? else {
        return Err("a code was signed for, but none came".into());
    };
    dir.create()?;
    let server = credential::check_server(place.origin.url().as_str())?;
    let code = Secret::new(secret.expose().clone());
    let asked = credential::Enrolment { server, code: &code, name: name.to_owned(), authority: None, replace: false };
    let credential = credential::enrol(dir, asked, &Clock::system()).await?;
    let confirm = ActKind::AgentConfirm { agent: credential.agent.clone(), bot: bot.clone(), fingerprint: credential.fingerprint.clone() };
    let act = app.prepare_single(operator, confirm).await?;
    app.demo_sign(operator, &act.stored.id).await?;
    Ok(credential)
}

/// Starts `andon agent run` beside a bot that is a process of its own.
fn run_process(dir: &AgentDir, file: &Path, n: usize) -> Result<Child, Failure> {
    let program = std::env::current_exe()?;
    let words = |tail: &[&str]| {
        let mut all = vec![program.display().to_string(), "demo-bot".to_owned()];
        all.extend(tail.iter().map(|&word| word.to_owned()));
        all.extend(["--file".to_owned(), file.display().to_string()]);
        all
    };
    let config = dir.path().join("bot.json");
    std::fs::write(&config, serde_json::to_vec(&Configured { seed: n as u64 + 1 })?)?;
    // Strings, and arrays of them, are written alike in JSON and in TOML.
    let config = config.display().to_string();
    let (command, report) = (serde_json::to_string(&words(&["run", "--config", &config]))?, serde_json::to_string(&words(&["report"]))?);
    let runs = (serde_json::to_string(&[program.display().to_string()])?, serde_json::to_string(&[config])?);
    let settings = format!("command = {command}\nreport = {report}\nbuild = {}\nconfig = {}\n", runs.0, runs.1);
    std::fs::write(dir.settings(), format!("[bot]\nadapter = \"process\"\n{settings}"))?;
    let log = std::fs::File::create(dir.path().join("log"))?;
    let child = Command::new(program)
        .args(["agent", "run", "--dir"])
        .arg(dir.path())
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// One act over every bot, signed by operator and lead, as soon as each agent has proved that its bot stands.
async fn start(app: &Arc<App>, staff: &Staff, operator: &Actor, bots: &[BotId]) -> Result<(), Failure> {
    let lead = staff.actor(app, "lead")?;
    let mut open = Vec::new();
    let ready = async {
        loop {
            match app.prepare_start(operator, bots, &[]).await {
                Ok(act) => return Ok(act),
                Err(AppError::Conflict(reasons)) => open = reasons,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let ready = tokio::time::timeout(READY_WITHIN, ready).await;
    let act = ready.map_err(|_| format!("the demo's agents did not all get ready: {}", open.join("; ")))??;
    app.demo_sign(operator, &act.stored.id).await?;
    app.demo_sign(&lead, &act.stored.id).await?;
    Ok(())
}
