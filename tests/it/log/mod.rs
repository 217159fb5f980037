//! The log watched from outside of its database: checkpoints, the tide mark, the sink, the freeze, and verification that finds what was planted.

mod commands;
pub mod copy;
mod freeze;
mod publish;
mod recover;
pub mod verify;
