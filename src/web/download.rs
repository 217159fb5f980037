//! Files that are read and sent piece by piece, so that one of a year takes no more memory than one of a day. One that breaks off has no end, which
//! whoever loads it notices.

use super::Answer;
use crate::app::AppError;
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::IntoResponse,
};
use futures_util::{Stream, StreamExt, stream};
use std::future::ready;

/// CSV under a name without its ending, of which every letter that is none becomes `_`. The first piece was read before: a database that does not
/// answer is an error and no empty file.
pub fn csv(name: &str, first: String, rest: impl Stream<Item = Result<String, AppError>> + Send + 'static) -> Answer {
    let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{safe}.csv\"")).map_err(AppError::internal)?;
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    let body = Body::from_stream(stream::once(ready(Ok(first))).chain(rest));
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body).into_response())
}
