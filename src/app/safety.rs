//! The safety sheets of main accounts: looked over by a person at the venue, again every three months, since no key can read any of it.

use super::{App, AppError, Invalid};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    AccountId, Timestamp, UserId,
    safety::{REVIEW_DAYS, SafetySheet},
    text,
    time::DAY_MS,
};
use crate::storage::{self, Lane, safety::SafetyRow};
use std::collections::HashMap;

/// A sheet and when it was looked over; nobody has: the sheet knows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Safety {
    /// What is known.
    pub sheet: SafetySheet,
    /// When it was looked over, and by whom.
    pub reviewed: Option<(Timestamp, UserId)>,
}

impl Safety {
    pub(crate) fn of(row: SafetyRow) -> Result<Self, AppError> {
        let unreadable = |_| AppError::from(storage::Error::Unreadable(format!("the safety sheet of account {}", row.account_id)));
        Ok(Self { sheet: serde_json::from_str(&row.sheet).map_err(unreadable)?, reviewed: Some((row.reviewed_at, row.reviewed_by)) })
    }
    /// True when it is to be looked over again.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.reviewed.as_ref().is_none_or(|(at, _)| now.ms_since(*at) >= REVIEW_DAYS * DAY_MS)
    }
}

/// What was typed.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct TypedSafety {
    /// A `SecondFactor`.
    pub second_factor: String,
    /// `yes`, `no` or `unknown`.
    pub whitelist_locked: String,
    /// Free text, as the rest.
    pub notices_to: String,
    /// Who can recover it.
    pub recovery: String,
    /// Who may speak with support.
    pub support: String,
    /// From which devices.
    pub devices: String,
    /// What is known of the venue.
    pub diligence: String,
}

impl From<SafetySheet> for TypedSafety {
    fn from(sheet: SafetySheet) -> Self {
        Self {
            second_factor: sheet.second_factor.to_string(),
            whitelist_locked: sheet.whitelist_locked.to_string(),
            notices_to: sheet.notices_to,
            recovery: sheet.recovery,
            support: sheet.support,
            devices: sheet.devices,
            diligence: sheet.diligence,
        }
    }
}

impl TypedSafety {
    fn sheet(&self) -> Result<SafetySheet, Invalid> {
        let mut invalid = Invalid::default();
        let second_factor =
            self.second_factor.parse().map_err(|_| invalid.0.push(("second_factor", "Choose what a sign-in asks for".to_owned())));
        let whitelist =
            self.whitelist_locked.parse().map_err(|_| invalid.0.push(("whitelist_locked", "Say yes, no or not known".to_owned())));
        let mut line = |field, label, given: &str| invalid.check(field, label, text::why(given)).unwrap_or_default();
        let sheet = SafetySheet {
            notices_to: line("notices_to", "Where notices arrive", &self.notices_to),
            recovery: line("recovery", "The recovery", &self.recovery),
            support: line("support", "Who speaks with support", &self.support),
            devices: line("devices", "The devices", &self.devices),
            diligence: line("diligence", "What is known of the venue", &self.diligence),
            ..SafetySheet::default()
        };
        match (second_factor, whitelist) {
            (Ok(second_factor), Ok(whitelist_locked)) if invalid.0.is_empty() => {
                Ok(SafetySheet { second_factor, whitelist_locked, ..sheet })
            }
            _ => Err(invalid),
        }
    }
}

impl App {
    /// How an account is kept safe.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn safety_of(&self, actor: &Actor, account: &AccountId) -> Result<Safety, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let row = storage::safety::safety_of(&mut *self.db.read().await?, account).await?;
        row.map_or(Ok(Safety::default()), Safety::of)
    }

    /// How every account is kept safe that somebody has looked over.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn safety_all(&self, actor: &Actor) -> Result<HashMap<AccountId, Safety>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let rows = storage::safety::safety_all(&mut *self.db.read().await?).await?;
        rows.into_iter().map(|row| Ok((row.account_id.clone(), Safety::of(row)?))).collect()
    }

    /// Writes down what somebody has seen of an account at its venue.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; `Invalid` for what cannot be.
    pub async fn review_safety(&self, actor: &Actor, account: &AccountId, typed: &TypedSafety) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let user = self.person_behind(permit.actor()).await?;
        let name = self.venues().account(account).ok_or(AppError::NotFound("account"))?.name;
        let sheet = typed.sheet()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let text = serde_json::to_string(&sheet).map_err(AppError::internal)?;
        let row = SafetyRow { account_id: account.clone(), sheet: text, reviewed_at: act.now(), reviewed_by: user };
        storage::safety::safety_put(act.tx(), &row).await?;
        act.commit(Event::AccountReviewed { account: account.clone(), name, sheet }).await?;
        Ok(())
    }
}
