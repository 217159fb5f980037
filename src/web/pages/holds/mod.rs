//! Holds: what is held and by whom, and what was. `place` takes a press, `receipt` shows how far one has come.

pub mod evidence;
pub mod live;
pub mod place;
pub mod receipt;

use crate::app::App;
use crate::authz::Actor;
use crate::domain::{Hold, Level, Step, Timestamp};
use crate::fleet::{BotReceipt, Receipt};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::Person,
    format::{OutOf, duration},
    frame,
    page::Frame,
};
use askama::Template;
use axum::extract::State;

/// `Pause of the whole fleet`.
pub fn title(app: &App, hold: &Hold) -> String {
    format!("{} of {}", noun(hold.level), frame::scope_words(app, &hold.scope))
}

fn noun(level: Level) -> &'static str {
    super::pause::verb(level)
}

/// A hold that stands.
pub(super) struct Active {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) at: Timestamp,
    /// What else is to be known of it: a drill's, not before when it may be released, pressed with others.
    pub(super) notes: Vec<String>,
    pub(super) age: String,
    pub(super) idle: OutOf,
    pub(super) chip: Chip,
}

/// A hold that is over.
pub(super) struct Past {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) by: String,
    pub(super) at: Timestamp,
    pub(super) lasted: String,
    pub(super) released_by: String,
    pub(super) released_at: Timestamp,
    pub(super) why: String,
}

#[derive(Template)]
#[template(path = "holds.html")]
pub(super) struct Holds {
    pub(super) frame: Frame,
    pub(super) active: Vec<Active>,
    pub(super) past: Vec<Past>,
    /// The database did not answer: what is over is not known.
    pub(super) past_is_unknown: bool,
}

/// Active holds, then past ones.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    let frame = frame::of(&app, &person.visitor, "Holds").await;
    let view = app.fleet.view();
    let mut open: Vec<&Hold> = view.open_holds().map(AsRef::as_ref).collect();
    open.sort_by_key(|hold| std::cmp::Reverse(hold.at));
    let active = open.into_iter().map(|hold| active(&app, &person.actor, hold, frame.now)).collect::<Result<_, _>>()?;
    let past = app.past_holds(&person.actor).await;
    let past_is_unknown = past.is_err();
    let past = past.unwrap_or_default().iter().filter_map(|hold| past_line(&app, hold)).collect();
    frame::page(&Holds { frame, active, past, past_is_unknown })
}

fn active(app: &App, actor: &Actor, hold: &Hold, now: Timestamp) -> Result<Active, crate::app::AppError> {
    let receipt = app.receipt_from_memory(actor, hold)?;
    let chip = chip(receipt::Killed::of(app, &receipt).as_ref(), &receipt);
    Ok(Active {
        href: format!("/holds/{}", hold.id),
        title: title(app, hold),
        by: hold.placed_by.name.clone(),
        why: hold.why.clone(),
        at: hold.at,
        notes: notes(app, hold, now),
        age: duration(now.ms_since(hold.at)),
        idle: OutOf { n: receipt.reached(Step::Idle), of: receipt.total() },
        chip,
    })
}

/// How far a hold has come, in the words of its receipt: the worst of it.
fn chip(killed: Option<&receipt::Killed>, receipt: &Receipt) -> Chip {
    let of = |test: fn(&BotReceipt) -> bool| receipt.bots.iter().filter(|bot| test(bot)).count();
    let unconfirmed = of(|bot| bot.unconfirmed);
    let applied = of(|bot| bot.step() == Step::Applied);
    match receipt.total() {
        0 => Chip::new(Tone::Plain, "No bot to tell"),
        _ if unconfirmed > 0 => Chip::new(Tone::Critical, format!("{unconfirmed} unconfirmed")),
        _ if killed.is_some_and(|killed| !killed.resting.is_empty()) => Chip::new(Tone::Critical, "Orders rest"),
        _ if receipt.is_complete() => Chip::new(Tone::Done, "All idle"),
        all if all == applied + receipt.reached(Step::Idle) => Chip::new(Tone::Low, format!("{applied} orders unknown")),
        _ => Chip::new(Tone::Plain, "On its way"),
    }
}

fn notes(app: &App, hold: &Hold, now: Timestamp) -> Vec<String> {
    let view = app.fleet.view();
    let beside = hold.press.as_ref().map_or(0, |press| view.open_holds().filter(|other| other.press.as_ref() == Some(press)).count());
    let drill = hold.is_drill().then(|| "a drill".to_owned());
    let not_before = hold.not_before.filter(|at| *at > now).map(|at| format!("not to be released before {}", at.plain()));
    let with = (beside > 1).then(|| format!("one of {beside} pressed together, each released on its own"));
    drill.into_iter().chain(not_before).chain(with).collect()
}

fn past_line(app: &App, hold: &Hold) -> Option<Past> {
    let release = hold.released.as_ref()?;
    Some(Past {
        href: format!("/holds/{}", hold.id),
        title: title(app, hold),
        by: hold.placed_by.name.clone(),
        at: hold.at,
        lasted: duration(release.at.ms_since(hold.at)),
        released_by: app.people().who(&release.by),
        released_at: release.at,
        why: release.why.clone(),
    })
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let now = samples::now();
    let page =
        |active, past, past_is_unknown| Holds { frame: Frame::sample("Holds", "/holds"), active, past, past_is_unknown }.render().unwrap();
    let open = |n: usize, chip: Chip, why: &str| Active {
        href: format!("/holds/{}", samples::id(n)),
        title: "Pause of team market-making".to_owned(),
        by: "M. Okafor".to_owned(),
        why: why.to_owned(),
        at: now.plus_ms(-1_260_000),
        notes: vec!["a drill".to_owned(), "one of 3 pressed together, each released on its own".to_owned()],
        age: "21 min".to_owned(),
        idle: OutOf { n: 37, of: 40 },
        chip,
    };
    let over = || Past {
        href: format!("/holds/{}", samples::id(9)),
        title: "Reduce of bot grid-07".to_owned(),
        by: "agent grid-07".to_owned(),
        at: now.plus_ms(-90_000_000),
        lasted: "22 min".to_owned(),
        released_by: "L. Sato".to_owned(),
        released_at: now.plus_ms(-88_000_000),
        why: "limits were checked".to_owned(),
    };
    let mut all = receipt::samples();
    all.extend([
        (
            "holds".to_owned(),
            page(
                vec![open(1, Chip::new(Tone::Critical, "2 unconfirmed"), ""), open(2, Chip::new(Tone::Done, "All idle"), "venue outage")],
                vec![over(), over()],
                false,
            ),
        ),
        ("holds-none".to_owned(), page(Vec::new(), vec![over()], false)),
        ("holds-unknown".to_owned(), page(Vec::new(), Vec::new(), true)),
    ]);
    all
}
