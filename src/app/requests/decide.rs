//! What people do with a request beside approving it, which is an act: deny, withdraw, take an approval back, comment. And the one answer
//! to whether somebody can vote, for page, API and command line.

use super::{RequestView, ask::reason, list::sees};
use crate::app::{App, AppError, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit};
use crate::domain::{ActKind, CommentId, RequestId, UserId, request::WhyNot};
use crate::storage::{self, Conn, Lane, request_history::CommentRow};

/// Remarks on one request, as many as are shown.
const REMARKS: usize = 500;

impl App {
    /// Checks that somebody can approve a request now; `digest`: exactly what they saw.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with the reason why not.
    pub async fn check_vote(&self, actor: &Actor, id: &RequestId, digest: &str) -> Result<(), AppError> {
        let mut tx = self.db.read().await?;
        let view = self.request_in(&mut tx, id).await?;
        let user = actor.user().ok_or_else(|| AppError::conflict("only a person approves, with a security key"))?;
        if digest != view.case.request.digest {
            return Err(WhyNot::Changed.into());
        }
        self.can_approve(&mut tx, user, &view).await
    }

    async fn can_approve(&self, conn: &mut Conn, user: &UserId, view: &RequestView) -> Result<(), AppError> {
        view.case.can_vote(user, &self.company().moment(view.row.kind))?;
        match self.stale_reason(conn, view.content()).await? {
            Some(why) => Err(AppError::conflict(why)),
            None => Ok(()),
        }
    }

    /// Why the person behind this actor cannot approve a request now, by the rule that would refuse them; none: they can, in a browser with their
    /// security key. A token itself approves nothing, whoever made it.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn obstacle_to_vote(&self, actor: &Actor, view: &RequestView) -> Result<Option<AppError>, AppError> {
        let user = self.person_behind(actor).await?;
        let person = self.actor_of(&user, false).ok_or_else(|| AppError::from(WhyNot::Disabled));
        let can = self.can_approve(&mut *self.db.read().await?, &user, view).await.and(person);
        match can.and_then(|person| Ok(authz::check(&person, Action::VoteRequest, &view.resource())?)) {
            Ok(_) => Ok(None),
            Err(why @ (AppError::Conflict(_) | AppError::NotYours(_) | AppError::Denied(_))) => Ok(Some(why)),
            Err(other) => Err(other),
        }
    }

    /// Prepares an approval of the revision that somebody saw.
    ///
    /// # Errors
    /// As `check_vote`.
    pub async fn prepare_approval(&self, actor: &Actor, id: &RequestId, digest: &str) -> Result<crate::app::acts::ActView, AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        let (request, revision, digest) = (id.clone(), view.row.revision, digest.to_owned());
        let newest = view.revisions.into_iter().find(|one| one.revision == revision && one.digest == digest);
        let content = newest.ok_or(WhyNot::Changed)?.content;
        let kind = ActKind::RequestApprove { request, revision, digest, content };
        self.prepare_single(actor, kind).await
    }

    /// Begins a change of a request by somebody: the permit, the transaction, the request as it is, and who acts.
    pub(super) async fn begin_on<'a>(
        &'a self,
        actor: &Actor,
        action: Action,
        id: &RequestId,
    ) -> Result<(Act<'a>, RequestView, UserId), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        if !sees(actor, &view.row) {
            return Err(AppError::NotFound("request"));
        }
        let permit: Permit = authz::check(actor, action, &view.resource())?;
        let user = self.person_behind(actor).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        act.epoch().await?;
        let view = self.request_in(act.tx(), id).await?;
        Ok((act, view, user))
    }

    /// Denies a request, which ends it.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` with why this person cannot.
    pub async fn deny_request(&self, actor: &Actor, id: &RequestId, why: &str) -> Result<(), AppError> {
        let (mut act, mut view, user) = self.begin_on(actor, Action::VoteRequest, id).await?;
        let why = reason(why, "Say why not: whoever asked reads it")?;
        let company = self.company_in(&mut act, &[&user]).await?;
        view.case.deny(&user, &company.moment(view.row.kind))?;
        self.write_request(&mut act, &mut view, Some(&why)).await?;
        self.tell_ended(&mut act, &view, &format!("{} denied it: {why}", self.people_book.who(&user))).await?;
        let (revision, digest) = (view.row.revision, view.case.request.digest.clone());
        act.commit(Event::RequestDenied { request: id.clone(), revision, digest, why }).await?;
        Ok(())
    }

    /// Whoever asked takes it back.
    ///
    /// # Errors
    /// `Conflict` for anybody else, or when it is over.
    pub async fn withdraw_request(&self, actor: &Actor, id: &RequestId) -> Result<(), AppError> {
        let (mut act, mut view, user) = self.begin_on(actor, Action::DiscussRequest, id).await?;
        view.case.withdraw(&user)?;
        self.write_request(&mut act, &mut view, Some("taken back by whoever asked")).await?;
        self.tell_ended(&mut act, &view, "it was taken back").await?;
        act.commit(Event::RequestWithdrawn { request: id.clone() }).await?;
        Ok(())
    }

    /// A voter takes an approval back, until it is carried out.
    ///
    /// # Errors
    /// `Conflict` when there is none, or it is too late.
    pub async fn take_back_approval(&self, actor: &Actor, id: &RequestId) -> Result<(), AppError> {
        let (mut act, mut view, user) = self.begin_on(actor, Action::VoteRequest, id).await?;
        view.case.take_back(&user)?;
        let (revision, now) = (view.row.revision, act.now());
        storage::request_history::vote_take_back(act.tx(), id, revision, (&user, now)).await?;
        let mut events = vec![Event::RequestApprovalTakenBack { request: id.clone(), revision, user }];
        let still: Vec<UserId> = view.case.votes_now().map(|vote| vote.user.clone()).collect();
        let company = self.company_in(&mut act, &still.iter().collect::<Vec<_>>()).await?;
        let stepped = self.reopen(&mut act, &mut view, &company).await?;
        if stepped.is_empty() {
            self.write_request(&mut act, &mut view, None).await?;
        }
        events.extend(stepped);
        act.commit_several(events).await
    }

    /// Says something about a request, before its end or after.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for an empty or too long remark.
    pub async fn comment_request(&self, actor: &Actor, id: &RequestId, said: &str) -> Result<(), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        if !sees(actor, &view.row) {
            return Err(AppError::NotFound("request"));
        }
        let permit = authz::check(actor, Action::DiscussRequest, &view.resource())?;
        let mut invalid = crate::app::Invalid::default();
        let said = invalid.check("text", "The remark", crate::domain::text::why(said));
        let said = match said {
            Some(said) if said.is_empty() => return Err(crate::app::Invalid::one("text", "Write what you want to say").into()),
            Some(said) => said,
            None => return Err(invalid.into()),
        };
        let mut act = self.begin(permit, Lane::Normal).await?;
        if storage::request_history::comment_of(act.tx(), id).await?.len() >= REMARKS {
            return Err(AppError::conflict(format!("there are {REMARKS} remarks on it; more are not shown, and so not taken")));
        }
        let by = act.actor().as_placer().name;
        let row = CommentRow {
            id: CommentId::new(),
            request_id: id.clone(),
            by_actor: crate::audit::Actor::from(act.actor()).text(),
            by_name: by.clone(),
            text: said.clone(),
            at: act.now(),
        };
        storage::request_history::comment_insert(act.tx(), &row).await?;
        self.tell_commented(&mut act, &view, (&row.id, &by, &said)).await?;
        act.commit(Event::RequestCommented { request: id.clone(), comment: row.id, text: said }).await?;
        Ok(())
    }
}
