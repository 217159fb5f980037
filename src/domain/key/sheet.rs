//! The sheet of a key: what it is to be. Its venue is asked what it is; both are compared before anything is done with it.

use super::KeyPurpose;
use crate::domain::{Timestamp, text::text_enum};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

text_enum! {
    /// What a key may be given. There is no word for withdrawing: no key may.
    KeyRight {
        /// Read the account.
        Read = "read",
        /// Place and cancel orders.
        Trade = "trade",
        /// Change the keys of subaccounts, by whatever right its venue ties that to.
        ManageKeys = "manage_keys",
    }
}

impl KeyPurpose {
    /// In words, after *a key*.
    pub fn words(self) -> &'static str {
        match self {
            Self::MarketData => "to read market data",
            Self::Execution => "to trade",
            Self::Monitor => "to compare an account with what its bot reports",
            Self::Guard => "to cancel at the venue",
            Self::KeyAdmin => "of the main account, to demote the bot's key at the venue",
        }
    }
    /// What it takes, and no more.
    pub fn rights(self) -> BTreeSet<KeyRight> {
        match self {
            Self::MarketData | Self::Monitor => BTreeSet::from([KeyRight::Read]),
            Self::Execution | Self::Guard => BTreeSet::from([KeyRight::Read, KeyRight::Trade]),
            Self::KeyAdmin => BTreeSet::from([KeyRight::Read, KeyRight::ManageKeys]),
        }
    }
}

/// The most addresses of a key; venues take 20 to 30.
pub const ADDRESSES: usize = 20;

/// What a key is to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySheet {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// What it may do.
    pub rights: BTreeSet<KeyRight>,
    /// From which addresses alone: networks in CIDR form, sorted. Never empty.
    pub ips: Vec<String>,
    /// When it ends at the venue; none: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The venue's name for the account that it must belong to: at Bybit, OKX and Kraken futures its UID. None: none is named. Of a key of the main
    /// account, the subaccount whose keys it is to change, as the main account calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The addresses that it may withdraw to, on the whitelist of the account: the documented exception. Else it withdraws nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdraw_to: Vec<String>,
}

/// The most addresses that a key may withdraw to.
pub const WITHDRAW_TO: usize = 10;
/// The longest that a key may live that withdraws, days.
pub const WITHDRAW_DAYS: i64 = 7;

/// Addresses that bound nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddresses {
    /// None.
    #[error("name the addresses that it is used from: a key that works from anywhere is worth stealing")]
    None,
    /// Too many.
    #[error("name at most 20 addresses")]
    Many,
    /// Not one.
    #[error("{0} is no address; write 203.0.113.7 or 203.0.113.0/28")]
    Strange(String),
    /// So many at once that it is no bound.
    #[error("{0} is no bound: a network holds at most 256 addresses, or 2^64 of IPv6")]
    Wide(String),
}

impl KeySheet {
    /// What a key for a purpose is to be: with all that it takes and no more. `ips`: addresses and networks, apart by commas, blanks or lines.
    ///
    /// # Errors
    /// `BadAddresses`.
    pub fn new(purpose: KeyPurpose, ips: &str, until: Option<Timestamp>) -> Result<Self, BadAddresses> {
        let parts = ips.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        let networks = parts.map(network).collect::<Result<BTreeSet<_>, _>>()?;
        match networks.len() {
            0 => Err(BadAddresses::None),
            n if n > ADDRESSES => Err(BadAddresses::Many),
            _ => Ok(Self {
                purpose,
                rights: purpose.rights(),
                ips: networks.iter().map(ToString::to_string).collect(),
                until,
                account: None,
                withdraw_to: Vec::new(),
            }),
        }
    }
    /// The same for a key of one account, by the venue's name for it.
    #[must_use]
    pub fn of_account(self, account: Option<String>) -> Self {
        Self { account, ..self }
    }
    /// True for one that may withdraw.
    pub fn withdraws(&self) -> bool {
        !self.withdraw_to.is_empty()
    }
    /// In words, what it may do: `read, trade`.
    pub fn rights_words(&self) -> String {
        let mut words: Vec<String> = self.rights.iter().map(|right| right.as_str().replace('_', " ")).collect();
        if !self.withdraw_to.is_empty() {
            words.push("withdraw".to_owned());
        }
        words.join(", ")
    }
}

/// One address, or a network that bounds something.
fn network(text: &str) -> Result<IpNet, BadAddresses> {
    let shown = || text.chars().take(50).collect::<String>();
    let one = text.parse::<IpAddr>().map(IpNet::from);
    let net = one.or_else(|_| text.parse::<IpNet>().map(|net| net.trunc())).map_err(|_| BadAddresses::Strange(shown()))?;
    let least = if net.addr().is_ipv4() { 24 } else { 64 };
    if net.prefix_len() < least || net.addr().is_unspecified() { Err(BadAddresses::Wide(shown())) } else { Ok(net) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_names_addresses_and_the_rights_that_its_purpose_takes() {
        let sheet = KeySheet::new(KeyPurpose::Execution, " 203.0.113.7, 203.0.113.17/28\n2001:db8::1 203.0.113.7", None).unwrap();
        assert_eq!(sheet.ips, ["203.0.113.7/32", "203.0.113.16/28", "2001:db8::1/128"]);
        assert_eq!(sheet.rights, BTreeSet::from([KeyRight::Read, KeyRight::Trade]));
        assert_eq!(KeySheet::new(KeyPurpose::Monitor, "203.0.113.7", None).unwrap().rights, BTreeSet::from([KeyRight::Read]));
        let admin = KeySheet::new(KeyPurpose::KeyAdmin, "203.0.113.7", None).unwrap();
        assert_eq!(admin.rights_words(), "read, manage keys", "whatever its venue ties that to, it is no right to withdraw");
        let text = serde_json::to_string(&sheet).unwrap();
        assert!(!text.contains("account"), "a sheet that names none is written as before: {text}");
        assert_eq!(serde_json::from_str::<KeySheet>(&text).unwrap(), sheet);
        let named = sheet.of_account(Some("24617703".into()));
        assert_eq!(serde_json::from_str::<KeySheet>(&serde_json::to_string(&named).unwrap()).unwrap(), named);
        let bad = |ips: &str| KeySheet::new(KeyPurpose::Execution, ips, None).unwrap_err();
        assert_eq!(bad(" , "), BadAddresses::None);
        for strange in ["here", "203.0.113.7/33", "203.0.113.256"] {
            assert_eq!(bad(strange), BadAddresses::Strange(strange.to_owned()));
        }
        for wide in ["0.0.0.0", "0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8::/48"] {
            assert_eq!(bad(wide), BadAddresses::Wide(wide.to_owned()));
        }
        let many: Vec<String> = (0..21).map(|n| format!("203.0.113.{n}")).collect();
        assert_eq!(bad(&many.join(",")), BadAddresses::Many);
    }
}
