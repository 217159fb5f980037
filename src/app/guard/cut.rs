//! Rung 3 at its venue: what a bot trades with is demoted to reading with the key of the main account, where one is held, and read back; then its
//! orders are cancelled. Nothing is deleted here. Of a bot's key the server knows a digest of its name alone, so that the name is found among those
//! that the main account lists.

use super::{App, can_act, can_cut};
use crate::app::{
    AppError,
    keys::{
        DEMOTED,
        hand::{Hand, within},
        install::fingerprint,
        note,
    },
};
use crate::audit::Event;
use crate::domain::{AlertKind, BotFacts, BotId, Epoch, KeyId, KeyPurpose, Level, Secret, Subject, ladder::CANCEL_EVERY_MS};
use crate::storage::Lane;
use crate::venues::{FindingKind, Right, SubKey, Tri};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

/// A version of a key that a bot trades with and that may still work at its venue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    key: KeyId,
    version: i64,
    fingerprint: String,
    // Whoever uses it is to have it.
    is_used: bool,
}

/// What became of each.
#[derive(Debug, Default)]
struct Did {
    // With how long after the press that was known, milliseconds.
    demoted: Vec<(Target, Option<i64>)>,
    absent: Vec<Target>,
    failed: Vec<(Target, String)>,
    listed: usize,
}

/// What is to be said of an attempt.
#[derive(Debug)]
pub(super) struct Came {
    said: String,
    alert: Option<String>,
    // Versions that were demoted now, and what their history says of it.
    demoted: Vec<(KeyId, i64, String)>,
}

fn after(ms: Option<i64>) -> String {
    ms.map_or_else(String::new, |ms| format!(" {ms} ms after the press"))
}

impl Did {
    /// Nothing that anybody may trade with is left. What is taken away here and not listed may have been deleted long ago; that no key at all is
    /// listed says that the wrong subaccount was asked for.
    fn is_all(&self, was_any: bool) -> bool {
        let is_missing = self.absent.iter().any(|one| one.is_used);
        self.failed.is_empty() && !is_missing && (was_any || !self.demoted.is_empty())
    }
    fn words(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.demoted.iter().map(|(one, ms)| format!("version {} was demoted and read back{}", one.version, after(*ms))));
        parts.extend(self.failed.iter().map(|(one, why)| format!("version {}: {why}", one.version)));
        parts.extend(self.absent.iter().map(|one| {
            let stands = if one.is_used { "in use" } else { "not in use" };
            format!("version {} ({stands}) is none of the {} that the main account lists", one.version, self.listed)
        }));
        parts.join("; ")
    }
}

/// Cuts first, as far as anybody can; then cancels and reads back until the venue is empty, the bot idle, or its stop over.
pub(super) async fn cut(app: Weak<App>, bot: Arc<BotFacts>, stop: Epoch) {
    while let Some(app) = app.upgrade() {
        let level = app.level_over(&bot);
        let is_over = !app.is_stopped(&bot.id) || app.book.proof(&bot.id).idle >= stop;
        if is_over || !(can_act(&app, &bot.id) || can_cut(&app, &bot.id)) {
            return;
        }
        app.guard.open(&bot.id, stop, level);
        let came = app.cut_keys(&bot, stop).await;
        // Beside each other: no order waits until something is written.
        let pass = async {
            if can_act(&app, &bot.id) && app.guard.begin(&bot.id, stop, level) {
                app.guard_pass(&bot, stop).await;
                app.guard.end(&bot.id);
            }
        };
        let say = async {
            if let Some(came) = came {
                app.say_cut(&bot, stop, came).await;
            }
        };
        tokio::join!(pass, say);
        drop(app);
        tokio::time::sleep(Duration::from_millis(CANCEL_EVERY_MS as u64)).await;
    }
}

/// Demotes a key and reads it back. A write whose end is not known may have been done, so that only what is read counts.
///
/// # Errors
/// Why it is not known that it may not trade.
async fn demote(hand: &Hand, key: &SubKey) -> Result<(), String> {
    let told = within(hand.venue.demote_key(&hand.credential, key)).await;
    let told_words =
        told.as_ref().map_or_else(|error| format!("demoting it: {error}"), |()| "the venue took that it is demoted".to_owned());
    match within(hand.venue.inspect_key_by_master(&hand.credential, key)).await {
        Ok(read) if read.facts.right(Right::Trade) == Tri::No => Ok(()),
        Ok(read) => {
            let may = if read.facts.right(Right::Trade) == Tri::Yes { "it may still trade" } else { "whether it may trade was not said" };
            Err(format!("{told_words}; read back, {may}"))
        }
        // Gone since it was listed.
        Err(error) if matches!(error.finding(), Some(FindingKind::NotListed | FindingKind::Expired)) => Ok(()),
        Err(error) => Err(format!("{told_words}; reading it back: {error}")),
    }
}

impl App {
    /// What a bot trades with that may still work at its venue, what is in use first.
    fn targets(&self, bot: &BotId) -> Vec<Target> {
        let keys = self.exchange_keys();
        let trade = keys.of_bot(bot).iter().filter(|key| key.row.purpose == KeyPurpose::Execution);
        let mut all: Vec<Target> = trade
            .flat_map(|key| key.versions.iter().map(move |row| (key, row)))
            .filter(|(_, row)| row.state != crate::domain::key::KeyState::Gone)
            .map(|(key, row)| Target {
                key: key.row.id.clone(),
                version: row.version,
                fingerprint: row.fingerprint.clone(),
                is_used: row.state.is_usable() && key.is_open(),
            })
            .collect();
        all.sort_by_key(|one| (!one.is_used, std::cmp::Reverse(one.version)));
        all
    }

    /// Demotes what is not known to be cut yet. None: there is nothing new to say.
    async fn cut_keys(&self, bot: &BotFacts, stop: Epoch) -> Option<Came> {
        let cut = self.guard.begin_cut(&bot.id)?;
        let all = self.targets(&bot.id);
        let is_known = !all.is_empty();
        let left: Vec<Target> = all.into_iter().filter(|one| !cut.contains(&(one.key.clone(), one.version))).collect();
        if left.is_empty() && !cut.is_empty() {
            self.guard.end_cut(&bot.id, [], true);
            return None;
        }
        if !is_known || !can_cut(self, &bot.id) {
            self.guard.end_cut(&bot.id, [], false);
            return Some(self.cannot_cut(bot));
        }
        self.guard.with(&bot.id, |run| run.goes_on = true);
        let did = self.demote_all(&bot.id, stop, left).await;
        let is_all = did.as_ref().is_ok_and(|did| did.is_all(!cut.is_empty()));
        let mut proved = Vec::new();
        if let Ok(did) = &did {
            proved.extend(did.demoted.iter().map(|(one, _)| (one.key.clone(), one.version)));
            // What nobody uses and nobody lists is no reason to go on, once the rest is cut.
            proved.extend(did.absent.iter().filter(|_| is_all).map(|one| (one.key.clone(), one.version)));
        }
        self.guard.end_cut(&bot.id, proved, is_all);
        Some(self.came(bot, did, is_all))
    }

    /// One call after the other, what is in use first.
    async fn demote_all(&self, bot: &BotId, stop: Epoch, left: Vec<Target>) -> Result<Did, String> {
        let hand = match self.hand_at_venue(bot, KeyPurpose::KeyAdmin).await {
            Ok(Some(hand)) => hand,
            Ok(None) => return Err("no key of the main account is held here any more".to_owned()),
            Err(error) => return Err(format!("the key of the main account cannot be used: {error}")),
        };
        let account = hand.account.clone().unwrap_or_default();
        let names = within(hand.venue.sub_keys(&hand.credential, &account)).await;
        let names = names.map_err(|error| format!("the main account did not list the keys of {account}: {error}"))?;
        let by_print: HashMap<String, String> = names.into_iter().map(|name| (fingerprint(&Secret::new(name.clone())), name)).collect();
        let mut did = Did { listed: by_print.len(), ..Did::default() };
        for one in left {
            let Some(name) = by_print.get(&one.fingerprint) else {
                did.absent.push(one);
                continue;
            };
            let key = SubKey { key_id: name.clone(), subaccount: account.clone() };
            match demote(&hand, &key).await {
                Ok(()) => did.demoted.push((one, self.ms_after(stop))),
                Err(why) => did.failed.push((one, why)),
            }
        }
        Ok(did)
    }

    /// How long ago the stop of this epoch was pressed.
    fn ms_after(&self, stop: Epoch) -> Option<i64> {
        let now = self.clock.now();
        self.fleet.view().open_holds().filter(|hold| hold.epoch == stop).map(|hold| now.ms_since(hold.at)).max()
    }

    /// What is said of an attempt.
    fn came(&self, bot: &BotFacts, did: Result<Did, String>, is_all: bool) -> Came {
        let words = did.as_ref().map_or_else(Clone::clone, Did::words);
        let why = |ms: Option<i64>| {
            format!("with the key of the main account, since the bot did not confirm its stop{}; only reading is left", after(ms))
        };
        let demoted = did.iter().flat_map(|did| &did.demoted).map(|(one, ms)| (one.key.clone(), one.version, why(*ms))).collect();
        if !is_all {
            let alert = format!(
                "{} has not confirmed its stop, and its own key is not known to be demoted yet: {words}. This is tried again every 5 s, and the \
                 audit log says when it is done. Meanwhile it cancels with its guard key, if it holds one. Delete the bot's key at the venue by \
                 hand now and say so on the key's page: then this closes by itself.",
                bot.name,
            );
            return Came { said: format!("the bot's key is not cut yet: {words}"), alert: Some(alert), demoted };
        }
        let is_killed = self.guard.with(&bot.id, |run| run.level == Level::Kill).unwrap_or(false);
        let next = if is_killed {
            "Delete it at the venue and say so on the key's page: then this closes by itself."
        } else {
            "It trades no more until it is replaced, or raised again at the venue by hand. Close this with what you did; it closes by itself once no \
             key of the bot works at the venue."
        };
        let alert = format!(
            "{} did not confirm its stop, and this server demoted its key to reading with the key of the main account: {words}. {next}",
            bot.name
        );
        Came { said: format!("the bot's key is cut: {words}"), alert: Some(alert), demoted }
    }

    /// Says that the bot's own key cannot be ended from here: this takes a key of its main account, and a key of the bot that is known. The task
    /// stays until everything that the bot traded with is known to be gone at the venue, or somebody says what they did.
    fn cannot_cut(&self, bot: &BotFacts) -> Came {
        if self.exchange_keys().cannot_trade(&bot.id) {
            let said = "no key of the bot works at the venue any more: nothing is left to be cut".to_owned();
            return Came { said, alert: None, demoted: Vec::new() };
        }
        let (why, said) = if can_cut(self, &bot.id) {
            (
                "no key to trade of it was ever handed in here, so that nobody knows which one to demote",
                "no key to trade of the bot was handed in here: none was demoted, a person ends it",
            )
        } else {
            (
                "this server holds no key of the main account that could demote it",
                "no key of the main account is held here: the bot's key was not demoted, a person ends it",
            )
        };
        let alert = format!(
            "{} has not confirmed its stop, and its own key still works: {why}. It goes on cancelling with its guard key, if it holds one. Delete \
             the bot's key at the venue by hand now and say so on the key's page: then this closes by itself.",
            bot.name,
        );
        Came { said: said.to_owned(), alert: Some(alert), demoted: Vec::new() }
    }

    /// Says it: a task while none is open, the log, and the history of what was demoted. The same again is no news, also once people closed the task.
    async fn say_cut(&self, bot: &BotFacts, stop: Epoch, Came { said, alert, demoted }: Came) {
        let is_news = self.guard.with(&bot.id, |run| run.said.get("cut") != Some(&said)).unwrap_or(true);
        let subject = Subject::bot(&bot.id);
        if let Some(words) = alert.filter(|_| is_news && !self.alerts.is_open(AlertKind::KeyToRevoke, &subject)) {
            self.raise(AlertKind::KeyToRevoke, subject, words);
        }
        self.guard_says(bot, stop, "cut", &said).await;
        for (key, version, why) in demoted {
            if let Err(error) = self.note_demoted(&key, version, &why).await {
                tracing::warn!(%key, version, %error, "that a key was demoted could not be written into its history");
            }
        }
    }

    async fn note_demoted(&self, key: &KeyId, version: i64, why: &str) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        note(&mut act, key, Some(version), (DEMOTED, why)).await?;
        let (key, state, why) = (key.clone(), "demoted".to_owned(), why.to_owned());
        act.commit_stop(Event::KeyMoved { key, version, state, why }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(version: i64, is_used: bool) -> Target {
        Target { key: KeyId::from_stored("k".to_owned()), version, fingerprint: "f".to_owned(), is_used }
    }

    #[test]
    fn nothing_is_taken_for_cut_that_was_not_read_back() {
        let failed = Did { failed: vec![(target(1, true), "no word".to_owned())], ..Did::default() };
        assert!(!failed.is_all(false) && !failed.is_all(true));
        assert!(!Did::default().is_all(false), "no key at all is listed");
        let missing = Did { demoted: vec![(target(2, true), None)], absent: vec![target(1, true)], listed: 3, ..Did::default() };
        assert!(!missing.is_all(false), "what is in use is not listed");
        let old = Did { demoted: vec![(target(2, true), Some(10_240))], absent: vec![target(1, false)], listed: 3, ..Did::default() };
        assert!(old.is_all(false));
        assert_eq!(
            old.words(),
            "version 2 was demoted and read back 10240 ms after the press; version 1 (not in use) is none of the 3 that the main account lists"
        );
    }
}
