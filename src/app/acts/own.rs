//! What the acts about people and their keys do: a person enabled, a key added, a key removed.

use super::{ActView, Outcome, carry_out::Effect, prepare::enabled_again, sign::signed_act};
use crate::app::{
    App, AppError,
    own_keys::{self, KeyNews},
    sign_in::insert_key,
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::domain::{ActKind, CredentialId, UserId, role};
use crate::storage;

impl App {
    pub(super) async fn carry_enable(&self, open: &mut OpenAct<'_>, act: &ActView, user: &UserId) -> Result<Effect, AppError> {
        let row = storage::users::user_by_id(open.tx(), user).await?.ok_or(AppError::NotFound("person"))?;
        if row.enabled {
            return Err(AppError::conflict(format!("{} is enabled already", row.display_name)));
        }
        let people = usize::try_from(storage::users::user_count_enabled(open.tx()).await?).unwrap_or_default() + 1;
        role::check_grants(&row.grants, people).map_err(|toxic| enabled_again(&row.display_name, &toxic))?;
        let by = self.people_book.who(&act.stored.made_by);
        let how = format!("{by} enabled it, signed with a security key. Roles and keys are as they were.");
        self.enable_in(open, &row, (act.stored.id.as_str(), &how)).await?;
        let event = Event::UserEnabled { user: user.clone(), signed: Some(signed_act(act)?), request: None };
        Ok(Effect { event, outcome: Outcome::Done(format!("/people/{user}")), after: None })
    }

    pub(super) async fn carry_key(&self, open: &mut OpenAct<'_>, act: &ActView, user: &UserId) -> Result<Effect, AppError> {
        let ActKind::CredentialAdd { credential, public_key, nickname, backup_eligible, .. } = &act.act.kind else {
            return Err(AppError::conflict("this act adds no key"));
        };
        let key = act.detail.new_key.clone().ok_or_else(|| AppError::conflict("the key of this act is gone; make it again"))?;
        if key.id != *credential || key.digest() != *public_key || key.backup_eligible != *backup_eligible || !key.is_whole() {
            return Err(AppError::conflict("the key of this act is not the one that was signed"));
        }
        self.check_key_fits(user, &key)?;
        self.tell_of_key(open, user, KeyNews::Added(credential, nickname)).await?;
        let event = insert_key(open, user, key, nickname.clone(), Some(signed_act(act)?)).await?;
        Ok(Effect { event, outcome: Outcome::Done("/me".into()), after: None })
    }

    pub(super) async fn carry_key_removal(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (user, id): (&UserId, &CredentialId),
    ) -> Result<Effect, AppError> {
        let row = storage::users::user_by_id(open.tx(), user).await?.ok_or(AppError::NotFound("person"))?;
        let keys = storage::credentials::credential_of_user(open.tx(), user).await?;
        let key = keys.iter().find(|key| key.id == *id).ok_or_else(|| AppError::conflict("this key is gone already"))?;
        if let Some(why) = own_keys::why_it_stays(&row.grants, &keys, id) {
            return Err(AppError::conflict(why));
        }
        self.tell_of_key(open, user, KeyNews::Removed(id, &key.nickname)).await?;
        let now = open.now();
        storage::credentials::credential_remove(open.tx(), id, now).await?;
        open.changes_books();
        open.end_sessions_with(user, id, "the security key that they were signed in with was removed").await?;
        let event = Event::CredentialRemoved {
            user: user.clone(),
            credential: id.clone(),
            nickname: key.nickname.clone(),
            signed: signed_act(act)?,
        };
        Ok(Effect { event, outcome: Outcome::Done("/me".into()), after: None })
    }
}
