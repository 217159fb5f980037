//! What an approval of a request does, in the transaction of its signature: it is counted, and the last one that was needed carries the request
//! out. Whether this person may is asked again here, by what the transaction sees.

use super::{ActView, Outcome, carry_out::Effect, sign::signed_act};
use crate::app::{
    App, AppError,
    requests::{Company, RequestView, VoteRow},
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::domain::{
    RequestId, UserId,
    request::{Vote, WhyNot},
};
use crate::storage;

fn at(id: &RequestId) -> Outcome {
    Outcome::Done(format!("/requests/{id}"))
}

impl App {
    /// The request with everybody whom its votes are of, as this transaction sees them; and whoever signs.
    async fn request_and_company(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        id: &RequestId,
    ) -> Result<(RequestView, Company, UserId), AppError> {
        let signer = act.signatures.last().map(|signature| signature.user_id.clone());
        let signer = signer.ok_or_else(|| AppError::conflict("nobody has signed this"))?;
        let view = self.request_in(open.tx(), id).await?;
        let still: Vec<UserId> = view.case.votes_now().map(|vote| vote.user.clone()).chain([signer.clone()]).collect();
        let company = self.company_in(open, &still.iter().collect::<Vec<_>>()).await?;
        if let Some(why) = self.stale_reason(open.tx(), view.content()).await? {
            return Err(AppError::conflict(why));
        }
        Ok((view, company, signer))
    }

    async fn write_vote(&self, open: &mut OpenAct<'_>, act: &ActView, (view, vote): (&RequestView, &Vote)) -> Result<(), AppError> {
        let grants = self.people_book.user(&vote.user).map(|user| user.grants.clone()).unwrap_or_default();
        let roles: Vec<String> = grants
            .iter()
            .map(|grant| match grant.team.as_ref().and_then(|team| self.people_book.team_name(team)) {
                Some(team) => format!("{} of {team}", grant.role),
                None => grant.role.to_string(),
            })
            .collect();
        let row = VoteRow {
            act_id: act.stored.id.clone(),
            request_id: view.row.id.clone(),
            revision: vote.revision,
            digest: vote.digest.clone(),
            user_id: vote.user.clone(),
            roles: roles.join(", "),
            alone: vote.is_alone,
            at: vote.at,
            taken_back_at: None,
            key_ended: false,
        };
        // One of theirs by a key that has ended counts no more, and makes room.
        storage::request_history::vote_take_back(open.tx(), &view.row.id, vote.revision, (&vote.user, vote.at)).await?;
        Ok(storage::request_history::vote_insert(open.tx(), &row).await?)
    }

    pub(super) async fn carry_request_approve(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (id, revision, digest): (&RequestId, i64, &str),
    ) -> Result<Effect, AppError> {
        let (mut view, company, signer) = self.request_and_company(open, act, id).await?;
        if revision != view.row.revision {
            return Err(WhyNot::Changed.into());
        }
        let vote = view.case.vote(&signer, digest, &company.moment(view.row.kind))?.clone();
        self.write_vote(open, act, (&view, &vote)).await?;
        // Counted up whatever follows: who else read it before is told.
        self.write_request(open, &mut view, None).await?;
        let signed = signed_act(act)?;
        let approved = Event::RequestApproved { request: id.clone(), revision, digest: digest.to_owned(), alone: vote.is_alone, signed };
        let mut events = vec![approved];
        events.extend(self.settle_request(open, &mut view, &company).await?);
        let last = events.pop().ok_or_else(|| AppError::conflict("nothing was done"))?;
        for event in events {
            open.record(event).await?;
        }
        Ok(Effect { event: last, outcome: at(id), after: None })
    }
}
