//! Recovery of accounts whose security keys are lost: asked for, seen, taken back. Approvals, vetoes and links are acts (`acts/recovery.rs`);
//! what the clock does to it is in `recovery_rounds.rs`; past every approval goes only the server's host (`recovery_host.rs`).

use super::{App, AppError, Invalid, recovery_rounds::still_here, sign_in::LINK_SESSION_MS, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    Audience, Notice, NoticeKind, RecoveryId, Timestamp, UserId,
    recovery::{self, EXPIRES_MS, FROZEN_MS, HOST_TOLD_MS, OWN_ASKS, OWN_WITHIN_MS, Party, RecoveryState},
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

/// How long the rights of a person are frozen by a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Its link was used, and not for two new keys yet: until there are two, and longer.
    UntilDone,
    /// Until this moment.
    Until(Timestamp),
}

impl Freeze {
    /// In words, for a sentence that begins with *until*.
    pub fn words(self) -> String {
        match self {
            Self::UntilDone => "24 hours after a recovery with two new keys".to_owned(),
            Self::Until(at) => at.plain(),
        }
    }
    /// True when it is over by now.
    pub fn is_over(self, now: Timestamp) -> bool {
        matches!(self, Self::Until(at) if at <= now)
    }
}

/// How the rights of a person are frozen by their recoveries, given newest first; none: they are not. What one of them began and did not end
/// freezes until a later one is done.
pub(crate) fn freeze_of<'a>(newest_first: impl Iterator<Item = &'a RecoveryView>, user: &UserId, now: Timestamp) -> Option<Freeze> {
    let mut found = None;
    for view in newest_first.filter(|view| view.row.user_id == *user) {
        match view.freeze() {
            Some(Freeze::UntilDone) => return Some(Freeze::UntilDone),
            Some(freeze) if !freeze.is_over(now) => found = found.or(Some(freeze)),
            _ => {}
        }
        if view.row.state == RecoveryState::Done {
            break;
        }
    }
    found
}

/// A recovery and who has approved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryView {
    /// The recovery.
    pub row: Recovery,
    /// Its approvals, in order.
    pub approvals: Vec<Approval>,
}

impl RecoveryView {
    /// How the rights of the person are frozen by it; none: they are not.
    pub fn freeze(&self) -> Option<Freeze> {
        let (row, has_begun) = (&self.row, self.row.began_at.is_some());
        match row.state {
            RecoveryState::Linked | RecoveryState::Expired if has_begun => Some(Freeze::UntilDone),
            RecoveryState::Linked => self.link_lives_until().map(Freeze::Until),
            RecoveryState::Done => row.closed_at.map(|at| Freeze::Until(at.plus_ms(FROZEN_MS))),
            _ => None,
        }
    }
    /// Until when whoever opened its link may go on with it.
    fn link_lives_until(&self) -> Option<Timestamp> {
        self.row.link_until.filter(|_| self.row.state == RecoveryState::Linked).map(|until| until.plus_ms(LINK_SESSION_MS))
    }
    /// True while somebody may still go on with its link.
    pub(crate) fn has_live_link(&self, now: Timestamp) -> bool {
        self.link_lives_until().is_some_and(|until| until > now)
    }
    /// True when it was done on the server's host.
    pub fn is_by_host(&self) -> bool {
        self.row.asked_by.is_none()
    }
    /// True while a link may be made here. That of a recovery on the server's host is made there alone.
    pub fn takes_link(&self, now: Timestamp) -> bool {
        let is_ready = self.row.ready_at.is_some_and(|at| at <= now) && !self.is_by_host();
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
    /// True when there is one of a person, open or not.
    pub fn knows(&self, user: &UserId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.row.user_id == *user)
    }
    /// How a person's rights are frozen; none: they are not.
    pub fn freeze_of(&self, user: &UserId, now: Timestamp) -> Option<Freeze> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        freeze_of(all.iter().map(Arc::as_ref), user, now)
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

    /// Everybody who could be asked to sign something: enabled, with two keys that count, not frozen.
    pub fn members(&self) -> Vec<Party> {
        let now = self.clock.now();
        let may_sign = |user: &Arc<User>| self.people_book.has_two_keys(&user.id) && self.recovery_book.freeze_of(&user.id, now).is_none();
        self.people_book.users().iter().filter(|user| may_sign(user)).map(|user| party(user)).collect()
    }

    /// Who approved a recovery and could be asked again now, in order.
    pub(crate) fn approvers_now(&self, view: &RecoveryView) -> Vec<Party> {
        let members = self.members();
        still_here(&view.approvals, &members)
    }

    /// What a recovery is to the policy.
    pub fn recovery_resource(&self, view: &RecoveryView) -> Resource {
        let RecoveryView { row, approvals } = view;
        let grants = self.people_book.user(&row.user_id).map(|user| user.grants.clone()).unwrap_or_default();
        let approved_by = approvals.iter().map(|approval| approval.user_id.clone()).collect();
        Resource::Recovery { user: row.user_id.clone(), grants, asked_by: row.asked_by.clone(), approved_by }
    }

    /// True when a recovery waits for this person's approval.
    pub fn waits_for(&self, actor: &Actor, view: &RecoveryView) -> bool {
        let may = || authz::check(actor, Action::ApproveRecovery, &self.recovery_resource(view)).is_ok();
        view.row.state == RecoveryState::Asked && may() && self.check_approval(actor, &view.row.id).is_ok()
    }

    /// How many recoveries wait for this person's approval.
    pub fn recoveries_waiting(&self, actor: &Actor) -> usize {
        self.recovery_book.all().iter().filter(|view| self.waits_for(actor, view)).count()
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
        let since = open.now().plus_ms(-OWN_WITHIN_MS);
        if storage::recoveries::recovery_own_since(open.tx(), user, since).await? >= OWN_ASKS {
            let why = "you asked three times within a day, and everyone who administers was told each time; an admin can ask for you";
            return Err(AppError::conflict(why));
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

    /// Takes back a recovery whose link was not used yet: the person themselves, whoever asked for it, or any admin.
    ///
    /// # Errors
    /// `Denied` for everybody else; `NotFound`; `Conflict` when it is over, used, or made on the server's host.
    pub async fn withdraw_recovery(&self, actor: &Actor, id: &RecoveryId) -> Result<(), AppError> {
        let view = self.recovery(actor, id).await?;
        let permit = authz::check(actor, Action::StopRecovery, &self.recovery_resource(&view))?;
        if view.is_by_host() {
            return Err(AppError::conflict("it was made on the server's host; whose account it is vetoes it, signed with a key"));
        }
        let open = self.begin(permit, Lane::Normal).await?;
        self.withdraw(open, id).await
    }

    /// The same for somebody who has given the right password and no key: that is not enough once anybody has approved it.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when somebody approved it, or it was made on the server's host.
    pub async fn withdraw_own_recovery(&self, user: &UserId) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let row = storage::recoveries::recovery_open_of(open.tx(), user).await?.ok_or(AppError::NotFound("recovery"))?;
        if row.asked_by.is_none() || !storage::recoveries::recovery_approvals(open.tx(), &row.id).await?.is_empty() {
            let why = "it was approved, so a password alone takes it back no more: a key of yours vetoes it, and any admin can withdraw it";
            return Err(AppError::conflict(why));
        }
        self.withdraw(open, &row.id).await
    }

    async fn withdraw(&self, mut open: Act<'_>, id: &RecoveryId) -> Result<(), AppError> {
        let row = self.stop_recovery(&mut open, id, RecoveryState::Withdrawn).await?;
        let whose = self.people_book.who(&row.user_id);
        let by = match open.actor() {
            Actor::User { name, .. } => name.clone(),
            _ => format!("{whose}, with their password,"),
        };
        let text = &format!("{by} took it back. Nothing was changed; a link that was made is over.");
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

    /// Takes back what was made with the link of a recovery: the keys since then, and the password. Before it there are none left.
    pub(crate) async fn undo_begun(&self, open: &mut Act<'_>, row: &Recovery) -> Result<(), AppError> {
        if row.began_at.is_none() {
            return Ok(());
        }
        let now = open.now();
        let mut credentials = Vec::new();
        for key in storage::credentials::credential_of_user(open.tx(), &row.user_id).await? {
            storage::credentials::credential_remove(open.tx(), &key.id, now).await?;
            credentials.push(key.id);
        }
        storage::users::user_end_password(open.tx(), &row.user_id).await?;
        if !credentials.is_empty() {
            let (recovery, user) = (row.id.clone(), row.user_id.clone());
            open.record_stop(Event::RecoveryKeysRemoved { recovery, user, credentials }).await?;
        }
        open.record_stop(Event::PasswordEnded { user: row.user_id.clone() }).await?;
        open.changes_books();
        Ok(())
    }
}
