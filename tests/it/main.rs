//! The one integration-test binary: its modules mirror the rooms of `src`.
