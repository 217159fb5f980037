//! Delivery over a real SMTP server: TLS or STARTTLS or not at all, refused, down and back, at least once and not for ever.

use crate::harness::{
    app::TestApp,
    db::{Fresh, Kind, fresh, on_both},
    smtp::{Server, Way},
    tls::Authority,
};
use andon::{
    app::{
        notices::GIVEN_UP_SHOWN_MS,
        outbox::{GIVE_UP_MS, GIVE_UP_REFUSED_MS, Round},
    },
    domain::{Audience, Notice, NoticeKind, Secret},
    mail::{Carrier, NotTaken, Smtp, SmtpSettings, Tls},
    storage::deliveries::OutboxCounts,
};

const HOUR_MS: i64 = 60 * 60 * 1_000;

fn settings(server: &Server, tls: Tls, authority: Option<&Authority>) -> SmtpSettings {
    SmtpSettings {
        host: if tls == Tls::Plain { "127.0.0.1".into() } else { "localhost".into() },
        port: server.address.port(),
        tls,
        from_name: "Andon, Ltd".into(),
        from: "andon@desk.example".parse().unwrap(),
        account: None,
        authority: authority.map(|authority| std::fs::read(authority.file()).unwrap()),
        hello: "desk.example".into(),
    }
}

fn carrier(settings: &SmtpSettings) -> Carrier {
    Carrier::Smtp(Box::new(Smtp::open(settings).unwrap()))
}

/// An installation whose operator and lead have addresses, with this server.
async fn site(fresh: Fresh, server: &Server) -> TestApp {
    let test = TestApp::new(fresh).await;
    for who in ["operator", "lead"] {
        test.give_address(who, &format!("{who}@people.example")).await;
    }
    test.app.open_mail(carrier(&settings(server, Tls::Plain, None)));
    test
}

async fn tell(test: &TestApp, who: &str, about: &str) {
    let notice =
        Notice::new(NoticeKind::KeyAdded, about, "A key was added", "Somebody added a key.\n.\nIf it was not you: tell an administrator.");
    test.app.tell(&Audience::person(&test.people[who].id), &notice.at("/me")).await.unwrap();
}

async fn outbox(test: &TestApp) -> OutboxCounts {
    test.app.outbox(&test.actor("admin")).await.unwrap()
}

on_both!(a_notice_goes_out_once_with_everything_that_its_reader_needs, |fresh: Fresh| async move {
    let server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh, &server).await;
    tell(&test, "operator", "1").await;
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    test.hand.forward_ms(HOUR_MS);
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    let taken = server.taken();
    assert_eq!(taken.len(), 1, "once");
    let letter = &taken[0];
    assert_eq!((letter.from.as_str(), letter.to.as_slice()), ("andon@desk.example", &["operator@people.example".to_owned()][..]));
    assert_eq!(letter.head("Subject"), "[Test] A key was added");
    // A name with a comma goes as an encoded word.
    let name = data_encoding::BASE64.encode(b"Andon, Ltd");
    assert_eq!(letter.head("From"), format!("=?utf-8?b?{name}?= <andon@desk.example>"));
    assert_eq!(letter.head("Auto-Submitted"), "auto-generated");
    assert_eq!(letter.head("X-Andon-Notice"), "key_added");
    assert!(letter.head("Message-ID").ends_with("@localhost>"));
    let body = letter.body();
    assert!(body.starts_with("Somebody added a key.\n.\nIf it was not you"), "a line of one dot ends no letter: {body}");
    assert!(body.contains("http://localhost:8787/me\n") && body.contains("http://localhost:8787/notices"), "{body}");
    assert_eq!(outbox(&test).await, OutboxCounts::default());
});

on_both!(a_server_that_is_down_costs_nothing_and_gets_everything_when_it_is_back, |fresh: Fresh| async move {
    let mut server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh, &server).await;
    server.down();
    for n in 0..3 {
        tell(&test, "operator", &n.to_string()).await;
    }
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Down, "after the first that fails the others are left alone");
    let counts = outbox(&test).await;
    assert!(counts.waiting == 3 && counts.last_error.is_some(), "{counts:?}");
    test.hand.forward_ms(10_000);
    server.up().await;
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    assert_eq!(server.taken().len(), 2, "the one that failed waits its 30 s");
    test.hand.forward_ms(20_000);
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    assert_eq!(server.taken().len(), 3);
    assert_eq!(outbox(&test).await, OutboxCounts::default());
});

on_both!(waits_double_and_a_letter_nobody_takes_is_given_up_after_three_days, |fresh: Fresh| async move {
    let mut server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh, &server).await;
    server.down();
    tell(&test, "operator", "1").await;
    let mut tries = 0;
    let begun = test.hand.clock().now();
    while outbox(&test).await.waiting == 1 {
        tries += usize::from(test.app.deliver_due().await.unwrap() == Round::Down);
        test.hand.forward_ms(10 * 60 * 1_000);
        assert!(test.hand.clock().now().ms_since(begun) <= GIVE_UP_MS + 2 * HOUR_MS, "not for ever");
    }
    assert!((70..90).contains(&tries), "{tries} tries: once an hour at last");
    let counts = outbox(&test).await;
    assert_eq!((counts.waiting, counts.given_up), (0, 1));
    server.up().await;
    test.app.deliver_due().await.unwrap();
    assert!(server.taken().is_empty(), "what was given up is not sent days later");
    assert_eq!(test.app.notices.unread(&test.people["operator"].id), 1, "it is in the page all the same");
    test.hand.forward_ms(GIVEN_UP_SHOWN_MS);
    assert_eq!(outbox(&test).await.given_up, 0, "and is not held against the server for ever");
});

on_both!(a_refused_letter_keeps_no_other_from_going_and_is_given_up_after_a_day, |fresh: Fresh| async move {
    let server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh, &server).await;
    server.refuse("operator@people.example", "550 5.1.1 nobody of that name");
    tell(&test, "operator", "1").await;
    tell(&test, "lead", "1").await;
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    assert_eq!(server.taken().len(), 1, "the lead's");
    let counts = outbox(&test).await;
    assert!(counts.waiting == 1 && counts.last_error.unwrap().contains("nobody of that name"));
    let connections = server.connections();
    test.hand.forward_ms(14 * 60 * 1_000);
    test.app.deliver_due().await.unwrap();
    assert_eq!(server.connections(), connections, "not before a quarter of an hour");
    test.hand.forward_ms(GIVE_UP_REFUSED_MS);
    test.app.deliver_due().await.unwrap();
    assert_eq!((outbox(&test).await.waiting, outbox(&test).await.given_up), (0, 1));
});

on_both!(a_server_that_puts_one_letter_off_gets_it_later_and_the_others_at_once, |fresh: Fresh| async move {
    let server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh, &server).await;
    server.refuse("operator@people.example", "450 4.2.0 greylisted, come back");
    tell(&test, "operator", "1").await;
    tell(&test, "lead", "1").await;
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    assert_eq!(server.taken().len(), 1);
    server.relent();
    test.hand.forward_ms(30_000);
    test.app.deliver_due().await.unwrap();
    assert_eq!(server.taken().len(), 2);
});

on_both!(two_replicas_do_not_send_the_same_letter, |fresh: Fresh| async move {
    let server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh, &server).await;
    let other = test.restarted().await;
    other.open_mail(carrier(&settings(&server, Tls::Plain, None)));
    for n in 0..10 {
        tell(&test, "operator", &n.to_string()).await;
    }
    let (one, two) = tokio::join!(test.app.deliver_due(), other.deliver_due());
    assert_eq!((one.unwrap(), two.unwrap()), (Round::Quiet, Round::Quiet));
    let mut ids: Vec<_> = server.taken().iter().map(|letter| letter.head("Message-ID")).collect();
    assert_eq!(ids.len(), 10);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "each once");
});

on_both!(without_a_mail_server_letters_wait_and_the_rest_works, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.give_address("operator", "operator@people.example").await;
    tell(&test, "operator", "1").await;
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Quiet);
    assert_eq!(outbox(&test).await.waiting, 1);
    let server = Server::start(Way::Plain, None, None).await;
    let configured = test.restarted().await;
    configured.open_mail(carrier(&settings(&server, Tls::Plain, None)));
    test.hand.forward_ms(HOUR_MS);
    configured.deliver_due().await.unwrap();
    assert_eq!(server.taken().len(), 1, "one is set up later: what waits goes out");
});

#[tokio::test]
async fn letters_go_over_starttls_or_tls_to_a_server_that_proves_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    for (way, tls) in [(Way::StartTls, Tls::StartTls), (Way::Implicit, Tls::Implicit)] {
        let server = Server::start(way, Some(&authority), Some(("andon", "canary pass wörd"))).await;
        let test = TestApp::new(fresh(Kind::Sqlite).await).await;
        test.give_address("operator", "operator@people.example").await;
        let mut with = settings(&server, tls, Some(&authority));
        with.account = Some(("andon".into(), Secret::new("canary pass wörd".into())));
        assert_eq!(Smtp::open(&with).unwrap().knock().await, Ok(()), "{way:?}");
        test.app.open_mail(carrier(&with));
        tell(&test, "operator", "1").await;
        test.app.deliver_due().await.unwrap();
        let taken = server.taken();
        assert!(taken.len() == 1 && taken[0].over_tls && taken[0].user.as_deref() == Some("andon"), "{way:?}: {taken:?}");

        let stranger = SmtpSettings { authority: None, ..with.clone() };
        // A machine that trusts nobody at all does not even begin.
        if let Ok(stranger) = Smtp::open(&stranger) {
            let refused = stranger.knock().await.unwrap_err();
            assert!(matches!(refused, NotTaken::Unreachable(_)), "a certificate of a stranger: {refused:?}");
        }
        let wrong_name = SmtpSettings { host: "127.0.0.1".into(), ..with.clone() };
        assert!(Smtp::open(&wrong_name).unwrap().knock().await.is_err(), "a certificate of another name");
        let mut wrong_password = with.clone();
        wrong_password.account = Some(("andon".into(), Secret::new("canary-of-another".into())));
        let Err(NotTaken::Unreachable(why)) = Smtp::open(&wrong_password).unwrap().knock().await else { panic!("let in") };
        assert!(why.contains("535") && !why.contains("canary"), "{why}");
    }
}

#[tokio::test]
async fn starttls_is_demanded_and_nothing_is_sent_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    // Somebody in the middle who leaves the offer out, or a server that has none.
    let server = Server::start(Way::Plain, None, None).await;
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.give_address("operator", "operator@people.example").await;
    test.app.open_mail(carrier(&settings(&server, Tls::StartTls, Some(&authority))));
    tell(&test, "operator", "1").await;
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Down);
    assert!(server.taken().is_empty() && server.connections() == 1);
}

#[tokio::test]
async fn a_wrong_password_stops_the_round_and_not_each_letter_by_itself() {
    let server = Server::start(Way::Plain, None, Some(("andon", "right"))).await;
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.give_address("operator", "operator@people.example").await;
    let mut wrong = settings(&server, Tls::Plain, None);
    wrong.account = Some(("andon".into(), Secret::new("wrong".into())));
    test.app.open_mail(carrier(&wrong));
    for n in 0..3 {
        tell(&test, "operator", &n.to_string()).await;
    }
    assert_eq!(test.app.deliver_due().await.unwrap(), Round::Down);
    assert_eq!(server.connections(), 1, "no account is locked by a letter each");
}

#[tokio::test]
async fn letters_beyond_ascii_and_with_long_lines_arrive_as_they_were_written() {
    let server = Server::start(Way::Plain, None, None).await;
    let test = site(fresh(Kind::Sqlite).await, &server).await;
    let text = format!("Schlüssel „blau“ wurde hinzugefügt. {}", "wörter ".repeat(200));
    let notice = Notice::new(NoticeKind::KeyAdded, "1", "Schlüssel\r\nBcc: eve@people.example", &text);
    test.app.tell(&Audience::person(&test.people["operator"].id), &notice).await.unwrap();
    test.app.deliver_due().await.unwrap();
    let taken = server.taken();
    assert_eq!(taken[0].to, ["operator@people.example"], "no header and no recipient comes out of a title");
    assert!(!taken[0].text.split("\n\n").next().unwrap().lines().any(|line| line.starts_with("Bcc")));
    assert!(taken[0].body().starts_with(text.trim()), "{}", taken[0].body());
    assert!(taken[0].text.lines().all(|line| line.len() <= 998));
}
