//! The register as rows: what an export writes.

use super::World;
use crate::app::register::file::{Kind, Row};
use crate::domain::{BotId, UserId};

/// The register as rows, in the order in which they can be read.
pub(crate) fn rows_of(world: &World) -> Vec<Row> {
    let book = &world.book;
    let yes = |retired: bool| if retired { "yes" } else { "no" }.to_owned();
    let venue = |id| book.venue(id).map(|one| one.name.clone()).unwrap_or_default();
    let person = |id: &UserId| world.users.iter().find(|user| user.id == *id).map_or_else(|| id.to_string(), |user| user.name.clone());
    let mut rows = Vec::new();
    rows.extend(book.venues.iter().map(|one| {
        let fields = [("id", one.id.to_string()), ("name", one.name.clone()), ("exchange", one.exchange.clone())];
        let more = [("environment", one.environment.to_string()), ("retired", yes(one.retired_at.is_some()))];
        Row::new(Kind::Venue, fields.into_iter().chain(more))
    }));
    rows.extend(book.accounts.iter().map(|one| {
        let fields = [("id", one.id.to_string()), ("name", one.name.clone()), ("venue", venue(&one.venue_id))];
        Row::new(Kind::Account, fields.into_iter().chain([("retired", yes(one.retired_at.is_some()))]))
    }));
    rows.extend(book.subaccounts.iter().map(|one| {
        let account = book.account(&one.account_id).map(|account| account.name.clone()).unwrap_or_default();
        let fields = [("id", one.id.to_string()), ("name", one.name.clone()), ("venue", venue(&one.venue_id)), ("account", account)];
        Row::new(Kind::Subaccount, fields.into_iter().chain([("retired", yes(one.retired_at.is_some()))]))
    }));
    let mut bots: Vec<_> = world.view.bots().collect();
    bots.sort_by(|a, b| a.name.cmp(&b.name));
    rows.extend(bots.into_iter().map(|bot| {
        let sheet = book.sheets.get(&bot.id).cloned().unwrap_or_default();
        let mut operators: Vec<String> = sheet.operators.iter().map(person).collect();
        operators.sort();
        let team = world.teams.iter().find(|team| team.id == bot.team).map_or_else(|| bot.team.to_string(), |team| team.name.clone());
        let seat = bot.seat.as_ref().and_then(|seat| book.subaccount(&seat.subaccount)).map(|one| book.label(one));
        Row::new(
            Kind::Bot,
            [
                ("id", bot.id.to_string()),
                ("name", bot.name.clone()),
                ("team", team),
                ("strategy", bot.strategy.clone()),
                ("objective", sheet.objective),
                ("owner", person(&bot.owner)),
                ("deputy", sheet.deputy.as_ref().map(person).unwrap_or_default()),
                ("operators", operators.join("; ")),
                ("stage", bot.stage.to_string()),
                ("exits", bot.exits.to_string()),
                ("subaccount", seat.unwrap_or_default()),
            ],
        )
    }));
    let name = |id: &BotId| world.view.bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
    rows.extend(
        book.links
            .iter()
            .map(|link| Row::new(Kind::Link, [("name", name(&link.bot_id)), ("linked", name(&link.other_id)), ("why", link.why.clone())])),
    );
    rows
}
