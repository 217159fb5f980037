//! Acts that need a security key: prepared, shown, signed over exactly their bytes, carried out in the transaction of the last signature.
//! One file per kind of effect; who may sign is in the policy table, how many must is here (ruling C7).

pub mod address;
pub mod carry_out;
mod carry_tokens;
pub mod decide;
pub mod own;
pub mod prepare;
pub mod recovery;
mod requests;
pub mod sign;

use super::{App, AppError, Invalid};
use crate::authn::NewKey;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{Act, ActId, ActKind, HeldEnd, StartLeaf, TeamId, Timestamp, TokenScope, act, request::PENDING_MS, token::TOKEN_DAYS};
use crate::storage::{
    self, Conn,
    acts::{StoredAct, StoredSignature},
};
use std::collections::HashMap;

/// How long an act may wait for its signatures.
pub const ACT_LIVES_MS: i64 = 10 * 60 * 1_000;
/// How long the release of a hold waits for its second person: as long as a request waits for its approvals.
pub const RELEASE_LIVES_MS: i64 = PENDING_MS;
/// How long a start in waves may take from its preparation to its last wave (ruling H4).
pub const STAGED_LIVES_MS: i64 = 4 * 60 * 60 * 1_000;
/// How long the bots of a wave may be asked to settle, seconds.
pub const SETTLE_S: std::ops::RangeInclusive<u64> = 10..=3_600;
/// How long an emergency change waits for its second person, who may have to be woken.
pub const EMERGENCY_LIVES_MS: i64 = 60 * 60 * 1_000;
/// How long a person who is alone waits before the second signature.
pub const ALONE_WAITS_MS: i64 = 5 * 60 * 1_000;

/// What belongs to an act beside its signed bytes.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Detail {
    /// The leaves of a start, in the order of the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<StartLeaf>,
    /// The key that a `credential_add` adds; the act names its public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_key: Option<NewKey>,
    /// Of a change of address: the address and its salt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<address::Opening>,
    /// Of an invitation: what is asked for beyond what they come in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<super::rights::Wanted>,
}

/// An act with everything a page shows.
#[derive(Debug, Clone)]
pub struct ActView {
    /// As stored.
    pub stored: StoredAct,
    /// As signed.
    pub act: Act,
    /// What belongs to it.
    pub detail: Detail,
    /// Who has signed.
    pub signatures: Vec<StoredSignature>,
}

/// What came of an act: a secret that is shown once, or a place to look.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// One signature more is needed.
    Waits,
    /// Done; here is where to look.
    Done(String),
    /// Done; this is shown once and never again.
    Secret {
        /// What it is.
        title: &'static str,
        /// The code, link or token.
        secret: crate::domain::Secret<String>,
        /// Where to go on.
        next: String,
    },
}

impl ActView {
    pub(crate) fn of(stored: StoredAct, signatures: Vec<StoredSignature>) -> Result<Self, AppError> {
        let unreadable = |_| AppError::from(storage::Error::Unreadable(format!("act {}", stored.id)));
        let act: Act = serde_json::from_slice(&stored.body).map_err(unreadable)?;
        let detail: Detail = serde_json::from_str(&stored.detail).map_err(unreadable)?;
        Ok(Self { act, detail, signatures, stored })
    }
    /// Until when it can be signed: what nobody has signed was prepared and left, and stands in nobody's way for long.
    pub fn waits_until(&self) -> Timestamp {
        let left_at = self.stored.made_at.plus_ms(ACT_LIVES_MS);
        match self.act.kind {
            ActKind::Release { .. } | ActKind::Releases { .. } if self.signatures.is_empty() => left_at.min(self.stored.not_after),
            // What its life bounds is the last wave; its signatures are as young as those of any start.
            ActKind::Start { plan: Some(_), .. } => left_at.min(self.stored.not_after),
            _ => self.stored.not_after,
        }
    }
    /// The SHA-256 that is signed.
    pub fn challenge(&self) -> [u8; 32] {
        act::digest(&self.stored.body)
    }
}

/// Acts with their signatures. One that cannot be read is left out and logged: it is in nobody's way.
fn views(acts: Vec<StoredAct>, signatures: Vec<StoredSignature>) -> Vec<ActView> {
    let mut of = HashMap::<ActId, Vec<StoredSignature>>::new();
    for signature in signatures {
        of.entry(signature.act_id.clone()).or_default().push(signature);
    }
    let view = |stored: StoredAct| {
        let signatures = of.remove(&stored.id).unwrap_or_default();
        ActView::of(stored, signatures).inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "an act")).ok()
    };
    acts.into_iter().filter_map(view).collect()
}

/// Nobody gives a token what they do not have, nor a life that no token has.
fn may_give(actor: &Actor, scope: &str, team: Option<&TeamId>, days: u32) -> Result<(), AppError> {
    let scope: TokenScope = scope.parse().map_err(|_| Invalid::one("scope", "Choose what the token may do"))?;
    if !TOKEN_DAYS.contains(&days) {
        return Err(Invalid::one("days", "Choose 7, 30 or 90 days").into());
    }
    match team {
        _ if authz::may_give_token(actor, scope, team) => Ok(()),
        None if scope == TokenScope::Build => Err(Invalid::one("team", "A token that files builds is of one team. Choose the team").into()),
        None => Err(Invalid::one("team", "A token that may operate is of one team. Choose the team").into()),
        Some(_) => {
            Err(Invalid::one("scope", "A token that may operate is made by a lead of its team: nobody gives what they do not have").into())
        }
    }
}

impl App {
    /// One act.
    ///
    /// # Errors
    /// `NotFound`; when the database is gone.
    pub async fn act(&self, actor: &Actor, id: &ActId) -> Result<ActView, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let stored = storage::acts::act_by_id(&mut tx, id).await?.ok_or(AppError::NotFound("act"))?;
        let signatures = storage::acts::act_signatures(&mut tx, id).await?;
        ActView::of(stored, signatures)
    }

    /// Acts that wait, and acts that are over, newest first.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn acts(&self, actor: &Actor) -> Result<(Vec<ActView>, Vec<ActView>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let now = self.clock.now();
        let mut tx = self.db.read().await?;
        let mut both = (Vec::new(), Vec::new());
        both.0 = self.acts_open(&mut tx).await?;
        for stored in storage::acts::act_recent(&mut tx, now, 50).await? {
            let signatures = storage::acts::act_signatures(&mut tx, &stored.id).await?;
            both.1.push(ActView::of(stored, signatures)?);
        }
        Ok(both)
    }

    /// Acts that wait for a signature, newest first.
    async fn acts_open(&self, conn: &mut Conn) -> Result<Vec<ActView>, AppError> {
        let now = self.clock.now();
        let (open, signatures) = (storage::acts::act_open(conn, now).await?, storage::acts::act_signatures_open(conn).await?);
        Ok(views(open, signatures).into_iter().filter(|act| act.waits_until() >= now).collect())
    }

    /// How many acts wait for this person's signature, and how many of them take two people.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn acts_waiting(&self, actor: &Actor) -> Result<(usize, usize), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let mut waiting = (0, 0);
        for act in self.acts_open(&mut tx).await? {
            if self.may_sign(actor, &act).is_ok() {
                waiting.0 += 1;
                waiting.1 += usize::from(act.stored.signers_needed > 1);
            }
        }
        Ok(waiting)
    }

    /// Checks that a person may give the next signature of an act.
    ///
    /// # Errors
    /// `Denied` or `Conflict`, with the reason.
    pub fn may_sign(&self, actor: &Actor, act: &ActView) -> Result<Permit, AppError> {
        let first = act.signatures.is_empty();
        let is_vote = matches!(act.act.kind, ActKind::RequestApprove { .. });
        if is_vote && actor.user() != Some(&act.stored.made_by) {
            return Err(AppError::conflict("this approval is somebody else's; approve the request on its own page"));
        }
        let user = actor.user().ok_or_else(|| AppError::conflict("only a person signs"))?;
        let signed_already = act.signatures.iter().any(|s| s.user_id == *user);
        let takes_two = matches!(act.act.kind, ActKind::EmergencyChange { .. });
        if signed_already && (takes_two || !self.people_book.is_alone()) {
            return Err(AppError::conflict("you have signed this; a second person must"));
        }
        if let (true, Some(last)) = (signed_already, act.signatures.last()) {
            let waited = self.clock.now().ms_since(last.at);
            if waited < ALONE_WAITS_MS {
                return Err(AppError::conflict(format!("you are alone here: sign again in {} s", (ALONE_WAITS_MS - waited) / 1_000 + 1)));
            }
            return self.may_prepare(actor, &act.act.kind, &act.detail);
        }
        if !first {
            return self.may_second(actor, act);
        }
        match self.may_prepare(actor, &act.act.kind, &act.detail) {
            Err(AppError::Denied(_)) if act.stored.signers_needed > 1 && self.may_second(actor, act).is_ok() => {
                Err(AppError::conflict("somebody who may ask for this signs first; then you can give the second signature"))
            }
            other => other,
        }
    }

    /// Checks that a person may ask for an act, which is also the right to be its first signer.
    pub(crate) fn may_prepare(&self, actor: &Actor, kind: &ActKind, detail: &Detail) -> Result<Permit, AppError> {
        let view = self.fleet.view();
        let of_bot = |id| view.bot(id).map(|bot| Self::bot_resource(bot)).ok_or(AppError::NotFound("bot"));
        Ok(match kind {
            ActKind::Release { hold, .. } => {
                let hold = view.open_hold(hold).ok_or_else(|| AppError::conflict("this hold is released already"))?;
                authz::check(actor, Action::ReleaseHold, &self.hold_resource(hold))?
            }
            ActKind::Releases { holds, .. } => {
                let mut permit = None;
                for HeldEnd { hold, .. } in holds {
                    let hold = view.open_hold(hold).ok_or_else(|| AppError::conflict("one of these holds is released already"))?;
                    permit = Some(authz::check(actor, Action::ReleaseHold, &self.hold_resource(hold))?);
                }
                permit.ok_or_else(|| AppError::conflict("there is no hold to release"))?
            }
            ActKind::Start { .. } => {
                let mut permit = None;
                for leaf in &detail.leaves {
                    permit = Some(authz::check(actor, Action::StartBot, &of_bot(&leaf.bot)?)?);
                    self.is_listed(actor, &leaf.bot)?;
                }
                permit.ok_or_else(|| AppError::conflict("choose at least one bot"))?
            }
            ActKind::EnrolmentCode { bot } | ActKind::AgentConfirm { bot, .. } | ActKind::AgentRevoke { bot, .. } => {
                authz::check(actor, Action::EnrolAgent, &of_bot(bot)?)?
            }
            ActKind::KeyDelete { bot, .. } => authz::check(actor, Action::DeleteKey, &of_bot(bot)?)?,
            ActKind::Invite { .. } | ActKind::InviteAgain { .. } | ActKind::Grants { .. } | ActKind::Enable { .. } => {
                authz::check(actor, Action::ManagePeople, &Resource::Installation)?
            }
            ActKind::RecoveryAsk { .. } => authz::check(actor, Action::AskRecovery, &Resource::Installation)?,
            ActKind::RecoveryApprove { recovery, .. } => self.may_of_recovery(actor, Action::ApproveRecovery, recovery)?,
            ActKind::RecoveryLink { recovery, .. } => self.may_of_recovery(actor, Action::LinkRecovery, recovery)?,
            ActKind::RecoveryVeto { recovery, .. } => self.may_of_recovery(actor, Action::VetoRecovery, recovery)?,
            ActKind::CredentialAdd { user, .. } | ActKind::CredentialRemove { user, .. } => {
                authz::check(actor, Action::OwnKeys, &Resource::User(user.clone()))?
            }
            ActKind::MailAddress { user, .. } => authz::check(actor, Action::OwnAddress, &Resource::User(user.clone()))?,
            ActKind::TokenCreate { scope, team, days, .. } => {
                let resource = team.clone().map_or(Resource::Installation, Resource::Team);
                let needs = scope.parse::<TokenScope>().map_or(Action::ManageTokens, authz::to_give);
                let permit = authz::check(actor, needs, &resource)?;
                may_give(actor, scope, team.as_ref(), *days)?;
                permit
            }
            ActKind::Recover { .. } => {
                return Err(AppError::conflict("this is signed by the links that andon recover printed on the server's host"));
            }
            ActKind::StopDevices { .. } => authz::check(actor, Action::ManageDevices, &Resource::Installation)?,
            ActKind::Drill { bot, .. } => {
                let team = view.bot(bot).ok_or(AppError::NotFound("bot"))?.team.clone();
                authz::check(actor, Action::RunDrill, &Resource::Team(team))?
            }
            ActKind::ChecklistAttest { bot, .. } => authz::check(actor, Action::MarkChecklist, &of_bot(bot)?)?,
            ActKind::GoLive { bot, .. } => authz::check(actor, Action::AskRequest, &of_bot(bot)?)?,
            ActKind::EmergencyChange { bot, .. } => authz::check(actor, Action::ChangeInEmergency, &of_bot(bot)?)?,
            ActKind::EmergencyReview { .. } => authz::check(actor, Action::ReviewEmergency, &Resource::Installation)?,
            ActKind::RequestApprove { .. } => authz::check(actor, Action::VoteRequest, &Resource::Installation)?,
            ActKind::StopDeviceLink { user, .. } => {
                authz::check(actor, Action::PlaceHold, &Resource::Installation)?;
                authz::check(actor, Action::OwnDevices, &Resource::User(user.clone()))?
            }
        })
    }

    fn may_of_recovery(&self, actor: &Actor, action: Action, id: &crate::domain::RecoveryId) -> Result<Permit, AppError> {
        let view = self.recovery_book.find(id).ok_or(AppError::NotFound("recovery"))?;
        Ok(authz::check(actor, action, &self.recovery_resource(&view))?)
    }

    pub(crate) fn may_second(&self, actor: &Actor, act: &ActView) -> Result<Permit, AppError> {
        let view = self.fleet.view();
        match &act.act.kind {
            ActKind::Release { hold, .. } => {
                let hold = view.open_hold(hold).ok_or_else(|| AppError::conflict("this hold is released already"))?;
                self.may_second_release(actor, act, hold)
            }
            ActKind::Releases { holds, .. } => {
                let mut permit = None;
                for HeldEnd { hold, .. } in holds {
                    let hold = view.open_hold(hold).ok_or_else(|| AppError::conflict("one of these holds is released already"))?;
                    // Each under its own rule: what one person releases alone needs nothing of the second.
                    if prepare::signers_of(hold) > 1 {
                        permit = Some(self.may_second_release(actor, act, hold)?);
                    }
                }
                permit.ok_or_else(|| AppError::conflict("this act needs one signature only"))
            }
            ActKind::Start { .. } => Ok(authz::check(actor, Action::SecondStart, &Resource::Installation)?),
            ActKind::Drill { .. } => Ok(authz::check(actor, Action::SecondDrill, &Resource::Installation)?),
            ActKind::EmergencyChange { bot, .. } => {
                let bot = view.bot(bot).ok_or(AppError::NotFound("bot"))?;
                Ok(authz::check(actor, Action::SecondEmergency, &Self::bot_resource(bot))?)
            }
            _ => Err(AppError::conflict("this act needs one signature only")),
        }
    }

    fn may_second_release(&self, actor: &Actor, act: &ActView, hold: &crate::domain::Hold) -> Result<Permit, AppError> {
        let resource = self.hold_resource(hold);
        let permit = authz::check(actor, Action::SecondRelease, &resource)?;
        let grants = |id| self.people_book.user(id).map(|user| user.grants.clone()).unwrap_or_default();
        let first = act.signatures.first().map(|signature| grants(&signature.user_id)).unwrap_or_default();
        let second = actor.user().map(grants).unwrap_or_default();
        authz::may_release_together(&first, &second, &resource).map_err(AppError::conflict)?;
        Ok(permit)
    }

    /// What a hold is to the policy.
    pub(crate) fn hold_resource(&self, hold: &crate::domain::Hold) -> Resource {
        let teams = self.fleet.view().teams_under(hold);
        Resource::Hold { scope: hold.scope.clone(), level: hold.level, teams, placed_by: hold.placed_by.clone() }
    }
}
