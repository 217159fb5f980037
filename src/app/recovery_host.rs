//! Recovery on the server's host, past every approval: for an installation in which too few people are left to approve one. Loud: an entry, a
//! notice to everybody, a banner on every page for 7 days. Also what becomes of keys when the relying party changes.

use super::{
    App, AppError, Invalid,
    acts::recovery::NewLink,
    recoveries::{Recovery, party},
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    Audience, Notice, NoticeKind, RecoveryId, Secret,
    recovery::{self, EXPIRES_MS, RecoveryState},
    text,
};
use crate::storage::{self, Lane};
use std::sync::atomic::Ordering;

/// What the host gets.
#[derive(Debug)]
pub struct HostLink {
    /// The link, shown once.
    pub link: Secret<String>,
    /// The name shown of whose account it is.
    pub whose: String,
}

impl App {
    /// Makes the link to new keys for somebody, by the name they sign in with. `forced`: the reason why approvals are passed over.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a reason that is none; `Conflict` while enough people could approve and no reason is given.
    pub async fn recover_on_host(&self, host_user: &str, name: &str, forced: Option<&str>) -> Result<HostLink, AppError> {
        let permit = authz::check(&Actor::Host { user: host_user.to_owned() }, Action::RecoverOnHost, &Resource::Installation)?;
        let forced = forced.map(reason).transpose()?;
        let mut open = self.begin(permit, Lane::Normal).await?;
        let row = storage::users::user_by_name(open.tx(), name.trim()).await?.ok_or(AppError::NotFound("person of that name"))?;
        // Where nobody is left who could approve that somebody is enabled, the host does that as well, loudly.
        if !row.enabled && forced.is_none() {
            let why = format!("{} is disabled; an admin enables people. To go past that, say why: --force-with-reason", row.display_name);
            return Err(AppError::conflict(why));
        }
        if !row.enabled {
            storage::users::user_set_enabled(open.tx(), &row.id, true).await?;
            open.changes_books();
            open.record_stop(Event::UserEnabled { user: row.id.clone(), signed: None, request: None }).await?;
        }
        let (person, members) = (party(&row), self.members_in(open.tx()).await?);
        let could_approve = recovery::eligible(&person, Some(&row.id), &members).len();
        if recovery::can_be_approved(&person, Some(&row.id), &members) && forced.is_none() {
            return Err(AppError::conflict(format!(
                "{could_approve} people here can approve a recovery of {}: ask for it on the sign-in page, after the password (I lost my keys). To go \
                 past them, say why: --force-with-reason",
                row.display_name
            )));
        }
        let now = open.now();
        if let Some(found) = storage::recoveries::recovery_open_of(open.tx(), &row.id).await? {
            self.undo_begun(&mut open, &found).await?;
            storage::recoveries::recovery_close(open.tx(), &found.id, RecoveryState::Withdrawn, now).await?;
            open.record_stop(Event::RecoveryWithdrawn { recovery: found.id, user: row.id.clone() }).await?;
        }
        let why = forced.clone().unwrap_or_else(|| "too few people could approve a recovery".to_owned());
        let recovery = Recovery {
            id: RecoveryId::new(),
            user_id: row.id.clone(),
            asked_by: None,
            why: why.clone(),
            state: RecoveryState::Asked,
            asked_at: now,
            expires_at: now.plus_ms(EXPIRES_MS),
            ready_at: None,
            told_at: None,
            link_until: None,
            began_at: None,
            closed_at: None,
        };
        storage::recoveries::recovery_insert(open.tx(), &recovery).await?;
        let NewLink { secret, acts_ended } = self.make_recovery_link(&mut open, &recovery).await?;
        let text = format!(
            "{host_user} on the server's host made a link to new security keys for {}, without approvals. Reason: {why}\n\nIf you do not know of it, \
             somebody who is not you has the server: stop what must stop, and ask.",
            row.display_name
        );
        let everybody = storage::users::user_all(open.tx()).await?.into_iter().filter(|user| user.enabled).map(|user| user.id).collect();
        let told =
            Notice::new(NoticeKind::RecoveryDone, &recovery.id, format!("Recovered on the server's host: {}", row.display_name), text);
        open.tell(&Audience { people: everybody, admins: true }, &told.at(format!("/recoveries/{}", recovery.id))).await?;
        // Whoever is kept out comes in and stops, also while the log is frozen (ruling C4): the entry waits then.
        open.commit_stop(Event::RecoveredByHost {
            recovery: recovery.id,
            user: row.id.clone(),
            could_approve: could_approve as u64,
            forced,
            acts_ended,
        })
        .await?;
        Ok(HostLink { link: secret, whose: row.display_name })
    }

    /// Says that keys made for another host name are still to be left behind: until then no key signs in and none is made.
    pub fn close_keys(&self) {
        self.are_keys_closed.store(true, Ordering::SeqCst);
    }

    /// Refuses what takes a security key while those of another host name are still to be left behind.
    pub(crate) fn keys_are_open(&self) -> Result<(), AppError> {
        match self.are_keys_closed.load(Ordering::SeqCst) {
            true => Err(AppError::conflict(
                "security keys of the host name before are being left behind, which the database did not take yet; stops on the host and by \
                 tokens work",
            )),
            false => Ok(()),
        }
    }

    /// Leaves the keys of another relying party behind: none of them signs here any more. Says how many there were.
    ///
    /// # Errors
    /// When the database does not take it: nothing was changed.
    pub async fn leave_rp_id(&self, host_user: &str, from: &str, to: &str) -> Result<u64, AppError> {
        let permit = authz::check(&Actor::Host { user: host_user.to_owned() }, Action::RecoverOnHost, &Resource::Installation)?;
        let mut open = self.begin(permit, Lane::Normal).await?;
        let now = open.now();
        let keys = storage::credentials::credential_of_old_rp(open.tx(), from, now).await?;
        storage::installation::installation_set_rp_id(open.tx(), to).await?;
        let people: Vec<_> =
            storage::users::user_all(open.tx()).await?.into_iter().filter(|user| user.enabled).map(|user| user.id).collect();
        let text = format!(
            "Pages are reached at {to} now, and security keys made at {from} work there no more. New keys are made by links from the server's host: \
             andon user recover"
        );
        for user in &people {
            storage::acts::act_withdraw_of(open.tx(), user, now, "the relying party changed").await?;
            open.end_sessions_of(user, None, "the address of this installation changed, and with it every security key").await?;
        }
        let told = Notice::new(NoticeKind::PolicyChanged, format!("rp:{now:?}"), "All security keys must be made anew", text);
        open.tell(&Audience { people, admins: true }, &told).await?;
        open.changes_books();
        // It only takes away, and a frozen log keeps nobody's server from starting: the entry waits then.
        open.commit_stop(Event::RpIdChanged { from: from.to_owned(), to: to.to_owned(), keys }).await?;
        self.are_keys_closed.store(false, Ordering::SeqCst);
        Ok(keys)
    }
}

fn reason(text: &str) -> Result<String, AppError> {
    let mut invalid = Invalid::default();
    match invalid.check("force-with-reason", "The reason", text::why(text)) {
        Some(why) if !why.is_empty() => Ok(why),
        Some(_) => Err(Invalid::one("force-with-reason", "Say why the approvals are passed over").into()),
        None => Err(invalid.into()),
    }
}
