//! What agents say, made fit to be kept: texts bounded and without control characters, amounts that are decimal numbers. What does not fit
//! is unknown from then on, never a reason not to hear the agent: a stop must reach it whatever its bot reports.

use crate::domain::{Decimal, golive::Ran, largest::keep_largest};
use crate::fleet::Instance;
use crate::protocol::{AdapterSaid, InstanceSaid, MAX_POSITIONS, Position, PositionsRest, Report};

/// The longest digest of a build or configuration.
pub(crate) const DIGEST: usize = 128;
/// The longest symbol, side or currency.
const WORD: usize = 64;
/// The longest decimal number.
const DECIMAL: usize = 48;

/// A kind of bot as it may be shown: a short name of plain letters.
pub(crate) fn adapter(said: &AdapterSaid) -> AdapterSaid {
    let name = said.name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(32).collect();
    AdapterSaid { name, dies_with_agent: said.dies_with_agent }
}

/// A digest as it may be kept.
pub(crate) fn digest(text: &str) -> Option<String> {
    ((1..=DIGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
}

/// Where a bot trades, as it may be shown: `VENUE/SUBACCOUNT` of names that the register could hold.
pub(crate) fn place(text: &str) -> Option<String> {
    let (venue, subaccount) = text.trim().split_once('/')?;
    let fits = |name: &str| crate::domain::text::name(name).ok();
    Some(format!("{}/{}", fits(venue)?, fits(subaccount)?))
}

/// The most instances of a bot that are kept.
const INSTANCES: usize = 64;

/// Instances as they may be kept. One whose digests cannot be read differs from whatever was approved.
pub(crate) fn instances(said: &[InstanceSaid]) -> Vec<Instance> {
    let read = |text: &str| digest(text).unwrap_or_else(|| "unreadable".to_owned());
    let one = |one: &InstanceSaid| Instance { name: cut(&one.name, WORD), ran: Ran { build: read(&one.build), config: read(&one.config) } };
    let mut all: Vec<Instance> = said.iter().take(INSTANCES).map(one).collect();
    if said.len() > INSTANCES {
        // Nobody looks at those: that is a difference.
        all.push(Instance { name: format!("and {} more", said.len() - INSTANCES), ran: Ran { build: read(""), config: read("") } });
    }
    all
}

/// A short text cut to `most` characters, control characters replaced.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    clean.trim().to_owned()
}

/// True for `-?digits[.digits]`.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= DECIMAL && all_digits(whole) && all_digits(fraction)
}

fn decimal(field: &mut Option<String>) {
    if field.as_deref().is_some_and(|text| !is_decimal(text)) {
        *field = None;
    }
}

/// A report as it may be kept and shown.
pub(crate) fn report(mut report: Report) -> Report {
    for amount in [
        &mut report.equity,
        &mut report.cash,
        &mut report.margin_used,
        &mut report.leverage,
        &mut report.unrealized_pnl,
        &mut report.realized_pnl_day,
        &mut report.slippage_bps,
        &mut report.largest_order_notional,
    ] {
        decimal(amount);
    }
    report.currency = report.currency.map(|text| cut(&text, WORD)).filter(|text| !text.is_empty());
    if let Some(positions) = &mut report.positions {
        positions.iter_mut().for_each(position);
        if let Some(rest) = keep_largest(positions, MAX_POSITIONS, |one| Decimal::parse(one.notional.as_deref()?)) {
            let before = report.positions_rest.take();
            report.positions_rest = Some(PositionsRest {
                count: rest.count.saturating_add(before.as_ref().map_or(0, |before| before.count)),
                notional: sum(rest.worth, before.as_ref()),
            });
        }
    }
    if let Some(rest) = &mut report.positions_rest {
        decimal(&mut rest.notional);
    }
    report
}

/// What was left out here and what the agent had left out, together; none when either is not known.
fn sum(worth: Option<Decimal>, before: Option<&PositionsRest>) -> Option<String> {
    let before = match before {
        Some(rest) => Decimal::parse(rest.notional.as_deref()?)?,
        None => Decimal::default(),
    };
    Some(worth?.plus(before).shortest())
}

fn position(position: &mut Position) {
    position.symbol = cut(&position.symbol, WORD);
    position.side = position.side.as_deref().map(|text| cut(text, WORD));
    let amounts = [&mut position.quantity, &mut position.notional, &mut position.entry_price, &mut position.unrealized_pnl];
    for amount in amounts.into_iter().chain([&mut position.working_notional]) {
        decimal(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_that_is_no_number_is_unknown_and_the_rest_stands() {
        let said = Report { equity: Some("NaN".into()), cash: Some("-12.50".into()), leverage: Some("1e9".into()), ..Report::default() };
        let kept = report(said);
        assert_eq!((kept.equity, kept.cash.as_deref(), kept.leverage), (None, Some("-12.50"), None));
        for wrong in ["", "-", ".5", "5.", "1.2.3", "+1", "1 000", &"9".repeat(60)] {
            assert!(!is_decimal(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn texts_are_bounded_and_positions_few() {
        let one = Position { symbol: format!("A\u{0}B{}", "x".repeat(100)), ..Position::default() };
        let kept = report(Report { positions: Some(vec![one; 300]), ..Report::default() });
        let positions = kept.positions.unwrap();
        assert_eq!(positions.len(), 200);
        assert_eq!(kept.positions_rest, Some(PositionsRest { count: 100, notional: None }), "what is not known is not summed");
        assert!(positions[0].symbol.starts_with("A B") && positions[0].symbol.len() == 64);
        let sized = |n: i64| Position { symbol: format!("S{n}"), notional: Some(format!("{n}.5")), ..Position::default() };
        let said = Some(PositionsRest { count: 7, notional: Some("100".into()) });
        let kept = report(Report { positions: Some((1..=202).map(sized).collect()), positions_rest: said, ..Report::default() });
        assert_eq!(kept.positions_rest, Some(PositionsRest { count: 9, notional: Some("104".into()) }));
        assert_eq!(kept.positions.unwrap()[0].symbol, "S202", "the largest stay");
        assert_eq!(digest("sha256:ab"), Some("sha256:ab".into()));
        assert_eq!((digest("a b"), digest("\u{0}"), digest(&"a".repeat(200))), (None, None, None));
    }
}
