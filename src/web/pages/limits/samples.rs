//! The page of limits, drawn from made-up levels.

use super::{
    Exception, LimitsPage, Place, Then, Version, choices, fields,
    holding::{Held, Holds, Sum},
};
use crate::domain::{
    BotId, Timings,
    limits::{Limits, Node},
};
use crate::web::{format::Age, page::Frame, picture, problems::Problems, samples};
use askama::Template;

fn version(version: i64) -> Version {
    Version {
        version,
        at: samples::now(),
        by: "L. Sato".to_owned(),
        why: "tightened by half".to_owned(),
        values: "Largest order 1,000 USDT; Open orders 7".to_owned(),
        request: if version == 1 { "/requests/7".to_owned() } else { String::new() },
    }
}

fn holds(used: &str, is_over: bool) -> Holds {
    let row = |words: &str, from: &str| Held {
        words: words.to_owned(),
        limit: "2,000 USDT".to_owned(),
        from: from.to_owned(),
        bullet: picture::bullet(Some(1_800.0), 2_000.0, "1,800 of 2,000 USDT"),
        used: used.to_owned(),
        is_over,
        breach: "pause",
    };
    Holds {
        rows: vec![row("Loss in a day", "team"), row("Largest position", "bot")],
        others: vec![("Symbols".to_owned(), "BTC/USDT, ETH/USDT".to_owned())],
        symbols: vec![("BTC/USDT".to_owned(), "Largest position 500 USDT".to_owned())],
        age: Age::new(Some(samples::now()), samples::now(), Timings::default()),
        not_measured: 1,
    }
}

fn page(node: &Node) -> LimitsPage {
    let (bot, own) = (matches!(node, Node::Bot(_)), Limits::default());
    let problems = Problems::none();
    LimitsPage {
        frame: Frame::sample("Limits of bot grid-07", "/bots/7/limits"),
        crumbs: vec![Place { words: "the installation".to_owned(), href: "/limits".to_owned(), is_bare: false }],
        words: "bot grid-07".to_owned(),
        action: "/bots/7/limits".to_owned(),
        ask: "/bots/7/limits/ask".to_owned(),
        open: if bot { String::new() } else { "/requests/7".to_owned() },
        of: node.in_one(),
        bot: bot.then(|| samples::id(7)),
        may_tighten: true,
        may_halve: bot,
        waits: bot,
        version: 2,
        holds: bot.then(|| holds("1,800 USDT", false)),
        sums: Vec::new(),
        exceptions: vec![Exception {
            id: samples::id(8),
            words: "BTC/USDT up to 3000: a large hedge".to_owned(),
            until: samples::now().plus_ms(3_600_000),
        }],
        exceptions_lately: bot.then_some(2),
        may_ask: bot,
        below: vec![Place { words: "BTC/USDT".to_owned(), href: "/limits?of=symbol:7:BTC/USDT".to_owned(), is_bare: true }],
        below_typed: String::new(),
        below_words: "Symbols with limits of their own",
        below_more: 3,
        fields: fields((node, &own), &Vec::new(), (&problems, "USDT")),
        choices: choices((node, &own), &Vec::new(), &problems),
        review_by: "2026-01-01".to_owned(),
        is_review_due: true,
        why: String::new(),
        as_of: String::new(),
        then: None,
        versions: Some(vec![version(2), version(1)]),
        held: vec![version(1)],
        problems,
    }
}

pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let bot = Node::Bot(BotId::from_stored(samples::id(7)));
    let mut over = page(&bot);
    over.holds = Some(holds("2,100 USDT", true));
    over.problems =
        Problems::one("max_leverage", "Leverage would be looser than 2, which stands; raising a limit takes a request of two people.");
    let mut read = page(&bot);
    (read.may_tighten, read.may_halve, read.versions, read.held) = (false, false, Some(Vec::new()), Vec::new());
    read.problems = Problems::one("below-symbol", "Enter a symbol, for example BTC/USDT");
    let mut unknown = page(&bot);
    unknown.versions = None;
    let mut then = page(&Node::Installation);
    then.sums = vec![Sum {
        words: "Exposure of all bots",
        limit: "50,000.00 USDT".to_owned(),
        bullet: picture::bullet(Some(60_000.0), 50_000.0, "60,000.00 of 50,000.00 USDT"),
        used: "60,000.00 USDT".to_owned(),
        is_over: true,
        breach: "reduce",
        counted: "12 bots counted, the oldest report 3 s ago".to_owned(),
        left_out: vec![("grid-08".to_owned(), "it reports in EUR".to_owned())],
    }];
    then.as_of = "2026-11-23".to_owned();
    let levels = vec![("the installation".to_owned(), 2, "Exposure of all bots 50,000 USDT".to_owned())];
    then.then = Some(Then { at: samples::now(), levels, held: "version 1: Largest order 1,000 USDT".to_owned() });
    let draw = |name: &str, page: LimitsPage| (name.to_owned(), page.render().unwrap());
    vec![
        draw("bot-limits", page(&bot)),
        draw("bot-limits-over", over),
        draw("bot-limits-read", read),
        draw("bot-limits-unknown", unknown),
        draw("limits-then", then),
    ]
}
