//! How far a stop has come, as the receipt draws it. Says no more than the acknowledgements prove.

use super::{
    format::{self, OutOf, duration},
    html::Html,
    picture,
};
use crate::domain::{Step, StopKind, Timestamp};
use crate::fleet::{BotReceipt, Receipt};

/// One of the four counts.
#[derive(Debug, Clone)]
pub struct StepCount {
    /// The step's word.
    pub name: &'static str,
    /// How many have reached it.
    pub count: OutOf,
    /// When, or how long the last one took.
    pub words: String,
}

/// The number, the cells and the counts.
#[derive(Debug, Clone)]
pub struct Meter {
    /// How many are idle.
    pub idle: OutOf,
    /// What is counted.
    pub word: String,
    /// By when the rest is stopped at worst, or how long it took.
    pub bound: Html,
    /// One cell per bot, or nothing when there are too many.
    pub cells: Html,
    /// The counts.
    pub steps: Vec<StepCount>,
}

impl Meter {
    /// Of a receipt.
    pub fn of(receipt: &Receipt) -> Self {
        let of = receipt.total();
        let count = |step| OutOf { n: receipt.reached(step), of };
        let from_the_press = || receipt.bots.iter().filter(|bot| !joined_later(receipt, bot));
        let took = |ms: fn(&BotReceipt) -> Option<i64>| match from_the_press().filter_map(ms).max() {
            Some(ms) => format!("last after {}", duration(ms)),
            None => "none yet".to_owned(),
        };
        let mut in_order: Vec<&BotReceipt> = receipt.bots.iter().collect();
        in_order.sort_by(|a, b| a.bot.name.cmp(&b.bot.name));
        Self {
            idle: count(Step::Idle),
            word: if of == 1 { "bot idle".to_owned() } else { "bots idle".to_owned() },
            bound: bound(receipt),
            cells: picture::cells(&in_order.iter().map(|bot| (bot.step(), bot.unconfirmed)).collect::<Vec<_>>()),
            steps: vec![
                StepCount { name: "Requested", count: OutOf { n: of, of }, words: receipt.hold.at.time_of_day() },
                StepCount { name: "Received", count: count(Step::Received), words: took(|bot| bot.received_ms) },
                StepCount { name: "Applied", count: count(Step::Applied), words: took(|bot| bot.applied_ms) },
                StepCount { name: "Idle", count: count(Step::Idle), words: took(|bot| bot.idle_ms) },
            ],
        }
    }
}

/// True for a bot that came under the hold after the press, by a new seat, team or stage: how long that took says nothing of the stop.
fn joined_later(receipt: &Receipt, bot: &BotReceipt) -> bool {
    let moved = bot.bot.stop.as_ref().filter(|stop| stop.kind == StopKind::Stage).map(|stop| stop.at.ms_since(receipt.hold.at));
    moved.is_some_and(|moved| moved > 0 && bot.received_ms.is_some_and(|received| received >= moved))
}

/// When the last bot is stopped at worst, agents and their machines alive; once all are, how long it took.
fn bound(receipt: &Receipt) -> Html {
    if receipt.bots.is_empty() {
        return Html::default();
    }
    let waiting = receipt.total() - receipt.reached(Step::Applied);
    if waiting == 0 {
        let (later, at_once): (Vec<&BotReceipt>, Vec<&BotReceipt>) = receipt.bots.iter().partition(|bot| joined_later(receipt, bot));
        let joined = match later.len() {
            0 => String::new(),
            n => format!("; {n} joined later"),
        };
        let Some(last) = at_once.iter().filter_map(|bot| bot.applied_ms).max() else {
            return Html::markup(format!("all applied{joined}"));
        };
        let at: Timestamp = receipt.hold.at.plus_ms(last);
        return Html::markup(format!("all applied {}, after {}{joined}", format::clock(at), duration(last)));
    }
    let by = receipt.hold.at.plus_ms(receipt.worst_case_ms());
    let passed = receipt.at > by;
    let words = if passed { "the worst case has passed; all should have stopped by" } else { "worst case all stopped by" };
    Html::markup(format!("{words} {}", format::clock(by)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BotFacts, Epoch, StopFact};
    use crate::web::samples;
    use std::sync::Arc;

    #[test]
    fn the_meter_counts_what_is_proved_and_names_the_worst_case() {
        let meter = Meter::of(&samples::receipt(40, 3));
        assert_eq!(meter.idle, OutOf { n: 37, of: 40 });
        assert!(meter.bound.as_str().starts_with("worst case all stopped by <time"), "{}", meter.bound);
        assert!(meter.steps.iter().any(|step| step.name == "Idle" && step.words.starts_with("last after")));
    }

    #[test]
    fn a_finished_stop_says_how_long_it_took() {
        let meter = Meter::of(&samples::receipt(5, 0));
        assert!(meter.bound.as_str().starts_with("all applied <time"), "{}", meter.bound);
        assert_eq!(Meter::of(&samples::receipt(0, 0)).bound, Html::default());
    }

    #[test]
    fn a_bot_that_comes_under_a_hold_later_does_not_make_the_stop_slow() {
        let mut receipt = samples::receipt(3, 0);
        let at = receipt.hold.at.plus_ms(35_000);
        let late = &mut receipt.bots[1];
        let stop = StopFact { epoch: Epoch(900), kind: StopKind::Stage, why: "its subaccount changed".to_owned(), at };
        late.bot = Arc::new(BotFacts { stop: Some(stop), ..BotFacts::clone(&late.bot) });
        (late.received_ms, late.applied_ms, late.idle_ms) = (Some(35_100), Some(35_400), Some(35_500));
        let meter = Meter::of(&receipt);
        assert!(meter.bound.as_str().ends_with("; 1 joined later") && !meter.bound.as_str().contains("35"), "{}", meter.bound);
        assert!(meter.steps.iter().all(|step| !step.words.contains("35 s")), "{:?}", meter.steps);
    }
}
