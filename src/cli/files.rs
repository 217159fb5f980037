//! How many files this process may have open: every agent and every browser is one. Raised when the server starts, as far as the system lets.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the server needs beside its connections: database, log, libraries, and some to spare.
pub const OWN: u64 = 256;

/// The limit now and the highest that this process may set; none: no limit.
pub fn limits() -> (Option<u64>, Option<u64>) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    (current, maximum)
}

/// Raises the limit to the highest that may be set; says in words what was reached.
pub fn raise() -> String {
    let (before, most) = limits();
    let shown = |limit: Option<u64>| limit.map_or("no limit".to_owned(), |limit| limit.to_string());
    if before == most {
        return format!("open files: {}, the most that the system lets", shown(before));
    }
    match setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        Ok(()) => format!("open files: raised from {} to {}", shown(before), shown(most)),
        Err(error) => format!("open files: {}; raising it was refused ({error})", shown(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let (_, most) = limits();
        assert!(raise().starts_with("open files: "));
        assert_eq!(limits(), (most, most));
    }
}
