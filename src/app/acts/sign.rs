//! Signing an act: the challenge is the SHA-256 of its bytes; the signature is verified, stored with its entry, and the last one carries
//! the act out in the same transaction.

use super::{ActView, Outcome, carry_out::Effect, decide::CARRIED_OUT};
use crate::app::{App, AppError, sign_in::note_use, tx::Act};
use crate::audit::{Event, SignedAct};
use crate::authn::{Ceremony, KeyError, Keys};
use crate::authz::Actor;
use crate::domain::{ActId, ActKind, UserId};
use crate::storage::{self, Lane, acts::StoredSignature};
use std::sync::Arc;

impl App {
    /// What the browser needs to sign an act, and what the server keeps meanwhile.
    ///
    /// # Errors
    /// `Denied` or `Conflict` when this person may not sign; `Key` without a usable key.
    pub async fn signing_options(&self, actor: &Actor, id: &ActId) -> Result<Ceremony, AppError> {
        let act = self.act(actor, id).await?;
        self.still_open(&act)?;
        self.may_sign(actor, &act)?;
        let user = actor.user().ok_or(AppError::NotFound("person"))?;
        Ok(self.keys.begin_assertion(&self.passkeys_of(user).await?, Some(act.challenge()))?)
    }

    pub(crate) fn still_open(&self, act: &ActView) -> Result<(), AppError> {
        if act.stored.state != "open" {
            return Err(AppError::conflict(format!("this act is over: {}", act.stored.state)));
        }
        if self.clock.now() > act.waits_until() {
            return Err(AppError::conflict("this act has expired; prepare it again"));
        }
        Ok(())
    }

    /// Whoever signs, with what they may do as this transaction sees it. Nobody changes them, or whoever signed before, until it ends.
    async fn signer_in(&self, open: &mut Act<'_>, actor: &Actor, act: &ActView) -> Result<Actor, AppError> {
        let user = actor.user().ok_or(AppError::NotFound("person"))?;
        let mut people: Vec<&UserId> = act.signatures.iter().map(|signature| &signature.user_id).chain([user]).collect();
        // In one order, so that two who wait for each other never do so for ever.
        people.sort();
        people.dedup();
        for person in people {
            storage::users::user_hold_still(open.tx(), person).await?;
        }
        self.books_in(open.tx()).await?;
        let gone = || AppError::conflict("your account was disabled a moment ago; nothing was signed");
        self.actor_of(user, actor.is_stop_only()).ok_or_else(gone)
    }

    /// Who signed first must still hold that right when the last one signs, and the key they signed with must still be theirs.
    async fn first_still_may(&self, open: &mut Act<'_>, act: &ActView) -> Result<(), AppError> {
        let Some(first) = act.signatures.first() else { return Ok(()) };
        let keys = storage::credentials::credential_of_user(open.tx(), &first.user_id).await?;
        if !keys.iter().any(|key| key.id == first.credential_id && key.suspended_at.is_none()) {
            return Err(AppError::conflict("the key of the first signature was removed or suspended; prepare it again"));
        }
        let actor = self.actor_of(&first.user_id, false);
        let actor = actor.ok_or_else(|| AppError::conflict("whoever signed first is disabled; prepare it again"))?;
        self.may_prepare(&actor, &act.act.kind, &act.detail).map(drop)
    }

    /// Takes a signature. With the last one the act is carried out, whole or not at all.
    ///
    /// # Errors
    /// `Key` when the signature does not verify; `Denied`, `Conflict` when the act may not be carried out (any more).
    pub async fn sign(self: &Arc<Self>, actor: &Actor, id: &ActId, state: &str, response: &str) -> Result<Outcome, AppError> {
        let user = actor.user().ok_or(AppError::NotFound("person"))?.clone();
        let shown = self.act(actor, id).await?;
        self.still_open(&shown)?;
        is_fresh(&shown, response)?;
        let signed = match self.keys.finish_assertion(state, &self.passkeys_of(&user).await?, response) {
            Ok(signed) => signed,
            Err(error) => return Err(self.key_failed(&user, error).await),
        };
        if signed.challenge != shown.challenge() {
            return Err(AppError::conflict("that signature was made for another act"));
        }
        let permit = self.may_sign(actor, &shown)?;
        if matches!(shown.act.kind, ActKind::GoLive { .. }) {
            // Which keys are in use is memory's word, and must be the newest.
            self.refresh_keys().await?;
        }
        let mut open = self.begin(permit, Lane::Normal).await?;
        let epoch = open.epoch().await?;
        // Everything again, under the lock: a hold, a signature, an edit or a right taken away that came first wins.
        let stored = storage::acts::act_by_id(open.tx(), id).await?.ok_or(AppError::NotFound("act"))?;
        let signatures = storage::acts::act_signatures(open.tx(), id).await?;
        let mut act = ActView::of(stored, signatures)?;
        self.still_open(&act)?;
        let actor = self.signer_in(&mut open, actor, &act).await?;
        self.may_sign(&actor, &act)?;
        self.first_still_may(&mut open, &act).await?;
        let n = act.signatures.len() as i64 + 1;
        let signature = StoredSignature {
            act_id: id.clone(),
            n,
            user_id: user.clone(),
            credential_id: signed.credential.clone(),
            authenticator_data: signed.assertion.authenticator_data.clone(),
            client_data: signed.assertion.client_data.clone(),
            signature: signed.assertion.signature.clone(),
            at: open.now(),
            alone: act.signatures.iter().any(|s| s.user_id == user),
        };
        storage::acts::act_sign(open.tx(), &signature).await?;
        note_use(&mut open, &signed).await?;
        act.signatures.push(signature);
        if (act.signatures.len() as i64) < act.stored.signers_needed {
            self.tell_seconds(&mut open, &act).await?;
            failpoint!("act:before_signed");
            open.commit(Event::ActSigned { act: id.clone(), digest: act.stored.digest.clone(), by: signed_act(&act)? }).await?;
            failpoint!("act:signed");
            return Ok(Outcome::Waits);
        }
        let Effect { event, outcome, after } = self.carry_out(&mut open, &act, epoch).await?;
        let now = open.now();
        if !storage::acts::act_close(open.tx(), id, "done", now, CARRIED_OUT).await? {
            return Err(AppError::conflict("this act was carried out a moment ago"));
        }
        self.tell_act_ended(&mut open, &act, CARRIED_OUT).await?;
        failpoint!("act:before_commit");
        open.commit(event).await?;
        failpoint!("act:committed");
        self.after(after);
        Ok(outcome)
    }
}

/// Refuses an assertion that this act has already: its challenge is the same for every signer, so that a key which does not count could not
/// be told from a recording of it. Two keys that count alike are two.
pub(crate) fn is_fresh(act: &ActView, response: &str) -> Result<(), AppError> {
    let (key, given) = Keys::assertion_of(response)?;
    let is_known = |s: &StoredSignature| {
        s.credential_id == key && s.authenticator_data == given.authenticator_data && s.client_data == given.client_data
    };
    if act.signatures.iter().any(is_known) { Err(KeyError::Replayed.into()) } else { Ok(()) }
}

/// An act with its signatures as the log keeps it.
pub(crate) fn signed_act(act: &ActView) -> Result<SignedAct, AppError> {
    use data_encoding::BASE64URL_NOPAD;
    Ok(SignedAct {
        act: BASE64URL_NOPAD.encode(&act.stored.body),
        assertions: act
            .signatures
            .iter()
            .map(|s| crate::audit::AssertionText {
                user: s.user_id.clone(),
                credential: s.credential_id.clone(),
                authenticator_data: BASE64URL_NOPAD.encode(&s.authenticator_data),
                client_data: BASE64URL_NOPAD.encode(&s.client_data),
                signature: BASE64URL_NOPAD.encode(&s.signature),
            })
            .collect(),
    })
}
