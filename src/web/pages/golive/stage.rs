//! What a bot's stage is worth: since when and until when it is in it, what ends next, and what its fills come to. And the way up on a bot's own page.

use super::{
    items::Summary,
    track::{self, Next, Step},
};
use crate::app::{
    App,
    golive::{drift::is_bound, next_stage, venue_changes::TestsDue},
};
use crate::domain::{BotFacts, Stage, Timestamp};
use crate::web::{extract::Person, pages::bots::fills};

/// How many ends are listed.
const ENDS: usize = 3;

/// A stage that was approved, so far.
pub(super) struct SoFar {
    pub(super) stage: Stage,
    pub(super) since: Timestamp,
    pub(super) until: Option<Timestamp>,
    /// At most at stake; empty: its limits alone bound it.
    pub(super) caps: String,
    /// What becomes of it when it differs.
    pub(super) on_drift: &'static str,
    /// What ends next. None: the database does not answer.
    pub(super) ends: Option<Vec<(String, Timestamp)>>,
    /// What its fills, its reports and its incidents come to. None: the database does not answer.
    pub(super) results: Option<Vec<(&'static str, String)>>,
}

/// Of a bot that was let up; none of others.
pub(super) async fn so_far(app: &App, bot: &BotFacts, now: Timestamp) -> Option<SoFar> {
    let run = bot.run.as_ref().filter(|run| is_bound(bot.stage) && run.stage == bot.stage)?;
    let ends = app.ends_of(bot).await.ok().map(|ends| ends.into_iter().filter(|end| end.at > now));
    Some(SoFar {
        stage: run.stage,
        since: run.since,
        until: run.until,
        caps: run.dossier.caps.as_ref().map_or_else(String::new, crate::domain::Caps::words),
        on_drift: run.dossier.on_drift.words(),
        ends: ends.map(|ends| ends.take(ENDS).map(|end| (end.words, end.at)).collect()),
        results: results(app, bot).await,
    })
}

/// What its fills come to, and what its reports and its incidents do.
async fn results(app: &App, bot: &BotFacts) -> Option<Vec<(&'static str, String)>> {
    let sums = app.results_of(bot).await.ok()?;
    let shown = app.shown_by(bot).await.ok()?;
    let mut all = sums.map(|sums| fills::in_words(&sums)).unwrap_or_default();
    if all.is_empty() {
        all.push(("Fills", "none was heard of yet".to_owned()));
    }
    all.extend(shown.map(|shown| shown.in_words()).unwrap_or_default());
    Some(all)
}

/// Going live on a bot's own page.
pub(in crate::web::pages) struct Card {
    pub(in crate::web::pages) track: Vec<Step>,
    pub(in crate::web::pages) next: Next,
    /// To which stage, and how its list stands; none: nothing is above, or the database does not answer.
    pub(in crate::web::pages) list: Option<(Stage, Summary)>,
    /// What of its approval ends next.
    pub(in crate::web::pages) ends: Option<(String, Timestamp)>,
    /// In how much it is not what was approved.
    pub(in crate::web::pages) differs: usize,
    /// What is to be tested again since its exchange changed; empty: nothing.
    pub(in crate::web::pages) retest: String,
}

/// What is to be tested again, in words.
fn retest_words(due: &TestsDue) -> String {
    let (n, change) = (due.items.len(), &due.change);
    let items = if n == 1 { "1 test is".to_owned() } else { format!("{n} tests are") };
    format!("{items} due again, since {} changed {}: {}", change.venue, change.at.plain(), change.what)
}

/// Of any bot. Without a database it says less.
pub(in crate::web::pages) async fn card(app: &App, person: &Person, bot: &BotFacts, now: Timestamp) -> Card {
    let (list, is_down) = match next_stage(bot.stage) {
        Some(to) => match app.checklist(&person.actor, &bot.id, to).await {
            Ok(view) => (Some((to, Summary::of(&view))), false),
            Err(_) => (None, true),
        },
        None => (None, false),
    };
    // A database that has just not answered is not waited for twice.
    let ends = if is_down { None } else { app.ends_next(bot).await.ok().flatten() };
    let due = if is_down { None } else { app.tests_due_of(&person.actor, bot).await.ok().flatten() };
    Card {
        track: track::track(bot.stage),
        next: track::next(app, bot),
        list,
        ends,
        differs: app.differences(bot, now).len(),
        retest: due.as_ref().map(retest_words).unwrap_or_default(),
    }
}

#[cfg(test)]
pub(in crate::web::pages) fn sample(at: Stage) -> Card {
    let now = crate::web::samples::now();
    Card {
        track: track::track(at),
        next: Next {
            words: "What is open comes <next>.".to_owned(),
            href: "/bots/7/seat/ask".to_owned(),
            link: "Ask for a live subaccount",
        },
        list: next_stage(at).map(|to| (to, Summary { done: 21, of: 26, expired: 2, next: None })),
        ends: is_bound(at).then(|| ("Its time in stage limited".to_owned(), now.plus_ms(86_000_000))),
        differs: usize::from(is_bound(at)),
        retest: if is_bound(at) {
            "7 tests are due again, since bybit changed 2026-11-23 03:12:07Z: tick <sizes>".to_owned()
        } else {
            String::new()
        },
    }
}
