//! The venues over real HTTP against fakes that answer what the documents show, and against every trap in them.

mod at_venue;
mod binance;
mod bybit;
mod command;
mod compare;
mod cut;
pub mod fake;
mod futures;
mod guard;
mod kraken;
mod okx;
mod reconcile;
pub mod sample;
mod usdm;
mod wire;

use andon::domain::{Clock, Environment, Secret, Timestamp};
use andon::venues::{Credential, Inspection, Places, Right, SubKey, Tri, Venue, Venues};
use fake::{Fake, KEY, NOW_US, PASSPHRASE, SECRET, SECRET_BASE64, Verify};
use std::sync::Arc;

/// A venue at a fake of it.
async fn at(exchange: &str, environment: Environment, verify: Verify) -> (Fake, Arc<dyn Venue>) {
    let fake = Fake::start(verify).await;
    let clock = Clock::from_fn(|| Timestamp(NOW_US));
    let venues = Venues::open(clock, &Places::At(fake.url.clone())).unwrap();
    let venue = venues.venue_for(exchange, environment).unwrap();
    (fake, venue)
}

/// The live one.
async fn live(exchange: &str, verify: Verify) -> (Fake, Arc<dyn Venue>) {
    at(exchange, Environment::Live, verify).await
}

fn key() -> Credential {
    Credential::new(KEY, Secret::new(SECRET.to_owned()))
}

fn key_with_passphrase() -> Credential {
    key().with_passphrase(Secret::new(PASSPHRASE.to_owned()))
}

fn key_in_base64() -> Credential {
    Credential::new(KEY, Secret::new(SECRET_BASE64.to_owned()))
}

fn sub_key(subaccount: &str) -> SubKey {
    SubKey { key_id: "..".to_owned(), subaccount: subaccount.to_owned() }
}

/// The rights that a key has, and those that it is known not to have.
fn rights(found: &Inspection) -> (Vec<Right>, Vec<Right>) {
    let with = |wanted| found.facts.rights.iter().filter(|(_, has)| *has == wanted).map(|(right, _)| right).collect();
    (with(Tri::Yes), with(Tri::No))
}

/// A body with one text in it replaced, which must be there.
pub fn but(body: &str, this: &str, that: &str) -> String {
    assert!(body.contains(this), "{this} is not in {body}");
    body.replace(this, that)
}
