//! Bots on their pages: made, enrolled, confirmed, started, moved, listed; what stands in the way is said.

use crate::harness::{
    agent::{self, RECIPIENT, ready},
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::{
    domain::{BotId, Level, Scope, State},
    protocol::{EnrolAgent, EnrolRequest, Report, check_in::Position},
};
use axum::http::StatusCode;

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

on_both!(a_bot_goes_from_a_form_to_trading_by_pages_alone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/bots/new").await;
    assert!(browser.page.contains(">arb<") && !browser.page.contains(">grid<"), "only teams that they trade in");
    let team = test.team("arb").to_string();
    browser.post("/bots", &[("name", "a <b>"), ("team", &team), ("strategy", "grid on BTC"), ("exits", "none")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("a &#60;b&#62;") && browser.page.contains("grid on BTC") && browser.page.contains("href=\"#name\""));
    browser.post("/bots", &[("name", "arb-9"), ("team", &team), ("strategy", "grid on BTC"), ("exits", "none")]).await;
    let path = browser.leads_to().to_owned();
    browser.get(&path).await;
    for part in
        ["arb-9", "owner operator", "Stage is draft", "It has none", "not one new order", "Move 1 bot up to sandbox", "Its stage is draft"]
    {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    browser.post(&format!("{path}/stage"), &[("stage", "live")]).await;
    assert_eq!(browser.status, StatusCode::CONFLICT);
    browser.get(&path).await;
    browser.post(&format!("{path}/stage"), &[("stage", "sandbox")]).await;
    assert_eq!(browser.leads_to(), path);

    browser.get(&format!("{path}/enrol")).await;
    assert!(browser.page.contains("andon agent enrol --server http://localhost:8787 --code - --dir ./arb-9-agent"), "{}", browser.page);
    browser.post(&format!("{path}/enrol"), &[]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    browser.touch(&test, "operator", &format!("{act}/sign")).await;
    let code = browser.between("<code class=\"command\">", "<").or_else(|| browser.between("class=\"secret\">", "<"));
    let code = code.unwrap_or_else(|| panic!("no code on {}", browser.page));
    let asked = EnrolRequest {
        code: code.trim().to_owned(),
        agent: EnrolAgent { name: "host-9".into(), version: "1.0.0".into(), platform: "linux-x86_64".into() },
        recipient: RECIPIENT.into(),
    };
    let enrolled = test.app.enrol(asked).await.unwrap();
    browser.get(&format!("{path}/enrol")).await;
    let fingerprint = browser.between("<p class=\"fingerprint\">", "<").unwrap();
    let fields = [("agent", enrolled.agent_id.as_str()), ("fingerprint", "AAAA-AAAA")];
    browser.post(&format!("{path}/confirm"), &fields).await;
    assert_eq!(browser.status, StatusCode::CONFLICT, "other letters confirm nothing");
    browser.get(&format!("{path}/enrol")).await;
    browser.post(&format!("{path}/confirm"), &[("agent", enrolled.agent_id.as_str()), ("fingerprint", &fingerprint)]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    browser.touch(&test, "operator", &format!("{act}/sign")).await;
    assert_eq!(browser.leads_to(), format!("/agents/{}", enrolled.agent_id));

    let mut agent = agent::of(enrolled);
    agent.settle(&test.app).await;
    browser.get(&path).await;
    assert!(browser.page.contains("nothing stands in its way"), "{}", browser.page);
    browser.post("/starts", &[("bot", path.rsplit('/').next().unwrap())]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    browser.touch(&test, "operator", &format!("{act}/sign")).await;
    assert_eq!(browser.leads_to(), path);
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    browser.get(&path).await;
    assert!(browser.page.contains("told active, agent says active") && !browser.page.contains("Why it may not trade"));
    test.log_is_good().await;
});

#[tokio::test]
async fn the_fleet_lists_what_is_wrong_first_and_no_number_without_its_age() {
    let test = site().await;
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("grid-1", "grid").await);
    let mut calm = ready(&test, &one, "operator").await;
    let mut wild = ready(&test, &two, "grid operator").await;
    test.start(std::slice::from_ref(&one.id), &["operator"]).await.unwrap();
    test.start(std::slice::from_ref(&two.id), &["grid operator"]).await.unwrap();
    calm.settle(&test.app).await;
    wild.settle(&test.app).await;
    let worth = |notional: &str| Position { symbol: "BTC/USDT".into(), notional: Some(notional.into()), ..Position::default() };
    let report = Report {
        currency: Some("USDT".into()),
        positions: Some(vec![worth("16250.00"), worth("-250.5")]),
        realized_pnl_day: Some("-12.25".into()),
        ..Report::default()
    };
    let mut said = calm.says();
    said.report = Some(report);
    test.app.check_in(&calm.live(&test.app), &said, "stream").await.unwrap();
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/fleet").await;
    for part in ["16,500.50", "−12.25", "16,501", "Running", "without 1 bot", "data-live"] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    assert!(!browser.page.contains("Needs attention: "), "all is well");

    // One stops answering after a hold: it is listed first, whatever its name.
    let hold = test.press("risk", Scope::Team(test.team("grid")), Level::Pause).await.hold;
    test.hand.forward_ms(7_000);
    let mut said = wild.says();
    said.epoch = Some(hold.epoch);
    test.app.check_in(&wild.live(&test.app), &said, "stream").await.unwrap();
    calm.settle(&test.app).await;
    browser.get("/fleet").await;
    assert!(browser.page.contains("Needs attention: 1"), "{}", browser.page);
    let (wrong, right) = (browser.page.find(">grid-1<").unwrap(), browser.page.find(">arb-1<").unwrap());
    assert!(wrong < right && browser.page.contains("1 Stop unconfirmed") && browser.page.contains("agent says active"));

    browser.get("/fleet?state=attention").await;
    assert!(browser.page.contains(">grid-1<") && !browser.page.contains(">arb-1<"));
    browser.get("/fleet?q=ARB").await;
    assert!(!browser.page.contains(">grid-1<") && browser.page.contains(">arb-1<"));
    browser.get("/fleet?q=%3Cnone%3E").await;
    assert!(browser.page.contains("No bot matches") && browser.page.contains("&#60;none&#62;"));
    browser.get(&format!("/teams/{}", test.team("grid"))).await;
    assert!(
        browser.page.contains("Pause team grid: 1 running bot") && browser.page.contains(&format!("value=\"team:{}\"", test.team("grid")))
    );

    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/fleet").await;
    assert!(auditor.page.contains(">arb-1<") && !auditor.page.contains("type=\"checkbox\""), "an auditor marks nothing");
    auditor.get(&format!("/bots/{}", one.id)).await;
    assert!(auditor.page.contains("You cannot pause it; an operator, lead, risk or admin may"));
}

#[tokio::test]
async fn no_page_shows_more_than_a_hundred_bots_and_the_rest_is_a_link_away() {
    let test = site().await;
    for n in 0..120 {
        test.bot(&format!("arb-{n:03}"), "arb").await;
    }
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/fleet").await;
    assert!(browser.page.contains("Show 120 bots of team arb") && browser.page.matches("<tr").count() < 10);
    browser.get(&format!("/teams/{}", test.team("arb"))).await;
    assert!(browser.page.contains("1 to 100 of 120 bots") && browser.page.matches("<tr id=").count() == 100);
    let next = browser.between("rel=\"next\" href=\"", "\"").unwrap();
    browser.get(&next).await;
    assert!(browser.page.contains("101 to 120 of 120 bots") && browser.page.matches("<tr id=").count() == 20, "{next}");
}

#[tokio::test]
async fn several_are_started_by_one_act_and_one_that_cannot_says_why() {
    let test = site().await;
    let mut bots = Vec::new();
    for name in ["arb-1", "arb-2", "arb-3"] {
        bots.push(test.bot(name, "arb").await);
    }
    for bot in &bots[..2] {
        ready(&test, bot, "operator").await;
    }
    agent::enrol(&test, &bots[2], "operator").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/starts/new").await;
    assert!(browser.page.contains("Can start: 2") && browser.page.contains("Cannot start yet: 1"), "{}", browser.page);
    assert!(browser.page.contains("fingerprint is not confirmed") && browser.page.contains("compares and confirms it"));
    browser.post("/starts", &[]).await;
    assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("Tick at least one bot"));
    browser.post("/starts", &[("bot", bots[0].id.as_str()), ("bot", bots[2].id.as_str())]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("Arb-3: its agent") || browser.page.contains("arb-3: its agent"), "{}", browser.page);
    browser.get("/starts/new").await;
    browser.post("/starts", &[("bot", bots[0].id.as_str()), ("bot", bots[1].id.as_str())]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    assert!(browser.page.contains("Start 2 bots") && browser.page.contains("Signatures: 0 of 2"));
    let mut stranger = Browser::signed_in(&test, "grid operator").await;
    stranger.get("/starts/new").await;
    assert!(stranger.page.contains("Nothing to start"), "other teams' bots are not theirs to start");
}

#[tokio::test]
async fn moving_is_a_stop_and_needs_rights_in_both_teams() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let grid = test.team("grid").to_string();
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/bots/{}/move", bot.id)).await;
    assert!(browser.page.contains("You trade in no other team"));
    browser.post(&format!("/bots/{}/move", bot.id), &[("team", "moon")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    browser.post(&format!("/bots/{}/move", bot.id), &[("team", &grid)]).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN);
    assert_eq!(test.app.fleet.view().bot(&bot.id).unwrap().team, test.team("arb"));
}

#[tokio::test]
async fn agents_are_listed_with_how_they_are_heard_and_are_ended_by_a_signed_act() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let mut said = agent.says();
    said.at = Some(test.app.clock.now().plus_ms(-3_500));
    test.app.check_in(&agent.live(&test.app), &said, "poll").await.unwrap();
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/agents").await;
    for part in ["host-1", "arb-1", "Confirmed", "3.5 s behind", "poll"] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    let path = format!("/agents/{}", agent.id());
    browser.get(&path).await;
    assert!(browser.page.contains(RECIPIENT) && browser.page.contains(agent.boot.as_str()));
    browser.post(&format!("{path}/revoke"), &[("why", "")]).await;
    assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("Give the reason why it ends"));
    browser.post(&format!("{path}/revoke"), &[("why", "its host was sold")]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    browser.touch(&test, "operator", &format!("{act}/sign")).await;
    browser.get("/agents").await;
    assert!(browser.page.contains("No agents yet") && browser.page.contains("Ended: 1") && browser.page.contains("Revoked"));
    agent.seq += 1;
    assert!(test.app.agent_by_token(&agent.enrolled.token).is_none());
}

#[tokio::test]
async fn a_bot_that_runs_although_it_is_halted_looks_bad_also_once_its_hold_is_released() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let says = agent.says();
    let hold = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let deaf = async |n: u64| {
        let mut said = says.clone();
        said.seq += n;
        test.app.check_in(&agent.live(&test.app), &said, "stream").await.unwrap();
    };
    test.hand.forward_ms(20_000);
    deaf(1).await;
    browser.get(&format!("/holds/{}", hold.id)).await;
    browser.post(&format!("/holds/{}/release", hold.id), &[("release_why", "it is over")]).await;
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    assert!(browser.page.contains("Never confirmed it") && browser.page.contains("arb-1: look at it first"), "{}", browser.page);
    browser.touch(&test, "operator", &format!("{act}/sign")).await;
    assert!(test.app.fleet.view().open_hold(&hold.id).is_none(), "{}", browser.page);
    test.hand.forward_ms(20_000);
    deaf(2).await;
    for path in ["/fleet", "/fleet?state=attention", &format!("/bots/{}", bot.id)] {
        browser.get(path).await;
        assert!(browser.page.contains("P1 Runs although halted") && browser.page.contains("arb-1"), "{path}: {}", browser.page);
        assert!(!browser.page.contains("Waits for a start"), "no calm word beside it: {path}");
    }
    browser.get("/fleet").await;
    assert!(browser.page.contains("Needs attention: 1"));
}

#[tokio::test]
async fn halving_says_that_it_is_done_and_a_page_sent_twice_halves_once() {
    let test = site().await;
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    let asked = [("max_order_notional".to_owned(), "2000".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &one.id, &asked, "").await.unwrap();
    let largest = || test.app.fleet.view().bot(&one.id).unwrap().limits.values["max_order_notional"].clone();
    let mut browser = Browser::signed_in(&test, "operator").await;
    let (team, limits) = (format!("/teams/{}", test.team("arb")), format!("/bots/{}/limits", one.id));
    browser.get(&team).await;
    assert!(browser.page.contains("Tighten sizes of 1 bot by half") && browser.page.contains("1 bot here has none and stays as it is"));
    assert!(browser.page.contains("Raising a limit again takes a request of two people."), "{}", browser.page);
    let seen = browser.between(r#"name="limits" value=""#, "\"").unwrap();
    assert_eq!(seen, format!("{}:1", one.id), "{}", two.id);
    browser.post(&format!("{team}/limits/half"), &[("limits", &seen)]).await;
    let led = browser.leads_to().to_owned();
    browser.get(&led).await;
    assert!(browser.page.contains("Tightened by half: 1 bot"), "{}", browser.page);
    browser.post(&format!("{team}/limits/half"), &[("limits", &seen)]).await;
    assert_eq!(browser.status, StatusCode::CONFLICT);
    assert_eq!(largest(), "1000", "the same page sent again");

    browser.get(&limits).await;
    assert!(browser.page.contains("Raising a limit again takes a request of two people."));
    let version = browser.between(r#"name="version" value=""#, "\"").unwrap();
    browser.post(&format!("{limits}/half"), &[("version", &version)]).await;
    let led = browser.leads_to().to_owned();
    browser.get(&led).await;
    assert!(
        browser.page.contains("Versions of its own limits: 3") && browser.page.matches("tightened by half").count() == 2,
        "{}",
        browser.page
    );
    for version in [version.as_str(), "", "x", "99"] {
        browser.get(&limits).await;
        browser.post(&format!("{limits}/half"), &[("version", version)]).await;
        assert!(browser.status.is_client_error(), "{version}: {}", browser.page);
    }
    assert_eq!(largest(), "500");
}

#[tokio::test]
async fn a_limit_says_in_what_it_is_counted_and_names_itself_when_it_is_refused() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let path = format!("/bots/{}/limits", bot.id);
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&path).await;
    for part in ["An amount in the currency that its agent reports.", "no percentage", "0.1 is 10 %", "100 is 1 %", "2 is twofold"] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    browser.post(&path, &[("max_reject_rate", "10"), ("max_slippage_bps", "5%")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("Share of rejected orders is a share from 0 to 1; 10 % is written 0.1"), "{}", browser.page);
    assert!(browser.page.contains("Slippage is no number"), "{}", browser.page);
    browser.post(&path, &[("max_open_orders", "99999999999")]).await;
    assert!(browser.page.contains("Open orders is at most 4294967295"), "{}", browser.page);
    browser.get(&format!("/limits?bot={}&symbol=%3F%3F", bot.id)).await;
    assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("href=\"#below-symbol\""), "{}", browser.page);
    browser.get(&format!("{path}?as_of=2999-01-01")).await;
    assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("That day is to come"), "{}", browser.page);
    for (moment, said) in [("27.11.2026", "Write the moment as"), ("2999-01-01", "That is to come")] {
        browser.get(&format!("/assignments?as_of={moment}")).await;
        assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains(said), "{}", browser.page);
    }
    browser.get(&path).await;
    browser.post(&path, &[("max_reject_rate", "0.1"), ("max_leverage", "2")]).await;
    assert!(browser.status.is_redirection(), "{}", browser.page);
    browser.get(&path).await;
    browser.post(&path, &[("max_leverage", "3")]).await;
    assert!(browser.page.contains("Leverage would be looser than 2"), "{}", browser.page);
    assert!(browser.page.contains("raising a limit takes a request of two people"), "{}", browser.page);
}

#[tokio::test]
async fn the_worst_case_of_an_agent_that_polls_counts_how_seldom_it_does() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let page = format!("/bots/{}", bot.id);
    let worst = |browser: &Browser| browser.between("<dt>Worst case</dt><dd><b>", "</b>").unwrap_or_else(|| panic!("{}", browser.page));
    test.hand.forward_ms(7_000);
    agent.check_in(&test.app).await.unwrap();
    browser.get(&page).await;
    assert_eq!(worst(&browser), "42 s", "30 s of lease, 7 s until it asks again, 5 s to obey");
    assert!(browser.page.contains("it polls, lately every 7.0 s"), "{}", browser.page);
    browser.get("/agents").await;
    assert!(browser.page.contains("42 s"), "{}", browser.page);
    let placed = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    let receipt = test.app.receipt(&test.actor("operator"), &placed.hold.id).await.unwrap();
    assert_eq!(receipt.worst_case_ms(), 42_000);
    agent.seq += 1;
    test.app.check_in(&agent.live(&test.app), &agent.says(), "stream").await.unwrap();
    browser.get(&page).await;
    assert_eq!(worst(&browser), "35 s", "on a stream a stop waits for no check-in");
}

#[tokio::test]
async fn a_bot_over_a_limit_that_its_agent_has_taken_over_needs_attention() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    let asked = [("max_position_notional".to_owned(), "100".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &bot.id, &asked, "").await.unwrap();
    agent.settle(&test.app).await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let mut said = agent.says();
    for (notional, is_over) in [("100", false), ("-17745.5", true), ("99", false)] {
        let position = Position { symbol: "BTC/USDT".into(), notional: Some(notional.into()), ..Position::default() };
        said.seq += 1;
        said.report = Some(Report { positions: Some(vec![position]), ..Report::default() });
        test.app.check_in(&agent.live(&test.app), &said, "stream").await.unwrap();
        browser.get("/fleet?state=attention").await;
        assert_eq!(browser.page.contains("P2 Over its limit"), is_over, "{notional}: {}", browser.page);
        assert_eq!(browser.page.contains("position in BTC/USDT, 17745.5 of 100"), is_over, "{notional}: {}", browser.page);
    }
}

#[tokio::test]
async fn of_a_team_where_one_bot_cannot_be_written_the_others_are_halved_and_it_is_named() {
    let test = site().await;
    let mut seen = Vec::new();
    for n in 0..30 {
        let bot = test.bot(&format!("arb-{n}"), "arb").await;
        let asked = [("max_order_notional".to_owned(), "2000".to_owned())];
        test.app.tighten_limits(&test.actor("operator"), &bot.id, &asked, "").await.unwrap();
        seen.push((bot.id, 1));
    }
    let bad = &seen[3].0;
    test.execute(&format!("CREATE TRIGGER no BEFORE INSERT ON bot_limits WHEN NEW.bot_id = '{bad}' BEGIN SELECT RAISE(ABORT, 'no'); END"))
        .await;
    let mut browser = Browser::signed_in(&test, "lead").await;
    let team = format!("/teams/{}", test.team("arb"));
    browser.get(&team).await;
    let fields: Vec<String> = seen.iter().map(|(id, version)| format!("{id}:{version}")).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|one| ("limits", one.as_str())).collect();
    browser.post(&format!("{team}/limits/half"), &fields).await;
    assert!(browser.page.contains("29 bots tightened by half. Not arb-3"), "{}", browser.page);
    let largest = |id: &BotId| test.app.fleet.view().bot(id).unwrap().limits.values["max_order_notional"].clone();
    assert_eq!(seen.iter().filter(|(id, _)| largest(id) == "1000").count(), 29);
    test.execute("DROP TRIGGER no").await;
    browser.post(&format!("{team}/limits/half"), &fields).await;
    assert!(seen.iter().all(|(id, _)| largest(id) == "1000"), "pressed again, that one alone is halved");
}
