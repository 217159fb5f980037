//! Measuring: what a venue says of a key beside what was approved. Nothing is used before both are the same; what the venue never says a person
//! answers for, by name. A difference that is found later is told at once and stops the bot as was approved with the key.

use super::{Key, VersionRow, is_proved, note, write_version};
use crate::app::{App, AppError, Invalid, agent_book::LiveAgent, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor};
use crate::domain::{
    AlertKind, ApiSecret, BotFacts, KeyId, KeyPurpose, KeySheet, PlacedBy, PlacerKind, Scope, Subject, Timestamp,
    key::{KeyMeasurer, KeyState, KeyStep, KeyVerdict},
};
use crate::protocol::{KeyTold, MeasuredKey};
use crate::storage::Lane;
pub use crate::venues::Weight;
use crate::venues::{Capability, Credential, Difference, Finding, Inspection, MeasuredBy, Venue, VenueError, compare};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// How long a venue may take to say what a key is.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is left to a person where the venue's name for the account was not approved.
const OWN_ACCOUNT: &str = "it belongs to the subaccount that it was approved for";
/// The most that is kept of what a host says of a key, bytes.
const EVIDENCE_MOST: usize = 32 * 1024;
/// The trigger under which a bot is held whose key is another than approved.
pub const DRIFT: &str = "key_drift";

/// What is kept of a measurement. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// What the venue said; none: it refused the key, said nothing, or cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection: Option<Inspection>,
    /// In what it differs from what was approved, and what is left to a person.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Why there is no inspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// A measurement, judged.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Who measured.
    pub by: KeyMeasurer,
    /// What it came to.
    pub verdict: KeyVerdict,
    /// What is kept of it.
    pub evidence: Evidence,
}

impl Measured {
    /// True when nothing was learned at all: the venue did not answer.
    pub(crate) fn says_nothing(&self) -> bool {
        self.verdict == KeyVerdict::Unknown && self.evidence.inspection.is_none()
    }
}

/// SHA-256, hex.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize())
}

/// What somebody who answers for a version has seen: which key of the venue it is, what was approved, and what is known of it.
pub fn seen_digest(key: &Key, row: &VersionRow) -> String {
    let version = row.version.to_string();
    digest(&[key.row.id.as_str(), &version, &row.fingerprint, &key.row.sheet, row.evidence.as_deref().unwrap_or_default()])
}

/// What is left to a person where a venue cannot be asked at all.
fn all_attested(sheet: &KeySheet) -> Vec<Difference> {
    let ends = sheet.until.map_or_else(|| "it does not end by itself".to_owned(), |until| format!("it ends at {}", until.plain()));
    let mut what =
        vec![format!("it may {} and nothing else", sheet.rights_words()), format!("it works from {} alone", sheet.ips.join(", ")), ends];
    what.push(sheet.account.as_ref().map_or_else(|| OWN_ACCOUNT.to_owned(), |account| format!("it belongs to account {account}")));
    what.into_iter().map(|what| Difference { weight: Weight::Attest, what }).collect()
}

/// Judges what a venue said of a key. What it refuses is no key that was approved; what it did not say is asked again.
pub(crate) fn judge(sheet: &KeySheet, said: Result<Inspection, VenueError>, (by, of): (KeyMeasurer, &Capability)) -> Measured {
    match said {
        Ok(inspection) => {
            let mut differences = compare(sheet, &inspection.facts, inspection.measured_by, of);
            if sheet.account.is_none() && sheet.purpose != KeyPurpose::MarketData {
                let says =
                    inspection.facts.subaccount.as_ref().map_or_else(|| "no account".to_owned(), |account| format!("account {account}"));
                differences.push(Difference { weight: Weight::Attest, what: format!("{OWN_ACCOUNT}; the venue names {says}") });
            }
            let worst = differences.iter().map(|one| one.weight).min();
            let verdict = match worst {
                None => KeyVerdict::Agrees,
                Some(Weight::Attest) => KeyVerdict::Attest,
                Some(Weight::Unknown) => KeyVerdict::Unknown,
                Some(Weight::Wrong) => KeyVerdict::Differs,
            };
            Measured { by, verdict, evidence: Evidence { inspection: Some(inspection), differences, said: None } }
        }
        Err(error) => {
            let is_dead = matches!(&error, VenueError::Finding(finding) if finding.kind.is_about_the_key());
            let verdict = if is_dead { KeyVerdict::Differs } else { KeyVerdict::Unknown };
            Measured { by, verdict, evidence: Evidence { said: Some(error.to_string()), ..Evidence::default() } }
        }
    }
}

/// A secret as it is used to sign.
pub(crate) fn credential(secret: &ApiSecret) -> Credential {
    let credential = Credential::new(secret.api_key.expose().clone(), secret.secret.clone());
    match &secret.passphrase {
        Some(passphrase) => credential.with_passphrase(passphrase.clone()),
        None => credential,
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

    /// Measures a key with itself, from this server's address.
    pub(crate) async fn measure(&self, sheet: &KeySheet, venue: Option<&Arc<dyn Venue>>, secret: &ApiSecret) -> Measured {
        let venue = venue.map(|venue| (venue, venue.capability())).filter(|(_, of)| of.measures_keys);
        let Some((venue, of)) = venue else { return attested(sheet) };
        let asked = tokio::time::timeout(PATIENCE, venue.inspect_key(&credential(secret))).await;
        let late = || VenueError::Unknown { why: "the venue did not answer within 10 s".to_owned(), code: None, wait: None };
        judge(sheet, asked.unwrap_or_else(|_| Err(late())), (KeyMeasurer::Server, &of))
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
        let (venue, _) = self.venue_of(&bot)?;
        let judged = self.judge_elsewhere(&key.sheet, venue.as_ref(), Some(told))?;
        // Of a venue that nobody can ask a person answers, and no host says anything.
        if self.measuring_venue(&bot).is_none() || !is_due(row, self.clock.now()) {
            return Ok(());
        }
        self.act_on_drift(&key, version, &judged).await;
        if judged.says_nothing() && row.verdict.is_some() {
            return Ok(());
        }
        let permit = authz::check(&agent.as_actor(), Action::CheckIn, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let fresh = self.key_in(act.tx(), &key_id).await?;
        let due = fresh.version(version).filter(|row| row.state.is_held() && is_due(row, act.now()) && fresh.sheet == key.sheet);
        let Some(mut row) = due.cloned() else {
            // Somebody else has written what became of it.
            self.key_book.wrote_drift(&key_id, version);
            return Ok(());
        };
        self.note_measured(&mut act, &mut row, &judged).await?;
        act.finish().await?;
        self.key_book.wrote_drift(&key_id, version);
        Ok(())
    }

    /// Writes a measurement down, in a transaction: the row, the history, the entry; and takes the step into use where nothing is left open.
    pub(crate) async fn note_measured(&self, act: &mut Act<'_>, row: &mut VersionRow, measured: &Measured) -> Result<(), AppError> {
        let before = row.verdict;
        let evidence = serde_json::to_string(&measured.evidence).map_err(AppError::internal)?;
        let is_attested = row.attested_at.is_some() && left_open(row) == Some(attests(&measured.evidence.differences));
        // A venue that did not answer takes nothing back of what it said before.
        let is_silent = measured.says_nothing() && before.is_some();
        let verdict = in_use(row, measured);
        let differences: Vec<String> = measured.evidence.differences.iter().map(|one| format!("{}: {}", one.weight, one.what)).collect();
        let said = measured.evidence.said.clone().unwrap_or_else(|| differences.join("; "));
        if !is_silent {
            row.measured_at = (measured.by != KeyMeasurer::Attested).then(|| act.now());
            (row.measured_by, row.verdict) = (Some(measured.by), Some(verdict));
            if !is_attested {
                (row.attested_at, row.attested_by) = (None, None);
            }
            row.evidence = Some(evidence.clone());
            write_version(act, row).await?;
        }
        let what = format!("Measured {}: {}", measured.by.words(), verdict.words().to_lowercase());
        note(act, &row.key_id, Some(row.version), (&what, &said)).await?;
        act.record(Event::KeyMeasured {
            key: row.key_id.clone(),
            version: row.version,
            by: measured.by,
            verdict,
            differences,
            evidence_sha256: digest(&[&evidence]),
        })
        .await?;
        act.changes_key(&row.key_id);
        self.use_if_proved(act, row, "it is what was approved").await
    }

    /// Takes a version that was handed in a step on, once nothing of it is left open.
    async fn use_if_proved(&self, act: &mut Act<'_>, row: &mut VersionRow, why: &str) -> Result<(), AppError> {
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
            let judged = match (evidence.inspection, &of) {
                (Some(inspection), Some(of)) => judge(&key.sheet, Ok(inspection), (by, of)),
                (None, _) if by == KeyMeasurer::Attested => attested(&key.sheet),
                _ => continue,
            };
            let is_attested = left_open(&row) == Some(attests(&judged.evidence.differences));
            let verdict = in_use(&row, &judged);
            row.verdict = Some(verdict);
            if !is_attested {
                (row.attested_at, row.attested_by) = (None, None);
            }
            row.evidence = Some(serde_json::to_string(&judged.evidence).map_err(AppError::internal)?);
            write_version(act, &mut row).await?;
            let what = format!("Beside its new terms: {}", verdict.words().to_lowercase());
            note(act, &row.key_id, Some(row.version), (&what, "")).await?;
            self.use_if_proved(act, &mut row, "it is what was approved by now").await?;
        }
        Ok(())
    }

    /// Somebody answers for what the venue does not say of a version: they have looked at its page, and did not hand it in.
    ///
    /// # Errors
    /// `Denied`, also for whoever handed it in; `Conflict` when nothing is left to be attested, or it is something else than was seen.
    pub async fn attest_key(&self, actor: &Actor, id: &KeyId, (version, seen): (i64, &str), why: &str) -> Result<(), AppError> {
        let why = crate::app::requests::ask::reason(why, "Say what you looked at, and when")?;
        let bot = self.bot_of_key(&self.key_in(&mut *self.db.read().await?, id).await?)?;
        let permit = authz::check(actor, Action::AttestKey, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let mut row = key.version(version).cloned().ok_or(AppError::NotFound("version of this key"))?;
        if !key.is_open() || row.verdict != Some(KeyVerdict::Attest) || row.attested_at.is_some() || !row.state.is_held() {
            return Err(AppError::conflict("nothing of this version is left to be attested"));
        }
        let by = crate::audit::Actor::from(act.actor()).text();
        // Somebody who is alone does both: there is nobody else.
        if row.installed_by == by && !self.people_book.is_alone() {
            return Err(AppError::NotYours(
                "you handed this key in: somebody else looks at the venue's page and answers for it".to_owned(),
            ));
        }
        if seen_digest(&key, &row) != seen {
            return Err(AppError::conflict(
                "it is another key, or was measured anew, since you looked: read what is left to be attested once more",
            ));
        }
        let what = left_open(&row).unwrap_or_default();
        (row.attested_at, row.attested_by) = (Some(act.now()), Some(by));
        write_version(&mut act, &mut row).await?;
        note(&mut act, &row.key_id, Some(version), ("Attested", &format!("{}: {why}", what.join("; ")))).await?;
        self.use_if_proved(&mut act, &mut row, "attested").await?;
        act.changes_key(&row.key_id);
        act.commit(Event::KeyAttested { key: row.key_id, version, fingerprint: row.fingerprint, what, why }).await?;
        Ok(())
    }

    /// What follows when a version in use is another than approved: somebody is told, and the bot is held as was approved with the key. None of
    /// this waits for the database.
    pub(crate) async fn note_drift(self: &Arc<Self>, key: &Key, version: i64) {
        let is_drift = |row: &&VersionRow| key.is_open() && row.verdict == Some(KeyVerdict::Differs) && row.state.is_usable();
        let Some(row) = key.version(version).filter(is_drift) else { return };
        let bot = self.fleet.view().bot(&key.row.bot_id).map_or_else(|| key.row.bot_id.to_string(), |bot| bot.name.clone());
        let said = words_of(row).unwrap_or_else(|| "see its page".to_owned());
        let words = format!("The key {} of {bot} is not what was approved: {said}. Its page says what to do.", key.row.purpose.words());
        self.raise(AlertKind::KeyDrift, Subject::bot(&key.row.bot_id), &words);
        if let Some(level) = key.row.on_drift.level() {
            let by = PlacedBy { kind: PlacerKind::Trigger, id: DRIFT.into(), name: DRIFT.into(), as_risk: false };
            self.place_by_rule(by, Scope::Bot(key.row.bot_id.clone()), level, &words).await;
        }
    }

    /// The same straight after a measurement, before anything of it is written: neither a frozen log nor a dead database keeps a bot from being held.
    pub(crate) async fn act_on_drift(self: &Arc<Self>, key: &Key, version: i64, measured: &Measured) {
        let Some(row) = key.version(version) else { return };
        let evidence = serde_json::to_string(&measured.evidence).ok();
        let found = VersionRow { verdict: Some(in_use(row, measured)), evidence, ..row.clone() };
        if found.verdict == Some(KeyVerdict::Differs) {
            self.key_book.finds_drift(&key.row.id, version);
        }
        let versions = vec![found];
        self.note_drift(&Key { row: key.row.clone(), sheet: key.sheet.clone(), versions }, version).await;
    }

    /// Lets somebody hand a secret in: of those who trade in the team, whoever did not approve it (nobody who approves sees a
    /// secret).
    pub(crate) async fn may_install(&self, actor: &Actor, id: &KeyId) -> Result<(authz::Permit, Key), AppError> {
        let mut tx = self.db.read().await?;
        let key = self.key_in(&mut tx, id).await?;
        let bot = self.bot_of_key(&key)?;
        let permit = authz::check(actor, Action::InstallKey, &Self::bot_resource(&bot))?;
        let request = self.request_in(&mut tx, &key.row.request_id).await?;
        let has_approved =
            |user: &crate::domain::UserId| request.votes.iter().any(|vote| vote.user_id == *user && vote.taken_back_at.is_none());
        // Somebody who is alone approves and installs: there is nobody else.
        if actor.user().is_some_and(has_approved) && !self.people_book.is_alone() {
            return Err(AppError::NotYours("you approved this key, and whoever approves a key never sees its secret".to_owned()));
        }
        Ok((permit, key))
    }
}

/// Words of somebody else, cut and cleaned.
pub(super) fn plain(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(200).collect()
}

pub(super) fn attested(sheet: &KeySheet) -> Measured {
    let said = "this venue cannot be asked here: somebody looks at its page and answers for the key".to_owned();
    let evidence = Evidence { inspection: None, differences: all_attested(sheet), said: Some(said) };
    Measured { by: KeyMeasurer::Attested, verdict: KeyVerdict::Attest, evidence }
}

/// What a measurement means for a version: of one that is in use, words for rights that nobody knows are no better than wrong ones.
fn in_use(row: &VersionRow, measured: &Measured) -> KeyVerdict {
    let is_strange = measured.evidence.inspection.as_ref().is_some_and(|said| said.facts.has_unknown_words());
    match measured.verdict {
        KeyVerdict::Unknown if is_strange && row.state.is_usable() => KeyVerdict::Differs,
        verdict => verdict,
    }
}

fn attests(differences: &[Difference]) -> Vec<String> {
    differences.iter().filter(|one| one.weight == Weight::Attest).map(|one| one.what.clone()).collect()
}

/// What of a version is left to a person.
pub fn left_open(row: &VersionRow) -> Option<Vec<String>> {
    evidence_of(row).map(|evidence| attests(&evidence.differences))
}

/// What was found of a version last.
pub fn evidence_of(row: &VersionRow) -> Option<Evidence> {
    serde_json::from_str(row.evidence.as_ref()?).ok()
}

/// In what a version differs, as a line.
fn words_of(row: &VersionRow) -> Option<String> {
    let evidence = evidence_of(row)?;
    let wrong: Vec<&str> = evidence.differences.iter().filter(|one| one.weight != Weight::Attest).map(|one| one.what.as_str()).collect();
    if wrong.is_empty() { evidence.said } else { Some(wrong.join("; ")) }
}

/// True when a version is to be measured again: daily.
pub(crate) fn is_due(row: &VersionRow, now: Timestamp) -> bool {
    let since = row.measured_at.unwrap_or(Timestamp(0));
    row.state.is_held() && row.state != KeyState::Installed && now.ms_since(since) >= crate::domain::time::DAY_MS
}
