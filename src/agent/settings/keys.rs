//! `[keys]` of `agent.toml`: how the bot gets its exchange keys.

use crate::agent::keys::{Files, Form, Giving, Way};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    give: Give,
    dir: Option<PathBuf>,
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Give {
    File,
    Fd,
    Env,
}

impl Section {
    /// `is_started` says that this agent starts the bot; `usual` is the folder of files where none is named.
    pub(super) fn check(&self, is_started: bool, usual: &Path) -> Result<Giving, String> {
        let way = match self.give {
            Give::File => {
                let dir = self.dir.clone().unwrap_or_else(|| usual.to_owned());
                return Ok(Giving::Files(Files { dir, form: self.form.unwrap_or_default() }));
            }
            Give::Fd => Way::Fd,
            Give::Env => Way::Env,
        };
        if self.dir.is_some() || self.form.is_some() {
            return Err("[keys] dir and form go with give = \"file\"; take them out".into());
        }
        if !is_started {
            let why = "[keys] give = \"fd\" and \"env\" are for a bot that this agent starts (adapter = \"process\"); use give = \"file\"";
            return Err(why.into());
        }
        Ok(Giving::AtStart(way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_started: bool) -> Result<Giving, String> {
        toml::from_str::<Section>(text).map_err(|error| error.to_string())?.check(is_started, Path::new("/agent/given"))
    }

    #[test]
    fn files_are_for_every_bot_and_the_rest_for_one_that_is_started() {
        let files = |dir: &str, form| Giving::Files(Files { dir: dir.into(), form });
        assert_eq!(check("give = \"file\"", false), Ok(files("/agent/given", Form::Plain)));
        assert_eq!(check("give = \"file\"\ndir = \"/run/x\"\nform = \"freqtrade\"", true), Ok(files("/run/x", Form::Freqtrade)));
        assert_eq!(check("give = \"fd\"", true), Ok(Giving::AtStart(Way::Fd)));
        assert_eq!(check("give = \"env\"", true), Ok(Giving::AtStart(Way::Env)));
        for (text, is_started, word) in [
            ("give = \"env\"", false, "process"),
            ("give = \"fd\"\nform = \"plain\"", true, "take them out"),
            ("give = \"mail\"", true, "mail"),
            ("dir = \"/x\"", true, "give"),
            ("give = \"file\"\nmode = 7", true, "mode"),
        ] {
            let error = check(text, is_started).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
