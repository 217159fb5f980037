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
    /// The master key that --master-key replaces, in the same forms: the server wraps every kept key anew while it runs, and says when this may be
    /// taken away. Of the old one at Vault or OpenBao: --transit-key-old and so on.
    #[arg(long, env = "ANDON_MASTER_KEY_OLD", value_name = "SOURCE", hide_env_values = true)]
    pub master_key_old: Option<String>,
    /// As --transit-key, of the old master key.
    #[arg(long, env = "ANDON_TRANSIT_KEY_OLD", value_name = "NAME")]
    pub transit_key_old: Option<String>,
    /// As --transit-mount, of the old master key.
    #[arg(long, env = "ANDON_TRANSIT_MOUNT_OLD", value_name = "PATH", default_value = "transit")]
    pub transit_mount_old: String,
    /// As --transit-token-file, of the old master key.
    #[arg(long, env = "ANDON_TRANSIT_TOKEN_FILE_OLD", value_name = "FILE")]
    pub transit_token_file_old: Option<PathBuf>,
    /// As --transit-ca, of the old master key.
    #[arg(long, env = "ANDON_TRANSIT_CA_OLD", value_name = "FILE")]
    pub transit_ca_old: Option<PathBuf>,
    /// The name of a master key that is lost for good, as the server or `andon doctor` tells it: every kept key that is sealed under it is given up.
    /// They are to be made anew at the venues.
    #[arg(long, env = "ANDON_MASTER_KEY_LOST", value_name = "NAME")]
    pub master_key_lost: Option<String>,
}

/// The settings of one master key, and what they are called.
struct Asked<'a> {
    setting: &'static str,
    source: &'a str,
    key: (&'static str, Option<&'a String>),
    mount: (&'static str, &'a str),
    token_file: (&'static str, Option<&'a PathBuf>),
    ca: (&'static str, Option<&'a PathBuf>),
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
        let asked = Asked {
            setting: "--master-key",
            source: self.master_key.as_deref().unwrap_or_default(),
            key: ("--transit-key", self.transit_key.as_ref()),
            mount: ("--transit-mount", &self.transit_mount),
            token_file: ("--transit-token-file", self.transit_token_file.as_ref()),
            ca: ("--transit-ca", self.transit_ca.as_ref()),
        };
        match self.master_key {
            Some(_) => asked.check(),
            None => asked.unheeded().map(|()| MasterKeySource::Own(state_dir.join("master.key"))),
        }
    }

    /// The same of the master key that is replaced; none: none is.
    ///
    /// # Errors
    /// As `check`.
    pub fn check_old(&self) -> Result<Option<MasterKeySource>, ConfigError> {
        let asked = Asked {
            setting: "--master-key-old",
            source: self.master_key_old.as_deref().unwrap_or_default(),
            key: ("--transit-key-old", self.transit_key_old.as_ref()),
            mount: ("--transit-mount-old", &self.transit_mount_old),
            token_file: ("--transit-token-file-old", self.transit_token_file_old.as_ref()),
            ca: ("--transit-ca-old", self.transit_ca_old.as_ref()),
        };
        if self.master_key_old.is_some() { asked.check().map(Some) } else { asked.unheeded().map(|()| None) }
    }
}

impl Asked<'_> {
    fn check(&self) -> Result<MasterKeySource, ConfigError> {
        let wrong = |why: &str| ConfigError::new(self.setting, why);
        let source = match self.source.split_once(':') {
            Some(("file", path)) if !path.is_empty() => MasterKeySource::File(path.into()),
            Some(("credential", name)) if is_plain(name) => MasterKeySource::Credential(name.to_owned()),
            Some(("credential", _)) => return Err(wrong("a credential has a name of letters, digits, dots, dashes and underscores")),
            Some(("transit", address)) => return self.transit(address).map(MasterKeySource::Transit),
            _ => {
                return Err(wrong(
                    "must begin with file:, credential: or transit:, and name where the key lies; the key itself does not belong here",
                ));
            }
        };
        self.unheeded().map(|()| source)
    }

    /// Refuses what only Vault or OpenBao needs.
    fn unheeded(&self) -> Result<(), ConfigError> {
        let lost = [(self.key.0, self.key.1.is_some()), (self.token_file.0, self.token_file.1.is_some()), (self.ca.0, self.ca.1.is_some())];
        match lost.into_iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => Err(ConfigError::new(setting, format!("goes with {} transit:https://HOST:PORT", self.setting))),
            None => Ok(()),
        }
    }

    fn transit(&self, address: &str) -> Result<TransitSettings, ConfigError> {
        let needs = |setting: &'static str| ConfigError::new(setting, format!("goes with {} transit:… and is missing", self.setting));
        let key = self.key.1.cloned().ok_or_else(|| needs(self.key.0))?;
        if !is_plain(&key) {
            return Err(ConfigError::new(self.key.0, "a key's name has letters, digits, dots, dashes and underscores"));
        }
        let mount = self.mount.1.trim_matches('/').to_owned();
        if mount.is_empty() || !mount.split('/').all(is_plain) {
            return Err(ConfigError::new(self.mount.0, "is a path such as transit or secrets/transit"));
        }
        let token_file = self.token_file.1.cloned().ok_or_else(|| needs(self.token_file.0))?;
        let address = transit_address(self.setting, address)?;
        Ok(TransitSettings { address, mount, key, token_file, ca: self.ca.1.cloned() })
    }
}

/// True for a name that can stand in a path as it is.
fn is_plain(name: &str) -> bool {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    is_word && (1..=128).contains(&name.len()) && !name.chars().all(|c| c == '.')
}

fn transit_address(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let wrong = |why: &str| ConfigError::new(setting, format!("transit: {why}"));
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

    #[test]
    fn the_old_one_has_the_same_forms_and_settings_of_its_own() {
        let old = |given: &[&str]| {
            let args = <Keyed as clap::Parser>::try_parse_from([&["x"], given].concat()).unwrap().args;
            args.check_old()
        };
        assert_eq!(old(&[]).unwrap(), None);
        assert_eq!(old(&["--master-key-old", "file:/k"]).unwrap(), Some(MasterKeySource::File("/k".into())));
        let transit = ["--master-key-old", "transit:https://v.example", "--transit-key-old", "first", "--transit-token-file-old", "/t"];
        let Some(MasterKeySource::Transit(settings)) = old(&transit).unwrap() else { panic!("no transit") };
        assert_eq!((settings.mount.as_str(), settings.key.as_str()), ("transit", "first"));
        assert_eq!(old(&transit[..4]).unwrap_err().setting, "--transit-token-file-old");
        assert_eq!(old(&transit[2..]).unwrap_err().setting, "--transit-key-old");
        assert_eq!(old(&["--master-key-old", "canary"]).unwrap_err().setting, "--master-key-old");
        assert_eq!(check(&[&["--master-key", "file:/k"], &transit[..]].concat()).unwrap(), MasterKeySource::File("/k".into()));
    }
}
