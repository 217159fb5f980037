//! Who may use whom: the table in `src/lib.rs` against the `use crate::` lines, and where each outside crate may be named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    all.into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&src).unwrap().to_path_buf();
            let room = relative.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (room, relative, text)
        })
        .collect()
}

/// Rooms that each room may use, beside itself. `failpoint` is a macro and belongs to nobody.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let app_and_below = "domain protocol authz crypto audit storage mail fleet venues authn app";
    [
        ("domain", ""),
        ("protocol", "domain"),
        ("authz", "domain"),
        ("crypto", "domain"),
        ("audit", "domain"),
        ("storage", "domain protocol audit"),
        ("mail", "domain"),
        ("fleet", "domain protocol"),
        ("venues", "domain protocol"),
        ("authn", "domain crypto storage"),
        ("app", "domain protocol authz crypto audit storage mail fleet venues authn"),
        ("workers", app_and_below),
        ("web", "domain protocol authz crypto audit mail fleet authn app"),
        ("agent", "domain crypto protocol"),
        ("config", "domain"),
        ("telemetry", ""),
        ("cli", "domain protocol authz crypto audit storage mail fleet venues authn app workers web agent config telemetry"),
    ]
    .into_iter()
    .map(|(room, uses)| (room, uses.split_whitespace().collect()))
    .collect()
}

/// Rooms named after `crate::` in code, tests inside the file aside.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for part in line.split("crate::").skip(1) {
            let room: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !room.is_empty() {
                found.insert(room);
            }
        }
        if let Some(group) = line.trim_start().strip_prefix("use crate::{") {
            found.extend(group.split(['{', ',', '}', ':', ' ', ';']).filter(|w| !w.is_empty()).take(1).map(str::to_owned));
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for (room, path, text) in sources().iter().filter(|(_, path, _)| !is_test(path)) {
        if matches!(room.as_str(), "lib" | "main" | "failpoint") {
            continue;
        }
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not in the table of rooms"));
        for used in uses(text) {
            if used != *room && used != "failpoint" && !may.contains(used.as_str()) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    let homes: [(&str, &[&str]); 8] = [
        ("sqlx::", &["storage"]),
        ("axum::", &["web"]),
        ("askama::", &["web"]),
        ("webauthn_rs", &["authn"]),
        ("tokio_tungstenite", &["agent"]),
        ("reqwest::", &["agent", "cli", "venues"]),
        ("lettre::", &["mail"]),
        ("clap::", &["cli", "config"]),
    ];
    let mut wrong = Vec::new();
    for (room, path, text) in sources().iter().filter(|(_, path, _)| !is_test(path)) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (name, rooms) in &homes {
            if code.contains(name) && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for (room, path, text) in sources() {
        if text.lines().count() > 600 {
            wrong.push(format!("{} has more than 600 lines", path.display()));
        }
        if !text.starts_with("//!") && !is_test(&path) && room != "build" {
            wrong.push(format!("{} does not open with //!", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_storage_seam_names_a_driver() {
    let drivers = ["Sqlite", "Postgres", "PgPool", "SqlitePool"];
    for (room, path, text) in sources() {
        if room == "storage" && !path.ends_with("db.rs") && !path.ends_with("migrate.rs") {
            for driver in drivers {
                assert!(!text.contains(driver), "{} names {driver}", path.display());
            }
        }
    }
}
