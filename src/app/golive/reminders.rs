//! What of a bot that trades live ends soon: an item of its list, its time in its stage, its key to trade. Whoever answers for it hears two days
//! before, and a day before. A notice is written once for each person, whichever replica writes it and however often it tries.

use super::{Over, drift::is_bound};
use crate::app::{App, AppError};
use crate::domain::{
    Audience, BotFacts, KeyPurpose, Notice, NoticeKind, Role, Timestamp, UserId,
    golive::{OnDrift, Standing},
    time::DAY_MS,
};
use std::collections::HashSet;

/// How long before an end people hear of it, in hours; the shorter one first.
const BEFORE_H: [i64; 2] = [24, 48];
const HOUR_MS: i64 = DAY_MS / 24;

/// What was told by this process: the database knows too, and is asked once.
#[derive(Debug, Default)]
pub struct Reminded(HashSet<String>);

/// What ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// An item of the list: its name.
    Item(String),
    /// The time in its stage.
    Stage,
    /// The key to trade: it ends, or is to be replaced.
    Key,
}

/// Something that ends, and from then on is not as it was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What.
    pub of: Ending,
    /// In words, as a sentence or a noun.
    pub words: String,
    /// When.
    pub at: Timestamp,
}

impl End {
    fn name(&self) -> String {
        match &self.of {
            Ending::Item(name) => format!("item:{name}"),
            Ending::Stage => "stage".to_owned(),
            Ending::Key => "key".to_owned(),
        }
    }
    /// What becomes of the bot then.
    fn then(&self, on_drift: OnDrift) -> &'static str {
        match (&self.of, on_drift) {
            (Ending::Stage, _) | (_, OnDrift::Pause) => "paused",
            (_, OnDrift::Reduce) => "reduced",
        }
    }
    /// What is to be done before.
    fn advice(&self) -> &'static str {
        match self.of {
            Ending::Item(_) => {
                "Look at it again, and say so on the bot's go-live page; what the system measures is to be so again by then."
            }
            Ending::Stage => "Ask for the next stage on its go-live page, or move it down before.",
            Ending::Key => "Hand in another version of the key, or ask for another key.",
        }
    }
}

/// Which of the two warnings is due; none: it is too early, or over.
fn due(at: Timestamp, now: Timestamp) -> Option<i64> {
    let left = at.ms_since(now);
    BEFORE_H.into_iter().find(|hours| left > 0 && left <= hours * HOUR_MS)
}

impl App {
    /// Everything of a bot's approved run that ends by itself, the next first. Of an item that was answered anew the newer end counts. Below
    /// `limited` nothing was approved, and nothing ends.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn ends_of(&self, bot: &BotFacts) -> Result<Vec<End>, AppError> {
        let Some(run) = bot.run.as_ref().filter(|run| is_bound(bot.stage) && run.stage == bot.stage) else { return Ok(Vec::new()) };
        let list = self.list_of(run.stage)?;
        let checked = self.checked(&mut *self.db.read().await?, bot, &list, Over::Approved(run.runs_allowed(self.clock.now()))).await?;
        let mut ends = Vec::new();
        for shown in &run.dossier.items {
            let now = checked.iter().find(|one| one.item.name == shown.item);
            let until = match now.map(|one| &one.standing) {
                Some(Standing::Done(newer)) => newer.until,
                Some(Standing::Open(_) | Standing::Expired(_)) | None => shown.until,
            };
            let words = now.map_or_else(|| shown.item.clone(), |one| one.item.words.clone());
            ends.extend(until.map(|at| End { of: Ending::Item(shown.item.clone()), words, at }));
        }
        ends.extend(run.until.map(|at| End { of: Ending::Stage, words: format!("Its time in stage {}", run.stage), at }));
        let keys = self.exchange_keys();
        let key = keys.of_purpose(&bot.id, KeyPurpose::Execution).filter(|key| key.is_open());
        let by = key.and_then(|key| key.rotate_by());
        ends.extend(by.map(|at| End { of: Ending::Key, words: "Its key to trade".to_owned(), at }));
        ends.sort_by_key(|end| end.at);
        Ok(ends)
    }

    /// What of a bot's approved run ends next, in words.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn ends_next(&self, bot: &BotFacts) -> Result<Option<(String, Timestamp)>, AppError> {
        let now = self.clock.now();
        let next = self.ends_of(bot).await?.into_iter().find(|end| end.at > now);
        Ok(next.map(|end| (end.words, end.at)))
    }

    /// Tells a bot's owner and its team's leads of what ends within two days, and again within one.
    ///
    /// # Errors
    /// When the database is gone: to be called again.
    pub async fn remind_of_ends(&self, before: &mut Reminded) -> Result<(), AppError> {
        if self.site.is_foreign() {
            return Ok(());
        }
        let (view, mut still) = (self.fleet.view(), HashSet::new());
        for bot in view.bots().filter(|bot| is_bound(bot.stage)) {
            let now = self.clock.now();
            for (end, hours) in self.ends_of(bot).await?.into_iter().filter_map(|end| due(end.at, now).map(|hours| (end, hours))) {
                let notice = notice_of(bot, &end, hours);
                if !before.0.contains(&notice.once) {
                    self.tell(&self.answerable(bot), &notice).await?;
                    // At once: what fails next is not to have this one told again.
                    before.0.insert(notice.once.clone());
                }
                still.insert(notice.once);
            }
        }
        before.0.retain(|once| still.contains(once));
        Ok(())
    }

    /// A bot's owner and its team's leads, those that are enabled.
    fn answerable(&self, bot: &BotFacts) -> Audience {
        let leads = |grant: &crate::domain::Grant| grant.role == Role::Lead && grant.team.as_ref() == Some(&bot.team);
        let users = self.people().users();
        let told = users.iter().filter(|user| user.enabled && (user.id == bot.owner || user.grants.iter().any(leads)));
        let people: Vec<UserId> = told.map(|user| user.id.clone()).collect();
        Audience { people, admins: false }
    }
}

fn notice_of(bot: &BotFacts, end: &End, hours: i64) -> Notice {
    let on_drift = bot.run.as_ref().map_or(OnDrift::Pause, |run| run.dossier.on_drift);
    let text = format!(
        "{}: this holds until {}. From then on bot {} is not what was approved, and is {}.\n\n{}",
        end.words,
        end.at.plain(),
        bot.name,
        end.then(on_drift),
        end.advice()
    );
    let once = format!("{}:{}:{}:{hours}", bot.id, end.name(), end.at.0);
    let title = format!("Bot {}: ends within {hours} h: {}", bot.name, end.words);
    Notice::new(NoticeKind::GoLiveEnds, once, title, text).at(format!("/bots/{}/golive?stage={}", bot.id, bot.stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_hear_two_days_before_and_one_day_before_and_never_of_what_is_over() {
        let end = Timestamp(0).plus_ms(10 * DAY_MS);
        let at = |hours: i64| due(end, end.plus_ms(-hours * HOUR_MS));
        assert_eq!([at(49), at(48), at(25), at(24), at(1), at(0), at(-1)], [None, Some(48), Some(48), Some(24), Some(24), None, None]);
    }
}
