//! What people do on a request's page. Approving prepares an act, which is signed; the rest is done while a touch of a key counts.

use super::{id_of, show::draw_error};
use crate::app::{App, AppError, acts::ActView};
use crate::domain::RequestId;
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person, Posted},
    frame,
    pages::sign_in::Nothing,
};
use axum::extract::{Path, State};

/// Which content somebody saw.
#[derive(Debug, serde::Deserialize)]
pub struct Seen {
    digest: String,
}

/// A reason.
#[derive(Debug, serde::Deserialize)]
pub struct Why {
    why: String,
}

/// Who else is to approve it.
#[derive(Debug, serde::Deserialize)]
pub struct More {
    more: String,
}

/// A remark.
#[derive(Debug, serde::Deserialize)]
pub struct Remark {
    text: String,
}

async fn prepared(app: &App, person: &Person, id: &RequestId, act: Result<ActView, AppError>) -> Answer {
    match act {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw_error(app, person, id, error).await,
    }
}

async fn done(app: &App, person: &Person, id: &RequestId, outcome: Result<(), AppError>) -> Answer {
    match outcome {
        Ok(()) => Ok(frame::see(&format!("/requests/{id}"))),
        Err(error) => draw_error(app, person, id, error).await,
    }
}

/// Prepares an approval.
pub async fn approve(State(app): Shared, person: Person, Path(id): Path<String>, Posted(seen): Posted<Seen>) -> Answer {
    let id = id_of(&id)?;
    let act = app.prepare_approval(&person.actor, &id, &seen.digest).await;
    prepared(&app, &person, &id, act).await
}

/// Prepares that whoever asked carries it out.
pub async fn execute(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let id = id_of(&id)?;
    let act = app.prepare_golive(&person.actor, &id).await;
    prepared(&app, &person, &id, act).await
}

/// Says that one has read that it was carried out.
pub async fn read(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.read_step(&person.actor, &id).await;
    done(&app, &person, &id, outcome).await
}

/// Takes an approval back.
pub async fn take_back(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.take_back_approval(&person.actor, &id).await;
    done(&app, &person, &id, outcome).await
}

/// Denies.
pub async fn deny(State(app): Shared, Path(id): Path<String>, ByTouch(person, typed): ByTouch<Why>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.deny_request(&person.actor, &id, &typed.why).await;
    done(&app, &person, &id, outcome).await
}

/// Asks for one approval more.
pub async fn raise(State(app): Shared, Path(id): Path<String>, ByTouch(person, asked): ByTouch<More>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.raise_request(&person.actor, &id, &asked.more).await;
    done(&app, &person, &id, outcome).await
}

/// Takes a request back.
pub async fn withdraw(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.withdraw_request(&person.actor, &id).await;
    done(&app, &person, &id, outcome).await
}

/// Says something.
pub async fn comment(State(app): Shared, person: Person, Path(id): Path<String>, Posted(typed): Posted<Remark>) -> Answer {
    let id = id_of(&id)?;
    let outcome = app.comment_request(&person.actor, &id, &typed.text).await;
    done(&app, &person, &id, outcome).await
}
