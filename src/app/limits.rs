//! Limits: set on a level, installation, team, bot or symbol. Tightening: one person, at once. A tightening reaches the agent with the next
//! directive; until it has taken the version over, the bot only reduces, and one that is heard and does not take it over is stopped (ruling
//! C10, `workers/limits.rs`). What is set on a level above bots is made true of each by `limit_spread`.

use super::{App, AppError, Invalid, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    ApprovedRun, BotFacts, BotId, Decimal, Epoch, RequestId, Stage, TeamId, Timestamp, Timings,
    limits::{LAPSE, Limits, Node, NotTighter, STALE, Setting, tree},
    text,
};
use crate::storage::{self, Lane};
pub use crate::storage::{bots::LimitsRow, limits::NodeRow};
use std::sync::Arc;

use super::limit_book::Tree;

/// How many bots one transaction halves, so that it stays short.
const CHUNK: usize = 25;
/// The reason written down for a press of *Tighten by half*.
const BY_HALF: &str = "tightened by half";
/// The field of a form that says by when somebody is to look at a level again.
pub const REVIEW_BY: &str = "review_by";
const NO_DAY: &str = "The day of the next review is a day to come, for example 2027-03-31";

/// What *Tighten by half* did to a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halved {
    /// Bots whose limits are tighter now.
    pub bots: usize,
    /// Bots left as they are: their limits were changed since they were seen.
    pub meanwhile: usize,
    /// Bots that could not be written: they stay as they are until it is pressed again.
    pub failed: Vec<BotId>,
}

/// What is set on a level.
pub(crate) struct Set<'a> {
    /// Which.
    pub(crate) node: &'a Node,
    /// What holds there from now on; its version is the next one.
    pub(crate) next: Limits,
    /// Why.
    pub(crate) why: &'a str,
    /// By when somebody is to look at it again.
    pub(crate) review_by: Option<Timestamp>,
    /// The request by which it is loosened.
    pub(crate) request: Option<RequestId>,
    /// Whose doing it is, as the log names them.
    pub(crate) by: String,
}

impl App {
    /// What a level is to the policy table.
    ///
    /// # Errors
    /// `NotFound` for a team or bot that is not there.
    pub fn limits_resource(&self, node: &Node) -> Result<Resource, AppError> {
        match node {
            Node::Installation => Ok(Resource::Installation),
            Node::Team(team) => {
                self.people_book.team_name(team).ok_or(AppError::NotFound("team"))?;
                Ok(Resource::Team(team.clone()))
            }
            Node::Bot(bot) | Node::Symbol(bot, _) => Ok(Self::bot_resource(self.fleet.view().bot(bot).ok_or(AppError::NotFound("bot"))?)),
        }
    }

    /// A level in words: `the installation`, `team arb`, `bot grid-07`, `BTC/USDT of bot grid-07`.
    pub fn limits_words(&self, node: &Node) -> String {
        let bot = |id: &BotId| self.fleet.view().bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
        match node {
            Node::Installation => "the installation".to_owned(),
            Node::Team(team) => format!("team {}", self.people_book.team_name(team).unwrap_or_else(|| team.to_string())),
            Node::Bot(id) => format!("bot {}", bot(id)),
            Node::Symbol(id, symbol) => format!("{symbol} of bot {}", bot(id)),
        }
    }

    /// Sets tighter limits of a bot, given as names and texts; an empty text leaves what stands.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what cannot be or would loosen; `Conflict` when nothing changes.
    pub async fn tighten_limits(&self, actor: &Actor, id: &BotId, asked: &[(String, String)], why: &str) -> Result<(), AppError> {
        self.tighten(actor, &Node::Bot(id.clone()), asked, why).await
    }

    /// The same of any level. `review_by` among the names is a day; with a reason and nothing else it says that somebody has looked.
    ///
    /// # Errors
    /// As above.
    pub async fn tighten(&self, actor: &Actor, node: &Node, asked: &[(String, String)], why: &str) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::TightenLimits, &self.limits_resource(node)?)?;
        let mut invalid = Invalid::default();
        let why = invalid.check("why", "The reason", text::why(why)).unwrap_or_default();
        let review_by = review_by(asked, &mut invalid);
        if !invalid.0.is_empty() {
            return Err(invalid.into());
        }
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let stands = storage::limits::node_one(act.tx(), node).await?;
        let limits = stands.as_ref().map(|row| Limits { version: row.version, values: row.values.clone() }).unwrap_or_default();
        let typed = asked.iter().filter(|(name, _)| node.has(name)).map(|(name, text)| (name.as_str(), text.as_str()));
        let mut next = limits.tightened(typed).map_err(invalid_of)?;
        self.check_currency(node, &next)?;
        self.check_first_symbols(&mut act, node, (&limits, &next)).await?;
        let is_reviewed = review_by.is_some() && review_by != stands.as_ref().and_then(|row| row.review_by);
        if is_reviewed && review_by.is_some_and(|day| day <= act.now()) {
            return Err(Invalid::one(REVIEW_BY, NO_DAY).into());
        }
        if next == limits && !is_reviewed {
            return Err(AppError::conflict("these are its limits already; nothing was changed"));
        }
        next.version = limits.version + 1;
        let by = crate::audit::Actor::from(act.actor()).text();
        let review_by = review_by.or_else(|| stands.and_then(|row| row.review_by));
        let event = self.set_limits(&mut act, epoch, Set { node, next, why: &why, review_by, request: None, by }).await?;
        failpoint!("limits:before_commit");
        act.commit(event).await?;
        failpoint!("limits:committed");
        Ok(())
    }

    /// One currency on each path: a limit in another one bounds nothing that can be compared.
    pub(crate) fn check_currency(&self, node: &Node, next: &Limits) -> Result<(), AppError> {
        let Some(currency) = next.plain("currency") else { return Ok(()) };
        let view = self.fleet.view();
        let team_of = |node: &Node| match node {
            Node::Team(team) => Some(team.clone()),
            other => other.bot().and_then(|bot| view.bot(bot)).map(|bot| bot.team.clone()),
        };
        let is_related = |other: &Node| match (node, other) {
            (Node::Installation, _) | (_, Node::Installation) => true,
            (Node::Team(_), _) | (_, Node::Team(_)) => team_of(node) == team_of(other),
            _ => node.bot() == other.bot(),
        };
        let tree = self.limit_book.tree();
        let other = tree.all().find(|row| {
            let named = row.values.get("currency").and_then(serde_json::Value::as_str);
            row.node != *node && is_related(&row.node) && named.is_some_and(|named| named != currency)
        });
        match other {
            None => Ok(()),
            Some(row) => {
                let why = format!("Another currency holds for {}; one path has one currency", self.limits_words(&row.node));
                Err(Invalid::one("currency", why).into())
            }
        }
    }

    /// A bot in stage limited has nothing above what that stage may have, whoever would approve it.
    pub(crate) fn check_caps(&self, node: &Node, next: &Limits) -> Result<(), AppError> {
        let view = self.fleet.view();
        let run = node.bot().and_then(|bot| view.bot(bot)).filter(|bot| bot.stage == Stage::Limited).and_then(|bot| bot.run.clone());
        let Some(caps) = run.and_then(|run| run.dossier.caps.clone()) else { return Ok(()) };
        for (name, most) in [("max_position_notional", caps.position), ("max_daily_loss", caps.daily_loss)] {
            let is_over = next.plain(name).and_then(|value| Decimal::parse(&value)).is_some_and(|value| value > most);
            if is_over {
                let why = format!("In stage limited {} is the most, whatever is approved; let the bot go live first", most.shortest());
                return Err(Invalid::one(name, why).into());
            }
        }
        Ok(())
    }

    /// Above sandbox a missing list refuses every symbol, so that the first list allows something.
    async fn check_first_symbols(&self, act: &mut Act<'_>, node: &Node, (before, after): (&Limits, &Limits)) -> Result<(), AppError> {
        const NAME: &str = "allowed_symbols";
        let (None, Some(_)) = (before.values.get(NAME), after.values.get(NAME)) else { return Ok(()) };
        let view = self.view_in(act.tx()).await?;
        let is_below = |bot: &BotFacts| match node {
            Node::Installation => true,
            Node::Team(team) => bot.team == *team,
            other => other.bot() == Some(&bot.id),
        };
        let is_first = |bot: &BotFacts| matches!(bot.stage, Stage::Limited | Stage::Live) && !bot.limits.values.contains_key(NAME);
        if view.bots().any(|bot| is_below(bot) && is_first(bot)) {
            return Err(
                Invalid::one(NAME, "Symbols: none is allowed until somebody lists some, which takes a request of two people").into()
            );
        }
        Ok(())
    }

    /// Writes a version of a level; of a bot's own level what holds for the bot follows at once. Answers with the entry.
    pub(crate) async fn set_limits(&self, act: &mut Act<'_>, epoch: Epoch, set: Set<'_>) -> Result<Event, AppError> {
        let row = NodeRow {
            node: set.node.clone(),
            version: set.next.version,
            epoch,
            values: set.next.values,
            why: set.why.to_owned(),
            set_by: set.by,
            set_at: act.now(),
            review_by: set.review_by,
            request_id: set.request,
        };
        if row.request_id.is_none() {
            self.end_overrides_of(act, &row).await?;
        }
        storage::limits::node_save(act.tx(), &row).await?;
        let holds = match row.node.bot() {
            Some(bot) => {
                let bot = storage::bots::bot_by_id(act.tx(), bot).await?.ok_or(AppError::NotFound("bot"))?;
                self.settle_limits(act, epoch, &bot, Some((&row.why, &row.set_by))).await?
            }
            None => None,
        };
        Ok(Event::LimitsSet {
            level: row.node.in_one(),
            version: row.version,
            values: serde_json::Value::Object(row.values).to_string(),
            why: row.why,
            review_by_us: row.review_by.map(|at| at.0),
            request: row.request_id,
            bot: row.node.bot().cloned(),
            team: if let Node::Team(team) = &row.node { Some(team.clone()) } else { None },
            holds,
        })
    }

    /// A tightening wins over exceptions of before: those of a bot whose positions are bounded more tightly now end with it.
    async fn end_overrides_of(&self, act: &mut Act<'_>, row: &NodeRow) -> Result<(), AppError> {
        const NAME: &str = "max_position_notional";
        let (Some(bot), Some(next)) = (row.node.bot(), row.values.get(NAME)) else { return Ok(()) };
        let before = storage::limits::node_one(act.tx(), &row.node).await?;
        if before.is_some_and(|before| before.values.get(NAME) == Some(next)) {
            return Ok(());
        }
        let (now, by) = (act.now(), crate::audit::Actor::from(act.actor()).text());
        for open in storage::limit_overrides::override_open_of(act.tx(), bot).await? {
            if matches!(&row.node, Node::Symbol(_, symbol) if symbol.as_str() != open.symbol) {
                continue;
            }
            if storage::limit_overrides::override_end(act.tx(), &open.request_id, now, &by).await? {
                let (symbol, request, why) = (open.symbol, open.request_id, "tighter limits were set".to_owned());
                act.record(Event::LimitsOverrideEnded { bot: bot.clone(), symbol, request, why, holds: None }).await?;
            }
        }
        Ok(())
    }

    /// Keeps what held for a bot that came below other levels, as its own limits, where anything would be looser there: what loosens takes a
    /// request. Answers with the entry; none: nothing is looser.
    pub(crate) async fn keep_limits(&self, act: &mut Act<'_>, epoch: Epoch, bot: &BotFacts) -> Result<Option<Event>, AppError> {
        let rows = storage::limits::node_around(act.tx(), &bot.team, &bot.id).await?;
        let tree = Tree::of(rows, Vec::new());
        let (held, holds) = (&bot.limits.values, tree.path(bot, |path| path.effective()));
        if !tree::is_tighter(&holds, held) {
            return Ok(None);
        }
        let own = Node::Bot(bot.id.clone());
        let mut next = tree.limits(&own);
        next.version += 1;
        next.values.extend(held.iter().filter(|(name, _)| own.has(name)).map(|(name, value)| (name.clone(), value.clone())));
        let review_by = tree.node(&own).and_then(|row| row.review_by);
        let by = crate::audit::Actor::from(act.actor()).text();
        let why = "kept when it moved to another team, whose limits are looser";
        self.set_limits(act, epoch, Set { node: &own, next, why, review_by, request: None, by }).await.map(Some)
    }

    /// Makes what holds for a bot what its levels say, as this transaction sees them. Answers with the version that holds from now on; none:
    /// nothing changed. `cause`: why and by whom; none: as the newest level says.
    pub(crate) async fn settle_limits(
        &self,
        act: &mut Act<'_>,
        epoch: Epoch,
        bot: &BotFacts,
        cause: Option<(&str, &str)>,
    ) -> Result<Option<i64>, AppError> {
        let rows = storage::limits::node_around(act.tx(), &bot.team, &bot.id).await?;
        let now = act.now();
        let mut overrides = storage::limit_overrides::override_open_of(act.tx(), &bot.id).await?;
        overrides.retain(|row| row.until_at > now);
        let tree = Tree::of(rows, overrides);
        let values = tree.path(bot, |path| path.effective());
        if values == bot.limits.values {
            return Ok(None);
        }
        let newest = tree.all().max_by_key(|row| row.epoch).filter(|_| cause.is_none());
        let (why, set_by) = match (cause, newest) {
            (Some((why, by)), _) => (why.to_owned(), by.to_owned()),
            (None, Some(row)) => (format!("by {}: {}", self.limits_words(&row.node), row.why), row.set_by.clone()),
            (None, None) => ("no level has limits any more".to_owned(), "server:".to_owned()),
        };
        let version = bot.limits.version + 1;
        let limits = serde_json::Value::Object(values.clone()).to_string();
        let row = LimitsRow { bot_id: bot.id.clone(), version, epoch, limits, why, set_by, set_at: act.now() };
        // Nobody waits for the acknowledgement of what only loosens (ruling C10); what is waited for already still is.
        let waits = bot.limits_waiting || tree::is_tighter(&bot.limits.values, &values);
        storage::bots::bot_set_limits(act.tx(), &row, waits).await?;
        // What loosens them was approved by a request of its own, which adds to what was approved when the bot went up.
        if let Some(run) = bot.run.as_ref().filter(|run| tree::is_tighter(&values, &run.limits)) {
            let run = ApprovedRun { limits: values.clone(), ..ApprovedRun::clone(run) };
            storage::bots::bot_set_run(act.tx(), &bot.id, &run, epoch).await?;
        }
        let usual = Timings::default();
        let lease =
            |name: &str, now: i64, usual: i64| match (values.get(name).and_then(serde_json::Value::as_i64), bot.limits.values.get(name)) {
                (Some(set), _) => set,
                (None, Some(_)) => usual,
                (None, None) => now,
            };
        let stale = lease(STALE, bot.timings.stale_after_ms, usual.stale_after_ms);
        let lapse = lease(LAPSE, bot.timings.lapse_after_ms, usual.lapse_after_ms);
        // A bot that is halted adds nothing.
        let stale = stale.min(lapse);
        if (stale, lapse) != (bot.timings.stale_after_ms, bot.timings.lapse_after_ms) {
            storage::bots::bot_set_lease(act.tx(), &bot.id, stale, lapse).await?;
        }
        Ok(Some(version))
    }

    /// Halves whatever bounds a size. `seen` is the version that whoever pressed saw: what was tightened meanwhile is not tightened twice.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when no such limit is set, or another version stands by now.
    pub async fn halve_limits(&self, actor: &Actor, id: &BotId, seen: i64) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::TightenLimits, &Self::bot_resource(&bot))?;
        self.halve(permit, id, seen).await
    }

    /// The same for the bots of a team that whoever pressed saw, each with the version of its limits then. From here on it runs in a task of its own:
    /// a browser that goes away leaves no half of the team as it was. Some bots to a transaction, so that a stop waits for a short one at most; one
    /// that cannot be written keeps none of the others from it, and the same press sent again halves only what it has not halved.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when no bot was to be halved; when the database took none of them.
    pub async fn halve_limits_of_team(self: &Arc<Self>, actor: &Actor, team: &TeamId, seen: &[(BotId, i64)]) -> Result<Halved, AppError> {
        self.people_book.team_name(team).ok_or(AppError::NotFound("team"))?;
        let permit = authz::check(actor, Action::TightenLimits, &Resource::Team(team.clone()))?;
        let (app, team, seen) = (self.clone(), team.clone(), seen.to_vec());
        tokio::spawn(async move { app.halve_all(&permit, &team, seen).await }).await.map_err(AppError::internal)?
    }

    async fn halve_all(&self, permit: &Permit, team: &TeamId, seen: Vec<(BotId, i64)>) -> Result<Halved, AppError> {
        let view = self.fleet.view();
        let asked = seen.len();
        let here: Vec<(BotId, i64)> = seen.into_iter().filter(|(id, _)| view.bot(id).is_some_and(|bot| bot.team == *team)).collect();
        let mut halved = Halved { bots: 0, meanwhile: asked - here.len(), failed: Vec::new() };
        let mut last = None;
        for some in here.chunks(CHUNK) {
            if self.halve_some(permit, some, &mut halved).await.is_ok() {
                continue;
            }
            // One of them, or the database: each alone, so that it is the only one that stays as it was.
            for one in some {
                if let Err(error) = self.halve_some(permit, std::slice::from_ref(one), &mut halved).await {
                    tracing::warn!(bot = %one.0, error = &error as &dyn std::error::Error, "limits could not be halved");
                    halved.failed.push(one.0.clone());
                    last = Some(error);
                }
            }
        }
        match (halved.bots, halved.meanwhile, last) {
            (0, _, Some(error)) => Err(error),
            (0, 0, None) => Err(AppError::conflict("no bot of this team has limits that could be halved")),
            (0, _, None) => {
                Err(AppError::conflict("the limits of its bots were changed since this page was drawn; nothing was halved again"))
            }
            _ => Ok(halved),
        }
    }

    /// One transaction: all of these or none.
    async fn halve_some(&self, permit: &Permit, some: &[(BotId, i64)], all: &mut Halved) -> Result<(), AppError> {
        let mut act = self.begin(permit.clone(), Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let (mut bots, mut meanwhile) = (0, 0);
        for (id, version) in some {
            match self.halve_in(&mut act, epoch, (id, *version)).await {
                Ok(events) => {
                    for event in events {
                        act.record(event).await?;
                    }
                    bots += 1;
                }
                Err(AppError::Conflict(_)) => meanwhile += 1,
                Err(error) => return Err(error),
            }
        }
        if bots > 0 {
            act.finish().await?;
        }
        (all.bots, all.meanwhile) = (all.bots + bots, all.meanwhile + meanwhile);
        Ok(())
    }

    async fn halve(&self, permit: Permit, id: &BotId, seen: i64) -> Result<(), AppError> {
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let events = self.halve_in(&mut act, epoch, (id, seen)).await?;
        act.commit_several(events).await
    }

    /// One bot's, within a transaction that has its epoch. A conflict has written nothing.
    async fn halve_in(&self, act: &mut Act<'_>, epoch: Epoch, (id, seen): (&BotId, i64)) -> Result<Vec<Event>, AppError> {
        let bot = storage::bots::bot_by_id(act.tx(), id).await?.ok_or(AppError::NotFound("bot"))?;
        if bot.limits.version != seen {
            let version = bot.limits.version;
            return Err(AppError::conflict(format!(
                "its limits were changed meanwhile: version {version} stands, {seen} was shown. Nothing was halved again"
            )));
        }
        let tree = Tree::of(storage::limits::node_around(act.tx(), &bot.team, id).await?, Vec::new());
        let own = Node::Bot(id.clone());
        let next = tree::own_halved(&tree.limits(&own), &bot.limits.values);
        let next = next.ok_or_else(|| AppError::conflict("it has no limits that could be halved; set some first"))?;
        let symbols = tree.symbols(id).iter().map(|row| row.node.clone());
        let halved = symbols.filter_map(|node| tree.limits(&node).halved().map(|next| (node, next)));
        let mut events = Vec::new();
        for (node, next) in std::iter::once((own, next)).chain(halved.collect::<Vec<_>>()) {
            let by = crate::audit::Actor::from(act.actor()).text();
            let review_by = tree.node(&node).and_then(|row| row.review_by);
            let set = Set { node: &node, next, why: BY_HALF, review_by, request: None, by };
            events.push(self.set_limits(act, epoch, set).await?);
        }
        Ok(events)
    }

    /// The versions of what held for a bot, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn limits_history(&self, actor: &Actor, bot: &BotId) -> Result<Vec<LimitsRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::bots::bot_limits_of(&mut *self.db.read().await?, bot).await?)
    }

    /// The versions of a level, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn level_history(&self, actor: &Actor, node: &Node) -> Result<Vec<NodeRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::limits::node_versions(&mut *self.db.read().await?, node).await?)
    }

    /// The levels above and of something as they stood at a moment, from the installation down; and for a bot what held for it then.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; when the database is gone.
    pub async fn limits_as_of(&self, actor: &Actor, node: &Node, at: Timestamp) -> Result<(Vec<NodeRow>, Option<LimitsRow>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        self.limits_resource(node)?;
        let view = self.fleet.view();
        let bot = node.bot().and_then(|bot| view.bot(bot));
        let team = if let Node::Team(team) = node { Some(team) } else { bot.map(|bot| &bot.team) };
        let (team, id) = (team.map_or("", |team| team.as_str()), bot.map_or("", |bot| bot.id.as_str()));
        let mut tx = self.db.read().await?;
        let mut rows = storage::limits::node_at(&mut tx, at, team, id).await?;
        rows.sort_by(|a, b| a.node.cmp(&b.node));
        let held = match bot {
            Some(bot) => storage::bots::bot_limits_at(&mut tx, &bot.id, at).await?,
            None => None,
        };
        Ok((rows, held))
    }
}

/// The day of the next review.
fn review_by(asked: &[(String, String)], invalid: &mut Invalid) -> Option<Timestamp> {
    let (_, text) = asked.iter().find(|(name, text)| name == REVIEW_BY && !text.trim().is_empty())?;
    let day = Timestamp::parse_day(text);
    if day.is_none() {
        invalid.0.push((REVIEW_BY, NO_DAY.to_owned()));
    }
    day
}

/// What is wrong with what was typed, by field.
pub(crate) fn invalid_of(wrong: Vec<(String, NotTighter)>) -> AppError {
    let one = |(name, why): (String, NotTighter)| {
        let setting = Setting::of(&name);
        (setting.map_or("", Setting::name), format!("{} {why}", setting.map_or(name, Setting::words)))
    };
    Invalid(wrong.into_iter().map(one).collect()).into()
}
