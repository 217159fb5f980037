//! What a demo that was killed left behind. A demo marks its folder with a file that it keeps locked for its life; the next one removes the
//! folders whose mark nobody holds any more. It touches nothing else: only folders of our prefix that are this user's own and carry a mark.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// How the folder of a demo is called.
pub const PREFIX: &str = "andon-demo-";
/// The mark: the process's number in a locked file. A process that is gone holds no lock, whoever has its number now.
const MARK: &str = "pid";

/// Held by a demo for its life.
#[must_use = "dropping it says that the demo is over"]
pub struct Mark(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Marks a folder as that of a living demo.
///
/// # Errors
/// When the file cannot be written or locked.
pub fn mark(dir: &Path) -> io::Result<Mark> {
    // Under its name only once it is locked, so that no other demo ever finds it unlocked while this one lives.
    let new = dir.join("pid.new");
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    writeln!(file, "{}", std::process::id())?;
    fs::rename(new, dir.join(MARK))?;
    Ok(Mark(file))
}

/// Removes the folders of demos that have died. Answers how many; what cannot be removed stays for the next time.
pub fn remove(temporary: &Path) -> usize {
    let Ok(entries) = fs::read_dir(temporary) else { return 0 };
    let is_ours = |name: &str| name.starts_with(PREFIX);
    let found = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
    found.filter(|entry| is_dead(&entry.path()) && fs::remove_dir_all(entry.path()).is_ok()).count()
}

/// True for a folder of this user's own, no link to one, whose mark is there and held by nobody.
fn is_dead(dir: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    let Ok(about) = fs::symlink_metadata(dir) else { return false };
    let mark = dir.join(MARK);
    let Ok(about_mark) = fs::symlink_metadata(&mark) else { return false };
    if !about.is_dir() || about.uid() != me || !about_mark.is_file() || about_mark.uid() != me {
        return false;
    }
    let Ok(file) = File::open(mark) else { return false };
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_folders_of_dead_demos_go() {
        let temporary = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let dir = temporary.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("andon.db"), "data").unwrap();
            dir
        };
        let [dead, alive, unmarked, other] = ["andon-demo-dead", "andon-demo-alive", "andon-demo-unmarked", "somebody-elses"].map(make);
        drop(mark(&dead).unwrap());
        drop(mark(&other).unwrap());
        let held = mark(&alive).unwrap();
        let link = temporary.path().join("andon-demo-link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        assert_eq!(remove(temporary.path()), 1);
        assert!(!dead.exists(), "a dead demo's folder goes");
        assert!(alive.exists() && unmarked.exists() && other.exists() && link.exists(), "nothing else does");
        drop(held);
        assert_eq!(remove(temporary.path()), 1);
        assert!(!alive.exists());
    }
}
