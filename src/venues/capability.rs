//! What a venue can show of a key and do with orders: the same record for every venue, so that pages and policies ask it instead of names.

use super::fact::Right;
use crate::domain::text::text_enum;
use serde::Serialize;

text_enum! {
    /// With whose key something can be seen.
    Seen {
        /// With nobody's: it is attested.
        Never = "never",
        /// With a key of the main account only.
        ByMaster = "by_master",
        /// With the key itself, and with one of the main account where that can be asked at all.
        ByKey = "by_key",
    }
}

text_enum! {
    /// What a dead man's switch cancels when it fires.
    ArmScope {
        /// Every order of the account. One bot per subaccount, or it hits neighbours.
        Account = "account",
        /// The orders of one symbol; it is armed for each that has some.
        Symbol = "symbol",
    }
}

/// Rights that venues with few words say nothing of.
pub(super) const SELDOM_SAID: &[Right] = &[
    Right::Borrow,
    Right::Deposit,
    Right::WithdrawAddresses,
    Right::KeyAdmin,
    Right::Export,
    Right::Earn,
    Right::P2p,
    Right::Pay,
    Right::Card,
    Right::Convert,
    Right::CopyTrade,
    Right::Social,
    Right::Affiliate,
    Right::Nft,
];

/// A dead man's switch. It cancels once and stops no new orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Arming {
    /// The window that it is armed with: the smallest that the venue takes and that leaves time for the calls beside it. Milliseconds.
    pub window_ms: i64,
    /// What it covers.
    pub scope: ArmScope,
    /// Whether it is known to cancel conditional orders too.
    pub covers_conditional: bool,
}

/// Which of a venue's own words for rights a key takes here: one word of each list within `to_…`, and none of `trade_refuses`. A venue has
/// words for markets, and a key that may trade in the wrong one is the wrong key although it may trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OwnWords {
    /// A key that watches or guards needs, of each, one: without it a list that must be read cannot be.
    pub to_read: &'static [&'static [&'static str]],
    /// A key that trades needs, of each, one. Venues write one right in several ways in several answers.
    pub to_trade: &'static [&'static [&'static str]],
    /// Words for trading elsewhere, which a key that trades here does not take.
    pub trade_refuses: &'static [&'static str],
}

impl OwnWords {
    /// Whatever words grant a right are good.
    pub const ANY: Self = Self { to_read: &[], to_trade: &[], trade_refuses: &[] };
}

/// What a key of the main account is that may change those of subaccounts: what its venue demands for that, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AdminKey {
    /// Rights that it takes, besides reading. Withdrawing is never one.
    pub takes: &'static [Right],
    /// Rights that cannot be taken from it, or of which the venue says nothing: no defect of it.
    pub comes_with: &'static [Right],
    /// The venue's own words, of which it has exactly one: more would be more than it needs. Empty: there are none to choose from.
    pub one_of: &'static [&'static str],
    /// The venue's own words that it does not take.
    pub refuses: &'static [&'static str],
    /// What the main account calls a subaccount by.
    pub calls_by: &'static str,
}

/// What a venue can do, in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// A key can be measured here at all.
    pub measures_keys: bool,
    /// The venue has a test environment in which keys can be measured.
    pub has_measuring_test: bool,
    /// A key of the main account can show those of subaccounts.
    pub inspects_by_master: bool,
    /// Rights.
    pub shows_rights: Seen,
    /// The list of addresses.
    pub shows_ips: Seen,
    /// When a key ends.
    pub shows_expiry: Seen,
    /// Which account a key belongs to.
    pub shows_subaccount: Seen,
    /// Rights that no answer of this venue speaks of, so that they stay unknown and are attested.
    pub cannot_tell: &'static [Right],
    /// Rights besides those that the main account is not told of either.
    pub cannot_tell_by_master: &'static [Right],
    /// Which of its own words a key takes.
    pub words: OwnWords,
    /// Rights that come with the right to trade and cannot be had without: a limit of the venue, no defect of a key.
    pub comes_with_trade: &'static [Right],
    /// Orders that would open or add can be told from protective ones.
    pub tells_entries: bool,
    /// All orders can be cancelled.
    pub cancels_all: bool,
    /// Conditional orders can be cancelled too.
    pub cancels_conditional: bool,
    /// A dead man's switch that the server can use.
    pub arms: Option<Arming>,
    /// A key can be demoted to reading: it can be undone.
    pub demotes: bool,
    /// A key can be deleted.
    pub deletes: bool,
    /// A key can have the right to cancel without that to trade.
    pub has_cancel_only_key: bool,
    /// What a key of the main account must have for demoting and deleting.
    pub admin_needs: &'static str,
    /// The same as it is compared; none: no key of a main account changes anything here.
    pub admin: Option<AdminKey>,
    /// What else somebody should know, a sentence each.
    pub notes: &'static [&'static str],
}
