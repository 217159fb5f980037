//! The access matrix as it is kept in `tests/it/access_matrix.txt`: written by the test of that name, read by others that need to know who
//! may use a route.

use super::{
    callers::Who,
    scene::{Whose, rows},
};
use andon::web::router::{ROUTES, Route};
use std::{fmt::Write, path::PathBuf};

const TITLE: usize = 50;
const CELL: usize = 10;

pub fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/access_matrix.txt")
}

fn title(route: &Route, whose: Whose) -> String {
    format!("{:<TITLE$}", format!("{:<4} {} {}", route.method, route.path, whose.words()))
}

/// The table, with its heads.
pub fn table(word: impl Fn(&Route, Whose, Who) -> String) -> String {
    let mut text = String::new();
    let cells = |cell: &dyn Fn(Who) -> String| Who::ALL.map(|who| format!("{:<CELL$}", cell(who))).concat();
    for line in 0..2 {
        let heads = cells(&|who| who.heading()[line].to_owned());
        writeln!(text, "{}", format!("{:<TITLE$}{heads}", "").trim_end()).unwrap();
    }
    for route in ROUTES {
        for whose in rows(route) {
            let words = cells(&|who| word(route, *whose, who));
            writeln!(text, "{}", format!("{}{words}", title(route, *whose)).trim_end()).unwrap();
        }
    }
    text
}

/// The first in the order of the columns who may use a route; whoever is anybody where all are sent to the door, halfway through which it is.
pub fn first_who_may(route: &Route, whose: Whose) -> Who {
    let text = std::fs::read_to_string(file()).unwrap();
    let title = title(route, whose);
    let line =
        text.lines().find(|line| line.starts_with(&title)).unwrap_or_else(|| panic!("the matrix has no line {title}: write it anew"));
    let cells: Vec<&str> = line[TITLE..].split_whitespace().collect();
    assert!(cells.iter().any(|cell| ["yes", "door"].contains(cell)), "nobody may {title}");
    Who::ALL[cells.iter().position(|cell| *cell == "yes").unwrap_or_default()]
}
