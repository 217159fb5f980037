//! The origin: scheme, host and port at which people reach the pages. Security keys are bound to it, so it is fixed and checked first.

use super::ConfigError;
use url::{Host, Url};

/// A checked origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Url);

impl Origin {
    /// Reads `https://host[:port]` or `http://localhost:port`.
    ///
    /// # Errors
    /// For anything else, with the reason: browsers offer security keys to secure origins with a name only.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let bad = |why: &str| ConfigError::new("--origin", format!("{text:?} {why}"));
        let url = Url::parse(text).map_err(|_| bad("is no URL; give for example https://andon.example.org"))?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(bad("must be scheme, host and port only, without a path"));
        }
        match (url.scheme(), url.host()) {
            ("http", Some(Host::Domain("localhost"))) => Ok(Self(url)),
            ("https", Some(Host::Domain(_))) => Ok(Self(url)),
            ("https", Some(_)) => Err(bad("must have a name: security keys cannot be bound to a bare address")),
            ("http", _) => {
                Err(bad("is not secure: plain http is for http://localhost:PORT only, where the browser is on the same machine"))
            }
            _ => Err(bad("must begin with https:// (or http://localhost)")),
        }
    }
    /// As a URL, ending in `/`.
    pub fn url(&self) -> &Url {
        &self.0
    }
    /// True when browsers reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_that_security_keys_accept_are_taken() {
        for good in ["https://andon.example.org", "https://andon.example.org:8443/", "http://localhost:8787"] {
            assert!(Origin::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["andon.example.org", "http://andon.example.org", "http://127.0.0.1:8787", "https://10.0.0.1", "https://a.org/x", "ftp://a.org"]
        {
            let refused = Origin::parse(bad).unwrap_err().to_string();
            assert!(refused.starts_with("--origin: "), "{refused}");
        }
    }
}
