//! The command line: one file per command. This is where everything is put together.

pub mod agent;
