//! A bot and a hold for unit tests, plain in every respect; a test says what is special about its own.

use super::{
    BotFacts, BotId, Epoch, Exits, Hold, HoldId, Level, Limits, PlacedBy, PlacerKind, Scope, Stage, TeamId, Timestamp, Timings, UserId,
};

/// A bot in sandbox that was never started.
pub(crate) fn bot() -> BotFacts {
    BotFacts {
        id: BotId::new(),
        name: "grid".into(),
        team: TeamId::new(),
        strategy: "grid".into(),
        seat: None,
        owner: UserId::new(),
        stage: Stage::Sandbox,
        exits: Exits::Managed,
        timings: Timings::default(),
        limits: Limits::default(),
        limits_waiting: false,
        limits_at: Timestamp(0),
        start_epoch: Epoch(0),
        run: None,
        stop: None,
        fact_epoch: Epoch(1),
    }
}

/// An open hold that the host placed.
pub(crate) fn hold(scope: Scope, level: Level, epoch: i64) -> Hold {
    Hold {
        id: HoldId::new(),
        scope,
        level,
        why: String::new(),
        placed_by: PlacedBy { kind: PlacerKind::Host, id: "0".into(), name: "host".into(), as_risk: false },
        at: Timestamp(0),
        epoch: Epoch(epoch),
        released: None,
        late: false,
        idempotency_key: String::new(),
        origin: None,
        entry: None,
        not_before: None,
        press: None,
    }
}
