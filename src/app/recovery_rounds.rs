//! What time and changes among people do to recoveries: those whose time is over end, approvals that no longer count are dropped, and people
//! are told once a link may be made.

use super::{
    App, AppError,
    recoveries::{Recovery, RecoveryView, party, read},
    tx::Act,
};
use crate::audit::Event;
use crate::domain::{
    Audience, Notice, NoticeKind, UserId,
    recovery::{self, Party, RecoveryState},
};
use crate::storage::{self, Conn, Lane, recoveries::Approval};

/// Of those who approved the ones who could be asked again, in order: whoever is disabled, frozen or has too few keys counts for nothing.
pub(crate) fn still_here(approvals: &[Approval], members: &[Party]) -> Vec<Party> {
    approvals.iter().filter_map(|one| members.iter().find(|member| member.id == one.user_id).cloned()).collect()
}

impl App {
    /// What time does to recoveries. Safe to run twice.
    ///
    /// # Errors
    /// When the database is gone: what is left is done by the next round.
    pub async fn tend_recoveries(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let open = read(&mut *self.db.read().await?, now).await?;
        for view in open.into_iter().filter(|view| view.row.state.is_open()) {
            if now > view.row.expires_at && !view.has_live_link(now) {
                self.expire_recovery(&view.row).await?;
            } else if self.has_approvals_to_drop(&view) && !view.has_live_link(now) {
                self.drop_approvals_of(&view.row).await?;
            } else if view.row.state == RecoveryState::Approved && view.row.told_at.is_none() && view.takes_link(now) {
                self.tell_ready(&view.row).await?;
            }
        }
        Ok(())
    }

    async fn expire_recovery(&self, row: &Recovery) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let row = match self.stop_recovery(&mut open, &row.id, RecoveryState::Expired).await {
            Err(AppError::Conflict(_)) => return Ok(()),
            other => other?,
        };
        self.undo_begun(&mut open, &row).await?;
        let whose = self.people_book.who(&row.user_id);
        let text = match row.began_at {
            None => "It was not completed within 7 days. Nothing goes on by itself: ask again if it is still needed.",
            Some(_) => {
                "It was not completed within 7 days. What was made with its link, keys and password, is gone; the keys before are too. The account \
                 can do nothing until an admin asks for another recovery of it."
            }
        };
        self.tell_of_recovery(&mut open, &row, (NoticeKind::RecoveryStopped, ""), ("Recovery expired", &whose), text).await?;
        open.commit_stop(Event::RecoveryExpired { recovery: row.id, user: row.user_id }).await?;
        Ok(())
    }

    /// A look at what memory knows; what is dropped is decided inside a transaction.
    fn has_approvals_to_drop(&self, view: &RecoveryView) -> bool {
        let Some(person) = self.people_book.user(&view.row.user_id) else { return false };
        let here = self.approvers_now(view);
        recovery::counting(&party(&person), view.row.asked_by.as_ref(), &here).len() < view.approvals.len()
    }

    async fn drop_approvals_of(&self, row: &Recovery) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let Some(row) = storage::recoveries::recovery_by_id(open.tx(), &row.id).await?.filter(|row| row.state.is_open()) else {
            return Ok(());
        };
        match self.drop_approvals(&mut open, &row).await? {
            true => open.finish().await,
            false => Ok(()),
        }
    }

    /// Drops the approvals of an open recovery that no longer count: it waits for approvals again, and what its link led to is taken back. False
    /// when all of them count.
    pub(crate) async fn drop_approvals(&self, open: &mut Act<'_>, row: &Recovery) -> Result<bool, AppError> {
        let dropped = self.approvals_to_drop(open.tx(), row).await?;
        if dropped.is_empty() {
            return Ok(false);
        }
        for by in &dropped {
            storage::recoveries::recovery_disapprove(open.tx(), &row.id, by).await?;
        }
        self.undo_begun(open, row).await?;
        storage::recoveries::recovery_unbegun(open.tx(), &row.id).await?;
        storage::recoveries::recovery_asked_again(open.tx(), &row.id).await?;
        let now = open.now();
        storage::invitations::invitation_end(open.tx(), &row.user_id, "recovery", now).await?;
        open.changes_books();
        let whose = self.people_book.who(&row.user_id);
        let who: Vec<String> = dropped.iter().map(|by| self.people_book.who(by)).collect();
        let text = format!(
            "The approval of {} no longer counts: they were disabled or recovered, lost keys, or roles changed. It waits for approvals again.",
            who.join(" and ")
        );
        let step = format!(":dropped:{}", now.0);
        self.tell_of_recovery(open, row, (NoticeKind::RecoveryApproved, &step), ("Recovery needs approval again", &whose), &text).await?;
        open.record_stop(Event::RecoveryApprovalsDropped { recovery: row.id.clone(), user: row.user_id.clone(), dropped }).await?;
        Ok(true)
    }

    async fn approvals_to_drop(&self, conn: &mut Conn, row: &Recovery) -> Result<Vec<UserId>, AppError> {
        let Some(person) = storage::users::user_by_id(conn, &row.user_id).await? else { return Ok(Vec::new()) };
        let approvals = storage::recoveries::recovery_approvals(conn, &row.id).await?;
        let here = still_here(&approvals, &self.members_in(conn).await?);
        let kept = recovery::counting(&party(&person), row.asked_by.as_ref(), &here);
        let is_kept = |approval: &Approval| kept.iter().any(|one| one.id == approval.user_id);
        Ok(approvals.into_iter().filter(|approval| !is_kept(approval)).map(|approval| approval.user_id).collect())
    }

    async fn tell_ready(&self, row: &Recovery) -> Result<(), AppError> {
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = open.now();
        if !storage::recoveries::recovery_told(open.tx(), &row.id, now).await? {
            return Ok(());
        }
        let whose = self.people_book.who(&row.user_id);
        let text = "The 24 hours in which it could be vetoed are over. An admin, or somebody who approved it, can make the link now. A key that is \
                    not lost still vetoes it until the link is used.";
        let step = format!(":ready:{}", row.ready_at.map_or(0, |at| at.0));
        self.tell_of_recovery(&mut open, row, (NoticeKind::RecoveryApproved, &step), ("Recovery can go on", &whose), text).await?;
        for approval in storage::recoveries::recovery_approvals(open.tx(), &row.id).await? {
            let told = Notice::new(NoticeKind::RecoveryApproved, format!("{}{step}", row.id), format!("Recovery can go on: {whose}"), text);
            open.tell(&Audience::person(&approval.user_id), &told.at(format!("/recoveries/{}", row.id))).await?;
        }
        open.changes_books();
        open.commit(Event::RecoveryReady { recovery: row.id.clone(), user: row.user_id.clone() }).await?;
        Ok(())
    }
}
