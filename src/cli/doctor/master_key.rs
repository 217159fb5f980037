//! The master key: where it comes from, and whether a server could use it. Looks at files; asks neither Vault nor OpenBao, and makes nothing.

use super::{Line, folders, refused};
use crate::cli::master_key::{self, MasterKeyFileError};
use crate::config::{MasterKeyArgs, MasterKeySource};
use std::path::Path;

const WHAT: &str = "master key";

/// What can be said of it without changing anything.
pub fn check(args: &MasterKeyArgs, state_dir: &Path) -> Vec<Line> {
    let source = match args.check(state_dir) {
        Ok(source) => source,
        Err(error) => return vec![refused(WHAT, &error)],
    };
    if let MasterKeySource::Own(path) = &source
        && !path.exists()
    {
        return vec![Line::ok(WHAT, format!("{} is not there yet; it is made once the server keeps its first key", path.display()))];
    }
    match (master_key::open(&source, false), &source) {
        (Ok(_), MasterKeySource::Transit(settings)) => {
            let said = format!("Vault or OpenBao at {} is not asked here", settings.address);
            let closed = folders::closed("transit token", &settings.token_file);
            [Line::skip(WHAT, said)].into_iter().chain(closed).collect()
        }
        (Ok(key), _) => vec![Line::ok(WHAT, format!("{}; keep a copy where the data's backups are not", key.id()))],
        // Outside of its unit a credential is not there.
        (Err(error @ MasterKeyFileError::NoCredentials), _) => vec![Line::skip(WHAT, error.to_string())],
        (Err(error), _) => vec![Line::bad(WHAT, error.to_string(), "no key can be kept with this")],
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn it_says_what_a_start_would_find_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let args = |source: Option<&str>| MasterKeyArgs {
            master_key: source.map(str::to_owned),
            transit_key: None,
            transit_mount: "transit".into(),
            transit_token_file: None,
            transit_ca: None,
        };
        let verdict = |source: Option<&str>| check(&args(source), dir.path())[0].verdict;
        assert_eq!(verdict(None), Verdict::Ok);
        assert!(!dir.path().join("master.key").exists());
        std::fs::write(dir.path().join("master.key"), "open to all").unwrap();
        assert_eq!(verdict(None), Verdict::Bad);
        assert_eq!(verdict(Some("hunter2")), Verdict::Bad);
        assert_eq!(verdict(Some("file:/nowhere/key")), Verdict::Bad);
    }
}
