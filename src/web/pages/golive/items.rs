//! The items of a checklist as they are shown: under their headings, what is expired or open first, with who answers, until when, and where it is
//! mended.

use super::files::{self, Link};
use crate::app::{
    App,
    golive::{ListView, files::FileRow, marks::Said},
};
use crate::domain::{
    BotFacts, Timestamp,
    checklist::{Item, Measure, Proof},
    golive::{Mark, Shown, Standing},
};
use crate::web::{
    chip::{Chip, Tone},
    problems::Problems,
};

/// An item as it is shown.
pub(super) struct Line {
    pub(super) item: Item,
    pub(super) chip: Chip,
    /// What was measured or said; of one that is open what is missing.
    pub(super) said: String,
    /// Where it can be looked at; empty: nowhere.
    pub(super) link: String,
    /// Who answers for it, or who may.
    pub(super) who: String,
    pub(super) until: Option<Timestamp>,
    pub(super) files: Vec<Link>,
    /// Where the system would find it so: an address and a word; empty: not to be mended on another page.
    pub(super) mend: (String, &'static str),
    /// What stands in its form.
    pub(super) typed: Said,
    // What is expired comes first, what is done last.
    rank: u8,
}

impl Line {
    pub(super) fn is_for_people(&self) -> bool {
        self.item.proof != Proof::Measured
    }
    pub(super) fn is_done(&self) -> bool {
        self.rank == DONE
    }
    /// The id of a field of its form: the plain one where what is wrong leads there.
    pub(super) fn field(&self, name: &str) -> String {
        if self.typed.item.is_empty() { format!("{name}-{}", self.item.name) } else { name.to_owned() }
    }
    /// What is wrong with a field of its form.
    pub(super) fn problem<'p>(&self, problems: &'p Problems, field: &str) -> &'p str {
        if self.typed.item.is_empty() { "" } else { problems.of(field) }
    }
    /// What its form says of the link.
    pub(super) fn link_hint(&self) -> &'static str {
        if self.is_signed() { "https://…; may be empty." } else { "https://…; or choose files below: words alone are no evidence." }
    }
    pub(super) fn is_signed(&self) -> bool {
        self.item.proof == Proof::Attested
    }
}

/// Items under one heading.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
}

impl Group {
    pub(super) fn done(&self) -> usize {
        self.lines.iter().filter(|line| line.is_done()).count()
    }
}

const DONE: u8 = 2;

fn rank(standing: &Standing) -> u8 {
    match standing {
        Standing::Expired(_) => 0,
        Standing::Open(_) => 1,
        Standing::Done(_) => DONE,
    }
}

/// How an item stands, in a word.
pub(super) fn chip(standing: &Standing) -> Chip {
    match standing {
        Standing::Done(_) => Chip::new(Tone::Done, "Done"),
        Standing::Open(_) => Chip::new(Tone::Open, "Open"),
        Standing::Expired(_) => Chip::new(Tone::High, "Expired"),
    }
}

/// Who may show that it is so, and how long that holds.
fn takes(item: &Item) -> String {
    let how = match item.proof {
        Proof::Measured => return "The system looks".to_owned(),
        Proof::Attested => "An operator or lead of its team, or risk, answers for it with a security key",
        Proof::Evidence => "An operator or lead of its team, or risk, puts evidence down",
    };
    let days = if item.valid_days == 1 { "1 day".to_owned() } else { format!("{} days", item.valid_days) };
    let build = if item.of_build { ", and for the build and configuration that run then" } else { "" };
    format!("{how}. It holds for {days}{build}")
}

/// Who showed that it is so, and when.
fn shown_by(app: &App, item: &Item, shown: &Shown, mark: Option<&Mark>) -> String {
    let Some(by) = &shown.by else { return "Measured by the system".to_owned() };
    let at = mark.map_or_else(String::new, |mark| format!(", {}", mark.at.plain()));
    match item.proof {
        Proof::Evidence => format!("Put down by {}{at}", app.people().who(by)),
        Proof::Attested | Proof::Measured => format!("{} answers for it, signed{at}", app.people().who(by)),
    }
}

/// Where what is measured can be seen to.
fn mend(bot: &BotFacts, measure: Measure) -> (String, &'static str) {
    let id = &bot.id;
    match measure {
        Measure::Agent | Measure::Instances => (format!("/bots/{id}/enrol"), "Its agent"),
        Measure::Subaccount => (format!("/bots/{id}/seat"), "Its subaccount"),
        Measure::Key | Measure::NoWithdrawal | Measure::StopPath => (format!("/keys?bot={id}"), "Its keys"),
        Measure::Account => (bot.seat.as_ref().map_or_else(|| "/venues".to_owned(), |seat| format!("/venues/{}", seat.venue)), "Its venue"),
        Measure::Limits | Measure::Caps | Measure::LimitsTaken => (format!("/bots/{id}/limits"), "Its limits"),
        Measure::Drill => ("/drills".to_owned(), "Drills"),
        Measure::Alert => ("/alerts".to_owned(), "Alerts"),
        Measure::People => ("/people".to_owned(), "People"),
        Measure::Accountable => (format!("/bots/{id}/edit"), "What the register says"),
        Measure::Reconciled => (format!("/bots/{id}/reconciliation"), "Beside its venue"),
        Measure::Record => (format!("/bots/{id}/fills"), "Its fills"),
    }
}

fn line(app: &App, bot: &BotFacts, (view, files): (&ListView, &[FileRow]), (item, standing): (&Item, &Standing), typed: &Said) -> Line {
    let of = |shown: &Shown| {
        let mark = shown.mark.as_ref().and_then(|id| view.history.iter().find(|mark| mark.id == *id));
        let said = mark.map_or_else(|| shown.said.clone(), |mark| mark.said.clone());
        let link = mark.and_then(|mark| mark.link.clone()).unwrap_or_default();
        (said, link, shown_by(app, item, shown, mark), shown.until)
    };
    let (said, link, who, until) = match standing {
        Standing::Done(shown) | Standing::Expired(shown) => of(shown),
        Standing::Open(why) => (crate::web::roster::sentence(why), String::new(), takes(item), None),
    };
    let mark = match standing {
        Standing::Done(shown) | Standing::Expired(shown) => shown.mark.as_ref(),
        Standing::Open(_) => None,
    };
    Line {
        item: item.clone(),
        chip: chip(standing),
        said,
        link,
        who,
        until,
        files: files::links(files, mark),
        mend: item.measure.map_or_else(|| (String::new(), ""), |measure| mend(bot, measure)),
        typed: if typed.item == item.name { typed.clone() } else { Said::default() },
        rank: rank(standing),
    }
}

/// The items of a list under their headings.
pub(super) fn groups(app: &App, bot: &BotFacts, (view, files): (&ListView, &[FileRow]), typed: &Said) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    for one in &view.checked {
        let line = line(app, bot, (view, files), (&one.item, &one.standing), typed);
        match all.iter_mut().find(|group| group.name == one.item.group) {
            Some(group) => group.lines.push(line),
            None => all.push(Group { name: one.item.group.clone(), lines: vec![line] }),
        }
    }
    all.iter_mut().for_each(|group| group.lines.sort_by_key(|line| line.rank));
    all
}

/// How a list stands as a whole.
pub(in crate::web::pages) struct Summary {
    pub(in crate::web::pages) done: usize,
    pub(in crate::web::pages) of: usize,
    pub(in crate::web::pages) expired: usize,
    /// What of it ends next, and when.
    pub(in crate::web::pages) next: Option<(String, Timestamp)>,
}

impl Summary {
    /// Of a list that was looked at.
    pub(in crate::web::pages) fn of(view: &ListView) -> Self {
        let ends = view.checked.iter().filter_map(|one| match &one.standing {
            Standing::Done(shown) => shown.until.map(|until| (one.item.words.clone(), until)),
            Standing::Open(_) | Standing::Expired(_) => None,
        });
        Self { done: view.done(), of: view.checked.len(), expired: view.expired(), next: ends.min_by_key(|(_, until)| *until) }
    }
    /// `21 of 26 done, 3 open, 2 expired`.
    pub(in crate::web::pages) fn words(&self) -> String {
        let open = self.of.saturating_sub(self.done + self.expired);
        let of = |n: usize, word: &str| if n == 0 { String::new() } else { format!(", {n} {word}") };
        format!("{} of {} done{}{}", self.done, self.of, of(open, "open"), of(self.expired, "expired"))
    }
}

#[cfg(test)]
pub(super) fn sample(item: &Item, standing: &Standing, typed: Said) -> Line {
    let said = match standing {
        Standing::Open(why) => why.clone(),
        Standing::Done(shown) | Standing::Expired(shown) => shown.said.clone(),
    };
    Line {
        item: item.clone(),
        chip: chip(standing),
        said,
        link: "https://wiki.example/<plan>".to_owned(),
        who: takes(item),
        until: Some(crate::web::samples::now().plus_ms(86_000_000)),
        files: files::sample(),
        mend: ("/drills".to_owned(), "Drills"),
        typed,
        rank: rank(standing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_summed_up_in_words() {
        let of = |done, of, expired| Summary { done, of, expired, next: None }.words();
        assert_eq!(of(21, 26, 2), "21 of 26 done, 3 open, 2 expired");
        assert_eq!([of(26, 26, 0), of(25, 26, 1)], ["26 of 26 done", "25 of 26 done, 1 expired"]);
    }
}
