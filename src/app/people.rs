//! People and teams as every request needs them: in memory, so that a dead database does not take away who may stop. Disabling and roles.

use super::{App, AppError, rights::note_approver, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{Audience, Grant, KEYS_NEEDED, KeyCount, Notice, NoticeKind, Role, TeamId, UserId};
pub use crate::storage::credentials::Credential;
pub use crate::storage::users::User;
use crate::storage::{self, Conn, Lane, credentials::Tally, invitations::Invitation, teams::Team};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

#[derive(Default)]
struct People {
    users: HashMap<UserId, Arc<User>>,
    teams: Vec<Team>,
    keys: HashMap<UserId, KeyCount>,
    // Who has put the first-run list away.
    first_run_away: HashSet<UserId>,
    // A second person had two keys once.
    is_in_company: bool,
}

/// What the book is read from.
pub(crate) struct Rows {
    /// Everybody.
    pub users: Vec<User>,
    /// Every team.
    pub teams: Vec<Team>,
    /// How many keys each can sign with.
    pub keys: Vec<Tally>,
    /// Who has put the first-run list away.
    pub first_run_away: Vec<UserId>,
    /// Whether a second person ever had two keys.
    pub is_in_company: bool,
}

/// Everybody and every team.
#[derive(Default)]
pub struct PeopleBook(RwLock<People>);

impl PeopleBook {
    pub(crate) fn reload(&self, rows: Rows) {
        let Rows { users, teams, keys, first_run_away, is_in_company } = rows;
        let users = users.into_iter().map(|user| (user.id.clone(), Arc::new(user))).collect();
        let keys = key_counts(keys);
        let first_run_away = first_run_away.into_iter().collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = People { users, teams, keys, first_run_away, is_in_company };
    }
    fn read<T>(&self, look: impl FnOnce(&People) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// One person.
    pub fn user(&self, id: &UserId) -> Option<Arc<User>> {
        self.read(|people| people.users.get(id).cloned())
    }
    /// Everybody, by the name shown.
    pub fn users(&self) -> Vec<Arc<User>> {
        let mut users: Vec<_> = self.read(|people| people.users.values().cloned().collect());
        users.sort_by(|a, b| a.display_name.cmp(&b.display_name));
        users
    }
    /// The name shown of a person.
    pub fn name(&self, id: &UserId) -> Option<String> {
        self.read(|people| people.users.get(id).map(|user| user.display_name.clone()))
    }
    /// The same for a sentence, in which somebody must be named.
    pub fn who(&self, id: &UserId) -> String {
        self.name(id).unwrap_or_else(|| "somebody who is gone".to_owned())
    }
    /// True when an enabled person holds a role.
    pub fn holds(&self, id: &UserId, role: Role) -> bool {
        self.read(|people| people.users.get(id).is_some_and(|user| user.enabled && user.grants.iter().any(|g| g.role == role)))
    }
    /// True when a person has put the first-run list away.
    pub fn has_put_first_run_away(&self, id: &UserId) -> bool {
        self.read(|people| people.first_run_away.contains(id))
    }
    /// Every team by name.
    pub fn teams(&self) -> Vec<Team> {
        self.read(|people| people.teams.clone())
    }
    /// A team's name.
    pub fn team_name(&self, id: &TeamId) -> Option<String> {
        self.read(|people| people.teams.iter().find(|team| team.id == *id).map(|team| team.name.clone()))
    }
    /// A team by its name, whatever its case.
    pub fn team_by_name(&self, name: &str) -> Option<Team> {
        self.read(|people| people.teams.iter().find(|team| team.name.eq_ignore_ascii_case(name)).cloned())
    }
    /// A person's keys that can sign.
    pub fn keys(&self, id: &UserId) -> KeyCount {
        self.read(|people| people.keys.get(id).copied().unwrap_or_default())
    }
    /// True while no second person has ever had two keys: then the same person signs twice (ruling C8). It ends for good, whoever is disabled
    /// later.
    pub fn is_alone(&self) -> bool {
        self.read(|people| !people.is_in_company)
    }
    /// How many people are enabled: what makes an installation small (ruling C8).
    pub fn enabled(&self) -> usize {
        self.read(|people| people.users.values().filter(|user| user.enabled).count())
    }
    /// How many enabled people have two keys that count.
    pub fn enabled_with_rights(&self) -> usize {
        self.read(|people| people.users.values().filter(|user| people.has_two_keys(user)).count())
    }
    /// True when an enabled person has two keys that count.
    pub fn has_two_keys(&self, id: &UserId) -> bool {
        self.read(|people| people.users.get(id).is_some_and(|user| people.has_two_keys(user)))
    }
}

impl People {
    fn has_two_keys(&self, user: &User) -> bool {
        user.enabled && self.keys.get(&user.id).copied().unwrap_or_default().for_grants(&user.grants) >= KEYS_NEEDED
    }
}

/// The keys of each person, by what they count for.
pub(crate) fn key_counts(keys: Vec<Tally>) -> HashMap<UserId, KeyCount> {
    let count = |n: i64| usize::try_from(n).unwrap_or_default();
    keys.into_iter().map(|tally| (tally.user_id, KeyCount { able: count(tally.able), bound: count(tally.bound) })).collect()
}

impl App {
    /// Everybody and every team.
    pub fn people(&self) -> &PeopleBook {
        &self.people_book
    }

    /// A signed-in person as an actor, with the roles they hold now; none once they are disabled.
    pub fn actor_of(&self, id: &UserId, stop_only: bool) -> Option<Actor> {
        let user = self.people_book.user(id).filter(|user| user.enabled)?;
        let few_keys = self.people_book.keys(id).for_grants(&user.grants) < KEYS_NEEDED;
        let frozen = self.recovery_book.freeze_of(id, self.clock.now()).is_some();
        Some(Actor::User { id: id.clone(), name: user.display_name.clone(), grants: user.grants.clone(), stop_only, few_keys, frozen })
    }

    /// A person's keys.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn keys_of(&self, actor: &Actor, id: &UserId) -> Result<Vec<Credential>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::credentials::credential_of_user(&mut *self.db.read().await?, id).await?)
    }

    /// Everybody's keys, in one question.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn keys_of_all(&self, actor: &Actor) -> Result<HashMap<UserId, Vec<Credential>>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut by_user = HashMap::<UserId, Vec<Credential>>::new();
        for key in storage::credentials::credential_all(&mut *self.db.read().await?).await? {
            by_user.entry(key.user_id.clone()).or_default().push(key);
        }
        Ok(by_user)
    }

    /// The unused link of everybody who was invited, over or not, in one question.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn invitations(&self, actor: &Actor) -> Result<HashMap<UserId, Invitation>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let links = storage::invitations::invitation_latest(&mut *self.db.read().await?).await?;
        Ok(links.into_iter().map(|link| (link.user_id.clone(), link)).collect())
    }

    /// The names of those who hold lead, risk or admin and have no address: a notice reaches them by no other channel than the page.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn without_address(&self, actor: &Actor) -> Result<Vec<String>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::notices::address_missing(&mut *self.db.read().await?).await?)
    }

    /// Ends every right of a person and their sessions. Giving them back is an act that is signed. It is a stop: what it leaves without enough
    /// people is told to everyone who administers, loudly, and is no reason to refuse it.
    ///
    /// # Errors
    /// `Denied`; `Conflict` for the last admin.
    pub async fn disable(&self, actor: &Actor, id: &UserId) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::ManagePeople, &Resource::Installation)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        storage::users::user_by_id(act.tx(), id).await?.ok_or(AppError::NotFound("person"))?;
        // Whoever goes could approve more rights until now: that is remembered.
        note_approver(&mut act).await?;
        storage::users::user_set_enabled(act.tx(), id, false).await?;
        self.an_admin_remains(&mut act).await?;
        self.tell_of_gaps(&mut act, id).await?;
        self.tell_of_enabling(&mut act, id, false).await?;
        act.changes_books();
        act.end_sessions_of(id, None, "the account was disabled").await?;
        act.commit_stop(Event::UserDisabled { user: id.clone() }).await?;
        Ok(())
    }

    async fn tell_of_enabling(&self, act: &mut Act<'_>, id: &UserId, enabled: bool) -> Result<(), AppError> {
        let (kind, word) = if enabled { (NoticeKind::Enabled, "enabled again") } else { (NoticeKind::Disabled, "disabled") };
        let who = self.people_book.who(id);
        let by = act.actor().as_placer().name;
        let about = format!("{id}:{}", act.now().0);
        let told = Notice::new(
            kind,
            &about,
            format!("Your account was {word}"),
            format!("{by} did it. Ask them, or another administrator, if you do not know why."),
        );
        act.tell(&Audience::person(id), &told.at("/me")).await?;
        let told = Notice::new(kind, &about, format!("The account of {who} was {word}"), format!("{by} did it."));
        self.tell_admins_but(act, id, &told.at(format!("/people/{id}"))).await
    }

    /// Refuses an act that would leave nobody who can look after people: an admin who is enabled, not frozen, and has two keys that count.
    pub(crate) async fn an_admin_remains(&self, act: &mut Act<'_>) -> Result<(), AppError> {
        let members = self.members_in(act.tx()).await?;
        if members.iter().any(|member| member.grants.iter().any(|g: &Grant| g.role == Role::Admin)) {
            return Ok(());
        }
        Err(AppError::conflict("somebody must remain an admin who can act: enabled, with two security keys that count, not just recovered"))
    }

    /// True when somebody came in once, or was to be let in anew: no invitation opens anything for them any more, a recovery does.
    pub(crate) async fn has_come_in(&self, conn: &mut Conn, user: &UserId) -> Result<bool, AppError> {
        let keys = storage::credentials::credential_ever(conn, user).await?;
        Ok(keys >= KEYS_NEEDED as i64 || storage::recoveries::recovery_ever(conn, user).await? > 0)
    }

    /// Refuses another invitation for whoever has come in.
    pub(crate) async fn check_not_in(&self, conn: &mut Conn, user: &UserId) -> Result<(), AppError> {
        if self.has_come_in(conn, user).await? {
            return Err(AppError::conflict(
                "this person has come in once: they have, or had, two security keys. Who lost theirs is recovered, which two others approve",
            ));
        }
        Ok(())
    }

    /// The same as a question: whether an invitation can still let somebody in.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn takes_invitation(&self, actor: &Actor, user: &UserId) -> Result<bool, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(!self.has_come_in(&mut *self.db.read().await?, user).await?)
    }
}
