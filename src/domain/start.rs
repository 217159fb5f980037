//! What stands in the way of a start: a pure function of the bot's facts, the holds over it, what its agent said last and what it proved.
//! A start passes only when nothing does, asked again inside its transaction, so that a hold that committed first always wins (rulings H1, H2).

use super::{BotFacts, Epoch, Hold, Level, PlacerKind, Scope, Stage, StartLeaf, State, Step, directive::Cover, directive::latest_stop};

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

/// What the agent of a bot said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWord {
    /// How long ago, milliseconds.
    pub age_ms: i64,
    /// The limits version it enforces.
    pub limits_version: Option<i64>,
    /// Only a start above this counts for it.
    pub start_after: Option<Epoch>,
    /// Digest of the build.
    pub build: Option<String>,
    /// Digest of the configuration.
    pub config: Option<String>,
    /// What its bot does.
    pub state: Option<State>,
    /// It says that it has seen more than the server knows.
    pub is_ahead: bool,
}

/// The agent of a bot, as far as a start depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// A person has compared its fingerprint.
    pub confirmed: bool,
    /// What it said last; none: nothing yet.
    pub word: Option<LastWord>,
    /// How far it acknowledged the bot's last stop, saying that the bot is halted.
    pub proved: Option<Step>,
}

/// How far a stop was proved by acknowledgements: each an epoch, a step, and what the bot did then.
pub fn proved(stop: Epoch, acks: impl IntoIterator<Item = (Epoch, Step, Option<State>)>) -> Option<Step> {
    let counts = |(epoch, _, state): &(Epoch, Step, Option<State>)| *epoch >= stop && *state == Some(State::Halted);
    acks.into_iter().filter(counts).map(|(_, step, _)| step).max()
}

impl Obstacle {
    /// One that no look at the venue clears.
    pub fn new(what: impl Into<String>, who: &'static str) -> Self {
        Self { what: what.into(), who, venue_can_tell: false }
    }
}

fn obstacle(what: impl Into<String>, who: &'static str) -> Obstacle {
    Obstacle::new(what, who)
}

/// Every reason why a bot cannot be started under this leaf, first the holds in the order of the cover. Empty: it can. `agent` is none when the
/// bot has none.
pub fn obstacles(bot: &BotFacts, cover: &Cover<'_>, leaf: &StartLeaf, agent: Option<&Beside>) -> Vec<Obstacle> {
    let mut open: Vec<Obstacle> =
        cover.open.iter().filter(|hold| stands_in_the_way(hold)).map(|hold| held(hold, hold.scope.kind())).collect();
    if matches!(bot.stage, Stage::Draft | Stage::Retired) {
        open.push(obstacle(format!("its stage is {}", bot.stage), "an operator of its team moves it to sandbox"));
    }
    let stop = latest_stop(bot, cover);
    if bot.start_epoch > stop && open.is_empty() {
        return vec![obstacle("it is started already", "nobody needs to")];
    }
    if leaf.after_epoch < stop {
        open.push(obstacle("it was stopped again since this was prepared", "prepare the start again"));
    }
    let Some(agent) = agent else {
        open.push(obstacle("it has no agent", "an operator of its team enrols one"));
        return open;
    };
    if !agent.confirmed {
        open.push(obstacle("its agent's fingerprint is not confirmed", "an operator of its team compares and confirms it"));
    }
    match &agent.word {
        Some(word) if word.age_ms <= bot.timings.stale_after_ms => open.extend(from_word(bot, leaf, word)),
        _ => open.push(obstacle("its agent is not connected", "whoever runs its host")),
    }
    open.extend(unproved(leaf, agent.proved));
    open
}

fn from_word(bot: &BotFacts, leaf: &StartLeaf, word: &LastWord) -> Vec<Obstacle> {
    let mut open = Vec::new();
    if word.limits_version.unwrap_or(0) != bot.limits.version {
        open.push(obstacle(format!("its agent has not taken over limits version {}", bot.limits.version), "wait for the agent"));
    }
    if word.start_after.is_some_and(|after| after > leaf.after_epoch) {
        let who = "wait for its next check-in, then prepare again";
        open.push(obstacle("its agent remembers a later stop than the server does", who));
    }
    if word.is_ahead {
        let who = "wait for its next check-in; after a restore two people recover the site: andon recover";
        open.push(obstacle("its agent says that the server is behind", who));
    }
    if word.build != leaf.build || word.config != leaf.config {
        open.push(obstacle("what it runs changed since this was prepared", "prepare the start again"));
    }
    if word.state != Some(State::Halted) {
        open.push(obstacle("its agent does not say that it is halted", "wait for the agent"));
    }
    open
}

/// Ruling H2: the last stop must be acknowledged as applied and idle, or the signer has looked at the venue.
fn unproved(leaf: &StartLeaf, proved: Option<Step>) -> Option<Obstacle> {
    if proved < Some(Step::Applied) {
        return Some(obstacle("its last stop is not acknowledged as applied", "wait for the agent"));
    }
    (proved < Some(Step::Idle) && leaf.orders_checked.is_none()).then(|| Obstacle {
        what: "its agent cannot tell whether entry orders rest at the venue".into(),
        who: "the signer looks at the venue and says so",
        venue_can_tell: true,
    })
}

/// True for a hold under which nothing starts.
pub fn stands_in_the_way(hold: &Hold) -> bool {
    hold.level >= Level::Pause
}

/// That a hold stands in the way, with words for what it covers.
pub fn held(hold: &Hold, covers: &str) -> Obstacle {
    obstacle(format!("a {} of {covers} by {} covers it", hold.level, hold.placed_by.name), who_releases(hold))
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
