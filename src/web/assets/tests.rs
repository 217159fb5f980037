//! What is served is what was vendored and weighs what it may; the colours can be read; the templates keep the house rules.

use super::*;
use axum::{body::Body, http::Request};
use std::collections::BTreeMap;
use tower::ServiceExt;

fn bytes(name: &str) -> &'static [u8] {
    super::bytes(name).expect(name)
}

#[test]
fn the_vendored_scripts_are_the_published_ones() {
    let sha384 = |name| data_encoding::BASE64.encode(&sha2::Sha384::digest(bytes(name)));
    assert_eq!(sha384("htmx.min.js"), "Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn");
    assert_eq!(sha384("hx-sse.min.js"), "v8HvucQ+ohQhMg0arboXc5049yNR46QKMjphs7YDch+Wm7zpfK5XVS01f26mQDJV");
}

#[test]
fn every_file_that_is_named_is_embedded() {
    for (name, _, parts) in FILES {
        for part in parts {
            assert!(Folder::get(part).is_some(), "{name} is joined from {part}, which is not there");
        }
        assert!(!bytes(name).is_empty(), "{name}");
    }
}

#[test]
fn the_weight_stays_within_its_budget() {
    let weight = |names: &[&str]| names.iter().map(|name| bytes(name).len()).sum::<usize>();
    assert!(weight(&["app.css"]) <= 40_000, "app.css: {}", weight(&["app.css"]));
    assert!(weight(&["app.js"]) <= 8_000, "app.js: {}", weight(&["app.js"]));
    assert!(weight(&["app.css", "app.js", "htmx.min.js", "hx-sse.min.js"]) <= 110_000);
}

#[tokio::test]
async fn an_asset_is_kept_for_ever_under_its_digest_and_never_under_another() {
    let get = |path: String, tag: &'static str| {
        let request = Request::get(path).header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
        async { routes::<()>().oneshot(request).await.unwrap() }
    };
    let answer = get(url("app.css").to_owned(), "").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    let tag: &'static str = answer.headers()[header::ETAG].to_str().unwrap().to_owned().leak();
    assert_eq!(get(url("app.css").to_owned(), tag).await.status(), StatusCode::NOT_MODIFIED);
    let old = get("/assets/0123456789abcdef/app.css".to_owned(), tag).await;
    assert_eq!((old.status(), &old.headers()[header::CACHE_CONTROL]), (StatusCode::OK, &HeaderValue::from_static("no-store")));
    assert_eq!(get("/assets/0123456789abcdef/secret".to_owned(), "").await.status(), StatusCode::NOT_FOUND);
}

/// The colours of one block of `1-tokens.css`.
fn tokens(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let inside = block.split_once('{').unwrap().1.split_once('}').unwrap().0;
    let pairs = inside.split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
    let channel = |hex: &str, at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    pairs.map(|(name, hex)| (name, [channel(hex, 0), channel(hex, 2), channel(hex, 4)])).collect()
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let light = |c: [f64; 3]| 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
    let (a, b) = (light(a) + 0.05, light(b) + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn text_and_edges_can_be_told_from_their_ground_in_both_themes() {
    let css = include_str!("../../../static/css/1-tokens.css");
    let block = |selector: &str| tokens(&css[css.find(selector).unwrap()..]);
    let dark = block(":root[data-theme=dark]");
    assert_eq!(block(":root:not([data-theme=light])"), dark, "the system's dark and the person's dark are one theme");
    for (theme, colours) in [("light", block(":root {")), ("dark", dark)] {
        let mut pairs = vec![("bar-ink", "bar", 4.5), ("stop-ink", "stop", 4.5), ("accent-ink", "accent", 4.5), ("held-ink", "held", 4.5)];
        for ground in ["bg", "panel", "raised"] {
            pairs.extend(["ink", "ink-2", "accent", "p1", "unk"].map(|text| (text, ground, 4.5)));
            pairs.extend(["line-s", "held"].map(|edge| (edge, ground, 3.0)));
        }
        for (hue, ground) in [("p1", "p1-bg"), ("p2", "p2-bg"), ("p3", "p3-bg"), ("unk", "unk-bg")] {
            pairs.extend([(hue, ground, 4.5), ("ink", ground, 4.5)]);
        }
        for (front, ground, at_least) in pairs {
            let found = contrast(colours[front], colours[ground]);
            assert!(found >= at_least, "{theme}: {front} on {ground} is {found:.2}, needs {at_least}");
        }
    }
}

fn templates() -> Vec<(String, String)> {
    fn walk(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else {
                found.push((entry.display().to_string(), std::fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), &mut found);
    found
}

#[test]
fn templates_hold_nothing_that_the_content_policy_or_the_house_forbids() {
    let forbidden = [
        "hx-on",
        "hx-vals=\"js:",
        "hx-confirm",
        "hx-boost",
        "hx-post",
        "hx-put",
        "hx-patch",
        "hx-delete",
        "style=",
        "<style",
        "javascript:",
        " onclick",
        " onload",
        " onsubmit",
        " onchange",
        " oninput",
        "outerHTML",
        "<script>",
    ];
    for (file, text) in templates() {
        for word in forbidden {
            assert!(!text.contains(word), "{file} contains {word}");
        }
        assert!(!text.split("hx-trigger=\"").skip(1).any(|rest| rest.split('"').next().unwrap().contains('[')), "{file}: trigger filter");
    }
}

#[test]
fn templates_name_only_assets_that_exist() {
    for (file, text) in templates() {
        for rest in text.split("assets::url(\"").skip(1) {
            let name = rest.split('"').next().unwrap();
            assert_ne!(url(name), "/assets/none", "{file} names {name}");
        }
    }
}

#[test]
fn a_button_says_what_it_does() {
    for (file, text) in templates() {
        for rest in text.split("<button").skip(1) {
            let inside = rest.split_once('>').unwrap().1.split("</button>").next().unwrap().trim();
            assert!(!["OK", "Ok", "Yes", "Submit", "Confirm"].contains(&inside), "{file}: a button says {inside:?}");
        }
    }
}
