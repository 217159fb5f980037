//! `andon key inspect`: a key is what its venue says it is. Signs one reading call with the key, from this machine's address, and prints what came
//! back beside what the key is to be. The key is read, used and wiped; it is in no answer, error or log.

use super::file::read_key;
use crate::cli::{Failure, out::put};
use crate::domain::{Clock, Environment, KeyPurpose, KeySheet, Timestamp};
use crate::venues::{Capability, Difference, Expiry, Inspection, IpRule, Kind, Places, Tri, VenueError, Venues, Weight, compare};
use std::{path::PathBuf, process::ExitCode};

pub(super) const HELP: &str = "The key is JSON: {\"key\": \"…\", \"secret\": \"…\", \"passphrase\": \"…\"}, the passphrase where the venue has one. It comes \
from standard input or from a file that nobody else can read, never from an argument: those are seen in the list of processes.\n\n\
Exit code 0: the key is what it is to be, as far as its venue says; 1: it is not, or the venue did not say.\n\n\
Examples:\n  andon key inspect --venue bybit < key.json\n  andon key inspect --venue okx --purpose execution --ips 203.0.113.7 --account 24617703 --file key.json";
/// Which key, and what it is to be.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The exchange: binance, binance-usdm, bybit, okx, kraken or kraken-futures.
    #[arg(long, value_name = "EXCHANGE")]
    venue: String,
    /// live or test.
    #[arg(long, default_value = "live", value_parser = word::<Environment>)]
    environment: Environment,
    /// What the key is for: market_data, execution, monitor, guard or key_admin. Without: what the venue says is shown and compared with nothing.
    #[arg(long, value_parser = word::<KeyPurpose>, requires = "ips")]
    purpose: Option<KeyPurpose>,
    /// The addresses that it is to work from alone, apart by commas.
    #[arg(long, value_name = "ADDRESSES", requires = "purpose")]
    ips: Option<String>,
    /// When it is to end, RFC 3339. Without: never.
    #[arg(long, value_name = "TIME", requires = "purpose", value_parser = moment)]
    until: Option<Timestamp>,
    /// The account that it must belong to, as the venue names it: a UID, at Binance the e-mail address of the subaccount. Of a key of the
    /// main account (key_admin) it is not compared.
    #[arg(long, value_name = "NAME", requires = "purpose")]
    account: Option<String>,
    /// The file that holds the key; -: standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Ask this address in the venue's place: a relay on this machine.
    #[arg(long, value_name = "URL", hide = true)]
    at: Option<url::Url>,
}

fn word<T: std::str::FromStr<Err = crate::domain::text::UnknownWord>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: crate::domain::text::UnknownWord| error.to_string())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write it as 2027-01-31T00:00:00Z".to_owned())
}

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Said<'a> {
    exchange: Kind,
    environment: Environment,
    #[serde(flatten)]
    inspection: &'a Inspection,
    // None: it was compared with nothing.
    differences: Option<&'a [Difference]>,
    capability: &'a Capability,
}

/// Runs the command.
///
/// # Errors
/// When the key cannot be read, no such venue is known, or it refuses the key.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let sheet = match (args.purpose, &args.ips) {
        (Some(purpose), Some(ips)) => Some(KeySheet::new(purpose, ips, args.until)?.of_account(args.account.clone())),
        _ => None,
    };
    let places = args.at.clone().map_or(Places::Documented, Places::At);
    let venues = Venues::open(Clock::system(), &places)?;
    let venue = venues.venue_for(&args.venue, args.environment).ok_or_else(|| unknown(&args))?;
    let of = venue.capability();
    if !of.measures_keys {
        return Err(format!("{} cannot say what a key is in its {} environment", args.venue, args.environment).into());
    }
    let inspection = venue.inspect_key(&(&read_key(&args.file)?).into()).await.map_err(|error| refused(&error))?;
    let found = sheet.as_ref().map(|sheet| compare(sheet, &inspection.facts, inspection.measured_by, &of));
    if args.json {
        let (exchange, environment, differences) = (venue.kind(), args.environment, found.as_deref());
        let said = Said { exchange, environment, inspection: &inspection, differences, capability: &of };
        put!("{}", serde_json::to_string_pretty(&said)?)?;
    } else {
        put!("{}", words(&inspection, &of))?;
        if let (Some(sheet), Some(found)) = (&sheet, &found) {
            put!("{}", verdict(sheet, found))?;
        }
    }
    let is_good = found.iter().flatten().all(|one| one.weight == Weight::Attest);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unknown(args: &Args) -> Failure {
    let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    format!("no {} venue {} is known here; known are {}", args.environment, args.venue, known.join(", ")).into()
}

/// A refusal, with what to look at. It says nothing of the key beyond what the venue said.
pub(super) fn refused(error: &VenueError) -> Failure {
    let next = match error {
        VenueError::Finding(_) => "Is it this environment's key, and is this machine's address among those that it works from?",
        VenueError::Unknown { .. } => "Nothing was learned of the key. Try again later.",
        VenueError::Cannot(_) | VenueError::ExecutionUnknown(_) => "Only a reading call is made here.",
    };
    format!("{error}. {next}").into()
}

/// What the venue said, a line each; rights that nobody has and nobody asks about are left out.
fn words(inspection: &Inspection, of: &Capability) -> String {
    let facts = &inspection.facts;
    let with = |wanted: Tri| {
        let rights: Vec<String> =
            facts.rights.iter().filter(|(_, has)| *has == wanted).map(|(right, _)| right.as_str().replace('_', " ")).collect();
        if rights.is_empty() { "nothing".to_owned() } else { rights.join(", ") }
    };
    let ips = match &facts.ips {
        IpRule::Only(nets) => nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        IpRule::Unrestricted => "anywhere".to_owned(),
        IpRule::Unknown if facts.is_ip_bound == Tri::Yes => "a list that the venue does not show".to_owned(),
        IpRule::Unknown if facts.is_ip_bound == Tri::No => "anywhere".to_owned(),
        IpRule::Unknown => "not said".to_owned(),
    };
    let ends = match facts.expiry {
        Expiry::Never => "never".to_owned(),
        Expiry::At(at) => at.plain(),
        Expiry::Unknown => "not said".to_owned(),
    };
    let account = facts.subaccount.clone().unwrap_or_else(|| "not said".to_owned());
    let main = match facts.is_main {
        Tri::Yes => ", a main account",
        Tri::No => ", a subaccount",
        Tri::Unknown => "",
    };
    let mut lines = vec![
        format!("may        {}", with(Tri::Yes)),
        format!("may not    {}", with(Tri::No)),
        format!("not said   {}", with(Tri::Unknown)),
        format!("works from {ips}"),
        format!("ends       {ends}"),
        format!("account    {account}{main}"),
        format!("measured   {} with the key itself, answer sha256 {}", inspection.measured_at.plain(), inspection.answer_sha256),
    ];
    lines.extend(of.notes.iter().map(|note| format!("note       {note}")));
    lines.join("\n")
}

pub(super) fn verdict(sheet: &KeySheet, found: &[Difference]) -> String {
    let mut lines = vec![String::new()];
    if found.is_empty() {
        lines.push(format!("It is what a key {} is to be.", sheet.purpose.words()));
    } else {
        lines.push(format!("Beside a key {}:", sheet.purpose.words()));
    }
    let word = |weight| match weight {
        Weight::Wrong => "WRONG  ",
        Weight::Unknown => "UNKNOWN",
        Weight::Attest => "ATTEST ",
    };
    lines.extend(found.iter().map(|one| format!("{}  {}", word(one.weight), one.what)));
    if found.iter().any(|one| one.weight == Weight::Attest) {
        lines.push("What is to be attested this venue tells no key: somebody looks at its page and answers for it.".to_owned());
    }
    lines.join("\n")
}
