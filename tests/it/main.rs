//! Tests against the whole program, on both databases. One binary; the files mirror the rooms and routes they look at.

mod architecture;
mod enrolment;
mod harness;
mod holds;
mod starts;
mod storage;
mod web;
