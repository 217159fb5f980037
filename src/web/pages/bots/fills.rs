//! `/bots/{id}/fills`: what of its orders was carried out, as its agent reports it: what the fills of a time come to, the last of them, and all
//! of them as a file.

use super::id_of;
use crate::app::{App, AppError, fills};
use crate::authz::Actor;
use crate::domain::{
    BotId, Exact, FillSums, KeptFill, Timestamp,
    fill::{FillSum, Side},
};
use crate::web::{
    Answer, Shared, download,
    extract::Person,
    format, frame,
    page::Frame,
    problems::Problems,
    query::{Named, Params},
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use futures_util::stream;
use std::{collections::BTreeMap, sync::Arc};

/// How many are listed.
const LISTED: i64 = 100;

/// What some fills come to, in words.
pub(super) struct Sum {
    pub(super) symbol: String,
    pub(super) count: String,
    pub(super) buys: String,
    pub(super) sells: String,
    pub(super) quantity: String,
    pub(super) notional: String,
    pub(super) fees: String,
    pub(super) maker: String,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

/// A fill of the list.
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) symbol: String,
    pub(super) side: Side,
    pub(super) quantity: String,
    pub(super) price: String,
    pub(super) fee: String,
    pub(super) maker: &'static str,
    pub(super) order: String,
    pub(super) id: String,
}

#[derive(Template)]
#[template(path = "bot_fills.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) from: String,
    pub(super) until: String,
    pub(super) is_narrowed: bool,
    pub(super) all: Sum,
    pub(super) symbols: Vec<Sum>,
    /// In which stages they were heard of.
    pub(super) stages: String,
    /// Only the newest were summed: how many.
    pub(super) cut: String,
    pub(super) lines: Vec<Line>,
    /// There are more than are listed.
    pub(super) has_more: bool,
    /// How many were told again with other words; empty: none.
    pub(super) differ: String,
    /// Where the file is.
    pub(super) csv: String,
}

/// `16,250.025 USDT; 0.15 BTC`.
fn amounts(sums: &BTreeMap<String, Exact>) -> String {
    let amount = |(currency, sum): (&String, &Exact)| match currency.as_str() {
        "" => format!("{} (its currency is not told)", format::decimal(&sum.shortest())),
        currency => format!("{} {currency}", format::decimal(&sum.shortest())),
    };
    if sums.is_empty() { format::UNKNOWN.to_owned() } else { sums.iter().map(amount).collect::<Vec<_>>().join("; ") }
}

/// `75.0 % of 8 that tell`.
fn maker(sum: &FillSum) -> String {
    let told = sum.makers + sum.takers;
    let share = (sum.makers * 1_000).checked_div(told);
    let of = if told < sum.count { format!(" of {} that tell", format::count(told)) } else { String::new() };
    share.map_or_else(|| format::UNKNOWN.to_owned(), |share| format!("{}.{} %{of}", share / 10, share % 10))
}

fn sum(symbol: &str, sum: &FillSum) -> Sum {
    let fees = match sum.without_fee {
        0 => amounts(&sum.fees),
        none if none == sum.count => format::UNKNOWN.to_owned(),
        none => format!("{}; {} do not tell", amounts(&sum.fees), format::count(none)),
    };
    Sum {
        symbol: symbol.to_owned(),
        count: format::count(sum.count),
        buys: format::count(sum.buys),
        sells: format::count(sum.sells),
        quantity: amounts(&sum.quantity),
        notional: amounts(&sum.notional),
        fees,
        maker: maker(sum),
        first: sum.first,
        last: sum.last,
    }
}

/// The same of all of them as lines of a summary; empty: there are none.
pub(in crate::web::pages) fn in_words(sums: &FillSums) -> Vec<(&'static str, String)> {
    if sums.all.count == 0 {
        return Vec::new();
    }
    let all = sum("", &sums.all);
    let cut = if sums.is_cut { ", the newest; there are more" } else { "" };
    let at = |at: Option<Timestamp>| at.map_or_else(|| format::UNKNOWN.to_owned(), Timestamp::plain);
    vec![
        ("Fills", format!("{}: {} bought, {} sold{cut}", all.count, all.buys, all.sells)),
        ("Traded", all.notional),
        ("Fees", all.fees),
        ("As maker", all.maker),
        ("First and last", format!("{} and {}", at(all.first), at(all.last))),
    ]
}

fn line(kept: &KeptFill) -> Line {
    let fill = &kept.fill;
    let fee = fill.fee.map(|fee| format!("{} {}", format::decimal(&fee.shortest()), fill.fee_currency.as_deref().unwrap_or_default()));
    Line {
        at: fill.at,
        symbol: fill.symbol.to_string(),
        side: fill.side,
        quantity: format::decimal(&fill.quantity.shortest()),
        price: format::decimal(&fill.price.shortest()),
        fee: fee.unwrap_or_else(|| format::UNKNOWN.to_owned()),
        maker: fill.maker.map_or(format::UNKNOWN, |maker| if maker { "maker" } else { "taker" }),
        order: fill.order_id.clone().or_else(|| fill.client_order_id.clone()).unwrap_or_else(|| format::UNKNOWN.to_owned()),
        id: fill.id.clone(),
    }
}

fn stages(sums: &FillSums) -> String {
    sums.stages.iter().map(|(stage, count)| format!("{} in {stage}", format::count(*count))).collect::<Vec<_>>().join(", ")
}

/// Where the file of the same time is.
fn csv_of(id: &BotId, from: &str, until: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, text) in [("from", from), ("until", until)] {
        if !text.is_empty() {
            query.append_pair(name, text);
        }
    }
    let query = query.finish();
    format!("/bots/{id}/fills.csv{}{query}", if query.is_empty() { "" } else { "?" })
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, params: Params) -> Answer {
    let id = id_of(&id)?;
    let row = app.bot(&person.actor, &id)?;
    let typed = |name: &str| params.text(name).unwrap_or_default().trim().chars().take(40).collect::<String>();
    let (from, until) = (typed("from"), typed("until"));
    let (span, problems) = match fills::span(&from, &until) {
        Ok(span) => (Some(span), Problems::none()),
        Err(invalid) => (None, Problems::of_error(invalid.into())?),
    };
    let (sums, (rows, next)) = match span {
        Some(span) => {
            let sums = app.fill_sums(&id, span.from, span.until).await?;
            (sums, app.fills_newest(&person.actor, &id, span, None, LISTED).await?)
        }
        None => Default::default(),
    };
    let mut frame = frame::of(&app, &person.visitor, format!("Fills of {}", row.bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let differ = app.fills_that_differ(&id);
    let page = Page {
        name: row.bot.name.clone(),
        is_narrowed: !from.is_empty() || !until.is_empty(),
        all: sum("", &sums.all),
        symbols: sums.symbols.iter().map(|(symbol, of)| sum(symbol, of)).collect(),
        stages: stages(&sums),
        cut: if sums.is_cut { format::count(sums.all.count) } else { String::new() },
        lines: rows.iter().map(line).collect(),
        has_more: next.is_some(),
        differ: if differ > 0 { format::count(differ) } else { String::new() },
        csv: csv_of(&id, &from, &until),
        id: id.to_string(),
        from,
        until,
        problems,
        frame,
    };
    frame::page_with(status, &page)
}

/// What a file is still to be written from.
struct Rest {
    app: Arc<App>,
    actor: Actor,
    bot: BotId,
    span: fills::Span,
    /// None: everything is written.
    after: Option<fills::Cursor>,
}

impl Rest {
    async fn next(mut self) -> Result<Option<(String, Self)>, AppError> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let (rows, next) = self.app.fills_oldest(&self.actor, &self.bot, self.span, Some(&after)).await?;
        self.after = next;
        Ok(Some((fills::csv::lines(&rows)?, self)))
    }
}

/// All of them as CSV, oldest first.
pub async fn export(State(app): Shared, person: Person, Named(id): Named, params: Params) -> Answer {
    let bot = id_of(&id)?;
    let actor = person.actor;
    let name = app.bot(&actor, &bot)?.bot.name.clone();
    let text = |name: &str| params.text(name).unwrap_or_default();
    let span = fills::span(&text("from"), &text("until")).map_err(AppError::from)?;
    let (rows, after) = app.fills_oldest(&actor, &bot, span, None).await?;
    let first = fills::csv::head()? + &fills::csv::lines(&rows)?;
    download::csv(&format!("fills-{name}"), first, stream::try_unfold(Rest { app, actor, bot, span, after }, Rest::next))
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::domain::{Fill, Stage, fill::Told};
    use crate::web::samples;
    let now = samples::now();
    let kept = |n: i64, symbol: &str, side: &str| {
        let id = format!("t-<{n}>");
        let told = Told {
            id: &id,
            order_id: Some("order <1>"),
            client_order_id: None,
            at: now.plus_ms(-n * 61_000),
            symbol,
            side,
            quantity: "0.2500",
            price: "65000.10",
            fee: (n > 0).then_some("-0.012"),
            fee_currency: Some("B&B"),
            maker: (n != 1).then_some(n == 2),
        };
        KeptFill { fill: Fill::read(&told, now).unwrap(), heard_at: now, stage: Stage::Sandbox }
    };
    let page = |rows: Vec<KeptFill>, from: &str, problems, is_cut: bool| {
        let sums: FillSums = rows.iter().collect();
        let id = BotId::from_stored(samples::id(7));
        Page {
            frame: Frame::sample("Fills of grid-07", "/bots/7/fills"),
            problems,
            name: "grid-<07>".to_owned(),
            from: from.to_owned(),
            until: String::new(),
            is_narrowed: !from.is_empty(),
            all: sum("", &sums.all),
            symbols: sums.symbols.iter().map(|(symbol, of)| sum(symbol, of)).collect(),
            stages: stages(&sums),
            cut: if is_cut { "100,000".to_owned() } else { String::new() },
            lines: rows.iter().map(line).collect(),
            has_more: is_cut,
            differ: if is_cut { "3".to_owned() } else { String::new() },
            csv: csv_of(&id, from, ""),
            id: id.to_string(),
        }
        .render()
        .unwrap()
    };
    let rows = || vec![kept(0, "BTC/USDT", "buy"), kept(1, "ETH/BTC", "sell"), kept(2, "BTC/USDT", "sell"), kept(3, "PERP", "buy")];
    vec![
        ("bot-fills".to_owned(), page(rows(), "", Problems::none(), false)),
        ("bot-fills-many".to_owned(), page(rows(), "2026-11-23", Problems::none(), true)),
        ("bot-fills-none".to_owned(), page(Vec::new(), "", Problems::none(), false)),
        ("bot-fills-wrong".to_owned(), page(Vec::new(), "23 Nov", Problems::one("from", "Enter a day as 2026-11-23."), false)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_of_the_same_time() {
        let id = BotId::from_stored("7".to_owned());
        assert_eq!(csv_of(&id, "", ""), "/bots/7/fills.csv");
        assert_eq!(csv_of(&id, "2026-11-23", "a&b"), "/bots/7/fills.csv?from=2026-11-23&until=a%26b");
    }

    #[test]
    fn the_share_of_makers_says_of_how_many() {
        let of = |count, makers, takers| maker(&FillSum { count, makers, takers, ..FillSum::default() });
        assert_eq!((of(4, 3, 1), of(9, 1, 2), of(2, 0, 0)), ("75.0 %".into(), "33.3 % of 3 that tell".into(), "—".into()));
    }
}
