//! API tokens: what each is for, and how long one may live.

use super::text::text_enum;

/// How many days a token lives, as its maker chooses.
pub const TOKEN_DAYS: [u32; 3] = [7, 30, 90];

text_enum! {
    /// What an API token is for.
    TokenScope {
        /// Place holds and see how they go. Nothing else.
        StopOnly = "stop-only",
        /// Read bots, agents, holds.
        Read = "read",
        /// Read and place holds, make bots and move them up to sandbox, tighten limits, ask for, change and deny requests: what whoever made it may
        /// do without a key in its one team.
        Operate = "operate",
        /// File a build for going live, as whoever made it asks for it. Nothing else.
        Build = "build",
    }
}

impl TokenScope {
    /// The word in the middle of the token itself, where only letters go.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::StopOnly => "stop",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Build => "build",
        }
    }
}
