//! `andon request`: what waits for approval, from a terminal, over HTTP with a token: looked at, asked for, denied, taken back, spoken about, each as
//! the token's maker may. Approving takes a security key and so a browser: no command does it.

mod ask;
mod say;

use super::{Failure, remote::Remote};
use say::Output;
use serde_json::json;
use std::process::ExitCode;

/// The commands for requests.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List requests, newest first.
    List(ListArgs),
    /// Show one: what it asks for, who approved it, and whether you can.
    Show(OneArgs),
    /// Ask for what raises risk. Nothing changes until others have approved it.
    #[command(subcommand)]
    Ask(ask::Command),
    /// Deny one, which ends it.
    Deny(DenyArgs),
    /// Ask for one approval more of one of yours than the policy does.
    Raise(RaiseArgs),
    /// Take one of yours back.
    Withdraw(OneArgs),
    /// Say something about one.
    Comment(CommentArgs),
}

/// Which requests to list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// `open`, `all`, or a state: pending, approved, executed, denied, withdrawn, expired, stale, failed, superseded.
    #[arg(long, default_value = "open")]
    state: String,
    /// limits, policy, override or assign.
    #[arg(long)]
    kind: Option<String>,
    /// The team that they concern, by name or id.
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// Who asked, by sign-in name or id.
    #[arg(long, value_name = "PERSON")]
    requester: Option<String>,
    /// How many, at most 1000.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u16,
    /// Go on after this one.
    #[arg(long, value_name = "REQUEST")]
    after: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    remote: Remote,
}

/// Which request.
#[derive(Debug, clap::Args)]
pub struct OneArgs {
    /// Its id.
    #[arg(value_parser = id)]
    request: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    remote: Remote,
}

/// Which request to deny, and why.
#[derive(Debug, clap::Args)]
pub struct DenyArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Why not: whoever asked reads it.
    #[arg(long)]
    why: String,
}

/// Which request, and who else is to approve it.
#[derive(Debug, clap::Args)]
pub struct RaiseArgs {
    #[command(flatten)]
    one: OneArgs,
    /// risk, lead (of its team), any_lead or admin.
    #[arg(long, value_name = "WHO")]
    more: String,
}

/// What to say about which request.
#[derive(Debug, clap::Args)]
pub struct CommentArgs {
    #[command(flatten)]
    one: OneArgs,
    /// What to say; whoever asked and whoever approved are told.
    text: String,
}

/// Runs the command.
///
/// # Errors
/// When it was refused, or nobody answered.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List(args) => list(args).await?,
        Command::Show(args) => {
            let api = args.remote.api()?;
            let answered = api.get(&args.path(""), &[]).await?;
            args.output.whole(&api, &answered)?;
        }
        Command::Ask(command) => ask::run(command).await?,
        Command::Deny(DenyArgs { one, why }) => one.act("/deny", "Denied", json!({"why": why})).await?,
        Command::Raise(RaiseArgs { one, more }) => one.act("/raise", "Asked for one approval more", json!({"more": more})).await?,
        Command::Withdraw(one) => one.act("/withdraw", "Taken back", json!({})).await?,
        Command::Comment(CommentArgs { one, text }) => one.act("/comments", "Said", json!({"text": text})).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An id holds letters, digits and dashes: anything else would be another address.
fn id(text: &str) -> Result<String, &'static str> {
    let is_id = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_id { Ok(text.to_owned()) } else { Err("that is no id of a request") }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let state = (args.state != "all").then_some(args.state);
    let named = [("state", state), ("kind", args.kind), ("team", args.team), ("requester", args.requester), ("after", args.after)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query: Vec<(&str, String)> = named.chain([("limit", args.limit.to_string())]).collect();
    let answered = args.remote.api()?.get("/api/v1/requests", &query).await?;
    args.output.list(&answered)
}

impl OneArgs {
    /// Where the API has it.
    fn path(&self, tail: &str) -> String {
        format!("/api/v1/requests/{}{tail}", self.request)
    }

    async fn act(self, tail: &str, done: &str, body: serde_json::Value) -> Result<(), Failure> {
        let answered = self.remote.api()?.post(&self.path(tail), &body).await?;
        self.output.done(done, &answered)
    }
}
