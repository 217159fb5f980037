//! x
pub mod boot_clock;
pub mod brain;
pub mod dir;
pub mod memory;
