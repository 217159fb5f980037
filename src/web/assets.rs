//! Style, scripts and the icon of the pages: part of the binary, served for ever under a name that contains their digest.
//! A new asset is a file in `static/` and a line in `FILES`.

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The folder, embedded. Nothing of it is served but what `FILES` names.
#[derive(rust_embed::Embed)]
#[folder = "static/"]
struct Folder;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Name, content type, and the files of `static/` that are joined in this order. The style sheet is written in six parts and served as one.
const FILES: [(&str, &str, &[&str]); 8] = [
    ("app.css", CSS, &["css/1-tokens.css", "css/2-base.css", "css/3-frame.css", "css/4-parts.css", "css/5-pages.css", "css/6-print.css"]),
    ("app.js", JS, &["app.js"]),
    ("keys.js", JS, &["keys.js"]),
    ("device.js", JS, &["device.js"]),
    ("htmx.min.js", JS, &["htmx.min.js"]),
    ("hx-sse.min.js", JS, &["hx-sse.min.js"]),
    ("favicon.svg", "image/svg+xml", &["favicon.svg"]),
    ("LICENSES.txt", TEXT, &["LICENSES.txt"]),
];

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: Bytes,
    digest: String,
    url: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let load = |(name, content_type, parts): (&'static str, &'static str, &[&str])| {
        let bytes: Vec<u8> = parts.iter().filter_map(|part| Folder::get(part)).flat_map(|file| file.data.into_owned()).collect();
        let digest = data_encoding::HEXLOWER.encode(Sha256::digest(&bytes).get(..8).unwrap_or_default());
        Asset { name, content_type, bytes: bytes.into(), url: format!("/assets/{digest}/{name}"), digest }
    };
    FILES.into_iter().map(load).collect()
});

/// Where an asset is served. A name that is none leads to a 404; a test reads the templates for such names.
pub fn url(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("/assets/none", |asset| &asset.url)
}

/// What an asset holds.
#[cfg(test)]
pub fn bytes(name: &str) -> Option<&'static [u8]> {
    ASSETS.iter().find(|asset| asset.name == name).map(|asset| asset.bytes.as_ref())
}

/// The route that serves them.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{digest}/{name}", get(serve))
}

/// Answers with the asset of that name. A digest that is not the present one comes from a page of another version, during a rolling upgrade:
/// it gets the present file, which must not be kept under the old name.
async fn serve(Path((digest, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_present = asset.digest == digest;
    let etag = format!("\"{}\"", asset.digest);
    let keep = if is_present { "public, max-age=31536000, immutable" } else { "no-store" };
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.to_str().is_ok_and(|tags| tags.contains(&etag)));
    let mut answer = if has_it && is_present { StatusCode::NOT_MODIFIED.into_response() } else { asset.bytes.clone().into_response() };
    let head = answer.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        head.insert(header::ETAG, etag);
    }
    answer
}

#[cfg(test)]
mod tests;
