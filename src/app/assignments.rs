//! Which bot has which subaccount: given by one press at a test venue, by a request at a live one, never to two bots at once. Giving, moving and
//! taking away stop the bot, and every hold that covered it goes on covering it (ruling H21). Who had what at any moment stays readable.

use super::{
    App, AppError, Invalid,
    requests::{
        RequestView,
        ask::{Asked, WHY, reason},
        execute::{Done, Undone},
    },
    tx::Act,
    venues::keep_holds,
};
use crate::audit::{self, Event};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    AssignmentId, BotFacts, BotId, Environment, Epoch, RequestId, Seat, Stage, StopFact, StopKind, SubaccountId, Timestamp,
    request::{Content, Place},
};
use crate::fleet::View;
pub use crate::storage::assignments::Assignment;
use crate::storage::{self, Lane, venues::PlaceRow};

/// Why a bot of this stage cannot trade in this environment; none: it can. Invariant 7: what is tried out never meets a live venue, and what
/// trades with real money is no test.
pub fn unfit(stage: Stage, environment: Environment) -> Option<String> {
    match (stage, environment) {
        (Stage::Sandbox, Environment::Live) => Some("it is a live venue, and in sandbox a bot trades on test venues only".to_owned()),
        (Stage::Limited | Stage::Live, Environment::Test) => Some(format!("it is a test venue, and in stage {stage} a bot trades live")),
        _ => None,
    }
}

/// Whose a subaccount is, of bots that are not retired.
pub fn holder<'a>(view: &'a View, subaccount: &SubaccountId) -> Option<&'a BotFacts> {
    let has = |bot: &&std::sync::Arc<BotFacts>| {
        bot.stage != Stage::Retired && bot.seat.as_ref().is_some_and(|seat| seat.subaccount == *subaccount)
    };
    view.bots().find(has).map(AsRef::as_ref)
}

impl App {
    /// Gives a bot a subaccount of a test venue, or takes its own away: a stop.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a subaccount that is not there; `Conflict` when another bot has it, when it is retired, does not fit the bot's
    /// stage, or is live and so takes a request.
    pub async fn seat_bot(&self, actor: &Actor, id: &BotId, to: Option<&SubaccountId>) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::EditBot, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        let place = match to {
            None => None,
            Some(to) => Some(place_in(&mut act, to).await?),
        };
        if place.as_ref().is_some_and(|place| place.environment == Environment::Live) {
            let why = "a subaccount of a live venue is given by a request that somebody else approves: ask for a live subaccount";
            return Err(AppError::conflict(why));
        }
        let event = self.seat_in(&mut act, (epoch, &view), (id, place.as_ref()), None).await?;
        self.tell_seated(&mut act, &bot, place.as_ref()).await?;
        act.commit(event).await?;
        Ok(())
    }

    /// The same within a transaction that has its epoch, whoever approved it. Answers with the entry.
    async fn seat_in(
        &self,
        act: &mut Act<'_>,
        (epoch, view): (Epoch, &View),
        (id, to): (&BotId, Option<&PlaceRow>),
        request: Option<&RequestId>,
    ) -> Result<Event, AppError> {
        let mut bot = BotFacts::clone(view.bot(id).ok_or(AppError::NotFound("bot"))?);
        let seat = to.map(|place| Seat { subaccount: place.subaccount_id.clone(), venue: place.venue_id.clone() });
        if bot.seat == seat {
            return Err(AppError::conflict("that is where it trades already"));
        }
        if let Some(place) = to {
            fits(view, &bot, place)?;
        }
        keep_holds(act, view, &bot).await?;
        let from = std::mem::replace(&mut bot.seat, seat.clone()).map(|seat| seat.subaccount);
        bot.fact_epoch = epoch;
        let (now, by) = (act.now(), audit::Actor::from(act.actor()).text());
        storage::assignments::assignment_end(act.tx(), id, now, &by).await?;
        let taken = |error| match (error, to) {
            (storage::Error::Duplicate(_), Some(place)) => is_taken(view, place),
            (error, _) => error.into(),
        };
        storage::bots::bot_edit(act.tx(), &bot).await.map_err(taken)?;
        if let Some(place) = to {
            begin(act, (id, &place.subaccount_id), request).await.map_err(taken)?;
        }
        let stop = StopFact { epoch, kind: StopKind::Stage, why: "its subaccount changed".into(), at: now };
        storage::bots::bot_stop(act.tx(), id, &stop).await?;
        Ok(Event::BotSeated { bot: id.clone(), from, to: seat.map(|seat| seat.subaccount) })
    }

    /// Ends what a bot that is retired has; its subaccount is free. What it had is what it gets when it comes back, while that is free.
    pub(crate) async fn unseat_retired(&self, act: &mut Act<'_>, bot: &BotFacts) -> Result<(), AppError> {
        let (now, by) = (act.now(), audit::Actor::from(act.actor()).text());
        storage::assignments::assignment_end(act.tx(), &bot.id, now, &by).await?;
        Ok(())
    }

    /// Gives a bot that comes back from its retirement what it had. What is live takes a request again: its approval ended with the bot.
    pub(crate) async fn seat_again(&self, act: &mut Act<'_>, bot: &mut BotFacts) -> Result<(), AppError> {
        let Some(seat) = &bot.seat else { return Ok(()) };
        let place = place_in(act, &seat.subaccount).await?;
        if place.environment == Environment::Live {
            bot.seat = None;
            return Ok(());
        }
        if place.is_retired {
            return Err(AppError::conflict(format!("its subaccount {}/{} is retired; take it away first", place.venue_name, place.name)));
        }
        match begin(act, (&bot.id, &seat.subaccount), None).await {
            Err(storage::Error::Duplicate(_)) => {
                Err(AppError::conflict("another bot has its subaccount by now; take it away from one of them first"))
            }
            other => Ok(other?),
        }
    }

    /// Refuses what would bring a bot of a stage to a venue of the wrong environment.
    pub(crate) fn check_environment(&self, seat: Option<&Seat>, stage: Stage) -> Result<(), AppError> {
        let venue = seat.and_then(|seat| self.venues().venue(&seat.venue));
        let why = venue.and_then(|venue| Some(format!("venue {}: {}", venue.name, unfit(stage, venue.environment)?)));
        why.map_or(Ok(()), |why| Err(AppError::conflict(why)))
    }

    /// Asks for a subaccount of a live venue for a bot.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a subaccount that is not there, or without a reason; `Conflict` when it cannot be had, needs no approval, or another
    /// request for the bot is open.
    pub async fn ask_assign(&self, actor: &Actor, bot: &BotId, to: &SubaccountId, why: &str) -> Result<RequestId, AppError> {
        let facts = self.fleet.view().bot(bot).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = self.may_ask_about(actor, &Self::bot_resource(&facts)).await?;
        let content = self.assign_content(bot, to).await?;
        self.ask(permit, Asked { content, why: reason(why, WHY)? }).await
    }

    /// Changes which subaccount such a request asks for.
    ///
    /// # Errors
    /// As asking; `Conflict` when it is over.
    pub async fn revise_assign(&self, actor: &Actor, id: &RequestId, to: &SubaccountId, why: &str) -> Result<(), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        let Content::Assign { bot, .. } = view.content() else { return Err(AppError::NotFound("request")) };
        let permit = self.may_revise(actor, &view).await?;
        let content = self.assign_content(bot, to).await?;
        self.revise(permit, id, Asked { content, why: reason(why, WHY)? }).await
    }

    async fn assign_content(&self, id: &BotId, to: &SubaccountId) -> Result<Content, AppError> {
        let mut tx = self.db.read().await?;
        let view = self.view_in(&mut tx).await?;
        let bot = view.bot(id).ok_or(AppError::NotFound("bot"))?;
        let place = storage::venues::place_by_id(&mut tx, to).await?.ok_or_else(|| Invalid::one("subaccount", "Choose a subaccount"))?;
        if place.environment == Environment::Test {
            return Err(AppError::conflict("a subaccount of a test venue needs no approval: give it on the bot's page, with one press"));
        }
        let now = bot.seat.as_ref().and_then(|seat| self.venues().subaccount(&seat.subaccount));
        if now.as_ref().is_some_and(|now| now.id == *to) {
            return Err(AppError::conflict("that is where it trades already"));
        }
        fits(&view, bot, &place)?;
        let now = now.map(|now| Place { name: self.venues().label(&now), subaccount: now.id });
        let after = Place { subaccount: place.subaccount_id, name: format!("{}/{}", place.venue_name, place.name) };
        Ok(Content::Assign { bot: id.clone(), now, after })
    }

    /// Carries such a request out.
    pub(crate) async fn assign_as_asked(
        &self,
        act: &mut Act<'_>,
        request: &RequestView,
        (id, after): (&BotId, &Place),
    ) -> Result<Result<Done, Undone>, AppError> {
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        let bot = view.bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        if Some(&bot.team) != request.row.team_id.as_ref() {
            return Ok(Err(Undone::Stale("the bot belongs to another team now: that team's people must approve it".to_owned())));
        }
        if let Some(why) = self.stale_reason(act.tx(), request.content()).await? {
            return Ok(Err(Undone::Stale(why)));
        }
        let place = place_in(act, &after.subaccount).await?;
        let event = self.seat_in(act, (epoch, &view), (id, Some(&place)), Some(&request.row.id)).await?;
        self.tell_seated(act, &bot, Some(&place)).await?;
        Ok(Ok((event, format!("bot {} has {}, and was stopped for it", bot.name, after.name))))
    }

    async fn tell_seated(&self, act: &mut Act<'_>, bot: &BotFacts, to: Option<&PlaceRow>) -> Result<(), AppError> {
        let what =
            to.map_or_else(|| "no subaccount any more".to_owned(), |place| format!("subaccount {}/{}", place.venue_name, place.name));
        self.tell_of_bot(act, bot, &[], &format!("{} has {what}. It was stopped for that and needs a start.", bot.name)).await
    }

    /// Who had what at a moment, of the bots that this actor may see, after one of them; and where to go on.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn assignments_as_of(
        &self,
        actor: &Actor,
        at: Timestamp,
        (after, most): (Option<&AssignmentId>, i64),
    ) -> Result<(Vec<Assignment>, Option<AssignmentId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let team = if let Actor::Token { team, .. } = actor { team.as_ref() } else { None };
        let mut tx = self.db.read().await?;
        let mut rows = storage::assignments::assignment_as_of(&mut tx, at, (team, after), most + 1).await?;
        let is_whole = rows.len() as i64 <= most;
        rows.truncate(usize::try_from(most).unwrap_or_default());
        let next = rows.last().filter(|_| !is_whole).map(|last| last.id.clone());
        Ok((rows, next))
    }

    /// What a bot had, newest first.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn assignments_of_bot(&self, actor: &Actor, bot: &BotId) -> Result<Vec<Assignment>, AppError> {
        self.bot(actor, bot)?;
        Ok(storage::assignments::assignment_of_bot(&mut *self.db.read().await?, bot, LISTED).await?)
    }

    /// Who had a subaccount, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn assignments_of_subaccount(&self, actor: &Actor, id: &SubaccountId) -> Result<Vec<Assignment>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut rows = storage::assignments::assignment_of_subaccount(&mut *self.db.read().await?, id, LISTED).await?;
        let view = self.fleet.view();
        rows.retain(|row| view.bot(&row.bot_id).is_none_or(|bot| authz::sees_team(actor, &bot.team)));
        Ok(rows)
    }
}

/// Rows of a history, at most.
const LISTED: i64 = 100;

async fn place_in(act: &mut Act<'_>, to: &SubaccountId) -> Result<PlaceRow, AppError> {
    Ok(storage::venues::place_by_id(act.tx(), to).await?.ok_or_else(|| Invalid::one("subaccount", "Choose a subaccount"))?)
}

/// Refuses a subaccount that a bot cannot have now.
fn fits(view: &View, bot: &BotFacts, place: &PlaceRow) -> Result<(), AppError> {
    if bot.stage == Stage::Retired {
        return Err(AppError::conflict("the bot is retired: it takes no subaccount"));
    }
    if place.is_retired {
        return Err(AppError::conflict(format!(
            "subaccount {}/{} is retired, or its account or venue is: no bot may have it anew",
            place.venue_name, place.name
        )));
    }
    if holder(view, &place.subaccount_id).is_some_and(|other| other.id != bot.id) {
        return Err(is_taken(view, place));
    }
    // What is about to go up has its place before it does; it starts nowhere until then.
    let is_before = (bot.stage, place.environment) == (Stage::Sandbox, Environment::Live);
    let why = unfit(bot.stage, place.environment).filter(|_| !is_before);
    why.map_or(Ok(()), |why| Err(AppError::conflict(format!("venue {}: {why}", place.venue_name))))
}

fn is_taken(view: &View, place: &PlaceRow) -> AppError {
    let who = holder(view, &place.subaccount_id).map_or_else(|| "another bot".to_owned(), |bot| format!("bot {}", bot.name));
    AppError::conflict(format!("{who} has this subaccount; one subaccount serves one bot at a time"))
}

async fn begin(act: &mut Act<'_>, (bot, subaccount): (&BotId, &SubaccountId), request: Option<&RequestId>) -> storage::Result<()> {
    let one = Assignment {
        id: AssignmentId::new(),
        bot_id: bot.clone(),
        subaccount_id: subaccount.clone(),
        from_at: act.now(),
        from_by: audit::Actor::from(act.actor()).text(),
        request_id: request.cloned(),
        until_at: None,
        until_by: None,
    };
    storage::assignments::assignment_insert(act.tx(), &one).await
}

impl App {
    /// Whoever stands in a row as `user:ID`, `token:ID`, `host:NAME`, `agent:ID` or `server:`, in words.
    pub fn said_of(&self, actor: &str) -> String {
        match actor.split_once(':') {
            Some(("user", id)) => self.people().who(&crate::domain::UserId::from_stored(id.to_owned())),
            Some(("token", _)) => "an API token".to_owned(),
            Some(("host", name)) => format!("the server's host ({name})"),
            Some(("agent", _)) => "the bot's agent".to_owned(),
            _ => "the server".to_owned(),
        }
    }
}
