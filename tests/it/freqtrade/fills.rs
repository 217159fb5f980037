//! What a Freqtrade bot carried out is told by its open trades and by those that ended, whatever else hangs.

use super::traps::running;
use andon::{agent::adapters::Adapter, protocol::FillFrame};

#[tokio::test]
async fn fills_of_open_trades_and_of_those_that_ended_are_told() {
    let (fake, bot) = running().await;
    fake.at().balance_hangs = true;
    let mut told: Vec<FillFrame> = Vec::new();
    for _ in 0..200 {
        bot.report().await.unwrap();
        told.extend(bot.fills().await);
        if told.iter().any(|fill| fill.id == "exit-1") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    fake.at().balance_hangs = false;
    let exit = told.iter().find(|fill| fill.id == "exit-1").expect("the exit of a trade that ended");
    assert_eq!(
        (exit.symbol.as_str(), exit.side.as_str(), exit.quantity.as_str(), exit.price.as_str()),
        ("ETH/USDT", "sell", "0.0332", "3005.13")
    );
    assert!(told.iter().any(|fill| fill.side == "buy" && fill.id.starts_with("dry_run_buy_BTC/USDT")), "{told:?}");
    assert!(bot.fills().await.is_empty(), "asked again without a report between it has nothing to tell");
}
