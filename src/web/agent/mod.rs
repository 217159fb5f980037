//! The agent protocol over HTTP: poll and stream. Bearer tokens of agents only; errors are problem details.
//! Nothing here decides what a bot may do: `app::check_in` does, and this room carries its answers.

pub mod bearer;
pub mod check_in;
pub mod directive;
pub mod enrol;
pub mod keys;
pub mod reports;
pub mod stream;
pub mod token;

pub use bearer::ByAgent;

use crate::app::check_in::{Unheard, VIEW_TOO_OLD};
use crate::app::sites::ANOTHER_SITES_COPY;
use crate::web::WebError;
use axum::http::StatusCode;

/// What an agent is told by a server that runs on another site's copy.
pub(super) const ANOTHER_SITE_SAID: &str =
    "This server runs on a copy of the installation's database. Nothing is renewed and nobody goes up here; go on as you are.";

/// An agent that gets no answer. A server that cannot see the truth says so and says nothing of the state: the lease runs on.
impl From<Unheard> for WebError {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::Replaced => Self::new(
                StatusCode::CONFLICT,
                "replaced",
                "Replaced",
                "Another boot of this agent has taken over. Halt the bot; a new boot begins with a new id.",
            ),
            Unheard::CredentialEnded => bearer::ended(),
            Unheard::AnotherSite => Self {
                retry_after: Some(1),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "another-site", ANOTHER_SITES_COPY, ANOTHER_SITE_SAID)
            },
            Unheard::ViewTooOld => Self {
                retry_after: Some(1),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "view-too-old",
                    VIEW_TOO_OLD,
                    "The server cannot read its database and does not answer from memory. Nothing is renewed; go on as you are and ask again.",
                )
            },
        }
    }
}
