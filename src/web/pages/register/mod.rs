//! Pages of the register: `/register` takes it out to a file and a file in; the others list what is written down and change it. A list is at most a
//! hundred rows.

pub mod assignments;
pub mod bots;
pub mod imports;
pub mod safety;
pub mod subaccounts;
pub mod things;

/// Rows of a page, at most.
pub(super) const ROWS: usize = 100;

/// A part of a list: which rows, in words, and the pages around it.
pub(super) struct Part {
    pub(super) from: usize,
    pub(super) words: String,
    pub(super) previous: String,
    pub(super) next: String,
}

impl Part {
    /// The part of `all` rows that stands on a page; `filter` is what the list was narrowed by, with its page.
    pub(super) fn of(all: usize, (noun, nouns): (&str, &str), page: usize, at: impl Fn(usize) -> String) -> Self {
        let pages = all.div_ceil(ROWS).max(1);
        let page = page.clamp(1, pages);
        let from = (page - 1) * ROWS;
        let words = match all {
            1 => format!("1 {noun}"),
            all if all <= ROWS => format!("{all} {nouns}"),
            all => format!("{} to {} of {all} {nouns}", from + 1, (from + ROWS).min(all)),
        };
        Self {
            from,
            words,
            previous: if page > 1 { at(page - 1) } else { String::new() },
            next: if page < pages { at(page + 1) } else { String::new() },
        }
    }
}

/// An address with the fields of a filter that are set.
pub(super) fn address(path: &str, fields: &[(&str, &str)], page: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    format!("{path}?{}", query.append_pair("page", &page.to_string()).finish())
}

/// Something to choose: value, words, chosen.
#[derive(Debug, Clone)]
pub(in crate::web) struct Choice {
    pub(in crate::web) value: String,
    pub(in crate::web) words: String,
    pub(in crate::web) is_chosen: bool,
}

impl Choice {
    pub(in crate::web) fn new(value: impl ToString, words: impl Into<String>, chosen: &str) -> Self {
        let value = value.to_string();
        Self { is_chosen: value == chosen, words: words.into(), value }
    }
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    [subaccounts::samples(), bots::samples(), imports::samples(), things::samples(), assignments::samples(), safety::samples()].concat()
}
