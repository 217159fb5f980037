//! `/recover/{link}`: the one page of a link that `andon recover` printed. It shows what is known, takes name and password, and then one
//! signature over exactly this one act. It signs nobody in and works while every session may only stop.

use super::acts::words;
use crate::app::{
    App, AppError,
    acts::{ALONE_WAITS_MS, ActView},
    log::{
        known::{ABSURD, Known, Reported},
        recover::{ByLink, EPOCH_AHEAD, RecoveryView, Signed},
    },
};
use crate::domain::{ActKind, BotId, Epoch, Secret, Timestamp, UserId};
use crate::web::{
    Answer, Shared, WebError,
    error::sentence,
    extract::{CameFrom, Posted, Visitor},
    format, frame,
    page::{Frame, Scripts},
    problems::Problems,
    session,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
};
use std::sync::Arc;

/// So many agents are listed, the highest reports first.
const LISTED: usize = 40;

/// What one agent says.
struct Line {
    reported: Reported,
    is_ahead: bool,
    is_absurd: bool,
    is_left_out: bool,
}

/// The act as it will be, or was, signed.
struct Signing {
    facts: Vec<(&'static str, String)>,
    body: String,
    digest: String,
    options: String,
    user: String,
    name: String,
}

#[derive(Template)]
#[template(path = "recover.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    why: String,
    asked_by: String,
    asked_at: Timestamp,
    is_take_over: bool,
    /// What is known, a word and its value each.
    known: Vec<(&'static str, String)>,
    lines: Vec<Line>,
    more: usize,
    ahead_by: i64,
    /// Who has signed.
    signed: Vec<(String, Timestamp, bool)>,
    is_fixed: bool,
    is_done: bool,
    /// Somebody has signed by this link.
    is_used: bool,
    is_alone: bool,
    alone_min: i64,
    given_name: String,
    signing: Option<Signing>,
    link: Secret<String>,
}

/// Somebody in the middle of signing.
struct Under<'a> {
    user: &'a UserId,
    options: String,
}

/// Lost holds named on the page, at most.
const LOST: usize = 50;

/// What was typed and chosen.
#[derive(Default)]
struct Typed {
    name: String,
    left_out: Vec<BotId>,
}

/// What the link leads to.
pub async fn show(State(app): Shared, mut visitor: Visitor, Path(link): Path<String>) -> Answer {
    let view = app.site_recovery(&link).await?;
    if view.row.used_by.is_some() && view.row.state == "open" {
        let said = "Somebody has signed by this link. The second signature is given by the other link.";
        return Err(WebError { reasons: vec![said.to_owned()], ..WebError::not_found() });
    }
    let cookie = visitor.early_token(&app)?;
    let absurd = view.known.reported.iter().filter(|one| is_absurd(&view.known, one.epoch)).map(|one| one.bot.clone()).collect();
    let typed = Typed { left_out: absurd, ..Typed::default() };
    let mut response = draw(&app, &visitor, (&link, view), typed, (None, Problems::none())).await?;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn is_absurd(known: &Known, epoch: Epoch) -> bool {
    epoch.0 > known.epoch.0 + ABSURD
}

/// What the session keeps the ceremony under: bound to the act and to whoever gave the password.
fn purpose(act: &ActView, user: &UserId) -> String {
    format!("recover {} {user}", act.stored.id)
}

async fn draw(
    app: &Arc<App>,
    visitor: &Visitor,
    (link, view): (&str, RecoveryView),
    typed: Typed,
    (under, problems): (Option<Under<'_>>, Problems),
) -> Answer {
    let mut frame = frame::bare(app, "Recover the site", "/recover");
    frame.csrf = visitor.csrf();
    frame.is_error = !problems.is_empty();
    frame.scripts = if under.is_some() { Scripts::Keys } else { Scripts::Plain };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let RecoveryView { row, known, act } = view;
    let signatures = act.as_ref().map(|act| act.signatures.clone()).unwrap_or_default();
    let is_fixed = !signatures.is_empty();
    let lines: Vec<Line> =
        known.reported.iter().take(LISTED).map(|one| line(&known, one, act.as_ref().filter(|_| is_fixed), &typed)).collect();
    let signing = act.as_ref().zip(under).map(|(act, under)| Signing {
        facts: words::facts(app, act),
        body: String::from_utf8_lossy(&act.stored.body).into_owned(),
        digest: act.stored.digest.clone(),
        options: under.options,
        user: under.user.to_string(),
        name: app.people().who(under.user),
    });
    let page = Page {
        problems,
        why: row.why.clone(),
        asked_by: row.asked_by.clone(),
        asked_at: row.asked_at,
        is_take_over: row.take_over,
        more: known.reported.len().saturating_sub(lines.len()),
        known: facts(&known, frame.now),
        lines,
        ahead_by: EPOCH_AHEAD,
        signed: signatures.iter().map(|one| (app.people().who(&one.user_id), one.at, one.alone)).collect(),
        is_fixed,
        is_done: row.state == "done",
        is_used: row.used_by.is_some(),
        is_alone: app.people().is_alone(),
        alone_min: ALONE_WAITS_MS / 60_000,
        given_name: typed.name,
        signing,
        link: Secret::new(link.to_owned()),
        frame,
    };
    frame::page_with(status, &page)
}

fn line(known: &Known, one: &Reported, fixed: Option<&ActView>, typed: &Typed) -> Line {
    let is_left_out = match fixed.map(|act| &act.act.kind) {
        Some(ActKind::Recover { left_out, .. }) => left_out.contains(&one.bot),
        _ => typed.left_out.contains(&one.bot),
    };
    Line { is_ahead: one.epoch > known.epoch, is_absurd: is_absurd(known, one.epoch), is_left_out, reported: one.clone() }
}

/// What is known, in words.
fn facts(known: &Known, now: Timestamp) -> Vec<(&'static str, String)> {
    let noted = |text: Option<&str>| {
        let note = text.and_then(|text| crate::audit::Note::parse(text).ok());
        note.map_or_else(
            || "none".to_owned(),
            |note| format!("{} entries of {}", format::count(note.checkpoint.size), note.checkpoint.origin),
        )
    };
    let mut facts = vec![
        ("The log takes nothing because", known.frozen.as_ref().map_or_else(|| "it is open".to_owned(), |frozen| frozen.why.clone())),
        (
            "This server's state folder",
            if known.is_foreign { "is not a site of the installation" } else { "is a site of the installation" }.to_owned(),
        ),
        ("Entries in the database", format!("{} of {}", format::count(known.size()), known.head.origin)),
        (
            "Last entry in the database",
            known.last_entry.as_ref().map_or_else(
                || "none".to_owned(),
                |(kind, at)| format!("{kind}, {}, {} ago", at.plain(), format::duration(now.ms_since(*at))),
            ),
        ),
        ("Highest epoch of the database", known.epoch.to_string()),
        ("Last checkpoint in the database", noted(known.checkpoint.as_deref())),
        ("Last checkpoint in the tide mark", noted(known.mark.as_deref())),
    ];
    let (in_sink, only) = match &known.sink {
        None => ("there is no sink, or it cannot be read".to_owned(), "not known".to_owned()),
        Some(sink) => (
            format!("{}; {} entries", noted(sink.checkpoint.as_deref()), format::count(sink.entries)),
            known.only_in_sink().map_or_else(|| "none".to_owned(), |(from, to)| format!("entries {from} to {to}")),
        ),
    };
    facts.extend([("Last checkpoint in the sink", in_sink), ("Known only from the sink", only)]);
    // Whoever signs must know what a colleague had stopped: it is not among the holds any more.
    facts.extend(known.lost_holds.iter().take(LOST).map(|hold| ("Hold that the database lost", hold.clone())));
    if known.lost_holds.len() > LOST {
        facts.push((
            "Holds that the database lost",
            format!("{} more: andon recover on the server's host lists all", known.lost_holds.len() - LOST),
        ));
    }
    facts
}

/// Name, password, and whose report is not believed.
#[derive(Debug, serde::Deserialize)]
pub struct Given {
    name: String,
    password: Secret<String>,
    #[serde(default)]
    left_out: Vec<String>,
}

/// Takes name and password; shows exactly what is signed.
pub async fn password(
    State(app): Shared,
    visitor: Visitor,
    from: CameFrom,
    Path(link): Path<String>,
    Posted(given): Posted<Given>,
) -> Answer {
    let left_out: Result<Vec<BotId>, _> = given.left_out.iter().map(|id| BotId::parse(id)).collect();
    let left_out = left_out.map_err(|_| WebError::bad_request("One of the bots is not known here. Nothing was changed."))?;
    match app.begin_site_signature(&link, (&given.name, given.password), &left_out, &from.whence).await {
        Ok((user, ceremony, act)) => {
            session::keep_ceremony(&visitor.session, &purpose(&act, &user), ceremony.state, app.clock.now()).await?;
            let view = RecoveryView { act: Some(act), ..app.site_recovery(&link).await? };
            let under = Under { user: &user, options: ceremony.options };
            draw(&app, &visitor, (&link, view), Typed { name: given.name, left_out }, (Some(under), Problems::none())).await
        }
        Err(error) => {
            let problems = said(error)?;
            let view = app.site_recovery(&link).await?;
            draw(&app, &visitor, (&link, view), Typed { name: given.name, left_out }, (None, problems)).await
        }
    }
}

/// What a person can mend, also who may not sign.
fn said(error: AppError) -> Result<Problems, WebError> {
    match error {
        AppError::Denied(denied) => Ok(Problems::one("", sentence(&denied.to_string()))),
        error => Problems::of_error(error),
    }
}

/// The key's answer.
#[derive(Debug, serde::Deserialize)]
pub struct Answered {
    user: String,
    response: String,
}

/// Takes the signature.
pub async fn sign(State(app): Shared, visitor: Visitor, Path(link): Path<String>, Posted(answered): Posted<Answered>) -> Answer {
    let user = UserId::parse(&answered.user).map_err(|_| AppError::NotFound("person"))?;
    let act = app.site_recovery(&link).await?.act.ok_or(AppError::NotFound("act"))?;
    let done = async {
        // Kept only for whoever gave the right password in this browser.
        let state = session::take_ceremony(&visitor.session, &purpose(&act, &user), app.clock.now()).await?;
        app.sign_site_recovery(ByLink { link: &link, user: &user }, &state, &answered.response).await
    };
    let (problems, view) = match done.await {
        Ok(Signed::Waits | Signed::Done) => (Problems::none(), app.site_recovery(&link).await?),
        Err(error) => (said(error)?, app.site_recovery(&link).await?),
    };
    draw(&app, &visitor, (&link, view), Typed::default(), (None, problems)).await
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let lines = || {
        let line = |n: usize, epoch: i64, is_absurd| Line {
            reported: Reported {
                bot: BotId::from_stored(samples::id(n)),
                name: samples::names().swap_remove(n).0,
                epoch: Epoch(epoch),
                at: samples::now().plus_ms(-1_500),
            },
            is_ahead: epoch > 4_120,
            is_absurd,
            is_left_out: is_absurd,
        };
        vec![line(1, 90_000_000_004_120, true), line(2, 4_188, false), line(3, 4_188, false), line(4, 4_120, false)]
    };
    let draw = |signed: Vec<(String, Timestamp, bool)>, problems: Problems, is_done: bool| {
        let problems_are_none = problems.is_empty();
        let page = Page {
            frame: Frame { is_log_frozen: !is_done, person: None, held: None, ..Frame::sample("Recover the site", "/recover") },
            problems,
            why: "the disk died; backup of 03:00 is the newest".to_owned(),
            asked_by: "root".to_owned(),
            asked_at: samples::now().plus_ms(-90_000),
            is_take_over: false,
            known: vec![
                ("The log takes nothing because", "the database has 9,120 entries and the tide mark 9,204: it was rolled back".to_owned()),
                ("Highest epoch of the database", "4120".to_owned()),
                ("Known only from the sink", "entries 9120 to 9203".to_owned()),
            ],
            lines: lines(),
            more: 12,
            ahead_by: EPOCH_AHEAD,
            is_fixed: !signed.is_empty(),
            is_used: signed.len() == 1 && problems_are_none,
            signed,
            is_done,
            is_alone: false,
            alone_min: 5,
            given_name: String::new(),
            signing: None,
            link: Secret::new("andon_recover_0".to_owned()),
        };
        page.render().unwrap()
    };
    let sato = || vec![("L. Sato".to_owned(), samples::now().plus_ms(-20_000), false)];
    vec![
        ("recover".to_owned(), draw(Vec::new(), Problems::none(), false)),
        ("recover-second".to_owned(), draw(sato(), Problems::one("", "You have signed this; a second person must."), false)),
        ("recover-signed".to_owned(), draw(sato(), Problems::none(), false)),
        ("recover-done".to_owned(), draw(sato(), Problems::none(), true)),
    ]
}
