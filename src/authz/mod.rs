//! Who may do what: actors, actions, resources, ONE policy table, and the permit that proves a check passed.
//! Deny by default. No I/O: what a person may do is read from the grants that came with the actor.

pub mod actor;
pub mod policy;

pub use actor::Actor;
pub use policy::{
    Action, Denied, Permit, Resource, check, may_give_token, may_keep_token, may_release_together, sees_team, to_give, token_works,
};
