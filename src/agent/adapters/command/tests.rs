//! Real commands: small scripts that keep a bot's state in a file.

use super::*;
use crate::agent::brain::STANDSTILL;
use crate::domain::Exits;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const RUN: Wanted = Wanted { state: State::Active, orders: Orders::Keep, exits: Exits::None };

/// A script that says, and keeps in `state`, what it was called with.
const CTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
case $1 in
  halt) echo halted > state ;;
  reduce) echo reducing > state ;;
  start) echo active > state ;;
esac
echo "$1 $ANDON_BOT $ANDON_STATE $ANDON_EXITS $ANDON_ORDERS" >> calls
printf '{"state":"%s","instance":"7","entry_orders":0,"open_orders":2,"equity":"12.50"}' "$(cat state)"
"#;

fn script(dir: &Path, name: &str, text: &str) -> Vec<String> {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    vec![path.display().to_string()]
}

fn order(program: &[String], word: &str, timeout_ms: i64) -> Order {
    let mut command = program.to_vec();
    command.push(word.into());
    Order { command, timeout_ms }
}

fn config(dir: &Path) -> CommandConfig {
    let ctl = script(dir, "ctl", CTL);
    fs::write(dir.join("state"), "active\n").unwrap();
    CommandConfig {
        bot: "grid 1; rm -rf".into(),
        working_dir: None,
        halt: order(&ctl, "halt", 20_000),
        reduce: Some(order(&ctl, "reduce", 20_000)),
        block: None,
        start: order(&ctl, "start", 20_000),
        report: order(&ctl, "report", 20_000),
        manages_exits: false,
        build: vec![dir.join("ctl")],
        config: Vec::new(),
        strategy: None,
        subaccount: None,
    }
}

fn calls(dir: &Path) -> Vec<String> {
    fs::read_to_string(dir.join("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn it_says_what_it_was_started_with_and_what_lies_there_once_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let bot = CommandAdapter::new(config(dir.path()));
    let first = bot.runs().await.build.unwrap();
    assert!(first.starts_with("sha256:"), "{first}");
    bot.apply(&Wanted { state: State::Active, ..STANDSTILL }).await.unwrap();
    let path = dir.path().join("ctl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n# another build\n")).unwrap();
    assert_eq!(bot.runs().await.build, Some(first.clone()), "another file is not what runs");
    bot.apply(&STANDSTILL).await.unwrap();
    assert_ne!(bot.runs().await.build, Some(first), "it is what the next start runs");
    assert_eq!(bot.runs().await.config, None, "no file is named for it");
}

#[tokio::test]
async fn it_halts_reduces_starts_and_reports() {
    let dir = tempfile::tempdir().unwrap();
    let bot = CommandAdapter::new(config(dir.path()));
    let halted = bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!((halted.state, halted.instance.as_deref(), halted.resting.entry), (State::Halted, Some("7"), Some(0)));
    assert_eq!(bot.look().await.unwrap(), halted);
    assert_eq!(bot.apply(&RUN).await.unwrap().state, State::Active);
    let reduce = Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::None };
    assert_eq!(bot.apply(&reduce).await.unwrap().state, State::Reducing);
    let report = bot.report().await.unwrap().unwrap();
    assert_eq!((report.equity.as_deref(), report.open_orders), (Some("12.50"), Some(2)));
    // What is wanted comes in the environment, and no shell reads it.
    assert_eq!(calls(dir.path())[0], "halt grid 1; rm -rf halted none cancel_entries");
    assert_eq!(calls(dir.path())[1], "report grid 1; rm -rf halted none cancel_entries", "what it did is read back");
    assert_eq!(calls(dir.path())[4], "reduce grid 1; rm -rf reducing none cancel_entries");
}

#[tokio::test]
async fn fills_beside_the_report_are_told_and_those_that_cannot_be_read_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let fill = r#"{"id":"1","at":"2024-11-23T03:12:07Z","symbol":"A/B","side":"buy","quantity":"1","price":"2"}"#;
    let said = format!("#!/bin/sh\necho '{{\"state\":\"halted\",\"entry_orders\":2,\"fills\":[{fill},{{\"id\":3}}]}}'\n");
    let report = order(&script(dir.path(), "told", &said), "report", 20_000);
    let bot = CommandAdapter::new(CommandConfig { report, ..config(dir.path()) });
    assert_eq!(bot.report().await.unwrap().and_then(|report| report.entry_orders), Some(2));
    let told: Vec<String> = bot.fills().await.into_iter().map(|fill| fill.id).collect();
    assert_eq!(told, ["1"]);
    assert!(bot.fills().await.is_empty());
}

#[tokio::test]
async fn without_a_reduce_command_to_reduce_is_to_halt() {
    let dir = tempfile::tempdir().unwrap();
    let bot = CommandAdapter::new(CommandConfig { reduce: None, ..config(dir.path()) });
    assert!(!bot.traits().can_reduce);
    let reduce = Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::None };
    assert_eq!(bot.apply(&reduce).await.unwrap().state, State::Halted);
}

#[tokio::test]
async fn what_fails_or_says_nothing_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("#!/bin/sh\necho '{\"state\":\"halted\"}'; exit 3\n", "exit status: 3"),
        ("#!/bin/sh\necho stopped\n", "did not print"),
        ("#!/bin/sh\necho '{\"state\":\"stopped\"}'\n", "stopped"),
        ("#!/bin/sh\necho '{\"entry_orders\":0}'\n", "state"),
        ("#!/bin/sh\n", "did not print"),
        ("#!/bin/sh\nsleep 60 &\necho '{\"state\":\"halted\"}'\n", "holds its output open"),
    ] {
        let halt = order(&script(dir.path(), "bad", text), "halt", 20_000);
        let bot = CommandAdapter::new(CommandConfig { halt, ..config(dir.path()) });
        let error = bot.apply(&STANDSTILL).await.unwrap_err().to_string();
        assert!(error.contains("halt command") && error.contains(words), "{text}: {error}");
    }
    let missing = Order { command: vec!["/nowhere/ctl".into()], timeout_ms: 1_000 };
    let bot = CommandAdapter::new(CommandConfig { report: missing, ..config(dir.path()) });
    assert!(bot.look().await.unwrap_err().to_string().contains("cannot be run"));
    assert!(!bot.examine(false).await[0].is_good);
}

/// A command that starts another one, both named by a file, and hangs.
fn hanging(dir: &Path) -> Vec<String> {
    script(dir, "hang", "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nsleep 600 &\necho $! > child.new && mv child.new child\nwait\n")
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

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[tokio::test]
async fn at_its_timeout_a_command_ends_with_everything_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let halt = order(&hanging(dir.path()), "halt", 700);
    let bot = CommandAdapter::new(CommandConfig { halt, ..config(dir.path()) });
    let error = bot.apply(&STANDSTILL).await.unwrap_err().to_string();
    assert!(error.contains("700 ms"), "{error}");
    if let Ok(child) = fs::read_to_string(dir.path().join("child")) {
        until("the child is gone", || !lives(&child)).await;
    }
}

#[tokio::test]
async fn a_stop_ends_a_start_that_hangs_and_begins_only_once_all_of_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let start = order(&hanging(dir.path()), "start", 600_000);
    let halt = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\ncat \"/proc/$(cat child)/stat\" > beside\necho '{\"state\":\"halted\"}'\n";
    let halt = order(&script(dir.path(), "stop", halt), "halt", 20_000);
    let bot = CommandAdapter::new(CommandConfig { start, halt, ..config(dir.path()) });
    {
        let mut starting = std::pin::pin!(bot.apply(&RUN));
        while !dir.path().join("child").exists() {
            tokio::select! {
                _ = &mut starting => panic!("it hangs"),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    }
    bot.apply(&STANDSTILL).await.unwrap();
    let beside = fs::read_to_string(dir.path().join("beside")).unwrap();
    // Reaped, or waiting for that.
    assert!(beside.is_empty() || beside.contains(") Z "), "{beside}");
}

#[tokio::test]
async fn a_minder_halts_it_without_a_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let bot = CommandAdapter::new(config(dir.path()));
    let managed = Wanted { exits: Exits::Managed, ..STANDSTILL };
    tokio::task::spawn_blocking(move || bot.halt_now(&managed)).await.unwrap().unwrap();
    let both = ["halt", "report"].map(|word| format!("{word} grid 1; rm -rf halted managed cancel_entries"));
    assert_eq!(calls(dir.path()), both);
}

#[tokio::test]
async fn a_halt_is_proved_by_the_report_and_not_by_its_own_word() {
    let dir = tempfile::tempdir().unwrap();
    let claims = order(&script(dir.path(), "claims", "#!/bin/sh\necho '{\"state\":\"halted\",\"entry_orders\":0}'\n"), "halt", 20_000);
    let bot = CommandAdapter::new(CommandConfig { halt: claims, ..config(dir.path()) });
    assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Active, "its state file says so");
    let error = tokio::task::spawn_blocking(move || bot.halt_now(&STANDSTILL)).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("active") && error.contains("report command"), "{error}");
}

#[test]
fn it_declares_what_the_slower_of_its_stops_takes_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let with = |halt_ms: i64, reduce_ms: Option<i64>| {
        let mut config = config(dir.path());
        config.halt.timeout_ms = halt_ms;
        config.report.timeout_ms = 3_000;
        config.reduce = reduce_ms.map(|timeout_ms| Order { timeout_ms, ..config.halt.clone() });
        CommandAdapter::new(config).apply_within_ms()
    };
    assert_eq!(with(5_000, Some(9_000)), 9_000 + 3_000 + GONE_MS + 1_000);
    assert_eq!(with(5_000, None), 5_000 + 3_000 + GONE_MS + 1_000);
}

const BLOCK: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
cat > blocked.new && mv blocked.new blocked
echo "block $ANDON_STATE" >> calls
[ ! -e refuses ]
"#;

fn symbols(names: &[&str]) -> Vec<BlockedFrame> {
    names.iter().map(|name| BlockedFrame { venue: None, symbol: (*name).into() }).collect()
}

#[tokio::test]
async fn a_block_command_reads_every_symbol_and_its_status_counts() {
    let dir = tempfile::tempdir().unwrap();
    let block = Order { command: script(dir.path(), "block", BLOCK), timeout_ms: 20_000 };
    let bot = CommandAdapter::new(CommandConfig { block: Some(block), ..config(dir.path()) });
    assert_eq!(bot.traits().leaves_out_within_ms, Some(20_000 + GONE_MS + 1_000));
    bot.apply(&RUN).await.unwrap();
    let mut both = symbols(&["BTC/USDT"]);
    both.push(BlockedFrame { venue: Some("binance".into()), symbol: "ETH/USDT".into() });
    assert_eq!(bot.leave_out(&both).await.unwrap().entry_orders, Some(0));
    let read = || fs::read_to_string(dir.path().join("blocked")).unwrap();
    assert_eq!(read(), r#"[{"symbol":"BTC/USDT"},{"venue":"binance","symbol":"ETH/USDT"}]"#);
    let called = || calls(dir.path()).iter().filter(|call| *call == "block active").count();
    bot.leave_out(&both).await.unwrap();
    assert_eq!(called(), 1, "the same again a moment later is not asked again");
    bot.look().await.unwrap();
    bot.leave_out(&both).await.unwrap();
    assert_eq!(called(), 2, "a bot that was seen to be another instance knows of no symbol");
    fs::write(dir.path().join("refuses"), "").unwrap();
    let error = bot.leave_out(&symbols(&["BTC/USDT"])).await.unwrap_err().to_string();
    assert!(error.contains("block command"), "{error}");
    fs::remove_file(dir.path().join("refuses")).unwrap();
    bot.leave_out(&both).await.unwrap();
    assert_eq!((called(), read().contains("ETH")), (4, true), "what was refused is asked anew, and what stood before it too");
    bot.leave_out(&[]).await.unwrap();
    assert_eq!(read(), "[]", "and told when there is none any more");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_block_command() {
    let dir = tempfile::tempdir().unwrap();
    let slow = script(dir.path(), "slow", "#!/bin/sh\ntouch \"$(dirname \"$0\")/began\"\nsleep 30\n");
    let block = Order { command: slow, timeout_ms: 60_000 };
    let bot = Arc::new(CommandAdapter::new(CommandConfig { block: Some(block), ..config(dir.path()) }));
    let blocking = tokio::spawn({
        let bot = bot.clone();
        async move { bot.leave_out(&symbols(&["BTC/USDT"])).await }
    });
    while !dir.path().join("began").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted);
    assert!(!blocking.is_finished(), "it was halted beside");
    blocking.abort();
}
