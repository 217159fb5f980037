//! Sessions of people: one sees and ends one's own, an admin anybody's. Ended in the database with an entry, then here; other replicas read
//! theirs again with the commit.

use super::{App, AppError};
use crate::audit::Event;
pub use crate::authn::Standing;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{Audience, Notice, NoticeKind, UserId};
use crate::storage::{self, Lane};

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

impl App {
    /// The sessions of a person that stand, the one that acted last first.
    ///
    /// # Errors
    /// `Denied` for whoever is neither the person nor an admin; when the database is gone.
    pub async fn sessions_of(&self, actor: &Actor, user: &UserId) -> Result<Vec<Standing>, AppError> {
        may_end(actor, user)?;
        Ok(self.sessions.of_user(user).await?)
    }

    /// Ends sessions of a person; says how many. A frozen log keeps nobody from it.
    ///
    /// # Errors
    /// `Denied` for whoever is neither the person nor an admin; `Conflict` when none of them stands any more; when the database is gone:
    /// nothing was ended.
    pub async fn end_sessions(&self, actor: &Actor, user: &UserId, which: Which<'_>) -> Result<usize, AppError> {
        let permit = may_end(actor, user)?;
        let is_meant = |handle: &str| match which {
            Which::One(one) => handle == one,
            Which::AllBut(one) => handle != one,
            Which::All => true,
        };
        let meant = self.sessions.of_user(user).await?.into_iter().map(|one| one.handle).filter(|handle| is_meant(handle));
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut ended = Vec::new();
        for handle in meant {
            if storage::sessions::session_delete_by_handle(act.tx(), user, &handle).await? {
                ended.push(handle);
            }
        }
        if ended.is_empty() {
            let why = if matches!(which, Which::One(_)) { "this session has ended already" } else { "there is no such session any more" };
            return Err(AppError::conflict(why));
        }
        act.changes_books();
        if actor.user() != Some(user) {
            let text = "An admin ended your sessions. Nothing of what you may do has changed by that: sign in again. If you do not know why, ask an admin.";
            let about = ended.first().map_or("", String::as_str);
            let notice = Notice::new(NoticeKind::SessionsEnded, about, "An admin ended your sessions", text).at("/me#sessions");
            act.tell(&Audience::person(user), &notice).await?;
        }
        act.commit_stop(Event::SessionsEnded { user: user.clone(), sessions: ended.clone() }).await?;
        self.sessions.ended(user, &ended);
        self.rights_moved();
        Ok(ended.len())
    }
}

fn may_end(actor: &Actor, user: &UserId) -> Result<Permit, AppError> {
    if actor.user() == Some(user) {
        return Ok(authz::check(actor, Action::OwnSessions, &Resource::User(user.clone()))?);
    }
    Ok(authz::check(actor, Action::ManagePeople, &Resource::Installation)?)
}
