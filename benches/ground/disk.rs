//! What the disk itself costs: one write and one sync of as many bytes as a press puts into the database's log.

use super::figures::{Figures, now_us};
use std::{fs::OpenOptions, io::Write, path::Path};

/// How many times.
const ROUNDS: usize = 50;

/// Milliseconds of appending so many bytes and having them on disk.
pub fn sync_of(dir: &Path, bytes: usize) -> Figures {
    let mut file = OpenOptions::new().create(true).append(true).open(dir.join("floor")).unwrap();
    let (block, mut figures) = (vec![7; bytes], Figures::default());
    for _ in 0..ROUNDS {
        let begun = now_us();
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        figures.add((now_us() - begun) as f64 / 1_000.0);
    }
    figures
}
