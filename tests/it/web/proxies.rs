//! A server behind a proxy: whose word about a caller is believed, and what is done with it.

use crate::harness::{
    app::{ORIGIN, TestApp},
    browser::{Browser, exchange},
    db::{Kind, fresh},
};
use andon::web::{forwarded::Proxies, front::Front};
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use std::net::SocketAddr;
use tokio::net::TcpListener;

async fn serving(test: &TestApp, proxies: &[&str]) -> SocketAddr {
    let proxies = Proxies::new(proxies.iter().map(|network| network.parse().unwrap()).collect());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let front = Front { tls: None, proxies };
    tokio::spawn(andon::web::server::serve_behind(front, listener, test.app.clone(), std::future::pending()));
    address
}

/// Tries a password as somebody new, as the proxy tells of them.
async fn tries(browser: &mut Browser, name: &str, caller: &str) -> StatusCode {
    let csrf = browser.between(r#"name="csrf" value=""#, "\"").unwrap();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", csrf.as_str()), ("name", name), ("password", "wrong")])
        .finish();
    let request = Request::post("/sign-in")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, ORIGIN)
        .header("x-forwarded-for", caller);
    browser.send(request.body(Body::from(form)).unwrap()).await;
    browser.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tries_are_counted_by_the_caller_that_a_named_proxy_tells_of_and_by_nobody_elses_word() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    for (proxies, last) in [(vec!["127.0.0.1/32"], StatusCode::UNPROCESSABLE_ENTITY), (vec![], StatusCode::TOO_MANY_REQUESTS)] {
        let mut browser = Browser::over(serving(&test, &proxies).await, ORIGIN);
        browser.get("/sign-in").await;
        for n in 0..40 {
            // What stands left of the proxy's word is the caller's own.
            let status = tries(&mut browser, &format!("nobody-{}-{n}", proxies.len()), &format!("198.51.100.{n}, 203.0.113.9")).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "try {n}");
        }
        if !proxies.is_empty() {
            assert_eq!(tries(&mut browser, "nobody-x", "198.51.100.77, 203.0.113.9").await, StatusCode::TOO_MANY_REQUESTS);
        }
        assert_eq!(tries(&mut browser, "nobody-y", "203.0.113.10").await, last);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_read_in_plain_through_the_proxy_is_sent_to_tls_and_a_program_is_not() {
    let test = TestApp::at(fresh(Kind::Sqlite).await, "https://localhost:8443").await;
    let (named, unnamed) = (serving(&test, &["127.0.0.1/32"]).await, serving(&test, &["10.0.0.1/32"]).await);
    let ask = async |address, method: Method, path: &str, proto: &str| {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:8443").header("x-forwarded-proto", proto);
        exchange(address, request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let sent = ask(named, Method::GET, "/sign-in?next=%2Fholds", "http").await;
    assert_eq!(sent.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(sent.headers()[header::LOCATION], "https://localhost:8443/sign-in?next=%2Fholds");
    assert_eq!(ask(named, Method::GET, "/sign-in", "https").await.status(), 200);
    assert_eq!(ask(unnamed, Method::GET, "/sign-in", "http").await.status(), 200, "nobody else's word counts");
    assert_eq!(ask(named, Method::GET, "/healthz", "http").await.status(), 200);
    assert_eq!(ask(named, Method::POST, "/api/v1/holds", "http").await.status(), 401, "a stop is not sent about");
    assert_eq!(ask(named, Method::POST, "/holds", "http").await.status(), 401, "nor is a press");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_two_proxies_the_first_of_which_speaks_tls_a_page_is_served_and_not_sent_about() {
    let test = TestApp::at(fresh(Kind::Sqlite).await, "https://localhost:8443").await;
    let address = serving(&test, &["127.0.0.1/32", "10.0.0.0/8"]).await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::get("/sign-in").header(header::HOST, "localhost:8443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        exchange(address, request.body(Body::empty()).unwrap()).await.unwrap().status()
    };
    // The caller came to 10.0.0.2 with TLS, which went on to the nearer proxy without.
    let via = ("x-forwarded-for", "203.0.113.9, 10.0.0.2");
    assert_eq!(ask(&[via, ("x-forwarded-proto", "https, http")]).await, 200);
    assert_eq!(ask(&[via, ("x-forwarded-proto", "http")]).await, 200, "the nearer proxy wrote its own word over the other's");
    assert_eq!(ask(&[("forwarded", "for=203.0.113.9;proto=https, for=10.0.0.2;proto=http")]).await, 200);
    // And one that came to it without.
    assert_eq!(ask(&[via, ("x-forwarded-proto", "http, https")]).await, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(ask(&[("forwarded", "for=203.0.113.9;proto=http, for=10.0.0.2")]).await, StatusCode::TEMPORARY_REDIRECT);
}
