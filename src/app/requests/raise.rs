//! A deeper review than the policy asks for: whoever asked may want one approval more, and nobody asks for fewer (RTS 6 article 11(1): how deep a
//! review goes follows what is changed, and who changes it knows best when that is more than it looks).

use crate::app::{App, AppError, Invalid};
use crate::audit::Event;
use crate::authz::{Action, Actor};
use crate::domain::{RequestId, RequestKind, approval::Approver};

/// Whom one more approval can be asked of.
pub fn more_of(kind: RequestKind) -> Vec<Approver> {
    let all = [Approver::Risk, Approver::Lead, Approver::AnyLead, Approver::Admin];
    all.into_iter().filter(|one| kind.is_of_team() || *one != Approver::Lead).collect()
}

impl App {
    /// Asks for one approval more of a request, which is one's own and waits for approvals. What was approved goes on to count.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Invalid` for somebody who cannot be asked; `NotYours`; `Conflict` when it does not wait any more, has four seats, or
    /// nobody here could fill this one.
    pub async fn raise_request(&self, actor: &Actor, id: &RequestId, more: &str) -> Result<(), AppError> {
        let (mut act, mut view, user) = self.begin_on(actor, Action::DiscussRequest, id).await?;
        let more = more.parse::<Approver>().ok().filter(|one| more_of(view.row.kind).contains(one));
        let Some(more) = more else { return Err(Invalid::one("more", "Choose who else is to approve it").into()) };
        let now = act.now();
        view.case.raise(&user, more, now)?;
        view.row.raised = serde_json::to_string(&view.case.request.raised).map_err(AppError::internal)?;
        self.can_be_approved(&mut act, &view).await?;
        self.write_request(&mut act, &mut view, None).await?;
        self.tell_asked(&mut act, &view, &format!("Whoever asked wants one approval more: {}.", more.words())).await?;
        let (revision, rule) = (view.row.revision, view.case.request.rule.clone());
        act.commit(Event::RequestRaised { request: id.clone(), revision, more, rule }).await?;
        Ok(())
    }
}
