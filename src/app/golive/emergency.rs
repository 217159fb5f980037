//! Emergency changes: two people let exactly what an agent says that its bot runs trade for some hours, though another build or configuration was
//! approved. Nothing is started by it: what holds the bot is released, and it is started, as ever. Everything else is compared as it was approved;
//! so are the items of its list that are about the build, which a review asks after. Once its time is over the bot is held like any other that is
//! not what was approved. Somebody who signed nothing of it reviews it within two days; until somebody has, after that, its bot neither starts nor
//! gets another.

use super::drift::is_bound;
use crate::app::{
    App, AppError, Invalid,
    acts::{ActView, Detail, Outcome, carry_out::After, carry_out::Effect, sign::signed_act},
    ladder::AGAIN_MS,
    requests::ask::reason,
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    ActKind, AlertKind, ApprovedRun, Audience, BotFacts, BotId, EmergencyId, Epoch, Notice, NoticeKind, Subject, Timestamp, UserId,
    emergency::{Emergency, HOUR_MS, HOURS, REVIEW_WITHIN_MS, Verdict},
    golive::Ran,
};
pub use crate::storage::emergencies::EmergencyRow;
use crate::storage::{self, Conn, Lane, emergencies::Review};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Emergency changes of a page.
pub const PAGE: i64 = 50;
/// Those of one bot that are shown.
const OF_BOT: i64 = 100;
/// The alerts that one pass raises and settles.
const SOUNDS: [AlertKind; 2] = [AlertKind::EmergencyChange, AlertKind::ReviewOverdue];

/// What a pass has raised before, and when.
#[derive(Debug, Default)]
pub struct Raised(HashMap<(AlertKind, String), Timestamp>);

fn overdue_words(row: &EmergencyRow) -> String {
    format!("an emergency change of {} was to be reviewed until {}, and nobody has", row.made_at.plain(), row.review_by.plain())
}

/// Until when a bot's emergency change was to be reviewed that nobody has reviewed.
pub(crate) async fn overdue(conn: &mut Conn, now: Timestamp) -> storage::Result<HashMap<BotId, String>> {
    let unreviewed = storage::emergencies::emergency_unreviewed(conn).await?;
    Ok(unreviewed.into_iter().filter(|row| row.is_overdue(now)).map(|row| (row.bot_id.clone(), overdue_words(&row))).collect())
}

/// What was approved of a bot that trades live, and how it departs from that now.
struct Departs {
    run: Arc<ApprovedRun>,
    to: Ran,
}

impl App {
    /// What a bot runs that is not what was approved.
    ///
    /// # Errors
    /// `Conflict` with the reason why there is nothing to let run, or nobody may.
    async fn departs(&self, conn: &mut Conn, bot: &BotFacts) -> Result<Departs, AppError> {
        let run = bot.run.clone().filter(|run| is_bound(bot.stage) && run.stage == bot.stage);
        let run = run.ok_or_else(|| AppError::conflict("nothing was approved of it: there is nothing that an emergency could change"))?;
        let to = self.ran(&bot.id).ok_or_else(|| {
            AppError::conflict("its agent does not say which build and configuration it runs: nobody could say what is let run")
        })?;
        if to == run.dossier.runs {
            return Err(AppError::conflict("it runs what was approved already"));
        }
        if let Some(words) = overdue(conn, self.clock.now()).await?.get(&bot.id) {
            return Err(AppError::conflict(format!("{words}: no other is made before that")));
        }
        Ok(Departs { run, to })
    }

    /// Prepares an emergency change, to be signed by two people.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason or for other hours; `Conflict` when nothing departs, or an earlier one was not reviewed in time.
    pub async fn prepare_emergency(&self, actor: &Actor, id: &BotId, hours: u32, why: &str) -> Result<ActView, AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        authz::check(actor, Action::ChangeInEmergency, &Self::bot_resource(&bot))?;
        let Departs { run, to } = self.departs(&mut *self.db.read().await?, &bot).await?;
        if !HOURS.contains(&hours) {
            return Err(Invalid::one("hours", format!("It lasts {} to {} whole hours", HOURS.start(), HOURS.end())).into());
        }
        let why = reason(why, "Say what happened: whoever signs and whoever reviews it reads it")?;
        let kind = ActKind::EmergencyChange { bot: id.clone(), from: run.dossier.runs.clone(), to, hours, why };
        self.prepare(actor, kind, Detail::default(), 2).await
    }

    pub(crate) async fn carry_emergency(&self, open: &mut OpenAct<'_>, act: &ActView, epoch: Epoch) -> Result<Effect, AppError> {
        let ActKind::EmergencyChange { bot: id, from, to, hours, why } = &act.act.kind else {
            return Err(AppError::conflict("this is no emergency change"));
        };
        let (first, second) = two_of(act)?;
        let bot = storage::bots::bot_by_id(open.tx(), id).await?.ok_or(AppError::NotFound("bot"))?;
        let now_so = self.departs(open.tx(), &bot).await?;
        if now_so.run.dossier.runs != *from || now_so.to != *to {
            let words = "what it runs, or what was approved, is another since this was prepared: look at that, and prepare it again";
            return Err(AppError::conflict(words));
        }
        let now = open.now();
        for earlier in storage::emergencies::emergency_not_ended_of(open.tx(), id).await? {
            self.end_row(open, &earlier, now, "another one replaces it").await?;
        }
        let row = EmergencyRow {
            id: EmergencyId::new(),
            bot_id: id.clone(),
            stage: bot.stage,
            request_id: now_so.run.request.clone(),
            from_build: from.build.clone(),
            from_config: from.config.clone(),
            to_build: to.build.clone(),
            to_config: to.config.clone(),
            why: why.clone(),
            act_id: act.stored.id.clone(),
            asked_by: first,
            seconded_by: second,
            made_at: now,
            until_at: now.plus_ms(i64::from(*hours) * HOUR_MS),
            review_by: now.plus_ms(REVIEW_WITHIN_MS),
            reviewed_at: None,
            reviewed_by: None,
            review_act_id: None,
            verdict: None,
            review_words: None,
            ended_at: None,
            ended_why: None,
        };
        storage::emergencies::emergency_insert(open.tx(), &row).await?;
        let emergency = Emergency { change: row.id.clone(), runs: to.clone(), until: row.until_at };
        let run = ApprovedRun { emergency: Some(emergency), ..ApprovedRun::clone(&now_so.run) };
        storage::bots::bot_set_run(open.tx(), id, &run, epoch).await?;
        self.tell_reviewers(open, &bot, &row).await?;
        let event = Event::EmergencyChanged {
            change: row.id,
            bot: id.clone(),
            from: from.clone(),
            to: to.clone(),
            why: why.clone(),
            until_us: row.until_at.0,
            review_by_us: row.review_by.0,
            signed: signed_act(act)?,
        };
        Ok(Effect { event, outcome: Outcome::Done(format!("/bots/{id}/emergency")), after: None })
    }

    /// Writes down that one ended, with an entry of its own; nothing for one that has.
    async fn end_row(&self, open: &mut OpenAct<'_>, row: &EmergencyRow, at: Timestamp, why: &str) -> Result<bool, AppError> {
        if !storage::emergencies::emergency_end(open.tx(), &row.id, at, why).await? {
            return Ok(false);
        }
        open.record(Event::EmergencyEnded { change: row.id.clone(), bot: row.bot_id.clone(), why: why.to_owned() }).await?;
        Ok(true)
    }

    async fn tell_reviewers(&self, open: &mut OpenAct<'_>, bot: &BotFacts, row: &EmergencyRow) -> Result<(), AppError> {
        let can = |id: &UserId| self.actor_of(id, false).is_some_and(|actor| self.may_review(&actor, row).is_ok());
        let people = self.people_book.users().iter().map(|user| &user.id).filter(|id| can(id)).cloned().collect();
        let title = format!("Emergency change of {}: to be reviewed", bot.name);
        let text = format!(
            "{} and {} let another build or configuration of {} run until {}: {}\n\nSomebody who did not sign it reviews it until {}.",
            self.people_book.who(&row.asked_by),
            self.people_book.who(&row.seconded_by),
            bot.name,
            row.until_at.plain(),
            row.why,
            row.review_by.plain()
        );
        let notice = Notice::new(NoticeKind::RequestAsked, row.id.to_string(), title, text).at(format!("/bots/{}/emergency", bot.id));
        open.tell(&Audience { people, admins: false }, &notice).await.map(drop)
    }

    /// Checks that a person may review an emergency change.
    ///
    /// # Errors
    /// `Denied`; `NotYours` for whoever signed it; `Conflict` when it was reviewed.
    pub fn may_review(&self, actor: &Actor, row: &EmergencyRow) -> Result<Permit, AppError> {
        let permit = authz::check(actor, Action::ReviewEmergency, &Resource::Installation)?;
        if actor.user().is_none_or(|user| row.is_signer(user)) {
            return Err(AppError::NotYours("you signed it: somebody else reviews it".to_owned()));
        }
        if row.reviewed_at.is_some() {
            return Err(AppError::conflict("it was reviewed already"));
        }
        Ok(permit)
    }

    /// Prepares a review, to be signed by whoever prepares it.
    ///
    /// # Errors
    /// As `may_review`; `NotFound`; `Invalid` without words.
    pub async fn prepare_emergency_review(
        &self,
        actor: &Actor,
        id: &EmergencyId,
        verdict: Verdict,
        words: &str,
    ) -> Result<ActView, AppError> {
        authz::check(actor, Action::ReviewEmergency, &Resource::Installation)?;
        let row = storage::emergencies::emergency_by_id(&mut *self.db.read().await?, id).await?;
        let row = row.ok_or(AppError::NotFound("emergency change"))?;
        self.may_review(actor, &row)?;
        let mut invalid = Invalid::default();
        let said = invalid.check("words", "What you found", crate::domain::text::why(words)).unwrap_or_default();
        if said.is_empty() && invalid.0.is_empty() {
            invalid.0.push(("words", "Say what you looked at, and what you found".to_owned()));
        }
        if !invalid.0.is_empty() {
            return Err(invalid.into());
        }
        let kind = ActKind::EmergencyReview { change: id.clone(), bot: row.bot_id, verdict, words: said };
        self.prepare(actor, kind, Detail::default(), 1).await
    }

    pub(crate) async fn carry_emergency_review(&self, open: &mut OpenAct<'_>, act: &ActView, epoch: Epoch) -> Result<Effect, AppError> {
        let ActKind::EmergencyReview { change: id, bot, verdict, words } = &act.act.kind else {
            return Err(AppError::conflict("this is no review of an emergency change"));
        };
        let row = storage::emergencies::emergency_by_id(open.tx(), id).await?.filter(|row| row.bot_id == *bot);
        let row = row.ok_or(AppError::NotFound("emergency change"))?;
        let by = act.signatures.last().map(|signature| signature.user_id.clone());
        let by = by.ok_or_else(|| AppError::conflict("nobody has signed this"))?;
        if row.is_signer(&by) {
            return Err(AppError::NotYours("you signed it: somebody else reviews it".to_owned()));
        }
        let now = open.now();
        let review = Review { at: now, by: &by, act: &act.stored.id, verdict: *verdict, words };
        if !storage::emergencies::emergency_review(open.tx(), id, review).await? {
            return Err(AppError::conflict("it was reviewed already"));
        }
        let ends = *verdict == Verdict::NotJustified && row.is_in_force(now);
        if ends {
            self.end_run(open, &row, epoch).await?;
            self.end_row(open, &row, now, "a review found it not justified").await?;
        }
        let (change, verdict, words) = (id.clone(), *verdict, words.clone());
        let event = Event::EmergencyReviewed { change, bot: bot.clone(), verdict, words, signed: signed_act(act)? };
        let after = ends.then(|| After::Compare(bot.clone()));
        Ok(Effect { event, outcome: Outcome::Done(format!("/bots/{bot}/emergency")), after })
    }

    /// What it let run is let run no more, from this moment on.
    async fn end_run(&self, open: &mut OpenAct<'_>, row: &EmergencyRow, epoch: Epoch) -> Result<(), AppError> {
        let (bot, now) = (storage::bots::bot_by_id(open.tx(), &row.bot_id).await?, open.now());
        let Some(run) = bot.as_ref().and_then(|bot| bot.run.as_ref()) else { return Ok(()) };
        let Some(emergency) = run.emergency.clone().filter(|one| one.change == row.id) else { return Ok(()) };
        let run = ApprovedRun { emergency: Some(Emergency { until: now, ..emergency }), ..ApprovedRun::clone(run) };
        Ok(storage::bots::bot_set_run(open.tx(), &row.bot_id, &run, epoch).await?)
    }

    /// Emergency changes of one bot, the newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn emergencies_of(&self, actor: &Actor, bot: &BotId) -> Result<Vec<EmergencyRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::emergencies::emergency_of_bot(&mut *self.db.read().await?, bot, OF_BOT).await?)
    }

    /// Every emergency change that this actor may see and that nobody has reviewed, the most urgent first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn emergencies_unreviewed(&self, actor: &Actor) -> Result<Vec<EmergencyRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut rows = storage::emergencies::emergency_unreviewed(&mut *self.db.read().await?).await?;
        rows.retain(|row| self.sees_emergency(actor, row));
        Ok(rows)
    }

    /// Emergency changes that this actor may see, the newest first, those before one of them when it is named: at most `most` are looked at. With
    /// them the id before which the next piece begins; none: this was the end.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn emergencies(
        &self,
        actor: &Actor,
        before: Option<&EmergencyId>,
        most: i64,
    ) -> Result<(Vec<EmergencyRow>, Option<EmergencyId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut rows = storage::emergencies::emergency_newest(&mut *self.db.read().await?, before, most).await?;
        let next = rows.last().filter(|_| rows.len() as i64 >= most).map(|last| last.id.clone());
        rows.retain(|row| self.sees_emergency(actor, row));
        Ok((rows, next))
    }

    fn sees_emergency(&self, actor: &Actor, row: &EmergencyRow) -> bool {
        self.fleet.view().bot(&row.bot_id).is_none_or(|bot| authz::sees_team(actor, &bot.team))
    }

    /// Writes down which emergency changes have ended, and raises what somebody must look at: that one was made, and that one was not reviewed in
    /// time.
    ///
    /// # Errors
    /// When the database is gone; to be called again.
    pub async fn tend_emergencies(&self, before: &mut Raised) -> Result<(), AppError> {
        if self.site.is_foreign() {
            return Ok(());
        }
        let (going, unreviewed) = {
            let mut tx = self.db.read().await?;
            let going = storage::emergencies::emergency_not_ended(&mut tx).await?;
            (going, storage::emergencies::emergency_unreviewed(&mut tx).await?)
        };
        let now = self.clock.now();
        self.sound_emergencies(before, (&going, &unreviewed), now);
        for row in &going {
            let view = self.fleet.view();
            let run = view.bot(&row.bot_id).and_then(|bot| bot.run.as_ref());
            if why_ended(row, run.map(Arc::as_ref), now).is_some() {
                self.end_if_over(row).await?;
            }
        }
        Ok(())
    }

    /// Writes down that one ended, when the transaction finds so too: what memory knows may be of before it was made.
    async fn end_if_over(&self, row: &EmergencyRow) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let (bot, now) = (storage::bots::bot_by_id(open.tx(), &row.bot_id).await?, open.now());
        let run = bot.as_ref().and_then(|bot| bot.run.as_ref());
        let Some(why) = why_ended(row, run.map(Arc::as_ref), now) else { return Ok(()) };
        if self.end_row(&mut open, row, row.until_at.min(now), why).await? { open.finish().await } else { Ok(()) }
    }

    /// Raises what goes on and settles what is over, one alert of a kind for a bot.
    fn sound_emergencies(&self, before: &mut Raised, (going, unreviewed): (&[EmergencyRow], &[EmergencyRow]), now: Timestamp) {
        let name = |row: &EmergencyRow| self.fleet.view().bot(&row.bot_id).map_or_else(|| row.bot_id.to_string(), |bot| bot.name.clone());
        let mut sounding = BTreeMap::<(AlertKind, String), (Subject, String)>::new();
        for row in going.iter().filter(|row| row.is_in_force(now)) {
            let (asked_by, seconded_by) = (self.people_book.who(&row.asked_by), self.people_book.who(&row.seconded_by));
            let words = format!(
                "{asked_by} and {seconded_by} let {} run another build or configuration than was approved, until {}: {}. Then it is paused, unless \
                 that was approved meanwhile.",
                name(row),
                row.until_at.plain(),
                row.why.trim_end_matches('.')
            );
            let subject = Subject::bot(&row.bot_id);
            sounding.insert((AlertKind::EmergencyChange, subject.key()), (subject, words));
        }
        for row in unreviewed.iter().filter(|row| row.is_overdue(now)) {
            let words = format!(
                "{}: {}. A lead, or risk, who did not sign it reviews it under Emergency changes. Until then it does not start, and gets no other.",
                name(row),
                overdue_words(row)
            );
            let subject = Subject::bot(&row.bot_id);
            sounding.entry((AlertKind::ReviewOverdue, subject.key())).or_insert((subject, words));
        }
        for ((kind, key), (subject, words)) in &sounding {
            let last = before.0.get(&(*kind, key.clone())).copied();
            if !self.alerts.is_open(*kind, subject) && last.is_none_or(|at| now.ms_since(at) >= AGAIN_MS) {
                self.raise(*kind, subject.clone(), words);
                before.0.insert((*kind, key.clone()), now);
            }
        }
        for kind in SOUNDS {
            for subject in self.alerts.ours(kind) {
                if !sounding.contains_key(&(kind, subject.key())) {
                    let why = if kind == AlertKind::ReviewOverdue { "somebody has reviewed it" } else { "it is over" };
                    self.settle(kind, &subject, why);
                }
            }
        }
        before.0.retain(|key, _| sounding.contains_key(key));
    }
}

/// Why an emergency change has ended, by what is approved of its bot now; none: it has not.
fn why_ended(row: &EmergencyRow, run: Option<&ApprovedRun>, now: Timestamp) -> Option<&'static str> {
    let of = run.and_then(|run| run.emergency.as_ref()).filter(|emergency| emergency.change == row.id);
    match of {
        Some(emergency) if emergency.is_in_force(now) => None,
        Some(_) => Some("its time is over"),
        None if row.until_at <= now => Some("its time is over"),
        None if run.is_some() => Some("another approval holds"),
        None => Some("what was approved holds no more: its stage changed"),
    }
}

/// The two people who signed an act.
fn two_of(act: &ActView) -> Result<(UserId, UserId), AppError> {
    match act.signatures.as_slice() {
        [first, second] if first.user_id != second.user_id => Ok((first.user_id.clone(), second.user_id.clone())),
        _ => Err(AppError::conflict("an emergency change takes two people: nobody signs it twice")),
    }
}
