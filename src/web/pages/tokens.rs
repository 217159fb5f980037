//! `/tokens`: API tokens. Made by a signed act, revoked at once.

use super::acts::words;
use crate::app::{App, AppError};
use crate::authz::{self, Action, Resource};
use crate::domain::{ActKind, TeamId, Timestamp, TokenId, TokenScope, text, token::TOKEN_DAYS};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{ByTouch, Person, Posted},
    format, frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};

struct Row {
    id: TokenId,
    token: String,
    scope: String,
    may: &'static str,
    of: String,
    made_by: String,
    made_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
    // Only for those who look after the token.
    last_used_from: String,
    chip: Chip,
    may_revoke: bool,
}

struct Choice {
    id: String,
    word: String,
    is_on: bool,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    frame: Frame,
    problems: Problems,
    typed: NewToken,
    rows: Vec<Row>,
    scopes: Vec<(&'static str, &'static str, bool)>,
    days: Vec<(u32, bool)>,
    teams: Vec<Choice>,
    may_make: bool,
    may_make_wide: bool,
}

/// A new token as typed.
#[derive(Debug, Default, serde::Deserialize)]
pub struct NewToken {
    #[serde(default)]
    name: String,
    #[serde(default)]
    scope: String,
    // Empty: the whole installation.
    #[serde(default)]
    team: String,
    #[serde(default)]
    days: String,
}

/// Every token.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, NewToken::default(), Problems::none()).await
}

async fn draw(app: &App, person: &Person, typed: NewToken, problems: Problems) -> Answer {
    let actor = &person.actor;
    let may = |resource: &Resource| authz::check(actor, Action::ManageTokens, resource).is_ok();
    let now = app.clock.now();
    let rows = app.tokens(actor).await?.into_iter().map(|token| {
        let chip = match token.revoked_at {
            Some(_) => Chip::new(Tone::Plain, "Revoked"),
            None if token.expires_at <= now => Chip::new(Tone::Plain, "Expired"),
            None if !app.token_stands(&token) => Chip::new(Tone::Low, "Refused: its maker lost the rights that it takes"),
            None if app.token_rests(&token) => Chip::new(Tone::Low, "Refused until its maker's account and keys are in order"),
            None => Chip::new(Tone::Plain, "Valid"),
        };
        let is_live = token.revoked_at.is_none() && token.expires_at > now;
        let of = token
            .team_id
            .as_ref()
            .map_or_else(|| "the whole installation".to_owned(), |team| app.people().team_name(team).unwrap_or_default());
        let looks_after = may(&token.team_id.clone().map_or(Resource::Installation, Resource::Team)) || token.made_by == person.user;
        Row {
            last_used_at: token.last_used_at,
            last_used_from: token.last_used_from.clone().filter(|_| looks_after).unwrap_or_default(),
            may: words::token_words(&token.scope),
            of,
            made_by: app.people().who(&token.made_by),
            made_at: token.made_at,
            expires_at: token.expires_at,
            chip,
            may_revoke: is_live && app.may_end_token(actor, &token).is_ok(),
            id: token.id,
            token: token.name,
            scope: token.scope,
        }
    });
    let rows = rows.collect();
    let may_make_wide = may(&Resource::Installation);
    let gives = |scope: TokenScope, team: Option<&TeamId>| authz::may_give_token(actor, scope, team);
    let all_teams = app.people().teams();
    let is_given = |scope: TokenScope| gives(scope, None) || all_teams.iter().any(|team| gives(scope, Some(&team.id)));
    let may_give: Vec<TokenScope> = TokenScope::ALL.iter().copied().filter(|scope| is_given(*scope)).collect();
    let teams = all_teams.iter().filter(|team| TokenScope::ALL.iter().any(|scope| gives(*scope, Some(&team.id)))).cloned();
    let choice = |id: String, word| Choice { is_on: id == typed.team, id, word };
    let teams: Vec<Choice> = teams.map(|team| choice(team.id.to_string(), team.name)).collect();
    let mut frame = frame::of(app, &person.visitor, "API tokens").await;
    frame.path = "/tokens".to_owned();
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let scopes = may_give.iter().map(|scope| (scope.as_str(), words::token_words(scope.as_str()), scope.as_str() == typed.scope)).collect();
    let chosen = if typed.days.is_empty() { "30" } else { &typed.days };
    let days = TOKEN_DAYS.iter().map(|days| (*days, days.to_string() == chosen)).collect();
    let may_make = !may_give.is_empty();
    frame::page_with(status, &Tokens { frame, problems, typed, rows, scopes, days, teams, may_make, may_make_wide })
}

/// Prepares a token.
pub async fn create(State(app): Shared, person: Person, Posted(typed): Posted<NewToken>) -> Answer {
    let mut problems = Problems::none();
    let name = text::name(&typed.name).map_err(|error| problems.add("name", format!("The name {error}"))).unwrap_or_default();
    if typed.scope.parse::<TokenScope>().is_err() {
        problems.add("scope", "Choose what the token may do");
    }
    let team = match typed.team.as_str() {
        "" => None,
        text => TeamId::parse(text).ok().filter(|team| app.people().team_name(team).is_some()),
    };
    if team.is_none() && !typed.team.is_empty() {
        problems.add("team", "Choose one of the teams");
    }
    let days = typed.days.parse().ok().filter(|days| TOKEN_DAYS.contains(days));
    if days.is_none() {
        problems.add("days", "Choose how long it lives: 7, 30 or 90 days");
    }
    let (true, Some(days)) = (problems.is_empty(), days) else { return draw(&app, &person, typed, problems).await };
    let kind = ActKind::TokenCreate { name, scope: typed.scope.clone(), team, days };
    match app.prepare_single(&person.actor, kind).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, typed, Problems::of_error(error)?).await,
    }
}

/// Ends a token at once.
pub async fn revoke(State(app): Shared, Path(id): Path<String>, ByTouch(person, _): ByTouch<super::sign_in::Nothing>) -> Answer {
    let id = TokenId::parse(&id).map_err(|_| AppError::NotFound("token"))?;
    match app.revoke_token(&person.actor, &id).await {
        Ok(()) => Ok(frame::see("/tokens")),
        Err(error) => draw(&app, &person, NewToken::default(), Problems::of_error(error)?).await,
    }
}
