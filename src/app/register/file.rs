//! The register as a file: rows of five kinds, written and read as CSV or TOML. One CSV holds all of it, with a column `kind`; TOML has a table array
//! per kind. Names stand for what they name, so that a file can be read and written by hand; `id` is there so that something can be renamed.
//!
//! ```text
//! kind,id,name,venue,account,exchange,environment,team,strategy,objective,owner,deputy,operators,linked,why,stage,exits,subaccount,retired
//! venue,,binance,,,binance,live,,,,,,,,,,,,no
//! bot,,grid-07,,,,,grid,grid,Earn the spread,lea,max,lea; max,,,sandbox,managed,binance testnet/grid-7,
//! ```
//!
//! A cell that begins like a formula (`=`, `+`, `-`, `@`) is written behind an apostrophe, so that no spreadsheet runs it; reading takes it away again.

use crate::app::spreadsheet::{guarded, unguarded};
use crate::domain::text::{UnknownWord, text_enum};
use std::collections::BTreeMap;

/// The largest file, bytes.
pub const BYTES: usize = 4 * 1024 * 1024;
/// The most rows of a file.
pub const ROWS: usize = 20_000;

text_enum! {
    /// What a row is about.
    Kind {
        /// An exchange in one environment.
        Venue = "venue",
        /// A main account at a venue.
        Account = "account",
        /// A subaccount of an account.
        Subaccount = "subaccount",
        /// A bot.
        Bot = "bot",
        /// A bond of two bots: `name` and `linked`.
        Link = "link",
    }
}

text_enum! {
    /// How a file is written.
    Format {
        /// Comma-separated values.
        Csv = "csv",
        /// TOML.
        Toml = "toml",
    }
}

/// The columns of a CSV, in order.
pub const COLUMNS: [&str; 19] = [
    "kind",
    "id",
    "name",
    "venue",
    "account",
    "exchange",
    "environment",
    "team",
    "strategy",
    "objective",
    "owner",
    "deputy",
    "operators",
    "linked",
    "why",
    "stage",
    "exits",
    "subaccount",
    "retired",
];

impl Kind {
    /// The columns that mean something for it.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Venue => &["id", "name", "exchange", "environment", "retired"],
            Self::Account => &["id", "name", "venue", "retired"],
            Self::Subaccount => &["id", "name", "venue", "account", "retired"],
            Self::Bot => &["id", "name", "team", "strategy", "objective", "owner", "deputy", "operators", "stage", "exits", "subaccount"],
            Self::Link => &["name", "linked", "why"],
        }
    }
}

/// One row. A column that is not in it was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands in its file, from 1; 0: in none.
    pub line: u64,
    /// What it is about.
    pub kind: Kind,
    /// By column.
    pub fields: BTreeMap<&'static str, String>,
}

/// A line that cannot be taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Refusal {
    /// Where it stands, from 1.
    pub line: u64,
    /// In words.
    pub why: String,
}

impl Refusal {
    pub(super) fn new(line: u64, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

impl Row {
    /// A row with every column of its kind.
    pub fn new(kind: Kind, fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { line: 0, kind, fields: fields.into_iter().collect() }
    }
    /// What stands in a column; none: it was not given.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.fields.get(column).map(String::as_str)
    }
    /// The same, where an empty cell is none.
    pub fn given(&self, column: &str) -> Option<&str> {
        self.get(column).map(str::trim).filter(|text| !text.is_empty())
    }
}

/// Writes rows.
///
/// # Errors
/// Does not happen: text is written into memory.
pub fn write(format: Format, rows: &[Row]) -> Result<String, String> {
    match format {
        Format::Csv => write_csv(rows).map_err(|error| error.to_string()),
        Format::Toml => write_toml(rows).map_err(|error| error.to_string()),
    }
}

fn write_csv(rows: &[Row]) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        let cell = |column: &&str| if *column == "kind" { row.kind.to_string() } else { guarded(row.get(column).unwrap_or_default()) };
        writer.write_record(COLUMNS.iter().map(cell))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn write_toml(rows: &[Row]) -> Result<String, toml::ser::Error> {
    let mut file = BTreeMap::<&str, Vec<BTreeMap<&str, &str>>>::new();
    for row in rows {
        let fields = row.fields.iter().map(|(column, text)| (*column, text.as_str())).collect();
        file.entry(row.kind.as_str()).or_default().push(fields);
    }
    toml::to_string(&file)
}

/// Reads a file.
///
/// # Errors
/// Every line that cannot be read.
pub fn read(format: Format, text: &str) -> Result<Vec<Row>, Vec<Refusal>> {
    if text.len() > BYTES {
        return Err(vec![Refusal::new(1, format!("a file holds at most {} MiB", BYTES / 1024 / 1024))]);
    }
    if text.contains('\0') {
        return Err(vec![Refusal::new(1, "the file holds a NUL: it is no text")]);
    }
    let rows = match format {
        Format::Csv => read_csv(text)?,
        Format::Toml => read_toml(text)?,
    };
    match rows.get(ROWS) {
        Some(row) => Err(vec![Refusal::new(row.line, format!("a file holds at most {ROWS} rows"))]),
        None => Ok(rows),
    }
}

fn known(column: &str) -> Option<&'static str> {
    COLUMNS.iter().find(|known| **known == column).copied()
}

/// The line that a record begins on. The reader counts from before the empty lines that it skipped.
fn line_of(text: &str, at: Option<&csv::Position>) -> u64 {
    let Some(at) = at else { return 1 };
    let rest = usize::try_from(at.byte()).ok().and_then(|byte| text.as_bytes().get(byte..)).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).filter(|byte| **byte == b'\n').count();
    at.line() + skipped as u64
}

fn read_csv(text: &str) -> Result<Vec<Row>, Vec<Refusal>> {
    // A byte order mark is what a spreadsheet leaves in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let unreadable = |error: csv::Error| {
        let line = line_of(text, error.position());
        Refusal::new(line, "this line is no CSV in UTF-8")
    };
    let head = match records.next() {
        None => return Err(vec![Refusal::new(1, "the file is empty")]),
        Some(Err(error)) => return Err(vec![unreadable(error)]),
        Some(Ok(head)) => head,
    };
    let mut columns = Vec::new();
    for name in &head {
        match known(name.trim().to_ascii_lowercase().as_str()) {
            None => return Err(vec![Refusal::new(1, format!("there is no column {:?}; there are {}", cut(name), COLUMNS.join(", ")))]),
            Some(column) if columns.contains(&column) => {
                return Err(vec![Refusal::new(1, format!("the column {column} stands there twice"))]);
            }
            Some(column) => columns.push(column),
        }
    }
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                refused.push(unreadable(error));
                continue;
            }
        };
        let line = line_of(text, record.position());
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if record.len() > columns.len() {
            refused.push(Refusal::new(line, "this line has more cells than there are columns"));
            continue;
        }
        let cells = columns.iter().copied().zip(record.iter().map(|cell| unguarded(cell).to_owned()));
        match row(line, cells.collect(), None) {
            Ok(row) => rows.push(row),
            Err(refusal) => refused.push(refusal),
        }
    }
    if refused.is_empty() { Ok(rows) } else { Err(refused) }
}

/// A row of these cells. A cell that means nothing for its kind must be empty.
fn row(line: u64, mut cells: BTreeMap<&'static str, String>, kind: Option<Kind>) -> Result<Row, Refusal> {
    let word = cells.remove("kind").unwrap_or_default();
    let kind = match kind {
        Some(kind) => kind,
        None => word.trim().parse::<Kind>().map_err(|error: UnknownWord| Refusal::new(line, format!("kind: {error}")))?,
    };
    for (column, text) in &cells {
        if !kind.columns().contains(column) && !text.trim().is_empty() {
            return Err(Refusal::new(line, format!("a {kind} has no {column}")));
        }
    }
    cells.retain(|column, _| kind.columns().contains(column));
    Ok(Row { line, kind, fields: cells })
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlFile {
    #[serde(default)]
    venue: Vec<toml::Spanned<toml::Table>>,
    #[serde(default)]
    account: Vec<toml::Spanned<toml::Table>>,
    #[serde(default)]
    subaccount: Vec<toml::Spanned<toml::Table>>,
    #[serde(default)]
    bot: Vec<toml::Spanned<toml::Table>>,
    #[serde(default)]
    link: Vec<toml::Spanned<toml::Table>>,
}

fn read_toml(text: &str) -> Result<Vec<Row>, Vec<Refusal>> {
    let line_at = |at: usize| text.get(..at).map_or(1, |before| before.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1);
    let file: TomlFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        vec![Refusal::new(line, cut(error.message()))]
    })?;
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    let parts = [
        (Kind::Venue, file.venue),
        (Kind::Account, file.account),
        (Kind::Subaccount, file.subaccount),
        (Kind::Bot, file.bot),
        (Kind::Link, file.link),
    ];
    for (kind, tables) in parts {
        for table in tables {
            let line = line_at(table.span().start);
            let cells =
                table.into_inner().into_iter().map(|(name, value)| match (known(&name).filter(|name| *name != "kind"), plain(value)) {
                    (None, _) => Err(Refusal::new(line, format!("a {kind} has no {:?}", cut(&name)))),
                    (Some(column), Some(text)) => Ok((column, text)),
                    (Some(column), None) => Err(Refusal::new(line, format!("{column} must be a text"))),
                });
            match cells.collect::<Result<_, _>>().and_then(|cells| row(line, cells, Some(kind))) {
                Ok(row) => rows.push(row),
                Err(refusal) => refused.push(refusal),
            }
        }
    }
    if refused.is_empty() { Ok(rows) } else { Err(refused) }
}

/// A value as the text of a cell.
fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Boolean(true) => Some("yes".to_owned()),
        toml::Value::Boolean(false) => Some("no".to_owned()),
        toml::Value::Array(all) => {
            let texts: Option<Vec<String>> =
                all.into_iter().map(|one| if let toml::Value::String(text) = one { Some(text) } else { None }).collect();
            Some(texts?.join("; "))
        }
        _ => None,
    }
}

/// A text of somebody's as it may be repeated.
fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_row() -> impl Strategy<Value = Row> {
        let text = prop_oneof![Just(String::new()), "[=+@'\"-][a-z,;\"' ]{0,8}", "[ -~]{0,16}", "[a-zäöü€\u{202e} ,;\"'/.]{0,16}",];
        (0..Kind::ALL.len(), prop::collection::vec(text, COLUMNS.len())).prop_map(|(kind, texts)| {
            let kind = Kind::ALL[kind];
            Row::new(kind, kind.columns().iter().copied().zip(texts))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(rows in prop::collection::vec(any_row(), 0..12)) {
            for format in Format::ALL {
                let text = write(*format, &rows).unwrap();
                let mut read = read(*format, &text).unwrap();
                read.iter_mut().for_each(|row| row.line = 0);
                let mut rows = rows.clone();
                // A row of nothing but its kind is a row; TOML keeps kinds together.
                rows.sort_by_key(|row| row.kind);
                read.sort_by_key(|row| row.kind);
                prop_assert_eq!(&read, &rows, "{}", text);
            }
        }

        #[test]
        fn no_cell_begins_like_a_formula(rows in prop::collection::vec(any_row(), 0..8)) {
            let text = write(Format::Csv, &rows).unwrap();
            for record in csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).records() {
                for cell in &record.unwrap() {
                    prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", cell);
                }
            }
        }
    }

    fn refused(format: Format, text: &str) -> Vec<(u64, String)> {
        read(format, text).unwrap_err().into_iter().map(|one| (one.line, one.why)).collect()
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_line() {
        assert_eq!(refused(Format::Csv, "")[0].0, 1);
        assert!(refused(Format::Csv, "kind,colour\nvenue,red\n")[0].1.contains("no column \"colour\""));
        assert!(refused(Format::Csv, "kind,kind\n")[0].1.contains("twice"));
        let said = refused(Format::Csv, "kind,name,team\nvenue,binance,\nvenue,kraken,arb\nplanet,mars,\n\nvenue,a,,,\n");
        assert_eq!(said.iter().map(|one| one.0).collect::<Vec<_>>(), [3, 4, 6], "{said:?}");
        assert!(said[0].1.contains("a venue has no team") && said[1].1.contains("kind"));
        let said = refused(Format::Toml, "[[venue]]\nname = \"binance\"\n\n[[venue]]\nname = \"k\"\nteam = \"arb\"\n");
        assert_eq!(said, [(4, "a venue has no team".to_owned())]);
        assert_eq!(refused(Format::Toml, "[[planet]]\nname = \"mars\"\n").len(), 1);
        assert!(refused(Format::Toml, "[[venue]]\nname = 7\n")[0].1.contains("must be a text"));
    }

    #[test]
    fn lists_and_truths_may_be_written_as_toml_has_them() {
        let rows =
            read(Format::Toml, "[[bot]]\nname = \"a\"\noperators = [\"lea\", \"max\"]\n[[venue]]\nname = \"v\"\nretired = true\n").unwrap();
        assert_eq!(rows[0].get("retired"), Some("yes"));
        assert_eq!(rows[1].get("operators"), Some("lea; max"));
    }
}
