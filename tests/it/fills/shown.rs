//! Fills on a page, in a file and for programs; their sums; and how long they are kept.

use super::{fill, with};
use crate::{
    harness::{
        agent::{Agent, enrol},
        app::TestApp,
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
        tables::Tables,
    },
    wire::stage::Stage,
};
use andon::{
    domain::{BotFacts, Decimal, FillSums, Stage as BotStage, Timestamp, fill::FillSum, time::DAY_MS},
    protocol::FillFrame,
};
use axum::http::StatusCode;
use serde_json::{Value, json};

async fn tell(test: &TestApp, agent: &Agent, fills: &[Value]) {
    let frames: Vec<FillFrame> = fills.iter().map(|one| serde_json::from_value(one.clone()).unwrap()).collect();
    for some in frames.chunks(256) {
        test.app.take_fills(&agent.live(&test.app), some).await.unwrap();
    }
}

async fn site(fresh: Fresh) -> (TestApp, BotFacts, Agent) {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb 1/b", "arb").await;
    let agent = enrol(&test, &bot, "operator").await;
    (test, bot, agent)
}

async fn sums(test: &TestApp, bot: &BotFacts, from: &str, until: &str) -> FillSums {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    test.app.fill_sums(&bot.id, at(from), at(until)).await.unwrap()
}

fn text(sum: &FillSum) -> Vec<String> {
    let amounts = [&sum.quantity, &sum.notional, &sum.fees];
    amounts.into_iter().flatten().map(|(currency, amount)| format!("{} {currency}", amount.shortest())).collect()
}

on_both!(fills_are_summed_exactly_by_symbol_and_time, |fresh: Fresh| async move {
    let (test, bot, agent) = site(fresh).await;
    let day = |day: u8, second: u8| format!("2024-11-{day:02}T00:00:{second:02}.500Z");
    let fills = [
        with("1", json!({"at": day(10, 0), "quantity": "0.1", "price": "0.2", "fee": "0.000000000000000001"})),
        with("2", json!({"at": day(11, 0), "side": "sell", "maker": false})),
        with("3", json!({"at": day(11, 1), "symbol": "eth/btc", "fee": null, "maker": null, "quantity": "3", "price": "0.05"})),
        with("4", json!({"at": day(12, 0)})),
    ];
    tell(&test, &agent, &fills).await;
    tell(&test, &agent, &fills[1..3]).await;
    let all = sums(&test, &bot, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z").await;
    assert_eq!((all.all.count, all.all.buys, all.all.sells, all.is_cut), (4, 3, 1, false));
    assert_eq!(text(&all.symbols["BTC/USDT"]), ["0.6 BTC", "32500.07 USDT", "-0.999999999999999999 USDT"]);
    assert_eq!(text(&all.symbols["ETH/BTC"]), ["3 ETH", "0.15 BTC"]);
    assert_eq!((all.all.without_fee, all.all.maker_share()), (1, Decimal::share(2, 3)));
    assert_eq!(all.all.first.unwrap().rfc3339(), day(10, 0));
    let some = sums(&test, &bot, &day(11, 0), &day(12, 0)).await;
    assert_eq!((some.all.count, some.symbols.len()), (2, 2), "from the first moment on, before the last");
    assert_eq!(sums(&test, &bot, &day(13, 0), &day(14, 0)).await, FillSums::default());
});

on_both!(the_page_shows_the_last_of_them_and_what_they_come_to, |fresh: Fresh| async move {
    let (test, bot, agent) = site(fresh).await;
    let mut browser = Browser::signed_in(&test, "auditor").await;
    let path = format!("/bots/{}/fills", bot.id);
    browser.get(&format!("/bots/{}", bot.id)).await;
    assert!(browser.page.contains(&format!("href=\"{path}\"")), "{}", browser.page);
    browser.get(&path).await;
    assert!(browser.status == StatusCode::OK && browser.page.contains("Its agent has reported none yet"), "{}", browser.page);
    let fills: Vec<Value> = (0..130)
        .map(|n| with(&format!("t-{n:03}"), json!({"at": format!("2024-11-{:02}T00:00:00Z", 10 + n / 50), "order_id": "<o>"})))
        .collect();
    tell(&test, &agent, &fills).await;
    browser.get(&path).await;
    for part in
        ["Fills, newest first: 100", "There are more.", "130: 130 bought, 0 sold", "2,112,503.25 USDT", "−65 USDT", "100.0 %", "130 in"]
    {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    assert!(browser.page.contains("t-129") && !browser.page.contains("t-029<") && !browser.page.contains("<o>"));
    browser.get(&format!("{path}?from=2024-11-10&until=2024-11-10")).await;
    assert!(browser.page.contains("50: 50 bought") && browser.page.contains("t-049") && !browser.page.contains("t-050"));
    assert!(browser.page.contains(&format!("{path}.csv?from=2024-11-10&#38;until=2024-11-10")), "{}", browser.page);
    browser.get(&format!("{path}?from=2024-11-20")).await;
    assert!(browser.page.contains("No fill matches"));
    browser.get(&format!("{path}?until=23%20Nov")).await;
    assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("href=\"#until\""), "{}", browser.page);
    for nothing in ["/bots/0193f0a0-0000-7000-8000-00000000dead/fills", "/bots/x/fills", "/bots/x/fills.csv"] {
        browser.get(nothing).await;
        assert_eq!(browser.status, StatusCode::NOT_FOUND, "{nothing}");
    }
});

on_both!(the_file_has_all_of_them_and_runs_in_no_spreadsheet, |fresh: Fresh| async move {
    let (test, bot, agent) = site(fresh).await;
    let fills: Vec<Value> = (0..2_300)
        .map(|n| {
            with(&format!("t-{n:04}"), json!({"at": format!("2024-11-10T{:02}:{:02}:{:02}Z", n / 3_600, n / 60 % 60, n / 7 * 7 % 60)}))
        })
        .collect();
    tell(&test, &agent, &fills).await;
    let strange = json!({"at": "2024-11-11T00:00:00Z", "order_id": "@SUM(A1)", "client_order_id": "a,\"b\"", "fee_currency": "+BNB"});
    tell(&test, &agent, &[with("=1+1", strange)]).await;
    let mut browser = Browser::signed_in(&test, "auditor").await;
    let path = format!("/bots/{}/fills.csv", bot.id);
    browser.get(&path).await;
    assert_eq!((browser.status, &browser.headers["content-type"]), (StatusCode::OK, &"text/csv; charset=utf-8".parse().unwrap()));
    assert_eq!(browser.headers["content-disposition"], "attachment; filename=\"fills-arb_1_b.csv\"");
    let lines: Vec<&str> = browser.page.lines().collect();
    assert_eq!(lines[0], "id,at,heard_at,stage,symbol,side,quantity,price,notional,fee,fee_currency,maker,order_id,client_order_id");
    assert_eq!(lines.len(), 2_302, "every one, once");
    let mut read: Vec<&str> = lines[1..2_301].iter().map(|line| line.split(',').next().unwrap()).collect();
    read.sort_unstable();
    assert!(read.iter().enumerate().all(|(n, id)| *id == format!("t-{n:04}")));
    let times: Vec<&str> = lines[1..].iter().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert!(times.is_sorted(), "the oldest first");
    let last = lines[2_301];
    assert!(last.starts_with("'=1+1,2024-11-11T00:00:00.000Z,"), "{last}");
    assert!(last.ends_with(",BTC/USDT,buy,0.25,65000.1,16250.025,-0.5,'+BNB,maker,'@SUM(A1),\"a,\"\"b\"\"\""), "{last}");
    browser.get(&format!("{path}?from=2024-11-11")).await;
    assert_eq!(browser.page.lines().count(), 2);
    browser.get(&format!("{path}?from=2024-11-12T00:00:00Z")).await;
    assert_eq!(browser.page.lines().count(), 1, "none is a file of its head alone");
    browser.get(&format!("{path}?from=soon")).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    test.app.db.close().await;
    browser.get(&path).await;
    assert_ne!(browser.status, StatusCode::OK, "a database that does not answer is no empty file");
});

on_both!(programs_read_them_in_pieces_and_a_teams_token_only_its_teams, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let told: Vec<Value> = (0..5).map(|n| with(&format!("t.{n}"), json!({"at": format!("2024-11-1{}T00:00:00Z", n / 2)}))).collect();
    assert_eq!(stage.poller(&agent).post("/agent/v1/fills", json!(told)).await.status, 202);
    let program = stage.program("read-arb");
    let (mut seen, mut after) = (Vec::new(), String::new());
    for _ in 0..5 {
        let reply = program.get(&format!("/api/v1/bots/grid-btc/fills?limit=2{after}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let items = reply.json["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match reply.json["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["t.4", "t.3", "t.2", "t.1", "t.0"]);
    let one = program.get("/api/v1/bots/grid-btc/fills?from=2024-11-12").await.json["items"][0].clone();
    assert_eq!(
        (&one["notional"], &one["fee"], &one["maker"], &one["stage"]),
        (&json!("16250.025"), &json!("-0.5"), &json!(true), &json!("sandbox"))
    );
    assert_eq!(program.get("/api/v1/bots/grid-btc/fills?after=x").await.status, 400);
    assert_eq!(program.get("/api/v1/bots/grid-btc/fills?until=x").await.status, 422);
    let other = stage.bot_with("hers", &stage.other_team, Default::default()).await;
    assert_eq!(program.get(&format!("/api/v1/bots/{other}/fills")).await.status, 404, "another team's bot is not there");
    assert_eq!(stage.program("read").get(&format!("/api/v1/bots/{other}/fills")).await.json["items"], json!([]));
    assert_eq!(stage.program("stop").get("/api/v1/bots/grid-btc/fills").await.status, 403);
});

on_both!(fills_are_kept_for_seven_years_from_when_they_were_heard_of, |fresh: Fresh| async move {
    let (test, _, agent) = site(fresh).await;
    let count = async || Tables::of(&test.fresh).await.rows("fill").await.len();
    tell(&test, &agent, &(0..450).map(|n| fill(&format!("old-{n}"))).collect::<Vec<_>>()).await;
    test.hand.forward_ms(6 * 365 * DAY_MS);
    // Of long ago, and heard of only now.
    tell(&test, &agent, &[with("late", json!({"at": "2016-11-10T00:00:00Z"}))]).await;
    test.app.forget_old_observations().await.unwrap();
    assert_eq!(count().await, 451, "other observations go after 400 days");
    test.hand.forward_ms(368 * DAY_MS);
    assert!(test.app.forget_old_observations().await.unwrap() >= 450);
    assert_eq!(count().await, 1);
});

#[tokio::test]
async fn a_bot_that_is_gone_up_has_its_fills_under_the_stage_of_then() {
    let (test, bot, agent) = site(fresh(Kind::Sqlite).await).await;
    tell(&test, &agent, &[fill("1")]).await;
    let all = test.app.fill_sums(&bot.id, Timestamp(0), Timestamp(i64::MAX)).await.unwrap();
    assert_eq!(all.stages.into_iter().collect::<Vec<_>>(), [(BotStage::Sandbox, 1)]);
}
