//! What a venue says of a key, normalised: rights as yes, no or unknown, addresses, expiry, whose key it is. Fit to be stored as evidence: no
//! secret is in it. What was not said is unknown, and unknown is never taken for no.

use crate::domain::{Timestamp, text::text_enum};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

text_enum! {
    /// Whether something holds.
    Tri {
        /// The venue says that it does not.
        No = "no",
        /// The venue did not say, or not in words that we know.
        Unknown = "unknown",
        /// The venue says that it does.
        Yes = "yes",
    }
}

#[expect(clippy::derivable_impls, reason = "the list of words derives what all such lists do")]
impl Default for Tri {
    fn default() -> Self {
        Self::Unknown
    }
}

impl From<bool> for Tri {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Tri {
    /// Yes where either is, no where both are.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, Self::No) => Self::No,
            _ => Self::Unknown,
        }
    }
    /// The contrary; of unknown, unknown.
    #[must_use]
    pub fn contrary(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

text_enum! {
    /// What a key may do, in words that hold for every venue.
    Right {
        /// See orders, positions, balances.
        Read = "read",
        /// Place and cancel orders, in whatever market.
        Trade = "trade",
        /// Cancel orders. Wherever there is no right to that alone, it comes with trading.
        Cancel = "cancel",
        /// Take money out of the venue.
        Withdraw = "withdraw",
        /// Move money between wallets of one account.
        InternalTransfer = "internal_transfer",
        /// Move money between an account and its subaccounts.
        SubaccountTransfer = "subaccount_transfer",
        /// Borrow and repay.
        Borrow = "borrow",
        /// Make or see addresses for deposits.
        Deposit = "deposit",
        /// Add or change addresses that money may be withdrawn to.
        WithdrawAddresses = "withdraw_addresses",
        /// Make, change or delete keys.
        KeyAdmin = "key_admin",
        /// Export data in bulk.
        Export = "export",
        /// Lend, stake, save.
        Earn = "earn",
        /// Deal with other customers.
        P2p = "p2p",
        /// Pay with the account.
        Pay = "pay",
        /// Cards.
        Card = "card",
        /// Change one currency into another beside the order book.
        Convert = "convert",
        /// Trade for followers, or follow.
        CopyTrade = "copy_trade",
        /// Post in the account's name.
        Social = "social",
        /// The affiliate programme.
        Affiliate = "affiliate",
        /// Collectibles.
        Nft = "nft",
    }
}

/// What a word for trading grants: cancelling goes with it everywhere.
pub(super) const TRADE: &[Right] = &[Right::Trade, Right::Cancel];

/// What is known of each right. Those that nobody spoke of are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(BTreeMap<Right, Tri>);

impl Rights {
    /// Whether the key has this one.
    pub fn has(&self, right: Right) -> Tri {
        self.0.get(&right).copied().unwrap_or_default()
    }
    /// Writes down whether it has.
    pub fn set(&mut self, right: Right, has: Tri) {
        self.0.insert(right, has);
    }
    /// Every right, in order, and whether the key has it.
    pub fn iter(&self) -> impl Iterator<Item = (Right, Tri)> {
        Right::ALL.iter().map(|right| (*right, self.has(*right)))
    }
}

/// From which addresses a key may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpRule {
    /// Not said, or not readable. `KeyFacts::is_ip_bound` may know that there is a list.
    #[default]
    Unknown,
    /// From everywhere.
    Unrestricted,
    /// From these only, sorted, each once.
    Only(#[serde(with = "nets")] Vec<IpNet>),
}

impl IpRule {
    /// Reads what a venue lists: addresses, networks, `*` for everywhere. Nothing but blanks is no restriction; one entry that cannot be read, or
    /// a blank among others, makes the whole unknown.
    pub fn read<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let entries: Vec<&str> = entries.into_iter().map(str::trim).collect();
        if entries.contains(&"*") || entries.iter().all(|entry| entry.is_empty()) {
            return Self::Unrestricted;
        }
        let mut nets = Vec::with_capacity(entries.len());
        for entry in entries {
            let net = entry.parse::<IpNet>().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from));
            let Some(net) = net else { return Self::Unknown };
            if net.prefix_len() == 0 {
                return Self::Unrestricted;
            }
            nets.push(net.trunc());
        }
        nets.sort();
        nets.dedup();
        Self::Only(nets)
    }

    /// Whether there is a list.
    pub fn is_bound(&self) -> Tri {
        match self {
            Self::Unknown => Tri::Unknown,
            Self::Unrestricted => Tri::No,
            Self::Only(_) => Tri::Yes,
        }
    }
}

/// When a key ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// Not said.
    #[default]
    Unknown,
    /// The venue says that it does not.
    Never,
    /// Then.
    At(Timestamp),
}

/// What a key is, as its venue says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyFacts {
    /// What it may do.
    pub rights: Rights,
    /// The venue's own words for what it may do, sorted: two keys with the same rights may differ here.
    pub words: Vec<String>,
    /// Words that we do not know, sorted. Where there is one, a right that is not plainly granted is unknown.
    pub unknown_words: Vec<String>,
    /// From where.
    pub ips: IpRule,
    /// Whether its addresses are restricted at all, which some venues tell without the list.
    pub is_ip_bound: Tri,
    /// Until when.
    pub expiry: Expiry,
    /// The venue's name for the account that it belongs to.
    pub subaccount: Option<String>,
    /// Whether that is a main account.
    pub is_main: Tri,
    /// When it was changed last, as the venue says: a plain sign of drift.
    pub changed_at: Option<Timestamp>,
}

impl KeyFacts {
    /// Whether the key has this right.
    pub fn right(&self, right: Right) -> Tri {
        self.rights.has(right)
    }
    /// Whether the venue used words that we do not know: then the whole is not approved, and somebody should look.
    pub fn has_unknown_words(&self) -> bool {
        !self.unknown_words.is_empty()
    }
    /// Takes over addresses.
    pub(super) fn bind(&mut self, ips: IpRule) {
        self.is_ip_bound = ips.is_bound();
        self.ips = ips;
    }
}

text_enum! {
    /// With whose key a key was measured. Who held that key is for the caller to add.
    MeasuredBy {
        /// With the key itself.
        Own = "self",
        /// With a key of the main account.
        Master = "master",
    }
}

/// One measurement of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// What was found.
    pub facts: KeyFacts,
    /// With whose key.
    pub measured_by: MeasuredBy,
    /// When the answer came.
    pub measured_at: Timestamp,
    /// SHA-256, in hex, of what the venue answered as canonical JSON (RFC 8785), secrets and personal data taken out.
    pub answer_sha256: String,
}

mod nets {
    use ipnet::IpNet;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(nets: &[IpNet], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(nets.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(nets: &[&str]) -> IpRule {
        IpRule::Only(nets.iter().map(|net| net.parse().unwrap()).collect())
    }

    #[test]
    fn a_list_of_addresses_is_a_restriction_only_where_it_restricts() {
        assert_eq!(
            IpRule::read(["203.0.113.7", "2001:db8::1", "203.0.113.9/28"]),
            only(&["203.0.113.0/28", "203.0.113.7/32", "2001:db8::1/128"])
        );
        assert_eq!(IpRule::read(["203.0.113.7", " 203.0.113.7 "]), only(&["203.0.113.7/32"]));
        for open in [&["*"][..], &[""], &[], &["", " "], &["0.0.0.0/0"], &["203.0.113.7", "::/0"], &["203.0.113.7", "*"]] {
            assert_eq!(IpRule::read(open.iter().copied()), IpRule::Unrestricted, "{open:?}");
        }
        for strange in [&["203.0.113.7", ""][..], &["203.0.113.1-203.0.113.9"], &["203.0.113.256"], &["host.example"], &["10.0.0.0/33"]] {
            assert_eq!(IpRule::read(strange.iter().copied()), IpRule::Unknown, "{strange:?}");
        }
    }

    #[test]
    fn facts_are_stored_and_read_again_without_loss() {
        let mut facts = KeyFacts { expiry: Expiry::At(Timestamp(1_700_000_000_000_000)), ..KeyFacts::default() };
        facts.bind(IpRule::read(["203.0.113.0/24"]));
        facts.rights.set(Right::Trade, Tri::Yes);
        let text = serde_json::to_string(&facts).unwrap();
        assert!(text.contains(r#""only":["203.0.113.0/24"]"#) && text.contains(r#""trade":"yes""#), "{text}");
        assert_eq!(serde_json::from_str::<KeyFacts>(&text).unwrap(), facts);
        assert_eq!(facts.right(Right::Withdraw), Tri::Unknown, "what nobody spoke of");
    }
}
