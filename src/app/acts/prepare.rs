//! Preparing an act: what is asked for is checked, written canonically and stored, so that every signer signs the same bytes.

use super::{ACT_LIVES_MS, ActView, Detail, EMERGENCY_LIVES_MS, RELEASE_LIVES_MS, SETTLE_S, STAGED_LIVES_MS};
use crate::app::{App, AppError, Invalid, own_keys, recoveries::party, starts::who_releases};
use crate::audit::{Event, tree};
use crate::authz::{self, Action, Actor};
use crate::crypto::token;
use crate::domain::{
    Act, ActId, ActKind, BotId, HeldEnd, Hold, HoldId, Level, PlacerKind, RecoveryId, Scope, StartLeaf, StartPlan, Timestamp, UserId, act,
    recovery as rules, role, text,
};
use crate::fleet::View;
use crate::storage::{self, Conn, Lane, acts::StoredAct};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use std::sync::Arc;

/// Bots that one act starts at once, at most.
pub const AT_ONCE: usize = 100;
/// Bots of a start in waves, at most.
pub const IN_WAVES: usize = 1_000;

/// Refuses the end of a hold before the moment that its press named.
pub(super) fn may_end_now(hold: &Hold, now: Timestamp) -> Result<(), AppError> {
    match hold.not_before {
        Some(at) if at > now => {
            let (by, at) = (&hold.placed_by.name, at.plain());
            Err(AppError::conflict(format!("{by} placed it so that it may not end before {at}; nobody can shorten that")))
        }
        _ => Ok(()),
    }
}

/// Holds that one act releases together, at most: what is signed stays readable, and what happens one short transaction.
const TOGETHER: usize = 50;

fn release_why(why: &str) -> Result<String, AppError> {
    let mut invalid = Invalid::default();
    let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
    if why.is_empty() {
        return Err(Invalid::one("why", "Give the reason why this may end").into());
    }
    Ok(why)
}

fn held_end(hold: &Hold) -> HeldEnd {
    HeldEnd { hold: hold.id.clone(), level: hold.level, scope: hold.scope.in_one(), placed_epoch: hold.epoch }
}

/// How many sign the release of a hold. One bot: one. Wider, or kill, or placed by risk or by a trigger: two.
pub(super) fn signers_of(hold: &Hold) -> i64 {
    let plain = matches!(hold.scope, Scope::Bot(_)) && hold.level < Level::Kill;
    if plain && !hold.placed_by.as_risk && hold.placed_by.kind != PlacerKind::Trigger { 1 } else { 2 }
}

impl App {
    /// Prepares the end of a hold.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` when it has ended, or is not recorded yet.
    pub async fn prepare_release(&self, actor: &Actor, hold: &HoldId, why: &str) -> Result<ActView, AppError> {
        let why = release_why(why)?;
        let view = self.fleet.view();
        let hold = view.open_hold(hold).ok_or_else(|| AppError::conflict("this hold is released already, or never was"))?;
        self.may_release_now(actor, &view, hold).await?;
        let HeldEnd { hold: id, level, scope, placed_epoch } = held_end(hold);
        let kind = ActKind::Release { hold: id, level, scope, placed_epoch, why };
        self.prepare(actor, kind, Detail::default(), signers_of(hold)).await
    }

    /// Prepares the end of a hold together with those that the same press placed and that stand still, as one act: each under its own rule, so
    /// that whoever asks must be allowed each of them, and a second person signs when any of them takes one.
    ///
    /// # Errors
    /// As for one; `Conflict` with what stands in the way of any of them, each by name.
    pub async fn prepare_releases(&self, actor: &Actor, hold: &HoldId, why: &str) -> Result<ActView, AppError> {
        let view = self.fleet.view();
        let press = view.open_hold(hold).and_then(|hold| hold.press.clone());
        let all: Vec<&Arc<Hold>> = view.open_holds().filter(|other| press.is_some() && other.press == press).collect();
        if all.len() < 2 {
            return self.prepare_release(actor, hold, why).await;
        }
        if all.len() > TOGETHER {
            return Err(AppError::conflict(format!("{TOGETHER} holds are released together at most; these are {}", all.len())));
        }
        let why = release_why(why)?;
        let mut reasons = Vec::new();
        for hold in &all {
            let words = self.scope_words(&hold.scope);
            match self.may_release_now(actor, &view, hold).await {
                Ok(()) => {}
                Err(AppError::Conflict(open)) => reasons.extend(open.into_iter().map(|open| format!("{words}: {open}"))),
                Err(AppError::Denied(_)) => reasons.push(format!("{words}: you may not release it ({})", who_releases(hold))),
                Err(error) => return Err(error),
            }
        }
        if !reasons.is_empty() {
            return Err(AppError::Conflict(reasons));
        }
        let signers = all.iter().map(|hold| signers_of(hold)).max().unwrap_or(2);
        let kind = ActKind::Releases { holds: all.iter().map(|hold| held_end(hold)).collect(), why };
        self.prepare(actor, kind, Detail::default(), signers).await
    }

    async fn may_release_now(&self, actor: &Actor, view: &View, hold: &Hold) -> Result<(), AppError> {
        let mut reasons = Vec::new();
        if view.unrecorded().iter().any(|other| other.id == hold.id) {
            reasons
                .push("this hold is not recorded yet; it can be released once the database is back (whoever runs the database)".to_owned());
        } else {
            self.takes_stops(&mut *self.db.read().await?).await?;
        }
        if self.site.is_foreign() {
            reasons.push("this server runs on another site's copy (two people take the site over: andon recover --take-over)".to_owned());
        }
        if authz::check(actor, Action::ReleaseHold, &self.hold_resource(hold)).is_err() {
            reasons.push(format!("you may not release it ({})", who_releases(hold)));
        }
        for open in [may_end_now(hold, self.clock.now()), Self::kill_is_settled(view, hold)] {
            if let Err(AppError::Conflict(open)) = open {
                reasons.extend(open);
            }
        }
        if reasons.len() > 1 {
            return Err(AppError::Conflict(reasons));
        }
        // A single reason is answered as what it is: not allowed, or not now.
        self.may_prepare_release(actor, hold)?;
        if reasons.is_empty() { Ok(()) } else { Err(AppError::Conflict(reasons)) }
    }

    /// Refuses what would let a bot do more while a stop waits for the database or for the log: nobody asks them for less than they take.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn takes_stops(&self, conn: &mut Conn) -> Result<(), AppError> {
        let waits = |what: &str| AppError::Unavailable(storage::Error::Unreadable(format!("a stop waits for {what}")));
        if !self.fleet.view().unrecorded().is_empty() {
            return Err(waits("the database"));
        }
        // A frozen log says itself what it is.
        if self.log.gate().frozen().is_none() && !storage::holds::hold_without_entry(conn).await?.is_empty() {
            return Err(waits("the log"));
        }
        Ok(())
    }

    fn may_prepare_release(&self, actor: &Actor, hold: &crate::domain::Hold) -> Result<(), AppError> {
        Ok(authz::check(actor, Action::ReleaseHold, &self.hold_resource(hold)).map(drop)?)
    }

    /// Prepares a start of the named bots. `checked_at_venue` are those whose adapter cannot tell orders and at whose venue the signer looked.
    ///
    /// # Errors
    /// `Denied`; `Conflict` with every reason that stands in the way of any of them.
    pub async fn prepare_start(&self, actor: &Actor, bots: &[BotId], checked_at_venue: &[BotId]) -> Result<ActView, AppError> {
        self.prepare_start_in(actor, bots, checked_at_venue, None).await
    }

    /// Prepares a start in waves, or of all at once.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a plan that is none; `Conflict` with every reason that stands in the way of any of them.
    pub async fn prepare_start_in(
        &self,
        actor: &Actor,
        bots: &[BotId],
        checked_at_venue: &[BotId],
        waves: Option<&Waves>,
    ) -> Result<ActView, AppError> {
        let mut ids = bots.to_vec();
        ids.sort();
        ids.dedup();
        fits(ids.len(), waves.is_some())?;
        let mut leaves = Vec::with_capacity(ids.len());
        let mut reasons = Vec::new();
        {
            let mut tx = self.db.read().await?;
            self.takes_stops(&mut tx).await?;
            let view = self.view_in(&mut tx).await?;
            let bots: Vec<_> = ids.iter().filter_map(|id| view.bot(id)).collect();
            if bots.len() != ids.len() {
                return Err(AppError::NotFound("bot"));
            }
            let told = self.acks_of(&mut tx, &view, bots.iter().map(|bot| bot.as_ref())).await?;
            for (id, bot) in ids.iter().zip(bots) {
                let looked = checked_at_venue.contains(id);
                let leaf = self.start_leaf(&view, bot, looked);
                let open = self.obstacles_with(&view, bot, &leaf, &told);
                reasons.extend(open.into_iter().map(|o| format!("{}: {} ({})", bot.name, o.what, o.who)));
                leaves.push(leaf);
            }
        }
        if !reasons.is_empty() {
            return Err(AppError::Conflict(reasons));
        }
        let root = tree::tree_hash(&leaf_bytes(&leaves)?);
        let plan = waves.map(|waves| plan_of(&leaves, waves)).transpose()?;
        let kind = ActKind::Start { count: leaves.len() as u64, root: BASE64URL_NOPAD.encode(&root), plan };
        let signers = if leaves.len() > 1 { 2 } else { 1 };
        self.prepare(actor, kind, Detail { leaves, ..Detail::default() }, signers).await
    }

    /// Prepares any other act, which one person signs.
    ///
    /// # Errors
    /// `Denied`; `Invalid`.
    pub async fn prepare_single(&self, actor: &Actor, kind: ActKind) -> Result<ActView, AppError> {
        self.may_prepare(actor, &kind, &Detail::default())?;
        self.is_sound(actor, &kind).await?;
        self.prepare(actor, kind, Detail::default(), 1).await
    }

    /// Refuses early what the last signature would be refused for.
    async fn is_sound(&self, actor: &Actor, kind: &ActKind) -> Result<(), AppError> {
        match kind {
            ActKind::Invite { .. } => self.check_gives(&mut *self.db.read().await?, kind).await,
            ActKind::KeyDelete { key, version, fingerprint, .. } => {
                self.is_deletable(&mut *self.db.read().await?, (key, *version, fingerprint)).await.map(drop)
            }
            ActKind::Grants { user, grants } => {
                self.check_gives(&mut *self.db.read().await?, kind).await?;
                self.keeps_quorum((&self.members(), self.people_book.enabled()), (user, grants), &self.rules())?;
                let Some(row) = self.people_book.user(user) else { return Err(AppError::NotFound("person")) };
                let keys = storage::credentials::credential_of_user(&mut *self.db.read().await?, user).await?;
                own_keys::check_keys_fit(&row.display_name, &row.grants, grants, &keys)
            }
            ActKind::Enable { user } => {
                let row = self.people_book.user(user).ok_or(AppError::NotFound("person"))?;
                if row.enabled {
                    return Err(AppError::conflict(format!("{} is enabled already", row.display_name)));
                }
                role::check_grants(&row.grants, self.people_book.enabled() + 1)
                    .map_err(|toxic| enabled_again(&row.display_name, &toxic))?;
                self.check_gives(&mut *self.db.read().await?, kind).await
            }
            ActKind::InviteAgain { user } => {
                self.people_book.user(user).ok_or(AppError::NotFound("person"))?;
                self.check_not_in(&mut *self.db.read().await?, user).await?;
                self.check_gives(&mut *self.db.read().await?, kind).await
            }
            ActKind::RecoveryAsk { user, .. } => {
                let row = self.people_book.user(user).ok_or(AppError::NotFound("person"))?;
                let by = actor.user().ok_or(AppError::NotFound("person"))?;
                self.check_askable(&mut *self.db.read().await?, &row, by).await?;
                if self.recovery_book.open_of(user).is_some() {
                    return Err(AppError::conflict("a recovery of this account is under way already"));
                }
                self.approvers_for(&party(&row), Some(by)).map(drop)
            }
            ActKind::RecoveryApprove { recovery, .. } => self.check_approval(actor, recovery),
            ActKind::RecoveryLink { recovery, .. } => {
                let view = self.recovery_book.find(recovery).ok_or(AppError::NotFound("recovery"))?;
                if view.takes_link(self.clock.now()) { Ok(()) } else { Err(AppError::conflict("its link cannot be made now")) }
            }
            ActKind::RecoveryVeto { recovery, .. } => {
                let view = self.recovery_book.find(recovery).ok_or(AppError::NotFound("recovery"))?;
                match view.row.state.is_open() && actor.user() == Some(&view.row.user_id) {
                    true => Ok(()),
                    false => Err(AppError::conflict("only the person themselves vetoes it, and only while it is open")),
                }
            }
            ActKind::RequestApprove { request, digest, .. } => self.check_vote(actor, request, digest).await,
            _ => Ok(()),
        }
    }

    /// Why this person cannot approve this recovery now, in its own words; the table says only whether.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with the reason.
    pub fn check_approval(&self, actor: &Actor, id: &RecoveryId) -> Result<(), AppError> {
        let view = self.recovery_book.find(id).ok_or(AppError::NotFound("recovery"))?;
        if view.row.state != rules::RecoveryState::Asked || self.clock.now() > view.row.expires_at {
            return Err(AppError::conflict("this recovery takes no approval now"));
        }
        let of = |id: &UserId| self.people_book.user(id).map(|user| party(&user)).ok_or(AppError::NotFound("person"));
        let before = self.approvers_now(&view);
        let approver = of(actor.user().ok_or(AppError::NotFound("person"))?)?;
        rules::may_approve(&of(&view.row.user_id)?, view.row.asked_by.as_ref(), &approver, &before)
            .map_err(|why| AppError::conflict(why.to_string()))
    }

    /// Prepares a request to recover somebody else's account.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` when it cannot be asked for.
    pub async fn prepare_recovery(&self, actor: &Actor, user: &UserId, why: &str) -> Result<ActView, AppError> {
        self.may_prepare(
            actor,
            &ActKind::RecoveryAsk { recovery: RecoveryId::new(), user: user.clone(), why: String::new() },
            &Detail::default(),
        )?;
        let mut invalid = Invalid::default();
        let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
        if why.is_empty() {
            return Err(Invalid::one("why", "Say how you know that the keys are lost: whoever approves reads it").into());
        }
        self.prepare_single(actor, ActKind::RecoveryAsk { recovery: RecoveryId::new(), user: user.clone(), why }).await
    }

    pub(crate) async fn prepare(&self, actor: &Actor, kind: ActKind, detail: Detail, signers_needed: i64) -> Result<ActView, AppError> {
        let permit = self.may_prepare(actor, &kind, &detail)?;
        let made_by = actor.user().ok_or_else(|| AppError::conflict("only a person prepares an act"))?.clone();
        let mut open = self.begin(permit, Lane::Normal).await?;
        let now = open.now();
        // Whole milliseconds, as it is written: what is compared later is what was signed.
        let lives_ms = lives_ms(&kind, signers_needed);
        let not_after = Timestamp(now.plus_ms(lives_ms).0 / 1_000 * 1_000);
        let act = Act { v: 1, installation: self.installation.id.clone(), nonce: token::random::<16>()?, not_after, kind };
        let body = act.canonical()?;
        let digest = HEXLOWER.encode(&act::digest(&body));
        let stored = StoredAct {
            id: ActId::new(),
            kind: act.kind.word().to_owned(),
            digest: digest.clone(),
            detail: serde_json::to_string(&detail).map_err(AppError::internal)?,
            body,
            made_by,
            made_at: now,
            not_after,
            signers_needed,
            state: "open".into(),
            closed_at: None,
            outcome: None,
        };
        storage::acts::act_insert(open.tx(), &stored).await?;
        open.commit(Event::ActPrepared { act: stored.id.clone(), kind: stored.kind.clone(), digest }).await?;
        Ok(ActView { stored, act, detail, signatures: Vec::new() })
    }
}

/// How long an act waits for its signatures. Of a start agents ask that it is young; the second person of a release may have to be woken.
fn lives_ms(kind: &ActKind, signers_needed: i64) -> i64 {
    match kind {
        ActKind::Start { plan: Some(_), .. } => STAGED_LIVES_MS,
        ActKind::Release { .. } | ActKind::Releases { .. } if signers_needed > 1 => RELEASE_LIVES_MS,
        ActKind::EmergencyChange { .. } => EMERGENCY_LIVES_MS,
        _ => ACT_LIVES_MS,
    }
}

/// How a start goes in waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves {
    /// The one that goes first.
    pub canary: BotId,
    /// How long every bot that was started must have been as it should before the next wave, seconds.
    pub settle_s: u64,
}

/// Refuses more bots than one act can start, before anybody signs: what is signed must fit into one entry, and what happens at once into one short
/// transaction.
fn fits(bots: usize, is_in_waves: bool) -> Result<(), AppError> {
    match is_in_waves {
        true if bots > IN_WAVES => {
            Err(Invalid::one("bot", format!("Choose {IN_WAVES} bots at most: {bots} are too many for one start")).into())
        }
        false if bots > AT_ONCE => {
            let words = format!("Start {AT_ONCE} bots at once at most; {bots} go in waves, or in several starts");
            Err(Invalid::one("bot", words).into())
        }
        _ => Ok(()),
    }
}

/// The plan over these leaves.
fn plan_of(leaves: &[StartLeaf], waves: &Waves) -> Result<StartPlan, AppError> {
    let canary = leaves.iter().position(|leaf| leaf.bot == waves.canary);
    let canary = canary.ok_or_else(|| Invalid::one("canary", "Choose the canary among the bots that are ticked"))?;
    if leaves.len() < 2 {
        return Err(Invalid::one("staged", "A start in waves takes at least two bots").into());
    }
    if !SETTLE_S.contains(&waves.settle_s) {
        return Err(Invalid::one("settle", "Enter a settling time of 10 to 3600 seconds").into());
    }
    Ok(StartPlan::new(leaves.len(), canary, waves.settle_s))
}

/// The leaves of a start as they are hashed: RFC 8785, in order of bot.
pub(crate) fn leaf_bytes(leaves: &[StartLeaf]) -> Result<Vec<Vec<u8>>, AppError> {
    leaves.iter().map(|leaf| Ok(act::canonical(leaf)?)).collect()
}

/// Why somebody cannot be enabled with the roles they had.
pub(crate) fn enabled_again(name: &str, toxic: &role::ToxicPair) -> AppError {
    AppError::conflict(format!("{name} cannot be enabled with these roles: {toxic}. Change their roles first"))
}
