//! What the terminal says once the demo's fleet trades.

use super::people::Staff;
use crate::app::App;
use crate::cli::Failure;
use crate::cli::out::tell;
use crate::config::Origin;
use std::{path::Path, sync::Arc};

/// Prints the sign-in links and what to try first.
pub async fn greet(app: &Arc<App>, origin: &Origin, staff: &Staff, control: &Path) -> Result<(), Failure> {
    tell!("\nReady at {}. Open one of these in a browser; each signs somebody in:\n", origin.url());
    for (role, name, user) in &staff.people {
        tell!("  {role:<9} {name:<13} {}", app.demo_link(user).await?.expose());
    }
    tell!("\nTry: press Pause… twice as the operator and watch the receipt; one bot never acknowledges.");
    tell!("Then prepare its release and sign it with the demo key; another person must sign too.");
    tell!("From another terminal: andon stop --all --control {}", control.display());
    tell!("Ctrl-C ends the demo and throws everything away.");
    Ok(())
}
