//! What a measurement means: what a venue said of a key beside what was approved, and what of it is left to a person. Pure; nothing is asked or
//! written here, and no secret is in any of it.

use super::{Key, VersionRow};
use crate::domain::{
    KeyPurpose, KeySheet, Timestamp,
    key::{KeyMeasurer, KeyState, KeyVerdict},
    time::DAY_MS,
};
pub use crate::venues::Weight;
use crate::venues::{Capability, Difference, Inspection, VenueError, compare};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is left to a person where the venue's name for the account was not approved.
const OWN_ACCOUNT: &str = "it belongs to the subaccount that it was approved for";

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
    /// The same with what else was found.
    pub(super) fn besides(mut self, found: Option<Difference>) -> Self {
        if let Some(found) = found {
            self.evidence.differences.push(found);
            self.evidence.differences.sort_by_key(|one| one.weight);
            self.verdict = verdict_of(&self.evidence.differences);
        }
        self
    }
}

/// SHA-256, hex.
pub(super) fn digest(parts: &[&str]) -> String {
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

/// What differences come to: the worst of them.
fn verdict_of(differences: &[Difference]) -> KeyVerdict {
    match differences.iter().map(|one| one.weight).min() {
        None => KeyVerdict::Agrees,
        Some(Weight::Attest) => KeyVerdict::Attest,
        Some(Weight::Unknown) => KeyVerdict::Unknown,
        Some(Weight::Wrong) => KeyVerdict::Differs,
    }
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
            let verdict = verdict_of(&differences);
            Measured { by, verdict, evidence: Evidence { inspection: Some(inspection), differences, said: None } }
        }
        Err(error) => {
            let is_dead = matches!(&error, VenueError::Finding(finding) if finding.kind.is_about_the_key());
            let verdict = if is_dead { KeyVerdict::Differs } else { KeyVerdict::Unknown };
            Measured { by, verdict, evidence: Evidence { said: Some(error.to_string()), ..Evidence::default() } }
        }
    }
}

/// What is found of a key whose venue nobody here can ask.
pub(super) fn attested(sheet: &KeySheet) -> Measured {
    let said = "this venue cannot be asked here: somebody looks at its page and answers for the key".to_owned();
    let evidence = Evidence { inspection: None, differences: all_attested(sheet), said: Some(said) };
    Measured { by: KeyMeasurer::Attested, verdict: KeyVerdict::Attest, evidence }
}

/// What a measurement means for a version: of one that is in use, words for rights that nobody knows are no better than wrong ones.
pub(super) fn in_use(row: &VersionRow, measured: &Measured) -> KeyVerdict {
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
pub(super) fn words_of(row: &VersionRow) -> Option<String> {
    let evidence = evidence_of(row)?;
    let wrong: Vec<&str> = evidence.differences.iter().filter(|one| one.weight != Weight::Attest).map(|one| one.what.as_str()).collect();
    if wrong.is_empty() { evidence.said } else { Some(wrong.join("; ")) }
}

/// Puts what was found of a version into its row. What somebody answered for stands while the same is left to a person.
pub(super) fn take(row: &mut VersionRow, found: &Measured) -> serde_json::Result<KeyVerdict> {
    let is_attested = row.attested_at.is_some() && left_open(row) == Some(attests(&found.evidence.differences));
    let verdict = in_use(row, found);
    row.verdict = Some(verdict);
    if !is_attested {
        (row.attested_at, row.attested_by) = (None, None);
    }
    row.evidence = Some(serde_json::to_string(&found.evidence)?);
    Ok(verdict)
}

/// True when a version is to be measured: one in use daily, and any once when somebody asked for it.
pub(crate) fn is_due(row: &VersionRow, now: Timestamp) -> bool {
    let is_old = now.ms_since(row.measured_at.unwrap_or(Timestamp(0))) >= DAY_MS;
    row.state.is_held() && (row.asked_at.is_some() || (row.state != KeyState::Installed && is_old))
}
