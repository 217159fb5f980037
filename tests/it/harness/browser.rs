//! A browser without a screen: keeps its cookies, remembers the last page, posts forms with the token that stood on it.

use super::app::{ORIGIN, TestApp};
use andon::{app::App, authn::SoftKey};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tower::ServiceExt;

/// The password of everybody in the harness.
pub const PASSWORD: &str = "violet-harbour-19-quince";

/// How long a server may take to answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the browser talks to.
enum Reach {
    /// An application in this process.
    App(Router),
    /// A server behind a socket, and the name by which its people call it.
    Server(SocketAddr),
}

pub struct Browser {
    reach: Reach,
    origin: String,
    pub cookies: BTreeMap<String, String>,
    /// The last body.
    pub page: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What it says it is.
    pub agent: Option<&'static str>,
    /// What was asked and answered, once somebody wants to know: method and path without what is secret in it, then head and body.
    pub heard: Option<Vec<(String, String)>>,
}

impl Browser {
    /// A browser that has not been here before.
    pub fn new(test: &TestApp) -> Self {
        Self::on(&test.app)
    }

    /// The same, on any application.
    pub fn on(app: &Arc<App>) -> Self {
        Self::new_at(Reach::App(andon::web::router::router(app.clone())), ORIGIN)
    }

    /// The same by the name that the application has.
    pub fn at(app: &Arc<App>) -> Self {
        Self::new_at(Reach::App(andon::web::router::router(app.clone())), &app.origin.origin().ascii_serialization())
    }

    /// One that asks a server over a socket. A server that is gone gives an empty page with status 502.
    pub fn over(address: SocketAddr, origin: &str) -> Self {
        Self::new_at(Reach::Server(address), origin)
    }

    fn new_at(reach: Reach, origin: &str) -> Self {
        let (cookies, headers) = (BTreeMap::new(), HeaderMap::new());
        Self { reach, origin: origin.to_owned(), cookies, page: String::new(), status: StatusCode::OK, headers, agent: None, heard: None }
    }

    /// One of the harness's people signs in, in this browser.
    pub async fn sign_in_as(&mut self, test: &TestApp, who: &str) {
        let person = test.app.people().user(&test.people[who].id).unwrap();
        self.sign_in(&person.name, &test.people[who].key).await;
    }

    /// A browser in which one of the harness's people has signed in.
    pub async fn signed_in(test: &TestApp, who: &str) -> Self {
        let mut browser = Self::new(test);
        browser.sign_in_as(test, who).await;
        browser
    }

    /// Signs in.
    pub async fn sign_in(&mut self, name: &str, key: &SoftKey) {
        self.get("/sign-in").await;
        self.post("/sign-in", &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!(self.leads_to(), "/sign-in/key", "{}", self.page);
        self.get("/sign-in/key").await;
        self.touch_with(key, "/sign-in/key").await;
        assert_eq!(self.leads_to(), "/fleet", "{}", self.page);
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
        self.submit(path, form.finish()).await
    }

    /// Posts a whole body as a page of this origin.
    pub async fn submit(&mut self, path: &str, body: String) -> &str {
        let origin = self.origin.clone();
        self.post_raw(path, body, Some(&origin)).await
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
        self.touch_with(&test.people[who].key, path).await
    }

    /// The same with the key itself.
    pub async fn touch_with(&mut self, key: &SoftKey, path: &str) -> &str {
        let options = self.between("data-options=\"", "\"").unwrap_or_else(|| panic!("no ceremony on {}", self.page));
        let answer = key.sign(&options).unwrap();
        self.post(path, &[("response", &answer)]).await
    }

    /// Sends a request with this browser's cookies.
    pub async fn send(&mut self, mut request: Request<Body>) -> &str {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.headers_mut().entry(header::HOST).or_insert_with(|| self.origin.split_once("://").unwrap().1.parse().unwrap());
        if let Some(agent) = self.agent {
            request.headers_mut().insert(header::USER_AGENT, agent.parse().unwrap());
        }
        request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        let path = request.uri().path().to_owned();
        let asked = format!("{} {}", request.method(), without_secret(&path));
        let response = match &self.reach {
            Reach::App(router) => {
                let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
                Response::from_parts(parts, axum::body::to_bytes(body, 8_000_000).await.unwrap())
            }
            Reach::Server(address) => exchange(*address, request).await.unwrap_or_else(|_| no_answer()),
        };
        self.status = response.status();
        self.headers = response.headers().clone();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.page = String::from_utf8(response.into_body().to_vec()).unwrap();
        if let Some(heard) = &mut self.heard {
            let head = self.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
            heard.push((asked, format!("{}\n{}", head.collect::<String>(), self.page)));
        }
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
        let Reach::App(router) = &self.reach else { panic!("streams are opened on an application in this process") };
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
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

/// A path whose one-time secret is left out.
fn without_secret(path: &str) -> &str {
    match path.split_once("/andon_") {
        Some((front, _)) => front,
        None => path,
    }
}

fn no_answer() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// One request over a connection of its own.
///
/// # Errors
/// In words, when there was no whole answer.
pub async fn exchange(address: SocketAddr, request: Request<Body>) -> Result<Response<Bytes>, String> {
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer in time".to_owned())?
}
