//! Exceptions: a larger position of one bot in one symbol for a while, by a request of two people. It ends by itself at its time and by one press
//! before; it never passes what stands above the bot.

use super::{
    App, AppError, Invalid,
    limit_book::Tree,
    requests::ask::{self, WHY, reason},
    tx::Act,
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BotFacts, BotId, Decimal, RequestId, Symbol, Timestamp,
    limits::{Check, Compiled},
    request::Content,
    time::DAY_MS,
};
pub use crate::storage::limit_overrides::{OverrideRow, PastOverride};
use crate::storage::{self, Conn, Lane};

/// The longest, hours.
const HOURS: i64 = 72;
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// What is asked for, as it is typed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// In which symbol.
    pub symbol: &'a str,
    /// The largest position.
    pub most: &'a str,
    /// How long.
    pub lasts: Lasts<'a>,
    /// Why.
    pub why: &'a str,
}

/// How long an exception is to last, as it is typed.
#[derive(Debug, Clone, Copy)]
pub enum Lasts<'a> {
    /// So many hours from now.
    Hours(&'a str),
    /// Until a moment, RFC 3339.
    Until(&'a str),
}

impl Lasts<'_> {
    /// Its end.
    fn end(self, now: Timestamp) -> Result<Timestamp, (&'static str, String)> {
        match self {
            Self::Hours(text) => {
                let hours = text.trim().parse::<i64>().ok().filter(|hours| (1..=HOURS).contains(hours));
                hours.map(|hours| now.plus_ms(hours * HOUR_MS)).ok_or_else(|| ("hours", format!("It lasts 1 to {HOURS} whole hours")))
            }
            Self::Until(text) => {
                let is_near = |at: &Timestamp| *at > now && at.ms_since(now) <= HOURS * HOUR_MS;
                let said = || ("until", format!("It ends at a moment within the next {HOURS} hours, as RFC 3339 writes it"));
                Timestamp::parse(text).filter(is_near).ok_or_else(said)
            }
        }
    }
}

impl App {
    /// Asks for a larger position of a bot in one symbol for a while.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what cannot be, or without a reason; `Conflict` when it would be no larger, or another request is open.
    pub async fn ask_override(&self, actor: &Actor, bot: &BotId, asked: Asked<'_>) -> Result<RequestId, AppError> {
        let facts = self.fleet.view().bot(bot).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = self.may_ask_about(actor, &Self::bot_resource(&facts)).await?;
        let mut invalid = Invalid::default();
        let symbol = invalid.check("symbol", "The symbol", Symbol::parse(asked.symbol));
        let most = Decimal::parse(asked.most).filter(|most| *most > Decimal::default());
        if most.is_none() {
            invalid.0.push(("most", "The largest position is an amount above 0, with a point".to_owned()));
        }
        let until = asked.lasts.end(self.clock.now()).map_err(|wrong| invalid.0.push(wrong)).ok();
        let (Some(symbol), Some(most), Some(until)) = (symbol, most, until) else { return Err(invalid.into()) };
        let why = reason(asked.why, WHY)?;
        let now = self.position_limit(&mut *self.db.read().await?, bot, symbol.as_str()).await?;
        let Some(now) = now else { return Err(AppError::conflict("its positions have no limit that this could raise")) };
        if most <= now {
            return Err(AppError::conflict(format!(
                "bot {} may hold that already: its largest position there is {}",
                facts.name,
                now.shortest()
            )));
        }
        let content = Content::Override { bot: bot.clone(), symbol: symbol.to_string(), now: Some(now), most, until };
        self.ask(permit, ask::Asked { content, why }).await
    }

    /// The largest position that a bot may have in a symbol by its levels, exceptions aside, as this transaction sees it.
    pub(crate) async fn position_limit(&self, conn: &mut Conn, bot: &BotId, symbol: &str) -> Result<Option<Decimal>, AppError> {
        let bot = storage::bots::bot_by_id(conn, bot).await?.ok_or(AppError::NotFound("bot"))?;
        let tree = Tree::of(storage::limits::node_around(conn, &bot.team, &bot.id).await?, Vec::new());
        Ok(tree.path(&bot, |path| Compiled::of(0, &path.effective(), path)).number_in(symbol, Check::PositionNotional))
    }

    /// Begins an exception that was approved. Answers with its entry.
    pub(crate) async fn begin_override(
        &self,
        act: &mut Act<'_>,
        bot: &BotFacts,
        (symbol, most, until): (&str, Decimal, Timestamp),
        (request, why): (&RequestId, &str),
    ) -> Result<Event, AppError> {
        let epoch = act.epoch().await?;
        let row = OverrideRow {
            request_id: request.clone(),
            bot_id: bot.id.clone(),
            symbol: symbol.to_owned(),
            most: most.shortest(),
            until_at: until,
            why: why.to_owned(),
            set_at: act.now(),
            epoch,
        };
        match storage::limit_overrides::override_insert(act.tx(), &row).await {
            Err(storage::Error::Duplicate(_)) => {
                return Err(AppError::conflict("another exception for this symbol is in force; end it first"));
            }
            other => other?,
        }
        let cause = format!("exception in {symbol} until {}: {why}", until.plain());
        let holds = self.settle_limits(act, epoch, bot, Some((&cause, &format!("request:{request}")))).await?;
        Ok(Event::LimitsOverridden {
            bot: bot.id.clone(),
            symbol: row.symbol,
            most: row.most,
            until_us: until.0,
            why: row.why,
            request: row.request_id,
            holds,
        })
    }

    /// Exceptions of a bot, or of every bot that this actor may see, newest first, those before one of them when it is named; and where to go on.
    /// `running`: those in force, or those that have ended; none: both.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn overrides(
        &self,
        actor: &Actor,
        (bot, running): (Option<&BotId>, Option<bool>),
        before: Option<&RequestId>,
        most: i64,
    ) -> Result<(Vec<PastOverride>, Option<RequestId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let team = if let Actor::Token { team, .. } = actor { team.as_ref() } else { None };
        let mut tx = self.db.read().await?;
        let mut rows = storage::limit_overrides::override_sought(&mut tx, (bot, running), (team, before), most + 1).await?;
        let is_whole = rows.len() as i64 <= most;
        rows.truncate(usize::try_from(most).unwrap_or_default());
        let next = rows.last().filter(|_| !is_whole).map(|last| last.request_id.clone());
        Ok((rows, next))
    }

    /// One exception, in force or over.
    ///
    /// # Errors
    /// `Denied`; `NotFound`, also for what a token of another team may not see; when the database is gone.
    pub async fn override_by_id(&self, actor: &Actor, id: &RequestId) -> Result<PastOverride, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let row = storage::limit_overrides::override_by_id(&mut *self.db.read().await?, id).await?;
        let row = row.ok_or(AppError::NotFound("exception"))?;
        self.bot(actor, &row.bot_id).map_err(|_| AppError::NotFound("exception"))?;
        Ok(row)
    }

    /// Ends an exception before its time. Answers with its bot.
    ///
    /// # Errors
    /// `Denied`; `NotFound` for one that is not in force, and for what a token of another team may not see.
    pub async fn end_override(&self, actor: &Actor, id: &RequestId) -> Result<BotId, AppError> {
        let row = storage::limit_overrides::override_one(&mut *self.db.read().await?, id).await?.ok_or(AppError::NotFound("exception"))?;
        let bot = self.fleet.view().bot(&row.bot_id).cloned().ok_or(AppError::NotFound("bot"))?;
        if !authz::sees_team(actor, &bot.team) {
            return Err(AppError::NotFound("exception"));
        }
        let permit = authz::check(actor, Action::TightenLimits, &Self::bot_resource(&bot))?;
        let act = self.begin(permit, Lane::Normal).await?;
        self.finish_override(act, &row, "ended by a person before its time").await?;
        Ok(row.bot_id)
    }

    /// Ends what is over.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn end_overrides_due(&self) -> Result<(), AppError> {
        let (tree, now) = (self.limit_book.tree(), self.clock.now());
        for row in tree.all_overrides().filter(|row| row.until_at <= now) {
            let act = self.begin(self.server_permit()?, Lane::Normal).await?;
            self.finish_override(act, row, "its time is over").await?;
        }
        Ok(())
    }

    /// What ends an exception tightens, and waits for no log.
    async fn finish_override(&self, mut act: Act<'_>, row: &OverrideRow, why: &str) -> Result<(), AppError> {
        let epoch = act.epoch().await?;
        let (now, by) = (act.now(), crate::audit::Actor::from(act.actor()).text());
        if !storage::limit_overrides::override_end(act.tx(), &row.request_id, now, &by).await? {
            return Ok(());
        }
        let bot = storage::bots::bot_by_id(act.tx(), &row.bot_id).await?.ok_or(AppError::NotFound("bot"))?;
        let cause = format!("exception in {} ended: {why}", row.symbol);
        let holds = self.settle_limits(&mut act, epoch, &bot, Some((&cause, &by))).await?;
        let (bot, symbol, request) = (row.bot_id.clone(), row.symbol.clone(), row.request_id.clone());
        act.commit_stop(Event::LimitsOverrideEnded { bot, symbol, request, why: why.to_owned(), holds }).await?;
        Ok(())
    }

    /// How many exceptions a bot had in the last 30 days.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn overrides_lately(&self, bot: &BotId) -> Result<i64, AppError> {
        let since = self.clock.now().plus_ms(-30 * DAY_MS);
        Ok(storage::limit_overrides::override_count(&mut *self.db.read().await?, bot, since).await?)
    }
}
