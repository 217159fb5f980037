//! Two presses stop, from plain pages and without a script; the receipt says no more than is proved; what was not stopped says so first.

use crate::harness::{
    agent::ready,
    app::{ORIGIN, TestApp},
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::{
    domain::{Level, Scope, State},
    protocol::Report,
};
use axum::http::StatusCode;

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

/// The value of the button with these words.
fn scope_of(page: &str, words: &str) -> String {
    let before = page.split(words).next().unwrap();
    let button = before.rsplit("<button").next().unwrap();
    button.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

on_both!(two_presses_stop_and_the_receipt_follows_what_the_agent_proves, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);

    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    assert!(!browser.page.contains("<script"), "nothing that could fail to load");
    assert!(!browser.page.contains(r#"id="pause""#), "nothing that fires lies where the opener lay");
    let first = browser.page.find("<button class=\"stop\"").unwrap();
    assert!(!browser.page[browser.page.find("<main").unwrap()..first].contains("<input type=\"radio\""), "the first control is the button");
    let scope = scope_of(&browser.page, "Pause all 1 running bot<");
    let key = browser.between(r#"name="key" value=""#, "\"").unwrap();
    browser.post("/holds", &[("scope", &scope), ("level", "pause"), ("key", &key)]).await;
    assert_eq!(browser.status, StatusCode::SEE_OTHER);
    let receipt = browser.leads_to().to_owned();
    browser.get(&receipt).await;
    for part in [
        "Pause of the whole fleet",
        "0<span class=\"of\">/1</span>",
        "worst case all stopped by",
        "Not idle yet: 1",
        "arb-1",
        "Add the reason",
    ] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    test.hand.forward_ms(1_200);
    agent.settle(&test.app).await;
    browser.get(&receipt).await;
    assert!(browser.page.contains("1<span class=\"of\">/1</span>") && browser.page.contains("1,200 ms"), "{}", browser.page);
    assert!(!browser.page.contains("Not idle yet"));
    test.log_is_good().await;
});

#[tokio::test]
async fn the_same_page_sent_twice_is_one_hold_and_another_button_of_it_is_another() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    let key = browser.between(r#"name="key" value=""#, "\"").unwrap();
    let token = browser.between(r#"name="csrf" value=""#, "\"").unwrap();
    let team = format!("team:{}", test.team("arb"));
    let press = |scope: &str| format!("csrf={token}&level=pause&key={key}&scope={}", scope.replace(':', "%3A"));
    let mut led = Vec::new();
    for scope in ["fleet", "fleet", team.as_str()] {
        browser.post_raw("/holds", press(scope), Some(ORIGIN)).await;
        led.push(browser.leads_to().to_owned());
    }
    assert_eq!(led[0], led[1]);
    assert_ne!(led[0], led[2], "going back and pressing another button stops that, too");
    assert_eq!(test.app.fleet.view().open_holds().count(), 2);
    browser.get(&led[2]).await;
    assert!(browser.page.contains("Already held. This one stands beside") && browser.page.contains("must be released too"));
}

#[tokio::test]
async fn marked_bots_are_stopped_each_by_a_hold_of_its_own() {
    let test = site().await;
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/pause?bot={}&bot={}&bot=nonsense", one.id, two.id)).await;
    assert!(browser.page.contains("Pause 2 marked bots") && browser.page.contains("arb-1, arb-2"));
    browser
        .post("/holds", &[("scope", "bots"), ("bot", one.id.as_str()), ("bot", two.id.as_str()), ("key", "k"), ("level", "reduce")])
        .await;
    assert_eq!(browser.leads_to(), "/holds");
    let view = test.app.fleet.view();
    assert!(view.open_holds().all(|hold| hold.level == Level::Reduce));
    assert_eq!(view.open_holds().count(), 2);
    browser.get("/holds").await;
    assert!(browser.page.contains("Reduce of bot arb-1") && browser.page.contains("Reduce of bot arb-2"));
}

#[tokio::test]
async fn what_was_not_stopped_says_so_first_and_names_the_other_ways() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/pause").await;
    assert!(
        auditor.page.contains("You may not pause bots")
            && auditor.page.contains("risk, risk")
            && !auditor.page.contains("action=\"/holds\"")
    );
    auditor.post("/holds", &[("scope", "fleet")]).await;
    assert_eq!(auditor.status, StatusCode::FORBIDDEN);
    for part in ["<h1>NOT PAUSED", "Nothing was stopped", "andon stop --all", "an operator, lead, risk or admin may"] {
        assert!(auditor.page.contains(part), "{part} is missing from {}", auditor.page);
    }
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/pause").await;
    for scope in ["", "moon", "team:", "bot:0193", "bots"] {
        operator.get("/pause").await;
        operator.post("/holds", &[("scope", scope)]).await;
        assert!(operator.status.is_client_error() && operator.page.contains("NOT PAUSED"), "{scope}: {}", operator.page);
    }
    let mut nobody = Browser::new(&test);
    nobody.post_raw("/holds", "scope=fleet".to_owned(), Some(ORIGIN)).await;
    assert!(nobody.status.is_client_error() && nobody.page.contains("NOT PAUSED"), "{}", nobody.page);
    assert_eq!(test.app.fleet.view().open_holds().count(), 0);
}

#[tokio::test]
async fn a_session_that_was_idle_still_stops_and_sees_the_receipt_and_nothing_else() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    test.hand.forward_ms(16 * 60 * 1_000);
    browser.get("/fleet").await;
    assert!(browser.leads_to().starts_with("/sign-in/key"));
    browser.get("/pause").await;
    browser.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    let receipt = browser.leads_to().to_owned();
    assert!(receipt.starts_with("/holds/"), "{}", browser.page);
    browser.get(&receipt).await;
    assert!(browser.status.is_success() && browser.page.contains("Pause of the whole fleet"));
    assert!(!browser.page.contains("Prepare the release of 1 hold"));
    browser.get("/holds").await;
    assert!(browser.leads_to().starts_with("/sign-in/key"));
}

#[tokio::test]
async fn without_a_database_a_press_is_taken_and_the_receipt_says_how_it_is_kept() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    test.fresh.db.close().await;
    browser.post("/holds", &[("scope", "fleet"), ("key", "k"), ("level", "pause")]).await;
    let receipt = browser.leads_to().to_owned();
    assert!(receipt.starts_with("/holds/"), "{}", browser.page);
    browser.get(&receipt).await;
    assert!(browser.status.is_success() && browser.page.contains("Delivered and kept on this server"), "{}", browser.page);
    for path in ["/pause", "/holds", "/fleet"] {
        browser.get(path).await;
        assert!(browser.status.is_success(), "{path}: {}", browser.page);
    }
    let bot = test.app.fleet.view().bots().next().unwrap().id.to_string();
    browser.get(&format!("/bots/{bot}")).await;
    assert!(browser.status.is_success() && browser.page.contains("Pause 1 bot: arb-1"), "{}", browser.page);
    assert!(browser.page.contains("not known now"), "what only the database knows is not made up");
}

#[tokio::test]
async fn a_reason_is_given_once_and_a_release_needs_one() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let hold = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold;
    let path = format!("/holds/{}", hold.id);
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&path).await;
    browser.post(&format!("{path}/why"), &[("why", "  venue <outage> ")]).await;
    assert_eq!(browser.leads_to(), path);
    browser.get(&path).await;
    assert!(browser.page.contains("venue &#60;outage&#62;") && !browser.page.contains("Add the reason"));
    browser.post(&format!("{path}/why"), &[("why", "another")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("This hold has a reason already"), "{}", browser.page);

    browser.post(&format!("{path}/release"), &[("release_why", "   ")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("href=\"#release_why\"") && browser.page.contains("<title>Error: "));
    let long = "x".repeat(501);
    browser.post(&format!("{path}/release"), &[("release_why", &long)]).await;
    assert!(browser.page.contains("longer than 500") && browser.page.contains(&long), "what was typed stays");
    browser.post(&format!("{path}/release"), &[("release_why", "it is over")]).await;
    assert!(browser.leads_to().starts_with("/acts/"), "{}", browser.page);
    let act = browser.leads_to().to_owned();
    browser.get(&act).await;
    browser.touch(&test, "operator", &format!("{act}/sign")).await;
    browser.get(&path).await;
    for part in ["<b>Released</b>", "it is over", "No bot started by that"] {
        assert!(browser.page.contains(part), "{part} is missing");
    }
    browser.get("/holds").await;
    assert!(browser.page.contains("Nothing is held") && browser.page.contains("Over: 1"));
}

#[tokio::test]
async fn who_may_not_release_is_told_who_may() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let hold = test.press("lead", Scope::Fleet, Level::Pause).await.hold;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&format!("/holds/{}", hold.id)).await;
    assert!(operator.page.contains("a lead of a covered team, or risk may.") && !operator.page.contains("Prepare the release"));
    operator.get("/holds/0193f0a0-0000-7000-8000-000000000000").await;
    assert_eq!(operator.status, StatusCode::NOT_FOUND);
    operator.get("/holds/nonsense").await;
    assert_eq!(operator.status, StatusCode::NOT_FOUND);
}

/// The forms of a page.
fn forms(page: &str) -> Vec<&str> {
    page.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()).collect()
}

/// What a browser sends of a form when one of its buttons is pressed: every hidden field and ticked box, and the button.
fn sent<'a>(form: &'a str, button: &'a str) -> Vec<(&'a str, &'a str)> {
    let value = |tag: &'a str, name: &str| tag.split_once(&format!("{name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
    let tags = form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
    let counts = |tag: &&str| tag.contains("type=\"hidden\"") || (tag.contains("type=\"checkbox\"") && tag.ends_with(" checked"));
    let fields = tags.filter(counts).filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?)));
    fields.filter(|(name, _)| *name != "csrf").chain([("scope", button)]).collect()
}

/// The button that Enter presses in a field of a form: its first.
fn first_button(form: &str) -> &str {
    let button = form.split("<button").nth(1).unwrap();
    button.split("value=\"").nth(1).unwrap().split('"').next().unwrap()
}

fn held(test: &TestApp) -> Vec<String> {
    let mut held: Vec<String> = test.app.fleet.view().open_holds().map(|hold| test.app.scope_words(&hold.scope)).collect();
    held.sort();
    held
}

#[tokio::test]
async fn enter_in_a_field_never_presses_what_stops_more() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    test.app.create_venue(&test.actor("lead"), "binance", "live").await.unwrap();
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    let page = browser.page.clone();
    let symbol = forms(&page).into_iter().find(|form| form.contains("id=\"symbol\"")).unwrap();
    assert_eq!(first_button(symbol), "symbol");
    let mut fields = sent(symbol, first_button(symbol));
    fields.extend([("symbol", "BTC/USDT"), ("venue", "")]);
    browser.post("/holds", &fields).await;
    assert!(browser.leads_to().starts_with("/holds/"), "{}", browser.page);
    assert_eq!(held(&test), ["BTC/USDT everywhere"]);
    for form in forms(&page).into_iter().filter(|form| form.contains("value=\"fleet\"")) {
        let fields = form.split("<input").skip(1).filter(|tag| !tag.split('>').next().unwrap().contains("type=\"hidden\"")).count();
        assert_eq!((fields, form.matches("<select").count()), (0, 0), "no field whose Enter stops the fleet: {form}");
    }
}

#[tokio::test]
async fn several_at_once_stops_the_marked_ones_too() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    test.bot("grid-1", "grid").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/pause?bot={}", bot.id)).await;
    let page = browser.page.clone();
    let several = forms(&page).into_iter().find(|form| form.contains("value=\"several\"")).unwrap();
    let grid = format!("team:{}", test.team("grid"));
    let mut fields = sent(several, "several");
    fields.push(("also", &grid));
    browser.post("/holds", &fields).await;
    assert_eq!(browser.leads_to(), "/holds", "{}", browser.page);
    assert_eq!(held(&test), ["bot arb-1", "team grid"], "what was marked is ticked, and seen to be");
    browser.get("/pause").await;
    browser.post("/holds", &[("scope", "several"), ("also", "bots")]).await;
    assert!(browser.page.contains("NOT PAUSED") && browser.page.contains("Tick what is to stop"), "{}", browser.page);
    browser.post("/holds", &[("scope", "symbol"), ("symbol", "no symbol!"), ("also", &grid)]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("NOT PAUSED") && browser.page.contains("value=\"no symbol!\""), "what was typed stays: {}", browser.page);
    assert!(browser.page.contains(&format!("value=\"{grid}\" checked")), "{}", browser.page);
    // What is not there cannot be stopped by a slip.
    for scope in ["strategy:nosuchstrategy", "venue:01a21806-0000-7000-8000-000000000000", "team:01a21806-0000-7000-8000-000000000000"] {
        browser.post("/holds", &[("scope", scope)]).await;
        assert_eq!(browser.status, StatusCode::NOT_FOUND, "{scope}");
    }
    assert_eq!(held(&test).len(), 2);
}

#[tokio::test]
async fn whatever_is_pressed_on_the_page_has_the_hours_that_it_names() {
    let test = site().await;
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    test.app.link_bots(&test.actor("operator"), &one.id, "arb-2", "two legs").await.unwrap();
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/pause?bot={}", one.id)).await;
    assert!(!browser.page.contains("may not be released for"));
    let links: Vec<&str> = browser.page.split("href=\"/pause?").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let path = links.iter().find(|link| link.contains("hours=24")).unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(path.contains(one.id.as_str()), "what was marked stays marked: {path}");
    browser.get(&format!("/pause?{path}")).await;
    let page = browser.page.clone();
    assert!(page.contains("Whatever is pressed on this page may not be released for 24 hours"), "{page}");
    let presses: Vec<_> = forms(&page).into_iter().filter(|form| form.contains("action=\"/holds\"")).collect();
    assert!(presses.len() >= 3 && presses.iter().all(|form| sent(form, "").contains(&("hours", "24"))), "{page}");
    let linked = presses.iter().find(|form| form.contains("value=\"linked\"")).unwrap();
    browser.post("/holds", &sent(linked, "linked")).await;
    assert_eq!(browser.leads_to(), "/holds", "{}", browser.page);
    let view = test.app.fleet.view();
    let until = test.hand.clock().now().plus_ms(24 * 3_600_000);
    assert!(view.open_holds().all(|hold| hold.not_before == Some(until)));
    assert_eq!(held(&test), ["bot arb-1", "bot arb-2"]);
    assert!(view.open_holds().any(|hold| hold.scope == Scope::Bot(two.id.clone())));
}

#[tokio::test]
async fn the_receipt_of_a_kill_says_no_more_than_the_agent_does() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/kill?scope=bot:{}", bot.id)).await;
    browser.post("/holds", &[("scope", &format!("bot:{}", bot.id)), ("level", "kill"), ("key", "k")]).await;
    let receipt = browser.leads_to().to_owned();
    browser.get(&receipt).await;
    assert!(!browser.page.contains("Every order is cancelled"), "nobody knows that");
    assert!(browser.page.contains("told to cancel every order") && browser.page.contains("Not known of 1 bot"), "{}", browser.page);

    let reports = |open: u64| Report { open_orders: Some(open), entry_orders: Some(0), ..Report::default() };
    agent.settle(&test.app).await;
    test.hand.forward_ms(1_000);
    let mut said = agent.says();
    (said.seq, said.report) = (said.seq + 1, Some(reports(2)));
    test.app.check_in(&agent.live(&test.app), &said, "stream").await.unwrap();
    browser.get(&receipt).await;
    for part in ["P1 Orders still rest, by the agents&#39; last word: arb-1 (2)", "2 orders rest by its agent", "Not idle yet: 1"] {
        assert!(
            browser.page.contains(part) || browser.page.contains(&part.replace("&#39;", "'")),
            "{part} is missing from {}",
            browser.page
        );
    }
    browser.get("/holds").await;
    assert!(browser.page.contains("Orders rest") && !browser.page.contains("All idle"), "{}", browser.page);
    (said.seq, said.report) = (said.seq + 1, Some(reports(0)));
    test.hand.forward_ms(1_000);
    test.app.check_in(&agent.live(&test.app), &said, "stream").await.unwrap();
    browser.get(&receipt).await;
    assert!(browser.page.contains("No order rests") && !browser.page.contains("Orders still rest"), "{}", browser.page);
}

#[tokio::test]
async fn a_press_names_as_many_bots_as_there_are_and_one_that_is_none_keeps_no_other_from_being_stopped() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let nobodies: Vec<String> = (0..150).map(|_| andon::domain::BotId::new().to_string()).collect();
    browser.get("/pause").await;
    let mut fields: Vec<(&str, &str)> = nobodies.iter().map(|id| ("bot", id.as_str())).collect();
    fields.extend([("bot", "nonsense"), ("bot", bot.id.as_str()), ("bot", bot.id.as_str()), ("scope", "bots")]);
    browser.post("/holds", &fields).await;
    assert_eq!(held(&test), ["bot arb-1"], "{}", browser.page);
    for part in ["PARTLY PAUSED", "nonsense: That names nothing", "The other one is stopped"] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
}

#[tokio::test]
async fn a_session_that_was_idle_is_told_why_it_kills_nothing_and_pauses_all_the_same() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let scope = format!("bot:{}", bot.id);
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/kill?scope={scope}")).await;
    test.hand.forward_ms(16 * 60 * 1_000);
    let page = browser.page.clone();
    browser.post("/holds", &[("scope", &scope), ("level", "kill"), ("key", "k")]).await;
    for part in ["NOT KILLED", "did nothing for 15 minutes", "Pause now", "/sign-in/key?next=%2Fkill"] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    browser.page = page;
    browser.post("/holds", &[("scope", &scope), ("level", "pause"), ("key", "k")]).await;
    assert_eq!(held(&test), ["bot arb-1"]);
}

#[tokio::test]
async fn a_receipt_names_the_bound_bots_that_go_on_and_stops_them_too() {
    let test = site().await;
    let mut agents = Vec::new();
    let bots = [test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await];
    for bot in &bots {
        agents.push(ready(&test, bot, "operator").await);
    }
    test.start(&bots.each_ref().map(|bot| bot.id.clone()), &["operator", "lead"]).await.unwrap();
    test.app.link_bots(&test.actor("operator"), &bots[0].id, "arb-2", "two legs").await.unwrap();
    let hold = test.press("operator", Scope::Bot(bots[0].id.clone()), Level::Pause).await.hold;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/holds/{}", hold.id)).await;
    let page = browser.page.clone();
    let bound = forms(&page).into_iter().find(|form| form.contains("Bound to what is stopped here")).unwrap();
    assert!(bound.contains("arb-2") && bound.contains("Pause 1 bot, too"), "{bound}");
    let mut fields: Vec<(&str, &str)> = sent(bound, "bots").into_iter().filter(|(name, _)| *name != "scope").collect();
    fields.extend([("scope", "bots"), ("level", "pause")]);
    browser.post("/holds", &fields).await;
    assert_eq!(held(&test), ["bot arb-1", "bot arb-2"], "{}", browser.page);
    browser.get(&format!("/holds/{}", hold.id)).await;
    assert!(!browser.page.contains("Bound to what is stopped here"), "none goes on any more");
}
