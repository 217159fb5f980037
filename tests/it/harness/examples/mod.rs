//! For every route a request that succeeds when whoever sends it may: the tests that try all routes learn from here how. A new route
//! without an example fails them; add a line in `pages.rs` or `programs.rs`.

mod emergency;
mod golive;
mod pages;
mod programs;

use super::{
    callers::Caller,
    scene::{Scene, Whose},
};
use andon::web::router::Route;
use serde_json::Value;

/// What is sent.
#[derive(Debug, Clone)]
pub enum Sent {
    Nothing,
    /// Fields of a form; the form's token is added.
    Form(Vec<(&'static str, String)>),
    Json(Value),
}

/// A request without its sender.
#[derive(Debug, Clone)]
pub struct Ask {
    pub path: String,
    pub sent: Sent,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), sent: Sent::Nothing }
    }
    pub fn form(path: impl Into<String>, fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { path: path.into(), sent: Sent::Form(fields) }
    }
    pub fn json(path: impl Into<String>, body: Value) -> Self {
        Self { path: path.into(), sent: Sent::Json(body) }
    }
    pub fn content_type(&self) -> Option<&'static str> {
        match self.sent {
            Sent::Nothing => None,
            Sent::Form(_) => Some("application/x-www-form-urlencoded"),
            Sent::Json(_) => Some("application/json"),
        }
    }
    /// The body, a form with this token.
    pub fn body(&self, csrf: &str) -> String {
        match &self.sent {
            Sent::Nothing => String::new(),
            Sent::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("csrf", csrf).extend_pairs(fields);
                form.finish()
            }
            Sent::Json(body) => body.to_string(),
        }
    }
}

/// True for routes of programs, which know no forms.
pub fn is_of_programs(route: &Route) -> bool {
    route.path.starts_with("/api/") || route.path.starts_with("/agent/")
}

impl Scene {
    /// A request for this route about this team's things that succeeds when the caller may make it. None: nobody has written one.
    pub async fn try_example(&self, route: &Route, whose: Whose, caller: &Caller) -> Option<Ask> {
        match (is_of_programs(route), route.method) {
            (true, _) if route.path == "/api/v1/bots/{id}/golive" => Some(Box::pin(self.filed(whose, caller)).await),
            (true, _) => self.of_programs(route, whose).await,
            (false, "GET") => self.of_readers(route, whose),
            (false, _) => Box::pin(self.of_writers(route, whose, caller)).await,
        }
    }

    /// The same, of a route that has one.
    pub async fn example(&self, route: &Route, whose: Whose, caller: &Caller) -> Ask {
        let found = self.try_example(route, whose, caller).await;
        found.unwrap_or_else(|| panic!("{} {} has no example: write one in tests/it/harness/examples", route.method, route.path))
    }
}
