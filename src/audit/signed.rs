//! Which entries carry an act that somebody signed with a security key: what whoever verifies the log without trusting us checks once more.

use super::event::{Event, SignedAct};

impl Event {
    /// The signed act in this entry, if its kind has one.
    pub fn signed(&self) -> Option<&SignedAct> {
        match self {
            Self::UserInvited { signed, .. }
            | Self::UserInvitedAgain { signed, .. }
            | Self::AddressChanged { signed, .. }
            | Self::BotsStarted { signed, .. }
            | Self::EnrolmentCodeMade { signed, .. }
            | Self::AgentConfirmed { signed, .. }
            | Self::AgentRevoked { signed, .. }
            | Self::KeyDeletionSigned { signed, .. }
            | Self::HoldReleased { signed, .. }
            | Self::CredentialRemoved { signed, .. }
            | Self::StopDevicesSet { signed, .. }
            | Self::DeviceLinkMade { signed, .. }
            | Self::LogRecovered { signed, .. }
            | Self::StagedStartBegun { signed, .. }
            | Self::RequestApproved { signed, .. }
            | Self::TokenCreated { signed, .. }
            | Self::WentUp { signed, .. } => Some(signed),
            Self::EmergencyChanged { signed, .. } | Self::EmergencyReviewed { signed, .. } => Some(signed),
            Self::RecoveryApproved { signed, .. } | Self::RecoveryLinkMade { signed, .. } | Self::RecoveryVetoed { signed, .. } => {
                Some(signed)
            }
            Self::UserEnabled { signed, .. } | Self::CredentialAdded { signed, .. } | Self::RecoveryAsked { signed, .. } => signed.as_ref(),
            Self::GrantsChanged { signed, .. } | Self::ChecklistMarked { signed, .. } => signed.as_ref(),
            Self::DrillBegun { signed, .. } => signed.as_ref(),
            Self::ActSigned { by, .. } => Some(by),
            _ => None,
        }
    }
}
