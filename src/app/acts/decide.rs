//! Acts that take two people, beside their signatures: whom they wait for is told, whoever could sign can deny them, whoever asked or signed can
//! take them back, and what nobody signed in time is said to be over.

use super::{ActView, views};
use crate::app::{App, AppError, requests::ask::reason, tx::Act as Open};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{ActEnd, ActId, ActKind, Audience, HoldId, Notice, NoticeKind, UserId};
use crate::storage::{self, Lane, acts::StoredSignature};

/// How an act ended that was carried out.
pub(super) const CARRIED_OUT: &str = "carried out";

impl App {
    /// Checks that a person may deny an act: one that takes two people, that is not theirs, and that they could sign.
    ///
    /// # Errors
    /// `Denied`, `NotYours` or `Conflict`, with the reason.
    pub fn may_deny(&self, actor: &Actor, act: &ActView) -> Result<Permit, AppError> {
        self.still_open(act)?;
        if act.stored.signers_needed < 2 {
            return Err(AppError::conflict("this act is one person's: they take it back or let it expire"));
        }
        if is_theirs(act, actor) {
            return Err(AppError::NotYours("you asked for it or signed it: take it back".to_owned()));
        }
        // Whoever could not give the next signature says nothing here, whatever the reason.
        self.may_sign(actor, act).map_err(|error| match error {
            AppError::Conflict(why) => AppError::NotYours(why.join("; ")),
            other => other,
        })
    }

    /// Denies an act that waits for a second person: one deny ends it.
    ///
    /// # Errors
    /// As `may_deny`; `Invalid` without a reason.
    pub async fn deny_act(&self, actor: &Actor, id: &ActId, why: &str) -> Result<(), AppError> {
        let act = self.act(actor, id).await?;
        let permit = self.may_deny(actor, &act)?;
        let why = reason(why, "Say why not: whoever asked reads it")?;
        let by = actor.user().map_or_else(String::new, |user| self.people_book.who(user));
        let open = self.begin(permit, Lane::Normal).await?;
        self.end_act(open, &act, (ActEnd::Denied, &format!("denied by {by}: {why}"))).await
    }

    /// Checks that a person may take an act back: they asked for it or signed it, and it waits.
    ///
    /// # Errors
    /// `Conflict` when it is over; `NotYours`.
    pub fn may_withdraw(&self, actor: &Actor, act: &ActView) -> Result<Permit, AppError> {
        let permit = authz::check(actor, Action::See, &Resource::Installation)?;
        self.still_open(act)?;
        if is_theirs(act, actor) {
            return Ok(permit);
        }
        Err(AppError::NotYours("only whoever asked for it, or signed it, takes it back".to_owned()))
    }

    /// Takes an act back.
    ///
    /// # Errors
    /// As `may_withdraw`.
    pub async fn withdraw_act(&self, actor: &Actor, id: &ActId) -> Result<(), AppError> {
        let act = self.act(actor, id).await?;
        let permit = self.may_withdraw(actor, &act)?;
        let by = actor.user().map_or_else(String::new, |user| self.people_book.who(user));
        let open = self.begin(permit, Lane::Normal).await?;
        self.end_act(open, &act, (ActEnd::Withdrawn, &format!("taken back by {by}"))).await
    }

    /// Ends acts that somebody signed and that can come to nothing any more: nobody signed them in time after that, what they were to release is
    /// released, or whoever signed first may do nothing now.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn tend_acts(&self) -> Result<(), AppError> {
        let half_signed = {
            let mut tx = self.db.read().await?;
            let signatures = storage::acts::act_signatures_open(&mut tx).await?;
            views(storage::acts::act_half_signed(&mut tx).await?, signatures)
        };
        for act in half_signed {
            let Some(why) = self.why_in_vain(&act) else { continue };
            let open = self.begin(self.server_permit()?, Lane::Normal).await?;
            match self.end_act(open, &act, (ActEnd::Expired, why)).await {
                // Another replica was quicker.
                Err(AppError::Conflict(_)) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Why a half-signed act can come to nothing any more; none: it can.
    fn why_in_vain(&self, act: &ActView) -> Option<&'static str> {
        let view = self.fleet.view();
        let is_over = |hold: &HoldId| view.open_hold(hold).is_none();
        let has_no_hold = match &act.act.kind {
            ActKind::Release { hold, .. } => is_over(hold),
            ActKind::Releases { holds, .. } => holds.iter().any(|held| is_over(&held.hold)),
            _ => false,
        };
        let is_able = |signature: &StoredSignature| self.actor_of(&signature.user_id, false).is_some();
        match () {
            () if self.clock.now() > act.waits_until() => Some("nobody signed it in time"),
            () if has_no_hold => Some("what it was to release is released already"),
            () if !act.signatures.iter().all(is_able) => Some("whoever signed it was disabled"),
            () => None,
        }
    }

    async fn end_act(&self, mut open: Open<'_>, act: &ActView, (end, how): (ActEnd, &str)) -> Result<(), AppError> {
        // As a signature does, so that neither waits for the other and the entries stand in the order of what happened.
        open.epoch().await?;
        let (id, now) = (&act.stored.id, open.now());
        let state = if end == ActEnd::Withdrawn { "withdrawn" } else { "refused" };
        if !storage::acts::act_close(open.tx(), id, state, now, how).await? {
            return Err(AppError::conflict("this act was ended or carried out a moment ago"));
        }
        self.tell_act_ended(&mut open, act, how).await?;
        open.commit(Event::ActEnded { act: id.clone(), digest: act.stored.digest.clone(), end, how: how.to_owned() }).await?;
        Ok(())
    }

    /// Tells everybody who can give the second signature that it waits for one.
    pub(super) async fn tell_seconds(&self, open: &mut Open<'_>, act: &ActView) -> Result<(), AppError> {
        let can = |id: &UserId| self.actor_of(id, false).is_some_and(|actor| self.may_sign(&actor, act).is_ok());
        let users = self.people_book.users();
        let people = users.iter().map(|user| &user.id).filter(|id| !has_signed(act, id) && can(id)).cloned().collect();
        let who = act.signatures.last().map_or_else(String::new, |signature| self.people_book.who(&signature.user_id));
        let text = format!("{who} signed it and a second person must, until {}. You can sign or deny it.", act.waits_until().plain());
        let title = format!("Waits for a second signature: {}", self.act_title(act));
        let notice = Notice::new(NoticeKind::RequestAsked, act.stored.id.to_string(), title, text).at(format!("/acts/{}", act.stored.id));
        open.tell(&Audience { people, admins: false }, &notice).await.map(drop)
    }

    /// Tells whoever asked for an act and whoever signed it how it ended, but for whoever did that. An act of one person tells nobody.
    pub(super) async fn tell_act_ended(&self, open: &mut Open<'_>, act: &ActView, how: &str) -> Result<(), AppError> {
        if act.stored.signers_needed < 2 {
            return Ok(());
        }
        let own = open.actor().user().cloned();
        let signers = act.signatures.iter().map(|signature| &signature.user_id);
        let people = signers.chain([&act.stored.made_by]).filter(|one| Some(*one) != own.as_ref()).cloned().collect();
        let is_in_waves = matches!(&act.act.kind, ActKind::Start { plan: Some(_), .. }) && how == CARRIED_OUT;
        let how = if is_in_waves { "signed, and its first wave was started; the others follow" } else { how };
        let title = format!("{}: {how}", self.act_title(act));
        let text = format!("It was {how}. What was asked for, and who signed it, stands on its page.");
        let about = format!("{}:ended", act.stored.id);
        let notice = Notice::new(NoticeKind::RequestEnded, about, title, text).at(format!("/acts/{}", act.stored.id));
        open.tell(&Audience { people, admins: false }, &notice).await.map(drop)
    }

    /// What an act of two people is about, as one line.
    fn act_title(&self, act: &ActView) -> String {
        match &act.act.kind {
            ActKind::Release { hold, level, scope, .. } => {
                let view = self.fleet.view();
                let of = view.open_hold(hold).map_or_else(|| scope.clone(), |hold| self.scope_words(&hold.scope));
                format!("Release of the {level} of {of}")
            }
            ActKind::Releases { holds, .. } => format!("Release of {} holds", holds.len()),
            ActKind::Start { count, .. } => format!("Start of {count} bots"),
            ActKind::Drill { bot, .. } => {
                let name = self.fleet.view().bot(bot).map_or_else(|| bot.to_string(), |bot| bot.name.clone());
                format!("Drill of bot {name}")
            }
            ActKind::EmergencyChange { bot, .. } => {
                let name = self.fleet.view().bot(bot).map_or_else(|| bot.to_string(), |bot| bot.name.clone());
                format!("Emergency change of bot {name}")
            }
            other => other.word().replace('_', " "),
        }
    }
}

fn has_signed(act: &ActView, user: &UserId) -> bool {
    act.signatures.iter().any(|signature| signature.user_id == *user)
}

fn is_theirs(act: &ActView, actor: &Actor) -> bool {
    actor.user().is_some_and(|user| act.stored.made_by == *user || has_signed(act, user))
}
