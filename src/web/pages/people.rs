//! `/people` and `/me`: who there is, what they may do, which keys they have. Roles and invitations are prepared here and signed as acts.

use super::{
    mail::{self, OwnMail},
    roles::{self, Choices},
};
use crate::app::{App, AppError, sign_in::KEYS_NEEDED};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{ActKind, Timestamp, UserId, text};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{Person, Posted, StopOnly},
    format, frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use std::collections::HashMap;

struct Row {
    href: String,
    shown_name: String,
    sign_in_name: String,
    roles: String,
    keys: usize,
    last_used: Option<Timestamp>,
    chip: Chip,
}

struct Key {
    nickname: String,
    added: Timestamp,
    last_used: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    frame: Frame,
    rows: Vec<Row>,
    may_manage: bool,
    is_alone: bool,
}

#[derive(Template)]
#[template(path = "person.html")]
struct One {
    frame: Frame,
    problems: Problems,
    id: UserId,
    shown_name: String,
    sign_in_name: String,
    roles: String,
    since: Timestamp,
    chip: Chip,
    keys: Vec<Key>,
    is_enabled: bool,
    /// Not come in yet: until when their link works; `Some(None)`: it is over.
    link: Option<Option<Timestamp>>,
    is_me: bool,
    may_manage: bool,
    choices: Choices,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct Invite {
    frame: Frame,
    problems: Problems,
    sign_in_name: String,
    choices: Choices,
}

#[derive(Template)]
#[template(path = "me.html")]
struct Me {
    frame: Frame,
    shown_name: String,
    sign_in_name: String,
    roles: Vec<String>,
    keys: Vec<Key>,
    is_asleep: bool,
    problems: Problems,
    mail: OwnMail,
    // As typed; what stands when nothing was typed.
    address: String,
}

fn may_manage(actor: &Actor) -> bool {
    authz::check(actor, Action::ManagePeople, &Resource::Installation).is_ok()
}

fn chip(is_enabled: bool, has_password: bool, keys: usize) -> Chip {
    match (is_enabled, has_password, keys) {
        (false, ..) => Chip::new(Tone::Plain, "Disabled"),
        (true, false, _) => Chip::new(Tone::Open, "Invited"),
        (true, true, 0) => Chip::new(Tone::Low, "No key"),
        (true, true, 1) => Chip::new(Tone::Low, "No spare key"),
        (true, true, _) => Chip::new(Tone::Plain, "Enabled"),
    }
}

/// Everybody.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    let mut rows = Vec::new();
    let (keys, links) = (app.keys_of_all(&person.actor).await?, app.invitations(&person.actor).await?);
    let now = app.clock.now();
    for user in app.people().users() {
        let keys = keys.get(&user.id).map(Vec::as_slice).unwrap_or_default();
        let is_over = user.enabled && keys.len() < KEYS_NEEDED && links.get(&user.id).is_some_and(|link| link.expires_at <= now);
        rows.push(Row {
            href: format!("/people/{}", user.id),
            shown_name: user.display_name.clone(),
            sign_in_name: user.name.clone(),
            roles: super::acts::words::roles(&app, &user.grants),
            last_used: keys.iter().filter_map(|key| key.last_used_at).max(),
            keys: keys.len(),
            chip: if is_over { Chip::new(Tone::Low, "Link is over") } else { chip(user.enabled, user.password_hash.is_some(), keys.len()) },
        });
    }
    let page = People {
        frame: frame::of(&app, &person.visitor, "People").await,
        is_alone: app.people().enabled_with_rights() < 2,
        may_manage: may_manage(&person.actor),
        rows,
    };
    frame::page(&page)
}

async fn keys(app: &App, actor: &Actor, id: &UserId) -> Result<Vec<Key>, WebError> {
    let keys = app.keys_of(actor, id).await?;
    Ok(keys.into_iter().map(|key| Key { nickname: key.nickname, added: key.created_at, last_used: key.last_used_at }).collect())
}

fn id_of(text: &str) -> Result<UserId, WebError> {
    UserId::parse(text).map_err(|_| AppError::NotFound("person").into())
}

/// One person.
pub async fn show(State(app): Shared, person: Person, Path(id): Path<String>) -> Answer {
    draw(&app, &person, &id_of(&id)?, None, Problems::none()).await
}

async fn draw(app: &App, person: &Person, id: &UserId, ticked: Option<Vec<String>>, problems: Problems) -> Answer {
    let user = app.people().user(id).ok_or(AppError::NotFound("person"))?;
    let keys = keys(app, &person.actor, id).await?;
    let now = app.clock.now();
    let has_come_in = !user.enabled || keys.len() >= KEYS_NEEDED;
    let links = if has_come_in { HashMap::new() } else { app.invitations(&person.actor).await? };
    let link = (!has_come_in).then(|| links.get(id).map(|link| link.expires_at).filter(|until| *until > now));
    let mut frame = frame::of(app, &person.visitor, user.display_name.clone()).await;
    frame.path = format!("/people/{id}");
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = One {
        frame,
        problems,
        id: id.clone(),
        shown_name: user.display_name.clone(),
        sign_in_name: user.name.clone(),
        roles: super::acts::words::roles(app, &user.grants),
        since: user.created_at,
        chip: chip(user.enabled, user.password_hash.is_some(), keys.len()),
        keys,
        link,
        is_enabled: user.enabled,
        is_me: *id == person.user,
        may_manage: may_manage(&person.actor),
        choices: Choices::new(app, &ticked.unwrap_or_else(|| roles::ticked(&user.grants))),
    };
    frame::page_with(status, &page)
}

/// The roles that were ticked.
#[derive(Debug, serde::Deserialize)]
pub struct Ticked {
    #[serde(default)]
    grant: Vec<String>,
}

/// Prepares a change of roles.
pub async fn set_roles(State(app): Shared, person: Person, Path(id): Path<String>, Posted(ticked): Posted<Ticked>) -> Answer {
    let id = id_of(&id)?;
    let user = app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    let mut problems = Problems::none();
    let grants = roles::read(&app, &ticked.grant, usize::from(!user.enabled), &mut problems);
    if !problems.is_empty() {
        return draw(&app, &person, &id, Some(ticked.grant), problems).await;
    }
    let kind = ActKind::Grants { user: id.clone(), grants };
    match app.prepare_single(&person.actor, kind).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, &id, Some(ticked.grant), Problems::of_error(error)?).await,
    }
}

/// Prepares a new link for somebody who was invited and has not come in; the one before ends with it.
pub async fn prepare_link(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<super::sign_in::Nothing>) -> Answer {
    let id = id_of(&id)?;
    app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    if may_manage(&person.actor) && app.keys_of(&person.actor, &id).await?.len() >= KEYS_NEEDED {
        let problems = Problems::one("", "This person has come in: they have two security keys.");
        return draw(&app, &person, &id, None, problems).await;
    }
    match app.prepare_single(&person.actor, ActKind::InviteAgain { user: id.clone() }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, &id, None, Problems::of_error(error)?).await,
    }
}

/// Ends every right of a person.
pub async fn disable(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<super::sign_in::Nothing>) -> Answer {
    set_enabled(&app, &person, &id_of(&id)?, false).await
}

/// Gives them back.
pub async fn enable(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<super::sign_in::Nothing>) -> Answer {
    set_enabled(&app, &person, &id_of(&id)?, true).await
}

async fn set_enabled(app: &App, person: &Person, id: &UserId, enabled: bool) -> Answer {
    match app.set_enabled(&person.actor, id, enabled).await {
        Ok(()) => Ok(frame::see(&format!("/people/{id}"))),
        Err(error) => draw(app, person, id, None, Problems::of_error(error)?).await,
    }
}

/// The form for a new person.
pub async fn invite(State(app): Shared, person: Person) -> Answer {
    authz::check(&person.actor, Action::ManagePeople, &Resource::Installation).map_err(AppError::from)?;
    draw_invite(&app, &person, Invited::default(), Problems::none()).await
}

/// A new person's name and roles.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Invited {
    #[serde(default)]
    name: String,
    #[serde(default)]
    grant: Vec<String>,
}

async fn draw_invite(app: &App, person: &Person, typed: Invited, problems: Problems) -> Answer {
    let mut frame = frame::of(app, &person.visitor, "Invite a person").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    frame::page_with(status, &Invite { frame, problems, sign_in_name: typed.name, choices: Choices::new(app, &typed.grant) })
}

/// Prepares an invitation.
pub async fn prepare_invite(State(app): Shared, person: Person, Posted(typed): Posted<Invited>) -> Answer {
    authz::check(&person.actor, Action::ManagePeople, &Resource::Installation).map_err(AppError::from)?;
    let mut problems = Problems::none();
    let name = text::name(&typed.name).map_err(|error| problems.add("name", format!("The name {error}"))).unwrap_or_default();
    if app.people().users().iter().any(|user| user.name.eq_ignore_ascii_case(&name)) {
        problems.add("name", "Somebody has that name already. Choose another");
    }
    let grants = roles::read(&app, &typed.grant, 1, &mut problems);
    if !problems.is_empty() {
        return draw_invite(&app, &person, typed, problems).await;
    }
    match app.prepare_single(&person.actor, ActKind::Invite { user: UserId::new(), name, grants }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw_invite(&app, &person, typed, Problems::of_error(error)?).await,
    }
}

/// Whoever is signed in, also in a session that may only stop.
pub async fn me(State(app): Shared, StopOnly(person): StopOnly) -> Answer {
    draw_me(&app, &person, None, Problems::none()).await
}

/// The same, with an address that was typed and what is wrong with it.
pub(super) async fn draw_me(app: &App, person: &Person, typed: Option<String>, problems: Problems) -> Answer {
    let user = app.people().user(&person.user).ok_or(AppError::NotFound("person"))?;
    let is_asleep = person.visitor.asleep.is_some();
    let keys = if is_asleep { Vec::new() } else { keys(app, &person.actor, &person.user).await? };
    let mail = if is_asleep { OwnMail::default() } else { mail::own(app, &person.actor).await? };
    let mut frame = frame::of(app, &person.visitor, "My account").await;
    frame.path = "/me".to_owned();
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Me {
        frame,
        problems,
        address: typed.unwrap_or_else(|| mail.address.clone()),
        mail,
        shown_name: user.display_name.clone(),
        sign_in_name: user.name.clone(),
        roles: user.grants.iter().map(|grant| frame::role_words(app, grant)).collect(),
        keys,
        is_asleep,
    };
    frame::page_with(status, &page)
}
