//! What the page of a request shows of a step up beside the rest: every item of the checklist as it was shown to be so, and who carries the step out.

use crate::app::{App, requests::RequestView};
use crate::domain::{
    RequestState, Stage, Timestamp,
    golive::Dossier,
    request::{Content, Line, Moment},
};

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
pub(super) fn step_up(app: &App, view: &RequestView, moment: &Moment<'_>) -> Option<StepUp> {
    let Content::GoLive { bot, to, dossier, .. } = view.content() else { return None };
    let is_approved = view.row.state == RequestState::Approved;
    Some(StepUp {
        to: *to,
        href: format!("/bots/{bot}/golive?stage={to}"),
        items: evidence(app, *to, dossier, moment.now),
        answered: dossier.items.iter().filter(|shown| shown.by.is_some()).count(),
        carried_by: is_approved.then(|| (app.people().who(&view.row.requester), view.until(moment.rule))),
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
    }
}
