//! What ends keys, what somebody answers for, and what is to be measured again: each a form of the key's page, by a touch of a key. Deleting at the
//! venue is an act, signed on a page of its own.

use super::{id_of, show::draw};
use crate::app::{App, AppError};
use crate::domain::KeyId;
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person, Posted},
    frame,
    problems::Problems,
    query::Named,
};
use axum::extract::State;
use serde::Deserialize;

/// A reason, and which version; 0: the key as a whole.
#[derive(Debug, Default, Deserialize)]
pub struct Said {
    #[serde(default)]
    pub(super) why: String,
    #[serde(default)]
    pub(super) version: i64,
    /// What was seen when somebody answers for it: the digest of the evidence.
    #[serde(default)]
    pub(super) seen: String,
}

async fn done(app: &App, person: &Person, (id, field): (&KeyId, &'static str), outcome: Result<(), AppError>, said: Said) -> Answer {
    match outcome {
        Ok(()) => Ok(frame::see(&format!("/keys/{id}"))),
        Err(error) => draw(app, person, id, (said, Problems::of_error(error)?.renamed("why", field))).await,
    }
}

/// Somebody answers for what the venue does not say.
pub async fn attest(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Said>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.attest_key(&person.actor, &id, (said.version, &said.seen), &said.why).await;
    done(&app, &person, (&id, "attest-why"), outcome, said).await
}

/// A version is to be measured again.
pub async fn measure(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Said>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.measure_anew(&person.actor, &id, said.version).await;
    done(&app, &person, (&id, "why"), outcome, said).await
}

/// Takes a version, or the whole key, away.
pub async fn end(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Said>) -> Answer {
    let id = id_of(&id)?;
    let outcome = match said.version {
        0 => app.end_key(&person.actor, &id, &said.why).await,
        version => app.revoke_version(&person.actor, &id, version, &said.why).await,
    };
    done(&app, &person, (&id, "end-why"), outcome, said).await
}

/// Somebody saw that a version is gone at its venue.
pub async fn gone(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Said>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.note_gone(&person.actor, &id, said.version, &said.why).await;
    done(&app, &person, (&id, "gone-why"), outcome, said).await
}

/// Prepares the deletion of a version at its venue, which waits for a signature.
pub async fn delete(State(app): Shared, person: Person, Named(id): Named, Posted(said): Posted<Said>) -> Answer {
    let id = id_of(&id)?;
    match app.prepare_key_delete(&person.actor, (&id, said.version), &said.why).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, &id, (said, Problems::of_error(error)?.renamed("why", "delete-why"))).await,
    }
}

/// Others may know the secret: kills the bot.
pub async fn compromise(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Said>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.compromise_key(&person.actor, &id, &said.why).await;
    done(&app, &person, (&id, "compromise-why"), outcome, said).await
}

/// Everything that follows of that was done.
pub async fn settle(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Said>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.settle_compromise(&person.actor, &id, &said.why).await;
    done(&app, &person, (&id, "settle-why"), outcome, said).await
}
