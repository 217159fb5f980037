//! Measuring: a venue is asked what a key is, by the server for what it holds, on the agent's host for the bot's. Nothing is used before that is
//! what was approved, and what comes of it is written here; what it means is in `judge`, what follows of it in `drift`.

use super::{
    Key, VersionRow,
    install::fingerprint,
    is_proved,
    judge::{Measured, Weight, attested, digest, evidence_of, is_due, judge, take},
    note, write_version,
};
use crate::app::{App, AppError, Invalid, agent_book::LiveAgent, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit};
use crate::domain::{
    ApiSecret, BotFacts, BotId, KeyId, KeyPurpose, KeySheet, Secret, Timestamp,
    key::{KeyMeasurer, KeyState, KeyStep},
};
use crate::protocol::{KeyTold, MeasuredKey};
use crate::storage::Lane;
use crate::venues::{Capability, Difference, Finding, Inspection, MeasuredBy, Venue, VenueError};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// How long a venue may take to say what a key is.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that is kept of what a host says of a key, bytes.
const EVIDENCE_MOST: usize = 32 * 1024;
/// How long a key whose measuring brought nothing is left alone.
const RETRY_MS: i64 = 15 * 60 * 1_000;
/// Measured in one pass, at most.
const AT_ONCE: usize = 8;

/// Versions whose measuring was tried lately.
#[derive(Debug, Default)]
pub struct Tried(HashMap<(KeyId, i64), Timestamp>);

impl Tried {
    /// True when a version may be tried: not lately, or somebody asked for it since.
    fn may_try(&self, row: &VersionRow) -> bool {
        let last = self.0.get(&(row.key_id.clone(), row.version));
        last.is_none_or(|last| row.asked_at.is_some_and(|asked| asked > *last))
    }
}

impl App {
    /// The venue of a bot, when we speak to it, and its exchange's name in the register. A copied database reaches no venue (ruling H14).
    ///
    /// # Errors
    /// `Conflict` for a bot that is nowhere, or on another site's copy.
    pub(crate) fn venue_of(&self, bot: &BotFacts) -> Result<(Option<Arc<dyn Venue>>, String), AppError> {
        if self.site.is_foreign() {
            return Err(AppError::conflict("this server runs on another site's copy: it acts on no venue until it takes over"));
        }
        let seat = bot.seat.as_ref().ok_or_else(|| AppError::conflict("the bot has no subaccount"))?;
        let venue = self.venues().venue(&seat.venue).ok_or(AppError::NotFound("venue"))?;
        Ok((self.exchanges.venue_for(&venue.exchange, venue.environment), venue.exchange))
    }

    /// What the venue is called that can be asked what a bot's key is; none: nobody here can ask it.
    pub fn measuring_venue(&self, bot: &BotFacts) -> Option<String> {
        let (venue, exchange) = self.venue_of(bot).ok()?;
        venue.filter(|venue| venue.capability().measures_keys).map(|_| exchange)
    }

    /// True for a version that somebody has who can ask its venue with it: the server, or the agent once it was to have it.
    pub fn may_be_measured(&self, key: &Key, row: &VersionRow) -> bool {
        let is_there = row.state.is_usable() || (row.state == KeyState::Installed && row.agent_id.is_none());
        is_there && key.is_open() && self.bot_of_key(key).is_ok_and(|bot| key.is_of(&bot).is_ok() && self.measuring_venue(&bot).is_some())
    }

    /// Measures a key with itself, from this server's address. One of the main account also shows whether it sees the keys that it is to demote.
    pub(crate) async fn measure(&self, sheet: &KeySheet, (venue, bot): (Option<&Arc<dyn Venue>>, &BotId), secret: &ApiSecret) -> Measured {
        let venue = venue.map(|venue| (venue, venue.capability())).filter(|(_, of)| of.measures_keys);
        let Some((venue, of)) = venue else { return attested(sheet) };
        let asked = tokio::time::timeout(PATIENCE, venue.inspect_key(&secret.into())).await;
        let late = || VenueError::Unknown { why: "the venue did not answer within 10 s".to_owned(), code: None, wait: None };
        let measured = judge(sheet, asked.unwrap_or_else(|_| Err(late())), (KeyMeasurer::Server, &of));
        if sheet.purpose != KeyPurpose::KeyAdmin || measured.evidence.inspection.is_none() {
            return measured;
        }
        let account = sheet.account.as_deref().unwrap_or_default();
        let listed = tokio::time::timeout(PATIENCE, venue.sub_keys(&secret.into(), account)).await;
        match listed.unwrap_or_else(|_| Err(late())) {
            // Nothing was learned of that, and what was known stands.
            Err(error @ VenueError::Unknown { .. }) => judge(sheet, Err(error), (KeyMeasurer::Server, &of)),
            listed => measured.besides(self.sub_keys_differ(account, bot, (listed, &of))),
        }
    }

    /// What keeps a key of the main account from demoting what its bot trades with: it is not shown the keys of the subaccount, or the bot's own is
    /// none of them. None: nothing.
    fn sub_keys_differ(
        &self,
        account: &str,
        bot: &BotId,
        (listed, of): (Result<Vec<String>, VenueError>, &Capability),
    ) -> Option<Difference> {
        let differs = |what: String| Some(Difference { weight: Weight::Unknown, what });
        let names = match listed {
            Ok(names) => names,
            Err(error) => {
                let calls_by = of.admin.map_or("its name", |admin| admin.calls_by);
                return differs(format!(
                    "it was not shown the keys of the subaccount {account}, which is to be named by {calls_by}: {error}"
                ));
            }
        };
        let prints: HashSet<String> = names.into_iter().map(|name| fingerprint(&Secret::new(name))).collect();
        let keys = self.exchange_keys();
        let trades = keys.of_purpose(bot, KeyPurpose::Execution).and_then(|key| key.current())?;
        if prints.contains(&trades.fingerprint) {
            return None;
        }
        differs(format!(
            "the bot's key to trade, version {}, is none of the {} that the main account lists for {account}: it could not demote that",
            trades.version,
            prints.len()
        ))
    }

    /// Judges what a venue told a key on its agent's host: the facts are compared here, and nobody's word is taken for what follows.
    ///
    /// # Errors
    /// `Invalid` for facts that are none.
    pub(crate) fn judge_elsewhere(
        &self,
        sheet: &KeySheet,
        venue: Option<&Arc<dyn Venue>>,
        told: Option<KeyTold>,
    ) -> Result<Measured, AppError> {
        let of = venue.map(|venue| venue.capability()).filter(|of| of.measures_keys);
        let Some(of) = of else { return Ok(attested(sheet)) };
        let unknown = |why: String| VenueError::Unknown { why: plain(&why), code: None, wait: None };
        let said = match told {
            None => Err(unknown("it was not measured".to_owned())),
            Some(KeyTold::Nothing { said }) => Err(unknown(said)),
            Some(KeyTold::Refused { finding, said }) => {
                let kind = finding.parse().map_err(|_| Invalid::one("told", "That is no finding that a venue's refusal can be"))?;
                Err(VenueError::Finding(Finding { kind, code: String::new(), said: plain(&said) }))
            }
            Some(KeyTold::Facts(facts)) if facts.to_string().len() > EVIDENCE_MOST => {
                return Err(Invalid::one("told", "These facts are longer than those of any key").into());
            }
            Some(KeyTold::Facts(facts)) => {
                let read: Result<Inspection, _> = serde_json::from_value(facts);
                // Not why: that would repeat a value, which may be a secret in the wrong field.
                let read = read.map_err(|_| Invalid::one("told", "These are no facts of a key as this server reads them"))?;
                // With itself, now: nobody else measures on a bot's host.
                Ok(Inspection { measured_by: MeasuredBy::Own, measured_at: self.clock.now(), ..read })
            }
        };
        Ok(judge(sheet, said, (KeyMeasurer::Agent, &of)))
    }

    /// Takes what a venue told a key on its agent's host. Once a day is enough: what comes sooner changes nothing.
    ///
    /// # Errors
    /// `NotFound` for what is not this agent's; `Invalid` for facts that are none.
    pub async fn measured_elsewhere(self: &Arc<Self>, agent: &LiveAgent, measured: MeasuredKey) -> Result<(), AppError> {
        let MeasuredKey { key_id, version, told } = measured;
        let key = self.key_in(&mut *self.db.read().await?, &key_id).await?;
        let is_its = |row: &&VersionRow| row.agent_id.as_ref() == Some(&agent.id);
        let row = key.version(version).filter(is_its).ok_or(AppError::NotFound("key"))?;
        let bot = self.bot_of_key(&key)?;
        key.is_of(&bot)?;
        // Of a venue that nobody can ask a person answers, and no host says anything.
        let Some(venue) = self.venue_of(&bot)?.0.filter(|venue| venue.capability().measures_keys) else { return Ok(()) };
        let judged = self.judge_elsewhere(&key.sheet, Some(&venue), Some(told))?;
        if !is_due(row, self.clock.now()) {
            return Ok(());
        }
        let permit = authz::check(&agent.as_actor(), Action::CheckIn, &Self::bot_resource(&bot))?;
        self.write_measured(permit, &key, (version, &judged)).await
    }

    /// Somebody wants a version measured again, before its day is over.
    ///
    /// # Errors
    /// `Denied`; `Conflict` for one that is not in use, or that nobody can measure.
    pub async fn measure_anew(&self, actor: &Actor, id: &KeyId, version: i64) -> Result<(), AppError> {
        let bot = self.bot_of_key(&self.key_in(&mut *self.db.read().await?, id).await?)?;
        let permit = authz::check(actor, Action::AttestKey, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let mut row = key.version(version).cloned().ok_or(AppError::NotFound("version of this key"))?;
        if !self.may_be_measured(&key, &row) {
            return Err(AppError::conflict("nobody can measure this version: its venue cannot be asked here, or nobody has it who could"));
        }
        row.asked_at = Some(act.now());
        write_version(&mut act, &mut row).await?;
        note(&mut act, id, Some(version), ("To be measured again", "")).await?;
        act.changes_key(id);
        act.commit(Event::KeyMoved { key: id.clone(), version, state: "to_be_measured".to_owned(), why: String::new() }).await?;
        Ok(())
    }

    /// Measures what is due of what the server holds, oldest first; a venue that does not answer is left alone for a while. Those of bots are measured
    /// on their agents' hosts. Apart from the rest: a venue may take its time.
    pub async fn measure_daily(self: &Arc<Self>, before: &mut Tried) {
        if self.site.is_foreign() {
            return;
        }
        let (keys, now) = (self.exchange_keys(), self.clock.now());
        before.0.retain(|_, at| now.ms_since(*at) < RETRY_MS);
        let held = keys.all().filter(|key| key.row.purpose.is_server_held() && key.is_open());
        let mut due: Vec<_> = held
            .flat_map(|key| key.versions.iter().map(move |row| (key, row)))
            .filter(|(key, row)| is_due(row, now) && before.may_try(row) && self.may_be_measured(key, row))
            .collect();
        due.sort_by_key(|(_, row)| row.measured_at);
        for (key, row) in due.into_iter().take(AT_ONCE) {
            before.0.insert((key.row.id.clone(), row.version), now);
            if let Err(error) = self.measure_held(key, row.version).await {
                tracing::warn!(key = %key.row.id, error = &error as &dyn std::error::Error, "a key could not be measured");
            }
        }
    }

    /// Measures a version that the server holds, and writes down what came of it.
    async fn measure_held(self: &Arc<Self>, key: &Key, version: i64) -> Result<(), AppError> {
        let bot = self.bot_of_key(key)?;
        key.is_of(&bot)?;
        let (venue, _) = self.venue_of(&bot)?;
        let secret = self.open_kept(&key.row, version).await?;
        let measured = self.measure(&key.sheet, (venue.as_ref(), &bot.id), &secret).await;
        self.write_measured(self.server_permit()?, key, (version, &measured)).await
    }

    /// What follows of a measurement, first; then its row. What somebody else has written meanwhile stands.
    async fn write_measured(self: &Arc<Self>, permit: Permit, key: &Key, (version, measured): (i64, &Measured)) -> Result<(), AppError> {
        self.act_on_drift(key, version, measured).await;
        if measured.says_nothing() && key.version(version).is_some_and(|row| row.verdict.is_some()) {
            // Nothing was learned, and what was known stands: its age says so.
            return Ok(());
        }
        let mut act = self.begin(permit, Lane::Normal).await?;
        let fresh = self.key_in(act.tx(), &key.row.id).await?;
        if fresh.sheet != key.sheet {
            return Err(AppError::conflict("its terms changed while it was measured; it is measured again"));
        }
        if let Some(mut row) = fresh.version(version).filter(|row| is_due(row, act.now())).cloned() {
            self.note_measured(&mut act, &mut row, measured).await?;
            act.finish().await?;
        }
        self.key_book.wrote_drift(&key.row.id, version);
        Ok(())
    }

    /// Writes a measurement down, in a transaction: the row, the history, the entry; and takes the step into use where nothing is left open.
    pub(super) async fn note_measured(&self, act: &mut Act<'_>, row: &mut VersionRow, measured: &Measured) -> Result<(), AppError> {
        let verdict = take(row, measured).map_err(AppError::internal)?;
        row.measured_at = (measured.by != KeyMeasurer::Attested).then(|| act.now());
        (row.measured_by, row.asked_at) = (Some(measured.by), None);
        write_version(act, row).await?;
        let differences: Vec<String> = measured.evidence.differences.iter().map(|one| format!("{}: {}", one.weight, one.what)).collect();
        let said = measured.evidence.said.clone().unwrap_or_else(|| differences.join("; "));
        let what = format!("Measured {}: {}", measured.by.words(), verdict.words().to_lowercase());
        note(act, &row.key_id, Some(row.version), (&what, &said)).await?;
        let (key, version, by) = (row.key_id.clone(), row.version, measured.by);
        let evidence_sha256 = digest(&[row.evidence.as_deref().unwrap_or_default()]);
        act.record(Event::KeyMeasured { key, version, by, verdict, differences, evidence_sha256 }).await?;
        act.changes_key(&row.key_id);
        self.use_if_proved(act, row, "it is what was approved").await
    }

    /// Takes a version that was handed in a step on, once nothing of it is left open.
    pub(super) async fn use_if_proved(&self, act: &mut Act<'_>, row: &mut VersionRow, why: &str) -> Result<(), AppError> {
        if is_proved(row) && row.state == KeyState::Installed {
            self.step_key(act, row, (KeyStep::Measure, why)).await?;
            self.put_to_use(act, row).await?;
        }
        Ok(())
    }

    /// What the server holds is in use as soon as it is what was approved; the version before it drains.
    pub(crate) async fn put_to_use(&self, act: &mut Act<'_>, row: &mut VersionRow) -> Result<(), AppError> {
        if row.agent_id.is_none() && self.step_key(act, row, (KeyStep::Activate, "the server uses it")).await? {
            self.drain_older(act, row).await?;
        }
        Ok(())
    }

    /// Judges what is known of a key's versions by other terms than they were measured under, in the transaction that approves those. What nobody
    /// has measured somebody answers for anew; nobody is asked, so that what was measured keeps its age.
    pub(crate) async fn judge_again(&self, act: &mut Act<'_>, key: &Key) -> Result<(), AppError> {
        let bot = self.bot_of_key(key)?;
        let of = self.venue_of(&bot).ok().and_then(|(venue, _)| venue).map(|venue| venue.capability());
        for row in key.versions.iter().filter(|row| row.state.is_held() && row.verdict.is_some()) {
            let mut row = row.clone();
            let (Some(evidence), Some(by)) = (evidence_of(&row), row.measured_by) else { continue };
            if key.row.purpose == KeyPurpose::KeyAdmin {
                // Which keys it sees was asked under the terms before, and a list cannot be judged again.
                row.asked_at = Some(act.now());
            }
            let judged = match (evidence.inspection, &of) {
                (Some(inspection), Some(of)) if key.row.purpose == KeyPurpose::KeyAdmin => {
                    let what = "whether it is shown the bot's keys is asked again, since its terms are new".to_owned();
                    judge(&key.sheet, Ok(inspection), (by, of)).besides(Some(Difference { weight: Weight::Unknown, what }))
                }
                (Some(inspection), Some(of)) => judge(&key.sheet, Ok(inspection), (by, of)),
                (None, _) if by == KeyMeasurer::Attested => attested(&key.sheet),
                _ => continue,
            };
            let verdict = take(&mut row, &judged).map_err(AppError::internal)?;
            write_version(act, &mut row).await?;
            let what = format!("Beside its new terms: {}", verdict.words().to_lowercase());
            note(act, &row.key_id, Some(row.version), (&what, "")).await?;
            self.use_if_proved(act, &mut row, "it is what was approved by now").await?;
        }
        Ok(())
    }
}

/// Words of somebody else, cut and cleaned.
pub(super) fn plain(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(200).collect()
}
