//! `andon doctor --secrets`: searches files for secrets of ours that lie where they do not belong, and says where, never what. Reads only;
//! follows no link, and leaves aside what is no text.

use crate::cli::Failure;
use crate::crypto::token;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// How much is read at a time, bytes.
const CHUNK: usize = 256 * 1024;
/// A file with a zero byte in its beginning is no text.
const BEGINNING: usize = 8 * 1024;

#[derive(Default)]
struct Search {
    files: usize,
    found: usize,
    unreadable: usize,
}

/// Searches files and folders. Ends with 1 when anything was found or could not be read.
pub fn search(paths: &[PathBuf]) -> Result<ExitCode, Failure> {
    let mut search = Search::default();
    let mut out = io::stdout().lock();
    for path in paths {
        search.path(path, &mut out)?;
    }
    let Search { files, found, unreadable } = search;
    writeln!(out, "{files} files searched, {found} secrets found, {unreadable} could not be read")?;
    if found > 0 {
        writeln!(
            out,
            "Whoever can read these can use them. Revoke tokens on /tokens and agents on their pages; links and codes end by themselves."
        )?;
    }
    Ok(if found + unreadable > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Search {
    fn path(&mut self, path: &Path, out: &mut impl Write) -> io::Result<()> {
        let outcome = match fs::symlink_metadata(path) {
            Ok(data) if data.is_dir() => fs::read_dir(path).map(Some),
            Ok(data) if data.is_file() => self.file(path, out).map(|()| None),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Some(entries)) => {
                let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                inside.sort();
                inside.iter().try_for_each(|path| self.path(path, out))
            }
            Ok(None) => Ok(()),
            Err(error) => {
                self.unreadable += 1;
                writeln!(out, "{}: {error}", path.display())
            }
        }
    }

    fn file(&mut self, path: &Path, out: &mut impl Write) -> io::Result<()> {
        let file = File::open(path)?;
        self.files += 1;
        let (mut text, mut lines_before) = (Vec::new(), 0usize);
        // Where the part begins that was not searched yet.
        let mut fresh = 0;
        loop {
            let kept = text.len();
            if (&file).take(CHUNK as u64).read_to_end(&mut text)? == 0 {
                break;
            }
            if kept == 0 && text.iter().take(BEGINNING).any(|byte| *byte == 0) {
                return Ok(());
            }
            for spotted in token::spot(&text).into_iter().filter(|spotted| spotted.end > fresh) {
                self.found += 1;
                let line = lines_before + newlines(text.get(..spotted.at)) + 1;
                writeln!(out, "{}:{line}: {}", path.display(), spotted.what)?;
            }
            // A secret may lie across two parts; one that ended before is not told twice.
            let cut = text.len().saturating_sub(2 * token::LONGEST);
            lines_before += newlines(text.get(..cut));
            text.drain(..cut);
            fresh = text.len();
        }
        Ok(())
    }
}

fn newlines(text: Option<&[u8]>) -> usize {
    text.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &Path) -> (String, Search) {
        let (mut out, mut search) = (Vec::new(), Search::default());
        search.path(path, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), search)
    }

    #[test]
    fn secrets_are_found_by_file_and_line_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let secret = token::new_token("stop").unwrap().expose().clone();
        fs::create_dir(dir.path().join("deep")).unwrap();
        fs::write(dir.path().join("deep/.env"), format!("A=1\nANDON_TOKEN={secret}\n")).unwrap();
        fs::write(dir.path().join("fine.txt"), "nothing here").unwrap();
        fs::write(dir.path().join("binary"), [b"\0".as_slice(), secret.as_bytes()].concat()).unwrap();
        let (out, search) = said(dir.path());
        assert!(out.contains("deep/.env:2: an API token (stop)"), "{out}");
        assert!(!out.contains(&secret));
        assert_eq!((search.found, search.unreadable), (1, 0));
        assert_eq!(said(&dir.path().join("gone")).1.unreadable, 1);
    }

    #[test]
    fn a_secret_across_two_parts_of_a_large_file_is_found_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let secret = token::new_token("agent").unwrap().expose().clone();
        for before in [CHUNK - secret.len() - 1, CHUNK - 60, CHUNK - 20, CHUNK - 1, CHUNK, CHUNK + 7] {
            let filler: String = "x\n".repeat(before / 2);
            fs::write(&path, format!("{filler}{secret} \n{}", "y\n".repeat(CHUNK))).unwrap();
            let (out, search) = said(&path);
            assert_eq!(search.found, 1, "{before}");
            assert!(out.contains(&format!(":{}: ", filler.matches('\n').count() + 1)), "{out}");
        }
    }
}
