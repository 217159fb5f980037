//! CSV as it is written for spreadsheets: a text that begins like a formula stands behind an apostrophe, and lines end as RFC 4180 says.

use super::AppError;
use csv::{Terminator, WriterBuilder};

const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// A cell that no spreadsheet takes for a formula.
pub(super) fn guarded(text: &str) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

/// What stood in a cell before it was guarded.
pub(super) fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(text)
}

/// Lines of cells, which are guarded by whoever knows which of them are texts.
///
/// # Errors
/// Does not happen: text is written into memory.
pub(super) fn lines<const N: usize>(lines: impl Iterator<Item = [String; N]>) -> Result<String, AppError> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(AppError::internal)?;
    }
    let bytes = writer.into_inner().map_err(|error| AppError::internal(error.into_error()))?;
    String::from_utf8(bytes).map_err(AppError::internal)
}
