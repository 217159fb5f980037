//! A form that may carry files (`multipart/form-data`): read part by part, so that one file is in memory at a time and reading stops at its bound.
//! It comes from a page of ours, and its first part is the session's token: nothing after it is read before that is right. Such a form is not
//! carried over the page that asks for a touch of the key; what was typed is, and the files are chosen again.

use super::{ByTouch, Person, csrf, form};
use crate::app::App;
use crate::domain::file::{FILE_BYTES, FILES};
use crate::web::{
    WebError,
    pages::sign_in::{self, Then},
};
use axum::{
    extract::{
        FromRequest, FromRequestParts, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What the fields beside the files may hold, bytes.
const FIELDS: usize = 64 * 1024;
/// The largest form with files: the files, its fields, and what stands between them.
pub const PARCEL: usize = FILES * FILE_BYTES + 2 * FIELDS;
/// Parts of a form at most.
const PARTS: usize = 40;
/// The field that says that files were left behind where a touch was asked for.
pub const LEFT_BEHIND: &str = "files_again";

/// A form with or without files.
pub enum MayCarryFiles<T> {
    /// Without: a form like any other.
    Plain(Person, T),
    /// With.
    Parcel(Person, Parcel),
}

/// The parts that are not read yet.
pub struct Parcel {
    multipart: Multipart,
    path: String,
    parts: usize,
    fields: usize,
}

/// One part.
pub enum Part<'a> {
    /// A field.
    Field(String, String),
    /// A file, which is not read yet.
    File(Box<FilePart<'a>>),
}

/// A file that is not read yet.
pub struct FilePart<'a> {
    /// What it is called.
    pub name: String,
    field: Field<'a>,
}

/// True for a form that may carry files.
pub fn is_parcel(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// 413 for a form with files.
pub fn too_large() -> WebError {
    let mib = FILE_BYTES / 1024 / 1024;
    let said = format!("What was sent is larger than is taken here: {FILES} files of {mib} MiB each. Nothing was changed.");
    WebError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", said)
}

fn unreadable(error: &MultipartError) -> WebError {
    // How deep the bound of the body lies depends on the layers that it came through.
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    let is_too_long = causes.into_iter().any(|cause| cause.is::<http_body_util::LengthLimitError>());
    if is_too_long || error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    WebError::bad_request("The form did not arrive whole. Nothing was changed.")
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for MayCarryFiles<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        if !is_parcel(request.headers()) {
            return ByTouch::from_request(request, app).await.map(|ByTouch(person, fields)| Self::Plain(person, fields));
        }
        let (mut parts, body) = request.into_parts();
        let person = Person::from_request_parts(&mut parts, app).await.map_err(IntoResponse::into_response)?;
        form::is_from_here(&parts.headers, app).map_err(IntoResponse::into_response)?;
        let path = parts.uri.path().to_owned();
        let multipart = Multipart::from_request(Request::from_parts(parts, body), app).await;
        let no_form = |_| WebError::bad_request("The form has no boundary. Nothing was changed.").into_response();
        let mut parcel = Parcel { multipart: multipart.map_err(no_form)?, path, parts: 0, fields: 0 };
        let token = match parcel.next().await.map_err(IntoResponse::into_response)? {
            Some(Part::Field(name, value)) if name == "csrf" => value,
            _ => String::new(),
        };
        if !person.visitor.token().is_some_and(|right| csrf::is_right(&token, right)) {
            return Err(form::too_old().into_response());
        }
        Ok(Self::Parcel(person, parcel))
    }
}

impl Parcel {
    /// Where it was sent to.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The next part; none: that was all.
    ///
    /// # Errors
    /// 400 for what is no form, 413 for what is too large.
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, WebError> {
        self.parts += 1;
        if self.parts > PARTS {
            return Err(WebError::bad_request(format!("The form has more than {PARTS} parts. Nothing was changed.")));
        }
        let Some(mut field) = self.multipart.next_field().await.map_err(|error| unreadable(&error))? else { return Ok(None) };
        let name = field.name().unwrap_or_default().to_owned();
        let Some(file) = field.file_name().map(str::to_owned) else {
            let left = FIELDS.saturating_sub(self.fields);
            let value = read(&mut field, left).await?.ok_or_else(WebError::too_large)?;
            self.fields += name.len() + value.len();
            let value = String::from_utf8(value).map_err(|_| WebError::bad_request("A field is not UTF-8. Nothing was changed."))?;
            return Ok(Some(Part::Field(name, value)));
        };
        Ok(Some(Part::File(Box::new(FilePart { name: file, field }))))
    }

    /// Reads on to the end and keeps nothing, so that a browser that still sends gets to its answer.
    pub async fn read_off(&mut self) {
        while let Ok(Some(mut field)) = self.multipart.next_field().await {
            while let Ok(Some(_)) = field.chunk().await {}
        }
    }
}

/// Reads the fields that came.
///
/// # Errors
/// 422 for fields that do not fit.
pub fn fields<T: DeserializeOwned>(came: &[(String, String)]) -> Result<T, WebError> {
    form::fields(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(came).finish().as_bytes())
}

/// Goes on when a touch of the key still counts, and asks for one otherwise; then the files, if any, are to be chosen again.
///
/// # Errors
/// The page that asks.
pub async fn touched(app: &App, person: &Person, (path, came): (&str, &[(String, String)]), has_files: bool) -> Result<(), Response> {
    if person.visitor.held.is_touched(app.clock.now()) || app.demo_can_sign(&person.user) {
        return Ok(());
    }
    let left = has_files.then(|| (LEFT_BEHIND.to_owned(), "yes".to_owned()));
    let carried = came.iter().filter(|(name, _)| name != LEFT_BEHIND).cloned().chain(left).collect();
    let then = Then { path: path.to_owned(), carried };
    Err(sign_in::ask_for_touch(app, &person.visitor, then).await.into_response())
}

impl FilePart<'_> {
    /// The whole file; none: it holds more than one may.
    ///
    /// # Errors
    /// As `Parcel::next`.
    pub async fn read(mut self) -> Result<Option<Vec<u8>>, WebError> {
        read(&mut self.field, FILE_BYTES).await
    }
}

/// A part as far as it may go; none: it goes on.
async fn read(field: &mut Field<'_>, most: usize) -> Result<Option<Vec<u8>>, WebError> {
    let mut all = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|error| unreadable(&error))? {
        if all.len() + piece.len() > most {
            return Ok(None);
        }
        all.extend_from_slice(&piece);
    }
    Ok(Some(all))
}
