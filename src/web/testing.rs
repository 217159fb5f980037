//! A whole web side over a database in a temporary folder, for tests: a clock moved by hand, a browser that keeps its cookies.

use super::router::router;
use crate::app::{App, Parts};
use crate::authn::SoftKey;
use crate::domain::{Clock, Grant, InstallationId, Role, Secret, TeamId, Timestamp, UserId};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tower::ServiceExt;

/// Where the installation is reached.
pub const ORIGIN: &str = "http://localhost:8700";
/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery staple 7";

/// A web side.
pub struct Site {
    /// The application under it.
    pub app: Arc<App>,
    /// Its routes and layers.
    pub router: Router,
    now: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl Site {
    /// An installation of this kind (`live`, `demo`) with nobody in it.
    pub async fn of_kind(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_795_403_527_120_000));
        let read = now.clone();
        let clock = Clock::from_fn(move || Timestamp(read.load(Ordering::SeqCst)));
        let db = crate::storage::Db::open_sqlite(&folder.path().join("andon.db")).await.unwrap();
        crate::storage::migrate::run(&db).await.unwrap();
        let installation = crate::storage::installation::Installation {
            id: InstallationId::new(),
            name: "Kessel Trading".to_owned(),
            kind: kind.to_owned(),
            created_at: clock.now(),
        };
        let mut tx = db.write(crate::storage::Lane::Normal).await.unwrap();
        crate::storage::installation::installation_insert(&mut tx, &installation, ORIGIN).await.unwrap();
        tx.commit().await.unwrap();
        let (spool, spooled) = crate::fleet::Spool::open(&folder.path().join("spool")).unwrap();
        let origin = url::Url::parse(ORIGIN).unwrap();
        let parts = Parts { db, clock, installation, origin, spool, spooled, node: "test".to_owned() };
        let app = App::assemble(parts).await.unwrap();
        Self { router: router(app.clone()), app, now, _folder: folder }
    }

    /// A live installation with nobody in it.
    pub async fn new() -> Self {
        Self::of_kind("live").await
    }

    /// Moves the clock.
    pub fn pass_ms(&self, ms: i64) {
        self.now.fetch_add(ms * 1_000, Ordering::SeqCst);
    }

    /// A team.
    pub async fn team(&self, name: &str) -> TeamId {
        let team = crate::storage::teams::Team { id: TeamId::new(), name: name.to_owned(), created_at: self.app.clock.now() };
        let mut tx = self.app.db.write(crate::storage::Lane::Normal).await.unwrap();
        crate::storage::teams::team_insert(&mut tx, &team).await.unwrap();
        tx.commit().await.unwrap();
        self.app.reload_books(&mut self.app.db.read().await.unwrap()).await.unwrap();
        team.id
    }

    /// A person with these roles, a password and two software keys.
    pub async fn person(&self, name: &str, grants: &[(Role, Option<&TeamId>)]) -> Somebody {
        let grants = grants.iter().map(|(role, team)| Grant { role: *role, team: team.cloned() }).collect();
        let hash = crate::crypto::password::hash(&Secret::new(PASSWORD.to_owned())).unwrap();
        let user = crate::storage::users::User {
            id: UserId::new(),
            name: name.to_owned(),
            display_name: name.to_owned(),
            password_hash: Some(hash),
            enabled: true,
            created_at: self.app.clock.now(),
            grants,
        };
        let mut tx = self.app.db.write(crate::storage::Lane::Normal).await.unwrap();
        crate::storage::users::user_insert(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        let keys = [SoftKey::new(self.app.origin.clone()), SoftKey::new(self.app.origin.clone())];
        for (n, key) in keys.iter().enumerate() {
            let begun = self.app.keys.begin_registration(&user.id, name, name, &[]).unwrap();
            let made = self.app.keys.finish_registration(&begun.state, &key.register(&begun.options).unwrap()).unwrap();
            self.app.add_key(&user.id, made, format!("key {n}"), None).await.unwrap();
        }
        let [first, _] = keys;
        Somebody { id: user.id, name: name.to_owned(), key: Arc::new(first) }
    }

    /// A browser that has not been here before.
    pub fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: BTreeMap::new(), page: String::new(), status: StatusCode::OK, headers: HeaderMap::new() }
    }

    /// A browser in which somebody has signed in.
    pub async fn signed_in(&self, person: &Somebody) -> Browser<'_> {
        let mut browser = self.browser();
        browser.sign_in(person).await;
        browser
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }
}

/// A person and one of their keys.
pub struct Somebody {
    /// Who.
    pub id: UserId,
    /// The name they sign in with.
    pub name: String,
    /// A key of theirs.
    pub key: Arc<SoftKey>,
}

/// Keeps cookies, remembers the last page, posts forms as a browser does.
pub struct Browser<'a> {
    site: &'a Site,
    cookies: BTreeMap<String, String>,
    /// The last body.
    pub page: String,
    /// The last status.
    pub status: StatusCode,
    /// The last headers.
    pub headers: HeaderMap,
}

impl Browser<'_> {
    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> &str {
        let request = Request::get(path).header("sec-fetch-mode", "navigate");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts fields, with the token of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> &str {
        let csrf = self.between(r#"name="csrf" value=""#, "\"").unwrap_or_default();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &csrf);
        for (name, value) in fields {
            form.append_pair(name, value);
        }
        self.post_raw(path, form.finish(), Some(ORIGIN)).await
    }

    /// Posts a body from a page of this origin.
    pub async fn post_raw(&mut self, path: &str, body: String, origin: Option<&str>) -> &str {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn send(&mut self, mut request: Request<Body>) -> &str {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(header::HOST, "localhost:8700".parse().unwrap());
        request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        let response = self.site.send(request).await;
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

    /// The options of the ceremony on the last page.
    pub fn options(&self) -> String {
        self.between("data-options=\"", "\"").unwrap()
    }

    /// Signs somebody in: password, then key.
    pub async fn sign_in(&mut self, person: &Somebody) {
        self.get("/sign-in").await;
        self.post("/sign-in", &[("name", &person.name), ("password", PASSWORD)]).await;
        assert_eq!(self.leads_to(), "/sign-in/key", "{}", self.page);
        self.get("/sign-in/key").await;
        let response = person.key.sign(&self.options()).unwrap();
        self.post("/sign-in/key", &[("response", &response)]).await;
        assert_eq!(self.leads_to(), "/fleet", "{}", self.page);
    }
}
