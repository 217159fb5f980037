//! What the acts of a recovery do: a request for somebody else, an approval, a veto, the link. Each is checked again inside the transaction of
//! its signature, by the rules of `domain/recovery.rs` and by what people hold then.

use super::{ActView, Outcome, carry_out::Effect, sign::signed_act};
use crate::app::{
    App, AppError,
    recoveries::{Recovery, party},
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{
    NoticeKind, RecoveryId, Secret, Timestamp, UserId,
    recovery::{self, APPROVALS_NEEDED, LINK_LIVES_MS, Party, RecoveryState},
};
use crate::storage::{self, Conn, invitations::Invitation, recoveries::Approval, users::User};

/// A link and what its making ended.
pub(crate) struct NewLink {
    /// The link.
    pub secret: Secret<String>,
    /// How many open acts ended with it.
    pub acts_ended: u64,
}

async fn person(conn: &mut Conn, user: &UserId) -> Result<User, AppError> {
    let row = storage::users::user_by_id(conn, user).await?.ok_or(AppError::NotFound("person"))?;
    if row.enabled { Ok(row) } else { Err(AppError::conflict("this person is disabled; enable them first")) }
}

/// Who approved, as they are now: whoever is disabled or has too few keys counts for nothing.
async fn approvers(conn: &mut Conn, approvals: &[Approval]) -> Result<Vec<Party>, AppError> {
    let mut all = Vec::new();
    for approval in approvals {
        let row = storage::users::user_by_id(conn, &approval.user_id).await?;
        all.extend(row.filter(|row| row.enabled).map(|row| party(&row)));
    }
    Ok(all)
}

fn signer(act: &ActView) -> Result<&UserId, AppError> {
    act.signatures.last().map(|signature| &signature.user_id).ok_or_else(|| AppError::conflict("nobody has signed this"))
}

fn at(id: &RecoveryId) -> Outcome {
    Outcome::Done(format!("/recoveries/{id}"))
}

impl App {
    pub(super) async fn carry_recovery_ask(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (id, user, why): (&RecoveryId, &UserId, &str),
    ) -> Result<Effect, AppError> {
        let row = person(open.tx(), user).await?;
        let by = signer(act)?.clone();
        check_askable(&row, &by)?;
        self.insert_recovery(open, id, (&row, &by), why).await?;
        let event = Event::RecoveryAsked { recovery: id.clone(), user: user.clone(), why: why.to_owned(), signed: Some(signed_act(act)?) };
        Ok(Effect { event, outcome: at(id), after: None })
    }

    pub(super) async fn carry_recovery_approve(&self, open: &mut OpenAct<'_>, act: &ActView, id: &RecoveryId) -> Result<Effect, AppError> {
        let row = open_recovery(open, id).await?;
        if row.state != RecoveryState::Asked {
            return Err(AppError::conflict("enough people have approved this"));
        }
        let person = person(open.tx(), &row.user_id).await?;
        let by = signer(act)?.clone();
        let approver = storage::users::user_by_id(open.tx(), &by).await?.ok_or(AppError::NotFound("person"))?;
        let before = storage::recoveries::recovery_approvals(open.tx(), id).await?;
        let parties = approvers(open.tx(), &before).await?;
        if parties.len() < before.len() {
            return Err(AppError::conflict("somebody who approved this was disabled; whoever asked takes it back and asks anew"));
        }
        recovery::may_approve(&party(&person), row.asked_by.as_ref(), &party(&approver), &parties)
            .map_err(|why| AppError::conflict(why.to_string()))?;
        let now = open.now();
        let approval = Approval { recovery_id: id.clone(), user_id: by, at: now };
        storage::recoveries::recovery_approve(open.tx(), &approval, &act.stored.id).await?;
        let n = before.len() + 1;
        let is_enough = n >= APPROVALS_NEEDED;
        let ready_at = is_enough.then(|| now.plus_ms(recovery::delay_ms(&person.grants)));
        if let Some(ready_at) = ready_at {
            storage::recoveries::recovery_ready(open.tx(), id, ready_at).await?;
        }
        self.tell_of_approval(open, &row, (n, &approver.display_name), ready_at).await?;
        open.changes_books();
        let event = Event::RecoveryApproved {
            recovery: id.clone(),
            user: row.user_id.clone(),
            approvals: n as u64,
            ready_at_us: ready_at.map(|at| at.0),
            signed: signed_act(act)?,
        };
        if ready_at.is_none_or(|at| at > now) {
            return Ok(Effect { event, outcome: at(id), after: None });
        }
        open.record(event).await?;
        self.carry_recovery_link(open, act, id).await
    }

    async fn tell_of_approval(
        &self,
        open: &mut OpenAct<'_>,
        row: &Recovery,
        (n, by): (usize, &str),
        ready_at: Option<Timestamp>,
    ) -> Result<(), AppError> {
        let whose = self.people_book.name(&row.user_id).unwrap_or_default();
        let then = match ready_at {
            None => "One more must approve.".to_owned(),
            Some(at) if at > open.now() => format!("Its link can be made from {} on.", at.plain()),
            Some(_) => "Its link was made.".to_owned(),
        };
        let text = format!(
            "{by} approved it, the approval {n} of {APPROVALS_NEEDED}. {then} If this is your account and a key of yours is not lost, that key \
             vetoes it until the link is used."
        );
        self.tell_of_recovery(open, row, (NoticeKind::RecoveryApproved, &format!(":{n}")), ("Recovery approved", &whose), &text).await
    }

    pub(super) async fn carry_recovery_link(&self, open: &mut OpenAct<'_>, act: &ActView, id: &RecoveryId) -> Result<Effect, AppError> {
        let row = open_recovery(open, id).await?;
        if !matches!(row.state, RecoveryState::Approved | RecoveryState::Linked) {
            return Err(AppError::conflict("two people must approve this before its link is made"));
        }
        let person = person(open.tx(), &row.user_id).await?;
        let by = signer(act)?.clone();
        if row.asked_by.is_some() {
            let approvals = storage::recoveries::recovery_approvals(open.tx(), id).await?;
            let parties = approvers(open.tx(), &approvals).await?;
            if !recovery::is_approved(&party(&person), row.asked_by.as_ref(), &parties) {
                let why = "an approval no longer counts, since roles changed or somebody was disabled; take this back and ask anew";
                return Err(AppError::conflict(why));
            }
            let is_admin = self.people_book.holds(&by, crate::domain::Role::Admin);
            if !is_admin && !approvals.iter().any(|approval| approval.user_id == by) {
                return Err(AppError::conflict("an admin makes the link, or somebody who approved it"));
            }
            if let Some(ready_at) = row.ready_at.filter(|at| *at > open.now()) {
                return Err(AppError::conflict(format!("its link can be made from {} on, so that it can be vetoed", ready_at.plain())));
            }
        }
        let NewLink { secret, acts_ended } = self.make_recovery_link(open, &row).await?;
        let text = format!(
            "The link to new security keys was made and shown once to {}. It works for an hour. Every session of the account has ended, its open \
             acts are withdrawn, and until 24 hours after the new keys its person may see and stop only. A key that is not lost still vetoes it \
             until the link is used.",
            self.people_book.name(&by).unwrap_or_default()
        );
        let step = format!(":link:{}", act.stored.id);
        self.tell_of_recovery(open, &row, (NoticeKind::RecoveryApproved, &step), ("Recovery link made", &person.display_name), &text)
            .await?;
        let event = Event::RecoveryLinkMade { recovery: id.clone(), user: row.user_id.clone(), acts_ended, signed: signed_act(act)? };
        let outcome = Outcome::Secret { title: "Recovery link", secret, next: format!("/recoveries/{id}") };
        Ok(Effect { event, outcome, after: None })
    }

    pub(super) async fn carry_recovery_veto(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (id, user): (&RecoveryId, &UserId),
    ) -> Result<Effect, AppError> {
        if signer(act)? != user {
            return Err(AppError::conflict("only the person themselves vetoes their recovery"));
        }
        let row = self.stop_recovery(open, id, RecoveryState::Vetoed).await?;
        if row.user_id != *user {
            return Err(AppError::conflict("this is the recovery of somebody else's account"));
        }
        let whose = self.people_book.name(user).unwrap_or_default();
        let text =
            format!("{whose} vetoed it with a security key of theirs. Nothing of the account was changed; a link that was made is over.");
        self.tell_of_recovery(open, &row, (NoticeKind::RecoveryStopped, ""), ("Recovery vetoed", &whose), &text).await?;
        let event = Event::RecoveryVetoed { recovery: id.clone(), user: user.clone(), signed: signed_act(act)? };
        Ok(Effect { event, outcome: at(id), after: None })
    }

    /// Makes the one-use link of a recovery. Links before it, and the person's open acts and signatures, end; the rights freeze.
    pub(crate) async fn make_recovery_link(&self, open: &mut OpenAct<'_>, row: &Recovery) -> Result<NewLink, AppError> {
        let now = open.now();
        for kind in ["recovery", "invite"] {
            storage::invitations::invitation_end(open.tx(), &row.user_id, kind, now).await?;
        }
        let token = token::new_token("recovery")?;
        let link = Invitation {
            token_hash: TokenDigest::of(token.expose()).hex(),
            user_id: row.user_id.clone(),
            kind: "recovery".into(),
            made_at: now,
            expires_at: now.plus_ms(LINK_LIVES_MS),
        };
        storage::invitations::invitation_insert(open.tx(), &link).await?;
        storage::recoveries::recovery_linked(open.tx(), &row.id, link.expires_at).await?;
        let why = "the account of somebody who asked for it or signed it is being recovered";
        let acts_ended = storage::acts::act_withdraw_of(open.tx(), &row.user_id, now, why).await?;
        open.end_sessions_of(&row.user_id, None, "the account is being recovered").await?;
        open.changes_books();
        Ok(NewLink { secret: Secret::new(format!("{}welcome/{}", self.origin, token.expose())), acts_ended })
    }
}

/// The recovery, while it is open and its time is not over.
async fn open_recovery(open: &mut OpenAct<'_>, id: &RecoveryId) -> Result<Recovery, AppError> {
    let row = storage::recoveries::recovery_by_id(open.tx(), id).await?.ok_or(AppError::NotFound("recovery"))?;
    if !row.state.is_open() || open.now() > row.expires_at {
        return Err(AppError::conflict(format!(
            "this recovery is over: {}",
            if row.state.is_open() { "expired" } else { row.state.as_str() }
        )));
    }
    Ok(row)
}

/// Refuses a request that another page is for.
pub(crate) fn check_askable(row: &User, by: &UserId) -> Result<(), AppError> {
    if row.id == *by {
        return Err(AppError::conflict("ask for your own recovery on the sign-in page, after your password: I lost my keys"));
    }
    if !row.enabled {
        return Err(AppError::conflict("this person is disabled; enable them first"));
    }
    if row.password_hash.is_none() {
        return Err(AppError::conflict("this person has not come in yet; make a new link instead"));
    }
    Ok(())
}
