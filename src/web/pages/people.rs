//! `/people`: who there is, what they may do, which keys they have. Roles and invitations are prepared here and signed as acts.

use super::{
    own_keys::{self, Key},
    roles::{self, Choices},
    sessions,
};
use crate::app::{App, AppError, people::User};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{ActKind, KEYS_NEEDED, RequestId, Timestamp, UserId, quorum, text, time::DAY_MS};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{ByTouch, MayNeedTouch, Person, Posted},
    format, frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
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

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    frame: Frame,
    rows: Vec<Row>,
    may_manage: bool,
    may_see_matrix: bool,
    is_alone: bool,
    /// Policies with too few people, in words.
    gaps: Vec<String>,
    is_small: bool,
    /// Lead, risk and admin whom no notice reaches but in the page.
    no_address: Vec<String>,
    /// The day of the list below, as typed.
    as_of: String,
    as_of_problem: &'static str,
    holders: Vec<HolderRow>,
    open_recoveries: usize,
}

/// Somebody who held a critical right.
struct HolderRow {
    href: String,
    shown_name: String,
    roles: String,
    since: Timestamp,
}

/// What the list of people is asked with.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    /// A day in UTC; empty: now.
    #[serde(default)]
    as_of: String,
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
    /// What disabling them would leave without enough people.
    gaps_without: Vec<String>,
    /// Their recovery that is under way.
    recovery: Option<String>,
    may_ask_recovery: bool,
    why: String,
    /// Why they are to have other roles, or to be enabled, for whoever approves it.
    roles_why: String,
    enable_why: String,
    /// What gives much is asked for, and others approve it.
    takes_request: bool,
    /// Enabling them is.
    enabling_takes_request: bool,
    /// The open request for more rights of theirs.
    request: String,
    may_manage: bool,
    may_see_access: bool,
    choices: Choices,
    sessions: Option<Vec<sessions::Line>>,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct Invite {
    frame: Frame,
    problems: Problems,
    sign_in_name: String,
    choices: Choices,
    why: String,
    takes_request: bool,
}

fn may_manage(actor: &Actor) -> bool {
    authz::check(actor, Action::ManagePeople, &Resource::Installation).is_ok()
}

fn chip(app: &App, user: &User, keys: usize) -> Chip {
    // A recovery may have taken a password away: that is nobody who never came in.
    let has_password = user.password_hash.is_some() || app.recovery_book().knows(&user.id);
    match (user.enabled, has_password, keys) {
        (false, ..) => Chip::new(Tone::Plain, "Disabled"),
        (true, false, _) => Chip::new(Tone::Open, "Invited"),
        (true, true, 0) => Chip::new(Tone::Low, "No key"),
        (true, true, 1) => Chip::new(Tone::Low, "No spare key"),
        (true, true, _) => Chip::new(Tone::Plain, "Enabled"),
    }
}

/// Everybody.
pub async fn index(State(app): Shared, person: Person, Query(asked): Query<Asked>) -> Answer {
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
            chip: if is_over { Chip::new(Tone::Low, "Link is over") } else { chip(&app, &user, keys.len()) },
        });
    }
    let day = Timestamp::parse_day(asked.as_of.trim());
    let problem = match day {
        None if !asked.as_of.trim().is_empty() => "Enter a day as 2026-11-23. Shown is today.",
        Some(day) if day > now => "That day is to come. Shown is today.",
        _ => "",
    };
    let at = day.map_or(now, |day| day.plus_ms(DAY_MS).min(now));
    let holders = app.critical_holders(&person.actor, at).await?;
    let holders = holders.into_iter().map(|holder| HolderRow {
        href: format!("/people/{}", holder.user),
        shown_name: app.people().who(&holder.user),
        roles: super::acts::words::roles(&app, &holder.grants),
        since: holder.since,
    });
    let page = People {
        frame: frame::of(&app, &person.visitor, "People").await,
        gaps: app.quorum_gaps().iter().map(|gap| app.gap_words(gap)).collect(),
        is_small: quorum::is_small(app.people().enabled()),
        no_address: app.without_address(&person.actor).await?,
        as_of: asked.as_of.chars().take(20).collect(),
        as_of_problem: problem,
        holders: holders.collect(),
        open_recoveries: app.recovery_book().all().iter().filter(|view| view.row.state.is_open()).count(),
        is_alone: app.people().is_alone(),
        may_manage: may_manage(&person.actor),
        may_see_matrix: authz::check(&person.actor, Action::SeeMatrix, &Resource::Installation).is_ok(),
        rows,
    };
    frame::page(&page)
}

fn id_of(text: &str) -> Result<UserId, WebError> {
    UserId::parse(text).map_err(|_| AppError::NotFound("person").into())
}

/// One person.
pub async fn show(State(app): Shared, person: Person, Path(id): Path<String>) -> Answer {
    draw(&app, &person, &id_of(&id)?, Typed::default(), Problems::none()).await
}

/// What was typed on the page of a person.
#[derive(Default)]
struct Typed {
    ticked: Option<Vec<String>>,
    lost_why: String,
    roles_why: String,
    enable_why: String,
}

async fn draw(app: &App, person: &Person, id: &UserId, typed: Typed, problems: Problems) -> Answer {
    let user = app.people().user(id).ok_or(AppError::NotFound("person"))?;
    let keys = own_keys::keys(app, &person.actor, id).await?;
    let now = app.clock.now();
    let has_come_in = !user.enabled || !app.takes_invitation(&person.actor, id).await?;
    let links = if has_come_in { HashMap::new() } else { app.invitations(&person.actor).await? };
    let link = (!has_come_in).then(|| links.get(id).map(|link| link.expires_at).filter(|until| *until > now));
    let mut frame = frame::of(app, &person.visitor, user.display_name.clone()).await;
    frame.path = format!("/people/{id}");
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may_see_access = authz::check(&person.actor, Action::SeeAccess, &Resource::Installation).is_ok();
    let page = One {
        frame,
        problems,
        id: id.clone(),
        shown_name: user.display_name.clone(),
        sign_in_name: user.name.clone(),
        roles: super::acts::words::roles(app, &user.grants),
        since: user.created_at,
        chip: chip(app, &user, keys.len()),
        keys,
        link,
        is_enabled: user.enabled,
        is_me: *id == person.user,
        gaps_without: match user.enabled {
            true => app.quorum_gaps_without(id).iter().map(|gap| app.gap_words(gap)).collect(),
            false => Vec::new(),
        },
        may_ask_recovery: may_manage(&person.actor) && user.enabled && (user.password_hash.is_some() || has_come_in) && *id != person.user,
        recovery: app.recovery_book().open_of(id).map(|view| format!("/recoveries/{}", view.row.id)),
        why: typed.lost_why,
        roles_why: typed.roles_why,
        enable_why: typed.enable_why,
        takes_request: app.others_approve_rights().await?,
        enabling_takes_request: !user.enabled && app.takes_request(id, true, &user.grants).await?,
        request: app.roles_request_of(&person.actor, id).await?.map(|row| format!("/requests/{}", row.id)).unwrap_or_default(),
        may_manage: may_manage(&person.actor),
        sessions: if may_see_access { sessions::lines(app, person, id).await? } else { None },
        may_see_access,
        choices: Choices::new(app, &typed.ticked.unwrap_or_else(|| roles::ticked(&user.grants))),
    };
    frame::page_with(status, &page)
}

/// The roles that were ticked.
#[derive(Debug, serde::Deserialize)]
pub struct Ticked {
    #[serde(default)]
    grant: Vec<String>,
    #[serde(default)]
    roles_why: String,
}

/// Changes roles. What one admin gives is prepared and signed; what others approve is asked for, while a touch of a key counts.
pub async fn set_roles(State(app): Shared, Path(id): Path<String>, form: MayNeedTouch<Ticked>) -> Answer {
    let id = id_of(&id)?;
    let user = app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    let mut problems = Problems::none();
    let grants = roles::read(&app, &form.fields.grant, usize::from(!user.enabled), &mut problems);
    let is_same = grants.len() == user.grants.len() && grants.iter().all(|grant| user.grants.contains(grant));
    if problems.is_empty() && is_same {
        problems.add("grant", "These are their roles already: nothing would change");
    }
    let typed = Typed { ticked: Some(form.fields.grant.clone()), roles_why: form.fields.roles_why.clone(), ..Typed::default() };
    if !problems.is_empty() {
        return draw(&app, &form.person, &id, typed, problems).await;
    }
    if app.takes_request(&id, user.enabled, &grants).await? {
        let ByTouch(person, ticked) = match form.touched(&app).await {
            Ok(touched) => touched,
            Err(page) => return Ok(page),
        };
        let asked = app.ask_roles(&person.actor, &id, &grants, &ticked.roles_why).await;
        return asked_for(&app, (&person, &id), asked, (typed, "roles_why")).await;
    }
    match app.prepare_single(&form.person.actor, ActKind::Grants { user: id.clone(), grants }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &form.person, &id, typed, Problems::of_error(error)?).await,
    }
}

/// The page of what was asked for, or the form again with what is wrong; `field`: where its reason stands.
async fn asked_for(
    app: &App,
    (person, id): (&Person, &UserId),
    asked: Result<RequestId, AppError>,
    (typed, field): (Typed, &'static str),
) -> Answer {
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(app, person, id, typed, Problems::of_error(error)?.renamed("why", field)).await,
    }
}

/// Prepares a new link for somebody who was invited and has not come in; the one before ends with it.
pub async fn prepare_link(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<super::sign_in::Nothing>) -> Answer {
    let id = id_of(&id)?;
    app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    match app.prepare_single(&person.actor, ActKind::InviteAgain { user: id.clone() }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, &id, Typed::default(), Problems::of_error(error)?).await,
    }
}

/// Why somebody else's account is to be recovered.
#[derive(Debug, serde::Deserialize)]
pub struct Lost {
    #[serde(default)]
    why: String,
}

/// Prepares a request to recover the account of somebody who lost their keys.
pub async fn prepare_recovery(State(app): Shared, person: Person, Path(id): Path<String>, Posted(lost): Posted<Lost>) -> Answer {
    let id = id_of(&id)?;
    app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    match app.prepare_recovery(&person.actor, &id, &lost.why).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => {
            let typed = Typed { lost_why: lost.why, ..Typed::default() };
            draw(&app, &person, &id, typed, Problems::of_error(error)?).await
        }
    }
}

/// Ends every right of a person. It only takes away: no key is asked for.
pub async fn disable(State(app): Shared, Path(id): Path<String>, ByTouch(person, _): ByTouch<super::sign_in::Nothing>) -> Answer {
    let id = id_of(&id)?;
    match app.disable(&person.actor, &id).await {
        Ok(()) => Ok(frame::see(&format!("/people/{id}"))),
        Err(error) => draw(&app, &person, &id, Typed::default(), Problems::of_error(error)?).await,
    }
}

/// Why somebody is to be enabled again, where others approve it.
#[derive(Debug, serde::Deserialize)]
pub struct Again {
    #[serde(default)]
    enable_why: String,
}

/// Gives them back: prepared and signed, or asked for where they hold what others approve.
pub async fn enable(State(app): Shared, Path(id): Path<String>, form: MayNeedTouch<Again>) -> Answer {
    let id = id_of(&id)?;
    let user = app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    if !user.enabled && app.takes_request(&id, true, &user.grants).await? {
        let ByTouch(person, again) = match form.touched(&app).await {
            Ok(touched) => touched,
            Err(page) => return Ok(page),
        };
        let asked = app.ask_enabling(&person.actor, &id, &again.enable_why).await;
        let typed = Typed { enable_why: again.enable_why, ..Typed::default() };
        return asked_for(&app, (&person, &id), asked, (typed, "enable_why")).await;
    }
    match app.prepare_single(&form.person.actor, ActKind::Enable { user: id.clone() }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &form.person, &id, Typed::default(), Problems::of_error(error)?).await,
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
    // Why they are to have what others approve.
    #[serde(default)]
    why: String,
}

async fn draw_invite(app: &App, person: &Person, typed: Invited, problems: Problems) -> Answer {
    let mut frame = frame::of(app, &person.visitor, "Invite a person").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (choices, takes_request) = (Choices::new(app, &typed.grant), app.others_approve_rights().await?);
    frame::page_with(status, &Invite { frame, problems, sign_in_name: typed.name, choices, why: typed.why, takes_request })
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
    match app.prepare_invitation(&person.actor, name, grants, &typed.why).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw_invite(&app, &person, typed, Problems::of_error(error)?).await,
    }
}
