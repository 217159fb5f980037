//! Exchanges, as far as keys and stopping go: what a key is, which orders rest, cancel them, arm a switch, demote or delete a key. One trait,
//! one folder for each venue, one table of words and one of error codes in each. Pure library against HTTP: it knows no database, decides
//! nothing, keeps no secret, and asks no venue by itself.
//!
//! # Rules of reading
//! What is missing, unreadable or said in new words is unknown, and unknown is never no. A refusal by a known code is a finding. A 5xx or a lost
//! connection is unknown; of a write, *execution unknown*: read again. Nothing is tried twice here: whoever calls has the deadline.
//!
//! # Where do I put …
//! * a new venue → a folder with its table of words, its codes, its capability record; one line in `registry.rs`; a fake in `tests/it/venues`
//! * a new word of a venue → one line in its `inspect.rs`

mod binance;
mod bybit;
mod capability;
mod compare;
mod credential;
mod effort;
mod error;
mod evidence;
mod fact;
mod http;
mod kraken;
mod okx;
mod order;
mod read;
mod registry;
mod sign;
#[cfg(test)]
mod tests;
mod words;

pub use capability::{AdminKey, ArmScope, Arming, Capability, OwnWords, Seen};
pub use compare::{Difference, Weight, compare};
pub use credential::{Credential, SubKey};
pub use error::{Finding, FindingKind, VenueError};
pub use fact::{Expiry, Inspection, IpRule, KeyFacts, MeasuredBy, Right, Rights, Tri};
pub use order::{Armed, Balance, CancelScope, Cancelled, OpenOrder, Position, Side};
pub use registry::{Kind, Places, SetUpError, Venues};

use async_trait::async_trait;

/// An exchange in one environment.
///
/// Every call signs with the credential that it is given and with nothing else. Futures may be dropped; a write may then have been done.
#[async_trait]
pub trait Venue: Send + Sync + std::fmt::Debug {
    /// Which one.
    fn kind(&self) -> Kind;

    /// What it can show and do, here.
    fn capability(&self) -> Capability;

    /// Measures a key with itself.
    ///
    /// # Errors
    /// A finding when the venue refuses the key and says why; `Cannot` where no key can be measured; else `Unknown`, which approves nothing.
    async fn inspect_key(&self, with: &Credential) -> Result<Inspection, VenueError>;

    /// Measures a subaccount's key with one of the main account, without its secret. That the main account does not list it is `NotListed`.
    ///
    /// # Errors
    /// As `inspect_key`; findings other than `NotListed` and `Expired` are about the main account's key.
    async fn inspect_key_by_master(&self, _master: &Credential, _key: &SubKey) -> Result<Inspection, VenueError> {
        Err(VenueError::Cannot("a main account's key cannot show those of subaccounts at this venue"))
    }

    /// The venue's names for all keys of a subaccount, as the main account lists them. A list that can be read in part only is not answered.
    ///
    /// # Errors
    /// When it cannot be read whole; `Cannot` where the main account lists none.
    async fn sub_keys(&self, _master: &Credential, _subaccount: &str) -> Result<Vec<String>, VenueError> {
        Err(VenueError::Cannot("a main account's key cannot list those of subaccounts at this venue"))
    }

    /// Every order that rests, conditional ones too. A list that can be read in part only is not answered.
    ///
    /// # Errors
    /// When it cannot be read whole.
    async fn open_orders(&self, with: &Credential) -> Result<Vec<OpenOrder>, VenueError>;

    /// Every position that is not flat. Where there are none by nature, an empty list.
    ///
    /// # Errors
    /// When they cannot be read whole.
    async fn positions(&self, with: &Credential) -> Result<Vec<Position>, VenueError>;

    /// Everything that is not zero.
    ///
    /// # Errors
    /// When it cannot be read whole.
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError>;

    /// Tells the venue to cancel. Orders may rest for a while after it, and a live bot may place new ones: read back. One order that cannot be
    /// cancelled, and a list that can be read in part only, keep no other from being told.
    ///
    /// # Errors
    /// `Cannot` for entries alone where the venue cannot tell any; else the worst of what went wrong, although all others were told.
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError>;

    /// Arms the venue's dead man's switch with the window of the capability record, so that all is cancelled even if the next call fails. It
    /// fires once and closes; it is never renewed here. Conditional orders may stay: cancel those besides.
    ///
    /// # Errors
    /// `Cannot` where there is none that a server can use.
    async fn arm_cancel(&self, _with: &Credential) -> Result<Armed, VenueError> {
        Err(VenueError::Cannot("this venue has no dead man's switch that a server can use"))
    }

    /// Takes from a subaccount's key everything but reading. It can be undone. The venue took it; measure the key to prove it.
    ///
    /// # Errors
    /// `Cannot` where the venue lets nobody do so; findings are about the main account's key.
    async fn demote_key(&self, _admin: &Credential, _key: &SubKey) -> Result<(), VenueError> {
        Err(VenueError::Cannot("no key can be demoted through this venue's API"))
    }

    /// Deletes a subaccount's key, for good. The venue took it; that the main account lists it no more confirms it.
    ///
    /// # Errors
    /// As `demote_key`.
    async fn delete_key(&self, _admin: &Credential, _key: &SubKey) -> Result<(), VenueError> {
        Err(VenueError::Cannot("no key can be deleted through this venue's API"))
    }
}
