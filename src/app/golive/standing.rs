//! What pages show of going live beside the list: the request that is open, who could approve one, and what came of the stage so far.

use crate::app::{App, AppError, fills::ALWAYS, requests::RequestView};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BotFacts, FillSums, RequestKind, Stage, UserId, golive::Checked, golive::Standing, request::Standing as PersonStanding,
};
use crate::storage;

/// Who approves a step up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvers {
    /// How many, and whose, in words.
    pub rule: String,
    /// Who could approve it now, if this person asked.
    pub able: Vec<UserId>,
}

/// The kind of request that leads to a stage.
pub fn kind_of(to: Stage) -> RequestKind {
    if to == Stage::Live { RequestKind::Live } else { RequestKind::Limited }
}

impl App {
    /// The open request for a bot's step to a stage.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn golive_request_of(&self, actor: &Actor, bot: &BotFacts, to: Stage) -> Result<Option<RequestView>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        match storage::requests::request_open_of(&mut tx, kind_of(to), bot.id.as_str()).await? {
            Some(row) => Ok(Some(self.request_in(&mut tx, &row.id).await?)),
            None => Ok(None),
        }
    }

    /// Who could approve a bot's step up over this list, if somebody asked for it now. Nobody who answered for an item of it can.
    pub fn approvers_of(&self, actor: &Actor, bot: &BotFacts, to: Stage, checked: &[Checked]) -> Approvers {
        let company = self.company();
        let rule = company.rules.of(kind_of(to));
        let signed =
            |id: &UserId| checked.iter().any(|one| matches!(&one.standing, Standing::Done(shown) if shown.by.as_ref() == Some(id)));
        let able = company.people.iter().filter(|one| {
            one.standing == PersonStanding::Able
                && actor.user() != Some(&one.id)
                && !signed(&one.id)
                && rule.asks_for(&one.grants, Some(&bot.team))
        });
        Approvers { rule: rule.words(), able: able.map(|one| one.id.clone()).collect() }
    }

    /// What a bot's fills come to since it is in its stage; none where nothing was approved.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn results_of(&self, bot: &BotFacts) -> Result<Option<FillSums>, AppError> {
        match bot.run.as_ref().filter(|run| run.stage == bot.stage) {
            Some(run) => self.fill_sums(&bot.id, run.since, ALWAYS.until).await.map(Some),
            None => Ok(None),
        }
    }
}
