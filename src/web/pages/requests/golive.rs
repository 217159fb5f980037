//! What the page of a request shows of a step up beside the rest: every item of the checklist as it was shown to be so, and who carries the step out.

use crate::app::{App, golive::readers::Reader, requests::RequestView};
use crate::domain::{
    RequestState, Stage, Timestamp,
    golive::Dossier,
    request::{Content, Line, Moment},
};
use crate::web::extract::Person;

/// An item as it is bound by the approval.
pub(super) struct Evidence {
    pub(super) words: String,
    pub(super) said: String,
    /// Who answers for it; the system, where nobody does.
    pub(super) by: String,
    pub(super) until: Option<Timestamp>,
    pub(super) is_over: bool,
}

/// A step up.
pub(super) struct StepUp {
    pub(super) to: Stage,
    /// The bot's page of going live.
    pub(super) href: String,
    /// What ends first comes first.
    pub(super) items: Vec<Evidence>,
    /// How many of them a person answers for.
    pub(super) answered: usize,
    /// Who carries it out, and until when; none: it is not approved, or over.
    pub(super) carried_by: Option<(String, Timestamp)>,
    /// Whoever looks was told, and has not read it.
    pub(super) may_read: bool,
    /// It was carried out.
    pub(super) is_done: bool,
    /// Who was told that it was carried out, by name, and when they read that; none: the database does not answer.
    pub(super) readers: Option<Vec<Told>>,
}

impl StepUp {
    /// How many have read that it was carried out.
    pub(super) fn have_read(&self) -> usize {
        self.readers.iter().flatten().filter(|one| one.read_at.is_some()).count()
    }
}

/// Somebody who was told.
pub(super) struct Told {
    pub(super) is_own: bool,
    pub(super) who: String,
    pub(super) at: Timestamp,
    pub(super) read_at: Option<Timestamp>,
}

async fn readers(app: &App, person: &Person, view: &RequestView) -> Option<Vec<Told>> {
    let all = app.readers_of(&person.actor, &view.row.id).await.ok()?;
    let told = |one: Reader| Told {
        is_own: one.user_id == person.user,
        who: app.people().who(&one.user_id),
        at: one.told_at,
        read_at: one.read_at,
    };
    let mut all: Vec<Told> = all.into_iter().map(told).collect();
    all.sort_by(|a, b| (a.read_at.is_some(), &a.who).cmp(&(b.read_at.is_some(), &b.who)));
    Some(all)
}

fn evidence(app: &App, to: Stage, dossier: &Dossier, now: Timestamp) -> Vec<Evidence> {
    let list = app.list_of(to).ok();
    let words = |name: &str| list.as_ref().and_then(|list| list.item(name)).map_or_else(|| name.to_owned(), |item| item.words.clone());
    let mut all: Vec<Evidence> = dossier
        .items
        .iter()
        .map(|shown| Evidence {
            words: words(&shown.item),
            said: shown.said.clone(),
            by: shown.by.as_ref().map_or_else(|| "measured by the system".to_owned(), |user| app.people().who(user)),
            until: shown.until,
            is_over: shown.until.is_some_and(|until| until <= now),
        })
        .collect();
    all.sort_by_key(|one| one.until.unwrap_or(Timestamp(i64::MAX)));
    all
}

/// Of a request that is one.
pub(super) async fn step_up(app: &App, person: &Person, view: &RequestView, moment: &Moment<'_>) -> Option<StepUp> {
    let Content::GoLive { bot, to, dossier, .. } = view.content() else { return None };
    let is_approved = view.row.state == RequestState::Approved;
    let readers = readers(app, person, view).await;
    Some(StepUp {
        to: *to,
        href: format!("/bots/{bot}/golive?stage={to}"),
        items: evidence(app, *to, dossier, moment.now),
        answered: dossier.items.iter().filter(|shown| shown.by.is_some()).count(),
        carried_by: is_approved.then(|| (app.people().who(&view.row.requester), view.until(moment.rule))),
        is_done: view.row.state == RequestState::Executed,
        may_read: readers.iter().flatten().any(|one| one.is_own && one.read_at.is_none()),
        readers,
    })
}

/// The lines of a difference without what the list of items says better. What is bound as it is changes nothing, and is shown once.
pub(super) fn without_items(content: &Content, lines: Vec<Line>) -> Vec<Line> {
    if !matches!(content, Content::GoLive { .. }) {
        return lines;
    }
    let own = lines.into_iter().filter(|line| !line.setting.starts_with("Checklist: "));
    own.map(|line| if line.now == "as it is" { Line { now: line.after.clone(), ..line } } else { line }).collect()
}

#[cfg(test)]
pub(super) fn sample() -> StepUp {
    let now = crate::web::samples::now();
    let item = |words: &str, until: Option<Timestamp>, is_over| Evidence {
        words: words.to_owned(),
        said: "back to <1.4>".to_owned(),
        by: "L. Sato".to_owned(),
        until,
        is_over,
    };
    StepUp {
        to: Stage::Limited,
        href: "/bots/7/golive?stage=limited".to_owned(),
        items: vec![item("A rollback plan", Some(now), true), item("Its agent", None, false)],
        answered: 1,
        carried_by: Some(("L. Sato".to_owned(), now.plus_ms(3_000_000))),
        is_done: true,
        may_read: true,
        readers: Some(vec![
            Told { is_own: true, who: "K. <Ito>".to_owned(), at: now.plus_ms(-90_000_000), read_at: None },
            Told { is_own: false, who: "M. Okafor".to_owned(), at: now.plus_ms(-90_000_000), read_at: Some(now) },
        ]),
    }
}
