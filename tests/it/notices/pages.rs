//! The list, the count in the frame, the test message, and the mailbox that only a demo has.

use crate::harness::{
    app::{ORIGIN, TestApp},
    browser::Browser,
    db::{Kind, fresh},
    smtp::{Server, Way},
};
use andon::{
    domain::{Audience, Notice, NoticeKind},
    mail::{Carrier, Smtp, SmtpSettings, Tls},
    web::router::{Access, ROUTES, router},
};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use tower::ServiceExt;

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

async fn tell(test: &TestApp, who: &str, title: &str) {
    let notice = Notice::new(NoticeKind::KeyAdded, title, title, "First.\n\n<b>Second</b>.").at("/me");
    test.app.tell(&Audience::person(&test.people[who].id), &notice).await.unwrap();
}

#[tokio::test]
async fn a_person_reads_marks_one_and_marks_all() {
    let test = site().await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/notices").await;
    assert!(operator.page.contains("No notices yet"), "{}", operator.page);
    for title in ["The oldest", "The middle", "The newest"] {
        tell(&test, "operator", title).await;
    }
    operator.get("/fleet").await;
    assert!(operator.page.contains(r#"Notices <span class="tally">3<"#), "every page says how many");
    operator.get("/notices").await;
    let at = |words: &str| operator.page.find(words).unwrap_or_else(|| panic!("no {words}: {}", operator.page));
    assert!(at("The newest") < at("The middle") && at("The middle") < at("The oldest"));
    assert!(operator.page.contains("&#60;b&#62;Second") && !operator.page.contains("<b>Second"), "text is text");
    let one = operator.between(r#"<a href="/notices/"#, r#"""#).unwrap();
    operator.get(&format!("/notices/{one}")).await;
    assert!(operator.page.contains("The newest") && operator.page.contains(r#"href="/me""#));
    operator.get("/notices").await;
    assert!(operator.page.contains("3 unread"), "looking changes nothing");
    operator.post(&format!("/notices/{one}/read"), &[]).await;
    assert_eq!(operator.leads_to(), "/notices");
    operator.get("/notices").await;
    assert!(operator.page.contains("2 unread"));
    // One comes while the list is before them: all that they saw is not all there is.
    tell(&test, "operator", "Came meanwhile").await;
    operator.post("/notices/read", &[("up_to", &one)]).await;
    operator.get("/notices").await;
    assert!(operator.page.contains("1 unread"), "{}", operator.page);
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&format!("/notices/{one}")).await;
    assert_eq!(lead.status, StatusCode::NOT_FOUND);
    lead.post(&format!("/notices/{one}/read"), &[]).await;
    assert_eq!(lead.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let test = site().await;
    for n in 0..60 {
        tell(&test, "operator", &format!("Notice number {n:02}.")).await;
    }
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/notices").await;
    assert!(operator.page.contains("number 59.") && operator.page.contains("number 10.") && !operator.page.contains("number 09."));
    let older = operator.between(r#"rel="next" href=""#, r#"""#).unwrap();
    operator.get(&older).await;
    assert!(operator.page.contains("number 09.") && operator.page.contains("number 00.") && !operator.page.contains("number 10."));
    for bad in ["/notices?before=x", "/notices/x", "/notices/0193f0a0-0000-7000-8000-00000000dead"] {
        operator.get(bad).await;
        assert_eq!(operator.status, StatusCode::NOT_FOUND, "{bad}");
    }
}

#[tokio::test]
async fn the_count_needs_no_database() {
    let test = site().await;
    tell(&test, "operator", "Read me").await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/pause").await;
    test.app.db.close().await;
    operator.get("/pause").await;
    assert_eq!(operator.status, StatusCode::OK);
    assert!(operator.page.contains(r#"Notices <span class="tally">1<"#), "{}", operator.page);
}

#[tokio::test]
async fn the_system_page_sends_a_test_message_and_says_how_mail_is() {
    let test = site().await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/system").await;
    assert!(admin.page.contains("Notices stay in the page"), "{}", admin.page);
    let server = Server::start(Way::Plain, None, None).await;
    let settings = SmtpSettings {
        host: "127.0.0.1".into(),
        port: server.address.port(),
        tls: Tls::Plain,
        from_name: String::new(),
        from: "andon@desk.example".parse().unwrap(),
        account: None,
        authority: None,
        hello: "desk.example".into(),
    };
    test.app.open_mail(Carrier::Smtp(Box::new(Smtp::open(&settings).unwrap())));
    admin.post("/system/mail", &[]).await;
    assert!(admin.status == StatusCode::CONFLICT && admin.page.contains("no mail address"), "{}", admin.page);
    test.give_address("admin", "admin@people.example").await;
    for _ in 0..3 {
        admin.get("/system").await;
        admin.post("/system/mail", &[]).await;
        assert_eq!(admin.leads_to(), "/me#address", "what became of it stands there");
    }
    test.app.deliver_due().await.unwrap();
    let taken = server.taken();
    assert!(taken.len() == 1 && taken[0].head("Subject").contains("Test message"), "one a minute: {taken:?}");
    admin.get("/me").await;
    assert!(admin.page.contains("the mail server took it"), "{}", admin.page);
    server.refuse("admin@people.example", "550 no");
    test.hand.forward_ms(60_000);
    admin.post("/system/mail", &[]).await;
    test.app.deliver_due().await.unwrap();
    test.hand.forward_ms(6 * 60_000);
    admin.get("/system").await;
    assert!(admin.page.contains("Waiting") && admin.page.contains("550"), "{}", admin.page);
    test.hand.forward_ms(25 * 60 * 60_000);
    test.app.deliver_due().await.unwrap();
    let mut again = Browser::signed_in(&test, "admin").await;
    again.get("/system").await;
    assert!(again.page.contains("1 given up in 7 days"), "{}", again.page);
}

#[tokio::test]
async fn only_a_demo_has_a_mailbox() {
    let of_demos: Vec<&str> = ROUTES.iter().filter(|route| route.access == Access::Demo).map(|route| route.path).collect();
    assert_eq!(of_demos, ["/demo/mail", "/demo/{link}", "/acts/{id}/sign-demo"], "what only a demo has");
    let live = site().await;
    let mut somebody = Browser::signed_in(&live, "admin").await;
    somebody.get("/demo/mail").await;
    assert_eq!(somebody.status, StatusCode::NOT_FOUND);
    assert!(live.app.demo_mailbox().await.is_err());

    let demo = TestApp::demo(fresh(Kind::Sqlite).await).await;
    demo.app.open_mail(Carrier::Mailbox);
    demo.give_address("operator", "operator@demo.invalid").await;
    tell(&demo, "operator", "A key was added").await;
    demo.app.deliver_due().await.unwrap();
    let request = Request::get("/demo/mail").header("host", ORIGIN.strip_prefix("http://").unwrap()).header("sec-fetch-mode", "navigate");
    let stranger = router(demo.app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(stranger.status(), StatusCode::SEE_OTHER, "a stranger signs in first");
    let mut lead = Browser::signed_in(&demo, "lead").await;
    lead.get("/demo/mail").await;
    assert!(lead.page.contains("[Demo] A key was added") && lead.page.contains("operator@demo.invalid"), "{}", lead.page);
    assert!(lead.page.contains("http://localhost:8787/me") && lead.page.contains("&#60;b&#62;Second"), "{}", lead.page);
}
