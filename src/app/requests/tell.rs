//! Who is told what of requests: whoever can act next, and whoever asked, at every end.

use super::RequestView;
use crate::app::{App, AppError, tx::Act};
use crate::domain::{Audience, CommentId, Notice, NoticeKind, RequestKind, RequestState, Timestamp, UserId, request::Content};
use crate::storage;

fn to(people: Vec<UserId>) -> Audience {
    Audience { people, admins: false }
}

impl App {
    fn title_of(&self, view: &RequestView) -> String {
        match view.content() {
            // Of somebody who is being invited in this very transaction, memory does not know the name yet.
            Content::Roles { name, .. } => format!("More rights for {name}"),
            _ => self.request_title(view.row.kind, &view.row.target),
        }
    }

    fn request_notice(&self, view: &RequestView, (kind, step): (NoticeKind, &str), title: &str, text: &str) -> Notice {
        let title = format!("{title}: {}", self.title_of(view));
        Notice::new(kind, format!("{}:{}:{step}", view.row.id, view.row.revision), title, text).at(format!("/requests/{}", view.row.id))
    }

    /// Tells everybody who can approve it now; of a policy everybody who could approve anything, so that they can object; of more rights everybody
    /// who administers, and in other words whoever they are for.
    pub(crate) async fn tell_asked(&self, act: &mut Act<'_>, view: &RequestView, more: &str) -> Result<(), AppError> {
        let company = self.company();
        let moment = company.moment(view.row.kind);
        let can = |id: &UserId| view.case.can_deny(id, &moment).is_ok();
        let people = company.people.iter().filter(|voter| can(&voter.id)).map(|voter| voter.id.clone()).collect();
        let mut audience = to(people);
        audience.admins = matches!(view.row.kind, RequestKind::Policy | RequestKind::Checklist);
        let who = self.people_book.who(&view.row.requester);
        let text = format!("{who} asks for it: {}\n\n{more}\n\nYou can approve or deny it. What changes stands on its page.", view.why());
        let step = format!("asked:{}:{}", view.row.generation, act.now().0);
        if let Some(user) = &view.row.beneficiary {
            let admins = storage::notices::notice_admins(act.tx()).await?;
            audience.people.extend(admins.into_iter().filter(|admin| admin != user));
            self.tell_asked_for(act, view, (user, &step), &format!("{who} asks for it: {}\n\n{more}", view.why())).await?;
        }
        act.tell(&audience, &self.request_notice(view, (NoticeKind::RequestAsked, &step), "Waits for approval", &text)).await.map(drop)
    }

    async fn tell_asked_for(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        (user, step): (&UserId, &str),
        text: &str,
    ) -> Result<(), AppError> {
        let text = format!("{text}\n\nOthers approve it; you cannot, since it is for you. What changes stands on its page.");
        let step = format!("{step}:for");
        let notice = self.request_notice(view, (NoticeKind::RequestAsked, &step), "Asked for you", &text);
        act.tell(&Audience::person(user), &notice).await.map(drop)
    }

    /// Tells whoever asked, and whoever could still deny it, that it was approved and when it is carried out.
    pub(crate) async fn tell_approved(&self, act: &mut Act<'_>, view: &RequestView, ready_at: Timestamp) -> Result<(), AppError> {
        let company = self.company();
        let moment = company.moment(view.row.kind);
        let can = |id: &UserId| view.case.can_deny(id, &moment).is_ok();
        let people = company.people.iter().filter(|voter| can(&voter.id)).map(|voter| voter.id.clone());
        let audience = to(people.chain([view.row.requester.clone()]).collect());
        let text = if view.row.kind.is_by_hand() {
            let (who, until) = (self.people_book.who(&view.row.requester), view.until(moment.rule));
            format!(
                "Enough people approved it. {who}, who asked, carries it out until {}; whoever could approve it can still deny it.",
                until.plain()
            )
        } else {
            format!("Enough people approved it. It is carried out at {}; whoever could approve it can still deny it.", ready_at.plain())
        };
        let step = format!("approved:{}", view.row.generation);
        act.tell(&audience, &self.request_notice(view, (NoticeKind::RequestEnded, &step), "Approved", &text)).await.map(drop)
    }

    /// Tells whoever asked, everybody who had approved, and whom it was for, how it ended. Who has more rights by it hears of those themselves.
    pub(crate) async fn tell_ended(&self, act: &mut Act<'_>, view: &RequestView, how: &str) -> Result<(), AppError> {
        let title = match view.case.request.state {
            RequestState::Executed => "Carried out",
            RequestState::Denied => "Denied",
            RequestState::Withdrawn => "Taken back",
            RequestState::Expired => "Expired",
            RequestState::Stale => "Stale, nothing was done",
            RequestState::Failed => "Failed, nothing was done",
            RequestState::Superseded => "Asked anew",
            RequestState::Pending | RequestState::Approved | RequestState::Executing => "Changed",
        };
        let voters = view.case.votes_now().map(|vote| vote.user.clone());
        let is_done = view.case.request.state == RequestState::Executed;
        let whose = view.row.beneficiary.clone().filter(|_| !is_done);
        let audience = to(voters.chain([view.row.requester.clone()]).chain(whose).collect());
        let text = format!("{title}: {how}.");
        act.tell(&audience, &self.request_notice(view, (NoticeKind::RequestEnded, "ended"), title, &text)).await.map(drop)
    }

    /// Tells whoever asked, and everybody who has approved, what somebody said.
    pub(crate) async fn tell_commented(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        (id, by, said): (&CommentId, &str, &str),
    ) -> Result<(), AppError> {
        let own = act.actor().user().cloned();
        let voters = view.case.votes_now().map(|vote| vote.user.clone());
        let people = voters.chain([view.row.requester.clone()]).filter(|one| Some(one) != own.as_ref()).collect();
        let text = format!("{by}: {said}");
        let notice = self.request_notice(view, (NoticeKind::RequestAsked, id.as_str()), "A remark", &text);
        act.tell(&to(people), &notice).await.map(drop)
    }

    /// Tells everybody who can approve anything that the policies changed.
    pub(crate) async fn tell_policy(&self, act: &mut Act<'_>, view: &RequestView, version: i64) -> Result<(), AppError> {
        let is_auditor = |grants: &[crate::domain::Grant]| grants.iter().all(|grant| grant.role == crate::domain::Role::Auditor);
        let people = self.members().into_iter().filter(|member| !is_auditor(&member.grants)).map(|member| member.id).collect();
        let text = format!(
            "Version {version} of who approves what holds from now on. What waits for approval needs both: what held when it was asked, and this."
        );
        let title = format!("{} holds", self.title_of(view));
        let notice = Notice::new(NoticeKind::PolicyChanged, format!("approvals:{version}"), title, text).at("/policies");
        act.tell(&to(people), &notice).await.map(drop)
    }
}
