//! `/bots/{id}/keys/ask`: asking for an exchange key, or for other terms of one. The same form changes such a request. No secret is typed here.

use crate::app::{App, keys::ask::Wanted};
use crate::authz::{self, Action};
use crate::domain::{
    BotFacts, KeyPurpose, RequestKind,
    key::{KeyTerms, OnDrift, ROTATE_DAYS},
};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    pages::{
        bots::id_of,
        limits::{Typed, typed_as},
        register::Choice,
    },
    problems::Problems,
    query::{Named, Params},
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

#[derive(Template)]
#[template(path = "request_key.html")]
struct Ask {
    frame: Frame,
    problems: Problems,
    action: String,
    bot: String,
    name: String,
    is_edit: bool,
    may_ask: bool,
    rule: String,
    withdrawing: String,
    /// Where it trades; empty: nowhere.
    place: String,
    purposes: Vec<Choice>,
    drifts: Vec<Choice>,
    typed: Fields,
    /// What a key of the main account must have at this venue; empty: none is of use there.
    admin_needs: &'static str,
    /// By what the main account calls a subaccount there.
    calls_by: &'static str,
}

/// What stands in the fields.
#[derive(Debug, Clone, Default)]
struct Fields {
    ips: String,
    until: String,
    account: String,
    rotate_days: String,
    withdraw_to: String,
    why: String,
}

/// What was typed, as the use case takes it.
pub(super) fn wanted_of(typed: &Typed) -> Wanted<'_> {
    let text = |name: &str| typed.iter().find(|(given, _)| given == name).map_or("", |(_, text)| text.as_str());
    Wanted {
        purpose: text("purpose"),
        ips: text("ips"),
        until: text("until"),
        account: text("account"),
        rotate_days: text("rotate_days"),
        on_drift: text("on_drift"),
        withdraw_to: text("withdraw_to"),
    }
}

/// Terms as they are typed.
pub(super) fn typed_of(terms: &KeyTerms) -> Typed {
    let fields = [
        ("purpose", terms.sheet.purpose.to_string()),
        ("ips", terms.sheet.ips.join(", ")),
        ("until", terms.sheet.until.map(|until| until.rfc3339()).unwrap_or_default()),
        ("account", terms.sheet.account.clone().unwrap_or_default()),
        ("rotate_days", terms.rotate_days.to_string()),
        ("on_drift", terms.on_drift.to_string()),
        ("withdraw_to", terms.sheet.withdraw_to.join(", ")),
    ];
    fields.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

/// The form; with `purpose` it begins with the terms that stand.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, params: Params) -> Answer {
    let bot = app.bot(&person.actor, &id_of(&id)?)?.bot;
    let purpose = params.text("purpose").and_then(|word| word.parse::<KeyPurpose>().ok());
    let keys = app.exchange_keys();
    let stands = purpose.and_then(|purpose| keys.of_purpose(&bot.id, purpose));
    let typed = match (stands, purpose) {
        (Some(key), _) => typed_of(&KeyTerms { sheet: key.sheet.clone(), rotate_days: key.row.rotate_days, on_drift: key.row.on_drift }),
        (None, Some(purpose)) => vec![("purpose".to_owned(), purpose.to_string())],
        (None, None) => Typed::new(),
    };
    draw(&app, &person, &bot, (None, typed, Problems::none())).await
}

/// Asks.
pub async fn create(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let bot = app.bot(&person.actor, &id_of(&id)?)?.bot;
    let why = typed_as(&typed, "why");
    let asked = app.ask_key(&person.actor, &bot.id, wanted_of(&typed), &why).await;
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(&app, &person, &bot, (None, typed, Problems::of_error(error)?)).await,
    }
}

fn purposes(chosen: &str) -> Vec<Choice> {
    let words = |purpose: KeyPurpose| match purpose {
        KeyPurpose::MarketData => "Read market data (with the agent)",
        KeyPurpose::Execution => "Trade (with the agent)",
        KeyPurpose::Monitor => "Compare with what the bot reports (with this server, reads only)",
        KeyPurpose::Guard => "Cancel at the venue (with this server)",
        KeyPurpose::KeyAdmin => "Demote the bot's key at the venue (of the main account, with this server; optional)",
    };
    KeyPurpose::ALL.iter().map(|one| Choice::new(one, words(*one), chosen)).collect()
}

fn drifts(chosen: &str) -> Vec<Choice> {
    let words = |one: OnDrift| match one {
        OnDrift::Tell => "Tell somebody",
        OnDrift::Reduce => "Tell somebody and reduce the bot",
        OnDrift::Pause => "Tell somebody and pause the bot",
    };
    OnDrift::ALL.iter().rev().map(|one| Choice::new(one, words(*one), chosen)).collect()
}

/// Draws the form for a bot; with an action it changes a request.
pub(super) async fn draw(app: &App, person: &Person, bot: &BotFacts, (edit, typed, problems): (Option<String>, Typed, Problems)) -> Answer {
    let text = |name: &str| typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.clone()).unwrap_or_default();
    let place = bot.seat.as_ref().and_then(|seat| app.venues().subaccount(&seat.subaccount)).map(|one| app.venues().label(&one));
    let admin = app.admin_key_of(bot);
    let mut frame = frame::of(app, &person.visitor, format!("Ask for an exchange key for {}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let or = |text: String, usual: &str| if text.is_empty() { usual.to_owned() } else { text };
    let page = Ask {
        frame,
        is_edit: edit.is_some(),
        action: edit.unwrap_or_else(|| format!("/bots/{}/keys/ask", bot.id)),
        bot: bot.id.to_string(),
        name: bot.name.clone(),
        may_ask: authz::check(&person.actor, Action::AskRequest, &App::bot_resource(bot)).is_ok(),
        rule: app.rules().of(RequestKind::Keys).words(),
        withdrawing: app.rules().of(RequestKind::Withdrawals).words(),
        place: place.unwrap_or_default(),
        purposes: purposes(&or(text("purpose"), KeyPurpose::Execution.as_str())),
        drifts: drifts(&or(text("on_drift"), OnDrift::Pause.as_str())),
        admin_needs: admin.map_or("", |of| of.0),
        calls_by: admin.map_or("", |of| of.1),
        typed: Fields {
            ips: text("ips"),
            until: text("until"),
            account: text("account"),
            rotate_days: or(text("rotate_days"), &ROTATE_DAYS.to_string()),
            withdraw_to: text("withdraw_to"),
            why: text("why"),
        },
        problems,
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let page = |may_ask, is_edit, place: &str, problems| {
        Ask {
            frame: Frame::sample("Ask for an exchange key for grid-07", "/bots/7/keys/ask"),
            problems,
            action: "/bots/7/keys/ask".to_owned(),
            bot: samples::id(7),
            name: "grid-07".to_owned(),
            is_edit,
            may_ask,
            rule: "1 approval: a lead of the team or risk; carried out at once".to_owned(),
            withdrawing: "2 approvals: risk; an admin; carried out at once".to_owned(),
            place: place.to_owned(),
            purposes: purposes("execution"),
            drifts: drifts("pause"),
            admin_needs: if is_edit { "" } else { "a key of the main account with Trade" },
            calls_by: "its name",
            typed: Fields { ips: "203.0.113.7 <x>".to_owned(), rotate_days: "90".to_owned(), ..Fields::default() },
        }
        .render()
        .unwrap()
    };
    vec![
        ("request-key".to_owned(), page(true, false, "binance/grid-7", Problems::one("ips", "Name the addresses."))),
        ("request-key-edit".to_owned(), page(true, true, "binance/grid-7", Problems::none())),
        ("request-key-nowhere".to_owned(), page(true, false, "", Problems::none())),
        ("request-key-read".to_owned(), page(false, false, "binance/grid-7", Problems::none())),
    ]
}
