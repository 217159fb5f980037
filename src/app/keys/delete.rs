//! Deleting at the venue what was taken away here: a signed act of its own, with the key of the main account. Nothing deletes by itself, and what
//! was signed is done also after a restart. What the main account lists no more after it was told is gone; whatever else comes of it stays to be
//! deleted, and the key's history says why.

use super::{Key, VersionRow, hand::within, install::fingerprint, note, write_version};
use crate::app::{App, AppError, tx::Act};
use crate::audit::{Event, SignedAct};
use crate::authz::{self, Action, Actor};
use crate::domain::{
    ActKind, KeyId, KeyPurpose, Secret, Timestamp,
    key::{KeyState, KeyStep},
};
use crate::storage::{self, Conn, Lane};
use crate::venues::{FindingKind, SubKey};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// What was signed so long ago, and of which nothing came, is done again: whoever began it has ended, since its calls take less. Milliseconds.
const AGAIN_MS: i64 = 60_000;

/// True for what is to be deleted by a signature, and whose deletion ended with the server that did it.
pub(super) fn is_left(row: &VersionRow, now: Timestamp) -> bool {
    row.state.is_to_be_deleted() && row.delete_at.is_some_and(|at| now.ms_since(at) >= AGAIN_MS)
}

impl App {
    /// Prepares the deletion of a version at its venue, which waits for a signature.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` for what is in use or gone, and without a key of the main account.
    pub async fn prepare_key_delete(
        &self,
        actor: &Actor,
        (id, version): (&KeyId, i64),
        why: &str,
    ) -> Result<crate::app::acts::ActView, AppError> {
        let key = self.key_in(&mut *self.db.read().await?, id).await?;
        authz::check(actor, Action::DeleteKey, &Self::bot_resource(&*self.bot_of_key(&key)?))?;
        let why = crate::app::requests::ask::reason(why, "Say why it is deleted at the venue; there is no way back")?;
        let fingerprint = key.version(version).map(|row| row.fingerprint.clone()).ok_or(AppError::NotFound("version of this key"))?;
        let kind = ActKind::KeyDelete { key: id.clone(), version, bot: key.row.bot_id, fingerprint, why };
        self.prepare_single(actor, kind).await
    }

    /// The version, when it may be deleted at its venue: taken away here, of this fingerprint, and with a key of the main account that is in use.
    ///
    /// # Errors
    /// `Conflict` with what stands in the way.
    pub(crate) fn is_deletable<'a>(
        &'a self,
        conn: &'a mut Conn,
        which: (&'a KeyId, i64, &'a str),
    ) -> BoxFuture<'a, Result<VersionRow, AppError>> {
        // Boxed, as below: the acts that are prepared and carried out beside it would carry its state.
        Box::pin(self.deletable(conn, which))
    }

    async fn deletable(&self, conn: &mut Conn, (id, version, fingerprint): (&KeyId, i64, &str)) -> Result<VersionRow, AppError> {
        if self.site.is_foreign() {
            return Err(AppError::conflict("this server runs on another site's copy: it acts on no venue until it takes over"));
        }
        let key = self.key_in(conn, id).await?;
        let row = key.version(version).filter(|row| row.fingerprint == fingerprint).ok_or(AppError::NotFound("version of this key"))?;
        if !row.state.is_to_be_deleted() {
            return Err(AppError::conflict("only what was taken away here and may still work at its venue is deleted there"));
        }
        self.admin_of(conn, &key).await?;
        Ok(row.clone())
    }

    /// The key of the main account that can change this one.
    async fn admin_of(&self, conn: &mut Conn, key: &Key) -> Result<(), AppError> {
        let none = || AppError::conflict("this server holds no key of the main account for this bot: delete it at the venue by hand");
        let admin = storage::exchange_keys::key_of(conn, &key.row.bot_id, KeyPurpose::KeyAdmin).await?.ok_or_else(none)?;
        let admin = self.key_in(conn, &admin.id).await?;
        admin.active().ok_or_else(none)?;
        let can = key.row.purpose != KeyPurpose::KeyAdmin && admin.row.subaccount_id == key.row.subaccount_id;
        if can { Ok(()) } else { Err(AppError::conflict("the key of the main account changes those of another subaccount")) }
    }

    /// Takes in that a deletion was signed, in the transaction of the signature; nothing is deleted yet.
    pub(crate) fn sign_deletion<'a>(
        &'a self,
        act: &'a mut Act<'_>,
        which: (&'a KeyId, i64, &'a str),
        why: &'a str,
        signed: SignedAct,
    ) -> BoxFuture<'a, Result<Event, AppError>> {
        Box::pin(self.deletion_signed(act, which, why, signed))
    }

    async fn deletion_signed(
        &self,
        act: &mut Act<'_>,
        (id, version, fingerprint): (&KeyId, i64, &str),
        why: &str,
        signed: SignedAct,
    ) -> Result<Event, AppError> {
        let mut row = self.is_deletable(act.tx(), (id, version, fingerprint)).await?;
        let key = self.key_in(act.tx(), id).await?;
        row.delete_at = Some(act.now());
        write_version(act, &mut row).await?;
        note(act, id, Some(version), ("To be deleted at the venue", why)).await?;
        act.changes_key(id);
        let (key, bot) = (id.clone(), key.row.bot_id);
        Ok(Event::KeyDeletionSigned { key, version, bot, fingerprint: fingerprint.to_owned(), why: why.to_owned(), signed })
    }

    /// Deletes what was signed, in a task of its own, unless one is at it.
    pub(crate) fn begin_delete(self: &Arc<Self>, key: KeyId, version: i64) {
        let which = (key, version);
        if self.key_book.begins_delete(&which) {
            let app = self.clone();
            tokio::spawn(async move {
                app.delete_at_venue(&which.0, which.1).await;
                app.key_book.ends_delete(&which);
            });
        }
    }

    /// The same, and writes down what came of it.
    async fn delete_at_venue(&self, id: &KeyId, version: i64) {
        let outcome = self.try_delete(id, version).await;
        if let Err(error) = self.note_deleted((id, version), &outcome).await {
            tracing::warn!(key = %id, version, ?outcome, %error, "what came of deleting a key could not be written down");
        }
    }

    /// # Errors
    /// Why it is not known to be gone.
    async fn try_delete(&self, id: &KeyId, version: i64) -> Result<(), String> {
        let words = |error: AppError| error.to_string();
        let key = match self.db.read().await {
            Ok(mut conn) => self.key_in(&mut conn, id).await.map_err(words)?,
            Err(error) => return Err(words(error.into())),
        };
        let row = key.version(version).ok_or("it is no version of this key")?;
        let hand = self.hand_at_venue(&key.row.bot_id, KeyPurpose::KeyAdmin).await.map_err(words)?;
        let hand = hand.ok_or("no key of the main account is held here any more")?;
        let account = hand.account.clone().unwrap_or_default();
        let names = within(hand.venue.sub_keys(&hand.credential, &account)).await.map_err(|error| error.to_string())?;
        let listed = names.len();
        let name = names.into_iter().find(|name| fingerprint(&Secret::new(name.clone())) == row.fingerprint);
        // What was never there proves nothing: it may be another subaccount's.
        let name = name.ok_or_else(|| {
            format!(
                "it is none of the {listed} keys that the main account lists for {account}: look there, and say that it is gone if it is"
            )
        })?;
        let sub = SubKey { key_id: name, subaccount: account };
        let told = within(hand.venue.delete_key(&hand.credential, &sub)).await;
        let read = within(hand.venue.inspect_key_by_master(&hand.credential, &sub)).await;
        match (read, told) {
            // Whatever it answered: it is not there any more.
            (Err(error), _) if error.finding() == Some(FindingKind::NotListed) => Ok(()),
            (_, Err(told)) => Err(format!("deleting it: {told}")),
            (Ok(_), Ok(())) => Err("the venue took it, and the main account lists the key still".to_owned()),
            (Err(error), Ok(())) => Err(format!("the venue took it; reading back: {error}")),
        }
    }

    async fn note_deleted(&self, (id, version): (&KeyId, i64), outcome: &Result<(), String>) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let mut row = key.version(version).cloned().ok_or(AppError::NotFound("version of this key"))?;
        row.delete_at = None;
        match outcome {
            Ok(()) => {
                self.revoke_in(&mut act, &mut row, "deleted at the venue").await?;
                if row.state != KeyState::Gone {
                    let why = "deleted with the key of the main account, which lists it no more";
                    self.step_key(&mut act, &mut row, (KeyStep::Vanish, why)).await?;
                }
                act.finish().await
            }
            Err(why) => {
                let why = super::measure::plain(why);
                write_version(&mut act, &mut row).await?;
                note(&mut act, id, Some(version), ("Not deleted at the venue", &why)).await?;
                act.changes_key(id);
                act.commit(Event::KeyMoved { key: id.clone(), version, state: "not_deleted".to_owned(), why }).await?;
                Ok(())
            }
        }
    }
}
