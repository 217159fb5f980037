//! The master key: where it comes from, whether a server could use it, and whether it is the one that the database is sealed under. Looks at files;
//! asks neither Vault nor OpenBao, and makes nothing.

use super::{Line, folders, refused};
use crate::cli::master_key::{self, MasterKeyFileError};
use crate::config::{MasterKeyArgs, MasterKeySource};
use crate::crypto::vault::{SealedRecord, verify_check};
use crate::domain::InstallationId;
use crate::storage::{
    self, Conn,
    key_secrets::{MasterKeyRow, key_secret_counts, master_key_all},
};
use std::path::Path;

const WHAT: &str = "master key";
const KEPT: &str = "kept keys";
/// What to do when there is no way back.
const LOST: &str = "If it is lost for good: --master-key-lost NAME gives up what is sealed under it";

/// What can be said of it without changing anything.
pub fn check(args: &MasterKeyArgs, state_dir: &Path) -> Vec<Line> {
    let source = match args.check(state_dir) {
        Ok(source) => source,
        Err(error) => return vec![refused(WHAT, &error)],
    };
    if let MasterKeySource::Own(path) = &source
        && !path.exists()
    {
        return vec![Line::ok(WHAT, format!("{} is not there; the first start of an installation makes it", path.display()))];
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

/// Whether it is the one that this database is sealed under.
///
/// # Errors
/// When the database cannot be read.
pub async fn fits(conn: &mut Conn, here: &InstallationId, (args, state_dir): (&MasterKeyArgs, &Path)) -> storage::Result<Vec<Line>> {
    // What cannot be taken was said before.
    let (Ok(source), Ok(old)) = (args.check(state_dir), args.check_old()) else { return Ok(Vec::new()) };
    let (rows, counts) = (master_key_all(conn).await?, key_secret_counts(conn).await?);
    let Some(current) = rows.iter().find(|row| row.is_current) else {
        return Ok(vec![Line::ok(KEPT, "nothing is sealed in this database yet; the next start takes the master key into use")]);
    };
    let key = match master_key::open(&source, false) {
        Ok(key) => key,
        Err(error @ MasterKeyFileError::Lost(_)) => {
            return Ok(vec![Line::bad(KEPT, format!("are sealed under {}; {error}", current.id), LOST)]);
        }
        Err(_) => return Ok(vec![Line::skip(KEPT, format!("are sealed under {}; see the master key above", current.id))]),
    };
    let old_id = old.and_then(|old| master_key::open(&old, false).ok()).map(|old| old.id().to_string());
    let mut lines = Vec::new();
    if key.id().as_str() == current.id {
        lines.push(match &source {
            MasterKeySource::Transit(_) => Line::ok(KEPT, format!("are sealed under {}, by its name the one that is given", current.id)),
            _ => opens(&*key, here, current).await,
        });
    } else if old_id.as_deref() == Some(current.id.as_str()) {
        lines.push(Line::ok(KEPT, format!("are sealed under {}; the next start changes the master key to {}", current.id, key.id())));
    } else {
        let said = format!("are sealed under {}, and --master-key gives {}: the server does not start", current.id, key.id());
        lines.push(Line::bad(KEPT, said, format!("give the right one, or change it: --master-key NEW --master-key-old OLD. {LOST}")));
    }
    for (id, count) in counts.iter().filter(|(id, _)| *id != current.id && Some(id) != old_id.as_ref()) {
        let said = format!("{count} are sealed under the earlier master key {id}: the server does not start without it");
        lines.push(Line::bad(KEPT, said, "give it too, with --master-key-old, until the server says that nothing needs it"));
    }
    Ok(lines)
}

async fn opens(key: &dyn crate::crypto::vault::MasterKey, here: &InstallationId, current: &MasterKeyRow) -> Line {
    let verified = match SealedRecord::from_bytes(&current.check_value) {
        Ok(record) => verify_check(key, here, &record).await,
        Err(error) => Err(error),
    };
    match verified {
        Ok(()) => Line::ok(KEPT, format!("are sealed under {}, which is the one that is given", current.id)),
        Err(error) => {
            Line::bad(KEPT, format!("do not open with {}: {error}", current.id), "somebody wrote into the database, or it is another's")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use clap::Parser;

    #[derive(Parser)]
    struct Keyed {
        #[command(flatten)]
        args: MasterKeyArgs,
    }

    #[test]
    fn it_says_what_a_start_would_find_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let args = |source: Option<&str>| {
            let given = source.map(|source| format!("--master-key={source}"));
            Keyed::try_parse_from(["x".to_owned()].into_iter().chain(given)).unwrap().args
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
