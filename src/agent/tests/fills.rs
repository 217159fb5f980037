//! Fills of the bot reach the server once each, beside the line, and wait for a server that does not take them.

use super::*;
use crate::protocol::FillFrame;

fn fill(id: &str) -> FillFrame {
    FillFrame {
        id: id.into(),
        order_id: None,
        client_order_id: None,
        at: crate::domain::Clock::system().now(),
        symbol: "BTC/USDT".into(),
        side: "sell".into(),
        quantity: "0.5".into(),
        price: "65000".into(),
        fee: None,
        fee_currency: None,
        maker: None,
    }
}

fn taken(fake: &Fake) -> Vec<String> {
    fake.script().fills.iter().flatten().map(|fill| fill.id.clone()).collect()
}

#[tokio::test]
async fn fills_are_sent_once_each_whatever_the_bot_tells_again() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    bot.at().fills = vec![fill("1"), fill("2")];
    until("they are taken", || taken(&fake).len() == 2).await;
    bot.at().fills.push(fill("3"));
    until("and the next one", || taken(&fake).len() == 3).await;
    stays("no more", 500, || taken(&fake) == ["1", "2", "3"]).await;
    assert!(bot.is(State::Active));
}

#[tokio::test]
async fn fills_wait_for_a_server_that_does_not_take_them_and_nothing_else_does() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.now(|script| script.fills_refused = Some(StatusCode::SERVICE_UNAVAILABLE));
    bot.at().fills = (0..300).map(|n| fill(&n.to_string())).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    fake.says(frame(13, State::Halted, None));
    until("a stop is proved meanwhile", || fake.has_ack(13, Step::Idle, State::Halted)).await;
    // The bot tells of them no more.
    bot.at().fills.clear();
    assert!(fake.script().fills.is_empty());
    fake.now(|script| script.fills_refused = None);
    until("all of them are taken", || taken(&fake).len() == 300).await;
    let sizes: Vec<usize> = fake.script().fills.iter().map(Vec::len).collect();
    assert_eq!(sizes, [256, 44]);
    assert_eq!(taken(&fake), (0..300).map(|n| n.to_string()).collect::<Vec<_>>(), "in the order in which they were told");
}

#[tokio::test]
async fn one_that_the_server_never_takes_keeps_no_other_back() {
    let (fake, bot, _agent, _dir) = trading(false).await;
    let wrong = FillFrame { quantity: "0".into(), ..fill("wrong") };
    bot.at().fills = vec![fill("1"), wrong, fill("unwanted"), fill("2")];
    until("the others are taken", || taken(&fake).len() == 2).await;
    stays("no more", 300, || taken(&fake) == ["1", "2"]).await;
    until("somebody is told", || events(&fake, "fill_not_understood") == 1).await;
}
