//! `andon key install`: handing a bot's key in on its agent's own host. The venue is asked from here, where the key is to work from; what it says is
//! sent with the key, which is sealed to the agent before it leaves this process. Neither the server nor any browser ever sees the secret.

use super::{
    file::read_key,
    inspect::{refused, verdict},
};
use crate::agent::{
    AgentDir, credential as enrolled,
    link::{
        trust::Trust,
        wire::{Door, Wire, is_loopback},
    },
};
use crate::cli::{Failure, out::put};
use crate::crypto::{
    seal::{self, Binding, Identity},
    token,
};
use crate::domain::{ApiSecret, Clock, KeyId, Secret};
use crate::protocol::{AwaitedKey, HandedKey, KeyTold, KeysAnswer};
use crate::venues::{Places, Venues, Weight, compare};
use std::{fs, path::PathBuf, process::ExitCode};
use zeroize::Zeroizing;

pub(super) const HELP: &str = "The key is JSON: {\"key\": \"…\", \"secret\": \"…\", \"passphrase\": \"…\"}, the passphrase where the venue has one. It comes \
from standard input or from a file that nobody else can read, never from an argument: those are seen in the list of processes.\n\n\
It is asked for and approved on the server's pages first. What its venue says to be another key than was approved is not handed in.\n\n\
Example:\n  andon key install --dir ./andon-agent < key.json";

/// Which key, and where its agent is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent's directory
    #[arg(long, env = "ANDON_AGENT_DIR", default_value = "./andon-agent")]
    dir: PathBuf,
    /// Which key, by the id on its page. Without: the one that waits, when there is one only.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The file that holds the key; -: standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Ask this address in the venue's place: a relay on this machine.
    #[arg(long, value_name = "URL", hide = true)]
    at: Option<url::Url>,
}

/// Runs the command.
///
/// # Errors
/// When no such key waits, the key cannot be read, its venue says that it is another one, or the server does not take it.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let dir = AgentDir::new(&args.dir);
    let who = enrolled::load(&dir)?;
    let wire = Wire::new(is_loopback(&who.server), &Trust::of(&dir)?)?;
    let door = Door::new(who.server.clone(), &who.token)?;
    let awaited = wire.keys(&door).await?;
    if awaited.installation != who.installation || awaited.agent != who.agent || awaited.bot != who.bot {
        return Err("the server that answers is another one than this agent enrolled at; nothing was sent".into());
    }
    let waiting = chosen(&awaited, args.key.as_deref())?;
    let identity = identity(&dir)?;
    let secret = read_key(&args.file)?;
    let places = args.at.clone().map_or(Places::Documented, Places::At);
    let told = measured(waiting, &secret, &Venues::open(Clock::system(), &places)?).await?;
    let binding = Binding {
        installation: awaited.installation.clone(),
        agent: awaited.agent.clone(),
        bot: awaited.bot.clone(),
        key: waiting.key_id.clone(),
        version: waiting.version,
        purpose: waiting.purpose,
        venue: waiting.venue.clone(),
    };
    let sealed = HandedKey {
        key_id: waiting.key_id.clone(),
        version: waiting.version,
        fingerprint: token::TokenDigest::of(secret.api_key.expose()).hex(),
        sealed: seal::seal(&binding, &secret, &identity.recipient())?,
        told,
    };
    wire.hand_in_key(&door, &sealed).await?;
    put!("Handed in as version {} of the key {} of {}.", sealed.version, waiting.purpose.words(), who.bot_name)?;
    put!("Its page says whether somebody still has to answer for it: {}keys/{}", who.server, waiting.key_id)?;
    put!("Delete what you read it from.")?;
    Ok(ExitCode::SUCCESS)
}

/// The one that is meant.
fn chosen<'a>(awaited: &'a KeysAnswer, named: Option<&str>) -> Result<&'a AwaitedKey, Failure> {
    let words = || {
        let lines: Vec<String> = awaited.keys.iter().map(|one| format!("  {}  {}", one.key_id, one.purpose.words())).collect();
        if lines.is_empty() { "no key of this bot is approved; ask for one on its page".to_owned() } else { lines.join("\n") }
    };
    match (named, awaited.keys.as_slice()) {
        (None, [one]) => Ok(one),
        (None, []) => Err(words().into()),
        (None, _) => Err(format!("name one with --key:\n{}", words()).into()),
        (Some(id), all) => {
            let id = KeyId::parse(id).map_err(|_| format!("{id} is no id of a key; these are:\n{}", words()))?;
            all.iter()
                .find(|one| one.key_id == id)
                .ok_or_else(|| format!("that key does not wait for this agent; these do:\n{}", words()).into())
        }
    }
}

fn identity(dir: &AgentDir) -> Result<Identity, Failure> {
    let text = Zeroizing::new(fs::read_to_string(dir.identity()).map_err(|error| format!("{}: {error}", dir.identity().display()))?);
    Ok(Identity::parse(&Secret::new(text.to_string()))?)
}

/// What the venue says from here; none: it cannot be asked, and somebody answers for the key on its page.
async fn measured(waiting: &AwaitedKey, secret: &ApiSecret, venues: &Venues) -> Result<Option<KeyTold>, Failure> {
    let venue = venues.venue_for(&waiting.venue, waiting.environment).filter(|venue| venue.capability().measures_keys);
    let Some(venue) = venue else {
        put!("{} cannot be asked what a key is; somebody answers for it on its page.", waiting.venue)?;
        return Ok(None);
    };
    let inspection = venue.inspect_key(&secret.into()).await.map_err(|error| refused(&error))?;
    let found = compare(&waiting.sheet, &inspection.facts, inspection.measured_by, &venue.capability());
    put!("{}", verdict(&waiting.sheet, &found).trim_start())?;
    if found.iter().any(|one| one.weight == Weight::Wrong) {
        return Err("this is not the key that was approved; nothing was sent".into());
    }
    Ok(Some(KeyTold::Facts(serde_json::to_value(&inspection)?)))
}
