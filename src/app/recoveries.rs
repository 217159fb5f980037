//! Recovery of accounts whose security keys are lost: asked for, seen, taken back, and what the clock does to it. Approvals, vetoes and links
//! are acts (`acts/recovery.rs`); past every approval goes only the server's host (`recovery_host.rs`).

use super::{App, AppError, Invalid, sign_in::LINK_SESSION_MS, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    Audience, Notice, NoticeKind, RecoveryId, Timestamp, UserId,
    recovery::{self, EXPIRES_MS, FROZEN_MS, HOST_TOLD_MS, Party, RecoveryState},
    text,
};
pub use crate::storage::recoveries::{Approval, Recovery};
use crate::storage::{self, Conn, Lane, users::User};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// What is kept in memory: recoveries that can still matter to somebody's rights or to what every page says.
const REMEMBERED_MS: i64 = EXPIRES_MS + HOST_TOLD_MS + FROZEN_MS;
/// How far back the page of recoveries goes.
const LISTED_MS: i64 = 400 * 24 * 60 * 60 * 1_000;

/// A recovery and who has approved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryView {
    /// The recovery.
    pub row: Recovery,
    /// Its approvals, in order.
    pub approvals: Vec<Approval>,
}

impl RecoveryView {
    /// Until when the rights of the person are frozen by it; none: they are not.
    pub fn frozen_until(&self) -> Option<Timestamp> {
        match self.row.state {
            RecoveryState::Linked => self.row.link_until.map(|until| until.plus_ms(LINK_SESSION_MS)),
            RecoveryState::Done => self.row.closed_at.map(|at| at.plus_ms(FROZEN_MS)),
            _ => None,
        }
    }
    /// True when it was done on the server's host.
    pub fn is_by_host(&self) -> bool {
        self.row.asked_by.is_none()
    }
    /// True while a link may be made.
    pub fn takes_link(&self, now: Timestamp) -> bool {
        let is_ready = self.row.ready_at.is_some_and(|at| at <= now) || self.is_by_host();
        matches!(self.row.state, RecoveryState::Approved | RecoveryState::Linked) && is_ready && now <= self.row.expires_at
    }
}

/// Recoveries as every request needs them: frozen rights are asked for without the database.
#[derive(Default)]
pub struct RecoveryBook(RwLock<Vec<Arc<RecoveryView>>>);

impl RecoveryBook {
    pub(crate) fn reload(&self, all: Vec<RecoveryView>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all.into_iter().map(Arc::new).collect();
    }
    /// All of them, newest first.
    pub fn all(&self) -> Vec<Arc<RecoveryView>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// One of them.
    pub fn find(&self, id: &RecoveryId) -> Option<Arc<RecoveryView>> {
        self.all().into_iter().find(|one| one.row.id == *id)
    }
    /// The open one of a person.
    pub fn open_of(&self, user: &UserId) -> Option<Arc<RecoveryView>> {
        self.all().into_iter().find(|one| one.row.user_id == *user && one.row.state.is_open())
    }
    /// Until when a person's rights are frozen; none: they are not.
    pub fn frozen_until(&self, user: &UserId, now: Timestamp) -> Option<Timestamp> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|one| one.row.user_id == *user).filter_map(|one| one.frozen_until()).max().filter(|until| *until > now)
    }
    /// Those that every page tells of: done on the server's host, and not long ago.
    pub fn by_host(&self, now: Timestamp) -> Vec<Arc<RecoveryView>> {
        self.all().into_iter().filter(|one| one.is_by_host() && now.ms_since(one.row.asked_at) < HOST_TOLD_MS).collect()
    }
}

/// Every recovery since a moment, with approvals.
pub(crate) async fn read(conn: &mut Conn, since: Timestamp) -> Result<Vec<RecoveryView>, AppError> {
    let mut approvals = HashMap::<RecoveryId, Vec<Approval>>::new();
    for approval in storage::recoveries::recovery_approvals_since(conn, since).await? {
        approvals.entry(approval.recovery_id.clone()).or_default().push(approval);
    }
    let rows = storage::recoveries::recovery_since(conn, since).await?;
    Ok(rows.into_iter().map(|row| RecoveryView { approvals: approvals.remove(&row.id).unwrap_or_default(), row }).collect())
}

/// A person as the rules of recovery see them.
pub(crate) fn party(user: &User) -> Party {
    Party { id: user.id.clone(), grants: user.grants.clone() }
}

impl App {
    /// Recoveries in memory.
    pub fn recovery_book(&self) -> &RecoveryBook {
        &self.recovery_book
    }

    /// What the book is to hold.
    pub(crate) async fn recent_recoveries(&self, conn: &mut Conn) -> Result<Vec<RecoveryView>, AppError> {
        read(conn, self.clock.now().plus_ms(-REMEMBERED_MS)).await
    }

    /// Everybody who could be asked to sign something: enabled, with two keys that count.
    pub fn members(&self) -> Vec<Party> {
        self.people_book.users().iter().filter(|user| self.people_book.has_two_keys(&user.id)).map(|user| party(user)).collect()
    }

    /// What a recovery is to the policy.
    pub fn recovery_resource(&self, view: &RecoveryView) -> Resource {
        let RecoveryView { row, approvals } = view;
        let grants = self.people_book.user(&row.user_id).map(|user| user.grants.clone()).unwrap_or_default();
        let approved_by = approvals.iter().map(|approval| approval.user_id.clone()).collect();
        Resource::Recovery { user: row.user_id.clone(), grants, asked_by: row.asked_by.clone(), approved_by }
    }

    /// Recoveries of the last year and a bit, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn recoveries(&self, actor: &Actor) -> Result<Vec<RecoveryView>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        read(&mut *self.db.read().await?, self.clock.now().plus_ms(-LISTED_MS)).await
    }

    /// One recovery.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn recovery(&self, actor: &Actor, id: &RecoveryId) -> Result<RecoveryView, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let row = storage::recoveries::recovery_by_id(&mut tx, id).await?.ok_or(AppError::NotFound("recovery"))?;
        Ok(RecoveryView { approvals: storage::recoveries::recovery_approvals(&mut tx, id).await?, row })
    }

    /// How many could approve the recovery of a person that somebody asks for.
    ///
    /// # Errors
    /// `Conflict` when they are too few: then only the server's host helps.
    pub fn approvers_for(&self, person: &Party, asked_by: Option<&UserId>) -> Result<usize, AppError> {
        let members = self.members();
        if recovery::can_be_approved(person, asked_by, &members) {
            return Ok(recovery::eligible(person, asked_by, &members).len());
        }
        let why = "There are not two people here who could approve this. Whoever runs the server can help on its host: andon user recover";
        Err(AppError::conflict(why))
    }

    /// Writes a new request and tells of it. The caller commits.
    pub(crate) async fn insert_recovery(
        &self,
        open: &mut Act<'_>,
        id: &RecoveryId,
        (person, asked_by): (&User, &UserId),
        why: &str,
    ) -> Result<Recovery, AppError> {
        self.approvers_for(&party(person), Some(asked_by))?;
        let now = open.now();
        let row = Recovery {
            id: id.clone(),
            user_id: person.id.clone(),
            asked_by: Some(asked_by.clone()),
            why: why.to_owned(),
            state: RecoveryState::Asked,
            asked_at: now,
            expires_at: now.plus_ms(EXPIRES_MS),
            ready_at: None,
            told_at: None,
            link_until: None,
            began_at: None,
            closed_at: None,
        };
        if storage::recoveries::recovery_open_of(open.tx(), &person.id).await?.is_some() {
            return Err(AppError::conflict("a recovery of this account is under way already"));
        }
        storage::recoveries::recovery_insert(open.tx(), &row).await?;
        let who = if person.id == *asked_by { "They asked" } else { "An admin asked" };
        let text = format!(
            "{who} to recover the account of {}, whose security keys are lost. Reason: {why}\n\nTwo people must approve. If this is your account and \
             you did not lose your keys, veto it now with a key of yours.",
            person.display_name
        );
        self.tell_of_recovery(open, &row, (NoticeKind::RecoveryAsked, ""), ("Recovery asked", &person.display_name), &text).await?;
        open.changes_books();
        Ok(row)
    }

    /// Tells the person, whoever asked, and everyone who administers.
    pub(crate) async fn tell_of_recovery(
        &self,
        open: &mut Act<'_>,
        row: &Recovery,
        (kind, step): (NoticeKind, &str),
        (title, whose): (&str, &str),
        text: &str,
    ) -> Result<(), AppError> {
        let mut to = Audience::person(&row.user_id).and_admins();
        if let Some(asked_by) = &row.asked_by {
            to = to.and(asked_by);
        }
        let notice = Notice::new(kind, format!("{}{step}", row.id), format!("{title}: {whose}"), text);
        open.tell(&to, &notice.at(format!("/recoveries/{}", row.id))).await.map(drop)
    }

    /// Asks for the recovery of one's own account, after the right password and without a key. One that is under way is answered with.
    ///
    /// # Errors
    /// `Invalid` without a reason; `Conflict` when too few people could approve it; `NotFound` for somebody disabled.
    pub async fn ask_own_recovery(&self, user: &UserId, why: &str) -> Result<RecoveryId, AppError> {
        let mut invalid = Invalid::default();
        let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
        if why.is_empty() {
            return Err(Invalid::one("why", "Say what happened to your keys: whoever approves reads it").into());
        }
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let person = storage::users::user_by_id(open.tx(), user).await?.filter(|user| user.enabled).ok_or(AppError::NotFound("person"))?;
        if let Some(found) = storage::recoveries::recovery_open_of(open.tx(), user).await? {
            return Ok(found.id);
        }
        let id = RecoveryId::new();
        self.insert_recovery(&mut open, &id, (&person, user), &why).await?;
        open.commit(Event::RecoveryAsked { recovery: id.clone(), user: user.clone(), why, signed: None }).await?;
        Ok(id)
    }

    /// The open recovery of somebody who has given the right password, and nobody else's.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn own_recovery(&self, user: &UserId) -> Result<Option<RecoveryView>, AppError> {
        let mut tx = self.db.read().await?;
        let Some(row) = storage::recoveries::recovery_open_of(&mut tx, user).await? else { return Ok(None) };
        Ok(Some(RecoveryView { approvals: storage::recoveries::recovery_approvals(&mut tx, &row.id).await?, row }))
    }

    /// Takes back a recovery that this person asked for.
    ///
    /// # Errors
    /// `Denied` for everybody else; `NotFound`; `Conflict` when it is over or used.
    pub async fn withdraw_recovery(&self, actor: &Actor, id: &RecoveryId) -> Result<(), AppError> {
        let view = self.recovery(actor, id).await?;
        let permit = authz::check(actor, Action::StopRecovery, &self.recovery_resource(&view))?;
        if view.row.asked_by.as_ref() != actor.user() {
            return Err(AppError::conflict("only whoever asked takes it back; whose account it is vetoes it, signed with a key"));
        }
        let open = self.begin(permit, Lane::Normal).await?;
        self.withdraw(open, id).await
    }

    /// The same for somebody who has given the right password and has no key.
    ///
    /// # Errors
    /// `NotFound` when they asked for none; `Conflict` when it is over or used.
    pub async fn withdraw_own_recovery(&self, user: &UserId) -> Result<(), AppError> {
        let found = self.own_recovery(user).await?.filter(|view| view.row.asked_by.as_ref() == Some(user));
        let id = found.ok_or(AppError::NotFound("recovery"))?.row.id;
        let open = self.begin(self.server_permit()?, Lane::Normal).await?;
        self.withdraw(open, &id).await
    }

    async fn withdraw(&self, mut open: Act<'_>, id: &RecoveryId) -> Result<(), AppError> {
        let row = self.stop_recovery(&mut open, id, RecoveryState::Withdrawn).await?;
        let whose = self.people_book.name(&row.user_id).unwrap_or_default();
        let text = "Whoever asked for it took it back. Nothing was changed; a link that was made is over.";
        self.tell_of_recovery(&mut open, &row, (NoticeKind::RecoveryStopped, ""), ("Recovery withdrawn", &whose), text).await?;
        open.commit_stop(Event::RecoveryWithdrawn { recovery: row.id, user: row.user_id }).await?;
        Ok(())
    }

    /// Ends an open recovery and its link.
    pub(crate) async fn stop_recovery(&self, open: &mut Act<'_>, id: &RecoveryId, state: RecoveryState) -> Result<Recovery, AppError> {
        let row = storage::recoveries::recovery_by_id(open.tx(), id).await?.ok_or(AppError::NotFound("recovery"))?;
        if row.began_at.is_some() && state != RecoveryState::Expired {
            return Err(AppError::conflict("its link was used: the person has a new password, and the old keys are gone"));
        }
        let now = open.now();
        if !storage::recoveries::recovery_close(open.tx(), id, state, now).await? {
            return Err(AppError::conflict(format!("this recovery is over: {}", row.state)));
        }
        storage::invitations::invitation_end(open.tx(), &row.user_id, "recovery", now).await?;
        open.changes_books();
        Ok(row)
    }

    /// What time does to recoveries: those whose time is over end, and everyone is told once a link may be made. Safe to run twice.
    ///
    /// # Errors
    /// When the database is gone: what is left is done by the next round.
    pub async fn tend_recoveries(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let open = read(&mut *self.db.read().await?, now).await?;
        for view in open.into_iter().filter(|view| view.row.state.is_open()) {
            let has_link = view.row.state == RecoveryState::Linked && view.frozen_until().is_some_and(|until| until > now);
            if now > view.row.expires_at && !has_link {
                self.expire_recovery(&view.row).await?;
            } else if view.row.state == RecoveryState::Approved && view.row.told_at.is_none() && view.takes_link(now) {
                self.tell_ready(&view.row).await?;
            }
        }
        Ok(())
    }

    async fn expire_recovery(&self, row: &Recovery) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let row = match self.stop_recovery(&mut open, &row.id, RecoveryState::Expired).await {
            Err(AppError::Conflict(_)) => return Ok(()),
            other => other?,
        };
        let whose = self.people_book.name(&row.user_id).unwrap_or_default();
        let text = "It was not completed within 7 days. Nothing goes on by itself: ask again if it is still needed.";
        self.tell_of_recovery(&mut open, &row, (NoticeKind::RecoveryStopped, ""), ("Recovery expired", &whose), text).await?;
        open.commit_stop(Event::RecoveryExpired { recovery: row.id, user: row.user_id }).await?;
        Ok(())
    }

    async fn tell_ready(&self, row: &Recovery) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = open.now();
        if !storage::recoveries::recovery_told(open.tx(), &row.id, now).await? {
            return Ok(());
        }
        let whose = self.people_book.name(&row.user_id).unwrap_or_default();
        let text = "The 24 hours in which it could be vetoed are over. An admin, or somebody who approved it, can make the link now. A key that is \
                    not lost still vetoes it until the link is used.";
        self.tell_of_recovery(&mut open, row, (NoticeKind::RecoveryApproved, ":ready"), ("Recovery can go on", &whose), text).await?;
        for approval in storage::recoveries::recovery_approvals(open.tx(), &row.id).await? {
            let told = Notice::new(NoticeKind::RecoveryApproved, format!("{}:ready", row.id), format!("Recovery can go on: {whose}"), text);
            open.tell(&Audience::person(&approval.user_id), &told.at(format!("/recoveries/{}", row.id))).await?;
        }
        open.changes_books();
        open.commit(Event::RecoveryReady { recovery: row.id.clone(), user: row.user_id.clone() }).await?;
        Ok(())
    }
}
