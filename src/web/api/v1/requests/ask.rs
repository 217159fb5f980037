//! What programs ask for, and how a request is changed: one body, whose `kind` says which fields it has. A token asks as its maker may.

use crate::app::{
    App, AppError, Invalid,
    keys::ask::Wanted,
    limit_overrides::{Asked, Lasts},
    requests::RequestView,
};
use crate::authz::Actor;
use crate::domain::{
    RequestId, RequestKind, Rule, SubaccountId,
    approval::SeatFor,
    limits::{Node, setting::NONE},
    request::Content,
};
use crate::web::{
    WebError,
    api::v1::{bots, limits},
    json,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is asked for, by `kind`. Read by its kind and not as one of several, so that what is wrong is said by its field.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = AskRequest)]
pub enum Ask {
    /// Other limits.
    Limits(AskLimits),
    /// Another policy.
    Policy(AskPolicy),
    /// A larger position for a while.
    Override(AskOverride),
    /// A subaccount of a live venue.
    Assign(AskAssign),
    /// An exchange key.
    Keys(AskKey),
}

/// Other limits of a level, at least one of them looser.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskLimits {
    /// `limits`.
    #[serde(rename = "kind")]
    #[schema(pattern = "^limits$")]
    _kind: String,
    /// `installation`, `team:TEAM`, `bot:BOT` or `symbol:BOT:SYMBOL`, each by id or name.
    level: String,
    /// Texts by the names of settings, as a person types them; null takes the limit away.
    set: BTreeMap<String, Option<String>>,
    /// Why; at most 500 characters. Whoever approves reads it.
    why: String,
}

/// Another rule of who approves a kind of request.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskPolicy {
    /// `policy`.
    #[serde(rename = "kind")]
    #[schema(pattern = "^policy$")]
    _kind: String,
    /// The kind whose rule it is.
    #[schema(value_type = String)]
    about: RequestKind,
    /// Its seats, 1 to 4: for each who may fill it, of `operator`, `lead`, `any_lead`, `risk` and `admin`.
    #[schema(value_type = Vec<Vec<String>>)]
    seats: Vec<SeatFor>,
    /// How long it then waits, seconds; at most 604800, and for `policy` and `roles` at least 86400.
    delay_s: u64,
    /// Why; at most 500 characters. Whoever approves reads it.
    why: String,
}

/// A larger position of a bot in one symbol for a while.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskOverride {
    /// `override`.
    #[serde(rename = "kind")]
    #[schema(pattern = "^override$")]
    _kind: String,
    /// The bot, by id or name.
    bot: String,
    /// The symbol.
    symbol: String,
    /// The largest position, a decimal.
    most: String,
    /// Until when, RFC 3339; within the next 72 hours.
    until: String,
    /// Why; at most 500 characters. Whoever approves reads it.
    why: String,
}

/// A subaccount of a live venue for a bot, which stops it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskAssign {
    /// `assign`.
    #[serde(rename = "kind")]
    #[schema(pattern = "^assign$")]
    _kind: String,
    /// The bot, by id or name.
    bot: String,
    /// The subaccount, by id or as `VENUE/NAME`.
    subaccount: String,
    /// Why; at most 500 characters. Whoever approves reads it.
    why: String,
}

/// An exchange key for a bot, or other terms of one. The secret is never sent here.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskKey {
    /// `keys`; `withdrawals` for one that may withdraw.
    #[serde(rename = "kind")]
    #[schema(pattern = "^(keys|withdrawals)$")]
    kind: String,
    /// The bot, by id or name.
    bot: String,
    /// `market_data`, `execution`, `monitor`, `guard` or `key_admin`, which is a key of the main account.
    purpose: String,
    /// The addresses that it works from alone: `203.0.113.7` or `203.0.113.0/28`.
    ips: Vec<String>,
    /// When it ends at the venue, RFC 3339; left out: it does not end by itself. A key that may withdraw ends within 7 days.
    #[serde(default)]
    until: Option<String>,
    /// The venue's name for the account. For `key_admin` it is needed, and is the subaccount whose keys it may change, as the main account calls it.
    #[serde(default)]
    account: Option<String>,
    /// After how many days it is replaced, 1 to 365; left out: 90.
    #[serde(default)]
    rotate_days: Option<i64>,
    /// What happens when it is found to be another than approved: `tell`, `reduce` or `pause`, which is usual.
    #[serde(default)]
    on_drift: Option<String>,
    /// The whitelisted addresses that it may withdraw to; only with `withdrawals`.
    #[serde(default)]
    withdraw_to: Vec<String>,
    /// Why; at most 500 characters. Whoever approves reads it.
    why: String,
}

/// The texts of a key that a list was made one of.
struct KeyTexts {
    ips: String,
    rotate_days: String,
    withdraw_to: String,
}

impl AskKey {
    /// Its texts, where the kind is the right one for it.
    fn texts(&self) -> Result<KeyTexts, AppError> {
        let withdraws = self.kind == RequestKind::Withdrawals.as_str();
        if withdraws == self.withdraw_to.is_empty() {
            let said = "A key that names addresses to withdraw to is asked for as withdrawals, and every other as keys";
            return Err(Invalid::one("withdraw_to", said).into());
        }
        let rotate_days = self.rotate_days.map(|days| days.to_string()).unwrap_or_default();
        Ok(KeyTexts { ips: self.ips.join(","), rotate_days, withdraw_to: self.withdraw_to.join(",") })
    }
    fn wanted<'a>(&'a self, texts: &'a KeyTexts) -> Wanted<'a> {
        Wanted {
            purpose: &self.purpose,
            ips: &texts.ips,
            until: self.until.as_deref().unwrap_or_default(),
            account: self.account.as_deref().unwrap_or_default(),
            rotate_days: &texts.rotate_days,
            on_drift: self.on_drift.as_deref().unwrap_or_default(),
            withdraw_to: &texts.withdraw_to,
        }
    }
}

impl AskLimits {
    fn node(&self, app: &App) -> Result<Node, WebError> {
        let node = app.level_named(&self.level)?;
        limits::only_known(&node, self.set.keys())?;
        Ok(node)
    }

    /// As a person types them.
    fn typed(&self) -> Vec<(String, String)> {
        self.set.iter().map(|(name, text)| (name.clone(), text.clone().unwrap_or_else(|| NONE.to_owned()))).collect()
    }
}

impl AskPolicy {
    fn rule(&self) -> Rule {
        Rule { seats: self.seats.clone(), delay_s: self.delay_s }
    }
}

impl AskAssign {
    fn subaccount(&self, app: &App) -> Result<SubaccountId, AppError> {
        match app.venues().subaccount_named(&self.subaccount) {
            Ok(one) => Ok(one.id),
            Err(AppError::NotFound(_)) => Err(Invalid::one("subaccount", "There is no such subaccount; write VENUE/NAME").into()),
            Err(other) => Err(other),
        }
    }
}

/// A request stays about what it was asked about.
fn same(is_same: bool, field: &'static str) -> Result<(), WebError> {
    let said = "A request stays about what it was asked about; about something else, ask anew";
    if is_same { Ok(()) } else { Err(AppError::from(Invalid::one(field, said)).into()) }
}

impl Ask {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 for no JSON; 422 by the field that does not fit its kind.
    pub fn read(body: &[u8]) -> Result<Self, WebError> {
        #[derive(Deserialize)]
        struct Tag {
            kind: RequestKind,
        }
        Ok(match json::read::<Tag>(body)?.kind {
            RequestKind::Limits => Self::Limits(json::read(body)?),
            RequestKind::Policy => Self::Policy(json::read(body)?),
            RequestKind::Override => Self::Override(json::read(body)?),
            RequestKind::Assign => Self::Assign(json::read(body)?),
            RequestKind::Keys | RequestKind::Withdrawals => Self::Keys(json::read(body)?),
            RequestKind::Limited | RequestKind::Live => {
                let said = "No token asks that a bot trades live: that is asked for on the bot's go-live page";
                return Err(AppError::from(Invalid::one("kind", said)).into());
            }
            RequestKind::Checklist => {
                let said = "No token asks for another checklist: that is asked for on the page of the checklists";
                return Err(AppError::from(Invalid::one("kind", said)).into());
            }
            RequestKind::Roles => {
                let said = "No token asks for what people may do: that is asked for on the person's page";
                return Err(AppError::from(Invalid::one("kind", said)).into());
            }
        })
    }

    /// Asks for it.
    ///
    /// # Errors
    /// Those of `app`; 404 for a bot or level that is not there.
    pub async fn put(&self, app: &App, actor: &Actor) -> Result<RequestId, WebError> {
        Ok(match self {
            Self::Limits(asked) => app.ask_level(actor, &asked.node(app)?, &asked.typed(), &asked.why).await?,
            Self::Policy(asked) => app.ask_policy(actor, asked.about, asked.rule(), &asked.why).await?,
            Self::Override(asked) => {
                let AskOverride { symbol, most, until, why, .. } = asked;
                let bot = bots::named(app, &asked.bot)?;
                app.ask_override(actor, &bot, Asked { symbol, most, lasts: Lasts::Until(until), why }).await?
            }
            Self::Assign(asked) => {
                let bot = bots::named(app, &asked.bot)?;
                app.ask_assign(actor, &bot, &asked.subaccount(app)?, &asked.why).await?
            }
            Self::Keys(asked) => {
                let bot = bots::named(app, &asked.bot)?;
                app.ask_key(actor, &bot, asked.wanted(&asked.texts()?), &asked.why).await?
            }
        })
    }

    /// Makes it another revision of a request.
    ///
    /// # Errors
    /// Those of `app`; 422 when it is about something else than the request.
    pub async fn revise(&self, app: &App, actor: &Actor, view: &RequestView) -> Result<(), WebError> {
        let id = &view.row.id;
        match (view.content(), self) {
            (Content::Limits { of, .. }, Self::Limits(asked)) => {
                same(asked.node(app)? == of.node(), "level")?;
                app.revise_limits(actor, id, &asked.typed(), &asked.why).await?;
            }
            (Content::Policy { about, .. }, Self::Policy(asked)) => {
                same(asked.about == *about, "about")?;
                app.revise_policy(actor, id, asked.rule(), &asked.why).await?;
            }
            (Content::Assign { bot, .. }, Self::Assign(asked)) => {
                same(bots::named(app, &asked.bot)? == *bot, "bot")?;
                app.revise_assign(actor, id, &asked.subaccount(app)?, &asked.why).await?;
            }
            (Content::Keys { bot, after, .. }, Self::Keys(asked)) => {
                same(bots::named(app, &asked.bot)? == *bot, "bot")?;
                same(asked.purpose == after.sheet.purpose.as_str(), "purpose")?;
                app.revise_key(actor, id, asked.wanted(&asked.texts()?), &asked.why).await?;
            }
            (Content::Override { .. }, Self::Override(_)) => {
                let why = "a larger position for a while is not changed, since its end is near: take it back and ask anew";
                return Err(AppError::conflict(why).into());
            }
            _ => same(false, "kind")?,
        }
        Ok(())
    }
}
