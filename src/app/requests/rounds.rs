//! What the clock and other changes do to open requests: those whose time is over expire, those over what has changed are stale, those whose
//! delay is over are carried out, and those whose approvals count no more wait again. Deadlines are rows; what a round misses the next finds.

use super::{Company, RequestView};
use crate::app::{App, AppError};
use crate::domain::{
    RequestState, UserId,
    approval::may_ask,
    request::{Next, Standing},
};
use crate::storage::Lane;

impl App {
    /// One round over every open request.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn tend_requests(&self) -> Result<(), AppError> {
        let open = self.open_requests(&mut *self.db.read().await?).await?;
        for view in open.iter() {
            match self.tend_one(view).await {
                // Without a database none of them can be tended.
                Err(error @ AppError::Unavailable(_)) => return Err(error),
                // Somebody was quicker, or somebody whom it needs is gone: the next round looks again.
                Err(error @ (AppError::Conflict(_) | AppError::NotYours(_) | AppError::NotFound(_))) => {
                    tracing::info!(request = %view.row.id, %error, "a request was not tended this time");
                }
                // One that cannot be tended keeps no other from its turn.
                Err(error) => {
                    tracing::error!(request = %view.row.id, error = &error as &dyn std::error::Error, "a request cannot be tended")
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn tend_one(&self, view: &RequestView) -> Result<(), AppError> {
        let company = self.company();
        let stale = match asker_gone(view, &company) {
            Some(why) => Some(why),
            None => self.stale_for_good(&mut *self.db.read().await?, view.content()).await?,
        };
        if stale.is_none() && view.case.next(&company.moment(view.row.kind)) == Next::Wait {
            return Ok(());
        }
        self.tend_request(view).await
    }

    async fn tend_request(&self, seen: &RequestView) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        act.epoch().await?;
        let mut view = self.request_in(act.tx(), &seen.row.id).await?;
        if !view.row.state.is_open() {
            return Ok(());
        }
        let voters = view.case.votes_now().map(|vote| vote.user.clone());
        let still: Vec<UserId> = voters.chain([view.row.requester.clone()]).collect();
        let company = self.company_in(&mut act, &still.iter().collect::<Vec<_>>()).await?;
        let is_over = view.case.next(&company.moment(view.row.kind)) == Next::Expire;
        let stale = match asker_gone(&view, &company) {
            Some(why) => Some(why),
            None => self.stale_for_good(act.tx(), view.content()).await?,
        };
        let events = match stale {
            Some(why) if !is_over => {
                view.case.end(RequestState::Stale);
                vec![self.end_request(&mut act, &mut view, &why).await?]
            }
            _ => self.settle_request(&mut act, &mut view, &company).await?,
        };
        act.commit_several(events).await
    }
}

/// Why nothing is done for whoever asked; none: it is.
fn asker_gone(view: &RequestView, company: &Company) -> Option<String> {
    let why = match company.people.iter().find(|voter| voter.id == view.row.requester).map(|voter| (voter.standing, voter)) {
        None | Some((Standing::Disabled, _)) => "whoever asked is disabled",
        Some((Standing::Frozen, _)) => "whoever asked is being recovered: it may not have been them",
        Some((_, voter)) if !may_ask(view.row.kind, &voter.grants, view.row.team_id.as_ref()) => {
            "whoever asked may not ask for this any more"
        }
        Some(_) => return None,
    };
    Some(format!("{why}; somebody else asks again, if it is still wanted"))
}
