//! A bot in several plights, drawn for the tests.

use super::{
    enrol::{Beside, Enrol},
    moving::Move,
    new::{Choice, New},
    *,
};
use crate::app::bots::NewBot;
use crate::domain::AgentId;
use crate::protocol::AdapterSaid;
use crate::web::{page::Scripts, problems::Problems, samples};

fn events(now: Timestamp) -> Vec<Happened> {
    let event = |ms: i64, chip, kind: &str, message: &str| Happened {
        at: now.plus_ms(-ms),
        chip,
        kind: kind.to_owned(),
        message: message.to_owned(),
    };
    vec![
        event(61_000, Chip::new(Tone::High, "Warning"), "order rejected", "BTC/USDT buy 0.01: insufficient margin"),
        event(600_000, Chip::new(Tone::Plain, "Info"), "started", "trading under epoch 414"),
    ]
}

fn bot(age_s: Option<i64>) -> Bot {
    let frame = Frame { held: None, ..Frame::sample("grid-07", "/bots/0193") };
    let now = frame.now;
    let timings = Timings::default();
    let age = Age::new(age_s.map(|s| now.plus_ms(-s * 1_000)), now, timings);
    let money = |text: &str| Figure::Money(Aged::new(Some(Amount(text.to_owned())), age));
    let gain = |text: &str| Figure::Gain(Aged::new(Some(Gain(text.to_owned())), age));
    let position = |symbol: &str, side: &str, pnl: &str| Position {
        symbol: symbol.to_owned(),
        side: side.to_owned(),
        quantity: "0.2500".to_owned(),
        notional: "16,250.00".to_owned(),
        entry: "65,000.0".to_owned(),
        pnl: pnl.to_owned(),
    };
    let wave: Vec<_> = (0..60).map(|i| Some(f64::from((i * 37) % 23) + f64::from(i) / 3.0)).collect();
    Bot {
        id: BotId::from_stored(samples::id(7)),
        name: "grid-07".to_owned(),
        team: ("grid".to_owned(), "/teams/1".to_owned()),
        owner: "L. Sato".to_owned(),
        strategy: "grid on BTC/USDT".to_owned(),
        stage: "sandbox".to_owned(),
        exits: exits_words(Exits::Managed),
        chip: Chip::new(Tone::Plain, "Active"),
        note: String::new(),
        told: "active",
        says: "active",
        age,
        why: Vec::new(),
        key: "key".to_owned(),
        is_held: false,
        reported: Reported {
            age,
            currency: "USDT".to_owned(),
            figures: vec![
                ("Exposure", money("18804.12")),
                ("PnL today, realised", gain("80.10")),
                ("PnL, unrealised", gain("-12.25")),
                ("Equity", money("100234.50")),
                ("Open orders", Figure::Count(Aged::new(Some(14), age))),
                ("of which entries", Figure::Count(Aged::new(age_s.filter(|s| *s < 60).map(|_| 9), age))),
            ],
            positions: Some(vec![position("BTC/USDT", "long", "−12.25"), position("ETH/USDT", "short", "+3.10")]),
            positions_more: 0,
            positions_rest: Some(("212".to_owned(), "1,204.50".to_owned())),
            bullet: Some((
                picture::bullet(Some(18_804.12), 25_000.0, "18,804.12 of 25,000.00 USDT"),
                "18,804.12 of 25,000.00 USDT".to_owned(),
            )),
            trail: picture::spark(&wave, None, "Exposure of the last ten minutes"),
        },
        venue: Some(reconciliation::Card { chip: Chip::new(Tone::Done, "Agrees"), words: "Agreed <now>, read with key 7.".to_owned() }),
        drill: Some(("idle after 412 ms (received 3 ms, applied 40 ms)".to_owned(), now, "/holds/0193".to_owned())),
        emergency: "An emergency change is in force until 2026-11-24 03:12:07Z".to_owned(),
        drilled: Some((Chip::new(Tone::Done, "Passed"), "expires 2027-02-01 10:00:00Z".to_owned(), "/drills/0193".to_owned())),
        limits: vec![("Largest position".to_owned(), "25,000 USDT".to_owned())],
        limits_version: 7,
        limits_at: Some(now),
        limits_wait: false,
        limits_open: String::new(),
        place: place(),
        timings: Times::of(timings, Some(&AdapterSaid { name: "freqtrade".to_owned(), dies_with_agent: false }), None),
        agent: Some(AgentCard {
            name: "host-7".to_owned(),
            href: "/agents/1".to_owned(),
            chip: Chip::new(Tone::Plain, "Confirmed"),
            channel: "stream",
            age,
            build: "sha256:9f2c61d0a77b41f39f2c61d0a77b41f3".to_owned(),
            config: "not reported".to_owned(),
        }),
        golive: crate::web::pages::golive::stage::sample(Stage::Sandbox),
        start: Start::NotNeeded,
        steps: stage::steps(Stage::Sandbox, true),
        events: Some(events(now)),
        may: May { pause: true, start: true, edit: true, stage: true, enrol: true, kill: true, tighten: true, ask_limits: true },
        frame,
    }
}

fn held() -> Bot {
    let obstacle = |what: &str, who, venue_can_tell| Obstacle { what: what.to_owned(), who, venue_can_tell };
    let frame = Frame::sample("grid-07", "/bots/0193");
    let why = |words: &str, href: &str, who| Why { words: words.to_owned(), since: Some(frame.now), href: href.to_owned(), who };
    Bot {
        why: vec![
            why("Pause of the whole fleet, by M. Okafor: venue outage", "/holds/1", "whoever may release it"),
            why("Not started since it was last held", "", "a start, signed by an operator or lead of its team"),
        ],
        start: Start::Open(vec![
            obstacle("a pause on fleet by M. Okafor covers it", "whoever may release that hold", false),
            obstacle("its last stop is not acknowledged as applied", "wait for the agent", false),
        ]),
        chip: Chip::new(Tone::Critical, "Stop unconfirmed"),
        note: "agent says active".to_owned(),
        told: "halted",
        is_held: true,
        frame,
        ..bot(Some(94))
    }
}

fn ready() -> Bot {
    let what = "its agent cannot tell whether entry orders rest at the venue".to_owned();
    let look = Obstacle { what, who: "the signer looks at the venue and says so", venue_can_tell: true };
    Bot {
        start: Start::Open(vec![look]),
        chip: Chip::new(Tone::Open, "Waits for a start"),
        told: "halted",
        says: "halted",
        events: Some(Vec::new()),
        ..bot(Some(1))
    }
}

fn strange() -> Bot {
    let mut page = bot(None);
    page.agent = None;
    page.reported.positions = None;
    page.reported.bullet = None;
    page.limits = Vec::new();
    page.start = Start::Unknown;
    page.events = None;
    page.place = Place {
        objective: String::new(),
        deputy: String::new(),
        operators: Vec::new(),
        seat: None,
        keys: String::new(),
        blocked: Vec::new(),
        how: "",
        linked: Vec::new(),
    };
    page.golive = crate::web::pages::golive::stage::sample(Stage::Limited);
    page.limits_wait = true;
    page.limits_open = "/requests/7".to_owned();
    page.may = May { pause: false, start: false, edit: false, stage: false, enrol: false, kill: false, tighten: false, ask_limits: false };
    page
}

fn place() -> Place {
    Place {
        objective: "Earn the <spread>".to_owned(),
        deputy: "M. Okafor".to_owned(),
        operators: vec!["L. Sato".to_owned()],
        seat: Some("binance/grid-7 (test)".to_owned()),
        keys: "execution".to_owned(),
        blocked: vec!["SOL/USDT everywhere".to_owned()],
        how: "leaves that out and goes on elsewhere",
        linked: vec![(BotId::from_stored(samples::id(8)), "grid-07 hedge".to_owned())],
    }
}

fn choices() -> Vec<Choice> {
    ["arb", "grid"].map(|name| Choice { value: name.to_owned(), words: name.to_owned(), is_chosen: name == "grid" }).into()
}

fn new(problems: Problems) -> String {
    let typed = NewBot { name: "grid <7>".to_owned(), exits: "none".to_owned(), ..NewBot::default() };
    New { frame: Frame::sample("New bot", "/bots/new"), problems, typed, teams: choices(), owners: choices() }.render().unwrap()
}

fn moving(teams: Vec<Choice>, problems: Problems) -> String {
    let (id, name, team) = (samples::id(7), "grid-07".to_owned(), "arb".to_owned());
    Move { frame: Frame::sample("Move grid-07", "/bots/7/move"), problems, id, name, team, teams }.render().unwrap()
}

fn enrol(beside: Beside, who: Option<&'static str>) -> String {
    let mut frame = Frame::sample("Agent for grid-07", "/bots/7/enrol");
    frame.scripts = Scripts::Live;
    let command = "andon agent enrol --server https://andon.example --code - --dir ./grid-07-agent".to_owned();
    Enrol { frame, id: samples::id(7), name: "grid-07".to_owned(), command, beside, who }.render().unwrap()
}

/// Every drawing.
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let agent = || AgentId::from_stored(samples::id(500));
    let pending = Beside::Pending { agent: agent(), name: "host-7".to_owned(), fingerprint: "QK7M-2XWD".to_owned() };
    let confirmed = Beside::Confirmed { agent: agent(), name: "host-7".to_owned() };
    let drawn = |page: Bot| page.render().unwrap();
    let all = [
        ("bot", drawn(bot(Some(1)))),
        ("bot-held", drawn(held())),
        ("bot-ready", drawn(ready())),
        ("bot-strange", drawn(strange())),
        ("bot-new", new(Problems::none())),
        ("bot-new-wrong", new(Problems::one("name", "The name may hold letters, digits and a few signs only."))),
        ("bot-move", moving(choices(), Problems::one("team", "Choose a team."))),
        ("bot-move-nowhere", moving(Vec::new(), Problems::none())),
        ("bot-enrol", enrol(Beside::Nobody, None)),
        ("bot-enrol-pending", enrol(pending, None)),
        ("bot-enrol-confirmed", enrol(confirmed, Some("an operator (to sandbox) or a lead of the bot's team"))),
    ];
    let own: Vec<_> = all.map(|(name, page)| (name.to_owned(), page)).into();
    own.into_iter().chain(seat::samples()).chain(reconciliation::samples()).chain(fills::samples()).collect()
}
