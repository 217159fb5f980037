//! What is known when the site is to be recovered: what the database has, what lies outside of it, and what agents say. Reads only.

use super::{Frozen, files, sink};
use crate::app::{App, AppError};
use crate::audit::{Canonical, Event, Frontier, Note, number, record::leaf_hash, tree::Hash};
use crate::domain::{BotId, Epoch, HoldId, Level, Scope, Timestamp};
use crate::storage::{self, audit::Head};
use std::sync::Arc;

/// How many entries are read at a time.
const CHUNK: i64 = 2_000;
/// A report of an agent this far above the database's own counter is shown as absurd.
pub const ABSURD: i64 = 1_000_000_000;

/// What one agent says of the counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// Its bot.
    pub bot: BotId,
    /// The bot's name.
    pub name: String,
    /// The highest epoch it has seen.
    pub epoch: Epoch,
    /// When it said so.
    pub at: Timestamp,
}

/// What the sink has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InSink {
    /// Whole entries of the incarnation that the database has.
    pub entries: u64,
    /// Its last checkpoint.
    pub checkpoint: Option<String>,
    /// Holds whose placing only the sink has, and not their release.
    pub holds: Vec<LostHold>,
}

/// A hold that the database lost: its placing is known from the sink alone. Whoever lets the site go on must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostHold {
    id: HoldId,
    level: Level,
    scope: Option<Scope>,
    by: String,
    at: Timestamp,
    why: String,
}

/// Everything that is known.
#[derive(Debug, Clone)]
pub struct Known {
    /// The log's head in the database.
    pub head: Head,
    /// The counter in the database.
    pub epoch: Epoch,
    /// Kind and time of the last entry in the database.
    pub last_entry: Option<(String, Timestamp)>,
    /// The newest checkpoint in the database.
    pub checkpoint: Option<String>,
    /// The newest tide mark of this state folder, of whichever incarnation.
    pub mark: Option<String>,
    /// The sink; none: there is none, or it cannot be read.
    pub sink: Option<InSink>,
    /// Holds that only the sink has, in words: `pause of bot arb-1 by M. Okafor, 2026-11-23 03:12:07Z: venue outage`.
    pub lost_holds: Vec<String>,
    /// What agents say, the highest first.
    pub reported: Vec<Reported>,
    /// Why the log takes nothing.
    pub frozen: Option<Arc<Frozen>>,
    /// This server's state folder is not one of the installation's.
    pub is_foreign: bool,
}

impl Known {
    /// Agents that have seen more than the database has.
    pub fn ahead(&self) -> impl Iterator<Item = &Reported> {
        self.reported.iter().filter(|one| one.epoch > self.epoch)
    }
    /// The word for why a recovery is needed; none: it is not.
    pub fn reason(&self) -> Option<&'static str> {
        match &self.frozen {
            Some(frozen) if frozen.kind == super::FrozenKind::NotCompared => None,
            Some(frozen) => Some(frozen.kind.as_str()),
            None if self.is_foreign => Some("take_over"),
            None => self.ahead().next().map(|_| super::FrozenKind::Rollback.as_str()),
        }
    }
    /// The signed checkpoint that covers most, wherever it lies.
    pub fn last_checkpoint(&self) -> Option<(&str, Note)> {
        let in_sink = self.sink.as_ref().and_then(|sink| sink.checkpoint.as_deref());
        let all = [self.checkpoint.as_deref(), self.mark.as_deref(), in_sink].into_iter().flatten();
        let read = all.filter_map(|text| Note::parse(text).ok().map(|note| (text, note)));
        read.max_by_key(|(_, note)| (number::incarnation(&note.checkpoint.origin), note.checkpoint.size))
    }
    /// Entries of the database.
    pub fn size(&self) -> u64 {
        self.head.size.unsigned_abs()
    }
    /// The first and the last entry that only the sink has.
    pub fn only_in_sink(&self) -> Option<(u64, u64)> {
        let entries = self.sink.as_ref()?.entries;
        (entries > self.size()).then(|| (self.size(), entries - 1))
    }
    /// The most entries that anything shows.
    pub fn known_size(&self) -> u64 {
        let noted = self.last_checkpoint().map_or(0, |(_, note)| note.checkpoint.size);
        self.size().max(noted).max(self.sink.as_ref().map_or(0, |sink| sink.entries))
    }
    /// The name of the incarnation that goes on: one that nothing here has seen.
    pub fn next_origin(&self) -> String {
        match self.last_checkpoint() {
            Some((_, note)) if number::are_of_one_log(&note.checkpoint.origin, &self.head.origin) => {
                let (one, other) = (&note.checkpoint.origin, &self.head.origin);
                number::next_origin(if number::incarnation(one) > number::incarnation(other) { one } else { other })
            }
            _ => number::next_origin(&self.head.origin),
        }
    }
}

impl Known {
    /// For a terminal, a line each.
    pub fn lines(&self) -> Vec<String> {
        let noted = |text: Option<&str>| {
            let note = text.and_then(|text| Note::parse(text).ok()).map(|note| note.checkpoint);
            note.map_or_else(|| "none".to_owned(), |note| format!("over {} entries of {}", note.size, note.origin))
        };
        let mut lines = vec![
            format!(
                "log                 {}",
                self.frozen.as_ref().map_or_else(|| "open".to_owned(), |frozen| format!("frozen: {}", frozen.why))
            ),
            format!(
                "site                {}",
                if self.is_foreign { "this state folder is not one of the installation's" } else { "the installation's" }
            ),
            format!("database            {} entries of {}, epoch {}", self.head.size, self.head.origin, self.epoch),
        ];
        lines.extend(self.last_entry.as_ref().map(|(kind, at)| format!("last entry          {kind}, {}", at.plain())));
        lines.push(format!(
            "checkpoints         database {}; tide mark {}",
            noted(self.checkpoint.as_deref()),
            noted(self.mark.as_deref())
        ));
        lines.push(match (&self.sink, self.only_in_sink()) {
            (None, _) => "sink                none, or it cannot be read".to_owned(),
            (Some(sink), None) => format!("sink                {} entries, none that the database does not have", sink.entries),
            (Some(sink), Some((from, to))) => {
                format!("sink                {} entries; {from} to {to} are known only from it", sink.entries)
            }
        });
        if !self.lost_holds.is_empty() {
            lines.push(format!("holds lost          {}, known only from the sink and not in the database:", self.lost_holds.len()));
            lines.extend(self.lost_holds.iter().map(|hold| format!("  {hold}")));
        }
        let ahead: Vec<&Reported> = self.ahead().collect();
        lines.push(format!(
            "agents              {} have said something, {} of them have seen more than the database",
            self.reported.len(),
            ahead.len()
        ));
        lines.extend(ahead.iter().take(20).map(|one| format!("  {:<18}epoch {}", one.name, one.epoch)));
        lines
    }
}

impl App {
    /// Gathers what is known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn known(&self) -> Result<Known, AppError> {
        let (head, epoch, last_entry, checkpoint) = {
            let mut tx = self.db.read().await?;
            let head = storage::audit::audit_head(&mut tx).await?;
            let last = storage::audit::audit_of(&mut tx, head.log, head.size - 1, 1).await?.pop();
            let checkpoint = storage::checkpoints::checkpoint_latest(&mut tx).await?;
            let epoch = storage::epoch::epoch_now(&mut tx).await?;
            (head, epoch, last.map(|row| (row.kind, Timestamp(row.ts))), checkpoint.map(|stored| stored.note))
        };
        let settings = self.log.settings.get().cloned();
        let (origin, size) = (head.origin.clone(), head.size.unsigned_abs());
        let outside = tokio::task::spawn_blocking(move || {
            let settings = settings?;
            let mark = files::read_mark_as_written(&settings.state_dir).ok().flatten().map(|(_, text)| text);
            Some((mark, settings.sink.and_then(|dir| in_sink(&sink::folder(&dir, &origin), size))))
        });
        let (mark, sink) = outside.await.map_err(AppError::internal)?.unwrap_or_default();
        let frozen = self.log.gate().frozen();
        let is_foreign = self.site.is_foreign();
        let lost_holds = sink.iter().flat_map(|sink| &sink.holds).map(|hold| self.lost_words(hold)).collect();
        Ok(Known { head, epoch, last_entry, checkpoint, mark, sink, lost_holds, reported: self.reported(), frozen, is_foreign })
    }

    fn lost_words(&self, hold: &LostHold) -> String {
        let scope = hold.scope.as_ref().map_or_else(|| "something that is not known here".to_owned(), |scope| self.scope_words(scope));
        let why = if hold.why.is_empty() { String::new() } else { format!(": {}", hold.why) };
        format!("{} of {scope} by {}, {}{why}", hold.level, hold.by, hold.at.plain())
    }

    fn reported(&self) -> Vec<Reported> {
        let view = self.fleet.view();
        let of = |bot: &Arc<crate::domain::BotFacts>| {
            let seen = self.book.seen(&bot.id)?;
            Some(Reported { bot: bot.id.clone(), name: bot.name.clone(), epoch: seen.epoch?, at: seen.at })
        };
        let mut all: Vec<Reported> = view.bots().filter_map(of).collect();
        all.sort_by(|a, b| b.epoch.cmp(&a.epoch).then_with(|| a.name.cmp(&b.name)));
        all
    }

    /// The root over the bytes of an incarnation as they are, whatever is wrong with them, and how many entries there are.
    pub(super) async fn as_found(&self, head: &Head) -> Result<(u64, Hash), AppError> {
        let (mut frontier, mut next) = (Frontier::default(), 0);
        loop {
            let rows = storage::audit::audit_of(&mut *self.db.read().await?, head.log, next, CHUNK).await?;
            let Some(last) = rows.last() else { return Ok((frontier.size(), frontier.root())) };
            next = last.seq as i64 + 1;
            for row in &rows {
                frontier.push(leaf_hash(&row.body));
            }
            tokio::task::yield_now().await;
        }
    }
}

/// None when there is no sink there, or it cannot be read. `size`: how many entries the database has.
fn in_sink(folder: &std::path::Path, size: u64) -> Option<InSink> {
    let checkpoint = sink::checkpoints(folder).ok()?.0.pop().map(|line| line.note);
    let (mut entries, mut holds) = (0, Vec::new());
    if let Some(mut lines) = sink::Lines::of(&folder.join(sink::ENTRIES)).ok()? {
        while let Some(line) = lines.next_line().ok()? {
            entries += 1;
            if entries > size {
                note_hold(&mut holds, line);
            }
        }
    }
    Some(InSink { entries, checkpoint, holds })
}

/// Takes an entry's hold down, or its end. What cannot be read names none.
fn note_hold(holds: &mut Vec<LostHold>, line: Vec<u8>) {
    match Canonical::from_stored(line).and_then(|entry| entry.event()) {
        Ok(Event::HoldPlaced { hold, level, scope, why, by, pressed_at_us, bot, team, named, .. }) => {
            let id = bot.map(|bot| bot.to_string()).or_else(|| team.map(|team| team.to_string())).or(named);
            let scope = Scope::from_one(&id.map_or_else(|| scope.clone(), |id| format!("{scope}:{id}")));
            let by = by.split_once(": ").map_or(by.clone(), |(_, name)| name.to_owned());
            holds.push(LostHold { id: hold, level, scope, by, at: Timestamp(pressed_at_us), why });
        }
        Ok(Event::HoldReleased { hold, .. }) => holds.retain(|lost| lost.id != hold),
        _ => {}
    }
}
