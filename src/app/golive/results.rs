//! What a bot shows of itself in its stage, collected from the reports of its agent: summed in memory as they come, and added to its row every few
//! seconds. A server that ends at once loses those seconds; nothing is decided by them.

use crate::app::{App, AppError};
use crate::domain::{
    BotFacts, BotId, Timestamp,
    golive::results::{Counted, Results, Spread, Under, thousandths},
};
use crate::protocol::Report;
use crate::storage::{self, Conn, Lane};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// How many rows one transaction writes, so that a stop waits for a short one at most.
const ROWS: usize = 50;

/// What was heard and is not written yet, and what each bot counted last.
#[derive(Debug, Default)]
pub struct ResultBook(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    more: HashMap<Under, Results>,
    counted: HashMap<BotId, Counted>,
}

/// What a bot showed under its approval, and what went wrong meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultView {
    /// From its reports.
    pub results: Results,
    /// How often it was stopped otherwise than by going up.
    pub stops: i64,
    /// How often it was held for itself.
    pub holds: i64,
    /// How many alerts were opened about it.
    pub alerts: i64,
}

impl ResultView {
    /// Line by line, in words.
    pub fn in_words(&self) -> Vec<(&'static str, String)> {
        let Results { reports, counted, latency, slippage, .. } = &self.results;
        let bps = |thousandths: i64| format!("{:.3}", thousandths as f64 / 1_000.0);
        let spread = |spread: Spread, words: &dyn Fn(i64) -> String| match spread.mean() {
            Some(mean) => format!("{} on the mean, {} at most", words(mean), words(spread.most)),
            None => "not reported".to_owned(),
        };
        vec![
            ("Reports", reports.to_string()),
            ("Orders", format!("{} sent, {} refused by the venue; {} errors", counted.orders, counted.rejects, counted.errors)),
            ("Latency to the venue", spread(*latency, &|ms| format!("{ms} ms"))),
            ("Slippage", spread(*slippage, &|value| format!("{} bps", bps(value)))),
            ("Incidents", format!("{} stops, {} holds of it alone, {} alerts", self.stops, self.holds, self.alerts)),
        ]
    }
}

impl ResultBook {
    fn with<T>(&self, change: impl FnOnce(&mut Heard) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn counted(report: &Report) -> Option<Counted> {
    let totals = report.totals.as_ref()?;
    let number = |given: Option<u64>| given.and_then(|number| i64::try_from(number).ok()).unwrap_or_default();
    Some(Counted { orders: number(totals.orders), rejects: number(totals.rejects), errors: number(totals.errors) })
}

impl App {
    /// Takes a report in that has just come, of a bot that trades under an approval. Never waits.
    pub(crate) fn note_results(&self, bot: &BotFacts, has_report: bool, now: Timestamp) {
        let Some(run) = bot.run.as_ref().filter(|_| has_report) else { return };
        let seen = self.book.seen(&bot.id);
        let report = seen.as_ref().and_then(|seen| seen.report.as_ref()).filter(|(_, at)| *at == now);
        let Some((report, _)) = report else { return };
        self.golive.results.with(|heard| {
            // Of what it counted before anybody listened nothing is known.
            let more = counted(report).map(|now| now.since(heard.counted.insert(bot.id.clone(), now).unwrap_or(now)));
            let one = Results {
                reports: 1,
                counted: more.unwrap_or_default(),
                latency: Spread::of(report.venue_latency_ms.filter(|ms| (0..3_600_000).contains(ms))),
                slippage: Spread::of(report.slippage_bps.as_deref().and_then(thousandths)),
                first_at: Some(now),
                last_at: Some(now),
            };
            heard.more.entry((bot.id.clone(), run.request.clone())).or_default().add(&one);
        });
    }

    /// Writes what was heard since this was last called.
    ///
    /// # Errors
    /// When the database is gone: it is kept, and written when it can be.
    pub async fn write_results(&self) -> Result<(), AppError> {
        let mut due: Vec<(Under, Results)> = self.golive.results.with(|heard| heard.more.drain().collect());
        due.sort_by(|a, b| a.0.cmp(&b.0));
        while !due.is_empty() {
            let some = due.split_off(due.len().saturating_sub(ROWS));
            if let Err(error) = self.write_some(&some).await {
                let back = some.into_iter().chain(due);
                self.golive.results.with(|heard| back.for_each(|(under, more)| heard.more.entry(under).or_default().add(&more)));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_some(&self, some: &[(Under, Results)]) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        for (under, more) in some {
            storage::results::result_add(&mut tx, under, more).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What a bot showed since it was let into its stage; none: it is in none that takes an approval.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn shown_by(&self, bot: &BotFacts) -> Result<Option<ResultView>, AppError> {
        self.shown_in(&mut *self.db.read().await?, bot).await
    }

    /// The same as a transaction sees it.
    pub(super) async fn shown_in(&self, conn: &mut Conn, bot: &BotFacts) -> Result<Option<ResultView>, AppError> {
        let Some(run) = bot.run.as_ref().filter(|run| run.stage == bot.stage) else { return Ok(None) };
        let results = storage::results::result_one(conn, &bot.id, &run.request).await?.unwrap_or_default();
        let (stops, holds, alerts) = storage::results::result_incidents(conn, &bot.id, run.since).await?;
        Ok(Some(ResultView { results, stops, holds, alerts }))
    }
}
