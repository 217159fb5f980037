//! The page in several plights, drawn for the tests.

use super::{items, *};
use crate::domain::{
    checklist::{Item, shipped},
    golive::Shown,
};
use crate::web::{chip::Tone, samples as made};

fn standing(n: usize, item: &Item) -> Standing {
    let shown = Shown {
        item: item.name.clone(),
        said: "agent grid-07 is confirmed and says what runs".to_owned(),
        by: None,
        mark: None,
        until: None,
        files: Vec::new(),
    };
    match n % 3 {
        0 => Standing::Done(shown),
        1 => Standing::Open("nobody has answered for it".to_owned()),
        _ => Standing::Expired(shown),
    }
}

fn page(at: Stage, way: Way, problems: Problems) -> String {
    let list = shipped::template(Stage::Limited).unwrap();
    let is_wrong = !problems.is_empty();
    let lines = |(n, item): (usize, &Item)| {
        let is_sent = is_wrong && n == 11;
        let typed = if is_sent { Said { item: item.name.clone(), said: "typed".into(), link: String::new() } } else { Said::default() };
        items::sample(item, &standing(n, item), typed)
    };
    let side = |what: &str, mark| Side { what: what.to_owned(), approved: "sha256:0123".to_owned(), now: "sha256:<ba98>".to_owned(), mark };
    let is_up = matches!(at, Stage::Limited | Stage::Live);
    let now = made::now();
    let page = Page {
        frame: Frame::sample("grid-07 to stage limited", "/bots/7/golive"),
        problems,
        bot: ("/bots/7".to_owned(), "grid-07".to_owned()),
        id: made::id(7),
        stage: "limited",
        at: now,
        track: track::track(at),
        next: Next { words: "What is open below comes <next>.".into(), href: "/bots/7/seat/ask".into(), link: "Ask for a live subaccount" },
        summary: Summary { done: 21, of: 26, expired: 2, next: Some(("A stop drill passed".to_owned(), now.plus_ms(250_000_000))) },
        groups: vec![Group { name: "Stop path".to_owned(), lines: list.items.iter().enumerate().map(lines).collect() }],
        caps: "In this stage at most: a position of 10000.".to_owned(),
        history: vec![Past {
            at: now,
            by: "L. Sato".into(),
            words: "rollback_plan: written".into(),
            link: "https://wiki.example/".into(),
            files: files::sample(),
        }],
        may_mark: at != Stage::Retired,
        way,
        approval: ("1 approval: a lead of the team or risk; carried out at once".to_owned(), vec!["M. Okafor".to_owned()]),
        up: Up { stage: "limited".into(), on_drift: "pause".into(), why: "it is ready".into() },
        stops: "At worst it stops 35 s after a press.".to_owned(),
        so_far: is_up.then(|| SoFar {
            stage: at,
            since: now.plus_ms(-86_000_000),
            until: (at == Stage::Limited).then(|| now.plus_ms(86_000_000)),
            caps: if at == Stage::Limited { "a position of 10000".to_owned() } else { String::new() },
            on_drift: OnDrift::Pause.words(),
            ends: (at == Stage::Limited).then(|| vec![("Its key to trade".to_owned(), now.plus_ms(172_000_000))]),
            results: (at == Stage::Limited).then(|| vec![("Fills", "12: 7 bought, 5 sold".to_owned())]),
        }),
        sides: if is_up { vec![side("Build", "differs"), side("Configuration", ""), side("Limits", "allows no more")] } else { Vec::new() },
        differs: usize::from(is_up),
        emergency: (at == Stage::Limited).then(|| now.plus_ms(86_000_000)),
        request: "/requests/7".to_owned(),
    };
    page.render().unwrap()
}

/// Every drawing.
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let asked = |is_mine| {
        Way::Asked(Asked {
            href: "/requests/7".to_owned(),
            chip: Chip::new(Tone::Open, "Waits for approval"),
            by: "L. Sato".to_owned(),
            seats: OutOf { n: 0, of: 1 },
            until: made::now().plus_ms(86_000_000),
            is_mine,
        })
    };
    let none = Problems::none;
    let blocked =
        Way::Blocked(vec![("#item-agent".to_owned(), "Its <agent>: nobody looked".to_owned()), (String::new(), "no build".to_owned())]);
    let all = [
        ("golive", page(Stage::Sandbox, blocked, Problems::one("said", "Say what you looked at"))),
        ("golive-whole", page(Stage::Sandbox, Way::Open, none())),
        ("golive-asked", page(Stage::Sandbox, asked(false), none())),
        ("golive-approved", page(Stage::Sandbox, asked(true), none())),
        ("golive-read", page(Stage::Draft, Way::NotYours, none())),
        ("golive-limited", page(Stage::Limited, Way::NotNow("It is in stage limited already.".to_owned()), none())),
        ("golive-live", page(Stage::Live, Way::NotNow("It is in stage live.".to_owned()), none())),
        ("golive-retired", page(Stage::Retired, Way::NotNow("It is in stage retired.".to_owned()), none())),
    ];
    all.map(|(name, page)| (name.to_owned(), page)).into()
}
