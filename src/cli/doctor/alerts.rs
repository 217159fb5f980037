//! The alert command: whether there is one that this user can run. It is not run: it might wake somebody.

use super::Line;
use rustix::fs::{Access, access};
use std::{env, path::PathBuf};

const WHAT: &str = "alert command";

/// What there is to say of it.
pub fn check(command: &[String]) -> Line {
    let Some(program) = command.first() else {
        return Line::ok(WHAT, "none is set: alerts are in the page, critical ones go out as notices too");
    };
    let todo = "give --alert-command a program that the server's user may run, best with its whole path; until then alerts wait for it";
    let candidates: Vec<PathBuf> = match program.contains('/') {
        true => vec![PathBuf::from(program)],
        false => env::var_os("PATH").map(|path| env::split_paths(&path).map(|dir| dir.join(program)).collect()).unwrap_or_default(),
    };
    match candidates.iter().find(|file| file.is_file()) {
        None => Line::bad(WHAT, format!("{program} is not there"), todo),
        Some(file) if access(file, Access::EXEC_OK).is_err() => Line::bad(WHAT, format!("{} is not executable", file.display()), todo),
        Some(file) => Line::ok(WHAT, format!("{} can be run; it was not", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_program_must_be_there_and_executable() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page");
        let verdict = |program: &str| check(&[program.to_owned()]).verdict;
        let path = file.to_str().unwrap();
        assert_eq!((check(&[]).verdict, verdict(path)), (Verdict::Ok, Verdict::Bad));
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(verdict(path), Verdict::Bad);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!((verdict(path), verdict("sh"), verdict("no-such-program-here")), (Verdict::Ok, Verdict::Ok, Verdict::Bad));
    }
}
