//! Flows in a real browser against the real program: Chromium by WebDriver, security keys by its virtual authenticator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail anywhere")]

mod demo;
mod driver;
mod exchange_keys;
mod first_run;
mod keys;
mod newcomer;
mod program;
mod recovery;
mod sessions;
mod stop_device;
