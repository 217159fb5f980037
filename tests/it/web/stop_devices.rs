//! Phones that are stop devices: how one becomes one, what it does and what it never does, and how each of its ends ends it.

use crate::{
    faults::until,
    harness::{
        app::{ORIGIN, TestApp},
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
    },
};
use andon::{
    app::holds::Press,
    domain::{ActKind, Grant, Level, NoticeKind, Role, Scope},
    storage::notices::StoredNotice,
};
use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};

const COOKIE: &str = "andon-stop-local";
const MINUTE_MS: i64 = 60 * 1_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

async fn site() -> TestApp {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.allow_stop_devices().await;
    test.bot("arb-1", "arb").await;
    test
}

/// A phone that was enrolled by somebody.
async fn phone(test: &TestApp, whose: &str) -> Browser {
    let mut phone = Browser::new(test);
    phone.cookies.insert(COOKIE.into(), test.phone(whose).await);
    phone
}

async fn told(test: &TestApp, who: &str, kind: NoticeKind) -> Vec<StoredNotice> {
    let (all, _) = test.app.notices_of(&test.actor(who), None).await.unwrap();
    all.into_iter().filter(|notice| notice.kind == kind).collect()
}

/// The phone is none any more: it sees nothing and stops nothing.
async fn is_over(test: &TestApp, phone: &mut Browser) {
    let holds = test.app.fleet.view().open_holds().count();
    phone.post("/stop-device/holds", &[("scope", "fleet"), ("key", "after")]).await;
    assert_eq!(phone.status, StatusCode::UNAUTHORIZED);
    assert!(phone.page.contains("NOT PAUSED") && phone.page.contains("andon stop --all"), "{}", phone.page);
    phone.get("/stop-device").await;
    assert!(phone.status == StatusCode::UNAUTHORIZED && !phone.page.contains("arb"), "{}", phone.page);
    assert_eq!(test.app.fleet.view().open_holds().count(), holds);
}

on_both!(a_phone_is_enrolled_by_its_owner_once_and_stops_the_fleet, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/me/stop-devices").await;
    assert!(operator.page.contains("Stop devices are off here") && !operator.page.contains("for 1 phone"));
    operator.post("/me/stop-devices", &[("name", "my phone")]).await;
    assert_eq!(operator.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/stop-devices").await;
    admin.post("/stop-devices/allow", &[("allowed", "yes")]).await;
    let act = admin.leads_to().to_owned();
    admin.get(&act).await;
    admin.touch(&test, "admin", &format!("{act}/sign")).await;
    assert_eq!(admin.leads_to(), "/stop-devices");

    operator.get("/me/stop-devices").await;
    operator.post("/me/stop-devices", &[("name", "my phone")]).await;
    let act = operator.leads_to().to_owned();
    operator.get(&act).await;
    assert!(operator.page.contains("Make the phone my phone of operator a stop device"), "{}", operator.page);
    operator.touch(&test, "operator", &format!("{act}/sign")).await;
    assert!(operator.page.contains("<svg role=\"img\"") && operator.status.is_success(), "{}", operator.page);
    let link = operator.between(r#"<code class="command">"#, "</code>").unwrap();
    let link = link.strip_prefix(ORIGIN).unwrap().to_owned();
    // Looking at the link, as messengers do, uses nothing up.
    Browser::new(&test).get(&link).await;
    let mut phone = Browser::new(&test);
    phone.get(&link).await;
    assert!(phone.page.contains("my phone") && phone.page.contains("operator"), "{}", phone.page);
    let secret = phone.between(r#"name="link" value=""#, "\"").unwrap();
    phone.post("/stop-device/enrol", &[("link", &secret), ("public_key", "")]).await;
    assert_eq!(phone.leads_to(), "/stop-device");
    let set = phone.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).find(|set| set.contains(COOKIE));
    let set = set.unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Max-Age=7776000"), "{set}");
    for who in ["operator", "admin"] {
        assert_eq!(told(&test, who, NoticeKind::StopDeviceAdded).await.len(), 1, "{who}");
    }
    let mut thief = Browser::new(&test);
    thief.get(&link).await;
    assert_eq!(thief.status, StatusCode::NOT_FOUND);

    // Nobody is signed in there, and every page still has the way to stop.
    for page in ["/sign-in", "/nowhere"] {
        phone.get(page).await;
        assert!(phone.page.contains(r#"href="/stop-device""#), "{}", phone.page);
    }
    phone.get("/stop-device").await;
    assert!(phone.page.contains("all 1 bot anyway") && phone.page.contains("my phone"), "{}", phone.page);
    assert!(!phone.page.contains("<a "), "nothing on it leads anywhere");
    let key = phone.between(r#"name="key" value=""#, "\"").unwrap();
    phone.post("/stop-device/holds", &[("scope", "fleet"), ("level", "pause"), ("key", &key)]).await;
    let receipt = phone.leads_to().to_owned();
    assert!(receipt.starts_with("/stop-device/holds/"), "{}", phone.page);
    let view = test.app.fleet.view();
    let hold = view.open_holds().next().unwrap();
    assert_eq!((hold.placed_by.name.as_str(), hold.level, &hold.scope), ("operator's stop device", Level::Pause, &Scope::Fleet));
    phone.get(&receipt).await;
    assert!(phone.page.contains("Paused: the whole fleet"), "{}", phone.page);
    until("a notice of the press", async || told(&test, "operator", NoticeKind::StopDeviceUsed).await.len() == 1).await;
    let notice = told(&test, "operator", NoticeKind::StopDeviceUsed).await.remove(0);
    assert!(notice.text.contains("my phone") && notice.text.contains("placed a pause"), "{}", notice.text);
    // It is shown to its owner and to admins, who may end it.
    operator.get("/me/stop-devices").await;
    assert!(operator.page.contains("my phone") && operator.page.contains("End 1 stop device"));
    admin.get("/stop-devices").await;
    assert!(admin.page.contains("my phone") && admin.page.contains("operator"), "{}", admin.page);
    test.log_is_good().await;
});

#[tokio::test]
async fn with_the_database_gone_a_phone_stops_all_the_same() {
    let test = site().await;
    let mut phone = phone(&test, "operator").await;
    test.fresh.db.close().await;
    phone.get("/stop-device").await;
    assert!(phone.status.is_success() && phone.page.contains("all 1 bot anyway"), "{}", phone.page);
    phone.post("/stop-device/holds", &[("scope", "fleet"), ("key", "k")]).await;
    let receipt = phone.leads_to().to_owned();
    phone.get(&receipt).await;
    assert!(phone.page.contains("Paused: the whole fleet") && phone.page.contains("kept on the server"), "{}", phone.page);
    assert_eq!(test.app.fleet.view().open_holds().count(), 1);
}

on_both!(a_hold_of_a_phone_leaves_its_trace_whoever_saw_the_press, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.allow_stop_devices().await;
    test.bot("arb-1", "arb").await;
    let cookie = test.phone("operator").await;
    // A process that ended right after the stop: the hold is there and nothing else of the press.
    let press =
        Press { scope: Scope::Fleet, level: Level::Pause, why: String::new(), idempotency_key: "k".into(), terms: Default::default() };
    let placed = test.app.place(test.app.by_device(&cookie).unwrap().actor, press).await.unwrap();
    assert_eq!(test.app.trace_presses(true).await.unwrap(), 0, "whoever saw it has some time");
    test.hand.forward_ms(3 * MINUTE_MS);
    assert_eq!(test.app.trace_presses(false).await.unwrap(), 0);
    assert_eq!(test.app.trace_presses(true).await.unwrap(), 1);
    assert_eq!(test.app.trace_presses(true).await.unwrap(), 0, "once");
    let notice = told(&test, "operator", NoticeKind::StopDeviceUsed).await.remove(0);
    assert!(notice.text.contains("is not known: the server was interrupted") && notice.link.unwrap().ends_with(placed.hold.id.as_str()));
    test.log_is_good().await;
});

#[tokio::test]
async fn a_phone_s_press_is_its_owner_s_and_as_wide_as_they_may() {
    let test = site().await;
    let mut of_risk = phone(&test, "risk").await;
    of_risk.get("/stop-device").await;
    let team = format!("team:{}", test.team("arb"));
    of_risk.post("/stop-device/holds", &[("scope", &team), ("level", "reduce"), ("key", "k")]).await;
    let view = test.app.fleet.view();
    let hold = view.open_holds().next().unwrap();
    assert!(hold.placed_by.as_risk && hold.level == Level::Reduce, "{hold:?}");
    // No phone kills: what is no reduce is a pause.
    of_risk.get("/stop-device").await;
    of_risk.post("/stop-device/holds", &[("scope", "fleet"), ("level", "kill"), ("key", "k")]).await;
    assert!(test.app.fleet.view().open_holds().all(|hold| hold.level < Level::Kill));
    // Whoever may not stop has no phone that does.
    assert!(test.app.prepare_device_link(&test.actor("auditor"), "phone").await.is_err());
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/stop-devices").await;
    assert!(auditor.page.contains("Stop devices are allowed") && !auditor.page.contains("<form class=\"panel\""), "{}", auditor.page);
}

#[tokio::test]
async fn only_a_page_of_ours_presses() {
    let test = site().await;
    let (mut phone, mut other) = (phone(&test, "operator").await, phone(&test, "lead").await);
    other.get("/stop-device").await;
    let stolen = other.between(r#"name="csrf" value=""#, "\"").unwrap();
    phone.get("/stop-device").await;
    let own = phone.between(r#"name="csrf" value=""#, "\"").unwrap();
    for (csrf, origin) in
        [("", Some(ORIGIN)), (stolen.as_str(), Some(ORIGIN)), (own.as_str(), Some("https://evil.example")), (own.as_str(), None)]
    {
        phone.post_raw("/stop-device/holds", format!("csrf={csrf}&scope=fleet"), origin).await;
        assert!(phone.status == StatusCode::FORBIDDEN && phone.page.contains("NOT PAUSED"), "{origin:?}: {}", phone.page);
    }
    assert_eq!(test.app.fleet.view().open_holds().count(), 0);
    // A page that stood open for weeks still stops.
    test.hand.forward_ms(60 * DAY_MS);
    phone.post_raw("/stop-device/holds", format!("csrf={own}&scope=fleet"), Some(ORIGIN)).await;
    assert!(phone.leads_to().starts_with("/stop-device/holds/"), "{}", phone.page);
}

on_both!(every_end_of_a_phone_ends_it_at_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.allow_stop_devices().await;
    test.bot("arb-1", "arb").await;
    let mut owners = Browser::signed_in(&test, "operator").await;
    let mut one = phone(&test, "operator").await;
    one.get("/stop-device").await;
    owners.get("/me/stop-devices").await;
    let end = owners.between(r#"action="/stop-devices/"#, "\"").unwrap();
    let mut stranger = Browser::signed_in(&test, "lead").await;
    stranger.get("/me/stop-devices").await;
    stranger.post(&format!("/stop-devices/{end}"), &[]).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND, "a phone is its owner's and the admins'");
    owners.post(&format!("/stop-devices/{end}"), &[]).await;
    is_over(&test, &mut one).await;
    assert_eq!(told(&test, "operator", NoticeKind::StopDeviceEnded).await.len(), 1);

    let mut of_disabled = phone(&test, "grid operator").await;
    of_disabled.get("/stop-device").await;
    test.app.disable(&test.actor("admin"), &test.people["grid operator"].id).await.unwrap();
    is_over(&test, &mut of_disabled).await;
    let second = vec![Grant { role: Role::Lead, team: Some(test.team("grid")) }];
    test.invite("second grid lead", second).await;
    let mut of_changed = phone(&test, "grid lead").await;
    of_changed.get("/stop-device").await;
    let grants = vec![Grant { role: Role::Auditor, team: None }];
    let act = ActKind::Grants { user: test.people["grid lead"].id.clone(), grants };
    let act = test.app.prepare_single(&test.actor("admin"), act).await.unwrap();
    test.sign("admin", &act).await.unwrap();
    is_over(&test, &mut of_changed).await;
    // For good: rights that come back bring no phone back.
    assert_eq!(test.app.end_and_warn().await.unwrap(), 2);
    let act = ActKind::Enable { user: test.people["grid operator"].id.clone() };
    let act = test.app.prepare_single(&test.actor("admin"), act).await.unwrap();
    test.sign("admin", &act).await.unwrap();
    is_over(&test, &mut of_disabled).await;
    assert_eq!(told(&test, "grid operator", NoticeKind::StopDeviceEnded).await.len(), 1);

    let mut old = phone(&test, "operator").await;
    test.hand.forward_ms(84 * DAY_MS);
    test.app.end_and_warn().await.unwrap();
    test.app.end_and_warn().await.unwrap();
    until("word that it ends soon", async || told(&test, "operator", NoticeKind::StopDeviceEnded).await.len() == 2).await;
    test.hand.forward_ms(6 * DAY_MS + MINUTE_MS);
    is_over(&test, &mut old).await;

    let mut last = phone(&test, "operator").await;
    let act = test.app.prepare_single(&test.actor("admin"), ActKind::StopDevices { allowed: false }).await.unwrap();
    test.sign("admin", &act).await.unwrap();
    is_over(&test, &mut last).await;
    test.allow_stop_devices().await;
    is_over(&test, &mut last).await;
    test.log_is_good().await;
});

#[tokio::test]
async fn a_link_is_over_after_five_minutes_and_when_another_is_made() {
    let test = site().await;
    let first = test.phone_link("operator").await;
    let second = test.phone_link("operator").await;
    assert!(test.app.device_link(&first).await.is_err() && test.app.device_link(&second).await.is_ok());
    test.hand.forward_ms(5 * MINUTE_MS);
    assert!(test.app.enrol_device(&second, "", "192.0.2.7").await.is_err());
    assert!(test.app.enrol_device("andon_phone_nothing", "", "192.0.2.7").await.is_err());
}

#[tokio::test]
async fn the_phone_s_own_key_vouches_and_a_copied_cookie_stops_and_is_told_of() {
    let test = site().await;
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let public = BASE64URL_NOPAD.encode(key.public_key().as_ref());
    let cookie = test.app.enrol_device(&test.phone_link("operator").await, &public, "192.0.2.7").await.unwrap();
    let mut phone = Browser::new(&test);
    phone.cookies.insert(COOKIE.into(), cookie.expose().clone());
    phone.get("/stop-device").await;
    let press = phone.between(r#"name="key" value=""#, "\"").unwrap();
    let signed = format!("andon stop device 1\n{press}\npause\nfleet");
    let proof = BASE64URL_NOPAD.encode(key.sign(&random, signed.as_bytes()).unwrap().as_ref());
    phone.post("/stop-device/holds", &[("scope", "fleet"), ("level", "pause"), ("key", &press), ("proof", &proof)]).await;
    let used = async || told(&test, "operator", NoticeKind::StopDeviceUsed).await;
    until("a notice", async || used().await.len() == 1).await;
    assert!(used().await[0].text.contains("own key vouched"), "{}", used().await[0].text);

    let mut copy = Browser::new(&test);
    copy.cookies = phone.cookies.clone();
    copy.get("/stop-device").await;
    let team = format!("team:{}", test.team("arb"));
    copy.post("/stop-device/holds", &[("scope", &team), ("level", "pause"), ("key", &press), ("proof", &proof)]).await;
    assert!(copy.leads_to().starts_with("/stop-device/holds/"), "a stop is not refused over a proof");
    until("another notice", async || used().await.len() == 2).await;
    assert!(used().await.iter().any(|notice| notice.title.contains("did not vouch")));
}
