//! Version 1, one file per resource. Shapes are written out here, field by field: what a table or a domain type holds is not on the wire
//! until somebody puts it there.

pub mod agents;
pub mod alerts;
pub mod audit;
pub mod bots;
pub mod changes;
pub mod drills;
pub mod emergencies;
pub mod evidence;
pub mod fills;
pub mod golive;
pub mod holds;
pub mod keys;
pub mod limits;
pub mod overrides;
pub mod policies;
pub mod presses;
pub mod receipts;
pub mod requests;
pub mod subaccounts;
pub mod teams;
pub mod venue_changes;
pub mod venues;

use serde::Serialize;

/// Something that has a name.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name; empty when it is not known here.
    pub name: String,
}
