//! `/demo/mail`: every mail that a demo would have sent, in the words that a mail server would have got. On a demo only, to anyone signed in.

use crate::mail::Letter;
use crate::web::{Answer, Shared, extract::Person, format, frame, page::Frame};
use askama::Template;
use axum::extract::State;

#[derive(Template)]
#[template(path = "mailbox.html")]
struct Mailbox {
    frame: Frame,
    letters: Vec<Letter>,
}

/// The mailbox.
pub async fn show(State(app): Shared, person: Person) -> Answer {
    let letters = app.demo_mailbox().await?;
    frame::page(&Mailbox { frame: frame::of(&app, &person.visitor, "Mailbox of the demo").await, letters })
}
