//! Sessions of people: one sees and ends one's own, an admin anybody's; acts that take away what a session stood on end it in their own
//! transaction. Every end has an entry that says how many and why. Sessions end here at once, whether the database answers or not; other
//! replicas read theirs again with the commit.

use super::{App, AppError, tx::Act};
use crate::audit::Event;
pub use crate::authn::Standing;
use crate::authn::sessions::Over;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{Audience, CredentialId, Notice, NoticeKind, Timestamp, UserId};
use crate::storage::{self, Lane, users::SessionsEnd};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long whoever ends sessions waits for the database. They have ended here before.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which sessions of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// The one of this name.
    One(&'a str),
    /// All but the one of this name.
    AllBut(&'a str),
    /// All.
    All,
}

/// How far sessions have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// So many, on every replica.
    Everywhere(usize),
    /// On this server; the database did not answer and gets it as soon as it does.
    HereFirst,
}

/// An end of sessions as somebody asked for it.
#[derive(Debug, Clone)]
struct Asked {
    permit: Permit,
    user: UserId,
    over: Over,
    // Ended in memory when it was asked for.
    here: Vec<String>,
    at: Timestamp,
}

/// Ends that the database has not taken yet.
#[derive(Default)]
pub struct LateEnds(Mutex<Vec<Asked>>);

impl LateEnds {
    fn add(&self, asked: Asked) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    }
    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Act<'_> {
    /// Ends the sessions of a person, all but the one of this name, within this act, with an entry. Those that no table knows yet are over as
    /// well: they began before this moment.
    pub(crate) async fn end_sessions_of(&mut self, user: &UserId, kept: Option<&str>, why: &str) -> Result<Vec<String>, AppError> {
        let over = Over::All(self.now(), kept.map(str::to_owned));
        let mut ended = self.sessions().names_here(user, &over);
        for (handle, _) in storage::sessions::session_of_user(self.tx(), user).await? {
            if kept != Some(&handle) && !ended.contains(&handle) {
                ended.push(handle);
            }
        }
        let end = SessionsEnd { user_id: user.clone(), at: self.now(), kept: kept.map(str::to_owned) };
        storage::users::user_sessions_ended(self.tx(), &end).await?;
        self.end_named(user, &ended, why).await?;
        self.ends_sessions(user, over);
        Ok(ended)
    }

    /// The same for sessions that were signed in or woken with this key, which signs nothing any more.
    pub(crate) async fn end_sessions_with(&mut self, user: &UserId, key: &CredentialId, why: &str) -> Result<(), AppError> {
        let over = Over::WithKey(key.clone());
        let mut ended = self.sessions().names_here(user, &over);
        for (handle, data) in storage::sessions::session_of_user(self.tx(), user).await? {
            if crate::authn::sessions::is_by_key(&data, key) && !ended.contains(&handle) {
                ended.push(handle);
            }
        }
        self.end_named(user, &ended, why).await?;
        self.ends_sessions(user, over);
        Ok(())
    }

    async fn end_named(&mut self, user: &UserId, handles: &[String], why: &str) -> Result<(), AppError> {
        let now = self.now();
        for handle in handles {
            storage::sessions::session_end(self.tx(), handle, now).await?;
        }
        if !handles.is_empty() {
            self.record_stop(Event::SessionsEnded { user: user.clone(), sessions: handles.to_vec(), why: Some(why.to_owned()) }).await?;
        }
        Ok(())
    }
}

impl App {
    /// The sessions of a person that stand, the one that acted last first.
    ///
    /// # Errors
    /// `Denied` for whoever is neither the person nor an admin or auditor; when the database is gone.
    pub async fn sessions_of(&self, actor: &Actor, user: &UserId) -> Result<Vec<Standing>, AppError> {
        if actor.user() == Some(user) {
            authz::check(actor, Action::OwnSessions, &Resource::User(user.clone()))?;
        } else {
            authz::check(actor, Action::SeeAccess, &Resource::Installation)?;
        }
        Ok(self.sessions.of_user(user).await?)
    }

    /// Ends sessions of a person: here at once, then in the database. Neither a frozen log nor a dead database keeps anybody from it.
    ///
    /// # Errors
    /// `Denied` for whoever is neither the person nor an admin; `Conflict` when none of them stands any more.
    pub async fn end_sessions(self: &Arc<Self>, actor: &Actor, user: &UserId, which: Which<'_>) -> Result<Ended, AppError> {
        let permit = may_end(actor, user)?;
        let at = self.clock.now();
        let over = match which {
            Which::One(one) => Over::Named(vec![one.to_owned()]),
            Which::AllBut(kept) => Over::All(at, Some(kept.to_owned())),
            Which::All => Over::All(at, None),
        };
        let here = self.sessions.names_here(user, &over);
        self.sessions.end_here(user, &over);
        self.rights_moved();
        let asked = Asked { permit, user: user.clone(), over, here, at };
        let app = self.clone();
        // A task of its own: whoever stops waiting for the database does not take it back.
        let written = tokio::spawn(async move { app.write_end_or_keep(asked).await });
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(Ok(n))) => Ok(Ended::Everywhere(n)),
            Ok(Ok(Err(error @ (AppError::Conflict(_) | AppError::Denied(_))))) => Err(error),
            Ok(Ok(Err(AppError::Unavailable(_)))) | Err(_) => Ok(Ended::HereFirst),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(error)) => Err(AppError::internal(error)),
        }
    }

    async fn write_end_or_keep(&self, asked: Asked) -> Result<usize, AppError> {
        let written = self.write_end(&asked, "").await;
        if let Err(AppError::Unavailable(error)) = &written {
            tracing::error!(%error, "sessions were ended on this server and not in the database yet");
            self.late_ends.add(asked);
        }
        written
    }

    /// Writes ends of sessions that the database did not take when they were asked for. Called every second.
    pub async fn write_late_ends(&self) {
        for asked in self.late_ends.take() {
            let late = format!(" at {}, while the database did not answer", asked.at.plain());
            if let Err(error @ (AppError::Unavailable(_) | AppError::Internal(_))) = self.write_end(&asked, &late).await {
                tracing::warn!(%error, "ended sessions could not be written down yet");
                self.late_ends.add(asked);
            }
        }
    }

    async fn write_end(&self, asked: &Asked, late: &str) -> Result<usize, AppError> {
        let Asked { permit, user, over, here, .. } = asked;
        let is_own = permit.actor().user() == Some(user);
        let why = format!("{}{late}", if is_own { "their person ended them" } else { "an admin ended them" });
        let mut act = self.begin(permit.clone(), Lane::Normal).await?;
        let known: Vec<String> = storage::sessions::session_of_user(act.tx(), user).await?.into_iter().map(|(handle, _)| handle).collect();
        let is_meant = |handle: &&String| match over {
            Over::Named(names) => names.contains(handle),
            Over::All(_, kept) => kept.as_ref() != Some(handle),
            Over::WithKey(_) => false,
        };
        let mut ended: Vec<String> = known.iter().filter(is_meant).cloned().collect();
        ended.extend(here.iter().filter(|handle| !known.contains(handle)).cloned());
        if ended.is_empty() {
            let why = if matches!(over, Over::Named(_)) { "this session has ended already" } else { "there is no such session any more" };
            return Err(AppError::conflict(why));
        }
        if let Over::All(at, kept) = over {
            let end = SessionsEnd { user_id: user.clone(), at: *at, kept: kept.clone() };
            storage::users::user_sessions_ended(act.tx(), &end).await?;
        }
        if !is_own {
            let text = "An admin ended your sessions. Nothing of what you may do has changed by that: sign in again. If you do not know why, ask an admin.";
            let about = ended.first().map_or("", String::as_str);
            let notice = Notice::new(NoticeKind::SessionsEnded, about, "An admin ended your sessions", text).at("/me#sessions");
            act.tell(&Audience::person(user), &notice).await?;
        }
        let now = act.now();
        for handle in &ended {
            storage::sessions::session_end(act.tx(), handle, now).await?;
        }
        act.ends_sessions(user, over.clone());
        act.commit_stop(Event::SessionsEnded { user: user.clone(), sessions: ended.clone(), why: Some(why) }).await?;
        Ok(ended.len())
    }
}

fn may_end(actor: &Actor, user: &UserId) -> Result<Permit, AppError> {
    if actor.user() == Some(user) {
        return Ok(authz::check(actor, Action::OwnSessions, &Resource::User(user.clone()))?);
    }
    Ok(authz::check(actor, Action::ManagePeople, &Resource::Installation)?)
}
