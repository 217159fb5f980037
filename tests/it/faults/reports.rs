//! A bot with more positions than a report lists, each so long that no frame holds them: the largest arrive all the same, beside the stream,
//! and the rest is summed.

use super::{ground::Ground, press::bot_seen, scene::Scene, server::Server, until};
use crate::harness::db::{Kind, fresh};
use serde_json::json;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_no_frame_holds_arrives_with_its_largest_positions_and_the_rest_summed() {
    let (ground, hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
    let dir = ground.path().join(&hosts[0].name);
    let long = format!("1.{}", "0".repeat(46));
    let position = |n: usize| {
        json!({"symbol": format!("{n:-<64}"), "side": "long".repeat(12), "quantity": long, "notional": format!("{n}.5"),
            "entry_price": long, "unrealized_pnl": long})
    };
    let report = json!({"entry_orders": 0, "open_orders": 1, "currency": "USDT", "positions": (1..=203).map(position).collect::<Vec<_>>()});
    assert!(report.to_string().len() > 66 * 1024);
    fs::write(dir.join("report.json"), report.to_string()).unwrap();
    let settings = fs::read_to_string(dir.join("agent.toml")).unwrap();
    let before: String = settings.lines().filter(|line| !line.starts_with("report")).map(|line| format!("{line}\n")).collect();
    fs::write(dir.join("agent.toml"), format!("{before}report = [\"/bin/cat\", {:?}]\n", dir.join("report.json"))).unwrap();
    let server = Server::start(&ground).await;
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.host().run();
    scene.start().await;
    let (ground, bot) = (&scene.ground, scene.hosts[0].bot.clone());
    until("a whole report over a stream", async || {
        bot_seen(ground, &bot).await.is_some_and(|seen| {
            let report = &seen["seen"]["report"];
            report["positions_rest"]["count"] == 3 && report["positions"].as_array().is_some_and(|all| all.len() == 200)
        })
    })
    .await;
    let seen = bot_seen(ground, &bot).await.unwrap();
    assert_eq!(seen["seen"]["report"]["positions_rest"]["notional"], "7.5", "1.5 + 2.5 + 3.5");
    assert_eq!(seen["seen"]["report"]["positions"][0]["notional"], "203.5");
    assert!(scene.hosts[0].trades(), "the bot trades on");
    let page = scene.crew.browser("lead").get(&format!("/bots/{bot}")).await;
    assert!(page.contains("and 3 smaller positions that its agent sums up"), "{page}");
}
