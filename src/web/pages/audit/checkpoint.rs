//! The newest signed checkpoint: on `/audit` to be copied, at `/audit/checkpoint` as a file.

use crate::app::{App, AppError};
use crate::authz::Actor;
use crate::domain::Timestamp;
use crate::web::{Answer, Shared, WebError, extract::Person};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

/// As it is shown.
pub struct Latest {
    pub(super) size: i64,
    pub(super) at: Timestamp,
    pub(super) note: String,
}

/// The newest one, once there is one.
pub(super) async fn latest(app: &App, actor: &Actor) -> Result<Option<Latest>, WebError> {
    match app.checkpoint(actor).await {
        Ok(stored) => Ok(Some(Latest { size: stored.size, at: stored.at, note: stored.note })),
        Err(AppError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The file, byte for byte as it was signed.
pub async fn download(State(app): Shared, person: Person) -> Answer {
    let stored = app.checkpoint(&person.actor).await?;
    Ok(file(stored.size, stored.note))
}

/// A checkpoint as a file to be kept.
fn file(size: i64, note: String) -> Response {
    let name = format!("attachment; filename=\"checkpoint-{size}.txt\"");
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)], note).into_response()
}

#[cfg(test)]
pub(super) fn sample() -> Latest {
    use crate::web::samples;
    let note = "andon.example.org/audit/control/1\n120\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n\n\u{2014} \
                andon.example.org/audit/control/1 jUgxJWRWoK3D8oSgBEfemr3+SM2sqEFkvrktOchnLpDm\n";
    Latest { size: 120, at: samples::now(), note: note.to_owned() }
}
