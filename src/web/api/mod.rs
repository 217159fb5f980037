//! The API for programs: bearer tokens, JSON, errors as problem details.

pub mod v1;
