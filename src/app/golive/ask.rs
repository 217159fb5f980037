//! A step up: asked for over everything that was shown to be so, and carried out by whoever asked, signed, with everything looked at once more in the
//! same transaction. What is not as it was approved is stale; it is never done all the same.

use super::{Over, stages_of};
use crate::app::{
    App, AppError,
    acts::{ActView, Detail, Outcome, carry_out::Effect, sign::signed_act},
    requests::{
        RequestView,
        ask::{Asked, WHY, reason},
    },
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::authz::{Actor, Permit};
use crate::domain::{
    ActKind, ApprovedRun, BotFacts, BotId, Dossier, Epoch, RequestId, RequestState, Stage, StopFact, StopKind,
    golive::{OnDrift, Ran, dossier, short},
    request::{Content, WhyNot, digest},
    time::DAY_MS,
};
use crate::storage::{self, Conn};

/// A step up as it is asked for.
pub struct AskGolive<'a> {
    /// What becomes of the bot when it is no longer so.
    pub on_drift: OnDrift,
    /// Why.
    pub why: &'a str,
    /// Where the build comes from; none: nobody says.
    pub provenance: Option<String>,
    /// What the bot must run, by the word of its agent; none: whatever it runs.
    pub expected: Option<Ran>,
}

impl App {
    /// Asks that a bot goes up a stage, or that what it is by now is approved for the one that it is in.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` with every item that is open, when it cannot go to that stage, runs something else than is
    /// expected, or another request is open.
    pub async fn ask_golive(&self, actor: &Actor, id: &BotId, to: Stage, asked: AskGolive<'_>) -> Result<RequestId, AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = self.may_ask_about(actor, &Self::bot_resource(&bot)).await?;
        self.ask_golive_by(permit, &bot, to, asked).await
    }

    /// The same for whoever was let do it.
    pub(super) async fn ask_golive_by(
        &self,
        permit: Permit,
        bot: &BotFacts,
        to: Stage,
        asked: AskGolive<'_>,
    ) -> Result<RequestId, AppError> {
        let AskGolive { on_drift, why, provenance, expected } = asked;
        let why = reason(why, WHY)?;
        if !stages_of(bot).contains(&to) {
            return Err(AppError::conflict(format!("from stage {} it does not go to stage {to} by a request", bot.stage)));
        }
        self.refresh_keys().await?;
        self.runs_as_expected(&bot.id, expected.as_ref())?;
        let bound = (on_drift, provenance.as_ref());
        let dossier = self.dossier_now(&mut *self.db.read().await?, bot, to, bound).await?.map_err(AppError::Conflict)?;
        // What is bound, and not only what was said a moment before.
        if let Some(expected) = expected.filter(|expected| *expected != dossier.runs) {
            return Err(AppError::conflict(other_runs(&expected, Some(&dossier.runs))));
        }
        let content = Content::GoLive { bot: bot.id.clone(), from: bot.stage, to, dossier };
        self.ask(permit, Asked { content, why }).await
    }

    fn runs_as_expected(&self, bot: &BotId, expected: Option<&Ran>) -> Result<(), AppError> {
        let runs = self.ran(bot);
        match expected {
            Some(expected) if runs.as_ref() != Some(expected) => Err(AppError::conflict(other_runs(expected, runs.as_ref()))),
            _ => Ok(()),
        }
    }

    /// Everything that an approval of a step up would bind now; or what is missing.
    async fn dossier_now(
        &self,
        conn: &mut Conn,
        bot: &BotFacts,
        to: Stage,
        (on_drift, provenance): (OnDrift, Option<&String>),
    ) -> Result<Result<Dossier, Vec<String>>, AppError> {
        let list = self.list_in(conn, to).await?;
        let force = self.in_force(bot);
        let checked = self.checked(conn, bot, &list, Over::Now(force.runs.as_ref())).await?;
        let incidents = self.incidents_of(conn, &bot.id).await?;
        Ok(match dossier(&list, &checked, &force, on_drift) {
            Ok(made) if incidents.is_empty() => Ok(Dossier { provenance: provenance.cloned(), ..made }),
            Ok(_) => Err(incidents),
            Err(missing) => Err(missing.into_iter().chain(incidents).collect()),
        })
    }

    /// Why nothing comes of a step up any more; none: it still may.
    pub(crate) async fn moved_since(&self, conn: &mut Conn, id: &BotId, from: Stage) -> Result<Option<String>, AppError> {
        let Some(bot) = storage::bots::bot_by_id(conn, id).await? else { return Ok(Some("the bot is gone".to_owned())) };
        Ok((bot.stage != from).then(|| format!("the bot is in stage {} by now; ask again from there", bot.stage)))
    }

    /// Why a step up cannot be approved or carried out as it was asked; none: all is as it was.
    pub(crate) async fn changed_since(
        &self,
        conn: &mut Conn,
        (id, from, to): (&BotId, Stage, Stage),
        asked: &Dossier,
    ) -> Result<Option<String>, AppError> {
        if let Some(why) = self.moved_since(conn, id, from).await? {
            return Ok(Some(why));
        }
        let bot = storage::bots::bot_by_id(conn, id).await?.ok_or(AppError::NotFound("bot"))?;
        Ok(match self.dossier_now(conn, &bot, to, (asked.on_drift, asked.provenance.as_ref())).await? {
            Err(missing) => Some(format!("not everything is so any more: {}", missing.join("; "))),
            Ok(now) => {
                let changes = asked.changes_to(&now);
                (!changes.is_empty()).then(|| format!("it has changed since it was asked: {}; ask again", changes.join(", ")))
            }
        })
    }

    /// Prepares that whoever asked carries an approved step up out.
    ///
    /// # Errors
    /// `NotYours`; `Conflict` when it is not approved, too early or late, or not as it was approved.
    pub async fn prepare_golive(&self, actor: &Actor, id: &RequestId) -> Result<ActView, AppError> {
        self.refresh_keys().await?;
        let mut conn = self.db.read().await?;
        let view = self.request_in(&mut conn, id).await?;
        if actor.user() != Some(&view.row.requester) {
            return Err(WhyNot::NotRequester.into());
        }
        let Content::GoLive { bot, from, to, dossier } = view.content() else {
            return Err(AppError::conflict("this is carried out by itself once it is approved"));
        };
        if view.row.state != RequestState::Approved {
            return Err(WhyNot::NotApproved.into());
        }
        if let Some(why) = self.changed_since(&mut conn, (bot, *from, *to), dossier).await? {
            return Err(AppError::conflict(why));
        }
        drop(conn);
        let (revision, digest) = (view.row.revision, view.case.request.digest.clone());
        let kind = ActKind::GoLive { request: id.clone(), revision, digest, bot: bot.clone(), to: *to };
        self.prepare(actor, kind, Detail::default(), 1).await
    }

    pub(crate) async fn carry_golive(&self, open: &mut OpenAct<'_>, act: &ActView, epoch: Epoch) -> Result<Effect, AppError> {
        let ActKind::GoLive { request, revision, digest, bot, to } = &act.act.kind else {
            return Err(AppError::conflict("this is no step up"));
        };
        let signer = act.signatures.last().map(|signature| signature.user_id.clone());
        let signer = signer.ok_or_else(|| AppError::conflict("nobody has signed this"))?;
        let mut view = self.request_in(open.tx(), request).await?;
        if *revision != view.row.revision || *digest != view.case.request.digest {
            return Err(WhyNot::Changed.into());
        }
        is_as_signed(&view, (bot, *to))?;
        let voters = view.case.votes_now().map(|vote| vote.user.clone()).chain([signer.clone()]);
        let still: Vec<_> = voters.collect();
        let company = self.company_in(open, &still.iter().collect::<Vec<_>>()).await?;
        let by = company.people.iter().find(|voter| voter.id == signer).ok_or(AppError::NotFound("person"))?;
        view.case.begin_by_hand(by, &company.moment(view.row.kind))?;
        let signed = signed_act(act)?;
        let event = self.go_up(open, &mut view, epoch, signed).await?;
        Ok(Effect { event, outcome: Outcome::Done(format!("/bots/{bot}")), after: None })
    }

    async fn go_up(
        &self,
        open: &mut OpenAct<'_>,
        view: &mut RequestView,
        epoch: Epoch,
        signed: crate::audit::SignedAct,
    ) -> Result<Event, AppError> {
        let Content::GoLive { bot: id, from, to, dossier } = view.content().clone() else {
            return Err(AppError::conflict("this is no step up"));
        };
        if let Some(why) = self.changed_since(open.tx(), (&id, from, to), &dossier).await? {
            return Err(AppError::conflict(why));
        }
        let mut bot = storage::bots::bot_by_id(open.tx(), &id).await?.ok_or(AppError::NotFound("bot"))?;
        if Some(&bot.team) != view.row.team_id.as_ref() {
            return Err(AppError::conflict("the bot belongs to another team now: that team's people must approve it"));
        }
        crate::app::venues::check_not_killed(&self.view_in(open.tx()).await?, &bot)?;
        self.check_environment(bot.seat.as_ref(), to)?;
        let now = open.now();
        (bot.stage, bot.fact_epoch) = (to, epoch);
        storage::bots::bot_edit(open.tx(), &bot).await?;
        let why = if from == to { format!("approved anew for stage {to}") } else { format!("stage changed from {from} to {to}") };
        let stop = StopFact { epoch, kind: StopKind::Stage, why, at: now };
        storage::bots::bot_stop(open.tx(), &id, &stop).await?;
        let digest = view.case.request.digest.clone();
        let until = dossier.caps.as_ref().map(|caps| now.plus_ms(i64::from(caps.days) * DAY_MS));
        let run = ApprovedRun {
            request: view.row.id.clone(),
            digest: digest.clone(),
            stage: to,
            dossier,
            limits: bot.limits.values.clone(),
            since: now,
            until,
            emergency: None,
        };
        storage::bots::bot_set_run(open.tx(), &id, &run, epoch).await?;
        view.case.end(RequestState::Executed);
        let what = format!("the bot is in stage {to}, as approved; it is started as any other");
        self.write_request(open, view, Some(&what)).await?;
        self.tell_ended(open, view, &what).await?;
        self.tell_went_up(open, view, (&bot, from), &run).await?;
        let (request, revision) = (view.row.id.clone(), view.row.revision);
        open.record(Event::RequestExecuted { request: request.clone(), revision, digest: digest.clone(), what }).await?;
        Ok(Event::WentUp { bot: id, from, to, request, digest, signed })
    }
}

/// What is filed, and what runs.
fn other_runs(filed: &Ran, runs: Option<&Ran>) -> String {
    let words = |ran: &Ran| format!("build {} with configuration {}", short(&ran.build), short(&ran.config));
    let now = runs
        .map_or_else(|| "its agent does not say what it runs".to_owned(), |runs| format!("its agent says that it runs {}", words(runs)));
    format!("filed is {}, and {now}", words(filed))
}

/// What is stored is what was approved, and what was signed is about that.
fn is_as_signed(view: &RequestView, (bot, to): (&BotId, Stage)) -> Result<(), AppError> {
    let newest = view.revisions.iter().find(|one| one.revision == view.row.revision).ok_or(AppError::NotFound("request"))?;
    if digest(&newest.content) != view.case.request.digest {
        return Err(AppError::conflict("what is stored of this request is not what was approved: look at the audit log"));
    }
    match view.content() {
        Content::GoLive { bot: asked, to: stage, .. } if asked == bot && *stage == to => Ok(()),
        _ => Err(WhyNot::Changed.into()),
    }
}
