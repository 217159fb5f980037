//! What is known of a bot at the moment of a start, gathered for `domain::start`, which says what stands in the way.

use super::{App, AppError, receipts};
use crate::domain::{
    BotFacts, StartLeaf,
    directive::{Cover, latest_stop},
    start::{self, Beside, LastWord},
};
use crate::fleet::View;
use crate::storage::{self, Conn};

pub use crate::domain::start::{Obstacle, who_releases};

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
        let mut open = self.obstacles_at_bot(conn, view, bot, leaf).await?;
        if let Err(error) = self.check_environment(bot.seat.as_ref(), bot.stage) {
            open.push(Obstacle::new(error.to_string(), "an operator or lead of its team, who gives it another subaccount"));
        }
        if self.site.is_foreign() {
            open.insert(
                0,
                Obstacle::new("this server runs on another site's copy", "two people take the site over: andon recover --take-over"),
            );
        }
        Ok(open)
    }

    async fn obstacles_at_bot(&self, conn: &mut Conn, view: &View, bot: &BotFacts, leaf: &StartLeaf) -> Result<Vec<Obstacle>, AppError> {
        let cover = view.cover(bot);
        let Some(agent) = self.agents().of_bot(&bot.id) else {
            return Ok(self.with_names(&cover, start::obstacles(bot, &cover, leaf, None)));
        };
        let stop = latest_stop(bot, &cover);
        let stored = storage::acks::ack_of_bot(conn, &bot.id, stop).await?.into_iter().map(receipts::seen);
        let acks = stored.chain(self.book.acks_since(&bot.id, stop)).map(|ack| (ack.epoch, ack.step, ack.state));
        let now = self.clock.now();
        let word = self.book.seen(&bot.id).filter(|seen| seen.agent == agent.id).map(|seen| LastWord {
            age_ms: now.ms_since(seen.at),
            limits_version: seen.limits_version,
            start_after: seen.start_after,
            build: seen.build.clone(),
            config: seen.config.clone(),
            state: seen.state,
            is_ahead: seen.ahead,
        });
        let beside = Beside { confirmed: agent.confirmed, word, proved: start::proved(stop, acks) };
        Ok(self.with_names(&cover, start::obstacles(bot, &cover, leaf, Some(&beside))))
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
