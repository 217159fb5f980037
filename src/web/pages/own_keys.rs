//! `/me` and `/me/keys`: one's own account and security keys: everything known of each, one more, another name, one less. What adds or removes a
//! key is prepared here and signed as an act, by a key that was there before.

use super::{
    mail::{self, OwnMail},
    sessions,
};
use crate::app::{App, AppError};
use crate::authn::Facts;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{CredentialId, KEYS_NEEDED, Timestamp, UserId};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{ByTouch, Person, Posted, StopOnly},
    format, frame,
    page::{Frame, Scripts},
    problems::Problems,
    session,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};

/// What the session keeps a registration's ceremony under.
const PURPOSE: &str = "add key";

/// A key as pages show it.
pub struct Key {
    pub(super) id: String,
    pub(super) nickname: String,
    pub(super) model: String,
    pub(super) attestation: String,
    // Where it lives: on one device, or wherever its owner's account is.
    pub(super) binding: &'static str,
    pub(super) reached_by: String,
    pub(super) algorithm: String,
    pub(super) sign_count: String,
    pub(super) added: Timestamp,
    pub(super) last_used: Option<Timestamp>,
    pub(super) chip: Chip,
    // Why it cannot be removed yet; empty: it can.
    pub(super) stays: String,
}

#[derive(Template)]
#[template(path = "me.html")]
struct Me {
    frame: Frame,
    problems: Problems,
    shown_name: String,
    sign_in_name: String,
    roles: Vec<String>,
    keys: Vec<Key>,
    // What is missing, as a sentence; empty: nothing.
    missing: String,
    can_sign: bool,
    must_be_bound: bool,
    is_asleep: bool,
    may_set_address: bool,
    may_have_devices: bool,
    sessions: Option<Vec<sessions::Line>>,
    mail: OwnMail,
    // As typed; what stands when nothing was typed.
    address: String,
}

#[derive(Template)]
#[template(path = "key_new.html")]
struct New {
    frame: Frame,
    problems: Problems,
    options: String,
    nickname: String,
    must_be_bound: bool,
}

/// A person's keys as pages show them.
///
/// # Errors
/// When they cannot be read.
pub async fn keys(app: &App, actor: &Actor, id: &UserId) -> Result<Vec<Key>, WebError> {
    let all = app.keys_of(actor, id).await?;
    let must_be_bound = app.must_be_bound(id);
    let key = |key: &crate::app::people::Credential| {
        let facts = Facts::of(&key.passkey).unwrap_or_default();
        let reached_by = if facts.transports.is_empty() { "not given".to_owned() } else { facts.transports.join(", ") };
        Key {
            id: key.id.0.clone(),
            nickname: key.nickname.clone(),
            model: key.aaguid.as_ref().map_or_else(|| "not given".to_owned(), |id| format!("AAGUID {id}")),
            attestation: key.attestation.clone().unwrap_or_else(|| "nothing".to_owned()),
            binding: match (key.backup_eligible, facts.is_backed_up) {
                (false, _) => "bound to one device",
                (true, false) => "can be copied to other devices, and was not at its last touch",
                (true, true) => "copied to other devices",
            },
            reached_by,
            algorithm: facts.algorithm,
            sign_count: if facts.sign_count == 0 { "it does not count".to_owned() } else { facts.sign_count.to_string() },
            added: key.created_at,
            last_used: key.last_used_at,
            chip: match (&key.suspended_why, must_be_bound && key.backup_eligible) {
                (Some(_), _) => Chip::new(Tone::High, "Suspended"),
                (None, true) => Chip::new(Tone::Low, "Does not count"),
                (None, false) => Chip::new(Tone::Plain, "In use"),
            },
            stays: app.why_key_stays(id, &all, &key.id).unwrap_or_default(),
        }
    };
    Ok(all.iter().map(key).collect())
}

/// What is missing before a person may do more than read and stop; none: nothing.
pub fn missing(app: &App, user: &UserId) -> Option<String> {
    let row = app.people().user(user)?;
    let count = app.people().keys(user);
    let have = count.for_grants(&row.grants);
    let bound = if app.must_be_bound(user) { " bound to one device" } else { "" };
    (have < KEYS_NEEDED)
        .then(|| format!("You have {have} of {KEYS_NEEDED} security keys{bound}. Until then you may read and stop bots, and nothing else"))
}

/// Whoever is signed in, also in a session that may only stop.
pub async fn me(State(app): Shared, StopOnly(person): StopOnly) -> Answer {
    draw(&app, &person, None, Problems::none(), StatusCode::OK).await
}

/// The same, with an address that was typed and what is wrong with it.
pub(super) async fn with_address(app: &App, person: &Person, typed: String, problems: Problems) -> Answer {
    draw(app, person, Some(typed), problems, StatusCode::UNPROCESSABLE_ENTITY).await
}

async fn draw(app: &App, person: &Person, typed: Option<String>, problems: Problems, status: StatusCode) -> Answer {
    let user = app.people().user(&person.user).ok_or(AppError::NotFound("person"))?;
    let is_asleep = person.visitor.asleep.is_some();
    let mut frame = frame::of(app, &person.visitor, "My account").await;
    frame.path = "/me".to_owned();
    frame.is_error = !problems.is_empty();
    let own = Resource::User(person.user.clone());
    let may = |action| !is_asleep && authz::check(&person.actor, action, &own).is_ok();
    let mail = if is_asleep { OwnMail::default() } else { mail::own(app, &person.actor).await? };
    let page = Me {
        frame,
        problems,
        address: typed.unwrap_or_else(|| mail.address.clone()),
        mail,
        shown_name: user.display_name.clone(),
        sign_in_name: user.name.clone(),
        roles: user.grants.iter().map(|grant| frame::role_words(app, grant)).collect(),
        keys: if is_asleep { Vec::new() } else { keys(app, &person.actor, &person.user).await? },
        missing: missing(app, &person.user).unwrap_or_default(),
        can_sign: app.people().keys(&person.user).able > 0,
        must_be_bound: app.must_be_bound(&person.user),
        is_asleep,
        may_set_address: may(Action::OwnAddress),
        may_have_devices: may(Action::OwnDevices),
        sessions: if is_asleep { None } else { sessions::lines(app, person, &person.user).await? },
    };
    frame::page_with(status, &page)
}

/// What was wrong, on the page of the account.
async fn refused(app: &App, person: &Person, error: AppError) -> Answer {
    let status = if matches!(error, AppError::Conflict(_)) { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
    draw(app, person, None, Problems::of_error(error)?, status).await
}

/// The ceremony that makes another key.
pub async fn new(State(app): Shared, person: Person) -> Answer {
    draw_new(&app, &person, String::new(), Problems::none()).await
}

async fn draw_new(app: &App, person: &Person, nickname: String, problems: Problems) -> Answer {
    let ceremony = match app.own_key_options(&person.actor).await {
        Ok(ceremony) => ceremony,
        Err(error) => return refused(app, person, error).await,
    };
    session::keep_ceremony(&person.visitor.session, PURPOSE, ceremony.state, app.clock.now()).await?;
    let mut frame = frame::of(app, &person.visitor, "Add a security key").await;
    frame.path = "/me/keys/new".to_owned();
    frame.scripts = Scripts::Keys;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let must_be_bound = app.must_be_bound(&person.user);
    frame::page_with(status, &New { frame, problems, options: ceremony.options, nickname, must_be_bound })
}

/// A new key's answer and what the person calls it.
#[derive(Debug, serde::Deserialize)]
pub struct Made {
    nickname: String,
    response: String,
}

/// Takes a new key and goes on to the act that adds it.
pub async fn create(State(app): Shared, person: Person, Posted(made): Posted<Made>) -> Answer {
    let done = async {
        let state = session::take_ceremony(&person.visitor.session, PURPOSE, app.clock.now()).await?;
        app.prepare_key(&person.actor, &state, &made.response, &made.nickname).await
    };
    match done.await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw_new(&app, &person, made.nickname, Problems::of_error(error)?).await,
    }
}

/// Another name for a key.
#[derive(Debug, serde::Deserialize)]
pub struct Named {
    nickname: String,
}

/// Gives one of one's own keys another name.
pub async fn rename(State(app): Shared, Path(id): Path<String>, ByTouch(person, named): ByTouch<Named>) -> Answer {
    match app.rename_key(&person.actor, &CredentialId(id), &named.nickname).await {
        Ok(()) => Ok(frame::see("/me#keys")),
        Err(error) => refused(&app, &person, error).await,
    }
}

/// Prepares the removal of one of one's own keys.
pub async fn remove(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<super::sign_in::Nothing>) -> Answer {
    match app.prepare_key_removal(&person.actor, &CredentialId(id)).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => refused(&app, &person, error).await,
    }
}

/// The page as pictures of it are drawn.
#[cfg(test)]
pub fn samples() -> Vec<(String, String)> {
    let now = Frame::sample("", "").now;
    let key = |nickname: &str, chip, stays: &str| Key {
        id: "nJf0uZ".to_owned(),
        nickname: nickname.to_owned(),
        model: "AAGUID 2fc0579f-8113-47ea-b116-bb5a8db9202a".to_owned(),
        attestation: "packed, certificate CN=Yubico U2F EE Serial 1,O=Yubico AB,C=SE".to_owned(),
        binding: "bound to one device",
        reached_by: "usb, nfc".to_owned(),
        algorithm: "ES256".to_owned(),
        sign_count: "41".to_owned(),
        added: now.plus_ms(-86_400_000),
        last_used: (nickname == "blue").then(|| now.plus_ms(-60_000)),
        chip,
        stays: stays.to_owned(),
    };
    let draw = |missing: &str, keys, is_asleep| {
        let frame = Frame { held: None, keys_missing: missing.to_owned(), ..Frame::sample("My account", "/me") };
        let page = Me {
            frame,
            problems: Problems::none(),
            shown_name: "L. Sato".to_owned(),
            sign_in_name: "sato".to_owned(),
            roles: vec!["lead of trend".to_owned()],
            keys,
            missing: missing.to_owned(),
            can_sign: true,
            must_be_bound: true,
            is_asleep,
            may_set_address: !is_asleep,
            may_have_devices: !is_asleep,
            sessions: (!is_asleep).then(|| sessions::samples(now)),
            mail: OwnMail { address: "sato@people.example".to_owned(), last: "none yet".to_owned(), is_sent: true },
            address: "sato@people.example".to_owned(),
        };
        page.render().unwrap()
    };
    let stays = "two keys bound to one device must remain, and without this one there would be 1; add another key first";
    let whole =
        vec![key("blue", Chip::new(Tone::Plain, "In use"), stays), key("spare in the safe", Chip::new(Tone::Plain, "In use"), stays)];
    let doubtful = vec![key("blue", Chip::new(Tone::Plain, "In use"), stays), key("red", Chip::new(Tone::High, "Suspended"), "")];
    let one = "You have 1 of 2 security keys bound to one device. Until then you may read and stop bots, and nothing else";
    let frame = Frame { held: None, ..Frame::sample("Add a security key", "/me/keys/new") };
    let new = New { frame, problems: Problems::none(), options: "{}".to_owned(), nickname: String::new(), must_be_bound: true };
    vec![
        ("me".to_owned(), draw("", whole, false)),
        ("me-one-key".to_owned(), draw(one, doubtful, false)),
        ("me-asleep".to_owned(), draw("", Vec::new(), true)),
        ("key-new".to_owned(), new.render().unwrap()),
    ]
}
