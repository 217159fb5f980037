//! Whom a request comes from when it came through proxies: `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded` (RFC 7239), believed only
//! from addresses that the operator named. Read from the right: what the nearest named proxy wrote comes first, and the first hop that is no
//! named proxy is the caller. Whatever stands left of that hop the caller may have made up.

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The named proxies.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpNet>);

/// One hop as a proxy wrote it down.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hop {
    // None: unknown, hidden or unreadable.
    ip: Option<IpAddr>,
    proto: Option<String>,
}

impl Proxies {
    /// These and no others.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The caller's address. Where the two headers tell different stories one of them is the caller's own, and neither is believed.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.walked(peer.to_canonical(), headers).map_or(peer.to_canonical(), |walked| walked.caller)
    }

    /// True when a named proxy says that the caller reached it without TLS. What the proxies speak among themselves is no matter: a proxy with
    /// TLS before one without would otherwise be sent to TLS for ever. Where it is not clear which hop a word is about, it is about none.
    pub fn says_plain(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let Some(walked) = self.walked(peer.to_canonical(), headers) else { return false };
        let protos: Vec<&str> = x_forwarded(headers, PROTO).map(str::trim).collect();
        let said = match protos.len() {
            0 => walked.proto.as_deref(),
            // Some proxies add to the list, others write one value over it: one value may be about any hop unless there is only one.
            1 => protos.first().copied().filter(|_| walked.at == 0),
            // The same place in both lists; unless the addresses end before the protocols do.
            all => protos.get(walked.at).copied().filter(|_| walked.met_caller || all == walked.at + 1),
        };
        said.is_some_and(|proto| proto.eq_ignore_ascii_case("http"))
    }

    /// True for a named proxy.
    fn names(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The way back to the caller; none when nobody's word about it counts.
    fn walked(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Walked> {
        if !self.names(peer) {
            return None;
        }
        let plain = headers.contains_key(FOR).then(|| self.walk(peer, x_forwarded_for(headers)));
        let standard = headers.contains_key(header::FORWARDED).then(|| self.walk(peer, forwarded(headers)));
        match (plain, standard) {
            (Some(one), Some(other)) if one.caller != other.caller => None,
            // The addresses are the same; only the standard header has protocols beside them.
            (Some(one), Some(other)) => Some(Walked { proto: other.proto, ..one }),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => Some(Walked { caller: peer, at: 0, proto: None, met_caller: false }),
        }
    }

    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Hop>) -> Walked {
        let mut walked = Walked { caller: peer, at: 0, proto: None, met_caller: false };
        for (at, hop) in hops.enumerate() {
            (walked.at, walked.proto) = (at, hop.proto);
            let Some(ip) = hop.ip else { break };
            walked.caller = ip;
            if !self.names(ip) {
                walked.met_caller = true;
                break;
            }
        }
        walked
    }
}

/// How far the named proxies' word leads.
struct Walked {
    caller: IpAddr,
    // The hop at which the walk stopped, from 0, the nearest first: what stands there is about the caller.
    at: usize,
    proto: Option<String>,
    // It stopped at an address that is no named proxy.
    met_caller: bool,
}

/// The items of a list that proxies append to, the last first.
fn x_forwarded(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','))
}

/// The hops of `X-Forwarded-For`, the last first.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Hop> {
    x_forwarded(headers, FOR).map(|text| Hop { ip: address(text), proto: None })
}

/// The hops of `Forwarded`, the last first. A line that is not well formed counts as one unknown hop: a quote that the caller left open would
/// swallow what the proxy wrote behind it.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Hop> {
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    lines.flat_map(|line| line.to_str().ok().and_then(elements).unwrap_or_else(|| vec![Hop::default()]).into_iter().rev())
}

/// An address with or without a port, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip()));
    ip.map(|ip| ip.to_canonical())
}

/// Reads one line of `Forwarded`; none when it does not follow RFC 7239.
fn elements(line: &str) -> Option<Vec<Hop>> {
    let mut hops = vec![Hop::default()];
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = value(after)?;
        let hop = hops.last_mut()?;
        if name.eq_ignore_ascii_case("for") {
            hop.ip = address(&value);
        } else if name.eq_ignore_ascii_case("proto") {
            hop.proto = Some(value);
        }
        rest = match after.trim_start() {
            "" => "",
            more => {
                let (next, is_new_hop) = match (more.strip_prefix(';'), more.strip_prefix(',')) {
                    (Some(next), _) => (next, false),
                    (None, Some(next)) => (next, true),
                    (None, None) => return None,
                };
                if is_new_hop {
                    hops.push(Hop::default());
                }
                // A separator with nothing behind it is not well formed either.
                (!next.trim().is_empty()).then(|| next.trim_start())?
            }
        };
    }
    Some(hops)
}

/// A token or a quoted string, and what follows it. Ports and brackets outside of quotes are borne: some proxies write them so.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end)?;
        let is_fine = !value.is_empty() && value.bytes().all(|byte| is_token(byte) || matches!(byte, b':' | b'[' | b']'));
        return is_fine.then(|| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies() -> Proxies {
        Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    fn headers(lines: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn caller(peer: &str, lines: &[(&HeaderName, &str)]) -> String {
        proxies().caller(peer.parse().unwrap(), &headers(lines)).to_string()
    }

    #[test]
    fn the_rightmost_hop_that_is_no_named_proxy_is_the_caller() {
        let via = |list: &str| caller("10.0.0.1", &[(&FOR, list)]);
        assert_eq!(via("203.0.113.9"), "203.0.113.9");
        assert_eq!(via("6.6.6.6, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
        assert_eq!(via("203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(via("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(via("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(via("10.0.0.7"), "10.0.0.7", "a caller within the named network");
        assert_eq!(via("6.6.6.6, unknown, 10.0.0.2"), "10.0.0.2", "nothing beyond what cannot be read");
        assert_eq!(via(""), "10.0.0.1");
        assert_eq!(caller("10.0.0.1", &[(&FOR, "6.6.6.6"), (&FOR, "203.0.113.9")]), "203.0.113.9", "lines are one list");
        assert_eq!(caller("::ffff:10.0.0.1", &[(&FOR, "203.0.113.9")]), "203.0.113.9");
        assert_eq!(caller("203.0.113.9", &[(&FOR, "6.6.6.6")]), "203.0.113.9", "nobody else's word counts");
    }

    #[test]
    fn the_standard_header_says_the_same_in_its_own_words() {
        let via = |line: &str| caller("10.0.0.1", &[(&header::FORWARDED, line)]);
        assert_eq!(via("for=203.0.113.9"), "203.0.113.9");
        assert_eq!(via("For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1"), "2001:db8::1");
        assert_eq!(via("for=6.6.6.6, for=203.0.113.9;host=\"a,for=7.7.7.7\", for=10.0.0.3"), "203.0.113.9");
        assert_eq!(via("for=6.6.6.6, for=_hidden"), "10.0.0.1");
        assert_eq!(via("for=6.6.6.6, proto=https"), "10.0.0.1");
        // What a caller leaves open swallows the proxy's word; then nothing is believed.
        for open in ["for=6.6.6.6;by=\", for=203.0.113.9", "for=6.6.6.6;by=\", for=\"[2001:db8::1]\"", "for=6.6.6.6,", "for=6.6.6.6;;by=x"]
        {
            assert_eq!(via(open), "10.0.0.1", "{open}");
        }
    }

    #[test]
    fn two_headers_that_differ_are_both_left_aside() {
        let both = |plain, standard| caller("10.0.0.1", &[(&FOR, plain), (&header::FORWARDED, standard)]);
        assert_eq!(both("203.0.113.9", "for=203.0.113.9"), "203.0.113.9");
        assert_eq!(both("203.0.113.9", "for=6.6.6.6"), "10.0.0.1");
    }

    #[test]
    fn only_a_named_proxy_can_say_that_the_caller_came_in_plain() {
        let said = |peer: &str, lines: &[(&HeaderName, &str)]| proxies().says_plain(peer.parse().unwrap(), &headers(lines));
        assert!(said("10.0.0.1", &[(&PROTO, "http")]));
        assert!(said("10.0.0.1", &[(&FOR, "203.0.113.9"), (&PROTO, "https, http")]), "what stands left of it is the caller's own");
        assert!(!said("10.0.0.1", &[(&PROTO, "https, http")]), "a list of two says of a proxy whose address nobody wrote down");
        assert!(said("10.0.0.1", &[(&header::FORWARDED, "for=203.0.113.9;proto=http")]));
        assert!(!said("10.0.0.1", &[(&PROTO, "https"), (&header::FORWARDED, "proto=http")]));
        assert!(!said("10.0.0.1", &[]));
        assert!(!said("203.0.113.9", &[(&PROTO, "http")]));
    }

    #[test]
    fn behind_two_named_proxies_the_protocol_of_the_callers_own_hop_counts() {
        let said = |lines: &[(&HeaderName, &str)]| proxies().says_plain("10.0.0.1".parse().unwrap(), &headers(lines));
        let via = "203.0.113.9, 10.0.0.2";
        assert!(!said(&[(&FOR, via), (&PROTO, "https, http")]));
        assert!(said(&[(&FOR, via), (&PROTO, "http, https")]));
        assert!(!said(&[(&FOR, via), (&PROTO, "http")]), "one value may be the nearer proxy's own");
        assert!(!said(&[(&FOR, "10.0.0.2"), (&PROTO, "https, http")]), "the farther proxy wrote no address");
        assert!(said(&[(&FOR, "10.0.0.7"), (&PROTO, "http")]), "a caller within the named network");
        assert!(!said(&[(&header::FORWARDED, "for=203.0.113.9;proto=https, for=10.0.0.2;proto=http")]));
        assert!(said(&[(&header::FORWARDED, "for=203.0.113.9;proto=http, for=10.0.0.2;proto=https")]));
        assert!(!said(&[(&FOR, "203.0.113.9"), (&header::FORWARDED, "for=6.6.6.6;proto=http")]), "two stories");
    }

    /// Anything that can stand in a header, with a bias towards what means something here.
    fn made_up() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("for=6.6.6.6".to_owned()),
            Just("6.6.6.6".to_owned()),
            Just("10.9.9.9".to_owned()),
            Just(",".to_owned()),
            Just(";".to_owned()),
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("=".to_owned()),
            Just("for=".to_owned()),
            Just("by=\"".to_owned()),
            Just("[fd00::1]".to_owned()),
            "[ -~]{0,6}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_caller_never_chooses_its_address(
            plain in proptest::option::of(made_up()),
            standard in proptest::option::of(made_up()),
            own_line in any::<bool>(),
            quoted in any::<bool>(),
            writes_standard in any::<bool>(),
        ) {
            let (peer, real): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "203.0.113.9".parse().unwrap());
            // Straight to the server: its own address, whatever it says.
            let mut said = HeaderMap::new();
            for (name, value) in [(FOR, &plain), (header::FORWARDED, &standard)] {
                if let Some(Ok(value)) = value.as_ref().map(|text| text.parse()) {
                    said.insert(name, value);
                }
            }
            prop_assert_eq!(proxies().caller(real, &said), real);
            prop_assert!(!proxies().says_plain(real, &said));
            // Through a proxy that writes one of the headers, behind what the caller sent in it or on a line of its own.
            let (name, written) = match (writes_standard, quoted) {
                (true, true) => (header::FORWARDED, format!("for=\"{real}\";proto=https")),
                (true, false) => (header::FORWARDED, format!("for={real};proto=https")),
                (false, _) => (FOR, real.to_string()),
            };
            match said.get(&name).and_then(|value| value.to_str().ok()).map(str::to_owned) {
                Some(before) if !own_line => said.insert(&name, format!("{before}, {written}").parse().unwrap()).map(drop).unwrap_or_default(),
                _ => drop(said.append(&name, written.parse().unwrap())),
            }
            let found = proxies().caller(peer, &said);
            prop_assert!(found == real || found == peer, "{said:?} gave {found}");
        }
    }
}
