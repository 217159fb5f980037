//! What was approved of a bot beside what is in force: everything that is compared, line by line, and in words what differs.

use crate::app::{App, golive::drift::is_bound};
use crate::domain::{
    BotFacts, KeyPurpose, Timestamp,
    golive::{ApprovedRun, Difference, HeldKey, InForce, Ran},
    limits::Setting,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// One thing that is compared.
pub(super) struct Side {
    pub(super) what: String,
    pub(super) approved: String,
    pub(super) now: String,
    /// How it differs, in words; empty: it does not.
    pub(super) mark: &'static str,
}

const DIFFERS: &str = "differs";

/// Every line; empty where nothing was approved and nothing has to be.
pub(super) fn sides(app: &App, bot: &BotFacts, differs: &[Difference], now: Timestamp) -> Vec<Side> {
    if !is_bound(bot.stage) {
        return Vec::new();
    }
    let mut all = Sides { differs, lines: Vec::new() };
    if let Some(run) = &bot.run {
        let force = app.in_force(bot);
        all.of_runs(run, force.runs.as_ref());
        all.of_instances(app, bot, run.runs_beside(force.runs.as_ref(), now));
        let place = force.place.as_ref().map_or_else(|| "none".to_owned(), |place| place.name.clone());
        all.add("Subaccount", run.dossier.place.name.clone(), place);
        all.of_keys(run, &force);
        all.add("Conduct", run.dossier.conduct.words(), force.conduct.words());
        all.of_limits(run, &force);
        if let Some(until) = run.until {
            let left = if until > now { "in force" } else { "over" };
            all.add(&format!("Time in stage {}", run.stage), format!("until {}", until.plain()), left.to_owned());
        }
    }
    all.rest()
}

struct Sides<'d> {
    differs: &'d [Difference],
    lines: Vec<Side>,
}

impl Sides<'_> {
    fn is_other(&self, what: &str) -> bool {
        self.differs.iter().any(|one| one.what == what)
    }

    fn add(&mut self, what: &str, approved: String, now: String) {
        let mark = if self.is_other(what) { DIFFERS } else { "" };
        self.lines.push(Side { what: what.to_owned(), approved, now, mark });
    }

    fn of_runs(&mut self, run: &ApprovedRun, runs: Option<&Ran>) {
        let approved = &run.dossier.runs;
        let is_silent = self.is_other("What it runs");
        let said = |pick: fn(&Ran) -> &String| runs.map_or_else(|| "not said".to_owned(), |runs| pick(runs).clone());
        for (what, pick) in [("Build", (|ran| &ran.build) as fn(&Ran) -> &String), ("Configuration", |ran| &ran.config)] {
            let mark = if is_silent || self.is_other(what) { DIFFERS } else { "" };
            self.lines.push(Side { what: what.to_owned(), approved: pick(approved).clone(), now: said(pick), mark });
        }
    }

    fn of_instances(&mut self, app: &App, bot: &BotFacts, approved: &Ran) {
        let seen = app.book.seen(&bot.id);
        let instances = seen.as_ref().map(|seen| seen.instances.clone()).unwrap_or_default();
        if instances.is_empty() {
            self.add("Instances", "all run that".to_owned(), "one, which its agent speaks of".to_owned());
        }
        for one in instances.iter() {
            let is_same = one.ran == *approved;
            let ran = if is_same { "that".to_owned() } else { format!("{}\n{}", one.ran.build, one.ran.config) };
            let mark = if is_same { "" } else { DIFFERS };
            self.lines.push(Side {
                what: format!("Instance {}", one.name),
                approved: "runs that".to_owned(),
                now: format!("runs {ran}"),
                mark,
            });
        }
    }

    fn of_keys(&mut self, run: &ApprovedRun, force: &InForce) {
        let purposes: BTreeSet<KeyPurpose> = run.dossier.keys.keys().chain(force.keys.keys()).copied().collect();
        let words =
            |key: Option<&HeldKey>| key.map_or_else(|| "none".to_owned(), |key| format!("in use, approved {}", key.approved_at.plain()));
        for purpose in purposes {
            let (approved, now) = (run.dossier.keys.get(&purpose), force.keys.get(&purpose));
            self.add(&format!("Key {}", purpose.words()), words(approved), words(now));
        }
    }

    fn of_limits(&mut self, run: &ApprovedRun, force: &InForce) {
        let version = |version: i64| format!("version {version}");
        let (approved, now) = (run.dossier.limits_version, force.limits_version);
        let mark = match () {
            () if self.is_other("Limits") => DIFFERS,
            () if approved != now => "allows no more",
            () => "",
        };
        self.lines.push(Side { what: "Limits".to_owned(), approved: version(approved), now: version(now), mark });
        let names: BTreeSet<&String> = run.limits.keys().chain(force.limits.keys()).collect();
        let text = |value: Option<&Value>| match value {
            None => "not set".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        for name in names.into_iter().filter(|name| run.limits.get(*name) != force.limits.get(*name)) {
            let words = Setting::of(name).map_or_else(|| name.clone(), |setting| setting.words());
            let (approved, now) = (text(run.limits.get(name)), text(force.limits.get(name)));
            self.lines.push(Side { what: format!("Limit: {words}"), approved, now, mark: "another value" });
        }
    }

    /// With what no line of these stands for: an item whose time is over, a cap.
    fn rest(self) -> Vec<Side> {
        let Self { differs, mut lines } = self;
        let is_shown = |what: &str| what == "What it runs" || lines.iter().any(|line| line.what == what && !line.mark.is_empty());
        let left: Vec<Side> = differs
            .iter()
            .filter(|one| !is_shown(&one.what))
            .map(|one| Side { what: one.what.clone(), approved: one.approved.clone(), now: one.now.clone(), mark: DIFFERS })
            .collect();
        lines.extend(left);
        // What differs is read first.
        lines.sort_by_key(|line| line.mark != DIFFERS);
        lines
    }
}
