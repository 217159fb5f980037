//! `andon recover`: a log that was frozen, or a site that is another's copy, goes on: under a new incarnation, with the counter above every
//! report that is believed and the fleet paused. The host asks for it; two people sign exactly this one act, by links, each with password and
//! key, also while the log is frozen and every session may only stop (ruling C4). Nothing is changed before the last signature.

use super::{Mark, files, known::Known};
use crate::app::{
    App, AppError, Invalid,
    acts::{ALONE_WAITS_MS, ActView, Detail, sign},
    sign_in::{Whence, note_use},
    tx::Act as OpenAct,
};
use crate::audit::{Canonical, Event, Record, number, tree};
use crate::authn::Ceremony;
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{
    Act, ActId, ActKind, Audience, BotId, Epoch, Hold, HoldId, Level, Notice, NoticeKind, PlacedBy, PlacerKind, Role, Scope, Secret,
    SiteRecoveryId, Timestamp, UserId, act, text,
};
use crate::storage::{
    self, Lane,
    acts::{StoredAct, StoredSignature},
    site_recoveries::SiteRecovery,
};
use data_encoding::HEXLOWER;
use std::{path::PathBuf, sync::Arc};

/// How long the links live.
const LINKS_LIVE_MS: i64 = 60 * 60 * 1_000;
/// How far above every report that is believed the counter goes on.
pub const EPOCH_AHEAD: i64 = 1_000_000;
/// How many people sign.
const SIGNERS: usize = 2;

/// What a link leads to.
#[derive(Debug, Clone)]
pub struct RecoveryView {
    /// What the host asked for.
    pub row: SiteRecovery,
    /// What is known now.
    pub known: Known,
    /// The act, once somebody chose what it says.
    pub act: Option<ActView>,
}

/// Who comes by a link, and with what.
#[derive(Debug, Clone, Copy)]
pub struct ByLink<'a> {
    /// The link's secret.
    pub link: &'a str,
    /// Whoever gave the right password.
    pub user: &'a UserId,
}

/// What came of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// A second one is needed, by the other link.
    Waits,
    /// The site is recovered.
    Done,
}

fn gone() -> AppError {
    AppError::NotFound("link; it may have been used or be over. On the server's host, andon recover makes new ones")
}

fn hash(link: &str) -> String {
    TokenDigest::of(link).hex()
}

impl App {
    /// Makes the links by which two people sign. Links that were made before and not carried out are over.
    ///
    /// # Errors
    /// `Invalid` without a reason; `Conflict` when there is nothing to recover, or something else is to be done first.
    pub async fn ask_site_recovery(&self, host_user: &str, why: &str, take_over: bool) -> Result<Vec<Secret<String>>, AppError> {
        let permit = authz::check(&Actor::Host { user: host_user.to_owned() }, Action::RecoverOnHost, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
        if why.is_empty() {
            return Err(Invalid::one("why", "Say why: --why TEXT. It stands in the log for ever").into());
        }
        may_be_recovered(&self.known().await?, take_over)?;
        let mut links = Vec::new();
        for _ in 0..SIGNERS {
            links.push(token::new_token("recover")?);
        }
        let mut open = self.begin(permit, Lane::Normal).await?;
        let now = open.now();
        let row = SiteRecovery {
            id: SiteRecoveryId::new(),
            why: why.clone(),
            asked_by: host_user.to_owned(),
            asked_at: now,
            expires_at: now.plus_ms(LINKS_LIVE_MS),
            take_over,
            state: "open".into(),
            act_id: None,
            used_by: None,
        };
        let hashes: Vec<String> = links.iter().map(|link| hash(link.expose())).collect();
        storage::site_recoveries::site_recovery_insert(open.tx(), &row, &hashes).await?;
        open.commit_stop(Event::SiteRecoveryAsked { why, take_over }).await?;
        Ok(links.iter().map(|link| Secret::new(format!("{}recover/{}", self.origin, link.expose()))).collect())
    }

    /// What is known, in lines, and whether there is something to recover: for the host.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn site_outlook(&self, host_user: &str) -> Result<Known, AppError> {
        authz::check(&Actor::Host { user: host_user.to_owned() }, Action::RecoverOnHost, &Resource::Installation)?;
        self.known().await
    }

    /// What a link leads to.
    ///
    /// # Errors
    /// `NotFound` for a link that is over, used or wrong, all alike.
    pub async fn site_recovery(&self, link: &str) -> Result<RecoveryView, AppError> {
        let row = storage::site_recoveries::site_recovery_by_link(&mut *self.db.read().await?, &hash(link)).await?.ok_or_else(gone)?;
        let is_over = match row.state.as_str() {
            "open" => self.clock.now() > row.expires_at,
            "done" => false,
            _ => true,
        };
        if is_over {
            return Err(gone());
        }
        let act = match &row.act_id {
            Some(id) => Some(self.recovery_act(id).await?),
            None => None,
        };
        Ok(RecoveryView { known: self.known().await?, row, act })
    }

    async fn recovery_act(&self, id: &ActId) -> Result<ActView, AppError> {
        let mut tx = self.db.read().await?;
        let stored = storage::acts::act_by_id(&mut tx, id).await?.ok_or_else(gone)?;
        ActView::of(stored, storage::acts::act_signatures(&mut tx, id).await?)
    }

    /// Takes name and password of whoever signs, and what they choose to believe while nobody has signed; answers with what their browser
    /// needs to sign.
    ///
    /// # Errors
    /// `NotFound` for a dead link; `TooMany`; `Conflict` for a wrong password, or when this person may not sign; `Key` without a key.
    pub async fn begin_site_signature(
        &self,
        link: &str,
        (name, password): (&str, Secret<String>),
        left_out: &[BotId],
        whence: &Whence,
    ) -> Result<(UserId, Ceremony, ActView), AppError> {
        let view = self.site_recovery(link).await?;
        if view.row.used_by.is_some() || view.row.state != "open" {
            return Err(gone());
        }
        let user = self.sign_in_password(name, password, whence).await?;
        let signed = view.act.as_ref().map(|act| act.signatures.as_slice()).unwrap_or_default();
        self.may_recover(&user, signed)?;
        let act = match view.act {
            Some(act) if !act.signatures.is_empty() => act,
            before => self.prepare_site_recovery(&view.row, before, (&user, &view.known), left_out).await?,
        };
        let ceremony = self.keys.begin_assertion(&self.passkeys_of(&user).await?, Some(act.challenge()))?;
        Ok((user, ceremony, act))
    }

    /// Checks that this person may give the next signature.
    fn may_recover(&self, user: &UserId, signed: &[StoredSignature]) -> Result<authz::Permit, AppError> {
        let actor = self.actor_of(user, false).ok_or_else(|| AppError::conflict("this account is disabled"))?;
        let permit = authz::check(&actor, Action::RecoverSite, &Resource::Installation)?;
        let Some(first) = signed.first() else { return Ok(permit) };
        if first.user_id == *user {
            if !self.people_book.is_alone() {
                return Err(AppError::conflict("you have signed this; a second person must, by the other link"));
            }
            let waited = self.clock.now().ms_since(first.at);
            if waited < ALONE_WAITS_MS {
                return Err(AppError::conflict(format!("you are alone here: sign again in {} s", (ALONE_WAITS_MS - waited) / 1_000 + 1)));
            }
            return Ok(permit);
        }
        let weighs = |id: &UserId| self.people_book.holds(id, Role::Risk) || self.people_book.holds(id, Role::Admin);
        match weighs(&first.user_id) || weighs(user) {
            true => Ok(permit),
            false => Err(AppError::conflict("two leads do not do: one of the two who sign must be risk or an admin")),
        }
    }

    /// Writes down what is signed, from what is known at this moment.
    async fn prepare_site_recovery(
        &self,
        row: &SiteRecovery,
        before: Option<ActView>,
        (by, known): (&UserId, &Known),
        left_out: &[BotId],
    ) -> Result<ActView, AppError> {
        may_be_recovered(known, row.take_over)?;
        let reason = known.reason().ok_or_else(|| AppError::conflict("the log is open: there is nothing to recover any more"))?;
        let accepted = known.reported.iter().filter(|one| !left_out.contains(&one.bot)).map(|one| one.epoch).max();
        let accepted_epoch = accepted.unwrap_or(known.epoch).max(known.epoch);
        // Whoever reports no more than what is believed is believed.
        let above = |bot: &&BotId| known.reported.iter().any(|one| one.bot == **bot && one.epoch > accepted_epoch);
        let site =
            if row.take_over { Some(self.site.id().ok_or_else(|| AppError::conflict("this server has no site id yet"))?) } else { None };
        let kind = ActKind::Recover {
            log: known.head.origin.clone(),
            next: known.next_origin(),
            reason: reason.to_owned(),
            why: row.why.clone(),
            database_size: known.size(),
            known_size: known.known_size(),
            checkpoint: known.last_checkpoint().map(|(note, _)| HEXLOWER.encode(&act::digest(note.as_bytes()))).unwrap_or_default(),
            database_epoch: known.epoch,
            accepted_epoch,
            left_out: left_out.iter().filter(above).cloned().collect(),
            site: site.map(str::to_owned),
        };
        let now = self.clock.now();
        let not_after = Timestamp(row.expires_at.0 / 1_000 * 1_000);
        let act = Act { v: 1, installation: self.installation.id.clone(), nonce: token::random::<16>()?, not_after, kind };
        let body = act.canonical()?;
        let detail = Detail::default();
        let stored = StoredAct {
            id: ActId::new(),
            kind: act.kind.word().to_owned(),
            digest: HEXLOWER.encode(&act::digest(&body)),
            detail: serde_json::to_string(&detail).map_err(AppError::internal)?,
            body,
            made_by: by.clone(),
            made_at: now,
            not_after,
            signers_needed: SIGNERS as i64,
            state: "open".into(),
            closed_at: None,
            outcome: None,
        };
        let mut tx = self.db.write(Lane::Normal).await?;
        if let Some(before) = before {
            if !storage::acts::act_signatures(&mut tx, &before.stored.id).await?.is_empty() {
                return Err(AppError::conflict("somebody signed a moment ago; look at what they signed and sign that"));
            }
            storage::acts::act_close(&mut tx, &before.stored.id, "withdrawn", now, "another choice was made").await?;
        }
        storage::acts::act_insert(&mut tx, &stored).await?;
        storage::site_recoveries::site_recovery_set_act(&mut tx, &row.id, &stored.id).await?;
        tx.commit().await?;
        Ok(ActView { stored, act, detail, signatures: Vec::new() })
    }

    /// Takes a signature. With the last one the site is recovered, whole or not at all.
    ///
    /// # Errors
    /// `Key` when the signature does not verify; `NotFound` for a dead link; `Conflict`, with the reason, when something changed meanwhile.
    pub async fn sign_site_recovery(self: &Arc<Self>, by: ByLink<'_>, state: &str, response: &str) -> Result<Signed, AppError> {
        let ByLink { link, user } = by;
        let view = self.site_recovery(link).await?;
        let shown = view.act.ok_or_else(gone)?;
        self.still_open(&shown)?;
        sign::is_fresh(&shown, response)?;
        let signed = match self.keys.finish_assertion(state, &self.passkeys_of(user).await?, response) {
            Ok(signed) => signed,
            Err(error) => return Err(self.key_failed(user, error).await),
        };
        if signed.challenge != shown.challenge() {
            return Err(AppError::conflict("that signature was made for another act; look again at what is signed"));
        }
        let permit = self.may_recover(user, &shown.signatures)?;
        // The publisher's turn: no round compares while the log changes its incarnation.
        let alone = self.log.publishing.lock().await;
        let is_last = shown.signatures.len() + 1 >= SIGNERS;
        let ready = if is_last { Some(self.get_ready(&shown).await?) } else { None };
        let mut open = self.begin(permit, Lane::Normal).await?;
        open.epoch().await?;
        let stored = storage::acts::act_by_id(open.tx(), &shown.stored.id).await?.ok_or_else(gone)?;
        let signatures = storage::acts::act_signatures(open.tx(), &shown.stored.id).await?;
        if signatures != shown.signatures {
            return Err(AppError::conflict("somebody else signed in the same moment; look again"));
        }
        let mut act = ActView::of(stored, signatures)?;
        self.still_open(&act)?;
        self.hold_signers(&mut open, user, &act).await?;
        if !storage::site_recoveries::site_recovery_use_link(open.tx(), &hash(link), user).await? {
            return Err(gone());
        }
        let signature = StoredSignature {
            act_id: act.stored.id.clone(),
            n: act.signatures.len() as i64 + 1,
            user_id: user.clone(),
            credential_id: signed.credential.clone(),
            authenticator_data: signed.assertion.authenticator_data.clone(),
            client_data: signed.assertion.client_data.clone(),
            signature: signed.assertion.signature.clone(),
            at: open.now(),
            alone: act.signatures.iter().any(|s| s.user_id == *user),
        };
        storage::acts::act_sign(open.tx(), &signature).await?;
        note_use(&mut open, &signed).await?;
        act.signatures.push(signature);
        let Some(ready) = ready else {
            let event = Event::ActSigned { act: act.stored.id.clone(), digest: act.stored.digest.clone(), by: sign::signed_act(&act)? };
            open.commit_stop(event).await?;
            return Ok(Signed::Waits);
        };
        let hold = self.carry_site_recovery(&mut open, &act, (&view.row.id, &view.known), &ready).await?;
        failpoint!("recover:before_commit");
        open.finish().await?;
        failpoint!("recover:committed");
        self.fleet.take_hold(hold);
        self.go_on_after_recovery(alone).await;
        Ok(Signed::Done)
    }

    /// Whoever signed first and whoever signs now may still, as this transaction sees it.
    async fn hold_signers(&self, open: &mut OpenAct<'_>, user: &UserId, act: &ActView) -> Result<(), AppError> {
        let mut people: Vec<&UserId> = act.signatures.iter().map(|signature| &signature.user_id).chain([user]).collect();
        people.sort();
        people.dedup();
        for person in people {
            storage::users::user_hold_still(open.tx(), person).await?;
        }
        self.books_in(open.tx()).await?;
        self.may_recover(user, &act.signatures)?;
        let Some(first) = act.signatures.first() else { return Ok(()) };
        self.may_recover(&first.user_id, &[])?;
        let keys = storage::credentials::credential_of_user(open.tx(), &first.user_id).await?;
        if !keys.iter().any(|key| key.id == first.credential_id && key.suspended_at.is_none()) {
            return Err(AppError::conflict("the key of the first signature was removed or suspended; ask for new links on the host"));
        }
        if first.user_id == *user && storage::settings::setting_is_on(open.tx(), storage::settings::SECOND_PERSON).await? {
            return Err(AppError::conflict("somebody else has two security keys by now: a second person must sign"));
        }
        Ok(())
    }

    /// What is made ready before the transaction, so that it is short: the bytes of the log as they are, the next key, and a mark over nothing.
    async fn get_ready(&self, act: &ActView) -> Result<Ready, AppError> {
        let ActKind::Recover { next, .. } = &act.act.kind else { return Err(gone()) };
        let head = storage::audit::audit_head(&mut *self.db.read().await?).await?;
        let found = self.as_found(&head).await?;
        if let Some(settings) = self.log.settings.get() {
            let (dir, origin) = (settings.state_dir.clone(), next.clone());
            let made = tokio::task::spawn_blocking(move || make_next(dir, &origin));
            made.await.map_err(AppError::internal)?.map_err(AppError::internal)?;
        }
        failpoint!("recover:ready");
        Ok(Ready { found })
    }

    async fn carry_site_recovery(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (id, known): (&SiteRecoveryId, &Known),
        ready: &Ready,
    ) -> Result<Hold, AppError> {
        let ActKind::Recover { log, next, reason, why, database_size, accepted_epoch, site, .. } = &act.act.kind else {
            return Err(gone());
        };
        let head = storage::audit::audit_lock(open.tx()).await?;
        if head.origin != *log || head.size.unsigned_abs() < *database_size {
            return Err(AppError::conflict("the log changed since this was written down; ask for new links on the host"));
        }
        // A log that is open goes on meanwhile, by the entry of the first signature at the least: all of it is closed and its root is what counts.
        if head.size.unsigned_abs() != ready.found.0 {
            return Err(AppError::conflict("something was entered in this very moment; sign once more"));
        }
        let counter = storage::epoch::epoch_now(open.tx()).await?.max(*accepted_epoch);
        let floor = Epoch(counter.0 + EPOCH_AHEAD);
        storage::epoch::epoch_raise(open.tx(), floor).await?;
        let epoch = open.epoch().await?;
        storage::audit::audit_begin_next(open.tx(), &head, next).await?;
        let now = open.now();
        let hold_id = HoldId::new();
        let mut hold = Hold {
            id: hold_id.clone(),
            scope: Scope::Fleet,
            level: Level::Pause,
            why: text::why_lenient(&format!("the site was recovered: {why}")),
            placed_by: PlacedBy { kind: PlacerKind::Trigger, id: "recover".into(), name: "andon recover".into(), as_risk: false },
            at: now,
            epoch,
            released: None,
            late: false,
            idempotency_key: hold_id.to_string(),
            origin: None,
            entry: None,
            not_before: None,
            press: None,
        };
        storage::holds::hold_insert(open.tx(), &hold).await?;
        if let Some(site) = site {
            storage::sites::site_take_over(open.tx(), site, &self.node, now).await?;
        }
        let event = Event::LogRecovered {
            from: log.clone(),
            to: next.clone(),
            reason: reason.clone(),
            why: why.clone(),
            database_size: ready.found.0,
            database_root: HEXLOWER.encode(&ready.found.1),
            last_checkpoint: known.last_checkpoint().map(|(note, _)| note.to_owned()).unwrap_or_default(),
            sink_from: known.only_in_sink().map(|(from, _)| from),
            sink_to: known.only_in_sink().map(|(_, to)| to),
            epoch: floor.0,
            hold: hold.id.clone(),
            site: site.clone(),
            alone: act.signatures.iter().any(|signature| signature.alone),
            signed: sign::signed_act(act)?,
        };
        // Past the gate of the incarnation before: these are the first entries of the next one.
        self.enter_first(open, event).await?;
        let seq = self.enter_first(open, Event::hold_placed(&hold)).await?;
        storage::holds::hold_set_entry(open.tx(), &hold.id, seq).await?;
        hold.entry = Some(seq);
        // Entries that said so may be lost, and whoever verifies this incarnation holds it to the rule from here on.
        if storage::settings::setting_is_on(open.tx(), storage::settings::SECOND_APPROVER).await? {
            self.enter_first(open, Event::RightsTakeApproval {}).await?;
        }
        if !storage::acts::act_close(open.tx(), &act.stored.id, "done", now, "carried out").await?
            || !storage::site_recoveries::site_recovery_done(open.tx(), id).await?
        {
            return Err(AppError::conflict("this was carried out a moment ago"));
        }
        self.tell_of_site_recovery(open, act, why).await?;
        Ok(hold)
    }

    async fn enter_first(&self, open: &mut OpenAct<'_>, event: Event) -> Result<i64, AppError> {
        let record = Record { actor: open.actor().into(), ts: open.now(), happened_at: None, node: self.node.clone(), event };
        let canonical = Canonical::new(&record).map_err(AppError::internal)?;
        Ok(storage::audit::audit_append(open.tx(), &canonical).await?)
    }

    async fn tell_of_site_recovery(&self, open: &mut OpenAct<'_>, act: &ActView, why: &str) -> Result<(), AppError> {
        let who: Vec<String> = act.signatures.iter().map(|signature| self.people_book.who(&signature.user_id)).collect();
        let text = format!(
            "{} let the log go on under a new incarnation. Reason: {why}\n\nThe whole fleet is paused: nothing runs by itself. The pause is \
             released and bots are started as after any other.",
            who.join(" and ")
        );
        let people = storage::users::user_all(open.tx()).await?.into_iter().filter(|user| user.enabled).map(|user| user.id).collect();
        let told = Notice::new(NoticeKind::SiteRecovered, &act.stored.id, "The site was recovered; the fleet is paused", text);
        open.tell(&Audience { people, admins: true }, &told.at("/holds")).await.map(drop)
    }

    /// The new incarnation is there: it is watched from its first entry on, and its mark is raised.
    async fn go_on_after_recovery(self: &Arc<Self>, alone: tokio::sync::MutexGuard<'_, ()>) {
        if let Some(settings) = self.log.settings.get()
            && let Err(error) = self.begin_anew(settings).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "recovered; the new incarnation could not be compared yet");
        }
        drop(alone);
        if let Err(error) = self.look_at_site().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "recovered; which site this is could not be read again yet");
        }
        if let Err(error) = self.publish(true).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "recovered; the first checkpoint follows");
        }
    }
}

/// What was made ready.
struct Ready {
    /// Entries of the closed incarnation as they are, and the root over them.
    found: (u64, tree::Hash),
}

/// The next incarnation's key and a mark over nothing: without a first entry in the database both count for nothing, so that a recovery that
/// was not carried out leaves nothing behind that matters.
fn make_next(dir: PathBuf, origin: &str) -> Result<(), files::FileError> {
    let incarnation = number::incarnation(origin);
    let key = match files::read_key_of(&dir, incarnation) {
        Ok(Some(key)) if key.verifier().name() == origin => key,
        _ => files::make_key(&dir, origin)?,
    };
    files::write_mark(&dir, &key, &Mark { size: 0, root: tree::empty_root() }).map(drop)
}

/// Refuses what a recovery would not mend, or what another command mends.
fn may_be_recovered(known: &Known, take_over: bool) -> Result<(), AppError> {
    if known.frozen.as_ref().is_some_and(|frozen| frozen.kind == super::FrozenKind::NotCompared) {
        return Err(AppError::conflict("the database was not compared with the tide mark yet; the server tries again every five seconds"));
    }
    match (known.is_foreign, take_over) {
        (true, false) => Err(AppError::conflict(
            "this server's state folder is not a site of the installation. If the installation's own servers are gone for good, or it moves \
             here, add --take-over; else stop this server",
        )),
        (false, true) => Err(AppError::conflict("this is the installation's site already; leave --take-over out")),
        _ if known.reason().is_none() => Err(AppError::conflict(
            "the log is open, this is the installation's site and no agent has seen more: there is nothing to recover",
        )),
        _ => Ok(()),
    }
}
