//! How people and agents reach the server safely, in one of three ways: TLS of its own, plain behind a named proxy that speaks TLS, or plain
//! on this machine only. Any other combination is refused with what to do instead.

use super::{ConfigError, Origin};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// TLS and proxies.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TransportArgs {
    /// Certificate chain in PEM, the server's own certificate first; with --tls-key. Read again when it changes, without a restart.
    #[arg(long, env = "ANDON_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM.
    #[arg(long, env = "ANDON_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Address or network of a proxy in front that speaks TLS; may be given several times. Its word on who calls, and how, is believed, nobody
    /// else's: it must set X-Forwarded-For (or Forwarded) and X-Forwarded-Proto itself.
    #[arg(long, env = "ANDON_TRUST_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trust_proxy: Vec<IpNet>,
}

/// Where the certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Checked settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// TLS of our own; none: plain.
    pub tls: Option<TlsFiles>,
    /// Whose headers about a caller are believed.
    pub proxies: Vec<IpNet>,
}

impl Transport {
    /// What whoever starts a server should know of the way to it: only with TLS of its own does it see to HTTP/2 itself.
    pub fn advice(&self) -> Option<&'static str> {
        let is_behind = self.tls.is_none() && !self.proxies.is_empty();
        is_behind.then_some(
            "A proxy in front speaks TLS: let it speak HTTP/2 to browsers. Over HTTP/1.1 a browser has six connections for all its tabs, and \
             live figures take up to three of them.",
        )
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match network {
        Ok(network) if network.prefix_len() == 0 => Err("this names everybody; name the proxy's own address or network".into()),
        Ok(network) => Ok(network.trunc()),
        Err(_) => Err("give an address such as 10.0.0.7, or a network such as 10.0.0.0/24".into()),
    }
}

impl TransportArgs {
    /// Checks that what was given is one of the three ways.
    ///
    /// # Errors
    /// The setting that stands in the way, and what would do.
    pub fn check(self, origin: &Origin, listen: SocketAddr) -> Result<Transport, ConfigError> {
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::new("--tls-key", "--tls-cert needs the certificate's private key: give --tls-key FILE"));
            }
            (None, Some(_)) => return Err(ConfigError::new("--tls-cert", "--tls-key needs its certificate: give --tls-cert FILE")),
        };
        let shown = origin.url().origin().ascii_serialization();
        if tls.is_some() && !origin.is_https() {
            let why =
                format!("{shown} is reached without TLS, but --tls-cert is given; give the https address that the certificate is for");
            return Err(ConfigError::new("--origin", why));
        }
        if tls.is_none() && self.trust_proxy.is_empty() {
            if origin.is_https() {
                let why = format!(
                    "{shown} needs somebody who speaks TLS. Either this server: --tls-cert FILE --tls-key FILE. Or a proxy in front of it: \
                     --trust-proxy ADDRESS (127.0.0.1 when it runs on this machine). To try it on this machine only: --origin http://localhost:{}",
                    listen.port()
                );
                return Err(ConfigError::new("--origin", why));
            }
            if !listen.ip().is_loopback() {
                let why = format!(
                    "{listen} can be reached from outside, in plain, but the origin is {shown}. Listen on 127.0.0.1:{}; or give an https \
                     --origin with --tls-cert FILE --tls-key FILE, or with --trust-proxy ADDRESS for a proxy in front that speaks TLS",
                    listen.port()
                );
                return Err(ConfigError::new("--listen", why));
            }
        }
        Ok(Transport { tls, proxies: self.trust_proxy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: &str, listen: &str, tls: [bool; 2], proxies: &[&str]) -> Result<Transport, ConfigError> {
        let file = |given: bool| given.then(|| PathBuf::from("file.pem"));
        let trust_proxy = proxies.iter().map(|text| network(text).unwrap()).collect();
        let args = TransportArgs { tls_cert: file(tls[0]), tls_key: file(tls[1]), trust_proxy };
        args.check(&Origin::parse(origin).unwrap(), listen.parse().unwrap())
    }

    #[test]
    fn there_are_three_ways_and_no_other() {
        let (named, local) = ("https://andon.example.org", "http://localhost:8787");
        let (inside, outside) = ("127.0.0.1:8787", "0.0.0.0:8787");
        let (on, off) = ([true, true], [false, false]);
        for (origin, listen, tls, proxies) in [
            (named, outside, on, vec![]),
            (named, inside, on, vec!["10.0.0.1"]),
            (named, inside, off, vec!["127.0.0.1"]),
            (named, outside, off, vec!["10.0.0.0/24", "fd00::/8"]),
            (local, inside, off, vec![]),
            // A port of a container, published on this machine: the container engine is the proxy.
            (local, outside, off, vec!["172.17.0.1"]),
        ] {
            let taken = check(origin, listen, tls, &proxies).unwrap();
            assert_eq!((taken.tls.is_some(), taken.proxies.len()), (tls == on, proxies.len()));
        }
        for (origin, listen, tls, setting, word) in [
            (named, inside, off, "--origin", "--trust-proxy 127.0.0.1"),
            (named, outside, off, "--origin", "--tls-cert FILE"),
            (local, outside, off, "--listen", "127.0.0.1:8787"),
            (local, inside, on, "--origin", "https"),
            (named, inside, [true, false], "--tls-key", "--tls-key FILE"),
            (named, inside, [false, true], "--tls-cert", "--tls-cert FILE"),
        ] {
            let refused = check(origin, listen, tls, &[]).unwrap_err();
            assert_eq!(refused.setting, setting);
            let said = refused.to_string().replace("ADDRESS (127.0.0.1", "127.0.0.1");
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn only_behind_a_proxy_is_http_2_somebody_elses_to_see_to() {
        let advice = |origin, tls, proxies: &[&str]| check(origin, "127.0.0.1:8787", tls, proxies).unwrap().advice();
        let (named, local) = ("https://andon.example.org", "http://localhost:8787");
        assert!(advice(named, [false, false], &["127.0.0.1"]).unwrap().contains("HTTP/2"));
        assert_eq!(advice(named, [true, true], &["127.0.0.1"]), None);
        assert_eq!(advice(local, [false, false], &[]), None);
    }

    #[test]
    fn everybody_is_no_proxy() {
        for bad in ["0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/33", ""] {
            assert!(network(bad).is_err(), "{bad}");
        }
        assert_eq!(network("10.0.0.7/24").unwrap(), network("10.0.0.0/24").unwrap());
        assert_eq!(network("2001:db8::1").unwrap().prefix_len(), 128);
    }
}
