//! The live part of the fleet page and of a team's page: the figures, the cells of the rows on screen, when each agent was last heard, the
//! strip of what is held, and whether anything else needs attention meanwhile. Rows never move and never come or go.

use super::fleet::{self, Figures};
use crate::app::{App, AppError, listings::BotRow};
use crate::authz::Actor;
use crate::domain::{BotId, TeamId};
use crate::web::{
    Shared,
    extract::Person,
    format,
    frame::HeldPart,
    live::{self, Door, Feed, Sent},
    roster::BotLine,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    response::{Response, sse::Event},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The rows on screen, as the page names them.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    team: String,
    // How many of them, from the top, need attention; none when the list is narrowed so that the others are not missed here.
    first: Option<usize>,
    bots: String,
}

/// Streams the page's figures and cells.
pub async fn stream(State(app): Shared, person: Person, Query(asked): Query<Asked>, door: Door) -> Response {
    let shown: Vec<BotId> = asked.bots.split(',').take(fleet::ROWS).filter_map(|id| BotId::parse(id).ok()).collect();
    let feed = FleetFeed {
        team: TeamId::parse(&asked.team).ok(),
        attention: asked.first.map(|first| shown.iter().take(first).cloned().collect()),
        shown,
        sent: Sent::default(),
        heard: HashMap::new(),
    };
    door.open(&app, &person.visitor, feed)
}

struct FleetFeed {
    team: Option<TeamId>,
    shown: Vec<BotId>,
    attention: Option<HashSet<BotId>>,
    sent: Sent,
    heard: HashMap<BotId, i64>,
}

#[derive(Template)]
#[template(path = "live/figures.html")]
struct FiguresPart {
    figures: Figures,
}

#[derive(Template)]
#[template(path = "live/cells.html")]
struct Cells<'a> {
    line: &'a BotLine,
    cell: &'static str,
}

impl Feed for FleetFeed {
    async fn news(&mut self, app: &Arc<App>, actor: &Actor) -> Result<Vec<Event>, AppError> {
        let now = app.clock.now();
        let rows = app.bot_rows(actor)?;
        let of_scope = || rows.iter().filter(|row| self.team.as_ref().is_none_or(|team| row.bot.team == *team));
        let figures = Figures::of(of_scope(), now);
        let mut text = FiguresPart { figures }.render().map_err(AppError::internal)?;
        let changed = self.attention.as_ref().map(|attention| {
            let differs =
                |trouble: bool| of_scope().filter(|row| (row.rank < 9) == trouble && attention.contains(&row.bot.id) != trouble).count();
            changes(differs(true), differs(false))
        });
        let by_id: HashMap<&BotId, &BotRow> = rows.iter().map(|row| (&row.bot.id, row)).collect();
        let mut add = |id: &str, inside: String| {
            if self.sent.is_news(id, &inside) {
                text.push_str(&live::part(id, inside));
            }
        };
        add("news", changed.unwrap_or_default());
        add("held", HeldPart::of(app, actor).render().map_err(AppError::internal)?);
        add("asof", format!("as of {}", format::time_ago(now, now)));
        for team in app.people().teams().into_iter().filter(|team| self.team.as_ref().is_none_or(|own| *own == team.id)) {
            add(&format!("g-{}", team.id), fleet::summary(rows.iter().filter(|row| row.bot.team == team.id), now));
        }
        let mut heard = serde_json::Map::new();
        for row in self.shown.iter().filter_map(|id| by_id.get(id)) {
            let line = BotLine::of(app, row, now);
            for (prefix, cell) in [("s", "state"), ("x", "exposure"), ("p", "pnl")] {
                add(&format!("{prefix}-{}", line.id), Cells { line: &line, cell }.render().map_err(AppError::internal)?);
            }
            if let Some(at) = line.age.at().map(|at| at.0 / 1_000).filter(|at| self.heard.get(&line.id) != Some(at)) {
                heard.insert(line.id.to_string(), at.into());
                self.heard.insert(line.id.clone(), at);
            }
        }
        let heard = serde_json::Value::Object(heard).to_string();
        Ok(vec![live::swap(&text), Event::default().event("heard").data(heard)])
    }
}

/// What changed about who needs attention since the page was loaded.
fn changes(more: usize, quiet: usize) -> String {
    let needs = |n: usize| if n == 1 { "1 more bot needs attention".to_owned() } else { format!("{n} more bots need attention") };
    let rests = |n: usize| if n == 1 { "1 bot here does not any more".to_owned() } else { format!("{n} bots here do not any more") };
    let words = match (more, quiet) {
        (0, 0) => return String::new(),
        (more, 0) => needs(more),
        (0, quiet) => rests(quiet),
        (more, quiet) => format!("{}, {}", needs(more), rests(quiet)),
    };
    format!(r#"<p class="strip quiet-strip">{words}. <a href="">Sort again</a></p>"#)
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn changes_are_told_and_nothing_is_said_about_nothing() {
        assert_eq!(changes(0, 0), "");
        assert!(changes(3, 0).contains("3 more bots need attention. "), "{}", changes(3, 0));
        assert!(changes(1, 2).contains("1 more bot needs attention, 2 bots here do not any more. "));
    }
}
