//! Carrying an act out, inside the transaction of its last signature: the effect, the entry, and what is to be done once it is committed.

use super::{ActView, Outcome, prepare::may_end_now, sign::signed_act};
use crate::app::{App, AppError, drill_runs::DrillRun, tx::Act as OpenAct};
use crate::audit::{Event, tree};
use crate::authz::Actor;
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{
    ActKind, AgentId, BotFacts, BotId, Epoch, Grant, HeldEnd, HoldId, KeyId, StartPlan, StopFact, StopKind, Timestamp, UserId,
    hold::Release,
};
use crate::fleet::View;
use crate::storage::{self, agents::EnrolmentCode, invitations::Invitation, starts::BotStart, users::User};
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;

/// How long an enrolment code lives.
const CODE_LIVES_MS: i64 = 15 * 60 * 1_000;
/// How long an invitation lives.
const INVITATION_LIVES_MS: i64 = 60 * 60 * 1_000;

/// What an act does.
pub(crate) struct Effect {
    /// Its entry.
    pub event: Event,
    /// What the signer sees.
    pub outcome: Outcome,
    /// What follows the commit.
    pub after: Option<After>,
}

/// What follows the commit.
pub(crate) enum After {
    /// An agent was revoked: end its stream once its bot stands.
    Agent(Arc<BotFacts>, AgentId, Epoch),
    /// A key is to be deleted at its venue.
    Delete(Box<(KeyId, i64)>),
    /// A drill was signed: its bot is paused.
    Drill(Box<(Actor, DrillRun, BotId)>),
    /// A bot may run no more what it was let run: it is compared at once.
    Compare(BotId),
}

/// Refuses two signatures of one person once there was a second one here, by what the transaction sees.
async fn check_alone(open: &mut OpenAct<'_>, act: &ActView) -> Result<(), AppError> {
    let is_alone = act.signatures.iter().any(|signature| signature.alone);
    if is_alone && storage::settings::setting_is_on(open.tx(), storage::settings::SECOND_PERSON).await? {
        return Err(AppError::conflict("somebody else has two security keys by now: a second person must sign; prepare it again"));
    }
    Ok(())
}

/// The leaves of an act as they are written, each with its proof: computed once, before anybody waits for them.
pub(crate) struct Leaves {
    bytes: Vec<Vec<u8>>,
    proofs: Vec<Vec<tree::Hash>>,
}

impl Leaves {
    pub(crate) fn of(act: &ActView) -> Result<Self, AppError> {
        let bytes = super::prepare::leaf_bytes(&act.detail.leaves)?;
        Ok(Self { proofs: tree::inclusions(&bytes), bytes })
    }
    fn start(&self, act: &ActView, n: usize, (epoch, at): (Epoch, Timestamp)) -> Result<BotStart, AppError> {
        let (Some(leaf), Some(bytes), Some(proof)) = (act.detail.leaves.get(n), self.bytes.get(n), self.proofs.get(n)) else {
            return Err(AppError::NotFound("bot"));
        };
        let proof: Vec<String> = proof.iter().map(|hash| BASE64URL_NOPAD.encode(hash)).collect();
        Ok(BotStart {
            bot_id: leaf.bot.clone(),
            epoch,
            act_id: act.stored.id.clone(),
            leaf_index: n as i64,
            leaf: String::from_utf8_lossy(bytes).into_owned(),
            proof: serde_json::to_string(&proof).map_err(AppError::internal)?,
            at,
            applied_at: None,
        })
    }
}

/// Starts the bots of an act at these places of its tree.
pub(crate) async fn start_leaves(
    open: &mut OpenAct<'_>,
    act: &ActView,
    leaves: &Leaves,
    which: impl Iterator<Item = usize>,
    epoch: Epoch,
) -> Result<(), AppError> {
    let at = open.now();
    let starts: Vec<BotStart> = which.map(|n| leaves.start(act, n, (epoch, at))).collect::<Result<_, _>>()?;
    storage::starts::start_insert_all(open.tx(), &starts).await?;
    let bots: Vec<BotId> = starts.into_iter().map(|start| start.bot_id).collect();
    Ok(storage::bots::bot_set_start(open.tx(), &bots, epoch).await?)
}

/// Ends one hold; answers with its entry.
async fn release_one(
    open: &mut OpenAct<'_>,
    act: &ActView,
    view: &View,
    (id, epoch, why): (&HoldId, Epoch, &str),
) -> Result<Event, AppError> {
    let hold = storage::holds::hold_by_id(open.tx(), id).await?.ok_or(AppError::NotFound("hold"))?;
    if !hold.is_open() {
        return Err(AppError::conflict("this hold was released a moment ago"));
    }
    may_end_now(&hold, open.now())?;
    App::kill_is_settled(view, &hold)?;
    let by = act.stored.made_by.clone();
    let release = Release { epoch, at: open.now(), by, why: why.to_owned() };
    storage::holds::hold_release(open.tx(), id, &release).await?;
    Ok(Event::HoldReleased { hold: id.clone(), why: why.to_owned(), signed: signed_act(act)? })
}

impl App {
    pub(super) async fn carry_out(&self, open: &mut OpenAct<'_>, act: &ActView, epoch: Epoch) -> Result<Effect, AppError> {
        check_alone(open, act).await?;
        self.check_gives(open.tx(), &act.act.kind).await?;
        match &act.act.kind {
            ActKind::Release { hold, why, .. } => self.carry_release(open, act, epoch, (hold, why)).await,
            ActKind::Releases { holds, why } => self.carry_releases(open, act, epoch, (holds, why)).await,
            ActKind::Start { root, plan, .. } => self.carry_start(open, act, epoch, (root, plan.as_ref())).await,
            ActKind::EnrolmentCode { bot } => self.carry_code(open, act, bot).await,
            ActKind::AgentConfirm { agent, bot, fingerprint } => self.carry_confirm(open, act, (agent, bot, fingerprint)).await,
            ActKind::AgentRevoke { agent, bot, why } => self.carry_revoke(open, act, epoch, (agent, bot, why)).await,
            ActKind::Invite { user, name, grants } => self.carry_invite(open, act, (user, name, grants)).await,
            ActKind::InviteAgain { user } => self.carry_invite_again(open, act, user).await,
            ActKind::Grants { user, grants } => self.carry_grants(open, act, (user, grants)).await,
            ActKind::Enable { user } => self.carry_enable(open, act, user).await,
            ActKind::RecoveryAsk { recovery, user, why } => self.carry_recovery_ask(open, act, (recovery, user, why)).await,
            ActKind::RecoveryApprove { recovery, .. } => self.carry_recovery_approve(open, act, recovery).await,
            ActKind::RecoveryLink { recovery, .. } => self.carry_recovery_link(open, act, recovery).await,
            ActKind::RecoveryVeto { recovery, user } => self.carry_recovery_veto(open, act, (recovery, user)).await,
            ActKind::CredentialAdd { user, .. } => self.carry_key(open, act, user).await,
            ActKind::CredentialRemove { user, credential, .. } => self.carry_key_removal(open, act, (user, credential)).await,
            ActKind::MailAddress { user, address } => self.carry_address(open, act, (user, address.as_ref())).await,
            ActKind::TokenCreate { name, scope, team, days } => self.carry_token(open, act, (name, scope, team.as_ref(), *days)).await,
            ActKind::StopDevices { allowed } => self.carry_stop_devices(open, act, *allowed).await,
            ActKind::Recover { .. } => {
                Err(AppError::conflict("this is signed by the links that andon recover printed on the server's host"))
            }
            ActKind::StopDeviceLink { user, name } => self.carry_device_link(open, act, (user, name)).await,
            ActKind::RequestApprove { request, revision, digest, .. } => {
                self.carry_request_approve(open, act, (request, *revision, digest)).await
            }
            ActKind::KeyDelete { key, version, fingerprint, why, .. } => {
                let event = self.sign_deletion(open, (key, *version, fingerprint), why, signed_act(act)?).await?;
                let after = Some(After::Delete(Box::new((key.clone(), *version))));
                Ok(Effect { event, outcome: Outcome::Done(format!("/keys/{key}")), after })
            }
            ActKind::ChecklistAttest { .. } => self.carry_attest(open, act).await,
            ActKind::GoLive { .. } => self.carry_golive(open, act, epoch).await,
            ActKind::EmergencyChange { .. } => Box::pin(self.carry_emergency(open, act, epoch)).await,
            ActKind::EmergencyReview { .. } => Box::pin(self.carry_emergency_review(open, act, epoch)).await,
            ActKind::Drill { bot, control } => {
                let (event, actor, run) = self.record_drill(open, act, (bot, control), signed_act(act)?).await?;
                let outcome = Outcome::Done(format!("/drills/{}", run.id));
                Ok(Effect { event, outcome, after: Some(After::Drill(Box::new((actor, run, bot.clone())))) })
            }
        }
    }

    pub(super) fn after(self: &Arc<Self>, after: Option<After>) {
        match after {
            Some(After::Agent(bot, agent, epoch)) => self.end_revoked(bot, agent, epoch),
            Some(After::Delete(which)) => self.begin_delete(which.0, which.1),
            Some(After::Drill(drill)) => {
                let (app, (actor, run, bot)) = (self.clone(), *drill);
                tokio::spawn(async move { app.press_drill(actor, run, vec![bot]).await });
            }
            Some(After::Compare(bot)) => {
                let app = self.clone();
                tokio::spawn(async move { app.watch_drift_of(&bot).await });
            }
            None => {}
        }
    }

    async fn carry_release(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        epoch: Epoch,
        (id, why): (&HoldId, &str),
    ) -> Result<Effect, AppError> {
        let view = self.view_in(open.tx()).await?;
        let event = release_one(open, act, &view, (id, epoch, why)).await?;
        Ok(Effect { event, outcome: Outcome::Done(format!("/holds/{id}")), after: None })
    }

    /// All of them or none, each with an entry of its own.
    async fn carry_releases(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        epoch: Epoch,
        (holds, why): (&[HeldEnd], &str),
    ) -> Result<Effect, AppError> {
        let view = self.view_in(open.tx()).await?;
        let mut last = None;
        for held in holds {
            let event = release_one(open, act, &view, (&held.hold, epoch, why)).await?;
            if let Some(before) = last.replace(event) {
                open.record(before).await?;
            }
        }
        let event = last.ok_or(AppError::NotFound("hold"))?;
        Ok(Effect { event, outcome: Outcome::Done("/holds".to_owned()), after: None })
    }

    async fn carry_start(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        epoch: Epoch,
        (root, plan): (&str, Option<&StartPlan>),
    ) -> Result<Effect, AppError> {
        let leaves = &act.detail.leaves;
        let written = Leaves::of(act)?;
        if BASE64URL_NOPAD.encode(&tree::tree_hash(&written.bytes)) != *root {
            return Err(AppError::conflict("the bytes of this act are not those that were signed"));
        }
        let view = self.view_in(open.tx()).await?;
        let told = self.acks_of(open.tx(), &view, leaves.iter().filter_map(|leaf| view.bot(&leaf.bot)).map(AsRef::as_ref)).await?;
        let mut reasons = Vec::new();
        for leaf in leaves {
            let bot = view.bot(&leaf.bot).ok_or(AppError::NotFound("bot"))?;
            let open_reasons = self.obstacles_with(&view, bot, leaf, &told);
            reasons.extend(open_reasons.into_iter().map(|o| format!("{}: {} ({})", bot.name, o.what, o.who)));
        }
        if !reasons.is_empty() {
            return Err(AppError::Conflict(reasons));
        }
        if let Some(plan) = plan {
            return self.begin_staged(open, act, (&written, epoch), (root, plan)).await;
        }
        start_leaves(open, act, &written, 0..leaves.len(), epoch).await?;
        let event =
            Event::BotsStarted { bots: leaves.iter().map(|l| l.bot.clone()).collect(), root: root.to_owned(), signed: signed_act(act)? };
        let next = match leaves.as_slice() {
            [one] => format!("/bots/{}", one.bot),
            _ => "/fleet".to_owned(),
        };
        Ok(Effect { event, outcome: Outcome::Done(next), after: None })
    }

    async fn carry_code(&self, open: &mut OpenAct<'_>, act: &ActView, bot: &BotId) -> Result<Effect, AppError> {
        let code = token::new_code()?;
        let now = open.now();
        let row = EnrolmentCode {
            code_hash: token::code_digest(code.expose()).hex(),
            bot_id: bot.clone(),
            made_by: act.stored.made_by.clone(),
            made_at: now,
            expires_at: now.plus_ms(CODE_LIVES_MS),
            used_at: None,
            agent_id: None,
        };
        storage::agents::code_insert(open.tx(), &row).await?;
        let event = Event::EnrolmentCodeMade { bot: bot.clone(), signed: signed_act(act)? };
        let outcome = Outcome::Secret { title: "Enrolment code", secret: code, next: format!("/bots/{bot}/enrol") };
        Ok(Effect { event, outcome, after: None })
    }

    async fn carry_confirm(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (agent, bot, fingerprint): (&AgentId, &BotId, &str),
    ) -> Result<Effect, AppError> {
        let row = storage::agents::agent_by_id(open.tx(), agent).await?.ok_or(AppError::NotFound("agent"))?;
        if row.fingerprint != fingerprint || row.bot_id != *bot {
            return Err(AppError::conflict("the fingerprint is not this agent's"));
        }
        if !storage::agents::agent_confirm(open.tx(), agent, &act.stored.made_by).await? {
            return Err(AppError::conflict("this agent is not waiting to be confirmed"));
        }
        open.changes_books();
        let event =
            Event::AgentConfirmed { agent: agent.clone(), bot: bot.clone(), fingerprint: fingerprint.to_owned(), signed: signed_act(act)? };
        Ok(Effect { event, outcome: Outcome::Done(format!("/agents/{agent}")), after: None })
    }

    async fn carry_revoke(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        epoch: Epoch,
        (agent, bot, why): (&AgentId, &BotId, &str),
    ) -> Result<Effect, AppError> {
        let now = open.now();
        if !storage::agents::agent_end(open.tx(), agent, "revoked", now).await? {
            return Err(AppError::conflict("this agent has ended already"));
        }
        let stop = StopFact { epoch, kind: StopKind::Stopped, why: "its agent was revoked".into(), at: now };
        storage::bots::bot_stop(open.tx(), bot, &stop).await?;
        let facts = self.fleet.view().bot(bot).cloned().ok_or(AppError::NotFound("bot"))?;
        open.changes_books();
        let event = Event::AgentRevoked { agent: agent.clone(), bot: bot.clone(), why: why.to_owned(), signed: signed_act(act)? };
        let after = Some(After::Agent(facts, agent.clone(), epoch));
        Ok(Effect { event, outcome: Outcome::Done(format!("/agents/{agent}")), after })
    }

    async fn carry_invite(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (user, name, grants): (&UserId, &str, &[Grant]),
    ) -> Result<Effect, AppError> {
        self.check_held(open.tx(), grants, 1).await?;
        let now = open.now();
        let row = User {
            id: user.clone(),
            name: name.to_owned(),
            display_name: name.to_owned(),
            password_hash: None,
            enabled: true,
            created_at: now,
            grants: grants.to_vec(),
        };
        match storage::users::user_insert(open.tx(), &row).await {
            Err(storage::Error::Conflict | storage::Error::Duplicate(_)) => return Err(AppError::conflict("that name is taken")),
            other => other?,
        }
        let event = Event::UserInvited { user: user.clone(), name: name.to_owned(), grants: grants.to_vec(), signed: signed_act(act)? };
        let mut effect = self.new_link(open, user, event).await?;
        if let Some(wanted) = &act.detail.wanted {
            // Who signs asks, whoever prepared it: that is whom the log names.
            let by = act.signatures.last().map_or(&act.stored.made_by, |signature| &signature.user_id).clone();
            let (request, asked) = self.ask_for_invited(open, (&by, user), wanted).await?;
            open.record(std::mem::replace(&mut effect.event, asked)).await?;
            if let Outcome::Secret { next, .. } = &mut effect.outcome {
                *next = format!("/requests/{request}");
            }
        }
        Ok(effect)
    }

    /// A new link for somebody who has not come in yet: the one before is over, whether its time had run out or not.
    async fn carry_invite_again(&self, open: &mut OpenAct<'_>, act: &ActView, user: &UserId) -> Result<Effect, AppError> {
        let row = storage::users::user_by_id(open.tx(), user).await?.ok_or(AppError::NotFound("person"))?;
        if !row.enabled {
            return Err(AppError::conflict("this person is disabled; enable them first"));
        }
        self.check_not_in(open.tx(), user).await?;
        let now = open.now();
        storage::invitations::invitation_end(open.tx(), user, "invite", now).await?;
        let event = Event::UserInvitedAgain { user: user.clone(), signed: signed_act(act)? };
        self.new_link(open, user, event).await
    }

    async fn new_link(&self, open: &mut OpenAct<'_>, user: &UserId, event: Event) -> Result<Effect, AppError> {
        let now = open.now();
        let token = token::new_token("invite")?;
        let link = Invitation {
            token_hash: TokenDigest::of(token.expose()).hex(),
            user_id: user.clone(),
            kind: "invite".into(),
            made_at: now,
            expires_at: now.plus_ms(INVITATION_LIVES_MS),
        };
        storage::invitations::invitation_insert(open.tx(), &link).await?;
        open.changes_books();
        let secret = crate::domain::Secret::new(format!("{}welcome/{}", self.origin, token.expose()));
        Ok(Effect { event, outcome: Outcome::Secret { title: "Invitation link", secret, next: "/people".into() }, after: None })
    }

    async fn carry_grants(&self, open: &mut OpenAct<'_>, act: &ActView, (user, grants): (&UserId, &[Grant])) -> Result<Effect, AppError> {
        self.check_held(open.tx(), grants, 0).await?;
        let row = storage::users::user_by_id(open.tx(), user).await?.ok_or(AppError::NotFound("person"))?;
        self.give_grants(open, &row, grants).await?;
        let how = format!("{} did it, signed with a security key.", self.people().who(&act.stored.made_by));
        self.tell_of_grants(open, (act.stored.id.as_str(), &how), user).await?;
        let event = Event::GrantsChanged { user: user.clone(), grants: grants.to_vec(), signed: Some(signed_act(act)?), request: None };
        Ok(Effect { event, outcome: Outcome::Done(format!("/people/{user}")), after: None })
    }
}
