//! Made-up bots and stops for the tests that draw pages, and one test that draws them all. With `ANDON_KIT=DIR` it writes them for looking at.

use super::{
    assets,
    chip::{Chip, Tone},
    format::{Age, Aged, Amount, Gain},
    page::{Frame, Theme},
    picture,
    roster::BotLine,
};
use crate::domain::{
    BotFacts, BotId, Epoch, Exits, Hold, HoldId, Level, Limits, PlacedBy, PlacerKind, Scope, Stage, State, TeamId, Timestamp, Timings,
    UserId,
};
use crate::fleet::{BotReceipt, Receipt};
use std::sync::Arc;

/// Ids that are the same in every drawing.
pub fn id(n: usize) -> String {
    format!("0193f0a0-0000-7000-8000-{n:012}")
}

/// Names of a fleet of forty.
pub fn names() -> Vec<(String, &'static str)> {
    let of = |n: usize| match n % 3 {
        0 => ("arb", "arb"),
        1 => ("grid", "grid"),
        _ => ("mm", "market-making"),
    };
    (0..40).map(|n| (format!("{}-{:02}", of(n).0, n / 3 + 1), of(n).1)).collect()
}

/// A bot in stage `sandbox`.
pub fn bot(n: usize, name: &str) -> BotFacts {
    BotFacts {
        id: BotId::from_stored(id(n)),
        name: name.to_owned(),
        team: TeamId::from_stored(id(900 + n % 3)),
        strategy: "grid".to_owned(),
        owner: UserId::from_stored(id(800)),
        stage: Stage::Sandbox,
        exits: Exits::Managed,
        timings: Timings::default(),
        limits: Limits::default(),
        limits_waiting: false,
        limits_at: Timestamp(0),
        seat: None,
        start_epoch: Epoch(5),
        run: None,
        stop: None,
        fact_epoch: Epoch(5),
    }
}

/// A line of a list, as it stands `age_s` seconds after its agent's last word.
pub fn line(n: usize, chip: Chip, note: &str, age_s: Option<i64>) -> BotLine {
    let now = Frame::sample("", "").now;
    let (name, team) = names().swap_remove(n % 40);
    let timings = Timings::default();
    let age = Age::new(age_s.map(|s| now.plus_ms(-s * 1_000)), now, timings);
    let whole = 4_000 + n * 7_919 % 90_000;
    let wave: Vec<_> = (0..60).map(|i| (age_s.is_some()).then(|| ((i * (n + 3) * 37) % 23) as f64 + (i as f64) / 3.0)).collect();
    let is_trouble = !matches!(chip.tone, Tone::Plain | Tone::Held | Tone::Open);
    BotLine {
        id: BotId::from_stored(id(n)),
        name,
        is_trouble,
        chip,
        note: note.to_owned(),
        team: team.to_owned(),
        team_id: TeamId::from_stored(id(900 + n % 3)),
        exposure: Aged::new(Some(Amount(format!("{whole}.{:02}", n * 13 % 100))), age),
        currency: "USDT".to_owned(),
        pnl: Aged::new(Some(Gain(format!("{}{}.{:02}", if n % 3 == 1 { "-" } else { "" }, n * 31 % 400, n * 17 % 100))), age),
        trail: if age_s.is_some() { picture::spark(&wave, None, "Exposure of the last ten minutes") } else { super::html::Html::default() },
        stops_within: "35 s".to_owned(),
        age,
    }
}

/// A pause of the whole fleet, pressed 12 s ago.
pub fn hold() -> Hold {
    let now = Frame::sample("", "").now;
    Hold {
        id: HoldId::from_stored(id(700)),
        scope: Scope::Fleet,
        level: Level::Pause,
        why: String::new(),
        placed_by: PlacedBy { kind: PlacerKind::User, id: id(801), name: "M. Okafor".to_owned(), as_risk: false },
        at: now.plus_ms(-12_000),
        epoch: Epoch(412),
        released: None,
        late: false,
        idempotency_key: "k".to_owned(),
        origin: None,
        entry: Some(99),
        not_before: None,
        press: None,
    }
}

/// Its receipt over so many bots, of which so many are not idle yet.
pub fn receipt(of: usize, waiting: usize) -> Receipt {
    let now = Frame::sample("", "").now;
    let bots = (0..of).map(|n| {
        let is_done = n >= waiting;
        let step = |ms: i64, reached: bool| reached.then_some(ms + (n as i64 * 37) % 400);
        BotReceipt {
            bot: Arc::new(bot(n, &names()[n % 40].0)),
            received_ms: step(90, is_done || n % 3 != 0),
            applied_ms: step(900, is_done),
            idle_ms: step(1_400, is_done),
            verified_ms: step(1_900, is_done && n % 4 == 0),
            entry_orders: is_done.then_some(0),
            doing: is_done.then_some(State::Halted),
            unconfirmed: !is_done && n % 3 != 2,
            worst_case_ms: 35_000,
            seen_at: Some(now.plus_ms(if n % 3 == 0 && !is_done { -14_000 } else { -800 })),
        }
    });
    Receipt { hold: hold(), bots: bots.collect(), at: now }
}

/// Every page, drawn from samples: a name and the page.
fn all() -> Vec<(String, String)> {
    use super::pages::{
        agents, audit, bots, checklists, emergency, first_run, fleet, golive, holds, keys, kill, limits, own_keys, pause, policies,
        recover, register, requests, staged, starts, stop_device, team, venues,
    };
    let stopping =
        [fleet::samples(), team::samples(), pause::samples(), kill::samples(), venues::samples(), stop_device::samples(), holds::samples()];
    let others = [
        bots::samples(),
        starts::samples(),
        agents::samples(),
        audit::samples(),
        first_run::samples(),
        checklists::samples(),
        emergency::samples(),
        golive::samples(),
        own_keys::samples(),
        recover::samples(),
        register::samples(),
        staged::samples(),
        requests::samples(),
        keys::samples(),
        limits::samples(),
        policies::samples(),
    ];
    stopping.into_iter().chain(others).flatten().collect()
}

#[test]
fn every_page_draws_once_and_keeps_the_house_rules() {
    for (name, page) in all() {
        assert!(page.starts_with("<!doctype html>"), "{name}");
        assert!(
            !["&lt;span", "&#60;span", "&#60;time", "&#60;svg", "&amp;lt;", "&#38;#"].iter().any(|twice| page.contains(twice)),
            "{name}: escaped twice"
        );
        assert!(!page.contains("{{") && !page.contains("{%"), "{name}: a template is left");
        for (at, _) in page.match_indices("<form") {
            let form = &page[at..at + page[at..].find("</form>").unwrap_or_else(|| panic!("{name}: a form without an end"))];
            let is_post = form.starts_with("<form") && form.split('>').next().unwrap().contains("method=\"post\"");
            assert_eq!(is_post, form.contains("name=\"csrf\""), "{name}: a post carries the token, a get does not: {form}");
        }
        for rest in page.split("<button").skip(1) {
            let (tag, inside) = rest.split_once('>').unwrap();
            let words = inside.split("</button>").next().unwrap();
            let is_fire = tag.contains("class=\"stop")
                || tag.contains("class=\"part")
                || tag.contains("class=\"btn main")
                || tag.contains("class=\"btn dear");
            let opens = words.contains('…');
            if is_fire && !opens {
                assert!(words.chars().any(|c| c.is_ascii_digit()), "{name}: a button that acts says how many: {words}");
            }
        }
        let ids: Vec<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "{name}: an id stands twice");
        let rows = page.matches("<tr").count();
        assert!(rows <= 230, "{name}: {rows} rows");
    }
    if let Ok(folder) = std::env::var("ANDON_KIT") {
        write(std::path::Path::new(&folder));
    }
}

/// Writes every page in both themes with the assets beside them.
fn write(folder: &std::path::Path) {
    for (name, page) in all() {
        let page = page.replace("\"/assets/", "\"assets/");
        for theme in [Theme::Light, Theme::Dark] {
            let word = if theme == Theme::Dark { "dark" } else { "light" };
            let page = page.replacen("<html lang=\"en\"", &format!("<html lang=\"en\" data-theme=\"{word}\""), 1);
            std::fs::write(folder.join(format!("{name}-{word}.html")), page).unwrap();
        }
    }
    for name in ["app.css", "app.js", "keys.js", "device.js", "htmx.min.js", "hx-sse.min.js", "favicon.svg"] {
        let file = folder.join(assets::url(name).trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, assets::bytes(name).unwrap()).unwrap();
    }
}

/// The time the samples live at.
pub fn now() -> Timestamp {
    Frame::sample("", "").now
}
