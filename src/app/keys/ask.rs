//! Asking for an exchange key, or for other terms of one, and what its approval does: a sheet that a secret can be handed in for. Whoever approves
//! sees what the key is to be; nobody sees a secret here.

use super::{Key, note, write_key};
use crate::app::{
    App, AppError, Invalid,
    kills::is_killed,
    requests::{
        RequestView,
        ask::{Asked, WHY, reason},
        execute::{Done, Undone},
    },
    tx::Act,
};
use crate::audit::Event;
use crate::authz::Actor;
use crate::domain::{
    BotFacts, BotId, KeyPurpose, KeySheet, RequestId, Stage, Timestamp,
    key::{KeyTerms, OnDrift, ROTATE_DAYS, ROTATE_MOST, WITHDRAW_DAYS, WITHDRAW_TO},
    request::{Content, Place},
    time::DAY_MS,
};
use crate::storage::{self, Conn, exchange_keys::KeyRow};

/// What a key is to be, as it is typed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// What it is for.
    pub purpose: &'a str,
    /// From which addresses alone.
    pub ips: &'a str,
    /// When it ends at the venue: a day or a moment; empty: it does not end by itself.
    pub until: &'a str,
    /// The venue's name for its account; empty: none is named.
    pub account: &'a str,
    /// After how many days it is replaced; empty: as usual.
    pub rotate_days: &'a str,
    /// What happens to the bot when it is found to be another than approved; empty: it is paused.
    pub on_drift: &'a str,
    /// The addresses that it may withdraw to: the documented exception.
    pub withdraw_to: &'a str,
}

/// The longest name of an account or an address for withdrawals.
const NAME_MOST: usize = 128;

fn plain(text: &str) -> bool {
    (1..=NAME_MOST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

impl Wanted<'_> {
    /// Checks it.
    fn terms(&self, now: Timestamp) -> Result<KeyTerms, Invalid> {
        let mut invalid = Invalid::default();
        let mut wrong = |field, words: String| invalid.0.push((field, words));
        let purpose = self.purpose.trim().parse::<KeyPurpose>();
        if purpose.is_err() {
            wrong("purpose", "Say what it is for: market_data, execution, monitor, guard or key_admin".to_owned());
        }
        let until = match self.until.trim() {
            "" => None,
            text => match Timestamp::parse(text).or_else(|| Timestamp::parse_day(text)) {
                Some(until) if until > now => Some(until),
                Some(_) => {
                    wrong("until", "It ends in the future".to_owned());
                    None
                }
                None => {
                    wrong("until", "Write the day that it ends as 2027-01-31, or leave it empty".to_owned());
                    None
                }
            },
        };
        let rotate_days = match self.rotate_days.trim() {
            "" => ROTATE_DAYS,
            text => text.parse().ok().filter(|days| (1..=ROTATE_MOST).contains(days)).unwrap_or_else(|| {
                wrong("rotate_days", format!("It is replaced after 1 to {ROTATE_MOST} days"));
                ROTATE_DAYS
            }),
        };
        let on_drift = match self.on_drift.trim() {
            "" => OnDrift::Pause,
            text => text.parse().unwrap_or_else(|_| {
                wrong("on_drift", "Say what follows when it is found to be another: tell, reduce or pause".to_owned());
                OnDrift::Pause
            }),
        };
        let account = Some(self.account.trim()).filter(|text| !text.is_empty());
        if account.is_some_and(|account| !plain(account)) {
            wrong("account", "The venue's name for an account has no blanks and at most 128 letters".to_owned());
        }
        if account.is_none() && purpose.as_ref().is_ok_and(|purpose| *purpose == KeyPurpose::KeyAdmin) {
            wrong("account", "Say which subaccount's keys it may change, as the main account calls that".to_owned());
        }
        let to: Vec<String> =
            self.withdraw_to.split([',', '\n', ' ']).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        if to.len() > WITHDRAW_TO || !to.iter().all(|one| plain(one)) {
            wrong("withdraw_to", format!("Name at most {WITHDRAW_TO} addresses, each without blanks"));
        }
        let lives_long = until.is_none_or(|until| until.ms_since(now) > WITHDRAW_DAYS * DAY_MS);
        if !to.is_empty() && lives_long {
            wrong("until", format!("A key that may withdraw ends within {WITHDRAW_DAYS} days: say when"));
        }
        if !to.is_empty() && purpose.as_ref().is_ok_and(|purpose| *purpose != KeyPurpose::Execution) {
            wrong("withdraw_to", "Only a key to trade may withdraw, and only for a while".to_owned());
        }
        let sheet = purpose.ok().and_then(|purpose| {
            let sheet = KeySheet::new(purpose, self.ips, until);
            sheet.map_err(|bad| invalid.0.push(("ips", capital(&bad.to_string())))).ok()
        });
        match sheet {
            Some(sheet) if invalid.0.is_empty() => {
                let sheet = KeySheet { withdraw_to: to, ..sheet.of_account(account.map(str::to_owned)) };
                Ok(KeyTerms { sheet, rotate_days, on_drift })
            }
            _ => Err(invalid),
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What stands of a key.
fn terms_of(key: &Key) -> KeyTerms {
    KeyTerms { sheet: key.sheet.clone(), rotate_days: key.row.rotate_days, on_drift: key.row.on_drift }
}

impl App {
    /// Asks for a key of a bot, or for other terms of the one it has.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what cannot be, or without a reason; `Conflict` for a bot without a subaccount, when nothing would change, or another
    /// request is open.
    pub async fn ask_key(&self, actor: &Actor, bot: &BotId, wanted: Wanted<'_>, why: &str) -> Result<RequestId, AppError> {
        let facts = self.fleet.view().bot(bot).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = self.may_ask_about(actor, &Self::bot_resource(&facts)).await?;
        let content = self.key_content(&facts, wanted).await?;
        self.ask(permit, Asked { content, why: reason(why, WHY)? }).await
    }

    /// Changes what such a request asks for. It stays about the same purpose.
    ///
    /// # Errors
    /// As asking; `Conflict` when it is over, or would take other people's approval.
    pub async fn revise_key(&self, actor: &Actor, id: &RequestId, wanted: Wanted<'_>, why: &str) -> Result<(), AppError> {
        let view = self.request_in(&mut *self.db.read().await?, id).await?;
        let Content::Keys { bot, after, .. } = view.content() else { return Err(AppError::NotFound("request")) };
        let permit = self.may_revise(actor, &view).await?;
        let facts = self.fleet.view().bot(bot).cloned().ok_or(AppError::NotFound("bot"))?;
        let content = self.key_content(&facts, Wanted { purpose: after.sheet.purpose.as_str(), ..wanted }).await?;
        if content.kind() != view.row.kind {
            return Err(AppError::conflict("whether a key may withdraw is approved by other people: take this back and ask anew"));
        }
        self.revise(permit, id, Asked { content, why: reason(why, WHY)? }).await
    }

    async fn key_content(&self, bot: &BotFacts, wanted: Wanted<'_>) -> Result<Content, AppError> {
        let after = wanted.terms(self.clock.now())?;
        if bot.stage == Stage::Retired {
            return Err(AppError::conflict("the bot is retired: it takes no key"));
        }
        let place = self.place_of(bot)?;
        if after.sheet.purpose == KeyPurpose::KeyAdmin {
            self.is_of_use(bot)?;
        }
        let now = self.terms_now(&mut *self.db.read().await?, &bot.id, after.sheet.purpose).await?;
        if now.as_ref() == Some(&after) {
            return Err(AppError::conflict("that is approved already: hand the secret in on the key's page"));
        }
        Ok(Content::Keys { bot: bot.id.clone(), place, now, after })
    }

    /// Where a bot trades, as a request writes it.
    pub(crate) fn place_of(&self, bot: &BotFacts) -> Result<Place, AppError> {
        let venues = self.venues();
        let seat = bot.seat.as_ref().and_then(|seat| venues.subaccount(&seat.subaccount));
        let seat = seat.ok_or_else(|| AppError::conflict("the bot has no subaccount, and a key is of one: give it one first"))?;
        Ok(Place { name: venues.label(&seat), subaccount: seat.id })
    }

    /// What a key of the main account must have at a bot's venue to demote what the bot trades with, and by what the main account calls a
    /// subaccount; none: there it is of no use.
    pub fn admin_key_of(&self, bot: &BotFacts) -> Option<(&'static str, &'static str)> {
        let of = self.venue_of(bot).ok()?.0?.capability();
        of.admin.filter(|_| of.demotes).map(|admin| (of.admin_needs, admin.calls_by))
    }

    /// Refuses a key of the main account where it could demote nothing: there it is a risk and no more.
    fn is_of_use(&self, bot: &BotFacts) -> Result<(), AppError> {
        let (venue, exchange) = self.venue_of(bot)?;
        if self.admin_key_of(bot).is_some() {
            return Ok(());
        }
        let why = venue.map_or("this server does not speak to it", |_| "nobody can demote the key of a subaccount there through its API");
        Err(AppError::conflict(format!("a key of the main account would be of no use at {exchange}, and only a risk: {why}")))
    }

    async fn terms_now(&self, conn: &mut Conn, bot: &BotId, purpose: KeyPurpose) -> Result<Option<KeyTerms>, AppError> {
        let Some(row) = storage::exchange_keys::key_of(conn, bot, purpose).await? else { return Ok(None) };
        Ok(Some(terms_of(&Key::of(row, Vec::new())?)))
    }

    /// Why such a request is asked over what is not so any more.
    pub(crate) async fn stale_key(
        &self,
        conn: &mut Conn,
        (bot, place): (&BotId, &Place),
        (now, after): (Option<&KeyTerms>, &KeyTerms),
    ) -> Result<Option<String>, AppError> {
        if after.sheet.until.is_some_and(|until| until <= self.clock.now()) {
            return Ok(Some("the time until which it was asked is over; ask again".to_owned()));
        }
        let facts = storage::bots::bot_by_id(conn, bot).await?.ok_or(AppError::NotFound("bot"))?;
        if facts.seat.map(|seat| seat.subaccount).as_ref() != Some(&place.subaccount) {
            return Ok(Some("the bot's subaccount has changed since it was asked; ask again for where it trades now".to_owned()));
        }
        let is_so = self.terms_now(conn, bot, after.sheet.purpose).await?.as_ref() == now;
        Ok((!is_so).then(|| "the terms of this key have changed since it was asked; ask again over what they are now".to_owned()))
    }

    /// Carries such a request out.
    pub(crate) async fn key_as_asked(&self, act: &mut Act<'_>, request: &RequestView) -> Result<Result<Done, Undone>, AppError> {
        let Content::Keys { bot, place, now, after } = request.content() else { return Err(AppError::NotFound("request")) };
        let facts = storage::bots::bot_by_id(act.tx(), bot).await?.ok_or(AppError::NotFound("bot"))?;
        if facts.stage == Stage::Retired {
            return Ok(Err(Undone::Failed("the bot is retired".to_owned())));
        }
        let view = self.view_in(act.tx()).await?;
        if !after.sheet.purpose.is_server_held() && is_killed(&view, &facts) {
            return Ok(Err(Undone::Failed("the bot is killed: release that first".to_owned())));
        }
        if Some(&facts.team) != request.row.team_id.as_ref() {
            return Ok(Err(Undone::Stale("the bot belongs to another team now: that team's people must approve it".to_owned())));
        }
        if let Some(why) = self.stale_key(act.tx(), (bot, place), (now.as_ref(), after)).await? {
            return Ok(Err(Undone::Stale(why)));
        }
        let purpose = after.sheet.purpose;
        let key = match storage::exchange_keys::key_of(act.tx(), bot, purpose).await? {
            Some(mut row) => {
                row.sheet = serde_json::to_string(&after.sheet).map_err(AppError::internal)?;
                (row.rotate_days, row.on_drift) = (after.rotate_days, after.on_drift);
                (row.request_id, row.requester) = (request.row.id.clone(), request.row.requester.clone());
                row.approved_at = act.now();
                write_key(act, &mut row).await?;
                let id = row.id.clone();
                let key = self.key_in(act.tx(), &id).await?;
                self.judge_again(act, &key).await?;
                id
            }
            None => {
                let place = (bot.clone(), place.subaccount.clone());
                let by = (request.row.id.clone(), request.row.requester.clone());
                let row = KeyRow::approved(place, after, by, act.now()).map_err(AppError::internal)?;
                storage::exchange_keys::key_insert(act.tx(), &row).await?;
                row.id
            }
        };
        note(act, &key, None, (if now.is_some() { "Other terms approved" } else { "Approved" }, request.why())).await?;
        act.changes_key(&key);
        let event = Event::KeyApproved { key, bot: bot.clone(), purpose, terms: after.clone(), request: request.row.id.clone() };
        let next = match now {
            Some(_) => "its terms hold; the secret that it has is measured against them".to_owned(),
            None => "the secret can be handed in on the key's page, or on the agent's host with andon key install".to_owned(),
        };
        Ok(Ok((event, next)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    fn wrong(wanted: Wanted<'_>) -> Vec<&'static str> {
        wanted.terms(NOW).unwrap_err().0.iter().map(|(field, _)| *field).collect()
    }

    #[test]
    fn a_key_that_may_withdraw_ends_within_a_week_and_names_to_where() {
        let usual = Wanted { purpose: "execution", ips: "203.0.113.7", ..Wanted::default() };
        let terms = usual.terms(NOW).unwrap();
        assert_eq!((terms.rotate_days, terms.sheet.until, terms.sheet.withdraw_to.len()), (90, None, 0));
        let week = NOW.plus_ms(7 * DAY_MS).rfc3339();
        let later = NOW.plus_ms(7 * DAY_MS + 1_000).rfc3339();
        let to = "bc1qexample, 0xabc";
        assert_eq!(Wanted { until: &week, withdraw_to: to, ..usual }.terms(NOW).unwrap().sheet.withdraw_to, ["bc1qexample", "0xabc"]);
        assert_eq!(wrong(Wanted { until: &later, withdraw_to: to, ..usual }), ["until"]);
        assert_eq!(wrong(Wanted { withdraw_to: to, ..usual }), ["until"]);
        assert_eq!(wrong(Wanted { until: &week, withdraw_to: to, purpose: "monitor", ..usual }), ["withdraw_to"]);
    }

    #[test]
    fn whatever_is_wrong_is_said_by_its_field_and_at_once() {
        let all = Wanted {
            purpose: "trade",
            ips: "203.0.113.7",
            until: "yesterday",
            account: "a b",
            rotate_days: "0",
            on_drift: "stop",
            withdraw_to: "",
        };
        assert_eq!(wrong(all), ["purpose", "until", "rotate_days", "on_drift", "account"]);
        assert_eq!(wrong(Wanted { purpose: "key_admin", ips: "203.0.113.7", ..Wanted::default() }), ["account"]);
        assert_eq!(wrong(Wanted { purpose: "guard", until: "2020-01-01", ips: "", ..Wanted::default() }), ["until", "ips"]);
    }
}
