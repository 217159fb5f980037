//! Pages, `/api/v1` and `/agent/v1` over HTTP. Knows axum and askama and nothing of SQL: what happens, happens in `app`.
//! `router.rs` is the readable table of every route; `layers` is what every request passes; `extract` is what a handler may ask of one;
//! `error.rs` turns what `app` answers into a page or problem details; `page.rs` is the frame that every page stands in.

pub mod agent;
pub mod api;
pub mod assets;
pub mod bearer;
pub mod chip;
pub mod cookie;
pub mod download;
pub mod error;
pub mod extract;
pub mod format;
pub mod forwarded;
pub mod frame;
pub mod front;
pub mod html;
pub mod icon;
pub mod json;
#[cfg(test)]
mod kit;
pub mod layers;
pub mod live;
pub mod meter;
pub mod page;
pub mod pages;
pub mod picture;
pub mod problems;
pub mod query;
pub mod roster;
pub mod router;
#[cfg(test)]
mod samples;
pub mod server;
pub mod session;
pub mod tls;

pub use error::WebError;

use crate::app::App;
use std::sync::Arc;

/// What every handler gets.
pub type Shared = axum::extract::State<Arc<App>>;
/// What every handler answers.
pub type Answer = Result<axum::response::Response, WebError>;
