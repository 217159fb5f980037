//! Draws every part once, so that each macro compiles and keeps its promises. With `ANDON_KIT=DIR` it writes the pages for looking at.

use super::{
    assets,
    chip::{Chip, Tone},
    format::{self, Age, Aged, Amount, Gain, OutOf},
    html::Html,
    icon::Icon,
    page::{Frame, PauseControl, Scripts, Theme},
    picture,
    problems::Problems,
};
use crate::domain::{Step, Timings};
use askama::Template;

struct Row {
    name: &'static str,
    chip: Chip,
    exposure: Aged<Amount>,
    pnl: Aged<Gain>,
    spark: Html,
}

struct StepCount {
    name: &'static str,
    count: OutOf,
    words: String,
}

struct Meter {
    idle: OutOf,
    word: String,
    bound: String,
    cells: Html,
    steps: Vec<StepCount>,
}

#[derive(Template)]
#[template(path = "kit.html")]
struct Kit {
    frame: Frame,
    problems: Problems,
    active: Aged<usize>,
    held: Aged<usize>,
    unconfirmed: Aged<usize>,
    exposure: Aged<Amount>,
    rows: Vec<Row>,
    chips: Vec<Chip>,
    meter: Meter,
    bullet: Html,
}

fn kit(frame: Frame) -> Kit {
    let now = frame.now;
    let age = |seconds: i64| Age::new(Some(now.plus_ms(-seconds * 1_000)), now, Timings::default());
    let amount = |text: &str| Some(Amount(text.to_owned()));
    let wave: Vec<_> = (0..24).map(|i| (i % 9 != 5).then(|| f64::from(i * 37 % 23))).collect();
    let row = |name, chip, exposure: &str, pnl: &str, age| Row {
        name,
        chip,
        exposure: Aged::new(amount(exposure), age),
        pnl: Aged::new(Some(Gain(pnl.to_owned())), age),
        spark: picture::spark(&wave, Some(25.0), "Exposure of the last 24 hours"),
    };
    let mut problems = Problems::one("name", "Enter a name without spaces");
    problems.add("why", "Enter a reason");
    let of = |n| OutOf { n, of: 40 };
    let step = |name, n, words: &str| StepCount { name, count: of(n), words: words.to_owned() };
    let bots = (0..40).map(|i| match i {
        7 => (Step::Requested, true),
        22 => (Step::Received, false),
        31 => (Step::Applied, false),
        _ => (Step::Idle, false),
    });
    Kit {
        problems,
        active: Aged::new(Some(1_914), Age::fresh(now)),
        held: Aged::new(Some(40), Age::fresh(now)),
        unconfirmed: Aged::new(Some(1), Age::fresh(now)),
        exposure: Aged::new(amount("18804.12"), age(2)),
        rows: vec![
            row("mm-12", Chip::new(Tone::Critical, "Stop unconfirmed"), "184804.12", "-193.23", age(1)),
            row("arb-07", Chip::new(Tone::NoData, "No data 94 s"), "13718.88", "1276.61", age(94)),
            row("grid-btc", Chip::new(Tone::High, "Rejects high"), "59635.09", "65.16", age(3)),
            row("trend-eth-perp-long", Chip::new(Tone::NoData, "Never seen"), "", "0.00", Age::new(None, now, Timings::default())),
        ],
        chips: vec![
            Chip::new(Tone::Plain, "Active"),
            Chip::new(Tone::Done, "Idle"),
            Chip::new(Tone::Held, "Held"),
            Chip::new(Tone::Open, "Waits for a start"),
            Chip::new(Tone::Critical, "Stop unconfirmed"),
            Chip::new(Tone::High, "Agent ahead"),
            Chip::new(Tone::Low, "No spare key"),
            Chip::new(Tone::NoData, "No data 94 s"),
        ],
        meter: Meter {
            idle: of(37),
            word: "bots idle".to_owned(),
            bound: "3 outstanding".to_owned(),
            cells: picture::cells(&bots.collect::<Vec<_>>()),
            steps: vec![
                step("Requested", 40, "03:12:07.120Z"),
                step("Received", 39, "last after 212 ms"),
                step("Applied", 38, "last after 1.4 s"),
                step("Idle", 37, "last after 4.1 s"),
            ],
        },
        bullet: picture::bullet(Some(18_804.12), 25_000.0, "Exposure 18,804 of 25,000 USDT"),
        frame,
    }
}

fn draw(frame: Frame) -> String {
    kit(frame).render().unwrap()
}

#[test]
fn every_part_draws_and_says_what_it_must() {
    let page = draw(Frame::sample("Fleet", "/fleet"));
    for part in [
        r#"<a class="skip" href="/pause#go">Pause bots</a>"#,
        "HELD",
        "37/40 idle",
        "There is a problem",
        "Enter a name without spaces",
        "P1 Stop unconfirmed",
        "not known",
        "1,914",
        "andon stop --all",
        "+1 555 0100",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains("&lt;span"), "markup was escaped twice");
    assert!(page.find("Pause bots").unwrap() < page.find("Skip to content").unwrap());
    if let Ok(folder) = std::env::var("ANDON_KIT") {
        write_all(std::path::Path::new(&folder));
    }
}

#[test]
fn the_pause_page_has_no_script_and_nothing_where_the_opener_lay() {
    let frame = Frame { scripts: Scripts::None, pause: PauseControl::Inert, ..Frame::sample("Pause bots", "/pause") };
    let page = draw(frame);
    assert!(!page.contains("<script"));
    assert!(page.contains(r#"<span class="inert">"#) && !page.contains(r#"id="pause""#));
}

#[test]
fn a_live_page_says_when_it_does_not_update() {
    let page = draw(Frame { scripts: Scripts::Live, ..Frame::sample("Fleet", "/fleet?team=a&b") });
    for part in ["htmx.min.js", "hx-sse.min.js", "Live updates lost", "does not update by itself", r#"href="/fleet?team=a&#38;b""#] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn without_a_person_there_is_no_menu_and_no_pause() {
    let page = draw(Frame::new("Sign in", "/sign-in", Frame::sample("", "").now));
    assert!(!page.contains("<nav class=\"nav\"") && !page.contains("/pause#go") && !page.contains("Sign out"));
}

/// Writes the kit in both themes with the style sheet beside it.
fn write_all(folder: &std::path::Path) {
    for (name, theme, scripts) in [("light", Theme::Light, Scripts::Live), ("dark", Theme::Dark, Scripts::Keys)] {
        let page = draw(Frame { theme, scripts, is_demo: true, ..Frame::sample("Fleet", "/fleet") });
        let page = page.replace("\"/assets/", "\"assets/");
        std::fs::write(folder.join(format!("kit-{name}.html")), page).unwrap();
    }
    for name in ["app.css", "app.js", "keys.js", "htmx.min.js", "hx-sse.min.js", "favicon.svg"] {
        let file = folder.join(assets::url(name).trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, assets::bytes(name).unwrap()).unwrap();
    }
}
