//! What stands in the way of a start. Each obstacle says who can clear it; a start passes only when there is none, compared again inside its
//! transaction, so that a hold that committed first always wins (rulings H1, H2).

use super::{App, AppError, receipts};
use crate::domain::{BotFacts, Hold, Level, PlacerKind, Scope, Stage, StartLeaf, State, Step, directive::latest_stop};
use crate::fleet::{AckSeen, View};
use crate::storage::{self, Conn};

/// One open reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What stands in the way.
    pub what: String,
    /// Who can clear it.
    pub who: &'static str,
    /// True when the signer may look at the venue instead.
    pub venue_can_tell: bool,
}

fn obstacle(what: impl Into<String>, who: &'static str) -> Obstacle {
    Obstacle { what: what.into(), who, venue_can_tell: false }
}

impl App {
    /// What a signer would sign for a bot now. `after_epoch` is the bot's own epoch: at least that of its latest stop, and at least whatever
    /// its agent can have taken for one, since an agent counts every halted directive as a stop.
    pub fn start_leaf(&self, view: &View, bot: &BotFacts, checked_at_venue: bool) -> StartLeaf {
        let seen = self.book.seen(&bot.id);
        StartLeaf {
            bot: bot.id.clone(),
            after_epoch: view.directive(bot).epoch,
            build: seen.as_ref().and_then(|s| s.build.clone()),
            config: seen.as_ref().and_then(|s| s.config.clone()),
            limits_version: bot.limits.version,
            key_versions: std::collections::BTreeMap::new(),
            orders_checked: checked_at_venue.then(|| "venue".to_owned()),
        }
    }

    /// Every reason why a bot cannot be started under this leaf. Empty: it can.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn start_obstacles(&self, conn: &mut Conn, view: &View, bot: &BotFacts, leaf: &StartLeaf) -> Result<Vec<Obstacle>, AppError> {
        let cover = view.cover(bot);
        let now = self.clock.now();
        let mut open: Vec<Obstacle> = cover.open.iter().filter(|hold| hold.level >= Level::Pause).map(|hold| held(hold)).collect();
        if self.site.is_foreign() {
            open.push(obstacle("this server runs on another site's copy", "two people take the site over: andon recover --take-over"));
        }
        if matches!(bot.stage, Stage::Draft | Stage::Retired) {
            open.push(obstacle(format!("its stage is {}", bot.stage), "an operator of its team moves it to sandbox"));
        }
        let stop = latest_stop(bot, &cover);
        if bot.start_epoch > stop && open.is_empty() {
            return Ok(vec![obstacle("it is started already", "nobody needs to")]);
        }
        if leaf.after_epoch < stop {
            open.push(obstacle("it was stopped again since this was prepared", "prepare the start again"));
        }
        let Some(agent) = self.agents().of_bot(&bot.id) else {
            open.push(obstacle("it has no agent", "an operator of its team enrols one"));
            return Ok(open);
        };
        if !agent.confirmed {
            open.push(obstacle("its agent's fingerprint is not confirmed", "an operator of its team compares and confirms it"));
        }
        let seen = self.book.seen(&bot.id).filter(|seen| seen.agent == agent.id);
        match &seen {
            Some(seen) if now.ms_since(seen.at) <= bot.timings.stale_after_ms => {
                if seen.limits_version.unwrap_or(0) != bot.limits.version {
                    open.push(obstacle(
                        format!("its agent has not taken over limits version {}", bot.limits.version),
                        "wait for the agent",
                    ));
                }
                if seen.start_after.is_some_and(|after| after > leaf.after_epoch) {
                    open.push(obstacle(
                        "its agent remembers a later stop than the server does",
                        "wait for its next check-in, then prepare again",
                    ));
                }
                if seen.ahead {
                    open.push(obstacle(
                        "its agent says that the server is behind",
                        "wait for its next check-in; after a restore two people recover the site: andon recover",
                    ));
                }
                if seen.build != leaf.build || seen.config != leaf.config {
                    open.push(obstacle("what it runs changed since this was prepared", "prepare the start again"));
                }
                if seen.state != Some(State::Halted) {
                    open.push(obstacle("its agent does not say that it is halted", "wait for the agent"));
                }
            }
            _ => open.push(obstacle("its agent is not connected", "whoever runs its host")),
        }
        open.extend(self.unproved(conn, bot, leaf, stop).await?);
        Ok(open)
    }

    /// Ruling H2: the last stop must be acknowledged as applied and idle, or the signer has looked at the venue.
    async fn unproved(
        &self,
        conn: &mut Conn,
        bot: &BotFacts,
        leaf: &StartLeaf,
        stop: crate::domain::Epoch,
    ) -> Result<Option<Obstacle>, AppError> {
        let stored = storage::acks::ack_of_bot(conn, &bot.id, stop).await?.into_iter().map(receipts::seen);
        let acks: Vec<AckSeen> = stored.chain(self.book.acks_since(&bot.id, stop)).collect();
        let proved = |step: Step| acks.iter().any(|a| a.epoch >= stop && a.step >= step && a.state == Some(State::Halted));
        if !proved(Step::Applied) {
            return Ok(Some(obstacle("its last stop is not acknowledged as applied", "wait for the agent")));
        }
        if !proved(Step::Idle) && leaf.orders_checked.is_none() {
            return Ok(Some(Obstacle {
                what: "its agent cannot tell whether entry orders rest at the venue".into(),
                who: "the signer looks at the venue and says so",
                venue_can_tell: true,
            }));
        }
        Ok(None)
    }
}

fn held(hold: &Hold) -> Obstacle {
    obstacle(format!("a {} on {} by {} covers it", hold.level, hold.scope.kind(), hold.placed_by.name), who_releases(hold))
}

/// Who may end a hold, in words (ruling C7).
pub fn who_releases(hold: &Hold) -> &'static str {
    let of_one = matches!(hold.scope, Scope::Bot(_)) && hold.level < Level::Kill;
    match hold.placed_by.kind {
        _ if of_one && hold.placed_by.as_risk => "two release it: one of the bot's team and one who holds risk, since risk placed it",
        PlacerKind::Trigger if of_one => {
            "an operator or lead of the bot's team releases it, and another operator of the team, a lead or risk signs too"
        }
        _ if of_one => "an operator or lead of the bot's team releases it",
        _ if hold.placed_by.as_risk => {
            "two release it: a lead of a covered team or risk, and another lead or risk; one holds risk, since risk placed it"
        }
        _ => "two release it: a lead of a covered team or risk, and another lead or risk",
    }
}
