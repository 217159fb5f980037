//! Files and folders: there, writable, closed to others, with room, on volumes of their own; the spool and the control socket in them.

use super::Line;
use crate::cli::site;
use crate::domain::{Clock, Timestamp};
use crate::fleet::spool;
use rustix::{
    fs::{Access, Mode, OFlags, StatVfs, access, fsync, open, statvfs},
    io::Errno,
};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixStream, time::timeout};

/// Less room than this stops the server's writing soon.
const LITTLE_ROOM: u64 = 64 * 1024 * 1024;
/// Less room than this is worth a look.
const SOME_ROOM: u64 = 1024 * 1024 * 1024;
/// The longest path of a socket that the system takes, bytes.
const SOCKET_PATH: usize = 107;

/// The configuration file, which could be read. It may hold a password.
pub fn config_file(path: &Path) -> Line {
    let shown = path.display();
    let holds_secret = fs::read_to_string(path)
        .ok()
        .and_then(|text| text.parse::<toml::Table>().ok())
        .is_some_and(|table| table.contains_key("database_url"));
    if holds_secret && let Some(line) = closed("config file", path) {
        return line;
    }
    Line::ok("config file", format!("{shown} is read"))
}

/// A file that others should not read; none when they cannot.
pub fn closed(what: &'static str, path: &Path) -> Option<Line> {
    let mode = fs::metadata(path).ok()?.mode();
    let said = format!("{} holds a secret and others on this machine can read it", path.display());
    (mode & 0o004 != 0).then(|| Line::bad(what, said, format!("chmod o= {}", path.display())))
}

/// One folder: there, writable, synced, closed, with room.
pub fn folder(what: &'static str, path: &Path) -> Vec<Line> {
    let shown = path.display();
    let Ok(data) = fs::metadata(path) else { return vec![missing(what, path)] };
    if !data.is_dir() {
        return vec![Line::bad(what, format!("{shown} is no folder"), "name another one")];
    }
    let mut lines = Vec::new();
    match writable(path) {
        Ok(how) => lines.push(Line::ok(what, format!("{shown}: {how}"))),
        Err(error) => {
            let todo = format!("make it writable for the user that runs the server; it belongs to uid {}", data.uid());
            lines.push(Line::bad(what, format!("{shown} cannot be written: {error}"), todo));
        }
    }
    let me = rustix::process::geteuid().as_raw();
    if me == 0 && data.uid() != 0 {
        let said = format!("{shown} belongs to uid {}, but the doctor looks as root, who may do everything", data.uid());
        lines.push(Line::warn(what, said, "run the doctor as the user that runs the server"));
    }
    if data.mode() & 0o007 != 0 {
        let said = format!("others on this machine can look into {shown} (mode {:o})", data.mode() & 0o777);
        lines.push(Line::warn(what, said, format!("chmod 700 {shown}")));
    }
    if let Ok(volume) = statvfs(path) {
        lines.extend(room(what, path, &volume));
    }
    lines
}

fn missing(what: &'static str, path: &Path) -> Line {
    let shown = path.display();
    let parents = path.ancestors().skip(1).map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    match parents.into_iter().find(|dir| fs::symlink_metadata(dir).is_ok()) {
        Some(parent) if parent.is_dir() && access(parent, Access::WRITE_OK | Access::EXEC_OK).is_ok() => {
            Line::ok(what, format!("{shown} is not there yet; the first start makes it"))
        }
        _ => Line::bad(what, format!("{shown} is not there and cannot be made"), "make it, or name another one"),
    }
}

/// Tries a write and a sync with a file that has no name and is gone at once; where that is not to be had, asks for the permission.
fn writable(path: &Path) -> Result<&'static str, Errno> {
    match open(path, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            rustix::io::write(&file, &[0; 4096])?;
            fsync(&file)?;
            Ok("can be written and synced")
        }
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            access(path, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok("may be written; a sync was not tried, since this file system makes no nameless files")
        }
        Err(error) => Err(error),
    }
}

fn room(what: &'static str, path: &Path, volume: &StatVfs) -> Option<Line> {
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let said = format!("{} MiB are free on the volume of {}", free / 1024 / 1024, path.display());
    let todo = "make room: a full disk ends starts and releases; stops are kept in space that is reserved";
    // Some file systems count no inodes.
    if free < LITTLE_ROOM || (volume.f_files > 0 && volume.f_favail < 100) {
        return Some(Line::bad(what, format!("{said}, {} inodes", volume.f_favail), todo));
    }
    (free < SOME_ROOM).then(|| Line::warn(what, said, todo))
}

/// Whether a restore of the data could take the state back in time with it.
pub fn volumes(data: &Path, state: &Path) -> Line {
    let todo = "put --state-dir on a volume of its own, outside of the data's backups and snapshots";
    if site::share_a_volume(data, state) {
        let said = "data and state are on one volume: a restore of the whole volume to an earlier day cannot be noticed here";
        return Line::warn("volumes", said, todo);
    }
    Line::ok("volumes", "data and state are on different volumes: a restore of the data alone is noticed")
}

/// The spool: reserved, and empty.
pub fn spool(path: &Path, is_running: bool, clock: &Clock) -> Line {
    let found = match spool::look(path) {
        Ok(found) => found,
        Err(spool::SpoolError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Line::ok("spool", "is not there yet; the first start makes it");
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            return Line::bad(
                "spool",
                format!("{} cannot be read{cause}", path.display()),
                "run the doctor as the user that runs the server",
            );
        }
    };
    if !found.is_reserved {
        let said = format!("the space of {} is not reserved: on a full disk a stop might not be kept", path.display());
        return Line::bad("spool", said, "start the server on a file system with room; it reserves the space");
    }
    let Some(oldest) = found.waiting.first() else { return Line::ok("spool", "its space is reserved, no hold waits in it") };
    let said = format!("{} holds wait to be recorded, the oldest for {}", found.waiting.len(), age(oldest.at, clock.now()));
    let todo = if is_running { "see whether the database answers; they hold meanwhile" } else { "start the server: it records them" };
    Line::warn("spool", said, todo)
}

fn age(at: Timestamp, now: Timestamp) -> String {
    match now.ms_since(at).max(0) / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// The socket for stops from this host.
pub async fn control(path: &Path, is_running: bool) -> Line {
    let shown = path.display();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    if path.as_os_str().len() > SOCKET_PATH {
        let said = format!("its path is longer than the {SOCKET_PATH} bytes that a socket's may have: {}", absolute.display());
        return Line::bad("control socket", said, "give a shorter --state-dir");
    }
    let asked = timeout(Duration::from_secs(2), UnixStream::connect(path)).await;
    match asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        Ok(_) if is_running => Line::ok("control socket", format!("`andon stop --control {shown}` is heard")),
        Ok(_) => {
            Line::warn("control socket", "a server hears it, but not at this listen address", "see which server uses this state folder")
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_running => {
            Line::ok("control socket", "is not there; a running server makes it")
        }
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused && !is_running => {
            Line::ok("control socket", "nobody hears it; the next start replaces it")
        }
        Err(error) => {
            let todo = "run the doctor as the user that runs the server, with that server's --state-dir; else restart the server";
            Line::bad("control socket", format!("a stop from this host is not heard at {shown}: {error}"), todo)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn little_room_is_told_before_there_is_none() {
        let mut volume = statvfs(".").unwrap();
        (volume.f_frsize, volume.f_files, volume.f_favail) = (4096, 1_000_000, 500_000);
        let mut verdict = |free_mib: u64, inodes: u64| {
            (volume.f_bavail, volume.f_favail) = (free_mib * 256, inodes);
            room("data folder", Path::new("."), &volume).map(|line| line.verdict)
        };
        assert_eq!(verdict(5_000, 500_000), None);
        assert_eq!(verdict(900, 500_000), Some(Verdict::Warn));
        assert_eq!(verdict(10, 500_000), Some(Verdict::Bad));
        assert_eq!(verdict(5_000, 3), Some(Verdict::Bad));
    }
}
