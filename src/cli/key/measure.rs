//! How an agent asks venues what its bot's keys are: the venues of this program, in the words of the protocol.

use crate::agent::keys::Measurer;
use crate::domain::{ApiSecret, Clock, Environment};
use crate::protocol::KeyTold;
use crate::venues::{Places, Venue, VenueError, Venues};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// How long a venue may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the venues that this program speaks to.
struct ByVenues(Venues);

/// Who measures for an agent; none: no venue can be reached from here, which is told once.
pub fn measurer(clock: Clock) -> Option<Arc<dyn Measurer>> {
    match Venues::open(clock, &Places::Documented) {
        Ok(venues) => Some(Arc::new(ByVenues(venues))),
        Err(error) => {
            tracing::warn!("no exchange can be reached, so that the bot's keys are not measured from here: {error}");
            None
        }
    }
}

#[async_trait]
impl Measurer for ByVenues {
    async fn measure(&self, venue: &str, environment: Environment, secret: &ApiSecret) -> KeyTold {
        match self.0.venue_for(venue, environment).filter(|venue| venue.capability().measures_keys) {
            Some(venue) => told(&*venue, secret).await,
            None => KeyTold::Nothing { said: format!("{venue} cannot be asked what a key is") },
        }
    }
}

/// What a venue says of a key to itself.
pub(super) async fn told(venue: &dyn Venue, secret: &ApiSecret) -> KeyTold {
    let nothing = |said: String| KeyTold::Nothing { said };
    match tokio::time::timeout(PATIENCE, venue.inspect_key(&secret.into())).await {
        Ok(Ok(inspection)) => serde_json::to_value(&inspection).map_or_else(|error| nothing(error.to_string()), KeyTold::Facts),
        Ok(Err(VenueError::Finding(finding))) => KeyTold::Refused { finding: finding.kind.to_string(), said: finding.said },
        Ok(Err(error)) => nothing(error.to_string()),
        Err(_) => nothing("the venue did not answer within 15 s".to_owned()),
    }
}
