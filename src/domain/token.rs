//! API tokens: what each is for.

use super::text::text_enum;

text_enum! {
    /// What an API token is for.
    TokenScope {
        /// Place holds and see how they go. Nothing else.
        Stop = "stop",
        /// Read bots, agents, holds.
        Read = "read",
        /// Read, and make teams and bots up to sandbox.
        Manage = "manage",
    }
}
