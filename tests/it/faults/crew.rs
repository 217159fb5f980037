//! The people of a fault test: each in a browser over a real socket, with a security key of their own. What they try may stay unanswered.

use super::{ground::Ground, now_ms};
use crate::harness::browser::Browser;
use andon::{authn::SoftKey, domain::BotId};
use std::{collections::BTreeMap, sync::Arc};

/// Somebody of the harness.
#[derive(Clone)]
pub struct Person {
    pub who: &'static str,
    pub name: String,
    pub key: Arc<SoftKey>,
}

/// How an act was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// Carried out, and said so.
    Done,
    /// Not carried out, and why.
    Refused(String),
    /// Nobody knows: its path, to ask again later; none: it was not even prepared.
    NoAnswer(Option<String>),
}

/// People in their browsers.
pub struct Crew(BTreeMap<&'static str, (Browser, Arc<SoftKey>)>);

impl Crew {
    /// Everybody signs in.
    pub async fn signed_in(ground: &Ground) -> Self {
        let mut crew = BTreeMap::new();
        for person in &ground.people {
            let mut browser = Browser::over(ground.address, &ground.origin);
            browser.sign_in(&person.name, &person.key).await;
            crew.insert(person.who, (browser, person.key.clone()));
        }
        Self(crew)
    }

    pub fn browser(&mut self, who: &str) -> &mut Browser {
        &mut self.0.get_mut(who).unwrap().0
    }

    /// Releases a hold, with the signatures of a lead and, where it takes two, of risk.
    pub async fn release(&mut self, hold: &str) -> Tried {
        let browser = self.browser("lead");
        browser.get(&format!("/holds/{hold}")).await;
        browser.post(&format!("/holds/{hold}/release"), &[("release_why", "it is over")]).await;
        match prepared(browser) {
            Ok(path) => self.sign(&path, &["lead", "risk"], &mut 0).await,
            Err(tried) => tried,
        }
    }

    /// Starts bots. Notes when the last signature left: from then on they may trade.
    pub async fn start(&mut self, bots: &[BotId], sent_ms: &mut i64) -> Tried {
        let browser = self.browser("operator");
        browser.get("/starts/new").await;
        let fields: Vec<(&str, &str)> = bots.iter().map(|bot| ("bot", bot.as_str())).collect();
        browser.post("/starts", &fields).await;
        match prepared(browser) {
            Ok(path) => self.sign(&path, &["operator", "lead"], sent_ms).await,
            Err(tried) => tried,
        }
    }

    /// Starts bots in waves: the first of them first, and the next when it has settled for ten seconds.
    pub async fn start_in_waves(&mut self, bots: &[BotId]) -> Tried {
        let browser = self.browser("operator");
        browser.get("/starts/new").await;
        let mut fields: Vec<(&str, &str)> = bots.iter().map(|bot| ("bot", bot.as_str())).collect();
        fields.extend([("staged", "1"), ("canary", bots[0].as_str()), ("settle", "10")]);
        browser.post("/starts", &fields).await;
        match prepared(browser) {
            Ok(path) => self.sign(&path, &["operator", "risk"], &mut 0).await,
            Err(tried) => tried,
        }
    }

    /// True when an act was carried out; none when nobody answers.
    pub async fn is_done(&mut self, path: &str) -> Option<bool> {
        let browser = self.browser("lead");
        browser.get(path).await;
        (browser.status == 200).then(|| browser.page.contains("Carried out"))
    }

    /// Signs an act, one after the other, until it is carried out.
    async fn sign(&mut self, path: &str, people: &[&'static str], sent_ms: &mut i64) -> Tried {
        let no_answer = || Tried::NoAnswer(Some(path.to_owned()));
        for who in people {
            let (browser, key) = self.0.get_mut(*who).unwrap();
            browser.get(path).await;
            if browser.status == 502 {
                return no_answer();
            }
            if !browser.page.contains("data-options") {
                return Tried::Refused(words(&browser.page));
            }
            *sent_ms = now_ms();
            browser.touch_with(key, &format!("{path}/sign")).await;
            match browser.status.as_u16() {
                303 if browser.leads_to() == path => {}
                303 => return Tried::Done,
                502 => return no_answer(),
                _ => return Tried::Refused(words(&browser.page)),
            }
        }
        Tried::Refused("it takes more signatures".into())
    }
}

/// Where a prepared act is.
fn prepared(browser: &Browser) -> Result<String, Tried> {
    match browser.status.as_u16() {
        303 => Ok(browser.leads_to().to_owned()),
        502 => Err(Tried::NoAnswer(None)),
        _ => Err(Tried::Refused(words(&browser.page))),
    }
}

/// A page without its tags.
fn words(page: &str) -> String {
    let main = page.split_once("<main").map_or(page, |(_, main)| main);
    let mut text = String::new();
    let mut inside = true;
    for letter in main.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect()
}
