//! `[freqtrade]` of `agent.toml`. The password stands in a file or in the environment, never here: settings are shown, copied and logged.

use super::time_ms;
use crate::agent::{adapters::freqtrade::FreqtradeConfig, link::wire};
use crate::domain::Secret;
use serde::Deserialize;
use std::{os::unix::fs::PermissionsExt, path::PathBuf};
use url::Url;

/// Said where the section is missing.
pub(super) const MISSING: &str = r#"adapter = "freqtrade" needs the section
[freqtrade]
url = "http://127.0.0.1:8080"
username = "freqtrader"
password_file = "/etc/andon/freqtrade.password""#;

/// Freqtrade's own usual throttle.
const THROTTLE_MS: i64 = 5_000;
const TIMEOUT_MS: i64 = 4_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    url: String,
    username: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    // Read only to be refused.
    password: Option<Secret<String>>,
    throttle_ms: Option<i64>,
    timeout_ms: Option<i64>,
    #[serde(default)]
    allow_plain_http: bool,
}

impl Section {
    /// Checks it, and reads the password.
    pub(super) fn check(self) -> Result<FreqtradeConfig, String> {
        if self.username.is_empty() {
            return Err("[freqtrade] username must be the one in Freqtrade's config.json, section api_server".into());
        }
        Ok(FreqtradeConfig {
            url: check_url(&self.url, self.allow_plain_http)?,
            password: self.read_password()?,
            throttle_ms: time_ms(self.throttle_ms, THROTTLE_MS, 120_000, "[freqtrade] throttle_ms")?,
            timeout_ms: time_ms(self.timeout_ms, TIMEOUT_MS, 60_000, "[freqtrade] timeout_ms")?,
            username: self.username,
        })
    }

    fn read_password(&self) -> Result<Secret<String>, String> {
        let text = match (&self.password, &self.password_file, &self.password_env) {
            (Some(_), ..) => {
                return Err(
                    "[freqtrade] password must not stand in this file, which is shown and copied: write it into a file of its own \
                     (chmod 600) and name that as password_file, or name a variable as password_env"
                        .into(),
                );
            }
            (None, Some(file), None) => {
                let failed = |error: std::io::Error| format!("[freqtrade] password_file {} cannot be read: {error}", file.display());
                if std::fs::metadata(file).map_err(failed)?.permissions().mode() & 0o077 != 0 {
                    tracing::warn!("others on this machine may read the bot's password: chmod 600 {}", file.display());
                }
                std::fs::read_to_string(file).map_err(failed)?
            }
            (None, None, Some(name)) => {
                std::env::var(name).map_err(|_| format!("[freqtrade] password_env: there is no variable {name}"))?
            }
            _ => {
                return Err("[freqtrade] needs the API's password: either password_file = \"/etc/andon/freqtrade.password\" or \
                     password_env = \"FREQTRADE_PASSWORD\""
                    .into());
            }
        };
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() { Err("[freqtrade] the password is empty".into()) } else { Ok(Secret::new(password.to_owned())) }
    }
}

const PLAIN: &str = "plain http to another machine shows the password, which can do everything with the bot, to everybody on the way. Run this agent \
     beside the bot and use http://127.0.0.1:PORT, or https://; if the way is closed to others (a container network), say so with \
     allow_plain_http = true";

fn check_url(text: &str, allow_plain_http: bool) -> Result<Url, String> {
    let address = wire::address(text, "http://127.0.0.1:8080", (!allow_plain_http).then_some(PLAIN));
    let mut url = address.map_err(|why| format!("[freqtrade] url: {why}"))?;
    let path = format!("{}/", url.path().trim_end_matches('/').trim_end_matches("/api/v1"));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<FreqtradeConfig, String> {
        toml::from_str::<Section>(text).map_err(|error| error.to_string())?.check()
    }

    #[test]
    fn the_password_comes_from_a_file_or_a_variable_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "swordfish\n").unwrap();
        let text = format!("url = \"http://127.0.0.1:8080/api/v1\"\nusername = \"bot\"\npassword_file = {:?}", file.display().to_string());
        let config = check(&text).unwrap();
        assert_eq!((config.url.as_str(), config.password.expose().as_str()), ("http://127.0.0.1:8080/", "swordfish"));
        assert!(!format!("{config:?}").contains("swordfish"));
        assert_eq!((config.throttle_ms, config.timeout_ms), (THROTTLE_MS, TIMEOUT_MS));
        let refused = check("url = \"http://127.0.0.1\"\nusername = \"bot\"\npassword = \"swordfish\"").unwrap_err();
        assert!(refused.contains("password_file") && !refused.contains("swordfish"), "{refused}");
        // A variable that every test process has.
        let config = check("url = \"http://localhost\"\nusername = \"bot\"\npassword_env = \"PATH\"").unwrap();
        assert!(!config.password.expose().is_empty());
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        let rest = "username = \"bot\"\npassword_env = \"PATH\"";
        for (text, words) in [
            ("url = \"http://bot.example.org:8080\"", "allow_plain_http"),
            ("url = \"bot\"", "http://127.0.0.1:8080"),
            ("url = \"ftp://bot\"", "https://"),
            ("url = \"http://a:b@127.0.0.1\"", "must not carry"),
            ("url = \"http://127.0.0.1\"\nthrottle_ms = 0", "throttle_ms"),
            ("url = \"http://127.0.0.1\"\nthrotle_ms = 1", "throtle_ms"),
        ] {
            let error = check(&format!("{text}\n{rest}")).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(check(&format!("url = \"http://bot:8080\"\nallow_plain_http = true\n{rest}")).is_ok());
        let url = "url = \"http://127.0.0.1\"\nusername = \"bot\"";
        assert!(check(url).unwrap_err().contains("password_file"));
        assert!(check(&format!("{url}\npassword_env = \"NO_SUCH_VARIABLE\"")).unwrap_err().contains("NO_SUCH_VARIABLE"));
        assert!(check(&format!("{url}\npassword_file = \"/nowhere/password\"")).unwrap_err().contains("/nowhere/password"));
    }
}
