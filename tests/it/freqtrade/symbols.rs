//! One symbol is held: the bot leaves it out with proof, and everything that is not proved is an error.

use super::{
    fake::Fake,
    traps::{ACTIVE, adapter, running},
};
use andon::agent::adapters::{Adapter, LeftOut};
use andon::protocol::BlockedFrame;

const OURS: &str = "(?#andon)P2/USDT(:.*)?";
const THEIRS: &str = "BNB/.*";

fn symbols(names: &[&str]) -> Vec<BlockedFrame> {
    names.iter().map(|name| BlockedFrame { venue: None, symbol: (*name).into() }).collect()
}

fn has_entry_in(fake: &Fake, pair: &str) -> bool {
    fake.at().trades.iter().any(|trade| trade.pair == pair && trade.entry_rests)
}

#[tokio::test]
async fn its_entries_go_none_come_anew_and_the_bot_goes_on_elsewhere() {
    let (fake, bot) = running().await;
    super::until("it has entered it", || has_entry_in(&fake, "P2/USDT")).await;
    assert_eq!(bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap(), LeftOut { entry_orders: Some(0) });
    assert!(!has_entry_in(&fake, "P2/USDT"));
    assert_eq!(fake.at().blacklist, [THEIRS, OURS]);
    super::until("it enters another one", || has_entry_in(&fake, "P4/USDT")).await;
    let at = fake.at();
    assert!(at.trades.iter().all(|trade| trade.pair != "P2/USDT"));
    assert_eq!((at.state, at.mode), ("running", Some("running")));
    assert!(!at.calls.iter().any(|call| call == "pause" || call == "start"), "it was never told to stop: {:?}", at.calls);
}

#[tokio::test]
async fn a_release_takes_away_what_was_added_and_nothing_else() {
    let (fake, bot) = running().await;
    fake.at().blacklist.push("P3/USDT".into());
    bot.leave_out(&symbols(&["P2/USDT", "P3/USDT", "BTC/USDT"])).await.unwrap();
    assert_eq!(
        fake.at().locks.iter().map(|(_, pair, _)| pair.as_str()).collect::<Vec<_>>(),
        ["XRP/USDT", "BTC/USDT", "P2/USDT", "P3/USDT"]
    );
    // Another agent process: it takes back what the first had added.
    let bot = adapter(&fake);
    bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap();
    assert_eq!(fake.at().blacklist, [THEIRS, "P3/USDT", OURS]);
    assert_eq!(fake.at().locks.len(), 2, "of a symbol that is free again nothing is locked");
    bot.leave_out(&[]).await.unwrap();
    assert_eq!(fake.at().blacklist, [THEIRS, "P3/USDT"], "what the operator has there stays");
    assert_eq!(fake.at().locks, [(1, "XRP/USDT".to_owned(), "by hand".to_owned())]);
    fake.at().pairs += 2;
    super::until("it enters it again", || has_entry_in(&fake, "P2/USDT")).await;
}

#[tokio::test]
async fn an_entry_of_the_round_that_was_under_way_is_cancelled_too() {
    let (fake, bot) = running().await;
    super::until("it has entered what it can", || fake.at().resting_entries() == 2).await;
    // The round that begins now takes long, and has looked already when the blacklist changes.
    fake.at().pairs = 4;
    fake.at().exchange = std::time::Duration::from_millis(400);
    let looks = fake.at().looks;
    super::until("it has looked", || fake.at().looks > looks).await;
    bot.leave_out(&symbols(&["P4/USDT"])).await.unwrap();
    assert!(!has_entry_in(&fake, "P4/USDT"), "{:?}", fake.at().trades);
}

#[tokio::test]
async fn an_open_trade_is_locked_and_one_that_may_be_added_to_is_no_proof() {
    let (fake, bot) = running().await;
    bot.leave_out(&symbols(&["BTC/USDT"])).await.unwrap();
    assert!(fake.at().calls.contains(&"lock BTC/USDT".to_owned()), "it may end and be entered anew within one round");
    assert!(fake.at().trades[0].exit_rests, "its exit goes on");
    fake.at().adds_to_trades = true;
    let error = bot.leave_out(&symbols(&["BTC/USDT"])).await.unwrap_err().to_string();
    assert!(error.contains("position_adjustment_enable") && error.contains("BTC/USDT"), "{error}");
    bot.leave_out(&symbols(&["P9/USDT"])).await.unwrap();
}

#[tokio::test]
async fn what_is_not_on_the_list_after_all_is_no_proof_and_what_was_forgotten_is_added_anew() {
    let (fake, bot) = running().await;
    fake.at().lies = true;
    let error = bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap_err().to_string();
    assert!(error.contains("blacklist"), "{error}");
    fake.at().lies = false;
    bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap();
    fake.at().initial_state = "running";
    fake.restart();
    assert_eq!(fake.at().blacklist, [THEIRS]);
    bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap();
    assert_eq!(fake.at().blacklist, [THEIRS, OURS]);
    // Somebody enters by hand, which no blacklist forbids.
    fake.at().enter("P2/USDT".into());
    assert!(bot.leave_out(&symbols(&["P2/USDT"])).await.is_err());
    bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap();
    assert!(!has_entry_in(&fake, "P2/USDT"));
    bot.apply(&ACTIVE).await.unwrap();
}

#[tokio::test]
async fn a_bot_that_stands_leaves_it_out_from_its_start_on() {
    let fake = Fake::new("stopped").await;
    let bot = adapter(&fake);
    super::until("its worker stands", || fake.at().mode == Some("stopped")).await;
    bot.leave_out(&symbols(&["P2/USDT"])).await.unwrap();
    bot.apply(&ACTIVE).await.unwrap();
    super::until("it enters", || fake.at().entered >= 2).await;
    assert!(!has_entry_in(&fake, "P2/USDT"));
}
