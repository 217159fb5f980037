//! Exchange keys: asked for and approved, handed in, measured, given to agents, replaced, ended, compromised; and what never comes out again.

mod deliver;
mod end;
mod life;
mod request;

use andon::app::AppError;

/// Why something was refused.
pub fn why<T: std::fmt::Debug>(refused: Result<T, AppError>) -> String {
    refused.unwrap_err().to_string()
}
