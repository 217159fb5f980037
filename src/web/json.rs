//! JSON bodies of programs: content type, size, shape. What is wrong is said by place and field name, never by value: a value may be a
//! secret that was put into the wrong field.

use crate::protocol::MAX_BODY;
use crate::web::WebError;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// The longest field name that an error repeats.
const NAME: usize = 80;

/// The bytes of a JSON body, at most 1 MiB.
pub struct Raw(pub Bytes);

/// A JSON body of this shape.
pub struct Body<T>(pub T);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = WebError;

    /// # Errors
    /// 415 for another content type, 413 over the bound, 400 for a body that broke off.
    async fn from_request(request: Request, _: &S) -> Result<Self, WebError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_json(content_type) {
            return Err(WebError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Not JSON",
                "Send the body as JSON, with the header `Content-Type: application/json`.",
            ));
        }
        let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|n| n.parse().ok());
        if declared.is_some_and(|length: u64| length > MAX_BODY as u64) {
            return Err(too_large());
        }
        match axum::body::to_bytes(request.into_body(), MAX_BODY).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if is_limit(&error) => Err(too_large()),
            Err(_) => Err(WebError::bad_request("The body broke off before its end.")),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        read(&bytes).map(Self)
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn too_large() -> WebError {
    WebError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", format!("A body holds at most {MAX_BODY} bytes."))
}

fn is_limit(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Reads JSON of a shape.
///
/// # Errors
/// 400 when it is no JSON, 422 when it has another shape; both say where.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WebError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner())
    })?;
    reader.end().map_err(|error| refusal(".", &error))?;
    Ok(value)
}

/// Reads one object, or an array of at most `most` of them.
///
/// # Errors
/// As `read`; 422 for more than `most`.
pub fn read_one_or_many<T: DeserializeOwned>(bytes: &[u8], most: usize) -> Result<Vec<T>, WebError> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Ok(vec![read(bytes)?]);
    }
    let many: Vec<T> = read(bytes)?;
    if many.len() > most { Err(unfit(format!("At most {most} may be sent at once."))) } else { Ok(many) }
}

fn unfit(sentence: String) -> WebError {
    WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", sentence)
}

fn refusal(path: &str, error: &serde_json::Error) -> WebError {
    match error.classify() {
        Category::Data => unfit(said(path, error)),
        Category::Syntax | Category::Eof | Category::Io => WebError::bad_request(format!("The body is not JSON{}.", place(error))),
    }
}

fn place(error: &serde_json::Error) -> String {
    if error.line() == 0 { String::new() } else { format!(": line {}, column {}", error.line(), error.column()) }
}

/// One sentence on a wrong shape: the field's name and place, never its value.
pub(crate) fn said(path: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = place(error);
    let named = |start: &str| {
        let rest = text.strip_prefix(start)?;
        rest.split_once('`').map(|(name, _)| shown(name))
    };
    if let Some(name) = named("unknown field `") {
        return format!("There is no field {name}{place}.");
    }
    if let Some(name) = named("missing field `") {
        return format!("The field {name} is missing{place}.");
    }
    if let Some(name) = named("duplicate field `") {
        return format!("The field {name} stands there twice{place}.");
    }
    let field = if matches!(path, "." | "?" | "") { "A field".to_owned() } else { shown(path) };
    match text.rsplit_once(" is not one of ") {
        Some((_, words)) => {
            let words = words.split(" at line ").next().unwrap_or_default();
            format!("{field} must be one of {words}{place}.")
        }
        None => format!("{field} has a value of another kind than is expected there{place}."),
    }
}

/// A name that somebody sent, cut and without control characters.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Level;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape counts here")]
    struct Shape {
        level: Level,
        count: u8,
    }

    fn refused(text: &str) -> (u16, String) {
        let error = read::<Shape>(text.as_bytes()).unwrap_err();
        (error.status.as_u16(), error.reasons.join(" "))
    }

    #[test]
    fn what_is_wrong_is_said_by_field_and_place_and_never_by_value() {
        assert_eq!(refused(r#"{"level":"#), (400, "The body is not JSON: line 1, column 9.".into()));
        assert_eq!(refused(r#"{"level":"pause","count":1} x"#).0, 400);
        assert_eq!(refused(r#"{"level":"pause","extra":1}"#), (422, "There is no field extra: line 1, column 24.".into()));
        assert_eq!(refused(r#"{"level":"pause"}"#), (422, "The field count is missing: line 1, column 17.".into()));
        assert_eq!(refused(r#"{"level":"pause","level":"pause"}"#).1, "The field level stands there twice: line 1, column 24.");
        let (status, said) = refused(r#"{"level":"hunter2","count":1}"#);
        assert_eq!((status, said.as_str()), (422, "level must be one of reduce, pause, kill: line 1, column 18."));
        let (_, said) = refused(r#"{"level":"pause","count":"hunter2"}"#);
        assert!(said.starts_with("count has a value of another kind") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn one_or_many_are_read_alike() {
        assert_eq!(read_one_or_many::<u8>(b" 3", 2).unwrap(), [3]);
        assert_eq!(read_one_or_many::<u8>(b" [3, 4]", 2).unwrap(), [3, 4]);
        assert_eq!(read_one_or_many::<u8>(b"[1,2,3]", 2).unwrap_err().status.as_u16(), 422);
    }

    #[test]
    fn content_types_of_json_are_known() {
        assert!(is_json("application/json; charset=utf-8") && is_json("Application/Problem+JSON"));
        assert!(!is_json("text/json") && !is_json("application/x-www-form-urlencoded") && !is_json(""));
    }
}
