//! Tests against the whole program, on both databases. One binary; the files mirror the rooms and routes they look at.

mod architecture;
mod harness;
mod holds;
mod storage;
mod web;
