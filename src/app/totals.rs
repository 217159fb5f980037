//! What the bots of a team, and of the installation, have at stake and lost together, held against the limits of those levels. Summed every
//! second from what was counted of each bot; a bot that reports in another currency, or not at all, is not counted and is shown.

use super::{App, AppError, breaches};
use crate::domain::{
    Decimal, Level, Scope, Stage, State, TeamId, Timestamp,
    limits::{Check, Node, breach_level},
    time::DAY_MS,
};
use crate::fleet::Breach;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

/// How one limit over many bots stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Which.
    pub check: Check,
    /// The limit; none: not set.
    pub limit: Option<Decimal>,
    /// The sum of those that are counted.
    pub value: Decimal,
    /// What it is in; none: no level names a currency, and no bot says one.
    pub currency: Option<String>,
    /// How many bots are counted.
    pub counted: usize,
    /// Names of bots that are not, each with why.
    pub not_counted: Vec<(String, String)>,
    /// What is in other currencies, by currency.
    pub others: BTreeMap<String, Decimal>,
    /// The oldest of the reports that are counted.
    pub oldest: Option<Timestamp>,
}

/// The sums as they were last made.
#[derive(Default)]
pub struct TotalBook(RwLock<HashMap<Node, Vec<Total>>>);

/// A sum that is over its limit, and the hold that follows.
pub(crate) struct Broken {
    scope: Scope,
    breach: Breach,
    level: Level,
    why: String,
}

/// What one bot adds.
struct Part {
    name: String,
    team: TeamId,
    is_halted: bool,
    // It trades no real money.
    is_trial: bool,
    currency: Option<String>,
    amounts: [Option<Decimal>; 2],
    at: Option<Timestamp>,
}

const TOTALS: [Check; 2] = [Check::TotalExposure, Check::TotalDailyLoss];

impl App {
    /// The sums of a level above bots.
    pub fn totals_of(&self, node: &Node) -> Vec<Total> {
        self.totals.0.read().unwrap_or_else(PoisonError::into_inner).get(node).cloned().unwrap_or_default()
    }

    fn parts(&self, now: Timestamp) -> Vec<Part> {
        let view = self.fleet.view();
        let day = |at: Timestamp| at.0.div_euclid(DAY_MS * 1_000);
        let part = |bot: &Arc<crate::domain::BotFacts>| {
            let found = self
                .gauges
                .look(&bot.id, |gauge| gauge.reported().map(|said| said.counted.clone()))
                .flatten()
                .filter(|counted| counted.at.0 > 0);
            let is_today = found.as_ref().is_some_and(|counted| day(counted.at) == day(now));
            Part {
                name: bot.name.clone(),
                team: bot.team.clone(),
                is_halted: view.directive(bot).state == State::Halted,
                is_trial: matches!(bot.stage, Stage::Draft | Stage::Sandbox),
                // A loss of yesterday is none of today's.
                amounts: [
                    found.as_ref().and_then(|counted| counted.exposure),
                    found.as_ref().and_then(|counted| if is_today { counted.loss } else { Some(Decimal::default()) }),
                ],
                at: found.as_ref().map(|counted| counted.at),
                currency: found.and_then(|counted| counted.currency),
            }
        };
        let is_there = |bot: &&Arc<crate::domain::BotFacts>| self.book.seen(&bot.id).is_some() || self.agent_book.of_bot(&bot.id).is_some();
        view.bots().filter(|bot| bot.stage != Stage::Retired).filter(is_there).map(part).collect()
    }

    /// Sums up, and places the holds of what is over its limit.
    pub async fn judge_totals(self: &Arc<Self>) {
        for broken in self.sum_totals() {
            let Broken { scope, breach, level, why } = broken;
            self.break_total(scope, (breach, level), why).await;
        }
    }

    /// Sums up and judges. A level whose bots are all halted is summed and not judged: every release would be undone.
    pub(crate) fn sum_totals(&self) -> Vec<Broken> {
        let now = self.clock.now();
        let tree = self.limit_book.tree();
        let parts = self.parts(now);
        let mut by_team = HashMap::<&TeamId, Vec<&Part>>::new();
        parts.iter().for_each(|part| by_team.entry(&part.team).or_default().push(part));
        let teams = by_team.into_iter().map(|(team, parts)| (Node::Team(team.clone()), parts));
        let mut all = HashMap::new();
        let mut broken = Vec::new();
        for (node, parts) in std::iter::once((Node::Installation, parts.iter().collect::<Vec<_>>())).chain(teams) {
            let above = tree.node(&Node::Installation).map(|row| &row.values);
            let own = tree.node(&node).map(|row| &row.values);
            let currency = [above, own].into_iter().flatten().find_map(|values| values.get("currency")?.as_str()).map(str::to_owned);
            let limits = tree.limits(&node);
            let has_real = parts.iter().any(|part| !part.is_trial);
            let is_left_out = |part: &Part| part.is_trial && has_real;
            let is_judged = parts.iter().any(|part| !part.is_halted && !is_left_out(part));
            let mut totals = Vec::new();
            for (n, check) in TOTALS.into_iter().enumerate() {
                let limit = limits.plain(check.as_str()).and_then(|text| Decimal::parse(&text));
                let total = sum((check, n), limit, (&parts, currency.as_deref()));
                if let Some(limit) = limit.filter(|limit| is_judged && total.value > *limit) {
                    let level = breach_level(check, own.into_iter());
                    broken.push((node.clone(), level, total.clone(), limit, limits.version));
                }
                totals.push(total);
            }
            all.insert(node, totals);
        }
        *self.totals.0.write().unwrap_or_else(PoisonError::into_inner) = all;
        let said = |(node, level, total, limit, version): (Node, Level, Total, Decimal, i64)| {
            let scope = if let Node::Team(team) = node { Scope::Team(team) } else { Scope::Fleet };
            let breach = Breach { check: total.check, value: total.value.shortest(), limit: limit.shortest(), symbol: None };
            let bots = |n: usize| if n == 1 { "1 bot".to_owned() } else { format!("{n} bots") };
            let left =
                if total.not_counted.is_empty() { String::new() } else { format!("; {} not counted", bots(total.not_counted.len())) };
            let why = format!("{}, over {}{left}", breaches::words(&breach, total.currency, (version, now)), bots(total.counted));
            Broken { scope, breach, level, why }
        };
        broken.into_iter().map(said).collect()
    }

    /// Takes in what other replicas counted lately.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn hear_counts(&self) -> Result<(), AppError> {
        // A row is written some seconds after it was counted.
        if self.db.is_embedded() { Ok(()) } else { self.load_counts(self.clock.now().plus_ms(-15_000)).await }
    }
}

/// One sum. Without a named currency it is that in which most is at stake, so that one bot that reports in another blinds nothing. Where
/// there is real money, what is tried out is not added to it.
fn sum((check, n): (Check, usize), limit: Option<Decimal>, (parts, named): (&[&Part], Option<&str>)) -> Total {
    let has_real = parts.iter().any(|part| !part.is_trial);
    let is_left_out = |part: &Part| part.is_trial && has_real;
    let mut by_currency = BTreeMap::<&str, Decimal>::new();
    for part in parts.iter().filter(|part| !is_left_out(part)) {
        let amount = part.amounts.get(n).copied().flatten().unwrap_or_default();
        if let Some(currency) = part.currency.as_deref() {
            let sum = by_currency.entry(currency).or_default();
            *sum = sum.plus(amount);
        }
    }
    let largest = by_currency.iter().max_by_key(|(_, sum)| **sum).map(|(currency, _)| *currency);
    let currency = named.or(largest).map(str::to_owned);
    let (not_counted, others) = (Vec::new(), BTreeMap::new());
    let mut total = Total { check, limit, value: Decimal::default(), currency, counted: 0, not_counted, others, oldest: None };
    for part in parts {
        if is_left_out(part) {
            total.not_counted.push((part.name.clone(), "it trades no real money".to_owned()));
            continue;
        }
        let Some(amount) = part.amounts.get(n).copied().flatten() else {
            total.not_counted.push((part.name.clone(), "it does not report this".to_owned()));
            continue;
        };
        match &part.currency {
            Some(currency) if total.currency.as_ref() == Some(currency) => {
                total.value = total.value.plus(amount);
                total.counted += 1;
                total.oldest = total.oldest.map_or(part.at, |oldest| part.at.map(|at| at.min(oldest)));
            }
            Some(currency) => {
                let other = total.others.entry(currency.clone()).or_default();
                *other = other.plus(amount);
                total.not_counted.push((part.name.clone(), format!("it reports in {currency}")));
            }
            None => total.not_counted.push((part.name.clone(), "it does not say in what currency it reports".to_owned())),
        }
    }
    total.not_counted.sort();
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, currency: Option<&str>, exposure: Option<&str>) -> Part {
        Part {
            name: name.to_owned(),
            team: TeamId::new(),
            is_halted: false,
            is_trial: true,
            currency: currency.map(str::to_owned),
            amounts: [exposure.and_then(Decimal::parse), None],
            at: Some(Timestamp(7)),
        }
    }

    #[test]
    fn what_is_in_another_currency_is_listed_and_not_added() {
        let parts = [
            part("a", Some("USDT"), Some("10.5")),
            part("b", Some("EUR"), Some("7")),
            part("c", None, Some("1")),
            part("d", Some("USDT"), None),
        ];
        let parts: Vec<&Part> = parts.iter().collect();
        let total = sum((Check::TotalExposure, 0), None, (&parts, Some("USDT")));
        assert_eq!((total.value.shortest().as_str(), total.counted, total.not_counted.len()), ("10.5", 1, 3));
        assert!(total.not_counted.iter().any(|(name, why)| name == "b" && why.contains("EUR")));
        assert_eq!(total.others.get("EUR").map(|amount| amount.shortest()).as_deref(), Some("7"));
        let unnamed = sum((Check::TotalExposure, 0), None, (&parts, None));
        assert_eq!((unnamed.currency.as_deref(), unnamed.counted), (Some("USDT"), 1), "that in which most is at stake");
        let alone = sum((Check::TotalExposure, 0), None, (&parts[..1], None));
        assert_eq!((alone.currency.as_deref(), alone.counted), (Some("USDT"), 1));
    }

    #[test]
    fn play_money_is_not_added_to_real_money() {
        let real = Part { is_trial: false, ..part("live", Some("USDT"), Some("5")) };
        let trial = part("sandbox", Some("USDT"), Some("900"));
        let total = sum((Check::TotalExposure, 0), None, (&[&real, &trial], None));
        assert_eq!((total.value.shortest().as_str(), total.counted), ("5", 1));
        assert!(total.not_counted[0].1.contains("no real money"));
    }
}
