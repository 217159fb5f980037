//! More rights of a person: which changes of roles one admin signs alone, and which are a request that somebody else approves. Lead, risk and admin
//! are, an operator's where a policy has seats for operators, and enabling somebody who holds any of them. Taking away never is, and nothing is
//! while nobody else could approve it: one person, or one admin beside operators and auditors. That ends for good with the first who could.

use super::{
    App, AppError,
    acts::{ActView, Detail},
    own_keys,
    people::{User, key_counts},
    recoveries::{freeze_of, party},
    requests::{
        RequestView,
        ask::{Asked, WHY, reason},
        execute::{Done, Undone},
    },
    tx::Act,
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    ActKind, Audience, Grant, KEYS_NEEDED, Notice, NoticeKind, RequestId, RequestKind, Rules, UserId,
    approval::is_satisfiable,
    recovery::Party,
    request::{Content, Held},
    role,
};
use crate::storage::{self, Conn, requests::RequestRow};

/// What somebody who is invited is to be beyond what they come in with: asked for when the invitation is signed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wanted {
    /// All of their roles, once it is approved.
    pub grants: Vec<Grant>,
    /// Why, for whoever approves.
    pub why: String,
}

/// What one admin's signature gives at a moment, as a transaction sees it.
struct Alone {
    is_alone: bool,
    rules: Rules,
}

/// Whether an admin could ask for more rights of a person and somebody else then approve it, by who is enabled and has two keys that count.
async fn is_approvable(conn: &mut Conn, rules: &Rules) -> Result<bool, AppError> {
    let keys = key_counts(storage::credentials::credential_tally(conn).await?);
    let can_sign = |user: &&User| user.enabled && keys.get(&user.id).copied().unwrap_or_default().for_grants(&user.grants) >= KEYS_NEEDED;
    let members: Vec<Party> = storage::users::user_all(conn).await?.iter().filter(can_sign).map(party).collect();
    Ok(is_satisfiable(rules.of(RequestKind::Roles), RequestKind::Roles, None, &members))
}

/// Remembers for good that somebody else could approve more rights: no admin gives them alone from here on, whoever is disabled later.
pub(crate) async fn note_approver(act: &mut Act<'_>) -> Result<(), AppError> {
    const NAME: &str = storage::settings::SECOND_APPROVER;
    let (now, rules) = (act.now(), storage::approvals::policy_now(act.tx()).await?);
    if !storage::settings::setting_is_on(act.tx(), NAME).await? && is_approvable(act.tx(), &rules).await? {
        storage::settings::setting_turn(act.tx(), NAME, true, now).await?;
        act.record_stop(Event::RightsTakeApproval {}).await?;
    }
    Ok(())
}

impl Alone {
    async fn of(conn: &mut Conn) -> Result<Self, AppError> {
        let rules = storage::approvals::policy_now(conn).await?;
        let was_approvable = storage::settings::setting_is_on(conn, storage::settings::SECOND_APPROVER).await?;
        Ok(Self { is_alone: !was_approvable && !is_approvable(conn, &rules).await?, rules })
    }
    /// True for roles that it does not give.
    fn is_wide(&self, grant: &Grant) -> bool {
        !self.is_alone && self.rules.is_wide(grant.role)
    }
    /// Whether this change is more than it gives.
    fn is_exceeded(&self, now: &Held, after: &Held) -> bool {
        let gives = !self.is_alone && self.rules.gives_wide(&now.grants, &after.grants);
        gives || (!now.enabled && after.enabled && after.grants.iter().any(|grant| self.is_wide(grant)))
    }
}

/// The one who is meant, or that there is none.
async fn person(conn: &mut Conn, user: &UserId) -> Result<User, AppError> {
    storage::users::user_by_id(conn, user).await?.ok_or(AppError::NotFound("person"))
}

fn held(user: &User) -> Held {
    Held::new(user.enabled, &user.grants)
}

impl App {
    /// True once others approve more rights of a person; before that nobody could.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn others_approve_rights(&self) -> Result<bool, AppError> {
        Ok(!Alone::of(&mut *self.db.read().await?).await?.is_alone)
    }

    /// True when this change of a person takes a request; `enabled`: whether they may sign in after it.
    ///
    /// # Errors
    /// `NotFound`; when the database is gone.
    pub async fn takes_request(&self, user: &UserId, enabled: bool, grants: &[Grant]) -> Result<bool, AppError> {
        let mut tx = self.db.read().await?;
        let now = held(&person(&mut tx, user).await?);
        Ok(Alone::of(&mut tx).await?.is_exceeded(&now, &Held::new(enabled, grants)))
    }

    /// Refuses an act that gives what takes a request, and says where to ask.
    pub(crate) async fn check_gives(&self, conn: &mut Conn, kind: &ActKind) -> Result<(), AppError> {
        let (now, after) = match kind {
            ActKind::Invite { grants, .. } => (Held::new(true, &[]), Held::new(true, grants)),
            ActKind::Grants { user, grants } => {
                let now = held(&person(conn, user).await?);
                let after = Held::new(now.enabled, grants);
                (now, after)
            }
            ActKind::Enable { user } => {
                let now = held(&person(conn, user).await?);
                let after = Held { enabled: true, ..now.clone() };
                (now, after)
            }
            // Whoever has the new link is them: it gives what they hold, as if it were given now.
            ActKind::InviteAgain { user } => {
                let after = held(&person(conn, user).await?);
                (Held::new(true, &[]), after)
            }
            _ => return Ok(()),
        };
        if !Alone::of(conn).await?.is_exceeded(&now, &after) {
            return Ok(());
        }
        let why = match kind {
            ActKind::Invite { .. } => {
                "these roles are given by a request that somebody else approves: invite them on the page Invite a person, which asks for it"
            }
            ActKind::InviteAgain { .. } => {
                "they hold roles that somebody else approves, and whoever has the new link would be them: take those roles away first, and ask for \
                 them again once they have come in"
            }
            ActKind::Enable { .. } => {
                "whoever holds these roles is enabled by a request that somebody else approves: ask for it on the person's page"
            }
            _ => "this gives roles that somebody else approves: ask for it on the person's page",
        };
        Err(AppError::conflict(why))
    }

    /// Prepares an invitation. They come in with what one signature gives; what is more is asked for when it is signed.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason for what is asked for.
    pub async fn prepare_invitation(&self, actor: &Actor, name: String, grants: Vec<Grant>, why: &str) -> Result<ActView, AppError> {
        authz::check(actor, Action::ManagePeople, &Resource::Installation)?;
        let alone = Alone::of(&mut *self.db.read().await?).await?;
        let (wide, narrow): (Vec<Grant>, Vec<Grant>) = grants.iter().cloned().partition(|grant| alone.is_wide(grant));
        let kind = ActKind::Invite { user: UserId::new(), name, grants: narrow };
        if wide.is_empty() {
            return self.prepare_single(actor, kind).await;
        }
        let wanted = Some(Wanted { grants, why: reason(why, WHY)? });
        self.prepare(actor, kind, Detail { wanted, ..Detail::default() }, 1).await
    }

    /// Asks for what an invitation could not give, in its transaction: which request it is, and its entry.
    pub(crate) async fn ask_for_invited(
        &self,
        act: &mut Act<'_>,
        (by, user): (&UserId, &UserId),
        wanted: &Wanted,
    ) -> Result<(RequestId, Event), AppError> {
        let content = self.rights_content(act.tx(), user, (None, &wanted.grants)).await?;
        self.ask_in(act, by, Asked { content, why: wanted.why.clone() }).await
    }

    /// Asks for other roles of a person, among them some that others approve.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` when it takes no approval, cannot be, or another request about them is open.
    pub async fn ask_roles(&self, actor: &Actor, user: &UserId, grants: &[Grant], why: &str) -> Result<RequestId, AppError> {
        let permit = authz::check(actor, Action::ManagePeople, &Resource::Installation)?;
        let content = self.rights_content(&mut *self.db.read().await?, user, (None, grants)).await?;
        self.ask(permit, Asked { content, why: reason(why, WHY)? }).await
    }

    /// Asks to enable somebody again who holds roles that others approve.
    ///
    /// # Errors
    /// As above.
    pub async fn ask_enabling(&self, actor: &Actor, user: &UserId, why: &str) -> Result<RequestId, AppError> {
        let permit = authz::check(actor, Action::ManagePeople, &Resource::Installation)?;
        let content = {
            let mut tx = self.db.read().await?;
            let row = person(&mut tx, user).await?;
            if row.enabled {
                return Err(AppError::conflict(format!("{} is enabled already", row.display_name)));
            }
            self.rights_content(&mut tx, user, (Some(true), &row.grants)).await?
        };
        self.ask(permit, Asked { content, why: reason(why, WHY)? }).await
    }

    /// Changes which roles such a request asks for.
    ///
    /// # Errors
    /// As asking; `Conflict` when it is over.
    pub async fn revise_roles(&self, actor: &Actor, id: &RequestId, grants: &[Grant], why: &str) -> Result<(), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        let Content::Roles { user, after, .. } = view.content() else { return Err(AppError::NotFound("request")) };
        let permit = authz::check(actor, Action::ManagePeople, &Resource::Installation)?;
        let content = self.rights_content(&mut *self.db.read().await?, user, (Some(after.enabled), grants)).await?;
        self.revise(permit, id, Asked { content, why: reason(why, WHY)? }).await
    }

    /// The open request for more rights of a person.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn roles_request_of(&self, actor: &Actor, user: &UserId) -> Result<Option<RequestRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::requests::request_open_of(&mut *self.db.read().await?, RequestKind::Roles, user.as_str()).await?)
    }

    /// `enabled`: whether they may sign in after it; none: as now.
    async fn rights_content(
        &self,
        conn: &mut Conn,
        user: &UserId,
        (enabled, grants): (Option<bool>, &[Grant]),
    ) -> Result<Content, AppError> {
        let row = person(conn, user).await?;
        let now = held(&row);
        let after = Held::new(enabled.unwrap_or(row.enabled), grants);
        if now == after {
            return Err(AppError::conflict("that is what they hold already; nothing would change"));
        }
        if !Alone::of(conn).await?.is_exceeded(&now, &after) {
            return Err(AppError::conflict(
                "nothing of this takes an approval: an admin signs it on the person's page, and it counts at once",
            ));
        }
        self.check_held(conn, &after.grants, usize::from(!row.enabled)).await?;
        let keys = storage::credentials::credential_of_user(conn, user).await?;
        own_keys::check_keys_fit(&row.display_name, &row.grants, &after.grants, &keys)?;
        Ok(Content::Roles { user: user.clone(), name: row.display_name, now, after })
    }

    /// Why what was asked for somebody is not over what they hold any more.
    pub(crate) async fn stale_rights(&self, conn: &mut Conn, user: &UserId, now: &Held) -> Result<Option<String>, AppError> {
        let Some(row) = storage::users::user_by_id(conn, user).await? else { return Ok(Some("they are gone".to_owned())) };
        let is_so = held(&row) == *now;
        // Whoever has their new keys may be somebody else than was approved.
        let is_recovered = storage::recoveries::recovery_open_of(conn, user).await?.is_some()
            || freeze_of(self.recent_recoveries(conn).await?.iter(), user, self.clock.now()).is_some();
        if is_recovered {
            return Ok(Some("their account is being recovered, or was a moment ago; ask again when that is over".to_owned()));
        }
        let changed = "what they hold, or whether they are enabled, has changed since it was asked; ask again over what it is now";
        Ok((!is_so).then(|| changed.to_owned()))
    }

    /// Carries such a request out, with everything looked at again that a signed change of roles looks at.
    pub(crate) async fn rights_as_asked(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        (user, now, after): (&UserId, &Held, &Held),
    ) -> Result<Result<Done, Undone>, AppError> {
        storage::users::user_hold_still(act.tx(), user).await?;
        if let Some(why) = self.stale_rights(act.tx(), user, now).await? {
            return Ok(Err(Undone::Stale(why)));
        }
        let row = person(act.tx(), user).await?;
        match self.check_held(act.tx(), &after.grants, usize::from(!row.enabled)).await {
            Err(AppError::NotFound(_)) => return Ok(Err(Undone::Failed("one of the teams is gone".to_owned()))),
            other => other?,
        }
        if storage::credentials::credential_of_user(act.tx(), user).await?.len() < KEYS_NEEDED {
            let why = "they have not come in with two security keys yet; ask again when they have".to_owned();
            return Ok(Err(Undone::Failed(why)));
        }
        let request = Some(view.row.id.clone());
        let by = self.people().who(&view.row.requester);
        let mut event = None;
        if now.grants != after.grants {
            self.give_grants(act, &row, &after.grants).await?;
            let how = format!("{by} asked for it and others approved it.");
            self.tell_of_grants(act, (view.row.id.as_str(), &how), user).await?;
            event = Some(Event::GrantsChanged { user: user.clone(), grants: after.grants.clone(), signed: None, request: request.clone() });
        }
        if now.enabled != after.enabled {
            if let Some(before) = event.take() {
                act.record(before).await?;
            }
            let how = format!("{by} asked for it and others approved it. Roles and keys are as they stand on the page.");
            self.enable_in(act, &row, (view.row.id.as_str(), &how)).await?;
            event = Some(Event::UserEnabled { user: user.clone(), signed: None, request });
        }
        let Some(event) = event else { return Ok(Err(Undone::Stale("that is what they hold already".to_owned()))) };
        Ok(Ok((event, format!("{} holds what was asked for", row.display_name))))
    }

    /// Writes the roles of a person once everything allows them, whoever approved or signed.
    pub(crate) async fn give_grants(&self, act: &mut Act<'_>, row: &User, grants: &[Grant]) -> Result<(), AppError> {
        let keys = storage::credentials::credential_of_user(act.tx(), &row.id).await?;
        own_keys::check_keys_fit(&row.display_name, &row.grants, grants, &keys)?;
        let enabled = usize::try_from(storage::users::user_count_enabled(act.tx()).await?).unwrap_or_default();
        let rules = storage::approvals::policy_now(act.tx()).await?;
        self.keeps_quorum((&self.members_in(act.tx()).await?, enabled), (&row.id, grants), &rules)?;
        storage::users::user_set_grants(act.tx(), &row.id, grants).await?;
        self.an_admin_remains(act).await?;
        note_approver(act).await?;
        act.changes_books();
        Ok(())
    }

    /// Enables somebody again; `how`: who did it, in a sentence.
    pub(crate) async fn enable_in(&self, act: &mut Act<'_>, row: &User, (about, how): (&str, &str)) -> Result<(), AppError> {
        let user = &row.id;
        storage::users::user_set_enabled(act.tx(), user, true).await?;
        note_approver(act).await?;
        // Whoever signed in in the very moment in which they were disabled.
        act.end_sessions_of(user, None, "the account was disabled before").await?;
        let told = Notice::new(NoticeKind::Enabled, about, "Your account was enabled again", how).at("/me");
        act.tell(&Audience::person(user), &told).await?;
        let told = Notice::new(NoticeKind::Enabled, about, format!("The account of {} was enabled again", row.display_name), how);
        act.tell(&Audience::admins(), &told.at(format!("/people/{user}"))).await?;
        act.changes_books();
        Ok(())
    }

    /// Tells a person and who administers of their new roles; `how`: who did it, in a sentence.
    pub(crate) async fn tell_of_grants(&self, act: &mut Act<'_>, (about, how): (&str, &str), user: &UserId) -> Result<(), AppError> {
        let text = format!("{how} The roles that you have now are on My account.");
        let told = Notice::new(NoticeKind::RolesChanged, about, "Your roles were changed", text).at("/me");
        act.tell(&Audience::person(user), &told).await?;
        let title = format!("The roles of {} were changed", self.people().who(user));
        let told = Notice::new(NoticeKind::RolesChanged, about, title, how);
        self.tell_admins_but(act, user, &told.at(format!("/people/{user}"))).await
    }

    /// Refuses toxic pairs and teams that do not exist. `joining` counts people who come with this.
    pub(crate) async fn check_held(&self, conn: &mut Conn, grants: &[Grant], joining: usize) -> Result<(), AppError> {
        let people = usize::try_from(storage::users::user_count_enabled(conn).await?).unwrap_or_default() + joining;
        role::check_grants(grants, people).map_err(|toxic| AppError::conflict(toxic.to_string()))?;
        for team in grants.iter().filter_map(|grant| grant.team.as_ref()) {
            storage::teams::team_by_id(conn, team).await?.ok_or(AppError::NotFound("team"))?;
        }
        Ok(())
    }
}
