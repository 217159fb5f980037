//! Digests of the files that make a bot. While it runs they stay those it was started with: what runs, not what lies on disk by now.

use sha2::{Digest, Sha256};
use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What tells that a file is another one: inode, length, time of change.
type Stamp = Vec<Option<(u64, u64, i64, i64)>>;

#[derive(Default)]
struct Known {
    stamp: Stamp,
    build: Option<String>,
    config: Option<String>,
}

/// Both digests of one bot.
pub(super) struct Digests {
    build: Vec<PathBuf>,
    config: Vec<PathBuf>,
    known: Arc<Mutex<Option<Known>>>,
}

impl Digests {
    pub(super) fn new(build: Vec<PathBuf>, config: Vec<PathBuf>) -> Self {
        Self { build, config, known: Arc::default() }
    }

    /// Build and configuration as `sha256:…`; unknown when no file is configured or one cannot be read.
    pub(super) async fn read(&self, running: bool) -> (Option<String>, Option<String>) {
        let (build, config, known) = (self.build.clone(), self.config.clone(), self.known.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let stamp: Stamp = build.iter().chain(&config).map(|path| stamp(path)).collect();
            if known.as_ref().is_none_or(|known| !running && known.stamp != stamp) {
                *known = Some(Known { stamp, build: digest(&build), config: digest(&config) });
            }
            known.as_ref().map(|known| (known.build.clone(), known.config.clone())).unwrap_or_default()
        });
        read.await.unwrap_or_default()
    }
}

fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}

/// SHA-256 over each file's own SHA-256, in the configured order.
fn digest(paths: &[PathBuf]) -> Option<String> {
    if paths.is_empty() {
        return None;
    }
    let mut whole = Sha256::new();
    for path in paths {
        match digest_file(path) {
            Ok(one) => whole.update(one),
            Err(error) => {
                tracing::warn!("no digest: {} cannot be read: {error}", path.display());
                return None;
            }
        }
    }
    Some(format!("sha256:{}", data_encoding::HEXLOWER.encode(&whole.finalize())))
}

fn digest_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_changed_file_changes_the_digest_once_the_bot_stands() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bot.py");
        std::fs::write(&path, "one").unwrap();
        let digests = Digests::new(vec![path.clone()], vec![]);
        let (first, config) = digests.read(false).await;
        assert!(first.as_ref().is_some_and(|d| d.starts_with("sha256:")));
        assert_eq!(config, None);
        std::fs::write(&path, "three").unwrap();
        assert_eq!(digests.read(true).await.0, first, "what runs is what was started");
        assert_ne!(digests.read(false).await.0, first);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(digests.read(false).await.0, None);
    }
}
