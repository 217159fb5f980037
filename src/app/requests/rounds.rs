//! What the clock and other changes do to open requests: those whose time is over expire, those over what has changed are stale, those whose
//! delay is over are carried out, and those whose approvals count no more wait again. Deadlines are rows; what a round misses the next finds.

use super::RequestView;
use crate::app::{App, AppError};
use crate::domain::{RequestState, UserId, request::Next};
use crate::storage::Lane;

impl App {
    /// One round over every open request.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn tend_requests(&self) -> Result<(), AppError> {
        for view in self.open_requests(&mut *self.db.read().await?).await? {
            let stale = self.stale_reason(&mut *self.db.read().await?, view.content()).await?;
            let next = view.case.next(&self.company().moment(view.row.kind));
            if stale.is_none() && next == Next::Wait {
                continue;
            }
            match self.tend_request(&view).await {
                // Somebody was quicker, or somebody whom it needs is gone: the next round looks again.
                Err(error @ (AppError::Conflict(_) | AppError::NotYours(_) | AppError::NotFound(_))) => {
                    tracing::info!(request = %view.row.id, %error, "a request was not tended this time");
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn tend_request(&self, seen: &RequestView) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        act.epoch().await?;
        let mut view = self.request_in(act.tx(), &seen.row.id).await?;
        if !view.row.state.is_open() {
            return Ok(());
        }
        let still: Vec<UserId> = view.case.votes_now().map(|vote| vote.user.clone()).collect();
        let company = self.company_in(&mut act, &still.iter().collect::<Vec<_>>()).await?;
        let is_over = view.case.next(&company.moment(view.row.kind)) == Next::Expire;
        let events = match self.stale_reason(act.tx(), view.content()).await? {
            Some(why) if !is_over => {
                view.case.end(RequestState::Stale);
                vec![self.end_request(&mut act, &mut view, &why).await?]
            }
            _ => self.settle_request(&mut act, &mut view, &company).await?,
        };
        self.commit_all(act, events).await
    }
}
