//! Asking: a request for looser limits or for another policy, and other revisions of it.

use super::{RequestView, RevisionRow, list::sees};
use crate::app::{App, AppError, Invalid, limits::invalid_of, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    BotId, Grant, RequestId, RequestKind, RequestState, Rule, UserId,
    act::canonical,
    approval::{is_satisfiable, may_ask},
    limits::Node,
    quorum,
    request::{Content, Document, Standing, WhyNot, digest},
    text,
};
use crate::storage::{self, Lane, requests::RequestRow};

/// What is asked for, and why.
pub(crate) struct Asked {
    pub(crate) content: Content,
    pub(crate) why: String,
}

/// Checks a reason that is demanded.
pub(crate) fn reason(why: &str, missing: &str) -> Result<String, AppError> {
    let mut invalid = Invalid::default();
    let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
    if why.is_empty() { Err(Invalid::one("why", missing).into()) } else { Ok(why) }
}

/// Open requests of one person, at most: nobody fills the inbox of the others.
const OPEN_OF_ONE: i64 = 200;
/// Revisions of one request, at most: each drops the approvals and is told to everybody who could give one.
const REVISIONS: i64 = 30;

/// The longest content of a request: it stands whole in one entry of the log.
const CONTENT: usize = 40_000;
/// What whoever approves needs to read.
pub(crate) const WHY: &str = "Say why: whoever approves reads it";

impl App {
    /// Asks for other limits of a bot, given as names and texts; an empty text leaves what stands, `none` takes a limit away.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what cannot be, or without a reason; `Conflict` when nothing would be looser, or another request is open.
    pub async fn ask_limits(&self, actor: &Actor, bot: &BotId, asked: &[(String, String)], why: &str) -> Result<RequestId, AppError> {
        self.ask_level(actor, &Node::Bot(bot.clone()), asked, why).await
    }

    /// The same of any level.
    ///
    /// # Errors
    /// As above.
    pub async fn ask_level(&self, actor: &Actor, node: &Node, asked: &[(String, String)], why: &str) -> Result<RequestId, AppError> {
        let permit = self.may_ask_about(actor, &self.limits_resource(node)?).await?;
        let content = self.limits_content(node, asked)?;
        self.ask(permit, Asked { content, why: reason(why, WHY)? }).await
    }

    fn limits_content(&self, node: &Node, asked: &[(String, String)]) -> Result<Content, AppError> {
        let limits = self.limit_book.tree().limits(node);
        let asked = asked.iter().filter(|(name, _)| node.has(name)).map(|(name, text)| (name.as_str(), text.as_str()));
        let set = limits.asked(asked).map_err(invalid_of)?;
        if !set.iter().any(|(name, change)| change.raises(name)) {
            let why = "nothing of this is looser than what stands: tightening takes one person, at once, on the page of these limits";
            return Err(AppError::conflict(why));
        }
        if let Some((next, _)) = limits.with(&set) {
            self.check_currency(node, &next)?;
            self.check_caps(node, &next)?;
        }
        Ok(Content::Limits { of: node.clone().into(), set })
    }

    /// Asks for another rule of who approves a kind of request.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a rule that cannot be, that nobody here could meet, or without a reason; `Conflict` when nothing would change, or
    /// another request is open.
    pub async fn ask_policy(&self, actor: &Actor, about: RequestKind, rule: Rule, why: &str) -> Result<RequestId, AppError> {
        let permit = self.may_ask_about(actor, &Resource::Installation).await?;
        let content = self.policy_content(about, rule)?;
        self.ask(permit, Asked { content, why: reason(why, WHY)? }).await
    }

    fn policy_content(&self, about: RequestKind, after: Rule) -> Result<Content, AppError> {
        after.check(about).map_err(|bad| Invalid::one("seats", bad.to_string()))?;
        let now = self.rules().of(about).clone();
        if now == after {
            return Err(AppError::conflict("that is the policy already; nothing would change"));
        }
        self.can_be_met(about, &after)?;
        Ok(Content::Policy { about, now, after })
    }

    /// Refuses a rule that nobody here could meet: nobody's request would ever be approved.
    pub(crate) fn can_be_met(&self, about: RequestKind, rule: &Rule) -> Result<(), AppError> {
        // Somebody who is alone signs again; others are to come.
        if self.people_book.is_alone() {
            return Ok(());
        }
        let members = self.members();
        let teams = if about.is_of_team() { quorum::teams(&members).into_iter().map(Some).collect() } else { vec![None] };
        let unmet = teams.iter().find(|team| !is_satisfiable(rule, about, team.as_ref(), &members));
        let Some(team) = unmet else { return Ok(()) };
        let of = team.as_ref().and_then(|id| self.people_book.team_name(id)).map_or_else(String::new, |name| format!(" in team {name}"));
        let why =
            format!("Nobody{of} could get anything approved by this: whoever asks does not approve, and too few others hold these roles");
        Err(Invalid::one("seats", why).into())
    }

    /// Lets somebody ask about this. A token asks as its maker, so that both must be allowed to.
    pub(crate) async fn may_ask_about(&self, actor: &Actor, about: &Resource) -> Result<Permit, AppError> {
        let permit = authz::check(actor, Action::AskRequest, about)?;
        if matches!(actor, Actor::Token { .. }) {
            let maker = self.person_behind(actor).await?;
            let maker = self.actor_of(&maker, false).ok_or(AppError::NotFound("token"))?;
            authz::check(&maker, Action::AskRequest, about)?;
        }
        Ok(permit)
    }

    /// The same about a request that is there.
    pub(crate) async fn may_revise(&self, actor: &Actor, view: &RequestView) -> Result<Permit, AppError> {
        if !sees(actor, &view.row) {
            return Err(AppError::NotFound("request"));
        }
        self.may_ask_about(actor, &view.resource()).await
    }

    pub(crate) async fn ask(&self, permit: Permit, asked: Asked) -> Result<RequestId, AppError> {
        let user = self.person_behind(permit.actor()).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        act.epoch().await?;
        let (request, event) = self.ask_in(&mut act, &user, asked).await?;
        act.commit(event).await?;
        Ok(request)
    }

    /// The same within a transaction that has its epoch: which request it is, and its entry.
    pub(crate) async fn ask_in(&self, act: &mut Act<'_>, user: &UserId, asked: Asked) -> Result<(RequestId, Event), AppError> {
        self.is_still_so(act, &asked.content).await?;
        let Asked { content, why } = asked;
        let (kind, target) = (content.kind(), content.target());
        if let Some(open) = storage::requests::request_open_of(act.tx(), kind, &target).await? {
            self.supersede(act, &open, user).await?;
        }
        if storage::requests::request_open_by(act.tx(), user).await? >= OPEN_OF_ONE {
            return Err(AppError::conflict(format!("{OPEN_OF_ONE} requests of yours are open; take some back before you ask for more")));
        }
        let team_id = self.team_of(act, &content).await?;
        let grants = self.people_book.user(user).map(|user| user.grants.clone()).unwrap_or_default();
        if !may_ask(kind, &grants, team_id.as_ref()) {
            return Err(WhyNot::MayNotAsk.into());
        }
        let row = RequestRow {
            id: RequestId::new(),
            kind,
            target,
            team_id,
            state: RequestState::Pending,
            generation: 1,
            revision: 1,
            requester: user.clone(),
            beneficiary: content.beneficiary().cloned(),
            asked_at: act.now(),
            revised_at: act.now(),
            approved_at: None,
            closed_at: None,
            closed_by: None,
            outcome: None,
            raised: "[]".to_owned(),
        };
        storage::requests::request_insert(act.tx(), &row).await?;
        let bot = content.bot().cloned();
        let revision = self.write_revision(act, (&row.id, 1), content, (user, &why)).await?;
        let view = RequestView::of(row, vec![revision.clone()], Vec::new())?;
        self.can_be_approved(act, &view).await?;
        self.tell_asked(act, &view, "").await?;
        let RevisionRow { content, digest, policy_version, why, .. } = revision;
        let (request, about, rule) = (view.row.id.clone(), kind, view.case.request.rule.clone());
        Ok((view.row.id, Event::RequestAsked { request, about, bot, content, digest, policy_version, rule, why }))
    }

    /// Refuses what nobody here could approve: it would only wait for its end.
    pub(super) async fn can_be_approved(&self, act: &mut Act<'_>, view: &RequestView) -> Result<(), AppError> {
        let company = self.company_in(act, &[&view.row.requester]).await?;
        if company.is_alone {
            return Ok(());
        }
        let rule = &view.case.request.rule;
        let others = company.people.iter().filter(|other| other.standing == Standing::Able && other.id != view.row.requester);
        let others = others.filter(|other| Some(&other.id) != view.row.beneficiary.as_ref());
        let others = others.filter(|other| !view.case.request.signers.contains(&other.id));
        let grants: Vec<&[Grant]> = others.map(|other| other.grants.as_slice()).collect();
        if rule.is_filled_by(&grants, view.row.team_id.as_ref()) {
            return Ok(());
        }
        let why = format!("nobody here could get this approved: it takes {}, and whoever asks does not approve", rule.words());
        Err(AppError::conflict(why))
    }

    /// An open request for the same: one's own is superseded unless somebody has approved it; somebody else's is named.
    async fn supersede(&self, act: &mut Act<'_>, open: &RequestRow, user: &UserId) -> Result<(), AppError> {
        if open.requester != *user {
            let who = self.people_book.who(&open.requester);
            let why =
                format!("a request of {who} about the same is open: comment there, or ask again once it is over (/requests/{})", open.id);
            return Err(AppError::conflict(why));
        }
        let mut view = self.request_in(act.tx(), &open.id).await?;
        if view.case.votes_now().next().is_some() {
            let why =
                format!("your request for the same is approved, in part or whole: change it or take it back first (/requests/{})", open.id);
            return Err(AppError::conflict(why));
        }
        view.case.end(RequestState::Superseded);
        let why = "whoever asked has asked anew";
        self.write_request(act, &mut view, Some(why)).await?;
        self.tell_ended(act, &view, why).await?;
        act.record(Event::RequestEnded { request: open.id.clone(), state: RequestState::Superseded, why: why.to_owned() }).await?;
        Ok(())
    }

    async fn team_of(&self, act: &mut Act<'_>, content: &Content) -> Result<Option<crate::domain::TeamId>, AppError> {
        match content {
            Content::Limits { of, .. } => self.team_of_level(act.tx(), &of.node()).await,
            Content::Override { bot, .. } | Content::Assign { bot, .. } | Content::Keys { bot, .. } | Content::GoLive { bot, .. } => {
                self.team_of_level(act.tx(), &Node::Bot(bot.clone())).await
            }
            Content::Policy { .. } | Content::Roles { .. } | Content::Checklist { .. } => Ok(None),
        }
    }

    /// Writes a revision under the policies of now.
    pub(crate) async fn write_revision(
        &self,
        act: &mut Act<'_>,
        (request, revision): (&RequestId, i64),
        content: Content,
        (author, why): (&UserId, &str),
    ) -> Result<RevisionRow, AppError> {
        let rules = storage::approvals::policy_now(act.tx()).await?;
        let rule = rules.of(content.kind());
        let rule = String::from_utf8_lossy(&canonical(rule)?).into_owned();
        let document = Document { v: 1, request: request.clone(), revision, policy_version: rules.version, content };
        let content = document.canonical()?;
        if content.len() > CONTENT {
            let why = format!("this takes {} bytes to write down, and {CONTENT} is the most: say less", content.len());
            return Err(AppError::conflict(why));
        }
        let row = RevisionRow {
            request_id: request.clone(),
            revision,
            digest: digest(&content),
            content,
            why: why.to_owned(),
            author: author.clone(),
            policy_version: rules.version,
            rule,
            made_at: act.now(),
        };
        storage::request_history::revision_insert(act.tx(), &row).await?;
        Ok(row)
    }

    /// Changes what a request for limits asks for: another revision, which nobody has approved.
    ///
    /// # Errors
    /// As asking; `Conflict` when it is over.
    pub async fn revise_limits(&self, actor: &Actor, id: &RequestId, asked: &[(String, String)], why: &str) -> Result<(), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        let Content::Limits { of, .. } = view.content() else { return Err(AppError::NotFound("request")) };
        let permit = self.may_revise(actor, &view).await?;
        let content = self.limits_content(&of.node(), asked)?;
        self.revise(permit, id, Asked { content, why: reason(why, WHY)? }).await
    }

    /// The same of a request for another policy.
    ///
    /// # Errors
    /// As asking; `Conflict` when it is over.
    pub async fn revise_policy(&self, actor: &Actor, id: &RequestId, rule: Rule, why: &str) -> Result<(), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        let Content::Policy { about, .. } = view.content() else { return Err(AppError::NotFound("request")) };
        let permit = self.may_revise(actor, &view).await?;
        let content = self.policy_content(*about, rule)?;
        self.revise(permit, id, Asked { content, why: reason(why, WHY)? }).await
    }

    pub(crate) async fn revise(&self, permit: Permit, id: &RequestId, asked: Asked) -> Result<(), AppError> {
        let user = self.person_behind(permit.actor()).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        act.epoch().await?;
        self.is_still_so(&mut act, &asked.content).await?;
        let mut view = self.request_in(act.tx(), id).await?;
        let is_same = *view.content() == asked.content && view.why() == asked.why;
        if is_same {
            return Err(AppError::conflict("that is what it asks for already; nothing was changed"));
        }
        if view.row.revision >= REVISIONS {
            return Err(AppError::conflict(format!("it was changed {REVISIONS} times; take it back and ask anew")));
        }
        let company = self.company_in(&mut act, &[&user]).await?;
        let by = company.people.iter().find(|voter| voter.id == user).ok_or(AppError::NotFound("person"))?;
        let revision = self.write_revision(&mut act, (id, view.row.revision + 1), asked.content, (&user, &asked.why)).await?;
        view.case.revise(by, (&revision.digest, company.rules.of(view.row.kind)), act.now())?;
        self.write_request(&mut act, &mut view, None).await?;
        let (row, votes) = (view.row, view.votes);
        let mut revisions = view.revisions;
        revisions.push(revision.clone());
        let view = RequestView::of(row, revisions, votes)?;
        if !view.case.request.raised.is_empty() {
            self.can_be_approved(&mut act, &view).await?;
        }
        self.tell_asked(&mut act, &view, "It was changed: what was approved before counts no more.").await?;
        let rule = view.case.request.rule.clone();
        let RevisionRow { revision, content, digest, policy_version, why, .. } = revision;
        act.commit(Event::RequestRevised { request: id.clone(), revision, content, digest, policy_version, rule, why }).await?;
        Ok(())
    }
}
