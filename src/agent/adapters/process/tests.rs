//! Real commands, really ended. The launcher is this test binary itself, called to run `as_launcher` alone.

use super::*;
use crate::agent::brain::STANDSTILL;
use crate::domain::{AgentId, Exits, Orders};
use std::path::Path;

const RUN: Wanted = Wanted { state: State::Active, orders: Orders::Keep, exits: Exits::None };
const HOUR: i64 = 3_600_000;

/// Not a test: the entry of the launcher and of its second stage.
#[test]
fn as_launcher() {
    if std::env::var_os(family::LAUNCHER).is_some() || std::env::var_os("ANDON_BECOME_BOT").is_some() {
        let code = crate::agent::adapters::launcher::launch().map_or(1, |()| 0);
        std::process::exit(code);
    }
}

fn test_launcher() -> Vec<OsString> {
    ["/proc/self/exe", "--exact", "agent::adapters::process::tests::as_launcher", "--nocapture"].map(OsString::from).to_vec()
}

fn config(command: &[&str]) -> ProcessConfig {
    ProcessConfig {
        command: command.iter().map(|part| (*part).to_owned()).collect(),
        working_dir: None,
        stop_signal: Signal::TERM,
        stop_within_ms: 3_000,
        report: None,
        report_timeout_ms: 2_000,
        build: vec![],
        config: vec![],
        strategy: None,
        subaccount: None,
        mark: AgentId::new().to_string(),
        launcher: test_launcher(),
        keys: None,
    }
}

fn adapter(config: ProcessConfig) -> ProcessAdapter {
    let adapter = ProcessAdapter::new(config, BootClock::system());
    adapter.renewed(BootClock::system().now_ms() + HOUR);
    adapter
}

fn bots(adapter: &ProcessAdapter) -> usize {
    family::marked(family::MARK, &adapter.config.mark).len()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn until_there(path: &Path) {
    until("the file is there", || path.exists()).await;
}

#[tokio::test]
async fn a_bot_runs_and_halts_and_is_read_back() {
    let bot = adapter(config(&["sleep", "600"]));
    assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted, "nothing runs yet");
    let started = bot.apply(&RUN).await.unwrap();
    assert_eq!(started.state, State::Active);
    assert_eq!(bot.apply(&RUN).await.unwrap(), started, "told again, it goes on as it is");
    assert_eq!(bot.look().await.unwrap(), started);
    assert_eq!(bots(&bot), 1);
    assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted);
    assert_eq!(bots(&bot), 0);
    assert_ne!(bot.apply(&RUN).await.unwrap().instance, started.instance, "a new run is another instance");
    bot.apply(&STANDSTILL).await.unwrap();
}

#[tokio::test]
async fn a_bot_may_end_in_its_own_way() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo bye > bye; exit 0' TERM; echo > up; while :; do sleep 0.05; done";
    let bot = adapter(ProcessConfig { working_dir: Some(dir.path().into()), ..config(&["sh", "-c", script]) });
    bot.apply(&RUN).await.unwrap();
    until_there(&dir.path().join("up")).await;
    bot.apply(&STANDSTILL).await.unwrap();
    assert!(dir.path().join("bye").exists());
}

#[tokio::test]
async fn a_bot_that_ignores_its_signal_is_killed_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo > up; while :; do sleep 0.05; done";
    let bot = adapter(ProcessConfig { working_dir: Some(dir.path().into()), stop_within_ms: 300, ..config(&["sh", "-c", script]) });
    bot.apply(&RUN).await.unwrap();
    until_there(&dir.path().join("up")).await;
    let begun = BootClock::system().now_ms();
    bot.apply(&STANDSTILL).await.unwrap();
    let took = BootClock::system().now_ms() - begun;
    assert!((300..bot.apply_within_ms()).contains(&took), "{took} ms");
    assert_eq!(bots(&bot), 0);
}

const WITH_FAMILY: &str = "sleep 600 & setsid sleep 600 & (setsid sh -c 'trap \"\" TERM; sleep 600 & wait' &) ; echo > up; exec sleep 600";

#[tokio::test]
async fn its_children_end_with_it_wherever_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let bot = adapter(ProcessConfig { working_dir: Some(dir.path().into()), stop_within_ms: 300, ..config(&["sh", "-c", WITH_FAMILY]) });
    bot.apply(&RUN).await.unwrap();
    until("the family is complete", || bots(&bot) == 5).await;
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bots(&bot), 0);
}

#[tokio::test]
async fn a_bot_that_ends_by_itself_stands_and_so_do_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let bot = adapter(ProcessConfig {
        working_dir: Some(dir.path().into()),
        stop_within_ms: 200,
        ..config(&["sh", "-c", "setsid sleep 600 & sleep 0.5; exit 3"])
    });
    bot.apply(&RUN).await.unwrap();
    bot.changed().await;
    until("it is seen", || bot.look_now().is_none()).await;
    assert_eq!(bot.look().await.unwrap().state, State::Halted);
    until("the children are gone", || bots(&bot) == 0).await;
    assert!(bot.apply(&RUN).await.is_err(), "it is not restarted without having been halted");
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bot.apply(&RUN).await.unwrap().state, State::Active);
    bot.apply(&STANDSTILL).await.unwrap();
}

#[tokio::test]
async fn a_command_that_cannot_run_has_not_started() {
    for command in [&["/nonexistent/bot"][..], &["false"], &["sh", "-c", "exit 7"]] {
        let bot = adapter(config(command));
        assert!(bot.apply(&RUN).await.is_err(), "{command:?}");
        assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted);
    }
}

#[tokio::test]
async fn a_bot_dies_with_its_agent() {
    let bot = adapter(ProcessConfig { stop_within_ms: 300, ..config(&["sh", "-c", WITH_FAMILY]) });
    let dir = tempfile::tempdir().unwrap();
    let bot = adapter(ProcessConfig { working_dir: Some(dir.path().into()), ..bot.config.clone() });
    bot.apply(&RUN).await.unwrap();
    until("the family is complete", || bots(&bot) == 5).await;
    // What the kernel does when the agent's process ends.
    bot.with_running(|running| running.as_mut().unwrap().to = None);
    until("all of it is gone", || bots(&bot) == 0).await;
}

#[tokio::test]
async fn a_bot_dies_without_a_lease_though_agent_and_minder_stand_still() {
    let bot = adapter(ProcessConfig { stop_within_ms: 300, ..config(&["sleep", "600"]) });
    let now = BootClock::system().now_ms();
    bot.renewed(now + 1_500);
    bot.apply(&RUN).await.unwrap();
    bot.renewed(now + 2_500);
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    assert_eq!(bots(&bot), 1, "it lives as long as its lease");
    until("it is gone", || bots(&bot) == 0).await;
    assert!(BootClock::system().now_ms() - now < 5_000);
}

#[tokio::test]
async fn a_killed_launcher_takes_the_bot_with_it_and_a_halt_finds_the_orphans() {
    let dir = tempfile::tempdir().unwrap();
    let bot = adapter(ProcessConfig { working_dir: Some(dir.path().into()), stop_within_ms: 300, ..config(&["sh", "-c", WITH_FAMILY]) });
    bot.apply(&RUN).await.unwrap();
    until("the family is complete", || bots(&bot) == 5).await;
    let launcher = bot.with_running(|running| running.as_ref().unwrap().launcher.unwrap());
    kill_process(launcher, Signal::KILL).unwrap();
    until("it is seen", || bot.look_now().is_none()).await;
    until("the bot itself is gone", || bots(&bot) == 4).await;
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bots(&bot), 0);
}

#[tokio::test]
async fn a_launcher_that_stands_still_does_not_save_the_bot() {
    let bot = adapter(ProcessConfig { stop_within_ms: 300, ..config(&["sleep", "600"]) });
    bot.apply(&RUN).await.unwrap();
    let launcher = bot.with_running(|running| running.as_ref().unwrap().launcher.unwrap());
    kill_process(launcher, Signal::STOP).unwrap();
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bots(&bot), 0);
}

#[tokio::test]
async fn a_stopped_bot_is_ended_too() {
    let bot = adapter(config(&["sleep", "600"]));
    let started = bot.apply(&RUN).await.unwrap();
    let pid = Pid::from_raw(started.instance.unwrap().parse().unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bots(&bot), 0);
}

#[tokio::test]
async fn another_process_can_halt_it() {
    let dir = tempfile::tempdir().unwrap();
    let bot = adapter(ProcessConfig { working_dir: Some(dir.path().into()), stop_within_ms: 300, ..config(&["sh", "-c", WITH_FAMILY]) });
    bot.apply(&RUN).await.unwrap();
    until("the family is complete", || bots(&bot) == 5).await;
    let minder = ProcessAdapter::new(bot.config.clone(), BootClock::system());
    tokio::task::spawn_blocking(move || minder.halt_now(&STANDSTILL)).await.unwrap().unwrap();
    assert_eq!(bots(&bot), 0);
}

async fn report_of(command: &[&str]) -> Result<Option<Report>, AdapterError> {
    let report = Some(command.iter().map(|part| (*part).to_owned()).collect());
    adapter(ProcessConfig { report, report_timeout_ms: 400, ..config(&["sleep", "600"]) }).report().await
}

#[tokio::test]
async fn orders_are_known_from_the_report_command_alone() {
    assert!(!adapter(config(&["sleep", "600"])).traits().can_tell_orders);
    let report = report_of(&["echo", r#"{"entry_orders":0,"open_orders":3,"equity":"100.50","unknown":1}"#]).await.unwrap().unwrap();
    assert_eq!((report.entry_orders, report.open_orders, report.equity.as_deref()), (Some(0), Some(3), Some("100.50")));
    let report = report_of(&["echo", r#"{"open_orders":3}"#]).await.unwrap().unwrap();
    assert_eq!((report.entry_orders, report.open_orders), (None, Some(3)), "what is not said is unknown, and the rest is known");
    let mut errors = Vec::new();
    for command in [&["echo", "no json"][..], &["false"], &["/nonexistent/report"], &["sh", "-c", "sleep 600 & sleep 600"]] {
        errors.push(report_of(command).await.unwrap_err().to_string());
    }
    assert!(errors[0].contains("no report") && errors[3].contains("longer"), "{errors:?}");
    let silent = Some(vec!["echo".to_owned(), "{}".to_owned()]);
    let found = adapter(ProcessConfig { report: silent, ..config(&["sleep", "600"]) }).examine(false).await;
    assert!(found.iter().any(|finding| !finding.is_good && finding.text.contains("entry_orders")), "{found:?}");
}

#[tokio::test]
async fn a_bot_that_is_started_finds_its_keys_in_an_open_file_or_its_environment() {
    use crate::agent::keys::{Handing, Way, tests::ground};
    let ground = ground();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let shown = out.display();
    for (way, script) in [
        (Way::Fd, format!("cat <&$ANDON_KEYS_FD > {shown}.new; env >> {shown}.new; mv {shown}.new {shown}; exec sleep 600")),
        (Way::Env, format!("env > {shown}.new; mv {shown}.new {shown}; exec sleep 600")),
    ] {
        let handing = Handing { store: ground.store.clone(), way };
        ground.store.forget_all().unwrap();
        ground.store.keep(&(ground.key)(2, "binance", crate::domain::KeyPurpose::Execution)).unwrap();
        let bot = adapter(ProcessConfig { keys: Some(handing), ..config(&["sh", "-c", &script]) });
        bot.apply(&RUN).await.unwrap();
        until_there(&out).await;
        let found = std::fs::read_to_string(&out).unwrap();
        assert!(found.contains("canary-secret-2") && found.contains("canary-key-2"), "{way:?}: {found}");
        assert_eq!(found.contains("ANDON_BINANCE_EXECUTION_SECRET=canary-secret-2"), way == Way::Env, "{found}");
        assert!(!found.contains("ANDON_BECOME_BOT") && !found.contains("AGE-SECRET"), "{found}");
        bot.apply(&STANDSTILL).await.unwrap();
        std::fs::remove_file(&out).unwrap();
    }
}

#[tokio::test]
async fn a_bot_whose_keys_do_not_open_is_not_started() {
    use crate::agent::keys::{Handing, Way, tests::ground};
    let ground = ground();
    ground.store.keep(&(ground.key)(2, "binance", crate::domain::KeyPurpose::Execution)).unwrap();
    std::fs::remove_file(ground.dir.identity()).unwrap();
    let bot = adapter(ProcessConfig { keys: Some(Handing { store: ground.store.clone(), way: Way::Fd }), ..config(&["sleep", "600"]) });
    assert!(bot.apply(&RUN).await.is_err());
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bots(&bot), 0);
}
