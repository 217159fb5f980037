//! Where one's own mail goes (on `/me`), and whether mail gets away at all (on `/system`).

use super::{own_keys, sign_in::Nothing, system::Part};
use crate::app::{App, AppError, outbox::GIVE_UP_MS};
use crate::authz::Actor;
use crate::domain::Timestamp;
use crate::mail::Carrier;
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{Person, Posted},
    format, frame,
    problems::Problems,
};
use axum::extract::State;

/// Mail that waits longer is told of.
const LATE_MS: i64 = 5 * 60 * 1_000;

/// Where a person's own mail goes, as the page shows it.
#[derive(Debug, Default)]
pub struct OwnMail {
    /// The address; empty: none.
    pub address: String,
    /// What became of the newest mail to them.
    pub last: String,
    /// Somebody carries mail.
    pub is_sent: bool,
}

/// Where a person's own mail goes.
///
/// # Errors
/// When the database is gone.
pub async fn own(app: &App, actor: &Actor) -> Result<OwnMail, AppError> {
    let (address, last) = app.own_mail(actor).await?;
    let now = app.clock.now();
    let ago = |at: Timestamp| format::ago(at, now);
    let last = last.map(|one| match (one.state.as_str(), one.delivered_at, one.last_error) {
        ("delivered", Some(at), _) => format!("{}: the mail server took it {}", one.title, ago(at)),
        ("given_up", _, why) => format!("{}: given up. {}", one.title, why.unwrap_or_default()),
        (_, _, Some(why)) => format!("{}: not taken yet, tried {} times. {why}", one.title, one.attempts),
        _ => format!("{}: waits to be sent", one.title),
    });
    Ok(OwnMail {
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        last: last.unwrap_or_else(|| "none yet".to_owned()),
        is_sent: !matches!(app.carrier(), Carrier::None),
    })
}

/// An address as typed.
#[derive(Debug, serde::Deserialize)]
pub struct Typed {
    #[serde(default)]
    address: String,
}

/// Prepares a change of where one's own mail goes.
pub async fn set_address(State(app): Shared, person: Person, Posted(typed): Posted<Typed>) -> Answer {
    match app.prepare_address(&person.actor, &typed.address).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => own_keys::with_address(&app, &person, typed.address, Problems::of_error(error)?).await,
    }
}

/// Sends a test message to whoever presses, and leads to what becomes of it.
pub async fn test(State(app): Shared, person: Person, _: Posted<Nothing>) -> Answer {
    match app.tell_test(&person.actor).await {
        Ok(()) => Ok(frame::see("/me#address")),
        Err(error) => Err(error.into()),
    }
}

/// How mail is, as a row of the table of parts.
pub async fn part(app: &App, actor: &Actor) -> Part {
    let part = |chip, said| Part { part: "Mail", chip, said };
    let way = match app.carrier() {
        Carrier::None => {
            return part(Chip::new(Tone::Plain, "Not set up"), "Notices stay in the page: give --smtp-url a mail server.".to_owned());
        }
        Carrier::Mailbox => "Goes to this demo's mailbox.".to_owned(),
        Carrier::Smtp(smtp) => format!("Goes out by {}.", smtp.place()),
    };
    let Ok(outbox) = app.outbox(actor).await else {
        return part(Chip::new(Tone::Plain, "Not known"), format!("{way} The outbox is in the database, which does not answer."));
    };
    let now = app.clock.now();
    let last = outbox.last_error.as_deref().map(|why| format!(" The mail server said: {why}")).unwrap_or_default();
    let waits = outbox.oldest.map(|at| now.ms_since(at)).filter(|waited| *waited > LATE_MS);
    match (outbox.given_up, waits) {
        (0, None) => part(Chip::new(Tone::Plain, "Well"), format!("{way} {} wait, none was given up in 7 days.", outbox.waiting)),
        (0, Some(waited)) => {
            let said = format!(
                "{way} {} wait, the oldest for {}; tried again until {}.{last}",
                outbox.waiting,
                format::duration(waited),
                format::duration(GIVE_UP_MS)
            );
            part(Chip::new(Tone::High, "Waiting"), said)
        }
        (n, _) => {
            let said =
                format!("{way} {n} given up in 7 days; those they were for see them in the page only. {} wait.{last}", outbox.waiting);
            part(Chip::new(Tone::High, "Given up"), said)
        }
    }
}
