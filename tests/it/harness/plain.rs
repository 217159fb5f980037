//! A bot and a hold that are plain in every respect: those of the unit tests, so that a new field has one place.

use andon::domain::{
    BotFacts, BotId, Epoch, Exits, Hold, HoldId, Level, Limits, PlacedBy, PlacerKind, Scope, Stage, TeamId, Timestamp, Timings, UserId,
};

#[path = "../../../src/domain/samples.rs"]
mod samples;

pub(crate) use samples::{bot, hold};
