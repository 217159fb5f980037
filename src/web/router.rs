//! Every route in one table: method, path, who may call it, handler. The same lines make the router and the access matrix, so that no route
//! can be in one and not in the other.

use crate::app::App;
use crate::authz::Action;
use axum::{
    Router,
    routing::{get, post},
};
use std::sync::Arc;

/// Who may call a route at all. What exactly they may do there is checked in `app`, with the thing it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: sign-in, health, assets, emergency card.
    Public,
    /// Whoever holds a one-time link.
    Link,
    /// A signed-in person whose session is not stop-only; `app` checks the action.
    Person(Action),
    /// A signed-in person, stop-only sessions included.
    StopOnly(Action),
    /// The bearer of an API token, or a signed-in person for reading.
    Token(Action),
    /// The bearer of an agent token.
    Agent,
    /// Demo installations only.
    Demo,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path as axum writes it.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

macro_rules! routes {
    (@method GET $handler:path) => { get($handler) };
    (@method POST $handler:path) => { post($handler) };
    ($($method:ident $path:literal $access:expr => $handler:path;)*) => {
        /// Every route.
        pub const ROUTES: &[Route] = &[$(Route { method: stringify!($method), path: $path, access: $access }),*];

        /// The routes without their layers.
        fn table() -> Router<Arc<App>> {
            Router::new()$(.route($path, routes!(@method $method $handler)))*
        }
    };
}

routes! {
    GET "/healthz" Access::Public => super::pages::health::live;
    GET "/readyz" Access::Public => super::pages::health::ready;

    POST "/agent/v1/enrol" Access::Public => super::agent::enrol::create;
    POST "/agent/v1/check-in" Access::Agent => super::agent::check_in::create;
    GET "/agent/v1/directive" Access::Agent => super::agent::directive::show;
    POST "/agent/v1/acks" Access::Agent => super::agent::reports::acks;
    POST "/agent/v1/events" Access::Agent => super::agent::reports::events;
    POST "/agent/v1/holds" Access::Agent => super::agent::reports::holds;
    GET "/agent/v1/stream" Access::Agent => super::agent::stream::open;
}

/// The whole web side of an installation.
pub fn router(app: Arc<App>) -> Router {
    table().with_state(app)
}
