//! Who hears that a bot went up, and who has read it: those who trade with it, risk, and whoever looks over both (RTS 6 article 11(2)). What nobody
//! has opened within a day is listed for auditors.

use crate::app::{App, AppError, requests::RequestView, tx::Act};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{ApprovedRun, Audience, BotFacts, Notice, NoticeKind, RequestId, Role, Stage, UserId, golive::short, time::DAY_MS};
pub use crate::storage::change_readers::Reader;
use crate::storage::{self, Lane};

/// Readers that are listed, at most.
pub const LISTED: usize = 100;

impl App {
    /// Tells everybody who has to know that a bot went up, within the act; whoever carried it out knows.
    pub(super) async fn tell_went_up(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        (bot, from): (&BotFacts, Stage),
        run: &ApprovedRun,
    ) -> Result<(), AppError> {
        let (to, runs) = (run.stage, &run.dossier.runs);
        let text = format!(
            "Bot {} is in stage {to}, as approved: build {} with configuration {}.\n\nWhy: {}\n\nWhat was approved, and by whom, stands on the \
             page of the request.",
            bot.name,
            short(&runs.build),
            short(&runs.config),
            view.why()
        );
        let title = if from == to {
            format!("Bot {} was approved anew for stage {to}", bot.name)
        } else {
            format!("Bot {} went up to stage {to}", bot.name)
        };
        let notice = Notice::new(NoticeKind::WentUp, &view.row.id, title, text).at(format!("/requests/{}", view.row.id));
        let people: Vec<UserId> = self.concerned(bot).into_iter().filter(|one| *one != view.row.requester).collect();
        let now = act.now();
        storage::change_readers::reader_insert_all(act.tx(), &view.row.id, &people, now).await?;
        act.tell(&Audience { people, admins: false }, &notice).await.map(drop)
    }

    /// Those who trade with a bot, risk and auditors, as far as they are enabled.
    fn concerned(&self, bot: &BotFacts) -> Vec<UserId> {
        let hears = |grant: &crate::domain::Grant| match grant.role {
            Role::Operator | Role::Lead => grant.team.as_ref() == Some(&bot.team),
            Role::Risk | Role::Auditor => true,
            Role::Admin => false,
        };
        let users = self.people().users();
        users.iter().filter(|user| user.enabled && user.grants.iter().any(hears)).map(|user| user.id.clone()).collect()
    }

    /// Everybody who was told of a step up, and when they read it.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn readers_of(&self, actor: &Actor, request: &RequestId) -> Result<Vec<Reader>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::change_readers::reader_of(&mut *self.db.read().await?, request).await?)
    }

    /// Somebody says that they have read what they were told of a step up. A receipt, no act; of whoever was not told nothing is kept.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; when the database is gone.
    pub async fn read_step(&self, actor: &Actor, request: &RequestId) -> Result<(), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let Some(user) = actor.user() else { return Ok(()) };
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::requests::request_by_id(&mut tx, request).await?.ok_or(AppError::NotFound("request"))?;
        storage::change_readers::reader_read(&mut tx, request, user, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whoever has not read of a step up within a day of being told, the oldest first, disabled people aside: `LISTED` and one more at most.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn unread_steps(&self, actor: &Actor) -> Result<Vec<Reader>, AppError> {
        authz::check(actor, Action::SeeAudit, &Resource::Installation)?;
        let before = self.clock.now().plus_ms(-DAY_MS);
        let most = i64::try_from(LISTED + 1).map_err(AppError::internal)?;
        Ok(storage::change_readers::reader_unread(&mut *self.db.read().await?, before, most).await?)
    }
}
