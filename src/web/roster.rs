//! Bots as lines of a table: the fleet page, a team's page and their live updates draw the same line from the same row.

use super::{
    chip::{Chip, Tone},
    format::{Age, Aged, Amount, Gain, duration},
    html::Html,
    picture,
};
use crate::app::{
    App,
    listings::{BotRow, Census},
};
use crate::domain::{BotId, Decimal, Freshness, Stage, State, TeamId, Timestamp};
use crate::fleet::{
    exposure::{self, Money},
    worst_case_stop_ms,
};

/// One bot as it is listed.
#[derive(Debug, Clone)]
pub struct BotLine {
    /// Its id, which names its row and cells.
    pub id: BotId,
    /// Its name.
    pub name: String,
    /// How it stands, in one chip: the worst.
    pub chip: Chip,
    /// What the chip is too short for; empty: nothing.
    pub note: String,
    /// Its team's name.
    pub team: String,
    /// Its team.
    pub team_id: TeamId,
    /// What it has at stake.
    pub exposure: Aged<Amount>,
    /// In which currency; empty when not said.
    pub currency: String,
    /// What it has gained or lost today, realised.
    pub pnl: Aged<Gain>,
    /// The course of its exposure over the last ten minutes.
    pub trail: Html,
    /// How long it can go on after a press, in words.
    pub stops_within: String,
    /// When its agent was last heard.
    pub age: Age,
    /// It needs attention.
    pub is_trouble: bool,
}

impl BotLine {
    /// The line of a row.
    pub fn of(app: &App, row: &BotRow, now: Timestamp) -> Self {
        let timings = row.bot.timings;
        let report = row.seen.as_ref().and_then(|seen| seen.report.as_ref());
        let reported = Age::new(report.map(|(_, at)| *at), now, timings);
        let gross = report.and_then(|(report, _)| exposure::gross(report));
        let currency = gross.as_ref().map(|money| money.currency.clone()).unwrap_or_default();
        let (chip, note) = standing(row);
        Self {
            id: row.bot.id.clone(),
            name: row.bot.name.clone(),
            chip,
            note,
            team: app.people().team_name(&row.bot.team).unwrap_or_default(),
            team_id: row.bot.team.clone(),
            trail: trail(&app.book.trail(&row.bot.id, now), gross.as_ref()),
            exposure: Aged::new(gross.map(|money| Amount(money.amount.fixed(2))), reported),
            pnl: Aged::new(report.and_then(|(report, _)| report.realized_pnl_day.clone()).map(Gain), reported),
            currency,
            stops_within: duration(worst_case_stop_ms(timings, row.seen.as_deref())),
            age: Age::new(row.seen.as_ref().map(|seen| seen.at), now, timings),
            is_trouble: row.rank < 9,
        }
    }
    /// The class of a value's cell: its own age when the report is older than the agent's last word by a class, else the row's.
    pub fn value_class(&self) -> &'static str {
        let own = self.exposure.age();
        if own.at().is_some() && own.freshness() > self.age.freshness() { own.class() } else { "" }
    }
}

/// How a bot stands: a chip of a few words, and what those leave out.
pub fn standing(row: &BotRow) -> (Chip, String) {
    let said = row.seen.as_ref().and_then(|seen| seen.state);
    let agent_says = said.filter(|said| *said != row.directive.state).map(|said| format!("agent says {said}")).unwrap_or_default();
    if let Some(trouble) = &row.trouble {
        let (word, rest) = trouble.split_once([';', ':']).unwrap_or((trouble, ""));
        let tone = match row.rank {
            _ if row.agent.is_some() && row.freshness >= Freshness::Stale => Tone::NoData,
            1 => Tone::Critical,
            2 => Tone::High,
            _ => Tone::Low,
        };
        let note = if rest.is_empty() { agent_says } else { rest.trim().to_owned() };
        return (Chip::new(tone, word), note);
    }
    let chip = match (row.directive.state, row.bot.stage) {
        (State::Active, _) => Chip::new(Tone::Plain, "Active"),
        (State::Reducing, _) => Chip::new(Tone::Held, "Reducing"),
        (State::Halted, _) if !row.directive.holds.is_empty() => Chip::new(Tone::Held, "Held"),
        (State::Halted, Stage::Draft) => Chip::new(Tone::Plain, "Draft"),
        (State::Halted, Stage::Retired) => Chip::new(Tone::Plain, "Retired"),
        (State::Halted, _) if row.agent.is_none() => Chip::new(Tone::Plain, "No agent"),
        (State::Halted, _) => Chip::new(Tone::Open, "Waits for a start"),
    };
    (chip, agent_says)
}

/// The course of an exposure, with its least, its most and its present value as the label.
pub fn trail(points: &[Option<f64>], now: Option<&Money>) -> Html {
    let known = || points.iter().flatten().copied();
    if known().count() < 4 {
        return Html::default();
    }
    let (least, most) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let present = now.map_or_else(|| "not known".to_owned(), |money| money.amount.fixed(0));
    picture::spark(points, None, &format!("Exposure of the last ten minutes: least {least:.0}, most {most:.0}, now {present}"))
}

/// An amount for a headline: whole from ten thousand on, to the cent from a hundred on, smaller ones as exact as they need.
fn headline(amount: Decimal) -> String {
    let at_least = |text: &str| Decimal::parse(text).is_some_and(|least| amount.abs() >= least);
    match amount {
        _ if at_least("10000") => amount.fixed(0),
        _ if at_least("100") || amount == Decimal::default() => amount.fixed(2),
        _ => {
            let exact = amount.fixed(6);
            let (whole, part) = exact.split_once('.').unwrap_or((&exact, ""));
            format!("{whole}.{:0<2}", part.trim_end_matches('0'))
        }
    }
}

/// The sum of what bots have at stake, one figure per currency, and how many are left out.
#[derive(Debug, Clone)]
pub struct Stake {
    /// Amount and currency.
    pub sums: Vec<(Aged<Amount>, String)>,
    /// `without 3 bots`; empty when none is left out.
    pub without: String,
}

impl Stake {
    /// Of a census. Nothing known at all is one figure that says so.
    pub fn of(census: &Census, now: Timestamp) -> Self {
        let age = Age::fresh(now);
        let figure = |(currency, sum): (&String, &Decimal)| (Aged::new(Some(Amount(headline(*sum))), age), currency.clone());
        let mut sums: Vec<_> = census.exposure.sums.iter().map(figure).collect();
        if sums.is_empty() {
            sums.push((Aged::new(None, age), String::new()));
        }
        let without = census.exposure.without;
        Self { sums, without: if without == 0 { String::new() } else { format!("without {}", bots(without)) } }
    }
    /// In one line, for a button: `1,240,500 USDT and 12 BTC at stake`; empty when nothing is known.
    pub fn in_words(&self) -> String {
        let known = |(amount, currency): &(Aged<Amount>, String)| match amount.text() {
            text if text == super::format::UNKNOWN => None,
            text => Some(format!("{text} {currency}").trim().to_owned()),
        };
        let parts: Vec<String> = self.sums.iter().filter_map(known).collect();
        if parts.is_empty() { String::new() } else { format!("{} at stake", parts.join(" and ")) }
    }
}

/// With a capital in front.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `1 bot`, `40 bots`.
pub fn bots(n: usize) -> String {
    format!("{} {}", super::format::count(n as i128), if n == 1 { "bot" } else { "bots" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_short_and_never_rounds_small_coins_away() {
        let shown = |text: &str| headline(Decimal::parse(text).unwrap());
        assert_eq!(
            ["1914334.12", "612.345", "12.5", "0.0123", "0", "99.999999"].map(shown),
            ["1914334", "612.35", "12.50", "0.0123", "0.00", "99.999999"]
        );
    }
}
