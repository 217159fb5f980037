//! Tests against the whole program, on both databases. One binary; the files mirror the rooms and routes they look at.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access_matrix;
mod alerts;
// The driver of a real browser, and somebody new to Andon: those of the flows in it. Not all that they can is needed here.
mod architecture;
mod doctor;
mod drills;
#[path = "../browser/driver.rs"]
#[allow(dead_code, reason = "the flows in tests/browser use the rest")]
mod driver;
mod enrolment;
mod evidence;
mod exchange_keys;
mod faults;
mod fills;
mod first_run;
mod freqtrade;
mod golive;
mod harness;
mod holds;
mod keys;
mod limits;
mod log;
#[path = "../browser/newcomer.rs"]
#[allow(dead_code, reason = "the flows in tests/browser use the rest")]
mod newcomer;
mod notices;
mod proof;
mod races;
mod recovery;
mod register;
mod requests;
mod retention;
mod scopes;
mod secrets;
mod shell_agent;
mod staged;
mod starts;
mod stop_command;
mod storage;
mod vault;
mod venues;
mod web;
mod wire;
