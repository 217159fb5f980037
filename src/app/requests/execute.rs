//! Carrying a request out: exactly once, under the generation of its row, with everything looked at again, in one transaction with what it
//! changes and with its entries. What it was asked over has changed: stale, never "apply anyway". What cannot be done: failed, with why.

use super::{Company, RequestView};
use crate::app::{App, AppError, limits::Set, tx::Act};
use crate::audit::Event;
use crate::domain::{
    Epoch, Limits, RequestKind, RequestState, Rule, Stage, TeamId, Timestamp,
    limits::{Node, Setting},
    request::{Change, Content, Next, digest},
};
use crate::storage::{self, Conn, approvals::PolicyRow};
use std::collections::BTreeMap;

/// How an attempt ended that changed nothing.
pub(crate) enum Undone {
    Stale(String),
    Failed(String),
}

/// What was done: its entry, and in words.
pub(crate) type Done = (Event, String);

impl App {
    /// Why what a request was asked over is not so any more; none: it is.
    pub(crate) async fn stale_reason(&self, conn: &mut Conn, content: &Content) -> Result<Option<String>, AppError> {
        Ok(match content {
            Content::Limits { of, set } => stale_limits(&limits_of(conn, &of.node()).await?.0, set),
            Content::Override { bot, symbol, now, until, .. } => {
                let is_over = *until <= self.clock.now();
                if is_over {
                    return Ok(Some("the time for which it was asked is over; ask again".to_owned()));
                }
                let is_so = self.position_limit(conn, bot, symbol).await? == *now;
                (!is_so).then(|| "the largest position has changed since it was asked; ask again over what it is now".to_owned())
            }
            Content::Policy { about, now, .. } => {
                let is_so = storage::approvals::policy_now(conn).await?.of(*about) == now;
                (!is_so).then(|| "this policy has changed since it was asked; ask again over what it is now".to_owned())
            }
            Content::Roles { user, now, .. } => self.stale_rights(conn, user, now).await?,
            Content::Keys { bot, place, now, after } => self.stale_key(conn, (bot, place), (now.as_ref(), after)).await?,
            Content::Checklist { stage, now, .. } => {
                let is_so = self.list_in(conn, *stage).await? == *now;
                (!is_so).then(|| "this checklist has changed since it was asked; ask again over what it is now".to_owned())
            }
            Content::GoLive { bot, from, to, dossier } => self.changed_since(conn, (bot, *from, *to), dossier).await?,
            Content::Assign { bot, now, after } => {
                let last = storage::assignments::assignment_of_subaccount(conn, &after.subaccount, 1).await?;
                let other = last.first().filter(|last| last.until_at.is_none() && last.bot_id != *bot);
                if let Some(other) = other {
                    let name =
                        storage::bots::bot_by_id(conn, &other.bot_id).await?.map_or_else(|| "another bot".to_owned(), |bot| bot.name);
                    return Ok(Some(format!("{name} has {} by now, and one subaccount serves one bot", after.name)));
                }
                let bot = storage::bots::bot_by_id(conn, bot).await?.ok_or(AppError::NotFound("bot"))?;
                let is_so = bot.seat.map(|seat| seat.subaccount) == now.as_ref().map(|place| place.subaccount.clone());
                (!is_so).then(|| "its subaccount has changed since it was asked; ask again over where it trades now".to_owned())
            }
        })
    }

    /// The same, of what does not become so again by itself: an agent that is silent for a moment ends nobody's request to go live.
    pub(crate) async fn stale_for_good(&self, conn: &mut Conn, content: &Content) -> Result<Option<String>, AppError> {
        match content {
            Content::GoLive { bot, from, .. } => self.moved_since(conn, bot, *from).await,
            other => self.stale_reason(conn, other).await,
        }
    }

    /// Refuses to ask over what has just changed.
    pub(super) async fn is_still_so(&self, act: &mut Act<'_>, content: &Content) -> Result<(), AppError> {
        match self.stale_reason(act.tx(), content).await? {
            Some(why) => Err(AppError::conflict(why)),
            None => Ok(()),
        }
    }

    /// Does what follows of how a request stands: approves it once enough have, and carries it out once it may be. Answers with the entries, which
    /// the caller records. Nothing: nothing follows.
    pub(crate) async fn settle_request(
        &self,
        act: &mut Act<'_>,
        view: &mut RequestView,
        company: &Company,
    ) -> Result<Vec<Event>, AppError> {
        let mut events = Vec::new();
        loop {
            let moment = company.moment(view.row.kind);
            match view.case.step(&moment) {
                Next::Wait => return Ok(events),
                Next::Approve => events.push(self.note_approved(act, view, company).await?),
                Next::Reopen => events.push(self.note_reopened(act, view).await?),
                Next::Expire => {
                    let why = match view.row.approved_at {
                        Some(_) if view.case.quorum(&moment).is_met => "it was not carried out in time",
                        Some(_) => "an approval counts no more, and the time for another is over",
                        None => "not enough people approved it in time",
                    };
                    events.push(self.end_request(act, view, why).await?);
                    return Ok(events);
                }
                Next::Execute => {
                    self.write_request(act, view, None).await?;
                    events.extend(self.execute(act, view).await?);
                    return Ok(events);
                }
            }
        }
    }

    /// The same when an approval was taken back: it may be less than enough now, and never more.
    pub(crate) async fn reopen(&self, act: &mut Act<'_>, view: &mut RequestView, company: &Company) -> Result<Vec<Event>, AppError> {
        if view.case.next(&company.moment(view.row.kind)) != Next::Reopen {
            return Ok(Vec::new());
        }
        view.case.step(&company.moment(view.row.kind));
        Ok(vec![self.note_reopened(act, view).await?])
    }

    async fn note_approved(&self, act: &mut Act<'_>, view: &mut RequestView, company: &Company) -> Result<Event, AppError> {
        self.write_request(act, view, None).await?;
        let ready_at = view.case.ready_at(company.rules.of(view.row.kind)).unwrap_or(act.now());
        if view.row.kind.is_by_hand() || ready_at > act.now() {
            self.tell_approved(act, view, ready_at).await?;
        }
        let (revision, digest) = (view.row.revision, view.case.request.digest.clone());
        Ok(Event::RequestQuorumMet { request: view.row.id.clone(), revision, digest, ready_at_us: ready_at.0 })
    }

    async fn note_reopened(&self, act: &mut Act<'_>, view: &mut RequestView) -> Result<Event, AppError> {
        self.write_request(act, view, None).await?;
        self.tell_asked(act, view, "It was approved, and an approval counts no more: it waits again.").await?;
        Ok(Event::RequestReopened { request: view.row.id.clone(), revision: view.row.revision })
    }

    /// Ends a request in the state that its case is in, and tells of it.
    pub(crate) async fn end_request(&self, act: &mut Act<'_>, view: &mut RequestView, why: &str) -> Result<Event, AppError> {
        self.write_request(act, view, Some(why)).await?;
        self.tell_ended(act, view, why).await?;
        Ok(Event::RequestEnded { request: view.row.id.clone(), state: view.case.request.state, why: why.to_owned() })
    }

    /// Carries out what is being carried out. Whatever is done half is undone; the request ends either way.
    async fn execute(&self, act: &mut Act<'_>, view: &mut RequestView) -> Result<Vec<Event>, AppError> {
        act.tx().savepoint().await?;
        let undone = match self.effect(act, view).await {
            Ok(Ok((event, what))) => {
                view.case.end(RequestState::Executed);
                self.write_request(act, view, Some(&what)).await?;
                self.tell_ended(act, view, &what).await?;
                let (revision, digest) = (view.row.revision, view.case.request.digest.clone());
                return Ok(vec![event, Event::RequestExecuted { request: view.row.id.clone(), revision, digest, what }]);
            }
            Ok(Err(undone)) => undone,
            // What the database refuses is no reason to try for ever; that it is gone is.
            Err(AppError::Conflict(why)) => Undone::Failed(why.join("; ")),
            Err(AppError::Invalid(why)) => Undone::Failed(AppError::Invalid(why).to_string()),
            Err(other) => return Err(other),
        };
        act.tx().back_to_savepoint().await?;
        let (state, why) = match undone {
            Undone::Stale(why) => (RequestState::Stale, why),
            Undone::Failed(why) => (RequestState::Failed, why),
        };
        view.case.end(state);
        Ok(vec![self.end_request(act, view, &why).await?])
    }

    async fn effect(&self, act: &mut Act<'_>, view: &RequestView) -> Result<Result<Done, Undone>, AppError> {
        // The very bytes that were approved, read again.
        let newest = view.revisions.iter().find(|one| one.revision == view.row.revision);
        if newest.is_none_or(|one| digest(&one.content) != view.case.request.digest) {
            return Ok(Err(Undone::Failed("its content is not what was approved".to_owned())));
        }
        match view.content() {
            Content::Limits { of, set } => self.loosen(act, view, (&of.node(), set)).await,
            Content::Policy { about, now, after } => self.change_policy(act, view, (*about, now, after)).await,
            Content::Override { bot, symbol, most, until, .. } => {
                let bot = storage::bots::bot_by_id(act.tx(), bot).await?.ok_or(AppError::NotFound("bot"))?;
                if bot.stage == Stage::Retired {
                    return Ok(Err(Undone::Failed("the bot is retired".to_owned())));
                }
                if Some(&bot.team) != view.row.team_id.as_ref() {
                    return Ok(Err(Undone::Stale("the bot belongs to another team now: that team's people must approve it".to_owned())));
                }
                let event = self.begin_override(act, &bot, (symbol, *most, *until), (&view.row.id, view.why())).await?;
                Ok(Ok((event, format!("it holds until {}", until.plain()))))
            }
            Content::Assign { bot, after, .. } => self.assign_as_asked(act, view, (bot, after)).await,
            Content::Roles { user, now, after, .. } => self.rights_as_asked(act, view, (user, now, after)).await,
            Content::Keys { .. } => self.key_as_asked(act, view).await,
            Content::Checklist { after, .. } => self.change_list(act, view, after).await,
            Content::GoLive { .. } => Ok(Err(Undone::Failed("whoever asked carries it out, signed".to_owned()))),
        }
    }

    async fn loosen(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        (node, set): (&Node, &BTreeMap<String, Change>),
    ) -> Result<Result<Done, Undone>, AppError> {
        let epoch: Epoch = act.epoch().await?;
        if let Some(bot) = node.bot() {
            let bot = storage::bots::bot_by_id(act.tx(), bot).await?.ok_or(AppError::NotFound("bot"))?;
            if bot.stage == Stage::Retired {
                return Ok(Err(Undone::Failed("the bot is retired".to_owned())));
            }
        }
        if self.team_of_level(act.tx(), node).await? != view.row.team_id {
            return Ok(Err(Undone::Stale("the bot belongs to another team now: that team's people must approve it".to_owned())));
        }
        let (limits, review_by) = limits_of(act.tx(), node).await?;
        let Some((next, _)) = limits.with(set) else {
            let why = stale_limits(&limits, set).unwrap_or_else(|| "its limits have changed".to_owned());
            return Ok(Err(Undone::Stale(why)));
        };
        self.check_currency(node, &next)?;
        let (version, by) = (next.version, format!("user:{}", view.row.requester));
        let set = Set { node, next, why: view.why(), review_by, request: Some(view.row.id.clone()), by };
        let event = self.set_limits(act, epoch, set).await?;
        Ok(Ok((event, format!("version {version} of the limits set on {} holds", self.limits_words(node)))))
    }

    /// The team that a level concerns; none: the installation.
    pub(super) async fn team_of_level(&self, conn: &mut Conn, node: &Node) -> Result<Option<TeamId>, AppError> {
        Ok(match (node, node.bot()) {
            (Node::Team(team), _) => Some(team.clone()),
            (_, Some(bot)) => Some(storage::bots::bot_by_id(conn, bot).await?.ok_or(AppError::NotFound("bot"))?.team),
            _ => None,
        })
    }

    async fn change_policy(
        &self,
        act: &mut Act<'_>,
        view: &RequestView,
        (about, now, after): (RequestKind, &Rule, &Rule),
    ) -> Result<Result<Done, Undone>, AppError> {
        let rules = storage::approvals::policy_now(act.tx()).await?;
        if rules.of(about) != now {
            return Ok(Err(Undone::Stale("this policy has changed since it was asked".to_owned())));
        }
        self.can_be_met(about, after)?;
        let version = rules.version + 1;
        let rule = serde_json::to_string(after).map_err(AppError::internal)?;
        let set_at: Timestamp = act.now();
        let row = PolicyRow { version, kind: about, rule, request_id: view.row.id.clone(), set_at };
        storage::approvals::policy_insert(act.tx(), &row).await?;
        crate::app::rights::note_approver(act).await?;
        act.changes_books();
        self.tell_policy(act, view, version).await?;
        let event = Event::PolicyChanged { version, about, rule: after.clone(), request: view.row.id.clone() };
        Ok(Ok((event, format!("version {version} of the policies holds"))))
    }
}

/// What stands on a level, and by when it is to be looked at again.
async fn limits_of(conn: &mut Conn, node: &Node) -> Result<(Limits, Option<Timestamp>), AppError> {
    let row = storage::limits::node_one(conn, node).await?;
    Ok(row.map(|row| (Limits { version: row.version, values: row.values }, row.review_by)).unwrap_or_default())
}

/// Which limit is not what it was when this was asked.
fn stale_limits(limits: &Limits, set: &BTreeMap<String, Change>) -> Option<String> {
    let changed = set.iter().find(|(name, change)| limits.values.get(*name) != change.now.as_ref());
    let words = |name: &String| Setting::of(name).map_or_else(|| name.replace('_', " "), Setting::words);
    changed.map(|(name, _)| format!("the limit “{}” has changed since it was asked; ask again over what it is now", words(name)))
}
