//! Settings of the master key: where the key comes from that wraps the exchange keys which the server itself holds. Only the place is a setting;
//! the key stands in no flag, no variable and no configuration file.

use super::ConfigError;
use std::path::PathBuf;
use url::{Host, Url};

/// The master key.
#[derive(Debug, Clone, clap::Args)]
pub struct MasterKeyArgs {
    /// Where the master key comes from, which wraps the exchange keys that the server itself holds: file:PATH (32 bytes, raw or in base64; closed
    /// to others), credential:NAME (of systemd) or transit:https://HOST:PORT (Vault or OpenBao; with --transit-key). Default: the file master.key
    /// in the state folder, made at the first start. Keep a copy of it: without it those keys are lost, and no backup of the data holds it.
    #[arg(long, env = "ANDON_MASTER_KEY", value_name = "SOURCE", hide_env_values = true)]
    pub master_key: Option<String>,
    /// Name of the key at Vault or OpenBao that wraps; with --master-key transit:… and --transit-token-file.
    #[arg(long, env = "ANDON_TRANSIT_KEY", value_name = "NAME")]
    pub transit_key: Option<String>,
    /// Where the transit engine is mounted.
    #[arg(long, env = "ANDON_TRANSIT_MOUNT", value_name = "PATH", default_value = "transit")]
    pub transit_mount: String,
    /// A file that holds the token for Vault or OpenBao, which may encrypt and decrypt with that key and nothing else. Read again at each use.
    #[arg(long, env = "ANDON_TRANSIT_TOKEN_FILE", value_name = "FILE")]
    pub transit_token_file: Option<PathBuf>,
    /// Certificates in PEM that alone vouch for Vault or OpenBao, where the system's authorities do not.
    #[arg(long, env = "ANDON_TRANSIT_CA", value_name = "FILE")]
    pub transit_ca: Option<PathBuf>,
}

/// Where the master key comes from, checked as far as nothing is opened for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// Our own file in the state folder; made where there is none and nothing is sealed yet.
    Own(PathBuf),
    /// Somebody's file, which is there.
    File(PathBuf),
    /// A credential that systemd gave this service.
    Credential(String),
    /// Vault or OpenBao wraps.
    Transit(TransitSettings),
}

/// How Vault or OpenBao is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitSettings {
    /// Its address.
    pub address: Url,
    /// Where the engine is mounted.
    pub mount: String,
    /// The key's name.
    pub key: String,
    /// The file of the token.
    pub token_file: PathBuf,
    /// Who alone vouches for it.
    pub ca: Option<PathBuf>,
}

impl MasterKeyArgs {
    /// Checks what was given. Opens nothing.
    ///
    /// # Errors
    /// The setting that cannot be taken. The text never holds what was given for the source: it may be a key in the wrong place.
    pub fn check(&self, state_dir: &std::path::Path) -> Result<MasterKeySource, ConfigError> {
        let wrong = |why: &str| ConfigError::new("--master-key", why);
        let source = match self.master_key.as_deref().map(|given| given.split_once(':')) {
            None => MasterKeySource::Own(state_dir.join("master.key")),
            Some(Some(("file", path))) if !path.is_empty() => MasterKeySource::File(path.into()),
            Some(Some(("credential", name))) if is_plain(name) => MasterKeySource::Credential(name.to_owned()),
            Some(Some(("credential", _))) => return Err(wrong("a credential has a name of letters, digits, dots, dashes and underscores")),
            Some(Some(("transit", address))) => return self.transit(address).map(MasterKeySource::Transit),
            Some(_) => {
                return Err(wrong(
                    "must begin with file:, credential: or transit:, and name where the key lies; the key itself does not belong here",
                ));
            }
        };
        let lost = [
            ("--transit-key", self.transit_key.is_some()),
            ("--transit-token-file", self.transit_token_file.is_some()),
            ("--transit-ca", self.transit_ca.is_some()),
        ];
        match lost.into_iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => Err(ConfigError::new(setting, "goes with --master-key transit:https://HOST:PORT")),
            None => Ok(source),
        }
    }

    fn transit(&self, address: &str) -> Result<TransitSettings, ConfigError> {
        let needs = |setting: &'static str| ConfigError::new(setting, "goes with --master-key transit:… and is missing");
        let key = self.transit_key.clone().ok_or_else(|| needs("--transit-key"))?;
        if !is_plain(&key) {
            return Err(ConfigError::new("--transit-key", "a key's name has letters, digits, dots, dashes and underscores"));
        }
        let mount = self.transit_mount.trim_matches('/').to_owned();
        if mount.is_empty() || !mount.split('/').all(is_plain) {
            return Err(ConfigError::new("--transit-mount", "is a path such as transit or secrets/transit"));
        }
        let token_file = self.transit_token_file.clone().ok_or_else(|| needs("--transit-token-file"))?;
        Ok(TransitSettings { address: transit_address(address)?, mount, key, token_file, ca: self.transit_ca.clone() })
    }
}

/// True for a name that can stand in a path as it is.
fn is_plain(name: &str) -> bool {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    is_word && (1..=128).contains(&name.len()) && !name.chars().all(|c| c == '.')
}

fn transit_address(text: &str) -> Result<Url, ConfigError> {
    let wrong = |why: &str| ConfigError::new("--master-key", format!("transit: {why}"));
    // The text is not repeated: somebody may have put a token into it.
    let url = Url::parse(text).map_err(|_| wrong("is followed by an address: transit:https://vault.example.org:8200"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the address holds no user and no password: give --transit-token-file"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("the address is a scheme, a host and perhaps a port, nothing behind"));
    }
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(wrong("the address begins with https:// (http:// works for this machine only: token and data keys travel over it)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[derive(clap::Parser)]
    struct Keyed {
        #[command(flatten)]
        args: MasterKeyArgs,
    }

    fn check(given: &[&str]) -> Result<MasterKeySource, ConfigError> {
        let args = <Keyed as clap::Parser>::try_parse_from([&["x"], given].concat()).unwrap().args;
        args.check(Path::new("/state"))
    }

    const TRANSIT: [&str; 4] = ["--transit-key", "andon", "--transit-token-file", "/t"];

    #[test]
    fn there_are_four_sources() {
        assert_eq!(check(&[]).unwrap(), MasterKeySource::Own("/state/master.key".into()));
        assert_eq!(check(&["--master-key", "file:/etc/a:b"]).unwrap(), MasterKeySource::File("/etc/a:b".into()));
        assert_eq!(check(&["--master-key", "credential:andon.key"]).unwrap(), MasterKeySource::Credential("andon.key".into()));
        for (address, is_good) in [
            ("transit:https://vault.example.org:8200", true),
            ("transit:http://127.0.0.1:8200", true),
            ("transit:http://localhost:8200/", true),
            ("transit:http://vault.example.org:8200", false),
            ("transit:https://vault.example.org/v1", false),
            ("transit:https://u:hunter2@vault.example.org", false),
            ("transit:", false),
        ] {
            let checked = check(&[&["--master-key", address], &TRANSIT[..]].concat());
            assert_eq!(checked.is_ok(), is_good, "{address}");
            assert!(!checked.is_err_and(|error| error.to_string().contains("hunter2")));
        }
        let deep = check(&[&["--master-key", "transit:https://v.example", "--transit-mount", "/a/b/"], &TRANSIT[..]].concat()).unwrap();
        let MasterKeySource::Transit(settings) = deep else { panic!("{deep:?}") };
        assert_eq!((settings.mount.as_str(), settings.key.as_str()), ("a/b", "andon"));
    }

    #[test]
    fn a_key_in_the_wrong_place_is_not_repeated() {
        for bad in ["3q2+7wcanary", "canary:key", "file:", "base64:canary", "credential:../canary", "credential:"] {
            let error = check(&["--master-key", bad]).unwrap_err();
            assert!(error.setting == "--master-key" && !error.to_string().contains("canary"), "{bad}: {error}");
        }
    }

    #[test]
    fn what_would_go_unheeded_or_is_missing_is_named() {
        let address = ["--master-key", "transit:https://v.example"];
        assert_eq!(check(&["--transit-key", "andon"]).unwrap_err().setting, "--transit-key");
        assert_eq!(check(&["--master-key", "file:/k", "--transit-ca", "/c"]).unwrap_err().setting, "--transit-ca");
        assert_eq!(check(&address).unwrap_err().setting, "--transit-key");
        assert_eq!(check(&[&address[..], &["--transit-key", "andon"]].concat()).unwrap_err().setting, "--transit-token-file");
        assert_eq!(check(&[&address[..], &["--transit-key", "a/../b"]].concat()).unwrap_err().setting, "--transit-key");
        assert_eq!(check(&[&address[..], &["--transit-mount", "../sys"], &TRANSIT[..]].concat()).unwrap_err().setting, "--transit-mount");
    }
}
