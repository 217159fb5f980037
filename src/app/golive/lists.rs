//! The checklists themselves: as shipped until a request changes one, from memory like the policies.

use crate::app::{
    App, AppError, Invalid,
    requests::{
        RequestView,
        ask::{Asked, WHY, reason},
        execute::{Done, Undone},
    },
    tx::Act,
};
use crate::audit::Event;
use crate::authz::{Actor, Resource};
use crate::domain::{RequestId, Stage, Template, checklist::shipped, request::Content};
use crate::storage::{self, Conn, checklists::ListRow};
use std::sync::{Arc, PoisonError, RwLock};

/// What is not as shipped.
#[derive(Default)]
pub struct ListBook(RwLock<Arc<Vec<Template>>>);

impl ListBook {
    pub(crate) fn reload(&self, lists: Vec<Template>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lists);
    }
}

fn pick(lists: &[Template], stage: Stage) -> Result<Template, AppError> {
    let set = lists.iter().find(|list| list.stage == stage).cloned();
    set.or_else(|| shipped::template(stage)).ok_or(AppError::NotFound("checklist"))
}

impl App {
    /// The checklist of a stage.
    ///
    /// # Errors
    /// `NotFound` for a stage that has none.
    pub fn list_of(&self, stage: Stage) -> Result<Template, AppError> {
        pick(&self.golive.lists.0.read().unwrap_or_else(PoisonError::into_inner), stage)
    }

    /// The same as a transaction sees it.
    pub(crate) async fn list_in(&self, conn: &mut Conn, stage: Stage) -> Result<Template, AppError> {
        pick(&storage::checklists::list_now(conn).await?, stage)
    }

    /// Asks for another checklist of a stage.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a list that cannot be, or without a reason; `Conflict` when nothing would change, or another request is open.
    pub async fn ask_list(&self, actor: &Actor, after: Template, why: &str) -> Result<RequestId, AppError> {
        let permit = self.may_ask_about(actor, &Resource::Installation).await?;
        let now = self.list_of(after.stage)?;
        let after = Template { version: now.version + 1, ..after };
        after.check().map_err(|bad| Invalid::one("items", bad.to_string()))?;
        if now.changes_to(&after).is_empty() {
            return Err(AppError::conflict("that is the checklist already; nothing would change"));
        }
        self.ask(permit, Asked { content: Content::Checklist { stage: after.stage, now, after }, why: reason(why, WHY)? }).await
    }

    pub(crate) async fn change_list(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        after: &Template,
    ) -> Result<Result<Done, Undone>, AppError> {
        let now = self.list_in(act.tx(), after.stage).await?;
        if now.version + 1 != after.version {
            return Ok(Err(Undone::Stale("this checklist has changed since it was asked".to_owned())));
        }
        if let Err(bad) = after.check() {
            return Ok(Err(Undone::Failed(bad.to_string())));
        }
        let row = ListRow { list: after.clone(), request_id: view.row.id.clone(), set_at: act.now() };
        storage::checklists::list_insert(act.tx(), &row).await?;
        act.changes_books();
        let items = after.items.iter().map(|item| item.name.clone()).collect();
        let event = Event::ChecklistChanged { stage: after.stage, version: after.version, items, request: view.row.id.clone() };
        Ok(Ok((event, format!("version {} of the checklist for stage {} holds", after.version, after.stage))))
    }
}
