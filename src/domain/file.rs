//! Files that people put down as evidence: what is taken, by the name's ending and by the bytes together, and how a file may be called. Nothing is
//! ever unpacked or shown: what is taken is kept as it came, and given back as a download. Pure: who keeps them is `app/golive/files`.

use super::{FileId, text::text_enum};
use serde::{Deserialize, Serialize};

/// The largest file, bytes.
pub const FILE_BYTES: usize = 5 * MIB;
/// Files of one piece of evidence.
pub const FILES: usize = 5;
/// What all files of one bot hold at most, bytes.
pub const BOT_BYTES: i64 = 200 * MIB as i64;
/// Files of one bot at most.
pub const BOT_FILES: i64 = 1_000;
/// The longest name, characters.
pub const NAME: usize = 120;
/// What is taken, in words.
pub const TAKEN: &str = "what is taken is .txt, .log, .md, .csv, .json, .pdf, .png and .jpg";
/// A mebibyte.
pub const MIB: usize = 1024 * 1024;

text_enum! {
    /// What a file is, by its name and its bytes.
    FileKind {
        /// Text: `.txt`, `.log`, `.md`.
        Text = "text",
        /// A table: `.csv`.
        Csv = "csv",
        /// `.json`.
        Json = "json",
        /// `.pdf`.
        Pdf = "pdf",
        /// `.png`.
        Png = "png",
        /// `.jpg`, `.jpeg`.
        Jpeg = "jpeg",
    }
}

/// A file as the log and the pages name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// Which.
    pub file: FileId,
    /// What it is called.
    pub name: String,
    /// How large it is.
    pub bytes: i64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// True for what separates the parts of a path anywhere.
fn separates(c: char) -> bool {
    matches!(c, '/' | '\\' | ':')
}

/// True for what has no place in a name: control characters, and what turns the direction of a text or hides in it.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The name under which a file is kept: the last part of what was sent.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn name_of(sent: &str) -> Result<String, String> {
    let name = sent.rsplit(separates).next().unwrap_or_default().trim();
    if name.chars().any(hides) {
        return Err("The name of a file holds a character that cannot be seen: give it a plain name".to_owned());
    }
    if name.is_empty() || name.chars().all(|c| c == '.') {
        return Err("A file has no name".to_owned());
    }
    if name.chars().count() > NAME {
        return Err(format!("The name of a file is longer than {NAME} characters"));
    }
    Ok(name.to_owned())
}

fn kind_by_name(name: &str) -> Option<FileKind> {
    let (front, ending) = name.rsplit_once('.')?;
    if front.is_empty() {
        return None;
    }
    Some(match ending.to_ascii_lowercase().as_str() {
        "txt" | "log" | "md" => FileKind::Text,
        "csv" => FileKind::Csv,
        "json" => FileKind::Json,
        "pdf" => FileKind::Pdf,
        "png" => FileKind::Png,
        "jpg" | "jpeg" => FileKind::Jpeg,
        _ => return None,
    })
}

/// What a file is, by its name, and its bytes agree with that.
///
/// # Errors
/// Why it is not taken, as a sentence that names the file.
pub fn kind_of(name: &str, bytes: &[u8]) -> Result<FileKind, String> {
    let kind = kind_by_name(name).ok_or_else(|| format!("The file {name} is of a kind that is not taken: {TAKEN}"))?;
    if bytes.is_empty() {
        return Err(format!("The file {name} is empty"));
    }
    if bytes.len() > FILE_BYTES {
        return Err(too_large(name));
    }
    let is_so = match kind {
        FileKind::Text | FileKind::Csv => is_text(bytes),
        FileKind::Json => is_text(bytes) && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok(),
        FileKind::Pdf => bytes.starts_with(b"%PDF-") && ends_within(bytes, b"%%EOF", 1024),
        // Both end where they say: nothing is hung on behind.
        FileKind::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB\x60\x82"),
        FileKind::Jpeg => bytes.starts_with(b"\xff\xd8\xff") && bytes.ends_with(b"\xff\xd9"),
    };
    if is_so { Ok(kind) } else { Err(format!("The file {name} does not hold what its name says: {TAKEN}; text is UTF-8")) }
}

/// What is said of a file that is too large.
pub fn too_large(name: &str) -> String {
    format!("The file {name} is larger than {} MiB, the most of one file", FILE_BYTES / MIB)
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) && !bytes.starts_with(b"PK\x03\x04")
}

fn ends_within(bytes: &[u8], mark: &[u8], last: usize) -> bool {
    let tail = bytes.get(bytes.len().saturating_sub(last)..).unwrap_or_default();
    tail.windows(mark.len()).any(|window| window == mark)
}

/// A size as people read it.
pub fn size(bytes: i64) -> String {
    let kib = bytes / 1024;
    match bytes {
        ..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{kib} KiB"),
        _ => format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024),
    }
}

#[cfg(test)]
mod tests;
