//! What is known of a bot at the moment of a start, gathered for `domain::start`, which says what stands in the way.

use super::{App, AppError, golive::drift::is_bound, golive::emergency, receipts, reconcile};
use crate::domain::{
    BotFacts, BotId, Epoch, StartLeaf, Timestamp,
    directive::{Cover, latest_stop},
    start::{self, Beside, LastWord},
};
use crate::fleet::{AckSeen, View};
use crate::storage::{self, Conn};
use std::collections::HashMap;

pub use crate::domain::start::{Obstacle, who_releases};

/// What the database has of bots that are to be started.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    // What they have acknowledged.
    acks: HashMap<BotId, Vec<AckSeen>>,
    // Those that differ from their venues, with when that was confirmed.
    differing: HashMap<BotId, Timestamp>,
    // Those of which an emergency change was not reviewed in time, in words.
    unreviewed: HashMap<BotId, String>,
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
            key_versions: self.key_versions(bot),
            orders_checked: checked_at_venue.then(|| "venue".to_owned()),
        }
    }

    /// The keys that its agent has in use, by id, with their versions: of a bot that trades live.
    fn key_versions(&self, bot: &BotFacts) -> std::collections::BTreeMap<String, i64> {
        let keys = self.exchange_keys();
        let held = keys.of_bot(&bot.id).iter().filter(|key| is_bound(bot.stage) && !key.row.purpose.is_server_held());
        held.filter_map(|key| Some((key.row.id.to_string(), key.active()?.version))).collect()
    }

    /// What an agent that is no more this bot's has been given, and nobody has ended at the venue (ruling H5): of a bot that trades live.
    fn keys_elsewhere(&self, bot: &BotFacts) -> Vec<Obstacle> {
        let (keys, agent) = (self.exchange_keys(), self.agents().of_bot(&bot.id));
        let mut all = Vec::new();
        for key in keys.of_bot(&bot.id).iter().filter(|_| is_bound(bot.stage)) {
            let is_others = |of: &crate::domain::AgentId| agent.as_ref().is_none_or(|agent| agent.id != *of);
            let stray = key.versions.iter().filter(|one| one.delivered_at.is_some() && one.gone_at.is_none());
            all.extend(stray.filter(|one| one.agent_id.as_ref().is_some_and(is_others)).map(|one| {
                let what = format!(
                    "version {} of its key {} was given to an agent that is not its agent any more, and still works at the venue",
                    one.version,
                    key.row.purpose.words()
                );
                Obstacle::new(what, "whoever manages its account ends that key at the venue, and says so on the key's page")
            }));
        }
        all
    }

    /// Every reason why a bot cannot be started under this leaf. Empty: it can.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn start_obstacles(&self, conn: &mut Conn, view: &View, bot: &BotFacts, leaf: &StartLeaf) -> Result<Vec<Obstacle>, AppError> {
        let told = self.acks_of(conn, view, std::iter::once(bot)).await?;
        Ok(self.obstacles_with(view, bot, leaf, &told))
    }

    /// What these bots have acknowledged since their latest stops, and which differ from their venues, as the database has it: one reading for
    /// many of them.
    pub(crate) async fn acks_of<'a>(
        &self,
        conn: &mut Conn,
        view: &View,
        bots: impl Iterator<Item = &'a BotFacts>,
    ) -> Result<Acknowledged, AppError> {
        let (mut ids, mut first) = (Vec::new(), None::<Epoch>);
        for bot in bots {
            let stop = latest_stop(bot, &view.cover(bot));
            first = Some(first.map_or(stop, |first| first.min(stop)));
            ids.push(&bot.id);
        }
        let mut by_bot = HashMap::<BotId, Vec<AckSeen>>::new();
        for ack in storage::acks::ack_of_bots(conn, &ids, first.unwrap_or_default()).await? {
            by_bot.entry(ack.bot_id.clone()).or_default().push(receipts::seen(ack));
        }
        let unreviewed = emergency::overdue(conn, self.clock.now()).await?;
        Ok(Acknowledged { acks: by_bot, differing: reconcile::differing(conn).await?, unreviewed })
    }

    /// The reasons from memory and from what was read of acknowledgements. Of those a later one proves more and never less.
    pub(crate) fn obstacles_with(&self, view: &View, bot: &BotFacts, leaf: &StartLeaf, told: &Acknowledged) -> Vec<Obstacle> {
        let mut open = self.obstacles_at_bot(view, bot, leaf, told);
        if let Err(error) = self.check_environment(bot.seat.as_ref(), bot.stage) {
            open.push(Obstacle::new(error.to_string(), "an operator or lead of its team, who gives it another subaccount"));
        }
        open.extend(self.drift_obstacles(bot));
        open.extend(self.keys_elsewhere(bot));
        if let Some(at) = told.differing.get(&bot.id) {
            let what = format!("its agent and its venue differ since {}, and nobody has closed that", at.plain());
            open.push(Obstacle::new(what, "an operator or lead of its team, risk or an admin closes it with a reason, on the bot's page"));
        }
        if let Some(words) = told.unreviewed.get(&bot.id) {
            open.push(Obstacle::new(words.clone(), "a lead, or risk, who did not sign it reviews it, under Emergency changes"));
        }
        if self.site.is_foreign() {
            open.insert(
                0,
                Obstacle::new("this server runs on another site's copy", "two people take the site over: andon recover --take-over"),
            );
        }
        open
    }

    fn obstacles_at_bot(&self, view: &View, bot: &BotFacts, leaf: &StartLeaf, told: &Acknowledged) -> Vec<Obstacle> {
        let cover = view.cover(bot);
        let Some(agent) = self.agents().of_bot(&bot.id) else {
            return self.with_names(&cover, start::obstacles(bot, &cover, leaf, None));
        };
        let stop = latest_stop(bot, &cover);
        let stored = told.acks.get(&bot.id).into_iter().flatten().cloned();
        let acks = stored.chain(self.book.acks_since(&bot.id, stop)).map(|ack| (ack.epoch, ack.step, ack.state));
        let word = self.book.seen(&bot.id).filter(|seen| seen.agent == agent.id).map(|seen| LastWord {
            age_ms: self.silent_ms(&bot.id).unwrap_or(i64::MAX),
            limits_version: seen.limits_version,
            start_after: seen.start_after,
            build: seen.build.clone(),
            config: seen.config.clone(),
            state: seen.state,
            is_ahead: seen.ahead,
        });
        let beside = Beside { confirmed: agent.confirmed, word, proved: start::proved(stop, acks) };
        self.with_names(&cover, start::obstacles(bot, &cover, leaf, Some(&beside)))
    }

    /// The same with the names of what the holds cover, which the rules do not know: `a pause of venue binance`.
    fn with_names(&self, cover: &Cover<'_>, mut obstacles: Vec<Obstacle>) -> Vec<Obstacle> {
        let holds = cover.open.iter().filter(|hold| start::stands_in_the_way(hold));
        for (obstacle, hold) in obstacles.iter_mut().zip(holds) {
            *obstacle = start::held(hold, &self.scope_words(&hold.scope));
        }
        obstacles
    }
}
