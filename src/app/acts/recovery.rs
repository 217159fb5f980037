//! What the acts of a recovery do: a request for somebody else, an approval, a veto, the link. Each is checked again inside the transaction of
//! its signature, by the rules of `domain/recovery.rs` and by what people hold then.

use super::{ActView, Outcome, carry_out::Effect, sign::signed_act};
use crate::app::{
    App, AppError,
    recoveries::{Recovery, party},
    recovery_rounds::still_here,
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{
    NoticeKind, RecoveryId, Role, Secret, Timestamp, UserId,
    recovery::{self, APPROVALS_NEEDED, LINK_LIVES_MS, RecoveryState},
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

fn signer(act: &ActView) -> Result<&UserId, AppError> {
    act.signatures.last().map(|signature| &signature.user_id).ok_or_else(|| AppError::conflict("nobody has signed this"))
}

/// Whoever signs is disabled, frozen or short of keys by what the transaction sees.
fn counts_no_more() -> AppError {
    AppError::conflict("your signature counts for nothing now: it takes an enabled account, two security keys, and no recovery under way")
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
        self.check_askable(open.tx(), &row, &by).await?;
        self.insert_recovery(open, id, (&row, &by), why).await?;
        let event = Event::RecoveryAsked { recovery: id.clone(), user: user.clone(), why: why.to_owned(), signed: Some(signed_act(act)?) };
        Ok(Effect { event, outcome: at(id), after: None })
    }

    pub(super) async fn carry_recovery_approve(&self, open: &mut OpenAct<'_>, act: &ActView, id: &RecoveryId) -> Result<Effect, AppError> {
        let mut row = open_recovery(open, id).await?;
        // A link that was made stands until it is over: then the next round looks.
        if row.state != RecoveryState::Linked && self.drop_approvals(open, &row).await? {
            row = open_recovery(open, id).await?;
        }
        if row.state != RecoveryState::Asked {
            return Err(AppError::conflict("enough people have approved this"));
        }
        let person = person(open.tx(), &row.user_id).await?;
        let by = signer(act)?.clone();
        let members = self.members_in(open.tx()).await?;
        let approver = members.iter().find(|member| member.id == by).ok_or_else(counts_no_more)?;
        let before = storage::recoveries::recovery_approvals(open.tx(), id).await?;
        let parties = still_here(&before, &members);
        recovery::may_approve(&party(&person), row.asked_by.as_ref(), approver, &parties)
            .map_err(|why| AppError::conflict(why.to_string()))?;
        let now = open.now();
        let name = self.people_book.who(&by);
        let approval = Approval { recovery_id: id.clone(), user_id: by, at: now };
        storage::recoveries::recovery_approve(open.tx(), &approval, &act.stored.id).await?;
        let n = before.len() + 1;
        let is_enough = n >= APPROVALS_NEEDED;
        let ready_at = is_enough.then(|| now.plus_ms(recovery::delay_ms(&person.grants)));
        if let Some(ready_at) = ready_at {
            storage::recoveries::recovery_ready(open.tx(), id, ready_at).await?;
        }
        self.tell_of_approval(open, act, &row, (n, &name), ready_at).await?;
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
        act: &ActView,
        row: &Recovery,
        (n, by): (usize, &str),
        ready_at: Option<Timestamp>,
    ) -> Result<(), AppError> {
        let whose = self.people_book.who(&row.user_id);
        let then = match ready_at {
            None => "One more must approve.".to_owned(),
            Some(at) if at > open.now() => format!("Its link can be made from {} on.", at.plain()),
            Some(_) => "Its link was made.".to_owned(),
        };
        let text = format!(
            "{by} approved it, the approval {n} of {APPROVALS_NEEDED}. {then} If this is your account and a key of yours is not lost, that key \
             vetoes it until the link is used."
        );
        let step = format!(":{n}:{}", act.stored.id);
        self.tell_of_recovery(open, row, (NoticeKind::RecoveryApproved, &step), ("Recovery approved", &whose), &text).await
    }

    pub(super) async fn carry_recovery_link(&self, open: &mut OpenAct<'_>, act: &ActView, id: &RecoveryId) -> Result<Effect, AppError> {
        let row = open_recovery(open, id).await?;
        if !matches!(row.state, RecoveryState::Approved | RecoveryState::Linked) {
            return Err(AppError::conflict("two people must approve this before its link is made"));
        }
        let person = person(open.tx(), &row.user_id).await?;
        let by = signer(act)?.clone();
        self.check_link(open, (&row, &person), &by).await?;
        let NewLink { secret, acts_ended } = self.make_recovery_link(open, &row).await?;
        let text = format!(
            "The link to new security keys was made and shown once to {}. It works for an hour. Every session of the account has ended, its open \
             acts are withdrawn, and until 24 hours after the new keys its person may see and stop only. A key that is not lost still vetoes it \
             until the link is used.",
            self.people_book.who(&by)
        );
        let step = format!(":link:{}", act.stored.id);
        self.tell_of_recovery(open, &row, (NoticeKind::RecoveryApproved, &step), ("Recovery link made", &person.display_name), &text)
            .await?;
        let event = Event::RecoveryLinkMade { recovery: id.clone(), user: row.user_id.clone(), acts_ended, signed: signed_act(act)? };
        let outcome = Outcome::Secret { title: "Recovery link", secret, next: format!("/recoveries/{id}") };
        Ok(Effect { event, outcome, after: None })
    }

    /// Refuses a link that this person does not make, or not now: whoever asked never sees it, and that of the host is made there.
    async fn check_link(&self, open: &mut OpenAct<'_>, (row, person): (&Recovery, &User), by: &UserId) -> Result<(), AppError> {
        let Some(asked_by) = &row.asked_by else {
            return Err(AppError::conflict("this recovery was made on the server's host, and so is another link of it"));
        };
        if asked_by == by || row.user_id == *by {
            return Err(AppError::conflict("whoever asked for a recovery does not make its link"));
        }
        let approvals = storage::recoveries::recovery_approvals(open.tx(), &row.id).await?;
        let members = self.members_in(open.tx()).await?;
        let own = members.iter().find(|member| member.id == *by).ok_or_else(counts_no_more)?;
        let parties = still_here(&approvals, &members);
        if !recovery::is_approved(&party(person), row.asked_by.as_ref(), &parties) {
            let why = "an approval no longer counts, since roles changed or somebody was disabled; it waits for another in a moment";
            return Err(AppError::conflict(why));
        }
        let is_admin = own.grants.iter().any(|grant| grant.role == Role::Admin);
        if !is_admin && !approvals.iter().any(|approval| approval.user_id == *by) {
            return Err(AppError::conflict("an admin makes the link, or somebody who approved it"));
        }
        match row.ready_at.filter(|at| *at > open.now()) {
            Some(at) => Err(AppError::conflict(format!("its link can be made from {} on, so that it can be vetoed", at.plain()))),
            None => Ok(()),
        }
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
        let whose = self.people_book.who(user);
        let text =
            format!("{whose} vetoed it with a security key of theirs. Nothing of the account was changed; a link that was made is over.");
        self.tell_of_recovery(open, &row, (NoticeKind::RecoveryStopped, ""), ("Recovery vetoed", &whose), &text).await?;
        let event = Event::RecoveryVetoed { recovery: id.clone(), user: user.clone(), signed: signed_act(act)? };
        Ok(Effect { event, outcome: at(id), after: None })
    }

    /// Refuses a request that another page is for.
    pub(crate) async fn check_askable(&self, conn: &mut Conn, row: &User, by: &UserId) -> Result<(), AppError> {
        if row.id == *by {
            return Err(AppError::conflict("ask for your own recovery on the sign-in page, after your password: I lost my keys"));
        }
        if !row.enabled {
            return Err(AppError::conflict("this person is disabled; enable them first"));
        }
        if row.password_hash.is_none() && !self.has_come_in(conn, &row.id).await? {
            return Err(AppError::conflict("this person has not come in yet; make a new link instead"));
        }
        Ok(())
    }

    /// Makes the one-use link of a recovery. Links before it, what was made with them, and the person's open acts and signatures end; the rights
    /// freeze.
    pub(crate) async fn make_recovery_link(&self, open: &mut OpenAct<'_>, row: &Recovery) -> Result<NewLink, AppError> {
        let now = open.now();
        self.undo_begun(open, row).await?;
        storage::recoveries::recovery_unbegun(open.tx(), &row.id).await?;
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
