//! The fields of the forms of limits: one per setting that a level has, the same for tightening and for asking.

use super::{Typed, typed_as};
use crate::domain::{
    Level,
    limits::{Check, Limits, Node, Setting, setting::breach_name},
};
use crate::web::problems::Problems;

/// A setting of the form.
pub(in crate::web::pages) struct Field {
    pub(in crate::web::pages) name: &'static str,
    pub(in crate::web::pages) words: String,
    pub(in crate::web::pages) hint: String,
    pub(in crate::web::pages) typed: String,
    pub(in crate::web::pages) problem: String,
}

/// What the breach of a limit does.
pub(in crate::web::pages) struct Choice {
    pub(in crate::web::pages) name: &'static str,
    pub(in crate::web::pages) words: &'static str,
    /// What this level says, or would without it.
    pub(in crate::web::pages) now: String,
    pub(in crate::web::pages) typed: String,
    pub(in crate::web::pages) problem: String,
}

/// The numbers, symbols, hours and currency of a level.
pub(in crate::web::pages) fn fields((node, own): (&Node, &Limits), typed: &Typed, (problems, currency): (&Problems, &str)) -> Vec<Field> {
    let others = [Setting::Symbols, Setting::Hours, Setting::Currency];
    let settings = node.numbers().map(Setting::Number).chain(others.into_iter().filter(|setting| node.has(setting.name())));
    let field = |setting: Setting| {
        let meaning = match setting {
            Setting::Number(named) => named.meaning(currency),
            Setting::Symbols => "With commas between them. A symbol that is not listed is refused.".to_owned(),
            Setting::Hours => "UTC, days from Monday: 1-5 08:00-16:00; 6 10:00-12:00. None set is always.".to_owned(),
            Setting::Currency => "What amounts are in. A bot that reports in another one is not measured by them.".to_owned(),
            Setting::Breach(_) => String::new(),
        };
        let stands = match (own.plain(setting.name()), setting) {
            (Some(stands), Setting::Number(_)) => format!("Now {stands}; a smaller one tightens."),
            (Some(stands), _) => format!("Now {stands}."),
            (None, _) => "Not set.".to_owned(),
        };
        Field {
            name: setting.name(),
            words: setting.words(),
            hint: format!("{meaning} {stands}"),
            typed: typed_as(typed, setting.name()),
            problem: problems.of(setting.name()).to_owned(),
        }
    };
    settings.map(field).collect()
}

/// What breaches do on a level.
pub(in crate::web::pages) fn choices((node, own): (&Node, &Limits), typed: &Typed, problems: &Problems) -> Vec<Choice> {
    let choice = |check: Check| {
        let name = breach_name(check);
        let now = own.plain(name).map_or_else(
            || format!("{} unless another level is stricter", does(check.usual_level())),
            |level| level.parse().map_or(level, |level| does(level).to_owned()),
        );
        Choice { name, words: check.words(), now, typed: typed_as(typed, name), problem: problems.of(name).to_owned() }
    };
    node.checks().map(choice).collect()
}

/// What a level of hold is called here.
pub(in crate::web::pages) fn does(level: Level) -> &'static str {
    match level {
        Level::Reduce => "reduce",
        Level::Pause => "pause",
        Level::Kill => "kill",
    }
}
