//! The configuration file: TOML with every flag of `andon serve` as a key. Its values stand below flags and variables and above the defaults,
//! which is brought about by making them the defaults of the command line: every flag there is or will be has its key, and one parser.

use super::{ConfigError, ServeArgs};
use clap::{Arg, ArgAction, Args, Command};
use std::{fmt::Write as _, fs, path::Path};

/// Keys that are no settings of the server.
const NO_KEYS: [&str; 3] = ["config", "help", "version"];

/// What a file sets: a flag's id and its values.
type Settings = Vec<(String, Vec<String>)>;

fn flags() -> Vec<Arg> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    command.get_arguments().filter(|flag| !NO_KEYS.contains(&flag.get_id().as_str())).cloned().collect()
}

fn key(flag: &Arg) -> String {
    flag.get_long().unwrap_or_default().replace('-', "_")
}

/// Reads a file and makes its values the defaults of a command that takes the server's flags.
///
/// # Errors
/// With the file's name: when it cannot be read, is no TOML, or holds a key that is no flag; the nearest one is named.
pub fn beneath(command: Command, path: &Path) -> Result<Command, ConfigError> {
    let wrong = |why: String| ConfigError::new("--config", format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let settings = settings(&text).map_err(wrong)?;
    let set = |command: Command, (id, values): (String, Vec<String>)| command.mut_arg(id, |flag| flag.default_values(values));
    Ok(settings.into_iter().fold(command, set))
}

/// What the command line found wrong with a file's values.
pub fn blamed(path: &Path, error: &clap::Error) -> ConfigError {
    let said = error.to_string();
    let first = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
    ConfigError::new("--config", format!("{}: {first}", path.display()))
}

fn settings(text: &str) -> Result<Settings, String> {
    // The parser's own message would quote the line, which may hold a password.
    let table: toml::Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("line {}: {}", before.matches('\n').count() + 1, error.message())
    })?;
    let flags = flags();
    let mut settings = Settings::new();
    for (name, value) in table {
        let Some(flag) = flags.iter().find(|flag| key(flag) == name) else { return Err(unknown(&name, &flags)) };
        let values = values(&value).ok_or_else(|| format!("{name}: must be a text, a number, true or false, or a list of these"))?;
        if value.is_array() && !matches!(flag.get_action(), ArgAction::Append) {
            return Err(format!("{name}: takes one value, not a list"));
        }
        settings.push((flag.get_id().to_string(), values));
    }
    Ok(settings)
}

fn values(value: &toml::Value) -> Option<Vec<String>> {
    Some(match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Integer(number) => vec![number.to_string()],
        toml::Value::Float(number) => vec![number.to_string()],
        toml::Value::Boolean(is_so) => vec![is_so.to_string()],
        toml::Value::Array(all) => {
            let each = all.iter().map(|one| if one.is_array() { None } else { values(one) });
            each.collect::<Option<Vec<_>>>()?.concat()
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => return None,
    })
}

fn unknown(name: &str, flags: &[Arg]) -> String {
    let keys: Vec<String> = flags.iter().map(key).collect();
    let near = keys.iter().map(|key| (strsim::jaro_winkler(key, name), key)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, key)) if likeness > 0.7 => format!("there is no key {name:?}; did you mean {key:?}?"),
        _ => format!("there is no key {name:?}; there are {}", keys.join(", ")),
    }
}

/// A file with every key, commented: those that have a default hold it.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of `andon serve --config FILE`. Flags win over ANDON_* variables, variables over this file.\n\
         # Check it with `andon doctor --config FILE`.\n",
    );
    for flag in flags() {
        text.push('\n');
        let help = flag.get_long_help().or_else(|| flag.get_help()).map(ToString::to_string).unwrap_or_default();
        for line in help.split('\n').flat_map(|line| wrapped(line, 100)) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {line}");
        }
        let defaults: Vec<String> = flag.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let is_list = matches!(flag.get_action(), ArgAction::Append);
        let is_switch = matches!(flag.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
        let shown = match defaults.first() {
            Some(value) if is_switch || value.parse::<i64>().is_ok() => value.clone(),
            Some(value) => format!("{value:?}"),
            None if is_switch => "false".to_owned(),
            None => format!("\"{}\"", flag.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str())),
        };
        let shown = if is_list { format!("[{shown}]") } else { shown };
        // What has a default is written out; the rest waits behind a second mark for a value.
        let mark = if defaults.is_empty() && !is_switch { "# " } else { "" };
        let _ = writeln!(text, "{mark}{} = {shown}", key(&flag));
    }
    text
}

fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.len() + word.len() < width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    fn serve(file: &str, given: &[&str]) -> Result<ServeArgs, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("andon.toml");
        fs::write(&path, file).unwrap();
        let command = ServeArgs::augment_args(Command::new("serve"));
        let command = beneath(command, &path).map_err(|error| error.to_string())?;
        let matches = command.try_get_matches_from([&["serve"], given].concat()).map_err(|error| error.to_string())?;
        Ok(ServeArgs::from_arg_matches(&matches).unwrap())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let file = "listen = \"127.0.0.1:9000\"\nname = \"Desk\"\ntrust_proxy = [\"10.0.0.1\", \"10.1.0.0/16\"]\ntls_cert = \"/c.pem\"";
        let args = serve(file, &["--name", "Other"]).unwrap();
        assert_eq!((args.listen.port(), args.name.as_str()), (9000, "Other"));
        assert_eq!(args.transport.trust_proxy.len(), 2);
        assert_eq!(args.transport.tls_cert.unwrap().to_str(), Some("/c.pem"));
        assert_eq!(args.data.to_str(), Some("andon-data"));
        let flag = serve(file, &["--trust-proxy", "10.2.0.1"]).unwrap();
        assert_eq!(flag.transport.trust_proxy.len(), 1, "a flag replaces the file's list");
    }

    #[test]
    fn what_the_file_has_wrong_is_named_and_no_secret_with_it() {
        for (file, word) in [
            ("lissten = \"127.0.0.1:9000\"", "did you mean \"listen\"?"),
            ("tls-cert = \"x\"", "did you mean \"tls_cert\"?"),
            ("zzz = 1", "there are "),
            ("config = \"x\"", "no key \"config\""),
            ("[serve]\nlisten = \"x\"", "no key \"serve\""),
            ("name = \"a\"\nlisten = ", "line 2"),
            ("name = [\"a\"]", "not a list"),
            ("listen = \"nowhere\"", "--listen"),
        ] {
            let wrong = serve(file, &[]).unwrap_err();
            assert!(wrong.contains(word), "{wrong}");
        }
        let wrong = serve("database_url = \"postgres://u:hunter2@h/d", &[]).unwrap_err();
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }

    #[test]
    fn the_example_holds_every_key_and_equals_the_defaults() {
        let example = example();
        for flag in flags() {
            assert!(example.contains(&format!("{} = ", key(&flag))), "{example}");
        }
        assert_eq!(format!("{:?}", serve(&example, &[]).unwrap()), format!("{:?}", serve("", &[]).unwrap()));
        assert!(example.lines().all(|line| line.len() <= 140));
    }
}
