//! How far a stop has come at one bot. Steps only move forward; each one needs its own evidence.

use super::text::text_enum;

text_enum! {
    /// A step of a receipt.
    Step {
        /// Pressed, and known here.
        Requested = "requested",
        /// The agent has it.
        Received = "received",
        /// The bot was told and said so.
        Applied = "applied",
        /// The bot reports no entry orders.
        Idle = "idle",
        /// Read back at the venue.
        Verified = "verified",
    }
}
