//! `andon request ask`: what is asked for, by kind, put together as the API takes it.

use super::{OneArgs, say::Output};
use crate::cli::{Failure, remote::Remote};
use crate::domain::{Clock, limits::setting::NONE};
use serde_json::{Map, Value, json};

/// What can be asked for.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Looser limits of a level.
    #[command(
        after_help = "Example:\n  andon request ask limits --level bot:grid-07 max_leverage=3 max_order_notional=none --why \"the book is deeper\""
    )]
    Limits(LimitsArgs),
    /// A subaccount of a live venue for a bot, which stops it.
    Assign(AssignArgs),
    /// A larger position of a bot in one symbol for a while.
    Override(OverrideArgs),
    /// An exchange key for a bot, or other terms of one. The secret is handed in afterwards, with `andon key install` or on the key's page.
    Key(KeyArgs),
}

/// How every request is asked.
#[derive(Debug, clap::Args)]
struct Common {
    /// Why: whoever approves reads it.
    #[arg(long)]
    why: String,
    /// Change this request of yours instead, which drops what was approved of it.
    #[arg(long, value_name = "REQUEST", value_parser = super::id)]
    revise: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    remote: Remote,
}

/// Which limits.
#[derive(Debug, clap::Args)]
pub struct LimitsArgs {
    /// `installation`, `team:TEAM`, `bot:BOT` or `symbol:BOT:SYMBOL`, each by name or id.
    #[arg(long)]
    level: String,
    /// Settings by their names in the agent protocol; `none` takes a limit away.
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, Option<String>)>,
    #[command(flatten)]
    common: Common,
}

/// Which subaccount.
#[derive(Debug, clap::Args)]
pub struct AssignArgs {
    /// The bot, by name or id.
    #[arg(long)]
    bot: String,
    /// The subaccount: VENUE/NAME or id.
    #[arg(long, value_name = "SUBACCOUNT")]
    subaccount: String,
    #[command(flatten)]
    common: Common,
}

/// Which position, and how long.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("lasts").required(true).args(["until", "hours"]))]
pub struct OverrideArgs {
    /// The bot, by name or id.
    #[arg(long)]
    bot: String,
    /// The symbol.
    #[arg(long)]
    symbol: String,
    /// The largest position, a decimal.
    #[arg(long, value_name = "AMOUNT")]
    most: String,
    /// Until when, RFC 3339; within the next 72 hours.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// For so many hours from now.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(i64).range(1..=72))]
    hours: Option<i64>,
    #[command(flatten)]
    common: Common,
}

/// Which key.
#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// The bot, by name or id.
    #[arg(long)]
    bot: String,
    /// What it is for: market_data, execution, monitor, guard or key_admin, which is a key of the main account.
    #[arg(long)]
    purpose: String,
    /// The addresses that it works from alone, apart by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    ips: Vec<String>,
    /// When it ends at the venue, RFC 3339; without: it does not end by itself.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The venue's name for the account; for key_admin the subaccount whose keys it may change, as the main account calls it.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// After how many days it is replaced; 90 without.
    #[arg(long, value_name = "DAYS")]
    rotate_days: Option<i64>,
    /// What happens when it is found to be another than approved: tell, reduce or pause, which is usual.
    #[arg(long, value_name = "WHAT")]
    on_drift: Option<String>,
    /// A whitelisted address that it may withdraw to: the exception, which takes risk and an admin.
    #[arg(long, value_name = "ADDRESS")]
    withdraw_to: Vec<String>,
    #[command(flatten)]
    common: Common,
}

fn setting(text: &str) -> Result<(String, Option<String>), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.trim().is_empty() => {
            Ok((name.to_owned(), (value.trim() != NONE).then(|| value.to_owned())))
        }
        _ => Err("write NAME=VALUE, and NAME=none to take a limit away".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// When it was refused, or nobody answered.
pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Limits(LimitsArgs { level, set, common }) => {
            let mut settings = Map::new();
            for (name, value) in set {
                if settings.insert(name.clone(), value.into()).is_some() {
                    return Err(format!("{name} stands there twice").into());
                }
            }
            common.put(json!({"kind": "limits", "level": level, "set": settings})).await
        }
        Command::Assign(AssignArgs { bot, subaccount, common }) => {
            common.put(json!({"kind": "assign", "bot": bot, "subaccount": subaccount})).await
        }
        Command::Key(asked) => {
            let KeyArgs { bot, purpose, ips, until, account, rotate_days, on_drift, withdraw_to, common } = asked;
            let kind = if withdraw_to.is_empty() { "keys" } else { "withdrawals" };
            let body = json!({"kind": kind, "bot": bot, "purpose": purpose, "ips": ips, "until": until, "account": account,
                "rotate_days": rotate_days, "on_drift": on_drift, "withdraw_to": withdraw_to});
            common.put(body).await
        }
        Command::Override(OverrideArgs { bot, symbol, most, until, hours, common }) => {
            // The server's clock counts. Where this one is ahead, the longest would end too late there, and is refused by name.
            let end = |hours: i64| Clock::system().now().plus_ms(hours * 3_600_000).rfc3339();
            let until = until.or_else(|| hours.map(end)).unwrap_or_default();
            common.put(json!({"kind": "override", "bot": bot, "symbol": symbol, "most": most, "until": until})).await
        }
    }
}

impl Common {
    async fn put(self, mut body: Value) -> Result<(), Failure> {
        if let Some(body) = body.as_object_mut() {
            body.insert("why".to_owned(), self.why.into());
        }
        if let Some(request) = self.revise {
            return OneArgs { request, output: self.output, remote: self.remote }.act("/revise", "Changed", body).await;
        }
        let api = self.remote.api()?;
        let answered = api.post("/api/v1/requests", &body).await?;
        self.output.asked(&api, &answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_name_and_a_text_and_none_takes_it_away() {
        assert_eq!(setting("max_leverage=3"), Ok(("max_leverage".to_owned(), Some("3".to_owned()))));
        assert_eq!(setting("max_leverage=none"), Ok(("max_leverage".to_owned(), None)));
        assert_eq!(setting("allowed_symbols=BTC/USDT, ETH/USDT").unwrap().1.unwrap(), "BTC/USDT, ETH/USDT");
        for bad in ["max_leverage", "=3", "max_leverage=", "max_leverage= "] {
            assert!(setting(bad).is_err(), "{bad}");
        }
    }
}
