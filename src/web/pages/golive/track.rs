//! The way up: which stages there are, where a bot stands, and what comes next for it.

use crate::app::App;
use crate::domain::{BotFacts, Environment, Stage};

/// A stage of the way.
pub(in crate::web::pages) struct Step {
    pub(in crate::web::pages) word: &'static str,
    pub(in crate::web::pages) note: &'static str,
    pub(in crate::web::pages) is_here: bool,
    pub(in crate::web::pages) is_reached: bool,
}

/// What comes next for a bot, and where that is done; no address: on the page of its checklist.
pub(in crate::web::pages) struct Next {
    pub(in crate::web::pages) words: String,
    pub(in crate::web::pages) href: String,
    pub(in crate::web::pages) link: &'static str,
}

/// The stages in order.
pub(in crate::web::pages) fn track(at: Stage) -> Vec<Step> {
    let is_retired = at == Stage::Retired;
    let step = |stage: Stage| Step {
        word: stage.as_str(),
        note: match stage {
            here if here == at => "it is here",
            Stage::Draft => "being set up",
            Stage::Sandbox => "test venues, nothing at stake",
            Stage::Limited => "real money within caps, for a time",
            Stage::Live => "real money within its limits",
            Stage::Retired => "over",
        },
        is_here: stage == at,
        is_reached: !is_retired && stage <= at,
    };
    let way = [Stage::Draft, Stage::Sandbox, Stage::Limited, Stage::Live];
    way.into_iter().chain(is_retired.then_some(Stage::Retired)).map(step).collect()
}

/// What comes next.
pub(in crate::web::pages) fn next(app: &App, bot: &BotFacts) -> Next {
    let environment = bot.seat.as_ref().and_then(|seat| app.venues().venue(&seat.venue)).map(|venue| venue.environment);
    let (own, seat) = (format!("/bots/{}#stage", bot.id), format!("/bots/{}/seat/ask", bot.id));
    let next = |words: &str, href: String, link| Next { words: words.to_owned(), href, link };
    match (bot.stage, environment) {
        (Stage::Draft, _) => {
            next("It is in draft. Give it an agent, then move it up to sandbox: that takes no approval.", own, "Its stage")
        }
        (Stage::Sandbox, Some(Environment::Live)) => next(
            "What is open on its checklist comes next. Then somebody asks, others approve, and whoever asked carries it out.",
            String::new(),
            "",
        ),
        (Stage::Sandbox, Some(_)) => next(
            "It trades at a test venue. For stage limited it needs a subaccount of a live venue for itself, and a key of that: ask for it first.",
            seat,
            "Ask for a live subaccount",
        ),
        (Stage::Sandbox, None) => next(
            "It has no subaccount. For stage limited it needs one of a live venue for itself, and a key of that: ask for it first.",
            seat,
            "Ask for a live subaccount",
        ),
        (Stage::Limited, _) => next(
            "It trades live within caps. After 7 days with fills, and with nothing open on its checklist, it may go live.",
            String::new(),
            "",
        ),
        (Stage::Live, _) => next(
            "It trades live; no stage is above. What was approved is compared with what runs at every check-in, and what differs stops it.",
            String::new(),
            "",
        ),
        (Stage::Retired, _) => {
            next("It is retired: nothing starts it and nothing goes up. Whoever needs it again moves it to draft.", own, "Its stage")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_says_where_a_bot_is_and_nothing_is_reached_by_what_is_retired() {
        let reached = |at| track(at).into_iter().filter(|step| step.is_reached).map(|step| step.word).collect::<Vec<_>>();
        assert_eq!(reached(Stage::Limited), ["draft", "sandbox", "limited"]);
        assert_eq!(reached(Stage::Retired), [""; 0]);
        let here = |at| track(at).into_iter().filter(|step| step.is_here).map(|step| step.word).collect::<Vec<_>>();
        assert_eq!([here(Stage::Draft), here(Stage::Retired)], [["draft"], ["retired"]]);
    }
}
