//! A browser without a screen: keeps its cookies, remembers the last page, posts forms with the token that stood on it.

use super::app::{ORIGIN, TestApp};
use andon::app::App;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use std::{collections::BTreeMap, sync::Arc};
use tower::ServiceExt;

/// The password of everybody in the harness.
pub const PASSWORD: &str = "violet-harbour-19-quince";

pub struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    /// The last body.
    pub page: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
}

impl Browser {
    /// A browser that has not been here before.
    pub fn new(test: &TestApp) -> Self {
        Self::on(&test.app)
    }

    /// The same, on any application.
    pub fn on(app: &Arc<App>) -> Self {
        let router = andon::web::router::router(app.clone());
        Self { router, cookies: BTreeMap::new(), page: String::new(), status: StatusCode::OK, headers: HeaderMap::new() }
    }

    /// A browser in which one of the harness's people has signed in.
    pub async fn signed_in(test: &TestApp, who: &str) -> Self {
        let mut browser = Self::new(test);
        let person = test.app.people().user(&test.people[who].id).unwrap();
        browser.get("/sign-in").await;
        browser.post("/sign-in", &[("name", &person.name), ("password", PASSWORD)]).await;
        assert_eq!(browser.leads_to(), "/sign-in/key", "{}", browser.page);
        browser.get("/sign-in/key").await;
        browser.touch(test, who, "/sign-in/key").await;
        assert_eq!(browser.leads_to(), "/fleet", "{}", browser.page);
        browser
    }

    /// Opens a page as a person does.
    pub async fn get(&mut self, path: &str) -> &str {
        let request = Request::get(path).header("sec-fetch-mode", "navigate");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts fields, with the token of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> &str {
        let csrf = self.between(r#"name="csrf" value=""#, "\"").unwrap_or_default();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &csrf).extend_pairs(fields);
        let body = form.finish();
        self.post_raw(path, body, Some(ORIGIN)).await
    }

    /// Posts a body as a page of this origin would, or of another, or of none that says so.
    pub async fn post_raw(&mut self, path: &str, body: String, origin: Option<&str>) -> &str {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Answers the ceremony of the last page with somebody's key.
    pub async fn touch(&mut self, test: &TestApp, who: &str, path: &str) -> &str {
        let options = self.between("data-options=\"", "\"").unwrap_or_else(|| panic!("no ceremony on {}", self.page));
        let answer = test.people[who].key.sign(&options).unwrap();
        self.post(path, &[("response", &answer)]).await
    }

    /// Sends a request with this browser's cookies.
    pub async fn send(&mut self, mut request: Request<Body>) -> &str {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.headers_mut().entry(header::HOST).or_insert_with(|| ORIGIN.strip_prefix("http://").unwrap().parse().unwrap());
        request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        let response = self.router.clone().oneshot(request).await.unwrap();
        self.status = response.status();
        self.headers = response.headers().clone();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let bytes = axum::body::to_bytes(response.into_body(), 4_000_000).await.unwrap();
        self.page = String::from_utf8(bytes.to_vec()).unwrap();
        &self.page
    }

    /// Opens a stream as a page does by itself. Its body is not read here.
    pub async fn stream(&self, path: &str) -> Response<Body> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::get(path)
            .header(header::HOST, ORIGIN.strip_prefix("http://").unwrap())
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ACCEPT, "text/html, text/event-stream")
            .header("hx-request", "true");
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Where the last answer leads to.
    pub fn leads_to(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// What stands between two marks on the last page, entities read.
    pub fn between(&self, from: &str, to: &str) -> Option<String> {
        let (_, rest) = self.page.split_once(from)?;
        let (found, _) = rest.split_once(to)?;
        Some(found.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#38;", "&").replace("&amp;", "&"))
    }
}
