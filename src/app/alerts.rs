//! Alerts: raised from anywhere without waiting, shown from memory at once, written by a task of their own. A database that is gone makes no
//! alert later than it was: it is kept here and written when it can be. Opening is an observation; taking and closing by people are acts.

use super::{App, AppError, Invalid, notices};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    Alert, AlertId, AlertKind, BotId, Severity, Subject, TeamId, Timestamp,
    alert::{By, Closed, CommandState, Standing},
    text,
};
use crate::storage::{self, Lane};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::{Mutex as Turn, Notify};

/// The most open alerts in memory: a few for every bot of the largest fleet. What comes beyond is logged and dropped.
const MOST: usize = 60_000;
/// At most this many rows in one transaction.
const CHUNK: usize = 25;
/// Repeats of one alert are written at most this often.
const COUNT_EVERY_MS: i64 = 5_000;
/// Between two rounds of the writer at least, at most, and after a database that did not take something.
const PAUSE: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(2);
/// Alerts of a page.
pub const PAGE: i64 = 50;

pub(super) type Key = (AlertKind, String);

/// An alert as memory has it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) alert: Alert,
    // The database has its row.
    pub(super) saved: bool,
    // Repeats that the row does not have yet, and when it was counted last.
    more: i64,
    counted_at: Timestamp,
    // This process judges whether its cause is gone.
    is_ours: bool,
}

/// Every open alert, and those whose end is not written yet.
#[derive(Default)]
pub struct AlertBook {
    pub(super) open: Mutex<HashMap<Key, Entry>>,
    wake: Arc<Notify>,
    // One writer at a time.
    writing: Turn<()>,
    pub(super) told: Mutex<HashMap<(AlertKind, Option<TeamId>), Timestamp>>,
    pub(super) due: Notify,
}

impl AlertBook {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut HashMap<Key, Entry>) -> T) -> T {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Every open alert, oldest first.
    pub fn open(&self) -> Vec<Alert> {
        let mut all: Vec<Alert> =
            self.with(|open| open.values().map(|entry| &entry.alert).filter(|alert| alert.is_open()).cloned().collect());
        all.sort_by(|a, b| a.opened_at.cmp(&b.opened_at).then_with(|| a.id.cmp(&b.id)));
        all
    }
    /// What is open about a bot.
    pub(crate) fn kinds_of(&self, bot: &BotId) -> Vec<AlertKind> {
        let open = |entry: &&Entry| entry.alert.is_open() && entry.alert.subject.bot.as_ref() == Some(bot);
        self.with(|all| all.values().filter(open).map(|entry| entry.alert.kind).collect())
    }
    /// The open alert of a kind and subject.
    pub fn find(&self, kind: AlertKind, subject: &Subject) -> Option<Alert> {
        self.with(|open| open.get(&(kind, subject.key())).map(|entry| entry.alert.clone()).filter(Alert::is_open))
    }
    /// True while an alert of a kind and subject is open.
    pub fn is_open(&self, kind: AlertKind, subject: &Subject) -> bool {
        self.with(|open| open.get(&(kind, subject.key())).is_some_and(|entry| entry.alert.is_open()))
    }
    /// Open alerts of a kind, whoever raised them.
    pub fn open_of(&self, kind: AlertKind) -> Vec<Subject> {
        let is_of = |entry: &&Entry| entry.alert.kind == kind && entry.alert.is_open();
        self.with(|open| open.values().filter(is_of).map(|entry| entry.alert.subject.clone()).collect())
    }
    /// Open alerts of a kind that this process raised, or on the embedded database any: those it may settle.
    pub fn ours(&self, kind: AlertKind) -> Vec<Subject> {
        let is_ours = |entry: &&Entry| entry.is_ours && entry.alert.kind == kind && entry.alert.is_open();
        self.with(|open| open.values().filter(is_ours).map(|entry| entry.alert.subject.clone()).collect())
    }
    /// Open alerts whose cause this process judges.
    pub(super) fn our_keys(&self) -> std::collections::HashSet<Key> {
        let is_ours = |(_, entry): &(&Key, &Entry)| entry.is_ours && entry.alert.is_open();
        self.with(|open| open.iter().filter(is_ours).map(|(key, _)| key.clone()).collect())
    }
    /// How many critical ones are open, and the newest of them.
    pub fn critical(&self) -> (usize, Option<Alert>) {
        self.with(|open| {
            let critical =
                || open.values().map(|entry| &entry.alert).filter(|alert| alert.is_open() && alert.severity == Severity::Critical);
            (critical().count(), critical().max_by(|a, b| a.id.cmp(&b.id)).cloned())
        })
    }
    /// How many are open that nobody looks after.
    pub fn untaken(&self) -> usize {
        self.with(|open| open.values().filter(|entry| entry.alert.standing() == Standing::Open).count())
    }
    /// Waits until the alert command may have something to do.
    pub async fn command_due(&self) {
        self.due.notified().await;
    }
}

impl App {
    /// Raises an alert: opens it, or counts into the open one of its kind and subject. Never blocks, never fails its caller.
    pub fn raise(&self, kind: AlertKind, subject: Subject, words: impl AsRef<str>) {
        self.raise_from(kind, subject, words.as_ref(), None);
    }

    fn raise_from(&self, kind: AlertKind, subject: Subject, words: &str, sent_by: Option<String>) {
        let now = self.clock.now();
        let key = (kind, subject.key());
        let command = if self.alert_command().is_some() { CommandState::Due } else { CommandState::Off };
        let is_full = self.alerts.with(|open| {
            if let Some(entry) = open.get_mut(&key) {
                // A cause that came back before its end was written has not ended.
                entry.alert.closed = None;
                entry.is_ours = true;
                entry.more += 1;
                entry.alert.repeats += 1;
                entry.alert.last_at = entry.alert.last_at.max(now);
                return false;
            }
            if open.len() >= MOST {
                return true;
            }
            let alert = Alert { command, sent_by, ..Alert::new(kind, subject, words, now) };
            open.insert(key, Entry { alert, saved: false, more: 0, counted_at: now, is_ours: true });
            false
        });
        if is_full {
            tracing::error!(%kind, "more alerts are open than this process keeps; one was dropped");
        }
        self.alerts.wake.notify_one();
    }

    /// Closes an open alert whose cause is gone, saying so. Nothing when there is none. Never blocks, never fails its caller.
    pub fn settle(&self, kind: AlertKind, subject: &Subject, why: impl Into<String>) {
        let at = self.clock.now();
        let is_news = self.alerts.with(|open| match open.get_mut(&(kind, subject.key())) {
            Some(entry) if entry.alert.is_open() => {
                entry.alert.closed = Some(Closed { at, by: None, why: why.into() });
                true
            }
            _ => false,
        });
        if is_news {
            self.alerts.wake.notify_one();
        }
    }

    /// Open alerts as the database has them: at the start, and on PostgreSQL again and again, since other replicas raise and close too.
    ///
    /// # Errors
    /// When the database is gone: memory stays as it was.
    pub async fn load_alerts(&self) -> Result<(), AppError> {
        let _turn = self.alerts.writing.lock().await;
        let stored = storage::alerts::alert_open(&mut *self.db.read().await?).await?;
        let is_embedded = self.db.is_embedded();
        self.alerts.with(|open| {
            let ids: std::collections::HashSet<&AlertId> = stored.iter().map(|alert| &alert.id).collect();
            // Another replica closed it, or a person did there.
            open.retain(|_, entry| !entry.saved || ids.contains(&entry.alert.id));
            for alert in &stored {
                let key = (alert.kind, alert.subject.key());
                match open.get_mut(&key) {
                    Some(entry) if entry.saved => {
                        entry.alert.taken.clone_from(&alert.taken);
                        entry.alert.told_at = alert.told_at;
                        entry.alert.command = alert.command;
                        entry.alert.command_at = alert.command_at;
                        entry.alert.command_said.clone_from(&alert.command_said);
                        entry.alert.repeats = entry.alert.repeats.max(alert.repeats);
                    }
                    Some(_) => {}
                    None => {
                        let entry = Entry { counted_at: alert.last_at, alert: alert.clone(), saved: true, more: 0, is_ours: is_embedded };
                        open.insert(key, entry);
                    }
                }
            }
        });
        Ok(())
    }

    /// Writes what memory has and the database has not: openings, counts, ends. In short transactions of the lane that every stop overtakes.
    ///
    /// # Errors
    /// When the database is gone: what was not written is written later.
    pub async fn write_alerts(&self) -> Result<(), AppError> {
        let _turn = self.alerts.writing.lock().await;
        let now = self.clock.now();
        let is_due =
            |entry: &Entry| !entry.saved || !entry.alert.is_open() || (entry.more > 0 && now.ms_since(entry.counted_at) >= COUNT_EVERY_MS);
        let work: Vec<(Key, Entry)> = self
            .alerts
            .with(|open| open.iter().filter(|(_, entry)| is_due(entry)).map(|(key, entry)| (key.clone(), entry.clone())).collect());
        for some in work.chunks(CHUNK) {
            let mut tx = self.db.write(Lane::Normal).await?;
            let mut rows = Vec::with_capacity(some.len());
            for (_, entry) in some {
                rows.push(write_one(&mut tx, entry).await?);
            }
            tx.commit().await?;
            self.alerts.with(|open| some.iter().zip(rows).for_each(|((key, entry), row)| written(open, key, entry, row, now)));
        }
        if !work.is_empty() {
            self.alerts.due.notify_one();
        }
        Ok(())
    }

    /// What an alert is to the policy: its bot's team, else the installation.
    fn alert_resource(&self, alert: &Alert) -> Resource {
        self.alert_team(alert).map_or(Resource::Installation, Resource::Team)
    }

    /// The team of an alert's bot.
    pub fn alert_team(&self, alert: &Alert) -> Option<TeamId> {
        let bot = alert.subject.bot.as_ref()?;
        self.fleet.view().bot(bot).map(|bot| bot.team.clone())
    }

    /// True when this actor may be shown an alert: a token that is bound to a team, that of its bots and of the installation.
    fn sees_alert(&self, actor: &Actor, alert: &Alert) -> bool {
        self.alert_team(alert).is_none_or(|team| authz::sees_team(actor, &team))
    }

    /// True when this actor may take or close an alert.
    pub fn may_tend(&self, actor: &Actor, alert: &Alert) -> bool {
        authz::check(actor, Action::TendAlert, &self.alert_resource(alert)).is_ok()
    }

    /// Open alerts that this actor may see, those that are taken or those that are not, oldest first. From memory.
    ///
    /// # Errors
    /// `Denied`.
    pub fn open_alerts(&self, actor: &Actor, is_taken: bool) -> Result<Vec<Alert>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let wanted = |alert: &Alert| alert.taken.is_some() == is_taken && self.sees_alert(actor, alert);
        Ok(self.alerts.open().into_iter().filter(wanted).collect())
    }

    /// Closed alerts that this actor may see, newest first, those before one of them when it is named: at most `most` are looked at. With them
    /// the id before which the next page begins; none: this was the end.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn closed_alerts(
        &self,
        actor: &Actor,
        before: Option<&AlertId>,
        most: i64,
    ) -> Result<(Vec<Alert>, Option<AlertId>), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut alerts = storage::alerts::alert_closed(&mut *self.db.read().await?, before, most).await?;
        let next = alerts.last().filter(|_| alerts.len() as i64 >= most).map(|last| last.id.clone());
        alerts.retain(|alert| self.sees_alert(actor, alert));
        Ok((alerts, next))
    }

    /// One alert: from memory while it is open, from the database when it is over.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone and memory does not know it.
    pub async fn alert(&self, actor: &Actor, id: &AlertId) -> Result<Alert, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let open = self.alerts.with(|open| open.values().map(|entry| &entry.alert).find(|alert| alert.id == *id).cloned());
        let found = match open {
            Some(alert) => Some(alert),
            None => storage::alerts::alert_by_id(&mut *self.db.read().await?, id).await?,
        };
        found.filter(|alert| self.sees_alert(actor, alert)).ok_or(AppError::NotFound("alert"))
    }

    /// The newest alerts of a bot, open and closed.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn alerts_of_bot(&self, actor: &Actor, bot: &BotId, most: i64) -> Result<Vec<Alert>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::alerts::alert_of_bot(&mut *self.db.read().await?, bot, most).await?)
    }

    /// Says that somebody looks after an alert. Whoever takes it later has it then.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Conflict` when it is closed; when the database is gone.
    pub async fn take_alert(&self, actor: &Actor, id: &AlertId) -> Result<(), AppError> {
        let alert = self.alert(actor, id).await?;
        let permit = authz::check(actor, Action::TendAlert, &self.alert_resource(&alert))?;
        self.write_alerts().await?;
        let by = by(actor);
        let mut act = self.begin(permit, Lane::Normal).await?;
        let at = act.now();
        closed_already(storage::alerts::alert_take(act.tx(), id, &by, at).await)?;
        act.commit(Event::AlertTaken { alert: id.clone(), about: alert.kind.to_string(), bot: alert.subject.bot }).await?;
        self.alerts.with(|open| {
            if let Some(entry) = open.values_mut().find(|entry| entry.alert.id == *id) {
                entry.alert.taken = Some((by, at));
            }
        });
        Ok(())
    }

    /// Sends an alert that says it is a test, to see whether anybody answers: somebody else than whoever sent it.
    ///
    /// # Errors
    /// `Denied`; `Conflict` while another is open; when the log takes nothing.
    pub async fn send_test_alert(&self, actor: &Actor) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::TendAlert, &Resource::Installation)?;
        if self.alerts.is_open(AlertKind::Test, &Subject::installation()) {
            return Err(AppError::conflict("a test alert is open already: somebody takes and closes that one first"));
        }
        let By { id, name: who, .. } = by(actor);
        self.begin(permit, Lane::Normal).await?.commit(Event::TestAlertSent {}).await?;
        let words = format!("{who} sent this to see whether anybody else answers. Nothing is wrong. Take it, then close it.");
        self.raise_from(AlertKind::Test, Subject::installation(), &words, Some(id));
        Ok(())
    }

    /// Closes an alert. A cause that goes on raises another after ten minutes; one that ends and comes back does at once.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Invalid` without a reason; `Conflict` when it is closed; when the database is gone.
    pub async fn close_alert(&self, actor: &Actor, id: &AlertId, why: &str) -> Result<(), AppError> {
        let alert = self.alert(actor, id).await?;
        let permit = authz::check(actor, Action::TendAlert, &self.alert_resource(&alert))?;
        let mut invalid = Invalid::default();
        let Some(why) = invalid.check("why", "The reason", text::why(why)) else { return Err(invalid.into()) };
        if why.is_empty() {
            return Err(Invalid::one("why", "Say why it may be closed").into());
        }
        self.write_alerts().await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let closed = Closed { at: act.now(), by: Some(by(actor)), why: why.clone() };
        closed_already(storage::alerts::alert_close(act.tx(), id, &closed).await)?;
        act.commit(Event::AlertClosed { alert: id.clone(), about: alert.kind.to_string(), bot: alert.subject.bot, why }).await?;
        self.alerts.with(|open| open.retain(|_, entry| entry.alert.id != *id));
        Ok(())
    }
}

fn by(actor: &Actor) -> By {
    let placer = actor.as_placer();
    By { kind: placer.kind, id: placer.id, name: placer.name }
}

fn closed_already(outcome: storage::Result<()>) -> Result<(), AppError> {
    match outcome {
        Err(storage::Error::Conflict) => Err(AppError::conflict("this alert is closed already")),
        other => Ok(other?),
    }
}

/// Brings one row up to memory; answers with it as it was written, when it was opened.
async fn write_one(tx: &mut storage::WriteTx, entry: &Entry) -> storage::Result<Option<Alert>> {
    let mut row = None;
    if !entry.saved {
        let stored = storage::alerts::alert_raise(tx, &Alert { closed: None, ..entry.alert.clone() }).await?;
        row = Some(stored);
    } else if entry.more > 0 {
        storage::alerts::alert_count(tx, &entry.alert.id, entry.more, entry.alert.last_at).await?;
    }
    if let Some(closed) = &entry.alert.closed {
        let id = row.as_ref().map_or(&entry.alert.id, |row| &row.id);
        match storage::alerts::alert_close(tx, id, closed).await {
            // A person was faster.
            Ok(()) | Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(row)
}

/// Takes into memory what was written of an entry as it was then. It may have gone on meanwhile.
fn written(open: &mut HashMap<Key, Entry>, key: &Key, then: &Entry, row: Option<Alert>, now: Timestamp) {
    let Some(entry) = open.get_mut(key) else { return };
    if entry.alert.id != then.alert.id {
        return;
    }
    if !then.alert.is_open() {
        if entry.alert.is_open() {
            // Its cause came back while its end was written: that is the next alert.
            entry.alert = Alert { command: then.alert.command, ..Alert::new(key.0, entry.alert.subject.clone(), &entry.alert.words, now) };
            entry.saved = false;
            entry.more = 0;
        } else {
            open.remove(key);
        }
        return;
    }
    if let Some(row) = row {
        let (closed, last_at) = (entry.alert.closed.take(), entry.alert.last_at);
        entry.more = entry.alert.repeats - then.alert.repeats;
        entry.alert = Alert { repeats: row.repeats + entry.more, closed, last_at: last_at.max(row.last_at), ..row };
        entry.saved = true;
    } else {
        entry.more -= then.more;
    }
    entry.counted_at = now;
}

/// Writes and tells until the application goes.
pub(crate) async fn run(app: Weak<App>, wake: Arc<Notify>) {
    // What an earlier process has left open. Nothing waits for it: a server that cannot read its alerts takes stops all the same.
    let mut is_loaded = false;
    loop {
        if is_loaded {
            // Elapsed or woken: the round is the same.
            let _ = tokio::time::timeout(EVERY, wake.notified()).await;
        }
        let Some(app) = app.upgrade() else { return };
        let round = async {
            if !is_loaded {
                app.load_alerts().await?;
                is_loaded = true;
            }
            app.write_alerts().await?;
            if !app.db.is_embedded() {
                app.load_alerts().await?;
            }
            app.tell_alerts().await
        };
        let pause = match round.await {
            Ok(()) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, "alerts wait for the database");
                AGAIN
            }
        };
        drop(app);
        tokio::time::sleep(pause).await;
    }
}

impl AlertBook {
    pub(super) fn waker(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}

/// Who is told of an alert: the people of its bot's team, or whoever trades or administers; and risk.
pub(super) fn audience(app: &App, team: Option<&TeamId>) -> crate::domain::Audience {
    use crate::domain::Role;
    let concerns = |grant: &crate::domain::Grant| match grant.role {
        Role::Risk => true,
        Role::Admin => team.is_none(),
        Role::Operator => team.is_some() && grant.team.as_ref() == team,
        Role::Lead => team.is_none() || grant.team.as_ref() == team,
        Role::Auditor => false,
    };
    let users = app.people().users();
    let people = users.iter().filter(|user| user.enabled && user.grants.iter().any(concerns)).map(|user| user.id.clone());
    crate::domain::Audience { people: people.collect(), admins: false }
}

/// The same kind of alert about the same team is told of at most this often; what comes within waits and is told of together.
const TELL_EVERY_MS: i64 = 60_000;

impl App {
    /// Tells people of critical alerts: the first at once, those that follow within a minute together.
    ///
    /// # Errors
    /// When the database is gone: they are told later.
    pub async fn tell_alerts(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut groups = HashMap::<(AlertKind, Option<TeamId>), Vec<Alert>>::new();
        let untold: Vec<Alert> = self.alerts.with(|open| {
            let is_untold = |entry: &&Entry| {
                let alert = &entry.alert;
                entry.saved && alert.is_open() && alert.told_at.is_none() && alert.severity == Severity::Critical
            };
            open.values().filter(is_untold).map(|entry| entry.alert.clone()).collect()
        });
        for alert in untold {
            groups.entry((alert.kind, self.alert_team(&alert))).or_default().push(alert);
        }
        for (group, mut alerts) in groups {
            let told = self.alerts.told.lock().unwrap_or_else(PoisonError::into_inner).get(&group).copied();
            if told.is_some_and(|at| now.ms_since(at) < TELL_EVERY_MS) {
                continue;
            }
            alerts.sort_by(|a, b| a.id.cmp(&b.id));
            self.tell_group(group.1.as_ref(), &alerts, now).await?;
            self.alerts.told.lock().unwrap_or_else(PoisonError::into_inner).insert(group, now);
        }
        Ok(())
    }

    async fn tell_group(&self, team: Option<&TeamId>, alerts: &[Alert], now: Timestamp) -> Result<(), AppError> {
        let Some(notice) = self.alert_notice(alerts) else { return Ok(()) };
        let to = audience(self, team);
        let mut is_first = true;
        for some in alerts.chunks(CHUNK) {
            let mut tx = self.db.write(Lane::Normal).await?;
            if std::mem::take(&mut is_first) {
                notices::write(&mut tx, &to, &notice, now).await?;
            }
            for alert in some {
                storage::alerts::alert_told(&mut tx, &alert.id, now).await?;
            }
            tx.notify().await?;
            tx.commit().await?;
            self.alerts.with(|open| {
                for alert in some {
                    if let Some(entry) = open.get_mut(&(alert.kind, alert.subject.key())).filter(|entry| entry.alert.id == alert.id) {
                        entry.alert.told_at = Some(now);
                    }
                }
            });
        }
        self.notices.wake();
        self.refresh_unread().await
    }

    fn alert_notice(&self, alerts: &[Alert]) -> Option<crate::domain::Notice> {
        let first = alerts.first()?;
        let title = match (alerts.len(), self.alert_bot_name(first)) {
            (1, Some(bot)) => format!("{}: {bot}", first.kind.title()),
            (1, None) => first.kind.title().to_owned(),
            (n, _) => format!("{}: {n} at once", first.kind.title()),
        };
        let (words, link) = match alerts {
            [one] => (one.words.clone(), format!("/alerts/{}", one.id)),
            many => {
                let names: Vec<String> = many.iter().take(20).filter_map(|alert| self.alert_bot_name(alert)).collect();
                let more = many.len().saturating_sub(names.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                (format!("{}{more}.\n\nThe first: {}", names.join(", "), first.words), "/alerts".to_owned())
            }
        };
        let text = format!("{words}\n\nTake it on the page of alerts, so that others know that somebody looks after it.");
        Some(crate::domain::Notice::new(crate::domain::NoticeKind::Alert, &first.id, title, text).at(link))
    }

    /// The name of an alert's bot.
    pub fn alert_bot_name(&self, alert: &Alert) -> Option<String> {
        self.fleet.view().bot(alert.subject.bot.as_ref()?).map(|bot| bot.name.clone())
    }
}
