//! The ground of every bench: an installation of any size, the real server as a process of its own, a crowd of agents, and the floor that
//! the server is held against. Nothing here is a test: figures are printed, and only what makes them meaningless panics.

#![allow(dead_code, reason = "each bench uses a part")]

pub mod bare;
pub mod broker;
pub mod crowd;
pub mod disk;
pub mod figures;
pub mod floor;
pub mod register;
pub mod rush;
pub mod server;
pub mod site;
pub mod stored;
pub mod syncs;
