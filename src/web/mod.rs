//! Pages, `/api/v1` and `/agent/v1` over HTTP. Knows axum and askama and nothing of SQL: what happens, happens in `app`.
//! `router.rs` is the readable table of every route; `error.rs` turns what `app` answers into a page or problem details.

pub mod agent;
pub mod api;
pub mod bearer;
pub mod error;
pub mod json;
pub mod pages;
pub mod query;
pub mod router;
pub mod server;

pub use error::WebError;

use crate::app::App;
use std::sync::Arc;

/// What every handler gets.
pub type Shared = axum::extract::State<Arc<App>>;
/// What every handler answers.
pub type Answer = Result<axum::response::Response, WebError>;
