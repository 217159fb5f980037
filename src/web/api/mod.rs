//! The API for programs: bearer tokens and nothing else (no cookies, so nothing that a page could be tricked into), JSON, errors as problem
//! details. Unknown fields are refused by name: a field that was misspelt must not turn into another stop than was meant.

pub mod caller;
pub mod listing;
pub mod once;
pub mod openapi;
pub mod v1;

pub use caller::ByToken;
pub use listing::Listing;
