//! The demo's register: venues, accounts, subaccounts and bots, taken in as one file by the lead, as somebody would who comes from a spreadsheet.

use super::people::Staff;
use crate::app::{
    App,
    register::{file, file::Format, file::Kind, file::Row, import::Source},
};
use crate::cli::Failure;
use std::sync::Arc;

const STRATEGIES: [(&str, &str); 4] = [
    ("grid", "Earn the spread in calm markets"),
    ("basis", "Hold spot against futures while funding pays"),
    ("mean-reversion", "Buy what fell too far, sell what rose too far"),
    ("quote", "Stand on both sides of the book"),
];
/// Test venues, on which the demo's bots trade.
const VENUES: [(&str, &str); 2] = [("binance testnet", "binance"), ("kraken demo", "kraken")];
/// Subaccounts that no bot has.
const FREE: [(&str, &str); 5] = [
    ("binance testnet", "spare-1"),
    ("binance testnet", "spare-2"),
    ("kraken demo", "spare-1"),
    ("binance", "fund-1"),
    ("binance", "fund-2"),
];

fn row(kind: Kind, fields: &[(&'static str, &str)]) -> Row {
    Row::new(kind, fields.iter().map(|(column, text)| (*column, (*text).to_owned())))
}

/// Writes everything down; answers with the names of the bots, in order.
pub async fn write_down(app: &Arc<App>, staff: &Staff, count: usize) -> Result<Vec<String>, Failure> {
    let venue = |name: &str, exchange: &str, environment: &str| {
        row(Kind::Venue, &[("name", name), ("exchange", exchange), ("environment", environment)])
    };
    let mut rows: Vec<Row> = VENUES.iter().map(|(name, exchange)| venue(name, exchange, "test")).collect();
    rows.push(venue("binance", "binance", "live"));
    let accounts = ["binance testnet", "kraken demo", "binance"];
    rows.extend(accounts.iter().map(|venue| row(Kind::Account, &[("name", "main"), ("venue", venue)])));
    rows.push(row(Kind::Account, &[("name", "fund II"), ("venue", "binance")]));
    let (mut names, mut bots) = (Vec::new(), Vec::new());
    for n in 0..count {
        let team = staff.teams.get(n % staff.teams.len()).ok_or("the demo has no teams")?;
        let (strategy, objective) = STRATEGIES.get(n % STRATEGIES.len()).copied().unwrap_or(("grid", ""));
        let name = format!("{}-{:02}", team.name, n / staff.teams.len() + 1);
        let (venue, _) = VENUES.get(n % VENUES.len()).copied().unwrap_or(("", ""));
        rows.push(row(Kind::Subaccount, &[("name", &name), ("venue", venue), ("account", "main")]));
        let operators = if n % 5 == 0 { "operator; lead" } else { "" };
        bots.push(row(
            Kind::Bot,
            &[
                ("name", &name),
                ("team", &team.name),
                ("strategy", strategy),
                ("objective", objective),
                ("owner", "operator"),
                ("deputy", "lead"),
                ("operators", operators),
                ("subaccount", &format!("{venue}/{name}")),
            ],
        ));
        names.push(name);
    }
    rows.extend(FREE.iter().map(|(venue, name)| row(Kind::Subaccount, &[("name", name), ("venue", venue), ("account", "main")])));
    rows.extend(bots);
    let text = file::write(Format::Toml, &rows)?;
    app.import_register(&staff.actor(app, "lead")?, Source { format: Format::Toml, text: &text }, None).await?;
    Ok(names)
}
